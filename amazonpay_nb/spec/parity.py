"""The registry of behaviors: everything this package claims about Amazon Pay, and how far each claim can be trusted.

The rows are in the folder ``parity``, one file a topic; ``parity/index.toml`` says how to read and correct them.  They
are read when somebody first asks for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache

from pydantic import with_config

from amazonpay_nb.spec.data import STRICT, DataError, as_kind, read

__all__ = ["Behavior", "Evidence", "Source", "behavior", "behaviors", "topics"]


class Evidence(StrEnum):
    """Where a fact was found, from the firmest to the weakest."""

    DOCUMENTED = "documented"  # read on a page of Amazon's own guide
    SDK = "sdk"  # read in the source of an official SDK
    RECORDED = "recorded"  # seen in traffic, a plug-in, an issue thread or an FAQ site
    INFERRED = "inferred"  # our reasoning, made one constant or row so that it is easy to change
    EMULATOR_ONLY = "emulator-only"  # exists here for teaching and testing, not at Amazon


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Source:
    """Where claims were read: an address, further ones, and a note where there is none."""

    url: str
    also: tuple[str, ...] = ()
    note: str = ""


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class _Row:
    sentence: str
    evidence: Evidence
    source: str
    test: str = ""
    why_not: str = ""
    read_on: date | None = None
    url: str = ""


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class _Index:
    read_on: date
    topics: dict[str, str]
    sources: dict[str, Source]


@dataclass(frozen=True, slots=True)
class Behavior:
    """One claim.

    Attributes:
        id: ``topic.name``; tests and notebooks refer to it.
        evidence: How we know.
        source: Short name of the page that says it, or that leaves it open.
        url: Address of that page; "" where none is known.
        test: Node id of the test that holds the emulator to it, without parameters, or "".
        why_not: Why the emulator does not do it, or no test holds it to it; "" where one does.
        read_on: When it was last compared with its source.
    """

    id: str
    sentence: str
    evidence: Evidence
    source: str
    url: str
    test: str
    why_not: str
    read_on: date
    topic: str = field(repr=False)


@cache
def _index() -> _Index:
    return as_kind("parity/index.toml", read("parity/index.toml"), _Index)


@cache
def _registry() -> Mapping[str, Behavior]:
    index, registry = _index(), dict[str, Behavior]()
    for topic in index.topics:
        name = f"parity/{topic}.toml"
        for key, row in as_kind(name, read(name), dict[str, _Row]).items():
            if row.source not in index.sources:
                raise DataError(f"{name}, {key}: the source {row.source!r} is not in parity/index.toml")
            if bool(row.test) == bool(row.why_not):
                raise DataError(f"{name}, {key}: a row has either a test or a why_not")
            url, read_on = row.url or index.sources[row.source].url, row.read_on or index.read_on
            registry[f"{topic}.{key}"] = Behavior(
                f"{topic}.{key}", row.sentence, row.evidence, row.source, url, row.test, row.why_not, read_on, topic
            )
    return registry


def topics() -> Mapping[str, str]:
    """Return each topic, as ids begin with it, and its heading."""
    return _index().topics


def behavior(behavior_id: str) -> Behavior:
    """Return one row.

    Raises:
        KeyError: There is none of this id.
    """
    return _registry()[behavior_id]


def behaviors(topic: str = "") -> tuple[Behavior, ...]:
    """Return the rows of one topic, or of all, in the order of the files."""
    return tuple(row for row in _registry().values() if topic in ("", row.topic))
