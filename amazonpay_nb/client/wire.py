"""The documented signing steps of a request, made again from what the journal keeps of it."""

from collections.abc import Iterator, Mapping
from http.client import responses
from typing import NamedTuple

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.redaction import MASKED
from amazonpay_nb.signing import canonical_request, string_to_sign
from amazonpay_nb.signing.mistakes import RequestParts
from amazonpay_nb.signing.steps import Authorization, canonical_query
from amazonpay_nb.spec.parts import to_json

_HIDDEN = "(64 hexadecimal digits: the journal hides buyer data, which the hash covers)"


class SigningSteps(NamedTuple):
    """What led to the signature of a request; a hash that covers masked data is not made up."""

    request: RequestParts
    authorization: Authorization
    canonical_request: str
    string_to_sign: str

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the numbers of the lines of the canonical request, and what they are."""
        last, body = self.canonical_request.count("\n") + 1, self.request.body
        yield "1", "the method"
        yield "2", "the path, as it is sent"
        yield "3", "the query; an empty line where there is none"
        yield f"4 to {last - 3}", "the signed headers: name in lower case, colon, value as it is sent"
        yield f"{last - 2}", "an empty line ends the headers"
        yield f"{last - 1}", "the names of the signed headers, as SignedHeaders lists them"
        size = f"the body's {len(body)} bytes" if body else "no body at all"
        yield f"{last}", f"the SHA-256 hash of {size}"


def request_of(exchange: Exchange) -> RequestParts:
    """Return the request of a signed exchange as far as the journal knows it: what is masked stays masked."""
    headers = [(name, value) for name, value in exchange.headers.items() if name != "authorization"]
    body = b"" if exchange.request is None else to_json(exchange.request).encode()
    path, _, query = exchange.path.partition("?")
    return RequestParts(exchange.method, path, canonical_query(query), headers, _signed(exchange).signed_headers, body)


def as_it_travels(exchange: Exchange) -> tuple[str, str]:
    """Return a request and its answer as they travel, as far as the journal knows them; "" where no answer came."""
    status = f"HTTP/1.1 {exchange.status} {responses.get(exchange.status or 0, '')}"
    answer = _message(status, exchange.answer_headers, exchange.response) if exchange.status else ""
    return _message(f"{exchange.method} {exchange.path} HTTP/1.1", exchange.headers, exchange.request), answer


def _message(start: str, headers: Mapping[str, str], body: object) -> str:
    return "\n".join([start, *map(": ".join, headers.items()), "", *([] if body is None else [to_json(body)])])


def check_whole(exchange: Exchange, body: str) -> None:
    """Raise `ConfigurationError` where the journal masks a part of a request that is to be sent once more."""
    if MASKED.search(body) or MASKED.search(exchange.path):
        key = f", with idempotency_key={exchange.idempotency_key!r}" if exchange.idempotency_key else ""
        raise ConfigurationError(
            "The journal masks a part of this request.", advice=f"Repeat it where it was made{key}."
        )


def signing_steps(exchange: Exchange) -> SigningSteps:
    """Return the documented steps that led to the signature of an exchange.  Spec: "Signing requests"."""
    request, signed = request_of(exchange), _signed(exchange)
    canonical = canonical_request(*request)
    text = string_to_sign(canonical, algorithm=signed.algorithm)
    if MASKED.search(request.body.decode()) or MASKED.search(request.path):  # both end in a hash
        canonical, text = ("\n".join([*step.split("\n")[:-1], _HIDDEN]) for step in (canonical, text))
    return SigningSteps(request, signed, canonical, text)


def _signed(exchange: Exchange) -> Authorization:
    if exchange.authorization is None:
        raise ConfigurationError("This exchange carries no signature.", advice="Choose one that the client made.")
    return exchange.authorization
