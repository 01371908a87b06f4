"""A run ends, whatever its kernels, its folder or its owner do, and leaves nothing behind."""

import asyncio
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
import zmq
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.provisioning import local_provisioner
from nbformat.v4 import new_code_cell, new_notebook

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs import kernels
from amazonpay_nb.runs.folder import report_folder
from amazonpay_nb.runs.kernels import RunKernel, kernel_environment
from amazonpay_nb.runs.notebook import Notebook, notebook_folder
from amazonpay_nb.runs.runner import run, run_one
from docs.regenerate import executed
from tests.processes import PATIENCE, program, until

COMMAND = [sys.executable, "-m", "amazonpay_nb"]
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
STAY = """import os, time
from pathlib import Path
Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
time.sleep(600)"""


def notebook(folder: Path, source: str) -> Path:
    path = folder / "one.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source)], metadata={"kernelspec": KERNEL}), path)
    return path


def with_another(path: Path) -> list[Path]:
    """A run of a single notebook forks no kernel."""
    return [path, Path(shutil.copy(notebook_folder() / "11_any_scenario.ipynb", path.parent))]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


REMAKE = """import os, time
from contextlib import suppress
from pathlib import Path
folder, mark = (Path(os.environ[name]) for name in ("JUPYTER_RUNTIME_DIR", "PID_FILE"))
if not os.fork():
    os.setsid()
    mark.touch()  # from here on, what ends the kernel's group does not end this one
    while folder.exists():
        time.sleep(0.01)
    while not mark.read_text():
        with suppress(OSError):  # it is on its way out still
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "kernel.json").write_text("a key")
            mark.write_text("made anew")
    os._exit(0)
time.sleep(600)"""


@pytest.fixture
def silent_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel that starts, notes that it did, and never answers its first request."""
    folder, starts = tmp_path / "jupyter/kernels/python3", tmp_path / "starts"
    folder.mkdir(parents=True)
    script = 'printf x >> "$0"; exec sleep 600'
    spec = get_kernel_dict() | {"argv": ["sh", "-c", script, str(starts), "{connection_file}"]}
    (folder / "kernel.json").write_text(json.dumps(spec), "utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return starts


def test_a_kernel_that_never_answers_is_given_up_and_tried_once_more(
    tmp_path: Path, silent_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-out, one more try, and a clear message."""
    monkeypatch.setattr(kernels, "START_SECONDS", 2)
    launch = local_provisioner.launch_kernel

    def noted(*arguments: Any, **settings: Any) -> Any:
        before = silent_kernel.read_text() if silent_kernel.exists() else ""
        process = launch(*arguments, **settings)
        assert until(lambda: silent_kernel.exists() and silent_kernel.read_text() != before)
        return process  # its seconds count from now

    monkeypatch.setattr(local_provisioner, "launch_kernel", noted)
    summary = run([notebook(tmp_path, "1")], {}, out=tmp_path / "out")
    assert summary.runs[0].error == "RuntimeError: Kernel didn't respond in 2 seconds"
    assert silent_kernel.read_text() == "xx"


def test_a_kernel_has_no_ports(tmp_path: Path) -> None:
    """Another process cannot take them first; only where the path of a socket is too long for a system it has."""
    with kernel_environment():
        assert RunKernel().transport == "ipc"
        assert RunKernel().ip != RunKernel().ip
        RunKernel.folder = tmp_path / ("x" * 100)
        assert RunKernel().transport == "tcp"


