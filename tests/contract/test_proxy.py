"""The emulator as a proxy: Amazon Pay's hosts of its region and addresses of this machine, and nothing else."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from urllib.parse import urlsplit

import httpx
import pytest

from amazonpay_nb import connection
from amazonpay_nb.client.notifications import NotificationReader
from amazonpay_nb.connection import MAX_HEAD_BYTES
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.loopback import LoopbackServer
from tests.emulated import SET_UP, Shop
from tests.processes import PATIENCE, until

# Typed from Amazon's pages: API, script and pages of each region.
HOSTS = {
    "na": ("pay-api.amazon.com", "static-na.payments-amazon.com", "apay-us.amazon.com"),
    "eu": ("pay-api.amazon.eu", "static-eu.payments-amazon.com", "payments.amazon.de"),
    "jp": ("pay-api.amazon.jp", "static-fe.payments-amazon.com", "payments.amazon.co.jp"),
}
SNS = {"na": "sns.us-east-1.amazonaws.com", "eu": "sns.eu-west-1.amazonaws.com", "jp": "sns.us-west-2.amazonaws.com"}
API, SCRIPT, PAGES = HOSTS["na"]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Emulator("na", seed=7, proxy=True) as emulator, Shop(emulator) as shop:
        yield shop


def context(emulator: Emulator) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=emulator.proxy_ca_file)


@contextmanager
def behind(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client that sends everything to the proxy."""
    with httpx.Client(proxy=emulator.proxy_url, verify=context(emulator), trust_env=False) as http:
        yield http


def connect(emulator: Emulator) -> socket.socket:
    address = urlsplit(emulator.proxy_url)
    return socket.create_connection((str(address.hostname), address.port), timeout=PATIENCE)


