"""The button's entry and the hosted pages: their order, their ways out, and what they refuse."""

import json
import re

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.shop.buyer import approve
from amazonpay_nb.signing import sign_payload
from amazonpay_nb.signing.keys import generate
from amazonpay_nb.spec.flows import PAGES
from tests.emulated import (
    ADDRESS,
    CANCEL,
    RESULT,
    REVIEW,
    SET_UP,
    SIGN_IN,
    SIGNED_IN,
    WALLET,
    Json,
    Shop,
    end_of_checkout,
    express,
    page_of,
    purchase,
    recurring,
    refusal,
    usd,
)  # fmt: skip
from tests.golden import TRANSITIONS

CHOOSE = ["sign-in", "payment-method", "consent"]
CHOOSE_AND_SHIP = ["sign-in", "shipping-address", "payment-method", "consent"]
TWO_VISITS = express(
    webCheckoutDetails={"checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": RESULT},
    paymentDetails={"paymentIntent": "Authorize", "chargeAmount": usd("14.00")},
)


# What a buyer does on each page of the first stay, after signing in.
CHOICES = {"shipping-address": {"address": "1"}, "payment-method": {"card": "1111"}, "consent": {"save": "yes"}}


def back(address: str, session_id: str) -> str:
    return f"{address}?amazonCheckoutSessionId={session_id}"


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and reason code of a page that says what is wrong."""
    assert response.headers["content-type"].startswith("text/html")
    found = re.search(r"<strong>(\w+)</strong>", response.text)
    assert found, response.text
    return response.status_code, found[1]


def change(shop: Shop, session_id: str, action: str) -> httpx.Response:
    """Follow a link of the review page that `bindChangeAction` made."""
    told = {"amazonCheckoutSessionId": session_id, "changeAction": action}
    return shop.http.get("/checkout/initiate_auth", params=told, follow_redirects=True)


class TestEntry:
    """What checkout.js posts."""

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"signature": "x"}, (403, "InvalidSignatureError")),
            ({"signature": None}, (403, "InvalidSignatureError")),
            ({"algorithm": "AMZN-PAY-RSASSA-PSS"}, (403, "InvalidSignatureError")),
            ({"algorithm": None}, (403, "InvalidSignatureError")),
            ({"algorithm": "RS256"}, (403, "InvalidSignatureError")),
            ({"publicKeyId": "SANDBOX-UNKNOWN"}, (403, "InvalidAuthentication")),
            ({"publicKeyId": None}, (403, "InvalidAuthentication")),
            ({"merchantId": "A0000000000000"}, (403, "InvalidAuthentication")),
            ({"merchantId": None}, (403, "InvalidAuthentication")),
            ({"upgradeAction": "recurringUpgrade"}, (400, "InvalidRequest")),
            ({"upgradeAction": "recurringUpgrade", "signature": "x"}, (403, "InvalidSignatureError")),
            ({"environment": "LIVE"}, (400, "InvalidParameterValue")),
            ({"publicKeyId": "LIVE-UNKNOWN"}, (400, "InvalidParameterValue")),
            ({"publicKeyId": "LIVE-UNKNOWN", "environment": "LIVE"}, (400, "InvalidParameterValue")),
            ({"checkoutLanguage": "de_DE"}, (400, "InvalidParameterValue")),
            ({"checkoutLanguage": "<b>"}, (400, "InvalidParameterValue")),
            ({"ledgerCurrency": "EUR"}, (400, "InvalidParameterValue")),
            ({"productType": "Nonsense"}, (400, "InvalidParameterValue")),
            ({"origin_url": "https://shop.test"}, (403, "InvalidRequest")),
            ({"origin_url": "https://[::1"}, (403, "InvalidRequest")),
            ({"origin_url": "https://example"}, (403, "InvalidRequest")),
            ({"merchantDomain": "evil.test"}, (403, "InvalidRequest")),
            ({"merchantDomain": "shop.example.evil.test"}, (403, "InvalidRequest")),
        ],
        ids=str,
    )
    def test_a_wrong_form_ends_on_amazons_page(
        self, na: Shop, changed: dict[str, str | None], expected: tuple[int, str]
    ) -> None:
        """The buyer is not sent back to the shop."""
        assert problem(na.click(SET_UP, **changed)) == expected

    @pytest.mark.parametrize(
        ("payload", "product_type", "expected"),
        [
            (SET_UP | {"storeId": "amzn1.application-oa2-client.x"}, "PayOnly", (400, "InvalidParameterValue")),
            (SET_UP | {"webCheckoutDetails": {}}, "PayOnly", (400, "MissingParameterValue")),
            (SET_UP | {"paymentDetails": purchase()["paymentDetails"] | {"paymentIntent": "Confirm"}}, "PayOnly",
             (400, "InvalidParameterCombination")),
            (SET_UP | {"addressDetails": ADDRESS}, "PayOnly", (400, "InvalidParameterCombination")),
            (SET_UP | {"shoeSize": 42}, "PayOnly", (400, "UnrecognizedField")),
            (express(webCheckoutDetails={"checkoutResultReturnUrl": RESULT}), "PayOnly",
             (400, "MissingParameterValue")),
            (express(addressDetails=ADDRESS), "PayAndShip", (400, "InvalidParameterCombination")),
            (end_of_checkout(), "PayOnly", (400, "InvalidParameterCombination")),
            (end_of_checkout(addressDetails=None), "PayAndShip", (400, "InvalidParameterCombination")),
            (end_of_checkout(addressDetails=ADDRESS | {"city": None}), "PayAndShip", (400, "MissingParameterValue")),
            (end_of_checkout(paymentDetails={"paymentIntent": "Authorize"}), "PayAndShip",
             (400, "MissingParameterValue")),
            (end_of_checkout(webCheckoutDetails={
                "checkoutMode": "ProcessOrder", "checkoutResultReturnUrl": RESULT, "checkoutReviewReturnUrl": REVIEW,
            }), "PayAndShip", (400, "InvalidParameterCombination")),
            (SET_UP, "SignInAndSetup", (400, "MissingParameterValue")),
            ({"signInReturnUrl": SIGNED_IN}, "SignInAndSetup", (400, "UnrecognizedField")),
            (SET_UP | {"chargePermissionId": "C01-0000000-0000000"}, "PayOnly", (404, "ResourceNotFound")),
            (SET_UP | {"chargePermissionId": "C01-0000000-0000000",
                       "webCheckoutDetails": {"checkoutResultReturnUrl": RESULT, "signInReturnUrl": SIGNED_IN}},
             "SignInAndSetup", (400, "InvalidParameterCombination")),
            (SET_UP | {"webCheckoutDetails": {"checkoutResultReturnUrl": "javascript:alert(1)"}}, "PayOnly",
             (400, "InvalidParameterValue")),
            (SET_UP | {"webCheckoutDetails": {"checkoutResultReturnUrl": "http://shop.example/"}}, "PayOnly",
             (400, "InvalidParameterValue")),
            (SET_UP | {"webCheckoutDetails": {"checkoutResultReturnUrl": "https://a:b@shop.example/"}}, "PayOnly",
             (400, "InvalidParameterValue")),
            ("", "PayOnly", (400, "InvalidRequestFormat")),
            ("[]", "PayOnly", (400, "InvalidRequestFormat")),
            ('{"storeId":"\\ud800"}', "PayOnly", (400, "InvalidRequestFormat")),
            ("[" * 20_000, "PayOnly", (400, "InvalidRequestFormat")),
        ],
        ids=lambda value: str(value)[:60],
    )  # fmt: skip
    def test_a_wrong_payload_ends_on_amazons_page(
        self, na: Shop, payload: Json | str, product_type: str, expected: tuple[int, str]
    ) -> None:
        """Whoever signed it."""
        assert problem(na.click(payload, product_type)) == expected

    def test_the_signature_covers_every_byte(self, na: Shop) -> None:
        """And is that of the key which is named."""
        payload = json.dumps({"storeId": na.account.store_id} | SET_UP)
        other = generate()
        foreign = sign_payload(payload, other.private_key, algorithm=other.algorithm)
        assert problem(na.click(payload, signature=foreign)) == (403, "InvalidSignatureError")
        signed = sign_payload(payload, na.keys.private_key, algorithm=na.keys.algorithm)
        assert problem(na.click(payload + " ", signature=signed)) == (403, "InvalidSignatureError")
        assert na.click(payload, signature=signed).status_code == 303

    @pytest.mark.parametrize(
        ("form", "why"),
        [
            ({"signature": "x"}, "Signature does not match signedString"),
            ({"publicKeyId": "LIVE-UNKNOWN"}, "The public key id is of LIVE, and the button asks for"),
            ({"environment": "LIVE"}, "The public key id is of SANDBOX, and the button asks for"),
            ({"merchantDomain": "evil.test"}, "is not registered for this merchant"),
            ({"payloadJSON": "{}"}, "Signature does not match signedString"),
        ],
        ids=["signature", "live-key", "live-button", "domain", "payload"],
    )
    def test_the_page_says_why_in_two_ways(self, na: Shop, form: dict[str, str], why: str) -> None:
        """A sentence that a buyer understands, and what a developer can look for."""
        shown = na.click(SET_UP, **form)
        assert "Nothing was charged. Go back to the shop" in shown.text
        assert why in shown.text

    @pytest.mark.parametrize(
        ("payload", "why"),
        [
            (SET_UP | {"webCheckoutDetails": {}}, "webCheckoutDetails"),
            (SET_UP | {"addressDetails": ADDRESS}, "the payload must not contain addressDetails"),
            (SET_UP | {"shoeSize": 42}, "shoeSize"),
        ],
        ids=["missing", "forbidden", "unknown"],
    )
    def test_the_page_names_the_field(self, na: Shop, payload: Json, why: str) -> None:
        """Missing, forbidden or unknown."""
        shown = na.click(payload)
        assert "Nothing was charged. Go back to the shop" in shown.text
        assert why in shown.text

    @pytest.mark.parametrize(
        ("payload", "product_type", "flow", "field"),
        [
            (SET_UP, "PayOnly", "Set up outside of the purchase flow", "chargePermissionType"),
            (SET_UP, "PayOnly", "Set up outside of the purchase flow", "paymentMethodOnFileMetadata.setupOnly"),
            (SET_UP, "PayOnly", "Set up outside of the purchase flow", "paymentDetails.paymentIntent"),
            (SET_UP | {"chargePermissionId": "C01-0000000-0000000"}, "PayOnly", "Update the payment method",
             "chargePermissionType"),
            (end_of_checkout(), "PayAndShip", "Set up with end of checkout", "webCheckoutDetails.checkoutMode"),
            (express(), "PayAndShip", "Set up with express checkout", "webCheckoutDetails.checkoutReviewReturnUrl"),
        ],
        ids=lambda value: str(value)[:40],
    )  # fmt: skip
    def test_a_field_that_tells_the_flow_is_missed(
        self, na: Shop, payload: Json, product_type: str, flow: str, field: str
    ) -> None:
        """Also where the payload without it begins to look like another flow's."""
        changed: Json = json.loads(json.dumps(payload))
        *groups, name = field.split(".")
        del (changed[groups[0]] if groups else changed)[name]
        shown = na.click(changed, product_type)
        assert problem(shown) == (400, "MissingParameterValue")
        assert f"{flow}: the payload must hold {field}." in shown.text

    @pytest.mark.parametrize(
        ("payload", "reason", "why"),
        [
            (SET_UP | {"paymentDetails": {"paymentIntent": "Authorize"}}, "InvalidParameterValue",
             "Set up outside of the purchase flow: paymentDetails.paymentIntent must be &#34;Confirm&#34;."),
            (express(webCheckoutDetails={"checkoutMode": "ProcessOrder", "checkoutReviewReturnUrl": REVIEW}),
             "InvalidParameterCombination",
             "Set up with express checkout: the payload must not contain webCheckoutDetails.checkoutMode."),
        ],
        ids=["intent", "mode"],
    )  # fmt: skip
    def test_a_field_of_another_flow_is_named(self, na: Shop, payload: Json, reason: str, why: str) -> None:
        """What the page speaks of is the flow that the rest of the payload belongs to."""
        shown = na.click(payload, "PayAndShip")
        assert problem(shown) == (400, reason)
        assert why in shown.text

    def test_japan_has_no_update_page(self, jp: Shop) -> None:
        """The buyer is told to ask the shop for another way."""
        shown = jp.click(SET_UP | {"chargePermissionId": jp.wallet()})
        assert problem(shown) == (400, "InvalidRequest")
        assert "The Update page is not offered in Japan." in shown.text
        assert "お支払い方法を変更する別の方法" in shown.text

    def test_one_signature_serves_every_buyer(self, na: Shop) -> None:
        """It covers no date."""
        payload = json.dumps({"storeId": na.account.store_id} | SET_UP)
        signed = sign_payload(payload, na.keys.private_key, algorithm=na.keys.algorithm)
        first, second = (na.click(payload, signature=signed).headers["location"] for _ in range(2))
        assert first != second

    def test_buttons_open_a_thousand_sessions_at_most(self) -> None:
        """A page of any site may repeat it; one that is over makes room, and the page says what helps."""
        with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
            payload = json.dumps({"storeId": shop.account.store_id} | SET_UP)
            signed = sign_payload(payload, shop.keys.private_key, algorithm=shop.keys.algorithm)
            opened = [shop.click(payload, signature=signed) for _ in range(1000)]
            assert {response.status_code for response in opened} == {303}
            full = shop.click(payload, signature=signed)
            assert problem(full) == (429, "TooManyRequests")
            assert "1000 sessions of buttons are open; end some, advance the clock, or reset" in full.text
            assert shop.session()  # the merchant's own calls are signed each
            shop.buyer().walk(opened[500].headers["location"].rpartition("=")[2], sign_in="cancel")
            assert [shop.click(payload, signature=signed).status_code for _ in range(2)] == [303, 429]
            emulator.control.post("reset")
            assert shop.click(payload, signature=signed).status_code == 303

    def test_without_a_product_type_a_button_ships(self, na: Shop) -> None:
        """PayAndShip is what checkout.js takes for granted."""
        session_id = na.click(express(), productType=None).headers["location"].rpartition("=")[2]
        assert na.done("getCheckoutSession", session_id)["productType"] == "PayAndShip"

    @pytest.mark.parametrize("origin", ["http://localhost:8000", "https://www.shop.example", "null", "http://[::1]:1"])
    def test_a_registered_origin_is_accepted(self, na: Shop, origin: str) -> None:
        """Loopback and *.example; a sandboxed frame does not tell."""
        assert na.click(SET_UP, headers={"origin": origin}).status_code == 303

    def test_the_browsers_own_word_counts(self, na: Shop) -> None:
        """A form cannot claim another origin."""
        assert problem(na.click(SET_UP, headers={"origin": "https://evil.test"})) == (403, "InvalidRequest")

    @pytest.mark.parametrize("content", [b"\xff", b"&" * 1000, b"a=1&" * 500, b"%00=%ff", b"publicKeyId=%F0%9F%92%A5"])
    def test_any_other_post_is_refused(self, na: Shop, content: bytes) -> None:
        """With a page, never a server error."""
        assert problem(na.http.post("/checkout/initiate", content=content))[0] in (400, 403)

    def test_what_is_said_twice_is_refused(self, na: Shop) -> None:
        """In a form or an address: one reader takes the first value, another the last."""
        once = na.click(SET_UP)
        twice = na.http.post("/checkout/initiate", content=b"&".join([once.request.content] * 2))
        assert problem(twice) == (400, "InvalidRequest")
        page = once.url.join(once.headers["location"])
        assert na.http.get(page).status_code == 200
        assert problem(na.http.get(f"{page}&{page.query.decode()}")) == (400, "InvalidRequest")

    def test_the_currency_of_the_ledger_becomes_the_permissions(self, eu: Shop) -> None:
        """Where nothing else names one."""
        response = eu.click(SET_UP, ledgerCurrency="GBP")
        session_id = response.headers["location"].rpartition("=")[2]
        eu.buyer().walk(session_id)
        permission_id = eu.done("completeCheckoutSession", session_id)["chargePermissionId"]
        assert eu.done("getChargePermission", permission_id)["presentmentCurrency"] == "GBP"


