"""The HTTP archive of a journal holds every exchange, and nothing that is secret or about the buyer."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from amazonpay_nb import workbench
from amazonpay_nb.client import har
from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.emulator.rules import personas as buyers
from tests.notebooks.test_notebook_shape import SECRETS


def test_an_archive_takes_the_place_of_a_link(tmp_path: Path) -> None:
    """What the link names is somebody else's; and half of a surrogate pair, which no UTF-8 can hold, is JSON's."""
    (tmp_path / "theirs").write_text("notes", "utf-8")
    (tmp_path / "run.har").symlink_to("theirs")
    journal = Journal()
    journal.record(Exchange(datetime(2026, 1, 15, tzinfo=UTC), "createCharge", "POST", "/", None, error="\ud800"))
    [entry] = json.loads(har.write(journal, tmp_path / "run.har").read_text("utf-8"))["log"]["entries"]
    assert entry["response"]["statusText"] == "\ud800"
    assert (tmp_path / "theirs").read_text("utf-8") == "notes"


def test_it_gives_nothing_away(tmp_path: Path) -> None:
    """Neither a signature nor anything of the buyer, whose session holds all there is."""
    wb = workbench.open(buyer="script")
    wb.set_up_keys()
    arrival = asyncio.run(wb.play_set_up())
    wb.client.get_checkout_session(arrival.checkout_session_id)
    wb.close()
    text = har.write(wb.journal, tmp_path / "run.har").read_text("utf-8")

    assert len(json.loads(text)["log"]["entries"]) == len(wb.journal.exchanges) > 0
    assert [kind for kind, pattern in SECRETS.items() if pattern.search(text)] == []
    address = buyers.addresses("na", "ada@example.com")[0]
    assert [
        field for field in ("name", "addressLine1", "city", "postalCode", "phoneNumber") if address[field] in text
    ] == []
