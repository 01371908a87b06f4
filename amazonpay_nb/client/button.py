"""The signed payload of the button, and the configuration that `checkout.js` renders it from.

The merchant's server writes the payload once, signs exactly that text, and the page hands exactly that text on:
`SignedPayload` keeps the two together.
"""

import json
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import sign_payload
from amazonpay_nb.signing.keys import MerchantKeys, key_environment
from amazonpay_nb.spec.flows import FLOWS, flow_of
from amazonpay_nb.spec.parts import to_json
from amazonpay_nb.spec.regions import Region

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """A payload with its signature."""

    payload_json: str  #: compact JSON; the signature covers exactly these characters
    signature: str  #: base64, 344 characters for RSA-2048
    algorithm: str
    public_key_id: str

    @property
    def payload(self) -> Payload:
        """The payload that was signed."""
        payload: Payload = json.loads(self.payload_json)
        return payload

    def __repr__(self) -> str:
        return (
            f"SignedPayload: {len(self.payload_json)} characters signed with {self.algorithm} by {self.public_key_id}; "
            f"the signature has {len(self.signature)} characters"
        )


# Each payload takes the shop's store id (``amzn1.application-oa2-client.…``), an address to which the buyer returns
# (Amazon adds ``amazonCheckoutSessionId``), one to which the buyer goes after canceling, and where it applies *scopes*:
# what the merchant asks to know about the buyer.  Left out, they are everything except the billing address; name and
# email address where the buyer signs in and sets up; and only the buyer's id where the buyer just signs in.


def set_up_payload(
    store_id: str, *, result_url: str, cancel_url: str | None = None, scopes: tuple[str, ...] = ()
) -> Payload:
    """Return the payload that saves a wallet without a purchase.  Spec: setupintent, "Add the Amazon Pay button"."""
    web = _present(checkoutResultReturnUrl=result_url, checkoutCancelUrl=cancel_url)
    details = {"paymentIntent": FLOWS["setup"].fixed["paymentDetails.paymentIntent"]}
    return _wallet(store_id, web, setup_only=True, paymentDetails=details, scopes=list(scopes))


def express_payload(
    store_id: str, *, review_url: str, cancel_url: str | None = None, scopes: tuple[str, ...] = (),
    delivery_specifications: Payload | None = None,
) -> Payload:  # fmt: skip
    """Return the payload of an express button, whose buyer reviews the order in the shop before paying.

    Args:
        delivery_specifications: Where the merchant ships: ``{"addressRestrictions": {…}}``.
    Spec: express checkout, "Add the Amazon Pay button".
    """
    web = _present(checkoutReviewReturnUrl=review_url, checkoutCancelUrl=cancel_url)
    return _wallet(store_id, web, scopes=list(scopes), deliverySpecifications=delivery_specifications)


def end_of_checkout_payload(
    store_id: str, *, result_url: str, charge_amount: Payload, cancel_url: str | None = None,
    payment_intent: str = "Authorize", can_handle_pending_authorization: bool = False, address: Payload | None = None,
    merchant_reference_id: str | None = None,
) -> Payload:  # fmt: skip
    """Return the payload of the additional payment button: the order is final, and so is everything in here.

    Args:
        charge_amount: The final amount, ``{"amount": "14.00", "currencyCode": "USD"}``.
        payment_intent: ``Confirm``, ``Authorize`` or ``AuthorizeWithCapture``.
        address: ``addressDetails``: needed for ``PayAndShip``, an error for ``PayOnly``.
    Spec: additional payment button, "Add the Amazon Pay button".
    """
    mode = FLOWS["end-of-checkout"].fixed["webCheckoutDetails.checkoutMode"]
    web = _present(checkoutMode=mode, checkoutResultReturnUrl=result_url, checkoutCancelUrl=cancel_url)
    details = {
        "paymentIntent": payment_intent,
        "canHandlePendingAuthorization": can_handle_pending_authorization,
        "chargeAmount": charge_amount,
    }
    metadata = _present(merchantReferenceId=merchant_reference_id)
    return _wallet(store_id, web, paymentDetails=details, addressDetails=address, merchantMetadata=metadata)


def sign_in_and_set_up_payload(
    store_id: str, *, sign_in_url: str, cancel_url: str | None = None, scopes: tuple[str, ...] = ()
) -> Payload:
    """Return the payload that signs a visitor in and saves Amazon Pay by one consent.  Spec: sign in and set up."""
    web = _present(signInReturnUrl=sign_in_url, signInCancelUrl=cancel_url)
    return {"webCheckoutDetails": web, "storeId": store_id} | _present(signInScopes=list(scopes))


