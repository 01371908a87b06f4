"""The client sends what it is given, asks again where that is safe, and reports what came of it."""

import gzip
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from traceback import walk_tb
from typing import Any

import httpx
import pytest

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.client import RECENT
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.sending import ATTEMPTS, LONGEST_PAUSE
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import (
    ApiError,
    ConfigurationError,
    ConflictError,
    DeclinedError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    ThrottledError,
    TransportError,
    UnauthorizedError,
)
from amazonpay_nb.limits import LONGEST_BODY, in_time
from amazonpay_nb.shop.buyer import approve
from amazonpay_nb.signing import explain_request
from amazonpay_nb.signing.keys import generate, with_id
from amazonpay_nb.signing.verify import parse_authorization
from amazonpay_nb.spec.answers import Money
from amazonpay_nb.spec.reasons import REASONS, Retry
from amazonpay_nb.spec.simulations import ANYWHERE, SIMULATIONS
from tests.processes import ENDLESS, PATIENCE, endless

KEYS = generate("SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B")
NEUTRAL = with_id(KEYS, "AFVX7ULWSGBZ5535PCUQOY7B")
LIVE = with_id(KEYS, "LIVE-AFVX7ULWSGBZ5535PCUQOY7B")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
SESSION, PERMISSION = "bd504926-f659-4ad7-a1a9-9a747aaf5275", "C01-1234567-7654321"
CHARGE = "S01-1234567-1234567-C012345"
USD_14 = {"amount": "14.00", "currencyCode": "USD"}
STATE = {"statusDetails": {"state": "Authorized"}}
CHARGED = {"chargeId": CHARGE, "chargePermissionId": PERMISSION, "chargeAmount": USD_14, **STATE}
Reply = httpx.Response | Exception
LOOP: list[Any] = []
LOOP.append(LOOP)


def reply(status: int = 200, body: Any = CHARGED, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


class Amazon:
    """Plays the network: gives the replies in turn, the last one forever, and keeps what was sent."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies or [reply()])
        self.sent: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        # A request that is sent again is the same object with new headers.
        self.sent.append(
            httpx.Request(
                request.method, request.url, headers=request.headers, content=request.content,
                extensions=dict(request.extensions),
            )
        )  # fmt: skip
        answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("x-amz-pay-idempotency-key") for request in self.sent]


class Ticking:
    """A clock that is a second further on every time it is read."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def connect(amazon: Callable[[httpx.Request], httpx.Response], **options: Any) -> AmazonPayClient:
    auth = AmazonPayAuth(options.pop("keys", KEYS), clock=options.pop("clock", lambda: NOON))
    options = {"sleep": lambda seconds: None, **options}
    return AmazonPayClient(auth, transport=httpx.MockTransport(amazon), **options)


def charge(client: AmazonPayClient, **fields: Any) -> Any:
    return client.create_charge(charge_permission_id=PERMISSION, charge_amount=USD_14, **fields)


# ---- where a request goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "code", "host"),
    [
        ("na", "na", "pay-api.amazon.com"),
        ("us", "na", "pay-api.amazon.com"),
        ("eu", "eu", "pay-api.amazon.eu"),
        ("uk", "eu", "pay-api.amazon.eu"),
        ("de", "eu", "pay-api.amazon.eu"),
        ("jp", "jp", "pay-api.amazon.jp"),
    ],
)
def test_each_region_has_its_host_and_its_header(region: str, code: str, host: str) -> None:
    """An alias that Amazon's SDKs accept means the same; the header has the region's own code."""
    amazon = Amazon()
    connect(amazon, region=region).get_charge(CHARGE)
    [request] = amazon.sent
    assert (request.url.scheme, request.url.host) == ("https", host)
    assert (request.headers["x-amz-pay-host"], request.headers["x-amz-pay-region"]) == (host, code)


