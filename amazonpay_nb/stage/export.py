"""Write the page to leave behind after a demonstration: one file, without network, kernel, scripts or secrets."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from amazonpay_nb.runs.failure import Failure, failure_of
from amazonpay_nb.runs.folder import write_whole
from amazonpay_nb.runs.kernels import kernel_environment
from amazonpay_nb.runs.notebook import (
    Notebook,
    for_others,
    notebook_folder,
    notebook_with,
    with_values,
    without_links,
    without_secrets,
)
from amazonpay_nb.runs.report import notebook_page
from amazonpay_nb.runs.runner import run_one
from amazonpay_nb.temporary import TemporaryFolder


def export(name: str, texts: Mapping[str, str], out: Path) -> tuple[Path, str | None]:
    """Write one page of a finished run into *out*; return its path, and what stopped the run, or None.

    Args:
        name: A path, a name, or the number of a notebook.  One of the workbook is run first; one from elsewhere
            and has run before is taken as it is.
        texts: Values by name, see `for_others`.
    Raises:
        ConfigurationError: A name or value is not usable; nothing was written.
    """
    notebook = notebook_with(name, texts)
    path = notebook.path
    document = without_secrets(notebook.document)
    failure = failure_of(document)
    if texts or not _finished(notebook):
        document, failure = _run(notebook, texts)
    document = without_links(document)
    _fill_in(document)
    # Its pictures' addresses are relative to this folder: a run of the workbook is written elsewhere.
    home = notebook_folder().resolve()
    folder = home if (home / path.name).exists() else path.resolve().parent
    page = notebook_page(document, path.stem, folder, left_behind=_note(document))
    target = out / f"{path.stem}.html"
    out.mkdir(parents=True, exist_ok=True)
    write_whole(target, page)
    return target, failure.text if failure else None


def _run(notebook: Notebook, texts: Mapping[str, str]) -> tuple[Any, Failure | None]:
    with TemporaryFolder() as folder, kernel_environment():
        run = run_one(replace(notebook, document=for_others(notebook, texts)), {}, folder.path)
        return nbformat.read(folder.path / notebook.path.name, as_version=4), run.failure


def _finished(notebook: Notebook) -> bool:
    if notebook.path.resolve().parent == notebook_folder().resolve():
        return False  # its outputs are those of the repository
    cells = [cell for cell in notebook.document.cells if cell.cell_type == "code" and cell.source.strip()]
    return bool(cells) and all(cell.execution_count for cell in cells)


def _fill_in(document: Any) -> None:
    """Put the values that papermill has injected where a reader looks for them, into the cell of parameters."""
    for cell in list(document.cells):
        tags = cell.metadata.get("tags", ())
        if "injected-parameters" in tags:
            document.cells.remove(cell)
        elif "parameters" in tags:
            values = document.metadata.get("papermill", {}).get("parameters", {})
            cell.source = with_values(cell.source, values)


def _note(document: Any) -> dict[str, str]:
    sources = "\n".join(cell.source for cell in document.cells if cell.cell_type == "code")
    chosen = re.findall(r'^environment\b[^=\n]*= *["\'](\w+)["\']', sources, re.MULTILINE)
    environment = chosen[-1] if chosen else "emulator"
    return {"environment": environment, "made": datetime.now(UTC).strftime("%Y-%m-%d")}
