"""Instant notifications: what the emulator writes down when an object moves, and when it is delivered.

A notification is a row of the store like any object: it is written with the change that it announces, its next attempt
is on the same calendar as everything else, and snapshots, resets and killed processes treat it the same.  None of this
happens while no endpoint is set.
"""

from datetime import datetime
from typing import Any

from amazonpay_nb.emulator.clock import zulu
from amazonpay_nb.emulator.records import NOTIFICATION, AnyRecord, Notification, NotificationNotes, Record
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.machine import Transition
from amazonpay_nb.spec.notifications import ANNOUNCEMENTS, DRILLS, OBJECT_TYPES, RETRIES, TOPIC_REGIONS, Drill
from amazonpay_nb.spec.operations import KINDS

# The trigger that the calendar fires for a notification.
DELIVER = "Deliver"
_NO_DRILL = Drill(kind="", happens="as usual")


def topic_of(world: World, merchant_id: str) -> str:
    """Return the topic that a merchant's notifications come from; its form is the emulator's own."""
    return f"arn:aws:sns:{TOPIC_REGIONS[world.region.code]}:000000000000:{merchant_id}"


def note(world: World, record: AnyRecord, row: Transition) -> None:
    """Announce a transition, where its merchant listens and the table has a row for it."""
    if record.is_held or not world.merchants[record.merchant_id].endpoint:
        return
    moved = row.source != row.target or row.reason is not None
    for announcement in ANNOUNCEMENTS:
        if announcement.object == record.kind and (announcement.when == row.trigger if announcement.when else moved):
            announce(world, record, announcement.notification_type)


def announce(world: World, record: AnyRecord, notification_type: str) -> None:
    """Record that something has changed.

    The changes of one object in one request share a notification, since the states in between are never visible.
    """
    known = world.outbox.fresh.get((record.id, notification_type))
    if known and world.store.get(NOTIFICATION, known):
        return
    number = (world.store.setting("notified") or 0) + 1
    world.store.set("notified", number)
    owner, notification_id = record.merchant_id, world.ids.uuid("notification", str(number))
    document: dict[str, Any] = {
        "notificationId": notification_id,
        "notificationType": notification_type,
        "objectType": OBJECT_TYPES[record.kind],
        "objectId": record.id,
        "chargePermissionId": _permission_of(world, record),
        "merchantId": owner,
        "messageId": world.ids.uuid("message", str(number)),
        "timestamp": zulu(world.clock.now(), "milliseconds"),
        "deliveries": [],
    }
    notification = Record(NOTIFICATION, notification_id, owner, document, NotificationNotes(number), parent=owner)
    world.outbox.fresh[record.id, notification_type] = notification.id
    _schedule(world, notification)
    world.outbox.wake()


def _permission_of(world: World, record: AnyRecord) -> str:
    """Return the permission that an object belongs to, at whatever depth."""
    above: AnyRecord | None = record
    while above and above.parent:
        above = world.store.get(KINDS[above.kind].parent, above.parent)
    return above.id if above else ""


def _schedule(world: World, notification: Notification) -> None:
    """Schedule the first delivery: now, unless a drill causes disorder."""
    now = world.clock.now()
    held = world.store.get(NOTIFICATION, world.outbox.held) if world.outbox.held else None
    if held:
        world.outbox.held = ""
        plan(world, notification, now)
        plan(world, held, now)
        return
    drill = DRILLS[world.outbox.drills.popleft()] if world.outbox.drills else _NO_DRILL
    notification.notes.copies, notification.notes.at_once = drill.copies, drill.at_once
    if drill.takes > 1:
        world.outbox.held = notification.id
    if drill.lost:
        world.store.put(notification)
    else:
        plan(world, notification, now + drill.delay)


def plan(world: World, notification: Notification, due: datetime) -> None:
    """Let the next attempt happen when it is due."""
    world.store.plan(notification, DELIVER, due.isoformat())


def dispatch(world: World, notification: Notification) -> None:
    """Hand a notification that is due to the deliveries, and plan the next attempt in case this one fails.

    It is planned before the answer is known: a process that is killed in between delivers twice rather than never.
    """
    attempts = notification.notes.attempts
    if world.outbox.held == notification.id:
        world.outbox.held = ""
    world.outbox.fresh.pop((notification.document["objectId"], notification.document["notificationType"]), None)
    notification.notes.attempts = attempts + 1
    if attempts < len(RETRIES):
        plan(world, notification, world.clock.now() + RETRIES[attempts])
    else:
        world.store.put(notification)
    world.outbox.ready.append((notification.merchant_id, notification.id))
