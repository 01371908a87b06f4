"""The calls of the Amazon Pay API that a Saved Wallet integration uses, and the five objects that they act on.

The rows are in ``operations.toml``.
"""

from dataclasses import dataclass
from enum import StrEnum

from amazonpay_nb.spec.answers import Charge, ChargePermission, CheckoutSession, Dispute, Refund, Resource
from amazonpay_nb.spec.data import data_row, load
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


KINDS = {kind.title: kind for kind in (
    Kind("Checkout Session", "checkoutSessions", "checkoutSessionId", "", CheckoutSession),
    Kind("Charge Permission", "chargePermissions", "chargePermissionId", "", ChargePermission),
    Kind("Charge", "charges", "chargeId", "Charge Permission", Charge),
    Kind("Refund", "refunds", "refundId", "Charge", Refund),
    Kind("Dispute", "disputes", "disputeId", "Charge", Dispute),
)}  # fmt: skip


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
    """How often one pair of a seller account and a developer account may call an operation.

    Spec: "API throttling limits".
    """

    live: Quota
    sandbox: Quota
    evidence: Evidence


@data_row
class Operation:
    """One call.

    Attributes:
        title: The documented name; also the trigger in `spec.states`.
        path: After the host and the environment segment; ``{id}`` stands for the object's id.
        success: HTTP status when the work is done.
        pending: HTTP status when it is accepted but not done yet; 0 where that does not happen.
        on: What has to exist: its id is in the path, or in the body of a call that adds to it; "" for nothing.
        secret_id: Whether knowing the id in the path is enough to read a buyer's data.
        bare: Whether it travels without a body, as each GET does.
    """

    title: str
    method: str
    path: str
    success: int
    quota: Quotas
    idempotency: Idempotency = Idempotency.WITHOUT_EFFECT
    pending: int = 0
    on: str = ""
    secret_id: bool = False
    bare: bool = False

    @property
    def name(self) -> str:
        """The title in camel case, as the simulations, faults and journal name it."""
        return self.title[0].lower() + self.title[1:].replace(" ", "")

    @property
    def acts_on(self) -> str:
        """The machine whose state decides whether the call is possible, "" for reading calls."""
        return self.on if self.on in KINDS and self.method != "GET" else ""

    @property
    def body(self) -> str:
        """Name of the request model in `spec.requests`, "" for none."""
        return "" if self.bare or self.method == "GET" else self.title.replace(" ", "")


_CALLS = load("operations.toml", dict[str, dict[str, Operation]], calls="title")["calls"]
OPERATIONS = {each.name: each for each in _CALLS.values()}
