"""Takes every call of the API through one pipeline.

Routing → faults → authentication → throttling → replay of an idempotent answer → body → handler → answer kept.
Everything between the replay and the answer is one transaction.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from amazonpay_nb.emulator.api.authentication import ApiRequest, authenticate
from amazonpay_nb.emulator.api.bodies import checked_fields
from amazonpay_nb.emulator.clock import zulu
from amazonpay_nb.emulator.records import AnyRecord, Merchant
from amazonpay_nb.emulator.refusal import Body, Refusal
from amazonpay_nb.emulator.rules import disputes, payments, reports, sessions
from amazonpay_nb.emulator.world import World
from amazonpay_nb.redaction import redact
from amazonpay_nb.signing.steps import IDEMPOTENCY_KEY
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Operation
from amazonpay_nb.spec.parts import to_json
from amazonpay_nb.spec.simulations import SIMULATION_HEADER

REQUEST_ID = "x-amz-pay-request-id"
BROKEN = Refusal("InternalServerError", "The emulator has failed; its log says where.")
_LOG = logging.getLogger("uvicorn.error")
_OTHER_VERSION = re.compile(r"(/(sandbox|live))?/v(?!2/)\d+/", re.IGNORECASE)
_ROUTES = {(row.method, row.path): row for row in OPERATIONS.values()}
_PATHS = {row.path for row in OPERATIONS.values()}
# Amazon's reason code for the status of a fault.
_FAULT_REASONS = {408: "RequestTimeout", 429: "TooManyRequests", 500: "InternalServerError"}
# What the journal repeats of a key and of a path, which a stranger can make as long as a request may be.
_LONGEST_KEY, _LONGEST_PATH = 64, 200
# What is answered by the calls that are about no object.
_ANSWERS: dict[str, Callable[[World, Merchant, Body], Body]] = {
    "createCheckoutSession": lambda world, merchant, body: sessions.new_session(world, merchant, body).document,
    "uploadFile": disputes.upload_file,
    "createDeliveryTracker": payments.create_tracker,
    "createReport": reports.create,
    "getReports": reports.list_reports,
    "createReportSchedule": reports.create_schedule,
    "getReportSchedules": reports.list_schedules,
    "getDisbursements": reports.list_disbursements,
}
# What a call changes or makes; the others read the object that they are about.
_CHANGES: dict[str, Callable[..., AnyRecord]] = {
    "updateCheckoutSession": sessions.update,
    "completeCheckoutSession": sessions.complete,
    "finalizeCheckoutSession": sessions.finalize,
    "updateChargePermission": payments.update_charge_permission,
    "closeChargePermission": payments.close_charge_permission,
    "createCharge": payments.create_charge,
    "captureCharge": payments.capture_charge,
    "cancelCharge": payments.cancel_charge,
    "createRefund": payments.create_refund,
    "updateDispute": disputes.update,
    "contestDispute": disputes.contest,
    "getReportDocument": reports.get_document,
    "cancelReportSchedule": reports.cancel_schedule,
}


def reply(world: World, status: int, text: str) -> Response:
    """Return an answer in JSON, with an id of its own."""
    headers = {"content-type": "application/json", REQUEST_ID: world.ids.new_request_id()}
    return Response(text, status, headers)


def refused(world: World, refusal: Refusal) -> Response:
    """Return a refusal as an answer."""
    return reply(world, refusal.status, to_json(refusal.body))


def nothing_there(method: str, path: str, *, path_exists: bool) -> Refusal:
    """Return the refusal of a path that does not exist, or of a method that is not possible on one that does."""
    if path_exists:
        return Refusal("RequestNotSupported", f"{method} is not possible on {path}.")
    if _OTHER_VERSION.match(path):
        return Refusal("InvalidAPIVersion", f"The version in {path} is not served; use /v2/.")
    return Refusal("ResourceNotFound", f"There is nothing at {path}.")


class Api:
    """Answers every operation; a separate application, since a framework takes as long to route as we to answer."""

    def __init__(self, world: World, drop: Callable[[tuple[str, int]], None]) -> None:
        self._world, self._drop = world, drop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or drop its connection."""
        reply = await self._reply(scope, receive)
        if reply is None:
            self._drop(scope["client"])
            while (await receive())["type"] != "http.disconnect":  # until the server has noticed
                pass
            return
        await reply(scope, receive, send)

    async def _reply(self, scope: Scope, receive: Receive) -> Response | None:
        try:
            body = await Request(scope, receive).body()
        except HTTPException as error:
            return refused(self._world, Refusal("InvalidRequest", error.detail))
        request = ApiRequest.read(scope, body)
        # A slash that is written as %2F is a part of an id, and no id has one.
        routed = request.raw_path if "%2f" in request.raw_path.lower() else request.path
        parts = routed.split("/")
        object_id = "".join(parts[3:4])
        path = "/".join((*parts[:3], "{id}", *parts[4:])) if object_id else routed  # as `spec.operations` has it
        operation = _ROUTES.get(("GET" if request.method == "HEAD" else request.method, path))
        if operation is None:
            return refused(self._world, nothing_there(request.method, routed, path_exists=path in _PATHS))
        try:
            return await self._through_faults(operation, object_id, request)
        except Exception:  # noqa: BLE001 (one broken answer must not end the connection)
            _LOG.exception("%s", operation.name)  # a path can hold a buyer's token
            return refused(self._world, BROKEN)

    async def _through_faults(self, operation: Operation, object_id: str, request: ApiRequest) -> Response | None:
        fault = self._world.take_fault(operation.name)
        if fault is None:
            return answer(self._world, operation, object_id, request)
        if fault.fault == "reset":
            return None
        if fault.fault == "status":
            reason = _FAULT_REASONS.get(fault.status, "ServiceUnavailable")
            refusal = Refusal(reason, "This answer was asked for: a fault.", status=fault.status)
            journalize(self._world, operation, request, refusal.status, refusal.body)
            return refused(self._world, refusal)
        if fault.fault == "delay":
            of_world = self._world.outbox.world
            await asyncio.sleep(fault.seconds)
            if self._world.outbox.world != of_world:  # another one was put in its place, which was asked nothing
                return None
        reply = answer(self._world, operation, object_id, request)
        return None if fault.fault == "drop-after-commit" else reply


