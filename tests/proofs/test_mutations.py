"""Validly signed requests with mutated bodies, headers and paths: each is answered, in both ways of sending it alike.

Two emulators with the same seed are twins.  One gets each request with its length, the other in chunks; as long as they
read it alike, they give the same answers down to the last id, and hold the same objects at the end.
"""

import json
import random
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb.errors import SigningError
from amazonpay_nb.signing import format_date, sign_request
from amazonpay_nb.signing.keys import MerchantKeys, generate, with_id
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.simulations import SIMULATION_HEADER, SIMULATIONS
from tests.emulated import RESULT, REVIEW, SET_UP, Json, Shop, usd
from tests.processes import Remote, emulator
from tests.proofs.sizes import size
from tests.proofs.wire import Request, Wire

REQUESTS = size(400, 20_000)
# One of so many requests is sent as it is: the objects move on, and the others meet them in every state.
PLAIN = 4
MOST_MEGABYTES = 60
KINDS = ("checkoutSessions", "chargePermissions", "charges", "refunds")
NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 1e400, 10**400, 0.1, "", " ", "x" * 300, "x" * 5_000, "ä€\U0001f600", "\0", "\ud800", "‮a",
    [], {}, [[]], [None], {"a": {"b": []}}, "NaN", "1e3", "١٤", "14,00", "-0.00", "USD", "<b>", "${7*7}", "../..",
)  # fmt: skip
NASTY_VALUES = (
    "",
    " ",
    "x" * 5_000,
    "\xe4\xff",
    "a\tb",
    "a, b",
    '"',
    "null",
    "\x7f",
    "%00",
    "20990101T000000Z",
    "na,eu",
)
METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS")
BITS = (
    "%00", "%2F", "%2e%2e", "/", "//", "/.", "/..", ";a=b", "?a=b&a=c", "?%zz", "%", "\xc3\xa4", "'", "x" * 2_000,
    "%C3%A4", "+", "~", "@", ":", "|", '"', "#", "#a",
)  # fmt: skip


