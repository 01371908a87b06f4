"""The notes of `spec.words` on the fields of a payload."""

from collections.abc import Iterator, Mapping
from typing import Any

from amazonpay_nb.spec.words import FIELD_NOTES


def is_price(value: Any) -> bool:
    """Tell whether *value* is an amount with its currency, which reads as one value."""
    return isinstance(value, Mapping) and set(value) == {"amount", "currencyCode"}


def leaves(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and value of each field that is not null; a price and a list of words are one value."""
    if isinstance(document, Mapping) and document and not is_price(document):
        for name, value in document.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(document, list) and any(isinstance(item, (Mapping, list, type(None))) for item in document):
        items = [item for item in document if item is not None]
        for index, item in enumerate(items):
            yield from leaves(item, path if len(items) == 1 else f"{path}[{index}]")
    elif document is not None:
        yield path, document


def notes_on(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields, or groups of fields, of *payload* that have a note, in their order, with the note."""
    notes = dict(_note(path) for path, _ in leaves(payload))
    return [(field, note) for field, note in notes.items() if note]


def annotated(payload: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Return each field of *payload* with its value and its note, or the note on its group."""
    return [(path, value, _note(path)[1]) for path, value in leaves(payload)]


def _note(path: str) -> tuple[str, str]:
    # The note on the field itself, or else on its smallest group.
    names = path.partition("[")[0].split(".")
    groups = (".".join(names[:end]) for end in range(len(names), 0, -1))
    return next(((field, FIELD_NOTES[field]) for field in groups if field in FIELD_NOTES), ("", ""))
