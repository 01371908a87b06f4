"""Instant notifications: what is noted when an object moves, and the signed envelope that goes out.

A notification is a row of the store like any object: it is written with the change that it announces, its next attempt
stands on the same calendar as everything else, and a snapshot, a reset or a killed process treats it alike.  Nothing of
this happens while no endpoint is set.
"""

import base64
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from amazonpay_nb.client.notifications import DIGESTS, signed_text
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.spec.machine import Transition
from amazonpay_nb.spec.notifications import (
    ANNOUNCEMENTS,
    DRILLS,
    MESSAGE_TYPE,
    NOTIFICATION_VERSION,
    OBJECT_TYPES,
    RETRIES,
    TOPIC_REGIONS,
)
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION, REFUND

if TYPE_CHECKING:  # the world holds the outbox
    from amazonpay_nb.emulator.world import World

__all__ = [
    "CERTIFICATE_NAME",
    "DELIVER",
    "NOTIFICATION",
    "Outbox",
    "Signer",
    "again",
    "announce",
    "dispatch",
    "envelope",
    "note",
    "sent",
    "topic_of",
]

# How the store names a notification, and what the calendar lets happen to it.
NOTIFICATION, DELIVER = "Notification", "Deliver"
CERTIFICATE_NAME = "SimpleNotificationService-emulator.pem"
Document = dict[str, Any]


