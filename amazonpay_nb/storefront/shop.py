"""A small shop on a loopback port.

Each attempt to use Amazon Pay is a `Visit` with its own return addresses.  They hold a random token of that visit,
which ties a return to the visit it belongs to: an address without it, or with one of an earlier run, is no arrival.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from amazonpay_nb.button import embed
from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.spec.visits import RETURN_PARAMETER

__all__ = ["Arrival", "Storefront", "Visit"]

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True, undefined=jinja2.StrictUndefined
)
# How often a wait looks up.  Not one long sleep: a kernel notices its stop button only when the event loop turns.
GLANCE_SECONDS = 0.1
# The pages a buyer can come back to; what stands there until the merchant's server has done its part.
_ARRIVALS = {
    "result": "Thank you. We are finishing this with Amazon Pay; go back to the notebook.",
    "review": "Please review your order; go on in the notebook.",
    "cancel": "Nothing was saved and nothing was charged. You can try again in the notebook.",
    "signed-in": "Welcome. We are finishing this with Amazon Pay; go back to the notebook.",
}


def _new_token() -> str:
    return secrets.token_urlsafe(12)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The buyer's browser is back at the shop.  This alone proves nothing: only Complete Checkout Session does.

    Attributes:
        kind: ``result``, ``review``, ``cancel`` or ``signed-in``.
        checkout_session_id: What Amazon added to the address, or "".
    """

    kind: str
    checkout_session_id: str


class Visit:
    """One attempt to use Amazon Pay."""

    def __init__(self, shop_url: str, token: str) -> None:
        self.token = token
        self.page_url = f"{shop_url}/pay/{token}"
        self._shop_url = shop_url
        self.button: tuple[str, dict[str, Any]] | None = None
        self.arrival: Future[Arrival] = Future()

    def address(self, kind: str) -> str:
        """Return the return address for a kind of arrival."""
        return f"{self._shop_url}/{kind}/{self.token}"

    @property
    def result_url(self) -> str:
        """For ``checkoutResultReturnUrl``."""
        return self.address("result")

    @property
    def cancel_url(self) -> str:
        """For ``checkoutCancelUrl``."""
        return self.address("cancel")

    def offer(self, script_url: str, config: dict[str, Any]) -> str:
        """Put the button on the visit's page and return the page's address."""
        self.button = (script_url, config)
        return self.page_url

    async def returned(self, timeout: float) -> Arrival:
        """Wait until the buyer is back.

        Args:
            timeout: Seconds.
        Raises:
            BuyerPageError: Nobody came back in time, or the wait was interrupted; the page stays open.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        try:
            while not self.arrival.done() and loop.time() < end:
                await asyncio.sleep(GLANCE_SECONDS)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise BuyerPageError(
                "The wait was interrupted; nothing was changed.",
                advice="The page is still open: run this cell again to go on waiting.",
            ) from None
        if not self.arrival.done():
            raise BuyerPageError(
                f"Nobody came back from Amazon's pages within {timeout:g} seconds.",
                advice="The page is still open: finish there and run this cell again, or start with a new visit.",
            )
        return self.arrival.result()


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
        async def pay(token: str) -> HTMLResponse:
            visit = self._visits.get(token)
            if visit is None or visit.button is None:
                return self._page("lost.html", 404)
            script_url, config = visit.button
            return self._page("pay.html", script_url=script_url, config=embed(config))

        @app.get("/{kind}/{token}")
        async def arrive(kind: str, token: str, request: Request) -> HTMLResponse:
            visit = self._visits.get(token)
            if visit is None or kind not in _ARRIVALS:
                return self._page("lost.html", 404)
            arrival = Arrival(kind, request.query_params.get(RETURN_PARAMETER, ""))
            if not visit.arrival.done():  # a reloaded page is no second arrival
                visit.arrival.set_result(arrival)
            return self._page("arrived.html", kind=kind, text=_ARRIVALS[kind])

        return app

    def _page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        return HTMLResponse(_PAGES.get_template(template).render(name=self.name, **values), status, headers)
