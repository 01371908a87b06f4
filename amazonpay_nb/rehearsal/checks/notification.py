"""Notifications: whoever can sign as Amazon is believed, nobody else; and what they say is looked up, once."""

import re
from contextlib import closing
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from amazonpay_nb.rehearsal.answer import Answer
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.notifications import SENDINGS, Sending, Stranger, Subject, send
from amazonpay_nb.rehearsal.outcome import Failed, NotTried
from amazonpay_nb.rehearsal.play import Play, check, words
from amazonpay_nb.spec.addresses import host_of

FAST_SECONDS, LATE_SECONDS = 3.0, 15.0
_MADE_UP = Subject("CHARGE", "S01-0000000-0000000-C000000", "S01-0000000-0000000")
Order = dict[str, str]


@check("notification.genuine", sends="genuine")
@check("notification.foreign-certificate", sends="foreign-certificate")
def answers(play: Play, sends: str) -> None:
    _send_all(play, sends, play.strangers())


@check("notification.forged")
def forged(play: Play) -> None:
    try:
        buyer, order, about = _pending(play)
    except NotTried:  # then the answers alone are seen
        _send_all(play, "forged", play.strangers())
        return
    before = words(play.statement(buyer, order))
    _send_all(play, "forged", [about])
    play.never(lambda: words(play.statement(buyer, order)) != before, f"before it {before}, and not so after it")


@check("notification.duplicate")
def duplicate(play: Play) -> None:
    buyer, order, about = _after_decision(play)
    _send_all(play, "duplicate", [about])
    play.reached(partial(_is_right, play, buyer, order))
    if "fulfilled" not in play.statement(buyer, order):
        raise NotTried("the action state does not say how often an order was fulfilled.")
    play.never(lambda: play.statement(buyer, order)["fulfilled"] > 1, "the order is fulfilled more than once")


@check("notification.out-of-order")
def out_of_order(play: Play) -> None:
    buyer, order, about = _after_decision(play)
    _send_all(play, "out-of-order", [about])
    seen = f"{play.money()} {order['currency']} is held or taken for the order"
    play.expect(play.reached(partial(_is_right, play, buyer, order)), f"{seen}; {words(play.statement(buyer, order))}")
    if play.plan.actions.refund and play.money():
        buyer.act("refund", **order)
        play.advance("PT1M")
        if play.reached(lambda: play.statement(buyer, order).get("state") == "refunded"):
            _send_all(play, "out-of-order", [about])
            seen = "the order is refunded, and after an old notification about its charge no longer"
            play.never(lambda: play.statement(buyer, order).get("state") != "refunded", seen)


@check("notification.unknown-object")
def unknown_object(play: Play) -> None:
    for about in (_MADE_UP, play.strangers()[1]):
        [answer] = _send(play, SENDINGS[0], about)
        play.expect(answer.status and answer.status < 500, f"the answer is {answer.status or 'missing'}")


@check("notification.fast-answer")
def fast_answer(play: Play) -> None:
    about = play.strangers()
    answers = _send(play, replace(SENDINGS[0], count=len(about), at_once=True), *about)
    slowest = max(answers, key=lambda answer: answer.seconds)
    seen = f"the slowest of {len(answers)} answers takes {slowest.seconds:.1f} s"
    play.expect(slowest.seconds <= LATE_SECONDS and slowest.status, seen)
    if slowest.seconds > FAST_SECONDS:
        raise Failed(seen, evidence=[slowest.number], advice=True)


@check("notification.gets-object")
def gets_object(play: Play) -> None:
    _, _, about = _pending(play)
    [answer] = _send(play, SENDINGS[0], about)

    def is_got() -> bool:
        rows = [row for row in play.exchanges("getCharge") if row["number"] > answer.number]
        return any(row["path"].endswith(about.object_id) for row in rows)

    play.expect(play.reached(is_got), f"no Get Charge of {about.object_id} follows; the answer is {answer.status}")


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
    """Send what the table has for a check, and require the right answers; what may be genuine is at least advice."""
    rows = [row for row in SENDINGS if row.check == name and (row.required or row.genuine)]
    for sending in sorted(rows, key=lambda row: not row.required):
        those = about[-1:] if sending.announces else about
        wrong = [one for one in _send(play, sending, *those) if not sending.is_right(one.status)]
        if wrong:
            what = re.sub("^one ", "a notification ", sending.sent)
            seen = f"{what} is answered by {wrong[0].status or 'nothing'}"
            raise Failed(seen, evidence=[one.number for one in wrong], advice=not sending.required)


def _pending(play: Play) -> tuple[Buyer, Order, Subject]:
    """Return a buyer with an order whose charge is pending, and this charge."""
    play.needs("charge")
    buyer = play.wallet()
    for state in ("CaptureInitiated", "AuthorizationInitiated"):
        order = play.order()
        play.outcome("createCharge", state)
        play.drill("lost")  # what a check sends is the first that the server hears
        buyer.act("charge", **order)
        if play.reached(play.charges, 2):
            charge = play.charges()[-1]
            if charge["statusDetails"]["state"] == state:
                return buyer, order, Subject("CHARGE", charge["chargeId"], charge["chargePermissionId"])
    raise NotTried("the server's charges cannot be pending.")


def _after_decision(play: Play) -> tuple[Buyer, Order, Subject]:
    """Return a buyer with an order on whose charge Amazon has decided, as the server is yet to hear, and the charge."""
    play.needs("charge", "state")
    pending = _pending(play)
    play.advance("PT1M")
    return pending


def _is_right(play: Play, buyer: Buyer, order: Order) -> bool:
    return play.statement(buyer, order).get("state") == ("paid" if play.money() else "declined")
