"""A view for where nobody can click: its body, its fields as parameters, its actions with their reasons."""

from collections.abc import Iterable, Sequence
from typing import Any

from amazonpay_nb.workbench.panels.view import Action, Field, View
from amazonpay_nb.workbench.show import Shown, show
from amazonpay_nb.workbench.show.blocks import Block, Name, Prose, Table


def render(body: Iterable[Any]) -> Shown:
    """Return the body of a view, or a part of it, as HTML and as text."""
    return Shown([block for thing in body for block in _blocks(thing)])


def _blocks(thing: Any) -> Sequence[Block]:
    if isinstance(thing, Block):
        return [thing]
    return (thing if isinstance(thing, Shown) else show(thing)).blocks


def static(view: View, report: Iterable[Any] = ()) -> Shown:
    """Return a whole view.

    Args:
        report: What the last action did at Amazon.
    """
    blocks: list[Block] = [Prose("Where you play the buyer, this is a form with buttons.", view.title)]
    blocks += render(view.body).blocks
    if view.fields:
        head = ("parameter", "type", "default", "choices", "what it is")
        blocks.append(Table("What you can choose", head, tuple(_parameter(field) for field in view.fields)))
    if view.actions:
        rows = tuple(_possibility(action) for action in view.actions)
        blocks.append(Table("What you can do", ("action", "possible now", "because"), rows))
    return Shown([*blocks, *render(report).blocks])


def _parameter(field: Field) -> tuple[str, ...]:
    lines = [", ".join(option.value for option in field.possible if option.value)]
    for why in dict.fromkeys(option.reason for option in field.options if option.reason):
        lines.append(f"not {', '.join(option.value for option in field.options if option.reason == why)}: {why}")
    choices = "\n".join(lines).strip()
    return Name(field.name), type(field.default).__name__, str(field.default), choices, field.reason or field.help


def _possibility(action: Action) -> tuple[str, ...]:
    return action.label, "yes" if action.enabled else "no", action.reason
