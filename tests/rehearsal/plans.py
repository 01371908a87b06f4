"""Plans for tests, each with a port of its own."""

import json
import os
import socket
from pathlib import Path

# What is played with the other wiring: a way to each operation, to the script, and of a notification.
EACH_WAY = ["button.script-host", "set-up.completes", "charge.pending", "refund.done", "notification.genuine"]


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def processes_with(mark: str) -> list[str]:
    """The command lines of the processes that have a variable of this value."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.name != str(os.getpid()) and mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is another user's
            pass
    return found


def write_plan(folder: Path, port: int, command: list[str], *, wiring: str = "settings", more: str = "") -> Path:
    path = folder / "plan.toml"
    path.write_text(
        f'[server]\nurl = "http://127.0.0.1:{port}"\nstart = {json.dumps(command)}\nwiring = "{wiring}"\n{more}\n'
    )
    return path
