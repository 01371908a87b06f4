"""Read instant notifications, and accept only those that Amazon has signed.

    reader = NotificationReader(topic_arn="arn:aws:sns:eu-west-1:…", merchant_id="A3…")
    notification = reader.read(body)          # raises NotificationRefused
    charge = client.get_charge(notification.object_id)

A notification is an envelope of Amazon's notification service SNS.  Its signature is checked with a certificate whose
address is in the envelope itself, so the address is checked first: anyone who could choose it could sign anything.
The same holds for the topic: anybody can have a topic of their own, and SNS signs for each of them.

What is read says that an object changed, not how: get the object, whatever order notifications arrive in.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from amazonpay_nb.errors import LocalError
from amazonpay_nb.loopback import http_client
from amazonpay_nb.signing.envelope import DIGESTS, signed_text
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.notifications import CERTIFICATE_HOST, CERTIFICATE_PATH, MAX_AGE, MAX_AHEAD, MESSAGE_TYPE

MAX_BODY_BYTES = 256 * 1024  # as much as SNS carries
MAX_CERTIFICATE_BYTES = 64 * 1024
MAX_CERTIFICATES = 16  # how many are kept; Amazon renews them from time to time
_IN_ENVELOPE = (
    "Type", "Message", "MessageId", "TopicArn", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
)  # fmt: skip
_IN_MESSAGE = ("NotificationId", "NotificationType", "ObjectType", "ObjectId", "MerchantID")


class Finding(StrEnum):
    """Why a notification is refused."""

    MALFORMED = "it is not an envelope"
    TYPE = "it is not a notification"
    CERTIFICATE_ADDRESS = "its certificate is at another address"
    CERTIFICATE = "its certificate cannot be had"
    SIGNATURE_VERSION = "its signature version is unknown"
    SIGNATURE = "its signature is wrong"
    TOPIC = "it is from another topic"
    AGE = "it is too old, or from the future"
    MESSAGE = "its message cannot be read"
    MERCHANT = "it is for another merchant"


class NotificationRefused(LocalError):
    """A notification is not genuine, or not for this merchant.

    Attributes:
        finding: What is wrong.
        status: What to answer: 400, so that it is not sent again, or 503 where a repetition can succeed.
    """

    def __init__(self, finding: Finding, message: str) -> None:
        self.finding = finding
        self.status = 503 if finding is Finding.CERTIFICATE else 400
        super().__init__(f"The notification is refused, {finding}: {message}", advice=f"Answer {self.status}.")


@dataclass(frozen=True, slots=True)
class Notification:
    """A genuine notification: an object has changed.  Get it to learn what it is now.

    Attributes:
        notification_id: Tells repetitions of one announcement; also across retries.
        notification_type: ``STATE_CHANGE`` or ``ATTRIBUTE_CHANGE``.
        object_type: ``CHARGE_PERMISSION``, ``CHARGE``, ``REFUND``, ``CHARGEBACK``, or what Amazon adds one day.
        timestamp: When it was published, aware, in UTC; the same in each repetition.
    """

    notification_id: str
    notification_type: str
    object_type: str
    object_id: str
    charge_permission_id: str
    merchant_id: str
    timestamp: datetime
    topic_arn: str


class NotificationReader:
    """Verifies envelopes and returns what they announce.  Certificates are fetched once and kept.

    Args:
        topic_arn: The topic that your notifications come from; note it from the first genuine one.  "" takes any.
        merchant_id: Whose notifications are taken; "" takes anybody's.
        certificate_hosts: Hosts besides Amazon's, as ``host`` or ``host:port``: the emulator's.  On loopback plain
            HTTP will do, anywhere else it never does.
        max_age: How old an envelope may be; None takes any.
        clock: Tells the time.
        http: Fetches certificates.
    """

    def __init__(
        self, topic_arn: str = "", *, merchant_id: str = "", certificate_hosts: Iterable[str] = (),
        max_age: timedelta | None = MAX_AGE, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        http: httpx.Client | None = None,
    ) -> None:  # fmt: skip
        self.topic_arn, self.merchant_id, self.max_age = topic_arn, merchant_id, max_age
        self._hosts = frozenset(host.lower() for host in certificate_hosts)
        self._clock = clock
        self._http = http or http_client(timeout=5)
        self._key = lru_cache(MAX_CERTIFICATES)(self._fetched)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def read(self, body: bytes | str) -> Notification:
        """Return what an envelope announces.

        Raises:
            NotificationRefused: It is not genuine, or not for this merchant; its `status` is the answer to give.
        Spec: "Set up instant payment notifications".
        """
        if len(body) > MAX_BODY_BYTES:
            raise NotificationRefused(Finding.MALFORMED, f"it is longer than {MAX_BODY_BYTES} bytes")
        envelope = _texts(body, Finding.MALFORMED, _IN_ENVELOPE)
        if envelope["Type"] != MESSAGE_TYPE:
            raise NotificationRefused(Finding.TYPE, f"it is a {envelope['Type']}")
        # Cheap checks come first; the network comes last.
        if self.topic_arn and envelope["TopicArn"] != self.topic_arn:
            raise NotificationRefused(Finding.TOPIC, envelope["TopicArn"])
        published = self._published(envelope["Timestamp"])
        digest = DIGESTS.get(envelope["SignatureVersion"])
        if digest is None:
            raise NotificationRefused(Finding.SIGNATURE_VERSION, envelope["SignatureVersion"])
        self._check_address(envelope["SigningCertURL"])
        key = self._key(envelope["SigningCertURL"])
        try:
            signature = base64.b64decode(envelope["Signature"], validate=True)
            key.verify(signature, signed_text(envelope).encode(), PKCS1v15(), digest)
        except (InvalidSignature, ValueError):  # or no base64, or no text that can be encoded
            raise NotificationRefused(Finding.SIGNATURE, "somebody else has written it, or altered it") from None
        return self._notification(envelope, published)

    def _published(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise NotificationRefused(Finding.MALFORMED, f"Timestamp {text!r} is no time") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        age = self._clock() - moment
        if self.max_age is not None and not -MAX_AHEAD <= age <= self.max_age:
            raise NotificationRefused(Finding.AGE, f"it was published at {text}")
        return moment.astimezone(UTC)

    def _check_address(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            secure, host = parts.scheme == "https", parts.hostname or ""
            if self._hosts.isdisjoint({parts.netloc.lower(), host}):
                trusted = secure and parts.port in (None, 443) and CERTIFICATE_HOST.fullmatch(host) is not None
            else:
                trusted = secure or (parts.scheme == "http" and host in LOOPBACK_HOSTS)
        except ValueError:  # a port that is not a number, a bracket that is not closed
            trusted = False
            parts = urlsplit("")
        # `urlsplit` drops line breaks, so what it has read need not be what would be called.
        plain = url.isascii() and url.isprintable() and not (parts.query or parts.fragment or "@" in parts.netloc)
        if not (trusted and plain and CERTIFICATE_PATH.fullmatch(parts.path)):
            raise NotificationRefused(Finding.CERTIFICATE_ADDRESS, f"{url!r} is not an address of Amazon's")

    def _fetched(self, url: str) -> RSAPublicKey:
        try:
            with self._http.stream("GET", url, follow_redirects=False) as response:
                if response.status_code != httpx.codes.OK:
                    raise NotificationRefused(Finding.CERTIFICATE, f"{url} answers {response.status_code}")
                pem = b""
                for part in response.iter_bytes():
                    pem += part
                    if len(pem) > MAX_CERTIFICATE_BYTES:
                        raise NotificationRefused(Finding.CERTIFICATE, f"{url} is too long")
            key = x509.load_pem_x509_certificate(pem).public_key()
        except (httpx.HTTPError, ValueError) as error:
            raise NotificationRefused(Finding.CERTIFICATE, f"{url}: {type(error).__name__}") from None
        if not isinstance(key, RSAPublicKey):
            raise NotificationRefused(Finding.CERTIFICATE, f"{url} contains no RSA key")
        return key

    def _notification(self, envelope: Mapping[str, str], published: datetime) -> Notification:
        message = _texts(envelope["Message"], Finding.MESSAGE, _IN_MESSAGE)
        if self.merchant_id and message["MerchantID"] != self.merchant_id:
            raise NotificationRefused(Finding.MERCHANT, message["MerchantID"])
        return Notification(
            notification_id=message["NotificationId"], notification_type=message["NotificationType"],
            object_type=message["ObjectType"], object_id=message["ObjectId"],
            charge_permission_id=message.get("ChargePermissionId", ""), merchant_id=message["MerchantID"],
            timestamp=published, topic_arn=envelope["TopicArn"],
        )  # fmt: skip


def _texts(body: bytes | str, finding: Finding, required: Iterable[str]) -> dict[str, str]:
    """Return the fields of a JSON object that are texts; any other counts as left out."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise NotificationRefused(finding, "it is not a JSON object")
    texts = {name: text for name, text in value.items() if isinstance(text, str)}
    for name in required:
        if name not in texts:
            raise NotificationRefused(finding, f"it has no text {name}")
    return texts
