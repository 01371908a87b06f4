"""What a notebook that has run says when it is exported: what its run has said, and nothing is done a second time."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from amazonpay_nb.client.journal import Journal
from amazonpay_nb.runs.failure import left_in
from amazonpay_nb.runs.runner import run
from amazonpay_nb.stage.export import export, finish, short

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


@pytest.mark.parametrize("said", ["coffee", "caf\xc3\xa9\x80\ufffe\x7f"])
def test_a_failure_that_no_cell_shows_stands_at_the_head_of_each_page(said: str, tmp_path: Path) -> None:
    """A run that was offline, and tried to connect: it read like a success; also where a file cannot hold a letter."""
    tries = "import socket\ntry: socket.create_connection(('192.0.2.1', 9), 1)\nexcept OSError: pass"
    cell = new_code_cell(f"{tries}\nprint({said!r})")
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


CLAIMS = """
from pathlib import Path
from amazonpay_nb import workbench

wb = workbench.open(buyer="script", region="na")
wb.set_up_keys()
arrival = await wb.play_set_up()
wallet = wb.client.complete_checkout_session(arrival.checkout_session_id).charge_permission_id
charge = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("14.00"), capture_now=True)
wb.claim("holds", "The claim holds.", not Path("broken").exists())
"""


def claiming(folder: Path) -> Path:
    """A notebook that claims what holds as long as no file of its folder is called broken."""
    cells = [new_code_cell(line) for line in (CLAIMS.strip(), "print('the', 'end')")]
    return saved(folder / "one.ipynb", *cells)


def run_in_jupyter(path: Path, **changes: str) -> None:
    """Run all cells again as JupyterLab and `nbconvert --execute --inplace` do, which keep all metadata."""
    document = nbformat.read(path, as_version=4)
    for before, after in changes.items():
        document.cells[0].source = document.cells[0].source.replace(before, after)
    NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    nbformat.write(document, path)


def cleared(path: Path) -> None:
    """*Clear Outputs of All Cells*, which keeps all metadata."""
    document = nbformat.read(path, as_version=4)
    for cell in document.cells:
        cell.outputs, cell.execution_count = [], None
    nbformat.write(document, path)


def test_a_run_whose_outputs_were_cleared_is_run_anew(tmp_path: Path) -> None:
    """What the run before has noted is no result: the page would have ticks at claims that nobody tried."""
    own = claiming(tmp_path / "own")
    run([own], {}, out=tmp_path / "out")
    written = tmp_path / "out" / "one.ipynb"
    cleared(written)
    (tmp_path / "out" / "broken").touch()
    _, stopped = export(str(written), {}, tmp_path / "pages", edition="short")
    assert str(stopped).startswith("AssertionError: holds: The claim holds.")


@pytest.mark.parametrize("failed", ["a claim", "its kernel"])
def test_a_failed_run_that_ran_again_in_jupyter_has_passed(failed: str, tmp_path: Path) -> None:
    """From its first cell to its last: what the failed one has noted is over."""
    own, written = claiming(tmp_path / "own"), tmp_path / "out" / "one.ipynb"
    (tmp_path / "own" / "broken").touch()
    if failed == "its kernel":
        document = nbformat.read(own, as_version=4)
        document.cells.insert(0, new_code_cell("import os\nos.path.exists('broken') and os._exit(3)"))
        nbformat.write(document, own)
    assert run([own], {}, out=tmp_path / "out").failed
    assert export(str(written), {}, tmp_path / "pages")[1] is not None
    run_in_jupyter(written)
    page, stopped = export(str(written), {}, tmp_path / "pages")
    assert stopped is None
    assert "The run stopped" not in page.read_text("utf-8")


def test_a_journal_is_that_of_its_run_alone(tmp_path: Path) -> None:
    """The page of the next run, which has left none, says so, and shows no money of the one before."""
    written = tmp_path / "out" / "one.ipynb"
    run([claiming(tmp_path / "own")], {}, out=tmp_path / "out")
    assert "$14.00" in short(finish(str(written), {}))
    cells = nbformat.read(written, as_version=4)
    cells.cells.append(new_markdown_cell("A word more."))
    nbformat.write(cells, written)
    assert "$14.00" in short(finish(str(written), {}))
    run_in_jupyter(written, na="eu")
    page = short(finish(str(written), {}))
    assert "$14.00" not in page
    assert "The run has left no journal, so the money that it moved cannot be shown." in page
    assert Journal.read(written.with_suffix(".journal.jsonl")).exchanges


@pytest.mark.parametrize("shown", ["print(amount)", "from IPython.display import HTML\nHTML(amount)"])
def test_a_journal_is_not_that_of_the_same_cells_with_another_answer(shown: str, tmp_path: Path) -> None:
    """A cell that reads a file is the same cell in the next run, and says or shows something else."""
    source = CLAIMS.partition("wb.claim")[0].strip().replace('"14.00"', 'Path("amount").read_text()')
    cells = map(new_code_cell, [source, f"amount = str(charge.charge_amount)\n{shown}"])
    own = saved(tmp_path / "own" / "one.ipynb", *cells)
    written = tmp_path / "out" / "one.ipynb"
    (own.parent / "amount").write_text("14.00")
    run([own], {}, out=written.parent)
    assert "$14.00" in short(finish(str(written), {}))
    (written.parent / "amount").write_text("99.00")
    run_in_jupyter(written)
    assert "$14.00" not in short(finish(str(written), {}))


def test_a_number_that_jupyterlab_writes_anew_is_the_same() -> None:
    """It saves 1 where JSON has 1.0."""
    output = new_output("display_data", {"application/json": {"amount": 1.0}, "text/plain": "1.0"})
    document = new_notebook(cells=[new_code_cell("show()", execution_count=1, outputs=[output])])
    before = left_in(document)
    output.data["application/json"]["amount"] = 1
    assert left_in(document) == before
    output.data["text/plain"] = "2.0"
    assert left_in(document) != before
