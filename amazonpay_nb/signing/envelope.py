"""The envelope of an instant notification: its fields, the text that its signature covers, and the signature.

The envelope is that of Amazon's notification service SNS, which the emulator imitates and the reader of notifications
verifies.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urljoin
from uuid import NAMESPACE_URL, uuid5

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from amazonpay_nb.spec.notifications import HEADERS, MESSAGE_FIELDS, MESSAGE_TYPE, SIGNED_FIELDS, USER_AGENT
from amazonpay_nb.spec.parts import to_json

# The years in which it is valid: virtual time may be anywhere in between.
_VALID = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# ``SignatureVersion`` → digest of RSA PKCS#1 v1.5.  The sender chooses, so a receiver has to support both, also SHA-1.
# [1 recorded, 2 inferred from the rules of SNS]
DIGESTS: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 (Amazon's choice)
Envelope = dict[str, Any]


def signed_text(envelope: Mapping[str, Any]) -> str:
    """Return the text that an envelope's signature covers: name and value of each signed field, a line each."""
    return "".join(f"{name}\n{envelope[name]}\n" for name in SIGNED_FIELDS if envelope.get(name) is not None)


def unsigned_envelope(
    certificate_url: str, topic_arn: str, notification: Mapping[str, Any], *, version: str = "1"
) -> Envelope:
    """Return the envelope of a notification with the fields of ``GET notifications``, and without a signature."""
    values = {"notificationversion": "V2"} | {name.lower(): value for name, value in notification.items()}
    message = {row.field: values[row.field.lower()] for row in MESSAGE_FIELDS}  # MerchantID ends in a capital
    return {
        "Type": MESSAGE_TYPE,
        "MessageId": notification["messageId"],
        "TopicArn": topic_arn,
        "Message": to_json(message),
        "Timestamp": notification["timestamp"],
        "SignatureVersion": version,
        "SigningCertURL": certificate_url,
        "UnsubscribeURL": urljoin(certificate_url, "/?Action=Unsubscribe"),
    }


def delivery_headers(envelope: Mapping[str, Any]) -> dict[str, str]:
    """Return the HTTP headers with which SNS posts an envelope; the subscription is the topic's only one."""
    topic = envelope["TopicArn"]
    return {name: envelope[field] for name, field in HEADERS.items()} | {
        "x-amz-sns-subscription-arn": f"{topic}:{uuid5(NAMESPACE_URL, topic)}",
        "content-type": "text/plain; charset=UTF-8",
        "user-agent": USER_AGENT,
    }


class EnvelopeSigner:
    """Sign envelopes; its certificate bears SNS's name, and an authority that nobody trusts."""

    def __init__(self) -> None:
        import trustme

        authority, (since, until) = trustme.CA(organization_name="Amazon Pay emulator"), _VALID
        issued = authority.issue_cert(
            "sns.amazonaws.com", common_name="sns.amazonaws.com", not_before=since, not_after=until,
            key_type=trustme.KeyType.RSA,
        )  # fmt: skip
        self.certificate = issued.cert_chain_pems[0].bytes()
        # In the form of SNS's; a receiver keeps certificates by their addresses, so each has one of its own.
        self.path = f"/SimpleNotificationService-{sha256(self.certificate).hexdigest()[:32]}.pem"
        key = load_pem_private_key(issued.private_key_pem.bytes(), None, unsafe_skip_rsa_key_validation=True)
        self._key = cast(RSAPrivateKey, key)  # which was made a moment ago, so it is not examined for as long again

    def sign(self, envelope: Envelope) -> Envelope:
        """Return *envelope* with the signature that its version asks for."""
        text = signed_text(envelope).encode()
        signature = self._key.sign(text, PKCS1v15(), DIGESTS[envelope["SignatureVersion"]])
        return envelope | {"Signature": base64.b64encode(signature).decode()}
