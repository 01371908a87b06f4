"""Several panels in one, under tabs."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from amazonpay_nb.workbench.show import Shown
from amazonpay_nb.workbench.show.blocks import Table

if TYPE_CHECKING:
    from amazonpay_nb.workbench.panels.panel import Panel


class Panels:
    """Panels under tabs; a panel is made when its tab is opened, and looks again whenever another has done something.

    Args:
        panels: Title of the tab -> the panel, or panels under tabs of their own.
        live: Whether a person sits there and can click.
    Attributes:
        listeners: Called after every action in one of them.
    """

    def __init__(self, title: str, panels: "Mapping[str, Panel | Panels]", *, live: bool) -> None:
        self.title, self.panels, self.live = title, panels, live
        self.listeners: list[Callable[[], None]] = []
        self._tabs: Any = None
        for name, panel in panels.items():
            panel.listeners.append(partial(self._tell_others, name))

    def __getitem__(self, name: str) -> Any:
        return self.panels[name]

    def refresh(self) -> None:
        """Have the one that is on view look again; any other does when its tab is opened."""
        if self._tabs is not None:
            self._open(self._tabs.selected_index)

    def possible(self) -> str:
        """Say what can be done now."""
        return "\n".join(f"{name}: {panel.possible()}" for name, panel in self.panels.items())

    @property
    def widget(self) -> Any:
        """The tabs as an ipywidget."""
        if self._tabs is None:
            import ipywidgets as w

            boxes = [w.VBox() for _ in self.panels]
            self._tabs = w.Tab(children=boxes, titles=list(self.panels), selected_index=0)
            self._tabs.add_class("amazonpay-panels")
            self._tabs.observe(lambda change: self._open(change["new"]), "selected_index")
            self._open(0)
        return self._tabs

    def __repr__(self) -> str:
        return self._static().text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        still = self._static()._repr_mimebundle_()
        return still | self.widget._repr_mimebundle_() | still if self.live else still

    def _static(self) -> Shown:
        rows = tuple((name, panel.possible()) for name, panel in self.panels.items())
        return Shown([Table(self.title, ("panel", "what you can do there now"), rows)])

    def _open(self, index: int | None) -> None:
        if index is None:
            return
        panel, place = list(self.panels.values())[index], self._tabs.children[index]
        if place.children:
            panel.refresh()
        else:
            place.children = [panel.widget]

    def _tell_others(self, name: str) -> None:
        if self._tabs is not None and self._tabs.selected_index != list(self.panels).index(name):
            self.refresh()
        for listener in self.listeners:
            listener()
