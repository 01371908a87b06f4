"""A JupyterLab that stays open from file to file."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from amazonpay_nb.workbench.kernel import PROGRESS
from tests.browser.jupyterlab import VIEWPORT, Lab, jupyterlab


@pytest.fixture(scope="package")
def _lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as environment, browser.new_page() as page:
        environment.setenv(PROGRESS, str(folder / "solved"))  # the map remembers for this JupyterLab alone
        with jupyterlab(page, folder) as running:
            yield running


@pytest.fixture(scope="module")
def lab(_lab: Lab) -> Lab:
    """A JupyterLab with nothing open, in a window that shows many cells."""
    _lab.close_all()
    _lab.page.set_viewport_size(VIEWPORT)
    return _lab
