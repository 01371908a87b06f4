"""What the journal keeps of a run, and never shows: redaction, log, ledger, files and the diagram of it."""

import base64
import copy
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings, strategies as st

from amazonpay_nb.client.journal import (
    AMAZON_PAY_API,
    AMAZON_PAY_PAGES,
    BUYER,
    PARTICIPANTS,
    SHOP_PAGE,
    SHOP_SERVER,
    Exchange,
    Journal,
    Step,
    own_exchanges,
)
from amazonpay_nb.client.ledger import course
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.machine import NEW, Machine
from amazonpay_nb.spec.states import CHARGE, REFUND
from amazonpay_nb.workbench.diagrams import sequence_diagram
from tests.processes import PATIENCE

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
CHARGE_ID = "S01-1234567-7654321-C012345"
OTHER_CHARGE_ID = "S01-1234567-7654321-C067890"
REFUND_ID = "S01-1234567-7654321-R012345"
ZERO = Decimal(0)
COLUMNS = ["authorized", "captured", "refunded"]


def price(amount: str, currency: str = "USD") -> dict[str, str]:
    return {"amount": amount, "currencyCode": currency}


def exchange(operation: str, response: dict[str, Any] | None, status: int | None = 200, **more: Any) -> Exchange:
    return Exchange(NOON, operation, "POST", "/v2/charges", status, response=response, **more)


def charge(operation: str, state: str, amount: str = "14.00", **more: Any) -> Exchange:
    captured = more.pop("captured", None)
    body = {
        "chargeId": more.pop("charge_id", CHARGE_ID),
        "chargeAmount": price(amount, more.get("currency", "USD")),
        "captureAmount": captured and price(captured, more.pop("currency", "USD")),
        "statusDetails": {"state": state, "reasonCode": None},
    }
    return exchange(operation, body, 201 if operation == "createCharge" else 200)


def refund(operation: str, state: str, amount: str = "5.00") -> Exchange:
    body = {"refundId": REFUND_ID, "chargeId": CHARGE_ID, "refundAmount": price(amount)}
    return exchange(operation, {**body, "statusDetails": {"state": state}})


def journal(*exchanges: Exchange) -> Journal:
    kept = Journal()
    for each in exchanges:
        kept.record(each)
    return kept


def usd(kept: Journal) -> dict[str, Decimal]:
    return kept.totals().get("USD", dict.fromkeys([*COLUMNS, "balance"], Decimal(0)))


def rows(kept: Journal) -> list[tuple[str, ...]]:
    return [tuple(row) for row in kept.ledger().itertuples(index=False)]


# Redaction

base64_signatures = st.binary(min_size=128, max_size=512).map(lambda raw: base64.b64encode(raw).decode())
pem_texts = st.tuples(st.sampled_from(["PRIVATE KEY", "RSA PRIVATE KEY", "CERTIFICATE"]), base64_signatures).map(
    lambda kind: f"-----BEGIN {kind[0]}-----\n{kind[1][:64]}\n{kind[1][64:]}\n-----END {kind[0]}-----"
)
secret_texts = st.one_of(base64_signatures, pem_texts, st.emails())
around = st.text(alphabet="abc XYZ.:,'[]()\n", max_size=20)
BUYER_FIELDS = (
    "name", "email", "phoneNumber", "addressLine1", "addressLine2", "addressLine3", "city", "county", "district",
    "districtOrCounty", "stateOrRegion", "postalCode",
)  # fmt: skip
SECRET_FIELDS = (
    "signature", "x-amz-pay-authtoken", "buyerToken", "controlToken", "client_secret", "private_key",
    "set-cookie2", "proxy-authorization", "x-csrf", "XSRF-Token", "x-api-key",
)  # fmt: skip
json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | secret_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*BUYER_FIELDS, "note"]), inner),
    max_leaves=12,
)


@given(secret=secret_texts, before=around, after=around)
@example(secret="*@A.af", before="", after="")
def test_no_secret_survives_in_a_text(secret: str, before: str, after: str) -> None:
    """Email addresses, PEM texts and signatures are found wherever they stand."""
    text = f"{before} {secret} {after}"
    assert secret not in redact(text)
    assert secret not in redact({"message": [text]})["message"][0]


WRITTEN = {
    "in a JWK": '{{"kty": "RSA", "p": "{url}"}}',
    "alone": "it is {url}.",
    "in a path": "GET /v2/buyers/{url}",
    "in a header": "Authorization: Bearer {url}",
    "in an address": "https://shop.example/?buyerToken={url}&at=1",
    "of Amazon": "buyer Atza|{url}",
    "in a form": "id=7&private_key={form}",
}


@pytest.mark.parametrize("form", WRITTEN.values(), ids=WRITTEN)
def test_a_secret_is_masked_whole_however_base64_is_written(form: str) -> None:
    """In its form for addresses, or with percent signs: "-" and "%" are no end of it.  What is in it is chance."""
    chance = Random(7)  # noqa: S311
    for _ in range(200):
        raw = chance.randbytes(300)
        url, quoted = base64.urlsafe_b64encode(raw).decode(), quote(base64.b64encode(raw), safe="")
        shown = str(redact(form.format(url=url, form=quoted)))
        assert not [at for text in (url, quoted) for at in range(len(text) - 12) if text[at : at + 12] in shown]


LONG_PATHS = [
    "/Users/Someone/Documents/Projects/2026/AmazonPay/Workbook/amazonpay_nb/runs/templates/sweep/Results2026/index.html",
    "/var/pytest-of-root/pytest-12/popen-gw0/test_the_key_of_another_merchant0/notebooks-of-run/11_any_scenario-amount/x",
    "C:/Users/Someone/AppData/Local/Programs/Python/Python313/Lib/site-packages/AmazonPayNB/workbench/panels/show/page",
]


