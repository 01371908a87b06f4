"""The parts of a state table: rows, timers, and the machine that looks rows up."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Actor(StrEnum):
    """The party that causes a transition."""

    MERCHANT = "merchant"
    BUYER = "buyer"
    AMAZON = "Amazon"
    CLOCK = "clock"


MERCHANT, BUYER, AMAZON, CLOCK = Actor
NEW = "New"  # the state of an object that does not exist yet


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What happens to each related object whose state allows it."""

    machine: str
    trigger: str
    when: str = ""  #: a flag of the request that has to be true, a charge's type of permission, or ``held``


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: in *source*, *actor* causes *trigger*, and the object is in *target* for *reason*."""

    source: str
    trigger: str
    actor: Actor
    target: str
    reason: str | None = None
    then: tuple[FollowUp, ...] = ()
    resolution: str | None = None  # the winner, where it ends a dispute


@dataclass(frozen=True, slots=True)
class Timer:
    """The trigger that the clock (or Amazon) fires when an object stays in *state* for *after*."""

    machine: str
    state: str
    trigger: str
    after: timedelta


class NotAllowed(Exception):
    """The machine has no row for this state and trigger; `possible` are those that a merchant may use."""

    def __init__(self, machine: "Machine", state: str, trigger: str) -> None:
        self.machine, self.state, self.trigger = machine, state, trigger
        self.possible = tuple(row.trigger for row in machine.allowed(state, MERCHANT))
        possible = ", ".join(self.possible) or "nothing"
        super().__init__(f'{machine.name} is {state}: "{trigger}" is not possible (possible: {possible})')


class Machine:
    """An immutable set of rows; the current state lives in the object, never here."""

    def __init__(self, name: str, rows: tuple[Transition, ...]) -> None:
        self.name, self.rows = name, rows
        self.followed: frozenset[str] = frozenset()  # triggers that rows of another machine pull
        self._by_key = {(row.source, row.trigger): row for row in rows}
        if len(self._by_key) != len(rows):
            raise ValueError(f"{name}: two rows share a state and a trigger")

    @property
    def states(self) -> tuple[str, ...]:
        """The states in the order in which the rows first name them, without `NEW`."""
        named = dict.fromkeys(state for row in self.rows for state in (row.source, row.target))
        return tuple(state for state in named if state != NEW)

    @property
    def triggers(self) -> tuple[str, ...]:
        """Every trigger once, in row order."""
        return tuple(dict.fromkeys(row.trigger for row in self.rows))

    def has(self, state: str, trigger: str) -> bool:
        """Tell whether there is a row for *state* and *trigger*."""
        return (state, trigger) in self._by_key

    def step(self, state: str, trigger: str) -> Transition:
        """Return the row for *state* and *trigger*, or raise `NotAllowed`."""
        try:
            return self._by_key[state, trigger]
        except KeyError:
            raise NotAllowed(self, state, trigger) from None

    def allowed(self, state: str, actor: Actor) -> tuple[Transition, ...]:
        """Return the rows that *actor* may take in *state*, without those that follow from another object's row."""
        rows = (row for row in self.rows if row.source == state and row.actor == actor)
        return tuple(row for row in rows if row.trigger not in self.followed)

    def leading_to(
        self, source: str, target: str, reason: str | None, resolution: str | None = None
    ) -> Transition | None:
        """Return the row that only Amazon, the buyer or the clock takes from *source* to *target* for *reason*."""
        end = source, target, reason, resolution
        rows = (row for row in self.rows if (row.source, row.target, row.reason, row.resolution) == end)
        return next((row for row in rows if row.actor != MERCHANT), None)

    def is_final(self, state: str) -> bool:
        """Tell whether no row leads out of *state* to another one."""
        return all(row.target == state for row in self.rows if row.source == state)


def family(*machines: Machine) -> dict[str, Machine]:
    """Return related machines by name, after marking the triggers that one machine's rows pull in another."""
    pulled = [then for machine in machines for row in machine.rows for then in row.then]
    for machine in machines:
        machine.followed = frozenset(then.trigger for then in pulled if then.machine == machine.name)
    return {machine.name: machine for machine in machines}
