"""How many calls an order takes, and how many orders Amazon's documented quotas leave room for."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.spec.operations import OPERATIONS, THROTTLES, Throttle

_PAYMENTS = ("completeCheckoutSession", "createCharge")


class Calls(NamedTuple):
    """The calls of one operation.

    Attributes:
        per_order: How many of them an order takes, on average.
        live: How many orders a second its quota in live leaves room for, for as long as one likes.
        sandbox: The same in the Sandbox; None where it has no quota there.
    """

    operation: str
    calls: int
    per_order: float
    quota: Throttle
    live: float
    sandbox: float | None


def sizing(exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """Return what a page says about the calls of a run; each attempt counts, whatever its answer.

    Returns:
        ``orders``: the different Charges among the answers, or 1 where there are none; ``calls``: the operations in the
        order of their first call; ``narrowest``: the one whose live quota is used up first, None where nothing was
        called.
    """
    charges = {(exchange.response or {}).get("chargeId") for exchange in exchanges if exchange.operation in _PAYMENTS}
    orders = max(len(charges - {None}), 1)
    counts = Counter(exchange.operation for exchange in exchanges if exchange.operation in OPERATIONS)
    calls = [_calls(name, count, count / orders) for name, count in counts.items()]
    return {"orders": orders, "calls": calls, "narrowest": min(calls, key=lambda row: row.live, default=None)}


def _calls(name: str, count: int, per_order: float) -> Calls:
    quota = THROTTLES[name]
    sandbox = quota.sandbox.per_second / per_order if quota.sandbox else None
    return Calls(OPERATIONS[name].title, count, per_order, quota, quota.live.per_second / per_order, sandbox)
