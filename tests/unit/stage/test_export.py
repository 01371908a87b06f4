"""What a notebook that has run says when it is exported: what its run has said, and nothing is done a second time."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from amazonpay_nb.runs.runner import run
from amazonpay_nb.stage.export import export, finish

DONE = "with open('done', 'a') as file:\n    print('once', end=' ', file=file)"
DIES = "import os\nos._exit(3)"
END = "print('the end')"


def saved(path: Path, *cells: nbformat.NotebookNode) -> Path:
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[*cells]), path)
    return path


@pytest.mark.parametrize(
    "sources",
    [(DONE, "assert region == 'na'", END), (DONE, DIES, END), (f"{DONE}\n{DIES}", END)],
    ids=["fails", "its kernel dies", "its kernel dies at once"],
)
def test_a_run_that_has_failed_stays_so(sources: tuple[str, ...], tmp_path: Path) -> None:
    """The cells behind the failure have not run, which is no reason to run them."""
    parameters = new_code_cell("region = 'na'", metadata={"tags": ["parameters"]})
    given = {"region": "eu"} if len(sources) > 2 else {}
    cells = [*([parameters] if given else []), *map(new_code_cell, sources)]
    (failed,) = run([saved(tmp_path / "own" / "one.ipynb", *cells)], given, out=tmp_path / "out").runs
    assert failed.failure
    page, stopped = export(str(tmp_path / "out" / "one.ipynb"), {}, tmp_path / "pages")
    assert stopped is not None
    assert failed.failure.message in stopped
    assert "the end</" not in page.read_text("utf-8")
    assert [*tmp_path.rglob("done")] == [tmp_path / "own" / "done"]


def test_a_failure_that_no_cell_shows_stands_at_the_head_of_each_page(tmp_path: Path) -> None:
    """A run that was offline, and tried to connect: it read like a success."""
    cell = new_code_cell("import socket\nprint(socket.socket().connect_ex(('192.0.2.1', 9)) > 0)")
    (failed,) = run([saved(tmp_path / "own" / "one.ipynb", cell)], {}, out=tmp_path / "out", offline=True).runs
    assert failed.failure
    page, stopped = export(str(tmp_path / "out" / "one.ipynb"), {}, tmp_path / "pages")
    assert stopped == failed.failure.text
    for each in (tmp_path / "out" / "one.html", page):
        assert f"<strong>The run stopped:</strong> {failed.failure.message}" in each.read_text("utf-8")


def test_a_cell_that_a_person_has_left_alone_runs_nothing_again(tmp_path: Path) -> None:
    """The page shows what was there; that it is not the whole notebook is said, and no run that has passed."""
    ran = new_code_cell(DONE, execution_count=1, outputs=[new_output("stream", name="stdout", text="charged")])
    skips = new_code_cell("print('skipped')", metadata={"tags": ["skip-execution"]})
    alone = new_code_cell("\nprint('a scratch cell')")
    exercises = new_markdown_cell("## Exercises"), new_code_cell("an exercise")
    whole = saved(tmp_path / "whole.ipynb", ran, skips, new_code_cell(" "), *exercises)
    assert finish(str(whole), {}).failure is None
    part = saved(tmp_path / "part.ipynb", ran, skips, alone)
    page, stopped = export(str(part), {}, tmp_path / "pages")
    assert str(stopped).startswith("A cell has not run: print('a scratch cell')\nRun it, or take it out;")
    assert "charged" in (text := page.read_text("utf-8"))
    assert "<strong>The run stopped:</strong> A cell has not run: print(&#39;a scratch cell&#39;)" in text
    assert not (tmp_path / "done").exists()


def test_a_notebook_without_counts_has_run_where_it_shows_something(tmp_path: Path) -> None:
    """Some tools take them out, for fewer changes from run to run."""
    ran = new_code_cell(DONE, outputs=[new_output("stream", name="stdout", text="charged")])
    assert finish(str(saved(tmp_path / "bare.ipynb", ran, new_code_cell("x = 1"))), {}).failure is None
    assert not (tmp_path / "done").exists()


def test_a_notebook_that_has_never_run_is_run(tmp_path: Path) -> None:
    """Nothing is there that could be shown."""
    fresh = saved(tmp_path / "fresh.ipynb", new_code_cell(DONE), new_code_cell(END))
    assert finish(str(fresh), {}).failure is None
    assert (tmp_path / "done").read_text() == "once "
