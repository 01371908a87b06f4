"""Keeps the emulator's world in SQLite: one transaction for each request, in memory or in a file.

A file is in write-ahead mode: a process that is killed loses nothing that it had acknowledged.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Due", "Record", "Store"]

# How many snapshots are kept; each is a copy in memory, and the oldest one goes first.
MAX_SNAPSHOTS = 16
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT, id TEXT, merchant_id TEXT, parent TEXT, document TEXT, hidden TEXT, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent, kind) WHERE parent != '';
CREATE TABLE IF NOT EXISTS answers (
    merchant_id TEXT, key TEXT, fingerprint TEXT, status INTEGER, body TEXT, PRIMARY KEY (merchant_id, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agenda (
    number INTEGER PRIMARY KEY AUTOINCREMENT, due TEXT, kind TEXT, id TEXT, trigger TEXT
);
CREATE INDEX IF NOT EXISTS agenda_by_time ON agenda (due, number);
CREATE INDEX IF NOT EXISTS agenda_by_object ON agenda (kind, id);
CREATE TABLE IF NOT EXISTS spending (
    permission_id TEXT, month TEXT, hundredths INTEGER, PRIMARY KEY (permission_id, month)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
# What `clear` empties; merchants, keys, clock and the position of the id sequence are settings and stay.
_WORLD = ("objects", "answers", "agenda", "spending")


@dataclass(slots=True)
class Record:
    """One object: the document that the API shows, and what only the emulator knows of it.

    Attributes:
        kind: Name of its machine in `spec.states`, for example ``Charge``.
        parent: Id of the object it hangs on: the permission of a charge, the charge of a refund.
    """

    kind: str
    id: str
    merchant_id: str
    document: dict[str, Any]
    parent: str = ""
    hidden: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The state in ``statusDetails``, or the machines' `NEW`."""
        details = self.document.get("statusDetails")
        return details["state"] if details else "New"


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is to happen to an object at a time (ISO 8601)."""

    number: int
    due: str
    kind: str
    id: str
    trigger: str


class Store:
    """One SQLite connection, used by one thread at a time.

    Args:
        path: A file, or ``:memory:``.
    """

    def __init__(self, path: str = ":memory:") -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=64)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._snapshots: dict[str, sqlite3.Connection] = {}
        self._taken = 0

    def close(self) -> None:
        """Close the file and forget the snapshots."""
        for snapshot in self._snapshots.values():
            snapshot.close()
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or undo it when it raises; a block inside a block is part of it."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has undone it already
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """Undo the transaction so far when the block raises, unless the exception says ``keep``; a new one goes on."""
        try:
            yield
        except Exception as error:
            if not getattr(error, "keep", False):
                self._db.execute("ROLLBACK")
                self._db.execute("BEGIN IMMEDIATE")
            raise

    # --- Objects ------------------------------------------------------------------------------------------------------

    def put(self, record: Record) -> None:
        """Write *record*, new or changed."""
        self._db.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.kind, record.id, record.merchant_id, record.parent,
                json.dumps(record.document), json.dumps(record.hidden),
            ),
        )  # fmt: skip

    def get(self, kind: str, object_id: str) -> Record | None:
        """Return the object, or None."""
        return next(self._select("kind = ? AND id = ?", kind, object_id), None)

    def delete(self, record: Record) -> None:
        """Forget *record*."""
        self._db.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (record.kind, record.id))

    def children(self, kind: str, parent: str) -> list[Record]:
        """Return the objects of *kind* that hang on *parent*, by id."""
        return list(self._select("kind = ? AND parent = ?", kind, parent))

    def _select(self, where: str, *values: str) -> Iterator[Record]:
        rows = self._db.execute(
            f"SELECT kind, id, merchant_id, parent, document, hidden FROM objects WHERE {where}",  # noqa: S608 (constants)
            values,
        )
        for kind, object_id, merchant_id, parent, document, hidden in rows:
            yield Record(kind, object_id, merchant_id, json.loads(document), parent, json.loads(hidden))

    # --- Answers that an idempotency key replays ----------------------------------------------------------------------

    def answer(self, merchant_id: str, key: str) -> tuple[str, int, str] | None:
        """Return (fingerprint of the request, status, body) of the first answer to *key*, or None."""
        query = "SELECT fingerprint, status, body FROM answers WHERE merchant_id = ? AND key = ?"
        row: tuple[str, int, str] | None = self._db.execute(query, (merchant_id, key)).fetchone()
        return row

    def remember(self, merchant_id: str, key: str, fingerprint: str, status: int, body: str) -> None:
        """Keep the first answer to *key* for ever."""
        self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", (merchant_id, key, fingerprint, status, body))

    # --- Agenda -------------------------------------------------------------------------------------------------------

    def schedule(self, record: Record, trigger: str, due: str) -> None:
        """Note that *trigger* is to happen to *record*."""
        self._db.execute(
            "INSERT INTO agenda (due, kind, id, trigger) VALUES (?, ?, ?, ?)", (due, record.kind, record.id, trigger)
        )

    def unschedule(self, record: Record) -> None:
        """Forget whatever was to happen to *record*."""
        self._db.execute("DELETE FROM agenda WHERE kind = ? AND id = ?", (record.kind, record.id))

    def next_due(self, until: str) -> Due | None:
        """Take and return the earliest entry that is due by *until*, or None."""
        row = self._db.execute(
            "SELECT number, due, kind, id, trigger FROM agenda WHERE due <= ? ORDER BY due, number LIMIT 1", (until,)
        ).fetchone()
        if row is None:
            return None
        self._db.execute("DELETE FROM agenda WHERE number = ?", row[:1])
        return Due(*row)

    # --- Monthly spending ---------------------------------------------------------------------------------------------

    def spend(self, permission_id: str, month: str, hundredths: int) -> None:
        """Add to (or, with a negative number, take from) what a permission has used in a month (``yyyy-mm``)."""
        self._db.execute(
            "INSERT INTO spending VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET hundredths = hundredths + excluded.hundredths",
            (permission_id, month, hundredths),
        )

    def spent(self, permission_id: str, month: str) -> int:
        """Return what a permission has used in a month, in hundredths of the major unit."""
        query = "SELECT hundredths FROM spending WHERE permission_id = ? AND month = ?"
        row = self._db.execute(query, (permission_id, month)).fetchone()
        return row[0] if row else 0

    # --- Settings -----------------------------------------------------------------------------------------------------

    def setting(self, name: str) -> Any:
        """Return a setting, or None."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set(self, name: str, value: Any) -> None:
        """Keep a setting (anything JSON can hold)."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    # --- Whole worlds -------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Empty the world; settings stay."""
        for table in _WORLD:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 (constants)

    def snapshot(self) -> str:
        """Copy everything aside and return the copy's id."""
        self._taken += 1
        name = f"snapshot-{self._taken}"
        self._snapshots[name] = copy = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.backup(copy)
        if len(self._snapshots) > MAX_SNAPSHOTS:
            self._snapshots.pop(next(iter(self._snapshots))).close()
        return name

    def restore(self, name: str) -> None:
        """Put a copy back.

        Raises:
            KeyError: There is no such snapshot, or no longer.
        """
        self._snapshots[name].backup(self._db)
