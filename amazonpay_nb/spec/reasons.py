"""What a refusal means and what to do about it.

Amazon refuses with two strings, ``reasonCode`` and ``message``. `REASONS` adds what they leave out: whether sending
again helps, under which idempotency key, and what to say to the buyer. A first answer is stored under its key, so a
*corrected* request always travels under a new one; the old key is for asking the same thing again after no answer.

One code may call for different things after different calls: `recovery_for` takes the operation into account.

The reason codes inside ``statusDetails`` are a different vocabulary that shares some words: see `state_reasons`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from amazonpay_nb.spec.operations import OPERATIONS, Idempotency
from amazonpay_nb.spec.parity import Evidence

__all__ = ["REASONS", "Reason", "Recovery", "Retry", "recovery_for", "retry_advice"]


class Retry(StrEnum):
    """Whether the same request may be sent again, and under which idempotency key."""

    NO = "no"
    SAME_KEY = "same key"
    NEW_KEY = "new key"
    LATER = "later, same key"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a refusal means and the way out of it.

    Attributes:
        meaning: What happened, in one sentence.
        retry: Whether the unchanged request may be sent again.
        next_step: What the merchant does now, in one or two sentences.
        tell_the_buyer: A sentence to show, or "" where the buyer need not know.
        is_decline: The payment itself was turned down, not the request.
    """

    meaning: str
    retry: Retry
    next_step: str
    tell_the_buyer: str = ""
    is_decline: bool = False

    @property
    def may_retry(self) -> bool:
        """Whether a new attempt at the same thing can succeed."""
        return self.retry != Retry.NO


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Recovery):
    """One ``reasonCode`` of an error body.

    Attributes:
        status_codes: The HTTP statuses it was seen with, the usual one first.
    Spec: "Error handling".
    """

    code: str
    status_codes: tuple[int, ...]
    evidence: Evidence


_D, _R = Evidence.DOCUMENTED, Evidence.RECORDED
_TRY_AGAIN = "Something went wrong on the way to Amazon Pay. Please try again in a moment."
_OTHER_WAY = "Amazon Pay could not process this payment. Please choose another way to pay."


def _reason(
    code: str,
    status: int,
    evidence: Evidence,
    meaning: str,
    retry: Retry,
    next_step: str,
    tell_the_buyer: str = "",
    *,
    also: tuple[int, ...] = (),
    is_decline: bool = False,
) -> Reason:
    return Reason(
        meaning,
        retry,
        next_step,
        tell_the_buyer,
        is_decline,
        code=code,
        status_codes=(status, *also),
        evidence=evidence,
    )


def _decline(
    code: str, evidence: Evidence, meaning: str, retry: Retry, next_step: str, tell_the_buyer: str = _OTHER_WAY
) -> Reason:
    return _reason(code, 422, evidence, meaning, retry, next_step, tell_the_buyer, is_decline=True)


