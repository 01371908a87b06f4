"""The documented flows, as rows: what the signed payload must and must not hold, and which hosted pages follow.

A *visit* is one stay of the buyer on Amazon's pages.  Its pages are listed in order; a page that does not apply (no
address for ``PayOnly``, no challenge outside PSD2) is passed over.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = [
    "CHANGE_ACTIONS",
    "CHECKOUT_SESSION",
    "FLOWS",
    "MOBILE_RETURN_PARAMETER",
    "PAGES",
    "RETURN_PARAMETER",
    "SIGN_IN",
    "Flow",
    "flow_of",
    "lookup",
    "misfits",
    "nearest_flow",
]

RETURN_PARAMETER = "amazonCheckoutSessionId"
# What the guide prints for the Mobile SDK's app and universal links.
MOBILE_RETURN_PARAMETER = "CheckoutSessionId"

# What a visit works on: a Checkout Session, or a plain sign-in, which is no object of the API and leaves none behind.
CHECKOUT_SESSION, SIGN_IN = "Checkout Session", "Sign-in"

# Every hosted page, with its heading.
PAGES = {
    "sign-in": "Sign in with your Amazon account",
    "share": "Share your details with the shop",
    "shipping-address": "Choose where to ship to",
    "payment-method": "Choose how to pay",
    "consent": "Save Amazon Pay for later purchases",
    "challenge": "Confirm that it is you",
    "processing": "Processing your payment",
}

# What a link on the shop's review page asks for, and the page that the buyer is taken to.
CHANGE_ACTIONS = {"changeAddress": "shipping-address", "changePayment": "payment-method"}

_RESULT = "webCheckoutDetails.checkoutResultReturnUrl"
_REVIEW = "webCheckoutDetails.checkoutReviewReturnUrl"
_CANCEL = "webCheckoutDetails.checkoutCancelUrl"
_SIGNED_IN = "webCheckoutDetails.signInReturnUrl"
_SIGN_IN_CANCEL = "webCheckoutDetails.signInCancelUrl"
_MODE = "webCheckoutDetails.checkoutMode"


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to set up a Saved Wallet, or to sign in.

    Attributes:
        name: Short identifier.
        title: Name in the guide.
        notebook: The notebook that plays it.
        required: Payload fields that must be there, dotted.
        forbidden: Payload fields that must not be there, dotted.
        fixed: Payload fields with the one value that makes it this flow.
        visits: For each hosted visit, its pages in order.
        returns_to: For each visit, the payload field whose address the buyer is sent to.
        complete_with_amount: Whether Complete Checkout Session repeats the amount.
        source: The page of the guide.
        told_by: Payload fields that make it this flow by being there at all, dotted.
        implies: What the payload need not say, as it would say it.
        waives: Constraints that a session of this flow never has.
        signs_in: Whether the merchant learns here who the buyer is: scopes come as ``signInScopes``, and Complete
            Checkout Session brings the buyer.
        default_scopes: What is shared where the payload names no scopes.
        opens: What a visit works on, ``Checkout Session`` or ``Sign-in``.
        cancels_to: The payload field whose address a buyer who cancels is sent to.
        returns_with: The parameter that is added to the address the buyer is sent to.
        mobile: Whether the Mobile SDK has a variant of it.
    """

    name: str
    title: str
    notebook: str
    required: tuple[str, ...]
    forbidden: tuple[str, ...]
    fixed: Mapping[str, Any]
    visits: tuple[tuple[str, ...], ...]
    returns_to: tuple[str, ...]
    complete_with_amount: bool
    source: str
    told_by: tuple[str, ...] = ()
    implies: Mapping[str, Any] = field(default_factory=dict)
    waives: tuple[str, ...] = ()
    signs_in: bool = False
    default_scopes: tuple[str, ...] = ("name", "email", "phoneNumber", "shippingAddress")
    opens: str = CHECKOUT_SESSION
    cancels_to: str = _CANCEL
    returns_with: str = RETURN_PARAMETER
    mobile: bool = True


_PMOF = "PaymentMethodOnFile"
_CHOOSE = ("sign-in", "payment-method", "consent")
_CHOOSE_AND_SHIP = ("sign-in", "shipping-address", "payment-method", "consent")

