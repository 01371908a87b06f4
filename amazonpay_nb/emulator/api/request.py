"""A request as it arrives over the wire, and the reply."""

import re
from typing import NamedTuple, Self

from starlette.responses import Response
from starlette.types import Scope

from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.world import World
from amazonpay_nb.signing.steps import joined_headers
from amazonpay_nb.spec.parts import to_json

REQUEST_ID = "x-amz-pay-request-id"
_OTHER_VERSION = re.compile(r"(/(sandbox|live))?/v(?!2/)\d+/", re.IGNORECASE)


class ApiRequest(NamedTuple):
    """A request."""

    method: str
    path: str  # without environment segment and trailing slash
    raw_path: str  # with both, as it was signed
    query: str
    pairs: list[tuple[str, str]]  # the headers as they were sent
    headers: dict[str, str]  # the same by name, in lower case
    body: bytes

    @classmethod
    def read(cls, scope: Scope, body: bytes) -> Self:
        """Return a request from what a server has read; header names are in lower case already."""
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        raw_path = scope["raw_path"].decode("latin-1").partition("?")[0]
        query = scope["query_string"].decode("latin-1")
        return cls(scope["method"], scope["path"], raw_path, query, pairs, joined_headers(pairs), body)


def reply(world: World, status: int, text: str) -> Response:
    """Return an answer in JSON, with an id of its own."""
    headers = {"content-type": "application/json", REQUEST_ID: world.ids.new_request_id()}
    return Response(text, status, headers)


def refused(world: World, refusal: Refusal) -> Response:
    """Return a refusal as an answer."""
    return reply(world, refusal.status, to_json(refusal.body))


def nothing_there(method: str, path: str, *, path_exists: bool) -> Refusal:
    """Return the refusal of a path that does not exist, or of a method that is not possible on one that does."""
    if path_exists:
        return Refusal("RequestNotSupported", f"{method} is not possible on {path}.")
    if _OTHER_VERSION.match(path):
        return Refusal("InvalidAPIVersion", f"The version in {path} is not served; use /v2/.")
    return Refusal("ResourceNotFound", f"There is nothing at {path}.")
