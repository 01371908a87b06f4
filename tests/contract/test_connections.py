"""However a request travels, it is read and answered the same: closed connections, pipelining, chunks, odd paths."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.emulated import Shop, usd


def raw(shop: Shop, text: bytes) -> bytes:
    """Send bytes over one connection and return all that comes back until it is closed."""
    address = urlsplit(shop.emulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
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
