"""Compares the money ledger that a shop keeps with what Amazon says about each charge."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.spec.answers import Money
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.states import REFUND

if TYPE_CHECKING:
    import pandas

__all__ = ["by_hand", "reconcile"]

_COLUMNS = (
    "charge", "currency", "captured", "refunded", "under way", "captured at Amazon", "refunded at Amazon", "agrees",
)  # fmt: skip
_REFUNDS = ("createRefund", "getRefund")


def reconcile(client: AmazonPayClient) -> "pandas.DataFrame":
    """Return one row for each charge in the ledger of the client's journal, compared with Get Charge.

    How open refunds have ended is asked first: the ledger counts a refund as soon as it is promised, Amazon when the
    money is back, so what is still ``under way`` is no difference.  Where a row does not agree, money was moved that
    this journal knows nothing about, for example in Seller Central; or a refund has ended between two of the questions,
    which the next comparison sees.

    Raises:
        AmazonPayError: A charge or refund could not be asked for.
    """
    import pandas  # slow to import; only those who look at a table pay for it

    for refund_id, refund in _refunds(client.journal).items():
        if not _has_ended(refund):
            client.get_refund(refund_id)
    refunds, sums = _refunds(client.journal), _by_charge(client.journal)
    rows = [_row(client, charge_id, sums[charge_id], refunds) for charge_id in sums]
    return pandas.DataFrame(rows, columns=list(_COLUMNS), index=range(1, len(rows) + 1))


@contextmanager
def by_hand(client: AmazonPayClient) -> Iterator[None]:
    """Send requests of which the shop's journal learns nothing, as a colleague does in Seller Central."""
    kept, client.journal = client.journal, Journal()
    try:
        yield
    finally:
        client.journal = kept


def _refunds(journal: Journal) -> dict[str, dict[str, Any]]:
    # Each refund as it was last seen.
    answers = [e.response for e in journal.exchanges if e.operation in _REFUNDS and not e.failed]
    return {answer["refundId"]: answer for answer in answers if answer}


def _has_ended(refund: Mapping[str, Any]) -> bool:
    return REFUND.is_final(refund["statusDetails"]["state"])


def _by_charge(journal: Journal) -> dict[str, dict[str, Decimal]]:
    # What the ledger says, a refund's movements with those of its charge.
    refunds = _refunds(journal)
    sums: dict[str, dict[str, Decimal]] = {}
    for movement in journal.ledger().to_dict("records"):
        moved = str(movement["object"])
        charge_id = refunds[moved]["chargeId"] if moved in refunds else moved
        total = sums.setdefault(charge_id, {"captured": Decimal(0), "refunded": Decimal(0)})
        for column in total:
            total[column] += Decimal(movement[column])
    return sums


def _row(
    client: AmazonPayClient, charge_id: str, ledger: Mapping[str, Decimal], refunds: Mapping[str, Mapping[str, Any]]
) -> tuple[str | bool, ...]:
    charge = client.get_charge(charge_id)
    currency = charge.charge_amount.currency_code
    promised = [r for r in refunds.values() if r["chargeId"] == charge_id and not _has_ended(r)]
    under_way = sum((Decimal(r["refundAmount"]["amount"]) for r in promised), Decimal(0))
    captured, refunded = _amount(charge.capture_amount), _amount(charge.refunded_amount)
    agrees = (ledger["captured"], ledger["refunded"] - under_way) == (captured, refunded)
    amounts = (ledger["captured"], ledger["refunded"], under_way, captured, refunded)
    return (charge_id, currency, *(format_amount(amount, currency) for amount in amounts), agrees)


def _amount(price: Money | None) -> Decimal:
    return Decimal(price.amount) if price else Decimal(0)
