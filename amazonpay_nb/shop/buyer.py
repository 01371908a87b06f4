"""The scripted buyer: reads pages over HTTP and presses their buttons, as a person would.

It knows only what is on the page.  On a merchant's page it finds the button's configuration and posts what
`checkout.js` would post; on a hosted page it fills in the form.
"""

import json
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from html.parser import HTMLParser
from typing import Any

import httpx

from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.in_process import NOWHERE
from amazonpay_nb.limits import short_numbers, whole
from amazonpay_nb.loopback import http_client
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.flows import PAGES

DECLINED_CARD = "9995"
# More than any flow has pages and redirects, declines included, so that one that repeats forever is an error.
MOST_ANSWERS = 40
# The calls on a merchant's page that lead to Amazon; each is followed by a configuration in JSON.
_START = re.compile(r"amazon\.Pay\.(?:renderButton|initCheckout)\(")
_CHANGE = re.compile(r"amazon\.Pay\.bindChangeAction\([^{]*")


# On a page of the shop: what begins a heading, a line or a further piece of one, and what ends what is under a heading.
_HEADINGS, _LINES = ("h1", "h2", "legend", "caption"), ("p", "li", "tr", "label", "div", "button", "script")
_PIECES, _ENDS = ("span", "td", "dd"), ("main", "fieldset", "section", "table")


class Page(HTMLParser):
    """What a buyer uses of a page, and reads on one of the shop's.

    Attributes:
        action: Where its last form posts to, as written; None where it has none.
        fields: Names and preset values of that form.
        options: The values that a radio field of it offers, or the buttons of a name.
        script: The address of `checkout.js`, as written; "" where the page has none.
        alert: What its alerts say.
        title: Its first heading.
        lines: For each line below it: the heading that it is under, if any, and its pieces; a button is in brackets.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields, self.options = dict[str, str](), dict[str, list[str]]()
        self.script, self.title, self.lines = "", "", list[list[str]]()
        self._alerting, self._said, self._parts = "", list[str](), [("", [list[str]()])]
        self.feed(short_numbers(html))
        self.close()
        self.alert = _plain(self._said)
        self._read()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note the script, the form, what the form holds, and where a part begins that is read by itself."""
        values = {name: value or "" for name, value in attributes}
        if values.get("role") == "alert":
            self._alerting = tag
        if tag == "script" and "checkout.js" in values.get("src", ""):
            self.script = values["src"]
        if tag == "form":
            self.action, self.fields, self.options = values.get("action", ""), {}, {}
        if self.action is not None and values.get("name"):
            name, value, kind = values["name"], values.get("value", "on"), values.get("type")
            if tag == "button" or kind == "radio":
                self.options.setdefault(name, []).append(value)
            if tag == "input" and (kind not in ("radio", "checkbox") or "checked" in values):
                self.fields[name] = value
        if tag == "main":  # what is before it is not the page's own
            self._parts = [("", [[]])]
        if tag in (*_HEADINGS, *_LINES):
            self._parts.append((tag, [[]]))
        if tag in _PIECES:
            self._parts[-1][1].append([])

    def handle_endtag(self, tag: str) -> None:
        """End an alert, or what is under a heading."""
        if tag == self._alerting:
            self._alerting = ""
        if tag in _ENDS:
            self._parts.append((tag, [[]]))

    def handle_data(self, data: str) -> None:
        """Note what an alert, and a part, says."""
        if self._alerting:
            self._said.append(data)
        self._parts[-1][1][-1].append(data)

    def _read(self) -> None:
        section = ""
        for tag, texts in self._parts:
            pieces = [*filter(None, map(_plain, texts))]
            if tag == "main":
                break
            if tag in _HEADINGS:
                section = " ".join(pieces) if self.title else ""
                self.title = self.title or " ".join(pieces)
            elif tag in _ENDS:
                section = ""
            elif pieces and tag not in ("", "script"):
                pieces = [f"[{' '.join(pieces)}]"] if tag == "button" else pieces
                self.lines.append([section, *pieces] if section else pieces)


def _plain(texts: Iterable[str]) -> str:
    return " ".join(" ".join(texts).split())


def read(url: str) -> Page:
    """Open a page of a shop on this machine and read it."""
    with browser() as client:
        return Page(_ask(client, url).text)


def browser(*, authority: str | None = None) -> httpx.Client:
    """Return a client for pages on this machine; other hosts are verified as ever.

    No one is in between, and only an emulator knows its own authority; a file with one is believed alone.
    """
    if authority:
        return http_client(verify=ssl.create_default_context(cafile=authority))
    return http_client(local=httpx.HTTPTransport(verify=False))


