"""Signing against recorded vectors, against itself, and against every mistake the doctor knows."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given, settings, strategies as st

from amazonpay_nb.errors import SigningError
from amazonpay_nb.signing import (
    Algorithm,
    SignatureMismatch,
    authorization_header,
    canonical_request,
    explain_payload,
    explain_request,
    format_date,
    sign,
    sign_payload,
    sign_request,
    string_to_sign,
    verify_payload,
    verify_request,
)
from amazonpay_nb.signing.mistakes import RequestParts
from amazonpay_nb.signing.steps import SIGNED_HEADERS, Authorization, canonical_query, read_authorization
from amazonpay_nb.signing.verify import parse_authorization, parse_date

VECTORS = json.loads((Path(__file__).parents[2] / "wire" / "signing-vectors.json").read_text("utf-8"))
PUBLIC_KEYS = VECTORS["public_keys"]
REQUEST_CASES = [pytest.param(case, id=case["id"]) for case in VECTORS["request_cases"]]
BUTTON_CASES = [pytest.param(case, id=case["id"]) for case in VECTORS["button_cases"]]
WRONG_REQUESTS = {
    "neg-algorithm-relabelled": "algorithm",
    "neg-body-reserialised": "body-re-encoded",
    "neg-date-changed": "date",
    "neg-signed-headers-lowercased": "signed-headers",
    "neg-wrong-key": "key-or-content",
}
WRONG_BUTTONS = {
    "php-button-array": "escaped-slashes",
    "php-button-array-unicode": "stripcslashes",
    "php-button-string-quotes": "stripcslashes",
}

PRIVATE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = datetime(2026, 1, 15, 12, 0, 0, tzinfo=UTC)
HEADERS = (
    ("Accept", "application/json"),
    ("Content-Type", "application/json"),
    ("x-amz-pay-date", "20260115T120000Z"),
    ("x-amz-pay-host", "pay-api.amazon.com"),
    ("X-Amz-Pay-Idempotency-Key", "0123456789abcdef"),
    ("x-amz-pay-region", "na"),
)
SIGNED = "accept;content-type;x-amz-pay-date;x-amz-pay-host;x-amz-pay-idempotency-key;x-amz-pay-region"
BODY = '{"note":"Größe/店","chargeAmount":{"amount":"14.00","currencyCode":"EUR"}}'
SENT = RequestParts("POST", "/sandbox/v2/charges", "b=2&a=1&c=x%20y", HEADERS, SIGNED, BODY.encode())


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


PUBLIC_KEY = pem(PRIVATE_KEY)


def signed_over(request: RequestParts, algorithm: str = Algorithm.V2) -> str:
    """Return the authorization of a client that signs exactly *request*."""
    text = string_to_sign(canonical_request(*request), algorithm=algorithm)
    return authorization_header("KEY", request.signed_headers, sign(text, PRIVATE_KEY, algorithm=algorithm), algorithm)


def signature_of(text: str, scheme: Any) -> str:
    """Return the authorization of a client that signs *text* its own way."""
    raw = PRIVATE_KEY.sign(text.encode(), scheme, hashes.SHA256())
    return authorization_header("KEY", SIGNED, b64encode(raw).decode(), Algorithm.V2)


def verify(sent: RequestParts, authorization: str, now: datetime = NOW) -> SignatureMismatch | None:
    headers = [*sent.headers, ("Authorization", authorization)]
    return explain_request(sent.method, sent.path, sent.query, headers, sent.body, PUBLIC_KEY, now)


def finding(mismatch: SignatureMismatch | None) -> str | None:
    return mismatch.finding if mismatch else None


def recorded(case: dict[str, Any]) -> tuple[RequestParts, datetime]:
    request = case["request"]
    headers = [(name, value) for name, value in request["headers"]]
    date = case.get("timestamp") or next(value for name, value in headers if name == "x-amz-pay-date")
    parts = (request["method"], request["path"], request["query"], headers, case["signed_headers"])
    return RequestParts(*parts, request["body"].encode()), parse_date(date)


# ---- recorded vectors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REQUEST_CASES)
def test_the_canonical_request_is_the_recorded_one(case: dict[str, Any]) -> None:
    """What the official SDKs hashed, byte for byte."""
    canonical = canonical_request(*recorded(case)[0])
    assert canonical == case["canonical_request"]
    assert string_to_sign(canonical, algorithm=case["algorithm"]) == case["string_to_sign"]


@pytest.mark.parametrize("case", REQUEST_CASES)
def test_a_recorded_request_is_judged_as_recorded(case: dict[str, Any]) -> None:
    """Requests of the official SDKs verify; altered ones are refused, and the finding names the alteration."""
    sent, now = recorded(case)
    mismatch = explain_request(*sent[:4], sent.body, PUBLIC_KEYS[case["public_key"]], now)
    assert (mismatch is None) is case["valid"]
    assert finding(mismatch) == WRONG_REQUESTS.get(case["id"])
    assert mismatch is None or mismatch.string_to_sign == case["string_to_sign"]


@pytest.mark.parametrize("case", REQUEST_CASES)
def test_a_recorded_authorization_is_read(case: dict[str, Any]) -> None:
    """All four parts come out as they went in."""
    value = next(value for name, value in case["request"]["headers"] if name.lower() == "authorization")
    authorization = parse_authorization(value)
    expected = (case["algorithm"], case["public_key_id"], case["signed_headers"])
    assert authorization[:3] == expected
    assert authorization_header(*authorization[1:], authorization.algorithm) == value


@pytest.mark.parametrize("case", BUTTON_CASES)
@pytest.mark.parametrize("text", ["signed_text", "payload_json"])
def test_a_recorded_button_is_judged_as_recorded(case: dict[str, Any], text: str) -> None:
    """Only the exact text that was signed is accepted."""
    mismatch = explain_payload(case[text], case["signature"], case["algorithm"], PUBLIC_KEYS[case["public_key"]])
    assert (mismatch is None) is case[f"valid_for_{text}"]
    assert finding(mismatch) == (None if text == "signed_text" else WRONG_BUTTONS.get(case["id"]))
    assert string_to_sign(case["signed_text"], algorithm=case["algorithm"]) == case["string_to_sign"]


@pytest.mark.parametrize("case", VECTORS["sign_request_cases"], ids=lambda case: case["id"])
def test_a_request_is_signed_in_normal_form(case: dict[str, Any]) -> None:
    """The client sorts and encodes the query that it sends in any order; only this text fits the signature."""
    request = case["request"]
    headers = [(name, value) for name, value in request["headers"]]
    arguments = (request["method"], request["path"], request["query"], headers, request["body"].encode())
    authorization = parse_authorization(sign_request(*arguments, PRIVATE_KEY, "KEY", case["algorithm"]))
    assert authorization.signed_headers == case["signed_headers"]
    text = string_to_sign(case["canonical_request"], algorithm=case["algorithm"])
    assert text == case["string_to_sign"]
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), case["salt_length"])
    PRIVATE_KEY.public_key().verify(b64decode(authorization.signature), text.encode(), scheme, hashes.SHA256())


def test_the_documented_post_has_the_documented_hash() -> None:
    """Vector A: a POST with an idempotency key."""
    headers = [(name, value.replace("20260115T120000Z", "20250102T030405Z")) for name, value in HEADERS]
    headers[4] = ("x-amz-pay-idempotency-key", "0123456789abcdef" * 2)
    path = "/v2/checkoutSessions/bd504926-f659-4ad7-a1a9-9a747aaf5275/complete"
    body = b'{"chargeAmount":{"amount":"14.00","currencyCode":"USD"}}'
    text = string_to_sign(canonical_request("POST", path, "", headers, SIGNED, body), algorithm=Algorithm.V2)
    assert text == f"{Algorithm.V2}\n6b1d39f1fc8f67cca9d5692c793ea2a0ad79a6994aed4bafa1e52f0065b6f763"


def test_the_documented_get_has_the_documented_hash() -> None:
    """Vector B: a GET with a query, given here in another order."""
    values = ("application/json", "application/json", "20250102T030405Z", "pay-api.amazon.eu", "eu")
    headers = list(zip(SIGNED_HEADERS, values, strict=True))
    query = canonical_query("reportTypes=_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_&pageSize=10")
    canonical = canonical_request("GET", "/sandbox/v2/reports", query, headers, ";".join(SIGNED_HEADERS), b"")
    text = string_to_sign(canonical, algorithm=Algorithm.V1)
    assert text == f"{Algorithm.V1}\n9f2cac8535b0758625c5a386bda6aacded773e14d487d616e9d51639523246dd"


def test_the_documented_payload_has_the_documented_hash() -> None:
    """Vector C: a button's payload is hashed as it is."""
    payload = (
        '{"storeId":"amzn1.application-oa2-client.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","webCheckoutDetails":'
        '{"checkoutReviewReturnUrl":"https://localhost/test/CheckoutReview.php",'
        '"checkoutResultReturnUrl":"https://localhost/test/CheckoutResult.php"}}'
    )
    text = string_to_sign(payload, algorithm=Algorithm.V2)
    assert text.splitlines()[1] == "8dec52d799607be40f82d5c8e7ecb6c171e6591c41b1111a576b16076c89381c"


