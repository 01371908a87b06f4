"""Disputes: every state × trigger of Amazon's table, what a chargeback does to refunds, and the files of evidence."""

from datetime import UTC, datetime
from typing import Any

import pytest

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.client.reconciliation import reconcile
from amazonpay_nb.emulator.remote import ControlError
from amazonpay_nb.signing.keys import load
from tests.emulated import EVIDENCE, Shop, charge_in, dispute_in, refusal, usd
from tests.golden import TRANSITIONS, Row

ROWS = [row for row in TRANSITIONS if row.machine == "Dispute"]
STATES = ("ActionRequired", "UnderReview", "Resolved", "Closed")
ACCEPTED = {"state": "Resolved", "reasonCode": "MerchantAcceptedDispute"}
# Why a buyer disputes, as Amazon's SDKs list it.
FILING_REASONS = (
    "ProductNotReceived", "ProductUnacceptable", "ProductNoLongerNeeded", "CreditNotProcessed", "Overcharged",
    "DuplicateCharge", "SubscriptionCancelled", "Unrecognized", "Fraudulent", "Other",
)  # fmt: skip


def take(shop: Shop, dispute: str, row: Row) -> None:
    """Take a row that leads out of a dispute's state."""
    match row.trigger:
        case "Contest Dispute":
            shop.done("contestDispute", dispute, merchantEvidences=[EVIDENCE])
        case "Update Dispute":
            shop.done("updateDispute", dispute, statusDetails=ACCEPTED)
        case "Miss the deadline":
            shop.emulator.clock.advance("P11D")
        case _:
            shop.emulator.control.post(
                f"disputes/{dispute}", state=row.target, reasonCode=row.reason, resolution=row.resolution
            )


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_dispute_moves_by_its_table(na: Shop, row: Row) -> None:
    """To the documented state, for the reason, with the resolution; a closed one keeps its resolution."""
    dispute = dispute_in(na, "ActionRequired" if row.source == "New" else row.source)
    if row.source != "New":
        take(na, dispute, row)
    details = na.done("getDispute", dispute)["statusDetails"]
    kept = row.resolution or ("MerchantWon" if row.source == "Resolved" else None)
    assert (details["state"], details["reasonCode"], details["resolution"]) == (row.target, row.reason, kept)


@pytest.mark.parametrize("state", STATES)
def test_no_other_row_is_there(na: Shop, state: str) -> None:
    """Neither for the merchant nor for Amazon; the refusal names what would be possible."""
    dispute = dispute_in(na, state)
    leaving = [row for row in ROWS if row.source == state]
    ends = {(row.target, row.reason, row.resolution) for row in ROWS}
    for target, reason, resolution in ends - {(row.target, row.reason, row.resolution) for row in leaving}:
        with pytest.raises(ControlError, match=f"{dispute} is {state}; possible"):
            na.emulator.control.post(f"disputes/{dispute}", state=target, reasonCode=reason, resolution=resolution)
    if state != "ActionRequired":
        for call, fields in (("contestDispute", {"merchantEvidences": [EVIDENCE]}), ("updateDispute", {})):
            fields = fields or {"statusDetails": ACCEPTED}
            assert refusal(na.call(call, dispute, **fields)) == (422, "InvalidDisputeStatus")
    assert na.state("getDispute", dispute) == state


