"""The control interface: clock, outcomes, faults, snapshots, and who may use it."""

import json
import os
import re
import stat
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.remote import ControlError
from amazonpay_nb.emulator.store import MAX_SNAPSHOTS
from amazonpay_nb.signing.keys import generate
from tests.emulated import Shop, refusal, usd

CALLS = [
    ("GET", "clock", None), ("POST", "clock", {"advance": "PT1S"}), ("GET", "journal", None),
    ("POST", "outcomes", {"operation": "createCharge", "simulationCode": "SoftDeclined"}),
    ("POST", "faults", {"operation": "createCharge", "fault": "reset"}), ("POST", "snapshot", None),
    ("POST", "reset", None), ("POST", "permissions/C01-0000000-0000000", {"state": "Closed"}),
    ("POST", "charges/S01-0000000-0000000-C000000", {"state": "Canceled"}),
    ("GET", "objects/charges/x", None), ("GET", "objects/charges", None),
    ("POST", "restore", {"id": "snapshot-1"}), ("POST", "keys", {"publicKey": ""}),
]  # fmt: skip


def ask(shop: Shop, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    control = shop.emulator.control
    owner = {"authorization": f"Bearer {control.token}"}
    return shop.http.request(method, f"{control.url}/{path}", json=body, headers=owner | headers)


class TestOwner:
    """Who may use it."""

    @pytest.mark.parametrize(("method", "path", "body"), CALLS)
    @pytest.mark.parametrize(
        ("headers", "status"),
        [({"authorization": ""}, 401), ({"authorization": "Bearer x"}, 401), ({"authorization": "Bearer \xe4"}, 401),
         ({"origin": "http://127.0.0.1"}, 401), ({"origin": "null"}, 401), ({"host": "evil.test"}, 403),
         ({"host": "127.0.0.1.evil.test:80"}, 403), ({"host": "[::1"}, 403)],
    )  # fmt: skip
    def test_others_are_refused(
        self, na: Shop, method: str, path: str, body: Any, headers: dict[str, str], status: int
    ) -> None:
        """No token, a page of any origin, or a foreign name for this address: nothing happens."""
        control = na.emulator.control
        sent = {"authorization": f"Bearer {control.token}"} | headers
        raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        response = na.http.request(method, f"{control.url}/{path}", json=body, headers=raw)
        assert (response.status_code, list(response.json())) == (status, ["error"])

    def test_two_tokens_are_no_token(self, na: Shop) -> None:
        """Whoever reads the last of them, as a proxy before it may, reads what this one reads."""
        control = na.emulator.control
        sent = [("authorization", f"Bearer {control.token}"), ("authorization", "Bearer x")]
        for headers in (sent, sent[::-1]):
            assert na.http.request("GET", f"{control.url}/clock", headers=headers).status_code == 401

    def test_only_a_world_has_a_long_body(self, na: Shop) -> None:
        """And only where its owner sends it; the rest of any other is not read."""
        long = {"advance": "PT1S", "world": "#" * 300_000}
        assert [ask(na, "POST", path, long).status_code for path in ("clock", "reset")] == [413, 413]
        assert ask(na, "POST", "world", long, authorization="").status_code == 401
        assert ask(na, "POST", "world", {"world": long["world"]}).status_code == 200
        longer = ask(na, "POST", "world", {"world": "#" * 2_000_000})
        assert (longer.status_code, "larger than 1835008 bytes" in longer.text) == (413, True)

    @pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80"])
    def test_every_name_of_loopback_is_accepted(self, na: Shop, host: str) -> None:
        """With and without a port."""
        assert ask(na, "GET", "clock", host=host).status_code == 200

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("clock", {"advance": "tomorrow"}, 400), ("clock", {"advance": "PT"}, 400),
            ("clock", {"advance": "P1M"}, 400), ("clock", {"advance": "P٣D"}, 400),
            ("clock", {"advance": "P9999999999D"}, 400), ("clock", {"advance": "P" + "9" * 400 + "D"}, 400),
            ("clock", {"advance": "P2900000D"}, 400), ("clock", {"advance": 1}, 400), ("clock", {}, 400),
            ("clock", {"advance": "PT1S", "x": 1}, 400), ("clock", [], 400),
            ("outcomes", {"operation": "createCharge", "simulationCode": "x"}, 400),
            ("outcomes", {"operation": "x", "simulationCode": "SoftDeclined"}, 400),
            ("outcomes", {"operation": "createCharge", "simulationCode": "SoftDeclined", "times": 0}, 400),
            ("outcomes", {"operation": "createCharge", "simulationCode": "SoftDeclined", "times": 10**9}, 400),
            ("faults", {"operation": "x", "fault": "reset"}, 400),
            ("faults", {"operation": "createCharge", "fault": "explode"}, 400),
            ("faults", {"operation": "createCharge", "fault": "status", "status": 200}, 400),
            ("faults", {"operation": "createCharge", "fault": "delay", "seconds": -1}, 400),
            ("permissions/C01-0000000-0000000", {"state": "Closed"}, 404),
            ("restore", {"id": "snapshot-0"}, 404), ("keys", {"publicKey": "x", "merchantId": "x"}, 404),
            ("nothing", {}, 404), ("reset", {"now": "yesterday"}, 400), ("reset", {"now": 20260101}, 400),
        ],
        ids=str,
    )  # fmt: skip
    def test_a_mistake_is_explained(self, na: Shop, path: str, body: Any, status: int) -> None:
        """And the clock stands where it stood."""
        before = na.emulator.clock.now()
        response = ask(na, "POST", path, body)
        assert response.status_code == status
        assert response.json()["error"]
        assert na.emulator.clock.now() == before

    def test_an_outcome_that_cannot_be_names_what_can(self, na: Shop) -> None:
        """A wrong operation lists the operations, and a wrong code those of its operation."""
        for operation, code, possible in (
            ("create_charge", "SoftDeclined", "createCharge"), ("createCharge", "x", "SoftDeclined"),
            ("createRefund", "x", "ProcessingFailure"), ("getBuyer", "x", "ServiceUnavailable"),
        ):  # fmt: skip
            answer = ask(na, "POST", "outcomes", {"operation": operation, "simulationCode": code})
            wrong, _, names = answer.json()["error"].partition("; there are ")
            assert (answer.status_code, possible in names.rstrip(".").split(", ")) == (400, True), answer.text
            assert (code if possible != "createCharge" else operation) in wrong

    def test_a_cause_that_cannot_be_names_what_can_once(self, na: Shop) -> None:
        """However many rows lead there."""
        wallet = na.wallet()
        answer = ask(na, "POST", f"permissions/{wallet}", {"state": "Frozen"}).json()["error"]
        possible = answer.partition("possible: ")[2].rstrip(".").split("), ")
        assert len(possible) == len(set(possible)) > 1
        ask(na, "POST", f"permissions/{wallet}", {"state": "NonChargeable", "reasonCode": "PaymentMethodExpired"})
        assert ask(na, "POST", f"permissions/{wallet}", {"state": "Frozen"}).json()["error"].count(" Chargeable") == 1

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"\xff",
            b"NaN",
            b'{"advance":NaN}',
            b'{"advance":"\\ud800"}',
            b"[" * 9999,
            b'{"advance":"PT1S","advance":"PT2S"}',
        ],
    )
    def test_what_is_no_json_is_refused(self, na: Shop, content: bytes) -> None:
        """400, never a server error."""
        headers = {"authorization": f"Bearer {na.emulator.control.token}", "content-type": "application/json"}
        response = na.http.post(f"{na.emulator.control.url}/clock", content=content, headers=headers)
        assert (response.status_code, list(response.json())) == (400, ["error"])

    @pytest.mark.parametrize("path", ["objects/buyers", "objects/buyers/x"])
    def test_an_unknown_kind_is_not_found(self, na: Shop, path: str) -> None:
        """The four kinds are named."""
        response = ask(na, "GET", path)
        assert (response.status_code, "checkoutSessions" in response.json()["error"]) == (404, True)
        assert ask(na, "GET", "objects/charges/x").status_code == 404
        assert ask(na, "PUT", "clock").status_code == 405


