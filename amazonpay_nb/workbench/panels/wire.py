"""The wire inspector: what was sent, why it was accepted, how another language says it, and what would break it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from itertools import zip_longest
from typing import Any, Protocol

from amazonpay_nb.client.journal import Exchange, Journal
from amazonpay_nb.client.snippets import LANGUAGES, snippet
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import Algorithm, SentRequest, canonical_request, string_to_sign
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.workbench.panels.slips import SLIPS, Diagnosis, diagnose
from amazonpay_nb.workbench.panels.view import Chosen, Field, Option, Part, View, choose
from amazonpay_nb.workbench.parameters import check_names

__all__ = [
    "LAST", "LOOKS", "NOT_LOOKED_AT", "SIGNATURE_REFUSED", "Line", "Said", "Sent", "Signed", "WireModel", "answer_of",
    "sent_request", "signature_of", "signing_steps",
]  # fmt: skip

_NOTHING = "Nothing has been sent yet: run a cell that calls Amazon Pay, and look again."
_HIDDEN = "(64 hexadecimal digits: the journal hides buyer data, which the hash covers)"
_MASKED = re.compile(r"\(\d+ characters\)|\(hidden\)|…")
_AUTHORIZATION = re.compile(r"(\S+) PublicKeyId=([^\s,]+), SignedHeaders=([^\s,]+), Signature=(.+)")
# What differs in every run, and its form, which does not: outputs that are committed show the form.
_EMPTY_HASH = sha256(b"").hexdigest()
_FORMS = (
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), r"\1:PORT"),
    (re.compile(r"\b\d{8}T\d{6}Z\b"), "YYYYMMDDThhmmssZ"),
    (re.compile(rf"\b(?!{_EMPTY_HASH})[0-9a-f]{{64}}\b"), "(64 hexadecimal digits)"),
)
_EVIDENCE = {
    Evidence.SDK: "Written by the SDK's source; it was not run here.",
    Evidence.RECORDED: "A test runs it against the emulator.",
}

# Refusals by which Amazon says that a signature was not accepted, or that it did not come to look at it.
SIGNATURE_REFUSED = ("InvalidRequestSignature", "InvalidAuthentication", "UnauthorizedAccess")
NOT_LOOKED_AT = ("MissingHeader", "MissingHeaderValue", "InvalidHeaderValue")
LAST = "last"
# What can be looked at in an exchange.
LOOKS = {
    "exchange": "Request and answer",
    "signing": "Signing, step by step",
    "doctor": "Signature doctor",
} | {name: language.title for name, language in LANGUAGES.items()}


@dataclass(frozen=True, slots=True)
class Signed:
    """What the authorization header says."""

    algorithm: str
    public_key_id: str
    headers: str
    signature: str


@dataclass(frozen=True, slots=True)
class Sent:
    """An exchange in the list of all."""

    number: str
    operation: str
    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class Line:
    """Lines of the canonical request."""

    line: str
    what_it_is: str


@dataclass(frozen=True, slots=True)
class Said:
    """A row of the doctor's report."""

    about: str
    what: str


class _Bench(Protocol):
    """What the model needs to know of a workbench."""

    journal: Journal

    @property
    def keys(self) -> MerchantKeys: ...


