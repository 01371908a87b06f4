"""The four kinds of block in a view; each has a text form here, and an HTML form in ``templates/blocks.html.j2``."""

import html
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup
from wcwidth import width as columns  # of a terminal: Chinese, Japanese and Korean characters take two

from amazonpay_nb.texts import templates

TEXT_WIDTH = 116  # columns of a text form, enough for the rows of every machine; only unbreakable words exceed it
_INDENT, _GAP = "  ", "  "
_SHORT = 24  # characters of a name that stays on one line in every window
_INNER_CAPITAL = re.compile(r"(?<=[a-z]{3})(?=[A-Z][a-z]{2})")
Row = tuple[str, ...]


class Name(str):
    """A cell that holds a name or value exactly as it travels: set as code in HTML."""

    __slots__ = ()


class Prose(NamedTuple):
    """A paragraph; its text form has lines of at most `TEXT_WIDTH` columns, and no links."""

    words: str
    caption: str = ""
    links: tuple[tuple[str, str], ...] = ()


class Code(NamedTuple):
    """Lines that must stay as they are, for example JSON."""

    caption: str
    code: str


class Foreign(NamedTuple):
    """Something that can show itself, for example a pandas table: passed through unchanged."""

    caption: str
    as_text: str
    as_html: str


class Table(NamedTuple):
    """Rows; the first cell of each row is its heading, and a column without any content is left out.

    Attributes:
        grouped: Write a heading that repeats in the rows below it only once.
    """

    caption: str
    head: Row
    rows: tuple[Row, ...]
    grouped: bool = False

    @property
    def content(self) -> tuple[Row, list[list[Row]]]:
        """The head and the groups of rows, without empty columns."""
        used = [i for i in range(len(self.rows[0]) if self.rows else 0) if any(row[i] for row in self.rows)]
        head = tuple(self.head[i] for i in used) if self.head else ()
        rows = enumerate(tuple(row[i] for i in used) for row in self.rows)
        groups = groupby(rows, lambda row: row[1][0] if self.grouped else row[0])
        return head, [[row for _, row in group] for _, group in groups]


Block = Prose | Code | Foreign | Table


@dataclass(frozen=True, repr=False)
class Shown:
    """A view as a cell displays it: the same content as text and as HTML."""

    blocks: Sequence[Block]

    @property
    def text(self) -> str:
        """The form for terminals, plain exports and screen readers."""
        return "\n\n".join(_text(block) for block in self.blocks)

    @property
    def html(self) -> str:
        """The form for notebooks and pages."""
        return render("blocks.html.j2", blocks=self.blocks)

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}


def facts(caption: str, rows: Sequence[tuple[str, str]]) -> Table:
    """Return a table of names and values; a name without a value is left out."""
    return Table(caption, (), tuple(row for row in rows if row[1]))


def mark(ok: bool) -> str:
    """Return the sign of a verdict; show the same in words beside it."""
    return "✓" if ok else "✗"


def render(template: str, **values: Any) -> str:
    """Return a template of this package, filled in."""
    return _TEMPLATES.get_template(template).render(values).removesuffix("\n")


def _html(text: str) -> Markup:
    return Markup(html.escape(text))  # noqa: S704 (escaped)


def _cell(cell: str, space: str = " ") -> Markup:
    text = html.escape(str(cell)).replace(" ", space).replace("\n", "<br>")
    name = isinstance(cell, Name) and cell
    if name and len(cell) <= _SHORT:
        return Markup(f'<code style="white-space:nowrap">{text}</code>')  # noqa: S704 (escaped)
    # A narrow column breaks a long name between its words.
    text = _INNER_CAPITAL.sub("<wbr>", text)
    return Markup(f"<code>{text}</code>" if name else text)  # noqa: S704 (escaped)


_TEMPLATES = templates(Path(__file__).parents[1] / "templates")
_TEMPLATES.filters.update(html=_html, cell=_cell)
_TEMPLATES.tests.update(name=lambda cell: isinstance(cell, Name), short=lambda cell: len(cell) <= _SHORT)


def _text(block: Block) -> str:
    match block:
        case Prose():
            lines = [textwrap.fill(block.words, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)]
        case Code():
            lines = [textwrap.indent(block.code, _INDENT)]
        case Foreign():
            lines = [block.as_text]
        case Table():
            lines = list(_table(*block.content))
    return "\n".join([block.caption, *lines] if block.caption else lines)


def _table(head: Row, groups: list[list[Row]]) -> Iterator[str]:
    top = [head] if any(head) else []
    widths = _widths([*top, *(row for group in groups for row in group)])
    for row in top:
        yield from _aligned(row, widths)
        yield _INDENT + _GAP.join("─" * width for width in widths)
    for group in groups:
        for index, (heading, *cells) in enumerate(group):
            yield from _aligned(("" if index else heading, *cells), widths)


def _widths(rows: Sequence[Row]) -> list[int]:
    # Every column is as wide as its longest line; if that is too much, the widest shrinks, down to its longest word.
    lines = [[max(map(columns, cell.split("\n"))) for cell in row] for row in rows]
    words = [[max(map(columns, cell.split()), default=0) for cell in row] for row in rows]
    widths, least = ([max(column) for column in zip(*table, strict=True)] for table in (lines, words))
    room = TEXT_WIDTH - len(_INDENT) - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room and (soft := [i for i, width in enumerate(widths) if width > least[i]]):
        widths[max(soft, key=widths.__getitem__)] -= 1
    return widths


def _aligned(cells: Row, widths: Sequence[int]) -> Iterator[str]:
    wrapped = []
    for cell, width in zip(cells, widths, strict=True):
        wrap = textwrap.TextWrapper(max(width, 1), break_long_words=False, break_on_hyphens=False).wrap
        wrapped.append([line for part in cell.split("\n") for line in wrap(part) or [""]])
    for line in zip_longest(*wrapped, fillvalue=""):
        padded = (text + " " * (width - columns(text)) for text, width in zip(line, widths, strict=True))
        yield (_INDENT + _GAP.join(padded)).rstrip()
