"""Ports for the servers of rehearsals that run beside each other."""

import errno
import os
import random
import socket
from collections import deque
from contextlib import suppress

from amazonpay_nb.loopback import open_port

# Ports of UDP, each of which stands for one of TCP that this process has given away: they are as far below it.
_BELOW = 10_000
_stand_ins: deque[int] = deque()
_MOST = 20  # of them: when the oldest is given up, its server has long had its port


def port_for_another() -> int:
    """Return a free port for a server that somebody else starts a little later.

    It lies below those that a system gives to connections and listeners by itself (from 32768 on Linux), so nothing
    takes it in between, and nobody who knocks there is answered by his own connection.  A rehearsal beside this one
    gets another port, though nobody listens at this one yet.
    """
    for port in random.sample(range(20_000, 32_768), 50):
        with suppress(OSError), open_port(port), socket.socket(type=socket.SOCK_DGRAM) as stand_in:
            stand_in.bind(("127.0.0.1", port - _BELOW))
            if len(_stand_ins) == _MOST:
                os.close(_stand_ins.popleft())
            _stand_ins.append(stand_in.detach())
            return port
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
