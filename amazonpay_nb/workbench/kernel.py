"""The notebook kernel around a workbench, and its cells; outside of a kernel there are none."""

import builtins
import os
import re
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from amazonpay_nb.loopback import without_port, without_sockets

# Jupyter Server sets the first for its sessions; papermill, nbval and nbconvert start kernels without it.  The other
# names the file that remembers which exercises are solved, one in each line, and ``amazonpay-nb lab`` sets it.
SESSION, PROGRESS = "JPY_SESSION_NAME", "AMAZONPAY_NB_PROGRESS"
# What differs from run to run, apart from ports, and its form: the dates of headers, the fingerprints of new keys and
# certificates.
_CHANGING = (
    (re.compile(r"^((?:x-amz-pay-)?date: ).*", re.MULTILINE), r"\1(the time of the call)"),
    (re.compile(r"(SHA256:)[A-Za-z0-9+/]{43}"), r"\1…"),
    (re.compile(r"(/SimpleNotificationService-)[0-9a-f]{32}(?=\.pem)"), r"\1(32 digits)"),
)
# The same in a request and its signature: times and hashes, apart from that of nothing.
_EMPTY_HASH = sha256(b"").hexdigest()
SIGNED = (
    (re.compile(r"\b\d{8}T\d{6}Z\b"), "YYYYMMDDThhmmssZ"),
    (re.compile(rf"\b(?!{_EMPTY_HASH})[0-9a-f]{{64}}\b"), "(64 hexadecimal digits)"),
)
# One entry for each open workbench in which a person plays the buyer: nobody compares what such a kernel shows.
people: list[None] = []
# Cell -> its latest run, and what closes the things that it opened.
_opened: dict[str, tuple[str, list[Callable[[], object]]]] = {}
# Session of a client -> when its messages came, their delays by its clock, in seconds, and whether the kernel was idle.
_delays: dict[str, list[tuple[float, float, bool]]] = {}
_KEPT, _MOST_KEPT = 600.0, 100  # seconds, as a clock may be set; and messages
_IDLE = 0.2  # seconds after what was handled before: the message did not wait for it
_ALIKE = 0.2  # seconds between two delays that are those of a clock: how long messages wait differs
_SLOW = 1.0  # seconds that a busy machine takes for a message
_handled = 0.0  # when the latest cell has ended, or another message came
# Session of a client -> when somebody typed there last, got an answer in a panel, or saw a cell end.
acted: dict[str, float] = {}
running = ""  # the session of whoever ran the cell that runs; "" where nobody did
_places: set[str] = set()  # where something is shown that can be replaced


def person() -> bool:
    """Return whether somebody sits before this kernel, in a session of JupyterLab that can reach its servers."""
    return bool(os.environ.get(SESSION)) and not without_sockets()


def shell() -> Any:
    """Return the IPython that runs this process, or None."""
    return getattr(builtins, "get_ipython", lambda: None)()


def cells() -> list[str]:
    """Return the sources of the cells that have run, in order."""
    ipython = shell()
    return list(ipython.user_ns["In"]) if ipython else []


def replace(close: Callable[[], object]) -> None:
    """Note what the running cell opens, and close what an earlier run of the same cell opened.

    Jupyter keeps whatever a cell displayed, so nothing else would close it.
    """
    try:
        message = shell().get_parent()
        cell, run = message["metadata"]["cellId"], message["header"]["msg_id"]
    except (AttributeError, KeyError):
        return  # not in a kernel, or its client names no cells
    earlier_run, earlier = _opened.get(cell, (run, []))
    if earlier_run != run:
        for each in earlier:
            each()
        earlier = []
    _opened[cell] = run, [*earlier, close]


def keep_time() -> None:
    """Learn from now on, from each cell, what the clocks of clients say."""
    if hasattr(shell(), "get_parent"):
        shell().events.register("pre_run_cell", _begin)
        shell().events.register("post_run_cell", _end)


def _begin(cell: Any) -> None:
    global running
    made()
    if cell.store_history:  # else no person ran it
        running = client()


def _end(result: Any) -> None:
    global _handled, running
    _handled = time.time()
    if result.info.store_history:
        acted[client()], running = _handled, ""


def _header() -> dict[str, Any]:
    from IPython import get_ipython  # the built-in one is there while a cell runs

    message: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    header: dict[str, Any] = message.get("header", {})
    return header


def client() -> str:
    """Return the session of whoever sent the message that the kernel handles: each window has one of its own."""
    return str(_header().get("session", ""))


def made() -> float:
    """Return when the message that the kernel handles was made, in seconds by this clock; now, outside of a kernel.

    The smallest delay of a client's messages is what its clock differs, if two have it that came to an idle kernel.
    """
    global _handled
    now, header, sender = time.time(), _header(), client()
    delay = now - float(getattr(header.get("date"), "timestamp", lambda: now)())
    known = [row for row in _delays.get(sender, ()) if now - _KEPT < row[0] <= now]
    known.append((now, delay, now > _handled + _IDLE))
    _delays[sender], _handled = known[-_MOST_KEPT:], now
    smallest = min(each for _, each, _ in known)
    alike = sum(idle and each < smallest + _ALIKE for _, each, idle in known)
    return now - delay + min(delay, smallest if alike > 1 and not 0 < smallest < _SLOW else 0.0)


def repeatable(text: str, patterns: Sequence[tuple[re.Pattern[str], str]] = _CHANGING) -> str:
    """Return a text as every run would show it, without ports and with forms for patterns, unless a person reads it."""
    for pattern, form in () if people else patterns:
        text = pattern.sub(form, text)
    return text if people else without_port(text)


def display(thing: Any, place: str = "") -> None:
    """Show something in the middle of a cell; at a *place*, a bundle of media types instead of what was there."""
    import IPython.display

    there = {"raw": True, "display_id": place, "update": place in _places} if place else {}
    IPython.display.display(thing, **there)  # type: ignore[no-untyped-call]
    _places.add(place)


def run() -> str:
    """Return the id of the running cell's run; "" outside of a kernel."""
    return str(shell().get_parent()["header"]["msg_id"]) if hasattr(shell(), "get_parent") else ""
