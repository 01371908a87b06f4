"""Who sends this request, and is it signed?  The checks are made in the order in which Amazon's answers suggest.

Headers present, date, key known, environment, signature.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote

from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.world import Merchant, World
from amazonpay_nb.signing import MAX_AGE, MAX_AHEAD, SignatureMismatch, parse_authorization, parse_date, verify_request
from amazonpay_nb.spec.operations import Idempotency, Operation

__all__ = ["IDEMPOTENCY_HEADER", "authenticate"]

IDEMPOTENCY_HEADER = "x-amz-pay-idempotency-key"
_REQUIRED = ("authorization", "accept", "content-type", "x-amz-pay-date", "x-amz-pay-host", "x-amz-pay-region")
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{1,32}")


def authenticate(
    world: World,
    operation: Operation,
    method: str,
    raw_path: str,
    query: str,
    pairs: list[tuple[str, str]],
    body: bytes,
) -> Merchant:
    """Return the merchant account that signed a request.

    Args:
        raw_path: The path as it was sent, with its environment segment and trailing slash.
        pairs: The headers as they were sent.
    Raises:
        Refusal: 400, 401 or 403.
    """
    headers = {name.lower(): value for name, value in pairs}
    _check_present(headers, operation)
    _check_region(world, headers["x-amz-pay-region"])
    date = _check_date(world, headers["x-amz-pay-date"])
    try:
        authorization = parse_authorization(headers["authorization"])
    except SignatureMismatch as unreadable:
        raise Refusal(400, "InvalidHeaderValue", unreadable.explanation) from None
    merchant = world.merchant_of_key(authorization.public_key_id)
    if merchant is None:
        raise Refusal(401, "UnauthorizedAccess", f"The public key id {authorization.public_key_id} is not known.")
    _check_environment(unquote(raw_path), authorization.public_key_id)
    public_pem = merchant.keys[authorization.public_key_id]
    # The date has been judged against two clocks; the signature is checked at the request's own time.
    mismatch = verify_request(method, raw_path, query, pairs, body, public_pem, now=date)
    if mismatch is not None:
        raise Refusal(403, "InvalidRequestSignature", _explain(mismatch, authorization.signature))
    return merchant


def _check_present(headers: Mapping[str, str], operation: Operation) -> None:
    required: tuple[str, ...] = _REQUIRED
    if operation.idempotency == Idempotency.REQUIRED:
        required = (*_REQUIRED, IDEMPOTENCY_HEADER)
    for name in required:
        if name not in headers:
            raise Refusal(400, "MissingHeader", f"The header {name} is missing.")
        if not headers[name].strip():
            raise Refusal(400, "MissingHeaderValue", f"The header {name} has no value.")
    key = headers.get(IDEMPOTENCY_HEADER, "").strip()
    if key and operation.method == "POST" and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Refusal(
            400, "InvalidHeaderValue",
            f"The value provided for {IDEMPOTENCY_HEADER} must have at most 32 of the characters A-Z a-z 0-9 - _.",
        )  # fmt: skip


def _check_region(world: World, value: str) -> None:
    if value.strip().lower() not in (world.region.code, *world.region.aliases):
        raise Refusal(
            400, "InvalidHeaderValue",
            f"The value {value} provided for x-amz-pay-region is not this host's region, {world.region.code}.",
        )  # fmt: skip


def _check_date(world: World, value: str) -> datetime:
    """Return the date when it fits the virtual or the wall clock: SDKs always sign wall time."""
    try:
        date = parse_date(value.strip())
    except SignatureMismatch:
        raise Refusal(400, "InvalidHeaderValue", f"The value {value} provided for x-amz-pay-date is no date.") from None
    clocks = (world.clock.now(), datetime.now(date.tzinfo))
    if any(now - MAX_AGE <= date <= now + MAX_AHEAD for now in clocks):
        return date
    ahead = all(date > now for now in clocks)
    problem = "should not be in future" if ahead else "is too old"
    raise Refusal(400, "InvalidHeaderValue", f"The value {value} provided for x-amz-pay-date {problem}")


def _check_environment(path: str, key_id: str) -> None:
    """A neutral key needs ``/sandbox`` in the path; a prefixed one decides by itself.  This is a Sandbox only."""
    segment = path.split("/")[1].lower()
    if segment == "live":
        raise Refusal(401, "UnauthorizedAccess", f"The public key id {key_id} has no live environment here.")
    if segment == "v2" and not key_id.upper().startswith("SANDBOX"):
        raise Refusal(
            401, "UnauthorizedAccess",
            f"The public key id {key_id} is environment-neutral: the path needs /sandbox before /v2.",
        )  # fmt: skip


def _explain(mismatch: SignatureMismatch, signature: str) -> str:
    return f"Unable to verify signature, signing String [{mismatch.string_to_sign}] , signature [{signature}]"
