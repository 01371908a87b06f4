"""What a panel says of its requests: which it sent, and why each was accepted or refused."""

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amazonpay_nb.client.journal import own_exchanges
from amazonpay_nb.errors import DeclinedError
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.panels.button import PagePanel
from amazonpay_nb.workbench.panels.cards import Desk
from amazonpay_nb.workbench.panels.keys import KeyPanel
from amazonpay_nb.workbench.panels.view import NOTHING_SENT, report_on

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def checks_of(wb: Workbench, number: int = -1) -> dict[str, str]:
    """What the report on the whole run says of one exchange."""
    part = list(report_on(wb.journal.exchanges, {}))[number]
    return dict(part.rows)


def test_a_charge_says_key_signature_and_the_rows_by_which_it_was_answered(wb: Workbench) -> None:
    """The wallet's row, the merchant's row of the charge, and Amazon's into the answered state; as text and HTML."""
    panel = Desk(wb)
    panel.act("create_charge")
    assert [part.caption.split(" → ")[1] for part in panel.report] == ["200 Chargeable", "201 Captured"]
    rows = checks_of(wb)
    assert rows["signature"].startswith(f"✓ It fits the public key of {wb.keys.public_key_id}")
    assert rows["idempotency key"] == f"✓ {wb.journal.exchanges[-1].idempotency_key} is new, so Amazon does the work."
    assert rows["state rule"].split("\n") == [
        "✓ Charge Permission Chargeable → Chargeable: “Create Charge” (merchant)",
        "✓ Charge New → AuthorizationInitiated: “Create Charge” (merchant)",
        "✓ Charge CaptureInitiated → Captured: “Capture” (Amazon)",
    ]
    for form in panel._repr_mimebundle_().values():
        assert "Sent: POST /v2/charges" in form or "Sent: POST /sandbox/v2/charges" in form
        assert "is new, so Amazon does the work" in " ".join(form.split())


def test_a_decline_is_a_request_that_was_accepted_and_a_payment_that_was_not(wb: Workbench) -> None:
    """Signature and state were right; the last row says what the bank said, and what it does to the wallet."""
    panel = Desk(wb)
    with pytest.raises(DeclinedError):
        panel.act("create_charge", simulation_code="HardDeclined")
    assert len(panel.report) == 2
    rows = checks_of(wb)
    assert rows["signature"].startswith("✓")
    assert "a new attempt needs another" in rows["idempotency key"]
    assert rows["state rule"].split("\n")[-2:] == [
        "✓ Charge AuthorizationInitiated → Declined: “Decline: HardDeclined” (Amazon, HardDeclined)",
        "and with it, Charge Permission: “Payment method refused by the bank”",
    ]


def test_an_update_repairs_the_wallet_that_was_there(wb: Workbench) -> None:
    """Completing the session of the Update page makes no new wallet, whatever was known of its state."""
    panel = Desk(wb)
    with pytest.raises(DeclinedError):
        panel.act("create_charge", simulation_code="HardDeclined")
    panel.act("get_charge_permission")
    asyncio.run(panel.act("repair"))
    rule = dict(panel.report[-1].rows)["state rule"].split("\n")  # type: ignore[union-attr]
    assert rule[-1] == "✓ Charge Permission NonChargeable → Chargeable: “Update the payment method” (buyer)"


def test_every_call_of_a_run_names_its_row(wb: Workbench) -> None:
    """Completion, capture, refund and closing; reading has no row."""
    desk = Desk(wb)
    assert checks_of(wb, 0)["state rule"].split("\n") == [
        "✓ Checkout Session Open → Completed: “Complete Checkout Session” (merchant)",
        "✓ Charge Permission New → Chargeable: “Complete Checkout Session” (merchant)",
    ]
    assert checks_of(wb, 1)["state rule"] == "Reading is possible in every state; this one is Chargeable."
    assert checks_of(wb, 1)["idempotency key"] == "None: it has no effect on Get Charge Permission."
    desk.act("create_charge", capture_now=False)
    desk.act("capture_charge")
    assert checks_of(wb)["state rule"].split("\n")[-1] == "✓ Charge CaptureInitiated → Captured: “Capture” (Amazon)"
    desk.act("create_refund", amount="1.00")
    assert checks_of(wb)["state rule"].split("\n") == [
        "✓ Charge Captured → Captured: “Create Refund” (merchant)",
        "✓ Refund New → RefundInitiated: “Create Refund” (merchant)",
    ]
    desk.act("close_charge_permission", cancel_pending_charges=True)
    lines = checks_of(wb)["state rule"].split("\n")
    assert lines[0].startswith("✓ Charge Permission Chargeable → Closed: “Close Charge Permission”")
    assert lines[1] == "and with it, Charge: “Close Charge Permission”"


def test_a_panel_that_sent_nothing_says_so(wb: Workbench, tmp_path: Path) -> None:
    """Making a key pair is no request."""
    panel = KeyPanel(wb)
    panel.act("create", private_key_file=str(tmp_path / "mine.pem"))
    assert panel.report == (NOTHING_SENT,)
    panel.act("ask_amazon")
    assert "→ 404" in panel.report[0].caption


def test_the_page_says_why_the_button_was_accepted(wb: Workbench) -> None:
    """What the browser posts is no request of the client, and is signed all the same."""
    panel = PagePanel(wb)
    asyncio.run(panel.returned())
    text = repr(panel)
    assert "POST /checkout/initiate" in text
    assert f"✓ It fits the public key of {wb.keys.public_key_id}, so the payload is yours" in " ".join(text.split())
    assert "Checkout Session New → Open: “Click the button” (buyer)" in text


def test_only_what_an_action_itself_sends_is_in_its_report(wb: Workbench) -> None:
    """Another thread's requests, at the same time, are not."""
    with own_exchanges() as mine:
        other = threading.Thread(target=Desk(wb).act, args=("get_charge_permission",))
        other.start()
        other.join()
        Desk(wb).act("create_charge")
        assert mine == []  # a panel's requests are its own
        charge = wb.client.get_charge(wb.journal.exchanges[-1].response["chargeId"])
    assert charge.state == "Captured"
    assert [exchange.operation for exchange in mine] == ["getCharge"]
