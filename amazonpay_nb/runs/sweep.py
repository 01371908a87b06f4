"""Run a matrix of cases, each of them a notebook with parameters, and stream the results into one report.

A line of ``cases.jsonl`` is written as each case ends; everything else is made from these lines, one at a time.
"""

import csv
import hashlib
import io
import itertools
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.runs.folder import POLICY, report_folder, writable, write_whole
from amazonpay_nb.runs.notebook import Notebook, find_notebooks
from amazonpay_nb.runs.report import PAGES, Run
from amazonpay_nb.runs.runner import Case, Results, check_case, check_names, progress
from amazonpay_nb.spec.data import as_kind, composed, data_row

# What a flow notebook records about itself.
_RESULT = (
    "checkoutSessionId", "chargePermissionId", "chargePermissionType", "chargePermissionState", "chargeId",
    "chargeState", "refundId", "refundState",
)  # fmt: skip
# Also after what a table program may take for the end of a cell.
_FORMULA = re.compile(r"(?:.*[;\t\r\n] *)?(?:[=＝@\t\r]|[+-](?!\d+(?:\.\d+)?$))", re.DOTALL)
_MOST_CASES = 100_000  # before those that are excluded; each takes memory from the start
_LINES, REPORTS = "cases.jsonl", ("report.html", "junit.xml", "sweep.csv", "summary.json")


Engine = Callable[[Sequence[Case], Path], Results]


def _number(value: Any) -> Any:
    return f"{value:02}" if type(value) is int else value  # YAML makes numbers of 11 and 01


