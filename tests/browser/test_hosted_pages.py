"""The shop's and Amazon's pages in a browser: by keyboard, and with mistakes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from amazonpay_nb import workbench
from amazonpay_nb.client.button import set_up_payload, sign_button
from amazonpay_nb.shop import Attempt, Cart
from amazonpay_nb.signing import keys as key_files
from amazonpay_nb.workbench import Workbench
from tests.browser.chromium import new_page, watch

pytestmark = pytest.mark.browser

TWICE = "(button) => { button.click(); %s setTimeout(() => button.click()); }"
BACK = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));"  # what a browser does


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a profile of its own."""
    page = new_page(browser)
    yield page
    page.close()


@pytest.fixture
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A shop and an emulated Amazon Pay; a person plays the buyer."""
    wb = workbench.open(region=getattr(request, "param", "na"), buyer="you")
    wb.set_up_keys()
    yield wb
    wb.close()


def set_up(wb: Workbench, **changes: Any) -> Attempt:
    """Offer a button that saves a wallet, with some properties of the signed payload changed afterward."""
    visit = wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=visit.result_url, cancel_url=visit.cancel_url)
    wb.show_button(visit, replace(sign_button(payload, wb.keys), **changes))
    return visit


def press(page: Page, name: str) -> None:
    """Press a button and wait for the page that follows."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def config_of(visit: Attempt) -> dict[str, Any]:
    """Return the options of the button that a visit offers."""
    return visit.config


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


@pytest.mark.parametrize("wb", ["eu"], indirect=True)
def test_a_double_click_does_not_answer_the_challenge(wb: Workbench, page: Page) -> None:
    """The button to fail it is where that to agree was; a buyer who has read the page presses later."""
    page.goto(set_up(wb).page_url)
    for name in ("Amazon Pay emulated", "Sign in", "Continue"):
        press(page, name)
    box = page.get_by_role("button", name="Agree and continue").bounding_box()
    assert box
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    animations = page.context.new_cdp_session(page)
    animations.send("Animation.enable")
    animations.send("Animation.setPlaybackRate", {"playbackRate": 0.001})  # a busy machine's second press is late, too
    with page.expect_navigation():
        page.mouse.click(*place)
    page.mouse.click(*place, click_count=2)
    page.mouse.click(*place, click_count=3)
    animations.send("Animation.setPlaybackRate", {"playbackRate": 1})
    press(page, "Confirm: it is me")
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()


def test_a_double_click_on_the_last_button_leads_back_to_the_shop(wb: Workbench, page: Page) -> None:
    """A second form would take the place of the first one's answer, and end at Amazon's sign-in."""
    forms = list[str]()
    page.on("request", lambda request: forms.append(request.url) if request.method == "POST" else None)
    page.goto(set_up(wb).page_url)
    for name in ("Amazon Pay emulated", "Sign in"):
        press(page, name)
    forms.clear()
    page.get_by_role("button", name="Continue").evaluate(TWICE % BACK)
    expect(page.get_by_role("button", name="Agree and continue")).to_be_visible()
    assert len(forms) == 2, "on the way back the page is as it was left, and its button works"
    page.get_by_role("button", name="Agree and continue").evaluate(TWICE % "")
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert len(forms) == 3


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
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("button", name="Amazon Pay emulated")).to_be_visible()
    assert page.url == f"{visit.page_url}?again"  # by which the page knows that it is another try


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


@pytest.mark.parametrize("option", [True, "true", False, None], ids=repr)
def test_an_environment_neutral_key_needs_the_sandbox_option(wb: Workbench, page: Page, option: object) -> None:
    """The id does not say which environment it is for; `sandbox: true` does, and without it the button is live's."""
    neutral = key_files.with_id(wb.keys, wb.keys.public_key_id.removeprefix("SANDBOX-"))
    visit = set_up(wb, public_key_id=neutral.public_key_id)
    assert config_of(visit)["sandbox"] is True
    config_of(visit)["sandbox"] = option
    if option is None:
        del config_of(visit)["sandbox"]
    page.goto(visit.page_url)
    press(page, "Amazon Pay")
    if option in (True, "true"):
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    else:
        expect(page.get_by_role("alert")).to_contain_text("This is a Sandbox; the button asks for 'LIVE'.")


