"""Limits of charges and refunds: ceilings, the balance of an order, and the monthly limit."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from amazonpay_nb.emulator.records import AnyRecord, Charge, Permission
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec import money
from amazonpay_nb.spec.machine import NEW

MAX_CHARGES_ON_ONE_TIME = 25
LIMITS_OF_TYPE = {"PaymentMethodOnFile": money.MONTHLY_LIMITS, "Recurring": money.RECURRING_MONTHLY_LIMITS}
Price = dict[str, str]


def value_of(price: Price) -> Decimal:
    """Return the amount of a price."""
    return Decimal(price["amount"])


def price(amount: Decimal, like: Price) -> Price:
    """Return a price in the currency of another one."""
    currency = like["currencyCode"]
    return {"amount": money.format_amount(amount, currency), "currencyCode": currency}


def converted(amount: Price, ledger: str) -> dict[str, str]:
    """Return ``convertedAmount`` and ``conversionRate`` where an amount is not in the *ledger* currency."""
    if ledger in ("", amount["currencyCode"]):
        return {}
    rate = money.conversion_rate(amount["currencyCode"], ledger)
    return {"convertedAmount": money.format_amount(value_of(amount) / rate, ledger), "conversionRate": str(rate)}


def month_of(moment: datetime) -> str:
    """Return the calendar month of a time, ``yyyy-mm``, in UTC."""  # whose months are meant: inferred
    return f"{moment:%Y-%m}"


def check_currency(amount: Price, expected: str, what: str) -> None:
    """Refuse an amount in another currency than *what* it is for."""
    if amount["currencyCode"] != expected:
        raise Refusal("CurrencyMismatch", f"{what} is in {expected}, not in {amount['currencyCode']}.")


def opening_limits(world: World, permission_type: str, details: dict[str, Any], currency: str) -> dict[str, Any]:
    """Return what a new permission shows as its limits: its order's, more where that was allowed, or a month's."""
    limit: Price | None = None
    if permission_type == "Recurring":
        limit = price(money.RECURRING_MONTHLY_LIMITS[world.region.code, currency], like={"currencyCode": currency})
    elif permission_type == "OneTime":
        limit = details["totalOrderAmount"] or details["chargeAmount"]
        if limit and details["allowOvercharge"]:
            limit = price(money.overcharge_limit(value_of(limit), currency), like=limit)
    return {"amountLimit": limit, "amountBalance": limit}


def check_charge(world: World, permission: Permission, amount: Price) -> None:
    """Refuse another currency, and more than the ceiling of a charge or the limit of the permission's type."""
    document, currency = permission.document, amount["currencyCode"]
    # A permission's currency is one of its region's, so this refuses those of other regions as well.
    check_currency(amount, document["presentmentCurrency"], f"Charge Permission {permission.id}")
    ceiling = money.CHARGE_CEILINGS[currency]
    if value_of(amount) > ceiling:
        raise Refusal("TransactionAmountExceeded", f"A charge cannot be over {ceiling} {currency}.")
    if document["chargePermissionType"] == "OneTime":
        _check_order(world, permission, amount)
        return
    limit = LIMITS_OF_TYPE[document["chargePermissionType"]][world.region.code, currency]
    if _spent_this_month(world, permission) + value_of(amount) > limit:
        raise Refusal(
            "PeriodicAmountExceeded",
            "You've exceeded the monthly limit for the Charge Permission and must wait until the next month to charge "
            "this buyer.",
        )


def _check_order(world: World, permission: Permission, amount: Price) -> None:
    limits = permission.document["limits"]
    if value_of(amount) > value_of(limits["amountBalance"]):
        problem = f"Charge Permission {permission.id} has {limits['amountBalance']['amount']} left."
        raise Refusal("TransactionAmountExceeded", problem)
    if _counting(world, permission) >= MAX_CHARGES_ON_ONE_TIME:
        problem = f"Charge Permission {permission.id} has had {MAX_CHARGES_ON_ONE_TIME} charges."
        raise Refusal("TransactionCountExceeded", problem)


