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
from amazonpay_nb.emulator.rules import limits
from amazonpay_nb.emulator.rules.documents import SETTLEMENT
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.money import COUNTING, Counts, format_amount, taken_back
from amazonpay_nb.spec.states import MACHINES

# An account is settled for the first time when the first payment was held so long, and then as its region has it.
_HELD = timedelta(days=14)
# What each kind of object is in the file.
_TYPES = {"Charge": "Capture", "Refund": "Refund", "Dispute": "Chargeback"}
# Money that came in or went out at one time, on account of a charge: what the buyer and what the bank sees of it, and
# when that is settled under which id.
Transaction = namedtuple("Transaction", "at type id charge amount currency paid ledger settled settlement")


def transactions(world: World, merchant_id: str) -> Iterator[Transaction]:
    """Yield what was captured, refunded and taken back by banks, the oldest first."""
    mine = (record for kind in _TYPES for record in world.store.every(kind) if record.merchant_id == merchant_id)
    moved = [(at, sign, price, record) for record in mine for at, sign, price in _posted(record)]
    booked, period = sorted(moved, key=lambda row: row[0]), timedelta(days=world.region.settlement_days)
    for at, sign, price, record in booked:
        charge = record if record.kind == "Charge" else world.find("Charge", record.parent, merchant_id)
        first = datetime.fromisoformat(booked[0][0]) + _HELD
        settled = first + period * max(0, ceil((datetime.fromisoformat(at) - first) / period))
        currency = price["currencyCode"]
        ledger = charge.notes.ledger or currency
        settlement = world.ids.digits(11, merchant_id, ledger, settled.isoformat())
        converted = limits.converted(price, ledger).get("convertedAmount", price["amount"])
        amount, paid = (sign * Decimal(text) for text in (price["amount"], converted))
        yield Transaction(
            at, _TYPES[record.kind], record.id, charge, amount, currency, paid, ledger, settled, settlement
        )


def _posted(record: AnyRecord) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Yield when an object has moved money, the sign, and how much; a bank that has not won moves it back."""
    document, details = record.document, record.document["statusDetails"]
    if record.kind == "Dispute":
        yield document["creationTimestamp"], -1, document["disputeAmount"]
        if not taken_back(document):
            yield record.notes.resolved or details["lastUpdatedTimestamp"], 1, document["disputeAmount"]
    elif MACHINES[record.kind].is_final(details["state"]):
        row = COUNTING[record.kind, details["state"]]
        if row.column is not Counts.NOTHING:
            yield details["lastUpdatedTimestamp"], -1 if row.column is Counts.REFUNDED else 1, document[row.amount]


def settlement_file(world: World, merchant_id: str, start: str, end: str) -> str:
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
        sums[row.settled, row.ledger, row.settlement] += row.paid
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


def _iso(time: str) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%dT%H:%M:%S%z}"
