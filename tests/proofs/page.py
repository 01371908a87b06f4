"""Write docs/proofs.md from the folder with a run's results: ``python -m tests.proofs.page RESULTS PAGE.md``."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.proofs.sizes import EDITION

HEAD = """\
# What the proofs found

<!-- Written by `make proofs`. -->

In the last run, of the {edition} edition, {passed:,} tests passed and {skipped} were skipped.
Where a number depends on the machine, the page gives a bound that was met, or a ratio.
`make test` runs the same tests with less work each.

Test | What it proves | Work | Result
--- | --- | --- | ---
"""


def rows(cases: list[ET.Element]) -> Iterator[tuple[str, ...]]:
    """Yield for each file its name, its first sentence, and what its tests say of their work and results."""
    by_file: dict[str, list[ET.Element]] = defaultdict(list)
    for case in cases:
        by_file[_file(case)].append(case)
    for name in sorted(by_file, key=lambda name: (not name.startswith("tests/proofs"), name)):
        said = {(_property(case, "work"), _property(case, "result")) for case in by_file[name]}
        tests = "1 test" if len(by_file[name]) == 1 else f"{len(by_file[name])} tests"
        for work, result in sorted(said - {("", "")}) or [(tests, "passed")]:
            yield f"`{name}`", _promise(name), work, result


def _file(case: ET.Element) -> str:
    """Return the file of a test; a class comes after the module."""
    parts = case.get("classname", "").split(".")
    module = next(number for number, part in enumerate(parts) if part.startswith("test_"))
    return "/".join(parts[: module + 1]) + ".py"


def _property(case: ET.Element, name: str) -> str:
    found = case.find(f"properties/property[@name='{name}']")
    return found.get("value", "") if found is not None else ""


def _promise(name: str) -> str:
    """Return the first paragraph of a file's docstring in one line."""
    text = ast.get_docstring(ast.parse(Path(name).read_text("utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def main(results: str, page: str) -> None:
    trees = [ET.parse(file) for file in sorted(Path(results).glob("*.xml"))]  # noqa: S314 (our own files)
    tests = [case for tree in trees for case in tree.iter("testcase")]
    # A test of an attack may be in one of the files as well.
    cases = list({(case.get("classname"), case.get("name")): case for case in tests}.values())
    ran = [case for case in cases if case.find("skipped") is None]
    head = HEAD.format(edition=EDITION, passed=len(ran), skipped=len(cases) - len(ran))
    Path(page).write_text(head + "".join(f"{' | '.join(row)}\n" for row in rows(ran)), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
