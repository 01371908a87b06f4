"""Answer HTTP requests inside the process that sends them: no socket, no thread.

All applications share an event loop without files.  It runs while somebody waits for an answer: a script, a notebook's
cell inside of another loop, or a handler that calls a server itself.  What is left to do after an answer, a
notification for example, is done before its caller goes on.  Requests are httpx's own, so none is
refused as `connection` refuses those of others.
"""

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from email.utils import formatdate
from functools import cache
from heapq import heappop
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

_PORTS = range(61_000, 65_536)  # of as many digits as others have, and above those that Linux gives out
_END_SECONDS = 2.0
_CLIENTS = itertools.count(1)
_THREAD = threading.RLock()  # one at a time
T = TypeVar("T")
# What httpx raises, besides its HTTPError, where an address, or that of a redirect, cannot be one.
NOWHERE = (httpx.InvalidURL, UnicodeError)


class Loop(asyncio.BaseEventLoop):
    """What is ready, and what has its time; it can be turned from within one of its own tasks."""

    _ready: Any  # as the base class names and fills them
    _scheduled: Any

    def __del__(self) -> None:
        """End with the process; there is nothing to close."""

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> Any:  # type: ignore[override]
        """Do here what another loop does in a thread."""
        future = self.create_future()
        future.set_result(function(*arguments))
        return future

    def run(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> "asyncio.Task[T]":
        """Let happen what is due, then do some work, and return it when it has ended, or after so many seconds."""
        outer, last = asyncio._get_running_loop(), self.time() + (seconds or math.inf)
        task = asyncio.current_task(outer) if outer else None
        with _THREAD:
            if outer and task:
                asyncio.tasks._leave_task(outer, task)
            asyncio._set_running_loop(self)
            try:
                self._turn(0)
                # As in a server's thread, it knows nothing of the caller's context.
                begun = self.create_task(work, context=Context())
                try:
                    # Without an end, and with nothing to come, there will be none.
                    while not begun.done() and self.time() < last and (self._ready or self._scheduled):
                        self._turn(last)
                    while self._ready:
                        self._turn(0)
                except BaseException:  # Ctrl-C is this caller's, and not once more that of the next one
                    if not begun.cancel() and not begun.cancelled():
                        begun.exception()
                    raise
            finally:
                asyncio._set_running_loop(outer)
                if outer and task:
                    asyncio.tasks._enter_task(outer, task)
        return begun

    def _turn(self, last: float) -> None:
        """Do what is ready and what falls due; where that is nothing, wait for it until *last*."""
        if self._scheduled and not self._ready:
            time.sleep(max(0.0, min(last, self._scheduled[0].when()) - self.time()))
        while self._scheduled and self._scheduled[0].when() <= self.time():
            self._ready.append(heappop(self._scheduled))
        for _ in range(len(self._ready)):
            # Nothing is left where one of them has turned the loop.
            if self._ready and not (handle := self._ready.popleft()).cancelled():
                handle._run()


LOOP = Loop()
SERVERS: dict[int, "InProcessServer"] = {}


@cache
def _without_workers() -> None:
    """Let Starlette call endpoints that are no coroutines here, too; it has no setting for that."""
    from starlette import concurrency

    workers: Any = concurrency.anyio.to_thread  # type: ignore[attr-defined]
    beside = workers.run_sync

    async def run_sync(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        here = asyncio._get_running_loop() is LOOP
        return function(*arguments) if here else await beside(function, *arguments, **options)

    workers.run_sync = run_sync


class InProcessServer:
    """An ASGI application that answers to this process alone; used as a `loopback.LoopbackServer` is."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app
        self.port = next(port for port in _PORTS if port not in SERVERS)
        self.url = f"http://127.0.0.1:{self.port}"
        self.running = False
        self._moments, self._begun = asyncio.Queue[str](), asyncio.Event()
        self.answers: dict[tuple[str, int], asyncio.Task[httpx.Response]] = {}
        SERVERS[self.port] = self
        _without_workers()

    def start(self) -> Self:
        """Start answering; where the application does not come up, connections are refused."""
        self._moments.put_nowait("startup")
        self._life = LOOP.create_task(self._live(), context=Context())
        LOOP.run(self._begun.wait())
        self.running = not self._life.done()
        return self

    def drop(self, client: tuple[str, int]) -> None:
        """Drop the connection of a client without an answer."""
        self.answers[client].cancel()

    def stop(self) -> None:
        """Stop answering."""
        if SERVERS.get(self.port) is self:
            del SERVERS[self.port]
        if self.running:
            self.running = False
            self._moments.put_nowait("shutdown")
            LOOP.run(asyncio.wait([self._life]), _END_SECONDS)

    async def _live(self) -> None:
        async def receive() -> "Message":
            return {"type": f"lifespan.{await self._moments.get()}"}

        async def send(message: "Message") -> None:
            self._begun.set()

        try:
            await self.app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
        except Exception:
            if self._begun.is_set():
                raise
            self._begun.set()  # it knows no lifespan
            while await self._moments.get() != "shutdown":
                pass
        finally:  # nobody waits for an application that does not come up
            self._begun.set()


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The way of httpx to the servers in this process, by their ports."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, after as many seconds as the caller waits for one."""
        request.read()
        seconds = request.extensions.get("timeout", {}).get("read")
        answer = LOOP.run(self.handle_async_request(request), seconds)
        if not answer.done():
            raise httpx.ReadTimeout("timed out", request=request)
        return answer.result()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer of a server in this process, or raise what httpx does where none comes."""
        await request.aread()
        server = SERVERS.get(request.url.port or 0)
        if server is None or not server.running:
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        client = ("127.0.0.1", next(_CLIENTS))
        way = httpx.ASGITransport(server.app, raise_app_exceptions=False, client=client)
        # It goes on when the caller has gone.
        work = server.answers[client] = asyncio.create_task(way.handle_async_request(request))
        work.add_done_callback(lambda done: (server.answers.pop(client), done.cancelled() or done.exception()))
        await asyncio.wait([work])
        if work.cancelled():
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        answer = work.result()
        headers = [(b"date", formatdate(usegmt=True).encode()), *answer.headers.raw]
        return httpx.Response(answer.status_code, headers=headers, content=await answer.aread())


def transport_here() -> Transport | None:
    """Return the way for the event loop that is running, or None where it has sockets."""
    return Transport() if asyncio.get_running_loop() is LOOP else None


def mounts() -> dict[str, httpx.BaseTransport | None]:
    """Return the ways to the servers that there are, under each name of this machine, as httpx takes them."""
    return {f"all://{host}:{port}": Transport() for port in SERVERS for host in ("127.0.0.1", "localhost")}
