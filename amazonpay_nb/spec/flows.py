"""The documented flows: the required and forbidden fields of the signed payload, and the hosted pages that follow.

The rows are in ``flows.toml``, which describes each key.  A *stay* is the time of the buyer on Amazon's pages; express
checkout has two.
"""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, NamedTuple

from amazonpay_nb.spec.data import data_row, load

RETURN_PARAMETER = "amazonCheckoutSessionId"
# The name that the guide prints for the Mobile SDK's app and universal links.
MOBILE_RETURN_PARAMETER = "CheckoutSessionId"
# The object of a stay: a Checkout Session, or a plain sign-in, which is not an object of the API.
CHECKOUT_SESSION, SIGN_IN = "Checkout Session", "Sign-in"
# What a link on the shop's review page asks for, and the page that the buyer is taken to.
CHANGE_ACTIONS = {"changeAddress": "shipping-address", "changePayment": "payment-method"}
# The SDK's sample call contains it in every variant, although only one needs it.  [inferred]
_IN_EVERY_APP = ("webCheckoutDetails.checkoutMode",)


@data_row
class Flow:
    """One way to set up a Saved Wallet, or to sign in; ``flows.toml`` describes the fields."""

    name: str
    title: str
    source: str
    notebook: str
    answers: Mapping[str, str]
    why: str
    required: tuple[str, ...]
    forbidden: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    recognized_by: tuple[str, ...] = ()
    implies: Mapping[str, Any] = field(default_factory=dict)
    waives: tuple[str, ...] = ()
    stays: tuple[tuple[str, ...], ...]
    returns_to: tuple[str, ...]
    cancels_to: str = "webCheckoutDetails.checkoutCancelUrl"
    returns_with: str = RETURN_PARAMETER
    complete_with_amount: bool = False
    signs_in: bool = False
    default_scopes: tuple[str, ...] = ("name", "email", "phoneNumber", "shippingAddress")
    opens: str = CHECKOUT_SESSION
    mobile: bool = True
    placements: tuple[str, ...]


@data_row
class Question:
    """A question on the way to a flow."""

    name: str
    text: str
    answers: Mapping[str, str]  #: value → text, the likeliest first
    asked_when: Mapping[str, str] = field(default_factory=dict)  #: the answers after which it is asked


@data_row
class _File:
    flows: dict[str, Flow]
    pages: dict[str, str]
    questions: dict[str, Question]


_FILE = load("flows.toml", _File, flows="name", questions="name")
FLOWS, PAGES, QUESTIONS = _FILE.flows, _FILE.pages, tuple(_FILE.questions.values())


def lookup(document: Mapping[str, Any], dotted: str) -> Any:
    """Return the value at a dotted path, or None where any part of it is missing."""
    value: Any = document
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def flow_of(payload: Mapping[str, Any], product_type: str | None = None) -> Flow:
    """Return the flow that a button payload or session body starts; the last row, express, takes whatever is left."""
    whole = {**payload, "productType": product_type}
    return next(
        flow
        for flow in FLOWS.values()
        if all(lookup(whole, name) for name in flow.recognized_by)
        and all(lookup(whole, name) == value for name, value in flow.fixed.items())
    )


class Misfit(NamedTuple):
    """Why a payload does not start a flow: the reason code, the field, and what is wrong with it."""

    reason: str
    field: str
    text: str


def misfits(flow: Flow, payload: Mapping[str, Any], *, mobile: bool = False) -> list[Misfit]:
    """Return what keeps *payload* from starting *flow*: what it lacks, then what it holds and must not."""
    needed = dict.fromkeys((*flow.required, *flow.recognized_by, *flow.fixed))
    needed.pop("productType", None)  # the button's, not the payload's
    lacks = [
        Misfit("MissingParameterValue", name, f"the payload must hold {name}")
        for name in needed
        if lookup(payload, name) is None
    ]
    differs = [
        Misfit("InvalidParameterValue", name, f"{name} must be {json.dumps(flow.fixed[name])}")
        for name in needed
        if name in flow.fixed and lookup(payload, name) not in (None, flow.fixed[name])
    ]
    excess = [
        Misfit("InvalidParameterCombination", name, f"the payload must not contain {name}")
        for name in flow.forbidden
        if lookup(payload, name) is not None and not (mobile and name in _IN_EVERY_APP)
    ]
    return lacks + differs + excess


def nearest_flow(payload: Mapping[str, Any], product_type: str | None = None) -> Flow:
    """Return the flow that a payload misses by least; it may lack just the field by which its flow is recognized."""
    flow = flow_of(payload, product_type)
    if "productType" in flow.fixed or not misfits(flow, payload):
        return flow
    rows = [row for row in FLOWS.values() if "productType" not in row.fixed]
    recognized = [row for row in rows if all(lookup(payload, name) for name in row.recognized_by)]
    return min(recognized, key=lambda row: len(misfits(row, payload)))
