"""The page panel: where the buyer is between the shop's page and the way back to the shop."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx

from amazonpay_nb.shop import Arrival
from amazonpay_nb.spec.flows import PAGES, Flow, flow_of
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.button import ButtonPanel
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import ROWS, Action, Chosen, View, button_config_of, report_on_button
from amazonpay_nb.workbench.show.blocks import Table, facts

# How often the panel looks where the buyer is; between two looks it waits for the way back.
GLANCE_SECONDS = 0.5
_AHEAD, _HERE, _BEHIND, _NOT_SHOWN = "ahead", "● here", "behind", "not shown"


class PagePanel(BenchPanel):
    """A stay at Amazon, from the shop's page to the way back: not started, under way, over, or given up on.

    Args:
        offer: Puts a button on the shop's page and returns the page, for each visit again; a button that saves a wallet
            outside of the purchase flow when left out.
    Attributes:
        page: The page of the stay, or None.
        late: Whether nobody came back in time; the page is open all the same.
    """

    reports = False  # a press of the button is no request of the client: the view reports on it

    def __init__(self, wb: Workbench, offer: Callable[[], HostedPage] | None = None) -> None:
        super().__init__(wb)
        self._offer = offer or ButtonPanel(wb).offer
        self.page: HostedPage | None = None
        self.late = False
        self._at: dict[str, Any] = {}
        self._waiting_for: HostedPage | None = None
        self.listeners.append(self._wait_beside_the_kernel)

    @property
    def arrival(self) -> Arrival | None:
        """How the buyer came back, or None."""
        return self.page.arrival.result() if self.page and self.page.arrival.done() else None

    @property
    def waiting(self) -> bool:
        """Whether the buyer is on the way, and the panel waits."""
        return self.page is not None and self.arrival is None and not self.late

    @property
    def stage(self) -> str:
        """How far the stay is, in one sentence."""
        if self.page is None:
            return "No page is open yet."
        if self.arrival:
            return f"The buyer is back. {ROWS['arrivals'][self.arrival.kind]['meaning']}"
        if self.late:
            return f"The buyer did not come back within {self._wb.wait_seconds:g} seconds. The page is still open."
        return "The page is open, and the shop is waiting for the buyer."

    def view(self, chosen: Chosen) -> View:
        """Return the stage, the pages on the way, and what the redirect brought."""
        body: list[Any] = [self.stage]
        if self.page is not None:
            head = ("page", "whose", "buyer")
            body.append(Table("The way, as far as its pages apply", head, tuple(self.steps())))
            if self.arrival:
                body.append(facts("What came back with the redirect", list(self.facts(self.arrival))))
                body.append(report_on_button(self.page))
        return View("Amazon's pages", body, (), tuple(self._actions()), self.page)

    def _actions(self) -> Iterator[Action]:
        again = self.page is not None
        why = "A new attempt, with its own return addresses." if again else "Puts the button on the shop's page."
        yield Action("start", "Start again" if again else "Open the page", self.start, True, why)
        why = "Waits as long again; the page stays as it is." if self.late else "The buyer is not late."
        yield Action("wait", "Go on waiting", self.wait, self.late and not self.arrival, why)

    def steps(self) -> Iterator[tuple[str, str, str]]:
        """Yield the pages of the stay in order, with the place of the buyer as far as it is known."""
        pages = list(self._flow.stays[self._at.get("visit", 0)])
        at, passed, back = self._at.get("page"), self._at.get("passed", ()), self.arrival is not None
        yield ("the page with the button", "the shop", _BEHIND if at or back else _HERE)
        for name in pages:
            here, behind = name == at and not back, name == at or name in passed
            # Amazon itself shows a page only where it applies, and does not say which it has shown.
            ahead = _AHEAD if not back else _NOT_SHOWN if self._at else "not known"
            yield (PAGES[name], "Amazon", _HERE if here else _BEHIND if behind else ahead)
        yield ("the return address", "the shop", _HERE if back else _AHEAD)

    def facts(self, arrival: Arrival) -> Iterator[tuple[str, str]]:
        """Yield what the address of an arrival says, and what to do about it."""
        row, token = ROWS["arrivals"][arrival.kind], arrival.buyer_token
        yield ("address", f"the {arrival.kind} address")
        if arrival.checkout_session_id or token:
            # A token opens the buyer's data, so only its length is shown.
            yield (self._flow.returns_with, arrival.checkout_session_id or f"({len(token)} characters)")
        yield ("what it means", row["meaning"])
        yield ("what it proves", "Nothing: anybody can open an address. The next call is the proof.")
        yield ("next call", "Get Buyer" if token else row["next_call"])

    @property
    def _flow(self) -> Flow:
        config = button_config_of(self.page)
        signed = config.get("createCheckoutSessionConfig") or config["signInConfig"]
        return flow_of(json.loads(signed["payloadJSON"]), config["productType"])

    def start(self) -> None:
        """Make a new attempt, and stop waiting for one that is under way.

        Raises:
            ConfigurationError: The page cannot be made, for example without keys.
        """
        self.page, self.late, self._at = self._offer(), False, {}

    def wait(self) -> None:
        """Wait as long again for the same page."""
        self.late, self._waiting_for = False, None

    async def returned(self, **script: Any) -> Arrival:
        """Wait until the buyer is back; see `HostedPage.returned`.  Opens the page where that has not happened."""
        if self.page is None:
            self.act("start")
        page: Any = self.page
        arrival: Arrival = await page.returned(**script)
        self._at = page.look()
        self.refresh()
        return arrival

    def _wait_beside_the_kernel(self) -> None:
        page = self.page
        if self.live and self.waiting and self._waiting_for is not page:
            self._waiting_for = page
            threading.Thread(target=self.follow, args=(self.refresh,), name="panel: wait", daemon=True).start()

    def follow(self, changed: Callable[[], object]) -> None:
        """Wait for the way back, and call whenever there is something new to see; for a thread of its own.

        It ends when the buyer is back, when the time is over, or when another visit has begun.
        """
        page, end = self.page, time.monotonic() + self._wb.wait_seconds
        while page and page is self.page and not self.late:
            left = end - time.monotonic()
            with suppress(TimeoutError):
                page.arrival.result(max(0, min(GLANCE_SECONDS, left)))
                page.settle()
                self._at = page.look()
                changed()
                return
            try:
                at = page.look()
            except (httpx.HTTPError, RuntimeError):
                return  # the workbench was closed
            if page is self.page and (at != self._at or left <= 0):
                self._at, self.late = at, left <= 0
                changed()
