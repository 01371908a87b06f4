"""Faults on the way: what a merchant who loses an answer finds afterward."""

import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.errors import TransportError
from tests.emulated import Shop, refusal, usd
from tests.processes import PATIENCE


def spent(shop: Shop, wallet: str) -> int:
    """How many charges of 14 dollars a wallet has taken, by its monthly limit."""
    left = 15_000
    while shop.try_charge(wallet, left, code="SoftDeclined").json()["reasonCode"] == "PeriodicAmountExceeded":
        left -= 14
    return (15_000 - left) // 14


def stop(_: float) -> None:
    raise KeyboardInterrupt


class Unheard(httpx.HTTPTransport):
    """Hands a request on, and is stopped when the answer begins."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        super().handle_request(request).close()
        raise KeyboardInterrupt


class TestFaults:
    """Each kind of fault."""

    def test_a_reset_comes_before_the_work(self, na: Shop) -> None:
        """Nothing was done."""
        wallet = na.wallet()
        na.emulator.faults("createCharge", "reset", times=2)
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                na.try_charge(wallet, key="reset")
        assert spent(na, wallet) == 0
        assert na.charge(wallet, key="reset")

    def test_a_lost_answer_is_found_by_its_key(self, na: Shop) -> None:
        """The work was done exactly once."""
        wallet = na.wallet()
        na.emulator.faults("createCharge", "drop-after-commit")
        with pytest.raises(httpx.TransportError):
            na.try_charge(wallet, key="lost")
        assert spent(na, wallet) == 1
        assert na.charge(wallet, key="lost") == na.charge(wallet, key="lost")
        assert spent(na, wallet) == 1

    def test_faults_of_one_kind_can_be_ended(self, na: Shop) -> None:
        """Those of another kind, and of another operation, stay."""
        wallet = na.wallet()
        for operation, fault in (("createCharge", "reset"), ("createCharge", "status"), ("createRefund", "reset")):
            na.emulator.faults(operation, fault, times=1000)
        left = na.emulator.control.post("faults", operation="createCharge", fault="reset", times=0)["faults"]
        assert [(one["operation"], one["fault"]) for one in left] == [
            ("createCharge", "status"),
            ("createRefund", "reset"),
        ]
        assert na.try_charge(wallet).status_code == 503
        na.emulator.faults("createCharge", "status", times=0)
        assert na.charge(wallet)

    def test_the_client_survives_both(self, na: Shop) -> None:
        """It repeats with the same key, so the buyer is charged once."""
        wallet = na.wallet()
        na.emulator.faults("createCharge", "reset")
        na.emulator.faults("createCharge", "drop-after-commit")
        with AmazonPayClient(
            AmazonPayAuth(na.keys), region="na", environment="emulator", base_url=na.emulator.url, sleep=lambda _: None
        ) as client:
            charge = client.create_charge(charge_permission_id=wallet, charge_amount=usd("14.00"))
        assert charge.state == "Authorized"
        assert spent(na, wallet) == 1

    def test_a_client_that_is_closed_between_two_attempts_names_the_key(self, na: Shop) -> None:
        """A shop that ends closes it while another thread waits; the charge is there."""
        wallet = na.wallet()
        client = AmazonPayClient(
            AmazonPayAuth(na.keys), region="na", environment="emulator", base_url=na.emulator.url,
            sleep=lambda _: client.close(),
        )  # fmt: skip
        na.emulator.faults("createCharge", "drop-after-commit")
        with pytest.raises(TransportError, match=r"attempt 2 \(ClientClosed\)") as caught:
            client.create_charge(charge_permission_id=wallet, charge_amount=usd("14.00"))
        key = client.journal.exchanges[-1].idempotency_key
        assert f"repeat it with idempotency_key={key!r}" in caught.value.advice
        assert na.charge(wallet, key=key)
        assert spent(na, wallet) == 1

    @pytest.mark.parametrize("answers", [False, True])
    def test_a_call_that_is_stopped_names_the_key(self, na: Shop, answers: bool) -> None:
        """Stop in JupyterLab, or Ctrl-C, while it waits for the answer or the next attempt; the charge is there."""
        wallet = na.wallet()
        if answers:
            na.emulator.faults("createCharge", "drop-after-commit")
        transport = httpx.HTTPTransport() if answers else Unheard()
        client = AmazonPayClient(
            AmazonPayAuth(na.keys), region="na", environment="emulator", base_url=na.emulator.url, sleep=stop,
            transport=transport,
        )  # fmt: skip
        with client, pytest.raises(KeyboardInterrupt) as caught:
            client.create_charge(charge_permission_id=wallet, charge_amount=usd("14.00"))
        key = client.journal.exchanges[-1].idempotency_key
        assert [f"repeat it with idempotency_key={key!r}" in note for note in caught.value.__notes__] == [True]
        assert na.charge(wallet, key=key)
        assert spent(na, wallet) == 1

    @pytest.mark.parametrize(
        ("status", "reason"),
        [(400, "ServiceUnavailable"), (408, "RequestTimeout"), (429, "TooManyRequests"), (500, "InternalServerError"),
         (503, "ServiceUnavailable"), (599, "ServiceUnavailable")],
    )  # fmt: skip
    def test_a_status_comes_before_the_work(self, na: Shop, status: int, reason: str) -> None:
        """And is not stored; it comes with the reason code that goes with it."""
        wallet = na.wallet()
        na.emulator.faults("createCharge", "status", status=status)
        assert refusal(na.try_charge(wallet, key=f"status-{status}")) == (status, reason)
        assert na.charge(wallet, key=f"status-{status}")

    def test_a_delay_lets_others_pass(self, na: Shop) -> None:
        """The answer is late, and the work is done."""
        wallet = na.wallet()
        na.emulator.faults("createCharge", "delay", seconds=PATIENCE)
        begun = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            na.http.post("/v2/charges", timeout=httpx.Timeout(PATIENCE, read=0.05))
        assert na.state("getChargePermission", wallet) == "Chargeable"
        assert time.monotonic() - begun < PATIENCE
        na.emulator.faults("createCharge", "delay", seconds=0.1)
        begun = time.monotonic()
        assert na.charge(wallet)
        assert time.monotonic() - begun >= 0.1

    @pytest.mark.parametrize("restores", [False, True])
    def test_a_delay_ends_with_its_world(self, na: Shop, restores: bool) -> None:
        """The next test of a suite has the same ids, and is not charged for what an earlier one has asked."""
        wallet, copy = na.wallet(), na.emulator.snapshot()
        na.emulator.faults("createCharge", "delay", seconds=2)
        patience, na.http.timeout = na.http.timeout, httpx.Timeout(PATIENCE, read=0.05)
        with pytest.raises(httpx.ReadTimeout):
            na.try_charge(wallet)
        na.http.timeout = patience
        na.emulator.reset()
        if restores:
            na.emulator.restore(copy)
        na.emulator.faults("getChargePermission", "delay", seconds=2)  # which ends later
        assert na.call("getChargePermission", wallet).is_success == restores
        assert na.emulator.control.get("objects/charges")["objects"] == []

    def test_a_fault_meets_its_own_operation(self, na: Shop) -> None:
        """Others go by."""
        wallet = na.wallet()
        na.emulator.faults("getCharge", "reset")
        charge = na.charge(wallet)
        with pytest.raises(httpx.TransportError):
            na.call("getCharge", charge["chargeId"])
        assert na.done("getCharge", charge["chargeId"]) == charge


class TestRawBytes:
    """What no HTTP client would send."""

    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"GET /v2/charges/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /v2/charges/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET http://evil.test/v2/charges/x HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET //v2//charges/x HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /v2/charges/x?%ff HTTP/1.1\r\nHost: \xff\r\n\r\n", b"GET /v2/charges/x HTTP/9.9\r\nHost: x\r\n\r\n",
            b"POST /v2/charges HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /v2/charges HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            b"POST /v2/charges HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET /v2/charges/x HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 500 + b"\r\n",
            b"GET /v2/charges/x HTTP/1.1\r\nHost: x\r\nAuthorization: " + b"x" * 30_000 + b"\r\n\r\n",
            b"GET /checkout?amazonCheckoutSessionId=%ff%00%ed%a0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /_control/clock HTTP/1.1\r\nHost: x\r\nAuthorization: \xff\xfe\r\n\r\n",
            b"CONNECT evil.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"HEAD /v2/charges/x HTTP/1.1\r\nHost: x\r\n\r\n",
        ],
        ids=lambda head: repr(head[:40]),
    )  # fmt: skip
    def test_any_bytes_are_answered_with_a_refusal(self, na: Shop, head: bytes) -> None:
        """Neither a server error nor silence; and the next request is served."""
        parts = urlsplit(na.emulator.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as connection:
            connection.sendall(head)
            status = int(connection.recv(65_536).split()[1])
        assert 300 <= status < 500
        assert na.http.get("/checkout.js").status_code == 200
