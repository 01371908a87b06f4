"""A browser for each file of tests; without one they are skipped, and fail where CI is set."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium, executable


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium that lives as long as the file's tests."""
    if executable() is None:
        missing = "NOT TESTED IN A BROWSER: there is no chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with chromium() as running:
        yield running
