"""What amounts count for, and what they may be, as typed from Amazon's guide into `tests/wire`; to the last cent."""

from decimal import Decimal
from typing import Any

import pytest

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.guide import months
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.signing.keys import load
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.regions import REGIONS
from tests import golden
from tests.emulated import ADDRESS, SET_UP, Json, Shop, charge_in, end_of_checkout, purchase, recurring, refusal, usd

PENDING: Json = {"canHandlePendingAuthorization": True}

COUNTING = [row for row in golden.rows("states", "counting") if row[0] == "Charge"]


def wallet_in(shop: Shop, currency: str) -> str:
    """Return a new Saved Wallet that is charged in a currency."""
    return shop.wallet(SET_UP | {"paymentDetails": {"paymentIntent": "Confirm", "presentmentCurrency": currency}})


def counted_charge(shop: Shop, permission_id: str, state: str) -> str:
    """Return a charge of 100.00 in a state; where something is captured, it is 40.00."""
    if state in ("AuthorizationInitiated", "Declined"):
        code = state if state != "Declined" else "PendingHardDeclined"
        charge = shop.charge(permission_id, "100.00", code=code, **PENDING)
        if state == "Declined":
            shop.emulator.clock.advance("PT30S")
    else:
        charge = shop.charge(permission_id, amount="100.00")
    charge_id = str(charge["chargeId"])
    if state == "Canceled":
        shop.done("cancelCharge", charge_id)
    elif state in ("CaptureInitiated", "Captured"):
        code = state if state == "CaptureInitiated" else None
        shop.done("captureCharge", charge_id, captureAmount=usd("40.00"), code=code)
    assert shop.state("getCharge", charge_id) == state
    return charge_id


def used(row: list[Any]) -> Decimal:
    """Return what the charge of `counted_charge` takes of a limit."""
    _, _, _, month, field, *_ = row
    return {"chargeAmount": Decimal(100), "captureAmount": Decimal(40)}[field] if month else Decimal(0)


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row[1])
class TestCounting:
    """A charge of 100 dollars, of which 40 are captured, in each state."""

    def test_it_uses_up_a_wallets_month(self, na: Shop, row: list[Any]) -> None:
        """What is left can be charged, and not a cent more; refunds give nothing back."""
        wallet = na.wallet()
        charge_id = counted_charge(na, wallet, row[1])
        if row[1] == "Declined":  # for good: the buyer has to choose another card first
            na.emulator.control.post(f"permissions/{wallet}", state="Chargeable")
        left = 15_000 - used(row)
        assert refusal(na.try_charge(wallet, str(left + Decimal("0.01")))) == (400, "PeriodicAmountExceeded")
        if row[1] == "Captured":
            na.done("createRefund", chargeId=charge_id, refundAmount=usd("40.00"))
            na.emulator.clock.advance("PT30S")
            assert refusal(na.try_charge(wallet, str(left + Decimal("0.01")))) == (400, "PeriodicAmountExceeded")
        assert na.charge(wallet, str(left))

    def test_it_uses_up_a_recurring_permissions_month(self, na: Shop, row: list[Any]) -> None:
        """Which shows what is left."""
        permission_id = recurring(na)
        counted_charge(na, permission_id, row[1])
        limits = na.done("getChargePermission", permission_id)["limits"]
        assert limits == {"amountLimit": usd("1000.00"), "amountBalance": usd(f"{1000 - used(row):.2f}")}

    def test_it_uses_up_an_order(self, na: Shop, row: list[Any]) -> None:
        """Which shows what is left as well."""
        permission_id = na.order("250.00", paymentIntent="Confirm")["chargePermissionId"]
        counted_charge(na, permission_id, row[1])
        limits = na.done("getChargePermission", permission_id)["limits"]
        assert limits == {"amountLimit": usd("250.00"), "amountBalance": usd(f"{250 - used(row):.2f}")}

    def test_the_client_books_it(self, na: Shop, row: list[Any]) -> None:
        """In the column of its ledger, and in the month that the guide computes."""
        wallet = na.wallet()
        charge_id = counted_charge(na, wallet, row[1])
        with client_of(na) as client:
            client.get_charge(charge_id)
            total = client.journal.totals().get("USD", {})
            columns = ("authorized", "captured", "refunded")
            amount = {"chargeAmount": 100, "captureAmount": 40}[row[4]]
            expected = {each: amount if each == row[2] else 0 for each in columns}
            assert {each: total.get(each, 0) for each in columns} == expected
            (month,) = months(client.journal, wallet, REGIONS["na"])
            assert (Decimal(month.used), Decimal(month.left)) == (used(row), 15_000 - used(row))


