"""The mistakes that people make: the shop of ../shop_python with one of them, named by the variable MISTAKE.

Each is a class below: what its author thinks, and what is different.  Nothing here is to be copied.
"""

import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parents[1] / "shop_python"))

import shop as right
from shop import Shop

from amazonpay_nb.client import AmazonPayClient, new_idempotency_key, sending
from amazonpay_nb.errors import (
    DeclinedError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    ThrottledError,
    TransportError,
)


class Impatient(Shop):
    """No mistake yet: the client sends each request once, as Amazon's SDK for Node does, and the buyer asks again."""

    def __init__(self) -> None:
        super().__init__()
        sending.ATTEMPTS = 1


class KeyInPage(Shop):
    """The browser signs, so that the server has less to do."""

    def wallet_page(self, visitor: str) -> str:
        pem = Path(os.environ["AMAZON_PAY_KEY_FILE"]).read_text()
        return super().wallet_page(visitor) + f"<script>const privateKey = `{pem}`</script>"


class OwnScript(Shop):
    """A copy of checkout.js on our own server loads faster."""

    def __init__(self) -> None:
        super().__init__()
        self.copy, self.script = self.script, "/checkout.js"


class UnsignedChange(Shop):
    """Another address may be put into the payload after it was signed."""

    def wallet_page(self, visitor: str) -> str:
        return super().wallet_page(visitor).replace("/wallet/return?", "/wallet/return?from=amazon&")


class ReturnOnce(Shop):
    """Nobody comes back twice with the same session: that must be an attack."""

    def come_back(self, visitor: str, session_id: str) -> str:
        if self.sql("SELECT 1 FROM sessions WHERE id = ? AND permission IS NOT NULL", session_id):
            raise HTTPException(403)
        return super().come_back(visitor, session_id)


class AnybodysSession(Shop):
    """Whoever comes with a session is the buyer of it."""

    def come_back(self, visitor: str, session_id: str) -> str:
        self.sql("INSERT OR REPLACE INTO sessions VALUES (?, ?, NULL)", session_id, visitor)
        return super().come_back(visitor, session_id)


class LastWallet(Shop):
    """The wallet is the one that was saved last."""

    def create_charge(self, row: Any) -> Any:
        last = "SELECT permission FROM sessions WHERE permission IS NOT NULL ORDER BY rowid DESC"
        return super().create_charge({**dict(row), "permission": self.sql(last)[0]["permission"]})


class UnknownSessionBreaks(Shop):
    """Amazon sends only sessions that exist."""

    def come_back(self, visitor: str, session_id: str) -> str:
        try:
            return super().come_back(visitor, session_id)
        except NotFoundError as error:
            raise KeyError(session_id) from error


class DeclinedBreaks(Shop):
    """A session that comes back is Completed, or the buyer has canceled it."""

    def complete(self, session_id: str) -> Any:
        session = super().complete(session_id)
        assert session.reason_code != "Declined"
        return session


class LateBreaks(Shop):
    """Buyers come back at once."""

    def complete(self, session_id: str) -> Any:
        session = super().complete(session_id)
        assert session.reason_code != "Expired"
        return session


class LostAnswerIsFailure(Impatient):
    """A session that Amazon refuses to complete was not completed: why look at its state?"""

    def complete(self, session_id: str) -> Any:
        try:
            return self.amazon.complete_checkout_session(session_id)
        except right.ConflictError:
            return SimpleNamespace(state="unknown")


class ServerErrorEndsVisit(Impatient):
    """Amazon has a problem, so the buyer has to start again."""

    def complete(self, session_id: str) -> Any:
        try:
            return super().complete(session_id)
        except ServerError:
            self.sql("UPDATE sessions SET visitor = 'spent' WHERE id = ?", session_id)
            raise


class PermissionNotRead(Shop):
    """The wallet was good when it was saved."""

    def look_at_wallet(self, permission: str) -> None:
        if sys._getframe(1).f_code.co_name == "hear":
            super().look_at_wallet(permission)


class SoftDeclineIsPaid(Shop):
    """A soft decline goes away by itself: the order is as good as paid."""

    def create_charge(self, row: Any) -> Any:
        try:
            return super().create_charge(row)
        except DeclinedError as error:
            if error.reason_code == "SoftDeclined":
                self.sql("UPDATE orders SET state = 'paid', fulfilled = 1 WHERE id = ?", row["id"])
            raise


class HardDeclineBreaks(Shop):
    """A card that was good once is good for good."""

    def create_charge(self, row: Any) -> Any:
        try:
            return super().create_charge(row)
        except DeclinedError as error:
            raise KeyError(error.reason_code) if error.reason_code == "HardDeclined" else error  # noqa: B904


class NewKeyEachTry(Impatient):
    """Another try, another idempotency key."""

    def create_charge(self, row: Any) -> Any:
        try:
            return super().create_charge(row)
        except TransportError:
            self.sql("UPDATE orders SET key = ? WHERE id = ?", new_idempotency_key(), row["id"])
            raise


class ServerErrorIsFinal(Impatient):
    """An error is an error: the order has failed."""

    def create_charge(self, row: Any) -> Any:
        try:
            return super().create_charge(row)
        except ServerError as error:
            raise right.ConflictError("no", status_code=422, reason_code="AmazonRejected") from error


