"""The live face of a panel: ipywidgets that follow a view.

Widgets are made once and changed in place, never replaced while they stay: who uses a keyboard keeps the focus.
Colours are JupyterLab's own variables, so both themes fit; rows wrap where the window is narrow.
"""

import threading
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as w

from amazonpay_nb.workbench.panels.choices import Choices
from amazonpay_nb.workbench.panels.panel import render
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Value, View, ViewModel, choose

__all__ = ["Form"]

# JupyterLab takes arrows and letters for itself (d d deletes the cell), unless what has the focus says no.
_QUIET = "e=>e.target.setAttribute('data-lm-suppress-shortcuts','')"
_STYLE = (
    f"""<style onload="this.closest('.amazonpay-panel').addEventListener('focusin',{_QUIET})">"""
    """
.amazonpay-panel{border:1px solid var(--jp-border-color2,#d0d7de);border-radius:8px;padding:12px;max-width:100%;
 container-type:inline-size}
.amazonpay-panel :is(.amazonpay-body,.amazonpay-said){overflow-x:auto}
.amazonpay-panels .lm-TabBar .lm-TabBar-tab{color:var(--jp-ui-font-color1,#24292f)!important}
.amazonpay-panel .amazonpay-hint{color:var(--jp-ui-font-color1,#24292f);opacity:.8;white-space:normal}
.amazonpay-panel .amazonpay-row{flex-wrap:wrap;align-items:center}
.amazonpay-panel .widget-html-content{line-height:1.45;white-space:normal}
.amazonpay-panel [role=alert]{border-left:4px solid var(--jp-error-color1,#b3261e);padding-left:10px}
.amazonpay-panel [role=status]{border-left:4px solid var(--jp-success-color1,#2e7d32);padding-left:10px}
.amazonpay-panel .jp-RenderedHTMLCommon table{margin-left:0}
.amazonpay-panel .mod-primary{background:#1565c0;color:#fff}
.amazonpay-panel .amazonpay-secret textarea{-webkit-text-security:disc}
.amazonpay-panel button:focus-visible{outline:2px solid var(--jp-brand-color1,#1976d2);outline-offset:2px}
.amazonpay-panels .lm-TabBar-content{flex-wrap:wrap}
.amazonpay-panels .lm-TabBar-tab{flex:0 0 auto!important}
@container (max-width:40rem){
.amazonpay-panel :is(th,td){white-space:normal!important;overflow-wrap:anywhere;min-width:5em}
.amazonpay-panel th{overflow-wrap:normal}
.amazonpay-panel th code{white-space:normal!important;overflow-wrap:anywhere}
.amazonpay-panel th:has(code){min-width:9em}
.amazonpay-panel select{height:var(--jp-widgets-inline-height)!important}
.amazonpay-panel svg{max-width:none!important}
.amazonpay-panel .widget-inline-hbox{flex-wrap:wrap;height:auto!important;min-width:0!important}
.amazonpay-panel .widget-inline-hbox .widget-label{width:100%!important;text-align:left}
}
</style>"""
)
_JUPYTER = "jp-RenderedHTMLCommon"  # tables and code look as in any other output
_BUSY = '<div role="status">Working …</div>'


