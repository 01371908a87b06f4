"""Play what a merchant does not decide, each caused by one call and followed to what comes next.

Every simulated card, every simulation code, a charge that may fail, and what only Amazon, the buyer or time can cause;
each as a table of rows, and long tables in short, by what to do:

    show(by_next_step(play_codes(account)))
"""

import re
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Unpack

from pydantic.alias_generators import to_snake

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.guide import Step, decide
from amazonpay_nb.errors import ApiError, BuyerPageError
from amazonpay_nb.lessons.account import NOT_TRIED, READY, Ending, MerchantAccount, state_of, with_reason
from amazonpay_nb.lessons.faults import Repetition
from amazonpay_nb.spec.answers import Resource
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.machine import MERCHANT, Machine, Transition
from amazonpay_nb.spec.operations import OPERATIONS, TITLES
from amazonpay_nb.spec.reasons import state_reason
from amazonpay_nb.spec.requests import ChargeFields
from amazonpay_nb.spec.simulations import CARDS, PENDING_SECONDS, SIMULATIONS, Simulation
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION

_GOES_ON: dict[str, str] = read("drills.toml", beside=__file__)["goes_on"]
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
    return short(chain.from_iterable(_play_card(account, last4) for last4 in CARDS), Effect, "simulated")


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
        yield _effect(account, _LATER, last4, account.ending(create), wallet)


def _complete(account: MerchantAccount, when: str, session_id: str, last4: str, **fields: Any) -> tuple[Effect, Any]:
    # The object is None where the card was refused.
    try:
        account.stay(session_id, last4)
    except BuyerPageError as error:
        wanted = CARDS[last4].prerequisite.replace(": ", " = ")
        needs = f"It needs {wanted}." if wanted else error.advice
        thing = account.read(session_id)
        return Effect(
            when, last4, "refused on the page", f"{TITLES[type(thing)]}: {state_of(thing)}", next_step=needs
        ), None
    ending = account.ending(account.request("completeCheckoutSession", session_id, **fields))
    return _effect(account, when, last4, ending, session_id), ending.body


def needs(row: Simulation | None) -> dict[str, bool]:
    """Return the field that a charge is created with for a simulation; a session that is ready for one has it."""
    return {to_snake(row.needs): True} if row and row.needs and row.operation == "createCharge" else {}


def play_codes(account: MerchantAccount | None) -> list[Effect]:
    """Send every simulation code with the call that it is for, each on an object that is ready for the call."""
    if account is None:
        return [Effect(OPERATIONS[row.operation].title, row.code, NOT_TRIED) for row in SIMULATIONS.values()]
    return [_play_code(account, row) for row in SIMULATIONS.values()]


def _play_code(account: MerchantAccount, row: Simulation) -> Effect:
    object_id = READY[row.operation](account)
    call = account.request(row.operation, object_id, simulation_code=row.code, **needs(row))
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
    objects = "; ".join(f"{TITLES[type(thing)]}: {path}" for thing, path in zip(before, paths, strict=True))
    next_step = _next_step(ending, after[0], waited=before != after)
    return Effect(call, simulated, ending.text, objects, ", ".join(account.announcements(*parties)), next_step)


def _next_step(ending: Ending, thing: Resource, *, waited: bool) -> str:
    if ending.error:
        recovery = getattr(ending.error, "recovery", None)
        return recovery.next_step if recovery else ending.error.advice
    reason = state_reason(TITLES[type(thing)], thing.state, thing.reason_code)
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


def _interrupts(code: str) -> bool:
    """Tell whether a decline also changes the Charge Permission of a Saved Wallet."""
    rows = (row for row in CHARGE.rows if row.trigger == f"Decline: {code}")
    return any(then.machine == "Charge Permission" and not then.when for row in rows for then in row.then)


_CODES = [row.code for row in SIMULATIONS.values() if row.operation == "createCharge" and row.reason_code]
# The simulation codes that decline Create Charge; those that leave the permission as it was come first.
DECLINES = tuple(sorted(_CODES, key=_interrupts))

# The outcome of a charge.  answer: HTTP status, and the reason code of a refusal or the state of the charge; requests:
# how often it was sent, with the same key after a server error; another_charge: whether the same charge may be tried
# again.
Trial = namedtuple("Trial", "simulation_code answer requests permission_state another_charge next_step")


def try_charge(
    client: AmazonPayClient, charge_permission_id: str, amount: Mapping[str, str], *,
    simulation_code: str | None = None, **fields: Unpack[ChargeFields],
) -> Trial:  # fmt: skip
    """Create a charge, accept any outcome, and look at the Charge Permission afterward."""
    again, advice = "", "Look at the state of the charge."
    try:
        client.create_charge(
            charge_permission_id=charge_permission_id, charge_amount=amount, simulation_code=simulation_code, **fields
        )
    except ApiError as error:
        again, advice = str(error.recovery.retry), error.recovery.next_step
    last = client.journal.exchanges[-1]
    permission = client.get_charge_permission(charge_permission_id)
    return Trial(simulation_code or "", f"{last.status} {last.outcome}", last.attempt, permission.state, again, advice)


# The card that a buyer takes on the Update page.
_ANOTHER = "4444"

# An event that the merchant did not cause.  meanwhile: the answer to a charge (or a capture) that is sent all the same;
# permission: the same one or a new one; afterward: the answer to a charge then, under a new idempotency key.
Interruption = namedtuple(
    "Interruption", "who what state meanwhile recovery permission afterward", defaults=("", "", "", "")
)


