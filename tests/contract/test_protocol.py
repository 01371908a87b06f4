"""Headers, keys, paths, bodies and idempotency: what holds for every operation."""

import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.signing import authorization_header, canonical_request, format_date, sign, string_to_sign
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency, Operation
from tests.emulated import EVIDENCE, SET_UP, Json, Shop, charge_in, refusal, usd

HEADERS = ("authorization", "accept", "content-type", "x-amz-pay-date", "x-amz-pay-host", "x-amz-pay-region")
WITH_ID = [row for row in OPERATIONS.values() if "{id}" in row.path]
WITH_BODY = [row for row in OPERATIONS.values() if row.body]
# What a body has to hold, where the path names the object.
LEAST: dict[str, Json] = {
    "captureCharge": {"captureAmount": usd("1.00")},
    "contestDispute": {"merchantEvidences": [EVIDENCE]},
    "updateDispute": {"statusDetails": {"state": "Resolved", "reasonCode": "MerchantAcceptedDispute"}},
}
NEEDS_KEY = [row for row in OPERATIONS.values() if row.idempotency == Idempotency.REQUIRED]
BEFORE_THE_BODY = (404, "ResourceNotFound")


def by_name(row: Operation) -> str:
    return row.name


def path_of(row: Operation) -> str:
    return row.path.format(id="S01-0000000-0000000")


