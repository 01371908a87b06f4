"""What our notebooks cost beyond starting a kernel and importing what they import."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import papermill

from amazonpay_nb.runs.kernels import execute, kernel_environment
from bench.measure import Result, Target, Unavailable, alternate, compare, say, seconds

__all__ = ["measure_notebooks"]

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
TARGET = Target("≤", 1.5)
STARTS_SERVERS = "12_rehearse_your_server"  # several, and an emulator for each: not what a kernel costs
WORKERS = min(2, os.cpu_count() or 1)
# The kernels of our notebooks import these; a trivial notebook does nothing else.
IMPORTS = ("amazonpay_nb.workbench.bench", "cryptography", "starlette", "httpx", "ipywidgets", "pandas", "uvicorn")


def write_trivial(path: Path) -> None:
    """Write a notebook that has our notebooks' parameters cell and imports, and no story."""
    sources = {"parameters": 'buyer: str = "script"', "imports": "\n".join(f"import {name}" for name in IMPORTS)}
    cells: list[dict[str, object]] = [
        {"id": tag, "cell_type": "code", "metadata": {"tags": [tag]}, "source": source, "outputs": []}
        | {"execution_count": None}
        for tag, source in sources.items()
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
    path.write_text(json.dumps(notebook), encoding="utf-8")


def run_one(source: Path, folder: Path) -> None:
    """Execute one notebook as `amazonpay-nb run` does.

    Raises:
        Unavailable: One of its cells failed.
    """
    try:
        execute(nbformat.read(source, 4), source.parent, folder / source.name, {"buyer": "script"})
    except papermill.PapermillExecutionError as error:
        raise Unavailable(f"{source.name} failed: {error.ename}: {error.evalue}") from error


def execute_all(sources: list[Path], folder: Path) -> float:
    """Return the wall time of executing *sources* with a few kernels at a time."""
    with kernel_environment(), ThreadPoolExecutor(WORKERS) as pool:
        return seconds(lambda: list(pool.map(lambda source: run_one(source, folder), sources)))


def measure_notebooks(*, quick: bool) -> list[Result]:
    """(a) All notebooks, with the scripted buyer, over as many trivial ones."""
    ours = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.stem != STARTS_SERVERS]
    if not ours:
        raise Unavailable("there are no notebooks")
    with TemporaryDirectory() as name:
        folder = Path(name)
        trivial = [folder / f"trivial_{number}.ipynb" for number in range(len(ours))]
        for path in trivial:
            write_trivial(path)
        out = folder / "out"
        out.mkdir()
        execute_all(trivial[:1], out)  # the first kernel pays for a cold disk
        rounds = 1 if quick else 3
        say(f"(a) {len(ours)} notebooks, {WORKERS} at a time, {rounds} rounds")
        times = alternate(rounds, lambda: execute_all(ours, out), lambda: execute_all(trivial, out))
    return [compare(f"(a) wall time of {len(ours)} notebooks", times, "{:.1f} s", "trivial notebooks", TARGET)]
