"""Reading notifications: what is signed, whose certificate is believed, what is refused and how."""

import gzip
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from amazonpay_nb.client.notifications import (
    MAX_BODY_BYTES,
    MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATES,
    Finding,
    NotificationReader,
    NotificationRefused,
)
from amazonpay_nb.limits import in_time
from amazonpay_nb.loopback import http_client
from amazonpay_nb.signing.envelope import signed_text
from amazonpay_nb.spec.notifications import ANNOUNCEMENTS, DRILLS, MAX_AGE, MESSAGE_FIELDS, OBJECT_TYPES, answer_to
from amazonpay_nb.spec.states import MACHINES
from tests.processes import ENDLESS, PATIENCE, endless
from tests.sns import ENVELOPE, MESSAGE, NOW, TOPIC, URL, Sns, certificate

# Written by hand from the rules of the notification service: name and value in alphabetical order, a line each.
GOLDEN = (
    "Message\nhello\nMessageId\ncf5543af-dd65-5f74-8ccf-0a410a0b0e2e\n"
    "Timestamp\n2026-01-15T11:59:00.678Z\nTopicArn\narn:aws:sns:eu-west-1:123456789012:EXAMPLE\nType\nNotification\n"
)


def finding(reader: NotificationReader, body: bytes | str) -> Finding:
    with pytest.raises(NotificationRefused) as refused:
        reader.read(body)
    assert str(refused.value.finding) in refused.value.message
    return refused.value.finding


# --- What is genuine --------------------------------------------------------------------------------------------------


def test_the_signed_text_is_as_amazon_writes_it() -> None:
    """Against a text written by hand; what is not signed has no part in it."""
    assert signed_text(ENVELOPE) == GOLDEN
    assert signed_text(ENVELOPE | {"Subject": "s"}) == GOLDEN.replace("Timestamp", "Subject\ns\nTimestamp")


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_signature_versions_are_read(sns: Sns, version: str) -> None:
    """Each with the digest that it stands for, with or without a subject."""
    read = sns.reader(merchant_id="A3OJ83WFYM72IY").read(sns.body(SignatureVersion=version, Subject="News"))
    assert (read.object_type, read.object_id) == ("CHARGE", "S02-1234567-7654321-C004671")
    assert (read.notification_type, read.notification_id) == ("STATE_CHANGE", MESSAGE["NotificationId"])
    assert read.charge_permission_id == "S02-1234567-7654321"
    assert read.timestamp == NOW - timedelta(seconds=59, milliseconds=322)


def test_a_text_is_read_like_bytes(sns: Sns) -> None:
    """Frameworks hand over either."""
    assert sns.reader().read(sns.body().decode()).topic_arn == TOPIC


def test_what_amazon_adds_one_day_does_no_harm(sns: Sns) -> None:
    """Neither new fields nor new types, and a permission may be missing."""
    read = sns.reader().read(sns.message(ObjectType="NEW", More={"a": [1]}, ChargePermissionId=None))
    assert (read.object_type, read.charge_permission_id) == ("NEW", "")


def test_a_certificate_is_fetched_once(sns: Sns) -> None:
    """And a bounded number of them is kept, whatever addresses arrive."""
    reader = sns.reader()
    for _ in range(3):
        reader.read(sns.body())
    assert sns.requests == [URL]
    for number in range(MAX_CERTIFICATES):
        reader.read(sns.body(SigningCertURL=URL.replace("0123456789abcdef.", f"{number:016x}.")))
    reader.read(sns.body())
    assert sns.requests.count(URL) == 2


