"""Model solutions of notebook 06, and what readers get wrong."""

from amazonpay_nb.client.guide import charge
from amazonpay_nb.errors import ConflictError, refused
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench import Workbench


def two_returns(
    wb: Workbench, wallet: str, *, pays: str = "5", returns: tuple[str, ...] = ("3", "2"), waits: bool = True
) -> None:
    order = charge(wb.client, wallet, wb.price(pays), capture_now=True)
    for amount in returns:
        wb.client.create_refund(charge_id=order.charge_id, refund_amount=wb.price(amount))
    if waits:
        wb.wait(PENDING_SECONDS)


def authorize_only(wb: Workbench, wallet: str) -> None:
    charge(wb.client, wallet, wb.price("5"))


def pay_twice(wb: Workbench, wallet: str) -> None:
    for amount in ("3", "2"):
        two_returns(wb, wallet, returns=(amount,))


def called_off(wb: Workbench, wallet: str, *, amount: str = "5") -> None:
    held = charge(wb.client, wallet, wb.price(amount))
    wb.client.cancel_charge(held.charge_id, cancellation_reason="The order was called off")


def close_it_all(wb: Workbench, wallet: str) -> None:
    authorize_only(wb, wallet)
    wb.client.close_charge_permission(wallet, closure_reason="Called off.", cancel_pending_charges=True)


def let_it_expire(wb: Workbench, wallet: str) -> None:
    authorize_only(wb, wallet)
    wb.director.advance(days=30)


def refund_what_is_held(wb: Workbench, wallet: str) -> None:
    held = charge(wb.client, wallet, wb.price("5"))
    with refused(ConflictError):
        wb.client.create_refund(charge_id=held.charge_id, refund_amount=wb.price("5"))


def one_after_the_other(wb: Workbench, wallet: str) -> None:
    order = charge(wb.client, wallet, wb.price("5"), capture_now=True)
    for amount in ("3", "2"):
        wb.client.create_refund(charge_id=order.charge_id, refund_amount=wb.price(amount))
        wb.wait(PENDING_SECONDS)


def refund_then_cancel(wb: Workbench, wallet: str) -> None:
    refund_what_is_held(wb, wallet)
    (held,) = wb.journal.known.of("Charge", chargePermissionId=wallet)
    wb.client.cancel_charge(held, cancellation_reason="The order was called off")


RIGHT = {"06-largest-refund": "575.00", "06-two-returns": two_returns, "06-called-off": called_off}
ALSO_RIGHT = [
    ("06-two-returns", one_after_the_other),
    ("06-called-off", refund_then_cancel),
]
WRONG = [
    ("06-largest-refund", 590, "another limit is smaller"),
    ("06-largest-refund", 500, "a little more than you took"),
    ("06-largest-refund", 675, "they count as well"),
    ("06-largest-refund", 600, "as in step 4"),
    ("06-two-returns", authorize_only, "only authorized"),
    ("06-two-returns", lambda wb, wallet: two_returns(wb, wallet, returns=("5",)), "each of them is a refund"),
    ("06-two-returns", lambda wb, wallet: two_returns(wb, wallet, pays="6"), "a charge of 5"),
    ("06-two-returns", pay_twice, "has paid more often"),
    ("06-two-returns", lambda wb, wallet: two_returns(wb, wallet, returns=("1", "2")), "The first return is worth 3"),
    ("06-two-returns", lambda wb, wallet: two_returns(wb, wallet, returns=("3", "1")), "The second return is worth 2"),
    ("06-two-returns", lambda wb, wallet: two_returns(wb, wallet, waits=False), "no money has moved yet"),
    ("06-called-off", refund_what_is_held, "nothing that a refund"),
    ("06-called-off", close_it_all, "the whole agreement"),
    ("06-called-off", let_it_expire, "for 30 days"),
    ("06-called-off", two_returns, "before you shipped"),
    ("06-called-off", authorize_only, "still holds"),
    ("06-called-off", lambda wb, wallet: called_off(wb, wallet, amount="4"), "which call belongs to"),
]
