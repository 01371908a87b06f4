"""A server on loopback starts at once, stops in time, and leaves its port free."""

import asyncio
import gc
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
import trustme
from starlette.types import Receive, Scope, Send

from amazonpay_nb.loopback import (
    LoopbackServer,
    http_client,
    no_cookies,
    open_port,
    relative_address,
)
from tests.processes import PATIENCE


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with its path."""
    if scope["type"] == "lifespan":
        await started(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def started(receive: Receive, send: Send) -> None:
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail to start."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


class Endless:
    """Takes two requests and never answers them: one not at all, the other not to its end."""

    def __init__(self) -> None:
        self.busy = threading.Barrier(3)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await started(receive, send)
            return
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.to_thread(self.busy.wait, PATIENCE)
        await asyncio.Event().wait()


def get(url: str, **options: object) -> str:
    return httpx.get(url, trust_env=False, **options).text  # type: ignore[arg-type]


def has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_it_answers_on_loopback_by_any_name(host: str) -> None:
    """The address can be opened as it is given, an IPv6 one in brackets."""
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    server = LoopbackServer(hello, host=host).start()
    try:
        assert server.url == f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
        assert get(f"{server.url}/here") == "/here"
        assert server.running
    finally:
        server.stop()
    assert not server.running


def test_it_serves_https_when_it_is_given_a_certificate(tmp_path: Path) -> None:
    """The scheme of its address follows."""
    authority, pem = trustme.CA(), tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = LoopbackServer(hello, certificate=str(pem)).start()
    try:
        assert server.url.startswith("https://127.0.0.1:")
        assert get(server.url, verify=ssl.create_default_context(cafile=tmp_path / "ca.pem")) == "/"
    finally:
        server.stop()


def test_a_port_has_one_listener() -> None:
    """Whoever comes second is told, and does not share the first one's visitors."""
    server = LoopbackServer(hello).start()
    try:
        with pytest.raises(OSError, match="in use"):
            LoopbackServer(hello, port=server.port)
    finally:
        server.stop()


def test_a_port_is_free_as_soon_as_its_server_has_stopped() -> None:
    """The same command can be run again at once, although its connections linger in the system."""
    first = LoopbackServer(hello).start()
    get(first.url)
    first.stop()
    second = LoopbackServer(hello, port=first.port).start()
    try:
        assert get(f"{second.url}/again") == "/again"
    finally:
        second.stop()


def test_a_server_that_was_never_started_frees_its_port_too() -> None:
    """The port is taken when the server is made, so that its address is known."""
    server = LoopbackServer(hello)
    server.stop()
    open_port(server.port).close()


def test_no_request_is_in_a_log_of_requests() -> None:
    """The address may have a buyer's token; pytest gives each log a handler, by which uvicorn decides."""
    server, records = LoopbackServer(hello).start(), list[logging.LogRecord]()
    log, handler = logging.getLogger("uvicorn.access"), logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    get(f"{server.url}/v2/buyers/Atza")
    log.removeHandler(handler)
    log.setLevel(level)
    server.stop()
    assert records == []


def test_stopping_twice_is_stopping_once() -> None:
    """A block and a notebook's end may both stop it."""
    server = LoopbackServer(hello).start()
    get(server.url)
    server.stop()
    server.stop()
    assert not server.running


def test_a_client_gives_an_idle_connection_up_before_the_server_does() -> None:
    """A request that meets the end of its connection has no answer, and nobody knows whether it was heard."""
    server = LoopbackServer(hello)
    server.stop()
    assert server._server.config.timeout_keep_alive > (httpx.Limits().keepalive_expiry or 0)


def test_a_client_without_a_timeout_waits_as_long_as_a_busy_machine_may_stand_still() -> None:
    """Thirty seconds, and not the five of httpx; whoever says something decides."""
    for options, timeout in (({}, 30), ({"timeout": 1}, 1)):
        with http_client(**options) as http:
            assert http.timeout == httpx.Timeout(timeout)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", ["", ", local=httpx.HTTPTransport(verify=False)"], ids=["own", "borrowed"])
