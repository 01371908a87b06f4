"""What an executed notebook leaves about itself: its claims, its result, and where and why it stopped."""

import ast
import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.redaction import redact
from amazonpay_nb.runs.notebook import NO_PROGRAM, under_headings
from amazonpay_nb.workbench.claims import RECORD_MIME, Claim

# Terminal colors, and what neither XML nor a terminal can show.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What a record leads to that this program has not written; it counts for nothing.
_OF_OTHERS = (AttributeError, KeyError, TypeError, ValueError)
_WIDGETS = "application/vnd.jupyter.widget-state+json"
_ARROW = re.compile(r"^-+> *(\d+) (.*)$", re.M)  # how a traceback points at a line


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a notebook stopped, and why."""

    message: str  # what was raised, with what was expected and what came
    step: str = ""  # the heading above the cell
    cell: int | None = None  # its number, as the notebook shows it
    cell_id: str = ""  # in the page of the run: ``NAME.html#cell-id=…``
    line: str = ""  # of its source: the number and the text
    claim: str = ""  # the id of the one that does not hold; "" where something else failed

    @property
    def text(self) -> str:
        """The failure in lines, as CI shows it."""
        where = f"cell {self.cell}" if self.cell else ""
        place = ", ".join(filter(None, (where, f"step “{self.step}”" if self.step else "", self.line)))
        return "\n".join(filter(None, (self.message, place)))


def failure_of(document: Any) -> Failure | None:
    """Return what stopped an executed notebook, or None."""
    try:
        message = document.metadata.get("papermill", {}).get("failure")  # of a run, where no cell shows it
        return Failure(plain(message)) if message else _found_in(document)
    except _OF_OTHERS as error:
        advice = "Clear its outputs and its metadata, and run it again."
        return Failure(f"What the notebook says about its run is in no form of Jupyter's: {plain(error)}. {advice}")


def _found_in(document: Any) -> Failure | None:
    for step, cell in under_headings(document):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                return _failure(cell, output, step)
    for step, cell in under_headings(document):
        for claim in claims_in([cell]):
            if claim.ok is False:  # in a cell that went on
                return Failure(claim.failure, step, cell.execution_count, cell.id, claim=claim.id)
        if cell.metadata.get("papermill", {}).get("exception"):  # a message that is no UTF-8, for example
            return Failure("The cell failed, and its kernel could not say how.", step, cell.execution_count, cell.id)
    with suppress(*_OF_OTHERS):
        widgets = document.metadata.get("widgets", {}).get(_WIDGETS, {}).get("state", {}).values()
        blocks = [widget.state.outputs for widget in widgets if widget.model_name == "OutputModel"]
        for output in itertools.chain(*blocks):
            if output.output_type == "error":
                return _failure({}, output, "in a widget")
    return None


def _failure(cell: Any, output: Any, step: str) -> Failure:
    traceback = plain("\n".join(output.get("traceback", ())))
    # The first arrow points into the cell, the later ones into what it called.
    arrow = _ARROW.search(traceback)
    line = f"line {arrow[1]}: {arrow[2].strip()}" if arrow else ""
    message = plain(f"{output.ename}: {output.evalue}").removesuffix(": ")
    # The cell may have caught the error of another claim.
    raised = plain(output.evalue)
    broken = next((one.id for one in claims_in([cell]) if one.ok is False and raised.startswith(f"{one.id}: ")), "")
    return Failure(message, step, cell.get("execution_count"), cell.get("id", ""), line, broken)


def claims_of(document: Any) -> tuple[Claim, ...]:
    """Return all claims of an executed notebook; *ok* is None for those that were not tried or not reached."""
    tried = list(claims_in(document.cells))
    names = {claim.id for claim in tried}
    sources = [cell.source for cell in document.cells if cell.cell_type == "code"]
    return (*tried, *(claim for source in sources for claim in _written(source) if claim.id not in names))


def result_of(document: Any) -> dict[str, Any]:
    """Return what the cells recorded; the later value of a key counts."""
    result: dict[str, Any] = {}
    for record in _records(document.cells):
        with suppress(*_OF_OTHERS):
            result |= record.get("result", {})
    return result


def claims_in(cells: Any) -> Iterator[Claim]:
    """Yield the claims of executed cells."""
    for record in _records(cells):
        with suppress(*_OF_OTHERS):
            for claim in record.get("claims", ()):
                yield Claim(str(claim["id"]), plain(claim["text"]), bool(claim["ok"]))


def _records(cells: Any) -> Iterator[dict[str, Any]]:
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return (output.data[RECORD_MIME] for output in outputs if RECORD_MIME in output.get("data", ()))


def _written(source: str) -> Iterator[Claim]:
    with suppress(*NO_PROGRAM):
        for node in ast.walk(compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
            match node:
                case ast.Call(func=ast.Attribute(attr="claim"), args=[ast.Constant(value=name), text, *_]):
                    yield Claim(str(name), str(text.value if isinstance(text, ast.Constant) else name), None)


def plain(text: object) -> str:
    """Return a text without terminal colors and control characters, and without the secrets that they cut in two."""
    return str(redact(_UNPRINTABLE.sub("", str(text))))
