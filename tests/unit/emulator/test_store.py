"""What a transaction that is undone leaves behind: nothing, also in memory."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb.emulator.records import ChargeNotes, Record
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.store_file import findings

NOTES = ChargeNotes("OneTime", "2026-01")
LATER, LATEST = "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"


class Mishap(Exception):
    """Something goes wrong in the middle of a transaction."""


@pytest.fixture
def store() -> Iterator[Store]:
    """A store with one charge that expires."""
    store = Store()
    with store.transaction():
        charge = Record("Charge", "C1", "A1", {"chargeId": "C1"}, NOTES)
        store.plan(charge, "Expire", LATER)
        store.set("drawn", 1)
    yield store
    store.close()


@contextmanager
def undone(store: Store) -> Iterator[None]:
    """Run a transaction that fails at its end."""
    with suppress(Mishap), store.transaction():
        yield
        raise Mishap


def due(store: Store, until: str = LATEST) -> str:
    record = store.next_due(until)
    return record.trigger if record else ""


def test_nothing_is_due_before_its_time(store: Store) -> None:
    """And what was planned last counts."""
    assert due(store, "2026-01-31T00:00:00+00:00") == ""
    charge = store.get("Charge", "C1")
    assert charge is not None
    store.plan(charge, "Forget", LATEST)
    assert due(store, LATER) == ""
    assert due(store) == "Forget"


def test_what_happened_in_an_undone_transaction_is_due_again(store: Store) -> None:
    """Looking for the next one drops what has happened; that is undone as well."""
    with undone(store):
        charge = store.next_due(LATEST)
        assert charge is not None
        charge.due = ""
        store.put(charge)
        assert due(store) == ""
    assert due(store) == "Expire"


def test_what_was_planned_in_an_undone_transaction_never_happens(store: Store) -> None:
    """Its place in the agenda leads to no object."""
    with undone(store):
        other = Record("Charge", "C2", "A1", {}, NOTES)
        store.plan(other, "Expire", "2026-01-16T00:00:00+00:00")
    first = store.next_due(LATEST)
    assert first is not None
    assert first.id == "C1"


def test_a_setting_of_an_undone_transaction_is_forgotten(store: Store) -> None:
    """Also where it was written and read in between."""
    with undone(store):
        store.set("drawn", 2)
        store.children("Charge", "C1")  # a query writes what was collected
        assert store.setting("drawn") == 2
    assert store.setting("drawn") == 1


class Interrupted(sqlite3.Connection):
    """Ctrl-C comes when a transaction has just begun."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        begun = super().execute(sql, *arguments)
        if sql.startswith("BEGIN"):
            raise KeyboardInterrupt
        return begun


def test_an_interrupted_transaction_does_not_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that followed would be a part of it, and be undone with the next refusal."""
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Interrupted))
    with closing(Store()) as store:
        with pytest.raises(KeyboardInterrupt), store.transaction():
            pass
        assert not store._db.in_transaction


def test_a_snapshot_brings_back_what_is_due(store: Store) -> None:
    """And the settings."""
    copy = store.snapshot()
    store.clear()
    store.set("drawn", 5)
    assert due(store) == ""
    store.restore(copy)
    assert (due(store), store.setting("drawn")) == ("Expire", 1)


def test_a_document_that_changes_after_it_was_read_is_stored_as_it_is(store: Store) -> None:
    """What is written is the state of the object at the end, not when it was put."""
    with store.transaction():
        charge = store.get("Charge", "C1")
        assert charge is not None
        store.put(charge)
        charge.document["channel"] = "Web"
        store.put(charge)
    kept = store.get("Charge", "C1")
    assert kept is not None
    assert kept.document == {"chargeId": "C1", "channel": "Web"}


def test_those_of_a_parent_are_found_without_the_others(store: Store) -> None:
    """In order of creation, and in no more of SQLite's steps than when there were no others."""

    def put(*names: str, parent: str) -> None:
        with store.transaction():
            for name in names:
                store.put(Record("Charge", name, "A1", {}, NOTES, parent))

    def steps() -> int:
        taken: list[None] = []
        store._db.set_progress_handler(lambda: taken.append(None), 1)
        assert [charge.id for charge in store.children("Charge", "P1")] == ["C3", "C2"]
        store._db.set_progress_handler(None, 1)
        return len(taken)

    put("C3", "C2", parent="P1")
    before = steps()
    put(*(f"X{number}" for number in range(200)), parent="P2")
    assert steps() <= before


