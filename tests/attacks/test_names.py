"""Which requests are answered: names of this machine only, no other site's page, no address off loopback."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin

import httpx
import pytest
from click.testing import CliRunner

from amazonpay_nb.cli import main
from amazonpay_nb.client.button import button_config, sign_button
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.loopback import HUB_VARIABLES, LoopbackServer, answers_to, open_port
from amazonpay_nb.shop import server
from amazonpay_nb.spec.regions import region
from amazonpay_nb.stage.server import Stage
from tests.emulated import SET_UP, Shop

# On a hub a proxy brings the visitors, under the hub's name.
pytestmark = pytest.mark.skipif(any(name in os.environ for name in HUB_VARIABLES), reason="this is a JupyterHub")

OURS = ["127.0.0.1", "localhost:1", "[::1]:80", "LOCALHOST"]
FOREIGN = [
    "evil.test", "127.0.0.1.evil.test:80", "localhost.evil.test", "[::1", "", "evil.test@x", "0.0.0.0", "127.1",  # noqa: S104
    "[::1].evil.test", "evil.test[::1]", "evil.test\\@127.0.0.1", "evil.test@127.0.0.1", "127.0.0.1/evil.test", "::1",
]  # fmt: skip


@pytest.fixture(scope="module")
def storefront() -> Iterator[server.Shop]:
    shop = server.Shop()
    yield shop
    shop.close()


def statuses(url: str, names: list[str], **parameters: str) -> set[int]:
    return {httpx.get(url, params=parameters, headers={"host": name}).status_code for name in names}


@pytest.mark.parametrize("path", ["checkout/sign-in", "checkout.js", "checkout/nothing"])
def test_hosted_pages_answer_to_names_of_this_machine(na: Shop, path: str) -> None:
    """A site that gives its own name the address 127.0.0.1 sees none of them."""
    url, session_id = f"{na.emulator.url}/{path}", na.clicked(SET_UP)
    assert statuses(url, FOREIGN, amazonCheckoutSessionId=session_id) == {403}
    assert 403 not in statuses(url, OURS, amazonCheckoutSessionId=session_id)


ELSEWHERE = [
    {"origin": "https://evil.test"}, {"origin": "http://127.0.0.1.evil.test"}, {"origin": "file://"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
]  # fmt: skip


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_no_page_of_another_site_posts_here(na: Shop, storefront: server.Shop, headers: dict[str, str]) -> None:
    """It could not read the answer, but it could open sessions; an app's start call comes from no page at all."""
    call = {"msdk": "true", "merchantId": na.account.merchant_id}
    assert na.http.post("/initiate", json=call).status_code == 400
    assert {na.http.post(path, headers=headers).status_code for path in ("/initiate", "/checkout/consent")} == {403}
    own = {"origin": na.emulator.url}
    assert na.http.post("/initiate", json=call, headers=own).status_code == 403
    assert {httpx.post(f"{storefront.url}/{path}", headers=headers).status_code for path in ("x", "notifications")} == {
        403
    }
    assert httpx.post(f"{storefront.url}/notifications", headers={"origin": storefront.url}).status_code == 503


@pytest.mark.parametrize("path", ["account", "pay/x", "notifications"])
def test_the_shop_answers_to_names_of_this_machine(storefront: server.Shop, path: str) -> None:
    """Its pages name payments and Charge Permissions, of a real account too."""
    assert statuses(f"{storefront.url}/{path}", FOREIGN) == {403}
    assert 403 not in statuses(f"{storefront.url}/{path}", OURS)


@pytest.mark.parametrize("name", FOREIGN[:2])
def test_a_signed_call_may_use_any_name(na: Shop, name: str) -> None:
    """Programs reach the API by a name of their choice, whichever of its two ways through the emulator a call takes."""
    path = f"/v2/chargePermissions/{na.wallet()}"
    for _ in range(2):
        assert na.send("GET", path, host=name).status_code == 200
        na.emulator.faults("getChargePermission", "delay", seconds=0)


