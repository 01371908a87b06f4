"""What reaches a page is text, an address leads where the rules allow, and a path stays inside."""

import socket
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx
import pytest

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.client.notifications import NotificationReader
from amazonpay_nb.loopback import MAX_BODY_BYTES
from amazonpay_nb.shop import Cart, Review, server
from amazonpay_nb.shop.inbox import Inbox
from amazonpay_nb.signing.keys import generate
from tests.emulated import RESULT, SET_UP, Json, Shop
from tests.sns import TOPIC

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'</title></style>"
# Spellings that some reader of addresses takes for another one; a browser would go there, or run it.
ADDRESSES = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)",
    "data:text/html,x", "vbscript:x", "blob:https://shop.example/1", "file:///etc/passwd", "view-source:https://shop.example/",
    "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "https:evil.test", "https:/evil.test",
    "https:///evil.test", "https:\\\\evil.test", "https://evil.test\\@shop.example/", "https://shop.example@evil.test/",
    "https://shop.example:443@evil.test/", "https://@evil.test/", "https://shop.example\uff0fevil.test/",
    "https://shop.example\uff20evil.test/", "https://shop.example\u2100/", "https://shop.example\t.evil.test/",
    "https://shop.example/\r\nset-cookie: a=b", "https://shop.example/\u2028x", "https://shop.example/\u202ex",
    "https://shop.example/<script>", 'https://shop.example/"x', "https://[::1", "https://shop.example:x/",
    "http://shop.example/", "http://localhost.evil.test/", "http://127.0.0.1.evil.test/", "http://127.0.0.1@evil.test/",
    "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://[::ffff:127.0.0.1]/", "http://localhost./",
    "http://0.0.0.0/", "http://evil.test[::1]/", "http://[::1].evil.test/", "https://[::1].evil.test/",
]  # fmt: skip


def by_call(shop: Shop, address: str) -> httpx.Response:
    return shop.call("createCheckoutSession", storeId=shop.account.store_id, **to_result(address))


def by_update(shop: Shop, address: str) -> httpx.Response:
    return shop.call("updateCheckoutSession", shop.session(), **to_result(address))


def by_button(shop: Shop, address: str) -> httpx.Response:
    return shop.click(SET_UP | to_result(address))


def by_cancel(shop: Shop, address: str) -> httpx.Response:
    web = {"checkoutResultReturnUrl": RESULT, "checkoutCancelUrl": address}
    return shop.click(SET_UP | {"webCheckoutDetails": web})


def by_sign_in(shop: Shop, address: str) -> httpx.Response:
    return shop.click({"signInReturnUrl": address}, "SignIn")


def by_sign_in_and_set_up(shop: Shop, address: str) -> httpx.Response:
    return shop.click({"webCheckoutDetails": {"signInReturnUrl": address}}, "SignInAndSetup")


def by_app(shop: Shop, address: str) -> httpx.Response:
    web = dict.fromkeys(("checkoutResultReturnUrl", "checkoutCancelUrl", "checkoutErrorUrl"), address)
    store = {"channelType": "MOBILE_SDK", "storeId": shop.account.store_id}
    call = {
        "msdk": "true", "merchantId": shop.account.merchant_id, "productType": "PayOnly", "environment": "SANDBOX",
        "checkoutSessionConfig": store | SET_UP | {"webCheckoutDetails": web},
    }  # fmt: skip
    return shop.http.post("/initiate", json=call)


def to_result(address: str) -> Json:
    return {"webCheckoutDetails": {"checkoutResultReturnUrl": address}}


def test_a_start_that_arrives_slowly_undoes_nothing(na: Shop) -> None:
    """An app's call is half there for a while, and is refused then: what others have done meanwhile stays."""
    wallet, address = na.wallet(), urlsplit(na.emulator.url)
    head = f"POST /initiate HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-length: 50\r\n\r\n{{"
    with socket.create_connection((address.hostname, address.port)) as app:
        app.sendall(head.encode())
        charges = [na.charge(wallet, "1.00") for _ in range(5)]
        app.sendall(b"x" * 49)
        assert app.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert [na.done("getCharge", charge["chargeId"]) for charge in charges] == charges


WAYS = [by_call, by_update, by_button, by_cancel, by_sign_in, by_sign_in_and_set_up, by_app]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_nobody_is_led_to_a_dangerous_address(na: Shop, way: Callable[[Shop, str], httpx.Response]) -> None:
    """Whichever field names it, and whoever has signed it."""
    accepted = [address for address in ADDRESSES if way(na, address).status_code != 400]
    assert accepted == []
    assert way(na, "https://shop.example/r").status_code in (200, 201, 303)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.test", "https://shop.example.evil.test", "https://evil.test#.example", "https://.example@evil.test",
     "https://evil.test\\.example", "https://evil.test/.example", "https://[::1", "javascript:alert(1)", "file://",
     "https://evilexample", "https://127.0.0.1.evil.test", "http://evil.test[::1]", "http://[::1].evil.test"],
)  # fmt: skip
def test_a_button_on_a_foreign_page_is_refused(na: Shop, origin: str) -> None:
    """By what the page says, and by what the browser says."""
    assert na.click(SET_UP, origin_url=origin).status_code == 403
    assert na.click(SET_UP, headers={"origin": origin}).status_code == 403


