"""Flow 1 from the key to the refund, over HTTP, as a merchant's server lives through it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import set_up_payload, sign_button
from amazonpay_nb.client.guide import NotChargeable, Step, charge, complete_set_up
from amazonpay_nb.errors import BuyerPageError, ConfigurationError, ConflictError, NotFoundError
from amazonpay_nb.shop import Arrival
from amazonpay_nb.shop.buyer import approve, arrive
from amazonpay_nb.workbench import HostedPage, Workbench

DAY = 24 * 60 * 60
CURRENCY = {"na": "USD", "eu": "EUR", "jp": "JPY"}


@pytest.fixture(scope="module", params=list(CURRENCY))
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench for each region, with keys."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def offer(wb: Workbench) -> HostedPage:
    attempt = wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)
    return wb.show_button(attempt, sign_button(payload, wb.keys))


def come_back(page: HostedPage, **script: Any) -> Arrival:
    return asyncio.run(page.returned(**script))


def test_a_wallet_is_saved_charged_and_refunded(wb: Workbench) -> None:
    """Session, permission, charge and refund end in the documented states, in the region's currency."""
    session = complete_set_up(wb.client, come_back(offer(wb)).checkout_session_id)
    permission = wb.client.get_charge_permission(str(session.charge_permission_id))
    payment = charge(wb.client, permission.charge_permission_id, wb.amount, charge_initiator="MITU", capture_now=True)
    refund = wb.client.create_refund(charge_id=payment.charge_id, refund_amount=wb.amount)
    wb.wait(30)

    assert (session.state, permission.state, payment.state) == ("Completed", "Chargeable", "Captured")
    assert (refund.state, wb.client.get_refund(refund.refund_id).state) == ("RefundInitiated", "Refunded")
    assert payment.charge_amount.currency_code == CURRENCY[wb.region.code]
    assert permission.presentment_currency == CURRENCY[wb.region.code]


def test_europe_always_challenges_the_buyer(wb: Workbench) -> None:
    """A failed challenge saves nothing in Europe; elsewhere there is no challenge to fail."""
    arrival = come_back(offer(wb), mfa="fail")
    if wb.region.psd2:
        with pytest.raises(ConflictError, match="CheckoutSessionCanceled"):
            complete_set_up(wb.client, arrival.checkout_session_id)
    else:
        assert complete_set_up(wb.client, arrival.checkout_session_id).state == "Completed"


# --- When it does not go well -----------------------------------------------------------------------------------------


def test_a_buyer_who_cancels_comes_to_the_cancel_address(wb: Workbench) -> None:
    """Nothing is saved, nothing is sent, and the address says so."""
    page = offer(wb)
    arrival = come_back(page, ending="cancel")
    entries = len(wb.journal)

    assert arrival == Arrival("cancel", "")
    with pytest.raises(ConfigurationError, match=r"(?s)without a Checkout Session id.*nothing was saved"):
        complete_set_up(wb.client, arrival.checkout_session_id)
    assert come_back(page) == arrival, "running the cell again does not play the buyer again"
    assert len(wb.journal) == entries


def test_after_a_cancellation_the_buyer_may_start_again(wb: Workbench) -> None:
    """A new attempt knows nothing of the old one."""
    come_back(offer(wb), ending="cancel")
    assert complete_set_up(wb.client, come_back(offer(wb)).checkout_session_id).state == "Completed"


@pytest.mark.parametrize(
    ("script", "reason"),
    [({"card": "3434"}, "Declined"), ({"card": "3064"}, "BuyerCanceled"), ({"ending": "decline"}, "Declined")],
    ids=["declined", "canceled", "gives up"],
)
def test_without_a_valid_payment_method_nothing_is_saved(wb: Workbench, script: dict[str, str], reason: str) -> None:
    """The buyer is at the result address all the same; Complete says no, however often it is asked."""
    arrival = come_back(offer(wb), **script)

    assert arrival.kind == "result"
    for _ in range(2):
        with pytest.raises(ConflictError, match=reason) as caught:
            complete_set_up(wb.client, arrival.checkout_session_id)
        assert (caught.value.status_code, caught.value.reason_code) == (422, "CheckoutSessionCanceled")
    session = wb.client.get_checkout_session(arrival.checkout_session_id)
    assert (session.state, session.reason_code, session.charge_permission_id) == ("Canceled", reason, None)


def test_a_second_card_saves_what_the_first_could_not(wb: Workbench) -> None:
    """After a decline the buyer may choose another payment method."""
    session = complete_set_up(wb.client, come_back(offer(wb), card="9995", then="4444").checkout_session_id)

    permission = wb.client.get_charge_permission(str(session.charge_permission_id))
    assert permission.payment_descriptor == "Mastercard ****4444 (Amazon Pay)"


def test_a_session_can_be_completed_once(wb: Workbench) -> None:
    """The second Complete names the state; the session still names the wallet, which is as chargeable as before."""
    session = complete_set_up(wb.client, come_back(offer(wb)).checkout_session_id)

    with pytest.raises(ConflictError, match="is Completed") as caught:
        complete_set_up(wb.client, session.checkout_session_id)
    assert (caught.value.status_code, caught.value.reason_code) == (422, "InvalidCheckoutSessionStatus")
    assert wb.client.get_checkout_session(session.checkout_session_id) == session
    assert wb.client.get_charge_permission(str(session.charge_permission_id)).state == "Chargeable"


