"""What the button panel knows: which choices fit together, the payload they make, and what is signed.

Everything that differs from flow to flow is read off the rows in `spec.flows`.  Who does not know which flow to choose
answers a few questions instead; the answers are rows as well.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol, get_args

from amazonpay_nb.client.button import (
    Payload,
    button_text,
    end_of_checkout_payload,
    express_payload,
    set_up_payload,
    sign_button,
    sign_in_and_set_up_payload,
    sign_in_payload,
    update_payload,
)
from amazonpay_nb.client.redaction import redact
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.shop import Cart, delivery_specifications
from amazonpay_nb.signing import string_to_sign
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.flows import FLOWS, QUESTIONS, Flow
from amazonpay_nb.spec.money import parse_amount
from amazonpay_nb.spec.regions import EXAMPLE_ADDRESSES, REGIONS, Region
from amazonpay_nb.spec.requests import Scope
from amazonpay_nb.workbench.panels.view import Action, Chosen, Field, Option, Part, View, choose

__all__ = ["COLORS", "Advice", "ButtonModel", "ButtonPicture", "PayloadField", "questions", "route"]

# `buttonColor`, the usual one first, and how our picture of it looks: background and ink.
COLORS = {"Gold": ("#ffd814", "#111"), "LightGray": ("#e7e9ec", "#111"), "DarkGray": ("#3a4553", "#fff")}
_CHARGE_AMOUNT, _WALLET = "paymentDetails.chargeAmount", "chargePermissionId"
_PRODUCT_TYPES = ("PayOnly", "PayAndShip", "SignInAndSetup", "SignIn")
# Product types for goods; flows that buy nothing usually need no address.
_GOODS = ("PayOnly", "PayAndShip")
_PLACES = ("Home", "Product", "Cart", "Checkout", "Other")
_ARTICLE = "Coffee beans, 1 kg"
# The Update page's own example shows no scopes: who the buyer is, is known.  [inferred]
_NO_SCOPES = ("update",)
_NO_KEYS = "There are no keys to sign with: run wb.set_up_keys(), or use the key panel."
_PORT = re.compile(r"(127\.0\.0\.1|localhost):\d+")

Annotate = Callable[[Payload], list[tuple[str, Any, str]]]


# --- From a few questions to a flow -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Advice:
    """What the answers lead to, for a table."""

    flow: str
    why: str
    product_type: str
    visits_to_amazon: int
    notebook: str


def questions(answers: Chosen) -> Iterator[Field]:
    """Yield the questions that the answers so far lead to."""
    given: dict[str, Any] = {}
    for row in QUESTIONS:
        if row.asked_when.items() <= given.items():
            options = tuple(Option(value, text) for value, text in row.answers.items())
            field = Field(row.name, options[0].value, label=row.text, options=options, spread=True)
            given |= choose([field], answers)
            yield field


def route(answers: Chosen) -> Flow:
    """Return the flow that the answers lead to; what is not answered counts as the first answer."""
    given = choose(list(questions(answers)), answers)
    return next(row for row in FLOWS.values() if row.answers.items() <= given.items())


# --- The panel --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PayloadField:
    """One field of the payload, with what it says."""

    field: str
    value: str
    says: str


@dataclass(frozen=True, slots=True)
class ButtonPicture:
    """How the button looks, where no script may draw it."""

    text: str
    color: str
    language: str
    placement: str

    def __repr__(self) -> str:
        return f"[ {self.text} ]  {self.color}, {self.language}, placement {self.placement}"

    def _repr_html_(self) -> str:
        back, ink = COLORS[self.color]
        shape = "display:inline-block;padding:.7em 3em;border:1px solid #0006;border-radius:8px;font-weight:600"
        style = f"{shape};background:{back};color:{ink}"
        words = escape(f"{self.color}, {self.language}, placement {self.placement}")
        return f'<p><span style="{style}">{escape(self.text)}</span></p><p>{words}</p>'


class _Bench(Protocol):
    """What the model needs to know of a workbench."""

    region: Region
    buyer: str
    currency: str
    language: str
    amount: dict[str, str]
    shop: Any

    @property
    def keys(self) -> MerchantKeys: ...

    @property
    def store_id(self) -> str: ...

    def price(self, amount: str) -> dict[str, str]: ...

    def show_button(self, visit: Any, signed: Any, **options: Any) -> Any: ...

    def show_update(self, visit: Any, signed: Any, **options: Any) -> Any: ...


class ButtonModel:
    """A button in the making.

    Args:
        bench: The workbench whose shop shows it.
        annotate: Tells each field of a payload with its value and its meaning.
    Attributes:
        page: The shop's page with the button that was offered last, or None.
    """

    def __init__(self, bench: _Bench, annotate: Annotate) -> None:
        self._bench, self._annotate = bench, annotate
        self.visit = bench.shop.new_attempt()
        self.page: Any = None

    # --- What there is to see -----------------------------------------------------------------------------------------

    def view(self, chosen: Chosen) -> View:
        """Return the choices, the payload that they make, and what is signed of it."""
        fields = self.fields(chosen)
        values = {name: str(value) for name, value in choose(fields, chosen).items()}
        flow = self.flow(values)
        body: list[Any] = [Part([self._advice(flow, values)], title="The flow")]
        problem = self._problem(flow, values)
        if not problem:
            body += self._pictures(self.payload(values), values)
        offer = "Signs the payload and puts the button on the shop's page."
        action = Action("offer", "Sign and show the button", not problem, problem or offer, tuple(values))
        return View("Button", body, fields, (action,))

    def flow(self, values: Chosen) -> Flow:
        """Return the flow that is chosen, or that the answers lead to."""
        return FLOWS.get(str(values.get("flow"))) or route(values)

    def fields(self, chosen: Chosen) -> tuple[Field, ...]:
        """Return the choices there are, the impossible ones with the reason."""
        flows = tuple(Option(row.name, row.title, self._closed(row)) for row in FLOWS.values())
        pick = Field("flow", "setup", options=(*flows, Option("", "Help me choose")), spread=True)
        asked = () if choose([pick], chosen)["flow"] else tuple(questions(chosen))
        flow = self.flow(choose([pick, *asked], chosen))
        return (pick, *asked, *self._fields_of(flow, chosen))

    def _closed(self, flow: Flow) -> str:
        region = self._bench.region
        closed = flow.name == "update" and not region.update_page
        return f"The Update page is not offered in {region.name}." if closed else ""

    def _fields_of(self, flow: Flow, chosen: Chosen) -> Iterator[Field]:
        region, title = self._bench.region, f"“{flow.title}”"
        ships = "Whether Amazon deals with a delivery address."
        yield _options(
            "product_type", _product_types(flow, chosen), _PRODUCT_TYPES, f"{title} has no such button.", ships
        )
        where = "Where on your site the button stands."
        yield _options("placement", flow.placements, _PLACES, f"The button of {title} stands elsewhere.", where)
        own = "The Update page is opened by a button of the shop's own." if flow.name == "update" else ""
        yield Field("color", "Gold", options=tuple(Option(color) for color in COLORS), spread=True, reason=own)
        languages = tuple(dict.fromkeys((self._bench.language, *region.languages)))
        every = tuple(dict.fromkeys(language for row in REGIONS.values() for language in row.languages))
        yield _options("language", languages, every, f"{region.name} does not offer it.", "Of Amazon's pages.")
        goods = f"What the article costs, in {self._bench.currency}."
        amount = self._bench.amount["amount"]
        yield Field("amount", amount, help=goods, check=self._check_amount, reason=_no_amount(flow))
        shared = f"What the buyer is asked to share; none chosen: {', '.join(flow.default_scopes) or 'the id alone'}."
        known = "Who the buyer is, is known already." if flow.name in _NO_SCOPES else ""
        scopes = tuple(Option(scope, reason=_SCOPE_REASONS.get(scope, "")) for scope in get_args(Scope))
        yield Field("scopes", help=shared, options=scopes, spread=True, many=True, reason=known)
        wallet = "" if _WALLET in flow.required else "Only the Update page is about a Saved Wallet that exists."
        yield Field("charge_permission_id", help="The Saved Wallet, B01-…", reason=wallet)

    def _check_amount(self, amount: str) -> None:
        parse_amount(amount, self._bench.currency)

    def _advice(self, flow: Flow, values: Mapping[str, str]) -> Advice:
        why = route(values).why if not values["flow"] else ""
        return Advice(flow.title, why, values["product_type"], len(flow.stays), flow.notebook)

    def _problem(self, flow: Flow, values: Mapping[str, str]) -> str:
        """Return why no payload can be made or signed yet, or ""."""
        try:
            _ = self._bench.keys
        except ConfigurationError:
            return _NO_KEYS
        if closed := self._closed(flow):
            return closed
        if _WALLET in flow.required and not values["charge_permission_id"]:
            return "Say which Saved Wallet is to be changed: charge_permission_id."
        try:
            self._check_amount(values["amount"])
        except ValueError as error:
            return f"The amount cannot be used: {error}."
        return ""

    def _pictures(self, payload: Payload, values: Mapping[str, str]) -> Iterator[Any]:
        rows = [PayloadField(field, _plain(value), says) for field, value, says in self._annotate(redact(payload))]
        yield Part(rows, title="The payload, field by field")
        signed = sign_button(payload, self._bench.keys)
        text = string_to_sign(signed.payload_json, algorithm=signed.algorithm)
        if self._bench.buyer == "script":  # the shop has another port in each run, so the payload another hash
            text = f"{signed.algorithm}\n(64 hexadecimal digits: the SHA-256 of the payload)"
        yield Part(text, title="The string to sign")
        yield Part(repr(signed), title="What checkout.js is given")
        look = (values["color"], values["language"], values["placement"])
        yield ButtonPicture(button_text(values["product_type"]), *look)

    # --- What can be done ---------------------------------------------------------------------------------------------

    def payload(self, values: Mapping[str, str]) -> Payload:
        """Return the payload that the choices make, with the return addresses of the visit at hand."""
        flow, visit, store = self.flow(values), self.visit, self._bench.store_id
        cancel = {"cancel_url": visit.cancel_url}
        ships = values["product_type"] == "PayAndShip"
        region = self._bench.region.code
        builders: dict[str, Callable[[], Payload]] = {
            "setup": lambda: set_up_payload(store, result_url=visit.result_url, **cancel),
            "update": lambda: update_payload(
                store, values["charge_permission_id"], result_url=visit.result_url, **cancel
            ),
            "express": lambda: express_payload(
                store, review_url=visit.review_url, **cancel,
                delivery_specifications=delivery_specifications(region) if ships else None,
            ),
            "end-of-checkout": lambda: end_of_checkout_payload(
                store, result_url=visit.result_url, **cancel, charge_amount=self._cart(values).total,
                address=EXAMPLE_ADDRESSES[region] if ships else None,
            ),
            "sign-in": lambda: sign_in_and_set_up_payload(store, sign_in_url=visit.signed_in_url, **cancel),
            "amazon-sign-in": lambda: sign_in_payload(store, sign_in_url=visit.signed_in_url, **cancel),
        }  # fmt: skip
        scopes = (
            {"signInScopes" if flow.signs_in else "scopes": values["scopes"].split(",")} if values["scopes"] else {}
        )
        return builders[flow.name]() | scopes

    def _cart(self, values: Mapping[str, str]) -> Cart:
        price = self._bench.price(values["amount"])
        return Cart.of(_ARTICLE, price, delivered=values["product_type"] == "PayAndShip")

    def offer(self, **values: str) -> Any:
        """Sign the payload and put the button on the shop's page; each time it is another visit.

        Returns:
            The page, as `Workbench.show_button` returns it.
        """
        if self.page is not None:
            self.visit = self._bench.shop.new_attempt()
        flow = self.flow(values)
        signed = sign_button(self.payload(values), self._bench.keys)
        where = {"product_type": values["product_type"], "placement": values["placement"]}
        if flow.name == "update":
            self.page = self._bench.show_update(self.visit, signed, **where)
        else:
            look = {"color": values["color"], "language": values["language"]}
            cart = self._cart(values) if flow.complete_with_amount else None
            self.page = self._bench.show_button(self.visit, signed, cart=cart, **where, **look)
        return self.page


# By invitation; a merchant without it is refused.
_SCOPE_REASONS = {"primeStatus": "Amazon approves it for single merchants."}


def _options(name: str, possible: tuple[str, ...], every: tuple[str, ...], reason: str, meaning: str) -> Field:
    options = tuple(Option(value, reason="" if value in possible else reason) for value in every)
    return Field(name, possible[0], help=meaning, options=options, spread=True)


def _product_types(flow: Flow, chosen: Chosen) -> tuple[str, ...]:
    """Return the product types of a flow, the usual one first."""
    if fixed := flow.fixed.get("productType"):
        return (str(fixed),)
    helped = choose(list(questions(chosen)), chosen) if chosen.get("flow") == "" else {}
    ships = helped.get("ships", "no") == "yes" if helped else flow.name == "express"
    return tuple(reversed(_GOODS)) if ships else _GOODS


def _no_amount(flow: Flow) -> str:
    """Return why a flow's button has no amount, or ""."""
    if flow.complete_with_amount:
        return ""
    rule = f", and the payload must not hold {_CHARGE_AMOUNT}" if _CHARGE_AMOUNT in flow.forbidden else ""
    return f"Nothing is bought{rule}."


def _plain(value: Any) -> str:
    # Ports differ from run to run; what is signed holds the real one.
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _PORT.sub(r"\1:PORT", text)
