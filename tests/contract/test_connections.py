"""However a request travels, it is read and answered the same: closed connections, pipelining, chunks, odd paths."""

import json
import socket
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from amazonpay_nb import connection
from amazonpay_nb.connection import MAX_HEAD_BYTES
from amazonpay_nb.emulator import Emulator
from tests.emulated import Shop, usd
from tests.processes import PATIENCE, until


def raw(shop: Shop, text: bytes) -> bytes:
    """Send bytes over one connection and return all that comes back until it is closed."""
    address = urlsplit(shop.emulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(text)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def request(shop: Shop, path: str, *extra: str) -> bytes:
    """Return a signed GET as it travels."""
    headers = [f"{name}: {value}" for name, value in shop.signed("GET", path).items()]
    lines = [f"GET {path} HTTP/1.1", "host: 127.0.0.1", *headers, *extra]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_connection_that_closes_is_answered_the_same(na: Shop) -> None:
    """The answers differ in nothing but that."""
    path = f"/v2/chargePermissions/{na.wallet()}"
    kept_open = na.send("GET", path)
    head, _, body = raw(na, request(na, path, "connection: close")).partition(b"\r\n\r\n")
    assert json.loads(body) == kept_open.json()
    names = {line.partition(b":")[0].decode().lower() for line in head.split(b"\r\n")[1:]}
    assert names - {"connection"} == {name.lower() for name in kept_open.headers}


def test_two_calls_in_one_packet_are_answered_in_order(na: Shop) -> None:
    """Pipelining: also when the last one has no operation."""
    wallet, missing = f"/v2/chargePermissions/{na.wallet()}", "/v2/charges/S01-0-0-C0"
    text = raw(na, request(na, wallet) + request(na, missing) + request(na, "/v2/nowhere", "connection: close"))
    statuses = [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", b"404"]


def test_a_chunked_body_is_read_like_any_other(na: Shop) -> None:
    """What is signed is the body, however it travels."""
    body = json.dumps({"chargePermissionId": na.wallet(), "chargeAmount": usd("1.00")}).encode()
    headers = na.signed("POST", "/v2/charges", body, x_amz_pay_idempotency_key="chunked")
    answer = na.http.post("/v2/charges", content=iter([body[:20], body[20:]]), headers=headers)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("path", ["/v2/charges/%53", "/v2/charges/", "/sandbox/v2/charges/S", "/V2/charges"])
def test_unusual_paths_are_refused_not_broken(na: Shop, path: str) -> None:
    """None ends in a server error."""
    assert 400 <= na.send("GET", path).status_code < 500


OFFER = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA")


def converse(shop: Shop, *segments: bytes) -> bytes:
    """Send segments, each when the one before has certainly arrived by itself, and return what comes back."""
    address = urlsplit(shop.emulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        for segment in segments:
            connection.sendall(segment)
            shop.emulator.clock.now()  # a call on another connection: the loop has read this one before it answers
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_an_offer_of_another_protocol_is_ignored(na: Shop, together: bool, chunked: bool) -> None:
    """Java's HttpClient makes one with each request; the body is the request's, whenever it comes."""
    body = json.dumps({"chargePermissionId": na.wallet(), "chargeAmount": usd("1.00")}).encode()
    headers = na.signed("POST", "/v2/charges", body, x_amz_pay_idempotency_key=f"offer-{together}-{chunked}")
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    lines = ["POST /v2/charges HTTP/1.1", "host: 127.0.0.1", *OFFER, length, *map(": ".join, headers.items()), "", ""]
    head, sent = "\r\n".join(lines).encode(), b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    after = request(na, "/v2/charges/S01-0-0-C0", "connection: close")
    text = converse(na, head + sent + after) if together else converse(na, head, sent[:10], sent[10:], after)
    assert [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]] == [b"201", b"404"]


@pytest.mark.parametrize("offer", ["h2c", "websocket", "anything"])
def test_no_body_is_a_request(na: Shop, offer: str) -> None:
    """Neither after an offer, nor after a refusal."""
    inner = b"GET /checkout.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    head = f"POST /checkout/initiate HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: {offer}\r\n"
    filler = "".join(f"x-{number}: {'y' * 1000}\r\n" for number in range(50))
    text = converse(na, f"{head}{filler}content-length: {len(inner)}\r\n\r\n".encode(), inner)
    assert [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]] == [b"403"]


def test_a_tunnel_is_refused(na: Shop) -> None:
    """What would come through it would be another protocol."""
    text = converse(na, b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nGET /checkout.js HTTP/1.1\r\n\r\n")
    assert [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]] == [b"400"]


def test_a_trailer_is_no_header(na: Shop) -> None:
    """What a signature, a name or a token is made of comes before the body."""
    trailers = "\r\n".join(map(": ".join, na.signed("POST", "/v2/charges", b"{}").items()))
    head = "POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    text = raw(na, f"{head}2\r\n{{}}\r\n0\r\n{trailers}\r\n\r\n".encode())
    assert text.startswith(b"HTTP/1.1 400")
    assert b"MissingHeader" in text


def test_a_trailer_that_closes_the_connection_closes_it(na: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, before it would be closed for being idle: nothing that follows is read."""
    head = "POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 2 * PATIENCE)
    with connect(na.emulator) as client:
        client.sendall(f"{head}2\r\n{{}}\r\n0\r\nconnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode())
        text = b"".join(iter(lambda: client.recv(65536), b""))
    assert [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]] == [b"400"]


def test_a_target_has_no_fragment(na: Shop) -> None:
    """A part of a path for one reader is nothing for another one."""
    text = raw(na, request(na, f"/v2/chargePermissions/{na.wallet()}#x"))
    assert text.startswith(b"HTTP/1.1 400")
    assert b"%23" in text
    assert b"Transfer-Encoding" not in text


@pytest.mark.parametrize("path", ["/checkout.js", "/_control/clock"])
def test_two_names_are_no_name(na: Shop, path: str) -> None:
    """Whoever reads the other one sees another host."""
    token = f"authorization: Bearer {na.emulator.control.token}"
    for names, status in ((["host: 127.0.0.1"], b"200"), (["host: 127.0.0.1", "host: evil.test"], b"403")):
        lines = [f"GET {path} HTTP/1.1", *names, token, "connection: close", "", ""]
        assert raw(na, "\r\n".join(lines).encode())[9:12] == status


def test_a_refusal_waits_for_its_turn(na: Shop) -> None:
    """What was asked before what is no request is answered first."""
    text = raw(na, request(na, f"/v2/chargePermissions/{na.wallet()}") * 3 + b"nonsense\r\n\r\n")
    assert [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"200", b"400"]
    assert b"InvalidRequest" in text


@pytest.mark.parametrize("path", ["/checkout/initiate", "/_control/clock", "/v2/charges"])
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.test"])
def test_a_body_that_breaks_off_fills_no_log(host: str, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is refused once, also where the answer would not have needed it; a client that goes away does not matter."""
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        token = f"authorization: Bearer {emulator.control.token}"
        head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\n{token}\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n"
        text = raw(shop, f"{head}no number\r\n".encode())
        assert [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]] == [b"400"]
        with connect(emulator) as client:
            client.sendall(head.encode())
        assert shop.wallet()
    assert caplog.text == ""


def test_many_calls_in_one_packet_are_all_answered(na: Shop) -> None:
    """More than are read at a time."""
    wallet = f"/v2/chargePermissions/{na.wallet()}"
    text = raw(na, request(na, wallet) * 300 + request(na, wallet, "connection: close"))
    assert text.count(b"HTTP/1.1 200") == 301


# --- Bounds -----------------------------------------------------------------------------------------------------------

CHUNKED = b"POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"
ENDLESS = {
    "target": (b"GET /", b"x"), "name": (b"GET / HTTP/1.1\r\n", b"x"), "value": (b"GET / HTTP/1.1\r\nx: ", b"x"),
    "headers": (b"GET / HTTP/1.1\r\n", b"x: y\r\n"), "empty lines": (b"", b"\r\n"),
    "trailer": (CHUNKED + b"0\r\nx: ", b"x"), "trailers": (CHUNKED + b"0\r\n", b"x: y\r\n"),
    "chunk extension": (CHUNKED + b"1;x=", b"x"),
}  # fmt: skip


@pytest.mark.parametrize(("begin", "go_on"), ENDLESS.values(), ids=ENDLESS)
def test_what_is_no_body_has_an_end(na: Shop, begin: bytes, go_on: bytes) -> None:
    """It is refused while it arrives, in the form of the API, and the connection is closed."""
    text = converse(na, begin + go_on * (2 * MAX_HEAD_BYTES // len(go_on)))
    assert text.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert json.loads(text.partition(b"\r\n\r\n")[2]).keys() == {"reasonCode", "message"}


def test_a_long_head_is_read_up_to_the_bound(na: Shop) -> None:
    """Whatever it consists of."""
    head = b"GET /v2/charges/x HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nx: "
    assert b"MissingHeader" in raw(na, head + b"y" * (MAX_HEAD_BYTES - len(head) - 4) + b"\r\n\r\n")
    assert b"431" in raw(na, head + b"y" * (MAX_HEAD_BYTES - len(head) - 3) + b"\r\n\r\n")[:20]


def test_a_head_has_a_hundred_headers_at_most(na: Shop) -> None:
    """However short: each of them takes more memory than its bytes."""
    head = b"GET /v2/charges/x HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
    assert b"MissingHeader" in raw(na, head + b"x: y\r\n" * 98 + b"\r\n")
    text = raw(na, head + b"x: y\r\n" * 99 + b"\r\n")
    assert text.startswith(b"HTTP/1.1 431")
    assert b"There are more than 100 headers; send fewer." in text


def connect(emulator: Emulator) -> socket.socket:
    address = urlsplit(emulator.url)
    return socket.create_connection((address.hostname, address.port), timeout=PATIENCE)


def test_a_request_arrives_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one is refused, an unused connection closed, and a client that does not read its answers dropped."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 1.0)
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        emulator.faults("getCharge", "delay", seconds=1.5, times=100)  # whoever waits for an answer may wait
        call = b"POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\n"
        whole = request(shop, "/v2/charges/x", "connection: close")

        def answer(begun: bytes) -> bytes:
            """On a busy machine, the connection may have been closed before this has begun."""
            with suppress(ConnectionError):
                return raw(shop, begun)[:12]
            return b""

        assert answer(b"") == b""
        for begun, status in ((call[:20], b"408"), (call, b"408"), (whole, b"404")):
            assert until(lambda begun=begun, status=status: answer(begun) == b"HTTP/1.1 " + status)  # type: ignore[misc]
        with connect(emulator) as client, suppress(ConnectionError):
            while True:
                client.sendall(b"GET /checkout.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 1000)


def test_connections_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are open go on, and when one is closed there is room."""
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 3)
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        wallet = shop.wallet()
        clients = [connect(emulator) for _ in range(2)]
        with connect(emulator) as refused:
            assert b"".join(iter(lambda: refused.recv(65536), b"")).startswith(b"HTTP/1.1 503")
        assert shop.done("getChargePermission", wallet)
        for client in clients:
            client.close()
        with connect(emulator) as client:
            client.sendall(request(shop, f"/v2/chargePermissions/{wallet}", "connection: close"))
            assert b"".join(iter(lambda: client.recv(65536), b"")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("patience", [60.0, 2.0])
def test_a_handshake_counts_and_ends_in_time(monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
    """Whoever opens a connection and never begins, or stops in the middle, holds a place, and not for long."""
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", patience)
    with Emulator("na", seed=7, https=True) as emulator, ExitStack() as strangers:
        silent = [strangers.enter_context(connect(emulator)) for _ in range(4)]
        silent[0].sendall(bytes.fromhex("160301"))  # how a handshake begins
        for stranger in silent if patience < 60 else [strangers.enter_context(connect(emulator))]:
            with suppress(ConnectionError):
                assert stranger.recv(1) == b""  # within the half minute that `connect` allows
        if patience < 60:  # they still hold their ends

            def answers() -> bool:
                with suppress(httpx.TransportError), Shop(emulator) as shop:
                    return bool(shop.wallet())
                return False

            assert until(answers)
