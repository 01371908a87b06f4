"""The rules about the code itself: floors, size, the single writer, exports, secrets."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import amazonpay_nb

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "amazonpay_nb"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 350
# What the package consists of, as in the README's map.
ROOMS = {
    "client", "commands", "emulator", "lessons", "rehearsal", "runs", "shop", "signing", "spec", "stage", "workbench",
}  # fmt: skip
BESIDE_THE_ROOMS = {
    "__init__", "__main__", "cli", "connection", "errors", "extras", "in_process", "limits", "loopback", "redaction",
    "temporary", "testing", "texts",
}  # fmt: skip
# A run's progress goes to standard output; a library says nothing there.
MAY_PRINT = {PACKAGE / "runs" / "runner.py"}
# The only function that writes an object's state: everything else asks it for a transition.
STATE_WRITER = ("emulator/rules/transitions.py", "move")
# What bounds the bodies that a server takes, and knows the names that it answers to; `build_app` returns a `Gateway`.
GUARDS = {"Guard", "build_app"}
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
    verdict = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert verdict.returncode == 0, verdict.stdout


def test_circles_are_looked_for_everywhere() -> None:
    """Without its contract, the check above would pass in a package that imports itself in a circle."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    kinds = {contract["type"]: contract for contract in contracts}
    assert kinds["acyclic_siblings"]["ancestors"] == ["amazonpay_nb"]
    assert kinds["layers"]["exhaustive"]


def test_the_rooms_are_the_agreed_ones() -> None:
    """A room or a module beside the rooms is a decision, and goes into `docs/decisions.md`."""
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    beside = {path.stem for path in PACKAGE.glob("*.py")}
    assert rooms == ROOMS
    assert beside - BESIDE_THE_ROOMS == set()


def test_a_module_stays_short() -> None:
    """Small is a feature: a module that outgrows the limit holds two ideas."""
    lengths = {module_id(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_only_one_function_writes_a_state() -> None:
    """State machines leak where a second place sets a state."""
    writers = {
        (module_id(path), function)
        for path in sorted((PACKAGE / "emulator").rglob("*.py"))
        for function in functions_that_write(ast.parse(path.read_text("utf-8")), "statusDetails")
    }
    assert writers == {STATE_WRITER}


def awaits_in_transactions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.With(items=[*items]) if any("transaction(" in ast.unparse(item) for item in items):
                waits = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield)
                if any(isinstance(inner, waits) for statement in node.body for inner in ast.walk(statement)):
                    yield f"{module_id(path)}:{node.lineno}"


def test_nobody_waits_in_a_transaction() -> None:
    """What others do meanwhile would be part of it, and be undone with it although it was answered."""
    assert [place for path in MODULES for place in awaits_in_transactions(path)] == []


def unguarded(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="serve" | "LoopbackServer"), args=[ast.Call(func=ast.Name(id=wraps)), *_]):
                if wraps not in GUARDS:
                    yield f"{module_id(path)}:{node.lineno}"
            case ast.Call(func=ast.Name(id="serve" | "LoopbackServer")):
                yield f"{module_id(path)}:{node.lineno}"


def test_every_server_has_a_guard() -> None:
    """It answers to names of this machine alone, and collects no body without an end."""
    places = [place for path in MODULES if path != PACKAGE / "loopback.py" for place in unguarded(path)]
    assert places == []


def prints(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield f"{module_id(path)}:{node.lineno}"


def test_a_library_module_prints_nothing() -> None:
    """What a library prints, a notebook commits."""
    assert [place for path in MODULES if path not in MAY_PRINT for place in prints(path)] == []


def problems_of_exports(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8")
    if path.name != "__init__.py":
        if "__all__" in text:
            yield f"{module_id(path)}: a module lists no exports; a name without an underscore is public"
        return
    if "import " not in text:
        return  # a package that gathers nothing has nothing to export
    module = importlib.import_module(module_name(path))
    exported = list(getattr(module, "__all__", ["no __all__"]))
    if exported != sorted(set(exported), key=export_order):
        yield f"{module_id(path)}: __all__ is not sorted"
    yield from (f"{module_id(path)}: no {name}" for name in exported if not hasattr(module, name))


def test_exports_are_sorted_and_exist() -> None:
    """A reader finds the public names of a package in its `__all__`, in order; a module's begin with a letter."""
    exporting = [path for path in MODULES if not is_private(path)]
    assert [problem for path in exporting for problem in problems_of_exports(path)] == []


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
