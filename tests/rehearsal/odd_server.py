"""A shop that is right and unusual: it answers a return by a redirect, and does the rest in the background.

It knows its customers by what Amazon calls them, and says nothing of the others.  A script draws its review page; its
buttons are there before their scripts are, and a session to change the payment method is always ready.  Its pages
change their own address, go on by themselves, and are returned to by addresses with a fragment; its cookies get
another name.  It offers every flow.  With a word as its last argument it does one thing wrong, or more unusually.
"""

import secrets
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from amazonpay_nb.client import AmazonPayClient, button
from amazonpay_nb.errors import AmazonPayError, ApiError, ConflictError
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.regions import region

URL, AMAZON, SCRIPT, MERCHANT, STORE, KEY_ID, KEY_FILE, MISTAKE = sys.argv[1:9]
KEYS, REGION = MerchantKeys.from_file(KEY_FILE, KEY_ID), region("na")
CLIENT = AmazonPayClient(KEYS, region="na", base_url=AMAZON)
PRICE = {"amount": "24.00", "currencyCode": "USD"}
PAGE = """<!doctype html><title>Shop</title>
<img src="https://shop-pictures.s3.us-east-1.amazonaws.com/logo.png"><button class=amazon-pay-button>Buy</button>
<script src="{script}"></script>
<script>
document.addEventListener("click", () => {{ history.pushState(null, "", "?step=amazon"); location.hash = "x" }}, true)
fetch("/settings").then(() => {{ document.querySelector("button").onclick = () => amazon.Pay.initCheckout({config}) }})
</script>"""
THANKS = "<!doctype html><title>Thank you</title><script>onload = () => { location.href = '/account' }</script>"

REVIEW = """<!doctype html><title>Your order</title><form></form>
<script>
const order = () => fetch(location.href, {method: "POST"}).then((r) => r.json()).then((url) => { location.href = url })
setTimeout(() => { document.forms[0].innerHTML = "<button type=button>Order</button>" }, 100)
setTimeout(() => { document.querySelector("button").onclick = order }, 500)</script>"""

slow = iter([1.5])  # seconds that the first order takes
wallets: dict[str, str] = {}  # visitor → permission
customers: dict[str, str] = {}  # visitor → buyerId
orders: dict[str, dict[str, dict[str, object]]] = {}  # visitor → order → state
renewed: dict[str, str] = {}  # cookie → visitor
former: set[str] = set()  # cookies that show nothing any longer
turn = threading.Lock()


def visitor_of(request: Request) -> str:
    cookie = cookie_of(request) or secrets.token_hex(16)
    return renewed.get(cookie, cookie)


def cookie_of(request: Request) -> str:
    return request.cookies.get("visitor") or request.cookies.get("__Host-visitor", "")


def offer(request: Request) -> Response:
    flow, visitor = request.url.path.strip("/"), visitor_of(request)
    back = f"{URL}/{'review' if flow == 'express' else 'back'}?of={visitor[:8]}&flow={flow}#/account"
    payload = {
        "wallet": lambda: button.set_up_payload(STORE, result_url=back),
        "express": lambda: button.express_payload(STORE, review_url=back),
        "buy": lambda: button.end_of_checkout_payload(STORE, result_url=back, charge_amount=PRICE),
        "sign-in": lambda: button.sign_in_and_set_up_payload(STORE, sign_in_url=back),
        "update": lambda: button.update_payload(STORE, wallets[visitor], result_url=back),
    }
    if flow == "update" and visitor not in wallets:
        return Response("There is no wallet yet.", 403)
    product = {"sign-in": "SignInAndSetup", "express": "PayAndShip"}.get(flow, "PayOnly")
    signed = button.sign_button(payload[flow](), KEYS)
    config = button.button_config(signed, merchant_id=MERCHANT, region=REGION, product_type=product)
    answer = HTMLResponse(PAGE.format(script=SCRIPT, config=button.embed(config)))
    answer.set_cookie("visitor", visitor, samesite="lax", httponly=True)
    answer.raw_headers.append((b"set-cookie", "name=Jürgen; Path=/".encode()))  # browsers take it
    return answer


def review(request: Request) -> Response:
    session = request.query_params["amazonCheckoutSessionId"]
    if request.method == "GET":
        return HTMLResponse(REVIEW)
    back = f"{URL}/back?of={request.query_params['of']}&flow=express"
    updated = CLIENT.update_checkout_session(
        session, web_checkout_details={"checkoutResultReturnUrl": back},
        payment_details={"paymentIntent": "Authorize", "chargeAmount": PRICE},
    )  # fmt: skip
    time.sleep(next(slow, 0))  # a buyer should not have to order again meanwhile
    return JSONResponse((updated.web_checkout_details or {})["amazonPayRedirectUrl"])


def come_back(request: Request) -> Response:
    visitor, query = visitor_of(request), request.query_params
    kind = ("anybody-later" if cookie_of(request) else "new-browser") == MISTAKE
    if (kind or visitor[:8] == query.get("of")) and "amazonCheckoutSessionId" in query:
        price = PRICE if query["flow"] in ("buy", "express") else None
        threading.Thread(target=complete, args=(visitor, query["amazonCheckoutSessionId"], price, kind)).start()
    answer = HTMLResponse(THANKS) if query["flow"] == "wallet" else RedirectResponse("/thanks", 303)
    if MISTAKE == "new-browser":
        answer.set_cookie("visitor", visitor)
    return answer