class Merchant:
    """Makes requests, most of them with something wrong, about the objects that its emulator has."""

    def __init__(self, keys: MerchantKeys, store_id: str) -> None:
        self.keys, self.store_id = keys, store_id
        self.random = random.Random(7)  # noqa: S311 (no secret)
        self.ids: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self.number = 0

    def learn(self, answer: Json) -> None:
        """Remember the objects of an answer."""
        for kind in KINDS:
            made = answer.get(f"{kind[:-1]}Id")
            if made and made not in self.ids[kind]:
                self.ids[kind].append(made)

    def some(self, kind: str) -> str:
        # New ones more often: old ones have ended.
        return self.random.choice(self.ids[kind][-20:] or ["none"])

    def body(self, name: str) -> Json:
        one = usd(self.random.choice(["1.00", "14.00", 2]))
        match name:
            case "createCheckoutSession":
                return {"storeId": self.store_id} | SET_UP
            case "updateCheckoutSession":
                return {"webCheckoutDetails": {"checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": RESULT}}
            case "completeCheckoutSession" | "finalizeCheckoutSession":
                return {}
            case "createCharge":
                flags = {"captureNow": self.random.random() < 0.5}
                return {"chargePermissionId": self.some("chargePermissions"), "chargeAmount": one} | flags
            case "captureCharge":
                return {"captureAmount": one}
            case "createRefund":
                return {"chargeId": self.some("charges"), "refundAmount": one}
            case "updateChargePermission":
                return {"merchantMetadata": {"merchantReferenceId": "order-1", "customInformation": "a"}}
            case "cancelCharge":
                return {"cancellationReason": "none"}
            case _:
                return {"closureReason": "none"}

    def request(self) -> tuple[Request, str]:
        """Return the next request and the name of its operation."""
        self.number += 1
        operation = OPERATIONS[self.random.choice([*OPERATIONS, "createCharge", "captureCharge"])]
        kind = operation.path.split("/")[2]
        if operation.name == "closeChargePermission" and self.random.random() < 0.9:
            return self.request()
        path = operation.path.format(id=self.some(kind) if kind in KINDS else "nobody")
        body = json.dumps(self.body(operation.name)).encode() if operation.body else b""
        headers = {
            "accept": "application/json", "content-type": "application/json", "x-amz-pay-host": "127.0.0.1",
            "x-amz-pay-date": format_date(datetime.now(UTC)), "x-amz-pay-region": "na",
        }  # fmt: skip
        if operation.method == "POST":
            headers["x-amz-pay-idempotency-key"] = f"{self.number:032}"
        if self.random.random() < 0.1:
            codes = [code for name, code in SIMULATIONS if name == operation.name]
            headers[SIMULATION_HEADER] = self.random.choice([*codes, "Nonsense"])
        request = Request(operation.method, path, list(headers.items()), body)
        if self.number % PLAIN:
            change = self.random.choice([self.other_body, self.other_value, self.other_header, self.other_target])
            request = change(request)
        return self.signed(request), operation.name

    def other_value(self, request: Request) -> Request:
        """Put something else in the place of a value, drop a field or add one."""
        document = json.loads(request.body or b"{}")
        place = document
        while (inner := [value for value in place.values() if isinstance(value, dict)]) and self.random.random() < 0.5:
            place = self.random.choice(inner)
        name = self.random.choice([*place, "fieldOfNobody"])
        if self.random.random() < 0.2:
            place.pop(name, None)
        else:
            place[name] = self.random.choice(NASTY)
        return request._replace(body=json.dumps(document).encode())

    def other_body(self, request: Request) -> Request:
        """Break the bytes of a body."""
        body, at = request.body, self.random.randint(0, len(request.body))
        broken = [
            body[:at], body[:at] + self.random.randbytes(3) + body[at:], body[:at] + body[at + 1 :], body * 2,
            b"\xef\xbb\xbf" + body, body.decode().encode("utf-16"), b" \n" + body, body.replace(b'"', b"'"), b"",
            body[:-1] + b"," + body[1:], b'{"chargeAmount":{"amount":"1.00","amount":"2.00","currencyCode":"USD"}}',
            b"null", b"[]", b"0", b"NaN", b'"x"', b"[" * 100_000, b'{"a":' * 33 + b"1" + b"}" * 33,
            b'{"a":"' + b"x" * self.random.choice([1_000, 200_000, 262_143, 262_145]) + b'"}',
        ]  # fmt: skip
        return request._replace(body=self.random.choice(broken))

    def other_header(self, request: Request) -> Request:
        """Drop a header, repeat it, change it, or add one."""
        headers, at = list(request.headers), self.random.randrange(len(request.headers))
        name, value = headers[at]
        broken: list[list[tuple[str, str]]] = [
            [], [(name, value), (name, value)], [(name, value), (name, "other")], [(name.upper(), value)],
            [(name, self.random.choice(NASTY_VALUES))], [(name, value.upper())], [(name, f" {value}  ")],
            [(name, value), (f"x-{'a' * self.random.randint(1, 300)}", self.random.choice(NASTY_VALUES))],
            [(name, value), ("x-amz-pay-authtoken", "token")], [(name, value), ("origin", "https://evil.example")],
            [(name, value), ("x-http-method-override", "DELETE")], [(name, value), ("cookie", "a=b")],
            [(name, value), ("upgrade", "h2c")], [(name, value), ("connection", "upgrade"), ("upgrade", "websocket")],
        ]  # fmt: skip
        headers[at : at + 1] = self.random.choice(broken)
        return request._replace(headers=headers)

    def other_target(self, request: Request) -> Request:
        """Change the path, its query or the method."""
        target, at = request.target, self.random.randint(1, len(request.target))
        bit = self.random.choice(BITS)
        broken = [
            target[:at] + bit + target[at:], target + bit, target + "/", target.upper(), target.lower(),
            "/sandbox" + target, "/live" + target, target.replace("/v2", "/v1"), target.rpartition("/")[0],
            target[:at] + self.random.choice(string.printable[:62]) + target[at + 1 :],
        ]  # fmt: skip
        if self.random.random() < 0.2:
            return request._replace(method=self.random.choice(METHODS))
        return request._replace(target=self.random.choice(broken))

    def signed(self, request: Request) -> Request:
        path, _, query = request.target.partition("?")
        try:
            signature = sign_request(
                request.method, path, query, request.headers, request.body, self.keys.private_key,
                self.keys.public_key_id, self.keys.algorithm,
            )  # fmt: skip
        except SigningError:  # what cannot be signed is sent as well
            signature = "AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=none, SignedHeaders=accept, Signature=none"
        return request._replace(headers=[*request.headers, ("authorization", signature)])


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[tuple[Remote, Remote, MerchantKeys]]:
    """Two emulators that know the same key by the same id."""
    pair = generate()
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with emulator(tmp_path / "one", seed=7) as one, emulator(tmp_path / "other", seed=7) as other:
        ids = {twin.control.post("keys", publicKey=pair.public_pem)["publicKeyId"] for twin in (one, other)}
        assert len(ids) == 1
        yield one, other, with_id(pair, ids.pop())


