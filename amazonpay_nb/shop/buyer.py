"""The scripted buyer: reads pages over HTTP and presses their buttons, as a person would.

It knows only what is on the page.  On a merchant's page it finds the button's configuration and posts what
`checkout.js` would post; on a hosted page it fills in the form.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.flows import PAGES

DECLINED_CARD = "9995"
# More than any flow has pages, declines included, so that a page that repeats forever is an error.
MOST_PRESSES = 20
# The calls on a merchant's page that lead to Amazon; each is followed by a configuration in JSON.
_START = re.compile(r"amazon\.Pay\.(?:renderButton|initCheckout)\(")
_CHANGE = re.compile(r"amazon\.Pay\.bindChangeAction\([^{]*")


@dataclass
class Form:
    """A form on a page.

    Attributes:
        action: Where it posts to, as written.
        fields: Names and preset values, without the buttons.
        options: The values that a radio field offers.
        buttons: Values of the buttons called ``action``.
    """

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.alerts: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "script" and "src" in values:
            self.scripts.append(values["src"])
        if tag == "form":
            self.form = Form(values.get("action", ""))
        if tag in ("script", "style") or values.get("role") == "alert":
            self._inside.append(tag)
        if self.form and tag == "input" and values.get("name"):
            self._input(self.form, values, {name for name, _ in attributes})
        if self.form and tag == "button" and values.get("name") == "action":
            self.form.buttons.append(values["value"])

    def _input(self, form: Form, values: dict[str, str], flags: set[str]) -> None:
        name, value = values["name"], values.get("value", "on")
        if values.get("type") == "radio":
            form.options.setdefault(name, []).append(value)
        if values.get("type") not in ("radio", "checkbox") or "checked" in flags:
            form.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "script":
            self.text.append(data)
        elif self._inside and self._inside[-1] != "style":
            self.alerts.append(data)


def read_page(html: str) -> tuple[Form | None, str]:
    """Return the form of a page, and what its alerts say."""
    reader = _Reader()
    reader.feed(html)
    return reader.form, " ".join(" ".join(reader.alerts).split())


Answer = Callable[[str, Form, str], dict[str, str]]


def approve(
    url: str, *, card: str = "1111", then: str = "", address: str = "", consent: bool = True, mfa: str = "pass",
    http: httpx.Client | None = None,
) -> str:  # fmt: skip
    """Agree to everything and return the merchant's address that the buyer is sent to.

    Args:
        url: A hosted address, or a merchant's page with a button.
        card: Last four digits of the payment method.
        then: Those of another one, for when the first is declined; "" gives up.
        address: Number of the shipping address in the buyer's book; the preselected one when left out.
        consent: Whether the merchant may save the wallet.
        mfa: ``pass`` or ``fail`` the challenge.
    Raises:
        BuyerPageError: A page does not offer one of these, or shows an error.
    """
    cards = [card, then] if then else [card]

    def answer(page: str, form: Form, alert: str) -> dict[str, str]:
        if page == "payment-method":
            return {"card": cards.pop(0), "action": "continue"} if cards else {"action": "cancel"}
        if page == "shipping-address" and address:
            return {"address": address, "action": "continue"}
        if page == "challenge":
            return {"action": mfa}
        if page == "consent" and not consent:
            form.fields.pop("save", None)
        return {"action": "continue"}

    return _walk(url, answer, http)


def cancel(url: str, *, http: httpx.Client | None = None) -> str:
    """Cancel on the first page and return the merchant's address."""
    return _walk(url, lambda page, form, alert: {"action": "cancel"}, http)


def decline(url: str, *, http: httpx.Client | None = None) -> str:
    """Take a card that is declined, give up, and return the merchant's address."""
    return approve(url, card=DECLINED_CARD, http=http)


@contextmanager
def _browser(http: httpx.Client | None) -> Iterator[httpx.Client]:
    """Lend a client, which is closed at the end if it was made here."""
    if http is not None:
        yield http
        return
    with httpx.Client(timeout=30) as own:
        yield own


def _walk(url: str, answer: Answer, http: httpx.Client | None) -> str:
    try:
        with _browser(http) as client:
            return _pages(client, url, answer)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        advice = "Check the address, and that the emulator is running."
        raise BuyerPageError(f"{url} cannot be opened ({type(error).__name__}).", advice=advice) from error


