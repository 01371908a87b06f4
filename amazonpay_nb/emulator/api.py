"""The emulated API: a route for each row of `spec.operations`, and one pipeline through which every call goes.

Fault before the work → authentication → throttling → replay of an idempotent answer → body → handler → answer kept.
Everything between the replay and the answer is one transaction.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from amazonpay_nb.emulator import payments, sessions
from amazonpay_nb.emulator.authentication import IDEMPOTENCY_HEADER, authenticate
from amazonpay_nb.emulator.control import CONTROL_PATH, control_error
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import Fault, Merchant, World
from amazonpay_nb.spec.operations import OPERATIONS, Operation
from amazonpay_nb.spec.regions import THROTTLES
from amazonpay_nb.spec.simulations import SIMULATION_HEADER, Simulation
from amazonpay_nb.spec.wire import BODIES

__all__ = ["build_api", "checked_body", "refused_body", "render"]

Body = dict[str, Any]
REQUEST_ID = "x-amz-pay-request-id"
_DEEPEST = 32  # more than any documented body; what is stored must be readable from any depth of calls
_LONGEST_KEY = 64  # as far as the journal repeats what is sent as a key


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, ready to be handled."""

    world: World
    operation: Operation
    merchant: Merchant
    object_id: str
    body: Body
    code: str | None

    def find(self, kind: str, object_id: str = "") -> Record:
        return self.world.find(kind, object_id or self.object_id, self.merchant.merchant_id)

    def outcome(self) -> Simulation | None:
        return self.world.take_outcome(self.operation.name, self.code)


Handler = Callable[[Call], Record]


def _changing(
    kind: str, change: Callable[[World, Record, Body, Simulation | None], Record], field: str = ""
) -> Handler:
    """A call that acts on an object named in the path, or in a *field* of the body."""
    return lambda call: change(
        call.world, call.find(kind, call.body[field] if field else ""), call.body, call.outcome()
    )


def _finalize(call: Call) -> Record:
    session = call.find("Checkout Session")
    return sessions.complete(call.world, session, call.body, call.outcome(), trigger="Finalize Checkout Session")


HANDLERS: dict[str, Handler] = {
    "createCheckoutSession": lambda call: sessions.create(call.world, call.merchant, call.body),
    "getCheckoutSession": lambda call: call.find("Checkout Session"),
    "updateCheckoutSession": _changing("Checkout Session", sessions.update),
    "completeCheckoutSession": _changing("Checkout Session", sessions.complete),
    "finalizeCheckoutSession": _finalize,
    "getChargePermission": lambda call: call.find("Charge Permission"),
    "updateChargePermission": _changing("Charge Permission", payments.update_charge_permission),
    "closeChargePermission": _changing("Charge Permission", payments.close_charge_permission),
    "createCharge": _changing("Charge Permission", payments.create_charge, "chargePermissionId"),
    "getCharge": lambda call: call.find("Charge"),
    "captureCharge": _changing("Charge", payments.capture_charge),
    "cancelCharge": _changing("Charge", payments.cancel_charge),
    "createRefund": _changing("Charge", payments.create_refund, "chargeId"),
    "getRefund": lambda call: call.find("Refund"),
    "getBuyer": lambda call: call.find("Buyer"),
}


# --- Bodies -----------------------------------------------------------------------------------------------------------


