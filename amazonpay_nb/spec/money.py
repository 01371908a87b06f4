"""Amounts: how they are written, what they may be, and what a charge or refund counts for in each state.

Amounts are decimal strings in major units on the wire and `Decimal` everywhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any

from amazonpay_nb.spec.regions import CURRENCIES, REGIONS


class Counts(StrEnum):
    """The column of a ledger in which an amount appears."""

    NOTHING = ""
    HELD = "authorized"
    CAPTURED = "captured"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Counting:
    """The meaning of a charge's or refund's amount in one state."""

    column: Counts
    month: bool  #: whether it uses up the monthly limit of its Charge Permission
    amount: str  #: the field of the object


# By (machine, state). Money out counts as soon as it is promised; money in counts once Amazon has said so.
COUNTING = {
    ("Charge", "AuthorizationInitiated"): Counting(Counts.NOTHING, True, "chargeAmount"),
    ("Charge", "Authorized"): Counting(Counts.HELD, True, "chargeAmount"),
    ("Charge", "CaptureInitiated"): Counting(Counts.HELD, True, "chargeAmount"),
    ("Charge", "Captured"): Counting(Counts.CAPTURED, True, "captureAmount"),
    ("Charge", "Canceled"): Counting(Counts.NOTHING, False, "chargeAmount"),
    ("Charge", "Declined"): Counting(Counts.NOTHING, False, "chargeAmount"),
    ("Refund", "RefundInitiated"): Counting(Counts.REFUNDED, False, "refundAmount"),
    ("Refund", "Refunded"): Counting(Counts.REFUNDED, False, "refundAmount"),
    ("Refund", "Declined"): Counting(Counts.NOTHING, False, "refundAmount"),
}


def counted(kind: str, document: Mapping[str, Any] | None, column: Counts) -> Decimal:
    """Return what a *document*, a ``Charge`` or ``Refund`` as Amazon answers it, has in one column of a ledger."""
    if document is None:
        return Decimal(0)
    row = COUNTING[kind, document["statusDetails"]["state"]]
    return _amount(document, row) if row.column is column else Decimal(0)


def taken_back(dispute: Mapping[str, Any]) -> Decimal:
    """Return the amount that a dispute takes back from its charge: all of it, until it is decided otherwise."""
    lost = dispute["statusDetails"].get("resolution") in (None, "BuyerWon")
    return Decimal(dispute["disputeAmount"]["amount"]) if lost else Decimal(0)


def counted_in_month(charge: Mapping[str, Any]) -> Decimal:
    """Return what a charge counts against its limit.  Spec: "Monthly Payment Method on File charge limits"."""
    row = COUNTING["Charge", charge["statusDetails"]["state"]]
    return _amount(charge, row) if row.month else Decimal(0)


def _amount(document: Mapping[str, Any], row: Counting) -> Decimal:
    return Decimal((document.get(row.amount) or {"amount": 0})["amount"])


CURRENCY_DECIMALS = {code: row.decimals for code, row in CURRENCIES.items()}
# The most that one charge or one refund may be.
CHARGE_CEILINGS = {code: row.charge_ceiling for code, row in CURRENCIES.items()}
REFUND_CEILINGS = {code: row.refund_ceiling for code, row in CURRENCIES.items()}
# A refund may exceed the capture by a share of it, up to a fixed amount.
REFUND_SHARE = Decimal("0.15")
REFUND_EXTRAS = {code: row.refund_extra for code, row in CURRENCIES.items()}
# Amazon's help for merchants gives this number; the guide does not repeat it.
MAX_REFUNDS_ON_A_CHARGE = 10

# By (region, currency): what one Charge Permission may take in a calendar month, for Saved Wallet and for Recurring.
_PAIRS = [(row.code, currency) for row in REGIONS.values() for currency in row.currencies]
MONTHLY_LIMITS = {pair: CURRENCIES[pair[1]].monthly_limit for pair in _PAIRS}
RECURRING_MONTHLY_LIMITS = {pair: CURRENCIES[pair[1]].recurring_monthly_limit for pair in _PAIRS}


def refund_allowance(captured: Decimal, currency: str) -> Decimal:
    """Return what may be refunded on top of *captured*: 15 %, or an amount if that is less.  Spec: "Manage refunds"."""
    unit = Decimal(1).scaleb(-_decimals(currency))
    return min(captured * REFUND_SHARE, REFUND_EXTRAS[currency]).quantize(unit, ROUND_DOWN)


def conversion_rate(currency: str, ledger: str) -> Decimal:
    """Return how many units of *currency* the emulator counts for one of the *ledger* currency."""
    return (CURRENCIES[currency].per_euro / CURRENCIES[ledger].per_euro).quantize(Decimal("0.0001"))


# With allowOvercharge, a one-time permission takes 900 % of its order, or a fixed amount where that is more.
_OVERCHARGE_SHARE = 9


def overcharge_limit(order: Decimal, currency: str) -> Decimal:
    """Return the most that a one-time permission may take for an *order* that allows to be overcharged."""
    return max(order * _OVERCHARGE_SHARE, CURRENCIES[currency].overcharge_floor)


def _decimals(currency: str) -> int:
    try:
        return CURRENCY_DECIMALS[currency]
    except KeyError:
        raise ValueError(f"unknown currency {currency!r}; choose one of {', '.join(CURRENCY_DECIMALS)}") from None


_AMOUNT = re.compile(r"-?([0-9]+)(?:\.([0-9]+))?")


def parse_amount(value: str | float | Decimal, currency: str) -> Decimal:
    """Return *value* in major units of *currency*, with exactly the currency's decimals.

    Amazon documents strings and accepts numbers; trailing zeros are dropped before the decimals are counted.

    Raises:
        ValueError: Not a number, not above zero, or finer than the currency allows; or no such currency.
    """
    decimals = _decimals(currency)
    is_number = isinstance(value, float | int | Decimal) and not isinstance(value, bool)
    # A float goes by way of its shortest text, so that 0.1 is a tenth and not its binary neighbor.
    text = f"{Decimal(str(value)):f}" if is_number else str(value)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"{value!r} is not a number")
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if text.startswith("-") or not (whole.strip("0") or fraction):
        raise ValueError(f"{value} is not greater than zero")
    if len(fraction) > decimals:
        raise ValueError(f"{value} has too many decimals: {currency} allows {decimals}")
    return Decimal(f"{whole}.{fraction:0<{decimals}}")


def format_amount(amount: Decimal, currency: str) -> str:
    """Return *amount* as Amazon writes it: ``14.00``, but ``500`` for the yen."""
    return f"{amount:.{_decimals(currency)}f}"
