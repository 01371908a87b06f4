"""Limits for the answers of a server, whoever runs it: nothing is waited for, or kept, without one."""

import math
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from functools import partial
from time import monotonic
from typing import TypeVar

import httpx

from amazonpay_nb.in_process import NOWHERE, SERVERS

T = TypeVar("T")
LONGEST_BODY = 4 * 1024 * 1024  # bytes
_ON_THE_WAY = (b"content-encoding", b"content-length", b"transfer-encoding")  # headers of what has not been decoded
_CODINGS = ("gzip", "deflate", "identity")  # of others, or of two at once, few bytes can be gigabytes
# Any other is read as UTF-8: Python has some that unpack what they read, or compute for hours.
_CHARSETS = ("utf-8", "iso-8859-1", "windows-1252", "shift_jis", "euc-jp")
_TOO_MANY_DIGITS = re.compile(r"(?<=&#)\d{4000,}")


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


def whole(http: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request and return its answer, decoded, when all of it is there.

    Raises:
        httpx.ReadTimeout: It has no end: it is longer than 4 MB, or takes longer than the client waits for a part.
        httpx.RemoteProtocolError: It is no HTTP, or leads to a host that cannot be one.
        httpx.DecodingError: It is packed in another way than was asked for.
    """
    try:
        if request.url.port in SERVERS:  # no thread helps there
            return _collect(http, request)
        return in_time(http.timeout.read, partial(_collect, http, request))
    except TimeoutError:
        raise httpx.ReadTimeout("The answer has no end.", request=request) from None
    except NOWHERE as error:  # httpx looks at the host of a redirect, and fails at xn-- or app:page
        raise httpx.RemoteProtocolError(f"The answer leads nowhere: {error}", request=request) from None


def _collect(http: httpx.Client, request: httpx.Request) -> httpx.Response:
    seconds, content, began = http.timeout.read or math.inf, bytearray(), monotonic()
    request.headers["accept-encoding"] = "gzip, deflate"
    with closing(http.send(request, stream=True)) as response:
        if response.headers.get("content-encoding", "identity").lower() not in _CODINGS:
            raise httpx.DecodingError("The body is packed in another way.", request=request)
        for piece in response.iter_bytes():
            content += piece
            if len(content) > LONGEST_BODY or monotonic() > began + seconds:
                raise httpx.ReadTimeout("The body has no end.", request=request)
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _ON_THE_WAY]
    answer = httpx.Response(response.status_code, headers=headers, content=bytes(content), request=response.request)
    answer.encoding = "utf-8"
    with suppress(ValueError):  # Python counts the parts of a parameter, and not beyond 4300 digits
        charset = (response.charset_encoding or "").lower()
        answer.encoding = charset if charset in _CHARSETS else "utf-8"
    answer.next_request = response.next_request
    return answer


def short_numbers(html: str) -> str:
    """Return a page in which no number of a character is too long for Python; a browser has no such character."""
    return _TOO_MANY_DIGITS.sub("0", html)