@pytest.mark.parametrize(
    "row", [row for row in golden.rows("states", "counting") if row[0] == "Refund"], ids=lambda row: row[1]
)
def test_the_client_books_a_refund(na: Shop, row: list[Any]) -> None:
    """As soon as it is promised, and back again when it is declined."""
    charge_id = charge_in(na, "Captured")
    with client_of(na) as client:
        code = {"Declined": "AmazonRejected"}.get(row[1])
        refund = client.create_refund(charge_id=charge_id, refund_amount=usd("4.00"), simulation_code=code)
        if row[1] != "RefundInitiated":
            na.emulator.clock.advance("PT30S")
        assert client.get_refund(refund.refund_id).state == row[1]
        assert client.journal.totals()["USD"]["refunded"] == (4 if row[2] == "refunded" else 0)


def client_of(shop: Shop) -> AmazonPayClient:
    """Return the package's client of a merchant."""
    auth = AmazonPayAuth(load(shop.account.private_key_file, shop.account.public_key_id))
    emulator = shop.emulator
    return AmazonPayClient(
        auth, region=emulator.region, environment="emulator", base_url=emulator.url, verify=emulator.verify
    )


MONTHS = golden.rows("limits", "monthly limits")
CURRENCIES = {row[0]: row for row in golden.rows("limits", "by currency")}


def step_of(currency: str) -> Decimal:
    """Return the smallest amount above zero."""
    return Decimal(1).scaleb(-CURRENCIES[currency][1])


@pytest.mark.parametrize(("code", "currency", "wallet", "every"), MONTHS, ids=lambda value: str(value))
class TestLimits:
    """To the smallest amount, in every currency of every region."""

    @pytest.fixture
    def shop(self, request: pytest.FixtureRequest, code: str) -> Shop:
        """The merchant of a region."""
        shop: Shop = request.getfixturevalue(code)
        return shop

    def test_a_wallet_has_its_month(self, shop: Shop, currency: str, wallet: str, every: str, code: str) -> None:
        """In several charges together, and not a step beyond."""
        permission_id, step = wallet_in(shop, currency), step_of(currency)
        assert shop.charge(permission_id, str(10 * step), currency)
        too_much = shop.try_charge(permission_id, str(Decimal(wallet) - 9 * step), currency)
        assert refusal(too_much) == (400, "PeriodicAmountExceeded")
        assert shop.charge(permission_id, str(Decimal(wallet) - 10 * step), currency)
        assert refusal(shop.try_charge(permission_id, str(step), currency)) == (400, "PeriodicAmountExceeded")

    def test_a_recurring_permission_has_its_month(
        self, shop: Shop, currency: str, wallet: str, every: str, code: str
    ) -> None:
        """A smaller one, which it shows."""
        permission_id = recurring(shop, currency)
        limit = shop.done("getChargePermission", permission_id)["limits"]["amountLimit"]
        assert (Decimal(limit["amount"]), limit["currencyCode"]) == (Decimal(every), currency)
        above = str(Decimal(every) + step_of(currency))
        assert refusal(shop.try_charge(permission_id, above, currency)) == (400, "PeriodicAmountExceeded")
        assert shop.charge(permission_id, every, currency)

    def test_one_charge_has_a_ceiling(self, shop: Shop, currency: str, wallet: str, every: str, code: str) -> None:
        """Of a wallet, and of a checkout; up to it only the month's limit stands in the way."""
        ceiling, step = Decimal(CURRENCIES[currency][2]), step_of(currency)
        permission_id, month = wallet_in(shop, currency), Decimal(wallet)
        above = shop.try_charge(permission_id, str(ceiling + step), currency)
        assert refusal(above) == (400, "TransactionAmountExceeded")
        response = shop.try_charge(permission_id, str(ceiling), currency)
        assert response.is_success if ceiling <= month else refusal(response) == (400, "PeriodicAmountExceeded")
        body = {"storeId": shop.account.store_id} | purchase(str(ceiling + step), currency)
        assert refusal(shop.call("createCheckoutSession", **body)) == (400, "TransactionAmountExceeded")
        assert shop.order(str(ceiling), currency, paymentIntent="AuthorizeWithCapture")

    def test_refunds_have_theirs(self, shop: Shop, currency: str, wallet: str, every: str, code: str) -> None:
        """What was captured and a little more, and never more than one refund may be."""
        ceiling, extra, step = (*map(Decimal, CURRENCIES[currency][3:5]), step_of(currency))
        charge_id = shop.order(str(ceiling), currency, paymentIntent="AuthorizeWithCapture")["chargeId"]

        def back(amount: Decimal) -> Any:
            return shop.call("createRefund", chargeId=charge_id, refundAmount=usd(str(amount), currency))

        exceeded = (400, "TransactionAmountExceeded")
        assert refusal(back(ceiling + step)) == exceeded
        assert back(ceiling).status_code == 201
        assert refusal(back(extra + step)) == exceeded
        assert back(extra).status_code == 201
        assert refusal(back(step)) == exceeded

    def test_amounts_have_the_currencys_decimals(
        self, shop: Shop, currency: str, wallet: str, every: str, code: str
    ) -> None:
        """Finer ones are refused, and answers show all of them."""
        permission_id, step = wallet_in(shop, currency), step_of(currency)
        assert refusal(shop.try_charge(permission_id, str(step / 10), currency)) == (400, "InvalidParameterValue")
        shown = shop.charge(permission_id, "7", currency)["chargeAmount"]["amount"]
        assert shown == ("7" if step == 1 else "7.00")

    def test_an_order_may_be_overcharged(self, shop: Shop, currency: str, wallet: str, every: str, code: str) -> None:
        """Where that was allowed, up to a fixed amount, or nine times the order."""
        floor = Decimal(CURRENCIES[currency][5])
        for order, most in ((Decimal(1), floor), (floor, floor * 9)):
            body = {"paymentIntent": "Confirm", "allowOvercharge": True}
            permission_id = shop.order(str(order), currency, **body)["chargePermissionId"]
            limit = shop.done("getChargePermission", permission_id)["limits"]["amountLimit"]
            assert Decimal(limit["amount"]) == most


