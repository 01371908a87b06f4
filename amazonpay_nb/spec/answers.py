"""The objects that the API answers with, as a client reads them.

Every field may be null and unknown fields are kept: Amazon adds fields without notice.
"""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from amazonpay_nb.redaction import redact


class _Lenient(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True, defer_build=True,
        coerce_numbers_to_str=True,  # what was done must not look lost for a number
    )  # fmt: skip

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Return the fields as a representation shows them, without a buyer's data."""
        fields: dict[str | None, Any] | str = redact(dict(super().__repr_args__()))
        return [(None, fields)] if isinstance(fields, str) else fields.items()  # a text where it is too deep


class Money(_Lenient):
    """An amount as Amazon wrote it, for example ``14.00`` and ``USD``."""

    amount: str = Field(pattern="^[-+.,0-9eE]+$")  # neither nan nor infinity
    currency_code: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency_code}"


class Reason(_Lenient):
    """One of the reasons of a Charge Permission's state."""

    reason_code: str
    reason_description: str | None = None


class StatusDetails(_Lenient):
    """State, reason and time of the last change (``yyyyMMddTHHmmssZ``, UTC)."""

    state: str
    reason_code: str | None = None
    reason_description: str | None = None
    reasons: list[Reason] | None = None
    resolution: str | None = None
    last_updated_timestamp: str | None = None


class Resource(_Lenient):
    """Fields that all stateful objects share."""

    status_details: StatusDetails
    creation_timestamp: str | None = None
    release_environment: str | None = None

    @property
    def state(self) -> str:
        """The state, for example ``Chargeable``."""
        return self.status_details.state

    @property
    def reason_code(self) -> str | None:
        """Why the object is in its state; the first reason where there are several."""
        reasons = self.status_details.reasons
        return reasons[0].reason_code if reasons else self.status_details.reason_code


class CheckoutSession(Resource):
    """The 24-hour envelope of one hosted interaction.  Completed sessions are nearly all null."""

    checkout_session_id: str
    charge_permission_id: str | None = None
    charge_id: str | None = None
    charge_permission_type: str | None = None
    product_type: str | None = None
    web_checkout_details: dict[str, Any] | None = None
    payment_details: dict[str, Any] | None = None
    buyer: dict[str, Any] | None = None
    shipping_address: dict[str, Any] | None = None
    billing_address: dict[str, Any] | None = None
    payment_preferences: list[dict[str, Any] | None] | None = None
    constraints: list[dict[str, Any]] | None = None
    expiration_timestamp: str | None = None


class ChargePermission(Resource):
    """The buyer's agreement to be charged: ``OneTime``, ``Recurring`` or ``PaymentMethodOnFile``."""

    charge_permission_id: str
    charge_permission_type: str | None = None
    buyer: dict[str, Any] | None = None
    payment_preferences: list[dict[str, Any] | None] | None = None
    limits: dict[str, Any] | None = None
    expiration_timestamp: str | None = None
    presentment_currency: str | None = None

    @property
    def payment_descriptor(self) -> str | None:
        """What the buyer sees, for example ``Visa ****1111 (Amazon Pay)``."""
        first = (self.payment_preferences or [None])[0]
        return first.get("paymentDescriptor") if first else None


class Charge(Resource):
    """One payment: authorized, then captured or canceled."""

    charge_id: str
    charge_permission_id: str
    charge_amount: Money
    capture_amount: Money | None = None
    refunded_amount: Money | None = None
    expiration_timestamp: str | None = None
    charge_initiator: str | None = None
    channel: str | None = None
    merchant_metadata: dict[str, Any] | None = None


class Refund(Resource):
    """Money on its way back; always asynchronous."""

    refund_id: str
    charge_id: str
    refund_amount: Money


# Why a buyer disputes a payment.
FilingReason = Literal[
    "ProductNotReceived", "ProductUnacceptable", "ProductNoLongerNeeded", "CreditNotProcessed", "Overcharged",
    "DuplicateCharge", "SubscriptionCancelled", "Unrecognized", "Fraudulent", "Other",
]  # fmt: skip


class Dispute(Resource):
    """A payment that the buyer's bank wants back; it can be contested until ``merchant_response_deadline``."""

    dispute_id: str
    charge_id: str
    dispute_type: str | None = None
    dispute_amount: Money
    filing_reason: str | None = None
    merchant_evidences: list[dict[str, Any]] | None = None
    merchant_response_deadline: str | None = None
    resolution_authority: str | None = None

    @property
    def resolution(self) -> str | None:
        """The winner: ``MerchantWon``, ``BuyerWon`` or ``NoFault``; None while it is open."""
        return self.status_details.resolution


class File(_Lenient):
    """A file that evidence can refer to; its content is put at *url*, which expires."""

    id: str
    type: str
    purpose: str
    url: str | None = None
    url_expiration_timestamp: str | None = None


class DeliveryTracker(_Lenient):
    """The parcels of an order that Alexa tells the buyer about."""

    charge_permission_id: str | None = None
    amazon_order_reference_id: str | None = None
    delivery_details: list[dict[str, Any]]


class Report(_Lenient):
    """A report, or the one that was asked for just now, of which Amazon tells the id only.  Times are UTC."""

    report_id: str
    report_type: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    created_time: str | None = None
    processing_status: str | None = None  # IN_PROGRESS, COMPLETED, FAILED, or CANCELLED where nothing has happened
    processing_start_time: str | None = None
    processing_end_time: str | None = None
    report_document_id: str | None = None


class Reports(_Lenient):
    """A page of reports, and the token of the next page."""

    reports: list[Report]
    next_token: str | None = None


class ReportDocument(_Lenient):
    """Where a report can be downloaded, for 30 seconds."""

    report_document_id: str
    url: str
    compression_algorithm: str | None = None


class ReportSchedule(_Lenient):
    """A report that is made again and again; a new schedule is its id, and one that was canceled is nothing."""

    report_schedule_id: str | None = None
    report_type: str | None = None
    schedule_frequency: str | None = None
    next_report_creation_time: str | None = None


class ReportSchedules(_Lenient):
    """All schedules, one for a type of report."""

    report_schedules: list[ReportSchedule]


class Disbursements(_Lenient):
    """A page of what was paid to the bank, one for each settlement, and the token of the next page."""

    disbursements: list[dict[str, Any]]
    next_token: str | None = None


class Buyer(_Lenient):
    """The buyer of plain Amazon Sign-in; all fields except the id depend on the scopes."""

    buyer_id: str
    name: str | None = None
    email: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone_number: str | None = None
    shipping_address: dict[str, Any] | None = None
    billing_address: dict[str, Any] | None = None
    prime_membership_types: list[str] | None = None
