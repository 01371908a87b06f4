"""The control interface, for what only the experimenter may do: apart from the emulated API, and behind a token."""

import hmac
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError, validate_call
from pydantic.alias_generators import to_camel, to_snake
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amazonpay_nb.emulator.api.bodies import parsed_json
from amazonpay_nb.emulator.clock import FIRST_YEAR, LAST_YEAR, parse_duration, zulu
from amazonpay_nb.emulator.notifications.announce import topic_of
from amazonpay_nb.emulator.notifications.post import Deliveries
from amazonpay_nb.emulator.records import NOTIFICATION, AnyRecord, Merchant, Notification, Session
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import disputes, transitions
from amazonpay_nb.emulator.world import Fault, Times, World
from amazonpay_nb.limits import legible
from amazonpay_nb.loopback import route
from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.addresses import checked_endpoint, is_loopback
from amazonpay_nb.spec.answers import FilingReason
from amazonpay_nb.spec.flows import CHECKOUT_SESSION, SIGN_IN, lookup
from amazonpay_nb.spec.machine import MERCHANT, NEW
from amazonpay_nb.spec.notifications import DRILLS
from amazonpay_nb.spec.operations import KINDS, OPERATIONS
from amazonpay_nb.spec.parts import Moment
from amazonpay_nb.spec.states import MACHINES

CONTROL_PATH = "/_control"
Answer = dict[str, Any]
Call = Callable[..., Awaitable[Answer]]
_Time = Annotated[Moment, Field(json_schema_extra={"format": "date-time"})]
_TITLES = {kind.path: title for title, kind in KINDS.items()}
# What makes another object is a call of its own.
_BEGINNINGS = {row.trigger for machine in MACHINES.values() for row in machine.rows if row.source == NEW}


CALLS: dict[tuple[str, str], tuple[Call, dict[str, str]]] = {}  # by method and path


def _call(method: str, path: str, **fixed: str) -> Callable[[Call], Call]:
    """Answer a call by the decorated function, with *fixed* values for some of its parameters."""

    def register(function: Call) -> Call:
        CALLS[method, path] = validate_call(function), fixed
        return function

    return register


def _seen(session: Session) -> Answer:
    notes = session.notes
    return {
        "id": session.id, "flow": notes.flow, "visit": notes.stay, "page": notes.page, "passed": notes.passed,
        "notice": notes.notice, "card": notes.card, "saves": notes.consents, "state": session.state,
        "reasonCode": lookup(session.document, "statusDetails.reasonCode"),
    }  # fmt: skip


