"""The bodies of the API, with their lengths and enums.

Requests are strict: an unknown field is refused, as Amazon refuses it.  (What Amazon answers is in `spec.answers`.)
Python names are Amazon's, mechanically in snake case.  The longer bodies are ``TypedDict``s, since the client's methods
take their fields: an editor completes them, and a type checker refuses a misspelled one.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Required, TypedDict

from pydantic import ConfigDict, Field, StrictInt
from pydantic.alias_generators import to_camel

from amazonpay_nb.spec import reports
from amazonpay_nb.spec.addresses import ReturnAddress
from amazonpay_nb.spec.parts import Amount, As, Flag, Part, Price, Strict, Text16, Text50, Text255, strict

PaymentIntent = Literal["Confirm", "Authorize", "AuthorizeWithCapture"]
ChargePermissionType = Literal["OneTime", "Recurring", "PaymentMethodOnFile"]
ProductType = Literal["PayAndShip", "PayOnly", "SignIn", "SignInAndSetup", "PayAndShipMultiAddress", "Donation"]
ChargeInitiator = Literal["CITU", "MITU", "CITR", "MITR"]
Channel = Literal["Web", "Phone", "App", "Alexa", "PointOfSale", "FireTv", "Offline", "Amazon"]
EvidenceType = Literal[
    "ProductDescription", "Receipt", "CancellationPolicy", "CustomerSignature", "TrackingNumber", "CarrierName",
    "DeviceId", "DeviceName", "DownloadDateTime", "Other",
]  # fmt: skip
FileType = Literal["csv", "pdf", "xls", "xlsx", "doc", "docx", "ods", "jpg", "png"]
Scope = Literal["name", "email", "phoneNumber", "billingAddress", "postalCode", "shippingAddress", "primeStatus"]


class WebCheckoutDetails(Strict):
    """The addresses that the buyer is sent to."""

    checkout_review_return_url: ReturnAddress | None = None
    checkout_result_return_url: ReturnAddress | None = None
    checkout_cancel_url: ReturnAddress | None = None


class ButtonWebCheckoutDetails(WebCheckoutDetails):
    """The addresses, with those that only a button payload may hold."""

    checkout_mode: Literal["ProcessOrder"] | None = None
    checkout_error_url: ReturnAddress | None = None
    sign_in_return_url: ReturnAddress | None = None
    sign_in_cancel_url: ReturnAddress | None = None
    sign_in_error_url: ReturnAddress | None = None


class UpdatePaymentDetails(Strict):
    """Payment details that a PATCH may change."""

    payment_intent: PaymentIntent | None = None
    can_handle_pending_authorization: Flag | None = None
    charge_amount: Price | None = None
    total_order_amount: Price | None = None
    soft_descriptor: Text16 | None = None


class PaymentDetails(UpdatePaymentDetails):
    """Payment details; three fields can be set only at creation."""

    presentment_currency: str | None = None
    allow_overcharge: Flag | None = None
    extend_expiration: Flag | None = None


class MerchantMetadata(Strict):
    """The merchant's notes on an object; the buyer sees the first three."""

    # A shop's order number may be a number.
    merchant_reference_id: Annotated[str, Field(max_length=256, coerce_numbers_to_str=True)] | None = None
    merchant_store_name: Text50 | None = None
    note_to_buyer: Text255 | None = None
    custom_information: Annotated[str, Field(max_length=4096)] | None = None


class ProviderMetadata(Strict):
    """For payment service providers."""

    provider_reference_id: str | None = None


class Frequency(Strict):
    """How often a recurring payment is expected."""

    unit: Literal["Year", "Month", "Week", "Day", "Variable"] | None = None
    value: Annotated[str, Field(pattern="^[0-9]{1,9}$")] | None = None  # a string: a number is refused


class RecurringMetadata(Strict):
    """What a recurring payment is expected to be; informative only."""

    frequency: Frequency | None = None
    amount: Price | None = None


class PaymentMethodOnFileMetadata(Strict):
    """Whether a Saved Wallet is set up without a purchase."""

    setup_only: Flag | None = None


