"""The payment desk: charge, capture, cancel, refund, close, and what became of the money."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.guide import complete_set_up, months
from amazonpay_nb.client.ledger import ledger
from amazonpay_nb.client.sending import ATTEMPTS
from amazonpay_nb.errors import TransportError
from amazonpay_nb.spec.answers import CheckoutSession, Resource
from amazonpay_nb.spec.machine import NotAllowed
from amazonpay_nb.spec.money import MONTHLY_LIMITS
from amazonpay_nb.spec.operations import Kind, Operation
from amazonpay_nb.spec.states import CHARGE_PERMISSION
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.cards import CHARGE, PERMISSION, REFUND, CallPanel, parameter
from amazonpay_nb.workbench.panels.view import ROWS, Action, Chosen, Field, Value, View, action_of, report_on_button
from amazonpay_nb.workbench.show.blocks import Foreign, Shown, Table
from amazonpay_nb.workbench.show.money import WORDS, limit_gauge, limits_of, money_of

_UPDATE = "Update the payment method"
_LOSE = "lose_the_answer"
_KINDS = (PERMISSION, CHARGE, REFUND)
ANOTHER_CARD = "4444"  # for the buyer on the Update page


class Desk(CallPanel):
    """One saved wallet, its charges and refunds."""

    def __init__(self, wb: Workbench) -> None:
        super().__init__(wb)
        self._unanswered: Callable[[], Any] | None = None
        self.repaired_on: HostedPage | None = None  # where the buyer has changed the payment method last

    def view(self, chosen: Chosen) -> View:
        """Return the desk for the chosen wallet, charge and refund."""
        current = {kind.title: self.current(kind, chosen) for kind in _KINDS}
        wallet = current[PERMISSION.title]
        calls = [action for kind in _KINDS for action in self.actions(kind, *current[kind.title])]
        calls = [action for action in calls if action.name != "update_charge_permission"]  # moves no money
        names = [name for action in calls for name in action.fields if name != _LOSE]
        fields = self.fields((*map(parameter, _KINDS), "amount", *names, "time"), _KINDS)
        again = action_of("again", self.again, self._unanswered is not None)
        others = (again, self._repairing(*wallet), action_of("wait", self.wait))
        return View("Payment desk", self._body(*wallet), (*fields, self._loss()), (*calls, *others), self.page)

    def wait(self, time: str) -> str:
        """Let the time pass that Amazon takes for a pending answer, or for what expires."""
        return f"{self._wb.director.advance(**ROWS['times'][time])} Get an object to see what has become of it."

    def actions(self, kind: Kind, object_id: str, thing: Resource | None) -> Iterator[Action]:
        """Yield the calls about an object; the answer to one that moves money can be lost."""
        for action in super().actions(kind, object_id, thing):
            fields = (*action.fields, _LOSE) if "idempotency_key" in action.fields else action.fields
            yield action._replace(fields=fields)

    def _loss(self) -> Field:
        skipped = "" if self._wb.emulator else self._wb.director.inject_fault("", "")
        does = "Amazon does the work, and its answer never arrives."
        return Field(_LOSE, False, "Lose the answer", does, reason=skipped)

    def _call(self, kind: Kind, operation: Operation, **values: Value) -> Any:
        lost = values.pop(_LOSE, False)
        if lost:
            self._wb.director.inject_fault(operation.name, "drop-after-commit", times=ATTEMPTS)
        try:
            return super()._call(kind, operation, **values)
        except TransportError:
            key = self._wb.journal.exchanges[-1].idempotency_key
            self._unanswered = partial(super()._call, kind, operation, **{**values, "idempotency_key": key})
            raise

    def again(self) -> Any:
        """Send the request that had no answer again, under its key."""
        assert self._unanswered  # noqa: S101 (the action is not possible without one)
        answer = self._unanswered()
        self._unanswered = None
        return answer

    def repair(self, charge_permission_id: str = "") -> Coroutine[Any, Any, CheckoutSession]:
        """Send the buyer to change the payment method; see `Workbench.show_repair`."""
        wallet, _ = self.current(PERMISSION, {parameter(PERMISSION): charge_permission_id})
        self.page = self._wb.show_repair(wallet)
        return self._complete(self.page)

    async def _complete(self, page: HostedPage) -> CheckoutSession:
        try:
            arrival = await page.returned(card=ANOTHER_CARD)
        finally:
            self.page = None
        self.repaired_on = page
        return complete_set_up(self._wb.client, arrival.checkout_session_id)

    def _repairing(self, wallet: str, thing: Resource | None) -> Action:
        reason = "" if wallet else f"There is no {CHARGE_PERMISSION.name} yet."
        reason = "The page is open already." if self.page else reason
        if thing:
            try:
                CHARGE_PERMISSION.step(thing.state, _UPDATE)
            except NotAllowed as refusal:
                reason = f"{refusal}."
        does = "Opens Amazon's Update page for the buyer." if self._wb.region.update_page else "Sets up a new wallet."
        return Action("repair", _UPDATE, self.repair, not reason, reason or does, (parameter(PERMISSION),))

    def _body(self, wallet: str, thing: Resource | None) -> Iterator[Any]:
        if self.page:
            yield "The buyer changes the payment method, on the page below."
        elif self.repaired_on:
            yield report_on_button(self.repaired_on)
        if not wallet:
            yield "There is no Charge Permission yet: complete a Checkout Session first."
            return
        exchanges = self._wb.journal.exchanges
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


def _repeated(exchanges: Sequence[Exchange]) -> Iterator[str]:
    keyed = [(row, row.kind) for row in exchanges if row.idempotency_key and row.kind]
    same = [(row, kind) for row, kind in keyed if row.idempotency_key == keyed[-1][0].idempotency_key]
    ids = {str(row.response[kind.id_field]) for row, kind in same if row.response and not row.failed}
    if len(same) > 1 and ids:
        what = f"{same[0][0].idempotency_key}, and {len(ids)} {same[0][1].title}: {', '.join(ids)}"
        yield f"{len(same)} requests under the key {what}."
