"""The entry of a hosted visit: checks what `checkout.js` posts, as Amazon's entry does, and opens a session."""

from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import ValidationError

from amazonpay_nb.emulator.api import parsed_json, refused_body
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.sessions import new_session
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import Merchant, World
from amazonpay_nb.signing import verify_payload
from amazonpay_nb.spec.visits import FLOWS, flow_of, lookup
from amazonpay_nb.spec.wire import LOOPBACK_HOSTS, ButtonPayload, ProductType

__all__ = ["start"]

# What checkout.js takes for granted when the page names no algorithm.
_DEFAULT_ALGORITHM = "AMZN-PAY-RSASSA-PSS"


def start(world: World, form: dict[str, str], origin: str) -> Record:
    """Open a session from the form of `checkout.js`.

    Args:
        origin: The ``Origin`` header; "" where the browser sends none.
    Raises:
        Refusal: 400 or 403; it is shown on a hosted page, the buyer is not sent anywhere.
    """
    merchant = _merchant(world, form)
    _check_origins(world, (origin, form.get("origin_url", ""), form.get("merchantDomain", "")))
    payload = form.get("payloadJSON", "")
    mismatch = verify_payload(
        payload, form.get("signature", ""), form.get("algorithm") or _DEFAULT_ALGORITHM,
        merchant.keys[form["publicKeyId"]],
    )  # fmt: skip
    if mismatch is not None:
        raise Refusal(
            403, "InvalidSignatureError",
            f"Signature does not match signedString {mismatch.string_to_sign} for merchant {merchant.merchant_id}. "
            f"{mismatch.explanation}",
        )  # fmt: skip
    product_type = form.get("productType") or "PayAndShip"
    if product_type not in get_args(ProductType):
        raise Refusal(400, "InvalidParameterValue", f"productType {product_type!r} does not exist.")
    body = _checked_payload(world, payload, product_type)
    currency = form.get("ledgerCurrency", "")
    if currency and currency not in world.region.ledger_currencies:
        allowed = " or ".join(world.region.ledger_currencies)
        raise Refusal(400, "InvalidParameterValue", f"ledgerCurrency {currency!r} must be {allowed} in this region.")
    return new_session(world, merchant, body, trigger="Click the button", product_type=product_type, currency=currency)


def _merchant(world: World, form: dict[str, str]) -> Merchant:
    key_id = form.get("publicKeyId", "")
    merchant = world.merchant_of_key(key_id)
    if merchant is None:
        raise Refusal(403, "InvalidAuthentication", f"The public key id {key_id!r} is not known.")
    if form.get("merchantId") != merchant.merchant_id:
        raise Refusal(
            403, "InvalidAuthentication", f"The public key id does not belong to merchant {form.get('merchantId')!r}."
        )
    environment = form.get("environment", "SANDBOX").upper()
    if environment != "SANDBOX":
        raise Refusal(400, "InvalidParameterValue", f"This is a Sandbox; the button asks for {environment!r}.")
    return merchant


def _check_origins(world: World, origins: tuple[str, ...]) -> None:
    """The page with the button must be on a registered domain."""
    for origin in filter(None, origins):
        if origin == "null":  # a sandboxed frame: a browser does not tell where the page is from
            continue
        try:
            host = urlsplit(origin if "//" in origin else f"//{origin}").hostname or ""
        except ValueError:
            host = origin
        if host not in LOOPBACK_HOSTS and not host.endswith(".example") and host not in world.domains:
            raise Refusal(
                403, "InvalidRequest",
                f"The domain {host!r} is not registered for this merchant. Register every domain that shows a button.",
            )  # fmt: skip


def _checked_payload(world: World, payload: str, product_type: str) -> dict[str, Any]:
    parsed = parsed_json(payload.encode(), "payloadJSON")
    if not isinstance(parsed, dict):
        raise Refusal(400, "InvalidRequestFormat", "payloadJSON must be a JSON object.")
    try:
        body = ButtonPayload.model_validate(parsed).model_dump(by_alias=True, exclude_unset=True)
    except ValidationError as error:
        raise refused_body(error) from None
    # The button says that it signs in, so the payload has to say where to; other flows are told by their payload.
    flow = FLOWS["sign-in"] if product_type == "SignInAndSetup" else flow_of(body, product_type)
    for field in flow.required:
        if lookup(body, field) is None:
            raise Refusal(400, "MissingParameterValue", f"{flow.title}: the payload must hold {field}.")
    for field in flow.forbidden:
        if lookup(body, field) is not None:
            raise Refusal(400, "InvalidParameterCombination", f"{flow.title}: the payload must not hold {field}.")
    if flow.name == "end-of-checkout":
        _check_address(world, body.get("addressDetails"), product_type)
    return body


def _check_address(world: World, address: dict[str, Any] | None, product_type: str) -> None:
    if (product_type == "PayAndShip") != bool(address):
        rule = "needs" if product_type == "PayAndShip" else "must not have"
        raise Refusal(
            400, "InvalidParameterCombination", f"With {product_type} an end-of-checkout button {rule} addressDetails."
        )
    for field in world.region.required_address_fields if address else ():
        if not (address or {}).get(field):
            raise Refusal(400, "MissingParameterValue", f"The value for addressDetails.{field} is missing.")
