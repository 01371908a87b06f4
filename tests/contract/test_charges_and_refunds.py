"""Charges, refunds and buyers: what each call answers, in each state."""

import json
from datetime import datetime
from decimal import Decimal

import pytest

from amazonpay_nb.signing import authorization_header, canonical_request, sign, string_to_sign
from tests import emulated
from tests.emulated import RESULT, SET_UP, WALLET, Json, Shop, charge_in, purchase, recurring, refusal, usd
from tests.golden import OUTCOMES, Outcome, rows


class TestCreating:
    """Create Charge."""

    def test_a_charge_shows_every_field(self, na: Shop) -> None:
        """It is Authorized unless captureNow is sent, and names its permission."""
        wallet = na.wallet()
        response = na.try_charge(
            wallet, "14", chargeInitiator="MITU", channel="App", softDescriptor="SHOP",
            merchantMetadata={"merchantReferenceId": "A-1"}, webCheckoutDetails={"checkoutResultReturnUrl": RESULT},
            providerMetadata={"providerReferenceId": "P"}, platformId="X",
        )  # fmt: skip
        charge = response.json()
        assert response.status_code == 201
        assert charge == na.done("getCharge", charge["chargeId"])
        now = na.emulator.clock.now()
        assert charge == {
            "chargeId": charge["chargeId"], "chargeAmount": usd("14.00"), "chargePermissionId": wallet,
            "captureAmount": None, "refundedAmount": None, "softDescriptor": "AMZ*SHOP",
            "providerMetadata": {"providerReferenceId": "P"}, "convertedAmount": None, "conversionRate": None,
            "channel": "App", "chargeInitiator": "MITU",
            "statusDetails": {
                "state": "Authorized", "reasonCode": None, "reasonDescription": None,
                "lastUpdatedTimestamp": charge["creationTimestamp"],
            },
            "creationTimestamp": now.strftime("%Y%m%dT%H%M%SZ"),
            "expirationTimestamp": charge["expirationTimestamp"], "releaseEnvironment": "Sandbox",
            "merchantMetadata": {
                "merchantReferenceId": "A-1", "merchantStoreName": None, "noteToBuyer": None, "customInformation": None,
            },
            "platformId": "X", "webCheckoutDetails": {"checkoutResultReturnUrl": RESULT},
        }  # fmt: skip
        assert charge["chargeId"].startswith("S01-")
        assert not set(wallet.split("-")[1:]) & set(charge["chargeId"].split("-"))

    @pytest.mark.parametrize(
        ("ledger", "currency", "converted", "rate"),
        [("EUR", "CHF", "14.74", "0.9500"), ("GBP", "JPY", "0.07", "194.1176"), ("GBP", "EUR", "11.90", "1.1765"),
         ("EUR", "EUR", None, None), ("GBP", "GBP", None, None)],
    )  # fmt: skip
    def test_another_currency_than_the_ledgers_is_converted(
        self, eu: Shop, ledger: str, currency: str, converted: str | None, rate: str | None
    ) -> None:
        """Once the money is captured: the amount divided by the rate, as texts; a refund changes nothing."""
        price = usd("14" if currency == "JPY" else "14.00", currency)
        details = {"paymentIntent": "Authorize", "chargeAmount": price, "presentmentCurrency": currency}
        payload = emulated.end_of_checkout(paymentDetails=details, addressDetails=None)
        session_id = eu.click(payload, "PayOnly", ledgerCurrency=ledger).headers["location"].rpartition("=")[2]
        eu.buyer().walk(session_id)
        charge_id = eu.done("completeCheckoutSession", session_id, chargeAmount=price)["chargeId"]
        held = eu.done("getCharge", charge_id)
        assert (held["convertedAmount"], held["conversionRate"]) == (None, None)
        eu.done("captureCharge", charge_id, captureAmount=price)
        eu.done("createRefund", chargeId=charge_id, refundAmount=price)
        paid = eu.done("getCharge", charge_id)
        assert (paid["convertedAmount"], paid["conversionRate"]) == (converted, rate)

    def test_capture_now_captures(self, na: Shop) -> None:
        """And shows what was captured, and that nothing was refunded."""
        charge = na.charge(na.wallet(), captureNow=True)
        assert charge["statusDetails"]["state"] == "Captured"
        assert (charge["captureAmount"], charge["refundedAmount"]) == (usd("14.00"), usd("0.00"))

    @pytest.mark.parametrize(
        ("region", "currency", "ceiling", "step"),
        [("na", "USD", 150_000, "0.01"), ("eu", "EUR", 150_000, "0.01"), ("eu", "GBP", 150_000, "0.01"),
         ("jp", "JPY", 10_000_000, "1")],
    )  # fmt: skip
    def test_one_charge_has_a_ceiling(
        self, request: pytest.FixtureRequest, region: str, currency: str, ceiling: int, step: str
    ) -> None:
        """Up to it only the month's limit stands in the way."""
        shop: Shop = request.getfixturevalue(region)
        paid: Json = {"paymentIntent": "Confirm", "presentmentCurrency": currency}
        wallet = shop.wallet(SET_UP | {"paymentDetails": paid})
        assert refusal(shop.try_charge(wallet, ceiling, currency)) == (400, "PeriodicAmountExceeded")
        above = str(ceiling + Decimal(step))
        assert refusal(shop.try_charge(wallet, above, currency)) == (400, "TransactionAmountExceeded")

    @pytest.mark.parametrize(("region", "own"), [("na", "USD"), ("eu", "EUR"), ("eu", "SEK"), ("jp", "JPY")])
    def test_a_charge_is_in_the_permissions_currency(
        self, request: pytest.FixtureRequest, region: str, own: str
    ) -> None:
        """No other currency of Amazon's tables can be charged, neither one of the region nor one of another region."""
        shop: Shop = request.getfixturevalue(region)
        wallet = shop.wallet(SET_UP | {"paymentDetails": {"paymentIntent": "Confirm", "presentmentCurrency": own}})
        others = {currency for currency, *_ in rows("limits", "by currency")} - {own}
        assert len(others) == 11
        for currency in others:
            answer = shop.try_charge(wallet, 500, currency)
            assert refusal(answer) == (400, "CurrencyMismatch")
            assert f"{wallet} is in {own}, not in {currency}" in answer.json()["message"]
        assert shop.charge(wallet, 500, own)

    def test_a_charge_of_a_checkout_says_who_began_it(self, na: Shop) -> None:
        """The buyer, in the web; the permission's descriptor and metadata are the session's."""
        order = na.order(paymentIntent="AuthorizeWithCapture", softDescriptor="SHOP")
        charge = na.done("getCharge", order["chargeId"])
        assert (charge["chargeInitiator"], charge["channel"]) == ("CITU", "Web")
        assert (charge["softDescriptor"], charge["captureAmount"]) == ("AMZ*SHOP", usd("14.00"))

    @pytest.mark.parametrize(
        ("sent", "shown"), [("14", "14.00"), (14, "14.00"), (63.03, "63.03"), ("475.4500", "475.45"), (0.1, "0.10")]
    )
    def test_amounts_are_normalized(self, na: Shop, sent: object, shown: str) -> None:
        """Numbers are accepted; answers are strings with the currency's decimals."""
        assert na.charge(na.wallet(), sent)["chargeAmount"] == usd(shown)

    def test_a_number_with_trailing_zeros_is_read_as_text(self, na: Shop) -> None:
        """JSON knows 475.4500, and a float would not."""
        body = f'{{"chargePermissionId":"{na.wallet()}","chargeAmount":{{"amount":475.4500,"currencyCode":"USD"}}}}'
        response = na.send("POST", "/v2/charges", body.encode(), key="zeros")
        assert response.json()["chargeAmount"] == usd("475.45")

    @pytest.mark.parametrize("sent", [500, "500", "500.00", 500.0, "500.", "0.5"])
    def test_yen_have_no_decimals(self, jp: Shop, sent: object) -> None:
        """Not even zeros."""
        if "." in str(sent):
            assert refusal(jp.try_charge(jp.wallet(), sent, "JPY")) == (400, "InvalidParameterValue")
        else:
            assert jp.charge(jp.wallet(), sent, "JPY")["chargeAmount"] == usd("500", "JPY")

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"chargeAmount": usd("14.00", "EUR")}, (400, "CurrencyMismatch")),
            ({"chargeAmount": usd("14.00", "XXX")}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd("150000.01")}, (400, "TransactionAmountExceeded")),
            ({"chargeAmount": usd("9" * 400)}, (400, "TransactionAmountExceeded")),
            ({"chargeAmount": usd("0")}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd("-1")}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd("14.001")}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd("1e2")}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd("NaN")}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd(None)}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd([])}, (400, "InvalidParameterValue")),
            ({"chargeAmount": {"amount": "14.00"}}, (400, "MissingParameterValue")),
            ({"chargeAmount": "14.00"}, (400, "InvalidParameterValue")),
            ({"chargeAmount": None}, (400, "InvalidParameterValue")),
            ({"captureNow": "perhaps"}, (400, "InvalidParameterValue")),
            ({"captureNow": True, "canHandlePendingAuthorization": True}, (400, "InvalidParameterCombination")),
            ({"chargeInitiator": "ME"}, (400, "InvalidParameterValue")),
            ({"channel": "Firetv"}, (400, "InvalidParameterValue")),
            ({"softDescriptor": "x" * 17}, (400, "InvalidParameterValue")),
            ({"amount": "14.00"}, (400, "UnrecognizedField")),
            ({"chargePermissionId": "C01-0000000-0000000"}, (404, "ResourceNotFound")),
            ({"chargePermissionId": ""}, (404, "ResourceNotFound")),
            ({"chargePermissionId": 7}, (400, "InvalidParameterValue")),
            ({"chargeAmount": usd(" 14.00")}, (400, "InvalidParameterValue")),
            *(({"captureNow": word}, (400, "InvalidParameterValue")) for word in ("yes", "on", "t", 1, "TRUE", [])),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_refused(self, na: Shop, fields: Json, expected: tuple[int, str]) -> None:
        """The reason code says what kind of mistake it is."""
        body: Json = {"chargePermissionId": na.wallet(), "chargeAmount": usd("14.00")} | fields
        assert refusal(na.call("createCharge", **body)) == expected

    def test_the_state_is_judged_before_the_amount(self, na: Shop) -> None:
        """A closed wallet says so, whatever the amount."""
        wallet = na.wallet()
        na.done("closeChargePermission", wallet)
        assert refusal(na.try_charge(wallet, "150000.01")) == (422, "InvalidChargePermissionStatus")

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [({"chargeAmount": []}, "[chargeAmount] is invalid: Input should be a valid dictionary."),
         ({"chargeAmount": {"amount": True, "currencyCode": "USD"}},
          "[chargeAmount.amount] is invalid: Input should be a valid string.")],
        ids=str,
    )  # fmt: skip
    def test_a_wrong_value_is_named(self, na: Shop, fields: Json, problem: str) -> None:
        """By its own place, without ours."""
        response = na.call("createCharge", **{"chargePermissionId": na.wallet()} | fields)
        assert response.json()["message"] == f"The value provided for {problem}"

    @pytest.mark.parametrize(("sent", "captured"), [("true", True), ("false", False), (None, False)])
    def test_a_flag_may_be_a_text(self, na: Shop, sent: str | None, captured: bool) -> None:
        """As in a payload that checkout.js reads."""
        charge = na.charge(na.wallet(), captureNow=sent)
        assert charge["statusDetails"]["state"] == ("Captured" if captured else "Authorized")

    def test_an_unknown_field_is_named(self, na: Shop) -> None:
        """With Amazon's own sentence."""
        response = na.try_charge(na.wallet(), checkoutMode="ProcessOrder")
        assert response.json()["message"] == "The field 'checkoutMode' is invalid for this API."


