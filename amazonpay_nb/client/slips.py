"""Sign a request correctly except for one mistake made on purpose, and let the verifier name the step that failed.

The request is really signed with the merchant's key, and really verified as Amazon and the emulator verify it.
"""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from itertools import zip_longest
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import padding

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import canonical_request, format_date, string_to_sign
from amazonpay_nb.signing.keys import MerchantKeys, generate
from amazonpay_nb.signing.mistakes import RequestParts, in_request
from amazonpay_nb.signing.steps import HASH, PSS, SIGNED_HEADERS, Algorithm, authorization_header, joined_headers
from amazonpay_nb.signing.verify import MAX_AGE, SignatureMismatch, explain_request, parse_date
from amazonpay_nb.spec.data import read


class Slip(NamedTuple):
    """One thing that is done differently; ``slips.toml`` describes the fields."""

    label: str
    why: str
    finding: str
    changes: tuple[str, ...] = ()
    mistake: str = ""


SLIPS = {name: Slip(**row) for name, row in read("slips.toml", beside=__file__).items()}


class Diagnosis(NamedTuple):
    """How a request with a slip fared."""

    slip: Slip
    covers: RequestParts  # what the signature is made of
    arrives: RequestParts  # what travels, with the authorization
    mismatch: SignatureMismatch | None
    differs: bool  # whether the slip changed anything in this request

    @property
    def canonical_requests(self) -> tuple[str, str]:
        """What was signed, and what Amazon makes of what arrives."""
        return canonical_request(*self.covers), canonical_request(*self.arrives)

    @property
    def compared(self) -> str:
        """The lines of both canonical requests; where they differ, − is what was signed and + what arrives."""
        lines = []
        signed, received = (text.split("\n") for text in self.canonical_requests)
        for mine, theirs in zip_longest(signed, received, fillvalue=""):
            lines += [f"  {mine}"] if mine == theirs else [f"− {mine}", f"+ {theirs}"]
        return "\n".join(line.rstrip() for line in lines)


def diagnose(request: RequestParts, keys: MerchantKeys, slip: str) -> Diagnosis:
    """Sign a request with one of the `SLIPS`, verify it, and return how it went."""
    if slip not in SLIPS:
        raise ConfigurationError(f"slip={slip!r} does not exist.", advice=f"Choose one of {', '.join(SLIPS)}.")
    row, algorithm = SLIPS[slip], keys.algorithm
    other = _other_request(slip, request) if row.changes else request
    covers, arrives = (other if side in row.changes else request for side in ("covers", "arrives"))
    canonical = canonical_request(*covers)
    text = _TEXTS[slip](canonical, algorithm) if slip in _TEXTS else string_to_sign(canonical, algorithm=algorithm)
    private_key = _stranger().private_key if slip == "other-key" else keys.private_key
    signature = b64encode(private_key.sign(text.encode(), _scheme(slip, algorithm), HASH)).decode()
    value = authorization_header(keys.public_key_id, arrives.signed_headers, signature, algorithm)
    arrives = arrives._replace(headers=[*arrives.headers, ("authorization", value)])
    method, path, query, headers, _, body = arrives
    mismatch = explain_request(method, path, query, headers, body, keys.public_pem, now=_date_of(request))
    return Diagnosis(row, covers, arrives, mismatch, other != request or not row.changes)


def _other_request(name: str, good: RequestParts) -> RequestParts:
    """Return a request with a mistake, or the same where there is none to make in it."""
    if name in _REQUESTS:
        return _REQUESTS[name](good)
    slip, signed = SLIPS[name], canonical_request(*good)
    mistakes = (bad for finding, text, bad in in_request(good) if finding == slip.finding and slip.mistake in text)
    # The headers of both may come in another order and say the same.
    return next((bad for bad in mistakes if canonical_request(*bad) != signed), good)


def _unsigned(request: RequestParts) -> RequestParts:
    # The idempotency key where there is one: it is what people forget.
    names = request.signed_headers.split(";")
    extra = [name for name in names if name not in SIGNED_HEADERS] or ["x-amz-pay-region"]
    return request._replace(signed_headers=";".join(name for name in names if name not in extra))


def _date_of(request: RequestParts) -> datetime:
    return parse_date(joined_headers(request.headers)["x-amz-pay-date"])


def _dated(moved: timedelta) -> Callable[[RequestParts], RequestParts]:
    return lambda request: request.with_header("x-amz-pay-date", format_date(_date_of(request) + moved))


_REQUESTS: dict[str, Callable[[RequestParts], RequestParts]] = {
    "unsigned-header": _unsigned,
    "header-order": lambda request: request._replace(signed_headers=";".join(request.signed_headers.split(";")[::-1])),
    "clock-ahead": _dated(timedelta(minutes=1)),
    "clock-behind": _dated(-MAX_AGE - timedelta(minutes=1)),
    "stale-signature": _dated(-timedelta(seconds=2)),  # what a request and its retry lie apart
}
# What is signed of a canonical request, in the place of the string to sign.
_TEXTS: dict[str, Callable[[str, str], str]] = {
    "string-to-sign": lambda canonical, _: canonical,
    "canonical-request": lambda canonical, algorithm: string_to_sign(canonical + "\n", algorithm=algorithm),
}


def _scheme(slip: str, algorithm: str) -> padding.AsymmetricPadding:
    other_salt = next(PSS[name] for name in Algorithm if name != algorithm)
    return {"salt-length": other_salt, "padding": padding.PKCS1v15()}.get(slip, PSS[algorithm])


_stranger = cache(generate)
