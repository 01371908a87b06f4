"""A newcomer's first hour: the command, notebooks 00 and 01 on copies of their own, and what people do wrong."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, expect

from tests.browser.jupyterlab import VIEWPORT, Lab, working_copies

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "00_start_here.ipynb", "01_set_up_outside_the_purchase_flow.ipynb"
WIDE = "from amazonpay_nb import show\nfrom amazonpay_nb.client.guide import DECISIONS\nshow(DECISIONS)"
WAIT = "arrival = await page.returned()"
TO_CARD = ("Amazon Pay emulated", "Sign in")
TO_CONSENT = (*TO_CARD, "Continue", "Agree and continue")
IN_A_CONTAINER = {"JUPYTERHUB_SERVICE_PREFIX": "/"}
CANCEL = ("Amazon Pay emulated", "Cancel and return to Emulated Shop")
CHARGE = 'payment = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"){})'
REFUND = 'wb.client.create_refund(charge_id=payment.charge_id, refund_amount=wb.price("2"))'


def status() -> str:
    return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """What the command opens; the repository is afterward as it was before."""
    before = status()
    folder = tmp_path_factory.mktemp("newcomer")
    with browser.new_page(viewport=VIEWPORT) as page, working_copies(page, folder) as running:
        yield running
        said = list(running.said)  # while the newcomer is there: how Python ends afterward is not ours
    assert status() == before
    assert not [line for line in said if "warning" in line.casefold()]


def assert_trusted(lab: Lab, name: str) -> None:
    """A copy as it was saved, with its outputs, is trusted when it is opened again."""
    saved = nbformat.read(lab.root / "notebooks" / name, as_version=4)
    assert any(cell.get("outputs") for cell in saved.cells)
    (data,) = lab.root.parent.glob("home/.local/share/jupyter/amazonpay-nb/*")
    notary = NotebookNotary(data_dir=str(data))
    assert notary.check_signature(saved)
    notary.store.close()


def test_its_cookies_are_for_its_own_path(lab: Lab) -> None:
    """A server of somebody else on this machine gets none, and starts no kernel with one."""
    paths = {cookie["path"] for cookie in lab.page.context.cookies()}
    assert paths
    assert min(map(len, paths)) > 20


def test_the_first_screen_is_quiet(lab: Lab) -> None:
    """No pop-up, no sign of changes in a notebook that nobody has touched, and it is trusted."""
    with lab.existing(FIRST) as notebook:
        assert notebook.ask("return [panel.context.path, panel.context.model.dirty];") == [f"notebooks/{FIRST}", False]
        assert notebook.ask("return [...panel.content.model.cells].every((it) => it.type !== 'code' || it.trusted);")
        assert not any(cell["outputs"] for cell in notebook.code_cells())
        expect(notebook.page.locator(".Toastify__toast")).to_have_count(0)
        expect(notebook.page.get_by_role("dialog")).to_have_count(0)


def test_the_keyboard_scrolls_an_output_that_is_too_wide(lab: Lab) -> None:
    """Beside the file browser of a narrow window: Tab goes there, and the arrow keys are not JupyterLab's."""
    with lab.new(WIDE) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 800, "height": 900})
        notebook.run_all()
        notebook.finish()
        output = page.locator(".jp-OutputArea-output").last
        page.wait_for_function("it => it.scrollWidth > it.clientWidth", arg=output.element_handle())
        notebook.ask("panel.content.node.focus();")
        page.keyboard.press("Tab")
        expect(output).to_be_focused()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("output => output.scrollLeft > 0", arg=output.element_handle())
        page.set_viewport_size(VIEWPORT)


