"""The Amazon Pay API for Python: one method for each operation, requests signed by an `httpx.Auth`.

    keys = MerchantKeys.from_file("amazon-pay.pem", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B")
    with AmazonPayClient(keys, region="eu", environment="sandbox") as client:
        permission = client.get_charge_permission("C02-1234567-1234567")

The client never second-guesses Amazon: it sends its arguments, in Amazon's camelCase, and reports the answer
(an argument that is None is left out; a None inside one travels as null, and clears).  Only an id that would make
another address is refused: an empty one, or dots.  Every POST carries an idempotency key, which `idempotency_key=`
replaces; every call takes a `simulation_code=` for the Sandbox.  A refusal becomes an exception that says what to do.
"""

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote, urlencode

import httpx
from pydantic import BaseModel
from pydantic.alias_generators import to_camel, to_snake

from amazonpay_nb.client.auth import AmazonPayAuth, environment_segment, new_idempotency_key
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.sending import Sender
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.signing.steps import IDEMPOTENCY_KEY
from amazonpay_nb.spec.answers import (
    Buyer,
    Charge,
    ChargePermission,
    CheckoutSession,
    DeliveryTracker,
    Disbursements,
    Dispute,
    File,
    Refund,
    Report,
    ReportDocument,
    Reports,
    ReportSchedule,
    ReportSchedules,
)
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Idempotency
from amazonpay_nb.spec.parts import Amount, Part
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.spec.reports import CreateReportSchedule, GetDisbursements, GetReports
from amazonpay_nb.spec.requests import (
    ChargeFields,
    CreateCheckoutSession,
    FileType,
    FinalizeCheckoutSession,
    UpdateCheckoutSession,
)
from amazonpay_nb.spec.simulations import SIMULATION_HEADER

__tracebackhide__ = True  # a report of pytest shows what frames were called with: here, the token of a buyer
RECENT = 100  # attempts that a client without a journal remembers
TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # seconds; the first also for an attempt as a whole
Header = str | None  # its value, None where it has the usual one
Answer = TypeVar("Answer", bound=BaseModel)


