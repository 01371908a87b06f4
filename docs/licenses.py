"""Write docs/licenses.md: the license of every locked package, as the package itself states it.

A package that is only for another system or Python keeps the row that it has.
"""

import re
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/licenses.md"
HEAD = """# Licenses of the locked packages

<!-- Written by `make lock` from the metadata of the packages in requirements.lock. -->

None of them is part of this repository; `make` installs them.

| Package | License |
| --- | --- |
"""
LOCKED = re.compile(r"^([\w.-]+)==", re.M)
UNSEEN = "not installed where this page was written"
ROW = re.compile(r"^\| ([\w.-]+) \| (.+) \|$", re.M)


def main() -> None:
    """Write the page."""
    rows = dict(ROW.findall(PAGE.read_text("utf-8"))) if PAGE.exists() else {}
    names = dict.fromkeys(LOCKED.findall((ROOT / "requirements.lock").read_text("utf-8")))
    PAGE.write_text(
        HEAD + "".join(f"| {name} | {license_of(name) or rows.get(name, UNSEEN)} |\n" for name in names), "utf-8"
    )


def license_of(name: str) -> str:
    """Return the license of an installed package, "" where it is not installed."""
    try:
        return stated(metadata(name))
    except PackageNotFoundError:
        return ""


def stated(package: PackageMetadata) -> str:
    """Return a license as an expression, a classifier or a short text."""
    classifiers = [
        line.split(" :: ")[-1] for line in package.get_all("Classifier", ()) if line.startswith("License ::")
    ]
    text = (package.get("License") or "").strip().partition("\n")[0]
    return package.get("License-Expression") or ", ".join(classifiers) or text or "not stated"


if __name__ == "__main__":
    main()
