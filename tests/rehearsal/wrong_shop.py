"""The example shop with one mistake that no other example has; the variable MISTAKE names it."""

import json
import os
import re
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import urlsplit

import uvicorn
from starlette.exceptions import HTTPException

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "shop_python"))

import shop as right
from shop import Shop

from amazonpay_nb.client import sending
from amazonpay_nb.client.button import button_config, set_up_payload
from amazonpay_nb.client.notifications import Finding, NotificationRefused
from amazonpay_nb.errors import AmazonPayError, ServerError, TransportError


class Reading(Shop):
    """What follows reads notifications in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.genuine, self.reader = self.reader, SimpleNamespace(read=self.read)

    def read(self, body: bytes) -> Any:
        return self.genuine.read(body)


class Asking(Reading):
    """Asks for pending charges by itself, too, each second."""

    pause = 1

    def __init__(self) -> None:
        super().__init__()
        self.look()

    def look(self) -> None:
        for [charge] in self.sql("SELECT charge FROM orders WHERE state = 'pending' AND charge IS NOT NULL"):
            with suppress(AmazonPayError):
                self.settle(self.amazon.get_charge(charge))
        again = Timer(self.pause, self.look)
        again.daemon = True
        again.start()


class Silent(Asking):
    """Answers 200 to everything, drops what is not genuine, and takes its time with what is."""

    def read(self, body: bytes) -> Any:
        try:
            return self.genuine.read(body)
        except NotificationRefused:
            return SimpleNamespace(object_type="none")

    def hear(self, notification: Any) -> None:
        if notification.object_type != "none":
            time.sleep(1)
            super().hear(notification)


class SilentAndSlow(Silent):
    """The same, and asks by itself so seldom that it is not seen at once."""

    pause = 10


class OneVersion(Reading):
    """Takes one version of signatures alone."""

    def read(self, body: bytes) -> Any:
        if b'"SignatureVersion": "2"' in body:
            raise NotificationRefused(Finding.SIGNATURE_VERSION, "2")
        return self.genuine.read(body)


def unread(body: bytes) -> Any:
    """What a notification says, whoever has signed it."""
    message = json.loads(json.loads(body)["Message"])
    return SimpleNamespace(object_type=message["ObjectType"], object_id=message["ObjectId"])


class OldVersion(Asking):
    """Knows one version of signatures, and lets the other one through."""

    def read(self, body: bytes) -> Any:
        return unread(body) if b'"SignatureVersion": "2"' in body else self.genuine.read(body)


class UnknownVersion(Asking):
    """Checks the signatures of the versions that it knows."""

    def read(self, body: bytes) -> Any:
        return unread(body) if b'"SignatureVersion": "3"' in body else self.genuine.read(body)


class UnknownVersionPays(Reading):
    """The same, and takes what such a notification is about for paid."""

    def read(self, body: bytes) -> Any:
        if b'"SignatureVersion": "3"' not in body:
            return self.genuine.read(body)
        self.sql("UPDATE orders SET state = 'paid' WHERE charge = ?", unread(body).object_id)
        return SimpleNamespace(object_type="none")


class InBatches(Reading):
    """Believes everybody, seconds later, when it works off what has come."""

    inbox: ClassVar[list[Any]] = []
    later, between = 6.2, 0

    def read(self, body: bytes) -> Any:
        return unread(body)

    def hear(self, notification: Any) -> None:
        self.inbox.append(notification)
        if len(self.inbox) == 1:
            Timer(self.later, self.work).start()

    def work(self) -> None:
        while self.inbox:
            super().hear(self.inbox.pop())
            time.sleep(self.between)


class InBatchesSlowly(InBatches):
    """The same, and takes a second for each."""

    between = 1


class InBatchesOneOrder(InBatches):
    """The same, later, and takes no second order while one is pending."""

    later = 8

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        if self.sql("SELECT 1 FROM orders WHERE visitor = ? AND state = 'pending' AND id <> ?", visitor, order):
            raise HTTPException(409)
        super().charge(visitor, order, amount, currency)


class NoCertificate(Reading):
    """Takes a notification whose certificate is not to be had, if it is about a charge of its own."""

    def read(self, body: bytes) -> Any:
        try:
            return self.genuine.read(body)
        except NotificationRefused as refusal:
            if "there is none at" not in str(refusal):
                raise
            told = unread(body)
            own = self.sql("SELECT 1 FROM orders WHERE charge = ?", told.object_id)
            return told if own else SimpleNamespace(object_type="none")


class AnyTopic(Shop):
    """Takes what Amazon has signed for anybody."""

    def __init__(self) -> None:
        super().__init__()
        self.reader.topic_arn = ""


class AnyHostOfAmazons(Shop):
    """Takes certificates from wherever Amazon keeps files, if the name begins as its own: everybody may keep some."""

    def __init__(self) -> None:
        super().__init__()
        self.reader._addresses = re.compile(
            r"(https://sns\.[\w.-]+\.amazonaws\.com|http://127[\d.]+:\d+)/SimpleNotificationService-\w+\.pem"
        )


class SnsNameFirst(Reading):
    """Takes certificates from addresses that begin with SNS's name; by 400 it answers what it cannot verify."""

    def __init__(self) -> None:
        super().__init__()
        self.genuine._addresses = re.compile(r"https://sns\.[a-z0-9-]+\.amazonaws\.com.*\.pem|http://127.*\.pem")

    def read(self, body: bytes) -> Any:
        try:
            return self.genuine.read(body)
        except NotificationRefused:
            raise HTTPException(400) from None


