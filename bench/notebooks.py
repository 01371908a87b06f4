"""What our notebooks cost beyond starting a kernel and importing what they import, and what a fork saves of that."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import papermill
from jupyter_core.utils import ensure_event_loop

from amazonpay_nb.runs.kernels import RunKernel, execute, kernel_environment
from amazonpay_nb.runs.notebook import Notebook
from amazonpay_nb.runs.runner import here
from amazonpay_nb.runs.sweep import cases_of, sweep
from bench.measure import Result, Target, Unavailable, alternate, compare, say, seconds

__all__ = ["measure_notebooks", "measure_starts", "measure_sweep"]

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
COLD, WARM, START, SWEEP = (Target("≤", number) for number in (1.5, 0.8, 0.4, 0.5))
STARTS_SERVERS = "12_rehearse_your_server"  # several, and an emulator for each: not what a kernel costs
WORKERS = min(2, os.cpu_count() or 1)
# The kernels of our notebooks import these; a trivial notebook does nothing else.
IMPORTS = ("amazonpay_nb.workbench.bench", "cryptography", "starlette", "httpx", "ipywidgets", "pandas", "uvicorn")


# 36 scenarios, each with some seeds.
MATRIX = """matrix:
  flow: [set-up, express, end-of-checkout, sign-in]
  region: [na, eu, jp]
  outcome: [success, soft-decline, hard-decline]
  seed: {seeds}
"""


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
    notebook = Notebook.read(source)
    values = dict.fromkeys({"buyer"} & notebook.parameters.keys(), "script")
    try:
        execute(notebook.document, source.parent, folder / source.name, values)
    except papermill.PapermillExecutionError as error:
        raise Unavailable(f"{source.name} failed: {error.ename}: {error.evalue}") from error


def execute_all(sources: list[Path], folder: Path, *, warm: bool = False) -> float:
    """Return the wall time of executing *sources* with a few kernels at a time, the process to fork from included."""

    def work() -> None:
        with kernel_environment(warm=warm), ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda source: run_one(source, folder), sources))

    return seconds(work)


def by_papermill(sources: list[Path], folder: Path) -> float:
    """Return the wall time of executing *sources* by papermill as it is, with a few kernels at a time."""

    def one(source: Path) -> None:
        with closing(ensure_event_loop()):
            # Its kernels warn of every port that they open.
            quiet = ["--log-level=ERROR"]
            papermill.execute_notebook(source, folder / source.name, progress_bar=False, extra_arguments=quiet)

    with ThreadPoolExecutor(WORKERS) as pool:
        return seconds(lambda: list(pool.map(one, sources)))


def trivial(count: int, folder: Path) -> list[Path]:
    """Write that many trivial notebooks."""
    paths = [folder / f"trivial_{number}.ipynb" for number in range(count)]
    for path in paths:
        write_trivial(path)
    return paths


def measure_notebooks(*, quick: bool) -> list[Result]:
    """(a) All notebooks, with the scripted buyer, over as many trivial ones."""
    ours = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.stem != STARTS_SERVERS]
    if not ours:
        raise Unavailable("there are no notebooks")
    with TemporaryDirectory() as name:
        out = Path(name) / "out"
        out.mkdir()
        other = trivial(len(ours), Path(name))
        by_papermill(other[:1], out)  # the first kernel pays for a cold disk
        rounds = 1 if quick else 5
        say(f"(a) {len(ours)} notebooks, {WORKERS} at a time, {rounds} rounds")
        warm, cold, plain = alternate(
            rounds, lambda: execute_all(ours, out, warm=True), lambda: execute_all(ours, out),
            lambda: by_papermill(other, out),
        )  # fmt: skip
    what, against = f"(a) wall time of {len(ours)} notebooks", "trivial notebooks by papermill"
    return [
        compare(f"{what}, forked", [warm, plain], "{:.1f} s", against, WARM),
        compare(f"{what}, each kernel anew", [cold, plain], "{:.1f} s", against, COLD),
    ]


def measure_starts(*, quick: bool) -> list[Result]:
    """(j) From the start of a kernel until its first reply, as a fork and anew."""

    async def start() -> None:
        kernel = RunKernel(kernel_name="python3")
        await kernel.start_kernel()
        client = kernel.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        times.append(time.perf_counter())
        client.stop_channels()
        await kernel.shutdown_kernel(now=True)

    times: list[float] = []

    def measured(warm: bool) -> float:
        RunKernel.warm = warm
        begin = time.perf_counter()
        asyncio.run(start())
        return times.pop() - begin

    rounds = 5 if quick else 21
    say(f"(j) starts of kernels, {rounds} rounds")
    with kernel_environment(warm=True):
        measured(True)  # starts the process to fork from
        fork, anew = alternate(rounds, *(partial(measured, warm) for warm in (True, False)))
    return [compare("(j) a kernel's start to its first reply, forked", [fork, anew], "{:.2f} s", "anew", START)]


def measure_sweep(*, quick: bool) -> list[Result]:
    """(k) A sweep of notebook 11, with its pages and reports, over as many trivial notebooks."""
    seeds = 1 if quick else 4
    with TemporaryDirectory() as name:
        folder, out = Path(name), Path(name) / "out"
        out.mkdir()
        matrix = folder / "matrix.yaml"
        matrix.write_text(MATRIX.format(seeds=[*range(seeds)]), encoding="utf-8")
        cases = cases_of(matrix)
        # Trivial notebooks do not know of each other: a third of them takes a third of the time.
        other = trivial(len(cases) // 3, folder)
        say(f"(k) {len(cases)} cases of notebook 11 by a sweep, {WORKERS} at a time")
        engine = partial(here, WORKERS, warm=True)

        def swept() -> float:
            took = time.perf_counter()
            _, failed = sweep(cases, out=out / "sweep", engine=engine, say=lambda _: None)
            if failed:
                raise Unavailable(f"{failed} cases failed")
            return time.perf_counter() - took

        times = alternate(1 if quick else 2, swept, lambda: 3 * by_papermill(other, out))
    what = f"(k) a sweep of {len(cases)} cases, forked"
    return [compare(what, times, "{:.0f} s", f"{len(other)} trivial notebooks by papermill, times 3", SWEEP)]
