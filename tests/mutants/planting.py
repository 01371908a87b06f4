"""Runs tests with one fault planted: in a process of its own, which plants it while the package is imported."""

import ast
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

from tests.mutants.faults import ROOT, Fault

__all__ = ["Lines", "preload", "run", "watch"]

# Which tests run a line of a module, the quickest first.
Lines = dict[str, dict[int, list[str]]]
QUIET = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "--tb=no", "-W", "ignore"]
SECONDS, SECONDS_TO_WATCH = 120, 900
SURVIVED, KILLED = 0, 1


def preload() -> None:
    """Import what every run needs and no fault is in, so that a process which begins as a copy has it already."""
    import httpx  # noqa: F401
    import hypothesis  # noqa: F401
    import jinja2  # noqa: F401
    import pydantic  # noqa: F401
    import starlette.routing  # noqa: F401
    import uvicorn  # noqa: F401
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: F401


class Finder(importlib.abc.MetaPathFinder):
    """Lets some modules of the package be loaded in another way."""

    def __init__(self, load: Callable[[str, Path, ModuleType], None], modules: Sequence[str]) -> None:
        self.load, self.modules = load, modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module with another loader."""
        if name not in self.modules:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.origin:
            spec.loader = _Loader(self.load, name, spec.origin)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, load: Callable[[str, Path, ModuleType], None], name: str, path: str) -> None:
        super().__init__(name, path)
        self._load = load

    def exec_module(self, module: ModuleType) -> None:
        self._load(module.__name__, Path(self.path), module)


def _with_fault(fault: Fault) -> Callable[[str, Path, ModuleType], None]:
    def load(name: str, path: Path, module: ModuleType) -> None:
        tree = ast.parse(path.read_text("utf-8"))
        if not fault.name:
            exec(compile(fault.change(tree), str(path), "exec"), module.__dict__)  # noqa: S102 (our own source)
            return
        planted = False
        for statement in tree.body:  # the table is wrong before anything is derived from it
            exec(compile(ast.Module([statement], []), str(path), "exec"), module.__dict__)  # noqa: S102
            if not planted and fault.name in module.__dict__:
                module.__dict__[fault.name] = fault.change(module.__dict__[fault.name])
                planted = True

    return load


def _fork(work: Callable[[], int], seconds: int = SECONDS) -> int:
    """Do *work* in a copy of this process, without a word, and return the process's id."""
    if child := os.fork():
        return child
    code = KILLED
    try:
        os.setsid()
        signal.alarm(seconds)
        silence = os.open(os.devnull, os.O_RDWR)
        if not os.environ.get("AMAZONPAY_NB_MUTANTS_LOUD"):
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
        code = work()
    finally:
        os._exit(code)


def run(fault: Fault, stages: Sequence[Sequence[str]]) -> int:
    """Begin to run tests against a fault, stage by stage until one fails; return the process's id."""

    def work() -> int:
        sys.meta_path.insert(0, Finder(_with_fault(fault), [fault.module]))
        return SURVIVED if all(pytest.main([*QUIET, *tests]) == 0 for tests in stages if tests) else KILLED

    return _fork(work)


# ---- Which test runs which line --------------------------------------------------------------------------------------

_TOOL = sys.monitoring.COVERAGE_ID


class _Watcher:
    """A plugin of pytest that notes the lines of some modules which each test runs, in whatever thread."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self._test = ""

    def load(self, name: str, path: Path, module: ModuleType) -> None:
        code = compile(path.read_text("utf-8"), str(path), "exec")
        for each in _codes(code):
            sys.monitoring.set_local_events(_TOOL, each, sys.monitoring.events.LINE)
        exec(code, module.__dict__)  # noqa: S102 (our own source)

    def line(self, code: CodeType, number: int) -> Any:
        self.lines[code.co_filename, number].add(self._test)
        return sys.monitoring.DISABLE

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._test, began = item.nodeid, time.perf_counter()
        sys.monitoring.restart_events()
        result = yield
        self.seconds[item.nodeid] = time.perf_counter() - began
        self._test = ""
        return result  # type: ignore[return-value]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def watch(modules: Sequence[str], tests: Sequence[str]) -> Lines:
    """Run the tests without a fault and return which of them run which line; they must pass."""
    with tempfile.NamedTemporaryFile("w+", suffix=".json") as result:

        def work() -> int:
            watcher = _Watcher()
            sys.monitoring.use_tool_id(_TOOL, "mutants")
            sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, watcher.line)
            sys.meta_path.insert(0, Finder(watcher.load, modules))
            code = int(pytest.main([*QUIET, *tests], plugins=[watcher]))
            lines: Lines = defaultdict(dict)
            for (file, number), names in watcher.lines.items():
                module = ".".join(Path(file).relative_to(ROOT).with_suffix("").parts)
                known = [name for name in names if name]
                lines[module][number] = sorted(known, key=lambda name: watcher.seconds.get(name, 0))
            result.write(json.dumps(lines))
            result.flush()
            return code

        _, status = os.waitpid(_fork(work, SECONDS_TO_WATCH), 0)
        if status:
            raise SystemExit(f"the tests fail without any fault: {' '.join(tests)}")
        result.seek(0)
        lines = json.loads(result.read())
    return {module: {int(number): names for number, names in each.items()} for module, each in lines.items()}
