"""What every committed notebook looks like: its cells, its parameters, its outputs.

nbval compares outputs; it passes a notebook that has none. These tests close that hole and hold the house style.
"""

import ast
import itertools
import re
import statistics
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))

FEWEST_CELLS, MOST_CELLS = 20, 45
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

pytestmark = pytest.mark.parametrize("notebook", PATHS, ids=lambda path: path.stem, indirect=True)


@pytest.fixture
def notebook(request: pytest.FixtureRequest) -> Notebook:
    return nbformat.read(request.param, as_version=4)


def tags(cell: Notebook) -> set[str]:
    return set(cell.metadata.get("tags", []))


def code_cells(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


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


def test_it_opens_with_its_title_and_its_promise(notebook: Notebook) -> None:
    """The first cell is a title and one quoted sentence."""
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S.*\n+> \S", first.source)


def test_every_code_cell_was_run_or_is_meant_not_to_be(notebook: Notebook) -> None:
    """nbval compares nothing in a cell that was never run, and fails a cell with outputs and no count."""
    for cell in code_cells(notebook):
        if "skip-execution" in tags(cell):
            assert (cell.execution_count, cell.outputs) == (None, [])
            assert "nbval-skip" in tags(cell), "papermill skips this cell by the first tag, nbval by the second"
        else:
            assert cell.execution_count is not None, cell.source


def test_its_tags_are_known(notebook: Notebook) -> None:
    """`raises-exception` is not among them: papermill fails on it."""
    assert set().union(*map(tags, notebook.cells)) <= TAGS


def test_its_parameters_are_typed_and_explained(notebook: Notebook) -> None:
    """papermill's help shows each parameter's name, type, default and comment."""
    (cell,) = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    statements = parse(cell).body
    assert statements
    for statement in statements:
        line = cell.source.splitlines()[statement.lineno - 1]
        assert isinstance(statement, ast.AnnAssign), line
        assert isinstance(statement.annotation, ast.Name), line
        assert statement.annotation.id in PARAMETER_TYPES, line
        assert statement.value is not None, line
        assert type(ast.literal_eval(statement.value)).__name__ == statement.annotation.id, line
        assert re.search(r"  # \S", line), f"no comment after {line}"


def test_it_names_its_kernel_and_language(notebook: Notebook) -> None:
    """ruff passes a notebook without them unread; a version would change with the machine."""
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.language == "python"
    assert dict(notebook.metadata.language_info) == {"name": "python"}


def test_it_keeps_nothing_of_the_run_that_made_it(notebook: Notebook) -> None:
    """Times and widget models change from run to run."""
    assert not {"papermill", "widgets"} & set(notebook.metadata)
    assert not [cell for cell in notebook.cells if {"execution", "papermill"} & set(cell.metadata)]


def test_it_is_as_long_as_one_sitting(notebook: Notebook) -> None:
    """A chapter, neither a page nor a book, and at least as much prose as house style asks."""
    cells = notebook.cells
    assert FEWEST_CELLS <= len(cells) <= MOST_CELLS
    assert sum(cell.cell_type == "markdown" for cell in cells) / len(cells) >= LEAST_MARKDOWN


def test_a_cell_holds_one_idea(notebook: Notebook) -> None:
    """Code cells are short, and explained before there is a third in a row."""
    lines = sorted(map(code_lines, code_cells(notebook)))
    runs = [len(list(run)) for kind, run in itertools.groupby(c.cell_type for c in notebook.cells) if kind == "code"]
    assert statistics.median(lines) <= MEDIAN_LINES
    assert statistics.quantiles(lines, n=10, method="inclusive")[-1] <= LONG_LINES
    assert lines[-1] <= MOST_LINES
    assert max(runs) <= MOST_CODE_CELLS_IN_A_ROW


def test_its_cells_hold_no_machinery(notebook: Notebook) -> None:
    """What needs a class, a long function or a pause belongs in the package."""
    for cell in code_cells(notebook):
        for node in ast.walk(parse(cell)):
            assert not isinstance(node, ast.ClassDef), cell.source
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or node.lineno) - node.lineno < LONGEST_FUNCTION, cell.source
            if isinstance(node, ast.Attribute | ast.Name):
                assert "sleep" not in {getattr(node, "attr", ""), getattr(node, "id", "")}, cell.source


def test_no_cell_hides_its_value(notebook: Notebook) -> None:
    """nbval's kernel shows what a trailing semicolon hides elsewhere."""
    assert not [cell.source for cell in code_cells(notebook) if cell.source.rstrip().endswith(";")]


def test_no_output_is_an_error(notebook: Notebook) -> None:
    """An expected refusal is caught and shown; a traceback is a failure."""
    assert not [output for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "error"]


@pytest.mark.parametrize("secret", SECRETS)
def test_its_outputs_give_nothing_away(notebook: Notebook, secret: str) -> None:
    """No key, signature, person or machine can be read off a committed output."""
    found = [
        hit[0] for cell in code_cells(notebook) for text in output_texts(cell) if (hit := SECRETS[secret].search(text))
    ]
    assert not found, f"{secret}: {found}"