def sign_in_payload(
    store_id: str, *, sign_in_url: str, cancel_url: str | None = None, scopes: tuple[str, ...] = ()
) -> Payload:
    """Return the payload of plain Amazon Sign-in, which saves nothing; the buyer returns with a ``buyerToken``.

    Spec: Amazon Sign-in, "Add the button".
    """
    payload: Payload = {"signInReturnUrl": sign_in_url, "storeId": store_id}
    return payload | _present(signInCancelUrl=cancel_url, signInScopes=list(scopes))


def update_payload(
    store_id: str, charge_permission_id: str, *, result_url: str, cancel_url: str | None = None
) -> Payload:
    """Return the payload of the Update page, where a permission keeps its id.  Spec: "Steps to integrate" it."""
    payload = set_up_payload(store_id, result_url=result_url, cancel_url=cancel_url)
    return payload | {"chargePermissionId": charge_permission_id}


def _wallet(store_id: str, web: Payload, *, setup_only: bool = False, **details: Any) -> Payload:
    """Return a payload that saves a wallet, with or without a purchase."""
    payload: Payload = {
        "webCheckoutDetails": web,
        "storeId": store_id,
        "chargePermissionType": "PaymentMethodOnFile",
        "paymentMethodOnFileMetadata": {"setupOnly": setup_only},
    }
    return payload | _present(**details)


def _present(**fields: Any) -> Payload:
    """Return the fields that have a value: a null or empty one is not sent."""
    return {name: value for name, value in fields.items() if value}


def sign_button(payload: Payload, keys: MerchantKeys) -> SignedPayload:
    """Write the payload as compact JSON, with slashes and letters as they are, and sign that text."""
    text = to_json(payload)
    signature = sign_payload(text, keys.private_key, algorithm=keys.algorithm)
    return SignedPayload(text, signature, str(keys.algorithm), keys.public_key_id)


def button_config(
    signed: SignedPayload, *, merchant_id: str, region: Region, environment: str = "sandbox",
    product_type: str = "PayOnly", placement: str = "Other", color: str = "Gold", language: str = "",
    currency: str = "", estimate: dict[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the second argument of ``amazon.Pay.renderButton``.

    Args:
        environment: ``emulator``, ``sandbox`` or ``live``: what the page says for a neutral key.
        product_type: ``PayOnly`` where no address is wanted, ``PayAndShip``, ``SignInAndSetup``, or ``SignIn``.
        language: One of the region's; its default when left out.
        currency: The merchant account's ledger currency; the region's first when left out.
        estimate: What the order will probably cost.  It is not signed, and nobody is charged by it.
    Spec: "Add the Amazon Pay button"; "Installment payment methods".
    """
    config: dict[str, Any] = {
        "merchantId": merchant_id,
        "ledgerCurrency": currency or region.ledger_currencies[0],
        "checkoutLanguage": language or region.default_language,
        "productType": product_type,
        "placement": placement,
        "buttonColor": color,
        "signInConfig" if product_type == "SignIn" else "createCheckoutSessionConfig": {
            "payloadJSON": signed.payload_json,
            "signature": signed.signature,
            "publicKeyId": signed.public_key_id,
            "algorithm": signed.algorithm,
        },
    } | _present(estimatedOrderAmount=estimate)
    if key_environment(signed.public_key_id) is None:  # a neutral key does not say which environment it is for
        config["sandbox"] = environment != "live"
    return config


def button_text(product_type: str) -> str:
    """Return the text of the button."""
    return "Sign in with Amazon" if product_type.startswith("SignIn") else "Amazon Pay"


def place(payload: Payload, product_type: str, placement: str = "") -> str:
    """Return the button's placement, by default the usual one of the payload's flow, or raise `ConfigurationError`."""
    flow = flow_of(payload, product_type)
    allowed = flow.placements
    if placement and placement not in allowed:
        raise ConfigurationError(
            f"placement={placement!r} does not fit the flow {flow.title!r}.", advice=f"Choose {' or '.join(allowed)}."
        )
    return placement or allowed[0]


def embed(config: dict[str, Any]) -> str:
    """Return JSON that is safe inside a ``<script>`` element."""
    return json.dumps(config, ensure_ascii=False).translate(
        {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
    )