@pytest.mark.parametrize("path", LONG_PATHS)
def test_a_long_path_is_no_secret(path: str) -> None:
    """An error about a file names the file; a token in a path, or a secret that is one, is masked nevertheless."""
    assert redact(f"No such file or directory: '{path}'") == f"No such file or directory: '{path}'"
    assert redact("/a/b/c/d/" + "Ab9c" * 40) == "(169 characters)"
    assert redact("password=/a/b/c/d") == "password=(8 characters)"
    key = base64.b64encode(bytes(number * 7 % 251 for number in range(96))).decode()
    assert redact(f"/a/b/c/d/{key}") == "(137 characters)"


@pytest.mark.parametrize("width", [64, 76, 80, 100, 119, 120])
def test_a_key_is_found_in_lines_of_any_length(width: int) -> None:
    """From those of a PEM file to a single one; and in pairs of digits, as openssl prints it."""
    raw = bytes(number * 7 % 251 for number in range(1200))
    key = base64.b64encode(raw).decode()
    lines = [key[at : at + width] for at in range(0, len(key), width)]
    pairs = [raw[at : at + 15].hex(":") + ":" for at in range(0, len(raw), 15)]
    for shown in (lines, pairs):
        text = redact("\n    ".join(["it is", *shown]))
        assert [line for line in shown[:-1] if line in text] == []


@pytest.mark.parametrize("width", [64, 76, 400])
def test_a_log_of_json_stays_json(width: int) -> None:
    """A line end that is written out is no part of what stands after it."""
    key = base64.b64encode(bytes(number * 7 % 251 for number in range(300))).decode()
    lines = [key[at : at + width] for at in range(0, len(key), width)]
    for secret in ("\n".join(lines), "\r\n".join(lines), "canary@mail.invalid"):
        for end in "\n\r\t":
            masked = redact(f"12:00 app {json.dumps({'message': f'it was{end}{secret}{end}for ever'})}").removeprefix(
                "12:00 app "
            )
            assert secret[:12] not in masked
            assert json.loads(masked)["message"].startswith(f"it was{end}(")


@given(key=st.sampled_from(BUYER_FIELDS + SECRET_FIELDS), upper=st.booleans(), text=st.text("qwxz0123", min_size=12))
def test_no_value_of_a_secret_field_survives(key: str, upper: bool, text: str) -> None:
    """What stands under the name of a buyer's or a secret field is masked, at any depth and inside JSON in a string."""
    inner = {key.upper() if upper else key: text}
    redacted = redact({"shippingAddressList": [json.dumps(inner)], "list": [inner], "nested": {key: {"more": text}}})
    assert text not in json.dumps(redacted)


@given(json_data)
def test_redaction_is_pure_and_can_be_repeated(value: Any) -> None:
    """Redaction leaves its argument alone, and redacting twice is redacting once."""
    before = copy.deepcopy(value)
    once = redact(value)
    assert value == before
    assert redact(once) == once


def test_unset_fields_stay_visible() -> None:
    """A null says that Amazon did not tell; there is nothing to hide."""
    body = {"name": None, "email": "", "signature": None, "countryCode": "US", "postalCode": 98109}
    assert redact(body) == {**body, "postalCode": "(hidden)"}


def test_the_authorization_header_keeps_all_but_its_signature() -> None:
    """Algorithm, key id and signed headers teach; the signature is shown by length."""
    start = "AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B, SignedHeaders=accept;content-type, "
    headers = {"Authorization": f"{start}Signature={'x' * 344}", "accept": "application/json"}
    assert redact(headers) == {"Authorization": f"{start}Signature=(344 characters)", "accept": "application/json"}
    assert redact({"authorization": "Bearer abcdef"}) == {"authorization": "(13 characters)"}


def test_evidence_is_shown_by_its_length() -> None:
    """It says who has received what; its type may be seen."""
    shown = {"evidenceType": "Receipt", "evidenceText": "(21 characters)"}
    assert redact({"evidenceType": "Receipt", "evidenceText": "Ada, 1 Sample Way, OK"}) == redact(shown) == shown


def test_a_buyer_id_is_shown_in_part() -> None:
    """Two buyers can be told apart by the end of a long identifier; a short one is hidden."""
    shown = {"buyerId": "amzn1.account.…PLE7"}
    assert redact({"buyerId": "amzn1.account.AE5CXQZ4EXAMPLE7"}) == redact(shown) == shown
    assert redact({"buyerId": "amzn1.account.EXAMPLE"}) == {"buyerId": "amzn1.account.…"}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("/v2/buyers/Atza%7CIwEB", "/v2/buyers/(11 characters)"),
        ("/sandbox/v2/authorizationTokens/amzn.mws.1?merchantId=A3", "/sandbox/v2/authorizationTokens/(10 characters)?merchantId=A3"),  # noqa: E501
        ("https://shop.example/in?buyerToken=Atza|Iw/EB&lang=en", "https://shop.example/in?buyerToken=(10 characters)&lang=en"),  # noqa: E501
        ("client_secret=abc&x=1", "client_secret=(3 characters)&x=1"),
        ("password=abc", "password=(3 characters)"),
        ("signature=abc", "signature=(3 characters)"),
        ("Bearer abc", "Bearer (3 characters)"),
        ("mailto=susie%40example.com", "mailto=(19 characters)"),
        ("/v2/checkoutSessions/bd504926-f659-4ad7-a1a9-9a747aaf5275/complete",) * 2,
        ("[not JSON",) * 2,
    ],
)  # fmt: skip
def test_secrets_in_addresses_are_masked_where_they_stand(text: str, redacted: str) -> None:
    """Only the secret part of an address goes; the rest still tells the story."""
    assert redact(text) == redacted


