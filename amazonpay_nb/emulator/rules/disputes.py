"""Disputes: a buyer's chargeback, the merchant's two answers to it, and the files that evidence refers to."""

from datetime import timedelta

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.records import Charge, Dispute, File, Merchant, NoNotes, Record
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import documents, limits
from amazonpay_nb.emulator.rules.payments import Body
from amazonpay_nb.emulator.rules.transitions import move, require
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.answers import FILING_REASONS
from amazonpay_nb.spec.money import format_amount, parse_amount
from amazonpay_nb.spec.simulations import Simulation

# How long a file can be put at its address.  [inferred]
_ADDRESS_LASTS = timedelta(minutes=15)


def file_chargeback(world: World, charge: Charge, filing_reason: str, amount: str | None) -> Dispute:
    """Let the buyer's bank want a captured charge back, or a part of it.

    Raises:
        Refusal: The charge is not Captured.
        ValueError: There is no such filing reason, or the amount is none or more than was captured.
    """
    require(charge, "File a chargeback")
    captured = charge.document["captureAmount"]
    currency = captured["currencyCode"]
    disputed = parse_amount(captured["amount"] if amount is None else amount, currency)
    if disputed > limits.value_of(captured):
        raise ValueError(f"{amount} {currency} is more than was captured")
    if filing_reason not in FILING_REASONS:
        raise ValueError(f"{filing_reason!r} is no filing reason; there are {', '.join(FILING_REASONS)}")
    dispute_id = world.ids.new_item_id("Dispute", charge.id.rsplit("-", 1)[0])
    price = {"amount": format_amount(disputed, currency), "currencyCode": currency}
    document = documents.dispute(dispute_id, charge.id, filing_reason, price, world.clock.now())
    dispute = Record("Dispute", dispute_id, charge.merchant_id, document, NoNotes(), charge.id)
    move(world, dispute, "File a chargeback")
    return dispute


def contest(world: World, dispute: Dispute, body: Body, outcome: Simulation | None) -> Dispute:
    """Take the merchant's evidence in; Amazon looks at it."""
    require(dispute, "Contest Dispute")
    for evidence in body["merchantEvidences"]:
        file_id = evidence.get("fileId")
        if file_id:
            _check_file(world, file_id, dispute.merchant_id)
        elif not evidence.get("evidenceText"):
            raise Refusal("InvalidParameterValue", "Each of merchantEvidences needs a fileId or an evidenceText.")
    dispute.document["merchantEvidences"] += body["merchantEvidences"]
    move(world, dispute, "Contest Dispute")
    return dispute


def _check_file(world: World, file_id: str, merchant_id: str) -> None:
    known = world.store.get("File", file_id)
    if known is None or known.merchant_id != merchant_id:
        raise Refusal("InvalidParameterValue", f"fileId {file_id} is no file of this merchant account.")


def update(world: World, dispute: Dispute, body: Body, outcome: Simulation | None) -> Dispute:
    """Accept the dispute: the buyer keeps the money."""
    move(world, dispute, "Update Dispute", description=body["statusDetails"].get("reasonDescription"))
    return dispute


def upload_file(world: World, merchant: Merchant, body: Body) -> File:
    """Give a file an id, and an address to put its content at."""
    now, file_id = world.clock.now(), f"file_{world.ids.new_hex()}"
    document = {
        "id": file_id,
        "type": body["type"],
        "purpose": body["purpose"],
        "size": None,
        "uploadTimestamp": stamp(now),
        "url": f"{world.url}/v1/files/{file_id}/contents",
        "urlExpirationTimestamp": stamp(now + _ADDRESS_LASTS),
    }
    file = Record("File", file_id, merchant.merchant_id, document, NoNotes())
    world.store.put(file)
    return file
