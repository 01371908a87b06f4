"""Every documented refusal of every operation, met by the real client over real HTTP, and every call in every state.

The rows come from the tables of `spec`; what is written here is a recipe for each: how a merchant gets that answer.  A
row without a recipe fails, and so does a recipe without a row.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import httpx
import pytest

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.journal import Exchange
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ApiError, ServerError
from amazonpay_nb.lessons.account import READY, fields_of
from amazonpay_nb.signing.keys import generate, load
from amazonpay_nb.spec.machine import AMAZON
from amazonpay_nb.spec.operations import OPERATIONS, Operation
from amazonpay_nb.spec.reasons import REASONS, reasons_of, recovery_for, retry_advice
from amazonpay_nb.spec.simulations import ANYWHERE
from amazonpay_nb.spec.states import CHARGE_PERMISSION, MACHINES
from amazonpay_nb.workbench.show import show
from tests.emulated import SET_UP, WALLET, Json, Shop, charge_in, dispute_in, express, purchase, usd

ROWS = [(name, code) for name in OPERATIONS for code in reasons_of(name)]
NOBODY = {"chargePermission": "C01-0000000-0000000", "charge": "S01-0000000-0000000-C000000"}
Edit = Callable[[httpx.Request], httpx.Request]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def remade(request: httpx.Request, *, method: str = "", content: bytes | None = None) -> httpx.Request:
    """The same request with another method or body."""
    content = request.content if content is None else content
    headers = [(name, value) for name, value in request.headers.multi_items() if name != "content-length"]
    return httpx.Request(
        method or request.method, request.url, headers=headers, content=content, extensions=request.extensions
    )


class Tampering(AmazonPayAuth):
    """Signs like the real one, but somebody changes the request before that, or afterward."""

    before: Edit | None = None
    after: Edit | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        signed = next(super().auth_flow(self.before(request) if self.before else request))
        yield self.after(signed) if self.after else signed


class Stage:
    """An emulator with a merchant: objects come from `shop`, and what is refused is sent by `client`."""

    def __init__(self, emulator: Emulator, shop: Shop) -> None:
        self.emulator, self.shop = emulator, shop
        account = emulator.merchant
        self.auth = Tampering(load(account.private_key_file, account.public_key_id))
        self.client = AmazonPayClient(
            self.auth, region=emulator.region, environment="emulator", base_url=emulator.url, verify=False,
            sleep=lambda seconds: None,
        )  # fmt: skip

    def call(self, name: str, object_id: str = "", **fields: Any) -> Any:
        """Call the client's method of an operation."""
        ids = [object_id] if object_id else []
        return getattr(self.client, snake(name))(*ids, **fields)

    def plain(self, name: str, **changed: Any) -> Any:
        """Call an operation with a well-formed request that names objects which do not exist."""
        row = OPERATIONS[name]
        return self.call(name, "S01-0000000-0000000" if "{id}" in row.path else "", **(FIELDS[name] | changed))

    def tampered(self, name: str, *, before: Edit | None = None, after: Edit | None = None) -> Any:
        self.auth.before, self.auth.after = before, after
        return self.plain(name)

    @cached_property
    def wallet(self) -> str:
        return self.shop.wallet()

    def authorized(self) -> str:
        return str(self.shop.charge(self.wallet)["chargeId"])

    def captured(self) -> str:
        return str(self.shop.charge(self.wallet, captureNow=True)["chargeId"])

    def orphaned(self) -> str:
        """A charge that went with its permission."""
        wallet = self.shop.wallet()
        charge_id = str(self.shop.charge(wallet)["chargeId"])
        self.emulator.control.post(f"permissions/{wallet}", state="Closed", reasonCode="BuyerCanceled")
        return charge_id

    def closed(self) -> str:
        wallet = self.shop.wallet()
        self.shop.done("closeChargePermission", wallet)
        return wallet

    def canceled(self) -> str:
        session_id = self.shop.session()
        self.shop.buyer().walk(session_id, cards=("3064",))
        return session_id

    def completed(self) -> str:
        session_id = self.shop.visited()
        self.shop.done("completeCheckoutSession", session_id)
        return session_id


