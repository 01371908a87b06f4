"""What requests are made of: the strict base of their models, texts with a length, prices, and JSON as it travels."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, Required, get_args, get_origin, get_type_hints

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.alias_generators import to_camel

from amazonpay_nb.spec.answers import Money
from amazonpay_nb.spec.money import CURRENCY_DECIMALS, format_amount, parse_amount

# What the client takes for a part of a body, in Amazon's camelCase: ``{"merchantReferenceId": "ORDER-1"}``.
Part = Mapping[str, Any]
# ``{"amount": "14.00", "currencyCode": "USD"}``, or an amount as Amazon answered it.
Amount = Part | Money

# Compact, with slashes and letters as they are: a signature covers exactly these characters.  Built once, since
# `json.dumps` with options makes a new encoder at each call.
to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

Text16 = Annotated[str, Field(max_length=16)]
Text50 = Annotated[str, Field(max_length=50)]
Text255 = Annotated[str, Field(max_length=255)]


def _flag(value: Any) -> Any:
    return value == "true" if value in ("true", "false") else value


Flag = Annotated[StrictBool, BeforeValidator(_flag)]  # also as a text, but no other word or number means yes


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return f"{moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC):%Y%m%dT%H%M%SZ}".zfill(16)
    except (ValueError, OverflowError):
        raise ValueError("it is no date and time in ISO 8601, such as 20260115T120000Z") from None


Moment = Annotated[str, AfterValidator(_moment)]  # the API's own form, whichever form of ISO 8601 was sent


class Strict(BaseModel):
    """A part of a request: every field has Amazon's camelCase name, and no other is accepted."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)


class As(NamedTuple):
    """What a field is in a request, where the client takes something looser for it, such as a `Part`."""

    kind: Any


def strict(fields: type, base: type[Strict] = Strict) -> type[Strict]:
    """Return the model of a request whose fields a ``TypedDict`` declares, for the client's parameters as well."""
    declared: dict[str, Any] = {}
    for name, hint in get_type_hints(fields, include_extras=True).items():
        kind = get_args(hint)[0] if get_origin(hint) is Required else hint
        marks = (mark.kind for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, As))
        declared[name] = next(marks, kind), ... if name in vars(fields)["__required_keys__"] else None
    return pydantic.create_model(fields.__name__, __base__=base, __doc__=fields.__doc__, **declared)


class Price(Strict):
    """A decimal string in major units, and an ISO 4217 code; a number is normalized: ``475.4500`` to ``"475.45"``."""

    model_config = ConfigDict(populate_by_name=True)

    amount: str | StrictInt | StrictFloat  # strict: true is no number
    currency_code: str

    @pydantic.model_validator(mode="after")
    def _normalize(self) -> "Price":
        if self.currency_code not in CURRENCY_DECIMALS:
            known = ", ".join(sorted(CURRENCY_DECIMALS))
            raise ValueError(f"currencyCode {self.currency_code!r} is not one of {known}")
        if not CURRENCY_DECIMALS[self.currency_code] and "." in str(self.amount):
            raise ValueError(f"{self.amount} has decimals: {self.currency_code} has none")
        self.amount = format_amount(parse_amount(self.amount, self.currency_code), self.currency_code)
        return self
