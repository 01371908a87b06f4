"""Charge Permissions, Charges and Refunds: what each well-formed call does."""

from contextlib import suppress
from datetime import datetime, timedelta

from amazonpay_nb.emulator.records import Charge, ChargeNotes, Merchant, NoNotes, Permission, Record, Refund
from amazonpay_nb.emulator.refusal import Body, Refusal
from amazonpay_nb.emulator.rules import documents, limits
from amazonpay_nb.emulator.rules.transitions import move, require, settle
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.simulations import CARDS, Simulation, simulation
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION

SYNCHRONOUS_CAPTURE = timedelta(days=7)


def update_charge_permission(
    world: World, permission: Permission, body: Body, outcome: Simulation | None
) -> Permission:
    """Merge the metadata; on a closed permission only what is still empty in that of an order can be set."""
    require(permission, "Update Charge Permission")
    old = permission.document["merchantMetadata"]
    permission.document = documents.merged(permission.document, body)
    if CHARGE_PERMISSION.is_final(permission.state):
        new = permission.document["merchantMetadata"]
        changes = "recurringMetadata" in body or any(old[name] not in (None, "", new[name]) for name in old)
        if changes or permission.document["chargePermissionType"] != "OneTime":
            problem = f"Charge Permission {permission.id} is {permission.state}: only empty metadata of a OneTime one"
            raise Refusal("ChargePermissionNotModifiable", f"{problem} can still be set.")
    move(world, permission, "Update Charge Permission")
    return permission


def close_charge_permission(world: World, permission: Permission, body: Body, outcome: Simulation | None) -> Permission:
    """Close for good; pending charges are canceled with it on request."""
    trigger = "Close by Amazon" if outcome else "Close Charge Permission"
    flags = ("cancelPendingCharges",) if body.get("cancelPendingCharges") else ()
    require(permission, "Close Charge Permission")
    move(world, permission, trigger, description=None if outcome else body.get("closureReason"), flags=flags)
    # Again from the store, since charges canceled with it have changed the balance of a one-time permission.
    return world.find("Charge Permission", permission.id, permission.merchant_id)


def create_charge(world: World, permission: Permission, body: Body, outcome: Simulation | None) -> Charge:
    """Authorize, and capture if asked to; a decline is a refusal and leaves no charge behind.

    The card of the permission decides where a simulation asks for nothing.
    """
    require(permission, "Create Charge")
    if body.get("captureNow") and body.get("canHandlePendingAuthorization"):
        problem = "captureNow and canHandlePendingAuthorization cannot both be true."
        raise Refusal("InvalidParameterCombination", problem)
    limits.check_charge(world, permission, body["chargeAmount"])
    outcome = outcome or _outcome_of_card(permission, body)
    _check_simulation(outcome, body)
    if outcome and outcome.reason_code:
        raise _declined(world, permission, outcome, "AuthorizationInitiated")
    charge = _new_charge(world, permission, body)
    move(world, charge, "Create Charge")
    settle(world, charge, "Authorize", outcome)
    if body.get("captureNow"):
        capture(world, charge, body["chargeAmount"], outcome)
    return charge


def hold_charge(world: World, permission: Permission, body: Body, session_id: str) -> None:
    """Authorize what a buyer has agreed to pay; *permission* is the one to come.  Above a limit, nothing is held."""
    for earlier in world.store.children("Charge", session_id)[:-1]:  # a stranger may agree again and again
        world.store.delete(earlier)
    with suppress(Refusal):  # which is what the merchant hears on completing the session  [inferred]
        limits.check_charge(world, permission, body["chargeAmount"])
        charge = _new_charge(world, permission, body)
        charge.parent = session_id
        move(world, charge, "Agree")
        settle(world, charge, "Authorize", _outcome_of_card(permission, body))


def capture(world: World, charge: Charge, amount: limits.Price, outcome: Simulation | None) -> None:
    """Take the money of an authorized charge."""
    charge.notes.capture = amount
    move(world, charge, "Capture Charge")
    settle(world, charge, "Capture", outcome)


def _new_charge(world: World, permission: Permission, body: Body) -> Charge:
    now = world.clock.now()
    kind = permission.document["chargePermissionType"]
    # A world file names its objects, and a session its own charge; a request does neither.
    charge_id = body.get("chargeId") or world.ids.new_item_id(
        "Charge", permission.id if kind == "OneTime" else world.ids.new_order_id("S")
    )
    at_checkout = body.get("atCheckout", False)
    notes = ChargeNotes(kind, limits.month_of(now), ledger=permission.notes.ledger, at_checkout=at_checkout)
    document = documents.new("Charge", charge_id, now, body)
    return Record("Charge", charge_id, permission.merchant_id, document, notes, permission.id)