def test_a_kernel_that_takes_no_request_does_not_hold_up_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it in this process is limited, and so is the wait for room there."""
    monkeypatch.setattr(kernels, "_SEND_MILLISECONDS", 20)
    with kernel_environment():
        manager = RunKernel(connection_file=str(tmp_path / "kernel.json"))
        manager.write_connection_file()
        client = manager.client()

        async def ask() -> None:
            client.start_channels(hb=False)
            try:
                for _ in range(10_000):
                    client.kernel_info()
            finally:
                client.stop_channels()

        with pytest.raises(zmq.Again):
            asyncio.run(ask())
        manager.cleanup_connection_file()


def test_an_answer_that_comes_while_something_is_sent_is_seen(tmp_path: Path) -> None:
    """The state of a widget is sent while the end of its cell is waited for; whoever waits hears of nothing more."""
    with kernel_environment(), zmq.Context() as context, context.socket(zmq.ROUTER) as kernel:
        manager = RunKernel(connection_file=str(tmp_path / "kernel.json"))
        manager.write_connection_file()
        client = manager.client()
        kernel.bind(client._make_url("shell"))

        async def ask() -> Any:
            client.start_channels(iopub=False, stdin=False, hb=False, control=False)
            try:
                client.kernel_info()
                who, *_ = kernel.recv_multipart()
                answer = asyncio.ensure_future(client.get_shell_msg(timeout=PATIENCE))
                for _ in range(10):  # until it waits
                    await asyncio.sleep(0)
                client.session.send(kernel, "kernel_info_reply", {}, ident=who)
                # What a send does at first: it looks what has come.
                assert zmq.Socket.shadow(client.shell_channel.socket.underlying).poll(PATIENCE * 1000)
                return await asyncio.wait_for(answer, PATIENCE / 2)
            finally:
                client.stop_channels()

        assert asyncio.run(ask())["msg_type"] == "kernel_info_reply"


def test_what_a_cell_shows_waits_for_a_run_that_is_busy(tmp_path: Path) -> None:
    """All of it; where only the first 1,000 messages were kept, a run would wait for the end of its cell."""

    async def ask() -> tuple[int, str]:
        manager = RunKernel(kernel_name="python3", connection_file=str(tmp_path / "kernel.json"))
        await manager.start_kernel(cwd=str(tmp_path))
        client = manager.client()
        client.start_channels(hb=False)
        try:
            await client.wait_for_ready()
            request = client.execute("for number in range(5000): display(number)")
            await client.get_shell_msg(timeout=PATIENCE)  # which comes behind the last of them
            shown, state = 0, ""
            while state != "idle":
                message = await client.get_iopub_msg(timeout=PATIENCE / 4)
                shown += message["msg_type"] == "display_data"
                if message["parent_header"].get("msg_id") == request:
                    state = message["content"].get("execution_state", "")
            return shown, state
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    with kernel_environment():
        assert asyncio.run(ask()) == (5000, "idle")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
def test_a_run_that_is_stopped_leaves_no_kernel_and_no_verdict(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Not even that of the run before it."""
    out, pid_file, temporary = tmp_path / "out", tmp_path / "pid", tmp_path / "tmp"
    temporary.mkdir()
    out.mkdir()
    for name in ("junit.xml", "report.html", "summary.json"):
        (out / name).write_text("1 passed")
    command = [*COMMAND, "run", str(notebook(tmp_path, STAY)), "--out", str(out)]
    environment = os.environ | {"PID_FILE": str(pid_file), "TMPDIR": str(temporary)}
    with program(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert until(lambda: pid_file.exists() and pid_file.read_text())
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, output
    assert "Traceback" not in output.decode()
    assert until(lambda: not alive(int(pid_file.read_text())))
    assert not [name for name in ("junit.xml", "report.html", "summary.json") if (out / name).exists()]
    assert until(lambda: not list(temporary.iterdir()))


@pytest.mark.parametrize("command", ["run", "export", "kit"])
def test_a_second_signal_breaks_nothing_off(command: str, tmp_path: Path) -> None:
    """`timeout` sends two at once, and so does a person in a hurry; what the first has begun goes on to its end."""
    pid_file, temporary = tmp_path / "pid", tmp_path / "tmp"
    temporary.mkdir()
    arguments = [*COMMAND, command, str(notebook(tmp_path, STAY)), "--out", str(tmp_path / "out")]
    environment = os.environ | {"PID_FILE": str(pid_file), "TMPDIR": str(temporary)}
    with program(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert until(lambda: pid_file.exists() and pid_file.read_text())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 130, output
    assert output.endswith("Interrupted.\n")
    assert "Traceback" not in output
    assert until(lambda: not alive(int(pid_file.read_text())))
    assert until(lambda: not list(temporary.iterdir()))


@pytest.mark.parametrize("options", [[], ["--cold"]], ids=["warm", "cold"])
def test_a_folder_that_a_kernel_makes_anew_goes_too(tmp_path: Path, options: list[str]) -> None:
    """A kernel that starts when its run is killed makes its folder once more, and notices later that it is alone."""
    paths, mark, place = with_another(notebook(tmp_path, REMAKE)), tmp_path / "mark", tmp_path / "tmp"
    place.mkdir()
    command = [*COMMAND, "run", *map(str, paths), "--jobs", "1", *options, "--out", str(tmp_path / "out")]
    with program(
        command, env=os.environ | {"PID_FILE": str(mark), "TMPDIR": str(place)}, stdout=subprocess.DEVNULL
    ) as process:
        assert until(mark.exists)
        process.kill()
    assert until(mark.read_text)
    assert until(lambda: not any(place.iterdir()))


# A server that a cell starts, in the way of one that does not end at the terminal's Ctrl-C either.
CHILD = """import os, signal, subprocess, sys
from pathlib import Path
code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
Path(os.environ["PID_FILE"]).write_text(str(child.pid))
"""
ENDS = {
    "an end": "", "an error": "1 / 0", "a dead kernel": "os._exit(1)", "a flood": "while True: print('x' * 1_000_000)",
}  # fmt: skip


def ended(pid: int) -> bool:
    """Whether a process has gone, or is about to: nobody may have asked how it ended."""
    try:
        return not alive(pid) or Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it has gone meanwhile
        return not alive(pid)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("last", ENDS.values(), ids=ENDS)
def test_what_a_cell_has_started_ends_with_its_kernel(
    last: str, warm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the kernel ends; the next run would meet the server of this one."""
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    notebooks = with_another(notebook(tmp_path, CHILD + last))
    run(notebooks, {}, out=tmp_path / "out", warm=warm)
    assert until(lambda: ended(int((tmp_path / "pid").read_text())))


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_cell_has_started_ends_with_a_run_that_is_stopped(
    number: signal.Signals, warm: bool, tmp_path: Path
) -> None:
    """Before the command does."""
    notebooks, pid_file = with_another(notebook(tmp_path, CHILD + "import time; time.sleep(600)")), tmp_path / "pid"
    options = ("--jobs", "1", "--out", str(tmp_path / "out"), *([] if warm else ["--cold"]))
    command = [*COMMAND, "run", *map(str, notebooks), *options]
    environment = os.environ | {"PID_FILE": str(pid_file)}
    with program(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert until(lambda: pid_file.exists() and pid_file.read_text())
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
    assert until(lambda: ended(int(pid_file.read_text())))


def test_a_run_that_is_stopped_starts_no_kernel_again(tmp_path: Path, silent_kernel: Path) -> None:
    """One that is killed while it starts is not taken for one that failed to."""
    command = [*COMMAND, "run", str(notebook(tmp_path, "1")), "--out", str(tmp_path / "out")]
    with program(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert until(lambda: silent_kernel.exists() and silent_kernel.read_text())
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, silent_kernel.read_text()) == (130, "x"), output


def test_an_interrupt_ends_a_run_that_sleeps(
    tmp_path: Path, silent_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that another thread takes, or that comes a moment too early, wakes nobody."""
    monkeypatch.setattr(kernels, "START_SECONDS", PATIENCE)

    def interrupt() -> None:
        assert until(lambda: silent_kernel.exists() and silent_kernel.read_text())
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run([notebook(tmp_path, "1")], {}, out=tmp_path / "out")
    assert silent_kernel.read_text() == "x"


def test_a_kernel_that_begins_while_its_run_ends_ends_too(
    tmp_path: Path, silent_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops a run sees no process of a kernel that is about to have one."""
    launch, ended, processes = local_provisioner.launch_kernel, threading.Event(), []

    def late(*arguments: Any, **settings: Any) -> Any:
        processes.append(launch(*arguments, **settings))
        ended.wait(PATIENCE)
        return processes[-1]

    monkeypatch.setattr(local_provisioner, "launch_kernel", late)
    with ThreadPoolExecutor(1) as pool:
        with kernel_environment():
            one = pool.submit(run_one, Notebook.read(notebook(tmp_path, "1")), {}, tmp_path)
            assert until(lambda: silent_kernel.exists() and silent_kernel.read_text())
        ended.set()
        assert one.result(PATIENCE).failure
    (process,) = processes
    assert process.wait(PATIENCE) == -signal.SIGKILL


CONNECT = """import os, socket
from unittest import mock
with mock.patch.dict(os.environ, clear=True), mock.patch("builtins.open"):
    try:
        socket.create_connection(("192.0.2.1", 9))
    except OSError:
        pass"""
LOOK_UP = """import asyncio, contextlib, socket, urllib.request
with contextlib.suppress(OSError):
    urllib.request.urlopen("https://example.com")
socket.getfqdn("192.0.2.2")
with contextlib.suppress(OSError):
    await asyncio.get_running_loop().getnameinfo(("192.0.2.3", 80))"""
ALMOST_HERE = """import socket
try:
    socket.getaddrinfo("localhost.example", 80)
except OSError:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b""], [], 0, ("192.0.2.1", 9))"""
STAY_HERE = """import socket
socket.getaddrinfo("0:0:0:0:0:0:0:1", 80)
socket.getfqdn(), socket.getfqdn("127.0.0.1"), socket.getnameinfo(("127.0.0.1", 80), 0)
with socket.create_server(("127.0.0.1", 0)) as server:
    for name in ("127.0.0.1", "0.0.0.0", "127.1", "LOCALHOST"):
        socket.create_connection((name, server.getsockname()[1])).close()"""


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (CONNECT, "192.0.2.1"), (LOOK_UP, "example.com, 192.0.2.2, 192.0.2.3"),
        (ALMOST_HERE, "localhost.example, 192.0.2.1"), (STAY_HERE, None),
    ],
    ids=["address", "name", "like this machine", "this machine"],
)  # fmt: skip
def test_a_connection_to_another_machine_fails_an_offline_run(
    tmp_path: Path, source: str, error: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the notebook goes on without it, or a proxy on this machine would lead there."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    summary = run([notebook(tmp_path, source)], {}, out=tmp_path / "out", offline=True)
    expected = error and f"It tried to connect to {error}, and this run is offline."
    assert summary.runs[0].error == expected
    assert not list((tmp_path / "out").glob("*.connections"))


@pytest.mark.parametrize("warm", [False, True])
def test_an_offline_run_fails_where_nobody_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, warm: bool
) -> None:  # fmt: skip
    """A kernel's own file replaces the variable that lets the watch in, as ``ipykernel install --env`` writes it."""
    folder = tmp_path / "jupyter/kernels/python3"
    folder.mkdir(parents=True)
    spec = get_kernel_dict() | {"env": {"PYTHONPATH": str(tmp_path)}}
    (folder / "kernel.json").write_text(json.dumps(spec), "utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    paths = with_another(notebook(tmp_path, CONNECT))
    summary = run(paths, {}, out=tmp_path / "out", offline=True, warm=warm)
    unseen = "Its kernel does not take PYTHONPATH from this run, so nobody saw what it connects to."
    assert [one.error for one in summary.runs] == [unseen, unseen]


def test_nothing_is_read_or_written_through_a_link_that_waits_for_a_run(tmp_path: Path) -> None:
    """In the place of the journal, or of the connections, which an error would quote."""
    path, theirs = notebook(tmp_path, CONNECT), tmp_path / "theirs"
    theirs.write_text("mine alone")
    (tmp_path / "out").mkdir()
    for ending in (".connections", ".journal.jsonl"):
        (tmp_path / "out" / path.name).with_suffix(ending).symlink_to(theirs)
    assert run([path], {}, out=tmp_path / "out").runs[0].error is None
    assert theirs.read_text() == "mine alone"


def test_what_a_system_cannot_do_is_no_other_run(tmp_path: Path) -> None:
    """A system that has no process left says *try again*, as a lock does."""
    with pytest.raises(ConfigurationError, match="Resource temporarily unavailable"), report_folder(tmp_path, ()):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second says so, and leaves the first one's files alone."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text("the first one's")
    held = os.open(out, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(ConfigurationError, match="Another run is writing into"):
        run([notebook(tmp_path, "1")], {}, out=out)
    os.close(held)
    assert (out / "summary.json").read_text() == "the first one's"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A sentence and exit code 2, no traceback."""
    (tmp_path / "file").write_text("")
    out = tmp_path / "file/out"
    command = [*COMMAND, "run", str(notebook(tmp_path, "1")), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said = f"ConfigurationError: {out}: Not a directory. Choose another folder with --out."
    assert done.stderr.split() == said.split()


def test_what_a_shell_says_to_python_and_jupyter_does_not_reach_the_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optimized Python skips assertions, warnings as errors keep a kernel from starting, exercises would be solved."""
    monkeypatch.setenv("AMAZONPAY_NB_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    (tmp_path / "start.py").write_text("started = True", "utf-8")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "start.py"))
    summary = run(
        [notebook(tmp_path, "import os\nassert 'started' in globals() or 'AMAZONPAY_NB_PROGRESS' in os.environ")],
        {},
        out=tmp_path / "out",
    )
    error = summary.runs[0].error or ""
    assert re.match("AssertionError", error), error


def test_a_notebook_leaves_nothing_to_the_next_kernel_of_its_thread(tmp_path: Path) -> None:
    """Whoever starts it: here the writer of the committed outputs does."""
    path = notebook(tmp_path, "import os\nos.environ.get('AMAZONPAY_NB_JOURNAL', 'no' + 'ne')")
    with kernel_environment():
        (tmp_path / "out").mkdir()
        run_one(Notebook.read(path), {}, tmp_path / "out")
        assert "'none'" in executed(path)


def test_outputs_may_come_long_after_the_end_of_their_cell(tmp_path: Path) -> None:
    """As on a machine that has other things to do."""
    source = "import sys, time\nsys.stdout.flush_timeout = sys.stderr.flush_timeout = 0\n"
    source += "get_ipython().kernel.iopub_thread.schedule(lambda: time.sleep(5))\n'late'"
    assert run([notebook(tmp_path, source)], {}, out=tmp_path / "out").passed
    (cell,) = nbformat.read(tmp_path / "out/one.ipynb", 4).cells
    assert cell.outputs[0].data["text/plain"] == "'late'"