# --- Whose certificate is believed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "url", "believed"),
    [
        (("127.0.0.1",), "http://127.0.0.1:8000/a.pem", True),
        (("127.0.0.1:8000",), "http://127.0.0.1:8000/a.pem", True),
        (("127.0.0.1:8000",), "http://127.0.0.1:8001/a.pem", False),
        (("Emulator.Example",), "https://emulator.example/a.pem", True),
        (("emulator.example",), "http://emulator.example/a.pem", False),
        (("127.0.0.1",), "http://localhost:8000/a.pem", False),
        (("127.0.0.1",), "http://u@127.0.0.1:8000/a.pem", False),
    ],
)
def test_another_host_is_believed_only_when_told_so(sns: Sns, hosts: tuple[str, ...], url: str, believed: bool) -> None:
    """By host or host and port; plain HTTP on loopback alone."""
    file = URL.rpartition("/")[2]
    reader, body = sns.reader(certificate_hosts=hosts), sns.body(SigningCertURL=url.replace("a.pem", file))
    if believed:
        assert reader.read(body)
    else:
        assert finding(reader, body) is Finding.CERTIFICATE_ADDRESS


@pytest.mark.parametrize(
    ("status", "content"),
    [(404, b""), (302, b""), (200, b"nothing"), (200, b"x" * (MAX_CERTIFICATE_BYTES + 1)), (200, None)],
)
def test_a_certificate_that_cannot_be_had_asks_for_a_repetition(sns: Sns, status: int, content: bytes | None) -> None:
    """503: Amazon sends it again, and by then the certificate may be there.  A redirect is not followed."""
    sns.status = status
    sns.certificate = content if content is not None else certificate(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(NotificationRefused) as refused:
        sns.reader().read(sns.body())
    assert (refused.value.finding, refused.value.status) == (Finding.CERTIFICATE, 503)
    assert len(sns.requests) == 1


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_certificate_has_an_end(sns: Sns, kind: str) -> None:
    """Anybody can post an envelope, and choose which of the hosts is asked."""
    with endless(*ENDLESS[kind]) as url, http_client(timeout=httpx.Timeout(PATIENCE, read=0.5)) as http:
        reader = sns.reader(certificate_hosts=("127.0.0.1",), http=http)
        body = sns.body(SigningCertURL=URL.replace("https://sns.eu-west-1.amazonaws.com", url))
        assert in_time(PATIENCE, lambda: finding(reader, body)) is Finding.CERTIFICATE


def test_a_certificate_is_packed_once(sns: Sns) -> None:
    """Of what is packed twice, few bytes can be gigabytes."""
    sns.certificate, sns.headers = gzip.compress(gzip.compress(sns.certificate)), {"content-encoding": "gzip, gzip"}
    assert finding(sns.reader(), sns.body()) is Finding.CERTIFICATE


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Message", "MessageId", "Timestamp", "TopicArn", "Subject"])
def test_nothing_that_is_signed_can_be_altered(sns: Sns, name: str) -> None:
    """Not even by a letter."""
    envelope = json.loads(sns.body(Subject="News"))
    envelope[name] = envelope[name].replace(envelope[name][-2], "9", 1) if name == "Timestamp" else envelope[name] + " "
    wanted = Finding.TOPIC if name == "TopicArn" else Finding.SIGNATURE
    assert finding(sns.reader(), json.dumps(envelope).encode()) is wanted


@pytest.mark.parametrize("signature", ["", "!", "AAAA", "\u00e4"])
def test_a_signature_that_is_none_is_refused(sns: Sns, signature: str) -> None:
    """400: a repetition would be no better."""
    body = json.dumps(json.loads(sns.body()) | {"Signature": signature}).encode()
    with pytest.raises(NotificationRefused) as refused:
        sns.reader().read(body)
    assert (refused.value.finding, refused.value.status) == (Finding.SIGNATURE, 400)


def test_a_signature_of_the_other_version_is_refused(sns: Sns) -> None:
    """The version is not signed: whoever changes it changes the digest."""
    envelope = json.loads(sns.body())
    assert finding(sns.reader(), json.dumps(envelope | {"SignatureVersion": "2"})) is Finding.SIGNATURE
    assert finding(sns.reader(), json.dumps(envelope | {"SignatureVersion": "3"})) is Finding.SIGNATURE_VERSION


def test_another_topic_is_refused(sns: Sns) -> None:
    """The notification service signs for everybody who has a topic."""
    assert finding(sns.reader(), sns.body(TopicArn=f"{TOPIC}2")) is Finding.TOPIC


def test_another_merchants_notification_is_refused(sns: Sns) -> None:
    """Capitals count."""
    assert finding(sns.reader(merchant_id="A3OJ83WFYM72IZ"), sns.body()) is Finding.MERCHANT


@pytest.mark.parametrize(
    ("age", "fits"),
    [(MAX_AGE, True), (MAX_AGE + timedelta(seconds=1), False), (timedelta(minutes=-5), True),
     (timedelta(minutes=-6), False)],
)  # fmt: skip
def test_an_old_notification_is_refused(sns: Sns, age: timedelta, fits: bool) -> None:
    """What was published before the first of all retries is a replay; the future is not believed either."""
    body = sns.body(Timestamp=(NOW - age).isoformat())
    if fits:
        assert sns.reader().read(body).timestamp == NOW - age
    else:
        assert finding(sns.reader(), body) is Finding.AGE
        assert sns.reader(max_age=None).read(body)


def test_a_time_without_a_zone_is_utc(sns: Sns) -> None:
    """As everything that Amazon writes."""
    assert sns.reader().read(sns.body(Timestamp="2026-01-15T12:00:00")).timestamp == NOW


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"null", b"\xff", b"[" * 99_999, b"x" * (MAX_BODY_BYTES + 1), b'{"Type":"Notification"}'],
)
def test_what_is_no_envelope_is_malformed(sns: Sns, body: bytes) -> None:
    """Whatever anybody sends."""
    assert finding(sns.reader(), body) is Finding.MALFORMED


