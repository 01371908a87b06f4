"""Puts the world of a file in the place of the present one, and says what the file of the present one would say."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import yaml

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.history import INNER, PENDING, build, end_of
from amazonpay_nb.emulator.records import AnyRecord, Merchant
from amazonpay_nb.emulator.rules import limits
from amazonpay_nb.emulator.rules.transitions import DESCRIPTIONS
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World, check_key
from amazonpay_nb.emulator.world_file import ROWS, WorldFile
from amazonpay_nb.spec.addresses import is_endpoint
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.simulations import SIMULATIONS, simulation
from amazonpay_nb.spec.states import MACHINES

Document = dict[str, Any]


def load(world: World, file: WorldFile, now: datetime | None = None) -> None:
    """Put the world of a file in the place of the present one.

    Args:
        now: The time that it is then, if not the file's; where time is real, it is what it is.
    Raises:
        DataError: It is not possible, or not here; then nothing has changed.
    """
    if file.region not in (None, world.region.code):
        problem = (
            f"this is a world of region {file.region!r}, and the emulator's is {world.region.code!r}; start another"
        )
        raise file.error(problem, "region")
    for operation, codes in file.outcomes.items():
        file.check(operation, OPERATIONS, "outcomes", operation)
        for number, code in enumerate(codes):
            possible = [code] if simulation(operation, code) else [name for of, name in SIMULATIONS if of == operation]
            file.check(code, possible, "outcomes", operation, str(number))
    for number, fault in enumerate(file.faults):
        file.check(fault.operation, OPERATIONS, "faults", str(number), "operation")
    accounts = _accounts(world, file)
    if world.clock.mode == "virtual":
        now = now or file.clock
    with closing(Store()) as store:
        world.become(build(world, file, store, now or world.clock.now()), accounts)
    for operation, codes in file.outcomes.items():
        for code in codes:
            world.queue_outcome(operation, code)
    world.faults.extend(fault.model_copy() for fault in file.faults)


def _accounts(world: World, file: WorldFile) -> dict[str, Merchant]:
    accounts = {name: replace(one, keys=dict(one.keys)) for name, one in world.merchants.items()}
    for number, row in enumerate(file.merchants):
        place = "merchants", str(number)
        account = accounts.get(row.merchant_id or [*accounts, ""][min(number, len(accounts))])
        if account is None or row.store_id not in (None, account.store_id):
            raise file.error("there is no such account here; start an emulator with this file to have it", *place)
        if row.endpoint and not is_endpoint(row.endpoint):
            raise file.error(f"{row.endpoint!r} is no address of this machine", *place, "endpoint")
        account.name, account.endpoint = row.name or account.name, row.endpoint or account.endpoint
        for key_id, pem in (row.public_keys or {}).items():
            try:
                check_key(pem)
            except ValueError as error:
                raise file.error(str(error), *place, "publicKeys", key_id) from None
            account.keys |= dict.fromkeys((key_id, key_id.removeprefix("SANDBOX-")), pem)
    return accounts


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
    row = {name: _status(record) if name == "statusDetails" else document.get(name) for name in names}
    if kind == "Charge Permission":
        one_time = document["chargePermissionType"] == "OneTime"
        row |= {
            "merchantId": record.merchant_id, "card": notes.card, "ledgerCurrency": notes.ledger,
            "limits": {"amountLimit": document["limits"]["amountLimit"]} if one_time else None,
            "extendExpiration": (one_time and _is_extended(document)) or None,
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