def test_the_objects_of_a_kind_are_listed(na: Shop) -> None:
    """As each is by itself, and nothing else."""
    charges = [na.charge(na.wallet())["chargeId"] for _ in range(2)]
    listed = na.emulator.control.get("objects/charges")["objects"]
    assert {document["chargeId"] for document in listed} >= set(charges)
    assert [na.emulator.control.get(f"objects/charges/{document['chargeId']}") for document in listed] == listed


class TestClock:
    """Virtual and real time."""

    def test_virtual_time_stands_still(self, na: Shop) -> None:
        """What falls due is listed in order, each at its own time."""
        na.emulator.reset()
        charge_id = na.charge(na.wallet(), captureNow=True)["chargeId"]
        refunds = [na.done("createRefund", chargeId=charge_id, refundAmount=usd(1))["refundId"] for _ in range(2)]
        before = ask(na, "GET", "clock").json()
        answer = ask(na, "POST", "clock", {"advance": "PT24H"}).json()
        assert before["mode"] == answer["mode"] == "virtual"
        assert [(row["id"], row["trigger"]) for row in answer["fired"]] == [(r, "Refund") for r in refunds]
        moved = datetime.fromisoformat(answer["now"]) - datetime.fromisoformat(before["now"])
        due = datetime.fromisoformat(answer["fired"][0]["at"]) - datetime.fromisoformat(before["now"])
        assert (moved.total_seconds(), due.total_seconds()) == (86_400, 30)
        stamp = na.done("getRefund", refunds[0])["statusDetails"]["lastUpdatedTimestamp"]
        assert stamp == answer["fired"][0]["at"].replace("-", "").replace(":", "")

    def test_time_is_advanced_by_text_or_by_numbers(self, na: Shop) -> None:
        """A duration of ISO 8601 and the keywords mean the same."""
        clock = na.emulator.clock
        moments = [clock.now()]
        for text, numbers in (
            ("PT24H", {}),
            ("", {"hours": 24}),
            ("", {"days": 1}),
            ("", {"hours": 23, "seconds": 3600}),
        ):
            clock.advance(text, **numbers)
            moments.append(clock.now())
        assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(days=1)}

    def test_a_seed_repeats_everything(self) -> None:
        """Ids, times and request ids."""
        runs = []
        for _ in range(2):
            with Emulator("eu", seed=11) as emulator, Shop(emulator) as shop:
                wallet = shop.wallet()
                answer = shop.try_charge(wallet, currency="EUR")
                runs.append((wallet, answer.text, answer.headers["x-amz-pay-request-id"], shop.account.public_key_id))
        assert runs[0] == runs[1]
        assert "20260115T120000Z" in runs[0][1]

    def test_without_a_seed_time_is_real(self) -> None:
        """It cannot be moved, and ids do not repeat."""
        ids = set()
        for _ in range(2):
            with Emulator("na") as emulator, Shop(emulator) as shop:
                response = ask(shop, "POST", "clock", {"advance": "PT1S"})
                assert (response.status_code, ask(shop, "GET", "clock").json()["mode"]) == (409, "real")
                assert abs((emulator.clock.now() - datetime.now(UTC)).total_seconds()) < 60
                ids.add(shop.wallet())
        assert len(ids) == 2

    def test_a_start_can_be_given(self) -> None:
        """With or without a seed."""
        start = datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC)
        with Emulator("na", start=start) as emulator:
            assert emulator.clock.now() == start