class Signer:
    """Signs envelopes, with a certificate that it has made itself."""

    def __init__(self) -> None:
        import trustme

        made = trustme.CA(organization_name="Amazon Pay emulator", key_type=trustme.KeyType.RSA)
        self.certificate = made.cert_pem.bytes()
        key = load_pem_private_key(made.private_key_pem.bytes(), None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("the notification service signs with RSA")
        self._key = key

    def sign(self, envelope: Document) -> Document:
        """Return *envelope* with the signature that its version asks for."""
        text = signed_text(envelope).encode()
        signature = self._key.sign(text, PKCS1v15(), DIGESTS[envelope["SignatureVersion"]])
        return envelope | {"Signature": base64.b64encode(signature).decode()}


@dataclass
class Outbox:
    """What a world keeps in mind, besides its store, for notifications that are on their way.

    Attributes:
        ready: Ids of those whose time has come.
        fresh: The unsent one about a change of an object, which the rest of the same request shares.
        drills: Kinds of disorder to come.
        held: The first of two that are to be swapped.
        wake: Starts the deliveries, once the present request is done.
    """

    ready: deque[str] = field(default_factory=deque)
    fresh: dict[tuple[str, str], str] = field(default_factory=dict)
    drills: deque[str] = field(default_factory=deque)
    held: str = ""
    wake: Callable[[], None] = lambda: None

    @cached_property
    def signer(self) -> Signer:
        """Made when it is needed: keys take time."""
        return Signer()

    def clear(self) -> None:
        """Forget everything that was about the objects of a world that is gone."""
        self.ready.clear()
        self.fresh.clear()
        self.drills.clear()
        self.held = ""


def topic_of(world: "World", merchant_id: str) -> str:
    """Return the topic that a merchant's notifications come from; that it has this form is emulator-only."""
    return f"arn:aws:sns:{TOPIC_REGIONS[world.region.code]}:000000000000:{merchant_id}"


# --- What is noted ----------------------------------------------------------------------------------------------------


def note(world: "World", record: Record, row: Transition) -> None:
    """Announce a transition, where its merchant listens and the table has a row for it."""
    if not world.merchant(record.merchant_id).endpoint:
        return
    moved = row.source != row.target or row.reason is not None
    for announcement in ANNOUNCEMENTS:
        if announcement.object == record.kind and (announcement.when == row.trigger if announcement.when else moved):
            announce(world, record, announcement.notification_type)


def announce(
    world: "World", record: Record, notification_type: str, object_type: str = "", object_id: str = ""
) -> None:
    """Note that something has changed.

    Changes of one object in one request share a notification: the states in between are never visible.

    Args:
        record: The object, or for a CHARGEBACK the charge that it is about.
        object_type: And *object_id*: of what the store does not hold.
    """
    object_type, object_id = object_type or OBJECT_TYPES[record.kind], object_id or record.id
    known = world.outbox.fresh.get((object_id, notification_type))
    if known and world.store.get(NOTIFICATION, known):
        return
    number = (world.store.setting("notified") or 0) + 1
    world.store.set("notified", number)
    now = world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document: Document = {
        "notificationId": world.stable_uuid("notification", str(number)),
        "notificationType": notification_type,
        "objectType": object_type,
        "objectId": object_id,
        "chargePermissionId": _permission_of(world, record),
        "merchantId": record.merchant_id,
        "messageId": world.stable_uuid("message", str(number)),
        "timestamp": now,
        "deliveries": [],
    }
    hidden = {"number": number, "attempts": 0, "copies": 1, "atOnce": False}
    notification = Record(
        NOTIFICATION, document["notificationId"], record.merchant_id, document, record.merchant_id, hidden
    )
    world.outbox.fresh[object_id, notification_type] = notification.id
    _plan(world, notification)
    world.outbox.wake()


def _permission_of(world: "World", record: Record) -> str:
    """Return the permission that an object hangs on, however deep."""
    above: Record | None = record
    while above and above.parent:
        above = world.store.get(_PARENTS[above.kind], above.parent)
    return above.id if above else ""


_PARENTS = {REFUND.name: CHARGE.name, CHARGE.name: CHARGE_PERMISSION.name}


def _plan(world: "World", notification: Record) -> None:
    """Put the first delivery on the calendar: now, unless a drill brings disorder."""
    now = world.clock.now()
    held = world.store.get(NOTIFICATION, world.outbox.held) if world.outbox.held else None
    if held:
        world.outbox.held = ""
        _put(world, notification, now)
        _put(world, held, now)
        return
    drill = DRILLS[world.outbox.drills.popleft()] if world.outbox.drills else None
    if drill is None:
        _put(world, notification, now)
        return
    notification.hidden |= {"copies": drill.copies, "atOnce": drill.at_once}
    if drill.takes > 1:
        world.outbox.held = notification.id
    if drill.lost:
        world.store.put(notification)
    else:
        _put(world, notification, now + drill.delay)


def _put(world: "World", notification: Record, due: datetime) -> None:
    world.store.plan(notification, DELIVER, due.isoformat())
    world.store.put(notification)


# --- Attempts ---------------------------------------------------------------------------------------------------------


def dispatch(world: "World", notification: Record) -> None:
    """Hand a notification that is due to the deliveries, and plan the next attempt in case this one fails.

    It is planned before the answer is known: a process that is killed in between delivers twice rather than never.
    """
    attempts = notification.hidden["attempts"]
    if world.outbox.held == notification.id:
        world.outbox.held = ""
    world.outbox.fresh.pop((notification.document["objectId"], notification.document["notificationType"]), None)
    notification.hidden["attempts"] = attempts + 1
    if attempts < len(RETRIES):
        _put(world, notification, world.clock.now() + RETRIES[attempts])
    else:
        world.store.put(notification)
    world.outbox.ready.append(notification.id)


def again(world: "World", notification: Record) -> None:
    """Send a notification now, whatever became of it, with all attempts before it."""
    notification.hidden |= {"attempts": 0, "copies": 1, "atOnce": False}
    _put(world, notification, world.clock.now())
    world.outbox.wake()


def sent(world: "World") -> list[Document]:
    """Return what was announced, in order."""
    rows = [row for merchant in world.merchants for row in world.store.children(NOTIFICATION, merchant.merchant_id)]
    return [row.document for row in sorted(rows, key=lambda row: int(row.hidden["number"]))]


# --- The envelope -----------------------------------------------------------------------------------------------------


def envelope(world_url: str, topic_arn: str, document: Document, version: str = "1") -> Document:
    """Return the unsigned envelope of a notification."""
    message = {
        "MerchantID": document["merchantId"],
        "ObjectType": document["objectType"],
        "ObjectId": document["objectId"],
        "ChargePermissionId": document["chargePermissionId"],
        "NotificationType": document["notificationType"],
        "NotificationId": document["notificationId"],
        "NotificationVersion": NOTIFICATION_VERSION,
    }
    return {
        "Type": MESSAGE_TYPE,
        "MessageId": document["messageId"],
        "TopicArn": topic_arn,
        "Message": json.dumps(message, separators=(",", ":")),
        "Timestamp": document["timestamp"],
        "SignatureVersion": version,
        "SigningCertURL": f"{world_url}/{CERTIFICATE_NAME}",
        "UnsubscribeURL": f"{world_url}/?Action=Unsubscribe",
    }
