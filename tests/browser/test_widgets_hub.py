"""On a remote hub: every page is reached through jupyter-server-proxy, and nothing asks for the browser's loopback."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Request, expect

from amazonpay_nb.spec.flows import PAGES
from tests.browser.jupyterlab import HUB, SOMEBODY, VIEWPORT, Lab, OpenNotebook, jupyterlab
from tests.browser.person import Person, saves_a_wallet

pytestmark = pytest.mark.browser

OPEN = """\
from amazonpay_nb import workbench
wb = workbench.open()
"""
PANELS = "from amazonpay_nb.workbench.panels import panels\npanels(wb)"
EXPRESS = """\
from amazonpay_nb.client.button import express_payload, sign_button
keys, visit = wb.set_up_keys(), wb.shop.new_attempt()
payload = express_payload(wb.store_id, review_url=visit.review_url, cancel_url=visit.cancel_url)
arrival = await wb.show_button(visit, sign_button(payload, keys)).returned()
session = wb.client.get_checkout_session(arrival.checkout_session_id)
"""
REVIEW = """\
changed = await wb.show_review(visit, session).returned(change="changePayment")
ordered = await wb.show_review(visit, session).returned()
"""
PAY = """\
ready = wb.client.update_checkout_session(
    session.checkout_session_id, web_checkout_details={"checkoutResultReturnUrl": visit.result_url},
    payment_details={"paymentIntent": "Authorize", "chargeAmount": wb.amount},
)
paid = await wb.show_redirect(visit, ready).returned()
"""


@pytest.fixture(scope="module")
def asked(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, list[str]]]:
    """A JupyterLab on a hub, and the addresses that its browser asks for; those elsewhere lead nowhere."""
    addresses: list[str] = []
    with browser.new_page(viewport=VIEWPORT) as page:
        page.on("request", lambda request: addresses.append(address_of(request)))
        page.route(lambda url: urlsplit(url).hostname in ("127.0.0.1", "localhost"), lambda route: route.abort())
        with jupyterlab(page, tmp_path_factory.mktemp("hub"), on_hub=True) as lab:
            yield lab, addresses


def address_of(request: Request) -> str:
    return request.url


def click(button: Locator) -> None:
    """Press a button of a frame in a frame wherever it is: JupyterLab may scroll just when a pointer would go down."""
    expect(button).to_be_enabled()
    button.evaluate("(it) => it.click()")


def goes_on(notebook: OpenNotebook) -> None:
    """Pass two pages whose buttons have one name; the heading tells which is open."""
    for heading in (PAGES["payment-method"], PAGES["consent"]):
        notebook.frames.content_frame.get_by_role("heading", name=heading).wait_for(state="attached")
        notebook.press("Continue")


def elsewhere(addresses: list[str]) -> list[str]:
    """Those that are not of somebody's server."""
    parts = [urlsplit(address) for address in addresses]
    return [
        part.geturl()
        for part in parts
        if part.scheme.startswith("http") and not (part.hostname == HUB and part.path.startswith(SOMEBODY))
    ]


def test_on_a_hub_a_wallet_is_saved_by_clicks(asked: tuple[Lab, list[str]]) -> None:
    """The shop's page, its script, Amazon's pages and the way back: all below somebody's own path."""
    lab, addresses = asked
    with lab.new(OPEN, PANELS) as notebook:
        notebook.run_all()
        notebook.finish()
        saves_a_wallet(Person(notebook), "hub.pem")
        assert not notebook.errors
    assert any(f"{SOMEBODY}proxy/" in address and address.endswith("/checkout.js") for address in addresses)
    assert any(f"{SOMEBODY}proxy/" in address and "/result/" in address for address in addresses)
    assert elsewhere(addresses) == []


def test_on_a_hub_a_buyer_reviews_changes_and_orders(asked: tuple[Lab, list[str]]) -> None:
    """The shop sends on to Amazon, and Amazon back to the shop, in both directions and more than once."""
    lab, addresses = asked
    with lab.new(OPEN, EXPRESS, REVIEW, PAY) as notebook:
        notebook.run_all()
        notebook.press("Amazon Pay emulated", "Sign in")
        goes_on(notebook)
        notebook.press("Change payment method")
        goes_on(notebook)
        notebook.press("Place order")
        notebook.press("Pay")
        notebook.finish()
        assert not notebook.refusals()
        assert notebook.value("[a.kind for a in (arrival, changed, ordered, paid)]") == (
            "['review', 'review', 'ordered', 'result']"
        )
        assert not notebook.errors
    assert elsewhere(addresses) == []


def test_on_a_hub_the_stage_is_presented(asked: tuple[Lab, list[str]]) -> None:
    """The screen hears of each change, and the buyer's phone on it leads through the shop, Amazon's pages and back."""
    lab, addresses = asked
    with lab.new(OPEN, "screen = wb.stage('ride')\nscreen") as notebook:
        notebook.run_all()
        screen = notebook.page.frame_locator("iframe[title='The stage']")
        click(screen.locator("#next"))
        phone = screen.frame_locator("#phone")
        click(phone.get_by_role("button", name="Sign in with Amazon"))
        for name in ("sign-in", "payment-method", "consent"):
            click(phone.locator(f"form[action='{name}'] button.main"))
        expect(screen.locator("#server")).to_contain_text("✓ Done")
        click(screen.locator("#next"))
        expect(screen.locator("#go-2")).to_have_attribute("aria-current", "step")
        expect(screen.locator("#server")).to_contain_text("✓ Captured")
        assert not notebook.errors
        assert notebook.value("screen.close()") == "None"
    assert any(address.endswith("/events") for address in addresses)
    assert elsewhere(addresses) == []
