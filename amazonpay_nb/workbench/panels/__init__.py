"""The panels of the workbook: ipywidgets where a person sits, static HTML and text anywhere else.

`panels` shows a whole run under tabs, and `chooser` the first of them alone; each panel is also a class of its own.
"""

from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.panels.button import ButtonPanel, PagePanel
from amazonpay_nb.workbench.panels.cards import Desk, cards
from amazonpay_nb.workbench.panels.events import ClockPanel, NotificationPanel
from amazonpay_nb.workbench.panels.keys import KeyPanel
from amazonpay_nb.workbench.panels.panel import Panels
from amazonpay_nb.workbench.panels.questions import Chooser, ErrorPanel, chooser
from amazonpay_nb.workbench.panels.wire import DiagramPanel, WirePanel

__all__ = ["chooser", "panels"]


def panels(wb: Workbench) -> Panels:
    """Return every panel of a workbench in one, in the order of the way; the page is that of the button panel."""
    button, live = ButtonPanel(wb), wb.buyer == "you"
    tabs = {
        "Choose": Chooser(live=live),
        "Keys": KeyPanel(wb),
        "Button": button,
        "Page": PagePanel(wb, button.offer),
        "Cards": cards(wb),
        "Payment desk": Desk(wb),
        "Errors": ErrorPanel(wb.journal, live=live),
        "Notifications": NotificationPanel(wb),
        "Clock": ClockPanel(wb),
        "Wire": WirePanel(wb),
        "Diagram": DiagramPanel(wb),
    }
    return Panels("Panels", tabs)
