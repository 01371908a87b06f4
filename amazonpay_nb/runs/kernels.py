"""The kernels of a run: what surrounds them, how they start, and that none outlives the run."""

import json
import math
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakSet

import nbformat
import papermill
import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager
from tenacity import retry, retry_if_exception, stop_after_attempt
from traitlets import Dict, Type, default
from traitlets.config import Config

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs import MOST_JOBS
from amazonpay_nb.runs.warm import WarmProvisioner
from amazonpay_nb.temporary import TemporaryFolder
from amazonpay_nb.workbench.kernel import PROGRESS, SESSION
from amazonpay_nb.workbench.tracebacks import CONFIG, CONFIG_FILE

# A cell that takes longer is stuck, because no person is there to help.
CELL_TIMEOUT_SECONDS = 600
# Files that a job has open, which are sockets and pipes of its kernel, its event loop and its folders: 30 as a rule.
# And those that a run has besides.
FILES_OF_JOB, FILES_BESIDE = 32, 64
START_SECONDS = 60  # for a kernel to answer its first request
# A request to a kernel leaves this process at once; where it does not, the kernel is stuck.
_SEND_MILLISECONDS = 30_000
ANSWER_SECONDS = 10  # for the answer of a kernel that has ended a cell; one that fails at the answer gives none
# Session -> the request of the cell that has ended without an answer, and when.
_ended: WeakKeyDictionary[Any, tuple[dict[str, Any], float]] = WeakKeyDictionary()
_MOST_UNREAD = 100_000  # messages; ZeroMQ drops what comes behind them, and with it the end of the cell
_GLANCE_SECONDS = 1.0  # between two looks whether an answer is there
_CONNECT_MILLISECONDS = 5  # until the next try, while a kernel that starts has no sockets yet
_LONGEST_TEXT = 1_000_000  # characters of what a cell prints: to mask the secrets in as many takes a second
_FLOOD = 50_000_000  # bytes that a cell sends
_CONTENT = 4  # the place of a message's content among its frames, before that of pictures and others in binary
_LONGEST_ADDRESS = 80  # bytes of a socket's path, of which systems allow about 100
# What jupyter_client says of a kernel that ended before it answered, and of one that does not answer.
_NOT_STARTED = ("Kernel died before replying to kernel_info", "Kernel didn't respond in")
# What a person's shell says to Python and Jupyter, and what would change a notebook's results or keep it from starting.
_PERSONAL = (PROGRESS, SESSION, "JUPYTER_PREFER_ENV_PATH", "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS")


