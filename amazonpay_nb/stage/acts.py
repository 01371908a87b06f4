"""What a performance remembers: the beats that were played, and the moments to which it can go back."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from amazonpay_nb.client.journal import Journal
from amazonpay_nb.stage.story import Beat
from amazonpay_nb.stage.worlds import Mark


class PhonePage(NamedTuple):
    """What is on the buyer's phone; a new *key* asks for it to be loaded, even at the same address."""

    key: str
    url: str


class Note(NamedTuple):
    """Words between two entries of the journal: how many entries there were before."""

    after: int
    text: str


class Branch(NamedTuple):
    """One way to go on, which was played and undone, with what was sent; *way* as for an `Act`."""

    name: str
    journal: Journal
    notes: list[Note]
    way: str


@dataclass
class Act:
    """A beat that was played, or is being played.

    Attributes:
        journal: That of the region in which it was played.
        begins, ends: Which entries of the journal are its own.
        way: How it went otherwise: a key of the words ``otherwise``; "" where it went as told.
        pages: The buyer's pages that a script has seen, as address and HTML.
        what_ifs: By name, the branches that were tried.
    """

    beat: Beat
    journal: Journal
    begins: int
    ends: int = 0
    way: str = ""
    notes: list[Note] = field(default_factory=list)
    pages: list[tuple[str, str]] = field(default_factory=list)
    what_ifs: dict[str, list[Branch]] = field(default_factory=dict)


class Moment(NamedTuple):
    """The world before a beat."""

    region: str
    mark: Mark
    server: dict[str, Any]


class Left(BaseException):
    """The presenter has gone elsewhere while the buyer was awaited, or while a script played the buyer."""


class Otherwise(Exception):
    """The buyer came back without doing what the beat is about."""
