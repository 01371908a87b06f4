"""Plants one fault after another, runs the tests of its area against it, and writes what survived.

``make mutants`` runs it all; ``make mutants ARGS='--area signing'`` one area, and ``--only TEXT`` what holds a text.
The page of results is docs/mutants.md, written by a whole run.  A fault that survives makes it end with 1.
"""

import os
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import click

from tests.mutants.faults import ROOT, Fault, of_code, of_tables
from tests.mutants.planting import Lines, preload, run, watch

PAGE = ROOT / "docs/mutants.md"
AT_ONCE = 2
# One in so many faults is planted, always the same ones, so that all of it takes a quarter of an hour.
SAMPLE = {"rules": 2}
SPEC = "tests/unit/spec/test_golden.py"
GOLDEN = ("tests/contract/test_golden_states.py", "tests/contract/test_golden_money.py")
# The tests of each area.  In a table, the first files are enough to notice; the others show it over HTTP.
TABLES = dict.fromkeys(
    ("states", "timers", "counting", "limits", "allowances", "quotas", "simulations", "reasons"), (SPEC, *GOLDEN)
)
# Folder, modules ("" for all of them) and tests.
CODE = {
    "signing": ("signing", "", ("tests/unit/signing", "tests/contract/test_signature_steps.py")),
    "money": ("spec", "money", ("tests/unit/spec",)),
    "rules": ("emulator/rules", "", (
        "tests/unit/spec/test_states.py", *GOLDEN, "tests/contract/test_charge_permissions.py",
        "tests/contract/test_charges_and_refunds.py", "tests/contract/test_checkout_sessions.py",
        "tests/contract/test_hosted_pages.py", "tests/contract/test_mobile.py", "tests/contract/test_sign_in.py",
        "tests/contract/test_delivery.py", "tests/contract/test_notifications.py",
    )),
}  # fmt: skip
TITLES = {
    "states": "Rows of the state table", "timers": "Timers", "counting": "What an amount counts for",
    "limits": "Limits, ceilings, decimals", "allowances": "Allowances and counts", "quotas": "Quotas",
    "simulations": "Simulated outcomes and cards", "reasons": "Reason codes of each operation",
    "signing": "Code of `signing/`", "money": "Code of `spec/money.py`", "rules": "Code of `emulator/rules/`",
}  # fmt: skip


@dataclass(slots=True)
class Count:
    """What became of the faults of an area."""

    planted: int = 0
    killed: int = 0
    equivalent: int = 0


def modules_of(area: str) -> list[str]:
    """Return the modules of an area of code, dotted."""
    folder, module, _ = CODE[area]
    paths = sorted((ROOT / "amazonpay_nb" / folder).glob(f"{module or '*'}.py"))
    names = [path.relative_to(ROOT).with_suffix("").parts for path in paths if path.stem != "__init__"]
    return [".".join(parts) for parts in names]


def faults_of(areas: Sequence[str], *, every: bool) -> Iterator[Fault]:
    """Yield the faults of some areas: all of them, or the sample."""
    tables = of_tables() if set(areas) & TABLES.keys() else iter(())
    yield from (fault for fault in tables if fault.area in areas)
    for area in CODE:
        if area in areas:
            share = 1 if every else SAMPLE.get(area, 1)
            faults = (fault for module in modules_of(area) for fault in of_code(area, module))
            yield from (fault for fault in faults if crc32(fault.id.encode()) % share == 0)


def stages(fault: Fault, lines: Lines) -> Iterator[list[str]]:
    """Yield the tests to run, a stage after the other: few and quick ones first."""
    if fault.area in TABLES:
        yield from ([file] for file in TABLES[fault.area])
        return
    _, _, tests = CODE[fault.area]
    names = lines.get(fault.module, {}).get(fault.line, [])
    if not names:  # it runs when the module is imported
        yield from ([test] for test in tests)
        return
    by_file: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_file[name.partition("::")[0]].append(name)
    files = sorted(by_file.values(), key=lambda names: ("golden" in names[0], len(names)), reverse=True)
    yield from (file[:20] for file in files[:3])
    yield [name for index, file in enumerate(files) for name in (file[20:] if index < 3 else file)]


