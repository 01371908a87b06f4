"""The signature doctor: a request is signed well, one thing is changed, and the verifier says which step breaks.

Nothing is acted: each attempt is really signed with the merchant's key, and really verified as Amazon and the emulator
verify it.  What the rows of `SLIPS` do on purpose, `signing.mistakes` recognises afterwards without knowing of them.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import (
    MAX_AGE,
    SIGNED_HEADERS,
    Algorithm,
    SentRequest,
    SignatureMismatch,
    authorization_header,
    canonical_request,
    explain_request,
    format_date,
    joined_headers,
    parse_date,
    string_to_sign,
)
from amazonpay_nb.signing.keys import MerchantKeys, generate
from amazonpay_nb.signing.steps import HASH, PSS
from amazonpay_nb.spec.regions import REGIONS

__all__ = ["SLIPS", "Attempt", "Diagnosis", "Slip", "diagnose"]

_DATE = "x-amz-pay-date"
_STALE = timedelta(seconds=2)  # what an attempt and its retry lie apart


@lru_cache(maxsize=1)
def _stranger() -> RSAPrivateKey:
    return generate().private_key


class Attempt(NamedTuple):
    """A request on its way to Amazon.

    Attributes:
        sent: What travels, but for the authorization.
        signed: What the signature is made of.
        key: What it is made with.
        algorithm: The name in the authorization header, and in the string to sign.
        scheme: The padding.
        text: Makes the string to sign of a canonical request and the algorithm's name.
    """

    sent: SentRequest
    signed: SentRequest
    key: RSAPrivateKey
    algorithm: str
    scheme: AsymmetricPadding
    text: Callable[[str, str], str] = lambda canonical, name: string_to_sign(canonical, algorithm=name)

    def headers(self, public_key_id: str) -> list[tuple[str, str]]:
        """Return what is sent, signed."""
        text = self.text(canonical_request(*self.signed), self.algorithm)
        signature = b64encode(self.key.sign(text.encode(), self.scheme, HASH)).decode()
        value = authorization_header(public_key_id, self.sent.signed_headers, signature, self.algorithm)
        return [*self.sent.headers, ("authorization", value)]


@dataclass(frozen=True, slots=True)
class Slip:
    """One thing that is done differently.

    Attributes:
        label: What happens, in a few words.
        why: Where this comes from in practice.
        change: Returns the attempt as it then is; the same one where the request has nothing that could change.
        finding: What the verifier answers.
    """

    label: str
    why: str
    change: Callable[[Attempt], Attempt]
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How an attempt ended.

    Attributes:
        mismatch: What the verifier says; None where it accepts the request.
        signed: The canonical request that was signed.
        received: The one that the verifier makes of what arrives.
        differs: Whether the slip changed anything in this request.
    """

    slip: Slip
    attempt: Attempt
    mismatch: SignatureMismatch | None
    signed: str
    received: str
    differs: bool


def diagnose(sent: SentRequest, keys: MerchantKeys, slip: str) -> Diagnosis:
    """Sign a request with one slip, verify it, and return how it went.

    Raises:
        ConfigurationError: There is no such slip.
    """
    if slip not in SLIPS:
        raise ConfigurationError(f"slip={slip!r} does not exist.", advice=f"Choose one of {', '.join(SLIPS)}.")
    good = Attempt(sent, sent, keys.private_key, keys.algorithm, PSS[Algorithm(keys.algorithm)])
    attempt = SLIPS[slip].change(good)
    now = parse_date(joined_headers(sent.headers)[_DATE])
    arrived, headers = attempt.sent, attempt.headers(keys.public_key_id)
    mismatch = explain_request(
        arrived.method, arrived.path, arrived.query, headers, arrived.body, keys.public_pem, now=now
    )
    signed, received = canonical_request(*attempt.signed), canonical_request(*arrived)
    return Diagnosis(SLIPS[slip], attempt, mismatch, signed, received, attempt != good or slip == "none")


# --- What can be done differently -------------------------------------------------------------------------------------


def _signed_otherwise(change: Callable[[SentRequest], SentRequest]) -> Callable[[Attempt], Attempt]:
    return lambda attempt: attempt._replace(signed=change(attempt.signed))


def _changed_afterwards(change: Callable[[SentRequest], SentRequest]) -> Callable[[Attempt], Attempt]:
    return lambda attempt: attempt._replace(sent=change(attempt.sent))


def _both(change: Callable[[SentRequest], SentRequest]) -> Callable[[Attempt], Attempt]:
    return lambda attempt: attempt._replace(sent=change(attempt.sent), signed=change(attempt.signed))


def _spaced(sent: SentRequest) -> SentRequest:
    body = json.dumps(json.loads(sent.body), ensure_ascii=False).encode() if sent.body else b""
    return sent._replace(body=body)


def _escaped(sent: SentRequest) -> SentRequest:
    return sent._replace(body=sent.body.replace(b"/", b"\\/"))


