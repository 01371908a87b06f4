"""Model solutions of notebook 05, and what readers get wrong."""

from amazonpay_nb.client.guide import charge
from amazonpay_nb.errors import ApiError, DeclinedError, refused
from amazonpay_nb.workbench import Workbench


def two_parcels(
    wb: Workbench, wallet: str, *, order: str = "5", first: str = "3", second: tuple[str, ...] = ("2",)
) -> None:
    both = charge(wb.client, wallet, wb.price(order))
    if first:
        wb.client.capture_charge(both.charge_id, capture_amount=wb.price(first))
    for amount in second:
        charge(wb.client, wallet, wb.price(amount), capture_now=True)


def capture_twice(wb: Workbench, wallet: str) -> None:
    both = charge(wb.client, wallet, wb.price("5"))
    wb.client.capture_charge(both.charge_id, capture_amount=wb.price("3"))
    with refused(ApiError):
        wb.client.capture_charge(both.charge_id, capture_amount=wb.price("2"))


def after_a_decline(
    wb: Workbench, wallet: str, *, code: str = "SoftDeclined", capture_now: bool = True, times: int = 1
) -> None:
    with refused(DeclinedError):
        charge(wb.client, wallet, wb.price("5"), simulation_code=code)
    for _ in range(times):
        charge(wb.client, wallet, wb.price("5"), capture_now=capture_now)


def decline_last(wb: Workbench, wallet: str) -> None:
    no_decline(wb, wallet)
    after_a_decline(wb, wallet, times=0)


def no_decline(wb: Workbench, wallet: str) -> None:
    charge(wb.client, wallet, wb.price("5"), capture_now=True)


def hard_decline(wb: Workbench, wallet: str) -> None:
    after_a_decline(wb, wallet, code="HardDeclined", times=0)


def same_key_again(wb: Workbench, wallet: str) -> None:
    for _ in range(2):
        with refused(DeclinedError):
            wb.client.create_charge(
                charge_permission_id=wallet, charge_amount=wb.price("5"), simulation_code="SoftDeclined",
                idempotency_key="one-key-for-both",
            )  # fmt: skip


def each_in_two_steps(wb: Workbench, wallet: str) -> None:
    capture_twice(wb, wallet)
    second = charge(wb.client, wallet, wb.price("2"))
    wb.client.capture_charge(second.charge_id, capture_amount=wb.price("2"))


def decline_then_two_steps(wb: Workbench, wallet: str) -> None:
    after_a_decline(wb, wallet, times=0)
    wb.wait(60)
    after_a_decline(wb, wallet, times=0)
    held = charge(wb.client, wallet, wb.price("5"))
    wb.client.capture_charge(held.charge_id, capture_amount=wb.price("5"))


RIGHT = {"05-second-item": 0, "05-two-parcels": two_parcels, "05-after-a-decline": after_a_decline}
ALSO_RIGHT = [
    ("05-two-parcels", each_in_two_steps),
    ("05-after-a-decline", decline_then_two_steps),
]
WRONG = [
    ("05-second-item", "18.00", "does Amazon hold it after the capture?"),
    ("05-second-item", 12, "what a second capture of the same charge could take"),
    ("05-second-item", "everything", "what is left in `authorized`"),
    ("05-two-parcels", capture_twice, "The second is not"),
    ("05-two-parcels", lambda wb, wallet: two_parcels(wb, wallet, first="5", second=()), "You captured all of the 5"),
    ("05-two-parcels", lambda wb, wallet: two_parcels(wb, wallet, order="3"), "only the first parcel's 3"),
    ("05-two-parcels", lambda wb, wallet: two_parcels(wb, wallet, first=""), "The first parcel is missing"),
    ("05-two-parcels", lambda wb, wallet: two_parcels(wb, wallet, second=()), "The second is not"),
    ("05-two-parcels", lambda wb, wallet: two_parcels(wb, wallet, second=("2", "2")), "more charges than two"),
    ("05-after-a-decline", same_key_again, "the same idempotency key twice"),
    ("05-after-a-decline", hard_decline, "only the buyer can repair it"),
    ("05-after-a-decline", lambda wb, wallet: after_a_decline(wb, wallet, capture_now=False), "but not captured"),
    ("05-after-a-decline", lambda wb, wallet: after_a_decline(wb, wallet, times=2), "more than once"),
    ("05-after-a-decline", lambda wb, wallet: after_a_decline(wb, wallet, times=0), "The decline is there"),
    ("05-after-a-decline", decline_last, "Start with the decline"),
    ("05-after-a-decline", no_decline, "No charge was declined"),
]