class Form:
    """A title, a body, fields and buttons that follow a view-model.

    Attributes:
        box: The ipywidget.
    """

    def __init__(self, model: ViewModel, press: Callable[[str], object]) -> None:
        self._model, self._press = model, press
        self._fields: dict[str, _FieldRow] = {}
        self._actions: dict[str, _ActionRow] = {}
        self._lock = threading.RLock()  # a click's thread and the kernel both render
        self._busy = self._rendering = False
        self._head, self._body = _html(_JUPYTER), w.VBox()
        self._said = _scrollable("amazonpay-said")
        self._form, self._buttons = w.VBox(), w.VBox()
        self.box = w.VBox([self._head, self._body, self._form, self._buttons, self._said])
        self.box.add_class("amazonpay-panel")
        self.render()

    @property
    def chosen(self) -> Chosen:
        """What the fields say now."""
        return {name: row.widget.value for name, row in self._fields.items()}

    def fill(self, values: Chosen) -> None:
        """Put values into fields."""
        for name, value in values.items():
            self._fields[name].widget.value = value

    def render(self) -> None:
        """Follow the view."""
        with self._lock:
            self._rendering = True
            try:
                self._follow(self._model.view(self.chosen))
            finally:
                self._rendering = False

    def _follow(self, view: View) -> None:
        _set(self._head, f"{_STYLE}<h3>{escape(view.title)}</h3>")
        self._show_body(list(view.body))
        self._show_fields(view.fields)
        self._show_actions(view.actions)

    def _show_body(self, things: Sequence[object]) -> None:
        # A widget for each: what stays the same is left alone, above all a page that a buyer is on.
        parts = list(self._body.children)
        parts = [*parts, *(_scrollable("amazonpay-body") for _ in things[len(parts) :])][: len(things)]
        for part, thing in zip(parts, things, strict=True):
            _set(part, _wrapping(render([thing]).html))
        _put(self._body, parts)

    def _show_fields(self, fields: Sequence[Field]) -> None:
        values = choose(fields, self.chosen)
        for field in fields:
            if field.name not in self._fields:
                self._fields[field.name] = _FieldRow(field, self._looked)
            self._fields[field.name].show(field, values[field.name])
        for name in set(self._fields) - {field.name for field in fields}:
            del self._fields[name]
        _put(self._form, [self._fields[field.name].box for field in fields])

    def _show_actions(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if action.name not in self._actions:
                self._actions[action.name] = _ActionRow(action, self._press)
            self._actions[action.name].show(action, self._busy)
        _put(self._buttons, [self._actions[action.name].box for action in actions])

    def _looked(self, _: object) -> None:
        # Another value may change what is possible; the values that rendering itself sets do not.
        with self._lock:
            if not self._rendering:
                self.render()

    # --- While an action runs -----------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Grey out every button; tells whether the panel was free."""
        with self._lock:
            if self._busy:
                return False
            self._busy = True
            _set(self._said, _BUSY)
            for row in self._actions.values():
                row.button.disabled = True
        return True

    def end(self, said: str) -> None:
        """Say how it went, and look again."""
        with self._lock:
            self._busy = False
            for row in self._fields.values():
                row.forget()
            try:
                self.render()
            finally:
                _set(self._said, _wrapping(said))


class _FieldRow:
    """A field: what it is called, the place to fill in, and a line of help."""

    def __init__(self, field: Field, changed: Callable[[object], None]) -> None:
        self.widget = _input(field)
        self.widget.add_class(f"amazonpay-field-{field.name}")
        if field.secret:
            self.widget.add_class("amazonpay-secret")
        self.widget.observe(changed, "value")
        self._help, self._secret = _html("amazonpay-hint"), field.secret
        self.box = _row(self.widget, self._help)

    def show(self, field: Field, value: Value) -> None:
        options = field.options if field.spread else _options(field)
        if options and tuple(self.widget.options) != options:
            self.widget.options = options
        if self.widget.value != value:
            self.widget.value = value
        self.widget.disabled = bool(field.reason)
        self._secret = field.secret
        _set(self._help, escape(field.reason or field.help))

    def forget(self) -> None:
        if self._secret:
            self.widget.value = ""


class _ActionRow:
    """An action: its button, and why it is possible or not."""

    def __init__(self, action: Action, press: Callable[[str], object]) -> None:
        self.button = w.Button(layout=w.Layout(width="auto", min_width="12em"))
        self.button.add_class(f"amazonpay-action-{action.name}")
        self.button.on_click(lambda _: press(action.name))
        self._reason = _html("amazonpay-hint")
        self.box = _row(self.button, self._reason)

    def show(self, action: Action, busy: bool) -> None:
        self.button.description = action.label
        self.button.disabled = busy or not action.enabled
        self.button.button_style = "primary" if action.enabled else ""
        self.button.tooltip = action.reason
        _set(self._reason, escape(action.reason))


def _input(field: Field) -> Any:
    about = {"description": field.caption, "style": {"description_width": "12em"}}
    wide = w.Layout(width="auto", min_width="24em", max_width="100%")
    if field.spread:
        return Choices(field)
    if field.options:
        return w.Dropdown(options=_options(field), layout=wide, **about)
    if isinstance(field.default, bool):
        return w.Checkbox(indent=False, **about)
    kind = w.Textarea if field.lines > 1 else w.Password if field.secret else w.Text
    rows = {"rows": field.lines} if field.lines > 1 else {}
    return kind(layout=wide, **about, **rows)


def _options(field: Field) -> tuple[tuple[str, str], ...]:
    return tuple((option.label or option.value, option.value) for option in field.options if not option.reason)


def _html(*classes: str) -> Any:
    made = w.HTML()
    for name in classes:
        made.add_class(name)
    return made


def _scrollable(name: str) -> Any:
    part = _html(_JUPYTER, name)
    part.tabbable = True  # a wide table is to be scrolled by keyboard, too
    return part


def _row(*children: Any) -> Any:
    row = w.HBox(children)
    row.add_class("amazonpay-row")
    return row


def _wrapping(html: str) -> str:
    # Headings of rows stay on one line by their style, which gives way in a narrow window; these spaces would not.
    return html.replace("&nbsp;", " ")


def _set(html: Any, value: str) -> None:
    # What is the same already is not sent: a screen reader would say it again.
    if html.value != value:
        html.value = value


def _put(box: Any, children: list[Any]) -> None:
    if list(box.children) != children:
        box.children = children
