"""The signed payload of the button, and the configuration that `checkout.js` renders it from.

The merchant's server writes the payload once, signs exactly that text, and the page hands exactly that text on:
`SignedPayload` keeps the two together.
"""

import json
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.keys import MerchantKeys
from amazonpay_nb.signing import sign_payload
from amazonpay_nb.spec.regions import Region
from amazonpay_nb.spec.visits import FLOWS

__all__ = ["PAYMENT_METHOD_ON_FILE", "SignedPayload", "button_config", "embed", "set_up_payload", "sign_button"]

PAYMENT_METHOD_ON_FILE = "PaymentMethodOnFile"

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """A payload with its signature.

    Attributes:
        payload_json: Compact JSON; the signature covers exactly these characters.
        signature: Base64, 344 characters for RSA-2048.
        algorithm: The variant's name, the same in the signer and in the page.
        key_environment: ``sandbox`` or ``live`` where the key's id says so, None for a neutral key.
    """

    payload_json: str
    signature: str
    algorithm: str
    public_key_id: str
    key_environment: str | None

    def __repr__(self) -> str:
        return (
            f"SignedPayload: {len(self.payload_json)} characters signed with {self.algorithm} by {self.public_key_id}; "
            f"the signature has {len(self.signature)} characters"
        )


def set_up_payload(
    store_id: str, *, result_url: str, cancel_url: str | None = None, scopes: tuple[str, ...] = ()
) -> Payload:
    """Return the payload that saves a wallet without a purchase.

    Args:
        store_id: ``amzn1.application-oa2-client.…``
        result_url: Where the buyer comes back to; Amazon adds ``amazonCheckoutSessionId``.
        cancel_url: Where the buyer comes to after canceling.
        scopes: What the merchant asks to know of the buyer; everything but the billing address when left out.
    Spec: setupintent, "Add the Amazon Pay button".
    """
    web = {"checkoutResultReturnUrl": result_url}
    if cancel_url:
        web["checkoutCancelUrl"] = cancel_url
    payload: Payload = {
        "webCheckoutDetails": web,
        "storeId": store_id,
        "chargePermissionType": PAYMENT_METHOD_ON_FILE,
        "paymentMethodOnFileMetadata": {"setupOnly": True},
        "paymentDetails": {"paymentIntent": FLOWS["setup"].fixed["paymentDetails.paymentIntent"]},
    }
    return payload | ({"scopes": list(scopes)} if scopes else {})


def sign_button(payload: Payload, keys: MerchantKeys) -> SignedPayload:
    """Write the payload as compact JSON, with slashes and letters as they are, and sign that text."""
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    signature = sign_payload(text, keys.private_key, algorithm=keys.algorithm)
    return SignedPayload(text, signature, str(keys.algorithm), keys.public_key_id, keys.environment)


def button_config(
    signed: SignedPayload, *, merchant_id: str, region: Region, environment: str = "sandbox",
    product_type: str = "PayOnly", placement: str = "Other", color: str = "Gold", language: str = "",
    currency: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Return the second argument of ``amazon.Pay.renderButton``.

    Args:
        environment: ``emulator``, ``sandbox`` or ``live``: what the page says for a neutral key.
        product_type: ``PayOnly`` where no address is wanted, ``PayAndShip``, or ``SignInAndSetup``.
        language: One of the region's; its default when left out.
        currency: The merchant account's ledger currency; the region's first when left out.
    Spec: "Add the Amazon Pay button".
    """
    config: dict[str, Any] = {
        "merchantId": merchant_id,
        "ledgerCurrency": currency or region.ledger_currencies[0],
        "checkoutLanguage": language or region.default_language,
        "productType": product_type,
        "placement": placement,
        "buttonColor": color,
        "createCheckoutSessionConfig": {
            "payloadJSON": signed.payload_json,
            "signature": signed.signature,
            "publicKeyId": signed.public_key_id,
            "algorithm": signed.algorithm,
        },
    }
    if signed.key_environment is None:  # a neutral key does not say which environment it is for
        config["sandbox"] = environment != "live"
    return config


def embed(config: dict[str, Any]) -> str:
    """Return JSON that can stand inside a ``<script>`` element."""
    text = json.dumps(config, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
