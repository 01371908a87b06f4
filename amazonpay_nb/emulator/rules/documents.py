"""New documents in the shape that Amazon's answers have: field order and explicit nulls included."""

from datetime import datetime
from typing import Any

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.spec.flows import lookup
from amazonpay_nb.spec.states import timer

__all__ = ["charge", "charge_permission", "checkout_session", "completed", "constraints", "merged", "refund"]

Document = dict[str, Any]

_METADATA = ("merchantReferenceId", "merchantStoreName", "noteToBuyer", "customInformation")
_WEB_DETAILS = ("checkoutReviewReturnUrl", "checkoutResultReturnUrl", "checkoutCancelUrl", "amazonPayRedirectUrl")
_PAYMENT_DETAILS = (
    "paymentIntent", "canHandlePendingAuthorization", "chargeAmount", "totalOrderAmount", "softDescriptor",
    "presentmentCurrency", "allowOvercharge", "extendExpiration",
)  # fmt: skip
_RECURRING = ("frequency", "amount")
# What keeps its keys, whatever is cleared in it.
_GROUPS = {
    "webCheckoutDetails": _WEB_DETAILS, "paymentDetails": _PAYMENT_DETAILS, "merchantMetadata": _METADATA,
    "providerMetadata": ("providerReferenceId",), "recurringMetadata": _RECURRING,
}  # fmt: skip
_ENVIRONMENT = "Sandbox"

# Constraint id, field that clears it, documented description; alphabetical, as in recorded answers.
_CONSTRAINTS = (
    ("BuyerNotAssociated", "buyer",
     ("There is no buyer associated with the Checkout Session. Return the checkout session id to the Amazon Pay Button "
      "to allow buyer to login.")),
    ("ChargeAmountNotSet", "paymentDetails.chargeAmount", "chargeAmount is not set."),
    ("CheckoutResultReturnUrlNotSet", "webCheckoutDetails.checkoutResultReturnUrl",
     "checkoutResultReturnUrl is not set."),
    ("PaymentIntentNotSet", "paymentDetails.paymentIntent", "paymentIntent is not set."),
    ("RecurringFrequencyNotSet", "recurringMetadata.frequency", "frequency is not set."),
)  # fmt: skip


def _fields(names: tuple[str, ...], values: Document | None) -> Document:
    values = values or {}
    return {name: values.get(name) for name in names} | {k: v for k, v in values.items() if k not in names}


def merged(document: Any, change: Document) -> Document:
    """Return *document* with *change* merged into it, deeply; an explicit null clears a field, or all of a group."""
    result = dict(document or {})
    for name, value in change.items():
        old = result.get(name)
        if name in _GROUPS:
            old = _fields(_GROUPS[name], old)
            value = dict.fromkeys(old) if value is None else value
        result[name] = merged(old, value) if isinstance(value, dict) else value
    return result


def constraints(session: Document, *, without: set[str]) -> list[dict[str, str]]:
    """Return what is still missing before the buyer can be sent on, *without* what this session does not need."""
    return [
        {"constraintId": name, "description": text}
        for name, field, text in _CONSTRAINTS
        if name not in without and not lookup(session, field)
    ]


def checkout_session(session_id: str, body: Document, product_type: str | None, now: datetime) -> Document:
    """Return an Open session; `move` adds its state."""
    payment = {"canHandlePendingAuthorization": False} | (body.get("paymentDetails") or {})
    return {
        "checkoutSessionId": session_id,
        "webCheckoutDetails": _fields(_WEB_DETAILS, body.get("webCheckoutDetails")),
        "productType": product_type,
        "paymentDetails": _fields(_PAYMENT_DETAILS, payment),
        "chargePermissionType": body.get("chargePermissionType") or "OneTime",
        "recurringMetadata": body.get("recurringMetadata") and _fields(_RECURRING, body["recurringMetadata"]),
        "paymentMethodOnFileMetadata": body.get("paymentMethodOnFileMetadata"),
        "merchantMetadata": _fields(_METADATA, body.get("merchantMetadata")),
        "supplementaryData": body.get("supplementaryData"),
        "buyer": None,
        "billingAddress": None,
        "paymentPreferences": [None],
        "statusDetails": None,
        "shippingAddress": None,
        "platformId": body.get("platformId"),
        "chargePermissionId": None,
        "chargeId": None,
        "constraints": [],
        "creationTimestamp": stamp(now),
        "expirationTimestamp": stamp(now + timer("Checkout Session", "Open", "Expire")),
        "storeId": body["storeId"],
        "providerMetadata": _fields(("providerReferenceId",), body.get("providerMetadata")),
        "releaseEnvironment": _ENVIRONMENT,
        "checkoutButtonText": body.get("checkoutButtonText"),
        "deliverySpecifications": body.get("deliverySpecifications"),
    }


