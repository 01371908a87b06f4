"""A workbook for Amazon Pay's Saved Wallet: signed requests, an emulated Amazon Pay, and notebooks that use both.

The names below load on first use, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amazonpay_nb import errors, signing, workbench
    from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
    from amazonpay_nb.emulator import Emulator
    from amazonpay_nb.signing.keys import MerchantKeys
    from amazonpay_nb.workbench.show import show

__all__ = ["AmazonPayAuth", "AmazonPayClient", "Emulator", "MerchantKeys", "errors", "show", "signing", "workbench"]

# Module of each name that is not a module itself.
_HOMES = {
    "AmazonPayAuth": "client",
    "AmazonPayClient": "client",
    "Emulator": "emulator",
    "MerchantKeys": "signing.keys",
    "show": "workbench.show",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