def test_no_new_world_begins_in_a_file_without_its_journal(tmp_path: Path) -> None:
    """It was moved alone while all of its world was in the journal; a new file has no byte."""
    moved = tmp_path / "moved.db"
    moved.touch(0o600)
    with closing(Store(str(tmp_path / "world.db"))) as store:
        store.set("drawn", 1)
        moved.write_bytes(before := (tmp_path / "world.db").read_bytes())
    with pytest.raises(sqlite3.DatabaseError, match=r"moved\.db-wal is not beside it"):
        Store(str(moved))
    assert ([path.name for path in tmp_path.glob("moved*")], moved.read_bytes()) == (["moved.db"], before)


@pytest.mark.parametrize("lives", [1, 2], ids=["first life", "later life"])
@pytest.mark.parametrize("size", [1, 1_000_000], ids=["all in the journal", "the journal anew"])
def test_a_file_that_has_lost_what_its_journal_knew_is_refused(tmp_path: Path, lives: int, size: int) -> None:
    """Gone or empty; not where SQLite's own shell has brought it into the file and deleted it."""
    path, lost, whole = (tmp_path / f"{name}.db" for name in ("world", "lost", "whole"))
    for _ in range(lives - 1):
        Store(str(path)).close()
    with closing(Store(str(path))) as store:
        for number in range(20):  # 8000 pages of 2048 bytes are what a journal holds at most
            with store.transaction():
                store.set("drawn", number)
                store.set("padding", "x" * size)
        for name in (lost, whole):
            shutil.copy(path, name)
        shutil.copy(f"{path}-wal", f"{whole}-wal")  # as a kill would leave it
    assert all(good for good, _ in findings(whole))
    with closing(sqlite3.connect(whole)) as shell:
        assert shell.execute("SELECT value FROM settings WHERE name = 'drawn'").fetchone() == ("19",)
    assert (Path(f"{whole}-wal").exists(), all(good for good, _ in findings(whole))) == (False, True)
    for _ in range(2):
        *_, (good, text) = findings(lost)
        assert (good, "lost.db-wal is not beside it, or empty, and what was written last is lost" in text) == (
            False,
            True,
        )
        with pytest.raises(sqlite3.DatabaseError, match="is lost: put it and its journal back from a copy"):
            Store(str(lost))
        Path(f"{lost}-wal").touch(0o600)
    subprocess.run(["sh", "-c", text.partition(" keep what can be read: ")[2]], check=True)
    assert all(good for good, _ in findings(lost))


# Begins one store after another, each killed one statement later, until one is not killed; prints their number.
KILLED = """
import os, sys
from amazonpay_nb.emulator.store import Store
number, code = 0, 0
while not code:
    number, left = number + 1, number
    if not (pid := os.fork()):
        def end(frame, event, function):
            global left
            if event == "c_return" and function.__name__.startswith("execute"):
                left or os._exit(0)
                left -= 1
        sys.setprofile(end)
        Store(f"{sys.argv[1]}/{number}.db")
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(number)
"""


def test_a_file_is_new_wherever_its_first_start_was_killed(tmp_path: Path) -> None:
    """After each statement; so is a file that was there before a start which failed."""
    command = (sys.executable, "-c", KILLED, str(tmp_path))
    count = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert count > 5
    for number in range(1, count + 1):
        path = tmp_path / f"{number}.db"
        assert all(good for good, _ in findings(path)), (number, *findings(path))
        for _ in range(2):
            store = Store(str(path))
            assert store.is_new
            store.discard()
