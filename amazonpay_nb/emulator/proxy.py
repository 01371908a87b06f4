"""A forward proxy for Amazon Pay's hosts: code that has Amazon's addresses in it reaches the emulator as it is.

It is another door to the emulator's application.  A tunnel to a host of Amazon's ends here, with a certificate of the
emulator's authority, and what comes through it is a request like any other, whose scope names the host.  Addresses of
this machine are reached as they are, and nothing else is.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import httptools
import httpx
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from amazonpay_nb import connection
from amazonpay_nb.connection import Connection, Door, Flow
from amazonpay_nb.loopback import limit_body, open_port, url_of
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, host_of
from amazonpay_nb.spec.notifications import hosts_of
from amazonpay_nb.spec.regions import REGIONS, Region

_PORTS = {"http": 80, "https": 443}
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
# For a server of this machine to accept a connection, and to answer; seconds.
_TIMEOUT = httpx.Timeout(60, connect=5)
# Of one connection, and not of what travels on it.
_HOP_BY_HOP = {
    b"connection", b"host", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
}  # fmt: skip
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
        self._prepares = False  # a tunnel

    def _read(self) -> None:
        if not self._prepares:
            super()._read()

    def _connect(self, rest: bytes) -> None:
        _, host, port = _place(b"https://" + self.url) if not {*b"/?"} & {*self.url} else ("", "", 0)
        if problem := self._proxy.problem("https", host, port):
            self._refuse(403, "InvalidRequest", problem)
        elif self._host or rest or self._rest or (self.cycle and not self.cycle.response_complete):
            self.send_400_response("A tunnel begins on a connection of its own; wait until it is there.")
        else:
            self._prepares, self._since = True, None
            self.flow.pause_reading()
            begin = self._end_here if host in self._proxy.hosts else self._reach
            task = self.loop.create_task(begin(host, port))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _end_here(self, host: str, port: int) -> None:
        """Shake hands in the place of one of Amazon's hosts, and go on."""
        self.transport.write(_ESTABLISHED)
        try:
            transport = await self.loop.start_tls(
                self.transport, self, self._proxy.context, server_side=True,
                ssl_handshake_timeout=connection.PATIENCE_SECONDS,
            )  # fmt: skip
        except OSError as error:
            self.connection_lost(error)
            return
        if transport is None or self.parser is None:  # it was lost meanwhile
            return
        self.transport, self.scheme, self._host = transport, "https", host
        self.flow, self.parser = Flow(self), httptools.HttpRequestParser(self)
        self._size, self._since, self._prepares = 0, self.loop.time(), False
        self._read()

    async def _reach(self, host: str, port: int) -> None:
        """Join the client with a server of this machine."""
        ends: list[None] = []
        try:
            async with asyncio.timeout(_TIMEOUT.connect):
                far, _ = await self.loop.create_connection(lambda: _Pipe(self.transport, ends), host, port)
        except OSError:
            self._refuse(502, "ServiceUnavailable", f"Nothing answers at {host}, port {port}.")
            return
        if self.parser is None:  # the client has gone
            far.close()
            return
        self.transport.write(_ESTABLISHED)
        self.transport.set_protocol(_Pipe(far, ends, self.connection_lost))
        self.transport.resume_reading()

    def on_headers_complete(self) -> None:
        """Hand a request on to where its target says, or refuse it."""
        if not self.parser.should_upgrade():
            self._find_target()
        super().on_headers_complete()

    def _find_target(self) -> None:
        whole = not self.url.startswith(b"/")
        scheme, host, port = _place(self.url) if whole else ("https", self._host, _PORTS["https"])
        names = [host_of(value.decode("latin-1")) for name, value in self.headers if name == b"host"]
        refusal = 0, ""
        if not host:
            refusal = 400, "This is a proxy; send it CONNECT, or a request with a whole address."
        elif problem := self._proxy.problem(scheme, host, port):
            refusal = 403, problem
        elif self._host not in ("", host):
            refusal = 421, f"This tunnel leads to {self._host}, and the request asks for {host}."
        elif host in self._proxy.hosts and names != [host]:
            refusal = 421, f"The Host header has to be {host}, once, as in the address."
        elif host not in self._proxy.hosts and scheme != "http":
            refusal = 400, f"Reach https://{host} by CONNECT."
        if refusal[0]:
            self._refuse(refusal[0], "InvalidRequest", refusal[1])
            raise ValueError
        if host in self._proxy.hosts:
            self.app, self.scope["state"]["amazon_host"] = self.config.loaded_app, host
        else:
            self.app, self.scope["state"]["address"] = forward, self.url.decode("ascii")


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
    """Return scheme, host and port of an address; the host is "" where it is none, or has two readings."""
    try:
        parts = urlsplit(url.decode("ascii"))
        return parts.scheme, host_of(parts.netloc), _PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return "", "", 0


async def forward(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a request on to a server of this machine, as ASGI prescribes, and its answer back."""
    request, url = Request(scope, limit_body(receive)), scope["state"]["address"]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # of no use: it is reached by http
    async with httpx.AsyncClient(timeout=_TIMEOUT, verify=tls, trust_env=False) as http:
        reply: Response
        try:
            body = await request.body()
            asked = httpx.Request(request.method, url, headers=_end_to_end(request.headers.raw), content=body)
            async with asyncio.timeout(_TIMEOUT.read):  # it may have one early head after another
                answer = await http.send(asked, stream=True)
            if answer.status_code not in STATUS_LINE:
                raise httpx.RemoteProtocolError(f"{answer.status_code} is no status")
            reply = StreamingResponse(answer.aiter_raw(), answer.status_code)
            # What is sent in chunks, or not at all, has another length than it says.
            sized = "transfer-encoding" not in answer.headers and answer.status_code != httpx.codes.NOT_MODIFIED
            reply.raw_headers = _end_to_end(answer.headers.raw, b"date", *(() if sized else (b"content-length",)))
        except HTTPException as error:
            reply = PlainTextResponse(error.detail, error.status_code)
        except (httpx.HTTPError, TimeoutError, UnicodeError) as error:  # the last at the host of a redirect
            reply = PlainTextResponse(f"Nothing answers at {url} ({type(error).__name__}).", 502)
        except ClientDisconnect:
            return
        with suppress(httpx.HTTPError):  # it breaks off, and so does the client's answer
            await reply(scope, receive, send)


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], *without: bytes) -> list[tuple[bytes, bytes]]:
    rows = ((name.lower(), value) for name, value in headers)
    return [(name, value) for name, value in rows if name not in _HOP_BY_HOP and name not in without]


def open_proxy(region: Region, certificate: str, host: str) -> tuple[Door, set[str], str]:
    """Open the door of a proxy, and return it with the hosts that it will have refused, and with its address."""
    listener, proxy = open_port(0, host), Proxy(region, certificate)
    door = (listener, partial(ProxyConnection, proxy))
    return door, proxy.refused, url_of("http", host, listener.getsockname()[1])