class TestWorlds:
    """Snapshot, restore and reset."""

    def test_a_snapshot_brings_everything_back(self, na: Shop) -> None:
        """Objects, spending, time, what is due, and answers that are replayed; later ids repeat."""
        wallet = na.wallet()
        pending = na.charge(wallet, code="AuthorizationInitiated", canHandlePendingAuthorization=True)
        before = na.emulator.clock.now()
        snapshot = na.emulator.snapshot()
        first = na.charge(wallet, key="after-snapshot")
        na.emulator.clock.advance("PT1H")
        na.done("closeChargePermission", wallet)
        na.emulator.outcomes("createCharge", "SoftDeclined")
        na.emulator.restore(snapshot)
        assert na.emulator.clock.now() == before
        assert na.state("getChargePermission", wallet) == "Chargeable"
        assert refusal(na.call("getCharge", first["chargeId"])) == (404, "ResourceNotFound")
        assert na.charge(wallet, key="after-snapshot") == first
        fired = na.emulator.clock.advance("PT30S")
        assert pending["chargeId"] in [row["id"] for row in fired]

    def test_keys_outlive_a_restore(self) -> None:
        """An account that was set up after the snapshot can still sign; a new key gets a new id."""
        with Emulator("na", seed=7) as emulator:
            snapshot = emulator.snapshot()
            with Shop(emulator) as shop:
                emulator.restore(snapshot)
                assert shop.wallet()
            emulator.restore(snapshot)
            answer = emulator.control.post("keys", publicKey=generate().public_pem)
            assert answer["neutralPublicKeyId"] != emulator.merchant.neutral_public_key_id

    def test_old_snapshots_are_forgotten(self, jp: Shop) -> None:
        """Each is a whole copy: there is a limit, and the newest stay."""
        names = [jp.emulator.snapshot() for _ in range(MAX_SNAPSHOTS + 1)]
        assert len(set(names)) == len(names)
        assert [ask(jp, "POST", "restore", {"id": name}).status_code for name in names[:2]] == [404, 200]

    def test_a_snapshot_that_is_used_up_makes_no_room_for_itself(self, jp: Shop) -> None:
        """Put back for good, it is gone; so any number of forks leave an older snapshot where it is."""
        oldest = jp.emulator.snapshot()
        for _ in range(MAX_SNAPSHOTS + 1):
            fork = jp.emulator.snapshot()
            jp.emulator.restore(fork, keep=False)
        assert [ask(jp, "POST", "restore", {"id": name}).status_code for name in (fork, oldest)] == [404, 200]

    def test_a_reset_keeps_merchants_keys_and_clock(self, na: Shop) -> None:
        """And nothing else: no object, outcome, fault, answer or exchange."""
        wallet = na.wallet()
        na.charge(wallet, key="before-reset")
        na.emulator.outcomes("createCharge", "SoftDeclined")
        na.emulator.faults("createCharge", "reset")
        now = na.emulator.clock.now()
        na.emulator.reset()
        assert na.emulator.control.get("journal") == {"exchanges": []}
        assert refusal(na.call("getChargePermission", wallet)) == (404, "ResourceNotFound")
        again = na.wallet()
        assert again != wallet
        assert na.charge(again, key="before-reset")
        assert na.emulator.clock.now() == now

    def test_a_reset_may_set_virtual_time(self) -> None:
        """Also back: nothing is left that has happened later.  Wall time is as it is."""
        start = datetime(2027, 2, 28, tzinfo=UTC)
        with Emulator("na", start=start) as emulator:
            emulator.clock.advance("PT24H")
            for text in ("2027-02-28T01:00:00+01:00", "20270228T000000Z", "20270228"):
                assert emulator.control.post("reset", now=text)["now"] == "2027-02-28T00:00:00Z"
            with pytest.raises(ControlError, match="1970"):
                emulator.control.post("reset", now="1969-12-31T00:00:00Z")
        with Emulator("na") as emulator, pytest.raises(ControlError, match="virtual"):
            emulator.control.post("reset", now="2027-02-28T00:00:00Z")