class TestFiling:
    """What only a buyer's bank can do."""

    @pytest.mark.parametrize("reason", FILING_REASONS)
    def test_a_buyer_has_a_reason(self, na: Shop, reason: str) -> None:
        """Each that Amazon lists is shown; without an amount the whole capture is disputed."""
        charge = charge_in(na, "Captured")
        filed = na.emulator.control.post("disputes", chargeId=charge, filingReason=reason)
        dispute = na.done("getDispute", filed["disputeId"])
        assert (dispute["filingReason"], dispute["disputeAmount"]) == (reason, usd("14.00"))
        assert (dispute["chargeId"], dispute["disputeType"]) == (charge, "Chargeback")

    def test_the_answer_is_due_within_eleven_days(self, na: Shop) -> None:
        """And again within eleven days when more evidence is asked for."""
        dispute = dispute_in(na, "ActionRequired")
        first = due(na, dispute)
        assert (first - na.emulator.clock.now()).total_seconds() == 11 * 24 * 3600
        na.emulator.clock.advance("P10D")
        na.done("contestDispute", dispute, merchantEvidences=[EVIDENCE])
        na.emulator.clock.advance("P30D")
        assert na.state("getDispute", dispute) == "UnderReview"
        reason = "MerchantAdditionalEvidencesRequired"
        na.emulator.control.post(f"disputes/{dispute}", state="ActionRequired", reasonCode=reason)
        assert (due(na, dispute) - na.emulator.clock.now()).days == 11
        na.done("contestDispute", dispute, merchantEvidences=[EVIDENCE | {"evidenceType": "Receipt"}])
        assert len(na.done("getDispute", dispute)["merchantEvidences"]) == 2

    @pytest.mark.parametrize("state", ["Authorized", "Canceled", "Declined"])
    def test_only_money_that_was_taken_is_disputed(self, na: Shop, state: str) -> None:
        """A charge in any other state is refused, with its state."""
        with pytest.raises(ControlError, match=f"is {state}"):
            na.emulator.control.post("disputes", chargeId=charge_in(na, state))

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"amount": "14.01"}, "more than was captured"), ({"amount": "0"}, "greater than zero"),
            ({"filingReason": "Remorse"}, "filingReason: Input should be"),
        ],
    )  # fmt: skip
    def test_what_no_bank_would_do_is_refused(self, na: Shop, fields: dict[str, str], problem: str) -> None:
        """Nothing is filed."""
        with pytest.raises(ControlError, match=problem):
            na.emulator.control.post("disputes", chargeId=charge_in(na, "Captured"), **fields)

    def test_no_bank_takes_back_what_another_has(self, na: Shop) -> None:
        """Of 14.00, 10.00 are taken; the rest can be disputed, and all of it once the buyer has not won."""
        charge, control = charge_in(na, "Captured"), na.emulator.control
        first = control.post("disputes", chargeId=charge, amount="10.00")["disputeId"]
        with pytest.raises(ControlError, match=r"more than was captured, or than is left of it"):
            control.post("disputes", chargeId=charge, amount="4.01")
        control.post("disputes", chargeId=charge, amount="4.00")
        control.post(f"disputes/{first}", state="Resolved", reasonCode="AutoResolved", resolution="MerchantWon")
        control.post("disputes", chargeId=charge, amount="10.00")


def due(shop: Shop, dispute: str) -> datetime:
    return at(shop.done("getDispute", dispute)["merchantResponseDeadline"])


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