def answer(world: World, operation: Operation, object_id: str, request: ApiRequest) -> Response:
    """Do what a request asks for, in one transaction."""
    try:
        merchant = authenticate(world, operation, request)
        _throttle(world, operation, merchant)
        status, text, document = _once(world, operation, merchant, object_id, request)
    except Refusal as refusal:
        status, text, document = refusal.status, to_json(refusal.body), refusal.body
    journalize(world, operation, request, status, document)
    return reply(world, status, text)


def _once(
    world: World, operation: Operation, merchant: Merchant, object_id: str, request: ApiRequest
) -> tuple[int, str, Body]:
    """Do the work, or replay the answer that the same idempotency key had before."""
    key = request.headers.get(IDEMPOTENCY_KEY, "") if operation.method == "POST" else ""
    with world.store.transaction():
        if key and (kept := world.store.answer(merchant.merchant_id, key)):
            first, status, text = kept
            if _same(first, _idempotent(request)):
                return status, text, json.loads(text)
            problem = f"The idempotency key {key} was used for a different request before."
            raise Refusal("DuplicateIdempotencyKey", problem)
        status, document = _work(world, operation, merchant, object_id, request)
        text = to_json(document)
        # A refusal is an answer too; a failure of the server is not.
        if key and status < 500:
            world.store.remember(merchant.merchant_id, key, _idempotent(request), status, text)
        return status, text, document


def _work(
    world: World, operation: Operation, merchant: Merchant, object_id: str, request: ApiRequest
) -> tuple[int, Body]:
    try:
        body = checked_fields(operation, request.body, request.query) if operation.fields else {}
        outcome = world.outcome_of(operation.name, request.headers.get(SIMULATION_HEADER))
        if operation.name in _ANSWERS:
            return operation.success, _ANSWERS[operation.name](world, merchant, body)
        record = world.find(operation.on, object_id or body[KINDS[operation.on].id_field], merchant.merchant_id)
        if change := _CHANGES.get(operation.name):
            record = change(world, record, body, outcome or world.take_outcome(operation.name))
    except Refusal as refusal:
        if not refusal.keep:
            world.store.undo()
        return refusal.status, refusal.body
    status = operation.pending if operation.pending and record.notes.pending else operation.success
    return status, record.document


def _idempotent(request: ApiRequest) -> bytes:
    """Return what an idempotency key belongs to."""
    query = f"?{request.query}" if request.query else ""
    return f"{request.method} {request.path}{query}\n".encode() + request.body


def _same(kept: bytes, now: bytes) -> bool:
    """Tell whether two requests ask for the same operation, object and values, however the JSON is spelled."""
    if kept == now:
        return True
    try:
        parts = (request.partition(b"\n") for request in (kept, now))
        first, second = ((target, json.loads(body or b"{}", parse_float=str)) for target, _, body in parts)
        return first == second
    except (ValueError, RecursionError):
        return False


def _throttle(world: World, operation: Operation, merchant: Merchant) -> None:
    """Apply the documented leaky bucket: a burst at once, then a number per second."""
    if not world.throttle:
        return
    quota, now = operation.quota.sandbox, world.clock.now()
    level, since = world.quotas.get((merchant.merchant_id, operation.name), (float(quota.burst), now))
    passed = max(0.0, (now - since).total_seconds())  # a clock can be set back
    level = min(quota.burst, level + passed * quota.per_second) - 1
    # Also where it is refused, so that time counts from here.
    world.quotas[merchant.merchant_id, operation.name] = (level if level >= 0 else level + 1, now)
    if level < 0:
        raise Refusal("TooManyRequests", f"{operation.title} is limited to {quota.burst} at once.")


def journalize(world: World, operation: Operation, request: ApiRequest, status: int, document: Body) -> None:
    """Record an exchange for `GET journal`, with ids and states but without signature and personal data."""
    path = request.path[: 4 * _LONGEST_PATH]  # a stranger's may be long, and everybody waits while it is read
    world.journal.append(
        {
            "at": zulu(world.clock.now(), "auto"),
            "operation": operation.name,
            "method": request.method,
            "path": operation.path if operation.secret_id else redact(path)[:_LONGEST_PATH],
            "status": status,
            "idempotencyKey": request.headers.get(IDEMPOTENCY_KEY, "")[:_LONGEST_KEY] or None,
            "algorithm": request.headers.get("authorization", "").partition(" ")[0][:_LONGEST_KEY] or None,
            "bodyBytes": len(request.body),
            "reasonCode": document.get("reasonCode"),
            "state": (document.get("statusDetails") or {}).get("state"),
            "ids": {
                name: value[:_LONGEST_PATH]
                for name, value in document.items()
                if name.endswith("Id") and isinstance(value, str)
            },
        }
    )