@pytest.mark.parametrize(
    ("keys", "environment", "path"),
    [
        (KEYS, "sandbox", "/v2/charges/"),
        (NEUTRAL, "sandbox", "/sandbox/v2/charges/"),
        (LIVE, "live", "/v2/charges/"),
        (NEUTRAL, "live", "/live/v2/charges/"),
        (KEYS, "emulator", "/v2/charges/"),
        (NEUTRAL, "emulator", "/sandbox/v2/charges/"),
    ],
)
def test_the_environment_stands_in_the_key_or_in_the_path(keys: Any, environment: str, path: str) -> None:
    """A prefixed key decides by itself, a neutral one needs the segment, and the signature covers it."""
    amazon = Amazon()
    base_url = "http://127.0.0.1:8000" if environment == "emulator" else None
    connect(amazon, keys=keys, environment=environment, allow_live=True, base_url=base_url).get_charge(CHARGE)
    [request] = amazon.sent
    assert request.url.path == path + CHARGE
    pairs = request.headers.multi_items()
    assert explain_request("GET", path + CHARGE, "", pairs, b"", KEYS.public_pem, now=NOON) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"environment": "live", "keys": LIVE}, "Live moves real money."),
        ({"environment": "live", "keys": NEUTRAL}, "Live moves real money."),
        ({"environment": "live", "allow_live": True}, f"The key {KEYS.public_key_id} is for sandbox, not for live."),
        ({"environment": "sandbox", "keys": LIVE}, f"The key {LIVE.public_key_id} is for live, not for sandbox."),
        ({"environment": "emulator", "keys": LIVE}, f"The key {LIVE.public_key_id} is for live, not for emulator."),
        ({"environment": "production"}, "No environment 'production' exists."),
        ({"environment": "emulator"}, "The emulator's address is missing."),
        ({"region": "mars"}, "unknown region 'mars'; choose one of"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_sent(options: dict[str, Any], message: str) -> None:
    """The message says which two things clash, the advice what to change."""
    amazon = Amazon()
    with pytest.raises(ConfigurationError) as caught:
        connect(amazon, **options)
    assert caught.value.message.startswith(message)
    assert caught.value.advice
    assert amazon.sent == []


def test_the_object_id_cannot_change_the_path() -> None:
    """A buyer token holds anything; it stays one segment, and what is signed is what is sent."""
    amazon = Amazon(reply(body={"buyerId": "amzn1.account.A"}))
    connect(amazon).get_buyer("Atza|Iw+E/../é?x=1#y")
    [request] = amazon.sent
    path = "/v2/buyers/Atza%7CIw%2BE%2F..%2F%C3%A9%3Fx%3D1%23y"
    assert request.url.raw_path.decode() == path
    pairs = request.headers.multi_items()
    assert explain_request("GET", path, "", pairs, b"", KEYS.public_pem, now=NOON) is None


def test_the_journal_has_the_path_as_it_was_sent() -> None:
    """So a token with a slash in it is masked to its end."""
    client = connect(Amazon(reply(body={"buyerId": "amzn1.account.A"}), reply()))
    client.get_buyer("Atza|Iw+E/../é?x=1#y")
    client.get_charge("S01/é")
    buyer, charge = client.journal.exchanges
    assert buyer.path == "/v2/buyers/(39 characters)"
    assert charge.path == "/v2/charges/S01%2F%C3%A9"


def test_the_auth_alone_serves_any_httpx_client() -> None:
    """The region follows from Amazon's host."""
    amazon = Amazon()
    auth = AmazonPayAuth(KEYS, clock=lambda: NOON)
    with httpx.Client(auth=auth, transport=httpx.MockTransport(amazon)) as http:
        http.get("https://pay-api.amazon.jp/v2/charges/1?b=2&a=1")
    [request] = amazon.sent
    assert request.headers["x-amz-pay-region"] == "jp"
    pairs = request.headers.multi_items()
    assert explain_request("GET", "/v2/charges/1", "b=2&a=1", pairs, b"", KEYS.public_pem, now=NOON) is None


# ---- what a request holds --------------------------------------------------------------------------------------------


def test_fields_travel_in_amazons_spelling_and_values_as_they_are() -> None:
    """Snake case is Python's; models, decimals and letters of any language keep their value."""
    amazon = Amazon()
    connect(amazon).create_charge(
        charge_permission_id=PERMISSION,
        charge_amount=Money(amount="14.00", currency_code="USD"),
        capture_now=True,
        soft_descriptor=None,
        merchant_metadata={"noteToBuyer": "Café/東京", "customInformation": None},
        provider_metadata={"price": [{"amount": Decimal("1.10")}, Money(amount="2", currency_code="JPY")]},
    )
    [request] = amazon.sent
    assert request.content.decode() == (
        f'{{"chargePermissionId":"{PERMISSION}","chargeAmount":{{"amount":"14.00","currencyCode":"USD"}},'
        '"captureNow":true,"merchantMetadata":{"noteToBuyer":"Café/東京","customInformation":null},'
        '"providerMetadata":{"price":[{"amount":"1.10"},{"amount":"2","currencyCode":"JPY"}]}}'
    )


def test_every_post_has_a_fresh_key_and_nothing_else_has_one() -> None:
    """Amazon asks for keys on POST; elsewhere they have no effect."""
    amazon = Amazon(reply(body=CHARGED | {"checkoutSessionId": SESSION, "chargePermissionId": PERMISSION}))
    client = connect(amazon)
    charge(client)
    charge(client)
    client.complete_checkout_session(SESSION)
    client.get_charge(CHARGE)
    client.cancel_charge(CHARGE, cancellation_reason="No.")
    client.update_checkout_session(SESSION, supplementary_data="{}")
    first, second, third, *others = amazon.keys
    assert len({first, second, third}) == 3
    assert all(key and len(key) <= 32 and key.isalnum() for key in (first, second, third))
    assert others == [None, None, None]


def test_a_key_and_a_simulation_code_can_be_given() -> None:
    """They are headers, not fields; the key is signed."""
    amazon = Amazon()
    charge(connect(amazon), idempotency_key="order-1", simulation_code="SoftDeclined")
    [request] = amazon.sent
    assert request.headers["x-amz-pay-idempotency-key"] == "order-1"
    assert request.headers["x-amz-pay-simulation-code"] == "SoftDeclined"
    assert json.loads(request.content).keys() == {"chargePermissionId", "chargeAmount"}
    authorization = parse_authorization(request.headers["authorization"])
    assert "x-amz-pay-idempotency-key" in getattr(authorization, "signed_headers", "")


def test_an_empty_key_is_not_replaced() -> None:
    """Amazon refuses it; with another one the next attempt of the order would charge twice."""
    amazon = Amazon()
    charge(connect(amazon), idempotency_key="")
    assert amazon.keys == [""]


def test_keys_come_from_where_they_are_told_to() -> None:
    """With a seed they repeat, and so does a notebook."""
    amazon = Amazon()
    charge(connect(amazon, new_idempotency_key=lambda: "key-1"))
    assert amazon.keys == ["key-1"]


def test_a_reading_call_takes_no_fields() -> None:
    """A misspelled option is not dropped in silence."""
    amazon = Amazon()
    misspelled: dict[str, Any] = {"simulaton_code": "SoftDeclined"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'simulaton_code'"):
        connect(amazon).get_charge(CHARGE, **misspelled)
    assert amazon.sent == []


@pytest.mark.parametrize("nothing", ["", " ", "\t\n", ".", ".."])
def test_an_empty_id_is_refused_before_anything_is_sent(nothing: Any) -> None:
    """Get Charge of nothing, or of what a path resolves, would be another address; the message names the argument."""
    amazon = Amazon()
    client = connect(amazon)
    calls: dict[str, Callable[[], Any]] = {
        "checkout_session_id": lambda: client.complete_checkout_session(nothing),
        "charge_permission_id": lambda: client.create_charge(charge_permission_id=nothing, charge_amount=USD_14),
        "charge_id": lambda: client.create_refund(charge_id=nothing, refund_amount=USD_14),
        "refund_id": lambda: client.get_refund(nothing),
        "buyer_token": lambda: client.get_buyer(nothing),
        "store_id": lambda: client.create_checkout_session(store_id=nothing, web_checkout_details={}),
    }
    for name, call in calls.items():
        with pytest.raises(ConfigurationError) as error:
            call()
        assert error.value.message == f"{name} is {repr(nothing) if nothing.strip() else 'empty'}."
    assert amazon.sent == []


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda client, text: client.get_charge(text), "charge_id"),
        (lambda client, text: client.capture_charge(text, capture_amount=USD_14), "charge_id"),
        (lambda client, text: client.get_buyer(text), "buyer_token"),
        (lambda client, text: client.get_reports(next_token=text), "A text"),
    ],
    ids=["read", "write", "token", "query"],
)
def test_an_address_with_half_a_character_is_refused(call: Callable[[AmazonPayClient, str], Any], what: str) -> None:
    """No UTF-8 can hold it; the message does not quote it, since it may be a token."""
    amazon = Amazon()
    with pytest.raises(ConfigurationError) as caught:
        call(connect(amazon), "Atza|secret\ud800")
    assert caught.value.message == f"{what} holds half a character, which cannot be sent."
    assert "secret" not in str(caught.value)
    assert amazon.sent == []


