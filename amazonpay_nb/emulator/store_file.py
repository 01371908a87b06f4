"""The file of a store: whose it is, what it says of itself, and whether all of it can be read.  Nothing here writes."""

import fcntl
import json
import os
import shlex
import shutil
import sqlite3
import stat
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from amazonpay_nb.emulator.records import NOTES, Merchant
from amazonpay_nb.spec.addresses import is_endpoint
from amazonpay_nb.temporary import TemporaryFolder

# Goes up with what a reader of older stores would not understand; 0 is a file without a version.
VERSION = 7
# 2 does not say its region: it gets that of the first start; 5 has an index of what is due; 6 marks the charges of
# checkouts; 7 counts those of an order.
_READS = (2, 3, 4, 5, 6, VERSION)
# Few tables and indexes: each one that a request changes is another page to write.  Rows that hold whole documents are
# stored in order of arrival; only small ones are in the order of their key.
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT, id TEXT, merchant_id TEXT, parent TEXT, document TEXT, notes TEXT,
    due TEXT, planned INTEGER, trigger TEXT, PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent, kind) WHERE parent != '';
CREATE INDEX IF NOT EXISTS objects_by_due ON objects (due, planned) WHERE due != '';
CREATE TABLE IF NOT EXISTS answers (
    merchant_id TEXT, key TEXT, request BLOB, status INTEGER, body TEXT, PRIMARY KEY (merchant_id, key)
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
# The setting that says where virtual time started, and what it is where time is the wall clock's.
START, REAL_TIME = "start", "real time"
# What SQLite and the emulator put beside the file.
_BESIDE = ("-wal", "-shm", "-journal", ".keys", ".keys/merchant.pem", ".keys/other-merchant.pem")
_UNREADABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
_NUMBERS = ("drawn", "seed", "spent ", "starts")  # settings of these names
_NEVER = "2026-01-15T00:00:00+00:00"  # stands in for a time that is missing
_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1900, 9900))  # what is planned lies between them
_KINDS = {"answer": dict, **NOTES}
_typed = cache(TypeAdapter)
_EVERYTHING = (
    "SELECT kind, document, notes, due, planned, trigger FROM objects UNION ALL "
    "SELECT 'answer', coalesce(nullif(body, ''), 'null'), '{}', '', 0, '' FROM answers"
)

# The application id of a file that is nothing without its log; where the log is read, it says 0 again.
NEEDS_LOG = 1
_HEADER_BYTES = 32  # of a log; a transaction is behind it
# A command by which what can be read of file and log goes into the file, which is whole then.
_KEEP = (
    """python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); """
    """[db.execute("PRAGMA " + one) for one in ("application_id = 0", "wal_checkpoint(TRUNCATE)")]'"""
)

IN_USE = "an emulator is using it; stop that first"
# Whether something is as it should be, and a sentence about it.
Finding = tuple[bool, str]


def findings(path: Path, *, whole: bool = False, **wanted: Any) -> Iterator[Finding]:
    """Yield what is right and wrong with a file, up to what makes the rest unreadable.

    Args:
        whole: Also read every record, which takes seconds where there are many.
        wanted: Settings that it has to have, if it has them at all; None takes any.
    """
    try:
        for place in (path, *(Path(f"{path}{end}") for end in _BESIDE)):
            check_owner(place)
        if not path.exists() and not Path(f"{path}-wal").exists():
            return
        yield True, f"{path} and what lies beside it are yours alone"
        check_unused(path)
        with _reading(path) as db:
            _check_log(path, db)
            yield from content(db, wanted)
            if whole:
                yield from _records(db)
    except BlockingIOError as error:
        yield False, str(error.strerror)
    except (sqlite3.Error, OSError) as error:
        yield False, f"it cannot be read: {error}"
    except ValueError as error:
        yield False, str(error)