# Name of a page, and its content → the fields to fill in.
Answer = Callable[[str, Page], dict[str, str]]


def approve(
    url: str, *, card: str = "1111", then: str = "", address: str = "", consent: bool = True, mfa: str = "pass",
    person: int | None = None, http: httpx.Client | None = None,
) -> str:  # fmt: skip
    """Agree to everything and return the merchant's address that the buyer is sent to.

    Args:
        url: A hosted address, or a merchant's page with a button.
        card: Last four digits of the payment method.
        then: Those of another one, for when the first is declined; "" gives up.
        address: Number of the shipping address in the buyer's book; the preselected one when left out.
        consent: Whether the merchant may save the wallet.
        mfa: ``pass`` or ``fail`` the challenge.
        person: Which of the buyers that the first page offers signs in, counted from 0; the preselected one when left
            out.
    Raises:
        BuyerPageError: A page does not offer one of these, or shows an error.
    """
    cards = [card, then] if then else [card]

    def answer(name: str, page: Page) -> dict[str, str]:
        if name == "sign-in" and person is not None:
            return {"email": page.options["email"][person], "action": "continue"}
        if name == "payment-method":
            return {"card": cards.pop(0), "action": "continue"} if cards else {"action": "cancel"}
        if name == "shipping-address" and address:
            return {"address": address, "action": "continue"}
        if name == "challenge":
            return {"action": mfa}
        if name == "consent" and not consent:
            page.fields.pop("save", None)
        return {"action": "continue"}

    return _walk(url, answer, http)


def cancel(url: str, *, http: httpx.Client | None = None) -> str:
    """Cancel on the first page and return the merchant's address."""
    return _walk(url, lambda name, page: {"action": "cancel"}, http)


def decline(url: str, *, http: httpx.Client | None = None) -> str:
    """Take a card that is declined, give up, and return the merchant's address."""
    return approve(url, card=DECLINED_CARD, http=http)


def _browser(http: httpx.Client | None) -> AbstractContextManager[httpx.Client]:
    """Lend a client, which is closed at the end if it was made here."""
    return nullcontext(http) if http else browser()


def _ask(http: httpx.Client, url: httpx.URL | str, form: Mapping[str, Any] | None = None) -> httpx.Response:
    return whole(http, http.build_request("GET" if form is None else "POST", url, data=form))


def _walk(url: str, answer: Answer, http: httpx.Client | None) -> str:
    try:
        with _browser(http) as client:
            return _pages(client, url, answer)
    except (httpx.HTTPError, *NOWHERE) as error:
        advice = "Check the address, and that the emulator is running."
        raise BuyerPageError(f"{url} cannot be opened ({type(error).__name__}).", advice=advice) from error


def _pages(client: httpx.Client, url: str, answer: Answer) -> str:
    response = _ask(client, url)
    if _START.search(response.text):
        response = _press_button(client, response)
    hosted = _origin(response.url)
    choice = ""
    for _ in range(MOST_ANSWERS):
        if redirect := response.next_request:
            if _origin(redirect.url) != hosted:
                return str(redirect.url)
            response = whole(client, redirect)
            continue
        page, path = Page(response.text), response.url.path
        name = path.rsplit("/", 1)[-1]
        if page.action is None or name not in PAGES:
            problem = f"The page {path} shows no form: {page.alert or response.status_code}"
            raise BuyerPageError(problem, advice="Start again from the shop.")
        title = f"The page {PAGES[name]!r}"
        if response.is_error:
            raise BuyerPageError(f"{title} did not accept {choice}: {page.alert}", advice="Choose another.")
        values = page.fields | answer(name, page)
        choice = ", ".join(values[field] for field in ("address", "card", "action") if field in values)
        response = _submit(client, response.url.join(page.action), title, page, values)
    raise BuyerPageError("The pages never end.", advice="Look at the page in a browser.")


def _submit(client: httpx.Client, url: httpx.URL, title: str, page: Page, values: dict[str, str]) -> httpx.Response:
    for name, offered in page.options.items():
        if values.get(name) not in offered:
            advice = f"It offers {', '.join(offered)}."
            raise BuyerPageError(f"{title} does not offer {name}={values.get(name)!r}.", advice=advice)
    return _ask(client, url, values)


