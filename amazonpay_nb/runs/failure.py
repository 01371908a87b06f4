"""What an executed notebook leaves about itself: its claims, its result, and where and why it stopped."""

import ast
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazonpay_nb.redaction import redact
from amazonpay_nb.runs.notebook import NO_PROGRAM, under_headings
from amazonpay_nb.workbench.claims import RECORD_MIME, Claim
from amazonpay_nb.workbench.tracebacks import claimed

# Terminal colors, and what neither XML nor a terminal can show.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What a record leads to that this program has not written; it counts for nothing.
_OF_OTHERS = (AttributeError, KeyError, TypeError, ValueError)
_WIDGETS = "application/vnd.jupyter.widget-state+json"
_LED_TO = (  # between the errors of a traceback
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
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
                return _failure(document, cell, output, step)
    for step, cell in under_headings(document):
        for claim in claims_in([cell]):
            if claim.ok is False:  # in a cell that went on
                return Failure(claim.failure, step, cell.execution_count, cell.id, claim=claim.id)
        errors = "".join(output.text for output in cell.get("outputs", ()) if output.get("name") == "stderr")
        last = plain(errors).strip().rpartition("\n")[2]
        # A message that is no UTF-8; and an unknown %magic, of which IPython prints a line, whoever runs the cell.
        if cell.metadata.get("papermill", {}).get("exception") or last.startswith("UsageError: "):
            said = f"; the last line of its standard error: {last}" if last else "."
            message = f"The cell failed, and its kernel could not say how{said}"
            return Failure(message, step, cell.get("execution_count"), cell.get("id", ""))
    with suppress(*_OF_OTHERS):
        widgets = document.metadata.get("widgets", {}).get(_WIDGETS, {}).get("state", {}).values()
        blocks = [widget.state.outputs for widget in widgets if widget.model_name == "OutputModel"]
        for output in itertools.chain(*blocks):
            if output.output_type == "error":
                return _failure(document, {}, output, "in a widget")
    return next((Failure(claim.failure, claim=claim.id) for claim in _noted(document) if claim.ok is False), None)


def _failure(document: Any, cell: Any, output: Any, step: str) -> Failure:
    own, errors = "", 0  # what led to the error comes before, and the others of its group after it
    for part in map(plain, output.get("traceback", ())):
        errors += set(part) == {"-"}
        if errors > 1:
            break
        own = "" if part.strip() in _LED_TO else f"{own}\n{part}"
    # The first arrow of a cell points into it, the later ones into what it called; a widget calls what a cell defines.
    arrow = _ARROW.search(own, max(own.find("\nCell In["), 0))
    line = f"line {arrow[1]}: {arrow[2].strip()}" if arrow else ""
    message = plain(f"{output.ename}: {output.evalue}").removesuffix(": ")
    # The cell may have caught the error of another claim.
    raised = plain(output.evalue)
    claims = (*_noted(document), *claims_in([cell]))
    broken = next((one.id for one in claims if one.ok is False and raised.startswith(f"{one.id}: ")), "")
    return Failure(message, step, cell.get("execution_count"), cell.get("id", ""), line, broken)


def claims_of(document: Any) -> tuple[Claim, ...]:
    """Return each claim of an executed notebook once, false if it was so at any time.

    *ok* is None for those that were not tried or not reached.
    """
    sources = [cell.source for cell in document.cells if cell.cell_type == "code"]
    claims = dict[str, Claim]()
    for claim in (*_noted(document), *claims_in(document.cells), *itertools.chain(*map(_written, sources))):
        if claim.id not in claims or claim.ok is False:
            claims[claim.id] = claim
    return tuple(claims.values())


def left_in(document: Any) -> str:
    """Return a hash of what a run has left in the cells that have run: what they say and show, and what they record.

    Saving the notebook, or a text that somebody adds, does not change it; running, changing or clearing a cell does.
    """
    cells = [cell for cell in document.cells if cell.cell_type == "code"]
    ran = [cell for cell in cells if cell.get("execution_count") is not None or cell.get("outputs")]
    shapes = [
        [cell.source, cell.get("execution_count"), [_texts(output) for output in cell.get("outputs", ())]]
        for cell in ran or cells
    ]
    content = json.dumps([shapes, list(_records(cells))], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _texts(output: Any) -> list[Any]:
    # Texts, also those of HTML and pictures; JupyterLab writes the numbers of JSON anew, 1 for 1.0.
    shown = {kind: value for kind, value in output.get("data", {}).items() if isinstance(value, str)}
    return [output.output_type, output.get("text"), output.get("evalue"), shown]


def noted_in(file: Path) -> dict[str, Any]:
    """Return what was noted about a run while it ran: its claims, and why its kernel was given up."""
    notes: dict[str, Any] = {"claims": []}
    for line in file.read_text("utf-8", "replace").split("\n") if file.exists() else ():
        with suppress(*_OF_OTHERS):  # half a line
            note = json.loads(line)
            if "failure" in note:
                notes |= note
            else:
                notes["claims"].append(note)
    return notes


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
        yield from _claims(record)


def _noted(document: Any) -> Iterator[Claim]:
    return _claims(document.metadata.get("papermill", {}))  # of our runner; it has those that no cell shows, too


def _claims(record: Any) -> Iterator[Claim]:
    with suppress(*_OF_OTHERS):
        for claim in record.get("claims", ()):
            yield Claim(str(claim["id"]), plain(claim["text"]), bool(claim["ok"]))


def _records(cells: Any) -> Iterator[dict[str, Any]]:
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return (output.data[RECORD_MIME] for output in outputs if RECORD_MIME in output.get("data", ()))


def _written(source: str) -> Iterator[Claim]:
    with suppress(*NO_PROGRAM):
        for node in ast.walk(compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
            match claimed(node):
                case [ast.Constant(value=name), text, *_]:
                    yield Claim(str(name), str(text.value if isinstance(text, ast.Constant) else name), None)


def plain(text: object) -> str:
    """Return a text without terminal colors and control characters, and without the secrets that they cut in two."""
    return str(redact(_UNPRINTABLE.sub("", str(text))))
