"""Runs tests in a process of their own, with one fault planted or with a note of which test runs which line."""

import ast
import builtins
import os
import re
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from tests.mutants.faults import ROOT, Fault

# Which tests run a line of a module, the quickest first.
Lines = dict[str, dict[int, list[str]]]
QUIET = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-W", "ignore"]
# A test takes two seconds at most; a fault that lets one wait forever costs this many.
SECONDS_OF_A_TEST, SECONDS_TO_COLLECT, SECONDS_TO_WATCH = 25, 60, 900
SURVIVED, KILLED = 0, 1
# What a process that begins as a copy of this one has imported already, and what of it stays, by the fault's room: the
# rooms below, in which there is no fault.
PRELOADED = ("amazonpay_nb.client", "hypothesis", "jinja2", "starlette.routing", "trustme", "uvicorn")
_BASE = ("spec", "errors", "texts", "loopback")
STAYS: dict[str, tuple[str, ...]] = {"spec": (), "signing": _BASE, "emulator": (*_BASE, "signing", "client")}


def _fork(work: Callable[[], int], seconds: int) -> int:
    """Do *work* in a copy of this process, without a word, and return the process's id."""
    if child := os.fork():
        return child
    code = KILLED
    try:
        os.setsid()
        signal.alarm(seconds)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        code = work()
    finally:
        os._exit(code)


def _plant(fault: Fault) -> None:
    """Let the next import of the fault's room, and of those above it, find the fault in its module."""
    stays = tuple(f"amazonpay_nb.{room}" for room in STAYS[fault.module.split(".")[1]])
    for name in [name for name in sys.modules if name.partition(".")[0] == "amazonpay_nb"]:
        if not name.startswith(stays):
            del sys.modules[name]
    usual = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if fullname != fault.module:
            return usual(self, fullname)
        tree = ast.parse(Path(self.path).read_text("utf-8"))
        if not fault.name:
            return compile(fault.change(tree), self.path, "exec")
        # The table is wrong before anything is made of it.
        targets = [ast.unparse(each).partition(" =")[0] for each in tree.body]
        index = next(i for i, text in enumerate(targets) if re.fullmatch(rf"(.*, )?{fault.name}\b[^.(]*", text))
        tree.body.insert(index + 1, ast.parse(f"{fault.name} = planted({fault.name})").body[0])
        builtins.planted = fault.change  # type: ignore[attr-defined]
        return compile(tree, self.path, "exec")

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


class _Noticer:
    """A plugin of pytest that writes down which test has failed, and ends the process where one takes too long."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        signal.alarm(SECONDS_OF_A_TEST)
        return (yield)  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._file.write_text(report.nodeid)


def run(fault: Fault, stages: Sequence[Sequence[str]], folder: Path) -> int:
    """Begin to run tests against a fault, stage by stage until one fails; return the process's id.

    The test that fails is written into *folder*, in a file of the id's name.
    """

    def work() -> int:
        _plant(fault)
        noticer = _Noticer(folder / str(os.getpid()))
        passed = (pytest.main([*QUIET, *tests], plugins=[noticer]) == 0 for tests in stages if tests)
        return SURVIVED if all(passed) else KILLED

    return _fork(work, SECONDS_TO_COLLECT)


_TOOL, _LINE = sys.monitoring.COVERAGE_ID, sys.monitoring.events.LINE


class _Watcher:
    """A plugin of pytest that notes the lines of some modules which each test runs, in whatever thread."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.files = {str((ROOT / module.replace(".", "/")).with_suffix(".py")): module for module in modules}
        self.lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.seconds: dict[str, float] = {}
        self._test = ""

    def line(self, code: CodeType, number: int) -> Any:
        if self._test and code.co_filename in self.files:
            self.lines[self.files[code.co_filename]][number].add(self._test)
        return sys.monitoring.DISABLE

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._test, began = item.nodeid, time.perf_counter()
        sys.monitoring.restart_events()
        result = yield
        self.seconds[item.nodeid] = time.perf_counter() - began
        self._test = ""
        return result  # type: ignore[return-value]

    def result(self) -> Lines:
        lines = {module: each.items() for module, each in self.lines.items()}
        return {module: {number: sorted(names, key=self.seconds.__getitem__) for number, names in each}
                for module, each in lines.items()}  # fmt: skip


def watch(modules: Sequence[str], tests: Sequence[str]) -> Lines:
    """Run the tests without a fault and return which of them run which line; they must pass."""
    source, sink = os.pipe()

    def work() -> int:
        watcher = _Watcher(modules)
        sys.monitoring.use_tool_id(_TOOL, "mutants")
        sys.monitoring.register_callback(_TOOL, _LINE, watcher.line)
        sys.monitoring.set_events(_TOOL, _LINE)
        code = int(pytest.main([*QUIET, *tests], plugins=[watcher]))
        with os.fdopen(sink, "w") as result:
            result.write(repr(watcher.result()))
        return code

    child = _fork(work, SECONDS_TO_WATCH)
    os.close(sink)
    with os.fdopen(source) as result:
        lines: Lines = ast.literal_eval(result.read() or "{}")
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"the tests fail without any fault: {' '.join(tests)}")
    return lines
