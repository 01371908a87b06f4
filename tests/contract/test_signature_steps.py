"""Each wrong request is really sent, and the client's error names the step that is wrong."""

import json
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import InvalidRequestError, UnauthorizedError, api_error
from amazonpay_nb.signing import Algorithm, canonical_request, sign_request, string_to_sign
from amazonpay_nb.signing.keys import MerchantKeys, generate, with_id
from amazonpay_nb.signing.refused import probable_step
from amazonpay_nb.signing.steps import HASH, PSS, SIGNED_HEADERS
from amazonpay_nb.workbench.show import show

SESSION = "bd504926-f659-4ad7-a1a9-9a747aaf5275"
URLS = {"checkoutResultReturnUrl": "https://shop.example/result"}
STRANGER = generate("SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B")
Change = Callable[[httpx.Request], httpx.Request]


class Gateway(httpx.BaseTransport):
    """Stands between the client and the network, and changes what comes by."""

    def __init__(self, change: Change) -> None:
        self.change, self.network = change, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self.network.handle_request(self.change(request))

    def close(self) -> None:
        self.network.close()


def passed_on(request: httpx.Request, *, content: bytes | None = None, path: str = "", **headers: str) -> httpx.Request:
    """The request with another body, path or header; an empty header is dropped."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = dict(request.headers) | {"content-length": ""} | given
    pairs = {name: value for name, value in headers.items() if value}
    url = request.url.copy_with(raw_path=(path or request.url.raw_path.decode()).encode())
    return httpx.Request(request.method, url, headers=pairs, content=request.content if content is None else content)


class Altered(AmazonPayAuth):
    """Signs well, and lets a merchant's own code touch the request afterward, or instead."""

    def __init__(self, keys: MerchantKeys, touch: Callable[[httpx.Request, MerchantKeys], None]) -> None:
        super().__init__(keys)
        self.touch = touch

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        yielded = next(super().auth_flow(request))
        self.touch(yielded, self.keys)
        yield yielded


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("na", seed=7) as running:
        yield running


@pytest.fixture(scope="module")
def keys(emulator: Emulator) -> MerchantKeys:
    return emulator.merchant.keys


def refused(auth: AmazonPayAuth, emulator: Emulator, change: Change = passed_on) -> UnauthorizedError:
    """Send an Update Checkout Session that is not accepted."""
    client = AmazonPayClient(auth, environment="emulator", base_url=emulator.url, transport=Gateway(change))
    with client, pytest.raises(UnauthorizedError) as caught:
        client.update_checkout_session(SESSION, web_checkout_details=URLS)
    return caught.value


def parts(request: httpx.Request) -> tuple[str, str, str, list[tuple[str, str]], bytes]:
    return request.method, request.url.raw_path.decode(), "", request.headers.multi_items(), request.content


def named(algorithm: str, signed_headers: str, signature: bytes, keys: MerchantKeys) -> str:
    text = b64encode(signature).decode()
    return f"{algorithm} PublicKeyId={keys.public_key_id}, SignedHeaders={signed_headers}, Signature={text}"


def canonical(request: httpx.Request, signed_headers: str = ";".join(SIGNED_HEADERS)) -> str:
    method, path, query, headers, body = parts(request)
    return canonical_request(method, path, query, headers, signed_headers, body)


# ---- the request is wrong when it leaves -----------------------------------------------------------------------------


def with_another_body(body: bytes) -> Callable[[httpx.Request, MerchantKeys], None]:
    """What was signed is *body*; what is sent stays."""

    def touch(request: httpx.Request, keys: MerchantKeys) -> None:
        method, path, query, headers, _ = parts(request)
        value = sign_request(method, path, query, headers, body, keys.private_key, keys.public_key_id)
        request.headers["authorization"] = value

    return touch


