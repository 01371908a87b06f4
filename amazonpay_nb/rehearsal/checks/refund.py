"""Refunds: the money goes back once, and counts as returned when it is."""

from decimal import Decimal

from amazonpay_nb.rehearsal.answer import Answer
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.outcome import NotTried
from amazonpay_nb.rehearsal.play import Play, check, words
from amazonpay_nb.spec.money import format_amount

_PART = Decimal(10)  # of an order of 24: Amazon itself refuses to refund all of it twice


@check("refund.done")
def done(play: Play) -> None:
    buyer, order = _paid(play)
    answer = buyer.act("refund", **order)
    play.reached(play.refunds)
    play.advance("PT1M")
    total = sum(Decimal(row["refundAmount"]["amount"]) for row in play.refunds())
    seen = f"{total} of {order['amount']} {order['currency']} is refunded; the action answers {answer.status}"
    play.expect(total == Decimal(order["amount"]) and answer.status and answer.status < 400, seen)
    if play.plan.actions.state and play.plan.notifications:  # by which the server learns of the end
        known = play.reached(lambda: play.statement(buyer, order).get("state") == "refunded")
        play.expect(known, f"the refund is Refunded; {words(play.statement(buyer, order))}")


@check("refund.lost-answer")
def lost_answer(play: Play) -> None:
    buyer, order = _paid(play)
    part = order | {"amount": format_amount(_PART, play.currency)}
    play.fault("createRefund", "drop-after-commit")
    play.drill("late")
    answer = _refund(play, buyer, part)
    if answer.status is None or answer.status >= 400:  # who has asked for it does so again
        answer = buyer.act("refund", **part)
    play.never(lambda: len(play.refunds()) > 1, "the amount is refunded more than once")
    play.expect(answer.status and answer.status < 400, f"the action, repeated, answers {answer.status or 'nothing'}")


@check("refund.declined")
def declined(play: Play) -> None:
    play.needs("state")
    buyer, order = _paid(play)
    play.outcome("createRefund", "AmazonRejected")
    _refund(play, buyer, order)
    play.advance("PT1M")
    seen = "the refund is Declined; the server says that the order is refunded"
    play.never(lambda: play.statement(buyer, order).get("state") == "refunded", seen)


def _paid(play: Play) -> tuple[Buyer, dict[str, str]]:
    """Return a buyer with an order that is paid."""
    play.needs("charge", "refund")
    buyer, order = play.wallet(), play.order()
    buyer.act("charge", **order)
    if not play.reached(lambda: [row["statusDetails"]["state"] for row in play.charges()] == ["Captured"]):
        raise NotTried("no charge is captured: see charge.paid.")
    if play.plan.actions.state:
        play.reached(lambda: play.statement(buyer, order).get("state") == "paid")
    return buyer, order


def _refund(play: Play, buyer: Buyer, order: dict[str, str]) -> Answer:
    answer = buyer.act("refund", **order)
    if not play.reached(play.refunds):
        raise NotTried("the server has sent no Create Refund that Amazon accepts: see refund.done.")
    return answer
