"""What an action sent, and why each request was accepted or not: its signature, its idempotency key, its state rule.

Everything is read off the journal and the tables of `spec`; nothing is asked again.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.alias_generators import to_camel

from amazonpay_nb.client.journal import Exchange, Journal
from amazonpay_nb.spec.machine import NEW, Machine, Transition
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency, Operation
from amazonpay_nb.spec.reasons import REASONS
from amazonpay_nb.spec.states import CHECKOUT_SESSION, MACHINES
from amazonpay_nb.workbench.panels.view import Part
from amazonpay_nb.workbench.panels.wire import NOT_LOOKED_AT, SIGNATURE_REFUSED, answer_of, signature_of

__all__ = ["NOTHING_SENT", "Check", "button_sent", "sent"]

NOTHING_SENT = "Nothing was sent to Amazon Pay."


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that Amazon Pay looks at in a request, and what it found."""

    check: str
    what_was_found: str


def sent(exchanges: Sequence[Exchange], journal: Journal) -> Iterator[Any]:
    """Yield for each request what was sent, what came back, and why."""
    if not exchanges:
        yield NOTHING_SENT
    every = journal.exchanges
    for exchange in exchanges:
        before = every[: next((i for i, other in enumerate(every) if other is exchange), len(every))]
        rows = [
            Check("signature", _signature(exchange)),
            Check("idempotency key", _key(exchange, before)),
            Check("state rule", "\n".join(_rules(exchange, before))),
        ]
        yield Part(rows, title=f"Sent: {exchange.method} {exchange.path} → {answer_of(exchange)}")


def button_sent(config: Mapping[str, Any]) -> Part:
    """Return the same for what the buyer's browser posts when the button is pressed: the payload that you signed."""
    signed = config.get("createCheckoutSessionConfig")
    row = _row(CHECKOUT_SESSION, CHECKOUT_SESSION.step(NEW, "Click the button"))
    rule = row if signed else "None: a sign-in is no object of the API."
    signed = signed or config["signInConfig"]
    rows = [
        Check("signature", _fits(signed["publicKeyId"], "payload")),
        Check("idempotency key", "None: each press of the button is a visit of its own."),
        Check("state rule", rule),
    ]
    return Part(rows, title="Sent by the buyer's browser: POST /checkout/initiate, with the payload that you signed")


# --- The signature, and the idempotency key ---------------------------------------------------------------------------


def _fits(public_key_id: str, what: str) -> str:
    return f"✓ It fits the public key of {public_key_id}, so the {what} is yours, and nobody has changed it."


def _signature(exchange: Exchange) -> str:
    signed = signature_of(exchange)
    if signed is None:
        return "The request carried none."
    if exchange.status is None:
        return "No answer came, so nobody knows whether it was accepted."
    code = exchange.outcome if exchange.failed else ""
    if code in NOT_LOOKED_AT:
        return f"Amazon did not look at it: {code}."
    if code in SIGNATURE_REFUSED:
        return f"✗ It was not accepted for {signed.public_key_id}: {code}."
    return _fits(signed.public_key_id, "request")


def _key(exchange: Exchange, before: Sequence[Exchange]) -> str:
    key, operation = exchange.idempotency_key, OPERATIONS[exchange.operation]
    if not key:
        without = operation.idempotency == Idempotency.WITHOUT_EFFECT
        return f"None: {'it has no effect on ' if without else 'none was given with '}{operation.title}."
    earlier = [other for other in before if other.idempotency_key == key]
    if not earlier:
        again = "; Amazon keeps the refusal under it, so a new attempt takes another" if exchange.failed else ""
        return f"✓ {key} is new, so Amazon does the work{again}."
    if any(other.status is not None and other.status < 500 for other in earlier):
        return (
            f"↻ {key} was sent before: Amazon replays the answer that it gave then, and does the work no second time."
        )
    return f"✓ {key} was sent before without an answer: Amazon does the work if it has not done it yet."


# --- The rows of the state machines -----------------------------------------------------------------------------------