# A well-formed request of each operation, about objects that do not exist.
FIELDS: dict[str, Json] = {
    name: fields_of(name, NOBODY["charge" if name == "createRefund" else "chargePermission"], usd("14.00"))
    for name in READY
}
# One field of each body with a value that is not allowed, and one that is missing where something is required.
INVALID: dict[str, Json] = {
    "createCheckoutSession": {"charge_permission_type": "Forever"},
    "updateCheckoutSession": {"charge_permission_type": "Forever"},
    "completeCheckoutSession": {"charge_amount": usd("0")},
    "finalizeCheckoutSession": {"charge_amount": usd("-1")},
    "updateChargePermission": {"merchant_metadata": {"noteToBuyer": "x" * 256}},
    "closeChargePermission": {"closure_reason": "x" * 256},
    "createCharge": {"channel": "Firetv"},
    "captureCharge": {"capture_amount": usd("14.001")},
    "cancelCharge": {"cancellation_reason": "x" * 256},
    "createRefund": {"soft_descriptor": "x" * 17},
    "updateDispute": {"status_details": {"state": "Closed", "reasonCode": "MerchantAcceptedDispute"}},
    "contestDispute": {"merchant_evidences": [{"evidenceType": "Oath"}]},
    "uploadFile": {"type": "gif"},
    "createDeliveryTracker": {"delivery_details": []},
    "createReport": {"end_time": "20260101T000000Z"},
    "getReports": {"page_size": 101},
    "createReportSchedule": {"schedule_frequency": "P6D"},
    "getReportSchedules": {"report_types": "the best"},
    "getDisbursements": {"start_time": "2022-08-04T00-00-00Z"},
}
MISSING: dict[str, Json] = {
    "createCheckoutSession": {"store_id": None},
    "updateCheckoutSession": {"payment_details": {"chargeAmount": {"amount": "14.00"}}},
    "completeCheckoutSession": {"charge_amount": {"amount": "14.00"}},
    "finalizeCheckoutSession": {"charge_amount": {"currencyCode": "USD"}},
    "updateChargePermission": {"recurring_metadata": {"amount": {"amount": "14.00"}}},
    "createCharge": {"charge_amount": None},
    "captureCharge": {"capture_amount": None},
    "createRefund": {"refund_amount": None},
    "updateDispute": {"status_details": {"state": "Resolved"}},
    "contestDispute": {"merchant_evidences": None},
    "uploadFile": {"purpose": None},
    "createDeliveryTracker": {"delivery_details": [{"carrierCode": "UPS"}]},
    "createReport": {"start_time": None},
    "createReportSchedule": {"report_type": None},
}
PENDING_AND_CAPTURED: Json = {"canHandlePendingAuthorization": True, "paymentIntent": "AuthorizeWithCapture"}


# ---- recipes for any operation ---------------------------------------------------------------------------------------


def header(name: str, value: str | None) -> Edit:
    """Change a header on the way, or take it off."""

    def edit(request: httpx.Request) -> httpx.Request:
        if value is None:
            del request.headers[name]
        else:
            request.headers[name] = value
        return request

    return edit


STRANGER = generate("SANDBOX-NOBODYS")


def with_an_unknown_key(stage: Stage, name: str) -> None:
    stage.auth.keys = STRANGER
    stage.plain(name)


def with_a_strangers_signature(stage: Stage, name: str) -> None:
    stage.auth.keys = replace(STRANGER, public_key_id=stage.emulator.merchant.public_key_id)
    stage.plain(name)


def too_often(stage: Stage, name: str) -> None:
    """One more than the bucket holds; what the calls themselves answer does not matter."""
    for _ in range(OPERATIONS[name].quota.sandbox.burst):
        with suppress(ApiError):
            stage.plain(name)
    stage.plain(name)


def with_a_used_key(stage: Stage, name: str) -> None:
    first = "createRefund" if name != "createRefund" else "createCharge"
    key = f"used-{name}"[:32]
    with suppress(ApiError):
        stage.plain(first, idempotency_key=key)
    stage.plain(name, idempotency_key=key)


def tampering(before: Edit | None = None, after: Edit | None = None) -> Callable[[Stage, str], Any]:
    return lambda stage, name: stage.tampered(name, before=before, after=after)


def with_another_field(request: httpx.Request) -> httpx.Request:
    """The client's own methods take no field that the operation does not have."""
    return remade(request, content=json.dumps(json.loads(request.content) | {"checkoutMode": "ProcessOrder"}).encode())


Recipe = Callable[[Stage, str], Any]

