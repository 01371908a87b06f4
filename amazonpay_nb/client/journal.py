"""Every exchange with Amazon Pay, redacted: the request log, the money ledger and the sequence diagram.

Secrets and buyer data are masked on the way in, so nothing that a journal shows, exports or hands out can leak them.
The ledger is a pure projection of the answers in the journal; it is cautious: money in counts once Amazon has said
so, money out counts as soon as it is promised.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.redaction import redact
from amazonpay_nb.client.sequence import Message, SequenceDiagram

if TYPE_CHECKING:
    import pandas

__all__ = [
    "AMAZON_PAY_API",
    "AMAZON_PAY_PAGES",
    "BUYER",
    "PARTICIPANTS",
    "SHOP_PAGE",
    "SHOP_SERVER",
    "Exchange",
    "Journal",
    "Step",
    "heard",
]

BUYER = "Buyer"
SHOP_PAGE = "Shop page"
SHOP_SERVER = "Shop server"
AMAZON_PAY_PAGES = "Amazon Pay pages"
AMAZON_PAY_API = "Amazon Pay API"
PARTICIPANTS = (BUYER, SHOP_PAGE, SHOP_SERVER, AMAZON_PAY_PAGES, AMAZON_PAY_API)


@dataclass(frozen=True)
class Exchange:
    """One request to the API and its answer; *status* is None when no answer came."""

    at: datetime
    operation: str
    method: str
    path: str
    status: int | None
    idempotency_key: str = ""
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    request_id: str = ""
    attempt: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or a refusal."""
        return self.status is None or self.status >= 400

    @property
    def outcome(self) -> str:
        """The reason code of a refusal, else the state of the object that came back, else why none did."""
        body = self.response if isinstance(self.response, Mapping) else {}
        details = body.get("statusDetails")
        state = details.get("state") if isinstance(details, Mapping) else None
        return str(body.get("reasonCode") or state or self.error)


@dataclass(frozen=True)
class Step:
    """Something that happened outside the API, for example the buyer's approval on a hosted page."""

    at: datetime
    source: str
    target: str
    text: str


# The ledger.

# State of a charge or refund  ->  how far along it is, and the column its amount stands in. States only go forward,
# so an answer from an earlier stage is the replay of a stored one and tells nothing new.
_COLUMNS = ("authorised", "captured", "refunded")
_STAGES = {
    "AuthorizationInitiated": (1, ""),
    "Authorized": (2, "authorised"),
    "CaptureInitiated": (3, "authorised"),
    "Captured": (4, "captured"),
    "Canceled": (4, ""),
    "RefundInitiated": (1, "refunded"),
    "Refunded": (4, "refunded"),
    "Declined": (4, ""),
}
_COMPLETIONS = ("completeCheckoutSession", "finalizeCheckoutSession")
_CHARGES = ("createCharge", "getCharge", "captureCharge", "cancelCharge", *_COMPLETIONS)
_REFUNDS = ("createRefund", "getRefund")


@dataclass(frozen=True)
class _Standing:
    # Where the money of one charge or refund stands, as far as one answer tells.
    object_id: str
    currency: str
    amount: Decimal
    stage: int
    column: str

    def in_column(self, column: str) -> Decimal:
        return self.amount if column == self.column else self.amount * 0  # a zero with the same decimals


def _standing(exchange: Exchange) -> _Standing | None:
    body = exchange.response
    if exchange.failed or not isinstance(body, Mapping) or exchange.operation not in _CHARGES + _REFUNDS:
        return None
    if exchange.operation in _COMPLETIONS:
        # A completed session names its charge but not the amount; whether it is captured, only Get Charge tells.
        state = "AuthorizationInitiated" if exchange.status == 202 else "Authorized"
        body = {**(exchange.request or {}), "chargeId": body.get("chargeId"), "statusDetails": {"state": state}}
    kind = "charge" if exchange.operation in _CHARGES else "refund"
    try:
        price = body.get("captureAmount") or body[f"{kind}Amount"]
        stage, column = _STAGES[body["statusDetails"]["state"]]
        amount = Decimal(str(price["amount"]))
        object_id, currency = body[f"{kind}Id"], price["currencyCode"]
    except (KeyError, TypeError, InvalidOperation):
        return None  # an answer that says nothing about money, or is not what Amazon documents
    return _Standing(object_id, currency, amount, stage, column) if object_id else None


def _movements(exchanges: Iterable[Exchange]) -> Iterator[tuple[str, _Standing, dict[str, Decimal]]]:
    # The operation that moved money, the charge or refund as it then stood, and the change in each column.
    known: dict[str, _Standing] = {}
    for exchange in exchanges:
        now = _standing(exchange)
        before = known.get(now.object_id) if now else None
        if now is None or (before and before.stage >= now.stage):
            continue
        known[now.object_id] = now
        change = {name: now.in_column(name) - (before.in_column(name) if before else 0) for name in _COLUMNS}
        if any(change.values()):
            yield exchange.operation, now, change


# Who wants to know what is sent in this thread, or in this task.
_LISTENER: ContextVar[list[Exchange] | None] = ContextVar("listener", default=None)


@contextmanager
def heard() -> Iterator[list[Exchange]]:
    """Collect what this thread, or this task, sends meanwhile; what others send at the same time is theirs."""
    sent: list[Exchange] = []
    token = _LISTENER.set(sent)
    try:
        yield sent
    finally:
        _LISTENER.reset(token)


