"""Checks the body of a call before the rules see it."""

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from amazonpay_nb.emulator.refusal import Body, Refusal
from amazonpay_nb.spec.operations import Operation
from amazonpay_nb.spec.requests import BODIES


def read_once(pairs: list[tuple[str, Any]], code: str = "InvalidRequestFormat") -> Body:
    """Return an object, or refuse it: two values of one key can be read in two ways."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Refusal(code, f"The field {twice[:64]!r} occurs twice; send it once.")
    return fields


# Built once: `json.loads` with options makes a new decoder at each call.
_DECODE = json.JSONDecoder(parse_float=str, parse_constant=str, object_pairs_hook=read_once).decode
_DEEPEST = 32  # deeper than any documented body; stored documents must be readable at any depth of calls


def checked_fields(operation: Operation, raw: bytes, query: str) -> Body:
    """Return the fields of a call as Amazon would take them, or refuse it: known ones only, amounts normalized.

    An empty body, ``null`` and ``[]`` mean an object without fields: SDKs send each of them.  What a query holds
    besides the fields is ignored.
    """
    model, parsed = BODIES[operation.fields], parsed_json(raw or b"{}", "The body") if operation.body else {}
    values = {} if parsed is None or parsed == [] else parsed
    if operation.query and isinstance(values, dict):
        names = {to_camel(name) for name, field in model.model_fields.items() if not field.is_required()}
        for text in (query, dict(parse_qsl(query)).get("nextToken", query)):  # a token is the query of the next page
            asked = read_once(parse_qsl(text), "InvalidParameterValue")
        values = read_once([*values.items(), *((name, text) for name, text in asked.items() if name in names)])
    return validated(model, values, "The body")


def validated(model: type[BaseModel], value: Any, what: str) -> Body:
    """Return the known fields of a JSON object, or refuse it."""
    if not isinstance(value, dict):
        raise Refusal("InvalidRequestFormat", f"{what} must be a JSON object.")
    try:
        return model.model_validate(value).model_dump(by_alias=True, exclude_unset=True)
    except ValidationError as error:
        raise _refused(error) from None


def parsed_json(raw: bytes, what: str) -> Any:
    """Return the value of UTF-8 JSON, or refuse it; decimals stay text, since a float would round an amount."""
    try:
        text = raw.decode()
        parsed = _DECODE(text)
        if "\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode()  # half of a surrogate pair is no character
    except (ValueError, RecursionError):
        raise Refusal("InvalidRequestFormat", f"{what} is not valid JSON.") from None
    # Counting brackets is cheap, and nearly every body needs no closer look.
    if text.count("{") + text.count("[") > _DEEPEST and _is_deeper(parsed, _DEEPEST):
        raise Refusal("InvalidRequestFormat", f"{what} is nested more than {_DEEPEST} levels deep.")
    return parsed


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (not levels or any(_is_deeper(item, levels - 1) for item in inner))


_KINDS = {
    "extra_forbidden": ("UnrecognizedField", "The field '{field}' is invalid for this API."),
    "missing": ("MissingParameterValue", "The value for {field} is missing."),
}


def _refused(error: ValidationError) -> Refusal:
    """Name the worst problem: an unknown field first, then a missing one."""
    worst = min(error.errors(), key=lambda e: [*_KINDS, e["type"]].index(e["type"]))
    field = ".".join(str(part) for part in worst["loc"] if part not in ("str", "int", "float")) or "the body"
    reason, text = _KINDS.get(worst["type"], ("InvalidParameterValue", "The value provided for [{field}] is invalid: "))
    problem = worst["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
    detail = "" if worst["type"] in _KINDS else f"{problem}."
    last = field.rsplit(".", 1)[-1] if worst["type"] == "extra_forbidden" else field
    return Refusal(reason, text.format(field=last) + detail)
