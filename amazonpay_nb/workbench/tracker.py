"""The tracker of a waiting cell: where the buyer is, what to do there for this cell, and what was done instead of it.

Sentences, and the facts that choose them, are in ``waits.toml``.
"""

import asyncio
import math
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from amazonpay_nb.shop import Arrival
from amazonpay_nb.spec.flows import PAGES
from amazonpay_nb.spec.simulations import CARDS
from amazonpay_nb.workbench import kernel
from amazonpay_nb.workbench.show.blocks import render

Facts = Mapping[str, Any]
_ROWS: dict[str, list[dict[str, Any]]] = tomllib.loads(Path(__file__).with_name("waits.toml").read_text("utf-8"))
# What `HostedPage.returned` can be told, and what it means to be told nothing.
_USUAL = {
    "ending": "", "card": "", "then": "", "address": "", "consent": True, "mfa": "pass", "change": "", "shipping": "",
}  # fmt: skip
_LOOK_SECONDS = 0.5


def _sentence(table: str, facts: Facts) -> str:
    """Return the text of the first row that fits."""
    for row in _ROWS[table]:
        if all(_fits(facts[name], value) for name, value in row["when"].items()):
            return str(row["text"].format_map(facts))
    raise LookupError(f"waits.toml: no row of {table} fits {dict(facts)}")


def _fits(fact: Any, value: Any) -> bool:
    return bool(fact) is value if isinstance(value, bool) else fact in (value if isinstance(value, list) else [value])


def _card(last4: str) -> dict[str, str]:
    card = CARDS.get(last4)
    name = f"{card.brand} that ends in {last4}" if card else "card"
    return {"name": name, "effect": str(card.trigger) if card else "success"}


def wish(start: str, script: Facts) -> dict[str, Any]:
    """Return what a cell wants of the buyer: the facts of ``waits.toml``, from what it says to `returned`."""
    facts: dict[str, Any] = {**_USUAL, **script, "start": start}
    facts["card_name"], facts["then_name"] = _card(facts["card"])["name"], _card(facts["then"])["name"]
    facts["effect"] = _card(facts["then"] or facts["card"])["effect"]
    facts["ending"] = facts["ending"] or _sentence("endings", facts)
    return {**facts, "goal": _sentence("goals", facts)}


def amiss(wish: Facts, arrival: Arrival, visit: Facts) -> str:
    """Return what the buyer did instead of what a cell wants; "" where all is well.

    Args:
        visit: What the emulator has seen of the stay; nothing on the Sandbox, where only the arrival is known.
    """
    card = _card(visit.get("card", ""))
    facts = {
        **wish, "kind": arrival.kind, "state": visit.get("state", ""), "reason": visit.get("reasonCode") or "",
        "chosen": card["name"], "chosen_effect": card["effect"],
        "other_card": bool(visit and wish["card"]) and card["effect"] != wish["effect"],
        "other_consent": bool(visit) and visit["saves"] != wish["consent"],
    }  # fmt: skip
    return _sentence("amiss", {**facts, "saw": _sentence("saw", facts)})


def time_left(seconds: float) -> str:
    """Return the rest of a wait in words, rounded up to minutes, and to tens of seconds in the last one."""
    if seconds > 60:
        return f"{math.ceil(seconds / 60)} minutes"
    return f"{max(1, math.ceil(seconds / 10)) * 10} seconds"


class Tracker:
    """What the outputs of a page and of the cell that waits for it show until the buyer is back.

    Args:
        places: Where it is shown.
        url: The first page, as the browser reaches it.
        title: What the first page is called.
        look: Asks where at Amazon the buyer is: nothing before the buyer is there; None where nobody knows.
        why: What went wrong before this try.
    """

    def __init__(
        self, places: Iterable[str], wish: Facts, *, url: str, title: str, look: Callable[[], Facts] | None, why: str
    ) -> None:
        self._places, self._wish, self._url, self._title, self._look, self._why = places, wish, url, title, look, why
        self._next_look, self._at, self._shown = 0.0, dict[str, Any](), {"": ""}

    async def glance(self, left: float) -> None:
        """Show what has changed.

        Args:
            left: Seconds until the wait ends.
        """
        if self._look and time.monotonic() >= self._next_look:
            with suppress(httpx.HTTPError, RuntimeError):  # the workbench was closed
                self._at = dict(await asyncio.to_thread(self._look))
            self._next_look = time.monotonic() + _LOOK_SECONDS
        page = self._at.get("page") or (self._wish["start"] if self._look else "unknown")
        todo = _sentence("todo", {**self._wish, "page": page, "notice": self._at.get("notice", "")})
        where = f"You are here: {PAGES.get(page, self._title)}. " if self._look else ""
        state = f"{where}About {time_left(left)} left."
        self.show(tracked(f"Waiting for you: {todo}.", self._url, state, why=self._why, goal=self._wish["goal"]))

    def show(self, bundle: dict[str, str]) -> None:
        """Show something, if it is new."""
        if bundle != self._shown:
            self._shown = bundle
            for place in self._places:
                kernel.display_at(place, bundle)


def tracked(todo: str, url: str = "", state: str = "", **values: str) -> dict[str, str]:
    """Return what a tracker shows, by media type; without a *url*, the stay is over."""
    html = render("tracker.html.j2", **{"why": ""} | values, todo=todo, url=url, state=state)
    return {"text/plain": f"{todo} {url}".rstrip(), "text/html": html}
