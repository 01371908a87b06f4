"""Forged notifications, a row each with the reason for which it is refused, and the genuine ones that pass."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings, strategies as st

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.client.notifications import MAX_CERTIFICATE_BYTES, Finding, NotificationReader, NotificationRefused
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.shop.inbox import INBOX_PATH, Inbox
from amazonpay_nb.shop.server import Shop
from amazonpay_nb.signing.keys import generate
from tests.sns import ENVELOPE, MESSAGE, NOW, TOPIC, URL, Sns, certificate

EXAMPLES = 20_000 if os.environ.get("AMAZONPAY_NB_PROOFS") == "long" else 500
HOST, FILE = "https://sns.eu-west-1.amazonaws.com", URL.rpartition("/")[2]
MERCHANT = MESSAGE["MerchantID"]
Forge = Callable[[Sns], bytes]

# The forger signs with a key of his own, and says where its certificate is.
ADDRESSES = {
    "a bucket called sns": f"https://sns.s3-us-west-2.amazonaws.com/{FILE}",
    "a bucket behind the accelerator": f"https://sns.s3-accelerate.amazonaws.com/{FILE}",
    "a bucket at the external endpoint": f"https://sns.s3-external-1.amazonaws.com/{FILE}",
    "another service": f"https://sns.ec2.amazonaws.com/{FILE}",
    "a region of hyphens": f"https://sns.---.amazonaws.com/{FILE}",
    "the region of another topic": f"https://sns.us-east-1.amazonaws.com/{FILE}",
    "the region in China's domain": f"{HOST}.cn/{FILE}",
    "the region in another form": f"https://sns-eu-west-1.amazonaws.com/{FILE}",
    "no region": f"https://sns.amazonaws.com/{FILE}",
    "a longer label": f"https://xsns.eu-west-1.amazonaws.com/{FILE}",
    "a longer domain": f"{HOST}.evil.example/{FILE}",
    "a shorter domain": f"https://sns.eu-west-1.amazonaws.co/{FILE}",
    "the domain with a final dot": f"{HOST}./{FILE}",
    "the host in a path": f"https://evil.example/sns.eu-west-1.amazonaws.com/{FILE}",
    "the host as a user": f"{HOST}@evil.example/{FILE}",
    "a user": f"https://evil@sns.eu-west-1.amazonaws.com/{FILE}",
    "the host in front of a backslash": f"{HOST}\\@evil.example/{FILE}",
    "an escaped slash": f"{HOST}%2f.evil.example/{FILE}",
    "a port": f"{HOST}:8443/{FILE}",
    "no HTTPS": f"http://sns.eu-west-1.amazonaws.com/{FILE}",
    "a file": f"file:///{FILE}",
    "capitals": f"https://SNS.eu-west-1.amazonaws.com/{FILE}",
    "full-width letters": f"https://sns.eu-west-1.\uff41mazonaws.com/{FILE}",
    "another name of a file": f"{HOST}/evil.pem",
    "a folder": f"{HOST}/evil/{FILE}",
    "a way up": f"{HOST}/evil/../{FILE}",
    "an escaped way up": f"{HOST}/%2e%2e/{FILE}",
    "too few digits": f"{HOST}/SimpleNotificationService-0123.pem",
    "a digit too many": f"{HOST}/{FILE.replace('.', '0.')}",
    "capital digits": f"{HOST}/{FILE.replace('abcdef', 'ABCDEF')}",
    "digits of another script": f"{HOST}/{FILE.replace('0', chr(0x660))}",
    "another ending": f"{HOST}/{FILE}.txt",
    "a query": f"{URL}?x",
    "a fragment": f"{URL}#x",
    "a line break": f"{HOST}\n/{FILE}",
    "a line break at the end": f"{URL}\n",
    "a tab": f"{HOST}\t/{FILE}",
    "a space in front": f" {URL}",
    "a NUL": f"{URL}\0",
    "half a character": f"{URL}\ud800",
    "an open bracket": f"https://[::1/{FILE}",
    "this machine": f"https://127.0.0.1/{FILE}",
    "70 kB": f"{HOST}/{'x' * 70_000}.pem",
    "nothing": "",
}  # fmt: skip
# A certificate at the right address.
STRONG = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CERTIFICATES: dict[str, tuple[int, bytes]] = {
    "has ended": (200, certificate(STRONG, valid=(-2, -1))),
    "has not begun": (200, certificate(STRONG, valid=(1, 2))),
    "bears a bucket's name": (200, certificate(STRONG, "sns.s3-us-west-2.amazonaws.com")),
    "bears a stranger's name": (200, certificate(STRONG, "sns.amazonaws.com.evil.example")),
    "bears no name": (200, certificate(STRONG, "")),
    "has a short key": (200, certificate(rsa.generate_private_key(public_exponent=65537, key_size=1024))),  # noqa: S505
    "has a key of another kind": (200, certificate(ec.generate_private_key(ec.SECP256R1()))),
    "is none": (200, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    "is empty": (200, b""),
    "is long": (200, b"x" * (MAX_CERTIFICATE_BYTES + 1)),
    "is elsewhere": (302, certificate(STRONG)),
    "is missing": (404, certificate(STRONG)),
}


def signed(**changed: Any) -> Forge:
    """Amazon's own signature, below what somebody could make it sign."""
    return lambda sns: sns.body(**changed)


