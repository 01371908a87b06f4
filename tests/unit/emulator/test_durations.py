"""How long things last: the table of timers decides, for the documents and for the clock alike."""

from datetime import UTC, datetime

import pytest

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.rules import documents
from amazonpay_nb.spec.states import timer

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
PRICE = {"amount": "14.00", "currencyCode": "USD"}
NEW_DOCUMENTS = {
    ("Checkout Session", "Open"): documents.checkout_session("S", {"storeId": "amzn1.x"}, None, NOW),
    ("Charge", "Authorized"): documents.charge("C", {"chargeAmount": PRICE, "chargePermissionId": "P"}, NOW),
}


@pytest.mark.parametrize(("machine", "state"), NEW_DOCUMENTS)
def test_an_object_says_when_it_expires(machine: str, state: str) -> None:
    """Its timestamp is the moment of its creation and what the table says, to the second."""
    document = NEW_DOCUMENTS[machine, state]
    assert document["creationTimestamp"] == stamp(NOW)
    assert document["expirationTimestamp"] == stamp(NOW + timer(machine, state, "Expire"))
