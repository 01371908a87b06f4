"""Every simulated card and every simulation code, played: the answer, the objects afterwards, and what to do next."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.lessons.account import NOT_TRIED, Answer, Stage, kind_of, state_of
from amazonpay_nb.spec.answers import Resource
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.simulations import CARDS, SIMULATIONS, Simulation
from amazonpay_nb.spec.state_reasons import state_reason

__all__ = ["Outcome", "Precedence", "play_cards", "play_codes", "play_precedence"]

# What a merchant does where nothing went wrong, by state.
_GOES_ON = {
    "Completed": "Keep the Charge Permission's id.",
    "Authorized": "Capture when you ship.",
    "Captured": "Ship.",
    "Refunded": "Tell the buyer.",
    "Chargeable": "Create the charge.",
}
_WAIT = "Wait for the notification, then get the object. "


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulation did.

    Attributes:
        call: The operation; for a card, when it was taken.
        simulated: Card or simulation code.
        answer: HTTP status, and reason code or state.
        objects: Their states right after the answer and, behind an arrow, 30 seconds later where they have moved on.
        notification: What was announced, in its order; a Checkout Session never is.
        next_step: What the merchant does now.
    """

    call: str
    simulated: str
    answer: str
    objects: str = ""
    notification: str = ""
    next_step: str = ""


# --- Cards ------------------------------------------------------------------------------------------------------------

_SET_UP, _PURCHASE, _LATER = "set-up", "purchase", "later charge"


def play_cards(stage: Stage | None) -> list[Outcome]:
    """Play every card in a set-up, in a purchase that can wait, and in a later charge; equal rows are one."""
    if stage is None:
        return [Outcome(_PURCHASE, last4, NOT_TRIED) for last4 in CARDS]
    alike: defaultdict[Outcome, list[str]] = defaultdict(list)
    for last4 in CARDS:
        for outcome in _play_card(stage, last4):
            alike[outcome].append(last4)
    order = (_SET_UP, _PURCHASE, _LATER)
    rows = [replace(outcome, simulated=", ".join(cards)) for outcome, cards in alike.items()]
    return sorted(rows, key=lambda row: order.index(row.call))


def _play_card(stage: Stage, last4: str) -> Iterator[Outcome]:
    outcome, saved = _visited(stage, _SET_UP, stage.session(), last4, stage.client.complete_checkout_session)
    yield outcome
    complete = partial(stage.client.complete_checkout_session, charge_amount=stage.amount)
    order = partial(stage.session, pay=True, canHandlePendingAuthorization=True)
    outcome, bought = _visited(stage, _PURCHASE, order(), last4, complete)
    yield outcome
    if bought and not saved:  # what became of that purchase may have stopped its wallet
        saved = complete(stage.visit(order(), last4))
    if saved:
        wallet = str(saved.charge_permission_id)
        create = partial(
            stage.client.create_charge, charge_permission_id=wallet, charge_amount=stage.amount,
            can_handle_pending_authorization=True,
        )  # fmt: skip
        yield _told(stage, _LATER, "", stage.attempt(create), wallet)


def _visited(
    stage: Stage, call: str, session_id: str, last4: str, complete: Callable[[str], Any]
) -> tuple[Outcome, Any]:
    """Let the buyer pay with a card and complete the session; the object is None where that did not work."""
    try:
        stage.visit(session_id, last4)
    except BuyerPageError as error:
        needed = f"It needs {CARDS[last4].prerequisite}." if CARDS[last4].prerequisite else error.advice
        return Outcome(call, "", "refused on the page", stage.standing(session_id), next_step=needed), None
    answer = stage.attempt(lambda: complete(session_id))
    return _told(stage, call, "", answer, session_id), answer.body


# --- Codes ------------------------------------------------------------------------------------------------------------

# What a code needs to be possible at all, by the state that it leads to.
_NEEDS: dict[str | None, dict[str, bool]] = {
    "AuthorizationInitiated": {"can_handle_pending_authorization": True},
    "CaptureInitiated": {"capture_now": True},
}


def play_codes(stage: Stage | None) -> list[Outcome]:
    """Send every simulation code with the call that it is for, each on a wallet that can be charged."""
    return [_play_code(stage, row) if stage else _untried(row) for row in SIMULATIONS.values()]


def _untried(row: Simulation) -> Outcome:
    return Outcome(OPERATIONS[row.operation].title, row.code, NOT_TRIED)


def _play_code(stage: Stage, row: Simulation) -> Outcome:
    send, known = _SENDERS[row.operation](stage, row)
    answer = stage.attempt(lambda: send(simulation_code=row.code))
    return _told(stage, OPERATIONS[row.operation].title, row.code, answer, *known)


