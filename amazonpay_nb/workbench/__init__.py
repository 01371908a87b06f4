"""The workbench that a notebook opens: keys, client, emulator, shop and buyer, with their views and panels.

    wb = workbench.open(environment="emulator", region="na", buyer="auto")

The names below load on first use: the command line reads parameters without loading a server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amazonpay_nb.workbench.bench import Workbench, open  # noqa: A004 (read as workbench.open)
    from amazonpay_nb.workbench.hosted_page import HostedPage

__all__ = ["HostedPage", "Workbench", "open"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.bench"), name)
