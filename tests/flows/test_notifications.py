"""The shop's inbox end to end: a change at Amazon Pay, its notification, and what the shop knows afterward."""

import asyncio
import json
import re
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from amazonpay_nb.cli import main
from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.notifications import Finding, Notification, NotificationReader, NotificationRefused
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError, LocalError, NotFoundError
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.loopback import http_client
from amazonpay_nb.rehearsal import grading
from amazonpay_nb.rehearsal.grading import grade, grade_own, passes
from amazonpay_nb.rehearsal.notifications import SENDINGS
from amazonpay_nb.shop import server
from amazonpay_nb.shop.inbox import INBOX_PATH, Inbox, Notice
from amazonpay_nb.signing.envelope import DIGESTS
from amazonpay_nb.signing.keys import load
from amazonpay_nb.spec.notifications import DRILLS, MAX_AGE, OBJECT_TYPES, RETRIES
from amazonpay_nb.workbench.director import Director
from tests.emulated import Shop, usd
from tests.processes import PATIENCE


@dataclass
class Bench:
    """A merchant: requests that are signed, a shop with an inbox, and a client."""

    merchant: Shop
    storefront: server.Shop
    client: AmazonPayClient
    director: Director
    inbox: Inbox
    wallet: str

    def came(self, count: int = 1) -> list[Notice]:
        return asyncio.run(self.inbox.notified(count))

    def verdicts(self, count: int = 1) -> list[str]:
        return [notice.verdict for notice in self.came(count)]

    def charge(self, **fields: Any) -> str:
        return str(self.merchant.charge(self.wallet, **fields)["chargeId"])


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A world in which a wallet was set up before the shop began to listen."""
    storefront = server.Shop()
    with Emulator("na", seed=7) as emulator, Shop(emulator) as merchant:
        account = emulator.merchant
        auth = AmazonPayAuth(load(account.private_key_file, account.public_key_id))
        with AmazonPayClient(auth, region="na", environment="emulator", base_url=emulator.url) as client:
            wallet, director = merchant.wallet(), Director(emulator, client.journal)
            yield Bench(merchant, storefront, client, director, director.listen(storefront, client), wallet)
    storefront.close()


def test_a_notification_tells_the_shop_to_look(bench: Bench) -> None:
    """The state comes from Amazon Pay, not from the notification."""
    charge = bench.charge(code="AuthorizationInitiated", canHandlePendingAuthorization=True)
    assert bench.came() == [Notice("CHARGE", charge, "STATE_CHANGE", "new", "AuthorizationInitiated")]
    bench.merchant.emulator.clock.advance("PT30S")
    assert bench.came() == [Notice("CHARGE", charge, "STATE_CHANGE", "new", "Authorized")]
    assert bench.inbox.objects[charge].state == "Authorized"
    assert repr(bench.inbox) == "Inbox: 0 waiting, 2 done."


@pytest.mark.parametrize("kind", ["duplicate", "burst"])
def test_what_was_seen_before_is_not_worked_on_again(bench: Bench, kind: str) -> None:
    """However often and however close together it comes."""
    assert bench.director.drill(kind) == DRILLS[kind].happens
    bench.charge()
    copies = DRILLS[kind].copies
    assert bench.verdicts(copies) == ["new", *["seen before"] * (copies - 1)]


def test_the_order_of_arrival_does_not_matter(bench: Bench) -> None:
    """The notification of an earlier state comes last, and changes nothing: the shop has looked already."""
    bench.director.drill("late")
    charge = bench.charge()
    assert bench.director.announced(last=1)[0].deliveries == "none"  # type: ignore[union-attr]
    bench.merchant.done("captureCharge", charge, captureAmount=usd("14.00"))
    assert [(one.verdict, one.state_now) for one in bench.came()] == [("new", "Captured")]
    bench.merchant.emulator.clock.advance("PT1H")
    assert [(one.verdict, one.state_now) for one in bench.came()] == [("nothing new", "Captured")]


def test_what_is_lost_is_found_by_looking(bench: Bench) -> None:
    """Nothing comes, and the error says what to do instead; a redelivery catches up."""
    bench.director.drill("lost")
    charge = bench.charge()
    with pytest.raises(LocalError, match=r"(?s)0 of 1 notifications came.*get the objects"):
        asyncio.run(bench.inbox.notified(timeout=0.05))
    assert bench.director.redeliver(charge) == f"The notification about {charge} is sent again."
    assert bench.verdicts() == ["new"]


def test_a_forgery_is_refused_and_shown(bench: Bench) -> None:
    """400, so that a sender who means well does not repeat it; nothing is looked up."""
    bench.charge()
    bench.came()
    forged = bench.inbox.last | {"Message": "{}"}
    answer = httpx.post(f"{bench.storefront.url}{INBOX_PATH}", content=json.dumps(forged))
    assert answer.status_code == 400
    assert bench.verdicts() == ["refused: its signature is wrong"]


def test_a_notification_that_could_not_be_worked_on_is_the_next_one_again(bench: Bench) -> None:
    """It was answered, so Amazon will not repeat it: the shop must not lose it."""
    bench.charge()
    emulator = bench.merchant.emulator
    bench.director.announced()
    snapshot = emulator.snapshot()
    emulator.reset()
    with pytest.raises(NotFoundError):
        bench.inbox.work()
    emulator.restore(snapshot)
    assert [one.verdict for one in bench.inbox.work()] == ["new"]


def test_a_notification_that_can_never_be_worked_on_holds_no_other(bench: Bench) -> None:
    """The next ones have their turn before it is tried again."""
    bench.charge()
    bench.director.announced()
    bench.merchant.emulator.reset()
    bench.wallet = bench.merchant.wallet()
    bench.charge()
    bench.director.announced()
    with pytest.raises(NotFoundError):
        bench.inbox.work()
    later = bench.inbox.work(bench.inbox.waiting - 1)
    assert {one.verdict for one in later} == {"new"}
    assert bench.inbox.waiting == 1


def test_a_dispute_is_got_like_any_object(bench: Bench) -> None:
    """The shop knows its state."""
    charge = bench.charge(captureNow=True)
    bench.came()
    bench.merchant.emulator.control.post("notifications/chargeback", chargeId=charge)
    (notice,) = bench.came()
    assert (notice.object_type, notice.verdict, notice.state_now) == ("CHARGEBACK", "new", "ActionRequired")


def test_a_shop_that_does_not_listen_asks_for_a_repetition() -> None:
    """503: it may listen an hour later."""
    storefront = server.Shop()
    assert httpx.post(f"{storefront.url}{INBOX_PATH}", content=b"x").status_code == 503
    storefront.close()


def test_a_real_environment_cannot_reach_this_machine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for what cannot come, and each helper says so; without a topic nothing would be genuine."""
    sandbox = Director(None, Journal())
    monkeypatch.delenv("AMAZON_PAY_TOPIC_ARN", raising=False)
    with pytest.raises(ConfigurationError, match="AMAZON_PAY_TOPIC_ARN is not set"):
        sandbox.listen(bench.storefront, bench.client)
    monkeypatch.setenv("AMAZON_PAY_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:EXAMPLE")
    bench.inbox = sandbox.listen(bench.storefront, bench.client)
    (skipped,) = bench.came(3)
    for line in (skipped.verdict, sandbox.announced(), sandbox.drill("late"), sandbox.redeliver("x")):
        assert isinstance(line, str)
        assert line.startswith("Skipped: only the emulator")
        assert "On the Sandbox, " in line