@pytest.mark.parametrize(("value", "message"), [(None, "is empty."), (5, "is no text, which cannot be sent.")])
def test_an_id_that_an_answer_left_open_is_refused(value: Any, message: str) -> None:
    """A completed set-up has no charge, so its `charge_id` is None; and a number is no id."""
    with pytest.raises(ConfigurationError, match=f"charge_id {message}"):
        connect(Amazon()).get_charge(value)


def test_a_key_pair_is_enough() -> None:
    """An auth is made of it; one's own auth, with a clock for example, is taken as well."""
    amazon = Amazon()
    AmazonPayClient(KEYS, transport=httpx.MockTransport(amazon)).get_charge(CHARGE)
    connect(amazon).get_charge(CHARGE)
    first, second = (parse_authorization(request.headers["authorization"]) for request in amazon.sent)
    assert first.public_key_id == second.public_key_id == KEYS.public_key_id


def test_no_call_waits_for_ever() -> None:
    """Amazon's own SDKs set no time-outs; this client does."""
    amazon = Amazon()
    connect(amazon).get_charge(CHARGE)
    assert amazon.sent[0].extensions["timeout"] == {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 30.0}


# ---- asking again ----------------------------------------------------------------------------------------------------

MAY_PASS = [408, 425, 429, 500, 501, 502, 503, 504, 520, 599]
LOST = [httpx.ConnectError("no"), httpx.ReadTimeout("no"), httpx.RemoteProtocolError("no"), httpx.ReadError("no")]


@pytest.mark.parametrize("trouble", [*MAY_PASS, *LOST], ids=lambda each: getattr(each, "args", each))
def test_what_may_pass_is_tried_again(trouble: int | Exception) -> None:
    """With the same key and the same body, but a new date and so a new signature."""
    first = trouble if isinstance(trouble, Exception) else reply(trouble, {"reasonCode": "Busy"})
    amazon = Amazon(first, reply())
    assert charge(connect(amazon, clock=Ticking())).state == "Authorized"
    one, two = amazon.sent
    assert one.content == two.content
    assert amazon.keys == [amazon.keys[0]] * 2
    assert one.headers["x-amz-pay-date"] < two.headers["x-amz-pay-date"]
    for request in (one, two):
        signed_at = datetime.strptime(request.headers["x-amz-pay-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        pairs = request.headers.multi_items()
        assert (
            explain_request("POST", "/v2/charges", "", pairs, request.content, KEYS.public_pem, now=signed_at) is None
        )


def test_a_decline_is_never_tried_again_whatever_its_status() -> None:
    """Amazon has decided; asking again is a new attempt, for the shop to make."""
    amazon, pauses = Amazon(reply(500, {"reasonCode": "HardDeclined"})), list[float]()
    with pytest.raises(DeclinedError):
        charge(connect(amazon, sleep=pauses.append))
    assert (len(amazon.sent), pauses) == (1, [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 422, 426])
def test_a_refusal_is_final(status: int) -> None:
    """Asking again cannot help, and costs the buyer time."""
    amazon, pauses = Amazon(reply(status, {"reasonCode": "No"})), list[float]()
    with pytest.raises(ApiError):
        charge(connect(amazon, sleep=pauses.append))
    assert (len(amazon.sent), pauses) == (1, [])


def test_there_are_at_most_four_attempts_with_longer_and_longer_random_pauses() -> None:
    """Full jitter: clients that failed together do not come back together."""
    rounds = []
    for _ in range(40):
        amazon, pauses = Amazon(reply(503, {})), list[float]()
        with pytest.raises(ServerError):
            charge(connect(amazon, sleep=pauses.append))
        assert len(amazon.sent) == ATTEMPTS == 4
        assert len(set(amazon.keys)) == 1
        rounds.append(pauses)
    for waited, ceiling in zip(zip(*rounds, strict=True), (0.5, 1.0, 2.0), strict=True):
        assert all(0 <= pause <= ceiling for pause in waited)
        assert max(waited) > ceiling / 2
        assert len(set(waited)) == len(waited)


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("60", LONGEST_PAUSE),
        ("Thu, 15 Jan 2026 12:00:09 GMT", 9.0),
        ("Thu, 15 Jan 2026 11:59:00 GMT", 0.0),
    ],
)
def test_amazon_says_how_long_to_wait(asked: str, pause: float) -> None:
    """Retry-After is a number of seconds or a date; a date that has passed is now."""
    amazon, pauses = Amazon(reply(429, {}, retry_after=asked), reply()), list[float]()
    charge(connect(amazon, sleep=pauses.append))
    assert pauses == [pause]


