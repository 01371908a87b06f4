"""Managing payments over HTTP: charging, declines, the Update page, the monthly limit, and every transition."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from decimal import Decimal
from typing import Any, get_args

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import sign_button, update_payload
from amazonpay_nb.client.guide import (
    DECISIONS,
    Decision,
    NotChargeable,
    Step,
    account_page,
    charge,
    complete_set_up,
    decide,
    months,
    next_step,
    repair_payload,
)
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.sending import ATTEMPTS
from amazonpay_nb.errors import BuyerPageError, ConflictError, DeclinedError, InvalidRequestError, TransportError
from amazonpay_nb.lessons.drills import DECLINES, try_charge
from amazonpay_nb.shop import Arrival
from amazonpay_nb.spec.answers import ChargePermission
from amazonpay_nb.spec.machine import NEW
from amazonpay_nb.spec.money import MONTHLY_LIMITS
from amazonpay_nb.spec.reasons import REASONS, Retry
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.requests import Channel, ChargeInitiator
from amazonpay_nb.spec.words import CHANNELS, INITIATORS
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.claims import Claim
from amazonpay_nb.workbench.director import Director
from tests.emulated import SET_UP, WALLET, Json, Shop, purchase, usd
from tests.golden import OUTCOMES, TRANSITIONS, Row

HARD = "HardDeclined"
BROKEN = [row for row in DECISIONS if row.next_step is Step.UPDATE]
CLOSURES = [
    row for row in TRANSITIONS
    if (row.machine, row.source, row.target) == ("Charge Permission", "Chargeable", "Closed")
    and row.actor in ("Amazon", "buyer")
]  # fmt: skip


@pytest.fixture(scope="module", params=list(REGIONS))
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench for each region, with keys."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def wallet(wb: Workbench) -> str:
    """Set up a wallet and return the id of its permission."""
    arrival = asyncio.run(wb.play_set_up())
    return str(complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id)


def get(wb: Workbench, permission_id: str) -> ChargePermission:
    return wb.client.get_charge_permission(permission_id)


def put(wb: Workbench, permission_id: str, row: Decision) -> None:
    """Bring a new permission into the state of a row of the decision table."""
    if row.reason == "MerchantClosed":
        wb.client.close_charge_permission(permission_id, closure_reason="")
    elif row.state != "Chargeable":
        wb.director.cause(permission_id, row.state, row.reason)


def repair(wb: Workbench, permission_id: str, **script: Any) -> Arrival:
    """Send the buyer where the region lets a payment method be changed."""
    attempt = wb.shop.new_attempt()
    addresses = {"result_url": attempt.result_url, "cancel_url": attempt.cancel_url}
    payload = repair_payload(wb.region, wb.store_id, permission_id, **addresses)
    return asyncio.run(wb.show_button(attempt, sign_button(payload, wb.keys)).returned(**script))


class TestDeciding:
    """Get Charge Permission first."""

    @pytest.mark.parametrize("row", DECISIONS, ids=lambda row: f"{row.state}-{row.reason}")
    def test_each_row_of_the_table_decides(self, wb: Workbench, row: Decision) -> None:
        """What cannot be charged is not sent; the error names the step."""
        permission_id = wallet(wb)
        put(wb, permission_id, row)
        assert decide(get(wb, permission_id)) == row
        if row.next_step is Step.CHARGE:
            assert charge(wb.client, permission_id, wb.amount).state == "Authorized"
        else:
            with pytest.raises(NotChargeable, match=row.reason) as refusal:
                charge(wb.client, permission_id, wb.amount)
            assert refusal.value.step is row.next_step
            assert wb.journal.exchanges[-1].operation == "getChargePermission"

    @pytest.mark.parametrize("code", [None, HARD])
    def test_a_key_is_asked_for_in_any_state(self, wb: Workbench, code: str | None) -> None:
        """Its charge may have been made and its answer lost: whoever is told to pay again would pay twice."""
        permission_id, key = wallet(wb), wb.client.new_key()
        wb.director.inject_fault("createCharge", "drop-after-commit", times=ATTEMPTS)
        with pytest.raises(TransportError):
            charge(wb.client, permission_id, wb.amount, capture_now=True, simulation_code=code, idempotency_key=key)
        if not code:
            wb.director.cause(permission_id, "Closed", "BuyerClosed")
            wb.director.inject_fault("createCharge", "status", status=409)
            with pytest.raises(ConflictError):  # of somebody before Amazon, who knows nothing of the key
                charge(wb.client, permission_id, wb.amount, capture_now=True, idempotency_key=key)
        with pytest.raises(DeclinedError) if code else nullcontext():
            again = charge(
                wb.client, permission_id, wb.amount, capture_now=True, simulation_code=code, idempotency_key=key
            )
            assert again.state == "Captured"
        with pytest.raises(NotChargeable) as refusal:
            charge(wb.client, permission_id, wb.amount, idempotency_key=wb.client.new_key())
        assert isinstance(refusal.value.__cause__, ConflictError)
        assert "Then charge with a new idempotency key: this one has its answer." in str(refusal.value)

    def test_a_reason_that_is_new_is_judged_by_its_state(self, wb: Workbench) -> None:
        """Amazon adds codes without notice."""
        details = {"state": "NonChargeable", "reasons": [{"reasonCode": "Unheard"}]}
        answer = get(wb, wallet(wb)).model_dump(by_alias=True) | {"statusDetails": details}
        assert next_step(ChargePermission.model_validate(answer)) is Step.UPDATE


class TestCharging:
    """Now, later, in part, too late, pending."""

    def test_captured_at_once(self, wb: Workbench) -> None:
        """Nothing stays authorized."""
        permission_id = wallet(wb)
        before = wb.journal.totals().get(wb.currency, {"authorized": Decimal(0)})
        payment = charge(
            wb.client,
            permission_id,
            wb.amount,
            charge_initiator="MITU",
            channel="Phone",
            capture_now=True,
            merchant_metadata={"merchantReferenceId": "A-1"},
        )
        assert (payment.state, payment.capture_amount) == ("Captured", payment.charge_amount)
        assert (payment.charge_initiator, payment.channel) == ("MITU", "Phone")
        assert payment.merchant_metadata == {
            "merchantReferenceId": "A-1", "merchantStoreName": None, "noteToBuyer": None, "customInformation": None,
        }  # fmt: skip
        assert wb.journal.totals()[wb.currency]["authorized"] == before["authorized"]

    def test_a_part_is_captured_and_the_rest_released(self, wb: Workbench) -> None:
        """Once: what was released cannot be captured."""
        both = wb.price(str(2 * Decimal(wb.amount["amount"])))
        order = charge(wb.client, wallet(wb), both, charge_initiator="CITU", channel="Web")
        authorized = wb.journal.totals()[wb.currency]["authorized"]
        shipped = wb.client.capture_charge(order.charge_id, capture_amount=wb.amount)
        assert (order.state, shipped.state) == ("Authorized", "Captured")
        assert shipped.capture_amount is not None
        assert shipped.capture_amount.amount == wb.amount["amount"]
        assert authorized - wb.journal.totals()[wb.currency]["authorized"] == Decimal(both["amount"])
        with pytest.raises(ConflictError, match="InvalidChargeStatus"):
            wb.client.capture_charge(order.charge_id, capture_amount=wb.amount)

    def test_after_seven_days_a_capture_takes_time(self, wb: Workbench) -> None:
        """Seven days to the second are still answered at once."""
        permission_id = wallet(wb)
        first, second = (charge(wb.client, permission_id, wb.amount).charge_id for _ in range(2))
        wb.director.advance(days=7)
        assert wb.client.capture_charge(first, capture_amount=wb.amount).state == "Captured"
        wb.wait(1)
        assert wb.client.capture_charge(second, capture_amount=wb.amount).state == "CaptureInitiated"
        wb.wait(30)
        assert wb.client.get_charge(second).state == "Captured"

    def test_after_thirty_days_nothing_is_left_to_capture(self, wb: Workbench) -> None:
        """The wallet is as good as before."""
        permission_id = wallet(wb)
        forgotten = charge(wb.client, permission_id, wb.amount).charge_id
        assert f"Charge {forgotten}: Expire" in wb.director.advance(days=30)
        expired = wb.client.get_charge(forgotten)
        assert (expired.state, expired.reason_code) == ("Canceled", "ExpiredUnused")
        assert charge(wb.client, permission_id, wb.amount).state == "Authorized"

    @pytest.mark.parametrize(
        ("code", "state", "reason", "permission"),
        [("AuthorizationInitiated", "Authorized", None, "Chargeable"),
         ("PendingHardDeclined", "Declined", HARD, "NonChargeable")],
    )  # fmt: skip
    def test_a_pending_charge_is_decided_later(
        self, wb: Workbench, code: str, state: str, reason: str | None, permission: str
    ) -> None:
        """Accepted with 201; a late hard decline changes the permission as well."""
        permission_id = wallet(wb)
        pending = charge(
            wb.client, permission_id, wb.amount, can_handle_pending_authorization=True, simulation_code=code
        )
        assert (pending.state, wb.journal.exchanges[-1].status) == ("AuthorizationInitiated", 201)
        wb.wait(30)
        decided = wb.client.get_charge(pending.charge_id)
        assert (decided.state, decided.reason_code) == (state, reason)
        assert get(wb, permission_id).state == permission

    def test_a_capture_that_was_accepted_can_be_declined(self, wb: Workbench) -> None:
        """CaptureInitiated is no promise, and the ledger takes nothing in."""
        order = charge(wb.client, wallet(wb), wb.amount)
        captured = wb.journal.totals()[wb.currency]["captured"]
        asked = wb.client.capture_charge(order.charge_id, capture_amount=wb.amount, simulation_code="AmazonRejected")
        wb.wait(30)
        declined = wb.client.get_charge(order.charge_id)
        assert (asked.state, declined.state, declined.reason_code) == ("CaptureInitiated", "Declined", "AmazonRejected")
        assert wb.journal.totals()[wb.currency]["captured"] == captured

    @pytest.mark.parametrize("initiator", [row.code for row in INITIATORS])
    def test_an_initiator_of_the_table_is_accepted(self, wb: Workbench, initiator: str) -> None:
        """And so is each channel."""
        permission_id = wallet(wb)
        for channel in CHANNELS:
            payment = charge(wb.client, permission_id, wb.amount, charge_initiator=initiator, channel=channel.code)
            assert (payment.charge_initiator, payment.channel) == (initiator, channel.code)


class TestDeclines:
    """Each way in which Create Charge is turned down."""

    @pytest.mark.parametrize("code", DECLINES)
    def test_an_attempt_says_what_happened_and_what_is_next(self, wb: Workbench, code: str) -> None:
        """Answer, permission and advice are those of the tables; no charge is left behind."""
        permission_id = wallet(wb)
        (row,) = (each for each in OUTCOMES if (each.operation, each.code) == ("createCharge", code))
        reason = REASONS[code]
        attempt = try_charge(wb.client, permission_id, wb.amount, simulation_code=code)
        assert attempt.answer == f"{row.status} {row.reason_code}"
        assert attempt.next_step == reason.next_step
        assert attempt.another_charge == reason.retry
        assert attempt.permission_state == ("NonChargeable" if code == HARD else "Chargeable")
        assert attempt.requests == (4 if row.status == 500 else 1)
        assert months(wb.journal, permission_id, wb.region) == []

    def test_a_new_key_can_succeed_where_the_old_one_cannot(self, wb: Workbench) -> None:
        """Under the old key, the decline is the stored answer."""
        permission_id = wallet(wb)
        with pytest.raises(DeclinedError) as first:
            charge(wb.client, permission_id, wb.amount, simulation_code="SoftDeclined")
        with pytest.raises(DeclinedError) as second:
            charge(
                wb.client, permission_id, wb.amount, simulation_code="SoftDeclined",
                idempotency_key=first.value.idempotency_key,
            )  # fmt: skip
        assert second.value.amazon_message == first.value.amazon_message
        assert first.value.recovery.retry is Retry.NEW_KEY
        assert charge(wb.client, permission_id, wb.amount).state == "Authorized"

    def test_a_hard_decline_is_tried_last(self) -> None:
        """In a row of attempts on one wallet, none may spoil the next."""
        assert DECLINES[-1] == HARD
        assert {"SoftDeclined", "AmazonRejected", "ProcessingFailure", "TransactionTimedOut"} < set(DECLINES)

    def test_an_attempt_that_succeeds_says_so(self, wb: Workbench) -> None:
        """The state of the charge stands for the reason code."""
        attempt = try_charge(wb.client, wallet(wb), wb.amount, capture_now=True)
        assert (attempt.answer, attempt.requests, attempt.another_charge) == ("201 Captured", 1, "")


class TestRepairing:
    """The Update page, and what there is in its place."""

    @pytest.mark.parametrize("row", BROKEN, ids=lambda row: row.reason)
    def test_a_charge_is_recovered(self, wb: Workbench, row: Decision) -> None:
        """Not chargeable, repaired, completed, charged; the id is kept where the region has the page."""
        permission_id = wallet(wb)
        put(wb, permission_id, row)
        repaired = complete_set_up(wb.client, repair(wb, permission_id, card="4444").checkout_session_id)
        new_id = str(repaired.charge_permission_id)
        assert (new_id == permission_id) == wb.region.update_page
        assert get(wb, new_id).payment_descriptor == "Mastercard ****4444 (Amazon Pay)"
        assert charge(wb.client, new_id, wb.amount, capture_now=True).state == "Captured"
        assert get(wb, permission_id).state == ("Chargeable" if wb.region.update_page else "NonChargeable")

    def test_a_hard_decline_is_recovered(self, wb: Workbench) -> None:
        """The same charge, under a new key, on another card."""
        permission_id = wallet(wb)
        with pytest.raises(DeclinedError, match=HARD):
            charge(wb.client, permission_id, wb.amount, simulation_code=HARD)
        assert get(wb, permission_id).reason_code == "PaymentMethodInvalid"
        repaired = complete_set_up(wb.client, repair(wb, permission_id, card="4444").checkout_session_id)
        assert charge(wb.client, str(repaired.charge_permission_id), wb.amount).state == "Authorized"

    def test_a_buyer_who_cancels_repairs_nothing(self, wb: Workbench) -> None:
        """Neither does one who has not been completed."""
        permission_id = wallet(wb)
        put(wb, permission_id, BROKEN[0])
        assert repair(wb, permission_id, ending="cancel").kind == "cancel"
        assert repair(wb, permission_id, card="4444").kind == "result"
        assert get(wb, permission_id).state == "NonChargeable"

    def test_the_buyer_can_mend_it_alone(self, wb: Workbench) -> None:
        """In the account at Amazon, whose page can be named; the merchant sees it at the next look."""
        permission_id = wallet(wb)
        host = "pay.amazon.com/jp" if wb.region.code == "jp" else "payments.amazon.com"
        assert account_page(wb.region, permission_id) == f"https://{host}/jr/your-account/ba/{permission_id}"
        put(wb, permission_id, BROKEN[0])
        assert wb.director.cause(permission_id, "Chargeable") == f"Charge Permission {permission_id} is now Chargeable."
        assert charge(wb.client, permission_id, wb.amount).state == "Authorized"

    def test_the_page_is_for_open_permissions_in_regions_that_have_it(self, wb: Workbench) -> None:
        """Japan has none, and what is closed cannot be updated anywhere."""
        permission_id = wallet(wb)
        if wb.region.update_page:
            wb.client.close_charge_permission(permission_id, closure_reason="")
        attempt = wb.shop.new_attempt()
        payload = update_payload(wb.store_id, permission_id, result_url=attempt.result_url)
        page = wb.show_button(attempt, sign_button(payload, wb.keys))
        with pytest.raises(BuyerPageError, match="Closed" if wb.region.update_page else "not offered"):
            asyncio.run(page.returned())

    @pytest.mark.parametrize("flag", [True, False])
    def test_the_flag_of_the_payload_does_not_matter(self, eu: Shop, flag: bool) -> None:
        """Copies of the guide differ in setupOnly; what counts is the permission's id."""
        permission_id = eu.wallet()
        body = SET_UP | {"chargePermissionId": permission_id, "paymentMethodOnFileMetadata": {"setupOnly": flag}}
        repaired = eu.done("completeCheckoutSession", eu.visited(body, cards=("4444",)))
        assert repaired["chargePermissionId"] == permission_id
        permission = eu.done("getChargePermission", permission_id)
        assert permission["paymentPreferences"][0]["paymentDescriptor"] == "Mastercard ****4444 (Amazon Pay)"


