"""Says of a world what its file would say; `history.load` makes the same objects of it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import yaml

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.history import INNER, PENDING, end_of
from amazonpay_nb.emulator.records import AnyRecord, Merchant
from amazonpay_nb.emulator.rules import limits
from amazonpay_nb.emulator.rules.transitions import DESCRIPTIONS
from amazonpay_nb.emulator.world import World
from amazonpay_nb.emulator.world_file import ROWS
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.simulations import SIMULATIONS
from amazonpay_nb.spec.states import MACHINES

Document = dict[str, Any]


def save(world: World) -> Document:
    """Return all permissions, with what was charged on them, accounts, queued outcomes and faults.

    Keys are the public ones that a merchant has registered; sessions, files, reports and notifications are left out.
    """
    objects = {kind: world.store.every(kind) for kind in ("Charge Permission", *INNER.values())}
    permissions = [_row(world, record, objects) for record in objects["Charge Permission"]]
    document: Document = _filled(
        {
            "region": world.region.code,
            "clock": stamp(world.clock.now()),
            "seed": world.store.setting("seed"),
            "drawn": world.store.setting("drawn"),
            "merchants": [_account(world, one) for one in world.merchants.values()],
            "chargePermissions": permissions,
            "outcomes": {operation: [row.code for row in rows] for operation, rows in world.outcomes.items()},
            "faults": [fault.model_dump() for fault in world.faults],
        }
    )
    return document


def to_yaml(document: Document) -> str:
    """Return a document as a world file."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return text


def _account(world: World, account: Merchant) -> Document:
    own = {
        key_id: pem
        for key_id, pem in account.keys.items()
        if key_id.startswith("SANDBOX-") and pem not in world.own_keys
    }
    return {
        "merchantId": account.merchant_id, "storeId": account.store_id, "name": account.name,
        "endpoint": account.endpoint, "publicKeys": own,
    }  # fmt: skip


def _row(world: World, record: AnyRecord, objects: dict[str, list[AnyRecord]]) -> Document:
    kind, document, notes = record.kind, record.document, record.notes
    names = (field.alias or name for name, field in ROWS[kind].model_fields.items())
    row = {name: document.get(name) for name in names} | {"statusDetails": _status(record)}
    if kind == "Charge Permission":
        one_time = document["chargePermissionType"] == "OneTime"
        row |= {
            "merchantId": record.merchant_id, "card": notes.card, "ledgerCurrency": notes.ledger,
            "limits": {"amountLimit": document["limits"]["amountLimit"]} if one_time else None,
            "extendExpiration": (one_time and _is_extended(document)) or None,
            "spentThisMonth": _spent(world, record, objects["Charge"]),
        }  # fmt: skip
    if kind == "Charge":
        row["captureAmount"] = document["captureAmount"] or (
            notes.capture if record.state == "CaptureInitiated" else None
        )
        if record.state == "Declined" and notes.authorized:
            row["authorizedTimestamp"] = stamp(datetime.fromisoformat(notes.authorized))
    if descriptor := row.get("softDescriptor"):
        row["softDescriptor"] = str(descriptor).removeprefix("AMZ*")
    row["simulationCode"] = _code(record)
    for name, inner in INNER.items():
        row[name] = [_row(world, one, objects) for one in objects[inner] if one.parent == record.id]
    return row


def _is_extended(permission: Document) -> bool:
    made, expires = (datetime.fromisoformat(permission[f"{name}Timestamp"]) for name in ("creation", "expiration"))
    return expires > made + timedelta(days=365)


def _spent(world: World, permission: AnyRecord, charges: list[AnyRecord]) -> str | None:
    """Return what was spent in this month, where it is not what its charges come to."""
    month = limits.month_of(world.clock.now())
    spent = Decimal(world.store.spent(permission.id, month)) / 100
    charges = [one for one in charges if one.parent == permission.id and one.notes.month == month]
    currency = permission.document["presentmentCurrency"]
    return format_amount(spent, currency) if spent != sum(map(limits.used, charges)) else None


def _code(record: AnyRecord) -> str | None:
    """Return the simulation code for how the clock will end its state."""
    for row in SIMULATIONS.values() if record.due else ():
        if row.operation in PENDING.get(record.kind, ()) and row.state == record.state and row.later_reason:
            end = MACHINES[record.kind].leading_to(record.state, str(row.later_state), row.later_reason)
            if end and end.trigger == record.trigger:
                return row.code
    return None


def _status(record: AnyRecord) -> Document:
    (state, reason, resolution), details = end_of(record), record.document["statusDetails"]
    text = (details.get("reasons") or [details])[0].get("reasonDescription")
    return {
        "state": state, "reasonCode": reason, "resolution": resolution,
        "reasonDescription": text if text != DESCRIPTIONS.get((record.kind, str(reason))) else None,
        "lastUpdatedTimestamp": details["lastUpdatedTimestamp"],
    }  # fmt: skip


def _filled(value: Any) -> Any:
    """Return a value without what is empty in it."""
    if isinstance(value, dict):
        value = {name: kept for name, one in value.items() if (kept := _filled(one)) not in (None, "", {}, [])}
    return [_filled(one) for one in value] if isinstance(value, list) else value
