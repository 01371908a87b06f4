"""Refunds: the money goes back once, and counts as returned when it is."""

from decimal import Decimal
from functools import partial

from amazonpay_nb.rehearsal.answer import Answer, NotTried, soon
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.play import Play, words
from amazonpay_nb.spec.money import format_amount

_PART = Decimal(10)  # of an order of 24: Amazon itself refuses to refund all of it twice


def done(play: Play) -> None:
    buyer, order = _paid(play)
    answer = buyer.act("refund", **order)
    soon(partial(play.objects, "refunds"))
    play.emulator.clock.advance("PT1M")
    _is_exact(play, order, answer)
    if play.plan.actions.state and play.plan.notifications:  # by which the server learns of the end
        known = soon(lambda: play.statement(buyer, order).get("state") == "refunded")
        play.expect(known, f"the refund is Refunded; {words(play.statement(buyer, order))}")


def lost_answer(play: Play) -> None:
    buyer, order = _paid(play)
    part = order | {"amount": format_amount(_PART, play.currency)}
    play.fault("createRefund", "drop-after-commit")
    play.control.post("notifications/drill", kind="late")
    answer = _refund(play, buyer, part)
    if answer.status is None or answer.status >= 400:  # who has asked for it does so again
        answer = buyer.act("refund", **part)
    play.never(lambda: len(play.objects("refunds")) > 1, "the amount is refunded more than once")
    # A server that is told no amount refunds the entire order.
    _is_exact(play, part if "{amount}" in str(play.plan.actions.refund) else order, answer)


def declined(play: Play) -> None:
    buyer, order = _paid(play, "state")
    play.emulator.queue_outcome("createRefund", "AmazonRejected")
    _refund(play, buyer, order)
    play.emulator.clock.advance("PT1M")
    seen = "the refund is Declined; the server says that the order is refunded"
    play.never(lambda: play.statement(buyer, order).get("state") == "refunded", seen)


def _is_exact(play: Play, order: dict[str, str], answer: Answer) -> None:
    total = sum(Decimal(row["refundAmount"]["amount"]) for row in play.objects("refunds"))
    seen = f"{total} of {order['amount']} {order['currency']} is refunded; the action answers {answer.status}"
    play.expect(total == Decimal(order["amount"]) and answer.status and answer.status < 400, seen)


def _paid(play: Play, *needs: str) -> tuple[Buyer, dict[str, str]]:
    buyer, order = play.wallet("charge", "refund", *needs), play.order()
    buyer.act("charge", **order)
    if not soon(lambda: play.states("charges") == ["Captured"]):
        raise NotTried("no charge is captured: see charge.paid.")
    if play.plan.actions.state:
        soon(lambda: play.statement(buyer, order).get("state") == "paid")
    return buyer, order


def _refund(play: Play, buyer: Buyer, order: dict[str, str]) -> Answer:
    answer = buyer.act("refund", **order)
    if not soon(partial(play.objects, "refunds")):
        raise NotTried("the server has sent no Create Refund that Amazon accepts: see refund.done.")
    return answer