@pytest.mark.parametrize(("captured", "currency", "extra"), golden.rows("limits", "refund allowances"))
def test_refunds_may_exceed_the_capture_a_little(
    request: pytest.FixtureRequest, captured: str, currency: str, extra: str
) -> None:
    """In one refund or several."""
    shop: Shop = request.getfixturevalue({"USD": "na", "JPY": "jp"}.get(currency, "eu"))
    charge_id = shop.order(captured, currency, paymentIntent="AuthorizeWithCapture")["chargeId"]
    step, most = step_of(currency), Decimal(captured) + Decimal(extra)

    def back(amount: Decimal) -> Any:
        return shop.call("createRefund", chargeId=charge_id, refundAmount=usd(str(amount), currency))

    assert refusal(back(most + step)) == (400, "TransactionAmountExceeded")
    assert back(step).status_code == 201
    if most > step:
        assert refusal(back(most)) == (400, "TransactionAmountExceeded")
        if most - step <= Decimal(CURRENCIES[currency][3]):
            assert back(most - step).status_code == 201
            assert refusal(back(step)) == (400, "TransactionAmountExceeded")


@pytest.mark.parametrize("kind", [kind for kind, *_ in golden.rows("limits", "not counted")])
def test_charges_of_an_order_are_counted(na: Shop, kind: str) -> None:
    """By Create Charge, and without those that took nothing."""
    most = {what: number for what, number, *_ in golden.rows("limits", "counts")}
    intent = "Authorize" if kind == "of the checkout" else "Confirm"
    order = na.order("1.00", paymentIntent=intent, totalOrderAmount=usd("1000.00"))["chargePermissionId"]
    if kind != "of the checkout":
        counted_charge(na, order, kind)
        na.emulator.control.post(f"permissions/{order}", state="Chargeable")  # a decline would want another card
    for number in range(most["charges of a one-time Charge Permission"]):
        na.charge(order, "1.00", captureNow=number % 2 == 0)
    assert refusal(na.try_charge(order, "1.00")) == (422, "TransactionCountExceeded")


def test_refunds_of_a_charge_are_counted(na: Shop) -> None:
    """Whatever became of them."""
    most = {what: number for what, number, *_ in golden.rows("limits", "counts")}
    body: Json = {"chargeId": charge_in(na, "Captured"), "refundAmount": usd("1.00")}
    na.done("createRefund", code="AmazonRejected", **body)
    na.emulator.clock.advance("PT30S")
    for _ in range(most["refunds of a Charge"] - 1):
        na.done("createRefund", **body)
    assert refusal(na.call("createRefund", **body)) == (422, "TransactionCountExceeded")


