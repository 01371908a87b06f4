"""The three regions of Amazon Pay and the currencies of their payments; the rows are in ``regions.toml``."""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal

from amazonpay_nb.spec.data import data_row, load


@data_row
class Region:
    """Where a merchant account lives; ``regions.toml`` describes the fields."""

    code: str
    name: str
    aliases: tuple[str, ...]
    api_host: str
    checkout_script_host: str
    hosted_host: str
    ledger_currencies: tuple[str, ...]
    languages: tuple[str, ...]
    currencies: tuple[str, ...]
    psd2: bool
    id_digits: str
    update_page: bool
    billing_address: bool
    settlement_days: int
    account_page: str
    required_address_fields: tuple[str, ...]
    address_countries: tuple[str, ...]
    example_address: Mapping[str, str] = field(hash=False)

    @property
    def default_language(self) -> str:
        """The language of the pages where no other is asked for."""
        return self.languages[0]


@data_row
class Currency:
    """The limits of one currency in major units; ``regions.toml`` describes the fields."""

    code: str
    decimals: int
    monthly_limit: Decimal
    recurring_monthly_limit: Decimal
    charge_ceiling: Decimal
    refund_ceiling: Decimal
    refund_extra: Decimal
    overcharge_floor: Decimal
    per_euro: Decimal


@data_row
class _File:
    regions: dict[str, Region]
    currencies: dict[str, Currency]
    countries_without_state: tuple[str, ...]


_FILE = load("regions.toml", _File, regions="code", currencies="code")
REGIONS, CURRENCIES = _FILE.regions, _FILE.currencies
COUNTRIES_WITHOUT_STATE = _FILE.countries_without_state
# A shipping address in the form that each region asks for.  [emulator-only]
EXAMPLE_ADDRESSES = {row.code: dict(row.example_address) for row in REGIONS.values()}
_BY_ALIAS = {alias: row for row in REGIONS.values() for alias in (row.code, *row.aliases)}


def fields_of_address(country: str, account: Region) -> tuple[str, ...]:
    """Return what an address in a *country* must hold, in the button of an *account* in this or another region."""
    rows = (row for row in REGIONS.values() if country.upper() in row.address_countries)
    without = {"stateOrRegion"} if country.upper() in COUNTRIES_WITHOUT_STATE else ()
    return tuple(name for name in next(rows, account).required_address_fields if name not in without)


def region(code: str) -> Region:
    """Return the region of a *code* or of an SDK's alias, or raise `ValueError` with the codes there are."""
    try:
        return _BY_ALIAS[code.lower()]
    except KeyError:
        raise ValueError(f"unknown region {code!r}; choose one of {', '.join(_BY_ALIAS)}") from None
