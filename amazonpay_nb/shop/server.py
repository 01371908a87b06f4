"""A small shop on a loopback port.

Each attempt to use Amazon Pay is an `Attempt` with return addresses of its own.  A random token in them ties a return
to its attempt, so an address without a token, or with one of an earlier run, counts as no arrival.
"""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import jinja2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from amazonpay_nb.client.button import embed
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.loopback import Guard, LoopbackServer, browser_address, relative_address, route
from amazonpay_nb.shop.attempt import Arrival, Attempt, Review, arrived
from amazonpay_nb.shop.bookkeeping import happenings, outcome, payments, saved_methods
from amazonpay_nb.shop.colors import OWN_COLOR, palette
from amazonpay_nb.shop.inbox import INBOX_PATH, Inbox
from amazonpay_nb.spec.flows import RETURN_PARAMETER
from amazonpay_nb.texts import Texts, languages

__all__ = ["ARRIVALS", "LANGUAGES", "Shop"]

_HERE = Path(__file__).parent
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "pages"), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
_PAGES.filters["embed"] = embed
# Values of ``checkoutLanguage``.
LANGUAGES = languages(_HERE / "texts")
# The pages a buyer can come back to; what stands there until the merchant's server has done its part.
ARRIVALS = ("result", "review", "ordered", "cancel", "signed-in")


def _seen(request: Request, address: str) -> str:
    return relative_address(request.url.path, request.headers, address)


def _new_token() -> str:
    return secrets.token_urlsafe(12)


