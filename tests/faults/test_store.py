"""A file store: what a restart finds, and what a killed process had acknowledged."""

import fcntl
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.records import NOTES
from amazonpay_nb.emulator.rules.transitions import fire_due
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.store_file import check_unused, findings
from amazonpay_nb.emulator.world import World
from amazonpay_nb.errors import ApiError
from amazonpay_nb.lessons.account import READY, MerchantAccount
from amazonpay_nb.spec.flows import SIGN_IN
from amazonpay_nb.spec.regions import region
from tests.emulated import SIGNED_IN, Json, Shop, page_of, refusal, usd
from tests.processes import PATIENCE, emulator, program, read_only

ROUNDS = 3
APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


class TestRestarting:
    """The same command goes on where it stopped."""

    def test_a_relative_path_is_one_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever reads the ready file may be in another folder, and so may the program later."""
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path)
        with Emulator("na", seed=7, store="world.db") as emulator:
            monkeypatch.chdir(tmp_path / "other")
            key_id = emulator.merchant.keys.public_key_id
            assert emulator.ready()["privateKeyFile"] == str(tmp_path / "world.db.keys/merchant.pem")
        monkeypatch.chdir(tmp_path)
        with Emulator("na", seed=7, store="world.db") as emulator:
            assert emulator.merchant.keys.public_key_id == key_id

    def test_two_threads_that_want_the_keys_at_once_get_the_same(self, tmp_path: Path) -> None:
        """Neither takes the other's file for somebody else's."""
        with ThreadPoolExecutor(8) as threads, Emulator("na", store=tmp_path / "world.db") as emulator:
            found = {*threads.map(lambda _: emulator.merchant.public_key_id, range(8))}
        assert len(found) == 1

    def test_everything_is_where_it_was(self, tmp_path: Path) -> None:
        """Merchants, keys, clock, objects, stored answers, open pages, what is due; and ids do not repeat."""
        store = tmp_path / "world.db"
        with Emulator("eu", seed=7, store=store) as emulator, Shop(emulator) as shop:
            account, other = emulator.merchant, emulator.other_merchant
            wallet = shop.wallet()
            emulator.clock.advance("P3DT1S")
            first = shop.try_charge(wallet, currency="EUR", key="kept")
            pending = shop.charge(
                wallet, currency="EUR", code="AuthorizationInitiated", canHandlePendingAuthorization=True
            )
            request_ids = {first.headers["x-amz-pay-request-id"]}
            page = shop.buyer().open(shop.session())
        with Emulator("eu", seed=7, store=store) as emulator, Shop(emulator) as shop:
            assert (emulator.merchant, emulator.other_merchant) == (account, other)
            assert emulator.clock.now() == datetime(2026, 1, 18, 12, 0, 1, tzinfo=UTC)
            page.request.url = httpx.URL(emulator.url).join(page.url.raw_path.decode())
            assert page_of(shop.buyer().press(page, email=shop.buyer().email, action="continue")) == "payment-method"
            again = shop.try_charge(wallet, currency="EUR", key="kept")
            assert again.content == first.content
            assert again.headers["x-amz-pay-request-id"] not in request_ids
            assert shop.charge(wallet, currency="EUR")["chargeId"] not in first.text
            emulator.clock.advance("PT30S")
            assert shop.state("getCharge", pending["chargeId"]) == "Authorized"

    def test_a_buyer_goes_on_at_the_new_address(self, tmp_path: Path) -> None:
        """Where the one was that a session told the shop, somebody else may listen by now; what is over stays."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
            over = shop.visited()
            emulator.clock.advance("P1D")
            canceled, session_id = shop.done("getCheckoutSession", over), shop.visited()
            port = urlsplit(emulator.url).port or 0
        with (
            socket.create_server(("127.0.0.1", port)),
            Emulator("na", seed=7, store=store) as emulator,
            Shop(emulator) as shop,
        ):
            told = shop.done("getCheckoutSession", session_id)["webCheckoutDetails"]["amazonPayRedirectUrl"]
            assert told == f"{emulator.url}/checkout/processing?amazonCheckoutSessionId={session_id}"
            assert shop.done("getCheckoutSession", over) == canceled

    def test_real_time_goes_on_while_nobody_is_there(self, tmp_path: Path) -> None:
        """What fell due meanwhile happens before the first answer, however much it is."""
        store = tmp_path / "world.db"
        held = {"chargeAmount": usd(1), "statusDetails": {"state": "Authorized"}}
        Emulator("na", store=store, world={"chargePermissions": [{"charges": [held] * 200}]}).stop()
        with closing(sqlite3.connect(store)) as other, other:
            due = datetime.now(UTC) - timedelta(minutes=5)
            other.execute("UPDATE objects SET due = ? WHERE kind = 'Charge'", (due.isoformat(),))
        with Emulator("na", store=store) as emulator:
            charges = emulator.control.get("objects/charges")["objects"]
        assert [charge["statusDetails"]["state"] for charge in charges] == ["Canceled"] * 200

    def test_a_store_of_another_version_is_refused(self, tmp_path: Path) -> None:
        """With a sentence, and it stays as it was."""
        store = tmp_path / "world.db"
        store.touch(0o600)
        with closing(sqlite3.connect(store)) as older:
            older.executescript("CREATE TABLE objects (kind TEXT, id TEXT, hidden TEXT); PRAGMA user_version = 1;")
        with pytest.raises(ValueError, match=r"world\.db.*another version"):
            Emulator("na", store=store)
        with closing(sqlite3.connect(store)) as older:
            assert older.execute("SELECT name FROM sqlite_master").fetchall() == [("objects",)]

    @pytest.mark.parametrize(
        ("change", "why"),
        [("", "its region is na, not eu"), ("PRAGMA user_version = 99", "another version"),
         ("ALTER TABLE answers ADD COLUMN more", "its tables are not"), ("DROP TABLE answers", "its tables are not"),
         ("CREATE TRIGGER t AFTER INSERT ON answers BEGIN DELETE FROM objects; END", "its tables are not")],
    )  # fmt: skip
    def test_a_store_that_does_not_fit_stays_as_it_is(self, tmp_path: Path, change: str, why: str) -> None:
        """Another region, a newer version, other columns: a sentence, and not a byte is written."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store):
            pass
        with closing(sqlite3.connect(store)) as other:
            other.executescript(change)
        before = store.read_bytes()
        with pytest.raises(ValueError, match=why):
            Emulator("eu", seed=7, store=store)
        assert (store.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, ["world.db"])

    def test_a_store_of_the_version_before_is_taken_over(self, tmp_path: Path) -> None:
        """It does not say its region, and has that of the first start from then on."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store):
            pass
        with closing(sqlite3.connect(store)) as older:
            older.executescript("DELETE FROM settings WHERE name = 'region'; PRAGMA user_version = 2;")
        with Emulator("na", seed=7, store=store):
            pass
        with pytest.raises(ValueError, match="its region is na"):
            Emulator("eu", seed=7, store=store)

    def test_an_order_of_the_version_before_has_had_its_charges(self, tmp_path: Path) -> None:
        """A store of that version does not say how many; it has the charges themselves."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
            order = str(shop.order(totalOrderAmount=usd("100.00"))["chargePermissionId"])
            canceled, *_ = [shop.charge(order, "1.00")["chargeId"] for _ in range(25)]
        with closing(sqlite3.connect(store)) as older:
            older.executescript(
                "UPDATE objects SET notes = json_remove(notes, '$.charges') WHERE kind = 'Charge Permission';"
                "PRAGMA user_version = 6;"
            )
        with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
            assert refusal(shop.try_charge(order, "1.00")) == (422, "TransactionCountExceeded")
            shop.done("cancelCharge", canceled)
            assert shop.charge(order, "1.00")
            assert refusal(shop.try_charge(order, "1.00")) == (422, "TransactionCountExceeded")

    @pytest.mark.parametrize("real_time", [False, True])
    def test_seed_and_clock_need_not_be_said_again(self, tmp_path: Path, real_time: bool) -> None:
        """Virtual time stays virtual without its options, and real time real, though a seed alone makes it virtual."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, real_time=real_time, store=store) as emulator, Shop(emulator) as shop:
            wallet = shop.wallet()
            if not real_time:
                emulator.clock.advance("P1D")
            before = emulator.control.get("clock")
        for options in ({}, {"seed": 7}):
            with Emulator("na", store=store, **options) as emulator, Shop(emulator) as shop:
                assert shop.state("getChargePermission", wallet) == "Chargeable"
                after = emulator.control.get("clock")
                assert after["mode"] == before["mode"] == ("real" if real_time else "virtual")
                assert after["now"] == before["now"] or real_time

    @pytest.mark.parametrize(
        ("first", "then", "why"),
        [({"seed": 7}, {"seed": 8}, "its seed is 7, not 8"),
         ({"seed": 7}, {"real_time": True}, r"its start is 2026-01-15T12:00:00\+00:00, not real time"),
         ({"start": APRIL}, {"start": MAY}, "its start is 2026-04-01.*, not 2026-05-01"),
         ({}, {"start": MAY}, "its start is real time, not 2026-05-01")],
    )  # fmt: skip
    def test_another_seed_or_clock_is_refused(self, tmp_path: Path, first: Json, then: Json, why: str) -> None:
        """It would be ignored, or everything would expire at once; with the first ones the store still goes on."""
        store = tmp_path / "world.db"
        with Emulator("na", store=store, **first) as emulator:
            merchant = emulator.merchant_id
        before = store.read_bytes()
        with pytest.raises(ValueError, match=why):
            Emulator("na", store=store, **then)
        assert store.read_bytes() == before
        with Emulator("na", store=store, **first) as emulator:
            assert emulator.merchant_id == merchant

    def test_every_kind_of_object_can_be_read(self, tmp_path: Path) -> None:
        """By a check, whatever its document has in it."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
            shop.buyer().walk(shop.clicked({"signInReturnUrl": SIGNED_IN}, "SignIn"))
            with closing(MerchantAccount(emulator)) as account:
                for name, ready in READY.items():
                    with suppress(ApiError):  # a second schedule, for example
                        account.request(name, ready(account))()
                account.emulator.control.post("notifications/endpoint", url="http://127.0.0.1:9/")
                account.charge(capture_now=True)
        with closing(sqlite3.connect(store)) as db:
            kinds = {kind for (kind,) in db.execute("SELECT kind FROM objects")}
        assert NOTES.keys() - kinds == {SIGN_IN}, "it has become a buyer"
        assert all(good for good, _ in findings(store, whole=True)), list(findings(store, whole=True))

    def test_a_start_waits_for_a_check(self, tmp_path: Path) -> None:
        """Which holds the journal for a moment."""
        store, log = tmp_path / "world.db", tmp_path / "world.db-wal"
        with Emulator("na", seed=7, store=store):
            pass
        log.touch(0o600)
        with log.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH)
            ends = list[bool]()
            threading.Timer(2, lambda: (ends.append(True), fcntl.flock(held, fcntl.LOCK_UN))).start()
            with Emulator("na", seed=7, store=store):
                assert ends

    @pytest.mark.parametrize(
        "settings",
        [{"merchants": [{"merchant_id": "A", "store_id": "s", "name": "n", "keys": {}, "logo": "more"}]},
         {"merchants": [{"merchant_id": "A"}]}, {"clock": "noon"}, {"merchants": 1}, {"merchants": []},
         {"clock": "2026-01-16T12:00:00"}, {"clock": "9999-12-31T23:59:59+00:00"}, {"drawn": "7"}, {"drawn": 1e9},
         {"clock": "0001-01-01T00:00:00+00:00"},
         {"merchants": [{"merchant_id": ["A"], "store_id": "s", "name": "n", "keys": {}}]},
         {"merchants": [{"merchant_id": "A", "store_id": "s", "name": "n", "keys": {"K": 5}}]},
         {"merchants": [{"merchant_id": "A", "store_id": "s", "name": "n", "keys": 1}]}],
    )  # fmt: skip
    def test_settings_of_another_program_are_refused(self, tmp_path: Path, settings: Json) -> None:
        """A merchant's record with one field more, or less, or a clock that is none: a sentence."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store):
            pass
        with closing(sqlite3.connect(store)) as other, other:
            for name, value in settings.items():
                other.execute("UPDATE settings SET value = ? WHERE name = ?", (json.dumps(value), name))
        with pytest.raises(ValueError, match=r"world\.db.*its settings are not those of this program"):
            Emulator("na", seed=7, store=store)

    def test_a_store_that_would_call_another_machine_is_refused(self, tmp_path: Path) -> None:
        """Somebody else has written where its notifications go."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store) as emulator:
            emulator.control.post("notifications/endpoint", url="http://127.0.0.1:9/ipn")
        for endpoint, fits in (
            ("http://127.0.0.1:9/", True),
            ("http://127.0.0.2:9/", False),
            ("http://a.test/", False),
        ):
            with closing(sqlite3.connect(store)) as other, other:
                change = "UPDATE settings SET value = json_set(value, '$[0].endpoint', ?) WHERE name = 'merchants'"
                other.execute(change, (endpoint,))
            assert all(good for good, _ in findings(store)) == fits
        with pytest.raises(ValueError, match="its notifications would go to another machine"):
            Emulator("na", seed=7, store=store)

    def test_what_a_journal_puts_back_is_looked_at(self, tmp_path: Path) -> None:
        """Somebody else has left a good store with a journal beside it, which SQLite takes for a write to be undone."""
        store, tampered = tmp_path / "world.db", tmp_path / "tampered.db"
        with Emulator("na", seed=7, store=store):
            pass
        with closing(sqlite3.connect(store, isolation_level=None)) as other:
            other.execute("PRAGMA journal_mode = DELETE")
            change = "UPDATE settings SET value = json_set(value, '$[0].endpoint', ?) WHERE name = 'merchants'"
            other.execute(change, ("http://a.test/",))
            other.execute("PRAGMA cache_size = 1")
            other.execute("BEGIN")
            other.execute(change, ("",))
            other.execute("INSERT INTO answers (merchant_id, key, body) VALUES ('', '', zeroblob(100000))")
            for end in ("-journal", ""):
                copy = Path(f"{tampered}{end}")
                copy.write_bytes(Path(f"{store}{end}").read_bytes())
                copy.chmod(0o600)
        assert all(good for good, _ in findings(tampered))
        with pytest.raises(ValueError, match="its notifications would go to another machine"):
            Emulator("na", seed=7, store=tampered)

    def test_a_store_that_cannot_be_written_to_is_named(self, tmp_path: Path) -> None:
        """As root on a read-only file system, where nobody else's modes count."""
        store = tmp_path / "world.db"
        with Emulator("na", seed=7, store=store):
            pass
        command = (sys.executable, "-m", "amazonpay_nb", "emulator", "--store", str(store))
        tmp_path.chmod(0o500)
        for path in (tmp_path, store):
            done = subprocess.run(read_only(path, *command), capture_output=True, text=True, check=False)
            assert (done.returncode, "Traceback" in done.stderr) == (2, False)
            assert f"the store '{store}' cannot be used (it or its folder is read-only)" in done.stderr
            check = read_only(path, *command[:3], "store", "check", str(store))
            assert subprocess.run(check, capture_output=True, check=False).returncode == 0
            tmp_path.chmod(0o700)
            store.chmod(0o400)

    def test_the_clock_looks_at_the_agenda(self) -> None:
        """In real time what is due happens when the clock is looked at, and time is not set."""
        world = World(Store(), region("na"))
        assert fire_due(world, datetime.now(UTC) + timedelta(days=1)) == []
        assert world.clock.mode == "real"
        world.store.close()


