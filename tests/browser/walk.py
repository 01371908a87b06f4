"""A walk past every page that there is: the shop's and Amazon's, each in every shape that it takes."""

from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page

from amazonpay_nb.client.button import (
    end_of_checkout_payload,
    express_payload,
    set_up_payload,
    sign_button,
    sign_in_and_set_up_payload,
    sign_in_payload,
    update_payload,
)
from amazonpay_nb.client.guide import charge
from amazonpay_nb.errors import ApiError
from amazonpay_nb.shop import Attempt, Cart, buyer, delivery_specifications
from amazonpay_nb.spec.flows import FLOWS
from amazonpay_nb.workbench import Workbench

__all__ = ["LOST", "hosted_pages", "shop_pages"]

# Where no page is, below the shop's address.
LOST = "pay/of-an-earlier-run"
ALL_SCOPES = ("name", "email", "phoneNumber", "billingAddress", "postalCode", "shippingAddress", "primeStatus")


# --- What is signed ---------------------------------------------------------------------------------------------------


def _set_up(wb: Workbench, attempt: Attempt) -> dict[str, Any]:
    return set_up_payload(wb.store_id, result_url=attempt.result_url, cancel_url=attempt.cancel_url)


def _order(wb: Workbench, attempt: Attempt, **more: Any) -> dict[str, Any]:
    return end_of_checkout_payload(wb.store_id, result_url=attempt.result_url, charge_amount=wb.amount, **more)


def _express(wb: Workbench, attempt: Attempt) -> dict[str, Any]:
    where = delivery_specifications(wb.region.code)
    return express_payload(wb.store_id, review_url=attempt.review_url, delivery_specifications=where)


def _sign_in(wb: Workbench, attempt: Attempt) -> dict[str, Any]:
    return sign_in_and_set_up_payload(wb.store_id, sign_in_url=attempt.signed_in_url, scopes=ALL_SCOPES)


def _share(wb: Workbench, attempt: Attempt) -> dict[str, Any]:
    return sign_in_payload(wb.store_id, sign_in_url=attempt.signed_in_url, cancel_url=attempt.cancel_url)


def _coffee(wb: Workbench) -> Cart:
    return Cart.of("Coffee beans, 1 kg", wb.amount)


# --- Amazon's pages ---------------------------------------------------------------------------------------------------


def _offer(wb: Workbench, page: Page, payload: Any, product_type: str = "PayOnly") -> Attempt:
    attempt = wb.shop.new_attempt()
    signed = sign_button(payload(wb, attempt), wb.keys)
    page.goto(wb.show_button(attempt, signed, product_type=product_type, start="button").url)
    page.locator("button.amazon-pay-button").click()
    page.wait_for_url("**/checkout/**")
    return attempt


def _press_main(page: Page) -> None:
    with page.expect_navigation():
        page.locator("button.main").first.click()


def _choose(page: Page, last4: str) -> None:
    radio = page.locator(f"input[value='{last4}']")
    if not radio.is_visible():
        page.locator("summary").click()
    radio.check()


def _press_with_nothing_known(page: Page) -> None:
    """Send what no radio button offers, as a page that is out of date would."""
    page.locator("input:checked").evaluate("(radio) => { radio.value = 'unheard of'; }")
    _press_main(page)


def hosted_pages(wb: Workbench, page: Page) -> Iterator[None]:
    """Show one of Amazon's pages after the other."""
    yield from _pages_of_a_set_up(wb, page)
    yield from _pages_of_an_express_order(wb, page)
    yield from _pages_of_an_order(wb, page)
    yield from _pages_of_a_sign_in(wb, page)
    yield from _pages_that_go_nowhere(wb, page)
    assert wb.emulator
    page.goto(wb.emulator.url)
    yield  # for developers: what is running