def test_a_redirect_is_one_header(na: Shop) -> None:
    """Encoded line breaks of a merchant's address and of the buyer's stay encoded; nothing is added to the answer."""
    session_id = na.clicked(SET_UP | to_result("https://shop.example/%0d%0aset-cookie:%20a=b?x=%0d%0ay"))
    buyer = na.buyer()
    answers = [
        na.http.get("/checkout", params={"amazonCheckoutSessionId": f"{session_id}\r\nset-cookie: a=b"}),
        na.http.get(
            "/checkout/initiate_auth", params={"changeAction": "\r\nx: y", "amazonCheckoutSessionId": session_id}
        ),
        buyer.press(buyer.open(session_id), action="cancel"),
    ]
    assert [answer.status_code for answer in answers] == [404, 400, 303]
    assert all("set-cookie" not in answer.headers and "x" not in answer.headers for answer in answers)
    assert answers[-1].headers["location"].startswith("https://shop.example/%0d%0aset-cookie:%20a=b?x=%0d%0ay&")


@pytest.mark.parametrize(
    "path",
    ["/checkout/../emulator.py", "/checkout/..%2f..%2fbase", "/checkout/%2e%2e/base", "/checkout.js/../../app.py",
     "/checkout/base", "/checkout/form", "/checkout/problem", "/static/checkout.js", "//etc/passwd", "/checkout/%00",
     "/..%5c..%5cetc", "/checkout/sign-in%2f..", "/checkout.js%00.html",
     "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem/../ca.pem"],
)  # fmt: skip
def test_a_path_leads_to_no_file(na: Shop, path: str) -> None:
    """Only the documented addresses are there."""
    query = f"?amazonCheckoutSessionId={na.clicked(SET_UP)}"
    assert na.http.get(na.http.base_url.copy_with(raw_path=(path + query).encode())).status_code in (403, 404)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attributes]


def tags(page: str) -> _Tags:
    reader = _Tags()
    reader.feed(page)
    return reader


@pytest.fixture
def shops() -> Iterator[tuple[server.Shop, server.Shop]]:
    """The same shop under a plain and under a hostile name."""
    shops = server.Shop("Corner Shop"), server.Shop(HOSTILE)
    yield shops
    for shop in shops:
        shop.close()


PAGES = {
    "account": "/account", "pay": "/pay/{token}",
    "lost": f"/pay/{HOSTILE.replace('/', '')}", "arrival": "/result/{token}", "canceled": "/cancel/{token}",
    "with an id": f"/result/{{token}}?amazonCheckoutSessionId={HOSTILE}",
    "its news": f"/result/{{token}}/news?amazonCheckoutSessionId={HOSTILE}",
}  # fmt: skip


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_no_name_adds_to_a_page_of_the_shop(shops: tuple[server.Shop, server.Shop], path: str) -> None:
    """The elements of the page are the same, whatever the shop, the article and the session are called."""
    seen = []
    for shop, article in zip(shops, ("Coffee beans", HOSTILE), strict=True):
        attempt = shop.new_attempt()
        config = {"placement": "Cart", "merchantId": article, "note": article}
        attempt.offer(
            "https://amazon.example/checkout.js",
            config,
            cart=Cart.of(article, {"amount": "1.00", "currencyCode": "USD"}),
        )
        hostile = path if shop is shops[1] else path.replace(HOSTILE, "x").replace(HOSTILE.replace("/", ""), "x")
        page = tags(httpx.get(shop.url + hostile.format(token=attempt.token)).text)
        seen.append((page.names, page.attributes))
    assert seen[0] == seen[1]
    assert seen[0][0]


def test_a_page_of_the_shop_runs_its_own_scripts_alone(shops: tuple[server.Shop, server.Shop]) -> None:
    """Each answer has a policy with a number of its own, which its scripts know."""
    numbers = set()
    for path in ("/pay/{token}", "/result/{token}", "/account", "/nowhere"):
        attempt = shops[0].new_attempt()
        attempt.offer("http://127.0.0.1:9/checkout.js", {"placement": "Cart"})
        answer = httpx.get(shops[0].url + path.format(token=attempt.token))
        policy = dict(rule.strip().partition(" ")[::2] for rule in answer.headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["base-uri"], policy["connect-src"]) == ("'none'", "'none'", "'self'")
        number, dynamic = policy["script-src"].split()
        assert (number[:7], dynamic) == ("'nonce-", "'strict-dynamic'")
        assert answer.text.count("<script") == answer.text.count(f'<script nonce="{number[7:-1]}"')
        assert answer.headers["x-content-type-options"] == "nosniff"
        numbers.add(number)
    assert len(numbers) == 4


@pytest.mark.parametrize("path", ["/notifications", "/order/{token}"])
def test_the_shop_takes_no_huge_body(shops: tuple[server.Shop, server.Shop], path: str) -> None:
    """With and without a length; what follows the limit is not collected."""
    shop = shops[0]
    shop.inbox = Inbox(NotificationReader(TOPIC), AmazonPayClient(generate()))
    attempt = shop.new_attempt()
    attempt.ask("https://amazon.example/checkout.js", Review("s", (), "", "", ()))
    url = shop.url + path.format(token=attempt.token)
    pieces = (b"x" * 65_536 for _ in range(100))
    for content in (b"x" * (MAX_BODY_BYTES + 1), pieces):
        answer = httpx.post(url, content=content)
        assert (answer.status_code, "larger than" in answer.text) == (413, True)
    assert "larger than" not in httpx.post(url, content=b"x" * 1000).text


def test_the_shop_keeps_few_notices() -> None:
    """Anyone can send a notification that is refused; when many wait to be looked at, the next ones are put off."""
    inbox = Inbox(NotificationReader(TOPIC), AmazonPayClient(generate()))
    assert {inbox.receive(b"{}") for _ in range(1000)} == {400}
    assert inbox.receive(b"{}") == 503
    assert len(inbox.work()) == 1000
    assert inbox.receive(b"{}") == 400
