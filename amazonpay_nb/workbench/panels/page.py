"""The page panel: where the buyer is between the shop's page and the way back to the shop."""

import json
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
from amazonpay_nb.workbench.panels.view import ROWS, Chosen, View, action_of, button_config_of, report_on_button
from amazonpay_nb.workbench.show.blocks import Table, facts

_AHEAD, _HERE, _BEHIND, _NOT_SHOWN = "ahead", "● here", "behind", "not shown"


class PagePanel(BenchPanel):
    """A stay at Amazon, from the shop's page to the way back: not started, under way, late, or over.

    For each visit, *offer* puts a button on the shop's page; the usual one of the button panel when left out.
    """

    reports = False  # a press of the button is no request of the client: the view reports on it

    def __init__(self, wb: Workbench, offer: Callable[[], HostedPage] | None = None) -> None:
        super().__init__(wb)
        self._offer = offer or ButtonPanel(wb).offer
        self._began = 0.0  # by the monotonic clock
        self._at: dict[str, Any] = {}

    def mark(self) -> object:
        """Return a mark that changes with the stage as well, after a look where the buyer is."""
        if self.waiting:
            self._look()
        return super().mark(), self.stage

    def _look(self) -> dict[str, Any]:
        # Where the buyer is, or was when the workbench was closed.
        with suppress(httpx.HTTPError, RuntimeError):
            self._at = self.page.glance(self._left) if self.page else {}
        return self._at

    @property
    def arrival(self) -> Arrival | None:
        """How the buyer came back, or None; the first look records it."""
        return self.page.settle() if self.page and self.page.arrival.done() else None

    @property
    def waiting(self) -> bool:
        """Whether the buyer is on the way."""
        return self.page is not None and self.arrival is None

    @property
    def _left(self) -> float:
        return self._began + self._wb.wait_seconds - time.monotonic()

    @property
    def stage(self) -> str:
        """How far the stay is, in one sentence."""
        if self.page is None:
            return "No page is open yet."
        if self.arrival:
            return f"The buyer is back. {ROWS['arrivals'][self.arrival.kind]['meaning']}"
        if self._left <= 0:  # the page is open all the same, and who comes now is welcome
            return f"The buyer did not come back within {self._wb.wait_seconds:g} seconds. The page is still open."
        return "The page is open, and the shop is waiting for the buyer."

    def view(self, chosen: Chosen) -> View:
        """Return the stage, the pages on the way, and what the redirect brought."""
        body: list[Any] = [self.stage]
        start = action_of("start", self.start)
        if self.page is not None:
            head = ("page", "whose", "buyer")
            body.append(Table("The way, as far as its pages apply", head, tuple(self.steps())))
            if self.arrival:
                body.append(facts("What came back with the redirect", list(self.facts(self.arrival))))
                body.append(report_on_button(self.page))
            start = start._replace(label="Start again")
        return View("Amazon's pages", body, (), (start,), self.page)

    def steps(self) -> Iterator[tuple[str, str, str]]:
        """Yield the pages of the stay in order, with the place of the buyer as far as it is known."""
        stay, back = self._look(), self.arrival is not None
        pages, at, passed = self._flow.stays[stay.get("visit", 0)], stay.get("page"), stay.get("passed", ())
        yield ("the page with the button", "the shop", _BEHIND if at or back else _HERE)
        for name in pages:
            here, behind = name == at and not back, name == at or name in passed
            # Amazon itself shows a page only where it applies, and does not say which it has shown.
            ahead = _AHEAD if not back else _NOT_SHOWN if stay else "not known"
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
        """Make a new attempt, and forget one that is under way."""
        self.page, self._began = self._offer(), time.monotonic()

    async def returned(self, **script: Any) -> Arrival:
        """Wait until the buyer is back; see `HostedPage.returned`.  Opens the page where that has not happened."""
        if self.page is None:
            self.act("start")
        page: Any = self.page
        arrival: Arrival = await page.returned(**script)
        self.refresh()
        return arrival
