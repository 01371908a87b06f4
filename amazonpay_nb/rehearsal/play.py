"""What a check may do: send buyers, ask the server for actions, let mishaps happen, and send notifications."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.rehearsal.books import CALM_SECONDS, PATIENT_SECONDS, Books
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.notifications import MADE_UP, SENDINGS, Sending, Stranger, Subject, message, subjects
from amazonpay_nb.rehearsal.order import USUAL_AMOUNT, Order
from amazonpay_nb.rehearsal.plan import BUTTON_PAGES, BUYING_PAGES, Plan, check_of_button
from amazonpay_nb.rehearsal.server import Answer, Failed, NotTried, soon
from amazonpay_nb.spec.addresses import host_of
from amazonpay_nb.spec.flows import RETURN_PARAMETER
from amazonpay_nb.spec.states import PENDING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ACT_SECONDS = PATIENT_SECONDS + 1  # how long it may take until a server does something about a notification
FELLOW_SECONDS = 2.0  # and then about another one, which it had by then
NO_CAPTURE = (
    "the server has sent no Capture Charge. Where captureNow does not take the money, it has to be captured "
    "within 30 days, or goes back to the buyer."
)
_ID = re.compile("[^/?]+-[^/?]+")  # in the path of a call
_OBJECT_ID = re.compile(r"\bObjectId\W+([\w-]+)")  # in a message
_UNDECIDED = ("CaptureInitiated", "AuthorizationInitiated")  # at first; a server asks for what can be one of them


class Play(Books):
    """A rehearsal under way, one check after another; a check of a set-up is about a *page* of the plan.

    Args:
        browser: The browser, or the reason why there is none.
    """

    def __init__(self, plan: Plan, emulator: Emulator, http: httpx.Client, browser: "Browser | str") -> None:
        super().__init__(plan, emulator, http)
        self.browser, self._buyers = browser, list[Buyer]()
        self.sales = Counter[str]()  # how many payments a visit of a page leads to
        self.page = self._first_page = next(iter(plan.buttons), "")

    @contextmanager
    def scene(self, check: str, page: str) -> Iterator[None]:
        """Let what happens belong to a check; then send the buyers away, and leave the world clean."""
        self.begin(check)
        self.page = page if page in BUTTON_PAGES else self._first_page
        try:
            yield
        finally:
            while self._buyers:
                self._buyers.pop().close()
            self.clean()

    # --- What a check starts with ---

    def buyer(self) -> Buyer:
        """Return a buyer with a fresh browser."""
        if isinstance(self.browser, str):
            raise NotTried(self.browser)
        person = min(len(self._buyers), 1)  # the first is nobody else at Amazon, by whom a server may know them
        self._buyers.append(Buyer(self.browser, self.plan, self.emulator, self.note, self.ask, person))
        return self._buyers[-1]

    def at_amazon(self, page: str = "") -> Buyer:
        """Return a buyer who has pressed a button, by default that of the check's page."""
        page = page or self.page
        buyer = self.wallet(self._first_page) if page == "update" else self.buyer()
        visit = buyer.press(page)
        seen = f"the button does not lead to Amazon's pages ({visit})."
        self.need(buyer.is_amazon(visit), seen, check_of_button(page))
        return buyer

    def agreed(self, page: str = "") -> Buyer:
        """Return a buyer who has agreed at Amazon's, and whose way back was lost."""
        buyer = self.at_amazon(page)
        buyer.decide()
        return buyer

    def wallet(self, page: str = "") -> Buyer:
        """Return a buyer who has saved a wallet, and paid for what the page sells."""
        page = page or self.page
        buyer = self.at_amazon(page)
        buyer.approve()
        check = f"{page.replace('_', '-')}.completes"
        self.need(soon(lambda: self.is_saved(buyer)), "no set-up ends well.", check)
        wallets = self.objects("chargePermissions")
        if page in BUYING_PAGES and page not in self.sales:  # a job may charge for it
            soon(lambda: None, PATIENT_SECONDS)
            self.sales[page] = len(self.payments())
        soon(lambda: len(self.payments()) >= self.sales[page] * len(wallets))
        buyer.permission = wallets[-1]["chargePermissionId"]
        return buyer

    def order(self) -> Order:
        """Return an order of a buyer who has saved a wallet."""
        return Order(self, self.wallet())

    def order_to_capture(self) -> Order:
        """Return an order, unless other checks have shown that the server needs no Capture Charge."""
        if any(row["state"] == "Captured" for row in self.calls("createCharge", after=0)):
            self.need(self.calls("captureCharge", after=0), NO_CAPTURE)
        return self.order()

    def order_of_one_of_two(self) -> Order:
        """Return an order of a buyer after whom another one has saved a wallet."""
        buyer, _ = self.wallet(), self.wallet()
        return Order(self, buyer)

    def captured(self) -> Order:
        """Return an order that is paid."""
        order = self.order()
        before = len(self.objects("charges"))  # of the purchase that the wallet came with
        order.act("charge")
        captured = soon(lambda: self.states("charges")[before:] == ["Captured"])
        self.need(captured or not order.money(), "what is only held cannot be refunded.")
        self.need(captured, "no charge is captured.", "charge.paid")
        soon(order.is_paid)
        return order

    def pending(self) -> Order:
        """Return an order whose charge Amazon is yet to decide; of that the server hears by what the check sends."""
        return next(self.undecided(*_UNDECIDED, lost=True))

    def two_pending(self) -> list[tuple[Order, Subject]]:
        """Return two such orders of one buyer with their charges; fewer where the server or its plan has no more."""
        with suppress(NotTried):
            return [(order, order.charge) for order in islice(self.undecided(*_UNDECIDED * 2, lost=True), 2)]
        return []

    def undecided(self, *codes: str, lost: bool = False) -> Iterator[Order]:
        """Yield orders that Amazon leaves in each of some states at first, where the server asks for what can be so."""
        buyer, asked, tried = self.wallet(), 0, 0
        # At other prices, since whether a price may come again is the question of another check.
        for number, code in enumerate(codes):
            order = Order(self, buyer, USUAL_AMOUNT + number)
            if lost:  # the notification about it
                self.control.post("notifications/drill", kind="lost")
            self.emulator.queue_outcome("createCharge", code)
            calls = soon(partial(self.calls, "createCharge", order.act("charge").number))
            asked += len(calls)
            if any(("Charge", row["state"]) in PENDING for row in calls):
                tried += 1
                yield order
        self.need(asked, "the server has sent no Create Charge.", "charge.paid")
        self.need(tried, "no charge is pending: that takes either captureNow or canHandlePendingAuthorization.")

    def strangers(self) -> list[Subject]:
        """Make objects of another shop in a clean world: what is still set for the server would befall them."""
        self.clean()
        return self.other_shop()

    def other_shop(self, order: str = "") -> list[Subject]:
        """Make objects of the merchant's that the server knows nothing of, and hears nothing of until a check tells."""
        first = len(self.exchanges)
        self.control.post("notifications/endpoint", url=None)
        made = subjects(self.emulator, order)
        self.control.post("notifications/endpoint", url=self.plan.news)
        for row in self.calls(after=first):
            if row["method"] == "POST":  # the server may be at work on something else
                row["by"] = "rehearsal"
        return made

    # --- Judging ---

    def judge_all(self, parts: Iterable[Callable[[], object]]) -> None:
        """Judge the parts of a check until something is wrong; what is advice comes last."""
        advice = list[Failed]()
        for part in parts:
            try:
                part()
            except Failed as finding:
                if not finding.advice:
                    raise
                advice.append(finding)
        if advice:
            raise advice[0]

    def has_wallet(self, buyer: Buyer) -> bool | None:
        """Tell whether the server says that it has a buyer's wallet; None where the plan has no action for that."""
        return None if self.plan.actions.state is None else buyer.state().get("wallet") == "saved"

    def session(self, buyer: Buyer) -> str:
        """Return the state of the session that a buyer came back with, or "": a server may have made others."""
        own = httpx.URL(buyer.returned).params.get(RETURN_PARAMETER)
        rows = [row for row in self.objects("checkoutSessions") if row["checkoutSessionId"] == own]
        return str(rows[0]["statusDetails"]["state"]) if rows else ""

    def is_saved(self, buyer: Buyer) -> bool:
        """Tell whether that is complete, no buyer has two permissions, and the server does not deny the wallet."""
        wallets = self.states("chargePermissions")
        right = {*wallets} == {"Chargeable"} and len(wallets) <= len(self._buyers)
        return right and self.session(buyer) == "Completed" and self.has_wallet(buyer) is not False

    def situation(self, buyer: Buyer) -> str:
        """Return what has become of a buyer's wallet, as a clause."""
        books = {"Checkout Sessions": "checkoutSessions", "Charge Permissions": "chargePermissions"}
        seen = ", ".join(f"{name}: {', '.join(self.states(kind)) or 'none'}" for name, kind in books.items())
        state = self.plan.actions.state
        said = f"; the server says that the wallet is {buyer.state()['wallet']}" if state else ""
        return f"{seen}{said}{self.refusal()}"

    def delay(self, buyer: Buyer) -> float:
        """Return for how many seconds after the answer the server is at work on a set-up, in the background."""
        if self.is_saved(buyer):
            return 0
        began = monotonic()
        soon(lambda: self.is_saved(buyer), PATIENT_SECONDS)
        return monotonic() - began

    def steal(self, orders: Sequence[Order]) -> bool:
        """Tell whether a buyer of some orders has a wallet or has paid, with no other session than the first one's."""
        # A server that knows a buyer's own session from a review page may complete that; all of them are one person.
        if "Completed" in map(self.session, self._buyers[1:]):
            orders = [order for order in orders if not order.buyer.returned]
        return any(self.has_wallet(order.buyer) or order.is_charged() for order in orders)

    def charges(self, answer: Answer) -> list[dict[str, Any]]:
        """Return the calls by which the server asks for money after an action, or wonder why there are none."""
        calls = soon(lambda: self.calls("createCharge", after=answer.number))
        self.need(calls, "the server has sent no Create Charge.", "charge.paid")
        return calls

    # --- Notifications ---

    def send(self, sending: Sending, *about: Subject) -> list[Answer]:
        """Send what a row says about some objects; fail where that lets the server fetch a stranger's certificate."""
        with closing(Stranger(self.emulator)) as stranger:
            each = [message(sending, about, number, self.emulator, stranger) for number in range(sending.count)]
            with ThreadPoolExecutor(len(each) if sending.at_once else 1) as pool:
                answers = [*pool.map(partial(self._post, sending.title), each * sending.rounds)]
            host = host_of(urlsplit(sending.fields.get("SigningCertURL", "")).netloc)
            elsewhere = host in self.emulator.refused_hosts
            self.emulator.refused_hosts.discard(host)
            seen = f"the server fetches a stranger's certificate, and answers {answers[-1].status or 'nothing'}"
            self.expect(not (stranger.visits or elsewhere), seen)
        return answers

    def _post(self, title: str, message: tuple[str, dict[str, str]]) -> Answer:
        content, headers = message
        shown = {"sent": title, "message": json.loads(content) if content[:1] == "{" else content}
        return self.ask("amazon", "POST", str(self.plan.news), shown, content=content, headers=headers)

    def judge(
        self, sending: Sending, about: Sequence[Subject], *, other: Subject | None = None, observed: bool = True
    ) -> list[Answer]:
        """Send what a row says, and return the answers; fail where one is another than it has to be.

        What may be genuine is advice, and so is what is accepted and dropped, as is seen where calls are *observed*: by
        a genuine notification about another object, by default one of another shop.
        """
        answers = self.send(sending, *about)
        if wrong := [one for one in answers if not sending.is_right(one.status)]:
            accepts = not sending.genuine and all(one.is_below(300) for one in wrong)
            if accepts and not observed:
                raise NotTried(f"{wrong[0].status}, effect not seen")
            drops = accepts and self._drops(sending, about, wrong[0], other)
            answer = f"{wrong[0].status or 'nothing'}{', and nothing follows' if drops else ''}"
            seen, numbers = f"{sending.title} is answered by {answer}", [one.number for one in wrong]
            raise Failed(seen, evidence=numbers, advice=drops or not sending.required, answer=answer)
        return answers

    def _drops(self, sending: Sending, about: Sequence[Subject], answer: Answer, other: Subject | None) -> bool:
        """Tell whether a server does nothing about what it has accepted, and something about what is genuine."""

        def acts(answer: Answer, after: int = 0, seconds: float | None = None, said: str = "") -> bool:
            """Tell whether a call follows about what the message names: a job of the server's may ask for others."""
            said = said or str(self.exchanges[answer.number - 1]["message"])

            def asks() -> bool:
                paths = (row["path"] for row in self.calls(after=after or answer.number))
                return any(one in said for path in paths for one in _ID.findall(path))

            return bool(soon(asks, ACT_SECONDS if seconds is None else seconds))

        if not acts(answer):
            other = other or self.other_shop()[1]
            if not acts(self.send(SENDINGS[0], other)[0]):
                return False
            name = "".join(_OBJECT_ID.findall(str(self.exchanges[answer.number - 1]["message"])))
            if not acts(answer, seconds=FELLOW_SECONDS, said=name):
                return True
        # It does, or takes together what has come; or a job asks by itself, or it still is at work on what is genuine.
        made_up = self.send(sending, MADE_UP)[0]  # for which no job asks
        if acts(made_up):
            return False
        soon(lambda: not acts(answer, len(self.exchanges), CALM_SECONDS))
        again = self.send(sending, *about)[0]
        if acts(again) and not acts(again, len(self.exchanges), 2 * ACT_SECONDS):  # no job that asks that often
            return False
        return acts(self.send(SENDINGS[0], about[0])[0]) and not acts(made_up, seconds=CALM_SECONDS)