class ThrottledIsFinal(Impatient):
    """Amazon does not want the order."""

    def create_charge(self, row: Any) -> Any:
        try:
            return super().create_charge(row)
        except ThrottledError as error:
            raise right.ConflictError("no", status_code=422, reason_code="AmazonRejected") from error


class PendingIsPaid(Shop):
    """Capture is initiated, and what is initiated will be done."""

    def __init__(self) -> None:
        super().__init__()
        right.ORDERS["CaptureInitiated"] = "paid"


class OrderTwice(Shop):
    """Whoever presses the button wants to pay."""

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        again = "UPDATE orders SET state = 'pending', fulfilled = 0, charge = NULL, key = ?"
        self.sql(f"{again} WHERE id = ? AND state = 'paid'", new_idempotency_key(), order)
        super().charge(visitor, order, amount, currency)


class ClosedBreaks(Shop):
    """A wallet is saved, or it needs repair."""

    def __init__(self) -> None:
        super().__init__()
        del right.WALLETS["Closed"]


class LimitBreaks(Shop):
    """We send correct requests, so there is no 400."""

    def create_charge(self, row: Any) -> Any:
        try:
            return super().create_charge(row)
        except InvalidRequestError as error:
            raise AssertionError(error) from error


class NeverRefunded(Shop):
    """The refund is noted; the accountant does the rest."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        self.sql("UPDATE orders SET state = 'refunded' WHERE id = ? AND visitor = ?", order, visitor)


class RefundNewKey(Impatient):
    """Each click on "refund" is a refund."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        self.sql("UPDATE orders SET refund_key = NULL WHERE id = ?", order)
        super().refund(visitor, order, amount, currency)


class RefundIsCertain(Shop):
    """Amazon has accepted the refund, so the buyer has the money."""

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        super().refund(visitor, order, amount, currency)
        self.sql("UPDATE orders SET state = 'refunded' WHERE id = ? AND visitor = ?", order, visitor)


class Listening(Shop):
    """What the mistakes with notifications need: a reader that can be replaced, and what was heard of before."""

    def __init__(self) -> None:
        super().__init__()
        self.genuine, self.reader = self.reader, SimpleNamespace(read=self.read)
        self.heard: list[str] = []

    def read(self, body: bytes) -> Any:
        return self.genuine.read(body)


class SignatureNotChecked(Listening):
    """It comes from our topic and names Amazon's certificate: who else could know that?"""

    def __init__(self) -> None:
        super().__init__()
        key = self.genuine._key
        self.genuine._key = lambda url, now: key(url, now) and SimpleNamespace(verify=lambda *_: None)


class AnyCertificate(Listening):
    """The envelope says where the certificate is."""

    def __init__(self) -> None:
        super().__init__()
        self.genuine._addresses = re.compile(".*")


class DuplicateShips(Listening):
    """A notification of a captured charge sends the goods."""

    def hear(self, notification: Any) -> None:
        super().hear(notification)
        if notification.notification_id in self.heard:
            self.sql("UPDATE orders SET fulfilled = fulfilled + 1 WHERE charge = ?", notification.object_id)
        self.heard.append(notification.notification_id)


class WorkFirst(Listening):
    """First the work, then the answer: so nothing is lost."""

    def read(self, body: bytes) -> Any:
        notification = super().read(body)
        self.hear(notification)
        if not self.sql("SELECT 1 FROM orders WHERE charge = ? OR permission = ?", *[notification.object_id] * 2):
            time.sleep(4)  # it is looked for in the archive
        return notification


class AnswerIsEnough(Shop):
    """The answer to Create Charge has told what to know of it."""

    def hear(self, notification: Any) -> None:
        if self.sql("SELECT 1 FROM orders WHERE charge = ?", notification.object_id):
            self.amazon.get_charge(notification.object_id)
        else:
            super().hear(notification)


class NewsIsBelieved(Listening):
    """The first notification of a charge says that it has begun, the second that it is done."""

    def hear(self, notification: Any) -> None:
        self.heard.append(notification.object_id)
        if notification.object_type != "CHARGE":
            super().hear(notification)
        elif self.heard.count(notification.object_id) == 2:
            done = "UPDATE orders SET state = 'paid', fulfilled = 1 WHERE charge = ? AND state = 'pending'"
            self.sql(done, notification.object_id)


class UnknownObjectBreaks(Listening):
    """Amazon tells only of what we have."""

    def read(self, body: bytes) -> Any:
        notification = super().read(body)
        try:
            if notification.object_type == "CHARGE":
                self.amazon.get_charge(notification.object_id)
        except NotFoundError as error:
            raise KeyError(notification.object_id) from error
        return notification


class OldAlgorithm(Shop):
    """The example that we found is from 2020."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = replace(self.keys, algorithm="AMZN-PAY-RSASSA-PSS")
        self.amazon = AmazonPayClient(self.keys, region=self.region.code, base_url=os.environ.get("AMAZON_PAY_URL"))


def mistake(name: str) -> type[Shop]:
    """Return the class of a mistake; its name is in kebab case."""
    return globals()["".join(word.capitalize() for word in name.split("-"))]


if __name__ == "__main__":
    shop = mistake(os.environ.get("MISTAKE", "impatient"))()
    app = right.web(shop)
    if copy := getattr(shop, "copy", ""):
        text = httpx.get(copy).text.replace("document.currentScript.src", f'"{copy}"')
        app.routes.append(Route("/checkout.js", lambda request: Response(text, media_type="text/javascript")))
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(shop.url).port, log_level="warning")
