"""Buyers: each has a context of its own in one real Chromium, driven by Playwright, which is imported here alone."""

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal.answer import Answer, Failed, NotTried, Visit, ask, filled, limited_memory, path_of_url
from amazonpay_nb.rehearsal.plan import BUTTON_PAGES, Action, Plan, state_problem
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.flows import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Request, Response

_EXTRA = "the extra amazonpay-nb[rehearse] and a Chromium (Debian: apt-get install chromium)"
HOW_TO_GET = f"Install {_EXTRA}, or name one with --browser."
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing leaves this machine.
_ALONE = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE ::1",
    # A call between browsers asks for no host; the older name and the newer one.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)  # fmt: skip
PAGE_SECONDS = BUTTON_SECONDS = 10.0  # for a page to answer, and then for its button
_SLOW = 200  # milliseconds between two steps, for a person who watches
_ERROR = re.compile(r"net::ERR_(\w+)")
_MOST_PAGES = 40  # more than any flow has
_MOST_BODIES = 200  # of one page, to be read
_LONGEST_COMPLAINT, _MOST_HEARD = 500, 100  # characters; messages of one page's console
T = TypeVar("T")
# Fills in the form of one of Amazon's pages and presses its button.
_PRESS = """({card, action}) => {
  const form = document.querySelector("main form");
  if (!form) return document.querySelector("[role=alert]")?.innerText ?? document.body.innerText;
  const choice = form.querySelector(`input[name=card][value="${card}"]`), save = form.querySelector("input[name=save]");
  if (choice) choice.checked = true;
  if (save) save.checked = true;
  const button = form.querySelector(`button[name=action][value="${action}"]`) ?? form.querySelector("button");
  setTimeout(() => button.click());
  return "";
}"""


@contextmanager
def chromium(path: str | None, *, headed: bool, proxy: str) -> Iterator["Browser | str"]:
    """Run the browser at *path*, on the PATH, or Playwright's own; give the reason instead where there is none.

    Amazon's hosts are reached by the *proxy*, "" for the emulator's own addresses.
    """
    if path == "none":
        yield 'It needs a buyer, and browser is "none".'
        return
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        yield f"Playwright is not installed. {HOW_TO_GET}"
        return
    program = path or os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    with ExitStack() as stack:
        with limited_memory():
            playwright = stack.enter_context(sync_playwright())
        try:
            browser = playwright.chromium.launch(
                executable_path=program, args=[*_ALONE, *_through(proxy)], headless=not headed,
                slow_mo=_SLOW if headed else 0,
                handle_sigint=False, handle_sigterm=False, handle_sighup=False,
            )  # fmt: skip
        except Error as error:
            if path or headed:
                problem = f"{path or 'Chromium'} is no browser that can be started{' with a window' if headed else ''}."
                raise ConfigurationError(problem, advice=HOW_TO_GET) from error
            yield f"There is no Chromium. {HOW_TO_GET}"
            return
        try:
            yield browser
        except Error as error:
            raise ConfigurationError(f"The browser has ended: {str(error).partition(chr(10))[0]}") from error
        finally:
            with suppress(Error):
                browser.close()


def _through(proxy: str) -> list[str]:
    # Other hosts of a page do not ask the proxy, whose refusals are then the server's alone.
    choice = f"/amazon/.test(host) ? 'PROXY {urlsplit(proxy).netloc}' : 'DIRECT'"
    script = quote(f"function FindProxyForURL(url, host) {{ return {choice} }}")
    return [f"--proxy-pac-url=data:application/x-ns-proxy-autoconfig,{script}"] if proxy else []