def play_interruptions(account: MerchantAccount | None) -> list[Interruption]:
    """Play everything that stops a Saved Wallet, or takes an authorization away, without a call of the merchant."""
    permission_rows, charge_rows = _from_others(CHARGE_PERMISSION, "Chargeable"), _from_others(CHARGE, "Authorized")
    if account is None:
        return [_interruption(row, NOT_TRIED) for row in permission_rows + charge_rows]
    return [
        *(_stop(account, row) for row in permission_rows),
        _challenge(account),
        *(_take_away(account, row) for row in charge_rows),
        _forget(account),
    ]


def _from_others(machine: Machine, source: str) -> list[Transition]:
    return [row for row in machine.rows if row.source == source != row.target and row.actor != MERCHANT]


def _interruption(row: Transition, meanwhile: str, *recovery: str) -> Interruption:
    return Interruption(row.actor, row.trigger, with_reason(row.target, row.reason), meanwhile, *recovery)


def _stop(account: MerchantAccount, row: Transition) -> Interruption:
    wallet = account.wallet()
    account.cause(wallet, row.target, row.reason)
    step = decide(account.client.get_charge_permission(wallet)).next_step
    meanwhile = _charge(account, wallet)
    return _interruption(row, meanwhile, *_recover(account, wallet, step))


def _challenge(account: MerchantAccount) -> Interruption:
    # No object changes, and yet the buyer's remedy is a page.
    wallet = account.wallet()
    account.emulator.queue_outcome("createCharge", "MFANotCompleted")
    meanwhile, state = _charge(account, wallet), state_of(account.read(wallet))
    recovery = _recover(account, wallet, Step.UPDATE)
    return Interruption("buyer", "Leave the challenge of a charge", state, meanwhile, *recovery)


def _take_away(account: MerchantAccount, row: Transition) -> Interruption:
    charge_id = account.charge()
    account.cause(charge_id, row.target, row.reason)
    capture = f"{account.ending(account.request('captureCharge', charge_id)).text} (a capture)"
    again = _charge(account, account.client.get_charge(charge_id).charge_permission_id)
    interruption = _interruption(row, capture, "charged again", "same", again)
    return interruption._replace(what=f"{row.trigger} (a charge)")


def _forget(account: MerchantAccount) -> Interruption:
    # The buyer has paid, and the shop does not complete the session: the money is held for a day, and goes back.
    session_id = account.purchase()
    account.emulator.clock.advance("PT24H")
    late = f"{account.ending(account.request('completeCheckoutSession', session_id)).text} (a completion)"
    again = account.request("completeCheckoutSession", account.purchase())()
    charged = _charge(account, str(again.charge_permission_id))
    what, state = "Expire (a session that the shop forgot)", state_of(account.read(session_id))
    return Interruption("clock", what, state, late, "paid again, and completed", "new", charged)


def _recover(account: MerchantAccount, wallet: str, step: Step) -> tuple[str, str, str]:
    # What was done, which wallet it is then, and a charge's answer.
    after, recovery = wallet, "set up again"
    if step is Step.WAIT:
        account.cause(wallet, "Chargeable")
        recovery = "waited for Amazon"
    elif step is Step.UPDATE:
        session_id = account.stay(account.session(updates=wallet), _ANOTHER)
        after = str(account.client.complete_checkout_session(session_id).charge_permission_id)
        recovery = "changed on the Update page" if account.region.update_page else recovery
    else:
        after = account.wallet()
    return recovery, "same" if after == wallet else "new", _charge(account, after)


def _charge(account: MerchantAccount, wallet: str) -> str:
    return account.ending(account.request("createCharge", wallet, capture_now=True)).text


# then: what follows the first part of the next step; simulated: every card or code that leads there with this status.
Advice = namedtuple("Advice", "next_step then call simulated status")
_FIRST_PART = re.compile(r"[.;:] ")
# fault: every one after which the second request, with this key, did the same.
Retry = namedtuple("Retry", "key operation fault second moved done")
# what: every event with this recovery that leaves this state.
WayBack = namedtuple("WayBack", "recovery permission state what")


def by_next_step(effects: Iterable[Effect]) -> list[Advice]:
    """Return what the merchant does next, and every simulation that leads there."""
    rows = []
    for row in effects:
        first, then, *_ = [*_FIRST_PART.split(row.next_step.removesuffix("."), maxsplit=1), ""]
        status = row.answer[:3] if row.answer[:3].isdigit() else row.answer
        rows.append(Advice(first, then, row.call, row.simulated, status))
    return short(rows, Advice, "simulated")


def by_key(repetitions: Iterable[Repetition]) -> list[Retry]:
    """Return what a repetition does with the same key and with a new one."""
    return short(repetitions, Retry, "fault")


def by_recovery(interruptions: Iterable[Interruption]) -> list[WayBack]:
    """Return each recovery, and everything that makes it necessary."""
    return short(interruptions, WayBack, "what")


def short(rows: Iterable[Any], kind: Any, joined: str) -> list[Any]:
    """Return rows as another kind, with those that differ in nothing but *joined* as one, sorted by the others."""
    alike: dict[Any, list[str]] = {}
    for row in rows:
        short = kind(*(getattr(row, name) for name in kind._fields))
        alike.setdefault(short._replace(**{joined: ""}), []).append(getattr(row, joined))
    first, pair = ([row[:n] for row in alike] for n in (1, 2))
    order = sorted(alike, key=lambda row: (first.index(row[:1]), pair.index(row[:2])))
    return [row._replace(**{joined: ", ".join(alike[row])}) for row in order]
