"""Puts the world of a file in the place of the present one, and writes the present one as such a file.

A file says what there is; this module makes it.  Every object is made by the rule that makes it for a request, at its
time, and takes rows of `spec.states` to its state.  What a rule refuses is refused with its line; then time goes on.
"""

from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from operator import itemgetter
from typing import Any

from pydantic.alias_generators import to_camel, to_snake

from amazonpay_nb.emulator.clock import FIRST_YEAR, stamp
from amazonpay_nb.emulator.records import AnyRecord, Record, SessionNotes
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import calendar, disputes, documents, limits, payments, personas, sessions
from amazonpay_nb.emulator.rules.transitions import DESCRIPTIONS, fire_due, move
from amazonpay_nb.emulator.store_file import START
from amazonpay_nb.emulator.world import World
from amazonpay_nb.emulator.world_file import CREATE_CHARGE, CREATE_REFUND, MERCHANT, ROWS, Place, WorldFile
from amazonpay_nb.spec.data import DataError
from amazonpay_nb.spec.flows import CHECKOUT_SESSION
from amazonpay_nb.spec.machine import Transition
from amazonpay_nb.spec.money import CHARGE_CEILINGS, format_amount, overcharge_limit, parse_amount
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.spec.simulations import CARDS, simulation
from amazonpay_nb.spec.states import MACHINES, ONE_TIME_LIFETIME

Document = dict[str, Any]
# The lists in an object of a file, and what is in them.
_INNER = {"charges": "Charge", "refunds": "Refund", "disputes": "Dispute"}
# State, reason code and resolution.
_End = tuple[str | None, str | None, str | None]
_CAPTURING = "CaptureInitiated", None, None
# Where a permission has been in between if it is in its state since another time: refused, or repaired.
_IN_BETWEEN = {"Chargeable": [("NonChargeable", None, None)], "NonChargeable": [("Chargeable", None, None)]}
# How a charge may end so that its one-time permission is closed with it.
_ENDS_ORDER = ("Capture", "Decline: AmazonRejected")
_LONG_AGO = timedelta(days=-36_500)
_START = "an emulator that starts with this file has that account"


def load(world: World, file: WorldFile, now: datetime | None = None) -> None:
    """Put the world of a file in the place of the present one, or raise a `DataError` and change nothing.

    Args:
        now: The time from then on, if not the file's; real time stays as it is.
    """
    rows, accounts, store = file.rows, world.merchants, world.store
    file.check(rows.region, [world.region.code], "region", hint="start an emulator of that region")
    _check_accounts(world, file)
    making = _Making(world, file, (now or rows.clock if world.clock.mode == "virtual" else None) or world.clock.now())
    # Nobody is told of what happened long ago.
    world.merchants = {name: replace(one, endpoint="") for name, one in accounts.items()}
    try:
        with store.transaction():
            begun = store.setting(START)
            store.clear()
            store.set(START, making.now.isoformat())  # until all is made, time is virtual
            making.make_all()
            store.set(START, begun)
    except DataError:
        raise
    except (Refusal, ValueError) as error:
        raise file.error(str(error), *making.place) from None
    finally:
        world.merchants = accounts
    world.journal.clear()
    world.forget()
    for account, row in zip(accounts.values(), rows.merchants, strict=False):
        account.name = row.name or account.name
        world.set_endpoint(account, row.endpoint or account.endpoint)
    for operation, codes in rows.outcomes.model_dump(by_alias=True).items():
        for code in codes:
            world.queue_outcome(operation, code)


def _check_accounts(world: World, file: WorldFile) -> None:
    for number, (row, one) in enumerate(zip_longest(file.rows.merchants, world.merchants.values())):
        for name in ("merchant_id", "store_id") if row else ():
            place = ("merchants", str(number), to_camel(name))
            file.check(getattr(row, name), [getattr(one, name, "")], *place, hint=_START)