_ROWS = (
    # The request itself
    _reason("InvalidHeaderValue", 400, _D, "A header has a value that is not accepted, often a date in the future.",
            Retry.NO, "Correct the header that the message names; if it is x-amz-pay-date, set this machine's clock."),
    _reason("MissingHeader", 400, _D, "A required header was not sent.",
            Retry.NO, "Send the header that the message names, and list it in SignedHeaders."),
    _reason("MissingHeaderValue", 400, _D, "A required header was sent empty.",
            Retry.NO, "Give the header that the message names a value."),
    _reason("InvalidRequest", 400, _D, "The request as a whole is not acceptable.",
            Retry.NO, "Compare path, method and body with the documented example, then send it with a new key."),
    _reason("InvalidRequestFormat", 400, _D, "The body is not valid JSON.",
            Retry.NO, "Send one JSON object, encoded as UTF-8, and sign exactly those bytes."),
    _reason("InvalidParameterValue", 400, _D, "A field has a value outside what is allowed.",
            Retry.NO, "Correct the field that the message names and send the request with a new key."),
    _reason("MissingParameterValue", 400, _D, "A required field is absent or empty.",
            Retry.NO, "Add the field that the message names and send the request with a new key."),
    _reason("InvalidParameterCombination", 400, _D, "Two fields that exclude each other were sent together.",
            Retry.NO, "Drop one of the fields that the message names and send the request with a new key."),
    _reason("UnrecognizedField", 400, _D, "The body has a field that this operation does not know.",
            Retry.NO, "Remove or respell the field; unknown fields are never ignored."),
    _reason("InvalidSandboxSimulationSpecified", 400, _D, "The simulation code does not exist or not for this call.",
            Retry.NO, "Use a code that is listed for this operation, or leave x-amz-pay-simulation-code out."),
    _reason("DuplicateIdempotencyKey", 400, _D, "The idempotency key was already used for a different request.",
            Retry.NEW_KEY, "Make a new key for every new request; keep the old one only to repeat it unchanged."),
    _reason("CurrencyMismatch", 400, _D, "The currency differs from that of the object the request refers to.",
            Retry.NO, "Send the amount in the currency of the Checkout Session, Charge Permission or Charge."),
    _reason("InvalidAPIVersion", 400, _R, "The version in the path is not served.",
            Retry.NO, "Use /v2/ in the path."),
    _reason("TransactionAmountExceeded", 400, _D, "The amount is above what this object or a single call allows.",
            Retry.NO, "Get the object, compute what is left of it, and send at most that with a new key."),
    _reason("PeriodicAmountExceeded", 400, _D, "The Charge Permission has reached its limit for this calendar month.",
            Retry.NO, "Ask for another way to pay, or create a new charge with a new key once the month has turned.",
            "This month's limit for Amazon Pay at this shop is reached. Please choose another way to pay."),
    _reason("UnsupportedOperation", 405, _D, "This address exists, but not with this method.",
            Retry.NO, "Use the method and path of the operations table."),
    _reason("RequestNotSupported", 405, _R, "The request is not possible for this object or account.",
            Retry.NO, "Use the method and path of the operations table, and check what the account may do."),
    _reason("TLSVersionNotSupported", 426, _R, "The connection uses a TLS version older than 1.2.",
            Retry.NO, "Connect with TLS 1.2 or newer."),
    # Who is asking
    _reason("UnauthorizedAccess", 401, _D, "The key is not known or may not be used for this merchant.",
            Retry.NO, "Check public key id, region and environment: they must belong to the same merchant account."),
    _reason("InvalidAuthentication", 403, _D, "The authorization header was not accepted.",
            Retry.NO, "Check that algorithm, PublicKeyId, SignedHeaders and Signature are all there and well formed."),
    _reason("InvalidAccountStatus", 403, _D, "The merchant account is not active.",
            Retry.NO, "Finish or restore the registration of the account in Seller Central."),
    _reason("InvalidRequestSignature", 403, _D, "The signature does not fit the request that arrived.",
            Retry.NO, "Compare the hash in the message with that of your own canonical request; check key and salt."),
    _reason("InvalidAuthorizationToken", 403, _D, "The token for acting on behalf of another merchant is not valid.",
            Retry.NO, "Get a new authorization token, or leave x-amz-pay-authtoken out."),
    # The state of things
    _reason("ResourceNotFound", 404, _D, "This merchant has no such object in this region and environment.",
            Retry.NO, "Check the id, the region and the environment; a Checkout Session is deleted after 30 days."),
    _reason("AmountMismatch", 409, _D, "The amount differs from the one the buyer agreed to in the session.",
            Retry.NEW_KEY, "Get the Checkout Session and complete it with exactly its chargeAmount, with a new key."),
    _reason("InvalidCheckoutSessionStatus", 422, _D, "The Checkout Session's state does not allow this call.",
            Retry.NO, "Get the Checkout Session: if Open, send the buyer to amazonPayRedirectUrl; if Completed, use "
            "its ids; if Canceled, start again."),
    _reason("CheckoutSessionCanceled", 422, _R, "The Checkout Session was canceled before it could be completed.",
            Retry.NO, "Get the Checkout Session, read its reason code, and let the buyer start again from the button.",
            "That did not work, and nothing was charged. Please try again or choose another way to pay.",
            also=(400,)),
    _reason("InvalidChargePermissionStatus", 422, _D, "The Charge Permission's state does not allow this call.",
            Retry.NO, "Get the Charge Permission: if NonChargeable, send the buyer to the Update page; if Closed, set "
            "up a new one.", "Please review your Amazon Pay payment method."),
    _reason("ChargePermissionNotModifiable", 422, _R, "The Charge Permission is Closed and this field has a value.",
            Retry.NO, "Keep the detail in your own records: after closing, only empty metadata fields can be filled."),
    _reason("InvalidChargeStatus", 422, _D, "The Charge's state does not allow this call.",
            Retry.NO, "Get the Charge: capture what is Authorized, cancel before capture, refund what is Captured."),
    _reason("TransactionCountExceeded", 422, _D, "The object has had as many transactions as it may have.",
            Retry.NO, "Settle the rest outside this object: a new checkout for a charge, another way for a refund."),
    # Declines
    _decline("SoftDeclined", _D, "The payment was declined for a reason that may pass.", Retry.NEW_KEY,
             "Get the Charge Permission; if it is Chargeable, create the charge again with a new key.",
             "Amazon Pay could not process this payment just now. Please try again or choose another way to pay."),
    _decline("HardDeclined", _D, "The payment method was declined and will be declined again.", Retry.NO,
             "Send the buyer to the Update page, wait for the notification, get the Charge Permission, and create the "
             "charge again with a new key once it is Chargeable.",
             "Your payment method was declined. Please update it at Amazon Pay or choose another way to pay."),
    _decline("AmazonRejected", _D, "Amazon rejected the transaction; it may have closed the Charge Permission.",
             Retry.NO, "Do not try again: get the Charge Permission, and ask the buyer for another way to pay."),
    _decline("PaymentMethodNotAllowed", _R, "The chosen payment method cannot be used for this charge.", Retry.NO,
             "Send the buyer to the Update page to choose another payment method, or ask for another way to pay.",
             "This payment method cannot be used here. Please choose another one."),
    _decline("MFANotCompleted", _R, "The buyer's bank wants a challenge that was not completed.", Retry.NO,
             "Bring the buyer back to the Update page to pass the challenge, then create the charge with a new key.",
             "Your bank wants you to confirm this payment. Please confirm it and try again."),
    _decline("TransactionTimedOut", _R, "The payment was not decided in time and is treated as declined.", Retry.NO,
             "Ask the buyer for another way to pay; allow pending authorizations if you can wait for an answer."),
    # Amazon's side
    _reason("RequestTimeout", 408, _R, "The request took too long; whether it was carried out is not known.",
            Retry.SAME_KEY, "Send the same request again with the same idempotency key.", _TRY_AGAIN),
    _reason("TooManyRequests", 429, _D, "The account sends this operation faster than its quota refills.",
            Retry.LATER, "Wait a second or more, longer each time, and send the same request with the same key."),
    _reason("InternalServerError", 500, _D, "Amazon failed while handling the request.",
            Retry.SAME_KEY, "Send the same request again with the same key, a few times with growing pauses.",
            _TRY_AGAIN),
    _reason("ProcessingFailure", 500, _D, "Amazon could not process the transaction because of an internal error.",
            Retry.NEW_KEY, "Get the Charge Permission; if it is Chargeable, create the charge again with a new key.",
            _TRY_AGAIN),
    _reason("ServiceUnavailable", 503, _D, "The service cannot answer at the moment.",
            Retry.LATER, "Wait, then send the same request again with the same idempotency key.", _TRY_AGAIN),
)  # fmt: skip

