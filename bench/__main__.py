"""Run the benchmarks and print one table: ``python -m bench [--quick] [--only a,c]``."""

import argparse
import os
import platform
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from bench.measure import Result, Unavailable, skipped, table

EVERYTHING = "a,b,c,d,e,f,g,h,i,j,k"
RESULTS = Path(__file__).parent / "results.md"
# Letters, module and function: a module is imported when its turn comes, so that one can run without the others.
BENCHMARKS = (
    ("a", "notebooks", "measure_notebooks"),
    ("b", "signatures", "measure_signatures"),
    ("c", "imports", "measure_imports"),
    ("de", "charges", "measure_charges"),
    ("f", "browser", "measure_widgets"),
    ("g", "browser", "measure_stage"),
    ("h", "plugin", "measure_plugin"),
    ("i", "environment", "measure_environment"),
    ("j", "notebooks", "measure_starts"),
    ("k", "notebooks", "measure_sweep"),
)


def run(module: str, function: str, letters: str, *, quick: bool) -> list[Result]:
    """Run one benchmark; where it cannot run here, return a line that says why."""
    measure: Callable[..., list[Result]] = getattr(import_module(f"bench.{module}"), function)
    try:
        return measure(quick=quick)
    except Unavailable as reason:
        return [skipped(f"({letters}) {module}", reason)]


def report(results: list[Result], *, quick: bool) -> str:
    """Return the page: on what it was measured, and the table."""
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    size = " A quick run: too small to judge by." if quick else ""
    return f"# Benchmarks\n\nOne run on {machine}; medians of alternating rounds.{size}\n\n{table(results)}\n"


def main() -> None:
    """Measure what was asked for and print the table; a whole run is kept in ``results.md``."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers: does everything run?")
    parser.add_argument(
        "--only", default=EVERYTHING, metavar="a,c", help=f"which of {EVERYTHING} (d and e go together)"
    )
    options = parser.parse_args()
    wanted = set(options.only.split(","))
    if strangers := wanted - set(EVERYTHING.split(",")):
        parser.error(f"--only takes {EVERYTHING}, not {', '.join(sorted(strangers))}")
    results = [
        result
        for letters, module, function in BENCHMARKS
        if wanted & set(letters)
        for result in run(module, function, letters, quick=options.quick)
    ]
    page = report(results, quick=options.quick)
    if wanted == set(EVERYTHING.split(",")) and not options.quick:
        RESULTS.write_text(page, encoding="utf-8")
    print(page)


main()