class _Making:
    def __init__(self, world: World, file: WorldFile, now: datetime) -> None:
        self._world, self._file, self._charged = world, file, set[str]()
        self.now, self.place = now.replace(microsecond=0), Place()  # where an error is

    def make_all(self) -> None:
        """Make everything, and let happen what has fallen due since."""
        for number, row in enumerate(self._file.rows.charge_permissions):
            place = ("chargePermissions", str(number))
            self._permission_row = row, place, self._inner(row, place)[-1:]
            self._make("Charge Permission", row, place)
        while fire_due(self._world, self.now):
            pass
        self._world.clock.set(self.now)

    def _make(self, kind: str, row: Any, place: Place, above: Any = None) -> None:
        # A charge may be older than its permission: a session's is held until the session is completed.
        earlier = above.document["statusDetails"]["lastUpdatedTimestamp"] if kind in ("Refund", "Dispute") else ""
        self._world.clock.set(born := self._born(row, place, earlier))
        self.place = place
        if (object_id := getattr(row, to_snake(KINDS[kind].id_field))) and self._world.store.get(kind, object_id):
            raise ValueError(f"there are two {object_id}")
        maker = {"Charge": self._charge, "Refund": self._refund, "Dispute": self._dispute}.get(kind)
        record = maker(row, above) if maker else self._permission(row)
        if above:
            record = self._lead(record, row, place, born)
        for _, at, one in self._inner(row, place):
            self._make(_INNER[at[-2]], one, at, self._now_of(record))
        if not above:  # a permission is closed after its charges, and after the months that have passed
            since = row.status_details and row.status_details.last_updated_timestamp
            while since and fire_due(self._world, self._time(since, *place) or self.now):
                pass
            self._spend(self._lead(record, row, place, self.now), row, place)

    def _inner(self, row: Any, place: Place) -> list[tuple[datetime, Place, Any]]:
        """Return the rows inside a row with their times, the earliest first."""
        lists = ((name, number, one) for name in _INNER for number, one in enumerate(getattr(row, name, ())))
        places = (((*place, name, str(number)), one) for name, number, one in lists)
        return sorted(((self._born(one, at), at, one) for at, one in places), key=itemgetter(0))

    def _born(self, row: Any, place: Place, earlier: str = "") -> datetime:
        first = next((born for born, *_ in self._inner(row, place)), self.now)
        since = row.status_details and row.status_details.last_updated_timestamp
        first = min(first, self._time(since, *place, "statusDetails", "lastUpdatedTimestamp") or first)
        return self._time(row.creation_timestamp, *place, "creationTimestamp", earlier=earlier) or first

    def _time(self, date: datetime | timedelta | None, *place: str, earlier: str = "") -> datetime | None:
        """Return the time of a date, which is as long ago here as in the file, and not before an *earlier* one."""
        if date is None:
            return None
        ago = date - (self._file.rows.clock or self.now) if isinstance(date, datetime) else date
        self.place = place
        if not _LONG_AGO < ago <= timedelta() or (self.now + ago).year < FIRST_YEAR:
            raise ValueError("this is later than the clock, or too long ago")
        if stamp(self.now + ago) < earlier:
            raise ValueError(f"{stamp(self.now + ago)} is too early: what comes before it was at {earlier}")
        return self.now + ago

    def _permission(self, row: Any) -> AnyRecord:
        world, region = self._world, self._world.region
        merchant_id = row.merchant_id or next(iter(world.merchants))
        self._file.check(merchant_id, world.merchants, *self.place, "merchantId")
        self._file.check(row.presentment_currency, region.currencies, *self.place, "presentmentCurrency")
        self._file.check(row.ledger_currency, region.ledger_currencies, *self.place, "ledgerCurrency")
        if row.charge_permission_type == "OneTime" and not row.limits:
            raise ValueError("a OneTime permission needs limits, with an amountLimit")
        fields = row.model_dump(by_alias=True)
        if limit := row.limits and fields["limits"]["amountLimit"]:
            place, self.place = self.place, (*self.place, "limits", "amountLimit")
            currency = fields["presentmentCurrency"] = limit["currencyCode"]
            self._file.check(currency, region.currencies, *self.place, "currencyCode")
            limits.check_currency(limit, row.presentment_currency or currency, "The permission")
            most = overcharge_limit(CHARGE_CEILINGS[currency], currency)  # the largest order may be overcharged
            if limits.value_of(limit) > most:
                raise ValueError(f"{limit['amount']} {currency} is more than any order may be; write {most} or less")
            self.place = place
        details = {name: fields[name] for name in ("presentmentCurrency", "extendExpiration")}
        details["totalOrderAmount"] = limit
        session = documents.checkout_session("", fields | {"paymentDetails": details}, None, world.clock.now())
        session |= {
            "buyer": self._buyer(merchant_id, row.buyer),
            "paymentPreferences": [{"paymentDescriptor": CARDS[row.card].descriptor}],
        } | {name: personas.complete_address(fields[name]) for name in ("shippingAddress", "billingAddress")}
        notes = SessionNotes("", "", [], "", card=row.card, currency=row.ledger_currency or "")
        visit = Record(CHECKOUT_SESSION, "", merchant_id, session, notes)
        permission = sessions.new_permission(world, visit, row.charge_permission_id or "")
        # An update may have given this to a one-time order, too.
        permission.document = documents.merged(permission.document, {"recurringMetadata": fields["recurringMetadata"]})
        calendar.open_calendar(world, permission)
        move(world, permission, "Complete Checkout Session")
        return permission

    def _buyer(self, merchant_id: str, row: Any) -> Document:
        """Return a buyer; what is left out was not shared by one with an id, and is a test buyer's of another one."""
        fields = row.model_dump(by_alias=True, exclude_unset=True) if row else {}
        book = personas.PERSONAS[self._world.region.code]
        email = fields.get("email") or next(iter(book))
        known = email if email in book else next(iter(book))
        buyer_id = fields.get("buyerId")
        shown = personas.details(self._world, merchant_id, known, () if buyer_id else ("name", "email", "phoneNumber"))
        buyer_id = buyer_id or f"amzn1.account.{self._world.ids.letters(28, merchant_id, email)}"
        return {**shown, **{name: text or None for name, text in fields.items()}, "buyerId": buyer_id}

    def _charge(self, row: Any, permission: AnyRecord) -> AnyRecord:
        if permission.state == "NonChargeable":  # the buyer must have repaired it
            move(self._world, permission, "Update the payment method")
        body = row.model_dump(by_alias=True, include={*CREATE_CHARGE}) | {"chargePermissionId": permission.id}
        if row.status_details:  # it is led on from where Amazon has not decided yet
            body |= {"captureNow": False, "canHandlePendingAuthorization": True}
        body["atCheckout"] = permission.id not in self._charged  # the oldest, as far as one knows
        self._charged.add(permission.id)
        wait = simulation("createCharge", "AuthorizationInitiated") if row.status_details else None
        return payments.create_charge(self._world, permission, body, wait)

    def _refund(self, row: Any, charge: AnyRecord) -> AnyRecord:
        body = row.model_dump(by_alias=True, include={*CREATE_REFUND}) | {"chargeId": charge.id}
        return payments.create_refund(self._world, charge, body, None)

    def _dispute(self, row: Any, charge: AnyRecord) -> AnyRecord:
        if price := row.dispute_amount and row.dispute_amount.model_dump(by_alias=True):
            limits.check_currency(price, charge.document["chargeAmount"]["currencyCode"], f"Charge {charge.id}")
        amount = price and price["amount"]
        return disputes.file_chargeback(self._world, charge, row.filing_reason, amount, row.dispute_id)

    def _now_of(self, record: AnyRecord) -> AnyRecord:
        """Return an object as it is now: what follows on other objects may have changed it."""
        return self._world.find(record.kind, record.id, record.merchant_id)

    def _lead(self, record: AnyRecord, row: Any, place: Place, usual: datetime) -> AnyRecord:
        """Take the shortest way to the state of a row, at its time, and return what the object is then."""
        if status := row.status_details:
            place, goal = (*place, "statusDetails"), (status.state, status.reason_code, status.resolution)
            takes_charges = MACHINES[record.kind].has(status.state, "Create Charge")
            charges = [] if takes_charges else self._world.store.children("Charge", record.id)  # all of them are older
            earlier = max(one.document["creationTimestamp"] for one in (record, *charges))
            since = self._time(status.last_updated_timestamp, *place, "lastUpdatedTimestamp", earlier=earlier)
            self._world.clock.set(since or usual)
            self.place = place
            # A charge may have been declined before, or when it was to be captured.
            by_way = [_CAPTURING] if getattr(row, "capture_amount", None) else []
            updated = self._now_of(record).document["statusDetails"]["lastUpdatedTimestamp"]
            if since and stamp(since) != updated:
                by_way += _IN_BETWEEN.get(status.state, [])
            for end in (*by_way, goal):
                for step in _way(self._now_of(record), end):
                    words = status.reason_description if end == goal else None
                    self._step(self._now_of(record), step.trigger, row, words)
            if status.reason_description not in (None, _reason_of(self._now_of(record)).get("reasonDescription")):
                raise ValueError(f"what is said of {status.state} is Amazon's own; leave reasonDescription out")
        return self._now_of(record)

    def _step(self, record: AnyRecord, trigger: str, row: Any, words: str | None) -> None:
        if trigger == "Capture Charge":
            amount = (row.capture_amount or row.charge_amount).model_dump(by_alias=True)
            wait = simulation("captureCharge", _CAPTURING[0])
            payments.capture_charge(self._world, record, {"captureAmount": amount}, wait)
            return
        if record.kind == "Charge" and trigger in _ENDS_ORDER and record.notes.permission_type == "OneTime":
            self._close_before(record, row)
            record = self._now_of(record)
        move(self._world, record, trigger, description=words)

    def _close_before(self, charge: AnyRecord, row: Any) -> None:
        """Close the permission as the file says before its last charge ends, which would close it in another way."""
        above, place, last = self._permission_row
        closed = above.status_details and above.status_details.state == "Closed" and above.status_details.reason_code
        if closed and last[0][2] is row:
            permission = self._world.find("Charge Permission", charge.parent, charge.merchant_id)
            here, now = self.place, self._world.clock.now()
            self._lead(permission, above, place, now)
            self._world.clock.set(now)
            self.place = here

    def _spend(self, permission: AnyRecord, row: Any, place: Place) -> None:
        if row.spent_this_month:
            self.place = (*place, "spentThisMonth")
            self._world.clock.set(self.now)
            if row.charge_permission_type not in limits.LIMITS_OF_TYPE:
                raise ValueError(f"a {row.charge_permission_type} permission has no monthly limit; leave this out")
            month, currency = limits.month_of(self.now), permission.document["presentmentCurrency"]
            spent = Decimal(self._world.store.spent(permission.id, month)) / 100
            more = parse_amount(row.spent_this_month, currency) - spent
            if more < 0 and self._file.rows.clock in (None, self.now):  # dates that moved may be of another month
                least = format_amount(spent, currency)
                raise ValueError(f"its charges of this month come to {least} {currency}; write that, or more")
            more = max(more, Decimal(0))
            limits.check_charge(self._world, permission, limits.price(more, like={"currencyCode": currency}))
            self._world.store.spend(permission.id, month, int(more * 100))
            limits.write_month_balance(self._world, permission)