# What may stand between a name and its value, and around them; each has one secret.
APART = [
    '\x1b[32m"password"\x1b[39m: \x1b[33m"\x1b[39mcan\x1b[1mary\x1b[33m"\x1b[39m',
    "call(password=\x1b[33m'\x1b[39mcanary\x1b[33m'",
    "pass\x1b[1mword\x1b[0m=canary",
    "'\\x1b[32mtoken\\x1b[0m': 'canary'",
    "\x1b]8;;https://x.example/?token=canary\x07link\x1b]8;;\x07",
    '<pre><span>"token"</span>: <span class="s2">"can</span><b>ary"</b></pre>',
    "<code>token</code>=<i>&#x27;canary&#x27;</i>",
    r"\PY{n+nt}{\PYZdq{}api\PYZus{}key\PYZdq{}}\PY{p}{:}\PY{+w}{ }\PY{l+s+s2}{\PYZdq{}canary\PYZdq{}}",
    "<a href='?token=canary'>a</a>",
    '<input type="hidden" name="token" value="canary">',
    '<meta name="csrf-token" content="canary">',
    "Login(password='canary', n=1)",
    "Buyer(name='canary', email=None)",
    "token = 'canary'",
    'token: str = "canary"',
    'environ["API_TOKEN"] = "canary"',
    "cfg['token']: 'canary'",
    'assert login["password"] == "canary"',
    "assert secret=='canary'",
    "token => 'canary'",
    "{token: 'canary'}",
    "{'token' : b'canary'}",
    "{'pin': 1, 'secret': 271828}",
    r'it is {"token": "a\"canary", "n": 1}',
    r'"{\"token\": \"a\\\"canary\", \"n\": 1}"',
    "it is {'name': 'cookie', 'value': 'canary'}",
    '{"name": "cookie", "value": "canary"}',
    '{"Name": "api_token", "Value": "canary"}',
    '{"key": "password", "value": "canary"}',
    "it is {'key': 'password', 'value': 'canary'}",
    "password = '''canary'''",
    'f(token="""canary""")',
    'token = f"canary"',
    "[(b'authorization', b'Basic canary')]",
    'add_header("Set-Cookie", "sid=canary")',
    "{'HTTP_HOST': 'x', 'HTTP_AUTHORIZATION': 'Basic canary', 'HTTP_COOKIE': 'sid=canary'}",
    "HTTP_HOST=x\nHTTP_AUTHORIZATION=Basic canary\nHTTP_COOKIE=sid=canary",
    "HTTP_HOST: x\nHTTP_AUTHORIZATION: Basic canary\nHTTP_COOKIE: sid=canary",
    "HTTP_AUTHORIZATION=ApiKey canary1canary",
    "{'X-Authorization': 'canary', 'x_forwarded_authorization': 'canary'}",
    "Authorization: ApiKey canary1canary",
    "> authorization: SSWS canary1canary\n> accept: */*",
    r"send: b'GET / HTTP/1.1\r\nAuthorization: SharedKey acct:canary1\r\nA: b\r\n\r\n'",
    "curl -H 'Authorization: Splunk canary-1-canary' x",
    "[(b'authorization', b'DeepL-Auth-Key canary1canary')]",
    "2026 INFO sending Authorization: Zoho-oauthtoken canary1canary",
    "INFO authorization=Basic canary status=200",
    "INFO Proxy-Authorization: NTLM canary1canary; retry",
    "INFO X-Authorization: ApiKey canary1canary",
    "Authorization: bearer  canary",
    "passwd='canary'",
    "HOME=/root\nAWS_SECRET_ACCESS_KEY=canary\nLANG=C",
    "AccountName=x;SharedAccessKey=canary",
    "DB_PASSWORD_OLD=canary",
    "fatal: https://user:canary@git.invalid/shop.git not found",
    "postgres://user:canary@db/shop",
    "smtp://me@shop.invalid:canary@mail",
    "redis://:can@ry@127.0.0.1:6379",
    "authorization=ApiKey canary1canary",
    "x-amz-pay-authtoken: canary",
    "a: b\nSet-Cookie: sid='canary'; Path=/\nc: d",
    "> Authorization: Basic canary",
    "password: canary1",
    "Authorization: Bearer canary",
    r"b'GET / HTTP/1.1\r\nCookie: sid=canary\r\n\r\n'",
    "curl -H 'Authorization: Digest canary' x",
    "<pre>Cookie: sid=canary</pre>",
    r'A=1\nDB_PASSWORD="canary"\n',
    r'a: 1\r\napi_token = "canary"',
    r"a\tb\tpassword: \'canary\'",
    r"a\nAtza|canary",
    "it is {'tokens': ['canary', \"it's canary\"], 'n': 1}",
    "it is {'x-api-key': ('canary',), 'set-cookie': ['', None, 'sid=canary; Path=/']}",
    "{'credentials': {'user': 'canary', 'ids': [b'canary', 271828], 'value': 'canary'}, 'n': 1}",
    r'"{\"tokens\": [\n  \"canary\",\n  \"canary\"\n]}"',
    'client_secret = ["canary", "canary"]',
    "Login(passwords={'canary', 'canary'}, n=[1])",
    "it is {'data': {'buyer': {'name': ['canary']}}, 'list': [{'password': 'canary'}]}",
    "[('authorization', ['Basic canary'])]",
    "('headers', [('cookie2', 'sid=canary')])",
    "login: dict[str, str] = {}; credentials: dict[str, str] = {'user': 'canary'}",
    "<span>token</span>=[<i>&#x27;canary&#x27;</i>, <i>&#x27;canary&#x27;</i>]",
    r"\PY{n}{token}\PY{p}{:}\PY{+w}{ }\PY{p}{[}\PY{l+s+s2}{\PYZdq{}canary\PYZdq{}}\PY{p}{]}",
    "2026-01-01 12:00:00,000 INFO shop: Authorization: Basic canary",
    "WARNING:root:Cookie: sid=canary; theme=1",
    "[12:00] my-shop: x-amz-pay-authtoken: canary",
    "header: Set-Cookie: sid=canary; Path=/",
    "401 to proxy-authorization: Basic canary",
    "(x-api-key: canary1",
    "INFO password: canary1",
    "https://x.example/?api_key=canary&x=1",
    "https://x.example/?apikey=1canary",
    "https://x.example/?x-csrf=canary",
    "passphrase=canary",
    "<password>canary</password>",
    '<ns:apiToken type="x">canary</ns:apiToken>',
    "<password><![CDATA[canary]]></password>",
    "**password**: 'canary'",
    "**password:** 'canary'",
    "**password**=canary",
    "- **buyerToken**: `canary1`",
    "* *token*: canary1",
    "`buyerToken`: `canary1`",
    "***`token`***: ```1canary```",
    '**"token"**: "canary"',
    r"client\_secret = 'canary'",
    r"password\=canary and client\_secret\: 1canary",
    r"'a\n**token:** canary1'",
    r"'token': 'can\-ary\_'",
    r"/v2\/buyers\/canary and \\\/buyers\\\/canary",
    "can*ary@mail.invalid and canary\\@mail\\.invalid",
    "password&#61;canary",
    "password&#x3D;&#x27;can&#43ary&#x27;",
    "buyerToken&#58; 1canary",
    "<b>buyerToken:</b>&nbsp;<code>canary1</code>",
    "<b>buyerToken:</b>\xa0<code>canary1</code>",
    "<pre>{&#x22;token&#x22;&#58; &#x22;canary&#x22;}</pre>",
    "Bearer&#32;canary",
    "it is {&quot;password&quot;: &quot;can&#10;ary&#92;&quot;}",
    "<a href='mailto:canary&#64;mail.invalid'>&#99;&#97;nary&commat;mail.invalid</a>",
    '{"note": "**password**&#61;canary"}',
]
# Names of something else, and words about a name.
TOGETHER = [
    "Name: price, dtype: object",
    "Signature: see below",
    "password: str",
    "def f(token: str, state: str = 'Open')",
    "('name', 'email')",
    '<input name="amount" value="14.00"> <meta name="viewport" content="width=device-width">',
    "Thread(name='worker')",
    "if name == 'x'",
    "secret_names=5 PASSWORDS=",
    "http://localhost:8888/@a and https://a.invalid:443/b@c and a://b:c",
    '"Signature=" + signature',
    '"; ".join(f"{one}={two}" for one, two in cookies)',
    '("InvalidSignature", "no key fits it")',
    "\x1b[31m{'amount': '14.00'}\x1b[0m",
    "<b>token</b> <i>&lt;none&gt;</i>",
    "authorization: Authorization",
    "Authorization: Amazon answers within 24 hours",
    "{'canHandlePendingAuthorization': True, 'pending_authorization': True}",
    "Authorization: expires after 30 days",
    "create(authorization=sign_request(key, 1))",
    "{'token': None}",
    "{'token': [], 'n': ['canary']}",
    "{'tokens': [None, 1], 'n': {'a': 'b'}}",
    "get(url, cookies={'sid': sid}, headers=['a'])",
    'password = (getpass("a"), f"b")',
    "tokens = [one.strip() for one in text.split(',')]",
    "def f(token: Literal['a', 'b'], names: list[str] = ['a'])",
    r"C:\name = 'a' \ntitle = 'b'",
    "city = ['a']",
    "visits[visit.token] = {'customer': 'Robin'}",
    'print("tokens=[", text, "]")',
    "see Cookie: the header, with 2 values",
    "Set the token: it is new, of 2026",
    "The x-api-key: see page 2 of it",
    "in the city: 5",
    "<token>\n  <id>5</id></token>",
    "cookies={} api_key=",
    "**Signature:** see below, in `token` and **password**",
    "`password`: `str`",
    "`token`: the token of 2026",
    "f(**{'tokens': []}, *tokens) * b ** 8",
    "+".join(f"{number}*x**{number}" for number in range(1, 40)),
    r"\*token\*: C:\_a\.b, \d+\.\d+\-\w+@\w+\.\w+",
    "&lt;token&gt; &#8364;5&nbsp;&amp;&nbsp;&euro;6 &copy=1&token; &#10;",
    "<b>token&#58;</b> &lt;none&gt;",
]


