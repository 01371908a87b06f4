"""Charges: an order counts as paid exactly if its money is there, once, whatever Amazon answers or does not."""

from decimal import Decimal
from functools import partial
from typing import Any

from amazonpay_nb.rehearsal.answer import Answer
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.outcome import NotTried
from amazonpay_nb.rehearsal.play import Play, check, words
from amazonpay_nb.spec.money import format_amount
from amazonpay_nb.spec.regions import CURRENCIES

Order = dict[str, str]


@check("charge.paid")
def paid(play: Play) -> None:
    buyer, order = _wallet(play), play.order()
    answer = buyer.act("charge", **order)
    play.expect(play.reached(lambda: _is_paid(play, buyer, order)), _situation(play, buyer, order, answer))


@check("charge.reads-permission-first")
def reads_permission_first(play: Play) -> None:
    buyer = _wallet(play)
    answer = buyer.act("charge", **play.order())
    charge = _calls(play, answer)[0]["number"]
    first = [row["operation"] for row in play.exchanges() if answer.number < row["number"] < charge]
    play.expect("getChargePermission" in first, f"Create Charge comes after {', '.join(first) or 'nothing'}")


@check("charge.soft-decline", code="SoftDeclined")
@check("charge.hard-decline", code="HardDeclined")
def decline(play: Play, code: str) -> None:
    buyer = _wallet(play, "state")
    play.outcome("createCharge", code)
    _judge(play, buyer, play.order(), must_charge=True)


@check("charge.closed-permission")
def closed_permission(play: Play) -> None:
    buyer = _wallet(play, "state")
    play.cause(play.permissions()[0]["chargePermissionId"], "Closed", "BuyerClosed")
    _judge(play, buyer, play.order())


@check("charge.month-limit")
def month_limit(play: Play) -> None:
    limit = CURRENCIES[play.currency].monthly_limit
    _judge(play, _wallet(play, "state"), play.order(format_amount(limit + 1, play.currency)))


@check("charge.lost-answer", fault="drop-after-commit")
@check("charge.server-error", fault="status", status=503)
@check("charge.throttled", fault="status", status=429)
def fault(play: Play, **options: Any) -> None:
    buyer, order = _wallet(play), play.order()
    play.fault("createCharge", **options)
    play.drill("late")  # the buyer asks again before the news of the first request arrives
    answer = buyer.act("charge", **order)
    if not play.reached(lambda: _is_paid(play, buyer, order), 1):
        answer = buyer.act("charge", **order)
    if not play.reached(lambda: _is_paid(play, buyer, order), 1):
        play.advance("PT10M")
    play.expect(play.reached(lambda: _is_paid(play, buyer, order)), _situation(play, buyer, order, answer))
    _once(play, order)


@check("charge.pending")
def pending(play: Play) -> None:
    buyer, tried = _wallet(play, "state"), 0
    for code in ("AuthorizationInitiated", "CaptureInitiated", "PendingHardDeclined"):
        order, before = play.order(), play.money()
        play.outcome("createCharge", code)
        answer = buyer.act("charge", **order)
        calls = _calls(play, answer)
        if any(row["reasonCode"] == "InvalidSandboxSimulationSpecified" for row in calls):
            continue  # the server asks in a way that leaves nothing pending like this
        tried += 1
        seen = "the order is paid or fulfilled while its charge is pending"
        play.never(partial(_is_taken_for_paid, play, buyer, order), seen)
        play.advance("PT1M")
        taken = play.money() > before
        statement = play.soon(partial(_final, play, buyer, order), 2) or play.statement(buyer, order)
        right = statement.get("state") != ("declined" if taken else "paid") and (
            taken or not statement.get("fulfilled")
        )
        play.expect(right, f"the money of the pending charge {'came' if taken else 'did not come'}; {words(statement)}")
    if not tried:
        raise NotTried("the server's charges cannot be pending.")


@check("charge.same-order-twice")
def same_order_twice(play: Play) -> None:
    buyer, order = _wallet(play), play.order()
    for _ in range(2):
        buyer.act("charge", **order)
        play.reached(lambda: _is_paid(play, buyer, order), 2)
    play.expect(play.money(), "no money is taken")
    _once(play, order)
    before, order = play.money(), play.order()
    buyer.acts("charge", 2, **order)
    play.reached(lambda: play.money() > before, 2)
    _once(play, order, before)


def _wallet(play: Play, *needs: str) -> Buyer:
    play.needs("charge", *needs)
    return play.wallet()


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
    """Return the calls of Create Charge that an action has led to."""

    def look() -> list[dict[str, Any]]:
        return [row for row in play.exchanges("createCharge") if row["number"] > answer.number]

    if calls := play.soon(look):
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
    play.soon(lambda: _final(play, buyer, order), 1 if play.plan.actions.state else 0)
    statement, seen = play.statement(buyer, order), _situation(play, buyer, order, answer)
    play.expect(not statement or (statement.get("state") == "paid") == (play.money() > 0), seen)
    play.expect(play.money() > 0 or not statement.get("fulfilled"), seen)


def _situation(play: Play, buyer: Buyer, order: Order, answer: Answer) -> str:
    clause = f"; {words(play.statement(buyer, order))}" if play.plan.actions.state else ""
    charges = ", ".join(row["statusDetails"]["state"] for row in play.charges()) or "none"
    return (
        f"{play.money()} of {order['amount']} {order['currency']} is held or taken (charges: {charges}){clause}; "
        f"the action answers {answer.status or 'nothing'}."
    )
