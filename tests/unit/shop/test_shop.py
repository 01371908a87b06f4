"""The demonstration shop: what an order costs, what its pages say, and which arrival is which."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.shop import Arrival, Attempt, Cart, Review, Shop, delivery_specifications
from amazonpay_nb.shop.buyer import Page, find_change, place_order, read
from amazonpay_nb.shop.cart import SHIPPING
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.spec.regions import REGIONS

SCRIPT = "https://amazon.example/checkout.js"
REDIRECT = "https://amazon.example/checkout/processing?amazonCheckoutSessionId=s-1"
HOSTILE = '</script><script>alert("1")</script>'
ADDRESS = {
    "name": "Ada Example", "addressLine1": "1 Sample Way", "city": "Seattle", "stateOrRegion": "WA",
    "postalCode": "98101", "countryCode": "US",
}  # fmt: skip


def usd(amount: str, currency: str = "USD") -> dict[str, str]:
    return {"amount": amount, "currencyCode": currency}


def session(**fields: Any) -> CheckoutSession:
    body = {
        "checkoutSessionId": "s-1",
        "statusDetails": {"state": "Open"},
        "webCheckoutDetails": {"amazonPayRedirectUrl": None},
        "shippingAddress": ADDRESS,
        "paymentPreferences": [{"paymentDescriptor": "Visa ****1111 (Amazon Pay)"}],
        "constraints": [{"constraintId": "ChargeAmountNotSet", "description": "chargeAmount is not set."}],
    }
    return CheckoutSession.model_validate(body | fields)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop on a port of its own."""
    shop = Shop("Corner <Shop>")
    yield shop
    shop.close()


@pytest.fixture
def attempt(shop: Shop) -> Attempt:
    """An attempt whose buyer is to review an order."""
    attempt = shop.new_attempt()
    attempt.ask(SCRIPT, Review.of(session()), Cart.of("Coffee beans", usd("14.00")))
    return attempt


# --- What it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("currency", sorted({c for row in REGIONS.values() for c in row.ledger_currencies}))
def test_an_order_costs_its_articles_and_its_delivery_exactly(currency: str) -> None:
    """The sum is that of the decimals, in the currency's own number of places."""
    cart = Cart.of("Coffee beans", usd("3", currency), quantity=3).with_shipping("express")

    express = cart.shipping_options[1].cost
    assert Decimal(cart.total["amount"]) == 9 + express
    assert ("." in cart.total["amount"]) == (currency != "JPY")
    assert cart.total["currencyCode"] == currency


def test_decimals_that_a_float_gets_wrong_add_up() -> None:
    """0.10 three times and a delivery of 0.00 are 0.30, not 0.30000000000000004."""
    cart = Cart.of("Sample", usd("0.10"), quantity=3)

    assert (cart.goods, cart.total) == (usd("0.30"), usd("0.30"))
    assert str(cart) == "3 × Sample: 0.30 USD\nShipping: Standard, three to five days: 0.00 USD\nTotal: 0.30 USD"


def test_what_is_not_sent_has_no_delivery() -> None:
    """A digital article has no choices and no added cost."""
    cart = Cart.of("Ride", usd("14.00"), ships=False)

    assert (cart.shipping_options, cart.chosen, cart.total) == ((), None, usd("14.00"))
    with pytest.raises(ValueError, match="'express' is not offered; choose nothing"):
        cart.with_shipping("express")


@pytest.mark.parametrize("region", REGIONS)
def test_the_shop_names_the_countries_it_delivers_to(region: str) -> None:
    """A whole country is an empty object."""
    restrictions = delivery_specifications(region)["addressRestrictions"]

    assert restrictions == {
        "type": "Allowed",
        "restrictions": {country: {} for country in SHIPPING["countries"][region]},
    }


# --- The review page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({}, ("Ada Example", "1 Sample Way", "Seattle WA 98101", "US")),
        ({"countryCode": "DE", "stateOrRegion": None}, ("Ada Example", "1 Sample Way", "98101 Seattle", "DE")),
        ({"countryCode": "JP"}, ("98101", "WA Seattle", "1 Sample Way", "Ada Example", "JP")),
    ],
)
def test_an_address_is_written_as_its_country_does(changed: dict[str, Any], lines: tuple[str, ...]) -> None:
    """The order of the lines differs; what is not there leaves no gap."""
    assert Review.of(session(shippingAddress=ADDRESS | changed)).address == lines


def test_the_review_page_says_where_to_how_and_how_much(attempt: Attempt) -> None:
    """Address, payment method, deliveries with their costs, and the total."""
    page = httpx.get(attempt.order_url).text

    for text in ("Deliver to", "1 Sample Way", "Visa ****1111", "4.99", "Order total", "14.00"):
        assert text in page
    assert page.count("<h1") == 1
    form = Page(page)
    assert form.action is not None
    assert form.options == {"shipping": ["standard", "express"], "action": ["order"]}
    assert form.fields["shipping"] == "standard"


