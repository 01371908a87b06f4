"""`kill -9` of the emulator under load: what it had acknowledged is there afterward, once, and the store is sound."""

import json
import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.emulated import Json, Shop, usd
from tests.processes import PATIENCE, emulator, listener
from tests.proofs.sizes import size

KILLS = size(2, 50)
CLIENTS, BUYERS = 3, 1
# A round ends somewhere among so many acknowledged changes.
MOST_CHANGES = 120


class Load:
    """Merchants' servers that charge, capture, cancel and refund, and buyers who set wallets up, until nobody answers.

    What was acknowledged is noted as (key, answer), and what was under way at the end as (key, request).
    """

    def __init__(self, remote: Any, number: int, enough: int) -> None:
        self.remote, self.number, self.enough = remote, number, enough
        self.acknowledged: dict[str, Json] = {}
        self.under_way: dict[str, tuple[str, str, Json]] = {}
        self.reached = threading.Event()

    def work(self, client: int) -> None:
        amounts = random.Random(self.number * CLIENTS + client)  # noqa: S311 (no secret)
        with Shop(self.remote) as shop, suppress(httpx.TransportError):
            wallet = shop.wallet()
            for step in range(MOST_CHANGES):
                key, amount = f"{self.number}-{client}-{step}", usd(f"{amounts.randint(1, 999) / 100:.2f}")
                fields = {"chargePermissionId": wallet, "chargeAmount": amount}
                charge = self.send(shop, f"{key}-charge", "createCharge", **fields)["chargeId"]
                if step % 3 == 0:
                    self.send(shop, f"{key}-cancel", "cancelCharge", charge)
                    continue
                self.send(shop, f"{key}-capture", "captureCharge", charge, captureAmount=amount)
                if step % 3 == 1:
                    self.send(shop, f"{key}-refund", "createRefund", chargeId=charge, refundAmount=amount)

    def visit(self, buyer: int) -> None:
        with Shop(self.remote) as shop, suppress(httpx.TransportError):
            for step in range(MOST_CHANGES):
                key, session = f"{self.number}-buyer-{buyer}-{step}", shop.visited()
                self.send(shop, f"{key}-wallet", "completeCheckoutSession", session)

    def send(self, shop: Shop, key: str, name: str, object_id: str = "", **fields: Any) -> Json:
        self.under_way[key] = name, object_id, fields
        answer = shop.done(name, object_id, key=key, **fields)
        del self.under_way[key]
        self.acknowledged[key] = answer
        if len(self.acknowledged) >= self.enough:
            self.reached.set()
        return answer


