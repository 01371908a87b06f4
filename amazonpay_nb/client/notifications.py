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
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from amazonpay_nb.errors import ConfigurationError, LocalError
from amazonpay_nb.limits import whole
from amazonpay_nb.loopback import http_client, no_cookies
from amazonpay_nb.signing.envelope import DIGESTS, signed_text
from amazonpay_nb.signing.keys import KEY_BITS
from amazonpay_nb.spec import notifications as sns
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, host_of

MAX_BODY_BYTES = 256 * 1024  # as much as SNS carries
MAX_CERTIFICATE_BYTES = 64 * 1024
MAX_CERTIFICATES = 16  # how many are kept; Amazon renews them from time to time
_QUOTED = 80  # characters of a stranger's text that a refusal repeats
_IN_ENVELOPE = (
    "Type", "Message", "MessageId", "TopicArn", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
)  # fmt: skip
_IN_MESSAGE = ("NotificationId", "NotificationType", "ObjectType", "ObjectId", "MerchantID")


class Finding(StrEnum):
    """Why a notification is refused."""

    MALFORMED = "it is not an envelope"
    TYPE = "it is not a notification"
    CERTIFICATE_ADDRESS = "its certificate is at another address"
    CERTIFICATE = "its certificate cannot be used"
    SIGNATURE_VERSION = "its signature version is unknown"
    SIGNATURE = "its signature is wrong"
    TOPIC = "it is from another topic"
    AGE = "it is too old, or from the future"
    MESSAGE = "its message cannot be read"
    MERCHANT = "it is for another merchant"


class NotificationRefused(LocalError):
    """A notification is not genuine, or not for this merchant: its *finding*, and the *status* to answer with."""

    def __init__(self, finding: Finding, message: str) -> None:
        self.finding = finding
        self.status = 503 if finding is Finding.CERTIFICATE else 400  # 503 where a repetition can succeed
        super().__init__(f"The notification is refused, {finding}: {message}", advice=f"Answer {self.status}.")


@dataclass(frozen=True, slots=True)
class Notification:
    """A genuine notification: an object has changed.  Get it to learn what it is now."""

    notification_id: str  #: tells repetitions of one announcement, also across retries
    notification_type: str  #: STATE_CHANGE or ATTRIBUTE_CHANGE
    object_type: str  #: CHARGE_PERMISSION, CHARGE, REFUND, CHARGEBACK, or what Amazon adds one day
    object_id: str
    charge_permission_id: str
    merchant_id: str
    timestamp: datetime  #: when it was published, aware, in UTC; the same in each repetition
    topic_arn: str


