"""One call in six languages: what is there to be said is said, in each language's own spelling."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pydantic.alias_generators import to_snake

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.journal import Exchange
from amazonpay_nb.client.snippets import (
    HEADERS_FILE,
    LANGUAGES,
    PRIVATE_KEY_FILE,
    button_page,
    sign_for_curl,
    snippet,
)
from amazonpay_nb.client.wire import request_of
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError, ConflictError
from amazonpay_nb.shop.buyer import approve
from amazonpay_nb.signing import canonical_request, string_to_sign
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.reports import SANDBOX_SETTLEMENT
from tests.interop.test_node_sdk import sdk  # noqa: F401 (a fixture)
from tests.processes import PATIENCE

RESULT = "https://shop.example/result"
ODD = 'Café « Zoë » it\'s 50% \\ "quoted" $HOME'
SDKS = [name for name in LANGUAGES if name not in ("curl", "python")]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("na", seed=7, https=True) as running:
        yield running


def prices(amount: str) -> dict[str, str]:
    return {"amount": amount, "currencyCode": "USD"}


@pytest.fixture(scope="module")
def exchanges(emulator: Emulator) -> dict[str, Exchange]:
    """A run from session to refund: the last exchange of each operation."""
    merchant = emulator.merchant
    auth = AmazonPayAuth(merchant.keys)
    with AmazonPayClient(auth, environment="emulator", base_url=emulator.url, verify=emulator.verify) as client:
        permission, other = (_wallet(client, emulator) for _ in range(2))
        client.get_charge_permission(permission)
        client.update_charge_permission(permission, merchant_metadata={"noteToBuyer": ODD})
        charge = client.create_charge(charge_permission_id=permission, charge_amount=prices("14.00")).charge_id
        client.capture_charge(charge, capture_amount=prices("14.00"), soft_descriptor="SHOP")
        client.get_charge(charge)
        refund = client.create_refund(charge_id=charge, refund_amount=prices("4.00")).refund_id
        client.get_refund(refund)
        with pytest.raises(ConflictError):
            client.cancel_charge(charge, cancellation_reason=ODD)
        client.close_charge_permission(other, closure_reason=ODD)
    return {exchange.operation: exchange for exchange in client.journal.exchanges}


def _wallet(client: AmazonPayClient, emulator: Emulator) -> str:
    session = client.create_checkout_session(
        store_id=emulator.merchant.store_id, charge_permission_type="PaymentMethodOnFile",
        web_checkout_details={"checkoutResultReturnUrl": RESULT}, payment_details={"paymentIntent": "Confirm"},
        payment_method_on_file_metadata={"setupOnly": True}, merchant_metadata={"customInformation": ODD},
    ).checkout_session_id  # fmt: skip
    client.get_checkout_session(session)
    with httpx.Client(verify=emulator.verify, trust_env=False) as browser:
        approve(f"{emulator.url}/checkout?amazonCheckoutSessionId={session}", http=browser)
    return str(client.complete_checkout_session(session).charge_permission_id)


def written_in(language: str, exchange: Exchange) -> str:
    return snippet(language, exchange)


# ---- cURL ------------------------------------------------------------------------------------------------------------


def test_curl_says_method_address_and_body_and_takes_the_headers_from_a_file(
    exchanges: dict[str, Exchange], emulator: Emulator
) -> None:
    """A shell reads it back as what was sent; no signature stands in it."""
    exchange = exchanges["updateChargePermission"]
    program = written_in("curl", exchange)
    words = [word for word in shlex.split(program, comments=True) if word.strip()]
    assert words[:4] == ["curl", "--request", "PATCH", f"http{emulator.url[5:]}{exchange.path}"]
    assert words[4:7] == ["--header", f"@{HEADERS_FILE}", "--data-binary"]
    assert json.loads(words[-1]) == {"merchantMetadata": {"noteToBuyer": ODD}}
    assert "ignature=" not in program


@pytest.mark.skipif(shutil.which("curl") is None, reason="NOT TESTED: there is no curl")
@pytest.mark.parametrize("operation", ["createCharge", "getCharge", "updateChargePermission"])
def test_curl_runs_with_the_file_of_headers(
    emulator: Emulator, exchanges: dict[str, Exchange], tmp_path: Path, operation: str
) -> None:
    """Signed anew under the same key, it is the same call; the file is its owner's alone."""
    exchange = exchanges[operation]
    path = sign_for_curl(exchange, AmazonPayAuth(emulator.merchant.keys), tmp_path)
    assert (path.name, path.stat().st_mode & 0o777) == (HEADERS_FILE, 0o600)
    # A journal does not keep the scheme, and this emulator's is HTTPS.
    program = written_in("curl", exchange).replace("http://", "https://").replace("curl ", "curl --silent ")
    done = subprocess.run(
        ["sh", "-c", f"{program.strip()} --cacert {emulator.ca_file} --noproxy 127.0.0.1"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=PATIENCE,
    )  # fmt: skip
    answer, before = json.loads(done.stdout), exchange.response
    assert before
    name = "chargeId" if operation[-6:] == "Charge" else "chargePermissionId"
    assert answer[name] == before[name]


def test_curl_sends_no_body_where_there_is_none(exchanges: dict[str, Exchange]) -> None:
    """A GET is only its address and headers."""
    assert "--data-binary" not in written_in("curl", exchanges["getCharge"])


# ---- Python ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["createCharge", "getRefund", "updateChargePermission", "createCheckoutSession"])
def test_the_snippets_for_python_are_the_same_calls(operation: str, tmp_path: Path) -> None:
    """Run as they are, against an emulator without HTTPS; each answers what the client was answered."""
    with Emulator("na", seed=7) as plain:
        keys = plain.merchant.keys
        with AmazonPayClient(keys, environment="emulator", base_url=plain.url) as client:
            session = client.create_checkout_session(
                store_id=plain.merchant.store_id, charge_permission_type="PaymentMethodOnFile",
                web_checkout_details={"checkoutResultReturnUrl": RESULT}, payment_details={"paymentIntent": "Confirm"},
                payment_method_on_file_metadata={"setupOnly": True}, merchant_metadata={"customInformation": ODD},
            ).checkout_session_id  # fmt: skip
            approve(f"{plain.url}/checkout?amazonCheckoutSessionId={session}")
            wallet = client.complete_checkout_session(session).charge_permission_id or ""
            client.update_charge_permission(wallet, merchant_metadata={"noteToBuyer": ODD})
            money = prices("14.00")
            charge = client.create_charge(charge_permission_id=wallet, charge_amount=money, capture_now=True).charge_id
            client.get_refund(client.create_refund(charge_id=charge, refund_amount=prices("4.00")).refund_id)
        exchange = next(e for e in client.journal.exchanges if e.operation == operation)
        program = snippet("python", exchange, key_file=str(plain.merchant.private_key_file))
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
    assert exchange.response
    assert exchange.kind
    assert str(exchange.response[exchange.kind.id_field]) in done.stdout


def test_python_says_where_amazon_is(exchanges: dict[str, Exchange]) -> None:
    """An address of this machine is an emulator's; any other host is Amazon's."""
    exchange = exchanges["getCharge"]
    headers = {**exchange.headers, "host": "pay-api.amazon.eu", "x-amz-pay-region": "eu"}
    amazon = written_in("python", replace(exchange, headers=headers))
    assert '"region": "eu", "environment": "sandbox"}' in amazon
    assert "base_url" not in amazon
    live = written_in("python", replace(exchange, headers=headers, path=f"/live{exchange.path}"))
    assert '"environment": "live", "allow_live": True}' in live


# ---- the button ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "call"), [("button", "renderButton"), ("click", "initCheckout")])
def test_the_html_of_a_button_is_ready_for_a_page(start: str, call: str) -> None:
    """Amazon's script, the call, and the configuration; no value ends the script."""
    config = {"merchantId": "A1", "createCheckoutSessionConfig": {"payloadJSON": '{"a":"</script>"}', "signature": "x"}}
    html = button_page("https://static-na.payments-amazon.com/checkout.js", config, start)
    assert f"amazon.Pay.{call}(" in html
    assert html.count("</script>") == 2
    assert '<script src="https://static-na.payments-amazon.com/checkout.js">' in html


# ---- the SDKs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", SDKS)
def test_each_sdk_has_the_call_under_its_documented_name(language: str, exchanges: dict[str, Exchange]) -> None:
    """.NET begins a method with a capital; the object's id comes first."""
    for operation, exchange in exchanges.items():
        name = operation[0].upper() + operation[1:] if language == "dotnet" else operation
        program = written_in(language, exchange)
        assert program.count(f"{name}(") == 1
        object_id = exchange.object_id
        assert bool(object_id) == ("{id}" in OPERATIONS[operation].path)
        assert object_id in program


def body_in(language: str, program: str) -> Any:
    """Read the body as the language would."""
    if language == "node":
        text = program.partition("const payload = ")[2].partition("};")[0] + "}"
    elif language == "php":
        text = program.partition("<<<'JSON'\n")[2].partition("\nJSON;")[0]
    else:
        text = program.partition('"""')[2].partition('"""')[0]
    return json.loads(text.replace("\\\\", "\\") if language == "java" else text)


@pytest.mark.parametrize("language", SDKS)
def test_the_body_survives_every_spelling(language: str, exchanges: dict[str, Exchange]) -> None:
    """Quotes, backslashes, dollars and letters that are not ASCII mean something else in each language."""
    exchange = exchanges["createCheckoutSession"]
    assert exchange.request
    assert body_in(language, written_in(language, exchange)) == exchange.request


@pytest.mark.parametrize("language", SDKS)
def test_idempotency_key_and_simulation_code_are_headers(language: str, exchanges: dict[str, Exchange]) -> None:
    """And nothing else is: the SDK makes and signs the rest."""
    exchange = exchanges["createCharge"]
    simulated = replace(exchange, headers={**exchange.headers, "x-amz-pay-simulation-code": "SoftDeclined"})
    program = written_in(language, simulated)
    assert program.count(exchange.idempotency_key) == program.count("SoftDeclined") == 1
    assert program.count("x-amz-pay-") == 2
    assert "headers" not in written_in(language, exchanges["getCharge"])


@pytest.mark.parametrize(
    ("language", "sandbox", "region"),
    [
        ("node", "sandbox: true", 'region: "eu"'),
        ("php", "'sandbox' => true", "'region' => 'eu'"),
        ("java", ".setEnvironment(Environment.SANDBOX)", ".setRegion(Region.EU)"),
        ("dotnet", "environment: Environment.Sandbox", "region: Region.Europe"),
    ],
)
def test_a_neutral_key_needs_the_environment(
    language: str, sandbox: str, region: str, exchanges: dict[str, Exchange]
) -> None:
    """A key with a prefix decides by itself, and the snippet says nothing about it."""
    exchange = exchanges["getCharge"]
    assert sandbox not in written_in(language, exchange)
    key = exchange.headers["authorization"].replace("PublicKeyId=SANDBOX-", "PublicKeyId=")
    headers = {**exchange.headers, "authorization": key, "x-amz-pay-region": "eu"}
    neutral = replace(exchange, headers=headers, path=f"/sandbox{exchange.path}")
    program = written_in(language, neutral)
    assert sandbox in program
    assert region in program
    live = written_in(language, replace(neutral, path=f"/live{exchange.path}"))
    assert sandbox not in live
    assert "live" in live.lower() or "sandbox: false" in live or "'sandbox' => false" in live


def test_dotnet_gives_its_constructors_what_they_ask_for(exchanges: dict[str, Exchange]) -> None:
    """Its requests are classes; what their constructors do not take is filled in afterward."""
    charge = exchanges["createCharge"].request
    assert charge
    permission = charge["chargePermissionId"]
    made = f'new CreateChargeRequest("{permission}", 14.00m, Currency.USD);'
    assert made in written_in("dotnet", exchanges["createCharge"])
    capture = written_in("dotnet", exchanges["captureCharge"])
    assert "new CaptureChargeRequest(14.00m, Currency.USD);" in capture
    assert body_in("dotnet", capture) == {"softDescriptor": "SHOP"}
    assert f"new CloseChargePermissionRequest({json.dumps(ODD, ensure_ascii=False)});" in written_in(
        "dotnet", exchanges["closeChargePermission"]
    )


# The requests of the SDK for .NET that have no constructor without parameters, as its sources have them, with ours.
DOTNET_CONSTRUCTORS = {
    "cancelCharge": f"({json.dumps(ODD, ensure_ascii=False)})",
    "captureCharge": "(14.00m, Currency.USD)",
    "createCharge": '("{permission}", 14.00m, Currency.USD)',
    "createRefund": '("{charge}", 4.00m, Currency.USD)',
    "finalizeCheckoutSession": "(PaymentIntent.Confirm)",
    "createReport": f'(ReportTypes.{SANDBOX_SETTLEMENT}, "20260115T000000Z", "20260116T000000Z")',
    "createReportSchedule": f'(ReportTypes.{SANDBOX_SETTLEMENT}, ScheduleFrequency.P1D, "20990101T000000Z")',
}


@pytest.mark.parametrize("operation", DOTNET_CONSTRUCTORS)
def test_no_request_for_dotnet_is_made_without_what_it_needs(
    exchanges: dict[str, Exchange], others: dict[str, Exchange], operation: str
) -> None:
    """Such a program would not compile; a member of an enumeration is no text."""
    made = exchanges | others
    if operation not in made:  # it needs an app
        made[operation] = replace(made["captureCharge"], operation=operation, request={"paymentIntent": "Confirm"})
    ids = {"permission": made["getChargePermission"].object_id, "charge": made["getCharge"].object_id}
    arguments = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], DOTNET_CONSTRUCTORS[operation])
    program = written_in("dotnet", made[operation])
    assert f"new {operation[0].upper()}{operation[1:]}Request{arguments};" in program


