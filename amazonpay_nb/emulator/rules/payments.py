"""Charge Permissions, Charges and Refunds: what each call does, after it was found to be well-formed."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import documents
from amazonpay_nb.emulator.rules.transitions import money, month_of, move, price, require, settle
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.money import (
    CHARGE_CEILINGS,
    MAX_REFUNDS_ON_A_CHARGE,
    MONTHLY_LIMITS,
    RECURRING_MONTHLY_LIMITS,
    REFUND_CEILINGS,
    overcharge_limit,
    refund_allowance,
)
from amazonpay_nb.spec.simulations import CARDS, CardEffect, Simulation, simulation
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION

__all__ = [
    "cancel_charge",
    "capture_charge",
    "close_charge_permission",
    "create_charge",
    "create_refund",
    "opening_limits",
    "update_charge_permission",
]

Body = dict[str, Any]

MAX_CHARGES_ON_ONE_TIME = 25
SYNCHRONOUS_CAPTURE = timedelta(days=7)
_LIMITS_OF_TYPE = {"PaymentMethodOnFile": MONTHLY_LIMITS, "Recurring": RECURRING_MONTHLY_LIMITS}


# --- Charge Permission ------------------------------------------------------------------------------------------------


def opening_limits(world: World, permission: Body, *, overcharge: bool) -> Body:
    """Return what a new permission shows as its limits: its order's, more where that was allowed, or a month's."""
    limit, currency = permission["limits"]["amountLimit"], permission["presentmentCurrency"]
    if permission["chargePermissionType"] == "Recurring":
        limit = price(RECURRING_MONTHLY_LIMITS[world.region.code, currency], like={"currencyCode": currency})
    elif limit and overcharge:
        limit = price(overcharge_limit(money(limit), currency), like=limit)
    return {"amountLimit": limit, "amountBalance": limit}


def update_charge_permission(world: World, permission: Record, body: Body, outcome: Simulation | None) -> Record:
    """Merge the metadata; on a closed permission only what is still null can be set."""
    require(permission, "Update Charge Permission")
    old = permission.document["merchantMetadata"]
    permission.document = documents.merged(permission.document, body)
    if permission.state == "Closed":
        new = permission.document["merchantMetadata"]
        if "recurringMetadata" in body or any(old[name] not in (None, new[name]) for name in old):
            raise Refusal(
                422, "ChargePermissionNotModifiable",
                f"Charge Permission {permission.id} is Closed: only merchantMetadata that is still null can be set.",
            )  # fmt: skip
    move(world, permission, "Update Charge Permission")
    return permission


def close_charge_permission(world: World, permission: Record, body: Body, outcome: Simulation | None) -> Record:
    """Close for good; pending charges are canceled with it on request."""
    trigger = "Close by Amazon" if outcome else "Close Charge Permission"
    flags = ("cancelPendingCharges",) if body.get("cancelPendingCharges") else ()
    require(permission, "Close Charge Permission")
    move(world, permission, trigger, description=None if outcome else body.get("closureReason"), flags=flags)
    # Again from the store: charges that were canceled with it have changed the balance of a one-time permission.
    return world.find("Charge Permission", permission.id, permission.merchant_id)


# --- Charge -----------------------------------------------------------------------------------------------------------


def create_charge(world: World, permission: Record, body: Body, outcome: Simulation | None) -> Record:
    """Authorise, and capture if asked to; a decline is a refusal and leaves no charge behind.

    Args:
        outcome: What a simulation asks for; the card of the permission decides where it asks for nothing.
    """
    require(permission, "Create Charge")
    if body.get("captureNow") and body.get("canHandlePendingAuthorization"):
        raise Refusal(
            400, "InvalidParameterCombination", "captureNow and canHandlePendingAuthorization cannot both be true."
        )
    _check_charge_amount(world, permission, body["chargeAmount"])
    outcome = outcome or _outcome_of_card(permission, body)
    _check_simulation(outcome, body)
    if outcome and outcome.reason_code:
        raise _declined(world, permission, outcome, "AuthorizationInitiated")
    charge = _new_charge(world, permission, body)
    move(world, charge, "Create Charge")
    settle(world, charge, "Authorize", outcome)
    if body.get("captureNow"):
        charge.hidden["capture"] = body["chargeAmount"]
        move(world, charge, "Capture Charge")
        settle(world, charge, "Capture", outcome)
    return charge


def _new_charge(world: World, permission: Record, body: Body) -> Record:
    now = world.clock.now()
    kind = permission.document["chargePermissionType"]
    charge_id = world.new_item_id("Charge", permission.id if kind == "OneTime" else world.new_order_id("S"))
    return Record(
        "Charge", charge_id, permission.merchant_id, documents.charge(charge_id, body, now), permission.id,
        {"month": month_of(now), "capture": None, "type": kind},
    )  # fmt: skip


def capture_charge(world: World, charge: Record, body: Body, outcome: Simulation | None) -> Record:
    """Capture all or less; the rest of the authorisation is released."""
    require(charge, "Capture Charge")
    amount, authorised = body["captureAmount"], charge.document["chargeAmount"]
    _check_currency(amount, authorised["currencyCode"], f"Charge {charge.id}")
    if money(amount) > money(authorised):
        raise Refusal(
            400, "TransactionAmountExceeded",
            f"Charge {charge.id} is authorized for {authorised['amount']}: {amount['amount']} cannot be captured.",
        )  # fmt: skip
    if outcome and outcome.reason_code:
        permission = world.find("Charge Permission", charge.parent, charge.merchant_id)
        raise _declined(world, permission, outcome, "CaptureInitiated")
    if (
        outcome is None
        and world.clock.now() - datetime.fromisoformat(charge.hidden["authorized"]) > SYNCHRONOUS_CAPTURE
    ):
        outcome = simulation("captureCharge", "CaptureInitiated")
    charge.hidden["capture"] = amount
    if descriptor := body.get("softDescriptor"):
        charge.document["softDescriptor"] = f"AMZ*{descriptor}"
    move(world, charge, "Capture Charge")
    settle(world, charge, "Capture", outcome)
    return charge


def cancel_charge(world: World, charge: Record, body: Body, outcome: Simulation | None) -> Record:
    """Release the authorisation."""
    move(world, charge, "Cancel Charge", description=body.get("cancellationReason"))
    return charge


def _check_currency(amount: dict[str, str], expected: str | None, what: str) -> None:
    if expected and amount["currencyCode"] != expected:
        raise Refusal(400, "CurrencyMismatch", f"{what} is in {expected}, not in {amount['currencyCode']}.")


def _check_charge_amount(world: World, permission: Record, amount: dict[str, str]) -> None:
    """Compare with the currency, the ceiling of a charge, and the limit of the permission's type."""
    document, currency = permission.document, amount["currencyCode"]
    if currency not in world.region.currencies:
        raise Refusal(400, "CurrencyMismatch", f"{currency} cannot be charged in region {world.region.code}.")
    _check_currency(amount, document["presentmentCurrency"], f"Charge Permission {permission.id}")
    if money(amount) > CHARGE_CEILINGS[currency]:
        raise Refusal(
            400, "TransactionAmountExceeded", f"A charge cannot be over {CHARGE_CEILINGS[currency]} {currency}."
        )
    if document["chargePermissionType"] == "OneTime":
        _check_one_time(world, permission, amount)
        return
    limits = _LIMITS_OF_TYPE[document["chargePermissionType"]]
    spent = Decimal(world.store.spent(permission.id, month_of(world.clock.now()))) / 100
    if spent + money(amount) > limits[world.region.code, currency]:
        raise Refusal(
            400, "PeriodicAmountExceeded",
            "You've exceeded the monthly limit for the Charge Permission and must wait until the next month to charge "
            "this buyer.",
        )  # fmt: skip


