"""How objects move: the rows of `spec.states` come to life here, and nowhere else is a state written."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.notifications.announce import DELIVER, dispatch, note
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.machine import NEW, NotAllowed, Transition
from amazonpay_nb.spec.money import Counts, counted, counted_in_month, format_amount
from amazonpay_nb.spec.reasons import STATE_REASONS, wrong_state
from amazonpay_nb.spec.simulations import Simulation
from amazonpay_nb.spec.states import BUYER_SHOWN, MACHINES, TIMERS

__all__ = [
    "fire_due",
    "forget_after",
    "money",
    "month_of",
    "move",
    "open_calendar",
    "price",
    "require",
    "settle",
]

# A Checkout Session can be read for so long after it has ended.
SESSION_KEPT = timedelta(days=30)
# What time brings besides a change of state.
_DELETE, _FORGET, _NEW_MONTH = "Delete", "Forget the buyer", "A new month begins"

_DESCRIPTIONS = {(row.object, row.code): row.description or row.meaning for row in STATE_REASONS}
_TIMERS = {(timer.machine, timer.state): timer for timer in TIMERS}


def month_of(moment: datetime) -> str:
    """Return the calendar month of a time, ``yyyy-mm``, in UTC."""  # whose months are meant: inferred
    return moment.isoformat()[:7]


def money(price: dict[str, str] | None) -> Decimal:
    """Return the amount of a price, zero where there is none."""
    return Decimal(price["amount"]) if price else Decimal(0)


def price(amount: Decimal, like: dict[str, str]) -> dict[str, str]:
    """Return a price in the currency of another one."""
    currency = like["currencyCode"]
    return {"amount": format_amount(amount, currency), "currencyCode": currency}


def require(record: Record, trigger: str) -> Transition:
    """Return the row for *trigger*.

    Raises:
        Refusal: 422, naming the object, its state and what is possible.
    """
    machine = MACHINES[record.kind]
    try:
        return machine.step(record.state, trigger)
    except NotAllowed as error:
        message = str(error).replace(machine.name, f"{machine.name} {record.id}", 1)
        reason = (record.document["statusDetails"] or {}).get("reasonCode")
        raise Refusal(422, wrong_state(record.kind, trigger, reason), message) from None


def move(
    world: World, record: Record, trigger: str, *, description: str | None = None, flags: Collection[str] = (),
    later: Simulation | None = None,
) -> None:  # fmt: skip
    """Take the row for *trigger*: write the new state, plan what the clock will do, and follow up on related objects.

    Args:
        description: Text for ``reasonDescription`` instead of the reason's meaning.
        flags: Flags of the request that follow-ups may ask for.
        later: A simulation that decides how an ``…Initiated`` state ends.
    """
    row = require(record, trigger)
    if world.announces:
        note(world, record, row)
    if row.source == row.target and row.reason is None:
        world.store.put(record)  # an update is no change of state: time, reasons and timers stay
        return
    before = _counted(record)
    record.document["statusDetails"] = _status_details(record, row, world.clock.now(), description)
    _plan(world, record, row, later)
    if effect := _EFFECTS.get((record.kind, row.target)):
        effect(world, record)
    world.store.put(record)
    if change := _counted(record) - before:
        world.store.spend(record.parent, record.hidden["month"], int(change * 100))
    if show_balance := _BALANCES.get(record.hidden.get("type", "")):
        show_balance(world, record)
    for follow_up in row.then:
        if not follow_up.when or follow_up.when in flags:
            for related in _related(world, record, follow_up.machine):
                if _possible(related, follow_up.trigger):
                    move(world, related, follow_up.trigger)


def _possible(record: Record, trigger: str) -> bool:
    return MACHINES[record.kind].has(record.state, trigger)


def _plan(world: World, record: Record, row: Transition, later: Simulation | None) -> None:
    """Replace what the clock was to do in the old state by what it is to do in the new one."""
    if (record.kind, row.source) in _TIMERS:
        record.due = ""
    timer = _TIMERS.get((record.kind, row.target))
    if timer is None:
        return
    planned, after = _ending(record, later) if later else (timer.trigger, timer.after)
    if planned == "Expire":  # when it says that it does, however long Amazon took to answer before
        after = datetime.fromisoformat(record.document["expirationTimestamp"]) - world.clock.now()
    _schedule(world, record, planned, after)


def _schedule(world: World, record: Record, trigger: str, after: timedelta) -> None:
    world.store.plan(record, trigger, (world.clock.now() + after).isoformat())


def forget_after(world: World, record: Record, after: timedelta) -> None:
    """Delete *record* when *after* has passed; put it afterwards."""
    _schedule(world, record, _DELETE, after)


def settle(world: World, record: Record, trigger: str, outcome: Simulation | None) -> None:
    """Let Amazon answer at once, unless the outcome keeps the object in its present state for a while."""
    if outcome is not None and outcome.state == record.state and outcome.later_state:
        planned, after = _ending(record, outcome)
        _schedule(world, record, planned, after)
        world.store.put(record)
    else:
        move(world, record, trigger)


def _ending(record: Record, outcome: Simulation) -> tuple[str, timedelta]:
    row = MACHINES[record.kind].leading_to(record.state, str(outcome.later_state), outcome.later_reason)
    if row is None:
        raise LookupError(f"{record.kind}: {outcome.code} leads nowhere from {record.state}")
    return row.trigger, timedelta(seconds=outcome.delay_seconds)


def _status_details(record: Record, row: Transition, now: datetime, description: str | None) -> dict[str, Any]:
    text = (description or _DESCRIPTIONS.get((record.kind, row.reason))) if row.reason else None
    if record.kind == "Charge Permission":  # the one object with a list of reasons
        reasons = [{"reasonCode": row.reason, "reasonDescription": text}] if row.reason else None
        return {"state": row.target, "reasons": reasons, "lastUpdatedTimestamp": stamp(now)}
    return {
        "state": row.target,
        "reasonCode": row.reason,
        "reasonDescription": text,
        "lastUpdatedTimestamp": stamp(now),
    }


def _related(world: World, record: Record, kind: str) -> list[Record]:
    if kind == "Charge":
        return world.store.children(kind, record.id)
    parent = world.store.get(kind, record.parent)
    return [parent] if parent else []


# --- What a state brings with it --------------------------------------------------------------------------------------


def _ended(world: World, session: Record) -> None:
    _forget_buyer(world, session)  # readable through the session only while it is Open
    forget_after(world, session, SESSION_KEPT)


def _closed(world: World, permission: Record) -> None:
    """Take everything off the calendar but the day on which the buyer's details go, which may be today."""
    since, after = BUYER_SHOWN[permission.document["chargePermissionType"]]
    calendar = permission.hidden["calendar"]
    left = {_FORGET: calendar[_FORGET]} if _FORGET in calendar else {}
    if since == "closing" and after:
        left = {_FORGET: (world.clock.now() + after).isoformat()}
    elif since == "closing":
        _forget_buyer(world, permission)
    permission.hidden["calendar"] = left
    _plan_next(world, permission)


