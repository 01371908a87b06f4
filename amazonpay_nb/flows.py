"""The steps that a merchant's server takes in every flow, as functions: a client and inputs in, an outcome out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.errors import ConfigurationError, LocalError
from amazonpay_nb.spec.objects import Charge, ChargePermission, CheckoutSession

__all__ = ["NotChargeable", "Step", "charge", "complete_set_up", "next_step"]


class Step(StrEnum):
    """What a merchant does next with a Charge Permission."""

    CHARGE = "create the charge"
    WAIT = "wait until the other charge has ended"
    UPDATE = "send the buyer to the Update page"
    SET_UP_AGAIN = "let the buyer set up Amazon Pay again"


# State → what to do; a reason of its own overrides its state.  Guide: "Manage payments".
_BY_STATE = {"Chargeable": Step.CHARGE, "NonChargeable": Step.UPDATE, "Closed": Step.SET_UP_AGAIN}
_BY_REASON = {"ChargeInProgress": Step.WAIT}


@dataclass
class NotChargeable(LocalError):
    """The permission cannot be charged now, so no request was sent.

    Attributes:
        permission: As Amazon just described it.
        step: What to do instead.
    """

    permission: ChargePermission
    step: Step

    def __post_init__(self) -> None:
        because = f" ({self.permission.reason_code})" if self.permission.reason_code else ""
        super().__init__(
            f"Charge Permission {self.permission.charge_permission_id} is {self.permission.state}{because}.",
            advice=f"Next: {self.step}.",
        )


def next_step(permission: ChargePermission) -> Step:
    """Return what the guide's decision procedure says about a permission."""
    return _BY_REASON.get(permission.reason_code or "", _BY_STATE[permission.state])


def complete_set_up(client: AmazonPayClient, checkout_session_id: str) -> CheckoutSession:
    """Complete a set-up after the buyer is back; before this call nothing was saved.

    Raises:
        ConfigurationError: What came back with the buyer is no session id: the address was changed on the way.
        ConflictError: The buyer canceled, the session expired, or it was completed before.
    """
    if not checkout_session_id:
        raise ConfigurationError(
            "The buyer came back without a Checkout Session id.",
            advice="After a cancellation that is so: nothing was saved. Let the buyer start again from the button.",
        )
    try:
        UUID(checkout_session_id)
    except ValueError:
        raise ConfigurationError(
            f"{checkout_session_id!r} is not a Checkout Session id.",
            advice="The return address was changed or opened by hand: start again from the button.",
        ) from None
    return client.complete_checkout_session(checkout_session_id)


def charge(client: AmazonPayClient, charge_permission_id: str, amount: Mapping[str, str], **fields: Any) -> Charge:
    """Charge a saved wallet later: Get Charge Permission first, then Create Charge if it is Chargeable.

    Args:
        amount: ``{"amount": "14.00", "currencyCode": "USD"}``.
        fields: As for `AmazonPayClient.create_charge`; ``charge_initiator`` and ``channel`` should tell the truth.
    Raises:
        NotChargeable: The permission has to be repaired or set up again first; nothing was sent.
        DeclinedError: The charge was declined.
    """
    permission = client.get_charge_permission(charge_permission_id)
    step = next_step(permission)
    if step is not Step.CHARGE:
        raise NotChargeable(permission, step)
    return client.create_charge(charge_permission_id=charge_permission_id, charge_amount=dict(amount), **fields)
