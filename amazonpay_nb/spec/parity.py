"""The behaviour registry: everything this package claims about Amazon Pay, and how far each claim can be trusted.

A row is one sentence with its evidence, the page it was read on (or the page that is silent about it, where we had to
decide), the day it was last checked, and the test that holds the emulator to it, or else the reason why none does. The
parity page is generated from it.
"""

from dataclasses import dataclass
from datetime import date

from amazonpay_nb.spec import (
    parity_details,
    parity_gaps,
    parity_notifications,
    parity_objects,
    parity_payments,
    parity_protocol,
)
from amazonpay_nb.spec.evidence import Evidence

__all__ = ["BEHAVIOURS", "ROWS", "TOPICS", "Behaviour", "behaviour", "behaviours_of"]

_READ_ON = date(2026, 11, 23)

# Topic, as ids begin with it, and its heading on the parity page.
TOPICS = {
    "signing": "Signing",
    "header": "Headers",
    "button": "Button",
    "session": "Checkout Session",
    "page": "Hosted pages",
    "permission": "Charge Permission",
    "charge": "Charge",
    "refund": "Refund",
    "buyer": "Buyer",
    "error": "Errors",
    "idempotency": "Idempotency",
    "throttling": "Throttling",
    "simulation": "Simulations",
    "notification": "Notifications",
    "id": "Identifiers",
    "amount": "Amounts",
    "time": "Time",
    "region": "Regions and limits",
    "setup": "Flow 1: set up outside of the purchase flow",
    "express": "Flow 2: set up with express checkout",
    "apb": "Flow 3: set up with end of checkout",
    "signin": "Flow 4: sign in and set up",
    "update": "Update page",
    "mobile": "Mobile",
    "other": "Other operations",
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One claim.

    Attributes:
        id: ``topic.short-name``; tests and notebooks refer to it.
        evidence: How we know.
        source: Short name of the page that says it, or that leaves it open.
        test: Node id of the test that holds the emulator to it, without parameters, or "".
        sentence: The claim.
        why_not: Why the emulator does not do it, or no test holds it to it; "" where one does.
        read_on: When it was last compared with its source.
    """

    id: str
    evidence: Evidence
    source: str
    test: str
    sentence: str
    why_not: str = ""
    read_on: date = _READ_ON

    @property
    def topic(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]


_TESTED = (
    Behaviour(*row)
    for table in (parity_protocol, parity_objects, parity_payments, parity_details, parity_notifications)
    for row in table.ROWS
)
_UNTESTED = (Behaviour(name, how, source, "", text, why) for name, how, source, why, text in parity_gaps.ROWS)
ROWS: tuple[Behaviour, ...] = (*_TESTED, *_UNTESTED)
BEHAVIOURS: dict[str, Behaviour] = {row.id: row for row in ROWS}


def behaviour(behaviour_id: str) -> Behaviour:
    """Return the row called *behaviour_id*.

    Raises:
        KeyError: There is none.
    """
    return BEHAVIOURS[behaviour_id]


def behaviours_of(topic: str) -> tuple[Behaviour, ...]:
    """Return the rows of one topic, in table order."""
    return tuple(row for row in BEHAVIOURS.values() if row.topic == topic)
