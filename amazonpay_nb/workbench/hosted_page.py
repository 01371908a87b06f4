"""One stay of the buyer at Amazon, as a notebook waits for it: from a page of the shop to an arrival at the shop."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx

import amazonpay_nb.shop.buyer as scripted_buyer
from amazonpay_nb.client.journal import AMAZON_PAY_PAGES, SHOP_SERVER
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.loopback import browser_address, http_client, without_sockets
from amazonpay_nb.shop import Arrival, Attempt
from amazonpay_nb.spec.data import read
from amazonpay_nb.workbench import kernel
from amazonpay_nb.workbench.show.blocks import render
from amazonpay_nb.workbench.tracker import amiss, guide, wish

# Seconds between two looks of a wait: a kernel notices its stop button only when the event loop turns.
GLANCE_SECONDS = 0.25
STARTS: dict[str, dict[str, Any]] = read("starts.toml", beside=__file__)


class HostedPage:
    """A page that leads the buyer to Amazon, and the wait for the buyer's return; `Workbench.hosted_page` opens one.

    Attributes:
        arrival: The buyer's return, once it has happened; `settle` records it.
        shown: Whether the page is on the screen.
        in_panel: Whether a panel shows it, with its `tracker`; a wait shows nothing of its own then.
        refresh: Brings the page up to date before another try.
    """

    def __init__(
        self, attempt: Attempt, url: str, *, start: str, button: str, buyer: str, emulator: Emulator | None,
        record: Callable[[str, str, str], object], wait_seconds: float, language: str,
    ) -> None:  # fmt: skip
        self.attempt, self.url, self._language = attempt, url, language
        self._start, self._row, self._button, self._buyer = start, STARTS[start], button, buyer
        self._emulator, self._record, self._wait_seconds = emulator, record, wait_seconds
        self._title = self._row["page"].format(button=button)
        self.arrival = attempt.begin_stay()
        self.shown = self.in_panel = False
        self.refresh: Callable[[], object] = lambda: None
        self._run = ""  # whose output has it
        self._tracked: dict[str, str] = {}
        self._wanted, self._words = wish(start, {}, language), dict[str, str]()
        self._passed: dict[str, Any] = {}  # the stay, as it was seen when all had been chosen
        self._settling, self._settled = threading.Lock(), False
        attempt.on_return = self._note
        self._before = self.look() if buyer == "you" else {}

    def __repr__(self) -> str:
        if self._buyer == "script":
            return f"{self._title}; a script will {self._row['script']}."
        return f"Open {self.url} and {self._row['person']}."

    def _ipython_display_(self) -> None:
        if self._buyer == "script":
            raise NotImplementedError  # an ordinary result, by its repr
        self._run, self.shown, self._words = kernel.run(), True, {}
        self._track(self._run)
        kernel.display({"text/plain": "", "text/html": self.frame}, f"page-{self._run}")

    def _track(self, *runs: str) -> None:
        """Show the tracker above the page and beside the cell that waits, if it is new."""
        html = self.tracker
        for run in runs:
            if self._tracked.get(run) != html:
                self._tracked[run] = html
                plain = f"{self._words.get('todo', self)} {self._words.get('state', '')}".rstrip() if html else ""
                kernel.display({"text/plain": plain, "text/html": html}, f"tracker-{run}")

    @property
    def tracker(self) -> str:
        """What to do on the page now, and a link to it; nothing once the buyer is back."""
        if self.arrival.done():
            return ""
        usual = {"todo": f"Play the buyer: {self._row['person']}.", "url": browser_address(self.url)}
        return render("tracker.html.j2", panel=self.in_panel, **usual | self._words)

    @property
    def frame(self) -> str:
        """The page in a frame; nothing for Amazon's own pages, which refuse to be framed."""
        url, server = map(browser_address, (self.url, urljoin(self.url, "/")))
        return render("hosted_page.html.j2", url=url, server=server) if self._emulator else ""

    def look(self, checkout_session_id: str = "") -> dict[str, Any]:
        """Return what ``GET visits`` of the control interface says about a stay: that of a session, else the latest.

        It is nothing where there is no stay yet, where a server of the reader's has completed the session, and on the
        Sandbox, which does not say where a buyer is.
        """
        if self._emulator is None:
            return {}
        query = urlencode({"returning": self.attempt.token})
        visits: list[dict[str, Any]] = self._emulator.control.get(f"visits?{query}")["visits"]
        visits = [visit for visit in visits if checkout_session_id in ("", visit["id"])]
        return visits[-1] if visits else {}

    async def returned(self, timeout: float | None = None, **script: Any) -> Arrival:
        """Wait until the buyer is back at the shop.

        You are told what the cell wants, and have another try if you have done something else.

        Args:
            timeout: Seconds, for each try; `wait_seconds` of the run when left out.
            script: What the buyer does: what `buyer.approve` takes, or ``ending="cancel"`` or ``"decline"``; on the
                review page ``change="changePayment"`` or ``"changeAddress"``, else ``shipping="express"``.  For a cell
                that takes whatever you do, ``ending="any"``; a script approves then.
        Raises:
            BuyerPageError: Nobody came back in time, the wait was interrupted, or the buyer did something else and the
                Checkout Session does not allow another try.
        """
        if self._buyer == "script":
            if not self.arrival.done():  # else the cell ran again, or a panel has waited
                play = partial(self.play, **script)
                await asyncio.to_thread(play) if not without_sockets() else play()
            return self.settle()
        wanted, why = wish(self._start, script, self._language), ""
        self._wanted = wanted
        while True:
            if not self.arrival.done():
                await self._watch(timeout or self._wait_seconds, why)
            arrival = self.settle()
            visit = self.look(arrival.checkout_session_id)
            over = self._passed.get("id") == arrival.checkout_session_id and not visit
            why = amiss(wanted, arrival, self._passed if over else visit, self.attempt.cart)
            if not why:
                return arrival
            if over or not self._row["again"] or (self._start == "review" and visit.get("state") != "Open"):
                message = f"{why} This cell wants you to {wanted['goal']}."
                raise BuyerPageError(message, advice="Run again from the cell that shows the button.")
            self.refresh()
            self.await_another(visit)

    def await_another(self, before: dict[str, Any]) -> None:
        """Begin another stay of the same attempt; *before* is what `look` has said about the one that has ended."""
        with self._settling:
            self.arrival, self._settled, self._before = self.attempt.begin_stay(), False, before

    def glance(self, left: float, why: str = "") -> dict[str, Any]:
        """Look where the buyer is, and have the tracker say it, the seconds *left*, and why it is another try."""
        visit = self.look()
        if "processing" in (visit.get("page"), *visit.get("passed", ())):
            self._passed = visit
        # A stay from before is not where the buyer is now.
        at = None if self._emulator is None else {} if visit == self._before else visit
        self._words = {**guide(self._wanted, at, self._title, left), "why": why, "goal": self._wanted["goal"]}
        return visit

    async def _watch(self, timeout: float, why: str) -> None:
        """Wait for the arrival; a page that is not on the screen, or was left, is shown in the running cell."""
        here = not self.in_panel and (bool(why) or not self.shown)
        if here:
            self._ipython_display_()
        runs = set() if self.in_panel else {kernel.run(), self._run or kernel.run()}
        loop, problem = asyncio.get_running_loop(), ""
        end = loop.time() + timeout
        try:
            while not self.arrival.done() and loop.time() < end:
                await asyncio.to_thread(self.glance, end - loop.time(), why)
                self._track(*runs)
                await asyncio.sleep(GLANCE_SECONDS)
        except (asyncio.CancelledError, KeyboardInterrupt):
            problem = "The wait was interrupted; nothing has changed."
        finally:
            self._words = {"todo": "The wait has ended.", "url": ""}
            self._track(*runs)
            self.shown = not here  # the output of this cell goes when the cell runs again
        if not problem and not self.arrival.done():
            problem = f"The buyer did not come back from Amazon's pages within {timeout:g} seconds."
        if problem:
            advice = "Run this cell again: it goes on waiting, or shows its page once more."
            raise BuyerPageError(problem, advice=advice)

    def settle(self) -> Arrival:
        """Return the arrival that has happened; the first caller records the stay in the journal."""
        arrival = self.arrival.result()
        self._note(arrival.kind)
        return arrival

    def _note(self, kind: str) -> None:
        with self._settling:
            events = self._row["events"]
            steps = [] if self._settled else list(events.get(kind, events["any"]))
            if steps and kind != "ordered":
                steps.append((AMAZON_PAY_PAGES, SHOP_SERVER, f"back at the {kind} address"))
            for source, target, text in steps:
                self._record(source, target, text.format(button=self._button))
            self._settled = True

    def play(
        self, *, ending: str = "approve", change: str = "", shipping: str = "",
        see: Callable[[httpx.Response], None] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Let a script go through the buyer's pages as `returned` says; *see*, called with each answer, may end it."""
        assert self._emulator is not None  # noqa: S101 (a workbench refuses a script anywhere else)
        finish = getattr(scripted_buyer, "approve" if ending == "any" else ending)
        address, hooks = self.url, {"response": [see] if see else []}
        with http_client(verify=self._emulator.verify, event_hooks=hooks) as browser:
            if change:
                address = scripted_buyer.find_change(address, change, http=browser)
            elif self._start in ("review", "checkout"):
                page = address if self._start == "review" else self.attempt.order_url
                address = scripted_buyer.place_order(page, shipping, http=browser)
            if not address.startswith(self.attempt.ordered_url):
                address = finish(address, http=browser, **options)
            scripted_buyer.arrive(address, http=browser)
