"""What a check may do and see: buyers, the server's actions, Amazon's mishaps, and the emulator's books."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.redaction import redact
from amazonpay_nb.rehearsal.answer import Answer, Failed, NotTried, soon
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.notifications import (
    SENDINGS,
    Message,
    Sending,
    Stranger,
    Subject,
    deliver,
    subjects,
    written,
)
from amazonpay_nb.rehearsal.plan import BUTTON_PAGES, Plan
from amazonpay_nb.spec.addresses import host_of
from amazonpay_nb.spec.data import as_kind, data_row, read
from amazonpay_nb.spec.money import counted_in_month, format_amount
from amazonpay_nb.spec.regions import region as region_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CALM_SECONDS = 0.4  # how long something that must not happen is waited for
USUAL_AMOUNT = Decimal(24)
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


class Play:
    """A rehearsal under way, a check after another; one of a set-up is about a *page* of the plan.

    Args:
        browser: Or why there is none.
    """

    def __init__(self, plan: Plan, emulator: Emulator, http: httpx.Client, browser: "Browser | str") -> None:
        self.plan, self.emulator, self.http, self.browser = plan, emulator, http, browser
        self.control, self.currency = emulator.control, region_of(plan.server.region).ledger_currencies[0]
        self.exchanges: list[dict[str, Any]] = []
        self.page, self.numbers = "", count(1)  # of orders
        self._check, self._first, self._buyers = "", 0, list[Buyer]()
        self._taken, self._turn = 0, Lock()  # how much of the emulator's journal is in the exchanges

    @contextmanager
    def scene(self, check: str, page: str) -> Iterator[None]:
        """Let what happens belong to a check; then send the buyers away, and leave the world clean."""
        self._check, self.page, self._first = check, page, len(self.exchanges)
        try:
            yield
        finally:
            while self._buyers:
                self._buyers.pop().close()
            self._clean()

    def note(self, by: str, **facts: Any) -> dict[str, Any]:
        """Keep an exchange, behind what the emulator has answered until now, and return it."""
        journal = self.control.get("journal")["exchanges"]
        new = [{"by": "server", **row} for row in journal[self._taken :]]
        self._taken = len(journal)
        row = {"by": by, **redact(facts)}
        for one in [*new, *([row] if facts else [])]:
            one |= {"number": len(self.exchanges) + 1, "check": self._check}
            self.exchanges.append(one)
        return row

    def _clean(self) -> None:
        """Empty the world, and what is set for it; its time is again that of a server that checks it."""
        self.note("")
        self.control.post("reset", now=datetime.now(UTC).isoformat())
        self._taken = 0

    # --- Buyers ---

    def buyer(self) -> Buyer:
        """Return a buyer with a fresh browser."""
        if isinstance(self.browser, str):
            raise NotTried(self.browser)
        self._buyers.append(Buyer(self.browser, self.plan, self.emulator, self.http, self.note))
        return self._buyers[-1]

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

    def order(self, *needs: str, amount: Decimal = USUAL_AMOUNT) -> "Order":
        """Return an order of a buyer as in `wallet`."""
        return Order(self, self.wallet(*needs), amount)

    # --- Judging ---

    def expect(self, condition: object, seen: str) -> None:
        """Fail with what was *seen*, unless a condition holds."""
        if not condition:
            raise Failed(seen)

    def never(self, look: Callable[[], object], seen: str) -> None:
        """Fail where something is so, or soon becomes so."""
        self.expect(not soon(look, CALM_SECONDS), seen)

    # --- The emulator's books ---

    def calls(self, operation: str = "", after: int | None = None) -> list[dict[str, Any]]:
        """Return what the server has asked Amazon for: in this check, or *after* the exchange of a number."""
        self.note("")
        rows = self.exchanges[self._first if after is None else after :]
        return [row for row in rows if row["by"] == "server" and operation in ("", row["operation"])]

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind that this check has led to, for example ``chargePermissions``."""
        rows: list[dict[str, Any]] = self.control.get(f"objects/{kind}")["objects"]
        return rows

    def states(self, kind: str) -> list[str]:
        """Return their states."""
        return [row["statusDetails"]["state"] for row in self.objects(kind)]

    def strangers(self) -> list[Subject]:
        """Make objects of the merchant's that the server knows nothing of, and hears nothing of until a check tells."""
        self._clean()  # what is still set for the server would befall them
        first, place = len(self.exchanges), self.plan.notifications
        self.control.post("notifications/endpoint", url=None)
        made = subjects(self.emulator)
        self.control.post("notifications/endpoint", url=self.plan.server.url + place.path if place else None)
        for row in self.calls(after=first):
            row["by"] = "rehearsal"
        return made

    def money(self) -> Decimal:
        """Return what is held or taken of the buyers' money, which is what uses up their months."""
        return sum(map(counted_in_month, self.objects("charges")), Decimal(0))

    def fault(self, operation: str, fault: str, **options: Any) -> None:
        """Let the next call of an operation meet a transport fault."""
        self.note("amazon", method="next", path=operation, status=None, problem=fault)
        self.emulator.inject_fault(operation, fault, **options)

    # --- Notifications ---

    def send(self, sending: Sending, *about: Subject) -> list[Answer]:
        """Send what a row says about some objects; fail where that lets the server fetch a stranger's certificate."""
        with closing(Stranger(self.emulator)) as stranger:
            messages = written(sending, about, self.emulator, stranger)
            with ThreadPoolExecutor(len(messages) if sending.at_once else 1) as pool:
                answers = [*pool.map(self._post, messages)]
            host = host_of(urlsplit(sending.fields.get("SigningCertURL", "")).netloc)
            elsewhere = host in self.emulator.refused_hosts
            self.emulator.refused_hosts.discard(host)
            seen = f"the server fetches a stranger's certificate, and answers {answers[-1].status or 'nothing'}"
            self.expect(not (stranger.visits or elsewhere), seen)
        return answers

    def _post(self, message: Message) -> Answer:
        place = self.plan.notifications
        if place is None:
            raise NotTried("the plan has no [notifications].")
        facts = {"method": "POST", "path": place.path, "status": None, "sent": message.sent}
        shown = json.loads(message.content) if message.content[:1] == "{" else message.content
        with self._turn:
            row = self.note("amazon", **facts, message=shown)
        answer = deliver(self.http, self.plan.server.url + place.path, message)
        row["status"] = answer.status
        return answer._replace(number=row["number"])

    def judge(self, sending: Sending, about: Sequence[Subject], *, observed: bool = True) -> None:
        """Send what a row says, and fail where it is answered in another way than it has to be.

        What may be genuine is advice, and so is what is accepted and dropped, as is seen where calls are *observed*.
        """
        wrong = [one for one in self.send(sending, *about) if not sending.is_right(one.status)]
        if wrong:
            accepts = not sending.genuine and all(one.is_below(300) for one in wrong)
            if accepts and not observed:
                raise NotTried("effect not seen")
            drops = accepts and self._drops(sending, about, wrong[0])
            what = re.sub("^one ", "a notification ", sending.sent)
            seen = f"{what} is answered by {wrong[0].status or 'nothing'}{', and nothing follows' if drops else ''}"
            raise Failed(seen, evidence=[one.number for one in wrong], advice=drops or not sending.required)

    def _drops(self, sending: Sending, about: Sequence[Subject], answer: Answer) -> bool:
        """Tell whether a server does nothing about what it has accepted, and something about what is genuine."""

        def acts(after: int, seconds: float = 3) -> bool:
            return bool(soon(lambda: self.calls(after=after), seconds))

        if acts(answer.number):  # or it still is at work on something genuine: later, the same again tells
            soon(lambda: not acts(len(self.exchanges), CALM_SECONDS))
            if acts(self.send(sending, *about)[0].number):
                return False
        return acts(self.send(SENDINGS[0], about[0])[0].number)


