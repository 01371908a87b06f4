"""Serve an ASGI application on a loopback port from a thread, under names of this machine only.

On a remote hub the browser's loopback is another one: jupyter-server-proxy hands the pages on, each port under
``…/proxy/PORT`` of one host, and says so in a header of each request.
"""

import os
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.in_process import InProcessServer, mounts
from amazonpay_nb.limits import Client
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, host_of, is_loopback, url_of

MAX_BODY_BYTES = 256 * 1024  # far above any documented field length, and as much as a notification has
_BACKLOG = 128  # connections that wait to be accepted
IN_PROCESS = "AMAZONPAY_NB_IN_PROCESS"
# Where the server of this kernel is reached from outside, as JupyterHub says it: the whole address, and its path.
HUB_VARIABLES = ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX")
_PROXIED = re.compile(r"/proxy/\d+/?$")
_WITH_PORT = re.compile(r"(127\.0\.0\.1|localhost):\d+")
_PROXY = re.compile("(http|https|all)_proxy", re.IGNORECASE)
_UNUSABLE = (ImportError, ValueError, httpx.InvalidURL)
_ADVICE = "Write http://HOST:PORT, or names of hosts in NO_PROXY, or unset it; socks5:// needs the package socksio."


def without_sockets() -> bool:
    """Tell whether the environment keeps everything inside this process."""
    return os.environ.get(IN_PROCESS, "") not in ("", "0")


def stays_inside(wish: bool | None, *, needs_socket: object = False) -> bool:
    """Tell whether a server answers inside this process alone: as wished, or as the environment says."""
    inside = without_sockets() if wish is None else wish
    if inside and needs_socket:
        raise ValueError("HTTPS, a proxy, a host and a port need a socket; go without them, or without in_process")
    return inside


def check_sockets() -> None:
    """Raise a ConfigurationError where this process is to have no sockets."""
    if without_sockets():
        advice = f"Go without {IN_PROCESS} and --in-process."
        raise ConfigurationError("This needs a socket: it talks to a program outside of this process.", advice=advice)