@pytest.mark.parametrize("option", [False, "false"], ids=repr)
def test_a_key_and_an_option_that_contradict_each_other_are_refused(wb: Workbench, page: Page, option: object) -> None:
    """A key of the Sandbox cannot be used with `sandbox: false`."""
    visit = set_up(wb)
    config_of(visit)["sandbox"] = option
    page.goto(visit.page_url)
    with page.expect_event("pageerror") as thrown:
        page.get_by_role("button", name="Amazon Pay").click()
    assert thrown.value.message == "Amazon Pay: sandbox contradicts the prefix of publicKeyId."


def test_a_page_may_call_what_has_no_effect_here(wb: Workbench, page: Page) -> None:
    """Plug-ins show Amazon's banners, and a page signs its visitor out; the rest of their script runs on."""
    page.goto(set_up(wb).page_url)
    calls = "amazon.Pay.renderPromotionalMessage('#message', {}), amazon.Pay.signout()"
    assert page.evaluate(f"() => [{calls}]") == [None, None]


# What is wrong with an estimate, as the console says it.
ESTIMATES = {
    "0": ({"amount": "0", "currencyCode": "USD"}, "amount 0 is not above zero"),
    "no number": ({"amount": "a lot", "currencyCode": "USD"}, "amount a lot is not above zero"),
    "currency": ({"amount": "14.00", "currencyCode": "XTS"}, "currencyCode XTS is not a currency of Amazon Pay"),
    "decimals": ({"amount": "14.001", "currencyCode": "USD"}, "amount 14.001 has too many decimals for USD"),
    "yen": ({"amount": "14.0", "currencyCode": "JPY"}, "amount 14.0 has too many decimals for JPY"),
}


def posted(page: Page, act: str, *values: Any) -> dict[str, list[str]]:
    """Run *act* in the page, press the button, and return the form that is posted to Amazon."""
    page.evaluate(act, list(values))
    with page.expect_request("**/checkout/initiate") as request:
        page.get_by_role("button", name="Amazon Pay").click()
    return parse_qs(request.value.post_data or "")


def test_the_estimate_of_an_order_reaches_the_button_and_amazon(wb: Workbench, page: Page) -> None:
    """At first that of the cart, then what updateButtonInfo says; the payload and its signature stay."""
    visit = wb.shop.new_attempt()
    payload = set_up_payload(wb.store_id, result_url=visit.result_url, cancel_url=visit.cancel_url)
    wb.show_button(visit, sign_button(payload, wb.keys), cart=Cart.of("Tea", wb.amount))
    page.goto(visit.page_url)
    button = page.get_by_role("button", name="Amazon Pay")
    expect(button).to_contain_text("emulated, ≈ $14.00")
    form = posted(
        page,
        """([config, later]) => {
          const button = amazon.Pay.renderButton('#AmazonPayButton', config);
          if (Object.keys(button).join() !== 'updateButtonInfo') throw new Error(Object.keys(button).join());
          button.updateButtonInfo(later);
        }""",
        config_of(visit),
        {"amount": "18.99", "currencyCode": "USD"},
    )
    assert json.loads(form["estimatedOrderAmount"][0]) == {"amount": "18.99", "currencyCode": "USD"}
    assert form["payloadJSON"] == [config_of(visit)["createCheckoutSessionConfig"]["payloadJSON"]]
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "words"),
    [("de_DE", "nachgebildet, ≈ 9,50 €"), ("fr_FR", "simulé, ≈ 9,50 €"), ("ja_JP", "模擬, ≈ €9.50"), ("", "≈ €9.50")],
)
def test_the_button_speaks_the_language_of_the_page(wb: Workbench, page: Page, language: str, words: str) -> None:
    """What the emulator adds to it does; without a language it is English."""
    visit = set_up(wb)
    page.goto(visit.page_url)
    config = config_of(visit) | {
        "checkoutLanguage": language,
        "estimatedOrderAmount": {"amount": "9.50", "currencyCode": "EUR"},
    }
    page.evaluate("(config) => { amazon.Pay.renderButton('#AmazonPayButton', config); }", config)
    expect(page.get_by_role("button", name="Amazon Pay")).to_contain_text(words)


