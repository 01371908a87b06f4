"""The behaviour registry and the tests that it names: each one exists, and no claim loses its test unnoticed."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from amazonpay_nb.spec.parity import ROWS, Behaviour

ROOT = Path(__file__).parents[2]
TESTED = [row for row in ROWS if row.test]


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
    ids = [row.id for row in ROWS]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_claim_has_a_test_or_a_reason(row: Behaviour) -> None:
    """One of the two, and a reason is a sentence."""
    assert bool(row.test) != bool(row.why_not)
    assert not row.why_not or (row.why_not[0].isupper() and row.why_not.endswith("."))