def test_days_can_pass_while_the_shop_listens(bench: Bench) -> None:
    """What is told of them is about objects, not about deliveries."""
    charge = bench.charge()
    bench.came()
    assert bench.director.advance(days=30) == f"30 days later.\nCharge {charge}: Expire"
    assert [one.state_now for one in bench.came()] == ["Canceled"]


# --- Grades -----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers here may take their time: on a busy machine, a burst of messages does."""
    monkeypatch.setattr(grading, "DELIVERY_TIMEOUT_SECONDS", PATIENCE)


class Handler(BaseHTTPRequestHandler):
    """A merchant's handler, as careful as its class says."""

    reader: NotificationReader | None = None
    wrong = 400

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = 200
        try:
            if self.reader:
                self.hear(self.reader.read(body))
        except NotificationRefused:
            status = self.wrong
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def hear(self, notification: Notification) -> None:
        """Do nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Careful(Handler):
    reader = NotificationReader(certificate_hosts=("127.0.0.1",), http=http_client(timeout=PATIENCE))


class Failing(Careful):
    wrong = 500


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # as servers have it that are made for more than five visitors at once


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), request.param)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("address", "code", "wrong", "unseen"), [(Careful, 0, 0, 3), (Handler, 0, 0, 18), (Failing, 1, 12, 3)],
    indirect=["address"],
)  # fmt: skip
def test_a_handler_is_graded(address: str, code: int, wrong: int, unseen: int) -> None:
    """By its answers: what follows a 200 is not seen, and may be nothing; an error of its own is one."""
    result = CliRunner().invoke(main, ["grade", address])
    counts = (result.exit_code, result.output.count("✗ wrong"), result.output.count("– not seen"))
    assert counts == (code, wrong, unseen), result.output
    assert "What a handler does is seen with --ready-file." in result.output
    assert all(check.title in result.output for check in SENDINGS)


def test_the_checks_are_those_of_the_tables() -> None:
    """Each signature version, the last retry, and something older than that."""
    assert {check.version for check in SENDINGS} == set(DIGESTS)
    ages = sorted(timedelta(hours=check.age_hours) for check in SENDINGS if check.age_hours)
    assert ages[0] == sum(RETRIES, timedelta())
    assert ages[-1] > MAX_AGE
    assert {name for check in SENDINGS for name in check.announces.values()} == {OBJECT_TYPES["Dispute"]}


@pytest.mark.parametrize("address", [Careful], indirect=True)
def test_a_handler_that_can_look_has_to(address: str, tmp_path: Path) -> None:
    """With the ready file it could have got the objects; the file, whose emulator is gone, goes with it."""
    ready = tmp_path / "ready.json"
    result = CliRunner().invoke(main, ["grade", address, "--ready-file", str(ready)])
    assert (result.exit_code, "0 of 3 objects" in result.output) == (1, True)
    assert not ready.exists()


@cache
def client_of(ready: Path) -> AmazonPayClient:
    """One for all notifications, which come twenty at once."""
    facts = json.loads(ready.read_text())
    keys = load(facts["privateKeyFile"], facts["publicKeyId"])
    return AmazonPayClient(keys, region="na", environment="emulator", base_url=facts["url"])


class Active(Careful):
    """Gets each object, and takes a fee on each notification about a refund; once, or each time."""

    ready: Path
    once = True

    def hear(self, notification: Notification) -> None:
        kind, object_id, client = notification.object_type, notification.object_id, client_of(self.ready)
        if kind == "CHARGE_PERMISSION":
            client.get_charge_permission(object_id)
        if kind == "CHARGE":
            client.get_charge(object_id)
        if kind == "REFUND":
            charge = client.get_charge(client.get_refund(object_id).charge_id)
            key = notification.notification_id.replace("-", "") if self.once else None
            client.create_charge(
                charge_permission_id=charge.charge_permission_id, charge_amount=usd("0.01"), idempotency_key=key
            )  # fmt: skip


@pytest.mark.parametrize("address", [Active], indirect=True)
@pytest.mark.parametrize("once", [True, False])
def test_what_is_done_twice_is_seen(address: str, once: bool, tmp_path: Path) -> None:
    """Not in the answers, but in what the handler asks Amazon for."""
    Active.ready, Active.once = tmp_path / "ready.json", once
    result = CliRunner().invoke(main, ["grade", address, "--ready-file", str(Active.ready)])
    assert (result.exit_code, "200, something is done twice" in result.output) == (int(not once), not once), (
        result.output
    )


class Silent(Active):
    """Answers 200 to everything, and drops what is not genuine."""

    wrong = 200


def parse(body: bytes) -> Any:
    """Believe everybody."""
    try:
        message = json.loads(json.loads(body)["Message"])
    except ValueError:
        raise NotificationRefused(Finding.MALFORMED, "") from None
    names = {"object_type": "ObjectType", "object_id": "ObjectId", "notification_id": "NotificationId"}
    return SimpleNamespace(**{name: message.get(key, "") for name, key in names.items()})


class Believing(Active):
    """Takes everybody for Amazon."""

    reader: Any = SimpleNamespace(read=parse)


@pytest.mark.parametrize(
    ("address", "code", "wrong", "advice"), [(Silent, 0, 0, 16), (Believing, 1, 12, 3)], indirect=["address"]
)
def test_a_forgery_that_is_answered_by_200_is_judged_by_what_follows(
    address: str, code: int, wrong: int, advice: int, tmp_path: Path
) -> None:
    """Nothing follows: 4xx would be better. Something does: that is wrong, whatever the answer."""
    Active.ready, Active.once = tmp_path / "ready.json", True
    result = CliRunner().invoke(main, ["grade", address, "--ready-file", str(Active.ready)])
    counts = (result.exit_code, result.output.count("✗ wrong"), result.output.count("– advice"))
    assert counts == (code, wrong, advice), result.output


class Trusting(Careful):
    """Takes any certificate of this machine."""

    reader = NotificationReader(certificate_hosts=("127.0.0.1", "localhost"), http=http_client(timeout=PATIENCE))


@pytest.mark.parametrize("address", [Trusting], indirect=True)
def test_a_server_that_fetches_a_certificate_of_a_stranger_is_seen(address: str) -> None:
    """Which is enough for whoever wants to sign in Amazon's name."""
    result = CliRunner().invoke(main, ["grade", address])
    assert (result.exit_code, "fetches a stranger's" in result.output) == (1, True), result.output
    assert result.output.count("✗ wrong") == 1


