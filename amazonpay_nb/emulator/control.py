"""The control interface: what only the experimenter may do.  Never mixed with the emulated API, and behind a token."""

import hmac
from collections.abc import Callable
from datetime import UTC
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException

from amazonpay_nb.emulator.clock import parse_duration
from amazonpay_nb.emulator.notifications.announce import announce, topic_of
from amazonpay_nb.emulator.notifications.post import Deliveries
from amazonpay_nb.emulator.rules.transitions import move
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import Fault, Merchant, World
from amazonpay_nb.loopback import is_loopback
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.flows import CHECKOUT_SESSION, SIGN_IN
from amazonpay_nb.spec.machine import MERCHANT
from amazonpay_nb.spec.notifications import DRILLS, OBJECT_TYPES, STATE_CHANGE
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.states import MACHINES

__all__ = ["CONTROL_PATH", "build_control", "control_error"]

CONTROL_PATH = "/_control"
KINDS = {
    "checkoutSessions": "Checkout Session",
    "chargePermissions": "Charge Permission",
    "charges": "Charge",
    "refunds": "Refund",
}
Answer = dict[str, Any]
T = TypeVar("T")


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


def build_control(  # noqa: C901 (a function for each call)
    app: FastAPI, world: World, token: str, deliveries: Deliveries
) -> None:
    """Mount the control interface."""

    async def owner(
        authorization: str = Header(default=""), origin: str = Header(default=""), host: str = Header(default="")
    ) -> None:
        if origin or not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "The control interface needs its token, and no browser.")
        if not is_loopback(host):  # a name that someone else's server gave this address
            raise HTTPException(403, "The control interface is called by a loopback address.")

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        return control_error(
            HTTPException(400, f"{field or 'The body'}: {first['msg']}".encode("utf-8", "replace").decode())
        )

    # Asynchronous functions all: they run in the one thread that owns the world.
    router = APIRouter(prefix=CONTROL_PATH, dependencies=[Depends(owner)], include_in_schema=False)

    @router.get("/clock")
    async def read_clock() -> Answer:
        return _clock(world)

    @router.post("/clock")
    async def move_clock(body: Advance) -> Answer:
        if world.clock.mode != "virtual":
            raise HTTPException(409, "The clock is real; start the emulator with --seed or --clock to advance it.")
        by = _or_400(lambda: parse_duration(body.advance))
        try:
            fired = await deliveries.advance(by)
        except (ValueError, OverflowError) as error:
            raise HTTPException(400, str(error)) from None
        return _clock(world) | {"fired": fired}

    @router.post("/outcomes")
    async def queue(body: Outcome) -> Answer:
        _or_400(lambda: world.queue_outcome(body.operation, body.simulation_code, body.times))
        return {"outcomes": {name: [row.code for row in rows] for name, rows in world.outcomes.items() if rows}}

    @router.post("/faults")
    async def fault(body: FaultBody) -> Answer:
        if body.operation not in OPERATIONS:
            raise HTTPException(400, f"{body.operation!r} is no operation; there are {', '.join(OPERATIONS)}.")
        world.faults.append(Fault(body.operation, body.fault, body.status, body.seconds, body.times))
        return {"faults": [{"operation": f.operation, "fault": f.fault, "times": f.times} for f in world.faults]}

    @router.post("/permissions/{permission_id}")
    async def interrupt(permission_id: str, body: NewState) -> Answer:
        return _cause(world, "Charge Permission", permission_id, body)

    @router.post("/charges/{charge_id}")
    async def decide(charge_id: str, body: NewState) -> Answer:
        return _cause(world, "Charge", charge_id, body)

    @router.get("/journal")
    async def journal() -> Answer:
        return {"exchanges": list(world.journal)}

    def machine(kind: str) -> str:
        if kind not in KINDS:
            raise HTTPException(404, f"{kind!r} is no kind; there are {', '.join(KINDS)}.")
        return KINDS[kind]

    @router.get("/objects/{kind}")
    async def all_stored(kind: str) -> Answer:
        return {"objects": [record.document for record in world.store.every(machine(kind))]}

    @router.get("/objects/{kind}/{object_id}")
    async def stored(kind: str, object_id: str) -> Answer:
        return _find(world, machine(kind), object_id).document

    @router.get("/visits")
    async def visits(returning: str) -> Answer:
        # Whose way back holds a text: a shop that gives each visit addresses of its own can tell them apart.
        found = (record for kind in (CHECKOUT_SESSION, SIGN_IN) for record in world.store.mentioning(kind, returning))
        return {"visits": [{name: record.hidden[name] for name in ("flow", "visit", "page")} for record in found]}

    @router.post("/snapshot")
    async def snapshot() -> Answer:
        return {"id": world.store.snapshot()}

    @router.post("/restore")
    async def restore(body: Snapshot) -> Answer:
        try:
            world.restore(body.id)
        except KeyError:
            raise HTTPException(404, f"There is no snapshot {body.id!r}.") from None
        return _clock(world)

    @router.post("/reset")
    async def reset() -> Answer:
        world.reset()
        return _clock(world)

    @router.post("/keys")
    async def register(body: PublicKey) -> Answer:
        merchant = _account(world, body.merchant_id)
        key_id, neutral = _or_400(lambda: world.register_key(merchant, body.public_key))
        return {
            "merchantId": merchant.merchant_id,
            "storeId": merchant.store_id,
            "publicKeyId": key_id,
            "neutralPublicKeyId": neutral,
        }

    @router.get("/notifications")
    async def announced() -> Answer:
        return {"notifications": [_told(document) for document in await deliveries.announced()]}

    @router.post("/notifications/endpoint")
    async def listen(body: Endpoint) -> Answer:
        merchant = _account(world, body.merchant_id)
        world.set_endpoint(merchant, _or_400(lambda: _checked_endpoint(body.url)))
        return {"url": body.url or None, "topicArn": topic_of(world, merchant.merchant_id)}

    @router.post("/notifications/drill")
    async def drill(body: DrillBody) -> Answer:
        if body.kind not in DRILLS:
            raise HTTPException(400, f"{body.kind!r} is no drill; there are {', '.join(DRILLS)}.")
        world.outbox.drills.append(body.kind)
        return {"drills": list(world.outbox.drills)}

    @router.post("/notifications/chargeback")
    async def dispute(body: Chargeback) -> Answer:
        charge = _find(world, "Charge", body.charge_id)
        dispute_id = f"{charge.id.rpartition('-')[0]}-B{world.new_digits(6)}"
        if world.merchant(charge.merchant_id).endpoint:
            with world.store.transaction():
                announce(world, charge, STATE_CHANGE, OBJECT_TYPES["Dispute"], dispute_id)
        return {"disputeId": dispute_id}

    @router.post("/notifications/{notification_id}/redeliver")
    async def redeliver(notification_id: str) -> Answer:
        document = await deliveries.redeliver(notification_id)
        if document is None:
            raise HTTPException(404, f"There is no notification {notification_id}.")
        return _told(document)

    app.routes.extend(router.routes)  # what `include_router` adds costs each request more than its handler


