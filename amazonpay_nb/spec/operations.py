"""The calls of the Amazon Pay API that a Saved Wallet integration uses, and the five objects that they act on.

The emulator mounts a route for each row, the client has a method for each, and the reference page lists them.
"""

from dataclasses import dataclass
from enum import StrEnum

from amazonpay_nb.spec.answers import Charge, ChargePermission, CheckoutSession, Dispute, Refund, Resource
from amazonpay_nb.spec.data import as_kind, data_row, named, read
from amazonpay_nb.spec.parity import Evidence


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the five objects with states of their own.

    Attributes:
        title: Name of its machine in `states.MACHINES`.
        path: The part of an address that names it, after the version.
        id_field: The field that holds its id, in bodies and answers.
        parent: Title of the kind that it belongs to, "" for none.
        model: Reads an answer of the API.
    """

    title: str
    path: str
    id_field: str
    parent: str
    model: type[Resource]


_KINDS = (
    Kind("Checkout Session", "checkoutSessions", "checkoutSessionId", "", CheckoutSession),
    Kind("Charge Permission", "chargePermissions", "chargePermissionId", "", ChargePermission),
    Kind("Charge", "charges", "chargeId", "Charge Permission", Charge),
    Kind("Refund", "refunds", "refundId", "Charge", Refund),
    Kind("Dispute", "disputes", "disputeId", "Charge", Dispute),
)
KINDS = {kind.title: kind for kind in _KINDS}


class Idempotency(StrEnum):
    """The effect of ``x-amz-pay-idempotency-key`` on a call."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    WITHOUT_EFFECT = "without effect"


@data_row
class Operation:
    """One call; ``operations.toml`` describes the fields."""

    title: str
    method: str
    path: str
    success: int
    pending: int = 0
    idempotency: Idempotency = Idempotency.WITHOUT_EFFECT
    acts_on: str = ""
    secret_id: bool = False
    bare: bool = False

    @property
    def name(self) -> str:
        """The title in camel case, as the simulations, faults and journal name it."""
        return self.title[0].lower() + self.title[1:].replace(" ", "")

    @property
    def body(self) -> str:
        """Name of the request model in `spec.requests`, "" for none."""
        return "" if self.bare or self.method == "GET" else self.title.replace(" ", "")


_ROWS = named({"rows": read("operations.toml")}, rows="title")["rows"]
OPERATIONS = {each.name: each for each in as_kind("operations.toml", _ROWS, dict[str, Operation]).values()}


@data_row
class Quota:
    """A bucket: how many calls at once, and how many are put back each second."""

    burst: int
    per_second: int


@data_row
class Throttle:
    """How often one pair of a seller account and a developer account may call one operation.

    Attributes:
        sandbox: None where the operation has no quota there.
    Spec: "API throttling limits".
    """

    operation: str
    live: Quota
    sandbox: Quota | None = None
    evidence: Evidence


_TABLE = named({"quotas": read("quotas.toml")}, quotas="operation")
THROTTLES = as_kind("quotas.toml", _TABLE["quotas"], dict[str, Throttle])
