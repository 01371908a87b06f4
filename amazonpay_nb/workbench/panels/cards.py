"""The cards and the payment desk: where each object is in its life, what a merchant can do now, and what it moves.

Which calls there are comes from `spec.operations`, what is possible now from `spec.states`, and what an object is like
from the newest answer about it in the journal.  So whatever a cell has done, a panel knows as well.
"""

from collections.abc import Coroutine, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from pydantic.alias_generators import to_snake

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.guide import charge, complete_set_up, months
from amazonpay_nb.client.known import COMPLETIONS
from amazonpay_nb.client.ledger import ledger
from amazonpay_nb.client.possible import calls_about, deadlines, obstacle
from amazonpay_nb.client.sending import ATTEMPTS
from amazonpay_nb.spec.answers import Charge, CheckoutSession, Resource
from amazonpay_nb.spec.machine import NEW
from amazonpay_nb.spec.money import MONTHLY_LIMITS, Counts, counted
from amazonpay_nb.spec.operations import KINDS, Kind, Operation
from amazonpay_nb.spec.simulations import SIMULATIONS
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.spec.words import CHANNELS, INITIATORS
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.diagrams import state_map
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.panel import BenchPanel, Panels
from amazonpay_nb.workbench.panels.view import (
    ROWS,
    Action,
    Chosen,
    Field,
    Value,
    View,
    action_of,
    fields_of,
    report_on_button,
)
from amazonpay_nb.workbench.show.blocks import Foreign, Shown, Table
from amazonpay_nb.workbench.show.money import WORDS, limit_gauge, limits_of, money_of

SESSION, PERMISSION, CHARGE, REFUND, *_ = KINDS.values()
_UPDATE = "Update the payment method"
_LOSE = "lose_the_answer"
_KINDS = (PERMISSION, CHARGE, REFUND)
ANOTHER_CARD = "4444"  # for the buyer on the Update page
_ACCEPTED = {"state": "Resolved", "reasonCode": "MerchantAcceptedDispute"}
_REQUESTS: dict[str, dict[str, str]] = ROWS["requests"]
_WORDS: dict[str, dict[str, Any]] = {
    "charge_initiator": {"options": {row.code: f"{row.code}: {row.use_it_when}" for row in INITIATORS}},
    "channel": {"options": {row.code: f"{row.code}: {row.the_buyer_orders}" for row in CHANNELS}},
    "time": {"options": list(ROWS["times"])},
}


def parameter(kind: Kind) -> str:
    """Return the name of the field that says which object of a kind is meant, for example ``charge_id``."""
    return to_snake(kind.id_field)