def _press_button(client: httpx.Client, response: httpx.Response) -> httpx.Response:
    """Post what `checkout.js` posts when the button on a merchant's page is clicked."""
    with _as_written(response.url):
        config = next(_arguments(_START, response.text))
        product_type = config.get("productType") or "PayAndShip"
        session = config["signInConfig" if product_type == "SignIn" else "createCheckoutSessionConfig"]
        key_id = session.get("publicKeyId") or config.get("publicKeyId") or ""
        form = {
            "payloadJSON": session["payloadJSON"],
            "signature": session["signature"],
            "publicKeyId": key_id,
            "algorithm": session.get("algorithm") or "AMZN-PAY-RSASSA-PSS",
            "merchantId": config["merchantId"],
            "productType": product_type,
            "environment": _environment(key_id, config.get("sandbox")),
            "ledgerCurrency": config["ledgerCurrency"],
            "checkoutLanguage": config.get("checkoutLanguage", ""),
            "merchantDomain": response.url.host,
            "origin_url": _origin(response.url),
            "viewType": "redirectView",
        }
        if estimate := config.get("estimatedOrderAmount"):
            form["estimatedOrderAmount"] = json.dumps(estimate)
        script = response.url.join(Page(response.text).script)  # its host is Amazon's
        request = client.build_request("POST", script.join("checkout/initiate"), data=form)
    return whole(client, request)


def _environment(key_id: str, sandbox: object) -> str:
    """Return what the prefix of a key id says or, for a neutral key, the option, which must not contradict a prefix."""
    prefix, asked = key_id.partition("-")[0].upper(), sandbox in (True, "true")
    live = prefix == "LIVE" or (prefix != "SANDBOX" and not asked)
    if sandbox is not None and asked == live:
        raise ValueError("sandbox contradicts the prefix of publicKeyId")
    return "LIVE" if live else "SANDBOX"


@contextmanager
def _as_written(url: httpx.URL) -> Iterator[None]:
    """Say so where a merchant's page has written its button in a way that nobody can press."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError, httpx.InvalidURL) as error:
        why = f"its configuration is wrong ({type(error).__name__}: {error})"
        problem = f"The button of {url} cannot be pressed: {why}."
        advice = "It is an object in JSON, with merchantId, ledgerCurrency and createCheckoutSessionConfig."
        raise BuyerPageError(problem, advice=advice) from error


def _arguments(call: re.Pattern[str], text: str) -> Iterator[Any]:
    """Find the first object among the arguments of each such call."""
    for match in call.finditer(text):
        yield json.JSONDecoder().raw_decode(text, text.index("{", match.end()))[0]


def find_change(url: str, action: str, *, http: httpx.Client | None = None) -> str:
    """Return where a change button on a merchant's review page leads to.

    Args:
        url: The review page.
        action: ``changeAddress`` or ``changePayment``.
    Raises:
        BuyerPageError: The page has no such button.
    """
    with _browser(http) as client:
        page = _ask(client, url)
    with _as_written(page.url):
        start = page.url.join(Page(page.text).script).join("checkout/initiate_auth")
        changes = _arguments(_CHANGE, page.text)
        offered = {change["changeAction"]: str(start.copy_with(params=change)) for change in changes}
    if action not in offered:
        advice = f"It offers {', '.join(offered) or 'no change'}."
        raise BuyerPageError(f"The review page does not offer {action}.", advice=advice)
    return offered[action]


def place_order(url: str, shipping: str = "", *, http: httpx.Client | None = None) -> str:
    """Order on a merchant's review page and return the address that the buyer is sent to, Amazon's or the shop's.

    Args:
        url: The review page.
        shipping: One of the options on the page; the preselected one when left out.
    Raises:
        BuyerPageError: The page does not offer it, or takes no order.
    """
    with _browser(http) as client:
        page = Page(_ask(client, url).text)
        if page.action is None:
            raise BuyerPageError(f"The review page shows no form. {page.alert}", advice="Start again from the shop.")
        values = page.fields | {"action": "order"}
        if shipping:
            page.options.setdefault("shipping", [])
            values["shipping"] = shipping
        answer = _submit(client, httpx.URL(url).join(page.action), "The review page", page, values)
    if not answer.next_request:
        raise BuyerPageError(f"The order was not taken. {Page(answer.text).alert}", advice="Look at the review page.")
    return str(answer.next_request.url)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


def arrive(address: str, *, http: httpx.Client | None = None) -> bool:
    """Request the merchant's address as a browser would; do nothing, and return False, if it is not on loopback."""
    if httpx.URL(address).host not in LOOPBACK_HOSTS:
        return False
    with _browser(http) as client:
        _ask(client, address)
    return True
