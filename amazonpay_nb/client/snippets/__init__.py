"""Write the call of an exchange for cURL, for this package's client and for Amazon's official SDKs.

    print(snippet("php", wb.journal.exchanges[-1]))

Each language is a template beside this file, with the body as JSON, the way it travels.  The SDKs have a method for
nearly each call, which takes the object's id, the query, the body and further headers, as far as the call has them.
They know Amazon's hosts alone, so they reach an emulator through its proxy; the first lines have the command.  What the
journal has masked stays masked, and no signature is shown: for cURL it goes into a file that only its owner can read.
"""

import json
import pprint
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from pydantic.alias_generators import to_snake

from amazonpay_nb.client.auth import AmazonPayAuth
from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.wire import check_whole, request_of
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing.keys import key_environment, write_file
from amazonpay_nb.signing.steps import IDEMPOTENCY_KEY
from amazonpay_nb.signing.verify import MAX_AGE
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parts import to_json
from amazonpay_nb.spec.simulations import SIMULATION_HEADER
from amazonpay_nb.texts import templates

__all__ = ["LANGUAGES", "PRIVATE_KEY_FILE", "button_page", "sign_for_curl", "snippet"]

# Where the snippets read the merchant's private key.
PRIVATE_KEY_FILE = "private.pem"
HEADERS_FILE = "amazon-pay-headers.txt"

# The ways to write a call, and their titles.
LANGUAGES = {
    "curl": "cURL",
    "python": "Python",
    "node": "Amazon's SDK for Node",
    "php": "Amazon's SDK for PHP",
    "java": "Amazon's SDK for Java",
    "dotnet": "Amazon's SDK for .NET",
}

# SDK methods with another name; "" where no method takes the same arguments.
_NOT_IN_DOTNET = (
    "createDeliveryTracker", "getReports", "getReportSchedules", "getDisbursements", "getDispute", "updateDispute",
    "contestDispute", "uploadFile",
)  # fmt: skip
_METHODS = {
    "node": {"createDeliveryTracker": "deliveryTrackers", "getDisbursements": ""},
    "php": {"createDeliveryTracker": "deliveryTrackers"},
    "java": {"createDeliveryTracker": "deliveryTracker"},
    "dotnet": dict.fromkeys(_NOT_IN_DOTNET, ""),
}


def snippet(
    language: str, exchange: Exchange, *, proxy: str = "", authority: str = "", key_file: str = PRIVATE_KEY_FILE
) -> str:
    """Return the call of an exchange as a program.

    Args:
        language: One of `LANGUAGES`.
        proxy: Address of an emulator's proxy, to which a program for one of Amazon's SDKs then goes.
        authority: File with the certificate of the proxy's authority.
        key_file: Where the program reads the merchant's private key.
    Raises:
        ConfigurationError: There is no such language, or the exchange is not a signed call of `spec.operations`.
    """
    if language not in LANGUAGES:
        advice = f"Choose one of {', '.join(LANGUAGES)}."
        raise ConfigurationError(f"language={language!r} does not exist.", advice=advice)
    operation, signed, headers = OPERATIONS.get(exchange.operation), exchange.authorization, exchange.headers
    if operation is None or signed is None:
        raise ConfigurationError("This exchange is not a signed call.", advice="Choose one that the client made.")
    to, subject = urlsplit(exchange.url), exchange.object_id
    query, own = dict(parse_qsl(to.query)), _METHODS.get(language)
    method = (own or {}).get(operation.name, operation.name)
    if not method:
        return f"// {LANGUAGES[language]} has no {operation.name} that takes the same arguments.\n"
    if own and operation.name == "getReportSchedules":
        subject = query.pop("reportTypes", "")  # which the SDKs take without its name
    return _TEMPLATES.get_template(f"{language}.jinja").render(
        exchange=exchange, method=method, subject=subject, query=query, signed=signed, private_key_file=key_file,
        proxy=urlsplit(proxy), authority=authority, region=headers.get("x-amz-pay-region", "na"),
        base_url=f"{to.scheme}://{to.netloc}" if to.hostname in LOOPBACK_HOSTS else "",
        body=exchange.request if operation.body else None,
        # What the caller adds to the headers that an SDK makes by itself.
        headers={name: headers[name] for name in (IDEMPOTENCY_KEY, SIMULATION_HEADER) if headers.get(name)},
        # A key without prefix does not say which environment it is used for.
        neutral=key_environment(signed.public_key_id) is None, sandbox=not exchange.path.startswith("/live/"),
    )  # fmt: skip


def sign_for_curl(exchange: Exchange, auth: AmazonPayAuth, folder: Path = Path()) -> Path:
    """Sign a request anew and write its headers into the file that the snippet for cURL names (mode 0600).

    One with an idempotency key of which the journal masks a part raises `ConfigurationError`.
    """
    parts = request_of(exchange)
    if exchange.idempotency_key:
        check_whole(exchange, parts.body.decode())
    kept = {name: value for name, value in parts.headers if name.startswith("x-amz-pay-")}
    request = next(auth.auth_flow(httpx.Request(parts.method, exchange.url, headers=kept, content=parts.body)))
    lines = [f"{name}: {value}\n" for name, value in request.headers.items() if name not in ("host", "content-length")]
    return write_file(folder / HEADERS_FILE, "".join(lines).encode("ascii"), mode=0o600, overwrite=True)


def button_page(script_url: str, config: Mapping[str, Any], start: str = "button") -> str:
    """Return the HTML that shows a `button_config`; *start* is ``click`` where the shop draws the button itself."""
    return _TEMPLATES.get_template("button.jinja").render(script_url=script_url, config=config, start=start)


_WORD = re.compile(r"[A-Za-z0-9_.]+")
# Some of these end a line in .NET, and others reverse the order in which a text is read.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


_TEMPLATES = templates(Path(__file__).parent, html=False)
_TEMPLATES.globals |= {
    "headers_file": HEADERS_FILE,
    "minutes": int(MAX_AGE.total_seconds() // 60),
    "key_header": IDEMPOTENCY_KEY,
    "code_header": SIMULATION_HEADER,
}
_TEMPLATES.filters |= {
    "compact": to_json,
    "indented": lambda value: _UNSEEN.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, indent=2)
    ),
    "python": lambda value: pprint.pformat(value, width=88, sort_dicts=False),
    "quoted": json.dumps,
    "shell": shlex.quote,
    "snake": to_snake,
    "single_quoted": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    # Only a word or a number may be in a program without quotes; anything else is quoted, even if it does not fit.
    "word": lambda text: text if _WORD.fullmatch(str(text)) else json.dumps(str(text)),
    "without": lambda body, names: {name: value for name, value in body.items() if name not in names},
}
