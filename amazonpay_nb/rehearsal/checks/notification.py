"""Notifications: whoever can sign as Amazon is believed, nobody else; and what they say is looked up, once."""

from dataclasses import replace
from functools import partial

from amazonpay_nb.rehearsal.answer import Failed, NotTried, soon
from amazonpay_nb.rehearsal.notifications import MADE_UP, SENDINGS, Subject
from amazonpay_nb.rehearsal.play import PENDING, Order, Play

FAST_SECONDS, LATE_SECONDS = 3.0, 15.0


def answers(play: Play, sends: str) -> None:
    _send_all(play, sends, play.strangers())


def forged(play: Play) -> None:
    try:
        order, about = _pending(play)
    except NotTried:  # then the answers alone are seen
        _send_all(play, "forged", play.strangers())
        return
    before = order.words()
    _send_all(play, "forged", [about])
    play.never(lambda: order.words() != before, f"before it {before}, and not so after it")


def duplicate(play: Play) -> None:
    order, about = _decided(play)
    _send_all(play, "duplicate", [about])
    soon(partial(_is_right, order))
    if "fulfilled" not in order.statement():
        raise NotTried("the action state does not say how often an order was fulfilled.")
    play.never(lambda: order.statement()["fulfilled"] > 1, "the order is fulfilled more than once")


def out_of_order(play: Play) -> None:
    order, about = _decided(play)
    _send_all(play, "out-of-order", [about])
    is_right = soon(partial(_is_right, order))
    play.expect(is_right, f"{play.money()} {play.currency} is held or taken for the order; {order.words()}")
    if play.plan.actions.refund and play.money():
        order.act("refund")
        play.emulator.clock.advance("PT1M")
        if soon(lambda: order.state == "refunded"):
            _send_all(play, "out-of-order", [about])
            seen = "the order is refunded, and after an old notification about its charge no longer"
            play.never(lambda: order.state != "refunded", seen)


def unknown_object(play: Play) -> None:
    for about in (MADE_UP, play.strangers()[1]):
        [answer] = play.send(SENDINGS[0], about)
        play.expect(answer.is_below(500), f"the answer is {answer.status or 'missing'}")


def fast_answer(play: Play) -> None:
    about = play.strangers()
    answers = play.send(replace(SENDINGS[0], count=len(about), at_once=True), *about)
    slowest = max(answers, key=lambda answer: answer.seconds)
    seen = f"the slowest of {len(answers)} answers takes {slowest.seconds:.1f} s"
    play.expect(slowest.seconds <= LATE_SECONDS and slowest.status, seen)
    if slowest.seconds > FAST_SECONDS:
        raise Failed(seen, evidence=[slowest.number], advice=True)


def gets_object(play: Play) -> None:
    _, about = _pending(play)
    [answer] = play.send(SENDINGS[0], about)

    def is_got() -> bool:
        return any(row["path"].endswith(about.object_id) for row in play.calls("getCharge", after=answer.number))

    play.expect(soon(is_got), f"no Get Charge of {about.object_id} follows; the answer is {answer.status}")


def _send_all(play: Play, name: str, about: list[Subject]) -> None:
    advice: Failed | None = None
    for sending in (row for row in SENDINGS if row.check == name and (row.required or row.genuine)):
        try:
            play.judge(sending, about[-1:] if sending.announces else about)
        except Failed as finding:
            if not finding.advice:
                raise
            advice = advice or finding
    if advice:
        raise advice


def _pending(play: Play, *needs: str) -> tuple[Order, Subject]:
    """Return an order whose charge Amazon is yet to decide, and the charge."""
    buyer = play.wallet("charge", *needs)
    for state in reversed(PENDING):
        order = Order(play, buyer)
        play.control.post("notifications/drill", kind="lost")  # what a check sends is the first that the server hears
        if order.left_pending(state):
            charge = play.objects("charges")[-1]
            return order, Subject("CHARGE", charge["chargeId"], charge["chargePermissionId"])
    raise NotTried("the server's charges cannot be pending.")


def _decided(play: Play) -> tuple[Order, Subject]:
    """Return an order on whose charge Amazon has decided, as the server is yet to hear, and the charge."""
    pending = _pending(play, "state")
    play.emulator.clock.advance("PT1M")
    return pending


def _is_right(order: Order) -> bool:
    return order.state == ("paid" if order.play.money() else "declined")
