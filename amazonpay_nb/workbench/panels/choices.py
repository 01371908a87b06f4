"""A choice of which every option is on view: a row of buttons, the impossible ones grayed out with the reason."""

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as w
import traitlets

from amazonpay_nb.workbench.panels.view import Field, Option


class Choices(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A row of buttons that stay down when they are pressed.

    Attributes:
        value: The option that is chosen; where many can be, their names with commas between them.
        options: What there is to choose from.
        disabled: Whether nothing can be chosen.
    """

    value = traitlets.Unicode()
    options = traitlets.Any(())
    disabled = traitlets.Bool(False)

    def __init__(self, field: Field) -> None:
        self._many = field.many
        self._buttons: dict[str, Any] = {}
        self._row, self._why = w.HBox(), w.HTML()
        self._following = False
        self._row.add_class("amazonpay-row")
        self._why.add_class("amazonpay-hint")
        label = w.HTML(f'<span class="amazonpay-label">{escape(field.caption)}</span>')
        super().__init__([label, self._row, self._why])
        self.observe(lambda _: self._follow(), ["value", "options", "disabled"])

    def _follow(self) -> None:
        options: Sequence[Option] = self.options
        if list(self._buttons) != [option.value for option in options]:
            self._buttons = {option.value: self._button(option) for option in options}
            self._row.children = list(self._buttons.values())
        self._following = True
        try:
            for option in options:
                button = self._buttons[option.value]
                button.value = self._is_chosen(option.value)
                button.disabled = self.disabled or bool(option.reason)
                button.tooltip = option.reason
        finally:
            self._following = False
        reasons = dict.fromkeys(option.reason for option in options if option.reason)
        lines = (f"{', '.join(row.caption for row in options if row.reason == why)}: {why}" for why in reasons)
        self._why.value = "" if self.disabled else "<br>".join(map(escape, lines))

    def _is_chosen(self, value: str) -> bool:
        return value in self.value.split(",") if self._many else value == self.value

    def _button(self, option: Option) -> Any:
        button = w.ToggleButton(description=option.caption, layout=w.Layout(width="auto"))
        button.add_class(f"amazonpay-option-{option.value or 'none'}")
        button.observe(lambda change: self._pressed(option.value, change["new"]), "value")
        return button

    def _pressed(self, value: str, down: bool) -> None:
        if self._following:
            return
        if self._many:
            self.value = ",".join(name for name, button in self._buttons.items() if button.value)
        elif down:
            self.value = value
        else:  # one is always chosen
            self._follow()
