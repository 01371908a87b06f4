"""The Amazon Pay API for Python: one method for each operation, requests signed by an `httpx.Auth`.

    keys = load("amazon-pay.pem", "SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B")
    with AmazonPayClient(AmazonPayAuth(keys), region="eu", environment="sandbox") as client:
        permission = client.get_charge_permission("C02-1234567-1234567")

The client never second-guesses Amazon: it sends what it is given, in Amazon's camelCase, and reports what comes back
(an argument that is None is left out; a None inside one travels as null, and clears).  What it does add is care.
Every POST carries an idempotency key; an attempt that may have been lost is repeated with the *same* key, so that it
cannot charge twice; a refusal becomes an exception that says what to do next.
"""

import json
import ssl
import time
import uuid
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import tenacity
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_jsonable_python

from amazonpay_nb.client.journal import Exchange, Journal
from amazonpay_nb.client.redaction import keep_secrets_out, redact
from amazonpay_nb.errors import ApiError, ConfigurationError, ConflictError, DeclinedError, TransportError, api_error
from amazonpay_nb.signing import IDEMPOTENCY_KEY, format_date, probable_step, sign_request
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.answers import Buyer, Charge, ChargePermission, CheckoutSession, Refund
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency
from amazonpay_nb.spec.regions import REGIONS, region as region_of
from amazonpay_nb.spec.simulations import SIMULATION_HEADER

__all__ = ["AmazonPayAuth", "AmazonPayClient", "new_idempotency_key"]

ATTEMPTS = 4  # the first one and three retries, as Amazon's SDKs do
# What got a 5xx may have been carried out or not: the same key makes the repetition safe.  A decline is decided.
RETRIED_STATUS = frozenset({408, 425, 429, *range(500, 600)})
LONGEST_PAUSE = 60.0  # seconds; who is asked to wait longer is told so instead
RECENT = 100  # attempts that a client remembers when it is given no journal
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_BACK_OFF = tenacity.wait_random_exponential(multiplier=0.5, max=8)
_HOSTS = {row.api_host: row.code for row in REGIONS.values()}

Clock = Callable[[], datetime]
Body = dict[str, Any]
Answer = TypeVar("Answer", bound=BaseModel)


def new_idempotency_key() -> str:
    """Return a fresh key of 32 hexadecimal digits, the longest that Amazon accepts."""
    return uuid.uuid4().hex


