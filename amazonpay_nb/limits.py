"""Limits for what others say, above all servers: nothing is waited for, kept or shown without one."""

import math
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any, TypeVar
from unicodedata import category

import httpx

from amazonpay_nb.in_process import NOWHERE, SERVERS

T = TypeVar("T")
LONGEST_BODY = 4 * 1024 * 1024  # bytes
_LONGEST = 20_000  # of what is shown
# What the logs of GitHub, Azure and TeamCity obey: ::add-mask::, ##[group], ##vso[…].
_LOG_COMMAND = re.compile(r"^[^\S\n]*:(?=:)|#(?=#\w{0,20}\[)", re.MULTILINE)
_ON_THE_WAY = (b"content-encoding", b"content-length", b"transfer-encoding")  # headers of what has not been decoded
_CODINGS = ("gzip", "deflate", "identity")  # of others, or of two at once, few bytes can be gigabytes
# Any other is read as UTF-8: Python has some that unpack what they read, or compute for hours.
_CHARSETS = ("utf-8", "iso-8859-1", "windows-1252", "shift_jis", "euc-jp")
_TOO_MANY_DIGITS = re.compile(r"(?<=&#)\d{4000,}")
_END = ContextVar("_END", default=math.inf)  # the moment at which the answer that is waited for has to be there


class _Limited:
    """A network or a connection of it: a read keeps to the end of a call, since a timeout limits each one alone."""

    def __init__(self, inner: Any) -> None:
        self._inner, self._process = inner, os.getpid()

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)
        if name not in ("connect_tcp", "start_tls"):
            return inner
        return lambda *arguments, **options: _Limited(inner(*arguments, **options))

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        left = min(math.inf if timeout is None else timeout, _END.get() - monotonic())
        if left <= 0:
            raise httpx.ReadTimeout("The answer has no end.")
        return self._inner.read(max_bytes, None if left == math.inf else left)

    def get_extra_info(self, info: str) -> Any:
        # To the pool, an idle connection that can be read has been ended by its server, and is not used again.
        return (info == "is_readable" and self._process != os.getpid()) or self._inner.get_extra_info(info)


class _Cookies(httpx.Cookies):
    """Looks at an answer that has cookies alone; httpx prepares every answer to be looked at, which takes its time."""

    def extract_cookies(self, response: httpx.Response) -> None:
        if "set-cookie" in response.headers:
            super().extract_cookies(response)


class Client(httpx.Client):
    """A client whose answers come in time, to the process that asked: after a fork, each has connections of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._cookies, jar = _Cookies(), self.cookies.jar
        self._cookies.jar = jar
        self._options, self._process = options, os.getpid()
        for way in (self._transport, *self._mounts.values()):
            if isinstance(way, httpx.HTTPTransport):
                with suppress(AttributeError):  # a later httpcore may call it otherwise; a test looks
                    if not isinstance(network := way._pool._network_backend, _Limited):  # by another client
                        vars(way._pool).update(_network_backend=_Limited(network))

    def send(self, *arguments: Any, **options: Any) -> httpx.Response:
        """Send a request, as `httpx.Client` does."""
        if self._process != os.getpid():
            # The parent's stay as they are: one of its threads may have held a lock that nobody opens here.
            new, self._parents = Client(**self._options), (self._transport, self._mounts)
            self._transport, self._mounts, self._process = new._transport, new._mounts, new._process
        return super().send(*arguments, **options)


def in_time(seconds: float | None, call: Callable[[], T]) -> T:
    """Return what a call returns; one that takes longer is left to itself, since no timeout limits how long heads take.

    Raises:
        TimeoutError: It takes longer.
    """
    done: Future[T] = Future()

    def carry_out() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 (whose it is knows what to do)
            done.set_exception(error)

    threading.Thread(target=carry_out, daemon=True).start()
    return done.result(seconds)


def whole(http: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
    """Send a request, with *options* of httpx or of `receive`, and return its answer, decoded, when all of it is there.

    Raises:
        httpx.ReadTimeout: It has more than *longest* bytes, 4 MB, or takes longer than the client waits for a part.
        httpx.RemoteProtocolError: It is no HTTP, or leads to a host that cannot be one.
        httpx.DecodingError: It is packed in another way than was asked for.
    """
    call = partial(receive, http, request, **options)
    direct = isinstance(http, Client) or request.url.port in SERVERS  # it needs no thread, or none helps
    try:
        response, content = call() if direct else in_time(http.timeout.read, call)
    except TimeoutError:
        raise httpx.ReadTimeout("The answer has no end.", request=request) from None
    except NOWHERE as error:  # httpx looks at the host of a redirect, and fails at xn-- or app:page
        raise httpx.RemoteProtocolError(f"The answer leads nowhere: {error}", request=request) from None
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _ON_THE_WAY]
    answer = httpx.Response(response.status_code, headers=headers, content=content, request=response.request)
    answer.encoding = "utf-8"
    with suppress(ValueError):  # Python counts the parts of a parameter, and not beyond 4300 digits
        charset = (response.charset_encoding or "").lower()
        answer.encoding = charset if charset in _CHARSETS else "utf-8"
    answer.next_request = response.next_request
    return answer


def receive(
    http: httpx.Client, request: httpx.Request, *, longest: int = LONGEST_BODY, **options: Any
) -> tuple[httpx.Response, bytes]:
    """Return an answer's head, and its body decoded, within the limits of `whole`; only a `Client` limits the head."""
    content, before = bytearray(), _END.set(monotonic() + (http.timeout.read or math.inf))
    request.headers["accept-encoding"] = "gzip, deflate"
    try:
        with closing(http.send(request, stream=True, **options)) as response:
            if response.headers.get("content-encoding", "identity").lower() not in _CODINGS:
                raise httpx.DecodingError("The body is packed in another way.", request=request)
            for piece in response.iter_bytes():
                content += piece
                if len(content) > longest or monotonic() > _END.get():
                    raise httpx.ReadTimeout("The body has no end.", request=request)
    finally:
        _END.reset(before)
    return response, bytes(content)


def short_numbers(html: str) -> str:
    """Return a page in which no number of a character is too long for Python; a browser has no such character."""
    return _TOO_MANY_DIGITS.sub("0", html)


def legible(text: str, longest: int | None = _LONGEST) -> str:
    """Return what others have said without what a terminal or a CI's log takes for a command, or for another order."""
    shown = "".join("\ufffd" if category(one)[0] == "C" and one not in "\n\t" else one for one in text[:longest])
    return _LOG_COMMAND.sub("\\g<0>\ufffd", shown)
