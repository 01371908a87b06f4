"""A merchant and a buyer for tests of the emulator: they send what they are told to, well-formed or not."""

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from amazonpay_nb.emulator import Credentials, Emulator
from amazonpay_nb.loopback import http_client
from amazonpay_nb.signing import format_date, sign_payload, sign_request
from amazonpay_nb.signing.keys import with_id
from amazonpay_nb.spec.operations import OPERATIONS
from tests.processes import PATIENCE

Json = dict[str, Any]

RESULT = "https://shop.example/result"
REVIEW = "https://shop.example/review"
CANCEL = "https://shop.example/cancel"
SIGNED_IN = "https://shop.example/signed-in"
ADDRESS = {
    "name": "Ada Example", "addressLine1": "1 Sample Way", "city": "Seattle", "stateOrRegion": "WA",
    "postalCode": "98101", "countryCode": "us", "phoneNumber": "0000000000",
}  # fmt: skip
WALLET: Json = {"chargePermissionType": "PaymentMethodOnFile"}
SET_UP: Json = WALLET | {
    "webCheckoutDetails": {"checkoutResultReturnUrl": RESULT},
    "paymentMethodOnFileMetadata": {"setupOnly": True},
    "paymentDetails": {"paymentIntent": "Confirm"},
}
MONTHLY: Json = {
    "chargePermissionType": "Recurring", "recurringMetadata": {"frequency": {"unit": "Month", "value": "1"}},
}  # fmt: skip
EVIDENCE: Json = {"evidenceType": "TrackingNumber", "evidenceText": "1Z999AA10123456784"}
SIGN_IN: Json = {"webCheckoutDetails": {"signInReturnUrl": SIGNED_IN}}


def usd(amount: object, currency: str = "USD") -> Json:
    return {"amount": amount, "currencyCode": currency}


def purchase(amount: object = "14.00", currency: str = "USD", **details: Any) -> Json:
    """A Create Checkout Session body that pays something at its end."""
    return {
        "webCheckoutDetails": {"checkoutResultReturnUrl": RESULT},
        "paymentDetails": {"paymentIntent": "Authorize", "chargeAmount": usd(amount, currency)} | details,
    }


def end_of_checkout(**more: Any) -> Json:
    """The payload of a Saved Wallet's end-of-checkout button."""
    body = WALLET | purchase() | {"paymentMethodOnFileMetadata": {"setupOnly": False}, "addressDetails": ADDRESS}
    body["webCheckoutDetails"] = {"checkoutMode": "ProcessOrder", "checkoutResultReturnUrl": RESULT}
    return body | more


def express(**more: Any) -> Json:
    """The payload of a Saved Wallet's express button."""
    web = {"checkoutReviewReturnUrl": REVIEW}
    return WALLET | {"webCheckoutDetails": web, "paymentMethodOnFileMetadata": {"setupOnly": False}} | more


