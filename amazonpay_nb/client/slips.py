"""Sign a request correctly except for one mistake made on purpose, and let the verifier name the step that failed.

Each attempt is really signed with the merchant's key, and really verified as Amazon and the emulator verify it.
"""

import tomllib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing.keys import MerchantKeys, generate
from amazonpay_nb.signing.mistakes import RequestParts, in_request
from amazonpay_nb.signing.steps import (
    HASH,
    PSS,
    SIGNED_HEADERS,
    Algorithm,
    authorization_header,
    canonical_request,
    format_date,
    joined_headers,
    string_to_sign,
)
from amazonpay_nb.signing.verify import MAX_AGE, SignatureMismatch, explain_request, parse_date


@dataclass(frozen=True, slots=True)
class Slip:
    """One thing that is done differently; see `slips.toml`.

    Attributes:
        label: What happens, in a few words.
        why: Where this comes from in practice.
        finding: What the verifier answers, "" where it accepts the request.
        changes: Which of `Attempt.covers` and `Attempt.arrives` is another request.
        mistake: Names the mistake of `signing.mistakes` in that request.
    """

    label: str
    why: str
    finding: str
    changes: tuple[str, ...] = ()
    mistake: str = ""


SLIPS = {name: Slip(**row) for name, row in tomllib.loads(Path(__file__).with_name("slips.toml").read_text()).items()}


class Attempt(NamedTuple):
    """A request on its way to Amazon.

    Attributes:
        arrives: What travels, but for the authorization.
        covers: What the signature is made of.
        keys: The key pair that signs; the id in the header is always the merchant's.
        scheme: The padding.
        text: Makes the string to sign of a canonical request and the algorithm's name.
    """

    arrives: RequestParts
    covers: RequestParts
    keys: MerchantKeys
    scheme: AsymmetricPadding
    text: Callable[[str, str], str] = lambda canonical, name: string_to_sign(canonical, algorithm=name)

    def headers(self, public_key_id: str) -> list[tuple[str, str]]:
        """Return the headers that travel, with the authorization."""
        algorithm = self.keys.algorithm
        text = self.text(canonical_request(*self.covers), algorithm).encode()
        signature = b64encode(self.keys.private_key.sign(text, self.scheme, HASH)).decode()
        value = authorization_header(public_key_id, self.arrives.signed_headers, signature, algorithm)
        return [*self.arrives.headers, ("authorization", value)]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How an attempt ended.

    Attributes:
        mismatch: What the verifier says; None where it accepts the request.
        differs: Whether the slip changed anything in this request.
    """

    slip: Slip
    attempt: Attempt
    mismatch: SignatureMismatch | None
    differs: bool

    @property
    def canonical_requests(self) -> tuple[str, str]:
        """What was signed, and what Amazon makes of what arrives."""
        return canonical_request(*self.attempt.covers), canonical_request(*self.attempt.arrives)

    @property
    def compared(self) -> str:
        """The lines of both canonical requests; where they differ, − is what was signed and + what arrives."""
        lines = []
        signed, received = (text.split("\n") for text in self.canonical_requests)
        for mine, theirs in zip_longest(signed, received, fillvalue=""):
            lines += [f"  {mine}"] if mine == theirs else [f"− {mine}", f"+ {theirs}"]
        return "\n".join(line.rstrip() for line in lines)


def diagnose(request: RequestParts, keys: MerchantKeys, slip: str) -> Diagnosis:
    """Sign a request with one slip, verify it, and return how it went.

    Raises:
        ConfigurationError: There is no such slip.
    """
    if slip not in SLIPS:
        raise ConfigurationError(f"slip={slip!r} does not exist.", advice=f"Choose one of {', '.join(SLIPS)}.")
    good = Attempt(request, request, keys, PSS[keys.algorithm])
    attempt = _SIGNERS[slip](good) if slip in _SIGNERS else _with_other_request(slip, good)
    method, path, query, _, _, body = attempt.arrives
    headers = attempt.headers(keys.public_key_id)
    mismatch = explain_request(method, path, query, headers, body, keys.public_pem, now=_date_of(request))
    return Diagnosis(SLIPS[slip], attempt, mismatch, attempt != good or slip == "none")


# --- What is done differently -----------------------------------------------------------------------------------------


def _with_other_request(name: str, attempt: Attempt) -> Attempt:
    slip, good = SLIPS[name], attempt.covers
    bad = _REQUESTS[name](good) if name in _REQUESTS else _mistaken(good, slip)
    covers, arrives = (bad if side in slip.changes else good for side in ("covers", "arrives"))
    return attempt._replace(covers=covers, arrives=arrives)


def _mistaken(good: RequestParts, slip: Slip) -> RequestParts:
    """Return a request with a mistake that `signing.mistakes` knows, or the same where there is none to make."""
    mistakes = (bad for finding, text, bad in in_request(good) if finding == slip.finding and slip.mistake in text)
    signed = canonical_request(*good)  # the headers of both may come in another order and say the same
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


@cache
def _stranger() -> MerchantKeys:
    return generate()


_REQUESTS: dict[str, Callable[[RequestParts], RequestParts]] = {
    "unsigned-header": _unsigned,
    "header-order": lambda request: request._replace(signed_headers=";".join(request.signed_headers.split(";")[::-1])),
    "clock-ahead": _dated(timedelta(minutes=1)),
    "clock-behind": _dated(-MAX_AGE - timedelta(minutes=1)),
    "stale-signature": _dated(-timedelta(seconds=2)),  # what an attempt and its retry lie apart
}
_SIGNERS: dict[str, Callable[[Attempt], Attempt]] = {
    "salt-length": lambda attempt: attempt._replace(
        scheme=next(PSS[name] for name in Algorithm if name != attempt.keys.algorithm)
    ),
    "padding": lambda attempt: attempt._replace(scheme=padding.PKCS1v15()),
    "string-to-sign": lambda attempt: attempt._replace(text=lambda canonical, _: canonical),
    "canonical-request": lambda attempt: attempt._replace(
        text=lambda canonical, name: string_to_sign(canonical + "\n", algorithm=name)
    ),
    "other-key": lambda attempt: attempt._replace(keys=replace(_stranger(), algorithm=attempt.keys.algorithm)),
}
