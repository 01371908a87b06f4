"""Golden tables: what Amazon's guide says, typed by hand into `tests/wire`, so that no table is its own proof."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "wire"


@cache
def golden(name: str) -> dict[str, Any]:
    """Return one file of `tests/wire`, for example ``states``."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return content


class Row(NamedTuple):
    """One transition; a follow-up is (machine, trigger, flag of the request or "")."""

    machine: str
    source: str
    trigger: str
    actor: str
    target: str
    reason: str | None
    then: tuple[tuple[str, str, str], ...]
    resolution: str | None = None

    def __str__(self) -> str:
        return f"{self.machine}-{self.source}-{self.trigger}"


TRANSITIONS = [
    Row(machine, *row[:5], tuple(map(tuple, row[5])), *row[8:])  # type: ignore[arg-type]
    for machine, rows in golden("states")["transitions"].items()
    for row in rows
]


class Outcome(NamedTuple):
    """What a simulation code makes one operation do."""

    operation: str
    code: str
    status: int
    reason_code: str | None
    state: str | None
    later_state: str | None
    later_reason: str | None
    seconds: int
    evidence: str
    needs: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.code}"


OUTCOMES = [Outcome(*row) for row in golden("simulations")["codes"]]


def rows(file: str, table: str) -> list[list[Any]]:
    """Return the rows of a table with columns."""
    content: list[list[Any]] = golden(file)[table]["rows"]
    return content


def reasons_of(operation: str) -> set[str]:
    """Return every reason code that an operation answers with, whatever the source."""
    file = golden("reasons")
    row = file["operations"][operation]
    return {*row["listed"], *row["ours"], *file["any operation"]}
