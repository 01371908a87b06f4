"""Somebody shows a notebook to others: without code, a step at a time, in the merchant's own shop, and offline."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.axe import flaws
from tests.browser.chromium import STILL, watch
from tests.browser.presenter import BUTTON, SECONDS, Presentation, presenting

pytestmark = pytest.mark.browser

SHOP = {
    "merchant_name": "Kiosk <Ö>", "merchant_color": "#aa3366", "region": "eu", "currency": "GBP", "language": "de_DE",
}  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `amazonpay-nb demo` shows notebook 01, in a shop with settings of its own."""
    with presenting(tmp_path_factory.mktemp("presenter") / "log", "01", **SHOP) as url:
        yield url


@pytest.fixture
def shown(browser: Browser, url: str) -> Iterator[Presentation]:
    """A presentation that has begun; it asks nothing of the world outside, and complains of nothing."""
    expect.set_options(timeout=SECONDS * 1000)
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    complaints, asked = watch(page), []
    page.on("request", lambda request: asked.append(request.url))
    yield Presentation(page, url)
    page.close()
    # A shop ends with its kernel, and the page that is left may just have asked it for news.
    assert [
        complaint for complaint in complaints if not re.search(r"ERR_CONNECTION_REFUSED .*/news(\?.*)?\)$", complaint)
    ] == []
    away = [url for url in asked if urlsplit(url).scheme != "data" and urlsplit(url).hostname != "127.0.0.1"]
    assert away == []


def test_a_demonstration_goes_from_the_button_to_the_refund_and_starts_again(shown: Presentation) -> None:
    """No code is on the screen; the buyer's part is played in the page; a new start knows nothing of it."""
    shown.goes_to("Step 3")
    shown.plays_the_buyer()
    shown.goes_to("Step 7")
    shown.sees("✓ Amazon has sent the money back.")
    assert shown.page.get_by_text("workbench.open(").count() == 0
    assert shown.page.locator(".jp-InputArea-editor").count() == 0

    shown.clicks("Start again")
    shown.begun()
    shown.goes_to("Step 3")
    expect(shown.shop.get_by_role("button", name=BUTTON)).to_be_visible()
    shown.goes_to("Step 7")
    expect(shown.step).not_to_contain_text("✓ Amazon has sent")


def test_a_demonstration_goes_on_after_the_buyer_has_canceled(shown: Presentation) -> None:
    """The shop offers another try, since the presenter's cell cannot show a page while it waits."""
    shown.goes_to("Step 3")
    shown.shop.get_by_role("button", name=BUTTON).click()
    shown.shop.locator("button[value=cancel]").click()
    shown.shop.get_by_role("link", name="Noch einmal versuchen").click()
    shown.plays_the_buyer()
    shown.goes_to("Step 7")
    shown.sees("✓ Amazon has sent the money back.")


def test_steps_are_turned_by_click_and_by_key(shown: Presentation) -> None:
    """Forwards and backwards; there is nothing before the first step and nothing after the last."""
    at = shown.place.inner_text

    first = at()
    expect(shown.page.get_by_role("main")).to_be_visible()
    expect(shown.page.get_by_role("button", name="Back", exact=True)).to_be_disabled()
    shown.clicks("Next")
    second = at()
    assert second.startswith("2 of ")
    expect(shown.step).to_have_count(1)
    expect(shown.page.get_by_role("heading", level=1)).to_have_text(second)
    shown.clicks("Back")
    assert at() == first
    for key, place in (("ArrowRight", second), ("ArrowLeft", first), ("PageDown", second), ("PageUp", first)):
        shown.page.keyboard.press(key)
        expect(shown.place).to_have_text(place)
    shown.page.keyboard.press("ArrowLeft")
    expect(shown.place).to_have_text(first)
    for _ in range(int(first.split()[2].strip(":")) - 1):
        shown.page.keyboard.press("ArrowRight")
    expect(shown.page.get_by_role("button", name="Next", exact=True)).to_be_disabled()


