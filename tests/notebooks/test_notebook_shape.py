"""What every committed notebook looks like: its cells, its parameters, its outputs.

nbval compares outputs; it passes a notebook that has none. These tests close that hole and hold the house style.
"""

import ast
import itertools
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"

FEWEST_CELLS, MOST_CELLS = 20, 60
MEDIAN_LINES, LONG_LINES, MOST_LINES = 4, 10, 15
LEAST_MARKDOWN = 0.45
MOST_CODE_CELLS_IN_A_ROW = 2
LONGEST_FUNCTION = 5

TAGS = {"parameters", "hide-input", "skip-execution", "nbval-skip"}
# papermill drops or misreads every other annotation.
PARAMETER_TYPES = {"str", "int", "float", "bool", "list", "dict"}

SECRETS = {
    "a key": re.compile(r"-----BEGIN"),
    "a signature or key in base64": re.compile(r"(?=[A-Za-z_/+-]*\d)[A-Za-z0-9_/+-]{101,}"),
    "somebody's email address": re.compile(
        r"[\w.+-]+@(?!(?:[\w-]+\.)*example(?:\.(?:com|net|org))?\b)[\w-]+(?:\.[\w-]+)+"
    ),
    "a whole card number": re.compile(r"(?<![\w.-])(?:\d{4}[ -]?){3}\d{4}(?![\w.-])"),
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|var/folders)/\w"),
    "an address of a Python object": re.compile(r" at 0x[0-9a-f]{6,}"),
}

Notebook = Any  # nbformat's nodes are dictionaries that also answer to attributes


@cache
def notebooks() -> dict[str, Notebook]:
    """Return every committed notebook by its name."""
    return {path.stem: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}


def all_code_cells() -> Iterator[tuple[str, Notebook]]:
    """Yield each code cell with a name for it: the notebook and the cell's number among all cells."""
    for name, notebook in notebooks().items():
        for number, cell in enumerate(notebook.cells, 1):
            if cell.cell_type == "code":
                yield f"{name}, cell {number}", cell


def tags(cell: Notebook) -> set[str]:
    return set(cell.metadata.get("tags", []))


def code_lines(cell: Notebook) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def parse(cell: Notebook) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    module = compile(cell.source, "<cell>", "exec", flags=flags)
    assert isinstance(module, ast.Module)
    return module


def output_texts(cell: Notebook) -> list[str]:
    """Return every text of a cell's outputs; pictures are base64 by nature."""
    texts = []
    for output in cell.outputs:
        texts += [str(output.get(field, "")) for field in ("text", "evalue")]
        texts += [str(data) for kind, data in output.get("data", {}).items() if not re.match("image/(?!svg)", kind)]
    return texts


def test_there_are_notebooks() -> None:
    """The loops below would pass in an empty folder."""
    assert len(notebooks()) >= 11


def test_it_opens_with_its_title_and_its_promise() -> None:
    """The first cell is a title and one quoted sentence."""
    first = {name: notebook.cells[0] for name, notebook in notebooks().items()}
    opens = {name for name, cell in first.items() if cell.cell_type == "markdown"}
    assert [
        name for name, cell in first.items() if name not in opens or not re.match(r"# \S.*\n+> \S", cell.source)
    ] == []


def test_every_code_cell_was_run_or_is_meant_not_to_be() -> None:
    """nbval compares nothing in a cell that was never run, and fails a cell with outputs and no count."""
    problems = []
    for where, cell in all_code_cells():
        if "skip-execution" in tags(cell):
            if cell.execution_count is not None or cell.outputs:
                problems.append(f"{where} is skipped but has a count or outputs")
            if "nbval-skip" not in tags(cell):  # papermill skips by the first tag, nbval by the second
                problems.append(f"{where} has no tag nbval-skip")
        elif cell.execution_count is None:
            problems.append(f"{where} was not run")
    assert problems == []


def test_its_tags_are_known() -> None:
    """`raises-exception` is not among them: papermill fails on it."""
    unknown = {name: set().union(*map(tags, notebook.cells)) - TAGS for name, notebook in notebooks().items()}
    assert {name: names for name, names in unknown.items() if names} == {}


def test_its_parameters_are_typed_and_explained() -> None:
    """papermill's help shows each parameter's name, type, default and comment."""
    cells = [(where, cell) for where, cell in all_code_cells() if "parameters" in tags(cell)]
    assert len(cells) == len(notebooks()), "one cell of parameters in each notebook"
    assert [where for where, cell in cells if not parse(cell).body] == []
    assert [f"{where}: {line}" for where, cell in cells for line in unexplained(cell)] == []