class Shop:
    """A merchant account whose requests are signed, and otherwise as asked for.

    Args:
        key_id: Another id of the account's key pair.
    """

    def __init__(self, emulator: Emulator, account: Credentials | None = None, *, key_id: str = "") -> None:
        self.emulator, self.account = emulator, account or emulator.merchant
        self.keys = with_id(self.account.keys, key_id or self.account.public_key_id)
        self.http = http_client(base_url=emulator.url, verify=emulator.verify, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def headers(self, **changed: str | None) -> dict[str, str]:
        """The headers of a request; ``None`` leaves one out, underscores stand for hyphens."""
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "x-amz-pay-date": format_date(datetime.now(UTC)),
            "x-amz-pay-host": "127.0.0.1",
            "x-amz-pay-region": self.emulator.region,
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        return {name: value for name, value in headers.items() if value is not None}

    def send(
        self, method: str, path: str, content: bytes = b"", *, key: str | None = None, code: str | None = None,
        **headers: str | None,
    ) -> httpx.Response:  # fmt: skip
        """Sign and send exactly this; *code* is a simulation code."""
        headers |= {"x-amz-pay-idempotency-key": key, "x-amz-pay-simulation-code": code}
        # The address as it is: httpx would tidy it up.
        url = self.http.base_url.copy_with(raw_path=path.encode())
        return self.http.request(method, url, content=content, headers=self.signed(method, path, content, **headers))

    def signed(self, method: str, path: str, content: bytes = b"", **headers: str | None) -> dict[str, str]:
        """The headers of a request with their signature, unless one is given."""
        given = self.headers(**headers)
        raw_path, _, query = path.partition("?")
        given.setdefault(
            "authorization",
            sign_request(
                method, raw_path, query, list(given.items()), content, self.keys.private_key,
                self.keys.public_key_id, self.keys.algorithm,
            ),
        )  # fmt: skip
        return given

    def call(
        self, name: str, object_id: str = "", *, key: str | None = None, code: str | None = None, **fields: Any
    ) -> httpx.Response:
        """Call an operation by its name; a POST gets a key of its own."""
        operation = OPERATIONS[name]
        content = json.dumps(fields).encode() if operation.body else b""
        if operation.method == "POST" and key is None:
            key = uuid.uuid4().hex
        return self.send(operation.method, operation.path.format(id=object_id), content, key=key, code=code)

    def done(self, name: str, object_id: str = "", **fields: Any) -> Json:
        """Call an operation that succeeds."""
        response = self.call(name, object_id, **fields)
        assert response.is_success, response.text
        answer: Json = response.json()
        return answer

    # --- Ways to an object in a state ---------------------------------------------------------------------------------

    def session(self, body: Json = SET_UP) -> str:
        """Create a session by an API call."""
        return str(self.done("createCheckoutSession", storeId=self.account.store_id, **body)["checkoutSessionId"])

    def visited(self, body: Json = SET_UP, **buyer: Any) -> str:
        """Create a session and let a buyer go through all of its pages."""
        session_id = self.session(body)
        self.buyer().walk(session_id, **buyer)
        return session_id

    def wallet(self, body: Json = SET_UP, **buyer: Any) -> str:
        """Set up a Saved Wallet and return the id of its permission."""
        return str(self.done("completeCheckoutSession", self.visited(body, **buyer))["chargePermissionId"])

    def order(self, amount: object = "14.00", currency: str = "USD", **details: Any) -> Json:
        """Pay once and return the completed session."""
        body = purchase(amount, currency, **details)
        paid = {name: body["paymentDetails"][name] for name in ("chargeAmount", "totalOrderAmount") if name in details}
        paid["chargeAmount"] = body["paymentDetails"]["chargeAmount"]
        return self.done("completeCheckoutSession", self.visited(body), **paid)

    def charge(self, permission_id: str, amount: object = "14.00", currency: str = "USD", **fields: Any) -> Json:
        return self.done("createCharge", chargePermissionId=permission_id, chargeAmount=usd(amount, currency), **fields)

    def try_charge(
        self, permission_id: str, amount: object = "14.00", currency: str = "USD", **fields: Any
    ) -> httpx.Response:
        return self.call("createCharge", chargePermissionId=permission_id, chargeAmount=usd(amount, currency), **fields)

    def state(self, name: str, object_id: str) -> str:
        """Return the state of an object; *name* is the reading call."""
        return str(self.done(name, object_id)["statusDetails"]["state"])

    # --- The button ---------------------------------------------------------------------------------------------------

    def click(
        self, payload: Json | str, product_type: str = "PayOnly", *, headers: dict[str, str] | None = None,
        **changed: str | None,
    ) -> httpx.Response:  # fmt: skip
        """Post what `checkout.js` posts for a button with *payload*; ``None`` leaves a field out."""
        if isinstance(payload, dict):
            payload = json.dumps({"storeId": self.account.store_id} | payload)
        form = {
            "payloadJSON": payload,
            "signature": sign_payload(payload, self.keys.private_key, algorithm=self.keys.algorithm),
            "publicKeyId": self.keys.public_key_id,
            "algorithm": str(self.keys.algorithm),
            "merchantId": self.account.merchant_id,
            "productType": product_type,
            "environment": "SANDBOX",
            "ledgerCurrency": {"na": "USD", "eu": "EUR", "jp": "JPY"}[self.emulator.region],
            "merchantDomain": "shop.example",
            "origin_url": "https://shop.example",
        } | changed
        present = {name: value for name, value in form.items() if value is not None}
        return self.http.post("/checkout/initiate", data=present, headers=headers)

    def clicked(self, payload: Json, product_type: str = "PayOnly") -> str:
        """Click a button that works and return the session's id."""
        response = self.click(payload, product_type)
        assert response.status_code == 303, response.text
        return response.headers["location"].rpartition("=")[2]

    def buyer(self) -> "Buyer":
        return Buyer(self.http, self.emulator.region)


def sandbox(amazon: Emulator) -> dict[str, str]:
    """The variables of a process for which an emulator with a proxy is Amazon's Sandbox."""
    account = amazon.merchant
    key = account.keys.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "AMAZON_PAY_PRIVATE_KEY_FILE": key.decode(), "AMAZON_PAY_STORE_ID": account.store_id,
        "AMAZON_PAY_PUBLIC_KEY_ID": account.public_key_id, "AMAZON_PAY_MERCHANT_ID": account.merchant_id,
        "AMAZON_PAY_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:Topic",
        "HTTPS_PROXY": str(amazon.proxy_url), "SSL_CERT_FILE": str(amazon.proxy_ca_file),
    }  # fmt: skip


