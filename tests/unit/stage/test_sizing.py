"""Calls per order, against the quotas as Amazon's page has them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.stage.view import sizing


def exchange(operation: str, status: int | None = 200, response: dict[str, Any] | None = None) -> Exchange:
    return Exchange(datetime(2026, 1, 15, 12, tzinfo=UTC), operation, "POST", "/v2/…", status, response=response)


ORDERS = [
    exchange("completeCheckoutSession"),
    exchange("getChargePermission"),
    exchange("createCharge", 422),
    exchange("getChargePermission"),
    exchange("createCharge", None),
    exchange("createCharge", 201, {"chargeId": "S01-1"}),
    exchange("createCharge", 201, {"chargeId": "S01-2"}),
    exchange("noOperationOfAmazon"),
]


def test_each_attempt_counts() -> None:
    """Amazon counts a call whether or not it is refused, and whether or not its answer arrives."""
    rows = {row.operation.title: row for row in sizing(ORDERS)["calls"]}
    assert list(rows) == ["Complete Checkout Session", "Get Charge Permission", "Create Charge"]
    assert [(row.calls, row.per_order) for row in rows.values()] == [(1, 0.5), (2, 1.0), (4, 2.0)]


def test_the_quota_says_how_many_orders_there_is_room_for() -> None:
    """Create Charge: 4 a second in live, 1 in the Sandbox; with 2 calls an order, 2 orders and half a one."""
    size = sizing(ORDERS)
    assert [(row.live, row.sandbox) for row in size["calls"]] == [(8.0, 2.0), (4.0, 1.0), (2.0, 0.5)]
    tight = size["narrowest"]
    assert (tight.operation.title, tight.operation.quota.live.burst) == ("Create Charge", 10)
    assert sizing([])["narrowest"] is None


@pytest.mark.parametrize(
    ("exchanges", "orders"),
    [(ORDERS, 2), ([], 1), ([exchange("completeCheckoutSession", 200, {"chargeId": "S01-1"})], 1)],
    ids=["two charges", "none", "paid at the checkout"],
)
def test_an_order_is_a_charge(exchanges: list[Exchange], orders: int) -> None:
    """A refused one is no order; a run without a payment is about one."""
    assert sizing(exchanges)["orders"] == orders
