"""The sequence diagram of the run just made, which grows while the run goes on."""

from typing import Any

from amazonpay_nb.client.journal import Journal
from amazonpay_nb.workbench.panels.diagram import DiagramModel
from amazonpay_nb.workbench.panels.live_look import LookPanel

__all__ = ["DiagramPanel"]


class DiagramPanel(LookPanel):
    """Everything that a workbench's journal holds, drawn without network or script.

    Args:
        form: ``picture``, ``text`` or ``mermaid``.
    Raises:
        ConfigurationError: There is no such form.
    """

    def __init__(self, wb: Any, form: str = "picture") -> None:
        self.journal: Journal = wb.journal
        super().__init__(DiagramModel(wb.journal, form), live=wb.buyer == "you", journal=wb.journal)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(include, exclude)
        if self.live or "<svg" not in bundle["text/html"]:
            return bundle
        # Forges remove pictures from HTML, and show one that comes as what it is.
        return {"text/plain": bundle["text/plain"], "image/svg+xml": self.journal.diagram().svg()}
