"""Write the call of an exchange for cURL and for Amazon's official SDKs.

    print(snippet("php", wb.journal.exchanges[-1]))

Each language is a template beside this file, with the body as JSON, the way it travels.  The SDKs have one method a
call, of the same name, which takes the object's id, the body and further headers, as far as the call has them.  What
the journal has masked stays masked: a signature is shown by its length, since it could not be used again anyway.
"""

import json
import shlex
from pathlib import Path
from typing import NamedTuple

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing import IDEMPOTENCY_KEY
from amazonpay_nb.signing.keys import key_environment
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Evidence
from amazonpay_nb.spec.simulations import SIMULATION_HEADER
from amazonpay_nb.texts import templates

__all__ = ["LANGUAGES", "PRIVATE_KEY_FILE", "Language", "snippet"]

# Where the snippets read the merchant's private key.
PRIVATE_KEY_FILE = "private.pem"


class Language(NamedTuple):
    """The title of a way to write a call, and how well it is known: only a recorded one runs in a test."""

    title: str
    evidence: Evidence


LANGUAGES = {
    "curl": Language("cURL", Evidence.DOCUMENTED),
    "node": Language("Amazon's SDK for Node", Evidence.RECORDED),
    "php": Language("Amazon's SDK for PHP", Evidence.SDK),
    "java": Language("Amazon's SDK for Java", Evidence.SDK),
    "dotnet": Language("Amazon's SDK for .NET", Evidence.SDK),
}


def snippet(language: str, exchange: Exchange, *, service: str = "") -> str:
    """Return the call of an exchange as a program.

    Args:
        language: One of `LANGUAGES`.
        service: ``host:port`` to send it to in the place of Amazon's host; Amazon's SDK for Node only, over HTTPS.
    Raises:
        ConfigurationError: There is no such language, or the exchange is not a signed call of `spec.operations`.
    """
    if language not in LANGUAGES:
        advice = f"Choose one of {', '.join(LANGUAGES)}."
        raise ConfigurationError(f"language={language!r} does not exist.", advice=advice)
    operation, signed, headers = OPERATIONS.get(exchange.operation), exchange.authorization, exchange.headers
    if operation is None or signed is None:
        raise ConfigurationError("This exchange is not a signed call.", advice="Choose one that the client made.")
    return _TEMPLATES.get_template(f"{language}.jinja").render(
        exchange=exchange, signed=signed, service=service, region=headers.get("x-amz-pay-region", "na"),
        body=exchange.request if operation.body else None,
        # What the caller adds to the headers that an SDK makes by itself.
        headers={name: headers[name] for name in (IDEMPOTENCY_KEY, SIMULATION_HEADER) if headers.get(name)},
        # A key without prefix does not say which environment it is used for.
        neutral=key_environment(signed.public_key_id) is None, sandbox=not exchange.path.startswith("/live/"),
    )  # fmt: skip


_TEMPLATES = templates(Path(__file__).parent, html=False)
_TEMPLATES.globals["private_key_file"] = PRIVATE_KEY_FILE
_TEMPLATES.filters |= {
    "compact": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "indented": lambda value: json.dumps(value, ensure_ascii=False, indent=2),
    "quoted": json.dumps,
    "shell": shlex.quote,
    "single_quoted": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "without": lambda body, names: {name: value for name, value in body.items() if name not in names},
}
