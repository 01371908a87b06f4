"""The fields of the longer bodies, typed: an editor completes them, and a type checker refuses a misspelt one.

They are the fields of the models in `spec.requests`, without those that a method of the client names itself; a test
compares the two.  Parts of a body are written as Amazon does, in camelCase: ``{"merchantReferenceId": "ORDER-1"}``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict

from amazonpay_nb.spec.answers import Money
from amazonpay_nb.spec.reports import ProcessingStatus
from amazonpay_nb.spec.requests import Channel, ChargeInitiator, ChargePermissionType, PaymentIntent, Scope

# ``{"amount": "14.00", "currencyCode": "USD"}``, or an amount as Amazon answered it.
Amount = Mapping[str, Any] | Money
Part = Mapping[str, Any]
Types = Sequence[str] | str | None  # of reports


class _AnySessionFields(TypedDict, total=False):
    payment_details: Part | None
    merchant_metadata: Part | None
    supplementary_data: str | None
    platform_id: str | None
    provider_metadata: Part | None
    charge_permission_type: ChargePermissionType | None
    recurring_metadata: Part | None
    multi_addresses_checkout_metadata: Sequence[Part] | None


class SessionUpdateFields(_AnySessionFields, total=False):
    """Update Checkout Session."""

    web_checkout_details: Part | None


class SessionFields(_AnySessionFields, total=False):
    """Create Checkout Session."""

    store_id: Required[str]
    web_checkout_details: Required[Part]
    scopes: Sequence[Scope] | None
    payment_method_on_file_metadata: Part | None
    charge_permission_id: str | None
    delivery_specifications: Part | None
    address_details: Part | None
    checkout_button_text: str | None


class FinalFields(TypedDict, total=False):
    """Finalize Checkout Session."""

    charge_amount: Amount | None
    total_order_amount: Amount | None
    payment_intent: PaymentIntent | None
    can_handle_pending_authorization: bool | None
    supplementary_data: str | None
    shipping_address: Part | None
    billing_address: Part | None


class ChargeFields(TypedDict, total=False):
    """Optional fields of Create Charge, in addition to permission and amount.

    Attributes:
        capture_now: Takes the money at once; otherwise it is held for a capture within 30 days.
        soft_descriptor: What the buyer's statement says, up to 16 characters.
        charge_initiator: Who starts the charge: ``CITU``, the buyer; ``MITU``, the merchant.
    """

    capture_now: bool | None
    soft_descriptor: str | None
    can_handle_pending_authorization: bool | None
    charge_initiator: ChargeInitiator | None
    channel: Channel | None
    web_checkout_details: Part | None
    merchant_metadata: Part | None
    provider_metadata: Part | None
    platform_id: str | None


class _PageQuery(TypedDict, total=False):
    page_size: int | str | None
    next_token: str | None


class PaidQuery(_PageQuery, total=False):
    """Get Disbursements."""

    start_time: str | None
    end_time: str | None


class ReportQuery(_PageQuery, total=False):
    """Get Reports."""

    report_types: Types
    processing_statuses: Sequence[ProcessingStatus] | str | None
    created_since: str | None
    created_until: str | None


class ScheduleFields(TypedDict, total=False):
    """Create Report Schedule."""

    report_type: Required[str]
    schedule_frequency: Required[str]
    next_report_creation_time: Required[str]
    delete_existing_schedule: bool | None
