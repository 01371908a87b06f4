"""The shop's end of instant notifications: verify, answer at once, and only then look what has changed.

    inbox = wb.director.listen(wb.shop, wb.client)
    await inbox.notified()

Four rules make a handler that no disorder can harm.  What is not genuine is refused.  What is genuine is answered
before any work is done.  What was seen before is not worked on again.  What has changed is read from Amazon Pay, so the
order in which notifications arrive does not matter.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.notifications import Notification, NotificationReader, NotificationRefused
from amazonpay_nb.errors import LocalError
from amazonpay_nb.spec.answers import Resource

if TYPE_CHECKING:
    from amazonpay_nb.client.client import AmazonPayClient

__all__ = [
    "INBOX_PATH",
    "Inbox",
    "Notice",
    "getters",
]

INBOX_PATH = "/notifications"
GLANCE_SECONDS = 0.02
WAIT_SECONDS = 30.0
# What the shop made of a notification.
NEWS, NO_NEWS, SEEN = "new", "nothing new", "seen before"
_OUT_OF_REACH = (
    "Skipped: only the emulator can reach an address on this machine. "
    "On the Sandbox, register a public address of your server in Seller Central."
)

Look = Callable[[Notification], Resource | None]


@dataclass(frozen=True, slots=True)
class Notice:
    """A delivery, and what the shop made of it.

    Attributes:
        verdict: ``new``, ``nothing new``, ``seen before``, or why it was refused.
        state_now: Of the object, as Amazon Pay has just told it.
    """

    object_type: str
    object_id: str
    notification_type: str
    verdict: str
    state_now: str = ""


class Inbox:
    """Takes deliveries in, and works on them afterwards.

    Args:
        reader: Tells genuine notifications from others.
        look: Gets the object that a notification is about; None for one that cannot be got.
        at_once: Work right after each answer.  Otherwise the work waits for `notified`, as on a queue.
        reachable: Whether whoever announces can reach an address on this machine.
    Attributes:
        objects: What the shop knows of each object, by id.
        last: The envelope that came last, whatever it was.
    """

    def __init__(
        self, reader: NotificationReader, look: Look, *, at_once: bool = False, reachable: bool = True
    ) -> None:
        self.reader, self.at_once, self.reachable = reader, at_once, reachable
        self.objects: dict[str, Resource] = {}
        self.last: dict[str, Any] = {}
        self._look = look
        self._queue: deque[Notification | Notice] = deque()
        self._done: set[str] = set()
        self._working = threading.Lock()

    def __repr__(self) -> str:
        return f"Inbox: {len(self._queue)} waiting, {len(self._done)} done."

    def close(self) -> None:
        """Close the connections by which certificates are fetched."""
        self.reader.close()

    def receive(self, body: bytes) -> int:
        """Take a delivery in and return the status to answer with; nothing is looked up yet."""
        try:
            notification = self.reader.read(body)
        except NotificationRefused as refusal:
            self._queue.append(Notice("", "", "", f"refused: {refusal.finding}"))
            return refusal.status
        self.last = json.loads(body)
        self._queue.append(notification)
        return 200

    def work(self, count: int | None = None) -> list[Notice]:
        """Work on *count* of what is waiting, all of it when left out, in the order of arrival.

        Raises:
            AmazonPayError: The object could not be got; its notification is the next one again.
        """
        notices: list[Notice] = []
        with self._working:
            while self._queue and (count is None or len(notices) < count):
                notices.append(self._notice(self._queue[0]))
                self._queue.popleft()
        return notices

    def _notice(self, arrived: Notification | Notice) -> Notice:
        if isinstance(arrived, Notice):
            return arrived
        names = arrived.object_type, arrived.object_id, arrived.notification_type
        if arrived.notification_id in self._done:
            return Notice(*names, SEEN)
        found = self._look(arrived)
        # Done only now: what fails before is worked on again.
        self._done.add(arrived.notification_id)
        verdict = NO_NEWS if found and self.objects.get(arrived.object_id) == found else NEWS
        if found:
            self.objects[arrived.object_id] = found
        return Notice(*names, verdict, found.state if found else "")

    async def notified(self, count: int = 1, timeout: float = WAIT_SECONDS) -> list[Notice]:
        """Wait for *count* deliveries that were not worked on yet, and return what came of them.

        Raises:
            LocalError: Fewer came in time.
        """
        if not self.reachable:
            return [Notice("", "", "", _OUT_OF_REACH)]
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while len(self._queue) < count and loop.time() < end:
            await asyncio.sleep(GLANCE_SECONDS)
        if len(self._queue) < count:
            raise LocalError(
                f"{len(self._queue)} of {count} notifications came within {timeout:g} seconds.",
                advice="Notifications can be lost: get the objects that you wait for.",
            )
        return self.work(count)


def getters(client: "AmazonPayClient") -> Look:
    """Return what gets the object of a notification; a dispute is none that a Saved Wallet integration can get."""
    calls: dict[str, Callable[[str], Resource]] = {
        "CHARGE_PERMISSION": client.get_charge_permission,
        "CHARGE": client.get_charge,
        "REFUND": client.get_refund,
    }

    def look(notification: Notification) -> Resource | None:
        call = calls.get(notification.object_type)
        return call(notification.object_id) if call else None

    return look
