"""The scripted buyer on pages of its own kind: what it finds, and what it says when it does not."""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import httpx
import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import set_up_payload, sign_button
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.limits import in_time, whole
from amazonpay_nb.loopback import http_client
from amazonpay_nb.shop import buyer
from amazonpay_nb.workbench import Workbench
from tests.emulated import RESULT, Shop, end_of_checkout
from tests.processes import ENDLESS, PATIENCE, endless

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


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_a_page_has_an_end(packed: bool) -> None:
    """One that goes on and on, or unfolds to gigabytes, is an error; a shop may serve anything."""
    sent = list[int]()

    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        for number in range(1_000):
            sent.append(number)
            yield packer.compress(bytes(1 << 22)) if packed else bytes(1 << 16)

    headers = {"content-encoding": "gzip"} if packed else {}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=pieces()))
    with httpx.Client(transport=answer) as client:
        with pytest.raises(BuyerPageError, match="ReadTimeout"):
            buyer.approve("http://127.0.0.1:1/", http=client)
        with pytest.raises(httpx.ReadTimeout, match="no end"):
            buyer.arrive("http://127.0.0.1:1/", http=client)
    assert len(sent) < 200


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_head_has_an_end(kind: str) -> None:
    """Each part of it comes in time, and the answer never does."""
    with (
        endless(*ENDLESS[kind]) as url,
        http_client(timeout=1) as http,
        pytest.raises(BuyerPageError, match="ReadTimeout"),
    ):
        in_time(PATIENCE, lambda: buyer.approve(f"{url}/", http=http))


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd"])
def test_a_page_is_packed_once_and_mildly(coding: str) -> None:
    """Of any other packing, the first bytes can be gigabytes; so they are not unpacked, and not asked for."""
    asked = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, headers={"content-encoding": coding}, content=gzip.compress(gzip.compress(b"x")))

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(BuyerPageError, match="DecodingError"),
    ):
        buyer.approve("http://127.0.0.1:1/", http=client)
    assert asked[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("charset", ["bz2", "punycode", "idna", "undefined", "rot13", "*"])
def test_a_page_is_written_in_what_pages_are_written_in(charset: str) -> None:
    """Python knows bz2 as a charset, in which 700 bytes are a gigabyte; its punycode takes hours, it counts parts."""
    content = bz2.compress(bytes(1 << 20)) if charset == "bz2" else b"-\xff" + b"a0b1" * 50_000
    headers = {"content-type": f"text/html; charset={charset}".replace("=*", f"*{'9' * 5_000}=utf-8")}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=content))
    with httpx.Client(transport=answer) as client, pytest.raises(BuyerPageError, match="shows no form"):
        in_time(PATIENCE, lambda: buyer.approve("http://127.0.0.1:1/", http=client))


GOOD = (
    '{"merchantId": "A", "ledgerCurrency": "USD", "createCheckoutSessionConfig": {"payloadJSON": "", "signature": ""}'
)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("()", "property name"),
        ("{merchantId: 'A'}", "property name"),
        ('{"merchantId": "A"}', "'createCheckoutSessionConfig'"),
        ('{"merchantId": "A", "productType": "SignIn"}', "'signInConfig'"),
        ('{"createCheckoutSessionConfig": [1]}', "'list' object has no attribute"),
        (GOOD + ', "estimatedOrderAmount": ' + "9" * 5_000 + "}", "integer string"),
        (GOOD.replace("USD", "\\ud800") + "}", "surrogates"),
        ('{"a":' * 100_000, "recursion"),
    ],
)
def test_a_button_that_nobody_can_press_is_described(written: str, reason: str) -> None:
    """A merchant's page may have anything as its configuration; the error says what is wrong, on which page."""
    page = (
        f'<script src="/checkout.js"></script>amazon.Pay.initCheckout({written}) amazon.Pay.bindChangeAction("#a", {{'
    )
    answer = httpx.MockTransport(lambda _: httpx.Response(200, text=page))
    with httpx.Client(transport=answer) as client:
        with pytest.raises(BuyerPageError, match=rf"The button of http://127.0.0.1:1/ cannot be pressed.*{reason}"):
            buyer.approve("http://127.0.0.1:1/", http=client)
        with pytest.raises(BuyerPageError, match=r"The button of .* cannot be pressed"):
            buyer.find_change("http://127.0.0.1:1/", "changeAddress", http=client)


