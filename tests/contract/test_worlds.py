"""World files: every documented state can be written and read back, and no world that could not have come about."""

import cProfile
import gc
import json
import pstats
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from amazonpay_nb.emulator import Emulator, worlds as making
from amazonpay_nb.emulator.remote import ControlError
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World
from amazonpay_nb.emulator.world_file import read_world, to_yaml
from amazonpay_nb.runs.folder import write_whole
from amazonpay_nb.spec.data import DataError
from amazonpay_nb.spec.machine import Machine
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.simulations import CARDS
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION, DISPUTE, REFUND
from tests.emulated import SET_UP, Json, Shop, charge_in, dispute_in, recurring, refusal, usd
from tests.processes import PATIENCE, program, until

EXAMPLES = Path(__file__).parents[2] / "examples" / "worlds"
KINDS = ("chargePermissions", "charges", "refunds", "disputes")
RETURN = {"checkoutResultReturnUrl": "https://shop.example/result"}
WALLET = "C01-1000001-0000001"
MANY = 150  # so many permissions take a second


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        yield shop


def load(shop: Shop, world: Any) -> None:
    shop.emulator.control.post("world", world=world, name="shop.yaml")


def objects(shop: Shop) -> dict[str, list[Json]]:
    """All objects of the emulator, by kind and id."""
    answers = {kind: shop.emulator.control.get(f"objects/{kind}")["objects"] for kind in KINDS}
    return {kind: sorted(rows, key=json.dumps) for kind, rows in answers.items()}


def written(shop: Shop) -> dict[str, list[Json]]:
    """The objects without what is in no world file: a merchant's evidence in a dispute."""
    rows = objects(shop)
    for row in (row for kind in rows.values() for row in kind):
        row.pop("merchantEvidences", None)
    return rows


def wallet(**fields: Any) -> Json:
    """A world with one permission."""
    return {"chargePermissions": [{"chargePermissionId": WALLET, "creationTimestamp": "-P200D"} | fields]}


def charge(**fields: Any) -> Json:
    return wallet(charges=[{"chargeAmount": usd("14.00"), "creationTimestamp": "-PT1H"} | fields])


CANCELS = ("MerchantCanceled", "BuyerCanceled", "AmazonCanceled")  # with the permission go its open charges


@st.composite
def worlds(draw: st.DrawFn) -> Json:
    """A world that may have come about: some wallets with what was charged on them within a month."""

    def days(first: int, last: int) -> str:
        return f"-PT{draw(st.integers(first * 24, last * 24))}H"

    def status(machine: Machine, *but: str) -> Json:
        return draw(st.sampled_from([row for row in states(machine) if row.get("reasonCode") not in but]))

    def payment() -> Json:
        made: Json = {
            "chargeAmount": usd(f"{draw(st.integers(200, 30000)) / 100:.2f}"),
            "creationTimestamp": days(3, 9),
        }
        made["statusDetails"] = status(CHARGE, "ChargePermissionCanceled") | {"lastUpdatedTimestamp": days(2, 3)}
        if made["statusDetails"]["state"] in ("AuthorizationInitiated", "CaptureInitiated"):
            made["creationTimestamp"] = made["statusDetails"]["lastUpdatedTimestamp"] = "-PT9S"
        elif made["statusDetails"]["state"] == "Authorized":
            del made["statusDetails"]["lastUpdatedTimestamp"]
        elif made["statusDetails"]["state"] == "Captured":
            if draw(st.booleans()):
                made["refunds"] = [{"refundAmount": usd("1.00"), "creationTimestamp": days(0, 1)}]
            if draw(st.booleans()):
                made["disputes"] = [
                    {"disputeAmount": usd("1.00"), "creationTimestamp": days(1, 2), "statusDetails": status(DISPUTE)}
                ]
        return made

    def one() -> Json:
        permission: Json = {"creationTimestamp": days(20, 300), "card": draw(st.sampled_from([*CARDS]))}
        permission["charges"] = [payment() for _ in range(draw(st.integers(0, 3)))]
        return permission | draw(
            st.sampled_from([{}, {"statusDetails": status(CHARGE_PERMISSION, *CANCELS)}, {"spentThisMonth": "9000"}])
        )

    return {"clock": "2026-03-20T12:00:00Z", "chargePermissions": [one() for _ in range(draw(st.integers(1, 3)))]}


def states(machine: Machine) -> list[Json]:
    """Every end that a row of the machine leads to."""
    ends = dict.fromkeys((row.target, row.reason, row.resolution) for row in machine.rows)
    names = ("state", "reasonCode", "resolution")
    return [{name: value for name, value in zip(names, end, strict=True) if value} for end in ends]


def seen(document: Json) -> Json:
    """What is written of a state, as an answer of the API has it."""
    details = document["statusDetails"]
    reason = (details.get("reasons") or [details])[0]
    return details | {"reasonCode": reason.get("reasonCode")}


_WAITS = "AuthorizationInitiated"
# Why a permission may be closed.
CLOSURES = [row["reasonCode"] for row in states(CHARGE_PERMISSION) if row["state"] == "Closed" and "reasonCode" in row]


