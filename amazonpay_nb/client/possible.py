"""The calls about an object or after an error, why one is not possible, and what happens if none is made."""

import inspect
from collections.abc import Iterator
from datetime import timedelta

from pydantic.alias_generators import to_snake

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.guide import decide
from amazonpay_nb.errors import AmazonPayError, ApiError
from amazonpay_nb.spec.answers import ChargePermission, Resource
from amazonpay_nb.spec.machine import Machine, NotAllowed
from amazonpay_nb.spec.operations import OPERATIONS, Kind, Operation
from amazonpay_nb.spec.states import MACHINES, TIMERS


def calls_about(kind: Kind) -> tuple[Operation, ...]:
    """Return the call that reads an object, then those that its state allows or not."""
    reads = OPERATIONS[f"get{kind.model.__name__}"]
    return reads, *(row for row in OPERATIONS.values() if row.acts_on == kind.title)


def obstacle(kind: Kind, object_id: str, thing: Resource | None, trigger: str) -> str:
    """Say why a *trigger* is not possible as the newest answer shows an object, and what to do; "" where it is.

    Where there is no trigger, as for a call that reads, the state of the object does not matter.
    """
    if not object_id:
        return f"There is no {kind.title} yet."
    if not trigger:
        return ""
    if thing is None:
        return f"Its state is not known yet: {calls_about(kind)[0].title} first."
    try:
        MACHINES[kind.title].step(thing.state, trigger)
    except NotAllowed as refusal:
        step = decide(thing).next_step if isinstance(thing, ChargePermission) else ""
        return f"{refusal}. {step[0].upper()}{step[1:]}." if step else f"{refusal}."
    return ""


def deadlines(machine: Machine, state: str) -> Iterator[str]:
    """Yield what becomes of an object in a state when nothing else happens, and when."""
    for timer in TIMERS:
        if (timer.machine, timer.state) == (machine.name, state):
            target = machine.step(state, timer.trigger).target
            yield f"If nothing else happens, it is {target} {_span(timer.after)} after it became {state}."


def next_calls(error: AmazonPayError) -> tuple[Operation, ...]:
    """Return the calls that the advice names, in its order."""
    return tuple(OPERATIONS[name] for name in error.recovery.calls) if isinstance(error, ApiError) else ()


def in_python(row: Operation) -> str:
    """Return how the client makes a call, with the arguments that it needs."""
    name = to_snake(row.name)
    parameters = list(inspect.signature(getattr(AmazonPayClient, name)).parameters.values())[1:]
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return f"{name}({', '.join(f'{p.name}=…' if p.kind is p.KEYWORD_ONLY else p.name for p in needed)})"


def _span(time: timedelta) -> str:
    for unit, size in (("days", timedelta(days=1)), ("hours", timedelta(hours=1))):
        if time >= 2 * size:
            return f"{time / size:g} {unit}"
    return f"{time.total_seconds():g} seconds"
