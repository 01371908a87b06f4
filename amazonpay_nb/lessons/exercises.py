"""Check a reader's answer to an exercise of a chapter, or what the emulator saw of the reader's code.

    check("05-second-item", answer)      # a question
    books = Books(wb.emulator)           # code: the emulator's books as they stand now,
    ...                                  # the reader's lines,
    check("05-two-parcels", books)       # and what has come into the books since

``exercises.toml`` has a table for each exercise, ``chapters.toml`` one for each chapter.
"""

import html
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.texts import templates
from amazonpay_nb.workbench.kernel import PROGRESS, person
from amazonpay_nb.workbench.show.blocks import Foreign, Prose, Shown, mark

Ledgers = Mapping[str, list[dict[str, Any]]]  # rows by the name of their book
_BOOKS = {"journal": "exchanges", "notifications": "notifications"}  # of the control interface, with the answer's field
_BOOKS |= {f"objects/{kind.path}": "objects" for kind in KINDS.values()}
_WORDS = {"in", "same", "count", "only", "then", "hours", "say"}  # of a rule; the other names are fields
_SIGNS = {None: "○ Not tried yet.", False: "✗ Not yet.", True: "✓ Right."}
EXERCISES, CHAPTERS = (read(f"{name}.toml", beside=__file__) for name in ("exercises", "chapters"))
_PAGES = templates(Path(__file__).parent / "templates", html=False)
_PAGES.filters["prose"] = lambda text: re.sub("`(.+?)`", r"<code>\1</code>", html.escape(text, quote=False))


class Books:
    """What comes into an emulator's books from now on: exchanges, notifications, objects, and a change of the wallet.

    Attributes:
        wallet: The Charge Permission id of a new Saved Wallet, for the reader's code alone; "" without an emulator.
    """

    def __init__(self, emulator: Emulator | None) -> None:
        self.emulator, self.wallet = emulator, ""
        if emulator:
            with closing(MerchantAccount(emulator)) as account:
                self.wallet = account.wallet()
        self._before = self._all()

    def _all(self) -> dict[str, Counter[str]]:
        read = self.emulator.control.get if self.emulator else lambda path: {_BOOKS[path]: []}
        return {path.rpartition("/")[2]: Counter(map(json.dumps, read(path)[name])) for path, name in _BOOKS.items()}

    def new(self) -> Ledgers:
        """Return what is new in each book, for example in ``charges``; what an earlier run began is not new.

        Each row says as well whether it is the exercise's ``own`` wallet.
        """
        old = {_id(json.loads(row)) for rows in self._before.values() for row in rows} - {self.wallet}
        more = {name: map(json.loads, (rows - self._before[name]).elements()) for name, rows in self._all().items()}
        return {
            name: [row | {"own": _id(row) == self.wallet} for row in rows if name == "journal" or _id(row) not in old]
            for name, rows in more.items()
        }


def _id(row: Mapping[str, Any]) -> Any:
    return next(iter(row.values()))


def check(name: str, answer: Any, *, hints: int = 0) -> Shown:
    """Judge an answer, or the books after the reader's code, and remember a solved exercise.

    Args:
        answer: None, like books with nothing new, means that nobody has tried yet.
        hints: How many the text form has; with more than there are, also the answer.  A page has both folded up, in
            JupyterLab the answer not before the reader has tried.
    """
    exercise = EXERCISES[name]
    ok, words = _verdict(exercise, answer)
    if ok and name not in solved():
        # Two kernels may append at once, and a broken last line stays one of its own.
        with suppress(KeyError, OSError), Path(os.environ[PROGRESS]).open("a") as file:
            file.write(f"\n{name}\n")
    tips = [] if ok else exercise["hints"]
    answer = "" if ok or (ok is None and person()) else exercise["answer"]
    page = _PAGES.get_template("exercise.html.j2").render(sign=_SIGNS[ok], words=words, hints=tips, answer=answer)
    lines = [f"{_SIGNS[ok]} {words}", *[*tips, answer][:hints], "check(…, hints=1) has a hint." if tips else ""]
    return Shown([Foreign("", Shown([Prose(line) for line in lines if line]).text, page)])


