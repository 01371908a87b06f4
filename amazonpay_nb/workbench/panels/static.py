"""A view for where nobody can click: its body, fields as parameters, actions with reasons, and what an action sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from amazonpay_nb.client import report as reasons
from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.view import Field, View
from amazonpay_nb.workbench.show import Shown, show
from amazonpay_nb.workbench.show.blocks import Block, Name, Prose, Table, facts

NOTHING_SENT = "Nothing was sent to Amazon Pay."


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
        rows = tuple((row.label, "yes" if row.enabled else "no", row.reason) for row in view.actions)
        blocks.append(Table("What you can do", ("action", "possible now", "because"), rows))
    return Shown([*blocks, *render(report).blocks])


def _parameter(field: Field) -> tuple[str, ...]:
    lines = [", ".join(option.value for option in field.possible if option.value)]
    for why in dict.fromkeys(option.reason for option in field.options if option.reason):
        lines.append(f"not {', '.join(option.value for option in field.options if option.reason == why)}: {why}")
    choices = "\n".join(lines).strip()
    return Name(field.name), type(field.default).__name__, str(field.default), choices, field.reason or field.help


def report_on(exchanges: Sequence[Exchange], states: dict[str, str]) -> Iterator[Any]:
    """Yield for each request of an action what was sent, what came back, and why.

    Args:
        states: The state of each object before; see `client.known.Known.states`.
    """
    if not exchanges:
        yield NOTHING_SENT
    for exchange, why in reasons.reports(exchanges, states):
        yield _table(f": {exchange.method} {exchange.path} → {exchange.answer}", why)


def button_config_of(page: HostedPage | None) -> Mapping[str, Any]:
    """Return what the button on a page of the shop was made of."""
    button = page.attempt.button if page else None
    assert button is not None  # noqa: S101 (every page that a panel opens has a button)
    return button[1]


def report_on_button(page: HostedPage) -> Table:
    """Return the same for what the buyer's browser posts when the button is pressed: the payload that you signed."""
    why = reasons.report_on_button(button_config_of(page))
    return _table(" by the buyer's browser: POST /checkout/initiate, with the payload that you signed", why)


def _table(what: str, why: reasons.Report) -> Table:
    return facts(f"Sent{what}", [(name.replace("_", " "), text) for name, text in why._asdict().items()])
