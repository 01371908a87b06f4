"""A failure is readable where CI shows it: step, cell, line, what was expected and what came; it counts once."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from amazonpay_nb.runs import kernels
from amazonpay_nb.runs.failure import Failure, claims_of, failure_of, result_of
from amazonpay_nb.runs.report import Run, Summary, write_report
from amazonpay_nb.runs.runner import run
from amazonpay_nb.stage.export import finish, short
from amazonpay_nb.workbench.claims import RECORD_MIME, Claim

OPEN = "from amazonpay_nb import workbench\n\nwb = workbench.open()\nwb.claim('open', 'It is open.', True)"
LATER = "wb.claim('later', 'It comes later.', True)"
ASSERTED = "state = 'Closed'\nassert state == 'Chargeable'"
CLAIMED = "state = 'Closed'\nwb.claim(\n    'chargeable', 'It can be charged.',\n    state == 'Chargeable',\n)"
WHERE = "cell 2, step “Charge the wallet”, line 2: "
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def failed(folder: Path, source: str) -> tuple[dict[str, object], ET.Element, str]:
    cells = [
        new_markdown_cell("# A wallet\n\n## Get set up"), new_code_cell(OPEN),
        new_markdown_cell("## Charge the wallet"), new_code_cell(source), new_code_cell(LATER),
    ]  # fmt: skip
    path = folder / "broken.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    out = folder / "out"
    run([path], {}, out=out)
    (only,) = json.loads((out / "summary.json").read_text("utf-8"))["runs"]
    root = ET.fromstring((out / "junit.xml").read_text("utf-8"))  # noqa: S314 (our own file)
    cell_id = only["failure"]["cell_id"]
    assert f'id="cell-id={cell_id}"' in (out / "broken.html").read_text("utf-8")
    assert f'href="broken.html#cell-id={cell_id}"' in (out / "report.html").read_text("utf-8")
    return only, root, cell_id


# A claim whose comparison calls, waits or takes something: what that does, it does once.
ASKED = [
    "await asyncio.sleep(0, 'Closed') == 2", "next(asks) == 2", "box.get_nowait() == 2", "(asked := asked + 1) == 2",
    "f'{next(asks)}' == 2", "box << 1 == 2", "('c' in asks) == 2", "[*asks] == 2", "[ask for ask in asks] == 2",
    "orders['broken'].state == 2",
]  # fmt: skip
READ = "(orders['one'].state, -asked + 1, asks is None) == (orders['one'].state[1:], 2)"
CLAIM = """
try:
    wb.claim('a', 'b', {})
except AssertionError as error:
    words.append(str(error).partition('\\n')[2])"""
SHOP = """
import asyncio, queue
from types import SimpleNamespace

class Box(queue.Queue):
    __lshift__ = queue.Queue.put
class Broken:
    reads = 0
    @property
    def state(self):
        self.reads += 1
        return 1 // (self.reads < 2)

