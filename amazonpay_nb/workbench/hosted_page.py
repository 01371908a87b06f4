"""One stay of the buyer at Amazon, as a notebook waits for it: from a page of the shop to an arrival at the shop."""

import asyncio
import os
import threading
import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import amazonpay_nb.shop.buyer as scripted_buyer
from amazonpay_nb.client.journal import AMAZON_PAY_PAGES, SHOP_SERVER, Journal
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.loopback import browser_address, http_client
from amazonpay_nb.shop import Arrival, Attempt
from amazonpay_nb.workbench.kernel import display
from amazonpay_nb.workbench.show import show
from amazonpay_nb.workbench.show.blocks import render

_BUYER_SECONDS = 30  # how long the script waits for a page
_ENDINGS = {name: getattr(scripted_buyer, name) for name in ("approve", "cancel", "decline")}
STARTS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("starts.toml").read_text("utf-8"))


class HostedPage:
    """A page that leads the buyer to Amazon, and the wait for the buyer's return.

    Args:
        start: One of `STARTS`.
        button: The text on the button.
        buyer: ``you`` or ``script``.
        emulator: None on the Sandbox and on live.
        journal: Records the stay, with the time of *clock*.
    Attributes:
        arrival: The buyer's return, once it has happened; `settle` records it.
        shown: Whether the page is on the screen.
    """

    def __init__(
        self, attempt: Attempt, url: str, *, start: str, button: str, buyer: str, emulator: Emulator | None,
        journal: Journal, clock: Callable[[], datetime], wait_seconds: float,
    ) -> None:  # fmt: skip
        self.attempt, self.url = attempt, url
        self._start, self._button, self._buyer = start, button, buyer
        self._emulator, self._journal, self._clock, self._wait_seconds = emulator, journal, clock, wait_seconds
        self._person = STARTS[start]["person"]
        self.arrival = attempt.begin_stay()
        self.shown = False
        self._settling, self._settled = threading.Lock(), False
        attempt.on_return = self._note

    def __repr__(self) -> str:
        start = STARTS[self._start]
        if self._buyer == "script":
            return f"{start['page'].format(button=self._button)}; a script will {start['script']}."
        return f"{self._person.capitalize()} on {self.url}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        self.shown = True
        if self._buyer == "script":
            return {"text/plain": repr(self)}
        return {"text/plain": repr(self), "text/html": self.html}

    @property
    def html(self) -> str:
        """The page in a frame, and a link to it."""
        url, framed = browser_address(self.url), self._emulator is not None
        return render("hosted_page.html.j2", url=url, person=self._person, framed=framed)

    async def returned(self, timeout: float | None = None, **script: Any) -> Arrival:
        """Wait until the buyer is back at the shop.

        Args:
            timeout: Seconds; `wait_seconds` of the run when left out.
            script: For the scripted buyer: what `buyer.approve` takes, or ``ending="cancel"`` or ``"decline"``; on the
                review page ``change="changePayment"`` or ``"changeAddress"``, else ``shipping="express"``.
        Raises:
            BuyerPageError: Nobody came back in time, or the wait was interrupted.
        """
        if self.arrival.done():  # the buyer is back already: the cell ran again, or a panel has waited
            return self.settle()
        # Voila shows a cell's output when the cell has ended, so nobody could play on a page that this cell shows.
        unseen = not self.shown and self._emulator is not None and "VOILA_REQUEST_URL" in os.environ
        if self._buyer == "script" or unseen:
            await asyncio.to_thread(self._play, **script)
        else:
            if not self.shown:  # you cannot play on a page that you have not seen
                display(self)
            display(show(f"Waiting for you to {self._person} and to come back from Amazon's pages …"))
        await self.attempt.returned(timeout or self._wait_seconds, self.arrival)
        return self.settle()

    def settle(self) -> Arrival:
        """Return the arrival that has happened; the first caller records the stay in the journal."""
        arrival = self.arrival.result()
        self._note(arrival.kind)
        return arrival

    def _note(self, kind: str) -> None:
        with self._settling:
            events = STARTS[self._start]["events"]
            steps = [] if self._settled else list(events.get(kind, events["any"]))
            if steps and kind != "ordered":
                steps.append((AMAZON_PAY_PAGES, SHOP_SERVER, f"back at the {kind} address"))
            for source, target, text in steps:
                self._journal.step(source, target, text.format(button=self._button), self._clock())
            self._settled = True

    def _play(self, *, ending: str = "approve", change: str = "", shipping: str = "", **options: Any) -> None:
        assert self._emulator is not None  # noqa: S101 (a workbench refuses a script anywhere else)
        address = self.url
        with http_client(verify=self._emulator.verify, timeout=_BUYER_SECONDS) as browser:
            if change:
                address = scripted_buyer.find_change(address, change, http=browser)
            elif self._start in ("review", "checkout"):
                address = scripted_buyer.place_order(self.attempt.order_url, shipping, http=browser)
            if not address.startswith(self.attempt.ordered_url):
                address = _ENDINGS[ending](address, http=browser, **options)
            scripted_buyer.arrive(address, http=browser)