# ---- what is signed verifies -------------------------------------------------------------------------------------

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))
NAMES = st.sampled_from(["accept", "content-type", "x-amz-pay-host", "x-amz-pay-idempotency-key", "x-amz-pay-region"])
VALUES = PLAIN.filter(lambda text: text.strip(" \t") != "")


@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    path=PLAIN.map("/".__add__),
    query=PLAIN,
    changed=st.dictionaries(NAMES, VALUES),
    body=st.binary(),
    algorithm=st.sampled_from(Algorithm),
)
def test_what_is_signed_verifies(
    method: str, path: str, query: str, changed: dict[str, str], body: bytes, algorithm: Algorithm
) -> None:
    """Whatever the request holds, the two sides agree on its canonical form."""
    sent = RequestParts(method, path, query, HEADERS, SIGNED, body)
    for name, value in changed.items():
        sent = sent.with_header(name, value)
    authorization = sign_request(method, path, query, sent.headers, body, PRIVATE_KEY, "KEY", algorithm)
    assert verify(sent, authorization) is None


@settings(max_examples=40, deadline=None)
@given(payload=st.text(st.characters(codec="utf-8")), algorithm=st.sampled_from(Algorithm))
def test_a_signed_payload_verifies_alone(payload: str, algorithm: Algorithm) -> None:
    """A payload verifies under its own algorithm, and any other text is refused."""
    signature = sign_payload(payload, PRIVATE_KEY, algorithm=algorithm)
    assert explain_payload(payload, signature, algorithm, PUBLIC_KEY) is None
    assert finding(explain_payload(payload + " ", signature, algorithm, PUBLIC_KEY)) in {
        "payload-re-encoded",
        "key-or-content",
    }


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(SENT.body) - 1), byte=st.integers(0, 255))
def test_no_byte_of_the_body_can_change(at: int, byte: int) -> None:
    """A signature covers each byte that is sent."""
    assume(SENT.body[at] != byte)
    body = SENT.body[:at] + bytes([byte]) + SENT.body[at + 1 :]
    assert verify(SENT._replace(body=body), signed_over(SENT)) is not None


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_character_of_the_signature_can_change(data: st.DataObject) -> None:
    """Not even the last one, whose lowest bits base64 ignores."""
    signature = sign_payload(BODY, PRIVATE_KEY)
    at = data.draw(st.integers(0, len(signature) - 1) | st.just(len(signature) - 3))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= -_"))
    assume(signature[at] != letter)
    tampered = signature[:at] + letter + signature[at + 1 :]
    assert explain_payload(BODY, tampered, Algorithm.V2, PUBLIC_KEY) is not None


