"""Instant notifications: the announced changes, the fields of an announcement, its signature, and its retries.

A notification says *that* an object changed, never *what* it is now: the receiver gets the object.  The rows are in
``notifications.toml``, which describes their fields.
"""

import re
from datetime import timedelta

from amazonpay_nb.spec.data import data_row, load
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.regions import Region

STATE_CHANGE = "STATE_CHANGE"
MESSAGE_TYPE = "Notification"
# The fields of the envelope that the signature covers, in this order, as far as they are present.
SIGNED_FIELDS = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
# A topic of SNS, Amazon's notification service; the path and the name of a certificate that it signs with.  [recorded]
_REGION = r"(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9])"
TOPIC_ARN = re.compile(rf"arn:aws(?:-[a-z]+)*:sns:{_REGION}:[0-9]{{12}}:[A-Za-z0-9_.-]{{1,256}}")
CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
CERTIFICATE_NAME = re.compile(rf"sns(?:-signing)?(?:[.-]{_REGION})?\.amazonaws\.com(?:\.cn)?")
USER_AGENT = "Amazon Simple Notification Service Agent"

# Hourly, for three hours after the first attempt.  [recorded; the predecessor's guide speaks of 14 days]
RETRIES = (timedelta(hours=1),) * 3
DELIVERY_TIMEOUT_SECONDS = 5.0  # the guide says only to answer quickly  [inferred]
# A signed envelope is refused when it is older than the last repetition can be, or from the future.  [inferred]
MAX_AGE = RETRIES[0] * len(RETRIES) + timedelta(hours=1)
MAX_AHEAD = timedelta(minutes=5)


@data_row
class Announcement:
    """A change that is announced: of which object, and by which trigger ("" for every change of state or reason)."""

    object: str
    when: str
    notification_type: str
    evidence: Evidence


@data_row
class MessageField:
    """A field of the JSON text in the envelope's ``Message``."""

    field: str
    holds: str
    evidence: Evidence


@data_row
class Answer:
    """Amazon's reaction to the receiver's answer."""

    status: str
    repeated: bool
    means: str
    evidence: Evidence


@data_row
class Drill:
    """A way in which the next notifications arrive in disorder."""

    kind: str
    happens: str
    takes: int = 1
    copies: int = 1
    at_once: bool = False
    delay: timedelta = timedelta(0)
    lost: bool = False


@data_row
class _File:
    object_types: dict[str, str]
    headers: dict[str, str]
    topic_regions: dict[str, str]
    announcements: tuple[Announcement, ...]
    fields: dict[str, MessageField]
    answers: dict[str, Answer]
    drills: dict[str, Drill]


_FILE = load("notifications.toml", _File, fields="field", answers="status", drills="kind")
OBJECT_TYPES, HEADERS, TOPIC_REGIONS = _FILE.object_types, _FILE.headers, _FILE.topic_regions
ANNOUNCEMENTS, DRILLS = _FILE.announcements, _FILE.drills
# Where each of them has its certificate.
CERTIFICATE_HOSTS = {code: f"sns.{region}.amazonaws.com" for code, region in TOPIC_REGIONS.items()}
MESSAGE_FIELDS, ANSWERS = tuple(_FILE.fields.values()), tuple(_FILE.answers.values())


def hosts_of(region: Region) -> tuple[str, ...]:
    """Return the hosts that a merchant's server and its buyers talk to: API, script, pages and notifications."""
    return region.api_host, region.checkout_script_host, region.hosted_host, CERTIFICATE_HOSTS[region.code]


def answer_to(status: int | None) -> Answer:
    """Return the row for an HTTP status, None standing for no answer."""
    name = "none in time" if status is None else f"{status // 100}xx"
    return _FILE.answers.get(name, ANSWERS[-1])
