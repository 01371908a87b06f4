"""Two pictures, each as SVG and as text: a sequence diagram, and the map of an object's states.

The SVG needs no network and no script, and holds no ``id``, so several pictures fit on one page.  Shapes repeat what
colors say: a failure has a cross.  The text says the same for terminals and screen readers.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup
from wcwidth import width as columns

from amazonpay_nb.client.exchange import Exchange, Step
from amazonpay_nb.client.journal import AMAZON_PAY_API, PARTICIPANTS, SHOP_SERVER, Journal
from amazonpay_nb.spec.machine import NEW, Machine
from amazonpay_nb.workbench.show.blocks import Foreign, render

_MOST_LINES = 3
_UUID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_AMAZON_ID = re.compile(r"\b([A-Z]\d{2})-\d{7}(?:-\d{7})?-([A-Z]\d{6}|\d{7})\b")
_NOT_XML = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Message:
    """One arrow; a *reply* answers the message before it and has no number of its own."""

    source: str
    target: str
    text: str
    reply: bool = False
    failed: bool = False


@dataclass(frozen=True, repr=False)
class SequenceDiagram:
    """Messages from top to bottom, between participants from left to right.

    Attributes:
        old: How many messages an earlier picture has shown: those are paler.
        say: Returns a name, or words, in the language of the picture; requests and answers are the same in each.
    """

    participants: Sequence[str]
    messages: Sequence[Message]
    old: int = 0
    say: Callable[[str], str] = field(default_factory=lambda: str)

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text(), "image/svg+xml": self.svg()}

    def text(self) -> str:
        """Return one numbered line for each message, with its replies indented below."""
        return self._filled("txt", safe=lambda text: Markup(self._line(text)))  # noqa: S704 (plain text)

    def svg(self) -> str:
        """Return a self-contained SVG document; the same messages always give the same text."""
        return self._filled("svg", text=self.text(), one_line=self._line, wrap=_wrap, columns=columns)

    def _line(self, text: str) -> str:
        return _one_line(self.say(text))

    def _filled(self, form: str, **more: Any) -> str:
        numbers = accumulate(int(not message.reply) for message in self.messages)
        messages = list(zip(numbers, self.messages, strict=True))
        return render(f"sequence.{form}.j2", names=list(self.participants), messages=messages, old=self.old, **more)


def sequence_diagram(journal: Journal, *, seen: int = 0, say: Callable[[str], str] = str) -> SequenceDiagram:
    """Return a run as a sequence diagram of its participants.

    Args:
        seen: How many entries of the journal an earlier picture has shown; what is new since then stands out.
        say: See `SequenceDiagram`.
    """
    entries = [[*_messages(entry, say("(attempt {number})"))] for entry in journal]
    messages, old = [*chain.from_iterable(entries)], sum(map(len, entries[:seen]))
    present = dict.fromkeys(name for m in messages for name in (m.source, m.target))
    return SequenceDiagram(tuple(sorted(present, key=[*PARTICIPANTS, *present].index)), tuple(messages), old, say)


def _messages(entry: Exchange | Step, attempt: str) -> Iterator[Message]:
    if isinstance(entry, Step):
        yield Message(entry.source, entry.target, entry.text)
        return
    again = f" {attempt.format(number=entry.attempt)}" if entry.attempt > 1 else ""
    yield Message(SHOP_SERVER, AMAZON_PAY_API, f"{entry.method} {entry.path}{again}")
    yield Message(AMAZON_PAY_API, SHOP_SERVER, entry.answer, reply=True, failed=entry.failed)


def _one_line(text: str) -> str:
    """Return a text that XML may hold, with as much of each id as tells it from others."""
    return _AMAZON_ID.sub(r"\1-…-\2", _UUID.sub(r"\1…", _NOT_XML.sub("", " ".join(text.split()))))


def _wrap(text: str, limit: int, *, lines: int = _MOST_LINES) -> list[str]:
    """Return at most *lines* lines of at most *limit* columns, cut where it can be read."""
    wrapped: list[str] = []
    while columns(text) > limit and len(wrapped) < lines - 1:
        end = _break(text, _fitting(text, limit))
        wrapped.append(text[:end].rstrip())
        text = text[end:].lstrip()
    if columns(text) > limit:
        text = text[: _fitting(text, limit - 1)].rstrip() + "…"
    return [*wrapped, text]


def _break(text: str, end: int) -> int:
    # Between words or the parts of a path is best, inside an identifier second; a very short line looks torn.
    words = max(text.rfind(" ", 1, end + 1), text.rfind("/", 1, end + 1), text.rfind("=", 0, end) + 1)
    return next((cut for cut in (words, text.rfind("-", 0, end) + 1) if cut > end // 3), end)


def _fitting(text: str, limit: int) -> int:
    return max(1, sum(width <= limit for width in accumulate(map(columns, text))))


MAPS = Path(__file__).with_name("maps.json")  # written by docs/maps.py, whenever a state or a way is new
BOX, LABEL_LINE = (180, 40), 15  # pixels: a state, and a line of a label
_LAYOUT: dict[str, Any] = json.loads(MAPS.read_text("utf-8"))
_LABEL = 24  # columns of a line of a label


def state_map(machine: Machine, here: str = "", walked: Sequence[str] = ()) -> Foreign:
    """Draw the states of a machine and the ways between them, each with what takes an object there.

    Args:
        here: The state that the object is in, `NEW` for one that does not exist yet, "" for no object.
        walked: The states that answers have shown of it, in order; in between it took the shortest way.
    """
    steps = list(chain.from_iterable(_way(machine, *pair) for pair in pairwise([NEW, *walked] if walked else [])))
    passed = {source for source, _ in steps} - {here}
    labels, notes = ways(machine), dict.fromkeys((NEW, *machine.states), "")
    for (source, target), words in labels.items():
        if source == here:
            notes[target] = " ".join(words)
        elif not here:  # the whole map, for those who listen to it
            notes[source] += f"→ {target}: {' '.join(words)}. "
    notes |= {here: "← you are here"} if here else {}
    width = max(map(len, notes))
    signs = {here: "●", **dict.fromkeys(passed, "✓")}
    text = "".join(f"\n{signs.get(state, ' ')} {state:{width}}  {note}".rstrip() for state, note in notes.items())
    title = f"{machine.name}: you are at {here}" if here else f"The states of a {machine.name}"
    values = {"title": title, "text": text, "here": here, "passed": passed, "steps": steps, "labels": labels}
    return Foreign("", text, render("states.svg.j2", box=BOX, line=LABEL_LINE, **values, **_LAYOUT[machine.name]))


def ways(machine: Machine) -> dict[tuple[str, str], list[str]]:
    """Return what leads from each state to each other one, as the lines of a label: what happens, and who does it."""
    labels = {}
    for pair in dict.fromkeys((row.source, row.target) for row in machine.rows if row.source != row.target):
        first, *more = (f"{row.trigger} ({row.actor})" for row in machine.rows if (row.source, row.target) == pair)
        labels[pair] = [*_wrap(first, _LABEL), *([f"and {len(more)} more"] if more else [])]
    return labels


def _way(machine: Machine, source: str, target: str) -> list[tuple[str, str]]:
    """Return the shortest way from one state to another as steps; nothing where there is none."""
    ends: dict[str, list[tuple[str, str]]] = {source: []}
    for state in (queue := [source]):
        for row in machine.rows:
            if row.source == state and row.target not in ends:
                ends[row.target] = [*ends[state], (state, row.target)]
                queue.append(row.target)
    return ends.get(target, [])