def test_a_forked_process_opens_its_own_connection(tmp_path: Path, scheme: str, way: str) -> None:
    """It leaves that of its parent, which goes on using it; and no lock that a thread of the parent's held stops it."""
    bundle = tmp_path / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(bundle))
    script = (
        "import os, signal, sys, httpx\n"
        "from amazonpay_nb.loopback import http_client\n"
        f"http = http_client(verify=False{way})\n"
        "def port(): return http.get(sys.argv[1]).extensions['network_stream'].get_extra_info('client_addr')[1]\n"
        "before = port()\n"
        f"lock = None if {way!r} else http._transport._pool._optional_thread_lock\n"
        "if lock: lock.__enter__()\n"
        "child = os.fork()\n"
        "if lock and child: lock.__exit__()\n"
        f"if not child: signal.alarm({PATIENCE // 2})\n"
        "ports = {port() for _ in range(3)}\n"
        "http.close()\n"
        "if not child: os._exit(before in ports or len(ports) != 1)\n"
        "assert not os.waitpid(child, 0)[1] and ports == {before}\n"
    )
    server = LoopbackServer(hello, certificate=str(bundle) if scheme == "https" else None).start()
    command = [sys.executable, "-X", "dev", "-c", script, server.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    server.stop()
    assert (done.returncode, done.stderr) == (0, "")


async def remembering(scope: Scope, receive: Receive, send: Send) -> None:
    """Give a cookie to who asks for one, and answer with those that come back."""
    if scope["type"] == "lifespan":
        await started(receive, send)
        return
    headers = [(b"set-cookie", b"visit=7; Path=/")] if scope["path"] == "/new" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": dict(scope["headers"]).get(b"cookie", b"")})


def test_a_client_keeps_cookies_unless_it_shall_not() -> None:
    """Also through answers that have none."""
    server = LoopbackServer(remembering).start()
    with http_client() as keeps, http_client(cookies=no_cookies()) as forgets:
        for client, cookie in ((keeps, "visit=7"), (forgets, "")):
            texts = [client.get(f"{server.url}/{path}").text for path in ("old", "new", "old", "old")]
            assert texts == ["", "", cookie, cookie]
        assert dict(keeps.cookies) == {"visit": "7"}
    server.stop()


def test_it_stops_when_it_is_told() -> None:
    """The quickest of twenty ends before one that looks ten times a second, and waits as long again, would have."""
    servers = [LoopbackServer(hello).start() for _ in range(20)]
    for server in servers:
        get(server.url)
    took = []
    for server in servers:
        began = time.perf_counter()
        server.stop()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_stops_although_a_request_is_not_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    """A demonstration of a hanging call must not keep the kernel from stopping; and that is no error of anybody's."""
    bundle, app = tmp_path / "server.pem", Endless()
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(bundle))
    server = LoopbackServer(app, certificate=str(bundle) if scheme == "https" else None).start()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(get, f"{server.url}/{path}", verify=False, timeout=PATIENCE) for path in ("", "begun")]
        app.busy.wait(PATIENCE)
        server.stop()
        assert not server.running
        assert all(isinstance(one.exception(PATIENCE), httpx.TransportError) for one in waiting)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_what_is_open_ends_with_it() -> None:
    """Also where a client does not read its answer: no file stays open until Python happens to look."""
    begun = threading.Event()

    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await started(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begun.set()
        await send({"type": "http.response.body", "body": bytes(10_000_000)})

    server = LoopbackServer(long).start()
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert begun.wait(PATIENCE)
        [connection] = server._server.server_state.connections
        server.stop()
        assert connection.transport.get_extra_info("socket").fileno() == -1


def test_what_arrives_as_it_ends_ends_with_it() -> None:
    """A browser connects in advance, and may do so in the same moment: pytest complains of what stays open."""
    for number in range(300):
        server = LoopbackServer(hello).start()
        socket.create_connection(("127.0.0.1", server.port), PATIENCE).close()
        clients = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(number % 4 + 1)]
        server.stop()
        for client in clients:
            client.close()
    gc.collect()


def test_an_application_that_cannot_start_refuses_connections() -> None:
    """A visitor learns it at once, instead of waiting for a time-out."""
    server = LoopbackServer(broken).start()
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url, timeout=PATIENCE, trust_env=False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    server.stop()


PROXIED = {"x-forwarded-prefix": "/user/ann/proxy/8001"}


@pytest.mark.parametrize(
    ("path", "headers", "address", "seen"),
    [
        ("/checkout/consent", PROXIED, "http://127.0.0.1:8002/result/x?a=b%20c", "../../8002/result/x?a=b%20c"),
        ("/order", PROXIED, "http://localhost:8002/", "../8002/"),
        ("/checkout/consent", PROXIED, "https://shop.example/result", "https://shop.example/result"),
        ("/checkout/consent", {}, "http://127.0.0.1:8002/result/x", "http://127.0.0.1:8002/result/x"),
        ("/checkout/consent", {"x-forwarded-prefix": "/shop"}, "http://127.0.0.1:8002/x", "http://127.0.0.1:8002/x"),
    ],
)
def test_behind_a_proxy_a_loopback_address_is_one_port_beside(
    path: str, headers: dict[str, str], address: str, seen: str
) -> None:
    """What the browser makes of it lies under the same proxy; everything else stays as it is."""
    assert relative_address(path, headers, address) == seen
    if seen != address:
        under = urljoin(f"https://hub.example/user/ann/proxy/8001{path}", seen)
        assert under.startswith("https://hub.example/user/ann/proxy/8002/")
