"""The live face of a panel: ipywidgets that follow a view.

Widgets are made once and changed in place, never replaced while they stay: whoever uses a keyboard keeps the focus.
An unchanged value is not sent again: a page in its frame continues, and a screen reader says nothing twice.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets as w

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.workbench import kernel
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Value, View, act, choose, look, render
from amazonpay_nb.workbench.show.blocks import render as fill

# Seconds after an answer in which a press is none of somebody who has read it, but the second one of a double click;
# and after that one, as a key that is held down presses again and again.
AGAIN = 0.7
_KEYS = {"idempotency_key", "under_a_new_key"}  # fields of the actions that may move money
# Seconds after which a message has waited for a busy kernel; and in which what was held back meanwhile arrives, which
# are as many as it has waited, since the page may be as busy: at least, and at most.
LATE, HELD_BACK = 0.2, (1.0, 5.0)
# Seconds in which a window may not show yet what somebody does in another window of the notebook.
ELSEWHERE = 5.0
_JUPYTER = "jp-RenderedHTMLCommon"  # tables, code and links look as in any other output
_BUSY = '<div role="status">Working …</div>'
_BUTTON = '<button type="button" class="amazonpay-copy">Copy</button>'
_IN_VIEW = "<style onload=\"this.parentElement.scrollIntoView({block:'nearest'})\"></style>"


class Form:
    """The ipywidget of the view that *look* makes for what the fields say; *press* starts an action."""

    def __init__(self, look: Callable[[Chosen], View], press: Callable[[str, Callable[[], Any]], object]) -> None:
        self._look, self._press = look, press
        self._fields: dict[str, _FieldRow] = {}
        self._shown = View(""), self._fields
        self._said: Chosen = {}  # what the fields said then
        self._actions: dict[str, _ActionRow] = {}
        self._lock = threading.RLock()  # a click's thread and the kernel both render
        self._busy: object = None  # the action that is under way
        self._rendering = False
        # An action that may have moved money -> when it has ended, until somebody enters something for it.
        self._ended: dict[str, float] = {}
        self._in_doubt = 0.0  # until when a field may say something else
        self._window = ""  # where somebody pressed for the last action, if it was carried out
        # When an action has turned to another object by itself, and the window whose cell was running.
        self._turned: dict[str, tuple[float, str]] = {}
        kernel.keep_time()
        self._head, self._tracker, self._page = _html(_JUPYTER), _html(_JUPYTER), _html(_JUPYTER)
        self._stay: object = None
        self._answer = _html(_JUPYTER, tabbable=True).add_class("amazonpay-said")
        # JupyterLab resolves the relative links of an output, and those of no other widget.
        self._body, self._choices, self._buttons, self._links = w.VBox(), w.VBox(), w.VBox(), w.Output()
        # What is pressed stays where it is, whatever comes below.
        waits = (self._answer, self._tracker, self._page)
        parts = (self._head, self._choices, self._buttons, *waits, self._body, self._links)
        self.box = w.VBox(parts).add_class("amazonpay-panel")
        self.render()

    @property
    def view(self) -> View:
        """What is on view."""
        return self._shown[0]

    @property
    def chosen(self) -> Chosen:
        """What the fields say now."""
        return {name: row.value for name, row in self._fields.items()}

    def call(self, name: str) -> "partial[Any]":
        """Return an action as it is on view, with what its fields say now."""
        view, rows = self._shown
        fields = next((action.fields for action in view.actions if action.name == name), ())
        return partial(act, view, name, **{field: rows[field].value for field in fields})

    def render(self, *, gesture: float = 0.0) -> None:
        """Follow the view; what is new in it is not seen by presses in the next *gesture* seconds."""
        with self._lock:
            self._rendering = True
            try:
                view = self._look(self.chosen)
                same = view if self.chosen == self._said else self._look(self._said)
                self._note_turns(same.actions, time.time() + gesture)
                self._head.value = fill("form.html.j2", title=view.title)
                self._show_body(list(view.body))
                self._show_fields(view)
                self._show_actions(view.actions)
                self._links.outputs = _linked(view.links)
                self._show_page(view.page)
                self._shown, self._said = (view, self._fields), self.chosen
            finally:
                self._rendering = False

    def _note_turns(self, actions: Sequence[Action], when: float) -> None:
        """Note which actions are about something else than on view, although the fields say the same."""
        before = {action.name: action.about for action in self.view.actions}
        # A cell may run all the time that somebody presses here: it may wait for that.
        turn = when, "" if self._busy else kernel.running
        self._turned |= {one.name: turn for one in actions if before.get(one.name, one.about) != one.about}

    def _show_page(self, page: HostedPage | None) -> None:
        if page is None or page.arrival is not self._stay:
            self._tracker.value = self._page.value = ""  # another try begins where the first one did
        if page is not None:
            page.in_panel, self._stay = True, page.arrival
            self._tracker.value, self._page.value = page.tracker, f"{_IN_VIEW}{page.frame}"

    def _show_body(self, things: Sequence[object]) -> None:
        parts = list(self._body.children)
        new = [_html(_JUPYTER, tabbable=True).add_class("amazonpay-body") for _ in things[len(parts) :]]
        parts = [*parts, *new][: len(things)]
        for part, thing in zip(parts, things, strict=True):
            part.value = _wrapping(render([thing]).html)
        self._body.children = parts

    def _show_fields(self, view: View) -> None:
        current, old = self.chosen, self._fields
        values = choose(view.fields, current)
        # What goes with money is sent when its field is left, and not key by key.
        whole = {name for action in view.actions if _KEYS.intersection(action.fields) for name in action.fields}
        self._fields = {
            field.name: old.get(field.name) or _FieldRow(field, self._input_changed, field.name in whole)
            for field in view.fields
        }
        for field in view.fields:
            self._fields[field.name].show(field, values[field.name], current.get(field.name))
        self._choices.children = [row.box for row in self._fields.values()]

    def _show_actions(self, actions: Sequence[Action]) -> None:
        old, press = self._actions, self._pressed
        self._actions = {action.name: old.get(action.name) or _ActionRow(action.name, press) for action in actions}
        for action in actions:
            self._actions[action.name].show(action, self._busy is not None)
        self._buttons.children = [row.box for row in self._actions.values()]

    def _input_changed(self, field: str) -> None:
        # Another value may change what is possible; the values that rendering itself sets do not.
        with self._lock:
            if not self._rendering:
                for action in self.view.actions:
                    if field in action.fields:
                        self._ended.pop(action.name, None)
                self.render(gesture=LATE)  # a click on a button first leaves the field
                kernel.acted[kernel.client()] = time.time()
                self._doubt(kernel.made())

    def _doubt(self, made: float) -> None:
        # ipywidgets holds back what follows a field's first change until the kernel has handled that, and no press.
        if (late := time.time() - made) > LATE:
            self._in_doubt = time.time() + min(max(HELD_BACK[0], late), HELD_BACK[1])

    def _pressed(self, name: str) -> None:
        do, made, window = self.call(name), kernel.made(), kernel.client()
        self._doubt(made)
        ended = self._ended.get(name, 0.0)
        if made < ended + AGAIN:  # each press has a key of its own, and would move money again
            self._note_end(do, max(made, ended))
            return
        self._note_end(do, math.inf)
        if any(made < when + ELSEWHERE for other, when in [*kernel.acted.items()] if other != window):
            made = -math.inf  # it may have been made before anything that is known
        self._press(name, partial(self._do_as_shown, name, do, made, window, ended))

    def _note_end(self, do: "partial[Any]", when: float) -> None:
        if _KEYS.intersection(do.keywords):
            self._ended[do.args[1]] = when

    def _do_as_shown(self, name: str, do: "partial[Any]", made: float, window: str = "", ended: float = 0.0) -> Any:
        changed, self._window = False, ""
        if (wait := self._in_doubt - time.time()) > 0:
            time.sleep(wait)
            changed = {**self.chosen, **do.keywords} != self.chosen
        turned, by = self._turned.get(name, (0.0, ""))
        if made > turned + (ELSEWHERE if by not in ("", window) else 0.0) and not changed:
            self._window = window
            self._note_end(do, math.inf)
            return do()
        self._note_end(do, ended)  # as if nobody had pressed
        problem = "You pressed when the kernel was busy, or just after somebody had done something in another window."
        error = ConfigurationError(problem, advice="Look at what it says now, and press again.")
        error.idempotency_advice = "Yes: nothing was done."
        raise error

    def begin(self) -> object:
        """Gray out every button and return what ends that, or None where another action is under way."""
        with self._lock:
            if self._busy is not None:
                return None
            self._busy = object()
            self._answer.value = _BUSY
            for row in self._actions.values():
                row.button.disabled = True
            return self._busy

    def end(self, action: object, answer: str) -> None:
        """Show how an action went, and look again; another one that is under way by then goes on."""
        with self._lock:
            self._rendering = True
            if own := self._busy in (None, action):
                # Meanwhile the kernel may note another press.
                self._ended |= {name: time.time() for name, when in [*self._ended.items()] if when == math.inf}
                if self._window:
                    kernel.acted[self._window] = time.time()
            for field in self.view.fields:
                if field.secret:
                    self._fields[field.name].input.value = ""
            with look():
                self.render()
            if own:
                self._busy = None
            self._show_actions(self.view.actions)  # also where that failed
            self._answer.value = _wrapping(answer)


class _FieldRow:
    def __init__(self, field: Field, changed: Callable[[str], None], whole: bool) -> None:
        self.input, self._help = in_order(_input(field, whole)), _html("amazonpay-hint")
        self.input.add_class(f"amazonpay-field-{field.name}")
        if field.secret:
            self.input.add_class("amazonpay-secret")
        self.input.observe(lambda _: changed(field.name), "value")
        self.box = w.HBox([self.input, self._help]).add_class("amazonpay-row")

    @property
    def value(self) -> Value:
        value = self.input.value
        return ",".join(value) if isinstance(value, tuple) else "" if value is None else value

    def show(self, field: Field, value: Value, current: Value | None) -> None:
        options = tuple((caption, value) for value, caption in field.possible.items())
        if options and tuple(self.input.options) != options:
            self.input.options, current = options, None  # which forgets the value
        if value != current:  # else what is typed at this moment would be lost
            names = tuple(filter(None, str(value).split(",")))
            self.input.value = names if field.many else value or None if field.spread else value
        self.input.disabled = bool(field.reason)
        hints = [field.reason] if field.reason else [field.help, *field.impossible]
        self._help.value = "<br>".join(map(escape, hints))


class _ActionRow:
    def __init__(self, name: str, press: Callable[[str], None]) -> None:
        self.button = in_order(w.Button(layout=w.Layout(width="auto", min_width="12em")))
        self._reason = _html("amazonpay-hint")
        self.button.add_class(f"amazonpay-action-{name}").on_click(lambda _: press(name))
        self.box = w.HBox([self.button, self._reason]).add_class("amazonpay-row")

    def show(self, action: Action, busy: bool) -> None:
        self.button.description = action.label
        self.button.disabled = busy or not action.enabled
        self.button.button_style = "primary" if action.enabled else ""
        self.button.tooltip = action.reason
        self._reason.value = escape(action.reason)


def _input(field: Field, whole: bool) -> Any:
    about = {"description": field.caption, "style": {"description_width": "12em"}}
    wide = w.Layout(width="auto", min_width="24em", max_width="100%")
    if field.spread:
        return w.ToggleButtons(description=field.caption, style={"button_width": "auto"}, layout={"width": "auto"})
    if field.options:
        return (w.SelectMultiple if field.many else w.Dropdown)(layout=wide, **about)
    if isinstance(field.default, bool):
        return w.Checkbox(indent=False, **about)
    kind = w.Textarea if field.lines > 1 else w.Password if field.secret else w.Text
    rows = {"rows": field.lines} if field.lines > 1 else {}
    return kind(layout=wide, continuous_update=not whole, **about, **rows)


def in_order(widget: Any) -> Any:
    """Return a widget whose messages come in the order in which those of all are sent."""
    # ipykernel gives a message to the thread that changed its widget last, instead of the one that JupyterLab names for
    # all: while a cell holds up a field's thread, a press in another one would send what the field said before.
    widget.comm._reply_subshell_for = lambda data, named: named
    return widget


def _html(name: str, *, tabbable: bool | None = None) -> Any:
    # What is tabbable can be scrolled by keyboard, as a wide table has to be.
    return w.HTML(tabbable=tabbable).add_class(name)


def _linked(links: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    shown = (f'<a href="{escape(file)}">{escape(text)}</a>' for file, text in links.items())
    items = "".join(f"<p>Open the chapter: {link}</p>" for link in shown)
    return ({"output_type": "display_data", "data": {"text/html": items}, "metadata": {}},) if items else ()


def _wrapping(html: str) -> str:
    # Headings of rows stay on one line by their style, which gives way in a narrow window; these spaces would not.
    return html.replace("&nbsp;", " ").replace("<pre", f"{_BUTTON}<pre")
