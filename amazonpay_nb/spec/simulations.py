"""Simulations that make the Sandbox misbehave on purpose: the buyer's cards and the merchant's codes.

Amazon's own table of codes could not be read in full, so rows of weaker evidence say so; in the emulator, this file is
the whole vocabulary. A code overrides the card.

An emulator has no cause for some documented refusals: its account is always active, its machines do not fail. To make
them testable, it takes their reason codes as simulation codes: those of `ANYWHERE` for any operation, others as rows
of one.
"""

from dataclasses import dataclass
from enum import StrEnum

from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.reasons import REASONS
from amazonpay_nb.spec.states import timer

SIMULATION_HEADER = "x-amz-pay-simulation-code"
# A pending payment is decided when the clock says so.
PENDING_SECONDS = int(timer("Charge", "AuthorizationInitiated", "Authorize").total_seconds())

_D, _R, _I, _E = Evidence.DOCUMENTED, Evidence.RECORDED, Evidence.INFERRED, Evidence.EMULATOR_ONLY


class CardEffect(StrEnum):
    """The effect of choosing a card."""

    SUCCESS = "success"
    BUYER_CANCELED = "buyer canceled"
    DECLINED = "declined"
    PENDING_AUTHORIZED = "pending, then authorized"
    PENDING_DECLINED = "pending, then declined"
    DECLINE_ON_PAGE = "declined on the processing page"
    FAIL_CHALLENGE = "fails the challenge"


@dataclass(frozen=True, slots=True)
class SimulatedCard:
    """A payment method of a Sandbox test buyer.

    Attributes:
        last4: The digits that identify it.
        effect: What it leads to, in one sentence.
        trigger: The same as a word for programs.
        prerequisite: What the session must hold, or "".
        marked: Amazon shows it with ``*`` in a test buyer's wallet.
    Spec: "Sandbox simulations".
    """

    last4: str
    brand: str
    effect: str
    trigger: CardEffect
    prerequisite: str
    evidence: Evidence
    marked: bool

    @property
    def descriptor(self) -> str:
        """The text of ``paymentDescriptor``."""
        return f"{self.brand} ****{self.last4} (Amazon Pay)"

    @property
    def requires_pending(self) -> bool:
        """Whether the session must be able to handle a pending authorization."""
        return self.trigger in (CardEffect.PENDING_AUTHORIZED, CardEffect.PENDING_DECLINED)


_WORKS = "The payment is authorized, or the Charge Permission becomes Chargeable."
_CAN_WAIT = "paymentIntent Authorize and canHandlePendingAuthorization true"

_CARD_ROWS = (
    ("1111", "Visa", _WORKS, CardEffect.SUCCESS, "", _D, True),
    ("0005", "Amex", _WORKS, CardEffect.SUCCESS, "", _D, True),
    ("4444", "Mastercard", _WORKS, CardEffect.SUCCESS, "", _D, True),
    ("9424", "Discover", _WORKS, CardEffect.SUCCESS, "", _D, True),
    ("0000", "JCB", _WORKS, CardEffect.SUCCESS, "", _D, True),
    ("3064", "Visa", "The session is Canceled with BuyerCanceled once the buyer is back at the result address.",
     CardEffect.BUYER_CANCELED, "", _D, True),
    ("3434", "Visa", "The session is Canceled with Declined once the buyer is back at the result address.",
     CardEffect.DECLINED, "", _D, True),
    ("0701", "Visa", f"The authorization is pending, and granted after {PENDING_SECONDS} seconds.",
     CardEffect.PENDING_AUTHORIZED, _CAN_WAIT, _D, True),
    ("4354", "Visa", f"The authorization is pending, and declined with HardDeclined after {PENDING_SECONDS} seconds.",
     CardEffect.PENDING_DECLINED, _CAN_WAIT, _D, True),
    ("9995", "Visa", "Declined on the processing page, where the buyer may choose another card.",
     CardEffect.DECLINE_ON_PAGE, "", _E, False),
    ("9987", "Visa", "The buyer fails the challenge.", CardEffect.FAIL_CHALLENGE, "", _E, False),
)  # fmt: skip

CARDS: dict[str, SimulatedCard] = {row[0]: SimulatedCard(*row) for row in _CARD_ROWS}


@dataclass(frozen=True, slots=True)
class Simulation:
    """The effect of a simulation code on one operation.

    Attributes:
        status: HTTP status of the answer.
        note: A remark, or "".
        reason_code: ``reasonCode`` of the error body, or None where the call succeeds.
        state: State of the object right afterward, or None if no object changes.
        later_state: State that it moves to by itself after `PENDING_SECONDS`, or None.
        later_reason: ``statusDetails`` reason of the last state, or None.
    Spec: "Sandbox simulations".
    """

    operation: str
    code: str
    status: int
    evidence: Evidence
    note: str = ""
    reason_code: str | None = None
    state: str | None = None
    later_state: str | None = None
    later_reason: str | None = None


