"""A shop that saves a buyer's Amazon Pay wallet, charges it, refunds, and listens to Amazon: code to copy."""

import hashlib
import logging
import os
import secrets
import sqlite3
import threading
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from amazonpay_nb.client import AmazonPayClient, new_idempotency_key
from amazonpay_nb.client.button import button_config, embed, set_up_payload, sign_button
from amazonpay_nb.client.notifications import Notification, NotificationReader
from amazonpay_nb.errors import AmazonPayError, ConflictError, InvalidRequestError
from amazonpay_nb.loopback import limit_body
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec import answers, regions

TABLES = """
CREATE TABLE IF NOT EXISTS visitors (id TEXT PRIMARY KEY, permission TEXT, wallet TEXT);
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, visitor TEXT, permission TEXT);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, visitor TEXT, permission TEXT, amount TEXT, currency TEXT,
    key TEXT, charge TEXT, state TEXT DEFAULT 'pending', fulfilled INT DEFAULT 0, refund_amount TEXT, refund_key TEXT);
"""
WALLETS = {"Chargeable": "saved", "NonChargeable": "repair", "Closed": "none"}
ORDERS = {"Captured": "paid", "Declined": "declined", "Canceled": "declined"}  # in any other state it is pending
AMOUNT = {"TransactionAmountExceeded", "PeriodicAmountExceeded", "InvalidParameterValue", "MissingParameterValue"}
BUTTON = """<!doctype html><title>My wallet</title><div id="button"></div>
<script src="{script}"></script><script>amazon.Pay.renderButton("#button", {config})</script>"""


