"""The records of a world: the document that the API shows of an object, and the notes that only the emulator keeps.

Each kind of object has notes of its own.  They hold nothing but what JSON can hold, which is how the store keeps them.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from amazonpay_nb.spec.flows import CHECKOUT_SESSION, SIGN_IN
from amazonpay_nb.spec.machine import NEW

# Notifications are stored like objects, although the API does not show them.
NOTIFICATION = "Notification"
# Without a payment method, none can fail.
_NO_CARD = "1111"


@dataclass
class NoNotes:
    """Notes of an object whose document says everything."""


@dataclass
class SessionNotes:
    """Notes of a Checkout Session, or of a plain sign-in.

    Attributes:
        flow: The flow that the session belongs to.
        pages_of: The flow whose pages the buyer goes through.
        scopes: What the merchant may know of the buyer.
        parameter: The name under which the shop gets the session's id back.
        updates: Id of the permission whose payment method is updated, "" for a new one.
        address: The button's own, which is final.
        currency: The ledger currency that the button names.
        mobile: Whether the Mobile SDK has started it.
        repeats: The address that Finalize repeats, "" for none.
        language: The one that the button asks for.
        stay: Number of the buyer's stay at Amazon's pages, from 0.
        page: The page that the buyer has got to.
        buyer: Email address of the persona, "" before the sign-in.
        card: Last digits of the payment method.
        notice: Why the buyer is back at the choice of a payment method, "" where nothing went wrong.
        changes_address: Whether the buyer has come back only to change the address.
        consents: Whether the buyer lets the shop keep the payment method.
        agreed: Whether the buyer has been through the last stay.
        pending: Whether the first charge is still to be decided.
    """

    flow: str
    pages_of: str
    scopes: list[str]
    parameter: str
    updates: str = ""
    address: dict[str, Any] | None = None
    currency: str = ""
    mobile: bool = False
    repeats: str = ""
    language: str = ""
    stay: int = 0
    page: str = "sign-in"
    buyer: str = ""
    card: str = _NO_CARD
    notice: str = ""
    changes_address: bool = False
    consents: bool = True
    agreed: bool = False
    pending: bool = False


@dataclass
class PermissionNotes:
    """Notes of a Charge Permission.

    Attributes:
        card: Last digits of the payment method.
        calendar: What time brings → when (ISO 8601).
    """

    card: str = _NO_CARD
    calendar: dict[str, str] = field(default_factory=dict)


@dataclass
class ChargeNotes:
    """Notes of a charge.

    Attributes:
        permission_type: That of its Charge Permission.
        month: The calendar month that it counts in, ``yyyy-mm``.
        capture: The price that is captured, once a capture was asked for.
        authorized: When it was authorized (ISO 8601), "" before.
    """

    permission_type: str
    month: str
    capture: dict[str, str] | None = None
    authorized: str = ""


@dataclass
class NotificationNotes:
    """Notes of an instant notification.

    Attributes:
        number: Its place in the order of all.
        attempts: How many deliveries were begun.
        copies: How many times the next delivery is made.
        at_once: Whether the copies are delivered at the same time.
    """

    number: int
    attempts: int = 0
    copies: int = 1
    at_once: bool = False


NOTES: dict[str, type] = {
    CHECKOUT_SESSION: SessionNotes,
    SIGN_IN: SessionNotes,
    "Charge Permission": PermissionNotes,
    "Charge": ChargeNotes,
    "Refund": NoNotes,
    "Buyer": NoNotes,
    NOTIFICATION: NotificationNotes,
}
N = TypeVar("N")


@dataclass(slots=True)
class Record(Generic[N]):
    """One object.

    Attributes:
        kind: A key of `NOTES`; for an object of the API the name of its machine in `spec.states`.
        parent: Id of the object it belongs to: the permission of a charge, the charge of a refund.
        due: When `trigger` is to happen to it (ISO 8601), "" for never; `planned` orders what is due together.
        text: The document as JSON where it is known already; see `Store.written`.
    """

    kind: str
    id: str
    merchant_id: str
    document: dict[str, Any]
    notes: N
    parent: str = ""
    due: str = ""
    planned: int = 0
    trigger: str = ""
    text: str = field(default="", repr=False, compare=False)

    @property
    def state(self) -> str:
        """The state in ``statusDetails``, or the machines' `NEW`."""
        details = self.document.get("statusDetails")
        return details["state"] if details else NEW


Session = Record[SessionNotes]
Permission = Record[PermissionNotes]
Charge = Record[ChargeNotes]
Refund = Record[NoNotes]
Notification = Record[NotificationNotes]
AnyRecord = Record[Any]
