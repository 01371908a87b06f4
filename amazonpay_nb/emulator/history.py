"""Builds the world of a file.

A file says what is; here it happens again.  Every object is made by the rule that makes it for a request, at its time,
and takes rows of `spec.states` to its state, while timers fire in between.  So no world is built that could not have
come about: a rule refuses on the way, or an object comes to another end than the file says.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic.alias_generators import to_snake

from amazonpay_nb.emulator.clock import stamp
from amazonpay_nb.emulator.records import AnyRecord, Record, SessionNotes
from amazonpay_nb.emulator.refusal import Body, Refusal
from amazonpay_nb.emulator.rules import calendar, disputes, documents, limits, payments, personas, sessions
from amazonpay_nb.emulator.rules.transitions import fire_due, move
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.world import World
from amazonpay_nb.emulator.world_file import CREATE_CHARGE, CREATE_REFUND, Place, WorldFile
from amazonpay_nb.spec.data import DataError
from amazonpay_nb.spec.flows import CHECKOUT_SESSION
from amazonpay_nb.spec.machine import CLOCK, MERCHANT, Transition
from amazonpay_nb.spec.money import parse_amount
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.spec.simulations import CARDS, PENDING_SECONDS, SIMULATIONS, Simulation, simulation
from amazonpay_nb.spec.states import MACHINES, timer

# The lists in an object of a file, and what is in them.
INNER = {"charges": "Charge", "refunds": "Refund", "disputes": "Dispute"}
# State, reason code and resolution; as a goal, None stands for any.
End = tuple[str | None, str | None, str | None]
_BY_CLOSING = "ChargePermissionCanceled"
_OPEN = timer(CHECKOUT_SESSION, "Open", "Expire")


def end_of(record: AnyRecord) -> End:
    """Return where an object is: its state, the first of its reasons, and who has won, where it is a dispute."""
    details = record.document["statusDetails"]
    reasons = details.get("reasons", [details]) or [{}]
    return details["state"], reasons[0].get("reasonCode"), details.get("resolution")


class History:
    """What happened, in the order of time; it happens in a world aside."""

    def __init__(self, world: World, file: WorldFile, store: Store, now: datetime) -> None:
        for name in ("seed", "merchants"):
            store.set(name, world.store.setting(name))
        store.set("drawn", max(world.store.setting("drawn") or 0, file.drawn))
        self.file, self.now = file, now.replace(microsecond=0)
        self.world = World(store, world.region, start=self.now)
        # Nobody is told of what happened long ago.
        self.world.merchants = {name: replace(one, endpoint="") for name, one in world.merchants.items()}
        self.events: list[tuple[datetime, Place, Callable[[], None]]] = []
        self.ends: list[Callable[[], None]] = []
        for number, row in enumerate(file.charge_permissions):
            _Object(self, "Charge Permission", row, ("chargePermissions", str(number))).note_down()

    def time(self, date: datetime | timedelta | None, *place: str) -> datetime | None:
        """Return the time of a date, which is as long ago here as it is in the file."""
        clock = self.file.clock or self.now
        moment = clock + date if isinstance(date, timedelta) else date or clock
        if moment > clock:
            raise self.file.error(f"this is later than the clock, which says {clock:%Y-%m-%dT%H:%M:%SZ}", *place)
        return moment + (self.now - clock) if date is not None else None

    def happen(self) -> World:
        """Let everything happen, and return the world that has come of it."""
        with self.world.store.transaction():
            for at, place, event in sorted(self.events, key=lambda event: event[0]):
                self._pass(at)
                try:
                    event()
                except DataError:
                    raise
                except (Refusal, ValueError) as error:
                    raise self.file.error(str(error), *place) from None
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

    def __init__(self, history: History, kind: str, row: Any, place: Place, above: "_Object | None" = None) -> None:
        self._history, self._world, self._kind, self._row, self._place = history, history.world, kind, row, place
        self._above, self._status, self._machine = above, row.status_details, MACHINES[kind]
        status = self._status
        self._goal: End = (status.state, status.reason_code, status.resolution) if status else (None, None, None)
        self._end, self._id = (*place, "statusDetails"), getattr(row, to_snake(KINDS[kind].id_field)) or ""
        self._inner = [
            _Object(history, inner, one, (*place, name, str(number)), self)
            for name, inner in INNER.items()
            for number, one in enumerate(getattr(row, name, ()))
        ]
        first, end = min((one.born for one in self._inner), default=history.now), (*self._end, "lastUpdatedTimestamp")
        self.born: datetime = history.time(row.creation_timestamp, *place, "creationTimestamp") or first
        self._dated = self.born
        if not above and first < self.born < first + _OPEN:
            self.born = first  # the buyer has authorized before the session was completed
        self.since = history.time(status and status.last_updated_timestamp, *end)
        for moment, there in ((first, (*place, "creationTimestamp")), (self.since, end)):
            if moment and moment < self.born:
                raise history.file.error("something that belongs to it is older", *there)

    def _check(self, word: str | None, words: Collection[str], *place: str) -> None:
        self._history.file.check(word, words, *self._place, *place)

    def note_down(self) -> None:
        """Note down what happened to it; of what happened at the same time, in this order."""
        events, now = self._history.events, self._history.now
        events.append((self.born, self._place, self._make))
        by_time = {row.reason for row in self._machine.rows if row.actor == CLOCK and row.reason}
        if (status := self._status) and self._above:
            # What time may bring is left to time first.
            events.append((self.since or (now if status.reason_code in by_time else self.born), self._end, self._lead))
        for one in self._inner:
            one.note_down()
        if not self._above:  # a permission is closed after its charges
            events += [(self.since or now, self._end, self._lead), (now, self._place, self._spend)]
        self._history.ends.append(self._compare)

    @property
    def _record(self) -> AnyRecord:
        record = self._world.store.get(self._kind, self._id)
        assert record is not None  # noqa: S101 (it was made when it was born)
        return record

    def _make(self) -> None:
        above = self._above and self._above._record
        order = self._id[:1] + self._world.region.id_digits
        if above and (self._kind != "Charge" or above.document["chargePermissionType"] == "OneTime"):
            order = above.id.partition("-C")[0]
        if self._id and not self._id.startswith(order):
            raise ValueError(f"{self._id} cannot be its id here, which begins with {order}")
        if self._world.store.get(self._kind, self._id):
            raise ValueError(f"there are two {self._id}")
        makers = {"Charge": self._charge, "Refund": self._refund, "Dispute": self._dispute}
        self._id = (makers[self._kind](above) if above else self._permission()).id

    def _permission(self) -> AnyRecord:
        world, row, region = self._world, self._row, self._world.region
        world.clock.set(self._dated)
        merchant_id = row.merchant_id or next(iter(world.merchants))
        self._check(merchant_id, world.merchants, "merchantId")
        self._check(row.presentment_currency, region.currencies, "presentmentCurrency")
        self._check(row.ledger_currency, region.ledger_currencies, "ledgerCurrency")
        if row.charge_permission_type == "OneTime" and not row.limits:
            raise ValueError("a OneTime permission needs limits, with an amountLimit")
        fields = row.model_dump(by_alias=True)
        details = {name: fields[name] for name in ("presentmentCurrency", "extendExpiration")}
        details["totalOrderAmount"] = row.limits and fields["limits"]["amountLimit"]
        session = documents.checkout_session("", fields | {"paymentDetails": details}, None, world.clock.now())
        session |= {
            "buyer": self._buyer(merchant_id, fields["buyer"] or {}),
            "paymentPreferences": [{"paymentDescriptor": CARDS[row.card].descriptor}],
            "shippingAddress": personas.complete_address(fields["shippingAddress"]),
            "billingAddress": personas.complete_address(fields["billingAddress"]),
        }
        notes = SessionNotes("", "", [], "", card=row.card, currency=row.ledger_currency or "")
        permission = sessions.new_permission(world, Record(CHECKOUT_SESSION, "", merchant_id, session, notes), self._id)
        calendar.open_calendar(world, permission)
        move(world, permission, "Complete Checkout Session")
        world.clock.set(self.born)
        return permission

    def _buyer(self, merchant_id: str, details: Body) -> Body:
        """Return the buyer; an email address alone may be a test buyer's, and nothing is the first of these."""
        book = personas.PERSONAS[self._world.region.code]
        email = details.get("email") or ("" if details else next(iter(book)))
        if email in book and not any(value for name, value in details.items() if name != "email"):
            return personas.details(self._world, merchant_id, email, ("name", "email", "phoneNumber"))
        new_id = f"amzn1.account.{self._world.ids.letters(28, merchant_id, email)}"
        return details | {"buyerId": details["buyerId"] or new_id, "primeMembershipTypes": None}

    def _charge(self, permission: AnyRecord) -> AnyRecord:
        if permission.state == "NonChargeable":  # the buyer must have repaired it
            move(self._world, permission, "Update the payment method")
        body = self._row.model_dump(by_alias=True, include={*CREATE_CHARGE}) | {"chargePermissionId": permission.id}
        if self._status:
            body |= {"captureNow": False, "canHandlePendingAuthorization": True}
        outcome = self._pending("createCharge", "AuthorizationInitiated")
        return payments.create_charge(self._world, permission, body, outcome)

    def _refund(self, charge: AnyRecord) -> AnyRecord:
        body = self._row.model_dump(by_alias=True, include={*CREATE_REFUND}) | {"chargeId": charge.id}
        return payments.create_refund(self._world, charge, body, self._pending("createRefund", "RefundInitiated"))

    def _dispute(self, charge: AnyRecord) -> AnyRecord:
        fields, charged = self._row.model_dump(by_alias=True, exclude_none=True), charge.document["chargeAmount"]
        price = fields.get("disputeAmount", charged)
        limits.check_currency(price, charged["currencyCode"], f"Charge {charge.id}")
        amount = price["amount"] if self._row.dispute_amount else None
        dispute = disputes.file_chargeback(self._world, charge, fields["filingReason"], amount, self._id)
        dispute.document["merchantEvidences"] = [*fields["merchantEvidences"]]
        self._world.store.put(dispute)
        return dispute

    def _pending(self, operation: str, state: str) -> Simulation | None:
        """Return how time ends a state that begins now: as the row's code says, or as the row has ended since."""
        code, (end, reason, _) = self._row.simulation_code, self._goal
        if not end:
            return simulation(operation, code) if code else None
        if self.since != self._world.clock.now() + timedelta(seconds=PENDING_SECONDS):
            end = None
        rows = [row for row in SIMULATIONS.values() if (row.operation, row.state) == (operation, state)]
        usual = next((row for row in rows if not row.later_reason), None)
        wanted = (row for row in rows if code == row.code or (row.later_state, row.later_reason) == (end, reason))
        return next(wanted, usual)

    def _lead(self) -> None:
        """Take the shortest way to the state."""
        if self._status is None or self._is_there():
            return
        flags = ("cancelPendingCharges",) if any(one._goal[1] == _BY_CLOSING for one in self._inner) else ()
        for row in self._way():
            record = self._record  # anew, since what follows on other objects may change this one
            if row.trigger == "Capture Charge":
                amount = (self._row.capture_amount or self._row.charge_amount).model_dump(by_alias=True)
                later = self._pending("captureCharge", "CaptureInitiated")
                payments.capture_charge(self._world, record, {"captureAmount": amount}, later)
            else:
                move(self._world, record, row.trigger, description=self._status.reason_description, flags=flags)

    def _way(self) -> tuple[Transition, ...]:
        ways: deque[tuple[End, tuple[Transition, ...]]] = deque([(end_of(self._record), ())])
        seen: set[End] = set()
        while ways:
            (state, _, resolution), way = ways.popleft()
            for row in self._machine.rows:
                follows = row.actor == MERCHANT and row.trigger in self._machine.followed  # from another object
                if row.source != state or follows or (row.target == state and row.reason is None):
                    continue
                end = row.target, row.reason, row.resolution or resolution
                if _fits(end, self._goal):
                    return *way, row
                if end not in seen:
                    seen.add(end)
                    ways.append((end, (*way, row)))
        return ()

    def _is_there(self) -> bool:
        updated = self._record.document["statusDetails"]["lastUpdatedTimestamp"]
        return _fits(end_of(self._record), self._goal) and (self.since is None or stamp(self.since) == updated)

    def _compare(self) -> None:
        if not self._is_there():
            updated = self._record.document["statusDetails"]["lastUpdatedTimestamp"]
            came, wanted = (", ".join(filter(None, end)) for end in (end_of(self._record), self._goal))
            since = f" since {stamp(self.since)}" if self.since else ""
            problem = f"by all that this file says, it is {came} since {updated}, not {wanted}{since}"
            raise self._history.file.error(problem, *self._end)

    def _spend(self) -> None:
        document, store = self._record.document, self._world.store
        month, currency = limits.month_of(self._world.clock.now()), document["presentmentCurrency"]
        monthly = limits.LIMITS_OF_TYPE.get(document["chargePermissionType"])
        if text := self._row.spent_this_month:
            limit = monthly[self._world.region.code, currency] if monthly else 0
            more = int(parse_amount(text, currency) * 100) - store.spent(self._id, month)
            if not 0 <= more <= int(limit * 100) - store.spent(self._id, month):
                spent = Decimal(store.spent(self._id, month)) / 100
                problem = f"its charges come to {spent} {currency}, and the limit of its month is {limit}"
                raise self._history.file.error(problem, *self._place, "spentThisMonth")
            store.spend(self._id, month, more)
            limits.write_month_balance(self._world, self._record)


def _fits(end: End, goal: End) -> bool:
    return all(one is None or one == other for one, other in zip(goal, end, strict=True))
