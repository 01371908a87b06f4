"""The Mobile SDK: a start call without a signature, a link that opens Amazon's pages, and Finalize at the end."""

from typing import Any

import httpx
import pytest

from amazonpay_nb.emulator import Emulator, world
from amazonpay_nb.emulator.pages import entry
from tests.emulated import (
    ADDRESS,
    CANCEL,
    RESULT,
    SET_UP,
    SIGN_IN,
    SIGNED_IN,
    WALLET,
    Json,
    Shop,
    end_of_checkout,
    express,
    page_of,
    refusal,
    usd,
)

ERROR = "https://shop.example/error"
LINKS = {"checkoutResultReturnUrl": RESULT, "checkoutCancelUrl": CANCEL, "checkoutErrorUrl": ERROR}
SET_UP_IN_APP = SET_UP | {"webCheckoutDetails": LINKS}
CURRENCY = {"na": "USD", "eu": "EUR", "jp": "JPY"}
LANGUAGE = {"na": "en_US", "eu": "de_DE", "jp": "ja_JP"}


@pytest.fixture(params=["na", "eu", "jp"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """A merchant in each region."""
    shop: Shop = request.getfixturevalue(request.param)
    return shop


def start(shop: Shop, config: Json = SET_UP_IN_APP, product_type: str = "PayOnly", **changed: Any) -> httpx.Response:
    """Send the SDK's first call; ``None`` leaves a field out."""
    call = {
        "msdk": "true",
        "merchantId": shop.account.merchant_id,
        "placement": "Other",
        "checkoutLanguage": LANGUAGE[shop.emulator.region],
        "ledgerCurrency": CURRENCY[shop.emulator.region],
        "productType": product_type,
        "environment": "SANDBOX",
        "checkoutSessionConfig": {"channelType": "MOBILE_SDK", "storeId": shop.account.store_id} | config,
    } | changed
    return shop.http.post("/initiate", json={name: value for name, value in call.items() if value is not None})


def started(shop: Shop, config: Json = SET_UP_IN_APP, product_type: str = "PayOnly") -> str:
    response = start(shop, config, product_type)
    assert response.status_code == 200, response.text
    return str(response.json()["amazonCheckoutSessionId"])


def visited(shop: Shop, config: Json = SET_UP_IN_APP, product_type: str = "PayOnly", **buyer: Any) -> str:
    """Start, and let the buyer go through the pages that the link opens."""
    session_id = started(shop, config, product_type)
    shop.buyer().walk(session_id, **buyer)
    return session_id


def known(shop: Shop, session_id: str, *names: str) -> Json:
    """What the merchant's server reads from the Open session, to repeat it."""
    session = shop.done("getCheckoutSession", session_id)
    return {name: {k: v for k, v in session[name].items() if v} for name in names}


class TestStarting:
    """`POST /initiate`, and the link that follows."""

    def test_what_nobody_has_signed_is_limited(self) -> None:
        """In size and number; where a session is over, its place is free."""
        with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
            large = SET_UP_IN_APP | {"merchantMetadata": {"merchantStoreName": "x" * 16_384}}
            assert start(shop, large).status_code == 413
            *_, one = [started(shop) for _ in range(1000)]
            full = start(shop)
            assert (full.status_code, full.json()["reasonCode"]) == (429, "TooManyRequests")
            shop.buyer().walk(one)
            repeated = known(shop, one, "billingAddress")
            shop.done("finalizeCheckoutSession", one, paymentIntent="Confirm", **repeated)
            assert [start(shop).status_code for _ in range(2)] == [200, 429]
            assert shop.clicked(SET_UP)  # buttons have places of their own
            emulator.clock.advance("P2D")
            assert start(shop).status_code == 200

    def test_what_strangers_have_ended_does_not_pile_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The latest stay, for a merchant who looks at one; a start that is refused in between changes nothing."""
        for module in (entry, world):
            monkeypatch.setattr(module, "MAX_STARTED", 5)
        in_pounds = SET_UP_IN_APP | {"paymentDetails": {"paymentIntent": "Confirm", "presentmentCurrency": "GBP"}}
        with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
            signed, ended = shop.session(), list[str]()
            for _ in range(4):
                begun = [started(shop) for _ in range(5)]
                for session_id in begun:
                    shop.buyer().walk(session_id, sign_in="cancel")
                assert start(shop, in_pounds).json()["reasonCode"] == "CurrencyMismatch"
                ended += begun
            still_open = started(shop)
            found = [shop.call("getCheckoutSession", one).status_code for one in (signed, *ended, still_open)]
            assert found == [200, *[404] * 15, *[200] * 6]

    def test_the_link_opens_amazons_pages(self, shop: Shop) -> None:
        """And the app gets the buyer back by its own link."""
        session_id = started(shop)
        query = {
            "integrationType": "FalconMobile", "amazonCheckoutSessionId": session_id, "productType": "PayOnly",
            "merchantId": shop.account.merchant_id, "environment": "SANDBOX",
        }  # fmt: skip
        shown = shop.http.get("/initiate", params=query, follow_redirects=True)
        assert (shown.status_code, page_of(shown)) == (200, "sign-in")
        assert shop.buyer().walk(session_id)[-1] == f"{RESULT}?CheckoutSessionId={session_id}"

    def test_a_buyer_who_cancels_comes_to_the_link_for_that(self, na: Shop) -> None:
        """As it is."""
        assert na.buyer().walk(started(na), sign_in="cancel")[-1] == CANCEL

    @pytest.mark.parametrize("more", [{}, {"chargePermissionId": "wallet"}], ids=["set-up", "update"])
    def test_the_mode_of_the_sample_is_accepted_in_every_variant(self, na: Shop, more: Json) -> None:
        """Though only an order at the end of checkout needs it."""
        more = {name: na.wallet() for name in more}
        session_id = started(
            na, SET_UP_IN_APP | {"webCheckoutDetails": LINKS | {"checkoutMode": "ProcessOrder"}} | more
        )
        assert na.buyer().walk(session_id)[-1] == f"{RESULT}?CheckoutSessionId={session_id}"

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"msdk": None}, (400, "InvalidParameterValue")),
            ({"merchantId": "A0000000000000"}, (403, "InvalidAuthentication")),
            ({"environment": "LIVE"}, (400, "InvalidParameterValue")),
            ({"productType": "PayLater"}, (400, "InvalidParameterValue")),
            ({"ledgerCurrency": "EUR"}, (400, "InvalidParameterValue")),
            ({"checkoutSessionConfig": None}, (400, "InvalidRequestFormat")),
            ({"checkoutSessionConfig": {"channelType": "MOBILE_SDK"}}, (400, "MissingParameterValue")),
        ],
        ids=["not-the-sdk", "merchant", "live", "product-type", "currency", "no-config", "empty-config"],
    )
    def test_a_wrong_call_is_refused(self, na: Shop, changed: Json, expected: tuple[int, str]) -> None:
        """The app gets JSON, not a page."""
        response = start(na, **changed)
        assert (response.status_code, response.json()["reasonCode"]) == expected
        assert response.json()["message"]

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"msdk"'])
    def test_what_is_no_json_object_is_refused(self, na: Shop, body: bytes) -> None:
        """With the same two fields."""
        response = na.http.post("/initiate", content=body)
        assert (response.status_code, response.json()["reasonCode"]) == (400, "InvalidRequestFormat")

    @pytest.mark.parametrize(
        ("config", "product_type", "expected"),
        [
            (SET_UP_IN_APP | {"channelType": "WEB"}, "PayOnly", "InvalidParameterValue"),
            (SET_UP_IN_APP | {"addressDetails": ADDRESS}, "PayOnly", "InvalidParameterCombination"),
            (SET_UP_IN_APP | {"color": "blue"}, "PayOnly", "UnrecognizedField"),
            (express(), "PayAndShip", "InvalidRequest"),
            ({"webCheckoutDetails": {"signInReturnUrl": SIGNED_IN}}, "SignIn", "InvalidRequest"),
        ],
        ids=["channel", "address", "unknown", "express", "plain-sign-in"],
    )
    def test_a_wrong_config_is_refused(self, na: Shop, config: Json, product_type: str, expected: str) -> None:
        """There is no variant of express checkout and of plain sign-in."""
        response = start(na, config, product_type)
        assert (response.status_code, response.json()["reasonCode"]) == (400, expected)


class TestFinalizing:
    """`POST /v2/checkoutSessions/{id}/finalize`."""

    def test_a_set_up_ends_with_the_billing_address(self, shop: Shop) -> None:
        """And answers with the permission, the buyer and the payment method."""
        session_id = visited(shop)
        repeated = known(shop, session_id, "billingAddress")
        session = shop.done("finalizeCheckoutSession", session_id, paymentIntent="Confirm", **repeated)
        assert (session["statusDetails"]["state"], session["chargeId"]) == ("Completed", None)
        assert session["buyer"]["buyerId"].startswith("amzn1.account.")
        assert "1111" in session["paymentPreferences"][0]["paymentDescriptor"]
        assert repeated["billingAddress"].items() <= session["billingAddress"].items()
        assert shop.state("getChargePermission", session["chargePermissionId"]) == "Chargeable"

    def test_a_purchase_ends_with_shipping_address_and_amount(self, na: Shop) -> None:
        """The amounts are compared as Complete does it."""
        session_id = visited(na, end_of_checkout(), "PayAndShip")
        repeated = known(na, session_id, "shippingAddress")
        assert refusal(na.call("finalizeCheckoutSession", session_id, **repeated)) == (400, "MissingParameterValue")
        wrong = na.call("finalizeCheckoutSession", session_id, chargeAmount=usd("14.01"), **repeated)
        assert refusal(wrong) == (409, "AmountMismatch")
        session = na.done("finalizeCheckoutSession", session_id, chargeAmount=usd("14.00"), **repeated)
        assert na.state("getCharge", session["chargeId"]) == "Authorized"

    def test_sign_in_and_set_up_needs_no_address(self, shop: Shop) -> None:
        """The buyer comes with the answer."""
        session_id = visited(shop, SIGN_IN, "SignInAndSetup")
        session = shop.done("finalizeCheckoutSession", session_id)
        assert session["buyer"]["name"]
        assert session["chargePermissionType"] == "PaymentMethodOnFile"

    def test_a_wallet_is_repaired(self, na: Shop) -> None:
        """The variant for an update keeps the permission's id."""
        wallet = na.wallet()
        session_id = visited(na, SET_UP_IN_APP | {"chargePermissionId": wallet}, cards=("4444",))
        repeated = known(na, session_id, "billingAddress")
        assert na.done("finalizeCheckoutSession", session_id, **repeated)["chargePermissionId"] == wallet

    @pytest.mark.parametrize(
        ("config", "product_type", "field"),
        [(SET_UP_IN_APP, "PayOnly", "billingAddress"), (SET_UP_IN_APP, "PayAndShip", "shippingAddress")],
    )
    def test_the_address_of_the_product_type_is_compared(
        self, shop: Shop, config: Json, product_type: str, field: str
    ) -> None:
        """It must be there, and be the one that the buyer has confirmed; codes may be in small letters."""
        session_id = visited(shop, config, product_type)
        address = known(shop, session_id, field)[field]
        assert refusal(shop.call("finalizeCheckoutSession", session_id)) == (400, "MissingParameterValue")
        elsewhere = shop.call("finalizeCheckoutSession", session_id, **{field: address | {"name": "Someone Else"}})
        assert refusal(elsewhere) == (400, "InvalidParameterValue")
        assert shop.state("getCheckoutSession", session_id) == "Open"
        spelled = address | {"countryCode": address["countryCode"].lower()}
        assert shop.done("finalizeCheckoutSession", session_id, **{field: spelled})["chargePermissionId"]

    @pytest.mark.parametrize(
        "fields", [{"paymentIntent": "Authorize"}, {"canHandlePendingAuthorization": True}], ids=["intent", "pending"]
    )
    def test_what_the_app_said_is_compared(self, na: Shop, fields: Json) -> None:
        """Nobody has signed it."""
        session_id = visited(na)
        repeated = known(na, session_id, "billingAddress")
        response = na.call("finalizeCheckoutSession", session_id, **repeated, **fields)
        assert refusal(response) == (400, "InvalidParameterValue")

    def test_supplementary_data_is_repeated_where_there_is_some(self, na: Shop) -> None:
        """As it is, or the call is refused; another session needs none."""
        session_id = visited(na, SET_UP_IN_APP | {"supplementaryData": '{"a": 1}'})
        repeated = known(na, session_id, "billingAddress")
        assert refusal(na.call("finalizeCheckoutSession", session_id, **repeated)) == (400, "MissingParameterValue")
        other = na.call("finalizeCheckoutSession", session_id, supplementaryData='{"a": 2}', **repeated)
        assert refusal(other) == (400, "InvalidParameterValue")
        repeated["supplementaryData"] = '{"a": 1}'
        assert na.done("finalizeCheckoutSession", session_id, **repeated)["chargePermissionId"]

    def test_a_session_without_a_product_type_needs_no_address(self, na: Shop) -> None:
        """It was made by an API call, which is signed; an address that is given is compared all the same."""
        session_id = na.visited(SET_UP)
        given: Json = {"billingAddress": ADDRESS | {"city": "Springfield"}}
        assert refusal(na.call("finalizeCheckoutSession", session_id, **given)) == (400, "InvalidParameterValue")
        assert na.done("finalizeCheckoutSession", session_id)["chargePermissionId"]

    def test_complete_does_not_end_a_session_of_the_app(self, na: Shop) -> None:
        """Its parameters have not been checked yet; Finalize still can."""
        session_id = visited(na)
        response = na.call("completeCheckoutSession", session_id)
        assert refusal(response) == (422, "InvalidCheckoutSessionStatus")
        assert "Finalize Checkout Session" in response.json()["message"]
        repeated = known(na, session_id, "billingAddress")
        assert na.done("finalizeCheckoutSession", session_id, **repeated)["chargePermissionId"]

    def test_nothing_is_final_before_the_buyer_has_been_there(self, na: Shop) -> None:
        """A start call alone saves nothing."""
        session_id = started(na)
        response = na.call("finalizeCheckoutSession", session_id, billingAddress=ADDRESS)
        assert refusal(response) == (422, "InvalidCheckoutSessionStatus")

    def test_only_the_merchants_own_key_finalizes(self, na: Shop) -> None:
        """The unsigned start call gives nobody else a wallet."""
        session_id = visited(na)
        with Shop(na.emulator, na.emulator.other_merchant) as other:
            assert refusal(other.call("finalizeCheckoutSession", session_id)) == (404, "ResourceNotFound")

    def test_after_a_day_the_buyer_has_to_start_again(self, na: Shop) -> None:
        """The same rule as on the web."""
        session_id = visited(na, WALLET | SET_UP_IN_APP)
        na.emulator.clock.advance("PT24H")
        response = na.call("finalizeCheckoutSession", session_id, billingAddress=ADDRESS)
        assert refusal(response) == (422, "CheckoutSessionCanceled")
