"""Whatever a merchant calls in whatever order, Amazon's promises hold: a state machine takes random walks through them.

The rules of the machine are calls, most of them sensible, some not; a model beside it keeps what was acknowledged.  The
invariants are asked of every object after each step.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import httpx
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from amazonpay_nb.spec.machine import MERCHANT, NEW
from amazonpay_nb.spec.money import MONTHLY_LIMITS, refund_allowance
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.spec.simulations import ANYWHERE, SIMULATIONS
from amazonpay_nb.spec.states import CHARGE_PERMISSION, MACHINES
from tests.emulated import SET_UP, WALLET, Json, Shop, purchase, usd
from tests.proofs.sizes import size

# Large enough to meet the monthly limit in a few steps, and small enough to pay something else first.
AMOUNTS = st.sampled_from(["0.01", "14.00", "500.00", "7499.99", "15000.00", "15000.01"])
CODES = {
    name: st.one_of(
        st.none(),
        st.none(),
        st.sampled_from([*(code for call, code in SIMULATIONS if call == name), *ANYWHERE, "Nonsense"]),
    )
    for name in ("createCharge", "captureCharge", "createRefund", "closeChargePermission", "completeCheckoutSession")
}
DURATIONS = st.sampled_from(["PT30S", "P1D", "P8D", "P31D"])
INTERRUPTIONS = [
    (row.target, row.reason) for row in CHARGE_PERMISSION.rows if row.source not in (NEW, row.target) and row.reason
]
READ = {
    "Checkout Session": "getCheckoutSession",
    "Charge Permission": "getChargePermission",
    "Charge": "getCharge",
    "Refund": "getRefund",
}


class Merchant(RuleBasedStateMachine):
    """A merchant who does anything, and a model of what Amazon has acknowledged."""

    shop: ClassVar[Shop]
    sessions = Bundle("sessions")
    wallets = Bundle("wallets")
    charges = Bundle("charges")
    refunds = Bundle("refunds")

    def __init__(self) -> None:
        super().__init__()
        self.shop.emulator.reset()
        self.seen: dict[tuple[str, str], Json] = {}
        self.sent: list[tuple[httpx.Response, Callable[[], httpx.Response]]] = []
        self.number = 0

    def teardown(self) -> None:
        """What has come about can be written as a world file, and comes about again: all but sessions."""
        control, before = self.shop.emulator.control, self.objects()
        world = control.get("world")
        control.post("world", world=world)
        assert control.get("world") == world
        assert self.objects() == {key: thing for key, thing in before.items() if key[0] != "Checkout Session"}

    def ask(self, name: str, object_id: str = "", **fields: Any) -> Json | None:
        """Call an operation, remember how to repeat it, and return the object that came of it."""
        self.number += 1
        key = f"{id(self)}-{self.number}"
        response = self.shop.call(name, object_id, key=key, **fields)
        asked_for = fields.get("code") is not None
        assert response.status_code < 500 or asked_for, response.text
        if response.status_code < 500 and name not in _WITHOUT_KEY:
            self.sent.append((response, lambda: self.shop.call(name, object_id, key=key, **fields)))
        return response.json() if response.is_success else None

    def note(self, kind: str, object_id: str) -> str:
        self.seen[kind, object_id] = self.shop.done(READ[kind], object_id)
        return object_id

    # --- Calls --------------------------------------------------------------------------------------------------------

    @initialize(target=wallets)
    def begin(self) -> str:
        return self.note("Charge Permission", self.shop.wallet())

    @rule(target=sessions, agree=st.booleans())
    def start(self, agree: bool) -> str:
        return self.note("Checkout Session", self.shop.visited() if agree else self.shop.session())

    @rule(target=sessions, amount=AMOUNTS, now=st.booleans())
    def start_a_purchase(self, amount: str, now: bool) -> str:
        intent = "AuthorizeWithCapture" if now else "Authorize"
        return self.note("Checkout Session", self.shop.visited(WALLET | purchase(amount, paymentIntent=intent)))

    @rule(target=sessions, wallet=wallets)
    def start_an_update(self, wallet: str) -> Any:
        made = self.ask(
            "createCheckoutSession", storeId=self.shop.account.store_id, **SET_UP, chargePermissionId=wallet
        )
        if made is None:
            return multiple()
        self.shop.buyer().walk(made["checkoutSessionId"])
        return self.note("Checkout Session", made["checkoutSessionId"])

    @rule(target=wallets, session=sessions, code=CODES["completeCheckoutSession"])
    def complete(self, session: str, code: str | None) -> Any:
        details = self.seen.get(("Checkout Session", session), {}).get("paymentDetails") or {}
        paid = {name: price for name, price in details.items() if name == "chargeAmount" and price}
        done = self.ask("completeCheckoutSession", session, code=code, **paid)
        if done and done["chargeId"]:
            self.note("Charge", done["chargeId"])
        return self.note("Charge Permission", done["chargePermissionId"]) if done else multiple()

    @rule(
        target=charges, wallet=wallets, amount=AMOUNTS, now=st.booleans(), wait=st.booleans(),
        code=CODES["createCharge"],
    )  # fmt: skip
    def charge(self, wallet: str, amount: str, now: bool, wait: bool, code: str | None) -> Any:
        flags = {"captureNow": now, "canHandlePendingAuthorization": wait}
        made = self.ask("createCharge", chargePermissionId=wallet, chargeAmount=usd(amount), code=code, **flags)
        return self.note("Charge", made["chargeId"]) if made else multiple()

    @rule(charge=charges, amount=AMOUNTS, code=CODES["captureCharge"])
    def capture(self, charge: str, amount: str, code: str | None) -> None:
        self.ask("captureCharge", charge, captureAmount=usd(amount), code=code)

    @rule(charge=charges)
    def cancel(self, charge: str) -> None:
        self.ask("cancelCharge", charge)

    @rule(target=refunds, charge=charges, amount=AMOUNTS, code=CODES["createRefund"])
    def refund(self, charge: str, amount: str, code: str | None) -> Any:
        made = self.ask("createRefund", chargeId=charge, refundAmount=usd(amount), code=code)
        return self.note("Refund", made["refundId"]) if made else multiple()

    @rule(wallet=wallets, cancel=st.booleans(), code=CODES["closeChargePermission"])
    def close(self, wallet: str, cancel: bool, code: str | None) -> None:
        self.ask("closeChargePermission", wallet, cancelPendingCharges=cancel, code=code)

    # --- What the merchant does not do --------------------------------------------------------------------------------

    @rule(wallet=wallets, cause=st.sampled_from(INTERRUPTIONS))
    def interrupt(self, wallet: str, cause: tuple[str, str]) -> None:
        row = MACHINES["Charge Permission"].leading_to(self.shop.state("getChargePermission", wallet), *cause)
        if row and row.actor != MERCHANT:
            self.shop.emulator.control.post(f"permissions/{wallet}", state=cause[0], reasonCode=cause[1])

    @rule(duration=DURATIONS)
    def let_time_pass(self, duration: str) -> None:
        at = [row["at"] for row in self.shop.emulator.clock.advance(duration)]
        assert at == sorted(at)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same key has the same answer forever, and changes nothing."""
        first, again = data.draw(st.sampled_from(self.sent))
        before = self.objects()
        replayed = again()
        assert (replayed.status_code, replayed.content) == (first.status_code, first.content)
        assert self.objects() == before

    # --- What holds after each step -----------------------------------------------------------------------------------

    def objects(self) -> dict[tuple[str, str], Json]:
        listed = {
            (kind, document[KINDS[kind].id_field]): document
            for kind in READ
            for document in self.shop.emulator.control.get(f"objects/{KINDS[kind].path}")["objects"]
        }
        # A session can be read for some time after its end only.
        found = {key: listed[key] for key in self.seen if key in listed}
        assert all(kind == "Checkout Session" for kind, _ in self.seen.keys() - found.keys())
        return found

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        now = self.objects()
        for (kind, object_id), thing in now.items():
            before = self.seen[kind, object_id]["statusDetails"]
            assert not MACHINES[kind].is_final(before["state"]) or thing["statusDetails"] == before
        self.seen = now

    @invariant()
    def money_stays_within_its_bounds(self) -> None:
        refunded: dict[str, Decimal] = {}
        months: dict[tuple[str, str], Decimal] = {}
        for (kind, _), thing in self.seen.items():
            if kind == "Refund" and thing["statusDetails"]["state"] != "Declined":
                charge_id = thing["chargeId"]
                refunded[charge_id] = refunded.get(charge_id, Decimal(0)) + _amount(thing["refundAmount"])
        for (kind, key), thing in self.seen.items():
            if kind != "Charge":
                continue
            captured, authorized = _amount(thing["captureAmount"]), _amount(thing["chargeAmount"])
            assert captured <= authorized
            assert refunded.get(key, Decimal(0)) <= captured + refund_allowance(captured, "USD")
            assert _amount(thing["refundedAmount"]) <= refunded.get(key, Decimal(0))
            month = thing["chargePermissionId"], thing["creationTimestamp"][:6]
            months[month] = months.get(month, Decimal(0)) + _counted(thing)
        assert all(used <= MONTHLY_LIMITS["na", "USD"] for used in months.values())

    @invariant()
    def what_is_held_belongs_to_an_open_purchase(self) -> None:
        """And each of them holds its amount once, if a month's limit has room for it."""
        charges = self.shop.emulator.control.get("objects/charges")["objects"]
        unknown = [charge for charge in charges if ("Charge", charge["chargeId"]) not in self.seen]
        held = [charge["chargeAmount"]["amount"] for charge in unknown if _counted(charge)]
        details = [thing["paymentDetails"] for (kind, _), thing in self.seen.items() if _is_open(kind, thing)]
        amounts = [row["chargeAmount"]["amount"] for row in details if row["chargeAmount"]]
        assert sorted(held) == sorted(amount for amount in amounts if Decimal(amount) <= MONTHLY_LIMITS["na", "USD"])


_WITHOUT_KEY = ("cancelCharge", "closeChargePermission")


def _is_open(kind: str, thing: Json) -> bool:
    return kind == "Checkout Session" and bool(thing["statusDetails"]["state"] == "Open")


def _amount(price: Json | None) -> Decimal:
    return Decimal(price["amount"]) if price else Decimal(0)


def _counted(charge: Json) -> Decimal:
    counts = {"AuthorizationInitiated", "Authorized", "CaptureInitiated"}
    open_amount = charge["chargeAmount"] if charge["statusDetails"]["state"] in counts else None
    return _amount(charge["captureAmount"] or open_amount)


def test_no_walk_breaks_a_promise(na: Shop) -> None:
    """No server error; nothing captured, refunded or charged in a month beyond its bound; the end is the end."""
    Merchant.shop = na
    machine = Merchant.TestCase
    machine.settings = settings(
        max_examples=size(10, 40), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )
    machine().runTest()