def unexplained(cell: Notebook) -> Iterator[str]:
    """Yield each line of a cell of parameters that has no type of papermill's, or no comment."""
    for statement in parse(cell).body:
        line = cell.source.splitlines()[statement.lineno - 1]
        match statement:
            case ast.AnnAssign(annotation=ast.Name(id=annotation), value=ast.expr() as value):
                typed = annotation in PARAMETER_TYPES and type(ast.literal_eval(value)).__name__ == annotation
            case _:
                typed = False
        if not typed or not re.search(r"  # \S", line):
            yield line


def test_it_names_its_kernel_and_language() -> None:
    """ruff passes a notebook without them unread; a version would change with the machine."""
    named = {
        name: (
            *(notebook.metadata.kernelspec.get(key) for key in ("name", "language")),
            dict(notebook.metadata.language_info),
        )
        for name, notebook in notebooks().items()
    }
    assert {name: kernel for name, kernel in named.items() if kernel != ("python3", "python", {"name": "python"})} == {}


def test_it_keeps_nothing_of_the_run_that_made_it() -> None:
    """Times and widget models change from run to run."""
    assert [name for name, notebook in notebooks().items() if {"papermill", "widgets"} & set(notebook.metadata)] == []
    assert [where for where, cell in all_code_cells() if {"execution", "papermill"} & set(cell.metadata)] == []


def test_it_is_as_long_as_one_sitting() -> None:
    """A chapter, neither a page nor a book, and at least as much prose as house style asks."""
    lengths = {name: len(notebook.cells) for name, notebook in notebooks().items()}
    assert {name: length for name, length in lengths.items() if not FEWEST_CELLS <= length <= MOST_CELLS} == {}
    prose = {
        name: sum(cell.cell_type == "markdown" for cell in notebook.cells) / lengths[name]
        for name, notebook in notebooks().items()
    }
    assert {name: share for name, share in prose.items() if share < LEAST_MARKDOWN} == {}


def test_a_cell_holds_one_idea() -> None:
    """Code cells are short, and explained before there is a third in a row."""
    problems = []
    for name, notebook in notebooks().items():
        lines = sorted(code_lines(cell) for cell in notebook.cells if cell.cell_type == "code")
        kinds = itertools.groupby(cell.cell_type for cell in notebook.cells)
        in_a_row = max(len(list(run)) for kind, run in kinds if kind == "code")
        figures = {
            "median of lines": (statistics.median(lines), MEDIAN_LINES),
            "ninth decile of lines": (statistics.quantiles(lines, n=10, method="inclusive")[-1], LONG_LINES),
            "lines of the longest cell": (lines[-1], MOST_LINES),
            "code cells in a row": (in_a_row, MOST_CODE_CELLS_IN_A_ROW),
        }
        problems += [f"{name}: {what} is {now}" for what, (now, most) in figures.items() if now > most]
    assert problems == []


def test_its_cells_hold_no_machinery() -> None:
    """What needs a class, a long function or a pause belongs in the package."""
    problems = []
    for where, cell in all_code_cells():
        for node in ast.walk(parse(cell)):
            match node:
                case ast.ClassDef():
                    problems.append(f"{where}: a class")
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    if (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION:
                        problems.append(f"{where}: a long function")
                case ast.Attribute(attr="sleep") | ast.Name(id="sleep"):
                    problems.append(f"{where}: a pause")
    assert problems == []


def test_no_cell_hides_its_value() -> None:
    """nbval's kernel shows what a trailing semicolon hides elsewhere."""
    assert [where for where, cell in all_code_cells() if cell.source.rstrip().endswith(";")] == []


def test_no_output_is_an_error() -> None:
    """An expected refusal is caught and shown; a traceback is a failure."""
    errors = [where for where, cell in all_code_cells() for output in cell.outputs if output.output_type == "error"]
    assert errors == []


def test_its_outputs_give_nothing_away() -> None:
    """No key, signature, person or machine can be read off a committed output."""
    leaks = [
        f"{where}: {secret}: {hit[0]}"
        for where, cell in all_code_cells()
        for text in output_texts(cell)
        for secret, pattern in SECRETS.items()
        if (hit := pattern.search(text))
    ]
    assert leaks == []
