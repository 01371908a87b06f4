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


def another_notification(wb: Workbench, wallet: str) -> None:
    down_for_an_hour(wb, wallet, hours=0)
    wb.director.listen(wb.shop, wb.client)
    (held,) = wb.journal.known.of("Charge", chargePermissionId=wallet)
    wb.client.capture_charge(held, capture_amount=wb.price("5"))
    wb.director.announced()


def sent_by_hand(wb: Workbench, wallet: str) -> None:
    down_for_an_hour(wb, wallet, hours=0)
    wb.director.listen(wb.shop, wb.client)
    (held,) = wb.journal.known.of("Charge", chargePermissionId=wallet)
    wb.director.redeliver(held)
    wb.director.announced()


def no_charge(wb: Workbench, wallet: str) -> None:
    wb.client.get_charge_permission(wallet)


def answer_404(wb: Workbench, wallet: str) -> None:
    assert wb.emulator
    server = wb.serve(Starlette(routes=[Route("/", lambda request: Response(status_code=404), methods=["POST"])]))
    wb.emulator.control.post("notifications/endpoint", url=server.url)
    charge(wb.client, wallet, wb.price("5"))


def refund_announced(
    wb: Workbench, wallet: str, *, back: tuple[str, ...] = ("5",), opens: bool = True, waits: bool = True,
    code: str | None = None,
) -> None:  # fmt: skip
    inbox = wb.director.listen(wb.shop, wb.client)
    wb.shop.inbox = inbox if opens else None
    payment = charge(wb.client, wallet, wb.price("5"), capture_now=True)
    for amount in back:
        price = wb.price(amount)
        wb.client.create_refund(charge_id=payment.charge_id, refund_amount=price, simulation_code=code)
    if waits:
        wb.wait(PENDING_SECONDS)


def authorize_only(wb: Workbench, wallet: str) -> None:
    charge(wb.client, wallet, wb.price("5"))


def down_for_two_hours(wb: Workbench, wallet: str) -> None:
    down_for_an_hour(wb, wallet, hours=0)
    wb.director.advance(hours=1)
    wb.director.listen(wb.shop, wb.client)
    wb.director.advance(hours=2)


def own_route(wb: Workbench, wallet: str) -> None:
    assert wb.emulator
    answers = iter([503])
    take = Route("/", lambda request: Response(status_code=next(answers, 200)), methods=["POST"])
    wb.emulator.control.post("notifications/endpoint", url=wb.serve(Starlette(routes=[take])).url)
    charge(wb.client, wallet, wb.price("5"), capture_now=True)
    wb.director.announced()
    wb.wait(60 * 60)


RIGHT = {"07-sent-again": "New", "07-down-for-an-hour": down_for_an_hour, "07-refund-announced": refund_announced}
ALSO_RIGHT = [
    ("07-down-for-an-hour", down_for_two_hours),
    ("07-down-for-an-hour", own_route),
]
WRONG = [
    ("07-sent-again", "seen before", "Has it taken this one?"),
    ("07-sent-again", "Nothing new", "Was one about this charge taken?"),
    ("07-sent-again", "lost", "one of the three words"),
    ("07-down-for-an-hour", answer_404, "That is final"),
    ("07-down-for-an-hour", no_charge, "Something is to be announced"),
    ("07-down-for-an-hour", lambda wb, wallet: down_for_an_hour(wb, wallet, fails=False), "How does step 6 take"),
    ("07-down-for-an-hour", lambda wb, wallet: down_for_an_hour(wb, wallet, hours=0), "nobody has taken"),
    ("07-down-for-an-hour", another_notification, "nobody has taken"),
    ("07-down-for-an-hour", sent_by_hand, "let the hour pass"),
    (
        "07-refund-announced",
        lambda wb, wallet: refund_announced(wb, wallet, back=("5", "0.50"), waits=False),
        "comes later",
    ),
    ("07-refund-announced", lambda wb, wallet: refund_announced(wb, wallet, code="AmazonRejected"), "declined refund"),
    ("07-refund-announced", authorize_only, "Capture it"),
    ("07-refund-announced", lambda wb, wallet: refund_announced(wb, wallet, back=("4",)), "Refund the whole charge"),
    ("07-refund-announced", lambda wb, wallet: refund_announced(wb, wallet, opens=False, waits=False), "inbox open?"),
    ("07-refund-announced", lambda wb, wallet: refund_announced(wb, wallet, waits=False), "comes later"),
]