def test_each_change_leads_to_amazon_with_the_session(attempt: Attempt) -> None:
    """`bindChangeAction` gets the id and the kind of change; the script's host is Amazon's."""
    query = "amazonCheckoutSessionId=s-1&changeAction"
    assert find_change(attempt.order_url, "changePayment").endswith(f"/checkout/initiate_auth?{query}=changePayment")
    assert find_change(attempt.order_url, "changeAddress").startswith("https://amazon.example/checkout/initiate_auth?")


def test_an_order_without_an_address_has_no_address_to_change(attempt: Attempt) -> None:
    """With `PayOnly` there is one change button, and nothing is delivered."""
    attempt.ask(SCRIPT, Review.of(session(shippingAddress=None)), Cart.of("Ride", usd("14.00"), ships=False))

    assert "Deliver to" not in httpx.get(attempt.order_url).text
    with pytest.raises(BuyerPageError, match=r"(?s)does not offer changeAddress.*It offers changePayment"):
        find_change(attempt.order_url, "changeAddress")


def test_what_a_buyer_is_called_cannot_become_part_of_the_page(shop: Shop, attempt: Attempt) -> None:
    """Names, descriptors, articles and ids come from elsewhere: nothing of them is markup or script."""
    hostile = session(
        checkoutSessionId=HOSTILE,
        shippingAddress=ADDRESS | {"name": HOSTILE},
        paymentPreferences=[{"paymentDescriptor": HOSTILE}],
    )
    attempt.ask(SCRIPT, Review.of(hostile), Cart.of(HOSTILE, usd("14.00")))
    attempt.offer(SCRIPT, {"placement": "Cart", "merchantId": HOSTILE}, cart=attempt.cart)

    pages = [httpx.get(url).text for url in (attempt.order_url, attempt.page_url)]
    assert [page.count("<script") for page in pages] == [3, 3]
    assert all("alert(&#34;1&#34;)" in page and "Corner &lt;Shop&gt;" in page for page in pages)


def test_an_order_is_an_arrival_with_the_chosen_delivery(attempt: Attempt) -> None:
    """The server has its turn: the buyer waits on the shop's page, and the cart holds what was chosen."""
    address = place_order(attempt.order_url, "express")
    page = httpx.get(address)

    assert address == f"{attempt.ordered_url}?amazonCheckoutSessionId=s-1"
    assert "telling Amazon Pay" in page.text
    assert attempt.arrival.result(timeout=0) == Arrival("ordered", "s-1")
    assert attempt.cart is not None
    assert attempt.cart.total == usd("18.99")


def test_an_order_goes_straight_on_when_amazon_knows_its_amount(attempt: Attempt) -> None:
    """What the session holds is final: the delivery can no longer be chosen, and the button leads to Amazon."""
    attempt.ask(SCRIPT, Review.of(session(webCheckoutDetails={"amazonPayRedirectUrl": REDIRECT}, constraints=[])))

    assert 'name="shipping"' not in httpx.get(attempt.order_url).text
    assert place_order(attempt.order_url) == REDIRECT
    with pytest.raises(BuyerPageError, match="does not offer shipping='express'"):
        place_order(attempt.order_url, "express")


@pytest.mark.parametrize("form", [{}, {"shipping": "pigeon"}])
def test_a_delivery_that_is_not_offered_is_no_order(attempt: Attempt, form: dict[str, str]) -> None:
    """The page comes again and says what is wrong."""
    answer = httpx.post(attempt.order_url, data=form)

    assert answer.status_code == 400
    assert Page(answer.text).alert == "Choose a delivery option."
    assert not attempt.arrival.done()
    with pytest.raises(BuyerPageError, match=r"(?s)does not offer shipping='pigeon'.*It offers standard, express"):
        place_order(attempt.order_url, "pigeon")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_order_that_was_never_shown_is_not_known(shop: Shop, method: str) -> None:
    """Neither an attempt without a review page nor an address of another run."""
    assert httpx.request(method, shop.new_attempt().order_url).status_code == 404
    assert httpx.request(method, f"{shop.url}/order/0123").status_code == 404


# --- The first page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "placement", "heading", "call"),
    [
        ("button", "Other", "Your payment methods", 'renderButton("#AmazonPayButton", {'),
        ("button", "Cart", "Your cart", 'renderButton("#AmazonPayButton", {'),
        ("button", "Home", "Welcome", 'renderButton("#AmazonPayButton", {'),
        ("load", "Home", "Welcome back", "initCheckout({"),
        ("click", "Other", "Your payment method", "initCheckout({"),
    ],
)
def test_a_page_goes_to_amazon_as_it_is_told(shop: Shop, start: str, placement: str, heading: str, call: str) -> None:
    """With Amazon's button, by itself, or with a button of the shop's own."""
    attempt = shop.new_attempt()
    page = httpx.get(attempt.offer(SCRIPT, {"placement": placement}, start=start)).text

    assert f"<h1>{heading}</h1>" in page
    assert f"amazon.Pay.{call}" in page
    assert ('addEventListener("click"' in page, 'id="AmazonPayButton"' in page) == (start == "click", start == "button")