@pytest.mark.parametrize("reading", [Path.read_bytes, lambda store: refused(Emulator, "na", store=store),
                                     lambda store: refused(check_unused, store)],
                         ids=["a copy", "a second emulator", "a check"])  # fmt: skip
def test_a_store_stays_its_emulators_alone(tmp_path: Path, reading: Callable[[Path], object]) -> None:
    """Whoever closes the file ends all of SQLite's locks of the process; another process is refused nevertheless."""
    store = tmp_path / "world.db"
    with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
        wallet = shop.wallet()
        reading(store)
        for command in (("emulator", "--store", str(store)), ("store", "check", str(store))):
            command = (sys.executable, "-m", "amazonpay_nb", *command)
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
            assert (done.returncode, "an emulator is using it" in done.stderr) == (2, True)
        charge = shop.charge(wallet)
    with Emulator("na", store=store) as emulator, Shop(emulator) as shop:
        assert shop.done("getCharge", charge["chargeId"]) == charge


def test_a_store_is_in_use_from_the_first_moment(tmp_path: Path) -> None:
    """Before it has a log, that another emulator could have locked, its file has a lock of SQLite's."""
    store = tmp_path / "world.db"
    with closing(sqlite3.connect(store)) as other:
        store.chmod(0o600)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.DatabaseError, match="an emulator is using it"):
            Store(str(store))
    assert store.exists()


