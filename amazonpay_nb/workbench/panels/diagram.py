"""The run so far as a sequence diagram: a picture, a text, or the source of a Mermaid diagram."""

from dataclasses import dataclass

from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.sequence import SequenceDiagram
from amazonpay_nb.workbench.panels.view import Chosen, Field, Option, View, choose

__all__ = ["FORMS", "DiagramModel", "Drawn"]

FORMS = {"picture": "Picture", "text": "Text", "mermaid": "Mermaid source"}


@dataclass(frozen=True, slots=True, repr=False)
class Drawn:
    """A diagram as something to show: a picture where there are pictures, else its text."""

    diagram: SequenceDiagram

    def __repr__(self) -> str:
        return self.diagram.text()

    def _repr_html_(self) -> str:
        return self.diagram.svg()


class DiagramModel:
    """What a journal holds by now, drawn.

    Args:
        form: One of `FORMS`.
    Raises:
        ConfigurationError: There is no such form.
    """

    def __init__(self, journal: Journal, form: str = "picture") -> None:
        self._journal = journal
        options = tuple(Option(name, label) for name, label in FORMS.items())
        self._fields = (Field("form", form, "Show as", "How to draw the run.", options),)
        self._fields[0].read(form)

    def view(self, chosen: Chosen) -> View:
        """Return the diagram as it is now."""
        diagram = self._journal.diagram()
        forms = {"picture": Drawn(diagram), "text": diagram.text(), "mermaid": diagram.mermaid()}
        return View("The run so far", (forms[str(choose(self._fields, chosen)["form"])],), self._fields)