def _verdict(exercise: Mapping[str, Any], answer: Any) -> tuple[bool | None, str]:
    books = answer.new() if isinstance(answer, Books) else {"": [{"answer": answer}]}
    if isinstance(answer, Books) and not answer.emulator:
        return None, "It needs the emulator, which shows its books."
    if answer is None or not any(books.values()):
        return None, "Fill in the cell, and run it."
    rules = [(rule, False) for rule in exercise.get("wrong", ())] + [(rule, True) for rule in exercise["right"]]
    for rule, expected in rules:
        if _holds(rule, books) is not expected:
            return False, rule.get("say", exercise["again"])
    return True, exercise["answer"]


def _holds(rule: Mapping[str, Any], books: Ledgers) -> bool:
    rows = books[rule.get("in", "")]
    hits = _hits(rows, rule)
    number = max(Counter(row.get(rule.get("same", "")) for row in hits).values(), default=0)
    if rule.get("only") and len(hits) < len(rows):
        return False
    return _fits(number, rule["count"]) if "count" in rule else number > 0


def _hits(rows: list[Any], pattern: Mapping[str, Any]) -> list[Any]:
    fields = {name: value for name, value in pattern.items() if name not in _WORDS}
    return [row for place, row in enumerate(rows) if _fits(row, fields) and _goes_on(row, rows[place + 1 :], pattern)]


def _goes_on(row: Any, later: list[Any], pattern: Mapping[str, Any]) -> bool:
    ends = [end for end in later if _fits(end, pattern["then"])] if "then" in pattern else [row]
    if "hours" not in pattern:
        return bool(ends)
    start = datetime.fromisoformat(row.get("creationTimestamp") or row["at"])
    times = [end["statusDetails"]["lastUpdatedTimestamp"] if "statusDetails" in end else end["at"] for end in ends]
    return any(datetime.fromisoformat(time) - start >= timedelta(hours=pattern["hours"]) for time in times)


def _fits(thing: Any, pattern: Any) -> bool:
    match thing, pattern:
        case _, list():
            return any(_fits(thing, one) for one in pattern)
        case list(), dict():
            return bool(_hits(thing, pattern))
        case dict(), dict():
            return all(_fits(thing.get(name), value) for name, value in pattern.items())
    return _plain(thing) == _plain(pattern)


def _plain(value: Any) -> str | Decimal:
    text = ""  # as long as Python does not write a number of so many digits
    with suppress(InvalidOperation, ValueError):
        text = str(value).strip(" .\"'$").casefold().removesuffix(" usd")
        if (number := Decimal(text)).is_finite():  # what is no number equals nothing, or cannot be compared
            return number
    return text


def solved() -> set[str]:
    """Return the solved exercises; a missing or broken file remembers none."""
    with suppress(KeyError, OSError):
        return EXERCISES.keys() & Path(os.environ[PROGRESS]).read_text(errors="replace").split()
    return set()


def progress() -> Shown:
    """Return how many exercises of each chapter are solved, with links; where nothing is remembered, a sentence."""
    if PROGRESS not in os.environ:
        return Shown([Prose("Start with amazonpay-nb lab, and this cell counts the exercises that you have solved.")])
    rows = []
    for file, chapter in CHAPTERS.items():
        names = {name for name in EXERCISES if name[:2] == file[:2]}
        left = names - solved()
        words = f"{len(names - left)} of {len(names)} solved {mark(True) * (not left and bool(names))}"
        rows.append((file, f"{file[:2]} {chapter['title']}", words.strip()))
    text = "\n".join(f"{title}: {words}" for _, title, words in rows)
    return Shown([Foreign("", text, _PAGES.get_template("progress.html.j2").render(rows=rows))])
