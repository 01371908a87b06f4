"""What the screen shows of a performance: plain values for the templates in ``pages/``."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from markupsafe import Markup

from amazonpay_nb import emulator, shop
from amazonpay_nb.client.exchange import Exchange, Step
from amazonpay_nb.client.guide import months
from amazonpay_nb.client.journal import AMAZON_PAY_PAGES, SHOP_SERVER, Journal
from amazonpay_nb.client.ledger import course
from amazonpay_nb.client.snippets import snippet
from amazonpay_nb.shop import bookkeeping
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.flows import PAGES
from amazonpay_nb.spec.money import MONTHLY_LIMITS, Counts
from amazonpay_nb.spec.parity import Behavior, behavior
from amazonpay_nb.spec.reasons import recovery_for
from amazonpay_nb.stage.acts import Act, Branch, Note
from amazonpay_nb.stage.performance import DONE, OTHERWISE, Performance
from amazonpay_nb.texts import Texts
from amazonpay_nb.workbench.diagrams import SequenceDiagram, sequence_diagram
from amazonpay_nb.workbench.show.money import limit_gauge, money as money_text, money_chart

_CALLS = read("calls.toml", beside=__file__)
_TONES: dict[str, str] = {outcome: tone for tone, outcomes in _CALLS["tones"].items() for outcome in outcomes}
_NOBODY = "no-answer"  # the key of the words for a lost answer
_DECLINED = "Declined"  # a decline leaves no charge behind; the buyer reads this word
_EARLIER = 3  # payments on the phone, besides the newest
# The words of pages that the buyer sees anyway: these are not said twice.
_SHOP, _AMAZON = (Path(package.__path__[0]) for package in (shop, emulator))


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

    def program(self, language: str) -> str:
        """Return the call in one of `client.snippets.LANGUAGES`."""
        return snippet(language, self.exchange) if self.exchange else ""


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


def act_lines(performance: Performance, act: Act) -> list[Line]:
    """Return what happened in a beat, so far."""
    end = act.ends if performance.state in (DONE, OTHERWISE) else len(act.journal)
    return lines(performance, list(act.journal)[act.begins : end], act.notes, act.begins)


def money(performance: Performance, journal: Journal) -> dict[str, str]:
    """Return what is held, captured and refunded, as people write it."""
    currency, language = performance.wb.currency, performance.texts.language
    totals = journal.totals().get(currency, {})
    return {str(each): money_text(totals.get(each, Decimal(0)), currency, language) for each in filter(None, Counts)}


def chart(performance: Performance) -> Markup:
    """Draw what is held, captured and refunded, over the time of the story."""
    texts, currency = performance.texts, performance.wb.currency
    words = {name: texts(f"amounts.{name}") for name in ("title", "held", "captured", "refunded")}
    at = performance.wb.emulator.clock.now() if performance.wb.emulator else performance.wb.client.clock()
    nothing = (at, Decimal(0), Decimal(0), Decimal(0))
    points = course(performance.journal.exchanges).get(currency, [nothing])
    return Markup(money_chart(points, words, currency, texts.language).as_html)  # noqa: S704 (drawn by us, and escaped)


def gauge(performance: Performance) -> Markup:
    """Draw how much of the month's limit the wallet has used."""
    texts, wb = performance.texts, performance.wb
    rows = months(performance.journal, performance.server.permission_id, wb.region)
    used = Decimal(rows[-1].used) if rows else Decimal(0)
    places = {name: f"{{{name}}}" for name in ("used", "limit", "left")}
    words = {name: texts(f"amounts.{name}", **places) for name in places}
    limit = MONTHLY_LIMITS[wb.region.code, wb.currency]
    return Markup(limit_gauge(used, limit, words, wb.currency, texts.language).as_html)  # noqa: S704 (as above)


def diagram(performance: Performance) -> SequenceDiagram:
    """Return the story so far as a sequence diagram, in which what came with this beat stands out."""
    act = performance.act
    return sequence_diagram(act.journal, seen=act.begins) if act else sequence_diagram(performance.journal)


def place(performance: Performance) -> str:
    """Return the title of Amazon's page that is on the phone, in the words of that page; "" for none."""
    name = urlsplit(performance.phone.url).path.rpartition("/")[2]
    name = name if name in PAGES else performance.page
    return Texts(_AMAZON / "pages" / "texts", performance.texts.language)(f"{name}.title") if name else ""


def phone(performance: Performance) -> dict[str, Any]:
    """Return what the shop's app shows: the newest payment of the beat, the card, and earlier payments."""
    texts = Texts(_SHOP / "texts", performance.texts.language)
    newest, number = _newest(performance, texts)
    earlier = [
        (texts.money(row.price), texts(f"{row.kind}.{row.state}"))
        for row in bookkeeping.payments(performance.journal)
        if row.number != number
    ]
    methods = bookkeeping.saved_methods(performance.journal)
    return {"newest": newest, "earlier": earlier[: -_EARLIER - 1 : -1], "card": methods[-1].name if methods else ""}


def _newest(performance: Performance, texts: Texts) -> tuple[tuple[str, str, str] | None, str]:
    """Return amount, state in the buyer's words and tone, and the number of the object."""
    act = performance.act
    entries = list(act.journal)[act.begins : act.ends] if act else []
    for exchange in reversed([entry for entry in entries if isinstance(entry, Exchange)]):
        kind, price = exchange.kind, _price_in(exchange)
        declined = exchange.failed and recovery_for(exchange.outcome, exchange.status or 0).is_decline
        refused = exchange.status is not None and exchange.failed and not declined  # a buyer hears nothing of that
        if price and kind and kind.title in ("Charge", "Refund") and not refused:
            number = str((exchange.response or {}).get(kind.id_field, ""))
            document = performance.journal.known.newest(kind.title, number) or {}
            state = _DECLINED if declined else document.get("statusDetails", {}).get("state", "")
            return (texts.money(price), word(texts, f"{kind.title.lower()}.{state}"), _TONES.get(state, "")), number
    return None, ""


def branch(performance: Performance, row: Branch) -> dict[str, Any]:
    """Return what a branch of a what-if has come to."""
    said = lines(performance, list(row.journal), row.notes, len(performance.journal))
    sums, currency = money(performance, row.journal), performance.wb.currency
    nothing = money_text(Decimal(0), currency, performance.texts.language)
    return {
        "name": row.name,
        "lines": said,
        "outcome": next((line for line in reversed(said) if line.answer), said[-1] if said else None),
        "money": {name: text for name, text in sums.items() if name == "captured" or text != nothing},
        "way": row.way,
    }
