"""A reader's own server beside the notebook: buyers come back from Amazon's pages to its routes."""

from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from amazonpay_nb.loopback import Guard, serve
from amazonpay_nb.shop import Arrival, Attempt, Shop
from amazonpay_nb.shop.attempt import ARRIVALS
from amazonpay_nb.workbench.kernel import repeatable


class OwnServer:
    """An ASGI application on a loopback port, to which buyers return in the place of the shop.

    Attributes:
        url: Its address, without a slash at the end.
    """

    def __init__(self, app: ASGIApp, shop: Shop) -> None:
        self._app, self._shop = app, shop
        self._attempts: dict[str, Attempt] = {}
        self._server = serve(Guard(self._answer)).start()
        self.url, self.close = self._server.url, self._server.stop

    def __repr__(self) -> str:
        return repeatable(f"Your server: {self.url}")

    def new_attempt(self) -> Attempt:
        """Start an attempt with return addresses at this server: ``/result/TOKEN``, ``/cancel/TOKEN`` and so on."""
        attempt = self._shop.new_attempt(self.url)
        return self._attempts.setdefault(attempt.token, attempt)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, _, token = scope.get("path", "").strip("/").partition("/")
        attempt = self._attempts.get(token) if kind in ARRIVALS and scope.get("method") != "HEAD" else None
        if attempt:
            attempt.on_return(kind)
        try:
            await self._app(scope, receive, send)
        finally:  # whoever waits for the buyer goes on when the route has done its work
            if attempt:
                attempt.arrive(Arrival.read(kind, QueryParams(scope["query_string"])))