class TestExamples:
    """The files that come with the package."""

    def test_a_month_is_nearly_spent(self) -> None:
        """What is left can be charged, more cannot; and the ride under way can be captured."""
        with Emulator(world=EXAMPLES / "ride-hailing.yaml") as emulator, Shop(emulator) as shop:
            assert shop.account.merchant_id == "A1RIDEHAILING01"
            assert refusal(shop.try_charge(WALLET, "480.01")) == (400, "PeriodicAmountExceeded")
            assert shop.charge(WALLET, "480.00")["statusDetails"]["state"] == "Authorized"
            ride = "S01-1000001-0000002-C000001"
            captured = shop.done("captureCharge", ride, captureAmount=usd("38.10"))
            assert captured["captureAmount"] == usd("38.10")
            first = shop.done("getCharge", "S01-1000001-0000001-C000001")
            assert (first["refundedAmount"], first["channel"]) == (usd("4.50"), "App")
            assert shop.state("getRefund", "S01-1000001-0000001-R000001") == "Refunded"
            assert shop.done("getChargePermission", WALLET)["buyer"]["name"] == "Jane Example"

    def test_a_shop_has_trouble(self) -> None:
        """Declines, a dispute that runs out in four days, and an outcome that waits."""
        with Emulator("eu", world=str(EXAMPLES / "declines.yaml")) as emulator, Shop(emulator) as shop:
            invalid = shop.done("getChargePermission", "C02-2000001-0000001")["statusDetails"]
            assert (invalid["state"], invalid["reasons"][0]["reasonCode"]) == ("NonChargeable", "PaymentMethodInvalid")
            dispute = shop.done("getDispute", "S02-2000001-0000002-B000001")
            assert dispute["merchantResponseDeadline"] == "20260314T120000Z"
            closed = shop.done("getChargePermission", "C02-2000001-0000003")
            assert (closed["buyer"], closed["statusDetails"]["lastUpdatedTimestamp"]) == (None, "20260307T120000Z")
            assert refusal(shop.try_charge("C02-2000001-0000002", "5", "EUR")) == (422, "SoftDeclined")
            emulator.clock.advance("P4D")
            assert shop.state("getDispute", "S02-2000001-0000002-B000001") == "Resolved"


