"""Builds the world of a file.

A file says what is; here it happens again.  Every object is made by the rule that makes it for a request, at its time,
and takes rows of `spec.states` to its state, while timers fire in between.  So no world is built that could not have
come about: a rule refuses on the way, or an object comes to another end than the file says.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from pydantic.alias_generators import to_snake

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.records import AnyRecord, Merchant, Record, SessionNotes
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import documents, limits, payments, personas
from amazonpay_nb.emulator.rules.calendar import open_calendar
from amazonpay_nb.emulator.rules.disputes import file_chargeback
from amazonpay_nb.emulator.rules.sessions import new_permission
from amazonpay_nb.emulator.rules.transitions import fire_due, move
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World, check_key
from amazonpay_nb.emulator.world_file import CREATE_CHARGE, Place, Status, WorldFile
from amazonpay_nb.spec.addresses import is_endpoint
from amazonpay_nb.spec.data import DataError, no_choice
from amazonpay_nb.spec.flows import CHECKOUT_SESSION
from amazonpay_nb.spec.machine import CLOCK, MERCHANT, Transition
from amazonpay_nb.spec.money import parse_amount
from amazonpay_nb.spec.operations import KINDS, OPERATIONS
from amazonpay_nb.spec.simulations import CARDS, SIMULATIONS, Simulation, simulation
from amazonpay_nb.spec.states import MACHINES

# The lists in an object of a file, and what is in them.
INNER = {"charges": "Charge", "refunds": "Refund", "disputes": "Dispute"}
# The calls whose simulation codes say how an object's Initiated state ends.
PENDING = {"Charge": ("createCharge", "captureCharge"), "Refund": ("createRefund",)}
# State, reason code and resolution.
End = tuple[str, str | None, str | None]


def end_of(record: AnyRecord) -> End:
    """Return where an object is: its state, the first of its reasons, and who has won, where it is a dispute."""
    details = record.document["statusDetails"]
    reasons = details.get("reasons", [details]) or [{}]
    return details["state"], reasons[0].get("reasonCode"), details.get("resolution")


def load(world: World, file: WorldFile) -> None:
    """Put the world of a file in the place of the present one.

    Raises:
        DataError: It is not possible, or not here; then nothing has changed.
    """
    region = file.region or world.region.code
    if region != world.region.code:
        problem = f"this is a world of region {region!r}; start an emulator there, this one is in {world.region.code!r}"
        raise file.error(problem, "region")
    for operation, codes in file.outcomes.items():
        possible = [code for name, code in SIMULATIONS if name == operation]
        choose(file.error, operation, OPERATIONS, "outcomes", operation)
        for number, code in enumerate(codes):
            if simulation(operation, code) is None:
                choose(file.error, code, possible, "outcomes", operation, str(number))
    for number, fault in enumerate(file.faults):
        choose(file.error, fault.operation, OPERATIONS, "faults", str(number), "operation")
    accounts = _accounts(world, file)
    world.become(_History(world, file).happen(), accounts)
    for operation, codes in file.outcomes.items():
        for code in codes:
            world.queue_outcome(operation, code)
    world.faults.extend(fault.model_copy() for fault in file.faults)


def choose(error: Callable[..., Exception], word: str | None, choices: Any, *place: str) -> None:
    """Raise an error about a place where *word* is none of the *choices*."""
    if word is not None and word not in choices:
        raise error(no_choice(word, filter(None, dict.fromkeys(choices))), *place)


def _accounts(world: World, file: WorldFile) -> dict[str, Merchant]:
    """Return the accounts with what the file says of them."""
    accounts = {name: replace(one, keys=dict(one.keys)) for name, one in world.merchants.items()}
    for number, row in enumerate(file.merchants):
        place = "merchants", str(number)
        account = accounts.get(row.merchant_id or [*accounts, ""][min(number, len(accounts))])
        if account is None or row.store_id not in (None, account.store_id):
            raise file.error("there is no such account here; start an emulator with this file to have it", *place)
        if row.endpoint and not is_endpoint(row.endpoint):
            raise file.error(f"{row.endpoint!r} is no address of this machine", *place, "endpoint")
        account.name = row.name or account.name
        account.endpoint = account.endpoint if row.endpoint is None else row.endpoint
        for key_id, pem in (row.public_keys or {}).items():
            try:
                check_key(pem)
            except ValueError as error:
                raise file.error(str(error), *place, "publicKeys", key_id) from None
            account.keys |= dict.fromkeys((key_id, key_id.removeprefix("SANDBOX-")), pem)
    return accounts


class _History:
    """What happened, in the order of time; it happens in a world aside."""

    def __init__(self, world: World, file: WorldFile) -> None:
        store, self.now = Store(), world.clock.now().replace(microsecond=0)
        for name in ("seed", "merchants"):
            store.set(name, world.store.setting(name))
        store.set("drawn", max(world.store.setting("drawn") or 0, file.drawn))
        self.world = World(store, world.region, start=self.now)
        self.world.url = world.url
        # Nobody is told of what happened long ago.
        self.world.merchants = {name: replace(one, endpoint="") for name, one in world.merchants.items()}
        self.error, self._shift = file.error, self.now - (file.clock or self.now)
        self.events: list[tuple[datetime, Place, Callable[[], object]]] = []
        self.ends: list[Callable[[], object]] = []
        for number, row in enumerate(file.charge_permissions):
            _Object(self, "Charge Permission", row, ("chargePermissions", str(number))).note_down()

    def time(self, date: datetime | timedelta | None, *place: str) -> datetime | None:
        """Return the time of a date, which is as long ago here as it is in the file."""
        moment = self.now + date if isinstance(date, timedelta) else date and date + self._shift
        if moment and moment > self.now:
            raise self.error(f"this is later than the clock, {self.now - self._shift:%Y-%m-%dT%H:%M:%SZ}", *place)
        return moment

    def happen(self) -> World:
        """Let everything happen, and return the world that has come of it."""
        with self.world.store.transaction():
            for at, place, event in sorted(self.events, key=lambda event: event[0]):
                self._pass(at)
                try:
                    event()
                except Refusal as refusal:
                    raise self.error(refusal.message, *place) from None
                except ValueError as error:
                    raise error if isinstance(error, DataError) else self.error(str(error), *place) from None
            self._pass(self.now)
            for compare in self.ends:
                compare()
        return self.world

    def _pass(self, moment: datetime) -> None:
        while fire_due(self.world, moment):
            pass
        self.world.clock.set(moment)


class _Object:
    """An object of the file, with those that stand under it."""

    def __init__(self, history: _History, kind: str, row: Any, place: Place, above: "_Object | None" = None) -> None:
        self._history, self._world, self._kind, self._row, self._place = history, history.world, kind, row, place
        self._above, self._status, self._machine = above, row.status_details, MACHINES[kind]
        self._id: str = getattr(row, to_snake(KINDS[kind].id_field)) or ""
        self._check_words()
        self._inner = [
            _Object(history, inner, one, (*place, name, str(number)), self)
            for name, inner in INNER.items()
            for number, one in enumerate(getattr(row, name, ()))
        ]
        first = min((one.born for one in self._inner), default=history.now)
        self.born: datetime = self._time(row.creation_timestamp, "creationTimestamp") or first
        if first < self.born:
            raise self._error("something that belongs to it is older", "creationTimestamp")

    def _error(self, problem: str, *place: str) -> DataError:
        return self._history.error(problem, *self._place, *place)

    def _time(self, date: datetime | timedelta | None, *place: str) -> datetime | None:
        return self._history.time(date, *self._place, *place)

    def _check_words(self) -> None:
        status, place = self._status or Status(state=self._machine.states[0]), (*self._place, "statusDetails")
        error, rows = self._history.error, [row for row in self._machine.rows if row.target == status.state]
        choose(error, status.state, self._machine.states, *place, "state")
        choose(error, status.reason_code, [row.reason for row in rows], *place, "reasonCode")
        choose(error, status.resolution, [row.resolution for row in self._machine.rows], *place, "resolution")
        codes = [
            row.code for row in SIMULATIONS.values() if row.later_state and row.operation in PENDING.get(self._kind, ())
        ]
        choose(error, self._row.simulation_code, codes, *self._place, "simulationCode")

    def note_down(self) -> None:
        """Note down what happened to it; what happened at the same time, in this order."""
        history, status, moves = self._history, self._status, []
        history.events.append((self.born, self._place, self._make))
        if early := self._time(getattr(self._row, "authorized_timestamp", None), "authorizedTimestamp"):
            moves.append((early, self._place, partial(self._lead, Status(state="Authorized"))))
        if status:
            since = self._time(status.last_updated_timestamp, "statusDetails", "lastUpdatedTimestamp")
            usual = self.born if self._above else history.now  # a permission is closed after its charges
            moves.append((since or usual, (*self._place, "statusDetails"), partial(self._lead, status)))
            history.ends.append(partial(self._compare, status))
        history.events += moves if self._above else []
        for one in self._inner:
            one.note_down()
        history.events += [] if self._above else [*moves, (history.now, self._place, self._spend)]

    @property
    def _record(self) -> AnyRecord:
        record = self._world.store.get(self._kind, self._id)
        assert record is not None  # noqa: S101 (it was made when it was born)
        return record

    def _make(self) -> None:
        above = self._above and self._above._record
        order = above.id.rsplit("-", 1)[0] if above and self._kind != "Charge" else ""
        if above and above.document.get("chargePermissionType") == "OneTime":
            order = above.id
        if self._id and not (self._id.startswith(order) and self._id[1:3] == self._world.region.id_digits):
            raise ValueError(f"{self._id} is no id of this region, or of {order or 'this order'}")
        if self._world.store.get(self._kind, self._id):
            raise ValueError(f"there are two {self._id}")
        makers = {"Charge": self._charge, "Refund": self._refund, "Dispute": self._dispute}
        self._id = (makers[self._kind](above) if above else self._permission()).id

    def _permission(self) -> AnyRecord:
        world, row, now = self._world, self._row, self._world.clock.now()
        region, place = world.region, self._history.error
        merchant_id = row.merchant_id or next(iter(world.merchants))
        choose(place, merchant_id, world.merchants, *self._place, "merchantId")
        choose(place, row.card, CARDS, *self._place, "card")
        choose(place, row.presentment_currency, region.currencies, *self._place, "presentmentCurrency")
        choose(place, row.ledger_currency, region.ledger_currencies, *self._place, "ledgerCurrency")
        if row.charge_permission_type == "OneTime" and not row.limits:
            raise self._error("a OneTime permission needs limits, with an amountLimit")
        buyer = row.buyer.model_dump(by_alias=True) if row.buyer else {}
        book, email = personas.PERSONAS[region.code], buyer.get("email") or ""
        if {*filter(None, buyer.values())} <= {email} and (email in book or not buyer):
            scopes = ("name", "email", "phoneNumber")
            buyer = personas.details(world, merchant_id, email or next(iter(book)), scopes)
        buyer["buyerId"] = buyer.get("buyerId") or f"amzn1.account.{world.ids.letters(28, merchant_id, email)}"
        fields = row.model_dump(by_alias=True)
        order = row.limits and fields["limits"]["amountLimit"]
        details = {name: fields[name] for name in ("presentmentCurrency", "extendExpiration")}
        session = documents.checkout_session(
            "", fields | {"paymentDetails": details | {"totalOrderAmount": order}}, None, now
        )
        session |= {
            "buyer": buyer | {"primeMembershipTypes": None},
            "paymentPreferences": [{"paymentDescriptor": CARDS[row.card].descriptor}],
            "shippingAddress": personas.complete_address(fields["shippingAddress"]),
            "billingAddress": personas.complete_address(fields["billingAddress"]),
        }
        notes = SessionNotes("", "", [], "", card=row.card, currency=row.ledger_currency or "")
        permission = new_permission(world, Record(CHECKOUT_SESSION, "", merchant_id, session, notes), self._id)
        open_calendar(world, permission)
        move(world, permission, "Complete Checkout Session")
        return permission

    def _charge(self, permission: AnyRecord) -> AnyRecord:
        if permission.state == "NonChargeable":  # the buyer must have repaired it
            move(self._world, permission, "Update the payment method")
        body, outcome = self._row.model_dump(by_alias=True, include={*CREATE_CHARGE}), self._pending("createCharge")
        if self._status:
            body |= {"captureNow": False, "canHandlePendingAuthorization": True}
            outcome = outcome or simulation("createCharge", "AuthorizationInitiated")
        return payments.create_charge(self._world, permission, body | {"chargePermissionId": permission.id}, outcome)

    def _refund(self, charge: AnyRecord) -> AnyRecord:
        body = self._row.model_dump(by_alias=True, include={"refund_id", "refund_amount", "soft_descriptor"})
        return payments.create_refund(
            self._world, charge, body | {"chargeId": charge.id}, self._pending("createRefund")
        )

    def _dispute(self, charge: AnyRecord) -> AnyRecord:
        price = self._row.dispute_amount
        if price:
            limits.check_currency(
                price.model_dump(by_alias=True), charge.document["chargeAmount"]["currencyCode"], charge.id
            )
        amount = price and price.amount
        dispute = file_chargeback(self._world, charge, self._row.filing_reason, amount, self._id)
        dispute.document["merchantEvidences"] = [
            one.model_dump(by_alias=True, exclude_none=True) for one in self._row.merchant_evidences
        ]
        self._world.store.put(dispute)
        return dispute

    def _pending(self, operation: str) -> Simulation | None:
        return simulation(operation, self._row.simulation_code) if self._row.simulation_code else None

    def _lead(self, status: Status) -> None:
        """Take the shortest way to a state."""
        if self._is(status):
            return
        for transition in self._way(status):
            record = self._record  # anew, since what follows on other objects may change this one
            if transition.trigger == "Capture Charge":
                amount = (self._row.capture_amount or self._row.charge_amount).model_dump(by_alias=True)
                outcome = self._pending("captureCharge") or simulation("captureCharge", "CaptureInitiated")
                payments.capture_charge(self._world, record, {"captureAmount": amount}, outcome)
            else:
                flags = ["cancelPendingCharges"] if any(one._falls_with_it for one in self._inner) else []
                move(self._world, record, transition.trigger, description=status.reason_description, flags=flags)

    @property
    def _falls_with_it(self) -> bool:
        return bool(self._status and self._status.reason_code == "ChargePermissionCanceled")

    def _way(self, status: Status) -> tuple[Transition, ...]:
        ways: deque[tuple[End, tuple[Transition, ...]]] = deque([(end_of(self._record), ())])
        seen: set[End] = set()
        while ways:
            (state, _, resolution), way = ways.popleft()
            for row in self._machine.rows:
                # Time is not made to pass, and what only follows from another object is left to that.
                alone = row.actor != CLOCK and not (row.actor == MERCHANT and row.trigger in self._machine.followed)
                if row.source != state or not alone or (row.target == state and row.reason is None):
                    continue
                end = row.target, row.reason, row.resolution or resolution
                if _fits(end, status):
                    return *way, row
                if end not in seen:
                    seen.add(end)
                    ways.append((end, (*way, row)))
        return ()

    def _is(self, status: Status) -> bool:
        since = self._time(status.last_updated_timestamp)
        updated = self._record.document["statusDetails"]["lastUpdatedTimestamp"]
        return _fits(end_of(self._record), status) and (since is None or stamp(since) == updated)

    def _compare(self, status: Status) -> None:
        if not self._is(status):
            state, *why = end_of(self._record)
            updated = self._record.document["statusDetails"]["lastUpdatedTimestamp"]
            reasons = ", ".join(filter(None, why))
            problem = (
                f"it comes to be {state}{f' ({reasons})' if reasons else ''} at {updated} by all that the file says"
            )
            raise self._error(f"{problem}; only time makes it Expired", "statusDetails")

    def _spend(self) -> None:
        if not (text := self._row.spent_this_month):
            return
        record, place = self._record, (*self._place, "spentThisMonth")
        currency, kind = record.document["presentmentCurrency"], record.document["chargePermissionType"]
        if kind == "OneTime":
            raise self._history.error("a OneTime permission has no month", *place)
        month, total = limits.month_of(self._world.clock.now()), parse_amount(text, currency)
        booked, limit = (
            self._world.store.spent(self._id, month),
            limits.LIMITS_OF_TYPE[kind][self._world.region.code, currency],
        )
        if not booked <= total * 100 <= limit * 100:
            raise self._history.error(
                f"its charges come to {Decimal(booked) / 100} {currency}, its limit is {limit}", *place
            )
        self._world.store.spend(self._id, month, int(total * 100) - booked)
        if kind == "Recurring":
            limits.write_month_balance(self._world, record)


def _fits(end: End, status: Status) -> bool:
    wanted = status.state, status.reason_code, status.resolution
    return all(one is None or one == other for one, other in zip(wanted, end, strict=True))
