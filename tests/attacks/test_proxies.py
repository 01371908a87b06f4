"""A proxy of the environment is never asked for an address of this machine: it would see control tokens and keys."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import httpx
import pytest

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.client.reconciliation import read_settlement
from amazonpay_nb.client.sending import ATTEMPTS
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError, TransportError
from amazonpay_nb.loopback import http_client
from tests.contract.test_reports import address, report
from tests.emulated import SET_UP, Shop, charge_in
from tests.processes import PATIENCE

COMMAND = [sys.executable, "-m", "amazonpay_nb"]


class Proxy(ThreadingTCPServer):
    """Notes the first line of each request, and answers nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(StreamRequestHandler):
    def handle(self) -> None:
        self.server.requests.append(self.rfile.readline(200))  # type: ignore[attr-defined]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        yield server
        server.shutdown()


def ran(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=PATIENCE
    )


@pytest.mark.parametrize("arguments", [["run", "00", "07", "--out", "out"], ["grade"], ["doctor"]], ids=lambda a: a[0])
def test_a_command_asks_no_proxy(
    proxy: Proxy, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever NO_PROXY says; nor certificates, which only the doctor looks for."""
    if arguments != ["doctor"]:
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    done = ran(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert proxy.requests == []


def test_the_buyer_asks_no_proxy(proxy: Proxy, na: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pages are on this machine; only the shop may be elsewhere, and is not opened then."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    page = f"{na.emulator.url}/checkout/sign-in?amazonCheckoutSessionId={na.clicked(SET_UP)}"
    done = ran("buyer", "approve", page, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert proxy.requests == []


def test_a_report_is_downloaded_past_a_proxy(proxy: Proxy) -> None:
    """Its address opens it to everybody who sees it."""
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        charge_in(shop, "Captured")
        file = read_settlement(address(shop, report(shop)["reportDocumentId"]))
    assert list(file["TransactionAmount"]) == [Decimal("14.00")]
    assert proxy.requests == []


@pytest.mark.parametrize("place", ["file:///etc/passwd", "s3://bucket/report.csv", "ftp://127.0.0.1/report.csv"])
def test_a_report_is_downloaded_by_http_alone(place: str) -> None:
    """What an answer says of its address reads no file and asks no other service."""
    with pytest.raises(httpx.UnsupportedProtocol):
        read_settlement(place)


UNUSABLE = [
    ("ALL_PROXY", "socks5://127.0.0.1:1080"), ("all_proxy", "socks://127.0.0.1:1080/"), ("no_proxy", "fd00::/8"),
    ("HTTP_PROXY", "http://[::1"), ("https_proxy", "localhost:x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), UNUSABLE)
def test_a_variable_that_nobody_can_use_is_in_nobodys_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    """What is on this machine is reached; what is beyond it is not, and the error names the variable."""
    for usual in [usual for usual in os.environ if usual.lower().endswith("_proxy")]:
        monkeypatch.delenv(usual)
    monkeypatch.setenv(name, value)
    with Emulator("na", seed=7) as emulator, http_client() as http:
        emulator.clock.now()
        assert http.get(emulator.url).is_success
        AmazonPayClient(emulator.merchant.keys, base_url=emulator.url).close()
        for beyond in (lambda: http.get("http://192.0.2.1/"), lambda: AmazonPayClient(emulator.merchant.keys)):
            with pytest.raises(ConfigurationError, match=f"environment's {name} cannot be used"):
                beyond()
    done = ran("doctor", folder=tmp_path)
    assert (done.returncode, f"✗ The environment's {name} cannot be used" in done.stdout) == (1, True), done.stderr


def test_the_client_asks_a_proxy_for_amazon_alone(
    proxy: Proxy, na: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its environment is called; and certificates that cannot be used are in the way of Amazon alone."""
    keys, url, wallet = na.keys, na.emulator.url, na.wallet()

    def ask(**options: Any) -> None:
        with AmazonPayClient(keys, sleep=lambda _: None, **options) as client:
            client.get_charge_permission(wallet)

    here = [
        {"environment": "emulator", "base_url": url},
        *({"base_url": re.sub(r"127[.\d]+", name, url)} for name in ("127.0.0.1", "LocalHost")),
    ]
    for options in here:
        ask(**options)
    assert proxy.requests == []
    with pytest.raises(TransportError):
        ask()
    assert proxy.requests == [b"CONNECT pay-api.amazon.com:443 HTTP/1.1\r\n"] * ATTEMPTS
    for wrong in ("/nowhere/ca.pem", str(tmp_path), str(na.emulator.merchant.private_key_file)):
        monkeypatch.setenv("SSL_CERT_FILE", wrong)
        ask(base_url=url)
        for options in ({}, {"base_url": "https://127.0.0.1:9"}):
            with pytest.raises(
                ConfigurationError, match="certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read"
            ):
                ask(**options)


def test_another_machine_is_asked_by_the_proxy(proxy: Proxy) -> None:
    """As the environment says, and NO_PROXY holds."""
    with http_client() as http, pytest.raises(httpx.RemoteProtocolError):
        http.get("http://192.0.2.1/")
    assert proxy.requests == [b"GET http://192.0.2.1/ HTTP/1.1\r\n"]


def test_an_emulator_of_a_test_asks_no_proxy(proxy: Proxy) -> None:
    """The pytest plugin and the workbench use the same control interface."""
    with Emulator("jp", https=True) as emulator:
        emulator.clock.now()
        assert emulator.merchant.public_key_id
    assert proxy.requests == []