@pytest.mark.parametrize("text", APART)
def test_a_secret_is_masked_whatever_stands_between_it_and_its_name(text: str) -> None:
    """Colors and tags stay, so that a page stays a page."""
    masked, marks = str(redact(text)), re.compile(r"\x1b\[\d*m|</?\w+|\\PY\{[\w+]*\}\{|\\x1b\[\d+m")
    assert not re.search("can|ary|271828", masked.replace("characters", ""))
    assert (marks.findall(masked), redact(masked)) == (marks.findall(text), masked)


@pytest.mark.parametrize(
    "label",
    ["ValueError: ", "INFO:root:", "a: b: ", "x = ", "['a'] ", "f(a: ", "key='a' ", "a: int | None = None, ", "'a': "],
)
def test_a_label_in_front_hides_no_name(label: str) -> None:
    """As an exception and a log have them; a program's word with a type looks the same."""
    masked = [str(redact(label + text)) for text in APART]
    assert [text for text in masked if re.search("can|ary|271828", text.replace("characters", ""))] == []


def test_references_stay_beside_a_secret() -> None:
    """They are characters of a page, and of a program, that masks nothing in them."""
    rest = "caf&eacute;&nbsp;| x&#124;y |\xa0replace('&nbsp;', ' ')"
    assert redact(f"canary@mail.invalid {rest}") == f"(19 characters) {rest}"