def _pages_of_a_set_up(wb: Workbench, page: Page) -> Iterator[None]:
    attempt = _offer(wb, page, _set_up)
    yield  # sign in
    _press_with_nothing_known(page)
    yield  # who is that?
    _press_main(page)
    yield  # payment method
    _choose(page, "9987")
    yield  # with all cards unfolded
    _press_main(page)
    yield  # consent, which must be given
    _press_main(page)
    yield  # challenge
    _press_main(page)
    yield  # payment method, after a challenge that was not passed
    _choose(page, "1111")
    for _ in range(3):
        _press_main(page)
    wallet = wb.client.complete_checkout_session(attempt.arrival.result(timeout=0).checkout_session_id)

    _offer(wb, page, lambda wb, attempt: update_payload(
        wb.store_id, str(wallet.charge_permission_id), result_url=attempt.result_url
    ))  # fmt: skip
    _press_main(page)
    yield  # payment method, with the one so far


def _pages_of_an_express_order(wb: Workbench, page: Page) -> Iterator[None]:
    _offer(wb, page, _express, "PayAndShip")
    _press_main(page)
    yield  # shipping address
    for address in page.locator("input[type=radio]").all()[1:]:
        address.check()
        _press_main(page)
        if page.locator("[role=alert]").count():
            break
        page.go_back()
    yield  # an address that the shop does not deliver to
    page.locator("input[type=radio]").first.check()
    _press_main(page)
    yield  # payment method, with the address
    _press_with_nothing_known(page)
    yield  # what card is that?


def _pages_of_an_order(wb: Workbench, page: Page) -> Iterator[None]:
    _offer(wb, page, _order)
    _press_main(page)
    _choose(page, "0701")
    _press_main(page)
    yield  # a card that needs what the shop does not offer
    _choose(page, "9995")
    _press_main(page)
    yield  # consent, which may be withheld
    _press_main(page)
    yield  # processing
    _press_main(page)
    yield  # payment method, after a decline


def _pages_of_a_sign_in(wb: Workbench, page: Page) -> Iterator[None]:
    _offer(wb, page, _sign_in, "SignInAndSetup")
    for _ in range(2):
        _press_main(page)
    yield  # consent, with all that the shop learns
    _offer(wb, page, _share, "SignIn")
    _press_main(page)
    yield  # share


def _pages_that_go_nowhere(wb: Workbench, page: Page) -> Iterator[None]:
    _offer(wb, page, lambda wb, attempt: _set_up(wb, attempt) | {"storeId": "somebody-else's"})
    yield  # refused
    page.goto(f"{wb.emulator.url if wb.emulator else ''}/checkout?amazonCheckoutSessionId=unheard-of")
    yield  # no such checkout


# --- The shop's pages -------------------------------------------------------------------------------------------------


def shop_pages(wb: Workbench, page: Page) -> Iterator[None]:
    """Show one of the shop's pages after the other."""
    for path in ("account", LOST):
        page.goto(f"{wb.shop.url}/{path}")
        yield  # nothing has happened yet
    yield from _first_pages(wb, page)
    yield from _arrivals(wb, page)
    yield from _ways_to_the_review(wb, page)
    yield from _checkout_with_a_wallet(wb, page)
    page.goto(f"{wb.shop.url}/account")
    yield  # a lot has happened


def _first_pages(wb: Workbench, page: Page) -> Iterator[None]:
    for placement in FLOWS["setup"].placements:
        attempt = wb.shop.new_attempt()
        signed = sign_button(_set_up(wb, attempt), wb.keys)
        page.goto(wb.show_button(attempt, signed, placement=placement, cart=_coffee(wb)).url)
        yield  # the page with Amazon's button
    attempt = wb.shop.new_attempt()
    page.goto(wb.show_button(attempt, sign_button(_set_up(wb, attempt), wb.keys), start="click").url)
    yield  # the page with a button of its own
    # The page that goes to Amazon by itself is gone at once, unless Amazon answers that there is nothing to show.
    page.route("**/checkout/initiate", lambda route: route.fulfill(status=204))
    signed = sign_button(_sign_in(wb, attempt), wb.keys)
    page.goto(wb.show_touchless(attempt, signed).url, wait_until="commit")
    page.get_by_role("status").wait_for()
    yield
    page.unroute("**/checkout/initiate")


