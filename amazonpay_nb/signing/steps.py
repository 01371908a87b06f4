"""The documented steps of signing, each a function of its arguments alone; only the salt that `sign` draws is random.

Spec: "Signing requests"; "Add the Amazon Pay button".
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from amazonpay_nb.errors import SigningError

# Pairs, as they travel.
Headers = Sequence[tuple[str, str]]

SIGNED_HEADERS = ("accept", "content-type", "x-amz-pay-date", "x-amz-pay-host", "x-amz-pay-region")
IDEMPOTENCY_KEY = "x-amz-pay-idempotency-key"
_STANDARD = ";".join(SIGNED_HEADERS)
_WITH_KEY = ";".join(sorted((*SIGNED_HEADERS, IDEMPOTENCY_KEY)))
# Key ids that the authorization header can carry: printable, no blank, no comma.
_KEY_ID = re.compile(r"[!-+\--~]+")
# The signature comes last, so whatever follows "Signature=" belongs to it: also its length, where it is masked.
_HEADER = re.compile(r"(\S+) PublicKeyId=([^\s,]+), ?SignedHeaders=([^\s,]+), ?Signature=(.+)", re.DOTALL)


class Algorithm(StrEnum):
    """The two names of RSASSA-PSS with SHA-256; they differ in the length of the salt."""

    V1 = "AMZN-PAY-RSASSA-PSS"
    V2 = "AMZN-PAY-RSASSA-PSS-V2"

    @property
    def salt_length(self) -> int:
        """Bytes of salt: 20 for the older name, 32 for V2."""
        return 20 if self is Algorithm.V1 else 32


HASH = hashes.SHA256()
PSS: dict[str, padding.PSS] = {
    algorithm: padding.PSS(padding.MGF1(HASH), algorithm.salt_length) for algorithm in Algorithm
}


def canonical_query(query: str) -> str:
    """Return *query* in RFC 3986 form: sorted by name and value, everything but ``A-Za-z0-9-_.~`` encoded."""
    # Lone surrogates stay distinct: two queries must not become one.
    fields = query.encode("utf-8", "surrogatepass").split(b"&")
    pairs = (field.partition(b"=")[::2] for field in fields if field)
    encoded = sorted((quote(unquote_to_bytes(name), ""), quote(unquote_to_bytes(value), "")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def joined_headers(headers: Headers) -> dict[str, str]:
    """Return headers by lower-case name, outer blanks stripped, the values of a repeated name joined by a comma."""
    values: dict[str, str] = {}
    for name, value in headers:
        key, text = name.lower(), value.strip(" \t")
        values[key] = f"{values[key]},{text}" if key in values else text
    return values


def canonical_request(method: str, path: str, query: str, headers: Headers, signed_headers: str, body: bytes) -> str:
    """Return the text that represents a request.

    Args:
        path: As it is sent, with the ``/sandbox`` or ``/live`` segment if there is one.
        query: In the form to be hashed, without ``?``: see `canonical_query`.
        headers: Pairs; a name that comes twice counts once, its values joined by a comma.
        signed_headers: The names to hash, joined by ``;``. Their order and spelling are kept.
        body: The bytes that are sent.
    Raises:
        SigningError: A signed header is missing, or a part holds a line break.
    Spec: "Signing requests", step 1.
    """
    values = joined_headers(headers)
    try:
        lines = [f"{name}:{values[name]}" for name in signed_headers.lower().split(";")]
    except KeyError as missing:
        advice = "Send every header that SignedHeaders names."
        raise SigningError(f"The header {missing.args[0]!r} has to be signed but is missing.", advice=advice) from None
    text = "\n".join([method.upper(), path or "/", query, *lines, "", signed_headers, sha256(body).hexdigest()])
    # Each line has a meaning: a line break inside a part would let two requests share one signature.
    if "\r" in text or text.count("\n") != len(lines) + 5:
        advice = "Remove it from path, query or header."
        raise SigningError("A part of the request contains a line break.", advice=advice)
    return text


def string_to_sign(canonical: str, *, algorithm: str) -> str:
    """Return the text whose RSA-PSS signature authorizes a request.

    Args:
        canonical: The canonical request, or the payload of a button.
        algorithm: One of `Algorithm`.
    Returns:
        Two LF-separated lines: the algorithm name, then 64 hex digits.
    Raises:
        SigningError: *canonical* cannot be written as UTF-8.
    Spec: "Signing requests", step 2.
    """
    try:
        return f"{algorithm}\n{sha256(canonical.encode()).hexdigest()}"
    except UnicodeEncodeError:
        raise SigningError("The text to hash is not valid Unicode.", advice="Send UTF-8.") from None


def sign(text: str, private_key: RSAPrivateKey, *, algorithm: str) -> str:
    """Return the base64 signature of a string to sign.

    Raises:
        SigningError: *algorithm* is not one of `Algorithm`.
    Spec: "Signing requests", step 3.
    """
    scheme = PSS.get(algorithm)
    if scheme is None:
        known = " or ".join(Algorithm)
        raise SigningError(f"There is no algorithm {algorithm!r}.", advice=f"Use {known}.")
    return b64encode(private_key.sign(text.encode(), scheme, HASH)).decode()


class Authorization(NamedTuple):
    """The four parts of an authorization header, verbatim."""

    algorithm: str
    public_key_id: str
    signed_headers: str
    signature: str

    def __str__(self) -> str:
        algorithm, key_id, signed, signature = self
        return f"{algorithm} PublicKeyId={key_id}, SignedHeaders={signed}, Signature={signature}"


def read_authorization(value: str) -> Authorization | None:
    """Return the parts of an authorization header, or None where it does not have the documented form."""
    match = _HEADER.fullmatch(value)
    return Authorization(*match.groups()) if match else None


def authorization_header(public_key_id: str, signed_headers: str, signature: str, algorithm: str) -> str:
    """Return the value of the authorization header.

    Raises:
        SigningError: *public_key_id* is empty or could not be read back.
    Spec: "Signing requests", step 4.
    """
    if not _KEY_ID.fullmatch(public_key_id):
        raise SigningError("There is no usable public key id.", advice="Give the id that Amazon shows for the key.")
    return str(Authorization(algorithm, public_key_id, signed_headers, signature))


def sign_request(
    method: str, path: str, query: str, headers: Headers, body: bytes, private_key: RSAPrivateKey, public_key_id: str,
    algorithm: str = Algorithm.V2,
) -> str:  # fmt: skip
    """Return the authorization value for a request: steps 1 to 4 over the standard headers.

    The idempotency key is signed when it is sent. Other headers travel unsigned.

    Raises:
        SigningError: A standard header is missing, or a part cannot be signed.
    Spec: "Signing requests".
    """
    signed_headers = _WITH_KEY if IDEMPOTENCY_KEY in joined_headers(headers) else _STANDARD
    canonical = canonical_request(method, path, canonical_query(query), headers, signed_headers, body)
    signature = sign(string_to_sign(canonical, algorithm=algorithm), private_key, algorithm=algorithm)
    return authorization_header(public_key_id, signed_headers, signature, algorithm)


def sign_payload(payload: str, private_key: RSAPrivateKey, *, algorithm: str = Algorithm.V2) -> str:
    """Return the signature of a payload that the page holds exactly so.  Spec: "Add the Amazon Pay button"."""
    return sign(string_to_sign(payload, algorithm=algorithm), private_key, algorithm=algorithm)


def format_date(moment: datetime) -> str:
    """Return a *moment* the way ``x-amz-pay-date`` wants it, in UTC; raise `SigningError` where it has no zone."""
    if moment.tzinfo is None:
        raise SigningError("The time to sign has no time zone.", advice="Use datetime.now(UTC).")
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
