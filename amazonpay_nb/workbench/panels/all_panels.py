"""Every panel of a workbench in one, so that a whole flow can be gone through by clicks."""

from importlib import import_module
from typing import Any

from amazonpay_nb.workbench.panels.tabs import Panels

__all__ = ["all_panels"]

# Tab -> module and class, in the order of the way.  Each is imported when the panels are asked for, not before.
_PANELS = {
    "Keys": ("keys", "KeyPanel"),
    "Button": ("button", "ButtonPanel"),
    "Page": ("page", "PagePanel"),
    "Cards": ("cards", "CardsPanel"),
    "Payment desk": ("desk", "DeskPanel"),
    "Wire": ("wire", "WirePanel"),
    "Diagram": ("diagram", "DiagramPanel"),
}


def all_panels(wb: Any) -> Panels:
    """Return the panels of a workbench; the page is that of the button which the button panel shows."""
    found: dict[str, Any] = {}
    for tab, (module, name) in _PANELS.items():
        offer = (found["Button"].offer,) if tab == "Page" else ()
        found[tab] = getattr(import_module(f"amazonpay_nb.workbench.panels.live_{module}"), name)(wb, *offer)
    return Panels("Panels", found, live=wb.buyer == "you")