class CallPanel(BenchPanel):
    """A panel with calls about objects.  Each takes an id, or "" for the newest object that did not run out of time."""

    def current(self, kind: Kind, chosen: Chosen) -> tuple[str, Resource | None]:
        """Return the id of the object that is chosen, else of the newest, and what is known of it; "" for no object."""
        ids, wanted = self._ids(kind), str(chosen.get(parameter(kind), ""))
        known = self._wb.journal.known.of(kind.title)
        ran_out = {name for name, answer in known.items() if answer["statusDetails"].get("reasonCode") == "Expired"}
        newest = next((name for name in reversed(ids) if name not in ran_out), ids[-1] if ids else "")
        object_id = wanted if wanted in ids else newest
        answer = self._wb.journal.known.newest(kind.title, object_id)
        return object_id, kind.model.model_validate(answer) if answer else None

    def as_of(self, exchanges: Sequence[Exchange], kind: Kind, object_id: str) -> str:
        """Say which answer a state comes from, and what has come since that may have changed it."""
        answer, later = self._wb.journal.known.staleness(exchanges, kind, object_id)
        passed = [text.partition(".")[0] for at, text in self._wb.director.passed if at > answer]
        news = [*dict.fromkeys("a lost answer" if row.is_lost else row.outcome for row in later), *passed]
        # What nobody clicks is committed, and its time differs from run to run.
        when = f"at {exchanges[answer].at:%H:%M} UTC" if self.live else f"to request {answer + 1}"
        since = f"; after that came {', '.join(news)}: ask again" if news else ""
        return f"As of the answer {when}{since}."

    def _ids(self, kind: Kind) -> tuple[str, ...]:
        ids = self._wb.journal.known.ids(kind.title)
        if kind is SESSION:  # the address at which the buyer came back names it before any answer does
            ids += tuple(row.checkout_session_id for row in self._wb.shop.arrivals if row.checkout_session_id)
        return tuple(dict.fromkeys(ids))

    def actions(self, kind: Kind, object_id: str, thing: Resource | None) -> Iterator[Action]:
        """Yield the calls about an object; what its state does not allow has the reason."""
        for row in calls_about(kind):
            reason = obstacle(kind, object_id, thing, row.title if row.acts_on else "")
            fields = (parameter(kind), *_REQUESTS.get(row.name, {}).values())
            does = reason or f"{row.method} {row.path}"
            do = partial(self._call, kind, row, object_id)
            yield Action(to_snake(row.name), row.title, do, not reason, does, fields)

    def fields(self, names: Iterable[str], kinds: Iterable[Kind]) -> tuple[Field, ...]:
        """Return fields by their names, each once, and simulations for the calls about objects of these *kinds*."""
        wb, operations = self._wb, [row for kind in kinds for row in calls_about(kind)]
        codes = dict.fromkeys(row.code for row in SIMULATIONS.values())
        calls = {code: [row.title for row in operations if (row.name, code) in SIMULATIONS] for code in codes}
        options = {code: f"{code} ({', '.join(titles)})" for code, titles in calls.items() if titles}
        own: dict[str, Any] = {
            "amount": {"default": wb.amount["amount"]},
            "simulation_code": {"options": {"": "none"} | options},
        }
        own |= {parameter(kind): {"options": self._choice(kind)} for kind in KINDS.values()}
        known = {field.name: field for field in fields_of("calls", _WORDS | own, currency=wb.currency)}
        return tuple(known[name] for name in dict.fromkeys(names))

    def _choice(self, kind: Kind) -> dict[str, str]:
        ids, states = self._ids(kind), self._wb.journal.known.states()
        newest = {"": "the newest" if ids else "none yet"}
        # A drop-down list sends the place of what is chosen: a new object takes nobody else's.
        return newest | {name: f"{name} {states.get(name, '')}".strip() for name in ids}

    def _call(self, kind: Kind, operation: Operation, shown: str, **values: Value) -> Any:
        client, object_id = self._wb.client, str(values.get(parameter(kind), "")) or shown
        request = self._request(operation, object_id, values)
        if operation.name == "createCharge":  # the guide's way: Get Charge Permission first
            return charge(client, object_id, request.pop("charge_amount"), **request)
        send = getattr(client, to_snake(operation.name))
        return send(object_id, **request) if "{id}" in operation.path else send(charge_id=object_id, **request)

    def _request(self, operation: Operation, object_id: str, values: dict[str, Value]) -> dict[str, Any]:
        amount = str(values.get("amount", ""))
        filled: dict[str, Any] = values | {
            "amount": self._wb.price(amount) if amount else self._wb.amount,
            "evidence": [{"evidenceType": "Other", "evidenceText": values.get("evidence")}],
            "accepted": _ACCEPTED | {"reasonDescription": values.get("accepted")},
            "merchant_reference_id": {"merchantReferenceId": values.get("merchant_reference_id")},
            "can_handle_pending_authorization": values.get("can_handle_pending_authorization") or None,
            "idempotency_key": values.get("idempotency_key") or None,
        }
        request = {field: filled[name] for field, name in _REQUESTS.get(operation.name, {}).items()}
        if operation.name in COMPLETIONS:  # a purchase repeats its amounts exactly, a set-up has none
            session = self._wb.journal.known.newest(SESSION.title, object_id) or {}
            details = session.get("paymentDetails") or {}
            request |= {to_snake(name): details.get(name) for name in ("chargeAmount", "totalOrderAmount")}
        return request