class TestMishaps:
    """What is to go wrong, by methods of the emulator."""

    def test_an_outcome_is_queued(self, na: Shop) -> None:
        """As many times as asked for."""
        wallet = na.wallet()
        na.emulator.queue_outcome("createCharge", "SoftDeclined", times=2)
        declined = (422, "SoftDeclined")
        assert [refusal(na.try_charge(wallet)) for _ in range(2)] == [declined, declined]
        assert na.charge(wallet)

    def test_a_fault_is_injected(self, na: Shop) -> None:
        """For the next call of its operation."""
        wallet = na.wallet()
        na.emulator.inject_fault("createCharge", "status", status=503)
        assert na.try_charge(wallet).status_code == 503
        assert na.charge(wallet)

    def test_the_short_names_do_the_same(self) -> None:
        """`outcomes` and `faults` are how scripts have called them."""
        assert (Emulator.outcomes, Emulator.faults) == (Emulator.queue_outcome, Emulator.inject_fault)


class TestJournal:
    """What happened."""

    def test_an_exchange_is_taken_down_without_secrets(self, na: Shop) -> None:
        """Ids and states, no signature, no body; unauthenticated calls too."""
        na.emulator.reset()
        wallet = na.wallet()
        na.charge(wallet, key="journal", platformId="p" * 5000)
        na.http.post("/v2/charges", headers={"x-amz-pay-idempotency-key": "k" * 5000})
        exchanges = na.emulator.control.get("journal")["exchanges"]
        charge, refused = exchanges[-2:]
        assert (charge["operation"], charge["status"], charge["state"]) == ("createCharge", 201, "Authorized")
        assert charge["ids"]["chargePermissionId"] == wallet
        assert len(charge["ids"]["platformId"]) == 200
        assert (refused["reasonCode"], len(refused["idempotencyKey"])) == ("MissingHeader", 64)
        text = json.dumps(exchanges)
        assert not any(secret in text for secret in ("Signature=", "ada@example.com", "Ada Example", "Seattle"))

    @pytest.mark.parametrize(
        "path", ["/v2/charges/" + "}name='" * 5000, "/checkout?" + "&".join(f"{n:x}" for n in range(12_000)) + "&2edf"],
        ids=["secrets", "the last name occurs twice"],
    )  # fmt: skip
    def test_a_stranger_with_a_long_path_holds_nobody_up(self, na: Shop, path: str) -> None:
        """Only what is kept of it is looked through for secrets, and each name is read once, while everybody waits."""
        took = list[float]()
        for _ in range(3):  # this process does other things, too
            before = time.process_time()
            assert na.http.get(path).status_code in (400, 404)
            took.append(time.process_time() - before)
        assert min(took) < 1  # usually 0.02 and 0.1


