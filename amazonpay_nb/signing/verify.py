"""Verifying a signature, and naming the step that went wrong when it does not fit.

Spec: "Signing requests"; "Add the Amazon Pay button".
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from amazonpay_nb.errors import SigningError
from amazonpay_nb.signing.mistakes import Mistake, RequestParts, in_canonical, in_payload, in_request
from amazonpay_nb.signing.sentences import sentence
from amazonpay_nb.signing.steps import (
    HASH,
    IDEMPOTENCY_KEY,
    PSS,
    SIGNED_HEADERS,
    Algorithm,
    Authorization,
    Headers,
    canonical_query,
    canonical_request,
    joined_headers,
    read_authorization,
    string_to_sign,
)

# Inferred: Amazon publishes neither limit, but refuses dates that are ahead of its clock.
MAX_AGE = timedelta(minutes=15)
MAX_AHEAD = timedelta(seconds=5)

_DATE = re.compile(r"\d{8}T\d{6}Z|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class SignatureMismatch(SigningError):
    """A signature, or what it hangs on, is not accepted."""

    def __init__(self, finding: str, explanation: str, string_to_sign: str = "") -> None:
        super().__init__(explanation)
        self.finding = finding  #: the step that is wrong, for example ``salt-length``; ``key-or-content`` if unknown
        self.explanation = explanation  #: what is wrong with that step, and what to do
        self.string_to_sign = string_to_sign  #: what the signature was checked against; empty if not that far


def parse_date(text: str) -> datetime:
    """Return the moment of ``20250102T030405Z``, or Node's ``2025-01-02T03:04:05Z``; else raise `SignatureMismatch`."""
    if _DATE.fullmatch(text):
        with suppress(ValueError):  # the 30th of February
            return datetime.fromisoformat(text)
    raise SignatureMismatch("date-format", f"x-amz-pay-date is {text!r}; send UTC as in 20250102T030405Z.")


def parse_authorization(value: str) -> Authorization:
    """Return the parts of an authorization header of the documented form, or raise `SignatureMismatch`."""
    authorization = read_authorization(value)
    if authorization is None or re.search(r"\s", authorization.signature):
        form = str(Authorization("ALGORITHM", "…", "…", "…"))
        raise SignatureMismatch("authorization", f"The authorization header does not have the form {form!r}.")
    return authorization._replace(algorithm=_algorithm(authorization.algorithm))


def check_headers(headers: Headers, now: datetime) -> Authorization:
    """Return the authorization of a request whose headers can be verified at all, or raise `SignatureMismatch`."""
    values = joined_headers(headers)
    for name in ("authorization", "x-amz-pay-date"):  # Amazon's Python sample sends no host and no region
        if name not in values:
            raise SignatureMismatch("missing-header", f"The header {name} is missing; send it.")
    for name in ("authorization", *SIGNED_HEADERS):
        if not values.get(name, "absent"):
            raise SignatureMismatch("missing-header-value", f"The header {name} is empty; give it a value.")
    date = parse_date(values["x-amz-pay-date"])
    if date - now > MAX_AHEAD:
        raise SignatureMismatch("date-in-future", f"x-amz-pay-date is {date - now} ahead; set the clock by NTP.")
    if now - date > MAX_AGE:
        raise SignatureMismatch("date-too-old", f"x-amz-pay-date is {now - date} old; sign again for each attempt.")
    return parse_authorization(values["authorization"])


def _check_signed(headers: Headers, authorization: Authorization) -> None:
    values, signed = joined_headers(headers), authorization.signed_headers.lower().split(";")
    for name in (*SIGNED_HEADERS, IDEMPOTENCY_KEY):
        if name in values and name not in signed:
            raise SignatureMismatch("signed-headers", f"The header {name} is sent unsigned; add it to SignedHeaders.")
    for name in signed:
        if name not in values:
            raise SignatureMismatch("missing-header", f"SignedHeaders names {name!r}, which is not there; send it.")


def verify_request(
    method: str, path: str, query: str, headers: Headers, body: bytes, public_key: str, now: datetime | None = None
) -> None:
    """Return when the request carries a good signature.

    Args:
        path: Raw, as received.
        query: Raw, as received, without ``?``.
        public_key: PEM.
        now: An aware moment; the current time by default.
    Raises:
        SignatureMismatch: It does not, whatever is wrong with it.
    Spec: "Signing requests".
    """
    authorization = check_headers(headers, now or datetime.now(UTC))
    request = RequestParts(method, path, query, headers, authorization.signed_headers, body)
    verify_authorized(request, authorization, public_key)


def explain_request(
    method: str, path: str, query: str, headers: Headers, body: bytes, public_key: str, now: datetime | None = None
) -> SignatureMismatch | None:
    """Return what is wrong with the signature of a request, or None; the arguments are those of `verify_request`."""
    return _caught(lambda: verify_request(method, path, query, headers, body, public_key, now))


def verify_authorized(request: RequestParts, authorization: Authorization, public_key: str) -> None:
    """Do the rest of `verify_request` for a server that has looked at the headers and their date already."""
    try:
        _check_signed(request.headers, authorization)
        _require_fit(_readings(request), _other_requests(request), authorization, public_key)
    except SignatureMismatch as mismatch:
        with suppress(SigningError):  # a signed header that has not arrived
            hashed = string_to_sign(canonical_request(*request), algorithm=authorization.algorithm)
            mismatch.string_to_sign = mismatch.string_to_sign or hashed
        raise


