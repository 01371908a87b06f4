"""The shops to copy: short, right in every check with both wirings, and at ease with what no check tries."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.loopback import MAX_BODY_BYTES, http_client
from amazonpay_nb.rehearsal.browser import program_here
from amazonpay_nb.rehearsal.plan import PlanFile, rows_of
from amazonpay_nb.rehearsal.play import NO_CAPTURE
from amazonpay_nb.rehearsal.ports import port_for_another
from amazonpay_nb.rehearsal.rehearsal import rehearse
from amazonpay_nb.shop import buyer
from tests.emulated import Shop
from tests.npm import installed, unavailable
from tests.processes import PATIENCE, answers, until
from tests.rehearsal.plans import EACH_WAY

EXAMPLES = Path(__file__).parents[2] / "examples"
CAPTURES = ["charge.capture-declined", "charge.capture-server-error"]
SHOPS = {"shop_python": "shop.py", "shop_node": "shop.js"}
# What the plan of the shop in Node says where its other wiring is meant; test_checks.py plays that of the other shop.
OTHER = [('wiring = "proxy"', 'wiring = "settings"'), (r"# (AMAZON_PAY_URL|AMAZON_PAY_SCRIPT|NODE_)", r"\1")]


@pytest.fixture
def needs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser, and Node with the SDK where the shop is written in it."""
    if program_here() is None:
        unavailable("The example shops", "install chromium")
    if "shop_node" in request.node.callspec.params.values():
        monkeypatch.setenv("NODE_PATH", str(installed(EXAMPLES / "shop_node", "The shop in Node")))


@pytest.mark.usefixtures("needs", "unhurried")
@pytest.mark.parametrize("shop", SHOPS)
def test_a_shop_to_copy_is_right(shop: str) -> None:
    """All that it does is tried, and passes: captureNow takes the money.  The shop fits on a few screens."""
    assert len((EXAMPLES / shop / SHOPS[shop]).read_text("utf-8").splitlines()) < 200
    rehearsal = rehearse(EXAMPLES / shop / "rehearsal.toml")
    others = {one.row.id: (one.status, one.seen.lower()) for one in rehearsal.results if one.status != "passed"}
    assert others == dict.fromkeys(CAPTURES, ("not-tried", NO_CAPTURE.lower()))


@pytest.mark.usefixtures("needs", "unhurried")
@pytest.mark.parametrize("shop", ["shop_node"])
def test_the_other_wiring_does_as_well(shop: str, tmp_path: Path) -> None:
    """The emulator's own addresses by settings, in the place of a proxy: the code is the same."""
    text = (EXAMPLES / shop / "rehearsal.toml").read_text("utf-8")
    for pattern, replacement in [("\n\\[server.environment", f'directory = "{EXAMPLES / shop}"\\g<0>'), *OTHER]:
        text, changes = re.subn(pattern, replacement, text)
        assert changes, pattern
    plan = tmp_path / "rehearsal.toml"
    plan.write_text(text, "utf-8")
    played = {row.id for row in rows_of(PlanFile(plan).plan)}
    rehearsal = rehearse(plan, only=[name for name in EACH_WAY if name in played])
    assert {one.row.id: one.seen for one in rehearsal.results if one.status != "passed"} == {}


class Trade(NamedTuple):
    """A shop in a process of its own, and a buyer who has saved a wallet there."""

    emulator: Emulator
    http: httpx.Client
    port: int

    def ask(self, action: str, order: object, amount: str = "14.00") -> httpx.Response:
        return self.http.post(action, json={"order": order, "amount": amount, "currency": "USD"})

    def state(self, order: str) -> tuple[str, int]:
        shown = self.http.get("/state").json()["orders"][order]
        return shown["state"], shown["fulfilled"]

    def charges(self, order: str) -> list[Any]:
        """Those that Amazon has made for an order."""
        every: list[Any] = self.emulator.control.get("objects/charges")["objects"]
        return [one for one in every if one["merchantMetadata"]["merchantReferenceId"] == order]

    def refunds(self, order: str) -> list[str]:
        """The amounts of those that Amazon has made for an order."""
        ids = [charge["chargeId"] for charge in self.charges(order)]
        every = self.emulator.control.get("objects/refunds")["objects"]
        return [one["refundAmount"]["amount"] for one in every if one["chargeId"] in ids]

    def lose(self, operation: str, then: int) -> None:
        """Let Amazon do what is asked for next, without an answer, and answer the repetition with a status alone."""
        self.emulator.faults(operation, "drop-after-commit")
        self.emulator.faults(operation, "status", status=then)


