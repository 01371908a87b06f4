"""Charges: an order counts as paid exactly if its money is there, once, whatever Amazon answers or does not."""

from decimal import Decimal
from functools import partial
from typing import Any

from amazonpay_nb.rehearsal.answer import Answer, NotTried, soon
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.play import PENDING, Play, words
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.regions import CURRENCIES

Order = dict[str, str]


def paid(play: Play) -> None:
    buyer, order = play.wallet("charge"), play.order()
    answer = buyer.act("charge", **order)
    play.expect(soon(lambda: _is_paid(play, buyer, order)), _situation(play, buyer, order, answer))


def reads_permission_first(play: Play) -> None:
    buyer = play.wallet("charge")
    answer = buyer.act("charge", **play.order())
    charge = _calls(play, answer)[0]["number"]
    first = [row["operation"] for row in play.exchanges(after=answer.number) if row["number"] < charge]
    play.expect("getChargePermission" in first, f"Create Charge comes after {', '.join(first) or 'nothing'}")


def decline(play: Play, code: str) -> None:
    buyer = play.wallet("charge", "state")
    play.emulator.queue_outcome("createCharge", code)
    _judge(play, buyer, play.order(), must_charge=True)


def closed_permission(play: Play) -> None:
    buyer = play.wallet("charge", "state")
    permission = play.objects("chargePermissions")[0]["chargePermissionId"]
    play.control.post(f"permissions/{permission}", state="Closed", reasonCode="BuyerClosed")
    _judge(play, buyer, play.order())


def month_limit(play: Play) -> None:
    limit = CURRENCIES[play.currency].monthly_limit
    _judge(play, play.wallet("charge", "state"), play.order(format_amount(limit + 1, play.currency)))


def fault(play: Play, **options: Any) -> None:
    buyer, order = play.wallet("charge"), play.order()
    play.fault("createCharge", **options)
    # The buyer asks again before the news of the first request arrives.
    play.control.post("notifications/drill", kind="late")
    answer = buyer.act("charge", **order)
    if not soon(lambda: _is_paid(play, buyer, order), 1):
        answer = buyer.act("charge", **order)
    if not soon(lambda: _is_paid(play, buyer, order), 1):
        play.emulator.clock.advance("PT10M")
    play.expect(soon(lambda: _is_paid(play, buyer, order)), _situation(play, buyer, order, answer))
    _once(play, order)


def pending(play: Play) -> None:
    buyer, tried = play.wallet("charge", "state"), 0
    for number, code in enumerate((*PENDING, "PendingHardDeclined"), 24):
        # At other prices, since whether a price may come again is the question of another check.
        order, before = play.order(format_amount(Decimal(number), play.currency)), play.money()
        play.emulator.queue_outcome("createCharge", code)
        answer = buyer.act("charge", **order)
        if not any(row["state"] in PENDING for row in _calls(play, answer)):
            continue  # the server asks in a way that leaves nothing pending like this
        tried += 1
        seen = "the order is paid or fulfilled while its charge is pending"
        play.never(partial(_is_taken_for_paid, play, buyer, order), seen)
        play.emulator.clock.advance("PT1M")
        taken = play.money() > before
        statement = soon(partial(_final, play, buyer, order), 2) or play.statement(buyer, order)
        right = statement.get("state") != ("declined" if taken else "paid") and (
            taken or not statement.get("fulfilled")
        )
        play.expect(right, f"the money of the pending charge {'came' if taken else 'did not come'}; {words(statement)}")
    if not tried:
        raise NotTried("the server's charges cannot be pending.")


def same_order_twice(play: Play) -> None:
    buyer, order = play.wallet("charge"), play.order()
    for _ in range(2):
        buyer.act("charge", **order)
        soon(lambda: _is_paid(play, buyer, order), 2)
    play.expect(play.money(), "no money is taken")
    _once(play, order)
    before, order = play.money(), play.order()
    buyer.acts("charge", 2, **order)
    paid = soon(lambda: play.money() > before)
    seen = f"{play.money() - before} of {order['amount']} {order['currency']} is held or taken"
    play.expect(paid, f"{seen} for an order that is sent twice at once")
    _once(play, order, before)


def _final(play: Play, buyer: Buyer, order: Order) -> dict[str, Any]:
    statement = play.statement(buyer, order)
    return {} if statement.get("state") in (None, "pending") else statement


def _is_taken_for_paid(play: Play, buyer: Buyer, order: Order) -> bool:
    statement = play.statement(buyer, order)
    return bool(statement.get("fulfilled")) or statement.get("state") == "paid"


def _is_paid(play: Play, buyer: Buyer, order: Order) -> bool:
    agrees = play.plan.actions.state is None or play.statement(buyer, order).get("state") == "paid"
    return agrees and play.money() == Decimal(order["amount"])


def _calls(play: Play, answer: Answer) -> list[dict[str, Any]]:
    if calls := soon(lambda: play.exchanges("createCharge", after=answer.number)):
        return calls
    raise NotTried("the server has sent no Create Charge: see charge.paid.")


def _once(play: Play, order: Order, before: Decimal = Decimal(0)) -> None:
    amount, seen = Decimal(order["amount"]), "the buyer pays more than once for one order"
    play.never(lambda: play.money() - before > amount, seen)


def _judge(play: Play, buyer: Buyer, order: Order, *, must_charge: bool = False) -> None:
    """Ask for a charge, and require that the server says *paid* exactly if the money is there."""
    answer = buyer.act("charge", **order)
    if must_charge:
        _calls(play, answer)
    play.expect(answer.status and answer.status < 500, f"the action answers {answer.status or 'nothing'}")
    soon(lambda: _final(play, buyer, order), 1)
    play.expect(soon(lambda: _agrees(play, buyer, order)), _situation(play, buyer, order, answer))


def _agrees(play: Play, buyer: Buyer, order: Order) -> bool:
    statement, money = play.statement(buyer, order), play.money() > 0
    return not statement or ((statement["state"] == "paid") == money and (money or not statement.get("fulfilled")))


def _situation(play: Play, buyer: Buyer, order: Order, answer: Answer) -> str:
    clause = f"; {words(play.statement(buyer, order))}" if play.plan.actions.state else ""
    money = f"{play.money()} of {order['amount']} {order['currency']} is held or taken"
    charges = ", ".join(play.states("charges")) or "none"
    return f"{money} (charges: {charges}){clause}; the action answers {answer.status or 'nothing'}."
