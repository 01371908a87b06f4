"""Refunds over HTTP, in every region: how much, how often, how they end, and whether the books agree."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.guide import charge, complete_set_up
from amazonpay_nb.client.reconciliation import by_hand, reconcile
from amazonpay_nb.errors import ApiError, ConflictError, DeclinedError, InvalidRequestError, NotFoundError
from amazonpay_nb.spec.answers import Charge, Refund
from amazonpay_nb.spec.money import (
    CURRENCY_DECIMALS,
    MAX_REFUNDS_ON_A_CHARGE,
    REFUND_CEILINGS,
    REFUND_EXTRAS,
    REFUND_SHARE,
    format_amount,
    refund_allowance,
)
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.simulations import PENDING_SECONDS, SIMULATIONS
from amazonpay_nb.workbench import Workbench
from tests.emulated import Shop, refusal, usd

MARKETS = [(row.code, currency) for row in REGIONS.values() for currency in row.ledger_currencies]
LATER = [row.code for row in SIMULATIONS.values() if row.operation == "createRefund" and row.later_state]
in_every_market = pytest.mark.parametrize(("region", "currency"), MARKETS)


@pytest.fixture(scope="module", params=MARKETS, ids="-".join)
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench with keys, for each region and ledger currency."""
    region, currency = request.param
    bench = workbench.open(region=region, currency=currency, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def wallet(wb: Workbench) -> str:
    """A Saved Wallet of that market."""
    arrival = asyncio.run(wb.play_set_up())
    return str(complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id)


def captured(wb: Workbench, wallet: str, amount: str) -> Charge:
    return charge(wb.client, wallet, wb.price(amount), charge_initiator="MITU", capture_now=True)


def give_back(wb: Workbench, payment: Charge, amount: object, **options: str) -> Refund:
    return wb.client.create_refund(charge_id=payment.charge_id, refund_amount=wb.price(str(amount)), **options)


def ended(wb: Workbench, refund: Refund) -> Refund:
    wb.wait(PENDING_SECONDS)
    return wb.client.get_refund(refund.refund_id)


def refunded_amount(wb: Workbench, payment: Charge) -> Decimal:
    price = wb.client.get_charge(payment.charge_id).refunded_amount
    assert price is not None
    assert price.currency_code == wb.currency
    return Decimal(price.amount)


def step(currency: str) -> Decimal:
    """The smallest amount there is."""
    return Decimal(1).scaleb(-CURRENCY_DECIMALS[currency])


def reason(caught: pytest.ExceptionInfo[ApiError]) -> tuple[int, str]:
    return caught.value.status_code, caught.value.reason_code


# --- How a refund goes ------------------------------------------------------------------------------------------------


def test_a_full_refund_is_promised_first_and_done_later(wb: Workbench, wallet: str) -> None:
    """The charge stays Captured, and shows the money only when it is back."""
    payment = captured(wb, wallet, "14")
    started = give_back(wb, payment, 14)

    assert started.state == "RefundInitiated"
    assert refunded_amount(wb, payment) == 0
    assert ended(wb, started).state == "Refunded"
    after = wb.client.get_charge(payment.charge_id)
    assert (after.state, after.refunded_amount) == ("Captured", payment.capture_amount)


def test_several_refunds_add_up(wb: Workbench, wallet: str) -> None:
    """Each is an object of its own; the charge knows their sum."""
    payment = captured(wb, wallet, "40")
    parts = [give_back(wb, payment, part) for part in ("15", "10", "1")]
    wb.wait(PENDING_SECONDS)

    assert [wb.client.get_refund(part.refund_id).state for part in parts] == ["Refunded"] * 3
    assert len({part.refund_id for part in parts}) == 3
    assert refunded_amount(wb, payment) == 26


@pytest.mark.parametrize("code", LATER)
def test_a_declined_refund_leaves_its_amount_to_another(wb: Workbench, wallet: str, code: str) -> None:
    """The call is accepted; the reason stands on the refund; a new attempt has a new key and works."""
    payment = captured(wb, wallet, "40")
    started = give_back(wb, payment, 40, simulation_code=code)
    declined = ended(wb, started)

    assert (started.state, declined.state, declined.reason_code) == ("RefundInitiated", "Declined", code)
    assert refunded_amount(wb, payment) == 0
    assert ended(wb, give_back(wb, payment, 40)).state == "Refunded"


def test_a_refund_outlives_the_wallet(wb: Workbench) -> None:
    """It needs the charge alone."""
    arrival = asyncio.run(wb.play_set_up())
    wallet = str(complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id)
    payment = captured(wb, wallet, "14")
    wb.client.close_charge_permission(wallet, closure_reason="The buyer moved away", cancel_pending_charges=True)

    assert ended(wb, give_back(wb, payment, 14)).state == "Refunded"


def test_a_refund_that_is_rejected_at_once_does_not_exist(wb: Workbench, wallet: str) -> None:
    """The refusal is a decline, and nothing is used up."""
    payment = captured(wb, wallet, "14")
    with pytest.raises(DeclinedError) as caught:
        give_back(wb, payment, 14, simulation_code="AmazonRejectedAtOnce")

    assert reason(caught) == (422, "AmazonRejected")
    assert ended(wb, give_back(wb, payment, 14)).state == "Refunded"


# --- How much ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [False, True], ids=["share", "fixed"])
def test_more_than_was_captured_up_to_the_allowance(wb: Workbench, wallet: str, wide: bool) -> None:
    """A share of the capture or a fixed amount, whichever is less, to the smallest unit."""
    sum_ = 2 * REFUND_EXTRAS[wb.currency] / REFUND_SHARE if wide else Decimal(100)
    payment = captured(wb, wallet, format_amount(sum_, wb.currency))
    allowance = REFUND_EXTRAS[wb.currency] if wide else Decimal(15)
    with pytest.raises(InvalidRequestError) as caught:
        give_back(wb, payment, sum_ + allowance + step(wb.currency))
    refund = give_back(wb, payment, sum_ + allowance)

    assert refund_allowance(sum_, wb.currency) == allowance
    assert reason(caught) == (400, "TransactionAmountExceeded")
    assert ended(wb, refund).state == "Refunded"
    assert refunded_amount(wb, payment) == sum_ + allowance


def test_all_refunds_of_a_charge_share_one_allowance(wb: Workbench, wallet: str) -> None:
    """What is still under way counts as well, and the refusal names what is left."""
    payment = captured(wb, wallet, "40")
    give_back(wb, payment, 25)
    with pytest.raises(InvalidRequestError, match=rf"\b21(\.00)? {wb.currency} can still be refunded") as caught:
        give_back(wb, payment, 21 + step(wb.currency))
    give_back(wb, payment, 21)
    wb.wait(PENDING_SECONDS)
    with pytest.raises(InvalidRequestError):
        give_back(wb, payment, step(wb.currency))

    assert reason(caught) == (400, "TransactionAmountExceeded")
    assert refunded_amount(wb, payment) == 46


@in_every_market
def test_the_ceiling_is_one_refunds(request: pytest.FixtureRequest, region: str, currency: str) -> None:
    """One refund is held to it; several together reach beyond it, as far as the allowance goes."""
    shop: Shop = request.getfixturevalue(region)
    ceiling, extra = REFUND_CEILINGS[currency], REFUND_EXTRAS[currency]
    money = format_amount(ceiling, currency)
    order = shop.order(money, currency, paymentIntent="AuthorizeWithCapture", presentmentCurrency=currency)
    over = shop.call(
        "createRefund", chargeId=order["chargeId"], refundAmount=usd(str(ceiling + step(currency)), currency)
    )

    assert refusal(over) == (400, "TransactionAmountExceeded")
    assert f"over {ceiling} {currency}" in over.json()["message"]
    shop.done("createRefund", chargeId=order["chargeId"], refundAmount=usd(money, currency))
    shop.done("createRefund", chargeId=order["chargeId"], refundAmount=usd(format_amount(extra, currency), currency))
    shop.emulator.clock.advance(f"PT{PENDING_SECONDS}S")
    refunded = shop.done("getCharge", order["chargeId"])["refundedAmount"]
    assert refunded == usd(format_amount(ceiling + extra, currency), currency)


def test_an_amount_fits_its_currency(wb: Workbench, wallet: str) -> None:
    """A tenth of the smallest unit is refused; so are nothing and less."""
    payment = captured(wb, wallet, "14")
    for amount in (step(wb.currency) / 10, Decimal(0), Decimal(-1)):
        with pytest.raises(InvalidRequestError) as caught:
            wb.client.create_refund(
                charge_id=payment.charge_id, refund_amount={"amount": f"{amount:f}", "currencyCode": wb.currency}
            )
        assert reason(caught) == (400, "InvalidParameterValue")


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("canceled", [False, True], ids=["Authorized", "Canceled"])
def test_what_was_never_captured_cannot_be_refunded(wb: Workbench, wallet: str, canceled: bool) -> None:
    """It is canceled instead; a canceled charge holds nothing to give back."""
    held = charge(wb.client, wallet, wb.price("40"), capture_now=False)
    if canceled:
        held = wb.client.cancel_charge(held.charge_id, cancellation_reason="Called off")
    with pytest.raises(ConflictError, match=f"is {held.state}") as caught:
        give_back(wb, held, 40)

    assert reason(caught) == (422, "InvalidChargeStatus")
    assert ("Cancel Charge" in str(caught.value)) is not canceled


def test_an_unknown_charge_cannot_be_refunded(wb: Workbench) -> None:
    """Nor is it said whether another merchant has it."""
    with pytest.raises(NotFoundError) as caught:
        wb.client.create_refund(charge_id="S00-0000000-0000000-C000000", refund_amount=wb.price("1"))
    assert reason(caught) == (404, "ResourceNotFound")


def test_a_refund_is_in_the_currency_of_its_charge(wb: Workbench, wallet: str) -> None:
    """Also where the region knows the other currency."""
    payment = captured(wb, wallet, "14")
    for other in {currency for _, currency in MARKETS} - {wb.currency}:
        with pytest.raises(InvalidRequestError, match=f"in {wb.currency}, not in {other}") as caught:
            wb.client.create_refund(charge_id=payment.charge_id, refund_amount={"amount": "1", "currencyCode": other})
        assert reason(caught) == (400, "CurrencyMismatch")


def test_the_eleventh_refund_is_refused(wb: Workbench, wallet: str) -> None:
    """However small; a refund that was declined is counted as well."""
    payment = captured(wb, wallet, "40")
    ended(wb, give_back(wb, payment, 1, simulation_code="AmazonRejected"))
    for _ in range(MAX_REFUNDS_ON_A_CHARGE - 1):
        give_back(wb, payment, 1)
    with pytest.raises(ConflictError) as caught:
        give_back(wb, payment, 1)

    assert reason(caught) == (422, "TransactionCountExceeded")
    wb.wait(PENDING_SECONDS)
    assert refunded_amount(wb, payment) == MAX_REFUNDS_ON_A_CHARGE - 1


def test_the_same_key_refunds_once(wb: Workbench, wallet: str) -> None:
    """The repetition answers with the first refund; another amount under that key is refused."""
    payment = captured(wb, wallet, "14")
    key = wb.client.new_key()
    first = give_back(wb, payment, 5, idempotency_key=key)
    again = give_back(wb, payment, 5, idempotency_key=key)
    with pytest.raises(InvalidRequestError) as caught:
        give_back(wb, payment, 6, idempotency_key=key)
    wb.wait(PENDING_SECONDS)

    assert again == first
    assert reason(caught) == (400, "DuplicateIdempotencyKey")
    assert refunded_amount(wb, payment) == 5


# --- The books --------------------------------------------------------------------------------------------------------


def test_ledger_and_charges_say_the_same(wb: Workbench, wallet: str) -> None:
    """After a full, a partial, a declined and a repeated refund, and for a charge that took nothing."""
    wb.journal.clear()
    whole, part, turned_down = (captured(wb, wallet, "40") for _ in range(3))
    held = charge(wb.client, wallet, wb.price("40"), capture_now=False)
    wb.client.cancel_charge(held.charge_id, cancellation_reason="Called off")
    give_back(wb, whole, 40)
    key = wb.client.new_key()
    give_back(wb, part, 7, idempotency_key=key)
    give_back(wb, turned_down, 40, simulation_code="AmazonRejected")
    wb.wait(PENDING_SECONDS)
    give_back(wb, part, 7, idempotency_key=key)
    books = reconcile(wb.client).set_index("charge")

    zero, seven, forty = (wb.price("1")["amount"].replace("1", digit) for digit in ("0", "7", "40"))
    assert list(books.index) == [each.charge_id for each in (whole, part, turned_down, held)]
    assert list(books["captured"]) == list(books["captured at Amazon"]) == [forty, forty, forty, zero]
    assert list(books["refunded"]) == list(books["refunded at Amazon"]) == [forty, seven, zero, zero]
    assert list(books["under way"]) == [zero] * 4
    assert set(books["currency"]) == {wb.currency}
    assert books["agrees"].all()


def test_a_refund_under_way_is_no_difference(wb: Workbench, wallet: str) -> None:
    """The ledger counts what is promised, Amazon what is done."""
    wb.journal.clear()
    give_back(wb, captured(wb, wallet, "40"), 7)
    before = reconcile(wb.client).iloc[0]
    wb.wait(PENDING_SECONDS)
    after = reconcile(wb.client).iloc[0]

    assert [Decimal(before[name]) for name in ("refunded", "under way", "refunded at Amazon")] == [7, 7, 0]
    assert [Decimal(after[name]) for name in ("refunded", "under way", "refunded at Amazon")] == [7, 0, 7]
    assert before["agrees"]
    assert after["agrees"]


def test_a_refund_by_hand_is_found(wb: Workbench, wallet: str) -> None:
    """What somebody else has refunded is not in the journal, and the comparison says so."""
    wb.journal.clear()
    payment = captured(wb, wallet, "40")
    with by_hand(wb.client):
        refund = give_back(wb, payment, 7)
    wb.wait(PENDING_SECONDS)
    (row,) = reconcile(wb.client).to_dict("records")

    assert not row["agrees"]
    assert [Decimal(row[name]) for name in ("refunded", "refunded at Amazon")] == [0, 7]

    wb.client.get_refund(refund.refund_id)
    assert reconcile(wb.client)["agrees"].all()


def test_there_is_nothing_to_compare_in_an_empty_journal(wb: Workbench) -> None:
    """And nothing is asked."""
    wb.journal.clear()
    assert len(reconcile(wb.client)) == len(wb.journal) == 0