FAR = "Wed, 21 Oct 99999999999 07:28:00 GMT"


@pytest.mark.parametrize("asked", ["soon", "-1", "1.5", "", "Thu, 15 Jan 2026 12:00:09 -0000", FAR])
def test_a_wait_that_cannot_be_read_is_ours_to_choose(asked: str) -> None:
    amazon, pauses = Amazon(reply(429, {}, retry_after=asked), reply()), list[float]()
    charge(connect(amazon, sleep=pauses.append))
    assert len(pauses) == 1
    assert 0 <= pauses[0] <= 0.5


@pytest.mark.parametrize("asked", ["61", "9" * 400, "Thu, 15 Jan 2026 13:00:00 GMT"])
def test_nobody_waits_an_hour_in_front_of_a_cell(asked: str) -> None:
    """Too long a wait is left to the caller, who is told how long it is."""
    amazon, pauses = Amazon(reply(429, {}, retry_after=asked)), list[float]()
    with pytest.raises(ThrottledError) as caught:
        charge(connect(amazon, sleep=pauses.append))
    assert (len(amazon.sent), pauses) == (1, [])
    assert (caught.value.retry_after or 0) > LONGEST_PAUSE


def test_a_second_close_meets_the_work_of_the_first() -> None:
    """Without a key the repetition is refused; the advice says why that may be good news."""
    refused = reply(422, {"reasonCode": "InvalidChargePermissionStatus", "message": "It is Closed."})
    with pytest.raises(ConflictError) as caught:
        connect(Amazon(httpx.ReadTimeout("no"), refused)).close_charge_permission(PERMISSION, closure_reason="Done")
    assert caught.value.advice.startswith("An earlier attempt may have done the work")
    with pytest.raises(ConflictError) as caught:
        connect(Amazon(refused)).close_charge_permission(PERMISSION, closure_reason="Done")
    assert caught.value.advice == caught.value.recovery.next_step


REFUSALS = [
    (400, "InvalidParameterValue"), (400, "PeriodicAmountExceeded"), (400, "BrandNew"), (401, "UnauthorizedAccess"),
    (403, "InvalidAccountStatus"), (403, "InvalidRequestSignature"), (404, "ResourceNotFound"),
    (422, "InvalidChargePermissionStatus"), (422, "HardDeclined"), (422, "SoftDeclined"), (500, "ProcessingFailure"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "reason"), REFUSALS)
@pytest.mark.parametrize("first", [httpx.ReadTimeout("no"), 408, 500, 503], ids=str)
def test_a_refusal_after_a_lost_attempt_asks_for_the_same_key_first(first: Any, status: int, reason: str) -> None:
    """The buyer may have been charged by then: a new key would charge again."""
    lost = first if isinstance(first, Exception) else reply(first, {"reasonCode": "Busy"})
    amazon = Amazon(lost, reply(status, {"reasonCode": reason, "message": "No."}))
    with pytest.raises(ApiError) as caught:
        charge(connect(amazon))
    error, key = caught.value, amazon.keys[0]
    assert error.advice.startswith(
        f"An earlier attempt may have done the work: repeat it with idempotency_key={key!r} before you use a new key."
    )
    assert (error.idempotency_key, error.reason_code) == (key, reason)
    assert error.idempotency_advice == "Yes: the same request with the same idempotency key."
    with pytest.raises(ApiError) as caught:
        connect(Amazon(lost, reply(status, {"reasonCode": reason}))).get_charge(CHARGE)
    assert "earlier attempt" not in str(caught.value)


@pytest.mark.parametrize(("status", "reason"), [(429, "TooManyRequests"), (500, "ProcessingFailure")])
def test_an_attempt_that_did_nothing_is_not_asked_for_again(status: int, reason: str) -> None:
    """Amazon says so of a failure to process, and of a request that it did not take."""
    amazon = Amazon(reply(status, {"reasonCode": reason}), reply(422, {"reasonCode": "HardDeclined"}))
    with pytest.raises(DeclinedError) as caught:
        charge(connect(amazon))
    assert len(amazon.sent) == 2
    assert caught.value.advice == caught.value.recovery.next_step


# ---- what came of it -------------------------------------------------------------------------------------------------


def test_no_answer_at_all_leaves_a_key_to_ask_again_with() -> None:
    """Whether the buyer was charged is not known; with this key it cannot happen twice."""
    amazon = Amazon(httpx.ReadTimeout("no"))
    with pytest.raises(TransportError) as caught:
        charge(connect(amazon))
    assert caught.value.message == "No answer to POST /v2/charges in attempt 4 (ReadTimeout)."
    assert f"idempotency_key={amazon.keys[0]!r}" in caught.value.advice


def test_a_redirect_is_no_answer_of_amazons() -> None:
    """Whatever its body says."""
    amazon = Amazon(reply(302, location="https://elsewhere.example/"))
    with pytest.raises(TransportError, match=r"The answer to POST /v2/charges in attempt 4 is not Amazon Pay's: 302\."):
        charge(connect(amazon))
    assert len({*amazon.keys}) == 1


def test_no_answer_about_a_buyer_does_not_show_the_token() -> None:
    """A buyer token is a secret, also in a message."""
    with pytest.raises(TransportError) as caught:
        connect(Amazon(httpx.ReadTimeout("no"))).get_buyer("Atza-secret-token")
    assert "Atza-secret-token" not in str(caught.value)
    assert "idempotency_key" not in str(caught.value)


