"""Delivery trackers: an order by either of its ids, and tracking numbers that work once."""

import pytest

from tests.emulated import Shop, refusal

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


@pytest.mark.parametrize("order", ["chargePermissionId", "amazonOrderReferenceId", ""])
def test_an_order_that_does_not_exist_is_a_wrong_value(na: Shop, order: str) -> None:
    """Not 404, as the page says; nothing is kept, so the number can still be used."""
    body = {order: "S01-0000000-0000000"} if order else {}
    response = na.call("createDeliveryTracker", deliveryDetails=[PARCEL], **body)
    assert refusal(response) == (400, "InvalidParameterValue")
    na.done("createDeliveryTracker", chargePermissionId=na.wallet(), deliveryDetails=[PARCEL])


def test_one_number_that_was_used_refuses_all(na: Shop) -> None:
    """Of two parcels, neither is taken in."""
    other = PARCEL | {"trackingNumber": "2"}
    body = {"chargePermissionId": na.wallet()}
    response = na.call("createDeliveryTracker", deliveryDetails=[other, PARCEL, PARCEL], **body)
    assert refusal(response) == (400, "InvalidParameterValue")
    na.done("createDeliveryTracker", deliveryDetails=[other, PARCEL], **body)
