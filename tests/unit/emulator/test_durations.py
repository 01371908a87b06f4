"""How long things last: the table of timers decides, for the documents and for the clock alike."""

from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest

from amazonpay_nb.emulator.clock import Clock, stamp, zulu
from amazonpay_nb.emulator.rules import documents
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.spec.states import timer

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
PRICE = {"amount": "14.00", "currencyCode": "USD"}
NEW_DOCUMENTS = {
    ("Checkout Session", "Open"): documents.checkout_session("S", {"storeId": "amzn1.x"}, None, NOW),
    ("Charge", "Authorized"): documents.new("Charge", "C", NOW, {"chargeAmount": PRICE, "chargePermissionId": "P"}),
}


@pytest.mark.parametrize(("machine", "state"), NEW_DOCUMENTS)
def test_an_object_says_when_it_expires(machine: str, state: str) -> None:
    """Its timestamp is the moment of its creation and what the table says, to the second."""
    document = NEW_DOCUMENTS[machine, state]
    assert document["creationTimestamp"] == stamp(NOW)
    assert document["expirationTimestamp"] == stamp(NOW + timer(machine, state, "Expire"))


def test_virtual_time_is_utc() -> None:
    """A start in another zone is the same moment, and the dates in documents are UTC's."""
    with closing(Store()) as store:
        clock = Clock(store, datetime(2026, 1, 15, 14, tzinfo=timezone(timedelta(hours=2))))
    assert (stamp(clock.now()), zulu(clock.now())) == ("20260115T120000Z", "2026-01-15T12:00:00Z")
