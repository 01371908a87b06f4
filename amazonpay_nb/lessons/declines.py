"""A charge that may fail, as a row of a table: what came of it, and what the merchant does next."""

from collections import namedtuple
from collections.abc import Mapping
from typing import Unpack

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.errors import ApiError
from amazonpay_nb.spec.requests import ChargeFields
from amazonpay_nb.spec.simulations import SIMULATIONS
from amazonpay_nb.spec.states import CHARGE


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
