"""Checkout Sessions: what each call answers, in each state."""

import uuid
from datetime import timedelta

import pytest

from amazonpay_nb.spec.money import CURRENCY_DECIMALS
from tests.emulated import (
    CANCEL,
    MONTHLY,
    RESULT,
    REVIEW,
    SET_UP,
    WALLET,
    Json,
    Shop,
    express,
    page_of,
    purchase,
    refusal,
    usd,
)

WRONG_STATE = (422, "InvalidCheckoutSessionStatus")
CANCELED = (422, "CheckoutSessionCanceled")
NOBODY = (
    "There is no buyer associated with the Checkout Session. Return the checkout session id to the Amazon Pay Button "
    "to allow buyer to login."
)

# What the shop says on its review page, for a payment that it asks for later.
CONFIRM: Json = {
    "webCheckoutDetails": {"checkoutResultReturnUrl": RESULT}, "paymentDetails": {"paymentIntent": "Confirm"},
}  # fmt: skip


def wanted(session: Json) -> list[str]:
    """Return what a session still needs."""
    return [row["constraintId"] for row in session["constraints"]]


class TestCreating:
    """Create Checkout Session."""

    def test_a_new_session_shows_every_field(self, na: Shop) -> None:
        """What is not set is an explicit null, in the order of recorded answers."""
        response = na.call(
            "createCheckoutSession", storeId=na.account.store_id, webCheckoutDetails={"checkoutReviewReturnUrl": REVIEW}
        )
        session = response.json()
        assert response.status_code == 201
        assert list(session)[:5] == [
            "checkoutSessionId", "webCheckoutDetails", "productType", "paymentDetails", "chargePermissionType",
        ]  # fmt: skip
        assert session["webCheckoutDetails"] == {
            "checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": None, "checkoutCancelUrl": None,
            "amazonPayRedirectUrl": None,
        }  # fmt: skip
        assert session["paymentDetails"] == {
            "paymentIntent": None, "canHandlePendingAuthorization": False, "chargeAmount": None,
            "totalOrderAmount": None, "softDescriptor": None, "presentmentCurrency": None, "allowOvercharge": None,
            "extendExpiration": None,
        }  # fmt: skip
        assert session["statusDetails"] == {
            "state": "Open", "reasonCode": None, "reasonDescription": None,
            "lastUpdatedTimestamp": session["creationTimestamp"],
        }  # fmt: skip
        assert (session["productType"], session["chargePermissionType"]) == (None, "OneTime")
        assert (session["buyer"], session["paymentPreferences"]) == (None, [None])
        now = na.emulator.clock.now()
        assert [session["creationTimestamp"], session["expirationTimestamp"]] == [
            moment.strftime("%Y%m%dT%H%M%SZ") for moment in (now, now + timedelta(hours=24))
        ]
        assert str(uuid.UUID(session["checkoutSessionId"])) == session["checkoutSessionId"]

    @pytest.mark.parametrize(
        ("field", "longest"),
        [("merchantReferenceId", 256), ("merchantStoreName", 50), ("noteToBuyer", 255), ("customInformation", 4096)],
    )
    def test_metadata_has_documented_lengths(self, na: Shop, field: str, longest: int) -> None:
        """Up to it exactly."""
        session_id = na.session(express(merchantMetadata={field: "x" * longest}))
        assert na.done("getCheckoutSession", session_id)["merchantMetadata"][field] == "x" * longest
        response = na.call("updateCheckoutSession", session_id, merchantMetadata={field: "x" * (longest + 1)})
        assert refusal(response) == (400, "InvalidParameterValue")

    def test_an_order_number_may_be_a_number(self, na: Shop) -> None:
        """As a WooCommerce shop sends it; answers have a text, and other fields take none."""
        session_id = na.session(express())
        answer = na.done("updateCheckoutSession", session_id, merchantMetadata={"merchantReferenceId": 4711})
        assert answer["merchantMetadata"]["merchantReferenceId"] == "4711"
        response = na.call("updateCheckoutSession", session_id, merchantMetadata={"noteToBuyer": 4711})
        assert refusal(response) == (400, "InvalidParameterValue")

    def test_free_fields_come_back(self, na: Shop) -> None:
        """What nobody but the merchant understands, with the blanks around it."""
        free = {
            "supplementaryData": ' {"a": 1}\n', "platformId": "A1", "checkoutButtonText": "Go ",
            "providerMetadata": {"providerReferenceId": "P-1"},
        }  # fmt: skip
        assert free.items() <= na.done("getCheckoutSession", na.session(express(**free))).items()

    def test_an_id_with_a_blank_is_another_one(self, na: Shop) -> None:
        """Such as one that was read from a file with its line end."""
        store = na.call("createCheckoutSession", **express(), storeId=f"{na.account.store_id}\n")
        assert refusal(store) == (400, "InvalidParameterValue")
        assert refusal(na.try_charge(f"{na.wallet()} ")) == (404, "ResourceNotFound")

    def test_constraints_are_alphabetical(self, na: Shop) -> None:
        """All that is missing is named, and the redirect address waits for it."""
        session = na.done("getCheckoutSession", na.session(express()))
        assert [(row["constraintId"], row["description"]) for row in session["constraints"]] == [
            ("BuyerNotAssociated", NOBODY),
            ("ChargeAmountNotSet", "chargeAmount is not set."),
            ("CheckoutResultReturnUrlNotSet", "checkoutResultReturnUrl is not set."),
            ("PaymentIntentNotSet", "paymentIntent is not set."),
        ]  # fmt: skip
        recurring = na.session(express(chargePermissionType="Recurring"))
        assert na.done("getCheckoutSession", recurring)["constraints"][-1] == {
            "constraintId": "RecurringFrequencyNotSet", "description": "frequency is not set.",
        }  # fmt: skip

    def test_a_set_up_needs_no_amount(self, na: Shop) -> None:
        """Only the buyer is missing."""
        session = na.done("getCheckoutSession", na.session())
        assert [row["constraintId"] for row in session["constraints"]] == ["BuyerNotAssociated"]

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"storeId": "amzn1.application-oa2-client.other"}, (400, "InvalidParameterValue")),
            ({"storeId": None}, (400, "InvalidParameterValue")),
            ({"webCheckoutDetails": {}}, (400, "MissingParameterValue")),
            ({"webCheckoutDetails": None}, (400, "InvalidParameterValue")),
            ({"webCheckoutDetails": {"checkoutMode": "ProcessOrder"}}, (400, "UnrecognizedField")),
            ({"webCheckoutDetail": {}}, (400, "UnrecognizedField")),
            ({"chargePermissionType": "Forever"}, (400, "InvalidParameterValue")),
            ({"scopes": ["shoeSize"]}, (400, "InvalidParameterValue")),
            ({"merchantMetadata": {"noteToBuyer": "x" * 256}}, (400, "InvalidParameterValue")),
            (purchase(currency="EUR"), (400, "CurrencyMismatch")),
            (purchase(presentmentCurrency="XXX"), (400, "CurrencyMismatch")),
            (purchase("150000.01"), (400, "TransactionAmountExceeded")),
            (purchase("9" * 40), (400, "TransactionAmountExceeded")),
            (purchase(totalOrderAmount=usd("150000.01")), (400, "TransactionAmountExceeded")),
            (purchase("0.00"), (400, "InvalidParameterValue")),
            (purchase("1.001"), (400, "InvalidParameterValue")),
            (purchase(softDescriptor="x" * 17), (400, "InvalidParameterValue")),
            (
                purchase(paymentIntent="AuthorizeWithCapture", canHandlePendingAuthorization=True),
                (400, "InvalidParameterCombination"),
            ),
            ({"chargePermissionId": "C01-0000000-0000000"}, (400, "MissingParameterValue")),
            (SET_UP | {"chargePermissionId": "C01-0000000-0000000"}, (404, "ResourceNotFound")),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_refused(self, na: Shop, body: Json, expected: tuple[int, str]) -> None:
        """The reason code says what kind of mistake it is."""
        right: Json = {"storeId": na.account.store_id, "webCheckoutDetails": {"checkoutReviewReturnUrl": REVIEW}}
        assert refusal(na.call("createCheckoutSession", **(right | body))) == expected

    @pytest.mark.parametrize(
        ("region", "currencies"),
        [("na", {"USD"}), ("jp", {"JPY"}),
         ("eu", {"AUD", "GBP", "DKK", "EUR", "HKD", "JPY", "NZD", "NOK", "ZAR", "SEK", "CHF", "USD"})],
    )  # fmt: skip
    def test_a_region_has_its_currencies(
        self, request: pytest.FixtureRequest, region: str, currencies: set[str]
    ) -> None:
        """In Europe a buyer can pay in twelve."""
        shop: Shop = request.getfixturevalue(region)
        for currency in CURRENCY_DECIMALS:
            body = purchase(500, currency, presentmentCurrency=currency) | {"storeId": shop.account.store_id}
            answer = shop.call("createCheckoutSession", **body)
            assert answer.status_code == 201 if currency in currencies else refusal(answer) == (400, "CurrencyMismatch")

    def test_a_session_has_one_currency(self, eu: Shop) -> None:
        """Two are refused, although a buyer in Europe could pay in either."""
        body = purchase("14.00", "EUR", totalOrderAmount=usd("14.00", "GBP"))
        answer = eu.call("createCheckoutSession", **body, storeId=eu.account.store_id)
        assert refusal(answer) == (400, "CurrencyMismatch")

    def test_an_address_is_not_longer_than_512_characters(self, na: Shop) -> None:
        """The length that integrations take for granted."""
        for length, status in ((512, 201), (513, 400)):
            web = {"checkoutReviewReturnUrl": f"{REVIEW}?{'x' * (length - len(REVIEW) - 1)}"}
            answer = na.call("createCheckoutSession", storeId=na.account.store_id, webCheckoutDetails=web)
            assert answer.status_code == status

    def test_a_missing_store_is_named(self, na: Shop) -> None:
        """The message names the field."""
        response = na.call("createCheckoutSession", webCheckoutDetails={"checkoutReviewReturnUrl": REVIEW})
        assert refusal(response) == (400, "MissingParameterValue")
        assert "storeId" in response.json()["message"]

    @pytest.mark.parametrize(
        "address",
        [
            "javascript:alert(1)", "http://shop.example/", "https://user:pw@shop.example/", "https://user@shop.example/",
            "ftp://shop.example/", "//shop.example/", "/result", "", "https://", "https://[::1", "https://shop.example/<",
            "data:text/html,x", "https://shop.example:99999/", "https://shop.example/" + "x" * 512,
        ],
    )  # fmt: skip
    def test_a_dangerous_return_address_is_refused(self, na: Shop, address: str) -> None:
        """Only https, and http on loopback, without a user part."""
        body: Json = {"storeId": na.account.store_id, "webCheckoutDetails": {"checkoutReviewReturnUrl": address}}
        assert refusal(na.call("createCheckoutSession", **body)) == (400, "InvalidParameterValue")

    def test_http_is_allowed_on_loopback(self, na: Shop) -> None:
        """A shop on the same machine needs no certificate."""
        assert na.session({"webCheckoutDetails": {"checkoutReviewReturnUrl": "http://localhost:8000/review?a=1"}})

    def test_the_update_page_does_not_exist_in_japan(self, jp: Shop, na: Shop) -> None:
        """Elsewhere the wallet to repair must be repairable."""
        body = SET_UP | {"storeId": jp.account.store_id, "chargePermissionId": "C03-0000000-0000000"}
        assert refusal(jp.call("createCheckoutSession", **body)) == (400, "InvalidRequest")
        wallet = na.wallet()
        na.done("closeChargePermission", wallet, closureReason="enough")
        body = SET_UP | {"storeId": na.account.store_id, "chargePermissionId": wallet}
        assert refusal(na.call("createCheckoutSession", **body)) == (422, "InvalidChargePermissionStatus")


