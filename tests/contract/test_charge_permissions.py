"""Charge Permissions: their shape, what changes them, and what their type allows."""

from datetime import datetime, timedelta

import pytest

from amazonpay_nb.spec.operations import KINDS
from tests.emulated import SET_UP, Json, Shop, purchase, recurring, refusal, usd
from tests.golden import TRANSITIONS, Row

METADATA = ("merchantReferenceId", "merchantStoreName", "noteToBuyer", "customInformation")
# What only Amazon, the buyer or the clock can cause, from a permission that has been set up.
CAUSED = [
    row for row in TRANSITIONS
    if (row.machine, row.source) == ("Charge Permission", "Chargeable") and row.actor != "merchant"
]  # fmt: skip


def limits(shop: Shop, permission_id: str) -> Json:
    shown: Json = shop.done("getChargePermission", permission_id)["limits"]
    return shown


def put(shop: Shop, permission_id: str, row: Row) -> None:
    body = {"state": row.target, "reasonCode": row.reason}
    answer = shop.emulator.control.post(f"permissions/{permission_id}", **body)
    assert answer["statusDetails"]["state"] == row.target


class TestShape:
    """Get Charge Permission."""

    def test_a_saved_wallet_never_expires_and_shows_no_limits(self, na: Shop) -> None:
        """Its statusDetails hold a list of reasons, or null."""
        permission_id = na.wallet()
        permission = na.done("getChargePermission", permission_id)
        assert permission["chargePermissionId"] == permission_id
        assert permission["chargePermissionType"] == "PaymentMethodOnFile"
        assert permission["paymentMethodOnFileMetadata"] == {"setupOnly": True}
        assert permission["expirationTimestamp"] is None
        assert permission["limits"] == {"amountLimit": None, "amountBalance": None}
        assert permission["recurringMetadata"] == {"frequency": None, "amount": None}
        assert permission["paymentPreferences"] == [{"paymentDescriptor": "Visa ****1111 (Amazon Pay)"}]
        assert permission["buyer"]["buyerId"].startswith("amzn1.account.")
        assert (permission["presentmentCurrency"], permission["releaseEnvironment"]) == ("USD", "Sandbox")
        assert permission["statusDetails"] == {
            "state": "Chargeable", "reasons": None, "lastUpdatedTimestamp": permission["creationTimestamp"],
        }  # fmt: skip

    def test_its_currency_is_the_first_that_was_named(self, eu: Shop) -> None:
        """The presentment currency, then that of the amount, then the button's, then the account's usual one."""
        details = {"paymentIntent": "Confirm", "presentmentCurrency": "SEK"}
        chosen = eu.wallet(SET_UP | {"paymentDetails": details})
        paid, both = eu.order("14.00", "CHF"), eu.order("14.00", "CHF", presentmentCurrency="CHF")
        response = eu.click(SET_UP, ledgerCurrency="GBP")
        session_id = response.headers["location"].rpartition("=")[2]
        eu.buyer().walk(session_id)
        clicked = eu.done("completeCheckoutSession", session_id)
        permissions = [chosen, paid["chargePermissionId"], both["chargePermissionId"], clicked["chargePermissionId"]]
        read = [eu.done("getChargePermission", each)["presentmentCurrency"] for each in (*permissions, eu.wallet())]
        assert read == ["SEK", "CHF", "CHF", "GBP", "EUR"]

    def test_a_one_time_permission_expires_after_180_days(self, eu: Shop) -> None:
        """Or after thirteen months, where the session asked for that; a wallet outlives both."""
        one = eu.order(currency="EUR", paymentIntent="Confirm")["chargePermissionId"]
        extended = eu.order(currency="EUR", paymentIntent="Confirm", extendExpiration=True)["chargePermissionId"]
        wallet = eu.wallet()
        assert one.startswith("S02-")
        assert eu.done("getChargePermission", one)["expirationTimestamp"] == "20260714T120000Z"
        assert eu.done("getChargePermission", extended)["expirationTimestamp"] == "20270215T120000Z"
        eu.emulator.clock.advance("P180D")
        permission = eu.done("getChargePermission", one)
        assert permission["statusDetails"]["reasons"][0]["reasonCode"] == "Expired"
        assert eu.state("getChargePermission", extended) == "Chargeable"
        eu.emulator.clock.advance("P216D")
        assert eu.state("getChargePermission", extended) == "Closed"
        assert eu.state("getChargePermission", wallet) == "Chargeable"

    def test_a_closed_wallet_forgets_the_buyer(self, na: Shop) -> None:
        """Buyer details can be read while a wallet is open."""
        permission_id = na.wallet()
        na.done("closeChargePermission", permission_id)
        permission = na.done("getChargePermission", permission_id)
        assert (permission["buyer"], permission["billingAddress"]) == (None, None)

    @pytest.mark.parametrize("closed", [False, True])
    def test_a_one_time_permission_forgets_the_buyer_after_30_days(self, na: Shop, closed: bool) -> None:
        """Counted from its creation, whether it is closed or not."""
        permission_id = na.order(paymentIntent="AuthorizeWithCapture" if closed else "Confirm")["chargePermissionId"]
        na.emulator.clock.advance("P29DT23H59M59S")
        assert na.done("getChargePermission", permission_id)["buyer"]["buyerId"]
        na.emulator.clock.advance("PT1S")
        permission = na.done("getChargePermission", permission_id)
        assert (permission["buyer"], permission["shippingAddress"], permission["billingAddress"]) == (None, None, None)
        assert permission["statusDetails"]["state"] == ("Closed" if closed else "Chargeable")

    def test_a_recurring_permission_forgets_the_buyer_30_days_after_its_end(self, na: Shop) -> None:
        """And shows the buyer for as long as it is open."""
        permission_id = recurring(na)
        na.emulator.clock.advance("P100D")
        na.done("closeChargePermission", permission_id)
        na.emulator.clock.advance("P29D")
        assert na.done("getChargePermission", permission_id)["buyer"]["buyerId"]
        na.emulator.clock.advance("P1D")
        assert na.done("getChargePermission", permission_id)["buyer"] is None

    def test_a_recurring_permission_lives_13_months(self, na: Shop) -> None:
        """Charging it does not make it live longer."""
        permission_id = recurring(na)
        made, expires = (
            datetime.fromisoformat(na.done("getChargePermission", permission_id)[f"{name}Timestamp"])
            for name in ("creation", "expiration")
        )
        assert (expires.year * 12 + expires.month) - (made.year * 12 + made.month) == 13
        assert expires.time() == made.time()
        na.emulator.clock.advance(f"P{(expires - made).days - 1}D")
        assert na.charge(permission_id, "1.00")
        na.emulator.clock.advance("P1D")
        details = na.done("getChargePermission", permission_id)["statusDetails"]
        assert (details["state"], details["reasons"][0]["reasonCode"]) == ("Closed", "Expired")

    def test_nothing_expires_that_was_closed(self, jp: Shop) -> None:
        """The clock lists only what happened."""
        permission_id = jp.order(500, "JPY", paymentIntent="Confirm")["chargePermissionId"]
        jp.done("closeChargePermission", permission_id)
        fired = jp.emulator.clock.advance("P181D")
        assert [row["trigger"] for row in fired if row["id"] == permission_id] == ["Forget the buyer"]


