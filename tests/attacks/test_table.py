"""The list of attacks and the promises of SECURITY.md: neither has anything that the other lacks."""

import re

from tests.attacks.table import ATTACKS
from tests.faults.table import MISHAPS
from tests.node_ids import ROOT, node_ids

PROMISES = re.findall(r"^- \*\*(.+?)\*\* ", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE)


def test_the_test_of_an_attack_or_mishap_exists() -> None:
    """By its node id as pytest takes it."""
    missing = {
        row[0]: row.test for row in (*ATTACKS, *MISHAPS) if row.test not in node_ids(row.test.partition("::")[0])
    }
    assert missing == {}, "no such tests"


def test_every_promise_is_attacked_and_every_attack_breaks_a_promise() -> None:
    """In the order of SECURITY.md."""
    assert list(dict.fromkeys(attack.promise for attack in ATTACKS)) == PROMISES


def test_an_attack_is_a_row_of_its_own() -> None:
    """An id for each, a test of its own, and sentences."""
    for column in ("id", "test"):
        assert len({getattr(attack, column) for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.attempt[0].isupper() and attack.attempt.endswith(".") for attack in ATTACKS)


def test_every_test_of_an_attack_is_in_the_list() -> None:
    """A test that nobody names proves nothing to a reader."""
    files = sorted(path for path in (ROOT / "tests/attacks").glob("test_*.py") if path.name != "test_table.py")
    ours = {name for path in files for name in node_ids(path.relative_to(ROOT).as_posix())}
    assert ours - {attack.test for attack in ATTACKS} == WITNESSES


# What holds where an attack is not one.
WITNESSES = {
    "tests/attacks/test_names.py::test_a_signed_call_may_use_any_name",
    "tests/attacks/test_names.py::test_behind_a_hub_visitors_come_under_its_name",
}
