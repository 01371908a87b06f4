"""Play on an account of an emulator: an object that is ready for each operation, and a request to send."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, Self

from pydantic.alias_generators import to_snake
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount

from amazonpay_nb.client.button import set_up_payload
from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.guide import Step, decide, repair_payload
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ApiError, NotFoundError, TransportError
from amazonpay_nb.loopback import Guard, http_client, serve
from amazonpay_nb.shop import buyer
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.answers import Resource
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.money import format_amount, parse_amount
from amazonpay_nb.spec.operations import OPERATIONS, kind_of
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.workbench.parameters import PARAMETERS

# What a row says on the Sandbox, where its part cannot be played.
NOT_TRIED = "not tried here"
# With this card, everything goes well.
SUCCESS = "1111"
_RESULT = "https://shop.example/result"
_FIELDS: dict[str, dict[str, Any]] = read("account.toml", beside=__file__)

Price = Mapping[str, str]


class Ending(NamedTuple):
    """The outcome of a call: status and reason code or state as a text, and the object or the client's error."""

    text: str
    body: Any = None
    error: ApiError | TransportError | None = None


class MerchantAccount:
    """A merchant account on an emulator, with functions that create an object in a drill's starting state.

    Args:
        keys: The account's key pair; the emulator's own when left out.
        amount: What a charge takes; the default of a run when left out.
        listens: Whether the account has an endpoint for notifications; without one there are no `announcements`.
    """

    def __init__(
        self, emulator: Emulator, keys: MerchantKeys | None = None, *, journal: Journal | None = None,
        amount: Price | None = None, listens: bool = False,
    ) -> None:  # fmt: skip
        self.emulator, self.region = emulator, region_of(emulator.region)
        currency = self.region.ledger_currencies[0]
        usual = format_amount(parse_amount(PARAMETERS["amount"].default, currency), currency)
        self.amount = dict(amount or {"amount": usual, "currencyCode": currency})
        resources = ExitStack()
        self.close = resources.close
        self.client = resources.enter_context(AmazonPayClient(
            keys or emulator.merchant.keys, region=emulator.region, environment="emulator",
            base_url=emulator.url, verify=emulator.verify, journal=journal,
            sleep=lambda seconds: None,  # between two tries of the client there is nothing to wait for
        ))  # fmt: skip
        self._pages = resources.enter_context(http_client(verify=emulator.verify))
        self._wallet = ""
        self._listens, self._announced = listens, ""
        if listens:
            endpoint = serve(Guard(Starlette(routes=[Mount("/", Response())])), in_process=emulator.in_process).start()
            resources.callback(endpoint.stop)
            emulator.control.post("notifications/endpoint", url=f"{endpoint.url}/")
            resources.callback(emulator.control.post, "notifications/endpoint", url=None)

    @classmethod
    @contextmanager
    def new(cls, region: str = "na", *, throttle: bool = False, **options: Any) -> Iterator[Self]:
        """Open an account on a new emulator; *options* are the account's."""
        with Emulator(region, seed=7, throttle=throttle) as emulator, closing(cls(emulator, **options)) as account:
            yield account

    def request(self, operation: str, object_id: str, **more: Any) -> Callable[..., Any]:
        """Return the client's call of an operation on an object, with *more* fields; the caller may add others."""
        ids = [object_id] if "{id}" in OPERATIONS[operation].path else []
        fields = fields_of(operation, object_id, self.amount) | more
        return partial(getattr(self.client, to_snake(operation)), *ids, **fields)

    def session(self, *, pay: bool = False, updates: str = "") -> str:
        """Create a Checkout Session: for a set-up, a purchase that can wait, or a wallet's new payment method."""
        body = set_up_payload(self.emulator.store_id, result_url=_RESULT)
        if self.amount["currencyCode"] != self.region.ledger_currencies[0]:  # which only a button can name
            body["paymentDetails"]["presentmentCurrency"] = self.amount["currencyCode"]
        if updates:
            body = repair_payload(self.region, self.emulator.store_id, updates, result_url=_RESULT)
        if pay:
            details = {"paymentIntent": "Authorize", "chargeAmount": self.amount}
            body["paymentDetails"] = details | {"canHandlePendingAuthorization": True}
            body["paymentMethodOnFileMetadata"] = {"setupOnly": False}
        return self.client.create_checkout_session(**body).checkout_session_id

    def stay(self, session_id: str, card: str = SUCCESS) -> str:
        """Let the buyer go through the hosted pages with a card, and give up if it is declined."""
        address = f"{self.emulator.url}/checkout?amazonCheckoutSessionId={session_id}"
        buyer.approve(address, card=card, http=self._pages)
        return session_id

    def purchase(self, card: str = SUCCESS) -> str:
        """Return the id of a Checkout Session for a purchase that the buyer has agreed to."""
        return self.stay(self.session(pay=True), card)

    def wallet(self) -> str:
        """Return the id of a Saved Wallet's Charge Permission that can be charged: the last one, or else a new one."""
        with suppress(NotFoundError):  # the emulator was reset
            if self._wallet and decide(self.client.get_charge_permission(self._wallet)).next_step is Step.CHARGE:
                return self._wallet
        session = self.client.complete_checkout_session(self.stay(self.session()))
        self._wallet = str(session.charge_permission_id)
        return self._wallet

    def charge(self, *, capture_now: bool = False) -> str:
        """Create a charge of the wallet, and return its id."""
        return str(self.request("createCharge", self.wallet(), capture_now=capture_now)().charge_id)

    def refund(self) -> str:
        """Create a refund, and return its id."""
        return str(self.request("createRefund", self.charge(capture_now=True))().refund_id)

    def dispute(self) -> str:
        """Let the buyer's bank want a captured charge back, and return the dispute's id."""
        return str(self.emulator.control.post("disputes", chargeId=self.charge(capture_now=True))["disputeId"])

    def report_document(self) -> str:
        """Wait for a report on a captured charge, and return its document's id."""
        self.charge(capture_now=True)
        report = self.request("createReport", "")()
        self.emulator.clock.advance("PT1M")
        return str(self.client.get_report_by_id(report.report_id).report_document_id)

    def ending(self, call: Callable[[], Any]) -> Ending:
        """Make a call of the client, and say how it ended."""
        self.announcements()  # those of the preparations do not count
        try:
            body = call()
        except ApiError as error:
            return Ending(f"{error.status_code} {error.reason_code}", error=error)
        except TransportError as error:
            return Ending("no answer", error=error)
        return Ending(self.client.journal.exchanges[-1].answer, body)

    def read(self, object_id: str) -> Resource:
        """Get an object by its id, whose form says what it is."""
        thing: Resource = getattr(self.client, f"get_{to_snake(kind_of(object_id).model.__name__)}")(object_id)
        return thing

    def cause(self, object_id: str, state: str, reason: str | None = None) -> None:
        """Put a Charge Permission or a charge in a state as only Amazon, the buyer or time can."""
        path = "charges" if kind_of(object_id).title == "Charge" else "permissions"
        self.emulator.control.post(f"{path}/{object_id}", state=state, reasonCode=reason)

    def announcements(self, *ids: str) -> list[str]:
        """Return which of these objects were announced since the last time, in order, for example ``CHARGE``."""
        if not self._listens:
            return []
        new = self.emulator.control.get(f"notifications?after={self._announced}")["notifications"]
        self._announced = new[-1]["notificationId"] if new else self._announced
        return [row["objectType"] for row in new if row["objectId"] in ids]