def _counting(world: World, permission: Permission) -> int:
    """Return how many charges by Create Charge count for an order."""
    if permission.notes.charges is not None:
        return permission.notes.charges
    charges = world.store.children("Charge", permission.id)
    return sum(used(row) > 0 and not row.notes.at_checkout for row in charges)


def used(record: AnyRecord) -> Decimal:
    """Return the amount that a charge counts against a limit in its current state; nothing else counts."""
    return money.counted_in_month(record.document) if record.kind == "Charge" and record.state != NEW else Decimal(0)


def write_order_balance(world: World, permission: Permission, charge: Charge, change: Decimal) -> str:
    """Write the balance of an order after a *change* in what a charge uses, and return the trigger that follows, or "".

    It does not read the order's other charges, of which there may be thousands, unless this one may be the last.
    """
    limits, notes = permission.document["limits"], permission.notes
    if notes.charges is None:
        notes.charges = _counting(world, permission)
    elif not charge.notes.at_checkout:
        notes.charges += (used(charge) > 0) - (used(charge) > change)
    limit = value_of(limits["amountLimit"])
    left = limit - Decimal(world.store.spent(permission.id)) / 100
    limits["amountBalance"] = price(left, like=limits["amountLimit"])
    world.store.put(permission)
    if permission.state == "Closed":
        return ""
    # Only then are the others read.
    if left <= 0 < _captured(charge) and sum(map(_captured, world.store.children("Charge", permission.id))) >= limit:
        return "Close by Amazon"
    if left <= 0 and permission.state == "Chargeable":
        return "A charge uses the whole limit"
    return "The charge in progress ends" if left > 0 and is_busy(permission) else ""


def _captured(charge: AnyRecord) -> Decimal:
    return money.counted("Charge", charge.document, money.Counts.CAPTURED)


def is_busy(permission: Permission) -> bool:
    """Tell whether a charge in progress takes up the whole limit."""
    return [row["reasonCode"] for row in permission.document["statusDetails"]["reasons"] or []] == ["ChargeInProgress"]


def write_month_balance(world: World, permission: Permission) -> None:
    """Write what is left of a recurring permission's month; a Saved Wallet does not show its limit."""
    limits = permission.document["limits"]
    if limits["amountLimit"]:
        left = value_of(limits["amountLimit"]) - _spent_this_month(world, permission)
        limits["amountBalance"] = price(left, like=limits["amountLimit"])
        world.store.put(permission)


def _spent_this_month(world: World, permission: Permission) -> Decimal:
    return Decimal(world.store.spent(permission.id, month_of(world.clock.now()))) / 100


def check_refund(world: World, charge: Charge, amount: Price) -> None:
    """Refuse a refund over its ceiling, over what is left of the charge, and one too many.

    The ceiling is one refund's; the allowance on top of the capture is shared by all refunds of the charge.
    """
    captured = charge.document["captureAmount"]
    currency = captured["currencyCode"]
    check_currency(amount, currency, f"Charge {charge.id}")
    ceiling = money.REFUND_CEILINGS[currency]
    if value_of(amount) > ceiling:
        raise Refusal("TransactionAmountExceeded", f"A refund cannot be over {ceiling} {currency}.")
    refunds = world.store.children("Refund", charge.id)
    earlier = [money.counted("Refund", row.document, money.Counts.REFUNDED) for row in refunds]
    most = value_of(captured) + money.refund_allowance(value_of(captured), currency)
    disputes = world.store.children("Dispute", charge.id)
    left = most - sum((*earlier, *(money.taken_back(row.document) for row in disputes)), Decimal(0))
    if value_of(amount) > left:
        rest = money.format_amount(max(left, Decimal(0)), currency)
        problem = f"Charge {charge.id} was captured with {captured['amount']}: {rest} {currency} can still be refunded."
        raise Refusal("TransactionAmountExceeded", problem)
    if len(refunds) >= money.MAX_REFUNDS_ON_A_CHARGE:  # the declined ones, too
        problem = f"Charge {charge.id} has had {money.MAX_REFUNDS_ON_A_CHARGE} refunds."
        raise Refusal("TransactionCountExceeded", problem)
