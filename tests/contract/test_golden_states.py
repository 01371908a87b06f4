"""Objects live as typed from Amazon's guide into `tests/wire/states.json`: transitions, what follows, and time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amazonpay_nb.emulator import Emulator
from tests import golden
from tests.emulated import RESULT, SET_UP, Json, Shop, charge_in, dispute_in, recurring, refusal, usd
from tests.golden import TRANSITIONS, Row

PENDING: Json = {"canHandlePendingAuthorization": True}
# How a charge comes to be in a state, apart from what ends it.
CREATED: dict[str, Json] = {
    "AuthorizationInitiated": PENDING | {"code": "AuthorizationInitiated"},
    "Authorized": {},
    "CaptureInitiated": {"captureNow": True, "code": "CaptureInitiated"},
    "Captured": {"captureNow": True},
}
TIMES = "%Y%m%dT%H%M%SZ"


def of(machine: str) -> list[Row]:
    return [row for row in TRANSITIONS if row.machine == machine]


def later(shop: Shop, moment: datetime) -> None:
    """Advance the clock to a moment."""
    shop.emulator.clock.advance(f"PT{(moment - shop.emulator.clock.now()).total_seconds():.0f}S")


# ---- Lives -----------------------------------------------------------------------------------------------------------


def start_of(shop: Shop, row: Row) -> str:
    """Bring a Checkout Session to life as a row needs it."""
    if row.trigger == "Click the button":
        return shop.clicked(SET_UP)
    if row.trigger == "Finalize Checkout Session":
        return launched(shop)
    if row.trigger == "Complete Checkout Session":
        return shop.visited()
    return shop.session()


def launched(shop: Shop) -> str:
    """Start a session as the Mobile SDK does, and let the buyer agree."""
    config: Json = {
        "storeId": shop.account.store_id, "webCheckoutDetails": {"checkoutResultReturnUrl": RESULT},
        "channelType": "MOBILE_SDK",
    } | {name: value for name, value in SET_UP.items() if name != "webCheckoutDetails"}  # fmt: skip
    form = {
        "msdk": "true", "merchantId": shop.account.merchant_id, "placement": "Cart", "checkoutLanguage": "en_US",
        "ledgerCurrency": "USD", "productType": "PayOnly", "environment": "SANDBOX", "checkoutSessionConfig": config,
        "publicKeyId": shop.account.public_key_id,
    }  # fmt: skip
    answer = shop.http.post("/initiate", json=form)
    assert answer.is_success, answer.text
    session_id = str(answer.json()["amazonCheckoutSessionId"])
    shop.buyer().walk(session_id)
    return session_id


def take(shop: Shop, session_id: str, row: Row) -> None:
    """Take a row of a Checkout Session's life."""
    match row.trigger:
        case "Update Checkout Session":
            shop.done("updateCheckoutSession", session_id, merchantMetadata={"noteToBuyer": "Thank you"})
        case "Agree":
            shop.buyer().walk(session_id)
        case "Complete Checkout Session":
            shop.done("completeCheckoutSession", session_id)
        case "Finalize Checkout Session":
            address = shop.done("getCheckoutSession", session_id)["billingAddress"]
            shop.done("finalizeCheckoutSession", session_id, billingAddress=address)
        case "Cancel":
            shop.buyer().walk(session_id, cards=("3064",))
        case "Decline":
            shop.buyer().walk(session_id, cards=("3434",))
        case "Cancel by Amazon":
            shop.call("completeCheckoutSession", session_id, code="AmazonCanceled")
        case "Expire":
            shop.emulator.clock.advance("PT24H")