class TestCanceling:
    """Cancel Charge; what each state allows is tried in `test_refusals`."""

    def test_a_cancellation_keeps_the_merchants_words(self, na: Shop) -> None:
        """MerchantCanceled, and why."""
        charge_id = charge_in(na, "Authorized")
        details = na.done("cancelCharge", charge_id, cancellationReason="out of stock")["statusDetails"]
        assert (details["state"], details["reasonCode"], details["reasonDescription"]) == (
            "Canceled", "MerchantCanceled", "out of stock",
        )  # fmt: skip


class TestCapturing:
    """Capture Charge."""

    def test_less_may_be_captured(self, na: Shop) -> None:
        """Once."""
        charge_id = charge_in(na, "Authorized")
        charge = na.done("captureCharge", charge_id, captureAmount=usd("10.00"), softDescriptor="LATE")
        assert (charge["captureAmount"], charge["softDescriptor"]) == (usd("10.00"), "AMZ*LATE")
        response = na.call("captureCharge", charge_id, captureAmount=usd("4.00"))
        assert refusal(response) == (422, "InvalidChargeStatus")

    @pytest.mark.parametrize(
        ("amount", "expected"),
        [
            (usd("14.01"), (400, "TransactionAmountExceeded")),
            (usd("14.00", "EUR"), (400, "CurrencyMismatch")),
            (usd("0.00"), (400, "InvalidParameterValue")),
            (None, (400, "InvalidParameterValue")),
        ],
        ids=str,
    )
    def test_not_more(self, na: Shop, amount: Json | None, expected: tuple[int, str]) -> None:
        """And only in the currency of the authorization."""
        charge_id = charge_in(na, "Authorized")
        assert refusal(na.call("captureCharge", charge_id, captureAmount=amount)) == expected
        assert na.state("getCharge", charge_id) == "Authorized"

    def test_the_state_is_judged_before_the_amount(self, na: Shop) -> None:
        """What is captured says so, whatever the amount."""
        charge_id = charge_in(na, "Captured")
        for amount in (usd("14.01"), usd("14.00", "EUR")):
            assert refusal(na.call("captureCharge", charge_id, captureAmount=amount)) == (422, "InvalidChargeStatus")

    @pytest.mark.parametrize(
        ("code", "expected"),
        [("AmazonRejectedAtOnce", (422, "AmazonRejected")), ("ProcessingFailure", (500, "ProcessingFailure"))],
    )
    def test_a_declined_capture_leaves_the_authorization(self, na: Shop, code: str, expected: tuple[int, str]) -> None:
        """It can be captured later, also that of a one-time order."""
        for permission_id in (na.wallet(), na.order(paymentIntent="Confirm")["chargePermissionId"]):
            charge = na.charge(permission_id)
            before = na.done("getChargePermission", permission_id)["statusDetails"]
            amount: Json = {"captureAmount": usd("14.00")}
            assert refusal(na.call("captureCharge", charge["chargeId"], code=code, **amount)) == expected
            assert na.state("getCharge", charge["chargeId"]) == "Authorized"
            assert na.done("getChargePermission", permission_id)["statusDetails"] == before
            assert na.done("captureCharge", charge["chargeId"], **amount)

    @pytest.mark.parametrize("code", ["SoftDeclined", "HardDeclined", "TransactionTimedOut", "MFANotCompleted"])
    def test_no_capture_is_refused_as_only_a_charge_can_be(self, na: Shop, code: str) -> None:
        """These codes belong to Create Charge."""
        charge_id = na.charge(na.wallet())["chargeId"]
        response = na.call("captureCharge", charge_id, code=code, captureAmount=usd("14.00"))
        assert refusal(response) == (400, "InvalidSandboxSimulationSpecified")

    def test_a_hard_decline_does_not_open_a_closed_permission(self, na: Shop) -> None:
        """Closed is final."""
        wallet = na.wallet()
        na.charge(wallet, code="PendingHardDeclined", canHandlePendingAuthorization=True)
        na.done("closeChargePermission", wallet)
        na.emulator.clock.advance("PT30S")
        assert na.state("getChargePermission", wallet) == "Closed"

    def test_an_authorization_that_was_pending_expires_when_it_says(self, na: Shop) -> None:
        """Thirty days are counted from its creation, not from Amazon's answer."""
        pending: Json = {"canHandlePendingAuthorization": True}
        charge = na.charge(na.wallet(), code="AuthorizationInitiated", **pending)
        wait = datetime.fromisoformat(charge["expirationTimestamp"]) - na.emulator.clock.now()
        na.emulator.clock.advance(f"PT{int(wait.total_seconds()) - 1}S")
        assert na.state("getCharge", charge["chargeId"]) == "Authorized"
        na.emulator.clock.advance("PT1S")
        assert na.done("getCharge", charge["chargeId"])["statusDetails"]["reasonCode"] == "ExpiredUnused"

    def test_after_seven_days_it_takes_time(self, eu: Shop) -> None:
        """Exactly seven days are still synchronous."""
        wallet = eu.wallet()
        first, second = (eu.charge(wallet, currency="EUR")["chargeId"] for _ in range(2))
        eu.emulator.clock.advance("P7D")
        amount = usd("14.00", "EUR")
        assert eu.done("captureCharge", first, captureAmount=amount)["statusDetails"]["state"] == "Captured"
        eu.emulator.clock.advance("PT1S")
        charge = eu.done("captureCharge", second, captureAmount=amount)
        assert (charge["statusDetails"]["state"], charge["captureAmount"]) == ("CaptureInitiated", None)
        eu.emulator.clock.advance("PT30S")
        charge = eu.done("getCharge", second)
        assert (charge["statusDetails"]["state"], charge["captureAmount"]) == ("Captured", amount)

    def test_an_authorization_expires_after_30_days(self, eu: Shop) -> None:
        """ExpiredUnused; a captured one does not."""
        wallet = eu.wallet()
        open_, captured = (eu.charge(wallet, currency="EUR", captureNow=now)["chargeId"] for now in (False, True))
        eu.emulator.clock.advance("P29DT23H59M59S")
        assert eu.state("getCharge", open_) == "Authorized"
        eu.emulator.clock.advance("PT1S")
        assert eu.done("getCharge", open_)["statusDetails"]["reasonCode"] == "ExpiredUnused"
        assert eu.charge(wallet, currency="EUR")
        assert eu.state("getCharge", captured) == "Captured"

    def test_a_closed_permission_does_not_prevent_it(self, na: Shop) -> None:
        """Unless its charges were canceled with it."""
        wallet = na.wallet()
        charge = na.charge(wallet)
        na.done("closeChargePermission", wallet)
        assert na.done("captureCharge", charge["chargeId"], captureAmount=usd("14.00"))


