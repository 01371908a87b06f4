"""What probes are: a few calls each, with what we claim about the answers; the rows are in the folder ``spec/probes``.

A probe knows nothing of the emulator's tables: its paths, values and claims are written out, as Amazon would see them.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pydantic_core import to_jsonable_python

from amazonpay_nb.spec.data import DataError, as_kind, data_row, read

_NAME = re.compile(r"\$(\w+)")
_TIME = re.compile(r"\d{8}T\d{6}Z|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_ORDER = re.compile(r"\b([A-Z]\d\d)-(\d{7}-\d{7})(?:-([A-Z])(\d{6}))?\b")
ABSENT, NULL = "absent", "null"


@data_row
class Visit:
    """A buyer's way through Amazon's pages; ``probes/index.toml`` describes the fields."""

    payload: dict[str, Any]
    person: str
    product: str = "PayOnly"
    ending: str = "approve"
    choices: dict[str, Any] = field(default_factory=dict)


@data_row
class Step:
    """One call, or one visit; ``probes/index.toml`` describes the fields."""

    send: str = ""
    visit: Visit | None = None
    body: Any = None
    raw: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    algorithm: str = ""
    key_id: str = ""
    query: str = ""
    key: str = ""
    code: str = ""
    wait: int = 0
    times: int = 1
    keep: dict[str, str] = field(default_factory=dict)
    shows: dict[str, dict[str, Any]] = field(default_factory=dict)


@data_row
class Probe:
    """A few steps, in order; ``probes/index.toml`` describes the fields."""

    id: str
    says: str
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    regions: tuple[str, ...] = ("na", "eu", "jp")
    steps: tuple[Step, ...]

    @property
    def claims(self) -> tuple[str, ...]:
        """The ids of the registry that it can confirm, in the order of its steps."""
        return tuple(dict.fromkeys(claim for step in self.steps for claim in step.shows))

    @property
    def edition(self) -> str:
        """A text that changes with the probe: an answer to an older edition answers another question."""
        return hashlib.sha256(json.dumps(to_jsonable_python(self), sort_keys=True).encode()).hexdigest()[:12]


@cache
def probes() -> Mapping[str, Probe]:
    """Return every probe by its id, in the order in which they are run.

    Raises:
        DataError: Two have one id, or a key is misspelled.
    """
    rows: dict[str, Probe] = {}
    for name in read("probes/index.toml")["files"]:
        table = {key: {"id": key} | row for key, row in read(f"probes/{name}.toml").items()}
        if twice := rows.keys() & table:
            raise DataError(f"probes/{name}.toml: there are two probes {min(twice)!r}")
        rows |= as_kind(f"probes/{name}.toml", table, dict[str, Probe])
    return rows


def giver(name: str) -> Probe:
    """Return the probe that makes a shared object.

    Raises:
        StopIteration: None does.
    """
    return next(probe for probe in probes().values() if name in probe.gives)


def needs_buyer(probe: Probe) -> bool:
    """Tell whether somebody has to play the buyer, for the probe itself or for what it needs."""
    return any(step.visit for step in probe.steps) or any(needs_buyer(giver(name)) for name in probe.needs)


def values(region: str) -> dict[str, str]:
    """Return the texts that ``$name`` stands for in a region: a currency, amounts around its limits."""
    return dict(read("probes/index.toml")["values"][region])


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """Return a copy of *value* in which each ``$name`` is replaced; ``$x50`` are fifty letters.

    Raises:
        KeyError: Nothing has this name, because an earlier answer did not bring it.
    """
    if isinstance(value, str):
        return _NAME.sub(lambda found: names.get(found[1]) or _many(found[1]), value)
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    return [filled(item, names) for item in value] if isinstance(value, list | tuple) else value


def _many(name: str) -> str:
    if not re.fullmatch(r"x\d+", name):
        raise KeyError(name)
    return "x" * int(name[1:])


def at(answer: Any, path: str) -> Any:
    """Return the value at a dotted path: ``*`` gives every item of a list, ``fields`` the names of an object's fields.

    What is not there is `ABSENT`, and a null is `NULL`, since both are claimed about.
    """
    for name in path.split(".") if path else ():
        if name == "fields" and isinstance(answer, dict):
            answer = ", ".join(sorted(answer))
        elif isinstance(answer, list) and name == "*":
            rest = path.partition("*.")[2]
            return ", ".join(str(at(item, rest)) for item in answer)
        elif isinstance(answer, list) and name.isdecimal() and int(name) < len(answer):
            answer = answer[int(name)]
        else:
            answer = answer.get(name, ABSENT) if isinstance(answer, dict) else ABSENT
    return NULL if answer is None else answer


class Stable:
    """Writes what differs from run to run in a form that does not: ids numbered, times relative, known texts by name.

    Args:
        names: Texts to be written by their names: amounts, and the account's own ids.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {text: f"${name}" for name, text in names.items() if text}
        self._numbers: dict[str, int] = {}

    def __call__(self, value: Any, created: str | None = None) -> Any:
        """Return a stable copy; the time of *created* is that of the object that *value* belongs to."""
        if isinstance(value, Mapping):
            created = value.get("creationTimestamp") or created
            return {key: self(item, created) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self(item, created) for item in value]
        return self._text(value, created) if isinstance(value, str) else value

    def _text(self, text: str, created: str | None) -> str:
        if text in self._names:
            return self._names[text]
        text = _ORDER.sub(self._order, text)
        text = _UUID.sub(lambda found: f"00000000-0000-4000-8000-{self._number(found[0].lower()):012}", text)
        for whole, name in self._names.items():
            text = text.replace(whole, name) if len(whole) > 10 else text  # ids; an amount could be part of anything
        return _TIME.sub(lambda found: _after(found[0], created), text)

    def _order(self, found: re.Match[str]) -> str:
        order = f"{found[1]}-{self._number(found[2]):07}-0000000"
        return f"{order}-{found[3]}{self._number(found[0]):06}" if found[3] else order

    def _number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)


def _after(time: str, created: str | None) -> str:
    """Return a time as what has passed since *created*, coarsely: an answer may take seconds, a month has no length."""
    try:
        passed = datetime.fromisoformat(time) - datetime.fromisoformat(created or "")
    except ValueError:
        return "(a time)"
    hours = round(passed / timedelta(hours=1))
    if hours < 48:
        return f"(created + {hours} hours)"
    days = round(hours / 24)
    return f"(created + {days} days)" if days < 360 else f"(created + {round(days / 30.44)} months)"


def looked_at(
    step: Step, answer: Mapping[str, Any], stable: Stable, names: Mapping[str, str]
) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield, for each claim of a step, its id, the path, what we claim, and what the answer shows, both stable.

    A claim that begins with ``~`` is a pattern: what fits it is shown as the pattern itself.
    """
    for claim, expected in step.shows.items():
        for path, value in expected.items():
            seen = at(answer, path if path.split(".")[0] in ("status", "headers") else f"body.{path}")
            if isinstance(value, str) and value.startswith("~"):
                pattern = filled(value, names)
                fits = seen not in (ABSENT, NULL) and re.fullmatch(pattern[1:], str(seen), re.DOTALL)
                yield claim, path, value, value if fits else stable(seen)
            else:
                created = at(answer, "body.creationTimestamp")
                yield claim, path, stable(filled(value, names)), stable(seen, created)