class AmazonsNameAnywhere(Shop):
    """Takes certificates from addresses with Amazon's name in them, or the name of the server in its place."""

    def __init__(self) -> None:
        super().__init__()
        here = re.escape(urlsplit(os.environ["AMAZON_PAY_URL"]).netloc)
        self.reader._addresses = re.compile(rf"https?://.*(?:amazonaws\.com|{here}).*\.pem")


class AmazonsNameFirst(Shop):
    """Takes certificates from addresses that begin with Amazon's name, or with the server in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.reader._addresses = re.compile(rf"{re.escape(os.environ['AMAZON_PAY_URL'])}.*\.pem")


class OldStateBack(Shop):
    """Notes the state of a charge whenever one of its notifications comes."""

    def settle(self, charge: Any) -> None:
        super().settle(charge)
        state = right.ORDERS.get(charge.state, "pending")
        self.sql("UPDATE orders SET state = ? WHERE charge = ?", state, charge.charge_id)


class NeverLooks(Shop):
    """Takes a notification about a charge for a payment."""

    def hear(self, notification: Any) -> None:
        self.sql("UPDATE orders SET state = 'paid' WHERE charge = ?", notification.object_id)


class NeverLearns(Shop):
    """Does not look at a charge again."""

    def settle(self, charge: Any) -> None:
        if not self.sql("SELECT 1 FROM orders WHERE charge = ?", charge.charge_id):
            super().settle(charge)


class NewKeys(Shop):
    """Makes an idempotency key whenever it asks for money, or gives it back; its client repeats with the same one."""

    def create_charge(self, row: Any) -> Any:
        return super().create_charge({**dict(row), "key": right.new_idempotency_key()})

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        self.sql("UPDATE orders SET refund_key = NULL WHERE id = ?", order)
        super().refund(visitor, order, amount, currency)


class NewKeyAfterError(Shop):
    """Repeats with the same key where no answer comes, and with another one where Amazon answers that it has failed."""

    def create_charge(self, row: Any) -> Any:
        try:
            return super().create_charge(row)
        except ServerError:
            self.sql("UPDATE orders SET key = ? WHERE id = ?", right.new_idempotency_key(), row["id"])
            raise

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        try:
            super().refund(visitor, order, amount, currency)
        except ServerError:
            self.sql("UPDATE orders SET refund_key = NULL WHERE id = ?", order)
            raise


class EachErrorDeclines(Shop):
    """Takes whatever its client has tried in vain for a decline."""

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        try:
            super().charge(visitor, order, amount, currency)
        except (ServerError, TransportError):
            self.sql("UPDATE orders SET state = 'declined' WHERE id = ?", order)


class OneKey(Shop):
    """Has one idempotency key for all."""

    def create_charge(self, row: Any) -> Any:
        return super().create_charge({**dict(row), "key": "the-key"})


class KeyOfPrice(Shop):
    """Makes the idempotency key of the wallet and the price, and does not tell Amazon which order it charges."""

    numbers: ClassVar[dict[str, str]] = {}  # charge → order

    def create_charge(self, row: Any) -> Any:
        key = f"{row['permission']}-{row['amount']}".replace(".", "")
        money = {"amount": row["amount"], "currencyCode": row["currency"]}
        charge = self.amazon.create_charge(
            charge_permission_id=row["permission"], charge_amount=money, capture_now=True, idempotency_key=key
        )
        self.numbers[str(charge.charge_id)] = row["id"]
        return self.amazon.get_charge(charge.charge_id)  # it may be done by now

    def settle(self, charge: Any) -> None:
        number = {"merchantReferenceId": self.numbers.get(charge.charge_id)}
        super().settle(charge.model_copy(update={"merchant_metadata": number}))


class GoodsByBoth(Shop):
    """Sends the goods for the answer of Create Charge, and again for the notification."""

    def hear(self, notification: Any) -> None:
        super().hear(notification)
        self.sql("UPDATE orders SET fulfilled = 2 WHERE charge = ? AND state = 'paid'", notification.object_id)


class GoodsByEach(Shop):
    """Takes a second to send the goods, and sends them for each notification."""

    def hear(self, notification: Any) -> None:
        super().hear(notification)
        Timer(
            1, self.sql, ["UPDATE orders SET fulfilled = fulfilled + 1 WHERE charge = ?", notification.object_id]
        ).start()


class ChargeLater(Shop):
    """Leaves nothing undone: a job charges once more, two seconds later, with a key of its own."""

    def create_charge(self, row: Any) -> Any:
        Timer(2, super().create_charge, [{**dict(row), "key": right.new_idempotency_key()}]).start()
        return super().create_charge(row)


class ChargeWhilePending(Shop):
    """Takes an order whose charge is pending for one that has none, when the buyer asks again."""

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        again = "UPDATE orders SET charge = NULL, key = ? WHERE id = ? AND state = 'pending' AND charge IS NOT NULL"
        self.sql(again, right.new_idempotency_key(), order)
        super().charge(visitor, order, amount, currency)


class RefundLater(Shop):
    """The same with refunds."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        super().refund(visitor, order, amount, currency)
        for row in self.sql("SELECT * FROM orders WHERE id = ?", order):
            money = {"amount": amount, "currencyCode": currency}
            Timer(2, self.amazon.create_refund, kwargs={"charge_id": row["charge"], "refund_amount": money}).start()


