"""One stay of the buyer at Amazon, as a notebook waits for it: from a page of the shop to an arrival at the shop."""

import asyncio
import html
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

import amazonpay_nb.shop.buyer as scripted_buyer
from amazonpay_nb.client.journal import AMAZON_PAY_PAGES, BUYER, SHOP_PAGE, SHOP_SERVER
from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.loopback import browser_address
from amazonpay_nb.shop import Arrival, Attempt
from amazonpay_nb.workbench.kernel import display
from amazonpay_nb.workbench.show import show

if TYPE_CHECKING:
    from amazonpay_nb.workbench.bench import Workbench

__all__ = ["STARTS", "HostedPage", "Start"]

FRAME_HEIGHT = 720
_BUYER_SECONDS = 30  # how long the script waits for a page


@dataclass(frozen=True, slots=True)
class Start:
    """What a stay begins with.

    Attributes:
        page: What the page is.
        script: What a script does there.
        person: What you do there.
    """

    page: str
    script: str
    person: str


STARTS = {
    "button": Start("The shop's page with the {button} button", "press it", "press the button"),
    "load": Start("The shop's page that goes to Amazon by itself", "open it", "sign in"),
    "click": Start("The shop's page with its own button", "press it", "press the button"),
    "review": Start("The shop's review page", "read it", "change something, or place the order"),
    "redirect": Start("Amazon's page that processes the payment", "open it", "go on"),
}

# What happens in a stay, for the sequence diagram; the arrival follows.
_POST = (SHOP_PAGE, AMAZON_PAY_PAGES, "POST /checkout/initiate")
_CHOOSE = (BUYER, AMAZON_PAY_PAGES, "sign in, choose, decide")
_ORDER = ((BUYER, SHOP_PAGE, "place the order"), (SHOP_PAGE, SHOP_SERVER, "the order, with the chosen shipping option"))
_REDIRECT = ((SHOP_SERVER, BUYER, "redirect to amazonPayRedirectUrl"), (BUYER, AMAZON_PAY_PAGES, "pay"))
_CHANGE = (
    (BUYER, SHOP_PAGE, "change the address or the payment method"),
    (SHOP_PAGE, AMAZON_PAY_PAGES, "GET /checkout/initiate_auth"),
    (BUYER, AMAZON_PAY_PAGES, "choose another"),
)
_EVENTS = {
    "button": ((BUYER, SHOP_PAGE, "press the {button} button"), _POST, _CHOOSE),
    "load": ((BUYER, SHOP_PAGE, "open the shop's page"), _POST, _CHOOSE),
    "click": ((BUYER, SHOP_PAGE, "press the shop's own button"), _POST, _CHOOSE),
    "redirect": _REDIRECT,
}
# On the review page the buyer decides what happens; the arrival tells.
_REVIEW_EVENTS = {"ordered": _ORDER, "result": _ORDER + _REDIRECT}


class HostedPage:
    """A page that leads the buyer to Amazon, and the wait for the way back.

    Attributes:
        arrival: The way back, when it has happened; `settle` takes it down.
        shown: Whether the page is on the screen.
    """

    def __init__(
        self, bench: "Workbench", attempt: Attempt, url: str, *, start: str = "button", button: str = "Amazon Pay"
    ):
        self._bench, self.attempt, self.url = bench, attempt, url
        self._start, self._button = start, button
        self.arrival = attempt.begin_stay()
        self.shown = False
        self._settling, self._settled = threading.Lock(), False

    def __repr__(self) -> str:
        row = STARTS[self._start]
        if self._bench.buyer == "script":
            return f"{row.page.format(button=self._button)}; a script will {row.script}."
        return f"{row.person.capitalize()} on {self.url}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        self.shown = True
        if self._bench.buyer == "script":
            return {"text/plain": repr(self)}
        return {"text/plain": repr(self), "text/html": self.html}

    @property
    def html(self) -> str:
        """The page in a frame, and a link to it."""
        url = html.escape(browser_address(self.url))
        frame = (
            f'<iframe class="amazonpay-page" title="The shop, then Amazon\'s pages" src="{url}" '
            f'style="width:100%;height:{FRAME_HEIGHT}px;border:1px solid #8885;border-radius:8px"></iframe>'
        )
        tab = f'<a href="{url}" target="_blank" rel="noopener">Open it in a tab</a>'
        link = f"<p>Play the buyer: {STARTS[self._start].person}. {tab}</p>"
        # Amazon's own pages refuse to be framed, so on a real environment there is only the link.
        return link + (frame if self._bench.emulator else "")

    async def returned(self, timeout: float | None = None, **script: Any) -> Arrival:
        """Wait until the buyer is back at the shop.

        Args:
            timeout: Seconds; `wait_seconds` of the run when left out.
            script: For the scripted buyer: what `buyer.approve` takes, or ``ending="cancel"`` or ``"decline"``; on the
                review page ``change="changePayment"`` or ``"changeAddress"``, else ``shipping="express"``.
        Raises:
            BuyerPageError: Nobody came back in time, or the wait was interrupted.
        """
        if self.arrival.done():  # the buyer is back already: the cell was run again, or a panel has waited
            return self.settle()
        if self._bench.buyer == "script" or self._unseen():
            await asyncio.to_thread(self._play, **script)
        else:
            if not self.shown:  # who waits for you must have shown you the page
                display(self)
            display(show(f"Waiting for you to {STARTS[self._start].person} and to come back from Amazon's pages …"))
        await self.attempt.returned(timeout or self._bench.wait_seconds, self.arrival)
        return self.settle()

    def _unseen(self) -> bool:
        # Voila shows a cell's output when the cell has ended, so nobody could play on a page that this cell shows.
        return not self.shown and self._bench.emulator is not None and "VOILA_REQUEST_URL" in os.environ

    def settle(self) -> Arrival:
        """Return the arrival that has happened; whoever sees it first takes the stay down, once."""
        arrival = self.arrival.result()
        with self._settling:
            if not self._settled:
                self._settled = True
                self._take_down(arrival)
        return arrival

    def _take_down(self, arrival: Arrival) -> None:
        events = _EVENTS.get(self._start) or _REVIEW_EVENTS.get(arrival.kind, _CHANGE)
        if arrival.kind != "ordered":
            events += ((AMAZON_PAY_PAGES, SHOP_SERVER, f"back at the {arrival.kind} address"),)
        for source, target, text in events:
            self._bench.journal.step(source, target, text.format(button=self._button), self._bench.now())

    def _play(self, *, ending: str = "approve", change: str = "", shipping: str = "", **options: Any) -> None:
        if self._bench.emulator is None:
            raise BuyerPageError(
                "A script cannot play the buyer on Amazon's own pages.", advice='Use buyer="you" with this environment.'
            )
        play: dict[str, Callable[..., str]] = {
            "approve": scripted_buyer.approve, "cancel": scripted_buyer.cancel, "decline": scripted_buyer.decline,
        }  # fmt: skip
        address = self.url
        with httpx.Client(verify=self._bench.emulator.verify, timeout=_BUYER_SECONDS) as browser:
            if change:
                address = scripted_buyer.find_change(address, change, http=browser)
            elif self._start == "review":
                address = scripted_buyer.place_order(address, shipping, http=browser)
            if not address.startswith(self.attempt.address("ordered")):
                address = play[ending](address, http=browser, **options)
            scripted_buyer.arrive(address, http=browser)