class Real(Handler):
    """As in shops of today, and none of our code: SNS's headers, and a certificate that comes by HTTPS."""

    ready: Path
    host = "127.0.0.1"  # what has to be adapted

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            envelope = json.loads(body)
            genuine = self.headers["x-amz-sns-message-type"] == "Notification" and self.verified(envelope)
        except (InvalidSignature, KeyError, ValueError):
            genuine = False
        self.send_response(200 if genuine else 400)
        self.send_header("content-length", "0")
        self.end_headers()

    def verified(self, envelope: dict[str, str]) -> bool:
        url = envelope["SigningCertURL"]
        if not re.fullmatch(rf"https://{self.host}:\d+/SimpleNotificationService-[0-9a-f]{{32}}\.pem", url):
            return False
        authority = ssl.create_default_context(cafile=json.loads(self.ready.read_text())["caFile"])
        key: Any = load_pem_x509_certificate(httpx.get(url, verify=authority, timeout=PATIENCE).content).public_key()
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        digest = {"1": SHA1(), "2": SHA256()}[envelope["SignatureVersion"]]  # noqa: S303
        key.verify(b64decode(envelope["Signature"]), text.encode(), PKCS1v15(), digest)
        return True


@pytest.mark.parametrize("address", [Real], indirect=True)
def test_a_real_handler_is_graded_by_https(address: str, tmp_path: Path) -> None:
    """All but the lookups, which this one does not make; its authority is in the ready file."""
    Real.ready = tmp_path / "ready.json"
    result = CliRunner().invoke(main, ["grade", address, "--https", "--ready-file", str(Real.ready)])
    assert result.output.count("✗ wrong") == 1, result.output
    assert "0 of 3 objects" in result.output


