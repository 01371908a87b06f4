"""The books of a merchant account: the file that reports them, and what Amazon pays to the bank."""

import csv
import io
from collections import defaultdict, namedtuple
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from amazonpay_nb.emulator.clock import zulu
from amazonpay_nb.emulator.records import AnyRecord
from amazonpay_nb.emulator.rules.documents import SETTLEMENT
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.money import format_amount, taken_back

# An account is settled for the first time when the first payment was held so long, and then as its region has it.
_HELD = timedelta(days=14)
# What each kind of object is in the file, and the sign and the field of its amount.
_TYPES = {
    "Charge": ("Capture", 1, "captureAmount"),
    "Refund": ("Refund", -1, "refundAmount"),
    "Dispute": ("Chargeback", -1, "disputeAmount"),
}
# Money that came in or went out at one time, on account of a charge, and when that is settled under which id.
Transaction = namedtuple("Transaction", "at type id charge amount currency settled settlement")


def transactions(world: World, merchant_id: str) -> list[Transaction]:
    """Return what was captured, refunded and taken back by banks, the oldest first."""
    mine = (record for kind in _TYPES for record in world.store.every(kind) if record.merchant_id == merchant_id)
    moved = ((datetime.fromisoformat(at), sign, record) for record in mine for at, sign in _posted(record))
    booked = sorted(moved, key=lambda row: row[0])
    return [_transaction(world, *row, booked[0][0]) for row in booked]


def _posted(record: AnyRecord) -> Iterator[tuple[str, int]]:
    """Yield when an object has moved money, and its sign; a bank that has not won moves it back."""
    details, (_, sign, _) = record.document["statusDetails"], _TYPES[record.kind]
    if record.kind == "Dispute":
        yield record.document["creationTimestamp"], sign
        if not taken_back(record.document):
            yield record.notes.resolved or details["lastUpdatedTimestamp"], -sign
    elif details["state"] in ("Captured", "Refunded"):
        yield details["lastUpdatedTimestamp"], sign


def _transaction(world: World, at: datetime, sign: int, record: AnyRecord, first: datetime) -> Transaction:
    name, _, field = _TYPES[record.kind]
    charge = record if record.kind == "Charge" else world.find("Charge", record.parent, record.merchant_id)
    price = record.document[field]
    period = timedelta(days=world.region.settlement_days)
    settled = first + _HELD + period * max(0, ceil((at - first - _HELD) / period))
    settlement = world.ids.digits(11, record.merchant_id, price["currencyCode"], settled.isoformat())
    amount = sign * Decimal(price["amount"])
    return Transaction(at, name, record.id, charge, amount, price["currencyCode"], settled, settlement)


def settlement_file(world: World, merchant_id: str, start: datetime, end: datetime) -> str:
    """Return the transactions between two times as a file, or "" where there are none."""
    rows = [_line(world, row) for row in transactions(world, merchant_id) if start <= row.at <= end]
    lines = csv.writer(text := io.StringIO(), quoting=csv.QUOTE_ALL, lineterminator="\n")
    lines.writerows(zip(SETTLEMENT["head"], (merchant_id, _iso(start), _iso(end), merchant_id), strict=True))
    text.write("\n")
    lines.writerows([SETTLEMENT["columns"], *rows])
    return text.getvalue() if rows else ""


def _line(world: World, row: Transaction) -> tuple[str | None, ...]:
    """Return the values of the columns, in their order."""
    permission = world.find("Charge Permission", row.charge.parent, row.charge.merchant_id)
    order, own = (record.document["merchantMetadata"] or {} for record in (permission, row.charge))
    amount, no_fee = (format_amount(value, row.currency) for value in (row.amount, Decimal(0)))
    return (
        _iso(row.at), row.settlement, row.id, own.get("merchantReferenceId"), row.type, permission.id,
        order.get("merchantReferenceId"), order.get("merchantStoreName"), row.currency, None, amount,
        no_fee, no_fee, no_fee, amount,  # the merchant's contract says what Amazon takes
    )  # fmt: skip


def disbursements(world: World, merchant_id: str) -> Iterator[dict[str, str]]:
    """Yield what was paid to the bank, the oldest first; a balance below zero waits for better days."""
    sums: dict[tuple[datetime, str, str], Decimal] = defaultdict(Decimal)
    for row in transactions(world, merchant_id):
        sums[row.settled, row.currency, row.settlement] += row.amount
    balances: dict[str, Decimal] = defaultdict(Decimal)
    for (settled, currency, settlement), amount in sorted(sums.items()):
        balances[currency] += amount
        if settled <= world.clock.now() and balances[currency] > 0:
            yield {
                "sellerId": merchant_id,
                "settlementId": settlement,
                "amazonDisbursementReferenceId": world.ids.letters(15, settlement),
                "amount": format_amount(balances.pop(currency), currency),
                "currencyCode": currency,
                "transactionTime": zulu(settled, "milliseconds"),
            }


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S%z}"
