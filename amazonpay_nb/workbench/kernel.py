"""The notebook kernel around a workbench; outside of one there are no cells, and nobody plays the buyer."""

import os
from typing import Any

__all__ = ["cell_id", "cells", "display", "in_jupyterlab"]


def in_jupyterlab() -> bool:
    """Tell whether a person runs this kernel from JupyterLab."""
    # Jupyter Server sets this for the kernels of its sessions; papermill, nbval and nbconvert start kernels without it.
    return bool(os.environ.get("JPY_SESSION_NAME"))


def cells() -> list[str]:
    """Return the sources of the cells that have run, in order."""
    try:
        return list(get_ipython().user_ns["In"])  # type: ignore[name-defined]
    except (NameError, KeyError):
        return []


def cell_id() -> str:
    """Return the id of the cell that is running, or "" where the client of the kernel sends none."""
    try:
        return str(get_ipython().get_parent()["metadata"]["cellId"])  # type: ignore[name-defined]
    except (NameError, AttributeError, KeyError):
        return ""


def display(thing: Any) -> None:
    """Show something in the middle of a cell."""
    import IPython.display

    IPython.display.display(thing)  # type: ignore[no-untyped-call]
