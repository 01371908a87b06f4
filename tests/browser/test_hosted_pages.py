"""The shop's and Amazon's pages in a browser: by keyboard, on a small screen, in the dark, and with mistakes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from amazonpay_nb import keys as key_files, workbench
from amazonpay_nb.button import set_up_payload, sign_button
from amazonpay_nb.storefront import Visit
from amazonpay_nb.workbench import Workbench
from tests.browser.chromium import watch

pytestmark = pytest.mark.browser

# What must hold on every page; the answer is a list of what does not.
FLAWS = """() => {
  const flaws = [];
  const say = (holds, flaw) => holds || flaws.push(flaw);
  say(document.querySelectorAll('h1').length === 1, 'not exactly one h1');
  say(document.documentElement.lang, 'no lang');
  say(document.title, 'no title');
  say(document.documentElement.scrollWidth <= window.innerWidth, 'scrolls sideways');
  const fields = [...document.querySelectorAll('input:not([type=hidden])')];
  say(fields.every((field) => field.labels.length), 'a field without a label');
  say([...document.querySelectorAll('button')].every((button) => button.innerText.trim()), 'a button without a name');

  // Contrast, as WCAG 2 defines it: 4.5 for text.
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const back = (element) => {
    const color = numbers(getComputedStyle(element).backgroundColor);
    return color.length === 4 && color[3] === 0 ? back(element.parentElement) : color;
  };
  const luminance = (color) => color.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  for (const element of document.body.querySelectorAll('*:not(script)')) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const both = [luminance(numbers(getComputedStyle(element).color)), luminance(back(element))];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    say(ratio >= 4.5, `contrast ${ratio.toFixed(1)}: ${element.innerText}`);
  }
  return flaws;
}"""
# A small telephone, and a laptop.
WIDTHS = (360, 1280)
REFUSED = "Failed to load resource: the server responded with a status of "


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a profile of its own."""
    page = browser.new_page()
    page.set_default_timeout(15_000)
    yield page
    page.close()


@pytest.fixture
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A shop and an emulated Amazon Pay; a person plays the buyer."""
    wb = workbench.open(region=getattr(request, "param", "na"), buyer="you")
    wb.set_up_keys()
    yield wb
    wb.close()


def set_up(wb: Workbench, **changes: Any) -> Visit:
    """Offer a button that saves a wallet, with some properties of the signed payload changed afterwards."""
    visit = wb.shop.new_visit()
    payload = set_up_payload(wb.store_id, result_url=visit.result_url, cancel_url=visit.cancel_url)
    wb.show_button(visit, replace(sign_button(payload, wb.keys), **changes))
    return visit


def purchase(wb: Workbench) -> Visit:
    """Offer a button that pays, and saves the wallet if the buyer wants it."""
    visit = wb.shop.new_visit()
    payload = {
        "webCheckoutDetails": {"checkoutMode": "ProcessOrder", "checkoutResultReturnUrl": visit.result_url},
        "storeId": wb.store_id,
        "chargePermissionType": "PaymentMethodOnFile",
        "paymentMethodOnFileMetadata": {"setupOnly": False},
        "paymentDetails": {"paymentIntent": "Authorize", "chargeAmount": wb.amount},
    }
    wb.show_button(visit, sign_button(payload, wb.keys))
    return visit


def press(page: Page, name: str) -> None:
    """Press a button and wait for the page that follows."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def config_of(visit: Visit) -> dict[str, Any]:
    """Return the options of the button that a visit offers."""
    assert visit.button is not None
    return visit.button[1]


# --- The buyer --------------------------------------------------------------------------------------------------------


def test_the_keyboard_is_enough(wb: Workbench, page: Page) -> None:
    """Tab, the arrows and Enter take a buyer from the shop through Amazon's pages and back."""
    errors, visit = watch(page), set_up(wb)
    page.goto(visit.page_url)

    def reach(role: Literal["button", "radio"], name: str) -> None:
        target = page.get_by_role(role, name=name)
        for _ in range(12):
            if target.evaluate("(element) => element === document.activeElement"):
                break
            page.keyboard.press("Tab")
        expect(target).to_be_focused()
        assert target.evaluate("(element) => getComputedStyle(element).outlineStyle") != "none", "focus is not visible"

    def enter() -> None:
        with page.expect_navigation():
            page.keyboard.press("Enter")

    reach("button", "Amazon Pay")
    enter()
    reach("radio", "Ada Example")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Ben Example")).to_be_checked()
    reach("button", "Sign in")
    enter()
    reach("radio", "Visa ending in 1111")
    page.keyboard.press("ArrowDown")
    reach("button", "Continue")
    enter()
    expect(page.get_by_text("Amex ****0005")).to_be_visible()
    reach("button", "Agree and continue")
    enter()

    arrival = visit.arrival.result(timeout=0)
    session = wb.client.get_checkout_session(arrival.checkout_session_id)
    assert arrival.kind == "result"
    assert (session.buyer or {})["email"] == "ben@example.com"
    assert not errors


def test_a_buyer_who_cancels_comes_back_with_nothing_saved(wb: Workbench, page: Page) -> None:
    """The cancel button leads to the shop's cancel address and ends the session."""
    visit = set_up(wb)
    page.goto(visit.page_url)
    press(page, "Amazon Pay")
    session_id = page.url.partition("amazonCheckoutSessionId=")[2]
    press(page, "Cancel and return to")
    expect(page.get_by_role("heading", name="Canceled")).to_be_visible()
    assert visit.arrival.result(timeout=0).kind == "cancel"
    assert wb.client.get_checkout_session(session_id).state == "Canceled"


