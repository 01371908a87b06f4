"""How a buyer presses a button: again, while nothing comes of it, since a script may bring it to life later."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

# What a press may lead to, by Playwright's names: pictures, scripts and beacons come by themselves.
_ACTS = ("document", "fetch", "xhr")


class Finger:
    """What presses the buttons of a page, and notes what the page asks for.

    Args:
        bounded: Sets a limit for what is asked of an element.
        errors: What Playwright raises.
    """

    def __init__(self, page: "Page", bounded: Callable[[Any], Any], errors: tuple[type[Exception], ...]) -> None:
        self._page, self._bounded, self._errors = page, bounded, errors
        self._awaited, self._has_asked = set[Any](), False
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)
        page.on("websocket", lambda socket: socket.on("framesent", self._tell))

    def _begin(self, request: "Request") -> None:
        if request.resource_type in _ACTS:
            if request.is_navigation_request():
                self._awaited.clear()
            self._awaited.add(request)
            self._has_asked = True

    def _end(self, request: "Request") -> None:
        self._awaited.discard(request)

    def _tell(self, _: object) -> None:
        self._has_asked = True

    def press(self, selector: str, seconds: float) -> None:
        """Press a button, and each second again until the page asks for something, or the time is over.

        What a press has led to must not be done twice, and may take its time.
        """
        for _ in range(5):
            if self._awaited:  # with what comes, the page may come to life
                self._page.wait_for_timeout(100)
        root: Any = self._bounded(self._page.query_selector(":root"))  # of this page: the next one has buttons, too
        self._has_asked, end = False, monotonic() + seconds
        self._bounded(self._page.locator(selector).first).dispatch_event("click")
        while not self._comes_of_it() and monotonic() < end:
            with suppress(*self._errors):
                for button in root.query_selector_all(selector)[:1]:
                    if self._bounded(button).is_enabled():
                        button.dispatch_event("click")

    def _comes_of_it(self) -> bool:
        for _ in range(50):  # a second, and longer where the machine is busy
            self._page.wait_for_timeout(20)
            if self._has_asked:
                return True
        return False