class AmazonPayClient:
    """Talks to Amazon Pay, or to the emulator.

    Args:
        keys: The key pair that signs, or an `AmazonPayAuth` that knows one.
        region: ``na``, ``eu`` or ``jp``.
        environment: ``emulator``, ``sandbox`` or ``live``.
        base_url: Address of the emulator; Amazon's hosts are known.
        allow_live: Must be true as well for ``live``.
        journal: Takes down every attempt, redacted; by default only the latest.
        verify: A TLS context that trusts the emulator's own authority.
        new_idempotency_key: Makes the key of each POST.
    Raises:
        ConfigurationError: Region, environment and key do not fit together, or the way there cannot be used.
    """

    def __init__(
        self, keys: MerchantKeys | AmazonPayAuth, *, region: str = "na", environment: str = "sandbox",
        base_url: str | None = None, allow_live: bool = False, journal: Journal | None = None,
        verify: ssl.SSLContext | bool = True, transport: httpx.BaseTransport | None = None,
        new_idempotency_key: Callable[[], str] = new_idempotency_key, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        auth = keys if isinstance(keys, AmazonPayAuth) else AmazonPayAuth(keys)
        self._segment = environment_segment(auth.keys, environment, allow_live)
        try:
            row = region_of(region)
        except ValueError as error:
            raise ConfigurationError(str(error), advice="Choose one of the regions.") from None
        if base_url is None and environment == "emulator":
            raise ConfigurationError("The emulator's address is missing.", advice="Give base_url=emulator.url.")
        self.journal = Journal(limit=RECENT) if journal is None else journal
        self.clock, self._auth, self.new_key, self._sleep = auth.clock, auth, new_idempotency_key, sleep
        from amazonpay_nb.loopback import http_client, no_cookies  # slow to import

        self._http = http_client(
            auth=auth, base_url=base_url or f"https://{row.api_host}", timeout=TIMEOUT, verify=verify,
            transport=transport, headers={"x-amz-pay-region": row.code, "user-agent": "amazonpay-nb"},
            trust_env=environment != "emulator",
            cookies=no_cookies(),  # one that is no ASCII would end every later call
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sender(self) -> Sender:
        """What sends its requests."""
        return Sender(self._http, self._auth, self.journal, self._sleep)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create_checkout_session(
        self, *, idempotency_key: Header = None, simulation_code: Header = None, **fields: Unpack[CreateCheckoutSession]
    ) -> CheckoutSession:
        """Create Checkout Session on the server; a button normally does this in the buyer's browser."""
        return self._call("create", CheckoutSession, "", fields, simulation_code, idempotency_key)

    def get_checkout_session(self, checkout_session_id: str, *, simulation_code: Header = None) -> CheckoutSession:
        """Get Checkout Session: buyer, addresses and constraints while it is Open."""
        return self._call("get", CheckoutSession, checkout_session_id, {}, simulation_code)

    def update_checkout_session(
        self, checkout_session_id: str, *, simulation_code: Header = None, **fields: Unpack[UpdateCheckoutSession]
    ) -> CheckoutSession:
        """Update Checkout Session: return addresses, payment details and metadata, while it is Open."""
        return self._call("update", CheckoutSession, checkout_session_id, fields, simulation_code)

    def complete_checkout_session(
        self, checkout_session_id: str, *, charge_amount: Amount | None = None,
        total_order_amount: Amount | None = None, idempotency_key: Header = None, simulation_code: Header = None,
    ) -> CheckoutSession:  # fmt: skip
        """Complete Checkout Session, which is final.  A set-up takes no amount; a purchase repeats its amount."""
        fields = {"charge_amount": charge_amount, "total_order_amount": total_order_amount}
        return self._call("complete", CheckoutSession, checkout_session_id, fields, simulation_code, idempotency_key)

    def finalize_checkout_session(
        self, checkout_session_id: str, *, idempotency_key: Header = None, simulation_code: Header = None,
        **fields: Unpack[FinalizeCheckoutSession],
    ) -> CheckoutSession:  # fmt: skip
        """Finalize Checkout Session: the mobile counterpart of Complete."""
        return self._call("finalize", CheckoutSession, checkout_session_id, fields, simulation_code, idempotency_key)

    def get_charge_permission(self, charge_permission_id: str, *, simulation_code: Header = None) -> ChargePermission:
        """Get Charge Permission: call this before every charge."""
        return self._call("get", ChargePermission, charge_permission_id, {}, simulation_code)

    def update_charge_permission(
        self, charge_permission_id: str, *, merchant_metadata: Part | None = None,
        recurring_metadata: Part | None = None, simulation_code: Header = None,
    ) -> ChargePermission:  # fmt: skip
        """Update Charge Permission; once Closed, only a one-time one takes what is still empty."""
        fields = {"merchant_metadata": merchant_metadata, "recurring_metadata": recurring_metadata}
        return self._call("update", ChargePermission, charge_permission_id, fields, simulation_code)

    def close_charge_permission(
        self, charge_permission_id: str, *, closure_reason: str, cancel_pending_charges: bool = False,
        simulation_code: Header = None,
    ) -> ChargePermission:  # fmt: skip
        """Close Charge Permission for good; open authorizations live on unless they are canceled with it."""
        fields = {"closure_reason": closure_reason, "cancel_pending_charges": cancel_pending_charges}
        return self._call("close", ChargePermission, charge_permission_id, fields, simulation_code)

    def create_charge(
        self, *, charge_permission_id: str, charge_amount: Amount, idempotency_key: Header = None,
        simulation_code: Header = None, **fields: Unpack[ChargeFields],
    ) -> Charge:  # fmt: skip
        """Create Charge: look at the state of the answer, it may be authorized, captured or pending.

        Args:
            charge_permission_id: A permission that is Chargeable.
            charge_amount: ``{"amount": "14.00", "currencyCode": "USD"}``.
        Raises:
            DeclinedError: The payment was declined; a new attempt takes a new key.
        """
        body = {"charge_permission_id": charge_permission_id, "charge_amount": charge_amount, **fields}
        return self._call("create", Charge, "", body, simulation_code, idempotency_key)

    def get_charge(self, charge_id: str, *, simulation_code: Header = None) -> Charge:
        """Get Charge."""
        return self._call("get", Charge, charge_id, {}, simulation_code)

    def capture_charge(
        self, charge_id: str, *, capture_amount: Amount, soft_descriptor: str | None = None,
        idempotency_key: Header = None, simulation_code: Header = None,
    ) -> Charge:  # fmt: skip
        """Capture Charge, all of it or less; more than seven days after authorization it is asynchronous."""
        fields = {"capture_amount": capture_amount, "soft_descriptor": soft_descriptor}
        return self._call("capture", Charge, charge_id, fields, simulation_code, idempotency_key)

    def cancel_charge(self, charge_id: str, *, cancellation_reason: str, simulation_code: Header = None) -> Charge:
        """Cancel Charge before it is captured."""
        fields = {"cancellation_reason": cancellation_reason}
        return self._call("cancel", Charge, charge_id, fields, simulation_code)

    def create_refund(
        self, *, charge_id: str, refund_amount: Amount, soft_descriptor: str | None = None,
        idempotency_key: Header = None, simulation_code: Header = None,
    ) -> Refund:  # fmt: skip
        """Create Refund of a captured charge; the outcome follows later."""
        fields = {"charge_id": charge_id, "refund_amount": refund_amount, "soft_descriptor": soft_descriptor}
        return self._call("create", Refund, "", fields, simulation_code, idempotency_key)

    def get_refund(self, refund_id: str, *, simulation_code: Header = None) -> Refund:
        """Get Refund."""
        return self._call("get", Refund, refund_id, {}, simulation_code)

    def get_dispute(self, dispute_id: str, *, simulation_code: Header = None) -> Dispute:
        """Get Dispute: why the buyer wants the money back, and until when you can answer."""
        return self._call("get", Dispute, dispute_id, {}, simulation_code)

    def update_dispute(
        self, dispute_id: str, *, status_details: Part, closure_timestamp: int | str | None = None,
        simulation_code: Header = None,
    ) -> Dispute:  # fmt: skip
        """Update Dispute: accept it, with ``{"state": "Resolved", "reasonCode": "MerchantAcceptedDispute"}``."""
        fields = {"status_details": status_details, "closure_timestamp": closure_timestamp}
        return self._call("update", Dispute, dispute_id, fields, simulation_code)

    def contest_dispute(
        self, dispute_id: str, *, merchant_evidences: Sequence[Part], idempotency_key: Header = None,
        simulation_code: Header = None,
    ) -> Dispute:  # fmt: skip
        """Contest Dispute, within its deadline.

        Evidence is ``{"evidenceType": "TrackingNumber", "evidenceText": …}``, or has a ``fileId`` from `upload_file`.
        """
        fields = {"merchant_evidences": merchant_evidences}
        return self._call("contest", Dispute, dispute_id, fields, simulation_code, idempotency_key)

    def upload_file(
        self, *, type: FileType, purpose: str,  # noqa: A002 (the field's name)
        idempotency_key: Header = None, simulation_code: Header = None,
    ) -> File:  # fmt: skip
        """Upload File: returns an id for evidence, and the address at which to PUT the content; disputeEvidence."""
        return self._call("upload", File, "", {"type": type, "purpose": purpose}, simulation_code, idempotency_key)

    def create_delivery_tracker(
        self, *, delivery_details: Sequence[Part], charge_permission_id: str | None = None,
        amazon_order_reference_id: str | None = None, idempotency_key: Header = None, simulation_code: Header = None,
    ) -> DeliveryTracker:  # fmt: skip
        """Create Delivery Tracker: lets Alexa tell the buyer about an order's parcels; name the order by one id.

        A parcel is ``{"trackingNumber": "1Z…", "carrierCode": "UPS"}``, and each number works once.
        """
        order = {"charge_permission_id": charge_permission_id, "amazon_order_reference_id": amazon_order_reference_id}
        fields = {**order, "delivery_details": delivery_details}
        return self._call("create", DeliveryTracker, "", fields, simulation_code, idempotency_key)

    def create_report(
        self, *, report_type: str, start_time: str, end_time: str, idempotency_key: Header = None,
        simulation_code: Header = None,
    ) -> Report:  # fmt: skip
        """Create Report: returns an id, for `get_report_by_id`.  Times are ISO 8601, such as 20260115T120000Z."""
        fields = {"report_type": report_type, "start_time": start_time, "end_time": end_time}
        return self._call("create", Report, "", fields, simulation_code, idempotency_key)

    def get_reports(self, *, simulation_code: Header = None, **fields: Unpack[GetReports]) -> Reports:
        """Get Reports of the last 90 days, the newest first."""
        return self._call("get", Reports, "", fields, simulation_code)

    def get_report_by_id(self, report_id: str, *, simulation_code: Header = None) -> Report:
        """Get Report By Id: once it is COMPLETED, it names its document."""
        return self._call("get", Report, report_id, {}, simulation_code)

    def get_report_document(self, report_document_id: str, *, simulation_code: Header = None) -> ReportDocument:
        """Get Report Document: an address that can be downloaded from for 30 seconds, without a signature."""
        return self._call("get", ReportDocument, report_document_id, {}, simulation_code)

    def create_report_schedule(
        self, *, idempotency_key: Header = None, simulation_code: Header = None, **fields: Unpack[CreateReportSchedule]
    ) -> ReportSchedule:
        """Create Report Schedule: there is one for each type of report."""
        return self._call("create", ReportSchedule, "", fields, simulation_code, idempotency_key)

    def get_report_schedules(
        self, *, report_types: str | None = None, simulation_code: Header = None
    ) -> ReportSchedules:
        """Get Report Schedules."""
        return self._call("get", ReportSchedules, "", {"report_types": report_types}, simulation_code)

    def get_report_schedule_by_id(self, report_schedule_id: str, *, simulation_code: Header = None) -> ReportSchedule:
        """Get Report Schedule By Id."""
        return self._call("get", ReportSchedule, report_schedule_id, {}, simulation_code)

    def cancel_report_schedule(self, report_schedule_id: str, *, simulation_code: Header = None) -> ReportSchedule:
        """Cancel Report Schedule; the answer is empty."""
        return self._call("cancel", ReportSchedule, report_schedule_id, {}, simulation_code)

    def get_disbursements(self, *, simulation_code: Header = None, **fields: Unpack[GetDisbursements]) -> Disbursements:
        """Get Disbursements: what Amazon has paid to your bank, between two times of settlement."""
        return self._call("get", Disbursements, "", fields, simulation_code)

    def get_buyer(self, buyer_token: str, *, simulation_code: Header = None) -> Buyer:
        """Get Buyer: plain Amazon Sign-in only; *buyer_token* lives 24 hours."""
        return self._call("get", Buyer, buyer_token, {}, simulation_code)

    def _call(
        self, verb: str, kind: type[Answer], object_id: str, fields: Mapping[str, Any], code: str | None,
        key: str | None = None,
    ) -> Answer:  # fmt: skip
        name = verb + kind.__name__
        operation = OPERATIONS.get(name) or OPERATIONS[f"{name}ById"]
        ids = {_ID_NAMES[kind]: object_id or ""} if "{id}" in operation.path else {}
        arguments = {**fields, **ids}
        for name in arguments.keys() & {*_ID_NAMES.values(), "store_id"}:
            if isinstance(value := arguments[name], str) and value.strip() in _NO_IDS:
                advice = f"Give {name} the value that Amazon Pay gave you."
                raise ConfigurationError(f"{name} is {repr(value) if value.strip() else 'empty'}.", advice=advice)
        headers = {SIMULATION_HEADER: code} if code else {}
        if operation.idempotency != Idempotency.WITHOUT_EFFECT:
            headers[IDEMPOTENCY_KEY] = self.new_key() if key is None else key
        values = {to_camel(field): value for field, value in fields.items() if value is not None}
        try:
            path = self._segment + operation.path.format(id=quote(object_id, safe="-_.~"))
            path += f"?{urlencode(values)}" if values and not operation.body else ""
        except (TypeError, UnicodeEncodeError) as error:  # the text itself may be the token of a buyer
            wrong = "is no text" if isinstance(error, TypeError) else "holds half a character"
            problem = f"{next(iter(ids), 'A text')} {wrong}, which cannot be sent."
            raise ConfigurationError(problem, advice="Give it as it was before it was cut or decoded.") from None
        body = values if operation.body else None
        return self.sender.send(operation.name, kind, operation.method, path, headers, body)


_NO_IDS = ("", ".", "..")  # a path with these leads elsewhere
# The arguments that identify the object of a call.
_ID_NAMES: dict[type[BaseModel], str] = {kind.model: to_snake(kind.id_field) for kind in KINDS.values()}
_ID_NAMES |= {kind: f"{to_snake(kind.__name__)}_id" for kind in (Report, ReportDocument, ReportSchedule)}
_ID_NAMES[Buyer] = "buyer_token"
