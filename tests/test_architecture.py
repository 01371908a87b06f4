"""The rules about the code itself: floors, size, the single writer, exports, secrets."""

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import amazonpay_nb

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "amazonpay_nb"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 350
# A command's answer and a run's progress go to standard output; a library says nothing there.
MAY_PRINT = {PACKAGE / "cli.py", PACKAGE / "runs" / "runner.py"}
# The only function that writes an object's state: everything else asks it for a transition.
STATE_WRITER = ("emulator/rules/transitions.py", "move")
# Made or downloaded, not part of the repository.
NOT_OURS = {
    ".cache",
    ".git",
    ".hypothesis",
    ".mypy_cache",
    ".ruff_cache",
    ".venv",
    "node_modules",
    "out",
    "__pycache__",
}
# The header alone is a fact that redaction must know; with a body it is a key.
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(\s|\\n)+[A-Za-z0-9+/]{40}")


def module_id(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_private(path: Path) -> bool:
    return path.stem.startswith("_") and path.stem != "__init__"


def export_order(name: str) -> tuple[int, str]:
    """Order as ruff does: constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def writes(node: ast.AST, key: str) -> bool:
    """Is this an assignment to ``anything[key]`` or below it, or a dictionary that brings a value for *key*?"""
    match node:
        case ast.Subscript(ctx=ast.Store() | ast.Del()):
            return f"['{key}']" in ast.unparse(node)
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            return any(
                name and ast.unparse(name) == f"'{key}'" and ast.unparse(value) != "None" for name, value in pairs
            )
    return False


def functions_that_write(tree: ast.Module, key: str) -> Iterator[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for line in [getattr(node, "lineno", 0) for node in ast.walk(tree) if writes(node, key)]:
        around = [function.name for function in functions if function.lineno <= line <= (function.end_lineno or 0)]
        yield around[-1] if around else "<module>"


def files_of_the_repository() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        yield from (Path(folder, name) for name in names)


def test_imports_point_down() -> None:
    """The floors, the strangers and the emulator's own refusals hold."""
    # In a process of its own, since it switches off the loggers of the one that it is in.
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_stays_short(path: Path) -> None:
    """Small is a feature: a module that outgrows the limit holds two ideas."""
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE


def test_only_one_function_writes_a_state() -> None:
    """State machines leak where a second place sets a state."""
    writers = {
        (module_id(path), function)
        for path in sorted((PACKAGE / "emulator").rglob("*.py"))
        for function in functions_that_write(ast.parse(path.read_text("utf-8")), "statusDetails")
    }
    assert writers == {STATE_WRITER}


@pytest.mark.parametrize("path", [path for path in MODULES if path not in MAY_PRINT], ids=module_id)
def test_a_library_module_prints_nothing(path: Path) -> None:
    """What a library prints, a notebook commits."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


@pytest.mark.parametrize("path", [path for path in MODULES if not is_private(path)], ids=module_id)
def test_exports_are_sorted_and_exist(path: Path) -> None:
    """A reader finds the public names of a module in its `__all__`, in order."""
    if path.name == "__init__.py" and not path.read_text("utf-8").count("import "):
        return  # a package that gathers nothing has nothing to export
    module = importlib.import_module(module_name(path))
    exported = list(module.__all__)
    assert exported == sorted(set(exported), key=export_order)
    assert [name for name in exported if not hasattr(module, name)] == []


def test_no_module_is_called_utils() -> None:
    """A module is named after what it holds."""
    assert not [path for path in MODULES if path.stem in {"base", "common", "helpers", "misc", "util", "utils"}]


def test_the_tested_package_is_this_one() -> None:
    """An installed copy would make every rule here pass for the wrong code."""
    assert Path(amazonpay_nb.__file__).parent == PACKAGE


def test_no_private_key_is_committed() -> None:
    """Keys are made when they are needed; fixture keys live among the tests."""
    outside = [path for path in files_of_the_repository() if ROOT / "tests" not in path.parents]
    assert outside
    assert [path for path in outside if PRIVATE_KEY.search(path.read_bytes())] == []