def test_an_error_of_somebody_elses_says_where_and_not_what_was_sent() -> None:
    """A transport or a signal's handler raises what it likes; only what the frames below a call were given is gone."""

    def answer(request: httpx.Request) -> httpx.Response:
        try:
            return reply(1 // 0, request.url)
        except ZeroDivisionError as error:
            error.__cause__ = error  # a circle, at whose end nobody arrives
            raise KeyError("no answer") from error

    def told(error: BaseException | None) -> list[tuple[str, str]]:
        frames = [frame for frame, _ in walk_tb(error.__traceback__ if error else None)]
        return [(frame.f_code.co_name, repr(frame.f_locals)) for frame in frames]

    def own() -> None:
        before = "kept"
        raise ValueError(before)

    try:
        own()
    except ValueError as earlier:
        with pytest.raises(KeyError, match="no answer") as caught:
            connect(answer).get_buyer("Atza-secret-token")
        before = told(earlier)[-1]
    assert before == ("own", "{'before': 'kept'}")
    shown = told(caught.value) + told(caught.value.__cause__)
    below = shown[[name for name, _ in shown].index("send") + 1 :]
    assert (len(below) > 5, below[-1][0]) == (True, "answer")
    assert [values for _, values in below if values != "{}"] == []
    assert not hasattr(caught.value, "__notes__"), "a GET changes nothing that would have to be repeated"


def test_an_error_holds_all_that_amazon_said() -> None:
    body = {"reasonCode": "HardDeclined", "message": "Declined."}
    with pytest.raises(DeclinedError) as caught:
        charge(connect(Amazon(reply(422, body, x_amz_pay_request_id="r-1"))), idempotency_key="order-1")
    error = caught.value
    assert (error.status_code, error.reason_code, error.amazon_message) == (422, "HardDeclined", "Declined.")
    assert (error.operation, error.request_id, error.idempotency_key) == ("createCharge", "r-1", "order-1")
    assert error.recovery == REASONS["HardDeclined"]
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(404, text="<html>Not here</html>"), "HTTP 404"),
        (httpx.Response(404), "HTTP 404"),
        (httpx.Response(404, json=["no"]), "HTTP 404"),
        (httpx.Response(404, json={"reasonCode": None, "message": None}), "HTTP 404"),
        (httpx.Response(404, json={"reasonCode": ["A"], "message": {"b": 1}}), "['A']"),
        (httpx.Response(404, json={"reasonCode": "BrandNew", "message": "No."}), "BrandNew"),
    ],
)
def test_a_refusal_in_any_form_is_an_api_error(answer: httpx.Response, code: str) -> None:
    """A proxy in between answers in HTML, and Amazon adds codes; there is always a recovery."""
    with pytest.raises(NotFoundError) as caught:
        connect(Amazon(answer)).get_charge(CHARGE)
    assert caught.value.reason_code == code
    assert caught.value.recovery.next_step in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<html>Please sign in to the network</html>"},
        {"json": []},
        {"json": {}},
        {"status_code": 303, "headers": {"location": "https://elsewhere.example/"}},
        {"status_code": 303, "headers": {"location": "http://xn--/"}},
        {"status_code": 303, "headers": {"location": "myapp:done"}},
        {"headers": {"content-encoding": "gzip"}, "stream": httpx.ByteStream(b"not gzip")},
        {"headers": {"content-encoding": "gzip, gzip"}, "content": gzip.compress(gzip.compress(reply().content))},
        {"text": json.dumps(CHARGED) + " " * LONGEST_BODY},
        {"text": json.dumps(CHARGED).replace('"14.00"', "NaN")},
        {"text": json.dumps(CHARGED).replace('"14.00"', "-1e999")},
        {"text": json.dumps(CHARGED).replace("14.00", "Infinity")},
    ],
    ids=["html", "list", "empty", "redirect", "redirect-nowhere", "redirect-to-an-app", "broken-encoding",
         "packed-twice", "huge", "not-a-number", "minus-infinity", "infinity"],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_no_answer(answer: dict[str, Any]) -> None:
    """Nobody knows what was done; the key says how to find out."""
    amazon = Amazon(*(httpx.Response(**{"status_code": 200} | answer) for _ in range(ATTEMPTS)))
    with pytest.raises(TransportError) as caught:
        charge(connect(amazon))
    assert f"idempotency_key={amazon.keys[0]!r}" in caught.value.advice
    assert len(amazon.sent) == ATTEMPTS


@pytest.mark.parametrize(
    ("answer", "canceled"),
    [
        (httpx.Response(200), True),
        (httpx.Response(204), True),
        (httpx.Response(200, json={}), True),
        (httpx.Response(200, html="<html>Please sign in to the network</html>"), False),
        (httpx.Response(200, html=""), False),
        (httpx.Response(200, text="Signed in"), False),
        (httpx.Response(200, json=[]), False),
        (httpx.Response(200, json=None, content=b"null"), False),
    ],
    ids=["nothing", "no-content", "empty", "page", "empty-page", "text", "list", "null"],
)
def test_only_an_empty_answer_has_canceled_a_schedule(answer: httpx.Response, canceled: bool) -> None:
    """Amazon's has no field to be known by; that of a network which wants a login first is a page."""
    client = connect(Amazon(answer))
    with nullcontext() if canceled else pytest.raises(TransportError, match="is not Amazon Pay's: 200"):
        assert client.cancel_report_schedule("12345678901").report_schedule_id is None


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_without_an_end_is_no_answer(kind: str) -> None:
    """Each part of it comes in time, and the answer never does."""
    with (
        endless(*ENDLESS[kind]) as url,
        AmazonPayClient(KEYS, environment="emulator", base_url=url, sleep=lambda _: None) as client,
    ):
        client._http.timeout = httpx.Timeout(PATIENCE, read=0.5)
        with pytest.raises(TransportError, match=r"in attempt 4 \(ReadTimeout\)") as caught:
            in_time(PATIENCE, lambda: charge(client))
        assert f"idempotency_key={client.journal.exchanges[0].idempotency_key!r}" in caught.value.advice
        assert len({exchange.idempotency_key for exchange in client.journal.exchanges}) == 1


