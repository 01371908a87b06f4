"""Deliver notifications while the emulator answers: one after another to each merchant, to all merchants at once.

Virtual time does not pass during a delivery, so a receiver that gets the object sees it as it was announced.
"""

import asyncio
import json
import logging
import ssl
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from amazonpay_nb.emulator.clock import END, LAST_YEAR, zulu
from amazonpay_nb.emulator.notifications.announce import plan, topic_of
from amazonpay_nb.emulator.records import NOTIFICATION, Notification, NotificationNotes
from amazonpay_nb.emulator.world import World
from amazonpay_nb.in_process import NOWHERE, transport_here
from amazonpay_nb.loopback import no_cookies
from amazonpay_nb.signing.envelope import Envelope, delivery_headers, unsigned_envelope
from amazonpay_nb.spec.notifications import DELIVERY_TIMEOUT_SECONDS, answer_to

# How often a real-time clock checks the agenda.
TICK_SECONDS = 0.2
# An endpoint that lets so many deliveries in a row time out is left alone for a while: for some seconds of a person's
# time, who goes on from a breakpoint; in an advance, which meets very many attempts, from its next time-out to its end.
MOST_TIMEOUTS = 3
PAUSE_SECONDS = DELIVERY_TIMEOUT_SECONDS
# How long time and callers wait for deliveries, which have no end beside more traffic than an endpoint takes.
LONGEST_WAIT_SECONDS = 4 * DELIVERY_TIMEOUT_SECONDS
_LOG = logging.getLogger("uvicorn.error")


def _longest_wait() -> float:
    return asyncio.get_running_loop().time() + LONGEST_WAIT_SECONDS