class ControlInterface:
    """The control interface of a world.

    The parameters of each function are the fields of its call's body, which are in camel case there, and the names in
    its path.  All functions are asynchronous, so that they run in the one thread that owns the world.
    """

    def __init__(self, world: World, token: str, deliveries: Deliveries) -> None:
        self._world, self._token, self._deliveries = world, token, deliveries

    def routes(self) -> list[Route]:
        """Return a route for each call."""
        return [
            route(method, f"{CONTROL_PATH}/{path}", self._endpoint(call, fixed))
            for (method, path), (call, fixed) in CALLS.items()
        ]

    def _endpoint(self, call: Call, fixed: dict[str, str]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self._check_owner(request.headers)
            try:
                answer = await call(self, **await _fields(request) | request.path_params | fixed)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                field = ".".join(to_camel(str(part)) for part in first["loc"])
                raise HTTPException(400, f"{field}: {first['msg']}") from None
            except (Refusal, ValueError, OverflowError) as error:
                raise HTTPException(400, str(error)) from None
            return JSONResponse(answer)

        return endpoint

    def _check_owner(self, headers: Headers) -> None:
        token = f"Bearer {self._token}".encode()
        sent = ",".join(headers.getlist("authorization"))
        if "origin" in headers or not hmac.compare_digest(sent.encode(), token):
            raise HTTPException(401, "The control interface needs its token, and no browser.")
        if not is_loopback(",".join(headers.getlist("host"))):  # a name that someone else's server gave this address
            raise HTTPException(403, "The control interface is called by a loopback address.")

    @_call("GET", "clock")
    async def _read_clock(self) -> Answer:
        """Tell the time."""
        return {"now": zulu(self._world.clock.now()), "mode": self._world.clock.mode}

    @_call("POST", "clock")
    async def _move_clock(self, advance: str) -> Answer:
        """Advance virtual time; `fired` lists what fell due, in order."""
        if self._world.clock.mode != "virtual":
            raise HTTPException(409, "The clock is real; start the emulator with --seed or --clock to advance it.")
        fired = await self._deliveries.advance(parse_duration(advance))
        return await self._read_clock() | {"fired": fired}

    @_call("POST", "outcomes")
    async def _queue_outcome(self, operation: str, simulation_code: str, times: Times = 1) -> Answer:
        """Let the next calls of an operation end as a simulation code says."""
        _check_name(operation, OPERATIONS, "operation")
        self._world.queue_outcome(operation, simulation_code, times)
        return {"outcomes": {name: [row.code for row in rows] for name, rows in self._world.outcomes.items() if rows}}

    @_call("POST", "faults")
    async def _inject_fault(self, **fields: Any) -> Answer:
        """Let the next calls of an operation meet a transport fault; ``times: 0`` ends those of its kind."""
        fault, faults = Fault(**fields), self._world.faults
        _check_name(fault.operation, OPERATIONS, "operation")
        if fault.times:
            faults.append(fault)
        else:
            faults[:] = [one for one in faults if (one.operation, one.fault) != (fault.operation, fault.fault)]
        return {"faults": [one.model_dump() for one in faults]}

    @_call("POST", "permissions/{object_id}", title="Charge Permission")
    @_call("POST", "charges/{object_id}", title="Charge")
    @_call("POST", "disputes/{object_id}", title="Dispute")
    async def _cause(
        self, title: str, object_id: str, state: str, reason_code: str | None = None, resolution: str | None = None
    ) -> Answer:
        """Do what only Amazon, the bank or the buyer can cause."""
        record, machine = self._find(title, object_id), MACHINES[title]
        row = machine.leading_to(record.state, state, reason_code, resolution)
        if row is None or row.trigger in _BEGINNINGS:
            rows = [r for r in machine.rows if r.source == record.state and r.actor != MERCHANT]
            rows = [r for r in rows if r.trigger not in _BEGINNINGS]
            ends = {(r.target, ", ".join(filter(None, (r.reason, r.resolution)))) for r in rows}
            possible = ", ".join(f"{target} ({why})" if why else target for target, why in sorted(ends))
            raise HTTPException(400, f"{record.id} is {record.state}; possible: {possible or 'nothing'}.")
        with self._world.store.transaction():
            transitions.move(self._world, record, row.trigger)
        return record.document

    @_call("GET", "journal")
    async def _journal(self) -> Answer:
        """Show the last exchanges of the API, without signatures and personal data."""
        return {"exchanges": list(self._world.journal)}

    @_call("GET", "objects/{kind}")
    async def _objects(self, kind: str) -> Answer:
        """Show all objects of a kind."""
        _check_name(kind, _TITLES, "kind", 404)
        return {"objects": [record.document for record in self._world.store.every(_TITLES[kind])]}

    @_call("GET", "objects/{kind}/{object_id}")
    async def _object(self, kind: str, object_id: str) -> Answer:
        """Show an object as it is stored."""
        _check_name(kind, _TITLES, "kind", 404)
        return self._find(_TITLES[kind], object_id).document

    @_call("GET", "visits")
    async def _stays(self, returning: str) -> Answer:
        """Show the buyers' stays whose return address has a text in it, as a shop's attempts have."""
        kinds, store = (CHECKOUT_SESSION, SIGN_IN), self._world.store
        return {"visits": [_seen(record) for kind in kinds for record in store.every(kind, returning)]}

    def _find(self, title: str, object_id: str) -> AnyRecord:
        record = self._world.store.get(title, object_id)
        if record is None:
            raise HTTPException(404, f"There is no {title} {object_id}.")
        return record

    @_call("POST", "snapshot")
    async def _snapshot(self) -> Answer:
        """Keep a copy of the world."""
        return {"id": self._world.store.snapshot()}

    @_call("POST", "restore")
    async def _restore(self, id: str, keep: bool = True, accounts: bool = False) -> Answer:  # noqa: A002 (the field's name)
        """Put a copy of the world back, with `accounts` also names and endpoints; it stays unless `keep` is false."""
        try:
            self._world.restore(id, keep=keep, accounts=accounts)
        except KeyError:
            raise HTTPException(404, f"There is no snapshot {id!r}.") from None
        return await self._read_clock()

    @_call("POST", "reset")
    async def _reset(self, now: _Time | None = None) -> Answer:
        """Delete all objects; merchants and keys stay, and so does the clock, unless it is set."""
        clock = self._world.clock
        moment = datetime.fromisoformat(now) if now else clock.now()
        if now and (clock.mode != "virtual" or not FIRST_YEAR <= moment.year <= LAST_YEAR):
            raise HTTPException(409, f"Only virtual time can be set, in the years {FIRST_YEAR} to {LAST_YEAR}.")
        self._world.reset()
        if now:  # in an empty world, time may also go back
            clock.set(moment)
        return await self._read_clock()

    @_call("GET", "world")
    async def _save(self) -> Answer:
        """Show accounts, permissions, charges and outcomes as a world file has them."""
        from amazonpay_nb.emulator.worlds import save

        return save(self._world)

    @_call("POST", "world")
    async def _load(self, world: dict[str, Any] | str, name: str = "world") -> Answer:
        """Put the world of a file, as a mapping or as its text, in the place of the present one."""
        from amazonpay_nb.emulator.world_file import read_world
        from amazonpay_nb.emulator.worlds import load

        load(self._world, read_world(world, name))
        return await self._read_clock()

    @_call("POST", "keys")
    async def _register_key(self, public_key: str, merchant_id: str | None = None) -> Answer:
        """Register a public key."""
        merchant = self._account(merchant_id)
        key_id, neutral = self._world.register_key(merchant, public_key)
        return {
            "merchantId": merchant.merchant_id,
            "storeId": merchant.store_id,
            "publicKeyId": key_id,
            "neutralPublicKeyId": neutral,
        }

    def _account(self, merchant_id: str | None) -> Merchant:
        accounts = self._world.merchants
        if merchant_id is None:
            return next(iter(accounts.values()))
        if merchant_id not in accounts:
            raise HTTPException(404, f"There is no merchant account {merchant_id!r}.")
        return accounts[merchant_id]

    @_call("GET", "notifications")
    async def _notifications(self, after: str = "") -> Answer:
        """Show what was announced, once all that is due has been delivered; *after* a notification, if it exists."""
        await self._deliveries.settle()
        return {"notifications": [_entry(row) for row in self._world.store.every(NOTIFICATION, after=after)]}

    @_call("POST", "notifications/endpoint")
    async def _set_endpoint(self, url: str | None, merchant_id: str | None = None) -> Answer:
        """Send notifications to an address of this machine, or to nobody with null."""
        merchant = self._account(merchant_id)
        self._world.set_endpoint(merchant, checked_endpoint(url))
        self._deliveries.listen(url or "")
        return {"url": url or None, "topicArn": topic_of(self._world, merchant.merchant_id)}

    @_call("POST", "notifications/drill")
    async def _drill(self, kind: str) -> Answer:
        """Disturb the next notifications: one drill for each call."""
        _check_name(kind, DRILLS, "drill")
        self._world.outbox.drills.append(kind)
        return {"drills": list(self._world.outbox.drills)}

    @_call("POST", "disputes")
    @_call("POST", "notifications/chargeback")
    async def _dispute(
        self, charge_id: str, filing_reason: FilingReason = "ProductNotReceived", amount: str | None = None
    ) -> Answer:
        """Let the buyer dispute a charge."""
        charge = self._find("Charge", charge_id)
        with self._world.store.transaction():
            return disputes.file_chargeback(self._world, charge, filing_reason, amount).document

    @_call("POST", "notifications/{object_id}/redeliver")
    async def _redeliver(self, object_id: str) -> Answer:
        """Deliver a notification again, now."""
        await self._deliveries.redeliver(self._find(NOTIFICATION, object_id))
        return _entry(self._find(NOTIFICATION, object_id))


async def _fields(request: Request) -> dict[str, Any]:
    """Return the fields of a request's body or query, in snake case."""
    raw = await request.body()
    fields = parsed_json(raw, "The body") if raw else dict(request.query_params)
    if not isinstance(fields, dict):
        raise ValueError("The body must be a JSON object.")
    return {to_snake(name): value for name, value in fields.items()}


def _check_name(name: str, rows: Collection[str], what: str, status: int = 400) -> None:
    if name not in rows:
        raise HTTPException(status, f"{name!r} is no {what}; there are {', '.join(rows)}.")


def _entry(notification: Notification) -> Answer:
    names = ("notificationId", "notificationType", "objectType", "objectId", "deliveries")
    return {name: notification.document[name] for name in names}


def control_error(error: HTTPException) -> Response:
    """Render a refusal of the control interface; it may quote what a file holds by mistake, such as a key."""
    return JSONResponse({"error": legible(redact(error.detail))}, error.status_code)
