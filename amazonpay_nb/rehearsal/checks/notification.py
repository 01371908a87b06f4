"""Notifications: whoever can sign as Amazon is believed, nobody else; and what they say is looked up, once."""

import re
from contextlib import closing
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from amazonpay_nb.rehearsal.answer import Answer, Failed, NotTried, soon
from amazonpay_nb.rehearsal.notifications import MADE_UP, SENDINGS, Sending, Stranger, Subject, send
from amazonpay_nb.rehearsal.play import CALM_SECONDS, PENDING, Order, Play
from amazonpay_nb.spec.addresses import host_of

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
        [answer] = _send(play, SENDINGS[0], about)
        play.expect(answer.is_below(500), f"the answer is {answer.status or 'missing'}")


def fast_answer(play: Play) -> None:
    about = play.strangers()
    answers = _send(play, replace(SENDINGS[0], count=len(about), at_once=True), *about)
    slowest = max(answers, key=lambda answer: answer.seconds)
    seen = f"the slowest of {len(answers)} answers takes {slowest.seconds:.1f} s"
    play.expect(slowest.seconds <= LATE_SECONDS and slowest.status, seen)
    if slowest.seconds > FAST_SECONDS:
        raise Failed(seen, evidence=[slowest.number], advice=True)


def gets_object(play: Play) -> None:
    _, about = _pending(play)
    [answer] = _send(play, SENDINGS[0], about)

    def is_got() -> bool:
        return any(row["path"].endswith(about.object_id) for row in play.calls("getCharge", after=answer.number))

    play.expect(soon(is_got), f"no Get Charge of {about.object_id} follows; the answer is {answer.status}")


def _send(play: Play, sending: Sending, *about: Subject) -> list[Answer]:
    with closing(Stranger(play.emulator)) as stranger:
        answers = send(sending, about, play.emulator, stranger, play.post)
        elsewhere = play.emulator.refused_hosts & {host_of(urlsplit(sending.fields.get("SigningCertURL", "")).netloc)}
        play.emulator.refused_hosts.difference_update(elsewhere)
        status = answers[-1].status or "nothing"
        seen = f"the server fetches a stranger's certificate, and answers {status}"
        play.expect(not (stranger.visits or elsewhere), seen)
    return answers


def _send_all(play: Play, name: str, about: list[Subject]) -> None:
    # What may be genuine is at least advice, and so is what is accepted and dropped.
    advice: Failed | None = None
    for sending in (row for row in SENDINGS if row.check == name and (row.required or row.genuine)):
        those = about[-1:] if sending.announces else about
        wrong = [one for one in _send(play, sending, *those) if not sending.is_right(one.status)]
        if wrong:
            drops = not sending.genuine and _drops(play, sending, those, wrong)
            what = re.sub("^one ", "a notification ", sending.sent)
            seen = f"{what} is answered by {wrong[0].status or 'nothing'}{', and nothing follows' if drops else ''}"
            finding = Failed(seen, evidence=[one.number for one in wrong], advice=drops or not sending.required)
            if not finding.advice:
                raise finding
            advice = advice or finding
    if advice:
        raise advice


def _drops(play: Play, sending: Sending, about: list[Subject], answers: list[Answer]) -> bool:
    """Tell whether a server does nothing about what it has accepted, and something about what is genuine."""

    def acts(after: int, seconds: float = 5) -> bool:
        return bool(soon(lambda: play.calls(after=after), seconds))

    if not all(one.is_below(300) for one in answers):
        return False
    if acts(answers[0].number):  # or it still is at work on something genuine: later, the same again tells
        soon(lambda: not acts(len(play.exchanges), CALM_SECONDS))
        if acts(_send(play, sending, *about)[0].number):
            return False
    return acts(_send(play, SENDINGS[0], about[0])[0].number)


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
