"""Money as pictures: what was held, captured and refunded step by step, and how much of the month's limit is used.

Both are functions from plain data to SVG and text, with every word as an argument, so that a page in any language can
call them.  One movement is one step to the right: a minute and a month are as wide as each other, and the times stand
below.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.guide import Month
from amazonpay_nb.client.ledger import Point, course
from amazonpay_nb.shop.server import TEXTS
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.money import CURRENCY_DECIMALS, format_amount
from amazonpay_nb.texts import Texts
from amazonpay_nb.workbench.show.blocks import Foreign, Shown, Table, render

# English words of `money_chart` and `limit_gauge`; a page in another language passes its own.
WORDS: dict[str, str] = read("money.toml", beside=__file__)


def money(amount: Decimal, currency: str, language: str = "en_US") -> str:
    """Return an amount as one of the languages of pages has it: ``$15,000.00``, ``15.000,00 €``, ``¥2,000,000``."""
    return Texts(TEXTS, language).money({"amount": format_amount(amount, currency), "currencyCode": currency})


def money_chart(points: Sequence[Point], words: Mapping[str, str], currency: str, language: str) -> Foreign:
    """Draw what is held, captured and refunded, as three rows of steps on one scale.

    Args:
        points: What holds from each moment on, the oldest first; see `client.ledger.course`.
        words: ``title``, ``held``, ``captured``, ``refunded`` and ``nothing``, and how a ``day`` and a ``time`` are
            written, as `strftime` takes it; as in `WORDS`.
    """
    if not points:
        return Foreign("", f"{words['title']}\n  {words['nothing']}", f"<p>{words['nothing']}</p>")
    title, names = words["title"], (words["held"], words["captured"], words["refunded"])
    moment = f"{words['day']} {words['time']}"
    rows = tuple((at.strftime(moment), *(money(each, currency, language) for each in sums)) for at, *sums in points)
    text = Shown([Table(title, ("", *names), rows)]).text
    most = max(amount for point in points for amount in point[1:]) or Decimal(1)
    lines = [[float(amount / most) for amount in line] for line in list(zip(*points, strict=True))[1:]]
    series = list(zip(names, rows[-1][1:], lines, strict=True))
    times = [[at.strftime(words[form]) for form in ("day", "time")] for at, *_ in points]
    return Foreign("", text, render("money.svg.j2", title=title, text=text, series=series, times=times))


def limit_gauge(used: Decimal, limit: Decimal, words: Mapping[str, str], currency: str, language: str) -> Foreign:
    """Draw how much of a month's limit is captured or held; the smallest amount can be seen.

    Args:
        words: ``limit``, ``used`` with ``{used}`` and ``{limit}``, and ``left`` with ``{left}``, as in `WORDS`.
    """
    amounts = {"used": used, "limit": limit, "left": max(limit - used, Decimal(0))}
    sums = {name: money(amount, currency, language) for name, amount in amounts.items()}
    says, left = words["used"].format(**sums), words["left"].format(**sums)
    share = float(min(used / limit, Decimal(1))) if limit else 1.0
    filled = max(round(20 * share), int(used > 0))
    text = f"{words['limit']}\n  {'█' * filled:░<20}  {says} · {left}"
    picture = render("gauge.svg.j2", title=words["limit"], text=text, says=says, left_over=left, share=share)
    return Foreign("", text, picture)


def money_of(exchanges: Iterable[Exchange]) -> Shown:
    """Return a chart of the money that moved in a run, for each currency; nothing where none has moved."""
    lines = {currency: points for currency, points in course(exchanges).items() if currency in CURRENCY_DECIMALS}
    return Shown([money_chart(points, WORDS, currency, "en_US") for currency, points in lines.items()])


def limits_of(months: Iterable[Month]) -> Shown:
    """Return a gauge for each month in which a wallet was charged; see `client.guide.months`."""
    words = {row: WORDS | {"limit": f"{WORDS['limit']}, {row.month}"} for row in months}
    return Shown([limit_gauge(Decimal(r.used), Decimal(r.limit), words[r], r.currency, "en_US") for r in words])
