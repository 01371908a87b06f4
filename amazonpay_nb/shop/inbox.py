"""The shop's end of instant notifications: verify, answer at once, and only then look up what has changed.

    inbox = wb.director.listen(wb.shop, wb.client)
    await inbox.notified()

Four rules make a handler that no disorder can harm.  It refuses a notification that is not genuine.  It answers a
genuine one before it does any work.  It ignores a repetition.  It reads the changed object from Amazon Pay, so the
order of arrival does not matter.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.notifications import Notification, NotificationReader, NotificationRefused
from amazonpay_nb.errors import LocalError
from amazonpay_nb.spec.answers import Resource

INBOX_PATH = "/notifications"
GLANCE_SECONDS = 0.02
WAIT_SECONDS = 30.0
# Notifications that wait to be worked on; anyone can send some that are refused.
_MOST_WAITING = 1000
_MOST_KEPT = 100  # envelopes that can be looked at
# The shop's verdicts on a genuine notification.
NEWS, NO_NEWS, SEEN = "new", "nothing new", "seen before"
_OUT_OF_REACH = (
    "Skipped: only the emulator can reach an address on this machine. "
    "On the Sandbox, register a public address of your server in Seller Central."
)


class Notice(NamedTuple):
    """A notification, and what the shop made of it."""

    object_type: str
    object_id: str
    notification_type: str
    verdict: str  # NEWS, NO_NEWS or SEEN, or why the shop refused it
    state_now: str = ""  # of the object, as just read from Amazon Pay


class Inbox:
    """Takes in notifications, and works on them afterward.

    Args:
        reader: Tells genuine notifications from others.
        client: Reads the object of a notification.
        at_once: Work right after each answer.  Otherwise the work waits for `notified`, as in a queue.
        reachable: Whether the sender can reach an address on this machine.
    """

    def __init__(
        self, reader: NotificationReader, client: AmazonPayClient, *, at_once: bool = False, reachable: bool = True
    ) -> None:
        self.reader, self.at_once, self.reachable = reader, at_once, reachable
        self.objects: dict[str, Resource] = {}  # by id, as last read
        self.received: deque[dict[str, Any]] = deque(maxlen=_MOST_KEPT)  # the envelopes
        self._calls: dict[str, Callable[[str], Resource]] = {
            "CHARGE_PERMISSION": client.get_charge_permission, "CHARGE": client.get_charge,
            "REFUND": client.get_refund, "CHARGEBACK": client.get_dispute,
        }  # fmt: skip
        self._queue: deque[Notification | Notice] = deque()
        self._done: set[str] = set()
        self._working = threading.Lock()

    def __repr__(self) -> str:
        return f"Inbox: {len(self._queue)} waiting, {len(self._done)} done."

    @property
    def waiting(self) -> int:
        """How many wait to be worked on."""
        return len(self._queue)

    @property
    def last(self) -> dict[str, Any]:
        """The envelope that came last; nothing before the first."""
        return self.received[-1] if self.received else {}

    def close(self) -> None:
        """Close the connections by which certificates are fetched."""
        self.reader.close()

    def memory(self) -> dict[str, Any]:
        """Return a copy of what it keeps, for `rewind`."""
        with self._working:
            return {name: copy(getattr(self, name)) for name in ("objects", "received", "_queue", "_done")}

    def rewind(self, memory: dict[str, Any]) -> None:
        """Put a copy back."""
        with self._working:
            vars(self).update(memory)

    def receive(self, body: bytes) -> int:
        """Take in a notification and return the status to answer with; nothing is looked up yet."""
        if len(self._queue) >= _MOST_WAITING:
            return 503  # asks Amazon to repeat it: some may have been worked on by then
        try:
            notification = self.reader.read(body)
        except NotificationRefused as refusal:
            self._queue.append(Notice("", "", "", f"refused: {refusal.finding}"))
            return refusal.status
        self.received.append(json.loads(body))
        self._queue.append(notification)
        return 200

    def work(self, count: int | None = None) -> list[Notice]:
        """Work on *count* notifications, or on all that wait, in the order of arrival.

        Raises:
            AmazonPayError: An object could not be read; its notification is tried again after those that wait.
        """
        notices: list[Notice] = []
        with self._working:
            while self._queue and (count is None or len(notices) < count):
                entry = self._queue.popleft()
                try:
                    notices.append(self._notice(entry))
                except BaseException:  # it must not be lost, nor hold the others
                    self._queue.append(entry)
                    raise
        return notices

    def _notice(self, entry: Notification | Notice) -> Notice:
        if isinstance(entry, Notice):
            return entry
        names = entry.object_type, entry.object_id, entry.notification_type
        if entry.notification_id in self._done:
            return Notice(*names, SEEN)
        call = self._calls.get(entry.object_type)  # none for a kind that is new at Amazon
        resource = call(entry.object_id) if call else None
        # Done only now, so that a failure above leads to another try.
        self._done.add(entry.notification_id)
        if resource is None:
            return Notice(*names, NEWS)
        verdict = NO_NEWS if self.objects.get(entry.object_id) == resource else NEWS
        self.objects[entry.object_id] = resource
        return Notice(*names, verdict, resource.state)

    async def notified(self, count: int = 1, timeout: float = WAIT_SECONDS) -> list[Notice]:
        """Wait for *count* notifications, work on them, and return what came of them.

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
