"""The behaviour registry and the tests that it names: each one exists, and no claim loses its test unnoticed."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from amazonpay_nb.spec.parity import BEHAVIOURS, Behaviour
from amazonpay_nb.spec.parity_objects import ROWS as OBJECT_ROWS
from amazonpay_nb.spec.parity_protocol import ROWS as PROTOCOL_ROWS

ROOT = Path(__file__).parents[2]
# Topics and single claims that may be without a test, and why.  A claim that gets one leaves the list.
UNTESTED = {
    "notification": "The emulator sends no notifications yet.",
    "session.no-notification": "The emulator sends no notifications yet.",
    "buyer.token": "The emulator signs nobody in without a checkout.",
    "buyer.default-scope": "The emulator signs nobody in without a checkout.",
    "signin.touchless": "No page starts the flow without a click yet.",
    "update.setup-only-flag": "The notebook about payments will send both.",
    "mobile.no-signature": "The emulator has no start call for apps.",
    "mobile.return-link": "The emulator opens no app.",
    "id.session": "Nothing relies on more than its being a UUID.",
    "id.opaque": "It is advice to clients.",
    "throttling.undocumented-operations": "Two rows of the table of quotas; no test repeats them.",
    "amount.refund-ceiling": "Refunds are tried against their allowance only.",
    "amount.other-ceilings": "Rows of the table of ceilings; no test repeats them.",
    "region.address-fields": "Only one region's fields are tried.",
}
TESTED = [row for row in BEHAVIOURS.values() if row.test]


def names_in(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from names_in(node.body, f"{prefix}::{node.name}")
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield f"{prefix}::{node.name}"


@cache
def node_ids(file: str) -> frozenset[str]:
    """The tests in a file, read without running it: browsers and SDKs need not be there."""
    path = ROOT / file
    return frozenset(names_in(ast.parse(path.read_text("utf-8")).body, file)) if path.is_file() else frozenset()


@pytest.mark.parametrize("row", TESTED, ids=lambda row: row.id)
def test_the_test_of_a_claim_exists(row: Behaviour) -> None:
    """By its node id as pytest takes it, without parameters."""
    assert row.test in node_ids(row.test.partition("::")[0])


def test_ids_are_unique() -> None:
    """A table would let the second row hide the first."""
    ids = [row[0] for row in PROTOCOL_ROWS + OBJECT_ROWS]
    assert sorted(set(ids)) == sorted(ids)
    assert list(BEHAVIOURS) == ids


def test_only_listed_claims_are_without_a_test() -> None:
    """The list names no more of them than there are."""
    untested = [row for row in BEHAVIOURS.values() if not row.test]
    assert {row.id for row in untested if not {row.id, row.topic} & UNTESTED.keys()} == set()
    assert UNTESTED.keys() - {name for row in untested for name in (row.id, row.topic)} == set()