def altered(**changed: Any) -> Forge:
    """A genuine envelope, altered after it was signed; None takes a field away."""

    def forge(sns: Sns) -> bytes:
        envelope = json.loads(sns.body(Subject="News")) | changed
        return json.dumps({name: value for name, value in envelope.items() if value is not None}).encode()

    return forge


def message(**changed: Any) -> Forge:
    return lambda sns: sns.message(**changed)


OTHERS: dict[str, tuple[Forge, Finding]] = {
    "another object": (altered(Message=json.dumps(MESSAGE | {"ObjectId": "S02-1"})), Finding.SIGNATURE),
    "another id": (altered(MessageId="1"), Finding.SIGNATURE),
    "another time": (altered(Timestamp="2026-01-15T11:59:01.678Z"), Finding.SIGNATURE),
    "another subject": (altered(Subject="Old"), Finding.SIGNATURE),
    "no subject": (altered(Subject=None), Finding.SIGNATURE),
    "a token": (altered(Token="1"), Finding.SIGNATURE),
    "an address to subscribe at": (altered(SubscribeURL=URL), Finding.SIGNATURE),
    "a line moved into the next field": (altered(MessageId="x\nSubject\nNews", Subject=None), Finding.SIGNATURE),
    "a NUL in the message": (altered(Message=json.dumps(MESSAGE) + "\0"), Finding.SIGNATURE),
    "half a character in the message": (altered(Message="\ud800"), Finding.SIGNATURE),
    "no signature": (altered(Signature=""), Finding.SIGNATURE),
    "a signature that is no base64": (altered(Signature="!"), Finding.SIGNATURE),
    "a signature in other letters": (altered(Signature="\u00e4"), Finding.SIGNATURE),
    "a signature of zeros": (altered(Signature="A" * 344), Finding.SIGNATURE),
    "the signature of a stranger": (lambda _: Sns().body(), Finding.SIGNATURE),
    "the other version": (altered(SignatureVersion="2"), Finding.SIGNATURE),
    "no version of today": (altered(SignatureVersion="3"), Finding.SIGNATURE_VERSION),
    "another topic": (signed(TopicArn=f"{TOPIC}2"), Finding.TOPIC),
    "a topic of the same name": (signed(TopicArn=TOPIC.replace("123456789012", "999999999999")), Finding.TOPIC),
    "the topic in another region": (signed(TopicArn=TOPIC.replace("eu-west-1", "us-east-1")), Finding.TOPIC),
    "the topic in capitals": (signed(TopicArn=TOPIC.upper()), Finding.TOPIC),
    "a subscription": (signed(Type="SubscriptionConfirmation"), Finding.TYPE),
    "the end of a subscription": (signed(Type="UnsubscribeConfirmation"), Finding.TYPE),
    "another merchant": (message(MerchantID="A3OJ83WFYM72IZ"), Finding.MERCHANT),
    "the merchant in small letters": (message(MerchantID=MERCHANT.lower()), Finding.MERCHANT),
    "a message without a merchant": (message(MerchantID=None), Finding.MESSAGE),
    "a message that is none": (signed(Message="hello"), Finding.MESSAGE),
    "an old one": (signed(Timestamp="2026-01-15T07:00:00Z"), Finding.AGE),
    "one of tomorrow": (signed(Timestamp="2026-01-16T12:00:00Z"), Finding.AGE),
    "one of the first day": (signed(Timestamp="0001-01-01T00:00:00Z"), Finding.AGE),
    "one before the first day": (signed(Timestamp="0001-01-01T00:00:00+23:59"), Finding.MALFORMED),
    "one after the last day": (signed(Timestamp="9999-12-31T23:59:59-23:59"), Finding.MALFORMED),
    "a time that is none": (signed(Timestamp="now"), Finding.MALFORMED),
    "a topic that is a list": (altered(TopicArn=[TOPIC]), Finding.MALFORMED),
    "a number of 5,000 digits": (lambda _: b'{"Type": ' + b"1" * 5000 + b"}", Finding.MALFORMED),
    "a list of lists": (lambda _: b"[" * 99_999, Finding.MALFORMED),
    "no JSON": (lambda _: b"\xff\xfe{", Finding.MALFORMED),
    "nothing": (lambda _: b"", Finding.MALFORMED),
}  # fmt: skip
GENUINE: dict[str, Forge] = {
    "version 1": signed(),
    "version 2": signed(SignatureVersion="2"),
    "a subject": signed(Subject="News"),
    "a subject that is null": lambda sns: json.dumps(json.loads(sns.body()) | {"Subject": None}).encode(),
    "another order": lambda sns: json.dumps(dict(reversed(json.loads(sns.body()).items()))).encode(),
    "more fields": altered(More={"a": 1}),
    "another way to unsubscribe": altered(UnsubscribeURL="https://evil.example/"),
    "more in the message": message(More=[1]),
    "a new kind of object": message(ObjectType="NEW"),
    "the last repetition": signed(Timestamp=(NOW - timedelta(hours=3)).isoformat()),
    "a clock that is ahead": signed(Timestamp=(NOW + timedelta(minutes=5)).isoformat()),
}