class TestRoundTrip:
    """What is saved makes the same objects, here and elsewhere."""

    def test_all_that_an_emulator_has_come_to(self, shop: Shop) -> None:
        """Made by calls, by the buyer and by time; saved as YAML, loaded twice."""
        control, emulator = shop.emulator.control, shop.emulator
        emulator.reset()
        pending: Json = {"canHandlePendingAuthorization": True}
        for state in ("AuthorizationInitiated", "Authorized", "CaptureInitiated", "Captured", "Declined", "Canceled"):
            charge_in(shop, state)
        for state in ("ActionRequired", "UnderReview", "Resolved", "Closed"):
            dispute_in(shop, state)
        one = shop.wallet(cards=("4444",))
        shop.charge(one, code="PendingHardDeclined", softDescriptor="RIDE", **pending)
        partly = shop.charge(one, "20.00", merchantMetadata={"merchantReferenceId": "A"})
        shop.done("captureCharge", partly["chargeId"], captureAmount=usd("11.00"), code="AmazonRejected")
        emulator.clock.advance("PT10S")
        taken = shop.charge(one, "30.00", captureNow=True)["chargeId"]
        shop.done("createRefund", chargeId=taken, refundAmount=usd("3.00"), code="AmazonRejected")
        shop.done("createRefund", chargeId=taken, refundAmount=usd("4.00"))
        emulator.clock.advance("P3D")
        gone = shop.wallet()
        shop.charge(gone)
        shop.done("closeChargePermission", gone, closureReason="moved away", cancelPendingCharges=True)
        shop.done("cancelCharge", shop.charge(shop.wallet())["chargeId"], cancellationReason="sold out")
        accepted: Json = {"state": "Resolved", "reasonCode": "MerchantAcceptedDispute", "reasonDescription": "ours"}
        shop.done("updateDispute", dispute_in(shop, "ActionRequired"), statusDetails=accepted)
        order = shop.order("50.00", totalOrderAmount=usd("90.00"))  # a capture that is declined leaves it open
        shop.done("captureCharge", order["chargeId"], captureAmount=usd("50.00"), code="AmazonRejected")
        emulator.clock.advance("PT1H")
        shop.order("50.00", totalOrderAmount=usd("80.00"))
        shop.order("50.00", paymentIntent="AuthorizeWithCapture")
        shop.order("150000.00", allowOvercharge=True)  # its limit is the largest that there is
        control.post(f"permissions/{recurring(shop)}", state="Closed", reasonCode="Expired")
        emulator.queue_outcome("createCharge", "SoftDeclined", times=2)
        before, document = written(shop), control.get("world")
        load(shop, to_yaml(document))
        assert written(shop) == before
        assert control.get("world") == document
        with Emulator("na", world=document) as other, Shop(other) as second:
            assert written(second) == before
            assert other.merchant_id == emulator.merchant_id
        emulator.clock.advance("P40D")
        after = written(shop)
        load(shop, document)
        emulator.clock.advance("P40D")
        assert written(shop) == after

    def test_what_a_buyer_has_not_shared_and_how_long_an_order_lives(self, shop: Shop) -> None:
        """By the scopes of the button, and with extendExpiration."""
        shop.emulator.reset()
        for scopes in ([], ["name", "email"], ["shippingAddress", "billingAddress", "phoneNumber"]):
            shop.wallet(SET_UP | {"scopes": scopes}, person=1)
        orders = [shop.order(paymentIntent="Confirm", extendExpiration=long) for long in (True, False)]
        monthly = {"frequency": {"unit": "Month", "value": "1"}, "amount": usd("9.00")}
        shop.done("updateChargePermission", orders[0]["chargePermissionId"], recurringMetadata=monthly)
        before, document = written(shop), shop.emulator.control.get("world")
        load(shop, to_yaml(document))
        assert (written(shop), shop.emulator.control.get("world")) == (before, document)
        shop.emulator.clock.advance("P200D")
        assert [shop.state("getChargePermission", one["chargePermissionId"]) for one in orders] == [
            "Chargeable", "Closed",
        ]  # fmt: skip

    def test_a_payment_method_that_was_refused_twice(self, shop: Shop) -> None:
        """Since the second time."""
        shop.emulator.reset()
        permission, pending = shop.wallet(), {"canHandlePendingAuthorization": True}
        shop.charge(permission, code="PendingHardDeclined", **pending)
        for _ in range(2):
            shop.emulator.clock.advance("P1D")
            again = {"state": "NonChargeable", "reasonCode": "PaymentMethodInvalid"}
            shop.emulator.control.post(f"permissions/{permission}", **again)
        before, document = written(shop), shop.emulator.control.get("world")
        load(shop, document)
        assert (written(shop), shop.emulator.control.get("world")) == (before, document)

    def test_a_wallet_that_the_buyer_has_repaired(self, shop: Shop) -> None:
        """It is chargeable since then, not since its begin."""
        shop.emulator.reset()
        permission, control = shop.wallet(), shop.emulator.control
        for state in ("NonChargeable", "Chargeable"):
            shop.emulator.clock.advance("P1D")
            reason = {"reasonCode": "PaymentMethodExpired"} if state == "NonChargeable" else {}
            control.post(f"permissions/{permission}", state=state, **reason)
        shop.emulator.clock.advance("P1D")
        shop.charge(permission)
        before, document = written(shop), control.get("world")
        load(shop, document)
        assert (written(shop), control.get("world")) == (before, document)

    @pytest.mark.parametrize("delay", ["PT0S", "PT10S"])
    @pytest.mark.parametrize("ending", ["is captured", "is being captured", "is rejected"])
    @pytest.mark.parametrize("reason", CLOSURES)
    def test_an_order_that_is_closed_before_its_charge_ends(
        self, shop: Shop, reason: str, ending: str, delay: str
    ) -> None:
        """It keeps its own end, within the same second, too: the charge's would close it in Amazon's name."""
        shop.emulator.reset()
        order = shop.order("50.00", **({"totalOrderAmount": usd("90.00")} if ending == "is rejected" else {}))
        permission, capture = order["chargePermissionId"], partial(shop.call, "captureCharge", order["chargeId"])
        if ending == "is rejected":
            waiting = shop.charge(permission, "5.00", code=_WAITS, canHandlePendingAuthorization=True)["chargeId"]
        elif ending == "is being captured":
            capture(captureAmount=usd("50.00"), code="CaptureInitiated")
        shop.emulator.clock.advance(delay)
        if reason == "MerchantClosed":
            shop.done("closeChargePermission", permission, closureReason="all is sold")
        else:
            shop.emulator.control.post(f"permissions/{permission}", state="Closed", reasonCode=reason)
        shop.emulator.clock.advance(delay)
        if ending == "is captured":
            capture(captureAmount=usd("50.00"))  # refused where a cancellation has released it
        elif ending == "is rejected" and shop.state("getCharge", waiting) == _WAITS:
            shop.emulator.control.post(f"charges/{waiting}", state="Declined", reasonCode="AmazonRejected")
        shop.emulator.clock.advance("PT1M")
        before, document = written(shop), shop.emulator.control.get("world")
        load(shop, document)
        assert (written(shop), shop.emulator.control.get("world")) == (before, document)

    def test_a_recurring_permission_that_is_closed_in_another_month(self, shop: Shop) -> None:
        """Its balance is that of the month in which it was closed."""
        shop.emulator.reset()
        shop.charge(permission := recurring(shop), captureNow=True)
        shop.emulator.clock.advance("P40D")
        shop.done("closeChargePermission", permission, closureReason="moved away")
        before, document = written(shop), shop.emulator.control.get("world")
        load(shop, document)
        assert (written(shop), shop.emulator.control.get("world")) == (before, document)

    def test_new_ids_are_none_of_the_file(self) -> None:
        """Although the same seed draws the same ones again."""
        with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
            first, document = shop.wallet(), emulator.control.get("world")
        with Emulator("na", seed=7, world=document) as emulator, Shop(emulator) as shop:
            second = shop.wallet()
            assert {first, second} == {row["chargePermissionId"] for row in objects(shop)["chargePermissions"]}

    def test_a_number_in_the_place_of_a_text_is_called_so(self) -> None:
        """What YAML makes of the digits of a card without quotes, where a program gives a mapping."""
        with pytest.raises(ValueError, match="card: 1111 is no text; write '1111'"):
            Emulator(world=wallet(card=1111))

    def test_accounts_and_keys_stay(self, shop: Shop) -> None:
        """Of a running emulator, whatever is loaded; also of the second account, whose first use comes later."""
        load(shop, {"merchants": [{"name": "New name"}], **charge()})
        assert shop.emulator.control.get("world")["merchants"][0]["name"] == "New name"
        with Shop(shop.emulator, shop.emulator.other_merchant) as other:
            assert refusal(other.call("getChargePermission", WALLET)) == (404, "ResourceNotFound")
            load(shop, wallet(merchantId=other.account.merchant_id))
            assert other.state("getChargePermission", WALLET) == "Chargeable"

    def test_another_region_is_refused(self, shop: Shop) -> None:
        """With a sentence, by a running emulator and by one that would start."""
        with Emulator("eu") as emulator:
            document = emulator.control.get("world")
        with pytest.raises(
            ControlError, match=r"^shop.yaml, region: region: 'eu' is not one of na; start an emulator of that region"
        ):
            load(shop, document)
        with pytest.raises(ValueError, match="region: 'eu' is not one of jp"):
            Emulator("jp", world=document)

    @settings(max_examples=15)
    @given(worlds())
    def test_of_any_world(self, shop: Shop, world: Json) -> None:
        """Loaded, saved, loaded and saved again, it is the same."""
        load(shop, world)
        first, made = shop.emulator.control.get("world"), objects(shop)
        load(shop, to_yaml(first))
        assert (shop.emulator.control.get("world"), objects(shop)) == (first, made)

    @pytest.mark.parametrize("text", ["a\x85b", "ü\u2028b\u2029c\ufeff", "\x7f\x9b", "a\r\n\tb"])
    def test_a_file_keeps_every_character(self, tmp_path: Path, text: str) -> None:
        """Also those that YAML or a terminal takes for something else."""
        write_whole(file := tmp_path / "shop.yaml", to_yaml({"note": text}))
        assert yaml.safe_load(file.read_text("utf-8")) == {"note": text}


