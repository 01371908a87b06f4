"""Puts the API, the hosted pages and the control interface together as one ASGI application."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from amazonpay_nb.emulator.api.pipeline import BROKEN, Api, nothing_there, refused
from amazonpay_nb.emulator.control import CONTROL_PATH, ControlInterface, control_error
from amazonpay_nb.emulator.notifications.post import Deliveries
from amazonpay_nb.emulator.pages.routes import Pages
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import disputes, reports, transitions
from amazonpay_nb.emulator.world import World
from amazonpay_nb.loopback import MAX_BODY_BYTES, Guard, amazon_host, limit_body, route

_ENVIRONMENT_SEGMENT = re.compile(r"^/(sandbox|live)(?=/v2(/|$))", re.IGNORECASE)
_WORLD = f"{CONTROL_PATH}/world"
_MAX_WORLD_BYTES = 7 * MAX_BODY_BYTES  # JSON writes a byte of a world file as six at most, and there is its name


def build_app(world: World, token: str, drop: Callable[[tuple[str, int]], None]) -> "Gateway":
    """Return the application; the control interface asks for *token*, and *drop* ends the connection of a client."""
    deliveries = Deliveries(world, transitions.fire_due)
    pages, control = Pages(world), ControlInterface(world, token, deliveries)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        deliveries.start()
        yield
        await deliveries.stop()
        world.store.close()

    async def unknown(request: Request, error: Any) -> Response:
        if request.url.path.startswith(CONTROL_PATH):
            return control_error(error)
        if error.status_code == 413:
            return refused(world, Refusal("InvalidRequest", error.detail, status=413))
        return refused(world, nothing_there(request.method, request.url.path, path_exists=error.status_code == 405))

    async def broken(request: Request, error: Exception) -> Response:
        return refused(world, BROKEN)

    async def file_content(request: Request) -> Response:
        return Response(status_code=200 if world.store.get("File", request.path_params["file_id"]) else 404)

    async def report_content(request: Request) -> Response:
        content = reports.content_at(world, request.path_params["document_id"], request.query_params)
        return Response(content, 200 if content else 403, media_type="text/csv")

    app = Starlette(
        routes=[
            *control.routes(),
            route("GET", "/SimpleNotificationService-{digest}.pem", deliveries.certificate),
            route("PUT", disputes.CONTENT_PATH, file_content),
            route("GET", reports.CONTENT_PATH, report_content),
            *pages.routes(),
        ],
        exception_handlers={HTTPException: unknown, Refusal: pages.refused, Exception: broken},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Gateway(Api(world, drop), app, world.region.api_host)


class Gateway:
    """Hands every request to the part of the application that answers it.

    It takes the environment segment and a trailing slash off the path that is routed (`raw_path` keeps what was sent,
    for the signature), and bounds the body.  Calls prove where they come from, by a signature or by the token; pages
    ask for neither, so they are shown by names of this machine only.  What comes through the proxy has the name of one
    of Amazon's hosts, which says what is meant, as at Amazon.
    """

    def __init__(self, api: ASGIApp, app: ASGIApp, api_host: str) -> None:
        self._api, self._app, self._pages = api, app, Guard(app, from_anywhere="/checkout/initiate")
        self._api_host = api_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event, as ASGI prescribes."""
        app: ASGIApp = self._app
        if scope["type"] == "http":
            path, host = _ENVIRONMENT_SEGMENT.sub("", scope["path"]).rstrip("/"), amazon_host(scope)
            if host == self._api_host if host else path.startswith("/v2"):
                scope["path"], app = path, self._api
            elif not scope["path"].startswith(CONTROL_PATH):
                app = self._pages
            receive = limit_body(receive, _MAX_WORLD_BYTES if scope["path"] == _WORLD else MAX_BODY_BYTES)
        with contextlib.suppress(ClientDisconnect):
            await app(scope, receive, send)
