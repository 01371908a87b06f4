"""The control interface: what only the experimenter may do.  Never mixed with the emulated API, and behind a token."""

import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amazonpay_nb.emulator.clock import parse_duration
from amazonpay_nb.emulator.notifications.announce import announce, topic_of
from amazonpay_nb.emulator.notifications.post import Deliveries
from amazonpay_nb.emulator.records import AnyRecord
from amazonpay_nb.emulator.rules.transitions import move
from amazonpay_nb.emulator.world import Fault, Merchant, World
from amazonpay_nb.loopback import is_loopback, route
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.flows import CHECKOUT_SESSION, SIGN_IN
from amazonpay_nb.spec.machine import MERCHANT
from amazonpay_nb.spec.notifications import DRILLS, OBJECT_TYPES, STATE_CHANGE
from amazonpay_nb.spec.operations import KINDS, OPERATIONS
from amazonpay_nb.spec.states import MACHINES

__all__ = ["CONTROL_PATH", "ControlInterface", "control_error"]

CONTROL_PATH = "/_control"
Answer = dict[str, Any]
Call = Callable[[Request], Awaitable[Answer]]
B = TypeVar("B", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Advance(_Body):
    """How far virtual time is to move, as an ISO 8601 duration."""

    advance: str


class Outcome(_Body):
    """How the next calls of an operation are to end."""

    operation: str
    simulation_code: str
    times: int = Field(default=1, ge=1, le=1000)


class FaultBody(_Body):
    """What is to go wrong between client and emulator."""

    operation: str
    fault: Literal["delay", "reset", "status", "drop-after-commit"]
    status: int = Field(default=503, ge=400, le=599)
    seconds: float = Field(default=1.0, ge=0, le=600)
    times: int = Field(default=1, ge=1, le=1000)


class NewState(_Body):
    """The state to put a Charge Permission or a Charge in, as only Amazon, the buyer or the clock can."""

    state: str
    reason_code: str | None = None


class Snapshot(_Body):
    """Which snapshot to put back."""

    id: str


class PublicKey(_Body):
    """A public key to register, as Seller Central does."""

    public_key: str
    merchant_id: str | None = None


class Endpoint(_Body):
    """Where an account's notifications go, as Seller Central is told; null for nowhere."""

    url: str | None
    merchant_id: str | None = None


class Chargeback(_Body):
    """Which charge the buyer's bank takes back."""

    charge_id: str


class DrillBody(_Body):
    """How the next notifications are to be brought out of order."""

    kind: str


class ControlInterface:
    """The control interface of a world.

    Its functions are asynchronous without exception: they run in the one thread that owns the world.
    """

    def __init__(self, world: World, token: str, deliveries: Deliveries) -> None:
        self._world, self._token, self._deliveries = world, token, deliveries

    def routes(self) -> list[Route]:
        """Return a route for each call."""
        calls: list[tuple[str, str, Call]] = [
            ("GET", "clock", self._read_clock),
            ("POST", "clock", self._move_clock),
            ("POST", "outcomes", self._queue_outcome),
            ("POST", "faults", self._inject_fault),
            ("POST", "permissions/{id}", partial(self._cause, "Charge Permission")),
            ("POST", "charges/{id}", partial(self._cause, "Charge")),
            ("GET", "journal", self._journal),
            ("GET", "objects/{kind}", self._objects),
            ("GET", "objects/{kind}/{id}", self._object),
            ("GET", "visits", self._visits),
            ("POST", "snapshot", self._snapshot),
            ("POST", "restore", self._restore),
            ("POST", "reset", self._reset),
            ("POST", "keys", self._register_key),
            ("GET", "notifications", self._notifications),
            ("POST", "notifications/endpoint", self._set_endpoint),
            ("POST", "notifications/drill", self._drill),
            ("POST", "notifications/chargeback", self._dispute),
            ("POST", "notifications/{id}/redeliver", self._redeliver),
        ]
        return [route(method, f"{CONTROL_PATH}/{path}", self._endpoint(call)) for method, path, call in calls]

    def _endpoint(self, call: Call) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self._check_owner(request.headers)
            return JSONResponse(await call(request))

        return endpoint

    def _check_owner(self, headers: Mapping[str, str]) -> None:
        token = f"Bearer {self._token}".encode()
        if "origin" in headers or not hmac.compare_digest(headers.get("authorization", "").encode(), token):
            raise HTTPException(401, "The control interface needs its token, and no browser.")
        if not is_loopback(headers.get("host", "")):  # a name that someone else's server gave this address
            raise HTTPException(403, "The control interface is called by a loopback address.")

    # --- Time ---------------------------------------------------------------------------------------------------------

    async def _read_clock(self, request: Request) -> Answer:
        return _clock(self._world)

    async def _move_clock(self, request: Request) -> Answer:
        body = await _read(request, Advance)
        if self._world.clock.mode != "virtual":
            raise HTTPException(409, "The clock is real; start the emulator with --seed or --clock to advance it.")
        with _mistakes_as_400():
            moved = await self._deliveries.advance(parse_duration(body.advance))
        return _clock(self._world) | {"fired": moved}

    # --- What goes wrong, and what only Amazon or the buyer can cause -------------------------------------------------

    async def _queue_outcome(self, request: Request) -> Answer:
        body = await _read(request, Outcome)
        with _mistakes_as_400():
            self._world.queue_outcome(body.operation, body.simulation_code, body.times)
        return {"outcomes": {name: [row.code for row in rows] for name, rows in self._world.outcomes.items() if rows}}

    async def _inject_fault(self, request: Request) -> Answer:
        body = await _read(request, FaultBody)
        if body.operation not in OPERATIONS:
            raise HTTPException(400, f"{body.operation!r} is no operation; there are {', '.join(OPERATIONS)}.")
        faults = self._world.faults
        faults.append(Fault(body.operation, body.fault, body.status, body.seconds, body.times))
        return {"faults": [{"operation": f.operation, "fault": f.fault, "times": f.times} for f in faults]}

    async def _cause(self, kind: str, request: Request) -> Answer:
        """Take the row that leads to a state and that no merchant can take."""
        body = await _read(request, NewState)
        record, machine = self._find(kind, request.path_params["id"]), MACHINES[kind]
        row = machine.leading_to(record.state, body.state, body.reason_code)
        if row is None:
            rows = [r for r in machine.rows if r.source == record.state and r.actor != MERCHANT]
            possible = ", ".join(f"{r.target} ({r.reason})" if r.reason else r.target for r in rows)
            raise HTTPException(400, f"{record.id} is {record.state}; possible: {possible or 'nothing'}.")
        with self._world.store.transaction():
            move(self._world, record, row.trigger)
        return record.document

    # --- What happened ------------------------------------------------------------------------------------------------

    async def _journal(self, request: Request) -> Answer:
        return {"exchanges": list(self._world.journal)}

    async def _objects(self, request: Request) -> Answer:
        return {"objects": [record.document for record in self._world.store.every(_machine(request))]}

    async def _object(self, request: Request) -> Answer:
        return self._find(_machine(request), request.path_params["id"]).document

    async def _visits(self, request: Request) -> Answer:
        # Whose way back holds a text: a shop that gives each stay addresses of its own can tell them apart.
        text, store = request.query_params.get("returning", ""), self._world.store
        records = [record for kind in (CHECKOUT_SESSION, SIGN_IN) for record in store.mentioning(kind, text)]
        notes = [record.notes for record in records]
        return {"visits": [{"flow": one.flow, "visit": one.stay, "page": one.page} for one in notes]}

    def _find(self, kind: str, object_id: str) -> AnyRecord:
        record = self._world.store.get(kind, object_id)
        if record is None:
            raise HTTPException(404, f"There is no {kind} {object_id}.")
        return record

    # --- Whole worlds, accounts and keys ------------------------------------------------------------------------------

    async def _snapshot(self, request: Request) -> Answer:
        return {"id": self._world.store.snapshot()}

    async def _restore(self, request: Request) -> Answer:
        body = await _read(request, Snapshot)
        try:
            self._world.restore(body.id)
        except KeyError:
            raise HTTPException(404, f"There is no snapshot {body.id!r}.") from None
        return _clock(self._world)

    async def _reset(self, request: Request) -> Answer:
        self._world.reset()
        return _clock(self._world)

    async def _register_key(self, request: Request) -> Answer:
        body = await _read(request, PublicKey)
        merchant = self._account(body.merchant_id)
        with _mistakes_as_400():
            key_id, neutral = self._world.register_key(merchant, body.public_key)
        return {
            "merchantId": merchant.merchant_id,
            "storeId": merchant.store_id,
            "publicKeyId": key_id,
            "neutralPublicKeyId": neutral,
        }

    def _account(self, merchant_id: str | None) -> Merchant:
        merchant = next((one for one in self._world.merchants if merchant_id in (None, one.merchant_id)), None)
        if merchant is None:
            raise HTTPException(404, f"There is no merchant account {merchant_id!r}.")
        return merchant

    # --- Notifications ------------------------------------------------------------------------------------------------

    async def _notifications(self, request: Request) -> Answer:
        return {"notifications": [_shown(document) for document in await self._deliveries.announced()]}

    async def _set_endpoint(self, request: Request) -> Answer:
        body = await _read(request, Endpoint)
        merchant = self._account(body.merchant_id)
        with _mistakes_as_400():
            self._world.set_endpoint(merchant, _checked_endpoint(body.url))
        return {"url": body.url or None, "topicArn": topic_of(self._world, merchant.merchant_id)}

    async def _drill(self, request: Request) -> Answer:
        body = await _read(request, DrillBody)
        if body.kind not in DRILLS:
            raise HTTPException(400, f"{body.kind!r} is no drill; there are {', '.join(DRILLS)}.")
        self._world.outbox.drills.append(body.kind)
        return {"drills": list(self._world.outbox.drills)}

    async def _dispute(self, request: Request) -> Answer:
        world, body = self._world, await _read(request, Chargeback)
        charge = self._find("Charge", body.charge_id)
        dispute_id = f"{charge.id.rpartition('-')[0]}-B{world.new_digits(6)}"
        if world.merchant(charge.merchant_id).endpoint:
            with world.store.transaction():
                announce(world, charge, STATE_CHANGE, OBJECT_TYPES["Dispute"], dispute_id)
        return {"disputeId": dispute_id}

    async def _redeliver(self, request: Request) -> Answer:
        notification_id = request.path_params["id"]
        document = await self._deliveries.redeliver(notification_id)
        if document is None:
            raise HTTPException(404, f"There is no notification {notification_id}.")
        return _shown(document)


async def _read(request: Request, model: type[B]) -> B:
    """Return a body, or refuse it by naming the field that is wrong."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise HTTPException(400, f"{field or 'The body'}: {first['msg']}") from None


def _machine(request: Request) -> str:
    path = request.path_params["kind"]
    titles = {kind.path: title for title, kind in KINDS.items()}
    if path not in titles:
        raise HTTPException(404, f"{path!r} is no kind; there are {', '.join(titles)}.")
    return titles[path]


def _checked_endpoint(url: str | None) -> str:
    """Return an address that notifications may go to: this emulator calls nobody beyond this machine."""
    if not url:
        return ""
    parts = urlsplit(url)
    here = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS and "@" not in parts.netloc and parts.port != 0
    if not (here and url.isprintable()):  # `urlsplit` drops line breaks, so what it has read is not what is called
        raise ValueError(f"{url!r} cannot be an endpoint here; write http://127.0.0.1:PORT/path")
    return url


def _shown(document: Answer) -> Answer:
    """Return what the interface says of a notification."""
    return {
        name: document[name] for name in ("notificationId", "notificationType", "objectType", "objectId", "deliveries")
    }


def _clock(world: World) -> Answer:
    now = world.clock.now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"now": now, "mode": world.clock.mode}


@contextmanager
def _mistakes_as_400() -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise HTTPException(400, str(error)) from None


def control_error(error: HTTPException) -> Response:
    """Render a refusal of the control interface."""
    return JSONResponse({"error": error.detail.encode("utf-8", "replace").decode()}, error.status_code)
