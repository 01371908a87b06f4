"""What every panel shows: a title, a body, fields and actions, as data, and its form where nobody can click.

A view *looks*: it is made of what is already known, and sends nothing.  An action *does*: its function takes the fields
that it names as arguments.  So a click and a call with parameters end in the same function with the same arguments, and
leave the same journal.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from amazonpay_nb.client import report as reasons
from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.possible import in_python, next_calls
from amazonpay_nb.errors import AmazonPayError, ApiError, ConfigurationError
from amazonpay_nb.spec.data import read
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.parameters import check_names
from amazonpay_nb.workbench.show import Shown, show
from amazonpay_nb.workbench.show.blocks import Block, Name, Prose, Table, facts

# What no run changes, by panel.
ROWS: dict[str, Any] = read("panels.toml", beside=__file__)
NOTHING_SENT = "Nothing was sent to Amazon Pay."
Value = str | bool
Chosen = Mapping[str, Value]


class Field(NamedTuple):
    """A choice: a form field for a person, a parameter for a program.

    Attributes:
        default: Its type is the field's type.
        label: Made of the name when left out.
        options: Value -> what a person reads for it; none where the view's actions say what cannot be used.
        reasons: Option -> why it cannot be chosen now.
        lines: How many lines a text has room for.
        spread: Each option that can be chosen is a button of its own.
        many: Several options can be chosen; the value is their names, with commas between them.
        secret: What is typed is not shown, and is emptied after each action.
        reason: Why the field keeps its default now.
    """

    name: str
    default: Value = ""
    label: str = ""
    help: str = ""
    options: Mapping[str, str] = {}
    reasons: Mapping[str, str] = {}
    lines: int = 1
    spread: bool = False
    many: bool = False
    secret: bool = False
    reason: str = ""

    @property
    def caption(self) -> str:
        """What a person reads."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def possible(self) -> dict[str, str]:
        """The options that can be chosen now."""
        return {value: caption for value, caption in self.options.items() if not self.reasons.get(value)}

    @property
    def impossible(self) -> list[str]:
        """Which options cannot be chosen now, and why: a line for each reason."""
        names: dict[str, list[str]] = {}
        for value, why in self.reasons.items():
            names.setdefault(why, []).append(self.options[value])
        return [f"not {', '.join(captions)}: {why}" for why, captions in names.items() if why]

    def accepts(self, value: Value) -> bool:
        """Tell whether *value* can be chosen now, as far as the options decide that."""
        if self.reason:
            return value == self.default
        names = str(value).split(",") if self.many else [value]
        return not self.options or (self.many and not value) or {*names} <= self.possible.keys()

    def read(self, value: Value) -> Value:
        """Return *value*; a ConfigurationError where it has another type, or is no option."""
        if type(value) is not type(self.default):
            kind = type(self.default).__name__
            raise ConfigurationError(f"{self.name}={value!r} is not of type {kind}.", advice=f"Write it as a {kind}.")
        if not self.accepts(value):
            allowed = ", ".join(option or '""' for option in self.possible)
            choose_one = "" if self.reason else f"Choose one of {allowed}."
            why = self.reason or self.reasons.get(str(value), "")
            what = "cannot be chosen now" if why else "does not exist"
            raise ConfigurationError(f"{self.name}={value!r} {what}.", advice=f"{why} {choose_one}".strip())
        return value


class Action(NamedTuple):
    """A button for a person, a call for a program.

    Attributes:
        do: A `partial` of what it is about, such as the object on view, where that can be another one by itself.
        reason: Why it is not possible now; or, where it is, what it does.
        fields: Names of the fields that `do` takes as keyword arguments.
    """

    name: str
    label: str
    do: Callable[..., Any]
    enabled: bool = True
    reason: str = ""
    fields: tuple[str, ...] = ()

    @property
    def about(self) -> tuple[Any, ...]:
        """What it is about, unless a field names something else: what `do` was given beforehand."""
        return self.do.args if isinstance(self.do, partial) else ()


def fields_of(panel: str, more: Mapping[str, dict[str, Any]] = {}, **words: str) -> tuple[Field, ...]:
    """Return a panel's rows of ``panels.toml`` as fields, with *words* in the place of braces in their texts.

    By name, *more* has what the run adds to a row: attributes of the field, which options are ``offered`` now, and
    whether the whole field is ``idle``; the row has the reasons.
    """
    fields = []
    for name, row in ROWS[panel].items():
        texts = {key: text.format_map(words) if isinstance(text, str) else text for key, text in row.items()}
        not_offered, when_idle = (texts.pop(key, "") for key in ("not_offered", "when_idle"))
        attributes = {"options": (), "idle": False} | texts | more.get(name, {})
        options, reason = attributes.pop("options"), when_idle if attributes.pop("idle") else ""
        options = options if isinstance(options, Mapping) else {option: option for option in options}
        offered = attributes.pop("offered", options)
        attributes.setdefault("default", next(iter(offered), ""))
        reasons = {option: not_offered for option in options if option not in offered}
        fields.append(Field(name, options=options, reasons=reasons, reason=reason, **attributes))
    return tuple(fields)


