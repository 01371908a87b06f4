"""`kill -9` of the emulator under load: what it had acknowledged is there afterwards, once, and the store is sound.

Five rounds; more with ``AMAZONPAY_NB_KILLS=50``.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from amazonpay_nb.emulator import Credentials
from tests.emulated import Json, Shop, usd

ROUNDS = int(os.environ.get("AMAZONPAY_NB_KILLS", "5"))
CLIENTS = 3
# A round ends somewhere among so many acknowledged changes.
MOST_CHANGES = 120
PROCESS = """
import sys
from pathlib import Path
from amazonpay_nb.emulator import Emulator
emulator = Emulator("na", store=sys.argv[1])
emulator.write_ready_file(Path(sys.argv[2]))
print("ready", flush=True)
emulator.run()
"""


class Remote:
    """What `Shop` needs to know of an emulator in another process."""

    def __init__(self, ready: Json) -> None:
        self.url, self.region, self.verify = ready["url"], ready["region"], True
        self.merchant = Credentials(
            ready["merchantId"], ready["storeId"], ready["publicKeyId"], ready["neutralPublicKeyId"],
            Path(ready["privateKeyFile"]),
        )  # fmt: skip


@contextmanager
def process(store: Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    ready = store.with_suffix(".json")
    command = [sys.executable, "-c", PROCESS, str(store), str(ready)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        try:
            assert running.stdout.readline() == "ready\n"
            yield running, Remote(json.loads(ready.read_text()))
        finally:
            running.kill()


class Load:
    """Merchants' servers that charge, capture, cancel and refund until nobody answers any more.

    What was acknowledged is noted as (key, answer), and what was under way at the end as (key, request).
    """

    def __init__(self, remote: Any, number: int, enough: int) -> None:
        self.remote, self.number, self.enough = remote, number, enough
        self.acknowledged: dict[str, Json] = {}
        self.under_way: dict[str, tuple[str, str, Json]] = {}
        self.reached = threading.Event()

    def run(self, client: int) -> None:
        with Shop(self.remote) as shop, suppress(httpx.TransportError):
            wallet = shop.wallet()
            for step in range(MOST_CHANGES):
                key = f"{self.number}-{client}-{step}"
                charge = self.send(shop, f"{key}-charge", "createCharge", chargePermissionId=wallet, **_AMOUNT)
                if step % 3 == 0:
                    self.send(shop, f"{key}-cancel", "cancelCharge", charge["chargeId"])
                    continue
                self.send(shop, f"{key}-capture", "captureCharge", charge["chargeId"], captureAmount=usd("1.00"))
                if step % 3 == 1:
                    self.send(
                        shop, f"{key}-refund", "createRefund", chargeId=charge["chargeId"], refundAmount=usd("1.00")
                    )

    def send(self, shop: Shop, key: str, name: str, object_id: str = "", **fields: Any) -> Json:
        self.under_way[key] = name, object_id, fields
        answer = shop.done(name, object_id, key=key, **fields)
        del self.under_way[key]
        self.acknowledged[key] = answer
        if len(self.acknowledged) >= self.enough:
            self.reached.set()
        return answer


_AMOUNT: Json = {"chargeAmount": usd("1.00")}


def test_a_kill_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """Every round ends at a random moment; the next one begins with what the store holds."""
    store, moments = tmp_path / "world.db", random.Random()  # noqa: S311 (no secret)
    last: Load | None = None
    for number in range(ROUNDS + 1):
        with process(store) as (running, remote):
            if last:
                with Shop(remote) as shop:
                    _check(shop, last)
            last = Load(remote, number, moments.randint(1, MOST_CHANGES))
            with ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(last.run, client) for client in range(CLIENTS)]
                assert last.reached.wait(60)
                os.kill(running.pid, signal.SIGKILL)
                for client in clients:
                    client.result()
        assert len(last.acknowledged) >= last.enough
        _check_store(store, last)


def _check_store(store: Path, load: Load) -> None:
    """The file is sound, and each object came with the one answer that its key has."""
    with closing(sqlite3.connect(store)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        answered = {key for (key,) in opened.execute("SELECT key FROM answers WHERE status < 400")}
        for kind in ("Charge", "Refund"):
            (objects,) = opened.execute("SELECT count(*) FROM objects WHERE kind = ?", (kind,)).fetchone()
            assert objects == sum(key.endswith(f"-{kind.lower()}") for key in answered)
    assert {key for key in load.acknowledged if not key.endswith("-cancel")} <= answered


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
        same = {"chargePermissionId": answer["chargePermissionId"], **_AMOUNT}
        assert shop.done("createCharge", key=key, **same) == answer
        assert shop.done("getCharge", answer["chargeId"])["chargeAmount"] == answer["chargeAmount"]
    elif kind == "refund":
        found = shop.done("getRefund", answer["refundId"])
        assert found["refundAmount"] == answer["refundAmount"]
    else:
        found = shop.done("getCharge", answer["chargeId"])
        assert found["statusDetails"] == answer["statusDetails"]
        assert found["captureAmount"] == answer["captureAmount"]
