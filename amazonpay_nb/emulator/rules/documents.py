"""New documents in the shape that Amazon's answers have: field order and explicit nulls included."""

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.refusal import Body
from amazonpay_nb.spec.flows import lookup
from amazonpay_nb.spec.states import timer

_SHAPES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_OBJECTS, _GROUPS, _CONSTRAINTS = _SHAPES["objects"], _SHAPES["groups"], _SHAPES["constraints"]
SETTLEMENT: dict[str, list[str]] = _SHAPES["settlement"]


def _new(kind: str, now: datetime, values: Body) -> Body:
    """Return the document of a new object, to which `move` adds its state."""
    values = values | {"statusDetails": None, "creationTimestamp": stamp(now), "releaseEnvironment": "Sandbox"}
    shape = _OBJECTS[kind]
    groups = {name: _group(name, values.get(name)) for name in shape["groups"]}
    later = shape.get("finalized", ())
    return {name: groups.get(name, values.get(name)) for name in shape["fields"] if name not in later}


def _group(name: str, values: Body | None) -> Body:
    return dict.fromkeys(_GROUPS[name]) | (values or {})


def merged(document: Any, change: Body) -> Body:
    """Return *document* with *change* merged into it, deeply; an explicit null clears a field, or all of a group."""
    result = dict(document or {})
    for name, value in change.items():
        old = result.get(name)
        if name in _GROUPS:
            old = _group(name, old)
            value = dict.fromkeys(old) if value is None else value
        result[name] = merged(old, value) if isinstance(value, dict) else value
    return result


def constraints(session: Body, *, without: set[str]) -> list[dict[str, str]]:
    """Return what is still missing before the buyer can be sent on, *without* what this session does not need."""
    return [
        {"constraintId": name, "description": row["description"]}
        for name, row in _CONSTRAINTS.items()
        if name not in without and not lookup(session, row["field"])
    ]


def checkout_session(session_id: str, body: Body, product_type: str | None, now: datetime) -> Body:
    """Return an Open session."""
    recurring = body.get("recurringMetadata")
    values = body | {
        "checkoutSessionId": session_id,
        "productType": product_type,
        "paymentDetails": {"canHandlePendingAuthorization": False} | (body.get("paymentDetails") or {}),
        "chargePermissionType": body.get("chargePermissionType") or "OneTime",
        "recurringMetadata": recurring and _group("recurringMetadata", recurring),
        "paymentPreferences": [None],
        "chargePermissionId": None,  # a body may name the one that is updated
        "constraints": [],
        "expirationTimestamp": stamp(now + timer("Checkout Session", "Open", "Expire")),
    }
    return _new("CheckoutSession", now, values)


def completed(session: Body, **shown: Any) -> Body:
    """Return the null-heavy document of a Completed session, with *shown* on top."""
    shape = _OBJECTS["CheckoutSession"]
    values = {name: session[name] for name in shape["kept"]} | shown
    return {name: values.get(name) for name in shape["fields"] if name in session or name in values}


def charge_permission(
    permission_id: str, session: Body, permission_type: str, now: datetime, expires: datetime | None
) -> Body:
    """Return the permission that a session leads to."""
    one_time = permission_type == "OneTime"
    details = session["paymentDetails"]
    limit = (details["totalOrderAmount"] or details["chargeAmount"]) if one_time else None
    values = session | {
        "chargePermissionId": permission_id,
        "expirationTimestamp": stamp(expires) if expires else None,
        "limits": {"amountLimit": limit, "amountBalance": limit},
        "chargePermissionType": permission_type,
        "paymentMethodOnFileMetadata": None if one_time else session["paymentMethodOnFileMetadata"],
    }
    return _new("ChargePermission", now, values)


def _descriptor(text: str | None) -> str | None:
    return f"AMZ*{text}" if text else None


def charge(charge_id: str, body: Body, now: datetime) -> Body:
    """Return a charge."""
    values = body | {
        "chargeId": charge_id,
        "softDescriptor": _descriptor(body.get("softDescriptor")),
        "expirationTimestamp": stamp(now + timer("Charge", "Authorized", "Expire")),
    }
    return _new("Charge", now, values)


def dispute(dispute_id: str, charge_id: str, filing_reason: str, amount: Body, now: datetime) -> Body:
    """Return a chargeback of a charge."""
    values = {
        "disputeId": dispute_id, "chargeId": charge_id, "disputeType": "Chargeback", "disputeAmount": amount,
        "filingReason": filing_reason, "merchantEvidences": [], "resolutionAuthority": "AmazonPay",
    }  # fmt: skip
    return _new("Dispute", now, values)


def refund(refund_id: str, body: Body, now: datetime) -> Body:
    """Return a refund."""
    values = body | {"refundId": refund_id, "softDescriptor": _descriptor(body.get("softDescriptor"))}
    return _new("Refund", now, values)
