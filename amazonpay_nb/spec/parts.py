"""What the models of requests are made of: the strict base, texts with a length, and prices."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictFloat, StrictInt, model_validator
from pydantic.alias_generators import to_camel

from amazonpay_nb.spec.money import CURRENCY_DECIMALS, format_amount, parse_amount

Text16 = Annotated[str, Field(max_length=16)]
Text50 = Annotated[str, Field(max_length=50)]
Text255 = Annotated[str, Field(max_length=255)]


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return f"{moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC):%Y%m%dT%H%M%SZ}".zfill(16)
    except (ValueError, OverflowError):
        raise ValueError("it is no date and time in ISO 8601, such as 20260115T120000Z") from None


Moment = Annotated[str, AfterValidator(_moment)]  # the API's own form, whichever form of ISO 8601 was sent


class Strict(BaseModel):
    """A part of a request: every field has Amazon's camelCase name, and no other is accepted."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", str_strip_whitespace=True, defer_build=True)


class Price(Strict):
    """An amount of money: a decimal string in major units, and an ISO 4217 code.

    Numbers are accepted too, and normalized: ``475.4500`` becomes ``"475.45"``.
    """

    model_config = ConfigDict(populate_by_name=True)

    amount: str | StrictInt | StrictFloat  # strict: true is no number
    currency_code: str

    @model_validator(mode="after")
    def _normalize(self) -> "Price":
        if self.currency_code not in CURRENCY_DECIMALS:
            raise ValueError(
                f"currencyCode {self.currency_code!r} is not one of {', '.join(sorted(CURRENCY_DECIMALS))}"
            )
        if not CURRENCY_DECIMALS[self.currency_code] and "." in str(self.amount):
            raise ValueError(f"{self.amount} has decimals: {self.currency_code} has none")
        self.amount = format_amount(parse_amount(self.amount, self.currency_code), self.currency_code)
        return self
