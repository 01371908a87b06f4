"""Play every simulated card and every simulation code: the answer, the objects afterward, and the next step."""

from collections import defaultdict, namedtuple
from collections.abc import Iterator
from functools import partial
from typing import Any

from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.lessons.account import NOT_TRIED, READY, Ending, MerchantAccount, state_of
from amazonpay_nb.spec.answers import Resource
from amazonpay_nb.spec.operations import KINDS, OPERATIONS
from amazonpay_nb.spec.reasons import state_reason
from amazonpay_nb.spec.simulations import CARDS, PENDING_SECONDS, SIMULATIONS, Simulation

# The merchant's next step when nothing went wrong, by state.
_GOES_ON = {
    "Completed": "Keep the Charge Permission's id.",
    "Authorized": "Capture when you ship.",
    "Captured": "Ship.",
    "Refunded": "Tell the buyer.",
    "Chargeable": "Create the charge.",
}
_WAIT = "Wait for the notification, then get the object. "

# The result of a simulation.  call: the operation; for a card, when the buyer chose it; objects: their states right
# after the answer and, behind an arrow, 30 seconds later where they have moved on; notification: what was announced, in
# its order; a Checkout Session never is.
Effect = namedtuple("Effect", "call simulated answer objects notification next_step", defaults=("", "", ""))
_SET_UP, _PURCHASE, _LATER = "set-up", "purchase", "later charge"


def play_cards(account: MerchantAccount | None) -> list[Effect]:
    """Play every card in a set-up, in a purchase that can wait, and in a later charge; equal rows are one."""
    if account is None:
        return [Effect(_PURCHASE, last4, NOT_TRIED) for last4 in CARDS]
    alike: defaultdict[Effect, list[str]] = defaultdict(list)
    for last4 in CARDS:
        for effect in _play_card(account, last4):
            alike[effect].append(last4)
    rows = [effect._replace(simulated=", ".join(cards)) for effect, cards in alike.items()]
    return [row for place in (_SET_UP, _PURCHASE, _LATER) for row in rows if row.call == place]


def _play_card(account: MerchantAccount, last4: str) -> Iterator[Effect]:
    effect, saved = _complete(account, _SET_UP, account.session(), last4, charge_amount=None)
    yield effect
    effect, bought = _complete(account, _PURCHASE, account.session(pay=True), last4)
    yield effect
    if bought and not saved:  # the result of that purchase may have made its wallet NonChargeable
        saved = account.request("completeCheckoutSession", account.purchase(last4))()
    if saved:
        wallet = str(saved.charge_permission_id)
        create = account.request("createCharge", wallet, can_handle_pending_authorization=True)
        yield _effect(account, _LATER, "", account.ending(create), wallet)


def _complete(account: MerchantAccount, when: str, session_id: str, last4: str, **fields: Any) -> tuple[Effect, Any]:
    # The object is None where the card was refused.
    try:
        account.stay(session_id, last4)
    except BuyerPageError as error:
        wanted = CARDS[last4].prerequisite.replace(": ", " = ")
        needs = f"It needs {wanted}." if wanted else error.advice
        thing = account.read(session_id)
        return Effect(when, "", "refused on the page", f"{_title(thing)}: {state_of(thing)}", next_step=needs), None
    ending = account.ending(account.request("completeCheckoutSession", session_id, **fields))
    return _effect(account, when, "", ending, session_id), ending.body


# The requirements of a code, by operation and target state.
NEEDS = {
    ("createCharge", "AuthorizationInitiated"): {"can_handle_pending_authorization": True},
    ("createCharge", "CaptureInitiated"): {"capture_now": True},
}


def play_codes(account: MerchantAccount | None) -> list[Effect]:
    """Send every simulation code with the call that it is for, each on an object that is ready for the call."""
    if account is None:
        return [Effect(OPERATIONS[row.operation].title, row.code, NOT_TRIED) for row in SIMULATIONS.values()]
    return [_play_code(account, row) for row in SIMULATIONS.values()]


def _play_code(account: MerchantAccount, row: Simulation) -> Effect:
    object_id = READY[row.operation](account)
    needs = NEEDS.get((row.operation, row.state or ""), {})
    call = account.request(row.operation, object_id, simulation_code=row.code, **needs)
    # A declined capture may make its wallet NonChargeable.
    more = [account.client.get_charge(object_id).charge_permission_id] if row.operation == "captureCharge" else []
    return _effect(account, OPERATIONS[row.operation].title, row.code, account.ending(call), object_id, *more)


_IDS = ("refund_id", "charge_id", "charge_permission_id")


def _effect(account: MerchantAccount, call: str, simulated: str, ending: Ending, *ids: str) -> Effect:
    made = (str(getattr(ending.body, name, None) or "") for name in _IDS)
    parties = tuple(dict.fromkeys(filter(None, (*made, *ids))))
    before = [account.read(object_id) for object_id in parties]
    due = account.emulator.clock.advance(seconds=PENDING_SECONDS)
    after = [account.read(object_id) for object_id in parties] if due else before
    paths = (" → ".join(dict.fromkeys(map(state_of, pair))) for pair in zip(before, after, strict=True))
    objects = "; ".join(f"{_title(thing)}: {path}" for thing, path in zip(before, paths, strict=True))
    next_step = _next_step(ending, after[0], waited=before != after)
    return Effect(call, simulated, ending.text, objects, ", ".join(account.announcements(*parties)), next_step)


def _title(thing: Resource) -> str:
    return next(kind.title for kind in KINDS.values() if isinstance(thing, kind.model))


def _next_step(ending: Ending, thing: Resource, *, waited: bool) -> str:
    if ending.error:
        recovery = getattr(ending.error, "recovery", None)
        return recovery.next_step if recovery else ending.error.advice
    reason = state_reason(_title(thing), thing.state, thing.reason_code)
    return (_WAIT if waited else "") + (reason.next_step if reason else _GOES_ON[thing.state])


# How a charge ends when card, queue and header ask for different things.
Precedence = namedtuple("Precedence", "card queue header answer")
_CARD, _QUEUE, _HEADER = "0701", "SoftDeclined", "TransactionTimedOut"


def play_precedence(account: MerchantAccount | None) -> list[Precedence]:
    """Ask for one thing by the card, for another by the queue, and for a third by the header."""
    # The header leaves the queue as it was, so its outcome is still there for the last charge.
    rows = (("", ""), (_QUEUE, ""), (_QUEUE, _HEADER), (_QUEUE, ""))
    if account is None:
        return [Precedence(_CARD, *row, NOT_TRIED) for row in rows]
    session = account.request("completeCheckoutSession", account.purchase(_CARD))()
    create = account.request("createCharge", str(session.charge_permission_id), can_handle_pending_authorization=True)
    played: list[Precedence] = []
    for queue, header in rows:
        if queue and len(played) == 1:
            account.emulator.queue_outcome("createCharge", queue, times=2)
        ending = account.ending(partial(create, simulation_code=header or None))
        played.append(Precedence(_CARD, queue, header, ending.text))
    return played