def test_a_changed_payload_is_refused_on_amazons_page(wb: Workbench, page: Page) -> None:
    """The buyer sees the reason, and is not sent to the shop."""
    visit = set_up(wb)
    signed = config_of(visit)["createCheckoutSessionConfig"]
    signed["payloadJSON"] = signed["payloadJSON"].replace("Confirm", "Authorize")
    page.goto(visit.page_url)
    press(page, "Amazon Pay")
    expect(page.get_by_role("alert")).to_contain_text("InvalidSignatureError")
    assert page.url == f"{wb.emulator.url if wb.emulator else ''}/checkout/initiate"
    assert not visit.arrival.done()


# --- Every page -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wb", ["eu"], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_sound(wb: Workbench, browser: Browser, scheme: Literal["light", "dark"]) -> None:
    """One heading, labels, language, contrast, nothing cut off, and a mark that this is not Amazon."""
    page = browser.new_page(color_scheme=scheme)
    errors, seen, flaws = watch(page), [], []
    for name in walk(wb, page):
        seen.append(name)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 720})
            expect(page.get_by_text("not Amazon")).to_be_visible()
            flaws += [f"{name}, {width} wide: {flaw}" for flaw in page.evaluate(FLAWS)]
    page.close()
    assert len(seen) == 14
    assert flaws == []
    # The browser itself reports these two documents; they are shown on purpose.
    assert [error.partition(" (http")[0] for error in errors] == [
        f"{REFUSED}403 (Forbidden)",
        f"{REFUSED}404 (Not Found)",
    ]


def walk(wb: Workbench, page: Page) -> Iterator[str]:
    """Visit every page there is and yield its name each time."""
    page.goto(set_up(wb).page_url)
    yield "shop"
    press(page, "Amazon Pay")
    yield "sign-in"
    press(page, "Sign in")
    yield "payment method"
    page.get_by_text("Cards that simulate something else").click()
    yield "payment method, all cards"
    page.get_by_role("radio", name="9987").check()
    press(page, "Continue")
    yield "consent"
    press(page, "Agree and continue")
    yield "challenge"
    press(page, "Confirm: it is me")
    yield "payment method, after a challenge that was not passed"
    press(page, "Cancel and return to")
    yield "back after a decline"

    page.goto(purchase(wb).page_url)
    for name in ("Amazon Pay", "Sign in", "Continue"):
        press(page, name)
    yield "consent, which may be withheld"
    press(page, "Continue")
    yield "processing"

    page.goto(set_up(wb).page_url)
    for name in ("Amazon Pay", "Cancel and return to"):
        press(page, name)
    yield "canceled"
    page.goto(set_up(wb, signature="AAAA").page_url)
    press(page, "Amazon Pay")
    yield "refused"
    page.goto(f"{wb.shop.url}/pay/of-an-earlier-run")
    yield "not known"
    page.goto(set_up(wb).page_url)
    for name in ("Amazon Pay", "Sign in", "Continue", "Agree and continue", "Confirm: it is me"):
        press(page, name)
    yield "welcome back"


# --- checkout.js ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["merchantId", "ledgerCurrency", "placement"])
def test_the_button_says_which_option_is_missing(wb: Workbench, page: Page, option: str) -> None:
    """A compulsory option is missed when the button is rendered, not when a buyer presses it."""
    visit = set_up(wb)
    del config_of(visit)[option]
    with page.expect_event("pageerror") as thrown:
        page.goto(visit.page_url)
    assert thrown.value.message == f"Amazon Pay: {option} is missing."
    expect(page.get_by_role("button")).to_have_count(0)


def test_a_decoupled_button_asks_the_shop_first(wb: Workbench, page: Page) -> None:
    """Rendered without a payload, it calls the page's own handler, which starts the checkout when it has one."""
    visit = set_up(wb)
    config = config_of(visit)
    session = config.pop("createCheckoutSessionConfig")
    page.goto(visit.page_url)
    page.evaluate(
        """([config, session]) => {
          const button = amazon.Pay.renderButton('#AmazonPayButton', config);
          button.onClick(() => button.initCheckout({ createCheckoutSessionConfig: session }));
        }""",
        [config, session],
    )
    press(page, "Amazon Pay")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_decoupled_button_without_a_handler_says_what_is_missing(wb: Workbench, page: Page) -> None:
    """Nothing is posted without a payload."""
    visit = set_up(wb)
    del config_of(visit)["createCheckoutSessionConfig"]
    page.goto(visit.page_url)
    with page.expect_event("pageerror") as thrown:
        page.get_by_role("button", name="Amazon Pay").click()
    assert thrown.value.message == "Amazon Pay: createCheckoutSessionConfig is missing."


def test_an_environment_neutral_key_needs_the_sandbox_option(wb: Workbench, page: Page) -> None:
    """The id does not say which environment it is for; `sandbox: true` does."""
    neutral = key_files.with_id(wb.keys, wb.keys.public_key_id.removeprefix("SANDBOX-"))
    visit = set_up(wb, public_key_id=neutral.public_key_id, key_environment=neutral.environment)
    assert config_of(visit)["sandbox"] is True
    page.goto(visit.page_url)
    press(page, "Amazon Pay")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_key_and_an_option_that_contradict_each_other_are_refused(wb: Workbench, page: Page) -> None:
    """A key of the Sandbox cannot be used with `sandbox: false`."""
    visit = set_up(wb)
    config_of(visit)["sandbox"] = False
    page.goto(visit.page_url)
    with page.expect_event("pageerror") as thrown:
        page.get_by_role("button", name="Amazon Pay").click()
    assert thrown.value.message == "Amazon Pay: sandbox contradicts the prefix of publicKeyId."