class Order:
    """An order of a buyer's that was not there before; its *values* are what an action is asked with."""

    def __init__(self, play: Play, buyer: Buyer, amount: Decimal = USUAL_AMOUNT) -> None:
        self.play, self.buyer, self.amount = play, buyer, amount
        number, price = f"rehearsal-{next(play.numbers)}", format_amount(amount, play.currency)
        self.values = {"order": number, "amount": price, "currency": play.currency}
        self.price = f"{price} {play.currency}"

    def act(self, action: str, **values: str) -> Answer:
        """Ask the server for an action of the plan."""
        return self.buyer.act(action, **self.values | values)

    def left_pending(self, state: str) -> bool:
        """Ask for a charge that Amazon leaves in a state, and tell whether it is pending then."""
        self.play.emulator.queue_outcome("createCharge", state)
        asked = self.act("charge").number
        return any(row["state"] in PENDING for row in soon(lambda: self.play.calls("createCharge", after=asked)))

    def statement(self) -> dict[str, Any]:
        """Return what the server says of it; nothing where the plan has no action for that."""
        orders = self.buyer.state().get("orders", {}) if self.play.plan.actions.state else {}
        return dict(orders.get(self.values["order"], {}))

    @property
    def state(self) -> str | None:
        """Return the state that the server says it has, if any."""
        return self.statement().get("state")

    def words(self) -> str:
        """Return what the server says of it, as a clause."""
        statement = self.statement()
        if "state" not in statement:
            return "the server knows no order"
        times = f", fulfilled {statement['fulfilled']} times" if statement.get("fulfilled") else ""
        return f"the server says that the order is {statement['state']}{times}"
