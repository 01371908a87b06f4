"""A forked kernel is like any other: it shows the same, is alone with its randomness, and ends when it should."""

import ast
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop
from nbformat.v4 import new_code_cell, new_notebook

from amazonpay_nb.runs.runner import run
from amazonpay_nb.runs.warm import WarmProvisioner, _Process
from tests.processes import PATIENCE, program, until

COMMAND = [sys.executable, "-m", "amazonpay_nb"]
NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks its kernels")

# What code in a cell can ask of its process, apart from what no two kernels share.
LIKE_ANY_OTHER = """
import builtins, gc, os, signal, sys, tempfile, time
from pandas._config import config
def say(*things): print(str(things).replace(os.environ["TMPDIR"], "here"))
say({name: text for name, text in os.environ.items() if not name.endswith(("OFFLINE", "JOURNAL", "NOTES"))})
say(sys.path, sys.argv[0], sys.argv[1], len(sys.argv), sys.flags, sys.warnoptions, sorted(dir(builtins)))
say(os.getcwd(), tempfile.gettempdir(), time.tzname, [os.readlink(f"/proc/self/fd/{number}")[:5] for number in (1, 2)])
say({number: signal.getsignal(number) for number in range(1, 32)}, os.getpid() == os.getpgid(0) == os.getsid(0))
say(sys.modules["__main__"].__dict__ is globals(), __name__, sorted(globals()), config._global_config)
"""
RANDOM = """
import random, secrets, ssl, tempfile, uuid
import numpy
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
print(random.random(), uuid.uuid4(), secrets.token_hex(), ssl.RAND_bytes(8).hex())
print(next(tempfile._get_candidate_names()))
print(numpy.random.default_rng().random(), numpy.random.random())
print(generate_private_key(SECP256R1()).private_numbers().private_value)
"""
SOCKETS = """import os
def sockets(pid): return {line.split()[-1] for line in os.popen(f"ls -l /proc/{pid}/fd") if "socket:" in line}
print(len(sockets(os.getppid())), len(sockets(os.getppid()) & sockets(os.getpid())))
"""
CONNECT = """import os, socket
os.environ.clear()
try:
    socket.create_connection((%r, 9))
except OSError:
    pass"""


def write(folder: Path, *sources: str) -> list[Path]:
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    paths = [folder / f"notebook_{number}.ipynb" for number in range(len(sources))]
    for path, source in zip(paths, sources, strict=True):
        nbformat.write(new_notebook(cells=[new_code_cell(source)], metadata={"kernelspec": kernel}), path)
    return paths


def texts(folder: Path) -> list[list[str]]:
    """What the cells of each notebook print, and their other outputs as they are."""
    cells = [nbformat.read(path, 4).cells for path in sorted(folder.glob("*.ipynb"))]
    return [
        ["".join(shown.get("text", str(shown)) for shown in cell.get("outputs", [])) for cell in one] for one in cells
    ]


def assert_ends(pid: int) -> None:
    """A process ends."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, *_ = select.select([handle], [], [], PATIENCE)
    os.close(handle)
    assert ended, Path(f"/proc/{pid}/cmdline").read_text()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A kernel of a program that knows nothing of ours but the name of the provisioner, and a client of it."""
    manager = KernelManager(transport="ipc", ip=str(tmp_path / "k"), connection_file=str(tmp_path / "kernel.json"))
    provisioner = {"kernel_provisioner": {"provisioner_name": "amazonpay-warm"}}
    manager._kernel_spec = KernelSpec(**get_kernel_dict() | {"metadata": provisioner})
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()
    WarmProvisioner.stop()
    ensure_event_loop().close()


def ask(client: BlockingKernelClient, code: str) -> Any:
    wish = {"it": "it"}
    reply = client.execute_interactive(code, output_hook=lambda _: None, user_expressions=wish, timeout=PATIENCE)
    return reply["content"]