REASONS: dict[str, Reason] = {row.code: row for row in _ROWS}

# What a code we do not know can still be told by its status.
_INVALID = Recovery(
    "The request is not acceptable as it is.", Retry.NO, "Read the message, correct the request and use a new key."
)
_UNAUTHORIZED = Recovery(
    "The key, the signature or the account was not accepted.", Retry.NO, "Check key pair, key id, region, environment."
)
_NOT_FOUND = Recovery("No such object or address.", Retry.NO, "Check the id, the region and the environment.")
_CONFLICT = Recovery(
    "The object's state does not allow it.", Retry.NO, "Get the object, read its statusDetails, and decide from there."
)
_THROTTLED = Recovery(
    "Too many requests.", Retry.LATER, "Wait, longer each time, and send the same request with the same key."
)
_NO_ANSWER = Recovery(
    "Amazon could not answer; whether the work was done is not known.",
    Retry.SAME_KEY,
    "Send the same request again with the same idempotency key.",
    _TRY_AGAIN,
)

_BY_STATUS = {401: _UNAUTHORIZED, 403: _UNAUTHORIZED, 404: _NOT_FOUND, 408: _NO_ANSWER, 409: _CONFLICT,
              422: _CONFLICT, 425: _NO_ANSWER, 429: _THROTTLED}  # fmt: skip


