"""The error explainer: an error as a card, or any documented refusal to look up."""

from typing import Any

from amazonpay_nb.errors import Refused
from amazonpay_nb.workbench.panels.errors import ErrorModel
from amazonpay_nb.workbench.panels.live_look import LookPanel

__all__ = ["ErrorPanel"]


class ErrorPanel(LookPanel):
    """What an error means and what comes next.

    Args:
        error: Any exception, or what `errors.refused` caught; without one, a documented refusal is chosen.
        live: Whether a person sits there and can choose; usually ``wb.buyer == "you"``.
        choices: What to begin with where there is no error: ``reason_code`` and ``operation``.
    Raises:
        ConfigurationError: A choice does not exist.
    """

    def __init__(self, error: BaseException | Refused | None = None, *, live: bool = False, **choices: Any) -> None:
        super().__init__(ErrorModel(error, **choices), live=live)
