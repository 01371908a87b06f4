"""How each kind of thing is shown: one function for each type, from the thing to blocks."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import singledispatch
from itertools import groupby
from typing import Any

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.wire import as_it_travels
from amazonpay_nb.errors import AmazonPayError, ApiError, Refused
from amazonpay_nb.redaction import redact
from amazonpay_nb.shop.buyer import Page
from amazonpay_nb.signing import Algorithm
from amazonpay_nb.signing.keys import Finding, MerchantKeys
from amazonpay_nb.spec.answers import Buyer, CheckoutSession, Reason, Resource, StatusDetails
from amazonpay_nb.spec.flows import PAGES, SIGN_IN, Flow
from amazonpay_nb.spec.machine import Actor, Machine
from amazonpay_nb.spec.operations import TITLES
from amazonpay_nb.spec.reasons import state_reason
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.spec.words import FIELD_NOTES
from amazonpay_nb.workbench import kernel
from amazonpay_nb.workbench.show.blocks import Block, Code, Foreign, Name, Prose, Shown, Table, facts, mark

_PEOPLE = ("buyer", "shippingAddress", "billingAddress")
_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_CAPITALS = re.compile(r"(?<=[a-z])([A-Z])")


def show(thing: Any, *, title: str = "", raw: bool = False) -> Shown:
    """Return a view of *thing*, with secrets and buyer data masked.

    Args:
        thing: An object of the API, a key pair, findings, a machine or its rows, an error, an exchange, a payload, a
            flow, a table, a text, or a list of these or of the rows of any table.
        title: Replaces the caption.
        raw: For an exchange: request and answer as they travel.
    Raises:
        TypeError: This kind of thing has no *raw*.
    """
    blocks = list(_view(thing, raw=True) if raw else _view(thing))
    if title and blocks:
        blocks[0] = blocks[0]._replace(caption=title)
    return Shown(blocks)


@singledispatch
def _view(thing: Any, **options: Any) -> Iterable[Block]:
    if options:
        raise TypeError(f"{', '.join(options)}: no such choice for {type(thing).__name__}")
    # Objects with `_repr_html_`, such as DataFrames, render themselves; pandas is not imported to check.
    if hasattr(thing, "_repr_html_"):
        return [Foreign("", repr(thing), thing._repr_html_())]
    return [Prose(redact(repr(thing)))]


@_view.register
def _text(thing: str) -> Iterator[Block]:
    words = str(redact(thing))
    yield Code("", words) if "\n" in words else Prose(words)


@_view.register
def _resource(thing: Resource) -> Iterator[Block]:
    name = TITLES[type(thing)]
    yield facts(name, [*_object_facts(thing, _state_facts(name, thing))])
    calls = [row.trigger for row in MACHINES[name].allowed(thing.state, Actor.MERCHANT)]
    yield Prose(f"A merchant can now: {', '.join(calls) or 'do nothing more with it'}.")
    if isinstance(thing, CheckoutSession) and thing.constraints:
        yield Prose("As long as a constraint is left, Amazon refuses to complete or to finalize it.")


@_view.register
def _buyer(thing: Buyer) -> Iterator[Block]:
    yield facts("Buyer", [*_object_facts(thing)])


@_view.register
def _reading(thing: Page) -> Iterator[Block]:
    width = max(map(len, thing.lines), default=0)
    rows = (tuple(str(redact(text)) for text in (*line, *[""] * (width - len(line)))) for line in thing.lines)
    yield Table(thing.title, (), tuple(rows), grouped=True)


def _object_facts(thing: Resource | Buyer, state: Iterable[tuple[str, str]] = ()) -> Iterator[tuple[str, str]]:
    # Ids first, then the state, then the rest in Amazon's order, times last.
    values = dict(_values(redact(thing.model_dump(by_alias=True))))
    rest = {path: value for path, value in values.items() if path.partition(".")[0] != "statusDetails"}
    ids = [path for path in rest if path.endswith("Id") and "." not in path]
    times = [path for path in values if path.endswith("Timestamp")]
    yield from ((path, rest[path]) for path in ids)
    yield from state
    yield from ((path, value) for path, value in rest.items() if path not in ids and path not in times)
    yield from ((path, values[path]) for path in times)


def _state_facts(name: str, thing: Resource) -> Iterator[tuple[str, str]]:
    details = thing.status_details
    yield Name("statusDetails.state"), details.state
    reasons: Sequence[Reason | StatusDetails] = details.reasons or [details]
    for reason in reasons:
        row = state_reason(name, details.state, reason.reason_code)
        yield Name("reasonCode"), reason.reason_code or ""
        yield "what it means", row.meaning if row else str(redact(reason.reason_description or ""))
        yield "next step", row.next_step if row else ""


def _values(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        rows = [(path, _readable(leaf)) for path, leaf in _leaves(value, name)]
        if name in _PEOPLE and rows:
            # Personal data is mostly hidden, so one row lists the details.
            yield Name(name), ", ".join(f"{path.removeprefix(name + '.')} {leaf}" for path, leaf in rows)
        else:
            yield from ((Name(path), leaf) for path, leaf in rows)


def _readable(value: Any) -> str:
    if _is_price(value):
        return f"{value['amount']} {value['currencyCode']}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, str):
        return kernel.repeatable(_TIMESTAMP.sub(r"\1-\2-\3 \4:\5:\6 UTC", value))
    return json.dumps(value)  # true and false, as they travel


@_view.register
def _machine(thing: Machine) -> Iterator[Block]:
    order = list(dict.fromkeys(row.source for row in thing.rows))
    rows = sorted(thing.rows, key=lambda row: order.index(row.source))
    cells = tuple((row.source, row.trigger, row.actor, row.target, row.reason or "") for row in rows)
    head = ("in state", "this happens", "who", "next state", "reason")
    yield Table(f"The life of a {thing.name}", head, cells, grouped=True)
    for trigger, then in dict.fromkeys((row.trigger, then) for row in rows for then in row.then):
        condition = f", if {then.when}" if then.when else ""
        yield Prose(f"“{trigger}” also reaches the {then.machine}: “{then.trigger}”{condition}.")


@_view.register(list)
@_view.register(tuple)
def _list(thing: Sequence[Any]) -> Iterator[Block]:
    if all(isinstance(item, _SCALARS) for item in thing):
        yield Code("", _pretty(thing))
        return
    for kind, same in ((kind, list(group)) for kind, group in groupby(thing, type)):
        if kind is Finding:
            words = ("wrong", "good")
            rows = ((f"{mark(row.ok)} {words[row.ok]}", kernel.repeatable(redact(row.text))) for row in same)
            yield Table("Check", (), tuple(rows))
        elif hasattr(kind, "_fields") or (is_dataclass(kind) and _view.dispatch(kind) is _view.dispatch(object)):
            yield _table(same)
        else:
            for item in same:
                yield from _view(item)


_SCALARS = (str, int, float, bool, type(None))


# A row for each instance of a dataclass or named tuple, under the names of its fields.
def _table(things: Sequence[Any]) -> Table:
    kind = type(things[0])
    names = getattr(kind, "_fields", None) or [field.name for field in fields(kind)]
    cells = ((getattr(thing, name) for name in names) for thing in things)
    rows = tuple(tuple("" if cell is None else str(redact(str(cell))) for cell in row) for row in cells)
    caption = _CAPITALS.sub(r" \1", kind.__name__).capitalize()
    repeated = len({row[0] for row in rows}) < len(rows)
    return Table(caption, tuple(name.replace("_", " ") for name in names), rows, grouped=repeated)


@_view.register
def _keys(thing: MerchantKeys) -> Iterator[Block]:
    salt = Algorithm(thing.algorithm).salt_length
    rows = [
        (Name("publicKeyId"), thing.public_key_id or "none yet: Amazon issues it when you upload the public key"),
        ("environment", thing.environment or "neutral: the path says /sandbox/ or /live/"),
        ("algorithm", f"{thing.algorithm}: RSASSA-PSS with SHA-256 and a salt of {salt} bytes"),
        ("private key", f"RSA, {thing.private_key.key_size} bits, never shown"),
        ("fingerprint of the public key", kernel.repeatable(thing.fingerprint)),
    ]
    yield facts("Merchant keys", rows)
    if kernel.people:
        yield Code("Public key", thing.public_pem.strip())


@_view.register
def _error(thing: AmazonPayError) -> Iterator[Block]:
    rows = {
        "what happened": thing.message,
        "what it means": thing.meaning,
        "send it again": thing.idempotency_advice,
        "next step": redact(thing.advice),
    }
    if isinstance(thing, ApiError):
        call = f"{thing.operation}: " if thing.operation else ""
        rows["what happened"] = f"{call}{thing.status_code} {thing.reason_code}\n{thing.amazon_message}"
        rows["send it again"] += f" Amazon asks for {thing.retry_after:g} seconds." if thing.retry_after else ""
        rows["tell the buyer"] = thing.recovery.tell_the_buyer or "Nothing; the buyer need not know."
        rows[Name("x-amz-pay-request-id")] = thing.request_id
    yield facts(type(thing).__name__, [*rows.items()])


@_view.register
def _refused(thing: Refused) -> Iterable[Block]:
    return _view(thing.error) if thing.error else [Prose("Nothing was refused.")]


@_view.register
def _exchange(thing: Exchange, *, raw: bool = False) -> Iterator[Block]:
    if raw:
        sides = zip(("The request, as it travels", "The answer"), as_it_travels(thing), strict=True)
        yield from (Code(caption, kernel.repeatable(text)) for caption, text in sides if text)
        return
    # The time is left out, because everything else repeats from run to run.
    rows = [
        ("operation", thing.operation),
        ("request", Name(f"{thing.method} {redact(thing.path)}")),
        ("answer", f"{mark(not thing.failed)} {thing.answer}"),
        ("idempotency key", thing.idempotency_key),
        ("attempt", str(thing.attempt)),
        (Name("x-amz-pay-request-id"), thing.request_id),
    ]
    yield facts("Exchange", rows)
    # What else travels (host and port, lengths, encodings) belongs to the connection and differs from run to run.
    if headers := redact(thing.signed_headers):
        pairs = tuple((Name(name), value) for name, value in headers.items())
        yield Table("Signed headers", ("header", "value"), pairs)
    if thing.request is not None:
        yield Code("Request body", _pretty(thing.request))
    if thing.response is not None:
        yield Code("Answer", _pretty(thing.response))


@_view.register(Mapping)
def _payload(thing: Mapping[str, Any]) -> Iterator[Block]:
    safe = redact(thing)
    yield Code("", _pretty(safe))
    notes = dict(_note(path) for path, _ in _leaves(safe))  # a note on a group is one on each of its fields
    if rows := tuple((Name(field), note) for field, note in notes.items() if note):
        yield Table("What each field means", ("field", "meaning"), rows)


def _is_price(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"amount", "currencyCode"}


def _leaves(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    # The dotted path and value of each field that is not null; a price and a list of words are one value.
    if isinstance(document, Mapping) and document and not _is_price(document):
        for name, value in document.items():
            yield from _leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(document, list) and any(isinstance(item, (Mapping, list, type(None))) for item in document):
        items = [item for item in document if item is not None]
        for index, item in enumerate(items):
            yield from _leaves(item, path if len(items) == 1 else f"{path}[{index}]")
    elif document is not None:
        yield path, document


def annotated(payload: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Return each field of *payload* with its value and its note, or the note on its group."""
    return [(path, value, _note(path)[1]) for path, value in _leaves(payload)]


