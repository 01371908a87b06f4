"""A panel that only shows: its fields choose what, stand above it, and the panel follows the run while it goes on."""

import threading
import weakref
from typing import Any

from amazonpay_nb.client.journal import Journal
from amazonpay_nb.workbench.panels.panel import Panel
from amazonpay_nb.workbench.panels.view import ViewModel

__all__ = ["LookPanel"]

# Seconds between two looks at the journal: a burst of requests is drawn once.
PAUSE = 0.3


class LookPanel(Panel):
    """A view-model that has fields and no actions.

    Args:
        journal: What the panel follows while it is live.
    """

    def __init__(self, model: ViewModel, *, live: bool, journal: Journal | None = None) -> None:
        super().__init__(model, live=live, journal=journal)
        self._closed = threading.Event()
        self._arranged = False

    @property
    def widget(self) -> Any:
        """The panel as an ipywidget, fields first."""
        box = super().widget
        if not self._arranged:
            self._arranged = True
            head, body, *form = box.children
            box.children = (head, *form, body)
            if self.journal is not None:
                _follow(weakref.ref(self), self.journal, self._closed)
        return box

    def close(self) -> None:
        """Stop following the run."""
        self._closed.set()


def _follow(watched: "weakref.ref[LookPanel]", journal: Journal, closed: threading.Event) -> None:
    # A thread of its own, because a request that waits holds up the kernel's; it ends with the panel.
    def run() -> None:
        seen = _mark(journal)
        while not closed.wait(PAUSE) and (panel := watched()) is not None:
            now = _mark(journal)
            if now != seen:
                seen = now
                panel.refresh()
            del panel

    threading.Thread(target=run, name="panel follows the run", daemon=True).start()


def _mark(journal: Journal) -> tuple[int, int]:
    # A journal that is limited stays as long as it is, and has another last entry.
    entries = tuple(journal)
    return len(entries), id(entries[-1]) if entries else 0
