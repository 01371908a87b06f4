"""Grade a handler of instant notifications: send it good ones, bad ones and disorder, and compare its answers.

    amazonpay-nb grade http://127.0.0.1:8000/notifications

The handler only has to answer.  It must accept certificates from the host ``127.0.0.1``, and refuse whatever is not a
genuine notification.  If it can sign requests to the emulator that sends the notifications, it is also graded on
whether it gets the objects.
"""

import itertools
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.account import Account
from amazonpay_nb.shop import Shop
from amazonpay_nb.shop.inbox import INBOX_PATH
from amazonpay_nb.signing.envelope import EnvelopeSigner, unsigned_envelope
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.notifications import DELIVERY_TIMEOUT_SECONDS, OBJECT_TYPES, RETRIES, SIGNATURE_VERSIONS
from amazonpay_nb.workbench.director import Director

GOOD, WRONG, ADVICE, UNSEEN = "✓ good", "✗ wrong", "– advice", "– not seen"
TAKEN, REFUSED = "2xx: it is genuine", "4xx: it is not genuine"
_ALL, _LOOKS = "all of these", "a GET of the object"
_LOOK_SECONDS = 3.0  # how long a handler may take to get an object
_BURST = 20
_OBJECTS = 3  # a permission, a charge and a refund
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grade:
    """The answer to one check; its verdict is `ADVICE` if the answer is not as expected but need not be."""

    sent: str
    expected: str
    answered: str
    verdict: str


def passes(grades: list[Grade]) -> bool:
    """Tell whether a handler does everything that it must."""
    return all(row.verdict != WRONG for row in grades)


@dataclass(frozen=True, slots=True)
class Check:
    """A notification, or several, and the expected answer.

    Attributes:
        make: Returns the bodies; several are sent one after the other, or `at_once`.
        required: Whether a handler fails with another answer; if not, it gets advice.
    """

    sent: str
    expected: str
    make: "Callable[[Examiner], list[bytes]]"
    required: bool = True
    at_once: bool = False


class Examiner:
    """Makes envelopes, good and bad, in the name of an emulator."""

    def __init__(self, emulator: Emulator, objects: list[tuple[str, str, str]]) -> None:
        self._emulator, self._objects = emulator, itertools.cycle(objects)
        self._forger = EnvelopeSigner()

    def document(self, *, age: timedelta = timedelta(), **fields: str) -> Document:
        """Return the next notification, about the objects in turn; *fields* replace its own."""
        object_type, object_id, permission_id = next(self._objects)
        moment = (datetime.now(UTC) - age).isoformat(timespec="milliseconds")
        return {
            "notificationId": str(uuid4()), "notificationType": "STATE_CHANGE",
            "objectType": object_type, "objectId": object_id, "chargePermissionId": permission_id,
            "merchantId": self._emulator.merchant_id, "messageId": str(uuid4()),
            "timestamp": moment.replace("+00:00", "Z"),
        } | fields  # fmt: skip

    def unsigned(self, document: Document, version: str = "1", **fields: str) -> Document:
        """Return an envelope without its signature; *fields* replace its own."""
        emulator = self._emulator
        return unsigned_envelope(emulator.url, emulator.topic_arn, document, version=version) | fields

    def genuine(self, document: Document | None = None, version: str = "1", **fields: str) -> bytes:
        """Return an envelope that is signed as it is."""
        unsigned = self.unsigned(document or self.document(), version, **fields)
        return json.dumps(self._emulator.sign_notification(unsigned)).encode()

    def altered(self, **fields: str) -> bytes:
        """Return an envelope that was changed after it was signed."""
        return json.dumps(json.loads(self.genuine()) | fields).encode()

    def forged(self, **fields: str) -> bytes:
        """Return an envelope with a stranger's signature."""
        return json.dumps(self._forger.sign(self.unsigned(self.document(), **fields))).encode()


def _version(version: str) -> "Callable[[Examiner], list[bytes]]":
    return lambda examiner: [examiner.genuine(version=version)]


_OTHER_CHARGE = '{"MerchantID":"A","ObjectType":"CHARGE","ObjectId":"S01-0000000-0000000-C000000"}'
_OTHER_TOPIC = "arn:aws:sns:us-east-1:000000000000:other"
_FOREIGN = "https://sns.us-east-1.amazonaws.com.shop.example/SimpleNotificationService-0.pem"
_PLAIN = "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem"

_LAST_RETRY = sum(RETRIES, timedelta())
_DISPUTE = OBJECT_TYPES["Dispute"]

