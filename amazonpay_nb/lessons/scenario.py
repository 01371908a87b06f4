"""Play any scenario, a flow with an outcome, act by act, and compare its end with the one that `spec` predicts.

    scenario = Scenario(wb, "express", "soft-decline")
    await scenario.set_up()
    await scenario.pay()
    scenario.settle()
    scenario.end == scenario.expected

``scenario.toml`` has the outcomes: each card, each simulation code, each end of a dispute, and what a buyer does.
"""

from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import field
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic.alias_generators import to_snake

from amazonpay_nb.client.button import sign_button
from amazonpay_nb.client.guide import complete_set_up
from amazonpay_nb.errors import ApiError, ConfigurationError
from amazonpay_nb.lessons.account import fields_of, state_of, with_reason
from amazonpay_nb.lessons.drills import needs
from amazonpay_nb.shop.payloads import payload_of, product_types
from amazonpay_nb.spec.answers import Refund
from amazonpay_nb.spec.data import as_kind, data_row, read
from amazonpay_nb.spec.flows import FLOWS as ALL_FLOWS
from amazonpay_nb.spec.machine import CLOCK, MERCHANT, NEW, Transition
from amazonpay_nb.spec.operations import TITLES
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.spec.simulations import PENDING_SECONDS, Simulation, simulation
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION, CHECKOUT_SESSION, DISPUTE, PENDING, REFUND, timer
from amazonpay_nb.workbench.bench import Workbench

_FILE = read("scenario.toml", beside=__file__)
FLOWS = {name: ALL_FLOWS[row] for name, row in _FILE["flows"].items()}
_USUAL = {"flow": "set-up", "region": "na", "outcome": "success", "environment": "emulator"}
_COMPLETE, _CLOSE = "completeCheckoutSession", "closeChargePermission"
_CHARGE, _CAPTURE, _REFUND = "createCharge", "captureCharge", "createRefund"
# An operation and its code, and a state with what happens there: what the file says of rows of other tables.
_Code = Annotated[Simulation | None, BeforeValidator(lambda words: simulation(*words.split()))]
_EndOfDispute = Annotated[Transition | None, BeforeValidator(lambda words: DISPUTE.step(*words.split(": ", 1)))]


@data_row
class Outcome:
    """What is different from a scenario in which everything goes well; ``scenario.toml`` describes the fields."""

    happens: str
    script: dict[str, Any] = field(default_factory=dict)
    code: _Code = None
    like: _Code = None
    dispute: _EndOfDispute = None
    repairs: bool = False
    needs: tuple[str, ...] = ()

    def code_for(self, operation: str) -> Simulation | None:
        """Return the simulation whose code is sent with an operation, if any is."""
        return self.code if self.code and self.code.operation == operation else None


OUTCOMES = as_kind("scenario.toml", _FILE["outcomes"], dict[str, Outcome])
# How a scenario ends: the states and refusals of each object, in their order; "" where there is no such object.
# arrival: the address that the buyer came back to; wallet: the type of the Charge Permission; order: the charge of a
# flow with a purchase; charge: a later charge of the Saved Wallet.
End = namedtuple("End", "arrival session wallet permission order charge refund dispute")
# What was expected of an object, and what became of it.
Row = namedtuple("Row", "object expected actual")


class _Paths(dict[str, list[str]]):
    """The states of each object so far."""

    def add(self, name: str, *states: str) -> None:
        for state in states:
            if state != self.last(name):
                self.setdefault(name, []).append(state)

    def last(self, name: str) -> str:
        return self.get(name, [""])[-1]

    @property
    def end(self) -> End:
        return End(*(" → ".join(self.get(name, ())) for name in End._fields))


def possible(flow: str, region: str, environment: str = "emulator") -> dict[str, str]:
    """Return every outcome by name: "" where it is possible in this flow and region, else why it is not."""
    row, buys = region_of(region), FLOWS[flow].complete_with_amount
    here = environment == "emulator"
    has = {"purchase": buys, "challenge": row.psd2, "update_page": row.update_page, "emulator": here}
    lacks = {name: [_FILE["needs"][need] for need in each.needs if not has[need]] for name, each in OUTCOMES.items()}
    return {name: "; ".join(reasons) for name, reasons in lacks.items()}


def check_scenario(values: Mapping[str, Any]) -> None:
    """Check that flow, region, outcome and environment go together; a ConfigurationError says why not, and which do."""
    flow, region, outcome, environment = (str((_USUAL | dict(values))[name]) for name in _USUAL)
    if flow not in FLOWS:
        raise ConfigurationError(f"flow={flow!r} does not exist.", advice=f"Choose one of {', '.join(FLOWS)}.")
    reasons = possible(flow, region, environment)
    allowed = [name for name, reason in reasons.items() if not reason]
    if outcome not in allowed:
        close = "".join(f"Did you mean {name}? " for name in get_close_matches(outcome, allowed, n=1))
        why = f"cannot be with flow={flow!r} and region={region!r}: {reasons.get(outcome)}"
        problem = f"outcome={outcome!r} {why if outcome in reasons else 'does not exist'}."
        raise ConfigurationError(problem, advice=f"{close}Choose one of {', '.join(allowed)}.")