def _way(record: AnyRecord, goal: _End) -> tuple[Transition, ...]:
    """Return the rows that lead to a state, () where the object is there already; None in the goal fits anything."""
    ways: deque[tuple[_End, tuple[Transition, ...]]] = deque([(_end_of(record), ())])
    seen: set[_End] = set()
    while ways:
        end, way = ways.popleft()
        if all(one in (None, other) for one, other in zip(goal, end, strict=True)):
            return way
        for row in MACHINES[record.kind].rows:
            after = row.target, row.reason, row.resolution or end[2]
            if row.source == end[0] and after not in seen and (row.source != row.target or row.reason):
                seen.add(after)
                ways.append((after, (*way, row)))
    raise ValueError(f"no way leads from {record.state} to {', '.join(filter(None, goal))}")


def _end_of(record: AnyRecord) -> _End:
    """Return where an object is: its state, the first of its reasons, and the winner, where it is a dispute."""
    return record.state, _reason_of(record).get("reasonCode"), record.document["statusDetails"].get("resolution")


def _reason_of(record: AnyRecord) -> Document:
    details: Document = record.document["statusDetails"]
    return dict((details.get("reasons", [details]) or [{}])[0])


def save(world: World) -> Document:
    """Return what a world file can say of a world: of accounts, permissions, payments and queued outcomes."""
    names = {to_camel(name): name for name in MERCHANT.model_fields}
    accounts = [{key: getattr(one, name) for key, name in names.items()} for one in world.merchants.values()]
    document: Document = _filled({
        "region": world.region.code, "clock": stamp(world.clock.now()), "merchants": accounts,
        "chargePermissions": [_row(world, record) for record in world.store.every("Charge Permission")],
        "outcomes": {operation: [row.code for row in rows] for operation, rows in world.outcomes.items()},
    })  # fmt: skip
    return document