def action_of(name: str, do: Callable[..., Any], possible: bool = True, because: str = "") -> Action:
    """Return a row of ``panels.toml`` as an action: *possible* now or not, *because* of what is said there, or here."""
    row = ROWS["actions"][name]
    reason = because or row["does" if possible else "not_yet"]
    return Action(name, row["label"], do, possible, reason, tuple(row["fields"]))


class View(NamedTuple):
    """What a panel looks like now.

    Attributes:
        body: Blocks, or what `show` takes or returns, from top to bottom; read once, by whoever shows it.
        page: A page of the shop to play the buyer on, or None.
        links: File beside this notebook -> what a link to it says.
    """

    title: str
    body: Iterable[Any] = ()
    fields: Sequence[Field] = ()
    actions: Sequence[Action] = ()
    page: HostedPage | None = None
    links: Mapping[str, str] = {}


def choose(fields: Sequence[Field], chosen: Chosen) -> dict[str, Value]:
    """Return a value for each field: the chosen one where the field has such a value, else its default."""
    values = {field.name: chosen.get(field.name, field.default) for field in fields}
    return {field.name: values[field.name] if field.accepts(values[field.name]) else field.default for field in fields}


def act(view: View, name: str, /, **values: Value) -> Any:
    """Carry out an action of a view, if it is possible now, with the values of fields, or else with their defaults."""
    actions = {action.name: action for action in view.actions}
    fields = {field.name: field for field in view.fields}
    check_names({name}, actions)
    check_names(values, fields)
    action = actions[name]
    if not action.enabled:
        raise ConfigurationError(f"“{action.label}” is not possible now.", advice=action.reason)
    arguments = {field: fields[field].read(values.get(field, fields[field].default)) for field in action.fields}
    return action.do(**arguments)


@contextmanager
def look() -> Iterator[None]:
    """Log what a look at a run raises: the answer to an action is not lost for it."""
    try:
        yield
    except Exception:
        logging.getLogger(__name__).exception("A look at the run failed.")


def render(body: Iterable[Any]) -> Shown:
    """Return the body of a view, or a part of it, as HTML and as text."""
    things = (thing if isinstance(thing, Block | Shown) else show(thing) for thing in body)
    return Shown([block for thing in things for block in (thing.blocks if isinstance(thing, Shown) else [thing])])


def static(view: View, report: Iterable[Any] = ()) -> Shown:
    """Return a whole view, and what the last action did at Amazon."""
    blocks: list[Block] = [Prose("Where you play the buyer, this is a form with buttons.", view.title)]
    blocks += render(view.body).blocks
    if view.fields:
        head = ("parameter", "type", "default", "choices", "what it is")
        blocks.append(Table("What you can choose", head, tuple(_parameter(field) for field in view.fields)))
    if view.actions:
        rows = tuple((row.label, "yes" if row.enabled else "no", row.reason) for row in view.actions)
        blocks.append(Table("What you can do", ("action", "possible now", "because"), rows))
    return Shown([*blocks, *render(report).blocks])


def _parameter(field: Field) -> tuple[str, ...]:
    possible = ", ".join(filter(None, field.possible))
    choices = "\n".join([possible, *field.impossible]).strip()
    return Name(field.name), type(field.default).__name__, str(field.default), choices, field.reason or field.help


def report_on(
    exchanges: Sequence[Exchange], states: dict[str, str], keys: Mapping[tuple[str, ...], list[int | None]] = {}
) -> Iterator[Any]:
    """Yield for each request of an action what was sent, what came back, and why; see `client.report.reports`."""
    if not exchanges:
        yield NOTHING_SENT
    for exchange, why in reasons.reports(exchanges, states, keys):
        yield _table(f": {exchange.method} {exchange.path} → {exchange.answer}", why)


def explain(error: AmazonPayError) -> Iterator[Any]:
    """Yield what to show of an error: the headline, the explanation, and the calls that come next."""
    advice = error.idempotency_advice
    yield f"{'✓' if advice.startswith('Yes') else '✗'} Send it again? {advice}"
    yield error
    if isinstance(error, ApiError) and error.finding:
        yield f"The step of signing that probably went wrong: {error.finding}."
    if calls := next_calls(error):
        head = ("call", "request", "with the client")
        lines = tuple((row.title, f"{row.method} {row.path}", in_python(row)) for row in calls)
        yield Table("Calls that the next step names", head, lines)


def report_on_button(page: HostedPage) -> Table:
    """Return the same for what the buyer's browser posts when the button is pressed: the payload that you signed."""
    why = reasons.report_on_button(page.attempt.config)
    return _table(" by the buyer's browser: POST /checkout/initiate, with the payload that you signed", why)


def _table(what: str, why: reasons.Report) -> Table:
    return facts(f"Sent{what}", [(name.replace("_", " "), text) for name, text in why._asdict().items()])
