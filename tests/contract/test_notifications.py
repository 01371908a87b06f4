"""The emulator's notifications: what is announced, how it is delivered and repeated, and disorder on demand."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from amazonpay_nb.client.notifications import Notification, NotificationReader
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.notifications import post
from amazonpay_nb.loopback import http_client
from amazonpay_nb.spec.notifications import DRILLS, RETRIES
from tests.emulated import Json, Shop, usd
from tests.processes import PATIENCE, until


class Endpoint:
    """A merchant's server: keeps what it is sent, and answers with *statuses*, the last of them forever."""

    def __init__(self) -> None:
        endpoint = self
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.statuses = [200]
        self.cookie, self.location = "", "http://127.0.0.1:1/"
        self.before: Any = lambda: None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.before()
                endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
                endpoint.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                status = endpoint.statuses.pop(0) if len(endpoint.statuses) > 1 else endpoint.statuses[0]
                self.send_response(status)
                self.send_header("location", endpoint.location)
                self.send_header("set-cookie", endpoint.cookie)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/notifications"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def shop(na: Shop, endpoint: Endpoint) -> Iterator[Shop]:
    """A merchant whose notifications go to the endpoint."""
    na.emulator.reset()
    na.emulator.control.post("notifications/endpoint", url=endpoint.url)
    yield na
    na.emulator.control.post("notifications/endpoint", url=None)


def announced(shop: Shop) -> list[Json]:
    """What was announced, once all that is due has been delivered."""
    rows: list[Json] = shop.emulator.control.get("notifications")["notifications"]
    return rows


def news(shop: Shop) -> list[tuple[str, str]]:
    """Type of object and of change of each announcement."""
    return [(row["objectType"], row["notificationType"]) for row in announced(shop)]


def statuses(row: Json) -> list[int | None]:
    return [delivery["status"] for delivery in row["deliveries"]]


def reader(shop: Shop, **options: Any) -> NotificationReader:
    host = httpx.URL(shop.emulator.url).netloc.decode()
    http = options.pop("http", None) or http_client(timeout=PATIENCE)
    return NotificationReader(certificate_hosts=(host,), clock=shop.emulator.clock.now, http=http, **options)


def read(shop: Shop, body: bytes) -> Notification:
    told = reader(shop)
    try:
        return told.read(body)
    finally:
        told.close()


def ids(endpoint: Endpoint) -> list[str]:
    return [json.loads(json.loads(body)["Message"])["NotificationId"] for body in endpoint.bodies]


# --- The envelope -----------------------------------------------------------------------------------------------------


def test_a_notification_is_a_signed_envelope_without_a_state(shop: Shop, endpoint: Endpoint) -> None:
    """As text/plain, with the fields of the guide and no others; its certificate lies on the emulator."""
    wallet = shop.wallet()
    announced(shop)
    envelope = json.loads(endpoint.bodies[0])
    assert envelope.keys() == {
        "Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
        "UnsubscribeURL",
    }  # fmt: skip
    assert json.loads(envelope["Message"]) == {
        "MerchantID": shop.account.merchant_id, "ObjectType": "CHARGE_PERMISSION", "ObjectId": wallet,
        "ChargePermissionId": wallet, "NotificationType": "STATE_CHANGE", "NotificationVersion": "V2",
        "NotificationId": announced(shop)[0]["notificationId"],
    }  # fmt: skip
    assert envelope["SigningCertURL"].startswith(f"{shop.emulator.url}/")
    assert read(shop, endpoint.bodies[0]).timestamp == shop.emulator.clock.now()


def test_every_envelope_can_be_verified(shop: Shop, endpoint: Endpoint) -> None:
    """By topic, merchant and signature."""
    topic = shop.emulator.control.post("notifications/endpoint", url=endpoint.url)["topicArn"]
    shop.charge(shop.wallet())
    announced(shop)
    told = reader(shop, topic_arn=topic, merchant_id=shop.account.merchant_id)
    assert [told.read(body).object_type for body in endpoint.bodies] == ["CHARGE_PERMISSION", "CHARGE"]
    told.close()


