"""The way to Amazon and back: the panel that makes a button, and the one that follows the buyer on the pages behind it.

Everything that differs from flow to flow is read off the rows in `spec.flows`.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import httpx

from amazonpay_nb.client import button as buttons
from amazonpay_nb.client.snippets import button_page
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.shop import Arrival, Cart
from amazonpay_nb.shop.payloads import payload_of, product_types
from amazonpay_nb.signing import string_to_sign
from amazonpay_nb.signing.keys import write_file
from amazonpay_nb.spec.flows import FLOWS, PAGES, Flow, flow_of
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.requests import Scope
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage
from amazonpay_nb.workbench.panels.panel import BenchPanel
from amazonpay_nb.workbench.panels.view import ROWS, Chosen, Field, View, action_of, choose, fields_of, report_on_button
from amazonpay_nb.workbench.show import show
from amazonpay_nb.workbench.show.blocks import Code, Foreign, Table, facts, render
from amazonpay_nb.workbench.show.views import annotated

# `buttonColor`, the usual one first, and how our picture of it looks: background and ink.
COLORS = {"Gold": ("#ffd814", "#111"), "LightGray": ("#e7e9ec", "#111"), "DarkGray": ("#3a4553", "#fff")}
_WALLET = "chargePermissionId"
_LANGUAGES = [*dict.fromkeys(language for row in REGIONS.values() for language in row.languages)]
PAGE_FILE = "amazon-pay-button.html"
_ARTICLE = "Coffee beans, 1 kg"
_AHEAD, _HERE, _BEHIND, _NOT_SHOWN = "ahead", "● here", "behind", "not shown"


class ButtonPanel(BenchPanel):
    """A button in the making, its attempt at the shop, and the page with the button that was shown last."""

    def __init__(self, wb: Workbench) -> None:
        super().__init__(wb)
        self.attempt = wb.shop.new_attempt()

    def view(self, chosen: Chosen) -> View:
        """Return the choices, the payload that they make, and what is signed of it."""
        fields = self.fields(chosen)
        values = {name: str(value) for name, value in choose(fields, chosen).items()}
        flow = FLOWS[values["flow"]]
        head = ("flow", "why", "product type", "visits to Amazon", "notebook")
        row = (flow.title, flow.why, values["product_type"], str(len(flow.stays)), flow.notebook)
        body: list[Any] = [Table("The flow", head, (row,))]
        problem = ""
        try:
            body += list(self._pictures(values))
        except ConfigurationError as error:
            problem = f"{error.message} {error.advice}"
        if self.page:
            shown = self.page.attempt
            html = self._plain(button_page(shown.script_url, redact(shown.config), shown.start))
            body.append(Code("Ready to paste into a page, once it has its signature", html))
        offer = action_of("offer", self._sign_and_show, not problem, problem)._replace(fields=tuple(values))
        save = action_of("save", self.save, self.page is not None)
        return View("Button", body, fields, (offer, save), self.page)

    def save(self) -> str:
        """Write the HTML of the button that was shown last, with its signature, for its owner alone (mode 0600)."""
        assert self.page  # noqa: S101 (the action is not possible without one)
        shown = self.page.attempt
        html = button_page(shown.script_url, shown.config, shown.start)
        return f"{write_file(Path(PAGE_FILE), html.encode(), mode=0o600, overwrite=True)} is written."

    def fields(self, chosen: Chosen) -> tuple[Field, ...]:
        """Return the choices there are, the impossible ones with the reason."""
        wb, region = self._wb, self._wb.region
        flows = [name for name in FLOWS if region.update_page or name != "update"]
        flow = FLOWS[str(chosen["flow"] if chosen.get("flow") in flows else "setup")]
        updates, scopes = flow.name == "update", dict.fromkeys(get_args(Scope))
        more: dict[str, dict[str, Any]] = {
            "flow": {"options": {row.name: row.title for row in FLOWS.values()}, "offered": flows},
            "product_type": {"offered": product_types(flow)},
            "placement": {"offered": flow.placements},
            "color": {"options": list(COLORS), "idle": updates},
            "language": {"options": _LANGUAGES, "offered": dict.fromkeys((wb.language, *region.languages))},
            "amount": {"default": wb.amount["amount"], "idle": not flow.complete_with_amount},
            # The Update page's own example shows no scopes.  [inferred]
            "scopes": {"options": list(scopes), "offered": scopes.keys() - {"primeStatus"}, "idle": updates},
            "charge_permission_id": {"idle": _WALLET not in flow.required},
        }
        shares = ", ".join(flow.default_scopes) or "the id alone"
        return fields_of("button", more, flow=flow.title, region=region.name, currency=wb.currency, shares=shares)

    def _pictures(self, values: Mapping[str, str]) -> Iterator[Any]:
        payload = self.payload(values)
        rows = tuple((field, self._plain(value), note) for field, value, note in annotated(redact(payload)))
        yield Table("The payload, field by field", ("field", "value", "says"), rows)
        signed = buttons.sign_button(payload, self._wb.keys)
        text = string_to_sign(signed.payload_json, algorithm=signed.algorithm)
        yield show(self.repeatable(text), title="The string to sign")  # its last line is the SHA-256 of the payload
        yield show(repr(signed), title="What checkout.js gets")
        yield _picture(buttons.button_text(values["product_type"]), values)

    def _plain(self, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return self.repeatable(text)  # what is signed holds the real port, and so does what a person sees

    def payload(self, values: Mapping[str, str]) -> buttons.Payload:
        """Return the payload that the choices make, with the return addresses of the visit at hand."""
        flow = FLOWS[values["flow"]]
        if _WALLET in flow.required and not values["charge_permission_id"]:
            raise ConfigurationError(
                "There is no Saved Wallet to change.", advice="Say which one: charge_permission_id."
            )
        return payload_of(
            flow, self.attempt, self._wb.store_id,
            region=self._wb.region.code, ships=values["product_type"] == "PayAndShip",
            charge_amount=self._cart(values).total if flow.complete_with_amount else None,
            charge_permission_id=values["charge_permission_id"],
            scopes=values["scopes"].split(",") if values["scopes"] else [],
        )  # fmt: skip

    def _cart(self, values: Mapping[str, str]) -> Cart:
        price = self._wb.price(values["amount"])
        return Cart.of(_ARTICLE, price, ships=values["product_type"] == "PayAndShip")

    def offer(self) -> HostedPage:
        """Put the button that the form says on the shop's page and return the page; each time it is another attempt."""
        page: HostedPage = self.act("offer", **self.chosen)
        return page

    def _sign_and_show(self, **values: str) -> HostedPage:
        if self.page is not None:
            self.attempt = self._wb.shop.new_attempt()
        flow = FLOWS[values["flow"]]
        signed = buttons.sign_button(self.payload(values), self._wb.keys)
        cart = self._cart(values) if flow.complete_with_amount else None
        look = {name: values[name] for name in ("product_type", "placement", "color", "language")}
        self.page = self._wb.show_button(self.attempt, signed, cart=cart, **look)
        return self.page


