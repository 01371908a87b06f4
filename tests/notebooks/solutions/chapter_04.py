"""Model solutions of notebook 04, and what readers get wrong."""

from amazonpay_nb.client.button import sign_button, sign_in_and_set_up_payload
from amazonpay_nb.client.guide import complete_set_up
from amazonpay_nb.workbench import Workbench


async def newer_wallet(
    wb: Workbench, wallet: str, *, completes: bool = True, closes: tuple[str, ...] = ("older",), notes: bool = False
) -> None:
    attempt = wb.shop.new_attempt()
    payload = sign_in_and_set_up_payload(wb.store_id, sign_in_url=attempt.signed_in_url)
    page = wb.show_button(attempt, sign_button(payload, wb.keys), product_type="SignInAndSetup")
    arrival = await page.returned()
    ids = {"older": wallet}
    if completes:
        ids["newer"] = str(complete_set_up(wb.client, arrival.checkout_session_id).charge_permission_id)
    if notes:
        wb.client.update_charge_permission(wallet, merchant_metadata={"merchantReferenceId": "older"})
    for name in closes:
        wb.client.close_charge_permission(ids[name], closure_reason="One wallet is enough.")


async def close_first(wb: Workbench, wallet: str) -> None:
    wb.client.update_charge_permission(wallet, merchant_metadata={"merchantReferenceId": "older"})
    wb.client.close_charge_permission(wallet, closure_reason="A newer one comes.")
    await newer_wallet(wb, wallet, closes=())


async def older_in_use(wb: Workbench, wallet: str) -> None:
    wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"), capture_now=True)
    await newer_wallet(wb, wallet)


RIGHT = {"04-postal-code": "countryCode", "04-session-as-token": "ResourceNotFound", "04-newer-wallet": newer_wallet}
ALSO_RIGHT = [
    ("04-newer-wallet", close_first),
    ("04-newer-wallet", older_in_use),
]
WRONG = [
    ("04-postal-code", "buyerId", "always comes"),
    ("04-postal-code", "email", "the other flow shares"),
    ("04-postal-code", "city", "Play a plain sign-in"),
    ("04-session-as-token", 404, "next to the status"),
    ("04-session-as-token", "InvalidParameterValue", "in the wrong form"),
    ("04-session-as-token", "buyerId", "Send the request"),
    ("04-newer-wallet", lambda wb, wallet: newer_wallet(wb, wallet, completes=False), "the session is still open"),
    ("04-newer-wallet", lambda wb, wallet: newer_wallet(wb, wallet, closes=("newer",)), "close the right one"),
    (
        "04-newer-wallet",
        lambda wb, wallet: newer_wallet(wb, wallet, closes=("newer",), notes=True),
        "close the right one",
    ),
    ("04-newer-wallet", lambda wb, wallet: newer_wallet(wb, wallet, closes=()), "the older one is still open"),
]