def test_a_notification_of_an_https_emulator_is_verified_too(endpoint: Endpoint) -> None:
    """Its certificate comes by https, from an authority of its own."""
    with Emulator("jp", seed=7, https=True) as emulator, Shop(emulator) as shop:
        emulator.control.post("notifications/endpoint", url=endpoint.url)
        shop.wallet()
        announced(shop)
        assert emulator.ca_file
        told = reader(shop, http=shop.http)
        assert told.read(endpoint.bodies[0]).object_type == "CHARGE_PERMISSION"


def test_another_certificate_has_another_address(endpoint: Endpoint, tmp_path: Path) -> None:
    """A reader that keeps them by address goes on where the emulator is started again, on its port and its store."""
    told = NotificationReader(certificate_hosts=("127.0.0.1",), max_age=None)
    port, addresses = 0, list[str]()
    for _ in range(2):
        with Emulator("na", seed=7, store=tmp_path / "world.db", port=port, notify=endpoint.url) as emulator:
            with Shop(emulator) as shop:
                wallet = shop.wallet()
                announced(shop)
                assert told.read(endpoint.bodies[-1]).object_id == wallet
                addresses.append(json.loads(endpoint.bodies[-1])["SigningCertURL"])
                assert [shop.http.get(url).status_code for url in reversed(addresses)] == [200, 404][: len(addresses)]
            port = httpx.URL(emulator.url).port or 0
    told.close()


# --- What is announced ------------------------------------------------------------------------------------------------


def test_a_session_is_not_announced(shop: Shop) -> None:
    """Neither its creation nor its end; the permission that it leads to is."""
    session = shop.visited()
    assert announced(shop) == []
    shop.done("completeCheckoutSession", session)
    assert news(shop) == [("CHARGE_PERMISSION", "STATE_CHANGE")]


def test_every_change_of_state_is_announced(shop: Shop) -> None:
    """The merchant's own, Amazon's and the clock's; states in between, which nobody can see, are not."""
    wallet = shop.wallet()
    captured = shop.charge(wallet, captureNow=True)["chargeId"]
    shop.charge(wallet, code="AuthorizationInitiated", canHandlePendingAuthorization=True)
    shop.done("createRefund", chargeId=captured, refundAmount=usd(1))
    assert news(shop) == [(kind, "STATE_CHANGE") for kind in ("CHARGE_PERMISSION", "CHARGE", "CHARGE", "REFUND")]
    shop.emulator.clock.advance("PT30S")
    assert news(shop)[4:] == [("CHARGE", "STATE_CHANGE"), ("REFUND", "STATE_CHANGE")]
    shop.done("closeChargePermission", wallet, closureReason="over", cancelPendingCharges=True)
    assert news(shop)[6:] == [("CHARGE_PERMISSION", "STATE_CHANGE"), ("CHARGE", "STATE_CHANGE")]


def test_what_changes_no_state_is_not_announced(shop: Shop) -> None:
    """An update of the metadata, a reading, a refusal that leaves everything as it was."""
    wallet = shop.wallet()
    shop.done("updateChargePermission", wallet, merchantMetadata={"noteToBuyer": "Thanks"})
    shop.done("getChargePermission", wallet)
    shop.try_charge(wallet, 10_000_000)
    shop.try_charge(wallet, code="SoftDeclined")
    assert len(announced(shop)) == 1


def test_a_hard_decline_announces_the_permission(shop: Shop) -> None:
    """The refusal leaves no charge, but the permission has changed."""
    shop.try_charge(shop.wallet(), code="HardDeclined")
    assert news(shop) == [("CHARGE_PERMISSION", "STATE_CHANGE")] * 2