class Card(CallPanel):
    """One object of a kind, as the newest answer describes it."""

    def __init__(self, wb: Workbench, kind: Kind) -> None:
        super().__init__(wb)
        self.kind = kind

    def view(self, chosen: Chosen) -> View:
        """Return the card of the chosen object."""
        object_id, thing = self.current(self.kind, chosen)
        actions = tuple(self.actions(self.kind, object_id, thing))
        fields = self.fields((name for action in actions for name in action.fields), [self.kind])
        return View(f"{self.kind.title} {object_id}".strip(), self._body(object_id, thing), fields, actions)

    def _body(self, object_id: str, thing: Resource | None) -> Iterator[Any]:
        machine = MACHINES[self.kind.title]
        if thing:
            yield self.as_of(self._wb.journal.exchanges, self.kind, object_id)
            walked = self._wb.journal.known.walks[self.kind.title, object_id]
            yield state_map(machine, thing.state, walked)
            yield from self._refunded(thing)
            yield thing
            yield from deadlines(machine, thing.state)
        elif object_id:
            yield state_map(machine)
            yield f"This {self.kind.title} exists, but no answer has shown its state yet: get it."
        else:
            yield state_map(machine, NEW)
            yield f"There is no {self.kind.title} yet."

    def _refunded(self, thing: Resource) -> Iterator[str]:
        """Say what was refunded of a charge since its newest answer."""
        if isinstance(thing, Charge) and thing.refunded_amount:
            refunds = self._wb.journal.known.of(REFUND.title, chargeId=thing.charge_id).values()
            total = sum(counted(REFUND.title, row, Counts.REFUNDED) for row in refunds)
            if total > Decimal(thing.refunded_amount.amount):
                price = f"{total:,} {thing.refunded_amount.currency_code}"
                yield f"Refunded by now: {price}. refundedAmount below is of an older answer: get the charge again."


def cards(wb: Workbench) -> Panels:
    """Return the five cards of a workbench under tabs, in the order in which their objects come into being."""
    return Panels("Cards", {kind.title: Card(wb, kind) for kind in KINDS.values()})