class Deliveries:
    """Delivers what is due, by the rules' *fire_due*, after each request and as the clock is advanced to its time."""

    def __init__(self, world: World, fire_due: Callable[[World, datetime], list[dict[str, str]]]) -> None:
        self.world = world
        self._fire_due = fire_due
        # Only one task at a time moves virtual time.
        self._lock = asyncio.Lock()
        # One lock for each merchant, which is fair: deliveries get it in the order in which they were queued.
        self._lanes: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # Notification and world → what waits in a lane, or is under way.
        self._deliveries: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._ticks: asyncio.Task[None] | None = None
        self._advances = 0
        # Endpoint → deliveries in a row that timed out, end of the pause after them in the loop's time, advance.
        self._timeouts: dict[str, tuple[int, float, int]] = {}
        self._problem = ""

    def start(self) -> None:
        """Deliver from now on, beginning with what a stopped process left."""
        # Endpoints are on loopback and without TLS, and the authorities that a context loads by itself take time.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx.AsyncClient(
            timeout=DELIVERY_TIMEOUT_SECONDS, verify=context, trust_env=False, cookies=no_cookies(),
            transport=transport_here(),
        )  # fmt: skip
        self.world.outbox.wake = self._wake
        self._begin(everything=True)  # before the first answer
        if self.world.clock.mode == "real":
            self._ticks = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Give up what is under way."""
        self.world.outbox.wake = lambda: None
        tasks = [task for task in (self._ticks, *self._deliveries.values()) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.aclose()

    async def _tick(self) -> None:
        while True:
            self._begin()
            await asyncio.sleep(TICK_SECONDS)

    def _wake(self) -> None:
        # Not at once: the request that has announced something is not committed yet.
        asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self, *, everything: bool = False) -> None:
        self.world.outbox.fresh.clear()
        try:
            if everything or self.world.clock.mode == "virtual":
                self._fire_now()
            else:  # what is left then happens at the next tick
                self._fire(self.world.clock.now())
        except Exception as error:  # noqa: BLE001 (a full disk, for example: what is due stays due)
            if repr(error) != self._problem:  # not five times a second
                _LOG.exception("What is due could not happen; it is tried again.")
            self._problem = repr(error)
        else:
            self._problem = ""

    def _fire_now(self) -> None:
        now = self.world.clock.now()
        while self._fire(now):  # virtual time stops at each notification
            pass

    def _fire(self, until: datetime) -> list[dict[str, str]]:
        """Let happen what is due by *until*, up to the next notification in virtual time, and queue what is ready."""
        world = self.world
        try:
            with world.store.transaction():
                fired = self._fire_due(world, until)
        except BaseException:  # nothing has happened
            world.outbox.ready.clear()
            raise
        while world.outbox.ready:
            merchant_id, notification_id = world.outbox.ready.popleft()
            key = notification_id, world.outbox.world
            if key not in self._deliveries:  # else an earlier attempt has not had its turn
                self._deliveries[key] = asyncio.create_task(self._in_turn(merchant_id, *key))
        return fired

    async def _in_turn(self, merchant_id: str, notification_id: str, of_world: int) -> None:
        async with self._lanes[merchant_id]:
            try:
                await self._deliver(notification_id, of_world)
            except Exception:  # noqa: BLE001 (its next attempt is planned)
                _LOG.exception("A notification could not be delivered; it is tried again.")
            finally:
                del self._deliveries[notification_id, of_world]

    async def _delivered(self, until: float) -> bool:
        """Wait for the answers to all that is queued now, and tell whether they are there by a time of the loop."""
        queued, left = self._deliveries.values(), until - asyncio.get_running_loop().time()
        return not (queued and (await asyncio.wait(queued, timeout=left))[1])

    async def settle(self) -> None:
        """Deliver what is due now."""
        self._fire_now()
        await self._delivered(_longest_wait())

    async def advance(self, by: timedelta) -> list[dict[str, str]]:
        """Move virtual time forward and let everything that falls due happen, in order and at its own time."""
        async with self._lock:
            if by >= END - self.world.clock.now():
                raise ValueError(f"the clock cannot be advanced beyond the year {LAST_YEAR}")
            target = self.world.clock.now() + by
            of_world = self.world.outbox.world
            until = _longest_wait()  # of all its steps
            fired, in_time = [], await self._delivered(until)
            self._advances += 1
            while self.world.outbox.world == of_world and (step := self._fire(target)):
                fired += step
                in_time = in_time and await self._delivered(until)
                await asyncio.sleep(0)  # others are answered meanwhile
            if self.world.outbox.world == of_world:  # another one, which was put in its place, has a time of its own
                self.world.clock.set(target)
            return fired

    def _notification(self, notification_id: str, of_world: int) -> Notification | None:
        """Return a notification, unless it went with its world."""
        outbox, store = self.world.outbox, self.world.store
        return store.get(NOTIFICATION, notification_id) if outbox.world == of_world else None

    async def _deliver(self, notification_id: str, of_world: int) -> None:
        world, notification = self.world, self._notification(notification_id, of_world)
        if notification is None:
            return
        url, envelope = world.merchants[notification.merchant_id].endpoint, {}
        copies = notification.notes.copies if url else 0
        if copies:
            topic = topic_of(world, notification.merchant_id)
            unsigned = unsigned_envelope(world.certificate_url, topic, notification.document)
            envelope = world.outbox.signer.sign(unsigned)
        if notification.notes.at_once:
            answers = await asyncio.gather(*(self._post(url, envelope) for _ in range(copies)))
        else:
            answers = [await self._post(url, envelope) for _ in range(copies)]
        self._note(notification_id, of_world, answers)

    async def _post(self, url: str, envelope: Envelope) -> int | None:
        """Return the status of the answer, or None without an answer in time."""
        now = asyncio.get_running_loop().time
        timeouts, pause_end, advance = self._timeouts.get(url, (0, 0.0, 0))
        is_pause = advance == self._advances if self._lock.locked() else now() < pause_end
        if timeouts >= MOST_TIMEOUTS and is_pause:
            return None
        try:
            async with asyncio.timeout(DELIVERY_TIMEOUT_SECONDS):
                content, headers = json.dumps(envelope), delivery_headers(envelope)
                async with self._http.stream("POST", url, content=content, headers=headers) as response:
                    self._timeouts.pop(url, None)
                    return response.status_code
        except (httpx.TimeoutException, TimeoutError):
            timeouts, *_ = self._timeouts.get(url, (0,))  # again: copies may be sent at once
            self._timeouts[url] = (timeouts + 1, now() + PAUSE_SECONDS, self._advances)
            return None
        except (httpx.HTTPError, *NOWHERE):
            return None

    def _note(self, notification_id: str, of_world: int, answers: list[int | None]) -> None:
        """Write the answers down, and plan no further attempt after a final one."""
        world = self.world
        with world.store.transaction():
            # Read again, since the world may have changed during the delivery, or been emptied.
            notification = self._notification(notification_id, of_world)
            if notification is None:
                return
            at = zulu(world.clock.now())
            notification.document["deliveries"] += [{"at": at, "status": status} for status in answers]
            notification.notes.copies, notification.notes.at_once = 1, False
            if not answers or not all(answer_to(status).repeated for status in answers):
                notification.due = ""
            world.store.put(notification)

    def listen(self, url: str) -> None:
        """Forget that an endpoint has let deliveries time out: its owner says that it is there."""
        self._timeouts.pop(url, None)

    async def redeliver(self, notification: Notification) -> None:
        """Deliver a notification again, now."""
        # Whatever happened to it before, with all its attempts ahead.
        notification.notes = NotificationNotes(notification.notes.number)
        plan(self.world, notification, self.world.clock.now())
        self.listen(self.world.merchants[notification.merchant_id].endpoint)
        await self.settle()

    async def certificate(self, request: Request) -> Response:
        """Serve the certificate that signatures are checked with."""
        signer = self.world.outbox.signer
        if request.url.path != signer.path:  # that of a process before this one
            raise HTTPException(404)
        return Response(signer.certificate, media_type="application/x-pem-file")
