"""A Chromium for the buyers; without one the tests that need it are skipped, and fail where CI is set."""

import os

import pytest

from tests.browser.chromium import executable


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = executable()
    if path is None:
        missing = "NOT TESTED IN A BROWSER: there is no chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path