class TestMonth:
    """The monthly limit of a permission."""

    def test_a_month_is_used_up_and_the_next_begins_at_zero(self, wb: Workbench) -> None:
        """The count of the merchant agrees with Amazon's, to the last unit."""
        permission_id = wallet(wb)
        charge(wb.client, permission_id, wb.amount, capture_now=True)
        (this,) = months(wb.journal, permission_id, wb.region)
        assert Decimal(this.limit) == MONTHLY_LIMITS[wb.region.code, wb.currency]
        assert Decimal(this.used) == Decimal(wb.amount["amount"])
        charge(wb.client, permission_id, wb.price(this.left))
        assert Decimal(months(wb.journal, permission_id, wb.region)[-1].left) == 0
        with pytest.raises(InvalidRequestError) as over:
            charge(wb.client, permission_id, wb.price("1"))
        assert (over.value.status_code, over.value.reason_code) == (400, "PeriodicAmountExceeded")
        assert "month" in over.value.recovery.tell_the_buyer
        assert charge(wb.client, wallet(wb), wb.amount), "the limit is one permission's"
        wb.director.advance(days=31)
        assert charge(wb.client, permission_id, wb.price(this.limit)).state == "Authorized"
        used = {row.month: row.used for row in months(wb.journal, permission_id, wb.region)}
        assert list(used.values()) == [this.limit, this.limit]
        assert min(used) == this.month

    def test_what_is_canceled_counts_no_more(self, wb: Workbench) -> None:
        """What is refunded does."""
        permission_id = wallet(wb)
        limit = wb.price(str(MONTHLY_LIMITS[wb.region.code, wb.currency]))
        for _ in range(2):
            open_charge = charge(wb.client, permission_id, limit)
            canceled = wb.client.cancel_charge(open_charge.charge_id, cancellation_reason="Too much")
            assert (canceled.state, canceled.reason_code) == ("Canceled", "MerchantCanceled")
        assert Decimal(months(wb.journal, permission_id, wb.region)[-1].used) == 0
        payment = charge(wb.client, permission_id, limit, capture_now=True)
        wb.client.create_refund(charge_id=payment.charge_id, refund_amount=wb.amount)
        wb.wait(30)
        wb.client.get_charge(payment.charge_id)
        assert Decimal(months(wb.journal, permission_id, wb.region)[-1].left) == 0

    def test_a_replayed_answer_counts_once(self, wb: Workbench) -> None:
        """The stored answer is older than the capture, and changes nothing."""
        permission_id = wallet(wb)
        order = charge(wb.client, permission_id, wb.amount, idempotency_key=f"order-{permission_id}")
        wb.wait(1)
        wb.client.capture_charge(order.charge_id, capture_amount=wb.amount)
        before = months(wb.journal, permission_id, wb.region)
        replayed = charge(wb.client, permission_id, wb.amount, idempotency_key=f"order-{permission_id}")
        assert replayed.charge_id == order.charge_id
        assert months(wb.journal, permission_id, wb.region) == before