class TestUpdating:
    """Update Checkout Session."""

    def test_an_update_merges(self, na: Shop) -> None:
        """What is not sent stays, null clears a field, and null for a group clears the group."""
        session_id = na.session(express(merchantMetadata={"merchantStoreName": "Shop", "noteToBuyer": "Thank you"}))
        na.done("updateCheckoutSession", session_id, paymentDetails={"paymentIntent": "Confirm"})
        answer = na.done("updateCheckoutSession", session_id, merchantMetadata={"noteToBuyer": None})
        assert answer["paymentDetails"]["paymentIntent"] == "Confirm"
        assert answer["merchantMetadata"] == {
            "merchantReferenceId": None, "merchantStoreName": "Shop", "noteToBuyer": None, "customInformation": None,
        }  # fmt: skip
        answer = na.done("updateCheckoutSession", session_id, paymentDetails=None, merchantMetadata=None)
        assert set(answer["paymentDetails"].values()) == {None}
        assert set(answer["merchantMetadata"].values()) == {None}

    def test_an_update_is_no_change_of_state(self, na: Shop) -> None:
        """The session expires when it would have expired anyway."""
        session_id = na.session()
        before = na.done("getCheckoutSession", session_id)
        na.emulator.clock.advance("PT23H")
        na.done("updateCheckoutSession", session_id, merchantMetadata={"noteToBuyer": "late"})
        assert na.done("getCheckoutSession", session_id)["statusDetails"] == before["statusDetails"]
        fired = na.emulator.clock.advance("PT1H")
        assert {"kind": "Checkout Session", "id": session_id, "trigger": "Expire"}.items() <= fired[-1].items()

    def test_the_redirect_address_appears_when_nothing_is_missing(self, na: Shop) -> None:
        """And goes away with what it depended on."""
        session_id = na.session(express())
        na.buyer().walk(session_id)
        answer = na.done(
            "updateCheckoutSession", session_id, webCheckoutDetails={"checkoutResultReturnUrl": RESULT},
            paymentDetails={"paymentIntent": "Confirm", "chargeAmount": usd("14.00")},
        )  # fmt: skip
        assert answer["constraints"] == []
        expected = f"{na.emulator.url}/checkout/processing?amazonCheckoutSessionId={session_id}"
        assert answer["webCheckoutDetails"]["amazonPayRedirectUrl"] == expected
        answer = na.done("updateCheckoutSession", session_id, paymentDetails={"chargeAmount": None})
        assert [row["constraintId"] for row in answer["constraints"]] == ["ChargeAmountNotSet"]
        assert answer["webCheckoutDetails"]["amazonPayRedirectUrl"] is None

    @pytest.mark.parametrize(
        ("body", "change", "needed"),
        [
            (SET_UP, {}, []),
            (SET_UP, {"paymentDetails": {"paymentIntent": "Authorize"}}, ["ChargeAmountNotSet"]),
            (SET_UP, {"chargePermissionType": "OneTime"}, ["ChargeAmountNotSet"]),
            (SET_UP, {"chargePermissionType": "Recurring"}, ["ChargeAmountNotSet", "RecurringFrequencyNotSet"]),
            (express(), CONFIRM, ["ChargeAmountNotSet"]),
            (express(), CONFIRM | {"chargePermissionType": "OneTime"}, ["ChargeAmountNotSet"]),
            ("update", {}, []),
        ],
    )  # fmt: skip
    def test_only_a_set_up_needs_no_amount(self, na: Shop, body: Json | str, change: Json, needed: list[str]) -> None:
        """And an update of a wallet; whatever becomes a purchase needs one, even where Confirm charges nothing now."""
        if isinstance(body, str):
            body = SET_UP | {"chargePermissionId": na.wallet(), "paymentMethodOnFileMetadata": None}
        answer = na.done("updateCheckoutSession", na.session(body), **change)
        assert wanted(answer) == ["BuyerNotAssociated", *needed]

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"paymentDetails": {"presentmentCurrency": "USD"}}, (400, "UnrecognizedField")),
            ({"storeId": "amzn1.application-oa2-client.x"}, (400, "UnrecognizedField")),
            ({"paymentDetails": {"chargeAmount": usd("1.00", "EUR")}}, (400, "CurrencyMismatch")),
            (
                {"paymentDetails": {"paymentIntent": "AuthorizeWithCapture", "canHandlePendingAuthorization": True}},
                (400, "InvalidParameterCombination"),
            ),
            ({"webCheckoutDetails": {"checkoutReviewReturnUrl": None}}, (400, "MissingParameterValue")),
            ({"webCheckoutDetails": None}, (400, "MissingParameterValue")),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_refused_and_changes_nothing(
        self, na: Shop, body: Json, expected: tuple[int, str]
    ) -> None:
        """A refused update is not half an update."""
        session_id = na.session(express())
        before = na.done("getCheckoutSession", session_id)
        assert refusal(na.call("updateCheckoutSession", session_id, **body)) == expected
        assert na.done("getCheckoutSession", session_id) == before

    def test_the_presentment_currency_goes_with_the_amount(self, eu: Shop) -> None:
        """It cannot be sent, but it moves."""
        session_id = eu.session(purchase(currency="EUR", presentmentCurrency="EUR"))
        answer = eu.done("updateCheckoutSession", session_id, paymentDetails={"chargeAmount": usd("20.00", "SEK")})
        assert answer["paymentDetails"]["presentmentCurrency"] == "SEK"

    def test_a_presentment_currency_comes_from_the_creation_alone(self, eu: Shop) -> None:
        """No update makes one, and without an amount it stays what it was."""
        change: Json = {"merchantMetadata": {"noteToBuyer": "Thank you"}}
        without = eu.done("updateCheckoutSession", eu.session(purchase(currency="EUR")), **change)
        assert without["paymentDetails"]["presentmentCurrency"] is None
        body = {"paymentDetails": {"paymentIntent": "Confirm", "presentmentCurrency": "SEK"}}
        alone = eu.done("updateCheckoutSession", eu.session(SET_UP | body), **change)
        assert alone["paymentDetails"]["presentmentCurrency"] == "SEK"

    def test_what_only_a_creation_sets_is_not_cleared(self, eu: Shop) -> None:
        """Null for the whole group clears what an update can set."""
        fixed: Json = {"presentmentCurrency": "EUR", "allowOvercharge": True, "extendExpiration": True}
        answer = eu.done("updateCheckoutSession", eu.session(purchase(currency="EUR", **fixed)), paymentDetails=None)
        cleared = [
            "paymentIntent",
            "canHandlePendingAuthorization",
            "chargeAmount",
            "totalOrderAmount",
            "softDescriptor",
        ]
        assert answer["paymentDetails"] == dict.fromkeys(cleared) | fixed

    @pytest.mark.parametrize(
        ("details", "permission_type", "reason"),
        [
            ({"paymentIntent": "Authorize"}, "PaymentMethodOnFile", "InvalidParameterValue"),
            ({"paymentIntent": "AuthorizeWithCapture"}, "PaymentMethodOnFile", "InvalidParameterValue"),
            ({"chargeAmount": usd("10.00")}, "PaymentMethodOnFile", "InvalidParameterCombination"),
            ({}, "OneTime", "InvalidParameterValue"),
            ({}, "Recurring", "InvalidParameterValue"),
        ],
    )  # fmt: skip
    def test_an_update_of_a_wallet_stays_one(self, na: Shop, details: Json, permission_type: str, reason: str) -> None:
        """No call makes a payment of it, as no button does; what it must say cannot be taken back."""
        body = SET_UP | {"chargePermissionId": na.wallet()}
        session_id = na.session(body)
        before = na.done("getCheckoutSession", session_id)
        change = {"paymentDetails": {"paymentIntent": "Confirm"} | details, "chargePermissionType": permission_type}
        clicked = na.click(body | change)
        created = na.call("createCheckoutSession", storeId=na.account.store_id, **(body | change))
        updated = na.call("updateCheckoutSession", session_id, **change)
        assert (clicked.status_code, reason in clicked.text) == (400, True)
        assert refusal(created) == refusal(updated) == (400, reason)
        taken_back = na.call("updateCheckoutSession", session_id, paymentDetails=None)
        assert refusal(taken_back) == (400, "MissingParameterValue")
        assert na.done("getCheckoutSession", session_id) == before

    def test_the_permission_type_can_change_while_open(self, na: Shop) -> None:
        """From one-time to recurring; null means the default."""
        session_id = na.session(express(chargePermissionType="OneTime"))
        for sent, expected in (("Recurring", "Recurring"), (None, "OneTime")):
            answer = na.done("updateCheckoutSession", session_id, chargePermissionType=sent)
            assert answer["chargePermissionType"] == expected

    def test_a_payload_may_say_how_often(self, na: Shop) -> None:
        """What it does not say about it is null; what is not recurring has null for all of it."""
        often = {"frequency": {"unit": "Month", "value": "1"}}
        session_id = na.session(purchase() | {"chargePermissionType": "Recurring", "recurringMetadata": often})
        assert na.done("getCheckoutSession", session_id)["recurringMetadata"] == often | {"amount": None}
        assert na.done("getCheckoutSession", na.session(purchase()))["recurringMetadata"] is None

    def test_a_recurring_session_wants_to_know_how_often(self, na: Shop) -> None:
        """Until a frequency is set, and again when it is taken back; what is not set is null."""
        session_id = na.session(purchase() | {"chargePermissionType": "Recurring"})
        assert wanted(na.done("getCheckoutSession", session_id)) == ["BuyerNotAssociated", "RecurringFrequencyNotSet"]
        often = {"frequency": {"unit": "Month", "value": "1"}}
        answer = na.done("updateCheckoutSession", session_id, recurringMetadata=often)
        assert answer["recurringMetadata"] == {"frequency": {"unit": "Month", "value": "1"}, "amount": None}
        assert wanted(answer) == ["BuyerNotAssociated"]
        for nothing in ({"frequency": None}, None):
            na.done("updateCheckoutSession", session_id, recurringMetadata=often)
            answer = na.done("updateCheckoutSession", session_id, recurringMetadata=nothing)
            assert wanted(answer) == ["BuyerNotAssociated", "RecurringFrequencyNotSet"]
            assert answer["recurringMetadata"] == {"frequency": None, "amount": None}
        for half in ({"unit": "Month"}, {"value": "1"}):
            body = purchase() | {"chargePermissionType": "Recurring", "recurringMetadata": {"frequency": half}}
            answer = na.done("getCheckoutSession", na.session(body))
            assert wanted(answer) == ["BuyerNotAssociated", "RecurringFrequencyNotSet"]

    def test_what_the_buyer_agreed_to_cannot_be_changed(self, na: Shop) -> None:
        """Updates are possible until the buyer has gone through Amazon's pages."""
        session_id = na.visited(purchase())
        response = na.call("updateCheckoutSession", session_id, paymentDetails={"chargeAmount": usd("9999.00")})
        assert refusal(response) == WRONG_STATE

    @pytest.mark.parametrize("body", [SET_UP, WALLET | purchase()], ids=["set-up", "purchase"])
    def test_one_buyer_agrees_for_no_other(self, na: Shop, body: Json) -> None:
        """Who only signs in, after a buyer has agreed, saves no wallet and pays nothing."""
        session_id, buyer = na.visited(body), na.buyer()
        paid: Json = {"chargeAmount": usd("14.00")} if body is not SET_UP else {}
        shown = buyer.press(buyer.open(session_id), action="continue", email="ben@example.com")
        assert page_of(shown) == "payment-method"
        assert refusal(na.call("completeCheckoutSession", session_id, **paid)) == WRONG_STATE
        buyer.email = "ben@example.com"
        buyer.walk(session_id)
        assert na.done("completeCheckoutSession", session_id, **paid)["chargePermissionId"]


