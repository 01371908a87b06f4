"""The three regions of Amazon Pay, and what money may look like in each.

A region decides hosts, currencies and languages. Amounts are decimal strings in major units on the wire and `Decimal`
everywhere else.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from amazonpay_nb.spec.evidence import Evidence

__all__ = [
    "CHARGE_CEILINGS",
    "CURRENCY_DECIMALS",
    "EXAMPLE_ADDRESSES",
    "MAX_REFUNDS_ON_A_CHARGE",
    "MONTHLY_LIMITS",
    "RECURRING_MONTHLY_LIMITS",
    "REFUND_CEILINGS",
    "REFUND_EXTRAS",
    "REFUND_SHARE",
    "REGIONS",
    "THROTTLES",
    "Quota",
    "Region",
    "Throttle",
    "format_amount",
    "overcharge_limit",
    "parse_amount",
    "refund_allowance",
    "region",
]


@dataclass(frozen=True, slots=True)
class Region:
    """Where a merchant account lives.

    Attributes:
        code: The value of ``x-amz-pay-region``.
        aliases: Other codes that the SDKs accept.
        checkout_script_host: Serves ``/checkout.js``.
        hosted_host: Serves the pages that the buyer sees.
        ledger_currencies: What a merchant account can be kept in; the first one is the usual one.
        languages: Values of ``checkoutLanguage``.
        currencies: What a buyer can be charged in.
        psd2: Setting up a wallet always ends in a challenge.
        id_digits: The digits after the letter of an object's id.
        update_page: The hosted page for changing the payment method exists.
        account_page: Where a buyer repairs the payment method of an agreement alone; ``{id}`` stands for the Charge
            Permission. Older pages of the guide send buyers there, and Japan has nothing else.
        required_address_fields: What ``addressDetails`` must hold.
        time_zone_note: When a month begins, and how far that can be relied on.
    """

    code: str
    name: str
    aliases: tuple[str, ...]
    api_host: str
    checkout_script_host: str
    hosted_host: str
    ledger_currencies: tuple[str, ...]
    languages: tuple[str, ...]
    default_language: str
    currencies: tuple[str, ...]
    psd2: bool
    id_digits: str
    update_page: bool
    account_page: str
    required_address_fields: tuple[str, ...]
    time_zone_note: str


_EU_CURRENCIES = ("EUR", "GBP", "AUD", "CHF", "DKK", "HKD", "JPY", "NOK", "NZD", "SEK", "USD", "ZAR")
_ACCOUNT_PAGE = "https://payments.amazon.com/jr/your-account/ba/{id}"
_MONTH_NOTE = "Amazon does not say when a month begins; the monthly limit counts from midnight UTC on the first."

_ROWS = (
    Region(
        code="na",
        name="North America",
        aliases=("us",),
        api_host="pay-api.amazon.com",
        checkout_script_host="static-na.payments-amazon.com",
        hosted_host="apay-us.amazon.com",
        ledger_currencies=("USD",),
        languages=("en_US",),
        default_language="en_US",
        currencies=("USD",),
        psd2=False,
        id_digits="01",
        update_page=True,
        account_page=_ACCOUNT_PAGE,
        required_address_fields=(
            "name",
            "addressLine1",
            "city",
            "stateOrRegion",
            "postalCode",
            "countryCode",
            "phoneNumber",
        ),
        time_zone_note=_MONTH_NOTE,
    ),
    Region(
        code="eu",
        name="Europe and United Kingdom",
        aliases=("de", "uk"),
        api_host="pay-api.amazon.eu",
        checkout_script_host="static-eu.payments-amazon.com",
        hosted_host="payments.amazon.de",
        ledger_currencies=("EUR", "GBP"),
        languages=("en_GB", "de_DE", "fr_FR", "it_IT", "es_ES"),
        default_language="en_GB",
        currencies=_EU_CURRENCIES,
        psd2=True,
        id_digits="02",
        update_page=True,
        account_page=_ACCOUNT_PAGE,
        required_address_fields=("name", "addressLine1", "city", "postalCode", "countryCode", "phoneNumber"),
        time_zone_note=_MONTH_NOTE,
    ),
    Region(
        code="jp",
        name="Japan",
        aliases=(),
        api_host="pay-api.amazon.jp",
        checkout_script_host="static-fe.payments-amazon.com",
        hosted_host="payments.amazon.co.jp",
        ledger_currencies=("JPY",),
        languages=("ja_JP",),
        default_language="ja_JP",
        currencies=("JPY",),
        psd2=False,
        id_digits="03",
        update_page=False,
        account_page="https://pay.amazon.com/jp/jr/your-account/ba/{id}",
        required_address_fields=("name", "addressLine1", "stateOrRegion", "postalCode", "countryCode", "phoneNumber"),
        time_zone_note=_MONTH_NOTE,
    ),
)

REGIONS: dict[str, Region] = {row.code: row for row in _ROWS}
_BY_ALIAS = {alias: row for row in _ROWS for alias in (row.code, *row.aliases)}

# A delivery address in the form that each region asks for: invented people and places, our own.  [emulator-only]
EXAMPLE_ADDRESSES: dict[str, dict[str, str]] = {
    "na": {
        "name": "Cora Example", "addressLine1": "3 Specimen Road", "city": "Denver", "stateOrRegion": "CO",
        "postalCode": "80202", "countryCode": "US", "phoneNumber": "303-555-0100",
    },
    "eu": {
        "name": "Clara Beispiel", "addressLine1": "Probestraße 3", "city": "Hamburg", "postalCode": "20095",
        "countryCode": "DE", "phoneNumber": "040 5550100",
    },
    "jp": {
        "name": "見本 桜", "addressLine1": "中央区見本町7-8-9", "stateOrRegion": "東京都", "postalCode": "104-0001",
        "countryCode": "JP", "phoneNumber": "03-5550-0101",
    },
}  # fmt: skip


def region(code: str) -> Region:
    """Return the region called *code*, by its own code or an SDK's alias.

    Raises:
        ValueError: There is none; the message lists the codes there are.
    """
    try:
        return _BY_ALIAS[code.lower()]
    except KeyError:
        raise ValueError(f"unknown region {code!r}; choose one of {', '.join(_BY_ALIAS)}") from None


# Digits after the decimal point.
CURRENCY_DECIMALS: dict[str, int] = dict.fromkeys(_EU_CURRENCIES, 2) | {"JPY": 0}


def _per_currency(amount: int, *, yen: int, tenths: int | None = None) -> dict[str, Decimal]:
    # *tenths* is for the currencies worth about a tenth of a euro, where Amazon has a number of its own for them.
    worth_a_tenth = dict.fromkeys(("DKK", "HKD", "NOK", "SEK", "ZAR"), amount if tenths is None else tenths)
    amounts = dict.fromkeys(CURRENCY_DECIMALS, amount) | worth_a_tenth | {"JPY": yen}
    return {currency: Decimal(number) for currency, number in amounts.items()}


def _per_region(limits: dict[str, Decimal]) -> dict[tuple[str, str], Decimal]:
    return {(row.code, currency): limits[currency] for row in _ROWS for currency in row.currencies}


# By (region, currency): what one Charge Permission may take in a calendar month, for Saved Wallet and for Recurring.
MONTHLY_LIMITS = _per_region(_per_currency(15_000, tenths=150_000, yen=2_000_000))
RECURRING_MONTHLY_LIMITS = _per_region(_per_currency(1_000, tenths=10_000, yen=100_000))

# The most that one charge or one refund may be. Documented for USD, GBP, EUR and JPY; others inferred: as for EUR.
CHARGE_CEILINGS = _per_currency(150_000, yen=10_000_000)
REFUND_CEILINGS = _per_currency(150_000, yen=10_000_000)

# A refund may exceed the capture by a share of it, up to a fixed amount; the same four currencies are documented.
REFUND_SHARE = Decimal("0.15")
REFUND_EXTRAS = _per_currency(75, yen=8_400)
# Amazon's help for merchants gives this number; the guide does not repeat it.
MAX_REFUNDS_ON_A_CHARGE = 10


def refund_allowance(captured: Decimal, currency: str) -> Decimal:
    """Return what may be refunded on top of *captured*: 15 % of it, or a fixed amount where that is less.

    Spec: "Manage refunds".
    """
    unit = Decimal(1).scaleb(-_decimals(currency))
    return min(captured * REFUND_SHARE, REFUND_EXTRAS[currency]).quantize(unit, ROUND_DOWN)


# With allowOvercharge, a one-time permission takes 900 % of its order, or a fixed amount where that is more.
_OVERCHARGE_SHARE = 9
_OVERCHARGE_FLOORS = _per_currency(500, yen=70_000)


def overcharge_limit(order: Decimal, currency: str) -> Decimal:
    """Return the most that a one-time permission may take for an *order* that allows to be overcharged."""
    return max(order * _OVERCHARGE_SHARE, _OVERCHARGE_FLOORS[currency])


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
    # A float goes by way of its shortest text, so that 0.1 is a tenth and not its binary neighbour.
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


@dataclass(frozen=True, slots=True)
class Quota:
    """A bucket: how many calls at once, and how many are put back each second."""

    burst: int
    per_second: int


@dataclass(frozen=True, slots=True)
class Throttle:
    """How often one merchant account may call one operation.

    Attributes:
        operation: Camel case, as in `operations`; a few rows are of operations outside this package.
        sandbox: None where the operation has no quota there.
    Spec: "API throttling limits".
    """

    operation: str
    live: Quota
    sandbox: Quota | None
    evidence: Evidence = Evidence.DOCUMENTED


_QUOTAS = (
    Throttle("createCheckoutSession", Quota(40, 16), Quota(5, 1)),
    Throttle("getCheckoutSession", Quota(40, 8), Quota(10, 1)),
    Throttle("updateCheckoutSession", Quota(20, 8), Quota(5, 1)),
    Throttle("completeCheckoutSession", Quota(20, 4), Quota(2, 1)),
    Throttle("finalizeCheckoutSession", Quota(20, 4), Quota(2, 1), Evidence.INFERRED),
    Throttle("getChargePermission", Quota(20, 4), Quota(10, 1)),
    Throttle("updateChargePermission", Quota(10, 2), Quota(5, 1)),
    Throttle("closeChargePermission", Quota(10, 2), Quota(2, 1)),
    Throttle("createCharge", Quota(10, 4), Quota(2, 1)),
    Throttle("getCharge", Quota(20, 4), Quota(5, 1)),
    Throttle("captureCharge", Quota(20, 4), Quota(2, 1)),
    Throttle("cancelCharge", Quota(10, 2), Quota(2, 1)),
    Throttle("createRefund", Quota(10, 4), Quota(2, 1)),
    Throttle("getRefund", Quota(20, 4), Quota(5, 1)),
    Throttle("getBuyer", Quota(20, 4), Quota(5, 1), Evidence.INFERRED),
    Throttle("createDeliveryTracker", Quota(10, 1), Quota(1, 1)),
    Throttle("createMerchantAccount", Quota(10, 1), Quota(1, 1)),
    Throttle("getMerchantStatus", Quota(10, 1), Quota(1, 1)),
    Throttle("getAuthorizationToken", Quota(5, 1), None),
)

THROTTLES: dict[str, Throttle] = {row.operation: row for row in _QUOTAS}