class _Channel(AsyncZMQSocketChannel):
    """Ends a kernel whose cell floods, with whatever it sends: it would fill the memory."""

    arrived = printed = 0  # of a cell

    async def _recv(self, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        _, frames = self.session.feed_identities(await self.socket.recv_multipart(copy=False, **options), copy=False)
        before = self.arrived
        self.arrived += sum(len(frame) for frame in frames[_CONTENT:])
        if before <= _FLOOD < self.arrived:
            RunKernel.give_up(self.session, f"A cell printed or showed more than {_FLOOD:,} bytes.")
        if self.arrived > _FLOOD:
            return {"msg_type": "", "parent_header": {}}  # an answer to nothing, until the end of the kernel is seen
        message: dict[str, Any] = self.session.deserialize(frames, copy=False)
        if message["msg_type"] in ("execute_input", "execute_reply"):
            self.arrived = self.printed = 0
            _ended.pop(self.session, None)
        return message


class _ShellChannel(_Channel):
    """Sees an answer that comes while something is sent, such as the state of a widget: that hides it from a wait.

    And answers for a kernel that does not, where what failed cannot be sent.
    """

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # type: ignore[override]
        """Return the next answer, or raise Empty after *timeout* seconds; meanwhile, look again and again."""
        end = time.monotonic() + (math.inf if timeout is None else timeout)
        while (left := end - time.monotonic()) > _GLANCE_SECONDS:
            with suppress(Empty):
                return await super().get_msg(_GLANCE_SECONDS)
            cell, since = _ended.get(self.session, ({}, math.inf))
            if time.monotonic() - since > ANSWER_SECONDS:
                del _ended[self.session]
                unsaid = {"status": "error", "ename": "", "evalue": "", "traceback": []}
                return self.session.msg("execute_reply", unsaid, parent=cell)
        return await super().get_msg(max(left, 0))


class _OutputChannel(_Channel):
    """Keeps the beginning of what a cell prints."""

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # type: ignore[override]
        """Return the next message."""
        message: dict[str, Any] = await super().get_msg(timeout)
        content, request = message.get("content", {}), message["parent_header"]
        if content.get("execution_state") == "idle" and request.get("msg_type") == "execute_request":
            _ended[self.session] = request, time.monotonic()
        if message["msg_type"] == "stream":
            before = self.printed
            self.printed += len(content["text"])
            if self.printed > _LONGEST_TEXT:
                rest = "\n… What follows is left out.\n" if before <= _LONGEST_TEXT else ""
                content["text"] = content["text"][: max(_LONGEST_TEXT - before, 0)] + rest
        return message


class _RunClient(AsyncKernelClient):
    """Has its answer as soon as the kernel has it, no request that waits forever, and no flood."""

    shell_channel_class = Type(_ShellChannel)
    iopub_channel_class = Type(_OutputChannel)

    def _context_default(self) -> zmq.asyncio.Context:
        context = super()._context_default()
        context.sndtimeo, context.reconnect_ivl = _SEND_MILLISECONDS, _CONNECT_MILLISECONDS
        context.rcvhwm = _MOST_UNREAD
        return context

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until a kernel answers and its outputs arrive; Jupyter would listen to it for 0.2 seconds more."""
        timeout = timeout or START_SECONDS
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with suppress(TimeoutError, Empty):
                await self.kernel_info(reply=True, timeout=1)
                await self.get_iopub_msg(timeout=1)
                return
            if not await self.is_alive():
                raise RuntimeError(_NOT_STARTED[0])
        raise RuntimeError(f"{_NOT_STARTED[1]} {timeout:g} seconds")


class RunKernel(AsyncKernelManager):
    """A kernel without ports, which another process could take first."""

    variables = Dict().tag(config=True)  # what it gets besides the environment of all
    live: ClassVar["WeakSet[RunKernel]"] = WeakSet()
    folder: ClassVar[Path]
    files: ClassVar[tuple[int, ...]] = ()  # that it inherits
    warm: ClassVar[bool] = False
    wanted: ClassVar[bool] = False  # until the run ends, or is stopped

    @default("transport")
    def _transport(self) -> str:
        return "ipc" if len(os.fsencode(self.folder)) < _LONGEST_ADDRESS else "tcp"

    @default("ip")
    def _ip(self) -> str:
        return str(self.folder / uuid4().hex[:8]) if self.transport == "ipc" else str(super()._ip_default())

    @default("connection_file")
    def _connection_file(self) -> str:
        return str(self.folder / f"{uuid4().hex}.json")  # it holds a key

    @default("client_factory")
    def _client(self) -> type[AsyncKernelClient]:
        return _RunClient

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        self.live.add(self)
        spec = self.kernel_spec
        if self.warm and not self.provisioner and spec and "kernel_provisioner" not in spec.metadata:
            self.provisioner = WarmProvisioner(kernel_id=self.kernel_id, kernel_spec=spec, parent=self)
        # What a cell's programs print is in its notebook, masked; a kernel copies it to these.
        options |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": os.environ | self.variables}
        return await super()._async_pre_start_kernel(**options, pass_fds=self.files)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        try:
            await super()._async_launch_kernel(kernel_cmd, **options)
        finally:
            if not self.wanted and self.provisioner:  # the run ended meanwhile, and could not end this one
                self.end()

    def end(self) -> None:
        """End the kernel and what its cells have started."""
        provisioner: Any = self.provisioner
        if pid := getattr(provisioner, "pid", None):
            provisioner.pid = None  # once: it may be another process's next
            with suppress(OSError):  # a fork may have no group yet
                os.killpg(pid, signal.SIGKILL)
        if process := getattr(provisioner, "process", None):
            process.kill()

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        self.end()  # it may have died by itself
        await super()._async_cleanup_resources(restart)

    cleanup_resources = _async_cleanup_resources  # as Jupyter calls it after a death

    @classmethod
    def give_up(cls, session: Any, reason: str) -> None:
        """End the kernel of a session, and note why."""
        for kernel in list(cls.live):
            if kernel.session.key == session.key:
                with Path(kernel.variables.get("AMAZONPAY_NB_NOTES", os.devnull)).open("a", encoding="utf-8") as notes:
                    notes.write(f"\n{json.dumps({'failure': reason})}\n")  # after half a line of the kernel's
                kernel.end()

    async def _async_wait(self, pollinterval: float = 0.01) -> None:
        await super()._async_wait(pollinterval)  # it ends at once; Jupyter looks ten times a second


def room_for_jobs() -> int:
    """Return for how many jobs this process may open files, and raise its own limit as far as the system's allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES_BESIDE + MOST_JOBS * FILES_OF_JOB
    files = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if resource.RLIM_INFINITY != soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(files - FILES_BESIDE, 0) // FILES_OF_JOB


def check_name(temporary: Path) -> None:
    """Raise ConfigurationError where the name of the folder for temporary files is not UTF-8."""
    try:
        str(temporary).encode()
    except UnicodeEncodeError:  # as ZeroMQ and the notebooks need it
        problem = f"No kernel can use {temporary}: its name is not UTF-8."
        raise ConfigurationError(problem, advice="Set TMPDIR to another folder.") from None


@contextmanager
def kernel_environment(*, offline: bool = False, warm: bool = False) -> Iterator[None]:
    """Give the kernels of this process an environment without a person's traces, and leave no kernel at the end.

    A reader's IPython start-up files must not change what a notebook does, and a kernel must not take this for a
    JupyterLab session, in which it would wait for a person to play the buyer.  Whatever a kernel leaves in its
    temporary folder, an emulated key for example, is deleted with that folder.  Each explains the errors of its cells.

    *offline*, every connection to another machine fails, and is noted in the file AMAZONPAY_NB_OFFLINE; *warm* ones are
    forked from a process that has imported everything once, where that is possible.

    Raises:
        ConfigurationError: The name of the temporary folder is not UTF-8.
    """
    with closing(TemporaryFolder()) as folder:
        check_name(folder.path.parent)
        ours = dict.fromkeys(("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"), str(folder.path))
        (folder.path / CONFIG_FILE).parent.mkdir()
        (folder.path / CONFIG_FILE).write_text(json.dumps(CONFIG), "utf-8")
        if offline:
            # Python imports a module of this name when it starts.
            shutil.copyfile(Path(__file__).with_name("offline.py"), folder.path / "sitecustomize.py")
            ours["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder.path), os.environ.get("PYTHONPATH")]))
        # A proxy may be on this machine, and lead beyond it.
        proxies = [name for name in os.environ if offline and name.lower().endswith("_proxy")]
        kept = {name: os.environ.pop(name, None) for name in (*_PERSONAL, *proxies, *ours)}
        os.environ.update(ours)
        RunKernel.folder, RunKernel.files = folder.path, (folder.users,)
        RunKernel.warm, RunKernel.wanted = warm, True
        try:
            yield
        finally:
            RunKernel.wanted, RunKernel.warm, RunKernel.files = False, False, ()
            for kernel in list(RunKernel.live):
                kernel.end()  # whoever waits for an answer learns that it has died
            WarmProvisioner.stop()
            for name in ours:
                del os.environ[name]
            os.environ.update({name: value for name, value in kept.items() if value is not None})


def _has_not_started(error: BaseException) -> bool:
    stuck = isinstance(error, zmq.Again) or any(words in str(error) for words in _NOT_STARTED)
    return stuck and RunKernel.wanted


@retry(retry=retry_if_exception(_has_not_started), stop=stop_after_attempt(2), reraise=True)
def execute(
    document: Any, folder: Path, executed: Path, values: Mapping[str, Any], variables: Mapping[str, str] | None = None
) -> None:
    """Execute a notebook with *values* as its parameters and write it, with its outputs, to *executed*.

    Its kernel starts in *folder* with further *variables*; one that does not is given up after `START_SECONDS`, and
    started once more.

    Raises:
        papermill.PapermillExecutionError: A cell failed; what ran until then is written.
        RuntimeError: The kernel did not start, or it died.
        zmq.Again: The kernel takes no request.
    """
    # A kernel that dies loses its results; the report still has a notebook to show.
    nbformat.write(document, executed)
    papermill.execute_notebook(
        executed, executed, parameters=dict(values), kernel_name="python3", language="python", progress_bar=False,
        # Outputs may come later than the answer that their cell has ended.
        start_timeout=START_SECONDS, execution_timeout=CELL_TIMEOUT_SECONDS, iopub_timeout=CELL_TIMEOUT_SECONDS,
        kernel_manager_class=RunKernel, config=Config(RunKernel={"variables": dict(variables or {})}),
        # Written once, at the end: papermill would write the whole file at every cell.
        request_save_on_cell_execute=False, autosave_cell_every=0,
        # A graceful end stalls some kernels for three seconds.
        shutdown_kernel="immediate",
        # papermill's cwd= would move the whole process.
        resources={"metadata": {"path": str(folder.resolve())}},
    )  # fmt: skip