class TestHeaders:
    """What a request must carry."""

    @pytest.mark.parametrize("name", HEADERS)
    @pytest.mark.parametrize(("value", "code"), [(None, "MissingHeader"), ("", "MissingHeaderValue")])
    def test_a_missing_header_is_named(self, na: Shop, name: str, value: str | None, code: str) -> None:
        """Absent and empty are told apart; what is signed has to arrive."""
        headers = na.signed("GET", "/v2/charges/x") | {name: value}
        response = na.http.get("/v2/charges/x", headers={k: v for k, v in headers.items() if v is not None})
        if name == "accept" and value is None:  # httpx sends one of its own
            response = na.http.send(without(response.request, name))
        assert refusal(response) == (400, code)
        assert name in response.json()["message"]

    @pytest.mark.parametrize(
        ("names", "expected"),
        [("accept;x-amz-pay-date", BEFORE_THE_BODY), ("accept;content-type;x-amz-pay-date", BEFORE_THE_BODY),
         ("accept;content-type;x-amz-pay-host;x-amz-pay-region", (400, "MissingHeader"))],
    )  # fmt: skip
    def test_a_request_may_carry_fewer_headers(self, na: Shop, names: str, expected: tuple[int, str]) -> None:
        """Amazon's Python sample sends and signs no host and no region, and no content type with a GET; but a date."""
        headers = {name: value for name, value in na.headers().items() if name in names.split(";")}
        canonical = canonical_request("GET", "/v2/charges/x", "", tuple(headers.items()), names, b"")
        algorithm = na.keys.algorithm
        signature = sign(string_to_sign(canonical, algorithm=algorithm), na.keys.private_key, algorithm=algorithm)
        headers["authorization"] = authorization_header(na.keys.public_key_id, names, signature, algorithm)
        assert refusal(na.http.get("/v2/charges/x", headers=headers)) == expected

    @pytest.mark.parametrize("row", NEEDS_KEY, ids=by_name)
    @pytest.mark.parametrize(("key", "code"), [(None, "MissingHeader"), ("", "MissingHeaderValue")])
    def test_some_calls_need_an_idempotency_key(self, na: Shop, row: Operation, key: str | None, code: str) -> None:
        """The four that move money or make a session."""
        assert refusal(na.send(row.method, path_of(row), b"{}", key=key)) == (400, code)

    @pytest.mark.parametrize("name", ["completeCheckoutSession", "finalizeCheckoutSession"])
    def test_others_do_without_a_key(self, na: Shop, name: str) -> None:
        """A repetition is then a new request."""
        path = OPERATIONS[name].path.format(id=na.visited(SET_UP))
        assert na.send("POST", path, b"{}").status_code == 200
        assert refusal(na.send("POST", path, b"{}")) == (422, "InvalidCheckoutSessionStatus")

    @pytest.mark.parametrize("key", ["x" * 33, "a b", "ä", "a.b", "0a8e5e3c-6f0a-4e8f-9d5b-0a8e5e3c6f0a"])
    def test_a_key_has_32_plain_characters(self, na: Shop, key: str) -> None:
        """A UUID with its dashes is too long."""
        sent = na.headers(authorization="x") | {"x-amz-pay-idempotency-key": key.encode().decode("latin-1")}
        response = na.http.post(
            "/v2/charges", content=b"{}", headers=[(k, v.encode("latin-1")) for k, v in sent.items()]
        )
        assert refusal(response) == (400, "InvalidHeaderValue")

    @pytest.mark.parametrize("region", ["eu", "jp", "xx", "NAA"])
    def test_another_region_is_refused(self, na: Shop, region: str) -> None:
        """Each host has one."""
        assert refusal(na.send("GET", "/v2/charges/x", x_amz_pay_region=region)) == (400, "InvalidHeaderValue")

    @pytest.mark.parametrize("region", ["us", "NA"])
    def test_an_alias_of_the_region_is_accepted(self, na: Shop, region: str) -> None:
        """Old documents say us."""
        assert refusal(na.send("GET", "/v2/charges/x", x_amz_pay_region=region)) == BEFORE_THE_BODY

    @pytest.mark.parametrize("clock", ["wall", "virtual"])
    @pytest.mark.parametrize(
        ("seconds", "accepted"), [(0, True), (-14 * 60, True), (-16 * 60, False), (4, True), (60, False)]
    )
    def test_a_date_fits_one_of_two_clocks(self, na: Shop, clock: str, seconds: int, accepted: bool) -> None:
        """Up to 15 minutes old and 5 seconds ahead."""
        now = datetime.now(UTC) if clock == "wall" else na.emulator.clock.now()
        response = na.send("GET", "/v2/charges/x", x_amz_pay_date=format_date(now + timedelta(seconds=seconds)))
        assert refusal(response) == (BEFORE_THE_BODY if accepted else (400, "InvalidHeaderValue"))

    def test_both_spellings_of_a_date_are_accepted(self, na: Shop) -> None:
        """One SDK sends dashes and colons."""
        extended = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert refusal(na.send("GET", "/v2/charges/x", x_amz_pay_date=extended)) == BEFORE_THE_BODY

    @pytest.mark.parametrize("date", ["today", "20260115", "20260115T120000", "20261315T120000Z", "0", "9" * 5000])
    def test_what_is_no_date_is_refused(self, na: Shop, date: str) -> None:
        """With 400, before anything else is looked at."""
        response = na.http.get("/v2/charges/x", headers=na.headers(x_amz_pay_date=date, authorization="x"))
        assert refusal(response) == (400, "InvalidHeaderValue")


def without(request: httpx.Request, name: str) -> httpx.Request:
    del request.headers[name]
    return request


