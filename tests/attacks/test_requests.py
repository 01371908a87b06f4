"""What a signature covers, seen from outside: nothing of a request can be replaced, and nothing is done twice."""

import base64
import json
import socket
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from amazonpay_nb.signing import format_date
from amazonpay_nb.signing.steps import canonical_request, string_to_sign
from tests.emulated import SET_UP, Json, Shop, refusal, usd
from tests.processes import PATIENCE

REFUSED = (403, "InvalidRequestSignature")
V2, OLD = "AMZN-PAY-RSASSA-PSS-V2", "AMZN-PAY-RSASSA-PSS"
AS_DOCUMENTED = (V2, PSS(MGF1(SHA256()), 32), SHA256())
SCHEMES: dict[str, tuple[str, AsymmetricPadding, HashAlgorithm]] = {
    "short salt under the new name": (V2, PSS(MGF1(SHA256()), 20), SHA256()),
    "long salt under the old name": (OLD, PSS(MGF1(SHA256()), 32), SHA256()),
    "no salt": (V2, PSS(MGF1(SHA256()), 0), SHA256()),
    "PKCS 1": (V2, PKCS1v15(), SHA256()),
    "SHA-1": (V2, PSS(MGF1(SHA1()), 20), SHA1()),  # noqa: S303 (to be refused)
    "SHA-1 in the mask": (V2, PSS(MGF1(SHA1()), 32), SHA256()),  # noqa: S303 (to be refused)
}


def charge_body(wallet: str, amount: str = "1.00") -> bytes:
    return json.dumps({"chargePermissionId": wallet, "chargeAmount": usd(amount)}).encode()


def charges(shop: Shop, wallet: str) -> int:
    stored = shop.emulator.control.get("objects/charges")["objects"]
    return sum(charge["chargePermissionId"] == wallet for charge in stored)


def own_signature(shop: Shop, text: str, algorithm: str, padding: AsymmetricPadding, digest: HashAlgorithm) -> str:
    signed = string_to_sign(text, algorithm=algorithm).encode()
    return base64.b64encode(shop.keys.private_key.sign(signed, padding, digest)).decode()


@pytest.mark.parametrize(("algorithm", "padding", "digest"), SCHEMES.values(), ids=SCHEMES)
def test_a_request_signed_in_another_way_is_refused(
    na: Shop, algorithm: str, padding: AsymmetricPadding, digest: HashAlgorithm
) -> None:
    """By the right key, over the right text."""
    path, headers = "/v2/charges/S01-0000000-0000000-C000000", na.headers()
    names = ";".join(sorted(headers))
    canonical = canonical_request("GET", path, "", list(headers.items()), names, b"")
    answers = []
    for scheme in (AS_DOCUMENTED, (algorithm, padding, digest)):
        signature = own_signature(na, canonical, *scheme)
        key = f"PublicKeyId={na.keys.public_key_id}, SignedHeaders={names}, Signature={signature}"
        answers.append(refusal(na.send("GET", path, **headers, authorization=f"{scheme[0]} {key}")))
    assert answers == [(404, "ResourceNotFound"), REFUSED]


@pytest.mark.parametrize(("algorithm", "padding", "digest"), SCHEMES.values(), ids=SCHEMES)
def test_a_button_signed_in_another_way_is_refused(
    na: Shop, algorithm: str, padding: AsymmetricPadding, digest: HashAlgorithm
) -> None:
    """The buyer sees a page of Amazon's, and no session is opened."""
    payload = json.dumps({"storeId": na.account.store_id} | SET_UP)
    for scheme, status in ((AS_DOCUMENTED, 303), ((algorithm, padding, digest), 403)):
        answer = na.click(payload, algorithm=scheme[0], signature=own_signature(na, payload, *scheme))
        assert (answer.status_code, "InvalidSignatureError" in answer.text) == (status, status == 403)


