"""The control interface as a page and as an OpenAPI document: its calls, each played just now on an emulator."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.alias_generators import to_camel

from amazonpay_nb.emulator.control import CALLS
from amazonpay_nb.emulator.world import Fault
from amazonpay_nb.lessons.account import MerchantAccount

Json = dict[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
# Call → the fields of its example, in the order in which the examples are played; {…} stands for something that exists,
# and the public key, which is in the form that a client has of it, for one that was made for the example.
_EXAMPLES: dict[str, Json] = json.loads((TEMPLATES / "examples.json").read_text("utf-8"))


@dataclass(frozen=True)
class Call:
    """A call and its example."""

    method: str
    path: str
    sentence: str
    fields: type[BaseModel]
    example: Json
    answer: Json

    @property
    def name(self) -> str:
        """Its identity, in both documents."""
        return f"{self.method} {self.path}"

    def in_path(self, name: str) -> bool:
        """Tell whether a field is a part of the path."""
        return f"{{{name}}}" in self.path


def calls() -> list[Call]:
    """Play all examples on an emulator of its own, and return the calls in the order of the page."""
    with MerchantAccount.new() as account:
        answers = dict(_played(account))
    return [
        Call(method, path, inspect.getdoc(call) or "", _fields_of(call, fixed), *answers[f"{method} {path}"])
        for name in _EXAMPLES
        for (method, path), (call, fixed) in CALLS.items()
        if name == f"{method} {path}"
    ]


def _played(account: MerchantAccount) -> Iterator[tuple[str, tuple[Json, Json]]]:
    if missing := {f"{method} {path}" for method, path in CALLS} ^ set(_EXAMPLES):
        raise ValueError(f"examples and calls differ: {', '.join(sorted(missing))}")
    control, known = account.emulator.control, dict[str, str]()
    control.post("notifications/endpoint", url="http://127.0.0.1:9/news")
    known["{charge}"], known["{paid}"], known["{paid too}"] = (
        account.charge(), account.charge(capture_now=True), account.charge(capture_now=True),
    )  # fmt: skip
    known["{permission}"] = account.wallet()
    for name, example in _EXAMPLES.items():
        method, path = name.split()
        filled = {field: known.get(str(value), value) for field, value in example.items()}
        place = path.format(**filled)
        body = {field: value for field, value in filled.items() if f"{{{field}}}" not in path}
        sent = body | ({"publicKey": account.emulator.merchant.keys.public_pem} if "publicKey" in body else {})
        if method == "POST":
            answer = control.post(place, **sent)
        else:
            answer = control.get(place + "?" + "&".join(f"{key}={value}" for key, value in sent.items()))
        known |= _found(name, answer)
        yield name, (filled, _stable(answer))


def _found(name: str, answer: Json) -> dict[str, str]:
    """Return what later examples refer to."""
    if name == "POST disputes":
        return {"{dispute}": answer["disputeId"]}
    if name == "POST snapshot":
        return {"{snapshot}": answer["id"]}
    return {"{notification}": answer["notifications"][-1]["notificationId"]} if name == "GET notifications" else {}


def _stable(value: Any) -> Any:
    """Return an answer with the last item of each long list, and without what differs from run to run."""
    if isinstance(value, list):
        return [_stable(item) for item in value[-1:]]
    if isinstance(value, dict):
        return {name: _stable("…" if name == "idempotencyKey" and item else item) for name, item in value.items()}
    return value


def _fields_of(call: Any, fixed: Json) -> type[BaseModel]:
    function = getattr(call, "raw_function", call)
    parameters = {name: row for name, row in inspect.signature(function).parameters.items() if name != "self"}
    if any(row.kind is inspect.Parameter.VAR_KEYWORD for row in parameters.values()):
        return Fault
    rows: Json = {
        name: (row.annotation, ... if row.default is inspect.Parameter.empty else row.default)
        for name, row in parameters.items()
        if name not in fixed
    }
    return create_model("Fields", **rows)


def properties(call: Call) -> Iterator[tuple[str, Json, bool]]:
    """Give each field's name as it is sent, its schema without titles, and whether it is required."""
    schema = call.fields.model_json_schema()
    for name, row in schema.get("properties", {}).items():
        kept = {key: value for key, value in row.items() if key != "title"}
        yield name if call.in_path(name) else to_camel(name), kept, name in schema.get("required", ())


def kind(schema: Json) -> str:
    """Return what a field may hold."""
    kinds = schema.get("anyOf", [schema])
    words = [
        ", ".join(f"`{value}`" for value in kind["enum"]) if "enum" in kind else kind["type"] for kind in kinds
    ]  # fmt: skip
    bounds = [
        f"{word} {kinds[0][key]:g}"
        for key, word in (("minimum", "at least"), ("maximum", "at most"))
        if key in kinds[0]
    ]
    return ", ".join([" or ".join(words), *bounds])


def command(call: Call) -> str:
    """Return a call's example for a shell."""
    body = {name: value for name, value in call.example.items() if not call.in_path(name)}
    place = call.path.format(**call.example)
    if call.method == "GET" and body:
        place += "?" + "&".join(f"{name}={value}" for name, value in body.items())
    data = f" \\\n  -d '{json.dumps(body, ensure_ascii=False)}'" if call.method == "POST" and body else ""
    verb = " -X POST" if call.method == "POST" and not body else ""
    return f'curl -H "Authorization: Bearer $TOKEN"{verb} "$CONTROL/{place}"{data}'


def short(answer: Json) -> Json:
    """Return what an example shows of a stored object: its ids and its state."""
    if "statusDetails" in answer:
        ids = {name: value for name, value in answer.items() if name.endswith("Id") and value}
        return ids | {"statusDetails": answer["statusDetails"], "…": "…"}
    return {
        name: [short(item) if isinstance(item, dict) else item for item in value] if isinstance(value, list) else value
        for name, value in answer.items()
    }


def control_openapi() -> Json:
    """Return the OpenAPI document."""
    paths: dict[str, Json] = {}
    refused = {"$ref": "#/components/responses/Refused"}
    for call in calls():
        operation: Json = {
            "operationId": re.sub(r"[^a-z]+", "-", call.name.lower()).strip("-"),
            "summary": call.sentence,
            "responses": {
                "200": {
                    "description": "Done.",
                    "content": {"application/json": {"schema": {"type": "object"}, "example": call.answer}},
                },
                "4XX": refused,
            },
        }  # fmt: skip
        fields = list(properties(call))
        outside = [row for row in fields if call.in_path(row[0]) or call.method == "GET"]
        if outside:
            operation["parameters"] = [
                {"name": name, "in": "path" if call.in_path(name) else "query", "required": required, "schema": schema}
                for name, schema, required in outside
            ]
        inside = [row for row in fields if row not in outside]
        if inside:
            body = {name: value for name, value in call.example.items() if not call.in_path(name)}
            required = [name for name, _, needed in inside if needed]
            schema = {
                "type": "object",
                "properties": {name: row for name, row, _ in inside},
                "additionalProperties": False,
            }
            media = {"schema": schema | ({"required": required} if required else {})} | (
                {"example": body} if body else {}
            )
            operation["requestBody"] = {"required": bool(required), "content": {"application/json": media}}
        paths.setdefault(f"/{call.path}", {})[call.method.lower()] = operation
    document: Json = json.loads((TEMPLATES / "control.json").read_text("utf-8"))
    return document | {"paths": paths}
