"""A cell waits for the person who plays the buyer: what it says, what it does about something else, and where."""

import re
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chromium import click
from tests.browser.jupyterlab import Lab, OpenNotebook

pytestmark = pytest.mark.browser

OPEN = """\
from amazonpay_nb import workbench
wb = workbench.open(buyer="you", wait_seconds={seconds})
keys = wb.set_up_keys()"""
SHOW = """\
from amazonpay_nb.client.button import set_up_payload, sign_button
attempt = wb.shop.new_attempt()
urls = {"result_url": attempt.result_url, "cancel_url": attempt.cancel_url}
page = wb.show_button(attempt, sign_button(set_up_payload(wb.store_id, **urls), keys))
page"""
WAIT = "arrival = await page.returned()"
BUTTON, CANCEL = "Amazon Pay emulated", "Cancel and return to Emulated Shop"
AGREE = ("Sign in", "Continue", "Agree and continue")
RELOADED = "After a reload of JupyterLab this line stays as it is"
SERVE = """\
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from amazonpay_nb.client.button import set_up_payload, sign_button
server = wb.serve(Starlette(routes=[Route("/result/{token}", lambda request: PlainTextResponse("Saved."))]))
visit = server.new_attempt()
payload = set_up_payload(wb.store_id, result_url=visit.result_url, cancel_url=visit.cancel_url)
arrival = await wb.show_button(visit, sign_button(payload, keys)).returned()"""
# A page is at its top, and as high as its frame, as far as the window has room for it.
FITS = """(most) => {
  const { scrollHeight, scrollTop } = document.documentElement;
  return scrollTop === 0 && Math.abs(innerHeight - Math.min(scrollHeight, most)) <= 2;
}"""
NEARLY_ALL = 0.9  # a line of the tracker may come later than the page, and moves the frame down by its height
RESTARTED = "If the page cannot be reached, the kernel was restarted: run the notebook again, from the parameters."


@pytest.fixture(autouse=True)
def _window(lab: Lab) -> None:
    """Of the usual height."""
    lab.page.set_viewport_size({"width": 1300, "height": 800})


def notebook_of(lab: Lab, *cells: str, seconds: int = 300) -> AbstractContextManager[OpenNotebook]:
    return lab.new(OPEN.format(seconds=seconds), *cells)


def tracker(notebook: OpenNotebook) -> Locator:
    return notebook.page.locator(".amazonpay-tracker").last


def test_a_buyer_who_agrees_where_the_cell_wants_a_cancel_has_another_try(lab: Lab) -> None:
    """The tracker says page by page what to do; nothing is completed, and one frame follows the other in its place."""
    with notebook_of(lab, 'arrival = await wb.play_set_up(ending="cancel")') as notebook:
        notebook.run_all()
        expect(tracker(notebook)).to_contain_text("press the button, then cancel on Amazon's first page. You are here")
        notebook.press(BUTTON)
        expect(tracker(notebook)).to_contain_text("cancel: press the last button on the page. You are here: Sign in")
        notebook.press(*AGREE)
        expect(tracker(notebook)).to_contain_text(
            "You went through to the end and did not cancel. This cell wants you to"
        )
        expect(notebook.page.locator("iframe.amazonpay-page")).to_have_count(1)
        notebook.press(BUTTON, CANCEL)
        notebook.finish()
        expect(tracker(notebook)).to_have_count(0)  # it goes away when the buyer is back
        assert notebook.value("arrival.kind, len(wb.journal.exchanges)") == "('cancel', 0)"
        assert not notebook.refusals()
        assert not notebook.errors


def test_a_buyer_who_chooses_another_card_has_another_try(lab: Lab) -> None:
    """The emulator has seen which; a cancel is not what the cell wants either."""
    with notebook_of(lab, 'arrival = await wb.play_set_up(card="3434")') as notebook:
        notebook.run_all()
        notebook.press(BUTTON, *AGREE)
        expect(tracker(notebook)).to_contain_text("You chose the Visa that ends in 1111.")
        notebook.press(BUTTON, CANCEL)
        expect(tracker(notebook)).to_contain_text("You canceled before a payment method was declined.")
        notebook.press(BUTTON, "Sign in")
        expect(tracker(notebook)).to_contain_text(
            "choose the Visa that ends in 3434, under “Cards that simulate something else”. You are here"
        )
        notebook.choose_card("3434")
        notebook.press(*AGREE[1:])
        notebook.finish()
        assert notebook.value("wb.client.get_checkout_session(arrival.checkout_session_id).reason_code") == "'Declined'"
        assert not notebook.refusals()