ANY: dict[str, Recipe] = {
    "InvalidHeaderValue": tampering(after=header("x-amz-pay-region", "mars")),
    "MissingHeader": tampering(after=header("x-amz-pay-host", None)),
    "MissingHeaderValue": tampering(after=header("x-amz-pay-host", "")),
    "InvalidRequest": tampering(after=lambda request: remade(request, content=b"x" * 300_000)),
    "RequestNotSupported": tampering(after=lambda request: remade(request, method="PUT")),
    "InvalidAuthentication": tampering(after=header("authorization", "Basic eDp5")),
    "InvalidAuthorizationToken": tampering(before=header("x-amz-pay-authtoken", "nobody's")),
    "InvalidRequestSignature": with_a_strangers_signature,
    "UnauthorizedAccess": with_an_unknown_key,
    "InvalidSandboxSimulationSpecified": lambda stage, name: stage.plain(name, simulation_code="Nonsense"),
    "TooManyRequests": too_often,
    "InvalidRequestFormat": tampering(before=lambda request: remade(request, content=b"{'single': 'quotes'}")),
    "UnrecognizedField": tampering(before=with_another_field),
    "InvalidParameterValue": lambda stage, name: stage.plain(name, **INVALID[name]),
    "MissingParameterValue": lambda stage, name: stage.plain(name, **MISSING[name]),
    "DuplicateIdempotencyKey": with_a_used_key,
    "ResourceNotFound": lambda stage, name: stage.plain(name),
}
ANY |= {code: lambda stage, name, code=code: stage.plain(name, simulation_code=code) for code in ANYWHERE}  # type: ignore[misc]


# ---- recipes for one operation ---------------------------------------------------------------------------------------


def create_session(stage: Stage, name: str, **body: Any) -> Any:
    fields = {snake(field): value for field, value in body.items()}
    return stage.call(name, store_id=stage.emulator.merchant.store_id, **fields)


def update_session(stage: Stage, name: str, **details: Any) -> Any:
    return stage.call(name, stage.shop.session(express()), payment_details=details)


def complete(stage: Stage, name: str, body: Json, amount: Json | None, **fields: Any) -> Any:
    return stage.call(name, stage.shop.visited(body), charge_amount=amount, **fields)


def complete_an_update_of_a_closed_wallet(stage: Stage, name: str) -> Any:
    wallet = stage.shop.wallet()
    session_id = stage.shop.visited(SET_UP | {"chargePermissionId": wallet})
    stage.shop.done("closeChargePermission", wallet)
    return stage.call(name, session_id)


def charge(stage: Stage, name: str, amount: object = "14.00", currency: str = "USD", **fields: Any) -> Any:
    permission_id = fields.pop("permission_id", "") or stage.wallet
    return stage.call(name, charge_permission_id=permission_id, charge_amount=usd(amount, currency), **fields)


def charge_too_often(stage: Stage, name: str) -> Any:
    order = stage.shop.order("100.00", paymentIntent="Confirm")["chargePermissionId"]
    for _ in range(25):
        stage.shop.charge(order, "1.00")
    return charge(stage, name, "1.00", permission_id=order)


def capture(stage: Stage, name: str, amount: object = "14.00", currency: str = "USD", **fields: Any) -> Any:
    charge_id = fields.pop("charge_id", "") or stage.authorized()
    return stage.call(name, charge_id, capture_amount=usd(amount, currency), **fields)


def refund(stage: Stage, name: str, amount: object = "1.00", currency: str = "USD", **fields: Any) -> Any:
    charge_id = fields.pop("charge_id", "") or stage.captured()
    return stage.call(name, charge_id=charge_id, refund_amount=usd(amount, currency), **fields)


def refund_too_often(stage: Stage, name: str) -> Any:
    charge_id = stage.captured()
    for _ in range(10):
        stage.shop.done("createRefund", chargeId=charge_id, refundAmount=usd("0.10"))
    return refund(stage, name, "0.10", charge_id=charge_id)


def change_a_closed_permission(stage: Stage, name: str) -> Any:
    wallet = stage.shop.wallet(SET_UP | {"merchantMetadata": {"noteToBuyer": "Thank you"}})
    stage.shop.done("closeChargePermission", wallet)
    return stage.call(name, wallet, merchant_metadata={"noteToBuyer": "Goodbye"})