class TestRefunding:
    """Create Refund."""

    def test_a_refund_takes_30_seconds(self, na: Shop) -> None:
        """The charge's refundedAmount grows when it is Refunded."""
        charge_id = charge_in(na, "Captured")
        response = na.call("createRefund", chargeId=charge_id, refundAmount=usd(4), softDescriptor="BACK")
        refund = response.json()
        assert response.status_code == 201
        assert refund == {
            "refundId": refund["refundId"], "chargeId": charge_id, "refundAmount": usd("4.00"),
            "softDescriptor": "AMZ*BACK", "creationTimestamp": refund["creationTimestamp"],
            "statusDetails": {
                "state": "RefundInitiated", "reasonCode": None, "reasonDescription": None,
                "lastUpdatedTimestamp": refund["creationTimestamp"],
            },
            "releaseEnvironment": "Sandbox",
        }  # fmt: skip
        assert refund["refundId"].startswith(charge_id.rpartition("-")[0] + "-R")
        assert na.done("getCharge", charge_id)["refundedAmount"] == usd("0.00")
        na.emulator.clock.advance("PT29S")
        assert na.state("getRefund", refund["refundId"]) == "RefundInitiated"
        na.emulator.clock.advance("PT1S")
        assert na.state("getRefund", refund["refundId"]) == "Refunded"
        assert na.done("getCharge", charge_id)["refundedAmount"] == usd("4.00")

    @pytest.mark.parametrize(
        ("region", "currency", "captured", "most", "step"),
        [("na", "USD", 100, "115.00", "0.01"), ("na", "USD", 1000, "1075.00", "0.01"), ("jp", "JPY", 100, "115", "1"),
         ("jp", "JPY", 100_000, "108400", "1"), ("eu", "GBP", "0.99", "1.13", "0.01")],
    )  # fmt: skip
    def test_a_little_more_than_was_captured(
        self, request: pytest.FixtureRequest, region: str, currency: str, captured: object, most: str, step: str
    ) -> None:
        """15 %, up to 75 dollars or 8,400 yen; over several refunds together."""
        shop: Shop = request.getfixturevalue(region)
        body = {"paymentIntent": "Confirm", "presentmentCurrency": currency}
        wallet = shop.wallet(SET_UP | {"paymentDetails": body})
        charge_id = shop.charge(wallet, captured, currency, captureNow=True)["chargeId"]
        over = usd(str(Decimal(most) + Decimal(step)), currency)
        assert refusal(shop.call("createRefund", chargeId=charge_id, refundAmount=over)) == (
            400, "TransactionAmountExceeded",
        )  # fmt: skip
        assert shop.done("createRefund", chargeId=charge_id, refundAmount=usd(most, currency))
        again = shop.call("createRefund", chargeId=charge_id, refundAmount=usd(step, currency))
        assert refusal(again) == (400, "TransactionAmountExceeded")

    def test_a_declined_refund_frees_its_amount(self, na: Shop) -> None:
        """The reason is on the refund."""
        charge_id = charge_in(na, "Captured")
        refund = na.done("createRefund", chargeId=charge_id, refundAmount=usd("14.00"), code="AmazonRejected")
        na.emulator.clock.advance("PT30S")
        details = na.done("getRefund", refund["refundId"])["statusDetails"]
        assert (details["state"], details["reasonCode"]) == ("Declined", "AmazonRejected")
        assert na.done("getCharge", charge_id)["refundedAmount"] == usd("0.00")
        assert na.done("createRefund", chargeId=charge_id, refundAmount=usd("14.00"))

    def test_there_are_ten_refunds_of_a_charge(self, na: Shop) -> None:
        """The eleventh is refused."""
        charge_id = charge_in(na, "Captured")
        for _ in range(10):
            na.done("createRefund", chargeId=charge_id, refundAmount=usd("0.10"))
        response = na.call("createRefund", chargeId=charge_id, refundAmount=usd("0.10"))
        assert refusal(response) == (422, "TransactionCountExceeded")

    def test_a_refund_that_fails_leaves_none(self, na: Shop) -> None:
        """Amazon's internal error, and a new attempt."""
        body: Json = {"chargeId": charge_in(na, "Captured"), "refundAmount": usd("14.00")}
        response = na.call("createRefund", code="ProcessingFailureAtOnce", **body)
        assert refusal(response) == (500, "ProcessingFailure")
        assert na.done("createRefund", **body)

    def test_there_is_no_time_limit(self, jp: Shop) -> None:
        """Five years later."""
        charge_id = jp.charge(jp.wallet(), 500, "JPY", captureNow=True)["chargeId"]
        jp.emulator.clock.advance("P1826D")
        assert jp.done("createRefund", chargeId=charge_id, refundAmount=usd(500, "JPY"))

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"refundAmount": usd("1.00", "EUR")}, (400, "CurrencyMismatch")),
            ({"refundAmount": usd("0.00")}, (400, "InvalidParameterValue")),
            ({"chargeId": "S01-0000000-0000000-C000000"}, (404, "ResourceNotFound")),
            ({"reason": "broken"}, (400, "UnrecognizedField")),
            ({"softDescriptor": "x" * 17}, (400, "InvalidParameterValue")),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_refused(self, na: Shop, fields: Json, expected: tuple[int, str]) -> None:
        """The reason code says what kind of mistake it is."""
        body: Json = {"chargeId": charge_in(na, "Captured"), "refundAmount": usd("1.00")} | fields
        assert refusal(na.call("createRefund", **body)) == expected