@pytest.mark.parametrize("part", ["method", "path", "query"])
def test_no_part_of_the_request_line_can_change(part: str) -> None:
    """Method, path and query are covered."""
    changed: dict[str, Any] = {part: "PUT"}
    assert verify(SENT._replace(**changed), signed_over(SENT)) is not None


@pytest.mark.parametrize("name", SIGNED.split(";"))
def test_no_signed_header_can_change(name: str) -> None:
    """The value of each signed header is covered."""
    value = "20260115T120001Z" if name == "x-amz-pay-date" else "else"
    assert verify(SENT.with_header(name, value), signed_over(SENT)) is not None


def test_two_signatures_of_one_text_differ_and_both_fit() -> None:
    """RSASSA-PSS is randomized."""
    one, other = (sign_payload(BODY, PRIVATE_KEY) for _ in range(2))
    assert one != other
    assert [explain_payload(BODY, each, Algorithm.V2, PUBLIC_KEY) for each in (one, other)] == [None, None]


def test_the_salt_lengths_are_the_documented_ones() -> None:
    """20 bytes under the older name, 32 under V2, and nothing else verifies."""
    assert {algorithm.value: algorithm.salt_length for algorithm in Algorithm} == {
        "AMZN-PAY-RSASSA-PSS": 20,
        "AMZN-PAY-RSASSA-PSS-V2": 32,
    }


# ---- liberties of the SDKs ---------------------------------------------------------------------------------------


def test_a_repeated_header_is_joined_by_a_comma() -> None:
    """Two pairs of one name are one value."""
    twice = SENT._replace(headers=[*HEADERS, ("ACCEPT", " text/plain ")])
    once = SENT.with_header("accept", "application/json,text/plain")
    assert canonical_request(*twice) == canonical_request(*once)
    assert verify(twice, signed_over(once)) is None


def test_inner_white_space_verifies_as_received_and_collapsed() -> None:
    """Node and PHP keep it, Java and .NET collapse it; blanks around a value never count."""
    kept = SENT.with_header("accept", " text/html,  \t text/plain ")
    collapsed = SENT.with_header("accept", "text/html, text/plain")
    assert verify(kept, signed_over(kept)) is None
    assert verify(kept, signed_over(collapsed)) is None
    assert verify(collapsed, signed_over(kept)) is not None


