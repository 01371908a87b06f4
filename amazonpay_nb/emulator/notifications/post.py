"""Deliver notifications to their endpoints, one after another, while the emulator keeps answering.

Virtual time does not pass during a delivery, so a receiver that gets the object sees it as it was announced.
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
from starlette.requests import Request
from starlette.responses import Response

from amazonpay_nb.emulator.notifications.announce import plan, topic_of
from amazonpay_nb.emulator.records import NOTIFICATION, NotificationNotes
from amazonpay_nb.emulator.world import World
from amazonpay_nb.signing.envelope import unsigned_envelope
from amazonpay_nb.spec.notifications import DELIVERY_TIMEOUT_SECONDS, answer_to

# Virtual time ends here: further on, timers would leave the calendar.
_LAST_YEAR = 9000
_HEADERS = {"content-type": "text/plain; charset=UTF-8", "user-agent": "Amazon Pay emulator"}


class Deliveries:
    """Delivers what is due after each request, and at its own time when the clock is advanced.

    Args:
        fire_due: Lets everything happen that is due by a time, as the rules have it, and returns what it was.
    """

    def __init__(self, world: World, fire_due: Callable[[World, datetime], list[dict[str, str]]]) -> None:
        self.world = world
        self._fire_due = fire_due
        # Only one task at a time moves virtual time.
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None

    def start(self) -> None:
        """Deliver from now on, beginning with what a stopped process left."""
        self.world.outbox.wake = self._wake
        if any(merchant.endpoint for merchant in self.world.merchants):
            self._begin()

    async def stop(self) -> None:
        """Give up what is under way."""
        self.world.outbox.wake = lambda: None
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._http:
            await self._http.aclose()

    def _wake(self) -> None:
        # Not at once: the request that has announced something is not committed yet.
        asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self.world.outbox.fresh.clear()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.settle())

    async def settle(self) -> None:
        """Deliver what is due now."""
        async with self._lock:
            await self._run(self.world.clock.now())

    async def advance(self, by: timedelta) -> list[dict[str, str]]:
        """Move virtual time forward and let everything that falls due happen, in order and at its own time.

        Raises:
            ValueError: Time would leave the calendar.
        """
        async with self._lock:
            target = self.world.clock.now() + by
            if target.year > _LAST_YEAR:
                raise ValueError(f"the clock cannot be advanced beyond the year {_LAST_YEAR}")
            return await self._run(target, move_clock=True)

    async def _run(self, until: datetime, *, move_clock: bool = False) -> list[dict[str, str]]:
        """Let everything happen that is due by *until*, and wait for each delivery before what comes next."""
        world, fired = self.world, []
        while True:
            with world.store.transaction():
                fired += self._fire_due(world, until)
                if move_clock and not world.outbox.ready:
                    world.clock.set(until)
            if not world.outbox.ready:
                return fired
            while world.outbox.ready:
                await self._deliver(world.outbox.ready.popleft())

    async def _deliver(self, notification_id: str) -> None:
        world = self.world
        notification = world.store.get(NOTIFICATION, notification_id)
        if notification is None:
            return
        url, content = world.merchant(notification.merchant_id).endpoint, b""
        copies = notification.notes.copies if url else 0
        if copies:
            unsigned = unsigned_envelope(world.url, topic_of(world, notification.merchant_id), notification.document)
            content = json.dumps(world.outbox.signer.sign(unsigned)).encode()
        answers: list[int | None] = []
        if notification.notes.at_once:
            answers += await asyncio.gather(*(self._post(url, content) for _ in range(copies)))
        else:
            for _ in range(copies):
                answers.append(await self._post(url, content))
        self._note(notification_id, answers)

    async def _post(self, url: str, content: bytes) -> int | None:
        """Return the status of the answer, or None without an answer in time."""
        if self._http is None:
            # Endpoints are on loopback and without TLS, and the authorities that a context loads by itself take time.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._http = httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_SECONDS, verify=context, trust_env=False)
        try:
            async with asyncio.timeout(DELIVERY_TIMEOUT_SECONDS):
                async with self._http.stream("POST", url, content=content, headers=_HEADERS) as response:
                    return response.status_code
        except (httpx.HTTPError, TimeoutError):
            return None

    def _note(self, notification_id: str, answers: list[int | None]) -> None:
        """Write the answers down, and plan no further attempt after a final one."""
        world = self.world
        with world.store.transaction():
            # Read again, since the world may have changed during the delivery, or been emptied.
            notification = world.store.get(NOTIFICATION, notification_id)
            if notification is None:
                return
            at = world.clock.now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            notification.document["deliveries"] += [{"at": at, "status": status} for status in answers]
            notification.notes.copies, notification.notes.at_once = 1, False
            if not answers or not all(answer_to(status).repeated for status in answers):
                notification.due = ""
            world.store.put(notification)

    async def redeliver(self, notification_id: str) -> dict[str, object] | None:
        """Deliver a notification again, now, and return its document; None where there is none with this id."""
        with self.world.store.transaction():
            notification = self.world.store.get(NOTIFICATION, notification_id)
            if notification is None:
                return None
            # Whatever happened to it before, with all its attempts ahead.
            notification.notes = NotificationNotes(notification.notes.number)
            plan(self.world, notification, self.world.clock.now())
        await self.settle()
        notification = self.world.store.get(NOTIFICATION, notification_id)
        return notification.document if notification else None

    async def announced(self) -> list[dict[str, object]]:
        """Return what was announced, in order, once all that is due has been delivered."""
        await self.settle()
        rows = sorted(self.world.store.every(NOTIFICATION), key=lambda row: int(row.notes.number))
        return [row.document for row in rows]

    async def certificate(self, request: Request) -> Response:
        """Serve the certificate that signatures are checked with."""
        return Response(self.world.outbox.signer.certificate, media_type="application/x-pem-file")