class TestOrder:
    """Which pages a buyer sees, in each flow and region."""

    @pytest.mark.parametrize(("region", "challenge"), [("na", []), ("eu", ["challenge"]), ("jp", [])])
    def test_set_up(self, request: pytest.FixtureRequest, region: str, challenge: list[str]) -> None:
        """In Europe it always ends in a challenge."""
        shop: Shop = request.getfixturevalue(region)
        session_id = shop.clicked(SET_UP)
        assert shop.buyer().walk(session_id) == [*CHOOSE, *challenge, back(RESULT, session_id)]
        assert shop.done("completeCheckoutSession", session_id)["chargeId"] is None

    @pytest.mark.parametrize(("region", "challenge"), [("na", []), ("eu", ["challenge"])])
    def test_end_of_checkout(self, request: pytest.FixtureRequest, region: str, challenge: list[str]) -> None:
        """One visit, and the address is the shop's."""
        shop: Shop = request.getfixturevalue(region)
        currency = "USD" if region == "na" else "EUR"
        payload = end_of_checkout(paymentDetails=purchase(currency=currency)["paymentDetails"])
        session_id = shop.clicked(payload, "PayAndShip")
        assert shop.buyer().walk(session_id) == [*CHOOSE, "processing", *challenge, back(RESULT, session_id)]
        address = shop.done("getCheckoutSession", session_id)["shippingAddress"]
        assert (address["name"], address["countryCode"], len(address)) == ("Ada Example", "US", 11)
        completed = shop.done("completeCheckoutSession", session_id, chargeAmount=usd("14.00", currency))
        assert completed["chargePermissionType"] == "PaymentMethodOnFile"

    @pytest.mark.parametrize(("region", "challenge"), [("na", []), ("eu", ["challenge"])])
    def test_express(self, request: pytest.FixtureRequest, region: str, challenge: list[str]) -> None:
        """Two visits, with Get and Update Checkout Session in between."""
        shop: Shop = request.getfixturevalue(region)
        session_id = shop.clicked(express(), "PayAndShip")
        assert shop.buyer().walk(session_id) == [*CHOOSE_AND_SHIP, back(REVIEW, session_id)]
        session = shop.done("getCheckoutSession", session_id)
        assert session["shippingAddress"]["name"] == session["buyer"]["name"]
        assert refusal(shop.call("completeCheckoutSession", session_id)) == (422, "InvalidCheckoutSessionStatus")
        price = usd("14.00", "USD" if region == "na" else "EUR")
        answer = shop.done(
            "updateCheckoutSession", session_id, webCheckoutDetails={"checkoutResultReturnUrl": RESULT},
            paymentDetails={"paymentIntent": "Authorize", "chargeAmount": price},
        )  # fmt: skip
        shown = shop.http.get(answer["webCheckoutDetails"]["amazonPayRedirectUrl"])
        assert page_of(shown) == "processing"
        assert shop.buyer().walk(session_id) == ["processing", *challenge, back(RESULT, session_id)]
        assert shop.done("completeCheckoutSession", session_id, chargeAmount=price)["chargeId"]

    def test_the_product_type_is_known_with_the_buyer(self, na: Shop) -> None:
        """A session by an API call has none before; a button's has it from the beginning."""
        by_api, by_button = na.session(express()), na.clicked(express(), "PayAndShip")
        read = [na.done("getCheckoutSession", session_id)["productType"] for session_id in (by_api, by_button)]
        assert read == [None, "PayAndShip"]
        na.buyer().walk(by_api)
        assert na.done("getCheckoutSession", by_api)["productType"] == "PayAndShip"

    def test_sign_in(self, na: Shop) -> None:
        """Complete Checkout Session brings the buyer: name and email, unless the shop asks for more."""
        session_id = na.clicked(SIGN_IN, "SignInAndSetup")
        assert na.buyer().walk(session_id) == [*CHOOSE, back(SIGNED_IN, session_id)]
        session = na.done("completeCheckoutSession", session_id)
        assert session["chargePermissionType"] == "PaymentMethodOnFile"
        assert (session["buyer"]["name"], session["buyer"]["email"]) == ("Ada Example", "ada@example.com")
        assert session["buyer"]["phoneNumber"] is None
        permission = na.done("getChargePermission", session["chargePermissionId"])
        assert (permission["shippingAddress"], permission["billingAddress"]) == (None, None)

    def test_sign_in_with_scopes(self, na: Shop) -> None:
        """The addresses are read from the permission."""
        scopes = ["name", "shippingAddress", "billingAddress"]
        session_id = na.clicked(SIGN_IN | {"signInScopes": scopes}, "SignInAndSetup")
        na.buyer().walk(session_id)
        session = na.done("completeCheckoutSession", session_id)
        assert session["buyer"]["email"] is None
        permission = na.done("getChargePermission", session["chargePermissionId"])
        assert permission["shippingAddress"]["city"] == permission["billingAddress"]["city"] == "Seattle"

    @pytest.mark.parametrize(("scopes", "shown"), [(None, True), (["name", "phoneNumber"], True), ([], False)])
    def test_scopes_limit_what_the_shop_learns(self, na: Shop, scopes: list[str] | None, shown: bool) -> None:
        """The buyer's id is always there."""
        session_id = na.visited(express(**({} if scopes is None else {"scopes": scopes})))
        session = na.done("getCheckoutSession", session_id)
        buyer = session["buyer"]
        assert buyer["buyerId"]
        assert (buyer["name"] is not None, buyer["phoneNumber"] is not None) == (shown, shown)
        assert session["billingAddress"] is None

    @pytest.mark.parametrize(
        ("region", "product_type", "scopes", "shown"),
        [
            ("na", "PayAndShip", [], False), ("na", "PayOnly", [], True),
            ("na", "PayAndShip", ["billingAddress"], True),
            ("eu", "PayAndShip", [], True), ("eu", "PayOnly", [], True),
            ("jp", "PayAndShip", [], False), ("jp", "PayOnly", [], True),
        ],
    )  # fmt: skip
    def test_who_learns_which_address(
        self, request: pytest.FixtureRequest, region: str, product_type: str, scopes: list[str], shown: bool
    ) -> None:
        """The billing address: in Europe, for PayOnly, or by scope; the shipping address: for PayAndShip."""
        shop: Shop = request.getfixturevalue(region)
        session_id = shop.clicked(express(scopes=scopes), product_type)
        shop.buyer().walk(session_id)
        session = shop.done("getCheckoutSession", session_id)
        assert (session["billingAddress"] is not None) is shown
        assert (session["shippingAddress"] is not None) is (product_type == "PayAndShip")

    @pytest.mark.parametrize(("region", "challenge"), [("na", []), ("eu", ["challenge"])])
    def test_update(self, request: pytest.FixtureRequest, region: str, challenge: list[str]) -> None:
        """A repaired wallet keeps its id and has its new payment method."""
        shop: Shop = request.getfixturevalue(region)
        wallet = shop.wallet()
        shop.emulator.control.post(f"permissions/{wallet}", state="NonChargeable", reasonCode="PaymentMethodExpired")
        session_id = shop.clicked(SET_UP | {"chargePermissionId": wallet})
        pages = shop.buyer().walk(session_id, cards=("4444",))
        assert pages == ["sign-in", "payment-method", *challenge, back(RESULT, session_id)]
        assert shop.state("getChargePermission", wallet) == "NonChargeable"
        assert shop.done("completeCheckoutSession", session_id)["chargePermissionId"] == wallet
        permission = shop.done("getChargePermission", wallet)
        assert permission["statusDetails"]["state"] == "Chargeable"
        assert "4444" in permission["paymentPreferences"][0]["paymentDescriptor"]

    def test_an_update_may_bring_an_address(self, na: Shop) -> None:
        """A wallet without one gets it, and keeps it when only the payment method changes."""
        wallet = na.wallet()
        for product_type, address, city in (("PayAndShip", "2", "Toronto"), ("PayOnly", "1", "Toronto")):
            session_id = na.clicked(SET_UP | {"chargePermissionId": wallet}, product_type)
            na.buyer().walk(session_id, cards=("4444",), address=address)
            na.done("completeCheckoutSession", session_id)
            assert na.done("getChargePermission", wallet)["shippingAddress"]["city"] == city

    def test_the_update_page_repairs_what_the_guide_says(self, na: Shop) -> None:
        """Every reason but an open charge, which no payment method ends; the wallet has the new one all the same."""
        wallet, left = na.wallet(), {}
        reasons = {row.reason for row in TRANSITIONS if row[0] == "Charge Permission" and row.target == "NonChargeable"}
        for reason in sorted(filter(None, reasons)):
            na.emulator.control.post(f"permissions/{wallet}", state="NonChargeable", reasonCode=reason)
            na.done("completeCheckoutSession", na.visited(SET_UP | {"chargePermissionId": wallet}, cards=("4444",)))
            permission = na.done("getChargePermission", wallet)
            assert "4444" in permission["paymentPreferences"][0]["paymentDescriptor"]
            left[reason] = [row["reasonCode"] for row in permission["statusDetails"]["reasons"] or []]
            na.done("completeCheckoutSession", na.visited(SET_UP | {"chargePermissionId": wallet}))
        assert len(left) == 8
        assert {reason: kept for reason, kept in left.items() if kept} == {"ChargeInProgress": ["ChargeInProgress"]}

    def test_only_a_wallet_is_updated(self, na: Shop) -> None:
        """Neither an order nor a recurring payment, whose amount is part of what was agreed to."""
        for permission_id in (na.order()["chargePermissionId"], recurring(na)):
            body = SET_UP | {"chargePermissionId": permission_id}
            assert problem(na.click(body)) == (400, "InvalidParameterValue")
            response = na.call("createCheckoutSession", storeId=na.account.store_id, **body)
            assert refusal(response) == (400, "InvalidParameterValue")

    def test_a_wallet_is_updated_by_its_buyer(self, na: Shop) -> None:
        """Who is chosen already, and sees the method so far; nobody else can sign in, whatever the shop may know."""
        buyer, other = na.buyer(), na.buyer()
        other.email = "ben@example.com"
        for scopes in (None, []):
            session_id = na.session(SET_UP | {"scopes": scopes})
            other.walk(session_id, cards=("0005",))
            wallet = str(na.done("completeCheckoutSession", session_id)["chargePermissionId"])
            session_id = na.clicked(SET_UP | {"chargePermissionId": wallet})
            shown = buyer.open(session_id)
            assert re.findall(r'value="(\S+)" required(?: id="email")? checked', shown.text) == [other.email]
            shown = buyer.press(shown, action="continue", email=buyer.email)
            assert (shown.status_code, page_of(shown)) == (400, "sign-in")
            assert "Choose the buyer who has saved it, or cancel." in shown.text
            assert na.done("getCheckoutSession", session_id)["buyer"] is None
            shown = buyer.press(shown, action="continue", email=other.email)
            assert "<dd>Amex ****0005 (Amazon Pay)</dd>" in shown.text
            approve(str(buyer.open(session_id).url), http=na.http)
            assert na.done("completeCheckoutSession", session_id)["chargePermissionId"] == wallet

    def test_a_wallet_that_was_closed_meanwhile_stays_closed(self, na: Shop) -> None:
        """The update cannot be completed."""
        wallet = na.wallet()
        session_id = na.clicked(SET_UP | {"chargePermissionId": wallet})
        na.buyer().walk(session_id)
        na.done("closeChargePermission", wallet)
        assert refusal(na.call("completeCheckoutSession", session_id)) == (422, "InvalidChargePermissionStatus")

    def test_a_one_time_purchase_asks_for_no_consent(self, na: Shop) -> None:
        """There is nothing to save."""
        session_id = na.session(purchase())
        expected = ["sign-in", "payment-method", "processing", back(RESULT, session_id)]
        assert na.buyer().walk(session_id) == expected

    def test_a_session_by_api_stops_at_its_review_address(self, na: Shop) -> None:
        """Whatever its flow; the second visit ends at the result address."""
        web = {"checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": RESULT}
        session_id = na.session(SET_UP | {"webCheckoutDetails": web})
        assert na.buyer().walk(session_id) == [*CHOOSE, back(REVIEW, session_id)]
        assert refusal(na.call("completeCheckoutSession", session_id)) == (422, "InvalidCheckoutSessionStatus")
        assert na.buyer().walk(session_id) == ["processing", back(RESULT, session_id)]
        assert na.done("completeCheckoutSession", session_id)

    def test_a_set_up_button_with_both_addresses_ends_at_the_result(self, na: Shop) -> None:
        """One official sample sends both."""
        web = {"checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": RESULT}
        session_id = na.clicked(SET_UP | {"webCheckoutDetails": web})
        assert na.buyer().walk(session_id)[-1] == back(RESULT, session_id)

    def test_an_incomplete_purchase_cannot_be_agreed_to(self, na: Shop) -> None:
        """The page says what the shop has to say."""
        session_id = na.session({"webCheckoutDetails": {"checkoutResultReturnUrl": RESULT}})
        buyer = na.buyer()
        shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
        shown = buyer.press(shown, action="continue", card="1111")
        shown = buyer.press(shown, action="continue")
        assert shown.status_code == 400
        assert "ChargeAmountNotSet, PaymentIntentNotSet" in shown.text