def _refused(operation: str, code: str, evidence: Evidence, note: str = "", *, reason: str = "") -> Simulation:
    reason = reason or code
    return Simulation(operation, code, REASONS[reason].status_codes[0], evidence, note, reason)


def _canceled(code: str) -> Simulation:
    # The session has moved, so the answer is that of a call on a Canceled session.
    note, reason = f"The session is Canceled with {code}.", "CheckoutSessionCanceled"
    return Simulation("completeCheckoutSession", code, 422, _R, note, reason, "Canceled", None, code)


def _pending(
    operation: str, code: str, status: int, states: tuple[str, str], evidence: Evidence, note: str, reason: str | None
) -> Simulation:
    return Simulation(operation, code, status, evidence, note, None, *states, reason)


_GUESSED = "Amazon's spelling of this code is not known."
_AUTHORIZED = ("AuthorizationInitiated", "Authorized")
_AUTHORIZATION_DECLINED = ("AuthorizationInitiated", "Declined")
_CAPTURED = ("CaptureInitiated", "Captured")
_CAPTURE_DECLINED = ("CaptureInitiated", "Declined")
_REFUND_DECLINED = ("RefundInitiated", "Declined")
_NEEDS_PENDING = "Needs canHandlePendingAuthorization true."
_STAYS = "The Charge stays Authorized."

_SIMULATION_ROWS = (
    _canceled("BuyerCanceled"),
    _canceled("AmazonCanceled"),
    _canceled("Declined"),
    _pending("completeCheckoutSession", "AuthorizationInitiated", 202, _AUTHORIZED, _R,
             f"The states are the Charge's. {_NEEDS_PENDING}", None),
    _refused("createCharge", "SoftDeclined", _R),
    _refused("createCharge", "HardDeclined", _R, "The Charge Permission becomes NonChargeable (PaymentMethodInvalid)."),
    _refused("createCharge", "AmazonRejected", _R, "At Amazon this may close the Charge Permission; not here."),
    _refused("createCharge", "TransactionTimedOut", _R),
    _refused("createCharge", "MFANotCompleted", _I, "The reason code is known, the simulation code is a guess."),
    _refused("createCharge", "PaymentMethodNotAllowed", _E),
    _refused("createCharge", "ProcessingFailure", _I),
    _pending("createCharge", "AuthorizationInitiated", 201, _AUTHORIZED, _I, f"{_NEEDS_PENDING} {_GUESSED}", None),
    _pending("createCharge", "PendingHardDeclined", 201, _AUTHORIZATION_DECLINED, _I, f"{_NEEDS_PENDING} {_GUESSED}",
             "HardDeclined"),
    _pending("createCharge", "CaptureInitiated", 201, _CAPTURED, _R, "Needs captureNow true.", None),
    _refused("captureCharge", "SoftDeclined", _I, _STAYS),
    _refused("captureCharge", "HardDeclined", _I, f"{_STAYS} The Charge Permission becomes NonChargeable."),
    _refused("captureCharge", "AmazonRejectedAtOnce", _E, _STAYS, reason="AmazonRejected"),
    _refused("captureCharge", "TransactionCountExceeded", _E, "A Charge is captured once; nothing else causes it."),
    _refused("captureCharge", "ProcessingFailure", _I, _STAYS),
    _pending("captureCharge", "CaptureInitiated", 200, _CAPTURED, _R, "", None),
    _pending("captureCharge", "AmazonRejected", 200, _CAPTURE_DECLINED, _R, "Accepted first, declined later.",
             "AmazonRejected"),
    Simulation("closeChargePermission", "AmazonClosed", 200, _R, "Closed as if by Amazon, not by the merchant.",
               state="Closed", later_reason="AmazonClosed"),
    _refused("createRefund", "AmazonRejectedAtOnce", _E, "No Refund is made.", reason="AmazonRejected"),
    _pending("createRefund", "AmazonRejected", 201, _REFUND_DECLINED, _I, "", "AmazonRejected"),
    _pending("createRefund", "ProcessingFailure", 201, _REFUND_DECLINED, _I, "", "ProcessingFailure"),
)  # fmt: skip

SIMULATIONS: dict[tuple[str, str], Simulation] = {(row.operation, row.code): row for row in _SIMULATION_ROWS}

# Refusals of any operation that an emulator has no cause for; it gives them on request.  [emulator-only]
ANYWHERE = (
    "InvalidAPIVersion", "InvalidAccountStatus", "RequestNotSupported", "RequestTimeout", "TLSVersionNotSupported",
    "InternalServerError", "ServiceUnavailable",
)  # fmt: skip


def simulation(operation: str, code: str) -> Simulation | None:
    """Return the effect of *code* on *operation*, or None if it is not a code for that call."""
    if code in ANYWHERE and operation in OPERATIONS:
        return _refused(operation, code, _E, "Nothing is done.")
    return SIMULATIONS.get((operation, code))


def codes_for(operation: str) -> tuple[str, ...]:
    """Return the simulation codes of *operation*, in table order."""
    return tuple(row.code for row in SIMULATIONS.values() if row.operation == operation)