class TestClosing:
    """Who closes, and what becomes of open authorizations."""

    @pytest.mark.parametrize("cancel", [True, False])
    def test_by_the_merchant(self, wb: Workbench, cancel: bool) -> None:
        """With its pending charges, or without."""
        permission_id = wallet(wb)
        open_charge = charge(wb.client, permission_id, wb.amount)
        closed = wb.client.close_charge_permission(
            permission_id, closure_reason="Moved away", cancel_pending_charges=cancel
        )
        assert (closed.state, closed.reason_code) == ("Closed", "MerchantClosed")
        if cancel:
            gone = wb.client.get_charge(open_charge.charge_id)
            assert (gone.state, gone.reason_code) == ("Canceled", "ChargePermissionCanceled")
        else:
            captured = wb.client.capture_charge(open_charge.charge_id, capture_amount=wb.amount)
            assert captured.state == "Captured"

    def test_by_amazon(self, wb: Workbench) -> None:
        """Played with a simulation code; what was authorized lives on."""
        permission_id = wallet(wb)
        open_charge = charge(wb.client, permission_id, wb.amount)
        closed = wb.client.close_charge_permission(permission_id, closure_reason="", simulation_code="AmazonClosed")
        assert (closed.reason_code, next_step(closed)) == ("AmazonClosed", Step.SET_UP_AGAIN)
        assert wb.client.get_charge(open_charge.charge_id).state == "Authorized"

    @pytest.mark.parametrize("row", CLOSURES, ids=lambda row: row.reason)
    def test_by_others(self, wb: Workbench, row: Row) -> None:
        """What is canceled takes its open charges along; what is closed does not."""
        permission_id = wallet(wb)
        open_charge = charge(wb.client, permission_id, wb.amount)
        wb.director.cause(permission_id, row.target, row.reason)
        assert get(wb, permission_id).reason_code == row.reason
        left = wb.client.get_charge(open_charge.charge_id)
        assert left.reason_code == ("ChargePermissionCanceled" if row.then else None)

    def test_by_the_buyer(self, wb: Workbench) -> None:
        """A charge that is sent all the same is refused."""
        permission_id = wallet(wb)
        wb.director.cause(permission_id, "Closed", "BuyerClosed")
        attempt = try_charge(wb.client, permission_id, wb.amount)
        assert (attempt.answer, attempt.permission_state) == ("422 InvalidChargePermissionStatus", "Closed")