def reader(sns: Sns, **options: Any) -> NotificationReader:
    return sns.reader(merchant_id=MERCHANT, **options)


def finding(sns: Sns, body: bytes) -> Finding:
    with pytest.raises(NotificationRefused) as refused:
        reader(sns).read(body)
    assert str(refused.value).isascii()
    assert len(str(refused.value)) < 500, "a stranger's text fills no log"
    return refused.value.finding


@pytest.mark.parametrize("where", ADDRESSES)
def test_a_certificate_is_believed_at_one_address_only(sns: Sns, where: str) -> None:
    """Nothing is fetched from anywhere else, whatever signs with it."""
    assert finding(sns, sns.body(SigningCertURL=ADDRESSES[where])) is Finding.CERTIFICATE_ADDRESS
    assert sns.requests == []


@pytest.mark.parametrize("what", CERTIFICATES)
def test_a_certificate_is_valid_strong_and_amazons(sns: Sns, what: str) -> None:
    """Also one that lies at the right address."""
    body = sns.body()
    sns.status, sns.certificate = CERTIFICATES[what]
    assert finding(sns, body) is Finding.CERTIFICATE


@pytest.mark.parametrize("what", OTHERS)
def test_a_forgery_is_refused_for_its_reason(sns: Sns, what: str) -> None:
    """Whatever somebody writes, alters or repeats."""
    forge, reason = OTHERS[what]
    assert finding(sns, forge(sns)) is reason


@pytest.mark.parametrize("what", GENUINE)
def test_a_genuine_notification_passes(sns: Sns, what: str) -> None:
    """Else the refusals would prove nothing."""
    assert reader(sns).read(GENUINE[what](sns)).object_id == MESSAGE["ObjectId"]


@pytest.mark.parametrize("name", ["sns", "sns-signing.ap-east-1", "sns-us-gov-west-1", "sns.eu-west-1"])
def test_a_certificate_bears_a_name_of_the_service(sns: Sns, name: str) -> None:
    """It differs by region."""
    sns.certificate = certificate(sns.key, f"{name}.amazonaws.com")
    assert reader(sns).read(sns.body())


