"""The frame of every panel: one object with two faces.

Where a person sits (``live``) its cell shows ipywidgets; in a script, an export or a terminal it shows the same content
as static HTML and text, and not even ipywidgets is imported.

    desk.act("create_charge", amount="5.00")   # what the button does, with parameters

A click runs in a thread, because the kernel handles clicks and cells one after the other: a click that waited for an
answer would hold up all others.  An action that waits for a person returns a coroutine.  What goes wrong is explained
in its place, and the fields keep what was typed.
"""

import asyncio
import inspect
import logging
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from amazonpay_nb.client.journal import Journal, own_exchanges
from amazonpay_nb.emulator.remote import ControlError
from amazonpay_nb.errors import AmazonPayError, ConfigurationError
from amazonpay_nb.workbench import kernel
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.view import Chosen, Value, View, act, explain, look, render, report_on, static
from amazonpay_nb.workbench.show.blocks import Table

if TYPE_CHECKING:
    from amazonpay_nb.workbench.panels.form import Form

_LOG = logging.getLogger(__name__)
PAUSE = 0.3  # seconds between two looks at a run: a burst of requests is drawn once
_ON_PAGE = "Waiting for the buyer, on the page below. The other buttons work meanwhile."


class Panel(ABC):
    """What a person sees and can do; each panel has a `view` of its own, and a method for each action in it.

    Args:
        journal: The record of the requests, which the panel follows, whoever sends them.
        live: Whether a person sits there and can click.
    Attributes:
        outcome: What the last click led to, or the error that it ended with.
        report: What the last action sent, and why that was accepted; nothing where *reports* is not set.
    """

    reports: ClassVar[bool] = True

    def __init__(self, journal: Journal | None = None, *, live: bool = False) -> None:
        self.live, self.journal = live, journal
        self.report: tuple[Any, ...] = ()
        self.outcome: Any = None
        self._form: Form | None = None
        self._displays, self._gone = 0, threading.Event()

    @abstractmethod
    def view(self, chosen: Chosen) -> View:
        """Return what to show for what the fields say; a field that is left out has its default.  Sends nothing."""

    @property
    def chosen(self) -> Chosen:
        """What the fields of the form say; nothing where there is no form, so that each has its default."""
        return self._form.chosen if self._form else {}

    def act(self, name: str, **values: Value) -> Any:
        """Do what a button does, with parameters in the place of the form; see `view.act`."""
        with self._reporting():
            outcome = act(self.view(values), name, **values)
        with look():
            self.refresh()
        return self._later(outcome) if inspect.iscoroutine(outcome) else outcome

    async def _later(self, outcome: Coroutine[Any, Any, Any]) -> Any:
        with self._reporting():
            return await outcome

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        if self.journal is None or not self.reports:
            yield
            return
        known = self.journal.known
        states, keys = known.states(), {key: [*statuses] for key, statuses in known.keys.copy().items()}
        with own_exchanges() as exchanges:
            try:
                yield
            finally:
                self.report = ()
                with look():
                    self.report = tuple(report_on(exchanges, states, keys))

    def refresh(self) -> None:
        """Look again at what is known by now; sends nothing."""
        if self._form:
            self._form.render()

    def possible(self) -> str:
        """Say what can be done now."""
        actions = self.view(self.chosen).actions
        return ", ".join(action.label for action in actions if action.enabled) or "read what it shows"

    @property
    def form(self) -> "Form":
        """The live face; made when it is first asked for."""
        if self._form is None:
            from amazonpay_nb.workbench.panels.form import Form

            self._form = Form(self.view, self.press)
        return self._form

    def mark(self) -> object:
        """Return what is another thing whenever there is something new to see."""
        # A journal that is limited stays as long as it is, and has another last entry.
        return None if self.journal is None else (len(self.journal), id(next(reversed(self.journal), None)))

    @property
    def widget(self) -> Any:
        """The panel as an ipywidget, to be put into another one."""
        return self.form.box

    def __repr__(self) -> str:
        return static(self.view(self.chosen), self.report).text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        still = static(self.view(self.chosen), self.report)._repr_mimebundle_()
        if not self.live:
            return still
        kernel.replace(self._leave)
        self._displays += 1
        if self._displays == 1:
            self._gone = threading.Event()
            # A thread of its own, because a request that waits holds up the kernel's; it ends with the last display.
            follow = (weakref.ref(self), self.mark(), self._gone)
            threading.Thread(target=_follow_run, args=follow, name="panel: follow", daemon=True).start()
        # A saved notebook keeps the static form, for where there is no kernel behind the widget any more.
        live: dict[str, Any] = self.widget._repr_mimebundle_()
        return still | live | still

    def _leave(self) -> None:
        self._displays -= 1
        if not self._displays:
            self._gone.set()

    def press(self, name: str, do: Callable[[], Any] | None = None) -> threading.Thread:
        """Start an action with what the form says now, as a click does; returns the thread that it runs in."""
        do = do or self.form.call(name)
        thread = threading.Thread(target=self._run, args=(do,), name=f"panel: {name}", daemon=True)
        thread.start()
        return thread

    def _run(self, do: Callable[[], Any]) -> None:
        form = self.form
        if (action := form.begin()) is None:
            return  # one at a time: a second click of an impatient person does nothing
        answer = _answer("Something unexpected went wrong; the kernel's log has the details.", failed=True)
        try:
            with self._reporting():
                outcome = do()
                if inspect.iscoroutine(outcome):
                    # What the action has prepared is on view while it waits; a thread may have its own event loop.
                    form.end(action, _answer(_ON_PAGE))
                    outcome = asyncio.run(outcome)
            self.outcome = outcome
            answer = _answer(outcome)
        except AmazonPayError as error:
            self.outcome = error
            answer = _answer(error, failed=True)
        except ControlError as error:
            self.outcome = error
            answer = _answer(str(error), failed=True)
        finally:
            with look():
                answer += render(self.report).html
            form.end(action, answer)