class TestControl:
    """What only Amazon or the buyer can cause."""

    @pytest.mark.parametrize("row", CAUSED, ids=lambda row: f"{row.target}-{row.reason}")
    def test_every_row_can_be_caused(self, na: Shop, row: Row) -> None:
        """The permission shows state and reason, and takes charges only while Chargeable."""
        permission_id = na.wallet()
        put(na, permission_id, row)
        details = na.done("getChargePermission", permission_id)["statusDetails"]
        codes = [reason["reasonCode"] for reason in details["reasons"] or []]
        assert (details["state"], codes) == (row.target, [row.reason] if row.reason else [])
        assert all(reason["reasonDescription"] for reason in details["reasons"] or [])
        response = na.try_charge(permission_id)
        if row.target == "Chargeable":
            assert response.status_code == 201
        else:
            assert refusal(response) == (422, "InvalidChargePermissionStatus")
            assert permission_id in response.json()["message"]

    def test_one_reason_replaces_another(self, na: Shop) -> None:
        """And a repaired wallet has none."""
        permission_id = na.wallet()
        reasons = {row.reason: row for row in CAUSED}
        put(na, permission_id, reasons["PaymentMethodExpired"])
        put(na, permission_id, reasons["PaymentMethodDeleted"])
        details = na.done("getChargePermission", permission_id)["statusDetails"]
        assert [row["reasonCode"] for row in details["reasons"]] == ["PaymentMethodDeleted"]
        put(na, permission_id, reasons[None])
        assert na.done("getChargePermission", permission_id)["statusDetails"]["reasons"] is None

    def test_what_the_table_does_not_hold_cannot_be_caused(self, na: Shop) -> None:
        """A merchant's own closing is the merchant's, and Closed is final."""
        permission_id = na.wallet()
        http = na.emulator.control
        headers = {"authorization": f"Bearer {http.token}"}
        address = f"{http.url}/permissions/{permission_id}"
        response = na.http.post(address, json={"state": "Closed", "reasonCode": "MerchantClosed"}, headers=headers)
        assert response.status_code == 400
        assert "MerchantClosed" not in response.json()["error"]
        na.done("closeChargePermission", permission_id)
        response = na.http.post(address, json={"state": "Chargeable"}, headers=headers)
        assert (response.status_code, "possible: nothing" in response.json()["error"]) == (400, True)


