"""The merchant's calls as actions: the cards and the payment desk offer the same ones, with the same fields.

Which calls there are comes from `spec.operations`, what is possible now from `spec.states`, and the state of an object
from the last answer in the journal that told it.  So whatever a cell has done, a panel knows as well.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic.alias_generators import to_camel, to_snake

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.guide import charge, decide
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.shop import Shop
from amazonpay_nb.spec.answers import Charge, ChargePermission, CheckoutSession, Refund, Resource
from amazonpay_nb.spec.machine import Machine, NotAllowed
from amazonpay_nb.spec.operations import OPERATIONS, Operation
from amazonpay_nb.spec.regions import Region
from amazonpay_nb.spec.requests import Channel, ChargeInitiator
from amazonpay_nb.spec.simulations import SIMULATIONS
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION, CHECKOUT_SESSION, REFUND
from amazonpay_nb.spec.words import CHANNELS, INITIATORS
from amazonpay_nb.workbench.panels.view import Action, Field, Option

__all__ = ["KINDS", "Bench", "Calls", "Kind"]


class Bench(Protocol):
    """What a panel needs to know of its workbench."""

    region: Region
    buyer: str
    currency: str
    amount: dict[str, str]
    journal: Journal
    shop: Shop
    emulator: Any

    @property
    def client(self) -> AmazonPayClient:
        """Talks to Amazon Pay; raises ConfigurationError while there are no keys."""
        ...

    def price(self, amount: str) -> dict[str, str]:
        """Return an amount in the merchant's currency."""
        ...

    def wait(self, seconds: int) -> None:
        """Let time pass at Amazon."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the four kinds of objects.

    Attributes:
        resource: What an answer is read as.
    """

    machine: Machine
    resource: type[Resource]

    @property
    def noun(self) -> str:
        """As operations name it, for example ``ChargePermission``."""
        return self.machine.name.replace(" ", "")

    @property
    def id_field(self) -> str:
        """The field and parameter that names an object, for example ``charge_permission_id``."""
        return f"{to_snake(self.noun)}_id"

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The call that reads it, then those that its state allows or not."""
        acting = (row for row in OPERATIONS.values() if row.acts_on == self.machine.name)
        return OPERATIONS[f"get{self.noun}"], *acting


SESSION, PERMISSION = Kind(CHECKOUT_SESSION, CheckoutSession), Kind(CHARGE_PERMISSION, ChargePermission)
CHARGED, REFUNDED = Kind(CHARGE, Charge), Kind(REFUND, Refund)
KINDS = (SESSION, PERMISSION, CHARGED, REFUNDED)
_NEWEST = Option("", "the newest")
_NONE = Option("", "none yet")


class Calls:
    """What is known of the objects of a run, and the calls that a merchant can make about them.

    Each call takes an id, or "" for the newest object of its kind.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    # --- What is known ------------------------------------------------------------------------------------------------

    def known(self, kind: Kind) -> dict[str, Resource | None]:
        """Return the objects that answers have named, oldest first, each as it was described last; None for not yet."""
        found: dict[str, Resource | None] = dict.fromkeys(self._named(kind))
        for exchange in self._bench.journal.exchanges:
            if not exchange.failed and exchange.response and exchange.operation.endswith(kind.noun):
                answer = kind.resource.model_validate(exchange.response)
                object_id = getattr(answer, kind.id_field)
                before = found.get(object_id)
                # A replay of a stored answer is an old one.
                if before is None or _time(answer) >= _time(before):
                    found[object_id] = answer
        return found

    def _named(self, kind: Kind) -> Iterator[str]:
        field = to_camel(kind.id_field)
        for exchange in self._bench.journal.exchanges:
            if not exchange.failed and exchange.response and exchange.response.get(field):
                yield exchange.response[field]
        if kind is SESSION:  # a session is known by the address at which the buyer came back, before it is asked for
            yield from (arrival.checkout_session_id for arrival in self._bench.shop.arrivals)

    def object_id(self, kind: Kind, given: str = "") -> str:
        """Return the id that is meant.

        Raises:
            ConfigurationError: There is no such object yet.
        """
        if given:
            return given
        try:
            return list(self.known(kind))[-1]
        except IndexError:
            raise ConfigurationError(
                f"There is no {kind.machine.name} yet.", advice="Take the steps that lead to one first."
            ) from None

    def current(self, kind: Kind, given: str = "") -> tuple[str, Resource | None]:
        """Return the id that is meant and what is known of that object; "" where there is none."""
        known = self.known(kind)
        object_id = given if given in known else next(reversed(known), "")
        return object_id, known.get(object_id)

    # --- What can be done ---------------------------------------------------------------------------------------------

    def actions(self, kind: Kind, given: str = "") -> Iterator[Action]:
        """Return the calls about an object; what its state does not allow has the reason."""
        object_id, thing = self.current(kind, given)
        for row in kind.operations:
            name = to_snake(row.name)
            reason = "" if object_id else f"There is no {kind.machine.name} yet."
            if object_id and row.acts_on:
                reason = _refusal(kind, thing, row)
            does = f"{row.method} {row.path}"
            yield Action(name, row.title, not reason, reason or does, _arguments(getattr(self, name)))

    def field(self, name: str, offered: tuple[str, ...] = ()) -> Field:
        """Return a field by its name.

        Args:
            offered: The operations whose simulation codes can be chosen.
        """
        for kind in KINDS:
            if name == kind.id_field:
                return self._which(kind)
        if name == "simulation_code":
            help_ = "What the next call is to meet; nothing unless you say so."
            return Field(name, "", help=help_, options=_codes(offered))
        if name == "amount":
            return Field(
                name, self._bench.amount["amount"], f"Amount ({self._bench.currency})",
                help="What is charged, captured or refunded, in major units.",
            )  # fmt: skip
        return _FIELDS[name]

    def _which(self, kind: Kind) -> Field:
        known = self.known(kind)
        options = (Option(name, f"{name} {thing.state if thing else ''}".strip()) for name, thing in known.items())
        help_ = "Which one; its state is that of the last answer."
        return Field(kind.id_field, "", kind.machine.name, help_, (_NEWEST if known else _NONE, *options))

    # --- Checkout Session ---------------------------------------------------------------------------------------------

    def get_checkout_session(self, checkout_session_id: str = "") -> CheckoutSession:
        """Ask what the buyer has chosen, and what is missing."""
        return self._bench.client.get_checkout_session(self.object_id(SESSION, checkout_session_id))

    def update_checkout_session(
        self, checkout_session_id: str = "", merchant_reference_id: str = ""
    ) -> CheckoutSession:
        """Write the order number into the session."""
        return self._bench.client.update_checkout_session(
            self.object_id(SESSION, checkout_session_id),
            merchant_metadata={"merchantReferenceId": merchant_reference_id},
        )

    def complete_checkout_session(self, checkout_session_id: str = "", simulation_code: str = "") -> CheckoutSession:
        """Make it final; a purchase repeats its amounts exactly, a set-up has none."""
        session_id, fields = self._final(checkout_session_id, simulation_code)
        return self._bench.client.complete_checkout_session(session_id, **fields)

    def finalize_checkout_session(self, checkout_session_id: str = "", simulation_code: str = "") -> CheckoutSession:
        """Make it final, from a mobile app."""
        session_id, fields = self._final(checkout_session_id, simulation_code)
        return self._bench.client.finalize_checkout_session(session_id, **fields)

    def _final(self, given: str, code: str) -> tuple[str, dict[str, Any]]:
        session_id = self.object_id(SESSION, given)
        session = self.known(SESSION).get(session_id)
        details = (session.payment_details if isinstance(session, CheckoutSession) else None) or {}
        amounts = {to_snake(name): details.get(name) for name in ("chargeAmount", "totalOrderAmount")}
        return session_id, {**amounts, "simulation_code": code}

    # --- Charge Permission --------------------------------------------------------------------------------------------

    def get_charge_permission(self, charge_permission_id: str = "") -> ChargePermission:
        """Ask whether it can be charged."""
        return self._bench.client.get_charge_permission(self.object_id(PERMISSION, charge_permission_id))

    def update_charge_permission(
        self, charge_permission_id: str = "", merchant_reference_id: str = ""
    ) -> ChargePermission:
        """Write another order number into it."""
        return self._bench.client.update_charge_permission(
            self.object_id(PERMISSION, charge_permission_id),
            merchant_metadata={"merchantReferenceId": merchant_reference_id},
        )

    def close_charge_permission(
        self, charge_permission_id: str = "", reason: str = "", cancel_pending_charges: bool = False,
        simulation_code: str = "",
    ) -> ChargePermission:  # fmt: skip
        """End it for good."""
        return self._bench.client.close_charge_permission(
            self.object_id(PERMISSION, charge_permission_id), closure_reason=reason,
            cancel_pending_charges=cancel_pending_charges, simulation_code=simulation_code,
        )  # fmt: skip

    def create_charge(
        self, charge_permission_id: str = "", amount: str = "", charge_initiator: ChargeInitiator = "MITU",
        channel: Channel = "App",
        capture_now: bool = True, can_handle_pending_authorization: bool = False, simulation_code: str = "",
    ) -> Charge:  # fmt: skip
        """Charge what the buyer owes: Get Charge Permission first, then Create Charge if it is Chargeable."""
        return charge(
            self._bench.client, self.object_id(PERMISSION, charge_permission_id), self._price(amount),
            charge_initiator=charge_initiator, channel=channel, capture_now=capture_now,
            can_handle_pending_authorization=can_handle_pending_authorization or None, simulation_code=simulation_code,
        )  # fmt: skip

    # --- Charge and Refund --------------------------------------------------------------------------------------------

    def get_charge(self, charge_id: str = "") -> Charge:
        """Ask how it stands."""
        return self._bench.client.get_charge(self.object_id(CHARGED, charge_id))

    def capture_charge(self, charge_id: str = "", amount: str = "", simulation_code: str = "") -> Charge:
        """Take the money that is held, or a part of it."""
        return self._bench.client.capture_charge(
            self.object_id(CHARGED, charge_id), capture_amount=self._price(amount), simulation_code=simulation_code
        )

    def cancel_charge(self, charge_id: str = "", reason: str = "") -> Charge:
        """Let go of the money that is held."""
        return self._bench.client.cancel_charge(self.object_id(CHARGED, charge_id), cancellation_reason=reason)

    def create_refund(self, charge_id: str = "", amount: str = "", simulation_code: str = "") -> Refund:
        """Send money back, or a part of it."""
        return self._bench.client.create_refund(
            charge_id=self.object_id(CHARGED, charge_id), refund_amount=self._price(amount),
            simulation_code=simulation_code,
        )  # fmt: skip

    def get_refund(self, refund_id: str = "") -> Refund:
        """Ask whether the money has gone."""
        return self._bench.client.get_refund(self.object_id(REFUNDED, refund_id))

    def _price(self, amount: str) -> dict[str, str]:
        return self._bench.price(amount) if amount else self._bench.amount


