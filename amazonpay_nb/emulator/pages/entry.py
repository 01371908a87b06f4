"""The entry of a stay at the hosted pages: checks what `checkout.js` or the Mobile SDK posts, as Amazon's entry does.

A valid request opens a session, or a plain sign-in.
"""

from typing import Any, get_args
from urllib.parse import urlsplit

from amazonpay_nb.emulator.api.bodies import parsed_json, validated
from amazonpay_nb.emulator.records import Merchant, Session
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules.sessions import check_fields, new_session
from amazonpay_nb.emulator.world import MAX_STARTED, World
from amazonpay_nb.signing import SignatureMismatch, verify_payload
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, host_of
from amazonpay_nb.spec.flows import CHECKOUT_SESSION, SIGN_IN, nearest_flow
from amazonpay_nb.spec.parts import to_json
from amazonpay_nb.spec.regions import COUNTRIES_WITHOUT_STATE, fields_of_address
from amazonpay_nb.spec.requests import ButtonPayload, MobilePayload, ProductType, SignInPayload

# The algorithm that checkout.js assumes if the page names none.
_DEFAULT_ALGORITHM = "AMZN-PAY-RSASSA-PSS"
# Of an app's start call, which nobody signs.
_MAX_START_BYTES = 16 * 1024


def start(world: World, form: dict[str, str], origin: str, own_host: str | None = None) -> Session:
    """Open a session from the form of `checkout.js`.

    Args:
        origin: The ``Origin`` header; "" where the browser sends none.
        own_host: A host that counts as registered, because the shop and these pages share it.
    """
    _check_environment(form)
    key_id = form.get("publicKeyId", "")
    merchant = world.merchant_of_key(key_id)
    if merchant is None:
        raise Refusal("InvalidAuthentication", f"The public key id {key_id!r} is not known.")
    if form.get("merchantId") != merchant.merchant_id:
        problem = f"The public key id does not belong to merchant {form.get('merchantId')!r}."
        raise Refusal("InvalidAuthentication", problem)
    _check_origins(world, own_host, (origin, form.get("origin_url", ""), form.get("merchantDomain", "")))
    payload = form.get("payloadJSON", "")
    signature, algorithm = form.get("signature", ""), form.get("algorithm") or _DEFAULT_ALGORITHM
    try:
        verify_payload(payload, signature, algorithm, merchant.keys[key_id])
    except SignatureMismatch as mismatch:
        problem = f"Signature does not match signedString {mismatch.string_to_sign} for merchant"
        explained = f"{problem} {merchant.merchant_id}. {mismatch.explanation}"
        raise Refusal("InvalidSignatureError", explained, status=403) from None
    if form.get("upgradeAction"):
        raise Refusal("InvalidRequest", "The upgrade of a one-time permission to a recurring one is not emulated.")
    return _opened(world, merchant, form, parsed_json(payload.encode(), "payloadJSON"))


def start_mobile(world: World, raw: bytes) -> Session:
    """Open a session from the Mobile SDK's start call: nothing in it is signed, and Finalize checks it later."""
    if len(raw) > _MAX_START_BYTES:
        raise Refusal("InvalidRequest", f"A start call has at most {_MAX_START_BYTES} bytes; send less.", status=413)
    call = parsed_json(raw, "The body")
    if not isinstance(call, dict):
        raise Refusal("InvalidRequestFormat", "The body must be a JSON object.")
    if str(call.get("msdk")).lower() != "true":
        raise Refusal("InvalidParameterValue", "msdk must be true: only the Mobile SDK starts a checkout here.")
    _check_environment(call)
    merchant = world.merchants.get(str(call.get("merchantId")))
    if merchant is None:
        raise Refusal("InvalidAuthentication", f"There is no merchant {call.get('merchantId')!r}.")
    return _opened(world, merchant, call, call.get("checkoutSessionConfig"), mobile=True)


