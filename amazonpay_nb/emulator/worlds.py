"""Puts the world of a file in the place of the present one, and says what the file of the present one would say."""

from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import yaml

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.history import INNER, History, end_of
from amazonpay_nb.emulator.records import AnyRecord, Merchant
from amazonpay_nb.emulator.rules import limits
from amazonpay_nb.emulator.rules.transitions import DESCRIPTIONS
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World
from amazonpay_nb.emulator.world_file import ROWS, WorldFile
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.simulations import SIMULATIONS
from amazonpay_nb.spec.states import MACHINES

Document = dict[str, Any]
_LIFE, _NEVER = ("creation", "expiration"), "00010101T000000Z"
_START = "an emulator that starts with this file has that account"


def load(world: World, file: WorldFile, now: datetime | None = None) -> None:
    """Put the world of a file in the place of the present one, or raise a `DataError` and change nothing.

    Args:
        now: The time that it is then, if not the file's; where time is real, it is what it is.
    """
    file.check(file.region, [world.region.code], "region", hint="start an emulator of that region")
    accounts = _accounts(world, file)
    if world.clock.mode == "virtual":
        now = now or file.clock
    with closing(Store()) as store:
        world.become(History(world, file, store, now or world.clock.now()).happen())
    for account, row in zip(accounts, file.merchants, strict=True):
        account.name = row.name or account.name
        for key_id, pem in row.public_keys.items():
            world.register_key(account, pem, key_id.removeprefix("SANDBOX-"))
        world.set_endpoint(account, row.endpoint or account.endpoint)
    for operation, codes in file.outcomes.model_dump(by_alias=True).items():
        for code in codes:
            world.queue_outcome(operation, code)
    world.faults.extend(fault.model_copy() for fault in file.faults)


def _accounts(world: World, file: WorldFile) -> list[Merchant]:
    """Return the account of each row, by its id or its place."""
    accounts, names = list[Merchant](), [*world.merchants]
    for number, row in enumerate(file.merchants):
        place, name = ("merchants", str(number)), row.merchant_id or "".join(names[number : number + 1])
        file.check(name, names, *place, "merchantId", hint=_START)
        file.check(row.store_id, [world.merchants[name].store_id], *place, "storeId", hint=_START)
        accounts.append(world.merchants[name])
    return accounts


def save(world: World) -> Document:
    """Return what a world file can say of a world: of accounts, permissions, payments, queued outcomes and faults.

    Of keys there are the public ones that a merchant has registered.
    """
    objects = {kind: world.store.every(kind) for kind in ROWS}
    accounts = [
        {
            "merchantId": one.merchant_id, "storeId": one.store_id, "name": one.name, "endpoint": one.endpoint,
            "publicKeys": {key: pem for key, pem in one.keys.items() if key[7:8] == "-" and pem not in world.own_keys},
        }
        for one in world.merchants.values()
    ]  # fmt: skip
    document: Document = _filled({
        "region": world.region.code, "clock": stamp(world.clock.now()), "seed": world.store.setting("seed"),
        "drawn": world.store.setting("drawn"), "merchants": accounts,
        "chargePermissions": [_row(world, record, objects) for record in objects["Charge Permission"]],
        "outcomes": {operation: [row.code for row in rows] for operation, rows in world.outcomes.items()},
        "faults": [fault.model_dump() for fault in world.faults],
    })  # fmt: skip
    return document


def to_yaml(document: Document) -> str:
    """Return a document as a world file."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return text


def _row(world: World, record: AnyRecord, objects: dict[str, list[AnyRecord]]) -> Document:
    kind, document, notes = record.kind, record.document, record.notes
    names = (field.alias or name for name, field in ROWS[kind].model_fields.items())
    row = {name: _status(record) if name == "statusDetails" else document.get(name) for name in names}
    if kind == "Charge Permission":
        one_time = document["chargePermissionType"] == "OneTime"
        made, expires = (datetime.fromisoformat(document[f"{name}Timestamp"] or _NEVER) for name in _LIFE)
        row |= {
            "merchantId": record.merchant_id, "card": notes.card, "ledgerCurrency": notes.ledger,
            "limits": {"amountLimit": document["limits"]["amountLimit"]} if one_time else None,
            "extendExpiration": (one_time and expires > made + timedelta(days=365)) or None,
            "spentThisMonth": _spent(world, record, objects["Charge"]),
        }  # fmt: skip
    if kind == "Charge":
        row["captureAmount"] = notes.capture
    if descriptor := row.get("softDescriptor"):
        row["softDescriptor"] = str(descriptor).removeprefix("AMZ*")
    row["simulationCode"] = _code(record)
    for name, inner in INNER.items():
        row[name] = [_row(world, one, objects) for one in objects[inner] if one.parent == record.id]
    return row


def _spent(world: World, permission: AnyRecord, charges: list[AnyRecord]) -> str | None:
    """Return what was spent in this month, where it is not what its charges come to."""
    month = limits.month_of(world.clock.now())
    spent = Decimal(world.store.spent(permission.id, month)) / 100
    charges = [one for one in charges if one.parent == permission.id and one.notes.month == month]
    currency = permission.document["presentmentCurrency"]
    return format_amount(spent, currency) if spent != sum(map(limits.used, charges)) else None


def _code(record: AnyRecord) -> str | None:
    """Return the simulation code for how the clock will end its state, where that is not as usual."""
    for row in SIMULATIONS.values() if record.due else ():
        if row.operation.endswith(record.kind) and row.state == record.state and row.later_reason:
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
