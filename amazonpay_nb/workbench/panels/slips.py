"""The signature doctor: a request is signed well but for one slip, and the verifier says which step breaks.

Nothing is acted: each attempt is really signed with the merchant's key, and really verified as Amazon and the emulator
verify it.
"""

import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import (
    MAX_AGE,
    SIGNED_HEADERS,
    Algorithm,
    RequestParts,
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
from amazonpay_nb.signing.mistakes import in_request
from amazonpay_nb.signing.steps import HASH, PSS
from amazonpay_nb.workbench.show.blocks import Block, Code, Prose, facts

__all__ = ["SLIPS", "Attempt", "Diagnosis", "Slip", "diagnose"]


@dataclass(frozen=True, slots=True)
class Slip:
    """One thing that is done differently; see `slips.toml`.

    Attributes:
        label: What happens, in a few words.
        why: Where this comes from in practice.
        finding: What the verifier answers, "" where it accepts the request.
        signed: Names the mistake in what is signed.
        sent: Names the mistake in what is sent.
    """

    label: str
    why: str
    finding: str
    signed: str = ""
    sent: str = ""


SLIPS = {name: Slip(**row) for name, row in tomllib.loads(Path(__file__).with_name("slips.toml").read_text()).items()}


class Attempt(NamedTuple):
    """A request on its way to Amazon.

    Attributes:
        arrives: What travels, but for the authorization.
        signed: What the signature is made of.
        keys: The key pair that signs; the id in the header is always the merchant's.
        scheme: The padding.
        text: Makes the string to sign of a canonical request and the algorithm's name.
    """

    arrives: RequestParts
    signed: RequestParts
    keys: MerchantKeys
    scheme: AsymmetricPadding
    text: Callable[[str, str], str] = lambda canonical, name: string_to_sign(canonical, algorithm=name)

    def headers(self, public_key_id: str) -> list[tuple[str, str]]:
        """Return the headers that travel, with the authorization."""
        algorithm = self.keys.algorithm
        text = self.text(canonical_request(*self.signed), algorithm).encode()
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

    def blocks(self, form: Callable[[str], str]) -> Iterator[Block]:
        """Yield what to show: the verdict, and both canonical requests with their differences marked.

        Args:
            form: Makes a text that is the same in every run, where that is wanted.
        """
        if not self.differs:
            yield Prose(
                f"“{self.slip.label}” changes nothing in this request; choose another request, or another slip."
            )
            return
        signed, received = canonical_request(*self.attempt.signed), canonical_request(*self.attempt.arrives)
        same = signed == received
        rows = [("change", self.slip.label), ("in practice", self.slip.why)]
        if self.mismatch is None:
            rows.append(("verdict", "✓ the signature is accepted"))
        else:
            where = "after the canonical request, which is right" if same else "in the lines marked − and +"
            rows.append(("verdict", "✗ the request is refused"))
            rows.append(("step that breaks", f"{self.mismatch.finding}: {where}"))
            rows.append(("explanation", form(self.mismatch.explanation)))
        yield facts("Signature doctor", rows)
        what = "the same on both sides" if same else "− you signed, + Amazon makes of what arrives"
        yield Code(f"Canonical request: {what}", form(received if same else _compared(signed, received)))


def diagnose(request: RequestParts, keys: MerchantKeys, slip: str) -> Diagnosis:
    """Sign a request with one slip, verify it, and return how it went.

    Raises:
        ConfigurationError: There is no such slip.
    """
    if slip not in SLIPS:
        raise ConfigurationError(f"slip={slip!r} does not exist.", advice=f"Choose one of {', '.join(SLIPS)}.")
    good = Attempt(request, request, keys, PSS[keys.algorithm])
    attempt = _make(SLIPS[slip], good) if slip not in _CHANGES else _CHANGES[slip](good)
    method, path, query, _, _, body = attempt.arrives
    headers = attempt.headers(keys.public_key_id)
    mismatch = explain_request(method, path, query, headers, body, keys.public_pem, now=_date_of(request))
    return Diagnosis(SLIPS[slip], attempt, mismatch, attempt != good or slip == "none")


def _compared(signed: str, received: str) -> str:
    lines = []
    for mine, theirs in zip_longest(signed.split("\n"), received.split("\n"), fillvalue=""):
        lines += [f"  {mine}"] if mine == theirs else [f"− {mine}", f"+ {theirs}"]
    return "\n".join(line.rstrip() for line in lines)


def _make(slip: Slip, attempt: Attempt) -> Attempt:
    """Return an attempt with a mistake that `signing.mistakes` knows, or the same one where there is none to make."""
    words, good = slip.signed or slip.sent, attempt.signed
    mistakes = (request for finding, text, request in in_request(good) if finding == slip.finding and words in text)
    bad = next((request for request in mistakes if request != good), good)
    return attempt._replace(signed=bad) if slip.signed else attempt._replace(arrives=bad)


# --- What `signing.mistakes` does not make ----------------------------------------------------------------------------

Change = Callable[[RequestParts], RequestParts]


def _sign(change: Change) -> Callable[[Attempt], Attempt]:
    return lambda attempt: attempt._replace(signed=change(attempt.signed))


def _send(change: Change) -> Callable[[Attempt], Attempt]:
    return lambda attempt: attempt._replace(arrives=change(attempt.arrives))


def _both(change: Change) -> Callable[[Attempt], Attempt]:
    return lambda attempt: _sign(change)(_send(change)(attempt))


def _unsigned(request: RequestParts) -> RequestParts:
    # The idempotency key where there is one: it is what people forget.
    names = request.signed_headers.split(";")
    extra = [name for name in names if name not in SIGNED_HEADERS] or ["x-amz-pay-region"]
    return request._replace(signed_headers=";".join(name for name in names if name not in extra))


def _date_of(request: RequestParts) -> datetime:
    return parse_date(joined_headers(request.headers)["x-amz-pay-date"])


def _dated(moved: timedelta) -> Change:
    return lambda request: request.with_header("x-amz-pay-date", format_date(_date_of(request) + moved))


@cache
def _stranger() -> MerchantKeys:
    return generate()


_CHANGES: dict[str, Callable[[Attempt], Attempt]] = {
    "none": lambda attempt: attempt,
    "unsigned-header": _both(_unsigned),
    "header-order": _send(
        lambda request: request._replace(signed_headers=";".join(request.signed_headers.split(";")[::-1]))
    ),
    "clock-ahead": _both(_dated(timedelta(minutes=1))),
    "clock-behind": _both(_dated(-MAX_AGE - timedelta(minutes=1))),
    "stale-signature": _sign(_dated(-timedelta(seconds=2))),  # what an attempt and its retry lie apart
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