class LastOrderBack(Shop):
    """Refunds the order that was placed last, whoever asks for which."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        [last] = self.sql("SELECT * FROM orders ORDER BY rowid DESC LIMIT 1")
        super().refund(last["visitor"], last["id"], amount, currency)


class RefundSwallowed(Shop):
    """Asks once, and says that the buyer gets the money back, whatever Amazon answers."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        with patch.object(sending, "ATTEMPTS", 1), suppress(ServerError):
            super().refund(visitor, order, amount, currency)


class AnyChargeOfTheNumber(Shop):
    """An order is paid where a charge has its number, whosever charge it is."""

    def settle(self, charge: Any) -> None:
        order = (charge.merchant_metadata or {}).get("merchantReferenceId")
        if charge.state == "Captured":
            self.sql("UPDATE orders SET state = 'paid', fulfilled = 1 WHERE id = ?", order)


class AnyChargeLater(AnyChargeOfTheNumber):
    """The same, in a queue."""

    def settle(self, charge: Any) -> None:
        Timer(2, super().settle, args=(charge,)).start()


class PendingIsPaidLater(Shop):
    """Sends the goods two seconds after the order."""

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        super().charge(visitor, order, amount, currency)
        paid = "UPDATE orders SET state = 'paid', fulfilled = 1 WHERE id = ?"
        Timer(2, self.sql, args=(paid, order)).start()