def test_run_all_leads_to_the_page_that_waits(lab: Lab) -> None:
    """Far from the last cell; the frame fits its page, each page begins at its top, and the focus comes back."""
    with notebook_of(lab, SHOW, WAIT, *(f"{number}\n" * 9 for number in range(20))) as notebook:
        notebook.run_all()
        expect(notebook.frames).to_be_in_viewport(ratio=NEARLY_ALL)
        notebook.press(BUTTON, "Sign in", "Continue")
        expect(tracker(notebook)).to_contain_text("press the first button on the page, to agree")
        notebook.frames.content_frame.get_by_role("button", name="Agree and continue").wait_for()
        page = notebook.frames.element_handle().content_frame()
        assert page
        page.wait_for_function(
            FITS, arg=notebook.frames.evaluate("frame => parseFloat(getComputedStyle(frame).maxHeight)")
        )
        expect(notebook.frames).to_be_in_viewport(ratio=NEARLY_ALL)
        notebook.press("Agree and continue")
        notebook.finish()
        focused = notebook.page.locator(":focus")
        expect(focused).to_have_class(re.compile("jp-(Notebook|Cell)"))


def test_after_a_reload_the_buyer_finishes_in_the_tab(lab: Lab) -> None:
    """What was saved says so; the kernel has gone on waiting, and the same cell takes the arrival."""
    with notebook_of(lab, SHOW, WAIT) as notebook:
        notebook.run_all()
        expect(tracker(notebook)).to_contain_text("Waiting for you")
        notebook.save()
        notebook.reload()
        expect(tracker(notebook)).to_contain_text(RELOADED)
        with notebook.page.context.expect_page() as opened:
            click(tracker(notebook).get_by_role("link", name="Open the page in a tab"), tracker(notebook))
        for name in (BUTTON, *AGREE):
            opened.value.get_by_role("button", name=name, exact=True).click()
        opened.value.get_by_role("heading", name="Welcome back").wait_for()
        opened.value.close()
        notebook.run_cell(WAIT)
        notebook.finish()
        assert notebook.value("arrival.kind") == "'result'"


def test_the_line_of_a_readers_own_server_is_no_empty_page(lab: Lab) -> None:
    """It cannot say how high it is, so the frame becomes low."""
    with notebook_of(lab, SERVE) as notebook:
        notebook.run_all()
        notebook.press(BUTTON, *AGREE)
        notebook.finish()
        expect(notebook.frames.content_frame.get_by_text("Saved.")).to_be_visible()
        expect(notebook.frames).to_have_css("height", "160px")  # 10rem


def test_beside_a_dead_page_stands_what_to_do(lab: Lab) -> None:
    """A restarted kernel takes shop and emulator with it, so their pages cannot say it."""
    with notebook_of(lab, SHOW, WAIT) as notebook:
        notebook.run_all()
        expect(tracker(notebook)).to_contain_text("Waiting for you")
        notebook.restart()
        expect(tracker(notebook)).to_contain_text(RESTARTED)


def test_below_the_frame_of_a_kernel_that_has_ended_stands_what_to_do(lab: Lab) -> None:
    """The buyer is back, so the tracker is gone; a page that is there has no such sentence."""
    with notebook_of(lab, SERVE) as notebook:
        notebook.run_all()
        with notebook.page.expect_response(re.compile(r"^http://127\.0\.0\.1:\d+/$")):  # whether the page is there
            notebook.press(BUTTON, *AGREE)
            notebook.finish()
        sentence = notebook.page.get_by_text("This page has ended with its kernel")
        expect(sentence).to_be_hidden()
        notebook.save()
        notebook.restart()
        notebook.reload()
        expect(sentence).to_be_visible()


def test_an_interrupted_wait_says_so_and_goes_on_in_the_same_cell(lab: Lab) -> None:
    """Also where the waiting cell shows the page itself: it shows the page again."""
    with notebook_of(lab, SHOW.rpartition("\n")[0], WAIT) as notebook:
        notebook.run_all()
        expect(tracker(notebook)).to_contain_text("Waiting for you")
        notebook.interrupt()
        notebook.finish()
        expect(tracker(notebook)).to_have_text("The wait has ended.")
        (refusal,) = notebook.refusals()
        assert "Run this cell again: it goes on waiting" in refusal
        notebook.run_cell(WAIT)
        notebook.press(BUTTON, *AGREE)
        notebook.finish()
        expect(tracker(notebook)).to_have_count(0)  # it goes away when the buyer is back
        assert not notebook.refusals()


def test_a_wait_ends_in_time_also_after_another_try(lab: Lab) -> None:
    """Each try has the time of the run."""
    with notebook_of(lab, SHOW, WAIT, seconds=30) as notebook:
        notebook.run_above(WAIT)
        notebook.finish()
        notebook.press(BUTTON, CANCEL)  # before the time of a try begins: a slow buyer has another try, too
        notebook.frames.content_frame.get_by_role("heading", name="Canceled").wait_for()
        notebook.run_cell(WAIT)
        expect(tracker(notebook)).to_contain_text("You canceled, so nothing was agreed.")
        notebook.finish()
        (refusal,) = notebook.refusals()
        assert "did not come back from Amazon's pages within 30 seconds" in refusal
        assert "Waiting for you" not in str(notebook.code_cells())