class AddressDetails(Strict):
    """The address of an end-of-checkout button: the one part of a request that Amazon trims."""

    model_config = ConfigDict(str_strip_whitespace=True)

    name: Text50 | None = None
    address_line1: Annotated[str, Field(max_length=180)] | None = None
    address_line2: Annotated[str, Field(max_length=60)] | None = None
    address_line3: Annotated[str, Field(max_length=60)] | None = None
    city: Text50 | None = None
    county: Text50 | None = None
    district: Text50 | None = None
    district_or_county: Text50 | None = None
    state_or_region: Text50 | None = None
    postal_code: Annotated[str, Field(max_length=20)] | None = None
    country_code: Annotated[str, Field(max_length=3)] | None = None
    phone_number: Annotated[str, Field(max_length=20)] | None = None


class Restriction(Strict):
    """The parts of one country; empty means all of it."""

    states_or_regions: list[str] | None = None
    zip_codes: list[str] | None = None


class AddressRestrictions(Strict):
    """Which countries, or parts of them, can be shipped to."""

    type: Literal["Allowed", "NotAllowed"]
    restrictions: dict[str, Restriction]


class DeliverySpecifications(Strict):
    """Which shipping addresses the buyer may choose."""

    special_restrictions: list[Literal["RestrictPOBoxes", "RestrictPackstations"]] | None = None
    address_restrictions: AddressRestrictions | None = None


class UpdateChargePermission(Strict):
    """Body of Update Charge Permission."""

    merchant_metadata: MerchantMetadata | None = None
    recurring_metadata: RecurringMetadata | None = None


class _AnySession(TypedDict, total=False):
    merchant_metadata: Annotated[Part | None, As(MerchantMetadata | None)]
    recurring_metadata: Annotated[Part | None, As(RecurringMetadata | None)]
    supplementary_data: str | None
    platform_id: str | None
    provider_metadata: Annotated[Part | None, As(ProviderMetadata | None)]
    charge_permission_type: ChargePermissionType | None
    multi_addresses_checkout_metadata: Annotated[Sequence[Part] | None, As(list[dict[str, Any]] | None)]


class UpdateCheckoutSession(_AnySession, total=False):
    """Body of Update Checkout Session."""

    web_checkout_details: Annotated[Part | None, As(WebCheckoutDetails | None)]
    payment_details: Annotated[Part | None, As(UpdatePaymentDetails | None)]


class CreateCheckoutSession(_AnySession, total=False):
    """Body of Create Checkout Session."""

    web_checkout_details: Required[Annotated[Part, As(WebCheckoutDetails)]]
    payment_details: Annotated[Part | None, As(PaymentDetails | None)]
    store_id: Required[str]
    scopes: Annotated[Sequence[Scope] | None, As(list[Scope] | None)]
    payment_method_on_file_metadata: Annotated[Part | None, As(PaymentMethodOnFileMetadata | None)]
    charge_permission_id: str | None
    delivery_specifications: Annotated[Part | None, As(DeliverySpecifications | None)]
    address_details: Annotated[Part | None, As(AddressDetails | None)]
    checkout_button_text: str | None


class ButtonPayload(strict(CreateCheckoutSession)):  # type: ignore[misc]  # a base that is computed
    """The signed payload of a button: Create Checkout Session plus the button-only fields."""

    web_checkout_details: ButtonWebCheckoutDetails
    sign_in_scopes: list[Scope] | None = None


class MobilePayload(ButtonPayload):
    """The ``checkoutSessionConfig`` of the Mobile SDK's start call, which is not signed."""

    channel_type: Literal["MOBILE_SDK"]


class SignInPayload(Strict):
    """The signed payload of plain Amazon Sign-in; its addresses are at the top level."""

    store_id: str
    sign_in_return_url: ReturnAddress
    sign_in_cancel_url: ReturnAddress | None = None
    sign_in_scopes: list[Scope] | None = None


class CompleteCheckoutSession(Strict):
    """Body of Complete Checkout Session: the amounts again, or nothing in set-up only flows."""

    charge_amount: Price | None = None
    total_order_amount: Price | None = None


