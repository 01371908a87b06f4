"""Three files name the dependencies; they agree, and each entry says why it is there."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
ENVIRONMENT_TEXT = (ROOT / "environment.yml").read_text("utf-8")
ENVIRONMENT = yaml.safe_load(ENVIRONMENT_TEXT)
LOCK_TEXT = (ROOT / "requirements.lock").read_text("utf-8")

# conda-forge's name, where it differs from the one on PyPI: its "playwright" is the Node program.
CONDA_NAMES = {
    "playwright": "playwright-python", "jupyter-client": "jupyter_client", "jupyter-core": "jupyter_core",
}  # fmt: skip
# Conda needs these two said; pip is how it installs this repository.
ONLY_IN_CONDA = {"python", "pip"}

# By the name of a module, what installs it.
INSTALLED_BY = packages_distributions()
# pytest loads the plugin, so it is there; these rooms are for notebooks, and `explained` says what a table needs.
MAY_NEED = {
    "testing": {"pytest"}, "runs": {"workbook", "cluster"}, "stage": {"workbook"}, "workbench": {"workbook"},
    "lessons": {"workbook"}, "client": {"pandas"}, "rehearsal": {"rehearse"},
}  # fmt: skip

DECLARED = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
]
# A locked requirement: name==version, an optional marker, then its hashes on continued lines.
LOCKED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+).*?\\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", re.M
)


def conda_requirements() -> dict[str, Requirement]:
    entries = [Requirement(entry) for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]
    return {entry.name: entry for entry in entries}


def test_conda_and_pyproject_name_the_same_packages_and_bounds() -> None:
    """A bound raised in one file is raised in the other."""
    declared = {CONDA_NAMES.get(entry.name, entry.name): str(entry.specifier) for entry in DECLARED}
    conda = {name: str(entry.specifier) for name, entry in conda_requirements().items() if name not in ONLY_IN_CONDA}
    assert conda == declared


def test_conda_installs_a_python_that_the_project_accepts() -> None:
    """Both files give the same oldest Python."""
    assert str(conda_requirements()["python"].specifier) == PROJECT["requires-python"]


def test_conda_uses_one_channel_and_installs_this_repository() -> None:
    """A mix of channels breaks binary packages; without the last line Binder would lack the package itself."""
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]
    assert ENVIRONMENT["dependencies"][-1] == {"pip": ["-e ."]}


def test_every_entry_for_conda_says_why_it_is_there() -> None:
    """A dependency that nobody can explain should go."""
    entries = [line for line in ENVIRONMENT_TEXT.splitlines() if re.match(r"\s+- [a-z0-9_-]+[><=. ]", line)]
    assert len(entries) == len(ENVIRONMENT["dependencies"])
    assert [line for line in entries if not re.search(r"  # \w", line)] == []


def names_of(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imports_of(path: Path) -> set[str]:
    nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    modules = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"amazonpay_nb"}
    return {canonicalize_name(name) for module in modules for name in INSTALLED_BY.get(module, [module])}


def test_what_the_package_imports_is_declared_for_the_room_that_imports_it() -> None:
    """A module that only comes along with another package may go with its next version, or be in an extra."""
    extras = {name: names_of(lines) for name, lines in PROJECT["optional-dependencies"].items()}
    base, used = names_of(PROJECT["dependencies"]), set()
    for path in (ROOT / "amazonpay_nb").rglob("*.py"):
        room = path.relative_to(ROOT / "amazonpay_nb").parts[0].removesuffix(".py")
        allowed = base.union(*(extras.get(name, {name}) for name in MAY_NEED.get(room, ())))
        assert imports_of(path) <= allowed, path
        used |= imports_of(path)
    assert (base | extras["workbook"]) - used == {"nbval"}, "which is a plugin"


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_the_lock_pins_each_dependency_within_its_bounds(requirement: Requirement) -> None:
    """What make installs is what pyproject.toml asks for."""
    versions = [
        Version(match["version"])
        for match in LOCKED.finditer(LOCK_TEXT)
        if canonicalize_name(match["name"]) == canonicalize_name(requirement.name)
    ]
    assert versions
    assert all(version in requirement.specifier for version in versions)


def test_a_package_whose_private_parts_are_used_stays_at_the_minor_version_that_was_tested() -> None:
    """The next one may have renamed them, and then no server would start."""
    (bound,) = (one.specifier for one in DECLARED if one.name == "uvicorn")
    (locked,) = (Version(one["version"]) for one in LOCKED.finditer(LOCK_TEXT) if one["name"] == "uvicorn")
    others = (f"{locked.major}.{locked.minor + step}.0" for step in (-1, 1))
    assert [version in bound for version in (f"{locked.major}.{locked.minor}.99", *others)] == [True, False, False]


@pytest.mark.parametrize("name", ["requirements.lock", "installer.lock"])
def test_a_lock_gives_hashes_for_everything(name: str) -> None:
    """A package that was replaced on its way here is not installed."""
    text = (ROOT / name).read_text("utf-8")
    pinned = re.findall(r"^[\w.-]+==", text, re.M)
    assert pinned
    assert len(list(LOCKED.finditer(text))) == len(pinned)


def test_what_builds_and_installs_is_locked_too() -> None:
    """Code that runs before the first line of ours is pinned by hash, and nothing is fetched to build the package."""
    locked = {canonicalize_name(match["name"]) for match in LOCKED.finditer(LOCK_TEXT)}
    build = {canonicalize_name(Requirement(line).name) for line in GROUPS["build"]}
    asked = {canonicalize_name(Requirement(line).name) for line in PYPROJECT["build-system"]["requires"]}
    assert asked <= build <= locked
    (installer,) = GROUPS["installer"]
    assert (ROOT / "installer.lock").read_text("utf-8").startswith(installer)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    installs = [line for line in makefile.splitlines() if re.search(r"pip install", line)]
    assert len(installs) == 3
    assert [line for line in installs if not re.search(r"--require-hashes|--no-deps --no-build-isolation", line)] == []


def test_every_locked_package_states_a_license_that_asks_nothing_of_this_one() -> None:
    """`make lock` lists the licenses; a copyleft that spreads to what imports it would stand out here."""
    rows = re.findall(r"^\| ([\w.-]+) \| (.+) \|$", (ROOT / "docs/licenses.md").read_text("utf-8"), re.M)
    licenses = {canonicalize_name(name): text for name, text in rows if name not in ("Package", "---")}
    assert set(licenses) == {canonicalize_name(match["name"]) for match in LOCKED.finditer(LOCK_TEXT)}
    open_licenses = re.compile(r"MIT|BSD|Apache|ISC|Python Software|PSF|MPL|Mozilla")
    # Of docutils, only a mode for an editor is under the GPL, and that is not installed.
    assert "Public Domain, BSD" in licenses.pop("docutils")
    assert {name: text for name, text in licenses.items() if not open_licenses.search(text) or "GPL" in text} == {}


def test_the_lock_names_no_registry() -> None:
    """Where packages come from is the reader's choice."""
    assert "://" not in LOCK_TEXT
    assert not re.search(r"^\s*--(index|extra-index|find-links|trusted-host)", LOCK_TEXT, re.M)
