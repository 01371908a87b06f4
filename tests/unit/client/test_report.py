"""Why a request was accepted or refused, read off its answer and the tables."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.journal import Exchange, Journal
from amazonpay_nb.client.report import Report, reports
from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.signing.keys import generate
from amazonpay_nb.spec.operations import OPERATIONS, Operation
from amazonpay_nb.workbench import Workbench

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def report_of(wb: Workbench, number: int = -1) -> Report:
    """What is said of one exchange of the whole run."""
    return list(reports(wb.journal.exchanges, {}))[number][1]


def test_a_refusal_by_state_and_a_refused_signature_are_told_apart(wb: Workbench) -> None:
    """The one has no row; the other did not come as far."""
    wallet = next(e.response for e in wb.journal.exchanges if e.operation == "getChargePermission")
    assert wallet
    wallet_id = wallet["chargePermissionId"]
    wb.client.close_charge_permission(wallet_id, closure_reason="over")
    with pytest.raises(AmazonPayError):
        wb.client.create_charge(charge_permission_id=wallet_id, charge_amount=wb.amount)
    refusal = "✗ Charge Permission is Closed, and no row leads from there by “Create Charge”."
    assert report_of(wb).state_rule == refusal
    assert report_of(wb).signature.startswith("✓")

    stranger = replace(generate(), public_key_id=wb.keys.public_key_id)
    assert wb.emulator
    with (
        AmazonPayClient(
            AmazonPayAuth(stranger), environment="emulator", base_url=wb.emulator.url, journal=wb.journal
        ) as client,
        pytest.raises(AmazonPayError),
    ):
        client.get_charge_permission(wallet_id)
    assert report_of(wb).signature.startswith(f"✗ It was not accepted for {stranger.public_key_id}")
    assert report_of(wb).state_rule.startswith("Not reached: InvalidRequestSignature.")


def test_a_key_that_is_sent_again_is_a_replay(wb: Workbench) -> None:
    """The same key and body bring the old answer, and the panel says so."""
    (wallet_id,) = {e.response["chargePermissionId"] for e in wb.journal.exchanges if e.response}
    fields = {"charge_permission_id": wallet_id, "charge_amount": wb.amount, "idempotency_key": "twice"}
    first, second = wb.client.create_charge(**fields), wb.client.create_charge(**fields)
    assert first == second
    assert report_of(wb, -2).idempotency_key == "✓ twice is new, so Amazon does the work."
    assert report_of(wb).idempotency_key.startswith("↻ twice was sent before: Amazon replays its first answer")


def test_a_key_that_is_sent_with_another_body_is_no_replay(wb: Workbench) -> None:
    """Amazon refuses it, and the panel does not call that the first answer."""
    (wallet_id,) = {e.response["chargePermissionId"] for e in wb.journal.exchanges if e.response}
    fields = {"charge_permission_id": wallet_id, "idempotency_key": "changed"}
    wb.client.create_charge(charge_amount=wb.amount, **fields)
    with pytest.raises(AmazonPayError, match="DuplicateIdempotencyKey"):
        wb.client.create_charge(charge_amount=wb.price("1"), **fields)
    assert report_of(wb).idempotency_key.startswith("✗ changed was sent before with another request: Amazon refuses")


def test_what_had_no_answer_is_not_called_accepted(wb: Workbench) -> None:
    """Nobody knows; the next attempt has the same key and is no replay for sure."""
    assert wb.emulator
    wb.emulator.faults("createCharge", "drop-after-commit")
    (wallet_id,) = {e.response["chargePermissionId"] for e in wb.journal.exchanges if e.response}
    wb.client.create_charge(charge_permission_id=wallet_id, charge_amount=wb.amount)
    assert report_of(wb, -2).signature == "No answer came, so it is not known whether it was accepted."
    assert "was sent before without an answer" in report_of(wb).idempotency_key


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_every_operation_can_be_explained(row: Operation) -> None:
    """Accepted or refused, and also where nothing is known of the object."""
    journal, path = Journal(), row.path.format(id="x")
    answer = {"statusDetails": {"state": "Open"}}
    for status, body in ((row.success, answer), (400, {"reasonCode": "InvalidParameterValue"}), (None, None)):
        kept = journal.record(
            Exchange(NOON, row.name, row.method, path, status, request={}, response=body, error="ReadError")
        )
        ((exchange, report),) = reports([kept], {})
        assert exchange is kept
        assert all(report)