def test_a_repeated_complete_with_its_key_gets_the_first_answer(wb: Workbench) -> None:
    """So a lost answer is no lost wallet."""
    session_id = come_back(offer(wb)).checkout_session_id
    key = wb.client.new_key()
    first, again = (wb.client.complete_checkout_session(session_id, idempotency_key=key) for _ in range(2))

    assert first == again


@pytest.mark.parametrize("late", [False, True])
def test_a_set_up_can_wait_for_a_day_and_no_longer(wb: Workbench, late: bool) -> None:
    """In the last second it is completed, after it the session is canceled and names no wallet."""
    session_id = come_back(offer(wb)).checkout_session_id
    wb.wait(DAY - 1 + late)

    if late:
        with pytest.raises(ConflictError, match="Expired") as caught:
            complete_set_up(wb.client, session_id)
        assert (caught.value.status_code, caught.value.reason_code) == (422, "CheckoutSessionCanceled")
        session = wb.client.get_checkout_session(session_id)
        assert (session.state, session.reason_code, session.charge_permission_id) == ("Canceled", "Expired", None)
    else:
        assert complete_set_up(wb.client, session_id).state == "Completed"


@pytest.mark.parametrize("tampered", ["1", "not-a-session", "../charges"])
def test_a_tampered_return_sends_nothing(wb: Workbench, tampered: str) -> None:
    """What is no session id does not reach Amazon."""
    sent = len(wb.journal)

    with pytest.raises(ConfigurationError, match="is not a Checkout Session id"):
        complete_set_up(wb.client, tampered)
    assert len(wb.journal) == sent


def test_an_invented_session_is_not_found(wb: Workbench) -> None:
    """It looks like an id, so Amazon is asked."""
    with pytest.raises(NotFoundError) as caught:
        complete_set_up(wb.client, "00000000-0000-4000-8000-000000000000")
    assert (caught.value.status_code, caught.value.reason_code) == (404, "ResourceNotFound")


def test_a_session_names_the_visit_that_it_was_made_for(wb: Workbench) -> None:
    """A buyer with another buyer's session in the address is found out before it is completed."""
    mine, other = wb.shop.new_attempt(), wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=other.result_url, cancel_url=other.cancel_url)
    arrival = come_back(wb.show_button(other, sign_button(payload, wb.keys)))
    tampered = httpx.get(mine.result_url, params={"amazonCheckoutSessionId": arrival.checkout_session_id})

    assert tampered.is_success
    assert mine.arrival.result() == arrival, "the shop cannot tell from the address alone"
    details = wb.client.get_checkout_session(arrival.checkout_session_id).web_checkout_details
    assert details is not None
    assert details["checkoutResultReturnUrl"] == other.result_url != mine.result_url


def test_a_reloaded_result_page_is_no_second_arrival(wb: Workbench) -> None:
    """Not even with another session in its address."""
    attempt = wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)
    arrival = come_back(wb.show_button(attempt, sign_button(payload, wb.keys)))
    httpx.get(attempt.result_url, params={"amazonCheckoutSessionId": "another"})

    assert attempt.arrival.result() == arrival


# --- Charging later ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason", "step"),
    [
        ("NonChargeable", "PaymentMethodExpired", Step.UPDATE),
        ("NonChargeable", "ChargeInProgress", Step.WAIT),
        ("Closed", "BuyerClosed", Step.SET_UP_AGAIN),
    ],
)
def test_a_permission_that_cannot_be_charged_says_what_to_do(
    wb: Workbench, state: str, reason: str, step: Step
) -> None:
    """`charge` looks first, and sends no charge that must fail."""
    session = complete_set_up(wb.client, come_back(offer(wb)).checkout_session_id)
    assert wb.emulator is not None
    wb.emulator.control.post(f"permissions/{session.charge_permission_id}", state=state, reasonCode=reason)

    with pytest.raises(NotChargeable, match=reason) as refusal:
        charge(wb.client, str(session.charge_permission_id), wb.amount)
    assert refusal.value.step is step
    assert wb.journal.exchanges[-1].operation == "getChargePermission"


def test_nobody_comes_back(wb: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends with one message, and the page stays open: a buyer who comes later is welcome."""
    monkeypatch.setattr(wb, "buyer", "you")
    page = offer(wb)

    with pytest.raises(BuyerPageError, match=r"within 0\.05 seconds"):
        asyncio.run(page.returned(0.05))
    arrive(approve(page.url))
    assert asyncio.run(page.returned()).kind == "result"


def test_an_address_of_another_run_is_no_arrival(wb: Workbench) -> None:
    """Without the attempt's token an address belongs to nobody."""
    page = offer(wb)
    answer = httpx.get(f"{wb.shop.url}/result/0123?amazonCheckoutSessionId=x")

    assert answer.status_code == 404
    assert "<h1" in answer.text
    assert not page.attempt.arrival.done()