def test_fields_that_the_client_does_not_know_are_kept() -> None:
    """Amazon adds fields without notice."""
    answer = connect(Amazon(reply(body=CHARGED | {"brandNew": {"a": 1}}))).get_charge(CHARGE)
    assert answer.model_dump(by_alias=True, exclude_unset=True) == CHARGED | {"brandNew": {"a": 1}}


def test_numbers_and_nulls_do_not_lose_an_answer() -> None:
    """A refund of 2020 had its time in milliseconds; what was done must not look lost."""
    refund = {"refundId": "R", "chargeId": CHARGE, "refundAmount": {"amount": 14.5, "currencyCode": "USD"}, **STATE}
    amazon = Amazon(reply(201, refund | {"creationTimestamp": 1582800000000}))
    answer = connect(amazon).create_refund(charge_id=CHARGE, refund_amount=USD_14)
    assert (answer.refund_amount.amount, answer.creation_timestamp) == ("14.5", "1582800000000")
    missing = [{"constraintId": "ChargeAmountNotSet", "description": None}]
    amazon = Amazon(reply(200, {"checkoutSessionId": SESSION, "constraints": missing, **STATE}))
    assert connect(amazon).get_checkout_session(SESSION).constraints == missing


def test_the_signature_that_amazon_quotes_is_not_shown() -> None:
    """A refused signature comes back in the message, where a notebook would print it."""
    signature = "QUJD" * 86
    message = f"Unable to verify signature, signing String [AMZN-PAY-RSASSA-PSS-V2\n0f] , signature [{signature}]"
    body = {"reasonCode": "InvalidRequestSignature", "message": message}
    with pytest.raises(UnauthorizedError) as caught:
        connect(Amazon(reply(403, body))).get_charge(CHARGE)
    assert signature not in str(caught.value) + caught.value.amazon_message
    assert "signing String [AMZN-PAY-RSASSA-PSS-V2\n0f]" in str(caught.value)


def test_the_journal_has_one_entry_for_each_attempt_and_no_secret() -> None:
    """Also for those without an answer; a signature is its length."""
    kept = Journal()
    buyer = {"buyerId": "amzn1.account.ABCDEFGHIJKLMNOP", "name": "Ada Example", "email": "ada@example.com"}
    lost, busy = httpx.ReadTimeout("no"), reply(503, {"reasonCode": "ServiceUnavailable"}, x_amz_pay_request_id="r-2")
    amazon = Amazon(lost, busy, reply(body=CHARGED | {"buyer": buyer}))
    charge(connect(amazon, journal=kept, clock=Ticking()), idempotency_key="order-1")
    rows = [(e.operation, e.status, e.attempt, e.idempotency_key, e.error, e.outcome) for e in kept.exchanges]
    assert rows == [
        ("createCharge", None, 1, "order-1", "ReadTimeout", "ReadTimeout"),
        ("createCharge", 503, 2, "order-1", "", "ServiceUnavailable"),
        ("createCharge", 200, 3, "order-1", "", "Authorized"),
    ]
    assert kept.exchanges[1].request_id == "r-2"
    shown = repr(kept.export())
    secrets = [request.headers["authorization"].split("Signature=")[1] for request in amazon.sent]
    assert [text for text in (*secrets, *buyer.values()) if text in shown] == []
    assert "Signature=(344 characters)" in shown


def test_a_clock_that_fails_loses_no_charge() -> None:
    """It was made: what is only kept about it can fail no call."""
    times = iter([NOON])
    client = connect(Amazon(reply(body=CHARGED)), clock=lambda: next(times))
    assert charge(client).state == "Authorized"


def test_a_client_without_a_journal_remembers_the_latest_attempts_only() -> None:
    """A shop that runs for months must not keep every answer in memory."""
    client = connect(Amazon())
    for n in range(RECENT + 2):
        client.get_charge(f"S01-{n}")
    assert [exchange.path for exchange in client.journal.exchanges][:: RECENT - 1] == [
        "/v2/charges/S01-2",
        f"/v2/charges/S01-{RECENT + 1}",
    ]
    assert len(client.journal.exchanges) == RECENT


def test_the_clock_of_a_client_is_the_one_that_signs() -> None:
    """Whoever writes beside it in a journal uses the same time."""
    assert connect(Amazon()).clock() == NOON


# ---- over the wire ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(region="na", seed=7) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.reset()
    return running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(emulator: Emulator, pauses: list[float]) -> Iterator[AmazonPayClient]:
    auth = AmazonPayAuth(emulator.merchant.keys)
    with AmazonPayClient(auth, environment="emulator", base_url=emulator.url, sleep=pauses.append) as client:
        yield client


@pytest.fixture
def permission(emulator: Emulator, client: AmazonPayClient) -> str:
    """A Saved Wallet that was set up without a purchase."""
    session = client.create_checkout_session(
        store_id=emulator.merchant.store_id,
        web_checkout_details={"checkoutResultReturnUrl": "https://shop.example/result"},
        charge_permission_type="PaymentMethodOnFile",
        payment_method_on_file_metadata={"setupOnly": True},
        payment_details={"paymentIntent": "Confirm"},
    )
    approve(f"{emulator.url}/checkout?amazonCheckoutSessionId={session.checkout_session_id}")
    return client.complete_checkout_session(session.checkout_session_id).charge_permission_id or ""


def charges(emulator: Emulator) -> list[dict[str, Any]]:
    """Return what the emulator took down about createCharge: one row for each time it did the work or refused."""
    exchanges: list[dict[str, Any]] = emulator.control.get("journal")["exchanges"]
    return [exchange for exchange in exchanges if exchange["operation"] == "createCharge"]


