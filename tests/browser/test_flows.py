"""A person's clicks take each flow from the shop's page to its end: once well, and once not."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from amazonpay_nb import workbench
from amazonpay_nb.client.button import (
    end_of_checkout_payload,
    express_payload,
    set_up_payload,
    sign_button,
    sign_in_and_set_up_payload,
    update_payload,
)
from amazonpay_nb.client.guide import charge, complete_set_up
from amazonpay_nb.shop import Attempt, buyer
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.workbench import Workbench
from tests.browser.chromium import new_page, watch

pytestmark = pytest.mark.browser

AGREE = "Agree and continue"


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A shop and an emulated Amazon Pay; a person plays the buyer."""
    wb = workbench.open(buyer="you")
    wb.set_up_keys()
    yield wb
    wb.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a profile of its own, which must have nothing to complain about."""
    page = new_page(browser)
    errors = watch(page)
    yield page
    page.close()
    assert errors == []


def press(page: Page, *names: str) -> None:
    """Press button after button, each on the page that the one before has led to."""
    for name in names:
        with page.expect_navigation():
            page.get_by_role("button", name=name).click()


def choose(page: Page, *names: str) -> None:
    """Choose radio buttons, also those that are folded away."""
    for name in names:
        radio = page.get_by_role("radio", name=name)
        if not radio.is_visible():
            page.locator("summary").click()
        radio.check()


def back(attempt: Attempt, kind: str) -> str:
    """Say that the buyer is back where we think, and return the session's id."""
    arrival = attempt.arrival.result(timeout=0)
    assert arrival.kind == kind
    return arrival.checkout_session_id


def shop_page(
    wb: Workbench, page: Page, payload: dict[str, Any], attempt: Attempt, product_type: str = "PayOnly"
) -> None:
    """Open the shop's page with the button for *payload*."""
    wb.show_button(attempt, sign_button(payload, wb.keys), product_type=product_type)
    page.goto(attempt.page_url)


def wallet(wb: Workbench, session: CheckoutSession) -> None:
    """Say that a wallet is saved: it can be charged, and the money given back."""
    assert (session.state, session.charge_permission_type) == ("Completed", "PaymentMethodOnFile")
    payment = charge(wb.client, str(session.charge_permission_id), wb.amount, capture_now=True)
    refund = wb.client.create_refund(charge_id=payment.charge_id, refund_amount=wb.amount)
    assert (payment.state, refund.state) == ("Captured", "RefundInitiated")


# --- Set up outside of the purchase flow ------------------------------------------------------------------------------


def set_up_page(wb: Workbench, page: Page) -> Attempt:
    attempt = wb.shop.new_attempt()
    shop_page(
        wb, page, set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url), attempt
    )
    return attempt


def test_a_wallet_is_set_up(wb: Workbench, page: Page) -> None:
    """Sign in, choose, agree; then the shop completes, charges and refunds."""
    attempt = set_up_page(wb, page)
    press(page, "Amazon Pay", "Sign in", "Continue", AGREE)
    wallet(wb, complete_set_up(wb.client, back(attempt, "result")))


def test_a_buyer_who_cancels_the_set_up_has_saved_nothing(wb: Workbench, page: Page) -> None:
    """The shop's cancel address tells nothing but that."""
    attempt = set_up_page(wb, page)
    press(page, "Amazon Pay", "Sign in", "Cancel and return")
    assert back(attempt, "cancel") == ""


def test_a_buyer_who_has_canceled_tries_again(wb: Workbench, page: Page) -> None:
    """The shop's page leads back to the button, and to a wallet after all."""
    attempt = set_up_page(wb, page)
    press(page, "Amazon Pay", "Sign in", "Cancel and return")
    attempt.begin_stay()
    with page.expect_navigation():
        page.get_by_role("link", name="Try again").click()
    press(page, "Amazon Pay", "Sign in", "Continue", AGREE)
    wallet(wb, complete_set_up(wb.client, back(attempt, "result")))


def test_the_shop_has_the_name_color_currency_and_language_of_the_run(page: Page) -> None:
    """They make it the merchant's; Amazon's pages know the name and speak the language as well."""
    name = "Kiosk <Ö>"
    with closing(
        workbench.open(
            region="eu", currency="GBP", language="de_DE", merchant_name=name, merchant_color="#aa3366", buyer="you"
        )
    ) as wb:
        wb.set_up_keys()
        attempt = set_up_page(wb, page)
        expect(page.locator("header")).to_contain_text(name)
        expect(page.locator("html")).to_have_attribute("lang", "de-DE")
        expect(page.locator(".sign")).to_have_css("background-color", "rgb(170, 51, 102)")
        press(page, "Amazon Pay")
        expect(page.get_by_text(f"Amazon Pay bei {name}")).to_be_visible()
        buyer.arrive(buyer.approve(attempt.page_url))
        wallet(wb, complete_set_up(wb.client, back(attempt, "result")))
        page.goto(f"{wb.shop.url}/account")
        expect(page.get_by_text("14,00\u00a0£").first).to_be_visible()


def test_a_wallet_that_was_declined_is_updated(wb: Workbench, page: Page) -> None:
    """The shop's own button leads to the hosted Update page, and the permission keeps its id."""
    attempt = set_up_page(wb, page)
    press(page, "Amazon Pay", "Sign in", "Continue", AGREE)
    permission_id = str(complete_set_up(wb.client, back(attempt, "result")).charge_permission_id)

    update = wb.shop.new_attempt()
    payload = update_payload(wb.store_id, permission_id, result_url=update.result_url)
    wb.show_button(update, sign_button(payload, wb.keys))
    page.goto(update.page_url)
    press(page, "Update your payment method", "Sign in")
    choose(page, "Amex ending in 0005")
    press(page, "Continue")
    session = complete_set_up(wb.client, back(update, "result"))
    permission = wb.client.get_charge_permission(permission_id)
    assert session.charge_permission_id == permission_id
    assert "0005" in permission.payment_preferences[0]["paymentDescriptor"]


