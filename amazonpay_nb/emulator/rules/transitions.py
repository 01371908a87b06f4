"""How objects move: the rows of `spec.states` come to life here, in the only module that writes a state."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.notifications.announce import note
from amazonpay_nb.emulator.records import AnyRecord, Charge, Dispute, Refund, Session
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import calendar, limits, reports
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.machine import NotAllowed, Transition
from amazonpay_nb.spec.reasons import STATE_REASONS, wrong_state
from amazonpay_nb.spec.simulations import Simulation
from amazonpay_nb.spec.states import HELD, MACHINES, timer

# How long a Checkout Session can be read after it has ended.
SESSION_KEPT = timedelta(days=30)
# How much of what is due happens before somebody else is answered.
_AT_ONCE = 50
DESCRIPTIONS = {(row.object, row.code): row.description or row.meaning for row in STATE_REASONS}


def require(record: AnyRecord, trigger: str) -> Transition:
    """Return the row for *trigger*, or refuse, naming the object, its state and what is possible."""
    machine = MACHINES[record.kind]
    try:
        return machine.step(record.state, trigger)
    except NotAllowed as error:
        message = str(error).replace(machine.name, f"{machine.name} {record.id}", 1)
        reason = (record.document["statusDetails"] or {}).get("reasonCode")
        raise Refusal(wrong_state(record.kind, trigger, reason), message) from None


def move(
    world: World, record: AnyRecord, trigger: str, *, description: str | None = None, flags: Collection[str] = (),
    later: Simulation | None = None,
) -> None:  # fmt: skip
    """Take the row for *trigger*: write the new state, plan what the clock will do, and follow up on related objects.

    Args:
        description: Text for ``reasonDescription`` instead of the reason's meaning.
        flags: Flags of the request that follow-ups may ask for.
        later: A simulation that decides how an ``…Initiated`` state ends.
    """
    row = require(record, trigger)
    note(world, record, row)
    change = Decimal(0)
    if row.source != row.target or row.reason is not None:  # otherwise time, reasons and timers stay
        change -= limits.used(record)
        record.document["statusDetails"] = _status_details(record, row, world.clock.now(), description)
        calendar.plan(world, record, row, later)
        if effect := _EFFECTS.get((record.kind, row.target)):
            effect(world, record)
        change += limits.used(record)
    world.store.put(record)
    if record.kind == "Charge":
        _book(world, record, change)
        flags = (*flags, HELD if record.is_held else record.notes.permission_type)
    for follow_up in row.then:
        if follow_up.when in ("", *flags):
            for related in _related(world, record, follow_up.machine):
                if MACHINES[related.kind].has(related.state, follow_up.trigger):
                    move(world, related, follow_up.trigger)


def settle(world: World, record: AnyRecord, trigger: str, outcome: Simulation | None) -> None:
    """Let Amazon answer at once, unless the outcome keeps the object in its present state for a while."""
    if outcome is not None and outcome.state == record.state and outcome.later_state:
        calendar.schedule_end(world, record, outcome)
    else:
        move(world, record, trigger)


def fire_due(world: World, until: datetime) -> list[dict[str, str]]:
    """Let some of what is due by *until* happen, if anything is; return it as ``{"at", "kind", "id", "trigger"}``.

    Virtual time stops where a notification is ready: it is delivered before anything later happens.
    """
    fired: list[dict[str, str]] = []
    virtual = world.clock.mode == "virtual"
    while len(fired) < _AT_ONCE and not (virtual and world.outbox.ready):
        if not (record := world.store.next_due(until.isoformat())):
            break
        due, trigger = record.due, record.trigger
        if virtual:
            world.clock.set(datetime.fromisoformat(due))
        record.due = ""
        if occasion := (calendar.OCCASIONS | reports.OCCASIONS).get(trigger):
            occasion(world, record)
        else:
            move(world, record, trigger)
        fired.append({"at": due.replace("+00:00", "Z"), "kind": record.kind, "id": record.id, "trigger": trigger})
    return fired


def _status_details(record: AnyRecord, row: Transition, now: datetime, description: str | None) -> dict[str, Any]:
    text = (description or DESCRIPTIONS.get((record.kind, row.reason))) if row.reason else None
    reason: dict[str, Any] = {"reasonCode": row.reason, "reasonDescription": text}
    if record.kind == "Dispute":  # closing it leaves its end as it is
        reason["resolution"] = row.resolution or (record.document["statusDetails"] or {}).get("resolution")
    if record.kind == "Charge Permission":  # the one object with a list of reasons
        reason = {"reasons": [reason] if row.reason else None}
    since = max(stamp(now), record.document["creationTimestamp"])  # a world file's charge may be older than its order
    return {"state": row.target, **reason, "lastUpdatedTimestamp": since}


def _related(world: World, record: AnyRecord, kind: str) -> list[AnyRecord]:
    if kind == "Charge":
        return world.store.children(kind, record.id)
    parent = world.store.get(kind, record.parent)
    return [parent] if parent else []


def _book(world: World, charge: Charge, change: Decimal) -> None:
    """Book the change in what a charge uses up, and show it on its permission."""
    if change:
        world.store.spend(charge.document["chargePermissionId"], charge.notes.month, int(change * 100))
    permission_type = charge.notes.permission_type
    # A Saved Wallet shows no balance, although its month has a limit; the permission of a held charge is yet to come.
    if permission_type == "PaymentMethodOnFile" or charge.is_held:
        return
    permission = world.find("Charge Permission", charge.parent, charge.merchant_id)
    if permission_type == "Recurring":
        limits.write_month_balance(world, permission)
    elif trigger := limits.write_order_balance(world, permission, charge, change):
        move(world, permission, trigger)


def _ended(world: World, session: Session) -> None:
    calendar.forget_buyer(session)  # readable through the session only while it is Open
    calendar.schedule(world, session, calendar.DELETE, SESSION_KEPT)


def _authorized(world: World, charge: Charge) -> None:
    charge.notes.authorized = world.clock.now().isoformat()


def _captured(world: World, charge: Charge) -> None:
    document = charge.document
    document["captureAmount"] = charge.notes.capture
    document["refundedAmount"] = limits.price(Decimal(0), like=document["chargeAmount"])
    document |= limits.converted(document["chargeAmount"], charge.notes.ledger)


def _refunded(world: World, refund: Refund) -> None:
    charge = world.find("Charge", refund.parent, refund.merchant_id)
    total = limits.value_of(charge.document["refundedAmount"]) + limits.value_of(refund.document["refundAmount"])
    charge.document["refundedAmount"] = limits.price(total, like=charge.document["chargeAmount"])
    world.store.put(charge)


def _answerable(world: World, dispute: Dispute) -> None:
    left = timer("Dispute", "ActionRequired", "Miss the deadline")
    dispute.document["merchantResponseDeadline"] = stamp(world.clock.now() + left)


def _resolved(world: World, dispute: Dispute) -> None:
    dispute.notes.resolved = stamp(world.clock.now())


_EFFECTS: dict[tuple[str, str], Callable[[World, Any], None]] = {
    ("Checkout Session", "Completed"): _ended,
    ("Checkout Session", "Canceled"): _ended,
    ("Charge Permission", "Closed"): calendar.close_calendar,
    ("Charge", "Authorized"): _authorized,
    ("Charge", "Captured"): _captured,
    ("Refund", "Refunded"): _refunded,
    ("Dispute", "ActionRequired"): _answerable,
    ("Dispute", "Resolved"): _resolved,
}