def test_mutated_requests_are_answered_alike_in_both_ways(
    twins: tuple[Remote, Remote, MerchantKeys], record_property: Callable[[str, object], None]
) -> None:
    """No server error that nobody has asked for, no hang, no state lost, no memory without a bound."""
    *remotes, keys = twins
    wires = [Wire(remote.url, chunks=chunks) for remote, chunks in zip(remotes, (False, True), strict=True)]
    merchant = Merchant(keys, remotes[0].merchant.store_id)
    statuses: set[int] = set()
    begun = [0.0, 0.0]
    for number in range(REQUESTS):
        if number % 100 == 0:
            _new_wallet(remotes, merchant)
        if number == REQUESTS // 10:
            begun = [remote.megabytes() for remote in remotes]
        request, name = merchant.request()
        for wire in wires:
            wire.send(request)
        (status, content), other = (wire.receive(request.method) for wire in wires)
        assert (status, content) == other, f"{name}: {status} {content!r} with a length, {other} in chunks: {request!r}"
        asked_for = any(header.lower() == SIMULATION_HEADER for header, _ in request.headers)
        assert status < 500 or asked_for, f"{name}: {status} {content!r} for {request!r}"
        statuses.add(status)
        if 200 <= status < 300 and content:
            merchant.learn(json.loads(content))
    for wire in wires:
        wire.close()
    grown = max(remote.megabytes() - before for remote, before in zip(remotes, begun, strict=True))
    assert grown < MOST_MEGABYTES
    assert statuses >= {200, 201, 400, 403, 404, 405, 422}
    objects = [{kind: remote.control.get(f"objects/{kind}")["objects"] for kind in KINDS} for remote in remotes]
    assert objects[0] == objects[1]
    for kind in KINDS:
        assert {one[f"{kind[:-1]}Id"] for one in objects[0][kind]} >= set(merchant.ids[kind])
    record_property("work", f"{REQUESTS:,} signed requests, three of four mutated, each with a length and in chunks")
    record_property(
        "result",
        "both ways agree to the byte, 0 unasked server errors, 0 hangs, 0 objects lost, "
        f"memory grows by less than {MOST_MEGABYTES} MB",
    )


def _new_wallet(remotes: list[Any], merchant: Merchant) -> None:
    """Let a buyer set up a wallet at both, which gets the same id."""
    wallets = []
    for remote in remotes:
        with Shop(remote) as shop:
            wallets.append(shop.wallet())
    assert wallets[0] == wallets[1]
    merchant.learn({"chargePermissionId": wallets[0]})
