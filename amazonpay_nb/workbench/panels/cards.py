"""A card for each kind of object: where it is in its life, what is missing, and what a merchant can do with it."""

from collections.abc import Iterator
from typing import Any

from amazonpay_nb.client.possible import deadlines
from amazonpay_nb.spec.answers import CheckoutSession, Resource
from amazonpay_nb.spec.machine import NEW
from amazonpay_nb.spec.operations import KINDS, Kind
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.diagrams import state_map
from amazonpay_nb.workbench.panels.calls import CallPanel
from amazonpay_nb.workbench.panels.panel import Panels
from amazonpay_nb.workbench.panels.view import Chosen, View
from amazonpay_nb.workbench.show.blocks import Table


class Card(CallPanel):
    """One object of a kind, as the newest answer describes it."""

    def __init__(self, wb: Workbench, kind: Kind) -> None:
        super().__init__(wb)
        self.kind, self.machine = kind, MACHINES[kind.title]

    def view(self, chosen: Chosen) -> View:
        """Return the card of the chosen object."""
        object_id, thing = self.current(self.kind, chosen)
        actions = tuple(self.actions(self.kind, object_id, thing))
        fields = self.fields((name for action in actions for name in action.fields), [self.kind])
        return View(f"{self.kind.title} {object_id}".strip(), self._body(object_id, thing), fields, actions)

    def _body(self, object_id: str, thing: Resource | None) -> Iterator[Any]:
        if thing:
            yield state_map(self.machine, thing.state)
            yield thing
            yield from deadlines(self.machine, thing.state)
            if isinstance(thing, CheckoutSession) and not self.machine.is_final(thing.state):
                rows = tuple((row["constraintId"], row.get("description", "")) for row in thing.constraints or ())
                head = ("constraint id", "description")
                yield Table("Constraints", head, rows) if rows else "No constraint is left."
        elif object_id:
            yield state_map(self.machine, "")
            yield f"This {self.kind.title} exists, but no answer has shown its state yet: get it."
        else:
            yield state_map(self.machine, NEW)
            yield f"There is no {self.kind.title} yet."


def cards(wb: Workbench) -> Panels:
    """Return the five cards of a workbench under tabs, in the order in which their objects come into being."""
    return Panels("Cards", {kind.title: Card(wb, kind) for kind in KINDS.values()}, live=wb.buyer == "you")
