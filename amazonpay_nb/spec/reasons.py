"""What a refusal or the reason of a state means, and what to do about it; the rows are in ``reasons.toml``.

Amazon refuses with two strings, ``reasonCode`` and ``message``. `REASONS` adds what they leave out: whether sending
again helps, under which idempotency key, and what to say to the buyer. The first answer is stored under its key, so a
*corrected* request always travels under a new one; the old key is for asking the same thing again after no answer.
One code may call for different things after different calls: `recovery_for` takes the operation into account.

The reason codes inside ``statusDetails`` are a different vocabulary that shares some words: `STATE_REASONS`.  Only the
states that need explaining carry a reason.  A Charge Permission lists its reasons in ``statusDetails.reasons``, since
several may hold at once; the emulator shows the latest one only (a decision, inferred).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, with_config

from amazonpay_nb.spec.data import STRICT, as_kind, read
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency
from amazonpay_nb.spec.parity import Evidence

__all__ = [
    "BODY_REASONS",
    "COMMON_REASONS",
    "OPERATION_REASONS",
    "REASONS",
    "STATE_REASONS",
    "Reason",
    "Recovery",
    "Retry",
    "StateReason",
    "reasons_of",
    "recovery_for",
    "retry_advice",
    "state_reason",
    "wrong_state",
]

_ANY, _ANY_WITH_BODY = "any", "any with a body"


class Retry(StrEnum):
    """Whether the same request may be sent again, and under which idempotency key."""

    NO = "no"
    CORRECTED = "corrected"  # not as it is: correct it first, then send it under a new key
    SAME_KEY = "same key"
    NEW_KEY = "new key"
    LATER = "later, same key"


def _exists(name: str) -> str:
    if name not in (*OPERATIONS, "", _ANY, _ANY_WITH_BODY):
        raise ValueError(f"there is no operation {name!r}")
    return name


_Operation = Annotated[str, AfterValidator(_exists)]


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Recovery:
    """What a refusal means and the way out of it; ``reasons.toml`` describes the fields."""

    meaning: str
    retry: Retry
    next_step: str
    calls: tuple[_Operation, ...] = ()
    tell_the_buyer: str = ""
    is_decline: bool = False

    @property
    def may_retry(self) -> bool:
        """Whether the unchanged request can succeed when it is sent again."""
        return self.retry not in (Retry.NO, Retry.CORRECTED)


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Recovery):
    """One ``reasonCode`` of an error body.  Spec: "Error handling"."""

    code: str
    status_codes: tuple[int, ...]
    operations: tuple[_Operation, ...]
    evidence: Evidence


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class StateReason:
    """One reason code of one state; *object* is the name of its machine, for example ``Charge Permission``."""

    object: str
    state: str
    code: str
    meaning: str
    next_step: str
    evidence: Evidence
    description: str = ""


_TABLE = read("reasons.toml")


def _refusals() -> dict[tuple[str, str], Reason]:
    """Return the rows by (code, operation), with "" for what is true after every operation."""
    rows = {}
    for code, row in _TABLE["refusals"].items():
        for operation, differences in ({"": {}} | row.pop("after", {})).items():
            rows[code, operation] = row | differences | {"code": code}
    return as_kind("reasons.toml", rows, dict[tuple[str, _Operation], Reason])


def _states() -> dict[tuple[str, str, str], StateReason]:
    """Return the rows by (object, state, code)."""
    rows = {
        (title, state, code): row | {"object": title, "state": state, "code": code}
        for title, states in _TABLE["states"].items()
        for state, reasons in states.items()
        for code, row in reasons.items()
    }
    return as_kind("reasons.toml", rows, dict[tuple[str, str, str], StateReason])


_REFUSALS, _STATES = _refusals(), _states()
# What a code that nobody has listed can still be judged by; statuses that mean the same share a row.
_STATUSES = as_kind("reasons.toml", _TABLE["statuses"], dict[int, Recovery])
_LIKE = {403: 401, 408: 500, 422: 409, 425: 500}

REASONS = {code: row for (code, operation), row in _REFUSALS.items() if not operation}
STATE_REASONS = tuple(_STATES.values())
# Any operation may answer with the first, any that has a body with the second, and each one with its own besides.
COMMON_REASONS = tuple(code for code, row in REASONS.items() if _ANY in row.operations)
BODY_REASONS = tuple(code for code, row in REASONS.items() if _ANY_WITH_BODY in row.operations)
OPERATION_REASONS = {
    name: tuple(code for code, row in REASONS.items() if name in row.operations) for name in OPERATIONS
}


def reasons_of(operation: str) -> tuple[str, ...]:
    """Return every reason code that *operation* may answer with."""
    body = BODY_REASONS if OPERATIONS[operation].body else ()
    return (*OPERATION_REASONS[operation], *body, *COMMON_REASONS)


def recovery_for(reason_code: str, status_code: int, operation: str = "") -> Recovery:
    """Return what to do about a refusal of *operation*; a code without a row is judged by its HTTP status."""
    reason = _REFUSALS.get((reason_code, operation)) or REASONS.get(reason_code)
    status = _LIKE.get(status_code, status_code)
    return reason or _STATUSES.get(status, _STATUSES[500 if status >= 500 else 400])


_RETRIES = {
    Retry.NO: "No: the same request would be refused again.",
    Retry.CORRECTED: "No: correct the request first, then send it with a new idempotency key.",
    Retry.SAME_KEY: "Yes: the same request with the same idempotency key.",
    Retry.NEW_KEY: "Yes: a new attempt with a new idempotency key.",
    Retry.LATER: "Yes, after a pause: the same request with the same idempotency key.",
}


def retry_advice(retry: Retry, operation: str = "") -> str:
    """Say whether to send again, and with which idempotency key, where the call takes one."""
    row = OPERATIONS.get(operation)
    without_key = row is not None and row.idempotency == Idempotency.WITHOUT_EFFECT
    return _RETRIES[retry].partition(" with ")[0].rstrip(".") + "." if without_key else _RETRIES[retry]


def state_reason(object_name: str, state: str, code: str | None) -> StateReason | None:
    """Return the row that explains *state*, or None where there is nothing to explain."""
    return _STATES.get((object_name, state, code or ""))


# 422 for a call that an object's state does not allow.
_WRONG_STATE = {
    "Checkout Session": "InvalidCheckoutSessionStatus",
    "Charge Permission": "InvalidChargePermissionStatus",
    "Charge": "InvalidChargeStatus",
}


def wrong_state(object_name: str, trigger: str, reason: str | None) -> str:
    """Return the reason code for *trigger* on an object whose state, with its *reason*, does not allow it."""
    # A Charge that was canceled with its Charge Permission: the permission's state is the cause.  [inferred: the code
    # is listed for these two calls]
    permission = reason == "ChargePermissionCanceled" and trigger in ("Capture Charge", "Cancel Charge")
    return _WRONG_STATE["Charge Permission" if permission else object_name]
