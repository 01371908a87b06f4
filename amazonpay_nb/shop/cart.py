"""The order of a buyer in the demonstration shop and its cost, in exact decimals; yen have none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple, Self

from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.money import format_amount, parse_amount

Price = dict[str, str]


class ShippingOption(NamedTuple):
    """A way to ship the goods, and what it adds to the order."""

    name: str
    title: str
    cost: Decimal


SHIPPING = read("shipping.toml", beside=__file__)


def delivery_specifications(region: str) -> dict[str, Any]:
    """Return ``deliverySpecifications`` for a button: the shop's countries, and no boxes that a parcel cannot reach."""
    countries: dict[str, Any] = {country: {} for country in SHIPPING["countries"][region]}
    return {
        "specialRestrictions": ["RestrictPOBoxes", "RestrictPackstations"],
        "addressRestrictions": {"type": "Allowed", "restrictions": countries},
    }


@dataclass(frozen=True, slots=True)
class Cart:
    """An article, how many of it, and the shipping option that the buyer chose.

    Attributes:
        shipping: Name of one of `shipping_options`; "" where nothing is shipped.
    """

    title: str
    quantity: int
    unit_price: Decimal
    currency: str
    shipping: str = ""

    @classmethod
    def of(cls, title: str, price: Mapping[str, str], *, quantity: int = 1, ships: bool = True) -> Self:
        """Return a cart with the usual shipping option unless the article is digital.

        Args:
            price: ``{"amount": "14.00", "currencyCode": "USD"}``, for one piece.
        """
        currency = price["currencyCode"]
        shipping = SHIPPING["options"][0]["name"] if ships else ""
        return cls(title, quantity, parse_amount(price["amount"], currency), currency, shipping)

    @property
    def shipping_options(self) -> tuple[ShippingOption, ...]:
        """The choices that the buyer has."""
        rows = SHIPPING["options"] if self.shipping else ()
        return tuple(ShippingOption(row["name"], row["title"], Decimal(row["cost"][self.currency])) for row in rows)

    @property
    def chosen(self) -> ShippingOption | None:
        """The shipping option that the buyer chose."""
        return next((row for row in self.shipping_options if row.name == self.shipping), None)

    def with_shipping(self, name: str) -> Self:
        """Return the same cart with another shipping option.

        Raises:
            ValueError: The shop does not offer it.
        """
        offered = [row.name for row in self.shipping_options]
        if name not in offered:
            raise ValueError(f"{name!r} is not offered; choose {' or '.join(offered) or 'nothing'}")
        return replace(self, shipping=name)

    @property
    def goods(self) -> Price:
        """The price of the items."""
        return self.price(self.quantity * self.unit_price)

    @property
    def total(self) -> Price:
        """The price of the order, in the form of ``chargeAmount``."""
        return self.total_with(self.chosen)

    def total_with(self, option: ShippingOption | None) -> Price:
        """Return what the order would cost with a shipping option."""
        return self.price(Decimal(self.goods["amount"]) + (option.cost if option else 0))

    def price(self, amount: Decimal) -> Price:
        """Return an amount as the API writes it."""
        return {"amount": format_amount(amount, self.currency), "currencyCode": self.currency}

    def __str__(self) -> str:
        rows = [(f"{self.quantity} × {self.title}", self.goods)]
        if self.chosen:
            rows.append((f"Shipping: {self.chosen.title}", self.price(self.chosen.cost)))
        rows.append(("Total", self.total))
        return "\n".join(f"{title}: {price['amount']} {price['currencyCode']}" for title, price in rows)
