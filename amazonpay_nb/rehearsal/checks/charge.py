"""Charges: an order counts as paid exactly if its money is there, once, whatever Amazon answers or does not."""

from decimal import Decimal
from functools import partial
from typing import Any

from amazonpay_nb.rehearsal.answer import Answer, NotTried, soon
from amazonpay_nb.rehearsal.play import PENDING, Order, Play
from amazonpay_nb.spec.regions import CURRENCIES


def paid(play: Play) -> None:
    order = play.order("charge")
    _require_paid(order, order.act("charge"))


def reads_permission_first(play: Play) -> None:
    answer = play.order("charge").act("charge")
    charge = _charges(play, answer)[0]["number"]
    first = [row["operation"] for row in play.calls(after=answer.number) if row["number"] < charge]
    play.expect("getChargePermission" in first, f"Create Charge comes after {', '.join(first) or 'nothing'}")


def decline(play: Play, code: str) -> None:
    order = play.order("charge", "state")
    play.emulator.queue_outcome("createCharge", code)
    _charges(play, _judge(order))


def closed_permission(play: Play) -> None:
    order = play.order("charge", "state")
    permission = play.objects("chargePermissions")[0]["chargePermissionId"]
    play.control.post(f"permissions/{permission}", state="Closed", reasonCode="BuyerClosed")
    _judge(order)


def month_limit(play: Play) -> None:
    _judge(play.order("charge", "state", amount=CURRENCIES[play.currency].monthly_limit + 1))


def fault(play: Play, **options: Any) -> None:
    order = play.order("charge")
    play.fault("createCharge", **options)
    # The buyer asks again before the news of the first request arrives.
    play.control.post("notifications/drill", kind="late")
    for _ in range(2):
        answer = order.act("charge")
        if soon(partial(_is_paid, order), 1):
            break
    else:
        play.emulator.clock.advance("PT10M")
    _require_paid(order, answer)
    _require_once(order)


def pending(play: Play) -> None:
    buyer, tried = play.wallet("charge", "state"), 0
    for price, code in enumerate((*PENDING, "PendingHardDeclined"), 24):
        # At other prices, since whether a price may come again is the question of another check.
        order, before = Order(play, buyer, Decimal(price)), play.money()
        if not order.left_pending(code):
            continue  # the server asks in a way that leaves nothing pending like this
        tried += 1
        play.never(partial(_is_taken_for_paid, order), "the order is paid or fulfilled while its charge is pending")
        play.emulator.clock.advance("PT1M")
        taken = play.money() > before
        soon(partial(_is_decided, order), 2)
        wrong = order.state == "declined" if taken else _is_taken_for_paid(order)
        play.expect(
            not wrong, f"the money of the pending charge {'came' if taken else 'did not come'}; {order.words()}"
        )
    if not tried:
        raise NotTried("the server's charges cannot be pending.")


def same_order_twice(play: Play) -> None:
    order = play.order("charge")
    for _ in range(2):
        order.act("charge")
        soon(partial(_is_paid, order), 2)
    play.expect(play.money(), "no money is taken")
    _require_once(order)
    before, order = play.money(), Order(play, order.buyer)
    order.buyer.acts("charge", 2, **order.values)
    paid = soon(lambda: play.money() > before)
    seen = f"{play.money() - before} of {order.price} is held or taken"
    play.expect(paid, f"{seen} for an order that is sent twice at once")
    _require_once(order, before)


def _is_decided(order: Order) -> bool:
    return order.state not in (None, "pending")


def _is_taken_for_paid(order: Order) -> bool:
    statement = order.statement()
    return bool(statement.get("fulfilled")) or statement.get("state") == "paid"


def _is_paid(order: Order) -> bool:
    agrees = order.play.plan.actions.state is None or order.state == "paid"
    return agrees and order.play.money() == order.amount


def _charges(play: Play, answer: Answer) -> list[dict[str, Any]]:
    if calls := soon(lambda: play.calls("createCharge", after=answer.number)):
        return calls
    raise NotTried("the server has sent no Create Charge: see charge.paid.")


def _require_paid(order: Order, answer: Answer) -> None:
    order.play.expect(soon(partial(_is_paid, order)), _situation(order, answer))


def _require_once(order: Order, before: Decimal = Decimal(0)) -> None:
    seen = "the buyer pays more than once for one order"
    order.play.never(lambda: order.play.money() - before > order.amount, seen)


def _judge(order: Order) -> Answer:
    """Ask for a charge, and require that the server says *paid* exactly if the money is there."""
    answer = order.act("charge")
    order.play.expect(answer.is_below(500), f"the action answers {answer.status or 'nothing'}")
    soon(partial(_is_decided, order), 1)
    order.play.expect(soon(partial(_agrees, order)), _situation(order, answer))
    return answer


def _agrees(order: Order) -> bool:
    if order.play.money():
        return order.state in (None, "paid")
    return not _is_taken_for_paid(order)


def _situation(order: Order, answer: Answer) -> str:
    play = order.play
    clause = f"; {order.words()}" if play.plan.actions.state else ""
    charges = ", ".join(play.states("charges")) or "none"
    money = f"{play.money()} of {order.price} is held or taken (charges: {charges})"
    return f"{money}{clause}; the action answers {answer.status or 'nothing'}."
