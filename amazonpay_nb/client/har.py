"""A journal as an HTTP archive (HAR 1.2), which browsers' developer tools and other programs open.

    har.write(wb.journal, "run.har")

It contains the same as the journal: signatures, tokens and buyer data are masked.  Steps outside the API are not
exchanges, so they are left out.
"""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.signing.keys import write_file

_UNKNOWN = -1  # HAR's value for anything that was not measured


def write(journal: Journal, path: str | Path) -> Path:
    """Write the exchanges to a file and return its path."""
    # JSON has half of a surrogate pair as a sequence alone, which is Python's.
    return write_file(Path(path), archive(journal).encode("utf-8", "backslashreplace"), mode=0o666, overwrite=True)


def archive(journal: Journal) -> str:
    """Return the exchanges as the text of such a file."""
    entries = [_entry(exchange) for exchange in journal.exchanges]
    log = {"version": "1.2", "creator": {"name": "amazonpay-nb", "version": "2"}, "entries": entries}
    return json.dumps({"log": log}, ensure_ascii=False, indent=1) + "\n"


def _entry(exchange: Exchange) -> dict[str, Any]:
    body = {"postData": _text(exchange.request)} if exchange.request is not None else {}
    return {
        "startedDateTime": exchange.at.astimezone(UTC).isoformat(),
        "time": 0,
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "cache": {},
        "comment": f"{exchange.operation}, attempt {exchange.attempt}",
        "request": _message(exchange.headers) | body | {
            "method": exchange.method, "url": exchange.url, "queryString": [],
        },
        "response": _message(exchange.answer_headers) | {
            "status": exchange.status or 0, "statusText": exchange.error, "redirectURL": "",
            "content": _text(exchange.response) | {"size": _UNKNOWN},
        },
    }  # fmt: skip


def _message(headers: dict[str, str]) -> dict[str, Any]:
    pairs = [{"name": name, "value": value} for name, value in headers.items()]
    return {"httpVersion": "HTTP/1.1", "headers": pairs, "cookies": [], "headersSize": _UNKNOWN, "bodySize": _UNKNOWN}


def _text(body: dict[str, Any] | None) -> dict[str, Any]:
    return {"mimeType": "application/json", "text": "" if body is None else json.dumps(body, ensure_ascii=False)}
