"""Model solutions of notebook 00, and what readers get wrong."""

from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench import Workbench


def charge_and_refund(
    wb: Workbench, wallet: str, *, take: str = "5", back: tuple[str, ...] = ("2",), code: str | None = None
) -> None:
    payment = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price(take), capture_now=True)
    for amount in back:
        price = wb.price(amount)
        wb.client.create_refund(charge_id=payment.charge_id, refund_amount=price, simulation_code=code)
    wb.wait(PENDING_SECONDS)


def charge_twice(wb: Workbench, wallet: str) -> None:
    charge_and_refund(wb, wallet)
    charge_and_refund(wb, wallet, take="4", back=())


def authorize_only(wb: Workbench, wallet: str) -> None:
    wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"))


def capture_and_refund(wb: Workbench, wallet: str) -> None:
    held = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"))
    wb.client.capture_charge(held.charge_id, capture_amount=wb.price("5"))
    wb.client.create_refund(charge_id=held.charge_id, refund_amount=wb.price("2"))


RIGHT = {
    "00-what-to-keep": "chargePermissionId",
    "00-refund-a-part": charge_and_refund,
    "00-half-a-yen": " Refused ",
}
ALSO_RIGHT = [
    ("00-refund-a-part", capture_and_refund),
]
WRONG = [
    ("00-what-to-keep", "checkoutSessionId", "one visit of the buyer"),
    ("00-what-to-keep", "chargeId", "A charge is one payment"),
    ("00-what-to-keep", "buyerId", "no charge can name it"),
    ("00-what-to-keep", "S01-5105180-3221187", "which id does it send?"),
    ("00-refund-a-part", authorize_only, "only authorized"),
    ("00-refund-a-part", lambda wb, wallet: charge_and_refund(wb, wallet, back=("5",)), "You sent back all of it"),
    ("00-refund-a-part", lambda wb, wallet: charge_and_refund(wb, wallet, take="3", back=()), "You charged 3"),
    ("00-refund-a-part", lambda wb, wallet: charge_and_refund(wb, wallet, back=()), "Now send back 2"),
    ("00-refund-a-part", lambda wb, wallet: charge_and_refund(wb, wallet, back=("2", "3")), "one refund of 2"),
    ("00-refund-a-part", lambda wb, wallet: charge_and_refund(wb, wallet, code="AmazonRejected"), "declined refund"),
    ("00-refund-a-part", charge_twice, "one charge of 5"),
    ("00-refund-a-part", lambda wb, wallet: charge_and_refund(wb, wallet, take="4"), "There is to be one charge of 5"),
    ("00-half-a-yen", "rounded", "another price"),
    ("00-half-a-yen", "sent", "before anything travels"),
    ("00-half-a-yen", "14", "Choose one of the three"),
]
