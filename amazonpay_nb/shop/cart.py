"""What a buyer orders in the demonstration shop, and what that costs: exact decimals, and JPY without any."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Self

from amazonpay_nb.spec.money import format_amount, parse_amount

__all__ = ["DELIVERIES", "DELIVERY_COUNTRIES", "Cart", "Delivery", "Line", "delivery_specifications"]

Price = dict[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A way to bring the goods, and what it adds to the order."""

    name: str
    title: str
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """So many of one article at a price each."""

    title: str
    quantity: int
    unit_price: Decimal

    @property
    def total(self) -> Decimal:
        """What the line costs."""
        return self.quantity * self.unit_price


def _deliveries(express: str) -> tuple[Delivery, ...]:
    return (
        Delivery("standard", "Standard, three to five days", Decimal(0)),
        Delivery("express", "Express, the next day", Decimal(express)),
    )


# What the shop asks for a delivery, by currency; the first one is chosen beforehand.
DELIVERIES = {
    "USD": _deliveries("4.99"),
    "EUR": _deliveries("4.90"),
    "GBP": _deliveries("3.95"),
    "JPY": _deliveries("600"),
}

# Where the shop delivers to, by region.
DELIVERY_COUNTRIES = {"na": ("US", "CA"), "eu": ("DE", "AT", "FR", "ES", "IT", "GB", "IE"), "jp": ("JP",)}


def delivery_specifications(region: str) -> dict[str, Any]:
    """Return ``deliverySpecifications`` for a button: the shop's countries, and no boxes that a parcel cannot reach."""
    countries: dict[str, Any] = {country: {} for country in DELIVERY_COUNTRIES[region]}
    return {
        "specialRestrictions": ["RestrictPOBoxes", "RestrictPackstations"],
        "addressRestrictions": {"type": "Allowed", "restrictions": countries},
    }


@dataclass(frozen=True, slots=True)
class Cart:
    """Articles and the delivery that the buyer has chosen.

    Attributes:
        delivery: Name of one of `deliveries`; "" where nothing is delivered.
    """

    currency: str
    lines: tuple[Line, ...]
    delivery: str = ""

    @classmethod
    def of(cls, title: str, price: Mapping[str, str], *, quantity: int = 1, delivered: bool = True) -> Self:
        """Return a cart with one article, and the usual delivery unless the article is digital.

        Args:
            price: ``{"amount": "14.00", "currencyCode": "USD"}``, for one piece.
        """
        currency = price["currencyCode"]
        line = Line(title, quantity, parse_amount(price["amount"], currency))
        return cls(currency, (line,), DELIVERIES[currency][0].name if delivered else "")

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The choices that the buyer has."""
        return DELIVERIES[self.currency] if self.delivery else ()

    @property
    def chosen(self) -> Delivery | None:
        """The delivery that was chosen."""
        return next((row for row in self.deliveries if row.name == self.delivery), None)

    def with_delivery(self, name: str) -> Self:
        """Return the same cart with another delivery.

        Raises:
            ValueError: The shop does not offer it.
        """
        offered = [row.name for row in self.deliveries]
        if name not in offered:
            raise ValueError(f"{name!r} is not offered; choose {' or '.join(offered) or 'nothing'}")
        return replace(self, delivery=name)

    @property
    def goods(self) -> Price:
        """What the articles cost."""
        return self.price(sum((line.total for line in self.lines), Decimal(0)))

    @property
    def total(self) -> Price:
        """What the order costs, as ``chargeAmount`` wants it."""
        return self.total_with(self.chosen)

    def total_with(self, delivery: Delivery | None) -> Price:
        """Return what the order would cost with a delivery."""
        goods = sum((line.total for line in self.lines), Decimal(0))
        return self.price(goods + (delivery.cost if delivery else 0))

    def price(self, amount: Decimal) -> Price:
        """Return an amount as the API writes it."""
        return {"amount": format_amount(amount, self.currency), "currencyCode": self.currency}

    def __str__(self) -> str:
        return "\n".join(f"{title}: {price['amount']} {price['currencyCode']}" for title, price in self.rows())

    def rows(self) -> list[tuple[str, Price]]:
        """Return what makes up the total, and the total last."""
        rows = [(f"{line.quantity} × {line.title}", self.price(line.total)) for line in self.lines]
        if self.chosen:
            rows.append((f"Delivery: {self.chosen.title}", self.price(self.chosen.cost)))
        return [*rows, ("Total", self.total)]
