"""Many objects in a file: the last call is as fast as the first, and memory and restart stay within bounds."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from tests.emulated import Json, Shop, usd
from tests.processes import PATIENCE, emulator
from tests.proofs.latency import Stopwatch, said
from tests.proofs.sizes import size
from tests.proofs.wire import Request, Wire

CHARGES = size(300, 100_000)
WALLETS = 10  # a wallet's month takes 15,000 USD
SAMPLE = size(100, 1_000)
# Bounds, above what a busy machine needs: what grows with the number of objects misses them by far.
SLOWER_AT_MOST = 3.0
MEGABYTES_AT_MOST = size(20, 150)
SECONDS_TO_START_AT_MOST = size(PATIENCE, 30)


def test_the_last_charge_is_as_fast_as_the_first(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Through the API, into a file, in wallets with thousands of charges each."""
    made: list[str] = []
    first, between, last = Stopwatch(), Stopwatch(), Stopwatch()
    arguments: Json = {"store": tmp_path / "world.db", "seed": 7}
    with emulator(tmp_path, **arguments) as remote, Shop(remote) as shop:
        wallets = [shop.wallet() for _ in range(WALLETS)]
        wire, before = Wire(remote.url), remote.megabytes()
        for number in range(CHARGES):
            watch = first if number < SAMPLE else last if number >= CHARGES - SAMPLE else between
            with watch("Create Charge"):
                made.append(_charge(shop, wire, wallets[number % WALLETS], str(number)))
            if watch is not between:
                with watch("Get Charge"):
                    shop.done("getCharge", made[number // 2])
                with watch.yardstick():
                    shop.http.get("/v2/charges/none")
        grown = remote.megabytes() - before
        wire.close()
    begun = time.perf_counter()
    with emulator(tmp_path, **arguments) as remote, Shop(remote) as shop:
        start = time.perf_counter() - begun
        assert shop.charge(wallets[0], "0.01", key="0")["chargeId"] == made[0]
        assert {shop.state("getCharge", made[at]) for at in (0, CHARGES // 2, -1)} == {"Authorized"}
    assert len(set(made)) == CHARGES
    ratios = last.over(first)
    assert max(ratios.values()) < SLOWER_AT_MOST, ratios
    assert grown < MEGABYTES_AT_MOST
    assert start < SECONDS_TO_START_AT_MOST
    record_property("work", f"{CHARGES:,} charges in a file, in {WALLETS} wallets")
    record_property(
        "result",
        f"the last {SAMPLE:,} calls take {said(ratios)} times as long as the first; memory grows by less than "
        f"{MEGABYTES_AT_MOST} MB; a restart takes less than {SECONDS_TO_START_AT_MOST} s",
    )


def _charge(shop: Shop, wire: Wire, wallet: str, key: str) -> str:
    """Make a charge with as little work for the client as possible, and return its id."""
    body = json.dumps({"chargePermissionId": wallet, "chargeAmount": usd("0.01")}).encode()
    headers = shop.signed("POST", "/v2/charges", body, x_amz_pay_idempotency_key=key)
    wire.send(Request("POST", "/v2/charges", list(headers.items()), body))
    status, content = wire.receive("POST")
    assert status == 201, content
    return str(json.loads(content)["chargeId"])
