"""What only the code shows: secrets are compared in constant time."""

import ast
from collections.abc import Iterator
from pathlib import Path

import amazonpay_nb

PACKAGE = Path(amazonpay_nb.__file__).parent
SECRETS = ("token", "secret", "digest", "hmac", "passphrase", "password")


def names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.Attribute):
            yield (part.id if isinstance(part, ast.Name) else part.attr).lower()
        if isinstance(part, ast.Constant) and part.value == "signature":  # a field of what arrives
            yield "secret"


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def test_no_secret_is_compared_a_character_at_a_time() -> None:
    """How long a comparison takes would tell how much of a guess is right."""
    found = [
        (module, ast.unparse(node))
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        if any(secret in name for name in names(node) for secret in SECRETS)
    ]
    assert found == []


def test_tokens_are_compared_in_constant_time() -> None:
    """That of the control interface, that of a form, and the signature of an address."""
    found = {module for module, tree in modules() if "compare_digest" in names(tree)}
    assert found == {"emulator/control.py", "emulator/pages/routes.py", "emulator/rules/reports.py"}
