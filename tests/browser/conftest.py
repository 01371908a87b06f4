"""A browser that stays open from file to file; without one its tests are skipped, and fail where CI is set."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright

from amazonpay_nb.rehearsal.browser import program_here
from tests.browser.chromium import chromium, driver


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """What drives browsers; it ends before another folder's tests, which have event loops of their own."""
    if program_here() is None:
        missing = "NOT TESTED IN A BROWSER: there is no chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with driver() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium."""
    with chromium(playwright) as running:
        yield running
