"""Model solutions of notebook 08, and what readers get wrong."""

from contextlib import suppress
from typing import Any

from amazonpay_nb.client.auth import new_idempotency_key
from amazonpay_nb.client.guide import charge
from amazonpay_nb.errors import ConflictError, TransportError, refused
from amazonpay_nb.workbench import Workbench


def same_request(wb: Workbench, wallet: str, *, loses: int = 4, same_key: bool = True, captures: bool = True) -> None:
    order: dict[str, Any] = {
        "charge_permission_id": wallet,
        "charge_amount": wb.price("5"),
        "idempotency_key": new_idempotency_key(),
    }
    if loses:
        wb.director.inject_fault("createCharge", "drop-after-commit", times=loses)
        with suppress(TransportError):
            wb.client.create_charge(**order)
    payment = wb.client.create_charge(**(order if same_key else order | {"idempotency_key": new_idempotency_key()}))
    if captures:
        wb.client.capture_charge(payment.charge_id, capture_amount=wb.price("5"))


def id_from_elsewhere(wb: Workbench, wallet: str) -> None:
    assert wb.emulator
    wb.director.inject_fault("createCharge", "drop-after-commit", times=4)
    with suppress(TransportError):
        charge(wb.client, wallet, wb.price("5"))
    newest = wb.emulator.control.get("objects/charges")["objects"][-1]
    wb.client.capture_charge(newest["chargeId"], capture_amount=wb.price("5"))


def paid_before(wb: Workbench, wallet: str) -> None:
    charge(wb.client, wallet, wb.price("5"))
    charge(wb.client, wallet, wb.price("5"), capture_now=True)
    wb.director.advance(days=30)


def forgotten(wb: Workbench, wallet: str, *, days: int = 30, charges: int = 1) -> None:
    charge(wb.client, wallet, wb.price("5"))
    wb.director.advance(days=days)
    for _ in range(charges):
        charge(wb.client, wallet, wb.price("5"), capture_now=True)


def capture_too_late(wb: Workbench, wallet: str) -> None:
    held = charge(wb.client, wallet, wb.price("5"))
    wb.director.advance(days=31)
    with refused(ConflictError):
        wb.client.capture_charge(held.charge_id, capture_amount=wb.price("5"))


def captured_at_once(wb: Workbench, wallet: str) -> None:
    wb.director.inject_fault("createCharge", "drop-after-commit", times=4)
    with suppress(TransportError):
        charge(wb.client, wallet, wb.price("5"), capture_now=True)
    key = wb.journal.exchanges[-1].idempotency_key
    charge(wb.client, wallet, wb.price("5"), capture_now=True, idempotency_key=key)


def capture_then_charge(wb: Workbench, wallet: str) -> None:
    capture_too_late(wb, wallet)
    again = charge(wb.client, wallet, wb.price("5"))
    wb.client.capture_charge(again.charge_id, capture_amount=wb.price("5"))


RIGHT = {"08-new-key": "10", "08-same-request": same_request, "08-forgotten": forgotten}
ALSO_RIGHT = [
    ("08-same-request", captured_at_once),
    ("08-forgotten", capture_then_charge),
    ("08-forgotten", lambda wb, wallet: forgotten(wb, wallet, days=45)),
]
WRONG = [
    ("08-new-key", 5, "This server has sent a new one"),
    ("08-new-key", 0, "What has become of the work?"),
    ("08-new-key", 40, "about 5"),
    ("08-new-key", 7, "after an answer that was lost"),
    ("08-same-request", lambda wb, wallet: same_request(wb, wallet, loses=0), "Lose all of its answers"),
    ("08-same-request", id_from_elsewhere, "Lose all of its answers"),
    ("08-same-request", lambda wb, wallet: same_request(wb, wallet, captures=False), "it is not captured"),
    ("08-same-request", lambda wb, wallet: same_request(wb, wallet, same_key=False), "a new key"),
    ("08-forgotten", capture_too_late, "nothing brings it back"),
    ("08-forgotten", lambda wb, wallet: forgotten(wb, wallet, charges=0), "How do you get the 5 now?"),
    ("08-forgotten", lambda wb, wallet: forgotten(wb, wallet, charges=3), "more than once"),
    ("08-forgotten", paid_before, "How do you get the 5 now?"),
    ("08-forgotten", lambda wb, wallet: forgotten(wb, wallet, days=1), "let the time pass"),
]