def test_a_changed_payment_method_is_an_attribute_change(shop: Shop) -> None:
    """Where the state changes as well, both are announced; while a charge is in progress, it does not."""
    wallet = shop.wallet()
    busy: Json = {"state": "NonChargeable", "reasonCode": "ChargeInProgress"}
    update: Json = {"chargePermissionId": wallet, "chargePermissionType": "PaymentMethodOnFile"} | {
        "webCheckoutDetails": {"checkoutResultReturnUrl": "https://shop.example/updated"},
        "paymentMethodOnFileMetadata": {"setupOnly": True}, "paymentDetails": {"paymentIntent": "Confirm"},
    }  # fmt: skip
    for cause in (
        lambda: None,
        lambda: shop.try_charge(wallet, code="HardDeclined"),
        lambda: shop.emulator.control.post(f"permissions/{wallet}", **busy),
    ):
        cause()
        session = shop.clicked(update)
        shop.buyer().walk(session, cards=("4444",))
        assert shop.done("completeCheckoutSession", session)["chargePermissionId"] == wallet
    changes = [kind for _, kind in news(shop)]
    once, repaired = ["ATTRIBUTE_CHANGE"], ["STATE_CHANGE", "STATE_CHANGE", "ATTRIBUTE_CHANGE"]
    assert changes == ["STATE_CHANGE", *once, *repaired, "STATE_CHANGE", *once]


def test_completing_a_purchase_announces_both_objects(shop: Shop) -> None:
    """The permission and its first charge, each once."""
    shop.order()
    assert news(shop) == [("CHARGE_PERMISSION", "STATE_CHANGE"), ("CHARGE", "STATE_CHANGE")]


def test_a_chargeback_is_announced_with_a_dispute(shop: Shop, endpoint: Endpoint) -> None:
    """Its id is the charge's with a B part; what it is about is to be got."""
    wallet = shop.wallet()
    charge = shop.charge(wallet, captureNow=True)["chargeId"]
    dispute = shop.emulator.control.post("notifications/chargeback", chargeId=charge)["disputeId"]
    assert announced(shop)[-1]["objectId"] == dispute
    last = read(shop, endpoint.bodies[-1])
    assert (last.object_type, last.object_id, last.charge_permission_id) == ("CHARGEBACK", dispute, wallet)
    assert dispute.startswith(f"{charge.rpartition('-')[0]}-B")
    assert shop.state("getDispute", dispute) == "ActionRequired"


def test_those_that_are_known_are_left_out(shop: Shop) -> None:
    """Who knows one asks for the rest, and for all after one that went with its world."""
    shop.charge(shop.wallet(), captureNow=True)
    everything = announced(shop)
    assert len(everything) > 1
    for number, row in enumerate(everything, 1):
        path = f"notifications?after={row['notificationId']}"
        assert shop.emulator.control.get(path)["notifications"] == everything[number:]
    assert shop.emulator.control.get("notifications?after=another")["notifications"] == everything


def test_nothing_is_announced_to_nobody(na: Shop) -> None:
    """Without an endpoint there are no notifications at all, and none of a merchant's go to another."""
    na.emulator.reset()
    charge = na.charge(na.wallet(), captureNow=True)["chargeId"]
    assert na.emulator.control.post("notifications/chargeback", chargeId=charge)["disputeId"]
    assert announced(na) == []


def test_one_merchants_endpoint_hears_nothing_of_anothers(shop: Shop, endpoint: Endpoint) -> None:
    """Each account has an endpoint of its own."""
    with Shop(shop.emulator, shop.emulator.other_merchant) as other:
        other.wallet()
        assert announced(shop) == []
        told = shop.emulator.control.post(
            "notifications/endpoint", url=endpoint.url, merchantId=other.account.merchant_id
        )
        other.wallet()
        assert len(announced(shop)) == 1
        assert told["topicArn"].endswith(other.account.merchant_id)
        shop.emulator.control.post("notifications/endpoint", url=None, merchantId=other.account.merchant_id)


def test_listening_changes_no_id(endpoint: Endpoint) -> None:
    """Notifications have a sequence of ids of their own, so a seed gives the same objects either way."""
    made = []
    for url in (None, endpoint.url):
        with Emulator("na", seed=7) as emulator, Shop(emulator) as one:
            emulator.control.post("notifications/endpoint", url=url)
            made.append([one.wallet(), one.order()["chargeId"]])
    assert made[0] == made[1]


