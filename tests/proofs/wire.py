"""A connection that sends a request byte for byte as it is told to, with its length or in chunks."""

import http.client
import socket
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

# A server that does not answer for so long hangs.
NO_ANSWER_SECONDS = 30


class Request(NamedTuple):
    """A request as it goes over the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class Wire:
    """A connection that sends what it is told to, and reads one answer."""

    def __init__(self, url: str, *, chunks: bool = False) -> None:
        self.address, self.chunks = (urlsplit(url).hostname, urlsplit(url).port), chunks
        self.socket: socket.socket | None = None

    def send(self, request: Request) -> None:
        if self.socket is None:
            self.socket = socket.create_connection(self.address, NO_ANSWER_SECONDS)  # type: ignore[arg-type]
        lines = [f"{request.method} {request.target} HTTP/1.1", "host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        lines.append("transfer-encoding: chunked" if self.chunks else f"content-length: {len(request.body)}")
        body = b"".join(self._chunks(request.body)) if self.chunks else request.body
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _chunks(self, body: bytes) -> Iterator[bytes]:
        middle = len(body) // 2
        for part in filter(None, (body[:middle], body[middle:])):
            yield b"%x\r\n%s\r\n" % (len(part), part)
        yield b"0\r\n\r\n"

    def receive(self, method: str) -> tuple[int, bytes]:
        assert self.socket
        answer = http.client.HTTPResponse(self.socket, method=method)
        answer.begin()
        status, content, closes = answer.status, answer.read(), answer.will_close
        answer.close()
        if closes:
            self.close()
        return status, content

    def close(self) -> None:
        if self.socket:
            self.socket.close()
            self.socket = None
