"""The document and the page of the control interface: every call, with examples that another reader accepts."""

import json
from typing import Any

import jsonschema
import pytest

from tests.emulated import Shop
from tests.node_ids import ROOT

DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs/control.json").read_text("utf-8"))
PAGE = (ROOT / "docs/control.md").read_text("utf-8")
CALLS = [
    pytest.param(method, path, operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


@pytest.mark.parametrize(("method", "path", "operation"), CALLS)
def test_an_example_fits_its_schema(method: str, path: str, operation: dict[str, Any]) -> None:
    """And nothing else does; the page has a section for the call, with its sentence."""
    assert f"## {method.upper()} {path[1:]}\n\n{operation['summary']}\n" in PAGE
    names = {row["name"] for row in operation.get("parameters", ()) if row["in"] == "path"}
    assert names == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    if "requestBody" in operation:
        media = operation["requestBody"]["content"]["application/json"]
        validator = jsonschema.Draft202012Validator(media["schema"])
        validator.validate(media.get("example", {}))
        assert not validator.is_valid(media.get("example", {}) | {"nonsense": 1})


@pytest.mark.parametrize(("method", "path", "operation"), CALLS)
def test_a_call_exists(na: Shop, method: str, path: str, operation: dict[str, Any]) -> None:
    """Each is answered by its own function: what is missing is named, or done; no path is unknown."""
    control = na.emulator.control
    headers = {"authorization": f"Bearer {control.token}"}
    answer = na.http.request(method, control.url + path.format(kind="charges", object_id="x"), headers=headers)
    assert answer.status_code == 200 or answer.json()["error"] not in ("Not Found", "Method Not Allowed")
    for row in operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("required", ()):
        assert row in answer.text


def test_an_operation_has_a_name_of_its_own() -> None:
    """Tools make functions of them."""
    names = [row.values[2]["operationId"] for row in CALLS]
    assert len(set(names)) == len(names)
