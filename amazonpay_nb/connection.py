"""A server of this machine and its connections: what arrives is bounded, and read in one way only.

httptools sets no limit, takes trailers for headers, and stops where a request offers another protocol, so that its body
would be read as the next request.  Everything else is uvicorn's.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# Of a target with its headers, or of trailers: browsers and proxies stop far below.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100  # each of a few bytes takes 160 in memory
_NO_REQUEST = "This is no HTTP request, or has more than one reading; correct it."
_MANY_HEADERS = f"There are more than {MAX_HEADERS} headers; send fewer."
_LONG_HEAD = f"Target and headers, or trailers, are larger than {MAX_HEAD_BYTES} bytes; send less."
# A quarter of the files that the process may open: another quarter may be arriving, the rest is its own.
SHARE_OF_FILES = (os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else 1024) // 4
# Each can hold a body and what is read ahead, about 400 kB.
MAX_CONNECTIONS = min(128, SHARE_OF_FILES)
# For a request to arrive, and for a client to read on.
PATIENCE_SECONDS = 20.0
# Of the loop, until what was accepted is a connection, since asyncio loses one whose server closes before; and until
# one that is cut off has noticed.
_STEPS = 3
_GLANCE_SECONDS = 0.002  # between two looks at what has not ended yet
_LINGER_SECONDS = 1.0  # for a client to see that it is refused
# Read at a time, so that few requests wait on one connection: the shortest has 18 bytes, and takes 3,000 in memory.
_PIECE = 1024
_AHEAD = 32 * 1024  # bytes that the system, and TLS, read of a connection before it is their turn


class Server(uvicorn.Server):
    """A server that ends when it is told to; uvicorn's looks ten times a second, and once more after that."""

    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listeners: list[socket.socket] = []
        self._doors: list[Door] = []

    def open(self, door: "Door") -> None:
        """Open a door, from a thread other than the server's: now, or as soon as the application is up."""
        door[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _AHEAD)  # its connections inherit it
        self.listeners.append(door[0])
        self._doors.append(door)
        if self._loop:
            asyncio.run_coroutine_threadsafe(self._open(self._loop), self._loop).result()

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        options = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        while self._doors:
            listener, connection = self._doors.pop()
            secure = isinstance(listener, SecureListener)
            server = await loop.create_server(
                partial(connection, **options), sock=listener, backlog=self.config.backlog,
                ssl=self.config.ssl if secure else None, ssl_handshake_timeout=PATIENCE_SECONDS if secure else None,
            )  # fmt: skip
            self.servers.append(server)

    def end(self) -> None:
        """Stop, from any thread; answers that are under way have as long as the configuration says."""
        self.should_exit = True
        if self._loop:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._waiting.cancel)

    async def main_loop(self) -> None:
        """Open the doors, and wait for the end as uvicorn does, or to be told."""
        self._waiting, self._loop = asyncio.ensure_future(super().main_loop()), asyncio.get_running_loop()
        await self._open(self._loop)
        await asyncio.wait([self._waiting])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no one, close what is idle, wait for the rest and cut it off, and end the application."""
        for listener in self.listeners:
            with suppress(NotImplementedError):  # on Windows, where there is another way to accept
                asyncio.get_running_loop().remove_reader(listener)
        for _ in range(_STEPS):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while (state.connections or state.tasks) and not self.force_exit:
                    await asyncio.sleep(_GLANCE_SECONDS)
        for connection in list(state.connections):  # whose clients read nothing: the loop ends before they do
            connection.transport.abort()
        for _ in range(_STEPS):
            await asyncio.sleep(0)
        for task in state.tasks:  # nobody is left to answer
            task.cancel()
        await asyncio.sleep(0)
        if not self.force_exit:
            await self.lifespan.shutdown()


async def _answered(app: Any, *event: Any) -> None:
    with suppress(asyncio.CancelledError):  # by the end of the server, which is no error of the application's
        await app(*event)


class SecureListener(socket.socket):
    """A listening socket for TLS: connections count during the handshake, when no answer is possible yet."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(fileno=listener.detach())
        self._open: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Take a connection, or close it where there are too many."""
        connection, address = super().accept()
        self._open = [one for one in self._open if one.fileno() >= 0]
        if len(self._open) > MAX_CONNECTIONS:
            connection.close()
            raise ConnectionAbortedError
        self._open.append(connection)
        return connection, address


class Flow(FlowControl):
    """Reads on once all that was read is under way: a client that does not read its answers is not read from."""

    def __init__(self, connection: "Connection") -> None:
        super().__init__(connection.transport)
        if hasattr(connection.transport, "set_read_buffer_limits"):  # of TLS, which reads half a megabyte ahead
            connection.transport.set_read_buffer_limits(_AHEAD)
        self._connection = connection

    def resume_reading(self) -> None:
        """Read on, unless something waits."""
        if not self._connection.waits:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """Hands on each request that arrives completely, in time, within its bounds, and has one reading."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.app = partial(_answered, self.app)
        self.access_log = False  # uvicorn's has buyers' tokens; a handler turns it on, and pytest gives it one
        self._rest = b""  # behind requests that are not answered yet
        self._refusal = b""
        self._in_head, self._size = True, 0  # bytes since the last one that belongs to a body or ends a head
        self._since: float | None = None  # when the present request began to arrive
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether something that was read waits for an answer to what came before."""
        return bool(self._rest or self.pipeline)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(transport)
        self.flow = Flow(self)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(503, "ServiceUnavailable", f"{MAX_CONNECTIONS} connections are open; close some, and repeat.")
            self.transport.close()
            return
        self._since = self.loop.time()
        self._timer = self.loop.call_later(PATIENCE_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was to come."""
        if self._timer:
            self._timer.cancel()
        self._rest = self._refusal = b""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn leaves it to a connection that was reset
        self.pipeline.clear()
        # Each knows this connection, which would stay, with its buffers, until Python looks for circles.
        self.cycle = self.flow = None  # type: ignore[assignment]

    def _look(self) -> None:
        """Close a connection whose client neither sends its request on nor reads its answers."""
        self._timer = self.loop.call_later(PATIENCE_SECONDS, self._look)
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent == self._unsent:
            self.transport.abort()
        elif self._since and not self.flow.read_paused and self.loop.time() - self._since >= PATIENCE_SECONDS:
            if self._in_head and not self._size:
                self.transport.close()  # opened in advance, as browsers do, and never used
            else:
                self._refuse(408, "RequestTimeout", f"The request did not arrive within {PATIENCE_SECONDS:g} seconds.")
        self._unsent = unsent

    def data_received(self, data: bytes) -> None:
        """Read what has arrived, as far as it is its turn."""
        if self._refusal:
            return
        self._since = self._since or self.loop.time()
        self._rest += data
        self._read()

    def _read(self) -> None:
        self._unset_keepalive_if_required()
        while self._rest and not (self.pipeline or self._refusal or self.transport.is_closing()):
            piece, self._rest = self._rest[:_PIECE], self._rest[_PIECE:]
            self._size += len(piece)
            if self._size > MAX_HEAD_BYTES:
                self._refuse(431, "InvalidRequest", _LONG_HEAD)
                return
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                self._decline(piece[offer.args[0] :])
            except httptools.HttpParserError:
                self.send_400_response(_NO_REQUEST)
        if self._rest:
            self.flow.pause_reading()

    def _decline(self, rest: bytes) -> None:
        """Read a request that offers another protocol again, without the offer: nobody has to accept it."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self.send_400_response("This is no proxy: CONNECT is not possible.")
            return
        lines = [b"%s: %s" % pair for pair in self.headers if pair[0] != b"upgrade"]
        head = b"\r\n".join((b"%s %s HTTP/%s" % (method, self.url, version), *lines, b"\r\n"))
        self.parser, self._size = httptools.HttpRequestParser(self), 0
        self._rest = head + rest + self._rest

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._refuse(400, "InvalidRequest", msg)

    def _refuse(self, status: int, reason_code: str, message: str) -> None:
        """Answer in the form of the API when what came before is answered, and close."""
        if self._refusal:
            return
        body = json.dumps({"reasonCode": reason_code, "message": message}).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self._refusal, self._rest = STATUS_LINE[status] + head + body, b""
        self._send_refusal()

    def _send_refusal(self) -> None:
        cycle = self.cycle
        # A request that is still arriving is the one that is refused.
        its_turn = cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started)
        if self._refusal and its_turn and not self.pipeline:
            self.transport.write(self._refusal)
            if cycle and not cycle.response_complete:
                cycle.disconnected = True  # its application says nothing more
                cycle.message_event.set()
            # The client may be sending still, and would not see the answer if what it has sent stayed unread.
            self.loop.call_later(_LINGER_SECONDS, self.transport.close)
            if self.transport.can_write_eof():
                with suppress(OSError):  # the client has gone
                    self.transport.write_eof()

    def on_message_begin(self) -> None:
        """Let the time of a request begin."""
        super().on_message_begin()
        self._since = self._since or self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after a body is a trailer, which nothing here reads."""
        if self._in_head:
            super().on_header(name, value)
            if len(self.headers) > MAX_HEADERS:
                self._refuse(431, "InvalidRequest", _MANY_HEADERS)
                raise ValueError

    def on_headers_complete(self) -> None:
        """Hand a request on, unless its target or its body has a second reading."""
        if self.parser.should_upgrade():
            return
        ways = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        problem = "A target has no fragment; write # as %23." if b"#" in self.url else ""
        problem = problem if ways in ([], [b"chunked"]) else "Transfer-Encoding is chunked or left out; correct it."
        if problem:
            self.send_400_response(problem)
            raise ValueError
        self._in_head, self._size = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand a part of a body on; its application counts it."""
        self._size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        if self.parser.should_upgrade():
            return
        self._in_head, self._size, self._since = True, 0, None
        super().on_message_complete()
        if not self.parser.should_keep_alive():  # because of a trailer, for example: the parser reads nothing more
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()

    def on_response_complete(self) -> None:
        """Go on with what waits."""
        super().on_response_complete()
        self._send_refusal()
        if self._rest:
            self._read()
            self.flow.resume_reading()


# A socket that listens, and what makes its connections: all share application, bounds and thread.
Door = tuple[socket.socket, Callable[..., Connection]]