class Buyer:
    """A buyer with a browser of their own: *amazon* tells Amazon's addresses, *note* keeps and numbers an exchange."""

    def __init__(
        self, browser: "Browser", plan: Plan, http: httpx.Client, amazon: Callable[[str], bool],
        note: Callable[..., dict[str, Any]],
    ) -> None:  # fmt: skip
        from playwright.sync_api import Error

        self._error, self._plan, self._http, self._amazon, self._note = Error, plan, http, amazon, note
        self.bodies: list[str] = []  # what the browser has received from the server, as text
        self.blocked: set[str] = set()  # hosts that were asked for, neither the server's nor Amazon's
        self.complaint, self._heard = "", 0  # what its pages said last in the console as an error
        self._received: list[Response] = []
        self._document: Response | None = None
        self._reviews = False  # whether the buyer comes back to a review page
        self._asked, self.returned = plan.server.url, ""  # where Amazon has sent the buyer
        self.context = browser.new_context(ignore_https_errors=True, service_workers="block", accept_downloads=False)
        self.context.set_default_timeout(PAGE_SECONDS * 1000)
        # To make a page may take a busy machine long; a limit is for what the server's pages then do.
        self.page = self._bounded(self.context.new_page())
        self._bounded(self.context)
        self.page.on("request", self._ask)
        self.page.on("requestfailed", self._miss)
        self.page.on("response", self._receive)
        self.page.on("console", self._hear)
        self.page.on("pageerror", self._hear)

    def close(self) -> None:
        """Close the browser's context."""
        with suppress(self._error):  # the browser may be gone
            self.context.close()

    def _is_server(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.hostname in LOOPBACK_HOSTS and parts.port == urlsplit(self._plan.server.url).port

    def _miss(self, request: "Request") -> None:
        if not (self._is_server(request.url) or self._amazon(request.url)):
            self.blocked.add(urlsplit(request.url).hostname or "")

    def _hear(self, said: "ConsoleMessage | Error") -> None:
        self._heard += 1
        if self._heard == _MOST_HEARD:  # a page that never falls silent would keep us from all else
            self.page.remove_listener("console", self._hear)
            self.page.remove_listener("pageerror", self._hear)
        if getattr(said, "type", "error") == "error":
            self.complaint = str(said)[:_LONGEST_COMPLAINT]

    def _bounded(self, thing: T) -> T:
        """Set a limit where Playwright has none: a page that computes without an end would be waited for as long."""
        anything: Any = thing
        synchronously = anything._sync

        async def in_time(answer: Awaitable[Any]) -> Any:
            try:
                async with asyncio.timeout(PAGE_SECONDS + 1):  # where it has one, that comes first
                    return await answer
            except TimeoutError:
                raise self._error("The page does not answer.") from None

        anything._sync = lambda answer: synchronously(in_time(answer))
        return thing

    def _ask(self, request: "Request") -> None:
        if request.is_navigation_request() and request.frame == self.page.main_frame and self._is_server(request.url):
            before, self._asked = request.redirected_from, request.url
            if self._amazon(before.url if before else self.page.url):
                self.returned = request.url

    def _receive(self, response: "Response") -> None:
        if self._is_server(response.url) and len(self._received) < _MOST_BODIES:
            self._received.append(response)
        request: Request = response.request
        if request.is_navigation_request() and response.frame == self.page.main_frame:
            self._document = response
            if self._is_server(response.url) or response.status >= httpx.codes.BAD_REQUEST:
                self._note("buyer", method=request.method, path=path_of_url(response.url), status=response.status)

    def _go(self, act: Callable[[], object]) -> Visit:
        self._document = None
        try:
            with self.page.expect_navigation(wait_until="domcontentloaded"):
                act()
        except self._error as error:
            code = "".join(_ERROR.findall(str(error))[:1])
            if code == "HTTP_RESPONSE_CODE_FAILURE" and self._document:  # a refusal without a body
                return Visit(self._document.status, self._document.url)
            problem = {"TOO_MANY_REDIRECTS": "no end of redirects", "": f"no answer within {PAGE_SECONDS:g} s"}
            return Visit(None, self._asked, problem.get(code, f"no answer (ERR_{code})"))
        finally:
            self._read_bodies()
        return Visit(self._document.status if self._document else None, self.page.url)

    def _read_bodies(self) -> None:
        # Those of now: a page may ask without an end, and be answered without one.
        received, self._received, end = self._received, [], monotonic() + PAGE_SECONDS
        for response in received:
            if monotonic() < end:
                with suppress(self._error, UnicodeDecodeError):  # a redirect has none, and a picture is no text
                    self.bodies.append(self._bounded(response).text())

    def open(self, path: str) -> Visit:
        """Open a page of the server."""
        url = path if "://" in path else self._plan.server.url + path
        return self._go(lambda: self.page.goto(url, wait_until="commit"))

    def reload(self) -> Visit:
        """Open the last address of the server again."""
        return self.open(self._asked)

    def button(self, page: str) -> "Locator":
        """Open a page of the plan and return its button."""
        visit = self.open(self.path_of(page))
        if visit.status is None or visit.status >= httpx.codes.BAD_REQUEST:
            raise NotTried(f"the button cannot be seen: {visit}.")
        button = self._bounded(self.page.locator(self._plan.pages.button).first)
        try:
            button.wait_for(state="visible", timeout=BUTTON_SECONDS * 1000)
        except self._error:
            hosts = f" It asked for {', '.join(sorted(self.blocked))}, out of reach here." if self.blocked else ""
            console = f" Its console says: {self.complaint}" if self.complaint else ""
            missing = f"{self.path_of(page)} shows no button {self._plan.pages.button!r}."
            raise NotTried(f"{missing}{hosts}{console}") from None
        self._read_bodies()
        return button

    def click(self, page: str) -> Visit:
        """Open a page of the plan and press its button, wherever that leads."""
        button = self.button(page)
        return self._go(lambda: button.dispatch_event("click"))

    def evaluate(self, script: str) -> Any:
        """Return what a script says of the page."""
        try:
            return self.page.evaluate(script)
        except self._error:
            raise NotTried(f"the page at {path_of_url(self._asked)} does not answer.") from None

    def path_of(self, page: str) -> str:
        """Return the path of a page of the plan."""
        path: str = getattr(self._plan.pages, page) if page in BUTTON_PAGES else ""
        if not path:
            raise NotTried(f"the plan has no page {page}.")
        return path

    def press(self, page: str) -> Visit:
        """Go from a page of the plan to Amazon's first page."""
        visit, self._reviews = self.click(page), page == "express"
        if visit.status != httpx.codes.OK or not self._amazon(visit.url):
            raise NotTried(f"the button does not lead to Amazon's pages ({visit}): see button.signature.")
        return visit

    def approve(self, *, card: str = "1111") -> Visit:
        """Agree to everything on Amazon's pages, and come back to the server; an order under review is placed."""
        visit = self._walk({"payment-method": {"card": card}, "challenge": {"action": "pass"}})
        order = self._bounded(self.page.locator(self._plan.pages.order).first)
        if visit.status == httpx.codes.OK and self._reviews and self._shows(order):
            visit = self._go(lambda: order.dispatch_event("click"))
            if self._amazon(visit.url):
                return self._walk({"challenge": {"action": "pass"}})
        return visit

    def cancel(self) -> Visit:
        """Cancel on Amazon's first page."""
        return self._walk({name: {"action": "cancel"} for name in PAGES})

    def decline(self) -> Visit:
        """Pay by a card that is declined, and come back."""
        return self.approve(card="3434")

    def _shows(self, thing: "Locator") -> bool:
        with suppress(self._error):
            return thing.count() > 0
        return False

    def _walk(self, choices: dict[str, dict[str, str]]) -> Visit:
        visit = Visit(None, self.page.url, "Amazon's pages never end")
        for _ in range(_MOST_PAGES):
            if not self._amazon(self.page.url):
                return visit
            name = urlsplit(self.page.url).path.rsplit("/", 1)[-1]
            choice = {"card": "", "action": "continue"} | choices.get(name, {})
            visit = self._go(partial(self._fill, choice))
            if visit.problem:
                return visit
        return visit

    def _fill(self, choice: dict[str, str]) -> None:
        if problem := str(self.page.evaluate(_PRESS, choice)):  # nothing follows
            raise Failed(f"Amazon's page says: {' '.join(problem.split())}")

    # --- What no browser's page does: requests with its cookies ---

    def act(self, name: str, **values: str) -> Answer:
        """Ask the server for an action of the plan."""
        return self.acts(name, 1, **values)[0]

    def acts(self, name: str, times: int, **values: str) -> list[Answer]:
        """Ask for the same several times at once."""
        action: Action | None = getattr(self._plan.actions, name)
        if action is None:
            raise NotTried(f"the plan has no action {name}.")
        url = self._plan.server.url + filled(action.path, values)
        cookies = "; ".join(f"{one['name']}={one['value']}" for one in self.context.cookies(url))
        request = self._http.build_request(
            action.method, url, json=filled(action.json, values), data=filled(action.form, values),
            headers={b"cookie": cookies.encode()} if cookies else {},
        )  # fmt: skip
        facts = {"method": action.method, "path": path_of_url(url), "status": None, **values}
        # What is asked again and again is in no evidence but in what was seen.
        unnoted: dict[str, Any] = {"number": 0}
        rows = [unnoted if name == "state" else self._note("rehearsal", **facts) for _ in range(times)]
        with ThreadPoolExecutor(times) as pool:
            done = [*pool.map(lambda _: ask(self._http, request), rows)]
        for row, (answer, fresh) in zip(rows, done, strict=True):
            row["status"] = answer.status
            for one in fresh:
                with suppress(self._error):  # a browser would not keep it either
                    self.context.add_cookies([{"name": one.name, "value": one.value or "", "url": url}])
        return [answer._replace(number=row["number"]) for row, (answer, _) in zip(rows, done, strict=True)]

    def state(self) -> dict[str, Any]:
        """Return what the server says of this buyer."""
        answer = self.act("state")
        if answer.status != httpx.codes.OK:
            raise Failed(f"the state cannot be read: the answer is {answer.status or 'missing'}.")
        if problem := state_problem(answer.json):
            raise Failed(f"the state is not in the form of docs/own-server.md: {problem}")
        return dict(answer.json)
