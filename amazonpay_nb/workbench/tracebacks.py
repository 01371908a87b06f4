"""What a reader, and the program that runs a notebook, learn of an error in a cell.

As an extension of IPython's it is in each kernel of `amazonpay-nb run` and `lab` before the first cell, which may have
no workbench yet; so it imports next to nothing.
"""

import ast
import json
import linecache
import os
import reprlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from amazonpay_nb.redaction import redact

# The configuration of a kernel that has this extension, and its place in the folder IPYTHONDIR.
CONFIG, CONFIG_FILE = {"IPKernelApp": {"extensions": [__name__]}}, Path("profile_default", "ipython_kernel_config.json")
# How an operator reads before the value that was expected; `==` needs no word.
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "", ast.NotEq: "not ", ast.Lt: "less than ", ast.LtE: "at most ", ast.Gt: "more than ",
    ast.GtE: "at least ", ast.In: "one of ", ast.NotIn: "none of ", ast.Is: "", ast.IsNot: "not ",
}  # fmt: skip
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200  # characters
# What can be evaluated once more, since it calls, awaits and takes nothing.
_READ = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Set, ast.Dict,
    ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.expr_context, ast.unaryop, ast.boolop,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot,
)  # fmt: skip
_OURS = ("amazonpay_nb", "contextlib")  # modules that an assertion of `claim` or `refused` comes from
_RUN_FIRST = "If a cell above makes {}, it has not run in this kernel: first choose Run > Run All Above Selected Cell."
_MOST_OF_GROUP = 5  # errors of a group that are shown


@cache  # a loop notes the same once
def note(name: str, text: str, ok: bool) -> None:
    """Tell the program that runs this notebook of a claim, also where no cell shows it: in a task, for example."""
    if file := _notes():
        # What holds also holds where there is no room to note it.
        with suppress(OSError), Path(file).open("a", encoding="utf-8", errors="replace") as lines:
            lines.write(f"{json.dumps(redact({'id': name, 'text': text, 'ok': ok}), ensure_ascii=False)}\n")


@cache  # a cell may empty its environment later
def _notes() -> str:
    return os.environ.get("AMAZONPAY_NB_NOTES", "")


def load_ipython_extension(ipython: Any) -> None:
    """Let a kernel say what a bare ``assert`` expected and got, show the cell and not our own lines, and what to run.

    A group of errors shows as what is in it: IPython prints it, and tells nobody that the cell has failed.
    """
    _notes()
    ipython._last_traceback = None  # ipykernel answers no cell that fails without one, where the first cell awaits
    show = type(ipython).showtraceback

    def explain(raised: Any = None, *arguments: Any, **options: Any) -> None:
        _, error, trace = raised = raised or sys.exc_info()
        parts = list(_parts(error, trace, options.get("tb_offset")))[:_MOST_OF_GROUP]
        for part, its_trace, _ in parts:
            with suppress(Exception):
                _explain(part, its_trace)
        if not _is_grouped(error):
            show(ipython, raised, *arguments, **options)
            return
        lines = [f"{type(error).__name__}: {error}"]
        for part, its_trace, offset in parts:
            lines += ipython.InteractiveTB.structured_traceback(type(part), part, its_trace, tb_offset=offset)
        ipython._showtraceback(type(parts[0][0]), parts[0][0], lines)

    ipython.showtraceback = explain
    ipython.InteractiveTB.get_records = partial(_records, ipython.InteractiveTB)


def _records(tracebacks: Any, trace: Any, *arguments: Any) -> Any:
    """Return the frames that IPython shows, each with the line where the error arose, not where the frame was last."""
    records = type(tracebacks).get_records(tracebacks, trace, *arguments)
    for record in records:
        if record.description == "Raw frame" and record.lineno == record.frame.f_lineno:
            while trace.tb_frame is not record.frame:
                trace = trace.tb_next
            record.lineno, trace = trace.tb_lineno, trace.tb_next
    return records


