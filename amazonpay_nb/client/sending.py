"""Send a request until there is an answer that a retry cannot change, and record every attempt.

An attempt that may have been lost is repeated with the *same* idempotency key, so that it cannot charge twice.
"""

import json
import logging
import sys
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from traceback import clear_frames
from typing import Any, NamedTuple, TypeVar

import httpx
import tenacity
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from amazonpay_nb.client.auth import AmazonPayAuth
from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.wire import check_whole
from amazonpay_nb.errors import (
    AmazonPayError,
    ApiError,
    ConfigurationError,
    DeclinedError,
    ServerError,
    TransportError,
    api_error,
)
from amazonpay_nb.in_process import NOWHERE
from amazonpay_nb.limits import receive
from amazonpay_nb.redaction import redact
from amazonpay_nb.signing.refused import probable_step
from amazonpay_nb.signing.steps import IDEMPOTENCY_KEY
from amazonpay_nb.spec.parts import to_json
from amazonpay_nb.spec.reasons import Retry, retry_advice
from amazonpay_nb.spec.simulations import SIMULATION_HEADER

__tracebackhide__ = True  # a report of pytest shows what frames were called with: here, requests by their address
ATTEMPTS = 4  # the first one and three retries, as Amazon's SDKs do
# After a 5xx it is unknown whether the work was done; the same key makes a retry safe. A decline is final.
RETRIED_STATUS = frozenset({408, 425, 429, *range(500, 600)})
LONGEST_PAUSE = 60.0  # seconds; if Amazon asks for more, raise instead of sleeping
_LOG = logging.getLogger(__name__)
_BACK_OFF = tenacity.wait_random_exponential(multiplier=0.5, max=8)

Body = dict[str, Any]
Answer = TypeVar("Answer", bound=BaseModel)


