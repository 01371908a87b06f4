"""What a cell expected and what it got, where an assertion or a claim does not hold."""

import ast
import linecache
import reprlib
from types import FrameType, TracebackType
from typing import Any

from amazonpay_nb.redaction import redact

# How an operator reads before the value that was expected; `==` needs no word.
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "", ast.NotEq: "not ", ast.Lt: "less than ", ast.LtE: "at most ", ast.Gt: "more than ",
    ast.GtE: "at least ", ast.In: "one of ", ast.NotIn: "none of ", ast.Is: "", ast.IsNot: "not ",
}  # fmt: skip
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200  # characters


def comparison(frame: FrameType) -> str:
    """Return, in two lines, what the assertion or claim that a frame is at expected and got.

    Returns:
        ``expected: …`` and ``actual: …``; "" where it compares nothing.
    """
    source = "".join(linecache.getlines(frame.f_code.co_filename))
    tree = compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        test = _test(node)
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and _is_at(node, frame.f_lineno):
            # Evaluated once more: a cell asserts what it has, and asks nobody for it.
            actual, expected = (_value(side, frame) for side in (test.left, test.comparators[0]))
            return f"expected: {_OPERATORS[type(test.ops[0])]}{expected}\nactual: {actual}"
    return ""


def _test(node: ast.AST) -> ast.expr | None:
    match node:
        case ast.Assert(test=test):
            return test
        case ast.Call(func=ast.Attribute(attr="claim"), args=[_, _, test, *_]):
            return test
    return None


def _is_at(node: Any, line: int) -> bool:
    return bool(node.lineno <= line <= node.end_lineno)


def _value(side: ast.expr, frame: FrameType) -> str:
    expression = compile(ast.Expression(side), "cell", "eval")
    value = eval(expression, frame.f_globals, frame.f_locals)  # noqa: S307 (the reader's own code)
    return str(redact(_SHORT.repr(value))).replace("\n", " ")


def explain_assertions(shell: Any) -> None:
    """Let a kernel say what a bare ``assert`` expected and got."""

    def explain(
        shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
    ) -> None:
        last = trace
        while last.tb_next:
            last = last.tb_next
        if not error.args:
            error.args = (comparison(last.tb_frame),)
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    shell.set_custom_exc((AssertionError,), explain)
