"""A journal that was written as an HTTP archive is read by a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from amazonpay_nb.client import har
from amazonpay_nb.lessons.account import MerchantAccount
from tests.browser.chromium import new_page

pytestmark = pytest.mark.browser


def test_a_browser_replays_what_was_answered(browser: Browser, tmp_path: Path) -> None:
    """With the emulator gone, the archive alone answers a request with what the journal holds."""
    with MerchantAccount.new() as account:
        account.read(account.charge(capture_now=True))
    last = account.client.journal.exchanges[-1]
    page = new_page(browser)
    page.route_from_har(har.write(account.client.journal, tmp_path / "run.har"))
    response = page.goto(f"{account.emulator.url}{last.path}")

    assert response is not None
    assert (response.status, response.json()) == (200, last.response)
    page.close()