def _arrivals(wb: Workbench, page: Page) -> Iterator[None]:
    for payload, product_type, fields in (
        (_set_up, "PayOnly", {}),
        (_sign_in, "SignInAndSetup", {}),
        (_order, "PayOnly", {"charge_amount": wb.amount}),
        (lambda wb, attempt: _order(wb, attempt, can_handle_pending_authorization=True), "PayOnly",
         {"charge_amount": wb.amount, "simulation_code": "AuthorizationInitiated"}),
        (_order, "PayOnly", {"charge_amount": wb.price("1.00")}),
    ):  # fmt: skip
        attempt = wb.shop.new_attempt()
        signed = sign_button(payload(wb, attempt), wb.keys)
        page.goto(buyer.approve(wb.show_button(attempt, signed, product_type=product_type).url))
        yield  # it is the server's turn
        _complete(wb, attempt, fields)
        page.locator("[data-settled]").wait_for()
        yield  # confirmation: saved, paid, being checked, refused
    attempt = wb.shop.new_attempt()
    page.goto(buyer.approve(wb.show_button(attempt, sign_button(_order(wb, attempt), wb.keys)).url, consent=False))
    _complete(wb, attempt, {"charge_amount": wb.amount})
    page.locator("[data-settled]").wait_for()
    yield  # confirmation: paid, and nothing saved
    attempt = wb.shop.new_attempt()
    page.goto(buyer.cancel(wb.show_button(attempt, sign_button(_set_up(wb, attempt), wb.keys)).url))
    yield  # canceled


def _complete(wb: Workbench, attempt: Attempt, fields: dict[str, Any]) -> None:
    """Do the server's part, and what follows from a wallet: charges, a refund, and a card that is gone."""
    try:
        session = wb.client.complete_checkout_session(attempt.arrival.result(timeout=0).checkout_session_id, **fields)
    except ApiError:
        return  # the page tells
    if not fields:
        wallet = str(session.charge_permission_id)
        paid = charge(wb.client, wallet, wb.amount, capture_now=True)
        wb.client.create_refund(charge_id=paid.charge_id, refund_amount=wb.amount)
        wb.director.cause(wallet, "NonChargeable", "PaymentMethodExpired")
        wb.client.get_charge_permission(wallet)


def _ways_to_the_review(wb: Workbench, page: Page) -> Iterator[None]:
    attempt = wb.shop.new_attempt()
    signed = sign_button(_express(wb, attempt), wb.keys)
    shown = wb.show_button(attempt, signed, product_type="PayAndShip", cart=_coffee(wb))
    page.goto(buyer.approve(shown.url))
    yield  # back, and to be reviewed
    session_id = attempt.arrival.result(timeout=0).checkout_session_id
    page.goto(wb.show_review(attempt, wb.client.get_checkout_session(session_id)).url)
    yield  # review, with a delivery to choose
    page.locator("input:checked").evaluate("(radio) => { radio.value = 'pigeon'; }")
    _press_main(page)
    yield  # review, with a delivery that is not offered
    _press_main(page)
    yield  # ordered
    session = wb.client.update_checkout_session(
        session_id,
        web_checkout_details={"checkoutResultReturnUrl": attempt.result_url},
        payment_details={"paymentIntent": "Authorize", "chargeAmount": wb.amount},
    )
    page.goto(wb.show_review(attempt, session).url)
    yield  # review, when Amazon knows what it costs


def _checkout_with_a_wallet(wb: Workbench, page: Page) -> Iterator[None]:
    wb.shop.customer = "Robin"
    attempt = wb.shop.new_attempt()
    page.goto(buyer.approve(wb.show_button(attempt, sign_button(_set_up(wb, attempt), wb.keys)).url))
    session = wb.client.complete_checkout_session(attempt.arrival.result(timeout=0).checkout_session_id)
    wallet = wb.client.get_charge_permission(str(session.charge_permission_id))
    page.goto(wb.show_checkout(wb.shop.new_attempt(), wallet, _coffee(wb)).url)
    yield  # cart
    _press_main(page)
    yield  # checkout
    _press_main(page)
    yield  # ordered
