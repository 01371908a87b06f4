"""New documents in the shape that Amazon's answers have: field order and explicit nulls included."""

from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.refusal import Body
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.flows import lookup
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.spec.requests import UpdatePaymentDetails
from amazonpay_nb.spec.states import TIMERS

_SHAPES = read("documents.toml", beside=__file__)
_OBJECTS, _GROUPS, _CONSTRAINTS = _SHAPES["objects"], _SHAPES["groups"], _SHAPES["constraints"]
SETTLEMENT: dict[str, list[str]] = _SHAPES["settlement"]
# Null for a group clears all of it, but of this one only what an update can set.
_CLEARED = {"paymentDetails": [to_camel(name) for name in UpdatePaymentDetails.model_fields]}
_LIFETIMES = {row.machine: row.after for row in TIMERS if row.trigger == "Expire"}


def new(kind: str, object_id: str, now: datetime, values: Body) -> Body:
    """Return the document of a new object of one of the `KINDS`, to which `move` adds its state."""
    values = values | {"statusDetails": None, "creationTimestamp": stamp(now), "releaseEnvironment": "Sandbox"}
    values[KINDS[kind].id_field] = object_id
    if kind in _LIFETIMES:
        values["expirationTimestamp"] = stamp(now + _LIFETIMES[kind])
    descriptor = values.get("softDescriptor")
    values["softDescriptor"] = f"AMZ*{descriptor}" if descriptor else None
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
            value = dict.fromkeys(_CLEARED.get(name, old)) if value is None else value
        result[name] = merged(old, value) if isinstance(value, dict) else value
    return result


def constraints(session: Body, *, without: set[str]) -> list[dict[str, str]]:
    """Return what is still missing before the buyer can be sent on, *without* what this session does not need."""
    return [
        {"constraintId": name, "description": row["description"]}
        for name, row in _CONSTRAINTS.items()
        if name not in without and not all(lookup(session, field) for field in row["fields"])
    ]


def checkout_session(session_id: str, body: Body, product_type: str | None, now: datetime) -> Body:
    """Return an Open session."""
    recurring = body.get("recurringMetadata")
    values = body | {
        "productType": product_type,
        "paymentDetails": {"canHandlePendingAuthorization": False} | (body.get("paymentDetails") or {}),
        "chargePermissionType": body.get("chargePermissionType") or "OneTime",
        "recurringMetadata": recurring and _group("recurringMetadata", recurring),
        "paymentPreferences": [None],
        "chargePermissionId": None,  # a body may name the one that is updated
        "constraints": [],
    }
    return new("Checkout Session", session_id, now, values)


def completed(session: Body, **shown: Any) -> Body:
    """Return the null-heavy document of a Completed session, with *shown* on top."""
    shape = _OBJECTS["Checkout Session"]
    values = {name: session[name] for name in shape["kept"]} | shown
    return {name: values.get(name) for name in shape["fields"] if name in session or name in values}
