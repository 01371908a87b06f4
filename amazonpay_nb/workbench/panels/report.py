"""What an action sent, and why each request was accepted or not, as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from amazonpay_nb.client import report
from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.report import Report, States
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.show.blocks import Table, facts

NOTHING_SENT = "Nothing was sent to Amazon Pay."


def report_on(exchanges: Sequence[Exchange], states: States) -> Iterator[Any]:
    """Yield for each request of an action what was sent, what came back, and why.

    Args:
        states: The state of each object before; see `client.report.newest_states`.
    """
    if not exchanges:
        yield NOTHING_SENT
    for exchange, why in report.reports(exchanges, states):
        yield _table(f": {exchange.method} {exchange.path} → {exchange.answer}", why)


def button_config_of(page: HostedPage) -> Mapping[str, Any]:
    """Return what the button on a page of the shop was made of."""
    assert page.attempt.button is not None  # noqa: S101 (every page that a panel opens has a button)
    return page.attempt.button[1]


def report_on_button(page: HostedPage) -> Table:
    """Return the same for what the buyer's browser posts when the button is pressed: the payload that you signed."""
    why = report.report_on_button(button_config_of(page))
    return _table(" by the buyer's browser: POST /checkout/initiate, with the payload that you signed", why)


def _table(what: str, why: Report) -> Table:
    return facts(f"Sent{what}", [(name.replace("_", " "), text) for name, text in why._asdict().items()])