def prepared(shop: Shop, row: Outcome) -> tuple[str, Json]:
    """Return object id and fields of a call that a simulation code can decide."""
    amount = {"captureAmount": usd("14.00")}
    match row.operation:
        case "completeCheckoutSession":
            session_id = shop.visited(purchase(canHandlePendingAuthorization=True))
            return session_id, {"chargeAmount": usd("14.00")}
        case "createCharge":
            needed = {row.needs: True} if row.needs else {}
            return "", {"chargePermissionId": shop.wallet(), "chargeAmount": usd("14.00")} | needed
        case "captureCharge":
            return charge_in(shop, "Authorized"), amount
        case "closeChargePermission":
            return shop.wallet(), {}
    assert row.operation == "createRefund"
    return "", {"chargeId": charge_in(shop, "Captured"), "refundAmount": usd("14.00")}


READ = {
    "completeCheckoutSession": ("getCharge", "chargeId"),
    "createCharge": ("getCharge", "chargeId"),
    "captureCharge": ("getCharge", "chargeId"),
    "closeChargePermission": ("getChargePermission", "chargePermissionId"),
    "createRefund": ("getRefund", "refundId"),
}


class TestSimulations:
    """Every row of the table of simulation codes, as documented."""

    @pytest.mark.parametrize("queued", [False, True], ids=["header", "queue"])
    @pytest.mark.parametrize("row", OUTCOMES, ids=str)
    def test_a_code_does_what_its_row_says(self, na: Shop, row: Outcome, queued: bool) -> None:
        """Status, reason code, state now and state later; by header and by the queue."""
        object_id, fields = prepared(na, row)
        if queued:
            na.emulator.outcomes(row.operation, row.code)
        response = na.call(row.operation, object_id, code=None if queued else row.code, **fields)
        assert response.status_code == row.status
        if row.reason_code:
            assert refusal(response) == (row.status, row.reason_code)
            if row.state:
                details = na.done("getCheckoutSession", object_id)["statusDetails"]
                assert (details["state"], details["reasonCode"]) == (row.state, row.later_reason)
            return
        call, name = READ[row.operation]
        changed = response.json()[name]
        assert na.state(call, changed) == row.state
        if row.later_state:
            na.emulator.clock.advance(f"PT{row.seconds - 1}S")
            assert na.state(call, changed) == row.state
            na.emulator.clock.advance("PT1S")
        details = na.done(call, changed)["statusDetails"]
        reasons = details.get("reasons", [details])
        assert details["state"] == (row.later_state or row.state)
        assert [reason["reasonCode"] for reason in reasons] == [row.later_reason]

    @pytest.mark.parametrize("code", ["BuyerCanceled", "AmazonCanceled", "Declined"])
    def test_a_canceling_code_cancels_the_session(self, na: Shop, code: str) -> None:
        """The refusal is kept, and the session has the reason."""
        session_id = na.visited()
        first = na.call("completeCheckoutSession", session_id, code=code)
        assert refusal(first) == (422, "CheckoutSessionCanceled")
        assert na.done("getCheckoutSession", session_id)["statusDetails"]["reasonCode"] == code

    @pytest.mark.parametrize(("code", "state"), [("HardDeclined", "NonChargeable"), ("SoftDeclined", "Chargeable")])
    def test_a_decline_may_change_the_permission(self, na: Shop, code: str, state: str) -> None:
        """No charge is left behind, and the next one needs a new key."""
        wallet = na.wallet()
        first = na.try_charge(wallet, code=code, key=f"decline-{code}")
        assert na.state("getChargePermission", wallet) == state
        assert na.try_charge(wallet, code=code, key=f"decline-{code}").json() == first.json()

    def test_a_rejection_closes_a_one_time_permission(self, na: Shop) -> None:
        """At once or late; a Saved Wallet and a recurring permission stay open."""
        open_ = (na.wallet(), recurring(na))
        one_time = [na.order("50.00", paymentIntent="Confirm")["chargePermissionId"] for _ in range(2)]
        for permission_id in (*open_, one_time[0]):
            assert refusal(na.try_charge(permission_id, code="AmazonRejected")) == (422, "AmazonRejected")
        late = na.charge(one_time[1], code="AuthorizationInitiated", canHandlePendingAuthorization=True)["chargeId"]
        na.emulator.control.post(f"charges/{late}", state="Declined", reasonCode="AmazonRejected")
        assert [na.state("getChargePermission", permission_id) for permission_id in open_] == ["Chargeable"] * 2
        for permission_id in one_time:
            details = na.done("getChargePermission", permission_id)["statusDetails"]
            assert (details["state"], details["reasons"][0]["reasonCode"]) == ("Closed", "AmazonClosed")

    def test_a_late_hard_decline_changes_it_too(self, na: Shop) -> None:
        """The follow-up is the table's, not the call's."""
        wallet = na.wallet()
        na.charge(wallet, code="PendingHardDeclined", canHandlePendingAuthorization=True)
        na.emulator.clock.advance("PT30S")
        details = na.done("getChargePermission", wallet)["statusDetails"]
        assert (details["state"], details["reasons"][0]["reasonCode"]) == ("NonChargeable", "PaymentMethodInvalid")

    def test_a_decline_leaves_no_charge(self, na: Shop) -> None:
        """Neither the order's total nor the month's limit is touched, and no charge is counted."""
        wallet = na.wallet()
        assert refusal(na.try_charge(wallet, 15_000, code="SoftDeclined")) == (422, "SoftDeclined")
        assert na.charge(wallet, 15_000)
        order = na.order(paymentIntent="Confirm", totalOrderAmount=usd("25.00"))["chargePermissionId"]
        for _ in range(3):
            assert refusal(na.try_charge(order, "25.00", code="SoftDeclined")) == (422, "SoftDeclined")
        assert na.done("getChargePermission", order)["limits"]["amountBalance"] == usd("25.00")
        assert all(na.charge(order, "1.00") for _ in range(25))

    @pytest.mark.parametrize("signed", [False, True])
    def test_a_code_may_be_signed_or_not(self, na: Shop, signed: bool) -> None:
        """SDKs differ; the signature is checked over what SignedHeaders lists."""
        body = json.dumps({"chargePermissionId": na.wallet(), "chargeAmount": usd("14.00")}).encode()
        headers = na.headers(x_amz_pay_idempotency_key=f"code-{signed}", x_amz_pay_simulation_code="SoftDeclined")
        names = ";".join(sorted(name for name in headers if signed or "simulation" not in name))
        canonical = canonical_request("POST", "/v2/charges", "", list(headers.items()), names, body)
        keys = na.keys
        signature = sign(
            string_to_sign(canonical, algorithm=keys.algorithm), keys.private_key, algorithm=keys.algorithm
        )
        headers["authorization"] = authorization_header(keys.public_key_id, names, signature, keys.algorithm)
        assert refusal(na.http.post("/v2/charges", content=body, headers=headers)) == (422, "SoftDeclined")

    def test_a_server_error_is_not_stored(self, na: Shop) -> None:
        """The same key gets the work done."""
        wallet = na.wallet()
        na.emulator.outcomes("createCharge", "ProcessingFailure")
        assert refusal(na.try_charge(wallet, key="failure")) == (500, "ProcessingFailure")
        assert na.charge(wallet, key="failure")

    @pytest.mark.parametrize(
        ("operation", "code"),
        [("createCharge", "Nonsense"), ("createCharge", "BuyerCanceled"), ("getCharge", "SoftDeclined"),
         ("createCheckoutSession", "Declined"), ("cancelCharge", "AmazonRejected"), ("createRefund", "<script>")],
    )  # fmt: skip
    def test_an_unknown_code_is_refused(self, na: Shop, operation: str, code: str) -> None:
        """And one of another operation, also where the operation knows none."""
        object_id, fields = "", Json()
        if operation == "createCharge":
            fields = {"chargePermissionId": na.wallet(), "chargeAmount": usd("14.00")}
        elif operation == "createCheckoutSession":
            fields = {"storeId": na.account.store_id} | purchase()
        elif operation == "createRefund":
            fields = {"chargeId": charge_in(na, "Captured"), "refundAmount": usd("1.00")}
        else:
            object_id = charge_in(na, "Authorized")
        response = na.call(operation, object_id, code=code, **fields)
        assert refusal(response) == (400, "InvalidSandboxSimulationSpecified")

    @pytest.mark.parametrize("code", ["AuthorizationInitiated", "PendingHardDeclined", "CaptureInitiated"])
    def test_a_pending_code_needs_its_flag(self, na: Shop, code: str) -> None:
        """Without it, it cannot be simulated."""
        assert refusal(na.try_charge(na.wallet(), code=code)) == (400, "InvalidSandboxSimulationSpecified")

    def test_a_pending_code_needs_a_charge(self, na: Shop) -> None:
        """A set-up charges nothing."""
        response = na.call("completeCheckoutSession", na.visited(), code="AuthorizationInitiated")
        assert refusal(response) == (400, "InvalidSandboxSimulationSpecified")

    def test_the_header_wins_over_the_queue_and_the_queue_over_the_card(self, na: Shop) -> None:
        """What is queued waits for a call without a header; the card decides where nothing is asked for."""
        pending: Json = {"canHandlePendingAuthorization": True}
        session_id = na.visited(WALLET | purchase(**pending), cards=("0701",))
        wallet = na.done("completeCheckoutSession", session_id, chargeAmount=usd("14.00"))["chargePermissionId"]
        na.emulator.outcomes("createCharge", "SoftDeclined", times=2)
        assert refusal(na.try_charge(wallet, code="AmazonRejected", **pending)) == (422, "AmazonRejected")
        assert [refusal(na.try_charge(wallet, **pending)) for _ in range(2)] == [(422, "SoftDeclined")] * 2
        assert na.charge(wallet, **pending)["statusDetails"]["state"] == "AuthorizationInitiated"

    def test_the_card_of_a_wallet_decides_about_later_charges(self, na: Shop) -> None:
        """Where the merchant can handle a pending authorization."""
        session_id = na.visited(
            purchase(canHandlePendingAuthorization=True) | {"chargePermissionType": "PaymentMethodOnFile"},
            cards=("4354",),
        )
        wallet = na.done("completeCheckoutSession", session_id, chargeAmount=usd("14.00"))["chargePermissionId"]
        assert na.charge(wallet)["statusDetails"]["state"] == "Authorized"
        pending = na.charge(wallet, canHandlePendingAuthorization=True)
        assert pending["statusDetails"]["state"] == "AuthorizationInitiated"
        na.emulator.clock.advance("PT30S")
        assert na.done("getCharge", pending["chargeId"])["statusDetails"]["reasonCode"] == "HardDeclined"


class TestBuyer:
    """Get Buyer."""

    @pytest.mark.parametrize("token", ["unknown", "A%2Bb%2Fc%3D", "%F0%9F%92%A5", "a" * 2000])
    def test_an_unknown_token_is_not_found(self, na: Shop, token: str) -> None:
        """However it is spelled."""
        expected = (404, "ResourceNotFound")
        assert refusal(na.send("GET", f"/v2/buyers/{token}")) == expected
