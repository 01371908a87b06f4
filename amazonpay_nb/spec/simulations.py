"""Simulations that make the Sandbox misbehave on purpose: cards and codes; the rows are in ``simulations.toml``."""

from enum import StrEnum

from amazonpay_nb.spec.data import data_row, load
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.reasons import REASONS
from amazonpay_nb.spec.states import timer

SIMULATION_HEADER = "x-amz-pay-simulation-code"
# A pending payment is decided when the clock says so.
PENDING_SECONDS = int(timer("Charge", "AuthorizationInitiated", "Authorize").total_seconds())


class CardEffect(StrEnum):
    """The effect of choosing a card."""

    SUCCESS = "success"
    BUYER_CANCELED = "buyer canceled"
    DECLINED = "declined"
    PENDING_AUTHORIZED = "pending, then authorized"
    PENDING_DECLINED = "pending, then declined"
    DECLINE_ON_PAGE = "declined on the processing page"
    FAIL_CHALLENGE = "fails the challenge"


@data_row
class SimulatedCard:
    """A payment method of a Sandbox test buyer, by its last four digits.  Spec: "Sandbox simulations"."""

    last4: str
    brand: str
    trigger: CardEffect
    evidence: Evidence
    plays: str = ""

    @property
    def effect(self) -> str:
        """What it leads to, in one sentence."""
        return _FILE.effects[self.trigger].format(seconds=PENDING_SECONDS)

    @property
    def descriptor(self) -> str:
        """The text of ``paymentDescriptor``."""
        return f"{self.brand} ****{self.last4} (Amazon Pay)"

    @property
    def requires_pending(self) -> bool:
        """Whether the session must be able to handle a pending authorization."""
        return bool(self.plays)

    @property
    def prerequisite(self) -> str:
        """What the session must hold, or ""."""
        row = SIMULATIONS.get(("createCharge", self.plays))
        return f"paymentIntent: Authorize, {row.needs}: true" if row else ""

    @property
    def marked(self) -> bool:
        """Whether Amazon shows it with ``*`` in a test buyer's wallet."""
        return self.evidence is not Evidence.EMULATOR_ONLY


@data_row
class Simulation:
    """The effect of a code on an operation, a later state after `PENDING_SECONDS`.  Spec: "Sandbox simulations"."""

    operation: str
    code: str
    status: int
    evidence: Evidence
    note: str = ""
    reason_code: str | None = None
    state: str | None = None
    later_state: str | None = None
    later_reason: str | None = None
    needs: str = ""


@data_row
class _File:
    anywhere: tuple[str, ...]
    effects: dict[CardEffect, str]
    cards: dict[str, SimulatedCard]
    codes: dict[str, Simulation]


_FILE = load("simulations.toml", _File, cards="last4", codes="operation.code")
ANYWHERE, CARDS = _FILE.anywhere, _FILE.cards
SIMULATIONS = {(row.operation, row.code): row for row in _FILE.codes.values()}


def simulation(operation: str, code: str) -> Simulation | None:
    """Return the effect of *code* on *operation*, or None if it is not a code for that call."""
    if code not in ANYWHERE or operation not in OPERATIONS:
        return SIMULATIONS.get((operation, code))
    status = REASONS[code].status_codes[0]
    return Simulation(operation=operation, code=code, status=status, evidence=Evidence.EMULATOR_ONLY, reason_code=code)