class TestAccounts:
    """Keys, and the ready file."""

    def test_ids_of_accounts_have_their_forms(self, na: Shop) -> None:
        """Merchant, store, public key and buyer."""
        account = na.emulator.merchant
        assert re.fullmatch(r"A[A-Z0-9]{12,13}", account.merchant_id)
        assert re.fullmatch(r"amzn1\.application-oa2-client\.[0-9a-f]{32}", account.store_id)
        assert re.fullmatch(r"SANDBOX-[A-Z0-9]{24}", account.public_key_id)
        assert account.public_key_id == f"SANDBOX-{account.neutral_public_key_id}"
        buyer = na.done("getChargePermission", na.wallet())["buyer"]
        assert re.fullmatch(r"amzn1\.account\.[A-Z0-9]+", buyer["buyerId"])

    def test_emulators_in_memory_share_their_pairs(self, na: Shop, tmp_path: Path) -> None:
        """Their two merchants do not, nor does an emulator with a file."""
        with Emulator() as other, Emulator(store=tmp_path / "store.db") as kept:
            pairs = [na.emulator.merchant, other.merchant, other.other_merchant, kept.merchant]
        first, same, second, third = (pair.keys.fingerprint for pair in pairs)
        assert first == same
        assert len({first, second, third}) == 3

    def test_a_key_can_be_registered(self, na: Shop) -> None:
        """For either account; both ids work at once."""
        own = generate()
        answer = ask(na, "POST", "keys", {"publicKey": own.public_pem}).json()
        assert answer["publicKeyId"] == f"SANDBOX-{answer['neutralPublicKeyId']}"
        assert answer["merchantId"] == na.account.merchant_id
        other = na.emulator.other_merchant.merchant_id
        assert ask(na, "POST", "keys", {"publicKey": own.public_pem, "merchantId": other}).json()["merchantId"] == other

    @pytest.mark.parametrize("kind", ["nothing", "private", "short", "ec", "dsa"])
    def test_only_an_rsa_public_key_is_registered(self, na: Shop, kind: str) -> None:
        """A private key must never be sent."""
        keys: dict[str, Any] = {
            "short": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 (to be refused)
            "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
            "dsa": lambda: dsa.generate_private_key(2048),
        }
        if kind == "private":
            pem = generate().private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        elif kind in keys:
            pem = keys[kind]().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        else:
            pem = "nothing"
        assert ask(na, "POST", "keys", {"publicKey": pem}).status_code == 400

    def test_the_ready_file_is_its_owners_alone(self, na: Shop, tmp_path: Path) -> None:
        """And holds what the design promises."""
        path = tmp_path / "ready.json"
        na.emulator.write_ready_file(path)
        ready = json.loads(path.read_text())
        assert ready.keys() == {
            "url", "caFile", "region", "merchantId", "storeId", "publicKeyId", "neutralPublicKeyId", "privateKeyFile",
            "controlUrl", "controlToken", "otherMerchant",
        }  # fmt: skip
        assert ready["otherMerchant"].keys() == {"merchantId", "storeId", "publicKeyId", "privateKeyFile"}
        assert ready["publicKeyId"] == f"SANDBOX-{ready['neutralPublicKeyId']}"
        for file in (path, Path(ready["privateKeyFile"]), Path(ready["otherMerchant"]["privateKeyFile"])):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600

    @pytest.mark.parametrize("host", ["0.0.0.0", "", "192.168.1.1", "example.com"])  # noqa: S104 (to be refused)
    def test_it_listens_on_loopback_only(self, host: str) -> None:
        """Anything else is refused before a port is opened."""
        with pytest.raises(ValueError, match="loopback only"):
            Emulator("na", host=host)

    def test_a_port_in_use_is_said(self, na: Shop) -> None:
        """And leaves nothing open."""
        port = httpx.URL(na.emulator.url).port
        assert port
        with pytest.raises(OSError, match="in use"):
            Emulator("na", port=port)

    def test_registered_domains_may_show_a_button(self) -> None:
        """Whatever their case."""
        with Emulator("na", seed=7, domains=("Shop.Test",)) as emulator, Shop(emulator) as shop:
            assert shop.click({}, origin_url="https://shop.test").status_code == 400
            assert shop.click({}, origin_url="https://other.test").status_code == 403

    def test_behind_a_hubs_proxy_the_shop_is_on_the_same_host(self, na: Shop) -> None:
        """Which nobody can register before; without the proxy the host of the request says nothing."""
        proxied = {"host": "hub.test", "x-forwarded-prefix": "/user/ann/proxy/8001"}
        account = na.account
        form = {
            "origin_url": "https://hub.test", "publicKeyId": account.public_key_id, "merchantId": account.merchant_id,
        }  # fmt: skip
        os.environ["JUPYTERHUB_SERVICE_PREFIX"] = "/user/ann/"  # else such a visitor is not answered at all
        try:
            for headers, words in ((proxied, "Signature does not match"), ({"host": "hub.test"}, "not registered")):
                assert words in na.http.post("/checkout/initiate", data=form, headers=headers).text
        finally:
            del os.environ["JUPYTERHUB_SERVICE_PREFIX"]


def test_https_is_trusted_by_its_own_authority() -> None:
    """The authority's certificate is in a file; nobody else trusts it."""
    with Emulator("jp", seed=7, https=True) as emulator, Shop(emulator) as shop:
        assert emulator.url.startswith("https://127.0.0.1:")
        assert shop.charge(shop.wallet(), 500, "JPY")
        assert emulator.ready()["caFile"] == str(emulator.ca_file)
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{emulator.url}/checkout.js")
