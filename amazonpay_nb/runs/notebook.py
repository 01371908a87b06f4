"""Find, read, fill in and cut up notebooks, without running them."""

import ast
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import nbformat

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.workbench.parameters import PARAMETERS, check_names

# None of these patterns looks past the beginning of its next match, so that each text is read once.
# A picture on this machine, in Markdown.
_PICTURE = re.compile(r"(!\[[^\[\]]*\]\()(?![a-z]+:)([^)\s]+)")
# A link that leads away from the page.
_LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\((?!#)(?:[^()\s]|\([^()\s]*\))+\)")
_HTML_LINK = re.compile(r'<a (?:(?!href="(?!#))[^<>])*href="[^<>]*>((?:[^<]|<(?!/?a[ >]))*)</a>')
# The lines at the ends of a chapter that lead to another one.
_WAY_LINE = re.compile(r"^\*\*(?:Back|Next):\*\*.*(?:\n|$)", re.MULTILINE)
_OPEN = ("workbench.open", "amazonpay_nb.workbench.open")
# A line for IPython, and not for Python: a magic, what one returns, or a question.
_MAGIC = re.compile(r"^([ \t]*)(?:[%!?].*|[^=\n]*=[ \t]*[%!].*|.*\?)$", re.MULTILINE)
_WITH_SOCKETS = ("07", "12")
_PARAMETERS = {"parameters", "injected-parameters"}  # the tags of their cells
_HEADING = re.compile(r"#{1,4} ")
# What Python says of a text that is no program, or one that is too large or nested too deeply to be read.
NO_PROGRAM = (MemoryError, RecursionError, SyntaxError, ValueError)
# Sections and sentences for readers who run the notebook; each sentence has a line of its own.
_WORKSHOP = re.compile(r"## (?:Exercises|By clicks)$", re.MULTILINE)
_ASIDE = re.compile(
    r"^(?![|#>`!-])(?:Otherwise, |\*\*Time:|.*\b(?:[Pp]redict|cells?|kernel|read on|play the buyer)\b).*(?:\n|$)",
    re.MULTILINE,
)
_FENCED = re.compile(r"(^```.*?(?:^```$|\Z))", re.MULTILINE | re.DOTALL)
# A picture of a page, of the shop or of Amazon, with the sentence that announces it.
_PAGE_PICTURE = re.compile(r"(?:^[^\n]*:\n\n)?!\[[^\[\]]*\]\([^()\s]*-page\.png\)\n*", re.MULTILINE)


def notebook_folder() -> Path:
    """Return the folder that holds the workbook's notebooks: in the package from a wheel, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def notebook_names() -> list[str]:
    """Return the names of the workbook's notebooks."""
    return [path.stem for path in find_notebooks([])]


def find_notebooks(names: Sequence[str], *, sockets: bool = True) -> list[Path]:
    """Return the notebooks called *names*: a path, a name, or the number or another beginning of one name alone.

    Without names, these are all of the workbook; without *sockets*, all but those that need programs outside.
    """
    if not names:
        paths = sorted(notebook_folder().glob("*.ipynb"))
        return [path for path in paths if sockets or not path.stem.startswith(_WITH_SOCKETS)]
    return [Path(name) if Path(name).is_file() else _find(name) for name in names]


def _find(name: str) -> Path:
    paths = find_notebooks([])
    stem = name.removesuffix(".ipynb")
    fitting = [path for path in paths if path.stem == stem] or [path for path in paths if path.stem.startswith(stem)]
    if len(fitting) != 1:
        which = ", ".join(path.stem for path in fitting or paths)
        problem = "fits several notebooks" if fitting else "is no notebook"
        raise ConfigurationError(f"{name!r} {problem}", advice=f"Choose one of {which}.")
    return fitting[0]


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook, as it was read."""

    path: Path
    document: Any  # an nbformat node, version 4
    parameters: Mapping[str, str]  # names of Python types, by name; empty where it has no such cell

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a notebook and its parameters, or raise `ConfigurationError`."""
        try:
            problems: dict[str, Exception] = {}
            document = nbformat.reads(path.read_text("utf-8"), as_version=4, capture_validation_error=problems)
            if problems:  # of such a one there can be no page
                raise ValueError("".join(map(str, problems.values())).partition("\n")[0])
            if re.search("[\ud800-\udfff]", json.dumps(document, ensure_ascii=False)):
                raise ValueError("it has half a character, and no file can keep that")
            sources = [cell.source for cell in document.cells if "parameters" in _tags(cell)]
            if len(sources) > 1:
                raise ValueError(f"{len(sources)} cells have the tag parameters, and papermill knows one")
            return cls(path, document, {name: kind for text in sources for name, kind, _ in _parameters(text)})
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
        except (KeyError, TypeError, AttributeError, AssertionError, nbformat.ValidationError, *NO_PROGRAM) as error:
            problem = str(error).strip() or "its version is no number"
            raise ConfigurationError(f"{path} is not a notebook with parameters: {problem}") from error

    @property
    def opens_workbench(self) -> bool:
        """Whether the settings of a workbench are its own, too."""
        try:
            return any(_openings(cell.source) for cell in self.document.cells if cell.cell_type == "code")
        except ConfigurationError:
            return True

    def values(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return values for parameters of this notebook, in their types.

        papermill would run on with a misspelled name, so names are checked here.  A setting of the workbench that the
        notebook leaves alone is allowed, and left out.
        """
        try:
            check_names(texts, dict.fromkeys([*self.parameters, *(PARAMETERS if self.opens_workbench else ())]))
            if texts.keys() - self.parameters:
                self.unexecuted(texts)  # which says where one would not arrive
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.path.stem}: {error.message}", advice=error.advice) from None
        kinds = self.parameters
        return {name: to_type(name, kinds[name], text) for name, text in texts.items() if name in kinds}

    def unexecuted(self, texts: Mapping[str, str]) -> Any:
        """Return a copy of the document without outputs, whose workbench takes those texts that are no parameters."""
        document = deepcopy(self.document)
        document.cells = [cell for cell in document.cells if "injected-parameters" not in _tags(cell)]
        settings = {name: text for name, text in texts.items() if name not in self.parameters}
        for part in (document, *document.cells):
            part.metadata.pop("papermill", None)  # of an earlier run
        for cell in document.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                if settings:
                    cell.source = with_settings(cell.source, settings)
        return document


def _tags(cell: Any) -> set[str]:
    return {*cell.metadata.get("tags", ())}


def _parameters(source: str) -> Iterator[tuple[str, str, ast.expr]]:
    # Name, type and default of each; a default is a literal, so that a notebook is understood without running it.
    for node in ast.parse(source).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=ast.expr() as value):
                ast.literal_eval(value)
                yield name, kind, value
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, type(ast.literal_eval(value)).__name__, value
            case _:
                raise ValueError(f"{ast.unparse(node)} is not a parameter")


def to_type(name: str, kind: str, text: str) -> Any:
    """Return a text as a value of a parameter's type, or raise `ConfigurationError`; list and dictionary are JSON."""
    kind = "str" if kind == "NoneType" and text != "null" else kind  # None is no type: any text will do
    try:
        value = text if kind == "str" else json.loads(text, parse_int=float if kind == "float" else int)
        # A notebook is UTF-8: it takes no half character; nor is there a name in Python for infinity.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        value = ...
    if type(value).__name__ != kind:
        wanted = {"str": "text in UTF-8", "bool": "true or false", "list": "a JSON list", "dict": "a JSON object"}
        raise ConfigurationError(f"parameter {name!r}: {text!r} is not {wanted.get(kind, f'a value of type {kind}')}")
    return value


def title_of(document: Any) -> str:
    """Return the first heading of the first level, "" where there is none."""
    lines = (line for cell in document.cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), "")


def outputs_of(document: Any) -> list[Any]:
    """Return all outputs of a notebook, in order."""
    return [output for cell in document.cells for output in cell.get("outputs", ())]


def in_whole_texts(document: Any) -> Any:
    """Return the notebook with one text for what a cell prints, and one for its errors.

    A kernel sends pieces of any size; whole, the same run gives the same notebook.  nbclient's own way takes minutes
    for a line of 300,000 characters.
    """
    for cell in document.cells:
        pieces, kept = dict[str, list[str]](), list[Any]()
        for output in cell.get("outputs", ()):
            if output.output_type != "stream" or output.name not in pieces:
                kept.append(output)
            if output.output_type == "stream":
                pieces.setdefault(output.name, []).append(output.text)
        for output in kept:
            if output.output_type == "stream":
                # What comes after \r is written over what was before; one at the end of a line says nothing.
                lines = (line[line.rfind("\r", 0, -1) + 1 :] for line in "".join(pieces[output.name]).split("\n"))
                output.text = "\n".join(lines)
        for number in range(len(kept) - 1):  # which of two came first is a matter of chance
            if [output.get("name") for output in kept[number : number + 2]] == ["stderr", "stdout"]:
                kept[number : number + 2] = kept[number + 1], kept[number]
        if kept:
            cell.outputs = kept
    return document


def without_secrets(document: Any) -> Any:
    """Return the notebook with its secrets masked, in what cells printed and in what papermill injected."""
    from papermill.translators import PythonTranslator

    masked = nbformat.from_dict(_masked(document))
    for cell, own in zip(masked.cells, document.cells, strict=True):
        with suppress(TypeError, *NO_PROGRAM):
            if "injected-parameters" in _tags(own):
                values = {name: redact(ast.literal_eval(value), name) for name, _, value in _parameters(own.source)}
                cell.source = PythonTranslator.codify(values, "Parameters")
    return masked


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping) and "json" not in key and key != "parameters":  # "name" is a word of the format
        return {name: _masked(item, name) for name, item in value.items()}
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return [_masked(item) for item in value]
    return value if key.startswith("image/") and key != "image/svg+xml" else redact(value)


def without_links(document: Any) -> Any:
    """Return the notebook with the names of other pages in place of links to them."""
    for cell in document.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(r"\1", _WAY_LINE.sub("", cell.source)).rstrip()
    for output in outputs_of(document):
        if shown := output.get("data", {}).get("text/html"):
            output.data["text/html"] = _HTML_LINK.sub(r"\1", "".join(shown))
    return document


def for_readers(document: Any, *, pictures: bool) -> Any:
    """Return a finished notebook for people who do not run it: without parameters, exercises and what to predict.

    The *pictures* of pages show the workbook's own shop, in North America.
    """
    inside, cells, document.cells = False, document.cells, []
    for cell in cells:
        if cell.cell_type == "markdown":
            left = ""
            for part in _parts(cell.source if pictures else _PAGE_PICTURE.sub("", cell.source)):
                inside = bool(_WORKSHOP.match(part)) if re.match(r"##? ", part) else inside
                left += "" if inside else part
            parts = _FENCED.split(left)
            parts[::2] = [_ASIDE.sub("", part) for part in parts[::2]]  # between blocks of code
            cell.source = "".join(parts).strip()
        elif inside:
            continue
        if cell.source.strip() and not _PARAMETERS & _tags(cell):
            document.cells.append(cell)
    return document


def with_pictures_from(document: Any, folder: Path, root: Path) -> Any:
    """Return a notebook of *folder* whose addresses of pictures are relative to *root*."""
    copy = deepcopy(document)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = _PICTURE.sub(lambda match: match[1] + os.path.relpath(folder / match[2], root), cell.source)
    return copy


def with_settings(source: str, settings: Mapping[str, str]) -> str:
    """Return the source of a cell in which each ``workbench.open`` takes further settings.

    Raises:
        ConfigurationError: A magic calls it, so that they would not arrive, or it has one of them already.
    """
    text = source.encode()
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]  # Python counts lines, and bytes in each
    for call in reversed(_openings(source)):
        if own := next((word for word in call.keywords if word.arg in settings), None):
            advice = f"Make {own.arg} a parameter of the notebook, or leave it out there."
            raise ConfigurationError(f"A cell opens its workbench with {ast.unparse(own)}", advice=advice)
        call.keywords += [ast.keyword(name, ast.Constant(value)) for name, value in settings.items()]
        first, last = (starts[line - 1] + column for line, column in _ends(call))
        text = text[:first] + ast.unparse(call).encode() + text[last:]
    return text.decode()


