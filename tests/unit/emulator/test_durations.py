"""How long things last: the table of timers decides, for the documents and for the clock alike."""

from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest

from amazonpay_nb.emulator.clock import Clock, stamp, zulu
from amazonpay_nb.emulator.rules import documents
from amazonpay_nb.emulator.store import Store

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
PRICE = {"amount": "14.00", "currencyCode": "USD"}
# After 24 hours, and after 30 days.
NEW_DOCUMENTS = {
    "20260116T120000Z": documents.checkout_session("S", {"storeId": "amzn1.x"}, None, NOW),
    "20260214T120000Z": documents.new("Charge", "C", NOW, {"chargeAmount": PRICE, "chargePermissionId": "P"}),
}


@pytest.mark.parametrize("end", NEW_DOCUMENTS)
def test_an_object_says_when_it_expires(end: str) -> None:
    """Its timestamp is the moment of its creation and what Amazon documents, to the second."""
    document = NEW_DOCUMENTS[end]
    assert document["creationTimestamp"] == stamp(NOW)
    assert document["expirationTimestamp"] == end


def test_virtual_time_is_utc() -> None:
    """A start in another zone is the same moment, and the dates in documents are UTC's."""
    with closing(Store()) as store:
        clock = Clock(store, datetime(2026, 1, 15, 14, tzinfo=timezone(timedelta(hours=2))))
    assert (stamp(clock.now()), zulu(clock.now())) == ("20260115T120000Z", "2026-01-15T12:00:00Z")