class TestVisits:
    """Entering, going back, and coming again."""

    def test_a_visit_needs_no_cookie(self, na: Shop) -> None:
        """Another browser goes on where this one stopped, and may begin again."""
        session_id = na.clicked(SET_UP)
        first, second = na.buyer(), na.buyer()
        first.press(first.open(session_id), action="continue", email=first.email)
        assert page_of(second.open(session_id, "consent")) == "payment-method"
        assert second.walk(session_id) == [*CHOOSE, back(RESULT, session_id)]

    @pytest.mark.parametrize("name", ["payment-method", "consent", "challenge", "processing"])
    def test_no_page_comes_before_its_turn(self, na: Shop, name: str) -> None:
        """Neither by its address nor by its form."""
        session_id = na.clicked(SET_UP)
        buyer = na.buyer()
        shown = buyer.open(session_id, name)
        assert page_of(shown) == "sign-in"
        token = re.search(r'name="token" value="(\w+)"', shown.text)
        assert token
        form = {"amazonCheckoutSessionId": session_id, "token": token[1], "action": "continue", "save": "yes"}
        response = na.http.post(f"/checkout/{name}", data=form)
        assert response.headers["location"] == f"sign-in?amazonCheckoutSessionId={session_id}"
        assert refusal(na.call("completeCheckoutSession", session_id))[0] == 422

    def test_an_earlier_page_can_be_opened_again(self, na: Shop) -> None:
        """The choice of the second time counts."""
        session_id = na.clicked(SET_UP)
        buyer = na.buyer()
        shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
        buyer.press(shown, action="continue", card="1111")
        shown = buyer.press(buyer.open(session_id, "payment-method"), action="continue", card="4444")
        assert page_of(shown) == "consent"
        assert "4444" in shown.text

    def test_a_change_leads_back_to_the_review(self, na: Shop) -> None:
        """As bindChangeAction does."""
        session_id = na.clicked(express(), "PayAndShip")
        buyer = na.buyer()
        buyer.walk(session_id)
        shown = change(na, session_id, "changePayment")
        assert page_of(shown) == "payment-method"
        shown = buyer.press(buyer.press(shown, action="continue", card="4444"), action="continue", save="yes")
        assert shown.headers["location"] == back(REVIEW, session_id)
        preferences = na.done("getCheckoutSession", session_id)["paymentPreferences"]
        assert "4444" in preferences[0]["paymentDescriptor"]

    @pytest.mark.parametrize("visited", [True, False])
    def test_a_change_needs_a_review_page(self, na: Shop, visited: bool) -> None:
        """And a buyer."""
        session_id = na.clicked(SET_UP if visited else express())
        if visited:
            na.buyer().walk(session_id)
        assert problem(change(na, session_id, "changePayment")) == (400, "InvalidRequest")

    @pytest.mark.parametrize("action", ["", "changeName", "changeAddress"])
    def test_a_change_must_be_one_that_the_checkout_has(self, na: Shop, action: str) -> None:
        """Nothing is shipped here, so there is no address to change."""
        session_id = na.clicked(express())
        na.buyer().walk(session_id)
        assert problem(change(na, session_id, action)) == (400, "InvalidRequest")

    def test_another_address_leads_straight_back_to_the_review(self, na: Shop) -> None:
        """The payment method and the consent stay as they are; the place that was chosen is chosen again."""
        session_id = na.clicked(express(), "PayAndShip")
        buyer = na.buyer()
        buyer.walk(session_id, address="2")
        shown = change(na, session_id, "changeAddress")
        assert page_of(shown) == "shipping-address"
        assert re.search(r'value="2" required checked', shown.text)
        shown = buyer.press(shown, action="continue", address="3")
        assert shown.headers["location"] == back(REVIEW, session_id)
        assert na.done("getCheckoutSession", session_id)["shippingAddress"]["city"] == "Honolulu"

    def test_a_buyer_who_signs_in_anew_during_a_change_chooses_everything_again(self, na: Shop) -> None:
        """Another buyer has other addresses and cards."""
        session_id = na.clicked(express(), "PayAndShip")
        na.buyer().walk(session_id)
        change(na, session_id, "changeAddress")
        assert na.buyer().walk(session_id) == [*CHOOSE_AND_SHIP, back(REVIEW, session_id)]

    def test_a_change_leaves_nothing_out(self, na: Shop) -> None:
        """What the buyer has begun comes first: there is a payment method, and a consent that is the buyer's own."""
        session_id, buyer = na.clicked(express(), "PayAndShip"), na.buyer()
        shown = buyer.press(buyer.open(session_id), action="continue", email="ada@example.com")
        for page, choice in CHOICES.items():
            for action in ("changeAddress", "changePayment"):
                shown = change(na, session_id, action)
                assert page_of(shown) == page
            shown = buyer.press(shown, action="continue", **choice)
        assert shown.headers["location"] == back(REVIEW, session_id)
        buyer.press(change(na, session_id, "changePayment"), action="continue", card="4444")
        assert page_of(change(na, session_id, "changeAddress")) == "consent"

    def test_what_one_buyer_has_chosen_is_no_other_buyers(self, na: Shop) -> None:
        """Who signs in during a change begins as if nobody had been there."""
        session_id, buyer = na.clicked(express(), "PayAndShip"), na.buyer()
        buyer.walk(session_id)
        change(na, session_id, "changePayment")
        buyer.press(buyer.open(session_id, "sign-in"), action="continue", email="ben@example.com")
        assert na.done("getCheckoutSession", session_id)["paymentPreferences"] == [None]
        assert page_of(change(na, session_id, "changeAddress")) == "shipping-address"
        shown = buyer.press(buyer.open(session_id, "shipping-address"), action="continue", address="1")
        assert page_of(shown) == "payment-method"

    def test_a_visit_that_is_over_can_be_repeated(self, na: Shop) -> None:
        """With another card, until it is completed."""
        session_id = na.visited(SET_UP)
        assert na.buyer().walk(session_id, cards=("4444",))[-1] == back(RESULT, session_id)
        permission_id = na.done("completeCheckoutSession", session_id)["chargePermissionId"]
        preferences = na.done("getChargePermission", permission_id)["paymentPreferences"]
        assert "4444" in preferences[0]["paymentDescriptor"]

    def test_a_repeated_visit_takes_the_agreement_back(self, na: Shop) -> None:
        """Until it is given again."""
        session_id = na.visited(SET_UP)
        buyer = na.buyer()
        shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
        buyer.press(shown, action="continue", card="9987")
        assert refusal(na.call("completeCheckoutSession", session_id)) == (422, "InvalidCheckoutSessionStatus")

    def test_before_the_shop_has_said_enough_a_visit_begins_again(self, na: Shop) -> None:
        """The buyer left the review page and came back."""
        session_id = na.clicked(express(), "PayAndShip")
        na.buyer().walk(session_id)
        assert na.buyer().walk(session_id) == [*CHOOSE_AND_SHIP, back(REVIEW, session_id)]

    @pytest.mark.parametrize("path", ["/checkout", "/checkout/sign-in", "/checkout/initiate_auth"])
    @pytest.mark.parametrize("session_id", ["", "x", "\x00", "💥"])
    def test_an_unknown_session_has_no_pages(self, na: Shop, path: str, session_id: str) -> None:
        """404, in words for the buyer."""
        response = na.http.get(path, params={"amazonCheckoutSessionId": session_id})
        assert problem(response) == (404, "ResourceNotFound")

    def test_a_page_has_a_name(self, na: Shop) -> None:
        """Others do not exist."""
        response = na.http.get("/checkout/leave", params={"amazonCheckoutSessionId": na.session()})
        assert problem(response) == (404, "ResourceNotFound")

    @pytest.mark.parametrize("ended", ["completed", "canceled"])
    def test_a_session_that_is_over_has_no_pages(self, na: Shop, ended: str) -> None:
        """422 on every address, also for a form that was open."""
        session_id = na.clicked(SET_UP)
        buyer = na.buyer()
        shown = buyer.open(session_id)
        if ended == "completed":
            buyer.walk(session_id)
            na.done("completeCheckoutSession", session_id)
        else:
            buyer.walk(session_id, sign_in="cancel")
        expected = (422, "InvalidCheckoutSessionStatus")
        assert problem(buyer.open(session_id)) == expected
        assert [problem(buyer.open(session_id, page)) for page in PAGES] == [expected] * len(PAGES)
        assert problem(buyer.press(shown, action="continue", email=buyer.email)) == expected


