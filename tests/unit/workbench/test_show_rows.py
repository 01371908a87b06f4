"""Tables of rows: whatever is made like the rows of `spec` is shown as one table."""

from dataclasses import dataclass

from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.reasons import STATE_REASONS
from amazonpay_nb.spec.words import CHANNELS, INITIATORS
from amazonpay_nb.workbench.show import show


@dataclass(frozen=True)
class SmallRow:
    """A row as a notebook might make one."""

    state: str
    next_step: str | None
    evidence: Evidence = Evidence.INFERRED


def test_a_column_is_a_field() -> None:
    """The caption is the name of the class; None is an empty cell."""
    shown = show([SmallRow("Open", None), SmallRow("Closed", "Start again")])
    assert [line.split() for line in shown.text.splitlines()] == [
        ["Small", "row"],
        ["state", "next", "step", "evidence"],
        ["──────", "───────────", "────────"],
        ["Open", "inferred"],
        ["Closed", "Start", "again", "inferred"],
    ]
    assert '<th scope="col"' in shown.html


def test_what_the_first_column_repeats_is_written_once() -> None:
    """As a heading of its group."""
    shown = show([SmallRow("Open", "One"), SmallRow("Open", "Two")], title="Steps")
    assert (shown.text.count("Open"), shown.html.count('scope="rowgroup" rowspan="2"')) == (1, 1)
    assert shown.text.startswith("Steps")


def test_a_list_of_two_kinds_makes_two_tables() -> None:
    """In the order in which they come."""
    captions = [block.caption for block in show([*INITIATORS, *CHANNELS]).blocks]
    assert captions == ["Initiator", "Channel"]


def test_a_table_of_spec_can_be_shown_as_it_is() -> None:
    """With every row."""
    text = show(STATE_REASONS).text
    assert all(row.code in text for row in STATE_REASONS)


def test_secrets_stay_hidden_in_a_cell() -> None:
    """As everywhere."""
    assert "lovelace" not in show([SmallRow("Open", "write to ada@lovelace.example")]).text
