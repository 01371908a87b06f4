"""What only Amazon, the buyer or time can cause, each provoked by one call and played to its recovery."""

from dataclasses import dataclass

from amazonpay_nb.client.guide import Step, decide
from amazonpay_nb.lessons.account import NOT_TRIED, Stage, state_of
from amazonpay_nb.spec.answers import ChargePermission
from amazonpay_nb.spec.machine import MERCHANT, Transition
from amazonpay_nb.spec.simulations import SIMULATIONS, Simulation
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION

__all__ = ["Interruption", "play_interruptions"]

# The card that a buyer takes on the Update page.
_ANOTHER = "4444"
# A decline that changes no object: what it asks of the buyer happens on the Update page all the same.
_CHALLENGE = SIMULATIONS["createCharge", "MFANotCompleted"]
_UPDATED, _SET_UP_AGAIN, _CHARGED_AGAIN = "changed on the Update page", "set up again", "charged again"
_MENDED = "waited for Amazon"


@dataclass(frozen=True, slots=True)
class Interruption:
    """Something that happens to a merchant.

    Attributes:
        who: Who causes it.
        what: What they do.
        state: What the merchant sees: the object's state and reason.
        meanwhile: The answer to a charge (or a capture) that is sent all the same.
        recovery: What was done about it.
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


def play_interruptions(stage: Stage | None) -> list[Interruption]:
    """Play everything that stops a Saved Wallet, or takes an authorisation away, without a call of the merchant."""
    permission_rows = [row for row in CHARGE_PERMISSION.rows if row.source == "Chargeable" and _comes_from_others(row)]
    charge_rows = [row for row in CHARGE.rows if row.source == "Authorized" and _comes_from_others(row)]
    if stage is None:
        return [Interruption(row.actor, row.trigger, _seen(row), NOT_TRIED) for row in permission_rows + charge_rows]
    return [
        *(_stopped(stage, row) for row in permission_rows),
        _challenged(stage, _CHALLENGE),
        *(_taken_away(stage, row) for row in charge_rows),
    ]


def _comes_from_others(row: Transition) -> bool:
    return row.actor != MERCHANT and row.target != row.source


def _seen(row: Transition) -> str:
    return f"{row.target} ({row.reason})"


def _stopped(stage: Stage, row: Transition) -> Interruption:
    """Let a wallet stop being chargeable, and do what the decision table says."""
    wallet = stage.wallet()
    stage.director.cause(wallet, row.target, row.reason)
    permission = stage.client.get_charge_permission(wallet)
    refused = _charge(stage, wallet)
    recovery, after = _recover(stage, permission)
    return Interruption(
        row.actor, row.trigger, _seen(row), refused, recovery, _same(wallet, after), _charge(stage, after)
    )


def _recover(stage: Stage, permission: ChargePermission) -> tuple[str, str]:
    """Do what the decision table says, and return it with the id of the permission to charge."""
    wallet, step = permission.charge_permission_id, decide(permission).next_step
    if step is Step.WAIT:
        stage.director.cause(wallet, "Chargeable")
        return _MENDED, wallet
    if step is Step.UPDATE and stage.region.update_page:
        return _UPDATED, _update(stage, wallet)
    return _SET_UP_AGAIN, stage.wallet()


def _update(stage: Stage, wallet: str) -> str:
    session_id = stage.visit(stage.session(updates=wallet), _ANOTHER)
    return str(stage.client.complete_checkout_session(session_id).charge_permission_id)


def _challenged(stage: Stage, row: Simulation) -> Interruption:
    """Let a later charge be declined for want of a challenge; the buyer passes it on a hosted page."""
    wallet = stage.wallet()
    stage.emulator.outcomes(row.operation, row.code)
    refused = _charge(stage, wallet)
    seen = state_of(stage.read(wallet))
    after = _update(stage, wallet)
    recovery = _UPDATED if stage.region.update_page else _SET_UP_AGAIN
    return Interruption(
        "buyer", "Leave the challenge of a charge", seen, refused, recovery, _same(wallet, after), _charge(stage, after)
    )


def _taken_away(stage: Stage, row: Transition) -> Interruption:
    """Let an authorisation end before it is captured; the wallet is as good as before."""
    wallet = stage.wallet()
    charge_id = stage.charge(wallet)
    stage.emulator.control.post(f"charges/{charge_id}", state=row.target, reasonCode=row.reason)
    answer = stage.attempt(lambda: stage.client.capture_charge(charge_id, capture_amount=stage.amount))
    captured = f"{answer.text} (a capture)"
    return Interruption(
        row.actor, f"{row.trigger} (a charge)", _seen(row), captured, _CHARGED_AGAIN, "same", _charge(stage, wallet)
    )


def _charge(stage: Stage, wallet: str) -> str:
    create = stage.client.create_charge
    return stage.attempt(lambda: create(charge_permission_id=wallet, charge_amount=stage.amount, capture_now=True)).text


def _same(before: str, after: str) -> str:
    return "same" if before == after else "new"