class TestForms:
    """What a form must carry, and what a page shows."""

    @pytest.mark.parametrize("token", [None, "", "x", "ä", "0" * 64])
    def test_a_form_from_elsewhere_is_refused(self, na: Shop, token: str | None) -> None:
        """Another site cannot agree for the buyer."""
        form = {"amazonCheckoutSessionId": na.clicked(SET_UP), "action": "continue", "email": "ada@example.com"}
        response = na.http.post("/checkout/sign-in", data=form if token is None else form | {"token": token})
        assert problem(response) == (403, "InvalidRequest")

    def test_a_token_belongs_to_one_session(self, na: Shop) -> None:
        """That of another one does not help."""
        buyer = na.buyer()
        shown = buyer.open(na.clicked(SET_UP))
        other = na.clicked(SET_UP)
        assert problem(buyer.press(shown, action="continue", amazonCheckoutSessionId=other)) == (403, "InvalidRequest")

    @pytest.mark.parametrize("email", ["", "x", "greta@example.com"])
    def test_a_buyer_must_be_chosen(self, na: Shop, email: str) -> None:
        """The page says so, in the field's description."""
        buyer = na.buyer()
        shown = buyer.press(buyer.open(na.clicked(SET_UP)), action="continue", email=email)
        assert (shown.status_code, page_of(shown)) == (400, "sign-in")
        assert 'role="alert" id="error"' in shown.text
        assert 'aria-invalid="true" aria-describedby="email-error"' in shown.text

    def test_what_a_merchant_typed_is_text(self, na: Shop) -> None:
        """On every page."""
        evil = '<script>alert("x")</script>'
        metadata = {"merchantStoreName": evil, "noteToBuyer": evil, "merchantReferenceId": evil}
        session_id = na.clicked(end_of_checkout(merchantMetadata=metadata), "PayAndShip")
        buyer = na.buyer()
        pages = [buyer.open(session_id)]
        for fields in ({"email": buyer.email}, {"card": "1111"}, {"save": "yes"}):
            pages.append(buyer.press(pages[-1], action="continue", **fields))
        assert [page_of(page) for page in pages] == [*CHOOSE, "processing"]
        for page in pages:
            assert page.text.count("<script") == 1  # the page's own
            assert "&lt;script&gt;" in page.text
        store = '"><img src=x onerror=alert(1)>'
        assert "<img" not in na.click(SET_UP | {"storeId": store}).text
        assert "<img" not in na.click(SET_UP, merchantId=store).text

    def test_redirects_are_relative(self, na: Shop) -> None:
        """So that the pages work behind a proxy."""
        session_id = na.clicked(SET_UP)
        response = na.http.get("/checkout", params={"amazonCheckoutSessionId": session_id})
        assert response.headers["location"] == f"checkout/sign-in?amazonCheckoutSessionId={session_id}"

    def test_the_script_is_served(self, na: Shop) -> None:
        """Under the name it has at Amazon."""
        response = na.http.get("/checkout.js")
        assert response.headers["content-type"].startswith("text/javascript")
        assert "renderButton" in response.text


