"""Buyers: each has a context of its own in one real Chromium, driven by Playwright, which is imported here alone."""

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import BuyerPageError, ConfigurationError
from amazonpay_nb.loopback import http_client
from amazonpay_nb.rehearsal.plan import Action, Plan, State, check_of_button, filled
from amazonpay_nb.rehearsal.pressing import Finger
from amazonpay_nb.rehearsal.server import Answer, Failed, NotTried, limited_memory, path_of_url
from amazonpay_nb.shop import buyer
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.notifications import hosts_of
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.temporary import TemporaryFolder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

_TABLE = read("browser.toml", beside=__file__)
_WITHOUT_WINDOWS, _PROGRAMS, HOW_TO_GET = _TABLE["without_windows"], _TABLE["programs"], _TABLE["how_to_get"]
LEAN = f"--disable-features={','.join(_TABLE['left_out'])}"
_START_SECONDS = 60.0
PAGE_SECONDS = BUTTON_SECONDS = 10.0  # for a page to answer, and then for its button
_NOBODY = (401, 403)  # who has not signed in has nothing
_LONGEST_PLACE = 50  # bytes of a TMPDIR: there a browser makes a socket, whose path has to be short
_SLOW = 200  # milliseconds between two steps, for a person who watches
_ERROR = re.compile(r"net::ERR_(\w+)")
_PRINTED = re.compile(r"\[err\] (.{1,300})")
_MOST_BODIES = 200  # of one page, to be read
_LONGEST_COMPLAINT = 500  # characters of what a page's console says
T = TypeVar("T")


def program_here(*, headed: bool = False) -> str | None:
    """Return the browser that the variable CHROMIUM names or, of those in the table, the first on the PATH."""
    programs = _PROGRAMS if headed else [*_WITHOUT_WINDOWS, *_PROGRAMS]
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, programs)), None)


@contextmanager
def chromium(path: str | None, emulator: Emulator, *, headed: bool) -> Iterator["Browser | str"]:
    """Run the browser at *path*, on the PATH, or Playwright's own; give the reason instead where there is none.

    Amazon's hosts of the region are reached by the proxy of the *emulator*, where it is one.  A browser that is there
    and does not start raises `ConfigurationError` with what it said.
    """
    if path == "none":
        yield 'It needs a buyer, and browser is "none".'
        return
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        yield f"Playwright is not installed. {HOW_TO_GET}"
        return
    program = path or program_here(headed=headed)
    with closing(TemporaryFolder(lent=True)) as folder, ExitStack() as stack:
        with limited_memory(), _variables(folder.path):
            try:
                playwright = stack.enter_context(sync_playwright())
            except Exception as error:  # as bare as that
                raise ConfigurationError(f"Playwright's own Node does not start: {error}", advice=HOW_TO_GET) from error
        if not program and not headed and not Path(playwright.chromium.executable_path).exists():
            yield f"There is no Chromium. {HOW_TO_GET}"
            return
        short = len(os.fsencode(folder.path)) <= _LONGEST_PLACE
        try:
            browser = playwright.chromium.launch(
                # Of the two that Playwright brings, the one that has windows.
                executable_path=program, channel=None if program else "chromium",
                args=[*_alone(emulator), LEAN], headless=not headed,
                slow_mo=_SLOW if headed else 0, timeout=_START_SECONDS * 1000,
                env={**os.environ, "TMPDIR": str(folder.path)} if short else dict(os.environ),
                handle_sigint=False, handle_sigterm=False, handle_sighup=False,
            )  # fmt: skip
        except Error as error:
            window = " with a window" if headed else ""
            problem = f"{program or 'Chromium'} is no browser that can be started{window} ({_complaint(str(error))})."
            raise ConfigurationError(problem, advice=f"{_TABLE['window'] if headed else ''}{HOW_TO_GET}") from error
        try:
            yield browser
        except Error as error:
            raise ConfigurationError(f"The browser has ended: {str(error).partition(chr(10))[0]}") from error
        finally:
            with suppress(Error):
                browser.close()