class Buyer:
    """Opens hosted pages and presses their buttons, one at a time."""

    def __init__(self, http: httpx.Client, region: str) -> None:
        self.http = http
        self.email = {"na": "ada", "eu": "greta", "jp": "hana"}[region] + "@example.com"

    def open(self, session_id: str, page: str = "") -> httpx.Response:
        """Open a page, or the beginning of the visit, and follow redirects on Amazon's side."""
        path = f"/checkout/{page}" if page else "/checkout"
        return self._follow(self.http.get(path, params={"amazonCheckoutSessionId": session_id}))

    def _follow(self, response: httpx.Response) -> httpx.Response:
        while response.is_redirect and "://" not in response.headers["location"]:
            response = self.http.get(response.url.join(response.headers["location"]))
        return response

    def press(self, shown: httpx.Response, **fields: str) -> httpx.Response:
        """Fill in the form of a page and press a button."""
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown.text))
        return self._follow(self.http.post(shown.url.copy_with(query=None), data={**hidden, **fields}))

    def walk(
        self, session_id: str, *, cards: tuple[str, ...] = ("1111",), save: bool = True, address: str = "1",
        **press: str,
    ) -> list[str]:  # fmt: skip
        """Go through a whole visit; return its pages, and the merchant's address at the end.

        Args:
            address: The number of an address in the buyer's book.
            press: The button to press on a page other than ``continue``, for example ``challenge="fail"``.
        """
        left, seen, shown = list(cards), [], self.open(session_id)
        while not shown.is_redirect:
            assert shown.status_code == 200, shown.text
            seen.append(page_of(shown))
            fields = {"action": press.get(seen[-1].replace("-", "_"), "continue")}
            if seen[-1] == "sign-in":
                fields["email"] = self.email
            if seen[-1] == "shipping-address":
                fields["address"] = address
            if seen[-1] == "payment-method":
                fields |= {"card": left.pop(0)} if left else {"action": "cancel"}
            if seen[-1] == "consent" and save:
                fields["save"] = "yes"
            shown = self.press(shown, **fields)
        return [*seen, shown.headers["location"]]


def page_of(shown: httpx.Response) -> str:
    return urlsplit(str(shown.url)).path.rpartition("/")[2]


def charge_in(shop: Shop, state: str) -> str:
    """Return a new charge of a new wallet in a state."""
    wallet = shop.wallet()
    pending: Json = {"canHandlePendingAuthorization": True}
    if state == "AuthorizationInitiated":
        charge = shop.charge(wallet, code="AuthorizationInitiated", **pending)
    elif state == "CaptureInitiated":
        charge = shop.charge(wallet, code="CaptureInitiated", captureNow=True)
    elif state == "Declined":
        charge = shop.charge(wallet, code="PendingHardDeclined", **pending)
        shop.emulator.clock.advance("PT30S")
    else:
        charge = shop.charge(wallet, captureNow=state == "Captured")
    if state == "Canceled":
        shop.done("cancelCharge", charge["chargeId"])
    assert shop.state("getCharge", charge["chargeId"]) == state
    return str(charge["chargeId"])


def dispute_in(shop: Shop, state: str, charge_id: str = "") -> str:
    """Return a new dispute of a captured charge in a state."""
    control = shop.emulator.control
    dispute_id = str(control.post("disputes", chargeId=charge_id or charge_in(shop, "Captured"))["disputeId"])
    if state in ("Resolved", "Closed"):
        control.post(f"disputes/{dispute_id}", state="Resolved", reasonCode="AutoResolved", resolution="MerchantWon")
    if state == "Closed":
        control.post(f"disputes/{dispute_id}", state="Closed")
    if state == "UnderReview":
        shop.done("contestDispute", dispute_id, merchantEvidences=[EVIDENCE])
    assert shop.state("getDispute", dispute_id) == state
    return dispute_id


def recurring(shop: Shop, currency: str = "USD") -> str:
    """Return the id of a new permission of type Recurring."""
    monthly = {"frequency": {"unit": "Month", "value": "1"}}
    body = purchase("10", currency, paymentIntent="Confirm") | {"chargePermissionType": "Recurring"}
    session_id = shop.visited(body | {"recurringMetadata": monthly})
    session = shop.done("completeCheckoutSession", session_id, chargeAmount=usd("10", currency))
    return str(session["chargePermissionId"])


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Return status and reason code of a refusal, whose body is as documented."""
    body = response.json()
    assert body.keys() == {"reasonCode", "message"}
    assert body["message"]
    assert response.headers["x-amz-pay-request-id"]
    assert response.headers["content-type"] == "application/json"
    return response.status_code, body["reasonCode"]