def test_a_kill_under_load_loses_and_repeats_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Every round ends at a random moment; the next one begins with what the store holds."""
    store, moments = tmp_path / "world.db", random.Random()  # noqa: S311 (no secret)
    last: Load | None = None
    acknowledged = 0
    with listener() as (endpoint, arrived):
        for number in range(KILLS + 1):
            with emulator(tmp_path, store=store) as remote:
                remote.control.post("notifications/endpoint", url=endpoint)
                if last:
                    with Shop(remote) as shop:
                        _check(shop, last)
                if number == KILLS:
                    break
                last = Load(remote, number, moments.randint(10, MOST_CHANGES))
                with ThreadPoolExecutor(CLIENTS + BUYERS) as pool:
                    parties = [pool.submit(last.work, client) for client in range(CLIENTS)]
                    parties += [pool.submit(last.visit, buyer) for buyer in range(BUYERS)]
                    assert last.reached.wait(PATIENCE), "the load does not get on"
                    os.kill(remote.process.pid, signal.SIGKILL)
                    for party in parties:
                        party.result()
            acknowledged += len(last.acknowledged)
            _check_store(store, last, arrived)
    assert acknowledged >= 10 * KILLS
    assert arrived
    record_property("work", f"{KILLS} kills under {CLIENTS} clients and {BUYERS} buyer, with notifications under way")
    record_property("result", "0 changes lost, 0 made twice, each sum exact, each object announced")


def _check_store(store: Path, load: Load, arrived: set[str]) -> None:
    """The file is sound, each object came with the one answer that its key has, and the books agree."""
    with closing(sqlite3.connect(store)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        answered = {key for (key,) in opened.execute("SELECT key FROM answers WHERE status < 400")}
        spent = dict(opened.execute("SELECT name, value FROM settings WHERE name GLOB 'spent *'"))
        rows = opened.execute("SELECT kind, document, due FROM objects").fetchall()
    objects: dict[str, list[Json]] = {}
    for kind, document, due in rows:
        objects.setdefault(kind, []).append(json.loads(document) | {"due": due})
    for kind in ("Charge", "Refund"):
        assert len(objects.get(kind, [])) == sum(key.endswith(f"-{kind.lower()}") for key in answered)
    agreed = [one for one in objects["Checkout Session"] if one["statusDetails"]["state"] == "Completed"]
    assert Counter(one["chargePermissionId"] for one in objects["Charge Permission"]) == Counter(
        one["chargePermissionId"] for one in agreed
    )
    assert {key for key in load.acknowledged if not key.endswith("-cancel")} <= answered
    _check_money(objects, spent)
    _check_announcements(objects, arrived)


def _check_money(objects: dict[str, list[Json]], spent: dict[str, str]) -> None:
    """What counts in a wallet's month is the sum of its charges, to the cent."""
    counted: Counter[str] = Counter()
    for charge in objects.get("Charge", []):
        if charge["statusDetails"]["state"] != "Canceled":
            counted[charge["chargePermissionId"]] += _cents(charge["captureAmount"] or charge["chargeAmount"])
    kept: Counter[str] = Counter()
    for name, cents in spent.items():
        kept[name.split()[1]] += int(cents)
    assert +kept == +counted
    refunds = Counter[str]()
    for refund in objects.get("Refund", []):
        refunds[refund["chargeId"]] += _cents(refund["refundAmount"])
    captured = {one["chargeId"]: _cents(one["captureAmount"]) for one in objects.get("Charge", [])}
    assert [charge for charge, cents in refunds.items() if cents != captured[charge]] == []


def _cents(price: Json | None) -> int:
    return int(Decimal(price["amount"]) * 100) if price else 0


def _check_announcements(objects: dict[str, list[Json]], arrived: set[str]) -> None:
    """Each object is announced, and each notification has arrived or is planned."""
    announced = {one["objectId"] for one in objects["Notification"]}
    for kind, field in (("Charge", "chargeId"), ("Refund", "refundId"), ("Charge Permission", "chargePermissionId")):
        assert {one[field] for one in objects.get(kind, [])} <= announced
    delivered = {one["notificationId"] for one in objects["Notification"] if one["deliveries"]}
    assert delivered <= arrived
    assert all(one["due"] for one in objects["Notification"] if one["notificationId"] not in delivered)


def _check(shop: Shop, load: Load) -> None:
    """Look at all that was acknowledged, and send again what was not."""
    for key, answer in load.acknowledged.items():
        _check_one(shop, key, answer)
    for key, (name, object_id, fields) in load.under_way.items():
        first = shop.call(name, object_id, key=key, **fields)
        # Done before the kill or now, and by this key never again; a cancellation without a key says that it was done.
        assert first.is_success or name == "cancelCharge"
        assert shop.call(name, object_id, key=key, **fields).content == first.content or name == "cancelCharge"
        if name == "cancelCharge":
            assert shop.state("getCharge", object_id) == "Canceled"
    made = [answer["chargeId"] for key, answer in load.acknowledged.items() if key.endswith("-charge")]
    assert len(set(made)) == len(made)


def _check_one(shop: Shop, key: str, answer: Json) -> None:
    kind = key.rsplit("-", 1)[1]
    if kind == "charge":
        same = {name: answer[name] for name in ("chargePermissionId", "chargeAmount")}
        assert shop.done("createCharge", key=key, **same) == answer
        assert shop.done("getCharge", answer["chargeId"])["chargeAmount"] == answer["chargeAmount"]
    elif kind == "refund":
        assert shop.done("getRefund", answer["refundId"])["refundAmount"] == answer["refundAmount"]
    elif kind == "wallet":
        assert shop.state("getChargePermission", answer["chargePermissionId"]) == "Chargeable"
    else:
        found = shop.done("getCharge", answer["chargeId"])
        assert found["statusDetails"] == answer["statusDetails"]
        assert found["captureAmount"] == answer["captureAmount"]
