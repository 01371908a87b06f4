"""Kernels that are forked from a process which has imported everything once, the *origin*; on Linux.

A kernel of one's own makes a notebook wait for Python and its libraries; a fork has them, and is a process like any
other.  The origin is started by the first kernel and answers each request, a message on a connection that it shares
with nobody else, with the number of a process.  When the connection ends, it ends its kernels, and itself.
"""

import asyncio
import builtins
import gc
import io
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from multiprocessing.connection import Connection, Pipe, wait
from types import SimpleNamespace
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from tqdm import tqdm  # type: ignore[import-untyped]

from amazonpay_nb.spec.data import read
from amazonpay_nb.texts import compile_templates

_ANSWER_SECONDS = 60  # the origin imports everything before its first answer
_KERNEL = ("-m", "ipykernel_launcher")
_SERVE = """import sys
sys.path[:] = filter(None, sys.path)
from amazonpay_nb.runs.warm import serve
serve(*map(int, sys.argv[1:]))"""


class _Process:
    """A kernel that is a child of the origin, in the form of `subprocess.Popen`; how it ended is not known."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        try:
            self.pid, self._handle = pid, os.pidfd_open(pid)
        except OSError:  # an older system, or what keeps a container in: Jupyter starts another one
            os.kill(pid, signal.SIGKILL)
            raise
        weakref.finalize(self, os.close, self._handle)

    def poll(self) -> int | None:
        return 0 if wait([self._handle], 0) else None

    def send_signal(self, number: int) -> None:
        signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)

    # Jupyter waits for one that has ended, and terminates by a signal where it can.
    wait, terminate = poll, kill


class _Origin:
    def __init__(self, python: Sequence[str], environment: Mapping[str, str], files: Sequence[int]) -> None:
        self.start = _start(python, environment, files)
        self.connection, other = Pipe()
        with other:
            self.process = subprocess.Popen(  # noqa: S603 (this interpreter)
                [*python, "-c", _SERVE, str(other.fileno())], pass_fds=[other.fileno(), *files],
                # Its thread would be one too many for a fork.
                env={**environment, "OPENBLAS_NUM_THREADS": "1"},
                # A terminal's Ctrl-C is for the run.
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def fork(self, request: Mapping[str, Any]) -> _Process:
        self.connection.send(request)
        if not self.connection.poll(_ANSWER_SECONDS):
            self.process.kill()  # a late answer would be a second kernel with the sockets of another one
            raise TimeoutError("it takes too long")
        return _Process(self.connection.recv())

    def close(self) -> None:
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_ANSWER_SECONDS)
        self.process.kill()


def _start(python: Sequence[str], environment: Mapping[str, str], files: Sequence[int]) -> list[str]:
    """Return what a process has from its start, and what a fork can therefore not have otherwise."""
    settings = (f"{name}={text}" for name, text in environment.items() if name.startswith("PYTHON"))
    return [*python, *map(str, files), *sorted(settings)]


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel of this Python as a fork; any other one, and any at all where that fails, as Jupyter does."""

    _lock = threading.Lock()
    _origin: _Origin | None = None
    _failed = False

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Start the kernel; with other options than ``env``, ``cwd`` and ``pass_fds``, as Jupyter does."""
        options, at = self._scrub_kwargs(options), cmd.index("-m") if "-m" in cmd else 0
        others = {name for name, value in options.items() if value != subprocess.DEVNULL} - {"env", "cwd", "pass_fds"}
        usual = cmd[:1] == [sys.executable] and tuple(cmd[at : at + 2]) == _KERNEL and not others
        self.process: Any = None
        if usual and sys.platform == "linux":
            environment = {**(options.get("env") or os.environ), "JPY_PARENT_PID": str(os.getpid())}
            cwd = os.fspath(options.get("cwd") or os.curdir)
            request = {"arguments": cmd[at + 2 :], "cwd": cwd, "environment": environment}
            self.process = await asyncio.to_thread(self._fork, cmd[:at], request, options.get("pass_fds", ()))
        if not self.process:
            return await super().launch_kernel(cmd, **options)
        self.pid = self.pgid = self.process.pid
        self.cwd = options.get("cwd")
        return self.connection_info

    @classmethod
    def _fork(cls, python: list[str], request: dict[str, Any], files: Sequence[int]) -> _Process | None:
        with cls._lock:
            try:
                if not cls._failed:
                    cls._origin = cls._origin or _Origin(python, request["environment"], files)
                    if cls._origin.start == _start(python, request["environment"], files):
                        return cls._origin.fork(request)
            except (OSError, EOFError) as error:
                cls._failed = True  # its kernels go on
                problem = f"The process that kernels are forked from does not answer: {str(error) or 'it has ended'}"
                tqdm.write(f"{problem}. Kernels start one by one from here on, which takes longer.", file=sys.stderr)
        return None

    @classmethod
    def stop(cls) -> None:
        """End the origin and its kernels; the next kernel starts another one."""
        with cls._lock:
            if cls._origin:
                cls._origin.close()
            cls._origin, cls._failed = None, False


def serve(number: int) -> None:
    """Import everything, compile the pages, and fork a kernel for each message on the connection that is file *number*.

    The kernels end with the connection, however that ends.
    """
    gc.disable()  # next to nothing of what follows is garbage
    control = Connection(number)
    # Libraries, such as pandas, look at their import whether they are in a kernel, and how it encodes what is printed;
    # and what they say then is said in no kernel.
    setattr(builtins, "get_ipython", lambda: SimpleNamespace(kernel=None))  # noqa: B010 (mypy knows no such builtin)
    screen, before = io.TextIOWrapper(io.BytesIO(), "UTF-8"), dict(os.environ)
    for name in read("warm.toml", beside=__file__)["imports"]:
        with suppress(ImportError), redirect_stdout(screen), redirect_stderr(screen):
            import_module(name)
    compile_templates()
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # OpenSSL reads its settings for the first one
    del builtins.get_ipython  # type: ignore[attr-defined]
    imported = dict(os.environ.items() - before.items())  # what libraries, such as debugpy, set at their import
    kernels: list[int] = []
    # What all kernels share is not looked through again, and not copied for it.
    gc.freeze()
    gc.enable()
    pid = 1  # 0 in a fork
    with suppress(EOFError, ConnectionError):
        while pid:
            request = control.recv()
            if pid := os.fork():
                kernels = [pid, *(kernel for kernel in kernels if not os.waitpid(kernel, os.WNOHANG)[0])]
                control.send(pid)
    if not pid:
        control.close()  # it would hear of other kernels, and hide that the origin has ended
        return _become_kernel(imported, **request)
    for kernel in kernels:
        for kill in (os.killpg, os.kill):  # with what its cells have started; it may have no group yet
            with suppress(ProcessLookupError):
                kill(kernel, signal.SIGKILL)
        os.waitpid(kernel, 0)
    os._exit(0)  # what was imported needs no end


def _become_kernel(imported: dict[str, str], arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):  # a kernel copies to these what its cells' programs print
        os.dup2(nothing, number)
    os.close(nothing)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment | imported)
    sys.audit("amazonpay_nb.fork")  # `runs.offline` hears it
    time.tzset()
    tempfile.tempdir = None  # of another TMPDIR
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # its global state is the origin's; all other randomness notices a fork
    import ipykernel_launcher  # type: ignore[import-untyped]
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = [ipykernel_launcher.__file__, *arguments]
    # 1 is a parent that is not watched: the one to watch is not the origin.
    IPKernelApp.launch_instance([*arguments, "--IPKernelApp.parent_handle=1"])
