"""A notification service for tests, which signs whatever it is asked to; it knows nothing of the package."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from amazonpay_nb.client.notifications import NotificationReader

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:EXAMPLE"
URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
MESSAGE = {
    "MerchantID": "A3OJ83WFYM72IY", "ObjectType": "CHARGE", "ObjectId": "S02-1234567-7654321-C004671",
    "ChargePermissionId": "S02-1234567-7654321", "NotificationType": "STATE_CHANGE",
    "NotificationId": "1b0ae0c9-0000-4000-8000-6b5bd1a8a55d", "NotificationVersion": "V2",
}  # fmt: skip
ENVELOPE = {
    "Type": "Notification", "MessageId": "cf5543af-dd65-5f74-8ccf-0a410a0b0e2e", "TopicArn": TOPIC,
    "Message": "hello", "Timestamp": "2026-01-15T11:59:00.678Z", "SignatureVersion": "1", "SigningCertURL": URL,
    "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
}  # fmt: skip
SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")


def certificate(key: Any, name: str = "sns.amazonaws.com", valid: tuple[int, int] = (-1, 1)) -> bytes:
    """A certificate for a key; *valid* from and until so many days from `NOW`."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else [])
    since, until = (NOW + timedelta(days=days) for days in valid)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, since, until)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


class Sns:
    """A notification service with a key of its own; *requests* are the certificates that were asked for."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = certificate(self.key)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests: list[str] = []

    def body(self, **changed: Any) -> bytes:
        """Return a signed envelope; *changed* before it is signed, None leaving a field out."""
        envelope = ENVELOPE | {"Message": json.dumps(MESSAGE)} | changed
        present = {name: value for name, value in envelope.items() if value is not None}
        digest: Any = {"1": hashes.SHA1(), "2": hashes.SHA256()}.get(str(present.get("SignatureVersion")))  # noqa: S303
        text = "".join(f"{name}\n{present[name]}\n" for name in SIGNED if name in present)
        signature = self.key.sign(text.encode("utf-8", "surrogatepass"), padding.PKCS1v15(), digest or hashes.SHA256())
        return json.dumps({"Signature": base64.b64encode(signature).decode()} | present).encode()

    def message(self, **changed: Any) -> bytes:
        message = {name: value for name, value in (MESSAGE | changed).items() if value is not None}
        return self.body(Message=json.dumps(message))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(str(request.url))
        return httpx.Response(self.status, content=self.certificate, headers={"location": URL} | self.headers)

    def reader(self, **options: Any) -> NotificationReader:
        http = httpx.Client(transport=httpx.MockTransport(self.answer))
        return NotificationReader(**{"topic_arn": TOPIC, "clock": lambda: NOW, "http": http} | options)