class Sender(NamedTuple):
    """Sends requests, retries where that is safe, and reads the answers."""

    http: httpx.Client
    auth: AmazonPayAuth
    journal: Journal
    sleep: Callable[[float], None]

    def send(
        self, name: str, kind: type[Answer], method: str, path: str, headers: dict[str, str], body: Body | None
    ) -> Answer:
        """Return the answer to an operation, read as *kind*.

        Raises:
            ConfigurationError: It cannot be written, or the client is closed.
            TransportError: No answer came, or none that can be read.
            ApiError: Amazon refused.

        Whatever else ends a call that may have done something, as Stop in JupyterLab does, has a note with its key.
        """
        if self.http.is_closed:
            raise ConfigurationError("This client is closed.", advice="Make another one; it can have the same keys.")
        try:
            body = None if body is None else to_jsonable_python(body, by_alias=True)
            text = None if body is None else to_json(body)
            request = self.http.build_request(method, path, content=text, headers=headers)
        except (RecursionError, TypeError, ValueError):
            advice = "Send what JSON and Unicode have, and texts of ASCII in headers."
            raise ConfigurationError("A value cannot be sent.", advice=advice) from None
        handled, failures = sys.exception(), list[Any]()  # the latter of attempts before the last
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS), wait=_pause, sleep=self.sleep, reraise=True,
            retry=tenacity.retry_if_exception(lambda error: _may_retry(error) and not self.http.is_closed),
            before_sleep=lambda state: failures.append(state.outcome and state.outcome.exception()),
        )  # fmt: skip
        try:
            return retrying(lambda: self._attempt(name, kind, request, body, retrying.statistics["attempt_number"]))
        except AmazonPayError as error:
            doubtful = method != "GET" and any(map(_may_be_done, failures))
            if doubtful and isinstance(error, ApiError) and not _may_be_done(error):
                step = "look at the object first."  # a second Cancel or Close meets the result of the first
                if error.idempotency_key:
                    step = f"repeat it with idempotency_key={error.idempotency_key!r} before you use a new key."
                    error.idempotency_advice = retry_advice(Retry.SAME_KEY, name)
                error.is_decided = False
                error.advice = f"An earlier attempt may have done the work: {step} {error.advice}"
            if cause := error.__cause__:  # the frames of the HTTP library hold the request, too
                cause.__cause__ = cause.__traceback__ = None
            raise error.with_traceback(None) from error.__cause__
        except BaseException as error:  # of Stop, a signal's handler or a transport, for example
            if method != "GET":
                error.add_note(_repeat(request))
            one: BaseException | None = error
            seen = {id(handled)}  # errors may be one another's causes
            while one and id(one) not in seen:
                seen.add(id(one))
                clear_frames(one.__traceback__)
                one = one.__cause__ or one.__context__
            raise

    def repeat(self, exchange: Exchange, body: Body | None, key: str = "") -> BaseModel:
        """`send` the request of an exchange once more, with this body, signed anew; under its own key by default.

        What the journal has masked would make it another request, and raises `ConfigurationError`.
        """
        check_whole(exchange, to_json(body))
        names = (IDEMPOTENCY_KEY, SIMULATION_HEADER)
        headers = {name: exchange.headers[name] for name in names if exchange.headers.get(name)}
        headers |= {IDEMPOTENCY_KEY: key} if key else {}
        kind = exchange.kind.model if exchange.kind else BaseModel
        return self.send(exchange.operation, kind, exchange.method, exchange.path, headers, body)

    def _attempt(self, name: str, kind: type[Answer], request: httpx.Request, body: Body | None, number: int) -> Answer:
        what = redact(f"{request.method} {request.url.path} in attempt {number}")
        response, answer, lost = None, None, ""
        try:
            response, content = receive(self.http, request)
            answer = _json_object(response, content)
        except Exception as error:
            closed = self.http.is_closed  # meanwhile, by another thread, whatever that does to this one
            if not closed and isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
                raise ConfigurationError(f"{what} cannot be sent.", advice="Check base_url and headers.") from error
            if not (closed or isinstance(error, (httpx.RequestError, *NOWHERE))):
                raise
            lost = "ClientClosed" if closed else type(error).__name__
            raise TransportError(f"No answer to {what} ({lost}).", advice=_repeat(request)) from error
        finally:
            try:
                self.journal.record(Exchange(
                    at=self.auth.clock(), operation=name, method=request.method, path=request.url.raw_path.decode(),
                    status=response.status_code if response else None, idempotency_key=_key(request), request=body,
                    response=answer, request_id=_request_id(response) if response else "", attempt=number,
                    headers=dict(request.headers.items()), error=lost,
                    answer_headers=dict(response.headers.items()) if response else {},
                ))  # fmt: skip
            except Exception as error:  # noqa: BLE001 (a charge that was made must not look lost)
                _LOG.warning("The journal lacks an exchange, %s: %s.", name, type(error).__name__)
        if response.status_code >= 400:
            raise self._refusal(name, response, answer or {})
        try:
            if not response.is_success:  # a redirect is somebody else's
                raise ValueError
            return kind.model_validate(answer)
        except ValueError:
            message = f"The answer to {what} is not Amazon Pay's: {response.status_code}."
            raise TransportError(message, advice=_repeat(request)) from None

    def _refusal(self, name: str, response: httpx.Response, answer: Body) -> ApiError:
        request = response.request
        # Amazon's message quotes the signature that it could not verify.
        message = redact(str(answer.get("message") or "The answer had no message."))
        error = api_error(
            response.status_code, str(answer.get("reasonCode") or f"HTTP {response.status_code}"), message,
            operation=name, request_id=_request_id(response), idempotency_key=_key(request),
        )  # fmt: skip
        error.retry_after = _seconds(response.headers.get("retry-after", ""), self.auth.clock())
        target, headers = request.url.raw_path.decode("ascii"), request.headers.multi_items()
        public_key, answered = self.auth.keys.public_pem, response.headers.get("date", "")
        if step := probable_step(error, request.method, target, headers, request.content, public_key, answered):
            error.finding, error.advice = step.finding, step.explanation
        return error


def _key(request: httpx.Request) -> str:
    return str(request.headers.get(IDEMPOTENCY_KEY, ""))


def _request_id(response: httpx.Response) -> str:
    return str(response.headers.get("x-amz-pay-request-id", ""))


def _json_object(response: httpx.Response, content: bytes) -> Body | None:
    # Cancel Report Schedule has an empty answer, but no page; where another is empty, its model misses a field.
    nothing = b"" if "html" in response.headers.get("content-type", "").lower() else b"{}"
    try:
        answer = json.loads(content or nothing)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _repeat(request: httpx.Request) -> str:
    if request.method == "GET":
        return "It changes nothing: repeat it."
    if key := _key(request):
        again = f"repeat it with idempotency_key={key!r}, it cannot happen twice."
    else:
        again = "look at the object first."
    return f"Whether Amazon did the work is not known: {again}"


def _seconds(text: str, now: datetime) -> float | None:
    """Return what Retry-After asks for: a number of seconds, or a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (OverflowError, TypeError, ValueError):
        return None


def _may_retry(error: BaseException) -> bool:
    if isinstance(error, ApiError) and not isinstance(error, DeclinedError):
        return error.status_code in RETRIED_STATUS and (error.retry_after or 0) <= LONGEST_PAUSE
    return isinstance(error, TransportError)


def _may_be_done(error: AmazonPayError) -> bool:
    failed = isinstance(error, ApiError) and error.recovery.retry == Retry.NEW_KEY  # as Amazon says
    return isinstance(error, TransportError | ServerError) and not failed


def _pause(state: tenacity.RetryCallState) -> float:
    """Wait as long as Amazon asks for, otherwise exponentially longer with full jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    return _BACK_OFF(state) if asked is None else asked
