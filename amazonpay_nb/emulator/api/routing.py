"""The emulated API over HTTP: find the operation of a request, and apply the faults on the way.

It is a separate ASGI application, because routing a request through a framework takes as long as answering it.
"""

import asyncio
import logging
import re
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from amazonpay_nb.emulator.api.pipeline import answer, journalize
from amazonpay_nb.emulator.api.request import ApiRequest, nothing_there, refused
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.operations import OPERATIONS, Operation

BROKEN = Refusal("InternalServerError", "The emulator has failed; its log says where.")
_LOG = logging.getLogger("uvicorn.error")
_ENVIRONMENT_SEGMENT = re.compile(r"^/(sandbox|live)(?=/v2(/|$))", re.IGNORECASE)
_ROUTES = {(row.method, row.path): row for row in OPERATIONS.values()}
_PATHS = {row.path for row in OPERATIONS.values()}
# Amazon's reason code for the status of a fault.
_FAULT_REASONS = {408: "RequestTimeout", 429: "TooManyRequests", 500: "InternalServerError"}


def routed_path(raw_path: str) -> str:
    """Return a path without environment segment and trailing slash."""
    return _ENVIRONMENT_SEGMENT.sub("", raw_path).rstrip("/")


def _template(path: str) -> tuple[str, str]:
    """Return a path as `spec.operations` writes it, and the id in it."""
    parts = path.split("/")
    object_id = "".join(parts[3:4])
    return ("/".join((*parts[:3], "{id}", *parts[4:])), object_id) if object_id else (path, "")


class Api:
    """Answers every operation.

    Args:
        drop: Drops the connection of a client, which is known by its address and port.
    """

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
        path, object_id = _template(request.path)
        operation = _ROUTES.get(("GET" if request.method == "HEAD" else request.method, path))
        if operation is None:
            return refused(self._world, nothing_there(request.method, request.path, path_exists=path in _PATHS))
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
            await asyncio.sleep(fault.seconds)
        reply = answer(self._world, operation, object_id, request)
        return None if fault.fault == "drop-after-commit" else reply