def test_a_query_verifies_as_sent_and_in_normal_form() -> None:
    """SDKs disagree on the encoding of a query."""
    sent = SENT._replace(query="b=it's&a=*")
    assert verify(sent, signed_over(sent)) is None
    assert verify(sent, signed_over(sent._replace(query="a=%2A&b=it%27s"))) is None


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("", ""),
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1", "a=1&a=2"),
        ("a=~-_.&b", "a=~-_.&b="),
        ("&a=x+y z%20%c3%a9ö&&", "a=x%2By%20z%20%C3%A9%C3%B6"),
        ("a=b=c", "a=b%3Dc"),
    ],
)
def test_a_query_has_one_normal_form(query: str, canonical: str) -> None:
    """RFC 3986, sorted by name and then by value."""
    assert canonical_query(query) == canonical
    assert canonical_query(canonical) == canonical


def test_a_header_outside_the_signature_may_change() -> None:
    """One plugin leaves the simulation code unsigned on purpose."""
    sent = SENT.with_header("x-amz-pay-simulation-code", "SoftDeclined")
    assert verify(sent, signed_over(SENT)) is None


def test_the_standard_headers_are_signed_and_the_idempotency_key_when_sent() -> None:
    """Other headers travel unsigned."""
    for headers, expected in ((HEADERS, SIGNED), (HEADERS[:4] + HEADERS[5:], ";".join(SIGNED_HEADERS))):
        value = sign_request("POST", "/v2/charges", "", [*headers, ("via", "proxy")], b"", PRIVATE_KEY, "KEY")
        assert parse_authorization(value).signed_headers == expected


def test_an_empty_path_is_the_root() -> None:
    """An empty path is hashed as a slash; any other is taken as it is."""
    assert canonical_request(*SENT._replace(path="")) == canonical_request(*SENT._replace(path="/"))


# ---- the doctor --------------------------------------------------------------------------------------------------

VALUE = json.loads(BODY)
PHP = json.dumps(VALUE, separators=(",", ":")).replace("/", "\\/")
WRONG_PARTS: list[tuple[str, dict[str, Any]]] = [
    ("body-re-encoded", {"body": json.dumps(VALUE).encode()}),
    ("body-re-encoded", {"body": json.dumps(VALUE, indent=2, ensure_ascii=False).encode()}),
    ("body-re-encoded", {"body": (BODY + "\n").encode()}),
    ("body-re-encoded", {"body": PHP.encode()}),
    ("escaped-slashes", {"body": BODY.replace("/", "\\/").encode()}),
    ("empty-body", {"body": b""}),
    ("empty-body", {"body": b"null"}),
    ("empty-body", {"body": b"[]"}),
    ("path", {"path": "/v2/charges"}),
    ("path", {"path": "/live/v2/charges"}),
    ("path", {"path": "/sandbox/v2/charges/"}),
    ("path", {"path": "/sandbox/v2/charges?b=2&a=1&c=x%20y", "query": ""}),
    ("query", {"query": ""}),
    ("query", {"query": "c=x%20y&b=2&a=1"}),
    ("query", {"query": "b=2&a=1&c=x+y"}),
    ("signed-headers", {"signed_headers": SIGNED.replace("x-amz-pay-idem", "X-Amz-Pay-Idem").replace("-key", "-Key")}),
    ("host", SENT.with_header("x-amz-pay-host", "pay-api.amazon.com:443")._asdict()),
    ("host", SENT.with_header("x-amz-pay-host", "pay-api.amazon.jp")._asdict()),
    ("host", SENT.with_header("x-amz-pay-host", "https://pay-api.amazon.com")._asdict()),
    ("region", SENT.with_header("x-amz-pay-region", "us")._asdict()),
    ("content-type", SENT.with_header("content-type", "application/json; charset=utf-8")._asdict()),
    ("accept", SENT.with_header("accept", "*/*")._asdict()),
    ("date", SENT.with_header("x-amz-pay-date", "20260115T115953Z")._asdict()),
    ("date", SENT.with_header("x-amz-pay-date", "2026-01-15T12:00:00Z")._asdict()),
    ("date", SENT.with_header("x-amz-pay-date", "20260115T115930Z")._asdict()),  # 30 s: a retry that signs nothing anew
    ("date", SENT.with_header("x-amz-pay-date", "20260115T120002Z")._asdict()),
    ("key-or-content", SENT.with_header("x-amz-pay-date", "20260115T115929Z")._asdict()),
    ("key-or-content", SENT.with_header("x-amz-pay-date", "20260115T120003Z")._asdict()),
    ("key-or-content", {"body": b'{"chargeAmount":{"amount":"1.00","currencyCode":"EUR"}}'}),
]


