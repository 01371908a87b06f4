"""Two small pictures, each as SVG and as text: where an object stands in its life, and amounts as bars.

They take their colours from the page around them, so a light and a dark theme both fit, and need neither network nor
script.  The text says the same, for a terminal and for a screen reader.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from amazonpay_nb.spec.machine import NEW, Machine, Transition

__all__ = ["Bar", "Bars", "StateMap"]

# Both are readable on white and on black.
_HERE, _WAY = "#1a7f37", "#3b82f6"
_FONT = 'font-family="system-ui,sans-serif" font-size="13"'
_ROW, _BOX, _BOX_WIDTH, _LEFT, _WIDTH = 40, 28, 190, 115, 760  # pixels
_LABEL, _BAR, _BARS = 76, 110, 370  # pixels: as wide as a narrow window
_NOTE = 62  # characters that fit beside a box
_FULL, _EMPTY, _CELLS = "█", "░", 20


@dataclass(frozen=True, slots=True, repr=False)
class StateMap:
    """The states of a machine from top to bottom, with "you are here" and the ways out of there.

    Attributes:
        here: The state that the object is in; `NEW` for one that does not exist yet.
    """

    machine: Machine
    here: str = NEW

    def __repr__(self) -> str:
        width = max(map(len, self._states))
        lines = [f"{'●' if state == self.here else ' '} {state:{width}}  {self._note(state)}" for state in self._states]
        return "\n".join(["", *map(str.rstrip, lines)])

    def _repr_html_(self) -> str:
        rows = {state: _ROW * index + _ROW // 2 for index, state in enumerate(self._states)}
        height = _ROW * len(rows)
        title = f"{self.machine.name}: you are at {self.here}"
        parts = [
            *_opening(title, repr(self), _WIDTH, height),
            *(self._arc(rows[s], rows[t], s == self.here) for s, t in self._ways if s != self.here),
            *(self._arc(rows[s], rows[t], s == self.here) for s, t in self._ways if s == self.here),
            *(part for state, y in rows.items() for part in self._box(state, y)),
        ]
        return "\n".join([*parts, "</svg>"])

    @property
    def _states(self) -> tuple[str, ...]:
        return (NEW, *self.machine.states)

    @property
    def _ways(self) -> dict[tuple[str, str], list[Transition]]:
        ways: dict[tuple[str, str], list[Transition]] = {}
        for row in self.machine.rows:
            if row.source != row.target:
                ways.setdefault((row.source, row.target), []).append(row)
        return ways

    def _note(self, state: str) -> str:
        """Say how one gets there from here."""
        if state == self.here:
            return "← you are here"
        rows = self._ways.get((self.here, state), [])
        ways = [f"{row.trigger} ({row.actor})" for row in rows]
        return ", ".join(ways) if len(", ".join(ways)) <= _NOTE else f"{ways[0]}, and {len(ways) - 1} more"

    def _box(self, state: str, y: int) -> Iterator[str]:
        here, reached = state == self.here, (self.here, state) in self._ways
        colour = _HERE if here else _WAY if reached else "currentColor"
        line = f'stroke="{colour}" stroke-width="{3 if here else 1.5}"'
        faint = "" if here or reached else ' opacity="0.6"'
        size = f'x="{_LEFT}" y="{y - _BOX // 2}" width="{_BOX_WIDTH}" height="{_BOX}"'
        yield f'<g{faint}><rect {size} rx="7" fill="none" {line}/>'
        weight = ' font-weight="700"' if here else ""
        name = f"● {state}" if here else state
        place = f'x="{_LEFT + _BOX_WIDTH // 2}" y="{y + 5}" text-anchor="middle" fill="currentColor"'
        yield f"<text {place}{weight}>{name}</text></g>"
        if note := self._note(state):
            yield f'<text x="{_LEFT + _BOX_WIDTH + 14}" y="{y + 5}" fill="currentColor">{escape(note)}</text>'

    @staticmethod
    def _arc(start: int, end: int, bold: bool) -> str:
        # To the left of the boxes, the further the longer; it leaves a little lower than others arrive.
        span = abs(end - start) // _ROW
        reach, colour = _LEFT - 12 - 22 * span, _WAY if bold else "currentColor"
        start, end = start + 6, end - 5
        return (
            f'<g fill="none" stroke="{colour}" stroke-width="{2 if bold else 1}" opacity="{1 if bold else 0.4}">'
            f'<path d="M{_LEFT} {start}C{reach} {start} {reach} {end} {_LEFT - 7} {end}"/>'
            f'<path d="M{_LEFT} {end}l-9 -4v8z" fill="{colour}"/></g>'
        )


@dataclass(frozen=True, slots=True)
class Bar:
    """One amount: what it is called, how long the bar is, and the amount in words."""

    label: str
    amount: Decimal
    full: Decimal
    words: str

    @property
    def share(self) -> float:
        """How much of the whole it is, from 0 to 1."""
        return float(min(max(self.amount / self.full, Decimal(0)), Decimal(1))) if self.full else 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Bars:
    """Amounts as bars, under a title."""

    title: str
    bars: Sequence[Bar]

    def __repr__(self) -> str:
        width = max(len(bar.label) for bar in self.bars)
        lines = (f"  {bar.label:{width}}  {_blocks(bar.share)}  {bar.words}" for bar in self.bars)
        return "\n".join([self.title, *lines])

    def _repr_html_(self) -> str:
        height = 26 * len(self.bars)
        rows = (part for index, bar in enumerate(self.bars) for part in _bar(bar, 26 * index))
        parts = [
            f"<p><b>{escape(self.title)}</b></p>",
            *_opening(self.title, repr(self), _BARS, height),
            *rows,
            "</svg>",
        ]
        return "\n".join(parts)


def _opening(title: str, description: str, width: int, height: int) -> Iterator[str]:
    size = f'viewBox="0 0 {width} {height}" width="{width}" style="max-width:100%;height:auto"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {_FONT}>'
    yield f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"


def _blocks(share: float) -> str:
    full = round(share * _CELLS)
    return _FULL * full + _EMPTY * (_CELLS - full)


def _bar(bar: Bar, top: int) -> Iterator[str]:
    frame = f'x="{_LABEL + 8}" y="{top + 5}" height="14" rx="3"'
    yield f'<text x="{_LABEL}" y="{top + 17}" text-anchor="end" fill="currentColor">{escape(bar.label)}</text>'
    yield f'<rect {frame} width="{_BAR}" fill="currentColor" opacity="0.15"/>'
    yield f'<rect {frame} width="{round(_BAR * bar.share)}" fill="{_WAY}"/>'
    words = f'x="{_LABEL + _BAR + 20}" y="{top + 17}" fill="currentColor"'
    yield f"<text {words}>{escape(bar.words)}</text>"
