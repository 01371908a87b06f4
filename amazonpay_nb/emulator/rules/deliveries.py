"""Delivery trackers: parcels of an order, each announced once."""

from amazonpay_nb.emulator.records import Merchant, NoNotes, Record, Tracker
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules.payments import Body
from amazonpay_nb.emulator.world import World


def create_tracker(world: World, merchant: Merchant, body: Body) -> Tracker:
    """Take the tracking numbers of an order's parcels in.

    Raises:
        Refusal: 400; even an id that is unknown is a wrong value here.
    """
    order = _order(world, merchant, body)
    for parcel in body["deliveryDetails"]:
        code = f"{parcel['carrierCode']} {parcel['trackingNumber']}"
        if world.store.get("Delivery Tracker", code):
            raise Refusal("InvalidParameterValue", f"The trackingNumber {parcel['trackingNumber']} was used before.")
        tracker = Record("Delivery Tracker", code, merchant.merchant_id, body, NoNotes(), order)
        world.store.put(tracker)
    return tracker


def _order(world: World, merchant: Merchant, body: Body) -> str:
    """Return the id of the permission or the charge that belongs to an order."""
    permission_id, order_id = body.get("chargePermissionId"), body.get("amazonOrderReferenceId")
    if bool(permission_id) == bool(order_id):
        raise Refusal("InvalidParameterValue", "Either chargePermissionId or amazonOrderReferenceId is needed.")
    # Each charge of a Saved Wallet has an order id of its own, which its id begins with.
    kind, beginning = ("Charge Permission", permission_id) if permission_id else ("Charge", f"{order_id}-")
    for record in world.store.every(kind, str(beginning)):
        if record.merchant_id == merchant.merchant_id and record.id.startswith(str(beginning)):
            return record.id
    name = "chargePermissionId" if permission_id else "amazonOrderReferenceId"
    raise Refusal("InvalidParameterValue", f"There is no order with the {name} {permission_id or order_id}.")
