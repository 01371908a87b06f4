"""The behavior registry and the tests that it names: each one exists, and no claim loses its test unnoticed."""

from collections import Counter

from amazonpay_nb.spec.parity import ROWS
from tests.node_ids import node_ids


def test_the_test_of_a_claim_exists() -> None:
    """By its node id as pytest takes it, without parameters."""
    missing = {
        row.id: row.test for row in ROWS if row.test and row.test not in node_ids(row.test.partition("::")[0])
    }  # fmt: skip
    assert missing == {}, "no such tests"


def test_ids_are_unique() -> None:
    """A table would let the second row hide the first."""
    assert [claim for claim, times in Counter(row.id for row in ROWS).items() if times > 1] == []


def test_a_claim_has_a_test_or_a_reason() -> None:
    """One of the two, and a reason is a sentence."""
    undecided = [row.id for row in ROWS if bool(row.test) == bool(row.why_not)]
    assert undecided == [], "name a test or say why there is none"
    reasons = {row.id: row.why_not for row in ROWS if row.why_not}
    unfinished = [name for name, text in reasons.items() if not (text[0].isupper() and text.endswith("."))]
    assert unfinished == [], "a reason is a sentence"
