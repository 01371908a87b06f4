"""Answers an API call as soon as its last byte is read, without a task, a router or an ASGI message.

A stand-in that is asked thousands of times a minute spends more on carrying a request than on answering it.  What is
out of the ordinary (a fault that is set, a pipelined or chunked request, a path that does not exist) goes the long way
through the application, which answers the same.
"""

from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from amazonpay_nb.emulator.api.pipeline import direct
from amazonpay_nb.emulator.api.request import Reply
from amazonpay_nb.emulator.world import World

__all__ = ["direct_protocol"]

# Five digits of length or fewer: far above any call, and below what the application refuses.
_SHORT = 5
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


def direct_protocol(world: World) -> type[HttpToolsProtocol]:
    """Return the protocol of a server for *world*."""
    return type("WorldProtocol", (DirectProtocol,), {"world": world})


class DirectProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a short way for plain API calls."""

    world: ClassVar[World]
    _collected: bytes | None = None

    def on_headers_complete(self) -> None:
        """Decide whether the call is plain."""
        if self._is_plain():
            self._collected = b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        if self._collected is None:
            super().on_body(body)
        else:
            self._collected += body

    def on_message_complete(self) -> None:
        """Answer."""
        body, self._collected = self._collected, None
        if body is not None:
            reply = self._answered(body)
            if reply:
                self._write(reply)
                reply.afterwards()
                self.on_response_complete()
                return
            super().on_headers_complete()
            super().on_body(body)
        super().on_message_complete()

    def _is_plain(self) -> bool:
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or b"/v2/" not in self.url or b"%" in self.url or not self.parser.should_keep_alive():
            return False
        headers = dict(self.headers)
        short = len(headers.get(b"content-length", b"0")) <= _SHORT
        return short and _UNUSUAL.isdisjoint(headers) and self.parser.get_http_version() == "1.1"

    def _answered(self, body: bytes) -> Reply | None:
        path, _, query = self.url.decode("ascii").partition("?")
        return direct(self.world, self.parser.get_method().decode("ascii"), path, query, self.headers, body)

    def _write(self, reply: Reply) -> None:
        content = reply.text.encode()
        ours = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        head = f"{_STATUS_LINES[reply.status]}{ours}content-length: {len(content)}\r\n".encode()
        server = b"".join(b"%b: %b\r\n" % header for header in self.server_state.default_headers)
        self.transport.write(head + server + b"\r\n" + content)