@pytest.fixture(scope="module")
def wb() -> Iterator[Workbench]:
    """A shop, and an emulator."""
    bench = workbench.open(buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


CONTRADICTION, LIVE = "sandbox contradicts the prefix of publicKeyId", "the button asks for 'LIVE'"


@pytest.mark.parametrize(
    ("prefix", "option", "problem"),
    [
        ("SANDBOX-", {}, ""),
        ("SANDBOX-", {"sandbox": True}, ""),
        ("SANDBOX-", {"sandbox": False}, CONTRADICTION),
        ("SANDBOX-", {"sandbox": "false"}, CONTRADICTION),
        ("", {"sandbox": True}, ""),
        ("", {"sandbox": "true"}, ""),
        ("", {"sandbox": False}, LIVE),
        ("", {}, LIVE),
        ("LIVE-", {"sandbox": True}, CONTRADICTION),
        ("LIVE-", {}, LIVE),
    ],
)
@pytest.mark.parametrize("place", ["session", "button"])
def test_it_asks_for_the_environment_that_the_script_asks_for(
    wb: Workbench, place: str, prefix: str, option: dict[str, object], problem: str
) -> None:
    """The guide's samples name the key beside the payload or in the options of the button."""
    visit = wb.shop.new_attempt()
    wb.show_button(visit, sign_button(set_up_payload(wb.store_id, result_url=visit.result_url), wb.keys))
    config: dict[str, Any] = visit.config
    key_id = prefix + config["createCheckoutSessionConfig"].pop("publicKeyId").removeprefix("SANDBOX-")
    (config["createCheckoutSessionConfig"] if place == "session" else config).update(publicKeyId=key_id)
    config |= option
    with pytest.raises(BuyerPageError, match=problem) if problem else nullcontext():
        assert buyer.approve(visit.page_url).startswith(visit.result_url)


def test_a_japanese_page_can_be_read() -> None:
    """In the charset that it says, which its headers may have, too."""
    page = "<main><h1>ご注文内容</h1></main>".encode("shift_jis")
    headers = {"content-type": "text/html; charset=Shift_JIS", "x-title": "ご注文内容".encode("shift_jis")}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=page))
    with httpx.Client(transport=answer) as client:
        request = client.build_request("GET", "http://127.0.0.1:1/")
        assert buyer.Page(whole(client, request).text).title == "ご注文内容"


@pytest.mark.parametrize("part", ["<a ", '<a role="alert">', "<a href='", "<!--", "&#"])
def test_a_page_is_read_once(part: str) -> None:
    """Whatever is in it, twice as much takes twice as long."""
    assert in_time(PATIENCE, lambda: buyer.Page(part * 200_000)).action is None


def test_a_number_of_a_character_may_have_any_length() -> None:
    """A browser shows that there is no such character, and reads on."""
    page = buyer.Page(f"<title>&amp;</title><h1>One&#{'1' * 5_000};</h1><form action='&#110;ext&#{'0' * 5_000}'>")
    assert (page.title, page.action) == ("One\ufffd", "next\ufffd")


def test_a_form_is_read_as_a_browser_would() -> None:
    """Hidden fields and checked boxes are sent, unchecked ones are not, and buttons are found by name."""
    page = buyer.Page(
        '<p role="alert">Not <b>accepted</b></p><form action="next"><input type="hidden" name="token" value="t">'
        '<input type="radio" name="card" value="1"><input type="radio" name="card" value="2" checked>'
        '<input type="checkbox" name="save" value="yes"><button name="action" value="continue">Go</button></form>'
    )

    assert (page.action, page.fields) == ("next", {"token": "t", "card": "2"})
    assert page.options == {"card": ["1", "2"], "action": ["continue"]}
    assert page.alert == "Not accepted"


def test_only_a_shop_on_this_machine_is_opened() -> None:
    """A program must not make requests to wherever a payload points."""
    assert not buyer.arrive("https://shop.example/result")


def test_a_purchase_without_consent_is_still_a_purchase(na: Shop) -> None:
    """The box is left empty, and the buyer pays all the same."""
    started = na.clicked(end_of_checkout(), product_type="PayAndShip")
    address = buyer.approve(HOSTED.format(url=na.emulator.url, id=started), consent=False)

    assert address.startswith(RESULT)
