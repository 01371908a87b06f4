"""Time as an actor: one long advance fires everything in the order in which it falls due; real time does it too."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.spec.reports import SANDBOX_SETTLEMENT
from amazonpay_nb.spec.states import TIMERS
from tests.emulated import Shop, express, usd
from tests.processes import until


def test_one_advance_fires_everything_in_its_order() -> None:
    """Sessions, pending outcomes, captures, refunds, a dispute, authorizations, a recurring month."""
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
        dispute = emulator.control.post("disputes", chargeId=paid)["disputeId"]
        fired = emulator.clock.advance("P40D")
        assert [row["at"] for row in fired] == sorted(row["at"] for row in fired)
        order = [(row["id"], row["trigger"]) for row in fired]
        expected = [
            (authorized, "Authorize"), (declined, "Decline: HardDeclined"), (captured, "Capture"), (refund, "Refund"),
            (session, "Expire"), (dispute, "Miss the deadline"), (forgotten, "Expire"), (authorized, "Expire"),
            (session, "Delete"),
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


def test_nobody_waits_for_a_long_advance() -> None:
    """A report every five minutes, for ten days: meanwhile others are answered, at times in between."""
    schedule = {"scheduleFrequency": "PT5M", "nextReportCreationTime": "20260116T000000Z"}
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop, ThreadPoolExecutor(1) as colleague:
        shop.done("createReportSchedule", reportType=SANDBOX_SETTLEMENT, **schedule)
        start, seen = emulator.clock.now(), set[datetime]()
        advanced = colleague.submit(emulator.clock.advance, "P10D")
        while not advanced.done():
            seen.add(emulator.clock.now())
        end = emulator.clock.now()
    assert len(advanced.result()) > 5000
    assert len(seen - {start, end}) > 2


def test_an_advance_ends_with_its_world() -> None:
    """A world that takes the place of the one whose time moves has a time of its own, and time never goes back."""
    schedule = {"scheduleFrequency": "PT5M", "nextReportCreationTime": "20260116T000000Z"}
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop, ThreadPoolExecutor(1) as colleague:
        shop.done("createReportSchedule", reportType=SANDBOX_SETTLEMENT, **schedule)
        start = emulator.clock.now()
        advanced = colleague.submit(emulator.clock.advance, "P10D")
        assert until(lambda: emulator.clock.now() > start)
        emulator.control.post("world", world={"clock": "2027-03-01T00:00:00Z", "chargePermissions": [{}]})
        assert advanced.result()
        assert emulator.clock.now() == datetime(2027, 3, 1, tzinfo=UTC)
        emulator.control.post("world", world=emulator.control.get("world"))


def pending_until(due: datetime, store: Path) -> str:
    """Leave a charge in a store that is authorized at that time."""
    with Emulator("na", store=store) as emulator, Shop(emulator) as shop:
        charge = shop.charge(shop.wallet(), code="AuthorizationInitiated", canHandlePendingAuthorization=True)
    kept = Store(str(store))
    row = kept.get("Charge", charge["chargeId"])
    assert row is not None
    kept.plan(row, row.trigger, due.isoformat())
    kept.put(row)
    kept.close()
    return row.id


def test_in_real_time_what_is_pending_ends_by_itself(tmp_path: Path) -> None:
    """Nobody moves the clock: it is looked at five times a second."""
    due = datetime.now(UTC) + timedelta(seconds=3)
    charge = pending_until(due, tmp_path / "world.db")
    with Emulator("na", store=tmp_path / "world.db") as emulator, Shop(emulator) as shop:
        assert shop.state("getCharge", charge) == "AuthorizationInitiated" or emulator.clock.now() >= due
        assert until(lambda: shop.state("getCharge", charge) == "Authorized")


def test_what_could_not_be_written_happens_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One failure does not stop real time; the log says it once, however often it is tried."""
    charge = pending_until(datetime.now(UTC), tmp_path / "world.db")
    emulator = Emulator("na", store=tmp_path / "world.db")
    emulator._world.store._db.execute("PRAGMA query_only = ON")  # as on a disk that has become read-only
    with emulator, Shop(emulator) as shop:
        assert until(lambda: "it is tried again" in caplog.text)
        before = emulator.clock.now()
        assert until(lambda: emulator.clock.now() > before + timedelta(seconds=1))
        emulator._world.store._db.execute("PRAGMA query_only = OFF")
        assert until(lambda: shop.state("getCharge", charge) == "Authorized")
    assert caplog.text.count("it is tried again") == 1


@pytest.mark.parametrize("year", [1, 1969, 9001, 9999])
def test_virtual_time_starts_where_there_is_time_around_it(year: int) -> None:
    """A date of a signature is compared with a quarter of an hour earlier, and timers end months later."""
    with pytest.raises(ValueError, match="years 1970 to 9000"):
        Emulator("na", start=datetime(year, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("year", [1970, 9000])
def test_every_other_year_is_as_good(year: int) -> None:
    """Also the first and the last one."""
    with Emulator("na", start=datetime(year, 12, 31, 23, 59, tzinfo=UTC)) as emulator, Shop(emulator) as shop:
        assert shop.charge(shop.wallet())