class TestElsewhere:
    """Where there is no emulator, nobody turns the clock."""

    def test_what_only_the_emulator_can_do_is_skipped_with_a_line(self) -> None:
        """And what it would have shown is marked as not tried."""
        director = Director(None, Journal())
        assert director.advance(days=8).startswith("Skipped: only the emulator's clock can be moved.")
        assert director.cause("B01-0000000-0000000", "Closed", "BuyerClosed").startswith("Skipped: only the emulator")
        bundle = Claim("late", "It takes time.", None)._repr_mimebundle_()
        assert bundle["text/plain"] == "Not tried here, because it needs the emulator: It takes time."
        assert list(bundle) == ["text/plain", "text/html"], "no claim for the report of a run"

    def test_the_tables_name_what_can_be_sent(self) -> None:
        """Each initiator and each channel, once."""
        assert {row.code for row in INITIATORS} == set(get_args(ChargeInitiator))
        assert {row.code for row in CHANNELS} == set(get_args(Channel))


# --- Every transition -------------------------------------------------------------------------------------------------

PENDING: Json = {"canHandlePendingAuthorization": True}
BORN = {
    "AuthorizationInitiated": PENDING | {"code": "AuthorizationInitiated"},
    "Authorized": {},
    "CaptureInitiated": {"captureNow": True, "code": "CaptureInitiated"},
    "Captured": {"captureNow": True},
}
# The merchant's calls, by trigger: operation and fields.
CALLS: dict[str, tuple[str, Json]] = {
    "Capture Charge": ("captureCharge", {"captureAmount": usd("14.00"), "code": "CaptureInitiated"}),
    "Cancel Charge": ("cancelCharge", {}),
    "Create Refund": ("createRefund", {"refundAmount": usd("14.00")}),
}