box, asks, asked, words = Box(), iter('abcd'), 0, []
orders = {'one': SimpleNamespace(state='Closed'), 'broken': Broken()}
box.put('Closed')"""


def test_a_comparison_is_read_once_more_and_nothing_in_it_is_done_again(tmp_path: Path) -> None:
    """What a call, an iterator or an await gave is not asked for a second time: it may be a charge."""
    named = CLAIM.replace("'a', 'b', {}", "ok={}, name='a', text='b'").format(READ)
    claims = "".join(CLAIM.format(test) for test in (*ASKED, READ)) + named
    failed(tmp_path, f"{SHOP}{claims}\nprint(asked, box.qsize(), words)\nassert box.get() == 2")
    *_, cell, _ = nbformat.read(tmp_path / "out" / "broken.ipynb", 4).cells  # the later one was not reached
    (printed,) = [output.text for output in cell.outputs if output.output_type == "stream"]
    read = "expected: ('losed', 2)\nactual: ('Closed', 0, False)"
    assert printed.strip() == f"1 1 {[*[''] * len(ASKED), read, read]}"
    assert cell.outputs[-1].evalue == ""


# Each cell fails in another way, and the kernel goes on.
FAILING = {
    # The first cell of all, and one that awaits.
    "import asyncio\nasync def f():\n    raise ValueError('boom')\n"
    "async with asyncio.TaskGroup() as group:\n    group.create_task(f())": (
        "ValueError: boom\nline 3: raise ValueError('boom')"
    ),
    "raise BaseExceptionGroup('x', [ExceptionGroup('y', [KeyError(1)]), SystemExit()])": (
        "KeyError: 1\nline 1: raise BaseExceptionGroup('x', [ExceptionGroup('y', [KeyError(1)]), SystemExit()])"
    ),
    "try:\n    raise ExceptionGroup('x', [ValueError(1)])\nexcept* ValueError as group:\n    again = group\n"
    "raise again.exceptions[0]": "ValueError: 1\nline 5: raise again.exceptions[0]",
    "try:\n    raise KeyError(2)\nexcept* KeyError as group:\n    raise group.exceptions[0]": (
        "KeyError: 2\nline 4: raise group.exceptions[0]"
    ),
    "import ipywidgets\ndef f(n):\n    raise ExceptionGroup('x', [ValueError('shown')])\n"
    "ipywidgets.interact(f, n=0)": None,
    OPEN: None,
    "async def f():\n    wb.claim('c', 'It is so.', False)\nasync with asyncio.TaskGroup() as group:\n"
    "    group.create_task(f())": "AssertionError: c: It is so.\nline 2: wb.claim('c', 'It is so.', False)\nc",
    "async def f():\n    state = 1\n    assert state == 2\nasync with asyncio.TaskGroup() as group:\n"
    "    group.create_task(f())": "AssertionError: expected: 2\nactual: 1\nline 3: assert state == 2",
    "import types\nlogin = types.SimpleNamespace(password='hunter2')\nassert login.password == 'hunter30'": (
        "AssertionError: expected: '(8 characters)'\nactual: '(7 characters)'\n"
        "line 3: assert login.password == '(8 characters)'"
    ),
    "exec('undefined_name', {})": "NameError: name 'undefined_name' is not defined\nline 1: exec('undefined_name', {})",
    "exec('assert 1 == 2', {'__name__': 1})": "AssertionError\nline 1: exec('assert 1 == 2', {'__name__': 1})",
    # Beside another that holds, and which Python was at last.
    "state, count = 'Declined', 1\ntry:\n    assert state == 'Captured'\nfinally:\n    assert count == 1": (
        "AssertionError\nline 3: assert state == 'Captured'"
    ),
    "try:\n    wb.claim('a', 'A.', count == 2)\nfinally:\n    wb.claim('b', 'B.', count == 1)": (
        "AssertionError: a: A.\nexpected: 2\nactual: 1\nline 2: wb.claim('a', 'A.', count == 2)\na"
    ),
    "assert count == 1; assert count == 3": (
        "AssertionError: expected: 3\nactual: 1\nline 1: assert count == 1; assert count == 3"
    ),
    "[wb.claim('é', 'É.', count == 1), wb.claim('f', 'F.', count == 4)]": (
        "AssertionError: f: F.\nexpected: 4\nactual: 1\n"
        "line 1: [wb.claim('é', 'É.', count == 1), wb.claim('f', 'F.', count == 4)]\nf"
    ),
    "class Order:\n    reads = 0\n    @property\n    def state(self):\n        self.reads += 1\n"
    "        return self.reads\norder = Order()\nassert order.state == 2": (
        "AssertionError\nline 8: assert order.state == 2"
    ),
    # What led to an error comes before it, and the others of its group after it.
    "try:\n    1 / 0\nexcept ZeroDivisionError:\n    assert count == 5": (
        "AssertionError: expected: 5\nactual: 1\nline 4: assert count == 5"
    ),
    "async def f(n):\n    try:\n        1 / n\n    except ZeroDivisionError:\n        raise KeyError(n)\n"
    "    raise ValueError(n)\nasync with asyncio.TaskGroup() as group:\n    [*map(group.create_task, (f(1), f(0)))]": (
        "ValueError: 1\nline 6: raise ValueError(n)"
    ),
    # It answers nothing any more.
    "get_ipython().payload_manager.read_payload = None": "The cell failed, and its kernel could not say how.",
}


def test_whatever_fails_a_cell_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group says what is in it, also where it is the first cell, which no kernel of Jupyter's answers."""
    monkeypatch.setattr(kernels, "ANSWER_SECONDS", 3)
    cells = [new_code_cell(source, metadata={"tags": ["raises-exception"]}) for source in FAILING]
    cells[-1].metadata.clear()
    path = tmp_path / "failing.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    (one,) = run([path], {}, out=tmp_path / "out").runs
    assert one.failure
    assert one.failure.message == "ValueError: boom"
    document = nbformat.read(tmp_path / "out" / "failing.ipynb", 4)
    cells = [cell for cell in document.cells if cell.cell_type == "code"]
    found = [failure_of(new_notebook(cells=[cell])) for cell in cells]
    shown = [each and "\n".join(filter(None, (each.message, each.line, each.claim))) for each in found]
    assert dict(zip(FAILING, shown, strict=True)) == FAILING
    widget = failure_of(new_notebook(metadata=document.metadata | {"papermill": {}}))
    assert widget
    assert widget.message == "ValueError: shown"
    assert widget.line == "line 3: raise ExceptionGroup('x', [ValueError('shown')])", "and not that of ipywidgets"