class Shop:
    """The shop's server.

    Args:
        name: What the shop is called on its pages.
        color: Fills its buttons, as ``#rrggbb``; the color of the text on them is computed.
        language: One of `LANGUAGES`.
        journal: The exchanges of the shop's server with Amazon Pay, from which the pages are written.
        new_token: Makes the token of an attempt; pass a seeded one for outputs that repeat.
        public: On a hub, return to the address at which the hub shows the shop.  Amazon's own pages need that; the
            emulator's pages run beside the shop.
    Attributes:
        inbox: Takes in notifications, or None while the shop does not listen.
    """

    def __init__(
        self, name: str = "Emulated Shop", *, color: str = OWN_COLOR, language: str = "en_US",
        journal: Journal | None = None, new_token: Callable[[], str] = _new_token, public: bool = False, port: int = 0,
    ) -> None:  # fmt: skip
        self.name = name
        self.journal = Journal() if journal is None else journal
        self._texts = Texts(_HERE / "texts", language)
        self._colors = palette(color)
        self._new_token, self._public = new_token, public
        self._attempts: dict[str, Attempt] = {}
        self.inbox: Inbox | None = None
        self._server = LoopbackServer(Guard(self._app()), port=port).start()
        self.url = self._server.url

    def new_attempt(self) -> Attempt:
        """Start an attempt with addresses of its own."""
        public = browser_address(self.url) if self._public else ""
        attempt = Attempt(self.url, self._new_token(), public if "//" in public else "")
        self._attempts[attempt.token] = attempt
        return attempt

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """The latest arrival of each attempt that brought a Checkout Session's id."""
        done = (attempt.arrival.result() for attempt in self._attempts.values() if attempt.arrival.done())
        return tuple(arrival for arrival in done if arrival.checkout_session_id)

    @property
    def account_url(self) -> str:
        """The page with the saved payment methods and the payments."""
        return f"{self.url}/account"

    def both_sides_url(self, attempt: Attempt) -> str:
        """Return the page that shows an attempt from both sides: the shop's page, and what the shop's server does."""
        return f"{self.url}/both/{attempt.token}"

    def close(self) -> None:
        """Stop answering."""
        self._server.stop()
        if self.inbox:
            self.inbox.close()

    def _app(self) -> Starlette:
        app = Starlette(
            routes=[
                route("GET", "/", self._home),
                route("GET", "/account", self._account),
                route("GET", "/server", self._merchant_side),
                route("GET", "/server/news", self._merchant_news),
                route("GET", "/both/{token}", self._both_sides),
                route("GET", "/pay/{token}", self._pay),
                route("GET", "/order/{token}", self._show_review),
                route("POST", "/order/{token}", self._take_order),
                route("POST", INBOX_PATH, self._take_notification),
                route("GET", "/{kind}/{token}/news", self._arrival_news),
                route("GET", "/{kind}/{token}", self._arrive),
            ]
        )
        app.router.redirect_slashes = False
        return app

    # --- What the shop shows by itself: the account, and the merchant's side of things --------------------------------

    async def _home(self, request: Request) -> Response:
        return RedirectResponse("account", 303)

    async def _account(self, request: Request) -> Response:
        return self._page("account.html", **self._books())

    async def _merchant_side(self, request: Request) -> Response:
        return self._page("server.html", **self._books())

    async def _merchant_news(self, request: Request) -> Response:
        return self._page("server-news.html", **self._books())

    async def _both_sides(self, request: Request) -> Response:
        attempt = self._attempt(request)
        return self._page("both.html", attempt=attempt) if attempt else self._page("lost.html", 404)

    # --- The pages of an attempt, and the addresses that the buyer comes back to --------------------------------------

    def _attempt(self, request: Request) -> Attempt | None:
        return self._attempts.get(request.path_params["token"])

    async def _pay(self, request: Request) -> Response:
        attempt = self._attempt(request)
        if attempt is None or attempt.button is None:
            return self._page("lost.html", 404)
        script_url, config = _seen(request, attempt.button[0]), attempt.button[1]
        # What the page says around the button: by what makes it go to Amazon, else by the button's placement.
        offer = attempt.start if attempt.start != "button" else config.get("placement", "Other").lower()
        return self._page("pay.html", script_url=script_url, config=config, offer=offer, attempt=attempt)

    async def _show_review(self, request: Request) -> Response:
        attempt = self._attempt(request)
        return self._review(attempt, request) if attempt and attempt.review else self._page("lost.html", 404)

    async def _take_order(self, request: Request) -> Response:
        attempt = self._attempt(request)
        if attempt is None or attempt.review is None:
            return self._page("lost.html", 404)
        if attempt.review.redirect_url:  # Amazon knows what the order costs, so the buyer can pay
            return RedirectResponse(_seen(request, attempt.review.redirect_url), 303)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        return self._order(attempt, attempt.review, request, form.get("shipping", [""])[0])

    async def _arrival_news(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        is_arrival = self._attempt(request) is not None and kind in ARRIVALS
        return self._arrival("arrived-news.html", kind, request) if is_arrival else self._page("lost.html", 404)

    async def _arrive(self, request: Request) -> Response:
        attempt, kind = self._attempt(request), request.path_params["kind"]
        if attempt is None or kind not in ARRIVALS:
            return self._page("lost.html", 404)
        attempt.arrive(arrived(kind, request.query_params))
        return self._arrival("arrived.html", kind, request)

    async def _take_notification(self, request: Request) -> Response:
        inbox = self.inbox
        if inbox is None:
            return Response(status_code=503)  # asks for a repetition: the shop may listen by then
        body = await request.body()
        # In a thread: the certificate may have to be fetched.
        status = await asyncio.to_thread(inbox.receive, body)
        return Response(status_code=status, background=BackgroundTask(inbox.work) if inbox.at_once else None)

    def _books(self) -> dict[str, Any]:
        journal = self.journal
        return {"methods": saved_methods(journal), "payments": payments(journal), "happenings": happenings(journal)}

    def _arrival(self, template: str, kind: str, request: Request) -> Response:
        session_id = arrived(kind, request.query_params).checkout_session_id
        ended = outcome(self.journal, session_id) if session_id else None
        return self._page(template, kind=kind, session_id=session_id, outcome=ended, token=request.path_params["token"])

    def _review(self, attempt: Attempt, request: Request, error: bool = False) -> Response:
        values = {"attempt": attempt, "review": attempt.review, "cart": attempt.cart, "error": error}
        script_url = _seen(request, attempt.script_url)
        return self._page("review.html", 400 if error else 200, script_url=script_url, **values)

    def _order(self, attempt: Attempt, review: Review, request: Request, shipping: str) -> Response:
        """Take the order; now it is the turn of the merchant's server."""
        if attempt.cart and attempt.cart.shipping_options:
            try:
                attempt.cart = attempt.cart.with_shipping(shipping)
            except ValueError:
                return self._review(attempt, request, error=True)
        query = urlencode({RETURN_PARAMETER: review.session_id})
        return RedirectResponse(_seen(request, f"{attempt.address('ordered')}?{query}"), 303)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        values |= {"name": self.name, "t": self._texts, "colors": self._colors}
        return HTMLResponse(_PAGES.get_template(template).render(values), status, headers)