def render(document: Body) -> str:
    """Return a document as it goes over the wire."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def checked_body(model: str, raw: bytes) -> Body:
    """Return the body as Amazon would take it: known fields only, amounts normalised.

    An empty body, ``null`` and ``[]`` stand for an object without fields: SDKs send each of them.

    Raises:
        Refusal: 400, naming the field.
    """
    parsed = parsed_json(raw or b"{}", "The body")
    if parsed is None or parsed == []:
        parsed = {}
    if not isinstance(parsed, dict):
        raise Refusal(400, "InvalidRequestFormat", "The body must be a JSON object.")
    return validated(model, parsed)


def parsed_json(raw: bytes, what: str) -> Any:
    """Return the value of UTF-8 JSON; decimals stay text, since a float would round an amount.

    Raises:
        Refusal: 400 ``InvalidRequestFormat``.
    """
    try:
        text = raw.decode()
        parsed = json.loads(text, parse_float=str, parse_constant=str)
        if "\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode()  # half of a surrogate pair is no character
    except (ValueError, RecursionError):
        raise Refusal(400, "InvalidRequestFormat", f"{what} is not valid JSON.") from None
    # Counting brackets is cheap, and spares nearly every body the closer look.
    if text.count("{") + text.count("[") > _DEEPEST and _is_deeper(parsed, _DEEPEST):
        raise Refusal(400, "InvalidRequestFormat", f"{what} is nested more than {_DEEPEST} levels deep.")
    return parsed


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (not levels or any(_is_deeper(item, levels - 1) for item in inner))


def validated(model: str, parsed: Body) -> Body:
    """Check fields against a model of `spec.wire`.

    Raises:
        Refusal: 400 ``UnrecognizedField``, ``MissingParameterValue`` or ``InvalidParameterValue``.
    """
    try:
        return BODIES[model].model_validate(parsed).model_dump(by_alias=True, exclude_unset=True)
    except ValidationError as error:
        raise refused_body(error) from None


_KINDS = {
    "extra_forbidden": ("UnrecognizedField", "The field '{field}' is invalid for this API."),
    "missing": ("MissingParameterValue", "The value for {field} is missing."),
}


def refused_body(error: ValidationError) -> Refusal:
    """Name the worst problem: an unknown field first, then a missing one."""
    ranked = sorted(error.errors(), key=lambda e: [*_KINDS, e["type"]].index(e["type"]))
    worst = ranked[0]
    field = ".".join(str(part) for part in worst["loc"] if part not in ("str", "int", "float")) or "the body"
    reason, text = _KINDS.get(worst["type"], ("InvalidParameterValue", "The value provided for [{field}] is invalid: "))
    detail = "" if worst["type"] in _KINDS else worst["msg"].removeprefix("Value error, ") + "."
    last = field.rsplit(".", 1)[-1] if worst["type"] == "extra_forbidden" else field
    return Refusal(400, reason, text.format(field=last) + detail)


# --- The pipeline -----------------------------------------------------------------------------------------------------


class Aborting(Response):
    """Not an answer: the connection is dropped."""

    def __init__(self) -> None:
        super().__init__(status_code=500)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Abort the transport, then wait until the server has noticed."""
        scope["abort"]()
        while (await receive())["type"] != "http.disconnect":
            pass


def build_api(app: FastAPI, world: World) -> None:
    """Mount every operation."""
    for operation in OPERATIONS.values():
        # A plain route: the pipeline checks bodies itself, with Amazon's answers; FastAPI's checks would be in vain.
        app.add_route(operation.path, _endpoint(world, operation), methods=[operation.method], name=operation.name)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith(CONTROL_PATH):
            return control_error(error)
        path = request.scope["path"]
        refusal = {
            400: Refusal(400, "InvalidRequest", error.detail),
            405: Refusal(405, "UnsupportedOperation", f"{request.method} is not possible on {path}."),
        }.get(error.status_code, Refusal(404, "ResourceNotFound", f"There is nothing at {path}."))
        return _answer(world, refusal.status, render(refusal.body))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        refusal = Refusal(500, "InternalServerError", "The emulator has failed; its log says where.")
        return _answer(world, refusal.status, render(refusal.body))


def _answer(world: World, status: int, text: str) -> Response:
    return Response(text, status, {REQUEST_ID: world.new_request_id()}, "application/json")


def _endpoint(world: World, operation: Operation) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        fault = world.take_fault(operation.name)
        if fault and fault.fault in ("delay", "reset", "status"):
            if fault.fault == "delay":
                await anyio.sleep(fault.seconds)
            else:
                return _early(world, operation, request, fault)
        status, text = _handle(world, operation, request, raw)
        response = _answer(world, status, text)
        _take_down(world, operation, request, raw, status, text)
        return Aborting() if fault and fault.fault == "drop-after-commit" else response

    return endpoint