@pytest.mark.parametrize("fault", ["reset", "drop-after-commit"])
def test_a_lost_answer_charges_once(
    emulator: Emulator, client: AmazonPayClient, permission: str, pauses: list[float], fault: str
) -> None:
    """Whether the work was done before the line went dead or not: one charge exists afterward."""
    emulator.faults("createCharge", fault)
    made = client.create_charge(charge_permission_id=permission, charge_amount=USD_14, capture_now=True)
    assert made.state == "Captured"
    assert len(pauses) == 1
    assert {exchange["ids"]["chargeId"] for exchange in charges(emulator)} == {made.charge_id}
    sent = [exchange for exchange in client.journal.exchanges if exchange.operation == "createCharge"]
    assert [(exchange.status, exchange.attempt) for exchange in sent] == [(None, 1), (201, 2)]
    assert len({exchange.idempotency_key for exchange in sent}) == 1


def test_the_key_of_a_call_that_was_given_up_finds_its_charge(
    emulator: Emulator, client: AmazonPayClient, permission: str
) -> None:
    """The advice works as it is written: four answers are lost, and the fifth try gets the first one's charge."""
    emulator.faults("createCharge", "drop-after-commit", times=ATTEMPTS)
    with pytest.raises(TransportError) as caught:
        client.create_charge(charge_permission_id=permission, charge_amount=USD_14)
    key = client.journal.exchanges[-1].idempotency_key
    assert f"idempotency_key={key!r}" in caught.value.advice
    made = client.create_charge(charge_permission_id=permission, charge_amount=USD_14, idempotency_key=key)
    assert {exchange["ids"]["chargeId"] for exchange in charges(emulator)} == {made.charge_id}


def test_a_refusal_after_a_lost_answer_names_the_key_of_its_charge(
    emulator: Emulator, client: AmazonPayClient, permission: str
) -> None:
    """The books hold the charge that the refusal seems to deny."""
    emulator.faults("createCharge", "drop-after-commit")
    emulator.faults("createCharge", "status", status=400)
    with pytest.raises(InvalidRequestError, match="An earlier attempt may have done the work") as caught:
        client.create_charge(charge_permission_id=permission, charge_amount=USD_14)
    key = caught.value.idempotency_key
    made = client.create_charge(charge_permission_id=permission, charge_amount=USD_14, idempotency_key=key)
    assert {exchange["ids"].get("chargeId") for exchange in charges(emulator)} - {None} == {made.charge_id}


def test_processes_share_no_connection(emulator: Emulator, client: AmazonPayClient, permission: str) -> None:
    """A client that was used before a fork, as a preloaded application's is: each order gets its own charge."""
    script = (
        "import os, sys; from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient\n"
        "from amazonpay_nb.signing.keys import load\n"
        "url, key_file, key_id, permission = sys.argv[1:]\n"
        "client = AmazonPayClient(AmazonPayAuth(load(key_file, key_id)), environment='emulator', base_url=url)\n"
        "client.get_charge_permission(permission)\n"
        "first = os.fork(); second = first and os.fork()\n"
        "orders = [f'{os.getpid()}-{number}' for number in range(10)]\n"
        "amount = {'amount': '1.00', 'currencyCode': 'USD'}\n"
        "made = [client.create_charge(charge_permission_id=permission, charge_amount=amount,\n"
        "                             merchant_metadata={'merchantReferenceId': order}) for order in orders]\n"
        "assert [charge.merchant_metadata['merchantReferenceId'] for charge in made] == orders\n"
        "assert not second or not any(os.waitpid(child, 0)[1] for child in (first, second))"
    )
    merchant = emulator.merchant
    place = [emulator.url, str(merchant.private_key_file), merchant.public_key_id, permission]
    done = subprocess.run(
        [sys.executable, "-c", script, *place], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len({exchange["ids"]["chargeId"] for exchange in charges(emulator)}) == 30  # of three processes


@pytest.mark.parametrize("status", MAY_PASS)
def test_a_busy_server_is_asked_again_and_answers(
    emulator: Emulator, client: AmazonPayClient, permission: str, pauses: list[float], status: int
) -> None:
    """Three times in vain is not yet too often."""
    emulator.faults("createCharge", "status", status=status, times=3)
    assert client.create_charge(charge_permission_id=permission, charge_amount=USD_14).state == "Authorized"
    assert len(pauses) == 3


def test_a_processing_failure_that_passes_is_not_seen(
    emulator: Emulator, client: AmazonPayClient, permission: str
) -> None:
    """A 5xx is not kept under its key, so the same key gets a fresh try."""
    emulator.outcomes("createCharge", "ProcessingFailure", times=3)
    made = client.create_charge(charge_permission_id=permission, charge_amount=USD_14)
    assert made.state == "Authorized"
    assert [exchange["status"] for exchange in charges(emulator)] == [500, 500, 500, 201]
    assert len({exchange["idempotencyKey"] for exchange in charges(emulator)}) == 1


def test_a_processing_failure_that_stays_asks_for_a_new_key(
    emulator: Emulator, client: AmazonPayClient, permission: str
) -> None:
    """Amazon has decided that the payment failed: nothing was charged, and the next attempt is a new one."""
    emulator.outcomes("createCharge", "ProcessingFailure", times=ATTEMPTS)
    with pytest.raises(ServerError) as caught:
        client.create_charge(charge_permission_id=permission, charge_amount=USD_14)
    assert caught.value.recovery.retry == Retry.NEW_KEY
    assert "new key" in caught.value.advice
    assert caught.value.idempotency_key not in caught.value.advice
    assert client.get_charge_permission(permission).state == "Chargeable"
    made = client.create_charge(charge_permission_id=permission, charge_amount=USD_14)
    assert [exchange["status"] for exchange in charges(emulator)] == [500] * ATTEMPTS + [201]
    assert made.state == "Authorized"


def test_a_decline_is_kept_under_its_key_and_a_new_key_is_a_new_attempt(
    emulator: Emulator, client: AmazonPayClient, permission: str
) -> None:
    """Why the advice after a decline is a new key."""
    order: dict[str, Any] = {"charge_permission_id": permission, "charge_amount": USD_14}
    emulator.outcomes("createCharge", "SoftDeclined")
    for _ in range(2):
        with pytest.raises(DeclinedError, match="SoftDeclined"):
            client.create_charge(**order, idempotency_key="order-1")
    assert client.create_charge(**order, idempotency_key="order-2").state == "Authorized"


CODES = [*ANYWHERE, *(code for (name, code), row in SIMULATIONS.items() if name == "createCharge" and row.reason_code)]


@pytest.mark.parametrize("code", CODES)
def test_what_amazon_decides_is_kept_under_its_key(client: AmazonPayClient, permission: str, code: str) -> None:
    """And nothing else: the same request is then answered anew, and whoever takes a new key may charge twice."""
    order: dict[str, Any] = {"charge_permission_id": permission, "charge_amount": USD_14, "idempotency_key": "order-1"}
    with pytest.raises(ApiError) as caught:
        client.create_charge(**order, simulation_code=code)
    refused, kept = client.journal.exchanges[-1], False
    try:
        client.create_charge(**order)
    except ApiError as again:
        kept = again.reason_code == caught.value.reason_code
    assert kept == refused.is_kept == caught.value.is_decided


def test_a_key_that_meant_something_else_is_refused(client: AmazonPayClient, permission: str) -> None:
    """Same key, different values."""
    client.create_charge(charge_permission_id=permission, charge_amount=USD_14, idempotency_key="order-1")
    with pytest.raises(InvalidRequestError, match="DuplicateIdempotencyKey"):
        client.create_charge(
            charge_permission_id=permission, charge_amount=USD_14 | {"amount": "15.00"}, idempotency_key="order-1"
        )


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"idempotency_key": "schlüssel"}, {}),
        ({"soft_descriptor": "\ud800"}, {}),
        ({"soft_descriptor": b"\xff"}, {}),
        ({"soft_descriptor": object()}, {}),
        ({"soft_descriptor": LOOP}, {}),
        ({"idempotency_key": 5}, {}),
        ({"simulation_code": 5}, {}),
        ({"simulation_code": "one\r\ntwo"}, {}),
        ({}, {"base_url": "127.0.0.1"}),
    ],
    ids=["header", "body", "bytes", "object", "loop", "number-as-key", "number-as-code", "line-break", "no-scheme"],
)
def test_what_cannot_be_sent_is_a_local_error(
    emulator: Emulator, pauses: list[float], fields: dict[str, Any], options: dict[str, str]
) -> None:
    """Nothing left this machine, so asking again is no use and nothing is in doubt."""
    base_url = options.get("base_url", emulator.url)
    client = AmazonPayClient(AmazonPayAuth(KEYS), environment="emulator", base_url=base_url, sleep=pauses.append)
    with client, pytest.raises(ConfigurationError):
        charge(client, **fields)
    assert pauses == []


