"""What comes without a call: the clock, with what falls due in days and hours, and Amazon's notifications."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from amazonpay_nb.client.possible import deadlines
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.shop.inbox import Inbox, Notice
from amazonpay_nb.spec.notifications import DRILLS
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import Chosen, View, action_of, choose, fields_of
from amazonpay_nb.workbench.show import show
from amazonpay_nb.workbench.show.blocks import Table

_NO_INBOX = "The shop does not listen yet, so nothing arrives."
_NONE_YET = "Nothing was announced yet."
_DRILLS = {name: f"{name}: {row.happens}" for name, row in DRILLS.items()}


class ClockPanel(BenchPanel):
    """The emulator's time; Amazon's own passes by itself."""

    reports = False  # what time does is no request

    def view(self, chosen: Chosen) -> View:
        """Return what time it is, what has fallen due, and what will."""
        wb = self._wb
        body: list[Any] = ["The workbench is closed, and its time is over."]
        if wb.close.alive and wb.emulator is None:
            body = [wb.director.advance(days=1)]
        elif wb.close.alive and wb.emulator:
            body = [f"At Amazon Pay it is {wb.emulator.clock.now():%A, %d %B %Y, %H:%M:%S} UTC.", *self._due()]
            passed = (text.partition("\n") for _, text in wb.director.passed)
            rows = tuple((time, rest or "nothing") for time, _, rest in passed)
            body += [Table("What has passed, the latest first", ("time", "what fell due"), rows[::-1])] if rows else []
        advance = action_of("advance", self.advance, bool(wb.close.alive and wb.emulator))
        return View("Clock", body, fields_of("clock"), (advance,))

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
        """Let days and hours pass, and say what fell due."""
        if not all(text.isdecimal() for text in (days or "0", hours or "0")) or not int(days or 0) + int(hours or 0):
            raise ConfigurationError("That is no time.", advice="Write whole numbers of days and hours.")
        return self._wb.director.advance(days=int(days or 0), hours=int(hours or 0))


class NotificationPanel(BenchPanel):
    """Amazon's announcements, the shop's inbox, and what the shop made of those that it has worked on here."""

    def __init__(self, wb: Workbench) -> None:
        super().__init__(wb)
        self.notices: list[Notice] = []

    @property
    def inbox(self) -> Inbox | None:
        """The shop's inbox, whoever has opened it."""
        return self._wb.shop.inbox

    def view(self, chosen: Chosen) -> View:
        """Return what was announced, what arrived, and the body of one message."""
        announced = self._wb.director.announced() if self._wb.close.alive else "The workbench is closed."
        if isinstance(announced, str):
            return View("Notifications", (announced,))
        ids = {row.object_id: row.object_id for row in announced}
        received = tuple(self.inbox.received) if self.inbox else ()  # more may arrive meanwhile
        numbered = {str(n): f"{n}. {row.get('MessageId', '')}" for n, row in enumerate(received, start=1)}
        options = {"message": {"": "the latest"} | numbered, "kind": _DRILLS, "object_id": {"": "the newest"} | ids}
        fields = fields_of("notifications", {name: {"options": each} for name, each in options.items()})
        body: list[Any] = [show(announced, title="Announced by Amazon") if announced else _NONE_YET]
        body += [self.inbox or _NO_INBOX]
        if self.notices:
            body.append(show(self.notices, title="What the shop made of them"))
        if received:
            number = str(choose(fields, chosen)["message"])
            body.append(show(redact(received[int(number) - 1 if number else -1]), title="What arrived, as JSON"))
        director, newest = self._wb.director, announced[-1].object_id if announced else ""
        actions = (
            action_of("listen", self.listen, self.inbox is None),
            action_of("work", self.work, bool(self.inbox and self.inbox.waiting)),
            action_of("play", director.drill),
            action_of("redeliver", partial(self._redeliver, newest), bool(newest)),
        )
        return View("Notifications", body, fields, actions)

    def _redeliver(self, newest: str, object_id: str) -> str:
        return self._wb.director.redeliver(object_id or newest)

    def listen(self) -> str:
        """Open the inbox; see `Director.listen`."""
        return repr(self._wb.director.listen(self._wb.shop, self._wb.client))

    def work(self) -> str:
        """Work on all that waits; see `Inbox.work`."""
        assert self.inbox  # noqa: S101 (the action is not possible without one)
        self.notices += self.inbox.work()
        return repr(self.inbox)
