"""The wire inspector: every exchange, how it was signed, the same call in other languages, and the signature doctor."""

from typing import Any

from amazonpay_nb.workbench.panels.live_look import LookPanel
from amazonpay_nb.workbench.panels.wire import WireModel

__all__ = ["WirePanel"]


class WirePanel(LookPanel):
    """The exchanges of a workbench.

    Args:
        choices: What to begin with: ``exchange`` (a number or ``last``), ``show`` and ``slip``; see `panels.wire`.
    Raises:
        ConfigurationError: A choice does not exist.
    """

    def __init__(self, wb: Any, **choices: str) -> None:
        live = wb.buyer == "you"
        # What nobody clicks is committed, so it repeats from run to run.
        super().__init__(WireModel(wb, repeats=not live, **choices), live=live, journal=wb.journal)