def test_what_was_not_signed_cannot_be_written(exchanges: dict[str, Exchange]) -> None:
    """Neither can a language that nobody knows."""
    with pytest.raises(ConfigurationError, match="not a signed call"):
        snippet("node", replace(exchanges["getCharge"], headers={}))
    with pytest.raises(ConfigurationError, match="language='cobol' does not exist"):
        snippet("cobol", exchanges["getCharge"])


USD = {"amount": "1.00", "currencyCode": "USD"}
HOSTILE: dict[str, dict[str, Any]] = {
    "method": {"method": "POST x; EVIL #"},
    "region": {"headers": {"x-amz-pay-region": "NA); EVIL(); //"}},
    "amount": {"request": {"chargePermissionId": "C", "chargeAmount": USD | {"amount": "1m); EVIL(); //"}}},
    "currency": {"request": {"chargePermissionId": "C", "chargeAmount": USD | {"currencyCode": "USD); EVIL(); //"}}},
    "name of a field": {"request": {"x=1)\nEVIL()\nprint(": 1, "chargePermissionId": "C", "chargeAmount": USD}},
    "no name": {"request": {"": 1, "a.b": 2, "chargePermissionId": "C", "chargeAmount": USD}},
    "nothing": {"request": {"chargePermissionId": "C", "chargeAmount": {}}},
    "constant": {"operation": "finalizeCheckoutSession", "request": {"paymentIntent": "X); EVIL(); //"}},
    "id": {"operation": "getCharge", "path": "/v2/charges/'\"); EVIL(); $(EVIL) `EVIL`"},
    "query": {"operation": "getReports", "path": "/v2/reports?EVIL()=1&');EVIL(=\");EVIL(&pageSize=$(EVIL)`EVIL`"},
    "key": {"headers": {"x-amz-pay-idempotency-key": "'\"); EVIL(); \\' \\\" $(EVIL)"}},
}
LITERAL = re.compile(r"""\"{3}(?s:.*?)\"{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_becomes_a_part_of_a_program(
    language: str, hostile: dict[str, Any], exchanges: dict[str, Exchange]
) -> None:
    """A journal may be somebody else's, and what a shop passes on was typed by its buyers."""
    headers = exchanges["createCharge"].headers | hostile.get("headers", {})
    exchange = replace(exchanges["createCharge"], **hostile | {"headers": headers})
    program = written_in(language, exchange)
    if language == "python":
        ast.parse(program)
    if language == "curl":
        assert shlex.split(program, comments=True)[2:4] == [hostile.get("method", "POST"), exchange.url]
    else:
        assert "evil" not in LITERAL.sub("", program).lower()


@pytest.mark.parametrize("language", SDKS)
def test_every_line_is_read_as_it_is_written(language: str, exchanges: dict[str, Exchange]) -> None:
    """What ends a line in one language only, or turns the order of letters, has its code in the place of itself."""
    sent = {"merchantMetadata": {"noteToBuyer": "a\u2028b\x85c\u202ed\u2066\x9b"}, "chargeAmount": USD}
    exchange = replace(exchanges["createCharge"], request=sent)
    program = written_in(language, exchange)
    assert not {*"\u2028\x85\u202e\u2066\x9b"} & {*program}
    assert language == "dotnet" or body_in(language, program) == sent


# ---- the SDKs, really ------------------------------------------------------------------------------------------------

# What can be asked a second time, with the same key where there is one.
REPEATED = [
    ("createCheckoutSession", "checkoutSessionId"),
    ("getCheckoutSession", "checkoutSessionId"),
    ("getChargePermission", "chargePermissionId"),
    ("createCharge", "chargeId"),
    ("captureCharge", "chargeId"),
    ("getCharge", "chargeId"),
    ("createRefund", "refundId"),
    ("getRefund", "refundId"),
]
FILE_NAMES = {"node": "call.js", "php": "call.php", "java": "Call.java"}


@pytest.fixture
def pasted(
    request: pytest.FixtureRequest, emulator: Emulator, tmp_path: Path
) -> Callable[[str, Exchange, str], subprocess.CompletedProcess[str]]:
    """Save a program that goes to the emulator beside a key and an SDK, and run the commands in its first lines."""
    copies = Path(os.environ.get("AMAZON_PAY_SDKS", tmp_path / "none"))
    for name in ("vendor", "lib"):
        (tmp_path / name).symlink_to(copies / name)
    shutil.copy(emulator.merchant.private_key_file, tmp_path / PRIVATE_KEY_FILE)
    emulator.open_proxy()

    def paste(language: str, exchange: Exchange, before: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "NODE_NO_WARNINGS": "1", "NO_PROXY": "127.0.0.1"}
        if language == "node":
            environment["NODE_PATH"] = str(request.getfixturevalue("sdk").parents[1])
        elif not (copies / {"php": "vendor/autoload.php", "java": "lib"}[language]).exists():
            pytest.skip(f"NOT TESTED: {LANGUAGES[language]} is in no package registry; see CONTRIBUTING.md")
        program = snippet(language, exchange, proxy=str(emulator.proxy_url), authority=str(emulator.proxy_ca_file))
        (tmp_path / FILE_NAMES[language]).write_text(before + program, encoding="utf-8")
        commands = re.findall(r"^// \$ (.*)", program, re.MULTILINE)
        return subprocess.run(
            ["sh", "-c", "\n".join(commands)], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False, timeout=PATIENCE,
        )  # fmt: skip

    return paste


@pytest.mark.interop
@pytest.mark.parametrize("language", FILE_NAMES)
def test_a_program_for_an_sdk_is_the_same_call(
    pasted: Callable[..., subprocess.CompletedProcess[str]], exchanges: dict[str, Exchange], language: str
) -> None:
    """Run as it says by itself: each answers what the client was answered, so the key was the same too."""
    for operation, identifier in REPEATED:
        exchange = exchanges[operation]
        done = pasted(language, exchange)
        # Before it, Java's tool may say that it trusts the emulator already.
        status, _, data = done.stdout.splitlines()[-1].partition(" ")
        assert status == str(exchange.status), done.stderr
        assert exchange.response
        assert json.loads(data)[identifier] == exchange.response[identifier]


# Calls with a query, and one whose method has another name in each SDK.
OTHERS = ("getReports", "getReportSchedules", "createDeliveryTracker")


@pytest.fixture(scope="module")
def others(emulator: Emulator, exchanges: dict[str, Exchange]) -> dict[str, Exchange]:
    wallet = exchanges["getChargePermission"].object_id
    auth = AmazonPayAuth(emulator.merchant.keys)
    with AmazonPayClient(auth, environment="emulator", base_url=emulator.url, verify=emulator.verify) as client:
        # There is one of each, and what is asked for leaves it out.
        client.create_report(report_type=SANDBOX_SETTLEMENT, start_time="20260115T000000Z", end_time="20260116T000000Z")
        client.create_report_schedule(
            report_type=SANDBOX_SETTLEMENT, schedule_frequency="P1D", next_report_creation_time="20990101T000000Z"
        )
        client.get_reports(processing_statuses="FAILED", page_size=5)
        client.get_report_schedules(report_types="_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_")
        parcel = {"trackingNumber": "1Z999AA10123456784", "carrierCode": "UPS"}
        client.create_delivery_tracker(charge_permission_id=wallet, delivery_details=[parcel])
        return {exchange.operation: exchange for exchange in client.journal.exchanges}


@pytest.mark.interop
@pytest.mark.parametrize("language", FILE_NAMES)
@pytest.mark.parametrize("operation", OTHERS)
def test_a_program_asks_for_the_same(
    pasted: Callable[..., subprocess.CompletedProcess[str]], others: dict[str, Exchange], language: str, operation: str
) -> None:
    """The query goes with it, and the method is the SDK's own."""
    exchange = others[operation]
    done = pasted(language, exchange)
    status, _, data = done.stdout.splitlines()[-1].partition(" ")
    assert status == str(exchange.status), done.stderr
    rows = [value for value in json.loads(data).values() if isinstance(value, list)]
    assert rows == [value for value in (exchange.response or {}).values() if isinstance(value, list)]
    assert bool(rows[0]) == (operation == "createDeliveryTracker")


@pytest.mark.parametrize("operation", OTHERS)
def test_a_program_for_python_asks_for_the_same(others: dict[str, Exchange], operation: str) -> None:
    """Its arguments are the query's and the body's, in Python's spelling."""
    program = written_in("python", others[operation])
    names = {**(others[operation].request or {}), **dict(parse_qsl(urlsplit(others[operation].path).query))}
    assert all(f"{to_snake(name)}=" in program for name in names)
    ast.parse(program)


def test_an_sdk_without_such_a_method_says_so(others: dict[str, Exchange]) -> None:
    """There is no program that makes another call."""
    for language, operation in (("dotnet", "getReports"), ("node", "getDisbursements"), ("dotnet", "getDispute")):
        program = written_in(language, replace(others["getReports"], operation=operation))
        assert program == f"// {LANGUAGES[language]} has no {operation} that takes the same arguments.\n"


# Prints what the SDK hashes and signs.
LISTEN = """
const crypto = require('crypto');
for (const [name, mark] of [['createHash', 'hash'], ['createSign', 'sign']]) {
  const make = crypto[name];
  crypto[name] = (...given) => {
    const made = make(...given), update = made.update.bind(made);
    made.update = (text) => {
      process.stderr.write(JSON.stringify([mark, String(text)]) + '\\n');
      return update(text);
    };
    return made;
  };
}
"""


@pytest.mark.interop
@pytest.mark.parametrize("operation", ["createCharge", "getCharge", "updateChargePermission"])
def test_the_string_that_the_node_sdk_signs_equals_ours(
    pasted: Callable[..., subprocess.CompletedProcess[str]], exchanges: dict[str, Exchange], operation: str
) -> None:
    """Read out of Amazon's SDK while it signs: from the same request, ours is the same, byte by byte."""
    exchange = exchanges[operation]
    done = pasted("node", exchange, LISTEN)
    done.check_returncode()
    texts = [json.loads(line) for line in done.stderr.splitlines()]
    (signed,) = [text for mark, text in texts if mark == "sign"]
    (canonical,) = [text for mark, text in texts if mark == "hash" and text.startswith(f"{exchange.method}\n")]
    method, path, query, *lines, _, names, _ = canonical.split("\n")
    headers = [(name, value) for name, _, value in (line.partition(":") for line in lines)]
    ours = canonical_request(method, path, query, headers, names, request_of(exchange).body)
    algorithm = signed.partition("\n")[0]
    assert (ours, string_to_sign(ours, algorithm=algorithm)) == (canonical, signed)
    assert (path, algorithm) == (exchange.path, exchange.authorization.algorithm if exchange.authorization else "")
