"""Compares the money ledger that a shop keeps with what Amazon says about each charge."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.ledger import movements, table
from amazonpay_nb.spec.answers import Money
from amazonpay_nb.spec.money import Counts, counted, format_amount
from amazonpay_nb.spec.states import REFUND

if TYPE_CHECKING:
    import pandas

_COLUMNS = (
    "charge", "currency", "captured", "refunded", "under way", "captured at Amazon", "refunded at Amazon", "agrees",
)  # fmt: skip


def reconcile(client: AmazonPayClient) -> "pandas.DataFrame":
    """Return one row for each charge in the ledger of the client's journal, compared with Get Charge.

    Open refunds are read first: the ledger counts a refund as soon as it is promised, Amazon when the money is back, so
    a refund that is still ``under way`` is not a difference.  Where a row does not agree, money was moved without this
    journal, for example in Seller Central; or a refund ended between two requests, which the next comparison notices.

    Raises:
        AmazonPayError: A charge or refund could not be asked for.
    """
    for refund_id, refund in client.journal.known.of(REFUND.name).items():
        if not _has_ended(refund):
            client.get_refund(refund_id)
    rows = [_row(client, charge_id, sums) for charge_id, sums in _by_charge(client.journal).items()]
    return table(rows, _COLUMNS)


@contextmanager
def by_hand(client: AmazonPayClient) -> Iterator[None]:
    """Send requests of which the shop's journal learns nothing, as a colleague does in Seller Central."""
    kept, client.journal = client.journal, Journal()
    try:
        yield
    finally:
        client.journal = kept


def _has_ended(refund: Mapping[str, Any]) -> bool:
    return REFUND.is_final(refund["statusDetails"]["state"])


def _by_charge(journal: Journal) -> dict[str, dict[str, Decimal]]:
    """Return what the ledger says of each charge, a refund's movements with those of its charge."""
    sums: dict[str, dict[str, Decimal]] = {}
    for movement in movements(journal.exchanges):
        total = sums.setdefault(movement.charge_id, {"captured": Decimal(0), "refunded": Decimal(0)})
        for column in total:
            total[column] += movement.change[column]
    return sums


def _row(client: AmazonPayClient, charge_id: str, ledger: Mapping[str, Decimal]) -> tuple[str | bool, ...]:
    charge = client.get_charge(charge_id)
    currency = charge.charge_amount.currency_code
    open_refunds = [one for one in client.journal.known.refunds(charge_id).values() if not _has_ended(one)]
    under_way = sum((counted(REFUND.name, one, Counts.REFUNDED) for one in open_refunds), Decimal(0))
    captured, refunded = _amount(charge.capture_amount), _amount(charge.refunded_amount)
    agrees = (ledger["captured"], ledger["refunded"] - under_way) == (captured, refunded)
    amounts = (ledger["captured"], ledger["refunded"], under_way, captured, refunded)
    return (charge_id, currency, *(format_amount(amount, currency) for amount in amounts), agrees)


def _amount(price: Money | None) -> Decimal:
    return Decimal(price.amount) if price else Decimal(0)
