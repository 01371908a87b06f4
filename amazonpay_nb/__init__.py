"""A workbook for Amazon Pay's Saved Wallet: signed requests, an emulated Amazon Pay, and notebooks that use both.

The names below load on first use, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import Any

__all__ = ["AmazonPayAuth", "AmazonPayClient", "Emulator", "show"]

_HOMES = {"AmazonPayAuth": "client", "AmazonPayClient": "client", "Emulator": "emulator", "show": "workbench.show"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
