"""Runs of real, tiny notebooks: verdicts, parameters, reports, and the committed outputs made from them."""

import json
import os
import pty
import re
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import nbformat
import pytest
from click.testing import CliRunner
from ipykernel.kernelspec import get_kernel_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from amazonpay_nb.cli import main
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs.folder import report_folder, write_whole
from amazonpay_nb.runs.notebook import Notebook, find_notebooks, to_type
from amazonpay_nb.runs.report import REPORTS, Summary, notebook_page
from amazonpay_nb.runs.runner import run
from amazonpay_nb.spec.parity import behaviors
from amazonpay_nb.spec.reasons import OPERATION_REASONS, REASONS
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.simulations import CARDS
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.workbench.claims import RECORD_MIME
from docs import regenerate
from tests.processes import PATIENCE

PARAMETERS = (
    'amount: str = "14.00"  # what is charged, in €\ncount: int = 1  # how often\nrepeat: bool = False  # again'
)
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
MADE = {
    "checkoutSessionId": "6b1f6d3e-2a55-4b32-9c5b-0d5a3d8f7a10",
    "chargePermissionId": "B01-0000001-0000001",
    "chargePermissionState": "Chargeable",
    "chargeId": "B01-0000001-0000001-C000001",
    "chargeState": "Captured",
    "refundId": None,
    "refundState": None,
}

ODD_ID = nbformat.writes(new_notebook(cells=[new_code_cell("1", id="ID")])).replace('"ID"', r'"\">"')

Finished = tuple[Summary, Path]


