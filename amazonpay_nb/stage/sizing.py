"""How many calls an order takes, and how many orders Amazon's documented quotas leave room for."""

from collections import Counter
from collections.abc import Iterable, Sequence
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
    """Return what a page says about the calls of a run: ``orders``, ``calls`` per order, and the ``narrowest``."""
    calls = calls_per_order(exchanges, orders := orders_of(exchanges))
    return {"orders": orders, "calls": calls, "narrowest": narrowest(calls)}


def calls_per_order(exchanges: Iterable[Exchange], orders: int) -> list[Calls]:
    """Return the operations of a run in the order of their first call; each attempt counts, whatever its answer.

    Args:
        orders: How many orders the calls were for, at least 1.
    """
    counts = Counter(exchange.operation for exchange in exchanges if exchange.operation in OPERATIONS)
    return [_calls(name, count, count / orders) for name, count in counts.items()]


def _calls(name: str, count: int, per_order: float) -> Calls:
    quota = THROTTLES[name]
    sandbox = quota.sandbox.per_second / per_order if quota.sandbox else None
    return Calls(OPERATIONS[name].title, count, per_order, quota, quota.live.per_second / per_order, sandbox)


def narrowest(rows: Iterable[Calls]) -> Calls | None:
    """Return the operation whose live quota is used up first, or None where nothing was called."""
    return min(rows, key=lambda row: row.live, default=None)


def orders_of(exchanges: Iterable[Exchange]) -> int:
    """Return how many payments a run has made: different Charges among the answers, and 1 where there are none."""
    charges = {(exchange.response or {}).get("chargeId") for exchange in exchanges if exchange.operation in _PAYMENTS}
    return max(len(charges - {None}), 1)