def test_a_certificate_that_was_kept_ends_as_well(sns: Sns) -> None:
    """Dates are compared at each notification, not when the certificate is fetched."""
    now = [NOW]
    held = reader(sns, clock=lambda: now[0], max_age=None)
    assert held.read(sns.body())
    now[0] += timedelta(days=2)
    with pytest.raises(NotificationRefused) as refused:
        held.read(sns.body())
    assert (refused.value.finding, len(sns.requests)) == (Finding.CERTIFICATE, 1)


def test_china_has_a_domain_of_its_own(sns: Sns) -> None:
    """And a topic there has its certificate there."""
    topic = TOPIC.replace("aws:sns:eu-west-1", "aws-cn:sns:cn-north-1")
    url = f"https://sns.cn-north-1.amazonaws.com.cn/{FILE}"
    assert reader(sns, topic_arn=topic).read(sns.body(TopicArn=topic, SigningCertURL=url))


@pytest.mark.parametrize("topic", ["", "EXAMPLE", "arn:aws:sqs:eu-west-1:123456789012:E", f"{TOPIC} ", TOPIC.upper()])
def test_no_reader_takes_anybodys_topic(sns: Sns, topic: str) -> None:
    """SNS signs for everyone who has one; only where an emulator's host is named, its certificates need none."""
    with pytest.raises(ConfigurationError, match="topic"):
        NotificationReader(topic, merchant_id=MERCHANT)
    loose = reader(sns, topic_arn="", certificate_hosts=("127.0.0.1",))
    with pytest.raises(NotificationRefused) as refused:
        loose.read(sns.body())
    assert refused.value.finding is Finding.CERTIFICATE_ADDRESS


# --- Whatever anybody sends -------------------------------------------------------------------------------------------

ODD = st.text(st.characters(categories=("Cs", "Cc", "Nd")))  # halves of characters, controls, digits of all scripts
TEXTS = st.text() | ODD | st.sampled_from([TOPIC, URL])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5,
)  # fmt: skip
TIMES = st.datetimes(timezones=st.timezones() | st.none()).map(lambda moment: moment.isoformat()) | TEXTS


@pytest.mark.parametrize("max_age", [None, timedelta(hours=4)])
def test_nothing_but_a_refusal_leaves_the_reader(made: Sns, max_age: timedelta | None) -> None:
    """Of random bytes, of envelopes with random fields, and of genuine ones with random bytes in them."""
    made.status, made.certificate = 200, certificate(made.key)
    genuine = made.body()
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(ENVELOPE, VALUES) | {"Timestamp": TIMES})
    bodies = st.one_of(
        st.binary(), st.text(st.characters()), VALUES.map(json.dumps),
        fields.map(lambda some: json.dumps(json.loads(genuine) | some)),
        fields.map(lambda some: made.body(**{name: some[name] for name in some if name == "Timestamp"})),
        st.tuples(st.integers(0, len(genuine)), st.binary(max_size=4)).map(
            lambda cut: genuine[: cut[0]] + cut[1] + genuine[cut[0] + len(cut[1]) :]
        ),
    )  # fmt: skip
    held = reader(made, max_age=max_age)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(bodies)
    def try_it(body: bytes | str) -> None:
        with suppress(NotificationRefused):
            assert held.read(body).object_id == MESSAGE["ObjectId"]

    try_it()


@pytest.fixture
def shop(sns: Sns) -> Iterator[Shop]:
    shop = Shop()
    with AmazonPayClient(generate()) as client:
        shop.inbox = Inbox(reader(sns), client)
        yield shop
        shop.close()


def test_a_shop_answers_every_forgery(shop: Shop, sns: Sns) -> None:
    """4xx, or 503 where a repetition can succeed; also when its connections are closed while it reads."""
    forged = [sns.body(SigningCertURL=url) for url in ADDRESSES.values()] + [forge(sns) for forge, _ in OTHERS.values()]
    with httpx.Client(base_url=shop.url) as http:
        assert {http.post(INBOX_PATH, content=body).status_code for body in forged} == {400}
        sns.status, elsewhere = 404, sns.body(SigningCertURL=URL.replace("0123", "3210"))
        assert http.post(INBOX_PATH, content=elsewhere).status_code == 503
        assert shop.inbox
        shop.inbox.close()
        assert http.post(INBOX_PATH, content=elsewhere).status_code == 503
