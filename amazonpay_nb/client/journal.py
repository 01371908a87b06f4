"""Every exchange with Amazon Pay, redacted, and the projections of these exchanges.

Secrets and buyer data are masked before they are recorded, so no view, export or copy of a journal can leak them.
Everything else is a projection: `known` is the newest answer about each object, `client.ledger` the money that moved.
"""

import json
import logging
import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from pydantic.alias_generators import to_camel, to_snake

from amazonpay_nb.client import ledger
from amazonpay_nb.client.exchange import Exchange, Step
from amazonpay_nb.client.known import Known
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.data import as_kind

if TYPE_CHECKING:
    import pandas

BUYER = "Buyer"
SHOP_PAGE = "Shop page"
SHOP_SERVER = "Shop server"
AMAZON_PAY_PAGES = "Amazon Pay pages"
AMAZON_PAY_API = "Amazon Pay API"
_LARGEST = 64 * 2**20  # bytes of a journal
_LOG = logging.getLogger(__name__)
PARTICIPANTS = (BUYER, SHOP_PAGE, SHOP_SERVER, AMAZON_PAY_PAGES, AMAZON_PAY_API)

# Where the exchanges of this thread, or of this task, are collected.
_LISTENER: ContextVar[list[Exchange] | None] = ContextVar("listener", default=None)


@contextmanager
def own_exchanges() -> Iterator[list[Exchange]]:
    """Collect the exchanges of this thread, or of this task, without those of others at the same time."""
    exchanges: list[Exchange] = []
    token = _LISTENER.set(exchanges)
    try:
        yield exchanges
    finally:
        _LISTENER.reset(token)


_JOURNALS: "WeakSet[Journal]" = WeakSet()


def _unlock() -> None:
    for journal in list(_JOURNALS):
        journal._lock = threading.Lock()  # a thread that the child does not have may have held the old one


os.register_at_fork(after_in_child=_unlock)


class Journal:
    """An append-only record of a run, or of its latest *limit* entries; appending is safe from several threads.

    A *file* takes each entry as it comes, as a line of JSON; see `export`.  A rewind adds a line with its length and
    the hashes of the lines that it takes back, as several journals may share a file.  What cannot be written is logged,
    and the journal itself goes on.
    """

    def __init__(
        self, limit: int | None = None, *, file: Path | None = None, entries: Iterable[Exchange | Step] = ()
    ) -> None:
        self._limit, self._file, self._cut = limit, file, False
        self._entries: deque[Exchange | Step] = deque(entries, limit)
        self.known = self._knowledge()  #: the newest answer about each object; it follows the journal
        self._lock = threading.Lock()
        _JOURNALS.add(self)

    def record(self, exchange: Exchange) -> Exchange:
        """Append an exchange and return it as it was kept: redacted."""
        names = ("path", "request", "response", "headers", "answer_headers", "error")
        safe = {name: redact(getattr(exchange, name)) for name in names}
        kept = replace(exchange, **safe)
        with self._lock:
            self._append(kept)
        if (listener := _LISTENER.get()) is not None:
            listener.append(kept)
        return kept

    def step(self, source: str, target: str, text: str, at: datetime) -> Step:
        """Append something that happened outside the API, between two of `PARTICIPANTS`."""
        kept = Step(at, source, target, redact(text))
        with self._lock:
            self._append(kept)
        return kept

    def _append(self, entry: Exchange | Step) -> None:
        self._entries.append(entry)
        if isinstance(entry, Exchange):
            self.known.learn(entry)
        self._write(lambda: _exported(entry))

    def _write(self, line: Callable[[], dict[str, Any]]) -> None:
        if self._file:
            # After a line that was cut, the next one stands alone.
            start, self._cut = "\n" * self._cut, True
            try:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(f"{start}{_json(line())}\n")
                self._cut = False
            except (OSError, ValueError) as error:
                _LOG.warning("%s lacks an entry of the journal: %s.", self._file, type(error).__name__)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return what a journal has written to a file, without what forks took back, or raise `ConfigurationError`.

        A line that was cut, as on a full disk, is left out, and a warning names it.
        """
        rows, places, cut = list[dict[str, Any] | None](), defaultdict[str, list[int]](list), list[int]()
        try:
            if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST:
                raise ValueError("whoever made a folder may have put anything in the place of a journal")
            # A text may hold what Python takes for the end of a line.
            lines = file.read_bytes().rstrip(b"\n").split(b"\n")
            for number, text in enumerate(lines, 1):
                try:
                    line = json.loads(text)
                except ValueError:
                    cut.append(number)
                    rows.append(None)  # a rewind without hashes counts it
                    continue
                if line["kind"] == "rewind":
                    for place in [places[row].pop() for row in line.get("lines", ()) if places[row]]:
                        rows[place] = None
                    if "lines" not in line:
                        del rows[max(len(rows) - line["entries"], 0) :]
                else:
                    places[_hash(text)].append(len(rows))
                    rows.append({to_snake(name): value for name, value in line.items() if name != "kind"})
            if len(cut) == len(lines):
                raise ValueError("no line is an entry")
            # Somebody else's may hold what a run would have masked.
            kept = as_kind(file.name, redact([row for row in rows if row is not None]), tuple[Exchange | Step, ...])
            if cut:
                _LOG.warning("%s lacks entries that were cut, in line %s.", file, ", ".join(map(str, cut)))
            return cls(entries=kept)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
            advice = "Delete it, or run the notebook again."
            raise ConfigurationError(f"{file} is no journal of a run.", advice=advice) from None

    def clear(self) -> None:
        """Forget everything."""
        self.rewind(0)

    def rewind(self, length: int) -> None:
        """Forget the entries after the first *length*."""
        with self._lock:
            if gone := [self._entries.pop() for _ in range(length, len(self._entries))]:
                lines = (_hash(_json(_exported(entry)).encode(errors="replace")) for entry in gone)
                self._write(lambda: {"kind": "rewind", "entries": len(gone), "lines": [*lines]})
            self.known = self._knowledge()

    def since(self, start: int) -> "Journal":
        """Return the entries after the first *start*, in a journal of their own."""
        return Journal(entries=list(self)[start:])

    def _knowledge(self) -> Known:
        known = Known(self._limit)
        for entry in self._entries:
            if isinstance(entry, Exchange):
                known.learn(entry)
        return known

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

    def log(self) -> "pandas.DataFrame":
        """Return one row for each exchange, without times, so that outputs repeat."""
        rows = []
        for e in self.exchanges:
            answer = e.status or "no answer", e.outcome
            rows.append((e.operation, f"{e.method} {e.path}", *answer, e.idempotency_key, e.attempt))
        return ledger.table(rows, ("operation", "request", "status", "outcome", "idempotency key", "attempt"))

    def ledger(self) -> "pandas.DataFrame":
        """Return one row for each exchange that moved money; see `client.ledger`."""
        return ledger.ledger(self.exchanges)

    def totals(self) -> dict[str, dict[str, Decimal]]:
        """Return for each currency what is ``authorized`` (held, not captured), ``captured``, ``refunded`` and left."""
        return ledger.totals(self.exchanges)

    def export(self) -> list[dict[str, Any]]:
        """Return every entry as JSON data, with Amazon's spelling of names (camelCase) and times in ISO 8601."""
        return [_exported(entry) for entry in self]


def _json(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False)


def _hash(line: bytes) -> str:
    return sha256(line).hexdigest()[:16]


def _exported(entry: Exchange | Step) -> dict[str, Any]:
    names = {to_camel(name): value for name, value in vars(entry).items()}
    at = entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"kind": type(entry).__name__.lower()} | names | {"at": at}