# --- Set up with express checkout -------------------------------------------------------------------------------------


def express_page(wb: Workbench, page: Page) -> Attempt:
    attempt = wb.shop.new_attempt()
    payload = express_payload(wb.store_id, review_url=attempt.review_url, cancel_url=attempt.cancel_url)
    shop_page(wb, page, payload, attempt, "PayAndShip")
    return attempt


def review_page(wb: Workbench, page: Page, attempt: Attempt) -> str:
    """Tell Amazon Pay what the order costs and open the shop's review page."""
    session_id = back(attempt, "review")
    session = wb.client.update_checkout_session(
        session_id,
        web_checkout_details={"checkoutResultReturnUrl": attempt.result_url},
        payment_details={"paymentIntent": "AuthorizeWithCapture", "chargeAmount": wb.amount},
    )
    page.goto(wb.show_review(attempt, session).url)
    return session_id


def test_an_express_order_is_reviewed_changed_and_paid(wb: Workbench, page: Page) -> None:
    """Two stays at Amazon, and a third in between to change the payment method."""
    attempt = express_page(wb, page)
    press(page, "Amazon Pay", "Sign in", "Continue", "Continue", "Continue")
    review_page(wb, page, attempt)
    expect(page.get_by_text("1111")).to_be_visible()

    press(page, "Change payment method")
    choose(page, "Amex ending in 0005")
    press(page, "Continue", "Continue")
    session_id = review_page(wb, page, attempt)
    expect(page.get_by_text("0005")).to_be_visible()
    press(page, "Place order", "Pay")
    assert back(attempt, "result") == session_id
    wallet(wb, wb.client.complete_checkout_session(session_id, charge_amount=wb.amount))


def test_an_express_buyer_whose_card_is_declined_takes_another(wb: Workbench, page: Page) -> None:
    """After the decline the same session goes on, with another payment method."""
    attempt = express_page(wb, page)
    press(page, "Amazon Pay", "Sign in", "Continue")
    choose(page, "9995")
    press(page, "Continue", "Continue")
    review_page(wb, page, attempt)
    press(page, "Place order", "Pay")
    expect(page.get_by_role("alert")).to_contain_text("declined")
    choose(page, "Visa ending in 1111")
    press(page, "Continue", "Pay")
    session_id = back(attempt, "result")
    wallet(wb, wb.client.complete_checkout_session(session_id, charge_amount=wb.amount))


# --- Set up with end of checkout --------------------------------------------------------------------------------------


def end_of_checkout_page(wb: Workbench, page: Page) -> Attempt:
    attempt = wb.shop.new_attempt()
    payload = end_of_checkout_payload(wb.store_id, result_url=attempt.result_url, charge_amount=wb.amount)
    shop_page(wb, page, payload, attempt)
    return attempt


def test_an_order_is_paid_at_the_end_of_the_checkout_and_the_wallet_saved(wb: Workbench, page: Page) -> None:
    """The final amount stands in the signed payload; one stay at Amazon is enough."""
    attempt = end_of_checkout_page(wb, page)
    press(page, "Amazon Pay", "Sign in", "Continue", "Continue", "Pay")
    session = wb.client.complete_checkout_session(back(attempt, "result"), charge_amount=wb.amount)
    assert wb.client.get_charge(str(session.charge_id)).state == "Authorized"
    wallet(wb, session)


def test_a_buyer_who_gives_up_after_a_decline_has_paid_nothing(wb: Workbench, page: Page) -> None:
    """The buyer arrives at the result address all the same: only the session tells."""
    attempt = end_of_checkout_page(wb, page)
    press(page, "Amazon Pay", "Sign in")
    choose(page, "9995")
    press(page, "Continue", "Continue", "Pay", "Cancel and return")
    session = wb.client.get_checkout_session(back(attempt, "result"))
    assert (session.state, session.reason_code) == ("Canceled", "Declined")


# --- Sign in and set up -----------------------------------------------------------------------------------------------


def sign_in_payload(wb: Workbench, attempt: Attempt) -> dict[str, Any]:
    return sign_in_and_set_up_payload(wb.store_id, sign_in_url=attempt.signed_in_url, cancel_url=attempt.cancel_url)


def test_one_consent_signs_in_and_saves(wb: Workbench, page: Page) -> None:
    """Complete returns the buyer together with the wallet."""
    attempt = wb.shop.new_attempt()
    shop_page(wb, page, sign_in_payload(wb, attempt), attempt, "SignInAndSetup")
    press(page, "Sign in with Amazon", "Sign in", "Continue", AGREE)
    session = complete_set_up(wb.client, back(attempt, "signed-in"))
    assert (session.buyer or {})["email"] == "ada@example.com"
    wallet(wb, session)


def test_a_touchless_page_goes_to_amazon_by_itself(wb: Workbench, page: Page) -> None:
    """Nothing is pressed in the shop; a buyer who cancels at Amazon is not signed in."""
    attempt = wb.shop.new_attempt()
    wb.show_touchless(attempt, sign_button(sign_in_payload(wb, attempt), wb.keys))
    page.goto(attempt.page_url)
    expect(page.get_by_role("heading", name="Sign in with your Amazon account")).to_be_visible()
    press(page, "Cancel and return")
    back(attempt, "cancel")
