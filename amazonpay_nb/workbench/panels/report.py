"""What an action sent, and why each request was accepted or not: its signature, its idempotency key, its state rule.

Everything is read off the requests, their answers and the tables of `spec`; nothing is asked again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.signing import Authorization, read_authorization
from amazonpay_nb.spec.machine import AMAZON, NEW, Machine, Transition
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Idempotency, Kind, Operation
from amazonpay_nb.spec.reasons import REASONS
from amazonpay_nb.spec.states import CHECKOUT_SESSION, MACHINES
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.view import Part

__all__ = [
    "NOTHING_SENT", "Check", "answer_of", "button_config_of", "newest_states", "report_on",
    "report_on_button", "signature_of", "verdict_on",
]  # fmt: skip

NOTHING_SENT = "Nothing was sent to Amazon Pay."
States = dict[str, str]
# Refusals by which Amazon says that a signature was not accepted, or that it did not come to look at it.
_REFUSED = ("InvalidRequestSignature", "InvalidAuthentication", "UnauthorizedAccess")
_NOT_LOOKED_AT = ("MissingHeader", "MissingHeaderValue", "InvalidHeaderValue")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that Amazon Pay looks at in a request, and the result."""

    check: str
    result: str


def newest_states(journal: Journal | None) -> States:
    """Return the state of each object by its id, as far as answers have told it."""
    if journal is None:
        return {}
    return {
        object_id: answer["statusDetails"]["state"]
        for kind in KINDS
        for object_id, answer in journal.known.of(kind).items()
    }


def report_on(exchanges: Sequence[Exchange], states: States) -> Iterator[Any]:
    """Yield for each request of an action what was sent, what came back, and why.

    Args:
        states: The state of each object before; see `newest_states`.
    """
    if not exchanges:
        yield NOTHING_SENT
    states = dict(states)
    for number, exchange in enumerate(exchanges):
        rows = [
            Check("signature", verdict_on(exchange)),
            Check("idempotency key", _key(exchange, exchanges[:number])),
            Check("state rule", "\n".join(_rules(exchange, states))),
        ]
        yield Part(rows, title=f"Sent: {exchange.method} {exchange.path} → {answer_of(exchange)}")
        if not exchange.failed:
            states |= {
                str(exchange.response[kind.id_field]): exchange.outcome
                for kind in KINDS.values()
                if _is_about(exchange, kind) and exchange.response and kind.id_field in exchange.response
            }


def button_config_of(page: HostedPage) -> Mapping[str, Any]:
    """Return what the button on a page of the shop was made of."""
    assert page.attempt.button is not None  # noqa: S101 (every page that a panel opens has a button)
    return page.attempt.button[1]


def report_on_button(page: HostedPage) -> Part:
    """Return the same for what the buyer's browser posts when the button is pressed: the payload that you signed."""
    config = button_config_of(page)
    signed = config.get("createCheckoutSessionConfig")
    rule = _row(CHECKOUT_SESSION, CHECKOUT_SESSION.step(NEW, "Click the button"))
    if not signed:
        signed, rule = config["signInConfig"], "None: a sign-in is no object of the API."
    rows = [
        Check("signature", _fits(signed["publicKeyId"], "payload")),
        Check("idempotency key", "None: each press of the button is a visit of its own."),
        Check("state rule", rule),
    ]
    return Part(rows, title="Sent by the buyer's browser: POST /checkout/initiate, with the payload that you signed")


# --- The signature, and the idempotency key ---------------------------------------------------------------------------


def _fits(public_key_id: str, what: str) -> str:
    return f"✓ It fits the public key of {public_key_id}, so the {what} is yours, and nobody has changed it."


def answer_of(exchange: Exchange) -> str:
    """Return the status of the answer, and the state or reason code that came with it."""
    return f"{'no answer:' if exchange.status is None else exchange.status} {exchange.outcome}".strip()


def signature_of(exchange: Exchange) -> Authorization | None:
    """Return what the authorization header says, the signature by its length; None where there is no header."""
    return next(
        (read_authorization(value) for name, value in exchange.headers.items() if name.lower() == "authorization"), None
    )


def verdict_on(exchange: Exchange) -> str:
    """Say whether the signature was accepted, and why: Amazon looks at it before anything else it could refuse."""
    signed = signature_of(exchange)
    code = exchange.outcome if exchange.failed else ""
    if signed is None:
        return "The request carried none."
    if exchange.status is None:
        return "No answer came, so nobody knows whether it was accepted."
    if code in _NOT_LOOKED_AT:
        return f"Amazon did not look at it: {code}."
    if code in _REFUSED:
        return f"✗ It was not accepted for {signed.public_key_id}: {code}."
    return _fits(signed.public_key_id, "request")