class TestLeaving:
    """Cancellations and declines."""

    def test_the_query_of_the_shop_is_kept(self, na: Shop) -> None:
        """As it was written."""
        address = "https://shop.example/r?b&a=%20x&c=1#part"
        session_id = na.clicked(SET_UP | {"webCheckoutDetails": {"checkoutResultReturnUrl": address}})
        expected = f"https://shop.example/r?b&a=%20x&c=1&amazonCheckoutSessionId={session_id}#part"
        assert na.buyer().walk(session_id)[-1] == expected

    @pytest.mark.parametrize(
        ("payload", "product_type", "page", "expected"),
        [
            (SET_UP, "PayOnly", "sign_in", RESULT),
            (SET_UP, "PayOnly", "consent", RESULT),
            (express(), "PayAndShip", "sign_in", REVIEW),
            (end_of_checkout(), "PayAndShip", "processing", RESULT),
            (SIGN_IN, "SignInAndSetup", "consent", SIGNED_IN),
            ({"webCheckoutDetails": {"signInReturnUrl": SIGNED_IN, "signInCancelUrl": CANCEL}}, "SignInAndSetup",
             "consent", CANCEL),
        ],
        ids=["setup", "setup-consent", "express", "end-of-checkout", "sign-in", "sign-in-cancel"],
    )  # fmt: skip
    def test_a_buyer_who_cancels_is_sent_back(
        self, na: Shop, payload: Json, product_type: str, page: str, expected: str
    ) -> None:
        """The session is Canceled by the buyer."""
        session_id = na.clicked(payload, product_type)
        # A cancel address is called as it is.
        address = expected if expected == CANCEL else back(expected, session_id)
        assert na.buyer().walk(session_id, **{page: "cancel"})[-1] == address
        details = na.done("getCheckoutSession", session_id)["statusDetails"]
        assert (details["state"], details["reasonCode"]) == ("Canceled", "BuyerCanceled")

    @pytest.mark.parametrize(
        ("page", "to_cancel"), [("sign_in", True), ("payment_method", True), ("processing", False)]
    )
    def test_a_cancel_address_is_used_until_the_payment_is_processed(
        self, na: Shop, page: str, to_cancel: bool
    ) -> None:
        """From the processing page the buyer arrives at the result address."""
        web = {"checkoutMode": "ProcessOrder", "checkoutResultReturnUrl": RESULT, "checkoutCancelUrl": CANCEL}
        session_id = na.clicked(end_of_checkout(webCheckoutDetails=web), "PayAndShip")
        expected = CANCEL if to_cancel else back(RESULT, session_id)
        assert na.buyer().walk(session_id, **{page: "cancel"})[-1] == expected

    @pytest.mark.parametrize("payload", [SET_UP, TWO_VISITS, purchase()], ids=["setup", "express", "one-time"])
    @pytest.mark.parametrize(("card", "reason"), [("3064", "BuyerCanceled"), ("3434", "Declined")])
    def test_a_simulated_card_cancels_the_session(self, na: Shop, payload: Json, card: str, reason: str) -> None:
        """The buyer still arrives at the result address."""
        session_id = na.session(payload)
        buyer = na.buyer()
        addresses = [buyer.walk(session_id, cards=(card,))[-1]]
        if payload is TWO_VISITS:
            addresses.append(buyer.walk(session_id)[-1])
        assert addresses[-1] == back(RESULT, session_id)
        details = na.done("getCheckoutSession", session_id)["statusDetails"]
        assert (details["state"], details["reasonCode"]) == ("Canceled", reason)

    @pytest.mark.parametrize("payload", [SET_UP, WALLET | purchase()], ids=["setup", "purchase"])
    def test_after_a_decline_another_card_may_be_chosen(self, na: Shop, payload: Json) -> None:
        """And consent, which names the payment method, is asked for again."""
        session_id = na.session(payload)
        pages = na.buyer().walk(session_id, cards=("9995", "1111"))
        assert pages.count("payment-method") == 2
        assert pages[-1] == back(RESULT, session_id)
        amounts = {} if payload is SET_UP else {"chargeAmount": usd("14.00")}
        assert na.done("completeCheckoutSession", session_id, **amounts)

    @pytest.mark.parametrize("payload", [SET_UP, WALLET | purchase()], ids=["setup", "purchase"])
    def test_a_buyer_who_gives_up_after_a_decline_was_declined(self, na: Shop, payload: Json) -> None:
        """Not canceled; and the result address is where they arrive."""
        web = payload["webCheckoutDetails"] | {"checkoutCancelUrl": CANCEL}
        session_id = na.session(payload | {"webCheckoutDetails": web})
        assert na.buyer().walk(session_id, cards=("9995",))[-1] == back(RESULT, session_id)
        assert na.done("getCheckoutSession", session_id)["statusDetails"]["reasonCode"] == "Declined"

    def test_in_the_second_visit_too(self, eu: Shop) -> None:
        """There the choice of a payment method is no page of the visit itself."""
        details = {"paymentIntent": "Authorize", "chargeAmount": usd("14.00", "EUR")}
        session_id = eu.session(TWO_VISITS | {"paymentDetails": details})
        buyer = eu.buyer()
        buyer.walk(session_id, cards=("9995",))
        shown = buyer.press(buyer.open(session_id), action="continue")
        assert page_of(shown) == "payment-method"
        assert "declined" in shown.text
        assert page_of(buyer.open(session_id)) == "payment-method"
        shown = buyer.press(shown, action="continue", card="1111")
        assert page_of(shown) == "processing"
        shown = buyer.press(shown, action="continue")
        shown = buyer.press(shown, action="pass")
        assert shown.headers["location"] == back(RESULT, session_id)

    @pytest.mark.parametrize("region", ["na", "eu"])
    def test_a_failed_challenge_lets_the_buyer_choose_again(self, request: pytest.FixtureRequest, region: str) -> None:
        """Card 9987 is challenged everywhere, and always fails."""
        shop: Shop = request.getfixturevalue(region)
        session_id = shop.session()
        pages = shop.buyer().walk(session_id, cards=("9987", "1111"))
        challenges = 1 if region == "na" else 2
        assert (pages.count("challenge"), pages[-1]) == (challenges, back(RESULT, session_id))

    def test_a_buyer_who_fails_the_challenge_was_declined(self, eu: Shop) -> None:
        """The button to fail is on the page."""
        session_id = eu.session()
        assert eu.buyer().walk(session_id, challenge="fail")[-1] == back(RESULT, session_id)
        assert eu.done("getCheckoutSession", session_id)["statusDetails"]["reasonCode"] == "Declined"

    def test_without_consent_no_wallet_is_set_up(self, na: Shop) -> None:
        """A set-up that saves nothing would be nothing."""
        buyer = na.buyer()
        shown = buyer.press(buyer.open(na.clicked(SET_UP)), action="continue", email=buyer.email)
        shown = buyer.press(shown, action="continue", card="1111")
        shown = buyer.press(shown, action="continue", save="no")
        assert (shown.status_code, page_of(shown)) == (400, "consent")


