"""The stage's server: one screen, the speaker's window and the buyer's phone, on loopback.

The screen hears of each change by server-sent events, and says what the presenter wants by small posts.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from amazonpay_nb.client.snippets import LANGUAGES, snippet
from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.loopback import Guard, LoopbackServer, browser_address, is_foreign, relative_address, route
from amazonpay_nb.shop.colors import palette
from amazonpay_nb.spec.parity import behaviors, topics
from amazonpay_nb.stage import view
from amazonpay_nb.stage.brand import MOST_BYTES
from amazonpay_nb.stage.performance import Performance
from amazonpay_nb.stage.phone import ENDINGS, WAYS
from amazonpay_nb.stage.story import stories, story
from amazonpay_nb.texts import page_headers, templates

_PAGES = Path(__file__).with_name("pages")
_TEMPLATES = templates(_PAGES)
_TEMPLATES.globals |= view.TABLES | {
    "view": view, "topics": topics, "behaviors": behaviors, "stories": stories, "most": MOST_BYTES,
    "snippet": snippet, "programs": {name: title.split()[-1] for name, title in LANGUAGES.items()},
}  # fmt: skip
PARTS = ("top", "server", "what-if", "money", "foot", "notes", "brand", "diagram", "help")
MOST_WINDOWS = 32
_RETRY_MILLISECONDS = 500  # before a window that has lost the stage looks for it again
_LOOPBACK = "http://127.0.0.1:* http://localhost:*"
_HEADERS = page_headers(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    f"img-src 'self' data:; frame-src 'self' {_LOOPBACK}; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'self' {_LOOPBACK}"
)


def _one_of(names: Iterable[str], name: str) -> str:
    if name not in names:
        raise ValueError(name)
    return name


class Stage:
    """One story on one screen; several windows may look at it.

    Args:
        name, chosen: The story, and the merchant's face: see `Brand.of`.
        port: 0 takes a free one.
        keep_alive: After how many seconds without news a window hears that the stage is still there.
        options: As for `Performance`.
    """

    def __init__(
        self, name: str, chosen: Mapping[str, str] = {}, *, port: int = 0, keep_alive: float = 15, **options: Any
    ) -> None:
        self._options, self._keep_alive = options, keep_alive
        self._windows: set[Callable[[], object]] = set()
        self._open, self._program, self._turn = True, "python", threading.Lock()
        self._tell(name, chosen)
        self._server = LoopbackServer(Guard(self._app()), port=port)
        self._server.start()
        self.url = f"{self._server.url}/{name}/1"

    def __repr__(self) -> str:
        return f"The stage: {self.url}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        url = browser_address(self.url)
        return {"text/plain": repr(self), "text/html": _TEMPLATES.get_template("frame.html").render(url=url)}

    def close(self) -> None:
        """Close the screen, the shop and the emulator; windows that are open say so."""
        self._open = False
        self._wake()
        self._server.stop()
        with self._turn:  # what a command has opened is closed as well
            self.performance.close()

    def _tell(self, name: str, chosen: Mapping[str, str]) -> None:
        self.performance = Performance(story(name), chosen, **self._options)
        self.performance.on_change = self._wake

    def _tell_another(self, name: str) -> None:
        before = self.performance
        self._tell(name, before.brand.chosen)
        before.close()
        self._wake()

    def _write(self, name: str) -> None:
        self._program = _one_of(LANGUAGES, name)
        self._wake()

    def _wake(self) -> None:
        for wake in tuple(self._windows):
            with suppress(RuntimeError):  # its server has ended
                wake()

    def _app(self) -> Starlette:
        routes = [
            route("GET", "/", self._screen),
            route("GET", "/events", self._events),
            *(route("GET", f"/{name}", partial(self._page, f"{name}.html")) for name in ("phone", "speaker", "parity")),
            route("GET", "/diagram", partial(self._page, "drawing.svg", kind="image/svg+xml")),
            route("POST", "/do", self._do),
            Mount("/static", StaticFiles(directory=_PAGES / "static")),
            route("GET", "/{story}/{beat:int}", self._screen),
        ]
        return Starlette(routes=routes)

    async def _screen(self, request: Request) -> Response:
        if request.path_params.get("story") in stories():
            return await self._page("stage.html", request, root="../")
        root = "../" if request.path_params else "./"
        return RedirectResponse(f"{root}{self.performance.story.name}/{self.performance.at + 1}", 303)

    async def _page(self, name: str, request: Request, *, root: str = "./", kind: str = "text/html") -> Response:
        def still() -> str:
            with self.performance.command:
                return _render(name, self._values() | {"root": root})

        return Response(await asyncio.to_thread(still), media_type=kind, headers=_HEADERS)

    async def _events(self, request: Request) -> Response:
        if is_foreign(request.headers):
            return PlainTextResponse("Only pages of this machine may look at the stage.", 403)
        if len(self._windows) >= MOST_WINDOWS:
            return PlainTextResponse(f"{MOST_WINDOWS} windows look at the stage; close one, and reload.", 503)
        return StreamingResponse(self._scenes(request), media_type="text/event-stream", headers=_HEADERS)

    async def _scenes(self, request: Request) -> AsyncIterator[str]:
        changed = asyncio.Event()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, changed.set)
        room = len(self._windows) < MOST_WINDOWS  # several may have asked at once
        self._windows.update([wake] if room else [])
        try:
            yield f"retry: {_RETRY_MILLISECONDS}\n\n"
            while self._open and room:
                changed.clear()
                yield f"data: {json.dumps(await asyncio.to_thread(self._scene, request))}\n\n"
                while self._open and not changed.is_set():
                    try:
                        await asyncio.wait_for(changed.wait(), self._keep_alive)
                    except TimeoutError:
                        yield ": still here\n\n"
            yield "event: end\ndata:\n\n"
        finally:
            self._windows.discard(wake)

    async def _do(self, request: Request) -> Response:
        """Do what the presenter wants: ``{"do": "next"}``; see `_carry_out`."""
        return await asyncio.to_thread(self._answer, await request.body())

    def _answer(self, body: bytes) -> Response:
        try:
            with self._turn:  # what waits is not read yet: it takes many times its size then
                self._carry_out(json.loads(body))
        except (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
            return JSONResponse({"problem": self.performance.texts("ui.unknown")}, 400)
        except AmazonPayError as error:
            field, problem = self.performance.brand.advice(error, self.performance.texts)
            return JSONResponse({"field": field, "problem": problem}, 400)
        return Response(status_code=204)

    def _carry_out(self, wish: dict[str, Any]) -> None:
        performance = self.performance  # a story that another takes the place of opens nothing any more
        commands: dict[str, Callable[..., None]] = {
            "next": performance.next, "back": performance.back, "go": lambda beat: performance.go(int(beat) - 1),
            "buyer": lambda ending: performance.play_buyer(_one_of(ENDINGS, ending)),
            "happen": lambda way: performance.happen(_one_of(WAYS, way)),
            "what-if": performance.try_what_if, "dress": performance.dress,
            "story": self._tell_another, "program": self._write,
        }  # fmt: skip
        commands[wish.pop("do")](**wish)

    def _scene(self, request: Request) -> dict[str, Any]:
        """Return what is on the screen: the parts of the page, and what its script needs to know.

        Addresses are relative to the stage's own, or absolute.
        """
        performance = self.performance
        with performance.command:
            values = self._values()
            phone, texts = performance.phone, performance.texts
            app = "" if phone.url else _render("phone.html", values)
            key = f"{phone.key}-{crc32(app.encode())}"
            url = relative_address(request.url.path, request.headers, phone.url) or f"phone?{key}"
            return {
                "begun": bool(values["act"]),
                "state": values["state"],
                "address": f"{performance.story.name}/{values['at'] + 1}",
                "phone": {"key": key, "url": url, "title": texts("ui.phone")},
                "visit": relative_address(request.url.path, request.headers, performance.begins_at),
                "lang": texts.tag,
                "title": f"{performance.words('title')} · {performance.brand.merchant_name}",
                "parts": {part: _render(f"{part}.html", values) for part in PARTS},
            }

    def _values(self) -> dict[str, Any]:
        performance = self.performance
        brand, state, at, act = performance.brand, performance.state, performance.at, performance.act
        return {
            "state": state,
            "p": performance, "t": performance.texts, "w": performance.words, "act": act, "at": at, "root": "./",
            "beat": performance.story.beats[at], "beats": performance.story.beats,
            "lines": view.lines(performance, act) if act else [],
            "colors": palette(brand.merchant_color), "brand": brand, "program": self._program,
        }  # fmt: skip


def _render(template: str, values: dict[str, Any]) -> str:
    return _TEMPLATES.get_template(template).render(values)
