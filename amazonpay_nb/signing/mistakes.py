"""The mistakes people make when they sign, made on purpose: what the signature doctor tries one after another.

Each generator yields ``(finding, explanation, changed)``: if a signature that was refused fits the *changed* input,
this is the mistake that was made. Nothing here knows about keys or signatures.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote_plus, unquote

from amazonpay_nb.signing.sentences import sentence
from amazonpay_nb.signing.steps import Headers, joined_headers
from amazonpay_nb.spec.regions import REGIONS

# Finding, explanation, and the text that was signed.
Mistake = tuple[str, str, str]


class RequestParts(NamedTuple):
    """The parts of a request that a signature covers, in the order `canonical_request` takes them."""

    method: str
    path: str
    query: str
    headers: Headers
    signed_headers: str
    body: bytes

    def with_header(self, name: str, value: str) -> "RequestParts":
        """Return a copy that carries *value* as its only header *name*."""
        others = [pair for pair in self.headers if pair[0].lower() != name]
        return self._replace(headers=[*others, (name, value)])


_Changed = tuple[str, str, RequestParts]

# Line 0 is the method, 1 the path, 2 the query; the header lines end in an empty one; names and body hash come last.
_LINE_SLIPS: tuple[tuple[str, Callable[[list[str]], list[str]]], ...] = (
    ("ends in a line feed", lambda lines: [*lines, ""]),
    ("has no empty line after the headers", lambda lines: lines[:-3] + lines[-2:]),
    ("has no line for the query", lambda lines: lines[:2] + lines[3:]),
    ("has a blank after the colon of each header", lambda lines: [re.sub(r"^([\w-]+):", r"\1: ", x) for x in lines]),
    ("has line ends of carriage return and line feed", lambda lines: [x + "\r" for x in lines[:-1]] + lines[-1:]),
    ("has the hash of the body in capitals", lambda lines: [*lines[:-1], lines[-1].upper()]),
)


def in_canonical(canonical: str) -> Iterator[Mistake]:
    """Yield the canonical request put together wrongly."""
    for slip, change in _LINE_SLIPS:
        text = "\n".join(change(canonical.split("\n")))
        yield "canonical-request", sentence("canonical-request", slip=slip), text


# Rewriting JSON is worth trying only for bodies of a checkout's size; megabytes would keep the verifier busy.
_LONGEST_JSON = 100_000
_LAYOUTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("compact JSON", {"separators": (",", ":")}),
    ("JSON with blanks after commas and colons", {}),
    ("JSON indented by two", {"indent": 2}),
    ("JSON indented by four", {"indent": 4}),
)


def _rewritten(text: str) -> Iterator[Mistake]:
    yield "escaped-slashes", "with plain slashes, as in https://", text.replace("\\/", "/")
    yield "escaped-slashes", "with escaped slashes, as in https:\\/\\/", text.replace("/", "\\/")
    yield "re-encoded", "without the white space around it", text.strip()
    yield "re-encoded", "with a line feed at its end", text + "\n"
    if len(text) > _LONGEST_JSON:
        return
    try:
        value = json.loads(text)
        for (layout, options), ascii_only, sort in itertools.product(_LAYOUTS, (False, True), (False, True)):
            plain = json.dumps(value, ensure_ascii=ascii_only, sort_keys=sort, **options)
            plain = plain.encode("utf-8", "replace").decode()
            style = f"as {layout}{', keys sorted' * sort}{', with unicode escapes' * ascii_only}"
            yield "re-encoded", style, plain
            yield "re-encoded", f"{style}, with escaped slashes", plain.replace("/", "\\/")
    except (ValueError, RecursionError):
        return  # not JSON, or nested too deeply to write


def in_payload(payload: str) -> Iterator[Mistake]:
    """Yield the texts of a button that may have been signed in place of the *payload* in the page."""
    for finding, style, text in _rewritten(payload):
        yield finding.replace("re-encoded", "payload-re-encoded"), sentence("payload", style=style), text
    # Octal and \x escapes do not occur in JSON, so the letters are all there is to translate.
    letters = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
    text = re.sub(r"\\(.)", lambda match: letters.get(match[1], match[1]), payload, flags=re.DOTALL)
    yield "stripcslashes", sentence("stripcslashes"), text


def in_request(request: RequestParts) -> Iterator[_Changed]:
    """Yield requests that differ from *request* in one part."""
    for part in (_bodies, _paths, _queries, _signed_headers, _header_values):
        yield from part(request)


def _bodies(request: RequestParts) -> Iterator[_Changed]:
    for text in ("", "null", "[]", "{}"):
        yield "empty-body", sentence("other-body", body=text), request._replace(body=text.encode())
    for finding, style, text in _rewritten(request.body.decode("utf-8", "replace")):
        changed = request._replace(body=text.encode())
        yield finding.replace("re-encoded", "body-re-encoded"), sentence("body", style=style), changed


def _paths(request: RequestParts) -> Iterator[_Changed]:
    bare = re.sub(r"^/(sandbox|live)(?=/)", "", request.path).rstrip("/")
    paths = [prefix + bare + end for prefix in ("", "/sandbox", "/live") for end in ("", "/")]
    paths += [unquote(request.path), re.sub("/+", "/", request.path), request.path.removeprefix("/")]
    for path in paths:
        yield "path", sentence("path", path=path, sent=request.path), request._replace(path=path)
    whole = f"{request.path}?{request.query}"
    yield "path", sentence("query-in-path"), request._replace(path=whole, query="")


def _queries(request: RequestParts) -> Iterator[_Changed]:
    fields = request.query.split("&")
    # 24 orders of four parameters are quick to try; 720 orders of six are not.
    orders = itertools.permutations(fields) if len(fields) <= 4 else iter([fields[::-1]])
    queries = ["", unquote(request.query), quote_plus(unquote(request.query), "=&"), *map("&".join, orders)]
    for query in queries:
        yield "query", sentence("query", query=query), request._replace(query=query)


def _signed_headers(request: RequestParts) -> Iterator[_Changed]:
    names = request.signed_headers.split(";")
    spelled = {name.lower(): name for name, _ in request.headers}
    lists = [
        [name.lower() for name in names],
        sorted(names),
        sorted(name.lower() for name in names),
        [name for name in spelled if name in request.signed_headers.lower().split(";")],
        [spelled.get(name.lower(), name) for name in names],
    ]
    # A gateway that lower-cases the list leaves the spelling of the header itself alone.
    respelled = [name for name in dict.fromkeys(names) if spelled.get(name, name) != name]
    lists += [[spelled[name] if name == one else name for name in names] for one in respelled]
    for signed in map(";".join, lists):
        yield "signed-headers", sentence("signed-headers", signed=signed), request._replace(signed_headers=signed)


def _header_values(request: RequestParts) -> Iterator[_Changed]:
    values = joined_headers(request.headers)
    for name, value in _other_values(values):
        explanation = sentence("header", name=name, value=value, sent=values[name])
        yield name.removeprefix("x-amz-pay-"), explanation, request.with_header(name, value)


def _other_values(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    named, called = values["x-amz-pay-host"], values.get("host", "")
    hosts = [re.sub(r":\d+$", "", value) for value in (named, called) if value]
    amazon = (region.api_host for region in REGIONS.values())
    for value in dict.fromkeys((*hosts, f"{hosts[0]}:443", called or hosts[0], *amazon)):
        yield "x-amz-pay-host", value
        yield "x-amz-pay-host", f"https://{value}"
    for region in REGIONS.values():
        yield from (("x-amz-pay-region", code) for code in (region.code, *region.aliases))
    json_type = "application/json"
    for media_type in (json_type, f"{json_type}; charset=utf-8", f"{json_type};charset=utf-8", "*/*", ""):
        yield "content-type", media_type
        yield "accept", media_type
    date, forms = values["x-amz-pay-date"], ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ")
    moment = datetime.strptime(re.sub(r"\D", "", date), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    yield from (("x-amz-pay-date", moment.strftime(form)) for form in forms)
    for seconds in range(-30, 3):  # a retry without a new signature; the SDKs wait up to eight seconds
        yield "x-amz-pay-date", (moment + timedelta(seconds=seconds)).strftime(forms["-" in date])