class TestUpdating:
    """Update Charge Permission."""

    @pytest.mark.parametrize("reason", [None, "PaymentMethodExpired"])
    def test_metadata_can_change_any_number_of_times(self, na: Shop, reason: str | None) -> None:
        """State, reasons and their time stay as they were."""
        permission_id = na.wallet()
        if reason:
            put(na, permission_id, next(row for row in CAUSED if row.reason == reason))
        before = na.done("getChargePermission", permission_id)["statusDetails"]
        na.emulator.clock.advance("PT1H")
        for note in ("first", "second"):
            answer = na.done("updateChargePermission", permission_id, merchantMetadata={"noteToBuyer": note})
            assert answer["merchantMetadata"]["noteToBuyer"] == note
        assert answer["statusDetails"] == before
        frequency = {"frequency": {"unit": "Month", "value": "1"}}
        answer = na.done("updateChargePermission", permission_id, recurringMetadata=frequency)
        assert answer["recurringMetadata"] == frequency | {"amount": None}

    def test_an_update_is_kept(self, na: Shop) -> None:
        """It is there when the permission is read again."""
        permission_id = na.wallet()
        answer = na.done("updateChargePermission", permission_id, merchantMetadata={"noteToBuyer": "Thank you"})
        assert na.done("getChargePermission", permission_id) == answer

    def test_a_refused_update_changes_nothing(self, na: Shop) -> None:
        """What is Closed is as it was."""
        permission_id = na.wallet(SET_UP | {"merchantMetadata": {"noteToBuyer": "Thank you"}})
        before = na.done("closeChargePermission", permission_id)
        na.call("updateChargePermission", permission_id, merchantMetadata={"noteToBuyer": "No"})
        assert na.done("getChargePermission", permission_id) == before

    def test_closing_twice_is_refused_by_that_name(self, na: Shop) -> None:
        """Also where a simulation would have it closed by Amazon."""
        permission_id = na.wallet()
        na.done("closeChargePermission", permission_id)
        for code in (None, "AmazonClosed"):
            response = na.call("closeChargePermission", permission_id, code=code)
            assert refusal(response) == (422, "InvalidChargePermissionStatus")
            assert '"Close Charge Permission" is not possible' in response.json()["message"]

    @pytest.mark.parametrize(("sent", "shown"), [(3, None), ("3", "3"), ("0", "0"), ("three", None), (True, None)])
    def test_a_frequency_is_a_number_in_a_text(self, na: Shop, sent: object, shown: str | None) -> None:
        """A number itself is refused."""
        wallet = na.wallet()
        body: Json = {"recurringMetadata": {"frequency": {"unit": "Week", "value": sent}}}
        response = na.call("updateChargePermission", wallet, **body)
        if shown is None:
            assert refusal(response) == (400, "InvalidParameterValue")
        else:
            assert response.json()["recurringMetadata"]["frequency"] == {"unit": "Week", "value": shown}

    @pytest.mark.parametrize("gap", [None, ""])
    def test_on_a_closed_order_only_gaps_can_be_filled(self, na: Shop, gap: str | None) -> None:
        """What is set already stays."""
        metadata = {"noteToBuyer": "Thank you", "merchantReferenceId": gap}
        session_id = na.visited(purchase() | {"merchantMetadata": metadata})
        session = na.done("completeCheckoutSession", session_id, chargeAmount=usd("14.00"))
        permission_id = session["chargePermissionId"]
        na.done("closeChargePermission", permission_id)
        answer = na.done("updateChargePermission", permission_id, merchantMetadata={"merchantReferenceId": "A-1"})
        assert answer["merchantMetadata"]["merchantReferenceId"] == "A-1"
        for body in (
            {"merchantMetadata": {"noteToBuyer": "No"}},
            {"merchantMetadata": {"noteToBuyer": None}},
            {"merchantMetadata": None},
            {"recurringMetadata": {"frequency": {"unit": "Month", "value": "1"}}},
        ):
            response = na.call("updateChargePermission", permission_id, **body)
            assert refusal(response) == (422, "ChargePermissionNotModifiable")
        assert na.done("getChargePermission", permission_id)["merchantMetadata"]["noteToBuyer"] == "Thank you"

    @pytest.mark.parametrize("kind", ["PaymentMethodOnFile", "Recurring"])
    def test_a_closed_wallet_takes_no_metadata(self, na: Shop, kind: str) -> None:
        """Not even where there is none; nor does a recurring permission."""
        permission_id = recurring(na) if kind == "Recurring" else na.wallet()
        before = na.done("closeChargePermission", permission_id)
        response = na.call("updateChargePermission", permission_id, merchantMetadata={"merchantReferenceId": "A-1"})
        assert refusal(response) == (422, "ChargePermissionNotModifiable")
        assert na.done("getChargePermission", permission_id) == before


