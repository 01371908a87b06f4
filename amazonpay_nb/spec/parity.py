"""The registry of behaviors: everything this package claims about Amazon Pay, and how far each claim can be trusted.

The rows are in the folder ``parity``, one file a topic; ``parity/index.toml`` says how to read and correct them.  They
are read when somebody first asks for one.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

from amazonpay_nb.spec.data import DataError, as_kind, data_row, load, read


class Evidence(StrEnum):
    """Where a fact was found, from the firmest to the weakest."""

    DOCUMENTED = "documented"  # stated on a page of Amazon's own guide
    SDK = "sdk"  # found in the source code of an official SDK
    RECORDED = "recorded"  # seen in traffic, a plug-in, an issue thread or an FAQ site
    INFERRED = "inferred"  # our reasoning, made one constant or row so that it is easy to change
    EMULATOR_ONLY = "emulator-only"  # exists only here, for teaching and testing, not at Amazon


@data_row
class Source:
    """The source of claims: an address, further addresses, or a note."""

    url: str
    also: tuple[str, ...] = ()
    note: str = ""


@data_row
class _Index:
    read_on: date
    topics: dict[str, str]
    raised_by: dict[str, str]
    sources: dict[str, Source]


@data_row
class Behavior:
    """One claim; ``parity/index.toml`` describes the fields."""

    id: str
    topic: str
    sentence: str
    evidence: Evidence
    source: str
    url: str
    read_on: date
    test: str = ""
    why_not: str = ""
    raised_by: str = ""


@cache
def _index() -> _Index:
    return load("parity/index.toml", _Index)


@cache
def _registry() -> Mapping[str, Behavior]:
    registry: dict[str, Behavior] = {}
    for topic in _index().topics:
        name = f"parity/{topic}.toml"
        rows = {key: _whole(name, topic, key, row) for key, row in read(name).items()}
        registry |= {row.id: row for row in as_kind(name, rows, dict[str, Behavior]).values()}
    return registry


def _whole(name: str, topic: str, key: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what its place and its source say about it."""
    source = _index().sources.get(row.get("source", ""))
    if source is None:
        raise DataError(f"{name}, {key}: its source is not one of parity/index.toml")
    if bool(row.get("test")) == bool(row.get("why_not")):
        raise DataError(f"{name}, {key}: a row has either a test or a why_not")
    if row.get("raised_by") not in (_index().raised_by if row.get("evidence") == Evidence.INFERRED else (None,)):
        raise DataError(f"{name}, {key}: an inferred row, and no other, says what could raise it")
    return {"id": f"{topic}.{key}", "topic": topic, "url": source.url, "read_on": _index().read_on} | row


def topics() -> Mapping[str, str]:
    """Return each topic, as ids begin with it, and its heading."""
    return _index().topics


def ways_to_raise() -> Mapping[str, str]:
    """Return what could turn inferred claims into knowledge, by the word for it."""
    return _index().raised_by


def behavior(behavior_id: str) -> Behavior:
    """Return one row, or raise `KeyError`."""
    return _registry()[behavior_id]


def behaviors(topic: str = "") -> tuple[Behavior, ...]:
    """Return the rows of one topic, or of all, in the order of the files."""
    return tuple(row for row in _registry().values() if topic in ("", row.topic))