# Where the way out depends on what was called.
_LOST_WITH_PERMISSION = "The Charge went with its Charge Permission: if it is due, ask the buyer to set up a new one."
_CAPTURE_AGAIN = "Get the Charge; if it is still Authorized, capture it again with a new key."
_REFUND_OTHERWISE = "Refund the buyer outside Amazon Pay."
_NOT_THIS_WAY = "Your refund could not be sent by Amazon Pay. We will send it to you in another way."

_ADVICE: dict[tuple[str, str], dict[str, Any]] = {
    ("getBuyer", "ResourceNotFound"): {
        "meaning": "This buyerToken is unknown, or older than 24 hours.",
        "next_step": "Let the buyer sign in again, and use the token that comes back.",
    },
    ("closeChargePermission", "InvalidChargePermissionStatus"): {
        "next_step": "It is Closed already, which is final: get the Charge Permission to see why.",
        "tell_the_buyer": "",
    },
    ("captureCharge", "InvalidChargePermissionStatus"): {
        "next_step": _LOST_WITH_PERMISSION,
        "tell_the_buyer": "Your agreement at Amazon Pay has ended. Please set it up anew or choose another way to pay.",
    },
    ("cancelCharge", "InvalidChargePermissionStatus"): {
        "next_step": "There is nothing left to cancel: the Charge went with its Charge Permission.",
        "tell_the_buyer": "",
    },
    ("captureCharge", "SoftDeclined"): {"next_step": _CAPTURE_AGAIN},
    ("captureCharge", "HardDeclined"): {
        "next_step": "Send the buyer to the Update page; once the Charge Permission is Chargeable, get the Charge, and "
        "capture it again with a new key if it is still Authorized.",
    },
    ("captureCharge", "AmazonRejected"): {
        "next_step": "Do not try again: get the Charge and the Charge Permission, and ask the buyer for another way to "
        "pay.",
    },
    ("captureCharge", "ProcessingFailure"): {"next_step": _CAPTURE_AGAIN},
    ("captureCharge", "TransactionCountExceeded"): {
        "next_step": "A Charge is captured once: create a new charge for the rest.",
    },
    ("createRefund", "AmazonRejected"): {
        "meaning": "Amazon rejected the refund.", "next_step": _REFUND_OTHERWISE, "tell_the_buyer": _NOT_THIS_WAY,
    },
    ("createRefund", "TransactionAmountExceeded"): {
        "meaning": "The refunds of this Charge would be more than was captured and its allowance.",
        "next_step": f"Get the Charge, refund what is left with a new key. {_REFUND_OTHERWISE[:-1]} beyond that.",
    },
    ("createRefund", "TransactionCountExceeded"): {
        "meaning": "The Charge has had as many refunds as it may have.", "next_step": _REFUND_OTHERWISE,
        "tell_the_buyer": _NOT_THIS_WAY,
    },
}  # fmt: skip


def recovery_for(reason_code: str, status_code: int, operation: str = "") -> Recovery:
    """Return what to do about a refusal of *operation*; a code without a row is judged by its HTTP status."""
    fallback = _NO_ANSWER if status_code >= 500 else _INVALID
    recovery = REASONS.get(reason_code) or _BY_STATUS.get(status_code, fallback)
    advice = _ADVICE.get((operation, reason_code))
    return replace(recovery, **advice) if advice else recovery


_RETRIES = {
    Retry.NO: "No: the same request would be refused again.",
    Retry.SAME_KEY: "Yes: the same request with the same idempotency key.",
    Retry.NEW_KEY: "Yes: a new attempt with a new idempotency key.",
    Retry.LATER: "Yes, after a pause: the same request with the same idempotency key.",
}


def retry_advice(retry: Retry, operation: str = "") -> str:
    """Say whether to send again, and with which idempotency key, where the call takes one."""
    row = OPERATIONS.get(operation)
    without_key = row is not None and row.idempotency == Idempotency.WITHOUT_EFFECT
    return _RETRIES[retry].partition(" with ")[0].rstrip(".") + "." if without_key else _RETRIES[retry]
