"""The file of a store: whose it is, what it says of itself, and whether all of it can be read.  Nothing here writes."""

import fcntl
import json
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from amazonpay_nb.emulator.records import NOTES, Merchant

# Goes up with what a reader of older stores would not understand; 0 is a file without a version.
VERSION = 4
_READS = (2, 3, VERSION)  # 2 does not say its region: it gets that of the first start
# Few tables and indexes: each one that a request changes is another page to write.  Rows that hold whole documents are
# stored in order of arrival; only small ones are in the order of their key.
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT, id TEXT, merchant_id TEXT, parent TEXT, document TEXT, notes TEXT,
    due TEXT, planned INTEGER, trigger TEXT, PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent, kind) WHERE parent != '';
CREATE TABLE IF NOT EXISTS answers (
    merchant_id TEXT, key TEXT, request BLOB, status INTEGER, body TEXT, PRIMARY KEY (merchant_id, key)
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
# The setting that says where virtual time started, and what it is where time is the wall clock's.
START, REAL_TIME = "start", "real time"
# What SQLite and the emulator put beside the file.
_BESIDE = ("-wal", "-shm", "-journal", ".keys", ".keys/merchant.pem", ".keys/other-merchant.pem")
_LOCKED = (510, 0x40000002)  # the bytes that a process locks which uses a file of SQLite
_UNREADABLE = (KeyError, TypeError, ValueError)

# Whether something is as it should be, and a sentence about it.
Finding = tuple[bool, str]


def findings(path: Path, *, whole: bool = False, **wanted: Any) -> Iterator[Finding]:
    """Yield what is right and wrong with a file, up to what makes the rest unreadable.

    Args:
        path: The file; one that is absent or empty is a new store's.
        whole: Also read every record, which takes seconds where there are many.
        wanted: Settings that it has to have, if it has them at all; None takes any.
    """
    for place in (path, *(Path(f"{path}{end}") for end in _BESIDE)):
        if problem := _not_ours_alone(place):
            yield False, problem
            return
    if not path.exists():
        return
    yield True, f"{path} and what lies beside it are yours alone"
    # Without a log nothing beside the file is looked for, which a read-only folder would not take.
    way = "vfs=unix-none" if Path(f"{path}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&{way}", uri=True)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # without this, a file of shared memory would be made
            yield from _content(db, whole, wanted)
    except sqlite3.Error as error:
        yield False, f"it cannot be read: {error}"


def check_unused(path: Path) -> None:
    """Refuse a file that another process is writing.

    Raises:
        BlockingIOError: It is in use.
    """
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, *_LOCKED)
        except BlockingIOError as error:
            raise BlockingIOError(error.errno, "an emulator is using it; stop that first", str(path)) from None


def _not_ours_alone(path: Path) -> str:
    """Say why a file or folder may have been prepared by somebody else; "" where it was not."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(found.st_mode):
        return f"{path} is a link, and what it leads to may be somebody else's"
    if found.st_uid != os.geteuid():
        return f"{path} belongs to another user"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return f"{path} is open to other users: chmod go= {path}, if its content is yours"
    return ""


def _content(db: sqlite3.Connection, whole: bool, wanted: dict[str, Any]) -> Iterator[Finding]:
    tables = _tables(db)
    if not tables:
        yield True, "it is empty: a new store can begin here"
        return
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in _READS:
        yield False, "another program, or another version of this one, has written it"
        return
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        if tables != _tables(ours):
            yield False, "its tables are not those of this program"
            return
    yield True, f"version {version}, with the tables that belong to it"
    try:
        settings = _settings(db)
    except _UNREADABLE:
        yield False, "its settings are not those of this program"
        return
    for name, value in wanted.items():
        if value is not None and settings.get(name, value) != value:
            yield False, f"its {name} is {settings[name]}, not {value}"
    time = settings.get("clock", REAL_TIME) if settings.get(START) != REAL_TIME else REAL_TIME
    yield True, f"region {settings.get('region', 'not known')}, seed {settings.get('seed')}, clock {time}"
    if whole:
        yield from _records(db)


def _tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()


def _settings(db: sqlite3.Connection) -> dict[str, Any]:
    settings = {name: json.loads(value) for name, value in db.execute("SELECT name, value FROM settings")}
    for row in settings.get("merchants", ()):
        Merchant(**row)
    for name in {"clock", START} & settings.keys():
        if settings[name] != REAL_TIME:
            datetime.fromisoformat(settings[name])
    return settings


def _records(db: sqlite3.Connection) -> Iterator[Finding]:
    problems = [row[0] for row in db.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
    result = "; ".join(problems).replace("\n", " ") or "nothing wrong"
    yield not problems, f"SQLite's integrity check finds {result}"
    kinds: Counter[str] = Counter()
    unreadable: Counter[str] = Counter()
    for kind, document, notes, due in db.execute("SELECT kind, document, notes, due FROM objects"):
        kinds[kind] += 1
        try:
            NOTES[kind](**json.loads(notes))
            dict(json.loads(document))
            datetime.fromisoformat(due or "2026-01-15")
        except _UNREADABLE:
            unreadable[kind] += 1
    for status, body in db.execute("SELECT status, body FROM answers"):
        kinds["answer"] += 1
        try:
            int(status)
            json.loads(body or "null")
        except _UNREADABLE:
            unreadable["answer"] += 1
    yield not unreadable, f"cannot be read: {_sum(unreadable)}" if unreadable else f"can be read: {_sum(kinds)}"


def _sum(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items())) or "no objects yet"
