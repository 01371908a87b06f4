"""Notebooks run without sockets and threads, and their outputs are the committed ones."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from amazonpay_nb.loopback import IN_PROCESS
from amazonpay_nb.runs.kernels import kernel_environment
from amazonpay_nb.runs.notebook import find_notebooks
from docs.regenerate import KERNEL, executed, first_difference

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
INSIDE = find_notebooks([], sockets=False)


@pytest.fixture(scope="module", autouse=True)
def _forbidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels are forked from a process to which both are forbidden, too."""
    folder = tmp_path_factory.mktemp("forbidden")
    (folder / "sitecustomize.py").write_text(FORBID, "utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(folder))
        with kernel_environment(warm=True):
            yield


@pytest.mark.parametrize("path", INSIDE, ids=lambda path: path.stem)
def test_its_outputs_are_the_committed_ones(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, although everything happens inside the kernel."""
    monkeypatch.setenv(IN_PROCESS, "1")
    new = executed(path)
    old = path.read_text("utf-8")
    assert new == old, first_difference(old, new)


def test_only_two_notebooks_need_sockets() -> None:
    """They work with programs outside of the kernel."""
    assert sorted(path.stem for path in {*find_notebooks([])} - {*INSIDE}) == [
        "07_listen_for_notifications", "12_rehearse_your_server",
    ]  # fmt: skip


def test_with_sockets_it_would_be_noticed() -> None:
    """Else the tests above would prove nothing."""
    with pytest.raises(CellExecutionError, match=r"no (threads|sockets) here"):
        executed(INSIDE[1])


@pytest.mark.parametrize("more", [(), ("--cold",)], ids=["warm", "cold"])
def test_the_command_tells_its_kernels(more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no variable of a person's; a single notebook would be no reason to fork."""
    monkeypatch.delenv("PYTHONPATH")
    cell = new_code_cell("from amazonpay_nb.emulator import Emulator\nassert Emulator(seed=7).in_process")
    notebooks = [tmp_path / "one.ipynb", tmp_path / "two.ipynb"]
    for path in notebooks:
        nbformat.write(new_notebook(cells=[cell], metadata={"kernelspec": KERNEL}), path)
    options = ["--in-process", *more, "--jobs", "1", "--out", "out"]
    command = [sys.executable, "-m", "amazonpay_nb", "run", *options, *map(str, notebooks)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
