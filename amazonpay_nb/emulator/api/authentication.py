"""Reads a request, and finds the merchant that signed it, with the checks in the order that Amazon's answers suggest.

Headers present, date, key known, environment, signature, and whether the account may act at all.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Self
from urllib.parse import unquote

from starlette.types import Scope

from amazonpay_nb.emulator.records import Merchant
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.world import World
from amazonpay_nb.signing import SignatureMismatch
from amazonpay_nb.signing.mistakes import RequestParts
from amazonpay_nb.signing.steps import IDEMPOTENCY_KEY, SIGNED_HEADERS, joined_headers, read_authorization
from amazonpay_nb.signing.verify import MAX_AGE, MAX_AHEAD, parse_authorization, parse_date, verify_authorized
from amazonpay_nb.spec.operations import Idempotency, Operation
from amazonpay_nb.spec.simulations import ANYWHERE, SIMULATION_HEADER, simulation

_DELEGATION_HEADER = "x-amz-pay-authtoken"
_KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,32}")


class ApiRequest(NamedTuple):
    """A request as it arrives over the wire."""

    method: str
    path: str  # without environment segment and trailing slash
    raw_path: str  # with both, as it was signed
    query: str
    pairs: list[tuple[str, str]]  # the headers as they were sent
    headers: dict[str, str]  # the same by name, in lower case
    body: bytes

    @classmethod
    def read(cls, scope: Scope, body: bytes) -> Self:
        """Return a request from what a server has read; header names are in lower case already."""
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        raw_path = scope["raw_path"].decode("latin-1").partition("?")[0]
        query = scope["query_string"].decode("latin-1")
        return cls(scope["method"], scope["path"], raw_path, query, pairs, joined_headers(pairs), body)


def authenticate(world: World, operation: Operation, request: ApiRequest) -> Merchant:
    """Return the merchant account that signed a request, or refuse it, also as a code of `ANYWHERE` asks for."""
    headers = request.headers
    _check_present(headers, operation)
    region = headers.get("x-amz-pay-region", world.region.code)
    if region.strip().lower() not in (world.region.code, *world.region.aliases):
        problem = f"The value {region} provided for x-amz-pay-region is not this host's region, {world.region.code}."
        raise Refusal("InvalidHeaderValue", problem)
    _check_date(world, headers["x-amz-pay-date"])
    try:
        authorization = parse_authorization(headers["authorization"])
    except SignatureMismatch as unreadable:
        raise Refusal("InvalidAuthentication", unreadable.explanation) from None  # which code: inferred
    merchant = world.merchant_of_key(authorization.public_key_id)
    if merchant is None:
        raise Refusal("UnauthorizedAccess", f"The public key id {authorization.public_key_id} is not known.")
    _check_environment(unquote(request.raw_path), authorization.public_key_id)
    signed = RequestParts(
        request.method, request.raw_path, request.query, request.pairs, authorization.signed_headers, request.body
    )
    try:
        verify_authorized(signed, authorization, merchant.keys[authorization.public_key_id])
    except SignatureMismatch as mismatch:
        problem = f"signing String [{mismatch.string_to_sign}] , signature [{authorization.signature}]"
        raise Refusal("InvalidRequestSignature", f"Unable to verify signature, {problem}") from None
    if headers.get(_DELEGATION_HEADER):
        raise Refusal("InvalidAuthorizationToken", "No merchant account has delegated anything to this one.")
    _refuse_as_asked(world, operation.name, headers.get(SIMULATION_HEADER, ""))
    return merchant


def _refuse_as_asked(world: World, operation: str, code: str) -> None:
    """Raise a refusal that a simulation code asks for and any operation can give, before anything is stored."""
    queue = world.outcomes[operation]
    if not code and queue and queue[0].code in ANYWHERE:
        code = queue.popleft().code
    row = simulation(operation, code) if code in ANYWHERE else None
    if row:
        problem = f"This refusal is a simulation that was asked for: {row.code}."
        raise Refusal(str(row.reason_code), problem, status=row.status)


def _check_present(headers: Mapping[str, str], operation: Operation) -> None:
    required = ["authorization", "x-amz-pay-date"]
    if operation.idempotency == Idempotency.REQUIRED:
        required.append(IDEMPOTENCY_KEY)
    if authorization := read_authorization(headers.get("authorization", "")):  # what is signed has to arrive
        signed = authorization.signed_headers.lower().split(";")
        required += [name for name in SIGNED_HEADERS if name in signed]
    for name in required:
        if name not in headers:
            raise Refusal("MissingHeader", f"The header {name} is missing.")
        if not headers[name].strip():
            raise Refusal("MissingHeaderValue", f"The header {name} has no value.")
    key = headers.get(IDEMPOTENCY_KEY, "").strip()
    if key and operation.method == "POST" and not _KEY_FORM.fullmatch(key):
        problem = f"The value provided for {IDEMPOTENCY_KEY} must have at most 32 of the characters A-Z a-z 0-9 - _."
        raise Refusal("InvalidHeaderValue", problem)


def _check_date(world: World, value: str) -> None:
    """Compare the date with the virtual and the wall clock, since SDKs always sign wall time."""
    try:
        date = parse_date(value.strip())
    except SignatureMismatch:
        raise Refusal("InvalidHeaderValue", f"The value {value} provided for x-amz-pay-date is no date.") from None
    clocks = (world.clock.now(), datetime.now(date.tzinfo))
    if any(now - MAX_AGE <= date <= now + MAX_AHEAD for now in clocks):
        return
    ahead = all(date > now for now in clocks)
    problem = "should not be in future" if ahead else "is too old"
    raise Refusal("InvalidHeaderValue", f"The value {value} provided for x-amz-pay-date {problem}")


def _check_environment(path: str, key_id: str) -> None:
    """Require ``/sandbox`` in the path for a neutral key, and the Sandbox for any."""
    segment = path.split("/")[1].lower()
    if segment == "live":
        raise Refusal("UnauthorizedAccess", f"The public key id {key_id} has no live environment here.")
    if segment == "v2" and not key_id.upper().startswith("SANDBOX"):
        problem = f"The public key id {key_id} is environment-neutral: the path needs /sandbox before /v2."
        raise Refusal("UnauthorizedAccess", problem)