def refused(attempt: Callable[..., object], *arguments: Any, **options: Any) -> None:
    with pytest.raises((ValueError, BlockingIOError), match="an emulator is using it"):
        attempt(*arguments, **options)


FORK = """
import os, sys, time
from amazonpay_nb.emulator import Emulator
Emulator("na", store=sys.argv[1])
if not os.fork():
    print(os.getpid(), flush=True)
time.sleep(1000)
"""


def test_the_lock_of_a_killed_process_ends_with_it(tmp_path: Path) -> None:
    """A fork of it that goes on, as a worker's does, does not keep it."""
    store = tmp_path / "world.db"
    command = [sys.executable, "-c", FORK, str(store)]
    with program(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        fork = int(process.stdout.readline())
        try:
            process.kill()
            process.wait(PATIENCE)
            Emulator("na", store=store).stop()
        finally:
            os.kill(fork, signal.SIGKILL)


def test_a_store_of_any_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite would keep one of this name in memory, where it ends with its emulator."""
    monkeypatch.chdir(tmp_path)
    with Emulator("na", seed=7, store=":memory:") as emulator:
        emulator.clock.advance("P3D")
        left = emulator.clock.now()
    with Emulator("na", store=":memory:") as emulator:
        assert (emulator.clock.now(), (tmp_path / ":memory:").exists()) == (left, True)


def test_a_killed_process_loses_nothing_it_had_acknowledged(tmp_path: Path) -> None:
    """Every answered charge is there, and an unanswered one can be repeated with its key."""
    store = tmp_path / "world.db"
    wallet, acknowledged = "", {}
    for number in range(ROUNDS):
        with emulator(tmp_path, store=store) as remote, Shop(remote) as shop:
            wallet = wallet or shop.wallet()
            for key, charge in acknowledged.items():
                assert shop.done("getCharge", charge["chargeId"]) == charge
                assert shop.charge(wallet, "1.00", key=key) == charge
            for count in range(20):
                key = f"round-{number}-{count}"
                acknowledged[key] = shop.charge(wallet, "1.00", key=key)
            os.kill(remote.process.pid, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                shop.try_charge(wallet, "1.00", key=f"round-{number}-after")
    with emulator(tmp_path, store=store) as remote, Shop(remote) as shop:
        assert len({charge["chargeId"] for charge in acknowledged.values()}) == ROUNDS * 20
        assert refusal(shop.try_charge(wallet, 15_000 - ROUNDS * 20 + 1)) == (400, "PeriodicAmountExceeded")
        assert shop.charge(wallet, 15_000 - ROUNDS * 20)
