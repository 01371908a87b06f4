"""Why each request of a run was accepted or not: its signature, its idempotency key, its state rule.

Everything is read off the requests, their answers and the tables of `spec`; nothing is asked again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.known import COMPLETIONS
from amazonpay_nb.spec.machine import AMAZON, NEW, Machine, Transition
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Idempotency
from amazonpay_nb.spec.reasons import REASONS
from amazonpay_nb.spec.states import CHECKOUT_SESSION, HELD, MACHINES

_UPDATE = "Update the payment method"
# Refusals by which Amazon says that it did not accept a signature, or did not get as far as the signature.
_NOT_ACCEPTED = ("InvalidRequestSignature", "InvalidAuthentication", "UnauthorizedAccess")
_NOT_LOOKED_AT = ("MissingHeader", "MissingHeaderValue", "InvalidHeaderValue")
# The reasons for which Amazon refuses a payment whose request it has accepted.
_DECLINES = {row.reason for machine in MACHINES.values() for row in machine.rows if row.target == "Declined"}


class Report(NamedTuple):
    """Why a request was accepted or not, in sentences; the rule has a line for each row of the state machines."""

    signature: str
    idempotency_key: str
    state_rule: str


def reports(
    exchanges: Sequence[Exchange], states: dict[str, str], keys: Mapping[tuple[str, ...], list[int | None]] = {}
) -> Iterator[tuple[Exchange, Report]]:
    """Yield each request with its report, given `Known.states` and `Known.keys` from before the first one."""
    for number, exchange in enumerate(exchanges):
        rules = "\n".join(_rules(exchange, states))
        yield exchange, Report(verdict_on(exchange), _key(exchange, keys, exchanges[:number]), rules)
        if exchange.kind and exchange.response and not exchange.failed:
            states = states | {str(exchange.response.get(exchange.kind.id_field)): exchange.outcome}


def report_on_button(config: Mapping[str, Any]) -> Report:
    """Return the same for a pressed button: the buyer's browser posts its *config*, with the payload you signed."""
    signed = config.get("createCheckoutSessionConfig")
    rule = _sentence(CHECKOUT_SESSION, CHECKOUT_SESSION.step(NEW, "Click the button"))
    if not signed:
        signed, rule = config["signInConfig"], "None: a sign-in is not an object of the API."
    return Report(_fits(signed["publicKeyId"], "payload"), "None: each press of the button is a new attempt.", rule)


def verdict_on(exchange: Exchange) -> str:
    """Say whether the signature was accepted, and why: Amazon looks at it before anything else it could refuse."""
    signed = exchange.authorization
    code = exchange.outcome if exchange.failed else ""
    if signed is None:
        return "The request has no signature."
    if exchange.status is None:
        return "No answer came, so it is not known whether it was accepted."
    if code in _NOT_LOOKED_AT:
        return f"Amazon did not get as far as the signature: {code}."
    if code in _NOT_ACCEPTED:
        return f"✗ It was not accepted for {signed.public_key_id}: {code}."
    return _fits(signed.public_key_id, "request")


def _fits(public_key_id: str, what: str) -> str:
    return f"✓ It fits the public key of {public_key_id}, so the {what} is yours, and no one has changed it."


def _key(exchange: Exchange, keys: Mapping[tuple[str, ...], list[int | None]], before: Sequence[Exchange]) -> str:
    key, operation = exchange.idempotency_key, OPERATIONS[exchange.operation]
    if not key:
        without = operation.idempotency == Idempotency.WITHOUT_EFFECT
        return f"None: {'it has no effect on' if without else 'the request has none for'} {operation.title}."
    full = exchange.key_of_account
    same = (other for other in before if other.key_of_account == full)
    statuses = [*keys.get(full, ()), *(other.status if other.is_kept else None for other in same)]
    if not statuses:
        again = ""
        if exchange.is_undecided:
            said = f"{exchange.status} decides nothing" if exchange.status else "no answer came"
            again = f"; {said}, so send it again under the same key"
        elif exchange.is_kept and exchange.failed:
            again = "; Amazon keeps the refusal under it, so a new attempt needs another"
        elif exchange.failed:
            again = "; the refusal is not kept under it, so it may be sent once more"
        return f"✓ {key} is new, so Amazon does the work{again}."
    if exchange.outcome == "DuplicateIdempotencyKey":
        return f"✗ {key} was sent before with another request: Amazon refuses this one, and the first one stands."
    if any(statuses):
        return f"↻ {key} was sent before: Amazon replays its first answer, and does not repeat the work."
    return f"✓ {key} was sent before without an answer that is kept: Amazon does the work if it has not done it yet."


def _rules(exchange: Exchange, states: dict[str, str]) -> Iterator[str]:
    """Yield the merchant's row in each machine, and Amazon's row that led to the answer."""
    operation, code = OPERATIONS[exchange.operation], exchange.outcome
    refused = exchange.failed and code not in _DECLINES
    rules: list[str] = []
    for kind in KINDS.values():
        machine = MACHINES[kind.title]
        rows = [row for row in machine.rows if row.trigger == operation.title]
        if not rows or operation.title in machine.followed:  # the latter is the doing of another object's row
            continue
        object_id = str((exchange.request or {}).get(kind.id_field) or exchange.object_id)
        state = states.get(object_id, "") if kind.title == operation.acts_on else NEW
        about = str((exchange.response or {}).get(kind.id_field))
        if kind is not exchange.kind and operation.name in COMPLETIONS and about in states:
            # The session was that of the Update page, so the object is no new one.
            rows, state = [row for row in machine.rows if row.trigger == _UPDATE], states[about]
        if refused and state not in ("", NEW, *(row.source for row in rows)):
            yield f"✗ {machine.name} is {state}, and no row leads from there by “{operation.title}”."
            return
        # Where no answer had shown the state, it was the first one in which the call is possible.
        first = next((row for row in rows if row.source == state), rows[0])
        rules += _way(machine, first, exchange, answered=kind is exchange.kind)
    if refused:
        reason = REASONS.get(code)
        rules = [f"Not reached: {code}. {reason.meaning if reason else ''}".strip()]
    yield from rules or [f"Reading is possible in every state; this one is {code}."]


def _way(machine: Machine, first: Transition, exchange: Exchange, *, answered: bool) -> Iterator[str]:
    yield _sentence(machine, first)
    last, code = first, exchange.outcome
    if answered and code != first.target:
        by_amazon = [row for row in machine.rows if row.actor == AMAZON]
        declines = [row for row in by_amazon if (row.source, row.reason) == (first.target, code)]
        for last in (declines if exchange.failed else [row for row in by_amazon if row.target == code])[:1]:
            yield _sentence(machine, last)
    for then in (then for then in last.then if then.when != HELD):  # no call reaches what is held
        if not then.when or exchange.failed or (exchange.request or {}).get(then.when):
            condition = f" (if {then.when})" if exchange.failed and then.when else ""
            yield f"and with it, {then.machine}: “{then.trigger}”{condition}"


def _sentence(machine: Machine, row: Transition) -> str:
    because = f", {row.reason}" if row.reason else ""
    return f"✓ {machine.name} {row.source} → {row.target}: “{row.trigger}” ({row.actor}{because})"
