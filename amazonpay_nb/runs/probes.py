"""What probes are: a few calls each, with what we claim about the answers; the rows are in the folder ``spec/probes``.

A probe knows nothing of the emulator's tables: its paths, values and claims are written out, as Amazon would see them.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.data import DataError, as_kind, data_row, read

ABSENT, NULL = "absent", "null"
_NAME = re.compile(r"\$(\w+)")
_TIME = re.compile(r"\d{8}T\d{6}Z")
# UUIDs, and the parts of S01-1234567-7654321-C123456 that belong to an object.
_ID = re.compile(
    r"\b[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}\b|(?<=[A-Z]\d\d-)\d{7}-\d{7}\b|(?<=\d-[A-Z])\d{6}\b"
)


@data_row
class Step:
    """One call, or one visit; ``probes/index.toml`` describes the fields of these rows."""

    send: str = ""
    visit: dict[str, Any] = field(default_factory=dict)
    product: str = "PayOnly"
    person: str = ""
    ending: str = "approve"
    choices: dict[str, Any] = field(default_factory=dict)
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
    """A few steps, in order."""

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
        """A text that changes with the probe: what was answered to another edition answers another question."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    @property
    def needs_buyer(self) -> bool:
        """Whether somebody has to play the buyer, for the probe itself or for what it needs."""
        return any(step.visit for step in self.steps) or any(giver(name).needs_buyer for name in self.needs)


@cache
def probes() -> Mapping[str, Probe]:
    """Return every probe by its id, in the order in which they are run."""
    rows: dict[str, Probe] = {}
    for name in read("probes/index.toml")["files"]:
        table = {key: {"id": key} | row for key, row in read(f"probes/{name}.toml").items()}
        if twice := rows.keys() & table:
            raise DataError(f"probes/{name}.toml: there are two probes {min(twice)!r}")
        rows |= as_kind(f"probes/{name}.toml", table, dict[str, Probe])
    return rows


def giver(name: str) -> Probe:
    """Return the probe that makes an object which others need."""
    return next(probe for probe in probes().values() if name in probe.gives)


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """Return a copy of *value* with a text for each ``$name``, or raise KeyError; ``$x50`` are fifty letters."""
    if isinstance(value, str):
        return _NAME.sub(lambda found: _many(found[1]) or names[found[1]], value)
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    return [filled(item, names) for item in value] if isinstance(value, list | tuple) else value


def _many(name: str) -> str:
    return "x" * int(name[1:]) if re.fullmatch(r"x\d+", name) else ""


def at(answer: Any, path: str) -> Any:
    """Return the value at a dotted path, `ABSENT` where there is none, and `NULL` for null: both are claimed about.

    Args:
        path: ``*`` stands for every item of a list, ``fields`` for the names of an object's fields.
    """
    name, _, rest = path.partition(".")
    if not path:
        return NULL if answer is None else answer
    if name == "*" and isinstance(answer, list):
        return ", ".join(str(at(item, rest)) for item in answer)
    if name == "fields" and isinstance(answer, dict):
        return ", ".join(sorted(answer))
    if isinstance(answer, list):
        answer = {str(index): item for index, item in enumerate(answer)}
    return at(answer[name], rest) if isinstance(answer, dict) and name in answer else ABSENT


class Stable:
    """Writes what differs from run to run in a form that does not: ids numbered, times relative, *names* for texts."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names, self._numbers = dict[str, str](), dict[str, int]()
        self.learn(names)

    def learn(self, names: Mapping[str, str]) -> None:
        """Write further texts by their names."""
        self._names |= {text: f"${name}" for name, text in names.items()}

    def __call__(self, value: Any, created: str = "") -> Any:
        """Return a stable copy; *created* is the time of the object that *value* is a part of."""
        if isinstance(value, Mapping):
            created = value.get("creationTimestamp") or created
            return {key: self(item, created) for key, item in value.items()}
        if isinstance(value, list):
            return [self(item, created) for item in value]
        if not isinstance(value, str) or value in self._names:
            return self._names.get(value, value)
        for text, name in self._names.items():
            value = value.replace(text, name) if len(text) > 10 else value  # an amount could be part of anything
        return _TIME.sub(lambda found: _after(found[0], created), _ID.sub(self._numbered, value))

    def _numbered(self, found: re.Match[str]) -> str:
        number = str(self._numbers.setdefault(found[0].lower(), len(self._numbers) + 1))
        return re.sub(r"[\da-fA-F]", "0", found[0])[: -len(number)] + number


def _after(time: str, created: str) -> str:
    """Return a time as what has passed since *created*, coarsely: an answer takes seconds, and months differ."""
    try:
        hours = round((datetime.fromisoformat(time) - datetime.fromisoformat(created)) / timedelta(hours=1))
    except ValueError:
        return "(a time)"
    days, months = round(hours / 24), round(hours / 730.5)
    passed = f"{months} months" if months > 11 else f"{days} days" if hours > 48 else f"{hours} hours"
    return f"(created + {passed})"


def looked_at(step: Step, answer: Any, stable: Stable, names: Mapping[str, str]) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield each claim's id, the path, what we claim, and what is there: the same where it fits, else redacted."""
    for claim, expected in step.shows.items():
        for path, value in expected.items():
            seen = at(answer, path if path.split(".")[0] in ("status", "headers") else f"body.{path}")
            text, claimed = stable(seen, at(answer, "body.creationTimestamp")), filled(value, names)
            fits = claimed in (seen, text)
            if str(value).startswith("~") and seen not in (ABSENT, NULL):
                fits = bool(re.fullmatch(claimed[1:], str(seen), re.DOTALL))
            hidden = text if seen in (ABSENT, NULL) else redact({path.rpartition(".")[2]: text}).popitem()[1]
            yield claim, path, value, value if fits else hidden
