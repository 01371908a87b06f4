"""A forward proxy for Amazon Pay's hosts: code that has Amazon's addresses in it reaches the emulator as it is.

It is another door to the emulator's application.  A tunnel to a host of Amazon's ends here, with a certificate of the
emulator's authority, and what comes through it is a request like any other, whose scope names the host.  A client that
asks for an address of this machine is joined with it, byte by byte, and nothing else is reached.

A browser that is told to look for Amazon's hosts here needs no proxy: it gets a door that is a tunnel from its
beginning.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from traceback import clear_frames
from typing import Any
from urllib.parse import urlsplit

import httptools

from amazonpay_nb import connection
from amazonpay_nb.connection import MAX_HEAD_BYTES, Connection, Door, Flow
from amazonpay_nb.loopback import open_port
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, host_of, url_of
from amazonpay_nb.spec.notifications import hosts_of
from amazonpay_nb.spec.regions import REGIONS, Region

_PORTS = {"http": 80, "https": 443}
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_CONNECT_SECONDS = 5.0  # for a server of this machine to accept a connection
_OURS = (b"connection:", b"keep-alive:", b"proxy-")  # how headers begin that are about the way to the proxy
_VISIBLE = re.compile(rb"[!-~]*")
_ORIGIN = re.compile(rb"^[^/]*//[^/?#]*/?")
_LONGEST_NAME, _MOST_NAMES = 100, 10  # of strangers' hosts that a refusal repeats and that are kept


class Proxy:
    """What goes through to the hosts of a region; *certificate* is a file with its private key and its chain."""

    def __init__(self, region: Region, certificate: str) -> None:
        self._region, self.hosts = region, hosts_of(region)
        self.refused = set[str]()  # other hosts that were asked for, the first of them
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate)

    def problem(self, scheme: str, host: str, port: int) -> str:
        """Return why nothing goes to a place, or "" where it does."""
        if host in LOOPBACK_HOSTS:
            return ""
        if host in self.hosts:
            encrypted = scheme == "https" and port == _PORTS["https"]
            return "" if encrypted else f"{host} takes https on port 443 alone; nothing goes there in plain text."
        if len(self.refused) < _MOST_NAMES:
            self.refused.add(host[:_LONGEST_NAME])
        code = self._region.code
        for row in REGIONS.values():
            if host in hosts_of(row):
                return f"{host} is of region {row.code}, this emulator of {code}; start it with --region {row.code}."
        possible = ", ".join((*self.hosts, *LOOPBACK_HOSTS))
        return f"{host[:_LONGEST_NAME]!r} is no host of Amazon Pay in region {code}; possible are {possible}."


class ProxyConnection(Connection):
    """A connection to the proxy: bounded like any other, and read like one once its tunnel is there."""

    def __init__(self, proxy: Proxy, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._proxy = proxy
        self._host = ""  # Amazon's, whose tunnel has brought the client here
        self._begins, self._prepares = True, False  # the connection, and a way to somewhere else

    def _read(self) -> None:
        """Read what arrives, unless the first request leads the client elsewhere."""
        if self._begins:
            head, end, rest = self._rest.partition(b"\r\n\r\n")
            self._begins = not end and len(head) <= MAX_HEAD_BYTES
            self._size = len(head) if self._begins else 0
            if end and len(head) <= MAX_HEAD_BYTES and (way := self._way(head, rest)):
                self._rest, self._since = b"", None
                self._prepare(way)
        if not (self._begins or self._prepares):
            super()._read()

    def _prepare(self, way: Coroutine[Any, Any, None]) -> None:
        self._begins, self._prepares = False, True
        self.flow.pause_reading()
        task = self.loop.create_task(way)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _way(self, head: bytes, rest: bytes) -> Coroutine[Any, Any, None] | None:
        """Return what makes a tunnel, or joins the client with a server of this machine, where a head asks for it."""
        first, *lines = head.split(b"\r\n")
        method, _, target = first.partition(b" ")
        url, _, version = target.partition(b" ")
        scheme, host, port = _place(url)
        if method == b"CONNECT":
            _, host, port = _place(b"https://" + url) if not {*b"/?#"} & {*url} else ("", "", 0)
            if problem := self._proxy.problem("https", host, port):
                self._refuse(403, "InvalidRequest", problem)
            elif rest:
                self.send_400_response("A tunnel begins with its answer; wait until it is there.")
            else:
                return self._end_here(host) if host in self._proxy.hosts else self._reach(host, port)
        elif scheme == "http" and host in LOOPBACK_HOSTS:
            path = _ORIGIN.sub(b"/", url)
            lines = [line for line in lines if not line.lower().startswith(_OURS)]
            request = b"\r\n".join((b"%s %s %s" % (method, path, version), *lines, b"connection: close", b"", rest))
            return self._reach(host, port, request)
        return None

    async def _end_here(self, host: str) -> None:
        """Shake hands in the place of one of Amazon's hosts, and go on; a *host* that was asked for gets an answer."""
        if host:
            self.transport.write(_ESTABLISHED)
        try:
            transport = await self.loop.start_tls(
                self.transport, self, self._proxy.context, server_side=True,
                ssl_handshake_timeout=connection.PATIENCE_SECONDS,
            )  # fmt: skip
        except OSError as error:
            clear_frames(error.__traceback__)  # asyncio's knows the error, which would keep the connection's buffers
            self.connection_lost(error)
            return
        if transport is None or self.parser is None:  # it was lost meanwhile
            return
        self.transport, self.scheme, self._host = transport, "https", host
        self.flow, self.parser = Flow(self), httptools.HttpRequestParser(self)
        self._size, self._since, self._prepares = 0, self.loop.time(), False
        self._read()

    async def _reach(self, host: str, port: int, request: bytes = b"") -> None:
        """Join the client with a server of this machine, which gets a request, or the client gets a tunnel to it."""
        ends: list[None] = []
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                far, _ = await self.loop.create_connection(lambda: _Pipe(self.transport, ends), host, port)
        except OSError:
            self._refuse(502, "ServiceUnavailable", f"Nothing answers at {host}, port {port}.")
            return
        if self.parser is None:  # the client has gone
            far.close()
            return
        far.write(request + self._rest)
        if not request:
            self.transport.write(_ESTABLISHED)
        self.transport.set_protocol(_Pipe(far, ends, self.connection_lost))
        self.transport.resume_reading()

    def on_headers_complete(self) -> None:
        """Hand a request on to where its target says, or refuse it."""
        if self.parser.should_upgrade():
            return
        whole = not self.url.startswith(b"/")
        scheme, host, port = _place(self.url) if whole else ("https", self._host, _PORTS["https"])
        names = [host_of(value.decode("latin-1")) for name, value in self.headers if name == b"host"]
        problem = self._proxy.problem(scheme, host, port) if host else ""
        for wrong, status, why in (
            (not host, 400, "This is a proxy; send it CONNECT, or a request with a whole address."),
            (problem, 403, problem),
            (self._host not in ("", host), 421, f"This tunnel leads to {self._host}, and the request asks for {host}."),
            (host not in self._proxy.hosts, 400, f"Reach {host} by CONNECT, or by http on a connection of its own."),
            (names != [host], 421, f"The Host header has to be {host}, once, as in the address."),
        ):
            if wrong:
                self._refuse(status, "InvalidRequest", why)
                raise ValueError
        self.scope["state"]["amazon_host"] = host
        super().on_headers_complete()


