"""Ports that rehearsals give to servers, several at the same time."""

import random
import subprocess
import sys
import uuid
from pathlib import Path

from amazonpay_nb.loopback import open_port
from amazonpay_nb.rehearsal.ports import port_for_another

OTHER = """
import random, sys
from amazonpay_nb.rehearsal.ports import port_for_another
random.seed(sys.argv[1])
print(port_for_another(), flush=True)
input()
"""


def test_a_port_for_another_stays_free() -> None:
    """The system gives it to no listener and no connection by itself; a knock there is not answered by the knocker."""
    first_of_the_system = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = {port_for_another() for _ in range(20)}
    assert len(ports) == 20
    assert all(1024 < port < first_of_the_system for port in ports)
    for port in ports:
        open_port(port).close()


def test_no_other_process_gets_a_port_that_nobody_listens_at_yet() -> None:
    """Both would start a server there; the luck of this one is that of the other."""
    seed, before = uuid.uuid4().hex, random.getstate()
    with subprocess.Popen([sys.executable, "-c", OTHER, seed], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout
        theirs = int(other.stdout.readline())
        random.seed(seed)
        assert port_for_another() != theirs
        open_port(theirs).close()
        other.communicate("\n")
    random.seed(seed)
    assert port_for_another() == theirs, "it has ended"
    random.setstate(before)
