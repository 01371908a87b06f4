"""Flow 2 from the basket to the refund, over HTTP: two stays at Amazon with the shop's review page in between."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import express_payload, sign_button
from amazonpay_nb.client.guide import NotChargeable, charge
from amazonpay_nb.client.journal import Step
from amazonpay_nb.errors import BuyerPageError, ConfigurationError, ConflictError, InvalidRequestError
from amazonpay_nb.shop import Arrival, Attempt, Cart, delivery_specifications
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.workbench import HostedPage, Workbench


@pytest.fixture(params=["na", "eu", "jp"])
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench for each region, with keys."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


@pytest.fixture
def na() -> Iterator[Workbench]:
    """A workbench in North America, with keys."""
    bench = workbench.open(buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def stay(page: HostedPage, **script: Any) -> Arrival:
    return asyncio.run(page.returned(**script))


def basket(wb: Workbench, *, product_type: str = "PayAndShip", **fields: Any) -> tuple[Attempt, HostedPage]:
    attempt = wb.shop.new_attempt()
    payload = express_payload(wb.store_id, review_url=attempt.review_url, cancel_url=attempt.cancel_url, **fields)
    cart = Cart.of("Coffee beans, 1 kg", wb.amount, ships=product_type == "PayAndShip")
    return attempt, wb.show_button(attempt, sign_button(payload, wb.keys), product_type=product_type, cart=cart)


def reviewed(wb: Workbench, **script: Any) -> tuple[Attempt, CheckoutSession]:
    """Let a buyer choose address and payment method, and read what they chose."""
    attempt, page = basket(wb)
    arrival = stay(page, **script)
    assert arrival.kind == "review"
    return attempt, wb.client.get_checkout_session(arrival.checkout_session_id)


def ordered(wb: Workbench, attempt: Attempt, session: CheckoutSession, intent: str = "Authorize") -> CheckoutSession:
    """Let a buyer place the order, and tell Amazon what it costs."""
    assert stay(wb.show_review(attempt, session), shipping="express").kind == "ordered"
    assert attempt.cart is not None
    return wb.client.update_checkout_session(
        session.checkout_session_id,
        web_checkout_details={"checkoutResultReturnUrl": attempt.result_url},
        payment_details={"paymentIntent": intent, "chargeAmount": attempt.cart.total},
    )


def bought(wb: Workbench, intent: str = "Authorize", **script: Any) -> CheckoutSession:
    """Buy something; the script is for the first stay."""
    attempt, session = reviewed(wb, **script)
    ready = ordered(wb, attempt, session, intent)
    assert stay(wb.show_redirect(attempt, ready)) == Arrival("result", session.checkout_session_id)
    assert attempt.cart is not None
    return wb.client.complete_checkout_session(session.checkout_session_id, charge_amount=attempt.cart.total)


def descriptor(session: CheckoutSession) -> str:
    first = (session.payment_preferences or [None])[0]
    assert first is not None
    return str(first["paymentDescriptor"])


def left(session: CheckoutSession) -> list[str]:
    return [row["constraintId"] for row in session.constraints or []]


# --- As it should go --------------------------------------------------------------------------------------------------


def test_an_order_is_paid_and_the_wallet_is_kept(wb: Workbench) -> None:
    """Two stays, one session; then the order is captured, a later charge is made, and it is refunded."""
    session = bought(wb)
    order = wb.client.get_charge(str(session.charge_id))
    captured = wb.client.capture_charge(order.charge_id, capture_amount=order.charge_amount)
    later = charge(wb.client, str(session.charge_permission_id), wb.amount, charge_initiator="MITU", capture_now=True)
    refund = wb.client.create_refund(charge_id=later.charge_id, refund_amount=wb.amount)
    wb.wait(30)

    express = {"na": "18.99 USD", "eu": "18.90 EUR", "jp": "614 JPY"}
    assert (session.state, session.charge_permission_type) == ("Completed", "PaymentMethodOnFile")
    assert str(order.charge_amount) == express[wb.region.code]
    assert (order.state, captured.state, later.state) == ("Authorized", "Captured", "Captured")
    assert wb.client.get_refund(refund.refund_id).state == "Refunded"


def test_the_constraints_shrink_and_then_there_is_a_way_on(na: Workbench) -> None:
    """Each update takes what it sets off the list; `amazonPayRedirectUrl` comes with the last."""
    attempt, session = reviewed(na)
    update, session_id = na.client.update_checkout_session, session.checkout_session_id
    urls = update(session_id, web_checkout_details={"checkoutResultReturnUrl": attempt.result_url})
    intent = update(session_id, payment_details={"paymentIntent": "Authorize"})
    with pytest.raises(ConfigurationError, match="no amazonPayRedirectUrl yet: ChargeAmountNotSet"):
        na.show_redirect(attempt, intent)
    amount = update(session_id, payment_details={"chargeAmount": na.amount})

    assert left(session) == ["ChargeAmountNotSet", "CheckoutResultReturnUrlNotSet", "PaymentIntentNotSet"]
    assert left(urls) == ["ChargeAmountNotSet", "PaymentIntentNotSet"]
    assert (left(intent), left(amount)) == (["ChargeAmountNotSet"], [])
    assert na.show_redirect(attempt, amount).url == (amount.web_checkout_details or {})["amazonPayRedirectUrl"]


def test_a_change_comes_back_to_the_review_page_with_the_same_session(wb: Workbench) -> None:
    """Address and payment method can be changed as often as the buyer likes."""
    attempt, session = reviewed(wb)
    paid_otherwise = stay(wb.show_review(attempt, session), change="changePayment", card="4444")
    changed = wb.client.get_checkout_session(paid_otherwise.checkout_session_id)
    sent_elsewhere = stay(wb.show_review(attempt, changed), change="changeAddress", address="2")
    moved = wb.client.get_checkout_session(sent_elsewhere.checkout_session_id)

    assert paid_otherwise == sent_elsewhere == Arrival("review", session.checkout_session_id)
    assert descriptor(session) == "Visa ****1111 (Amazon Pay)"
    assert descriptor(moved) == descriptor(changed) == "Mastercard ****4444 (Amazon Pay)"
    assert moved.shipping_address != session.shipping_address == changed.shipping_address


def test_a_change_is_possible_after_the_amount_is_set(na: Workbench) -> None:
    """The review page leads to Amazon by then, and *Change* still leads back to it."""
    attempt, session = reviewed(na)
    ready = ordered(na, attempt, session)
    assert stay(na.show_review(attempt, ready), change="changePayment", card="4444").kind == "review"

    again = na.client.get_checkout_session(session.checkout_session_id)
    assert stay(na.show_review(attempt, again)) == Arrival("result", session.checkout_session_id)


def test_a_digital_order_has_no_address(wb: Workbench) -> None:
    """With `PayOnly` Amazon asks for none, and there is none to change."""
    attempt, page = basket(wb, product_type="PayOnly")
    session = wb.client.get_checkout_session(stay(page).checkout_session_id)

    assert session.shipping_address is None
    with pytest.raises(BuyerPageError, match="does not offer changeAddress"):
        stay(wb.show_review(attempt, session), change="changeAddress")


# --- What the buyer decides -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "charge_state", "why"),
    [("AuthorizeWithCapture", "Captured", "Closed"), ("Authorize", "Authorized", "ChargeInProgress")],
)
def test_a_buyer_who_does_not_agree_buys_once(na: Workbench, intent: str, charge_state: str, why: str) -> None:
    """The order is paid, but its permission is `OneTime` and takes no later charge."""
    session = bought(na, intent, consent=False)

    assert (session.state, session.charge_permission_type) == ("Completed", "OneTime")
    assert na.client.get_charge(str(session.charge_id)).state == charge_state
    with pytest.raises(NotChargeable, match=why):
        charge(na.client, str(session.charge_permission_id), na.amount)


def test_a_declined_card_is_replaced_in_the_second_stay(wb: Workbench) -> None:
    """Amazon asks for another payment method while the payment is processed; the shop notices only the result."""
    attempt, session = reviewed(wb, card="9995")
    ready = ordered(wb, attempt, session)
    assert stay(wb.show_redirect(attempt, ready), card="4444").kind == "result"

    assert attempt.cart is not None
    done = wb.client.complete_checkout_session(session.checkout_session_id, charge_amount=attempt.cart.total)
    permission = wb.client.get_charge_permission(str(done.charge_permission_id))
    assert permission.payment_descriptor == "Mastercard ****4444 (Amazon Pay)"


def test_a_buyer_who_gives_up_after_a_decline_has_bought_nothing(na: Workbench) -> None:
    """The buyer arrives at the result address all the same; only Complete tells."""
    attempt, session = reviewed(na, card="9995")
    arrival = stay(na.show_redirect(attempt, ordered(na, attempt, session)), ending="decline")

    assert arrival.kind == "result"
    assert attempt.cart is not None
    with pytest.raises(ConflictError, match="Declined"):
        na.client.complete_checkout_session(session.checkout_session_id, charge_amount=attempt.cart.total)


def test_a_failed_challenge_in_europe_buys_nothing(wb: Workbench) -> None:
    """The second stay challenges the buyer where PSD2 holds, and only there."""
    attempt, session = reviewed(wb)
    arrival = stay(wb.show_redirect(attempt, ordered(wb, attempt, session)), mfa="fail")

    state = wb.client.get_checkout_session(session.checkout_session_id).state
    assert (arrival.kind, state) == ("result", "Canceled" if wb.region.psd2 else "Open")


def test_a_buyer_who_cancels_in_the_first_stay_comes_to_the_cancel_address(na: Workbench) -> None:
    """There is nothing to review."""
    _, page = basket(na)

    assert stay(page, ending="cancel") == Arrival("cancel", "")


def test_a_buyer_who_cancels_while_changing_has_no_checkout_any_more(na: Workbench) -> None:
    """The session is canceled, so the shop lets the buyer begin anew."""
    attempt, session = reviewed(na)
    arrival = stay(na.show_review(attempt, session), change="changePayment", ending="cancel")

    assert arrival == Arrival("cancel", "")
    assert na.client.get_checkout_session(session.checkout_session_id).reason_code == "BuyerCanceled"
    with pytest.raises(BuyerPageError, match="Canceled"):
        stay(na.show_review(attempt, session), change="changePayment")


def test_the_shop_delivers_only_where_it_said(wb: Workbench) -> None:
    """An address outside of the payload's `deliverySpecifications` is refused on Amazon's page."""
    nowhere = {"addressRestrictions": {"type": "Allowed", "restrictions": {"BR": {}}}}
    _, page = basket(wb, delivery_specifications=nowhere)
    with pytest.raises(BuyerPageError):
        stay(page)

    _, page = basket(wb, delivery_specifications=delivery_specifications(wb.region.code))
    assert stay(page).kind == "review"


# --- What the shop must not do ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "error"), [("1", ConflictError), (None, InvalidRequestError)])
def test_another_amount_does_not_complete_the_order(
    wb: Workbench, amount: str | None, error: type[ConflictError | InvalidRequestError]
) -> None:
    """The amount is that of the session; the refusal leaves it Open, and the right amount completes it."""
    attempt, session = reviewed(wb)
    stay(wb.show_redirect(attempt, ordered(wb, attempt, session)))
    complete, session_id = wb.client.complete_checkout_session, session.checkout_session_id
    with pytest.raises(error):
        complete(session_id, charge_amount=wb.price(amount) if amount else None)

    assert attempt.cart is not None
    assert complete(session_id, charge_amount=attempt.cart.total).state == "Completed"


def test_an_order_is_not_complete_before_the_second_stay(na: Workbench) -> None:
    """What the buyer has not agreed to cannot be completed."""
    attempt, session = reviewed(na)
    ordered(na, attempt, session)

    assert attempt.cart is not None
    with pytest.raises(ConflictError, match="has not come back"):
        na.client.complete_checkout_session(session.checkout_session_id, charge_amount=attempt.cart.total)


# --- What a notebook sees ---------------------------------------------------------------------------------------------


def test_running_a_cell_again_plays_nothing_again(na: Workbench) -> None:
    """Each page keeps its own arrival, whatever came later."""
    attempt, page = basket(na)
    first = stay(page)
    review = na.show_review(attempt, na.client.get_checkout_session(first.checkout_session_id))
    second = stay(review, shipping="express")
    steps = len(na.journal)

    assert (stay(page), stay(review)) == (first, second)
    assert (first.kind, second.kind) == ("review", "ordered")
    assert len(na.journal) == steps


def test_the_diagram_tells_each_stay_as_it_was(na: Workbench) -> None:
    """A change, an order and the redirect are told apart; only the first stay presses the Amazon Pay button."""
    attempt, session = reviewed(na)
    stay(na.show_review(attempt, session), change="changeAddress")
    stay(na.show_redirect(attempt, ordered(na, attempt, session)))

    told = [step.text for step in na.journal if isinstance(step, Step)]
    assert told == [
        "press “Amazon Pay”", "POST /checkout/initiate", "sign in, choose, decide",
        "back at the review address",
        "change the address or the payment method", "GET /checkout/initiate_auth", "choose another",
        "back at the review address",
        "place the order", "the order, with the chosen shipping option",
        "redirect to amazonPayRedirectUrl", "pay", "back at the result address",
    ]  # fmt: skip
