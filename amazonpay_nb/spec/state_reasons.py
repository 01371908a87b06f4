"""Why an object is in its state: the reason codes inside ``statusDetails``, and what to do next.

Only the states that need explaining carry a reason. A Charge Permission lists its reasons in ``statusDetails.reasons``,
since several may hold at once; the emulator shows the latest one only (a decision, inferred). The other objects have a
single ``statusDetails.reasonCode``.
"""

from dataclasses import dataclass

from amazonpay_nb.spec.parity import Evidence

__all__ = ["SEEN_DESCRIPTIONS", "STATE_REASONS", "StateReason", "state_reason"]


@dataclass(frozen=True, slots=True)
class StateReason:
    """One reason code of one state.

    Attributes:
        object: The documented name, for example ``Charge Permission``.
        state: The state it explains.
        code: The reason code.
        meaning: What happened, in one sentence.
        next_step: What the merchant does now.
    """

    object: str
    state: str
    code: str
    meaning: str
    next_step: str
    evidence: Evidence


_D, _S, _I = Evidence.DOCUMENTED, Evidence.SDK, Evidence.INFERRED
_SESSION, _PERMISSION, _CHARGE, _REFUND = "Checkout Session", "Charge Permission", "Charge", "Refund"
_START_AGAIN = "Nothing was saved or charged: let the buyer start again from the button."
_UPDATE_PAGE = "Send the buyer to the Update page, then get the Charge Permission: it must be Chargeable."
_SET_UP_AGAIN = "Ask the buyer to set up Amazon Pay again; the old id is of no use for new charges."
_OTHER_WAY = "Ask the buyer for another way to pay."
_NEW_CHARGE = "If it is still due, create a new charge while the Charge Permission is Chargeable."
_REFUND_OTHERWISE = "Refund the buyer outside Amazon Pay."

_ROWS = (
    (_SESSION, "Canceled", "BuyerCanceled", "The buyer left without agreeing.", _START_AGAIN, _D),
    (_SESSION, "Canceled", "Expired", "The session was not completed within 24 hours.", _START_AGAIN, _D),
    (_SESSION, "Canceled", "AmazonCanceled", "Amazon ended the session.", _START_AGAIN, _D),
    (_SESSION, "Canceled", "Declined", "Every payment method that the buyer tried was declined.",
     "Nothing was saved or charged: offer another way to pay.", _D),
    (_PERMISSION, "NonChargeable", "PaymentMethodInvalid", "The payment method was refused.", _UPDATE_PAGE, _D),
    (_PERMISSION, "NonChargeable", "PaymentMethodDeleted", "The buyer deleted the payment method.", _UPDATE_PAGE, _D),
    (_PERMISSION, "NonChargeable", "BillingAddressDeleted", "The buyer deleted the billing address.", _UPDATE_PAGE, _D),
    (_PERMISSION, "NonChargeable", "PaymentMethodExpired", "The payment method has run out.", _UPDATE_PAGE, _D),
    (_PERMISSION, "NonChargeable", "PaymentMethodNotAllowed", "This kind of payment method may not be used here.",
     _UPDATE_PAGE, _D),
    (_PERMISSION, "NonChargeable", "PaymentMethodNotSet", "No payment method is chosen.", _UPDATE_PAGE, _D),
    (_PERMISSION, "NonChargeable", "MFAFailed", "The buyer did not pass the challenge.", _UPDATE_PAGE, _D),
    (_PERMISSION, "NonChargeable", "ChargeInProgress", "An open charge takes up the whole limit.",
     "Capture or cancel the open charge, then get the Charge Permission again.", _D),
    (_PERMISSION, "NonChargeable", "AmountNotSet", "No amount has been agreed yet.",
     "Set the amount in the checkout before you charge.", _S),
    (_PERMISSION, "NonChargeable", "TransactionAmountExceeded", "The agreed amount is used up.",
     "Start a new checkout for the rest.", _S),
    (_PERMISSION, "Closed", "MerchantClosed", "You closed it.", _SET_UP_AGAIN, _D),
    (_PERMISSION, "Closed", "MerchantCanceled", "You canceled it together with its pending charges.",
     _SET_UP_AGAIN, _D),
    (_PERMISSION, "Closed", "BuyerCanceled", "The buyer canceled it at Amazon.", _SET_UP_AGAIN, _D),
    (_PERMISSION, "Closed", "BuyerClosed", "The buyer ended the agreement at Amazon.", _SET_UP_AGAIN, _S),
    (_PERMISSION, "Closed", "AmazonCanceled", "Amazon canceled it.", _SET_UP_AGAIN, _D),
    (_PERMISSION, "Closed", "AmazonClosed", "Amazon closed it, for one because a one-time order is fully paid.",
     "If the order is paid, there is nothing to do; otherwise ask the buyer to set up Amazon Pay again.", _D),
    (_PERMISSION, "Closed", "Expired", "Its lifetime is over.", _SET_UP_AGAIN, _D),
    (_CHARGE, "Canceled", "ExpiredUnused", "It was authorized but not captured within 30 days.", _NEW_CHARGE, _D),
    (_CHARGE, "Canceled", "MerchantCanceled", "You canceled it before the capture.", _NEW_CHARGE, _D),
    (_CHARGE, "Canceled", "ChargePermissionCanceled", "It went with its Charge Permission.", _SET_UP_AGAIN, _D),
    (_CHARGE, "Canceled", "AmazonCanceled", "Amazon canceled it.", _OTHER_WAY, _D),
    (_CHARGE, "Canceled", "BuyerCanceled", "The buyer canceled it.", _OTHER_WAY, _S),
    (_CHARGE, "Declined", "SoftDeclined", "It was declined for a reason that may pass.",
     "Get the Charge Permission; if it is Chargeable, create a new charge with a new key.", _D),
    (_CHARGE, "Declined", "HardDeclined", "The payment method was declined for good.", _UPDATE_PAGE, _D),
    (_CHARGE, "Declined", "AmazonRejected", "Amazon rejected it, and may have closed the Charge Permission.",
     _OTHER_WAY, _D),
    (_CHARGE, "Declined", "ProcessingFailure", "Amazon could not process it because of an internal error.",
     "Get the Charge Permission; if it is Chargeable, create a new charge with a new key.", _D),
    (_CHARGE, "Declined", "TransactionTimedOut", "It was not decided in time.", _OTHER_WAY, _D),
    (_REFUND, "Declined", "AmazonRejected", "Amazon rejected the refund.", _REFUND_OTHERWISE, _D),
    (_REFUND, "Declined", "ProcessingFailure", "Amazon could not process the refund because of an internal error.",
     "Create the refund again with a new key; if that is declined too, refund the buyer outside Amazon Pay.", _D),
)  # fmt: skip

STATE_REASONS: tuple[StateReason, ...] = tuple(StateReason(*row) for row in _ROWS)

# What Amazon has written as a description, where that was seen; elsewhere the emulator gives the meaning.  [recorded]
SEEN_DESCRIPTIONS = {
    (_PERMISSION, "ChargeInProgress"): (
        "A charge is already in progress. You cannot initiate a new charge unless previous charge is canceled."
    ),
}

_BY_KEY = {(row.object, row.state, row.code): row for row in STATE_REASONS}


def state_reason(object_name: str, state: str, code: str | None) -> StateReason | None:
    """Return the row that explains *state*, or None where there is nothing to explain."""
    return _BY_KEY.get((object_name, state, code or ""))
