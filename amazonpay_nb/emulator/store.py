"""Store the emulator's objects in SQLite: one transaction for each request, in memory or in a file.

A file is in write-ahead mode: a process that is killed loses nothing that it had acknowledged.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakSet

import tenacity

from amazonpay_nb.emulator.records import NOTES, AnyRecord, Record
from amazonpay_nb.emulator.store_file import IN_USE, NEEDS_LOG, SCHEMA, VERSION, content, findings
from amazonpay_nb.spec.parts import to_json

# How many snapshots are kept; each is a copy in memory, and the oldest one goes first.
MAX_SNAPSHOTS = 16
# Merchants, keys, clock and the position of the id sequence are settings, and stay when the world is emptied; what was
# spent is a setting too, and does not.
_SPENT = "spent "
_CLEAR = ("DELETE FROM objects", "DELETE FROM answers", "DELETE FROM settings WHERE name GLOB 'spent *'")
_SET = "INSERT OR REPLACE INTO settings VALUES (?, ?)"
_COLUMNS = "kind, id, merchant_id, parent, document, notes, due, planned, trigger"
_PUT = (
    f"INSERT INTO objects ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET "  # noqa: S608
    "document = excluded.document, notes = excluded.notes, due = excluded.due, planned = excluded.planned, "
    "trigger = excluded.trigger"
)

_LOGS = WeakSet[BinaryIO]()
# A lock lasts as long as any process has its file open: that of a killed emulator would last as long as its forks.
os.register_at_fork(after_in_child=lambda: [log.close() for log in _LOGS])


def unusable(store: object, error: sqlite3.Error) -> str:
    """Return what to tell the owner of a store that SQLite refuses."""
    return f"the store {str(store)!r} cannot be used ({error}); choose another file"


class Store:
    """One SQLite connection, used by one thread at a time.

    Inside a transaction objects are collected and written once, at its end or when a query needs them: one that moves
    twice in a request is written once.

    Args:
        path: A file, or ``:memory:``; a new one is its owner's alone.
        wanted: Settings that a file has to have, if it has them; see `findings`.
    Attributes:
        is_new: Nothing was ever committed into it.
    Raises:
        sqlite3.Error: The file does not fit; it stays as it is, but for a journal beside it.
    """

    def __init__(self, path: str = ":memory:", **wanted: Any) -> None:
        self._snapshots: dict[str, sqlite3.Connection] = {}
        self._made: list[Path] = []
        self._held = ExitStack()
        if path != ":memory:":
            for good, text in findings(Path(path), **wanted):
                if not good:
                    raise sqlite3.DatabaseError(text)
            places = filter(Path.exists, (Path(path).parent, Path(path)))
            if not all(os.access(place, os.W_OK) for place in places):  # SQLite calls this a disk I/O error
                raise sqlite3.OperationalError("it or its folder is read-only")
            with suppress(OSError):  # SQLite's message explains the problem with the path
                Path(path).touch(0o600, exist_ok=False)
                self._made = [Path(f"{path}{end}") for end in ("", "-journal", "-shm", "-wal")]
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=64)
        self._log: BinaryIO | None = None
        self._round = b""
        try:
            # One process owns a store: no locks are needed for each request, and a second emulator is refused.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA page_size = 2048")  # an object fits; every changed page is written whole
            if path != ":memory:":
                # The log comes before the header that says WAL: a file with that header alone has lost its log.
                self._db.execute("PRAGMA schema_version").fetchall()  # takes the lock, at which SQLite removes it
                Path(f"{path}-wal").touch(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA wal_autocheckpoint = 8000")  # pages: a checkpoint waits for the disk
            self._db.executescript(f"BEGIN; PRAGMA user_version = {VERSION}; {SCHEMA} COMMIT")
            list(content(self._db, wanted))  # a journal beside the file may have put back something else
            if path != ":memory:":
                # SQLite's own lock is on the file, and ends when this process closes any descriptor of it.
                log = self._held.enter_context(Path(f"{path}-wal").open("r+b"))  # noqa: SIM115 (until `close`)
                _LOGS.add(log)
                # Somebody who checks the store has it for a moment; an emulator's lock has been noticed before.
                stop, pause = tenacity.stop_after_delay(10), tenacity.wait_fixed(0.01)
                tenacity.Retrying(stop=stop, wait=pause, reraise=True)(fcntl.flock, log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._log = log
                self._mark()
        except (sqlite3.Error, ValueError, OSError) as error:
            if is_used := "locked" in str(error):  # another emulator has begun it meanwhile
                self._made.clear()
            self.discard()
            raise sqlite3.DatabaseError(IN_USE if is_used else str(error)) from error
        self._changed: dict[tuple[str, str], AnyRecord] = {}
        self._settings: dict[str, Any] = {}  # those that were read or set
        (self._planned,) = self._db.execute("SELECT coalesce(max(planned), 0) FROM objects").fetchone()
        self.is_new = not self._db.execute("SELECT 1 FROM settings LIMIT 1").fetchone()
        self._taken = 0

    def close(self) -> None:
        """Close the file and forget the snapshots."""
        for snapshot in self._snapshots.values():
            snapshot.close()
        if self._log:
            with suppress(sqlite3.Error):  # SQLite brings the log into the file, and deletes it
                self._db.execute("PRAGMA application_id = 0")
        self._db.close()
        self._held.close()

    def discard(self) -> None:
        """Close the file; one that this process has made is removed while nobody else can use it."""
        for path in self._made:
            path.unlink(missing_ok=True)
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or undo it when it raises; a block inside a block is part of it."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")  # Ctrl-C may come when it has begun, where there is no server's thread
            yield
            self._flush()
            self._db.execute("COMMIT")
            if self._log and self._log_round() != self._round:
                with suppress(sqlite3.Error):  # a full disk: what was committed is there
                    self._mark()
        except BaseException:
            if self._db.in_transaction:  # a full disk has undone it already
                self._db.execute("ROLLBACK")
            self._forget()
            raise

    def _mark(self) -> None:
        """Let the file say that it needs its log, and the log that the file needs none: only one without it asks."""
        for value in (NEEDS_LOG, 0):
            self._db.execute(f"PRAGMA application_id = {value}")
            if value:
                self._db.execute("PRAGMA wal_checkpoint")
        self._round = self._log_round()

    def _log_round(self) -> bytes:
        """Return what is another one when SQLite, which has brought the log into the file, begins the log anew."""
        return os.pread(self._log.fileno(), 4, 12) if self._log else b""

    def undo(self) -> None:
        """Roll the transaction back, and begin a new one."""
        self._forget()
        self._db.execute("ROLLBACK")
        self._db.execute("BEGIN IMMEDIATE")

    def put(self, record: AnyRecord) -> None:
        """Write *record*, new or changed."""
        self._changed[record.kind, record.id] = record
        if not self._db.in_transaction:
            self._flush()

    def get(self, kind: str, object_id: str) -> AnyRecord | None:
        """Return the object, or None."""
        return self._changed.get((kind, object_id)) or next(self._select("kind = ? AND id = ?", kind, object_id), None)

    def delete(self, record: AnyRecord) -> None:
        """Forget *record*."""
        self._changed.pop((record.kind, record.id), None)
        self._db.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (record.kind, record.id))

    def delete_with_children(self, kind: str, ids: str) -> None:
        """Forget the objects of *kind* among *ids*, a list as JSON, and what belongs to them."""
        self._flush()
        among = "IN (SELECT value FROM json_each(?))"
        query = f"DELETE FROM objects WHERE (kind = ? AND id {among}) OR (parent != '' AND parent {among})"  # noqa: S608
        self._db.execute(query, (kind, ids, ids))

    def children(self, kind: str, parent: str) -> list[AnyRecord]:
        """Return the objects of *kind* that belong to *parent*, in order of creation."""
        self._flush()
        # The index holds no others; without its condition, SQLite would read every object of the kind.
        return list(self._select("kind = ? AND parent = ? AND parent != '' ORDER BY rowid", kind, parent))

    def every(self, kind: str, text: str = "", *, after: str = "") -> list[AnyRecord]:
        """Return the objects of *kind* with *text* in the document, in order of creation: *after* one, if it exists."""
        self._flush()
        known = "ifnull((SELECT rowid FROM objects WHERE kind = ? AND id = ?), 0)"
        query = f"kind = ? AND instr(document, ?) AND rowid > {known} ORDER BY rowid"
        return list(self._select(query, kind, text, kind, after))

    def among(self, kind: str, ids: str, text: str = "") -> list[str]:
        """Return those of *ids*, a list as JSON, whose object is of *kind* and contains *text* in its document."""
        self._flush()
        query = (
            "SELECT id FROM objects WHERE kind = ? AND id IN (SELECT value FROM json_each(?)) AND instr(document, ?)"
            " ORDER BY rowid"
        )
        return [row[0] for row in self._db.execute(query, (kind, ids, text))]

    def next_due(self, until: str) -> AnyRecord | None:
        """Return the object to which something is to happen first, if that is by *until* (ISO 8601)."""
        self._flush()
        return next(self._select("due != '' AND due <= ? ORDER BY due, planned LIMIT 1", until), None)

    def plan(self, record: AnyRecord, trigger: str, due: str) -> None:
        """Write *record*, to which *trigger* is to happen when it is *due*, instead of what was planned earlier."""
        self._planned += 1
        record.due, record.planned, record.trigger = due, self._planned, trigger
        self.put(record)

    def _select(self, where: str, *values: str) -> Iterator[AnyRecord]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM objects WHERE {where}", values)  # noqa: S608 (constants)
        for kind, object_id, merchant_id, parent, document, notes, due, planned, trigger in rows:
            remembered = NOTES[kind](**json.loads(notes))
            yield Record(kind, object_id, merchant_id, json.loads(document), remembered, parent, due, planned, trigger)

    def _flush(self) -> None:
        for record in self._changed.values():
            names = record.kind, record.id, record.merchant_id, record.parent
            texts = to_json(record.document), to_json(vars(record.notes))
            self._db.execute(_PUT, (*names, *texts, record.due, record.planned, record.trigger))
        self._changed.clear()

    def _forget(self) -> None:
        """Drop what was collected and what was read, which may come from a transaction that is undone."""
        self._changed.clear()
        self._settings.clear()

    def answer(self, merchant_id: str, key: str) -> tuple[bytes, int, str] | None:
        """Return (request, status, body) of the first answer to *key*, or None."""
        query = "SELECT request, status, body FROM answers WHERE merchant_id = ? AND key = ?"
        return next(self._db.execute(query, (merchant_id, key)), None)

    def remember(self, merchant_id: str, key: str, request: bytes, status: int, body: str) -> None:
        """Keep the first answer to *key* forever."""
        self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", (merchant_id, key, request, status, body))

    def spend(self, permission_id: str, month: str, hundredths: int) -> None:
        """Add to (or, with a negative number, take from) what a permission has used in a month (``yyyy-mm``)."""
        name, used = f"{_SPENT}{permission_id} {month}", self.spent(permission_id, month) + hundredths
        if used:
            self._db.execute(_SET, (name, to_json(used)))
        else:  # as of what a buyer has agreed to, and nobody has taken
            self._db.execute("DELETE FROM settings WHERE name = ?", (name,))

    def spent(self, permission_id: str, month: str = "") -> int:
        """Return what a permission has used in a month, or in all of them, in hundredths of the major unit."""
        name = f"{_SPENT}{permission_id} {month}"  # not kept in memory, as strangers may lead to ever more of them
        query = "SELECT coalesce(sum(CAST(value AS INTEGER)), 0) FROM settings WHERE name BETWEEN ? AND ?"
        return int(self._db.execute(query, (name, f"{name}~")).fetchone()[0])

    def setting(self, name: str) -> Any:
        """Return a setting, or None."""
        if name not in self._settings:
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
            self._settings[name] = json.loads(row[0]) if row else None
        return self._settings[name]

    def set(self, name: str, value: Any) -> None:
        """Store a setting (any JSON value)."""
        self._settings[name] = value
        self._db.execute(_SET, (name, to_json(value)))

    def clear(self) -> None:
        """Delete all objects; settings stay."""
        self._flush()
        for statement in _CLEAR:
            self._db.execute(statement)
        self._settings.clear()

    def snapshot(self) -> str:
        """Copy everything aside and return the copy's id."""
        self._taken += 1
        name = f"snapshot-{self._taken}"
        self._snapshots[name] = copy = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.backup(copy)
        if len(self._snapshots) > MAX_SNAPSHOTS:
            self._snapshots.pop(next(iter(self._snapshots))).close()
        return name

    def restore(self, name: str, *, keep: bool = True) -> None:
        """Put a copy back, and forget it unless it is to be kept; a KeyError where it does not exist (any more)."""
        snapshot = self._snapshots[name]
        self._forget()
        snapshot.backup(self._db)
        if not keep:
            self._snapshots.pop(name).close()
