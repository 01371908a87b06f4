"""The emulated API as an OpenAPI document, made from the tables: for other people's tools, and to test against."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from amazonpay_nb.spec import answers
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Idempotency, Operation
from amazonpay_nb.spec.reasons import REASONS, reasons_of
from amazonpay_nb.spec.requests import BODIES
from amazonpay_nb.spec.simulations import SIMULATION_HEADER, SIMULATIONS

Json = dict[str, Any]

_DOCUMENT = Path(__file__).parent / "templates/openapi.json"
_REF = "#/components/schemas/{model}"
# An operation, or the first part of its path → what is answered.
_ANSWERS: dict[str, type[BaseModel]] = {kind.path: kind.model for kind in KINDS.values()} | {
    "buyers": answers.Buyer, "files": answers.File, "deliveryTrackers": answers.DeliveryTracker,
    "disbursements": answers.Disbursements, "reports": answers.Report, "getReports": answers.Reports,
    "report-documents": answers.ReportDocument, "report-schedules": answers.ReportSchedule,
    "getReportSchedules": answers.ReportSchedules,
}  # fmt: skip
_DATE = r"^(\d{8}T\d{6}Z|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$"
# The signature itself is a security scheme.
_HEADERS = (
    ("x-amz-pay-date", "Time of signing, UTC.", {"type": "string", "pattern": _DATE}),
    ("x-amz-pay-host", "Amazon's host.", {"type": "string", "minLength": 1}),
    ("x-amz-pay-region", "The merchant account's region.", {"type": "string", "minLength": 1}),
)


def openapi(examples: Mapping[str, tuple[Any, Any]] | None = None) -> Json:
    """Return the document.

    Args:
        examples: Operation name → an example of its body (None for no body) and of its answer.
    """
    paths: defaultdict[str, Json] = defaultdict(dict)
    for operation in OPERATIONS.values():
        body, answer = (examples or {}).get(operation.name, (None, None))
        paths[operation.path][operation.method.lower()] = _operation(operation, body, answer)
    document: Json = json.loads(_DOCUMENT.read_text("utf-8"))
    bodies = (BODIES[each.body] for each in OPERATIONS.values() if each.body)
    models = [(model, "validation") for model in (*bodies, *_ANSWERS.values())]
    _, schemas = models_json_schema(models, ref_template=_REF)  # type: ignore[arg-type]
    document["components"]["schemas"] = _untitled(schemas["$defs"]) | document["components"]["schemas"]
    return document | {"paths": dict(paths)}


def _operation(operation: Operation, body: Any, answer: Any) -> Json:
    described: Json = {
        "operationId": operation.name,
        "summary": operation.title,
        "parameters": _parameters(operation),
        "responses": _responses(operation, answer),
    }
    if operation.body:
        required = bool(BODIES[operation.body].model_json_schema().get("required"))
        described["requestBody"] = {"required": required, "content": _content(operation.body, body)}
    return described


def _parameters(operation: Operation) -> list[Json]:
    def header(name: str, text: str, schema: Json, *, required: bool = True) -> Json:
        return {"name": name, "in": "header", "required": required, "description": text, "schema": schema}

    parameters = [header(*row) for row in _HEADERS]
    if "{id}" in operation.path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})
    if operation.query:
        fields = BODIES[operation.fields].model_json_schema()["properties"]
        optional = {name: schema for name, schema in fields.items() if "anyOf" in schema}
        parameters += [{"name": name, "in": "query", "schema": _present(schema)} for name, schema in optional.items()]
    if operation.idempotency is not Idempotency.WITHOUT_EFFECT:
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,32}$"}
        required = operation.idempotency is Idempotency.REQUIRED
        text = "The same key with the same request has the same answer, and does the work once."
        parameters.append(header("x-amz-pay-idempotency-key", text, schema, required=required))
    if codes := [row.code for row in SIMULATIONS.values() if row.operation == operation.name]:
        simulations: Json = {"type": "string", "enum": codes}
        parameters.append(
            header(SIMULATION_HEADER, "The outcome to simulate; Sandbox only.", simulations, required=False)
        )
    return parameters


def _present(schema: Json) -> Json:
    """Return a field of a query as a parameter: absent instead of null."""
    return _untitled(next(kind for kind in schema["anyOf"] if kind != {"type": "null"}))


def _responses(operation: Operation, answer: Any) -> Json:
    model = (_ANSWERS.get(operation.name) or _ANSWERS[operation.path.split("/")[2]]).__name__
    done = {"description": "Done; what counts is the state.", "content": _content(model, answer)}
    statuses = filter(None, (operation.success, operation.pending))
    responses: Json = {str(status): done for status in statuses}
    refusals: defaultdict[int, list[str]] = defaultdict(list)
    for code in reasons_of(operation.name):
        for status in REASONS[code].status_codes:
            refusals[status].append(code)
    for status in sorted(refusals):
        reason = {"type": "object", "properties": {"reasonCode": {"enum": sorted(set(refusals[status]))}}}
        responses[str(status)] = {
            "description": "Refused.",
            "content": {"application/json": {"schema": {"allOf": [{"$ref": _REF.format(model="Refusal")}, reason]}}},
        }
    return responses


def _content(model: str, example: Any) -> Json:
    media: Json = {"schema": {"$ref": _REF.format(model=model)}}
    return {"application/json": media if example is None else media | {"example": example}}


def _untitled(schema: Any) -> Any:
    # pydantic makes a title of every field's name, which says nothing new.
    if isinstance(schema, dict):
        kept = {name: value for name, value in schema.items() if name != "title" or not isinstance(value, str)}
        return {name: _untitled(value) for name, value in kept.items()}
    return [_untitled(item) for item in schema] if isinstance(schema, list) else schema