ONE: dict[tuple[str, str], Recipe] = {
    ("createCheckoutSession", "ResourceNotFound"): lambda stage, name: create_session(
        stage, name, **SET_UP, chargePermissionId=NOBODY["chargePermission"]
    ),
    ("createCheckoutSession", "InvalidParameterCombination"): lambda stage, name: create_session(
        stage, name, **purchase(**PENDING_AND_CAPTURED)
    ),
    ("createCheckoutSession", "CurrencyMismatch"): lambda stage, name: create_session(
        stage, name, **purchase(currency="EUR")
    ),
    ("createCheckoutSession", "TransactionAmountExceeded"): lambda stage, name: create_session(
        stage, name, **purchase("150000.01")
    ),
    ("createCheckoutSession", "InvalidChargePermissionStatus"): lambda stage, name: create_session(
        stage, name, **SET_UP, chargePermissionId=stage.closed()
    ),
    ("updateCheckoutSession", "InvalidParameterCombination"): lambda stage, name: update_session(
        stage, name, **PENDING_AND_CAPTURED
    ),
    ("updateCheckoutSession", "CurrencyMismatch"): lambda stage, name: update_session(
        stage, name, chargeAmount=usd("14.00", "EUR")
    ),
    ("updateCheckoutSession", "TransactionAmountExceeded"): lambda stage, name: update_session(
        stage, name, chargeAmount=usd("150000.01")
    ),
    ("updateChargePermission", "ChargePermissionNotModifiable"): change_a_closed_permission,
    ("closeChargePermission", "InvalidChargePermissionStatus"): lambda stage, name: stage.call(
        name, stage.closed(), closure_reason="again"
    ),
    ("createCharge", "InvalidParameterCombination"): lambda stage, name: charge(
        stage, name, capture_now=True, can_handle_pending_authorization=True
    ),
    ("createCharge", "InvalidChargePermissionStatus"): lambda stage, name: charge(
        stage, name, permission_id=stage.closed()
    ),
    ("createCharge", "TransactionAmountExceeded"): lambda stage, name: charge(stage, name, "150000.01"),
    ("createCharge", "PeriodicAmountExceeded"): lambda stage, name: charge(stage, name, "15000.01"),
    ("createCharge", "TransactionCountExceeded"): charge_too_often,
    ("createCharge", "CurrencyMismatch"): lambda stage, name: charge(stage, name, currency="EUR"),
    ("captureCharge", "InvalidChargeStatus"): lambda stage, name: capture(stage, name, charge_id=stage.captured()),
    ("captureCharge", "InvalidChargePermissionStatus"): lambda stage, name: capture(
        stage, name, charge_id=stage.orphaned()
    ),
    ("captureCharge", "TransactionAmountExceeded"): lambda stage, name: capture(stage, name, "14.01"),
    ("captureCharge", "CurrencyMismatch"): lambda stage, name: capture(stage, name, currency="EUR"),
    ("captureCharge", "AmazonRejected"): lambda stage, name: capture(
        stage, name, simulation_code="AmazonRejectedAtOnce"
    ),
    ("cancelCharge", "InvalidChargeStatus"): lambda stage, name: stage.call(
        name, stage.captured(), cancellation_reason="late"
    ),
    ("cancelCharge", "InvalidChargePermissionStatus"): lambda stage, name: stage.call(
        name, stage.orphaned(), cancellation_reason="late"
    ),
    ("updateDispute", "InvalidDisputeStatus"): lambda stage, name: stage.call(
        name, dispute_in(stage.shop, "UnderReview"), **FIELDS[name]
    ),
    ("contestDispute", "InvalidDisputeStatus"): lambda stage, name: stage.call(
        name, dispute_in(stage.shop, "Closed"), **FIELDS[name]
    ),
    ("createRefund", "InvalidChargeStatus"): lambda stage, name: refund(stage, name, charge_id=stage.authorized()),
    ("createRefund", "TransactionAmountExceeded"): lambda stage, name: refund(stage, name, "16.11"),
    ("createRefund", "TransactionCountExceeded"): refund_too_often,
    ("createRefund", "CurrencyMismatch"): lambda stage, name: refund(stage, name, currency="EUR"),
    ("createRefund", "AmazonRejected"): lambda stage, name: refund(stage, name, simulation_code="AmazonRejectedAtOnce"),
    ("createRefund", "ProcessingFailure"): lambda stage, name: refund(
        stage, name, simulation_code="ProcessingFailureAtOnce"
    ),
}
ONE |= {
    ("createCharge", code): lambda stage, name, code=code: charge(stage, name, simulation_code=code)  # type: ignore[misc]
    for code in (
        "SoftDeclined", "HardDeclined", "AmazonRejected", "TransactionTimedOut", "PaymentMethodNotAllowed",
        "MFANotCompleted", "ProcessingFailure",
    )
}  # fmt: skip
ONE |= {
    ("captureCharge", code): lambda stage, name, code=code: capture(stage, name, simulation_code=code)  # type: ignore[misc]
    for code in ("ProcessingFailure", "TransactionCountExceeded")
}
for finishing in ("completeCheckoutSession", "finalizeCheckoutSession"):
    ONE |= {
        (finishing, "AmountMismatch"): lambda stage, name: complete(stage, name, purchase(), usd("14.01")),
        (finishing, "CurrencyMismatch"): lambda stage, name: complete(stage, name, purchase(), usd("14.00", "EUR")),
        (finishing, "TransactionAmountExceeded"): lambda stage, name: complete(
            stage, name, purchase(totalOrderAmount=usd("13.99")), usd("14.00"), total_order_amount=usd("13.99")
        ),
        (finishing, "PeriodicAmountExceeded"): lambda stage, name: complete(
            stage, name, WALLET | purchase("15000.01"), usd("15000.01")
        ),
        (finishing, "InvalidChargePermissionStatus"): complete_an_update_of_a_closed_wallet,
    }
