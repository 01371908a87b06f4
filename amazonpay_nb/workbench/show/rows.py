"""Tables of dataclass instances, as in the tables of `spec`: an instance is a row, a field is a column."""

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from amazonpay_nb.client.redaction import redact
from amazonpay_nb.workbench.show.blocks import Table

_CAPITALS = re.compile(r"(?<=[a-z])([A-Z])")


def table_of(things: Sequence[Any]) -> Table:
    """Return one row for each thing, under the names of its fields; a repeated first cell is written once."""
    kind = type(things[0])
    names = [field.name for field in fields(kind)]
    rows = tuple(tuple(_cell(getattr(thing, name)) for name in names) for thing in things)
    caption = _CAPITALS.sub(r" \1", kind.__name__).capitalize()
    repeated = len({row[0] for row in rows}) < len(rows)
    return Table(caption, tuple(name.replace("_", " ") for name in names), rows, grouped=repeated)


def _cell(value: Any) -> str:
    return "" if value is None else str(redact(str(value)))