class TestKeys:
    """The merchant that sends a request."""

    def test_the_order_of_the_checks(self, na: Shop) -> None:
        """Headers, date, key, signature, body: each mistake hides the later ones."""
        signed = na.send("GET", "/v2/charges/x").request.headers["authorization"]
        unknown = signed.replace(na.keys.public_key_id, "SANDBOX-UNKNOWN")
        old = format_date(datetime.now(UTC) - timedelta(hours=1))
        steps = [
            ({"authorization": unknown, "x-amz-pay-host": None, "x-amz-pay-date": old}, (400, "MissingHeader")),
            ({"authorization": unknown, "x-amz-pay-date": old}, (400, "InvalidHeaderValue")),
            ({"authorization": unknown}, (401, "UnauthorizedAccess")),
            ({"authorization": signed}, (403, "InvalidRequestSignature")),
        ]
        for changed, expected in steps:
            headers = {k: v for k, v in (na.headers() | changed).items() if v is not None}
            response = na.http.patch("/v2/checkoutSessions/x", content=b"not JSON", headers=headers)
            assert refusal(response) == expected
        response = na.send("PATCH", "/v2/checkoutSessions/x", b"not JSON")
        assert refusal(response) == (400, "InvalidRequestFormat")

    def test_a_wrong_signature_is_explained(self, na: Shop) -> None:
        """With the string that the server hashed."""
        headers = dict(na.send("GET", "/v2/charges/x").request.headers)
        response = na.http.get("/v2/charges/y", headers=headers)
        assert refusal(response) == (403, "InvalidRequestSignature")
        assert "Unable to verify signature, signing String [AMZN-PAY-RSASSA-PSS" in response.json()["message"]

    @pytest.mark.parametrize(("added", "end"), [({"x-amz-pay-idempotency-key": "unsigned"}, ""), ({}, "==")])
    def test_what_cannot_fit_is_hashed_too(self, na: Shop, added: dict[str, str], end: str) -> None:
        """A header that nobody signed, or a signature that is none: the sender can still compare the hash."""
        headers = dict(na.send("GET", "/v2/charges/x").request.headers) | added
        headers["authorization"] += end
        response = na.http.get("/v2/charges/x", headers=headers)
        assert refusal(response) == (403, "InvalidRequestSignature")
        assert re.search(r"signing String \[AMZN-PAY-RSASSA-PSS-V2\n[0-9a-f]{64}\]", response.json()["message"])

    @pytest.mark.parametrize(
        "value", ["x", "AMZN-PAY-RSASSA-PSS-V2", "Basic eDp5", "AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=a"]
    )
    def test_an_unreadable_authorization_is_refused(self, na: Shop, value: str) -> None:
        """Nobody can be told by it."""
        response = na.http.get("/v2/charges/x", headers=na.headers(authorization=value))
        assert refusal(response) == (403, "InvalidAuthentication")

    def test_nobody_acts_for_another_merchant(self, na: Shop) -> None:
        """A token for that is refused, whatever it says."""
        response = na.send("GET", "/v2/charges/x", x_amz_pay_authtoken="token")
        assert refusal(response) == (403, "InvalidAuthorizationToken")

    @pytest.mark.parametrize("prefix", ["/sandbox", "/Sandbox", ""])
    def test_a_prefixed_key_decides_by_itself(self, na: Shop, prefix: str) -> None:
        """A path that agrees does no harm."""
        assert refusal(na.send("GET", f"{prefix}/v2/charges/x")) == BEFORE_THE_BODY

    def test_a_neutral_key_needs_the_environment_in_the_path(self, na: Shop) -> None:
        """Both ids belong to one key pair, and to one account."""
        charge = na.charge(na.wallet())
        with Shop(na.emulator, key_id=na.account.neutral_public_key_id) as neutral:
            response = neutral.send("GET", f"/sandbox/v2/charges/{charge['chargeId']}")
            assert response.json() == charge
            assert refusal(neutral.send("GET", "/v2/charges/x")) == (401, "UnauthorizedAccess")

    @pytest.mark.parametrize("prefix", ["/live", "/LIVE", "/%6Cive"])
    def test_there_is_no_live_environment(self, na: Shop, prefix: str) -> None:
        """Neither for a prefixed key nor for a neutral one, however it is spelled."""
        with Shop(na.emulator, key_id=na.account.neutral_public_key_id) as neutral:
            for shop in (na, neutral):
                assert refusal(shop.send("GET", f"{prefix}/v2/charges/x")) == (401, "UnauthorizedAccess")

    def test_another_merchants_objects_look_absent(self, na: Shop) -> None:
        """For every call that names one."""
        order = na.order()
        session = na.session()
        body = {"chargePermissionId": order["chargePermissionId"], "chargeAmount": usd("1.00")}
        with Shop(na.emulator, na.emulator.other_merchant) as other:
            for row in WITH_ID:
                ids = (session, order["chargePermissionId"], order["chargeId"])
                for object_id in ids:
                    fields = LEAST.get(row.name, {})
                    assert refusal(other.call(row.name, object_id, **fields)) == (404, "ResourceNotFound")
            assert refusal(other.call("createCharge", **body)) == (404, "ResourceNotFound")
            refund = {"chargeId": order["chargeId"], "refundAmount": usd("1.00")}
            assert refusal(other.call("createRefund", **refund)) == (404, "ResourceNotFound")
        assert na.state("getCharge", order["chargeId"]) == "Authorized"

    def test_a_buyer_has_another_id_at_another_merchant(self, na: Shop) -> None:
        """And the same one at each visit to the same merchant."""
        with Shop(na.emulator, na.emulator.other_merchant) as other:
            ids = [shop.done("getChargePermission", shop.wallet())["buyer"]["buyerId"] for shop in (na, na, other)]
        assert ids[0] == ids[1] != ids[2]


