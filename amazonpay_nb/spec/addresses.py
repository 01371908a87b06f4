"""Which addresses a buyer may be sent back to, and notifications may be sent to."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

# The length that integrations commonly assume for addresses; Amazon publishes none.  [inferred]
_MAX_LENGTH = 512
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
# Readers disagree about the host where there is more: a user part, a backslash, brackets in the middle.
_NETLOC = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]\\@:/?#%]+)(:\d{1,5})?")


def host_of(netloc: str) -> str:
    """Return the host of a ``Host`` header, or of an address's network location; "" where there are two readings."""
    match = _NETLOC.fullmatch(netloc)
    return match["host"].strip("[]").lower() if match else ""


def is_loopback(host: str) -> bool:
    """Tell whether a ``Host`` header is a name of this machine, with or without a port."""
    return host_of(host) in LOOPBACK_HOSTS


def url_of(scheme: str, host: str, port: int) -> str:
    """Return the address of a server."""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_endpoint(url: str) -> bool:
    """Tell whether the emulator may send notifications to *url*: it calls no other machine."""
    try:
        parts = urlsplit(url)
        here = parts.scheme == "http" and host_of(parts.netloc) in LOOPBACK_HOSTS and parts.port != 0
    except ValueError:
        return False
    # `urlsplit` drops line breaks, and spaces at the ends, so what it has read is not what is called.
    return here and url.isprintable() and " " not in url


def checked_endpoint(url: str | None) -> str:
    """Return an address for notifications, or "" for none; raise `ValueError` where it is not on this machine."""
    if url and not is_endpoint(url):
        raise ValueError(f"{url!r} cannot be an endpoint here; write http://127.0.0.1:PORT/path")
    return url or ""


def return_address_problem(url: str) -> str:
    """Return why *url* cannot be a return address, or "" when it can: https anywhere, and http on loopback."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return "it is not an address"
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return "only https addresses are allowed, and http ones on loopback"
    if "@" in parts.netloc:
        return "it must not contain a user name or password"
    if not (host := host_of(parts.netloc)):
        return "its host can be read in two ways"
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        return "http is allowed on loopback only; use https"
    if any(c.isspace() or c in '\\<>"' or not c.isprintable() for c in url):
        return "it contains white space, control characters, quotes or angle brackets"
    return ""


def _check_return_address(url: str) -> str:
    if problem := return_address_problem(url):
        raise ValueError(f"{url!r} is not allowed: {problem}")
    return url


ReturnAddress = Annotated[str, Field(max_length=_MAX_LENGTH), AfterValidator(_check_return_address)]
