"""The faults: wrong rows of the tables, and wrong operators, constants and statements of the code."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["Fault", "of_code", "of_tables"]

ROOT = Path(__file__).parents[2]
Change = Callable[[Any], Any]
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        area: What the page of results counts it under.
        id: Names it in `equivalent.toml` and on the page; the text of the code rather than its line, so that it stays.
        module: Where it is planted, dotted.
        line: Where in its code, 0 for a table.
        name: The table that is replaced as soon as it is bound, "" for code.
        change: Returns the wrong table, or the wrong syntax tree of the module.
    """

    area: str
    id: str
    module: str
    change: Change
    line: int = 0
    name: str = ""


# ---- Tables ----------------------------------------------------------------------------------------------------------


def of_tables() -> Iterator[Fault]:
    """Yield a fault in every transition, timer, counting rule, limit, allowance, quota, simulation and reason."""
    yield from _transitions()
    yield from _rows("timers", "states", "TIMERS", {"after": lambda after: after + SECOND})
    counting: dict[str, Change] = {"column": _other_column, "month": lambda month: not month, "amount": _other_amount}
    yield from _rows("counting", "money", "COUNTING", counting)
    for table in ("MONTHLY_LIMITS", "RECURRING_MONTHLY_LIMITS", "CHARGE_CEILINGS", "REFUND_CEILINGS"):
        yield from _values("limits", "money", table, lambda amount: amount + Decimal("0.01"))
    yield from _values("limits", "money", "CURRENCY_DECIMALS", lambda decimals: decimals + 1)
    yield from _values("allowances", "money", "REFUND_EXTRAS", lambda amount: amount + 1)
    for name, change in (
        ("REFUND_SHARE", lambda share: share + Decimal("0.01")), ("MAX_REFUNDS_ON_A_CHARGE", lambda most: most + 1),
        ("_OVERCHARGE_SHARE", lambda share: share + 1),
    ):  # fmt: skip
        yield Fault("allowances", name, "amazonpay_nb.spec.money", change, name=name)
    for kind in ("live", "sandbox"):
        yield from _rows("quotas", "operations", "THROTTLES", {kind: _tighter})
    simulations: dict[str, Change] = {
        "status": lambda status: status + 1, "reason_code": _other_text, "state": _other_text,
        "later_state": _other_text, "later_reason": _other_text,
    }  # fmt: skip
    yield from _rows("simulations", "simulations", "SIMULATIONS", simulations)
    yield from _rows("simulations", "simulations", "CARDS", {"trigger": _other_effect})
    yield from _values("reasons", "reasons", "OPERATION_REASONS", lambda codes: (*codes, "Wrong"))
    yield from _rows("reasons", "reasons", "REASONS", {"status_codes": lambda codes: (codes[0] + 1, *codes[1:])})
    yield from _dropped_codes()


def _transitions() -> Iterator[Fault]:
    from amazonpay_nb.spec import states

    for name in ("CHECKOUT_SESSION", "CHARGE_PERMISSION", "CHARGE", "REFUND"):
        machine = getattr(states, name)
        for index, row in enumerate(machine.rows):
            wrong: dict[str, Change] = {
                "target": partial(_changed_field, attribute="target", value=_next(machine.states, row.target)),
                "reason": partial(_changed_field, attribute="reason", value=_next(_reasons(machine), row.reason)),
                "actor": lambda row: replace(row, actor=_next(tuple(type(row.actor)), row.actor)),
                "dropped": lambda row: None,
            }
            if row.then:
                wrong["no follow-up"] = partial(_changed_field, attribute="then", value=())
                wrong["another flag"] = _other_flag
            for what, change in wrong.items():
                faulty = partial(_with_row, index=index, change=change)
                text = f"{machine.name}, {row.source}, {row.trigger}: {what}"
                yield Fault("states", text, "amazonpay_nb.spec.states", faulty, name=name)


def _changed_field(row: Any, attribute: str, value: Any) -> Any:
    return replace(row, **{attribute: value})


def _other_flag(row: Any) -> Any:
    first = row.then[0]
    return replace(row, then=(replace(first, when="" if first.when else "cancelPendingCharges"),))


def _reasons(machine: Any) -> tuple[str | None, ...]:
    return (None, *dict.fromkeys(row.reason for row in machine.rows if row.reason))


def _with_row(machine: Any, index: int, change: Change) -> Any:
    row = change(machine.rows[index])
    return type(machine)(machine.name, (*machine.rows[:index], *((row,) if row else ()), *machine.rows[index + 1 :]))


def _next(choices: tuple[Any, ...], now: Any) -> Any:
    return choices[(choices.index(now) + 1) % len(choices)] if now in choices else choices[0]


def _table(module: str, name: str) -> Any:
    return getattr(__import__(f"amazonpay_nb.spec.{module}", fromlist=[name]), name)


def _rows(area: str, module: str, name: str, changes: dict[str, Change]) -> Iterator[Fault]:
    """Yield faults in the fields of each row of a table, and the table without the row."""
    table = _table(module, name)
    for key, row in table.items() if isinstance(table, dict) else enumerate(table):
        for attribute, change in changes.items():
            if getattr(row, attribute) is not None:
                faulty = partial(_with_field, key=key, attribute=attribute, change=change)
                yield Fault(
                    area, f"{name}, {_text(key)}: {attribute}", f"amazonpay_nb.spec.{module}", faulty, name=name
                )
        if name != "REASONS":  # which are dropped operation by operation
            dropped = partial(_without, key=key)
            yield Fault(area, f"{name}, {_text(key)}: dropped", f"amazonpay_nb.spec.{module}", dropped, name=name)