# What a completed session still shows; everything else is null.
_KEPT = ("checkoutSessionId", "statusDetails", "chargePermissionId", "chargeId", "creationTimestamp")


def completed(session: Document, **shown: Any) -> Document:
    """Return the null-heavy document of a Completed session, with *shown* on top."""
    return {name: value if name in _KEPT else None for name, value in session.items()} | shown


def charge_permission(
    permission_id: str, session: Document, permission_type: str, now: datetime, expires: datetime | None
) -> Document:
    """Return the permission that a session leads to; `move` adds its state."""
    one_time = permission_type == "OneTime"
    details = session["paymentDetails"]
    limit = (details["totalOrderAmount"] or details["chargeAmount"]) if one_time else None
    return {
        "chargePermissionId": permission_id,
        "chargePermissionReferenceId": None,
        "platformId": session["platformId"],
        "buyer": session["buyer"],
        "shippingAddress": session["shippingAddress"],
        "billingAddress": session["billingAddress"],
        "paymentPreferences": session["paymentPreferences"],
        "statusDetails": None,
        "creationTimestamp": stamp(now),
        "expirationTimestamp": stamp(expires) if expires else None,
        "merchantMetadata": session["merchantMetadata"],
        "releaseEnvironment": _ENVIRONMENT,
        "limits": {"amountLimit": limit, "amountBalance": limit},
        "chargePermissionType": permission_type,
        "recurringMetadata": _fields(_RECURRING, session["recurringMetadata"]),
        "paymentMethodOnFileMetadata": None if one_time else session["paymentMethodOnFileMetadata"],
        "presentmentCurrency": None,
    }


def _descriptor(text: str | None) -> str | None:
    return f"AMZ*{text}" if text else None


def charge(charge_id: str, body: Document, now: datetime) -> Document:
    """Return a charge; `move` adds its state."""
    return {
        "chargeId": charge_id,
        "chargeAmount": body["chargeAmount"],
        "chargePermissionId": body["chargePermissionId"],
        "captureAmount": None,
        "refundedAmount": None,
        "softDescriptor": _descriptor(body.get("softDescriptor")),
        "providerMetadata": _fields(("providerReferenceId",), body.get("providerMetadata")),
        "convertedAmount": None,
        "conversionRate": None,
        "channel": body.get("channel"),
        "chargeInitiator": body.get("chargeInitiator"),
        "statusDetails": None,
        "creationTimestamp": stamp(now),
        "expirationTimestamp": stamp(now + timer("Charge", "Authorized", "Expire")),
        "releaseEnvironment": _ENVIRONMENT,
        "merchantMetadata": _fields(_METADATA, body.get("merchantMetadata")),
        "platformId": body.get("platformId"),
        "webCheckoutDetails": body.get("webCheckoutDetails"),
    }


def refund(refund_id: str, body: Document, now: datetime) -> Document:
    """Return a refund; `move` adds its state."""
    return {
        "refundId": refund_id,
        "chargeId": body["chargeId"],
        "refundAmount": body["refundAmount"],
        "softDescriptor": _descriptor(body.get("softDescriptor")),
        "creationTimestamp": stamp(now),
        "statusDetails": None,
        "releaseEnvironment": _ENVIRONMENT,
    }