class Shop:
    """What every shop needs.  It writes down what it will ask Amazon to do, with the idempotency key, then asks."""

    def __init__(self, env: Any = os.environ) -> None:
        self.url = env.get("SHOP_URL", "http://127.0.0.1:8801")
        self.region = regions.region(env.get("AMAZON_PAY_REGION", "na"))
        self.merchant_id, self.store_id = env["AMAZON_PAY_MERCHANT_ID"], env["AMAZON_PAY_STORE_ID"]
        self.script = env.get("AMAZON_PAY_SCRIPT", f"https://{self.region.checkout_script_host}/checkout.js")
        self.keys = MerchantKeys.from_file(env["AMAZON_PAY_KEY_FILE"], env["AMAZON_PAY_KEY_ID"])
        api, topic = env.get("AMAZON_PAY_URL"), env["AMAZON_PAY_TOPIC"]
        self.amazon = AmazonPayClient(self.keys, region=self.region.code, base_url=api)
        hosts = [urlsplit(api).netloc] if api else []
        self.reader = NotificationReader(topic, merchant_id=self.merchant_id, certificate_hosts=hosts)
        self.db = sqlite3.connect(env.get("SHOP_FILE", "shop.sqlite"), check_same_thread=False, isolation_level=None)
        self.db.row_factory, self.db_turn, self.wallet_turn = sqlite3.Row, threading.Lock(), threading.Lock()
        self.db.executescript(TABLES)

    def sql(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """Run one statement and return its rows."""
        with self.db_turn:
            return self.db.execute(statement, values).fetchall()

    def wallet_page(self, visitor: str) -> str:
        """Return the page whose button leads to Amazon, and back to an address that is good for this visitor only."""
        address = f"{self.url}/wallet/return?visit={hashlib.sha256(visitor.encode()).hexdigest()}"
        payload = set_up_payload(self.store_id, result_url=address, cancel_url=f"{self.url}/wallet")
        button = button_config(sign_button(payload, self.keys), merchant_id=self.merchant_id, region=self.region)
        return BUTTON.format(script=self.script, config=embed(button))

    def come_back(self, visitor: str, session_id: str) -> str:
        """Save the wallet of a visitor who is back from Amazon, and return what to tell the buyer."""
        signed = self.amazon.get_checkout_session(session_id).web_checkout_details or {}  # by us; any URL can be opened
        if str(signed.get("checkoutResultReturnUrl")).endswith(hashlib.sha256(visitor.encode()).hexdigest()):
            self.sql("INSERT OR IGNORE INTO sessions VALUES (?, ?, NULL)", session_id, visitor)
        own = self.sql("SELECT permission FROM sessions WHERE id = ? AND visitor = ?", session_id, visitor)
        if not own:
            return "This address is somebody else's."
        if not own[0]["permission"]:  # otherwise the buyer has loaded the page again
            session = self.complete(session_id)
            if session.state != "Completed":
                return "Amazon Pay was not saved. You can try again."
            self.sql("INSERT OR REPLACE INTO visitors VALUES (?, ?, 'saved')", visitor, session.charge_permission_id)
            self.sql("UPDATE sessions SET permission = ? WHERE id = ?", session.charge_permission_id, session_id)
        return "Amazon Pay is saved."

    def complete(self, session_id: str) -> answers.CheckoutSession:
        """Complete a session, or learn how it has ended: by the buyer, or by a request whose answer was lost."""
        try:
            return self.amazon.complete_checkout_session(session_id)
        except ConflictError:
            return self.amazon.get_checkout_session(session_id)

    def look_at_wallet(self, permission: str) -> None:
        """Ask Amazon whether a wallet can be charged, and note it."""
        with self.wallet_turn:  # the newer of two answers is noted last
            wallet = WALLETS[self.amazon.get_charge_permission(permission).state]
            self.sql("UPDATE visitors SET wallet = ? WHERE permission = ?", wallet, permission)

    def charge(self, visitor: str, order: str, amount: str, currency: str) -> None:
        """Charge an order, once, however often it is asked for.  In your shop, an order knows its own amount."""
        for [permission] in self.sql("SELECT permission FROM visitors WHERE id = ?", visitor):
            self.look_at_wallet(permission)
        columns = "INSERT OR IGNORE INTO orders (id, amount, currency, key, visitor, permission)"
        wallet = "SELECT ?, ?, ?, ?, id, permission FROM visitors WHERE id = ? AND wallet = 'saved'"
        self.sql(f"{columns} {wallet}", order, amount, currency, new_idempotency_key(), visitor)
        for row in self.sql("SELECT * FROM orders WHERE id = ? AND visitor = ? AND state = 'pending'", order, visitor):
            try:
                self.settle(self.amazon.get_charge(row["charge"]) if row["charge"] else self.create_charge(row))
            except (ConflictError, InvalidRequestError) as error:  # a gateway's, or of a late clock, leaves it open
                logging.warning("Order %s: %s", order, error)
                if error.recovery.is_decision and (isinstance(error, ConflictError) or error.reason_code in AMOUNT):
                    self.sql("UPDATE orders SET state = 'declined' WHERE id = ? AND state = 'pending'", order)

    def create_charge(self, row: sqlite3.Row) -> answers.Charge:
        """Ask for the money.  While no answer comes, this client repeats the request, with the same key."""
        return self.amazon.create_charge(
            charge_permission_id=row["permission"], capture_now=True, idempotency_key=row["key"],
            charge_amount={"amount": row["amount"], "currencyCode": row["currency"]},
            merchant_metadata={"merchantReferenceId": row["id"]},
        )  # fmt: skip

    def settle(self, charge: answers.Charge) -> None:
        """Note what has become of a charge, if it is this shop's.  The first to hear of money sends the goods."""
        state, order = ORDERS.get(charge.state, "pending"), (charge.merchant_metadata or {}).get("merchantReferenceId")
        own = "UPDATE orders SET charge = ?, state = ?, fulfilled = ? WHERE id = ? AND permission = ? AND fulfilled = 0"
        self.sql(own, charge.charge_id, state, state == "paid", order, charge.charge_permission_id)

    def refund(self, visitor: str, order: str, amount: str, currency: str) -> None:
        """Refund a paid order, once; the outcome follows later.  In your shop, only your staff may ask for it."""
        note = "UPDATE orders SET refund_key = ifnull(refund_key, ?), refund_amount = ifnull(refund_amount, ?)"
        own = "WHERE id = ? AND visitor = ? AND state = 'paid' RETURNING *"
        for row in self.sql(f"{note} {own}", new_idempotency_key(), amount, order, visitor):
            money, key = {"amount": row["refund_amount"], "currencyCode": row["currency"]}, row["refund_key"]
            try:
                self.amazon.create_refund(charge_id=row["charge"], refund_amount=money, idempotency_key=key)
            except InvalidRequestError as error:
                if error.reason_code in AMOUNT:  # then another amount can be asked for, with another key
                    self.sql("UPDATE orders SET refund_key = NULL, refund_amount = NULL WHERE refund_key = ?", key)
                raise

    def hear(self, notification: Notification) -> None:
        """Ask Amazon for the object that has changed: a notification does not say what it is now."""
        try:
            if notification.object_type == "CHARGE_PERMISSION":
                self.look_at_wallet(notification.object_id)
            elif notification.object_type == "CHARGE":
                self.settle(self.amazon.get_charge(notification.object_id))
            elif notification.object_type == "REFUND":
                refund = self.amazon.get_refund(notification.object_id)
                if refund.state == "Refunded":  # a person looks after one that is declined
                    self.sql("UPDATE orders SET state = 'refunded' WHERE charge = ?", refund.charge_id)
        except AmazonPayError as error:
            logging.warning("%s: %s", notification, error)

    def state(self, visitor: str) -> dict[str, Any]:
        """Return what a visitor's pages show."""
        wallets = self.sql("SELECT wallet FROM visitors WHERE id = ?", visitor)
        orders = self.sql("SELECT id, state, fulfilled FROM orders WHERE visitor = ?", visitor)
        return {"wallet": wallets[0][0] if wallets else "none", "orders": {row["id"]: dict(row) for row in orders}}


def web(shop: Shop) -> Starlette:
    """Return the web server.  A visitor is a cookie, lax as Amazon leads buyers back; in your shop, who signed in."""

    def wallet(request: Request) -> Response:
        visitor = request.cookies.get("visitor") or secrets.token_urlsafe(32)
        answer = HTMLResponse(shop.wallet_page(visitor), headers={"cache-control": "no-store"})
        answer.set_cookie("visitor", visitor, httponly=True, samesite="lax", secure=shop.url.startswith("https"))
        return answer

    def come_back(request: Request) -> Response:
        session_id = request.query_params.get("amazonCheckoutSessionId", "")
        text = shop.come_back(request.cookies.get("visitor", ""), session_id)
        return HTMLResponse(f'<!doctype html><title>My wallet</title><p>{text}</p><a href="/wallet">My wallet</a>')

    def state(request: Request) -> Response:
        return JSONResponse(shop.state(request.cookies.get("visitor", "")))

    async def act(request: Request) -> Response:
        order = await Request(request.scope, limit_body(request.receive)).json()
        who, work = request.cookies.get("visitor", ""), {"/charge": shop.charge, "/refund": shop.refund}
        await run_in_threadpool(work[request.url.path], who, order["order"], order["amount"], order["currency"])
        return state(request)

    async def news(request: Request) -> Response:
        body = await Request(request.scope, limit_body(request.receive)).body()
        notification = await run_in_threadpool(shop.reader.read, body)
        return Response(background=BackgroundTask(shop.hear, notification))  # the answer goes first

    def no_answer(request: Request, error: AmazonPayError) -> Response:
        return Response("Please try again.", getattr(error, "status_code", getattr(error, "status", 503)))

    routes = [Route("/wallet", wallet), Route("/wallet/return", come_back), Route("/state", state)]
    routes += [Route(*post, methods=["POST"]) for post in (("/charge", act), ("/refund", act), ("/news", news))]
    return Starlette(routes=routes, exception_handlers={AmazonPayError: no_answer})


if __name__ == "__main__":
    uvicorn.run(web(shop := Shop()), host="127.0.0.1", port=urlsplit(shop.url).port, log_level="warning")
