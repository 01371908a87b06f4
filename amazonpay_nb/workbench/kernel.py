"""The notebook kernel around a workbench; outside of one there are no cells, and a script plays the buyer."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amazonpay_nb.workbench.failed import explain_assertions

# Cell -> its latest run, and what closes the things that it opened.
_opened: dict[str, tuple[str, list[Callable[[], object]]]] = {}


def in_jupyterlab() -> bool:
    """Tell whether a person runs this kernel from JupyterLab."""
    # Jupyter Server sets this for the kernels of its sessions; papermill, nbval and nbconvert start kernels without it.
    return bool(os.environ.get("JPY_SESSION_NAME"))


def journal_file() -> Path | None:
    """Return where a run of this notebook keeps its journal; None outside of a run."""
    return Path(name) if (name := os.environ.get("AMAZONPAY_NB_JOURNAL")) else None


def cells() -> list[str]:
    """Return the sources of the cells that have run, in order."""
    try:
        return list(get_ipython().user_ns["In"])  # type: ignore[name-defined]
    except (NameError, KeyError):
        return []


def replace(close: Callable[[], object]) -> None:
    """Note what the running cell opens, and close what an earlier run of the same cell opened.

    Jupyter keeps whatever a cell displayed, so nothing else would close it.

    Args:
        close: Closes what is opened now.
    """
    try:
        message = get_ipython().get_parent()  # type: ignore[name-defined]
        cell, run = message["metadata"]["cellId"], message["header"]["msg_id"]
    except (NameError, AttributeError, KeyError):
        return  # not in a kernel, or its client names no cells
    earlier_run, earlier = _opened.get(cell, (run, []))
    if earlier_run != run:
        for each in earlier:
            each()
        earlier = []
    _opened[cell] = run, [*earlier, close]


def explain_failures() -> None:
    """Let the kernel say what an assertion expected and got."""
    try:
        explain_assertions(get_ipython())  # type: ignore[name-defined]
    except NameError:
        return


def display(thing: Any) -> None:
    """Show something in the middle of a cell."""
    import IPython.display

    IPython.display.display(thing)  # type: ignore[no-untyped-call]
