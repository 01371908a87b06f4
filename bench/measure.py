"""Alternating measurement, and the table of ratios it ends in.

A machine that others use drifts by a quarter within a minute. So nothing is compared with a number from another run:
both sides take turns, each round gives one ratio, and the median of the rounds' ratios is what is judged.
"""

import operator
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = [
    "Result",
    "Target",
    "Unavailable",
    "alternate",
    "compare",
    "per_second",
    "say",
    "seconds",
    "skipped",
    "table",
]

RELATIONS: dict[str, Callable[[float, float], bool]] = {"≤": operator.le, "≥": operator.ge, ">": operator.gt}


class Unavailable(Exception):
    """A thing to compare with cannot be had here; the message says why."""


@dataclass(frozen=True)
class Target:
    """A relation (``≤``, ``≥`` or ``>``) and the number that a measured value must have it to."""

    relation: str
    number: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.relation} {self.number:g}{self.unit}"

    def met(self, value: float) -> bool:
        """Return whether *value* has the relation."""
        return RELATIONS[self.relation](value, self.number)


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    what: str
    ours: str
    other: str = ""
    value: float | None = None
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """Return the last column."""
        if self.value is None:
            return "skipped"
        if self.target is None:
            return "for information"
        return "ok" if self.target.met(self.value) else "**miss**"

    def line(self) -> str:
        """Return the row in Markdown."""
        value = "" if self.value is None else f"{self.value:.2f}"
        return f"| {self.what} | {self.ours} | {self.other} | {value} | {self.target or ''} | {self.verdict} |"


def say(text: str) -> None:
    """Report progress where it does not get into the table."""
    print(text, file=sys.stderr, flush=True)


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* took on the wall clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def per_second(work: Callable[[], object], count: int) -> float:
    """Return how many times a second *work* runs, over *count* runs."""

    def repeat() -> None:
        for _ in range(count):
            work()

    return count / seconds(repeat)


def alternate(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Measure every side once a round and return one list of values for each side.

    Every second round goes backward, so that no side always follows the same neighbor.
    """
    values: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = list(enumerate(sides))
        for index, side in reversed(order) if number % 2 else order:
            values[index].append(side())
    return values


def compare(what: str, rounds: Sequence[Sequence[float]], form: str, name: str, target: Target | None = None) -> Result:
    """Return the median of the rounds' ratios, ours over the other.

    Args:
        what: The first column.
        rounds: Our values and the other side's, one for each round.
        form: How a value is printed, for example ``"{:.0f}/s"``.
        name: What the other side is.
        target: What the ratio is judged by; without one it is for information.
    """
    ours, other = rounds
    ratio = median(a / b for a, b in zip(ours, other, strict=True))
    return Result(what, form.format(median(ours)), f"{name}: {form.format(median(other))}", ratio, target)


def skipped(what: str, reason: object) -> Result:
    """Return the line of a comparison that could not be made."""
    say(f"skipped: {what}: {reason}")
    return Result(what, "", str(reason))


def table(results: Sequence[Result]) -> str:
    """Return the Markdown table."""
    head = ["| measured | ours | compared with | ratio or value | target | |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(result.line() for result in results)])
