"""A request to a server that is rehearsed, and what comes back, within limits, since the server may be anybody's."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from http.cookiejar import Cookie
from time import monotonic
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

T = TypeVar("T")
_LONGEST_BODY = 4 * 1024 * 1024  # bytes


class Visit(NamedTuple):
    """What a browser got: the status of the document that it ended on, None where there is none, and why."""

    status: int | None
    url: str
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.status or self.problem} at {urlsplit(self.url).path or self.url}"


class Answer(NamedTuple):
    """The answer to a request: its status, None where there is none; its JSON; how long it took; its exchange."""

    status: int | None
    json: Any = None
    seconds: float = 0.0
    number: int = 0


def in_time(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns; one that takes longer is left to itself, since no timeout limits how long heads take.

    Raises:
        TimeoutError: It takes longer.
    """
    done: Future[T] = Future()

    def carry_out() -> None:
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001 (whose it is knows what to do)
            done.set_exception(error)

    threading.Thread(target=carry_out, daemon=True).start()
    return done.result(seconds)


def ask(http: httpx.Client, request: httpx.Request) -> tuple[Answer, list[Cookie]]:
    """Send a request; return its answer, and the cookies that came with it.

    An answer that does not end in time, or whose body is longer than 4 MB, is none.
    """
    began, content = monotonic(), bytearray()
    seconds = http.timeout.read or 0

    def exchange() -> httpx.Response:
        response = http.send(request, stream=True)
        with closing(response):
            for piece in response.iter_bytes():
                content.extend(piece)
                if len(content) > _LONGEST_BODY or monotonic() > began + seconds:
                    raise httpx.ReadTimeout("The body has no end.")
        return response

    try:
        response = in_time(seconds, exchange)
    except (httpx.HTTPError, TimeoutError):
        return Answer(None, None, monotonic() - began), []
    body = None
    with suppress(ValueError, RecursionError):
        body = json.loads(content)
    return Answer(response.status_code, body, monotonic() - began), [*response.cookies.jar]


def path_of_url(url: str) -> str:
    """Return path and query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def filled(value: Any, values: dict[str, str]) -> Any:
    """Return the JSON or the form of an action with values in the place of their names in braces."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {key: filled(item, values) for key, item in value.items()}
    return [filled(item, values) for item in value] if isinstance(value, list) else value
