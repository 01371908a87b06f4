"""Long tables in short: what to do comes first, and what leads there stands beside it.

show(by_next_step(play_codes(account)))
"""

import re
import textwrap
from collections import namedtuple
from collections.abc import Iterable
from typing import Any

from amazonpay_nb.lessons.faults import Repetition
from amazonpay_nb.lessons.interruptions import Interruption
from amazonpay_nb.lessons.simulations import Effect

# then: what follows the first part of the next step; simulated: every card or code that leads there with this status.
Advice = namedtuple("Advice", "next_step then call simulated status")
_FIRST_PART = re.compile(r"[.;:] ")
_HEADING = 28  # characters in a line of a row's heading, which pages do not break
# fault: every one after which the second request, with this key, did the same.
Retry = namedtuple("Retry", "key operation fault second moved done")
# what: every event with this recovery that leaves this state.
WayBack = namedtuple("WayBack", "recovery permission state what")


def by_next_step(effects: Iterable[Effect]) -> list[Advice]:
    """Return what the merchant does next, and every simulation that leads there."""
    rows = []
    for row in effects:
        first, then, *_ = [*_FIRST_PART.split(row.next_step.removesuffix("."), maxsplit=1), ""]
        status = row.answer[:3] if row.answer[:3].isdigit() else row.answer
        heading = textwrap.fill(first, _HEADING, break_long_words=False)
        rows.append(Advice(heading, then, row.call, row.simulated, status))
    return _short(rows, Advice, "simulated")


def by_key(repetitions: Iterable[Repetition]) -> list[Retry]:
    """Return what a repetition does with the same key and with a new one."""
    return _short(repetitions, Retry, "fault")


def by_recovery(interruptions: Iterable[Interruption]) -> list[WayBack]:
    """Return each recovery, and everything that makes it necessary."""
    return _short(interruptions, WayBack, "what")


def _short(rows: Iterable[Any], kind: Any, joined: str) -> list[Any]:
    # Rows that differ in nothing but *joined* become one; then the first two columns are sorted by first appearance.
    alike: dict[Any, list[str]] = {}
    for row in rows:
        short = kind(*(getattr(row, name) for name in kind._fields))
        alike.setdefault(short._replace(**{joined: ""}), []).append(getattr(row, joined))
    merged = [row._replace(**{joined: ", ".join(names)}) for row, names in alike.items()]
    first, pair = ([row[:n] for row in alike] for n in (1, 2))
    return sorted(merged, key=lambda row: (first.index(row[:1]), pair.index(row[:2])))
