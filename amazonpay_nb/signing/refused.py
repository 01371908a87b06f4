"""Explain a refusal to the sender: name the step of signing that probably failed.

Amazon quotes the string to sign that it made of what *arrived*. Beside the one made of what was *sent*, it says on
which side to look: the same string means another key, another string means that something changed on the way. What is
wrong before anything leaves shows without Amazon: the request does not verify under the merchant's own public key.
"""

import re
from contextlib import suppress
from email.utils import parsedate_to_datetime

from amazonpay_nb.errors import ApiError, SigningError
from amazonpay_nb.signing import canonical_request, string_to_sign
from amazonpay_nb.signing.mistakes import RequestParts, in_request
from amazonpay_nb.signing.sentences import ARRIVED, sentence
from amazonpay_nb.signing.steps import Authorization, Headers, canonical_query, joined_headers
from amazonpay_nb.signing.verify import SignatureMismatch, check_headers, explain_request, parse_date

# As Amazon and the emulator write it; see "Error handling".
_SIGNING_STRING = re.compile(r"signing String \[\S+\s+([0-9a-f]{64})\]")


def probable_step(
    refusal: ApiError, method: str, target: str, headers: Headers, body: bytes, public_key: str, answered: str = ""
) -> SignatureMismatch | None:
    """Return what probably went wrong with a request that was refused; None where the refusal is about something else.

    Args:
        target: Path and query, as they were sent.
        answered: The ``date`` header of the answer.
    Spec: "Signing requests"; "Error handling".
    """
    path, _, query = target.partition("?")
    with suppress(SigningError):  # what was sent cannot be read
        if refusal.reason_code == "InvalidRequestSignature":
            return _signature(refusal.amazon_message, RequestParts(method, path, query, headers, "", body), public_key)
        if refusal.reason_code in ("InvalidHeaderValue", "MissingHeader", "MissingHeaderValue"):
            return _header(refusal, headers, answered)
    return None


def _signature(amazon_message: str, request: RequestParts, public_key: str) -> SignatureMismatch | None:
    date = parse_date(joined_headers(request.headers)["x-amz-pay-date"])
    method, path, query, headers, _, body = request
    own = explain_request(method, path, query, headers, body, public_key, now=date)
    if own is not None:
        unknown = own.finding == "key-or-content"
        return SignatureMismatch(own.finding, sentence("by-itself") if unknown else own.explanation)
    quoted = _SIGNING_STRING.search(amazon_message)
    if quoted is None:
        return None
    authorization = check_headers(request.headers, date)
    request = request._replace(signed_headers=authorization.signed_headers)
    if _hash(request._replace(query=canonical_query(request.query)), authorization) == quoted[1]:
        return SignatureMismatch("other-key", sentence("other-key", key=authorization.public_key_id))
    for finding, _explanation, arrived in in_request(request):
        with suppress(SigningError):
            if _hash(arrived, authorization) == quoted[1]:
                return SignatureMismatch(finding, ARRIVED[finding] + sentence("on-the-way"))
    return SignatureMismatch("changed-on-the-way", sentence("changed"))


def _hash(request: RequestParts, authorization: Authorization) -> str:
    return string_to_sign(canonical_request(*request), algorithm=authorization.algorithm).partition("\n")[2]


def _header(refusal: ApiError, headers: Headers, answered: str) -> SignatureMismatch | None:
    values = joined_headers(headers)
    name = max((name for name in values if name in refusal.amazon_message), key=len, default="")
    if refusal.reason_code != "InvalidHeaderValue":
        dropped = sentence("dropped", name=name) + sentence("on-the-way")
        return SignatureMismatch("missing-header", dropped) if values.get(name) else None
    if name != "x-amz-pay-date":
        return None
    error = "is wrong"
    with suppress(OverflowError, TypeError, ValueError):  # an answer without a date, or without its time zone
        seconds = (parse_date(values[name]) - parsedate_to_datetime(answered)).total_seconds()
        error = f"is {abs(seconds):.0f} seconds {'ahead of' if seconds > 0 else 'behind'} the answer's date"
    return SignatureMismatch("clock", sentence("clock", error=error))
