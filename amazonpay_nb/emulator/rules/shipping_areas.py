"""Match a shop's shipping area (`deliverySpecifications`) against the buyer's address.

Amazon documents the fields and gives examples.  How the entries of one country add up and how texts are compared is
inferred; each is one function here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.spec.data import read

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an address cannot be delivered to."""

    text: str  # name of the buyer's sentence among the page texts
    rule: str  # what the merchant asked for, for developers


_SPECIAL: dict[str, dict[str, Any]] = read("shipping_areas.toml", beside=__file__)
_LINES = ("addressLine1", "addressLine2", "addressLine3")


def refuses(specifications: Details | None, address: Details) -> Reason | None:
    """Return why an address is outside of what a session's ``deliverySpecifications`` allow, or None."""
    allowed = specifications or {}
    special = next((name for name in allowed.get("specialRestrictions") or () if _is_special(name, address)), None)
    if special:
        return Reason(_SPECIAL[special]["text"], f"deliverySpecifications.specialRestrictions: {special}")
    rules = allowed.get("addressRestrictions") or {}
    places = rules.get("restrictions") or {}
    # Where no country is named at all, nothing is restricted.  [inferred]
    if not places or (rules["type"] == "Allowed") == _lists(places, address):
        return None
    return Reason("not-delivered", f"deliverySpecifications.addressRestrictions: {rules['type']} {_written(places)}")


def _is_special(name: str, address: Details) -> bool:
    pattern = _SPECIAL[name]["spellings"].get(address["countryCode"])
    lines = " ".join(address[line] or "" for line in _LINES)
    return pattern is not None and re.search(pattern, lines, re.IGNORECASE) is not None


def _lists(places: Details, address: Details) -> bool:
    """Tell whether an address is in one of the places: a country, or one of the states or codes named in it."""
    inside = next((part for country, part in places.items() if _same(country, address["countryCode"])), None)
    if inside is None:
        return False
    states, codes = inside.get("statesOrRegions") or (), inside.get("zipCodes") or ()
    # States and codes add up: an address in either is listed.  [inferred]
    return (
        not (states or codes)
        or any(_same(state, address["stateOrRegion"]) for state in states)
        or any(_matches(code, address["postalCode"]) for code in codes)
    )


def _same(rule: str, part: str | None) -> bool:
    """Compare as plain text, whatever the capitals: plug-ins send states both as codes and as names (inferred)."""
    return rule.strip().casefold() == (part or "").strip().casefold()


def _matches(code: str, actual: str | None) -> bool:
    """Compare postal codes without their spaces; a ``*`` at the end matches any ending (inferred)."""
    wanted, text = ("".join(part.split()).casefold() for part in (code, actual or ""))
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted


def _written(places: Details) -> str:
    parts = (
        (country, *(inside.get("statesOrRegions") or ()), *(inside.get("zipCodes") or ()))
        for country, inside in places.items()
    )
    return "; ".join(" ".join(part) for part in parts)