# --- The cart, the checkout with a Saved Wallet, and the account ------------------------------------------------------


def test_the_cart_leads_to_a_checkout_that_shows_the_saved_wallet(shop: Shop) -> None:
    """No session, no visit to Amazon and no script of Amazon's: the order is the shop's own."""
    attempt = shop.new_attempt()
    attempt.ask(SCRIPT, Review(payment="Visa ****1111 (Amazon Pay)"), Cart.of("Ticket", usd("14.00"), ships=False))
    cart = httpx.get(attempt.cart_url)
    form = Page(cart.text)
    assert form.action is not None
    assert str(cart.url.join(form.action)) == attempt.order_url
    assert read(attempt.cart_url).lines == [
        ["Your order", "1 × Ticket", "$14.00"], ["Your order", "Total", "$14.00"], ["[Go to checkout]"],
    ]  # fmt: skip

    checkout = httpx.get(attempt.order_url).text
    assert Page(checkout).title == "Checkout"
    assert Page(checkout).lines == [
        ["Pay with", "Visa ****1111 (Amazon Pay)", "ready for your next order"],
        ["Pay with", "New card", "not in this demonstration"],
        ["Items", "$14.00"],
        ["Order total", "$14.00"],
        ["[Place order]"],
    ]
    assert (Page(checkout).script, "changePayment" in checkout) == ("", False)

    assert place_order(attempt.order_url) == attempt.ordered_url
    httpx.get(attempt.ordered_url)
    assert attempt.arrival.result(timeout=0) == Arrival("ordered", "")


def test_there_is_no_cart_without_articles(shop: Shop) -> None:
    """It is a page like any other that does not exist."""
    assert httpx.get(shop.new_attempt().cart_url).status_code == 404


def test_every_page_says_who_is_signed_in(shop: Shop, attempt: Attempt) -> None:
    """A visitor is nobody; the name is the shop's own, and no markup."""
    assert "Signed in" not in httpx.get(attempt.order_url).text
    shop.customer = "Robin <b>"
    for address in (attempt.order_url, attempt.cart_url, f"{shop.url}/account"):
        assert "Signed in: Robin &lt;b&gt;" in httpx.get(address).text
    assert read(f"{shop.url}/account").lines == [
        ["Signed in: Robin <b>"],
        ["Saved payment methods", "You have not saved a payment method yet."],
        ["Your payments", "You have not made any payments yet."],
    ]


# --- Arrivals ---------------------------------------------------------------------------------------------------------


def test_each_stay_at_amazon_has_an_arrival_of_its_own(attempt: Attempt) -> None:
    """A later stage waits for the later arrival, even where both come to the same address."""
    first = attempt.begin_stay()
    assert attempt.begin_stay() is first, "showing a page again waits for the same arrival"
    httpx.get(attempt.review_url, params={"amazonCheckoutSessionId": "s-1"})
    second = attempt.begin_stay()
    httpx.get(attempt.review_url, params={"amazonCheckoutSessionId": "s-1"})
    third = attempt.begin_stay()
    httpx.get(attempt.result_url, params={"amazonCheckoutSessionId": "s-1"})

    assert [stay.result(timeout=0).kind for stay in (first, second, third)] == ["review", "review", "result"]


def test_a_reloaded_page_is_no_second_arrival(attempt: Attempt) -> None:
    """Nobody waits for it, so it changes nothing."""
    for session_id in ("s-1", "s-1", "s-2"):
        httpx.get(attempt.result_url, params={"amazonCheckoutSessionId": session_id})

    assert attempt.arrival.result(timeout=0) == Arrival("result", "s-1")


def test_a_person_who_looks_on_does_not_arrive(attempt: Attempt) -> None:
    """The same page for others on the stage, who are not the buyer."""
    page = httpx.get(f"{attempt.cancel_url}?shown=yes")
    assert (page.status_code, attempt.arrival.done()) == (200, False)
    assert httpx.get(attempt.cancel_url).text.count("<h1>") == page.text.count("<h1>") == 1
    assert attempt.arrival.done()


@pytest.mark.parametrize("name", ["amazonCheckoutSessionId", "checkoutSessionId", "CheckoutSessionId"])
def test_every_documented_spelling_of_the_parameter_is_read(attempt: Attempt, name: str) -> None:
    """The guide prints three spellings."""
    httpx.get(attempt.signed_in_url, params={name: "s-1"})

    assert attempt.arrival.result(timeout=0) == Arrival("signed-in", "s-1")


def test_a_buyer_token_is_kept_and_not_shown(attempt: Attempt) -> None:
    """It opens the buyer's data for a day, so no output may hold it."""
    httpx.get(attempt.signed_in_url, params={"buyerToken": "token-1"})

    arrival = attempt.arrival.result(timeout=0)
    assert (arrival.kind, arrival.buyer_token) == ("signed-in", "token-1")
    assert "token-1" not in repr(arrival)
