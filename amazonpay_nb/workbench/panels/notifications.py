"""The notifications: what Amazon announced, what came to the shop's inbox, and what disturbs them on the way."""

from collections.abc import Iterator
from typing import Any

from amazonpay_nb.redaction import redact
from amazonpay_nb.shop.inbox import Inbox, Notice
from amazonpay_nb.spec.notifications import DRILLS
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Option, View, choose
from amazonpay_nb.workbench.show import show

_NO_INBOX = "The shop does not listen yet, so nothing arrives."
_NONE_YET = "Nothing was announced yet."
_DRILLS = tuple(Option(name, f"{name}: {row.happens}") for name, row in DRILLS.items())


class NotificationPanel(BenchPanel):
    """Amazon's announcements and the shop's inbox.

    Attributes:
        notices: What the shop made of those that it has worked on here.
    """

    def __init__(self, wb: Workbench) -> None:
        super().__init__(wb)
        self.notices: list[Notice] = []

    @property
    def inbox(self) -> Inbox | None:
        """The shop's inbox, whoever has opened it."""
        return self._wb.shop.inbox

    def mark(self) -> object:
        """Return a mark that changes with each arrival as well."""
        return super().mark(), repr(self.inbox), len(self.inbox.received) if self.inbox else 0

    def view(self, chosen: Chosen) -> View:
        """Return what was announced, what arrived, and the body of one message."""
        announced = self._wb.director.announced() if self._wb.close.alive else "The workbench is closed."
        if isinstance(announced, str):
            return View("Notifications", (announced,))
        ids = dict.fromkeys(row.object_id for row in reversed(announced))
        received = self.inbox.received if self.inbox else ()
        numbered = (Option(str(n), f"{n}. {row.get('MessageId', '')}") for n, row in enumerate(received, start=1))
        fields = (
            Field("message", "", help="Whose body to read.", options=(Option("", "the latest"), *numbered)),
            Field("kind", "duplicate", "Drill", "What to do to the next ones.", options=_DRILLS),
            Field("object_id", "", "About", "Which to send again.", (Option("", "the newest"), *map(Option, ids))),
        )
        body: list[Any] = [show(announced, title="Announced by Amazon") if announced else _NONE_YET]
        body += [self.inbox or _NO_INBOX]
        if self.notices:
            body.append(show(self.notices, title="What the shop made of them"))
        if received:
            number = str(choose(fields, chosen)["message"])
            body.append(show(redact(received[int(number) - 1 if number else -1]), title="What arrived, as JSON"))
        return View("Notifications", body, fields, tuple(self._actions(next(iter(ids), ""))))

    def _actions(self, newest: str) -> Iterator[Action]:
        inbox = self.inbox
        does = "It listens already." if inbox else "Registers the address of the shop's inbox with Amazon."
        yield Action("listen", "Open the shop's inbox", self.listen, inbox is None, does)
        waiting = bool(inbox and inbox.waiting)
        does = "Reads the object of each from Amazon Pay." if waiting else "Nothing waits."
        yield Action("work", "Work on what has arrived", self.work, waiting, does)
        does = "Disturbs the notifications that come next, once."
        yield Action("play", "Play the drill", self._wb.director.drill, True, does, ("kind",))
        does = "As Amazon's support can." if newest else _NONE_YET
        redeliver = lambda object_id: self._wb.director.redeliver(object_id or newest)  # noqa: E731
        yield Action("redeliver", "Send it again", redeliver, bool(newest), does, ("object_id",))

    def listen(self) -> str:
        """Open the inbox; see `Director.listen`."""
        return repr(self._wb.director.listen(self._wb.shop, self._wb.client))

    def work(self) -> str:
        """Work on all that waits; see `Inbox.work`."""
        assert self.inbox  # noqa: S101 (the action is not possible without one)
        self.notices += self.inbox.work()
        return repr(self.inbox)
