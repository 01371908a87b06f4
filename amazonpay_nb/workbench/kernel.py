"""The notebook kernel around a workbench; outside of one there are no cells, and a script plays the buyer."""

import builtins
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Cell -> its latest run, and what closes the things that it opened.
_opened: dict[str, tuple[str, list[Callable[[], object]]]] = {}


def in_jupyterlab() -> bool:
    """Tell whether a person runs this kernel from JupyterLab."""
    # Jupyter Server sets this for the kernels of its sessions; papermill, nbval and nbconvert start kernels without it.
    return bool(os.environ.get("JPY_SESSION_NAME"))


def journal_file() -> Path | None:
    """Return where a run of this notebook keeps its journal; None outside of a run."""
    return Path(name) if (name := os.environ.get("AMAZONPAY_NB_JOURNAL")) else None


def shell() -> Any:
    """Return the IPython that runs this process, or None."""
    return getattr(builtins, "get_ipython", lambda: None)()


def cells() -> list[str]:
    """Return the sources of the cells that have run, in order."""
    ipython = shell()
    return list(ipython.user_ns["In"]) if ipython else []


def replace(close: Callable[[], object]) -> None:
    """Note what the running cell opens, and close what an earlier run of the same cell opened.

    Jupyter keeps whatever a cell displayed, so nothing else would close it.
    """
    try:
        message = shell().get_parent()
        cell, run = message["metadata"]["cellId"], message["header"]["msg_id"]
    except (AttributeError, KeyError):
        return  # not in a kernel, or its client names no cells
    earlier_run, earlier = _opened.get(cell, (run, []))
    if earlier_run != run:
        for each in earlier:
            each()
        earlier = []
    _opened[cell] = run, [*earlier, close]


def display(thing: Any) -> None:
    """Show something in the middle of a cell."""
    import IPython.display

    IPython.display.display(thing)  # type: ignore[no-untyped-call]
