"""Model solutions of notebook 03, and what readers get wrong."""

from amazonpay_nb.client.button import end_of_checkout_payload, sign_button
from amazonpay_nb.errors import ConflictError, refused
from amazonpay_nb.workbench import Workbench


async def sell(wb: Workbench, amount: str, intent: str = "Authorize", *, hours: int = 0) -> str:
    """Return the charge's id."""
    attempt, price = wb.shop.new_attempt(), wb.price(amount)
    payload = end_of_checkout_payload(
        wb.store_id, result_url=attempt.result_url, charge_amount=price, payment_intent=intent
    )
    arrival = await wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayOnly").returned()
    wb.wait(hours * 60 * 60)
    return str(wb.client.complete_checkout_session(arrival.checkout_session_id, charge_amount=price).charge_id)


async def never_shipped(wb: Workbench, wallet: str, *, amount: str = "5") -> None:
    wb.client.cancel_charge(await sell(wb, amount), cancellation_reason="The buyer does not want it any more.")


async def still_held(wb: Workbench, wallet: str) -> None:
    await sell(wb, "5")


async def take_and_give_back(wb: Workbench, wallet: str) -> None:
    charge = wb.client.capture_charge(await sell(wb, "5"), capture_amount=wb.price("5"))
    wb.client.create_refund(charge_id=charge.charge_id, refund_amount=wb.price("5"))


async def let_it_expire(wb: Workbench, wallet: str) -> None:
    await sell(wb, "5")
    wb.director.advance(days=30)


async def close_it_all(wb: Workbench, wallet: str) -> None:
    permission = wb.client.get_charge(await sell(wb, "5")).charge_permission_id
    wb.client.close_charge_permission(permission, closure_reason="No order, no wallet.", cancel_pending_charges=True)


async def server_is_back(wb: Workbench, wallet: str, *, intent: str = "AuthorizeWithCapture", hours: int = 23) -> None:
    await sell(wb, "7", intent, hours=hours)


async def captured_at_last(wb: Workbench, wallet: str) -> None:
    wb.client.capture_charge(await sell(wb, "7", hours=23), capture_amount=wb.price("7"))


async def too_late(wb: Workbench, wallet: str) -> None:
    with refused(ConflictError):
        await server_is_back(wb, wallet, hours=25)


async def only_held(wb: Workbench, wallet: str) -> None:
    await server_is_back(wb, wallet, intent="Authorize")


def hold_and_cancel(wb: Workbench, wallet: str) -> None:
    held = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"))
    wb.client.cancel_charge(held.charge_id, cancellation_reason="Not sold.")


async def shipped_too_late(wb: Workbench, wallet: str) -> None:
    charge_id = await sell(wb, "5")
    wb.wait(8 * 24 * 60 * 60)
    wb.client.cancel_charge(charge_id, cancellation_reason="The buyer does not want it any more.")


RIGHT = {
    "03-pending-declined": "NonChargeable",
    "03-never-shipped": never_shipped,
    "03-server-is-back": server_is_back,
}
ALSO_RIGHT = [
    ("03-never-shipped", shipped_too_late),
]
WRONG = [
    ("03-pending-declined", "HardDeclined", "what became of the charge"),
    ("03-pending-declined", "Chargeable", "Did you wait"),
    ("03-pending-declined", "Closed", "The buyer can still repair this one"),
    ("03-pending-declined", "Completed", "That is the session"),
    ("03-pending-declined", "Canceled", "about its state"),
    ("03-never-shipped", close_it_all, "You closed the whole agreement"),
    ("03-never-shipped", let_it_expire, "for 30 days"),
    ("03-never-shipped", hold_and_cancel, "Nothing was sold"),
    ("03-never-shipped", take_and_give_back, "You took the money first"),
    ("03-never-shipped", still_held, "still held"),
    ("03-never-shipped", lambda wb, wallet: never_shipped(wb, wallet, amount="6"), "No charge of 5 was canceled"),
    ("03-server-is-back", too_late, "after its 24 hours"),
    ("03-server-is-back", captured_at_last, "with a call of its own"),
    ("03-server-is-back", lambda wb, wallet: server_is_back(wb, wallet, hours=0), "for 23 hours"),
    ("03-server-is-back", only_held, "Amazon still holds the 7"),
]