def test_chapter_00_with_a_cancellation_a_reload_and_its_exercises(lab: Lab) -> None:
    """A buyer who cancels has another try; after a reload the frame is still there; panels have their own view."""
    with lab.existing(FIRST) as notebook:
        notebook.run_above(WAIT)
        notebook.finish()
        notebook.run_cell(WAIT)
        notebook.press(*CANCEL)
        notebook.wait_for_output("here is another try")
        notebook.press(TO_CARD[0])
        notebook.save()
        notebook.reload()
        notebook.press(*TO_CONSENT)
        notebook.frames.content_frame.get_by_role("heading", name="Welcome back").wait_for()
        notebook.run_from(WAIT)
        notebook.finish()
        assert not notebook.refusals()
        assert notebook.value("refund.state") == "'Refunded'"
        notebook.page.locator(".amazonpay-panels").get_by_role("tab", name="Keys").click(button="right")
        notebook.page.get_by_role("menuitem", name="Create New View for Cell Output").click()
        expect(notebook.page.locator(".jp-LinkedOutputView .amazonpay-panels")).to_be_visible()
        notebook.ask(
            "const [book] = [...app.shell.widgets('main')].filter((one) => one.context); panel.dispose();"
            "app.shell.activateById(book.id); await until(() => app.shell.currentWidget === book);"
        )

        old = "answer = None  # the name of a field, in quotes"
        for new, verdict in (('answer = "chargeId"', "✗ Not yet."), ('answer = "chargePermissionId"', "✓ Right.")):
            notebook.replace(old, new)
            notebook.run_cell("from amazonpay_nb.lessons.exercises import Books")
            notebook.wait_for_output(verdict)
            old = new
        old = "# Write your lines here."
        for new, verdict in (
            (CHARGE.format(""), "is only authorized"),
            (CHARGE.format(", capture_now=True"), "send back 2"),
        ):
            notebook.replace(old, new)
            notebook.run_cell("books = Books(wb.emulator)")
            notebook.wait_for_output(verdict)
            old = new
        notebook.replace(old, f"{old}\n{REFUND}")
        notebook.run_cell("books = Books(wb.emulator)")
        notebook.finish()
        notebook.run_cell("from amazonpay_nb.lessons.exercises import progress")
        notebook.wait_for_output("2 of 3 solved")
        notebook.save()
    assert (lab.root / "solved.txt").read_text().split() == ["00-what-to-keep", "00-refund-a-part"]
    assert_trusted(lab, FIRST)


def test_chapter_01_with_a_restart_a_cancellation_and_a_wrong_card(lab: Lab) -> None:
    """The kernel is restarted while the buyer is at Amazon; from the top, everything works."""
    with lab.existing(SECOND) as notebook:
        notebook.run_all()
        notebook.press(*TO_CARD)
        notebook.restart()
        notebook.run_all()
        notebook.press(*TO_CONSENT)
        notebook.press(*TO_CONSENT)  # for the reader's own server
        notebook.press(*CANCEL)
        notebook.press(*TO_CONSENT)  # with a card that the cell does not want
        notebook.wait_for_output("You chose the Visa that ends in 1111")
        notebook.press(*TO_CARD)
        notebook.choose_card("3434")
        notebook.press(*TO_CONSENT[2:])
        notebook.press(*TO_CONSENT)
        notebook.finish()
        assert not notebook.refusals()
        assert notebook.value("wb.buyer, refund.state") == "('you', 'Refunded')"
        notebook.run_cell(WAIT)  # too late for it
        notebook.finish()
        (refusal,) = notebook.refusals()
        assert "expected: ('Open', True)\nactual: ('Completed', False)" in refusal
        notebook.save()
    assert_trusted(lab, SECOND)


def test_in_a_container_the_lab_forwards_the_shops_pages(browser: Browser, tmp_path: Path) -> None:
    """As README says: below the lab's own path, which stays one that nobody else knows."""
    with browser.new_page(viewport=VIEWPORT) as page, working_copies(page, tmp_path, **IN_A_CONTAINER) as lab:
        test_its_cookies_are_for_its_own_path(lab)
        with lab.existing(FIRST) as notebook:
            notebook.run_above(WAIT)
            notebook.finish()
            notebook.run_cell(WAIT)
            notebook.press(*TO_CONSENT)
            notebook.finish()
            assert not notebook.refusals()