def _early(world: World, operation: Operation, request: Request, fault: Fault) -> Response:
    """End a call before anything was done."""
    if fault.fault == "reset":
        return Aborting()
    text = render(Refusal(fault.status, "ServiceUnavailable", "This answer is a fault that was asked for.").body)
    _take_down(world, operation, request, b"", fault.status, text)
    return _answer(world, fault.status, text)


def _handle(world: World, operation: Operation, request: Request, raw: bytes) -> tuple[int, str]:
    scope = request.scope
    sent_path = scope["raw_path"].decode("latin-1").partition("?")[0]
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    try:
        query = scope["query_string"].decode("latin-1")
        merchant = authenticate(world, operation, request.method, sent_path, query, pairs, raw)
        _throttle(world, operation, merchant)
        return _once(world, operation, merchant, request, raw)
    except Refusal as refusal:
        return refusal.status, render(refusal.body)


def _once(world: World, operation: Operation, merchant: Merchant, request: Request, raw: bytes) -> tuple[int, str]:
    """Do the work, or replay the answer that the same idempotency key had before."""
    key = request.headers.get(IDEMPOTENCY_HEADER, "") if operation.method == "POST" else ""
    fingerprint = _fingerprint(request, raw) if key else ""
    with world.store.transaction():
        if key and (kept := world.store.answer(merchant.merchant_id, key)):
            if kept[0] == fingerprint:
                return kept[1], kept[2]
            raise Refusal(
                400, "DuplicateIdempotencyKey", f"The idempotency key {key} was used for a different request before."
            )
        status, text = _work(world, operation, merchant, request, raw)
        # A refusal is an answer too; what the server could not do is not.
        if key and status < 500:
            world.store.remember(merchant.merchant_id, key, fingerprint, status, text)
        return status, text


def _work(world: World, operation: Operation, merchant: Merchant, request: Request, raw: bytes) -> tuple[int, str]:
    try:
        with world.store.undoing():
            body = checked_body(operation.body, raw) if operation.body else {}
            object_id = request.path_params.get("id", "")
            code = request.headers.get(SIMULATION_HEADER)
            world.check_code(operation.name, code)
            record = HANDLERS[operation.name](Call(world, operation, merchant, object_id, body, code))
    except Refusal as refusal:
        return refusal.status, render(refusal.body)
    status = operation.pending if operation.pending and record.hidden.get("pending") else operation.success
    return status, render(record.document)


def _fingerprint(request: Request, raw: bytes) -> str:
    """Return what makes two requests the same: operation, object and values, not the spelling of the JSON."""
    try:
        values = json.dumps(json.loads(raw or b"{}", parse_float=str), sort_keys=True)
    except (ValueError, RecursionError):
        values = raw.hex()
    return hashlib.sha256(f"{request.method} {request.scope['path']} {values}".encode()).hexdigest()


def _throttle(world: World, operation: Operation, merchant: Merchant) -> None:
    """Apply the documented leaky bucket: so many at once, so many a second afterwards."""
    quota = THROTTLES[operation.name].sandbox
    if not world.throttle or quota is None:
        return
    now = world.clock.now()
    level, since = world.quotas.get((merchant.merchant_id, operation.name), (float(quota.burst), now))
    level = min(quota.burst, level + (now - since).total_seconds() * quota.per_second)
    if level < 1:
        raise Refusal(429, "TooManyRequests", f"{operation.title} is limited to {quota.burst} at once.")
    world.quotas[merchant.merchant_id, operation.name] = (level - 1, now)


def _take_down(world: World, operation: Operation, request: Request, raw: bytes, status: int, text: str) -> None:
    """Note an exchange for `GET journal`, without signature and personal data: the ids and states are enough."""
    answer = json.loads(text)
    world.journal.append(
        {
            "at": world.clock.now().isoformat().replace("+00:00", "Z"),
            "operation": operation.name,
            "method": request.method,
            "path": request.url.path,
            "status": status,
            "idempotencyKey": request.headers.get(IDEMPOTENCY_HEADER, "")[:_LONGEST_KEY] or None,
            "bodyBytes": len(raw),
            "reasonCode": answer.get("reasonCode"),
            "state": (answer.get("statusDetails") or {}).get("state"),
            "ids": {name: answer[name] for name in answer if name.endswith("Id") and isinstance(answer[name], str)},
        }
    )
