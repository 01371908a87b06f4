"""Model solutions of notebook 07, and what readers get wrong."""

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from amazonpay_nb.client.guide import charge
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench import Workbench


def down_for_an_hour(wb: Workbench, wallet: str, *, fails: bool = True, hours: int = 1) -> None:
    inbox = wb.director.listen(wb.shop, wb.client)
    wb.shop.inbox = None if fails else inbox
    charge(wb.client, wallet, wb.price("5"))
    wb.director.announced()
    if hours:
        wb.shop.inbox = inbox
        wb.director.advance(hours=hours)


def no_charge(wb: Workbench, wallet: str) -> None:
    wb.client.get_charge_permission(wallet)


def answer_404(wb: Workbench, wallet: str) -> None:
    assert wb.emulator
    server = wb.serve(Starlette(routes=[Route("/", lambda request: Response(status_code=404), methods=["POST"])]))
    wb.emulator.control.post("notifications/endpoint", url=server.url)
    charge(wb.client, wallet, wb.price("5"))


def refund_announced(wb: Workbench, wallet: str, *, back: str = "5", opens: bool = True, waits: bool = True) -> None:
    inbox = wb.director.listen(wb.shop, wb.client)
    wb.shop.inbox = inbox if opens else None
    payment = charge(wb.client, wallet, wb.price("5"), capture_now=True)
    wb.client.create_refund(charge_id=payment.charge_id, refund_amount=wb.price(back))
    if waits:
        wb.wait(PENDING_SECONDS)


def authorize_only(wb: Workbench, wallet: str) -> None:
    charge(wb.client, wallet, wb.price("5"))


RIGHT = {"07-sent-again": "New", "07-down-for-an-hour": down_for_an_hour, "07-refund-announced": refund_announced}
WRONG = [
    ("07-sent-again", "seen before", "Has it taken this one?"),
    ("07-sent-again", "Nothing new", "Was one about this charge taken?"),
    ("07-sent-again", "lost", "one of the three words"),
    ("07-down-for-an-hour", answer_404, "That is final"),
    ("07-down-for-an-hour", no_charge, "Something is to be announced"),
    ("07-down-for-an-hour", lambda wb, wallet: down_for_an_hour(wb, wallet, fails=False), "How does step 6 take"),
    ("07-down-for-an-hour", lambda wb, wallet: down_for_an_hour(wb, wallet, hours=0), "nobody has taken"),
    ("07-refund-announced", authorize_only, "Capture it"),
    ("07-refund-announced", lambda wb, wallet: refund_announced(wb, wallet, back="4"), "Refund the whole charge"),
    ("07-refund-announced", lambda wb, wallet: refund_announced(wb, wallet, opens=False, waits=False), "inbox open?"),
    ("07-refund-announced", lambda wb, wallet: refund_announced(wb, wallet, waits=False), "comes later"),
]
