"""Where drills are played: a merchant, a scripted buyer, and an emulator that does what it is told to."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amazonpay_nb.client.button import PAYMENT_METHOD_ON_FILE, set_up_payload
from amazonpay_nb.client.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.guide import Step, decide, repair_payload
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ApiError, NotFoundError, TransportError
from amazonpay_nb.loopback import LoopbackServer
from amazonpay_nb.shop import buyer
from amazonpay_nb.signing.keys import MerchantKeys
from amazonpay_nb.spec.answers import Resource
from amazonpay_nb.spec.money import format_amount, parse_amount
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench.director import Director
from amazonpay_nb.workbench.parameters import PARAMETERS

__all__ = ["NOT_TRIED", "SUCCESS", "Answer", "Stage", "kind_of", "state_of"]

# What a row says that needs the emulator, where there is none.
NOT_TRIED = "not tried here"
# The card with which everything goes well.
SUCCESS = "1111"
_SEED = 7
# For example S01-1234567-7654321, to which a charge adds -C and six digits, and a refund -R and six.
_ORDER_ID = re.compile(r"[A-Z]\d\d-\d{7}-\d{7}-?")
_CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")
_RESULT = "https://shop.example/result"


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        text: HTTP status and reason code or state, or why there is no answer.
        body: The object, or None.
        error: The error that the client raised instead, or None.
    """

    text: str
    body: Any = None
    error: ApiError | TransportError | None = None


