"""Keep a flow's progress on disk, so that another process can continue it.

    progress = Progress(Path("order-17.progress"))
    key = progress.key("first charge")                  # on the disk before the request leaves
    charge = client.create_charge(…, idempotency_key=key)

A journal is written when an answer arrives, so a process that dies earlier leaves nothing in it.  Here the key comes
first: any process that takes the step again sends the same key, and Amazon repeats its answer instead of the work.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any, Self

from amazonpay_nb.client.auth import new_idempotency_key


class Progress:
    """Notes of one flow on one account, in a file or in memory alone; the first note under a name is kept."""

    def __init__(self, path: Path | None = None) -> None:
        # SQLite: a note is either on disk or not, and if two processes take the same step, one of them is first.
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def key(self, step: str) -> str:
        """Return the idempotency key of a step, always the same; a new attempt is a new step: ``first charge, 2``."""
        return str(self.keep(f"key of {step}", new_idempotency_key()))

    def keep(self, name: str, value: Any) -> Any:
        """Store a JSON value and return the stored one: the first value under this name."""
        self._db.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", (name, json.dumps(value)))
        return self.get(name)

    def get(self, name: str) -> Any:
        """Return the stored value, or None."""
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None
