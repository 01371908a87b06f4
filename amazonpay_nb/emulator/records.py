"""The records of a world: the document that the API shows of an object, and the notes that only the emulator keeps.

Each kind of object has notes of its own.  They hold nothing but what JSON can hold, which is how the store keeps them.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from amazonpay_nb.spec.flows import CHECKOUT_SESSION, SIGN_IN, lookup
from amazonpay_nb.spec.machine import NEW

# Notifications are stored like objects, although the API does not show them.
NOTIFICATION = "Notification"
# Without a payment method, none can fail.
_NO_CARD = "1111"


@dataclass(slots=True)
class Merchant:
    """A merchant account with one store."""

    merchant_id: str
    store_id: str
    name: str  # what hosted pages call the shop
    keys: dict[str, str]  # public key id → PEM of the public key
    endpoint: str = ""  # where instant notifications go, "" for nowhere


@dataclass
class NoNotes:
    """Notes of an object whose document says everything."""


@dataclass
class SessionNotes:
    """Notes of a Checkout Session, or of a plain sign-in."""

    flow: str  # the one that the session belongs to
    pages_of: str  # the flow whose pages the buyer goes through
    scopes: list[str]  # what the merchant may know of the buyer
    parameter: str  # the name under which the shop gets the session's id back
    updates: str = ""  # id of the permission whose payment method is updated, "" for a new one
    address: dict[str, Any] | None = None  # the button's own, which is final
    currency: str = ""  # the ledger currency that the button names
    mobile: bool = False  # whether the Mobile SDK has started it
    repeats: str = ""  # the address that Finalize repeats, "" for none
    language: str = ""  # the one that the button asks for
    stay: int = 0  # number of the buyer's stay at Amazon's pages
    page: str = "sign-in"  # the one that the buyer has got to
    passed: list[str] = field(default_factory=list)  # those of this stay that the buyer has left behind
    buyer: str = ""  # email address of the persona, "" before the sign-in
    card: str = _NO_CARD  # last digits of the payment method
    notice: str = ""  # why the buyer is back at the choice of a payment method, "" where nothing went wrong
    changes_address: bool = False  # whether the buyer has come back only to change the address
    consents: bool = True  # whether the buyer lets the shop keep the payment method
    asked: bool = False  # whether the buyer was asked about that
    ready: bool = False  # whether nothing of the first stay is left to choose or to agree to
    agreed: bool = False  # whether the buyer has been through the last stay
    pending: bool = False  # whether the first charge is still to be decided


@dataclass
class PermissionNotes:
    """Notes of a Charge Permission."""

    card: str = _NO_CARD  # last digits of the payment method
    ledger: str = ""  # the currency of the merchant's account; "" in a store of an older version
    calendar: dict[str, str] = field(default_factory=dict)  # what time brings → when (ISO 8601)
    charges: int | None = None  # how many by Create Charge count for an order, None before the first


@dataclass
class ChargeNotes:
    """Notes of a charge."""

    permission_type: str
    month: str  # the calendar month that it counts in, yyyy-mm
    capture: dict[str, str] | None = None  # the price that is captured, once a capture was asked for
    authorized: str = ""  # when it was authorized (ISO 8601), "" before
    ledger: str = ""  # as its permission has it
    at_checkout: bool = False  # whether its session has made it, and not Create Charge


@dataclass
class DisputeNotes:
    """Notes of a dispute."""

    resolved: str = ""  # when it was resolved, as the API writes times, "" before


@dataclass
class NotificationNotes:
    """Notes of an instant notification."""

    number: int  # its place in the order of all
    attempts: int = 0  # how many deliveries were begun
    copies: int = 1  # how many times the next delivery is made
    at_once: bool = False  # whether the copies are delivered at the same time


NOTES: dict[str, type] = {
    CHECKOUT_SESSION: SessionNotes,
    SIGN_IN: SessionNotes,
    "Charge Permission": PermissionNotes,
    "Charge": ChargeNotes,
    "Dispute": DisputeNotes,
    NOTIFICATION: NotificationNotes,
    **dict.fromkeys(
        ("Refund", "File", "Delivery Tracker", "Report", "Report Document", "Report Schedule", "Buyer"), NoNotes
    ),
}
N = TypeVar("N")


@dataclass(slots=True)
class Record(Generic[N]):
    """One object."""

    kind: str  # a key of `NOTES`; for an object of the API the name of its machine in `spec.states`
    id: str
    merchant_id: str
    document: dict[str, Any]
    notes: N
    parent: str = ""  # id of the object it belongs to: the charge's of a refund; see `held` for a charge's own
    due: str = ""  # when `trigger` is to happen to it (ISO 8601), "" for never
    planned: int = 0  # orders what is due together
    trigger: str = ""

    @property
    def state(self) -> str:
        """The state in ``statusDetails``, or the machines' `NEW`."""
        return lookup(self.document, "statusDetails.state") or NEW

    @property
    def is_held(self) -> bool:
        """Whether it is a charge that belongs to a session, and not to its permission yet: no shop knows of it."""
        return self.kind == "Charge" and self.parent != self.document["chargePermissionId"]


Session = Record[SessionNotes]
Permission = Record[PermissionNotes]
Charge = Record[ChargeNotes]
Refund = Record[NoNotes]
Dispute = Record[DisputeNotes]
Notification = Record[NotificationNotes]
AnyRecord = Record[Any]
