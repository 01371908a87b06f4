"""Puts the API, the hosted pages and the control interface together as one ASGI application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from amazonpay_nb.emulator.api.pipeline import build_api, routed_path
from amazonpay_nb.emulator.control import CONTROL_PATH, build_control
from amazonpay_nb.emulator.notifications.post import Deliveries
from amazonpay_nb.emulator.pages.routes import build_pages
from amazonpay_nb.emulator.rules.transitions import fire_due
from amazonpay_nb.emulator.world import World
from amazonpay_nb.loopback import Guarded, bounded

__all__ = ["Gateway", "build_app"]

# How often a real-time clock looks at the agenda.
TICK_SECONDS = 0.2


def build_app(world: World, token: str) -> "Gateway":
    """Return the application."""
    deliveries = Deliveries(world, fire_due)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(world)) if world.clock.mode == "real" else None
        deliveries.start()
        yield
        if ticking:
            ticking.cancel()
        await deliveries.stop()
        world.store.close()

    app = FastAPI(
        title="Amazon Pay API, emulated", version="2", lifespan=lifespan, redirect_slashes=False,
        docs_url=None, redoc_url=None, openapi_url=None,
    )  # fmt: skip
    build_api(app, world)
    build_control(app, world, token, deliveries)
    deliveries.mount(app)
    build_pages(app, world)
    return Gateway(app)


async def _tick(world: World) -> None:
    while True:
        with world.store.transaction():
            fire_due(world, datetime.now(UTC))
        if world.outbox.ready:
            world.outbox.wake()
        await asyncio.sleep(TICK_SECONDS)


class Gateway:
    """What every request passes first.

    It takes the environment segment and a trailing slash off the path that is routed (`raw_path` keeps what was sent,
    for the signature), bounds the body, and lends the application a way to drop the connection.  Calls prove who they
    are, by a signature or by the token; pages ask nobody, so they are shown by names of this machine only.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app, self._pages = app, Guarded(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event, as ASGI prescribes."""
        app: ASGIApp = self._app
        if scope["type"] == "http":
            path = routed_path(scope["path"])
            scope["path"] = path if path.startswith("/v2") else scope["path"]
            # The server's `send` is a method of the object that owns the socket; ASGI itself cannot drop a connection.
            cycle = getattr(send, "__self__", None)
            scope["abort"] = lambda: cycle.transport.abort() if cycle else None
            receive = bounded(receive)
            app = self._app if scope["path"].startswith(("/v2", CONTROL_PATH)) else self._pages
        await app(scope, receive, send)
