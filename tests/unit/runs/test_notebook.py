"""A notebook is filled in with values, and made ready to be shown to others."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat import from_dict, writes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from amazonpay_nb import workbench
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs.failure import failure_of
from amazonpay_nb.runs.notebook import Notebook, find_notebooks, with_settings, without_links
from amazonpay_nb.runs.runner import check_case
from amazonpay_nb.runs.sweep import cases_of
from amazonpay_nb.stage.export import finish
from amazonpay_nb.workbench.claims import RECORD_MIME
from tests.unit.runs.test_runner import write


@pytest.mark.parametrize("path", find_notebooks([]), ids=lambda path: path.stem)
def test_a_chapter_leads_to_no_other_page(path: Path) -> None:
    """It stands alone in front of others."""
    shown = without_links(Notebook.read(path).document).cells
    prose = [cell.source for cell in shown if cell.cell_type == "markdown"]
    assert not [text for text in prose if ".ipynb" in text or re.search(r"\]\((?!#|[^)]*\.(svg|png)\))", text)]


def test_a_setting_of_the_workbench_is_given_where_it_is_opened() -> None:
    """The cell says what it is opened with; what the notebook names is one of its parameters, and set as such."""
    (path,) = find_notebooks(["01"])
    document = Notebook.read(path).unexecuted({"merchant_name": "Corner Shop", "region": "eu"})
    sources = "\n".join(cell.source for cell in document.cells if cell.cell_type == "code")
    assert sources.count("merchant_name='Corner Shop')") == 1
    assert "'eu'" not in sources


def test_a_setting_is_checked_with_the_region_that_a_workbench_is_opened_in() -> None:
    """Pounds are possible in Europe, and in North America they are refused."""
    cell = with_settings('wb = workbench.open("emulator", region)  # opens\nwb', {"currency": "GBP"})
    assert cell == "wb = workbench.open('emulator', region, currency='GBP')  # opens\nwb"
    names = {"workbench": workbench, "region": "eu"}
    exec(cell, names)  # noqa: S102 (as a kernel does)
    assert names["wb"].amount == {"amount": "14.00", "currencyCode": "GBP"}  # type: ignore[attr-defined]
    names["wb"].close()  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="'GBP' is not a ledger currency of this region"):
        exec(cell, {"workbench": workbench, "region": "na"})  # noqa: S102


TWO = """%%time
files = !ls
one = workbench.open(
    merchant_name="Wörterbücher",
)
two = [workbench.open(), 'ü', workbench.open(  # not one = workbench.open()
    environment)]