WITHOUT_STATE = {country for country, _ in golden.rows("limits", "countries without stateOrRegion")}


@pytest.mark.parametrize("country", ["US", "de", "UK", "GB", "JP", "CA", "SG", "ae", "MX"])
@pytest.mark.parametrize(("region", "currency"), [("na", "USD"), ("eu", "EUR"), ("jp", "JPY")])
def test_an_address_needs_the_fields_of_its_country(
    request: pytest.FixtureRequest, region: str, currency: str, country: str
) -> None:
    """Whichever region the shop is in; where the country is in no table, it is that of the shop."""
    shop: Shop = request.getfixturevalue(region)
    tables = golden.rows("limits", "address fields")
    needs = {place: fields for code, fields, countries, _ in tables for place in (*countries, *[f"like {code}"])}
    required = {*needs.get(country.upper(), needs[f"like {region}"])}
    if country.upper() in WITHOUT_STATE:
        required -= {"stateOrRegion"}
    address = {name: value for name, value in (ADDRESS | {"countryCode": country}).items() if name in required}
    pay: Json = {"paymentIntent": "Confirm", "chargeAmount": usd("14", currency)}
    button = end_of_checkout(addressDetails=address, paymentDetails=pay)
    assert shop.click(button, "PayAndShip").status_code == 303
    for field in required - {"countryCode"}:
        response = shop.click(button | {"addressDetails": address | {field: None}}, "PayAndShip")
        assert f"The value for addressDetails.{field} is missing." in response.text
    response = shop.click(button | {"addressDetails": address | {"stateOrRegion": "London"}}, "PayAndShip")
    assert ("InvalidParameterValue" in response.text) == (country.upper() in WITHOUT_STATE)


QUOTAS = [row for row in golden.rows("limits", "quotas") if row[0] in OPERATIONS]


@pytest.mark.parametrize("row", QUOTAS, ids=lambda row: row[0])
def test_an_account_has_its_quotas(row: list[Any]) -> None:
    """So many calls at once are answered, one more is not; later there is room for as many as are put back."""
    operation, _, _, burst, per_second, _ = row
    with Emulator("na", seed=7, throttle=True) as emulator, Shop(emulator) as shop:
        statuses = [shop.call(operation, "nothing").status_code for _ in range(burst + 1)]
        assert (429 in statuses[:-1], statuses[-1]) == (False, 429)
        emulator.clock.advance("PT2S")
        statuses = [shop.call(operation, "nothing").status_code for _ in range(2 * per_second + 1)]
        expected = min(2 * per_second, burst)
        assert (429 in statuses[:expected], statuses[expected]) == (False, 429)


def test_an_order_is_closed_when_it_is_paid(na: Shop) -> None:
    """Not while its capture is pending, which may still be declined."""
    order = na.order()
    amount: Json = {"captureAmount": usd("14.00")}
    na.done("captureCharge", order["chargeId"], code="CaptureInitiated", **amount)
    assert na.state("getChargePermission", order["chargePermissionId"]) == "NonChargeable"
    na.emulator.clock.advance("PT30S")
    assert na.state("getChargePermission", order["chargePermissionId"]) == "Closed"
    order = na.order()
    na.done("captureCharge", order["chargeId"], code="AmazonRejected", **amount)
    na.emulator.clock.advance("PT30S")
    assert na.state("getChargePermission", order["chargePermissionId"]) == "Chargeable"


def test_a_cent_of_an_order_can_be_charged(na: Shop) -> None:
    """A charge that leaves one does not block it, and a capture that leaves one opens it again."""
    permission_id = na.order(paymentIntent="Confirm")["chargePermissionId"]
    charge_id = na.charge(permission_id, "13.99", code="AuthorizationInitiated", **PENDING)["chargeId"]
    assert na.state("getChargePermission", permission_id) == "Chargeable"
    na.done("cancelCharge", charge_id)
    charge_id = na.charge(permission_id, "14.00")["chargeId"]
    assert na.state("getChargePermission", permission_id) == "NonChargeable"
    na.done("captureCharge", charge_id, captureAmount=usd("13.99"))
    assert na.state("getChargePermission", permission_id) == "Chargeable"
    na.charge(permission_id, "0.01", captureNow=True)
    assert na.state("getChargePermission", permission_id) == "Closed"
