"""A person plays the buyer and does something else than the cell wants: here a thread presses what a person would."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from amazonpay_nb import workbench
from amazonpay_nb.client.button import end_of_checkout_payload, express_payload, sign_button
from amazonpay_nb.client.journal import Step
from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.shop import Arrival, Attempt, Cart, buyer
from amazonpay_nb.workbench import HostedPage, Workbench
from tests.processes import PATIENCE, until


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A workbench for a person, with keys."""
    with workbench.open(buyer="you", wait_seconds=PATIENCE) as opened:
        opened.set_up_keys()
        yield opened


def wait(page: HostedPage, *tries: Callable[[], str], **script: str | bool) -> Arrival:
    """Wait for a page while each try in turn leads back to the shop."""

    def play() -> None:
        for each in tries:
            stay = page.arrival
            buyer.arrive(each())
            while page.arrival is stay and waiting.is_set():  # the next try begins with another stay
                threading.Event().wait(0.01)

    waiting = threading.Event()
    waiting.set()
    thread = threading.Thread(target=play)
    thread.start()
    try:
        return asyncio.run(page.returned(**script))
    finally:
        waiting.clear()
        thread.join()


def reviewed(wb: Workbench, cart: Cart | None = None) -> tuple[Attempt, Arrival, HostedPage]:
    """A buyer who has come to the review page."""
    attempt = wb.shop.new_attempt()
    payload = express_payload(wb.store_id, review_url=attempt.review_url)
    page = wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayAndShip", cart=cart)
    arrival = wait(page, lambda: buyer.approve(attempt.page_url))
    return attempt, arrival, wb.show_review(attempt, wb.client.get_checkout_session(arrival.checkout_session_id))


def test_a_buyer_who_orders_where_the_cell_wants_a_change_is_asked_again(wb: Workbench) -> None:
    """The session is Open, so the review page can be used once more; the wrong card is asked again as well."""
    attempt, arrival, page = reviewed(wb)

    def change(card: str) -> str:
        return buyer.approve(buyer.find_change(attempt.order_url, "changePayment"), card=card)

    def change_again() -> str:
        assert attempt.review is not None
        assert attempt.review.payment == "Mastercard ****4444 (Amazon Pay)", "the page shows what the buyer has changed"
        return change("9995")

    tries = lambda: buyer.place_order(attempt.order_url), lambda: change("4444"), change_again
    back = wait(page, *tries, change="changePayment", card="9995")
    assert back == Arrival("review", arrival.checkout_session_id)
    descriptor = wb.client.get_checkout_session(back.checkout_session_id).payment_preferences[0]["paymentDescriptor"]
    assert "9995" in descriptor


def test_a_buyer_who_orders_another_delivery_is_asked_again(wb: Workbench) -> None:
    """Nobody has told Amazon the total yet, so the order can be placed once more."""
    attempt, arrival, page = reviewed(wb, Cart.of("Coffee beans", wb.amount))

    def order_again() -> str:
        assert not page.arrival.done(), "another stay has begun"
        return buyer.place_order(attempt.order_url, "express")

    back = wait(page, lambda: buyer.place_order(attempt.order_url, "standard"), order_again, shipping="express")
    assert back == Arrival("ordered", arrival.checkout_session_id)
    assert attempt.cart
    assert attempt.cart.shipping == "express"


def test_a_wait_names_the_button_in_the_language_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """In Japan, where nobody finds an English one."""
    with workbench.open(region="jp", buyer="you", wait_seconds=PATIENCE) as wb:
        wb.set_up_keys()
        attempt, _, page = reviewed(wb)
        shown = []

        def order() -> str:
            assert until(lambda: shown.append(capsys.readouterr().out) or "by “注文を確定する”" in "".join(shown))
            return buyer.place_order(attempt.order_url)

        assert wait(page, order).kind == "ordered"


def test_a_session_that_is_over_has_no_other_try(wb: Workbench) -> None:
    """A buyer who cancels from the review page ends it: in words, with the way back."""
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


def paying(wb: Workbench) -> HostedPage:
    """A button that leads to a server of the reader's, which completes what the buyer has paid."""

    def come_back(request: Request) -> PlainTextResponse:
        session_id = request.query_params["amazonCheckoutSessionId"]
        if wb.client.get_checkout_session(session_id).state == "Open":
            wb.client.complete_checkout_session(session_id, charge_amount=wb.amount)
        return PlainTextResponse("Thank you.")

    attempt = wb.serve(Starlette(routes=[Route("/result/{token}", come_back)])).new_attempt()
    payload = end_of_checkout_payload(wb.store_id, result_url=attempt.result_url, charge_amount=wb.amount)
    return wb.show_button(attempt, sign_button(payload, wb.keys))


def test_a_reader_s_server_may_have_completed_the_second_try(wb: Workbench) -> None:
    """A completed session names no address any more; the declined one, which does, is not taken for it."""
    page = paying(wb)
    start = page.attempt.page_url
    arrival = wait(page, lambda: buyer.approve(start, card="3434"), lambda: buyer.approve(start))
    assert wb.client.get_checkout_session(arrival.checkout_session_id).state == "Completed"


def test_what_a_reader_s_server_has_completed_has_no_other_try(wb: Workbench) -> None:
    """The buyer has saved the wallet where the cell wants none."""
    page = paying(wb)

    def approve() -> str:
        address = buyer.approve(page.attempt.page_url)
        assert until(lambda: page._passed)  # the wait looks now and then
        return address

    with pytest.raises(BuyerPageError, match=r"(?s)You let the shop save.*Run again from the cell that shows"):
        wait(page, approve, consent=False)
