"""Play what only Amazon, the buyer or time can cause, each caused by one call and followed to its recovery."""

from dataclasses import dataclass

from amazonpay_nb.client.guide import Step, decide
from amazonpay_nb.lessons.account import NOT_TRIED, Account, state_of
from amazonpay_nb.spec.machine import MERCHANT, Transition
from amazonpay_nb.spec.simulations import SIMULATIONS, Simulation
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION

# The card that a buyer takes on the Update page.
_ANOTHER = "4444"
# A decline that changes no object; the buyer's remedy still happens on the Update page.
_CHALLENGE = SIMULATIONS["createCharge", "MFANotCompleted"]
_UPDATED, _SET_UP_AGAIN, _CHARGED_AGAIN = "changed on the Update page", "set up again", "charged again"
_MENDED = "waited for Amazon"


@dataclass(frozen=True, slots=True)
class Interruption:
    """An event that the merchant did not cause.

    Attributes:
        meanwhile: The answer to a charge (or a capture) that is sent all the same.
        permission: Whether the Charge Permission is still the same one.
        afterwards: The answer to a charge then, under a new idempotency key.
    """

    who: str
    what: str
    state: str
    meanwhile: str = ""
    recovery: str = ""
    permission: str = ""
    afterwards: str = ""


def play_interruptions(account: Account | None) -> list[Interruption]:
    """Play everything that stops a Saved Wallet, or takes an authorization away, without a call of the merchant."""
    permission_rows = [row for row in CHARGE_PERMISSION.rows if row.source == "Chargeable" and _comes_from_others(row)]
    charge_rows = [row for row in CHARGE.rows if row.source == "Authorized" and _comes_from_others(row)]
    if account is None:
        return [Interruption(row.actor, row.trigger, _end(row), NOT_TRIED) for row in permission_rows + charge_rows]
    return [
        *(_stop(account, row) for row in permission_rows),
        _challenge(account, _CHALLENGE),
        *(_take_away(account, row) for row in charge_rows),
    ]


def _comes_from_others(row: Transition) -> bool:
    return row.actor != MERCHANT and row.target != row.source


def _end(row: Transition) -> str:
    return f"{row.target} ({row.reason})"


def _stop(account: Account, row: Transition) -> Interruption:
    """Let a wallet stop being chargeable, and do what the decision table says."""
    wallet = account.wallet()
    account.cause(wallet, row.target, row.reason)
    permission = account.client.get_charge_permission(wallet)
    meanwhile = _charge(account, wallet)
    match decide(permission).next_step:
        case Step.WAIT:
            account.cause(wallet, "Chargeable")
            recovery, after = _MENDED, wallet
        case Step.UPDATE if account.region.update_page:
            recovery, after = _UPDATED, _update(account, wallet)
        case _:
            recovery, after = _SET_UP_AGAIN, account.wallet()
    same = _same(wallet, after)
    return Interruption(row.actor, row.trigger, _end(row), meanwhile, recovery, same, _charge(account, after))


def _update(account: Account, wallet: str) -> str:
    session_id = account.visit(account.session(updates=wallet), _ANOTHER)
    return str(account.client.complete_checkout_session(session_id).charge_permission_id)


def _challenge(account: Account, row: Simulation) -> Interruption:
    """Let a later charge be declined for want of a challenge; the buyer passes it on a hosted page."""
    wallet = account.wallet()
    account.emulator.queue_outcome(row.operation, row.code)
    meanwhile = _charge(account, wallet)
    state = state_of(account.read(wallet))
    after = _update(account, wallet)
    recovery = _UPDATED if account.region.update_page else _SET_UP_AGAIN
    trigger = "Leave the challenge of a charge"
    return Interruption("buyer", trigger, state, meanwhile, recovery, _same(wallet, after), _charge(account, after))


def _take_away(account: Account, row: Transition) -> Interruption:
    """Let an authorization end before it is captured; the wallet is as good as before."""
    charge_id = account.charge()
    account.cause(charge_id, row.target, row.reason)
    capture = f"{account.ending(account.request('captureCharge', charge_id)).text} (a capture)"
    again = _charge(account, account.client.get_charge(charge_id).charge_permission_id)
    return Interruption(row.actor, f"{row.trigger} (a charge)", _end(row), capture, _CHARGED_AGAIN, "same", again)


def _charge(account: Account, wallet: str) -> str:
    return account.ending(account.request("createCharge", wallet, capture_now=True)).text


def _same(before: str, after: str) -> str:
    return "same" if before == after else "new"