FLOWS = {
    flow.name: flow
    for flow in (
        # Told by the button's product type alone, so they come first.
        Flow(
            name="sign-in",
            title="Sign in and set up",
            notebook="04_sign_in_and_set_up",
            required=("storeId", _SIGNED_IN),
            forbidden=(_MODE, "paymentDetails.chargeAmount"),
            fixed={"productType": "SignInAndSetup"},
            visits=((*_CHOOSE, "challenge"),),
            returns_to=(_SIGNED_IN,),
            complete_with_amount=False,
            source="signinandsetup: add the button; verify and complete",
            implies={
                "chargePermissionType": _PMOF,
                "paymentMethodOnFileMetadata": {"setupOnly": True},
                "paymentDetails": {"paymentIntent": "Confirm"},
            },
            waives=("ChargeAmountNotSet", "CheckoutResultReturnUrlNotSet"),
            signs_in=True,
            default_scopes=("name", "email"),
            cancels_to=_SIGN_IN_CANCEL,
        ),
        Flow(
            name="amazon-sign-in",
            title="Amazon Sign-in",
            notebook="04_sign_in_and_set_up",
            required=("storeId", "signInReturnUrl"),
            forbidden=(),
            fixed={"productType": "SignIn"},
            visits=(("sign-in", "share"),),
            returns_to=("signInReturnUrl",),
            complete_with_amount=False,
            source="amazon-sign-in: add the button; buyer: Get Buyer",
            waives=("ChargeAmountNotSet", "CheckoutResultReturnUrlNotSet", "PaymentIntentNotSet"),
            signs_in=True,
            default_scopes=(),
            opens=SIGN_IN,
            cancels_to="signInCancelUrl",
            returns_with="buyerToken",
            mobile=False,
        ),
        Flow(
            name="update",
            title="Update the payment method",
            notebook="05_manage_payments",
            required=("storeId", _RESULT, "chargePermissionId", "paymentDetails.paymentIntent"),
            forbidden=("paymentDetails.chargeAmount", _MODE),
            fixed={"chargePermissionType": _PMOF, "paymentDetails.paymentIntent": "Confirm"},
            visits=(("sign-in", "shipping-address", "payment-method", "challenge"),),
            returns_to=(_RESULT,),
            complete_with_amount=False,
            source="steps to integrate the Update page",
            told_by=("chargePermissionId",),
            waives=("ChargeAmountNotSet",),
        ),
        Flow(
            name="setup",
            title="Set up outside of the purchase flow",
            notebook="01_set_up_outside_the_purchase_flow",
            required=("storeId", _RESULT, "paymentDetails.paymentIntent", "paymentMethodOnFileMetadata.setupOnly"),
            forbidden=("paymentDetails.chargeAmount", "addressDetails", _MODE),
            fixed={
                "chargePermissionType": _PMOF,
                "paymentMethodOnFileMetadata.setupOnly": True,
                "paymentDetails.paymentIntent": "Confirm",
            },
            visits=((*_CHOOSE_AND_SHIP, "challenge"),),
            returns_to=(_RESULT,),
            complete_with_amount=False,
            source="setupintent: add the Amazon Pay button; verify and complete checkout",
            waives=("ChargeAmountNotSet",),
        ),
        Flow(
            name="end-of-checkout",
            title="Set up with end of checkout",
            notebook="03_set_up_with_end_of_checkout",
            required=("storeId", _RESULT, _MODE, "paymentDetails.paymentIntent", "paymentDetails.chargeAmount"),
            forbidden=(_REVIEW,),
            fixed={_MODE: "ProcessOrder"},
            visits=((*_CHOOSE, "processing", "challenge"),),
            returns_to=(_RESULT,),
            complete_with_amount=True,
            source="apb: add the Amazon Pay button; verify and complete checkout",
        ),
        Flow(
            name="express",
            title="Set up with express checkout",
            notebook="02_set_up_with_express_checkout",
            required=("storeId", _REVIEW),
            forbidden=(_MODE, "addressDetails"),
            fixed={},
            visits=(_CHOOSE_AND_SHIP, ("processing", "challenge")),
            returns_to=(_REVIEW, _RESULT),
            complete_with_amount=True,
            source="express: add the button; display shipping and payment info; set payment info; verify and complete",
            mobile=False,
        ),
    )
}


def lookup(document: Mapping[str, Any], dotted: str) -> Any:
    """Return the value at a dotted path, or None where any part of it is missing."""
    value: Any = document
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def flow_of(payload: Mapping[str, Any], product_type: str | None = None) -> Flow:
    """Return the flow that a button payload (or a Create Checkout Session body) starts.

    The rows are tried in order; the last one, express checkout, takes whatever is left.
    """
    told = {**payload, "productType": product_type}
    return next(
        flow
        for flow in FLOWS.values()
        if all(lookup(told, name) for name in flow.told_by)
        and all(lookup(told, name) == value for name, value in flow.fixed.items())
    )


class Misfit(NamedTuple):
    """Why a payload does not start a flow: the reason code, the field, and what is wrong with it."""

    reason: str
    field: str
    text: str


# The SDK's sample call holds it in every variant, though only one needs it.  [inferred]
_IN_EVERY_APP = (_MODE,)


def misfits(flow: Flow, payload: Mapping[str, Any], *, mobile: bool = False) -> list[Misfit]:
    """Return what keeps *payload* from starting *flow*: what it lacks, then what it holds and must not."""
    needed = dict.fromkeys((*flow.required, *flow.told_by, *flow.fixed))
    needed.pop("productType", None)  # the button's, not the payload's
    found = [
        Misfit("MissingParameterValue", name, f"the payload must hold {name}")
        for name in needed
        if lookup(payload, name) is None
    ]
    found += [
        Misfit("InvalidParameterValue", name, f"{name} must be {json.dumps(flow.fixed[name])}")
        for name in needed
        if name in flow.fixed and lookup(payload, name) not in (None, flow.fixed[name])
    ]
    return found + [
        Misfit("InvalidParameterCombination", name, f"the payload must not hold {name}")
        for name in flow.forbidden
        if lookup(payload, name) is not None and not (mobile and name in _IN_EVERY_APP)
    ]


def nearest_flow(payload: Mapping[str, Any], product_type: str | None = None) -> Flow:
    """Return the flow that a payload was most likely meant for: the one that it misses by least.

    What a wrong payload lacks may be just what would have told its flow.
    """
    flow = flow_of(payload, product_type)
    if "productType" in flow.fixed or not misfits(flow, payload):
        return flow
    told = (one for one in FLOWS.values() if all(lookup(payload, name) for name in one.told_by))
    return min((one for one in told if "productType" not in one.fixed), key=lambda one: len(misfits(one, payload)))