class TestRefunds:
    """What a chargeback has taken back is not there to be refunded."""

    @pytest.mark.parametrize(
        ("resolution", "left"), [("", "2.10"), ("BuyerWon", "2.10"), ("MerchantWon", "16.10"), ("NoFault", "16.10")]
    )
    def test_a_chargeback_counts_until_the_buyer_has_not_won(self, na: Shop, resolution: str, left: str) -> None:
        """14.00 were captured, and 15 % may come on top; what is disputed is taken off, unless it stays yours."""
        charge = charge_in(na, "Captured")
        dispute = dispute_in(na, "UnderReview", charge)
        if resolution:
            na.emulator.control.post(
                f"disputes/{dispute}", state="Resolved", reasonCode="InvestigatorResolved", resolution=resolution
            )
        beyond = f"{float(left) + 0.01:.2f}"
        response = na.call("createRefund", chargeId=charge, refundAmount=usd(beyond))
        assert refusal(response) == (400, "TransactionAmountExceeded")
        na.done("createRefund", chargeId=charge, refundAmount=usd(left))

    def test_a_part_leaves_the_rest(self, na: Shop) -> None:
        """Of a disputed part, only the part is taken off."""
        charge = charge_in(na, "Captured")
        na.emulator.control.post("disputes", chargeId=charge, amount="4")
        assert refusal(na.call("createRefund", chargeId=charge, refundAmount=usd("12.11")))[0] == 400
        na.done("createRefund", chargeId=charge, refundAmount=usd("12.10"))

    def test_what_was_refunded_and_taken_back_leaves_nothing(self, na: Shop) -> None:
        """A bank may take back what the buyer already has: then nothing is left, and not less."""
        charge = charge_in(na, "Captured")
        na.done("createRefund", chargeId=charge, refundAmount=usd("10.00"))
        na.emulator.control.post("disputes", chargeId=charge)
        response = na.call("createRefund", chargeId=charge, refundAmount=usd("0.01"))
        assert refusal(response) == (400, "TransactionAmountExceeded")
        assert ": 0.00 USD can still be refunded" in response.json()["message"]


class TestEvidence:
    """Texts and files."""

    @pytest.mark.parametrize(
        "evidence",
        [{"evidenceType": "Other"}, {"evidenceType": "Receipt", "fileId": "file_nobodys", "evidenceText": "Signed."}],
        ids=["empty", "unknown file"],
    )
    def test_evidence_is_something(self, na: Shop, evidence: dict[str, Any]) -> None:
        """A text, or a file of this account; the dispute waits for it."""
        dispute = dispute_in(na, "ActionRequired")
        response = na.call("contestDispute", dispute, merchantEvidences=[evidence])
        assert refusal(response) == (400, "InvalidParameterValue")
        assert na.state("getDispute", dispute) == "ActionRequired"

    def test_a_file_is_uploaded_and_referred_to(self, na: Shop) -> None:
        """An id and an address first, then the content at the address, then the id in the evidence."""
        file = na.done("uploadFile", type="pdf", purpose="disputeEvidence")
        sent = na.http.put(file["url"], content=b"%PDF-1.7 a receipt", headers={"content-type": "application/pdf"})
        assert sent.status_code == 200
        assert na.http.put("/v1/files/file_nobodys/contents", content=b"x").status_code == 404
        evidence = {"evidenceType": "Receipt", "fileId": file["id"]}
        dispute = na.done("contestDispute", dispute_in(na, "ActionRequired"), merchantEvidences=[evidence])
        assert dispute["merchantEvidences"] == [evidence]

    def test_an_address_expires(self, na: Shop) -> None:
        """A quarter of an hour after it was given."""
        file = na.done("uploadFile", type="jpg", purpose="disputeEvidence")
        given, until = (at(file[name]) for name in ("uploadTimestamp", "urlExpirationTimestamp"))
        assert (until - given).total_seconds() == 15 * 60


def client_of(shop: Shop) -> AmazonPayClient:
    account, emulator = shop.account, shop.emulator
    keys = load(account.private_key_file, account.public_key_id)
    return AmazonPayClient(
        keys, region=emulator.region, environment="emulator", base_url=emulator.url, verify=emulator.verify
    )


def test_a_disputed_charge_is_reconciled(na: Shop) -> None:
    """The table says what is disputed, until the merchant has won; captured and refunded still agree."""
    with client_of(na) as client:
        charge = client.get_charge(charge_in(na, "Captured"))
        dispute = client.get_dispute(dispute_in(na, "ActionRequired", charge.charge_id))
        assert [(row.disputed, row.agrees) for row in reconcile(client).itertuples()] == [("14.00", True)]
        na.emulator.control.post(
            f"disputes/{dispute.dispute_id}", state="Resolved", reasonCode="BuyerCancelled", resolution="MerchantWon"
        )
        assert [row.disputed for row in reconcile(client).itertuples()] == ["0.00"]
