"""The test buyers of each region: invented people with invented addresses and the simulated cards."""

from typing import Any

from amazonpay_nb.spec.wire import ADDRESS_FIELDS

__all__ = ["PERSONAS", "address", "details", "given_address"]

Details = dict[str, Any]

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


def address(region: str, email: str) -> Details:
    """Return a persona's address with all eleven documented keys, unset ones null."""
    name, phone, line, city, state, postal_code, country = PERSONAS[region][email]
    known = {
        "name": name, "addressLine1": line, "city": city, "stateOrRegion": state or None, "postalCode": postal_code,
        "countryCode": country, "phoneNumber": phone,
    }  # fmt: skip
    return {field: known.get(field) for field in ADDRESS_FIELDS}


def given_address(given: Details | None) -> Details | None:
    """Return the address of a button's ``addressDetails`` as answers show it; Amazon writes codes in capitals."""
    if not given:
        return None
    capitals = {field: given[field].upper() for field in ("postalCode", "countryCode") if given.get(field)}
    return {field: given.get(field) for field in ADDRESS_FIELDS} | capitals


def details(region: str, email: str, buyer_id: str, scopes: list[str]) -> Details:
    """Return what the merchant may know of a buyer: the id always, the rest by scope."""
    name, phone = PERSONAS[region][email][:2]
    known = {"name": name, "email": email, "phoneNumber": phone}
    return {
        "buyerId": buyer_id,
        **{field: value if field in scopes else None for field, value in known.items()},
        "primeMembershipTypes": None,
    }