class TestAddresses:
    """Paths and methods."""

    @pytest.mark.parametrize("row", OPERATIONS.values(), ids=by_name)
    def test_a_trailing_slash_is_accepted(self, na: Shop, row: Operation) -> None:
        """The signature covers the path as it was sent."""
        content = json.dumps(LEAST.get(row.name, {})).encode()
        response = na.send(row.method, path_of(row) + "/", content if row.body else b"", key="s" + row.name[:30])
        if row.method == "GET" and "{id}" not in row.path:  # it lists what there is
            assert response.status_code == 200
            return
        expected = BEFORE_THE_BODY if "{id}" in row.path else (400, "MissingParameterValue")
        assert refusal(response) == expected

    def test_a_slash_in_an_id_is_a_part_of_it(self, na: Shop) -> None:
        """It leads to no other operation, and no object has such an id."""
        charge_id = charge_in(na, "Authorized")
        body = json.dumps({"captureAmount": usd("14.00")}).encode()
        assert na.send("POST", f"/v2/charges/{charge_id}%2Fcapture", body, key="slash").status_code == 405
        assert refusal(na.send("GET", f"/v2/charges/{charge_id}%2F")) == (404, "ResourceNotFound")
        assert na.state("getCharge", charge_id) == "Authorized"

    @pytest.mark.parametrize(
        "path",
        ["/v2", "/v/charges", "/v2/charges/x/y", "/nothing", "/sandbox/nothing",
         "/v2/charges/x/refund", "/%2e%2e/etc/passwd", "/_control", "/_control/nothing", "/v2/%00", "/checkout/x/y",
         "/v2/charges/x%2F", "/v2%2fcharges/x"],
    )  # fmt: skip
    def test_an_unknown_address_answers_json(self, na: Shop, path: str) -> None:
        """404, with a request id."""
        response = na.send("GET", path)
        assert response.status_code == 404
        if not path.startswith("/_control"):
            assert refusal(response) == (404, "ResourceNotFound")

    @pytest.mark.parametrize("path", ["/v3/charges/x", "/v1/checkoutSessions", "/sandbox/v1/charges", "/v20/charges"])
    def test_another_version_is_refused(self, na: Shop, path: str) -> None:
        """The retired first one as well."""
        assert refusal(na.send("GET", path)) == (400, "InvalidAPIVersion")

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH", "OPTIONS", "TRACE", "PURGE"])
    def test_an_unknown_method_answers_json(self, na: Shop, method: str) -> None:
        """405 RequestNotSupported."""
        assert refusal(na.send(method, "/v2/charges/x")) == (405, "RequestNotSupported")

    def test_every_answer_has_a_request_id_of_its_own(self, na: Shop) -> None:
        """Success, refusal, wrong address and wrong method alike."""
        answers = [
            na.call("getChargePermission", na.wallet()),
            na.send("GET", "/v2/charges/x"), na.send("GET", "/v2/charges/x"),
            na.send("GET", "/nothing"), na.send("PUT", "/v2/charges/x"), na.http.get("/v2/charges/x"),
        ]  # fmt: skip
        assert len({answer.headers["x-amz-pay-request-id"] for answer in answers}) == len(answers)