def state_of(thing: Resource) -> str:
    """Return an object's state and, in brackets, its reason."""
    return with_reason(thing.state, thing.reason_code)


def with_reason(state: str | None, reason: str | None) -> str:
    """Return a state and, in brackets, its reason if it has one."""
    return f"{state} ({reason})" if reason else str(state)


def fields_of(operation: str, object_id: str, amount: Price) -> dict[str, Any]:
    """Return the fields of a request about an object that is ready for it; ``account.toml`` describes them."""
    share = format_amount(Decimal(amount["amount"]) / 5, amount["currencyCode"])
    words = {"$id": object_id, "$amount": amount, "$share": dict(amount) | {"amount": share}}
    return {name: words.get(str(value), value) for name, value in _FIELDS.get(operation, {}).items()}


# What makes an object that is ready for the operations on its kind, and for those operations that need something else.
_MAKERS: dict[str, Callable[[MerchantAccount], str]] = {
    "Checkout Session": MerchantAccount.session,
    "Charge Permission": MerchantAccount.wallet,
    "Charge": MerchantAccount.charge,
    "Refund": MerchantAccount.refund,
    "Dispute": MerchantAccount.dispute,
    "Report": lambda account: account.request("createReport", "")().report_id,
    "Report Document": MerchantAccount.report_document,
    "Report Schedule": lambda account: account.request("createReportSchedule", "")().report_schedule_id,
    "Buyer": lambda account: "no-buyer-has-signed-in",  # a refusal is an answer like any other
    "createCheckoutSession": lambda account: account.emulator.store_id,
    **dict.fromkeys(("completeCheckoutSession", "finalizeCheckoutSession"), MerchantAccount.purchase),
    "createRefund": lambda account: account.charge(capture_now=True),
    "createDeliveryTracker": MerchantAccount.wallet,
}
READY = {name: _MAKERS.get(name) or _MAKERS.get(row.on, lambda account: "") for name, row in OPERATIONS.items()}