class TestLives:
    """Each transition happens over HTTP; those of charges and permissions are in `test_manage_payments`."""

    @pytest.mark.parametrize("row", of("Checkout Session"), ids=lambda row: row.trigger)
    def test_a_session_goes_where_it_should(self, na: Shop, row: Row) -> None:
        """To its state, for its reason."""
        session_id = start_of(na, row)
        take(na, session_id, row)
        details = na.done("getCheckoutSession", session_id)["statusDetails"]
        assert (details["state"], details["reasonCode"]) == (row.target, row.reason)

    @pytest.mark.parametrize("row", of("Refund"), ids=lambda row: row.trigger)
    def test_a_refund_goes_where_it_should(self, na: Shop, row: Row) -> None:
        """At once it is initiated; then as Amazon decides."""
        code = row.reason
        refund = na.done("createRefund", chargeId=charge_in(na, "Captured"), refundAmount=usd("1.00"), code=code)
        if row.source != "New":
            assert refund["statusDetails"]["state"] == row.source
            na.emulator.clock.advance("PT30S")
        details = na.done("getRefund", refund["refundId"])["statusDetails"]
        assert (details["state"], details["reasonCode"]) == (row.target, row.reason)

    @pytest.mark.parametrize("asked", [False, True], ids=["", "cancelPendingCharges"])
    @pytest.mark.parametrize("row", [row for row in of("Charge Permission") if row.target == "Closed"], ids=str)
    def test_what_closes_takes_charges_along_or_not(self, na: Shop, row: Row, asked: bool) -> None:
        """What is canceled takes those that are not captured; the merchant's closing does if asked to."""
        wallet = na.wallet()
        charges = {state: na.charge(wallet, **fields)["chargeId"] for state, fields in CREATED.items()}
        if row.source == "NonChargeable":
            na.emulator.control.post(f"permissions/{wallet}", state=row.source, reasonCode="PaymentMethodExpired")
        if row.trigger == "Close Charge Permission":
            na.done("closeChargePermission", wallet, cancelPendingCharges=asked)
        elif row.source != "Closed":
            na.emulator.control.post(f"permissions/{wallet}", state=row.target, reasonCode=row.reason)
        taken = [then for then in row.then if not then[2] or (asked and then[2] == "cancelPendingCharges")]
        assert {then[:2] for then in taken} <= {("Charge", "Close Charge Permission")}
        triggers = {then[1] for then in taken}
        moves = {each.source: (each.target, each.reason) for each in of("Charge") if each.trigger in triggers}
        for state, charge_id in charges.items():
            details = na.done("getCharge", charge_id)["statusDetails"]
            assert (details["state"], details["reasonCode"]) == moves.get(state, (state, None))

    @pytest.mark.parametrize("state", ["Chargeable", "NonChargeable"])
    def test_only_a_hard_decline_spoils_the_payment_method(self, na: Shop, state: str) -> None:
        """Whether a pending charge or a pending capture was declined; other declines leave the permission alone."""
        for row in of("Charge"):
            if row.target == "Declined":
                wallet = na.wallet()
                charge_id = na.charge(wallet, **CREATED[row.source])["chargeId"]
                if state == "NonChargeable":
                    na.emulator.control.post(f"permissions/{wallet}", state=state, reasonCode="MFAFailed")
                na.emulator.control.post(f"charges/{charge_id}", state="Declined", reasonCode=row.reason)
                reasons = na.done("getChargePermission", wallet)["statusDetails"]["reasons"]
                before = [] if state == "Chargeable" else ["MFAFailed"]
                expected = ["PaymentMethodInvalid"] if row.reason == "HardDeclined" else before
                assert [reason["reasonCode"] for reason in reasons or []] == expected, row


# ---- Calls -----------------------------------------------------------------------------------------------------------

WRONG = {machine: code for machine, code, _ in golden.rows("reasons", "wrong states")}
AMOUNT = usd("14.00")
CALLS: dict[str, tuple[tuple[str, str, Json], ...]] = {
    "Charge": (
        ("Capture Charge", "captureCharge", {"captureAmount": AMOUNT}), ("Cancel Charge", "cancelCharge", {}),
        ("Create Refund", "createRefund", {"refundAmount": AMOUNT}),
    ),
    "Charge Permission": (
        ("Create Charge", "createCharge", {"chargeAmount": AMOUNT}),
        ("Update Charge Permission", "updateChargePermission", {"merchantMetadata": {"noteToBuyer": "Thank you"}}),
        ("Close Charge Permission", "closeChargePermission", {}),
    ),
}  # fmt: skip


