"""A world file: what a world holds, in Amazon's own field names, as YAML or a mapping; docs/worlds.md describes it."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field, PlainValidator, PrivateAttr, create_model
from pydantic.alias_generators import to_snake

from amazonpay_nb.emulator.clock import FIRST_YEAR, LAST_YEAR, parse_duration
from amazonpay_nb.emulator.world import Fault, checked_key
from amazonpay_nb.spec import requests
from amazonpay_nb.spec.addresses import checked_endpoint
from amazonpay_nb.spec.answers import FilingReason
from amazonpay_nb.spec.data import DataError, as_kind, no_choice
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parts import Price, Strict, Text16, strict
from amazonpay_nb.spec.simulations import ANYWHERE, CARDS, SIMULATIONS
from amazonpay_nb.spec.states import MACHINES

_LONG_AGO = timedelta(days=36_500)
Place = tuple[str, ...]  # the keys that lead to a value, from the outside in


def _moment(text: str) -> datetime:
    with suppress(TypeError, ValueError, OverflowError):
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return moment
    raise ValueError(f"{text!r} is no time; write 2026-01-15T12:00:00Z, or how long ago it was: -P3D, -PT2H")


def _date(text: str) -> datetime | timedelta:
    if not str(text).startswith("-P"):
        return _moment(text)
    with suppress(OverflowError):
        if (ago := parse_duration(text[1:])) < _LONG_AGO:
            return -ago
    raise ValueError(f"{text!r} is too long ago")


def one_of(words: Collection[str | None]) -> Any:
    """Return the type of a text that is one of *words*."""
    choices = [*filter(None, dict.fromkeys(words))]

    def check(word: str) -> str:
        if word not in choices:
            raise ValueError(no_choice(word, choices))
        return word

    return Annotated[str, AfterValidator(check)]


def _model(**fields: Any) -> Any:
    # A field is a type, and may be left out, or a type and its default.
    rows: Any = {name: field if isinstance(field, tuple) else (field | None, None) for name, field in fields.items()}
    return create_model("Row", __base__=Strict, **rows)


def _list(row: Any) -> Any:
    return tuple[row, ...], ()


def _id(end: str) -> Any:
    return Annotated[str, Field(pattern=rf"^[A-Z]\d\d-\d{{7}}-\d{{7}}{end}$")]


def _any(kind: str, *operations: str) -> Any:
    """Return the fields of each object: its state, when it was made, and how what is still Initiated will end."""
    rows, date = MACHINES[kind].rows, Annotated[datetime | timedelta, PlainValidator(_date)]
    status = _model(
        state=(one_of([row.target for row in rows]), ...), reason_code=one_of([row.reason for row in rows]),
        reason_description=str, resolution=one_of([row.resolution for row in rows]), last_updated_timestamp=date,
    )  # fmt: skip
    codes = [row.code for row in SIMULATIONS.values() if row.later_state and row.operation in operations]
    return {"status_details": status, "creation_timestamp": date, "simulation_code": one_of(codes)}


CREATE_REFUND = {"refund_id": _id(r"-R\d{6}"), "refund_amount": (Price, ...), "soft_descriptor": Text16}
REFUND = _model(**CREATE_REFUND, **_any("Refund", "createRefund"))
DISPUTE = _model(
    dispute_id=_id(r"-B\d{6}"), dispute_amount=Price, filing_reason=(FilingReason, "ProductNotReceived"),
    merchant_evidences=_list(requests.Evidence), **_any("Dispute"),
)  # fmt: skip
CREATE_CHARGE = {
    name: (field.annotation, field.default) for name, field in strict(requests.ChargeFields).model_fields.items()
} | {"charge_id": _id(r"-C\d{6}"), "charge_amount": (Price, ...)}
CHARGE = _model(
    **CREATE_CHARGE, capture_amount=Price, **_any("Charge", "createCharge", "captureCharge"), refunds=_list(REFUND),
    disputes=_list(DISPUTE),
)  # fmt: skip
PERMISSION = _model(
    charge_permission_id=_id(""), merchant_id=str, buyer=_model(buyer_id=str, name=str, email=str, phone_number=str),
    card=(one_of(CARDS), "1111"), charge_permission_type=(requests.ChargePermissionType, "PaymentMethodOnFile"),
    presentment_currency=str, ledger_currency=str, limits=_model(amount_limit=(Price, ...)),
    shipping_address=requests.AddressDetails, billing_address=requests.AddressDetails, platform_id=str,
    merchant_metadata=requests.MerchantMetadata, recurring_metadata=requests.RecurringMetadata,
    payment_method_on_file_metadata=requests.PaymentMethodOnFileMetadata, extend_expiration=bool,
    **_any("Charge Permission"), spent_this_month=str, charges=_list(CHARGE),
)  # fmt: skip
ROWS = {"Charge Permission": PERMISSION, "Charge": CHARGE, "Refund": REFUND, "Dispute": DISPUTE}
_KEYS = dict[Annotated[str, Field(pattern="^SANDBOX-[A-Z0-9]{24}$")], Annotated[str, AfterValidator(checked_key)]]
# Such an id stands in headers, topics and the ready file.
_NAME = Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")]
MERCHANT = _model(
    merchant_id=_NAME, store_id=_NAME, name=str, endpoint=Annotated[str, AfterValidator(checked_endpoint)],
    public_keys=(_KEYS, {}),
)  # fmt: skip
_FAULT = create_model("Fault", __base__=Fault, operation=(one_of(OPERATIONS), ...))
_CODES = {name: [*(code for of, code in SIMULATIONS if of == name), *ANYWHERE] for name in OPERATIONS}
_OUTCOMES = _model(**{to_snake(name): _list(one_of(codes)) for name, codes in _CODES.items()})
_MOST = 1 << 64
_Number = Annotated[int, Field(gt=-_MOST, lt=_MOST)]
_FILE = _model(
    region=str, clock=Annotated[datetime, PlainValidator(_moment)],
    seed=_Number, drawn=(_Number, 0),  # how many ids were drawn
    merchants=_list(MERCHANT), charge_permissions=_list(PERMISSION),
    outcomes=(_OUTCOMES, _OUTCOMES()), faults=_list(_FAULT),
)  # fmt: skip


class WorldFile(_FILE):  # type: ignore[misc, valid-type]  # a base that is computed
    """All of a file."""

    _source: "Source" = PrivateAttr()

    def error(self, problem: str, *place: str) -> DataError:
        """Return an error that names the file and the line."""
        return self._source.error(problem, place)

    def check(self, word: str | None, words: Collection[str], *place: str, hint: str = "") -> None:
        """Raise `DataError` where a word of the file is none of *words*."""
        if word is not None and word not in words:
            raise self.error("; ".join(filter(None, (f"{place[-1]}: {no_choice(word, words)}", hint))), *place)


class Source:
    """The content of a file, and the line of each value."""

    def __init__(self, content: str | Mapping[str, Any], name: str) -> None:
        self._name, self._lines, self._nodes = name, dict[Place, int](), set[Any]()
        self.content: Any = content
        if isinstance(content, str):
            try:
                node = yaml.compose(content, Loader=yaml.SafeLoader)
                self.content = self._value(node, ()) if node else {}
            except (yaml.YAMLError, RecursionError) as error:
                mark = getattr(error, "problem_mark", None)
                problem = getattr(error, "problem", error)
                raise DataError(f"{name}:{mark.line + 1 if mark else 1}: this is no YAML: {problem}") from None
        if not isinstance(self.content, Mapping):
            raise self.error("a world begins with one of its keys, for example chargePermissions:", ())

    def _value(self, node: Any, place: Place) -> Any:
        # Scalars stay the texts that were written: 0005 is a card, and 480.00 an amount.
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return None if node.tag.endswith(":null") else node.value
        if node in self._nodes:
            raise self.error("an alias repeats what stands elsewhere; write it out", place)
        self._nodes.add(node)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*place, str(number))) for number, item in enumerate(node.value)]
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error("a list or a mapping is no key", place)
            inner = (*place, key.value)
            if inner in self._lines:
                raise self.error(f"the key {key.value!r} is there again in line {key.start_mark.line + 1}", inner)
            self._lines[inner] = key.start_mark.line + 1
            values[inner[-1]] = self._value(value, inner)
        return values

    def error(self, problem: str, place: Place) -> DataError:
        """Return an error that names the line, or the place in a mapping."""
        ends = (place[:end] for end in range(len(place), -1, -1))
        line = next((f":{self._lines[end]}" for end in ends if end in self._lines), "")
        return DataError(f"{self._name}{line or ''.join(f', {key}' for key in place)}: {problem}", place)


def read_world(content: Path | str | Mapping[str, Any], name: str = "world") -> WorldFile:
    """Return what a file, the text of one, or a mapping says, or raise a `DataError` with file, line and choices."""
    if isinstance(content, Path):
        try:
            content, name = content.read_text("utf-8"), str(content)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{content} cannot be read: {error}") from None
    source = Source(content, name)
    try:
        file = as_kind(name, source.content, WorldFile)
    except DataError as error:
        start = f"{', '.join([name, *error.place[:-1]])}: "
        raise source.error(str(error).removeprefix(start), error.place) from None
    file._source = source
    names = [row.merchant_id for row in file.merchants]
    for number, name in enumerate(names):
        if name and name in names[:number]:
            raise file.error(f"there are two accounts {name}", "merchants", str(number), "merchantId")
    return file