def write(folder: Path, name: str, *sources: str, parameters: str = PARAMETERS, tags: tuple[str, ...] = ()) -> Path:
    """Write a notebook: a title, its parameters, and a code cell for each of *sources*."""
    folder.mkdir(exist_ok=True)
    cells = [new_markdown_cell("# Charge a saved wallet\n\n> It costs $14.00 or $15.00.")]
    cells += [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
    cells += [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    return path


def record(source: str) -> str:
    """Return a cell that records the dictionary that *source* evaluates to."""
    return f"from IPython.display import display\ndisplay({{{RECORD_MIME!r}: {source}, 'text/plain': ''}}, raw=True)"


def result(values: dict[str, Any]) -> str:
    return record(repr({"result": values}))


def claims(*rows: tuple[str, str, bool]) -> str:
    return record(repr({"claims": [{"id": name, "text": text, "ok": ok} for name, text, ok in rows]}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One run of a few notebooks, two at a time, of which one passes."""
    folder, out = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("out")
    given = "{'result': {'given': [amount, count * 2, repeat]}}"
    colors = "raise ValueError('\\x1b[31mno\\x1b[0m such\\x00 charge')"
    notebooks = [
        write(
            folder,
            "passes",
            claims(("charge.captured", "A charge is Captured at once.", True)),
            claims(("refund.part", 'A part <of it> & "more" is refunded.', True)),
            record(given),
            result({"chargeState": "Authorized"}),
            result(MADE),
        ),
        write(folder, "fails", result(MADE), colors, "1 / 0"),
        write(folder, "doubts", claims(("charge.late", "A charge is never late.", False))),
        write(folder, "leaves", "import sys\nsys.exit(0)", "never = 1"),
        write(folder, "dies", "import os\nos._exit(3)"),
    ]
    summary = run(notebooks, {"amount": "20", "count": "3", "repeat": "true"}, out=out, jobs=2)
    return summary, out


class Addresses(HTMLParser):
    """Collects what a page links to and what it loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "href", "srcset", "data", "action"}:
                self.loads.append(value or "")


class TestRun:
    """What a run says about each notebook."""

    def test_only_a_notebook_that_ends_as_it_claims_has_passed(self, finished: Finished) -> None:
        """Neither a failed cell, nor a broken claim, nor an early end, nor a dead kernel passes."""
        summary, _ = finished
        assert [(one.notebook, one.status, one.error) for one in summary.runs] == [
            ("passes", "passed", None),
            ("fails", "failed", "ValueError: no such charge"),
            ("doubts", "failed", "claim charge.late does not hold: A charge is never late."),
            ("leaves", "failed", "SystemExit: 0"),
            ("dies", "failed", "DeadKernelError: Kernel died"),
        ]
        assert (summary.passed, summary.failed) == (1, 4)

    def test_no_way_out_of_a_cell_makes_a_notebook_pass(self, tmp_path: Path) -> None:
        """A claim that pandas has computed, one that has no value, and what a widget or a task keeps to itself."""
        doubt = "wb.claim('x.y', 'So it is.', {})"
        cells = {
            "pandas": [f"import numpy\n{doubt.format('numpy.float64(1) == numpy.float64(2)')}; None"],
            "nothing": [f"{doubt.format('{}.get(1)')}; None"],
            "widget": [f"import ipywidgets\nwith ipywidgets.Output():\n    {doubt.format('False')}"],
            "task": ["import os\nos.environ.clear()",
                     f"import asyncio\nasync def late(): {doubt.format('False')}\nlater = asyncio.create_task(late())",
                     "await asyncio.sleep(0.1)"],
        }  # fmt: skip
        begin = "from amazonpay_nb import workbench\nwb = workbench.open()"
        paths = [write(tmp_path, name, begin, *sources, parameters="") for name, sources in cells.items()]
        summary = run(paths, {}, out=tmp_path / "out", jobs=2)
        shown = dict.fromkeys(("pandas", "nothing", "widget"), "AssertionError: x.y: So it is.")
        hidden = {"task": "claim x.y does not hold: So it is."}
        assert {one.notebook: (one.error or "").partition("\n")[0] for one in summary.runs} == shown | hidden

    def test_parameters_arrive_in_the_types_that_the_notebook_declares(self, finished: Finished) -> None:
        """A number that is given as text is a number in the notebook."""
        first = finished[0].runs[0]
        assert first.parameters == {"amount": "20", "count": 3, "repeat": True}
        assert first.result["given"] == ["20", 6, True]

    def test_what_the_cells_record_is_gathered(self, finished: Finished) -> None:
        """Claims add up, and the later value of a result counts."""
        first = finished[0].runs[0]
        assert [(claim.id, claim.ok) for claim in first.claims] == [("charge.captured", True), ("refund.part", True)]
        assert first.result == {"given": ["20", 6, True], **MADE}

    def test_the_table_names_the_objects_and_their_states(self, finished: Finished) -> None:
        """Somebody at a terminal sees what was made, and what went wrong, without opening a file."""
        lines = [re.sub(" +", " ", line) for line in finished[0].table().splitlines()]
        assert " Charge Permission B01-0000001-0000001 Chargeable" in lines
        assert " Charge B01-0000001-0000001-C000001 Captured" in lines
        assert " Checkout Session 6b1f6d3e-2a55-4b32-9c5b-0d5a3d8f7a10" in lines
        assert " ValueError: no such charge" in lines
        assert not [line for line in lines if "Refund" in line]
        assert re.fullmatch(r"1 passed, 4 failed in \d+\.\d s", lines[-1])

    def test_a_notebook_need_not_name_its_language(self, tmp_path: Path) -> None:
        """Some programs write none; papermill has to know it for the parameters."""
        path = write(tmp_path, "one", "assert amount == '15.00'")
        document = nbformat.read(path, as_version=4)
        document.metadata.clear()
        nbformat.write(document, path)
        (run_of_one,) = run([path], {"amount": "15.00"}, out=tmp_path / "out").runs
        assert (run_of_one.status, run_of_one.error) == ("passed", None)

    def test_a_link_to_a_notebook_has_files_of_its_own_beside_it(self, tmp_path: Path) -> None:
        """As in Jupyter and in nbval; a path may lead up before it leads down."""
        path = write(tmp_path / "elsewhere", "it", 'assert open("data.txt").read() == "here"')
        document = nbformat.read(path, as_version=4)
        document.cells.append(new_markdown_cell("![A dot](dot.png)"))
        nbformat.write(document, path)
        (tmp_path / "sub").mkdir()
        link = tmp_path / "sub" / ".." / "link.ipynb"
        link.symlink_to(path)
        for name in ("data.txt", "dot.png"):
            (tmp_path / name).write_text("here", "utf-8")
        (run_of_it,) = run([link], {}, out=tmp_path / "out").runs
        assert (run_of_it.status, run_of_it.error) == ("passed", None)
        assert "data:image/png;base64," in (tmp_path / "out" / "link.html").read_text("utf-8")

    def test_a_text_that_comes_in_pieces_is_kept_whole(self, tmp_path: Path) -> None:
        """Else the same run would give another notebook each time."""
        source = "import sys, time\nfor piece in 'abcdef':\n    print(piece, flush=True)\n    time.sleep(0.25)"
        run([write(tmp_path / "in", "pieces", source)], {}, out=tmp_path / "out")
        (cell,) = [cell for cell in nbformat.read(tmp_path / "out/pieces.ipynb", 4).cells if cell.source == source]
        assert [output.text for output in cell.outputs] == ["a\nb\nc\nd\ne\nf\n"]

    def test_a_flood_is_kept_in_part(self, tmp_path: Path) -> None:
        """In one line, or with a bar of progress; its secrets are masked, character by character."""
        write(tmp_path, "flood", r"print('1 %\r2 %\r' + 'many words ' * 1_000_000, end='\r')")
        run([tmp_path / "flood.ipynb"], {}, out=tmp_path / "out")
        (output,) = nbformat.read(tmp_path / "out" / "flood.ipynb", as_version=4).cells[-1].outputs
        assert len(output.text) < 1_001_000
        assert output.text.endswith("\n… What follows is left out.\n")

    @pytest.mark.parametrize(
        ("cell", "warm"),
        [
            pytest.param("while True:\n    print('still waiting for the shop\\n' * 5000)", False, id="prints"),
            pytest.param("while True:\n    print('still waiting for the shop\\n' * 5000)", True, id="prints, warm"),
            pytest.param("while True:\n    display({'text/html': 'x' * 100_000}, raw=True)", False, id="displays"),
            pytest.param("raise ValueError('x' * 60_000_000)", False, id="raises"),
        ],
    )
    def test_a_flood_without_an_end_ends_its_kernel(self, tmp_path: Path, cell: str, warm: bool) -> None:
        """It would fill the memory until the cell's time is over; the other notebooks have their results."""
        write(tmp_path, "flood", cell)
        paths = [tmp_path / "flood.ipynb", write(tmp_path, "calm", "print(1)"), write(tmp_path, "too", "print(2)")]
        flood, *others = run(paths, {}, out=tmp_path / "out", jobs=2, warm=warm).runs
        assert flood.failure
        assert flood.failure.message == "A cell printed or showed more than 50,000,000 bytes."
        assert [one.failure for one in others] == [None, None]

    def test_a_large_picture_is_no_flood(self, tmp_path: Path) -> None:
        """Each cell may show as much."""
        cell = "display({'image/png': 'A' * 30_000_000}, raw=True)"
        (picture,) = run([write(tmp_path, "picture", cell, cell)], {}, out=tmp_path / "out").runs
        assert picture.failure is None

    def test_what_is_printed_over_is_gone(self, tmp_path: Path) -> None:
        """As on a terminal; and errors come after the rest."""
        source = r"import sys; print('1 %\r2 %\r\nb', end='\r\n'); print('c', file=sys.stderr); print('d\re')"
        run([write(tmp_path / "in", "bar", source)], {}, out=tmp_path / "out")
        (cell,) = [cell for cell in nbformat.read(tmp_path / "out/bar.ipynb", 4).cells if cell.source == source]
        assert [(it.name, it.text) for it in cell.outputs] == [("stdout", "2 %\r\nb\r\ne\n"), ("stderr", "c\n")]

    def test_a_second_run_replaces_the_first(self, tmp_path: Path) -> None:
        """Nothing of the first verdict is left, and each run tells its progress by a line."""
        lines: list[str] = []
        for cell in ("raise RuntimeError('for now')", "print('better')"):
            notebook = write(tmp_path / "notebooks", "one", cell)
            run([notebook], {}, out=tmp_path / "out", say=lines.append)
        texts = {path.name: path.read_text("utf-8") for path in (tmp_path / "out").iterdir()}
        assert set(texts) == {"one.ipynb", "one.html", "report.html", "junit.xml", "summary.json"}
        assert not [name for name, text in texts.items() if "for now" in text]
        assert [re.sub(r"\d+\.\d", "N", line) for line in lines] == [
            "[1/1] one … failed in N s, 0 s to go",
            "[1/1] one … passed in N s, 0 s to go",
        ]

    def test_a_kernel_that_lost_a_port_is_started_again(self, tmp_path: Path) -> None:
        """The kernel here dies at its first start; it finds no trace of the person who started the run."""
        notebook = write(tmp_path / "notebooks", "one", "import os\nfrom pathlib import Path", record(SURROUNDINGS))
        died = tmp_path / "it died & (once)"
        starts = '[ -e "$0" ] || { touch "$0"; exit 1; }; exec "$@"'  # as arguments, paths may hold anything
        ipykernel = [sys.executable, "-m", "ipykernel", "-f", "{connection_file}"]
        kernel = get_kernel_dict() | {"argv": ["sh", "-c", starts, str(died), *ipykernel]}
        folder = tmp_path / "jupyter" / "kernels" / "python3"
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps(kernel), "utf-8")
        printed, shown = run_on_a_terminal(notebook, tmp_path / "out", JUPYTER_PATH=str(tmp_path / "jupyter"))
        (only,) = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["runs"]
        assert died.exists()
        assert (only["status"], only["error"]) == ("passed", None)
        assert only["result"] == {"session": None, "profile is somebody's": False, "folder": "notebooks"}
        assert printed == ""
        assert re.search(r"100%.*1/1.*one passed", shown)


SURROUNDINGS = """{"result": {
    "session": os.environ.get("JPY_SESSION_NAME"),
    "profile is somebody's": os.environ["IPYTHONDIR"] == "/nowhere",
    "folder": Path.cwd().name,
}}"""
RUN_IT = """import sys
from pathlib import Path
from amazonpay_nb.runs.runner import run
run([Path(sys.argv[1])], {}, out=Path(sys.argv[2]))"""


def run_on_a_terminal(notebook: Path, out: Path, **variables: str) -> tuple[str, str]:
    """Run *notebook* in a process whose standard error is a terminal; return what it wrote to both streams."""
    person = {"JPY_SESSION_NAME": "/somebody/notebook.ipynb", "IPYTHONDIR": "/nowhere"}
    command = [sys.executable, "-c", RUN_IT, str(notebook), str(out)]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(command, env=os.environ | person | variables, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    # A run that never ends is killed, which ends the terminal and so the loop.
    limit = threading.Timer(PATIENCE, process.kill)
    limit.start()
    try:
        with suppress(OSError):  # how Linux says that nobody writes any more
            while part := os.read(ours, 4096):
                shown += part
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        limit.cancel()
        os.close(ours)
    assert process.returncode == 0, f"the run ended with {process.returncode} and has shown {shown.decode()}"
    return printed.decode(), shown.decode()


NO_PICTURES = (
    "![a plan]()", "![a plan](attachment:gone.png)", "![a plan](.)", "![a plan](pipe)", "<img alt='a plan' src=''>",
    f"![a plan]({'x' * 5000}.png)", "![a plan](a%00.png)", f"{'> ' * 2000} a plan",
)  # fmt: skip


class TestFiles:
    """What a run leaves behind."""

    def test_the_summary_is_the_one_that_programs_rely_on(self, finished: Finished) -> None:
        """Every documented key is there, and no other."""
        summary, out = finished
        written = json.loads((out / "summary.json").read_text("utf-8"))
        assert written == json.loads(json.dumps(summary.as_json()))
        assert set(written) == {"passed", "failed", "seconds", "runs"}
        for one in written["runs"]:
            assert set(one) == {
                "notebook", "parameters", "status", "seconds", "error", "failure", "claims", "untried", "result",
            }  # fmt: skip
            assert all(set(claim) == {"id", "text", "ok"} for claim in one["claims"])

    def test_junit_has_a_case_for_each_notebook_and_each_claim(self, finished: Finished) -> None:
        """A claim that does not hold is the failure of its notebook, which counts once."""
        root = ET.fromstring((finished[1] / "junit.xml").read_text("utf-8"))  # noqa: S314 (our own file)
        cases = [(case.get("classname"), case.get("name"), case.find("failure")) for case in root.iter("testcase")]
        assert [(owner, name) for owner, name, failure in cases if failure is None] == [
            ("passes", "runs to its end"),
            ("passes", "charge.captured: A charge is Captured at once."),
            ("passes", 'refund.part: A part <of it> & "more" is refunded.'),
            ("doubts", "runs to its end"),
        ]
        assert [(owner, name) for owner, name, failure in cases if failure is not None] == [
            ("fails", "runs to its end"),
            ("doubts", "charge.late: A charge is never late."),
            ("leaves", "runs to its end"),
            ("dies", "runs to its end"),
        ]
        assert (root.get("tests"), root.get("failures")) == ("8", "4")

    def test_the_report_links_to_every_executed_notebook(self, finished: Finished) -> None:
        """Each link leads to a file beside the report."""
        summary, out = finished
        links = Addresses((out / "report.html").read_text("utf-8")).links
        assert {f"{one.notebook}{suffix}" for one in summary.runs for suffix in (".html", ".ipynb")} == {
            link.partition("#")[0] for link in links
        }
        assert [link for link in links if not (out / link.partition("#")[0]).is_file()] == []

    def test_the_report_says_what_was_made_claimed_and_broken(self, finished: Finished) -> None:
        """Texts of notebooks are shown as texts."""
        page = (finished[1] / "report.html").read_text("utf-8")
        for text in ("4 of 5 notebooks failed", "2 of 3 claims hold", "ValueError: no such charge", "amount=20"):
            assert text in page
        assert "<code>B01-0000001-0000001</code> Chargeable" in page
        assert "A part &lt;of it&gt; &amp; &#34;more&#34; is refunded." in page
        assert '<span class="unseen">Does not hold: </span>A charge is never late.' in page

    @pytest.mark.parametrize("name", ["report", "passes", "fails"])
    def test_a_page_loads_nothing(self, finished: Finished, name: str) -> None:
        """It opens without a network, years later."""
        page = (finished[1] / f"{name}.html").read_text("utf-8")
        assert Addresses(page).loads == []
        assert "<script" not in page
        assert not re.search(r"@import|url\(\s*['\"]?(?!data:|['\"]?data:)", page)

    def test_a_failed_notebook_is_kept_as_far_as_it_came(self, finished: Finished) -> None:
        """The cell that failed holds its error, and those behind it were not run."""
        executed = nbformat.read(finished[1] / "fails.ipynb", as_version=4)
        cells = {cell.source: cell for cell in executed.cells if cell.cell_type == "code"}
        (failed,) = [cell for source, cell in cells.items() if source.startswith("raise")]
        assert [output.output_type for output in failed.outputs] == ["error"]
        assert cells["1 / 0"].execution_count is None

    def test_a_page_has_its_heading_as_title_and_hides_hidden_input(self, tmp_path: Path) -> None:
        """A cell that only prepares a demonstration does not show how."""
        document = nbformat.read(write(tmp_path, "demo", "preparation = 1", tags=("hide-input",)), as_version=4)
        page = notebook_page(document, "demo", tmp_path)
        assert "<title>Charge a saved wallet</title>" in page
        assert "how often" in page
        assert "preparation" not in page

    def test_what_no_page_can_show_costs_no_other_notebook_its_result(self, tmp_path: Path) -> None:
        """A cell may show anything under any media type; the run has its verdict and its reports."""
        odd = "from IPython.display import display\ndisplay({}, raw=True, metadata={{'image/png': 5}})"
        sources = {"html": odd.format("{'text/html': 5}"), "png": odd.format("{'image/png': 'AA'}"), "good": "1 + 1"}
        summary = run([write(tmp_path / "books", *row) for row in sources.items()], {}, out=tmp_path / "out")
        html, png, good = (one.error for one in summary.runs)
        assert "is not valid" in str(html)
        assert (png, good) == ("What its cells show can be in no page: AttributeError.", None)
        assert (tmp_path / "out" / "summary.json").exists()
        assert "image/png" in (tmp_path / "out" / "png.html").read_text("utf-8"), "its source is there"

    def test_what_leads_to_no_picture_costs_no_result(self, tmp_path: Path) -> None:
        """In a text or in what a cell shows: a page says what the picture was to show."""
        books, paths = tmp_path / "books", []
        for number, source in enumerate(NO_PICTURES):
            shown = f"from IPython.display import Markdown\nMarkdown({source!r})"
            paths.append(write(books, f"book{number}", shown))
            document = nbformat.read(paths[-1], as_version=4)
            document.cells.insert(0, new_markdown_cell(source))
            nbformat.write(document, paths[-1])
        os.mkfifo(books / "pipe")
        assert [one.error for one in run(paths, {}, out=tmp_path / "out").runs] == [None] * len(NO_PICTURES)
        for path in paths:
            page = tmp_path / "out" / path.with_suffix(".html").name
            assert page.read_text("utf-8").count("a plan") >= 2

    def test_what_a_notebook_says_about_an_earlier_run_is_left_out(self, tmp_path: Path) -> None:
        """Whatever form it has; the other notebooks have their results."""
        odd, good = write(tmp_path / "books", "odd", "1 + 1"), write(tmp_path / "books", "good", "1 + 1")
        document = nbformat.read(odd, as_version=4)
        document.metadata.papermill, document.cells[-1].metadata.papermill = [], 5
        nbformat.write(document, odd)
        assert [one.error for one in run([odd, good], {}, out=tmp_path / "out").runs] == [None, None]

    def test_a_file_takes_the_place_of_a_file_alone(self, tmp_path: Path) -> None:
        """And not of a device, where root writes it."""
        os.mkfifo(pipe := tmp_path / "pipe")
        with pytest.raises(ConfigurationError, match="pipe is no place for a file"):
            write_whole(pipe, "after")
        assert pipe.is_fifo()

    def test_a_file_is_never_half_written(self, tmp_path: Path) -> None:
        """A writer that fails leaves the file of before."""
        path = tmp_path / "summary.json"
        write_whole(path, "before")
        with pytest.raises(TypeError):
            write_whole(path, None)  # type: ignore[arg-type]  # fails when the new file is open
        assert path.read_text("utf-8") == "before"

    def test_a_file_may_have_the_longest_name(self, tmp_path: Path) -> None:
        """Under which another run, or a person, has made it."""
        path = tmp_path / ("x" * 250 + ".html")
        write_whole(path, "a page")
        assert path.read_text("utf-8") == "a page"

    def test_a_file_of_two_writers_is_whole(self, tmp_path: Path) -> None:
        """Two pages of one name may be written into a folder at once."""
        path = tmp_path / "ride.html"

        def slow() -> Iterator[str]:
            yield "half"
            write_whole(path, "the other page")
            assert path.read_text("utf-8") == "the other page"
            yield " a page"

        write_whole(path, slow())
        assert path.read_text("utf-8") == "half a page"
        assert list(tmp_path.iterdir()) == [path]


class TestParameters:
    """A wrong parameter ends the run before it begins."""

    def test_a_notebook_tells_its_parameters(self, tmp_path: Path) -> None:
        """The type is in its cell; a plain assignment has its value's type."""
        path = write(tmp_path, "one", parameters=PARAMETERS + "\nplain = [1]")
        parameters = Notebook.read(path).parameters
        assert list(parameters.items()) == [("amount", "str"), ("count", "int"), ("repeat", "bool"), ("plain", "list")]

    def test_a_notebook_without_the_cell_has_none(self, tmp_path: Path) -> None:
        """Then every parameter is one too many."""
        path = write(tmp_path, "one", "1", parameters="")
        assert Notebook.read(path).parameters == {}
        with pytest.raises(ConfigurationError, match="one: There is no parameter 'amount'"):
            Notebook.read(path).values({"amount": "1"})

    def test_a_misspelled_parameter_stops_the_run_before_it_starts(self, tmp_path: Path) -> None:
        """The message has the spelling that was meant, and all others; nothing is written."""
        path = write(tmp_path / "notebooks", "one")
        with pytest.raises(ConfigurationError) as refusal:
            run([path], {"amuont": "20"}, out=tmp_path / "out")
        for text in ("'amuont'", "Did you mean amount?", "amount, count, repeat"):
            assert text in str(refusal.value)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("kind", "text", "value"),
        [
            ("str", "007", "007"),
            ("int", "7", 7),
            ("float", "1.5", 1.5),
            ("float", "1", 1.0),
            ("bool", "false", False),
            ("list", "[1, 2]", [1, 2]),
            ("dict", '{"a": 1}', {"a": 1}),
        ],
    )
    def test_a_text_becomes_a_value(self, kind: str, text: str, value: object) -> None:
        """Lists and dictionaries are written as JSON."""
        assert to_type("one", kind, text) == value

    @pytest.mark.parametrize(("text", "value"), [("EXPIRED", "EXPIRED"), ("5", "5"), ("[1", "[1"), ("null", None)])
    def test_a_parameter_without_a_type_takes_a_text(self, text: str, value: str | None, tmp_path: Path) -> None:
        """None is what papermill's own notebooks have where a parameter may be left out; a text must not become it."""
        cell = new_code_cell("coupon = None", metadata={"tags": ["parameters"]})
        path = tmp_path / "none.ipynb"
        nbformat.write(new_notebook(cells=[cell]), path)
        assert Notebook.read(path).values({"coupon": text}) == {"coupon": value}

    @pytest.mark.parametrize(
        ("kind", "text", "wanted"),
        [
            ("int", "1.5", "type int"),
            ("float", "much", "type float"),
            ("float", "NaN", "type float"),
            ("float", "-1e999", "type float"),
            ("list", "[NaN]", "a JSON list"),
            ("dict", '{"a": Infinity}', "a JSON object"),
            ("str", "half of a character: \ud83d", "text in UTF-8"),
            ("bool", "yes", "true or false"),
            ("list", "{}", "a JSON list"),
            ("dict", "[", "a JSON object"),
        ],
    )
    def test_a_text_of_another_type_is_refused(self, kind: str, text: str, wanted: str) -> None:
        """The message names the parameter and what it takes."""
        with pytest.raises(ConfigurationError, match=f"parameter 'one': .* is not .*{wanted}"):
            to_type("one", kind, text)

    @pytest.mark.parametrize(
        "content",
        [
            "no JSON",
            '{"cells": 1}',
            "[]",
            "[" * 100_000,
            ODD_ID,
            "{}",
            '{"cells": [], "nbformat": 4, "nbformat_minor": ""}',
            nbformat.writes(new_notebook(cells=[new_markdown_cell("Thanks HALF")])).replace("HALF", r"\ud83d"),
        ],
        ids=["text", "number", "list", "nested", "id", "nothing", "version", "half a character"],
    )
    def test_a_file_that_is_no_notebook_is_refused(self, tmp_path: Path, content: str) -> None:
        """It is named in the message."""
        path = tmp_path / "odd.ipynb"
        path.write_text(content)
        with pytest.raises(ConfigurationError, match=r"odd\.ipynb is not a notebook"):
            Notebook.read(path)

    @pytest.mark.parametrize("line", ["print(1)", "amount: str = str(1)", "amount: str"])
    def test_a_cell_that_holds_more_than_parameters_is_refused(self, tmp_path: Path, line: str) -> None:
        """A default is a literal, so that it can be read without running the notebook."""
        with pytest.raises(ConfigurationError, match="is not a notebook with parameters"):
            Notebook.read(write(tmp_path, "one", parameters=line))


class TestPlaces:
    """Which notebooks are run, and where the result goes."""

    @pytest.mark.parametrize(
        ("choose", "problem"),
        [
            (lambda path: ([], path.parent / "out"), "there is no notebook"),
            (lambda path: ([path, path], path.parent / "out"), "named twice"),
            (lambda path: ([path], path.parent), "would replace"),
            (lambda path: ([path.with_name("report.ipynb")], path.parent / "out"), "would replace the report"),
            (lambda path: ([path.with_name("summary.json")], path.parent / "out"), "would replace the report"),
            (lambda path: ([path.with_name("one.html")], path.parent / "out"), "would replace the report"),
            (lambda path: ([path.with_name("none.ipynb")], path.parent / "out"), "cannot be read"),
        ],
    )
    def test_an_unusable_choice_is_refused(
        self, tmp_path: Path, choose: Callable[[Path], tuple[list[Path], Path]], problem: str
    ) -> None:
        """A run never replaces the notebooks that it reads, nor its own results."""
        notebooks, out = choose(write(tmp_path, "one"))
        with pytest.raises(ConfigurationError, match=problem):
            run(notebooks, {}, out=out)
        assert [path.name for path in tmp_path.iterdir()] == ["one.ipynb"]

    def test_a_notebook_of_somebodys_own_is_not_replaced(self, tmp_path: Path) -> None:
        """A run of another one with its name is refused; what a run has left may go, however that ended."""
        mine, other = write(tmp_path / "mine", "one", "1"), write(tmp_path, "one", "import os\nos._exit(3)")
        (mine.parent / "summary.json").write_text("mine")
        before = {path: path.read_bytes() for path in mine.parent.iterdir()}
        for text in (mine.read_text("utf-8"), "no notebook"):
            mine.write_text(text, "utf-8")
            before[mine] = mine.read_bytes()
            with pytest.raises(ConfigurationError, match=r"mine/one\.ipynb is a notebook of your own(?s:.*)--out"):
                run([other], {}, out=mine.parent)
            assert {path: path.read_bytes() for path in mine.parent.iterdir()} == before
        assert [run([other], {}, out=tmp_path / "out").failed for _ in range(2)] == [1, 1]

    @pytest.mark.parametrize("line", ["run one.ipynb -p nope 1", "run nope", "run no.ipynb"])
    def test_what_is_refused_leaves_no_verdict_of_the_run_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
    ) -> None:
        """Whoever reads the folder is not told that all passed; a folder that is held or somebody's own stays."""
        monkeypatch.chdir(tmp_path)
        write(tmp_path, "one")
        (tmp_path / "no.ipynb").write_text("{}")
        (tmp_path / "out").mkdir()
        for folder in (tmp_path, tmp_path / "out"):
            for name in REPORTS:
                (folder / name).write_text("passed")
        before = {*tmp_path.iterdir()}
        refused = partial(CliRunner().invoke, main)
        assert (refused(f"{line} --out .").exit_code, {*tmp_path.iterdir()}) == (2, before)
        with report_folder(tmp_path / "out", ()):
            assert "Another run is writing into out" in refused(line).stderr
        assert len([*(tmp_path / "out").iterdir()]) == len(REPORTS)
        assert (refused(line).exit_code, [*(tmp_path / "out").iterdir()]) == (2, [])

    def test_a_notebook_is_found_by_number_name_or_path(self, tmp_path: Path) -> None:
        """The workbook's notebooks are known by what their names begin with."""
        mine = write(tmp_path, "mine")
        (first, *_), everything = find_notebooks(["00"]), find_notebooks([])
        assert first.name == "00_start_here.ipynb"
        assert everything[0] == first
        assert find_notebooks([str(mine), "00_start_here", "00_start_here.ipynb"]) == [mine, first, first]

    def test_an_unknown_notebook_is_answered_by_those_there_are(self) -> None:
        """So is a beginning that several share."""
        for name in ("no_such_notebook", "0"):
            with pytest.raises(ConfigurationError, match="00_start_here"):
                find_notebooks([name])


class TestRegenerate:
    """The committed outputs and pages."""

    def test_outputs_are_written_once_and_then_stay(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The second run gives the same bytes; an output that was edited by hand is found, and left alone."""
        path = write(tmp_path, "one", "import ipywidgets\nipywidgets.IntSlider()", "amount * 2")
        fails = write(tmp_path, "two", "{}['key']")
        uncommitted = fails.read_bytes()
        assert regenerate.regenerate_notebooks(tmp_path, check=False) == 1
        assert capsys.readouterr().out == "one written\ntwo failed: KeyError: 'key'\n"
        assert fails.read_bytes() == uncommitted
        fails.unlink()
        first = path.read_text("utf-8")
        assert regenerate.regenerate_notebooks(tmp_path, check=True) == 0
        edited = first.replace("14.0014.00", "28.00")
        path.write_text(edited, "utf-8")
        assert regenerate.regenerate_notebooks(tmp_path, check=True) == 1
        assert capsys.readouterr().out == "one is out of date: cell c03 differs: amount * 2\n"
        assert path.read_text("utf-8") == edited
        notebook = json.loads(first)
        assert [cell["id"] for cell in notebook["cells"]] == ["c00", "c01", "c02", "c03"]
        assert notebook["metadata"] == {"kernelspec": KERNEL, "language_info": {"name": "python"}}
        assert "widget-view" not in first

    @pytest.mark.parametrize(
        ("name", "first", "last"),
        [("probes", "|  | All probes |", "|\n"), ("checks", "| Check |", "|\n"), ("bench", "| measured |", "|\n")],
    )
    def test_what_is_generated_goes_between_its_marks(self, name: str, first: str, last: str) -> None:
        """The rest of a text, and a text without the marks, is left as it is."""
        around = f"one\n<!-- begin {name} -->\n{{}}<!-- end {name} -->\ntwo\n"
        filled = regenerate.with_generated(around.format("old\n"))
        assert filled.startswith(f"one\n<!-- begin {name} -->\n{first}")
        assert filled.endswith(f"{last}<!-- end {name} -->\ntwo\n")
        assert regenerate.with_generated(filled) == filled
        assert regenerate.with_generated("no marks\n") == "no marks\n"

    def test_every_row_of_a_table_is_on_its_page(self) -> None:
        """A line for each claim, transition, operation, refusal, card and region."""
        pages = {path.name: text for path, text in regenerate.generated().items()}
        assert [row.id for row in behaviors() if f"`{row.id}` |" not in pages["parity.md"]] == []
        moves = re.findall(r"^\| .+ \| (?:merchant|buyer|Amazon|clock) \|", pages["states.md"], re.MULTILINE)
        assert len(moves) == sum(len(machine.rows) for machine in MACHINES.values())
        assert all(
            state in regenerate.state_picture(machine) for machine in MACHINES.values() for state in machine.states
        )
        assert [word for word in [*REASONS, *OPERATION_REASONS, *CARDS] if word not in pages["operations.md"]] == []
        assert [code for code in REGIONS if f"`{code}`" not in pages["regions.md"]] == []