@pytest.mark.parametrize(("expected", "changes"), WRONG_PARTS)
def test_the_doctor_names_the_part_that_was_signed_differently(expected: str, changes: dict[str, Any]) -> None:
    """A client signs one thing and sends another: the finding is the part, the explanation a sentence."""
    authorization = signed_over(SENT._replace(**changes)).replace(changes.get("signed_headers", SIGNED), SIGNED)
    mismatch = verify(SENT, authorization)
    assert mismatch is not None
    assert mismatch.finding == expected
    assert mismatch.explanation.endswith(".")
    assert str(mismatch) == mismatch.explanation
    assert mismatch.string_to_sign == string_to_sign(canonical_request(*SENT), algorithm=Algorithm.V2)


def test_the_doctor_tries_a_longer_query_backward() -> None:
    """Not all orders of many parameters are tried, but the likely ones are."""
    sent = SENT._replace(query="a=1&b=2&c=3&d=4&e=5")
    assert finding(verify(sent, signed_over(sent._replace(query="e=5&d=4&c=3&b=2&a=1")))) == "query"


@pytest.mark.parametrize(
    ("query", "signed", "expected"),
    [
        ("a=1&b=2&c=3&d=4", "b=2&d=4&a=1&c=3", "query"),
        ("a=1&b=2&c=3&d=4&e=5", "b=2&d=4&a=1&c=3&e=5", "key-or-content"),
    ],
)
def test_the_doctor_tries_every_order_of_four_parameters(query: str, signed: str, expected: str) -> None:
    """Five have 120, which would take too long."""
    sent = SENT._replace(query=query)
    assert finding(verify(sent, signed_over(sent._replace(query=signed)))) == expected


@pytest.mark.parametrize(
    ("path", "signed"),
    [("/v2/buyers/a%2Bb", "/v2/buyers/a+b"), ("/v2//charges", "/v2/charges"), ("/v2/charges", "v2/charges")],
)
def test_the_doctor_knows_other_spellings_of_a_path(path: str, signed: str) -> None:
    """Decoded, without a doubled slash, without the first one."""
    sent = SENT._replace(path=path)
    assert finding(verify(sent, signed_over(sent._replace(path=signed)))) == "path"


def test_the_doctor_knows_the_order_in_which_headers_travel() -> None:
    """The list is sorted, but the signature covers the names as they were sent."""
    sent = SENT._replace(headers=SENT.headers[::-1])
    travel = ";".join(name.lower() for name, _ in sent.headers)
    mismatch = verify(sent, signed_over(sent._replace(signed_headers=travel)).replace(travel, SIGNED))
    assert finding(mismatch) == "signed-headers"
    assert mismatch
    assert travel in mismatch.explanation


def test_the_doctor_knows_the_address_that_was_called() -> None:
    """A client behind a proxy may sign the proxy's name, with its port."""
    sent = SENT._replace(headers=(*SENT.headers, ("Host", "proxy.example:8443")))
    signed = sent.with_header("x-amz-pay-host", "proxy.example:8443")
    assert finding(verify(sent, signed_over(signed))) == "host"


@pytest.mark.parametrize(("length", "expected"), [(100_000, "payload-re-encoded"), (100_001, "key-or-content")])
def test_the_doctor_writes_no_long_json_anew(length: int, expected: str) -> None:
    """A body of megabytes would keep it busy."""
    payload = json.dumps({"note": "x" * (length - len('{"note": ""}'))})
    assert len(payload) == length
    signature = sign_payload(payload.replace('": "', '":"'), PRIVATE_KEY)
    assert finding(explain_payload(payload, signature, Algorithm.V2, PUBLIC_KEY)) == expected


def test_the_doctor_knows_white_space_around_a_text() -> None:
    """Also where it is no JSON."""
    mismatch = explain_payload(" plain text ", sign_payload("plain text", PRIVATE_KEY), Algorithm.V2, PUBLIC_KEY)
    assert finding(mismatch) == "payload-re-encoded"
    assert mismatch
    assert "without the white space around it" in mismatch.explanation


WRONG_LINES: list[Callable[[str], str]] = [
    lambda text: text + "\n",
    lambda text: text.replace("region:na\n\n", "region:na\n"),
    lambda text: text.replace("/sandbox/v2/charges\nb=2&a=1&c=x%20y\n", "/sandbox/v2/charges\n"),
    lambda text: text.replace(":", ": "),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text[:-64] + text[-64:].upper(),
]


@pytest.mark.parametrize("slip", WRONG_LINES)
def test_the_doctor_reads_a_canonical_request_put_together_wrongly(slip: Callable[[str], str]) -> None:
    """A line too many, a line too few, a wrong line end, capitals."""
    canonical = slip(canonical_request(*SENT))
    signature = sign(string_to_sign(canonical, algorithm=Algorithm.V2), PRIVATE_KEY, algorithm=Algorithm.V2)
    assert finding(verify(SENT, authorization_header("KEY", SIGNED, signature, Algorithm.V2))) == "canonical-request"