def _check_one_time(world: World, permission: Record, amount: dict[str, str]) -> None:
    limits = permission.document["limits"]
    if money(amount) > money(limits["amountBalance"]):
        raise Refusal(
            400, "TransactionAmountExceeded",
            f"Charge Permission {permission.id} has {limits['amountBalance']['amount']} left.",
        )  # fmt: skip
    if len(world.store.children("Charge", permission.id)) >= MAX_CHARGES_ON_ONE_TIME:
        raise Refusal(
            422,
            "TransactionCountExceeded",
            f"Charge Permission {permission.id} has had {MAX_CHARGES_ON_ONE_TIME} charges.",
        )


def _outcome_of_card(permission: Record, body: Body) -> Simulation | None:
    """The card's own behaviour; a pending one shows only where the merchant can handle it."""
    code = _CARD_OUTCOMES.get(CARDS[permission.hidden["card"]].trigger)
    return simulation("createCharge", code) if code and body.get("canHandlePendingAuthorization") else None


_CARD_OUTCOMES = {
    CardEffect.PENDING_AUTHORIZED: "AuthorizationInitiated",
    CardEffect.PENDING_DECLINED: "PendingHardDeclined",
}


def _check_simulation(outcome: Simulation | None, body: Body) -> None:
    needed = {"AuthorizationInitiated": "canHandlePendingAuthorization", "CaptureInitiated": "captureNow"}
    flag = needed.get(str(outcome.state)) if outcome and outcome.later_state else None
    if outcome and flag and not body.get(flag):
        raise Refusal(
            400, "InvalidSandboxSimulationSpecified", f"The simulation code {outcome.code!r} needs {flag} to be true."
        )


