"""Refunds: the money goes back once, and counts as returned when it is."""

from decimal import Decimal
from functools import partial

from amazonpay_nb.rehearsal.answer import Answer, NotTried, soon
from amazonpay_nb.rehearsal.play import Order, Play
from amazonpay_nb.spec.money import format_amount

_PART = Decimal(10)  # of an order of 24: Amazon itself refuses to refund all of it twice


def done(play: Play) -> None:
    order = _paid(play)
    answer = order.act("refund")
    soon(partial(play.objects, "refunds"))
    play.emulator.clock.advance("PT1M")
    _require_exact(order, order.amount, answer)
    if play.plan.actions.state and play.plan.notifications:  # by which the server learns of the end
        known = soon(lambda: order.state == "refunded")
        play.expect(known, f"the refund is Refunded; {order.words()}")


def lost_answer(play: Play) -> None:
    order, part = _paid(play), format_amount(_PART, play.currency)
    play.fault("createRefund", "drop-after-commit")
    play.control.post("notifications/drill", kind="late")
    answer = _refund(order, amount=part)
    if not answer.is_below(400):  # who has asked for it does so again
        answer = order.act("refund", amount=part)
    play.never(lambda: len(play.objects("refunds")) > 1, "the amount is refunded more than once")
    # A server that is told no amount refunds the entire order.
    _require_exact(order, _PART if "{amount}" in str(play.plan.actions.refund) else order.amount, answer)


def declined(play: Play) -> None:
    order = _paid(play, "state")
    play.emulator.queue_outcome("createRefund", "AmazonRejected")
    _refund(order)
    play.emulator.clock.advance("PT1M")
    seen = "the refund is Declined; the server says that the order is refunded"
    play.never(lambda: order.state == "refunded", seen)


def _require_exact(order: Order, amount: Decimal, answer: Answer) -> None:
    play, price = order.play, f"{format_amount(amount, order.play.currency)} {order.play.currency}"
    total = sum(Decimal(row["refundAmount"]["amount"]) for row in play.objects("refunds"))
    seen = f"{total} of {price} is refunded; the action answers {answer.status}"
    play.expect(total == amount and answer.is_below(400), seen)


def _paid(play: Play, *needs: str) -> Order:
    order = play.order("charge", "refund", *needs)
    order.act("charge")
    if not soon(lambda: play.states("charges") == ["Captured"]):
        raise NotTried("no charge is captured: see charge.paid.")
    if play.plan.actions.state:
        soon(lambda: order.state == "paid")
    return order


def _refund(order: Order, **values: str) -> Answer:
    answer = order.act("refund", **values)
    if not soon(partial(order.play.objects, "refunds")):
        raise NotTried("the server has sent no Create Refund that Amazon accepts: see refund.done.")
    return answer
