"""The frame that every widget uses: it renders a view, runs its actions and shows how they went.

A panel is one object with two faces.  Where a person sits (``live``) its cell shows ipywidgets; in a script, an export
or a terminal it shows the same content as static HTML and text, and not even ipywidgets is imported.

    panel = Panel(DeskModel(wb), live=wb.buyer == "you")
    panel                                      # at the end of a cell: shown
    panel.act("charge", amount="5.00")         # what the button does, with parameters

An action runs in a thread, because the kernel handles clicks and cells one after the other: a click that waited for an
answer would hold up all others.  One that waits for a person returns a coroutine.  What goes wrong is explained in its
place, and the fields keep what was typed.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.journal import Journal, heard
from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.workbench.panels.sent import sent
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Part, Value, View, ViewModel, act
from amazonpay_nb.workbench.show import Shown, show
from amazonpay_nb.workbench.show.blocks import Block, Name, Prose, Table

if TYPE_CHECKING:
    from amazonpay_nb.workbench.panels.form import Form

__all__ = ["Panel", "render", "static"]


class Panel:
    """A view-model, shown.

    Args:
        live: Whether a person sits there and can click.
        journal: Where the requests of actions are taken down; each action then says what it sent, and why that was
            accepted.
    Attributes:
        changed: Called after every action, for what else has to look again.
        outcome: What the last action returned, or the error that it ended with.
        report: What the last action sent.
    """

    def __init__(self, model: ViewModel, *, live: bool, journal: Journal | None = None) -> None:
        self.model, self.live, self.journal = model, live, journal
        self.report: tuple[Any, ...] = ()
        self.changed: list[Callable[[], None]] = []
        self.outcome: Any = None
        self._form: Form | None = None

    @property
    def chosen(self) -> Chosen:
        """What the fields of the form say; nothing where there is no form, so that each has its default."""
        return self._form.chosen if self._form else {}

    @property
    def view(self) -> View:
        """What the panel shows now."""
        return self.model.view(self.chosen)

    def act(self, name: str, **values: Value) -> Any:
        """Do what a button does, with parameters in the place of the form; see `panels.panel.act`."""
        with self._reporting():
            outcome = act(self.model, name, **values)
        self.refresh()
        self._tell()
        return self._later(outcome) if inspect.iscoroutine(outcome) else outcome

    async def _later(self, outcome: Coroutine[Any, Any, Any]) -> Any:
        with self._reporting():
            return await outcome

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        with heard() as exchanges:
            try:
                yield
            finally:
                self.report = tuple(sent(exchanges, self.journal)) if self.journal is not None else ()

    def refresh(self) -> None:
        """Look again at what is known by now; sends nothing."""
        if self._form:
            self._form.render()

    def possible(self) -> str:
        """Say what can be done now."""
        return ", ".join(action.label for action in self.view.actions if action.enabled) or "look at it"

    def fill(self, **values: Value) -> None:
        """Put values into the fields of the form, as if they had been typed."""
        if self._form:
            self._form.fill(values)

    # --- Two faces ----------------------------------------------------------------------------------------------------

    @property
    def widget(self) -> Any:
        """The panel as an ipywidget, to stand in another one."""
        if self._form is None:
            from amazonpay_nb.workbench.panels.form import Form

            self._form = Form(self.model, self.press)
        return self._form.box

    def __repr__(self) -> str:
        return static(self.view, self.report).text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        still = static(self.view, self.report)._repr_mimebundle_()
        # A saved notebook keeps the static form, for where there is no kernel behind the widget any more.
        return still | self.widget._repr_mimebundle_() | still if self.live else still

    # --- A click ------------------------------------------------------------------------------------------------------

    def press(self, name: str) -> threading.Thread:
        """Start an action with what the form says, as a click does; returns the thread that it runs in."""
        thread = threading.Thread(target=self._run, args=(name,), name=f"panel: {name}", daemon=True)
        thread.start()
        return thread

    def _run(self, name: str) -> None:
        _ = self.widget
        assert self._form is not None  # noqa: S101 (made by the line above)
        if not self._form.begin():
            return  # one at a time: a second click of an impatient person does nothing
        said = _said("Something unexpected went wrong; the kernel's log tells more.", "alert")
        try:
            with self._reporting():
                self.outcome = self._finished(act(self.model, name, **self._form.chosen))
            said = _said(self.outcome, "status")
        except AmazonPayError as error:
            self.outcome = error
            said = _said(error, "alert")
        finally:
            self._form.end(said + render(self.report).html)
        self._tell()

    def _finished(self, outcome: Any) -> Any:
        if not inspect.iscoroutine(outcome):
            return outcome
        # What the action has prepared is on view while it waits; in a thread it may have an event loop of its own.
        self.refresh()
        return asyncio.run(outcome)

    def _tell(self) -> None:
        for listener in self.changed:
            listener()


def _said(outcome: Any, role: str) -> str:
    # A role makes a screen reader say what has appeared.
    words = "Done." if outcome is None else outcome
    return f'<div role="{role}">{show(words).html}</div>'


# --- The static form --------------------------------------------------------------------------------------------------


def render(body: Iterable[Any]) -> Shown:
    """Return the body of a view, or a part of it, as HTML and as text."""
    return Shown([block for thing in body for block in _blocks(thing)])


def _blocks(thing: Any) -> Sequence[Block]:
    if isinstance(thing, Part):
        return show(thing.thing, title=thing.title, here=thing.here, reveal=thing.reveal).blocks
    return show(thing).blocks


def static(view: View, report: Iterable[Any] = ()) -> Shown:
    """Return a view for where nobody can click: the body, the fields as parameters, the actions with their reasons.

    Args:
        report: What the last action sent.
    """
    forms = (*_parameters(view.fields), *_actions(view.actions))
    return Shown([*_head(view), *render(view.body).blocks, *forms, *render(report).blocks])


def _head(view: View) -> Iterator[Block]:
    yield Prose("Where you play the buyer, this is a form with buttons.", view.title)


def _parameters(fields: Sequence[Field]) -> Iterator[Block]:
    if fields:
        head = ("parameter", "type", "default", "choices", "what it is")
        yield Table("What you can choose", head, tuple(_parameter(field) for field in fields))


def _parameter(field: Field) -> tuple[str, ...]:
    lines = [", ".join(option.value for option in field.options if option.value and not option.reason)]
    reasons = dict.fromkeys(option.reason for option in field.options if option.reason)
    for why in reasons:
        lines.append(f"not {', '.join(option.value for option in field.options if option.reason == why)}: {why}")
    choices = "\n".join(lines).strip()
    return Name(field.name), type(field.default).__name__, str(field.default), choices, field.reason or field.help


def _actions(actions: Sequence[Action]) -> Iterator[Block]:
    if actions:
        rows = tuple((action.label, "yes" if action.enabled else "no", action.reason) for action in actions)
        yield Table("What you can do", ("action", "possible now", "because"), rows)