class TestClosing:
    """Close Charge Permission."""

    def test_the_reason_is_kept(self, na: Shop) -> None:
        """Closing is final, and keeps the merchant's words."""
        permission_id = na.wallet()
        answer = na.done("closeChargePermission", permission_id, closureReason="No longer a customer")
        assert answer["statusDetails"]["reasons"] == [
            {"reasonCode": "MerchantClosed", "reasonDescription": "No longer a customer"}
        ]
        assert refusal(na.call("closeChargePermission", permission_id)) == (422, "InvalidChargePermissionStatus")
        assert refusal(na.try_charge(permission_id)) == (422, "InvalidChargePermissionStatus")

    def test_a_reason_has_255_characters(self, na: Shop) -> None:
        """Of closing a permission, and of canceling a charge."""
        permission_id = na.wallet()
        charge_id = na.charge(permission_id)["chargeId"]
        for call, name, object_id in (
            ("cancelCharge", "cancellationReason", charge_id),
            ("closeChargePermission", "closureReason", permission_id),
        ):
            assert refusal(na.call(call, object_id, **{name: "x" * 256})) == (400, "InvalidParameterValue")
            assert na.done(call, object_id, **{name: "x" * 255})

    @pytest.mark.parametrize("cancel", [True, False])
    def test_open_authorizations_are_canceled_on_request(self, na: Shop, cancel: bool) -> None:
        """Else they can still be captured."""
        permission_id = na.wallet()
        authorized, captured = na.charge(permission_id), na.charge(permission_id, captureNow=True)
        pending = na.charge(permission_id, canHandlePendingAuthorization=True, code="AuthorizationInitiated")
        closed = na.done("closeChargePermission", permission_id, cancelPendingCharges=cancel)
        assert [reason["reasonCode"] for reason in closed["statusDetails"]["reasons"]] == ["MerchantClosed"]
        for charge in (authorized, pending):
            details = na.done("getCharge", charge["chargeId"])["statusDetails"]
            assert (details["reasonCode"] == "ChargePermissionCanceled") == cancel
        assert na.state("getCharge", captured["chargeId"]) == "Captured"
        response = na.call("captureCharge", authorized["chargeId"], captureAmount=usd("14.00"))
        assert response.status_code == (422 if cancel else 200)

    def test_the_answer_shows_the_balance_after_canceling(self, na: Shop) -> None:
        """A one-time permission has its whole limit back."""
        permission_id = na.order(totalOrderAmount=usd("30.00"))["chargePermissionId"]
        answer = na.done("closeChargePermission", permission_id, cancelPendingCharges=True)
        assert answer["limits"]["amountBalance"] == usd("30.00")
        assert na.done("getChargePermission", permission_id) == answer