class WireModel:
    """The exchanges of a journal, each to be looked at in several ways.

    Args:
        bench: Its keys sign for the doctor.
        repeats: Show the form of what differs from run to run, in the place of its value.
        defaults: The choices to begin with: ``exchange`` (a number, or ``last``), ``show``, ``slip``.
    """

    def __init__(self, bench: _Bench, *, repeats: bool = False, **defaults: str) -> None:
        self._bench, self._repeats = bench, repeats
        self._defaults = {"exchange": LAST, "show": "signing", "slip": "host"} | defaults
        check_names(defaults, {field.name: field for field in self._fields(())})
        for field in self._fields(bench.journal.exchanges):
            field.read(field.default)

    def view(self, chosen: Chosen) -> View:
        """Return the exchange that is chosen, as it is to be shown."""
        exchanges = self._bench.journal.exchanges
        if not exchanges:
            return View("Wire inspector", (_NOTHING,))
        fields = self._fields(exchanges)
        values = {name: str(value) for name, value in choose(fields, chosen).items()}
        exchange = exchanges[-1 if values["exchange"] == LAST else int(values["exchange"]) - 1]
        parts = [self._list(exchanges, exchange), *self._look(exchange, values["show"], values["slip"])]
        shown = fields if values["show"] == "doctor" else fields[:2]
        return View("Wire inspector", [_still(part) for part in parts] if self._repeats else parts, shown)

    def _fields(self, exchanges: tuple[Exchange, ...]) -> tuple[Field, ...]:
        numbered = [Option(str(number), f"{number}. {_line(e)}") for number, e in enumerate(exchanges, start=1)]
        options = (Option(LAST, "The latest"), *numbered)
        looks = tuple(Option(name, label) for name, label in LOOKS.items())
        slips = tuple(Option(name, slip.label) for name, slip in SLIPS.items())
        given = self._defaults
        return (
            Field("exchange", given["exchange"], help="Which request.", options=options),
            Field("show", given["show"], help="What to look at.", options=looks),
            Field("slip", given["slip"], "Change one thing", help="What the doctor does wrong.", options=slips),
        )

    def _list(self, exchanges: tuple[Exchange, ...], chosen: Exchange) -> Part:
        rows = [
            Sent(f"{'● ' if e is chosen else ''}{number}", e.operation, f"{e.method} {e.path}", answer_of(e))
            for number, e in enumerate(exchanges, start=1)
        ]
        return Part(rows, title="Every exchange of this run")

    def _look(self, exchange: Exchange, what: str, slip: str) -> Iterator[Part]:
        if what == "exchange":
            yield Part(exchange)
        elif not signature_of(exchange):
            yield Part("This exchange carries no signature, so there is nothing more to see.")
        elif what == "signing":
            yield from signing_steps(exchange)
        elif what == "doctor":
            yield from self._doctor(exchange, slip)
        else:
            yield Part(snippet(what, exchange).rstrip("\n"), title=LANGUAGES[what].title)
            if note := _EVIDENCE.get(LANGUAGES[what].evidence):
                yield Part(note)

    def _doctor(self, exchange: Exchange, slip: str) -> Iterator[Part]:
        try:
            keys = self._bench.keys
        except ConfigurationError as error:  # an exchange of another run, and no keys yet
            yield Part(error)
            return
        yield from _diagnosis(diagnose(sent_request(exchange), keys, slip))


def _still(part: Part) -> Part:
    """Return a part that is the same in every run."""
    thing: Any = part.thing
    if isinstance(thing, str):
        return replace(part, thing=_form(thing))
    if isinstance(thing, Exchange):
        headers = {name: _form(value) for name, value in thing.headers.items()}
        return replace(part, thing=replace(thing, headers=headers))
    if isinstance(thing, list):
        rows = [type(row)(*(_form(getattr(row, field.name)) for field in fields(row))) for row in thing]
        return replace(part, thing=rows)
    return part


def _form(text: str) -> str:
    for pattern, form in _FORMS:
        text = pattern.sub(form, text)
    return text


def _line(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.path} → {answer_of(exchange)}"


def answer_of(exchange: Exchange) -> str:
    """Return the status of the answer, and the state or reason code that came with it."""
    return f"{'no answer:' if exchange.status is None else exchange.status} {exchange.outcome}".strip()


# --- How it was signed ------------------------------------------------------------------------------------------------


def _header_of(exchange: Exchange) -> str:
    return next((value for name, value in exchange.headers.items() if name.lower() == "authorization"), "")


def signature_of(exchange: Exchange) -> Signed | None:
    """Return what the authorization header of an exchange says, or None where it has none."""
    match = _AUTHORIZATION.fullmatch(_header_of(exchange))
    return Signed(*match.groups()) if match else None


def sent_request(exchange: Exchange) -> SentRequest:
    """Return the request of an exchange as far as the journal knows it: what is masked stays masked.

    Raises:
        ConfigurationError: It was not signed.
    """
    signed = signature_of(exchange)
    if signed is None:
        raise ConfigurationError("This exchange carries no signature.", advice="Choose one that the client made.")
    headers = [(name, value) for name, value in exchange.headers.items() if name.lower() != "authorization"]
    return SentRequest(exchange.method, exchange.path, "", headers, signed.headers, _body(exchange))


def _body(exchange: Exchange) -> bytes:
    # As the client writes it.
    if exchange.request is None:
        return b""
    return json.dumps(exchange.request, separators=(",", ":"), ensure_ascii=False).encode()