def read(client: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    with suppress(ConnectionError):
        return b"".join(iter(lambda: client.recv(65536), b""))
    return b""


def raw(emulator: Emulator, text: str) -> tuple[int, str]:
    """Send a text to the proxy, and return status and message of its refusal."""
    with connect(emulator) as client:
        client.sendall(text.encode("latin-1"))
        head, _, body = read(client).partition(b"\r\n\r\n")
        return int(head[9:12]), json.loads(body)["message"]


def tunnel(emulator: Emulator, host: str, port: int = 443) -> socket.socket:
    """Ask for a tunnel that is granted."""
    with ExitStack() as unless_granted:
        client = unless_granted.enter_context(connect(emulator))
        client.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
        assert client.recv(100) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        unless_granted.pop_all()
        return client


@contextmanager
def inside(emulator: Emulator, host: str) -> Iterator[ssl.SSLSocket]:
    with tunnel(emulator, host) as client, context(emulator).wrap_socket(client, server_hostname=host) as secure:
        yield secure


def refusal(secure: socket.socket, text: str) -> tuple[int, str]:
    secure.sendall(text.encode())
    reply = HTTPResponse(secure)
    reply.begin()
    return reply.status, json.loads(reply.read())["message"]


# --- What goes through ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", HOSTS)
def test_each_host_of_a_region_answers_under_its_own_name(region: str) -> None:
    """The API at one host, script and pages at the others, the certificate of notifications where SNS keeps it."""
    with Emulator(region, seed=7, proxy=True) as emulator, behind(emulator) as http:
        api, script, pages = HOSTS[region]
        assert http.get(f"https://{api}/v2/charges/x").json()["reasonCode"] == "MissingHeader"
        assert http.get(f"https://{script}/checkout.js").headers["content-type"].startswith("text/javascript")
        assert "Checkout Session" in http.get(f"https://{pages}/checkout").text
        for other in {*HOSTS} - {region}:
            for host in (*HOSTS[other], SNS[other]):
                status, message = raw(emulator, f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n")
                assert (status, f"{host} is of region {other}" in message) == (403, True)
                assert f"--region {other}" in message


def test_a_host_has_nothing_of_another(shop: Shop) -> None:
    """What works here must work at Amazon."""
    with behind(shop.emulator) as http:
        for url in (f"https://{API}/checkout.js", f"https://{SCRIPT}/v2/charges/x", f"https://{PAGES}/v2/charges/x"):
            assert http.get(url).json()["reasonCode"] == "ResourceNotFound"


@pytest.mark.parametrize("form", ["CONNECT", "whole address"])
def test_a_signed_call_arrives(shop: Shop, form: str) -> None:
    """In a tunnel, or with its whole address as a proxy without one gets it; the connection serves the next one."""
    path = f"/v2/chargePermissions/{shop.wallet()}"
    headers = shop.signed("GET", path, x_amz_pay_host=API)
    if form == "CONNECT":
        with behind(shop.emulator) as http:
            assert [http.get(f"https://{API}{path}", headers=headers).status_code for _ in range(3)] == [200] * 3
        return
    lines = [f"GET https://{API}{path} HTTP/1.1", f"host: {API}", *(f"{n}: {v}" for n, v in headers.items())]
    text = "\r\n".join([*lines, "", ""]) + "\r\n".join([*lines, "connection: close", "", ""])
    with connect(shop.emulator) as client:
        client.sendall(text.encode())
        assert read(client).count(b"HTTP/1.1 200 OK") == 2


def test_a_fault_drops_a_call_of_the_proxy(shop: Shop) -> None:
    """As it drops any other; the work is done or not, as asked for."""
    path = f"/v2/chargePermissions/{shop.wallet()}"
    for fault in ("reset", "drop-after-commit"):
        shop.emulator.faults("getChargePermission", fault)
        with behind(shop.emulator) as http, pytest.raises(httpx.RemoteProtocolError):
            http.get(f"https://{API}{path}", headers=shop.signed("GET", path, x_amz_pay_host=API))


def test_the_pages_lead_through_a_set_up(shop: Shop) -> None:
    """From the form of the script to the merchant's address; each page posts to the host that shows it."""
    with behind(shop.emulator) as http, Shop(shop.emulator) as buyer:
        assert f'"https://{PAGES}/"' in http.get(f"https://{SCRIPT}/checkout.js").text
        buyer.http.close()
        buyer.http = http
        http.base_url = httpx.URL(f"https://{PAGES}")
        http.headers["origin"] = f"https://{PAGES}"
        assert buyer.buyer().walk(shop.clicked(SET_UP))[-1].startswith("https://shop.example/result?")


class Echo:
    """A server of this machine that says what it got."""

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        names = {name.decode(): value.decode() for name, value in scope["headers"]}
        answer = {"path": scope["raw_path"].decode(), "query": scope["query_string"].decode(), "body": body.decode()}
        cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        content = json.dumps(answer | {"headers": names}).encode()
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": 418, "headers": [*cookies, length]})
        await send({"type": "http.response.body", "body": content})


@pytest.mark.parametrize("way", ["tunnel", "address"])
def test_a_server_of_this_machine_is_reached_as_it_is(shop: Shop, way: str) -> None:
    """The merchant's own, for example: every header and byte that is not the proxy's."""
    server = LoopbackServer(Echo()).start()
    port = server.port
    try:
        with ExitStack() as stack:
            client = stack.enter_context(
                tunnel(shop.emulator, "127.0.0.1", port) if way == "tunnel" else connect(shop.emulator)
            )
            target = f"http://127.0.0.1:{port}" if way == "address" else ""
            head = f"POST {target}/a%20b?c=d HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\nx-a: b\r\n"
            client.sendall(f"{head}proxy-authorization: secret\r\ncontent-length: 2\r\n\r\nhi".encode())
            head, _, body = read(client).decode().partition("\r\n\r\n")
    finally:
        server.stop()
    assert head.startswith("HTTP/1.1 418")
    assert head.count("set-cookie: ") == 2
    seen = json.loads(body)
    assert (seen["path"], seen["query"], seen["body"], seen["headers"]["x-a"]) == ("/a%20b", "c=d", "hi", "b")
    assert seen["headers"]["host"] == f"127.0.0.1:{port}"
    assert ("proxy-authorization" in seen["headers"]) == (way == "tunnel")


@pytest.mark.parametrize(
    ("address", "path"),
    [("//evil.test/x", "//evil.test/x"), ("", "/"), ("?a=/b", "/?a=/b"), ("/a;b=c?d#e", "/a;b=c?d#e"), ("/a\tb", "")],
)
def test_no_path_is_written_anew_on_the_way(shop: Shop, address: str, path: str) -> None:
    """It arrives as it was sent, or not at all where its address has a second reading."""
    with saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") as (port, requests), connect(shop.emulator) as client:
        client.sendall(f"GET http://127.0.0.1:{port}{address} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        assert read(client)[9:12] == (b"200" if path else b"400")
    assert [request.split()[1].decode() for request in requests] == [path] * bool(path)


def test_nobody_may_be_there(shop: Shop) -> None:
    """The answer says so."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        status, message = raw(shop.emulator, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (status, str(port) in message) == (502, True)
        with behind(shop.emulator) as http:
            answer = http.get(f"http://127.0.0.1:{port}/")
            assert (answer.status_code, str(port) in answer.text) == (502, True)


@contextmanager
def saying(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives one answer, as it is; its port and the requests."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def say() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        requests.append(client.recv(65536))
                        client.sendall(answer)

        threading.Thread(target=say, daemon=True).start()
        yield int(listener.getsockname()[1]), requests


@pytest.mark.parametrize("pieces", [1, 2])
def test_what_passes_is_handed_on_as_it_is(shop: Shop, pieces: int) -> None:
    """Also what is no ASCII, and however it arrives; the way to the proxy alone is the proxy's."""
    answer = b"HTTP/1.1 200 OK\r\nX-Name: \xc3\xa9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    with saying(answer) as (port, requests), connect(shop.emulator) as client:
        request = f"GET http://127.0.0.1:{port}?a=b HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n".encode()
        request += b"Cookie: a=\xc3\xa9\r\n\r\n"
        for begin in range(0, len(request), -(-len(request) // pieces)):
            client.sendall(request[begin:][: -(-len(request) // pieces)])
        assert read(client) == answer
    assert requests == [b"GET /?a=b HTTP/1.1\r\nHost: x\r\nCookie: a=\xc3\xa9\r\nconnection: close\r\n\r\n"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\ncontent-length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: http://xn--/\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_what_a_server_gets_wrong_is_no_error_of_the_proxy(
    shop: Shop, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets it as it is; nobody fills the log with tracebacks."""
    with saying(answer) as (port, _), connect(shop.emulator) as client:
        client.sendall(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert read(client) == answer
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_query_may_hold_an_address(shop: Shop) -> None:
    """In a tunnel, only what does not begin with a slash is a whole address."""
    with behind(shop.emulator) as http:
        for path in ("/checkout.js?back=https://shop.example/", "/checkout.js?back=http://127.0.0.1:1/"):
            assert http.get(f"https://{SCRIPT}{path}").status_code == 200


@pytest.mark.parametrize("region", HOSTS)
def test_a_notification_passes_the_ordinary_check(region: str) -> None:
    """The certificate's address is SNS's own, so a reader that knows nothing of the emulator takes it."""
    inbox: list[bytes] = []

    async def endpoint(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "lifespan":
            return await Echo()(scope, receive, send)
        inbox.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        return await send({"type": "http.response.body"})

    server = LoopbackServer(endpoint).start()
    try:
        with Emulator(region, seed=7, proxy=True, notify=f"{server.url}/news") as emulator, behind(emulator) as http:
            with Shop(emulator) as shop:
                shop.wallet()
            assert emulator.control.get("notifications")["notifications"]
            assert json.loads(inbox[0])["SigningCertURL"].startswith(
                f"https://{SNS[region]}/SimpleNotificationService-"
            )
            reader = NotificationReader(emulator.topic_arn, clock=emulator.clock.now, http=http)
            assert reader.read(inbox[0]).object_type == "CHARGE_PERMISSION"
    finally:
        server.stop()


# --- What does not ----------------------------------------------------------------------------------------------------

ELSEWHERE = [
    "example.com", "pay-api.amazon.com.evil.test", "evil.test", "amazon.com", "pay-api.amazon.com.",
    "127.0.0.1.evil.test", "192.168.1.1", "0.0.0.0", "127.1", "x" * 300, "sns.us-east-1.amazonaws.com.evil.test",  # noqa: S104 (to be refused)
]  # fmt: skip


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("form", ["CONNECT {}:443", "GET https://{}/", "GET http://{}/"])
def test_no_other_host_is_reached(shop: Shop, host: str, form: str) -> None:
    """The refusal names the host, and what is possible."""
    status, message = raw(shop.emulator, f"{form.format(host)} HTTP/1.1\r\nhost: {host}\r\n\r\n")
    assert status == 403
    assert host[:100] in message
    assert all(name in message for name in (*HOSTS["na"], SNS["na"], "127.0.0.1"))


@pytest.mark.parametrize("host", [*HOSTS["na"], SNS["na"]])
def test_nothing_goes_to_amazon_in_plain_text(shop: Shop, host: str) -> None:
    """Neither by http, nor by another port."""
    for target in (f"GET http://{host}/v2/charges/x", f"CONNECT {host}:80", f"GET https://{host}:8443/v2/charges/x"):
        status, message = raw(shop.emulator, f"{target} HTTP/1.1\r\nhost: {host}\r\n\r\n")
        assert (status, "plain text" in message, host in message) == (403, True, True)


def test_the_host_of_a_request_is_that_of_its_tunnel(shop: Shop) -> None:
    """Neither another host of Amazon's, nor none, nor two, nor a whole address elsewhere."""
    for host in (PAGES, "evil.test", "127.0.0.1", f"{API}\r\nhost: {API}", f"{API}@evil.test", ""):
        with inside(shop.emulator, API) as secure:
            status, message = refusal(secure, f"GET /v2/charges/x HTTP/1.1\r\nhost: {host}\r\n\r\n")
            assert (status, API in message) == (421, True), host
    with inside(shop.emulator, API) as secure:
        status, message = refusal(secure, f"GET https://{PAGES}/checkout HTTP/1.1\r\nhost: {PAGES}\r\n\r\n")
        assert (status, API in message, PAGES in message) == (421, True, True)
    status, message = raw(shop.emulator, f"GET https://{API}/v2/charges/x HTTP/1.1\r\nhost: evil.test\r\n\r\n")
    assert (status, API in message) == (421, True)


@pytest.mark.parametrize("place", ["{}:443/x", "{}:443?x", "{}#:443", "a@{}:443", "{}:", "https://{}:443"])
def test_a_tunnel_leads_to_a_host_and_a_port(shop: Shop, place: str) -> None:
    """And to nothing in it."""
    assert raw(shop.emulator, f"CONNECT {place.format(API)} HTTP/1.1\r\nhost: {API}\r\n\r\n")[0] == 403


@pytest.mark.parametrize(
    "target", ["https://a@{0}/", "https://{0}@evil.test/", "https://evil.test\\@{0}/", "https://[{0}]/", "ftp://{0}/",
               "https://{0}:x/", "https:///"],
)  # fmt: skip
def test_an_address_with_two_readings_is_not_read(shop: Shop, target: str) -> None:
    """A host is what every reader takes for one."""
    status, message = raw(shop.emulator, f"GET {target.format(API)} HTTP/1.1\r\nhost: {API}\r\n\r\n")
    assert status in (400, 403)
    assert message


def test_the_proxy_is_no_server(shop: Shop) -> None:
    """A page that gives its own name this address can send nothing that the proxy takes."""
    for host in ("127.0.0.1", API, "evil.test"):
        status, message = raw(shop.emulator, f"GET /checkout.js HTTP/1.1\r\nhost: {host}\r\n\r\n")
        assert (status, "proxy" in message) == (400, True)
    status, message = raw(shop.emulator, "GET https://127.0.0.1:1/ HTTP/1.1\r\nhost: 127.0.0.1:1\r\n\r\n")
    assert (status, "CONNECT" in message) == (400, True)


def test_the_main_port_is_no_proxy(shop: Shop) -> None:
    """It tunnels nothing, and shows its pages to names of this machine only."""
    address = urlsplit(shop.emulator.url)
    for text in (
        f"CONNECT {API}:443 HTTP/1.1\r\nhost: {API}:443\r\n\r\n",
        f"GET https://{PAGES}/checkout.js HTTP/1.1\r\nhost: {PAGES}\r\nconnection: close\r\n\r\n",
    ):
        with socket.create_connection((str(address.hostname), address.port), timeout=PATIENCE) as client:
            client.sendall(text.encode())
            assert read(client)[9:12] in (b"400", b"403")


def test_a_page_elsewhere_posts_nothing_to_amazons_names(shop: Shop) -> None:
    """What a browser behind the proxy would send for it; a page of the shop posts a signed button and nothing else."""
    with behind(shop.emulator) as http:
        for origin in ("https://evil.test", "http://127.0.0.1:8801", f"https://{SCRIPT}"):
            answer = http.post(f"https://{PAGES}/checkout/consent", headers={"origin": origin})
            assert answer.status_code == 403
        hidden = {"origin": "null", "sec-fetch-site": "cross-site"}
        assert http.post(f"https://{PAGES}/checkout/consent", headers=hidden).status_code == 403


@pytest.mark.parametrize("host", [*HOSTS["na"], SNS["na"]])
def test_no_name_of_amazons_reaches_the_control_interface(shop: Shop, host: str) -> None:
    """Not even with the token."""
    control = shop.emulator.control
    headers = {"authorization": f"Bearer {control.token}"}
    with behind(shop.emulator) as http:
        assert http.get(f"https://{host}/_control/clock", headers=headers).status_code in (403, 404)


def test_no_authority_but_the_emulators_vouches_for_it(shop: Shop) -> None:
    """A program that was not told of it sees a stranger."""
    with (
        httpx.Client(proxy=shop.emulator.proxy_url, trust_env=False) as http,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        http.get(f"https://{API}/v2/charges/x")


# --- Bounds -----------------------------------------------------------------------------------------------------------


def test_what_comes_too_early_is_refused(shop: Shop) -> None:
    """A tunnel begins with its answer."""
    head = f"CONNECT {API}:443 HTTP/1.1\r\nhost: {API}:443\r\n\r\n"
    assert raw(shop.emulator, f"{head}\x16\x03\x01")[0] == 400
    path = f"/v2/chargePermissions/{shop.wallet()}"
    lines = [f"{n}: {v}" for n, v in shop.signed("GET", path, x_amz_pay_host=API).items()]
    call = "\r\n".join([f"GET https://{API}{path} HTTP/1.1", f"host: {API}", *lines, "", ""])
    with connect(shop.emulator) as client:
        client.sendall((call + head).encode())
        text = read(client)
    assert text.startswith(b"HTTP/1.1 200")
    with inside(shop.emulator, API) as secure:
        assert refusal(secure, head)[0] == 400


def test_a_head_has_an_end_in_a_tunnel_and_before(shop: Shop) -> None:
    """As on the main port."""
    flood = f"x: {'y' * 1000}\r\n" * (MAX_HEAD_BYTES // 1000 + 1)
    assert raw(shop.emulator, f"CONNECT {API}:443 HTTP/1.1\r\n{flood}\r\n")[0] == 431
    with inside(shop.emulator, API) as secure:
        assert refusal(secure, f"GET /v2/charges/x HTTP/1.1\r\nhost: {API}\r\n{flood}\r\n")[0] == 431


def test_a_body_has_an_end(shop: Shop) -> None:
    """Wherever it goes."""
    with behind(shop.emulator) as http:
        for url in (
            f"https://{API}/v2/charges",
            f"https://{PAGES}/checkout/initiate",
            f"{shop.emulator.url}/v2/charges",
        ):
            assert http.post(url, content=b"x" * 300_000).status_code in (400, 413)


def test_connections_are_counted_with_those_of_the_main_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tunnels, too, whether they end here or pass through; when one is closed there is room."""
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 4)
    with Emulator("na", seed=7, proxy=True) as emulator, ExitStack() as strangers:
        emulator.clock.now()
        port = urlsplit(emulator.url).port
        assert port
        ours = [
            strangers.enter_context(tunnel(emulator, API)),
            strangers.enter_context(tunnel(emulator, "127.0.0.1", port)),
        ]
        with connect(emulator) as refused:
            assert read(refused).startswith(b"HTTP/1.1 503")
        for one in ours:
            one.close()
        with Shop(emulator) as shop:
            assert shop.wallet()


def test_a_tunnel_is_used_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither half a CONNECT, nor a handshake that does not begin, nor half a request in it holds a place for long."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 1.0)

    def ends(way: Callable[[], AbstractContextManager[socket.socket]], begun: bytes, end: bytes) -> bool:
        """Whether it does so; on a busy machine, it may have ended before it has come that far."""
        with suppress(OSError, AssertionError), way() as client:
            client.sendall(begun)
            return read(client)[:12] == end
        return False

    with Emulator("na", seed=7, proxy=True) as emulator:
        assert until(lambda: ends(lambda: connect(emulator), b"CONNECT pay", b"HTTP/1.1 408"))
        assert until(lambda: ends(lambda: tunnel(emulator, API), b"", b""))
        assert until(lambda: ends(lambda: inside(emulator, API), b"GET /v2/ch", b"HTTP/1.1 408"))


def test_a_tunnel_that_one_end_has_left_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never closes would keep its place for good."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 1.0)
    said = b"so much is said yet"

    def ends(emulator: Emulator) -> bool:
        """Whether it does so; on a busy machine, it may have been closed before the other end has said anything."""
        with suppress(OSError), ExitStack() as open_ends:
            far = open_ends.enter_context(socket.create_server(("127.0.0.1", 0)))
            client = open_ends.enter_context(tunnel(emulator, "127.0.0.1", far.getsockname()[1]))
            server = open_ends.enter_context(far.accept()[0])
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
            server.sendall(said)
            return read(client) == said
        return False

    with Emulator("na", seed=7, proxy=True) as emulator:
        assert until(lambda: ends(emulator))


def test_a_stop_ends_what_is_open() -> None:
    """Whoever is in the middle of something."""
    with ExitStack() as strangers:
        with Emulator("na", seed=7, proxy=True) as emulator:
            port = urlsplit(emulator.url).port
            assert port
            clients = [connect(emulator), tunnel(emulator, API), tunnel(emulator, "127.0.0.1", port)]
            for client in clients:
                strangers.enter_context(client)
            emulator.clock.now()
        for client in clients:
            assert read(client) == b""


def test_it_opens_on_a_running_emulator() -> None:
    """Once, whoever asks at the same time; notifications keep their certificate, and an emulator inside has none."""
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        with ThreadPoolExecutor() as threads:
            doors = {*threads.map(lambda _: (emulator.open_proxy(), emulator.proxy_url)[1], range(8))}
        wallet = shop.wallet()
        with behind(emulator) as http:
            path = f"/v2/chargePermissions/{wallet}"
            headers = shop.signed("GET", path, x_amz_pay_host=API)
            assert http.get(f"https://{API}{path}", headers=headers).json()["chargePermissionId"] == wallet
        assert doors == {emulator.proxy_url}
        assert emulator.certificate_url.startswith(f"{emulator.url}/")
    with Emulator("na", in_process=True) as inside:
        for door in (inside.open_proxy, inside.open_hosts):
            with pytest.raises(ValueError, match="a proxy needs a socket"):
                door()


def test_who_finds_amazons_hosts_here_asks_no_proxy(shop: Shop) -> None:
    """Each answers under its own name and no other one does; that is nothing that the proxy has refused."""
    refused, door = set(shop.emulator.refused_hosts), shop.emulator.open_hosts()
    with httpx.Client(base_url=door, verify=context(shop.emulator), trust_env=False) as http:

        def ask(path: str, host: str) -> httpx.Response:
            sni = API if host == "a.example" else host
            return http.get(path, headers={"host": host}, extensions={"sni_hostname": sni})

        assert ask("/v2/charges/x", API).json()["reasonCode"] == "MissingHeader"
        assert ask("/checkout.js", SCRIPT).headers["content-type"].startswith("text/javascript")
        assert "Checkout Session" in ask("/checkout", PAGES).text
        assert ask("/checkout.js", API).status_code == 404
        stranger = ask("/checkout.js", "a.example")
        assert (stranger.status_code, "'a.example' is no host of Amazon Pay" in stranger.text) == (403, True)
    place = urlsplit(door)
    with socket.create_connection((str(place.hostname), place.port), timeout=PATIENCE) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nhost: pay-api.amazon.com\r\n\r\n")
        assert b"HTTP" not in read(plain)
    assert shop.emulator.refused_hosts == refused


def test_without_it_there_is_no_second_port() -> None:
    """And a ready file does not name one."""
    with Emulator("na", seed=7) as emulator:
        ready = emulator.ready()
        assert ("proxyUrl" in ready, "proxyCaFile" in ready, emulator.proxy_url) == (False, False, None)
