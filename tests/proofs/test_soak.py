"""Everything that merchants and buyers do, all at once and for a long time: nothing piles up beside the objects."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.emulated import Shop, refusal, usd
from tests.processes import Remote, emulator, listener
from tests.proofs.latency import Stopwatch, said
from tests.proofs.sizes import size

SECONDS = size(6, 600)
CLIENTS = size(2, 1)  # in the long edition, the other proofs run beside it
# Bounds, above what is measured and far below what a leak leaves.
SLOWER_AT_MOST = 3.0
MEGABYTES_AT_MOST = size(15, 40)
KILOBYTES_A_CHARGE_AT_MOST = 2
HANDLES_AT_MOST = 10


class Use:
    """Merchants and buyers at work.

    Attributes:
        charges: How many were made so far.
    """

    def __init__(self, remote: Remote) -> None:
        self.remote, self.charges = remote, 0

    def part(self, share: float) -> Stopwatch:
        """Let everybody work for a *share* of the time, and return how long their calls took."""
        watch, end = Stopwatch(), time.monotonic() + SECONDS * share
        with ThreadPoolExecutor(CLIENTS) as pool:
            for client in [pool.submit(self._work, watch, end) for _ in range(CLIENTS)]:
                client.result()
        return watch

    def _work(self, watch: Stopwatch, end: float) -> None:
        over = False
        while not over:
            with Shop(self.remote) as shop:  # a new connection each time
                wallet = shop.wallet()
                for number in range(10):
                    self._pay(shop, wallet, watch, number)
                    self.charges += 1
                assert shop.click("not a payload").status_code == 400
                shop.done("closeChargePermission", wallet, closureReason="none")
            over = time.monotonic() > end

    def _pay(self, shop: Shop, wallet: str, watch: Stopwatch, number: int) -> None:
        with watch("Create Charge"):
            charge = shop.charge(wallet, "1.00")["chargeId"]
        with watch("Get Charge"):
            shop.done("getCharge", charge)
        with watch.yardstick():
            assert shop.http.get("/v2/charges/none").status_code == 400
        if number % 3 == 0:
            shop.done("captureCharge", charge, captureAmount=usd("1.00"))
            shop.done("createRefund", chargeId=charge, refundAmount=usd("0.50"))
        elif number % 3 == 1:
            shop.done("cancelCharge", charge)
        shop.done("updateChargePermission", wallet, merchantMetadata={"merchantReferenceId": charge})
        assert refusal(shop.try_charge(wallet, "20000.00")) == (400, "PeriodicAmountExceeded")
        assert refusal(shop.call("getCharge", "S01-0000000-0000000-C000000")) == (404, "ResourceNotFound")


def test_long_use_leaves_nothing_behind(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Memory, open files and the time of a call stay as they are; every notification arrives."""
    with listener() as (endpoint, arrived), emulator(tmp_path, store=tmp_path / "world.db") as remote:
        remote.control.post("notifications/endpoint", url=endpoint)
        use = Use(remote)
        use.part(0.1)  # fills caches and pools
        before, handles, charged = remote.megabytes(), remote.handles(), use.charges
        early, _, late = use.part(0.2), use.part(0.5), use.part(0.2)
        grown, opened, charges = remote.megabytes() - before, remote.handles() - handles, use.charges - charged
        # The clock goes on and announces refunds: what the first list names, the second has seen delivered.
        known = {one["notificationId"] for one in remote.control.get("notifications")["notifications"]}
        announced = remote.control.get("notifications")["notifications"]
    ratios = late.over(early)
    assert max(ratios.values()) < SLOWER_AT_MOST, ratios
    assert grown < MEGABYTES_AT_MOST + charges * KILOBYTES_A_CHARGE_AT_MOST / 1024
    assert opened < HANDLES_AT_MOST
    assert [one for one in announced if one["notificationId"] in known and not one["deliveries"]] == []
    assert known <= arrived
    assert len(known) > charges
    record_property("work", f"{SECONDS:,} seconds of merchants, buyers and notifications")
    record_property(
        "result",
        f"the last calls take {said(ratios)} times as long as early ones; memory grows by less than "
        f"{MEGABYTES_AT_MOST} MB and {KILOBYTES_A_CHARGE_AT_MOST} kB a charge; no file stays open; "
        "every notification arrives",
    )
