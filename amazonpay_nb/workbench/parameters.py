"""The parameters of a run: each has a default, and a check that happens before the first request."""

import ast
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import NamedTuple

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.shop.colors import check_color
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.money import CURRENCY_DECIMALS, MONTHLY_LIMITS, format_amount, parse_amount
from amazonpay_nb.spec.regions import REGIONS, Region, region as region_of

_FILE = read("parameters.toml", beside=__file__)
# Name -> the environment variable that says this of a real account.
VARIABLES: dict[str, str] = _FILE["variables"]
_FILE["parameters"]["region"]["allowed"] = list(REGIONS)
# Decimals of a currency -> the least amount whose parts are amounts; a wallet is charged up to so many times a month.
_LEAST_AMOUNTS = {0: Decimal(2), 2: Decimal("0.10")}
_CHARGES_A_MONTH = 20
LONGEST_NAME = 50  # as long as merchantMetadata.merchantStoreName may be


class Parameter(NamedTuple):
    """One choice of a run, with all values or, where a check decides, how to write one."""

    default: str
    allowed: Sequence[str] = ()
    advice: str = ""


def _check_offered(value: str, what: str, allowed: Sequence[str]) -> None:
    if value and value not in allowed:
        raise ValueError(f"{value!r} is not a {what} of this region; choose {' or '.join(allowed)}")


def _check(usable: bool, choice: str) -> None:
    if not usable:
        raise ValueError(f"choose {choice}")


def _region(values: Mapping[str, object]) -> Region:
    return region_of(str(values.get("region", "na")))


def _currency(values: Mapping[str, object]) -> str:
    return str(values.get("currency") or _region(values).ledger_currencies[0])


# Each takes the value and those of all parameters, and raises ValueError if the value cannot be used.
_CHECKS: dict[str, Callable[[str, Mapping[str, str]], object]] = {
    "amount": lambda value, others: parse_amount(value, _currency(others)),
    "currency": lambda value, others: _check_offered(value, "ledger currency", _region(others).ledger_currencies),
    "language": lambda value, others: _check_offered(value, "language", _region(others).languages),
    "wait_seconds": lambda value, _: _check(1 <= float(value) <= 3600, "from 1 to 3600 seconds"),
    "seed": lambda value, _: _check(
        value.isascii() and value.isdecimal() and len(value) <= 18, "a whole number of at most 18 digits"
    ),
    "merchant_name": lambda value, _: _check(
        1 <= len(value.strip()) <= LONGEST_NAME, f"from 1 to {LONGEST_NAME} characters"
    ),
    "merchant_color": lambda value, _: check_color(value),
}
PARAMETERS = {name: Parameter(**row) for name, row in _FILE["parameters"].items()}
_OWN = {name: Parameter(**row) for name, row in _FILE["own"].items()}
ENVIRONMENTS = PARAMETERS["environment"].allowed


def account_variable(name: str) -> str:
    """Return what an environment variable says about the real account; it has to be set, an id to the letter."""
    if not (value := os.environ.get(VARIABLES[name], "")):
        advice = f"Amazon's own environments need {', '.join(VARIABLES.values())}; set them and restart."
        raise ConfigurationError(f"The environment variable {VARIABLES[name]} is not set.", advice=advice)
    if name != "private_key_file" and value != value.strip():  # of that, a line end belongs to it
        advice = "Set it to the id alone: secrets of CI services often end with a line end."
        raise ConfigurationError(f"The environment variable {VARIABLES[name]} has white space around.", advice=advice)
    return value


def check_values(values: Mapping[str, object]) -> None:
    """Check the values of known parameters; a ConfigurationError names the first that is not allowed, and what is."""
    rows = PARAMETERS | _OWN
    texts = {name: _text(value) for name, value in values.items() if name in rows}
    for name, value in texts.items():
        row = rows[name]
        if row.allowed and value not in row.allowed:
            advice = f"Choose one of {', '.join(row.allowed)}."
            raise ConfigurationError(f"{name}={value!r} does not exist.", advice=advice)
        try:
            value.encode()  # notebooks and pages are UTF-8
            if name in _CHECKS:
                _CHECKS[name](value, texts)
        except ValueError as error:
            raise ConfigurationError(f"{name}={value!r} cannot be used: {error}.", advice=row.advice) from None


def _text(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # Python writes some thousand digits of a number, and no more
        return "a number of too many digits"


def check_together(environment: str, buyer: str, who: str) -> None:
    """Check that an environment can have this buyer; the advice is for *who* runs it, see ``parameters.toml``."""
    for row in _FILE["refused"]:
        if environment in row["environment"] and buyer in row["buyer"] and who in row:
            raise ConfigurationError(row["why"], advice=row[who])


def check_unattended(values: Mapping[str, object]) -> None:
    """Check that a run without a person, on an account that is described, can have these values."""
    environment, buyer = str(values.get("environment", "emulator")), str(values.get("buyer", "auto"))
    check_together(environment, "script" if buyer == "auto" else buyer, "nobody")
    if environment != "emulator":
        for name in VARIABLES:
            account_variable(name)
    currency = _currency(values)
    amount = parse_amount(str(values.get("amount", PARAMETERS["amount"].default)), currency)
    least = _LEAST_AMOUNTS[CURRENCY_DECIMALS[currency]]
    most = MONTHLY_LIMITS[_region(values).code, currency] / _CHARGES_A_MONTH
    if not least <= amount <= most:
        why = f"amount={amount} cannot be used: the notebooks split it, and charge it many times a month."
        advice = f"Choose from {format_amount(least, currency)} to {format_amount(most, currency)} {currency}."
        raise ConfigurationError(why, advice=advice)


def check_names(names: Iterable[str], allowed: Collection[str]) -> None:
    """Check that each name is allowed; a ConfigurationError names the first that is not, and the likeliest spelling."""
    for name in names:
        if name not in allowed:
            hint = "".join(f"Did you mean {close}? " for close in get_close_matches(name, allowed, n=1))
            advice = f"{hint}There are {', '.join(allowed)}."
            raise ConfigurationError(f"There is no parameter {name!r}.", advice=advice)


def check_injected(cells: Sequence[str]) -> None:
    """Refuse a name that papermill has injected, and that no cell before sets: papermill itself injects any."""
    injected = next((i for i, cell in enumerate(cells) if cell.lstrip().startswith("# Parameters\n")), None)
    if injected is not None:
        declared = {name for cell in cells[:injected] for name in _assigned(cell)}
        check_names(_assigned(cells[injected]), declared)


def _assigned(cell: str) -> set[str]:
    try:
        nodes = ast.walk(ast.parse(cell))
    except SyntaxError:
        return set()
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