def test_behind_a_hub_visitors_come_under_its_name() -> None:
    """The hub's proxy has asked them who they are."""
    assert answers_to("hub.example", {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"})
    assert not answers_to("hub.example", {})


def test_the_stage_answers_to_names_of_this_machine() -> None:
    """It shows the merchant's money, and plays what it is told to."""
    with closing(Stage("ride", pace=0)) as stage:
        at = stage.performance.at, stage.performance.state
        for path in ("ride/1", "events", "phone", "speaker", "parity", "static/stage.js"):
            assert statuses(urljoin(stage.url, f"/{path}"), FOREIGN) == {403}
        assert 403 not in statuses(stage.url, OURS)
        for headers in ELSEWHERE:
            assert httpx.post(urljoin(stage.url, "/do"), json={"do": "next"}, headers=headers).status_code == 403
        assert (stage.performance.at, stage.performance.state) == at


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.168.1.1", "example.com", "::"])  # noqa: S104 (to be refused)
def test_no_server_listens_on_another_address(host: str) -> None:
    """Whatever application it is for."""
    with pytest.raises(ValueError, match="loopback only"):
        open_port(0, host)
    with pytest.raises(ValueError, match="loopback only"):
        LoopbackServer(None, host=host)


@pytest.mark.parametrize("path", ["/_control/clock", "/checkout/sign-in", "/v2/charges", "/checkout.js"])
def test_no_page_of_another_site_may_read_an_answer(na: Shop, path: str) -> None:
    """A browser asks first whether it may; nobody says that it may, nor who else could."""
    asked = {"origin": "https://evil.test", "access-control-request-method": "POST"}
    for method in ("OPTIONS", "GET"):
        answer = na.http.request(method, path, headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert na.http.options(path, headers=asked).status_code == 405


class _Elsewhere(BaseHTTPRequestHandler):
    """Sends every delivery on to another address."""

    def do_POST(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(307)
        self.send_header("location", f"http://localhost:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_delivery_is_not_led_elsewhere(na: Shop) -> None:
    """An endpoint on this machine that redirects to another one is not followed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    control = na.emulator.control
    try:
        control.post("notifications/endpoint", url=f"http://127.0.0.1:{server.server_port}/here")
        na.wallet()
        (row,) = control.get("notifications")["notifications"]
    finally:
        control.post("notifications/endpoint", url=None)
        server.shutdown()
        server.server_close()
    assert ([one["status"] for one in row["deliveries"]], server.asked) == ([307], ["/here"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x01", "\x7f", "\u2028"])
def test_an_endpoint_is_called_as_it_reads(na: Shop, character: str) -> None:
    """What a parser drops could hide where a delivery goes, and stopped the deliveries."""
    control = na.emulator.control
    headers = {"authorization": f"Bearer {control.token}"}
    for url in (f"http://127.0.0.1:9/a{character}b", f"http://127.0.0.1{character}:9/"):
        answer = httpx.post(f"{control.url}/notifications/endpoint", json={"url": url}, headers=headers)
        assert answer.status_code == 400


def test_a_certificate_is_verified_where_a_page_of_this_machine_led(storefront: server.Shop) -> None:
    """The buyer of the command trusts this machine as it is, and no other name that one of its pages calls."""
    with Emulator("na", seed=7, https=True) as emulator, Shop(emulator) as shop:
        own, other = (emulator.url.replace("127.0.0.1", name) for name in ("localhost", "127.1"))
        config = button_config(
            sign_button(SET_UP | {"storeId": emulator.store_id}, shop.keys), merchant_id=emulator.merchant_id,
            region=region("na"),
        )  # fmt: skip
        told = []
        for address in (own, other):
            page = storefront.new_attempt().offer(f"{address}/checkout.js", config)
            told.append(CliRunner().invoke(main, ["buyer", "cancel", page]))
    assert [one.exit_code for one in told] == [0, 2]
    assert "ConnectError" in told[1].output