class AmazonPayAuth(httpx.Auth):
    """Signs every request of an httpx client with a merchant's private key.

    Args:
        keys: The key pair; its id decides between ``/v2/…`` and ``/sandbox/v2/…``.
        clock: Returns the current time, aware.
    Spec: "Signing requests".
    """

    requires_request_body = True

    def __init__(self, keys: MerchantKeys, *, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.keys = keys
        self.clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the signed headers and the signature; called by httpx."""
        headers = request.headers
        headers["accept"] = headers["content-type"] = "application/json"
        headers["x-amz-pay-date"] = format_date(self.clock())
        headers["x-amz-pay-host"] = request.url.host
        headers.setdefault("x-amz-pay-region", _HOSTS.get(request.url.host, "na"))
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        headers["authorization"] = sign_request(
            request.method, path, query, headers.multi_items(), request.content,
            self.keys.private_key, self.keys.public_key_id, self.keys.algorithm,
        )  # fmt: skip
        yield request


class AmazonPayClient:
    """Talks to Amazon Pay, or to the emulator.

    Args:
        auth: Signs the requests.
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
        self, auth: AmazonPayAuth, *, region: str = "na", environment: str = "sandbox", base_url: str | None = None,
        allow_live: bool = False, journal: Journal | None = None, verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None, new_idempotency_key: Callable[[], str] = new_idempotency_key,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._segment = _environment_segment(auth.keys, environment, allow_live)
        try:
            row = region_of(region)
        except ValueError as error:
            raise ConfigurationError(str(error), advice="Choose one of the regions.") from None
        if base_url is None and environment == "emulator":
            raise ConfigurationError("The emulator's address is missing.", advice="Give base_url=emulator.url.")
        self.journal = Journal(limit=RECENT) if journal is None else journal
        self.clock, self._keys, self._new_key, self._sleep = auth.clock, auth.keys, new_idempotency_key, sleep
        keep_secrets_out()
        self._http = httpx.Client(
            auth=auth, base_url=base_url or f"https://{row.api_host}", timeout=TIMEOUT, verify=verify,
            transport=transport, headers={"x-amz-pay-region": row.code, "user-agent": "amazonpay-nb"},
            trust_env=environment != "emulator",  # a proxy cannot reach loopback for us
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- Checkout Session ---------------------------------------------------------------------------------------------

    def create_checkout_session(self, **fields: Any) -> CheckoutSession:
        """Create Checkout Session on the server; a button normally does this in the buyer's browser."""
        return self._call("createCheckoutSession", CheckoutSession, fields)

    def get_checkout_session(self, checkout_session_id: str, **options: str) -> CheckoutSession:
        """Get Checkout Session: buyer, addresses and constraints while it is Open."""
        return self._call("getCheckoutSession", CheckoutSession, options, checkout_session_id)

    def update_checkout_session(self, checkout_session_id: str, **fields: Any) -> CheckoutSession:
        """Update Checkout Session: return addresses, payment details and metadata, while it is Open."""
        return self._call("updateCheckoutSession", CheckoutSession, fields, checkout_session_id)

    def complete_checkout_session(self, checkout_session_id: str, **fields: Any) -> CheckoutSession:
        """Complete Checkout Session: nothing is final before.  Set-up takes no amount, a purchase repeats it."""
        return self._call("completeCheckoutSession", CheckoutSession, fields, checkout_session_id)

    def finalize_checkout_session(self, checkout_session_id: str, **fields: Any) -> CheckoutSession:
        """Finalize Checkout Session: the mobile counterpart of Complete."""
        return self._call("finalizeCheckoutSession", CheckoutSession, fields, checkout_session_id)

    # --- Charge Permission --------------------------------------------------------------------------------------------

    def get_charge_permission(self, charge_permission_id: str, **options: str) -> ChargePermission:
        """Get Charge Permission: call this before every charge."""
        return self._call("getChargePermission", ChargePermission, options, charge_permission_id)

    def update_charge_permission(self, charge_permission_id: str, **fields: Any) -> ChargePermission:
        """Update Charge Permission: ``merchant_metadata`` and ``recurring_metadata``."""
        return self._call("updateChargePermission", ChargePermission, fields, charge_permission_id)

    def close_charge_permission(
        self, charge_permission_id: str, *, closure_reason: str, cancel_pending_charges: bool = False, **options: str
    ) -> ChargePermission:
        """Close Charge Permission for good; open authorisations live on unless they are canceled with it."""
        fields = {"closure_reason": closure_reason, "cancel_pending_charges": cancel_pending_charges, **options}
        return self._call("closeChargePermission", ChargePermission, fields, charge_permission_id)

    # --- Charge -------------------------------------------------------------------------------------------------------

    def create_charge(self, *, charge_permission_id: str, charge_amount: Any, **fields: Any) -> Charge:
        """Create Charge: look at the state of the answer, it may be authorised, captured or pending.

        Args:
            charge_permission_id: A permission that is Chargeable.
            charge_amount: ``{"amount": "14.00", "currencyCode": "USD"}``.
            fields: ``capture_now``, ``soft_descriptor`` (≤ 16 characters), ``charge_initiator`` (``CITU``, ``MITU``),
                ``channel``, ``can_handle_pending_authorization``, ``merchant_metadata`` and so on; besides,
                ``idempotency_key`` and ``simulation_code`` for any operation.
        Raises:
            DeclinedError: The payment was declined; a new attempt takes a new key.
        """
        fields = {"charge_permission_id": charge_permission_id, "charge_amount": charge_amount, **fields}
        return self._call("createCharge", Charge, fields)

    def get_charge(self, charge_id: str, **options: str) -> Charge:
        """Get Charge."""
        return self._call("getCharge", Charge, options, charge_id)

    def capture_charge(self, charge_id: str, *, capture_amount: Any, **fields: Any) -> Charge:
        """Capture Charge, all of it or less; more than seven days after authorisation it is asynchronous."""
        return self._call("captureCharge", Charge, {"capture_amount": capture_amount, **fields}, charge_id)

    def cancel_charge(self, charge_id: str, *, cancellation_reason: str, **options: str) -> Charge:
        """Cancel Charge before it is captured."""
        return self._call("cancelCharge", Charge, {"cancellation_reason": cancellation_reason, **options}, charge_id)

    # --- Refund and Buyer ---------------------------------------------------------------------------------------------

    def create_refund(self, *, charge_id: str, refund_amount: Any, **fields: Any) -> Refund:
        """Create Refund of a captured charge; the outcome follows later."""
        return self._call("createRefund", Refund, {"charge_id": charge_id, "refund_amount": refund_amount, **fields})

    def get_refund(self, refund_id: str, **options: str) -> Refund:
        """Get Refund."""
        return self._call("getRefund", Refund, options, refund_id)

    def get_buyer(self, buyer_token: str, **options: str) -> Buyer:
        """Get Buyer: plain Amazon Sign-in only; *buyer_token* lives 24 hours."""
        return self._call("getBuyer", Buyer, options, buyer_token)

    # --- One way out --------------------------------------------------------------------------------------------------

    def _call(self, name: str, kind: type[Answer], fields: dict[str, Any], object_id: str = "") -> Answer:
        operation = OPERATIONS[name]
        key, code = fields.pop("idempotency_key", None), fields.pop("simulation_code", None)
        if fields and not operation.body:
            raise TypeError(f"{operation.title} has no body that could hold {', '.join(fields)}")
        headers = {SIMULATION_HEADER: code} if code else {}
        if operation.idempotency != Idempotency.WITHOUT_EFFECT:
            headers[IDEMPOTENCY_KEY] = key or self._new_key()
        given = {to_camel(field): value for field, value in fields.items() if value is not None}
        body: Body | None = to_jsonable_python(given, by_alias=True) if operation.body else None
        # Compact, and with slashes and letters as they are: what is signed is what is sent.
        text = None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        path = self._segment + operation.path.format(id=quote(object_id, safe="-_.~"))
        try:
            request = self._http.build_request(operation.method, path, content=text, headers=headers)
        except UnicodeEncodeError:
            raise ConfigurationError("A text cannot be sent.", advice="Send Unicode, and ASCII in headers.") from None
        return self._send(name, kind, request, body)

    def _send(self, name: str, kind: type[Answer], request: httpx.Request, body: Body | None) -> Answer:
        """Send until there is an answer that a repetition cannot change, keeping the idempotency key."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS), retry=tenacity.retry_if_exception(_may_retry),
            wait=_pause, sleep=self._sleep, reraise=True,
        )  # fmt: skip
        try:
            return retrying(lambda: self._attempt(name, kind, request, body, retrying.statistics["attempt_number"]))
        except ConflictError as error:
            # Only a key makes a repetition harmless: a second Cancel or Close meets the work of the first.
            if retrying.statistics["attempt_number"] > 1 and not error.idempotency_key:
                error.advice = f"An earlier attempt may have done the work: look at the object first. {error.advice}"
            raise

    def _attempt(self, name: str, kind: type[Answer], request: httpx.Request, body: Body | None, number: int) -> Answer:
        key = request.headers.get(IDEMPOTENCY_KEY, "")
        what, advice = redact(f"{request.method} {request.url.path} in attempt {number}"), _repeat(request.method, key)
        status, answer, request_id, lost = None, None, "", ""
        try:
            response = self._http.send(request)
            status, answer = response.status_code, _json_object(response)
            request_id = response.headers.get("x-amz-pay-request-id", "")
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            raise ConfigurationError(f"{what} cannot be sent.", advice="Check base_url and headers.") from error
        except httpx.RequestError as error:
            lost = type(error).__name__
            raise TransportError(f"No answer to {what} ({lost}).", advice=advice) from error
        finally:
            self.journal.record(
                Exchange(
                    at=self.clock(), operation=name, method=request.method, path=request.url.path, status=status,
                    idempotency_key=key, request=body, response=answer, request_id=request_id, attempt=number,
                    headers=dict(request.headers), error=lost,
                )
            )  # fmt: skip
        if status >= 400:
            raise self._refusal(response, answer, name, request_id, key)
        try:
            return kind.model_validate(answer)
        except ValidationError:
            raise TransportError(f"The answer to {what} is not Amazon Pay's: {status}.", advice=advice) from None

    def _refusal(self, response: httpx.Response, answer: Body, name: str, request_id: str, key: str) -> ApiError:
        error = api_error(
            response.status_code, str(answer.get("reasonCode") or f"HTTP {response.status_code}"),
            # Amazon's message quotes the signature that it could not verify.
            redact(str(answer.get("message") or "The answer had no message.")), operation=name, request_id=request_id,
            idempotency_key=key,
        )  # fmt: skip
        error.retry_after = _seconds(response.headers.get("retry-after", ""), self.clock())
        request, answered = response.request, response.headers.get("date", "")
        sent = request.method, request.url.raw_path.decode("ascii"), request.headers.multi_items(), request.content
        if step := probable_step(error, *sent, self._keys.public_pem, answered):
            error.blame(step.finding, step.explanation)
        return error


def _environment_segment(keys: MerchantKeys, environment: str, allow_live: bool) -> str:
    if environment not in ("emulator", "sandbox", "live"):
        raise ConfigurationError(f"No environment {environment!r} exists.", advice="Choose emulator, sandbox or live.")
    if environment == "live" and not allow_live:
        raise ConfigurationError("Live moves real money.", advice="Give allow_live=True as well, if you want that.")
    wanted = "live" if environment == "live" else "sandbox"
    if keys.environment not in (None, wanted):
        raise ConfigurationError(
            f"The key {keys.public_key_id} is for {keys.environment}, not for {environment}.",
            advice="Use a key of that environment, or change the environment.",
        )
    return "" if keys.environment else f"/{wanted}"


def _json_object(response: httpx.Response) -> Body:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {}


def _repeat(method: str, key: str) -> str:
    if method == "GET":
        return "It was to change nothing: repeat it."
    again = f"repeat it with idempotency_key={key!r}, it cannot happen twice." if key else "look at the object first."
    return f"Whether Amazon did the work is not known: {again}"


def _seconds(text: str, now: datetime) -> float | None:
    """Return what Retry-After asks for: a number of seconds, or a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _may_retry(error: BaseException) -> bool:
    if isinstance(error, ApiError) and not isinstance(error, DeclinedError):
        return error.status_code in RETRIED_STATUS and (error.retry_after or 0) <= LONGEST_PAUSE
    return isinstance(error, TransportError)


def _pause(state: tenacity.RetryCallState) -> float:
    """Wait as long as Amazon asks for, otherwise exponentially longer with full jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    return _BACK_OFF(state) if asked is None else asked