@pytest.mark.parametrize("options", [["--https"], ["http://127.0.0.1:1/", "--https"]])
def test_an_authority_that_nobody_is_told_helps_nobody(options: list[str]) -> None:
    """So https needs the ready file."""
    result = CliRunner().invoke(main, ["grade", *options])
    assert (result.exit_code, "--ready-file" in result.output) == (2, True)


def test_our_own_handler_has_full_marks_by_https() -> None:
    """Its certificate has the emulator's authority, and so have the hosted pages that make the objects."""
    with (
        Emulator("na", https=True) as emulator, closing(MerchantAccount(emulator)) as account,
        closing(server.Shop()) as shop,
    ):  # fmt: skip
        Director(emulator, account.client.journal).listen(shop, account.client, at_once=True)
        assert passes(grade(f"{shop.url}{INBOX_PATH}", emulator, observed=True))


@pytest.mark.parametrize("region", ["na", "eu", "jp"])
def test_our_own_handler_has_full_marks(region: str) -> None:
    """In each region, with looking."""
    grades = grade_own(region)
    assert {row.verdict for row in grades} == {"✓ good"}
    assert passes(grades)


@pytest.mark.parametrize(
    "url", ["http://shop.example/", "https://127.0.0.1/", "127.0.0.1:80", "http://127.0.0.1:1/", "http://[::1", ""]
)
def test_what_cannot_be_graded_is_said(url: str) -> None:
    """Before anything is sent."""
    with Emulator("na") as emulator, pytest.raises(ConfigurationError, match="Write for example"):
        grade(url, emulator)
    assert CliRunner().invoke(main, ["grade", url or "x"]).exit_code == 2
