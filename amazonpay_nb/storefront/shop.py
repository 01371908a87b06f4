"""A small shop on a loopback port.

Each attempt to use Amazon Pay is a `Visit` with its own return addresses.  They hold a random token of that visit,
which ties a return to the visit it belongs to: an address without it, or with one of an earlier run, is no arrival.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import jinja2
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.requests import Request

from amazonpay_nb.button import embed
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.spec.visits import RETURN_PARAMETER
from amazonpay_nb.storefront.visit import Review, Visit, arrived

__all__ = ["Storefront"]

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True, undefined=jinja2.StrictUndefined
)
_PAGES.filters["embed"] = embed
_PAGES.filters["price"] = lambda price: f"{price['amount']} {price['currencyCode']}"
# The pages a buyer can come back to; what stands there until the merchant's server has done its part.
_ARRIVALS = {
    "result": "Thank you. We are finishing this with Amazon Pay; go back to the notebook.",
    "review": "Please review your order; go on in the notebook.",
    "ordered": "Thank you. We are telling Amazon Pay what your order costs; go on in the notebook.",
    "cancel": "Nothing was saved and nothing was charged. You can try again in the notebook.",
    "signed-in": "Welcome. We are finishing this with Amazon Pay; go back to the notebook.",
}
# What the page says around the button: by what makes it go to Amazon, else by the button's placement.
_OFFERS = {
    "load": ("Welcome back", "You are being sent to Amazon to sign in."),
    "click": (
        "Your payment method",
        "We could not charge your saved payment method. Choose another one, and everything else stays as it is.",
    ),
    "Home": ("Welcome", "Sign in with your Amazon account; you need no password for this shop."),
    "Product": ("Today's offer", "Address and payment method come from your Amazon account."),
    "Cart": ("Your basket", "Address and payment method come from your Amazon account. You can review everything."),
    "Checkout": ("Pay for your order", "Your order is complete but for the payment."),
    "Other": (
        "Your payment methods",
        "You have not saved a payment method yet. Save one now, and your next order needs no card number.",
    ),
}


def _new_token() -> str:
    return secrets.token_urlsafe(12)


class Storefront:
    """The shop's server.

    Args:
        name: What the shop is called on its pages.
        new_token: Makes the token of a visit; give a seeded one for outputs that repeat.
    """

    def __init__(
        self, name: str = "Emulated Shop", *, new_token: Callable[[], str] = _new_token, port: int = 0
    ) -> None:
        self.name = name
        self._new_token = new_token
        self._visits: dict[str, Visit] = {}
        self._server = LoopbackServer(self._app(), port=port).start()
        self.url = self._server.url

    def new_visit(self) -> Visit:
        """Start an attempt with addresses of its own."""
        visit = Visit(self.url, self._new_token())
        self._visits[visit.token] = visit
        return visit

    def close(self) -> None:
        """Stop answering."""
        self._server.stop()

    def _app(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

        @app.get("/pay/{token}")
        async def pay(token: str) -> Response:
            visit = self._visits.get(token)
            if visit is None or visit.button is None:
                return self._page("lost.html", 404)
            script_url, config = visit.button
            title, text = _OFFERS.get(visit.start) or _OFFERS[config.get("placement", "Other")]
            return self._page("pay.html", script_url=script_url, config=config, title=title, text=text, visit=visit)

        @app.get("/order/{token}")
        async def review(token: str) -> Response:
            visit = self._visits.get(token)
            return self._review(visit) if visit and visit.review else self._page("lost.html", 404)

        @app.post("/order/{token}")
        async def order(token: str, request: Request) -> Response:
            visit = self._visits.get(token)
            if visit is None or visit.review is None:
                return self._page("lost.html", 404)
            if visit.review.redirect_url:  # Amazon knows what the order costs, so the buyer can pay
                return RedirectResponse(visit.review.redirect_url, 303)
            form = parse_qs((await request.body()).decode("utf-8", "replace"))
            return self._order(visit, visit.review, form.get("delivery", [""])[0])

        @app.get("/{kind}/{token}")
        async def arrive(kind: str, token: str, request: Request) -> Response:
            visit = self._visits.get(token)
            if visit is None or kind not in _ARRIVALS:
                return self._page("lost.html", 404)
            visit.arrive(arrived(kind, request.query_params))
            return self._page("arrived.html", kind=kind, text=_ARRIVALS[kind])

        return app

    def _review(self, visit: Visit, error: str = "", status: int = 200) -> Response:
        return self._page("review.html", status, visit=visit, review=visit.review, cart=visit.cart, error=error)

    def _order(self, visit: Visit, review: Review, delivery: str) -> Response:
        """Take the order; now it is the turn of the merchant's server."""
        if visit.cart and visit.cart.deliveries:
            try:
                visit.cart = visit.cart.with_delivery(delivery)
            except ValueError:
                return self._review(visit, "Choose one of the deliveries.", 400)
        query = urlencode({RETURN_PARAMETER: review.session_id})
        return RedirectResponse(f"{visit.address('ordered')}?{query}", 303)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        return HTMLResponse(_PAGES.get_template(template).render(name=self.name, **values), status, headers)
