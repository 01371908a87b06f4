"""Model solutions of notebook 01, and what readers get wrong."""

from amazonpay_nb.client.guide import complete_set_up
from amazonpay_nb.errors import ConflictError, refused
from amazonpay_nb.workbench import Workbench


async def second_try(
    wb: Workbench, wallet: str, *, first: str = "3434", wallets: int = 1, completes: bool = True
) -> None:
    arrival = await wb.play_set_up(card=first)
    if first == "3434":
        with refused(ConflictError):
            complete_set_up(wb.client, arrival.checkout_session_id)
    for _ in range(wallets):
        arrival = await wb.play_set_up()
        if completes:
            complete_set_up(wb.client, arrival.checkout_session_id)


async def decline_last(wb: Workbench, wallet: str) -> None:
    await no_decline(wb, wallet)
    await second_try(wb, wallet, wallets=0)


async def no_decline(wb: Workbench, wallet: str) -> None:
    arrival = await wb.play_set_up()
    complete_set_up(wb.client, arrival.checkout_session_id)


async def never_complete(wb: Workbench, wallet: str) -> None:
    await second_try(wb, wallet, completes=False)


async def two_wallets(wb: Workbench, wallet: str) -> None:
    await second_try(wb, wallet, wallets=2)


async def look_at_the_session(wb: Workbench, wallet: str) -> None:
    arrival = await wb.play_set_up(card="3434")
    wb.client.get_checkout_session(arrival.checkout_session_id)
    arrival = await wb.play_set_up(card="1111")
    complete_set_up(wb.client, arrival.checkout_session_id)


RIGHT = {"01-declined-state": "Canceled", "01-blanks": 1, "01-second-try": second_try}
ALSO_RIGHT = [
    ("01-second-try", look_at_the_session),
]
WRONG = [
    ("01-declined-state", "open", "whose payment method was accepted"),
    ("01-declined-state", "Declined", "That is the reason code"),
    ("01-declined-state", "Completed", "Only your server can complete"),
    ("01-declined-state", "Closed", "what does Complete answer there"),
    ("01-blanks", 0, "something that is made of it"),
    ("01-blanks", "two", "no line of the canonical request"),
    ("01-blanks", 5, "where is the body in it"),
    ("01-second-try", never_complete, "the session is still open"),
    ("01-second-try", no_decline, "the buyer chooses the card that ends in 3434"),
    ("01-second-try", decline_last, "The decline comes first"),
    ("01-second-try", two_wallets, "There should be one wallet"),
]