class TestOneTime:
    """Permissions of type OneTime."""

    def test_a_full_authorization_blocks_it_until_it_ends(self, na: Shop) -> None:
        """ChargeInProgress goes away with a cancellation."""
        order = na.order()
        details = na.done("getChargePermission", order["chargePermissionId"])["statusDetails"]
        seen = "A charge is already in progress. You cannot initiate a new charge unless previous charge is canceled."
        assert details["reasons"] == [{"reasonCode": "ChargeInProgress", "reasonDescription": seen}]
        assert refusal(na.try_charge(order["chargePermissionId"])) == (422, "InvalidChargePermissionStatus")
        na.done("cancelCharge", order["chargeId"], cancellationReason="changed")
        permission = na.done("getChargePermission", order["chargePermissionId"])
        assert permission["statusDetails"]["state"] == "Chargeable"
        assert permission["limits"]["amountBalance"] == usd("14.00")

    def test_a_smaller_capture_frees_the_rest(self, na: Shop) -> None:
        """What was authorized and not captured can be charged."""
        order = na.order()
        na.done("captureCharge", order["chargeId"], captureAmount=usd("10.00"))
        permission = na.done("getChargePermission", order["chargePermissionId"])
        assert (permission["statusDetails"]["state"], permission["limits"]["amountBalance"]) == (
            "Chargeable", usd("4.00"),
        )  # fmt: skip

    def test_fully_captured_it_is_closed_by_amazon(self, na: Shop) -> None:
        """And refunds do not open it again."""
        order = na.order(paymentIntent="AuthorizeWithCapture")
        details = na.done("getChargePermission", order["chargePermissionId"])["statusDetails"]
        assert (details["state"], details["reasons"][0]["reasonCode"]) == ("Closed", "AmazonClosed")
        na.done("createRefund", chargeId=order["chargeId"], refundAmount=usd("14.00"))
        na.emulator.clock.advance("PT30S")
        assert na.state("getChargePermission", order["chargePermissionId"]) == "Closed"

    def test_another_reason_survives_the_end_of_a_charge(self, na: Shop) -> None:
        """A repaired balance does not repair the payment method."""
        order = na.order()
        put(na, order["chargePermissionId"], next(row for row in CAUSED if row.reason == "PaymentMethodExpired"))
        na.done("cancelCharge", order["chargeId"])
        details = na.done("getChargePermission", order["chargePermissionId"])["statusDetails"]
        assert details["reasons"][0]["reasonCode"] == "PaymentMethodExpired"

    def test_it_takes_its_total_and_no_more(self, na: Shop) -> None:
        """400 TransactionAmountExceeded, also where the permission is Chargeable."""
        order = na.order(totalOrderAmount=usd("30.00"))
        assert refusal(na.try_charge(order["chargePermissionId"], "16.01")) == (400, "TransactionAmountExceeded")
        assert na.charge(order["chargePermissionId"], "16.00")

    def test_it_takes_25_charges(self, na: Shop) -> None:
        """Besides the one of its checkout, and those that were canceled."""
        permission_id = na.order(totalOrderAmount=usd("100.00"))["chargePermissionId"]
        for _ in range(25):
            na.done("cancelCharge", na.charge(permission_id, "1.00")["chargeId"])
            na.charge(permission_id, "1.00")
        assert refusal(na.try_charge(permission_id, "1.00")) == (422, "TransactionCountExceeded")

    @pytest.mark.parametrize(
        ("region", "amount", "currency", "most"),
        [("na", "14.00", "USD", "500.00"), ("na", "100.00", "USD", "900.00"), ("eu", "14.00", "SEK", "500.00"),
         ("eu", "1000", "JPY", "70000"), ("eu", "10000", "JPY", "90000")],
    )  # fmt: skip
    def test_it_may_take_more_where_that_was_allowed(
        self, request: pytest.FixtureRequest, region: str, amount: str, currency: str, most: str
    ) -> None:
        """Nine times the order, or a fixed amount where that is more; refused above."""
        shop: Shop = request.getfixturevalue(region)
        order = shop.order(amount, currency, paymentIntent="Confirm", allowOvercharge=True)["chargePermissionId"]
        assert limits(shop, order)["amountLimit"] == usd(most, currency)
        assert shop.charge(order, most, currency, captureNow=True)
        assert shop.state("getChargePermission", order) == "Closed"

    def test_a_buyer_who_does_not_agree_to_save_gets_one(self, na: Shop) -> None:
        """A purchase without consent is an ordinary one."""
        body = purchase() | {"chargePermissionType": "PaymentMethodOnFile"}
        session_id = na.visited(body, save=False)
        session = na.done("completeCheckoutSession", session_id, chargeAmount=usd("14.00"))
        permission = na.done("getChargePermission", session["chargePermissionId"])
        assert session["chargePermissionType"] == permission["chargePermissionType"] == "OneTime"
        assert permission["limits"]["amountLimit"] == usd("14.00")
        assert permission["paymentMethodOnFileMetadata"] is None


