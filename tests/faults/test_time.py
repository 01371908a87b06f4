"""Time as an actor: one long advance fires everything in the order in which it falls due; real time does it too."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.spec.states import TIMERS
from tests.emulated import Shop, express, usd


def test_one_advance_fires_everything_in_its_order() -> None:
    """Sessions, pending outcomes, captures, refunds, authorizations, and the month of a recurring permission."""
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        wallet = shop.wallet()
        session = shop.session(express())
        pending = {"canHandlePendingAuthorization": True}
        authorized = shop.charge(wallet, code="AuthorizationInitiated", **pending)["chargeId"]
        declined = shop.charge(wallet, code="PendingHardDeclined", **pending)["chargeId"]
        captured = shop.charge(wallet, code="CaptureInitiated", captureNow=True)["chargeId"]
        forgotten = shop.charge(wallet)["chargeId"]
        paid = shop.charge(wallet, captureNow=True)["chargeId"]
        refund = shop.done("createRefund", chargeId=paid, refundAmount=usd("1.00"))["refundId"]
        fired = emulator.clock.advance("P40D")
        assert [row["at"] for row in fired] == sorted(row["at"] for row in fired)
        order = [(row["id"], row["trigger"]) for row in fired]
        expected = [
            (authorized, "Authorize"), (declined, "Decline: HardDeclined"), (captured, "Capture"), (refund, "Refund"),
            (session, "Expire"), (forgotten, "Expire"), (authorized, "Expire"), (session, "Delete"),
        ]  # fmt: skip
        assert [row for row in order if row in expected] == expected
        assert {timer.trigger for timer in TIMERS} <= {row["trigger"] for row in fired}
        # Each happened at its own time, not when the clock was asked.
        stamp = shop.done("getCharge", forgotten)["statusDetails"]["lastUpdatedTimestamp"]
        assert stamp == next(row["at"] for row in fired if row["id"] == forgotten).replace("-", "").replace(":", "")


def test_a_month_ends_on_its_first_second() -> None:
    """The limit of a wallet counts anew, and a recurring permission says so."""
    start = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    with Emulator("na", seed=7, start=start) as emulator, Shop(emulator) as shop:
        wallet = shop.wallet()
        shop.charge(wallet, "15000.00")
        assert shop.try_charge(wallet, "0.01").json()["reasonCode"] == "PeriodicAmountExceeded"
        emulator.clock.advance("PT1S")
        assert shop.charge(wallet, "15000.00")


def test_in_real_time_what_is_pending_ends_by_itself(tmp_path: Path) -> None:
    """Nobody moves the clock: it is looked at five times a second."""
    store = tmp_path / "world.db"
    with Emulator("na", store=store) as emulator, Shop(emulator) as shop:
        charge = shop.charge(shop.wallet(), code="AuthorizationInitiated", canHandlePendingAuthorization=True)[
            "chargeId"
        ]
    kept = Store(str(store))
    row = kept.get("Charge", charge)
    assert row is not None
    kept.plan(row, row.trigger, (datetime.now(UTC) + timedelta(seconds=3)).isoformat())
    kept.put(row)
    kept.close()
    with Emulator("na", store=store) as emulator, Shop(emulator) as shop:
        assert shop.state("getCharge", charge) == "AuthorizationInitiated"
        patience = time.monotonic() + 30
        while shop.state("getCharge", charge) == "AuthorizationInitiated":
            assert time.monotonic() < patience
        assert shop.state("getCharge", charge) == "Authorized"