class TestCompleting:
    """Complete and Finalize Checkout Session."""

    @pytest.mark.parametrize("operation", ["completeCheckoutSession", "finalizeCheckoutSession"])
    def test_a_set_up_leaves_a_permission_and_no_charge(self, na: Shop, operation: str) -> None:
        """Nearly every field of a Completed session is null; Finalize shows a cart, too, as in Amazon's sample."""
        session_id = na.visited()
        response = na.call(operation, session_id)
        session = response.json()
        kept = {"checkoutSessionId", "statusDetails", "chargePermissionId", "chargePermissionType", "creationTimestamp"}
        if operation == "finalizeCheckoutSession":
            kept |= {"buyer", "paymentPreferences", "billingAddress"}
        assert response.status_code == 200
        assert {name for name, value in session.items() if value is not None} == kept
        assert ("cartDetails" in session) == (operation == "finalizeCheckoutSession")
        assert session["statusDetails"]["state"] == "Completed"
        assert session["chargePermissionType"] == "PaymentMethodOnFile"
        assert session["chargePermissionId"].startswith("C01-")
        assert na.done("getCheckoutSession", session_id) == session

    @pytest.mark.parametrize(
        ("intent", "state"), [("Authorize", "Authorized"), ("AuthorizeWithCapture", "Captured"), ("Confirm", None)]
    )
    def test_the_intent_decides_about_the_charge(self, na: Shop, intent: str, state: str | None) -> None:
        """Confirm makes none."""
        session = na.order(paymentIntent=intent)
        assert session["chargePermissionType"] is None
        if state is None:
            assert session["chargeId"] is None
        else:
            assert session["chargeId"].startswith(session["chargePermissionId"])
            assert na.state("getCharge", session["chargeId"]) == state

    def test_a_pending_authorization_answers_202(self, na: Shop) -> None:
        """Both ids are there already, and the replay has the same status."""
        session_id = na.visited(purchase(canHandlePendingAuthorization=True), cards=("0701",))
        first = na.call("completeCheckoutSession", session_id, key="pending", chargeAmount=usd("14.00"))
        again = na.call("completeCheckoutSession", session_id, key="pending", chargeAmount=usd("14.00"))
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json() == again.json()
        assert na.done("getCheckoutSession", session_id)["statusDetails"]["state"] == "Completed"
        assert na.state("getCharge", first.json()["chargeId"]) == "AuthorizationInitiated"
        na.emulator.clock.advance("PT30S")
        assert na.state("getCharge", first.json()["chargeId"]) == "Authorized"

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, (400, "MissingParameterValue")),
            ({"chargeAmount": usd("14.01")}, (409, "AmountMismatch")),
            ({"chargeAmount": usd("14.00"), "totalOrderAmount": usd("20.00")}, (409, "AmountMismatch")),
            ({"chargeAmount": usd("14.00", "EUR")}, (400, "CurrencyMismatch")),
            ({"chargeAmount": usd("14.001")}, (400, "InvalidParameterValue")),
            ({"amount": usd("14.00")}, (400, "UnrecognizedField")),
        ],
        ids=str,
    )
    def test_the_amount_must_be_the_sessions(self, na: Shop, body: Json, expected: tuple[int, str]) -> None:
        """A refusal leaves the session Open."""
        session_id = na.visited(purchase())
        assert refusal(na.call("completeCheckoutSession", session_id, **body)) == expected
        assert na.state("getCheckoutSession", session_id) == "Open"

    @pytest.mark.parametrize("amount", ["14", "14.0", "14.0000", 14, 14.0])
    def test_amounts_compare_as_numbers(self, na: Shop, amount: object) -> None:
        """Spelling does not matter."""
        session_id = na.visited(purchase())
        assert na.done("completeCheckoutSession", session_id, chargeAmount=usd(amount))["chargeId"]

    def test_a_set_up_takes_no_amount(self, na: Shop) -> None:
        """There is nothing to compare it with."""
        response = na.call("completeCheckoutSession", na.visited(), chargeAmount=usd("1.00"))
        assert refusal(response) == (409, "AmountMismatch")

    def test_the_order_total_is_repeated_where_it_was_set(self, na: Shop) -> None:
        """It becomes the permission's limit."""
        session_id = na.visited(purchase(totalOrderAmount=usd("30.00")))
        response = na.call("completeCheckoutSession", session_id, chargeAmount=usd("14.00"))
        assert refusal(response) == (400, "MissingParameterValue")
        amounts = {"chargeAmount": usd("14.00"), "totalOrderAmount": usd("30.00")}
        permission_id = na.done("completeCheckoutSession", session_id, **amounts)["chargePermissionId"]
        limits = na.done("getChargePermission", permission_id)["limits"]
        assert limits == {"amountLimit": usd("30.00"), "amountBalance": usd("16.00")}

    @pytest.mark.parametrize("kept", [{}, WALLET, MONTHLY], ids=["once", "wallet", "monthly"])
    def test_a_total_below_the_charge_is_refused_at_the_end(self, na: Shop, kept: Json) -> None:
        """It is taken with the session; nothing is held, and the session stays Open."""
        before = [na.emulator.control.get(f"objects/{kind}") for kind in ("charges", "chargePermissions")]
        session_id = na.visited(purchase(totalOrderAmount=usd("13.99")) | kept)
        amounts = {"chargeAmount": usd("14.00"), "totalOrderAmount": usd("13.99")}
        response = na.call("completeCheckoutSession", session_id, **amounts)
        assert refusal(response) == (400, "TransactionAmountExceeded")
        assert "14.00 is more than totalOrderAmount 13.99" in response.json()["message"]
        assert na.state("getCheckoutSession", session_id) == "Open"
        assert [na.emulator.control.get(f"objects/{kind}") for kind in ("charges", "chargePermissions")] == before

    @pytest.mark.parametrize(
        "details", [{"allowOvercharge": True}, {"paymentIntent": "Confirm"}], ids=["more", "later"]
    )
    def test_a_total_bounds_what_is_charged_now_and_may_not_be_more(self, na: Shop, details: Json) -> None:
        """An order that may be overcharged, and one that charges nothing yet."""
        amounts = {"chargeAmount": usd("14.00"), "totalOrderAmount": usd("13.99")}
        session_id = na.visited(purchase(totalOrderAmount=usd("13.99"), **details))
        assert na.done("completeCheckoutSession", session_id, **amounts)["statusDetails"]["state"] == "Completed"

    def test_nothing_is_final_before_the_buyer_has_been_there(self, na: Shop) -> None:
        """An Open session cannot be completed without the buyer."""
        assert refusal(na.call("completeCheckoutSession", na.session())) == WRONG_STATE

    def test_a_session_is_completed_once(self, na: Shop) -> None:
        """A second completion with a new key is refused, and so is an update."""
        session_id = na.visited()
        na.done("completeCheckoutSession", session_id)
        for operation in ("completeCheckoutSession", "finalizeCheckoutSession", "updateCheckoutSession"):
            response = na.call(operation, session_id)
            assert refusal(response) == WRONG_STATE
            assert response.json()["message"].startswith("You tried to call an operation on a Checkout Session that is")

    @pytest.mark.parametrize(
        ("card", "reason"), [("3064", "BuyerCanceled"), ("3434", "Declined")], ids=["buyer", "declined"]
    )
    def test_a_canceled_session_refuses_everything(self, na: Shop, card: str, reason: str) -> None:
        """The buyer arrives at the result address, but nothing can be completed."""
        session_id = na.session()
        assert na.buyer().walk(session_id, cards=(card,))[-1] == f"{RESULT}?amazonCheckoutSessionId={session_id}"
        for operation in ("completeCheckoutSession", "finalizeCheckoutSession", "updateCheckoutSession"):
            assert refusal(na.call(operation, session_id)) == CANCELED
        session = na.done("getCheckoutSession", session_id)
        assert session["statusDetails"]["reasonCode"] == reason
        assert session["statusDetails"]["reasonDescription"]
        assert (session["buyer"], session["billingAddress"]) == (None, None)

    def test_a_wallet_above_the_months_limit_is_not_charged(self, na: Shop) -> None:
        """The limit holds for the first charge too, and the session stays Open."""
        session_id = na.visited(WALLET | purchase("15000.01"))
        response = na.call("completeCheckoutSession", session_id, chargeAmount=usd("15000.01"))
        assert refusal(response) == (400, "PeriodicAmountExceeded")
        assert na.state("getCheckoutSession", session_id) == "Open"


