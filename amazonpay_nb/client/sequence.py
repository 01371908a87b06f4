"""A sequence diagram as plain text, as a self-contained SVG picture, and as Mermaid source.

The picture carries its own light card, needs no network and no script, and holds no ``id``: several diagrams can
stand in one page without touching each other. What colour says, a shape says too: a failure has a cross.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["Message", "SequenceDiagram"]

_NOTHING = "Nothing has happened yet."

# Sizes in pixels. The gap between lifelines adapts, so that few participants get wide labels and many still fit.
_MARGIN, _HEAD, _LINE, _BADGE = 24, 38, 17, 11
_WIDE, _NARROWEST, _WIDEST = 780, 190, 420
_CHARACTER = 6.8  # mean advance of a 13 px system font
_MOST_LINES = 3

_INK, _MUTED, _FAILED, _ACCENT, _LIFELINE = "#1f2328", "#57606a", "#c5221f", "#0b57d0", "#c4ccd4"
# Fill and border by whose side a participant is on; the name in the box says the same.
_TINTS = {"Buyer": ("#e6f4ea", "#7fb892"), "Shop": ("#e8f0fe", "#8ab0ea"), "Amazon": ("#fff3dc", "#dfae52")}
_NO_TINT = ("#f3f5f8", "#aeb7c2")

_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_STYLE = f'font-family="{_FONTS}" font-size="13" style="max-width:100%;height:auto"'

_NOT_XML = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Mermaid reads these as markup, comment or end of statement; #name; and #number; are its escapes.
_MERMAID = str.maketrans({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", '"': "#quot;", "&": "#amp;", "%": "#37;"})


@dataclass(frozen=True)
class Message:
    """One arrow; a *reply* answers the message before it and has no number of its own."""

    source: str
    target: str
    text: str
    reply: bool = False
    failed: bool = False


@dataclass(frozen=True, repr=False)
class SequenceDiagram:
    """Messages between participants, in order.

    Args:
        participants: Names from left to right.
        messages: Arrows from top to bottom.
    Raises:
        ValueError: A message names someone who is not a participant.
    """

    participants: Sequence[str]
    messages: Sequence[Message]

    def __post_init__(self) -> None:
        strangers = {name for m in self.messages for name in (m.source, m.target)} - set(self.participants)
        if strangers:
            raise ValueError(f"not among the participants: {', '.join(sorted(strangers))}")

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text(), "image/svg+xml": self.svg()}

    def text(self) -> str:
        """Return one numbered line for each message, with its replies indented below."""
        lines = []
        for number, message in self._numbered():
            label = ("✗ " if message.failed else "") + _one_line(message.text)
            ends = f"{_one_line(message.source)} → {_one_line(message.target)}"
            lines.append(f"   ← {label}" if message.reply else f"{number}. {ends}: {label}")
        return "\n".join(lines) or _NOTHING

    def mermaid(self) -> str:
        """Return the diagram as the text of a Mermaid ``sequenceDiagram``, with the same numbers."""
        alias = {name: f"p{index}" for index, name in enumerate(self.participants, start=1)}
        lines = ["sequenceDiagram"]
        lines += [f"    participant {alias[name]} as {_mermaid(name)}" for name in self.participants]
        for number, message in self._numbered():
            arrow = ("--" if message.reply else "-") + ("x" if message.failed else ">>")
            label = _mermaid(message.text) if message.reply else f"{number}. {_mermaid(message.text)}"
            lines.append(f"    {alias[message.source]}{arrow}{alias[message.target]}: {label}")
        return "\n".join(lines)

    def svg(self) -> str:
        """Return a self-contained SVG document; the same messages always give the same text."""
        gap = min(_WIDEST, max(_NARROWEST, _WIDE // max(1, len(self.participants) - 1)))
        box = min(gap - 20, 170)
        lifelines = {name: _MARGIN + box // 2 + index * gap for index, name in enumerate(self.participants)}
        width = max(340, 2 * _MARGIN + box + gap * max(0, len(self.participants) - 1))
        if any(m.source == m.target == self.participants[-1] for m in self.messages):
            width += gap // 2  # its label stands to the right of the last lifeline

        arrows: list[str] = []
        y = _MARGIN + _HEAD + 10
        for number, message in self._numbered():
            start, end = lifelines[message.source], lifelines[message.target]
            room = abs(end - start) or min(gap, width - start)
            label = _wrap(_one_line(message.text), int((room - 3 * _BADGE) / _CHARACTER))
            y += _LINE * len(label) + (16 if message.reply else 26)
            arrows += _arrow(message, number, label, start, end, y)
            if start == end:
                y += 16  # the loop of a message to oneself comes back lower
        feet = y + 26
        height = feet + _HEAD + _MARGIN if self.messages else 2 * _MARGIN + _HEAD

        people = ", ".join(_one_line(name) for name in self.participants)
        size = f'width="{width}" height="{height}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {_STYLE} {size} viewBox="0 0 {width} {height}">',
            f"<title>{escape(f'Sequence diagram: {people}' if people else 'Sequence diagram')}</title>",
            f"<desc>{escape(self.text())}</desc>",
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="12" fill="#fff" stroke="#d8dee4"/>',
        ]
        if self.messages:
            for name, x in lifelines.items():
                parts += _lifeline(name, x, box, _MARGIN, feet)
            parts += arrows
        else:
            parts.append(f'<text x="{_MARGIN}" y="{height // 2 + 4}" fill="{_MUTED}">{_NOTHING}</text>')
        return "\n".join([*parts, "</svg>"])

    def _numbered(self) -> Iterator[tuple[int, Message]]:
        number = 0
        for message in self.messages:
            number += not message.reply
            yield number, message


def _lifeline(name: str, x: int, box: int, top: int, feet: int) -> Iterator[str]:
    # A box at both ends: in a long diagram the upper one has scrolled away.
    words = _one_line(name)
    fill, border = _TINTS.get(words.partition(" ")[0], _NO_TINT)
    yield f'<line x1="{x}" y1="{top + _HEAD}" x2="{x}" y2="{feet}" stroke="{_LIFELINE}" stroke-width="1.5"/>'
    for y in (top, feet):
        yield (
            f'<rect x="{x - box // 2}" y="{y}" width="{box}" height="{_HEAD}" rx="8" fill="{fill}" stroke="{border}"/>'
            f'<text x="{x}" y="{y + _HEAD // 2 + 5}" text-anchor="middle" font-weight="600" fill="{_INK}">'
            f"{escape(_wrap(words, int(box / _CHARACTER) - 2, lines=1)[0])}</text>"
        )


def _arrow(message: Message, number: int, label: list[str], start: int, end: int, y: int) -> Iterator[str]:
    colour = _FAILED if message.failed else _MUTED if message.reply else _INK
    dashes = ' stroke-dasharray="5 4"' if message.reply else ""
    itself = start == end
    way = -1 if end < start else 1
    # The arrow comes back to its own lifeline from the right; otherwise it arrives from where it started.
    path = f"M{start} {y}h40v16H{end + 8}" if itself else f"M{start} {y}H{end - 8 * way}"
    tip_y, tip_way = (y + 16, -1) if itself else (y, way)
    middle = start + 40 if itself else (start + end) // 2

    yield f"<g><title>{escape(_one_line(message.text))}</title>"
    yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>'
    yield f'<path d="M{end} {tip_y}l{-10 * tip_way} -5v10z" fill="{colour}"/>'
    for index, line in enumerate(reversed(label)):
        # The white outline keeps a label readable where it crosses a lifeline.
        yield (
            f'<text x="{start + 16 if itself else middle}" y="{y - 8 - index * _LINE}" fill="{colour}" '
            f'text-anchor="{"start" if itself else "middle"}" paint-order="stroke" stroke="#fff" stroke-width="5" '
            f'stroke-linejoin="round">{escape(line)}</text>'
        )
    if message.failed:
        cross = start if message.reply else start + 28 * way
        yield f'<circle cx="{cross}" cy="{y}" r="8" fill="#fff" stroke="{_FAILED}" stroke-width="1.6"/>'
        yield f'<path d="M{cross - 3} {y - 3}l6 6m0 -6l-6 6" stroke="{_FAILED}" stroke-width="2" fill="none"/>'
    if not message.reply:
        yield f'<circle cx="{start}" cy="{y}" r="{_BADGE}" fill="{_FAILED if message.failed else _ACCENT}"/>'
        yield (
            f'<text x="{start}" y="{y + 4}" text-anchor="middle" font-size="11" font-weight="600" fill="#fff">'
            f"{number}</text>"
        )
    yield "</g>"


def _one_line(text: str) -> str:
    return _NOT_XML.sub("", " ".join(text.split()))


def _mermaid(text: str) -> str:
    return _one_line(text).translate(_MERMAID)


def _wrap(text: str, limit: int, *, lines: int = _MOST_LINES) -> list[str]:
    """Return at most *lines* lines of at most *limit* columns, cut where it can be read."""
    wrapped: list[str] = []
    while text and len(wrapped) < lines:
        end = _fitting(text, limit)
        if end < len(text) and len(wrapped) == lines - 1:
            return [*wrapped, text[: _fitting(text, limit - 1)].rstrip() + "…"]
        if end < len(text):
            end = _break(text, end)
        wrapped.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return wrapped or [""]


def _break(text: str, end: int) -> int:
    # Between words or the parts of a path is best, inside an identifier second; a very short line looks torn.
    words = max(text.rfind(" ", 1, end + 1), text.rfind("/", 1, end + 1), text.rfind("=", 0, end) + 1)
    return next((cut for cut in (words, text.rfind("-", 0, end) + 1) if cut > end // 3), end)


def _fitting(text: str, limit: int) -> int:
    # Chinese, Japanese and Korean characters are two columns wide.
    columns = 0
    for index, character in enumerate(text):
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns > limit:
            return max(1, index)
    return len(text)
