"""Let every connection to another machine fail, and note it; `amazonpay-nb run --offline` starts kernels with this.

It stands alone: a copy of it is Python's ``sitecustomize`` there.
"""

import os
import re
import socket
import sys

_HERE = re.compile(r"(::ffff:)?(127(\.\d+){1,3}|0\.0\.0\.0)|::1?|(0+:){7}0*1|localhost", re.IGNORECASE)
_NAME = socket.gethostname()  # which `getfqdn` looks up
# A cell may empty its environment, and replace what is built in.
_file, _open = os.environ.get("AMAZONPAY_NB_OFFLINE", ""), open


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    global _file
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""  # the address of a local socket is a path
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"):
        host = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
    else:
        if event == "amazonpay_nb.fork":  # of `runs.warm`, with an environment of its own
            _file = os.environ.get("AMAZONPAY_NB_OFFLINE", _file)
            _open(_file, "a").close()
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    if name and name != _NAME and not _HERE.fullmatch(name):
        with _open(_file, "a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        raise ConnectionRefusedError(f"{name} is not on this machine, and this run is offline")


if _file:
    _open(_file, "a").close()  # empty, it says that somebody watches
    sys.addaudithook(_watch)