def _forget_buyer(world: World, record: Record) -> None:
    record.document |= {"buyer": None, "shippingAddress": None, "billingAddress": None}


def _captured(world: World, charge: Record) -> None:
    document = charge.document
    document["captureAmount"] = charge.hidden["capture"]
    document["refundedAmount"] = price(Decimal(0), like=document["chargeAmount"])


def _authorized(world: World, charge: Record) -> None:
    charge.hidden["authorized"] = world.clock.now().isoformat()


def _refunded(world: World, refund: Record) -> None:
    charge = world.find("Charge", refund.parent, refund.merchant_id)
    total = money(charge.document["refundedAmount"]) + money(refund.document["refundAmount"])
    charge.document["refundedAmount"] = price(total, like=charge.document["chargeAmount"])
    world.store.put(charge)


_EFFECTS: dict[tuple[str, str], Callable[[World, Record], None]] = {
    ("Checkout Session", "Completed"): _ended,
    ("Checkout Session", "Canceled"): _ended,
    ("Charge Permission", "Closed"): _closed,
    ("Charge", "Authorized"): _authorized,
    ("Charge", "Captured"): _captured,
    ("Refund", "Refunded"): _refunded,
}


def _counted(record: Record) -> Decimal:
    # NEW is no state of the table: there is nothing yet.
    is_charge = record.kind == "Charge" and record.state != NEW
    return counted_in_month(record.document) if is_charge else Decimal(0)


