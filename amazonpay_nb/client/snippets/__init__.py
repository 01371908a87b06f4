"""The call of an exchange, written for cURL and for Amazon's official SDKs.

    print(snippet("php", wb.journal.exchanges[-1]))

The SDKs differ less than they seem: each has one method a call, of the same name, which takes the object's id, the body
and further headers, as far as the call has them.  The body stands in each language as it travels, in JSON.  What the
journal has masked stays masked, so a signature is its length: it could not be used again anyway.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from amazonpay_nb.client.journal import Exchange
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import IDEMPOTENCY_KEY, Algorithm
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.simulations import SIMULATION_HEADER

__all__ = ["LANGUAGES", "PRIVATE_KEY_FILE", "Call", "Language", "call_of", "snippet"]

# Where the snippets read the merchant's private key.
PRIVATE_KEY_FILE = "private.pem"
_AUTHORIZATION = re.compile(r"(?P<algorithm>\S+) PublicKeyId=(?P<key>[^\s,]+), SignedHeaders=(?P<signed>[^\s,]+)")
_SEGMENT = r"(?:/(?P<segment>sandbox|live))?"
_LOOPBACK_PORT = re.compile(r"(127\.0\.0\.1|localhost):\d+")
# The SDKs' names of the regions: `Region` in Java and in .NET.
_JAVA_REGIONS = {"na": "NA", "eu": "EU", "jp": "JP"}
_DOTNET_REGIONS = {"na": "UnitedStates", "eu": "Europe", "jp": "Japan"}


@dataclass(frozen=True, slots=True)
class Call:
    """What of an exchange a program has to say.

    Attributes:
        object_id: The id in the path, "" where there is none.
        body: None where the call has none.
        headers: What the caller adds: idempotency key and simulation code.
        sandbox: Which environment a key without prefix is used for.
        service: Another host than Amazon's, for a client that can be pointed at the emulator.
    """

    operation: str
    object_id: str
    body: dict[str, Any] | None
    headers: dict[str, str]
    public_key_id: str
    algorithm: str
    region: str
    sandbox: bool
    service: str = ""

    @property
    def json(self) -> str:
        """The body, indented."""
        return "" if self.body is None else json.dumps(self.body, ensure_ascii=False, indent=2)

    @property
    def neutral(self) -> bool:
        """Whether the key id leaves the environment open."""
        return not self.public_key_id.upper().startswith(("SANDBOX", "LIVE"))


@dataclass(frozen=True, slots=True)
class Language:
    """A way to write a call.

    Attributes:
        title: The SDK's name.
        evidence: ``sdk``: written by the SDK's source; ``recorded``: the snippet runs in a test.
        write: Returns the program.
    """

    title: str
    evidence: Evidence
    write: Callable[[Exchange, Call], str]


def call_of(exchange: Exchange, *, service: str = "") -> Call:
    """Return what a program has to say to make the call of an exchange.

    Raises:
        ConfigurationError: The exchange was not signed, or has no operation of `spec.operations`.
    """
    headers = {name.lower(): value for name, value in exchange.headers.items()}
    operation = OPERATIONS.get(exchange.operation)
    signed = _AUTHORIZATION.match(headers.get("authorization", ""))
    if operation is None or signed is None:
        raise ConfigurationError("This exchange is not a signed call.", advice="Choose one that the client made.")
    pattern = _SEGMENT + re.escape(operation.path).replace(r"\{id\}", "(?P<id>[^/]+)") + "/?"
    path = re.fullmatch(pattern, exchange.path)
    parts = path.groupdict() if path else {}
    own = {name: headers[name] for name in (IDEMPOTENCY_KEY, SIMULATION_HEADER) if headers.get(name)}
    return Call(
        exchange.operation, parts.get("id") or "", exchange.request if operation.body else None, own, signed["key"],
        signed["algorithm"], headers.get("x-amz-pay-region", "na"), parts.get("segment") != "live", service,
    )  # fmt: skip


def snippet(language: str, exchange: Exchange, *, service: str = "") -> str:
    """Return the call of an exchange as a program.

    Args:
        language: One of `LANGUAGES`.
        service: ``host:port`` to send it to in the place of Amazon's host; Amazon's SDK for Node only, over HTTPS.
    Raises:
        ConfigurationError: There is no such language, or the exchange was not signed.
    """
    if language not in LANGUAGES:
        advice = f"Choose one of {', '.join(LANGUAGES)}."
        raise ConfigurationError(f"language={language!r} does not exist.", advice=advice)
    return LANGUAGES[language].write(exchange, call_of(exchange, service=service)) + "\n"


# --- cURL -------------------------------------------------------------------------------------------------------------


def _curl(exchange: Exchange, call: Call) -> str:
    headers = {name.lower(): value for name, value in exchange.headers.items()}
    signed = _AUTHORIZATION.match(headers["authorization"])
    names = [*(signed["signed"].lower().split(";") if signed else ()), "authorization"]
    names += [name for name in call.headers if name not in names]
    host = headers.get("host") or headers["x-amz-pay-host"]
    # The journal does not say; a notebook's emulator is plain, and Amazon never is.
    scheme = "http" if _LOOPBACK_PORT.fullmatch(host) else "https"
    url = f"{scheme}://{host}{exchange.path}"
    lines = [f"curl --request {exchange.method} {shlex.quote(url)}"]
    lines += [f"--header {shlex.quote(f'{name}: {headers[name]}')}" for name in names if name in headers]
    if call.body is not None:
        compact = json.dumps(call.body, ensure_ascii=False, separators=(",", ":"))
        lines.append(f"--data-binary {shlex.quote(compact)}")
    program = "# The signature is shown by its length, and holds for this date and these bytes only.\n"
    return program + " \\\n  ".join(lines)


# --- Node -------------------------------------------------------------------------------------------------------------


def _node(_: Exchange, call: Call) -> str:
    settings = [
        f"publicKeyId: {json.dumps(call.public_key_id)},",
        f"privateKey: fs.readFileSync({json.dumps(PRIVATE_KEY_FILE)}),",
        f"region: {json.dumps(call.region)},",
        *([f"sandbox: {json.dumps(call.sandbox)},"] if call.neutral else []),
        f"algorithm: {json.dumps(call.algorithm)},",
        *([f"overrideServiceUrl: {json.dumps(call.service)},"] if call.service else []),
    ]
    return "\n".join([
        "const fs = require('fs');",
        "const { WebStoreClient } = require('@amazonpay/amazon-pay-api-sdk-nodejs');",
        "",
        "const client = new WebStoreClient({", *_indented(settings, 2), "});",
        *([f"const payload = {call.json};"] if call.body is not None else []),
        *([f"const headers = {json.dumps(call.headers, indent=2)};"] if call.headers else []),
        "",
        f"client.{call.operation}({_arguments(call, '', json.dumps(call.object_id))}).then(",
        "  ({ status, data }) => console.log(status, JSON.stringify(data)),",
        "  ({ response }) => console.log(response.status, JSON.stringify(response.data)),",
        ");",
    ])  # fmt: skip


# --- PHP --------------------------------------------------------------------------------------------------------------


def _php(_: Exchange, call: Call) -> str:
    settings = {"public_key_id": call.public_key_id, "private_key": PRIVATE_KEY_FILE, "region": call.region}
    settings |= {"algorithm": call.algorithm}
    rows = [f"{_php_text(name)} => {_php_text(value)}," for name, value in settings.items()]
    rows += [f"'sandbox' => {json.dumps(call.sandbox)},"] if call.neutral else []
    headers = [f"{_php_text(name)} => {_php_text(value)}," for name, value in call.headers.items()]
    return "\n".join([
        "<?php",
        "require 'vendor/autoload.php';  // composer require amzn/amazon-pay-api-sdk-php",
        "",
        "$client = new Amazon\\Pay\\API\\Client([", *_indented(rows), "]);",
        *(["$payload = <<<'JSON'", call.json, "JSON;"] if call.body is not None else []),
        *(["$headers = [", *_indented(headers), "];"] if headers else []),
        "",
        f"$result = $client->{call.operation}({_arguments(call, '$', _php_text(call.object_id))});",
        "echo $result['status'], ' ', $result['response'], PHP_EOL;",
    ])  # fmt: skip


def _php_text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


# --- Java -------------------------------------------------------------------------------------------------------------


def _java(_: Exchange, call: Call) -> str:
    settings = [
        f".setPublicKeyId({json.dumps(call.public_key_id)})",
        f'.setPrivateKey(new String(Files.readAllBytes(Paths.get("{PRIVATE_KEY_FILE}"))).toCharArray())',
        f".setRegion(Region.{_JAVA_REGIONS[call.region]})",
        *([f".setEnvironment(Environment.{'SANDBOX' if call.sandbox else 'LIVE'})"] if call.neutral else []),
        f".setAlgorithm({json.dumps(call.algorithm)});",
    ]
    body = call.json.replace("\\", "\\\\")  # in a text block, a backslash is still an escape
    return "\n".join([
        "// software.amazon.pay:amazon-pay-api-sdk-java; a text block needs Java 15",
        "PayConfiguration configuration = new PayConfiguration()", *_indented(settings),
        "WebstoreClient client = new WebstoreClient(configuration);",
        *(['JSONObject payload = new JSONObject("""', *_indented([*body.split("\n")]), '    """);'] if body else []),
        *(["Map<String, String> headers = new HashMap<>();"] if call.headers else []),
        *(f"headers.put({json.dumps(name)}, {json.dumps(value)});" for name, value in call.headers.items()),
        "",
        f"AmazonPayResponse answer = client.{call.operation}({_arguments(call, '', json.dumps(call.object_id))});",
        'System.out.println(answer.getStatus() + " " + answer.getResponse());',
    ])  # fmt: skip


# --- .NET -------------------------------------------------------------------------------------------------------------

# Request model  ->  the fields that its constructor takes; the SDK has no empty one for these.
_DOTNET_ARGUMENTS = {
    "CancelCharge": ("cancellationReason",),
    "CaptureCharge": ("captureAmount",),
    "CloseChargePermission": ("closureReason",),
    "CreateCharge": ("chargePermissionId", "chargeAmount"),
    "CreateRefund": ("chargeId", "refundAmount"),
    "FinalizeCheckoutSession": ("paymentIntent",),
}


def _dotnet(_: Exchange, call: Call) -> str:
    settings = [
        f"region: Region.{_DOTNET_REGIONS[call.region]},",
        *([f"environment: Environment.{'Sandbox' if call.sandbox else 'Live'},"] if call.neutral else []),
        f"publicKeyId: {json.dumps(call.public_key_id)},",
        f"privateKey: {json.dumps(PRIVATE_KEY_FILE)},",
        f"algorithm: AmazonSignatureAlgorithm.{'V2' if call.algorithm == Algorithm.V2 else 'Default'}",
    ]
    headers = [f"{{ {json.dumps(name)}, {json.dumps(value)} }}," for name, value in call.headers.items()]
    method = call.operation[0].upper() + call.operation[1:]
    return "\n".join([
        "// Amazon.Pay.API.SDK; a raw text needs C# 11",
        "var client = new WebStoreClient(new ApiConfiguration(", *_indented(settings), "));",
        *(_dotnet_payload(method, call) if call.body is not None else ()),
        *(["var headers = new Dictionary<string, string>", "{", *_indented(headers), "};"] if headers else []),
        "",
        f"var answer = client.{method}({_arguments(call, '', json.dumps(call.object_id))});",
        'Console.WriteLine($"{answer.Status} {answer.RawResponse}");',
    ])  # fmt: skip


def _dotnet_payload(method: str, call: Call) -> Iterator[str]:
    body = dict(call.body or {})
    given = [_dotnet_argument(name, body.pop(name, None)) for name in _DOTNET_ARGUMENTS.get(method, ())]
    yield f"var payload = new {method}Request({', '.join(given)});"
    if body:
        yield 'JsonConvert.PopulateObject("""'
        yield from _indented(json.dumps(body, ensure_ascii=False, indent=2).split("\n"))
        yield '    """, payload);'


def _dotnet_argument(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('amount')}m, Currency.{value.get('currencyCode')}"
    return f"PaymentIntent.{value}" if name == "paymentIntent" else json.dumps(value, ensure_ascii=False)


# --- All of them ------------------------------------------------------------------------------------------------------


def _arguments(call: Call, sigil: str, object_id: str) -> str:
    given = [object_id] if call.object_id else []
    given += [f"{sigil}payload"] if call.body is not None else []
    given += [f"{sigil}headers"] if call.headers else []
    return ", ".join(given)


def _indented(lines: list[str], columns: int = 4) -> list[str]:
    return [" " * columns + line for line in lines]


LANGUAGES = {
    "curl": Language("cURL", Evidence.DOCUMENTED, _curl),
    "node": Language("Amazon's SDK for Node", Evidence.RECORDED, _node),
    "php": Language("Amazon's SDK for PHP", Evidence.SDK, _php),
    "java": Language("Amazon's SDK for Java", Evidence.SDK, _java),
    "dotnet": Language("Amazon's SDK for .NET", Evidence.SDK, _dotnet),
}