def _rules(exchange: Exchange, before: Sequence[Exchange]) -> Iterator[str]:
    operation = OPERATIONS[exchange.operation]
    code = exchange.outcome if exchange.failed else ""
    declined = any(row.reason == code and row.target == "Declined" for m in MACHINES.values() for row in m.rows)
    if exchange.failed and not declined:
        yield from _refused(exchange, before)
        return
    machines = [machine for machine in MACHINES.values() if _concerns(machine, operation, exchange)]
    if not machines:
        yield f"Reading is possible in every state; this one is {exchange.outcome}."
    for machine in machines:
        source = NEW if machine.name != operation.acts_on else _known(machine, exchange, before)
        yield from _way(machine, _taken(machine, operation.title, source), exchange)


def _refused(exchange: Exchange, before: Sequence[Exchange]) -> Iterator[str]:
    operation, code = OPERATIONS[exchange.operation], exchange.outcome
    if machine := MACHINES.get(operation.acts_on):
        state = _known(machine, exchange, before)
        if state and not machine.has(state, operation.title):
            yield f"✗ {machine.name} is {state}, and no row leads from there by “{operation.title}”."
            return
    reason = REASONS.get(code)
    yield f"Not reached: {code}. {reason.meaning if reason else ''}".strip()


def _concerns(machine: Machine, operation: Operation, exchange: Exchange) -> bool:
    """Tell whether a call acts on an object of this machine, or makes one."""
    if machine.name == operation.acts_on:
        return True
    named = (exchange.response or {}).get(_id_field(machine)) or exchange.failed
    return machine.has(NEW, operation.title) and bool(named)


def _known(machine: Machine, exchange: Exchange, before: Sequence[Exchange]) -> str:
    """Return the state that an object was in as far as an answer had told it, or ""."""
    field = _id_field(machine)
    pattern = re.escape(OPERATIONS[exchange.operation].path).replace(r"\{id\}", "([^/]+)")
    found = re.search(pattern + "$", exchange.path)
    object_id = (exchange.request or {}).get(field) or (found[1] if found and found.groups() else "")
    noun = machine.name.replace(" ", "")
    for other in reversed(before):
        answer = other.response or {}
        if not other.failed and other.operation.endswith(noun) and answer.get(field) == object_id:
            return other.outcome
    return ""


def _id_field(machine: Machine) -> str:
    return to_camel(f"{machine.name.lower().replace(' ', '_')}_id")


def _taken(machine: Machine, trigger: str, source: str) -> Transition:
    # Where no answer had told the state, it was the first one in which the call is possible: it has been accepted.
    if machine.has(source, trigger):
        return machine.step(source, trigger)
    return next(row for row in machine.rows if row.trigger == trigger and row.source != NEW)


def _way(machine: Machine, first: Transition, exchange: Exchange) -> Iterator[str]:
    """Yield the merchant's row, and those that led on to the answer."""
    rows = [first, *_onward(machine, first.target, exchange)]
    for row in rows:
        yield _row(machine, row)
    for then in rows[-1].then:
        if not then.when or (exchange.request or {}).get(then.when):
            yield f"and with it, {then.machine}: “{then.trigger}”"


def _onward(machine: Machine, state: str, exchange: Exchange) -> Sequence[Transition]:
    if not exchange.operation.endswith(machine.name.replace(" ", "")):
        return ()  # the answer is about another object
    return _path(machine.rows, state, exchange)


def _path(rows: Iterable[Transition], state: str, exchange: Exchange) -> Sequence[Transition]:
    """Return the shortest way from a state to the one that was answered."""
    every, ways = tuple(rows), deque[tuple[Transition, ...]]([()])
    seen = {state}
    while ways:
        way = ways.popleft()
        here = way[-1].target if way else state
        if here == exchange.outcome or (way and exchange.failed and way[-1].reason == exchange.outcome):
            return way
        for row in every:
            wanted = exchange.failed and row.reason == exchange.outcome
            if row.source == here and (wanted or row.target not in seen):
                seen.add(row.target)
                ways.append((*way, row))
    return ()


def _row(machine: Machine, row: Transition) -> str:
    because = f", {row.reason}" if row.reason else ""
    return f"✓ {machine.name} {row.source} → {row.target}: “{row.trigger}” ({row.actor}{because})"