@pytest.mark.parametrize(
    ("expected", "label", "scheme"),
    [
        ("algorithm", Algorithm.V1, padding.PSS(padding.MGF1(hashes.SHA256()), 20)),
        ("algorithm", Algorithm.V1, padding.PSS(padding.MGF1(hashes.SHA256()), 32)),
        ("salt-length", Algorithm.V2, padding.PSS(padding.MGF1(hashes.SHA256()), 20)),
        ("salt-length", Algorithm.V2, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)),
        ("padding", Algorithm.V2, padding.PKCS1v15()),
    ],
)
def test_the_doctor_names_a_wrong_scheme(expected: str, label: Algorithm, scheme: Any) -> None:
    """The request says V2 with 32 bytes of salt; the signer did something else."""
    text = string_to_sign(canonical_request(*SENT), algorithm=label)
    assert finding(verify(SENT, signature_of(text, scheme))) == expected


def test_the_doctor_notices_that_the_second_step_was_left_out() -> None:
    """The canonical request itself was signed."""
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert finding(verify(SENT, signature_of(canonical_request(*SENT), scheme))) == "string-to-sign"


@pytest.mark.parametrize(
    ("expected", "signed"),
    [
        ("escaped-slashes", BODY.replace("/", "\\/")),
        ("payload-re-encoded", json.dumps(VALUE, indent=4)),
        ("payload-re-encoded", json.dumps(VALUE, indent=2, ensure_ascii=False)),
        ("payload-re-encoded", json.dumps(VALUE, sort_keys=True)),
        ("payload-re-encoded", PHP),
        ("key-or-content", "{}"),
    ],
)
def test_the_doctor_names_how_another_payload_was_written(expected: str, signed: str) -> None:
    """The page holds compact JSON; the signature covers it written otherwise."""
    mismatch = explain_payload(BODY, sign_payload(signed, PRIVATE_KEY), Algorithm.V2, PUBLIC_KEY)
    assert finding(mismatch) == expected


@pytest.mark.parametrize("body", [b"[" * 5000, b"[" * 900 + b"]" * 900, b"\xff", b" " * 200_000, b'"\\ud800"'])
def test_the_doctor_survives_any_body(body: bytes) -> None:
    """Not JSON, nested too deeply, not UTF-8, too long, half a character: no finding, and no other exception."""
    assert finding(verify(SENT._replace(body=body), signed_over(SENT))) == "key-or-content"


def test_the_doctor_survives_a_path_with_an_encoded_line_break() -> None:
    """Decoding the path is one of the slips; it must not end the search."""
    sent = SENT._replace(path="/v2/a%0Ab")
    assert finding(verify(sent, signed_over(SENT.with_header("accept", "*/*")._replace(path=sent.path)))) == "accept"


# ---- what cannot be verified at all ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIGNED_HEADERS)
def test_a_missing_or_empty_header_is_named(name: str) -> None:
    """Amazon has a reason code for each of the two."""
    missing = verify(SENT._replace(headers=[pair for pair in HEADERS if pair[0].lower() != name]), signed_over(SENT))
    empty = verify(SENT.with_header(name, " \t"), signed_over(SENT))
    assert (finding(missing), finding(empty)) == ("missing-header", "missing-header-value")
    assert missing is not None
    assert name in missing.explanation


def test_a_request_without_authorization_is_refused() -> None:
    """Nothing to verify."""
    mismatch = explain_request("GET", "/v2/charges", "", HEADERS, b"", PUBLIC_KEY, NOW)
    assert mismatch is not None
    assert (mismatch.finding, mismatch.string_to_sign) == ("missing-header", "")


@pytest.mark.parametrize("name", SIGNED.split(";"))
def test_a_required_header_must_be_signed(name: str) -> None:
    """The five standard headers, and the idempotency key when it is sent; the server says what it has hashed."""
    sent = SENT._replace(signed_headers=";".join(each for each in SIGNED.split(";") if each != name))
    mismatch = verify(sent, signed_over(sent))
    assert mismatch is not None
    hashed = string_to_sign(canonical_request(*sent), algorithm=Algorithm.V2)
    assert (mismatch.finding, mismatch.string_to_sign) == ("signed-headers", hashed)


@pytest.mark.parametrize("names", ["accept;x-amz-pay-date", "content-type;x-amz-pay-date", "x-amz-pay-date"])
def test_fewer_headers_can_be_sent_and_signed(names: str) -> None:
    """As in Amazon's Python sample and on old pages of the guide; the date is never left out."""
    headers = [pair for pair in HEADERS if pair[0].lower() in names.split(";")]
    sent = SENT._replace(headers=headers, signed_headers=names)
    assert verify(sent, signed_over(sent)) is None
    dateless = sent._replace(headers=[HEADERS[0]], signed_headers="accept")
    assert finding(verify(dateless, signed_over(dateless))) == "missing-header"


