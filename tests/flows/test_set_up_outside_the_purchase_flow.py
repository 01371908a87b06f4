"""Flow 1 from the key to the refund, over HTTP, as a merchant's server lives through it."""

import asyncio
from collections.abc import Iterator

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.button import set_up_payload, sign_button
from amazonpay_nb.errors import BuyerPageError, ConfigurationError, ConflictError
from amazonpay_nb.flows import NotChargeable, Step, charge, complete_set_up
from amazonpay_nb.storefront import Arrival
from amazonpay_nb.workbench import HostedPage, Workbench

CURRENCY = {"na": "USD", "eu": "EUR", "jp": "JPY"}


@pytest.fixture(params=list(CURRENCY))
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


def offer(wb: Workbench) -> HostedPage:
    visit = wb.shop.new_visit()
    payload = set_up_payload(wb.store_id, result_url=visit.result_url, cancel_url=visit.cancel_url)
    return wb.show_button(visit, sign_button(payload, wb.keys))


def come_back(page: HostedPage, **script: str) -> Arrival:
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


def test_a_buyer_who_cancels_comes_to_the_cancel_address(na: Workbench) -> None:
    """Nothing is saved, and the address says so."""
    page = offer(na)
    arrival = come_back(page, ending="cancel")

    assert arrival == Arrival("cancel", "")
    with pytest.raises(ConfigurationError, match=r"(?s)without a Checkout Session id.*nothing was saved"):
        complete_set_up(na.client, arrival.checkout_session_id)
    steps = len(na.journal)
    assert come_back(page) == arrival, "running the cell again does not play the buyer again"
    assert len(na.journal) == steps


def test_a_declined_buyer_comes_to_the_result_address(na: Workbench) -> None:
    """Coming back is no success: Complete says that the session is canceled."""
    arrival = come_back(offer(na), ending="decline")

    with pytest.raises(ConflictError, match="Declined"):
        complete_set_up(na.client, arrival.checkout_session_id)
    assert na.client.get_checkout_session(arrival.checkout_session_id).reason_code == "Declined"


def test_a_second_card_saves_what_the_first_could_not(na: Workbench) -> None:
    """After a decline the buyer may choose another payment method."""
    session = complete_set_up(na.client, come_back(offer(na), card="9995", then="4444").checkout_session_id)

    permission = na.client.get_charge_permission(str(session.charge_permission_id))
    assert permission.payment_descriptor == "Mastercard ****4444 (Amazon Pay)"


def test_a_session_can_be_completed_once(na: Workbench) -> None:
    """The second Complete names the state."""
    session = complete_set_up(na.client, come_back(offer(na)).checkout_session_id)

    with pytest.raises(ConflictError, match="is Completed"):
        na.client.complete_checkout_session(session.checkout_session_id)


def test_a_set_up_that_waits_a_day_is_gone(na: Workbench) -> None:
    """Not completed within 24 hours means canceled."""
    arrival = come_back(offer(na))
    na.wait(24 * 60 * 60)

    with pytest.raises(ConflictError, match="Expired"):
        complete_set_up(na.client, arrival.checkout_session_id)


@pytest.mark.parametrize("tampered", ["1", "not-a-session", "../charges"])
def test_a_tampered_return_sends_nothing(na: Workbench, tampered: str) -> None:
    """What is no session id does not reach Amazon."""
    sent = len(na.journal)

    with pytest.raises(ConfigurationError, match="is not a Checkout Session id"):
        complete_set_up(na.client, tampered)
    assert len(na.journal) == sent


@pytest.mark.parametrize(
    ("state", "reason", "step"),
    [
        ("NonChargeable", "PaymentMethodExpired", Step.UPDATE),
        ("NonChargeable", "ChargeInProgress", Step.WAIT),
        ("Closed", "BuyerClosed", Step.SET_UP_AGAIN),
    ],
)
def test_a_permission_that_cannot_be_charged_says_what_to_do(
    na: Workbench, state: str, reason: str, step: Step
) -> None:
    """`charge` looks first, and sends no charge that must fail."""
    session = complete_set_up(na.client, come_back(offer(na)).checkout_session_id)
    assert na.emulator is not None
    na.emulator.control.post(f"permissions/{session.charge_permission_id}", state=state, reasonCode=reason)

    with pytest.raises(NotChargeable, match=reason) as refusal:
        charge(na.client, str(session.charge_permission_id), na.amount)
    assert refusal.value.step is step
    assert na.journal.exchanges[-1].operation == "getChargePermission"


def test_nobody_comes_back(na: Workbench) -> None:
    """The wait ends with one message, and the page stays open."""
    visit = na.shop.new_visit()

    with pytest.raises(BuyerPageError, match=r"within 0\.05 seconds"):
        asyncio.run(visit.returned(0.05))


def test_an_address_of_another_run_is_no_arrival(na: Workbench) -> None:
    """Without the visit's token an address belongs to nobody."""
    import httpx

    page = offer(na)
    answer = httpx.get(f"{na.shop.url}/result/0123?amazonCheckoutSessionId=x")

    assert answer.status_code == 404
    assert "not known" in answer.text
    assert not page._visit.arrival.done()
