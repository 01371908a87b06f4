"""The cells that the benchmarks time do what they are timed for."""

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from bench.browser import CELLS, EMPTY, OPEN
from bench.imports import STATEMENTS
from bench.notebooks import IMPORTS
from tests.kernels import PortlessKernel
from tests.processes import PATIENCE

WIDGET = "application/vnd.jupyter.widget-view+json"


def executed(*sources: str) -> list[nbformat.NotebookNode]:
    """Execute cells in one kernel; the first that fails raises its error."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    client = NotebookClient(
        notebook, kernel_manager_class=PortlessKernel, timeout=PATIENCE, iopub_timeout=PATIENCE,
        shutdown_kernel="immediate",
    )  # fmt: skip
    client.execute()
    return list(notebook.cells)


def test_every_cell_runs_and_the_panels_are_widgets() -> None:
    """All in one kernel, as in JupyterLab."""
    imports = "\n".join(f"import {name}" for name in IMPORTS)
    panels = executed(*STATEMENTS, imports, OPEN, EMPTY, *CELLS.values())[len(STATEMENTS) + 2 :]
    for source, cell in zip((EMPTY, *CELLS.values()), panels, strict=True):
        assert any(WIDGET in output.get("data", ()) for output in cell.outputs), source