class TestTime:
    """Dates count back from the file's clock."""

    def test_virtual_time_is_set(self, shop: Shop) -> None:
        """To the file's, back as well as forth."""
        for clock in ("2031-05-06T07:08:09Z", "2026-01-15T12:00:00Z"):
            load(shop, charge() | {"clock": clock})
            assert shop.emulator.clock.now().isoformat() == clock.replace("Z", "+00:00")
            assert objects(shop)["charges"][0]["statusDetails"]["state"] == "Authorized"

    def test_real_time_moves_the_dates(self) -> None:
        """So a payment that was pending a second ago still is, a day or ten years later."""
        world = charge(statusDetails={"state": "AuthorizationInitiated"}, creationTimestamp="2016-02-29T11:59:59Z")
        with Emulator("na", real_time=True, world=world | {"clock": "2016-02-29T12:00:00Z"}) as emulator:
            made = emulator.control.get("objects/charges")["objects"][0]
            age = emulator.clock.now() - datetime.fromisoformat(made["creationTimestamp"])
            assert (made["statusDetails"]["state"], age < timedelta(seconds=30)) == ("AuthorizationInitiated", True)
            assert emulator.control.get("clock")["mode"] == "real"

    @pytest.mark.parametrize(("day", "left"), [(1, "14995.0"), (20, "14400.0")])
    def test_moved_dates_may_bring_a_charge_into_the_month(self, day: int, left: str) -> None:
        """A charge of the month before was not spent in the file's month; all that this month has is spent."""
        paid = [{"chargeAmount": usd("600.00"), "creationTimestamp": "2026-02-28T12:00:00Z"}]
        world = wallet(spentThisMonth="5.00", charges=paid) | {"clock": "2026-03-01T12:00:00Z"}
        with Emulator("na", start=datetime(2026, 5, day, tzinfo=UTC), world=world) as emulator, Shop(emulator) as shop:
            assert refusal(shop.try_charge(WALLET, f"{left}1")) == (400, "PeriodicAmountExceeded")
            assert shop.charge(WALLET, f"{left}0")

    def test_a_start_of_ones_own_moves_them_too(self) -> None:
        """`--clock` says when it is; what was an hour ago is an hour ago."""
        start = datetime(2030, 1, 1, tzinfo=UTC)
        with Emulator("na", start=start, world=charge() | {"clock": "2026-01-15T12:00:00Z"}) as emulator:
            assert emulator.clock.now() == start
            assert emulator.control.get("objects/charges")["objects"][0]["creationTimestamp"] == "20291231T230000Z"

    def test_an_object_is_as_old_as_its_state(self, shop: Shop) -> None:
        """Where the file says no more."""
        load(shop, {"chargePermissions": [{"statusDetails": {"state": "Closed", "lastUpdatedTimestamp": "-P3D"}}]})
        (made,) = objects(shop)["chargePermissions"]
        assert made["creationTimestamp"] == made["statusDetails"]["lastUpdatedTimestamp"]

    def test_what_has_fallen_due_since_happens(self, shop: Shop) -> None:
        """At its own time, although the file says what was before."""
        load(shop, charge(statusDetails={"state": "Authorized"}, creationTimestamp="-P40D") | {"clock": "2026-03-11"})
        (made,) = objects(shop)["charges"]
        assert (seen(made)["reasonCode"], seen(made)["lastUpdatedTimestamp"]) == ("ExpiredUnused", "20260301T000000Z")