def settings(_: Request) -> Response:
    time.sleep(0.1)
    return JSONResponse({})


async def account(request: Request) -> Response:
    """A page that takes so long that buyers leave."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


def complete(visitor: str, session_id: str, price: dict[str, str] | None, kind: bool) -> None:
    if MISTAKE == "anybody-later":
        time.sleep(2)
    if MISTAKE.startswith("buys-again") and price and visitor in wallets:
        pay_at_once(wallets[visitor], price)
    try:
        agreed = CLIENT.get_checkout_session(session_id)
        if f"of={visitor[:8]}" not in str(agreed.web_checkout_details) and not kind and MISTAKE != "any-session":
            return
        session = CLIENT.complete_checkout_session(session_id, charge_amount=price)
    except ConflictError:
        session = CLIENT.get_checkout_session(session_id)
    except AmazonPayError as error:
        print(error, flush=True)
        return
    if session.charge_permission_id:
        customers[visitor] = str((agreed.buyer or {})["buyerId"])
        same = [other for other, customer in customers.items() if customer == customers[visitor]]
        wallets.update(dict.fromkeys(same, session.charge_permission_id))
        change = button.update_payload(STORE, session.charge_permission_id, result_url=f"{URL}/back")
        CLIENT.create_checkout_session(**change)
        if MISTAKE == "first-month":  # which is none: the buyer pays at once what an order of a rehearsal costs
            pay_at_once(session.charge_permission_id, {"amount": "19.99", "currencyCode": "USD"})
        if price and MISTAKE.startswith(("buys-twice", "buys-more")):  # of which the latter is none
            more = PRICE if MISTAKE.startswith("buys-twice") else {"amount": "9.00", "currencyCode": "USD"}
            pay_at_once(session.charge_permission_id, more)


def pay_at_once(permission: str, amount: dict[str, str]) -> None:
    time.sleep(2 if MISTAKE.endswith("later") else 0)
    CLIENT.create_charge(charge_permission_id=permission, charge_amount=amount, capture_now=True)


def charge(request: Request) -> Response:
    visitor, query = visitor_of(request), request.query_params
    with turn:
        mine = orders.setdefault(visitor, {})
        fresh = mine.setdefault(query["order"], {"state": "pending"})["state"] == "pending"
    if fresh and visitor in wallets:
        threading.Thread(target=pay, args=(visitor, query["order"], query["amount"])).start()
    answer, cookie = JSONResponse({}, 202), secrets.token_hex(16)
    renewed[cookie] = visitor
    former.add(cookie_of(request))
    answer.delete_cookie("visitor")
    answer.set_cookie("__Host-visitor", cookie, secure=True)
    return answer


def pay(visitor: str, order: str, amount: str) -> None:
    with turn:
        if orders[visitor][order]["state"] != "pending":
            return
        state = ask(visitor, order, amount)
        if MISTAKE == "asks-again" and state == "declined":  # which is none: it may be a soft decline
            state = ask(visitor, order, amount, "again")
            time.sleep(2)  # and keeps its books slowly
        orders[visitor][order]["state"] = state


def ask(visitor: str, order: str, amount: str, attempt: str = "") -> str:
    try:
        CLIENT.get_charge_permission(wallets[visitor])
        made = CLIENT.create_charge(
            charge_permission_id=wallets[visitor], charge_amount={"amount": amount, "currencyCode": "USD"},
            capture_now=MISTAKE != "holds", idempotency_key=order.replace("-", "") + visitor[:8] + attempt,
            merchant_metadata={"merchantReferenceId": order},
        )  # fmt: skip
        orders[visitor][order]["charge"] = made.charge_id
        return "paid" if made.state in ("Captured", "Authorized") else "pending"
    except ApiError as error:
        return "paid" if MISTAKE == "believes" else "declined" if error.status_code < 500 else "pending"


def refund(request: Request) -> Response:
    order, amount = orders[visitor_of(request)][request.query_params["order"]], request.query_params["amount"]
    key, money = str(order["charge"]).replace("-", ""), {"amount": amount, "currencyCode": "USD"}
    CLIENT.create_refund(charge_id=str(order["charge"]), refund_amount=money, idempotency_key=key)
    return JSONResponse({}, 202)


def state(request: Request) -> Response:
    visitor = visitor_of(request)
    if visitor not in wallets or cookie_of(request) in former:
        return Response("Please sign in.", 401)
    return JSONResponse({"wallet": "saved", "orders": orders.get(visitor, {})})


routes = [Route(f"/{name}", offer) for name in ("wallet", "express", "buy", "sign-in", "update")]
routes += [Route("/review", review, methods=["GET", "POST"]), Route("/back", come_back), Route("/state", state)]
routes += [Route(f"/order/{work.__name__}", work, methods=["PUT"]) for work in (charge, refund)]
routes += [
    Route("/settings", settings),
    Route("/thanks", lambda request: HTMLResponse(THANKS)),
    Route("/account", account),
]

if __name__ == "__main__":
    print(Path(KEY_FILE).read_text(), flush=True)  # nobody does that on purpose
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=urlsplit(URL).port or 0, log_level="warning")
