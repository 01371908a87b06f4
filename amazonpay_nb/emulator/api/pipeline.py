"""The emulated API: a route for each row of `spec.operations`, and one pipeline through which every call goes.

Fault before the work → authentication → throttling → replay of an idempotent answer → body → handler → answer kept.
Everything between the replay and the answer is one transaction.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import anyio
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from amazonpay_nb.emulator.api.authentication import IDEMPOTENCY_HEADER, authenticate
from amazonpay_nb.emulator.api.bodies import checked_body
from amazonpay_nb.emulator.api.request import Reply, Sent, received
from amazonpay_nb.emulator.control import CONTROL_PATH, control_error
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import payments, sessions
from amazonpay_nb.emulator.store import Record, to_json
from amazonpay_nb.emulator.world import Merchant, World
from amazonpay_nb.spec.operations import OPERATIONS, THROTTLES, Operation
from amazonpay_nb.spec.simulations import SIMULATION_HEADER, Simulation

__all__ = ["answer", "build_api", "direct", "routed_path"]

Body = dict[str, Any]
_LOG = logging.getLogger("uvicorn.error")
_LONGEST_KEY = 64  # as far as the journal repeats what is sent as a key
# What Amazon says with a status that a fault asks for.
_FAULT_REASONS = {408: "RequestTimeout", 429: "TooManyRequests", 500: "InternalServerError"}


class Call(NamedTuple):
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


_ENVIRONMENT_SEGMENT = re.compile(r"^/(sandbox|live)(?=/v2(/|$))", re.IGNORECASE)
_ROUTES = {(row.method, row.path): row for row in OPERATIONS.values()}


def routed_path(raw_path: str) -> str:
    """Return a path without environment segment and trailing slash."""
    return _ENVIRONMENT_SEGMENT.sub("", raw_path).rstrip("/")


def routed(method: str, path: str) -> tuple[Operation | None, str]:
    """Return the operation of a path, if there is one, and the id in it."""
    parts = path.split("/")
    object_id = "".join(parts[3:4])
    return _ROUTES.get((method, "/".join((*parts[:3], *("{id}" for _ in parts[3:4]), *parts[4:])))), object_id


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
        return _response(_refused(world, refusal))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return _response(_refused(world, BROKEN))


BROKEN = Refusal(500, "InternalServerError", "The emulator has failed; its log says where.")


def _refused(world: World, refusal: Refusal) -> Reply:
    return Reply(refusal.status, to_json(refusal.body), world.new_request_id())


def _response(reply: Reply) -> Response:
    return Response(reply.text, reply.status, reply.headers)


def _endpoint(world: World, operation: Operation) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        scope = request.scope
        sent = received(
            request.method, scope["path"], scope["raw_path"].decode("latin-1").partition("?")[0],
            scope["query_string"].decode("latin-1"), scope["headers"], raw,
        )  # fmt: skip
        object_id = request.path_params.get("id", "")
        fault = world.take_fault(operation.name)
        if fault and fault.fault == "delay":
            await anyio.sleep(fault.seconds)
        elif fault and fault.fault == "reset":
            return Aborting()
        elif fault and fault.fault == "status":
            reason = _FAULT_REASONS.get(fault.status, "ServiceUnavailable")
            reply = _refused(world, Refusal(fault.status, reason, "This answer was asked for: a fault."))
            _take_down(world, operation, sent, reply.status, json.loads(reply.text))
            return _response(reply)
        reply = answer(world, operation, object_id, sent)
        reply.afterwards()
        return Aborting() if fault and fault.fault == "drop-after-commit" else _response(reply)

    return endpoint


def answer(world: World, operation: Operation, object_id: str, sent: Sent) -> Reply:
    """Do what a request asks for, in one transaction."""
    try:
        merchant = authenticate(world, operation, sent)
        _throttle(world, operation, merchant)
        status, text, document = _once(world, operation, merchant, object_id, sent)
    except Refusal as refusal:
        status, text, document = refusal.status, to_json(refusal.body), refusal.body
    return Reply(status, text, world.new_request_id(), partial(_take_down, world, operation, sent, status, document))


def direct(
    world: World, method: str, raw_path: str, query: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> Reply | None:
    """Answer a plain request, or return None for one that is not: no such operation, or a fault is set for it."""
    path = routed_path(raw_path)
    operation, object_id = routed(method, path)
    if operation is None or world.has_fault(operation.name):
        return None
    try:
        return answer(world, operation, object_id, received(method, path, raw_path, query, headers, body))
    except Exception:  # noqa: BLE001 (one broken answer must not end the server)
        _LOG.exception("%s", operation.name)  # a path can hold a buyer's token
        return _refused(world, BROKEN)


def _once(world: World, operation: Operation, merchant: Merchant, object_id: str, sent: Sent) -> tuple[int, str, Body]:
    """Do the work, or replay the answer that the same idempotency key had before."""
    key = sent.headers.get(IDEMPOTENCY_HEADER, "") if operation.method == "POST" else ""
    with world.store.transaction():
        if key and (kept := world.store.answer(merchant.merchant_id, key)):
            request, status, text = kept
            if _same(request, _request(sent)):
                return status, text, json.loads(text)
            raise Refusal(
                400, "DuplicateIdempotencyKey", f"The idempotency key {key} was used for a different request before."
            )
        status, document = _work(world, operation, merchant, object_id, sent)
        text = world.store.written(document)
        # A refusal is an answer too; what the server could not do is not.
        if key and status < 500:
            world.store.remember(merchant.merchant_id, key, _request(sent), status, text)
        return status, text, document


def _work(world: World, operation: Operation, merchant: Merchant, object_id: str, sent: Sent) -> tuple[int, Body]:
    try:
        with world.store.undoing():
            body = checked_body(operation.body, sent.body) if operation.body else {}
            code = sent.headers.get(SIMULATION_HEADER)
            world.check_code(operation.name, code)
            record = HANDLERS[operation.name](Call(world, operation, merchant, object_id, body, code))
    except Refusal as refusal:
        return refusal.status, refusal.body
    status = operation.pending if operation.pending and record.hidden.get("pending") else operation.success
    return status, record.document


def _request(sent: Sent) -> bytes:
    """Return what an idempotency key belongs to."""
    return f"{sent.method} {sent.path}\n".encode() + sent.body


def _same(kept: bytes, now: bytes) -> bool:
    """Whether two requests ask for the same: operation, object and values, not the spelling of the JSON."""
    if kept == now:
        return True
    (first, one), (second, other) = (request.split(b"\n", 1) for request in (kept, now))
    try:
        return first == second and _values(one) == _values(other)
    except (ValueError, RecursionError):
        return False


def _values(raw: bytes) -> Any:
    return json.loads(raw or b"{}", parse_float=str)


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


def _take_down(world: World, operation: Operation, sent: Sent, status: int, answered: Body) -> None:
    """Note an exchange for `GET journal`, without signature and personal data: the ids and states are enough."""
    world.journal.append(
        {
            "at": world.clock.now().isoformat().replace("+00:00", "Z"),
            "operation": operation.name,
            "method": sent.method,
            "path": operation.path if operation.secret_id else sent.path,
            "status": status,
            "idempotencyKey": sent.headers.get(IDEMPOTENCY_HEADER, "")[:_LONGEST_KEY] or None,
            "bodyBytes": len(sent.body),
            "reasonCode": answered.get("reasonCode"),
            "state": (answered.get("statusDetails") or {}).get("state"),
            "ids": {name: value for name, value in answered.items() if name.endswith("Id") and isinstance(value, str)},
        }
    )
