"""Flow 3 from the final amount to the refund, over HTTP: the order is placed on Amazon's pages, in every region."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import SignedPayload, end_of_checkout_payload, sign_button
from amazonpay_nb.client.guide import Step, charge, next_step
from amazonpay_nb.errors import BuyerPageError, ConflictError, InvalidRequestError
from amazonpay_nb.shop import Arrival, Attempt
from amazonpay_nb.shop.bookkeeping import Outcome, outcome, saved_methods
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.spec.regions import EXAMPLE_ADDRESSES, REGIONS
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench import HostedPage, Workbench

# What each intent leaves: the state of the order's charge, or None where it makes none.
CHARGE_AFTER = {"Confirm": None, "Authorize": "Authorized", "AuthorizeWithCapture": "Captured"}
A_DAY = 24 * 60 * 60


@pytest.fixture(scope="module", params=list(REGIONS))
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench for each region, with keys."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def signed(wb: Workbench, attempt: Attempt, **choices: Any) -> SignedPayload:
    choices = {"charge_amount": wb.amount} | choices
    payload = end_of_checkout_payload(
        wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url, **choices
    )
    return sign_button(payload, wb.keys)


def offer(wb: Workbench, product_type: str = "PayOnly", **choices: Any) -> HostedPage:
    attempt = wb.shop.new_attempt()
    return wb.show_button(attempt, signed(wb, attempt, **choices), product_type=product_type)


def ship(wb: Workbench, **choices: Any) -> HostedPage:
    return offer(wb, "PayAndShip", address=EXAMPLE_ADDRESSES[wb.region.code], **choices)


def come_back(page: HostedPage, **script: Any) -> Arrival:
    return asyncio.run(page.returned(**script))


def complete(wb: Workbench, arrival: Arrival) -> CheckoutSession:
    return wb.client.complete_checkout_session(arrival.checkout_session_id, charge_amount=wb.amount)


@pytest.mark.parametrize(("intent", "state"), CHARGE_AFTER.items())
def test_an_order_leaves_what_its_intent_says(wb: Workbench, intent: str, state: str | None) -> None:
    """The wallet is saved each time; a charge of the whole amount is there unless the intent is Confirm."""
    session = complete(wb, come_back(ship(wb, payment_intent=intent)))
    permission = wb.client.get_charge_permission(str(session.charge_permission_id))

    assert (session.state, session.charge_permission_type) == ("Completed", "PaymentMethodOnFile")
    assert (permission.state, permission.presentment_currency) == ("Chargeable", wb.currency)
    if state is None:
        assert session.charge_id is None
    else:
        payment = wb.client.get_charge(str(session.charge_id))
        assert (payment.state, payment.charge_amount.model_dump(by_alias=True)) == (state, wb.amount)
        assert payment.charge_permission_id == permission.charge_permission_id


def test_an_order_is_captured_charged_again_and_refunded(wb: Workbench) -> None:
    """The held amount is taken when the goods leave; a later charge needs no buyer; both can go back."""
    session = complete(wb, come_back(ship(wb)))
    order = wb.client.capture_charge(str(session.charge_id), capture_amount=wb.amount)
    later = charge(wb.client, order.charge_permission_id, wb.amount, charge_initiator="MITU", capture_now=True)
    refunds = [wb.client.create_refund(charge_id=c.charge_id, refund_amount=wb.amount) for c in (order, later)]
    wb.wait(PENDING_SECONDS)

    assert (order.state, later.state) == ("Captured", "Captured")
    assert [wb.client.get_refund(refund.refund_id).state for refund in refunds] == ["Refunded", "Refunded"]


def test_the_shops_address_is_the_sessions(wb: Workbench) -> None:
    """Amazon adds the fields that the shop has not filled in, as null."""
    arrival = come_back(ship(wb))
    address = wb.client.get_checkout_session(arrival.checkout_session_id).shipping_address or {}

    assert {name: value for name, value in address.items() if value} == EXAMPLE_ADDRESSES[wb.region.code]


def test_an_address_is_tidied(wb: Workbench) -> None:
    """Trimmed, with codes in capitals; a phone number of 0 stands for none."""
    address = EXAMPLE_ADDRESSES[wb.region.code] | {"phoneNumber": "0"}
    untidy = {name: f"  {value} " for name, value in address.items()}
    untidy["countryCode"] = untidy["countryCode"].lower()
    arrival = come_back(offer(wb, "PayAndShip", address=untidy))
    shown = wb.client.get_checkout_session(arrival.checkout_session_id).shipping_address or {}

    assert {name: value for name, value in shown.items() if value} == address


LENGTHS = {"name": 50, "addressLine1": 180, "addressLine2": 60, "addressLine3": 60, "city": 50, "stateOrRegion": 50,
           "postalCode": 20, "phoneNumber": 20}  # fmt: skip


@pytest.mark.parametrize(("field", "length"), LENGTHS.items())
def test_an_address_has_lengths(wb: Workbench, field: str, length: int) -> None:
    """Up to the documented one, and not one more."""
    address = EXAMPLE_ADDRESSES[wb.region.code]
    assert come_back(offer(wb, "PayAndShip", address=address | {field: "1" * length})).kind == "result"
    with pytest.raises(BuyerPageError, match=rf"InvalidParameterValue .*{field}"):
        come_back(offer(wb, "PayAndShip", address=address | {field: "1" * (length + 1)}))


def test_a_buyer_who_only_pays_has_no_shipping_address(wb: Workbench) -> None:
    """PayOnly deals with no address."""
    arrival = come_back(offer(wb))

    assert wb.client.get_checkout_session(arrival.checkout_session_id).shipping_address is None
    assert complete(wb, arrival).charge_permission_type == "PaymentMethodOnFile"


# --- Consent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "permission_state"),
    [("Confirm", "Chargeable"), ("Authorize", "NonChargeable"), ("AuthorizeWithCapture", "Closed")],
)
def test_a_buyer_who_buys_without_consent_has_saved_nothing(wb: Workbench, intent: str, permission_state: str) -> None:
    """The order is paid, the permission is OneTime, and it ends with the amount of the order."""
    session = complete(wb, come_back(offer(wb, payment_intent=intent), consent=False))
    permission = wb.client.get_charge_permission(str(session.charge_permission_id))

    assert (session.state, session.charge_permission_type) == ("Completed", "OneTime")
    assert (permission.charge_permission_type, permission.state) == ("OneTime", permission_state)
    assert permission.limits is not None
    assert permission.limits["amountLimit"] == wb.amount
    if state := CHARGE_AFTER[intent]:
        assert wb.client.get_charge(str(session.charge_id)).state == state


def test_a_one_time_permission_gives_no_more_than_the_order(wb: Workbench) -> None:
    """With Confirm the order can still be charged once; beyond that nothing can."""
    session = complete(wb, come_back(offer(wb, payment_intent="Confirm"), consent=False))
    permission_id = str(session.charge_permission_id)
    charge(wb.client, permission_id, wb.amount, capture_now=True)

    assert next_step(wb.client.get_charge_permission(permission_id)) is Step.SET_UP_AGAIN


# --- The buyer's payment method, and the buyer's mind -----------------------------------------------------------------


def test_after_a_decline_another_payment_method_pays(wb: Workbench) -> None:
    """The shop sees one order, paid with the second card."""
    session = complete(wb, come_back(ship(wb), card="9995", then="1111"))
    permission = wb.client.get_charge_permission(str(session.charge_permission_id))

    assert permission.payment_descriptor == "Visa ****1111 (Amazon Pay)"
    assert wb.client.get_charge(str(session.charge_id)).state == "Authorized"


def test_a_buyer_who_gives_up_after_a_decline_has_paid_nothing(wb: Workbench) -> None:
    """The buyer arrives where a paying one would; Complete says what happened."""
    arrival = come_back(ship(wb), ending="decline")

    assert arrival.kind == "result"
    with pytest.raises(ConflictError, match="CheckoutSessionCanceled"):
        complete(wb, arrival)
    session = wb.client.get_checkout_session(arrival.checkout_session_id)
    assert (session.state, session.reason_code, session.charge_id) == ("Canceled", "Declined", None)


def test_a_buyer_who_cancels_comes_to_the_cancel_address(wb: Workbench) -> None:
    """Without a session's id: there is nothing to complete."""
    assert come_back(ship(wb), ending="cancel") == Arrival("cancel", "")


