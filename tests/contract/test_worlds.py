"""World files: every documented state can be written and read back, and no world that could not have come about."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.portrait import to_yaml
from amazonpay_nb.emulator.server import ControlError
from amazonpay_nb.signing.keys import generate
from tests.emulated import Json, Shop, charge_in, dispute_in, recurring, refusal, usd

EXAMPLES = Path(__file__).parents[2] / "examples" / "worlds"
KINDS = ("chargePermissions", "charges", "refunds", "disputes")
WALLET = "C01-1000001-0000001"


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


def wallet(**fields: Any) -> Json:
    """A world with one permission."""
    return {"chargePermissions": [{"chargePermissionId": WALLET, "creationTimestamp": "-P200D"} | fields]}


def charge(**fields: Any) -> Json:
    return wallet(charges=[{"chargeAmount": usd("14.00"), "creationTimestamp": "-PT1H"} | fields])


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
        repaired = shop.wallet()
        assert refusal(shop.try_charge(repaired, code="HardDeclined"))[1] == "HardDeclined"
        emulator.clock.advance("PT1H")
        control.post(f"permissions/{repaired}", state="Chargeable")
        shop.order("50.00", totalOrderAmount=usd("80.00"))
        shop.order("50.00", paymentIntent="AuthorizeWithCapture")
        control.post(f"permissions/{recurring(shop)}", state="Closed", reasonCode="Expired")
        emulator.queue_outcome("createCharge", "SoftDeclined", times=2)
        emulator.inject_fault("createCharge", "reset")
        before, document = objects(shop), control.get("world")
        load(shop, to_yaml(document))
        assert objects(shop) == before
        assert control.get("world") == document
        with Emulator("na", world=document) as other, Shop(other) as second:
            assert objects(second) == before
            assert other.merchant_id == emulator.merchant_id
        emulator.clock.advance("P40D")
        after = objects(shop)
        load(shop, document)
        emulator.clock.advance("P40D")
        assert objects(shop) == after
