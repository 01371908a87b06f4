"""The money that moved, read from the answers in a journal.

The ledger is cautious: money in counts once Amazon has said so, money out counts as soon as it is promised.  What each
state counts for is `spec.money.COUNTING`, and no replay of an earlier answer moves anything: see `client.known`.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.known import Known
from amazonpay_nb.extras import explained
from amazonpay_nb.spec.money import Counts, counted

if TYPE_CHECKING:
    import pandas

COLUMNS = tuple(column for column in Counts if column)
_MOST = 10**15  # no amount of money


# The operation, object and currency, the signed amount for each of `COLUMNS`, and when: by Amazon's clock where known.
Movement = tuple[str, str, str, dict[str, Decimal], datetime]
# What is held, captured and refunded from a moment on, in major units of one currency.
Point = tuple[datetime, Decimal, Decimal, Decimal]


def movements(exchanges: Iterable[Exchange]) -> Iterator[Movement]:
    """Yield the money of charges and refunds that each exchange moved, in order."""
    known = Known()
    for exchange in exchanges:
        for kind, object_id, before, after in known.learn(exchange):
            # It says nothing about money, or is not Amazon's.
            with suppress(KeyError, TypeError, ValueError, ArithmeticError):
                price = after[f"{kind.lower()}Amount"]
                zero = Decimal(price["amount"]) * 0  # with the decimals of the currency
                change = {str(c): zero + counted(kind, after, c) - counted(kind, before, c) for c in COLUMNS}
                if 0 < max(map(abs, change.values())) < _MOST:
                    time = after["statusDetails"].get("lastUpdatedTimestamp") or after.get("creationTimestamp")
                    at = datetime.fromisoformat(time) if time else exchange.at
                    yield exchange.operation, object_id, str(price["currencyCode"]), change, at


def course(exchanges: Iterable[Exchange]) -> dict[str, list[Point]]:
    """Return for each currency the sums after each movement, in order."""
    points: dict[str, list[Point]] = {}
    for *_, currency, change, at in movements(exchanges):
        line = points.setdefault(currency, [])
        before = line[-1][1:] if line else (Decimal(0),) * len(COLUMNS)
        held, captured, refunded = map(Decimal.__add__, before, change.values())
        line.append((at, held, captured, refunded))
    return points


def ledger(exchanges: Iterable[Exchange]) -> "pandas.DataFrame":
    """Return one row for each exchange that moved money.

    Each amount is a signed movement, so a column adds up to its entry in `totals`: a capture takes the whole
    authorization out of ``authorized`` and puts what was captured into ``captured``.  A refund counts from its
    initiation; a declined one is taken back.  ``balance`` is captured less refunded, so far, in that currency.
    """
    balances: dict[str, Decimal] = {}
    rows = []
    for operation, object_id, currency, change, _ in movements(exchanges):
        balances[currency] = balances.get(currency, Decimal(0)) + change["captured"] - change["refunded"]
        amounts = (f"{amount:f}" for amount in (*change.values(), balances[currency]))
        rows.append((operation, object_id, currency, *amounts))
    return table(rows, ("operation", "object", "currency", *COLUMNS, "balance"))


def totals(exchanges: Iterable[Exchange]) -> dict[str, dict[str, Decimal]]:
    """Return for each currency what is ``authorized`` (held, not captured), ``captured``, ``refunded`` and left."""
    sums: dict[str, dict[str, Decimal]] = {}
    for currency, (*_, (_, *latest)) in course(exchanges).items():
        total = sums[currency] = dict(zip(map(str, COLUMNS), latest, strict=True))
        total["balance"] = total["captured"] - total["refunded"]
    return sums


def table(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> "pandas.DataFrame":
    """Return rows as a table that counts from one."""
    with explained("workbook"):
        import pandas  # slow to import, so only views of tables import it

    return pandas.DataFrame(rows, columns=list(columns), index=range(1, len(rows) + 1))