def _other_path(sent: SentRequest) -> SentRequest:
    bare = sent.path.removeprefix("/sandbox")
    return sent._replace(path=f"/sandbox{bare}" if bare == sent.path else bare)


def _other_host(sent: SentRequest) -> SentRequest:
    here = joined_headers(sent.headers)["x-amz-pay-host"]
    return sent.with_header("x-amz-pay-host", next(row.api_host for row in REGIONS.values() if row.api_host != here))


def _unsigned(sent: SentRequest) -> SentRequest:
    # The idempotency key where there is one: it is what people forget.
    names = sent.signed_headers.split(";")
    extra = [name for name in names if name not in SIGNED_HEADERS] or ["x-amz-pay-region"]
    return sent._replace(signed_headers=";".join(name for name in names if name not in extra))


def _dated(moved: timedelta) -> Callable[[SentRequest], SentRequest]:
    def change(sent: SentRequest) -> SentRequest:
        return sent.with_header(_DATE, format_date(_date_of(sent) + moved))

    return change


def _date_of(sent: SentRequest) -> datetime:
    return parse_date(joined_headers(sent.headers)[_DATE])


def _other_salt(attempt: Attempt) -> Attempt:
    other = Algorithm.V1 if attempt.algorithm == Algorithm.V2 else Algorithm.V2
    return attempt._replace(scheme=PSS[other])


SLIPS: dict[str, Slip] = {
    "none": Slip(
        "Nothing: the request as it was", "To see that the verifier accepts what is signed well.",
        lambda attempt: attempt,
    ),
    "body-re-encoded": Slip(
        "The body is encoded again after it was signed", "An HTTP library is given an object, and writes JSON itself.",
        _changed_afterwards(_spaced), "body-re-encoded",
    ),
    "escaped-slashes": Slip(
        "The body was signed with escaped slashes", "PHP's json_encode writes https:\\/\\/ unless told otherwise.",
        _signed_otherwise(_escaped), "escaped-slashes",
    ),
    "empty-body": Slip(
        "The body was left out of the signature", "The signing code takes its body from the wrong place.",
        _signed_otherwise(lambda sent: sent._replace(body=b"")), "empty-body",
    ),
    "path": Slip(
        "Another path was signed", "The /sandbox segment belongs into the signed path when it is in the address.",
        _signed_otherwise(_other_path), "path",
    ),
    "host": Slip(
        "Another host was signed", "The host of another region stands in the configuration.",
        _signed_otherwise(_other_host), "host",
    ),
    "content-type": Slip(
        "A gateway adds a character set to content-type", "Frameworks and proxies do this unasked.",
        _changed_afterwards(lambda sent: sent.with_header("content-type", "application/json; charset=utf-8")),
        "content-type",
    ),
    "unsigned-header": Slip(
        "A header is sent that is not signed", "It was added after signing, or left out of SignedHeaders.",
        _both(_unsigned), "signed-headers",
    ),
    "header-order": Slip(
        "SignedHeaders was sent in another order", "The list was sorted for the one and not for the other.",
        _changed_afterwards(lambda sent: sent._replace(signed_headers=";".join(sent.signed_headers.split(";")[::-1]))),
        "signed-headers",
    ),
    "clock-ahead": Slip(
        "The clock is a minute ahead", "The machine does not ask for the time by NTP.",
        _both(_dated(timedelta(minutes=1))), "date-in-future",
    ),
    "clock-behind": Slip(
        "The clock is far behind", "The machine slept, or requests wait in a queue after signing.",
        _both(_dated(-MAX_AGE - timedelta(minutes=1))), "date-too-old",
    ),
    "stale-signature": Slip(
        "A retry has a new date and the old signature", "Only the date is written anew before the second attempt.",
        _signed_otherwise(_dated(-_STALE)), "date",
    ),
    "salt-length": Slip(
        "The salt has the length of the other algorithm", "Libraries have a default of their own.",
        _other_salt, "salt-length",
    ),
    "padding": Slip(
        "PKCS #1 v1.5 in the place of PSS", "It is what RSA-SHA256 means in most libraries.",
        lambda attempt: attempt._replace(scheme=padding.PKCS1v15()), "padding",
    ),
    "string-to-sign": Slip(
        "The canonical request itself was signed", "Step 2 was left out.",
        lambda attempt: attempt._replace(text=lambda canonical, _: canonical), "string-to-sign",
    ),
    "canonical-request": Slip(
        "The canonical request ends in a line feed", "A template or an editor adds it.",
        lambda attempt: attempt._replace(text=lambda text, name: string_to_sign(text + "\n", algorithm=name)),
        "canonical-request",
    ),
    "other-key": Slip(
        "Another private key signs", "The id belongs to the key of another store, region or environment.",
        lambda attempt: attempt._replace(key=_stranger()), "key-or-content",
    ),
}  # fmt: skip