def expected(flow: str, region: str, outcome: str, environment: str = "emulator") -> End:
    """Return the end of a possible scenario, computed from the tables of flows, states and simulations."""
    check_scenario({"flow": flow, "region": region, "outcome": outcome, "environment": environment})
    scene, paths = OUTCOMES[outcome], _Paths()
    purchase = scene.like or scene.code_for(_COMPLETE)  # what happens to the session, or to what is bought with it
    back = "signed-in" if FLOWS[flow].signs_in else "result"
    paths.add("arrival", scene.script.get("ending", back))
    if paths.last("arrival") != back:
        return paths.end
    if purchase and purchase.operation == _COMPLETE and purchase.reason_code:
        paths.add("session", *_moves(purchase), with_reason(purchase.state, purchase.later_reason))
        return paths.end
    paths.add("session", CHECKOUT_SESSION.step("Open", "Complete Checkout Session").target)
    consents = scene.script.get("consent", True)
    wallet = CHARGE_PERMISSION.step(NEW, "Complete Checkout Session").target
    paths.add("wallet", "PaymentMethodOnFile" if consents else "OneTime")
    if consents:
        paths.add("permission", wallet)
    else:  # the order uses all of it
        _follow(paths, wallet, "A charge uses the whole limit", "Close by Amazon")
    if FLOWS[flow].complete_with_amount:
        _charge(paths, "order", purchase)
    if scene.repairs:
        _follow(paths, wallet, "Payment method expires", "Update the payment method")
    if paths.last("permission") == wallet:
        _charge(paths, "charge", scene.code_for(_CHARGE), scene.code_for(_CAPTURE))
    if paths.last("charge") == "Captured" and scene.dispute:
        paths.add("dispute", *_dispute(scene.dispute))
    elif paths.last("charge") == "Captured":
        first = REFUND.step(NEW, "Create Refund").target
        paths.add("refund", *_moves(scene.code_for(_REFUND), first, REFUND.step(first, "Refund").target))
    if close := scene.code_for(_CLOSE):
        paths.add("permission", with_reason(close.state, close.later_reason))
    return paths.end


def _moves(row: Simulation | None, *usual: str) -> tuple[str, ...]:
    if row is None:
        return usual
    refusal = (f"{row.status} {row.reason_code}",)
    return refusal if row.reason_code else (str(row.state), with_reason(row.later_state, row.later_reason))


def _follow(paths: _Paths, state: str, *triggers: str) -> None:
    for trigger in triggers:
        row = CHARGE_PERMISSION.step(state, trigger)
        paths.add("permission", with_reason(row.target, row.reason))
        state = row.target


def _charge(paths: _Paths, name: str, authorization: Simulation | None, capture: Simulation | None = None) -> None:
    # Where no simulation makes Amazon wait, it decides at once, and nobody sees the state in between.
    paths.add(name, *_moves(authorization, CHARGE.step("AuthorizationInitiated", "Authorize").target))
    if paths.last(name) == "Authorized":
        paths.add(name, *_moves(capture, CHARGE.step("CaptureInitiated", "Capture").target))
    decline = f"Decline: {authorization and (authorization.reason_code or authorization.later_reason)}"
    then = CHARGE.step("AuthorizationInitiated", decline).then if decline in CHARGE.triggers else ()
    for each in then:
        if each.machine == "Charge Permission" and not each.when:
            _follow(paths, paths.last("permission"), each.trigger)


def _dispute(end: Transition) -> Iterator[str]:
    start = DISPUTE.step(NEW, "File a chargeback")
    yield with_reason(start.target, start.reason)
    if end.source != start.target:
        yield DISPUTE.step(start.target, "Contest Dispute").target
    yield f"{with_reason(end.target, end.reason)}: {end.resolution}"


