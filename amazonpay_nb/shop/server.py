"""A small shop on a loopback port.

Each attempt to use Amazon Pay is an `Attempt` with return addresses of its own.  A random token in them ties a return
to its attempt, so an address without a token, or with a token of an earlier run, does not count as an arrival.
"""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from amazonpay_nb.client.button import embed
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.loopback import Guard, browser_address, relative_address, route, serve
from amazonpay_nb.shop.attempt import ARRIVALS, Arrival, Attempt
from amazonpay_nb.shop.bookkeeping import outcome, payments, saved_methods
from amazonpay_nb.shop.colors import OWN_COLOR, palette
from amazonpay_nb.shop.inbox import INBOX_PATH, Inbox
from amazonpay_nb.spec.flows import RETURN_PARAMETER
from amazonpay_nb.texts import Texts, page_headers, templates

TEXTS = Path(__file__).with_name("texts")
_PAGES = templates(TEXTS.with_name("pages"))
_PAGES.filters["embed"] = embed
# Scripts of the page and what they load.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'unsafe-inline'{amazon}; "
    "connect-src 'self'{amazon}; img-src data:{amazon}; font-src data:{amazon}; "
    "frame-src 'self'{amazon}; base-uri 'none'"
)
# A parameter that shows the page of a return address, and is no arrival: a spectator is not the buyer.
SHOWN = "shown"
# In the query of the page with the button: a buyer who has come back without an order tries again.
AGAIN = "again"


def _seen(request: Request, address: str) -> str:
    return relative_address(request.url.path, request.headers, address)


