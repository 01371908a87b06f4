"""Disputes over HTTP, in every region: the shop hears of one, answers it or not, and its books say what that costs."""

import asyncio
from collections.abc import Iterator

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.guide import charge, complete_set_up
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.reconciliation import reconcile
from amazonpay_nb.errors import ConflictError, InvalidRequestError
from amazonpay_nb.shop.inbox import Notice
from amazonpay_nb.spec.answers import Charge
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.director import Director

EVIDENCE = [{"evidenceType": "TrackingNumber", "evidenceText": "1Z999AA10123456784"}]
ACCEPTED = {"state": "Resolved", "reasonCode": "MerchantAcceptedDispute"}


@pytest.fixture(scope="module", params=REGIONS)
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench whose shop listens."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    bench.director.listen(bench.shop, bench.client)
    yield bench
    bench.close()


@pytest.fixture
def parcel(wb: Workbench) -> Charge:
    """A captured charge of a new wallet; everything about it has been heard."""
    session = complete_set_up(wb.client, asyncio.run(wb.play_set_up()).checkout_session_id)
    payment = charge(wb.client, str(session.charge_permission_id), wb.amount, charge_initiator="MITU", capture_now=True)
    heard(wb, 2)
    return payment


def heard(wb: Workbench, count: int = 1) -> list[Notice]:
    assert wb.shop.inbox
    return asyncio.run(wb.shop.inbox.notified(count))


def at_stake(wb: Workbench, payment: Charge) -> str:
    (row,) = [row for row in reconcile(wb.client).itertuples() if row.charge == payment.charge_id]
    assert row.agrees
    return str(row.disputed)


def test_a_shop_that_answers_keeps_its_money(wb: Workbench, parcel: Charge) -> None:
    """It hears of the dispute, contests it, hears that it is looked at and that it has won."""
    filed = wb.director.dispute(parcel.charge_id)
    assert [(one.object_type, one.object_id, one.state_now) for one in heard(wb)] == [
        ("CHARGEBACK", filed, "ActionRequired")
    ]
    assert at_stake(wb, parcel) == str(parcel.charge_amount.amount)
    assert wb.client.contest_dispute(filed, merchant_evidences=EVIDENCE).state == "UnderReview"
    assert wb.director.cause(filed, "Resolved", "InvestigatorResolved", "MerchantWon") == (
        f"Dispute {filed} is now Resolved (InvestigatorResolved, MerchantWon)."
    )
    assert [one.state_now for one in heard(wb, 2)] == ["Resolved", "Resolved"]  # read after both had happened
    assert float(at_stake(wb, parcel)) == 0


def test_a_shop_that_says_nothing_loses(wb: Workbench, parcel: Charge) -> None:
    """After eleven days nothing can be contested, and what is gone cannot be refunded again."""
    filed = wb.director.dispute(parcel.charge_id, "Unrecognized")
    heard(wb)
    assert f"Dispute {filed}: Miss the deadline" in wb.director.advance(days=11)
    assert [one.state_now for one in heard(wb)] == ["Resolved"]
    dispute = wb.client.get_dispute(filed)
    assert (dispute.reason_code, dispute.resolution) == ("MerchantResponseDeadlineExpired", "BuyerWon")
    with pytest.raises(ConflictError, match="InvalidDisputeStatus"):
        wb.client.contest_dispute(filed, merchant_evidences=EVIDENCE)
    with pytest.raises(InvalidRequestError, match="TransactionAmountExceeded"):
        wb.client.create_refund(charge_id=parcel.charge_id, refund_amount=wb.amount)
    assert at_stake(wb, parcel) == str(parcel.charge_amount.amount)


def test_a_shop_that_accepts_loses_at_once(wb: Workbench, parcel: Charge) -> None:
    """With its own words as the description."""
    filed = wb.director.dispute(parcel.charge_id, "ProductUnacceptable")
    dispute = wb.client.update_dispute(filed, status_details=ACCEPTED | {"reasonDescription": "It was broken."})
    assert (dispute.state, dispute.resolution) == ("Resolved", "BuyerWon")
    assert dispute.status_details.reason_description == "It was broken."
    heard(wb, 2)


def test_there_is_no_bank_elsewhere() -> None:
    """The director says so, and does nothing."""
    director = Director(None, Journal())
    assert director.dispute("S01").startswith("Skipped: only the emulator files chargebacks.")
    assert "make a Dispute Resolved" in director.cause("S01-1-1-B1", "Resolved", "AutoResolved", "MerchantWon")
