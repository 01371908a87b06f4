"""The four kinds of block in a view; each has a text form for terminals and an HTML form for pages.

The HTML passes the sanitizers of JupyterLab and of forges: no class, no id, no style sheet, no script, and no color, so
it takes on the light or dark look of its page.  The few inline styles undo defaults of JupyterLab, which aligns cells
to the right; ``align`` says the same where inline styles are removed.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from typing import Any

from wcwidth import wcwidth

TEXT_WIDTH = 116  # columns of a text form, enough for the rows of every machine; only unbreakable words exceed it
_INDENT, _GAP = "  ", "  "
_INNER_CAPITAL = re.compile(r"(?<=[a-z]{3})(?=[A-Z][a-z]{2})")
_STYLE = 'style="text-align:left;vertical-align:top"'
# A row's heading stays on one line; JupyterLab would break it inside a word.
_HEADING_STYLE = 'style="text-align:left;vertical-align:top;white-space:nowrap"'
_NAME_STYLE = 'style="text-align:left;vertical-align:top;white-space:nowrap;font-weight:normal"'


class Name(str):
    """A cell that holds a name or value exactly as it travels: set as code in HTML."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph, under a caption or without one."""

    words: str
    caption: str = ""

    def text(self) -> str:
        """Return lines of at most `TEXT_WIDTH` columns."""
        lines = textwrap.fill(self.words, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
        return f"{self.caption}\n{lines}" if self.caption else lines

    def html(self) -> str:
        """Return one ``<p>``."""
        return f"{_html_caption(self.caption)}<p>{escape(self.words)}</p>"


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that must stay as they are, for example JSON."""

    caption: str
    code: str

    def text(self) -> str:
        """Return the caption and the lines, indented."""
        lines = textwrap.indent(self.code, _INDENT)
        return f"{self.caption}\n{lines}" if self.caption else lines

    def html(self) -> str:
        """Return one ``<pre>`` under its caption."""
        return f'{_html_caption(self.caption)}<pre style="margin-bottom:1em"><code>{escape(self.code)}</code></pre>'


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something that can show itself, for example a pandas table: passed through unchanged."""

    caption: str
    as_text: str
    as_html: str

    def text(self) -> str:
        """Return its own text under the caption."""
        return f"{self.caption}\n{self.as_text}" if self.caption else self.as_text

    def html(self) -> str:
        """Return its own HTML under the caption."""
        return f"{_html_caption(self.caption)}{self.as_html}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a caption; the first cell of each row is its heading.

    A column without any content is left out.

    Attributes:
        grouped: Write a heading that repeats in the rows below it only once.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    grouped: bool = False

    def text(self) -> str:
        """Return aligned columns; cells that do not fit are wrapped."""
        head, rows = self._filled()
        widths = _widths([*([head] if any(head) else []), *rows])
        lines = [self.caption] if self.caption else []
        if any(head):
            lines += _text_row(head, widths)
            lines.append(_INDENT + _GAP.join("─" * width for width in widths))
        for group in self._groups(rows):
            for index, (heading, *cells) in enumerate(group):
                lines += _text_row(("" if index else heading, *cells), widths)
        return "\n".join(lines)

    def html(self) -> str:
        """Return one ``<table>`` with caption and scopes."""
        head, rows = self._filled()
        caption = [f"<caption {_STYLE}><b>{escape(self.caption)}</b></caption>"] if self.caption else []
        columns = "".join(f'<th scope="col" {_STYLE}>{_html_cell(cell)}</th>' for cell in head)
        top = [f'<thead align="left"><tr>{columns}</tr></thead>'] if any(head) else []
        groups = ["\n".join(_html_group(group)) for group in self._groups(rows)]
        # The scope of a heading over several rows is its body.
        bodies = groups if self.grouped else ["\n".join(groups)]
        body = [f'<tbody align="left" valign="top">\n{group}\n</tbody>' for group in bodies]
        return "\n".join(["<table>", *caption, *top, *body, "</table>"])

    def _groups(self, rows: list[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
        if not self.grouped:
            return [[row] for row in rows]
        return [list(group) for _, group in groupby(rows, lambda row: row[0])]

    def _filled(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        used = [i for i in range(len(self.rows[0]) if self.rows else 0) if any(row[i] for row in self.rows)]
        head = self.head or ("",) * (max(used, default=0) + 1)
        return tuple(head[i] for i in used), [tuple(row[i] for i in used) for row in self.rows]


Block = Prose | Code | Table | Foreign


@dataclass(frozen=True, repr=False)
class Shown:
    """A view as a cell displays it: the same content as text and as HTML."""

    blocks: Sequence[Block]

    @property
    def text(self) -> str:
        """The form for terminals, plain exports and screen readers."""
        return "\n\n".join(block.text() for block in self.blocks)

    @property
    def html(self) -> str:
        """The form for notebooks and pages."""
        return "\n".join(block.html() for block in self.blocks)

    def titled(self, title: str) -> "Shown":
        """Return the view under another caption, or unchanged if *title* is empty."""
        if not title or not self.blocks:
            return self
        first, *others = self.blocks
        return Shown((replace(first, caption=title), *others))

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


def _html_caption(caption: str) -> str:
    return f"<p><b>{escape(caption)}</b></p>\n" if caption else ""


def _html_cell(cell: str, *, space: str = " ") -> str:
    text = escape(str(cell)).replace(" ", space).replace("\n", "<br>")
    if isinstance(cell, Name) and cell:
        return f'<code style="white-space:nowrap">{text}</code>'
    # A narrow column breaks a long name between its words.
    return _INNER_CAPITAL.sub("<wbr>", text)


def _html_group(rows: list[tuple[str, ...]]) -> Iterator[str]:
    span = f' rowspan="{len(rows)}"' if len(rows) > 1 else ""
    scope = "rowgroup" if span else "row"
    title, *_ = rows[0]
    style = _NAME_STYLE if isinstance(title, Name) else _HEADING_STYLE
    heading = f'<th scope="{scope}"{span} {style}>{_html_cell(title, space="&nbsp;")}</th>'  # on one line
    for index, row in enumerate(rows):
        cells = "".join(f"<td {_STYLE}>{_html_cell(cell)}</td>" for cell in row[1:])
        yield f"<tr>{'' if index else heading}{cells}</tr>"


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese, Japanese and Korean characters take two."""
    return sum(max(wcwidth(character), 0) for character in text)


def _widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    # Every column is as wide as its longest line; if that is too much, the widest shrinks, down to its longest word.
    lines = [[max(map(columns, cell.split("\n"))) for cell in row] for row in rows]
    words = [[max(map(columns, cell.split()), default=0) for cell in row] for row in rows]
    widths, least = ([max(column) for column in zip(*table, strict=True)] for table in (lines, words))
    room = TEXT_WIDTH - len(_INDENT) - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room and (soft := [i for i, width in enumerate(widths) if width > least[i]]):
        widths[max(soft, key=widths.__getitem__)] -= 1
    return widths


def _text_row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for index in range(max(map(len, wrapped))):
        line = [cell[index] if index < len(cell) else "" for cell in wrapped]
        padded = (text + " " * (width - columns(text)) for text, width in zip(line, widths, strict=True))
        yield (_INDENT + _GAP.join(padded)).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    return [
        line
        for part in cell.split("\n")
        for line in textwrap.wrap(part, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]
    ]