# --- Deliveries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503])
def test_a_delivery_that_fails_is_repeated_hourly_for_three_hours(shop: Shop, endpoint: Endpoint, status: int) -> None:
    """On the virtual clock, and with the same notification."""
    endpoint.statuses = [status]
    shop.wallet()
    announced(shop)
    start = shop.emulator.clock.now()
    fired = shop.emulator.clock.advance("P2D")
    assert [row["kind"] for row in fired] == ["Notification"] * len(RETRIES)
    (row,) = announced(shop)
    hours = [(datetime.fromisoformat(one["at"]) - start).total_seconds() / 3600 for one in row["deliveries"]]
    assert hours == [0, 1, 2, 3]
    assert set(statuses(row)) == {status}
    assert len(set(ids(endpoint))) == 1
    assert len({json.loads(body)["Timestamp"] for body in endpoint.bodies}) == 1


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404])
def test_a_final_answer_is_not_repeated(shop: Shop, endpoint: Endpoint, status: int) -> None:
    """Neither a success nor a 4xx, and a redirect is not followed."""
    endpoint.statuses = [status]
    shop.wallet()
    announced(shop)
    shop.emulator.clock.advance("P1D")
    assert [statuses(row) for row in announced(shop)] == [[status]]
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize("location", ["http://xn--/", "myapp:done"])
def test_a_redirect_to_no_host_is_no_answer(
    shop: Shop, endpoint: Endpoint, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is written down like any other, and no error of the emulator's."""
    endpoint.statuses, endpoint.location = [302], location
    shop.wallet()
    assert [statuses(row) for row in announced(shop)] == [[None]]
    assert caplog.text == ""


def test_a_retry_that_succeeds_is_the_last(shop: Shop, endpoint: Endpoint) -> None:
    """The handler was away for an hour."""
    endpoint.statuses = [503, 200]
    shop.wallet()
    announced(shop)
    shop.emulator.clock.advance("P1D")
    assert [statuses(row) for row in announced(shop)] == [[503, 200]]


def test_nobody_at_the_endpoint_is_no_answer(shop: Shop, endpoint: Endpoint) -> None:
    """It is repeated like a 5xx."""
    shop.emulator.control.post("notifications/endpoint", url="http://127.0.0.1:9/nobody")
    shop.wallet()
    announced(shop)
    shop.emulator.clock.advance("PT1H")
    shop.emulator.control.post("notifications/endpoint", url=endpoint.url)
    shop.emulator.clock.advance("PT1H")
    assert [statuses(row) for row in announced(shop)] == [[None, None, 200]]


def test_deliveries_come_in_order_and_on_time(shop: Shop, endpoint: Endpoint) -> None:
    """A later event waits until the earlier one is delivered, so a handler sees the world as it was."""
    charge = shop.charge(shop.wallet(), captureNow=True)["chargeId"]
    first = shop.done("createRefund", chargeId=charge, refundAmount=usd(1))["refundId"]
    announced(shop)
    shop.emulator.clock.advance("PT10S")
    second = shop.done("createRefund", chargeId=charge, refundAmount=usd(1))["refundId"]
    announced(shop)
    endpoint.bodies.clear()
    seen: list[tuple[str, str]] = []
    endpoint.before = lambda: seen.append((shop.state("getRefund", first), shop.state("getRefund", second)))
    shop.emulator.clock.advance("PT1H")
    assert seen == [("Refunded", "RefundInitiated"), ("Refunded", "Refunded")]
    assert [read(shop, body).object_id for body in endpoint.bodies] == [first, second]


def test_the_world_answers_while_it_delivers(shop: Shop, endpoint: Endpoint) -> None:
    """A handler may get the object before it answers."""
    seen: list[str] = []
    wallet = shop.wallet()
    announced(shop)
    endpoint.before = lambda: seen.append(shop.state("getChargePermission", wallet))
    shop.charge(wallet)
    announced(shop)
    assert seen == ["Chargeable"]


def test_more_announcements_than_deliveries_hold_nothing(shop: Shop, endpoint: Endpoint) -> None:
    """Each delivery leads to another announcement: reading and advancing deal with what was there at the call."""
    wallet = shop.wallet()
    announced(shop)  # else it is on its way while the endpoint changes
    endpoint.before = lambda: shop.charge(wallet, "0.01")
    shop.charge(wallet, "0.01")
    start = shop.emulator.clock.now()
    first = announced(shop)
    assert statuses(first[1]) == [200]
    shop.emulator.clock.advance("PT1M")
    assert shop.emulator.clock.now() == start + timedelta(minutes=1)
    endpoint.before = lambda: None
    assert len(announced(shop)) > len(first)


def test_time_goes_on_beside_more_news_than_an_endpoint_takes(
    shop: Shop, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others announce meanwhile is not waited for without an end, nor attempted again before its turn."""
    wallet = shop.wallet()
    charge = shop.charge(wallet, captureNow=True)["chargeId"]
    shop.done("createRefund", chargeId=charge, refundAmount=usd(1))
    shop.emulator.clock.advance("PT10S")
    shop.done("createRefund", chargeId=charge, refundAmount=usd(1))
    announced(shop)
    endpoint.bodies.clear()
    answers, calls = threading.Event(), count()

    def another_request() -> None:
        if next(calls):
            answers.wait(PATIENCE)
        else:
            shop.charge(wallet, "0.01")

    endpoint.before = another_request
    end = shop.emulator.clock.now() + timedelta(hours=5)
    with monkeypatch.context() as hurry:
        hurry.setattr(post, "LONGEST_WAIT_SECONDS", 0.2)
        shop.emulator.clock.advance("PT5H")
    assert shop.emulator.clock.now() == end
    assert until(lambda: len(endpoint.bodies) == 1)
    answers.set()
    assert [statuses(row) for row in announced(shop)[-3:]] == [[200]] * 3
    assert len(endpoint.bodies) == len(set(ids(endpoint))) == 3


def test_an_advance_waits_for_a_slow_endpoint_once(
    shop: Shop, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not anew at each of its steps: else whoever has asked for it gives up, and knows nothing of what has happened."""
    charge = shop.charge(shop.wallet(), captureNow=True)["chargeId"]
    for _ in range(6):
        shop.done("createRefund", chargeId=charge, refundAmount=usd(1))
        shop.emulator.clock.advance("PT1S")
    announced(shop)
    endpoint.bodies.clear()
    answers = threading.Event()
    endpoint.before = lambda: answers.wait(0.4)
    end = shop.emulator.clock.now() + timedelta(hours=1)
    with monkeypatch.context() as hurry:
        hurry.setattr(post, "LONGEST_WAIT_SECONDS", 1)
        shop.emulator.clock.advance("PT1H")
    assert shop.emulator.clock.now() == end
    assert len(endpoint.bodies) < 6
    answers.set()
    assert [statuses(row) for row in announced(shop)[-6:]] == [[200]] * 6


def test_an_endpoint_that_never_answers_is_left_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """For some seconds, after deliveries in a row that timed out; an advance of time, and whoever asks, tries it."""
    monkeypatch.setattr(post, "DELIVERY_TIMEOUT_SECONDS", 1.5)
    monkeypatch.setattr(post, "PAUSE_SECONDS", PATIENCE)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        shop.emulator.control.post("notifications/endpoint", url=url)
        wallet = shop.wallet()
        for _ in range(20):
            shop.charge(wallet, "0.01")
        rows = announced(shop)
        assert [statuses(row) for row in rows] == [[None]] * 21
        assert callers(silent) == post.MOST_TIMEOUTS
        shop.emulator.clock.advance("P1D")
        assert callers(silent) == 1
        assert statuses(announced(shop)[-1]) == [None] * (1 + len(RETRIES))
        shop.emulator.control.post(f"notifications/{rows[0]['notificationId']}/redeliver")
        assert callers(silent) == 1
        shop.emulator.clock.advance("P1D")
        assert callers(silent) == post.MOST_TIMEOUTS - 1
        shop.charge(wallet, "0.01")
        assert statuses(announced(shop)[-1]) == [None]
        assert callers(silent) == 0
        monkeypatch.setattr(post, "PAUSE_SECONDS", 0)
        for attempt in (lambda: shop.emulator.clock.advance("P1D"), lambda: shop.charge(wallet, "0.01")):
            attempt()
            announced(shop)
            assert callers(silent) == 1


def callers(server: socket.socket) -> int:
    """How many have connected since the last time."""
    server.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_one_merchants_delivery_waits_for_nobody_elses(shop: Shop, endpoint: Endpoint) -> None:
    """The first endpoint answers only when the second one has been called."""
    other_end, arrived = Endpoint(), threading.Event()
    other_end.before, endpoint.before = arrived.set, lambda: arrived.wait(PATIENCE)
    try:
        with Shop(shop.emulator, shop.emulator.other_merchant) as other:
            account = other.account.merchant_id
            shop.emulator.control.post("notifications/endpoint", url=other_end.url, merchantId=account)
            shop.wallet()
            other.wallet()
            assert [statuses(row) for row in announced(shop)] == [[200], [200]]
            shop.emulator.control.post("notifications/endpoint", url=None, merchantId=account)
    finally:
        other_end.close()


@pytest.mark.parametrize("cookie", ["seen=by-another", "\xff=\xff", "x=" + "x" * 60_000])
def test_no_endpoint_is_told_what_another_has_set(shop: Shop, endpoint: Endpoint, cookie: str) -> None:
    """Both are on one host, which is all that a cookie looks at; one beyond ASCII would end every later delivery."""
    other_end, endpoint.cookie = Endpoint(), cookie
    try:
        with Shop(shop.emulator, shop.emulator.other_merchant) as other:
            account = other.account.merchant_id
            shop.emulator.control.post("notifications/endpoint", url=other_end.url, merchantId=account)
            for one in (shop, other, shop):
                one.wallet()
                announced(shop)
            assert [statuses(row) for row in announced(shop)] == [[200]] * 3
            assert not [headers for headers in (*endpoint.headers, *other_end.headers) if "cookie" in headers]
            shop.emulator.control.post("notifications/endpoint", url=None, merchantId=account)
    finally:
        other_end.close()


def test_what_is_still_to_come_survives_the_process(tmp_path: Path, endpoint: Endpoint) -> None:
    """A notification is kept with the change that it announces, and so is the endpoint."""
    store = tmp_path / "world.db"
    endpoint.statuses = [503, 200]
    with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
        emulator.control.post("notifications/endpoint", url=endpoint.url)
        shop.wallet()
        before = announced(shop)
    with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
        emulator.clock.advance("PT1H")
        assert [row["notificationId"] for row in announced(shop)] == [row["notificationId"] for row in before]
        assert [statuses(row) for row in announced(shop)] == [[503, 200]]
        assert read(shop, endpoint.bodies[-1])


def test_in_real_time_deliveries_need_no_push(endpoint: Endpoint) -> None:
    """They come after the request, and what comes by itself is announced as well."""
    arrived = threading.Event()
    with Emulator("na") as emulator, Shop(emulator) as shop:
        emulator.control.post("notifications/endpoint", url=endpoint.url)
        endpoint.before = arrived.set
        shop.wallet()
        assert arrived.wait(PATIENCE)
        assert [statuses(row) for row in announced(shop)] == [[200]]
        sent = datetime.fromisoformat(json.loads(endpoint.bodies[0])["Timestamp"])
        assert abs((datetime.now(UTC) - sent).total_seconds()) < PATIENCE


def test_a_snapshot_takes_notifications_along(shop: Shop, endpoint: Endpoint) -> None:
    """Those that were announced later are gone, and no other one has their ids; the endpoint is the account's."""
    shop.wallet()
    announced(shop)
    snapshot = shop.emulator.snapshot()
    shop.wallet()
    assert len(announced(shop)) == 2
    shop.emulator.restore(snapshot)
    assert len(announced(shop)) == 1
    shop.wallet()
    assert len(announced(shop)) == 2
    shop.emulator.reset()
    assert announced(shop) == []
    shop.wallet()
    assert len(announced(shop)) == 1
    assert len({*ids(endpoint)}) == len(endpoint.bodies) == 4


def test_what_a_world_has_sent_is_no_other_worlds(shop: Shop, endpoint: Endpoint) -> None:
    """A snapshot is put back during a delivery: in that world its next attempt comes, in its own time."""
    called, over = threading.Event(), threading.Event()
    endpoint.before = lambda: (called.set(), over.wait(PATIENCE))
    shop.wallet()
    assert called.wait(PATIENCE)
    shop.emulator.restore(shop.emulator.snapshot())
    over.set()
    assert [statuses(row) for row in announced(shop)] == [[]]
    shop.emulator.clock.advance("P1D")
    assert [statuses(row) for row in announced(shop)] == [[200]]
    assert len(endpoint.bodies) == 2
    assert len({*ids(endpoint)}) == 1


# --- Control ----------------------------------------------------------------------------------------------------------


def test_a_notification_can_be_delivered_again(shop: Shop, endpoint: Endpoint) -> None:
    """Now, with the same id, and with all retries before it."""
    shop.wallet()
    (row,) = announced(shop)
    endpoint.statuses = [503, 200]
    again = shop.emulator.control.post(f"notifications/{row['notificationId']}/redeliver")
    assert statuses(again) == [200, 503]
    shop.emulator.clock.advance("PT1H")
    assert [statuses(one) for one in announced(shop)] == [[200, 503, 200]]
    assert len(set(ids(endpoint))) == 1


def test_a_delivery_has_the_headers_of_the_service(shop: Shop, endpoint: Endpoint) -> None:
    """A handler may tell a notification, its id and its topic without reading the body, which says the same."""
    shop.wallet()
    announced(shop)
    headers, envelope = endpoint.headers[0], json.loads(endpoint.bodies[0])
    assert headers["x-amz-sns-message-type"] == envelope["Type"] == "Notification"
    assert headers["x-amz-sns-message-id"] == envelope["MessageId"]
    assert headers["x-amz-sns-topic-arn"] == envelope["TopicArn"]
    assert headers["x-amz-sns-subscription-arn"].startswith(f"{envelope['TopicArn']}:")
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["user-agent"] == "Amazon Simple Notification Service Agent"


def test_an_endpoint_that_cannot_be_called_holds_nothing(shop: Shop, endpoint: Endpoint) -> None:
    """An address of 70 kB is one for the emulator, and none for its client; what comes later is delivered."""
    shop.emulator.control.post("notifications/endpoint", url=f"http://127.0.0.1:1/{'x' * 70_000}")
    wallet = shop.wallet()
    assert [statuses(row) for row in announced(shop)] == [[None]]
    shop.emulator.control.post("notifications/endpoint", url=endpoint.url)
    shop.charge(wallet)
    assert [statuses(row) for row in announced(shop)] == [[None], [200]]


@pytest.mark.parametrize(
    "url",
    ["https://shop.example/n", "http://shop.example/n", "https://127.0.0.1/n", "ftp://127.0.0.1/", "127.0.0.1:80",
     "http://u:p@127.0.0.1/", "http://127.0.0.1.evil.example/", "http://[::1", "http://127.0.0.1:99999/", "http://",
     "http://evil.test[::1]/n", "http://[::1].evil.test/n", "http://evil.test\\@127.0.0.1/n", " http://127.0.0.1/n",
     "http://127.0.0.1/a b"],
)  # fmt: skip
def test_only_an_address_on_this_machine_can_be_an_endpoint(shop: Shop, url: str) -> None:
    """The emulator calls nobody else."""
    answer = ask(shop, "notifications/endpoint", {"url": url})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("notifications/endpoint", {}, 400), ("notifications/endpoint", {"url": 1}, 400),
        ("notifications/endpoint", {"url": None, "merchantId": "x"}, 404),
        ("notifications/drill", {"kind": "explode"}, 400), ("notifications/drill", {}, 400),
        ("notifications/x/redeliver", {}, 404), ("notifications/chargeback", {"chargeId": "x"}, 404),
    ],
)  # fmt: skip
def test_a_mistake_is_explained(shop: Shop, path: str, body: Json, status: int) -> None:
    """With the status that fits."""
    answer = ask(shop, path, body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def ask(shop: Shop, path: str, body: Json) -> httpx.Response:
    control = shop.emulator.control
    return shop.http.post(f"{control.url}/{path}", json=body, headers={"authorization": f"Bearer {control.token}"})


def test_notifications_are_nobody_elses_business(shop: Shop) -> None:
    """Without the token there is nothing to see or to set; the certificate is public."""
    for method, path in (("GET", "notifications"), ("POST", "notifications/endpoint"), ("POST", "notifications/drill")):
        assert shop.http.request(method, f"{shop.emulator.control.url}/{path}", json={}).status_code == 401
    assert shop.http.get(shop.emulator.certificate_url).text.startswith("-----BEGIN CERTIFICATE-----")


# --- Disorder ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "at_once", "later"),
    [("duplicate", [0, 0, 1, 2], []), ("late", [1, 2], [0]), ("swap", [1, 0, 2], []), ("lost", [1, 2], []),
     ("burst", [0] * 10 + [1, 2], [])],
)  # fmt: skip
def test_a_drill_disturbs_the_next_notifications(
    shop: Shop, endpoint: Endpoint, kind: str, at_once: list[int], later: list[int]
) -> None:
    """Once; the ones after it come as always."""
    wallet = shop.wallet()
    announced(shop)
    endpoint.bodies.clear()
    assert shop.emulator.control.post("notifications/drill", kind=kind) == {"drills": [kind]}
    charges = [shop.charge(wallet)["chargeId"] for _ in range(3)]
    announced(shop)
    assert [charges.index(read(shop, body).object_id) for body in endpoint.bodies] == at_once
    endpoint.bodies.clear()
    shop.emulator.clock.advance("PT1H")
    assert [charges.index(read(shop, body).object_id) for body in endpoint.bodies] == later


