"""The payment desk: charge, capture, cancel, refund, close, and what became of the money."""

from collections.abc import Coroutine, Iterator
from decimal import Decimal
from typing import Any

from amazonpay_nb.client.guide import complete_set_up, months
from amazonpay_nb.client.ledger import ledger, totals
from amazonpay_nb.spec.answers import CheckoutSession, Resource
from amazonpay_nb.spec.machine import NotAllowed
from amazonpay_nb.spec.money import MONTHLY_LIMITS, format_amount
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.spec.states import CHARGE_PERMISSION
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.diagrams import Bar, bars
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.cards import CHARGE, PERMISSION, REFUND, CallPanel, parameter
from amazonpay_nb.workbench.panels.view import Action, Chosen, View, report_on_button
from amazonpay_nb.workbench.show.blocks import Foreign, Table

_UPDATE = "Update the payment method"
_KINDS = (PERMISSION, CHARGE, REFUND)
ANOTHER_CARD = "4444"  # which a script takes on the Update page


class Desk(CallPanel):
    """One saved wallet, its charges and refunds.

    Attributes:
        page: The page on which the buyer changes the payment method, or None.
        repaired_on: The last such page that the buyer has left, or None.
    """

    def __init__(self, wb: Workbench) -> None:
        super().__init__(wb)
        self.page: HostedPage | None = None
        self.repaired_on: HostedPage | None = None

    def view(self, chosen: Chosen) -> View:
        """Return the desk for the chosen wallet, charge and refund."""
        current = {kind.title: self.current(kind, chosen) for kind in _KINDS}
        wallet = current[PERMISSION.title]
        calls = [action for kind in _KINDS for action in self.actions(kind, *current[kind.title])]
        calls = [action for action in calls if action.name != "update_charge_permission"]  # moves no money
        first = (*map(parameter, _KINDS), "amount")
        fields = self.fields((*first, *(name for action in calls for name in action.fields)), _KINDS)
        does = "For what Amazon decides a little later."
        wait = Action("wait", f"Let {PENDING_SECONDS} seconds pass", self.wait, True, does)
        return View("Payment desk", self._body(*wallet), fields, (*calls, self._repairing(*wallet), wait), self.page)

    def wait(self) -> str:
        """Let the time pass that Amazon takes for a pending answer."""
        self._wb.wait(PENDING_SECONDS)
        return f"{PENDING_SECONDS} seconds later: get the charge or the refund to see what Amazon has decided."

    def repair(self, charge_permission_id: str = "") -> Coroutine[Any, Any, CheckoutSession]:
        """Send the buyer to change the payment method; see `Workbench.show_repair`."""
        wallet, _ = self.current(PERMISSION, {parameter(PERMISSION): charge_permission_id})
        self.page = self._wb.show_repair(wallet)
        return self._complete(self.page)

    async def _complete(self, page: HostedPage) -> CheckoutSession:
        if self._wb.buyer == "you":
            await page.attempt.returned(self._wb.wait_seconds, page.arrival)
            arrival = page.settle()
        else:
            arrival = await page.returned(card=ANOTHER_CARD)
        self.page, self.repaired_on = None, page
        return complete_set_up(self._wb.client, arrival.checkout_session_id)

    def _repairing(self, wallet: str, thing: Resource | None) -> Action:
        reason = "" if wallet else f"There is no {CHARGE_PERMISSION.name} yet."
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
        yield (
            f"Saved Wallet {wallet} is {thing.state}." if thing else f"Saved Wallet {wallet}: get it to see its state."
        )
        yield self._limit(wallet)
        exchanges = self._wb.journal.exchanges
        for currency, sums in totals(exchanges).items():
            words = {name: f"{format_amount(amount, currency)} {currency}" for name, amount in sums.items()}
            full = max(sums.values())
            yield bars("Where the money is", [Bar(name, amount, full, words[name]) for name, amount in sums.items()])
        lines = ledger(exchanges)
        rows = tuple(lines.itertuples(index=False, name=None))
        yield Table("Ledger", tuple(lines.columns), rows, grouped=True) if rows else "No money has moved yet."

    def _limit(self, wallet: str) -> Foreign:
        wb = self._wb
        used = [
            Bar(row.month, Decimal(row.used), Decimal(row.limit), f"{row.used} of {row.limit} {row.currency}")
            for row in months(wb.journal, wallet, wb.region)
        ]
        limit = MONTHLY_LIMITS[wb.region.code, wb.currency]
        whole = f"nothing of {format_amount(limit, wb.currency)} {wb.currency}"
        return bars("Monthly limit of this wallet", used or [Bar("used", Decimal(0), limit, whole)])
