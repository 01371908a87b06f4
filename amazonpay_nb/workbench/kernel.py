"""The notebook kernel around a workbench: its cells, and what a cell expected and got where an assertion does not hold.

Outside of a kernel there are no cells.
"""

import ast
import builtins
import linecache
import os
import re
import reprlib
from collections.abc import Callable, Sequence
from hashlib import sha256
from types import FrameType
from typing import Any

from amazonpay_nb.emulator.remote import ControlError
from amazonpay_nb.loopback import without_port, without_sockets
from amazonpay_nb.redaction import redact

# Jupyter Server sets the first for its sessions; papermill, nbval and nbconvert start kernels without it.  The other
# names the file that remembers which exercises are solved, one in each line, and ``amazonpay-nb lab`` sets it.
SESSION, PROGRESS = "JPY_SESSION_NAME", "AMAZONPAY_NB_PROGRESS"
# How an operator reads before the value that was expected; `==` needs no word.
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "", ast.NotEq: "not ", ast.Lt: "less than ", ast.LtE: "at most ", ast.Gt: "more than ",
    ast.GtE: "at least ", ast.In: "one of ", ast.NotIn: "none of ", ast.Is: "", ast.IsNot: "not ",
}  # fmt: skip
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200  # characters
# What differs from run to run, apart from ports, and its form: the dates of headers, the fingerprints of new keys.
_CHANGING = (
    (re.compile(r"^((?:x-amz-pay-)?date: ).*", re.MULTILINE), r"\1(the time of the call)"),
    (re.compile(r"(SHA256:)[A-Za-z0-9+/]{43}"), r"\1…"),
)
# The same in a request and its signature: times and hashes, apart from that of nothing.
_EMPTY_HASH = sha256(b"").hexdigest()
SIGNED = (
    (re.compile(r"\b\d{8}T\d{6}Z\b"), "YYYYMMDDThhmmssZ"),
    (re.compile(rf"\b(?!{_EMPTY_HASH})[0-9a-f]{{64}}\b"), "(64 hexadecimal digits)"),
)
_OURS = ("amazonpay_nb", "contextlib")  # modules that an assertion of `claim` or `refused` comes from
_RUN_FIRST = "If a cell above makes {}, it has not run in this kernel: first choose Run > Run All Above Selected Cell."
# One entry for each open workbench in which a person plays the buyer: nobody compares what such a kernel shows.
people: list[None] = []
# Cell -> its latest run, and what closes the things that it opened.
_opened: dict[str, tuple[str, list[Callable[[], object]]]] = {}
_places: set[str] = set()  # where something is shown that can be replaced


def person() -> bool:
    """Return whether somebody sits before this kernel, in a session of JupyterLab that can reach its servers."""
    return bool(os.environ.get(SESSION)) and not without_sockets()


def shell() -> Any:
    """Return the IPython that runs this process, or None."""
    return getattr(builtins, "get_ipython", lambda: None)()


def cells() -> list[str]:
    """Return the sources of the cells that have run, in order."""
    ipython = shell()
    return list(ipython.user_ns["In"]) if ipython else []


def replace(close: Callable[[], object]) -> None:
    """Note what the running cell opens, and close what an earlier run of the same cell opened.

    Jupyter keeps whatever a cell displayed, so nothing else would close it.
    """
    try:
        message = shell().get_parent()
        cell, run = message["metadata"]["cellId"], message["header"]["msg_id"]
    except (AttributeError, KeyError):
        return  # not in a kernel, or its client names no cells
    earlier_run, earlier = _opened.get(cell, (run, []))
    if earlier_run != run:
        for each in earlier:
            each()
        earlier = []
    _opened[cell] = run, [*earlier, close]


def repeatable(text: str, patterns: Sequence[tuple[re.Pattern[str], str]] = _CHANGING) -> str:
    """Return a text as every run would show it, without ports and with forms for patterns, unless a person reads it."""
    for pattern, form in () if people else patterns:
        text = pattern.sub(form, text)
    return text if people else without_port(text)


def display(thing: Any, place: str = "") -> None:
    """Show something in the middle of a cell; at a *place*, a bundle of media types instead of what was there."""
    import IPython.display

    there = {"raw": True, "display_id": place, "update": place in _places} if place else {}
    IPython.display.display(thing, **there)  # type: ignore[no-untyped-call]
    _places.add(place)


def doubt(text: str) -> None:
    """Tell the program that runs this notebook, also where no cell shows it: in a task, for example."""
    if file := os.environ.get("AMAZONPAY_NB_DOUBTS"):
        with open(file, "a", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            lines.write(f"{redact(text)}\n")


def run() -> str:
    """Return the id of the running cell's run; "" outside of a kernel."""
    return str(shell().get_parent()["header"]["msg_id"]) if hasattr(shell(), "get_parent") else ""


def explain_errors(ipython: Any = None) -> None:
    """Let the kernel say what a bare ``assert`` expected and got, show the cell and not our own lines, and what to run.

    It is also an extension of IPython's, which ``amazonpay-nb lab`` loads with each kernel: a cell that runs before any
    other has no workbench yet.
    """

    def explain(ipython: Any, *raised: Any, **options: Any) -> None:
        _, error, trace = raised
        while trace.tb_next:
            if trace.tb_next.tb_frame.f_globals["__name__"].startswith(_OURS):
                trace.tb_next = None  # a reader gets the cell, not our internals
                break
            trace = trace.tb_next
        if isinstance(error, NameError) and trace.tb_frame.f_globals.get("__name__") == "__main__":
            error.add_note(_RUN_FIRST.format(error.name))
        elif not error.args:
            error.args = (comparison(trace.tb_frame),)
        ipython.showtraceback(raised, **options)

    if ipython := ipython or shell():
        ipython.set_custom_exc((AssertionError, ControlError, NameError), explain)


load_ipython_extension = explain_errors


def comparison(frame: FrameType) -> str:
    """Return what the comparison in a cell's assertion or claim, that a frame is at, expected and got; else ""."""
    if frame.f_globals.get("__name__") != "__main__":
        return ""
    source = "".join(linecache.getlines(frame.f_code.co_filename))
    tree = compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assert(test=ast.Compare() as test)
                | ast.Call(func=ast.Attribute(attr="claim"), args=[_, _, ast.Compare() as test, *_])
            ) if len(test.ops) == 1 and node.lineno <= frame.f_lineno <= (node.end_lineno or 0):
                if any(isinstance(part, ast.Await) for part in ast.walk(test)):
                    return ""
                # Evaluated once more: a cell asserts what it has, and asks nobody for it.
                actual, expected = (_value(side, frame) for side in (test.left, test.comparators[0]))
                return f"expected: {_OPERATORS[type(test.ops[0])]}{expected}\nactual: {actual}"
    return ""


def _value(side: ast.expr, frame: FrameType) -> str:
    expression = compile(ast.Expression(side), "cell", "eval")
    value = eval(expression, frame.f_globals, frame.f_locals)  # noqa: S307 (the reader's own code)
    return str(redact(_SHORT.repr(value))).replace("\n", " ")