def _picture(text: str, values: Mapping[str, str]) -> Foreign:
    look = f"{values['color']}, {values['language']}, placement {values['placement']}"
    back, ink = COLORS[values["color"]]
    html = render("button.html.j2", text=text, look=look, back=back, ink=ink)
    return Foreign("", f"[ {text} ]  {look}", html)


class PagePanel(BenchPanel):
    """A stay at Amazon, from the shop's page to the way back: not started, under way, late, or over.

    For each visit, *offer* puts a button on the shop's page; the usual one of the button panel when left out.
    """

    reports = False  # a press of the button is no request of the client: the view reports on it

    def __init__(self, wb: Workbench, offer: Callable[[], HostedPage] | None = None) -> None:
        super().__init__(wb)
        self._offer = offer or ButtonPanel(wb).offer
        self._began = 0.0  # by the monotonic clock
        self._at: dict[str, Any] = {}

    def mark(self) -> object:
        """Return a mark that changes with the stage as well, after a look where the buyer is."""
        if self.waiting:
            self._look()
        return super().mark(), self.stage

    def _look(self) -> dict[str, Any]:
        # Where the buyer is, or was when the workbench was closed.
        with suppress(httpx.HTTPError, RuntimeError):
            self._at = self.page.glance(self._left) if self.page else {}
        return self._at

    @property
    def arrival(self) -> Arrival | None:
        """How the buyer came back, or None; the first look records it."""
        return self.page.settle() if self.page and self.page.arrival.done() else None

    @property
    def waiting(self) -> bool:
        """Whether the buyer is on the way."""
        return self.page is not None and self.arrival is None

    @property
    def _left(self) -> float:
        return self._began + self._wb.wait_seconds - time.monotonic()

    @property
    def stage(self) -> str:
        """How far the stay is, in one sentence."""
        if self.page is None:
            return "No page is open yet."
        if self.arrival:
            return f"The buyer is back. {ROWS['arrivals'][self.arrival.kind]['meaning']}"
        if self._left <= 0:  # the page is still open, and the buyer may still come back
            return f"The buyer did not come back within {self._wb.wait_seconds:g} seconds. The page is still open."
        return "The page is open, and the shop is waiting for the buyer."

    def view(self, chosen: Chosen) -> View:
        """Return the stage, the pages on the way, and what the redirect brought."""
        body: list[Any] = [self.stage]
        start = action_of("start", self.start)
        if self.page is not None:
            head = ("page", "whose", "buyer")
            body.append(Table("The way, as far as its pages apply", head, tuple(self.steps())))
            if self.arrival:
                body.append(facts("What came back with the redirect", list(self.facts(self.arrival))))
                body.append(report_on_button(self.page))
            start = start._replace(label="Start again")
        return View("Amazon's pages", body, (), (start,), self.page)

    def steps(self) -> Iterator[tuple[str, str, str]]:
        """Yield the pages of the stay in order, with the place of the buyer as far as it is known."""
        stay, back = self._look(), self.arrival is not None
        pages, at, passed = self._flow.stays[stay.get("visit", 0)], stay.get("page"), stay.get("passed", ())
        yield ("the page with the button", "the shop", _BEHIND if at or back else _HERE)
        for name in pages:
            here, behind = name == at and not back, name == at or name in passed
            # Amazon itself shows a page only where it applies, and does not say which it has shown.
            ahead = _AHEAD if not back else _NOT_SHOWN if stay else "not known"
            yield (PAGES[name], "Amazon", _HERE if here else _BEHIND if behind else ahead)
        yield ("the return address", "the shop", _HERE if back else _AHEAD)

    def facts(self, arrival: Arrival) -> Iterator[tuple[str, str]]:
        """Yield what the address of an arrival says, and what to do about it."""
        row, token = ROWS["arrivals"][arrival.kind], arrival.buyer_token
        yield ("address", f"the {arrival.kind} address")
        if arrival.checkout_session_id or token:
            # A token opens the buyer's data, so only its length is shown.
            yield (self._flow.returns_with, arrival.checkout_session_id or f"({len(token)} characters)")
        yield ("what it means", row["meaning"])
        yield ("what it proves", "Nothing: anybody can open an address. The next call is the proof.")
        yield ("next call", "Get Buyer" if token else row["next_call"])

    @property
    def _flow(self) -> Flow:
        assert self.page  # noqa: S101 (its flow is that of the button on it)
        config = self.page.attempt.config
        signed = config.get("createCheckoutSessionConfig") or config["signInConfig"]
        return flow_of(json.loads(signed["payloadJSON"]), config["productType"])

    def start(self) -> None:
        """Make a new attempt, and forget one that is under way."""
        self.page, self._began = self._offer(), time.monotonic()

    async def returned(self, **script: Any) -> Arrival:
        """Wait until the buyer is back; see `HostedPage.returned`.  Opens the page where that has not happened."""
        if self.page is None:
            self.act("start")
        page: Any = self.page
        arrival: Arrival = await page.returned(**script)
        self.refresh()
        return arrival