@pytest.mark.parametrize(
    "name",
    ["Type", "Message", "MessageId", "TopicArn", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"],
)
@pytest.mark.parametrize("value", [None, 1, {}, ["a"]])
def test_an_envelope_is_complete_and_of_texts(sns: Sns, name: str, value: Any) -> None:
    """A missing or odd field is no surprise."""
    assert finding(sns.reader(), json.dumps(json.loads(sns.body()) | {name: value})) is Finding.MALFORMED


def test_a_time_that_is_none_is_malformed(sns: Sns) -> None:
    """It is looked at before the signature."""
    assert finding(sns.reader(), sns.body(Timestamp="yesterday")) is Finding.MALFORMED


def test_only_notifications_are_read(sns: Sns) -> None:
    """A subscription is confirmed by a person, who knows of it."""
    assert finding(sns.reader(), sns.body(Type="SubscriptionConfirmation")) is Finding.TYPE


@pytest.mark.parametrize("message", ["hello", "[]", "{}", json.dumps(MESSAGE | {"ObjectId": 1})])
def test_a_message_that_cannot_be_read_is_refused(sns: Sns, message: str) -> None:
    """Though Amazon has signed it."""
    assert finding(sns.reader(), sns.body(Message=message)) is Finding.MESSAGE


def test_a_reader_makes_its_own_connections() -> None:
    """Without any option; nothing is fetched for what is malformed."""
    reader = NotificationReader(TOPIC)
    assert finding(reader, b"") is Finding.MALFORMED
    reader.close()


# --- The tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "repeated"), [(200, False), (204, False), (302, False), (400, False), (500, True), (503, True)]
)
def test_an_answer_is_a_row(status: int, repeated: bool) -> None:
    """4xx is final, 5xx is not."""
    assert answer_to(status).repeated is repeated


def test_no_answer_is_repeated() -> None:
    """So is one that HTTP does not have."""
    assert answer_to(None).repeated
    assert answer_to(700).repeated


def test_announcements_name_objects_and_triggers_that_exist() -> None:
    """A Checkout Session is not announced."""
    for row in ANNOUNCEMENTS:
        assert row.object in OBJECT_TYPES
        assert not row.when or row.when in MACHINES[row.object].triggers
    assert "Checkout Session" not in OBJECT_TYPES


def test_the_tables_are_complete() -> None:
    """Each field of a message has a row; each drill its own name."""
    assert [row.field for row in MESSAGE_FIELDS] == list(MESSAGE)
    assert list(DRILLS) == ["duplicate", "late", "swap", "lost", "burst"]
