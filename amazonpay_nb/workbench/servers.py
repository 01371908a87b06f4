"""A reader's own server beside a notebook, to whose routes buyers come back from Amazon's pages."""

from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from amazonpay_nb.loopback import Guard, serve
from amazonpay_nb.redaction import redact
from amazonpay_nb.shop import Arrival, Attempt, Shop
from amazonpay_nb.shop.attempt import ARRIVALS
from amazonpay_nb.texts import page_headers
from amazonpay_nb.workbench.kernel import cells, repeatable
from amazonpay_nb.workbench.show.blocks import render

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class OwnServer:
    """An ASGI application on a loopback port, to which buyers return in the place of the shop.

    Its address itself shows which routes there are, and which cell made them, unless the application answers there.
    A return address that is opened again with the same session is a page of the shop's, and no other return.
    """

    def __init__(self, app: ASGIApp, shop: Shop) -> None:
        self._app, self._shop = app, shop
        self._attempts: dict[str, Attempt] = {}
        self._back: set[tuple[str, Arrival]] = set()  # tokens and arrivals with a session
        self._cells = redact(cells())
        self._server = serve(Guard(self._answer)).start()
        self.url, self.close = self._server.url, self._server.stop

    def __repr__(self) -> str:
        return repeatable(f"Your server: {self.url}")

    def new_attempt(self) -> Attempt:
        """Start an attempt with return addresses at this server: ``/result/TOKEN``, ``/cancel/TOKEN`` and so on."""
        attempt = self._shop.new_attempt(self.url)
        return self._attempts.setdefault(attempt.token, attempt)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        routes = getattr(self._app, "routes", ())  # of Starlette's; another application answers for itself
        if scope.get("path") == "/" and routes and all(route.matches(scope)[0] is Match.NONE for route in routes):
            page = render("own_server.html.j2", routes=routes, cells=self._cells)
            await HTMLResponse(page, headers=page_headers(_POLICY))(scope, receive, send)
            return
        kind, _, token = scope.get("path", "").strip("/").partition("/")
        arrival = Arrival.read(kind, QueryParams(scope.get("query_string", b"")))
        counts = kind in ARRIVALS and scope.get("method") != "HEAD" and (token, arrival) not in self._back
        attempt = self._attempts.get(token) if counts else None
        if attempt:
            attempt.on_return(kind)
        try:
            await self._app(scope, receive, send)
        finally:  # whoever waits for the buyer goes on when the route has done its work
            if attempt:
                self._back |= {(token, arrival)} if arrival.checkout_session_id else set()
                attempt.arrive(arrival)