def _declined(world: World, permission: Record, outcome: Simulation, state: str) -> Refusal:
    """Return the refusal of a charge or capture, after what its decline in *state* would do to the permission."""
    code = str(outcome.reason_code)
    decline = state, f"Decline: {code}"
    if CHARGE.has(*decline):  # other refusals decline nothing
        for follow_up in CHARGE.step(*decline).then:
            if CHARGE_PERMISSION.has(permission.state, follow_up.trigger):  # it may be Closed
                move(world, permission, follow_up.trigger)
    return Refusal(outcome.status, code, f"The charge on {permission.id} was not accepted: {code}.", keep=True)


# --- Refund -----------------------------------------------------------------------------------------------------------


def create_refund(world: World, charge: Record, body: Body, outcome: Simulation | None) -> Record:
    """Start a refund.

    The ceiling is one refund's; the allowance on top of the capture is shared by all refunds of the charge.
    """
    require(charge, "Create Refund")
    amount, captured = body["refundAmount"], charge.document["captureAmount"]
    currency = captured["currencyCode"]
    _check_currency(amount, currency, f"Charge {charge.id}")
    earlier = [r for r in world.store.children("Refund", charge.id) if r.state != "Declined"]
    if money(amount) > REFUND_CEILINGS[currency]:
        raise Refusal(
            400, "TransactionAmountExceeded", f"A refund cannot be over {REFUND_CEILINGS[currency]} {currency}."
        )
    most = money(captured) + refund_allowance(money(captured), currency)
    left = most - sum(money(r.document["refundAmount"]) for r in earlier)
    if money(amount) > left:
        raise Refusal(
            400, "TransactionAmountExceeded",
            f"Charge {charge.id} was captured with {captured['amount']}: {left} {currency} can still be refunded.",
        )  # fmt: skip
    if len(earlier) >= MAX_REFUNDS_ON_A_CHARGE:
        raise Refusal(422, "TransactionCountExceeded", f"Charge {charge.id} has had {MAX_REFUNDS_ON_A_CHARGE} refunds.")
    if outcome and outcome.reason_code:
        raise Refusal(outcome.status, outcome.reason_code, f"The refund of Charge {charge.id} was not accepted.")
    refund_id = world.new_item_id("Refund", charge.id.rsplit("-", 1)[0])
    document = documents.refund(refund_id, body, world.clock.now())
    refund = Record("Refund", refund_id, charge.merchant_id, document, charge.id)
    move(world, refund, "Create Refund", later=outcome)
    return refund
