"""The life of the four objects, as rows.

An object is always in one state.  Something happens to it: a *trigger*, caused by an *actor*.  If the machine has a row
for (state, trigger), the object moves to the row's target and takes its reason code; if it has none, the trigger is
not allowed and nothing changes.  Every change of state is a row of this file, and only `move` in the emulator writes
one; what is asked before a row is taken (amounts, limits, whether the buyer has agreed) is in the emulator's modules.

Three conventions keep the table small:

* `NEW` is the state of an object that does not exist yet; its rows are the ways to come into being.
* A request that Amazon may answer at once or later takes two rows: the merchant's row leads to an ``…Initiated`` state,
  and Amazon's row leads out of it, in the same request or after a while.
* What follows on a related object is named in `then`, so that no coupling hides in code.

Time is an actor: `TIMERS` says which trigger the clock pulls, and how long after the state was entered.

The file does not know who reads it.  The emulator moves objects by it, displays list what a merchant may do, and
documents draw it; the pages that a buyer sees come from `spec.visits`.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

__all__ = [
    "BUYER_SHOWN",
    "CHARGE",
    "CHARGE_PERMISSION",
    "CHECKOUT_SESSION",
    "MACHINES",
    "NEW",
    "REFUND",
    "TIMERS",
    "Actor",
    "FollowUp",
    "Machine",
    "NotAllowed",
    "Timer",
    "Transition",
]

NEW = "New"


class Actor(StrEnum):
    """Who causes a transition."""

    MERCHANT = "merchant"
    BUYER = "buyer"
    AMAZON = "Amazon"
    CLOCK = "clock"


MERCHANT, BUYER, AMAZON, CLOCK = Actor


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A trigger for the related objects, pulled when the row is taken.

    Attributes:
        machine: Name of the related object's machine.
        trigger: What happens to each related object whose state allows it.
        when: A flag of the request that must be true, or "" for always.
    """

    machine: str
    trigger: str
    when: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: in *source*, *actor* causes *trigger*, and the object is in *target* for *reason*."""

    source: str
    trigger: str
    actor: Actor
    target: str
    reason: str | None = None
    then: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """What the clock (or Amazon, later) does when an object stays in *state* for *after*."""

    machine: str
    state: str
    trigger: str
    after: timedelta


class NotAllowed(Exception):
    """The machine has no row for this state and trigger.

    Attributes:
        possible: The triggers that a merchant may use in this state.
    """

    def __init__(self, machine: "Machine", state: str, trigger: str) -> None:
        self.machine, self.state, self.trigger = machine, state, trigger
        self.possible = tuple(row.trigger for row in machine.allowed(state, MERCHANT))
        super().__init__(
            f'{machine.name} is {state}: "{trigger}" is not possible '
            f"(possible: {', '.join(self.possible) or 'nothing'})"
        )


class Machine:
    """An immutable set of rows; the current state lives in the object, never here."""

    def __init__(self, name: str, rows: tuple[Transition, ...]) -> None:
        self.name = name
        self.rows = rows
        self._by_key = {(row.source, row.trigger): row for row in rows}
        if len(self._by_key) != len(rows):
            raise ValueError(f"{name}: two rows share a state and a trigger")

    @property
    def states(self) -> tuple[str, ...]:
        """The states in the order in which the rows first name them, without `NEW`."""
        named = dict.fromkeys(state for row in self.rows for state in (row.source, row.target))
        return tuple(state for state in named if state != NEW)

    @property
    def triggers(self) -> tuple[str, ...]:
        """Every trigger once, in row order."""
        return tuple(dict.fromkeys(row.trigger for row in self.rows))

    def has(self, state: str, trigger: str) -> bool:
        """Tell whether there is a row for *state* and *trigger*."""
        return (state, trigger) in self._by_key

    def step(self, state: str, trigger: str) -> Transition:
        """Return the row for *state* and *trigger*.

        Raises:
            NotAllowed: There is none.
        """
        try:
            return self._by_key[state, trigger]
        except KeyError:
            raise NotAllowed(self, state, trigger) from None

    def allowed(self, state: str, actor: Actor) -> tuple[Transition, ...]:
        """Return what *actor* may do with the object in *state*, without what reaches it by way of another object."""
        rows = (row for row in self.rows if row.source == state and row.actor == actor)
        return tuple(row for row in rows if (self.name, row.trigger) not in FOLLOWED)

    def leading_to(self, source: str, target: str, reason: str | None) -> Transition | None:
        """Return the row that only Amazon, the buyer or the clock takes from *source* to *target* for *reason*."""
        for row in self.rows:
            if (row.source, row.target, row.reason) == (source, target, reason) and row.actor != MERCHANT:
                return row
        return None

    def is_final(self, state: str) -> bool:
        """Tell whether no row leads out of *state* to another one."""
        return all(row.target == state for row in self.rows if row.source == state)

    def mermaid(self) -> str:
        """Return a Mermaid ``stateDiagram-v2``; parallel rows share an arrow."""
        arrows: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            label = f"{row.trigger} ({row.actor})"
            arrows.setdefault((row.source, row.target), []).append(label)
        name = {NEW: "[*]"}
        lines = ["stateDiagram-v2"]
        for (source, target), labels in arrows.items():
            text = labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"
            lines.append(f"    {name.get(source, source)} --> {name.get(target, target)}: {text}")
        lines += [f"    {state} --> [*]" for state in self.states if self.is_final(state)]
        return "\n".join(lines)


T = Transition

CHECKOUT_SESSION = Machine(
    "Checkout Session",
    (
        T(NEW, "Create Checkout Session", MERCHANT, "Open"),
        T(NEW, "Click the button", BUYER, "Open"),
        T("Open", "Update Checkout Session", MERCHANT, "Open"),
        T("Open", "Agree", BUYER, "Open"),
        T("Open", "Complete Checkout Session", MERCHANT, "Completed"),
        T("Open", "Finalize Checkout Session", MERCHANT, "Completed"),
        T("Open", "Cancel", BUYER, "Canceled", "BuyerCanceled"),
        T("Open", "Decline", AMAZON, "Canceled", "Declined"),
        T("Open", "Cancel by Amazon", AMAZON, "Canceled", "AmazonCanceled"),
        T("Open", "Expire", CLOCK, "Canceled", "Expired"),
    ),
)

# Why a Charge Permission stops being chargeable without a call of the merchant: (reason code, trigger, actor).
_INTERRUPTIONS = (
    ("PaymentMethodInvalid", "Payment method refused by the bank", AMAZON),
    ("PaymentMethodDeleted", "Delete the payment method", BUYER),
    ("BillingAddressDeleted", "Delete the billing address", BUYER),
    ("PaymentMethodExpired", "Payment method expires", AMAZON),
    ("PaymentMethodNotAllowed", "Payment method no longer allowed", AMAZON),
    ("PaymentMethodNotSet", "Payment method removed", AMAZON),
    ("MFAFailed", "Fail the challenge", BUYER),
    ("ChargeInProgress", "A charge uses the whole limit", AMAZON),
)
# What is canceled, rather than closed, takes its open charges with it.  [inferred from ChargePermissionCanceled]
_CANCEL_CHARGES = (FollowUp("Charge", "Close Charge Permission"),)
_CLOSURES = (
    ("MerchantCanceled", "Cancel in Seller Central", AMAZON, _CANCEL_CHARGES),
    ("BuyerCanceled", "Cancel the agreement", BUYER, _CANCEL_CHARGES),
    ("BuyerClosed", "Close the agreement", BUYER, ()),
    ("AmazonCanceled", "Cancel by Amazon", AMAZON, _CANCEL_CHARGES),
    ("AmazonClosed", "Close by Amazon", AMAZON, ()),
    ("Expired", "Expire", CLOCK, ()),
)
_CANCEL_PENDING = FollowUp("Charge", "Close Charge Permission", when="cancelPendingCharges")

CHARGE_PERMISSION = Machine(
    "Charge Permission",
    (
        T(NEW, "Complete Checkout Session", MERCHANT, "Chargeable"),
        T("Chargeable", "Create Charge", MERCHANT, "Chargeable"),
        T("Chargeable", "Update Charge Permission", MERCHANT, "Chargeable"),
        T("NonChargeable", "Update Charge Permission", MERCHANT, "NonChargeable"),
        T("Closed", "Update Charge Permission", MERCHANT, "Closed"),
        T("Chargeable", "Close Charge Permission", MERCHANT, "Closed", "MerchantClosed", (_CANCEL_PENDING,)),
        T("NonChargeable", "Close Charge Permission", MERCHANT, "Closed", "MerchantClosed", (_CANCEL_PENDING,)),
        T("Chargeable", "Update the payment method", BUYER, "Chargeable"),
        T("NonChargeable", "Update the payment method", BUYER, "Chargeable"),
        T("NonChargeable", "The charge in progress ends", AMAZON, "Chargeable"),
        *(
            T(source, trigger, actor, "NonChargeable", reason)
            for source in ("Chargeable", "NonChargeable")
            for reason, trigger, actor in _INTERRUPTIONS
        ),
        *(
            T(source, trigger, actor, "Closed", reason, then)
            for source in ("Chargeable", "NonChargeable")
            for reason, trigger, actor, then in _CLOSURES
        ),
    ),
)

_DECLINES = ("SoftDeclined", "HardDeclined", "AmazonRejected", "ProcessingFailure", "TransactionTimedOut")
# A hard decline says that the payment method itself is not usable any more.
_AFTER_DECLINE = {"HardDeclined": (FollowUp("Charge Permission", "Payment method refused by the bank"),)}

CHARGE = Machine(
    "Charge",
    (
        T(NEW, "Create Charge", MERCHANT, "AuthorizationInitiated"),
        T("AuthorizationInitiated", "Authorize", AMAZON, "Authorized"),
        *(
            T(
                "AuthorizationInitiated",
                f"Decline: {reason}",
                AMAZON,
                "Declined",
                reason,
                _AFTER_DECLINE.get(reason, ()),
            )
            for reason in _DECLINES
        ),
        T("Authorized", "Capture Charge", MERCHANT, "CaptureInitiated"),
        T("CaptureInitiated", "Capture", AMAZON, "Captured"),
        *(
            T("CaptureInitiated", f"Decline: {reason}", AMAZON, "Declined", reason, _AFTER_DECLINE.get(reason, ()))
            for reason in _DECLINES
        ),
        T("Captured", "Create Refund", MERCHANT, "Captured"),
        *(
            T(source, trigger, actor, "Canceled", reason)
            for source in ("AuthorizationInitiated", "Authorized")
            for trigger, actor, reason in (
                ("Cancel Charge", MERCHANT, "MerchantCanceled"),
                ("Close Charge Permission", MERCHANT, "ChargePermissionCanceled"),
                ("Cancel by Amazon", AMAZON, "AmazonCanceled"),
                ("Cancel", BUYER, "BuyerCanceled"),
            )
        ),
        T("Authorized", "Expire", CLOCK, "Canceled", "ExpiredUnused"),
    ),
)

REFUND = Machine(
    "Refund",
    (
        T(NEW, "Create Refund", MERCHANT, "RefundInitiated"),
        T("RefundInitiated", "Refund", AMAZON, "Refunded"),
        T("RefundInitiated", "Decline: AmazonRejected", AMAZON, "Declined", "AmazonRejected"),
        T("RefundInitiated", "Decline: ProcessingFailure", AMAZON, "Declined", "ProcessingFailure"),
    ),
)

MACHINES = {machine.name: machine for machine in (CHECKOUT_SESSION, CHARGE_PERMISSION, CHARGE, REFUND)}
# What happens to an object because something was done with another one.
FOLLOWED = frozenset(
    (then.machine, then.trigger) for machine in MACHINES.values() for row in machine.rows for then in row.then
)

TIMERS = (
    Timer("Checkout Session", "Open", "Expire", timedelta(hours=24)),
    Timer("Charge", "AuthorizationInitiated", "Authorize", timedelta(seconds=30)),
    Timer("Charge", "CaptureInitiated", "Capture", timedelta(seconds=30)),
    Timer("Charge", "Authorized", "Expire", timedelta(days=30)),
    Timer("Refund", "RefundInitiated", "Refund", timedelta(seconds=30)),
)

# How long a Charge Permission of each type shows the buyer's details, and from when that is counted.
BUYER_SHOWN = {
    "OneTime": ("creation", timedelta(days=30)),
    "Recurring": ("closing", timedelta(days=30)),
    "PaymentMethodOnFile": ("closing", timedelta(0)),
}
