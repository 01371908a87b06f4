"""The steps that a merchant's server takes in every flow, as functions: a client and inputs in, an outcome out."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Unpack
from uuid import UUID

from amazonpay_nb.client.button import set_up_payload, update_payload
from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.errors import ConfigurationError, ConflictError, DeclinedError, LocalError
from amazonpay_nb.spec.answers import Charge, ChargePermission, CheckoutSession
from amazonpay_nb.spec.money import MONTHLY_LIMITS, counted_in_month, format_amount
from amazonpay_nb.spec.reasons import state_reason
from amazonpay_nb.spec.regions import Region
from amazonpay_nb.spec.requests import ChargeFields
from amazonpay_nb.spec.states import CHARGE_PERMISSION


class Step(StrEnum):
    """The merchant's next step with a Charge Permission."""

    CHARGE = "create the charge"
    WAIT = "wait until the other charge has ended"
    UPDATE = "let the buyer change the payment method"
    SET_UP_AGAIN = "let the buyer set up Amazon Pay again"


# State → what to do; only `Step.WAIT` depends on the reason.  Guide: "Manage payments".
_BY_STATE = {"Chargeable": Step.CHARGE, "NonChargeable": Step.UPDATE, "Closed": Step.SET_UP_AGAIN}


class Decision(NamedTuple):
    """A row of the guide's decision table: what a merchant does with a Charge Permission, and why."""

    state: str
    reason: str
    meaning: str
    next_step: Step


def _decision(state: str, reason: str | None) -> Decision:
    known = state_reason(CHARGE_PERMISSION.name, state, reason)
    step = Step.WAIT if reason == "ChargeInProgress" else _BY_STATE[state]
    return Decision(state, reason or "", known.meaning if known else "", step)


# One row for each state and reason that a Charge Permission can have.
DECISIONS = tuple(
    _decision(state, reason)
    for state in _BY_STATE
    for reason in dict.fromkeys(row.reason for row in CHARGE_PERMISSION.rows if row.target == state != row.source)
)


def decide(permission: ChargePermission) -> Decision:
    """Return the row of the decision table that fits a permission."""
    return _decision(permission.state, permission.reason_code)


def next_step(permission: ChargePermission) -> Step:
    """Return what the guide's decision procedure says about a permission."""
    return decide(permission).next_step


class NotChargeable(LocalError):
    """The permission, as Amazon just described it, cannot be charged now; a key that was sent is used up."""

    meaning = "Nothing was charged: in this state Amazon refuses it."

    def __init__(self, permission: ChargePermission, step: Step, *, key_used: bool = False) -> None:
        because = f" ({permission.reason_code})" if permission.reason_code else ""
        message = f"Charge Permission {permission.charge_permission_id} is {permission.state}{because}."
        then = " Then charge with a new idempotency key: this one has its answer." if key_used else ""
        super().__init__(message, advice=f"{step[0].upper()}{step[1:]}.{then}")
        self.permission, self.step = permission, step


def complete_set_up(client: AmazonPayClient, checkout_session_id: str) -> CheckoutSession:
    """Complete a set-up after the buyer is back; until this call, nothing is saved.

    Raises:
        ConfigurationError: The return address does not carry a session id; somebody has changed it.
        ConflictError: The buyer canceled, the session expired, or it was completed before.
    """
    if not checkout_session_id:
        raise ConfigurationError(
            "The buyer came back without a Checkout Session id.",
            advice="After a cancellation there is no id: nothing was saved. Let the buyer start again from the button.",
        )
    try:
        UUID(checkout_session_id)
    except ValueError:
        raise ConfigurationError(
            f"{checkout_session_id!r} is not a Checkout Session id.",
            advice="The return address was changed or opened by hand: start again from the button.",
        ) from None
    return client.complete_checkout_session(checkout_session_id)


def charge(
    client: AmazonPayClient, charge_permission_id: str, amount: Mapping[str, str], *,
    idempotency_key: str | None = None, simulation_code: str | None = None, **fields: Unpack[ChargeFields],
) -> Charge:  # fmt: skip
    """Charge a saved wallet later: Get Charge Permission first, then Create Charge if it is Chargeable.

    Args:
        amount: ``{"amount": "14.00", "currencyCode": "USD"}``.
        idempotency_key: Of an attempt that may have been made before. Amazon is asked for its outcome in any state.
        fields: As for `AmazonPayClient.create_charge`; ``charge_initiator`` and ``channel`` should tell the truth.
    Raises:
        NotChargeable: The permission has to be repaired or set up again first; nothing was charged.
        DeclinedError: The charge was declined.
    """
    permission = client.get_charge_permission(charge_permission_id)
    step = next_step(permission)
    if step is not Step.CHARGE and idempotency_key is None:
        raise NotChargeable(permission, step)
    try:
        return client.create_charge(
            charge_permission_id=charge_permission_id, charge_amount=amount, idempotency_key=idempotency_key,
            simulation_code=simulation_code, **fields,
        )  # fmt: skip
    except ConflictError as refusal:
        if step is Step.CHARGE or isinstance(refusal, DeclinedError) or not refusal.is_decided:
            raise  # the earlier attempt was declined, or nobody knows what has become of it
        raise NotChargeable(permission, step, key_used=True) from refusal


def repair_payload(
    region: Region, store_id: str, charge_permission_id: str, *, result_url: str, cancel_url: str | None = None
) -> dict[str, Any]:
    """Return the payload for a buyer whose payment method has to change: of the Update page, or of a new set-up.

    Spec: "Steps to integrate the Update page".
    """
    if region.update_page:
        return update_payload(store_id, charge_permission_id, result_url=result_url, cancel_url=cancel_url)
    return set_up_payload(store_id, result_url=result_url, cancel_url=cancel_url)


def account_page(region: Region, charge_permission_id: str) -> str:
    """Return where the buyer can repair the payment method alone, in the account at Amazon.

    Spec: "Manage payments", the older copies, for regions without an Update page.
    """
    return region.account_page.format(id=charge_permission_id)


class Month(NamedTuple):
    """One Charge Permission's use of the monthly limit in a calendar month (UTC), in major units of the currency."""

    month: str
    currency: str
    limit: str
    used: str
    left: str


def months(journal: Journal, charge_permission_id: str, region: Region) -> list[Month]:
    """Return the months in which a permission was charged, according to the answers in a journal.

    A Saved Wallet shows no balance, so a merchant keeps count: captured amounts and open authorizations, in the month
    in which the charge was created.  What was canceled counts no more once an answer has said so.

    Spec: "Monthly Payment Method on File charge limits".
    """
    used: dict[tuple[str, str], Decimal] = {}
    for answer in journal.known.of("Charge", chargePermissionId=charge_permission_id).values():
        month = answer["creationTimestamp"][:6], answer["chargeAmount"]["currencyCode"]
        used[month] = used.get(month, Decimal(0)) + counted_in_month(answer)
    rows = []
    for (digits, currency), total in sorted(used.items()):
        limit = MONTHLY_LIMITS[region.code, currency]
        amounts = (format_amount(amount, currency) for amount in (limit, total, limit - total))
        rows.append(Month(f"{digits[:4]}-{digits[4:]}", currency, *amounts))
    return rows