class TestBodies:
    """What SDKs and mistakes send."""

    @pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b" {} ", b'{"closureReason": "x"}'])
    def test_a_delete_may_have_any_kind_of_no_body(self, na: Shop, content: bytes) -> None:
        """All of these come from official SDKs."""
        response = na.send("DELETE", f"/v2/chargePermissions/{na.wallet()}/close", content)
        assert response.json()["statusDetails"]["state"] == "Closed"

    def test_a_get_may_have_a_length(self, na: Shop) -> None:
        """Content-Length: 0."""
        request = na.send("GET", f"/v2/chargePermissions/{na.wallet()}", content_length="0").request
        assert request.headers["content-length"] == "0"
        assert na.http.send(request).status_code == 200

    @pytest.mark.parametrize("row", WITH_BODY, ids=by_name)
    def test_an_unknown_field_is_refused_before_anything_else(self, na: Shop, row: Operation) -> None:
        """Even where others are missing and the object does not exist."""
        response = na.send(row.method, path_of(row), b'{"statusDetail": 1}', key="u" + row.name[:30])
        assert refusal(response) == (400, "UnrecognizedField")
        assert response.json()["message"] == "The field 'statusDetail' is invalid for this API."

    @pytest.mark.parametrize("row", WITH_BODY, ids=by_name)
    @pytest.mark.parametrize(
        "content",
        [
            b"x", b"{", b'"text"', b"1", b"[1]", b"true", b'{"a":1', b"\xff\xfe{}", b"\x00", b'{"a":"\xe4"}', b"{}{}",
            "{}".encode("utf-16"), b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}', b'{"\\udfff":1}', b"[" * 100_000, b"{'a':1}",
            b'{"a":' * 50_000, b'{"a":' + b"9" * 5000 + b"}", b'{"a":Infinity', b" ",
        ],
        ids=lambda content: repr(content[:12]),
    )  # fmt: skip
    def test_what_is_no_json_object_is_refused(self, na: Shop, row: Operation, content: bytes) -> None:
        """400, never a server error."""
        response = (
            na.send(row.method, path_of(row), content)
            if row not in NEEDS_KEY
            else na.send(row.method, path_of(row), content, key=f"{row.name[:20]}-{abs(hash(content)) % 10**9}")
        )
        assert refusal(response) == (400, "InvalidRequestFormat")

    @pytest.mark.parametrize("field", ["multiAddressesCheckoutMetadata", "deliverySpecifications", "recurringMetadata"])
    @pytest.mark.parametrize("depth", [2, 28, 40, 200, 955, 980])
    def test_deep_nesting_is_refused_or_kept(self, na: Shop, field: str, depth: int) -> None:
        """What is kept can be read again."""
        nested = '{"a":' * depth + "1" + "}" * depth
        value = f"[{nested}]" if field.startswith("multi") else nested
        session_id = na.session()
        response = na.send("PATCH", f"/v2/checkoutSessions/{session_id}", f'{{"{field}":{value}}}'.encode())
        kept = field.startswith("multi") and depth < 32
        assert response.status_code == (200 if kept else 400), response.text
        assert na.state("getCheckoutSession", session_id) == "Open"

    def test_a_large_body_is_refused(self, na: Shop) -> None:
        """However it is sent."""
        content = b'{"noteToBuyer":"' + b"x" * 300_000 + b'"}'
        assert refusal(na.send("POST", "/v2/charges", content, key="large")) == (400, "InvalidRequest")
        headers = na.headers(authorization="x")
        pieces = (b"x" * 10_000 for _ in range(100))
        assert refusal(na.http.post("/v2/charges", content=pieces, headers=headers)) == (400, "InvalidRequest")

    def test_a_repeated_key_is_refused(self, na: Shop) -> None:
        """At any depth: one reader would take the first, and another one the last."""
        wallet = na.wallet()
        for content in (
            b'{"closureReason":"first","closureReason":"last"}',
            b'{"cancelPendingCharges":{"a":1,"b":{"closureReason":1,"closureReason":1}}}',
        ):
            answer = na.send("DELETE", f"/v2/chargePermissions/{wallet}/close", content)
            assert refusal(answer) == (400, "InvalidRequestFormat")
            assert "'closureReason' occurs twice" in answer.json()["message"]
        payload = json.dumps({"storeId": na.account.store_id} | SET_UP)
        assert na.click(payload[:-1] + ', "storeId": "x"}').status_code == 400
        assert na.state("getChargePermission", wallet) == "Chargeable"

    def test_any_text_comes_back_as_it_was(self, na: Shop) -> None:
        """Characters outside of the basic plane, quotes, markup and NUL."""
        text = "Größe 店 💥 \"'<script>\\ \u0000 \u2028 end"
        content = json.dumps({"merchantMetadata": {"noteToBuyer": text}}).encode()
        answer = na.send("PATCH", f"/v2/chargePermissions/{na.wallet()}", content).json()
        assert answer["merchantMetadata"]["noteToBuyer"] == text