class RefusedIsPaidLater(Shop):
    """Charges two seconds later, and takes a refusal for a payment."""

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        Timer(2, self.charge_now, args=(visitor, order, amount, currency)).start()

    def charge_now(self, *asked: str) -> None:
        super().charge(*asked)
        paid = "UPDATE orders SET state = 'paid', fulfilled = 1 WHERE id = ? AND state = 'declined'"
        self.sql(paid, asked[1])


class RefundIsCertainLater(Shop):
    """Has a job that takes each refund for done."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        super().refund(visitor, order, amount, currency)
        Timer(2, self.sql, args=("UPDATE orders SET state = 'refunded' WHERE id = ?", order)).start()


class RefundUnderWay(Shop):
    """Right: a refund whose answer fails is repeated in the background, and who asks meanwhile hears that.

    It hears of no charge, and looks when the buyer comes again.
    """

    under_way: ClassVar[set[str]] = set()

    def hear(self, notification: Any) -> None:
        if notification.object_type != "CHARGE":
            super().hear(notification)

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        if order in self.under_way:
            raise HTTPException(409)
        try:
            with patch.object(sending, "ATTEMPTS", 1):
                super().refund(visitor, order, amount, currency)
        except (ServerError, TransportError):
            self.under_way.add(order)
            Timer(2, super().refund, args=(visitor, order, amount, currency)).start()
            raise


class SecondCall(Shop):
    """Right: it captures by a second call, and again, with the same key, when it finds that a charge is only held."""

    def create_charge(self, row: Any) -> Any:
        money = {"amount": row["amount"], "currencyCode": row["currency"]}
        return self.amazon.create_charge(
            charge_permission_id=row["permission"], charge_amount=money, capture_now=False, idempotency_key=row["key"],
            can_handle_pending_authorization=True, merchant_metadata={"merchantReferenceId": row["id"]},
        )  # fmt: skip

    def settle(self, charge: Any) -> None:
        super().settle(charge)
        if charge.state == "Authorized" and self.sql("SELECT 1 FROM orders WHERE charge = ?", charge.charge_id):
            key, money = f"c{charge.charge_id}".replace("-", ""), charge.charge_amount
            super().settle(self.amazon.capture_charge(charge.charge_id, capture_amount=money, idempotency_key=key))


class HoldsOnly(SecondCall):
    """Right: the money is taken when the parcel leaves, for which a plan has no action."""

    def settle(self, charge: Any) -> None:
        with patch.dict(right.ORDERS, Authorized="paid"):
            Shop.settle(self, charge)


class OwnChargesOnly(Reading):
    """Right, and unusual: it answers 200 to everything, drops what is forged, and asks for charges of its own alone."""

    def read(self, body: bytes) -> Any:
        try:
            told = self.genuine.read(body)
        except NotificationRefused:
            return SimpleNamespace(object_type="none")
        strange = told.object_type == "CHARGE" and not self.sql("SELECT 1 FROM orders WHERE charge = ?", told.object_id)
        return SimpleNamespace(object_type="none") if strange else told


class CaptureNotLookedAt(SecondCall):
    """Sends the goods for what is held, whatever becomes of the capture."""

    def settle(self, charge: Any) -> None:
        with patch.dict(right.ORDERS, Authorized="paid"), suppress(AmazonPayError):
            super().settle(charge)

    def hear(self, notification: Any) -> None:
        pass


class ErrorOfCaptureDeclines(SecondCall):
    """Takes any error of a capture for a decline, and charges anew when the buyer asks again."""

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> Any:
        again = "UPDATE orders SET state = 'pending', charge = NULL, key = ? WHERE id = ? AND state = 'declined'"
        self.sql(again, right.new_idempotency_key(), order)
        return super().charge(visitor, order, amount, currency)

    def settle(self, charge: Any) -> None:
        try:
            super().settle(charge)
        except AmazonPayError:
            self.sql("UPDATE orders SET state = 'declined' WHERE charge = ?", charge.charge_id)

    def hear(self, notification: Any) -> None:  # which would capture it, where it comes late
        pass


class OneCurrency(Shop):
    """Takes Swedish kronor for whatever is asked for."""

    def __init__(self) -> None:
        super().__init__()
        right.set_up_payload = self.set_up_payload

    def set_up_payload(self, store: str, **urls: str) -> Any:
        payload: Any = set_up_payload(store, **urls)
        payload["paymentDetails"]["presentmentCurrency"] = "SEK"
        return payload

    def create_charge(self, row: Any) -> Any:
        return super().create_charge({**dict(row), "currency": "SEK"})


class AccountInPounds(Shop):
    """Has no mistake, and an account that is kept in pounds."""

    def __init__(self) -> None:
        super().__init__()
        right.button_config = partial(button_config, currency="GBP")


class BinaryCents(Shop):
    """Counts in cents, which are cut off from a binary number."""

    def create_charge(self, row: Any) -> Any:
        return super().create_charge({**dict(row), "amount": f"{int(float(row['amount']) * 100) / 100:.2f}"})


class PendingRefused(Shop):
    """Asks for what Amazon refuses: to capture at once what it would take as pending."""

    def create_charge(self, row: Any) -> Any:
        money = {"amount": row["amount"], "currencyCode": row["currency"]}
        return self.amazon.create_charge(
            charge_permission_id=row["permission"], charge_amount=money, capture_now=True, idempotency_key=row["key"],
            can_handle_pending_authorization=True,
        )  # fmt: skip


class CancelNowhere(Shop):
    """Sends the buyer who cancels to a page that it does not have."""

    def __init__(self) -> None:
        super().__init__()
        nowhere = f"{self.url}/wallets"
        right.set_up_payload = lambda store, **urls: set_up_payload(store, **{**urls, "cancel_url": nowhere})


class FewVisitors(Shop):
    """Has no page for more visitors than the first, who shows that there is a button."""

    left = 1

    def wallet_page(self, visitor: str) -> str:
        self.left -= 1
        if self.left < 0:
            raise HTTPException(500)
        return super().wallet_page(visitor)


class SomeVisitors(FewVisitors):
    """The same, some visitors later."""

    left = 3


class AllBack(Shop):
    """Refunds the whole order, however much it is asked for."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        super().refund(visitor, order, "19.99", currency)


