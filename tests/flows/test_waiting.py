"""A person plays the buyer and does something else than the cell wants: here a thread presses what a person would."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import express_payload, sign_button
from amazonpay_nb.client.journal import Step
from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.shop import Arrival, Attempt, buyer
from amazonpay_nb.workbench import HostedPage, Workbench


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A workbench for a person, with keys."""
    with workbench.open(buyer="you", wait_seconds=20) as opened:
        opened.set_up_keys()
        yield opened


def wait(page: HostedPage, *tries: Callable[[], str], **script: str) -> Arrival:
    """Wait for a page while each try in turn leads back to the shop."""

    def play() -> None:
        for each in tries:
            stay = page.arrival
            buyer.arrive(each())
            while page.arrival is stay and waiting.is_set():  # the next try begins with another stay
                waiting.wait(0)

    waiting = threading.Event()
    waiting.set()
    thread = threading.Thread(target=play)
    thread.start()
    try:
        return asyncio.run(page.returned(**script))
    finally:
        waiting.clear()
        thread.join()


def reviewed(wb: Workbench) -> tuple[Attempt, Arrival, HostedPage]:
    """A buyer who has come to the review page."""
    attempt = wb.shop.new_attempt()
    payload = express_payload(wb.store_id, review_url=attempt.review_url)
    page = wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayAndShip")
    arrival = wait(page, lambda: buyer.approve(attempt.page_url))
    return attempt, arrival, wb.show_review(attempt, wb.client.get_checkout_session(arrival.checkout_session_id))


def test_who_orders_where_the_cell_wants_a_change_is_asked_again(wb: Workbench) -> None:
    """The session is Open, so the review page can be used once more; the wrong card is asked again as well."""
    attempt, arrival, page = reviewed(wb)

    def change(card: str) -> str:
        return buyer.approve(buyer.find_change(attempt.order_url, "changePayment"), card=card)

    tries = lambda: buyer.place_order(attempt.order_url), lambda: change("4444"), lambda: change("9995")
    back = wait(page, *tries, change="changePayment", card="9995")
    assert back == Arrival("review", arrival.checkout_session_id)
    descriptor = wb.client.get_checkout_session(back.checkout_session_id).payment_preferences[0]["paymentDescriptor"]
    assert "9995" in descriptor


def test_a_session_that_is_over_has_no_other_try(wb: Workbench) -> None:
    """Who cancels from the review page ends it: in words, with the way back."""
    attempt, _, page = reviewed(wb)
    with pytest.raises(BuyerPageError, match=r"(?s)You canceled.*Run again from the cell that shows the button"):
        wait(page, lambda: buyer.cancel(buyer.find_change(attempt.order_url, "changePayment")), change="changePayment")


def test_a_cell_can_take_any_ending(wb: Workbench) -> None:
    """A plain wait does not take a cancel, and one that says so does."""
    attempt = wb.shop.new_attempt()
    payload = express_payload(wb.store_id, review_url=attempt.review_url, cancel_url=attempt.cancel_url)
    page = wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayAndShip")
    cancel, approve = (lambda: buyer.cancel(attempt.page_url)), (lambda: buyer.approve(attempt.page_url))
    assert wait(page, cancel, cancel, approve).kind == "review"
    steps = [entry.text for entry in wb.journal if isinstance(entry, Step)]
    kinds = [text.split()[-2] for text in steps if text.startswith("back at")]
    assert kinds == ["cancel", "cancel", "review"]
    again = wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayAndShip")
    assert wait(again, cancel, ending="any").kind == "cancel"
