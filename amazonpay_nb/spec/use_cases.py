"""The five use cases that Amazon's guide names for a Saved Wallet, and how each of their payments is made.

The use cases are the guide's.  Which flow sets each of them up, and what its payments say about themselves, is our
reading of the fields, so every row is marked inferred.
"""

from dataclasses import dataclass
from typing import Any

from amazonpay_nb.spec.parity import Evidence

__all__ = ["USE_CASES", "Payment", "payments_of"]

_I = Evidence.INFERRED


@dataclass(frozen=True, slots=True)
class Payment:
    """One kind of payment in a use case.

    Attributes:
        set_up: The flow that saves the wallet, by its name in `visits.FLOWS`.
        charge_initiator: As in `initiators`; "" where the checkout itself makes the charge.
        channel: The same.
        capture_now: Whether the money is taken at once; else it is held, and captured later or let go.
    """

    use_case: str
    payment: str
    set_up: str
    charge_initiator: str
    channel: str
    capture_now: bool
    why: str
    evidence: Evidence

    @property
    def fields(self) -> dict[str, Any]:
        """What *Create Charge* is told about the payment."""
        return {
            "charge_initiator": self.charge_initiator,
            "channel": self.channel,
            "capture_now": self.capture_now,
        }


_FOOD, _RIDE, _CAR, _APP, _PHONE = (
    "Food delivery", "Ride hailing", "Car rental", "Shop in an app", "Phone and offline",
)  # fmt: skip

USE_CASES = (
    Payment(_FOOD, "an order", "setup", "CITU", "App", False, "What is delivered decides how much is captured.", _I),
    Payment(_RIDE, "a ride", "sign-in", "MITU", "App", True, "The price is known when the buyer has left the car.", _I),
    Payment(_CAR, "the rental", "end-of-checkout", "", "", False, "The checkout makes this charge.", _I),
    Payment(_CAR, "a fee", "end-of-checkout", "MITU", "Offline", True, "An authorisation cannot be raised.", _I),
    Payment(_APP, "an order", "setup", "CITU", "App", False, "The buyer is there, and needs no page of Amazon.", _I),
    Payment(_PHONE, "a call", "setup", "CITU", "Phone", False, "The buyer orders, and somebody else types.", _I),
    Payment(_PHONE, "the till", "setup", "CITU", "PointOfSale", True, "The buyer takes the goods along.", _I),
    Payment(_PHONE, "a bill", "setup", "MITU", "Offline", True, "It is due while the buyer is away.", _I),
)


def payments_of(use_case: str) -> dict[str, Payment]:
    """Return the payments of a use case by name.

    Raises:
        ValueError: There is no such use case.
    """
    found = {row.payment: row for row in USE_CASES if row.use_case == use_case}
    if not found:
        names = ", ".join(dict.fromkeys(row.use_case for row in USE_CASES))
        raise ValueError(f"there is no use case {use_case!r}; choose one of {names}")
    return found
