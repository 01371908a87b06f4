"""The words of a wait: what a cell wants of the buyer, what to do on each page, and what was done instead.

Sentences, and the facts that choose them, are in ``waits.toml``.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amazonpay_nb import emulator, shop
from amazonpay_nb.shop import Arrival, Cart
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.flows import PAGES
from amazonpay_nb.spec.simulations import CARDS
from amazonpay_nb.texts import Texts

Facts = Mapping[str, Any]
_ROWS: dict[str, list[dict[str, Any]]] = read("waits.toml", beside=__file__)
# Whose pages a sentence quotes -> their texts.
_PAGES = {"shop": Path(shop.__path__[0]) / "texts", "amazon": Path(emulator.__path__[0]) / "pages" / "texts"}
# What `HostedPage.returned` can be told, and what it means to be told nothing.
_NOTHING = dict.fromkeys(("ending", "card", "then", "address", "change", "shipping"), "")
_USUAL = {**_NOTHING, "consent": True, "mfa": "pass"}


def sentence(table: str, facts: Facts) -> str:
    """Return the text of the first row of a table that fits."""
    row = next(row for row in _ROWS[table] if all(_fits(facts[name], value) for name, value in row["when"].items()))
    return str(row["text"].format_map(facts))


def _fits(fact: Any, value: Any) -> bool:
    return bool(fact) is value if isinstance(value, bool) else fact in (value if isinstance(value, list) else [value])


def _card(last4: str) -> tuple[str, str]:
    card = CARDS.get(last4)
    return (f"{card.brand} that ends in {last4}", str(card.trigger)) if card else ("", "success")


def wish(start: str, script: Facts, language: str = "en_US") -> dict[str, Any]:
    """Return what a cell wants of the buyer, by what it says to `returned`, and the words of pages in a *language*."""
    quotes = {name: Texts(folder, language) for name, folder in _PAGES.items()}
    facts: dict[str, Any] = {**_USUAL, **script, "start": start, **quotes}
    facts["delivery"] = quotes["shop"](f"delivery.{facts['shipping']}") if facts["shipping"] else ""
    facts["card_name"], facts["then_name"] = _card(facts["card"])[0], _card(facts["then"])[0]
    facts["effect"] = _card(facts["then"] or facts["card"])[1]
    facts["ending"] = facts["ending"] or sentence("endings", facts)
    return {**facts, "goal": sentence("goals", facts)}


def amiss(wish: Facts, arrival: Arrival, visit: Facts, cart: Cart | None = None) -> str:
    """Return what the buyer did instead of what a cell wants, as far as a *visit* is known; "" where all is well."""
    chosen, effect = _card(visit.get("card", ""))
    facts = {
        **wish, "kind": arrival.kind, "state": visit.get("state", ""), "reason": visit.get("reasonCode") or "",
        "chosen": chosen, "chosen_effect": effect, "other_card": visit and wish["card"] and effect != wish["effect"],
        "other_consent": visit and visit["saves"] != wish["consent"],
        "other_delivery": cart and wish["shipping"] not in ("", cart.shipping),
    }  # fmt: skip
    return sentence("amiss", {**facts, "saw": sentence("saw", facts)})


def guide(wish: Facts, visit: Facts | None, first_page: str, seconds: float) -> dict[str, str]:
    """Return what to do now, and how things stand; a *visit* is empty before it begins, and None if nobody knows it."""
    at = visit or {}
    page = "unknown" if visit is None else at.get("page", wish["start"])
    todo = sentence("todo", {**wish, "page": page, "notice": at.get("notice", "")})
    where = "" if visit is None else f"You are here: {PAGES.get(page, first_page)}. "
    left = f"About {time_left(seconds)} left." if seconds > 0 else ""
    return {"todo": f"Waiting for you: {todo}.", "state": f"{where}{left}".rstrip()}


def time_left(seconds: float) -> str:
    """Return the rest of a wait in words, rounded up to minutes, and to tens of seconds in the last one."""
    if seconds > 60:
        return f"{math.ceil(seconds / 60)} minutes"
    return f"{max(1, math.ceil(seconds / 10)) * 10} seconds"