class TestIdempotency:
    """What a key does."""

    @pytest.mark.parametrize(
        "content",
        ['{"chargeAmount": {"currencyCode": "USD", "amount": "14.00"}, "chargePermissionId": "%s"}',
         '{"chargePermissionId":"%s","chargeAmount":{"amount":"14.00","currencyCode":"USD"}}'],
    )  # fmt: skip
    def test_a_repetition_replays_the_answer(self, na: Shop, content: str) -> None:
        """Byte for byte, and nothing happens twice; the spelling of the JSON does not matter."""
        wallet = na.wallet()
        key = f"replay-{wallet}"
        first = na.try_charge(wallet, key=key)
        na.done("cancelCharge", first.json()["chargeId"])
        again = na.send("POST", "/v2/charges", (content % wallet).encode(), key=key)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["x-amz-pay-request-id"] != first.headers["x-amz-pay-request-id"]

    def test_another_request_with_the_same_key_is_refused(self, na: Shop) -> None:
        """Other values, another object or another operation."""
        wallet, other = na.wallet(), na.wallet()
        na.charge(wallet, key="taken")
        expected = (400, "DuplicateIdempotencyKey")
        assert refusal(na.try_charge(wallet, "14.01", key="taken")) == expected
        assert refusal(na.try_charge(other, key="taken")) == expected
        assert refusal(na.call("createRefund", key="taken", chargeId="x", refundAmount=usd(1))) == expected
        assert refusal(na.call("completeCheckoutSession", na.visited(), key="taken")) == expected

    def test_a_refusal_is_replayed_too(self, na: Shop) -> None:
        """A new attempt takes a new key."""
        wallet = na.wallet()
        first = na.try_charge(wallet, code="SoftDeclined", key="refused")
        again = na.try_charge(wallet, key="refused")
        assert refusal(again) == (422, "SoftDeclined")
        assert again.content == first.content
        assert na.charge(wallet, key="refused-2")

    def test_keys_belong_to_a_merchant(self, na: Shop) -> None:
        """Another one may use the same, and its first answer is kept for good."""
        with Shop(na.emulator, na.emulator.other_merchant) as other:
            answers = [
                shop.done("createCheckoutSession", key="shared", storeId=shop.account.store_id, **SET_UP)
                for shop in (na, other)
            ]
        assert answers[0]["checkoutSessionId"] != answers[1]["checkoutSessionId"]
        na.emulator.clock.advance("P400D")
        body: Json = {"storeId": na.account.store_id} | SET_UP
        assert na.done("createCheckoutSession", key="shared", **body) == answers[0]

    def test_a_key_has_no_effect_on_other_methods(self, na: Shop) -> None:
        """Two updates with one key are two updates."""
        wallet = na.wallet()
        for note in ("first", "second"):
            content = json.dumps({"merchantMetadata": {"noteToBuyer": note}}).encode()
            answer = na.send("PATCH", f"/v2/chargePermissions/{wallet}", content, key="same").json()
            assert answer["merchantMetadata"]["noteToBuyer"] == note

    def test_a_capture_happens_once(self, na: Shop) -> None:
        """The capture's answer is replayed, not refused."""
        charge_id = na.charge(na.wallet())["chargeId"]
        first, again = (na.call("captureCharge", charge_id, key="once", captureAmount=usd(14)) for _ in range(2))
        assert (first.status_code, first.content) == (200, again.content)

    def test_neither_key_id_nor_path_shape_matters(self, na: Shop) -> None:
        """It is the same account and the same request."""
        wallet = na.wallet()
        first = na.charge(wallet, key="shape")
        content = json.dumps({"chargePermissionId": wallet, "chargeAmount": usd("14.00")}).encode()
        with Shop(na.emulator, key_id=na.account.neutral_public_key_id) as neutral:
            assert neutral.send("POST", "/sandbox/v2/charges/", content, key="shape").json() == first


