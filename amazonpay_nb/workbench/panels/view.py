"""What every panel is made of: a title, a body, fields and actions, as data.

    class Till:
        def view(self, chosen): return View("Till", body=(...,), fields=(Field("amount", "14.00"),), actions=(...,))
        def charge(self, amount): ...

    act(till, "charge", amount="5.00")

A view *looks*: it is made of what is already known and sends nothing.  An action *does*: it is a method of the
view-model, and takes the fields that it names as arguments.  So a click and a call with parameters end in the same
method with the same arguments, and leave the same journal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.workbench.parameters import check_names

__all__ = ["Action", "Chosen", "Field", "Option", "Part", "Value", "View", "ViewModel", "act", "choose"]

Value = str | bool
Chosen = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a field that has only a few.

    Attributes:
        label: What a person reads; the value itself when left out.
        reason: Why it cannot be chosen now.
    """

    value: str
    label: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A choice: a form field for a person, a parameter for a program.

    Attributes:
        name: As the parameter is called.
        default: Its value at first; its type is the field's type.
        label: What a person reads; made of the name when left out.
        help: What it is, in one sentence.
        options: The values there are; none where `check` decides.
        check: Raises ValueError for a value that cannot be used.
        lines: How many lines a text has room for.
        spread: Each option is a button of its own, greyed out where it has a reason.
        many: Several options can be chosen; the value is their names, with commas between them.
        secret: What is typed is not shown, and is emptied after each action.
        reason: Why the field keeps its default now.
    """

    name: str
    default: Value = ""
    label: str = ""
    help: str = ""
    options: tuple[Option, ...] = ()
    check: Callable[[str], object] | None = None
    lines: int = 1
    spread: bool = False
    many: bool = False
    secret: bool = False
    reason: str = ""

    @property
    def caption(self) -> str:
        """What a person reads."""
        return self.label or self.name.replace("_", " ").capitalize()

    def accepts(self, value: Value) -> bool:
        """Tell whether *value* is one of the options, where there are such, and may be chosen now."""
        if self.reason:
            return value == self.default
        values = str(value).split(",") if self.many and value else [] if self.many else [value]
        return not self.options or {*values} <= {option.value for option in self.options if not option.reason}

    def read(self, value: Value) -> Value:
        """Return *value* when it can be used.

        Raises:
            ConfigurationError: It has another type, is none of the options, or does not pass the check.
        """
        if type(value) is not type(self.default):
            kind = type(self.default).__name__
            raise ConfigurationError(f"{self.name}={value!r} is no {kind}.", advice=f"Give it as {kind}.")
        if self.reason and value != self.default:
            raise ConfigurationError(f"{self.name}={value!r} cannot be chosen now.", advice=self.reason)
        if not self.accepts(value):
            allowed = ", ".join(option.value or '""' for option in self.options if not option.reason)
            why = next((f"{option.reason} " for option in self.options if option.reason and option.value == value), "")
            what = "cannot be chosen now" if why else "does not exist"
            raise ConfigurationError(f"{self.name}={value!r} {what}.", advice=f"{why}Choose one of {allowed}.")
        if self.check:
            try:
                self.check(str(value))
            except ValueError as error:
                advice = self.help or "Correct it."
                raise ConfigurationError(f"{self.name}={value!r} cannot be used: {error}.", advice=advice) from None
        return value


@dataclass(frozen=True, slots=True)
class Action:
    """A button for a person, a call for a program.

    Attributes:
        name: The view-model's method.
        label: What the button says.
        enabled: Whether it is possible now.
        reason: Why not; or, where it is, what it does.
        fields: Names of the fields that the method takes as arguments.
    """

    name: str
    label: str
    enabled: bool = True
    reason: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Something to show that needs more than itself: the further arguments of `display.show`."""

    thing: Any
    title: str = ""
    here: str = ""
    reveal: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What a panel looks like now.

    Attributes:
        body: What `display.show` takes, or a `Part` of it, from top to bottom; read once, by whoever shows it.
    """

    title: str
    body: Iterable[Any] = ()
    fields: Sequence[Field] = ()
    actions: Sequence[Action] = ()

    def action(self, name: str) -> Action:
        """Return an action by its name.

        Raises:
            ConfigurationError: There is none.
        """
        check_names({name}, {action.name: action for action in self.actions})
        return next(action for action in self.actions if action.name == name)


class ViewModel(Protocol):
    """What a panel is made from; each action of the view is a method beside this one."""

    def view(self, chosen: Chosen) -> View:
        """Return the view for what the fields say; a field that is not given has its default.  Sends nothing."""
        ...


def choose(fields: Sequence[Field], chosen: Chosen) -> dict[str, Value]:
    """Return a value for each field: the chosen one where the field has such a value, else its default."""
    given = {field.name: chosen.get(field.name, field.default) for field in fields}
    return {field.name: given[field.name] if field.accepts(given[field.name]) else field.default for field in fields}


def act(model: ViewModel, name: str, /, **values: Value) -> Any:
    """Carry out an action with the values of fields; those that are left out have their defaults.

    Raises:
        ConfigurationError: The action is not possible now, or a value cannot be used; nothing was sent.
    """
    view = model.view(values)
    action = view.action(name)
    check_names(values, {field.name: field for field in view.fields})
    if not action.enabled:
        raise ConfigurationError(f"“{action.label}” is not possible now.", advice=action.reason)
    known = {field.name: field for field in view.fields}
    arguments = {field: known[field].read(values.get(field, known[field].default)) for field in action.fields}
    return getattr(model, name)(**arguments)