def test_a_failed_challenge_pays_nothing_where_there_is_one(wb: Workbench) -> None:
    """Saving a wallet is challenged in Europe and the UK, also with a purchase."""
    arrival = come_back(ship(wb), mfa="fail")

    if wb.region.psd2:
        with pytest.raises(ConflictError, match="Declined"):
            complete(wb, arrival)
    else:
        assert complete(wb, arrival).state == "Completed"


# --- Pending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "state", "reason", "permission_state", "end"),
    [
        ("0701", "Authorized", None, "Chargeable", "paid-and-saved"),
        ("4354", "Declined", "HardDeclined", "NonChargeable", "declined"),
    ],
    ids=["authorized", "declined"],
)
def test_a_pending_authorization_is_decided_later(
    wb: Workbench, card: str, state: str, reason: str | None, permission_state: str, end: str
) -> None:
    """202, and both ids at once; the Charge tells the outcome, and the shop's pages tell the buyer."""
    session = complete(wb, come_back(offer(wb, can_handle_pending_authorization=True), card=card))
    assert wb.journal.exchanges[-1].status == 202
    assert session.state == "Completed"
    assert wb.client.get_charge(str(session.charge_id)).state == "AuthorizationInitiated"
    assert outcome(wb.journal, session.checkout_session_id) == Outcome("pending")

    wb.wait(PENDING_SECONDS)

    payment = wb.client.get_charge(str(session.charge_id))
    assert (payment.state, payment.reason_code) == (state, reason)
    assert wb.client.get_charge_permission(str(session.charge_permission_id)).state == permission_state
    shown = outcome(wb.journal, session.checkout_session_id)
    assert shown is not None
    assert shown.key == end
    saved = {row.number: row.state for row in saved_methods(wb.journal)}
    assert saved[str(session.charge_permission_id)] == permission_state


