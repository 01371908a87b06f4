"""Notebooks run without sockets and threads, and their outputs are the committed ones."""

from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError

from amazonpay_nb.loopback import IN_PROCESS
from amazonpay_nb.runs.kernels import kernel_environment
from amazonpay_nb.runs.notebook import NEED_SOCKETS, find_notebooks
from docs.regenerate import executed, first_difference

# In the kernel from its beginning; what its own threads and sockets are made by is let pass.
FORBID = """
import sys

KERNEL = ("/ipykernel/", "/IPython/", "/zmq/", "/tornado/")

def watch(event, arguments):
    if event in ("socket.bind", "socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        raise RuntimeError(f"no sockets here: {event} {arguments[1]}")
    if event.startswith("_thread.start"):
        frame = sys._getframe(1)
        while frame and frame.f_code.co_filename.endswith("/threading.py"):
            frame = frame.f_back
        if frame and not any(part in frame.f_code.co_filename for part in KERNEL):
            raise RuntimeError(f"no threads here: {frame.f_code.co_filename}")

sys.addaudithook(watch)
"""
NOTEBOOKS = find_notebooks([])
INSIDE = [path for path in NOTEBOOKS if path.stem[:2] not in NEED_SOCKETS]


@pytest.fixture(autouse=True)
def _forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(FORBID, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.parametrize("path", INSIDE, ids=lambda path: path.stem)
def test_its_outputs_are_the_committed_ones(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, although everything happens inside the kernel."""
    monkeypatch.setenv(IN_PROCESS, "1")
    with kernel_environment():
        new = executed(path)
    old = path.read_text("utf-8")
    assert new == old, first_difference(old, new)


def test_only_two_notebooks_need_sockets() -> None:
    """They work with programs outside of the kernel."""
    assert sorted(path.stem for path in {*NOTEBOOKS} - {*INSIDE}) == [
        "07_listen_for_notifications", "12_rehearse_your_server",
    ]  # fmt: skip


def test_with_sockets_it_would_be_noticed() -> None:
    """Else the tests above would prove nothing."""
    with pytest.raises(CellExecutionError, match=r"no (threads|sockets) here"), kernel_environment():
        executed(INSIDE[1])