def test_a_lost_notification_can_be_redelivered(shop: Shop, endpoint: Endpoint) -> None:
    """It was announced, and never sent."""
    shop.emulator.control.post("notifications/drill", kind="lost")
    shop.wallet()
    (row,) = announced(shop)
    assert (row["deliveries"], endpoint.bodies) == ([], [])
    assert statuses(shop.emulator.control.post(f"notifications/{row['notificationId']}/redeliver")) == [200]


def test_the_first_of_two_does_not_wait_for_ever(shop: Shop, endpoint: Endpoint) -> None:
    """Where no second one comes, it is only late."""
    shop.emulator.control.post("notifications/drill", kind="swap")
    shop.wallet()
    announced(shop)
    assert endpoint.bodies == []
    shop.emulator.clock.advance("PT1H")
    assert len(endpoint.bodies) == 1
    shop.wallet()
    announced(shop)
    assert len(endpoint.bodies) == 2


def test_one_request_can_be_swapped_in_itself(shop: Shop, endpoint: Endpoint) -> None:
    """The charge of a purchase arrives before its permission."""
    shop.emulator.control.post("notifications/drill", kind="swap")
    shop.order()
    announced(shop)
    assert [read(shop, body).object_type for body in endpoint.bodies] == ["CHARGE", "CHARGE_PERMISSION"]


def test_drills_wait_for_their_turn(shop: Shop) -> None:
    """Each takes what comes after the one before; a reset forgets them."""
    for kind in DRILLS:
        drills = shop.emulator.control.post("notifications/drill", kind=kind)["drills"]
    assert drills == list(DRILLS)
    shop.emulator.reset()
    assert shop.emulator.control.post("notifications/drill", kind="late") == {"drills": ["late"]}
