"""Steps on the stage: what the shop's server does in each of `stories.toml`, and what is kept of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from amazonpay_nb.client.guide import charge, complete_set_up
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.sending import ATTEMPTS
from amazonpay_nb.lessons.stories import offer, price, refund
from amazonpay_nb.shop import Arrival, Attempt, Cart
from amazonpay_nb.spec.answers import Charge, CheckoutSession, Refund
from amazonpay_nb.spec.flows import FLOWS
from amazonpay_nb.spec.money import MONTHLY_LIMITS
from amazonpay_nb.spec.words import payments_of
from amazonpay_nb.stage.story import Step, Story
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage

VISITS = ("set-up", "order", "repair")  # the steps for which the buyer has to come
# Puts a page on the phone and returns when the buyer is back.
Visit = Callable[[HostedPage, Step], Arrival]


class Server:
    """The shop's server in a story, which sells *product*; a copy of it stays as it is."""

    def __init__(self, wb: Workbench, story: Story, product: str, visit: Visit) -> None:
        assert wb.emulator  # noqa: S101 (the environment is never another)
        self.wb, self._story, self._product, self._visit = wb, story, product, visit
        self.emulator = wb.emulator
        self.objects: Mapping[str, Charge | Refund] = {}  # by the names that the steps give them
        self.keys: Mapping[str, str] = {}  # idempotency keys, by the same names
        self.permission_id = ""  # of the Saved Wallet
        self.review: tuple[Attempt, str] | None = None  # an order between two visits, and its Checkout Session

    def take(self, step: Step) -> None:
        """Take a step; an `AmazonPayError` says that Amazon Pay refused, or that there was no answer."""
        getattr(self, "_" + step.do.replace("-", "_"))(step)

    def price(self, step: Step) -> dict[str, str]:
        """Return the story's price, times what the step says, or the month's limit."""
        if step.limit:
            return self.wb.price(str(MONTHLY_LIMITS[self.wb.region.code, self.wb.currency]))
        return price(self.wb, step.times)

    def _set_up(self, step: Step) -> None:
        wb, flow, total = self.wb, FLOWS[step.flow or self._story.sets_up_by], self.price(step)
        cart = Cart.of(self._product, total, ships=False) if flow.answers["purpose"] == "buy" else None
        page = offer(wb, flow, total, touchless=step.touchless, cart=cart)
        session_id = self._visit(page, step).checkout_session_id
        if "webCheckoutDetails.checkoutReviewReturnUrl" in flow.required:
            self.review = page.attempt, wb.client.get_checkout_session(session_id).checkout_session_id
        elif flow.complete_with_amount:
            self._keep_order(step, wb.client.complete_checkout_session(session_id, charge_amount=total))
        else:
            self.permission_id = complete_set_up(wb.client, session_id).charge_permission_id or ""

    def _order(self, step: Step) -> None:
        if self.review is None:
            raise ValueError("there is no order to review")
        wb, total, (attempt, session_id) = self.wb, self.price(step), self.review
        session = wb.client.update_checkout_session(
            session_id,
            web_checkout_details={"checkoutResultReturnUrl": attempt.result_url},
            payment_details={"paymentIntent": "Authorize", "chargeAmount": total},
        )
        self._visit(wb.show_review(attempt, session), step)
        self._keep_order(step, wb.client.complete_checkout_session(session_id, charge_amount=total))

    def _keep_order(self, step: Step, done: CheckoutSession) -> None:
        self.permission_id = done.charge_permission_id or ""
        self._keep(step, self.wb.client.get_charge(str(done.charge_id)))

    def _repair(self, step: Step) -> None:
        session_id = self._visit(self.wb.show_repair(self.permission_id), step).checkout_session_id
        done = complete_set_up(self.wb.client, session_id)
        self.permission_id = done.charge_permission_id or self.permission_id

    def _pay(self, step: Step) -> None:
        fields: dict[str, Any] = {"charge_initiator": step.initiator, "channel": "Web", "capture_now": step.capture}
        if step.payment:
            fields = payments_of(self._story.use_case)[step.payment].fields
        key = self.keys[step.again] if step.again else None
        fields = fields | {"idempotency_key": key or None, "simulation_code": step.code or None}
        try:
            self._keep(step, charge(self.wb.client, self.permission_id, self.price(step), **fields))
        finally:  # its answer may be lost; the key is "" where nothing was sent
            self.keys = {**self.keys, step.name: self.wb.journal.exchanges[-1].idempotency_key}

    def _capture(self, step: Step) -> None:
        self._keep(step, self.wb.client.capture_charge(self._charge_id(step), capture_amount=self.price(step)))

    def _release(self, step: Step) -> None:
        self._keep(step, self.wb.client.cancel_charge(self._charge_id(step), cancellation_reason="Not needed"))

    def _refund(self, step: Step) -> None:
        self._keep(step, refund(self.wb, self._charge_id(step), self.price(step)))

    def _read(self, step: Step) -> None:
        if step.of:
            self._keep(step, self.wb.client.get_charge(self._charge_id(step)))
        else:
            self.wb.client.get_charge_permission(self.permission_id)

    def _close(self, step: Step) -> None:
        self.wb.client.close_charge_permission(self.permission_id, closure_reason="Not needed")

    def _buyer_leaves(self, step: Step) -> None:
        self.wb.director.cause(self.permission_id, "Closed", "BuyerClosed")

    def _wait(self, step: Step) -> None:
        self.emulator.clock.advance(step.wait)

    def _lose_answer(self, step: Step) -> None:
        """Lose the answer to the next payment, however often the client asks for it."""
        self.wb.director.inject_fault("createCharge", "drop-after-commit", times=ATTEMPTS)

    def _hear(self, step: Step) -> None:
        """Get each charge that Amazon has announced and the shop has not seen."""
        seen = self.wb.journal.known.of("Charge")
        rows = self.emulator.control.get("objects/charges")["objects"]
        for number in [row["chargeId"] for row in rows if row["chargeId"] not in seen]:
            self.wb.client.get_charge(number)

    def _say(self, step: Step) -> None:
        """Show the step's words, and do nothing."""

    def _charge_id(self, step: Step) -> str:
        return str(self.objects[step.of].charge_id)

    def _keep(self, step: Step, thing: Charge | Refund) -> None:
        if name := step.name or step.of:
            self.objects = {**self.objects, name: thing}


@dataclass
class Act:
    """Steps that were played, or are being played: a beat, or one branch of a what-if, which was undone."""

    name: str  # of the beat or the branch
    journal: Journal  # that of the region
    begins: int  # after how many entries of the journal
    way: str = ""  # how it went otherwise: a key of the words ``otherwise``; "" where it went as told
    notes: list[tuple[int, str]] = field(default_factory=list)  # words, each after so many entries of its own
    pages: list[tuple[str, str]] = field(default_factory=list)  # address and HTML of those that a script has seen
    what_ifs: dict[str, list[Self]] = field(default_factory=dict)  # by name, the branches that were tried

    @property
    def own(self) -> Journal:
        """Its own entries, in a journal of their own."""
        return self.journal.since(self.begins)

    def say(self, words: str) -> None:
        """Put words after what has come so far."""
        self.notes.append((len(self.journal) - self.begins, words))

    def kept(self) -> Self:
        """Return an act that stays as it is when its entries are undone."""
        return replace(self, journal=self.own, begins=0)