_Sender = tuple[Callable[..., Any], tuple[str, ...]]


def _completing(stage: Stage, row: Simulation) -> _Sender:
    session_id = stage.visit(stage.session(pay=True, canHandlePendingAuthorization=True))
    complete = partial(stage.client.complete_checkout_session, session_id, charge_amount=stage.amount)
    return complete, (session_id,)


def _charging(stage: Stage, row: Simulation) -> _Sender:
    wallet = stage.wallet()
    flags = _NEEDS.get(row.state, {})
    return partial(stage.client.create_charge, charge_permission_id=wallet, charge_amount=stage.amount, **flags), (
        wallet,
    )


def _capturing(stage: Stage, row: Simulation) -> _Sender:
    wallet = stage.wallet()
    charge_id = stage.charge(wallet)
    return partial(stage.client.capture_charge, charge_id, capture_amount=stage.amount), (charge_id, wallet)


def _closing(stage: Stage, row: Simulation) -> _Sender:
    wallet = stage.wallet()
    return partial(stage.client.close_charge_permission, wallet, closure_reason="A drill."), (wallet,)


def _refunding(stage: Stage, row: Simulation) -> _Sender:
    charge_id = stage.charge(capture_now=True)
    return partial(stage.client.create_refund, charge_id=charge_id, refund_amount=stage.amount), (charge_id,)


_SENDERS: dict[str, Callable[[Stage, Simulation], _Sender]] = {
    "completeCheckoutSession": _completing,
    "createCharge": _charging,
    "captureCharge": _capturing,
    "closeChargePermission": _closing,
    "createRefund": _refunding,
}


# --- What is told -----------------------------------------------------------------------------------------------------

_IDS = ("refund_id", "charge_id", "charge_permission_id")


def _told(stage: Stage, call: str, simulated: str, answer: Answer, *known: str) -> Outcome:
    """Look at all objects that took part, right away and when what is pending was decided."""
    made = [getattr(answer.body, name, None) for name in _IDS]
    ids = tuple(dict.fromkeys(object_id for object_id in (*made, *known) if object_id))
    before = [stage.read(object_id) for object_id in ids]
    after = [stage.read(object_id) for object_id in ids] if stage.wait() else before
    paths = (" → ".join(dict.fromkeys(map(state_of, pair))) for pair in zip(before, after, strict=True))
    objects = "; ".join(f"{kind_of(thing)}: {path}" for thing, path in zip(before, paths, strict=True))
    next_step = _next_step(answer, after[0], waited=before != after)
    return Outcome(call, simulated, answer.text, objects, ", ".join(stage.announced(*ids)), next_step)


def _next_step(answer: Answer, thing: Resource, *, waited: bool) -> str:
    if answer.error:
        recovery = getattr(answer.error, "recovery", None)
        return recovery.next_step if recovery else answer.error.advice
    known = state_reason(kind_of(thing), thing.state, thing.reason_code)
    return (_WAIT if waited else "") + (known.next_step if known else _GOES_ON[thing.state])


# --- Which of them wins -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Precedence:
    """What a charge ends with when card, queue and header ask for different things."""

    card: str
    queue: str
    header: str
    answer: str


_CARD, _QUEUED, _SENT = "0701", "SoftDeclined", "TransactionTimedOut"


def play_precedence(stage: Stage | None) -> list[Precedence]:
    """Ask for one thing by the card, for another by the queue, and for a third by the header."""
    # The header leaves the queue as it was, so its outcome is still there for the last charge.
    asked = (("", ""), (_QUEUED, ""), (_QUEUED, _SENT), (_QUEUED, ""))
    if stage is None:
        return [Precedence(_CARD, *row, NOT_TRIED) for row in asked]
    session_id = stage.visit(stage.session(pay=True, canHandlePendingAuthorization=True), _CARD)
    session = stage.client.complete_checkout_session(session_id, charge_amount=stage.amount)
    rows = []
    for number, (queued, sent) in enumerate(asked):
        if number == 1:
            stage.emulator.outcomes("createCharge", queued, times=2)
        answer = stage.attempt(
            lambda sent=sent: stage.client.create_charge(  # type: ignore[misc]
                charge_permission_id=str(session.charge_permission_id), charge_amount=stage.amount,
                can_handle_pending_authorization=True, simulation_code=sent or None,
            )
        )  # fmt: skip
        rows.append(Precedence(_CARD, queued, sent, answer.text))
    return rows