class TestCalls:
    """A call is possible in the states in which the guide has it, and refused in the others."""

    @pytest.mark.parametrize(("title", "operation", "fields"), CALLS["Charge"], ids=lambda value: str(value)[:14])
    def test_a_charge_takes_it_or_not(self, na: Shop, title: str, operation: str, fields: Json) -> None:
        """In each of its six states."""
        possible = {row.source for row in of("Charge") if row.trigger == title}
        for state in (*CREATED, "Declined", "Canceled"):
            charge_id = charge_in(na, state)
            if operation == "createRefund":
                response = na.call(operation, chargeId=charge_id, **fields)
            else:
                response = na.call(operation, charge_id, **fields)
            if state in possible:
                assert response.is_success, state
            else:
                assert refusal(response) == (422, WRONG["Charge"]), state
                assert na.state("getCharge", charge_id) == state

    @pytest.mark.parametrize(
        ("title", "operation", "fields"), CALLS["Charge Permission"], ids=lambda value: str(value)[:14]
    )
    def test_a_permission_takes_it_or_not(self, na: Shop, title: str, operation: str, fields: Json) -> None:
        """In each of its three states; an order's, since no other takes updates once it is Closed."""
        possible = {row.source for row in of("Charge Permission") if row.trigger == title}
        for state, reason in (("Chargeable", None), ("NonChargeable", "MFAFailed"), ("Closed", "BuyerClosed")):
            order = na.order(paymentIntent="Confirm")["chargePermissionId"]
            if reason:
                na.emulator.control.post(f"permissions/{order}", state=state, reasonCode=reason)
            if operation == "createCharge":
                response = na.call(operation, chargePermissionId=order, **fields)
            else:
                response = na.call(operation, order, **fields)
            if state in possible:
                assert response.is_success, state
            else:
                assert refusal(response) == (422, WRONG["Charge Permission"]), state
                assert na.state("getChargePermission", order) == state


# ---- Time ------------------------------------------------------------------------------------------------------------


class TestTime:
    """One second before, nothing has happened; at the time it has."""

    @pytest.mark.parametrize("row", golden.rows("states", "timers"), ids=lambda row: f"{row[0]}-{row[1]}")
    def test_a_timer_fires_when_it_should(self, na: Shop, row: list[Any]) -> None:
        """An object stays in its state for so long, and not a second longer."""
        machine, state, trigger, seconds, *_ = row
        if machine == "Checkout Session":
            call, object_id = "getCheckoutSession", na.session()
        elif machine == "Charge":
            call, object_id = "getCharge", na.charge(na.wallet(), **CREATED[state])["chargeId"]
        elif machine == "Dispute":
            call, object_id = "getDispute", dispute_in(na, state)
        else:
            refund = na.done("createRefund", chargeId=charge_in(na, "Captured"), refundAmount=usd("1.00"))
            call, object_id = "getRefund", refund["refundId"]
        na.emulator.clock.advance(f"PT{seconds - 1}S")
        assert na.state(call, object_id) == state
        fired = na.emulator.clock.advance("PT1S")
        details = na.done(call, object_id)["statusDetails"]
        moved = next(each for each in of(machine) if (each.source, each.trigger) == (state, trigger))
        assert (details["state"], details["reasonCode"]) == (moved.target, moved.reason)
        assert (object_id, trigger) in [(each["id"], each["trigger"]) for each in fired]

    def test_an_object_shows_when_it_expires(self, na: Shop) -> None:
        """A session and an authorization, by the timers of their states."""
        seconds = {(machine, trigger): after for machine, _, trigger, after, *_ in golden.rows("states", "timers")}
        session = na.done("getCheckoutSession", na.session())
        charge = na.charge(na.wallet())
        for machine, document in (("Checkout Session", session), ("Charge", charge)):
            made, ends = (datetime.fromisoformat(document[f"{name}Timestamp"]) for name in ("creation", "expiration"))
            assert (ends - made).total_seconds() == seconds[machine, "Expire"]


