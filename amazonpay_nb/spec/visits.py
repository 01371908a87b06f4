"""The documented flows, as rows: what the signed payload must and must not hold, and which hosted pages follow.

A *visit* is one stay of the buyer on Amazon's pages.  Its pages are listed in order; a page that does not apply (no
address for ``PayOnly``, no challenge outside PSD2) is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FLOWS", "PAGES", "RETURN_PARAMETER", "Flow", "flow_of", "lookup"]

RETURN_PARAMETER = "amazonCheckoutSessionId"

# Every hosted page, with its heading.
PAGES = {
    "sign-in": "Sign in with your Amazon account",
    "payment-method": "Choose how to pay",
    "consent": "Save Amazon Pay for later purchases",
    "challenge": "Confirm that it is you",
    "processing": "Processing your payment",
}

_RESULT = "webCheckoutDetails.checkoutResultReturnUrl"
_REVIEW = "webCheckoutDetails.checkoutReviewReturnUrl"
_SIGN_IN = "webCheckoutDetails.signInReturnUrl"
_MODE = "webCheckoutDetails.checkoutMode"


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to set up a Saved Wallet.

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


_PMOF = "PaymentMethodOnFile"
_CHOOSE = ("sign-in", "payment-method", "consent")

FLOWS = {
    flow.name: flow
    for flow in (
        Flow(
            name="update",
            title="Update the payment method",
            notebook="05_manage_payments",
            required=("storeId", _RESULT, "chargePermissionId", "paymentDetails.paymentIntent"),
            forbidden=("paymentDetails.chargeAmount", _MODE),
            fixed={"chargePermissionType": _PMOF, "paymentDetails.paymentIntent": "Confirm"},
            visits=(("sign-in", "payment-method", "challenge"),),
            returns_to=(_RESULT,),
            complete_with_amount=False,
            source="steps to integrate the Update page",
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
            visits=((*_CHOOSE, "challenge"),),
            returns_to=(_RESULT,),
            complete_with_amount=False,
            source="setupintent: add the Amazon Pay button; verify and complete checkout",
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
            name="sign-in",
            title="Sign in and set up",
            notebook="04_sign_in_and_set_up",
            required=("storeId", _SIGN_IN),
            forbidden=(_MODE, "paymentDetails.chargeAmount"),
            fixed={"productType": "SignInAndSetup"},
            visits=((*_CHOOSE, "challenge"),),
            returns_to=(_SIGN_IN,),
            complete_with_amount=False,
            source="signinandsetup: add the button; verify and complete",
        ),
        Flow(
            name="express",
            title="Set up with express checkout",
            notebook="02_set_up_with_express_checkout",
            required=("storeId", _REVIEW),
            forbidden=(_MODE, "addressDetails"),
            fixed={},
            visits=(_CHOOSE, ("processing", "challenge")),
            returns_to=(_REVIEW, _RESULT),
            complete_with_amount=True,
            source="express: add the button; display shipping and payment info; set payment info; verify and complete",
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
    for flow in FLOWS.values():
        if flow.name == "update" and not payload.get("chargePermissionId"):
            continue
        if all(lookup(told, field) == value for field, value in flow.fixed.items()):
            return flow
    raise LookupError("no flow")  # unreachable: the express row has no fixed field