CHECKS = (
    *(Check(f"a notification, signature version {one}", TAKEN, _version(one)) for one in SIGNATURE_VERSIONS),
    Check("the same one twice", TAKEN, lambda e: [e.genuine()] * 2),
    Check("one as old as the last retry", TAKEN, lambda e: [e.genuine(e.document(age=_LAST_RETRY))]),
    Check("two in the other order", TAKEN, lambda e: [e.genuine(), e.genuine()][::-1]),
    Check(
        f"a burst of {_BURST}, half of them repeated", TAKEN, lambda e: [e.genuine() for _ in range(_BURST // 2)] * 2,
        at_once=True,
    ),
    Check("one about a CHARGEBACK", TAKEN, lambda e: [e.genuine(e.document(objectType=_DISPUTE))], required=False),
    Check("one with an altered message", REFUSED, lambda e: [e.altered(Message=_OTHER_CHARGE)]),
    Check("one without a signature", REFUSED, lambda e: [e.altered(Signature="")]),
    Check("one signed with another key", REFUSED, lambda e: [e.forged()]),
    Check("one whose certificate is on a foreign host", REFUSED, lambda e: [e.forged(SigningCertURL=_FOREIGN)]),
    Check("one whose certificate comes without https", REFUSED, lambda e: [e.forged(SigningCertURL=_PLAIN)]),
    Check(
        "one with an unknown signature version", REFUSED, lambda e: [e.altered(SignatureVersion="3")], required=False
    ),
    Check("something that is no envelope", REFUSED, lambda e: [b"hello"]),
    Check("one from another topic", REFUSED, lambda e: [e.genuine(TopicArn=_OTHER_TOPIC)], required=False),
    Check(
        "one that is a week old", REFUSED, lambda e: [e.genuine(e.document(age=timedelta(days=7)))], required=False
    ),
)  # fmt: skip


def grade(url: str, emulator: Emulator, *, observed: bool = False) -> list[Grade]:
    """Send everything to a handler and return its grades.

    Args:
        url: Its address, on loopback.
        emulator: The notifications come from it; its time is real, since handlers look at the clock.
        observed: Whether the handler can get objects from this emulator, so that this is graded.
    Raises:
        ConfigurationError: The address is not on loopback, or has no answer.
    """
    _check_address(url)
    examiner = Examiner(emulator, _objects(emulator))
    with httpx.Client(timeout=DELIVERY_TIMEOUT_SECONDS, trust_env=False) as http:
        grades = [_grade_one(http, url, examiner, check) for check in CHECKS]
    return [*grades, _grade_gets(emulator) if observed else Grade(_ALL, _LOOKS, "", UNSEEN)]


def _check_address(url: str) -> None:
    advice = "Write for example http://127.0.0.1:8000/notifications, and start the handler first."
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        raise ConfigurationError(f"{url!r} is not an address.", advice=advice) from None
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        raise ConfigurationError(f"{url!r} is not an http address on this machine.", advice=advice)
    try:
        socket.create_connection((parts.hostname, port), timeout=DELIVERY_TIMEOUT_SECONDS).close()
    except OSError:
        raise ConfigurationError(f"There is no answer at {url}.", advice=advice) from None


def _objects(emulator: Emulator) -> list[tuple[str, str, str]]:
    """Make a permission, a charge and a refund to send notifications about: (type, id, permission)."""
    with closing(Account(emulator)) as account:
        wallet = account.wallet()
        charge = account.request("createCharge", wallet, capture_now=True)()
        refund = account.request("createRefund", charge.charge_id)()
    return [
        ("CHARGE_PERMISSION", wallet, wallet),
        ("CHARGE", charge.charge_id, wallet),
        ("REFUND", refund.refund_id, wallet),
    ]


def _grade_one(http: httpx.Client, url: str, examiner: Examiner, check: Check) -> Grade:
    bodies = check.make(examiner)
    workers = len(bodies) if check.at_once else 1
    with ThreadPoolExecutor(workers) as pool:
        statuses = list(pool.map(lambda body: _answer(http, url, body), bodies))
    wanted = 2 if check.expected == TAKEN else 4
    good = all(status is not None and status // 100 == wanted for status in statuses)
    answered = ", ".join(dict.fromkeys(str(status or "none in time") for status in statuses))
    return Grade(check.sent, check.expected, answered, GOOD if good else WRONG if check.required else ADVICE)


def _answer(http: httpx.Client, url: str, body: bytes) -> int | None:
    try:
        return http.post(url, content=body, headers={"content-type": "text/plain; charset=UTF-8"}).status_code
    except httpx.HTTPError:
        return None


def _grade_gets(emulator: Emulator) -> Grade:
    """Grade whether the handler has got the objects of its notifications."""
    end, paths = time.monotonic() + _LOOK_SECONDS, set[str]()
    while len(paths) < _OBJECTS and time.monotonic() < end:
        time.sleep(0.05)
        rows = emulator.control.get("journal")["exchanges"]
        paths = {row["path"] for row in rows if row["method"] == "GET" and row["status"] == httpx.codes.OK}
    verdict = GOOD if len(paths) == _OBJECTS else WRONG
    return Grade(_ALL, _LOOKS, f"{len(paths)} of {_OBJECTS} objects", verdict)


def grade_own(region_code: str) -> list[Grade]:
    """Grade the shop's own inbox, with a separate emulator."""
    with closing(Shop()) as shop, Emulator(region_code) as emulator, closing(Account(emulator)) as account:
        Director(emulator, account.client.journal).listen(shop, account.client, at_once=True)
        return grade(f"{shop.url}{INBOX_PATH}", emulator, observed=True)
