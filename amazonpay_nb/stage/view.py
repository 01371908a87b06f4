"""What the screen shows of a performance: plain values for the templates in ``pages/``."""

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from markupsafe import Markup

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.guide import months
from amazonpay_nb.client.journal import AMAZON_PAY_PAGES, SHOP_SERVER
from amazonpay_nb.client.ledger import COLUMNS, course
from amazonpay_nb.shop import bookkeeping
from amazonpay_nb.shop.server import TEXTS as SHOP_TEXTS
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.money import CHARGE_CEILINGS, MONTHLY_LIMITS, REFUND_EXTRAS
from amazonpay_nb.spec.operations import OPERATIONS, Operation
from amazonpay_nb.spec.parity import Behavior, behavior
from amazonpay_nb.spec.reasons import recovery_for
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.stage.performance import Performance
from amazonpay_nb.stage.steps import Act
from amazonpay_nb.stage.story import WhatIf
from amazonpay_nb.texts import Texts
from amazonpay_nb.workbench.diagrams import SequenceDiagram, sequence_diagram
from amazonpay_nb.workbench.show.money import limit_gauge, money as money_text, money_chart

# What the templates read by itself: the regions, and their amounts by currency.
TABLES: dict[str, Any] = {
    "regions": REGIONS, "limits": MONTHLY_LIMITS, "ceilings": CHARGE_CEILINGS, "extras": REFUND_EXTRAS,
    "money": money_text, "behavior": behavior,
}  # fmt: skip
_CALLS = read("calls.toml", beside=__file__)
_TONES: dict[str, str] = {outcome: tone for tone, outcomes in _CALLS["tones"].items() for outcome in outcomes}
_NOBODY = "no-answer"  # the key of the words for a lost answer
_DECLINED = "Declined"  # a decline leaves no charge behind; the buyer reads this word
_PAYMENTS = ("completeCheckoutSession", "createCharge")  # the calls whose answer names a new Charge


class Line(NamedTuple):
    """What the server asked and what came of it; of words between two calls there is the question alone."""

    question: str
    answer: str = ""
    tone: str = ""  # good or bad
    api: str = ""  # the call as it travels, with a short id
    claim: Behavior | None = None
    exchange: Exchange | None = None


def lines(performance: Performance, act: Act) -> list[Line]:
    """Return what happened at the server, so far and in order."""
    rows = [(number - 0.5, Line(words)) for number, words in act.notes]
    for number, entry in enumerate(act.own):
        if isinstance(entry, Exchange):
            rows.append((number, _call(performance.texts, entry)))
        elif (entry.source, entry.target) == (AMAZON_PAY_PAGES, SHOP_SERVER):
            rows.append((number, Line(performance.texts("ui.back"))))
    return [line for _, line in sorted(rows, key=lambda row: row[0])]


def _call(texts: Texts, exchange: Exchange) -> Line:
    outcome = exchange.outcome if exchange.status else _NOBODY
    names = (f"{exchange.operation}.{outcome}", exchange.operation)
    claim = next((_CALLS["parity"][name] for name in names if name in _CALLS["parity"]), "")
    price = _price_in(exchange)
    amount = texts.money(price) if price else ""
    number = exchange.object_id
    short = exchange.path.replace(number, f"…{number[-6:]}") if number else exchange.path
    return Line(
        texts(f"ask.{exchange.operation}", amount=amount),
        word(texts, f"answer.{outcome}", outcome),
        "bad" if exchange.failed else _TONES.get(names[0], _TONES.get(outcome, "")),
        f"{exchange.method} {short.removeprefix('/v2')} → {exchange.answer}",
        behavior(claim) if claim else None,
        exchange,
    )


def _price_in(exchange: Exchange) -> dict[str, str] | None:
    values = (exchange.request or {}).values()
    return next((value for value in values if isinstance(value, dict) and "currencyCode" in value), None)


def word(texts: Callable[..., str], key: str, instead: str = "") -> str:
    """Return words that not every story, or every outcome, has."""
    try:
        return texts(key)
    except KeyError:
        return instead


