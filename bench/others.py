"""What we compare with: installed into ``.cache/bench`` on first use, started on loopback, stopped afterward."""

import operator
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from bench.measure import Unavailable, say

__all__ = ["localstripe", "node", "prism", "process", "script", "wait_until"]

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "bench"
LOCALSTRIPE = "localstripe==1.15.10"


def script(name: str) -> str:
    """Return the path of a command that is installed beside this Python."""
    return str(Path(sys.executable).parent / name)


@contextmanager
def process(*command: str | Path, stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """Run a server for the length of a block."""
    # What a server prints goes nowhere unless it is read: a full pipe would stop it.
    with subprocess.Popen(
        [str(part) for part in command], stdout=stdout, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            yield server
        finally:
            server.terminate()


def wait_until(ready: Callable[[], bool], server: subprocess.Popen[str], name: str) -> None:
    """Ask *ready* every 20 ms until it is true.

    Raises:
        Unavailable: The server ended, or was not ready after 30 seconds.
    """
    waiting = Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.02), retry=retry_if_result(operator.not_))
    try:
        waiting(lambda: server.poll() is not None or ready())
    except RetryError:
        raise Unavailable(f"{name} was not ready after 30 s") from None
    if server.returncode is not None:
        raise Unavailable(f"{name} ended with code {server.returncode} before it was ready")


def node() -> tuple[str, Path]:
    """Return the Node command and the folder ``node_modules``, installed from the committed lock.

    Raises:
        Unavailable: There is no Node or npm, or the packages cannot be installed.
    """
    node_command, npm = shutil.which("node"), shutil.which("npm")
    if node_command is None or npm is None:
        raise Unavailable("Node and npm are not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    lock, installed = HERE / "package-lock.json", CACHE / "package-lock.json"
    modules = CACHE / "node_modules"
    # npm writes this file last: where it is missing, an earlier install was interrupted.
    complete = (modules / ".package-lock.json").exists()
    if not complete or not installed.exists() or installed.read_bytes() != lock.read_bytes():
        say("installing the Node packages to compare with (once)")
        shutil.copy(HERE / "package.json", CACHE)
        shutil.copy(lock, CACHE)
        run_once([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    return node_command, modules


def run_once(command: list[str]) -> None:
    done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {done.stderr.strip().splitlines()[-1:]}")


@contextmanager
def prism() -> Iterator[str]:
    """Run Prism, a stateless mock server, on the OpenAPI document of the API that we emulate; yield its address."""
    node_command, modules = node()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    entry = modules / "@stoplight" / "prism-cli" / "dist" / "index.js"
    # Without a log it is fastest; it then does not say when it is ready either, so it is asked.
    arguments = ["mock", "--host", "127.0.0.1", "--port", str(port), "--verboseLevel", "silent"]
    with process(node_command, entry, *arguments, HERE.parent / "docs" / "openapi.json") as server:
        wait_until(lambda: answers(url), server, "Prism")
        yield url


def answers(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.TransportError:
        return False
    return True


@contextmanager
def localstripe() -> Iterator[str]:
    """Run localstripe, a stateful stand-in for another payment service, and yield its address."""
    folder = CACHE / "localstripe"
    python = folder / "bin" / "python"
    if not (folder / "bin" / "localstripe").exists():
        say("installing localstripe to compare with (once)")
        CACHE.mkdir(parents=True, exist_ok=True)
        uv = shutil.which(script("uv")) or shutil.which("uv")
        if uv is None:
            raise Unavailable("uv is not installed")
        run_once([uv, "venv", "--clear", "--python", sys.executable, str(folder)])
        run_once([uv, "pip", "install", "--python", str(python), LOCALSTRIPE])
    with process(python, HERE / "localstripe_on_loopback.py", stdout=subprocess.PIPE) as server:
        url = next(iter(server.stdout or ()), "").strip()
        if not url:
            raise Unavailable("localstripe did not start")
        yield url
