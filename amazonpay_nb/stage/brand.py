"""The merchant's face on the stage: name, color, logo, what it sells at which price, region and language."""

import base64
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, localcontext
from pathlib import Path
from typing import Self

from amazonpay_nb.errors import AmazonPayError, ConfigurationError
from amazonpay_nb.spec.data import start_of
from amazonpay_nb.spec.money import MONTHLY_LIMITS, format_amount, parse_amount
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.stage.story import Story
from amazonpay_nb.texts import Texts
from amazonpay_nb.workbench.parameters import LONGEST_NAME, PARAMETERS, check_names, check_values

# What ``-p`` and the brand bar take; those that a run of a notebook takes as well mean the same there.
NAMES = ("merchant_name", "merchant_color", "logo", "product", "picture", "amount", "region", "currency", "language")
LONGEST = {"merchant_name": LONGEST_NAME, "product": 60}  # characters: they are read on a phone
MOST_BYTES = 128 * 1024  # of a logo or a picture: each page that shows it carries it
_DECIMAL_COMMA = re.compile(r"^(\d+),(\d\d?)$")
_HALF = re.compile(r"[\ud800-\udfff]")  # of a character, which no page can hold
_CHARACTER = 8  # an emoji may take several code points
# Kind of picture → how such a file begins.
_PICTURES = {
    "image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8", "image/webp": b"RIFF", "image/gif": b"GIF8",
    "image/svg+xml": b"<",
}  # fmt: skip


@dataclass(frozen=True)
class Brand:
    """What the presenter has chosen."""

    merchant_name: str
    merchant_color: str
    logo: str  # the address of a picture (``data:``), or ""
    product: str  # what is sold; "" for the story's own, in the language of the screen
    picture: str  # a character, or an address as the logo's
    amount: str  # the price that the story multiplies, in major units of the currency
    region: str
    currency: str
    language: str
    most: str  # the highest such price that the month's limit of a wallet allows
    chosen: Mapping[str, str] = field(default_factory=dict, repr=False)  # as it was given

    @classmethod
    def of(cls, story: Story, chosen: Mapping[str, str], *, files: bool = True) -> Self:
        """Return a story's own face, changed by what is *chosen*; empty values are not.

        Args:
            files: Whether a logo or a picture may be the path of a file, as on the command line.
        Raises:
            ConfigurationError: A name or value is not usable; the message says which, and what is.
        """
        check_names(chosen, NAMES)
        choices = {name: text.strip() for name, text in chosen.items() if text.strip()}
        for name, text in choices.items():
            if _HALF.search(text):
                raise ConfigurationError(f"{name}={text[:80]!r} has half a character.", advice="Write it whole.")
        choices |= {name: _address(name, choices[name], files) for name in ("logo", "picture") if name in choices}
        code = choices.get("region", PARAMETERS["region"].default)
        check_values({"region": code})
        if len(choices.get("product", "")) > LONGEST["product"]:
            raise ConfigurationError("product is too long.", advice=f"Write at most {LONGEST['product']} characters.")
        region = region_of(code)
        currency = choices.get("currency") or region.ledger_currencies[0]
        own = {"merchant_name": story.merchant, "merchant_color": story.color, "picture": story.picture}
        own |= {"amount": story.price.get(currency, ""), "language": region.default_language}
        values = dict.fromkeys(NAMES, "") | own | choices | {"region": region.code, "currency": currency}
        values["amount"] = _DECIMAL_COMMA.sub(r"\1.\2", values["amount"])
        check_values(values)
        amount, limit = parse_amount(values["amount"], currency), MONTHLY_LIMITS[code, currency] / story.times
        with localcontext(rounding=ROUND_DOWN):  # the nearest amount may be more than the limit
            values |= {"amount": format_amount(amount, currency), "most": format_amount(limit, currency)}
        if amount > limit:
            problem = f"amount={values['amount']!r} is more than this story can charge to one wallet in a month."
            raise ConfigurationError(problem, advice=f"Write at most {values['most']}.")
        return cls(**values, chosen=choices)

    def with_choices(self, story: Story, **more: str) -> Self:
        """Return the same face with other choices; what the new region does not have goes back to its own."""
        choices = {**self.chosen, **more}
        check_values({"region": choices.get("region", self.region)})
        if choices.get("region", self.region) != self.region:
            languages = region_of(choices["region"]).languages
            own = ("currency", "amount", *(() if choices.get("language") in languages else ("language",)))
            choices = {name: text for name, text in choices.items() if name not in own or name in more}
        return type(self).of(story, choices, files=False)

    def advice(self, refusal: AmazonPayError, texts: Texts) -> tuple[str, str]:
        """Return which choice was refused, "" where that is unclear, and how to write it, in words of the screen."""
        name = next((name for name in NAMES if refusal.message.startswith(name)), "")
        if f"brand.{name}-unusable" not in texts:
            return name, texts("brand.unusable")
        price = texts.money({"amount": self.most, "currencyCode": self.currency})
        most = {**LONGEST, "amount": price}.get(name, MOST_BYTES // 1024)
        return name, texts(f"brand.{name}-unusable", most=most, amount=self.amount)


def _address(name: str, text: str, files: bool) -> str:
    """Return a picture file as an address that needs no file; a character stays as it is."""
    kinds = ", ".join(each.partition("/")[2].partition("+")[0] for each in _PICTURES)
    advice = f"Give a {kinds} file of at most {MOST_BYTES // 1024} KB."
    if name == "picture" and len(text) <= _CHARACTER and not text.isascii():
        return text
    shown = text.partition(",")[0][:80]  # never what a file holds
    if files and not text.startswith("data:"):
        shown = text
        try:
            content = start_of(Path(text).expanduser(), MOST_BYTES)
        except (OSError, ValueError) as error:
            problem = f"{name}={text!r} cannot be read: {getattr(error, 'strerror', error)}."
            raise ConfigurationError(problem, advice=advice) from None
        text = f"data:{mimetypes.guess_type(text)[0]};base64,{base64.b64encode(content).decode()}"
    form, _, coded = text.removeprefix("data:").partition(";base64,")
    try:
        content = base64.b64decode(coded, validate=True)
    except ValueError:
        content = b""
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"{name} is too large.", advice=advice)
    if form not in _PICTURES or not content.lstrip().startswith(_PICTURES[form]):
        raise ConfigurationError(f"{name}={shown!r} is no picture.", advice=advice)
    return text