class FinalizeCheckoutSession(TypedDict, total=False):
    """Body of Finalize Checkout Session (mobile)."""

    charge_amount: Annotated[Amount | None, As(Price | None)]
    total_order_amount: Annotated[Amount | None, As(Price | None)]
    payment_intent: PaymentIntent | None
    can_handle_pending_authorization: Flag | None
    supplementary_data: str | None
    shipping_address: Annotated[Part | None, As(AddressDetails | None)]
    billing_address: Annotated[Part | None, As(AddressDetails | None)]


class CloseChargePermission(Strict):
    """Body of Close Charge Permission."""

    closure_reason: Text255 | None = None
    cancel_pending_charges: Flag | None = None


class ChargeFields(TypedDict, total=False):
    """Optional fields of Create Charge, in addition to permission and amount."""

    capture_now: Flag | None  # takes the money at once; otherwise it is held for a capture within 30 days
    soft_descriptor: Text16 | None  # what the buyer's statement says
    can_handle_pending_authorization: Flag | None
    charge_initiator: ChargeInitiator | None  # CITU, the buyer; MITU, the merchant
    channel: Channel | None
    web_checkout_details: Annotated[Part | None, As(WebCheckoutDetails | None)]
    merchant_metadata: Annotated[Part | None, As(MerchantMetadata | None)]
    provider_metadata: Annotated[Part | None, As(ProviderMetadata | None)]
    platform_id: str | None


class CreateCharge(strict(ChargeFields)):  # type: ignore[misc]
    """Body of Create Charge."""

    charge_permission_id: str
    charge_amount: Price


class CaptureCharge(Strict):
    """Body of Capture Charge."""

    capture_amount: Price
    soft_descriptor: Text16 | None = None


class CancelCharge(Strict):
    """Body of Cancel Charge."""

    cancellation_reason: Text255 | None = None


class CreateRefund(Strict):
    """Body of Create Refund."""

    charge_id: str
    refund_amount: Price
    soft_descriptor: Text16 | None = None


class Evidence(Strict):
    """A piece of evidence: a text, a file that was uploaded, or both."""

    evidence_type: EvidenceType
    file_id: str | None = None
    evidence_text: str | None = None


class ContestDispute(Strict):
    """Body of Contest Dispute."""

    merchant_evidences: Annotated[list[Evidence], Field(min_length=1)]


class DisputeStatusDetails(Strict):
    """What a merchant can do to a dispute's state: accept it, the only way out without evidence."""

    state: Literal["Resolved"]
    reason_code: Literal["MerchantAcceptedDispute"]
    reason_description: Text255 | None = None
    resolution: Literal["BuyerWon"] | None = None


class UpdateDispute(Strict):
    """Body of Update Dispute."""

    status_details: DisputeStatusDetails
    closure_timestamp: StrictInt | str | None = None


class UploadFile(Strict):
    """Body of Upload File."""

    type: FileType
    purpose: Literal["disputeEvidence"]


class DeliveryDetail(Strict):
    """One parcel."""

    tracking_number: str
    carrier_code: str


class CreateDeliveryTracker(Strict):
    """Body of Create Delivery Tracker: the order, by either of its ids, and its parcels."""

    charge_permission_id: str | None = None
    amazon_order_reference_id: str | None = None
    delivery_details: Annotated[list[DeliveryDetail], Field(min_length=1)]


BODIES: dict[str, type[Strict]] = {
    model.__name__: model
    for model in (
        strict(CreateCheckoutSession), strict(UpdateCheckoutSession), CompleteCheckoutSession,
        strict(FinalizeCheckoutSession), UpdateChargePermission, CloseChargePermission, CreateCharge, CaptureCharge,
        CancelCharge, CreateRefund, UpdateDispute, ContestDispute, UploadFile, CreateDeliveryTracker,
        reports.CreateReport, strict(reports.CreateReportSchedule), strict(reports.GetReports),
        strict(reports.GetReportSchedules), strict(reports.GetDisbursements),
    )
}  # fmt: skip
ADDRESS_FIELDS = tuple(to_camel(name) for name in AddressDetails.model_fields if name != "district_or_county")