def test_a_name_may_come_twice_in_the_list() -> None:
    """One client on PyPI signs each header once and names two of them twice."""
    listed = SIGNED.replace("x-amz-pay-host", "x-amz-pay-host;x-amz-pay-host")
    assert verify(SENT, signed_over(SENT).replace(SIGNED, listed)) is None
    moved = SIGNED.replace("accept;content-type", "content-type;accept;accept")
    assert finding(verify(SENT, signed_over(SENT).replace(SIGNED, moved))) == "signed-headers"


def test_a_signed_header_must_be_there() -> None:
    """A proxy dropped it."""
    sent = SENT.with_header("via", "proxy")._replace(signed_headers=f"{SIGNED};via")
    assert verify(sent, signed_over(sent)) is None
    assert finding(verify(SENT, signed_over(sent))) == "missing-header"


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(minutes=15), None),
        (timedelta(minutes=15, seconds=1), "date-too-old"),
        (timedelta(seconds=-5), None),
        (timedelta(seconds=-6), "date-in-future"),
    ],
)
def test_a_date_must_be_near(age: timedelta, expected: str | None) -> None:
    """Not older than fifteen minutes, not more than five seconds ahead; the bounds themselves are inside."""
    assert finding(verify(SENT, signed_over(SENT), NOW + age)) == expected


def test_the_current_time_is_the_default() -> None:
    """A request signed now verifies now."""
    sent = SENT.with_header("x-amz-pay-date", format_date(datetime.now(UTC)))
    headers = [*sent.headers, ("authorization", signed_over(sent))]
    assert explain_request(*sent[:3], headers, sent.body, PUBLIC_KEY) is None
    assert finding(explain_request(*SENT[:3], [*HEADERS, headers[-1]], SENT.body, PUBLIC_KEY)) == "date-too-old"


@pytest.mark.parametrize(
    "date",
    [
        "now", "20260230T120000Z", "20260115T120000", "2026-01-15T120000Z", "20260115T12:00:00Z", "2026011T5120000Z",
        "20260115T120000Z\n", "２０２６0115T120000Z", "00000115T120000Z", "20260115T120000+0000", "20260115T120000Z,x",
    ],
)  # fmt: skip
def test_a_malformed_date_is_refused(date: str) -> None:
    """Two forms are accepted and no third."""
    assert finding(verify(SENT.with_header("x-amz-pay-date", date), signed_over(SENT))) == "date-format"


@pytest.mark.parametrize("text", ["20250102T030405Z", "2025-01-02T03:04:05Z"])
def test_both_forms_of_a_date_are_one_moment(text: str) -> None:
    """The documented form, and the one Node sends."""
    assert parse_date(text) == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert format_date(parse_date(text)) == "20250102T030405Z"


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer token", "authorization"),
        (f"{Algorithm.V2} PublicKeyId=K,SignedHeaders={SIGNED}", "authorization"),
        (f"{Algorithm.V2} PublicKeyId=, SignedHeaders={SIGNED}, Signature=AAAA", "authorization"),
        (f"{Algorithm.V2}  PublicKeyId=K, SignedHeaders={SIGNED}, Signature=AAAA", "authorization"),
        (f"AMZN-PAY-RSASSA-PSS-V3 PublicKeyId=K, SignedHeaders={SIGNED}, Signature=AAAA", "algorithm"),
        (f"{Algorithm.V2} PublicKeyId=K, SignedHeaders={SIGNED}, Signature=****", "signature"),
        (f"{Algorithm.V2} PublicKeyId=K, SignedHeaders={SIGNED}, Signature=AAA", "signature"),
        (f"{Algorithm.V2} PublicKeyId=K, SignedHeaders={SIGNED}, Signature=AB==", "signature"),
        (f"{Algorithm.V2} PublicKeyId=K, SignedHeaders={SIGNED}, Signature=ÄÄÄÄ", "signature"),
        (f"{Algorithm.V2} PublicKeyId=K, SignedHeaders={SIGNED}, Signature=AAAA", "key-or-content"),
        (f"{Algorithm.V2} PublicKeyId=K, SignedHeaders={SIGNED};, Signature=AAAA", "missing-header"),
    ],
)
def test_a_malformed_authorization_is_refused(authorization: str, expected: str) -> None:
    """Whatever stands there, the answer is a finding."""
    assert finding(verify(SENT, authorization)) == expected


@settings(max_examples=60, deadline=None)
@given(value=st.text(), public_key=st.text() | st.just(PUBLIC_KEY))
def test_any_text_in_the_place_of_a_signature_ends_in_a_finding(value: str, public_key: str) -> None:
    """Verifying never raises."""
    authorization = f"{Algorithm.V2} PublicKeyId=K, SignedHeaders={SIGNED}, Signature={value}"
    for text in (value, authorization):
        headers = [*HEADERS, ("authorization", text)]
        assert explain_request("GET", value, value, headers, value.encode("utf-8", "replace"), public_key, NOW)
    assert isinstance(explain_payload(value, value, value, public_key), SignatureMismatch)


