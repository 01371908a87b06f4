"""The meaning of a refusal or of a state's reason, and what to do about it; the rows are in ``reasons.toml``.

Amazon refuses with two strings, ``reasonCode`` and ``message``. `REASONS` adds what they leave out: whether sending
again helps, under which idempotency key, and what to say to the buyer. The first answer is stored under its key, so a
*corrected* request always travels under a new one; the old key is for asking the same thing again after no answer.
One code may call for different things after different calls: `recovery_for` takes the operation into account.

The reason codes inside ``statusDetails`` are a different vocabulary that shares some words: `STATE_REASONS`.  Only the
states that need explaining carry a reason.  A Charge Permission lists its reasons in ``statusDetails.reasons``, since
several may hold at once; the emulator shows the latest one only (a decision, inferred).
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator

from amazonpay_nb.spec.data import as_kind, data_row, named, read
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency
from amazonpay_nb.spec.parity import Evidence

_ANY, _ANY_WITH_BODY = "any", "any with a body"


class Retry(StrEnum):
    """Whether the same request may be sent again, and under which idempotency key."""

    NO = "no"
    CORRECTED = "corrected"  # not unchanged: correct it first, then send it with a new key
    CORRECTED_SAME_KEY = "corrected, same key"  # the key was not looked at, and may belong to work that was done before
    SAME_KEY = "same key"
    NEW_KEY = "new key"
    LATER = "later, same key"


UNDECIDED = (Retry.SAME_KEY, Retry.LATER)  # after these, nobody knows yet what Amazon has done, or will do


def _exists(name: str) -> str:
    if name not in (*OPERATIONS, _ANY, _ANY_WITH_BODY):
        raise ValueError(f"there is no operation {name!r}")
    return name


_Operation = Annotated[str, AfterValidator(_exists)]


@data_row
class Recovery:
    """The meaning of a refusal and its remedy; ``reasons.toml`` describes the fields."""

    meaning: str
    retry: Retry
    next_step: str
    calls: tuple[_Operation, ...] = ()
    tell_the_buyer: str = ""
    is_decline: bool = False
    is_decision: bool = False

    @property
    def may_retry(self) -> bool:
        """Whether the unchanged request can succeed when it is sent again."""
        return self.retry not in (Retry.NO, Retry.CORRECTED, Retry.CORRECTED_SAME_KEY)


@data_row
class Reason(Recovery):
    """One ``reasonCode`` of an error body.  Spec: "Error handling"."""

    code: str
    status_codes: tuple[int, ...]
    operations: tuple[_Operation, ...]
    evidence: Evidence
    is_decision: bool = True


@data_row
class StateReason:
    """One reason code of one state; *object* is the name of its machine, for example ``Charge Permission``."""

    object: str
    state: str
    code: str
    meaning: str
    next_step: str
    evidence: Evidence
    description: str = ""


@data_row
class _File:
    refusals: dict[str, Reason]
    statuses: dict[int, Recovery]
    states: dict[str, StateReason]
    retries: dict[Retry, str]
    retries_without_key: dict[Retry, str]


def _after_each(refusals: dict[str, Any]) -> dict[str, Any]:
    """Return the rows with what is different after an operation as rows of their own, as ``CODE after OPERATION``."""
    rows = {}
    for code, entry in refusals.items():
        different = entry.pop("after", {})
        rows[code] = entry
        rows |= {f"{code} after {operation}": entry | changes for operation, changes in different.items()}
    return rows


_TABLE = named(read("reasons.toml"), refusals="code", states="object.state.code")
_FILE = as_kind("reasons.toml", _TABLE | {"refusals": _after_each(_TABLE["refusals"])}, _File)
_LIKE = {403: 401, 408: 500, 422: 409, 425: 500}  # statuses that mean the same

REASONS = {key: each for key, each in _FILE.refusals.items() if key == each.code}
STATE_REASONS = tuple(_FILE.states.values())
# Any operation may answer with the first, any that has a body with the second, and each one with its own besides.
COMMON_REASONS = tuple(code for code, each in REASONS.items() if _ANY in each.operations)
BODY_REASONS = tuple(code for code, each in REASONS.items() if _ANY_WITH_BODY in each.operations)
OPERATION_REASONS = {
    name: tuple(code for code, each in REASONS.items() if name in each.operations) for name in OPERATIONS
}


def reasons_of(operation: str) -> tuple[str, ...]:
    """Return every reason code that *operation* may answer with."""
    body = BODY_REASONS if OPERATIONS[operation].body else ()
    return (*OPERATION_REASONS[operation], *body, *COMMON_REASONS)


def recovery_for(reason_code: str, status_code: int, operation: str = "") -> Recovery:
    """Return what to do about a refusal of *operation*; a code without a row is judged by its HTTP status."""
    reason = _FILE.refusals.get(f"{reason_code} after {operation}") or REASONS.get(reason_code)
    return reason or _FILE.statuses[family_of(status_code)]


def family_of(status_code: int) -> int:
    """Return the status that stands for all those that call for the same: 400, 401, 404, 409, 429 or 500."""
    status = _LIKE.get(status_code, status_code)
    return status if status in _FILE.statuses else 500 if status >= 500 else 400


def retry_advice(retry: Retry, operation: str = "") -> str:
    """Say whether to send again, and with which idempotency key, where the call takes one."""
    call = OPERATIONS.get(operation)
    without_key = call is not None and call.idempotency == Idempotency.WITHOUT_EFFECT
    return (_FILE.retries_without_key if without_key else _FILE.retries)[retry]


def state_reason(object_name: str, state: str, code: str | None) -> StateReason | None:
    """Return the row that explains *state*, or None where there is nothing to explain."""
    return _FILE.states.get(f"{object_name}, {state}, {code}")


def wrong_state(object_name: str, trigger: str, reason: str | None) -> str:
    """Return the code of a 422 for *trigger* on an object whose state, with its *reason*, does not allow it."""
    # A Charge that was canceled with its Charge Permission: the permission's state is the cause.  [inferred: the code
    # is listed for these two calls]
    permission = reason == "ChargePermissionCanceled" and trigger in ("Capture Charge", "Cancel Charge")
    return f"Invalid{'ChargePermission' if permission else object_name.replace(' ', '')}Status"