def _is_grouped(error: BaseException | None) -> bool:
    # Also where a group led to an error: IPython prints both.
    return error is not None and (isinstance(error, BaseExceptionGroup) or _is_grouped(error.__context__))


def _parts(error: Any, trace: Any, offset: int | None) -> Iterator[tuple[Any, TracebackType, int | None]]:
    """Yield the errors of a group, each with its traceback and how many lines of it are the kernel's own."""
    if not isinstance(error, BaseExceptionGroup):
        yield error, trace, offset
        return
    for part in error.exceptions:
        yield from _parts(part, *((part.__traceback__, 0) if part.__traceback__ else (trace, offset)))


def _explain(error: BaseException, trace: TracebackType) -> None:
    # By its name, since the module of the last one takes half a second to import.
    if not isinstance(error, AssertionError | NameError) and type(error).__name__ != "ControlError":
        return
    while trace.tb_next:
        if str(trace.tb_next.tb_frame.f_globals.get("__name__")).startswith(_OURS):
            trace.tb_next = None  # a reader gets the cell, not our internals
            break
        trace = trace.tb_next
    if isinstance(error, NameError) and trace.tb_frame.f_globals.get("__name__") == "__main__":
        error.add_note(_RUN_FIRST.format(error.name))
    elif not error.args and trace.tb_lasti == trace.tb_frame.f_lasti:  # else a `finally` may have changed its values
        error.args = (comparison(trace.tb_frame),)


def comparison(frame: FrameType) -> str:
    """Return what the comparison in a cell's assertion or claim, that a frame is at, expected and got.

    Its values are read once more; it is "" where that would do something once more, or where it holds this time.
    """
    if frame.f_globals.get("__name__") != "__main__":
        return ""
    with suppress(Exception):  # an attribute that is computed, for example, may fail this time
        source = "".join(linecache.getlines(frame.f_code.co_filename))
        tree = compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        place: Any = list(frame.f_code.co_positions())[frame.f_lasti // 2]
        line, end_line, column, end_column = place
        *_, node = (
            node for node in ast.walk(tree) if isinstance(node, ast.Assert | ast.Call)
            and (node.lineno, node.col_offset) <= (line, column)
            and (end_line, end_column) <= (node.end_lineno, node.end_col_offset)
        )  # fmt: skip
        match [node.test] if isinstance(node, ast.Assert) else claimed(node)[2:]:
            case [ast.Compare(ops=[operator]) as test, *_]:
                sides = (test.left, test.comparators[0])
                readable = all(isinstance(part, _READ) for side in sides for part in ast.walk(side))
                if not readable or (isinstance(operator, _READ) and _read(test, frame)):
                    return ""
                names = [_name(side) for side in sides]  # by which one value is secret, and so the other
                actual, expected = (_value(side, frame, names) for side in sides)
                return f"expected: {_OPERATORS[type(operator)]}{expected}\nactual: {actual}"
    return ""


def claimed(node: ast.AST) -> list[ast.expr]:
    """Return the name, the text and the value that a call of `claim` is written with, in this order; else nothing."""
    match node:
        case ast.Call(func=ast.Attribute(attr="claim"), args=values, keywords=keywords):
            words = {word.arg: word.value for word in keywords}
            return values + [words[name] for name in ("name", "text", "ok")[len(values) :] if name in words]
    return []


def _name(side: ast.expr) -> str:
    match side:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


def _value(side: ast.expr, frame: FrameType, names: list[str]) -> str:
    value = _read(side, frame)
    for name in names:
        if redact(".", name) != ".":
            value = redact(value, name)
    return str(redact(_SHORT.repr(value))).replace("\n", " ")


def _read(node: ast.expr, frame: FrameType) -> Any:
    expression = compile(ast.Expression(node), "cell", "eval")
    return eval(expression, frame.f_globals, frame.f_locals)  # noqa: S307 (the reader's own code)
