"""Let every connection to another machine fail, and note it; `amazonpay-nb run --offline` starts kernels with this.

It stands alone: a copy of it is Python's ``sitecustomize`` there.
"""

import os
import re
import sys

_HERE = re.compile(r"127(\.\d+){3}|::1|localhost")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""  # the address of a local socket is a path
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    if name and not _HERE.fullmatch(name):
        with open(os.environ["AMAZONPAY_NB_OFFLINE"], "a", encoding="utf-8") as file:  # noqa: PTH123 (imports little)
            file.write(f"{name}\n")
        raise ConnectionRefusedError(f"{name} is not on this machine, and this run is offline")


if "AMAZONPAY_NB_OFFLINE" in os.environ:
    sys.addaudithook(_watch)
