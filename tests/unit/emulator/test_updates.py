"""Sessions that update a wallet: what no request brings about, but a store of before or a world file may hold."""

from datetime import UTC, datetime

import pytest

from amazonpay_nb.emulator.records import Record, SessionNotes
from amazonpay_nb.emulator.rules import documents, personas, sessions
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.regions import region

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
ADA, BEN = "ada@example.com", "ben@example.com"
PRICE = {"amount": "10.00", "currencyCode": "USD"}


@pytest.mark.parametrize(("updates", "held"), [("C01-0000000-0000000", 0), ("", 1)])
def test_nothing_is_held_for_an_update(updates: str, held: int) -> None:
    """Whatever the session says; the same one without a permission holds what it asks for."""
    world = World(Store(), region("na"), start=START)
    body = {"paymentDetails": {"paymentIntent": "Authorize", "chargeAmount": PRICE}}
    document = documents.checkout_session("x", body | {"chargePermissionType": "PaymentMethodOnFile"}, "PayOnly", START)
    document["statusDetails"] = {"state": "Open"}
    notes = SessionNotes("update", "update", [], "", updates=updates)
    session = Record("Checkout Session", "x", next(iter(world.merchants)), document, notes)
    sessions.agree(world, session)
    assert len(list(world.store.every("Charge"))) == held
    world.store.close()


def test_the_buyer_of_a_wallet_is_known_by_the_email_address_or_else_by_the_id() -> None:
    """Whatever else a world file says; the same buyer has another id in an emulator of another seed."""
    world = World(Store(), region("na"), start=START)
    merchant_id = next(iter(world.merchants))
    known = personas.details(world, merchant_id, BEN, ("name", "email", "phoneNumber"))
    bare = personas.details(world, merchant_id, BEN, ())
    elsewhere = {"buyerId": "amzn1.account.ELSEWHERE"}
    for buyer, email in (
        (known, BEN),
        (bare, BEN),
        (known | elsewhere, BEN),
        (known | {"name": "Carla Example", "phoneNumber": "217-555-0199"}, BEN),
        (bare | {"name": "Carla Example"}, BEN),
        (known | {"email": ADA}, ADA),
        (known | elsewhere | {"email": "carla@example.com"}, ""),
        (bare | elsewhere, ""),
        (None, ""),
    ):
        assert personas.email_of(world, merchant_id, buyer) == email, buyer
    world.store.close()