def open_port(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """Return a listening socket on loopback; an OSError says that the port is in use, and 0 takes a free one."""
    check_sockets()
    if host not in LOOPBACK_HOSTS:
        raise ValueError(f"a server here listens on loopback only, as {', '.join(LOOPBACK_HOSTS)}, not on {host!r}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Connections inherit it: an answer is two writes, and the second must not wait 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def http_client(*, local: httpx.BaseTransport | None = None, trust_env: bool = True, **options: Any) -> httpx.Client:
    """Return a client that reaches this machine directly: a proxy would see tokens, and find nothing here.

    Proxies and certificates of the environment, usable or not, are read for a ``base_url`` that needs them, or `Later`.

    Args:
        local: How to reach this machine, where its certificates need a way of their own.
        options: Those of `httpx.Client`, with a ``timeout`` of 30; any other host is reached as the environment says.
    """
    hosts, verify = [f"[{host}]" if ":" in host else host for host in LOOPBACK_HOSTS], options.pop("verify", True)
    options = {"timeout": 30, "mounts": dict.fromkeys((f"all://{host}" for host in hosts), local) | mounts(), **options}
    if not options.get("transport"):
        beyond = (place := httpx.URL(options.get("base_url", ""))).host not in ("", *LOOPBACK_HOSTS)
        if beyond or place.scheme == "https":
            return Later(verify, trust_env=trust_env and beyond, **options).client
        options["mounts"]["all://"] = Later(verify)
        if verify is True:
            options["mounts"] |= {f"https://{host}": local or Later(True, trust_env=False) for host in hosts}
            verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nobody has to be trusted for http
    return Client(verify=verify, trust_env=False, **options)


def trust() -> ssl.SSLContext:
    """Return whom this machine trusts, or raise a ConfigurationError where its environment names no such file."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        problem = f"The certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read ({type(error).__name__})."
        raise ConfigurationError(problem, advice="Unset it: that of an emulator is gone with the emulator.") from None


class Later(httpx.BaseTransport):
    """A way for which the environment is read when its first request comes; *options* are those of `httpx.Client`."""

    def __init__(self, verify: ssl.SSLContext | bool, trust_env: bool = True, **options: Any) -> None:
        self._verify, self._options = verify, {"trust_env": trust_env, **options}

    @cached_property
    def client(self) -> Client:
        """What takes it; a ConfigurationError says what cannot be used."""
        if self._options["trust_env"]:
            check_proxies()
        return Client(verify=trust() if self._verify is True else self._verify, **self._options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, whose body is still to come."""
        return self.client.send(request, stream=True)

    def close(self) -> None:
        """Close the connections."""
        if "client" in vars(self):
            self.client.close()


def check_proxies() -> None:
    """Raise a ConfigurationError where a variable of the environment says of proxies what httpx cannot use."""
    try:
        httpx.Client(verify=False).close()  # noqa: S501 (it asks nobody, and reads the environment)
    except _UNUSABLE as error:
        problem = f"The environment's {_unusable_variable()} cannot be used ({type(error).__name__})."
        raise ConfigurationError(problem, advice=_ADVICE) from None


def _unusable_variable() -> str:
    for name, address in os.environ.items():
        if address and _PROXY.fullmatch(name):
            try:
                httpx.HTTPTransport(verify=False, proxy=address if "://" in address else f"http://{address}")
            except _UNUSABLE:
                return name
    return "no_proxy" if os.environ.get("no_proxy") else "NO_PROXY"


def no_cookies() -> CookieJar:
    """Return a jar that stays empty: to a cookie, all servers of this machine are one."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def without_port(text: str) -> str:
    """Return a text with PORT in place of each port of this machine, which differs from run to run."""
    return _WITH_PORT.sub(r"\1:PORT", text)


def answers_to(host: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to answer a visitor who uses this name.

    Anyone can point their own name at the address 127.0.0.1, and their pages can then read these answers.  On a
    JupyterHub, visitors come through a proxy that authenticates them, under the hub's name.
    """
    return is_loopback(host) or any(environment.get(name) for name in HUB_VARIABLES)


def is_proxied(headers: Mapping[str, str]) -> bool:
    """Tell whether a request came through jupyter-server-proxy."""
    return bool(_PROXIED.search(headers.get("x-forwarded-prefix", "")))


def relative_address(path: str, headers: Mapping[str, str], address: str) -> str:
    """Return the browser's next address, relative to that of its request where a proxy is in between.

    Relative, since the proxy would write its own prefix before a path.  Addresses elsewhere stay as they are.
    """
    place = _behind_proxy(address) if is_proxied(headers) else ""
    return f"{'../' * path.count('/')}{place}" if place else address


def _behind_proxy(address: str) -> str:
    """Return port, path and query of an address on loopback, as jupyter-server-proxy has them; "" of any other."""
    parts = urlsplit(address)
    if parts.hostname not in LOOPBACK_HOSTS or parts.port is None:
        return ""
    return f"{parts.port}{parts.path}{f'?{parts.query}' if parts.query else ''}"


def browser_address(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the address at which a browser reaches a loopback server of this kernel.

    On a JupyterHub, the kernel's loopback is not the browser's: jupyter-server-proxy forwards pages, under the path of
    the person's own server.
    """
    base, place = next(filter(None, map(environment.get, HUB_VARIABLES)), ""), _behind_proxy(url)
    return f"{base.rstrip('/')}/proxy/{place}" if base and place else url


def limit_body(receive: Receive, most: int = MAX_BODY_BYTES) -> Receive:
    """Refuse a body as soon as it is too long, instead of collecting it in memory."""
    size = 0

    async def receive_within_limit() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            problem = f"The body is larger than {most} bytes; send less."
            raise HTTPException(413, problem, {"connection": "close"})  # the rest of it is not read
        return message

    return receive_within_limit


def route(method: str, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return a route for one method alone: Starlette adds HEAD to GET, and a HEAD is not a visit."""
    only = Route(path, endpoint, methods=[method])
    only.methods = {method}
    return only


def amazon_host(scope: Mapping[str, Any]) -> str:
    """Return the host of Amazon's that a proxy of ours has taken a request for, or ""."""
    return str(scope.get("state", {}).get("amazon_host", ""))


def is_foreign(headers: Headers, host: str = "") -> bool:
    """Tell whether a page of another site sends a request to a *host* of Amazon's or "", as far as its browser says."""
    origin = headers.get("origin", "null")  # "null" hides a page's address
    name = origin.partition("//")[2]
    elsewhere = origin != "null" and not (host_of(name) == host if host else answers_to(name))
    return elsewhere or headers.get("sec-fetch-site") == "cross-site"


class Guard:
    """Wrap an application so that it answers to names of this machine only, and takes bodies of limited size.

    A page of another site can post anything here, although it cannot read the answer: it is refused.

    Args:
        from_anywhere: A path to which pages of any site may post, since the application checks what they send.
    """

    def __init__(self, app: ASGIApp, *, from_anywhere: str = "") -> None:
        self._app, self._from_anywhere = app, from_anywhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event, as ASGI prescribes."""
        app = self._app
        if scope["type"] == "http":
            receive, headers, host = limit_body(receive), Headers(scope=scope), amazon_host(scope)
            if not host and not answers_to(",".join(headers.getlist("host"))):
                app = PlainTextResponse("This server is called by a loopback address.", 403)
            elif scope["method"] == "POST" and scope["path"] != self._from_anywhere and is_foreign(headers, host):
                app = PlainTextResponse("Only pages of this machine may post here.", 403)
        with suppress(ClientDisconnect):  # nobody is left to tell, and the log is not a stranger's to fill
            await app(scope, receive, send)


class LoopbackServer:
    """An ASGI application that answers on a loopback port until it is stopped.

    Args:
        port: 0 takes a free one.
        listener: A socket that was opened before, instead of host and port.
        certificate: File with a private key and its certificate chain, for HTTPS.
    Attributes:
        open: Lets the application answer at another door as well.
    """

    def __init__(
        self, app: Any, *, port: int = 0, host: str = "127.0.0.1", listener: socket.socket | None = None,
        certificate: str | None = None,
    ) -> None:  # fmt: skip
        import uvicorn

        from amazonpay_nb.connection import SHARE_OF_FILES, Connection, SecureListener, Server

        listener = listener or open_port(port, host)
        self.port: int = listener.getsockname()[1]
        self.url = url_of("https" if certificate else "http", host, self.port)
        config = uvicorn.Config(
            app, http=Connection, loop="asyncio" if certificate else "auto",  # others do not ask our socket to accept
            # As many are accepted before the first is refused, and before those that were refused are closed.
            backlog=min(_BACKLOG, SHARE_OF_FILES // 2), ssl_certfile=certificate, lifespan="auto", ws="none",
            log_config=None, access_log=False, proxy_headers=False, server_header=False, timeout_graceful_shutdown=1,
            timeout_keep_alive=30,  # longer than httpx keeps one, whose next request would meet its end
        )  # fmt: skip
        self._server = Server(config)
        self.open = self._server.open
        self.open((SecureListener(listener) if certificate else listener, Connection))
        self._thread = threading.Thread(target=self._run, name=f"loopback-{self.port}", daemon=True)

    @property
    def running(self) -> bool:
        """Whether the application answers in a thread."""
        return self._thread.is_alive()

    def start(self) -> Self:
        """Start answering; connections wait in the socket until the application is up."""
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            # uvicorn wants to end the process when the application does not come up; its log has said why.
            with suppress(SystemExit):
                self._server.run(sockets=[])  # it opens its doors itself
        finally:
            # An application that did not come up would leave the sockets open, and its visitors waiting.
            self._close()

    def drop(self, client: tuple[str, int]) -> None:
        """Drop the connection of a client, an address and a port, without an answer: ASGI has no word for that."""
        for connection in list(self._server.server_state.connections):
            if connection.transport.get_extra_info("peername")[:2] == client:
                connection.transport.abort()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.end()
        if self._thread.is_alive():
            self._thread.join(5)
        else:
            self._close()

    def _close(self) -> None:
        for listener in self._server.listeners:
            listener.close()


def serve(app: ASGIApp, *, in_process: bool | None = None, **options: Any) -> LoopbackServer | InProcessServer:
    """Return a server that is not started yet, inside this process alone if *in_process* or the environment says so."""
    return InProcessServer(app) if stays_inside(in_process) else LoopbackServer(app, **options)
