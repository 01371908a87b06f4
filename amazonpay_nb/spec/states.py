"""The life of the five objects, as rows.

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
documents draw it; the pages that a buyer sees come from `spec.flows`.
"""

from collections.abc import Mapping
from datetime import timedelta

from amazonpay_nb.spec.machine import AMAZON, BUYER, CLOCK, MERCHANT, NEW, FollowUp, Machine, Timer, Transition, family

T = Transition

# What a buyer agrees to pay is authorized at once, in a charge that is the session's until the shop completes it.  The
# money is released with the session, and where the buyer agrees anew.
_RELEASE = (FollowUp("Charge", "Cancel by Amazon"),)
_RELEASE_BY_BUYER = (FollowUp("Charge", "Cancel"),)
_TAKE_OVER = (FollowUp("Charge", "Complete Checkout Session", when="chargeAmount"),)
HELD = "held"  # the flag of what follows only while a charge is the session's

CHECKOUT_SESSION = Machine(
    "Checkout Session",
    (
        T(NEW, "Create Checkout Session", MERCHANT, "Open"),
        T(NEW, "Click the button", BUYER, "Open"),
        T("Open", "Update Checkout Session", MERCHANT, "Open"),
        T("Open", "Agree", BUYER, "Open", None, _RELEASE_BY_BUYER),
        T("Open", "Complete Checkout Session", MERCHANT, "Completed"),
        T("Open", "Finalize Checkout Session", MERCHANT, "Completed"),
        T("Open", "Cancel", BUYER, "Canceled", "BuyerCanceled", _RELEASE_BY_BUYER),
        T("Open", "Decline", AMAZON, "Canceled", "Declined", _RELEASE),
        T("Open", "Cancel by Amazon", AMAZON, "Canceled", "AmazonCanceled", _RELEASE),
        T("Open", "Expire", CLOCK, "Canceled", "Expired", _RELEASE),
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
# A cancellation, unlike a closing, also cancels the open charges.  [inferred from ChargePermissionCanceled]
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
        T(NEW, "Complete Checkout Session", MERCHANT, "Chargeable", None, _TAKE_OVER),
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
# After a hard decline the payment method itself can no longer be used.
_AFTER_DECLINE = {"HardDeclined": (FollowUp("Charge Permission", "Payment method refused by the bank"),)}
# An authorization that Amazon rejects ends a one-time permission; a Saved Wallet stays open.
_AFTER_REFUSAL = {"AmazonRejected": (FollowUp("Charge Permission", "Close by Amazon", when="OneTime"),)}


def _declines(
    state: str, then: Mapping[str, tuple[FollowUp, ...]] = _AFTER_DECLINE, *always: FollowUp
) -> list[Transition]:
    return [
        T(state, f"Decline: {reason}", AMAZON, "Declined", reason, (*then.get(reason, ()), *always))
        for reason in _DECLINES
    ]


CHARGE = Machine(
    "Charge",
    (
        T(NEW, "Create Charge", MERCHANT, "AuthorizationInitiated"),
        T(NEW, "Agree", BUYER, "AuthorizationInitiated"),
        T("AuthorizationInitiated", "Authorize", AMAZON, "Authorized"),
        *_declines(
            "AuthorizationInitiated", _AFTER_DECLINE | _AFTER_REFUSAL, FollowUp("Checkout Session", "Decline", HELD)
        ),
        T("AuthorizationInitiated", "Complete Checkout Session", MERCHANT, "AuthorizationInitiated"),
        T("Authorized", "Complete Checkout Session", MERCHANT, "Authorized"),
        T("Authorized", "Capture Charge", MERCHANT, "CaptureInitiated"),
        T("CaptureInitiated", "Capture", AMAZON, "Captured"),
        *_declines("CaptureInitiated"),
        T("Captured", "Create Refund", MERCHANT, "Captured"),
        T("Captured", "File a chargeback", BUYER, "Captured"),
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

RESOLUTIONS = ("MerchantWon", "BuyerWon", "NoFault")

# States, reason codes and resolutions are Amazon's; which of them go together is inferred from their descriptions.
DISPUTE = Machine(
    "Dispute",
    (
        T(NEW, "File a chargeback", BUYER, "ActionRequired", "MerchantResponseRequired"),
        T("ActionRequired", "Contest Dispute", MERCHANT, "UnderReview"),
        T("ActionRequired", "Update Dispute", MERCHANT, "Resolved", "MerchantAcceptedDispute", (), "BuyerWon"),
        T("ActionRequired", "Miss the deadline", CLOCK, "Resolved", "MerchantResponseDeadlineExpired", (), "BuyerWon"),
        T("UnderReview", "Ask for more evidence", AMAZON, "ActionRequired", "MerchantAdditionalEvidencesRequired"),
        *(
            T("UnderReview", f"Decide: {resolution}", AMAZON, "Resolved", "InvestigatorResolved", (), resolution)
            for resolution in RESOLUTIONS
        ),
        *(
            T(source, trigger, actor, "Resolved", reason, (), "MerchantWon")
            for source in ("ActionRequired", "UnderReview")
            for trigger, actor, reason in (
                ("Withdraw the chargeback", BUYER, "BuyerCancelled"),
                ("Resolve without an investigator", AMAZON, "AutoResolved"),
            )
        ),
        T("Resolved", "Close", AMAZON, "Closed"),
    ),
)

MACHINES = family(CHECKOUT_SESSION, CHARGE_PERMISSION, CHARGE, REFUND, DISPUTE)

TIMERS = (
    Timer("Checkout Session", "Open", "Expire", timedelta(hours=24)),
    Timer("Charge", "AuthorizationInitiated", "Authorize", timedelta(seconds=30)),
    Timer("Charge", "CaptureInitiated", "Capture", timedelta(seconds=30)),
    Timer("Charge", "Authorized", "Expire", timedelta(days=30)),
    Timer("Refund", "RefundInitiated", "Refund", timedelta(seconds=30)),
    Timer("Dispute", "ActionRequired", "Miss the deadline", timedelta(days=11)),
)

# The states of objects about which Amazon is yet to decide.
PENDING = {
    (row.machine, row.state) for row in TIMERS if MACHINES[row.machine].step(row.state, row.trigger).actor is AMAZON
}

_AFTER = {(row.machine, row.state, row.trigger): row.after for row in TIMERS}


def timer(machine: str, state: str, trigger: str) -> timedelta:
    """Return how long an object of a *machine*, for example ``Charge``, stays in *state* before *trigger* is pulled."""
    return _AFTER[machine, state, trigger]


# When "Expire" is pulled for a Charge Permission: for a one-time one, and for a Recurring or extended one.  A Saved
# Wallet lasts until somebody closes it.
ONE_TIME_LIFETIME = timedelta(days=180)
LONG_LIFETIME_MONTHS = 13
# How long a Charge Permission of each type shows the buyer's details, and from when that is counted.
BUYER_SHOWN = {
    "OneTime": ("creation", timedelta(days=30)),
    "Recurring": ("closing", timedelta(days=30)),
    "PaymentMethodOnFile": ("closing", timedelta(0)),
}
