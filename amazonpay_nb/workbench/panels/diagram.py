"""The diagram panel: the run so far as a sequence diagram, which grows with the run."""

from typing import TYPE_CHECKING, Any

from amazonpay_nb.workbench.diagrams import sequence_diagram
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import Chosen, Field, Option, View, choose
from amazonpay_nb.workbench.show.blocks import Foreign

if TYPE_CHECKING:
    from amazonpay_nb.workbench.bench import Workbench

FORMS = {"picture": "Picture", "text": "Text", "mermaid": "Mermaid source"}


class DiagramPanel(BenchPanel):
    """Everything that a workbench's journal holds, drawn without network or script.

    Args:
        form: One of `FORMS`.
    Raises:
        ConfigurationError: There is no such form.
    """

    follows = True

    def __init__(self, wb: "Workbench", form: str = "picture") -> None:
        super().__init__(wb)
        options = tuple(Option(name, label) for name, label in FORMS.items())
        self._field = Field("form", form, "Show as", "How to draw the run.", options)
        self._field.read(form)

    def view(self, chosen: Chosen) -> View:
        """Return the diagram as it is now."""
        diagram = sequence_diagram(self._wb.journal)
        form = choose([self._field], chosen)["form"]
        picture = Foreign("", diagram.text(), diagram.svg())
        body = picture if form == "picture" else diagram.text() if form == "text" else diagram.mermaid()
        return View("The run so far", (body,), (self._field,))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(include, exclude)
        if self.live or "<svg" not in bundle["text/html"]:
            return bundle
        # Forges remove pictures from HTML, and show one that comes as what it is.
        return {"text/plain": bundle["text/plain"], "image/svg+xml": sequence_diagram(self._wb.journal).svg()}
