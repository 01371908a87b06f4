"""The envelope of a notification: what it holds, and what its signature covers."""

import json
from base64 import b64decode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import load_pem_x509_certificate

from amazonpay_nb.signing.envelope import EnvelopeSigner, delivery_headers, signed_text, unsigned_envelope

TOPIC = "arn:aws:sns:us-east-1:123456789012:EXAMPLE"
URL = "https://sns.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
NOTIFICATION = {
    "merchantId": "A3OJ83WFYM72IY", "objectType": "CHARGE", "objectId": "S01-1-2-C3", "chargePermissionId": "C01-1-2",
    "notificationType": "STATE_CHANGE", "notificationId": "1b0ae0c9", "messageId": "cf5543af",
    "timestamp": "2026-01-15T12:00:00.000Z",
}  # fmt: skip


def test_an_envelope_names_the_object_and_no_state() -> None:
    """The documented keys, in the documented spelling."""
    envelope = unsigned_envelope(URL, TOPIC, NOTIFICATION, version="2")
    assert json.loads(envelope.pop("Message")) == {
        "MerchantID": "A3OJ83WFYM72IY", "ObjectType": "CHARGE", "ObjectId": "S01-1-2-C3",
        "ChargePermissionId": "C01-1-2", "NotificationType": "STATE_CHANGE", "NotificationId": "1b0ae0c9",
        "NotificationVersion": "V2",
    }  # fmt: skip
    assert envelope == {
        "Type": "Notification", "MessageId": "cf5543af", "TopicArn": TOPIC, "Timestamp": "2026-01-15T12:00:00.000Z",
        "SignatureVersion": "2", "SigningCertURL": URL,
        "UnsubscribeURL": "https://sns.example/?Action=Unsubscribe",
    }  # fmt: skip


def test_the_signature_covers_names_and_values_in_order() -> None:
    """What is there among the seven fields; a null counts as absent, an empty text does not."""
    envelope = {"Type": "Notification", "Message": "{}", "MessageId": "1", "Timestamp": "now", "TopicArn": "arn",
                "Subject": None, "Token": "", "SignatureVersion": "1", "UnsubscribeURL": "https://x"}  # fmt: skip
    assert signed_text(envelope) == (
        "Message\n{}\nMessageId\n1\nTimestamp\nnow\nToken\n\nTopicArn\narn\nType\nNotification\n"
    )


@pytest.mark.parametrize(("version", "digest"), [("1", SHA1()), ("2", SHA256())])  # noqa: S303 (Amazon's choice)
def test_the_certificate_verifies_the_signature(version: str, digest: HashAlgorithm) -> None:
    """RSA with PKCS #1 v1.5 over SHA-1 or SHA-256, by the version."""
    signer = EnvelopeSigner()
    envelope = signer.sign(unsigned_envelope(URL, TOPIC, NOTIFICATION, version=version))
    key = load_pem_x509_certificate(signer.certificate).public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(b64decode(envelope["Signature"]), signed_text(envelope).encode(), PKCS1v15(), digest)


def test_the_certificate_is_valid_wherever_virtual_time_is() -> None:
    """A reader takes no certificate outside its dates."""
    certificate = load_pem_x509_certificate(EnvelopeSigner().certificate)
    valid = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert valid == (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


def test_a_delivery_carries_the_headers_of_sns() -> None:
    """AWS's own message validator insists on the first; the names are those of SNS's page on HTTP headers."""
    headers = delivery_headers(unsigned_envelope(URL, TOPIC, NOTIFICATION))
    subscription = headers.pop("x-amz-sns-subscription-arn")
    assert subscription.startswith(f"{TOPIC}:")
    assert headers == {
        "x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": "cf5543af", "x-amz-sns-topic-arn": TOPIC,
        "content-type": "text/plain; charset=UTF-8", "user-agent": "Amazon Simple Notification Service Agent",
    }  # fmt: skip