class Desk(CallPanel):
    """One saved wallet, its charges and refunds."""

    def __init__(self, wb: Workbench) -> None:
        super().__init__(wb)
        self.repaired_on: HostedPage | None = None  # where the buyer has changed the payment method last

    def view(self, chosen: Chosen) -> View:
        """Return the desk for the chosen wallet, charge and refund."""
        current = {kind.title: self.current(kind, chosen) for kind in _KINDS}
        wallet = current[PERMISSION.title]
        calls = [action for kind in _KINDS for action in self.actions(kind, *current[kind.title])]
        calls = [action for action in calls if action.name != "update_charge_permission"]  # moves no money
        names = [name for action in calls for name in action.fields if name != _LOSE]
        *fields, lose = self.fields((*map(parameter, _KINDS), "amount", *names, "time", _LOSE), _KINDS)
        skipped = "" if self._wb.emulator else self._wb.director.inject_fault("", "")
        exchanges = self._wb.journal.exchanges
        lost = _lost(exchanges)
        again = action_of("again", partial(self._again, lost), lost is not None)
        others = (again, self._repairing(*wallet), action_of("wait", self.wait))
        return View(
            "Payment desk",
            self._body(exchanges, *wallet),
            (*fields, lose._replace(reason=skipped)),
            (*calls, *others),
            self.page,
        )

    def wait(self, time: str) -> str:
        """Let the time pass that Amazon takes for a pending answer, or for what expires."""
        return f"{self._wb.director.advance(**ROWS['times'][time])} Get an object to see what has become of it."

    def actions(self, kind: Kind, object_id: str, thing: Resource | None) -> Iterator[Action]:
        """Yield the calls about an object; the answer to one that moves money can be lost."""
        for action in super().actions(kind, object_id, thing):
            fields = (*action.fields, _LOSE) if "idempotency_key" in action.fields else action.fields
            yield action._replace(fields=fields)

    def _call(self, kind: Kind, operation: Operation, shown: str, **values: Value) -> Any:
        if values.pop(_LOSE, False):
            self._wb.director.inject_fault(operation.name, "drop-after-commit", times=ATTEMPTS)
        return super()._call(kind, operation, shown, **values)

    def _again(self, lost: Exchange | None) -> Any:
        """Send the last undecided request about money again, under its key, unless the journal masks a part of it."""
        assert lost  # noqa: S101 (the action is not possible without one)
        return self._wb.client.sender.repeat(lost, lost.request)

    def _repair(self, shown: str, charge_permission_id: str = "") -> Coroutine[Any, Any, CheckoutSession]:
        """Send the buyer to change the payment method; see `Workbench.show_repair`."""
        self.page = self._wb.show_repair(charge_permission_id or shown)
        return self._complete(self.page)

    async def _complete(self, page: HostedPage) -> CheckoutSession:
        try:
            arrival = await page.returned(card=ANOTHER_CARD)
        finally:
            self.page = None
        self.repaired_on = page
        return complete_set_up(self._wb.client, arrival.checkout_session_id)

    def _repairing(self, wallet: str, thing: Resource | None) -> Action:
        reason = obstacle(PERMISSION, wallet, thing, _UPDATE) if thing or not wallet else ""
        reason = reason or ("The page is open already." if self.page else "")
        does = "Opens Amazon's Update page for the buyer." if self._wb.region.update_page else "Sets up a new wallet."
        do = partial(self._repair, wallet)
        return Action("repair", _UPDATE, do, not reason, reason or does, (parameter(PERMISSION),))

    def _body(self, exchanges: Sequence[Exchange], wallet: str, thing: Resource | None) -> Iterator[Any]:
        if self.page:
            yield "The buyer changes the payment method, on the page below."
        elif self.repaired_on:
            yield report_on_button(self.repaired_on)
        if not wallet:
            yield "There is no Charge Permission yet: complete a Checkout Session first."
            return
        state = f"is {thing.state}. {self.as_of(exchanges, PERMISSION, wallet)}" if thing else "exists: get it first."
        yield f"Saved Wallet {wallet} {state}"
        yield from _repeated(exchanges)
        yield self._limit(wallet)
        yield money_of(exchanges)
        lines = ledger(exchanges)
        rows = [(*row[:3], *(f"{Decimal(amount):,}" for amount in row[3:])) for row in lines.itertuples(index=False)]
        yield Table("Ledger", tuple(lines.columns), tuple(rows), grouped=True) if rows else "No money has moved yet."

    def _limit(self, wallet: str) -> Shown | Foreign:
        wb = self._wb
        limit = MONTHLY_LIMITS[wb.region.code, wb.currency]
        used = months(wb.journal, wallet, wb.region)
        return limits_of(used) if used else limit_gauge(Decimal(0), limit, WORDS, wb.currency, "en_US")


def _lost(exchanges: Sequence[Exchange]) -> Exchange | None:
    answered = {exchange.key_of_account for exchange in exchanges if exchange.is_kept}
    money = [exchange for exchange in exchanges[::-1] if exchange.idempotency_key and exchange.kind in _KINDS]
    undecided = {exchange.key_of_account for exchange in money if exchange.is_undecided} - answered
    return next((exchange for exchange in money if exchange.key_of_account in undecided), None)


def _repeated(exchanges: Sequence[Exchange]) -> Iterator[str]:
    keyed = [(row, row.kind) for row in exchanges if row.idempotency_key and row.kind]
    same = [(row, kind) for row, kind in keyed if row.key_of_account == keyed[-1][0].key_of_account]
    ids = {str(row.response[kind.id_field]) for row, kind in same if row.response and not (row.failed or row.is_lost)}
    if len(same) > 1 and ids:
        what = f"{same[0][0].idempotency_key}, and {len(ids)} {same[0][1].title}: {', '.join(ids)}"
        yield f"{len(same)} requests under the key {what}."
