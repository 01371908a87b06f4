"""Plants one fault after another, runs the tests of its area against it, and writes what survived.

``make mutants`` runs it all, and writes the page of results, docs/mutants.md.  ``make mutants ARGS='--area signing'``
runs one area anew, and the page keeps the others; ``--only TEXT`` runs what holds a text, and writes no page.  A
survivor makes it end with 1.
"""

import json
import os
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from tests.mutants.faults import ROOT, Fault, of_code, of_tables
from tests.mutants.planting import PRELOADED, Lines, run, watch

PAGE, LAST = ROOT / "docs/mutants.md", ROOT / ".cache/mutants.json"
AT_ONCE = 2
GOLDEN = ("tests/contract/test_golden_states.py", "tests/contract/test_golden_money.py")
# In a table, the first file is enough to notice nearly everything; the others show it over HTTP.
OF_TABLES = ("tests/unit/spec/test_golden.py", *GOLDEN)
# Folder, modules and tests of each area of code.
CODE = {
    "signing": ("signing", "*", ("tests/unit/signing", "tests/contract/test_signature_steps.py")),
    "money": ("spec", "money", ("tests/unit/spec/test_golden.py", "tests/unit/spec/test_money.py")),
    "rules": ("emulator/rules", "*", (
        *GOLDEN, "tests/unit/spec/test_states.py", "tests/contract/test_charge_permissions.py",
        "tests/contract/test_charges_and_refunds.py", "tests/contract/test_checkout_sessions.py",
        "tests/contract/test_hosted_pages.py", "tests/contract/test_mobile.py", "tests/contract/test_sign_in.py",
        "tests/contract/test_delivery.py", "tests/contract/test_notifications.py",
        "tests/contract/test_disputes.py", "tests/contract/test_reports.py", "tests/contract/test_delivery_trackers.py",
        "tests/contract/test_held_charges.py", "tests/contract/test_agreements.py",
        "tests/contract/test_worlds.py", "tests/faults/test_store.py",
    )),
}  # fmt: skip
TITLES = {
    "states": "Rows of the state table", "timers": "Timers", "counting": "What an amount counts for",
    "limits": "Limits, ceilings, decimals", "allowances": "Allowances and counts", "quotas": "Quotas",
    "simulations": "Simulated outcomes and cards", "reasons": "Reason codes of each operation",
    "signing": "Code of `signing/`", "money": "Code of `spec/money.py`", "rules": "Code of `emulator/rules/`",
}  # fmt: skip
# The few tests that run first against a fault in code; most faults die there.
FIRST = 20


def modules_of(area: str) -> list[str]:
    """Return the modules of an area of code, dotted."""
    folder, pattern, _ = CODE[area]
    paths = sorted((ROOT / "amazonpay_nb" / folder).glob(f"{pattern}.py"))
    return [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in paths if p.stem != "__init__"]


def faults_of(areas: Sequence[str]) -> Iterator[Fault]:
    """Yield the faults of some areas."""
    yield from (fault for fault in of_tables() if fault.area in areas)
    yield from (
        fault for area in CODE if area in areas for module in modules_of(area) for fault in of_code(area, module)
    )


def stages(fault: Fault, lines: Lines, noticed: Sequence[str]) -> list[Sequence[str]]:
    """Return the tests to run, a stage after the other: few and quick ones, and those that noticed a fault nearby."""
    if fault.area not in CODE:
        return [[file] for file in OF_TABLES]
    names = lines.get(fault.module, {}).get(fault.line, [])
    # A line without a test runs when the module is imported.
    first = dict.fromkeys([*[name for name in noticed if name in names][:FIRST], *names[:FIRST]])
    return [[*first], [name for name in names if name not in first]] if names else [[t] for t in CODE[fault.area][2]]


