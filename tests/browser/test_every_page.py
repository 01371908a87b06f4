"""Every page of the shop and of Amazon is sound: for everybody, in the dark too, and on a small telephone."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from amazonpay_nb import emulator, shop as storefront, workbench
from amazonpay_nb.client.button import set_up_payload, sign_button
from amazonpay_nb.client.guide import complete_set_up
from amazonpay_nb.shop import buyer
from amazonpay_nb.shop.server import ARRIVALS
from amazonpay_nb.workbench import Workbench
from tests.browser.axe import flaws
from tests.browser.chromium import new_page, watch
from tests.browser.walk import LOST, hosted_pages, shop_pages

pytestmark = pytest.mark.browser

# The browser says so of each page that is a refusal; those are shown on purpose.
REFUSED = "Failed to load resource: the server responded with a status of "
PART_OF_ANOTHER = re.compile(r'{% (?:extends|include|from) "([\w-]+)\.html"')
# The template of a page of the shop, by the first part of its address.
SHOP = {
    "pay": "pay",
    "cart": "basket",
    "order": "review",
    "account": "account",
    "both": "both",
} | dict.fromkeys(ARRIVALS, "arrived")


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A shop and an emulated Amazon Pay in Europe, where a challenge is always asked for."""
    wb = workbench.open(region="eu", buyer="you")
    wb.set_up_keys()
    yield wb
    wb.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a profile of its own; its colors do not fade from one scheme to the other."""
    page = new_page(browser, reduced_motion="reduce")
    yield page
    page.close()


def templates(package: object) -> set[str]:
    """Return the names of the templates that are pages by themselves, and not parts of others."""
    folder = Path(str(getattr(package, "__file__", ""))).parent / "pages"
    texts = {path.stem: path.read_text("utf-8") for path in folder.glob("*.html")}
    return set(texts) - {part for text in texts.values() for part in PART_OF_ANOTHER.findall(text)}


def sound(page: Page, walk: Iterator[None], template: Callable[[Page], str]) -> tuple[set[str], list[str]]:
    """Take a walk; return which templates were seen, and what is wrong with them."""
    complaints, seen, wrong = watch(page), set(), []
    for _ in walk:
        seen.add(template(page))
        wrong += flaws(page)
        wrong += [text for text in complaints if not (text.startswith(REFUSED) and text.endswith(f"({page.url})"))]
        complaints.clear()
    return seen, wrong


def template_of_amazon(page: Page) -> str:
    expect(page.get_by_text("not Amazon")).to_be_visible()
    path = urlsplit(page.url).path
    return "index" if path == "/" else path.rpartition("/")[2] if page.locator("form").count() else "problem"


def template_of_the_shop(page: Page) -> str:
    return "lost" if page.url.endswith(LOST) else SHOP[urlsplit(page.url).path.split("/")[1]]


def test_every_page_of_amazon_is_sound(wb: Workbench, page: Page) -> None:
    """No template is passed over, and no page keeps anybody out, is cut off, or complains."""
    seen, wrong = sound(page, hosted_pages(wb, page), template_of_amazon)
    assert not wrong, "\n".join(wrong)
    assert seen == templates(emulator)


def test_every_page_of_the_shop_is_sound(wb: Workbench, page: Page) -> None:
    """The same for the shop, its confirmations and accounts."""
    seen, wrong = sound(page, shop_pages(wb, page), template_of_the_shop)
    assert not wrong, "\n".join(wrong)
    assert seen == templates(storefront)


def test_a_page_asks_the_shop_again_after_a_look_that_failed(wb: Workbench, page: Page) -> None:
    """A laptop has slept, or a proxy had trouble: the buyer reads in the end how it went."""
    assert wb.keys
    attempt = wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)
    page.route("**/news*", lambda route: route.abort("internetdisconnected"), times=1)
    with page.expect_event("requestfailed"):
        page.goto(buyer.approve(wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayOnly").url))
    complete_set_up(wb.client, attempt.arrival.result(timeout=0).checkout_session_id)
    page.locator("[data-settled]").wait_for()