def _show_order_balance(world: World, charge: Record) -> None:
    """Write what is left of a one-time permission after one of its charges moved."""
    permission = world.find("Charge Permission", charge.parent, charge.merchant_id)
    charges = world.store.children("Charge", permission.id)
    captured = sum((counted("Charge", c.document, Counts.CAPTURED) for c in charges), Decimal(0))
    limits = permission.document["limits"]
    left = money(limits["amountLimit"]) - sum((_counted(c) for c in charges), Decimal(0))
    limits["amountBalance"] = price(left, like=limits["amountLimit"])
    world.store.put(permission)
    reasons = [row["reasonCode"] for row in permission.document["statusDetails"]["reasons"] or []]
    if permission.state == "Closed":
        return
    if captured >= money(limits["amountLimit"]):
        move(world, permission, "Close by Amazon")
    elif left <= 0 and permission.state == "Chargeable":
        move(world, permission, "A charge uses the whole limit")
    elif left > 0 and reasons == ["ChargeInProgress"]:
        move(world, permission, "The charge in progress ends")


def _show_month_balance(world: World, charge: Record) -> None:
    """Write what is left of a recurring permission's month after one of its charges moved."""
    _write_month_balance(world, world.find("Charge Permission", charge.parent, charge.merchant_id))


def _write_month_balance(world: World, permission: Record) -> None:
    limits = permission.document["limits"]
    spent = Decimal(world.store.spent(permission.id, month_of(world.clock.now()))) / 100
    limits["amountBalance"] = price(money(limits["amountLimit"]) - spent, like=limits["amountLimit"])
    world.store.put(permission)


# A Saved Wallet shows no balance, though its month has a limit.
_BALANCES = {"OneTime": _show_order_balance, "Recurring": _show_month_balance}


# --- Time -------------------------------------------------------------------------------------------------------------


def open_calendar(world: World, permission: Record, expires: datetime | None) -> None:
    """Note the days of a new Charge Permission: its expiry, the buyer's details gone, a new month for its limit."""
    now, kind = world.clock.now(), permission.document["chargePermissionType"]
    calendar = {"Expire": expires.isoformat()} if expires else {}
    since, after = BUYER_SHOWN[kind]
    if since == "creation":
        calendar[_FORGET] = (now + after).isoformat()
    if kind != "OneTime":  # the others' limits are a month's
        calendar[_NEW_MONTH] = _next_month(now).isoformat()
    permission.hidden["calendar"] = calendar
    _plan_next(world, permission)


def _plan_next(world: World, permission: Record) -> None:
    calendar = permission.hidden["calendar"]
    permission.due = ""
    if calendar:
        trigger = min(calendar, key=lambda name: str(calendar[name]))
        world.store.plan(permission, trigger, calendar[trigger])
    world.store.put(permission)


def _next_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=31)).replace(day=1)


def _forget_today(world: World, permission: Record) -> None:
    _forget_buyer(world, permission)
    del permission.hidden["calendar"][_FORGET]
    _plan_next(world, permission)


def _begin_month(world: World, permission: Record) -> None:
    permission.hidden["calendar"][_NEW_MONTH] = _next_month(world.clock.now()).isoformat()
    _plan_next(world, permission)
    if permission.document["limits"]["amountLimit"]:  # a Saved Wallet does not show its limit
        _write_month_balance(world, permission)


def _delete(world: World, record: Record) -> None:
    world.store.delete(record)


_DAYS = {_DELETE: _delete, _FORGET: _forget_today, _NEW_MONTH: _begin_month, DELIVER: dispatch}


def fire_due(world: World, until: datetime) -> list[dict[str, str]]:
    """Let what is due by *until* happen and return it as ``{"at", "kind", "id", "trigger"}``.

    Virtual time stops where a notification is ready: it is delivered before anything later happens.
    """
    fired = []
    virtual = world.clock.mode == "virtual"
    while not (virtual and world.outbox.ready) and (record := world.store.next_due(until.isoformat())):
        due, trigger = record.due, record.trigger
        if virtual:
            world.clock.set(datetime.fromisoformat(due))
        record.due = ""
        if happen := _DAYS.get(trigger):
            happen(world, record)
        else:
            move(world, record, trigger)
        fired.append({"at": due.replace("+00:00", "Z"), "kind": record.kind, "id": record.id, "trigger": trigger})
    return fired
