"""What a check may do and see: buyers, the server's actions, Amazon's mishaps, and the emulator's books."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.redaction import redact
from amazonpay_nb.rehearsal.answer import Answer, Failed, NotTried, soon
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.notifications import Message, Subject, deliver, subjects
from amazonpay_nb.rehearsal.plan import BUTTON_PAGES, Plan
from amazonpay_nb.rehearsal.wiring import MerchantServer
from amazonpay_nb.spec.data import as_kind, data_row, read
from amazonpay_nb.spec.money import counted_in_month, format_amount
from amazonpay_nb.spec.regions import region as region_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CALM_SECONDS = 0.4  # how long something that must not happen is waited for
PENDING = ("AuthorizationInitiated", "CaptureInitiated")  # the states of a charge that Amazon is yet to decide


@data_row
class Row:
    """A check of ``checks.toml``, which describes the fields."""

    id: str
    title: str
    severity: Literal["money", "security", "buyer", "advice"]
    expected: str
    why: str
    advice: str
    guide: str
    chapter: str
    function: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What comes before the dot of its id, as a name of Python: for a set-up's check, the plan's page."""
        return self.id.partition(".")[0].replace("-", "_")


_TABLE = read("checks.toml", beside=__file__)
ROWS = {row.id: row for row in as_kind("checks.toml", _TABLE["checks"], tuple[Row, ...])}


def words(statement: dict[str, Any]) -> str:
    """Return what a server says of an order, as a clause."""
    if "state" not in statement:
        return "the server knows no order"
    times = f", fulfilled {statement['fulfilled']} times" if statement.get("fulfilled") else ""
    return f"the server says that the order is {statement['state']}{times}"


@dataclass
class Stage:
    """What all checks of a rehearsal share."""

    plan: Plan
    emulator: Emulator
    server: MerchantServer
    browser: "Browser | str"  # or why there is none
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    orders: Any = field(default_factory=lambda: count(1))
    taken: int = 0  # how much of the emulator's journal is in the exchanges
    check: str = ""  # the one that is played
    turn: Lock = field(default_factory=Lock)

    def note(self, by: str, **facts: Any) -> dict[str, Any]:
        """Keep an exchange, behind what the emulator has answered until now, and return it."""
        journal = self.emulator.control.get("journal")["exchanges"]
        new = [{"by": "server", **row} for row in journal[self.taken :]]
        self.taken = len(journal)
        row = {"by": by, **redact(facts)}
        for one in [*new, *([row] if facts else [])]:
            one |= {"number": len(self.exchanges) + 1, "check": self.check}
            self.exchanges.append(one)
        return row

    def clean(self) -> None:
        """Empty the world, and what is set for it; its time is again that of a server that checks it."""
        self.note("")
        self.emulator.control.post("reset", now=datetime.now(UTC).isoformat())
        self.taken = 0


