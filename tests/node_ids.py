"""The tests in a file, read without running it: browsers and SDKs need not be there."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def node_ids(file: str) -> frozenset[str]:
    """By their node ids as pytest takes them, without parameters."""
    path = ROOT / file
    return frozenset(_names_in(ast.parse(path.read_text("utf-8")).body, file)) if path.is_file() else frozenset()


def _names_in(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _names_in(node.body, f"{prefix}::{node.name}")
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield f"{prefix}::{node.name}"
