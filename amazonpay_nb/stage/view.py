"""What the screen shows of a performance: plain values for the templates in ``pages/``."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from amazonpay_nb.client.exchange import Exchange, Step
from amazonpay_nb.client.guide import months
from amazonpay_nb.client.journal import AMAZON_PAY_PAGES, SHOP_SERVER, Journal
from amazonpay_nb.client.snippets import LANGUAGES as PROGRAMS, snippet
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.money import Counts, format_amount
from amazonpay_nb.spec.parity import Behavior, behavior
from amazonpay_nb.stage.acts import Act, Branch, Note
from amazonpay_nb.stage.performance import Performance

_CALLS = read("calls.toml", beside=__file__)
_TONES: dict[str, str] = {outcome: tone for tone, outcomes in _CALLS["tones"].items() for outcome in outcomes}
_NOBODY = "no-answer"  # the key of the words for a lost answer


class Line(NamedTuple):
    """What the server asked and what came of it; of words between two calls there is the question alone.

    Attributes:
        tone: ``good``, ``bad``, or "".
        api: The call as it travels, with a short id.
    """

    question: str
    answer: str = ""
    tone: str = ""
    api: str = ""
    claim: Behavior | None = None
    exchange: Exchange | None = None

    @property
    def program(self) -> str:
        """The call as a program."""
        return snippet("python", self.exchange) if self.exchange else ""


def lines(
    performance: Performance, journal: Sequence[Exchange | Step], notes: Sequence[Note], start: int
) -> list[Line]:
    """Return what happened at the server, in order.

    Args:
        journal: The entries from number *start* on.
    """
    texts, rows = performance.texts, list[tuple[float, Line]]()
    for number, entry in enumerate(journal, start):
        if isinstance(entry, Exchange):
            rows.append((number, _call(performance, entry)))
        elif (entry.source, entry.target) == (AMAZON_PAY_PAGES, SHOP_SERVER):
            rows.append((number, Line(texts("ui.back"))))
    rows += [(note.after - 0.5, Line(note.text)) for note in notes]
    return [line for _, line in sorted(rows, key=lambda row: row[0])]


def _call(performance: Performance, exchange: Exchange) -> Line:
    texts, outcome = performance.texts, exchange.outcome if exchange.status else _NOBODY
    names = (f"{exchange.operation}.{outcome}", exchange.operation)
    claim = next((_CALLS["parity"][name] for name in names if name in _CALLS["parity"]), "")
    prices = [
        value for value in (exchange.request or {}).values() if isinstance(value, dict) and "currencyCode" in value
    ]
    amount = texts.money(prices[0]) if prices else ""
    short = (
        exchange.path.replace(exchange.object_id, f"…{exchange.object_id[-6:]}")
        if exchange.object_id
        else exchange.path
    )
    return Line(
        texts(f"ask.{exchange.operation}", amount=amount),
        texts(f"answer.{outcome}"),
        "bad" if exchange.failed else _TONES.get(outcome, ""),
        f"{exchange.method} {short} → {exchange.answer}",
        behavior(claim) if claim else None,
        exchange,
    )


def act_lines(performance: Performance, act: Act) -> list[Line]:
    """Return what happened in a beat."""
    return lines(performance, list(act.journal)[act.begins : act.ends], act.notes, act.begins)


def money(performance: Performance, journal: Journal) -> dict[str, str]:
    """Return what is held, captured and refunded, as people write it."""
    currency = performance.wb.currency
    totals = journal.totals().get(currency, {})
    return {
        str(column): performance.texts.money(_price(totals.get(column, Decimal(0)), currency))
        for column in Counts
        if column
    }


def _price(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": format_amount(amount, currency), "currencyCode": currency}


def month(performance: Performance) -> tuple[Decimal, Decimal] | None:
    """Return how much of the month's limit the wallet has used, and the limit."""
    rows = months(performance.journal, performance.server.permission_id, performance.wb.region)
    return (Decimal(rows[-1].used), Decimal(rows[-1].limit)) if rows else None


def branch(performance: Performance, row: Branch) -> dict[str, Any]:
    """Return what a branch of a what-if has come to."""
    start = len(performance.journal)
    return {
        "name": row.name,
        "lines": lines(performance, list(row.journal), row.notes, start),
        "money": money(performance, row.journal),
        "way": row.way,
    }


__all__ = ["PROGRAMS", "Line", "act_lines", "branch", "money", "month"]
