"""A request as it arrives over the wire, and the reply."""

from typing import NamedTuple, Self

from starlette.types import Scope

from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.store import to_json
from amazonpay_nb.emulator.world import World
from amazonpay_nb.signing import joined_headers

REQUEST_ID = "x-amz-pay-request-id"


class ApiRequest(NamedTuple):
    """A request.

    Attributes:
        path: Without environment segment and trailing slash.
        raw_path: With both, as it was signed.
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

    @classmethod
    def read(cls, scope: Scope, body: bytes) -> Self:
        """Return a request from what a server has read; header names are in lower case already."""
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        raw_path = scope["raw_path"].decode("latin-1").partition("?")[0]
        query = scope["query_string"].decode("latin-1")
        return cls(scope["method"], scope["path"], raw_path, query, pairs, joined_headers(pairs), body)


class Reply(NamedTuple):
    """An answer in JSON."""

    status: int
    text: str
    request_id: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer."""
        return {"content-type": "application/json", REQUEST_ID: self.request_id}


def refused(world: World, refusal: Refusal) -> Reply:
    """Return a refusal as an answer."""
    return Reply(refusal.status, to_json(refusal.body), world.ids.new_request_id())