def test_a_wallet_takes_any_number_of_charges(na: Shop) -> None:
    """What it takes is limited by the month's amount alone."""
    permission_id = na.wallet()
    assert all(na.charge(permission_id, "1.00") for _ in range(26))


class TestMonthlyLimit:
    """What a wallet takes in a calendar month."""

    @pytest.mark.parametrize(
        ("region", "currency", "limit"),
        [("na", "USD", 15_000), ("eu", "EUR", 15_000), ("eu", "SEK", 150_000), ("jp", "JPY", 2_000_000)],
    )
    def test_the_limit_is_the_currencys(
        self, request: pytest.FixtureRequest, region: str, currency: str, limit: int
    ) -> None:
        """Up to it exactly."""
        shop: Shop = request.getfixturevalue(region)
        permission_id = shop.wallet(
            SET_UP | {"paymentDetails": {"paymentIntent": "Confirm", "presentmentCurrency": currency}}
        )
        assert shop.charge(permission_id, limit - 1, currency)
        assert refusal(shop.try_charge(permission_id, 2, currency)) == (400, "PeriodicAmountExceeded")
        assert shop.charge(permission_id, 1, currency)

    def test_a_recurring_permission_has_its_own_limit(self, na: Shop) -> None:
        """A thousand dollars."""
        permission_id = recurring(na)
        permission = na.done("getChargePermission", permission_id)
        assert permission["recurringMetadata"]["frequency"]["unit"] == "Month"
        assert refusal(na.try_charge(permission_id, 1001)) == (400, "PeriodicAmountExceeded")
        assert na.charge(permission_id, 1000)

    @pytest.mark.parametrize(
        ("currency", "limit", "left", "freed"),
        [("EUR", "1000.00", "400.00", "700.00"), ("SEK", "10000.00", "9400.00", "9700.00"),
         ("JPY", "100000", "99400", "99700")],
    )  # fmt: skip
    def test_a_recurring_permission_shows_what_is_left_of_its_month(
        self, eu: Shop, currency: str, limit: str, left: str, freed: str
    ) -> None:
        """A canceled authorization is free again, and the first of the month brings the whole limit back."""
        permission_id = recurring(eu, currency)
        whole = usd(limit, currency)
        assert limits(eu, permission_id) == {"amountLimit": whole, "amountBalance": whole}
        charges = [eu.charge(permission_id, 300, currency)["chargeId"] for _ in range(2)]
        assert limits(eu, permission_id)["amountBalance"] == usd(left, currency)
        eu.done("cancelCharge", charges[0])
        assert limits(eu, permission_id)["amountBalance"] == usd(freed, currency)
        now = eu.emulator.clock.now()
        first = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
        # Before the open authorization expires, which would write it, too.
        fired = eu.emulator.clock.advance(f"P{(first - now).days}D")
        (month,) = (row for row in fired if (row["id"], row["trigger"]) == (permission_id, "A new month begins"))
        assert month["at"] == f"{first:%Y-%m}-01T00:00:00Z"
        assert limits(eu, permission_id) == {"amountLimit": whole, "amountBalance": whole}

    def test_no_cadence_is_enforced(self, na: Shop) -> None:
        """The frequency is for the buyer's information; it can be charged as often as the month allows."""
        permission_id = recurring(na)
        assert all(na.charge(permission_id, "1.00", captureNow=True) for _ in range(3))

    def test_what_is_canceled_or_not_captured_is_free_again(self, na: Shop) -> None:
        """Refunds free nothing."""
        permission_id = na.wallet()
        na.done("cancelCharge", na.charge(permission_id, 15000)["chargeId"])
        na.done("captureCharge", na.charge(permission_id, 15000)["chargeId"], captureAmount=usd(5000))
        captured = na.charge(permission_id, 10000, captureNow=True)
        na.done("createRefund", chargeId=captured["chargeId"], refundAmount=usd(10000))
        na.emulator.clock.advance("PT30S")
        assert refusal(na.try_charge(permission_id, "0.01")) == (400, "PeriodicAmountExceeded")

    def test_a_new_month_begins_at_midnight_utc_on_the_first(self, jp: Shop) -> None:
        """What a month has used stays with that month."""
        permission_id = jp.wallet()
        jp.charge(permission_id, 2_000_000, "JPY", captureNow=True)
        assert refusal(jp.try_charge(permission_id, 1, "JPY")) == (400, "PeriodicAmountExceeded")
        now = jp.emulator.clock.now()
        first = now.replace(
            year=now.year + now.month // 12, month=now.month % 12 + 1, day=1, hour=0, minute=0, second=0
        )
        jp.emulator.clock.advance(f"PT{int((first - now).total_seconds()) - 1}S")
        assert refusal(jp.try_charge(permission_id, 1, "JPY")) == (400, "PeriodicAmountExceeded")
        assert permission_id not in [row["id"] for row in jp.emulator.clock.advance("PT1S")], "it shows no limit"
        assert jp.charge(permission_id, 2_000_000, "JPY")


def test_the_control_interface_shows_every_kind(na: Shop) -> None:
    """The stored object is what the API shows."""
    order = na.order(paymentIntent="AuthorizeWithCapture")
    refund = na.done("createRefund", chargeId=order["chargeId"], refundAmount=usd("1.00"))
    dispute = na.emulator.control.post("disputes", chargeId=order["chargeId"])
    ids = (*(order[name] for name in ("checkoutSessionId", "chargePermissionId", "chargeId")), refund["refundId"])
    calls = ("getCheckoutSession", "getChargePermission", "getCharge", "getRefund", "getDispute")
    for kind, object_id, call in zip(
        (kind.path for kind in KINDS.values()), (*ids, dispute["disputeId"]), calls, strict=True
    ):
        assert na.emulator.control.get(f"objects/{kind}/{object_id}") == na.done(call, object_id)


def test_metadata_of_the_session_goes_to_the_permission(na: Shop) -> None:
    """All four fields, null where nothing was sent."""
    permission_id = na.wallet(SET_UP | {"merchantMetadata": {"merchantReferenceId": "A-1"}})
    metadata = na.done("getChargePermission", permission_id)["merchantMetadata"]
    assert metadata == dict.fromkeys(METADATA) | {"merchantReferenceId": "A-1"}