@pytest.mark.parametrize("text", TOGETHER)
def test_what_names_no_secret_is_shown(text: str) -> None:
    """A name alone, a type, a list of names, a program's own words."""
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "a='", 'a="\\"', "token: ", '"a": ', "<input name", "{name", "<b ", "\x1b]", "\\PY{", "}", '("a", ', ">a-b: ",
        "1", "x-token:", "x-token: a ", "a-b: 1 ", "<token>", "<token ", "token-", "*", "*a", " `", "\\", "\\_",
        "&#61;", "&", "*a&#58;",
    ],
)  # fmt: skip
def test_a_text_is_read_once(piece: str) -> None:
    """Beginnings that never end, also in the value of another field: ten times as many take ten times as long."""
    before = time.process_time()
    for start in ("", 'token="', '{"name" ', "token=['a', ", "token: "):
        redact((start + piece * 100_000)[:100_000] + " x")
    assert time.process_time() - before < 10  # usually 1 at most


def test_json_inside_a_string_is_changed_only_where_it_must_be() -> None:
    """A payload without secrets is shown exactly as it was signed."""
    payload = '{ "storeId" : "amzn1.application-oa2-client.1" }'
    assert redact({"payloadJSON": payload}) == {"payloadJSON": payload}
    assert redact('{"email": "susie@example.com", "n": 1}') == '{"email":"(hidden)","n":1}'


# The journal


def test_an_exchange_is_redacted_on_the_way_in() -> None:
    """Nothing that a journal gives out holds what must not be seen, and later changes do not reach it."""
    body = {"buyer": {"name": "Susie Smith"}, "statusDetails": {"state": "Open"}}
    sent = Exchange(
        NOON, "getBuyer", "GET", "/v2/buyers/secret-token", 200, headers={"authorization": "Bearer secret-token"},
        request={"email": "susie@example.com"}, response=body, error="at https://x.example/?token=secret-token",
    )  # fmt: skip
    kept = Journal()
    assert kept.record(sent) is kept[-1]
    body["statusDetails"]["state"] = "Completed"
    step = kept.step(AMAZON_PAY_PAGES, SHOP_PAGE, "return with buyerToken=secret-token", NOON)
    assert step.text == "return with buyerToken=(12 characters)"
    shown = json.dumps(kept.export()) + kept.log().to_string() + sequence_diagram(kept).svg()
    assert "Open" in shown
    assert not any(secret in shown for secret in ("Susie", "susie", "secret-token"))


def test_entries_keep_their_order() -> None:
    """A journal is a sequence of exchanges and steps, and can start afresh."""
    kept = journal(charge("createCharge", "Authorized"))
    step = kept.step(BUYER, AMAZON_PAY_PAGES, "Approve", NOON)
    assert len(kept) == 2
    assert list(kept) == [kept[0], step]
    assert kept.exchanges == (kept[0],)
    assert repr(kept) == "Journal(1 exchanges, 1 steps)"
    kept.clear()
    assert list(kept) == []


def test_the_log_has_a_row_for_each_attempt() -> None:
    """A lost answer and its retry are two rows with one key."""
    kept = journal(
        exchange("createCharge", None, None, idempotency_key="k1", error="ReadTimeout"),
        exchange("createCharge", {"statusDetails": {"state": "Authorized"}}, 201, idempotency_key="k1", attempt=2),
        exchange("createCharge", {"reasonCode": "SoftDeclined", "message": "…"}, 422, idempotency_key="k2"),
    )
    kept.step(BUYER, AMAZON_PAY_PAGES, "Approve", NOON)
    log = kept.log()
    assert list(log.columns) == ["operation", "request", "status", "outcome", "idempotency key", "attempt"]
    assert [tuple(row) for row in log.itertuples(index=False)] == [
        ("createCharge", "POST /v2/charges", "no answer", "ReadTimeout", "k1", 1),
        ("createCharge", "POST /v2/charges", 201, "Authorized", "k1", 2),
        ("createCharge", "POST /v2/charges", 422, "SoftDeclined", "k2", 1),
    ]


def test_an_export_is_json_in_amazons_spelling() -> None:
    """Other programs read camelCase names and UTC times."""
    tokyo = timezone(timedelta(hours=9))
    sent = Exchange(datetime(2026, 1, 15, 21, tzinfo=tokyo), "getCharge", "GET", "/v2/charges/1", 404, request_id="r-1")
    kept = journal(sent)
    kept.step(BUYER, AMAZON_PAY_PAGES, "Approve", NOON)
    first, second = json.loads(json.dumps(kept.export()))
    assert first["kind"] == "exchange"
    assert first["at"] == "2026-01-15T12:00:00Z"
    assert (first["requestId"], first["idempotencyKey"]) == ("r-1", "")
    source_and_target = {"source": BUYER, "target": AMAZON_PAY_PAGES}
    assert second == {"kind": "step", "at": "2026-01-15T12:00:00Z", "text": "Approve", **source_and_target}