_FIELDS = {
    field.name: field
    for field in (
        Field("charge_initiator", "MITU", help="Who starts the charge.",
              options=tuple(Option(row.code, f"{row.code}: {row.use_it_when}") for row in INITIATORS)),
        Field("channel", "App", help="Where the buyer ordered.",
              options=tuple(Option(row.code, f"{row.code}: {row.the_buyer_orders}") for row in CHANNELS)),
        Field("capture_now", True, help="Takes the money at once; otherwise it is held, for a capture within 30 days."),
        Field("can_handle_pending_authorization", False, "Pending is fine",
              help="You can wait for an answer that comes later."),
        Field("cancel_pending_charges", False, help="Closing cancels the charges that are not captured yet."),
        Field("reason", "No longer needed.", help="Why it is canceled or closed."),
        Field("merchant_reference_id", "ORDER-1", help="Your order number."),
    )
}  # fmt: skip


def _codes(operations: tuple[str, ...]) -> tuple[Option, ...]:
    titles: dict[str, list[str]] = {}
    for row in SIMULATIONS.values():
        if row.operation in operations:
            titles.setdefault(row.code, []).append(OPERATIONS[row.operation].title)
    return Option("", "none"), *(Option(code, f"{code} ({', '.join(for_)})") for code, for_ in titles.items())


def _arguments(method: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(method).parameters)


def _refusal(kind: Kind, thing: Resource | None, operation: Operation) -> str:
    """Say why the state does not allow a call, and what to do instead; "" where it does."""
    if thing is None:
        return f"Its state is not known yet: {kind.operations[0].title} first."
    try:
        kind.machine.step(thing.state, operation.title)
    except NotAllowed as refusal:
        step = decide(thing).next_step if isinstance(thing, ChargePermission) else ""
        return f"{refusal}. {step[:1].upper()}{step[1:]}.".removesuffix(" .")
    return ""


def _time(thing: Resource) -> str:
    return thing.status_details.last_updated_timestamp or ""
