"""What a server that is rehearsed answers, within limits, since it may be anybody's; and how a check fails by it."""

import json
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.cookiejar import Cookie
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from amazonpay_nb.shop.limits import whole

T = TypeVar("T")
_MOST_MEMORY = 1 << 30  # bytes
_GLANCE_SECONDS, _LEAST_LOOKS = 0.05, 6


class Answer(NamedTuple):
    """What a browser or a request got: a status, None where there is no answer, and why.

    A browser has ended on a URL; the answer to a request has JSON and cookies, took some seconds, and is an exchange.
    """

    status: int | None
    url: str = ""
    problem: str = ""
    json: Any = None
    cookies: Sequence[Cookie] = ()
    seconds: float = 0.0
    number: int = 0

    def __str__(self) -> str:
        return f"{self.status or self.problem} at {urlsplit(self.url).path or self.url}"

    def is_below(self, status: int) -> bool:
        """Whether it is there, and its status below one, for example below 500: no failure of the server's."""
        return 0 < (self.status or 0) < status


class Failed(Exception):
    """The server did something wrong.

    Args:
        seen: What was seen instead of what was expected, as a sentence.
        evidence: Numbers of the exchanges that show it; all of the check when left out.
        advice: Whether it need not be right.
    """

    def __init__(self, seen: str, *, evidence: Sequence[int] = (), advice: bool = False) -> None:
        super().__init__(seen)
        self.seen, self.evidence, self.advice = seen, list(evidence), advice


class NotTried(Exception):
    """A check could not be looked at; the message says why, and what would help."""


def soon(look: Callable[[], T], seconds: float = 5) -> T:
    """Look until there is something, or the time is over: a server may work in the background.

    Where a look takes long, because the machine is busy, so does the server: there is a least number of looks.
    """
    end, looks = monotonic() + seconds, 1
    while not (value := look()) and (monotonic() < end or looks < _LEAST_LOOKS):
        sleep(_GLANCE_SECONDS)
        looks += 1
    return value


@contextmanager
def limited_memory() -> Iterator[None]:
    """Let each process that begins meanwhile, and those that it begins, have 1 GB for data; the system sees to that."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [limit for limit in (_MOST_MEMORY, *before) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def ask(http: httpx.Client, request: httpx.Request) -> Answer:
    """Send a request and return its answer; one that does not end in time, or after 4 MB, is none."""
    began = monotonic()
    try:
        response = whole(http, request)
    except httpx.HTTPError:
        return Answer(None, seconds=monotonic() - began)
    body = None
    with suppress(ValueError, RecursionError):
        body = json.loads(response.content)
    cookies = [*response.cookies.jar]
    return Answer(response.status_code, json=body, cookies=cookies, seconds=monotonic() - began)


def path_of_url(url: str) -> str:
    """Return path and query."""
    return urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()


def filled(value: Any, values: dict[str, str]) -> Any:
    """Return a text, or a list or dictionary of texts and others, with values in the place of their names in braces."""
    text = json.dumps(value)
    for name, replacement in values.items():
        text = text.replace(f"{{{name}}}", json.dumps(replacement)[1:-1])
    return json.loads(text)