def pictures(performance: Performance) -> dict[str, Markup]:
    """Draw the money over the time of the story, and how much of the month's limit the wallet has used."""
    wb, texts = performance.wb, performance.texts
    nothing = (performance.server.emulator.clock.now(), Decimal(0), Decimal(0), Decimal(0))
    points = course(wb.journal.exchanges).get(wb.currency, [nothing])
    rows = months(wb.journal, performance.server.permission_id, wb.region)
    used, limit = Decimal(rows[-1].used) if rows else Decimal(0), MONTHLY_LIMITS[wb.region.code, wb.currency]
    place = texts.table("amounts"), wb.currency, texts.language
    drawn = {"money": money_chart(points, *place), "limit": limit_gauge(used, limit, *place)}
    return {name: Markup(each.as_html) for name, each in drawn.items()}  # noqa: S704 (drawn by us, and escaped)


def diagram(performance: Performance) -> SequenceDiagram:
    """Return the story so far as a sequence diagram, in which what came with this beat stands out."""
    seen = performance.act.begins if performance.act else 0
    return sequence_diagram(performance.wb.journal, seen=seen, say=partial(diagram_word, performance.texts))


def diagram_word(texts: Texts, text: str) -> str:
    """Return how a diagram says a name, and what is neither a request nor an answer with a status."""
    return texts.table("diagram").get(text.partition(":")[0], text)


def phone(performance: Performance) -> dict[str, Any]:
    """Return what the shop's app shows: the newest payment of the beat, and the card."""
    methods = bookkeeping.saved_methods(performance.wb.journal)
    return {"newest": _newest(performance), "card": methods[-1].name if methods else ""}


def _newest(performance: Performance) -> tuple[str, str, str] | None:
    """Return amount, state in the buyer's words, and tone."""
    # Words that the buyer sees in the shop anyway are not said twice.
    texts, act = Texts(SHOP_TEXTS, performance.texts.language), performance.act
    for exchange in reversed(act.own.exchanges if act else ()):
        kind, price = exchange.kind, _price_in(exchange)
        declined = exchange.failed and recovery_for(exchange.outcome, exchange.status or 0).is_decline
        refused = exchange.status is not None and exchange.failed and not declined  # a buyer hears nothing of that
        if price and kind and kind.title in ("Charge", "Refund") and not refused:
            number = str((exchange.response or {}).get(kind.id_field, ""))
            document = performance.wb.journal.known.newest(kind.title, number) or {}
            state = _DECLINED if declined else document.get("statusDetails", {}).get("state", "")
            return texts.money(price), word(texts, f"{kind.title.lower()}.{state}"), _TONES.get(state, "")
    return None


def branch(performance: Performance, what_if: WhatIf, row: Act) -> dict[str, Any]:
    """Return what a branch of a what-if has come to."""
    said, currency, key = lines(performance, row), performance.wb.currency, f"{what_if.name}-{row.name}"
    sums = row.journal.totals().get(currency, {})
    amounts = {each: sums.get(each, Decimal(0)) for each in COLUMNS if sums.get(each) or each == "captured"}
    return {
        "name": row.name, "way": row.way, "worse": what_if.worse, "lines": said,
        "title": performance.words(key), "means": word(performance.words, f"{key}-means"),
        "outcome": next((line for line in reversed(said) if line.answer), said[-1] if said else None),
        "money": {name: money_text(each, currency, performance.texts.language) for name, each in amounts.items()},
    }  # fmt: skip


class Calls(NamedTuple):
    """The calls of one operation; *live* and *sandbox*: how many orders a second the quota there leaves room for."""

    operation: Operation
    calls: int
    per_order: float
    live: float
    sandbox: float


def sizing(exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """Return what a page says about the calls of a run; each attempt counts, whatever its answer.

    An order is a Charge among the answers, and the narrowest call the one whose live quota is used up first.
    """
    charges = {(exchange.response or {}).get("chargeId") for exchange in exchanges if exchange.operation in _PAYMENTS}
    orders = max(len(charges - {None}), 1)
    counts = Counter(exchange.operation for exchange in exchanges if exchange.operation in OPERATIONS)
    calls = list[Calls]()
    for name, count in counts.items():
        per_order, quota = count / orders, OPERATIONS[name].quota
        room = quota.live.per_second / per_order, quota.sandbox.per_second / per_order
        calls.append(Calls(OPERATIONS[name], count, per_order, *room))
    return {"orders": orders, "calls": calls, "narrowest": min(calls, key=lambda row: row.live, default=None)}
