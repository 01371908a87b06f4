"""A card for each kind of object: where it is in its life, what is missing, and what a merchant can do with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.spec.answers import CheckoutSession, Resource
from amazonpay_nb.spec.machine import NEW
from amazonpay_nb.spec.states import TIMERS
from amazonpay_nb.workbench.panels.calls import KINDS, Bench, Calls, Kind
from amazonpay_nb.workbench.panels.pictures import StateMap
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Part, View

__all__ = ["Card", "Constraint", "cards"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a Checkout Session still needs before the buyer can pay."""

    constraint_id: str
    description: str


class Card(Calls):
    """One object of a kind, as the last answer described it.

    Args:
        kind: One of `KINDS`.
    """

    def __init__(self, bench: Bench, kind: Kind) -> None:
        super().__init__(bench)
        self.kind = kind

    def view(self, chosen: Chosen) -> View:
        """Return the card of the chosen object."""
        object_id, thing = self.current(self.kind, str(chosen.get(self.kind.id_field, "")))
        actions = tuple(self.actions(self.kind, object_id))
        title = f"{self.kind.machine.name} {object_id}".strip()
        return View(title, self._body(object_id, thing), self._fields(actions), actions)

    def _body(self, object_id: str, thing: Resource | None) -> Iterator[Any]:
        name = self.kind.machine.name
        if thing:
            yield StateMap(self.kind.machine, thing.state)
            yield thing
            yield from self._clock(thing.state)
            yield from self._constraints(thing)
        elif object_id:
            yield StateMap(self.kind.machine, "")
            yield f"This {name} exists, but nothing has told its state yet: get it."
        else:
            yield StateMap(self.kind.machine, NEW)
            yield f"There is no {name} yet."

    def _clock(self, state: str) -> Iterator[str]:
        for timer in TIMERS:
            if (timer.machine, timer.state) == (self.kind.machine.name, state):
                target = self.kind.machine.step(state, timer.trigger).target
                span = _span(timer.after.total_seconds())
                yield f"If nothing else happens, it is {target} {span} after it became {state}."

    def _constraints(self, thing: Resource) -> Iterator[Any]:
        if isinstance(thing, CheckoutSession) and not self.kind.machine.is_final(thing.state):
            rows = [Constraint(row["constraintId"], row.get("description", "")) for row in thing.constraints or ()]
            yield Part(rows, title="Constraints") if rows else "No constraint is left."

    def _fields(self, actions: tuple[Action, ...]) -> tuple[Field, ...]:
        codes = tuple(row.name for row in self.kind.operations)
        names = dict.fromkeys((self.kind.id_field, *(name for action in actions for name in action.fields)))
        return tuple(self.field(name, codes) for name in names)


def cards(bench: Bench) -> tuple[Card, ...]:
    """Return the four cards, in the order in which their objects come into being."""
    return tuple(Card(bench, kind) for kind in KINDS)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} seconds"
