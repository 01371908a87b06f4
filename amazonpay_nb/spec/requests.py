"""What the API is asked, in bodies, queries and payloads; the rows are in ``requests.toml``.

Requests are strict: an unknown field is refused, as Amazon refuses it.  (What Amazon answers is in `spec.answers`.)
Python names are Amazon's, mechanically in snake case.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, create_model
from pydantic.alias_generators import to_camel, to_snake

from amazonpay_nb.spec import parts, reports
from amazonpay_nb.spec.addresses import ReturnAddress
from amazonpay_nb.spec.data import DataError, read

# What a row may name: a text of some length, a word of these modules, or an earlier row.
_TYPES: dict[str, Any] = {
    **{f"Text{most}": Annotated[str, Field(max_length=most)] for most in (3, 16, 20, 50, 60, 180, 255, 2000, 4096)},
    "str": str,
    "bool": bool,
    "object": dict[str, Any],
    "ReturnAddress": ReturnAddress,
    **vars(parts),
    **vars(reports),
}
T = TypeVar("T")
_List = list[T]
_Some = Annotated[list[T], Field(min_length=1)]
_Joined = Annotated[list[T], BeforeValidator(lambda text: text.split(","))]
_Named = dict[str, T]
_MANY: dict[str, Any] = {"list": _List, "some": _Some, "joined": _Joined, "named": _Named}


def _type(value: str | list[str]) -> Any:
    if isinstance(value, list):
        return Literal[tuple(value)]
    many, _, kind = value.rpartition(" ")
    return _MANY[many][_TYPES[kind]] if many else _TYPES[kind]


def _model(
    name: str, /, *, says: str = "", extends: tuple[str, ...] = ("Strict",), required: tuple[str, ...] = (), **row: Any
) -> type[parts.Strict]:
    if misspelled := {*required} - row.keys():
        raise DataError(f"requests.toml, {name}: {min(misspelled)!r} is required, and no field")
    try:
        bases, types = tuple(_TYPES[base] for base in extends), {field: _type(value) for field, value in row.items()}
    except KeyError as error:
        raise DataError(f"requests.toml, {name}: there is no type {error}") from None
    fields: dict[str, Any] = {
        to_snake(field): (kind, ...) if field in required else (kind | None, None) for field, kind in types.items()
    }
    _TYPES[name] = model = create_model(name, __base__=bases, __doc__=says, __module__=__name__, **fields)
    return model


_FILE = {
    group: {name: _model(name, **row) for name, row in rows.items()} for group, rows in read("requests.toml").items()
}
BODIES, QUERIES = _FILE["bodies"], _FILE["queries"]  # by the names of operations: as titles without spaces, and as such
ButtonPayload, MobilePayload, SignInPayload = _FILE["payloads"].values()
ADDRESS_FIELDS = tuple(
    to_camel(name) for name in _FILE["parts"]["AddressDetails"].model_fields if name != "district_or_county"
)
