"""Model solutions of notebook 11, and what readers get wrong."""

from amazonpay_nb.client.guide import charge
from amazonpay_nb.errors import DeclinedError, refused
from amazonpay_nb.workbench import Workbench


def happy_end(wb: Workbench, wallet: str, *, code: str = "SoftDeclined", times: int = 1, capture: bool = True) -> None:
    if code:
        with refused(DeclinedError):
            charge(wb.client, wallet, wb.price("5"), simulation_code=code)
    for _ in range(times):
        charge(wb.client, wallet, wb.price("5"), capture_now=capture)


def decline_last(wb: Workbench, wallet: str) -> None:
    happy_end(wb, wallet, code="")
    happy_end(wb, wallet, times=0)


def pay_more(wb: Workbench, wallet: str) -> None:
    happy_end(wb, wallet)
    charge(wb.client, wallet, wb.price("2"), capture_now=True)


def in_two_steps(wb: Workbench, wallet: str) -> None:
    happy_end(wb, wallet, times=0)
    held = charge(wb.client, wallet, wb.price("5"))
    wb.client.capture_charge(held.charge_id, capture_amount=wb.price("5"))


RIGHT = {"11-needs-the-buyer": "hard-decline", "11-happy-end": happy_end}
ALSO_RIGHT = [
    ("11-happy-end", in_two_steps),
]
WRONG = [
    ("11-needs-the-buyer", "soft-decline", "about this moment"),
    ("11-needs-the-buyer", "amazon-rejected", "stays Chargeable"),
    ("11-needs-the-buyer", "buyer-cancels", "no wallet is saved"),
    ("11-needs-the-buyer", "update-page", "the outcome is its repair"),
    ("11-needs-the-buyer", "success", "Play your outcome"),
    ("11-happy-end", lambda wb, wallet: happy_end(wb, wallet, code=""), "No charge was declined softly"),
    ("11-happy-end", lambda wb, wallet: happy_end(wb, wallet, code="HardDeclined", times=0), "That decline was hard"),
    ("11-happy-end", lambda wb, wallet: happy_end(wb, wallet, times=0), "Now bring the money"),
    ("11-happy-end", decline_last, "Start with the decline"),
    ("11-happy-end", pay_more, "more than once"),
    ("11-happy-end", lambda wb, wallet: happy_end(wb, wallet, times=2), "more than once"),
    ("11-happy-end", lambda wb, wallet: happy_end(wb, wallet, capture=False), "only holds the money"),
]
