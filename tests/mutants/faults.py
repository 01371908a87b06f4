"""The faults: wrong rows of the tables, and wrong operators, constants and statements of the code."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        area: What the page of results counts it under.
        id: Names it in `equivalent.toml` and on the page; the text of the code rather than its line, so that it stays.
        module: Where it is planted, dotted.
        change: Returns the wrong syntax tree of the module or, for a table, the wrong table.
        line: Where in its code, 0 for a table.
        name: The table that is replaced as soon as it is bound, "" for code.
    """

    area: str
    id: str
    module: str
    change: Callable[[Any], Any]
    line: int = 0
    name: str = ""


# Area, module and name of each table, and the fields that are made wrong in its rows: none where a row is a value.
TABLES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    *(("states", "states", name, ("target", "reason", "actor", "then"))
      for name in ("CHECKOUT_SESSION", "CHARGE_PERMISSION", "CHARGE", "REFUND")),
    ("timers", "states", "TIMERS", ("after",)),
    *(("timers", "states", name, ()) for name in ("ONE_TIME_LIFETIME", "LONG_LIFETIME_MONTHS")),
    ("counting", "money", "COUNTING", ("column", "month", "amount")),
    *(("limits", "money", name, ()) for name in ("MONTHLY_LIMITS", "RECURRING_MONTHLY_LIMITS", "CHARGE_CEILINGS",
                                                 "REFUND_CEILINGS", "CURRENCY_DECIMALS")),
    *(("allowances", "money", name, ()) for name in ("REFUND_EXTRAS", "REFUND_SHARE", "MAX_REFUNDS_ON_A_CHARGE",
                                                     "_OVERCHARGE_SHARE")),
    ("quotas", "operations", "OPERATIONS", ("quota",)),
    ("simulations", "simulations", "SIMULATIONS", ("status", "reason_code", "state", "later_state", "later_reason",
                                                  "needs")),
    ("simulations", "simulations", "CARDS", ("brand", "trigger", "plays")),
    ("reasons", "reasons", "OPERATION_REASONS", ()),
    ("reasons", "reasons", "REASONS", ("status_codes",)),
)  # fmt: skip


def of_tables() -> Iterator[Fault]:
    """Yield the faults of the tables: each row wrong in one field, or left out."""
    for area, module, name, columns in TABLES:
        place = f"amazonpay_nb.spec.{module}"
        for number, (what, _) in enumerate(_wrong_tables(getattr(import_module(place), name), columns)):
            # The package is imported again before a fault is planted, so its rows are made wrong only then.
            change = partial(_wrong_table, columns=columns, number=number)
            yield Fault(area, ", ".join(filter(None, (name, what))), place, change, name=name)


def _wrong_table(table: Any, columns: tuple[str, ...], number: int) -> Any:
    return next(islice(_wrong_tables(table, columns), number, None))[1]