def with_a_short_salt(request: httpx.Request, keys: MerchantKeys) -> None:
    text = string_to_sign(canonical(request), algorithm=Algorithm.V2)
    signature = keys.private_key.sign(text.encode(), PSS[Algorithm.V1], HASH)
    request.headers["authorization"] = named(Algorithm.V2, ";".join(SIGNED_HEADERS), signature, keys)


def with_old_padding(request: httpx.Request, keys: MerchantKeys) -> None:
    text = string_to_sign(canonical(request), algorithm=Algorithm.V2)
    signature = keys.private_key.sign(text.encode(), padding.PKCS1v15(), HASH)
    request.headers["authorization"] = named(Algorithm.V2, ";".join(SIGNED_HEADERS), signature, keys)


def with_an_unsigned_header(request: httpx.Request, keys: MerchantKeys) -> None:
    some = ";".join(name for name in SIGNED_HEADERS if name != "x-amz-pay-region")
    text = string_to_sign(canonical(request, some), algorithm=Algorithm.V2)
    signature = keys.private_key.sign(text.encode(), PSS[Algorithm.V2], HASH)
    request.headers["authorization"] = named(Algorithm.V2, some, signature, keys)


def for_another_host(request: httpx.Request, _: MerchantKeys) -> None:
    request.headers["x-amz-pay-host"] = "pay-api.amazon.eu"


def by_a_stranger(request: httpx.Request, keys: MerchantKeys) -> None:
    value = sign_request(*parts(request), STRANGER.private_key, keys.public_key_id)
    request.headers["authorization"] = value


COMPACT = json.dumps({"webCheckoutDetails": URLS}, separators=(",", ":")).encode()
SPACED = json.dumps({"webCheckoutDetails": URLS}).encode()
ESCAPED = COMPACT.replace(b"/", b"\\/")


@pytest.mark.parametrize(
    ("touch", "finding", "advice"),
    [
        (with_another_body(SPACED), "body-re-encoded", "encode once"),
        (with_another_body(ESCAPED), "escaped-slashes", "encode once"),
        (with_another_body(b""), "empty-body", "sign the bytes that you send"),
        (with_a_short_salt, "salt-length", "32 bytes"),
        (with_old_padding, "padding", "RSASSA-PSS"),
        (with_an_unsigned_header, "signed-headers", "x-amz-pay-region is sent unsigned"),
        (for_another_host, "host", "sign the value that you send"),
        (by_a_stranger, "key-or-content", "own public key"),
    ],
    ids=["re-encoded", "escaped", "empty", "salt", "padding", "unsigned", "host", "key"],
)
def test_a_wrong_step_is_found_in_what_was_sent(
    emulator: Emulator, keys: MerchantKeys, touch: Callable[[httpx.Request, MerchantKeys], None], finding: str,
    advice: str,
) -> None:  # fmt: skip
    """The emulator refuses, and the client looks at its own request first."""
    error = refused(Altered(keys, touch), emulator)
    assert (error.reason_code, error.finding) == ("InvalidRequestSignature", finding)
    assert advice in error.advice
    assert error.advice in " ".join(show(error).text.split())


# ---- the request is right when it leaves -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda request: passed_on(request, content=SPACED), "body-re-encoded"),
        (lambda request: passed_on(request, content=ESCAPED), "escaped-slashes"),
        (lambda request: passed_on(request, content=b""), "empty-body"),
        (lambda request: passed_on(request, path=f"{request.url.path}/"), "path"),
        (lambda request: passed_on(request, x_amz_pay_host="pay-api.amazon.com"), "host"),
        (lambda request: passed_on(request, content_type="application/json; charset=utf-8"), "content-type"),
        (lambda request: passed_on(request, accept="*/*"), "accept"),
        (lambda request: passed_on(request, content=b'{"storeId":"another"}'), "changed-on-the-way"),
    ],
    ids=["re-encoded", "escaped", "emptied", "slash", "host", "content-type", "accept", "unknown"],
)
def test_what_changes_on_the_way_is_told_apart_from_a_wrong_signature(
    emulator: Emulator, keys: MerchantKeys, change: Change, finding: str
) -> None:
    """The string that the emulator made of what arrived is found again among the changes of what was sent."""
    error = refused(AmazonPayAuth(keys), emulator, change)
    assert (error.reason_code, error.finding) == ("InvalidRequestSignature", finding)
    assert "change" in error.advice


