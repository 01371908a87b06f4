"""The live face of a panel: ipywidgets that follow a view.

Widgets are made once and changed in place, never replaced while they stay: whoever uses a keyboard keeps the focus.
An unchanged value is not sent again: a page in its frame continues, and a screen reader says nothing twice.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w
import traitlets

from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Option, Value, View, choose, render

# JupyterLab takes arrows and letters for itself (d d deletes the cell) unless the element with the focus has this
# attribute.  ipywidgets can give an element a class but no attribute, and a script in an HTML widget never runs; the
# load event of a style sheet is what does.
_QUIET = "focusin',e=>e.target.setAttribute('data-lm-suppress-shortcuts','')"
# The clipboard of a page without HTTPS is the selection's.
_COPY = (
    "click',e=>{const b=e.target.closest('.amazonpay-copy');if(!b)return;const t=b.nextElementSibling;"
    "getSelection().selectAllChildren(t);const old=()=>document.execCommand('copy');"
    "navigator.clipboard?navigator.clipboard.writeText(t.textContent).catch(old):old();b.textContent='Copied'}"
)
_CSS = Path(__file__).with_name("form.css").read_text()
# One that was replaced before it had loaded is in no panel any more.
_LISTEN = "this.closest('.amazonpay-panel')?.addEventListener('"
_STYLE = f"""<style onload="{_LISTEN}{_QUIET});{_LISTEN}{_COPY})">{_CSS}</style>"""
_JUPYTER = "jp-RenderedHTMLCommon"  # tables, code and links look as in any other output
_BUSY = '<div role="status">Working …</div>'
_BUTTON = '<button type="button" class="amazonpay-copy">Copy</button>'
_IN_VIEW = "<style onload=\"this.parentElement.scrollIntoView({block:'nearest'})\"></style>"
_TOO_LARGE = 64 * 1024  # bytes; no key is as large


class Form:
    """A title, a body, fields, buttons and a page of the shop, as a view has them.

    Args:
        look: Makes the view for what the fields say.
        press: Starts an action.
    Attributes:
        box: The ipywidget.
        view: What is on the screen.
    """

    view: View

    def __init__(self, look: Callable[[Chosen], View], press: Callable[[str], object]) -> None:
        self._look, self._press = look, press
        self._fields: dict[str, _FieldRow] = {}
        self._actions: dict[str, _ActionRow] = {}
        self._lock = threading.RLock()  # a click's thread and the kernel both render
        self._busy = self._rendering = False
        self._head, self._page = _html(_JUPYTER), _html(_JUPYTER)
        self._answer = _html(_JUPYTER, tabbable=True).add_class("amazonpay-said")
        # JupyterLab resolves the relative links of an output, and those of no other widget.
        self._body, self._choices, self._buttons, self._links = w.VBox(), w.VBox(), w.VBox(), w.Output()
        # What is pressed stays where it is, whatever comes below.
        parts = (self._head, self._choices, self._buttons, self._answer, self._page, self._body, self._links)
        self.box = w.VBox(parts).add_class("amazonpay-panel")
        self.render()

    @property
    def chosen(self) -> Chosen:
        """What the fields say now."""
        return {name: row.input.value for name, row in self._fields.items()}

    def render(self) -> None:
        """Follow the view."""
        with self._lock:
            self._rendering = True
            try:
                self.view = self._look(self.chosen)
                self._head.value = f"{_STYLE}<h3>{escape(self.view.title)}</h3>"
                self._show_body(list(self.view.body))
                self._show_fields(self.view.fields)
                self._show_actions(self.view.actions)
                self._links.outputs = _linked(self.view.links)
                if self.view.page is not None:
                    self.view.page.shown = True
                self._page.value = f"{_IN_VIEW}{self.view.page.html}" if self.view.page else ""
            finally:
                self._rendering = False

    def _show_body(self, things: Sequence[object]) -> None:
        parts = list(self._body.children)
        new = [_html(_JUPYTER, tabbable=True).add_class("amazonpay-body") for _ in things[len(parts) :]]
        parts = [*parts, *new][: len(things)]
        for part, thing in zip(parts, things, strict=True):
            part.value = _wrapping(render([thing]).html)
        self._body.children = parts

    def _show_fields(self, fields: Sequence[Field]) -> None:
        said, old = self.chosen, self._fields
        values = choose(fields, said)
        self._fields = {field.name: old.get(field.name) or _FieldRow(field, self._input_changed) for field in fields}
        for field in fields:
            self._fields[field.name].show(field, values[field.name], said.get(field.name))
        self._choices.children = [row.box for row in self._fields.values()]

    def _show_actions(self, actions: Sequence[Action]) -> None:
        old = self._actions
        self._actions = {action.name: old.get(action.name) or _ActionRow(action, self._press) for action in actions}
        for action in actions:
            self._actions[action.name].show(action, self._busy)
        self._buttons.children = [row.box for row in self._actions.values()]

    def _input_changed(self, _: object) -> None:
        # Another value may change what is possible; the values that rendering itself sets do not.
        with self._lock:
            if not self._rendering:
                self.render()

    def begin(self) -> bool:
        """Gray out every button; tells whether the panel was free."""
        with self._lock:
            if self._busy:
                return False
            self._busy = True
            self._answer.value = _BUSY
            for row in self._actions.values():
                row.button.disabled = True
        return True

    def end(self, answer: str) -> None:
        """Show how it went, and look again."""
        with self._lock:
            self._busy, self._rendering = False, True
            for field in self.view.fields:
                if field.secret:
                    self._fields[field.name].input.value = ""
            try:
                self.render()
            finally:
                self._answer.value = _wrapping(answer)


class _FieldRow:
    def __init__(self, field: Field, changed: Callable[[object], None]) -> None:
        self.input, self._help = _input(field).add_class(f"amazonpay-field-{field.name}"), _html("amazonpay-hint")
        if field.secret:
            self.input.add_class("amazonpay-secret")
        self.input.observe(changed, "value")
        upload = [_upload(field, self.input)] if field.lines > 1 and field.secret else []
        self.box = w.HBox([self.input, *upload, self._help]).add_class("amazonpay-row")

    def show(self, field: Field, value: Value, said: Value | None) -> None:
        options = field.options if field.spread else _labels(field)
        if options and tuple(self.input.options) != options:
            self.input.options, said = options, None  # which forgets the value
        if value != said:  # else what is typed at this moment would be lost
            self.input.value = value
        self.input.disabled = bool(field.reason)
        self._help.value = escape(field.reason or field.help)


class _ActionRow:
    def __init__(self, action: Action, press: Callable[[str], object]) -> None:
        self.button, self._reason = w.Button(layout=w.Layout(width="auto", min_width="12em")), _html("amazonpay-hint")
        self.button.add_class(f"amazonpay-action-{action.name}").on_click(lambda _: press(action.name))
        self.box = w.HBox([self.button, self._reason]).add_class("amazonpay-row")

    def show(self, action: Action, busy: bool) -> None:
        self.button.description = action.label
        self.button.disabled = busy or not action.enabled
        self.button.button_style = "primary" if action.enabled else ""
        self.button.tooltip = action.reason
        self._reason.value = escape(action.reason)


class Choices(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A choice of which every option is on view: a row of buttons that stay down, the impossible ones grayed out.

    Attributes:
        value: The option that is chosen; where many can be, their names with commas between them.
    """

    value = traitlets.Unicode()
    options = traitlets.Any(())
    disabled = traitlets.Bool(False)

    def __init__(self, field: Field) -> None:
        self._many = field.many
        self._buttons: dict[str, Any] = {}
        self._row, self._why = w.HBox().add_class("amazonpay-row"), _html("amazonpay-hint")
        label = w.HTML(f'<span class="amazonpay-label">{escape(field.caption)}</span>')
        super().__init__([label, self._row, self._why])
        self.observe(lambda _: self._follow(), ["value", "options", "disabled"])

    def _follow(self) -> None:
        options: Sequence[Option] = self.options
        if list(self._buttons) != [option.value for option in options]:
            self._buttons = {option.value: self._button(option) for option in options}
            self._row.children = list(self._buttons.values())
        for option in options:
            button = self._buttons[option.value]
            button.value = self._is_chosen(option.value)
            button.disabled = self.disabled or bool(option.reason)
            button.tooltip = option.reason
        reasons = dict.fromkeys(option.reason for option in options if option.reason)
        lines = (f"{', '.join(row.caption for row in options if row.reason == why)}: {why}" for why in reasons)
        self._why.value = "" if self.disabled else "<br>".join(map(escape, lines))

    def _button(self, option: Option) -> Any:
        button = w.ToggleButton(description=option.caption, layout=w.Layout(width="auto"))
        button.observe(lambda change: self._pressed(option.value, change["new"]), "value")
        return button.add_class(f"amazonpay-option-{option.value or 'none'}")

    def _is_chosen(self, value: str) -> bool:
        return value in self.value.split(",") if self._many else value == self.value

    def _pressed(self, value: str, down: bool) -> None:
        if down == self._is_chosen(value):
            return  # the button follows the value
        if self._many:
            self.value = ",".join(name for name, button in self._buttons.items() if button.value)
        elif down:
            self.value = value
        else:  # one is always chosen
            self._follow()


