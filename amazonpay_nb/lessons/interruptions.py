"""Play what only Amazon, the buyer or time can cause, each caused by one call and followed to its recovery."""

from collections import namedtuple

from amazonpay_nb.client.guide import Step, decide
from amazonpay_nb.lessons.account import NOT_TRIED, MerchantAccount, state_of
from amazonpay_nb.spec.machine import MERCHANT, Machine, Transition
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION

# The card that a buyer takes on the Update page.
_ANOTHER = "4444"

# An event that the merchant did not cause.  meanwhile: the answer to a charge (or a capture) that is sent all the same;
# permission: the same one or a new one; afterwards: the answer to a charge then, under a new idempotency key.
Interruption = namedtuple(
    "Interruption", "who what state meanwhile recovery permission afterwards", defaults=("", "", "", "")
)


def play_interruptions(account: MerchantAccount | None) -> list[Interruption]:
    """Play everything that stops a Saved Wallet, or takes an authorization away, without a call of the merchant."""
    permission_rows, charge_rows = _from_others(CHARGE_PERMISSION, "Chargeable"), _from_others(CHARGE, "Authorized")
    if account is None:
        return [Interruption(row.actor, row.trigger, _end(row), NOT_TRIED) for row in permission_rows + charge_rows]
    return [
        *(_stop(account, row) for row in permission_rows),
        _challenge(account),
        *(_take_away(account, row) for row in charge_rows),
        _forget(account),
    ]


def _from_others(machine: Machine, source: str) -> list[Transition]:
    return [row for row in machine.rows if row.source == source != row.target and row.actor != MERCHANT]


def _end(row: Transition) -> str:
    return f"{row.target} ({row.reason})"


def _stop(account: MerchantAccount, row: Transition) -> Interruption:
    wallet = account.wallet()
    account.cause(wallet, row.target, row.reason)
    step = decide(account.client.get_charge_permission(wallet)).next_step
    meanwhile = _charge(account, wallet)
    return Interruption(row.actor, row.trigger, _end(row), meanwhile, *_recover(account, wallet, step))


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
    return Interruption(row.actor, f"{row.trigger} (a charge)", _end(row), capture, "charged again", "same", again)


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
