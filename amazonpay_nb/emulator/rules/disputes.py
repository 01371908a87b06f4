"""Disputes: a buyer's chargeback, the merchant's two answers to it, and the files that evidence refers to."""

from datetime import timedelta

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.records import Charge, Dispute, DisputeNotes, Merchant, NoNotes, Record
from amazonpay_nb.emulator.refusal import Body, Refusal
from amazonpay_nb.emulator.rules import documents, limits
from amazonpay_nb.emulator.rules.transitions import move, require
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.answers import FilingReason
from amazonpay_nb.spec.money import parse_amount, taken_back
from amazonpay_nb.spec.simulations import Simulation

# Where the content of a file is put; any content will do here, and the emulator keeps none of it.
CONTENT_PATH = "/v1/files/{file_id}/contents"
# More than any bank files; each one is compared with all before it.
MAX_DISPUTES_ON_A_CHARGE = 100


def file_chargeback(
    world: World, charge: Charge, filing_reason: FilingReason, amount: str | None, dispute_id: str | None = None
) -> Dispute:
    """Let the buyer's bank want a captured charge back, or a part of what banks have left of it."""
    require(charge, "File a chargeback")
    captured = charge.document["captureAmount"]
    disputed = parse_amount(captured["amount"] if amount is None else amount, captured["currencyCode"])
    earlier = world.store.children("Dispute", charge.id)
    if len(earlier) >= MAX_DISPUTES_ON_A_CHARGE:
        raise ValueError(f"Charge {charge.id} has had {MAX_DISPUTES_ON_A_CHARGE} disputes")
    if disputed + sum(taken_back(row.document) for row in earlier) > limits.value_of(captured):
        raise ValueError(f"{disputed} {captured['currencyCode']} is more than was captured, or than is left of it")
    dispute_id = dispute_id or world.ids.new_item_id("Dispute", charge.id.rsplit("-", 1)[0])
    price = limits.price(disputed, captured)
    values = {
        "chargeId": charge.id, "disputeType": "Chargeback", "disputeAmount": price, "filingReason": filing_reason,
        "merchantEvidences": [], "resolutionAuthority": "AmazonPay",
    }  # fmt: skip
    document = documents.new("Dispute", dispute_id, world.clock.now(), values)
    dispute = Record("Dispute", dispute_id, charge.merchant_id, document, DisputeNotes(), charge.id)
    move(world, dispute, "File a chargeback")
    return dispute


def contest(world: World, dispute: Dispute, body: Body, outcome: Simulation | None) -> Dispute:
    """Take the merchant's evidence in; Amazon looks at it."""
    for evidence in body["merchantEvidences"]:
        file = world.store.get("File", evidence.get("fileId") or "")
        if evidence.get("fileId") and (file is None or file.merchant_id != dispute.merchant_id):
            raise Refusal("InvalidParameterValue", f"fileId {evidence['fileId']} is no file of this merchant account.")
        if not (file or evidence.get("evidenceText")):
            raise Refusal("InvalidParameterValue", "Each of merchantEvidences needs a fileId or an evidenceText.")
    dispute.document["merchantEvidences"] += body["merchantEvidences"]
    move(world, dispute, "Contest Dispute")
    return dispute


def update(world: World, dispute: Dispute, body: Body, outcome: Simulation | None) -> Dispute:
    """Accept the dispute: the buyer keeps the money."""
    move(world, dispute, "Update Dispute", description=body["statusDetails"].get("reasonDescription"))
    return dispute


def upload_file(world: World, merchant: Merchant, body: Body) -> Body:
    """Give a file an id, and an address to put its content at."""
    now, file_id = world.clock.now(), f"file_{world.ids.hex_digits()}"
    document = {
        "id": file_id, "type": body["type"], "purpose": body["purpose"], "size": None, "uploadTimestamp": stamp(now),
        "url": world.url + CONTENT_PATH.format(file_id=file_id),
        "urlExpirationTimestamp": stamp(now + timedelta(minutes=15)),  # how long: inferred
    }  # fmt: skip
    world.store.put(Record("File", file_id, merchant.merchant_id, document, NoNotes()))
    return document