SAID = """import sys
from amazonpay_nb.workbench.tracebacks import comparison

class wb:
    claim = staticmethod(lambda name, text, ok: ok or print(comparison(sys._getframe(1))))

one = 1
wb.claim('a', 'It is 1.', one == 1), [wb
  .claim('b', 'It is 2.', one == 2)]"""


@pytest.mark.parametrize(("ranges", "said"), [("", "expected: 2\nactual: 1\n"), ("1", "\n")])
def test_a_comparison_is_known_by_its_place(ranges: str, said: str, tmp_path: Path) -> None:
    """Where Python does not keep it, nothing is said, rather than of another comparison."""
    (tmp_path / "cell.py").write_text(SAID, "utf-8")
    command, environment = [sys.executable, "cell.py"], os.environ | {"PYTHONNODEBUGRANGES": ranges}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, text=True)
    assert (done.stdout, done.stderr) == (said, "")


def test_a_magic_that_nobody_knows_is_a_failure_whoever_ran_it() -> None:
    """IPython prints a line and no error, in JupyterLab and under papermill, too."""
    said = "Loading\n\x1b[31mUsageError\x1b[0m: Line magic function `%pay` not found.\n"
    cell = new_code_cell("%pay", outputs=[new_output("stream", name="stderr", text=said)], execution_count=2)
    failure = failure_of(new_notebook(cells=[cell]))
    assert failure
    assert (failure.cell, failure.message.endswith(": UsageError: Line magic function `%pay` not found.")) == (2, True)
    cell.outputs[0].text += "and went on"
    assert failure_of(new_notebook(cells=[cell])) is None


def test_a_claim_that_does_not_hold_says_more_than_a_kernel_that_cannot() -> None:
    """Where the cell that ends the notebook has both, the claim is the failure."""
    shown = new_output("display_data", {RECORD_MIME: {"claims": [{"id": "a", "text": "It is so.", "ok": False}]}})
    cell = new_code_cell("1", outputs=[shown], metadata={"papermill": {"exception": True}})
    failure = failure_of(new_notebook(cells=[cell]))
    assert failure
    assert failure.claim == "a"


@pytest.mark.parametrize(
    ("source", "message", "line", "claim", "tests"),
    [
        (ASSERTED, "AssertionError: ", "assert state == 'Chargeable'", "", 3),
        (CLAIMED, "AssertionError: chargeable: It can be charged.\n", "wb.claim(", "chargeable", 4),
    ],
    ids=["assertion", "claim"],
)
def test_a_failure_says_where_what_and_why(
    tmp_path: Path, source: str, message: str, line: str, claim: str, tests: int
) -> None:
    """In the summary, in JUnit and, by a link to the cell, in the report."""
    run, root, cell_id = failed(tmp_path, source)
    message += "expected: 'Chargeable'\nactual: 'Closed'"
    assert run["failure"] == {
        "message": message, "step": "Charge the wallet", "cell": 2, "cell_id": cell_id, "line": f"line 2: {line}",
        "claim": claim,
    }  # fmt: skip
    assert "bench.py" not in (tmp_path / "out" / "broken.ipynb").read_text("utf-8"), "a reader sees the cell alone"
    (failure,) = root.iter("failure")
    lines = [*message.split("\n"), WHERE + line, f"broken.html#cell-id={cell_id}", ""]
    assert (failure.text or "").split("\n") == lines
    assert (root.get("tests"), root.get("failures"), run["untried"]) == (str(tests), "1", ["later"])
    cases = {case.get("name"): case.find("skipped") for case in root.iter("testcase")}
    skipped = {name: case.get("message") for name, case in cases.items() if case is not None}
    assert skipped.pop("later: It comes later.") == "not reached"
    assert skipped == ({"runs to its end": "stopped at chargeable"} if claim else {})