def _note(path: str) -> tuple[str, str]:
    # The note on the field itself, or else on its smallest group.
    names = path.partition("[")[0].split(".")
    groups = (".".join(names[:end]) for end in range(len(names), 0, -1))
    return next(((field, FIELD_NOTES[field]) for field in groups if field in FIELD_NOTES), ("", ""))


def _pretty(value: Any) -> str:
    # A value that is not JSON is replaced by its type: its representation may hold secrets that redaction does not see.
    text = json.dumps(redact(value), ensure_ascii=False, indent=2, default=lambda other: f"({type(other).__name__})")
    return kernel.repeatable(text)


@_view.register
def _flow(thing: Flow) -> Iterator[Block]:
    fields = dict.fromkeys((*thing.required, *thing.fixed, *thing.forbidden))
    rows = tuple((Name(field), _rule(thing, field), FIELD_NOTES.get(field, "")) for field in fields)
    yield Table(thing.title, ("field of the signed payload", "rule", "what it says"), rows)
    stays = enumerate(zip(thing.stays, thing.returns_to, strict=True), start=1)
    pages = tuple((str(n), "\n".join(PAGES[page] for page in stay), Name(field)) for n, (stay, field) in stays)
    yield Table("On Amazon's pages", ("stay", "pages, as far as they apply", "then the buyer is sent to"), pages)
    body = "repeats the amount" if thing.complete_with_amount else "sends {}"
    ending = "Get Buyer takes it" if thing.opens == SIGN_IN else f"Complete Checkout Session {body}"
    yield Prose(f"Amazon adds {thing.returns_with} to each address. {ending}.")


def _rule(flow: Flow, field: str) -> str:
    if field in flow.forbidden:
        return "left out"
    return f"is {json.dumps(flow.fixed[field])}" if field in flow.fixed else "required"