@contextmanager
def _variables(place: Path) -> Iterator[None]:
    """Give Playwright a place for its files, which a signal keeps it from tidying up, and nothing meant for others."""
    names = [name for name in os.environ if name.startswith(("TMPDIR", *_TABLE["for_others"]))]
    before = {name: os.environ.pop(name) for name in names}
    os.environ["TMPDIR"] = str(place)
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        os.environ.update(before)


def _complaint(text: str) -> str:
    """Return the first line that the browser printed or, where it printed none, that Playwright said."""
    printed = _PRINTED.search(text)
    return printed[1] if printed else text.partition("\n")[0].removeprefix("BrowserType.launch: ").rstrip(".")


def _alone(emulator: Emulator) -> list[str]:
    """Return what keeps a browser on this machine; it finds Amazon's hosts where the server does, at the *emulator*."""
    # It asks no proxy, whose refusals are then the server's alone.
    hosts = hosts_of(region_of(emulator.region)) if emulator.proxy_url else ()
    place = urlsplit(emulator.open_hosts()).netloc if hosts else ""
    amazon = "".join(f"MAP {host}:443 {place}, " for host in hosts)
    return [flag.format(amazon=amazon) for flag in _TABLE["alone"]]


class Buyer:
    """A buyer with a browser of their own, who sees the server's pages.

    Args:
        note: Keeps an exchange.
        ask: Makes one.
        person: Who it is, of those whom Amazon's first page offers, counted from 0.
    """

    def __init__(
        self, browser: "Browser", plan: Plan, emulator: Emulator, note: Callable[..., Any], ask: Callable[..., Answer],
        person: int,
    ) -> None:  # fmt: skip
        from playwright.sync_api import Error

        self._errors = (Error, TimeoutError)
        self._plan, self._emulator, self._note, self._ask, self._person = plan, emulator, note, ask, person
        self._received: list[Response] = []
        self._document: Response | None = None
        self._reader: Page | None = None
        self.reviews = False  # whether the buyer comes back to a review page
        self.returned = ""  # where Amazon leads to
        self.permission = ""  # the buyer's wallet, in the emulator's books
        self.context = browser.new_context(ignore_https_errors=True, service_workers="block", accept_downloads=False)
        self.context.set_default_timeout(PAGE_SECONDS * 1000)
        # To make a page may take a busy machine long; a limit is for what the server's pages then do.
        self.page = self._bounded(self.context.new_page())
        self._bounded(self.context)
        self.page.on("response", self._receive)
        self._finger = Finger(self.page, self._bounded, self._errors)

    def close(self) -> None:
        """Close the browser's context."""
        with suppress(*self._errors):  # the browser may be gone
            self.context.close()

    def is_amazon(self, visit: Answer) -> bool:
        """Tell whether a visit ends well on one of Amazon's pages."""
        host, region = urlsplit(visit.url).netloc, region_of(self._emulator.region)
        pages = [urlsplit(self._emulator.url).netloc]  # with a proxy, too: an order under review is confirmed there
        pages += [region.hosted_host] if self._plan.server.wiring == "proxy" else []
        return visit.status == httpx.codes.OK and host in pages

    def _bounded(self, thing: T) -> T:
        """Set a limit where Playwright has none: a page that computes without an end would be waited for as long."""
        anything: Any = thing
        synchronously = anything._sync
        # Where Playwright has a limit, that comes first.
        anything._sync = lambda answer: synchronously(asyncio.wait_for(answer, PAGE_SECONDS + 1))
        return thing

    def _receive(self, response: "Response") -> None:
        parts, request = urlsplit(response.url), response.request
        own = parts.hostname in LOOPBACK_HOSTS and parts.port == urlsplit(self._plan.server.url).port
        if own and len(self._received) < _MOST_BODIES:
            self._received.append(response)
        if request.is_navigation_request() and response.frame == self.page.main_frame:
            self._document = response
            form = [] if own else parse_qsl(request.post_data or "")  # of a button
            button = {name: value for name, value in form if name == "algorithm"}
            if own or response.status >= httpx.codes.BAD_REQUEST or button:
                path = path_of_url(response.url)
                self._note("buyer", method=request.method, path=path, status=response.status, **button)

    def _go(self, act: Callable[[], object], url: str = "") -> Answer:
        url, self._document = url or self.page.url, None
        try:
            with self.page.expect_navigation(url=self._has_arrived, wait_until="domcontentloaded"):
                act()
        except self._errors as error:
            code = "".join(_ERROR.findall(str(error))[:1])
            if code == "HTTP_RESPONSE_CODE_FAILURE" and self._document:  # a refusal without a body
                return Answer(self._document.status, self._document.url)
            leads = urlsplit(self._document.headers.get("location", "")).hostname if self._document else None
            problem = {"TOO_MANY_REDIRECTS": "no end of redirects", "": f"no answer within {PAGE_SECONDS:g} s"}
            return Answer(None, url, problem.get(code, f"no answer{f' from {leads}' if leads else ''} (ERR_{code})"))
        return Answer(self._document.status if self._document else None, self.page.url)

    def _has_arrived(self, _: str) -> bool:
        """Tell whether the server, or Amazon, has sent a page: an address may also change without one."""
        page = self._document
        return page is not None and not (httpx.codes.is_redirect(page.status) and "location" in page.headers)

    def texts(self) -> list[str]:
        """Return what the server has sent to the browser since the last look; a page lasts until the next one."""
        # What is there by now: a page may ask without an end, and be answered without one.
        received, self._received, end = self._received, [], monotonic() + PAGE_SECONDS
        texts = list[str]()
        for response in received:
            if monotonic() < end:
                texts += response.headers.values()
                with suppress(*self._errors, UnicodeDecodeError):  # a redirect has none, and a picture is no text
                    texts.append(self._bounded(response).text())
        return texts

    def open(self, place: str, tries: int = 3) -> Answer:
        """Open a page of the plan, or an address, as in a new tab: a page that is on its way may come in between."""
        url = place if "://" in place else self._plan.server.url + getattr(self._plan.pages, place)
        with suppress(*self._errors):
            self.page.goto("about:blank")
        visit = self._go(lambda: self.page.goto(url, wait_until="commit"), url)
        return self.open(place, tries - 1) if tries > 1 and "ERR_ABORTED" in visit.problem else visit

    def button(self, page: str) -> None:
        """Open a page of the plan, and wait until its button is there."""
        visit = self.open(page)
        if not visit.is_below(400):
            raise NotTried(f"the button cannot be seen: {visit}.", check_of_button(page))
        button = self._bounded(self.page.locator(self._plan.pages.button).first)
        try:
            button.wait_for(state="visible", timeout=BUTTON_SECONDS * 1000)
        except self._errors:
            seen = f"{path_of_url(self.page.url)} shows no button {self._plan.pages.button!r}.{self._complaint()}"
            raise NotTried(seen, check_of_button(page)) from None

    def _complaint(self) -> str:
        """Return what the page says in the console as an error, such as a host that is out of reach here."""
        texts = list[str]()
        with suppress(*self._errors):
            errors = [one for one in self.page.console_messages() if one.type == "error"]
            texts += [f"{one.text} ({url})" for one in errors if "/favicon.ico" not in (url := one.location["url"])]
            texts += map(str, self.page.page_errors())
        return f" Its console says: {'; '.join(dict.fromkeys(texts))[:_LONGEST_COMPLAINT]}" if texts else ""

    def press(self, page: str) -> Answer:
        """Open a page of the plan and press its button, wherever that leads."""
        self.button(page)
        self.reviews = page == "express"
        return self._press(self._plan.pages.button)

    def _press(self, selector: str) -> Answer:
        return self._go(lambda: self._finger.press(selector, PAGE_SECONDS))

    def evaluate(self, script: str) -> Any:
        """Return what a script says of the page."""
        try:
            return self.page.evaluate(script)
        except self._errors:
            raise NotTried(f"the page at {path_of_url(self.page.url)} does not answer.", check_of_button()) from None

    # --- Amazon's pages, which are the emulator's own, are played by the scripted buyer, from the one that is shown ---

    def decide(self, how: str = "approve", **choices: Any) -> None:
        """Do what a function of the scripted buyer does; the way back to the server is then at `returned`."""
        if how == "approve":
            choices["person"] = self._person
        self.reviews &= how == "approve"
        try:
            with http_client(verify=self._emulator.verify) as http:
                self.returned = getattr(buyer, how)(
                    self._emulator.url + path_of_url(self.page.url), http=http, **choices
                )
        except BuyerPageError as error:
            raise Failed(f"Amazon's page says: {error}") from None

    def come_back(self, *, lost: bool = False) -> Answer:
        """Go where Amazon leads to; an order under review is placed, and confirmed at Amazon's.

        Args:
            lost: Whether the way back from there is.
        """
        # From Amazon's page: what a browser does not send there from other sites, it does not send here.
        visit = self._go(lambda: self.page.evaluate("url => { location.href = url }", self.returned), self.returned)
        order = self._bounded(self.page.locator(self._plan.pages.order).first)
        with suppress(*self._errors):
            if self.reviews and visit.status == httpx.codes.OK:
                visit = visit._replace(problem=f", which shows no {self._plan.pages.order!r} to place the order")
                order.wait_for(state="attached", timeout=BUTTON_SECONDS * 1000)
                self.reviews = False
                visit = self._press(self._plan.pages.order)
                if self.is_amazon(visit):
                    self.decide()
                    return visit if lost else self.come_back()
        return visit

    def approve(self) -> Answer:
        """Agree to everything on Amazon's pages, and come back to the server."""
        self.decide()
        return self.come_back()

    # --- What no browser's page does: requests with its cookies ---

    def act(self, name: str, values: dict[str, str], times: int = 1) -> list[Answer]:
        """Ask the server for an action of the plan, several times at once."""
        action: Action | None = getattr(self._plan.actions, name)
        if action is None:
            raise NotTried(f"the plan has no action {name}.")
        url = self._plan.server.url + filled(action.path, values)
        cookies = "; ".join(f"{one['name']}={one['value']}" for one in self.context.cookies(url))
        body = {"json": filled(action.json, values), "data": filled(action.form, values)}
        headers = {b"cookie": cookies.encode()} if cookies else {}
        # What is asked again and again is in no evidence but in what was seen.
        by = "rehearsal" if name != "state" else ""
        with ThreadPoolExecutor(times) as pool:
            once = partial(self._ask, by, action.method, url, values, headers=headers, **body)
            answers = [*pool.map(lambda _: once(), range(times))]
        if cookies := "\n".join(chain.from_iterable(answer.cookies for answer in answers)):
            self._keep(url, cookies)
        return answers

    def _keep(self, url: str, cookies: str) -> None:
        """Let the browser itself read the cookies of an answer, one a line, in a page that nobody is asked for."""
        if not self._reader:
            self._reader = self.context.new_page()
        self._reader.route("**", lambda route: route.fulfill(headers={"set-cookie": cookies}), times=1)
        with suppress(*self._errors):
            self._reader.goto(url, wait_until="commit")

    def state(self) -> dict[str, Any]:
        """Return what the server says of this buyer."""
        [answer] = self.act("state", {})
        if answer.status in _NOBODY:
            return {"wallet": "none"}
        if answer.status != httpx.codes.OK or answer.json is None:
            raise Failed(f"the state cannot be read: {answer.status or 'no answer'}, or no JSON.")
        if problem := State.problem(answer.json):
            raise Failed(f"the state is not in the form of docs/own-server.md: {problem}")
        return dict(answer.json)