def _check_log(path: Path, db: sqlite3.Connection) -> None:
    """Raise a ValueError for a file that has lost its log, or has nothing of what once was in it."""
    log, is_empty = Path(f"{path}-wal"), not _tables(db)
    back = "put it and its journal back from a copy"
    if is_empty and Path(f"{path}.keys/merchant.pem").exists():
        raise ValueError(f"it is empty, though {path}.keys has the keys of a store: {back}, or delete it to begin anew")
    if is_empty and path.stat().st_size and not log.exists():
        raise ValueError(f"its journal {log} is not beside it: {back}, or delete it to begin anew")
    needs_log = db.execute("PRAGMA application_id").fetchone() == (NEEDS_LOG,)
    if needs_log and not (log.exists() and log.stat().st_size > _HEADER_BYTES):
        lost = f"its journal {log} is not beside it, or empty, and what was written last is lost"
        raise ValueError(f"{lost}: {back}, or keep what can be read: {_KEEP} {shlex.quote(str(path))}")


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file, or a copy where a log lies beside it: SQLite deletes a log from which it reads nothing."""
    log = Path(f"{path}-wal")
    if not log.exists():  # nothing beside the file is looked for, which a read-only folder would not take
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            yield db
        return
    with closing(TemporaryFolder()) as folder:
        for place in filter(Path.exists, (path, log)):
            shutil.copyfile(place, folder.path / place.name)
        with closing(sqlite3.connect(folder.path / path.name)) as db:
            _tables(db)  # this reads the log
            (_, frames, _) = db.execute("PRAGMA wal_checkpoint").fetchone()
            if _is_cut(log.read_bytes(), max(frames, 0)):
                advice = (
                    f"put it and the store back from a copy, or keep what can be read: {_KEEP} {shlex.quote(str(path))}"
                )
                raise ValueError(f"{log} is damaged, and what was written last is lost to SQLite: {advice}")
            yield db


def _is_cut(log: bytes, frames: int) -> bool:
    """Whether a log's header is damaged, or transactions end behind the frames that SQLite reads.

    The last frame does not count: a kill may have cut it short.  Frames with another salt are of an older round.
    """
    one = two = 0
    for first, second in struct.iter_unpack("<2I" if log[3:4] == b"\x82" else ">2I", log[:24].ljust(24)):
        one = one + first + two & 0xFFFFFFFF
        two = two + second + one & 0xFFFFFFFF
    if log and (log[:1] == b"\0" or log[24:32] != struct.pack(">2I", one, two)):
        return True
    size = 24 + int.from_bytes(log[8:12])
    starts = range(32 + frames * size, len(log), size)
    return any([any(log[at + 4 : at + 8]) for at in starts if log[at + 8 : at + 16] == log[16:24]][:-1])


def check_unused(path: Path) -> None:
    """Raise a BlockingIOError for a store that an emulator is using: it has locked the log."""
    log = Path(f"{path}-wal")
    if log.is_file() and os.access(log, os.R_OK):
        with suppress(FileNotFoundError), log.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(error.errno, IN_USE, str(path)) from None


def check_owner(path: Path) -> None:
    """Refuse a file or folder that somebody else may have prepared."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise ValueError(f"{path} is a link, and what it leads to may be somebody else's")
    if not stat.S_ISREG(found.st_mode) | stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{path} is no file")
    if found.st_uid != os.geteuid():
        raise ValueError(f"{path} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ValueError(f"{path} is open to other users: chmod go= {path}, if its content is yours")


def content(db: sqlite3.Connection, wanted: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is right with version, tables and settings, or raise a ValueError."""
    tables = _tables(db)
    if not tables:
        yield True, "it is empty: a new store can begin here"
        return
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in _READS:
        raise ValueError("another program, or another version of this one, has written it")
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        if tables not in (_tables(ours), [row for row in _tables(ours) if row[0] != "objects_by_due"]):
            raise ValueError("its tables are not those of this program")
    yield True, f"version {version}, with the tables that belong to it"
    settings = _settings(db)
    for name, value in wanted.items():
        if value is not None and settings.get(name, value) != value:
            raise ValueError(f"its {name} is {_one_line(settings[name])}, not {value}")
    time = REAL_TIME if settings.get(START) == REAL_TIME else settings.get("clock", REAL_TIME)
    yield True, f"region {_one_line(settings.get('region', 'not known'))}, seed {settings.get('seed')}, clock {time}"


def _one_line(text: Any) -> str:
    """Return what a file says in one line: it may have line ends, and what moves a terminal's cursor."""
    return repr(str(text))[1:-1]


def _check_time(text: str) -> None:
    if not _FIRST <= datetime.fromisoformat(text) <= _LAST:
        raise ValueError("time has left the calendar")


def _tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()


def _settings(db: sqlite3.Connection) -> dict[str, Any]:
    try:
        settings = {name: json.loads(value) for name, value in db.execute("SELECT name, value FROM settings")}
        if not settings.get("merchants", True):
            raise ValueError("nobody has an account")
        for row in settings.get("merchants", ()):
            one = Merchant(**row)
            "".join((one.merchant_id, one.store_id, one.name, one.endpoint, *one.keys.values()))
        endpoints = [row["endpoint"] for row in settings.get("merchants", ()) if row.get("endpoint")]
        elsewhere = not all(map(is_endpoint, endpoints))
        for name in settings:
            if name.startswith(_NUMBERS):
                settings[name].bit_length()
            elif name in ("clock", START) and settings[name] != REAL_TIME:
                _check_time(settings[name])
    except _UNREADABLE:
        raise ValueError("its settings are not those of this program") from None
    if elsewhere:
        raise ValueError("its notifications would go to another machine")
    return settings


def _records(db: sqlite3.Connection) -> Iterator[Finding]:
    problems = [row[0] for row in db.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
    result = "; ".join(problems).replace("\n", " ") or "nothing wrong"
    yield not problems, f"SQLite's integrity check finds {result}"
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for kind, document, notes, due, planned, trigger in db.execute(_EVERYTHING):
        good = False
        with suppress(*_UNREADABLE):
            fields = json.loads(document, parse_constant=int).keys()  # int takes no NaN
            _KINDS[kind](**json.loads(notes))
            _typed(_KINDS[kind]).validate_json(notes, strict=True)  # which lets other names pass
            _check_time(_NEVER if due == "" else due)
            good = planned.bit_length() < 60 and bool(trigger or not due) and bool(fields or kind == "answer")
        counts[good][kind] += 1
    for good, kinds in counts.items():
        if kinds:
            rows = (f"{count} × {_one_line(kind)}" for kind, count in sorted(kinds.items()))
            yield good, f"{'can' if good else 'cannot'} be read: {', '.join(rows)}"
