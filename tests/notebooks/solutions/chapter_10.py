"""Model solutions of notebook 10, and what readers get wrong."""

from amazonpay_nb.client.guide import charge
from amazonpay_nb.workbench import Workbench


def tip(
    wb: Workbench, wallet: str, *, ride: str | None = "MITU", extra: str | None = "CITU", channel: str = "App",
    amounts: tuple[str, ...] = ("5", "1"), capture_now: bool = True,
) -> None:  # fmt: skip
    for amount, initiator in zip(amounts, (ride, extra), strict=False):
        words = {"charge_initiator": initiator, "channel": channel} if initiator else {}
        charge(wb.client, wallet, wb.price(amount), capture_now=capture_now, **words)  # type: ignore[arg-type]


def tip_twice(wb: Workbench, wallet: str) -> None:
    tip(wb, wallet)
    tip(wb, wallet, ride="CITU", amounts=("2",))


def two_dinners(wb: Workbench, wallet: str) -> None:
    charge(wb.client, wallet, wb.price("2"), capture_now=True)
    late_dinner(wb, wallet)


def late_dinner(
    wb: Workbench, wallet: str, *, hold: str = "5", days: int = 8, take: str = "3", looks: bool = True
) -> None:
    dinner = charge(wb.client, wallet, wb.price(hold))
    wb.director.advance(days=days)
    if take:
        wb.client.capture_charge(dinner.charge_id, capture_amount=wb.price(take))
    if looks:
        wb.wait(30)
        wb.client.get_charge(dinner.charge_id)


def tip_an_hour_later(wb: Workbench, wallet: str) -> None:
    tip(wb, wallet, amounts=("5",))
    wb.wait(60 * 60)
    extra = charge(wb.client, wallet, wb.price("1"), charge_initiator="CITU", channel="App")
    wb.client.capture_charge(extra.charge_id, capture_amount=wb.price("1"))


def dinner_on_the_tenth_day(wb: Workbench, wallet: str) -> None:
    late_dinner(wb, wallet, days=10)


RIGHT = {"10-at-the-counter": "chargePermissionType", "10-tip": tip, "10-late-dinner": late_dinner}
ALSO_RIGHT = [
    ("10-tip", tip_an_hour_later),
    ("10-late-dinner", dinner_on_the_tenth_day),
]
WRONG = [
    ("10-at-the-counter", "charge_permission_id", "has a Charge Permission as well"),
    ("10-at-the-counter", "state", "is `Completed` for both"),
    ("10-at-the-counter", "chargeId", "the price of the rental"),
    ("10-at-the-counter", "buyer", "who unchecked the box"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, amounts=("6",)), "one charge for both"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, ride="CITU"), "the rider has left"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, extra="MITU"), "wants to pay"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, capture_now=False), "only authorized"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, amounts=("4", "1")), "The ride is not paid"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, amounts=("5",)), "The tip is not, or not once"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, ride=None), "The ride says nothing"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, extra=None), "The tip says nothing"),
    ("10-tip", lambda wb, wallet: tip(wb, wallet, channel="Web"), "where the tip comes from"),
    ("10-tip", tip_twice, "which nobody has ordered"),
    ("10-late-dinner", two_dinners, "There is to be one charge"),
    ("10-late-dinner", lambda wb, wallet: late_dinner(wb, wallet, take="5"), "Only 3 were delivered"),
    ("10-late-dinner", lambda wb, wallet: late_dinner(wb, wallet, hold="3"), "the entire order when it is made"),
    ("10-late-dinner", lambda wb, wallet: late_dinner(wb, wallet, days=31, take=""), "no longer held"),
    ("10-late-dinner", lambda wb, wallet: late_dinner(wb, wallet, take=""), "Nothing was captured yet"),
    ("10-late-dinner", lambda wb, wallet: late_dinner(wb, wallet, take="2"), "There is to be one charge"),
    ("10-late-dinner", lambda wb, wallet: late_dinner(wb, wallet, days=0), "let the days pass first"),
    ("10-late-dinner", lambda wb, wallet: late_dinner(wb, wallet, looks=False), "you do not know how it ended"),
]