class TestPendingCards:
    """Cards 0701 and 4354."""

    @pytest.mark.parametrize("card", ["0701", "4354"])
    @pytest.mark.parametrize(
        "payload",
        [SET_UP, purchase(), purchase(paymentIntent="AuthorizeWithCapture")],
        ids=["setup", "cannot-wait", "captures"],
    )
    def test_they_need_a_shop_that_can_wait(self, na: Shop, card: str, payload: Json) -> None:
        """Else the page refuses them, and another one can be chosen."""
        buyer = na.buyer()
        shown = buyer.press(buyer.open(na.session(payload)), action="continue", email=buyer.email)
        shown = buyer.press(shown, action="continue", card=card)
        assert (shown.status_code, page_of(shown)) == (400, "payment-method")
        assert "canHandlePendingAuthorization" in shown.text
        assert page_of(buyer.press(shown, action="continue", card="1111")) in ("consent", "processing")

    def test_a_card_must_be_one_of_the_page(self, na: Shop) -> None:
        """Others are refused on it."""
        buyer = na.buyer()
        shown = buyer.press(buyer.open(na.session()), action="continue", email=buyer.email)
        shown = buyer.press(shown, action="continue", card="1234")
        assert (shown.status_code, page_of(shown)) == (400, "payment-method")

    @pytest.mark.parametrize("can_wait", [True, False])
    def test_before_the_review_the_shop_may_still_decide(self, na: Shop, can_wait: bool) -> None:
        """What it decided shows on the processing page."""
        session_id = na.session(express())
        buyer = na.buyer()
        buyer.walk(session_id, cards=("0701",))
        na.done(
            "updateCheckoutSession", session_id, webCheckoutDetails={"checkoutResultReturnUrl": RESULT},
            paymentDetails={
                "paymentIntent": "Authorize", "chargeAmount": usd("14.00"), "canHandlePendingAuthorization": can_wait,
            },
        )  # fmt: skip
        shown = buyer.press(buyer.open(session_id), action="continue")
        if not can_wait:
            assert page_of(shown) == "payment-method"
            assert "cannot wait" in shown.text
            return
        response = na.call("completeCheckoutSession", session_id, chargeAmount=usd("14.00"))
        assert response.status_code == 202