@pytest.mark.parametrize(("estimate", "why"), ESTIMATES.values(), ids=ESTIMATES)
def test_an_impossible_estimate_is_not_used(wb: Workbench, page: Page, estimate: dict[str, str], why: str) -> None:
    """The console says why, the button keeps what it had, and the checkout goes on."""
    errors, visit = watch(page), set_up(wb)
    config_of(visit)["estimatedOrderAmount"] = {"amount": "14.00", "currencyCode": "USD"}
    page.goto(visit.page_url)
    form = posted(
        page,
        "([config, later]) => amazon.Pay.renderButton('#AmazonPayButton', config).updateButtonInfo(later)",
        config_of(visit),
        estimate,
    )
    assert json.loads(form["estimatedOrderAmount"][0]) == {"amount": "14.00", "currencyCode": "USD"}
    assert [error for error in errors if f"estimatedOrderAmount is not used, because {why}." in error]


@pytest.mark.parametrize(("first", "counts"), [({}, "9.00"), ({"amount": "8.00", "currencyCode": "USD"}, "8.00")])
def test_a_late_estimate_counts_where_there_is_none(
    wb: Workbench, page: Page, first: dict[str, str], counts: str
) -> None:
    """What initCheckout brings does not replace what the button knows."""
    visit = set_up(wb)
    config = config_of(visit)
    session = config.pop("createCheckoutSessionConfig")
    page.goto(visit.page_url)
    form = posted(
        page,
        """([config, late]) => {
          const button = amazon.Pay.renderButton('#AmazonPayButton', config);
          button.onClick(() => button.initCheckout(late));
        }""",
        config | {"estimatedOrderAmount": first},
        {"createCheckoutSessionConfig": session, "estimatedOrderAmount": {"amount": "9.00", "currencyCode": "USD"}},
    )
    assert json.loads(form["estimatedOrderAmount"][0])["amount"] == counts


UPGRADE = "([action]) => amazon.Pay.bindUpgradeAction('#AmazonPayButton', action)"


@pytest.mark.parametrize("option", ["payloadJSON", "signature", "publicKeyId", "upgradeAction"])
def test_an_upgrade_says_which_option_is_missing(wb: Workbench, page: Page, option: str) -> None:
    """When the element is bound, not when a buyer presses it."""
    page.goto(set_up(wb).page_url)
    action = dict.fromkeys(("payloadJSON", "signature", "publicKeyId", "upgradeAction"), "x") | {option: None}
    with pytest.raises(Error, match=f"Amazon Pay: {option} is missing."):
        page.evaluate(UPGRADE, [action])


def test_an_upgrade_is_posted_and_ends_on_a_page_that_says_so(wb: Workbench, page: Page) -> None:
    """The merchant, the language and the like are read from the signed payload; an unknown action does nothing."""
    page.goto(set_up(wb).page_url)
    payload = {"merchantId": wb.merchant_id, "ledgerCurrency": "USD", "chargePermissionId": "S01-0000000-0000000"}
    signed = sign_button(payload, wb.keys)
    action = {
        "payloadJSON": signed.payload_json, "signature": signed.signature, "algorithm": signed.algorithm,
        "publicKeyId": signed.public_key_id, "upgradeAction": "somethingElse",
    }  # fmt: skip
    page.evaluate("document.querySelector('#AmazonPayButton').replaceChildren(document.createElement('button'))")
    page.evaluate(UPGRADE, [action])
    page.get_by_role("button").click()
    assert "/pay/" in page.url
    page.evaluate(UPGRADE, [action | {"upgradeAction": "recurringUpgrade"}])
    with page.expect_request("**/checkout/initiate") as request:
        page.get_by_role("button").click()
    form = parse_qs(request.value.post_data or "")
    sent = {name: form[name][0] for name in ("merchantId", "ledgerCurrency", "upgradeAction", "payloadJSON")}
    assert sent == {
        "merchantId": wb.merchant_id, "ledgerCurrency": "USD", "upgradeAction": "recurringUpgrade",
        "payloadJSON": signed.payload_json,
    }  # fmt: skip
    expect(page.get_by_text("recurring one is not emulated")).to_be_visible()
