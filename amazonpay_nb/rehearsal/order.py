"""An order of a rehearsal: what the server is asked for, what it says, and what the emulator's books say."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

from amazonpay_nb.emulator.remote import ControlError
from amazonpay_nb.rehearsal.books import Books, is_refusal
from amazonpay_nb.rehearsal.browser import Buyer
from amazonpay_nb.rehearsal.notifications import Subject
from amazonpay_nb.rehearsal.server import Answer, soon
from amazonpay_nb.spec.money import counted_in_month, format_amount

USUAL_AMOUNT = Decimal("19.99")  # which times 100 is 1998 and a rest, where it is binary


class Order:
    """An order of a buyer's that was not there before; its *values* are what an action is asked with."""

    def __init__(self, books: Books, buyer: Buyer, amount: Decimal = USUAL_AMOUNT) -> None:
        price = format_amount(amount, books.currency)
        self.books, self.buyer, self.amount, self._first = books, buyer, Decimal(price), len(books.objects("charges"))
        self.values = {"order": next(books.orders), "amount": price, "currency": books.currency}
        self.price = f"{price} {books.currency}"

    def act(self, action: str, **values: str) -> Answer:
        """Ask the server for an action of the plan; a fault at Amazon ends with it."""
        answer = self.buyer.act(action, self.values | values)[0]
        self.books.end_fault()
        return answer

    def refund(self, **values: str) -> Answer:
        """Ask the server for a refund that Amazon accepts."""
        answer = self.act("refund", **values)
        accepted = soon(lambda: any(not is_refusal(row) for row in self.books.calls("createRefund")))
        self.books.need(accepted, "the server has sent no Create Refund that Amazon accepts.", "refund.done")
        return answer

    def let_expire(self) -> None:
        """Let what is only held go back to the buyer, as after 30 days, but today: a server may refuse later news."""
        for charge in self._charges():
            with suppress(ControlError):  # whose money is taken, or was never there
                self.books.control.post(f"charges/{charge['chargeId']}", state="Canceled", reasonCode="ExpiredUnused")

    @property
    def charge(self) -> Subject:
        """The last charge, as a notification may be about it."""
        charge = self.books.objects("charges")[-1]
        return Subject("CHARGE", charge["chargeId"], charge["chargePermissionId"])

    def _charges(self) -> list[dict[str, Any]]:
        """Return those that came since there is this order."""
        return self.books.objects("charges")[self._first :]

    def money(self) -> Decimal:
        """Return what they hold or have taken, which is what uses up a month's limit."""
        right = (row for row in self._charges() if _currency(row) == self.books.currency)
        return sum(map(counted_in_month, right), Decimal(0))

    def is_charged(self) -> bool:
        """Tell whether one of them is about its very amount."""
        return any(Decimal(row["chargeAmount"]["amount"]) == self.amount for row in self._charges())

    def _oddities(self) -> list[str]:
        """Return for each charge whether its wallet or its currency is another than the order's, as a clause."""
        charges, wallet, currency = self._charges(), self.buyer.permission, self.books.currency
        foreign = ["" if row["chargePermissionId"] == wallet else " in another buyer's wallet" for row in charges]
        others = ["" if _currency(row) == currency else f" in {_currency(row)}" for row in charges]
        return [*map(str.__add__, foreign, others)]

    def statement(self) -> dict[str, Any]:
        """Return what the server says of it; nothing where the plan has no action for that."""
        orders = self.buyer.state().get("orders", {}) if self.books.plan.actions.state else {}
        return dict(orders.get(self.values["order"], {}))

    def says(self, *states: str | None) -> bool:
        """Tell whether the server says that it is in one of some states; goods that are sent count as paid."""
        statement = self.statement()
        state = statement.get("state")
        return ("paid" if statement.get("fulfilled") and state != "refunded" else state) in states

    def expect_once(self, *, patient: bool = False) -> None:
        """Fail where the buyer pays more than the price, or the server says that the goods were sent twice."""
        seen = "the buyer pays, or gets the goods, more than once for one order"
        self.books.never(self._is_double, seen, patient=patient)

    def _is_double(self) -> bool:
        return self.money() > self.amount or self.statement().get("fulfilled", 0) > 1

    def expect_refund(self, amount: Decimal, answer: Answer, *, below: int = 400) -> None:
        """Fail unless an amount is refunded, exactly, and the action's status is *below* some."""
        rows = [row["refundAmount"] for row in self.books.objects("refunds")]
        total = sum(Decimal(row["amount"]) for row in rows if row["currencyCode"] == self.books.currency)
        price = f"{format_amount(amount, self.books.currency)} {self.books.currency}"
        seen = f"{total} of {price} is refunded; the action answers {answer.status}"
        self.books.expect(total == amount and answer.is_below(below), seen)

    def is_decided(self) -> bool:
        """Tell whether the server says how it ended."""
        return not self.says(None, "pending")

    def is_paid(self) -> bool:
        """Tell whether the money is there, exactly, from the buyer's wallet, and the server does not deny it."""
        silent, right = self.books.plan.actions.state is None, self.money() == self.amount and not any(self._oddities())
        return right and (silent or self.says("paid"))

    def agrees(self) -> bool:
        """Tell whether the server says that it is paid exactly if money is there, once."""
        return self.says(None, "paid") and not self._is_double() if self.money() else not self.says("paid")

    def words(self) -> str:
        """Return what the server says of it, as a clause."""
        statement = self.statement()
        if "state" not in statement:
            return "the server knows no order"
        times = f", fulfilled {statement['fulfilled']} times" if statement.get("fulfilled") else ""
        return f"the server says that the order is {statement['state']}{times}"

    def situation(self, answer: Answer | None = None) -> str:
        """Return what is the case, after an action if any, as a sentence."""
        clause = f"; {self.words()}" if self.books.plan.actions.state else ""
        states = [row["statusDetails"]["state"] for row in self._charges()]
        charges = ", ".join(map(str.__add__, states, self._oddities())) or "none"
        action = f"; the action answers {answer.status or 'nothing'}" if answer else ""
        money = f"{self.money()} of {self.price} is held or taken (charges: {charges})"
        return f"{money}{clause}{action}{self.books.refusal()}."


def _currency(charge: dict[str, Any]) -> str:
    return str(charge["chargeAmount"]["currencyCode"])
