"""Which reason codes each operation may answer with; what they mean is in `reasons`."""

from amazonpay_nb.spec.operations import OPERATIONS

__all__ = ["BODY_REASONS", "COMMON_REASONS", "OPERATION_REASONS", "reasons_of", "wrong_state"]

# 422 for a call that an object's state does not allow.
_WRONG_STATE = {
    "Checkout Session": "InvalidCheckoutSessionStatus",
    "Charge Permission": "InvalidChargePermissionStatus",
    "Charge": "InvalidChargeStatus",
}
# A Charge that went with its Charge Permission: the cause is the permission's state.  [inferred: the code is listed
# for these two calls]
_WENT_WITH_PERMISSION = ("ChargePermissionCanceled", ("Capture Charge", "Cancel Charge"))


def wrong_state(object_name: str, trigger: str, reason: str | None) -> str:
    """Return the reason code for *trigger* on an object whose state, there for *reason*, does not allow it."""
    cause, triggers = _WENT_WITH_PERMISSION
    return _WRONG_STATE["Charge Permission" if reason == cause and trigger in triggers else object_name]


# Any operation may answer with these.
COMMON_REASONS = (
    "InvalidHeaderValue", "MissingHeader", "MissingHeaderValue", "InvalidRequest", "InvalidSandboxSimulationSpecified",
    "InvalidAPIVersion", "UnauthorizedAccess", "InvalidAuthentication", "InvalidAccountStatus",
    "InvalidRequestSignature", "InvalidAuthorizationToken", "UnsupportedOperation", "RequestNotSupported",
    "RequestTimeout", "TLSVersionNotSupported", "TooManyRequests", "InternalServerError", "ServiceUnavailable",
)  # fmt: skip
# And any operation that has a body with these.
BODY_REASONS = ("InvalidRequestFormat", "UnrecognizedField", "InvalidParameterValue")

_GET = ("ResourceNotFound",)
_NEEDS = ("MissingParameterValue",)
_KEY = ("DuplicateIdempotencyKey",)
_EXCLUDES = ("InvalidParameterCombination",)
_COMPLETE = (
    *_GET, *_NEEDS, *_KEY, "AmountMismatch", "InvalidCheckoutSessionStatus", "CheckoutSessionCanceled",
    "CurrencyMismatch", "PeriodicAmountExceeded", "InvalidChargePermissionStatus",
)  # fmt: skip

# What each operation may answer besides; the codes are Amazon's, the grouping is partly ours.
OPERATION_REASONS: dict[str, tuple[str, ...]] = {
    "createCheckoutSession": (
        *_GET, *_NEEDS, *_KEY, *_EXCLUDES, "CurrencyMismatch", "TransactionAmountExceeded",
        "InvalidChargePermissionStatus",
    ),
    "getCheckoutSession": _GET,
    "updateCheckoutSession": (
        *_GET, *_NEEDS, *_EXCLUDES, "InvalidCheckoutSessionStatus", "CheckoutSessionCanceled", "CurrencyMismatch",
        "TransactionAmountExceeded",
    ),
    "completeCheckoutSession": _COMPLETE,
    "finalizeCheckoutSession": _COMPLETE,
    "getChargePermission": _GET,
    "updateChargePermission": (*_GET, *_NEEDS, "ChargePermissionNotModifiable"),
    "closeChargePermission": (*_GET, "InvalidChargePermissionStatus"),
    "createCharge": (
        *_GET, *_NEEDS, *_KEY, *_EXCLUDES, "InvalidChargePermissionStatus", "TransactionAmountExceeded",
        "PeriodicAmountExceeded", "TransactionCountExceeded", "SoftDeclined", "HardDeclined", "AmazonRejected",
        "TransactionTimedOut", "PaymentMethodNotAllowed", "MFANotCompleted", "ProcessingFailure", "CurrencyMismatch",
    ),
    "getCharge": _GET,
    "captureCharge": (
        *_GET, *_NEEDS, *_KEY, "InvalidChargeStatus", "InvalidChargePermissionStatus", "TransactionAmountExceeded",
        "TransactionCountExceeded", "SoftDeclined", "HardDeclined", "AmazonRejected", "ProcessingFailure",
        "CurrencyMismatch",
    ),
    "cancelCharge": (*_GET, "InvalidChargeStatus", "InvalidChargePermissionStatus"),
    "createRefund": (
        *_GET, *_NEEDS, *_KEY, "InvalidChargeStatus", "TransactionAmountExceeded", "TransactionCountExceeded",
        "AmazonRejected", "CurrencyMismatch",
    ),
    "getRefund": _GET,
    "getBuyer": _GET,
}  # fmt: skip


def reasons_of(operation: str) -> tuple[str, ...]:
    """Return every reason code that *operation* may answer with."""
    body = BODY_REASONS if OPERATIONS[operation].body else ()
    return (*OPERATION_REASONS[operation], *body, *COMMON_REASONS)
