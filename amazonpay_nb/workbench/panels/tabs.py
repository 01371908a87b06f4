"""Several panels in one, under tabs."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from amazonpay_nb.workbench.show import Shown
from amazonpay_nb.workbench.show.blocks import Table

__all__ = ["Panels", "Shows"]


class Shows(Protocol):
    """What a panel, or several of them in one, can do."""

    changed: list[Callable[[], None]]

    @property
    def widget(self) -> Any:
        """It as an ipywidget."""
        ...

    def refresh(self) -> None:
        """Look again."""
        ...

    def possible(self) -> str:
        """Say what can be done now."""
        ...


class Panels:
    """Panels under tabs; a panel is made when its tab is opened, and looks again whenever another has done something.

    Args:
        panels: Title of the tab -> the panel.
        live: Whether a person sits there and can click.
    Attributes:
        changed: Called after every action in one of them.
    """

    def __init__(self, title: str, panels: Mapping[str, Shows], *, live: bool) -> None:
        self.title, self.panels, self.live = title, panels, live
        self.changed: list[Callable[[], None]] = []
        self._tabs: Any = None
        self._made: set[str] = set()
        for name, panel in panels.items():
            panel.changed.append(partial(self._acted, name))

    def __getitem__(self, name: str) -> Any:
        return self.panels[name]

    def refresh(self) -> None:
        """Have all that are on view look again."""
        for name in self._made:
            self.panels[name].refresh()

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
        name = list(self.panels)[index]
        if name in self._made:
            self.panels[name].refresh()
        else:
            self._made.add(name)
            self._tabs.children[index].children = [self.panels[name].widget]

    def _acted(self, name: str) -> None:
        for other in self._made - {name}:
            self.panels[other].refresh()
        for listener in self.changed:
            listener()
