"""The three regions of Amazon Pay: hosts, currencies and languages."""

from dataclasses import dataclass

__all__ = ["EXAMPLE_ADDRESSES", "REGIONS", "Region", "region"]


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
