"""The button panel: choose a button, see its payload and what is signed, and see it on the shop's page."""

from typing import Any

from amazonpay_nb.workbench.panels.button import ButtonModel
from amazonpay_nb.workbench.panels.live_page import FramedPanel
from amazonpay_nb.workbench.show.notes import annotated

__all__ = ["ButtonPanel"]


class ButtonPanel(FramedPanel):
    """A button of a workbench's shop; see `panels.button` for the choices.

    Attributes:
        model: Its ``page`` is the shop's page with the button that was offered last.
    """

    model: ButtonModel

    def __init__(self, wb: Any) -> None:
        super().__init__(ButtonModel(wb, annotated), live=wb.buyer == "you", journal=wb.journal)

    def offer(self) -> Any:
        """Return the page with the button that the form says, for a new visit: what a `PagePanel` starts with."""
        return self.act("offer", **(self._form.chosen if self._form else {}))
