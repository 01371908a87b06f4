"""The test buyers of each region, what a merchant may know of them, and plain Amazon Sign-in."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from amazonpay_nb.emulator.records import NoNotes, Record, Session
from amazonpay_nb.emulator.rules.calendar import DELETE, schedule
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.requests import ADDRESS_FIELDS

Details = dict[str, Any]

# How long a buyerToken can be exchanged for the buyer's details.  [documented]
TOKEN_LIFETIME = timedelta(hours=24)
# Which scope unlocks which fields of Get Buyer.  That countryCode comes with the postal code is inferred.
_UNLOCKS = {
    "name": "name", "email": "email", "postalCode": "postalCode", "countryCode": "postalCode",
    "phoneNumber": "phoneNumber", "shippingAddress": "shippingAddress", "billingAddress": "billingAddress",
}  # fmt: skip
_FILE = read("personas.toml", beside=__file__)


def _address_book(persona: Details) -> list[Details]:
    """Return the addresses with all eleven documented keys, unset ones null."""
    complete = [{"name": persona["name"], "phoneNumber": persona["phone"]} | place for place in persona["addresses"]]
    return [{field: place.get(field) for field in ADDRESS_FIELDS} for place in complete]


# Region → email of a test buyer → addresses; home comes first.
PERSONAS = {region: {row["email"]: _address_book(row) for row in rows} for region, rows in _FILE["buyers"].items()}


def addresses(region: str, email: str) -> list[Details]:
    """Return copies of the addresses of a persona; home comes first."""
    return [dict(address) for address in PERSONAS[region][email]]


def place(address: Details) -> str:
    """Return where an address is, without the street: ``Seattle, WA 98101 (US)``, ``10115 Berlin (DE)``."""
    parts = {field: value or "" for field, value in address.items()}
    places = _FILE["places"]
    return " ".join(places.get(parts["countryCode"], places["elsewhere"]).format(**parts).split())


def complete_address(address: Details | None) -> Details | None:
    """Return a button's ``addressDetails`` as answers show it: all keys, and codes in capitals, as Amazon does."""
    if not address:
        return None
    capitals = {field: address[field].upper() for field in ("postalCode", "countryCode") if address.get(field)}
    return {field: address.get(field) for field in ADDRESS_FIELDS} | capitals


def details(world: World, merchant_id: str, email: str, scopes: Collection[str]) -> Details:
    """Return the ``buyer`` of a session or permission: the id always, the rest by scope."""
    shown = profile(world, merchant_id, email, scopes)
    return {name: shown[name] for name in ("buyerId", "name", "email", "phoneNumber", "primeMembershipTypes")}


def profile(world: World, merchant_id: str, email: str, scopes: Collection[str]) -> Details:
    """Return what Get Buyer answers: the id always, the rest by scope.

    ``primeMembershipTypes`` stays null: no merchant of the emulator has Amazon's approval for it.
    """
    home = addresses(world.region.code, email)[0]
    everything = home | {"email": email, "shippingAddress": home, "billingAddress": home}
    shared = {field: everything[field] if scope in scopes else None for field, scope in _UNLOCKS.items()}
    buyer_id = f"amzn1.account.{world.ids.letters(28, merchant_id, email)}"  # the same in each stay and flow
    return {"buyerId": buyer_id, **shared, "primeMembershipTypes": None}


def email_of(world: World, merchant_id: str, buyer: Details | None) -> str:
    """Return which test buyer the ``buyer`` of a permission is, or "" for nobody: a world file has named its own.

    The email address decides, then the id: an emulator of another seed gave the same buyer another one.
    """
    known = {profile(world, merchant_id, email, ())["buyerId"]: email for email in PERSONAS[world.region.code]}
    email, buyer_id = ((buyer or {}).get(name) for name in ("email", "buyerId"))
    return str(email) if email in known.values() else known.get(buyer_id, "")


def end_sign_in(world: World, sign_in: Session, trigger: str) -> str:
    """Forget the sign-in; return the token that Get Buyer takes, or "" for a buyer who did not agree."""
    world.store.delete(sign_in)
    if trigger != "Agree":
        return ""
    document = profile(world, sign_in.merchant_id, sign_in.notes.buyer, sign_in.notes.scopes)
    buyer = Record("Buyer", f"Atza|{world.ids.letters(32)}", sign_in.merchant_id, document, NoNotes())
    schedule(world, buyer, DELETE, TOKEN_LIFETIME)
    world.keep_latest(buyer.kind, buyer.id)
    return buyer.id
