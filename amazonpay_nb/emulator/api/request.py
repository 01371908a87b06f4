"""A request as it came over the wire, and what goes back."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from amazonpay_nb.signing import joined_headers

__all__ = ["REQUEST_ID", "Reply", "Sent", "received"]

REQUEST_ID = "x-amz-pay-request-id"


class Sent(NamedTuple):
    """A request.

    Attributes:
        path: Without environment segment and trailing slash.
        raw_path: With both: what was signed.
        pairs: The headers as they were sent.
        headers: The same by name, in lower case.
    """

    method: str
    path: str
    raw_path: str
    query: str
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


def received(
    method: str, path: str, raw_path: str, query: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> Sent:
    """Return a request from what a server has read; header names are in lower case already."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return Sent(method, path, raw_path, query, pairs, joined_headers(pairs), body)


class Reply(NamedTuple):
    """An answer in JSON, and what is left to do once it is on its way."""

    status: int
    text: str
    request_id: str
    afterwards: Callable[[], None] = lambda: None

    @property
    def headers(self) -> dict[str, str]:
        """What every answer says of itself."""
        return {"content-type": "application/json", REQUEST_ID: self.request_id}
