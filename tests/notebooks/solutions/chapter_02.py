"""Model solutions of notebook 02, and what readers get wrong."""

from amazonpay_nb.client.button import express_payload, sign_button
from amazonpay_nb.errors import ConflictError, refused
from amazonpay_nb.workbench import Workbench


async def download(
    wb: Workbench, wallet: str, *, product: str = "PayOnly", intent: str = "AuthorizeWithCapture", amount: str = "5",
    pays: bool = True, completes: bool = True,
) -> str | None:  # fmt: skip
    attempt = wb.shop.new_attempt()
    payload = express_payload(wb.store_id, review_url=attempt.review_url, cancel_url=attempt.cancel_url)
    arrival = await wb.show_button(attempt, sign_button(payload, wb.keys), product_type=product).returned()
    session = wb.client.update_checkout_session(
        arrival.checkout_session_id,
        web_checkout_details={"checkoutResultReturnUrl": attempt.result_url},
        payment_details={"paymentIntent": intent, "chargeAmount": wb.price(amount)},
    )
    if pays:
        await wb.show_redirect(attempt, session).returned()
    if not completes:
        return None
    price = wb.price(amount)
    return wb.client.complete_checkout_session(session.checkout_session_id, charge_amount=price).charge_id


async def too_early(wb: Workbench, wallet: str) -> None:
    with refused(ConflictError):
        await download(wb, wallet, pays=False)


async def capture_later(wb: Workbench, wallet: str) -> None:
    charge_id = await download(wb, wallet, intent="Authorize")
    wb.client.capture_charge(str(charge_id), capture_amount=wb.price("5"))


def charge_the_wallet(wb: Workbench, wallet: str) -> None:
    wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"), capture_now=True)


RIGHT = {
    "02-charge-again": "InvalidChargePermissionStatus",
    "02-dearer-delivery": "AmountMismatch",
    "02-download": download,
}
WRONG = [
    ("02-charge-again", "AmazonClosed", "Get Charge Permission tells it"),
    ("02-charge-again", "NotChargeable", "sent nothing"),
    ("02-charge-again", 422, "next to the status"),
    ("02-charge-again", "HardDeclined", "Send the request"),
    ("02-dearer-delivery", "ChargeAmountNotSet", "a session without an amount"),
    ("02-dearer-delivery", "none", "having seen 19"),
    ("02-dearer-delivery", "InvalidAmount", "when the amounts differ"),
    ("02-download", charge_the_wallet, "no order by express checkout"),
    ("02-download", too_early, "had not paid yet"),
    ("02-download", lambda wb, wallet: download(wb, wallet, completes=False), "A session is still open"),
    ("02-download", lambda wb, wallet: download(wb, wallet, product="PayAndShip"), "with delivery"),
    ("02-download", lambda wb, wallet: download(wb, wallet, intent="Authorize"), "held and not taken"),
    ("02-download", capture_later, "with a call of its own"),
    ("02-download", lambda wb, wallet: download(wb, wallet, amount="6"), "nobody has paid 5"),
]