for changing in ("updateCheckoutSession", "completeCheckoutSession", "finalizeCheckoutSession"):
    ONE |= {
        (changing, "InvalidCheckoutSessionStatus"): lambda stage, name: stage.call(name, stage.completed()),
        (changing, "CheckoutSessionCanceled"): lambda stage, name: stage.call(name, stage.canceled()),
    }


# ---- the rows --------------------------------------------------------------------------------------------------------


@pytest.fixture
def stage(na: Shop) -> Iterator[Stage]:
    stage = Stage(na.emulator, na)
    with stage.client:
        yield stage


@pytest.fixture(scope="module")
def throttled() -> Iterator[Shop]:
    """A merchant of an emulator that applies the quotas; each operation has a bucket of its own."""
    with Emulator("na", seed=7, throttle=True) as emulator, Shop(emulator) as shop:
        yield shop


@pytest.mark.parametrize(("name", "code"), ROWS, ids=lambda value: str(value))
def test_a_refusal_is_produced_and_explained(request: pytest.FixtureRequest, name: str, code: str) -> None:
    """Status and reason code are the documented ones; the error says what it means and what to do about it."""
    recipe = ONE.get((name, code)) or ANY[code]
    shop: Shop = request.getfixturevalue("throttled" if recipe is too_often else "na")
    stage = Stage(shop.emulator, shop)
    with stage.client, pytest.raises(ApiError) as caught:
        recipe(stage, name)
    error, row = caught.value, REASONS[code]
    assert (error.operation, error.status_code, error.reason_code) == (name, row.status_codes[0], code)
    assert error.request_id
    assert error.recovery == recovery_for(code, error.status_code, name)
    assert (error.recovery.may_retry, error.idempotency_advice) == (row.may_retry, retry_advice(row.retry, name))
    shown = show(error).text
    for words in (error.recovery.meaning, error.advice, error.idempotency_advice, error.recovery.tell_the_buyer):
        assert " ".join(words.split()) in " ".join(shown.split())
    assert not row.is_decline or error.recovery.tell_the_buyer


def test_no_recipe_is_for_nothing() -> None:
    """What the tables do not list is not tried."""
    assert set(ONE) <= set(ROWS)
    assert set(ANY) <= {code for _, code in ROWS}


def test_what_the_server_could_not_do_is_sent_again_by_the_client(stage: Stage) -> None:
    """Four times in all, with one key; then the refusal is the caller's."""
    with pytest.raises(ServerError) as caught:
        stage.plain("createRefund", simulation_code="ServiceUnavailable")
    attempts = [row for row in stage.client.journal if isinstance(row, Exchange)]
    assert [row.attempt for row in attempts] == [1, 2, 3, 4]
    assert {row.idempotency_key for row in attempts} == {caught.value.idempotency_key}


