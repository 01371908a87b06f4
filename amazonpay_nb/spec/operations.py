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


@dataclass(frozen=True, slots=True)
class Operation:
    """One call.

    Attributes:
        title: The documented name; also the trigger in `spec.states`.
        path: After the host and the environment segment; ``{id}`` stands for the object's id.
        success: HTTP status when the work is done.
        pending: HTTP status when it is accepted but not done yet; 0 where that does not happen.
        acts_on: The machine whose state decides whether the call is possible, "" for reading calls.
        secret_id: Whether knowing the id in the path is enough to read a buyer's data.
        bare: Whether it travels without a body, as each GET does.
    """

    title: str
    method: str
    path: str
    success: int
    idempotency: Idempotency = Idempotency.WITHOUT_EFFECT
    pending: int = 0
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


_REQUIRED, _OPTIONAL = Idempotency.REQUIRED, Idempotency.OPTIONAL
_SESSIONS, _PERMISSIONS, _CHARGES, _REFUNDS, _DISPUTES = (f"/v2/{kind.path}" for kind in _KINDS)

_ROWS = (
    Operation("Create Checkout Session", "POST", _SESSIONS, 201, _REQUIRED),
    Operation("Get Checkout Session", "GET", f"{_SESSIONS}/{{id}}", 200),
    Operation("Update Checkout Session", "PATCH", f"{_SESSIONS}/{{id}}", 200, acts_on="Checkout Session"),
    Operation("Complete Checkout Session", "POST", f"{_SESSIONS}/{{id}}/complete", 200, _OPTIONAL, 202,
              acts_on="Checkout Session"),
    Operation("Finalize Checkout Session", "POST", f"{_SESSIONS}/{{id}}/finalize", 200, _OPTIONAL, 202,
              acts_on="Checkout Session"),
    Operation("Get Charge Permission", "GET", f"{_PERMISSIONS}/{{id}}", 200),
    Operation("Update Charge Permission", "PATCH", f"{_PERMISSIONS}/{{id}}", 200, acts_on="Charge Permission"),
    Operation("Close Charge Permission", "DELETE", f"{_PERMISSIONS}/{{id}}/close", 200, acts_on="Charge Permission"),
    Operation("Create Charge", "POST", _CHARGES, 201, _REQUIRED, acts_on="Charge Permission"),
    Operation("Get Charge", "GET", f"{_CHARGES}/{{id}}", 200),
    Operation("Capture Charge", "POST", f"{_CHARGES}/{{id}}/capture", 200, _REQUIRED, acts_on="Charge"),
    Operation("Cancel Charge", "DELETE", f"{_CHARGES}/{{id}}/cancel", 200, acts_on="Charge"),
    Operation("Create Refund", "POST", _REFUNDS, 201, _REQUIRED, acts_on="Charge"),
    Operation("Get Refund", "GET", f"{_REFUNDS}/{{id}}", 200),
    Operation("Get Dispute", "GET", f"{_DISPUTES}/{{id}}", 200),
    Operation("Update Dispute", "PATCH", f"{_DISPUTES}/{{id}}", 200, acts_on="Dispute"),
    Operation("Contest Dispute", "POST", f"{_DISPUTES}/{{id}}/contest", 200, _OPTIONAL, acts_on="Dispute"),
    Operation("Upload File", "POST", "/v2/files", 200, _REQUIRED),
    Operation("Create Delivery Tracker", "POST", "/v2/deliveryTrackers", 200, _OPTIONAL),
    Operation("Create Report", "POST", "/v2/reports", 201, _REQUIRED),
    Operation("Get Reports", "GET", "/v2/reports", 200),
    Operation("Get Report By Id", "GET", "/v2/reports/{id}", 200),
    Operation("Get Report Document", "GET", "/v2/report-documents/{id}", 200),
    Operation("Create Report Schedule", "POST", "/v2/report-schedules", 201, _REQUIRED),
    Operation("Get Report Schedules", "GET", "/v2/report-schedules", 200),
    Operation("Get Report Schedule By Id", "GET", "/v2/report-schedules/{id}", 200),
    Operation("Cancel Report Schedule", "DELETE", "/v2/report-schedules/{id}", 200, bare=True),
    Operation("Get Disbursements", "GET", "/v2/disbursements", 200),
    Operation("Get Buyer", "GET", "/v2/buyers/{id}", 200, secret_id=True),
)  # fmt: skip

OPERATIONS = {each.name: each for each in _ROWS}


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