def _openings(source: str) -> list[ast.Call]:
    """Return the calls that open a workbench, in their order; ConfigurationError where one cannot be read."""
    opening = f"{_OPEN[0]}("
    for text in (source, _MAGIC.sub(r"\1pass", source)):
        with suppress(*NO_PROGRAM):
            calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
            if text.count(opening) == source.count(opening):
                return sorted((call for call in calls if ast.unparse(call.func) in _OPEN), key=_ends)
    if opening in source:
        line = next(line.strip() for line in source.splitlines() if opening in line)
        advice = "Open it in a cell without magics, so that settings arrive."
        raise ConfigurationError(f"{line!r} opens a workbench in a cell that Python cannot read", advice=advice)
    return []


def _ends(call: ast.Call) -> tuple[tuple[int, int], tuple[int, int]]:
    # Line and column of both; Python always says the second, too.
    return (call.lineno, call.col_offset), (call.end_lineno or 0, call.end_col_offset or 0)


def settings_of(document: Any) -> dict[str, Any]:
    """Return what a notebook gives its first workbench, by name, as far as it is written down: parameters, settings."""
    values: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for cell in document.cells:
        with suppress(ConfigurationError, *NO_PROGRAM):
            if cell.cell_type == "code" and _PARAMETERS & _tags(cell):
                values |= {name: ast.literal_eval(value) for name, _, value in _parameters(cell.source)}
            elif cell.cell_type == "code" and not settings:
                words = (word for call in _openings(cell.source)[:1] for word in call.keywords)
                settings = {str(word.arg): word.value.value for word in words if isinstance(word.value, ast.Constant)}
    return values | settings


def under_headings(document: Any) -> Iterator[tuple[str, Any]]:
    """Give each cell with the heading above it, or in it."""
    heading = ""
    for cell in document.cells:
        if cell.cell_type == "markdown":
            last = _parts(cell.source)[-1].partition("\n")[0]
            heading = last.lstrip("# ") if _HEADING.match(last) else heading
        yield heading, cell


def _parts(text: str) -> list[str]:
    # Each begins with a heading; a comment in a block of code only looks like one.
    parts, in_code = [""], False
    for line in text.splitlines(keepends=True):
        in_code ^= line.startswith("```")
        if not in_code and _HEADING.match(line):
            parts.append("")
        parts[-1] += line
    return parts
