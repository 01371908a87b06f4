"""Amazon's pages inside the notebook: the frame, how far the buyer is, and what came back."""

import threading
from collections.abc import Callable
from typing import Any

from amazonpay_nb.workbench.panels.button import ButtonModel
from amazonpay_nb.workbench.panels.page import PageModel
from amazonpay_nb.workbench.panels.panel import Panel
from amazonpay_nb.workbench.panels.view import act
from amazonpay_nb.workbench.show.notes import annotated

__all__ = ["FramedPanel", "PagePanel"]


class FramedPanel(Panel):
    """A panel with a page beneath it: whatever its model's ``page`` is."""

    model: Any
    _outer: Any = None

    @property
    def widget(self) -> Any:
        """The form, and the page in a frame."""
        if self._outer is None:
            import ipywidgets as w

            form, self._frame = super().widget, w.HTML()
            self._frame.add_class("jp-RenderedHTMLCommon")  # a link looks like one
            self._outer = w.VBox([form, self._frame])
            self.changed.append(self._show_page)
            self._show_page()
        return self._outer

    def _show_page(self) -> None:
        page = self.model.page
        if page is not None:
            page.shown = True
        value = page.html if page is not None else ""
        # A frame that is written again would begin again.
        if self._frame.value != value:
            self._frame.value = value


class PagePanel(FramedPanel):
    """A stay at Amazon, from the shop's page to the way back.

    Args:
        wb: The workbench.
        offer: Puts a button on the shop's page and returns the page, for each visit anew; a button that saves a wallet
            outside of the purchase flow when left out.
    """

    model: PageModel

    def __init__(self, wb: Any, offer: Callable[[], Any] | None = None) -> None:
        button = ButtonModel(wb, annotated)
        super().__init__(PageModel(wb, offer or (lambda: act(button, "offer"))), live=wb.buyer == "you")
        self._following: Any = None
        self.changed.append(self._follow)

    async def returned(self, **script: Any) -> Any:
        """Wait until the buyer is back; see `HostedPage.returned`.  Opens the page where that has not happened."""
        if self.model.page is None:
            self.act("start")
        arrival = await self.model.opened().returned(**script)
        self.refresh()
        return arrival

    def _follow(self) -> None:
        """Wait beside the kernel for what the person does."""
        page = self.model.page
        if self.live and self.model.waiting and self._following is not page:
            self._following = page
            threading.Thread(target=self._wait, args=(page,), name="panel: wait", daemon=True).start()

    def _wait(self, page: Any) -> None:
        self.model.follow(self.refresh)
        if self._following is page:
            self._following = None
