"""A notebook's claims and results, readable by people and by the program that ran it.

Both travel in the output of a cell under a media type of their own, so a runner collects them from an executed
notebook without reading prose.  Claims that no cell shows reach it by a file: see `tracebacks.note`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.data import read
from amazonpay_nb.workbench.show.blocks import Name, Prose, Shown, facts, mark

_ROWS: dict[str, Any] = read("claims.toml", beside=__file__)
RESULT: dict[str, dict[str, str]] = read("result.toml", beside=__file__)
RECORD_MIME = "application/vnd.amazonpay-nb.record+json"
_INTO_ALL = "Put its values into all(…) or any(…)."
# What is true whatever comes of it, and how to get what comes.
_ALWAYS_TRUE: tuple[tuple[Any, str], ...] = (
    (Awaitable, "Await it."),
    (Callable, "Call it."),
    (Iterator | AsyncIterator, _INTO_ALL),
    (tuple, "Leave out the brackets, or put its values into all(…) or any(…)."),
    (str | bytes, "Compare it."),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A prediction of a notebook, and whether it came true.

    Attributes:
        id: Stable, for example ``setup.permission-is-chargeable``.
        text: A sentence that is true if *ok*.
        ok: None where it was not tried.
    """

    id: str
    text: str
    ok: bool | None

    @property
    def shows(self) -> list[str]:
        """The ids of the behaviors of Amazon Pay that a claim of the workbook demonstrates."""
        rows = _ROWS.get(self.id, [])
        return list(rows if isinstance(rows, list) else rows.get(self.text, []))

    @property
    def failure(self) -> str:
        """What a report says where *ok* is False."""
        return f"claim {self.id} does not hold: {self.text}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        text = str(redact(self.text))
        if self.ok is None:
            return Shown([Prose(f"Not tried here, because it needs the emulator: {text}")])._repr_mimebundle_()
        verdict = "" if self.ok else "not so: "
        links = tuple((f"{'' if n else 'why: '}{row}", f"../docs/parity.md#{row}") for n, row in enumerate(self.shows))
        shown = Shown([Prose(f"{mark(self.ok)} {verdict}{text}", links=links)])
        return shown._repr_mimebundle_() | {RECORD_MIME: {"claims": [{"id": self.id, "text": text, "ok": self.ok}]}}


def verdict(name: str, ok: object) -> bool:
    """Return whether the claim *name* holds; `ConfigurationError` says so where *ok* is true whatever comes of it."""
    advice = next((advice for kind, advice in _ALWAYS_TRUE if isinstance(ok, kind)), "")
    values = ok.values() if isinstance(ok, dict) else ok if isinstance(ok, list | set) else ()
    kinds = {type(value).__name__ for value in values if value is not None}
    if kinds and kinds <= {"bool", "bool_"}:  # Python's and NumPy's comparisons, not things that are there or are not
        advice = _INTO_ALL
    if advice:
        problem = f"claim {name} gets a value of the type {type(ok).__name__}, which says nothing."
        raise ConfigurationError(problem, advice=advice)
    return bool(ok)  # pandas has its own


@dataclass(frozen=True, slots=True)
class Result:
    """The ids and states at the end of a notebook; None for objects that it does not create."""

    values: Mapping[str, str | int | bool | None]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        values = redact(self.values)
        rows = [(Name(name), "none" if value is None else str(value)) for name, value in values.items()]
        return Shown([facts("Result", rows)])._repr_mimebundle_() | {RECORD_MIME: {"result": values}}