def survivors(faults: Sequence[Fault], lines: Lines) -> Iterator[tuple[Fault, bool]]:
    """Run the tests against each fault, two at a time, and yield whether it survived."""
    running: dict[int, Fault] = {}
    waiting = list(faults)[::-1]
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            fault = waiting.pop()
            running[run(fault, list(stages(fault, lines)))] = fault
        child, status = os.wait()
        yield running.pop(child), status == 0


def forget_the_package() -> None:
    """Let each copy of this process import the package itself."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "amazonpay_nb"]:
        del sys.modules[name]


@click.command(help=__doc__)
@click.option("--area", "areas", multiple=True, type=click.Choice(list(TITLES)), help="Only this area; repeatable.")
@click.option("--only", default="", help="Only faults whose id holds this text.")
@click.option("--all", "every", is_flag=True, help="Plant every fault of the code, not a sample.")
def main(areas: tuple[str, ...], only: str, every: bool) -> None:
    """See the module."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    began, chosen = time.monotonic(), areas or tuple(TITLES)
    equivalent = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text("utf-8"))
    faults = [fault for fault in faults_of(chosen, every=every or bool(only)) if only in fault.id]
    forget_the_package()
    preload()
    lines: Lines = {}
    for area in CODE:
        if area in chosen:
            lines |= watch(modules_of(area), CODE[area][2])
    counts = {area: Count() for area in chosen}
    alive = []
    for number, (fault, survived) in enumerate(survivors(faults, lines), 1):
        count = counts[fault.area]
        count.planted += 1
        if survived and fault.id in equivalent.get(fault.area, {}):
            count.equivalent += 1
        elif survived:
            alive.append(fault)
            click.echo(f"survived: {fault.area}: {fault.id} (line {fault.line})")
        else:
            count.killed += 1
        if number % 100 == 0:
            click.echo(f"{number} of {len(faults)} after {time.monotonic() - began:.0f} s")
    for area, count in counts.items():
        click.echo(f"{area}: {count.planted} planted, {count.killed} killed, {count.equivalent} equivalent")
    if not areas and not only:
        PAGE.write_text(written(counts, equivalent, alive), "utf-8")
    raise SystemExit(bool(alive))


def written(counts: dict[str, Count], equivalent: dict[str, dict[str, str]], alive: Sequence[Fault]) -> str:
    """Return the page of results."""
    rows = [f"| {TITLES[area]} | {c.planted} | {c.killed} | {c.equivalent} |" for area, c in counts.items()]
    total = [sum(getattr(c, name) for c in counts.values()) for name in ("planted", "killed", "equivalent")]
    reasons = [f"| `{name}` | {why} |" for each in equivalent.values() for name, why in each.items()]
    return "\n".join([
        "# Planted faults", "", "Written by `make mutants`.", "",
        "One fault at a time is planted in the package, and the tests of its area must notice.",
        "In the tables each row is made wrong in every column, or left out; the tests know what is right from",
        "`tests/wire`, where it was typed from Amazon's guide.",
        "In the code, comparisons are flipped, numbers are one too high, conditions are negated, statements are left",
        "out, and results are lost.", *(
            f"{TITLES[area]}: one fault in {share} is planted, always the same ones; `ARGS=--all` plants all."
            for area, share in SAMPLE.items()
        ), "",
        "| Where | Planted | Noticed | Equivalent |", "|---|--:|--:|--:|", *rows,
        f"| **All** | {total[0]} | {total[1]} | {total[2]} |", "",
        *(["## Not noticed", "", *(f"- `{fault.id}`" for fault in alive), ""] if alive else []),
        "## Equivalent", "", "Code that is different and does the same, so that no test can notice.", "",
        "| Fault | Why |", "|---|---|", *reasons, "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