# Claims of which the last line of a cell shows none.
UNSHOWN = [
    "import asyncio, os, threading\nos.environ.clear()",
    "wb.claim('first', 'It is the first.', True)\nwb.claim('second', 'It is the second.', True)",
    "for number in range(3):\n    wb.claim('each', f'It holds for {number}.', number < 3)",
    "wb.claim('kept', 'A line\\u2028ends.', True);",
    "def function():\n    return bool(wb.claim('inside', 'It is inside.', True))\nfunction()",
    "thread = threading.Thread(target=wb.claim, args=('thread', 'It has it.', True))\nthread.start()\nthread.join()",
    "async def late():\n    wb.claim('task', 'A task has it.', True)\ntask = asyncio.create_task(late())\nawait task",
    "number = 4; wb.claim(f'number.{number}', 'It has a number.', True); wb.claim('fifth', 'It is the fifth.', True)",
    "for number in 1, 2, 3:\n  try: wb.claim('mixed', f'It is not {number}.', number != 2)\n  except AssertionError: 1",
    "1 / 0", LATER,
]  # fmt: skip
HELD = ["open", "first", "second", "each", "kept", "inside", "thread", "task", "number.4", "fifth"]


def test_each_claim_counts_once_wherever_it_is_made(tmp_path: Path) -> None:
    """Whether or not a cell shows it, in kernels that are forks, and without an environment."""
    cells = [new_markdown_cell("# Claims"), *map(new_code_cell, (OPEN, *UNSHOWN))]
    paths = [tmp_path / "one.ipynb", tmp_path / "two"]
    for path in paths:
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    out = tmp_path / "out"
    summary = run(paths, {}, out=out, warm=True)
    root = ET.parse(out / "junit.xml").getroot()  # noqa: S314 (our own file)
    for one, suite in zip(summary.runs, root, strict=True):
        claims = {claim["id"]: claim for claim in one.as_json()["claims"]}
        assert [(name, claim["ok"]) for name, claim in claims.items()] == [
            *((name, True) for name in HELD),
            ("mixed", False),
        ]
        assert (claims["each"]["text"], claims["mixed"]["text"]) == ("It holds for 0.", "It is not 2.")
        assert one.as_json()["untried"] == ["later"]
        skipped = [case.get("name") for case in suite.iter("testcase") if case.find("skipped") is not None]
        assert skipped == ["later: It comes later."]
        assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (str(len(HELD) + 3), "2", "1")
    page = (out / "report.html").read_text("utf-8")
    assert page.count("Not reached: It comes later.") == 2
    assert "20 of 22 claims hold" in page
    document = nbformat.read(out / "one.ipynb", 4)
    assert len(claims_of(document)) == len(HELD) + 2, "the notebook tells it, too"
    document.cells.pop()  # else it has not run
    nbformat.write(document, path := tmp_path / "left.ipynb")
    shown = [text.strip() for text in re.findall(r"</span>(?: Not so:)?(.*)", short(finish(str(path), {})))]
    assert {claim.text for claim in summary.runs[0].tried} <= {*shown}
    assert (out / "two.ipynb").exists()
    assert 'href="two.ipynb"' in page, "also where the notebook's own name has no suffix"


CAUGHT = Claim("caught", "It is caught.", ok=False)


OTHER = {"caught: It is caught.": "claim caught does not hold: It is caught."}


@pytest.mark.parametrize(
    ("claim", "failures"),
    [
        ("", {"runs to its end": "ValueError: no\ncell 3", "other: Another.": "claim other does not hold: Another."}),
        ("other", {"other: Another.": "ValueError: no\ncell 3"}),
    ],
)
def test_a_claim_that_does_not_hold_is_no_passed_test(tmp_path: Path, claim: str, failures: dict[str, str]) -> None:
    """A cell, or a task, may go on after it; what stopped the notebook is another failure, or one of the claims."""
    claims = (CAUGHT, Claim("other", "Another.", ok=False), Claim("good", "It holds.", ok=True))
    made = Run("mine", {}, 0.1, Failure("ValueError: no", cell=3, claim=claim), claims, {})
    write_report(Summary((made,), 0.1), tmp_path, finished=datetime.now(UTC))
    root = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 (our own file)
    cases = {case.get("name"): case.findtext("failure", "").strip() for case in root.iter("testcase")}
    assert {name: text for name, text in cases.items() if text} == failures | OTHER
    assert (root.get("tests"), root.get("failures")) == ("4", str(len(failures) + 1))
    assert root.get("skipped") == str(len([*root.iter("skipped")]))


