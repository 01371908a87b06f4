"""All errors, as one tree that is split by their origin.

    * AmazonPayError
      + LocalError                we could not send
        - ConfigurationError      a key, parameter, address or port is wrong
        - SigningError            the request cannot be signed or verified
        - BuyerPageError          the hosted page was not answered, or not as expected
      + TransportError            no answer came back, or none that can be read
      + ApiError                  Amazon answered with a refusal
        - InvalidRequestError     400, 405, 426
        - UnauthorizedError       401, 403
        - NotFoundError           404
        - ConflictError           409 and 422: the object's state does not allow it
        - DeclinedError           422: the payment was declined
        - ThrottledError          429
        - ServerError             5xx, 408 and 425

Each says what to do next; that of an `ApiError` comes from the table of Amazon's reason codes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.reasons import UNDECIDED, Recovery, Retry, family_of, recovery_for, retry_advice


class AmazonPayError(Exception):
    """The root: catch this class to catch all of them.

    Args:
        message: One sentence that names the problem and the object; secrets in it are masked.
        advice: One sentence with the next step.
    Attributes:
        meaning: What it says about the request.
        idempotency_advice: Whether to send the request again, and with which idempotency key if the call takes one.
        is_decided: Whether it is known what becomes of the request, since Amazon has decided it, or it was never sent.
            Anything else says nothing of an earlier attempt either: keep its key, and tell no buyer that it failed.
    """

    meaning = ""
    idempotency_advice = ""
    is_decided = True

    def __init__(self, message: str, *, advice: str = "") -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message

    def _render_traceback_(self) -> list[str]:
        # IPython asks for this before it prints a traceback: a reader gets the message, not our internals.
        return [f"{type(self).__name__}: {self}"]

    def __reduce__(self) -> tuple[Any, ...]:
        # Python would call the class with the message alone; an error has to keep its attributes between processes.
        return type(self).__new__, (type(self), *self.args), vars(self)


class LocalError(AmazonPayError):
    """Nothing was sent: our own code noticed a problem first."""

    meaning = "Your own code noticed it and sent nothing."
    idempotency_advice = "No: correct it first."


class ConfigurationError(LocalError):
    """A key, parameter, address or port cannot be used."""


class SigningError(LocalError):
    """A text cannot be signed, or a signature cannot be checked."""


class BuyerPageError(LocalError):
    """A hosted page was not answered in time, or did not show what was expected."""

    meaning = "The buyer did not get through the pages; your server sent nothing."


class TransportError(AmazonPayError):
    """No readable answer arrived; it is not known whether Amazon did the work."""

    meaning = "No answer came; whether Amazon did the work is not known."
    idempotency_advice = retry_advice(Retry.SAME_KEY)
    is_decided = False


class ApiError(AmazonPayError):
    """Amazon answered with a refusal.

    Attributes:
        operation: The documented name, for example ``createCharge``.
        status_code: HTTP status.
        reason_code: Amazon's ``reasonCode``, for example ``SoftDeclined``.
        request_id: ``x-amz-pay-request-id`` of the answer, or ``""``.
        idempotency_key: The key that the request carried, or ``""``; the advice names it if it has to be sent again.
        amazon_message: Amazon's own ``message``.
        recovery: What it means, whether to retry and with which key, and what to tell the buyer.
        retry_after: Seconds that Amazon asks to wait before a retry, or None.
        finding: Short name of the step of signing that probably went wrong, for example ``salt-length``, or "".
    Spec: "Error handling".
    """

    def __init__(
        self, message: str, *, status_code: int, reason_code: str, operation: str = "", request_id: str = "",
        idempotency_key: str = "",
    ) -> None:  # fmt: skip
        self.status_code, self.reason_code, self.amazon_message = status_code, reason_code, redact(message)
        self.operation, self.request_id, self.idempotency_key = operation, request_id, idempotency_key
        self.retry_after: float | None = None
        self.finding = ""
        self.recovery: Recovery = recovery_for(reason_code, status_code, operation)
        self.meaning = self.recovery.meaning
        self.idempotency_advice = retry_advice(self.recovery.retry, operation)
        self.is_decided = self.recovery.is_decision  # unless an earlier attempt may have done it
        advice = self.recovery.next_step
        if idempotency_key and self.recovery.retry in UNDECIDED:
            advice += f" This one had idempotency_key={idempotency_key!r}."
        super().__init__(f"{status_code} {reason_code}: {message}", advice=advice)


class InvalidRequestError(ApiError):
    """The request itself is wrong (400, 405, 426); sending it again cannot help."""


class UnauthorizedError(ApiError):
    """The signature, key or account was not accepted (401, 403)."""


class NotFoundError(ApiError):
    """No such object for this merchant and environment (404)."""


class ConflictError(ApiError):
    """The object is in a state that does not allow the operation (409, 422)."""


class DeclinedError(ConflictError):
    """The payment was declined; the recovery says whether a new attempt makes sense."""


class ThrottledError(ApiError):
    """Too many requests for this merchant account (429)."""


class ServerError(ApiError):
    """Amazon could not answer (5xx, 408, 425)."""


# By the status that stands for its family.
_BRANCHES = {
    400: InvalidRequestError, 401: UnauthorizedError, 404: NotFoundError, 409: ConflictError, 429: ThrottledError,
    500: ServerError,
}  # fmt: skip


def api_error(status_code: int, reason_code: str, message: str, **details: str) -> ApiError:
    """Return the branch of the tree that fits an answer; *details* are the error's other attributes."""
    is_decline = recovery_for(reason_code, status_code).is_decline
    kind = DeclinedError if is_decline else _BRANCHES[family_of(status_code)]
    return kind(message, status_code=status_code, reason_code=reason_code, **details)


@dataclass
class Refused:
    """The error that a `refused` block caught, for the next cell to show."""

    error: AmazonPayError | None = None


@contextmanager
def refused(kind: type[AmazonPayError]) -> Iterator[Refused]:
    """Expect a refusal: ``with refused(ConflictError) as refusal: …`` then ``show(refusal.error)``.

    Raises:
        AssertionError: The block was not refused.
    """
    caught = Refused()
    try:
        yield caught
    except kind as error:
        caught.error = error
    else:
        raise AssertionError(f"expected {kind.__name__}, but the request was accepted")
