"""Code with Amazon's own addresses in it works against the emulator as a proxy, by environment variables alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amazonpay_nb.emulator import Emulator
from tests.emulated import Shop
from tests.interop.test_node_sdk import WALK, play, sdk  # noqa: F401 (a fixture)
from tests.processes import PATIENCE

HERE = Path(__file__).parent
API, SCRIPT = "https://pay-api.amazon.com", "https://static-na.payments-amazon.com/checkout.js"
# Where each client looks for the authorities that it trusts.
TRUST = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_GET = "import sys, {0} as client; headers = dict(line.split(': ', 1) for line in sys.argv[2:]); print({1})"
CLIENTS = {
    "httpx": _GET.format("httpx", "client.get(sys.argv[1], headers=headers, timeout=300).text"),
    "requests": _GET.format("requests", "client.get(sys.argv[1], headers=headers).text"),
    "urllib": _GET.format(
        "urllib.request", "client.urlopen(client.Request(sys.argv[1], headers=headers)).read().decode()"
    ),
}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Emulator("na", seed=7, proxy=True) as emulator, Shop(emulator) as shop:
        yield shop


def variables(emulator: Emulator) -> dict[str, str]:
    """What a person sets, and nothing else of a proxy."""
    others = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return others | {"HTTPS_PROXY": str(emulator.proxy_url)} | dict.fromkeys(TRUST, str(emulator.proxy_ca_file))


def command(client: str, url: str, headers: dict[str, str]) -> list[str]:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if client == "curl":
        return ["curl", "--silent", "--show-error", *(word for line in lines for word in ("--header", line)), url]
    return [sys.executable, "-c", CLIENTS[client], url, *lines]


def ran(arguments: list[str], emulator: Emulator) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, env=variables(emulator), capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("client", ["curl", *CLIENTS])
def test_a_client_reaches_amazons_hosts(shop: Shop, client: str) -> None:
    """Unchanged: a signed call of the API, and the script."""
    wallet = shop.wallet()
    path = f"/v2/chargePermissions/{wallet}"
    signed = shop.signed("GET", path, x_amz_pay_host="pay-api.amazon.com")
    for url, headers, words in ((f"{API}{path}", signed, wallet), (SCRIPT, {}, "apay-us.amazon.com")):
        done = ran(command(client, url, headers), shop.emulator)
        assert words in done.stdout, done.stderr


@pytest.mark.parametrize("client", ["curl", *CLIENTS])
def test_a_client_reaches_nothing_else(shop: Shop, client: str) -> None:
    """It fails before a byte leaves this machine."""
    for url in ("https://pay-api.amazon.eu/v2/charges/x", "https://example.com/"):
        done = ran(command(client, url, {}), shop.emulator)
        assert "403" in done.stderr
        assert done.returncode != 0


@pytest.mark.interop
@pytest.mark.parametrize("neutral", [False, True], ids=["prefixed-key", "neutral-key"])
def test_the_official_node_sdk_needs_no_override(shop: Shop, sdk: Path, neutral: bool) -> None:  # noqa: F811
    """It sends whole addresses to the proxy, signs Amazon's host, and never learns where it is."""
    merchant = shop.account
    settings = {
        "publicKeyId": merchant.neutral_public_key_id if neutral else merchant.public_key_id,
        "privateKey": merchant.private_key_file.read_text(), "region": "us", "sandbox": True,
        "algorithm": "AMZN-PAY-RSASSA-PSS-V2",
    }  # fmt: skip
    arguments = ["node", str(HERE / "walk.js"), str(sdk), merchant.store_id]
    messages = list(play(shop.emulator, arguments, settings, variables(shop.emulator)))
    calls = [(row["operation"], row["status"], row["outcome"]) for row in messages if "operation" in row]
    assert calls == WALK
    assert len(shop.emulator.control.get("journal")["exchanges"]) >= len(WALK)


@pytest.mark.interop
def test_node_itself_trusts_the_tunnel(shop: Shop, sdk: Path) -> None:  # noqa: F811
    """A tunnel that Node opens by hand, checked with the authority of the variable alone."""
    program = """
      const [proxy, host] = [new URL(process.env.HTTPS_PROXY), 'pay-api.amazon.com'];
      require('http').request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: `${host}:443` })
        .on('connect', (_, socket) => require('https').get({ host, path: '/v2/charges/x', socket, agent: false },
          (answer) => { process.stdout.write(String(answer.statusCode)); socket.destroy(); })).end();
    """
    done = ran(["node", "-e", program], shop.emulator)
    assert done.stdout == "400", done.stderr