def test_a_buyer_who_cannot_wait_is_not_offered_a_pending_payment(wb: Workbench) -> None:
    """The page asks for another payment method."""
    with pytest.raises(BuyerPageError, match="paymentIntent: Authorize, canHandlePendingAuthorization: true"):
        come_back(offer(wb), card="0701")


# --- Complete ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["1", "15"], ids=["less", "more"])
def test_the_amount_of_the_payload_is_the_amount_of_the_order(wb: Workbench, other: str) -> None:
    """Another amount is refused, and the session waits for the right one."""
    arrival = come_back(ship(wb))

    with pytest.raises(ConflictError, match="AmountMismatch"):
        wb.client.complete_checkout_session(arrival.checkout_session_id, charge_amount=wb.price(other))
    assert complete(wb, arrival).charge_id


def test_the_amount_cannot_be_left_out(wb: Workbench) -> None:
    """Only a set-up without a purchase is completed with an empty body."""
    arrival = come_back(ship(wb))

    with pytest.raises(InvalidRequestError, match="repeat the chargeAmount"):
        wb.client.complete_checkout_session(arrival.checkout_session_id)


def test_an_order_is_completed_once(wb: Workbench) -> None:
    """A second Complete cannot charge a second time."""
    arrival = come_back(ship(wb))
    complete(wb, arrival)

    with pytest.raises(ConflictError, match="is Completed"):
        complete(wb, arrival)


def test_an_order_that_waits_a_day_is_gone(wb: Workbench) -> None:
    """The buyer agreed, but nobody completed it: nothing is charged."""
    arrival = come_back(ship(wb))
    wb.wait(A_DAY)

    with pytest.raises(ConflictError, match="Expired"):
        complete(wb, arrival)
    assert wb.client.get_checkout_session(arrival.checkout_session_id).charge_id is None


# --- What Amazon's entry refuses, on a page that says why -------------------------------------------------------------


def test_shipping_needs_an_address_and_paying_only_has_none(wb: Workbench) -> None:
    """Both ways the page names the product type and the field."""
    with pytest.raises(BuyerPageError, match=r"With PayAndShip .* needs addressDetails"):
        come_back(offer(wb, "PayAndShip"))
    with pytest.raises(BuyerPageError, match=r"With PayOnly .* must not have addressDetails"):
        come_back(offer(wb, "PayOnly", address=EXAMPLE_ADDRESSES[wb.region.code]))


def test_an_address_holds_what_its_region_requires(wb: Workbench) -> None:
    """Each required field is missed by its name."""
    address = EXAMPLE_ADDRESSES[wb.region.code]
    assert set(wb.region.required_address_fields) <= set(address)

    for field in wb.region.required_address_fields:
        rest = {name: value for name, value in address.items() if name != field}
        with pytest.raises(BuyerPageError, match=rf"MissingParameterValue .*addressDetails\.{field} is missing"):
            come_back(offer(wb, "PayAndShip", address=rest))


def test_a_merchant_who_captures_at_once_cannot_wait(wb: Workbench) -> None:
    """The payload contradicts itself."""
    page = offer(wb, payment_intent="AuthorizeWithCapture", can_handle_pending_authorization=True)

    with pytest.raises(BuyerPageError, match="canHandlePendingAuthorization cannot be true"):
        come_back(page)


@pytest.mark.parametrize("changed", ["charge_amount", "address"])
def test_a_changed_cart_needs_a_new_signature(wb: Workbench, changed: str) -> None:
    """The old signature under the new text is refused; signed again, the same text is accepted."""
    attempt = wb.shop.new_attempt()
    cart: dict[str, Any] = {"charge_amount": wb.price("1"), "address": EXAMPLE_ADDRESSES[wb.region.code]}
    new = {"charge_amount": wb.amount, "address": cart["address"] | {"name": "Nora Example"}}
    before, after = signed(wb, attempt, **cart), signed(wb, attempt, **cart | {changed: new[changed]})

    with pytest.raises(BuyerPageError, match="InvalidSignatureError"):
        come_back(wb.show_button(attempt, replace(before, payload_json=after.payload_json), product_type="PayAndShip"))
    assert come_back(wb.show_button(attempt, after, product_type="PayAndShip")).kind == "result"
