"""Instant notifications: what is announced and when, what an announcement holds, how it is signed, when it is repeated.

A notification says *that* an object changed, never *what* it is now: the receiver gets the object.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from amazonpay_nb.spec.parity import Evidence

__all__ = [
    "ANNOUNCEMENTS",
    "ANSWERS",
    "ATTRIBUTE_CHANGE",
    "CERTIFICATE_HOST",
    "CERTIFICATE_PATH",
    "DELIVERY_TIMEOUT_SECONDS",
    "DRILLS",
    "MAX_AGE",
    "MAX_AHEAD",
    "MESSAGE_FIELDS",
    "MESSAGE_TYPE",
    "NOTIFICATION_VERSION",
    "OBJECT_TYPES",
    "RETRIES",
    "SIGNATURE_VERSIONS",
    "SIGNED_FIELDS",
    "STATE_CHANGE",
    "TOPIC_REGIONS",
    "Announcement",
    "Answer",
    "Drill",
    "MessageField",
    "answer_to",
]

_D, _R, _I, _E = Evidence.DOCUMENTED, Evidence.RECORDED, Evidence.INFERRED, Evidence.EMULATOR_ONLY

STATE_CHANGE, ATTRIBUTE_CHANGE = "STATE_CHANGE", "ATTRIBUTE_CHANGE"
NOTIFICATION_VERSION = "V2"
# Name of the machine in `states` → ``ObjectType``.  A Checkout Session has none: its changes are not announced.
OBJECT_TYPES = {
    "Charge Permission": "CHARGE_PERMISSION",
    "Charge": "CHARGE",
    "Refund": "REFUND",
    "Dispute": "CHARGEBACK",
}


# --- What is announced ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that is announced.

    Attributes:
        object: Name of the machine in `states`.
        when: The trigger that is announced, or "" for every change of the state or of its reason.
    """

    object: str
    when: str
    notification_type: str
    evidence: Evidence


# That the merchant's own calls are announced as well is inferred; that these three objects are is documented.
ANNOUNCEMENTS = (
    Announcement("Charge Permission", "", STATE_CHANGE, _I),
    Announcement("Charge Permission", "Update the payment method", ATTRIBUTE_CHANGE, _D),
    Announcement("Charge", "", STATE_CHANGE, _I),
    Announcement("Refund", "", STATE_CHANGE, _I),
)


# --- What it holds ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageField:
    """A field of the JSON text in the envelope's ``Message``."""

    field: str
    holds: str
    evidence: Evidence


MESSAGE_FIELDS = (
    MessageField("MerchantID", "Your account; the last letter is a capital.", _D),
    MessageField("ObjectType", f"{', '.join(OBJECT_TYPES.values())}.", _D),
    MessageField("ObjectId", "The object that changed; of a CHARGEBACK, the dispute.", _D),
    MessageField("ChargePermissionId", "The Charge Permission that it belongs to.", _D),
    MessageField("NotificationType", f"{STATE_CHANGE} or {ATTRIBUTE_CHANGE}.", _D),
    MessageField("NotificationId", "One announcement: the same in each of its deliveries.", _D),
    MessageField("NotificationVersion", f"{NOTIFICATION_VERSION}.", _D),
)


# --- How it is signed -------------------------------------------------------------------------------------------------

MESSAGE_TYPE = "Notification"
# The fields of the envelope that the signature covers, in this order, as far as they are there.
SIGNED_FIELDS = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
# ``SignatureVersion`` → digest of RSA PKCS#1 v1.5.  [1 recorded, 2 inferred from the rules of SNS]
SIGNATURE_VERSIONS = {"1": "SHA1", "2": "SHA256"}
# Where certificates of Amazon's notification service come from, by https only.  [recorded]
CERTIFICATE_HOST = re.compile(r"sns\.[a-zA-Z0-9-]{3,}\.amazonaws\.com(\.cn)?")
CERTIFICATE_PATH = re.compile(r"/[\w/-]*[\w-]\.pem")
# In which region of SNS the topic of an Amazon Pay region lies.  [inferred]
TOPIC_REGIONS = {"na": "us-east-1", "eu": "eu-west-1", "jp": "us-west-2"}


# --- When it is repeated ----------------------------------------------------------------------------------------------

# Hourly, for three hours after the first attempt.  [documented; older pages spoke of days]
RETRIES = (timedelta(hours=1),) * 3
DELIVERY_TIMEOUT_SECONDS = 5.0  # how fast "answer fast" is  [inferred]
# A signed envelope is refused when it is older than the last repetition can be, or from the future.  [inferred]
MAX_AGE = RETRIES[0] * len(RETRIES) + timedelta(hours=1)
MAX_AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Amazon makes of the receiver's answer."""

    status: str
    repeated: bool
    means: str
    evidence: Evidence


ANSWERS = (
    Answer("2xx", False, "You have it.", _D),
    Answer("3xx", False, "Nobody follows a redirect.", _I),
    Answer("4xx", False, "You do not want it.", _D),
    Answer("5xx", True, "You cannot take it now.", _D),
    Answer("none in time", True, "You may be away.", _D),
)


def answer_to(status: int | None) -> Answer:
    """Return the row for an HTTP status, None standing for no answer."""
    name = "none in time" if status is None else f"{status // 100}xx"
    return next((row for row in ANSWERS if row.status == name), ANSWERS[-1])


# --- Disorder ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drill:
    """A way in which the next notifications arrive in disorder.  That all of it happens is inferred.

    Attributes:
        takes: How many of the notifications that follow it is about.
        copies: How often each is delivered.
        at_once: The copies arrive at the same time, not one after the other.
        delay: How much later it arrives, or how long the first of two waits for the second.
        lost: It never arrives.
    """

    kind: str
    happens: str
    takes: int = 1
    copies: int = 1
    at_once: bool = False
    delay: timedelta = timedelta(0)
    lost: bool = False


_LATE = timedelta(minutes=10)
DRILLS = {
    row.kind: row
    for row in (
        Drill("duplicate", "The next one is delivered twice.", copies=2),
        Drill("late", "The next one arrives ten minutes late.", delay=_LATE),
        Drill("swap", "The next two arrive in the other order.", takes=2, delay=_LATE),
        Drill("lost", "The next one never arrives.", lost=True),
        Drill("burst", "Ten copies of the next one arrive at once.", copies=10, at_once=True),
    )
}
