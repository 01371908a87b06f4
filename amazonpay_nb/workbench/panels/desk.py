"""The payment desk: charge, capture, cancel, refund, close, and what became of the money."""

from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from amazonpay_nb.client.button import sign_button
from amazonpay_nb.client.guide import complete_set_up, months, repair_payload
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.spec.machine import NotAllowed
from amazonpay_nb.spec.money import MONTHLY_LIMITS, format_amount
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.spec.states import CHARGE_PERMISSION
from amazonpay_nb.workbench.panels.calls import CHARGED, PERMISSION, REFUNDED, Bench, Calls
from amazonpay_nb.workbench.panels.pictures import Bar, Bars
from amazonpay_nb.workbench.panels.sent import button_sent
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Part, View

__all__ = ["Desk", "Movement"]

_UPDATE = "Update the payment method"
ANOTHER_CARD = "4444"  # which a script takes on the Update page


class _Till(Bench, Protocol):
    """What the desk needs besides, to send a buyer to Amazon."""

    wait_seconds: float

    @property
    def store_id(self) -> str: ...

    @property
    def keys(self) -> MerchantKeys: ...

    def show_update(self, visit: Any, signed: Any) -> Any: ...

    def show_button(self, visit: Any, signed: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Movement:
    """One exchange that moved money, as the journal's ledger has it."""

    operation: str
    object: str
    currency: str
    authorized: str
    captured: str
    refunded: str
    balance: str


class _Framed:
    """A page of the shop, shown where a view has its tables."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def __repr__(self) -> str:
        return repr(self._page)

    def _repr_html_(self) -> str:
        return str(self._page.html)


class Desk(Calls):
    """One saved wallet, its charges and refunds.

    Attributes:
        page: The page on which the buyer changes the payment method, or None.
        repaired_by: What the button of the last such page was made of, or None.
    """

    def __init__(self, bench: _Till) -> None:
        super().__init__(bench)
        self._till = bench
        self.page: Any = None
        self.repaired_by: Mapping[str, Any] | None = None

    def view(self, chosen: Chosen) -> View:
        """Return the desk for the chosen wallet and charge."""
        ids = {kind: str(chosen.get(kind.id_field, "")) for kind in (PERMISSION, CHARGED, REFUNDED)}
        calls = {action.name: action for kind, given in ids.items() for action in self.actions(kind, given)}
        del calls["update_charge_permission"]  # moves no money
        actions = (*calls.values(), self._repairing(ids[PERMISSION]), self._waiting())
        return View("Payment desk", self._body(ids[PERMISSION]), self._fields(tuple(calls.values())), actions)

    def wait(self) -> str:
        """Let the time pass that Amazon takes for a pending answer."""
        self._till.wait(PENDING_SECONDS)
        return f"{PENDING_SECONDS} seconds later: get the charge or the refund to see what Amazon has decided."

    def repair(self, charge_permission_id: str = "") -> Coroutine[Any, Any, CheckoutSession]:
        """Send the buyer to change the payment method; where there is no such page, to set up again."""
        till, visit = self._till, self._till.shop.new_attempt()
        payload = repair_payload(
            till.region, till.store_id, self.object_id(PERMISSION, charge_permission_id),
            result_url=visit.result_url, cancel_url=visit.cancel_url,
        )  # fmt: skip
        start = till.show_update if till.region.update_page else till.show_button
        self.page = start(visit, sign_button(payload, till.keys))
        return self._repaired()

    async def _repaired(self) -> CheckoutSession:
        page = self.page
        if self._till.buyer == "you":
            await page.attempt.returned(self._till.wait_seconds, page.arrival)
            arrival = page.settle()
        else:
            arrival = await page.returned(card=ANOTHER_CARD)
        self.page, self.repaired_by = None, page.attempt.button[1]
        return complete_set_up(self._till.client, arrival.checkout_session_id)

    # --- What it looks like -------------------------------------------------------------------------------------------

    def _body(self, given: str) -> Iterator[Any]:
        if self.page:
            yield _Framed(self.page)
        elif self.repaired_by:
            yield button_sent(self.repaired_by)
        wallet, thing = self.current(PERMISSION, given)
        if not wallet:
            yield "There is no Charge Permission yet: complete a Checkout Session first."
            return
        yield (
            f"Saved Wallet {wallet} is {thing.state}." if thing else f"Saved Wallet {wallet}: get it to see its state."
        )
        yield self._limit(wallet)
        totals = self._till.journal.totals()
        if not totals:
            yield "No money has moved yet."
            return
        yield from (_sums(currency, sums) for currency, sums in totals.items())
        rows = self._till.journal.ledger().itertuples(index=False, name=None)
        yield Part([Movement(*row) for row in rows], title="Ledger")

    def _limit(self, wallet: str) -> Bars:
        used = months(self._till.journal, wallet, self._till.region)
        bars = [
            Bar(row.month, Decimal(row.used), Decimal(row.limit), f"{row.used} of {row.limit} {row.currency}")
            for row in used
        ]  # fmt: skip
        limit = MONTHLY_LIMITS[self._till.region.code, self._till.currency]
        whole = f"nothing of {format_amount(limit, self._till.currency)} {self._till.currency}"
        return Bars("Monthly limit of this wallet", bars or [Bar("used", Decimal(0), limit, whole)])

    def _fields(self, actions: tuple[Action, ...]) -> tuple[Field, ...]:
        codes = tuple(row.name for kind in (PERMISSION, CHARGED, REFUNDED) for row in kind.operations)
        ids = (PERMISSION.id_field, CHARGED.id_field, REFUNDED.id_field)
        names = dict.fromkeys((*ids, "amount", *(name for action in actions for name in action.fields)))
        return tuple(self.field(name, codes) for name in names)

    def _repairing(self, given: str) -> Action:
        wallet, thing = self.current(PERMISSION, given)
        reason = "" if wallet else f"There is no {CHARGE_PERMISSION.name} yet."
        if thing:
            try:
                CHARGE_PERMISSION.step(thing.state, _UPDATE)
            except NotAllowed as refusal:
                reason = f"{refusal}."
        does = "Opens Amazon's Update page for the buyer." if self._till.region.update_page else "Sets up a new wallet."
        return Action("repair", _UPDATE, not reason, reason or does, (PERMISSION.id_field,))

    @staticmethod
    def _waiting() -> Action:
        return Action("wait", f"Let {PENDING_SECONDS} seconds pass", True, "For what Amazon decides a little later.")


def _sums(currency: str, sums: Mapping[str, Decimal]) -> Bars:
    full = max(sums.values())
    bars = [Bar(name, amount, full, f"{format_amount(amount, currency)} {currency}") for name, amount in sums.items()]
    return Bars("Where the money is", bars)
