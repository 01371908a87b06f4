"""A journal as an HTTP archive (HAR 1.2), which browsers' developer tools and other programs open.

    har.write(wb.journal, "run.har")

It contains the same as the journal: signatures, tokens and buyer data are masked, and of an answer's headers only the
request id is known.  Steps outside the API are not exchanges, so they are left out.
"""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal

_UNKNOWN = -1  # HAR's value for anything that was not measured
_JSON = "application/json"
_VERSION = "HTTP/1.1"


def archive(journal: Journal) -> dict[str, Any]:
    """Return the exchanges as one HAR document."""
    entries = [_entry(exchange) for exchange in journal.exchanges]
    return {"log": {"version": "1.2", "creator": {"name": "amazonpay-nb", "version": "2"}, "entries": entries}}


def write(journal: Journal, path: str | Path) -> Path:
    """Write the exchanges to a file and return its path."""
    path = Path(path)
    path.write_text(json.dumps(archive(journal), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def _entry(exchange: Exchange) -> dict[str, Any]:
    answer_headers = {"content-type": _JSON, "x-amz-pay-request-id": exchange.request_id} if exchange.response else {}
    return {
        "startedDateTime": exchange.at.astimezone(UTC).isoformat(),
        "time": 0,
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "cache": {},
        "comment": f"{exchange.operation}, attempt {exchange.attempt}",
        "request": _request(exchange),
        "response": {
            "status": exchange.status or 0,
            "statusText": exchange.error,
            "httpVersion": _VERSION,
            "headers": _pairs(answer_headers),
            "content": _text(exchange.response) | {"size": _UNKNOWN},
            "cookies": [], "redirectURL": "", "headersSize": _UNKNOWN, "bodySize": _UNKNOWN,
        },
    }  # fmt: skip


def _request(exchange: Exchange) -> dict[str, Any]:
    body = {"postData": _text(exchange.request)} if exchange.request is not None else {}
    return {
        "method": exchange.method,
        "url": exchange.url,
        "httpVersion": _VERSION,
        "headers": _pairs(exchange.headers),
        "queryString": [], "cookies": [], "headersSize": _UNKNOWN, "bodySize": _UNKNOWN,
    } | body  # fmt: skip


def _text(body: dict[str, Any] | None) -> dict[str, Any]:
    return {"mimeType": _JSON, "text": "" if body is None else json.dumps(body, ensure_ascii=False)}


def _pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]
