"""The scripted buyer on pages of its own kind: what it finds, and what it says when it does not."""

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.shop import buyer
from tests.emulated import RESULT, Shop, end_of_checkout

HOSTED = "{url}/checkout?amazonCheckoutSessionId={id}"


def session(shop: Shop) -> str:
    return HOSTED.format(url=shop.emulator.url, id=shop.session())


def test_it_is_sent_back_to_the_shop(na: Shop) -> None:
    """The answer is the merchant's address, with Amazon's parameter."""
    assert buyer.approve(session(na)).startswith(f"{RESULT}?amazonCheckoutSessionId=")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"card": "0000000"}, "does not offer card='0000000'.*It offers 1111"),
        ({"card": "0701"}, "canHandlePendingAuthorization"),
        ({"consent": False}, "agree or cancel"),
    ],
)
def test_what_a_page_does_not_offer_is_named(na: Shop, script: dict[str, object], message: str) -> None:
    """The error tells what the page offers, or what it answered."""
    with pytest.raises(BuyerPageError, match=f"(?s){message}"):
        buyer.approve(session(na), **script)  # type: ignore[arg-type]


def test_a_page_without_a_form_is_quoted(na: Shop) -> None:
    """A visit to a session that does not exist shows an error page."""
    with pytest.raises(BuyerPageError, match="There is no such checkout"):
        buyer.approve(HOSTED.format(url=na.emulator.url, id="unknown"))


def test_a_server_that_is_not_there_is_named() -> None:
    """The advice is to look whether the emulator runs."""
    with Emulator() as emulator:
        url = emulator.url
    with pytest.raises(BuyerPageError, match=r"(?s)cannot be opened.*emulator is running"):
        buyer.approve(url)


def test_redirects_have_an_end() -> None:
    """A page that redirects to itself is an error, not a visit without an end."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(303, headers={"location": "/checkout/sign-in"})

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(BuyerPageError, match="pages never end"),
    ):
        buyer.approve("http://127.0.0.1:1/checkout", http=client)
    assert len(asked) == buyer.MOST_ANSWERS + 1


def test_a_form_is_read_as_a_browser_would() -> None:
    """Hidden fields and checked boxes are sent, unchecked ones are not, and buttons are found by name."""
    page = buyer.Page(
        '<p role="alert">Not <b>accepted</b></p><form action="next"><input type="hidden" name="token" value="t">'
        '<input type="radio" name="card" value="1"><input type="radio" name="card" value="2" checked>'
        '<input type="checkbox" name="save" value="yes"><button name="action" value="continue">Go</button></form>'
    )

    assert page.form == buyer.Form("next", {"token": "t", "card": "2"}, {"card": ["1", "2"], "action": ["continue"]})
    assert page.alert == "Not accepted"


def test_only_a_shop_on_this_machine_is_opened() -> None:
    """A program must not make requests to wherever a payload points."""
    assert not buyer.arrive("https://shop.example/result")


def test_a_purchase_without_consent_is_still_a_purchase(na: Shop) -> None:
    """The box is left empty, and the buyer pays all the same."""
    started = na.clicked(end_of_checkout(), product_type="PayAndShip")
    address = buyer.approve(HOSTED.format(url=na.emulator.url, id=started), consent=False)

    assert address.startswith(RESULT)
