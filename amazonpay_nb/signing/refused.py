"""Explain a refusal to the sender: name the step of signing that probably failed.

Amazon quotes the string to sign that it made of what *arrived*. Beside the one made of what was *sent*, it says on
which side to look: the same string means another key, another string means that something changed on the way. What is
wrong before anything leaves shows without Amazon: the request does not verify under the merchant's own public key.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime

from amazonpay_nb.errors import ApiError, SigningError
from amazonpay_nb.signing.authorization import Authorization
from amazonpay_nb.signing.mistakes import RequestParts, in_request
from amazonpay_nb.signing.steps import Headers, canonical_query, canonical_request, joined_headers, string_to_sign
from amazonpay_nb.signing.verify import SignatureMismatch, check_headers, explain_request, parse_date

# As Amazon and the emulator write it; see "Error handling".
_SIGNING_STRING = re.compile(r"signing String \[\S+\s+([0-9a-f]{64})\]")

_BY_ITSELF = (
    "The signature does not fit this client's own public key either: another private key made it, or the request was "
    "changed after it was signed, in a way that no known slip explains."
)
_OTHER_KEY = (
    "Amazon made the same string to sign of this request, so path, headers and body are right, and the signature fits "
    "your own public key: {key} is the id of another key pair. Use the id that Amazon shows for this one."
)
_CHANGED = (
    "The request verifies as it was sent, and Amazon made another string to sign of what arrived: something in "
    "between changes it, in a way that no known change explains."
)
# Finding  ->  what arrived, of a request that was sent as it was signed.
_ARRIVED = {
    "body-re-encoded": "The same JSON arrived written in another way",
    "escaped-slashes": "The body arrived with its slashes written in another way",
    "empty-body": "The body did not arrive",
    "path": "The request arrived at another path",
    "query": "The query arrived written in another way",
    "signed-headers": "SignedHeaders arrived in another order or case",
    "host": "x-amz-pay-host arrived with another value",
    "region": "x-amz-pay-region arrived with another value",
    "accept": "The header accept arrived with another value",
    "content-type": "The header content-type arrived with another value",
    "date": "x-amz-pay-date arrived with another value",
}
_ON_THE_WAY = "; a proxy, gateway or library behind the signing changes it: let it through as it was signed."


def probable_step(
    refusal: ApiError, method: str, target: str, headers: Headers, body: bytes, public_key: str, answered: str = ""
) -> SignatureMismatch | None:
    """Return what probably went wrong with a request that was refused; None where the refusal is about something else.

    Args:
        target: Path and query, as they were sent.
        headers: Pairs, as they were sent, with the authorization.
        public_key: PEM of the key pair that should have signed.
        answered: The ``date`` header of the answer.
    Spec: "Signing requests"; "Error handling".
    """
    look = _LOOKS.get(refusal.reason_code)
    if look is None:
        return None
    path, _, query = target.partition("?")
    request = RequestParts(method, path, query, headers, "", body)
    with suppress(SigningError):  # what was sent cannot be read
        return look(refusal, request, public_key, answered)
    return None


def _signature(refusal: ApiError, request: RequestParts, public_key: str, _: str) -> SignatureMismatch | None:
    quoted = _SIGNING_STRING.search(refusal.amazon_message)
    theirs = quoted[1] if quoted else ""
    date = parse_date(joined_headers(request.headers)["x-amz-pay-date"])
    method, path, query, headers, _, body = request
    own = explain_request(method, path, query, headers, body, public_key, now=date)
    if own is not None:
        return SignatureMismatch(own.finding, _BY_ITSELF if own.finding == "key-or-content" else own.explanation)
    if not theirs:
        return None
    authorization = check_headers(request.headers, date)
    request = request._replace(signed_headers=authorization.signed_headers)
    if _hash(request._replace(query=canonical_query(request.query)), authorization) == theirs:
        return SignatureMismatch("other-key", _OTHER_KEY.format(key=authorization.public_key_id))
    for finding, _explanation, arrived in in_request(request):
        with suppress(SigningError):
            if _hash(arrived, authorization) == theirs:
                return SignatureMismatch(finding, _ARRIVED[finding] + _ON_THE_WAY)
    return SignatureMismatch("changed-on-the-way", _CHANGED)


def _hash(request: RequestParts, authorization: Authorization) -> str:
    return string_to_sign(canonical_request(*request), algorithm=authorization.algorithm).partition("\n")[2]


def _header(refusal: ApiError, request: RequestParts, _: str, answered: str) -> SignatureMismatch | None:
    values = joined_headers(request.headers)
    name = max((name for name in values if name in refusal.amazon_message), key=len, default="")
    if refusal.reason_code != "InvalidHeaderValue":
        dropped = f"This client sent {name} with a value, and it did not arrive{_ON_THE_WAY}"
        return SignatureMismatch("missing-header", dropped) if values.get(name) else None
    if name != "x-amz-pay-date":
        return None
    apart = ""
    with suppress(ValueError):  # an answer without a date
        seconds = (parse_date(values[name]) - parsedate_to_datetime(answered)).total_seconds()
        apart = f" is {abs(seconds):.0f} seconds {'ahead of' if seconds > 0 else 'behind'} the answer's date"
    return SignatureMismatch(
        "clock", f"The clock that signed the request{apart or ' is wrong'}; set it by NTP, and sign each attempt again."
    )


_LOOKS: dict[str, Callable[[ApiError, RequestParts, str, str], SignatureMismatch | None]] = {
    "InvalidRequestSignature": _signature,
    "InvalidHeaderValue": _header,
    "MissingHeader": _header,
    "MissingHeaderValue": _header,
}