def name(row: Row) -> str:
    return f"{row.source}, {row.trigger}"


def of(machine: str) -> list[Row]:
    """Return the documented transitions of one object, typed from Amazon's guide."""
    return [row for row in TRANSITIONS if row.machine == machine]


@pytest.mark.parametrize("row", of("Charge"), ids=name)
def test_every_transition_of_a_charge_happens(na: Shop, row: Row) -> None:
    """By a call of the merchant, by the clock, or as only Amazon and the buyer can cause it."""
    born = BORN[row.target if row.source == NEW else row.source]
    if row.trigger == "Complete Checkout Session":  # what the buyer agreed to pay is the shop's now
        body = WALLET | purchase(**(PENDING if born else {}))
        session_id = na.visited(body, cards=("0701" if born else "1111",))
        order = na.done("completeCheckoutSession", session_id, chargeAmount=usd("14.00"))
        permission_id, charge_id = str(order["chargePermissionId"]), str(order["chargeId"])
    else:
        permission_id = na.wallet()
        charge_id = str(na.charge(permission_id, **born)["chargeId"])
    if row.trigger == "Close Charge Permission":
        na.done("closeChargePermission", permission_id, cancelPendingCharges=True)
    elif row.trigger == "Create Refund":
        na.done("createRefund", chargeId=charge_id, refundAmount=usd("14.00"))
    elif row.trigger in CALLS:
        operation, fields = CALLS[row.trigger]
        na.done(operation, charge_id, **fields)
    elif row.trigger == "Expire":
        na.emulator.clock.advance("P30D")
    elif row.source not in (NEW, row.target):
        na.emulator.control.post(f"charges/{charge_id}", state=row.target, reasonCode=row.reason)
    details = na.done("getCharge", charge_id)["statusDetails"]
    assert (details["state"], details["reasonCode"]) == (row.target, row.reason)
    # The one thing that follows on the permission: a bank that declines for good has refused the payment method.
    spoiled = row.reason == "HardDeclined"
    followed = "Closed" if row.trigger == "Close Charge Permission" else "NonChargeable" if spoiled else "Chargeable"
    assert na.state("getChargePermission", permission_id) == followed


