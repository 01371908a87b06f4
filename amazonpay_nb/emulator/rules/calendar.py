"""Scheduled events: the trigger that the clock fires in a state, and dates in an object that move nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

from amazonpay_nb.emulator.clock import months_later
from amazonpay_nb.emulator.notifications.announce import DELIVER, dispatch
from amazonpay_nb.emulator.records import AnyRecord, Permission
from amazonpay_nb.emulator.rules.limits import write_month_balance
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.machine import Transition
from amazonpay_nb.spec.simulations import Simulation
from amazonpay_nb.spec.states import BUYER_SHOWN, MACHINES, TIMERS, timer

EXPIRE = "Expire"
# Scheduled events that change no state.
DELETE, _FORGET, _NEW_MONTH = "Delete", "Forget the buyer", "A new month begins"
_TRIGGERS = {(row.machine, row.state): row.trigger for row in TIMERS}


def schedule(world: World, record: AnyRecord, trigger: str, after: timedelta) -> None:
    """Let *trigger* happen to *record* when *after* has passed, and write it."""
    world.store.plan(record, trigger, (world.clock.now() + after).isoformat())


def plan(world: World, record: AnyRecord, row: Transition, later: Simulation | None) -> None:
    """Replace what the clock was to do in the old state by what it is to do in the new one."""
    if (record.kind, row.source) in _TRIGGERS:
        record.due = ""
    trigger = _TRIGGERS.get((record.kind, row.target))
    if trigger is None:
        return
    if trigger == EXPIRE:  # at its own time, however long Amazon took to answer before
        world.store.plan(record, trigger, datetime.fromisoformat(record.document["expirationTimestamp"]).isoformat())
    else:
        schedule_end(world, record, later)


def schedule_end(world: World, record: AnyRecord, outcome: Simulation | None) -> None:
    """Let the clock end an ``…Initiated`` state: well, or as a simulation wants it.

    Raises:
        LookupError: No row leads there; the tables contradict each other.
    """
    trigger = _TRIGGERS[record.kind, record.state]
    after = timer(record.kind, record.state, trigger)
    if outcome:
        row = MACHINES[record.kind].leading_to(record.state, str(outcome.later_state), outcome.later_reason)
        if row is None:
            raise LookupError(f"{record.kind}: {outcome.code} leads nowhere from {record.state}")
        trigger = row.trigger
    schedule(world, record, trigger, after)


def open_calendar(world: World, permission: Permission) -> None:
    """Note the days of a new Charge Permission: its expiry, the buyer's details gone, a new month for its limit."""
    now, kind = world.clock.now(), permission.document["chargePermissionType"]
    expires = permission.document["expirationTimestamp"]
    calendar = {EXPIRE: datetime.fromisoformat(expires).isoformat()} if expires else {}
    since, after = BUYER_SHOWN[kind]
    if since == "creation":
        calendar[_FORGET] = (now + after).isoformat()
    if kind == "Recurring":  # a wallet's limit is a month's, too, but is not shown
        calendar[_NEW_MONTH] = _next_month(now).isoformat()
    permission.notes.calendar = calendar
    _plan_next(world, permission)


def close_calendar(world: World, permission: Permission) -> None:
    """Take everything off the calendar but the day on which the buyer's details go, which may be today."""
    since, after = BUYER_SHOWN[permission.document["chargePermissionType"]]
    calendar = permission.notes.calendar
    left = {_FORGET: calendar[_FORGET]} if _FORGET in calendar else {}
    if since == "closing" and after:
        left = {_FORGET: (world.clock.now() + after).isoformat()}
    elif since == "closing":
        forget_buyer(permission)
    permission.notes.calendar = left
    _plan_next(world, permission)


def _plan_next(world: World, permission: Permission) -> None:
    calendar = permission.notes.calendar
    permission.due = ""
    if calendar:
        trigger = min(calendar, key=lambda name: calendar[name])
        world.store.plan(permission, trigger, calendar[trigger])
    world.store.put(permission)


def _next_month(now: datetime) -> datetime:
    return months_later(now, 1).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def forget_buyer(record: AnyRecord) -> None:
    """Take the buyer's details off a document."""
    record.document |= {"buyer": None, "shippingAddress": None, "billingAddress": None}


def _forget_today(world: World, permission: Permission) -> None:
    forget_buyer(permission)
    del permission.notes.calendar[_FORGET]
    _plan_next(world, permission)


def _begin_month(world: World, permission: Permission) -> None:
    permission.notes.calendar[_NEW_MONTH] = _next_month(world.clock.now()).isoformat()
    _plan_next(world, permission)
    write_month_balance(world, permission)


def _delete(world: World, record: AnyRecord) -> None:
    for charge in world.store.children("Charge", record.id):  # which was held for a session, and never taken
        world.store.delete(charge)
    world.store.delete(record)


# Scheduled events that are not triggers of `spec.states`.
OCCASIONS: dict[str, Callable[[World, AnyRecord], None]] = {
    DELETE: _delete,
    _FORGET: _forget_today,
    _NEW_MONTH: _begin_month,
    DELIVER: dispatch,
}