def _opened(world: World, merchant: Merchant, fields: dict[str, Any], payload: Any, *, mobile: bool = False) -> Session:
    product_type = fields.get("productType") or "PayAndShip"
    if product_type not in get_args(ProductType):
        raise Refusal("InvalidParameterValue", f"productType {product_type!r} does not exist.")
    body, region = _checked_payload(world, payload, product_type, mobile), world.region
    for name, allowed in (("ledgerCurrency", region.ledger_currencies), ("checkoutLanguage", region.languages)):
        if fields.get(name) and fields[name] not in allowed:
            problem = f"{name} {fields[name]!r} must be {' or '.join(allowed)} in this region."
            raise Refusal("InvalidParameterValue", problem)
    opened = _with_room(world, "apps" if mobile else "buttons")
    session = new_session(
        world, merchant, body, trigger="Click the button", product_type=product_type,
        currency=fields.get("ledgerCurrency", ""), mobile=mobile,
    )  # fmt: skip
    session.notes.language = fields.get("checkoutLanguage") or region.default_language
    opened.append(session.id)
    world.keep_latest(CHECKOUT_SESSION)  # only now: what follows a refusal is undone
    return session


def _with_room(world: World, origin: str) -> list[str]:
    """Return the ids of the sessions of all buttons or apps, with room for one more: those that are over make it."""
    ids, store = world.started[origin], world.store
    if len(ids) >= MAX_STARTED:
        have = to_json(ids)
        world.started[CHECKOUT_SESSION] += store.among(CHECKOUT_SESSION, have, '"state":"Canceled"')
        ids[:] = store.among(CHECKOUT_SESSION, have, '"state":"Open"') + store.among(SIGN_IN, have)
    if len(ids) >= MAX_STARTED:
        problem = f"{MAX_STARTED} sessions of {origin} are open; end some, advance the clock, or reset the emulator."
        raise Refusal("TooManyRequests", problem)
    return ids


def _check_environment(fields: dict[str, Any]) -> None:
    environment = str(fields.get("environment", "SANDBOX")).upper()
    prefix = str(fields.get("publicKeyId", "")).partition("-")[0].upper()
    if prefix in ("LIVE", "SANDBOX") and prefix != environment:
        problem = f"The public key id is of {prefix}, and the button asks for {environment!r}."
        raise Refusal("InvalidParameterValue", problem)
    if environment != "SANDBOX":
        raise Refusal("InvalidParameterValue", f"This is a Sandbox; the button asks for {environment!r}.")


def _check_origins(world: World, own_host: str | None, origins: tuple[str, ...]) -> None:
    """Require that the page with the button is on a registered domain, as live does."""
    for origin in filter(None, origins):
        if origin == "null":  # a sandboxed frame: the browser does not reveal its origin
            continue
        try:
            host = host_of(urlsplit(origin if "//" in origin else f"//{origin}").netloc)
        except ValueError:
            host = ""
        if host not in {*LOOPBACK_HOSTS, *world.domains, own_host} and not host.endswith(".example"):
            problem = f"The domain {host or origin!r} is not registered for this merchant."
            advice = "As live does, the emulator takes a button from no other: add it by --domain."
            raise Refusal("InvalidRequest", f"{problem} {advice}", status=403)


def _checked_payload(world: World, payload: Any, product_type: str, mobile: bool) -> dict[str, Any]:
    model = SignInPayload if product_type == "SignIn" else ButtonPayload
    body = validated(MobilePayload if mobile else model, payload, "The payload")
    flow = nearest_flow(body, product_type)
    if mobile and not flow.mobile:
        raise Refusal("InvalidRequest", f"{flow.title}: the Mobile SDK has no variant of it.")
    check_fields(flow, body, mobile=mobile)
    if flow.name == "end-of-checkout":
        _check_address(world, body.get("addressDetails"), product_type)
    return body


def _check_address(world: World, address: dict[str, Any] | None, product_type: str) -> None:
    if (product_type == "PayAndShip") != bool(address):
        rule = "needs" if product_type == "PayAndShip" else "must not have"
        problem = f"With {product_type} an end-of-checkout button {rule} addressDetails."
        raise Refusal("InvalidParameterCombination", problem)
    if not address:
        return
    country = address.get("countryCode") or ""
    if address.get("stateOrRegion") and country.upper() in COUNTRIES_WITHOUT_STATE:
        problem = f"addressDetails.stateOrRegion is not supported in {country}: leave it out, or use districtOrCounty."
        raise Refusal("InvalidParameterValue", problem)
    for field in fields_of_address(country, world.region):
        if not address.get(field):
            raise Refusal("MissingParameterValue", f"The value for addressDetails.{field} is missing.")