@pytest.mark.parametrize("part", ["method", "path", "query"])
@pytest.mark.parametrize("text", ["/a\nb", "/a\rb", "/a\ud800"])
def test_a_part_that_cannot_be_hashed_is_malformed(part: str, text: str) -> None:
    """A line break would move the border between two lines; half a character has no bytes."""
    changed: dict[str, Any] = {part: text}
    assert finding(verify(SENT._replace(**changed), signed_over(SENT))) == "malformed"


def test_a_payload_that_cannot_be_hashed_is_malformed() -> None:
    """Half a character has no bytes."""
    assert finding(explain_payload("\ud800", sign_payload("", PRIVATE_KEY), Algorithm.V2, PUBLIC_KEY)) == "malformed"


@pytest.mark.parametrize(
    "public_key",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505
    ],
    ids=["empty", "garbled", "elliptic", "short"],
)
def test_a_public_key_that_is_none_verifies_nothing(public_key: str) -> None:
    """Amazon takes RSA keys of 2048 bits only."""
    signature = sign_payload(BODY, PRIVATE_KEY)
    assert finding(explain_payload(BODY, signature, Algorithm.V2, public_key)) == "public-key"


def test_a_check_cannot_be_forgotten() -> None:
    """`verify_*` raise, so whoever ignores what they return accepts no forgery; `explain_*` return the same."""
    signature = sign_payload(BODY, PRIVATE_KEY)
    verify_payload(BODY, signature, Algorithm.V2, PUBLIC_KEY)
    with pytest.raises(SignatureMismatch) as forged:
        verify_payload(BODY + " ", signature, Algorithm.V2, PUBLIC_KEY)
    headers = [*SENT.headers, ("authorization", signed_over(SENT))]
    verify_request(*SENT[:3], headers, SENT.body, PUBLIC_KEY, NOW)
    with pytest.raises(SignatureMismatch) as altered:
        verify_request(*SENT[:3], headers, SENT.body + b" ", PUBLIC_KEY, NOW)
    explained = explain_payload(BODY + " ", signature, Algorithm.V2, PUBLIC_KEY)
    assert finding(explained) == forged.value.finding
    assert altered.value.finding == "body-re-encoded"
    with pytest.raises(SignatureMismatch):
        verify_payload("\ud800", signature, Algorithm.V2, PUBLIC_KEY)


def test_a_mismatch_is_a_signing_error() -> None:
    """What is returned has no traceback, so that it keeps no frames alive."""
    mismatch = explain_payload(BODY, "AAAA", "no such algorithm", PUBLIC_KEY)
    assert finding(mismatch) == "algorithm"
    assert isinstance(mismatch, SigningError)
    assert mismatch.__traceback__ is None


@pytest.mark.parametrize("blank", ["", " "])
def test_the_header_is_read_as_it_is_written(blank: str) -> None:
    """Whoever writes, verifies or masks the header uses one grammar; the SDKs differ in the blank after a comma."""
    parts = Authorization(Algorithm.V2, "KEY", "accept;content-type", "c2lnbmF0dXJl")
    assert read_authorization(str(parts)) == parts == parse_authorization(str(parts).replace(", ", f",{blank}"))
    masked = read_authorization(str(parts._replace(signature="(12 characters)")))
    assert masked is not None
    assert masked.signature == "(12 characters)"
    assert read_authorization("Bearer token") is None


# ---- what cannot be signed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: sign("text", PRIVATE_KEY, algorithm="AMZN-PAY-RSASSA-PSS-V3"),
        lambda: sign_request("GET", "/", "", HEADERS[1:], b"", PRIVATE_KEY, "KEY"),
        lambda: sign_request("GET", "/", "", HEADERS, b"", PRIVATE_KEY, ""),
        lambda: sign_request("GET", "/", "", HEADERS, b"", PRIVATE_KEY, "two words"),
        lambda: sign_request("GET", "/\r\nhost: x", "", HEADERS, b"", PRIVATE_KEY, "KEY"),
        lambda: sign_payload("\ud800", PRIVATE_KEY),
        lambda: format_date(datetime(2026, 1, 15, 12)),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_signed_is_refused_with_advice(attempt: Callable[[], str]) -> None:
    """Nothing that could not be verified leaves this machine."""
    with pytest.raises(SigningError) as caught:
        attempt()
    assert caught.value.advice


def test_an_authorization_is_read_into_its_parts() -> None:
    """Spelling and order of SignedHeaders stay as they are."""
    value = f"{Algorithm.V1} PublicKeyId=LIVE-1, SignedHeaders=b;A, Signature=AAAA"
    assert parse_authorization(value) == Authorization(Algorithm.V1, "LIVE-1", "b;A", "AAAA")
