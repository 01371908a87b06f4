"""Every operation met by every transport fault, and sent again: how often the work was done, and what money moved.

What is expected comes from the tables alone.  A fault comes before the work or after it; the second request replays the
first one's answer if it carries the same idempotency key and the work was done, and is judged by the object's new state
otherwise.  What happened is read off the objects, never off the answers that got lost.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import partial
from typing import Any

from amazonpay_nb.client.client import ATTEMPTS, AmazonPayClient, new_idempotency_key
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.control import KINDS
from amazonpay_nb.errors import TransportError
from amazonpay_nb.lessons.account import NOT_TRIED, Stage
from amazonpay_nb.spec.operations import OPERATIONS, THROTTLES, Idempotency, Operation
from amazonpay_nb.spec.states import CHARGE_PERMISSION, CHECKOUT_SESSION, MACHINES

__all__ = [
    "FAULTS",
    "Booked",
    "Books",
    "Burst",
    "Drill",
    "Fault",
    "Lost",
    "booked",
    "books",
    "lose_the_answer",
    "play_burst",
    "play_faults",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """A transport fault, as the control interface takes it.

    Attributes:
        name: What the tables call it.
        settings: ``fault`` and what goes with it.
        works: Whether the work is done.
    """

    name: str
    settings: dict[str, Any]
    works: bool


# What the client repeats by itself meets the fault each time, so that it gives up in the end.
_EACH_TIME = {"times": ATTEMPTS}
FAULTS = (
    Fault("delay", {"fault": "delay", "seconds": 0.01}, works=True),
    Fault("reset", {"fault": "reset", **_EACH_TIME}, works=False),
    Fault("429", {"fault": "status", "status": 429, **_EACH_TIME}, works=False),
    Fault("503", {"fault": "status", "status": 503, **_EACH_TIME}, works=False),
    Fault("drop-after-commit", {"fault": "drop-after-commit", **_EACH_TIME}, works=True),
)


@dataclass(frozen=True, slots=True)
class Books:
    """What Amazon's side holds: money, sessions that are open, and Charge Permissions that are not closed."""

    authorised: Decimal = Decimal(0)
    captured: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    sessions: int = 0
    permissions: int = 0

    def __add__(self, other: "Books") -> "Books":
        return Books(*(getattr(self, row.name) + getattr(other, row.name) for row in fields(self)))

    def __mul__(self, times: int) -> "Books":
        return Books(*(getattr(self, row.name) * times for row in fields(self)))

    def __sub__(self, other: "Books") -> "Books":
        return self + other * -1

    def __str__(self) -> str:
        found = ((row.name, getattr(self, row.name)) for row in fields(self))
        return ", ".join(f"{name} {value:+}" for name, value in found if value)


@dataclass(frozen=True, slots=True)
class Drill:
    """A request that met a fault, and was sent again.

    Attributes:
        first: What the merchant heard.
        key: Whether the second request carried the same idempotency key; "none" where the call takes none.
        second: The answer to the second request.
        moved: What changed in Amazon's books by both together.
        done: How often the work was done, as far as the books tell: a reading call moves nothing.
        as_expected: Whether that is what the idempotency rules say.
    """

    operation: str
    fault: str
    key: str
    first: str
    second: str
    moved: str
    done: str
    as_expected: bool


# --- Amazon's books ---------------------------------------------------------------------------------------------------

# What the amount of a charge or refund counts as, by state; in any other state it counts as nothing.
_COLUMNS = {
    "Authorized": "authorised",
    "CaptureInitiated": "authorised",
    "Captured": "captured",
    "RefundInitiated": "refunded",
    "Refunded": "refunded",
}


def books(stage: Stage) -> Books:
    """Add up every object that there is, also one whose answer was lost."""
    documents = ((kind, stage.emulator.control.get(f"objects/{kind}")["objects"]) for kind in KINDS)
    return sum((_entry(kind, document) for kind, found in documents for document in found), Books())


