"""The checks of notifications: who can sign as Amazon is believed, nobody else; and what they say is looked up, once.

Each function judges a row of ``checks.toml``, as those of ``checks.py`` do.
"""

from dataclasses import replace
from functools import partial

from amazonpay_nb.rehearsal.notifications import MADE_UP, SENDINGS, Subject
from amazonpay_nb.rehearsal.order import Order
from amazonpay_nb.rehearsal.play import Play
from amazonpay_nb.rehearsal.server import soon

FAST_SECONDS, LATE_SECONDS = 3.0, 15.0  # for an answer


def answers(play: Play, about: list[Subject], sends: str, other: Subject | None = None) -> None:
    rows = (row for row in SENDINGS if row.check == sends and (row.required or not row.age_hours))
    play.judge_all(partial(play.judge, row, about[-1:] if row.announces else about, other=other) for row in rows)


def forged(play: Play, sends: str) -> None:
    pending = play.two_pending()
    if not pending:  # then the answers alone are seen
        answers(play, play.strangers(), sends)
        return
    (order, charge), before = pending[0], pending[0][0].words()
    seen = f"before it {before}, and not so after it"
    unchanged = partial(play.never, lambda: order.words() != before, seen, patient=True)
    play.judge_all([partial(answers, play, [charge], sends, pending[-1][1]), unchanged])


def duplicate(play: Play, order: Order) -> None:
    answers(play, [order.charge], "duplicate")
    soon(order.is_decided)
    play.need("fulfilled" in order.statement(), "the action state does not say how often an order was fulfilled.")
    order.expect_once(patient=True)


def out_of_order(play: Play, order: Order) -> None:
    answers(play, [order.charge], "out-of-order")
    soon(order.is_decided)
    play.expect(soon(order.agrees), order.situation())
    if play.plan.actions.refund and order.money():
        order.act("refund")
        play.emulator.clock.advance("PT1M")
        if soon(lambda: order.says("refunded")):
            answers(play, [order.charge], "out-of-order")
            seen = "the order is refunded, and after an old notification about its charge no longer"
            play.never(lambda: not order.says("refunded"), seen)


def unknown_object(play: Play, about: list[Subject]) -> None:
    for one in (MADE_UP, about[1]):
        [answer] = play.send(SENDINGS[0], one)
        play.expect(answer.is_below(500), f"the answer is {answer.status or 'missing'}")


def foreign_charge(play: Play, order: Order) -> None:
    number = (play.objects("charges")[-1].get("merchantMetadata") or {}).get("merchantReferenceId", "")
    play.need(number, "the charge has no merchantReferenceId, so that nothing tells whose order it pays for.")
    paid = order.says("paid")  # while its own charge is pending: see charge.pending
    play.send(SENDINGS[0], play.other_shop(number)[1])
    seen = "the order counts as paid, for which another shop's charge was captured"
    play.never(lambda: order.says("paid") and not paid, seen, patient=True)


def fast_answer(play: Play, about: list[Subject]) -> None:
    answers = play.send(replace(SENDINGS[0], count=len(about), at_once=True), *about)
    slowest = max(answers, key=lambda answer: answer.seconds)
    seen = f"the slowest of {len(answers)} answers takes {slowest.seconds:.1f} s"
    play.expect(slowest.seconds <= LATE_SECONDS and slowest.status, seen)
    play.expect(slowest.seconds <= FAST_SECONDS, seen, evidence=[slowest.number], advice=True)


def gets_object(play: Play, order: Order) -> None:
    [answer] = play.send(SENDINGS[0], order.charge)
    name = order.charge.object_id
    got = soon(partial(play.reads, name, answer.number))
    play.expect(got, f"no Get Charge of {name} follows; the answer is {answer.status}")
