"""The behaviour registry and the tests that it names: each one exists, and no claim loses its test unnoticed."""

import pytest

from amazonpay_nb.spec.parity import ROWS, Behaviour
from tests.node_ids import node_ids

TESTED = [row for row in ROWS if row.test]


@pytest.mark.parametrize("row", TESTED, ids=lambda row: row.id)
def test_the_test_of_a_claim_exists(row: Behaviour) -> None:
    """By its node id as pytest takes it, without parameters."""
    assert row.test in node_ids(row.test.partition("::")[0])


def test_ids_are_unique() -> None:
    """A table would let the second row hide the first."""
    ids = [row.id for row in ROWS]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_claim_has_a_test_or_a_reason(row: Behaviour) -> None:
    """One of the two, and a reason is a sentence."""
    assert bool(row.test) != bool(row.why_not)
    assert not row.why_not or (row.why_not[0].isupper() and row.why_not.endswith("."))
