"""A page with Amazon's own addresses in it, in a browser that has the emulator as its proxy."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, Request
from starlette.applications import Starlette
from starlette.requests import Request as Visit
from starlette.responses import HTMLResponse
from starlette.routing import Route

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.signing import sign_payload
from tests.browser.chromium import chromium, new_page, trust, watch
from tests.emulated import SET_UP, Shop

pytestmark = pytest.mark.browser

SCRIPT, PAGES = "https://static-na.payments-amazon.com/checkout.js", "apay-us.amazon.com"
ICON = '<!doctype html><link rel="icon" href="data:,">'
PAGE = """{icon}<title>Shop</title><div id="pay"></div>
<script src="{script}"></script><script>amazon.Pay.renderButton("#pay", {button});</script>"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Emulator("na", seed=7, proxy=True) as emulator, Shop(emulator) as shop:
        yield shop


@pytest.fixture(scope="module")
def proxied(shop: Shop, playwright: Playwright) -> Iterator[Browser]:
    with chromium(playwright, trust(shop.emulator)) as running:
        yield running


@pytest.fixture(params=["", "<-loopback>"], ids=["past the proxy", "through the proxy"])
def page(request: pytest.FixtureRequest, proxied: Browser, shop: Shop) -> Iterator[Page]:
    """A page whose own server is reached either way."""
    page = new_page(proxied, proxy={"server": str(shop.emulator.proxy_url), "bypass": request.param})
    yield page
    page.close()


@pytest.fixture
def storefront(shop: Shop) -> Iterator[str]:
    """A merchant's server whose page is as in production."""

    async def wallet(visit: Visit) -> HTMLResponse:
        web = {
            "checkoutResultReturnUrl": str(visit.url_for("result")),
            "checkoutCancelUrl": str(visit.url_for("wallet")),
        }
        payload = json.dumps(SET_UP | {"storeId": shop.account.store_id, "webCheckoutDetails": web})
        signature = sign_payload(payload, shop.keys.private_key, algorithm=shop.keys.algorithm)
        session = {"payloadJSON": payload, "signature": signature, "algorithm": str(shop.keys.algorithm)}
        button = {
            "merchantId": shop.account.merchant_id, "publicKeyId": shop.keys.public_key_id, "ledgerCurrency": "USD",
            "checkoutLanguage": "en_US", "productType": "PayOnly", "placement": "Other",
            "createCheckoutSessionConfig": session,
        }  # fmt: skip
        return HTMLResponse(PAGE.format(icon=ICON, script=SCRIPT, button=json.dumps(button)))

    async def result(visit: Visit) -> HTMLResponse:
        return HTMLResponse(f"{ICON}<title>Thanks</title>")

    server = LoopbackServer(
        Starlette(routes=[Route("/wallet", wallet, name="wallet"), Route("/result", result, name="result")])
    )
    with_thread = server.start()
    yield f"{with_thread.url}/wallet"
    server.stop()


def test_a_buyer_sets_up_a_wallet(page: Page, shop: Shop, storefront: str) -> None:
    """The script comes from Amazon's address, the pages are at Amazon's, and the buyer comes back to the shop."""
    errors, asked = watch(page), []

    def note(request: Request) -> None:
        asked.append(urlsplit(request.url).hostname)

    page.on("request", note)
    page.goto(storefront)
    page.get_by_role("button", name="Amazon Pay").click()
    page.wait_for_url(f"https://{PAGES}/checkout/sign-in?*")
    while urlsplit(page.url).hostname == PAGES:
        with page.expect_navigation():
            page.locator("button.main").click()
    assert page.title() == "Thanks"
    assert set(asked) == {"127.0.0.1", "static-na.payments-amazon.com", PAGES}
    assert errors == []
    (session_id,) = parse_qs(urlsplit(page.url).query)["amazonCheckoutSessionId"]
    assert shop.done("completeCheckoutSession", session_id)["chargePermissionId"]


def test_nothing_else_is_reached(page: Page) -> None:
    """What a page of the merchant loads from elsewhere is not loaded, and the refusal is to be read."""
    answer = page.goto("http://example.com/")
    assert answer
    assert (answer.status, "example.com" in answer.text()) == (403, True)


def test_a_foreign_page_cannot_use_the_proxys_port(page: Page, shop: Shop) -> None:
    """To a browser it is a server that refuses everything."""
    answer = page.goto(f"{shop.emulator.proxy_url}/checkout.js")
    assert answer
    assert answer.status in (400, 403)