def test_a_fork_is_like_any_other_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its environment, paths, signals, names and all that libraries found out at their import; notebooks show it."""
    monkeypatch.setenv("TZ", "America/St_Johns")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    paths = write(tmp_path, LIKE_ANY_OTHER)
    paths += [NOTEBOOKS / f"{name}.ipynb" for name in ("01_set_up_outside_the_purchase_flow", "05_manage_payments")]
    for name, warm in (("warm", True), ("cold", False)):
        assert run(paths, {}, out=tmp_path / name, jobs=2, warm=warm).passed == 3
    assert not capsys.readouterr().err
    assert texts(tmp_path / "warm") == texts(tmp_path / "cold")


def test_no_two_forks_share_their_randomness(tmp_path: Path) -> None:
    """Neither keys nor ids nor names of files, nor the global state of numpy."""
    run(write(tmp_path, *[RANDOM] * 6), {}, out=tmp_path / "out", jobs=2, warm=True)
    values = [text.split() for (text,) in texts(tmp_path / "out")]
    assert [len(values), *(len(set(column)) for column in zip(*values, strict=True))] == [6] * 9


def test_an_offline_run_is_offline(tmp_path: Path) -> None:
    """Each notebook for itself, even one that empties its environment."""
    sources = [CONNECT % "192.0.2.1", "1", CONNECT % "192.0.2.2"]
    summary = run(write(tmp_path, *sources), {}, out=tmp_path / "out", offline=True, warm=True)
    errors = [f"It tried to connect to 192.0.2.{number}, and this run is offline." for number in (1, 2)]
    assert [one.error for one in summary.runs] == [errors[0], None, errors[1]]


def test_a_run_goes_on_without_the_process_that_it_forks_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernels that run end as they would, the next ones start at once, as Jupyter starts them; it says so once."""
    wait = f"\nend = time.monotonic() + {PATIENCE}\nwhile not os.path.exists(%r):\n    assert time.monotonic() < end"
    stay = "import os, time\nopen('stays', 'x').close()" + wait % "cold"
    kill = "import os, signal, time" + wait % "stays" + "\nos.kill(os.getppid(), signal.SIGKILL)"
    cold = "import os\nassert os.getppid() == int(os.environ['JPY_PARENT_PID'])\nopen('cold', 'w').close()"
    summary = run(write(tmp_path, stay, kill, cold, cold), {}, out=tmp_path / "out", jobs=2, warm=True)
    assert [one.error for one in summary.runs] == [None] * 4
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("The process that kernels are forked from does not answer: ")


def test_a_late_answer_is_no_second_kernel(
    kernel: tuple[KernelManager, BlockingKernelClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take the sockets of the kernel that was started instead."""
    manager, client = kernel
    origin = WarmProvisioner._origin
    assert origin
    monkeypatch.setattr("amazonpay_nb.runs.warm._ANSWER_SECONDS", 0.2)
    origin.process.send_signal(signal.SIGSTOP)
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=PATIENCE)
    assert origin.process.wait(PATIENCE) == -signal.SIGKILL


def test_no_kernel_hears_how_others_are_started(tmp_path: Path) -> None:
    """The socket of the process that it is forked from is not among its own."""
    run(write(tmp_path, SOCKETS, "1"), {}, out=tmp_path / "out", warm=True)
    assert texts(tmp_path / "out")[0] == ["1 0\n"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=str)
def test_a_run_that_is_stopped_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    """Not even where nobody is left to end them."""
    stay = "import os, time\nprint(os.getpid(), os.getppid(), file=open('pids', 'w'), flush=True)\ntime.sleep(600)"
    command = [*COMMAND, "run", *map(str, write(tmp_path, stay, "1")), "--jobs", "1", "--out", str(tmp_path / "out")]
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    with program(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith("\n"))
        kernel, origin = map(int, (tmp_path / "pids").read_text().split())
        assert origin != process.pid
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in output.decode()
    assert_ends(kernel)
    assert_ends(origin)
    assert until(lambda: not [*(tmp_path / "tmp").iterdir()])


def test_other_programs_can_use_it(kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    """A fork can be interrupted, restarted and ended, with what it has started."""
    manager, client = kernel
    reply = ask(client, "import os, subprocess\nit = os.getppid(), subprocess.Popen(['sleep', '600']).pid")
    parent, child = ast.literal_eval(reply["user_expressions"]["it"]["data"]["text/plain"])
    assert parent != os.getpid()
    client.execute("import time\nprint('here', end='')\nwhile True: time.sleep(0.01)")
    while client.get_iopub_msg(timeout=PATIENCE)["content"].get("text") != "here":
        pass
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=PATIENCE)["content"]["ename"] == "KeyboardInterrupt"
    first = manager.provisioner.pid
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=PATIENCE)
    assert manager.provisioner.pid != first
    assert_ends(child)


def test_a_python_that_starts_otherwise_is_no_fork(
    kernel: tuple[KernelManager, BlockingKernelClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python reads when it starts cannot be had afterward."""
    manager, client = kernel
    manager.restart_kernel(now=True, env=os.environ | {"PYTHONHASHSEED": "1"})
    client.wait_for_ready(timeout=PATIENCE)
    reply = ask(client, "import os, sys\nit = os.getppid(), sys.flags.hash_randomization")
    assert reply["user_expressions"]["it"]["data"]["text/plain"] == f"({os.getpid()}, 1)"


def test_a_fork_that_cannot_be_watched_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter starts another kernel in its place, and two would answer."""
    monkeypatch.setattr(os, "pidfd_open", lambda _: os.open("/dev/null/refused", os.O_RDONLY))
    with program([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as fork:
        with pytest.raises(OSError, match="Not a directory"):
            _Process(fork.pid)
        assert fork.wait(PATIENCE) == -signal.SIGKILL