def error(cell: str, name: str, value: str, *traceback: str) -> Any:
    """A notebook whose first cell has failed, after a claim whose error it caught."""
    shown = new_output("display_data", {RECORD_MIME: {"claims": [{"id": "caught", "text": "It is.", "ok": False}]}})
    outputs = [shown, new_output("error", ename=name, evalue=value, traceback=list(traceback))]
    return new_notebook(cells=[new_code_cell(cell, outputs=outputs)])


def test_a_failure_is_that_of_the_claim_that_was_raised() -> None:
    """The cell may have caught the error of a claim, and failed over something else."""
    stopped = [
        failure_of(error("1", *raised)) for raised in (("ValueError", "no"), ("AssertionError", "caught: It is."))
    ]
    assert [each and each.claim for each in stopped] == ["", "caught"]


def test_a_claim_with_the_names_of_its_values_is_counted_where_it_is_not_reached() -> None:
    """In any order, as Python takes them."""
    source = "wb.claim('a', ok=True, text='It is a.')\nwb.claim(text='It is b.', name='b', ok=True)\nwb.claim(*c)"
    found = claims_of(new_notebook(cells=[new_code_cell(source)]))
    assert found == (Claim("a", "It is a.", None), Claim("b", "It is b.", None))


def test_a_failure_has_no_secret_that_colors_cut_in_two() -> None:
    """The line of a traceback names a field in other colors than its value."""
    arrow = '\x1b[32m----> 1\x1b[39m \x1b[43manswer = {"\x1b[33mpassword\x1b[39m": \x1b[33m"canary"\x1b[39m}\x1b[0m'
    stopped = failure_of(error("1", "ValueError", '{"token"\x1b[0m: "canary"}', arrow))
    assert stopped
    assert (stopped.line, "canary" in stopped.message) == ('line 1: answer = {"password": "(6 characters)"}', False)


def test_an_error_that_no_kernel_can_say_is_a_failure(tmp_path: Path) -> None:
    """Half a character cannot be sent: the notebook ends there, without a word of why."""
    run, root, _ = failed(tmp_path, 'raise ValueError("\\ud800")')
    assert (run["status"], run["error"]) == ("failed", "The cell failed, and its kernel could not say how.")
    assert (root.get("failures"), run["untried"]) == ("1", ["later"])


@pytest.mark.parametrize(("source", "name"), [("%%nosuch\n1 + 1", "%%nosuch"), ("print('mine')\n%nosuch", "%nosuch")])
def test_a_magic_that_is_missing_is_named(tmp_path: Path, source: str, name: str) -> None:
    """IPython writes what it finds wrong with one, and raises nothing: an extension that a job lacks, for example."""
    run, _, _ = failed(tmp_path, source)
    assert run["status"] == "failed"
    assert re.search(f"UsageError: .*`{name}` not found", run["error"])


def test_a_record_of_another_program_counts_for_nothing() -> None:
    """A cell may show anything under the media type of records; the verdict is about the rest."""
    records: list[object] = ["x", {"claims": "abc"}, {"claims": [{"evil": 1}]}, {"result": [1]}, {"claims": [5]}, [1]]
    records.append({"claims": [{"id": "a", "text": "It is so.", "ok": True}], "result": {"chargeId": "S01"}})
    outputs = [new_output("display_data", {RECORD_MIME: record}) for record in records]
    document = new_notebook(cells=[new_code_cell("1", outputs=outputs)])
    assert claims_of(document) == (Claim("a", "It is so.", ok=True),)
    assert result_of(document) == {"chargeId": "S01"}


@pytest.mark.parametrize("source", ["x = 1\nx" + ".a" * 20_000, "-" * 30_000 + "1", f"wb.claim(0x{'f' * 6000}, 'x')"])
def test_a_cell_that_no_program_can_read_has_no_claims(source: str) -> None:
    """A kernel has said so; the results of the other notebooks are not lost for it."""
    assert claims_of(new_notebook(cells=[new_code_cell(source), new_code_cell(LATER)])) == (
        Claim("later", "It comes later.", None),
    )