def signing_steps(exchange: Exchange) -> Iterator[Part]:
    """Yield the documented steps that led to the signature of an exchange.

    Raises:
        ConfigurationError: It was not signed.
    Spec: "Signing requests".
    """
    sent = sent_request(exchange)
    signed = signature_of(exchange)
    assert signed is not None  # noqa: S101 (sent_request has refused the rest)
    canonical = canonical_request(*sent)
    hidden = bool(_MASKED.search(sent.body.decode())) or bool(_MASKED.search(sent.path))
    if hidden:
        canonical = "\n".join([*canonical.split("\n")[:-1], _HIDDEN])
    yield Part(canonical, title="Step 1: the canonical request")
    yield Part([Line(*row) for row in _lines(canonical, sent)], title="Its lines")
    text = f"{signed.algorithm}\n{_HIDDEN}" if hidden else string_to_sign(canonical, algorithm=signed.algorithm)
    yield Part(text, title="Step 2: the string to sign is the algorithm's name and the hash of the canonical request")
    salt = Algorithm(signed.algorithm).salt_length
    scheme = f"RSASSA-PSS with SHA-256 and a salt of {salt} bytes, by your private key, in base64: {signed.signature}."
    yield Part(scheme, title="Step 3: the signature")
    yield Part(_header_of(exchange), title="Step 4: the authorization header")
    yield Part(_verdict(exchange), title="Why it was accepted, or not")


def _lines(canonical: str, sent: SentRequest) -> tuple[tuple[str, str], ...]:
    last = canonical.count("\n") + 1
    size = f"the body's {len(sent.body)} bytes" if sent.body else "no body at all"
    return (
        ("1", "the method"),
        ("2", "the path, as it is sent"),
        ("3", "the query; an empty line where there is none"),
        (f"4 to {last - 3}", "the signed headers: name in lower case, colon, value as it is sent"),
        (f"{last - 2}", "an empty line ends the headers"),
        (f"{last - 1}", "the names of the signed headers, as SignedHeaders lists them"),
        (f"{last}", f"the SHA-256 hash of {size}"),
    )


def _verdict(exchange: Exchange) -> str:
    # Amazon looks at the signature before it looks at anything else that it could refuse.
    code = exchange.outcome if exchange.failed else ""
    if exchange.status is None:
        return "No answer came, so nobody knows whether the signature was accepted."
    if code in SIGNATURE_REFUSED:
        return f"Amazon did not accept it: {code}. The signature doctor shows what such a request may have wrong."
    if code in NOT_LOOKED_AT:
        return f"Amazon did not look at the signature: {code}."
    return (
        "Amazon made the same string to sign of what arrived, and the signature fits the public key of that id: "
        f"this is why the signature was accepted. The answer was {answer_of(exchange)}."
    )


# --- What would break it ----------------------------------------------------------------------------------------------


def _diagnosis(found: Diagnosis) -> Iterator[Part]:
    if not found.differs:
        yield Part(f"“{found.slip.label}” changes nothing in this request; choose another request, or another slip.")
        return
    yield Part([Said(*row) for row in _findings(found)], title="Signature doctor")
    if found.signed == found.received:
        yield Part(found.received, title="Canonical request: the same on both sides")
    else:
        yield Part(_compared(found), title="Canonical request: − you signed, + Amazon makes of what arrives")


def _compared(found: Diagnosis) -> str:
    lines = []
    for mine, theirs in zip_longest(found.signed.split("\n"), found.received.split("\n"), fillvalue=""):
        lines += [f"  {mine}"] if mine == theirs else [f"− {mine}", f"+ {theirs}"]
    return "\n".join(line.rstrip() for line in lines)


def _findings(found: Diagnosis) -> list[tuple[str, str]]:
    rows = [("change", found.slip.label), ("in practice", found.slip.why)]
    if found.mismatch is None:
        return [*rows, ("verdict", "✓ the signature is accepted")]
    equal = found.signed == found.received
    where = "after the canonical request, which is right" if equal else "in the lines marked − and +"
    return [
        *rows,
        ("verdict", "✗ the request is refused"),
        ("step that breaks", f"{found.mismatch.finding}: {where}"),
        ("explanation", found.mismatch.explanation),
    ]