def _row(world: World, record: AnyRecord) -> Document:
    document, notes, reason = record.document, record.notes, _reason_of(record)
    status = dict(zip(("state", "reasonCode", "resolution"), _end_of(record), strict=True))
    status["lastUpdatedTimestamp"] = document["statusDetails"]["lastUpdatedTimestamp"]
    if (words := reason.get("reasonDescription")) != DESCRIPTIONS.get((record.kind, reason.get("reasonCode", ""))):
        status["reasonDescription"] = words
    names = (field.alias or "" for field in ROWS[record.kind].model_fields.values())
    row = {name: status if name == "statusDetails" else document.get(name) for name in names}
    if record.kind == "Charge Permission":
        kind, spent = document["chargePermissionType"], world.store.spent(record.id, limits.month_of(world.clock.now()))
        row |= {
            "merchantId": record.merchant_id, "card": notes.card, "ledgerCurrency": notes.ledger,
            "limits": {"amountLimit": document["limits"]["amountLimit"]} if kind == "OneTime" else None,
        }  # fmt: skip
        usual = stamp(datetime.fromisoformat(document["creationTimestamp"]) + ONE_TIME_LIFETIME)
        row["extendExpiration"] = (kind == "OneTime" and document["expirationTimestamp"] != usual) or None
        if spent and kind in limits.LIMITS_OF_TYPE:
            row["spentThisMonth"] = format_amount(Decimal(spent) / 100, document["presentmentCurrency"])
    if record.kind == "Charge":
        row["captureAmount"] = notes.capture
    if descriptor := row.get("softDescriptor"):
        row["softDescriptor"] = str(descriptor).removeprefix("AMZ*")
    for name in row.keys() & _INNER:
        inner = world.store.children(_INNER[name], record.id)
        row[name] = [_row(world, one) for one in sorted(inner, key=lambda one: one.document["creationTimestamp"])]
    return row


def _filled(value: Any) -> Any:
    """Return a value without what is empty in it."""
    if isinstance(value, dict):
        value = {name: kept for name, one in value.items() if (kept := _filled(one)) not in (None, "", {}, [])}
    return [_filled(one) for one in value] if isinstance(value, list) else value
