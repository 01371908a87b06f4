"""Several panels in one, under tabs."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from amazonpay_nb.workbench.panels.panel import Panel
from amazonpay_nb.workbench.panels.view import Chosen, View
from amazonpay_nb.workbench.show.blocks import Table


class Panels(Panel):
    """Panels under tabs; a panel is made when its tab is opened, and looks again whenever another has done something.

    Args:
        panels: Title of the tab -> the panel, or panels under tabs of their own.
    """

    def __init__(self, title: str, panels: Mapping[str, Panel], *, live: bool) -> None:
        super().__init__(live=live)
        self.title, self.panels = title, panels
        self._tabs: Any = None
        for name, panel in panels.items():
            panel.listeners.append(partial(self._follow, name))

    def __getitem__(self, name: str) -> Any:
        return self.panels[name]

    def view(self, chosen: Chosen) -> View:
        """Return what can be done under each tab."""
        rows = tuple((name, panel.possible()) for name, panel in self.panels.items())
        return View(self.title, [Table("", ("panel", "what you can do there now"), rows)])

    def possible(self) -> str:
        """Say what can be done now."""
        return "\n".join(f"{name}: {panel.possible()}" for name, panel in self.panels.items())

    def refresh(self) -> None:
        """Have the one that is on view look again; any other does when its tab is opened."""
        if self._tabs is not None:
            self._open(self._tabs.selected_index)

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

    def _open(self, index: int | None) -> None:
        if index is None:
            return
        panel, place = list(self.panels.values())[index], self._tabs.children[index]
        if place.children:
            panel.refresh()
        else:
            place.children = [panel.widget]

    def _follow(self, name: str) -> None:
        if self._tabs is not None and self._tabs.selected_index != list(self.panels).index(name):
            self.refresh()
        self._tell_others()
