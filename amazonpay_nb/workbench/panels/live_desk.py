"""The payment desk."""

from typing import Any

from amazonpay_nb.workbench.panels.desk import Desk
from amazonpay_nb.workbench.panels.panel import Panel

__all__ = ["DeskPanel"]


class DeskPanel(Panel):
    """The payment desk of a workbench; see `panels.desk` for what can be done."""

    def __init__(self, wb: Any) -> None:
        super().__init__(Desk(wb), live=wb.buyer == "you", journal=wb.journal)