class Scenario:
    """One scenario on a workbench that has its keys; an act that cannot take place any more does nothing.

    Attributes:
        expected: How it ends, according to `spec`.
        objects: Those of the scenario, as Amazon answered last, as `Workbench.record` takes them.
    """

    def __init__(self, wb: Workbench, flow: str, outcome: str) -> None:
        self.expected = expected(flow, wb.region.code, outcome, wb.environment)
        self._wb, self._flow, self._outcome = wb, FLOWS[flow], OUTCOMES[outcome]
        self._paths, self.objects = _Paths(), dict[str, Any]()

    @property
    def end(self) -> End:
        """What has become of each object so far."""
        return self._paths.end

    def compare(self) -> list[Row]:
        """Return what was expected of each object, and what became of it."""
        rows = map(Row, End._fields, self.expected, self.end)
        return [row for row in rows if row.expected or row.actual]

    async def set_up(self) -> None:
        """Let the buyer go to Amazon and come back, complete the Checkout Session, and capture what was bought."""
        wb, script, attempt = self._wb, self._outcome.script, self._wb.shop.new_attempt()
        details = {"paymentIntent": "Authorize", "canHandlePendingAuthorization": True, "chargeAmount": wb.amount}
        total = {"charge_amount": wb.amount} if self._flow.complete_with_amount else {}
        payload = payload_of(self._flow, attempt, wb.store_id, region=wb.region.code, charge_amount=wb.amount)
        if total and "paymentDetails" in payload:
            payload["paymentDetails"] = details
        product = product_types(self._flow)[0]
        arrival = await wb.show_button(attempt, sign_button(payload, wb.keys), product_type=product).returned(**script)
        if arrival.kind == "review":
            web, update = {"checkoutResultReturnUrl": attempt.result_url}, wb.client.update_checkout_session
            session = update(arrival.checkout_session_id, web_checkout_details=web, payment_details=details)
            arrival = await wb.show_redirect(attempt, session).returned(**script)
        self._paths.add("arrival", arrival.kind)
        if session_id := arrival.checkout_session_id:  # the address for a cancellation gets none
            session = self._send(_COMPLETE, "session", session_id, **total)
            session = session or self._note("session", wb.client.get_checkout_session(session_id))
            self._look(session.charge_permission_id)
            if session.charge_id:
                hold = self._decision("order", wb.client.get_charge(session.charge_id))
                if hold.state == "Authorized":
                    capture = wb.client.capture_charge(hold.charge_id, capture_amount=wb.amount)
                    self._decision("order", capture)
                self._look()

    async def pay(self) -> None:
        """Charge the Saved Wallet, repaired where it has to be, and capture the charge."""
        if self._outcome.repairs:
            wallet = self.objects["permission"].charge_permission_id
            self._wb.director.cause(wallet, "NonChargeable", "PaymentMethodExpired")
            self._look()
            complete_set_up(self._wb.client, (await self._wb.show_repair(wallet).returned()).checkout_session_id)
            self._look()
        if self._paths.last("permission") == "Chargeable":
            fields = fields_of(_CHARGE, self.objects["permission"].charge_permission_id, self._wb.amount)
            fields |= needs(self._outcome.code_for(_CHARGE))
            charge = self._send(_CHARGE, "charge", charge_initiator="MITU", channel="Web", **fields)
            if charge and charge.state == "Authorized":
                self._send(_CAPTURE, "charge", charge.charge_id, capture_amount=self._wb.amount)
            self._look()

    def settle(self) -> None:
        """Send the later charge back, or let the buyer's bank dispute it; close the wallet where Amazon does."""
        if self._paths.last("charge") == "Captured":
            charge_id = self.objects["charge"].charge_id
            if self._outcome.dispute:
                self._dispute(charge_id, self._outcome.dispute)
            else:
                self._send(_REFUND, "refund", charge_id=charge_id, refund_amount=self._wb.amount)
        if self._outcome.code_for(_CLOSE):
            wallet = self.objects["permission"].charge_permission_id
            self._send(_CLOSE, "permission", wallet, closure_reason="The scenario is over.")

    def _dispute(self, charge_id: str, end: Transition) -> None:
        client, director = self._wb.client, self._wb.director
        dispute_id = director.dispute(charge_id)
        self._paths.add("dispute", state_of(client.get_dispute(dispute_id)))
        if end.source == "UnderReview":
            proof = fields_of("contestDispute", dispute_id, self._wb.amount)
            self._paths.add("dispute", state_of(client.contest_dispute(dispute_id, **proof)))
        if end.actor == MERCHANT:
            client.update_dispute(dispute_id, **fields_of("updateDispute", dispute_id, self._wb.amount))
        elif end.actor == CLOCK:
            self._wb.wait(int(timer("Dispute", end.source, end.trigger).total_seconds()))
        else:
            director.cause(dispute_id, end.target, end.reason, end.resolution)
        dispute = client.get_dispute(dispute_id)
        self._paths.add("dispute", f"{state_of(dispute)}: {dispute.resolution}")

    def _send(self, operation: str, name: str, *ids: str, **fields: Any) -> Any:
        # The object, once Amazon has decided about it, or None where the call was refused.
        row, call = self._outcome.code_for(operation), getattr(self._wb.client, to_snake(operation))
        try:
            return self._decision(name, call(*ids, simulation_code=row and row.code, **fields))
        except ApiError as error:
            self._paths.add(name, f"{error.status_code} {error.reason_code}")

    def _decision(self, name: str, thing: Any) -> Any:
        self._note(name, thing)
        if (TITLES[type(thing)], thing.state) in PENDING:
            self._wb.wait(PENDING_SECONDS)
            client = self._wb.client
            refunds = isinstance(thing, Refund)
            thing = client.get_refund(thing.refund_id) if refunds else client.get_charge(thing.charge_id)
        return self._note(name, thing)

    def _note(self, name: str, thing: Any) -> Any:
        self.objects["charge" if name == "order" else name] = thing
        self._paths.add(name, state_of(thing))
        return thing

    def _look(self, wallet: str | None = None) -> None:
        if wallet or "permission" in self.objects:
            wallet = wallet or self.objects["permission"].charge_permission_id
            permission = self._note("permission", self._wb.client.get_charge_permission(wallet))
            self._paths.add("wallet", permission.charge_permission_type)