class Play:
    """One check under way; a set-up's is about a *page* of the plan."""

    def __init__(self, stage: Stage, page: str) -> None:
        self.plan, self.emulator, self.page = stage.plan, stage.emulator, page
        self.control = stage.emulator.control
        self._stage, self._first = stage, len(stage.exchanges)
        self._buyers: list[Buyer] = []
        self.currency = region_of(stage.plan.server.region).ledger_currencies[0]

    def close(self) -> None:
        """Send the buyers away and leave the world clean."""
        for buyer in self._buyers:
            buyer.close()
        self._stage.clean()

    # --- Buyers ---

    def buyer(self) -> Buyer:
        """Return a buyer with a fresh browser."""
        stage = self._stage
        if isinstance(stage.browser, str):
            raise NotTried(stage.browser)
        buyer = Buyer(stage.browser, self.plan, stage.server.http, self.is_amazon, stage.note)
        self._buyers.append(buyer)
        return buyer

    def is_amazon(self, url: str) -> bool:
        """Tell whether an address is one of Amazon's."""
        host = urlsplit(url).netloc
        region = region_of(self.emulator.region)
        proxied = self.plan.server.wiring == "proxy"
        names = (region.hosted_host, region.checkout_script_host, region.api_host)
        return host == urlsplit(self.emulator.url).netloc or (proxied and host in names)

    def wallet(self, *needs: str) -> Buyer:
        """Return a buyer who has saved a wallet, on the plan's first page; the plan has the actions *needs*."""
        for name in needs:
            if getattr(self.plan.actions, name) is None:
                raise NotTried(f"the plan has no action {name}.")
        buyer, pages = self.buyer(), [name for name in BUTTON_PAGES if getattr(self.plan.pages, name)]
        buyer.press(next(iter(pages), "set_up"))
        buyer.approve()
        if not soon(lambda: self.is_saved(buyer)):
            raise NotTried("no set-up ends well: see set-up.completes.")
        return buyer

    def has_wallet(self, buyer: Buyer) -> bool | None:
        """Tell whether the server says that it has a buyer's wallet; None where the plan has no action for that."""
        return None if self.plan.actions.state is None else buyer.state().get("wallet") == "saved"

    def is_saved(self, buyer: Buyer) -> bool:
        """Tell whether there is one permission, it is Chargeable, and the server does not deny to have it."""
        return self.states("chargePermissions") == ["Chargeable"] and self.has_wallet(buyer) is not False

    def statement(self, buyer: Buyer, order: dict[str, str]) -> dict[str, Any]:
        """Return what the server says of an order; nothing where the plan has no action for that."""
        orders = buyer.state().get("orders", {}) if self.plan.actions.state else {}
        return dict(orders.get(order["order"], {}))

    def order(self, amount: str = "") -> dict[str, str]:
        """Return an order that was not there before: values for an action."""
        number, usual = next(self._stage.orders), format_amount(Decimal(24), self.currency)
        return {"order": f"rehearsal-{number}", "amount": amount or usual, "currency": self.currency}

    # --- Judging ---

    def expect(self, condition: object, seen: str) -> None:
        """Fail with what was *seen*, unless a condition holds."""
        if not condition:
            raise Failed(seen)

    def never(self, look: Callable[[], object], seen: str) -> None:
        """Fail where something is so, or soon becomes so."""
        self.expect(not soon(look, CALM_SECONDS), seen)

    # --- The emulator's books ---

    def exchanges(self, operation: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return what was exchanged in this check, *after* a number; with *operation*, the server's calls of it."""
        self._stage.note("")
        rows = self._stage.exchanges[max(self._first, after) :]
        return [row for row in rows if operation is None or row.get("operation") == operation]

    def whole(self) -> list[dict[str, Any]]:
        """Return what was exchanged in the whole rehearsal."""
        self._stage.note("")
        return self._stage.exchanges

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind that this check has led to, for example ``chargePermissions``."""
        rows: list[dict[str, Any]] = self.control.get(f"objects/{kind}")["objects"]
        return rows

    def states(self, kind: str) -> list[str]:
        """Return their states."""
        return [row["statusDetails"]["state"] for row in self.objects(kind)]

    def strangers(self) -> list[Subject]:
        """Make objects of the merchant's that the server knows nothing of, and hears nothing of until a check tells."""
        self._stage.clean()  # what is still set for the server would befall them
        first, place = len(self.whole()), self.plan.notifications
        self.control.post("notifications/endpoint", url=None)
        made = subjects(self.emulator)
        self.control.post("notifications/endpoint", url=self.plan.server.url + place.path if place else None)
        for row in self.whole()[first:]:
            row["by"] = "rehearsal"
        return made

    def money(self) -> Decimal:
        """Return what is held or taken of the buyers' money, which is what uses up their months."""
        return sum(map(counted_in_month, self.objects("charges")), Decimal(0))

    def fault(self, operation: str, fault: str, **options: Any) -> None:
        """Let the next call of an operation meet a transport fault."""
        self._stage.note("amazon", method="next", path=operation, status=None, problem=fault)
        self.emulator.inject_fault(operation, fault, **options)

    def post(self, message: Message) -> Answer:
        """Post something to where the server takes notifications."""
        place, stage = self.plan.notifications, self._stage
        if place is None:
            raise NotTried("the plan has no [notifications].")
        facts = {"method": "POST", "path": place.path, "status": None, "sent": message.sent}
        shown = json.loads(message.content) if message.content[:1] == "{" else message.content
        with stage.turn:
            row = stage.note("amazon", **facts, message=shown)
        answer = deliver(stage.server.http, self.plan.server.url + place.path, message)
        row["status"] = answer.status
        return answer._replace(number=row["number"])