def test_the_same_string_to_sign_means_another_key(emulator: Emulator) -> None:
    """The key pair is good, and its id is that of another."""
    key_id = emulator.merchant.public_key_id
    error = refused(AmazonPayAuth(with_id(STRANGER, key_id)), emulator)
    assert error.finding == "other-key"
    assert f"{key_id} is the id of another key pair" in error.advice


@pytest.mark.parametrize(("minutes", "side"), [(20, "ahead of"), (-20, "behind")])
def test_a_clock_that_is_wrong_is_said_to_be(emulator: Emulator, keys: MerchantKeys, minutes: int, side: str) -> None:
    """The answer carries Amazon's date: the difference can be told."""
    auth = AmazonPayAuth(keys, clock=lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    client = AmazonPayClient(auth, environment="emulator", base_url=emulator.url)
    with client, pytest.raises(InvalidRequestError) as caught:
        client.get_checkout_session(SESSION)
    assert caught.value.finding == "clock"
    assert f"seconds {side} the answer's date; set it by NTP" in caught.value.advice


def test_a_header_that_does_not_arrive_is_named(emulator: Emulator, keys: MerchantKeys) -> None:
    """It was sent, so it is not this program that has to be corrected."""
    client = AmazonPayClient(
        AmazonPayAuth(keys), environment="emulator", base_url=emulator.url,
        transport=Gateway(lambda request: passed_on(request, x_amz_pay_host="")),
    )  # fmt: skip
    with client, pytest.raises(InvalidRequestError) as caught:
        client.get_checkout_session(SESSION)
    assert (caught.value.reason_code, caught.value.finding) == ("MissingHeader", "missing-header")
    assert "sent x-amz-pay-host with a value, and it did not arrive" in caught.value.advice


def test_another_refusal_has_no_finding(emulator: Emulator, keys: MerchantKeys) -> None:
    """What is not about the signature keeps its own advice."""
    client = AmazonPayClient(AmazonPayAuth(keys), environment="emulator", base_url=emulator.url)
    with client, pytest.raises(InvalidRequestError) as caught:
        client.update_checkout_session(SESSION, misspelled="x")
    assert caught.value.finding == ""
    assert caught.value.advice == caught.value.recovery.next_step


def test_what_cannot_be_read_has_no_finding(keys: MerchantKeys) -> None:
    """A gateway in between may have put in order what was sent without a date."""
    refusal = api_error(403, "InvalidRequestSignature", "The signature is not valid.", operation="getCharge")
    sent = "GET", "/v2/charges/x", [("x-amz-pay-date", "today")], b""
    assert probable_step(refusal, *sent, keys.public_pem, "") is None


@pytest.mark.parametrize(
    "answered",
    ["", "soon", "Thu, 15 Jan 2026 12:00:09", "Thu, 15 Jan 2026 12:00:09 -0000", "Thu, 15 Jan 9999999999 12:00:09 GMT"],
)
def test_a_wrong_date_is_named_where_the_answer_has_none_to_compare_it_with(keys: MerchantKeys, answered: str) -> None:
    """A gateway may leave its date out, or the time zone of it, or write a year that no calendar has."""
    message = "The value 20260115T120000Z provided for x-amz-pay-date is too old"
    refusal = api_error(400, "InvalidHeaderValue", message, operation="getCharge")
    sent = "GET", "/v2/charges/x", [("x-amz-pay-date", "20260115T120000Z")], b""
    step = probable_step(refusal, *sent, keys.public_pem, answered)
    assert step is not None
    assert "The clock that signed the request is wrong; set it by NTP" in step.explanation
