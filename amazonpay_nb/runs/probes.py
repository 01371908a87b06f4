"""What probes are: a few calls each, with what we claim about the answers; the rows are in the folder ``spec/probes``.

A probe knows nothing of the emulator's tables: its paths, values and claims are written out, as Amazon would see them.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.data import DataError, as_kind, data_row, read

ABSENT, NULL = "absent", "null"
_NAME = re.compile(r"\$x(\d+)\b|\$(\w+)")
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
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    signed: str = ""
    date: int = 0
    algorithm: str = ""
    key_id: str = ""
    query: str = ""
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
        return _NAME.sub(lambda found: "x" * int(found[1]) if found[1] else names[found[2]], value)
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    return [filled(item, names) for item in value] if isinstance(value, list | tuple) else value


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


def stable(value: Any, names: Mapping[str, str], created: str = "") -> Any:
    """Return a copy without what differs from run to run: *names* for texts, no digits in ids, times relative.

    Args:
        names: What the probes call a text, such as an id of the account.
        created: The time of the object that *value* is a part of.
    """
    if isinstance(value, Mapping):
        created = value.get("creationTimestamp") or created
        return {key: stable(item, names, created) for key, item in value.items()}
    if isinstance(value, list):
        return [stable(item, names, created) for item in value]
    texts = {text: f"${name}" for name, text in names.items() if text}
    if not isinstance(value, str) or value in texts:
        return texts.get(value, value)
    for text, name in texts.items():
        value = value.replace(text, name) if len(text) > 10 else value  # an amount could be part of anything
    value = _ID.sub(lambda found: re.sub(r"[\da-fA-F]", "0", found[0]), value)
    return _TIME.sub(lambda found: _after(found[0], created), value)


def _after(time: str, created: str) -> str:
    """Return a time as what has passed since *created*, coarsely: an answer takes seconds, and months differ."""
    try:
        hours = round((datetime.fromisoformat(time) - datetime.fromisoformat(created)) / timedelta(hours=1))
    except ValueError:
        return "(a time)"
    days, months = round(hours / 24), round(hours / 730.5)
    passed = f"{months} months" if months > 11 else f"{days} days" if hours > 48 else f"{hours} hours"
    return f"(created + {passed})"


def looked_at(step: Step, answer: Any, names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what is there by claim and path: what we claim where it fits, else what was seen, redacted."""
    shown: dict[str, dict[str, Any]] = {claim: {} for claim in step.shows}
    for claim, path, value in ((claim, *place) for claim, places in step.shows.items() for place in places.items()):
        seen = at(answer, path if path.split(".")[0] in ("status", "headers") else f"body.{path}")
        text, claimed = stable(seen, names, at(answer, "body.creationTimestamp")), filled(value, names)
        fits = claimed in (seen, text)
        if str(value).startswith("~") and seen not in (ABSENT, NULL):
            fits = bool(re.fullmatch(claimed[1:], str(seen), re.DOTALL))
        hidden = text if seen in (ABSENT, NULL) else redact(text, path.rpartition(".")[2])
        shown[claim][path] = value if fits else hidden
    return shown