@data_row
class _Matrix:
    notebooks: tuple[Annotated[str, BeforeValidator(_number)], ...] = ("11",)
    matrix: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    include: tuple[dict[str, Any], ...] = ()
    exclude: tuple[dict[str, Any], ...] = ()

    def rows(self, written: "_Matrix") -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Yield the place of each case, its values, and the same from the matrix in which all are texts."""
        for number, row in enumerate(written.exclude, 1):
            for name, value in row.items():
                if value not in written.matrix.get(name, ()):
                    allowed = [redact(_text(one), name) for one in written.matrix.get(name, ())] or self.matrix
                    advice = f"Choose one of {', '.join(allowed)}."
                    problem = f"exclude, row {number}: the matrix has no {name}={redact(_text(value), name)}."
                    raise ConfigurationError(problem, advice=advice)
        empty = [name for name, values in self.matrix.items() if not values] + ["exclude"] * ({} in self.exclude)
        if empty:
            problem = f"{empty[0]} has nothing in it, so the matrix would have no case."
            raise ConfigurationError(problem, advice="Give it a value, or leave it out.")
        choices = (itertools.product(*each.matrix.values()) for each in (self, written))
        for values, texts in zip(*choices, strict=True) if self.matrix else ():
            text = dict(zip(self.matrix, texts, strict=True))
            if not any(exclusion.items() <= text.items() for exclusion in written.exclude):
                yield "matrix", dict(zip(self.matrix, values, strict=True)), text
        for number, (row, text) in enumerate(zip(self.include, written.include, strict=True), 1):
            yield f"include, row {number}", row, text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row(Run):
    """A line: the run of a case."""

    key: str
    page: str


_ROW = TypeAdapter(_Row)
_HEAD = b'{"key": "'  # how each line of a sweep begins


def _text(value: Any) -> str:
    try:
        return str(value) if isinstance(value, str | date) else json.dumps(value)
    except (TypeError, ValueError):
        problem = (
            f"A value of the matrix is of the type {type(value).__name__}, or too large: no parameter can have it."
        )
        raise ConfigurationError(problem, advice="Write a text, a number, true or false.") from None


def cases_of(path: Path) -> list[Case]:
    """Return the cases of a matrix in its order, the last parameter varying fastest; docs/sweeps.md has its keys.

    A matrix or a case that cannot be run raises `ConfigurationError`, with the place and what is allowed.
    """
    try:
        node = composed(path)
        matrix, written = (
            as_kind(path.name, loader("").construct_document(node) if node else {}, _Matrix)
            for loader in (yaml.SafeLoader, yaml.BaseLoader)
        )
    except (RecursionError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.name} is no matrix: {error}.", advice="Correct the file.") from None
    if (count := math.prod(map(len, matrix.matrix.values()))) > _MOST_CASES:
        problem = f"{path.name} has {count:,} cases, and a sweep at most {_MOST_CASES:,}."
        raise ConfigurationError(problem, advice="Make several matrices of it.")
    names = [str(path.parent / name) if (path.parent / name).is_file() else name for name in matrix.notebooks]
    paths = find_notebooks(names)
    check_names(paths)
    cases: dict[str, Case] = {}
    for notebook in map(Notebook.read, paths):
        content = [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in notebook.document.cells]
        digest = hashlib.sha256(json.dumps([notebook.path.stem, content]).encode())
        beside = (notebook.path.parent.glob(names) for names in ("*.*", "*/*.*"))
        edition = programs() + _digest(notebook.path.parent, itertools.chain(*beside))
        for place, row, as_written in matrix.rows(written):
            texts = {name: _text(value) for name, value in row.items()}
            for name, text in as_written.items():
                if isinstance(text, str) and notebook.parameters.get(name, "str") == "str":
                    texts[name] = text  # YAML makes 668 of 01234, and 750 of 12:30
            one = digest.copy()
            one.update(json.dumps(texts, sort_keys=True).encode())
            key, name = one.hexdigest()[:16] + edition, re.sub(r"[^\w.-]+", "-", "-".join(redact(texts).values()))[:80]
            page = f"notebooks/{name}-{key[:8]}/{notebook.path.stem}.html"
            case = cases.setdefault(key, Case(notebook, texts, page, key))
            try:
                check_case(notebook, texts)
            except ConfigurationError as error:
                problem = f"{path.name}, {place}, {case}: {error.message}"
                raise ConfigurationError(problem, advice=error.advice) from None
    if not cases:
        raise ConfigurationError(f"{path.name} has no case.", advice="Give it a matrix, or rows to include.")
    return list(cases.values())


@cache
def programs() -> str:
    """Return a digest of this package: a case that has passed with another edition of it has to run again."""
    package = Path(__file__).parents[1]
    # A wheel has the examples in it, and a checkout has them beside it.
    return _digest(package, (file for file in package.rglob("*.*") if package / "examples" not in file.parents))


def _digest(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file.suffix in (".py", ".toml", ".j2") and file.is_file()):
        with suppress(PermissionError):  # what cannot be read is no part of a case, either
            content = file.read_bytes()
            # Its name is what others import, and its length where the next one begins.
            digest.update(json.dumps([file.relative_to(folder).as_posix(), len(content)]).encode() + content)
    return digest.hexdigest()[:8]


def shard(cases: Sequence[Case], part: int, parts: int) -> list[Case]:
    """Return one of *parts* equal parts of the cases, counted from 1; a case is in the same part each time."""
    return [case for case in cases if int(case.key[:16], 16) % parts == part - 1]


def sweep(
    cases: Sequence[Case], *, out: Path, engine: Engine, part: tuple[int, int] = (1, 1), resume: bool = False,
    fail_fast: bool = False, say: Callable[[str], object],
) -> tuple[int, int]:  # fmt: skip
    """Run the cases and write everything about them into *out*; return how many passed, and how many failed.

    The *engine* runs cases, and yields each as it ends, when its executed notebook is in the folder.  `shard` says what
    *part* is, and `progress` what *say* is for.
    """
    started, lines = time.monotonic(), out / _LINES
    with report_folder(out, REPORTS):
        if not (resume and lines.is_file()) or lines.is_symlink():
            lines.unlink(missing_ok=True)
        lines.touch()
        ends = _ends(lines)
        rest = [case for case in shard(cases, *part) if not ends.get(case.key, (0, False))[1]]
        played = progress(engine(rest, out), len(rest), say)
        with lines.open("a", encoding="utf-8") as file, closing(played):
            number = 0
            for number, (case, run) in enumerate(played, 1):
                row = {"key": case.key, "page": case.page, "environment": run.environment} | run.as_json()
                file.write(writable(json.dumps(row, ensure_ascii=False)) + "\n")
                file.flush()
                if run.failure and fail_fast:
                    say(f"The first failure ends the sweep. Not reached: {len(rest) - number} of {len(rest)}.")
                    break
            else:
                if lost := len(rest) - number:
                    raise ConfigurationError(f"{lost} of {len(rest)} cases did not end.", advice="Go on with --resume.")
        # Each part has the same columns.
        names = list(dict.fromkeys(name for case in cases for name in case.texts))
        return _write(shard(cases, *part), names, out, time.monotonic() - started)


def _ends(lines: Path) -> dict[str, tuple[int, bool]]:
    """Return where the last line of each case begins, by its key, and whether it passed; half a line counts as none."""
    ends, offset = {}, 0
    with lines.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(offset)
                break
            try:
                row = _ROW.validate_json(line)
                ends[row.key] = offset, row.status == "passed"
            except ValidationError as error:
                # Where lines of shards were joined, half a line of one is at the head of the next one's first.
                if not (_HEAD in line and error.errors()[0]["type"] == "json_invalid"):
                    advice = "Leave out --resume, or choose another folder with --out."
                    raise ConfigurationError(f"{lines} has a line that no sweep has written.", advice=advice) from None
            offset += len(line)
    return ends


def _write(cases: Sequence[Case], names: Sequence[str], out: Path, seconds: float) -> tuple[int, int]:
    ends = _ends(out / _LINES)
    cases = [case for case in cases if case.key in ends]
    passed = sum(ends[case.key][1] for case in cases)
    counts = {"passed": passed, "failed": len(cases) - passed, "seconds": round(seconds, 3)}

    def lines() -> Iterator[str]:
        with (out / _LINES).open("rb") as file:
            for case in cases:
                file.seek(ends[case.key][0])
                yield file.readline().decode().rstrip()

    def rows() -> Iterator[_Row]:
        return map(_ROW.validate_json, lines())

    page = {"policy": POLICY, "finished": datetime.now(UTC), "rows": rows, **counts, **_grid(cases, names, ends)}
    for template, name in (("sweep.html", "report.html"), ("sweep.xml", "junit.xml")):
        write_whole(out / name, PAGES.get_template(template).generate(page))
    heading = ["notebook", *names, "status", "seconds", "error", *_RESULT]
    write_whole(out / "sweep.csv", map(_line, itertools.chain([heading], (_cells(names, row) for row in rows()))))
    runs = (f"{',' if number else ''}\n{line}" for number, line in enumerate(lines()))
    write_whole(out / "summary.json", itertools.chain([json.dumps(counts | {"runs": []})[:-2]], runs, ["]}\n"]))
    return passed, len(cases) - passed


def _cells(names: Sequence[str], row: _Row) -> list[Any]:
    values, results = map(row.parameters.get, names), map(row.result.get, _RESULT)
    return [row.notebook, *values, row.status, row.seconds, row.error, *results]


def _line(cells: Sequence[Any]) -> str:
    # A program for tables computes what begins like a formula; a number stays one.
    texts = [f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell for cell in cells]
    csv.writer(line := io.StringIO(), lineterminator="\n").writerow(texts)
    return line.getvalue()


def _grid(cases: Sequence[Case], names: Sequence[str], ends: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table of all cases, failures first; its columns are the values of the parameter with the fewest."""
    values = {name: dict.fromkeys(case.texts.get(name, "") for case in cases) for name in names}
    axis = min((name for name in names if len(values[name]) > 1), key=lambda name: len(values[name]), default="")
    table: dict[tuple[Any, ...], tuple[Case, dict[str, Any]]] = {}
    for case in cases:
        rest = case._replace(texts={name: text for name, text in case.texts.items() if name != axis})
        _, cells = table.setdefault((case.notebook.path, *rest.texts.items()), (rest, {}))
        cells[case.texts.get(axis, "")] = ends[case.key][1], case.page
    order = sorted(table.values(), key=lambda row: all(passed for passed, _ in row[1].values()))
    columns = {text: redact(text, axis) for text in values.get(axis, [""])}
    return {"axis": axis, "columns": columns, "table": order}