class Stage:
    """An account on an emulator, and ways to an object in the state that a drill begins with.

    Args:
        keys: Of the merchant account; those that the emulator made when left out.
        journal: Takes down what is sent.
        amount: What a charge takes; the default of a run when left out.
        listens: Whether the account has an endpoint for notifications, so that a drill can say what was announced.
    """

    def __init__(
        self, emulator: Emulator, keys: MerchantKeys | None = None, *, journal: Journal | None = None,
        amount: Mapping[str, str] | None = None, listens: bool = False,
    ) -> None:  # fmt: skip
        self.emulator, self.region = emulator, region_of(emulator.region)
        if keys is None:
            keys = emulator.merchant.keys
        currency = self.region.ledger_currencies[0]
        usual = format_amount(parse_amount(PARAMETERS["amount"].default, currency), currency)
        self.amount = dict(amount or {"amount": usual, "currencyCode": currency})
        # A small share of it, so that it can be refunded twice.
        part = Decimal(self.amount["amount"]) / 5
        self.part = self.amount | {"amount": format_amount(part, self.amount["currencyCode"])}
        self.client = AmazonPayClient(
            AmazonPayAuth(keys), region=emulator.region, environment="emulator", base_url=emulator.url,
            verify=emulator.verify, journal=journal,
            sleep=lambda seconds: None,  # the client's pauses between attempts: nobody is at the other end
        )  # fmt: skip
        self.director = Director(emulator, self.client.journal)
        self._pages = httpx.Client(verify=emulator.verify, timeout=30)
        self._wallet: str | None = None
        self._announced: list[dict[str, Any]] = []
        self._listener = LoopbackServer(_listener(self._announced)).start() if listens else None
        if self._listener:
            emulator.control.post("notifications/endpoint", url=f"{self._listener.url}/")

    @classmethod
    @contextmanager
    def new(cls, region: str = "na", *, throttle: bool = False, **options: Any) -> Iterator[Self]:
        """Open a stage with an emulator of its own; *options* are the stage's."""
        with Emulator(region, seed=_SEED, throttle=throttle) as emulator:
            stage = cls(emulator, **options)
            try:
                yield stage
            finally:
                stage.close()

    def close(self) -> None:
        """Close the connections; an endpoint of its own is unset."""
        if self._listener:
            self.emulator.control.post("notifications/endpoint", url=None)
            self._listener.stop()
        self.client.close()
        self._pages.close()

    # --- Ways to an object --------------------------------------------------------------------------------------------

    def session(self, *, pay: bool = False, updates: str = "", **details: Any) -> str:
        """Create a Checkout Session: for a set-up, a purchase, or a wallet's new payment method."""
        if pay:
            body = {
                "storeId": self.emulator.store_id,
                "webCheckoutDetails": {"checkoutResultReturnUrl": _RESULT},
                "chargePermissionType": PAYMENT_METHOD_ON_FILE,
                "paymentMethodOnFileMetadata": {"setupOnly": False},
                "paymentDetails": {"paymentIntent": "Authorize", "chargeAmount": self.amount} | details,
            }
        elif updates:
            body = repair_payload(self.region, self.emulator.store_id, updates, result_url=_RESULT)
        else:
            body = set_up_payload(self.emulator.store_id, result_url=_RESULT)
        return self.client.create_checkout_session(**body).checkout_session_id

    def visit(self, session_id: str, card: str = SUCCESS) -> str:
        """Let the buyer go through the hosted pages with a card, and give up where it is declined.

        Raises:
            BuyerPageError: The page does not accept the card.
        """
        address = f"{self.emulator.url}/checkout?amazonCheckoutSessionId={session_id}"
        buyer.approve(address, card=card, http=self._pages)
        return session_id

    def wallet(self) -> str:
        """Return the Charge Permission's id of a Saved Wallet that can be charged: the last one, or else a new one."""
        if self._wallet is None or not self._may_charge(self._wallet):
            session = self.client.complete_checkout_session(self.visit(self.session()))
            self._wallet = str(session.charge_permission_id)
        return self._wallet

    def _may_charge(self, wallet: str) -> bool:
        try:
            return decide(self.client.get_charge_permission(wallet)).next_step is Step.CHARGE
        except NotFoundError:  # the emulator was reset
            return False

    def charge(self, wallet: str = "", *, capture_now: bool = False) -> str:
        """Create a charge, of a new wallet unless one is given, and return its id."""
        charge = self.client.create_charge(
            charge_permission_id=wallet or self.wallet(), charge_amount=self.amount, capture_now=capture_now
        )
        return charge.charge_id

    # --- What becomes of it -------------------------------------------------------------------------------------------

    def attempt(self, work: Callable[[], Any]) -> Answer:
        """Do something, whatever comes of it."""
        self.announced()  # what led up to it is not of interest
        try:
            body = work()
        except ApiError as error:
            return Answer(f"{error.status_code} {error.reason_code}", error=error)
        except TransportError as error:
            return Answer("no answer", error=error)
        last = self.client.journal.exchanges[-1]
        return Answer(f"{last.status} {last.outcome}", body)

    def standing(self, object_id: str) -> str:
        """Return the present state of an object, with its reason."""
        thing = self.read(object_id)
        return f"{kind_of(thing)}: {state_of(thing)}"

    def read(self, object_id: str) -> Resource:
        """Get an object by its id, whose form says what it is."""
        if not _ORDER_ID.match(object_id):
            return self.client.get_checkout_session(object_id)
        readers: dict[str, Callable[[str], Resource]]
        readers = {"C": self.client.get_charge, "R": self.client.get_refund, "": self.client.get_charge_permission}
        return readers[_ORDER_ID.sub("", object_id)[:1]](object_id)

    def announced(self, *ids: str) -> list[str]:
        """Return which of these objects were announced since this was asked last, in order, for example ``CHARGE``."""
        if self._listener is None:
            return []
        self.emulator.clock.advance("PT0S")  # comes back when all that is due has been delivered
        told = [row["ObjectType"] for row in self._announced if row["ObjectId"] in ids]
        self._announced.clear()
        return told

    def wait(self) -> bool:
        """Let pass the time after which what is pending is decided; return whether anything fell due."""
        return bool(self.emulator.clock.advance(f"PT{PENDING_SECONDS}S"))


def _listener(announced: list[dict[str, Any]]) -> Starlette:
    async def take(request: Request) -> Response:
        announced.append(json.loads((await request.json())["Message"]))
        return Response()

    return Starlette(routes=[Route("/", take, methods=["POST"])])


def kind_of(thing: Resource) -> str:
    """Return the name of an object's machine, for example ``Charge Permission``."""
    return _CAPITAL.sub(r" \g<0>", type(thing).__name__)


def state_of(thing: Resource) -> str:
    """Return an object's state and, in brackets, its reason."""
    return thing.state + (f" ({thing.reason_code})" if thing.reason_code else "")