@pytest.fixture(scope="module", params=SHOPS)
def trade(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trade]:
    """With the emulator's own addresses; the SDK of Node speaks HTTPS alone."""
    folder, port = EXAMPLES / request.param, port_for_another()
    is_node = request.param == "shop_node"
    with Emulator(seed=7, real_time=True, https=is_node) as emulator:
        merchant = emulator.merchant
        environment = os.environ | {
            "SHOP_URL": f"http://127.0.0.1:{port}", "SHOP_FILE": ":memory:", "AMAZON_PAY_URL": emulator.url,
            "AMAZON_PAY_SCRIPT": f"{emulator.url}/checkout.js", "AMAZON_PAY_MERCHANT_ID": merchant.merchant_id,
            "AMAZON_PAY_STORE_ID": merchant.store_id, "AMAZON_PAY_KEY_ID": merchant.public_key_id,
            "AMAZON_PAY_KEY_FILE": str(merchant.private_key_file), "AMAZON_PAY_TOPIC": emulator.topic_arn,
        }  # fmt: skip
        if is_node:
            environment["NODE_PATH"] = str(installed(folder, "The shop in Node"))
            environment["NODE_EXTRA_CA_CERTS"] = str(emulator.ca_file)
        log = tmp_path_factory.mktemp("shop") / "log"
        command = ["node" if is_node else sys.executable, SHOPS[request.param]]
        with log.open("w") as output:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        try:
            assert until(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            verify = emulator.verify if is_node else True
            with http_client(base_url=environment["SHOP_URL"], verify=verify, timeout=PATIENCE) as http:
                http.get(buyer.approve(f"{http.base_url}/wallet", http=http))
                yield Trade(emulator, http, port)
        finally:
            process.kill()
            process.wait()


def test_who_leaves_in_the_middle_of_a_request_ends_no_shop(trade: Trade) -> None:
    """The connection ends with half of a body."""
    with socket.create_connection(("127.0.0.1", trade.port)) as stranger:
        stranger.sendall(b"POST /news HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\n\r\n{")
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(4096):
            pass
    assert trade.http.get("/state").status_code == 200


@pytest.mark.parametrize("path", ["/news", "/charge"])
def test_a_body_without_an_end_is_not_read_to_it(trade: Trade, path: str) -> None:
    """The connection closes after the answer."""
    with socket.create_connection(("127.0.0.1", trade.port), timeout=20) as stranger:
        stranger.sendall(f"POST {path} HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        stranger.sendall(b"%x\r\n%b\r\n1\r\nx" % (MAX_BODY_BYTES, b"x" * MAX_BODY_BYTES))
        answer = b""
        while piece := stranger.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("status", [400, 409, 422])
def test_money_that_amazon_has_taken_is_seen_whatever_a_refusal_said(trade: Trade, status: int) -> None:
    """One that Amazon does not keep under the key says nothing of the charge: the order stays open."""
    order, control = f"refused-{status}", trade.emulator.control
    control.post("notifications/endpoint", url=f"http://127.0.0.1:{port_for_another()}")  # nobody hears of it yet
    trade.lose("createCharge", then=status)
    trade.ask("/charge", order)
    assert trade.state(order) == ("pending", 0)
    trade.ask("/charge", order)
    assert until(lambda: trade.state(order) == ("paid", 1))
    trade.ask("/charge", order)
    assert [charge["statusDetails"]["state"] for charge in trade.charges(order)] == ["Captured"]
    assert trade.state(order) == ("paid", 1)
    control.post("notifications/endpoint", url=None)


def test_a_charge_of_another_shop_pays_no_order_of_this_one(trade: Trade) -> None:
    """Two shops of one account number their orders alike, and Amazon tells both of each charge."""
    emulator, control = trade.emulator, trade.emulator.control
    emulator.queue_outcome("createCharge", "SoftDeclined")
    trade.ask("/charge", "1001")
    control.post("notifications/endpoint", url=f"{trade.http.base_url}/news")
    with Shop(emulator) as other:
        charge = other.charge(other.wallet(), "1.00", captureNow=True, merchantMetadata={"merchantReferenceId": "1001"})
    path = f"/v2/charges/{charge['chargeId']}"
    assert until(lambda: path in [one["path"] for one in control.get("journal")["exchanges"]])
    trade.ask("/charge", "1002")  # and in the meantime, the shop has noted what it has read
    assert [trade.state(number) for number in ("1001", "1002")] == [("declined", 0), ("paid", 1)]
    control.post("notifications/endpoint", url=None)


def test_the_number_of_an_order_may_be_a_number(trade: Trade) -> None:
    """Amazon gives it back as a text."""
    for order in (17, 17, "17"):
        trade.ask("/charge", order)
    assert trade.state("17") == ("paid", 1)
    trade.ask("/refund", 17)
    assert (len(trade.charges("17")), trade.refunds("17")) == (1, ["14.00"])


@pytest.mark.parametrize("wrong", ["1400.00", "14,00"])
def test_the_right_amount_is_refunded_after_a_wrong_one(trade: Trade, wrong: str) -> None:
    """Once."""
    trade.ask("/charge", wrong)
    assert trade.ask("/refund", wrong, wrong).status_code == 400
    for _ in range(2):
        assert trade.ask("/refund", wrong, "5.00").status_code == 200
    assert trade.refunds(wrong) == ["5.00"]


def test_a_refund_whose_answer_is_lost_keeps_its_key(trade: Trade) -> None:
    """A refusal of the request, and not of the amount, says nothing of what came before."""
    trade.ask("/charge", "lost")
    trade.lose("createRefund", then=400)
    assert trade.ask("/refund", "lost", "5.00").status_code == 400
    assert trade.ask("/refund", "lost", "6.00").status_code == 200
    assert trade.refunds("lost") == ["5.00"]