Change = Callable[[str, bytes, dict[str, str]], tuple[str, bytes, dict[str, str]]]
ALTERED: dict[str, Change] = {
    "another amount": lambda path, body, headers: (path, body.replace(b'"1.00"', b'"9.00"'), headers),
    "another spelling": lambda path, body, headers: (path, body + b" ", headers),
    "another path": lambda path, body, headers: (path + "/", body, headers),
    "another query": lambda path, body, headers: (path + "?a=1", body, headers),
    "another key of idempotency": lambda path, body, headers: (
        path, body, headers | {"x-amz-pay-idempotency-key": "another"},
    ),
    "another region's name": lambda path, body, headers: (path, body, headers | {"x-amz-pay-region": "us"}),
    "a later date": lambda path, body, headers: (
        path, body, headers | {"x-amz-pay-date": format_date(datetime.now(UTC) - timedelta(minutes=5))},
    ),
    "the header list without the key": lambda path, body, headers: (
        path, body, headers | {"authorization": headers["authorization"].replace(";x-amz-pay-idempotency-key", "")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED)
def test_an_altered_request_charges_nothing(na: Shop, change: Change) -> None:
    """Whatever part of it was replaced on its way."""
    wallet = na.wallet()
    body = charge_body(wallet)
    headers = na.signed("POST", "/v2/charges", body, x_amz_pay_idempotency_key=uuid.uuid4().hex)
    path, content, sent = change("/v2/charges", body, headers)
    assert na.http.post(path, content=content, headers=sent).status_code == 403
    assert charges(na, wallet) == 0
    assert na.http.post("/v2/charges", content=body, headers=headers).status_code == 201


def test_a_request_that_is_sent_again_charges_once(na: Shop) -> None:
    """The same bytes, signature included, get the same answer and move nothing."""
    wallet = na.wallet()
    body = charge_body(wallet)
    headers = na.signed("POST", "/v2/charges", body, x_amz_pay_idempotency_key="once")
    first, *others = [na.http.post("/v2/charges", content=body, headers=headers) for _ in range(3)]
    assert [answer.json() for answer in others] == [first.json()] * 2
    assert charges(na, wallet) == 1


def test_a_recorded_request_is_too_old_a_quarter_of_an_hour_later(na: Shop) -> None:
    """Its signature is good forever; its date is not."""
    wallet = na.wallet()
    recorded = format_date(datetime.now(UTC) - timedelta(minutes=15, seconds=1))
    answer = na.send("POST", "/v2/charges", charge_body(wallet), key="recorded", x_amz_pay_date=recorded)
    assert refusal(answer) == (400, "InvalidHeaderValue")


def test_the_key_of_another_merchant_opens_nothing(na: Shop) -> None:
    """Neither under its own id, nor under the id of the key that is attacked."""
    wallet = na.wallet()
    with Shop(na.emulator, na.emulator.other_merchant) as other, Shop(na.emulator, na.emulator.other_merchant) as liar:
        liar.keys = type(liar.keys)(na.keys.public_key_id, liar.keys.private_key)
        assert refusal(liar.send("GET", f"/v2/chargePermissions/{wallet}")) == REFUSED
        assert refusal(other.send("GET", f"/v2/chargePermissions/{wallet}")) == (404, "ResourceNotFound")
        update: Json = SET_UP | {"chargePermissionId": wallet}
        assert other.click(update).status_code == 404
        assert liar.click(SET_UP, merchantId=na.account.merchant_id).status_code == 403


RAW = {
    "two lengths": b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
    "a length and chunks": b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks twice over": b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks of something else": b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two ways of sending": b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and nothing": b"transfer-encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"content-length: -1\r\n\r\n",
    "no number": b"content-length: 0x2\r\n\r\n{}",
    "a header without its end": b"x: \x00\r\n\r\n",
    "a line break of its own": b"x: a\rb: c\r\n\r\n",
    "a header that is folded": b"x: a\r\n content-length: 3\r\n\r\n",
}


@pytest.mark.parametrize("rest", RAW.values(), ids=RAW)
def test_a_request_with_two_readings_is_not_read(na: Shop, rest: bytes) -> None:
    """Whoever reads its end elsewhere would take what follows for a request of its own; the connection is closed."""
    smuggled = b"POST /_control/reset HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    port = urlsplit(na.emulator.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(b"POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\n" + rest + smuggled)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "path", [b"/v2/charges/\xff", b"/v2/\x00", b"/v2/charges/%00%0d%0a", b"/v2/charges/" + b"x" * 60_000]
)
def test_no_path_breaks_the_server(na: Shop, path: bytes) -> None:
    """It refuses and goes on."""
    port = urlsplit(na.emulator.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        answer: Any = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 4")
    assert na.done("getChargePermission", na.wallet())
