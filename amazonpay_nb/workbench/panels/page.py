"""What the hosted-page panel knows: where the buyer is between the shop's page and the way back to the shop."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.shop import Arrival
from amazonpay_nb.spec.flows import FLOWS, PAGES, Flow, flow_of
from amazonpay_nb.workbench.panels.sent import button_sent
from amazonpay_nb.workbench.panels.view import Action, Chosen, Part, View

__all__ = ["ARRIVALS", "Brought", "PageModel", "PageStep"]

# How often the panel looks where the buyer is; between two looks it waits for the way back.
GLANCE_SECONDS = 0.5
# Kind of arrival -> what it means, and the call that comes next.
ARRIVALS = {
    "result": ("Amazon's pages are done.", "Complete Checkout Session"),
    "review": ("The buyer has chosen, and is to review the order in the shop.", "Get Checkout Session"),
    "ordered": ("The buyer has ordered in the shop.", "Update Checkout Session"),
    "cancel": ("The buyer has left Amazon's pages without agreeing.", "none: nothing was saved"),
    "signed-in": ("The buyer has signed in.", "Complete Checkout Session"),
}
_BEFORE, _HERE, _BEHIND = "ahead", "● here", "behind"


@dataclass(frozen=True, slots=True)
class PageStep:
    """One page on the way, and whether the buyer has got there."""

    page: str
    whose: str
    buyer: str


@dataclass(frozen=True, slots=True)
class Brought:
    """One thing that can be read off the address that the buyer came back to."""

    what: str
    value: str


class _Bench(Protocol):
    """What the model needs to know of a workbench."""

    emulator: Any
    wait_seconds: float


class PageModel:
    """A stay at Amazon: not started, under way, over, or given up on.

    Args:
        bench: The workbench.
        offer: Puts a button on the shop's page and returns the page; called for each new visit.
    Attributes:
        page: The page of the stay, a `HostedPage`, or None.
        late: Whether nobody came back in time; the page is open all the same.
    """

    def __init__(self, bench: _Bench, offer: Callable[[], Any]) -> None:
        self._bench, self._offer = bench, offer
        self.page: Any = None
        self.late = False
        self._at: dict[str, Any] = {}

    # --- What there is to see -----------------------------------------------------------------------------------------

    @property
    def arrival(self) -> Arrival | None:
        """How the buyer came back, or None."""
        return self.page.arrival.result() if self.page and self.page.arrival.done() else None

    @property
    def waiting(self) -> bool:
        """Whether the buyer is under way and waited for."""
        return self.page is not None and self.arrival is None and not self.late

    @property
    def stage(self) -> str:
        """Where the stay stands, in one sentence."""
        if self.page is None:
            return "No page is open yet."
        if self.arrival:
            return f"The buyer is back. {ARRIVALS[self.arrival.kind][0]}"
        if self.late:
            return f"Nobody came back within {self._bench.wait_seconds:g} seconds. The page is still open."
        return "The page is open, and the buyer is waited for."

    def view(self, chosen: Chosen) -> View:
        """Return the stage, the pages on the way, and what the redirect brought."""
        body: list[Any] = [self.stage]
        if self.page is not None:
            body.append(Part(list(self.steps()), title="The way, as far as its pages apply"))
        if self.arrival:
            body.append(Part(list(self.brought(self.arrival)), title="What the redirect brought"))
            body.append(button_sent(self.page.attempt.button[1]))
        return View("Amazon's pages", body, (), tuple(self._actions()))

    def _actions(self) -> Iterator[Action]:
        again = self.page is not None
        why = "A new visit, with return addresses of its own." if again else "Puts the button on the shop's page."
        yield Action("start", "Start again" if again else "Open the page", reason=why)
        reason = "Waits as long again; the page has not noticed." if self.late else "Nobody is late."
        yield Action("wait", "Go on waiting", self.late and not self.arrival, reason)

    def steps(self) -> Iterator[PageStep]:
        """Yield the pages of the stay in order, with the place of the buyer as far as it is known."""
        pages = list(self._flow.stays[self._at.get("visit", 0)])
        at = self._at.get("page")
        # A page that the flow's own list does not name is a way back to a choice.
        place = len(pages) if self.arrival else pages.index(at) if at in pages else -1
        yield PageStep("the page with the button", "the shop", _BEHIND if place >= 0 else _HERE)
        for number, name in enumerate(pages):
            known = place >= 0 and (_BEHIND if number < place else _HERE if number == place else _BEFORE)
            yield PageStep(PAGES[name], "Amazon", known or _BEFORE)
        yield PageStep("the return address", "the shop", _HERE if self.arrival else _BEFORE)

    def brought(self, arrival: Arrival) -> Iterator[Brought]:
        """Yield what the address of an arrival says, and what to do about it."""
        yield Brought("address", f"the {arrival.kind} address")
        token, flow = arrival.buyer_token, self._flow
        if arrival.checkout_session_id or token:
            # A token opens the buyer's data: it is told by its length.
            value = arrival.checkout_session_id or f"({len(token)} characters)"
            yield Brought(flow.returns_with, value)
        yield Brought("what it means", ARRIVALS[arrival.kind][0])
        yield Brought("what it proves", "Nothing: anybody can open an address. The next call does.")
        yield Brought("next call", "Get Buyer" if token else ARRIVALS[arrival.kind][1])

    @property
    def _flow(self) -> Flow:
        if self._at:
            return FLOWS[self._at["flow"]]
        _, config = self.page.attempt.button
        signed = config.get("createCheckoutSessionConfig") or config["signInConfig"]
        return flow_of(json.loads(signed["payloadJSON"]), config["productType"])

    # --- What can be done ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a new visit; one that was under way is not waited for any more.

        Raises:
            ConfigurationError: The page cannot be made, for example without keys.
        """
        page = self._offer()
        self.page, self.late, self._at = page, False, {}

    def wait(self) -> None:
        """Wait as long again for the same page."""
        self.late = False

    def opened(self) -> Any:
        """Return the page of the stay.

        Raises:
            ConfigurationError: There is none yet.
        """
        if self.page is None:
            raise ConfigurationError("No page is open yet.", advice="Start first.")
        return self.page

    # --- The wait -----------------------------------------------------------------------------------------------------

    def follow(self, changed: Callable[[], object]) -> None:
        """Wait for the way back, and tell whenever there is something new to see; for a thread of its own.

        It ends when the buyer is back, when the time is over, or when another visit has begun.
        """
        page, end = self.opened(), time.monotonic() + self._bench.wait_seconds
        while page is self.page:
            left = end - time.monotonic()
            try:
                page.arrival.result(max(0, min(GLANCE_SECONDS, left)))
            except TimeoutError:
                if page is not self.page or not self._goes_on(page, left, changed):
                    return
                continue
            page.settle()
            changed()
            return

    def _goes_on(self, page: Any, seconds: float, changed: Callable[[], object]) -> bool:
        before = self._at
        try:
            self._at = self._look(page)
        except (httpx.HTTPError, RuntimeError):  # the workbench was closed
            return False
        self.late = seconds <= 0
        if self.late or self._at != before:
            changed()
        return not self.late

    def _look(self, page: Any) -> dict[str, Any]:
        """Ask the emulator where the buyer is; Amazon itself does not say."""
        if self._bench.emulator is None:
            return {}
        query = urlencode({"returning": page.attempt.token})
        found = self._bench.emulator.control.get(f"visits?{query}")["visits"]
        return found[-1] if found else {}
