"""The clock: days and hours that a merchant would have to wait for, and what falls due in them."""

from collections.abc import Iterator
from typing import Any

from amazonpay_nb.client.possible import deadlines
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import ROWS, Action, Chosen, Field, View
from amazonpay_nb.workbench.show.blocks import Table

_FIELDS = tuple(Field(name, **row) for name, row in ROWS["clock"].items())


class ClockPanel(BenchPanel):
    """The emulator's time; Amazon's own passes by itself."""

    reports = False  # what time does is no request

    def mark(self) -> object:
        """Return a mark that changes with the time as well."""
        return super().mark(), len(self._wb.director.passed)

    def view(self, chosen: Chosen) -> View:
        """Return what time it is, what has fallen due, and what will."""
        wb = self._wb
        body: list[Any] = ["The workbench is closed, and its time is over."]
        if wb.close.alive and wb.emulator is None:
            body = [wb.director.advance(days=1)]
        elif wb.close.alive and wb.emulator:
            body = [f"At Amazon Pay it is {wb.emulator.clock.now():%A, %d %B %Y, %H:%M:%S} UTC.", *self._due()]
            rows = tuple(
                (time, rest or "nothing") for time, _, rest in (t.partition("\n") for _, t in wb.director.passed)
            )
            body += [Table("What has passed, the latest first", ("time", "what fell due"), rows[::-1])] if rows else []
        does = "Moves the emulator's clock; what falls due on the way happens in its order."
        enabled = bool(wb.close.alive and wb.emulator)
        action = Action("advance", "Let the time pass", self.advance, enabled, does, ("days", "hours"))
        return View("Clock", body, _FIELDS, (action,))

    def _due(self) -> Iterator[Table]:
        head = ("object", "as last answered", "what time brings")
        rows = [
            (f"{kind} {object_id}", state, sentence)
            for kind, object_id, document in self._wb.journal.known
            for state in [document["statusDetails"]["state"]]
            for sentence in deadlines(MACHINES[kind], state)
        ]
        if rows:
            yield Table("What happens if nothing else does", head, tuple(rows))

    def advance(self, days: str, hours: str) -> str:
        """Let days and hours pass, and say what fell due.

        Raises:
            ConfigurationError: They are no whole numbers, or both nothing.
        """
        if not all(text.isdecimal() for text in (days or "0", hours or "0")) or not int(days or 0) + int(hours or 0):
            raise ConfigurationError("That is no time.", advice="Write whole numbers of days and hours.")
        return self._wb.director.advance(days=int(days or 0), hours=int(hours or 0))