class TestTime:
    """What the clock does to sessions."""

    def test_a_session_expires_after_24_hours(self, na: Shop) -> None:
        """Not a second before."""
        session_id = na.visited()
        na.emulator.clock.advance("PT23H59M59S")
        assert na.state("getCheckoutSession", session_id) == "Open"
        fired = na.emulator.clock.advance("PT1S")
        assert (session_id, "Expire") in [(row["id"], row["trigger"]) for row in fired]
        assert na.done("getCheckoutSession", session_id)["statusDetails"]["reasonCode"] == "Expired"
        assert refusal(na.call("completeCheckoutSession", session_id)) == CANCELED

    def test_a_session_is_deleted_30_days_after_its_end(self, eu: Shop) -> None:
        """It is not found afterward; its permission lives on."""
        session_id = eu.visited()
        permission_id = eu.done("completeCheckoutSession", session_id)["chargePermissionId"]
        eu.emulator.clock.advance("P29D")
        assert eu.state("getCheckoutSession", session_id) == "Completed"
        eu.emulator.clock.advance("P1D")
        assert refusal(eu.call("getCheckoutSession", session_id)) == (404, "ResourceNotFound")
        assert eu.state("getChargePermission", permission_id) == "Chargeable"


def test_cancel_address_and_others_are_kept(na: Shop) -> None:
    """All three addresses of a shop come back as they were sent."""
    web = {"checkoutReviewReturnUrl": REVIEW, "checkoutResultReturnUrl": RESULT, "checkoutCancelUrl": CANCEL}
    session = na.done("getCheckoutSession", na.session({"webCheckoutDetails": web}))
    assert session["webCheckoutDetails"] == web | {"amazonPayRedirectUrl": None}