def survivors(faults: Sequence[Fault], lines: Lines) -> Iterator[tuple[Fault, bool]]:
    """Run the tests against each fault, two at a time, and yield whether it survived.

    Some faults make a test wait forever; one that a machine is too slow for looks alike, and is named.
    """
    running: dict[int, Fault] = {}
    waiting = list(faults)[::-1]
    noticed: dict[str, list[str]] = defaultdict(list)  # by module, the last one first
    with TemporaryDirectory() as name:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                fault = waiting.pop()
                running[run(fault, stages(fault, lines, noticed[fault.module]), Path(name))] = fault
            child, status = os.wait()
            fault = running.pop(child)
            if os.WIFSIGNALED(status):
                click.echo(f"out of time, so noticed: {fault.area}: {fault.id} (line {fault.line})")
            if (by := Path(name, str(child))).exists():
                noticed[fault.module] = list(dict.fromkeys([by.read_text(), *noticed[fault.module]]))
            yield fault, status == 0


@click.command(help=__doc__)
@click.option("--area", "areas", multiple=True, type=click.Choice(list(TITLES)), help="Only this area; repeatable.")
@click.option("--only", default="", help="Only faults whose id holds this text.")
def main(areas: tuple[str, ...], only: str) -> None:
    """See the module."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    began, chosen = time.monotonic(), areas or tuple(TITLES)
    equivalent = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text("utf-8"))
    faults = [fault for fault in faults_of(chosen) if only in fault.id]
    for name in PRELOADED:
        import_module(name)
    lines: Lines = watch([], OF_TABLES) if any(fault.area not in CODE for fault in faults) else {}
    for area in {fault.area for fault in faults} & CODE.keys():
        lines |= watch(modules_of(area), CODE[area][2])
    results, alive = Counter[tuple[str, str]](), []
    for number, (fault, survived) in enumerate(survivors(faults, lines), 1):
        is_equivalent = fault.id in equivalent.get(fault.area, {})
        results[fault.area, "noticed" if not survived else "equivalent" if is_equivalent else "survived"] += 1
        if survived and not is_equivalent:
            alive.append(fault)
            click.echo(f"survived: {fault.area}: {fault.id} (line {fault.line})")
        if number % 100 == 0:
            click.echo(f"{number} of {len(faults)} after {time.monotonic() - began:.0f} s")
    outcomes = ("noticed", "equivalent", "survived")
    last = json.loads(LAST.read_text("utf-8")) if LAST.exists() else {}
    for area in chosen:
        numbers = [results[area, outcome] for outcome in outcomes]
        last[area] = {"numbers": numbers, "alive": [fault.id for fault in alive if fault.area == area]}
        click.echo("{}: {} noticed, {} equivalent, {} survived".format(area, *numbers))
    if not only:
        LAST.parent.mkdir(exist_ok=True)
        LAST.write_text(json.dumps(last), "utf-8")
        if last.keys() >= TITLES.keys():
            PAGE.write_text(page(last, equivalent), "utf-8")
    raise SystemExit(bool(alive))


def page(last: dict[str, Any], equivalent: dict[str, dict[str, str]]) -> str:
    """Return the page of results: of each area those of its last run."""
    rows = [(title, *last[area]["numbers"]) for area, title in TITLES.items()]
    total = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    alive = [fault for area in TITLES for fault in last[area]["alive"]]
    reasons = [f"| `{name}` | {why} |" for each in equivalent.values() for name, why in each.items()]
    return "\n".join([
        "# Planted faults", "", "Written by `make mutants`.", "",
        "One fault at a time is planted in the package, and the tests of its area must notice.",
        "In the tables each row is made wrong in every column, or left out; the tests know what is right from",
        "`tests/wire`, where it was typed from Amazon's guide.",
        "In the code, comparisons are flipped, numbers are one too high, conditions are negated, statements are left",
        "out, and results are lost.", "",
        "| Where | Noticed | Equivalent | Survived |", "|---|--:|--:|--:|",
        *("| {} | {} | {} | {} |".format(*row) for row in rows),
        "| **All** | {} | {} | {} |".format(*total), "",
        *(["## Not noticed", "", *(f"- `{fault}`" for fault in alive), ""] if alive else []),
        "## Equivalent", "", "Code that is different and does the same, so that no test can notice.", "",
        "| Fault | Why |", "|---|---|", *reasons, "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