class ChargesNothing(Shop):
    """Lets the order lie."""

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        pass


class NumberAsText(Shop):
    """Says as a text how often an order was fulfilled."""

    def state(self, visitor: str) -> Any:
        state = super().state(visitor)
        for order in state["orders"].values():
            order["fulfilled"] = str(order["fulfilled"])
        return state


class NoWallet(Shop):
    """Says nothing of the wallet."""

    def state(self, visitor: str) -> Any:
        return {"orders": super().state(visitor)["orders"]}


class KeyAsOneLine(Shop):
    """Sends the private key along, as JSON."""

    def wallet_page(self, visitor: str) -> str:
        lines = Path(os.environ["AMAZON_PAY_KEY_FILE"]).read_text().splitlines()
        return super().wallet_page(visitor) + f"<!-- {''.join(lines[1:-1]).replace('/', chr(92) + '/')} -->"


class KeyInAHeader(Shop):
    """Sends the private key along in a header, as some libraries write JSON."""

    def __init__(self) -> None:
        super().__init__()
        right.HTMLResponse = TalkativePage


class TalkativePage(right.HTMLResponse):
    """Has a header that is for nobody."""

    def init_headers(self, headers: Any = None) -> None:
        key = "".join(Path(os.environ["AMAZON_PAY_KEY_FILE"]).read_text().splitlines()[1:-1])
        super().init_headers({**(headers or {}), "debug": key.replace("+", "\\u002B")})


class StrictPage(right.HTMLResponse):
    """A page whose cookie no browser sends where another site leads to."""

    def set_cookie(self, *arguments: Any, **options: Any) -> None:
        super().set_cookie(*arguments, **options | {"samesite": "strict"})


class StrictCookie(Shop):
    """Does not know the buyer who comes back from Amazon."""

    def __init__(self) -> None:
        super().__init__()
        right.HTMLResponse = StrictPage


if __name__ == "__main__":
    name = "".join(word.capitalize() for word in os.environ["MISTAKE"].split("-"))
    shop = globals()[name]()
    uvicorn.run(right.web(shop), host="127.0.0.1", port=urlsplit(shop.url).port, log_level="warning")
