"""The stage in a notebook: it stands above the workbench, so it is asked for by name."""

from importlib import import_module
from typing import Any


def open_stage(wb: Any, story: str = "ride", **choices: str) -> Any:
    """Show a story to a merchant, as ``amazonpay-nb demo`` does, on an emulator of its own, until the workbench closes.

    Args:
        choices: As for ``amazonpay-nb demo -p``; region, currency and language are this run's when left out.
    Raises:
        ConfigurationError: There is no such story, or a choice is not usable.
    """
    own = {"region": wb.region.code, "currency": wb.currency, "language": wb.language}
    screen = import_module("amazonpay_nb.stage.server").Stage(story, own | choices)
    wb.to_close(screen.close)
    return screen