def _values(area: str, module: str, name: str, change: Change) -> Iterator[Fault]:
    for key in _table(module, name):
        faulty = partial(_with_value, key=key, change=change)
        yield Fault(area, f"{name}, {_text(key)}", f"amazonpay_nb.spec.{module}", faulty, name=name)


def _dropped_codes() -> Iterator[Fault]:
    for operation, codes in _table("reasons", "OPERATION_REASONS").items():
        for code in codes:
            change = partial(_with_value, key=operation, change=partial(_without_code, code=code))
            text = f"OPERATION_REASONS, {operation}: {code} dropped"
            yield Fault("reasons", text, "amazonpay_nb.spec.reasons", change, name="OPERATION_REASONS")


def _without_code(codes: tuple[str, ...], code: str) -> tuple[str, ...]:
    return tuple(each for each in codes if each != code)


def _with_field(table: Any, key: Any, attribute: str, change: Change) -> Any:
    return _with_value(table, key, lambda row: replace(row, **{attribute: change(getattr(row, attribute))}))


def _with_value(table: Any, key: Any, change: Change) -> Any:
    if isinstance(table, dict):
        return table | {key: change(table[key])}
    return (*table[:key], change(table[key]), *table[key + 1 :])


def _without(table: Any, key: Any) -> Any:
    if isinstance(table, dict):
        return {name: row for name, row in table.items() if name != key}
    return table[:key] + table[key + 1 :]


def _other_column(column: Any) -> Any:
    return _next(tuple(type(column)), column)


def _other_amount(name: str) -> str:
    return _next(("chargeAmount", "captureAmount", "refundAmount"), name)


def _other_effect(effect: Any) -> Any:
    return _next(tuple(type(effect)), effect)


def _tighter(quota: Any) -> Any:
    return replace(quota, burst=quota.burst + 1)


def _other_text(text: str) -> str:
    return {"Declined": "Canceled", "Authorized": "Declined", "Captured": "Declined"}.get(text, "Declined")


def _text(key: Any) -> str:
    return ", ".join(key) if isinstance(key, tuple) else str(key)


# ---- Code ------------------------------------------------------------------------------------------------------------

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip


def of_code(area: str, module: str) -> Iterator[Fault]:
    """Yield faults in the code of a module: one flipped, shifted or dropped thing at a time."""
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))
    seen: dict[str, int] = {}
    for path, variant, text in _places(tree):
        line = getattr(_at(tree, path), "lineno", 0)
        seen[text] = seen.get(text, 0) + 1
        number = f" ({seen[text]})" if seen[text] > 1 else ""
        short = module.removeprefix("amazonpay_nb.")
        yield Fault(area, f"{short}: {text}{number}", module, partial(_planted, path=path, variant=variant), line=line)


Path_ = tuple[tuple[str, int | None], ...]


def _at(tree: ast.AST, path: Path_) -> Any:
    node: Any = tree
    for name, index in path:
        node = getattr(node, name) if index is None else getattr(node, name)[index]
    return node


def _planted(tree: ast.Module, path: Path_, variant: int) -> ast.Module:
    faulty = copy.deepcopy(tree)
    *way, (name, index) = path
    parent, node = _at(faulty, tuple(way)), list(_variants(_at(faulty, path)))[variant][0]
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node
    return ast.fix_missing_locations(faulty)


def _places(node: ast.AST, path: Path_ = (), inside: str = "") -> Iterator[tuple[Path_, int, str]]:
    """Yield the path to each node that can be made wrong, which variant, and what that looks like."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        inside = f"{inside}.{node.name}".lstrip(".")
    if path:
        for number, (faulty, text) in enumerate(_variants(node)):
            del faulty
            yield path, number, f"{inside or 'module'}, {text}"
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _is_left_alone(child):
                yield from _places(child, (*path, (name, index)), inside)


def _is_left_alone(node: ast.AST) -> bool:
    """Tell whether a fault there cannot be told from the outside: texts for people, exports, imports, type checks."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Constant()):
            return True
    return False


def _variants(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield what to put in place of a node, and how to name it."""
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
        case ast.stmt():
            yield from _lost(node)


def _lost(node: ast.stmt) -> Iterator[tuple[ast.AST, str]]:
    """Yield a statement that does nothing, or a result that is lost; what is false already stays out."""
    text = " ".join(ast.unparse(node).split())[:100]
    match node:
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete():
            yield ast.Pass(), f"without {text}"
        case ast.Return(value=ast.Constant(value=None | False | "")):
            return
        case ast.Return(value=ast.expr()):
            yield ast.Return(ast.Constant(None)), f"None for {text}"


def _changed(node: Any, **fields: Any) -> tuple[ast.AST, str]:
    faulty = copy.copy(node)
    for name, value in fields.items():
        setattr(faulty, name, value)
    was, now = (" ".join(ast.unparse(each).split())[:80] for each in (node, faulty))
    return faulty, f"{was} -> {now}"
