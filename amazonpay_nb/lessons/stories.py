"""Tell a merchant's story: a set-up, payments and refunds by use case, with forks of the emulator.

    ride = Story(wb, "Ride hailing")
    await ride.set_up()
    fare = ride.pay("a ride", ride.price("1.5"))
    ride.refund(fare, wb.amount)
    ride.ledger()

How each case is set up and paid is in `spec.words`; nothing in here knows a case.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from amazonpay_nb.client.button import sign_button
from amazonpay_nb.client.guide import charge, complete_set_up
from amazonpay_nb.errors import AmazonPayError, ApiError
from amazonpay_nb.shop import Cart
from amazonpay_nb.shop.payloads import payload_of
from amazonpay_nb.spec.answers import Charge, CheckoutSession, Refund
from amazonpay_nb.spec.flows import FLOWS, Flow
from amazonpay_nb.spec.money import CURRENCY_DECIMALS, Counts, format_amount
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.spec.words import payments_of
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.diagrams import SequenceDiagram, sequence_diagram
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.show import Shown, show
from amazonpay_nb.workbench.show.money import money_of

if TYPE_CHECKING:
    import pandas

Price = Mapping[str, str]


def price(wb: Workbench, times: str) -> dict[str, str]:
    """Return a multiple of the run's amount, in units that the currency has."""
    smallest = Decimal(1).scaleb(-CURRENCY_DECIMALS[wb.currency])
    exact = (Decimal(times) * Decimal(wb.amount["amount"])).quantize(smallest)
    return wb.price(format_amount(max(exact, smallest), wb.currency))


def offer(wb: Workbench, flow: Flow, total: Price, *, touchless: bool = False, cart: Cart | None = None) -> HostedPage:
    """Open the page of the shop from which a buyer begins a flow, in a new attempt.

    Args:
        total: What the checkout is about, in a flow with a purchase.
        touchless: Start without a button, as a page in an app does.
        cart: What the page shows of the purchase.
    """
    attempt, show = wb.shop.new_attempt(), wb.show_touchless if touchless else wb.show_button
    payload = payload_of(flow, attempt, wb.store_id, region=wb.region.code, charge_amount=dict(total))
    product_type = flow.fixed.get("productType", "PayOnly")
    return show(attempt, sign_button(payload, wb.keys), product_type=product_type, cart=cart)


def refund(wb: Workbench, charge_id: str, amount: Price) -> Refund:
    """Send money back and wait until Amazon has decided about it."""
    new = wb.client.create_refund(charge_id=charge_id, refund_amount=dict(amount))
    wb.wait(PENDING_SECONDS)
    return wb.client.get_refund(new.refund_id)


class Story:
    """One merchant and one buyer in one of `spec.words.USE_CASES`, from the set-up on, with a ledger of their own."""

    def __init__(self, wb: Workbench, use_case: str) -> None:
        self._wb = wb
        self.payments = payments_of(use_case)
        self._begins_at = len(wb.journal)
        self.permission_id = ""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return show(list(self.payments.values()))._repr_mimebundle_()

    def price(self, times: str) -> dict[str, str]:
        """Return a multiple of the run's amount; see `price`."""
        return price(self._wb, times)

    async def set_up(self, total: Price | None = None, *, touchless: bool = False, **script: Any) -> CheckoutSession:
        """Save the buyer's wallet, from the payload to *Complete Checkout Session*; see `offer` and `returned`."""
        flow = FLOWS[next(iter(self.payments.values())).set_up]
        page = offer(self._wb, flow, total or {}, touchless=touchless)
        return await self._complete(page, total if flow.complete_with_amount else None, script)

    async def repair(self, **script: Any) -> CheckoutSession:
        """Let the buyer change the payment method; see `Workbench.show_repair`."""
        return await self._complete(self._wb.show_repair(self.permission_id), None, script)

    async def _complete(self, page: HostedPage, total: Price | None, script: Mapping[str, Any]) -> CheckoutSession:
        session_id, client = (await page.returned(**script)).checkout_session_id, self._wb.client
        if total:
            session = client.complete_checkout_session(session_id, charge_amount=total)
        else:
            session = complete_set_up(client, session_id)
        self.permission_id = session.charge_permission_id or ""
        return session

    def pay(self, payment: str, amount: Price, **fields: Any) -> Charge:
        """Charge the wallet as one of the `payments` says; *fields* and errors are those of `guide.charge`."""
        return charge(self._wb.client, self.permission_id, amount, **self.payments[payment].fields, **fields)

    def refund(self, charge: Charge, amount: Price) -> Refund:
        """Send money back; see `refund`."""
        return refund(self._wb, charge.charge_id, amount)

    def ledger(self) -> "pandas.DataFrame":
        """Return the money that has moved since the story began."""
        return self._wb.journal.since(self._begins_at).ledger()

    def money(self) -> Shown:
        """Draw what was held, captured and refunded since the story began."""
        return money_of(self._wb.journal.since(self._begins_at).exchanges)

    def diagram(self) -> SequenceDiagram:
        """Return the story so far as a sequence diagram."""
        return sequence_diagram(self._wb.journal.since(self._begins_at))


# The result of one plan, or the reason why it failed, and what it has moved, in the run's currency.
Branch = namedtuple("Branch", "plan outcome requests authorized captured refunded")


def fork(wb: Workbench, plans: Mapping[str, Callable[[], Any]]) -> list[Branch] | str:
    """Try each plan from the same moment: snapshot, try A, rewind, try B, rewind.

    Everything is rolled back: objects, clock and journal.  On the Sandbox, where nothing can be rewound, nothing is
    tried, and the answer says so.
    """
    if wb.emulator is None:
        return "Skipped: only the emulator can be rewound, so nothing was tried."
    return [_branch(wb, name, plan) for name, plan in plans.items()]


def _branch(wb: Workbench, name: str, plan: Callable[[], Any]) -> Branch:
    start = len(wb.journal)
    with wb.director.fork():
        try:
            end = plan()
            outcome = str(getattr(end, "state", end))
        except ApiError as error:
            outcome = f"{error.status_code} {error.reason_code}"
        except AmazonPayError as error:
            outcome = f"{type(error).__name__}: {error.message}"
        journal = wb.journal.since(start)
    totals = journal.totals().get(wb.currency, {})
    amounts = (format_amount(totals.get(column, Decimal(0)), wb.currency) for column in filter(None, Counts))
    return Branch(name, outcome, len(journal.exchanges), *amounts)
