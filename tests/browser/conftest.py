"""A browser and a JupyterLab that stay open from file to file; without a browser its tests are skipped.

Where CI is set, they fail instead.
"""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright

from amazonpay_nb.workbench.kernel import PROGRESS
from tests.browser.chromium import chromium, driver, executable
from tests.browser.jupyterlab import VIEWPORT, Lab, jupyterlab


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """What drives browsers; it ends before another folder's tests, which have event loops of their own."""
    if executable() is None:
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


@pytest.fixture(scope="package")
def _lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(PROGRESS, str(folder / "solved"))  # the map remembers for this JupyterLab alone
        with jupyterlab(browser.new_page(), folder) as running:
            yield running


@pytest.fixture(scope="module")
def lab(_lab: Lab) -> Lab:
    """A JupyterLab with nothing open, in a window that shows many cells."""
    _lab.close_all()
    _lab.page.set_viewport_size(VIEWPORT)
    return _lab