def _entry(kind: str, document: dict[str, Any]) -> Books:
    state = document["statusDetails"]["state"]
    if kind == "checkoutSessions":
        return Books(sessions=int(not CHECKOUT_SESSION.is_final(state)))
    if kind == "chargePermissions":
        return Books(permissions=int(not CHARGE_PERMISSION.is_final(state)))
    price = document.get("captureAmount") or document.get("chargeAmount") or document["refundAmount"]
    moved: dict[str, Any] = {_COLUMNS[state]: Decimal(price["amount"])} if state in _COLUMNS else {}
    return Books(**moved)


# --- The matrix -------------------------------------------------------------------------------------------------------

_NOBODY = "nobody-has-signed-in"
_Sender = Callable[..., Any]


def play_faults(region: str = "na", operations: tuple[str, ...] = tuple(OPERATIONS)) -> list[Drill]:
    """Play every operation with every fault and either key, on an emulator of its own."""
    with Stage.new(region) as stage:
        return [drill for name in operations for drill in _play(stage, OPERATIONS[name])]


def _play(stage: Stage, operation: Operation) -> Iterator[Drill]:
    stage.emulator.reset()
    send = _SENDERS[operation.name](stage)
    before, snapshot = books(stage), stage.emulator.snapshot()
    stage.attempt(send)
    unit = books(stage) - before
    for fault in FAULTS:
        for key in _keys(operation):
            stage.emulator.restore(snapshot)
            yield _drill(stage, operation, fault, key, send, before, unit)


def _keys(operation: Operation) -> tuple[str, ...]:
    return ("none",) if operation.idempotency is Idempotency.WITHOUT_EFFECT else ("same", "new")


def _drill(
    stage: Stage, operation: Operation, fault: Fault, key: str, send: _Sender, before: Books, unit: Books
) -> Drill:
    stage.emulator.control.post("faults", operation=operation.name, **fault.settings)
    kept = {} if key == "none" else {"idempotency_key": new_idempotency_key()}
    first = stage.attempt(partial(send, **kept))
    second = stage.attempt(partial(send, **(kept if key == "same" else {})))
    moved = books(stage) - before
    observed = (str(times) for times in range(3) if unit != Books() and moved == unit * times)
    expected = unit * expected_times(operation, fault, key)
    return Drill(
        operation.title, fault.name, key, first.text, second.text, str(moved), next(observed, ""), moved == expected
    )


def expected_times(operation: Operation, fault: Fault, key: str) -> int:
    """Return how often two requests do the work, as the tables say."""
    if not fault.works:
        return 1
    return 1 if key == "same" or not _possible_again(operation) else 2


def _possible_again(operation: Operation) -> bool:
    """Whether the state that the call leads to allows it once more; without a state it always is."""
    rows = MACHINES[operation.acts_on].rows if operation.acts_on else ()
    leads_to = {row.target for row in rows if row.trigger == operation.title}
    return all(MACHINES[operation.acts_on].has(target, operation.title) for target in leads_to)


# --- One request of each operation, on an object that is ready for it -------------------------------------------------


def _agreed(stage: Stage) -> str:
    return stage.visit(stage.session(pay=True))


def _refunded(stage: Stage) -> str:
    charge_id = stage.charge(capture_now=True)
    return stage.client.create_refund(charge_id=charge_id, refund_amount=stage.amount).refund_id


_NOTE = {"merchant_metadata": {"noteToBuyer": "Thank you"}}
_RETURN = {"web_checkout_details": {"checkoutResultReturnUrl": "https://shop.example/result"}}