assert [each.region.code for each in two] == ["na"]  # workbench.open()
"""


def test_each_workbench_of_a_cell_takes_the_settings_and_nothing_else_changes() -> None:
    """Also where a call takes several lines, is there twice, or is in a comment as well, and after a magic."""
    cell = with_settings(TWO, {"region": "eu"})
    assert cell.splitlines() == [
        "%%time",
        "files = !ls",
        "one = workbench.open(merchant_name='Wörterbücher', region='eu')",
        "two = [workbench.open(region='eu'), 'ü', workbench.open(environment, region='eu')]",
        'assert [each.region.code for each in two] == ["na"]  # workbench.open()',
    ]


@pytest.mark.parametrize(
    "source",
    ["%time wb = workbench.open()\nother = workbench.open()", "wb = workbench.open()?", "a ! b\nwb = workbench.open()",
     "took = %timeit -o workbench.open()", "%%bash\necho workbench.open() | (cat)"],
)  # fmt: skip
def test_an_opening_that_cannot_be_read_is_refused_where_a_setting_would_not_arrive(
    tmp_path: Path, source: str
) -> None:  # fmt: skip
    """Without settings, the notebook runs as it is."""
    notebook = Notebook.read(write(tmp_path, "magic", source, parameters=""))
    with pytest.raises(ConfigurationError, match=r"magic: .*workbench\.open.* in a cell that Python cannot read"):
        notebook.values({"region": "eu"})
    assert (notebook.values({}), notebook.unexecuted({}).cells[-1].source) == ({}, source)


def test_a_workbench_that_has_the_setting_already_is_refused() -> None:
    """A line that nobody has written would be no program."""
    with pytest.raises(ConfigurationError, match="A cell opens its workbench with region='na'"):
        with_settings("wb = workbench.open(region='na')", {"region": "eu"})


def test_a_setting_that_would_not_arrive_is_refused(tmp_path: Path) -> None:
    """The run would say one region and have another; papermill fills in the first cell of parameters alone."""
    opened = "import amazonpay_nb.workbench\nwb = amazonpay_nb.workbench.open()"
    document = Notebook.read(write(tmp_path, "dotted", opened, parameters="")).unexecuted({"region": "eu"})
    assert document.cells[-1].source.endswith("amazonpay_nb.workbench.open(region='eu')")
    renamed = "from amazonpay_nb.workbench import open as start  # not workbench.open()\nstart()"
    with pytest.raises(ConfigurationError, match="no parameter 'region'"):
        Notebook.read(write(tmp_path, "renamed", renamed, parameters="")).values({"region": "eu"})
    twice = write(tmp_path, "twice", "region = 'na'", tags=("parameters",))
    with pytest.raises(ConfigurationError, match="2 cells have the tag parameters"):
        Notebook.read(twice)


def test_names_of_a_notebook_that_opens_no_workbench_are_its_own(tmp_path: Path) -> None:
    """A run and a sweep take what it takes, and so does the page of one that has run."""
    own = "region = 'us-east-1'\namount = 5000.0\nenvironment = 'staging'\nflow = ''\noutcome = ''"
    values = {"region": "us-west-2", "amount": "1e3", "environment": "production", "flow": "out", "outcome": "none"}
    notebook = Notebook.read(path := write(tmp_path, "own", "1", parameters=own))
    check_case(notebook, values)
    (tmp_path / "matrix.yaml").write_text(json.dumps({"notebooks": ["own.ipynb"], "include": [values]}), "utf-8")
    assert [case.texts for case in cases_of(tmp_path / "matrix.yaml")] == [values]
    for number, cell in enumerate(notebook.document.cells[1:], 1):
        cell.execution_count = number
    path.write_text(writes(notebook.document), "utf-8")
    assert finish(str(path), {}).settings["region"] == "na"
    with pytest.raises(ConfigurationError, match="'us-west-2' does not exist"):
        check_case(Notebook.read(write(tmp_path, "opens", "wb = workbench.open()", parameters=own)), values)


def test_a_notebook_that_ran_before_takes_nothing_from_that_run(tmp_path: Path) -> None:
    """What was injected then is gone, also from what is checked; its own default counts."""
    path = write(tmp_path, "again", "wb = workbench.open(environment)", parameters="environment = 'emulator'")
    notebook = Notebook.read(path)
    injected = new_code_cell("# Parameters\nenvironment = 'live'\n", metadata={"tags": ["injected-parameters"]})
    notebook.document.cells.insert(2, injected)
    check_case(notebook, {})
    assert "'live'" not in str(notebook.unexecuted({}))


def test_a_claim_that_does_not_hold_is_a_failure_wherever_it_is_read() -> None:
    """Also where a cell goes on after it, and in a notebook that ran before."""
    claim = {"id": "charge.late", "text": "A charge is never late.", "ok": False}
    shown = new_output("display_data", data={RECORD_MIME: {"claims": [claim]}})
    document = new_notebook(
        cells=[new_markdown_cell("# Charge"), new_code_cell("", outputs=[shown], execution_count=3)]
    )
    failure = failure_of(document)
    assert failure
    assert (failure.claim, failure.step, failure.cell) == ("charge.late", "Charge", 3)
    assert failure.message == "claim charge.late does not hold: A charge is never late."


@pytest.mark.parametrize(
    ("metadata", "cell"),
    [
        ({"papermill": 5}, {}),
        ({}, {"metadata": {"papermill": 5}}),
        ({}, {"outputs": [{"output_type": "error", "ename": "No", "evalue": "no", "traceback": 5}]}),
    ],
    ids=["metadata", "metadata of a cell", "traceback"],
)
def test_a_notebook_that_says_nonsense_about_its_run_has_failed(metadata: dict[str, Any], cell: dict[str, Any]) -> None:
    """With a sentence, wherever it is read."""
    cell = {"cell_type": "code", "source": "", "metadata": {}} | cell
    failure = failure_of(from_dict({"cells": [cell], "metadata": metadata}))
    assert failure
    assert "is in no form of Jupyter's" in failure.message


@pytest.mark.parametrize("words", ["It \x1b[31mfailed.", ["It failed."], {"message": "It failed."}, 7])
def test_a_run_says_in_its_notebook_what_no_cell_shows(words: object) -> None:
    """Whatever somebody else has written there is text."""
    failure = failure_of(new_notebook(cells=[], metadata={"papermill": {"failure": words}}))
    assert failure
    assert failure.message == str(words).replace("\x1b[31m", "")


def test_an_exception_that_a_widget_shows_is_a_failure() -> None:
    """A block of ipywidgets' `Output` goes on after it, and the cell has ended well."""
    error = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": []}
    other = {"model_name": "ReaderModel", "state": {"outputs": 3}}  # somebody else's
    states = {"a1": other, "b2": {"model_name": "OutputModel", "state": {"outputs": [error]}}}
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": states}}
    document = new_notebook(cells=[new_code_cell("", execution_count=1)], metadata={"widgets": widgets})
    failure = failure_of(document)
    assert failure
    assert (failure.message, failure.step) == ("ZeroDivisionError: division by zero", "in a widget")
