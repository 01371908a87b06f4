"""Reads data files, and says clearly what is wrong with one."""

import io
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

_QUOTED = re.compile("'(.*?)'")
_MOST_CHARACTERS, _MOST_LEVELS = 2_000_000, 100  # of a text in YAML, which takes a minute to read
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def data_row(kind: type[T]) -> type[T]:
    """Make a class a row of a data file: an immutable dataclass that knows no other keys."""
    return with_config(ConfigDict(extra="forbid"))(dataclass(frozen=True, slots=True, kw_only=True)(kind))


class DataError(ValueError):
    """A data file has a key or a value that its rows do not have, at a *place* named by keys from the outside in."""

    def __init__(self, message: str, place: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.place = place


def start_of(path: Path, most: int = 1 << 20) -> bytes:
    """Return the content of a file, and of one that has more than so many bytes one more: a device may have no end."""
    with path.open("rb") as file:
        return file.read(most + 1)


def text_of(path: Path, most: int) -> str:
    """Return the text of a file, and of one that has more than so many characters some more of them."""
    start = start_of(path, 4 * most)  # as many bytes as UTF-8 takes
    errors = "replace" if len(start) > 4 * most else "strict"  # the last character may be cut
    return io.TextIOWrapper(io.BytesIO(start), "utf-8", errors).read()


def load(name: str, kind: type[T], **keys: str) -> T:
    """Return a data file of this room as *kind*, with *keys* as in `named` and the errors of `read` and `as_kind`."""
    return as_kind(name, named(read(name), **keys), kind)


def read(name: str, *, beside: str = __file__) -> dict[str, Any]:
    """Return the content of a TOML file *beside* a module, by default of this room, or raise `DataError`."""
    try:
        return tomllib.loads((Path(beside).parent / name).read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{name}: {error}") from None


def composed(content: Path | str) -> Any:
    """Return the first node of a file or a text in YAML, None of an empty one, or raise what YAML raises.

    It raises the same for an alias, for a key that a mapping has twice, and for what would take very long.
    """
    import yaml  # most who read a data file need none

    def check(problem: str, wrong: bool, mark: Any = None) -> None:
        if wrong:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # it comes without types
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event, self.depth = self.peek_event(), self.depth + 1
            check(f"it is nested deeper than {_MOST_LEVELS} levels", self.depth > _MOST_LEVELS, event.start_mark)
            alias = isinstance(event, yaml.AliasEvent)  # a few lines could be gigabytes
            check("an alias repeats another place; write it out", alias, event.start_mark)
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    text = text_of(content, _MOST_CHARACTERS) if isinstance(content, Path) else content
    check(f"it has more than {_MOST_CHARACTERS:,} characters; make several files of it", len(text) > _MOST_CHARACTERS)
    first = yaml.compose(io.StringIO(text), Loader=Loader)  # an error would quote a text
    nodes = [first]
    for node in nodes:  # grows meanwhile
        keys = set[str]()
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            check(f"the key {key.value!r} is there twice", str(key.value) in keys, key.start_mark)
            keys.add(str(key.value))
            nodes.append(value)
        nodes += node.value if isinstance(node, yaml.SequenceNode) else ()
    return first


def named(table: dict[str, Any], **keys: str) -> dict[str, Any]:
    """Return a table in which rows hold their names, by group: in one field, or several for tables inside tables."""
    return table | {group: _flat(table[group], *fields.split(".")) for group, fields in keys.items()}


def _flat(table: dict[str, Any], key: str, *inner: str) -> dict[str, Any]:
    if not inner:
        return {name: entry | {key: name} for name, entry in table.items()}
    rows = {name: _flat(entry, *inner) for name, entry in table.items()}
    return {f"{name}, {rest}": entry | {key: name} for name in rows for rest, entry in rows[name].items()}


def as_kind(name: str, table: Any, kind: type[T]) -> T:
    """Return a table of the file *name* as *kind*, for example ``dict[str, Row]``, or raise `DataError`."""
    try:
        return TypeAdapter(kind).validate_python(table)
    except ValidationError as error:
        # A misspelled key is both unknown and missing; the first says more.
        first = max(error.errors(), key=lambda problem: problem["type"] in _UNKNOWN)
        *place, key = (str(part) for part in first["loc"] or ("the whole",))
        complaint = _complaint(first, key, kind)
        raise DataError(f"{', '.join([name, *place])}: {complaint}", (*place, key)) from None


def _complaint(error: ErrorDetails, key: str, kind: Any) -> str:
    problem, text = error["type"], error["msg"]
    if problem == "missing":
        return f"the key {key!r} is missing"
    if problem == "literal_error":
        given, allowed = error["input"], _QUOTED.findall(text)
        if not isinstance(given, str) and str(given) in allowed:  # what YAML makes of 1111 without quotes
            return f"{key}: {given!r} is no text; write {str(given)!r}"
        return f"{key}: {no_choice(str(given), allowed)}"
    if problem in _UNKNOWN:
        return f"unknown key {key!r}{_near(key, _names(kind))}"
    if problem == "value_error":
        return f"{key}: {text.removeprefix('Value error, ')}"
    return f"{key}: {text.replace('tuple', 'list').partition(' or an instance')[0]}"


def no_choice(value: str, allowed: Iterable[str]) -> str:
    """Return a sentence about a *value* that is not *allowed*."""
    allowed = [*allowed]
    return f"{value!r} is not one of {', '.join(allowed)}{_near(value, allowed)}"


def _near(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, words, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _names(kind: Any) -> set[str]:
    """Return the keys of the rows in *kind*, for example of ``dict[str, Row]``, and in their fields."""
    parts = get_type_hints(kind) if isinstance(kind, type) and is_dataclass(kind) else {}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        parts = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    return set(parts) | {name for part in (*get_args(kind), *parts.values()) for name in _names(part)}
