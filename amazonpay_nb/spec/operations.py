"""The fifteen calls of the Amazon Pay API that a Saved Wallet integration uses, as rows.

The emulator mounts a route for each row, the client has a method for each, and the reference page lists them.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["OPERATIONS", "Idempotency", "Operation"]


class Idempotency(StrEnum):
    """What a call does with ``x-amz-pay-idempotency-key``."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    WITHOUT_EFFECT = "without effect"


@dataclass(frozen=True, slots=True)
class Operation:
    """One call.

    Attributes:
        name: Camel case, as the simulations, faults and journal name it.
        title: The documented name; also the trigger in `spec.states`.
        path: After the host and the environment segment; ``{id}`` stands for the object's id.
        success: HTTP status when the work is done.
        pending: HTTP status when it is accepted but not done; 0 where that cannot be.
        body: Name of the request model in `spec.wire`, "" for none.
        acts_on: The machine whose state decides whether the call is possible, "" for reading calls.
        secret_id: Whether the id in the path opens somebody's data to whoever knows it.
    """

    name: str
    title: str
    method: str
    path: str
    success: int
    idempotency: Idempotency = Idempotency.WITHOUT_EFFECT
    pending: int = 0
    body: str = ""
    acts_on: str = ""
    secret_id: bool = False


_REQUIRED, _OPTIONAL = Idempotency.REQUIRED, Idempotency.OPTIONAL
_SESSIONS, _PERMISSIONS, _CHARGES = "/v2/checkoutSessions", "/v2/chargePermissions", "/v2/charges"

_ROWS = (
    Operation("createCheckoutSession", "Create Checkout Session", "POST", _SESSIONS, 201, _REQUIRED,
              body="CreateCheckoutSession"),
    Operation("getCheckoutSession", "Get Checkout Session", "GET", f"{_SESSIONS}/{{id}}", 200),
    Operation("updateCheckoutSession", "Update Checkout Session", "PATCH", f"{_SESSIONS}/{{id}}", 200,
              body="UpdateCheckoutSession", acts_on="Checkout Session"),
    Operation("completeCheckoutSession", "Complete Checkout Session", "POST", f"{_SESSIONS}/{{id}}/complete", 200,
              _OPTIONAL, pending=202, body="CompleteCheckoutSession", acts_on="Checkout Session"),
    Operation("finalizeCheckoutSession", "Finalize Checkout Session", "POST", f"{_SESSIONS}/{{id}}/finalize", 200,
              _OPTIONAL, pending=202, body="FinalizeCheckoutSession", acts_on="Checkout Session"),
    Operation("getChargePermission", "Get Charge Permission", "GET", f"{_PERMISSIONS}/{{id}}", 200),
    Operation("updateChargePermission", "Update Charge Permission", "PATCH", f"{_PERMISSIONS}/{{id}}", 200,
              body="UpdateChargePermission", acts_on="Charge Permission"),
    Operation("closeChargePermission", "Close Charge Permission", "DELETE", f"{_PERMISSIONS}/{{id}}/close", 200,
              body="CloseChargePermission", acts_on="Charge Permission"),
    Operation("createCharge", "Create Charge", "POST", _CHARGES, 201, _REQUIRED, body="CreateCharge",
              acts_on="Charge Permission"),
    Operation("getCharge", "Get Charge", "GET", f"{_CHARGES}/{{id}}", 200),
    Operation("captureCharge", "Capture Charge", "POST", f"{_CHARGES}/{{id}}/capture", 200, _REQUIRED,
              body="CaptureCharge", acts_on="Charge"),
    Operation("cancelCharge", "Cancel Charge", "DELETE", f"{_CHARGES}/{{id}}/cancel", 200, body="CancelCharge",
              acts_on="Charge"),
    Operation("createRefund", "Create Refund", "POST", "/v2/refunds", 201, _REQUIRED, body="CreateRefund",
              acts_on="Charge"),
    Operation("getRefund", "Get Refund", "GET", "/v2/refunds/{id}", 200),
    Operation("getBuyer", "Get Buyer", "GET", "/v2/buyers/{id}", 200, secret_id=True),
)  # fmt: skip

OPERATIONS = {row.name: row for row in _ROWS}