@pytest.mark.parametrize("row", of("Charge Permission"), ids=name)
def test_every_transition_of_a_permission_happens(na: Shop, row: Row) -> None:
    """From each of its states."""
    if row.trigger == "The charge in progress ends":  # a one-time permission's, whose limit one charge can fill
        order = na.order()
        permission_id = str(order["chargePermissionId"])
        assert na.state("getChargePermission", permission_id) == row.source
        na.done("cancelCharge", order["chargeId"])
    else:  # of what is Closed, only an order takes updates
        is_order = row.source == "Closed"
        permission_id = na.order(paymentIntent="Confirm")["chargePermissionId"] if is_order else na.wallet()
        take(na, permission_id, row)
    details = na.done("getChargePermission", permission_id)["statusDetails"]
    reasons = [reason["reasonCode"] for reason in details["reasons"] or []]
    assert details["state"] == row.target
    if row.source != row.target or row.reason:
        assert reasons == ([row.reason] if row.reason else [])


def take(shop: Shop, permission_id: str, row: Row) -> None:
    """Bring a new permission to the row's source, and take the row."""
    if row.source == "NonChargeable":
        others = (each.reason for each in of("Charge Permission") if each.target == row.source)
        earlier = next(reason for reason in others if reason not in (None, row.reason))
        shop.emulator.control.post(f"permissions/{permission_id}", state=row.source, reasonCode=earlier)
    if row.source == "Closed":
        shop.done("closeChargePermission", permission_id)
    if row.trigger == "Create Charge":
        shop.charge(permission_id)
    elif row.trigger == "Update Charge Permission":
        shop.done("updateChargePermission", permission_id, merchantMetadata={"noteToBuyer": "Thank you"})
    elif row.trigger == "Close Charge Permission":
        shop.done("closeChargePermission", permission_id)
    elif row.trigger == "Update the payment method":
        shop.done("completeCheckoutSession", shop.visited(SET_UP | {"chargePermissionId": permission_id}))
    elif row.actor != "merchant":
        shop.emulator.control.post(f"permissions/{permission_id}", state=row.target, reasonCode=row.reason)


def test_a_charge_cannot_be_put_where_no_row_leads(na: Shop) -> None:
    """What is captured stays captured."""
    charge_id = na.charge(na.wallet(), captureNow=True)["chargeId"]
    http = na.emulator.control
    response = na.http.post(
        f"{http.url}/charges/{charge_id}",
        json={"state": "Declined", "reasonCode": HARD},
        headers={"authorization": f"Bearer {http.token}"},
    )
    assert (response.status_code, response.json()["error"]) == (400, f"{charge_id} is Captured; possible: nothing.")