LIFETIMES = {what: (start, end) for what, start, end, *_ in golden.rows("states", "lifetimes")}
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class TestLifetimes:
    """What lives for days or months, from the last day of a long month on."""

    @pytest.fixture
    def shop(self) -> Iterator[Shop]:
        """A merchant whose clock begins where the golden table does."""
        with Emulator("na", seed=7, start=START) as emulator, Shop(emulator) as shop:
            yield shop

    def until(self, what: str) -> datetime:
        start, end = LIFETIMES[what]
        assert datetime.fromisoformat(start) == START
        return datetime.fromisoformat(end)

    @pytest.mark.parametrize("what", [what for what in LIFETIMES if what.startswith(("a one-time", "a recurring"))])
    def test_a_permission_expires(self, shop: Shop, what: str) -> None:
        """It says when, and ends then."""
        if "recurring" in what:
            permission_id = recurring(shop)
        else:
            extended = {"extendExpiration": True} if "extend" in what else {}
            permission_id = shop.order(paymentIntent="Confirm", **extended)["chargePermissionId"]
        ends = self.until(what)
        assert shop.done("getChargePermission", permission_id)["expirationTimestamp"] == ends.strftime(TIMES)
        later(shop, ends - timedelta(seconds=1))
        assert shop.state("getChargePermission", permission_id) == "Chargeable"
        shop.emulator.clock.advance("PT1S")
        details = shop.done("getChargePermission", permission_id)["statusDetails"]
        assert (details["state"], details["reasons"][0]["reasonCode"]) == ("Closed", "Expired")

    def test_a_wallet_does_not(self, shop: Shop) -> None:
        """Not in ten years."""
        wallet = shop.wallet()
        assert LIFETIMES["a Saved Wallet"][1] is None
        shop.emulator.clock.advance("P3650D")
        permission = shop.done("getChargePermission", wallet)
        assert (permission["expirationTimestamp"], permission["statusDetails"]["state"]) == (None, "Chargeable")

    @pytest.mark.parametrize("code", [None, "BuyerCanceled"])
    def test_a_session_that_has_ended_is_deleted(self, shop: Shop, code: str | None) -> None:
        """Thirty days after its end, whatever the end."""
        session_id = shop.visited()
        shop.call("completeCheckoutSession", session_id, code=code)
        later(shop, self.until("an ended Checkout Session") - timedelta(seconds=1))
        assert shop.done("getCheckoutSession", session_id)
        shop.emulator.clock.advance("PT1S")
        assert refusal(shop.call("getCheckoutSession", session_id)) == (404, "ResourceNotFound")

    def test_the_buyer_is_shown_for_a_while(self, shop: Shop) -> None:
        """From the creation of a one-time permission, and from the end of the others."""
        one_time, every = shop.order(paymentIntent="Confirm")["chargePermissionId"], recurring(shop)
        wallet = shop.wallet()
        for permission_id in (every, wallet):
            assert shop.done("getChargePermission", permission_id)["buyer"]
            shop.done("closeChargePermission", permission_id)
        for permission_id, what in (
            (one_time, "the buyer of a one-time Charge Permission"),
            (every, "the buyer of a recurring Charge Permission that is closed"),
            (wallet, "the buyer of a Saved Wallet that is closed"),
        ):
            ends = self.until(what)
            if ends > shop.emulator.clock.now():
                later(shop, ends - timedelta(seconds=1))
                assert shop.done("getChargePermission", permission_id)["buyer"], what
        shop.emulator.clock.advance("PT1S")
        for permission_id in (one_time, every, wallet):
            assert shop.done("getChargePermission", permission_id)["buyer"] is None

    def test_nothing_falls_due_for_what_is_closed(self, shop: Shop) -> None:
        """Neither its expiry nor a new month; a recurring permission's buyer is forgotten."""
        one_time, every = shop.order(paymentIntent="Confirm")["chargePermissionId"], recurring(shop)
        wallet = shop.wallet()
        shop.emulator.clock.advance("P40D")
        for permission_id in (one_time, every, wallet):
            shop.done("closeChargePermission", permission_id)
        fired = shop.emulator.clock.advance("P500D")
        triggers = {each: [row["trigger"] for row in fired if row["id"] == each] for each in (one_time, every, wallet)}
        assert triggers == {one_time: [], every: ["Forget the buyer"], wallet: []}

    def test_a_late_capture_takes_time(self, shop: Shop) -> None:
        """Up to seven days after the authorization it is done at once."""
        wallet = shop.wallet()
        in_time, late = (shop.charge(wallet)["chargeId"] for _ in range(2))
        later(shop, self.until("a synchronous capture"))
        assert shop.done("captureCharge", in_time, captureAmount=usd("14.00"))["statusDetails"]["state"] == "Captured"
        shop.emulator.clock.advance("PT1S")
        answer = shop.done("captureCharge", late, captureAmount=usd("14.00"))
        assert answer["statusDetails"]["state"] == "CaptureInitiated"
