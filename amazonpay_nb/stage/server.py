"""The stage's server: one screen, the speaker's window and the buyer's phone, on loopback.

The screen hears of each change by server-sent events, and says what the presenter wants by small posts.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.loopback import Guard, LoopbackServer, browser_address, route
from amazonpay_nb.shop.colors import palette
from amazonpay_nb.spec.parity import behaviors, topics
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.stage import view
from amazonpay_nb.stage.performance import Performance
from amazonpay_nb.stage.story import stories, story
from amazonpay_nb.texts import templates

_PAGES = Path(__file__).with_name("pages")
_TEMPLATES = templates(_PAGES)
PARTS = ("top", "server", "what-if", "money", "notes")
_LOOPBACK = "http://127.0.0.1:* http://localhost:*"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    f"img-src 'self' data:; frame-src 'self' {_LOOPBACK}; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'self' {_LOOPBACK}"
)
_KEEP_ALIVE_SECONDS = 15


class Stage:
    """One story on one screen; several windows may look at it.

    Args:
        name: One of `story.stories`.
        chosen: The merchant's face, see `brand.NAMES`.
        port: 0 takes a free one.
        pace: As for `Performance`.
    Attributes:
        url: Where the screen is.
    Raises:
        ConfigurationError: A name or choice is not usable.
        OSError: The port is in use.
    """

    def __init__(self, name: str, chosen: Mapping[str, str] = {}, *, port: int = 0, **options: Any) -> None:
        self.performance = Performance(story(name), chosen, **options)
        self._server = LoopbackServer(Guard(self._app()), port=port)
        self._server.start()
        self.url = f"{self._server.url}/{name}/1"

    def __repr__(self) -> str:
        return f"The stage: {self.url}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        url = browser_address(self.url)
        return {"text/plain": repr(self), "text/html": _TEMPLATES.get_template("frame.html").render(url=url)}

    def close(self) -> None:
        """Close the screen, the shop and the emulator."""
        self._server.stop()
        self.performance.close()

    def _app(self) -> Starlette:
        routes = [
            route("GET", "/", self._home),
            route("GET", "/events", self._events),
            route("GET", "/phone", self._phone),
            route("GET", "/speaker", self._speaker),
            route("GET", "/parity", self._parity),
            route("POST", "/do", self._do),
            Mount("/static", StaticFiles(directory=_PAGES / "static")),
            route("GET", "/{story}/{beat:int}", self._screen),
        ]
        return Starlette(routes=routes)

    async def _home(self, request: Request) -> Response:
        return RedirectResponse(f"{self.performance.story.name}/{self.performance.at + 1}", 303)

    async def _screen(self, request: Request) -> Response:
        return self._page("stage.html")

    async def _speaker(self, request: Request) -> Response:
        return self._page("speaker.html")

    async def _phone(self, request: Request) -> Response:
        return self._page("phone.html")

    async def _parity(self, request: Request) -> Response:
        return self._page("parity.html", topics=topics(), behaviors=behaviors())

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._scenes(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _scenes(self) -> AsyncIterator[str]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def hear() -> None:
            loop.call_soon_threadsafe(changed.set)

        end = self.performance.listen(hear)
        try:
            while True:
                changed.clear()
                yield f"data: {json.dumps(self.scene())}\n\n"
                try:
                    await asyncio.wait_for(changed.wait(), _KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            end()

    async def _do(self, request: Request) -> Response:
        """Do what the presenter wants: ``{"do": "next"}``; see `_commands`."""
        try:
            wish = await request.json()
            command = self._commands()[wish.pop("do")]
            await asyncio.to_thread(command, **wish)
        except (KeyError, TypeError, ValueError, IndexError):
            return JSONResponse({"problem": "The stage knows no such command."}, 400)
        except AmazonPayError as error:
            return JSONResponse({"problem": str(error)}, 400)
        return Response(status_code=204)

    def _commands(self) -> dict[str, Callable[..., None]]:
        performance = self.performance
        return {
            "next": performance.next,
            "back": performance.back,
            "go": lambda beat: performance.go(int(beat) - 1),
            "buyer": lambda ending: performance.play_buyer(ending),
            "happen": lambda way: performance.happen(way),
            "what-if": lambda name: performance.try_what_if(name),
            "dress": lambda **choices: performance.dress(**choices),
        }

    def scene(self) -> dict[str, Any]:
        """Return what is on the screen: the parts of the page, and what its script needs to know."""
        performance, values = self.performance, self._values()
        phone = performance.phone
        return {
            "at": performance.at + 1,
            "state": performance.state,
            "address": f"/{performance.story.name}/{performance.at + 1}",
            "phone": {"key": phone.key, "url": phone.url or f"/phone?{phone.key}"},
            "lang": performance.texts.tag,
            "parts": {part: _TEMPLATES.get_template(f"{part}.html").render(values) for part in PARTS},
        }

    def _values(self) -> dict[str, Any]:
        performance = self.performance
        act = performance.act
        if act and performance.state != "done" and act.ends == act.begins:
            act.ends = len(performance.journal)
        tried = act.what_ifs if act else {}
        return {
            "p": performance, "t": performance.texts, "w": performance.words, "act": act, "view": view,
            "lines": view.act_lines(performance, act) if act else [],
            "branches": {name: [view.branch(performance, row) for row in rows] for name, rows in tried.items()},
            "money": view.money(performance, performance.journal), "month": view.month(performance),
            "colors": palette(performance.brand.merchant_color), "brand": performance.brand,
            "regions": REGIONS, "stories": stories(), "Markup": Markup,
        }  # fmt: skip

    def _page(self, template: str, **values: Any) -> Response:
        html = _TEMPLATES.get_template(template).render(self._values() | values)
        headers = {
            "cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff",
            "content-security-policy": _POLICY,
        }  # fmt: skip
        return HTMLResponse(html, headers=headers)