@pytest.mark.parametrize("text", ["merchant.pem", "-----BEGIN PRIVATE KEY-----\nMII"])
def test_the_text_of_a_key_is_no_key_pair(text: Any) -> None:
    """A client made with it would say so at its first call, if at all."""
    with pytest.raises(ConfigurationError, match="key pair") as caught:
        AmazonPayClient(text)
    assert "from_file" in caught.value.advice
    assert text not in str(caught.value)


def test_what_an_answer_wants_to_have_kept_is_left_out_of_the_next_call() -> None:
    """A load balancer's cookie, with a letter that no header can have, would end every later call."""
    busy = httpx.Response(
        503, headers=[(b"set-cookie", "lb=Zürich".encode())], json={"reasonCode": "ServiceUnavailable"}
    )
    amazon = Amazon(busy, reply(201))
    assert charge(connect(amazon)).charge_id == CHARGE
    assert [request.headers.get("cookie") for request in amazon.sent] == [None, None]


def test_a_closed_client_says_so(client: AmazonPayClient) -> None:
    """And what to do: keys outlive a client."""
    client.close()
    with pytest.raises(ConfigurationError, match="closed") as caught:
        client.get_charge(CHARGE)
    assert "Make another one" in caught.value.advice


@pytest.mark.parametrize("error", [httpx.ReadError("gone"), httpx.LocalProtocolError("odd"), OSError(9, "closed")])
def test_a_client_that_is_closed_in_the_middle_of_a_call_names_its_key(error: Exception) -> None:
    """By another thread, which may break the connection in any way; the charge may be there, and is not tried again."""
    pauses: list[float] = []

    def closed_meanwhile(request: httpx.Request) -> httpx.Response:
        client.close()
        raise error

    client = connect(closed_meanwhile, sleep=pauses.append)
    with pytest.raises(TransportError, match="ClientClosed") as caught:
        charge(client, idempotency_key="mine")
    assert "repeat it with idempotency_key='mine'" in caught.value.advice
    assert not pauses


def test_a_wrong_key_pair_is_refused_without_showing_the_signature(emulator: Emulator) -> None:
    """The commonest beginner's error, in a form that can be put on a screen."""
    auth = AmazonPayAuth(with_id(KEYS, emulator.merchant.public_key_id))
    with (
        AmazonPayClient(auth, environment="emulator", base_url=emulator.url) as client,
        pytest.raises(UnauthorizedError, match="InvalidRequestSignature") as caught,
    ):
        client.get_charge(CHARGE)
    assert "(344 characters)" in str(caught.value)


def test_nobody_listening_is_said_after_four_attempts() -> None:
    """The address is free for the length of the test: it is bound, and does not listen."""
    pauses: list[float] = []
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        client = AmazonPayClient(AmazonPayAuth(KEYS), environment="emulator", base_url=base_url, sleep=pauses.append)
        with client, pytest.raises(TransportError, match=r"in attempt 4 \(ConnectError\)"):
            client.get_charge(CHARGE)
    assert len(pauses) == ATTEMPTS - 1
