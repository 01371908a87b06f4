"""A world file: what a world holds, in Amazon's own field names, as YAML or a mapping; docs/worlds.md describes it."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, PlainValidator, create_model
from pydantic.alias_generators import to_snake

from amazonpay_nb.emulator.clock import FIRST_YEAR, LAST_YEAR, parse_duration
from amazonpay_nb.spec import requests
from amazonpay_nb.spec.addresses import checked_endpoint
from amazonpay_nb.spec.answers import FilingReason
from amazonpay_nb.spec.data import DataError, as_kind, composed, no_choice
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parts import Flag, Price, Strict, Text16, Text255, strict
from amazonpay_nb.spec.simulations import ANYWHERE, CARDS, SIMULATIONS
from amazonpay_nb.spec.states import MACHINES

Place = tuple[str, ...]  # the keys that lead to a value, from the outside in


def _date(text: str) -> datetime | timedelta:
    with suppress(AttributeError, TypeError, ValueError, OverflowError):
        if text.startswith("-P"):
            return -parse_duration(text[1:])
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return moment
    raise ValueError(f"{text!r} is no time; write 2026-01-15T12:00:00Z, or how long ago it was: -P3D, -PT2H")


def _one_of(words: Collection[str | None]) -> Any:
    literal: Any = Literal
    return literal[tuple(dict.fromkeys(filter(None, words)))]


def _model(**fields: Any) -> Any:
    # A field is a type, and may be left out, or a type and its default.
    rows: Any = {name: field if isinstance(field, tuple) else (field | None, None) for name, field in fields.items()}
    return create_model("Row", __base__=Strict, **rows)


def _list(row: Any) -> Any:
    return tuple[row, ...], ()


def _id(end: str) -> Any:
    return Annotated[str, Field(pattern=rf"^[A-Z][0-9]{{2}}-[0-9]{{7}}-[0-9]{{7}}{end}$")]


def _any(kind: str) -> Any:
    """Return the fields of each object: its state, and when it was made."""
    rows, date = MACHINES[kind].rows, Annotated[datetime | timedelta, PlainValidator(_date)]
    status = _model(
        state=(_one_of([row.target for row in rows]), ...), reason_code=_one_of([row.reason for row in rows]),
        reason_description=Text255, resolution=_one_of([row.resolution for row in MACHINES["Dispute"].rows]),
        last_updated_timestamp=date,
    )  # fmt: skip
    return {"status_details": status, "creation_timestamp": date}


CREATE_REFUND = {"refund_id": _id("-R[0-9]{6}"), "refund_amount": (Price, ...), "soft_descriptor": Text16}
REFUND = _model(**CREATE_REFUND, **_any("Refund"))
DISPUTE = _model(
    dispute_id=_id("-B[0-9]{6}"), dispute_amount=Price, filing_reason=(FilingReason, "ProductNotReceived"),
    **_any("Dispute"),
)  # fmt: skip
CREATE_CHARGE = {
    name: (field.annotation, field.default) for name, field in strict(requests.ChargeFields).model_fields.items()
} | {"charge_id": _id("-C[0-9]{6}"), "charge_amount": (Price, ...)}
CHARGE = _model(**CREATE_CHARGE, capture_amount=Price, **_any("Charge"), refunds=_list(REFUND), disputes=_list(DISPUTE))
PERMISSION = _model(
    charge_permission_id=_id(""), merchant_id=str, buyer=_model(buyer_id=str, name=str, email=str, phone_number=str),
    card=(_one_of(CARDS), "1111"), charge_permission_type=(requests.ChargePermissionType, "PaymentMethodOnFile"),
    presentment_currency=str, ledger_currency=str, limits=_model(amount_limit=(Price, ...)),
    shipping_address=requests.AddressDetails, billing_address=requests.AddressDetails, platform_id=str,
    merchant_metadata=requests.MerchantMetadata, recurring_metadata=requests.RecurringMetadata,
    payment_method_on_file_metadata=requests.PaymentMethodOnFileMetadata, **_any("Charge Permission"),
    extend_expiration=Flag, spent_this_month=str, charges=_list(CHARGE),
)  # fmt: skip
ROWS = {"Charge Permission": PERMISSION, "Charge": CHARGE, "Refund": REFUND, "Dispute": DISPUTE}
# Such an id appears in headers, topics and the ready file.
_NAME = Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,100}$")]
MERCHANT = _model(
    merchant_id=_NAME, store_id=_NAME, name=str, endpoint=Annotated[str, AfterValidator(checked_endpoint)]
)
_CODES = {name: [*(code for of, code in SIMULATIONS if of == name), *ANYWHERE] for name in OPERATIONS}
_OUTCOMES = _model(**{to_snake(name): _list(_one_of(codes)) for name, codes in _CODES.items()})
_FILE = _model(
    region=str, clock=Annotated[datetime, PlainValidator(_date)], merchants=_list(MERCHANT),
    charge_permissions=_list(PERMISSION), outcomes=(_OUTCOMES, _OUTCOMES()),
)  # fmt: skip


@dataclass
class WorldFile:
    """A file: what it says, and the line of each value."""

    name: str
    lines: dict[Place, int] = field(default_factory=dict)
    rows: Any = None

    def error(self, problem: str, *place: str) -> DataError:
        """Return an error that names the file and the line, or the place in a mapping."""
        ends = (place[:end] for end in range(len(place), -1, -1))
        line = next((f":{self.lines[end]}" for end in ends if end in self.lines), "")
        return DataError(f"{self.name}{line or ''.join(f', {key}' for key in place)}: {problem}", place)

    def check(self, word: str | None, words: Collection[str], *place: str, hint: str = "") -> None:
        """Raise `DataError` where a word of the file is not one of *words*."""
        if word is not None and word not in words:
            raise self.error("; ".join(filter(None, (f"{place[-1]}: {no_choice(word, words)}", hint))), *place)

    def content(self, node: Any, line: int, *place: str) -> Any:
        """Return the content of a node in a *line*; scalars stay as they are written: 0005 is a card."""
        self.lines[place] = line
        if isinstance(node, yaml.MappingNode):
            pairs = [(str(key.value), key.start_mark.line + 1, value) for key, value in node.value]
            return {key: self.content(value, at, *place, key) for key, at, value in pairs}
        if isinstance(node, yaml.SequenceNode):
            rows = enumerate(node.value)
            return [self.content(row, row.start_mark.line + 1, *place, str(number)) for number, row in rows]
        return None if node.tag.endswith(":null") else node.value


def to_yaml(document: Mapping[str, Any]) -> str:
    """Return a document as a world file."""
    readable = "\\x85" not in repr(document)  # PyYAML writes that character as the end of a line
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=readable, width=120, default_flow_style=None))


def read_world(content: Path | str | Mapping[str, Any], name: str = "world") -> WorldFile:
    """Return what a file, the text of one, or a mapping says, or raise a `DataError` with file, line and choices."""
    file = WorldFile(str(content) if isinstance(content, Path) else name)
    try:
        if isinstance(content, Path | str):
            node = composed(content)
            content = file.content(node, 1) if node else {}
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(f"{file.name}:{mark.line + 1 if mark else 1}: {getattr(error, 'problem', error)}") from None
    if not isinstance(content, Mapping):
        raise file.error("a world begins with one of its keys, for example chargePermissions:")
    try:
        file.rows = as_kind(name, content, _FILE)
    except DataError as error:
        start = f"{', '.join([name, *error.place[:-1]])}: "
        raise file.error(str(error).removeprefix(start), *error.place) from None
    return file