class TestThrottling:
    """The documented quotas, where they are asked for."""

    def test_a_bucket_empties_and_fills_again(self) -> None:
        """Two charges at once, then one a second; each merchant and operation has a bucket."""
        with Emulator("na", seed=7, throttle=True) as emulator, Shop(emulator) as shop:
            wallet = shop.wallet()
            answers = [shop.try_charge(wallet) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [201, 201, 429]
            assert refusal(answers[2]) == (429, "TooManyRequests")
            assert shop.done("getChargePermission", wallet)
            with Shop(emulator, emulator.other_merchant) as other:
                assert refusal(other.try_charge(wallet)) == (404, "ResourceNotFound")
            emulator.clock.advance("PT1S")
            assert [shop.try_charge(wallet).status_code for _ in range(2)] == [201, 429]

    def test_a_clock_that_goes_back_stops_nothing(self) -> None:
        """The bucket fills again from the time that the clock shows then."""
        with Emulator("na", seed=7, throttle=True) as emulator, Shop(emulator) as shop:
            snapshot = emulator.snapshot()
            emulator.clock.advance("PT10M")
            assert [shop.call("getCharge", "x").status_code for _ in range(3)][:1] == [404]
            wallet = shop.wallet()
            assert [shop.try_charge(wallet).status_code for _ in range(3)] == [201, 201, 429]
            quotas = dict(emulator._world.quotas)
            emulator.restore(snapshot)  # which empties the buckets' list, unlike a wall clock that is set back
            emulator._world.quotas.update(quotas)
            wallet = shop.wallet()
            assert shop.try_charge(wallet).status_code == 429
            emulator.clock.advance("PT1S")
            assert shop.try_charge(wallet).status_code == 201

    def test_a_throttled_call_is_not_stored(self) -> None:
        """The same key succeeds later."""
        with Emulator("na", seed=7, throttle=True) as emulator, Shop(emulator) as shop:
            wallet = shop.wallet()
            answers = [shop.try_charge(wallet, key=f"k{number}").status_code for number in (1, 2, 3)]
            emulator.clock.advance("PT1S")
            assert [*answers, shop.try_charge(wallet, key="k3").status_code] == [201, 201, 429, 201]