class NotificationReader:
    """Verifies envelopes and returns what they announce.  Certificates are fetched once and kept.

    Args:
        topic_arn: The topic that your notifications come from; note it from the first one.  With "", any topic is
            accepted, but no certificate of Amazon's, so *certificate_hosts* has to name a host.
        merchant_id: The merchant whose notifications are accepted; "" accepts anybody's.
        certificate_hosts: Hosts besides Amazon's, as ``host`` or ``host:port``: the emulator's.  Plain HTTP is
            accepted on loopback only.
        max_age: How old an envelope may be; None accepts any age.
        clock: Tells the time.
        http: Fetches certificates.
    Raises:
        ConfigurationError: There is neither a topic nor a certificate host, or the topic is not one.
    """

    def __init__(
        self, topic_arn: str = "", *, merchant_id: str = "", certificate_hosts: Iterable[str] = (),
        max_age: timedelta | None = sns.MAX_AGE, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        http: httpx.Client | None = None,
    ) -> None:  # fmt: skip
        self.topic_arn, self.merchant_id, self.max_age = topic_arn, merchant_id, max_age
        self._addresses = _addresses(topic_arn, certificate_hosts)
        self._clock = clock
        self._http = http or http_client(timeout=5, cookies=no_cookies())
        self._certificate = lru_cache(MAX_CERTIFICATES)(self._fetched)

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
        if envelope["Type"] != sns.MESSAGE_TYPE:
            raise NotificationRefused(Finding.TYPE, _quoted(envelope["Type"]))
        # Cheap checks come first; the network comes last.
        if self.topic_arn and envelope["TopicArn"] != self.topic_arn:
            raise NotificationRefused(Finding.TOPIC, _quoted(envelope["TopicArn"]))
        now = self._clock()
        published = self._published(envelope["Timestamp"], now)
        digest = DIGESTS.get(envelope["SignatureVersion"])
        if digest is None:
            raise NotificationRefused(Finding.SIGNATURE_VERSION, _quoted(envelope["SignatureVersion"]))
        key = self._key(envelope["SigningCertURL"], now)
        try:
            signature = base64.b64decode(envelope["Signature"], validate=True)
            key.verify(signature, signed_text(envelope).encode(), PKCS1v15(), digest)
        except (InvalidSignature, ValueError):  # or no base64, or no text that can be encoded
            raise NotificationRefused(Finding.SIGNATURE, "somebody else has written it, or altered it") from None
        message = _texts(envelope["Message"], Finding.MESSAGE, _IN_MESSAGE)
        if self.merchant_id and message["MerchantID"] != self.merchant_id:
            raise NotificationRefused(Finding.MERCHANT, _quoted(message["MerchantID"]))
        return Notification(
            notification_id=message["NotificationId"], notification_type=message["NotificationType"],
            object_type=message["ObjectType"], object_id=message["ObjectId"],
            charge_permission_id=message.get("ChargePermissionId", ""), merchant_id=message["MerchantID"],
            timestamp=published, topic_arn=envelope["TopicArn"],
        )  # fmt: skip

    def _published(self, text: str, now: datetime) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # before year 1, or after year 9999
            raise NotificationRefused(Finding.MALFORMED, f"Timestamp {_quoted(text)} is no time") from None
        age = now - moment
        if self.max_age is not None and not -sns.MAX_AHEAD <= age <= self.max_age:
            raise NotificationRefused(Finding.AGE, f"it was published at {_quoted(text)}")
        return moment

    def _key(self, url: str, now: datetime) -> RSAPublicKey:
        """Return the key that a certificate at an address of Amazon's holds, if it may be used now."""
        if not self._addresses.fullmatch(url):
            raise NotificationRefused(Finding.CERTIFICATE_ADDRESS, f"{_quoted(url)} is not an address of Amazon's")
        key, name, since, until = self._certificate(url)
        if not since <= now <= until:
            problem = "is not valid at this time"
        elif not sns.CERTIFICATE_NAME.fullmatch(name):
            problem = "bears another name"
        elif not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS:
            problem = f"has no RSA key of {KEY_BITS} bits"
        else:
            return key
        raise NotificationRefused(Finding.CERTIFICATE, f"that at {url} {problem}")

    def _fetched(self, url: str) -> tuple[object, str, datetime, datetime]:
        """Return a certificate's key, common name, and when it is valid."""
        try:
            response = whole(self._http, self._http.build_request("GET", url), follow_redirects=False)
            if response.status_code != httpx.codes.OK or len(response.content) > MAX_CERTIFICATE_BYTES:
                raise ValueError(f"status {response.status_code}, {len(response.content)} bytes")
            certificate = x509.load_pem_x509_certificate(response.content)
            names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            valid = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            return certificate.public_key(), str(names[0].value), *valid
        except Exception as error:  # noqa: BLE001 (whatever the network and the file hold, it is no certificate)
            problem = f"there is none at {url} ({type(error).__name__}: {_quoted(str(error))})"
            raise NotificationRefused(Finding.CERTIFICATE, problem) from None


def _addresses(topic_arn: str, hosts: Iterable[str]) -> re.Pattern[str]:
    """Return the form of the addresses from which certificates are taken; see `NotificationReader`."""
    places = []
    for host in hosts:
        scheme = "https?" if host_of(host) in LOOPBACK_HOSTS else "https"
        places.append(rf"{scheme}://{re.escape(host.lower())}(?::[0-9]{{1,5}})?")
    topic = sns.TOPIC_ARN.fullmatch(topic_arn)
    if topic:
        # SNS signs in each region with that region's certificate.
        end = r"com\.cn" if topic["region"].startswith("cn-") else "com"
        places.append(rf"https://sns\.{topic['region']}\.amazonaws\.{end}")
    if not places or (topic_arn and not topic):
        raise ConfigurationError(
            f"{topic_arn!r} is no topic of Amazon's notifications, and SNS signs for everyone who has one.",
            advice="Copy the TopicArn of the first notification that arrives, "
            "for example arn:aws:sns:eu-west-1:123456789012:Name.",
        )
    return re.compile(rf"(?:{'|'.join(places)}){sns.CERTIFICATE_PATH.pattern}")


def _quoted(text: str) -> str:
    """Return the beginning of a stranger's text in a form that no log and no terminal takes for anything else."""
    return ascii(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")


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
