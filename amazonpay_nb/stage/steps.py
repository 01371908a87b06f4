"""What the shop's server does on the stage: each step of `stories.toml` is one function."""

from collections.abc import Callable
from copy import copy
from decimal import Decimal
from typing import Any

from amazonpay_nb.client.button import sign_button
from amazonpay_nb.client.guide import charge, complete_set_up
from amazonpay_nb.shop import Arrival, Attempt, Cart
from amazonpay_nb.shop.payloads import payload_of
from amazonpay_nb.spec.answers import Charge, CheckoutSession, Refund
from amazonpay_nb.spec.flows import FLOWS
from amazonpay_nb.spec.money import CURRENCY_DECIMALS, MONTHLY_LIMITS, format_amount
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.spec.words import payments_of
from amazonpay_nb.stage.story import Step, Story
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage

VISITS = ("set-up", "order", "repair")  # the steps for which the buyer has to come
# Puts a page on the phone and returns when the buyer is back.
Visit = Callable[[HostedPage, Step], Arrival]


class Server:
    """The shop's server in a story.

    Args:
        product: What is sold, in the language of the screen.
        visit: What to do where the buyer has to come.
    Attributes:
        objects: The charges and refunds so far, by the names that the steps give them.
        keys: The idempotency key of each of them.
        permission_id: The Saved Wallet.
        review: The order that the buyer reviews in the shop, between two visits, and its Checkout Session.
    """

    def __init__(self, wb: Workbench, story: Story, product: str, visit: Visit) -> None:
        self.wb, self._story, self._product, self._visit = wb, story, product, visit
        self.objects: dict[str, Charge | Refund] = {}
        self.keys: dict[str, str] = {}
        self.permission_id = ""
        self.review: tuple[Attempt, str] | None = None

    def state(self) -> dict[str, Any]:
        """Return what `resume` takes."""
        return {name: copy(getattr(self, name)) for name in ("objects", "keys", "permission_id", "review")}

    def resume(self, state: dict[str, Any]) -> None:
        """Go back to an earlier state."""
        for name, value in state.items():
            setattr(self, name, copy(value))

    def take(self, step: Step) -> None:
        """Take a step.

        Raises:
            AmazonPayError: Amazon Pay refused, or there was no answer.
        """
        getattr(self, "_" + step.do.replace("-", "_"))(step)

    def price(self, step: Step) -> dict[str, str]:
        """Return the story's price, times what the step says, or the month's limit."""
        if step.limit:
            return self.wb.price(str(MONTHLY_LIMITS[self.wb.region.code, self.wb.currency]))
        exact = Decimal(step.times) * Decimal(self.wb.amount["amount"])
        smallest = Decimal(1).scaleb(-CURRENCY_DECIMALS[self.wb.currency])
        return self.wb.price(format_amount(max(exact.quantize(smallest), smallest), self.wb.currency))

    def _set_up(self, step: Step) -> None:
        wb, flow = self.wb, FLOWS[step.flow or self._story.sets_up_by]
        attempt, total = wb.shop.new_attempt(), self.price(step)
        cart = Cart.of(self._product, total, ships=False) if flow.answers["purpose"] == "buy" else None
        payload = payload_of(flow, attempt, wb.store_id, region=wb.region.code, charge_amount=total)
        offer = wb.show_touchless if step.touchless else wb.show_button
        product_type = flow.fixed.get("productType", "PayOnly")
        page = offer(attempt, sign_button(payload, wb.keys), product_type=product_type, cart=cart)
        session_id = self._visit(page, step).checkout_session_id
        if "webCheckoutDetails.checkoutReviewReturnUrl" in flow.required:
            self.review = attempt, wb.client.get_checkout_session(session_id).checkout_session_id
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
        key, code, before = self.keys.get(step.again), step.code or None, len(self.wb.journal)
        fields: dict[str, Any] = {"charge_initiator": step.initiator, "channel": "Web", "capture_now": step.capture}
        if step.payment:
            fields = payments_of(self._story.use_case)[step.payment].fields
        try:
            self._keep(
                step,
                charge(
                    self.wb.client, self.permission_id, self.price(step), idempotency_key=key, simulation_code=code,
                    **fields,
                ),
            )  # fmt: skip
        finally:
            for exchange in self.wb.journal.since(before).exchanges:
                if step.name and exchange.idempotency_key:
                    self.keys[step.name] = exchange.idempotency_key

    def _capture(self, step: Step) -> None:
        number = str(self.objects[step.of].charge_id)
        self._keep(step, self.wb.client.capture_charge(number, capture_amount=self.price(step)))

    def _release(self, step: Step) -> None:
        number = str(self.objects[step.of].charge_id)
        self._keep(step, self.wb.client.cancel_charge(number, cancellation_reason=step.reason or "Not needed"))

    def _refund(self, step: Step) -> None:
        number = str(self.objects[step.of].charge_id)
        code = step.code or None
        sent = self.wb.client.create_refund(charge_id=number, refund_amount=self.price(step), simulation_code=code)
        self.wb.wait(PENDING_SECONDS)
        self._keep(step, self.wb.client.get_refund(sent.refund_id))

    def _read(self, step: Step) -> None:
        if step.of:
            self._keep(step, self.wb.client.get_charge(str(self.objects[step.of].charge_id)))
        else:
            self.wb.client.get_charge_permission(self.permission_id)

    def _close(self, step: Step) -> None:
        self.wb.client.close_charge_permission(self.permission_id, closure_reason=step.reason or "Not needed")

    def _cause(self, step: Step) -> None:
        self.wb.director.cause(self.permission_id, step.state, step.reason or None)

    def _wait(self, step: Step) -> None:
        if self.wb.emulator:
            self.wb.emulator.clock.advance(step.wait)

    def _fault(self, step: Step) -> None:
        self.wb.director.inject_fault(step.operation, step.fault, times=int(step.times))

    def _hear(self, step: Step) -> None:
        """Get each charge that Amazon has announced and the shop has not seen."""
        seen = self.wb.journal.known.of("Charge")
        rows = self.wb.emulator.control.get("objects/charges")["objects"] if self.wb.emulator else []
        for number in [row["chargeId"] for row in rows if row["chargeId"] not in seen]:
            self.wb.client.get_charge(number)

    def _say(self, step: Step) -> None:
        """Show the step's words, and do nothing."""

    def _keep(self, step: Step, thing: Charge | Refund) -> None:
        if name := step.name or step.of:
            self.objects[name] = thing