_SENDERS: dict[str, Callable[[Stage], _Sender]] = {
    "createCheckoutSession": lambda stage: partial(
        stage.client.create_checkout_session, store_id=stage.emulator.store_id, **_RETURN
    ),
    "getCheckoutSession": lambda stage: partial(stage.client.get_checkout_session, stage.session()),
    "updateCheckoutSession": lambda stage: partial(stage.client.update_checkout_session, stage.session(), **_NOTE),
    "completeCheckoutSession": lambda stage: partial(
        stage.client.complete_checkout_session, _agreed(stage), charge_amount=stage.amount
    ),
    "finalizeCheckoutSession": lambda stage: partial(
        stage.client.finalize_checkout_session, _agreed(stage), charge_amount=stage.amount
    ),
    "getChargePermission": lambda stage: partial(stage.client.get_charge_permission, stage.wallet()),
    "updateChargePermission": lambda stage: partial(stage.client.update_charge_permission, stage.wallet(), **_NOTE),
    "closeChargePermission": lambda stage: partial(
        stage.client.close_charge_permission, stage.wallet(), closure_reason="A drill."
    ),
    "createCharge": lambda stage: partial(
        stage.client.create_charge, charge_permission_id=stage.wallet(), charge_amount=stage.amount
    ),
    "getCharge": lambda stage: partial(stage.client.get_charge, stage.charge()),
    "captureCharge": lambda stage: partial(stage.client.capture_charge, stage.charge(), capture_amount=stage.amount),
    "cancelCharge": lambda stage: partial(stage.client.cancel_charge, stage.charge(), cancellation_reason="A drill."),
    "createRefund": lambda stage: partial(
        stage.client.create_refund, charge_id=stage.charge(capture_now=True), refund_amount=stage.part
    ),
    "getRefund": lambda stage: partial(stage.client.get_refund, _refunded(stage)),
    # Nobody has signed in, and the refusal is an answer as good as any.
    "getBuyer": lambda stage: partial(stage.client.get_buyer, _NOBODY),
}


# --- One after the other, for a reader --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lost:
    """A charge whose answer did not arrive.

    Attributes:
        idempotency_key: The key that it was sent with.
        heard: What the shop's server knows.
    """

    idempotency_key: str
    heard: str


def lose_the_answer(client: AmazonPayClient, emulator: Emulator | None, **charge: Any) -> Lost:
    """Create a charge and lose the answer, as often as the client repeats it; without an emulator it arrives."""
    if emulator:
        emulator.faults("createCharge", "drop-after-commit", times=ATTEMPTS)
    heard = f"{NOT_TRIED}: the answer arrived"
    try:
        client.create_charge(**charge)
    except TransportError as error:
        heard = error.message
    return Lost(client.journal.exchanges[-1].idempotency_key, heard)


@dataclass(frozen=True, slots=True)
class Booked:
    """A charge in Amazon's own books.

    Attributes:
        requests: How many requests were answered with it, whether the answer arrived or not.
    """

    charge_id: str
    idempotency_key: str
    requests: int


def booked(emulator: Emulator | None, charge_permission_id: str) -> list[Booked]:
    """Return the charges of a permission as Amazon's side knows them; without an emulator nobody can look there."""
    if emulator is None:
        return [Booked(NOT_TRIED, "", 0)]
    rows = emulator.control.get("journal")["exchanges"]
    found = Counter(
        (row["ids"]["chargeId"], row["idempotencyKey"])
        for row in rows
        if row["operation"] == "createCharge" and row["ids"].get("chargePermissionId") == charge_permission_id
    )
    return [Booked(*names, count) for names, count in found.items()]


@dataclass(frozen=True, slots=True)
class Burst:
    """One of many calls in the same second."""

    second: int
    call: int
    answer: str


def play_burst(region: str = "na") -> list[Burst]:
    """Create one charge more than the Sandbox's quota allows at once, and the same a second later."""
    quota = THROTTLES["createCharge"].sandbox or THROTTLES["createCharge"].live
    with Stage.new(region, throttle=True) as stage:
        create = partial(stage.client.create_charge, charge_permission_id=stage.wallet(), charge_amount=stage.amount)
        rows = [Burst(0, number, stage.attempt(create).text) for number in range(1, quota.burst + 2)]
        stage.emulator.clock.advance("PT1S")
        return rows + [Burst(1, number, stage.attempt(create).text) for number in range(1, quota.per_second + 2)]