@pytest.mark.parametrize("code", ANYWHERE)
def test_a_refusal_without_a_cause_can_be_queued(na: Shop, code: str) -> None:
    """For the next call of an operation, and once; nothing is kept of it."""
    wallet = na.wallet()
    na.emulator.outcomes("createCharge", code)
    response = na.try_charge(wallet, key=f"queued-{code}"[:32])
    assert (response.status_code, response.json()["reasonCode"]) == (REASONS[code].status_codes[0], code)
    assert na.charge(wallet, key=f"queued-{code}"[:32])


# ---- states ----------------------------------------------------------------------------------------------------------

PAIRS = [
    (row, state) for row in OPERATIONS.values() if row.acts_on for state in MACHINES[row.acts_on].states
]  # fmt: skip
READ = {
    "Checkout Session": "getCheckoutSession", "Charge Permission": "getChargePermission", "Charge": "getCharge",
    "Dispute": "getDispute",
}  # fmt: skip


def permission_in(shop: Shop, state: str) -> str:
    if state == "Closed":  # an order's, since no other takes updates then
        return str(shop.order(paymentIntent="AuthorizeWithCapture")["chargePermissionId"])
    wallet = shop.wallet()
    if state == "NonChargeable":
        shop.emulator.control.post(f"permissions/{wallet}", state=state, reasonCode="PaymentMethodExpired")
    return wallet


def object_in(stage: Stage, kind: str, state: str) -> str:
    """Return the id of a new object in a state."""
    if kind == "Charge Permission":
        return permission_in(stage.shop, state)
    if kind == "Charge":
        return charge_in(stage.shop, state)
    if kind == "Dispute":
        return dispute_in(stage.shop, state)
    return {"Open": stage.shop.visited, "Completed": stage.completed, "Canceled": stage.canceled}[state]()


def arguments(stage: Stage, row: Operation, object_id: str) -> tuple[str, Json]:
    """Return id and fields of a call that would succeed if the state allowed it."""
    if row.name in ("completeCheckoutSession", "finalizeCheckoutSession"):
        return object_id, {}  # a set-up pays nothing
    return object_id if "{id}" in row.path else "", fields_of(row.name, object_id, usd("14.00"))


@pytest.mark.parametrize(
    ("row", "state"), PAIRS, ids=lambda value: value.name if isinstance(value, Operation) else value
)
def test_a_call_in_a_state_is_a_row_or_a_refusal(stage: Stage, row: Operation, state: str) -> None:
    """The table decides: the object is in the row's target, or is as it was and the refusal names its state."""
    machine = MACHINES[row.acts_on]
    # An Open session is completed once the buyer has agreed, and changed before.
    walked = row.name != "updateCheckoutSession" or state != "Open"
    object_id = object_in(stage, machine.name, state) if walked else stage.shop.session()
    read = READ[machine.name]
    before = stage.shop.done(read, object_id)
    assert before["statusDetails"]["state"] == state
    call, fields = arguments(stage, row, object_id)
    if machine.has(state, row.title):
        stage.call(row.name, call, **fields)
        target = machine.step(state, row.title).target
        # What Amazon answers at once is the next row of the same request.
        answers = {answer.target for answer in machine.rows if answer.source == target and answer.actor == AMAZON}
        after = stage.shop.state(read, object_id)
        assert after == target or (target.endswith("Initiated") and after in answers)
        return
    with pytest.raises(ApiError) as caught:
        stage.call(row.name, call, **fields)
    assert caught.value.status_code == 422
    assert caught.value.reason_code in reasons_of(row.name)
    assert f"{object_id} is {state}" in caught.value.amazon_message
    assert stage.shop.done(read, object_id) == before


def test_a_canceled_permission_takes_its_open_charges_with_it(na: Shop) -> None:
    """A closed one does not: its authorizations can still be captured."""
    for row in CHARGE_PERMISSION.rows:
        if row.source == "Chargeable" and row.target == "Closed" and row.reason != "MerchantClosed":
            wallet = na.wallet()
            charge_id = na.charge(wallet)["chargeId"]
            na.emulator.control.post(f"permissions/{wallet}", state="Closed", reasonCode=row.reason)
            details = na.done("getCharge", charge_id)["statusDetails"]
            expected = "Canceled" if str(row.reason).endswith("Canceled") else "Authorized"
            assert details["state"] == expected
            assert details["reasonCode"] == ("ChargePermissionCanceled" if expected == "Canceled" else None)
