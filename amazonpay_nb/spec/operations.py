"""The calls of the Amazon Pay API that a Saved Wallet integration uses, and the five objects that they act on.

The rows are in ``operations.toml``.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from amazonpay_nb.spec.answers import Charge, ChargePermission, CheckoutSession, Dispute, Refund, Resource
from amazonpay_nb.spec.data import data_row, load
from amazonpay_nb.spec.parity import Evidence


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the five objects with states of their own."""

    title: str  #: the name of its machine in `states.MACHINES`
    path: str  #: the part of an address that names it, after the version
    id_field: str
    parent: str  #: the title of the kind that it belongs to, "" for none
    model: type[Resource]  #: reads an answer of the API
    letter: str = ""  #: of its ids, behind that of an order: ``S01-1234567-7654321-C123456``


KINDS = {kind.title: kind for kind in (
    Kind("Checkout Session", "checkoutSessions", "checkoutSessionId", "", CheckoutSession),
    Kind("Charge Permission", "chargePermissions", "chargePermissionId", "", ChargePermission),
    Kind("Charge", "charges", "chargeId", "Charge Permission", Charge, "C"),
    Kind("Refund", "refunds", "refundId", "Charge", Refund, "R"),
    Kind("Dispute", "disputes", "disputeId", "Charge", Dispute, "B"),
)}  # fmt: skip
TITLES = {kind.model: kind.title for kind in KINDS.values()}
_ID = re.compile(r"[A-Z]\d+-\d+-\d+(?:-([A-Z])\d+)?")


def kind_of(object_id: str) -> Kind:
    """Return what an id is of, by its form; what has no other form is a Checkout Session's."""
    if not (order := _ID.fullmatch(object_id)):
        return KINDS["Checkout Session"]
    return next((kind for kind in KINDS.values() if order[1] and kind.letter == order[1]), KINDS["Charge Permission"])


class Idempotency(StrEnum):
    """The effect of ``x-amz-pay-idempotency-key`` on a call."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    WITHOUT_EFFECT = "without effect"


@data_row
class Quota:
    """A bucket: how many calls at once, and how many are put back each second."""

    burst: int
    per_second: int


@data_row
class Quotas:
    """How often a pair of a seller and a developer account may call an operation.  Spec: "API throttling limits"."""

    live: Quota
    sandbox: Quota
    evidence: Evidence


@data_row
class Operation:
    """One call."""

    title: str  #: the documented name; also the trigger in `spec.states`
    method: str
    path: str  #: after the host and the environment segment; ``{id}`` stands for the object's id
    success: int  #: HTTP status when the work is done
    quota: Quotas
    idempotency: Idempotency = Idempotency.WITHOUT_EFFECT
    pending: int = 0  #: HTTP status when it is accepted but not done yet; 0 where that does not happen
    on: str = ""  #: what has to exist: its id is in the path, or in the body of a call that adds to it
    secret_id: bool = False  #: whether knowing the id in the path is enough to read a buyer's data
    bare: bool = False  #: whether it travels without a body, as each GET does
    query: bool = False  #: whether its optional fields may be in the address, behind the question mark

    @property
    def name(self) -> str:
        """The title in camel case, as the simulations, faults and journal name it."""
        return self.title[0].lower() + self.title[1:].replace(" ", "")

    @property
    def acts_on(self) -> str:
        """The machine whose state decides whether the call is possible, "" for reading calls."""
        return self.on if self.on in KINDS and self.method != "GET" else ""

    @property
    def fields(self) -> str:
        """Name of the request model in `spec.requests`, "" for none."""
        return self.body or (self.title.replace(" ", "") if self.query else "")

    @property
    def body(self) -> str:
        """The same where the fields travel in a body."""
        return "" if self.bare or self.method == "GET" else self.title.replace(" ", "")


_CALLS = load("operations.toml", dict[str, dict[str, Operation]], calls="title")["calls"]
OPERATIONS = {each.name: each for each in _CALLS.values()}