class BenchPanel(Panel):
    """A panel of a workbench, live where you play the buyer, with the page on which the buyer is, or None."""

    def __init__(self, wb: Workbench) -> None:
        super().__init__(wb.journal, live=wb.buyer == "you")
        self._wb = wb
        self.page: HostedPage | None = None

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        if not self._wb.close.alive:  # its cell has run again, and JupyterLab still shows the panel
            advice = "Run the cell that shows the panel again."
            raise ConfigurationError("The workbench of this panel is closed.", advice=advice)
        with super()._reporting():
            yield

    def repeatable(self, text: str) -> str:
        """Return a text that is signed or sent as every run would show it, unless a person reads it."""
        return text if self.live else kernel.repeatable(text, kernel.SIGNED)

    def mark(self) -> object:
        """Return a mark that changes with the keys, the time, what the shop hears and the buyer's place as well."""
        wb, inbox = self._wb, self._wb.shop.inbox
        count = len(inbox.received) if inbox else 0
        tracker = self.page.tracker if self.page else ""
        return super().mark(), wb.key_pair, len(wb.director.passed), repr(inbox), count, tracker


class Panels(Panel):
    """Panels by the title of their tab; one is made when its tab is opened, and follows what all do while on view."""

    def __init__(self, title: str, panels: Mapping[str, Panel]) -> None:
        super().__init__(live=any(panel.live for panel in panels.values()))
        self.title, self.panels = title, panels
        self._tabs: Any = None
        self._opening = threading.RLock()  # the kernel opens a tab, and the thread that follows looks at it

    def __getitem__(self, name: str) -> Any:
        return self.panels[name]

    def view(self, chosen: Chosen) -> View:
        """Return what can be done under each tab."""
        rows = tuple((name, panel.possible()) for name, panel in self.panels.items())
        return View(self.title, [Table("", ("panel", "what you can do there now"), rows)])

    def possible(self) -> str:
        """Say what can be done now."""
        return "\n".join(f"{name}: {panel.possible()}" for name, panel in self.panels.items())

    def mark(self) -> object:
        """Return the marks of all."""
        return [panel.mark() for panel in self.panels.values()]

    def refresh(self) -> None:
        """Have the one that is on view look again; any other does when its tab is opened."""
        if self._tabs is not None:
            self._open(self._tabs.selected_index)

    @property
    def widget(self) -> Any:
        """The tabs as an ipywidget."""
        if self._tabs is None:
            import ipywidgets as w

            from amazonpay_nb.workbench.panels.form import in_order

            boxes = [w.VBox() for _ in self.panels]
            self._tabs = in_order(w.Tab(children=boxes, titles=list(self.panels), selected_index=0))
            self._tabs.add_class("amazonpay-panels")
            self._tabs.observe(lambda change: self._open(change["new"]), "selected_index")
            self._open(0)
        return self._tabs

    def _open(self, index: int | None) -> None:
        if index is None:
            return
        panel, place = list(self.panels.values())[index], self._tabs.children[index]
        with self._opening:  # a second form in the place of the first would forget what was chosen there
            if place.children:
                panel.refresh()
            else:
                place.children = [panel.widget]


def _answer(outcome: Any, *, failed: bool = False) -> str:
    failed = failed or (isinstance(outcome, list) and not all(getattr(row, "ok", True) for row in outcome))
    # A text only tells something; a role makes a screen reader say what has appeared.
    good = not failed and not isinstance(outcome, str)
    look = f'role="{"alert" if failed else "status"}"{" class=amazonpay-good" if good else ""}'
    parts = explain(outcome) if isinstance(outcome, AmazonPayError) else ["Done." if outcome is None else outcome]
    return f"<div {look}>{render(parts).html}</div>"


def _follow_run(panel: "weakref.ref[Panel]", latest: object, gone: threading.Event) -> None:
    problem = ""
    while not gone.is_set() and (shown := panel()) is not None:
        try:
            if (now := shown.mark()) != latest:
                shown.refresh()
                latest, problem = now, ""
        except Exception as error:  # noqa: BLE001 (a thread that ended would leave the panel as it is, for ever)
            if repr(error) != problem:  # not three times a second
                _LOG.exception("A look at the run failed, and is tried again.")
            problem = repr(error)
        del shown
        gone.wait(PAUSE)