def _input(field: Field) -> Any:
    about = {"description": field.caption, "style": {"description_width": "12em"}}
    wide = w.Layout(width="auto", min_width="24em", max_width="100%")
    if field.spread:
        return Choices(field)
    if field.options:
        return w.Dropdown(options=_labels(field), layout=wide, **about)
    if isinstance(field.default, bool):
        return w.Checkbox(indent=False, **about)
    kind = w.Textarea if field.lines > 1 else w.Password if field.secret else w.Text
    rows = {"rows": field.lines} if field.lines > 1 else {}
    return kind(layout=wide, **about, **rows)


def _upload(field: Field, target: Any) -> Any:
    """Return a button that puts a file of the person's computer into a field; it goes no further than the kernel."""

    def put(change: Any) -> None:
        for file in change["new"]:
            content = bytes(file["content"])
            text = content.decode("utf-8", "replace") if len(content) <= _TOO_LARGE else ""
            target.value = text or "This file is not a key."
            # A widget keeps what was uploaded, and a saved notebook may keep the widget.
            change["owner"].value = ()

    button = w.FileUpload(description=f"Upload a {field.name.replace('_', ' ')}", layout=w.Layout(width="max-content"))
    button.observe(put, "value")
    return button.add_class("amazonpay-upload")


def _labels(field: Field) -> tuple[tuple[str, str], ...]:
    return tuple((option.caption, option.value) for option in field.possible)


def _html(name: str, *, tabbable: bool | None = None) -> Any:
    # What is tabbable can be scrolled by keyboard, as a wide table has to be.
    return w.HTML(tabbable=tabbable).add_class(name)


def _linked(links: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    items = "".join(
        f'<p>Open the chapter: <a href="{escape(file)}">{escape(text)}</a></p>' for file, text in links.items()
    )
    return ({"output_type": "display_data", "data": {"text/html": items}, "metadata": {}},) if items else ()


def _wrapping(html: str) -> str:
    # Headings of rows stay on one line by their style, which gives way in a narrow window; these spaces would not.
    return html.replace("&nbsp;", " ").replace("<pre", f"{_BUTTON}<pre")