class Journal:
    """An append-only record of a run, or of its latest *limit* entries; appending is safe from several threads."""

    def __init__(self, limit: int | None = None) -> None:
        self._entries: deque[Exchange | Step] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def record(self, exchange: Exchange) -> Exchange:
        """Append an exchange and return it as it was kept: redacted."""
        safe = {name: redact(getattr(exchange, name)) for name in ("path", "request", "response", "headers", "error")}
        kept = replace(exchange, **safe)
        with self._lock:
            self._entries.append(kept)
        if (listener := _LISTENER.get()) is not None:
            listener.append(kept)
        return kept

    def step(self, source: str, target: str, text: str, at: datetime) -> Step:
        """Append something that happened outside the API, between two of `PARTICIPANTS`."""
        kept = Step(at, source, target, redact(text))
        with self._lock:
            self._entries.append(kept)
        return kept

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def rewind(self, length: int) -> None:
        """Forget the entries after the first *length*."""
        with self._lock:
            while len(self._entries) > length:
                self._entries.pop()

    def since(self, start: int) -> "Journal":
        """Return the entries after the first *start*, in a journal of their own."""
        part = Journal()
        part._entries.extend(list(self)[start:])
        return part

    def __iter__(self) -> Iterator[Exchange | Step]:
        with self._lock:
            return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Exchange | Step:
        return self._entries[index]

    def __repr__(self) -> str:
        return f"Journal({len(self.exchanges)} exchanges, {len(self) - len(self.exchanges)} steps)"

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges alone, in order."""
        return tuple(entry for entry in self if isinstance(entry, Exchange))

    def log(self, *, times: bool = False) -> "pandas.DataFrame":
        """Return one row for each exchange; times are left out unless asked for, so that outputs repeat."""
        rows = []
        for e in self.exchanges:
            status = "no answer" if e.status is None else e.status
            row = (e.operation, f"{e.method} {e.path}", status, e.outcome, e.idempotency_key, e.attempt)
            rows.append((e.at, *row) if times else row)
        columns = ("operation", "request", "status", "outcome", "idempotency key", "attempt")
        return _table(rows, ("at", *columns) if times else columns)

    def ledger(self) -> "pandas.DataFrame":
        """Return one row for each exchange that moved money.

        Each amount is a signed movement, so a column adds up to its entry in `totals`: a capture takes the whole
        authorisation out of ``authorised`` and puts what was captured into ``captured``. A refund counts from its
        initiation; a declined one is taken back. ``balance`` is captured less refunded, so far, in that currency.
        """
        balances: dict[str, Decimal] = {}
        rows = []
        for operation, now, change in _movements(self.exchanges):
            held = balances.get(now.currency, Decimal(0)) + change["captured"] - change["refunded"]
            balances[now.currency] = held
            amounts = (f"{amount:f}" for amount in (*change.values(), held))
            rows.append((operation, now.object_id, now.currency, *amounts))
        return _table(rows, ("operation", "object", "currency", *_COLUMNS, "balance"))

    def totals(self) -> dict[str, dict[str, Decimal]]:
        """Return for each currency what is ``authorised`` (held, not captured), ``captured``, ``refunded`` and left."""
        totals: dict[str, dict[str, Decimal]] = {}
        for _, now, change in _movements(self.exchanges):
            total = totals.setdefault(now.currency, dict.fromkeys((*_COLUMNS, "balance"), Decimal(0)))
            for column, amount in change.items():
                total[column] += amount
            total["balance"] = total["captured"] - total["refunded"]
        return totals

    def diagram(self) -> SequenceDiagram:
        """Return the whole run as a sequence diagram of those who took part."""
        messages = [message for entry in self for message in _messages(entry)]
        present = dict.fromkeys(name for m in messages for name in (m.source, m.target))
        order = [name for name in PARTICIPANTS if name in present]
        return SequenceDiagram((*order, *(name for name in present if name not in PARTICIPANTS)), tuple(messages))

    def export(self) -> list[dict[str, Any]]:
        """Return every entry as JSON data, with Amazon's spelling of names (camelCase) and times in ISO 8601."""
        return [_exported(entry) for entry in self]


def _table(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> "pandas.DataFrame":
    import pandas  # slow to import; only those who look at a table pay for it

    return pandas.DataFrame(rows, columns=list(columns), index=range(1, len(rows) + 1))


def _messages(entry: Exchange | Step) -> Iterator[Message]:
    if isinstance(entry, Step):
        yield Message(entry.source, entry.target, entry.text)
        return
    again = f" (attempt {entry.attempt})" if entry.attempt > 1 else ""
    answer = "no answer:" if entry.status is None else str(entry.status)
    yield Message(SHOP_SERVER, AMAZON_PAY_API, f"{entry.method} {entry.path}{again}")
    reply = f"{answer} {entry.outcome}".strip().removesuffix(":")
    yield Message(AMAZON_PAY_API, SHOP_SERVER, reply, reply=True, failed=entry.failed)


def _exported(entry: Exchange | Step) -> dict[str, Any]:
    exported: dict[str, Any] = {"kind": type(entry).__name__.lower()}
    for each in fields(entry):
        head, *tail = each.name.split("_")
        exported[head + "".join(word.title() for word in tail)] = redact(getattr(entry, each.name))
    exported["at"] = entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return exported