def verify_payload(payload: str, signature: str, algorithm: str, public_key: str) -> None:
    """Return when *signature* covers exactly this *payload*.

    Raises:
        SignatureMismatch: It does not, whatever is wrong with it.
    Spec: "Add the Amazon Pay button".
    """
    authorization = Authorization(_algorithm(algorithm), "", "", signature)
    _require_fit([payload], in_payload(payload), authorization, public_key)


def explain_payload(payload: str, signature: str, algorithm: str, public_key: str) -> SignatureMismatch | None:
    """Return what is wrong with the signature of a payload, or None; the arguments are those of `verify_payload`."""
    return _caught(lambda: verify_payload(payload, signature, algorithm, public_key))


def _caught(check: Callable[[], None]) -> SignatureMismatch | None:
    try:
        check()
    except SignatureMismatch as mismatch:
        return mismatch.with_traceback(None)
    return None


def _readings(request: RequestParts) -> Iterator[str]:
    # Liberties of clients: how a query is encoded, whether white space inside a header value is collapsed, and whether
    # SignedHeaders names a header twice that was signed once.
    once = ";".join(dict.fromkeys(request.signed_headers.split(";")))
    for signed in dict.fromkeys((request.signed_headers, once)):
        for query in dict.fromkeys((request.query, canonical_query(request.query))):
            reading = request._replace(query=query, signed_headers=signed)
            yield canonical_request(*reading)
            collapsed = [(name, re.sub(r"[ \t]+", " ", value)) for name, value in request.headers]
            yield canonical_request(*reading._replace(headers=collapsed))


def _other_requests(request: RequestParts) -> Iterator[Mistake]:
    yield from in_canonical(canonical_request(*request))
    for finding, explanation, changed in in_request(request):
        with suppress(SigningError):  # a path with %0A in it, decoded
            yield finding, explanation, canonical_request(*changed)


def _require_fit(
    readings: Iterable[str], mistakes: Iterable[Mistake], authorization: Authorization, public_key: str
) -> None:
    # Return if the signature fits one reading of what was received; else say which mistake it does fit.
    algorithm, key = Algorithm(authorization.algorithm), read_public_key(public_key)
    signature = _decoded(authorization.signature)
    received = []
    try:
        for reading in readings:
            received.append(reading)
            if _fits(key, signature, string_to_sign(reading, algorithm=algorithm), PSS[algorithm]):
                return
    except SigningError as error:
        raise SignatureMismatch("malformed", f"{error.message} {error.advice}") from None
    expected = string_to_sign(received[0], algorithm=algorithm)
    for finding, explanation, text, scheme in _suspicions(received[0], mistakes, algorithm):
        if _fits(key, signature, text, scheme):
            raise SignatureMismatch(finding, explanation, expected)
    raise SignatureMismatch("key-or-content", sentence("unexplained"), expected)


def _suspicions(
    signed: str, mistakes: Iterable[Mistake], algorithm: Algorithm
) -> Iterator[tuple[str, str, str, AsymmetricPadding]]:
    # Finding, explanation, and what would have been signed how: first the wrong scheme, then the wrong text.
    other = Algorithm.V1 if algorithm is Algorithm.V2 else Algorithm.V2
    text, relabelled = (string_to_sign(signed, algorithm=name) for name in (algorithm, other))
    names = {"other": other, "algorithm": algorithm, "bytes": algorithm.salt_length}
    yield "algorithm", sentence("signed-as", **names), relabelled, PSS[other]
    yield "algorithm", sentence("starts-with", **names), relabelled, PSS[algorithm]
    yield "salt-length", sentence("salt-length", **names), text, padding.PSS(padding.MGF1(HASH), padding.PSS.AUTO)
    yield "padding", sentence("padding"), text, padding.PKCS1v15()
    yield "string-to-sign", sentence("string-to-sign"), signed, PSS[algorithm]
    for finding, explanation, changed in mistakes:
        yield finding, explanation, string_to_sign(changed, algorithm=algorithm), PSS[algorithm]


def _fits(key: RSAPublicKey, signature: bytes, text: str, scheme: AsymmetricPadding) -> bool:
    try:
        key.verify(signature, text.encode(), scheme, HASH)
    except InvalidSignature:
        return False
    return True


def _algorithm(name: str) -> Algorithm:
    try:
        return Algorithm(name)
    except ValueError:
        known = " or ".join(Algorithm)
        raise SignatureMismatch("algorithm", f"There is no algorithm {name!r}; use {known}.") from None


def _decoded(signature: str) -> bytes:
    with suppress(ValueError):
        raw = b64decode(signature, validate=True)
        # Base64 leaves bits unused at its end: without this check, several texts would be one signature.
        if raw and b64encode(raw).decode() == signature:
            return raw
    raise SignatureMismatch("signature", "The signature is not base64; use the standard alphabet, padded.")


@lru_cache(maxsize=256)
def read_public_key(pem: str) -> RSAPublicKey:
    """Return the key of a PEM text, or raise `SignatureMismatch`: it must be RSA, of 2048 bits or more."""
    with suppress(ValueError, UnsupportedAlgorithm):
        key = load_pem_public_key(pem.encode())
        if isinstance(key, RSAPublicKey) and key.key_size >= 2048:
            return key
    raise SignatureMismatch("public-key", "The key to verify with is not an RSA public key of 2048 bits in PEM.")
