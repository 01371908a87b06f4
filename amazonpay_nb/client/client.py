"""The Amazon Pay API for Python: one method for each operation, requests signed by an `httpx.Auth`.

    keys = MerchantKeys.from_file("amazon-pay.pem", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B")
    with AmazonPayClient(keys, region="eu", environment="sandbox") as client:
        permission = client.get_charge_permission("C02-1234567-1234567")

The client never second-guesses Amazon: it sends what it is given, in Amazon's camelCase, and reports what comes back
(an argument that is None is left out; a None inside one travels as null, and clears).  Only an empty id is refused,
since it would make another address.  Every POST carries an idempotency key, which `idempotency_key=` replaces; every
call takes a `simulation_code=` for the Sandbox.  A refusal becomes an exception that says what to do next.
"""

import json
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote

import httpx
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic_core import to_jsonable_python

from amazonpay_nb.client.auth import AmazonPayAuth
from amazonpay_nb.client.fields import (
    Amount,
    CaptureFields,
    ChargeFields,
    CompletionFields,
    FinalFields,
    PermissionFields,
    RefundFields,
    SessionFields,
    SessionUpdateFields,
)
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.sending import Body, Sender
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import IDEMPOTENCY_KEY
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.answers import Buyer, Charge, ChargePermission, CheckoutSession, Refund
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.spec.simulations import SIMULATION_HEADER

__all__ = ["AmazonPayClient", "new_idempotency_key"]

RECENT = 100  # attempts that a client remembers when it is given no journal
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
Answer = TypeVar("Answer", bound=BaseModel)


