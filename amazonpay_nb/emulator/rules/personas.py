"""The test buyers of each region, what a merchant may know of them, and plain Amazon Sign-in."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from amazonpay_nb.emulator.rules.transitions import forget_after
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.requests import ADDRESS_FIELDS

__all__ = ["PERSONAS", "address", "addresses", "details", "end_sign_in", "given_address", "place", "profile"]

Details = dict[str, Any]

# How long a buyerToken can be exchanged for the buyer's details.  [documented]
TOKEN_LIFETIME = timedelta(hours=24)
# Which scope unlocks which fields of Get Buyer.  That countryCode comes with the postal code is inferred.
_UNLOCKS = {
    "name": "name", "email": "email", "postalCode": "postalCode", "countryCode": "postalCode",
    "phoneNumber": "phoneNumber", "shippingAddress": "shippingAddress", "billingAddress": "billingAddress",
}  # fmt: skip

# Region → e-mail → (name, phone, address lines, city, state or region, postal code, country).
PERSONAS: dict[str, dict[str, tuple[str, ...]]] = {
    "na": {
        "ada@example.com": ("Ada Example", "206-555-0100", "1 Sample Way", "Seattle", "WA", "98101", "US"),
        "ben@example.com": ("Ben Example", "217-555-0100", "2 Trial Street", "Springfield", "IL", "62701", "US"),
    },
    "eu": {
        "greta@example.com": ("Greta Beispiel", "030 5550100", "Musterweg 1", "Berlin", "", "10115", "DE"),
        "hugh@example.com": ("Hugh Example", "020 7946 0100", "3 Test Lane", "London", "", "E1 6AN", "GB"),
    },
    "jp": {
        "hana@example.com": ("見本 花", "03-5550-0100", "見本町1-2-3", "千代田区", "東京都", "100-0001", "JP"),
        "ken@example.com": ("見本 健", "06-5550-0100", "試験町4-5-6", "北区", "大阪府", "530-0001", "JP"),
    },
}

# How a place is written, where the code does not come first.
_PLACES = {
    **dict.fromkeys(("CA", "US"), "{city}, {stateOrRegion} {postalCode} ({countryCode})"),
    **dict.fromkeys(("GB", "IE"), "{city} {postalCode} ({countryCode})"),
    "JP": "{postalCode} {stateOrRegion}{city} ({countryCode})",
}
# E-mail → the other addresses in a test buyer's book, where a shop may not deliver to: far away, abroad, and a box.
_OTHER_ADDRESSES: dict[str, tuple[tuple[str, ...], ...]] = {
    "ada@example.com": (
        ("20 Elsewhere Avenue", "Toronto", "ON", "M5V 2T6", "CA"),
        ("PO Box 42", "Honolulu", "HI", "96813", "US"),
    ),
    "ben@example.com": (("7 Faraway Drive", "Anchorage", "AK", "99501", "US"),),
    "greta@example.com": (("Probegasse 5", "Wien", "", "1010", "AT"), ("Packstation 101", "Berlin", "", "10115", "DE")),
    "hugh@example.com": (("7 Trial Road", "Dublin", "", "D02 XY45", "IE"), ("PO Box 42", "London", "", "E1 6AN", "GB")),
    "hana@example.com": (
        ("例示町7-8-9", "那覇市", "沖縄県", "900-0001", "JP"),
        ("20 Elsewhere Avenue", "Honolulu", "HI", "96813", "US"),
    ),
    "ken@example.com": (("20 Elsewhere Avenue", "Honolulu", "HI", "96813", "US"),),
}


def addresses(region: str, email: str) -> list[Details]:
    """Return the addresses of a persona with all eleven documented keys, unset ones null; home comes first."""
    name, phone, *home = PERSONAS[region][email]
    return [_address(name, phone, *place) for place in (home, *_OTHER_ADDRESSES[email])]


def _address(name: str, phone: str, line: str, city: str, state: str, postal_code: str, country: str) -> Details:
    known = {
        "name": name, "addressLine1": line, "city": city, "stateOrRegion": state or None, "postalCode": postal_code,
        "countryCode": country, "phoneNumber": phone,
    }  # fmt: skip
    return {field: known.get(field) for field in ADDRESS_FIELDS}


def address(region: str, email: str) -> Details:
    """Return the address that a persona lives at."""
    return addresses(region, email)[0]


def place(address: Details) -> str:
    """Return where an address is, without the street: ``Seattle, WA 98101 (US)``, ``10115 Berlin (DE)``."""
    known = {field: value or "" for field, value in address.items()}
    return " ".join(_PLACES.get(known["countryCode"], "{postalCode} {city} ({countryCode})").format(**known).split())


def given_address(given: Details | None) -> Details | None:
    """Return the address of a button's ``addressDetails`` as answers show it; Amazon writes codes in capitals."""
    if not given:
        return None
    capitals = {field: given[field].upper() for field in ("postalCode", "countryCode") if given.get(field)}
    return {field: given.get(field) for field in ADDRESS_FIELDS} | capitals


def _buyer_id(world: World, merchant_id: str, email: str) -> str:
    """Return what a buyer is called at one merchant, at each visit and in each flow."""
    return f"amzn1.account.{world.stable_id(merchant_id, email)}"


def details(world: World, merchant_id: str, email: str, scopes: Collection[str]) -> Details:
    """Return the ``buyer`` of a session or permission: the id always, the rest by scope."""
    shown = profile(world, merchant_id, email, scopes)
    return {name: shown[name] for name in ("buyerId", "name", "email", "phoneNumber", "primeMembershipTypes")}


def profile(world: World, merchant_id: str, email: str, scopes: Collection[str]) -> Details:
    """Return what Get Buyer answers: the id always, the rest by scope.

    ``primeMembershipTypes`` stays null: no merchant of the emulator has Amazon's approval for it.
    """
    home = address(world.region.code, email)
    known = home | {"email": email, "shippingAddress": home, "billingAddress": home}
    shared = {field: known[field] if scope in scopes else None for field, scope in _UNLOCKS.items()}
    return {"buyerId": _buyer_id(world, merchant_id, email), **shared, "primeMembershipTypes": None}


def end_sign_in(world: World, visit: Record, trigger: str) -> str:
    """Forget the visit; return the token that Get Buyer takes, or "" for a buyer who did not agree."""
    world.store.delete(visit)
    if trigger != "Agree":
        return ""
    document = profile(world, visit.merchant_id, visit.hidden["buyer"], visit.hidden["scopes"])
    buyer = Record("Buyer", f"Atza|{world.new_letters(32)}", visit.merchant_id, document)
    forget_after(world, buyer, TOKEN_LIFETIME)
    world.store.put(buyer)
    return buyer.id