def _key(exchange: Exchange, before: Sequence[Exchange]) -> str:
    key, operation = exchange.idempotency_key, OPERATIONS[exchange.operation]
    if not key:
        without = operation.idempotency == Idempotency.WITHOUT_EFFECT
        return f"None: {'it has no effect on' if without else 'the request has none for'} {operation.title}."
    earlier = [other for other in before if other.idempotency_key == key]
    if not earlier:
        again = "; Amazon keeps the refusal under it, so a new attempt takes another" if exchange.failed else ""
        return f"✓ {key} is new, so Amazon does the work{again}."
    if any(other.status is not None and other.status < 500 for other in earlier):
        return f"↻ {key} was sent before: Amazon replays its first answer, and does the work no second time."
    return f"✓ {key} was sent before without an answer: Amazon does the work if it has not done it yet."


# --- The rows of the state machines -----------------------------------------------------------------------------------


def _rules(exchange: Exchange, states: States) -> Iterator[str]:
    operation, answer = OPERATIONS[exchange.operation], exchange.response or {}
    if exchange.failed and exchange.outcome not in _DECLINES:
        yield _refusal(exchange, operation, states)
        return
    reading = True
    for kind in KINDS.values():
        machine = MACHINES[kind.title]
        makes_one = machine.has(NEW, operation.title) and (exchange.failed or answer.get(kind.id_field))
        if makes_one or kind.title == operation.acts_on:
            reading = False
            source = NEW if kind.title != operation.acts_on else states.get(_id_in(exchange, kind), "")
            yield from _way(machine, source, exchange, answered=_is_about(exchange, kind))
    if reading:
        yield f"Reading is possible in every state; this one is {exchange.outcome}."


# The reasons for which Amazon answers a payment that it did accept with a refusal.
_DECLINES = {row.reason for machine in MACHINES.values() for row in machine.rows if row.target == "Declined"}


def _refusal(exchange: Exchange, operation: Operation, states: States) -> str:
    if operation.acts_on:
        state = states.get(_id_in(exchange, KINDS[operation.acts_on]), "")
        if state and not MACHINES[operation.acts_on].has(state, operation.title):
            return f"✗ {operation.acts_on} is {state}, and no row leads from there by “{operation.title}”."
    reason = REASONS.get(exchange.outcome)
    return f"Not reached: {exchange.outcome}. {reason.meaning if reason else ''}".strip()


def _id_in(exchange: Exchange, kind: Kind) -> str:
    """Return the id of the object that a request is about: a field of its body, or a part of its path."""
    in_path = exchange.path.partition(f"/{kind.path}/")[2].partition("/")[0]
    return str((exchange.request or {}).get(kind.id_field) or in_path)


def _is_about(exchange: Exchange, kind: Kind) -> bool:
    """Tell whether the answer describes an object of this kind: the path names it."""
    return OPERATIONS[exchange.operation].path.split("/")[2] == kind.path


def _way(machine: Machine, source: str, exchange: Exchange, *, answered: bool) -> Iterator[str]:
    """Yield the merchant's row and, where the answer is another state, the row by which Amazon came to it."""
    trigger, code = OPERATIONS[exchange.operation].title, exchange.outcome
    # Where no answer had told the state, it was the first one in which the call is possible: it has been accepted.
    possible = (row for row in machine.rows if row.trigger == trigger and row.source != NEW)
    last = machine.step(source, trigger) if machine.has(source, trigger) else next(possible)
    yield _row(machine, last)
    if answered and exchange.failed:
        last = next((row for row in machine.rows if (row.source, row.reason) == (last.target, code)), last)
        yield _row(machine, last)
    elif answered and last.target != code:
        ways = (row for row in machine.rows if row.target == code and row.actor == AMAZON)
        if (by_amazon := next(ways, None)) is not None:
            yield _row(machine, by_amazon)
    for then in last.then:
        if not then.when or (exchange.request or {}).get(then.when):
            yield f"and with it, {then.machine}: “{then.trigger}”"


def _row(machine: Machine, row: Transition) -> str:
    because = f", {row.reason}" if row.reason else ""
    return f"✓ {machine.name} {row.source} → {row.target}: “{row.trigger}” ({row.actor}{because})"