def new_idempotency_key() -> str:
    """Return a fresh key of 32 hexadecimal digits, the longest that Amazon accepts."""
    return uuid.uuid4().hex


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
        transport: Replaces the network.
        new_idempotency_key: Makes the key of each POST.
        sleep: Waits between attempts.
    Raises:
        ConfigurationError: Region, environment and key do not fit together.
    """

    def __init__(
        self, keys: MerchantKeys | AmazonPayAuth, *, region: str = "na", environment: str = "sandbox",
        base_url: str | None = None, allow_live: bool = False, journal: Journal | None = None,
        verify: ssl.SSLContext | bool = True, transport: httpx.BaseTransport | None = None,
        new_idempotency_key: Callable[[], str] = new_idempotency_key, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        auth = keys if isinstance(keys, AmazonPayAuth) else AmazonPayAuth(keys)
        self._segment = _environment_segment(auth.keys, environment, allow_live)
        try:
            row = region_of(region)
        except ValueError as error:
            raise ConfigurationError(str(error), advice="Choose one of the regions.") from None
        if base_url is None and environment == "emulator":
            raise ConfigurationError("The emulator's address is missing.", advice="Give base_url=emulator.url.")
        self.clock, self._new_key = auth.clock, new_idempotency_key
        self._http = httpx.Client(
            auth=auth, base_url=base_url or f"https://{row.api_host}", timeout=TIMEOUT, verify=verify,
            transport=transport, headers={"x-amz-pay-region": row.code, "user-agent": "amazonpay-nb"},
            trust_env=environment != "emulator",  # a proxy cannot reach loopback for us
        )  # fmt: skip
        self._sender = Sender(self._http, auth, Journal(limit=RECENT) if journal is None else journal, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def journal(self) -> Journal:
        """Every attempt, redacted."""
        return self._sender.journal

    @journal.setter
    def journal(self, journal: Journal) -> None:
        self._sender.journal = journal

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- Checkout Session ---------------------------------------------------------------------------------------------

    def create_checkout_session(
        self, *, idempotency_key: str | None = None, simulation_code: str | None = None, **fields: Unpack[SessionFields]
    ) -> CheckoutSession:
        """Create Checkout Session on the server; a button normally does this in the buyer's browser."""
        return self._call("createCheckoutSession", CheckoutSession, {}, fields, simulation_code, idempotency_key)

    def get_checkout_session(self, checkout_session_id: str, *, simulation_code: str | None = None) -> CheckoutSession:
        """Get Checkout Session: buyer, addresses and constraints while it is Open."""
        path = {"checkout_session_id": checkout_session_id}
        return self._call("getCheckoutSession", CheckoutSession, path, {}, simulation_code)

    def update_checkout_session(
        self, checkout_session_id: str, *, simulation_code: str | None = None, **fields: Unpack[SessionUpdateFields]
    ) -> CheckoutSession:
        """Update Checkout Session: return addresses, payment details and metadata, while it is Open."""
        path = {"checkout_session_id": checkout_session_id}
        return self._call("updateCheckoutSession", CheckoutSession, path, fields, simulation_code)

    def complete_checkout_session(
        self, checkout_session_id: str, *, idempotency_key: str | None = None, simulation_code: str | None = None,
        **fields: Unpack[CompletionFields],
    ) -> CheckoutSession:  # fmt: skip
        """Complete Checkout Session: nothing is final before.  A set-up takes no amount, a purchase repeats it."""
        path = {"checkout_session_id": checkout_session_id}
        return self._call("completeCheckoutSession", CheckoutSession, path, fields, simulation_code, idempotency_key)

    def finalize_checkout_session(
        self, checkout_session_id: str, *, idempotency_key: str | None = None, simulation_code: str | None = None,
        **fields: Unpack[FinalFields],
    ) -> CheckoutSession:  # fmt: skip
        """Finalize Checkout Session: the mobile counterpart of Complete."""
        path = {"checkout_session_id": checkout_session_id}
        return self._call("finalizeCheckoutSession", CheckoutSession, path, fields, simulation_code, idempotency_key)

    # --- Charge Permission --------------------------------------------------------------------------------------------

    def get_charge_permission(
        self, charge_permission_id: str, *, simulation_code: str | None = None
    ) -> ChargePermission:
        """Get Charge Permission: call this before every charge."""
        path = {"charge_permission_id": charge_permission_id}
        return self._call("getChargePermission", ChargePermission, path, {}, simulation_code)

    def update_charge_permission(
        self, charge_permission_id: str, *, simulation_code: str | None = None, **fields: Unpack[PermissionFields]
    ) -> ChargePermission:
        """Update Charge Permission: ``merchant_metadata`` and ``recurring_metadata``."""
        path = {"charge_permission_id": charge_permission_id}
        return self._call("updateChargePermission", ChargePermission, path, fields, simulation_code)

    def close_charge_permission(
        self, charge_permission_id: str, *, closure_reason: str, cancel_pending_charges: bool = False,
        simulation_code: str | None = None,
    ) -> ChargePermission:  # fmt: skip
        """Close Charge Permission for good; open authorizations live on unless they are canceled with it."""
        path = {"charge_permission_id": charge_permission_id}
        fields = {"closure_reason": closure_reason, "cancel_pending_charges": cancel_pending_charges}
        return self._call("closeChargePermission", ChargePermission, path, fields, simulation_code)

    # --- Charge -------------------------------------------------------------------------------------------------------

    def create_charge(
        self, *, charge_permission_id: str, charge_amount: Amount, idempotency_key: str | None = None,
        simulation_code: str | None = None, **fields: Unpack[ChargeFields],
    ) -> Charge:  # fmt: skip
        """Create Charge: look at the state of the answer, it may be authorized, captured or pending.

        Args:
            charge_permission_id: A permission that is Chargeable.
            charge_amount: ``{"amount": "14.00", "currencyCode": "USD"}``.
        Raises:
            DeclinedError: The payment was declined; a new attempt takes a new key.
        """
        body = {"charge_permission_id": charge_permission_id, "charge_amount": charge_amount, **fields}
        return self._call("createCharge", Charge, {}, body, simulation_code, idempotency_key)

    def get_charge(self, charge_id: str, *, simulation_code: str | None = None) -> Charge:
        """Get Charge."""
        return self._call("getCharge", Charge, {"charge_id": charge_id}, {}, simulation_code)

    def capture_charge(
        self, charge_id: str, *, capture_amount: Amount, idempotency_key: str | None = None,
        simulation_code: str | None = None, **fields: Unpack[CaptureFields],
    ) -> Charge:  # fmt: skip
        """Capture Charge, all of it or less; more than seven days after authorization it is asynchronous."""
        path, body = {"charge_id": charge_id}, {"capture_amount": capture_amount, **fields}
        return self._call("captureCharge", Charge, path, body, simulation_code, idempotency_key)

    def cancel_charge(self, charge_id: str, *, cancellation_reason: str, simulation_code: str | None = None) -> Charge:
        """Cancel Charge before it is captured."""
        path, body = {"charge_id": charge_id}, {"cancellation_reason": cancellation_reason}
        return self._call("cancelCharge", Charge, path, body, simulation_code)

    # --- Refund and Buyer ---------------------------------------------------------------------------------------------

    def create_refund(
        self, *, charge_id: str, refund_amount: Amount, idempotency_key: str | None = None,
        simulation_code: str | None = None, **fields: Unpack[RefundFields],
    ) -> Refund:  # fmt: skip
        """Create Refund of a captured charge; the outcome follows later."""
        body = {"charge_id": charge_id, "refund_amount": refund_amount, **fields}
        return self._call("createRefund", Refund, {}, body, simulation_code, idempotency_key)

    def get_refund(self, refund_id: str, *, simulation_code: str | None = None) -> Refund:
        """Get Refund."""
        return self._call("getRefund", Refund, {"refund_id": refund_id}, {}, simulation_code)

    def get_buyer(self, buyer_token: str, *, simulation_code: str | None = None) -> Buyer:
        """Get Buyer: plain Amazon Sign-in only; *buyer_token* lives 24 hours."""
        return self._call("getBuyer", Buyer, {"buyer_token": buyer_token}, {}, simulation_code)

    # --- One way out --------------------------------------------------------------------------------------------------

    def _call(
        self, name: str, kind: type[Answer], path: Mapping[str, str], fields: Mapping[str, Any], code: str | None,
        key: str | None = None,
    ) -> Answer:  # fmt: skip
        operation = OPERATIONS[name]
        _check_ids({**fields, **path})
        headers = {SIMULATION_HEADER: code} if code else {}
        if operation.idempotency != Idempotency.WITHOUT_EFFECT:
            headers[IDEMPOTENCY_KEY] = key or self._new_key()
        values = {to_camel(field): value for field, value in fields.items() if value is not None}
        body: Body | None = to_jsonable_python(values, by_alias=True) if operation.body else None
        # Compact, and with slashes and letters as they are: what is signed is what is sent.
        text = None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        ids = (quote(value, safe="-_.~") for value in path.values())
        address = self._segment + operation.path.format(id=next(ids, ""))
        try:
            request = self._http.build_request(operation.method, address, content=text, headers=headers)
        except UnicodeEncodeError:
            raise ConfigurationError("A text cannot be sent.", advice="Send Unicode, and ASCII in headers.") from None
        return self._sender.send(name, kind, request, body)


# The arguments that say what a call is about; without one, the address or the body is about nothing.
_IDS = {"buyer_token", "charge_id", "charge_permission_id", "checkout_session_id", "refund_id", "store_id"}


def _check_ids(arguments: Mapping[str, Any]) -> None:
    for name in _IDS & arguments.keys():
        value = arguments[name]
        if isinstance(value, str) and not value.strip():
            raise ConfigurationError(f"{name} is empty.", advice=f"Give {name} the value that Amazon Pay gave you.")


def _environment_segment(keys: MerchantKeys, environment: str, allow_live: bool) -> str:
    if environment not in ("emulator", "sandbox", "live"):
        raise ConfigurationError(f"No environment {environment!r} exists.", advice="Choose emulator, sandbox or live.")
    if environment == "live" and not allow_live:
        raise ConfigurationError("Live moves real money.", advice="If you want that, pass allow_live=True as well.")
    wanted = "live" if environment == "live" else "sandbox"
    if keys.environment not in (None, wanted):
        raise ConfigurationError(
            f"The key {keys.public_key_id} is for {keys.environment}, not for {environment}.",
            advice="Use a key of that environment, or change the environment.",
        )
    return "" if keys.environment else f"/{wanted}"