@contextmanager
def limited(blocks: int | None, store: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """An emulator on a disk that is full after so many blocks of 512 bytes."""
    limit = f'ulimit -f {blocks or "unlimited"} && exec "$@"'
    command = [sys.executable, "-m", "amazonpay_nb", "emulator", "--store", str(store), *options]
    with program(["sh", "-c", limit, "", *command], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class TestStore:
    """A world begins a new store."""

    def test_a_store_goes_on_with_what_it_has(self, tmp_path: Path) -> None:
        """The same command again does not begin anew; a file that is refused leaves no store behind."""
        path = tmp_path / "store.db"
        for wrong in ({"card": "1112"}, {"spentThisMonth": "15000.01"}):
            with pytest.raises(ValueError, match="world, chargePermissions, 0"):
                Emulator("na", store=path, world=wallet(**wrong))
        assert [*tmp_path.iterdir()] == []
        for state in ("Chargeable", "Closed"):
            with Emulator("na", store=path, world=charge()) as emulator, Shop(emulator) as shop:
                assert shop.state("getChargePermission", WALLET) == state
                shop.call("closeChargePermission", WALLET)

    @pytest.mark.parametrize("blocks", [2, 16, 100, None], ids=lambda blocks: f"room-for-{blocks}-blocks")
    def test_a_first_start_that_fails_leaves_nothing_behind(self, tmp_path: Path, blocks: int | None) -> None:
        """The disk is full at once or later, or the process is killed; the same command then begins in its world."""
        rows = [row for _ in range(MANY) for row in charge()["chargePermissions"]]
        for number, row in enumerate(rows):
            row["chargePermissionId"] = f"C01-1000001-{number:07}"
        path, folder = tmp_path / "shop.yaml", tmp_path / "store"
        path.write_text(to_yaml({"chargePermissions": rows}))
        folder.mkdir()
        store = folder / "world.db"
        with limited(blocks, store, "--world", str(path)) as process:
            if blocks is None:
                wal = Path(f"{store}-wal")
                assert until(lambda: wal.exists() and wal.stat().st_size)
                process.kill()
            _, words = process.communicate(timeout=PATIENCE)
        if blocks is not None:
            assert (process.returncode, "Traceback" in words, [*folder.iterdir()]) == (2, False, []), words
            assert f"the store '{store}' cannot be used" in words
        with Emulator("na", store=store, world=path) as emulator:
            assert len(emulator.control.get("objects/chargePermissions")["objects"]) == MANY

    def test_no_room_for_the_keys_is_said_in_a_sentence(self, tmp_path: Path) -> None:
        """The world is there, and the next start goes on with it."""
        store = tmp_path / "world.db"
        with Emulator("na", store=store, world=charge()):
            pass
        with limited(16, store) as process:
            _, words = process.communicate(timeout=PATIENCE)
        assert (process.returncode, "Traceback" in words) == (2, False), words
        assert f"the store '{store}' cannot be used (d" in words

    def test_an_empty_file_is_a_new_store(self, tmp_path: Path) -> None:
        """As an earlier start may have left it, when it could not write."""
        store = tmp_path / "store.db"
        store.touch(0o600)
        with pytest.raises(ValueError, match="No such file"):
            Emulator("na", store=store, world=tmp_path / "none.yaml")
        with Emulator("na", store=store, world=charge()) as emulator:
            assert len(emulator.control.get("objects/charges")["objects"]) == 1

    def test_nobody_is_told_of_what_is_long_ago(self) -> None:
        """The endpoint of the file hears what happens from now on."""
        world = charge(statusDetails={"state": "Captured"}) | {"merchants": [{"endpoint": "http://127.0.0.1:9/news"}]}
        with Emulator("na", seed=7, world=world) as emulator, Shop(emulator) as shop:
            load(shop, world)
            assert emulator.control.get("notifications")["notifications"] == []
            shop.charge(WALLET)
            assert len(emulator.control.get("notifications")["notifications"]) == 1


class TestStates:
    """Each documented state can be written, and is what the API answers."""

    @pytest.mark.parametrize("status", states(CHARGE_PERMISSION), ids=str)
    def test_of_a_permission(self, shop: Shop, status: Json) -> None:
        load(shop, wallet(statusDetails=status))
        assert seen(shop.done("getChargePermission", WALLET)).items() >= status.items()

    @pytest.mark.parametrize("status", states(CHARGE), ids=str)
    def test_of_a_charge(self, shop: Shop, status: Json) -> None:
        world = charge(statusDetails=status, creationTimestamp="-PT10S")
        if status.get("reasonCode") == "ChargePermissionCanceled":
            world["chargePermissions"][0]["statusDetails"] = {"state": "Closed"}
        load(shop, world)
        (made,) = objects(shop)["charges"]
        assert seen(shop.done("getCharge", made["chargeId"])).items() >= status.items()

    @pytest.mark.parametrize("status", states(REFUND), ids=str)
    def test_of_a_refund(self, shop: Shop, status: Json) -> None:
        refund = {"refundAmount": usd("4"), "statusDetails": status}
        load(shop, charge(statusDetails={"state": "Captured"}, refunds=[refund]))
        (made,) = objects(shop)["refunds"]
        assert seen(shop.done("getRefund", made["refundId"])).items() >= status.items()

    @pytest.mark.parametrize("status", states(DISPUTE), ids=str)
    def test_of_a_dispute(self, shop: Shop, status: Json) -> None:
        load(shop, charge(statusDetails={"state": "Captured"}, disputes=[{"statusDetails": status}]))
        (made,) = objects(shop)["disputes"]
        assert seen(shop.done("getDispute", made["disputeId"])).items() >= status.items()


# What a file says below its permission; the line of the mistake, counted from there, and words of the refusal.
_PERMISSION, _CHARGE = (
    "chargePermissions:\n- creationTimestamp: -P10D\n",
    "  charges:\n  - chargeAmount: {amount: 9, currencyCode: USD}\n",
)
_PAID = _PERMISSION + _CHARGE + "    statusDetails: {state: Captured}\n"
_LIMIT = "  limits:\n    amountLimit: {amount: %s, currencyCode: USD}\n"
_REFUND = "    refunds:\n    - refundAmount: {amount: %s, currencyCode: USD}\n"
_DISPUTE = "\n    - disputeAmount: {amount: 0.01, currencyCode: USD}"
BAD = [
    ("- region: na", 1, "chargePermissions:"),
    ("region: na\nmerchants: [", 2, "expected the node content"),
    ("merchants: &all\n- name: A\nfaults: *all", 3, "alias"),
    ("region: na\n? [&a [x, x], &b [*a, *a], [*b, *b]]\n: 1", 2, "alias"),
    ("region: na\n? {region: na}\n: 1", 2, "unknown key"),
    ("clock: 2026-01-15\nregion: eu", 2, "start an emulator of that region"),
    ("clock: yesterday", 1, "2026-01-15T12:00:00Z"),
    ("clock: 0001-01-01", 1, "is no time"),
    (f"{_PERMISSION}  statusDetails:\n    state: Closed\n    lastUpdatedTimestamp: -P{'9' * 400}D", 5, "is no time"),
    (f"{_PERMISSION}  statusDetails:\n    state: Closed\n    lastUpdatedTimestamp: -P40000D", 5, "too long ago"),
    ("clock: 1970-01-09\n" + _PERMISSION, 3, "too long ago"),
    ("chargePermision: []", 1, "did you mean 'chargePermissions'?"),
    ("merchants:\n- name: A\n  storeID: x", 3, "did you mean 'storeId'?"),
    ("merchants:\n- merchantId: A0", 2, "is not one of"),
    ('merchants:\n- storeId: x\n  merchantId: "A\\nurl=http://evil.test"', 3, "pattern"),
    ('merchants:\n- storeId: "a b"', 2, "pattern"),
    ("merchants:\n- merchantId: A1\n- merchantId: A1", 2, "is not one of"),
    ("merchants:\n- endpoint: http://example.com/", 2, "127.0.0.1"),
    (f"{_PERMISSION}  card: 1112", 3, "did you mean '1111'?"),
    (f"{_PERMISSION}  merchantId: A0", 3, "is not one of"),
    (f"{_PERMISSION}  chargePermissionId: C01-1", 3, "pattern"),
    (f"{_PERMISSION}  chargePermissionId: C٠١-1000001-0000001", 3, "pattern"),
    (f"{_PERMISSION}  presentmentCurrency: EUR", 3, "USD"),
    ("region: na\nclock: 2026-01-15\nregion: na", 3, "the key 'region' is there twice"),
    ("clock: 2026-01-15\nmerchants:\n- {name: A, name: B}", 3, "the key 'name' is there twice"),
    (f"{_PERMISSION}  chargePermissionType: OneTime", 2, "amountLimit"),
    (f"{_PERMISSION}  statusDetails: {{state: Open}}", 3, "Chargeable, NonChargeable, Closed"),
    (
        f"{_PERMISSION}  statusDetails:\n    state: Closed\n    reasonCode: BuyerCancelled",
        5,
        "did you mean 'BuyerCanceled'?",
    ),
    (f"{_PERMISSION}  statusDetails: {{state: Chargeable, reasonDescription: sold out}}", 3, "leave reasonDescription"),
    (f"{_PERMISSION}  spentThisMonth: 15000.01", 3, "monthly limit"),
    (f"{_PERMISSION}{_CHARGE}  spentThisMonth: 8.99", 5, "its charges of this month come to 9.00"),
    (f"{_PERMISSION}  chargePermissionType: OneTime\n{_LIMIT % 9}  spentThisMonth: 1", 6, "OneTime permission has no"),
    (f"{_PERMISSION}  chargePermissionType: OneTime\n{_LIMIT % '1350000.01'}", 5, "more than any order may be"),
    (f"{_PERMISSION}  chargePermissionType: OneTime\n{_LIMIT % ('9' * 27)}", 5, "more than any order may be"),
    (f"{_PERMISSION}  chargePermissionType: OneTime\n{(_LIMIT % 9).replace('USD', 'GBP')}", 5, "is not one of USD"),
    (f"{_PERMISSION}  chargePermissionType: Recurring\n{(_LIMIT % 9).replace('USD', 'GBP')}", 5, "is not one of USD"),
    (f"{_PERMISSION}  charges:\n  - chargeAmount: {{amount: 9.999, currencyCode: USD}}", 4, "decimals"),
    (f"{_PERMISSION}  charges:\n  - chargeAmount: {{amount: 15000.01, currencyCode: USD}}", 4, "monthly limit"),
    (f"{_PERMISSION}{_CHARGE}    creationTimestamp: 2126-01-01", 5, "later than the clock"),
    (f"{_PERMISSION}{_CHARGE}    chargeInitiator: MTIU", 5, "MITU"),
    (f"{_PERMISSION}{_CHARGE}    statusDetails: {{state: Captued}}", 5, "did you mean 'Captured'?"),
    (
        f"{_PAID}    captureAmount: {{amount: 9.01, currencyCode: USD}}",
        5,
        "cannot be captured",
    ),
    (
        f"{_PERMISSION}{_CHARGE}    statusDetails: {{state: Canceled, reasonCode: SoftDeclined}}",
        5,
        "no way leads",
    ),
    (_PERMISSION + _CHARGE + _REFUND % 1, 6, "Authorized"),
    (_PERMISSION + _CHARGE + "    disputes:\n    - filingReason: Fraudulent", 6, "Authorized"),
    (_PAID + _REFUND % "10.36", 7, "can still be refunded"),
    (f"{_PERMISSION}  statusDetails: {{state: Closed, lastUpdatedTimestamp: -P11D}}", 3, "too early"),
    (f"{_PERMISSION}  statusDetails: {{state: Closed, lastUpdatedTimestamp: -P1D}}\n{_CHARGE}", 3, "too early"),
    (f"{_PAID}    creationTimestamp: -P2D\n{_REFUND % 1}      creationTimestamp: -P3D", 9, "too early"),
    (f"{_PAID}    disputes:\n    - disputeAmount: {{amount: 9.01, currencyCode: USD}}", 7, "more than was captured"),
    (f"{_PAID}    disputes:\n    - filingReason: Fraud", 7, "Fraudulent"),
    (f"{_PAID}    disputes:{_DISPUTE * 101}", 107, "has had 100 disputes"),
    (f"{_PERMISSION}  chargePermissionId: {WALLET}\n- chargePermissionId: {WALLET}", 4, "two"),
    ("outcomes:\n  createChrage: [SoftDeclined]", 2, "did you mean 'createCharge'?"),
    ("outcomes:\n  createCharge:\n  - SoftDeclined\n  - SoftDecline", 4, "did you mean 'SoftDeclined'?"),
]


class TestRefusals:
    """A mistake is named with its file and line, and nothing has changed."""

    @pytest.mark.parametrize(("text", "line", "words"), BAD, ids=[text.splitlines()[-1].strip() for text, *_ in BAD])
    def test_a_mistake_has_a_line(self, shop: Shop, text: str, line: int, words: str) -> None:
        before = objects(shop)
        with pytest.raises(ControlError) as error:
            load(shop, text)
        place, message = str(error.value).split(": ", 1)
        assert (place, words in message) == (f"shop.yaml:{line}", True), str(error.value)
        assert objects(shop) == before


@pytest.mark.parametrize("nest", ["[", "{a: ", "- ", "? "])
def test_what_is_nested_without_an_end_takes_no_time(shop: Shop, nest: str) -> None:
    """Reading it to its end would take hours, in which the emulator answers nobody."""
    with pytest.raises(ControlError, match=r"^shop.yaml:2: it is nested deeper than 100 levels"):
        load(shop, "# A world\n" + nest * (200_000 // len(nest)))


def test_a_file_has_an_end(tmp_path: Path) -> None:
    """One that would be read for many minutes is refused with a sentence."""
    path = tmp_path / "shop.yaml"
    path.write_text(f"# {'x' * 2_000_000}\nregion: na")
    with pytest.raises(ValueError, match="it has more than 2,000,000 characters"):
        Emulator(world=path)


def test_a_refusal_repeats_no_secret(shop: Shop) -> None:
    """A key in a wrong place of the file is not in the answer."""
    with pytest.raises(ControlError, match=r"^shop.yaml:1: card: '\(55 characters\)' is not one of 1111,"):
        load(shop, "chargePermissions: [{card: '-----BEGIN PRIVATE KEY-----MII-----END PRIVATE KEY-----'}]")


def test_a_charge_may_be_older_than_the_permission_that_came_of_its_session(shop: Shop) -> None:
    """The buyer authorizes on Amazon's page; the session is completed within 24 hours, and the permission begins."""
    limits = {"amountLimit": usd("14.00")}
    dates = {"creationTimestamp": "2026-01-10T12:00:30Z", "chargePermissionType": "OneTime", "limits": limits}
    paid = {"chargeAmount": usd("14.00"), "creationTimestamp": "2026-01-10T12:00:00Z"}
    world = {"clock": "2026-01-15T12:00:00Z", "chargePermissions": [dates | {"charges": [paid]}]}
    load(shop, world)
    saved = shop.emulator.control.get("world")
    rows = objects(shop)
    assert [row["creationTimestamp"] for kind in KINDS[:2] for row in rows[kind]] == [
        "20260110T120030Z", "20260110T120000Z",
    ]  # fmt: skip
    order = rows["chargePermissions"][0]
    assert (order["expirationTimestamp"], seen(order)["reasonCode"]) == ("20260709T120030Z", "ChargeInProgress")
    assert order["statusDetails"]["lastUpdatedTimestamp"] == order["creationTimestamp"]
    load(shop, saved)
    assert (shop.emulator.control.get("world"), objects(shop)) == (saved, rows)


@pytest.mark.parametrize("kind", ["OneTime", "Recurring"])
def test_a_permission_is_in_the_currency_of_its_limit(kind: str) -> None:
    """Where the file names no other; where it does, the two are refused."""
    limit = {"amountLimit": {"amount": "50.00", "currencyCode": "GBP"}}
    row = {"chargePermissionType": kind, "limits": limit, "presentmentCurrency": "GBP"}
    with closing(Store()) as store:
        world = World(store, REGIONS["eu"], seed=7)
        for rows in (row, {name: row[name] for name in ("chargePermissionType", "limits")}):
            making.load(world, read_world({"chargePermissions": [rows]}))
            (made,) = store.every("Charge Permission")
            assert made.document["presentmentCurrency"] == "GBP"
            assert {price["currencyCode"] for price in made.document["limits"].values()} == {"GBP"}
        with pytest.raises(DataError, match=r"limits, amountLimit: .* is in EUR, not in GBP"):
            making.load(world, read_world({"chargePermissions": [row | {"presentmentCurrency": "EUR"}]}))


def test_an_order_with_all_of_its_charges_comes_back(shop: Shop) -> None:
    """Its checkout's, which does not count, and 25 by Create Charge; another one is refused, as before."""
    order = str(shop.order(totalOrderAmount=usd("100.00"))["chargePermissionId"])
    for _ in range(25):
        shop.charge(order, "1.00")
    saved = shop.emulator.control.get("world")
    load(shop, saved)
    assert shop.emulator.control.get("world") == saved
    assert refusal(shop.try_charge(order, "1.00")) == (422, "TransactionCountExceeded")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ("Ada Example", "ada@example.com")),
        ({"name": "Jane Example"}, ("Jane Example", "ada@example.com")),
        ({"name": "Jane Example", "email": None}, ("Jane Example", None)),
        ({"email": "ben@example.com"}, ("Ben Example", "ben@example.com")),
        ({"buyerId": "amzn1.account.A", "name": "Jane Example"}, ("Jane Example", None)),
        ({"buyerId": "amzn1.account.A"}, (None, None)),
    ],
    ids=str,
)
def test_what_a_file_leaves_out_of_a_buyer(shop: Shop, fields: Json, shown: tuple[str | None, str | None]) -> None:
    """It is a test buyer's, but for what is null and for a buyer with an id, who has shared no more."""
    load(shop, to_yaml(wallet(buyer=fields)))
    buyer = shop.done("getChargePermission", WALLET)["buyer"]
    assert (buyer["name"], buyer["email"]) == shown
    assert buyer["buyerId"].startswith("amzn1.account.")


@pytest.mark.parametrize(
    ("amount", "end"),
    [("1.00", "SoftDeclined"), ("100.00", "SoftDeclined"), ("1.00", "AmazonRejected")],
    ids=["declined", "declined-with-all-that-was-left", "declined-before-the-order-was-closed"],
)
def test_an_order_takes_as_long_as_it_has_charges(amount: str, end: str) -> None:
    """Each takes the same time, however many came before."""
    paid = {"chargeAmount": usd(amount), "statusDetails": {"state": "Declined", "reasonCode": end}}
    order = {"chargePermissionType": "OneTime", "limits": {"amountLimit": usd("100.00")}}
    if end == "AmazonRejected":  # at its capture, for else it would close the order
        paid["captureAmount"] = usd(amount)
        order["statusDetails"] = {"state": "Closed", "reasonCode": "MerchantClosed"}

    def calls(charges: int) -> int:
        file, profile = read_world({"chargePermissions": [order | {"charges": [paid] * charges}]}), cProfile.Profile()
        with closing(Store()) as store:
            gc.disable()  # what earlier tests have left would end in the profile
            try:
                profile.runcall(making.load, World(store, REGIONS["na"], seed=7), file)
            finally:
                gc.enable()
        return sum(count for _, count, *_ in pstats.Stats(profile).stats.values())  # type: ignore[attr-defined]

    calls(1)  # what is done once
    few, some, many = (calls(charges) for charges in (20, 40, 60))
    assert many - some < 1.1 * (some - few)