def capture_charge(world: World, charge: Charge, body: Body, outcome: Simulation | None) -> Charge:
    """Capture all or less; the rest of the authorization is released."""
    require(charge, "Capture Charge")
    amount, authorized = body["captureAmount"], charge.document["chargeAmount"]
    limits.check_currency(amount, authorized["currencyCode"], f"Charge {charge.id}")
    if limits.value_of(amount) > limits.value_of(authorized):
        problem = f"Charge {charge.id} is authorized for {authorized['amount']}: {amount['amount']} cannot be captured."
        raise Refusal("TransactionAmountExceeded", problem)
    if outcome and outcome.reason_code:
        permission = world.find("Charge Permission", charge.parent, charge.merchant_id)
        raise _declined(world, permission, outcome, "CaptureInitiated")
    age = world.clock.now() - datetime.fromisoformat(charge.notes.authorized)
    if outcome is None and age > SYNCHRONOUS_CAPTURE:
        outcome = simulation("captureCharge", "CaptureInitiated")
    if descriptor := body.get("softDescriptor"):
        charge.document["softDescriptor"] = f"AMZ*{descriptor}"
    capture(world, charge, amount, outcome)
    return charge


def cancel_charge(world: World, charge: Charge, body: Body, outcome: Simulation | None) -> Charge:
    """Release the authorization."""
    move(world, charge, "Cancel Charge", description=body.get("cancellationReason"))
    return charge


def _outcome_of_card(permission: Permission, body: Body) -> Simulation | None:
    """The card's own behavior; a pending one shows only where the merchant can handle it."""
    outcome = simulation("createCharge", CARDS[permission.notes.card].plays)
    return outcome if outcome and body.get(outcome.needs) else None


def _check_simulation(outcome: Simulation | None, body: Body) -> None:
    if outcome and outcome.needs and not body.get(outcome.needs):
        problem = f"The simulation code {outcome.code!r} needs {outcome.needs} to be true."
        raise Refusal("InvalidSandboxSimulationSpecified", problem)


def _declined(world: World, permission: Permission, outcome: Simulation, state: str) -> Refusal:
    """Return the refusal of a charge or capture, after what its decline in *state* would do to the permission."""
    code = str(outcome.reason_code)
    decline = state, f"Decline: {code}"
    if CHARGE.has(*decline):  # other refusals decline nothing
        for follow_up in CHARGE.step(*decline).then:
            applies = follow_up.when in ("", permission.document["chargePermissionType"])
            if applies and CHARGE_PERMISSION.has(permission.state, follow_up.trigger):  # it may be Closed
                move(world, permission, follow_up.trigger)
    return Refusal(code, f"The charge on {permission.id} was not accepted: {code}.", status=outcome.status, keep=True)


def create_tracker(world: World, merchant: Merchant, body: Body) -> Body:
    """Take the parcels of an order in; even an unknown id is a wrong value here, and a tracking number works once."""
    if not body.get("chargePermissionId") and not body.get("amazonOrderReferenceId"):
        raise Refusal("MissingParameterValue", "chargePermissionId is missing, or amazonOrderReferenceId.")
    # The id of a charge begins with that of its order.
    order = f"{body.get('amazonOrderReferenceId')}-C"
    rows = [row for row in world.store.every("Charge", order) if row.id.startswith(order)]
    if permission_id := body.get("chargePermissionId"):
        rows = [row for row in [world.store.get("Charge Permission", permission_id)] if row]
    parent = next((row for row in rows if row.merchant_id == merchant.merchant_id and not row.is_held), None)
    if parent is None:
        raise Refusal("InvalidParameterValue", "Neither chargePermissionId nor amazonOrderReferenceId names an order.")
    for parcel in body["deliveryDetails"]:
        code = f"{merchant.merchant_id} {parcel['carrierCode']} {parcel['trackingNumber']}"
        if world.store.get("Delivery Tracker", code):
            raise Refusal("InvalidParameterValue", f"The trackingNumber {parcel['trackingNumber']} was used before.")
        world.store.put(Record("Delivery Tracker", code, merchant.merchant_id, parcel, NoNotes(), parent.id))
    return body


def create_refund(world: World, charge: Charge, body: Body, outcome: Simulation | None) -> Refund:
    """Start a refund."""
    require(charge, "Create Refund")
    limits.check_refund(world, charge, body["refundAmount"])
    if outcome and outcome.reason_code:
        raise Refusal(outcome.reason_code, f"The refund of Charge {charge.id} was not accepted.", status=outcome.status)
    refund_id = body.get("refundId") or world.ids.new_item_id("Refund", charge.id.rsplit("-", 1)[0])
    document = documents.new("Refund", refund_id, world.clock.now(), body)
    refund = Record("Refund", refund_id, charge.merchant_id, document, NoNotes(), charge.id)
    move(world, refund, "Create Refund", later=outcome)
    return refund