def _pages(client: httpx.Client, url: str, answer: Answer) -> str:
    response = client.get(url)
    if _START.search(response.text):
        response = _press_button(client, response)
    hosted = _origin(str(response.url))
    choice = ""
    for _ in range(MOST_PRESSES):
        while response.is_redirect:
            target = urljoin(str(response.url), response.headers["location"])
            if _origin(target) != hosted:
                return target
            response = client.get(target)
        form, alert = read_page(response.text)
        page = urlsplit(str(response.url)).path.rsplit("/", 1)[-1]
        if form is None or page not in PAGES:
            raise BuyerPageError(
                f"The page {urlsplit(str(response.url)).path} shows no form: {alert or response.status_code}",
                advice="Start again from the shop.",
            )
        if response.is_error:
            raise BuyerPageError(f"The page {PAGES[page]!r} did not accept {choice}: {alert}", advice="Choose another.")
        values = form.fields | answer(page, form, alert)
        _check_offered(f"The page {PAGES[page]!r}", form, values)
        choice = ", ".join(values[name] for name in ("address", "card", "action") if name in values)
        response = client.post(urljoin(str(response.url), form.action), data=values)
    raise BuyerPageError("The pages never end.", advice="Look at the page in a browser.")


def _check_offered(page: str, form: Form, values: dict[str, str]) -> None:
    for name, offered in (*form.options.items(), ("action", form.buttons)):
        if values.get(name) not in offered:
            raise BuyerPageError(
                f"{page} does not offer {name}={values.get(name)!r}.",
                advice=f"It offers {', '.join(offered)}.",
            )


def _press_button(client: httpx.Client, response: httpx.Response) -> httpx.Response:
    """Post what `checkout.js` posts when the button on a merchant's page is clicked."""
    script = _script(response)
    config = _arguments(_START, response.text)[0]
    session = config.get("createCheckoutSessionConfig") or config["signInConfig"]
    page = urlsplit(str(response.url))
    form = {
        **session,
        "merchantId": config["merchantId"],
        "productType": config.get("productType", "PayAndShip"),
        "environment": "SANDBOX",
        "ledgerCurrency": config["ledgerCurrency"],
        "checkoutLanguage": config.get("checkoutLanguage", ""),
        "merchantDomain": page.hostname or "",
        "origin_url": f"{page.scheme}://{page.netloc}",
        "viewType": "redirectView",
    }
    return client.post(urljoin(script, "checkout/initiate"), data=form)


def _script(page: httpx.Response) -> str:
    """Return the address of `checkout.js`, whose host is Amazon's."""
    reader = _Reader()
    reader.feed(page.text)
    return urljoin(str(page.url), next((src for src in reader.scripts if "checkout.js" in src), ""))


def _arguments(call: re.Pattern[str], text: str) -> list[Any]:
    """Return the first object among the arguments of each such call."""
    starts = (text.index("{", match.end()) for match in call.finditer(text))
    return [json.JSONDecoder().raw_decode(text[start:])[0] for start in starts]


def find_change(url: str, action: str, *, http: httpx.Client | None = None) -> str:
    """Return where a change button on a merchant's review page leads to.

    Args:
        url: The review page.
        action: ``changeAddress`` or ``changePayment``.
    Raises:
        BuyerPageError: The page has no such button.
    """
    page = _request(http, "GET", url)
    offered = {change["changeAction"]: change for change in _arguments(_CHANGE, page.text)}
    if action not in offered:
        raise BuyerPageError(
            f"The review page does not offer {action}.", advice=f"It offers {', '.join(offered) or 'no change'}."
        )
    return urljoin(_script(page), f"checkout/initiate_auth?{urlencode(offered[action])}")


def place_order(url: str, shipping: str = "", *, http: httpx.Client | None = None) -> str:
    """Order on a merchant's review page and return the address that the buyer is sent to, Amazon's or the shop's.

    Args:
        url: The review page.
        shipping: One of the options on the page; the preselected one when left out.
    Raises:
        BuyerPageError: The page does not offer it, or takes no order.
    """
    form, alert = read_page(_request(http, "GET", url).text)
    if form is None:
        raise BuyerPageError(f"The review page shows no form. {alert}", advice="Start again from the shop.")
    values = form.fields | {"action": "order"}
    if shipping:
        form.options.setdefault("shipping", [])
        values["shipping"] = shipping
    _check_offered("The review page", form, values)
    answer = _request(http, "POST", urljoin(url, form.action), data=values)
    if not answer.is_redirect:
        raise BuyerPageError(f"The order was not taken. {read_page(answer.text)[1]}", advice="Look at the review page.")
    return urljoin(str(answer.url), answer.headers["location"])


def _request(http: httpx.Client | None, method: str, url: str, **options: Any) -> httpx.Response:
    return (http.request if http else httpx.request)(method, url, **options)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def arrive(address: str, *, http: httpx.Client | None = None) -> bool:
    """Request the merchant's address as a browser would; do nothing, and return False, if it is not on loopback."""
    if urlsplit(address).hostname not in LOOPBACK_HOSTS:
        return False
    with _browser(http) as client:
        client.get(address)
    return True
