"""A failure is readable where CI shows it: step, cell, line, what was expected and what came; it counts once."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from amazonpay_nb.runs.failure import claims_of, result_of
from amazonpay_nb.runs.runner import run
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


WAITED = (
    "import asyncio\nwb.claim('chargeable', 'It can be charged.', await asyncio.sleep(0, 'Closed') == 'Chargeable')"
)


def test_what_a_claim_waits_for_is_not_asked_again(tmp_path: Path) -> None:
    """The claim's own words are its message."""
    run, _, _ = failed(tmp_path, WAITED)
    assert run["error"] == "AssertionError: chargeable: It can be charged."


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


def test_an_error_that_no_kernel_can_say_is_a_failure(tmp_path: Path) -> None:
    """Half a character cannot be sent: the notebook ends there, without a word of why."""
    run, root, _ = failed(tmp_path, 'raise ValueError("\\ud800")')
    assert (run["status"], run["error"]) == ("failed", "The cell failed, and its kernel could not say how.")
    assert (root.get("failures"), run["untried"]) == ("1", ["later"])


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