class HostConnection(ProxyConnection):
    """A connection to one of Amazon's hosts itself, as far as its client knows: the one that its requests name."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Shake hands at once, unless there are too many."""
        super().connection_made(transport)
        if not transport.is_closing():
            self._prepare(self._end_here(""))

    def on_headers_complete(self) -> None:
        """Hand a request on to the host that it names, or refuse it."""
        self._host = "".join(host_of(value.decode("latin-1")) for name, value in self.headers if name == b"host")
        super().on_headers_complete()


class _Pipe(asyncio.Protocol):
    """One end of a tunnel: what arrives goes to the other end, no faster than that reads."""

    def __init__(
        self, other: asyncio.Transport, ends: list[None], lost: Callable[[Exception | None], None] = lambda _: None
    ) -> None:
        self._other, self._ends, self._lost = other, ends, lost

    def data_received(self, data: bytes) -> None:
        self._other.write(data)

    def eof_received(self) -> bool:
        self._ends.append(None)
        self._other.write_eof()
        # The other direction goes on, as long as a request has to arrive.
        asyncio.get_running_loop().call_later(connection.PATIENCE_SECONDS, self._other.close)
        return len(self._ends) == 1

    def pause_writing(self) -> None:
        self._other.pause_reading()

    def resume_writing(self) -> None:
        self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._other.close()
        self._lost(exc)


def _place(url: bytes) -> tuple[str, str, int]:
    """Return scheme, host and port of an address; the host is "" where there is none, or where it has two readings."""
    try:
        if not _VISIBLE.fullmatch(url):  # urlsplit leaves some of the others out
            raise ValueError
        parts = urlsplit(url.decode("ascii"))
        return parts.scheme, host_of(parts.netloc), _PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return "", "", 0


def open_door(region: Region, certificate: str, host: str, *, proxy: bool) -> tuple[Door, set[str], str]:
    """Open a proxy, or Amazon's hosts themselves; return the door, the hosts that it will refuse, and its address."""
    listener, way = open_port(0, host), Proxy(region, certificate)
    door = (listener, partial(ProxyConnection if proxy else HostConnection, way))
    return door, way.refused, url_of("http" if proxy else "https", host, listener.getsockname()[1])
