"""A person in JupyterLab on Amazon's Sandbox, which an emulator plays at Amazon's own addresses: chapter 01."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright

from amazonpay_nb.emulator import Emulator
from tests.browser.chromium import chromium, new_page, trust, watch
from tests.browser.jupyterlab import VIEWPORT, Lab, working_copies
from tests.emulated import sandbox

pytestmark = pytest.mark.browser

NOTEBOOK = "01_set_up_outside_the_purchase_flow.ipynb"


@pytest.fixture(scope="module")
def amazon() -> Iterator[Emulator]:
    with Emulator("na", proxy=True) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def lab(amazon: Emulator, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with chromium(playwright, trust(amazon)) as browser:
        page = new_page(browser, viewport=VIEWPORT, proxy={"server": str(amazon.proxy_url)})
        with working_copies(page, tmp_path_factory.mktemp("sandbox"), **sandbox(amazon)) as running:
            yield running


def test_a_person_saves_a_wallet_and_is_charged(lab: Lab) -> None:
    """By the link above the cell that waits: Amazon's own pages refuse to be framed."""
    with lab.existing(NOTEBOOK) as notebook:
        notebook.replace('environment: str = "emulator"', 'environment: str = "sandbox"')
        notebook.run_above("started = wb.client.create_refund")
        with notebook.page.context.expect_page() as opened:
            notebook.page.get_by_role("link", name="Open the page in a tab").first.click()
        tab = opened.value
        complaints = watch(tab)
        tab.get_by_role("button", name="Amazon Pay").click()
        for name in ("Sign in", "Continue", "Agree and continue"):
            tab.wait_for_url("https://apay-us.amazon.com/checkout/*")
            with tab.expect_navigation():
                tab.get_by_role("button", name=name, exact=True).click()
        tab.wait_for_url("http://127.0.0.1:*/result/*")
        notebook.finish()
        assert notebook.refusals() == []
        state = notebook.value("wb.environment, wb.buyer, arrival.kind, permission.state, payment.state")
        assert state == "('sandbox', 'you', 'result', 'Chargeable', 'Captured')"
        assert (notebook.errors, complaints) == ([], [])
        tab.close()