def _account(world: World, merchant_id: str | None) -> Merchant:
    merchant = next((one for one in world.merchants if merchant_id in (None, one.merchant_id)), None)
    if merchant is None:
        raise HTTPException(404, f"There is no merchant account {merchant_id!r}.")
    return merchant


def _checked_endpoint(url: str | None) -> str:
    """Return an address that notifications may go to: this emulator calls nobody beyond this machine."""
    if not url:
        return ""
    parts = urlsplit(url)
    here = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS and "@" not in parts.netloc and parts.port != 0
    if not (here and url.isprintable()):  # `urlsplit` drops line breaks, so what it has read is not what is called
        raise ValueError(f"{url!r} cannot be an endpoint here; write http://127.0.0.1:PORT/path")
    return url


def _told(document: Answer) -> Answer:
    """Return what is told of a notification."""
    return {
        name: document[name] for name in ("notificationId", "notificationType", "objectType", "objectId", "deliveries")
    }


def _clock(world: World) -> Answer:
    now = world.clock.now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"now": now, "mode": world.clock.mode}


def _cause(world: World, kind: str, object_id: str, body: NewState) -> Answer:
    """Take the row that leads to a state and that no merchant can take."""
    record, machine = _find(world, kind, object_id), MACHINES[kind]
    row = machine.leading_to(record.state, body.state, body.reason_code)
    if row is None:
        rows = [r for r in machine.rows if r.source == record.state and r.actor != MERCHANT]
        possible = ", ".join(f"{r.target} ({r.reason})" if r.reason else r.target for r in rows)
        raise HTTPException(400, f"{object_id} is {record.state}; possible: {possible or 'nothing'}.")
    with world.store.transaction():
        move(world, record, row.trigger)
    return record.document


def _find(world: World, kind: str, object_id: str) -> Record:
    record = world.store.get(kind, object_id)
    if record is None:
        raise HTTPException(404, f"There is no {kind} {object_id}.")
    return record


def _or_400(work: Callable[[], T]) -> T:
    try:
        return work()
    except (ValueError, OverflowError) as error:
        raise HTTPException(400, str(error)) from None


def control_error(error: HTTPException) -> JSONResponse:
    """Render a refusal of the control interface."""
    return JSONResponse({"error": error.detail}, error.status_code)
