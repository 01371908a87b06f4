"""Delivery trackers: an order by either of its ids, and tracking numbers that work once."""

from pathlib import Path

import pytest

from amazonpay_nb.emulator import Emulator
from tests.emulated import Json, Shop, purchase, refusal

PARCEL = {"trackingNumber": "1Z999AA10123456784", "carrierCode": "UPS"}


@pytest.fixture(autouse=True)
def nothing_sent(na: Shop) -> None:
    na.emulator.reset()


def test_a_parcel_of_a_permission_is_taken_in(na: Shop) -> None:
    """The answer repeats the request; the same number is refused the next time, whatever the key."""
    body = {"chargePermissionId": na.wallet(), "deliveryDetails": [PARCEL]}
    assert na.done("createDeliveryTracker", **body) == body
    assert refusal(na.call("createDeliveryTracker", **body)) == (400, "InvalidParameterValue")


def test_an_order_of_a_wallet_has_an_id_of_its_own(na: Shop) -> None:
    """What the id of its charge begins with."""
    charge = na.charge(na.wallet())["chargeId"]
    body = {"amazonOrderReferenceId": charge.rpartition("-")[0], "deliveryDetails": [PARCEL]}
    assert na.done("createDeliveryTracker", **body) == body


@pytest.mark.parametrize(
    "body",
    [{"chargePermissionId": "S01-0000000-0000000"}, {"amazonOrderReferenceId": "S01-0000000-0000000"},
     {"chargePermissionId": "C01"}, {"amazonOrderReferenceId": "S01"}],
    ids=str,
)  # fmt: skip
def test_an_order_that_does_not_exist_is_a_wrong_value(na: Shop, body: Json) -> None:
    """Not 404, as the page says; nor is a part of an id one.  Nothing is kept, so the number can still be used."""
    na.charge(wallet := na.wallet())
    response = na.call("createDeliveryTracker", deliveryDetails=[PARCEL], **body)
    assert refusal(response) == (400, "InvalidParameterValue")
    na.done("createDeliveryTracker", chargePermissionId=wallet, deliveryDetails=[PARCEL])


def test_an_order_is_named(na: Shop) -> None:
    """One of the two ids is needed."""
    assert refusal(na.call("createDeliveryTracker", deliveryDetails=[PARCEL])) == (400, "MissingParameterValue")


def test_an_order_that_waits_for_its_completion_has_no_parcels(na: Shop) -> None:
    """No shop knows the charge that is held for a session."""
    na.visited(purchase())
    (held,) = na.emulator.control.get("objects/charges")["objects"]
    body = {"amazonOrderReferenceId": held["chargePermissionId"], "deliveryDetails": [PARCEL]}
    assert refusal(na.call("createDeliveryTracker", **body)) == (400, "InvalidParameterValue")


def test_what_another_merchant_ships_is_not_noticed(na: Shop) -> None:
    """Its order is no order, and its tracking number can be used."""
    body = {"chargePermissionId": na.wallet(), "deliveryDetails": [PARCEL]}
    na.done("createDeliveryTracker", **body)
    with Shop(na.emulator, na.emulator.other_merchant) as other:
        assert refusal(other.call("createDeliveryTracker", **body)) == (400, "InvalidParameterValue")
        other.done("createDeliveryTracker", **body | {"chargePermissionId": other.wallet()})


def test_many_parcels_are_kept_once_each(tmp_path: Path) -> None:
    """A store grows by what one call says, and not by as much for each of its parcels."""
    store = tmp_path / "world.db"
    with Emulator("na", seed=7, store=store) as emulator, Shop(emulator) as shop:
        parcels = [PARCEL | {"trackingNumber": f"{number:09}"} for number in range(1000)]
        shop.done("createDeliveryTracker", chargePermissionId=shop.wallet(), deliveryDetails=parcels)
    assert store.stat().st_size < 2**20


def test_one_number_that_was_used_refuses_all(na: Shop) -> None:
    """Of two parcels, neither is taken in."""
    other = PARCEL | {"trackingNumber": "2"}
    body = {"chargePermissionId": na.wallet()}
    response = na.call("createDeliveryTracker", deliveryDetails=[other, PARCEL, PARCEL], **body)
    assert refusal(response) == (400, "InvalidParameterValue")
    na.done("createDeliveryTracker", deliveryDetails=[other, PARCEL], **body)
