"""Model solutions of notebook 09, and what readers get wrong."""

from amazonpay_nb.errors import ApiError, refused
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench import Workbench


def first_day(
    wb: Workbench, wallet: str, *, capture_now: bool = True, back: str = "5", code: str | None = None,
    closes: bool = True,
) -> None:  # fmt: skip
    charge = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"), capture_now=capture_now)
    if back:
        price = wb.price(back)
        wb.client.create_refund(charge_id=charge.charge_id, refund_amount=price, simulation_code=code)
        wb.wait(PENDING_SECONDS)
    if closes:
        wb.client.close_charge_permission(wallet, closure_reason="The test is over.")


def two_payments(wb: Workbench, wallet: str) -> None:
    wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("2"), capture_now=True)
    first_day(wb, wallet)


def closed_first(wb: Workbench, wallet: str) -> None:
    wb.client.close_charge_permission(wallet, closure_reason="The test is over.")
    with refused(ApiError):
        wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"), capture_now=True)


def canceled(wb: Workbench, wallet: str) -> None:
    wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"))
    wb.client.close_charge_permission(wallet, closure_reason="The test is over.", cancel_pending_charges=True)


def refund_after_the_end(wb: Workbench, wallet: str) -> None:
    held = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"))
    wb.client.capture_charge(held.charge_id, capture_amount=wb.price("5"))
    wb.client.close_charge_permission(wallet, closure_reason="The test is over.")
    wb.client.create_refund(charge_id=held.charge_id, refund_amount=wb.price("5"))


RIGHT = {"09-neutral-key": "/live/v2/charges", "09-how-certain": "Inferred", "09-first-day": first_day}
ALSO_RIGHT = [
    ("09-first-day", refund_after_the_end),
]
WRONG = [
    ("09-neutral-key", "/v2/charges", "a neutral id does not"),
    ("09-neutral-key", "/sandbox/v2/charges", "not real"),
    ("09-neutral-key", "/v2/live/charges", "with a neutral key"),
    ("09-how-certain", "documented", "a page of Amazon's guide"),
    ("09-how-certain", "recorded", "somebody would have seen it"),
    ("09-how-certain", "likely", "which row is about a declined refund"),
    ("09-first-day", two_payments, "one charge of 5"),
    ("09-first-day", lambda wb, wallet: first_day(wb, wallet, code="AmazonRejected"), "declined refund"),
    ("09-first-day", closed_first, "Was the agreement over"),
    ("09-first-day", canceled, "together with the charge"),
    ("09-first-day", lambda wb, wallet: first_day(wb, wallet, capture_now=False, back=""), "only authorized"),
    ("09-first-day", lambda wb, wallet: first_day(wb, wallet, back=""), "Now send all of it back"),
    ("09-first-day", lambda wb, wallet: first_day(wb, wallet, back="3"), "Now send all of it back"),
    ("09-first-day", lambda wb, wallet: first_day(wb, wallet, closes=False), "can still be charged"),
    (
        "09-first-day",
        lambda wb, wallet: wb.client.close_charge_permission(wallet, closure_reason="Over."),
        "one charge of 5",
    ),
]
