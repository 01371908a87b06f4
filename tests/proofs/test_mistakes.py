"""The mistakes that people make in their own servers: each fails the check that is meant for it, and hardly another."""

import re
from pathlib import Path

import pytest

from amazonpay_nb.rehearsal.browser import program_here
from amazonpay_nb.rehearsal.plan import ROWS
from amazonpay_nb.rehearsal.rehearsal import rehearse
from tests.npm import unavailable
from tests.proofs.sizes import EDITION, size

PLAN = Path(__file__).parents[2] / "examples" / "shop_python_first_try" / "rehearsal.toml"
# Mistake → the check that finds it.
CHECKS = {
    "unsigned-change": "button.signature",
    "key-in-page": "button.no-secret",
    "own-script": "button.script-host",
    "return-once": "set-up.reload",
    "anybodys-session": "set-up.foreign-session",
    "unknown-session-breaks": "set-up.unknown-session",
    "declined-breaks": "set-up.declined",
    "late-breaks": "set-up.late",
    "lost-answer-is-failure": "set-up.lost-answer",
    "server-error-ends-visit": "set-up.server-error",
    "last-wallet": "charge.paid",
    "permission-not-read": "charge.reads-permission-first",
    "soft-decline-is-paid": "charge.soft-decline",
    "hard-decline-breaks": "charge.hard-decline",
    "new-key-each-try": "charge.lost-answer",
    "server-error-is-final": "charge.server-error",
    "throttled-is-final": "charge.throttled",
    "pending-is-paid": "charge.pending",
    "order-twice": "charge.same-order-twice",
    "closed-breaks": "charge.closed-permission",
    "limit-breaks": "charge.month-limit",
    "never-refunded": "refund.done",
    "refund-new-key": "refund.lost-answer",
    "refund-is-certain": "refund.declined",
    "signature-not-checked": "notification.forged",
    "any-certificate": "notification.foreign-certificate",
    "duplicate-ships": "notification.duplicate",
    "unknown-object-breaks": "notification.unknown-object",
    "work-first": "notification.fast-answer",
    "answer-is-enough": "notification.out-of-order",
    "news-is-believed": "notification.gets-object",
    "old-algorithm": "request.algorithm",
}
# As wrong after 503 as where no answer comes.
ALSO = {"refund-new-key": "refund.server-error"}
# Where nobody gets to Amazon, or no refund is asked for, more cannot be tried.
HIDE_OTHERS = {"unsigned-change", "never-refunded"}
# What is tried where captureNow does not take the money.
SECOND_CALLS = {"charge.capture-declined", "charge.capture-server-error"}
# In short, one of eight, and of the checks that which finds it: a buyer who saves a wallet and pays notices nothing.
HAPPY = ["set-up.completes", "charge.paid"]
TRIED = ["impatient", *list(CHECKS)[:: size(8, 1)]]


def test_every_mistake_has_its_check() -> None:
    """And no class is left out."""
    sources = PLAN.with_name("first_try.py").read_text("utf-8")
    names = re.findall(r"(?m)^class (\w+)\(", sources)
    kebab = {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in names}
    assert kebab == {*CHECKS, "impatient", "listening"}
    assert set(CHECKS.values()) <= set(ROWS)


@pytest.mark.parametrize("mistake", TRIED)
def test_a_mistake_fails_its_check_and_no_other(mistake: str) -> None:
    """Impatience is none: a client that sends each request once is right, if the buyer may ask again."""
    if program_here() is None:
        unavailable("Mistakes in servers", "install chromium")
    meant = {table[mistake] for table in (CHECKS, ALSO) if mistake in table}
    only = [] if EDITION == "long" else [*meant, *HAPPY]
    rehearsal = rehearse(PLAN, only=only, environment={"MISTAKE": mistake})
    failed = {one.row.id: one.seen for one in rehearsal.results if one.status == "failed"}
    assert failed.keys() == meant, failed
    if mistake not in HIDE_OTHERS:
        untried = {one.row.id for one in rehearsal.results if one.status == "not-tried"}
        assert untried == (SECOND_CALLS if EDITION == "long" else set())