def test_threads_may_append_at_once() -> None:
    """No entry is lost when several threads record."""
    kept = Journal()
    threads = [
        threading.Thread(target=lambda: [kept.step(BUYER, SHOP_PAGE, "x", NOON) for _ in range(200)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 1600


def test_an_empty_journal_shows_empty_tables() -> None:
    """Every projection works before anything has happened, with its columns."""
    kept = Journal()
    assert (len(kept), kept.export(), kept.totals(), sequence_diagram(kept).messages) == (0, [], {}, ())
    assert kept.log().empty
    assert list(kept.ledger().columns) == ["operation", "object", "currency", *COLUMNS, "balance"]


# The ledger


def test_a_partial_capture_releases_the_rest() -> None:
    """The whole authorization goes; what was captured comes; what is refunded goes again."""
    kept = journal(
        charge("createCharge", "Authorized"),
        charge("captureCharge", "Captured", captured="10.00"),
        refund("createRefund", "RefundInitiated"),
        refund("getRefund", "Refunded"),
    )
    assert rows(kept) == [
        ("createCharge", CHARGE_ID, "USD", "14.00", "0.00", "0.00", "0.00"),
        ("captureCharge", CHARGE_ID, "USD", "-14.00", "10.00", "0.00", "10.00"),
        ("createRefund", REFUND_ID, "USD", "0.00", "0.00", "5.00", "5.00"),
    ]
    assert kept.totals() == {
        "USD": {"authorized": ZERO, "captured": Decimal(10), "refunded": Decimal(5), "balance": Decimal(5)}
    }


def test_replays_count_once() -> None:
    """A stored answer that arrives again after the capture changes nothing, nor does a lost answer or a refusal."""
    created, captured = charge("createCharge", "Authorized"), charge("captureCharge", "Captured", captured="14.00")
    lost = exchange("createCharge", None, None)
    declined = exchange("createCharge", {"reasonCode": "SoftDeclined"}, 422)
    read = charge("getCharge", "Captured", captured="14.00")
    once = journal(created, captured)
    again = journal(lost, created, created, declined, captured, created, captured, read)
    assert rows(again) == rows(once)
    assert once.totals()["USD"]["balance"] == Decimal("14.00")


def test_canceled_and_declined_amounts_are_freed() -> None:
    """Of two charges one is canceled, the other captured; a declined refund is taken back."""
    kept = journal(
        charge("createCharge", "Authorized"),
        charge("createCharge", "Captured", "20.00", charge_id=OTHER_CHARGE_ID, captured="20.00"),
        charge("cancelCharge", "Canceled"),
        refund("createRefund", "RefundInitiated"),
        refund("getRefund", "Declined"),
    )
    assert [row[3:] for row in rows(kept)] == [
        ("14.00", "0.00", "0.00", "0.00"),
        ("0.00", "20.00", "0.00", "20.00"),
        ("-14.00", "0.00", "0.00", "20.00"),
        ("0.00", "0.00", "5.00", "15.00"),
        ("0.00", "0.00", "-5.00", "20.00"),
    ]


@pytest.mark.parametrize(("status", "authorized"), [(200, "14.00"), (202, "0")])
def test_completion_authorizes_the_amount_that_was_asked_for(status: int, authorized: str) -> None:
    """Complete Checkout Session answers with a charge id alone; a pending one (202) holds nothing yet."""
    completed = exchange(
        "completeCheckoutSession", {"chargeId": CHARGE_ID}, status, request={"chargeAmount": price("14.00")}
    )
    kept = journal(completed)
    assert usd(kept)["authorized"] == Decimal(authorized)
    kept.record(charge("getCharge", "Captured", captured="14.00"))
    assert kept.totals()["USD"]["captured"] == Decimal("14.00")


def test_currencies_are_kept_apart() -> None:
    """Yen has no decimals and its own balance."""
    yen = charge("createCharge", "Captured", "500", charge_id=OTHER_CHARGE_ID, captured="500", currency="JPY")
    kept = journal(charge("createCharge", "Captured", captured="14.00"), yen)
    assert rows(kept)[1] == ("createCharge", OTHER_CHARGE_ID, "JPY", "0", "500", "0", "500")
    assert {currency: total["balance"] for currency, total in kept.totals().items()} == {"USD": 14, "JPY": 500}


@pytest.mark.parametrize(
    "body",
    [None, {}, {"chargeId": CHARGE_ID}, {"chargeId": CHARGE_ID, "chargeAmount": price("x"), "statusDetails": None},
     {"chargeId": None, "chargeAmount": price("1.00"), "statusDetails": {"state": "Authorized"}},
     *({"chargeId": CHARGE_ID, "chargeAmount": price(text), "statusDetails": {"state": "Authorized"}}
       for text in ("x", "NaN", "Infinity", "1E+99999999", "1E+30")),
     {"chargeId": CHARGE_ID, "chargeAmount": price("1.00"), "captureAmount": price("NaN"),
      "statusDetails": {"state": "Captured"}},
     {"chargeId": CHARGE_ID, "chargeAmount": price("1.00"),
      "statusDetails": {"state": "Authorized", "lastUpdatedTimestamp": "x"}}],
)  # fmt: skip
def test_an_answer_without_money_is_no_row(body: dict[str, Any] | None) -> None:
    """Setting up a wallet completes without a charge, and a garbled answer does not break the ledger."""
    operations = ("getCharge", "completeCheckoutSession", "createRefund", "getChargePermission")
    assert journal(*(exchange(operation, body) for operation in operations)).ledger().empty


@pytest.mark.parametrize(("machine", "answer"), [(CHARGE, charge), (REFUND, refund)])
def test_the_ledger_follows_every_documented_transition(machine: Machine, answer: Any) -> None:
    """Whatever the object goes through, its latest state counts, and an answer of an earlier one does not."""
    operation = f"get{machine.name}"
    moves = [row for row in machine.rows if row.source not in (NEW, row.target)]
    for row in moves:
        replayed = (row.source, row.target, row.source)
        assert usd(journal(*(answer(operation, state) for state in replayed))) == usd(
            journal(answer(operation, row.target))
        )
    assert len(moves) >= 3


CALLS = (("createCharge", "Authorized"), ("captureCharge", "Captured"), ("cancelCharge", "Canceled"))
steps = st.one_of(
    st.builds(
        lambda call, amount, charge_id: charge(call[0], call[1], amount, charge_id=charge_id),
        st.sampled_from(CALLS),
        st.sampled_from(["14.00", "0.01"]),
        st.sampled_from([CHARGE_ID, OTHER_CHARGE_ID]),
    ),
    st.sampled_from([refund("createRefund", "RefundInitiated"), refund("getRefund", "Declined")]),
)


@settings(deadline=None)  # the first table imports pandas
@given(st.lists(steps, max_size=12))
def test_the_columns_of_the_ledger_add_up_to_the_totals(run: list[Exchange]) -> None:
    """Movements and totals are two views of the same money."""
    kept = journal(*run)
    total = usd(kept)
    ledger = kept.ledger()
    assert {column: sum(map(Decimal, ledger[column])) for column in COLUMNS} == {c: total[c] for c in COLUMNS}
    assert Decimal(ledger["balance"].iloc[-1] if len(ledger) else 0) == total["balance"]


def test_the_course_of_the_money_has_amazons_times() -> None:
    """Each movement gives the sums from then on; where an object has no time, ours is taken."""
    held, back = charge("createCharge", "Authorized"), refund("createRefund", "RefundInitiated")
    captured = charge("captureCharge", "Captured", captured="14.00")
    assert captured.response
    captured.response["statusDetails"]["lastUpdatedTimestamp"] = "20260203T040506Z"
    later = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    none, all_, five = ZERO, Decimal("14.00"), Decimal("5.00")
    assert course([held, captured, back]) == {
        "USD": [(NOON, all_, none, none), (later, none, all_, none), (NOON, none, all_, five)]
    }


def test_a_charge_that_a_completion_names_has_amazons_time_as_well() -> None:
    """The answer is the session's, and our clock may be in another month."""
    body = {"checkoutSessionId": "S-1", "chargeId": CHARGE_ID, "statusDetails": {"state": "Completed"}}
    body["statusDetails"] |= {"lastUpdatedTimestamp": "20260203T040506Z"}  # type: ignore[operator]
    kept = journal(exchange("completeCheckoutSession", body, request={"chargeAmount": price("14.00")}))
    assert course(kept.exchanges)["USD"][0][0] == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert kept.known.of("Charge")[CHARGE_ID]["creationTimestamp"] == "20260203T040506Z"


# The diagram


def test_the_diagram_tells_the_run_in_order() -> None:
    """Participants stand in their usual order; refusals and lost answers are marked; a retry says so."""
    kept = Journal()
    kept.step(BUYER, AMAZON_PAY_PAGES, "Approve", NOON)
    kept.step(AMAZON_PAY_PAGES, SHOP_PAGE, "return", NOON)
    for each in (
        exchange("createCharge", None, None, error="ReadTimeout"),
        exchange("createCharge", {"reasonCode": "HardDeclined"}, 422, attempt=2),
        charge("createCharge", "Authorized"),
        exchange("closeChargePermission", None, 200),
        exchange("getCharge", None, None),
    ):
        kept.record(each)
    diagram = sequence_diagram(kept)
    assert diagram.participants == (*PARTICIPANTS,)
    assert diagram.text().splitlines() == [
        "1. Buyer → Amazon Pay pages: Approve",
        "2. Amazon Pay pages → Shop page: return",
        "3. Shop server → Amazon Pay API: POST /v2/charges",
        "   ← ✗ no answer: ReadTimeout",
        "4. Shop server → Amazon Pay API: POST /v2/charges (attempt 2)",
        "   ← ✗ 422 HardDeclined",
        "5. Shop server → Amazon Pay API: POST /v2/charges",
        "   ← 201 Authorized",
        "6. Shop server → Amazon Pay API: POST /v2/charges",
        "   ← 200",
        "7. Shop server → Amazon Pay API: POST /v2/charges",
        "   ← ✗ no answer",
    ]


def test_only_those_who_took_part_are_drawn() -> None:
    """A run of API calls has two lifelines; a stranger stands last."""
    kept = journal(charge("createCharge", "Authorized"))
    assert sequence_diagram(kept).participants == (SHOP_SERVER, AMAZON_PAY_API)
    kept.step("Bank", BUYER, "challenge", NOON)
    assert sequence_diagram(kept).participants == (BUYER, SHOP_SERVER, AMAZON_PAY_API, "Bank")


def test_a_file_gives_the_journal_back(tmp_path: Path) -> None:
    """Exchanges and steps, and nothing of what a fork has taken back."""
    written = Journal(file=tmp_path / "run.jsonl")
    written.record(charge("createCharge", "Authorized", headers={"host": "pay-api.amazon.com"}))
    written.step(BUYER, SHOP_PAGE, "comes back", NOON)
    written.record(charge("captureCharge", "Captured", captured="14.00"))
    written.rewind(2)
    written.record(refund("createRefund", "Refund\u2028Initiated"))

    read = Journal.read(tmp_path / "run.jsonl")
    assert list(read) == list(written)
    assert read.totals() == written.totals()


def test_each_of_two_journals_takes_back_its_own_lines(tmp_path: Path) -> None:
    """All workbenches of a notebook write into one file, and a fork of one is none of another."""
    file = tmp_path / "run.jsonl"
    america, europe = Journal(file=file), Journal(file=file)
    america.step(BUYER, SHOP_PAGE, "opens", NOON)
    europe.step(BUYER, SHOP_PAGE, "opens", NOON)
    america.step(BUYER, SHOP_PAGE, "pays, and it is undone", NOON)
    europe.record(charge("createCharge", "Captured", captured="22.00"))
    america.rewind(1)
    europe.step(BUYER, SHOP_PAGE, "leaves", NOON)
    assert list(Journal.read(file)) == [*america, *europe]


def test_a_file_of_somebody_else_gives_nothing_away(tmp_path: Path) -> None:
    """What a run would have masked is masked when it is read, before anything is made from it."""
    forged = {"kind": "exchange", "at": "2026-01-15T12:00:00Z", "operation": "getBuyer", "method": "GET"}
    forged |= {"path": "/v2/buyers/Atza-secret", "status": 200, "response": {"name": "Jane"}}
    file = tmp_path / "run.jsonl"
    file.write_text(json.dumps(forged), "utf-8")
    (kept,) = Journal.read(file).exchanges
    assert (kept.path, kept.response) == ("/v2/buyers/(11 characters)", {"name": "(hidden)"})


@pytest.mark.parametrize(
    "line", ["no JSON", "[]", "1", '{"kind": "step"}', '{"kind": "exchange", "at": "today"}', "[" * 9999, "{}"]
)
def test_a_file_of_another_program_is_refused(line: str, tmp_path: Path) -> None:
    """With a sentence, whatever it holds."""
    (tmp_path / "run.jsonl").write_text(line, "utf-8")
    with pytest.raises(ConfigurationError, match=r"run\.jsonl is no journal of a run"):
        Journal.read(tmp_path / "run.jsonl")


def cut_files(file: Path) -> dict[str, tuple[bytes, str, list[str]]]:
    """What may be left of three lines, the lines that are named, and the texts of the steps that are read."""
    written = Journal(file=file)
    for text in ("one", "二", "three"):
        written.step(BUYER, SHOP_PAGE, text, NOON)
    one, two, three = file.read_bytes().splitlines(keepends=True)
    half = two[: two.index("二".encode()) + 1]
    rewind = b'{"kind": "rewind", "entries": 2}\n'
    return {
        "the end": (one + two + three[:40], "3", ["one", "二"]),
        "inside a character": (one + half, "2", ["one"]),
        "with the next line": (one + half + two + three, "2", ["one", "three"]),
        "before the next line": (one + half + b"\n" + two + three, "2", ["one", "二", "three"]),
        "without a byte": (one + b"\n" + half + b"\n" + three, "2, 3", ["one", "three"]),
        "and taken back": (one + half + b"\n" + three + rewind, "2", ["one"]),
        "and more taken back than there is": (half + b"\n" + rewind + three, "1", ["three"]),
    }


@pytest.mark.parametrize(
    "place",
    [
        "the end",
        "inside a character",
        "with the next line",
        "before the next line",
        "without a byte",
        "and taken back",
        "and more taken back than there is",
    ],
)
def test_a_line_that_was_cut_costs_no_other_entry(place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk was full, or a process was killed: the rest is read, and a warning names file and line."""
    file = tmp_path / "run.jsonl"
    content, lines, texts = cut_files(file)[place]
    file.write_bytes(content)
    assert [entry.text for entry in Journal.read(file) if isinstance(entry, Step)] == texts
    assert caplog.messages == [f"{file} lacks entries that were cut, in line {lines}."]


@pytest.mark.parametrize("room", [0, 40, 900])
def test_a_full_disk_takes_nothing_out_of_a_journal(
    room: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Totals, newest answers, listeners and what a rewind forgets are the journal's own; a later line stands alone."""
    file, size = tmp_path / "run.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    written = Journal(file=file)
    written.step(BUYER, SHOP_PAGE, "opens", NOON)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + room, size[1]))
        with own_exchanges() as exchanges:
            written.record(charge("createCharge", "Captured", captured="14.00"))
        written.step(BUYER, SHOP_PAGE, "words " * 200, NOON)
        written.rewind(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
    written.step(BUYER, SHOP_PAGE, "stays", NOON)

    assert exchanges == [*written.exchanges]
    assert written.known.newest("Charge", CHARGE_ID)
    assert written.totals()["USD"]["captured"] == Decimal("14.00")
    assert [entry.text for entry in written if isinstance(entry, Step)] == ["opens", "stays"]
    assert f"{file} lacks an entry of the journal: OSError." in caplog.messages
    assert list(Journal.read(file))[-1] == written[-1]


def test_a_journal_is_written_after_a_fork(tmp_path: Path) -> None:
    """Though a thread, which only the parent has, was just writing it."""
    script = (
        "import os, sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from amazonpay_nb.client.journal import BUYER, SHOP_PAGE, Journal\n"
        "journal = Journal(file=Path(sys.argv[1]))\n"
        "with journal._lock:\n"
        "    if child := os.fork(): sys.exit(os.waitpid(child, 0)[1])\n"
        "    journal.step(BUYER, SHOP_PAGE, 'opens', datetime.now(UTC))"
    )
    file = tmp_path / "run.jsonl"
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, timeout=PATIENCE)
    assert [entry.text for entry in Journal.read(file) if isinstance(entry, Step)] == ["opens"]


@pytest.mark.parametrize("kind", ["a pipe", "a link", "a huge file"])
def test_what_somebody_put_in_the_place_of_a_journal_is_not_read(kind: str, tmp_path: Path) -> None:
    """It would take all memory, or all time."""
    file = tmp_path / "run.jsonl"
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a link":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as sparse:
            sparse.truncate(2**40)
    with pytest.raises(ConfigurationError, match=r"run\.jsonl is no journal of a run"):
        Journal.read(file)
