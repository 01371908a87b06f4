"""The client's methods take exactly the fields that Amazon documents, and a type checker knows them."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from pydantic.alias_generators import to_snake

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency, Operation
from amazonpay_nb.spec.requests import BODIES

OPTIONS = {"idempotency_key", "simulation_code"}
SNIPPET = """
from amazonpay_nb.client import AmazonPayClient


def pay(client: AmazonPayClient) -> None:
    price = {{"amount": "14.00", "currencyCode": "USD"}}
    client.create_charge(charge_permission_id="C01", charge_amount=price, {field})
    client.get_charge("S01", simulation_code="x")
"""


def named(operation: Operation) -> tuple[set[str], set[str]]:
    """The parameters that a method names, and the keys of its TypedDict."""
    method = getattr(AmazonPayClient, to_snake(operation.name))
    parameters = inspect.signature(method).parameters
    keywords = {name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}
    if "fields" not in parameters:
        return keywords, set()
    (fields,) = get_args(get_type_hints(method)["fields"])
    return keywords, set(fields.__annotations__)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda row: row.name)
def test_a_method_has_the_fields_of_its_body(operation: Operation) -> None:
    """Named parameters and TypedDict together are a model of `spec.requests`, and overlap nowhere; so for a query."""
    keywords, fields = named(operation)
    model = BODIES.get(operation.fields)
    expected = set(model.model_fields) if model else set()
    assert not keywords & fields
    assert (keywords | fields) - OPTIONS == expected
    assert "simulation_code" in keywords
    assert ("idempotency_key" in keywords) == (operation.idempotency != Idempotency.WITHOUT_EFFECT)


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ('soft_descriptor="SHOP"', ""),
        ('soft_descripter="SHOP"', 'Unexpected keyword argument "soft_descripter"'),
        ('channel="Telegraph"', "has incompatible type \"Literal['Telegraph']\""),
        ("capture_now=1.5", "incompatible type"),
    ],
)
def test_a_type_checker_refuses_a_misspelled_field(tmp_path: Path, field: str, error: str) -> None:
    """What an editor completes, mypy checks."""
    snippet = tmp_path / "pay.py"
    snippet.write_text(SNIPPET.format(field=field), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(snippet)]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False)
    assert (checked.returncode, checked.stderr) == (bool(error), "")
    assert error in checked.stdout