def test_the_shop_has_the_name_color_currency_and_language_that_were_given(shown: Presentation) -> None:
    """Four settings make it the merchant's; Amazon's pages speak the language and know the name as well."""
    shown.goes_to("Step 3")
    expect(shown.shop.locator("header")).to_contain_text(SHOP["merchant_name"])
    expect(shown.shop.locator("html")).to_have_attribute("lang", "de-DE")
    expect(shown.shop.locator(".sign")).to_have_css("background-color", "rgb(170, 51, 102)")
    shown.shop.get_by_role("button", name=BUTTON).click()
    expect(shown.shop.get_by_text(f"Amazon Pay bei {SHOP['merchant_name']}")).to_be_visible()
    shown.agrees()
    shown.goes_to("Step 7")
    shown.sees("✓ Amazon has sent the money back.")
    shown.goes_to("Step 3", "Back")
    shown.shop.get_by_role("link").click()  # the buyer's account at the shop
    expect(shown.shop.get_by_text("14,00 £").first).to_be_visible()


def test_the_merchants_side_stands_beside_the_buyers(shown: Presentation) -> None:
    """Page on the left, server on the right, or below where there is no room; the server's work appears by itself."""
    toggle = shown.page.locator("#sides")
    expect(toggle).to_be_hidden()
    shown.goes_to("Step 3")
    shown.clicks("Merchant's side")
    server = shown.step.frame_locator("iframe.merchant")
    expect(server.get_by_text("Nothing yet: it waits for the buyer.")).to_be_visible()
    shown.plays_the_buyer()
    expect(server.get_by_text("POST /v2/charges", exact=True).first).to_be_visible()
    expect(server.get_by_text("201 Captured").first).to_be_visible()

    frames = [shown.step.locator(f"iframe.{name}") for name in ("amazonpay-page", "merchant")]
    for width, beside in ((1280, True), (360, False)):
        shown.page.set_viewport_size({"width": width, "height": 800})
        for frame in frames:
            frame.evaluate(STILL)
        buyer, merchant = (frame.bounding_box() for frame in frames)
        assert buyer
        assert merchant
        assert (buyer["x"] + buyer["width"] <= merchant["x"]) == beside
        assert (buyer["y"] + buyer["height"] <= merchant["y"]) == (not beside)
    shown.clicks("Merchant's side")
    expect(frames[1]).to_be_hidden()


def wrong_steps(shown: Presentation) -> list[str]:
    """Return what is wrong with each step, from the first to the last, in the light and in the dark."""
    count = int(shown.place.inner_text().split()[2].strip(":"))
    wrong = []
    for number in range(1, count + 1):
        expect(shown.place).to_have_text(re.compile(f"^{number} of"))
        wrong += [f"{shown.place.inner_text()}: {flaw}" for flaw in flaws(shown.page)]
        if number < count:
            shown.clicks("Next")
    return wrong


def test_every_step_can_be_read_by_everybody(shown: Presentation) -> None:
    """In the light and in the dark, on a small screen and a wide one, with both sides."""
    shown.goes_to("Step 3")
    shown.plays_the_buyer()
    shown.clicks("Merchant's side")
    shown.goes_to("By clicks")
    expect(shown.step.get_by_role("tab", name="Cards")).to_be_visible()  # the last cell has run
    shown.goes_to("Set up outside", "Back")
    assert not (wrong := wrong_steps(shown)), "\n".join(wrong)


def test_a_script_can_play_the_buyer_of_another_chapter(browser: Browser, tmp_path: Path) -> None:
    """With `buyer=script` a notebook runs to its end by itself, and each step can be read."""
    with presenting(tmp_path / "log", "05", buyer="script") as url:
        page = browser.new_page(reduced_motion="reduce")
        complaints, shown = watch(page), Presentation(page, url)
        page.wait_for_load_state()  # the last cell has run
        assert not (wrong := wrong_steps(shown)), "\n".join(wrong)
        assert complaints == []
        page.close()
