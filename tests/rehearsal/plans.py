"""Plans for tests, each with a port of its own."""

import json
import os
import sys
from pathlib import Path

from amazonpay_nb.rehearsal import example
from amazonpay_nb.rehearsal.rehearsal import Rehearsal

EXAMPLE = example("shop_python")

# What is played with the other wiring: a way to each operation, to the script, and of a notification.
EACH_WAY = ["button.script-host", "set-up.completes", "charge.pending", "refund.done", "notification.genuine"]


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


def example_plan(folder: Path, *, file: Path = EXAMPLE, mistake: str = "", proxy: bool = False, drop: str = "") -> Path:
    """The example's plan, with a mistake, in the other wiring, or without one of its lines."""
    text = file.read_text("utf-8").replace("[server]", f"[server]\ndirectory = {json.dumps(str(file.parent))}")
    if mistake:
        command = [sys.executable, str(Path(__file__).with_name("wrong_shop.py"))]
        text = text.replace('["python", "shop.py"]', json.dumps(command))
        text = text.replace("[server.environment]", f'[server.environment]\nMISTAKE = "{mistake}"')
    lines = text.replace('wiring = "settings"', f'wiring = "{"proxy" if proxy else "settings"}"').splitlines()
    unwanted = [name for name in ("AMAZON_PAY_URL", "AMAZON_PAY_SCRIPT") if proxy] + [drop or "no line"]
    path = folder / "plan.toml"
    path.write_text("\n".join(line for line in lines if not line.startswith(tuple(unwanted))), "utf-8")
    return path


def seen(rehearsal: Rehearsal, status: str = "failed") -> dict[str, str]:
    return {one.row.id: one.seen for one in rehearsal.results if one.status == status}
