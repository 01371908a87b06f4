"""The cards of the four kinds of objects, side by side under tabs."""

from typing import Any

from amazonpay_nb.workbench.panels.cards import cards
from amazonpay_nb.workbench.panels.panel import Panel
from amazonpay_nb.workbench.panels.tabs import Panels

__all__ = ["CardsPanel"]


class CardsPanel(Panels):
    """A card for the Checkout Session, the Charge Permission, the Charge and the Refund of a workbench."""

    def __init__(self, wb: Any) -> None:
        live = wb.buyer == "you"
        found = {card.kind.machine.name: Panel(card, live=live, journal=wb.journal) for card in cards(wb)}
        super().__init__("Cards", found, live=live)
