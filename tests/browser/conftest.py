"""A browser, and where it is asked for a JupyterLab, for each file of tests.

Without a browser they are skipped, and fail where CI is set.
"""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright

from amazonpay_nb.workbench.kernel import PROGRESS
from tests.browser.chromium import chromium, driver, executable
from tests.browser.jupyterlab import VIEWPORT, Lab, jupyterlab


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives browsers; it ends before another file's tests, which may have event loops of their own."""
    if executable() is None:
        missing = "NOT TESTED IN A BROWSER: there is no chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with driver() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium."""
    with chromium(playwright) as running:
        yield running


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab in a window that shows many cells; its map of solved exercises is its own."""
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(PROGRESS, str(folder / "solved"))
        with jupyterlab(browser.new_page(viewport=VIEWPORT), folder) as running:
            yield running
