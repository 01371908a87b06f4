"""A person in JupyterLab: presses the button in a cell's output, stops, restarts, comes too late."""

import shutil
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from amazonpay_nb.runs.failure import left_in
from amazonpay_nb.runs.notebook import find_notebooks, title_of
from amazonpay_nb.runs.runner import run
from tests.browser.jupyterlab import VIEWPORT, Lab, OpenNotebook

pytestmark = pytest.mark.browser

NOTEBOOK = "01_set_up_outside_the_purchase_flow.ipynb"
WAIT = "arrival = await page.returned()"
WAITING = "Waiting for you"
INTERRUPTED = """\
BuyerPageError: The wait was interrupted; nothing has changed.
Run this cell again: it goes on waiting, or shows its page once more."""
TOO_LATE = """\
BuyerPageError: The buyer did not come back from Amazon's pages within 1 seconds.
Run this cell again: it goes on waiting, or shows its page once more."""
TO_CARD = ("Amazon Pay emulated", "Sign in")
TO_CONSENT = (*TO_CARD, "Continue", "Agree and continue")
CANCEL = ("Amazon Pay emulated", "Cancel and return to Emulated Shop")


def assert_all_is_well(notebook: OpenNotebook) -> None:
    """Every cell has run without an error, to the end, and nothing complained in the browser."""
    assert not notebook.refusals()
    assert all(cell["execution_count"] for cell in notebook.code_cells())
    assert notebook.value("wb.buyer, refund.state") == "('you', 'Refunded')"
    assert not notebook.errors


def play_what_does_not_go_well(notebook: OpenNotebook, *challenge: str) -> None:
    """Agree at the reader's own server; then cancel, be declined, and agree although the shop will be too late."""
    notebook.press(*TO_CONSENT, *challenge)
    notebook.press(*CANCEL)
    notebook.press(*TO_CARD)
    notebook.choose_card("3434")
    notebook.press(*TO_CONSENT[2:], *challenge)
    notebook.press(*TO_CONSENT, *challenge)
    notebook.finish()


def test_in_europe_a_person_passes_the_challenge(lab: Lab) -> None:
    """Run all, press the buttons in the frames, and the notebook runs to its end; elsewhere there is no fourth page."""
    with lab.open(NOTEBOOK, region="eu") as notebook:
        notebook.run_all()
        notebook.press(*TO_CONSENT, "Confirm: it is me")
        play_what_does_not_go_well(notebook, "Confirm: it is me")
        assert_all_is_well(notebook)


def test_only_jupyterlab_may_look_for_a_kernel_that_is_gone(lab: Lab) -> None:
    """Which it does where a kernel's last words come late; what a page of ours looks for in vain is a mistake."""
    late = (
        "const words = { header: { msg_type: 'shutdown_reply' } };"
        "setTimeout(() => panel.sessionContext._onIopubMessage.call({ session: null }, null, words));"
    )
    with lab.new("1") as notebook:
        for script in (late, "setTimeout(() => null.kernel);"):
            with notebook.page.expect_event("pageerror"):
                notebook.ask(script)
        (complaint,) = notebook.errors
        assert "null (reading 'kernel')" in complaint


def test_an_interrupted_wait_goes_on_where_it_stopped(lab: Lab) -> None:
    """The stop button ends the wait at once with one message; the same cell waits on for the same page."""
    with lab.open(NOTEBOOK) as notebook:
        notebook.run_all()
        notebook.wait_for_output(WAITING)
        notebook.interrupt()
        notebook.finish()
        assert notebook.refusals() == [INTERRUPTED]
        notebook.press(*TO_CONSENT[:2])  # the page has not noticed
        notebook.run_from(WAIT)
        notebook.press(*TO_CONSENT[2:])
        play_what_does_not_go_well(notebook)
        assert_all_is_well(notebook)


def test_after_a_restart_the_notebook_runs_again_from_the_top(lab: Lab) -> None:
    """A restarted kernel knows nothing; from the top everything works, with a new shop and a new page."""
    with lab.open(NOTEBOOK) as notebook:
        notebook.run_all()
        notebook.wait_for_output(WAITING)
        notebook.restart()
        notebook.run_cell(WAIT)
        notebook.finish()
        (refusal,) = notebook.refusals()
        assert "name 'page' is not defined" in refusal
        notebook.run_all()
        notebook.wait_for_output(WAITING)
        notebook.press(*TO_CONSENT)
        play_what_does_not_go_well(notebook)
        assert_all_is_well(notebook)


def test_a_buyer_who_comes_too_late_is_still_welcome(lab: Lab) -> None:
    """The wait ends in time with one message; a buyer who finishes on the page afterward has arrived."""
    with lab.open(NOTEBOOK, wait_seconds="1") as notebook:
        notebook.run_all()
        notebook.finish()
        assert notebook.refusals() == [TOO_LATE]
        notebook.press(*TO_CONSENT)
        notebook.frames.content_frame.get_by_role("heading", name="Welcome back").wait_for()
        notebook.run_from(WAIT)
        notebook.finish()
        assert notebook.value("wb.buyer, refund.state") == "('you', 'Refunded')"
        assert notebook.refusals() == [TOO_LATE]  # the next visit's buyer does not come in a second either


CHANGES = """\
from amazonpay_nb import show, workbench
from amazonpay_nb.lessons.go_live import by_environment, changes
wb = workbench.open(buyer="script")
keys = wb.set_up_keys()
display(show(changes(wb)))
show(by_environment(changes(wb)))"""


def test_a_wide_table_fits_a_narrow_window(lab: Lab) -> None:
    """Beside a closed file browser: its headings wrap, and no word is broken; in short, beside an open one as well."""
    with lab.new(CHANGES) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 800, "height": VIEWPORT["height"]})
        notebook.run_all()
        notebook.finish()
        tables = page.locator(".jp-OutputArea table")
        expect(tables).to_have_count(3)
        table, *short = tables.all()
        fits = "table => table.closest('.jp-RenderedHTMLCommon').clientWidth >= table.scrollWidth"
        for each in short:
            page.wait_for_function(fits, arg=each.element_handle())
        notebook.ask("await app.commands.execute('application:toggle-left-area');")
        page.wait_for_function(fits, arg=table.element_handle())
        longest = table.get_by_role("rowheader", name="domains of buttons")
        assert longest.evaluate("it => getComputedStyle(it).overflowWrap") == "normal"
        notebook.ask("await app.commands.execute('application:toggle-left-area');")
        page.set_viewport_size(VIEWPORT)


def test_a_saved_notebook_is_as_its_run_left_it(lab: Lab) -> None:
    """What the run noted in it counts on; a cell that runs again is another thing."""
    runs, folder = lab.root / "runs", lab.root / "notebooks"
    run(find_notebooks(["06"]), {}, out=runs)
    (executed,) = runs.glob("*.ipynb")
    path = Path(shutil.move(executed, folder))
    with lab.existing(path.name) as notebook:
        notebook.replace("# Manage refunds", "# What we showed")
        notebook.save()
        document = nbformat.read(path, as_version=4)
        assert title_of(document) == "What we showed"
        assert left_in(document) == document.metadata.papermill.cells
        notebook.run_cell("from amazonpay_nb.spec.states")
        notebook.finish()
        notebook.save()
    document = nbformat.read(path, as_version=4)
    assert left_in(document) != document.metadata.papermill.cells
