"""Which calls there are about an object, and why one is not possible now."""

from amazonpay_nb.client.guide import decide
from amazonpay_nb.spec.answers import ChargePermission, Resource
from amazonpay_nb.spec.machine import NotAllowed
from amazonpay_nb.spec.operations import OPERATIONS, Kind, Operation
from amazonpay_nb.spec.states import MACHINES


def calls_about(kind: Kind) -> tuple[Operation, ...]:
    """Return the call that reads an object, then those that its state allows or not."""
    reads = OPERATIONS[f"get{kind.model.__name__}"]
    return reads, *(row for row in OPERATIONS.values() if row.acts_on == kind.title)


def obstacle(kind: Kind, object_id: str, thing: Resource | None, operation: Operation) -> str:
    """Say why a call is not possible, and what to do instead; "" where it is.

    Args:
        object_id: The id, "" where there is no object yet.
        thing: The object as the newest answer shows it; None where no answer has.
    """
    if not object_id:
        return f"There is no {kind.title} yet."
    if not operation.acts_on:
        return ""
    if thing is None:
        return f"Its state is not known yet: {calls_about(kind)[0].title} first."
    try:
        MACHINES[kind.title].step(thing.state, operation.title)
    except NotAllowed as refusal:
        step = decide(thing).next_step if isinstance(thing, ChargePermission) else ""
        return f"{refusal}. {step[0].upper()}{step[1:]}." if step else f"{refusal}."
    return ""