class Shop:
    """The shop's server.

    Args:
        name: What the shop is called on its pages.
        color: Fills its buttons, as ``#rrggbb``; the color of the text on them is computed.
        language: A value of ``checkoutLanguage``.
        journal: The exchanges of the shop's server with Amazon Pay, from which the pages are written.
        new_token: Makes the token of an attempt; pass a seeded one for outputs that repeat.
        public: On a hub, return to the address at which the hub shows the shop.  Amazon's own pages need that; the
            emulator's pages run beside the shop.
    Attributes:
        url: The shop's own page, with the saved payment methods and the payments.
        inbox: Takes in notifications, or None while the shop does not listen.
        customer: The name of the customer who is signed in, as the shop's pages say it; "" for a visitor.
        logo: A picture's address (``data:``) for the head of its pages; "" for the first letter of the name.
    """

    def __init__(
        self, name: str = "Emulated Shop", *, color: str = OWN_COLOR, language: str = "en_US",
        journal: Journal | None = None, new_token: Callable[[], str] = secrets.token_urlsafe, public: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self.journal = Journal() if journal is None else journal
        self._texts = Texts(TEXTS, language)
        self._colors = palette(color)
        self._new_token, self._public = new_token, public
        self._attempts: dict[str, Attempt] = {}
        self.inbox: Inbox | None = None
        self.customer = self.logo = ""
        self._server = serve(Guard(self._app())).start()
        self.url = self._server.url

    def new_attempt(self, server_url: str = "") -> Attempt:
        """Start an attempt with its own return addresses, at the shop or at another server on this machine."""
        returns_to = server_url or self.url
        public = browser_address(returns_to) if self._public else ""
        attempt = Attempt(self.url, self._new_token(), public if "//" in public else returns_to)
        self._attempts[attempt.token] = attempt
        return attempt

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """The latest arrival of each attempt that brought a Checkout Session's id."""
        stays = [attempt.arrival for attempt in tuple(self._attempts.values())]  # either may change meanwhile
        return tuple(arrival for stay in stays if stay.done() and (arrival := stay.result()).checkout_session_id)

    def close(self) -> None:
        """Stop answering."""
        self._server.stop()
        if self.inbox:
            self.inbox.close()

    def _app(self) -> Starlette:
        routes = [
            route("GET", "/", self._home),
            route("GET", "/account", self._account),
            route("GET", "/pay/{token}", self._pay),
            route("GET", "/cart/{token}", self._basket),
            route("GET", "/order/{token}", self._review),
            route("POST", "/order/{token}", self._take_order),
            route("POST", INBOX_PATH, self._take_notification),
            route("GET", "/{kind}/{token}/news", partial(self._arrive, news=True)),
            route("GET", "/{kind}/{token}", self._arrive),
        ]
        app = Starlette(routes=routes, exception_handlers={404: self._lost})
        app.router.redirect_slashes = False
        return app

    async def _lost(self, request: Request, error: Exception) -> Response:
        return self._page("lost.html", 404)

    async def _home(self, request: Request) -> Response:
        return RedirectResponse("account", 303)

    async def _account(self, request: Request) -> Response:
        return self._page("account.html", methods=saved_methods(self.journal), payments=payments(self.journal))

    def _attempt(self, request: Request, part: str = "token") -> tuple[Attempt, Any]:
        """Return the attempt that a request is about, and the part of it that the page shows, once there is one."""
        attempt, kind = self._attempts.get(request.path_params["token"]), request.path_params.get("kind", ARRIVALS[0])
        shown = getattr(attempt, part, None)
        if attempt is None or not shown or kind not in ARRIVALS:
            raise HTTPException(404)
        return attempt, shown

    async def _pay(self, request: Request) -> Response:
        attempt, config = self._attempt(request, "config")
        # The text around the button: by the way it goes to Amazon, else by its placement.
        offer = attempt.start if attempt.start != "button" else config.get("placement", "Other").lower()
        values: dict[str, Any] = {"offer": offer, "attempt": attempt, "tries_again": AGAIN in request.query_params}
        return self._page("pay.html", script_url=_seen(request, attempt.script_url), config=config, **values)

    async def _basket(self, request: Request) -> Response:
        return self._page("basket.html", attempt=self._attempt(request, "cart")[0])

    async def _review(self, request: Request, error: bool = False) -> Response:
        attempt, review = self._attempt(request, "review")
        values = {"attempt": attempt, "review": review, "cart": attempt.cart, "error": error}
        values |= {"script_url": _seen(request, attempt.script_url), "parameter": RETURN_PARAMETER}
        return self._page("review.html", 400 if error else 200, **values)

    async def _take_order(self, request: Request) -> Response:
        attempt, review = self._attempt(request, "review")
        if review.redirect_url:  # Amazon knows what the order costs, so the buyer can pay
            return RedirectResponse(_seen(request, review.redirect_url), 303)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if attempt.cart and attempt.cart.shipping_options:
            try:
                attempt.cart = attempt.cart.with_shipping(form.get("shipping", [""])[0])
            except ValueError:
                return await self._review(request, error=True)
        # The order is taken; the merchant's server does the rest.
        query = f"?{urlencode({RETURN_PARAMETER: review.session_id})}" if review.session_id else ""
        return RedirectResponse(_seen(request, f"{attempt.ordered_url}{query}"), 303)

    async def _arrive(self, request: Request, *, news: bool = False) -> Response:
        """Receive a buyer who is back; as *news*, tell the open page how far the shop's server has come."""
        attempt, _ = self._attempt(request)
        arrival = Arrival.read(request.path_params["kind"], request.query_params)
        if not news and SHOWN not in request.query_params:
            attempt.arrive(arrival)
        session_id, template = arrival.checkout_session_id, "arrived-news.html" if news else "arrived.html"
        values: dict[str, Any] = {"kind": arrival.kind, "token": attempt.token, "again": AGAIN}
        return self._page(template, session_id=session_id, outcome=outcome(self.journal, session_id), **values)

    async def _take_notification(self, request: Request) -> Response:
        inbox = self.inbox
        if inbox is None:
            return Response(status_code=503)  # asks Amazon to repeat it: the shop may listen by then
        body = await request.body()
        # In a thread: the certificate may have to be fetched.
        status = await asyncio.to_thread(inbox.receive, body)
        work = BackgroundTask(asyncio.to_thread, inbox.work) if inbox.at_once else None
        return Response(status_code=status, background=work)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        nonce = secrets.token_urlsafe(12)
        # What Amazon's own script loads, and from where, is not documented.
        headers = page_headers(_POLICY.format(nonce=nonce, amazon=" https:" if self._public else ""))
        shop = {"name": self.name, "logo": self.logo, "customer": self.customer, "colors": self._colors}
        page = _PAGES.get_template(template).render(values | shop, t=self._texts, nonce=nonce)
        return HTMLResponse(page, status, headers)