def _wrong_tables(table: Any, columns: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    rows = _rows(table)
    if rows is None:  # a single number
        yield from _wrong(table, ())
        return
    for key, row in rows.items():
        where = (row.source, row.trigger) if hasattr(row, "source") else key if isinstance(key, tuple) else (key,)
        text = ", ".join(map(str, where))
        if not columns:
            yield from ((f"{text}{what}", _with(table, key, wrong)) for what, wrong in _wrong(row, ()))
        for column in columns:
            values = [getattr(each, column) for each in rows.values()]
            for what, wrong in _wrong(getattr(row, column), values):
                yield f"{text}: {column}{what}", _with(table, key, replace(row, **{column: wrong}))
        if columns and columns != ("status_codes",):  # what is looked up by its name is not left out
            yield f"{text}: dropped", _with(table, key, None)


def _rows(table: Any) -> dict[Any, Any] | None:
    table = getattr(table, "rows", table)  # a machine's
    return dict(enumerate(table)) if isinstance(table, tuple) else table if isinstance(table, dict) else None


def _with(table: Any, key: Any, row: Any) -> Any:
    """Return a table with another row at *key*, or without it where *row* is None; its rows stay what they are."""
    rows = {each: row if each == key else value for each, value in (_rows(table) or {}).items()}
    rows = {each: value for each, value in rows.items() if value is not None}
    if isinstance(table, dict):
        return rows
    return tuple(rows.values()) if isinstance(table, tuple) else type(table)(table.name, tuple(rows.values()))


_STEPS: dict[type, Any] = {int: 1, Decimal: 1, timedelta: timedelta(seconds=1)}


def _wrong(value: Any, column: Any) -> Iterator[tuple[str, Any]]:
    """Yield what to put in place of a value, and a name where there are several; a text becomes another of *column*."""
    match value:
        case Enum():
            yield "", _next(tuple(type(value)), value)
        case bool():
            yield "", not value
        case int() | Decimal() | timedelta():
            # A share, which is below one, becomes larger by a hundredth; yen have no smaller unit than one.
            small = isinstance(value, Decimal) and value < 1
            yield "", value + (Decimal("0.01") if small else _STEPS[type(value)])
        case tuple():
            for each in value:
                yield f", {getattr(each, 'trigger', each)} dropped", tuple(x for x in value if x is not each)
            if value and is_dataclass(value[0]):  # a follow-up
                names = [each.name for each in fields(value[0])]
                yield from ((f", other {name}", (replace(value[0], **{name: "Wrong"}),)) for name in names)
            elif value:
                yield ", one more", (*value, 499 if isinstance(value[0], int) else "Wrong")
        case None | str():
            choices = dict.fromkeys(column)
            yield "", _next(tuple(choices), value) if len(choices) > 1 else "Wrong"
        case _:  # of an operation
            for name in ("live", "sandbox"):
                quota = getattr(value, name)
                yield f", {name}", replace(value, **{name: replace(quota, burst=quota.burst + 1)})


def _next(choices: tuple[Any, ...], now: Any) -> Any:
    return choices[(choices.index(now) + 1) % len(choices)]


_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
Place = tuple[tuple[str, int | None], ...]


def of_code(area: str, module: str) -> Iterator[Fault]:
    """Yield faults in the code of a module: one flipped, shifted or dropped thing at a time."""
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))
    seen: dict[str, int] = {}
    for path, variant, text in _places(tree):
        seen[text] = seen.get(text, 0) + 1
        number = f" ({seen[text]})" if seen[text] > 1 else ""
        name = f"{module.removeprefix('amazonpay_nb.')}: {text}{number}"
        line = getattr(_at(tree, path), "lineno", 0)
        yield Fault(area, name, module, partial(_planted, path=path, variant=variant), line)


def _at(tree: ast.AST, path: Place) -> Any:
    node: Any = tree
    for name, index in path:
        node = getattr(node, name) if index is None else getattr(node, name)[index]
    return node


def _planted(tree: ast.Module, path: Place, variant: int) -> ast.Module:
    *way, (name, index) = path
    parent, node = _at(tree, tuple(way)), list(_variants(_at(tree, path)))[variant][0]
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node
    return ast.fix_missing_locations(tree)


def _places(node: ast.AST, path: Place = (), inside: str = "") -> Iterator[tuple[Place, int, str]]:
    """Yield the path to each node that can be made wrong, which variant, and what that looks like."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        inside = f"{inside}.{node.name}".lstrip(".")
    if path:
        for number, (_, text) in enumerate(_variants(node)):
            yield path, number, f"{inside or 'module'}, {text}"
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            match child:
                case ast.JoinedStr() | ast.Expr(value=ast.Constant()):
                    continue  # a text for people
                case ast.AST():
                    yield from _places(child, (*path, (name, index)), inside)


def _variants(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield what to put in place of a node, and how to name it; what is false already is not lost."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            yield _changed(node, ops=[_COMPARISONS[type(op)]()])
        case ast.BoolOp():
            yield _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand, f"{ast.unparse(node)} -> {ast.unparse(node.operand)}"
        case ast.BinOp() if type(node.op) in _OPERATORS:
            yield _changed(node, op=_OPERATORS[type(node.op)]())
        case ast.Constant(value=bool() | int() as value):
            yield _changed(node, value=not value if isinstance(value, bool) else value + 1)
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            yield _changed(node, func=ast.Name("max" if name == "min" else "min", ast.Load()))
        case ast.If() | ast.IfExp():
            yield _changed(node, test=ast.UnaryOp(ast.Not(), node.test))[0], f"if not {ast.unparse(node.test)}"
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete():
            yield ast.Pass(), f"without {_text(node)[:100]}"
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and not value.value):
            yield ast.Return(ast.Constant(None)), f"None for {_text(node)[:100]}"


def _changed(node: Any, **changes: Any) -> tuple[ast.AST, str]:
    faulty = copy.copy(node)
    for name, value in changes.items():
        setattr(faulty, name, value)
    return faulty, f"{_text(node)[:80]} -> {_text(faulty)[:80]}"


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())
