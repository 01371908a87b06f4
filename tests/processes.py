"""An emulator in a process of its own, which can be killed, filled up and measured."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb.emulator import Credentials
from amazonpay_nb.emulator.remote import Control
from amazonpay_nb.signing.keys import load

# Seconds for what has to happen, on a machine that has other things to do.
PATIENCE = 300


@contextmanager
def endless(first: bytes, piece: bytes) -> Iterator[str]:
    """Yield the address of a server whose answers never end: after its beginning, one piece soon after another."""
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.sendall(first)
            while not over.wait(0.05):
                client.sendall(piece)

    def accept() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                threading.Thread(target=drip, args=listener.accept()[:1], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


# What an endless answer begins with, and goes on with.
ENDLESS = {
    "heads": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "head": (b"HTTP/1.1 200 OK\r\nx: ", b"x"),
    "body": (b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b" "),
}

PROCESS = """
import json, sys
from pathlib import Path
from amazonpay_nb.emulator import Emulator
emulator = Emulator("na", **json.loads(sys.argv[2]))
emulator.write_ready_file(Path(sys.argv[1]))
print("ready", flush=True)
emulator.run()
"""


def until(condition: Callable[[], object]) -> bool:
    """Wait for a condition, and give whether it holds."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(value)


def answers(port: int) -> bool:
    """Tell whether a server listens there."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Remote:
    """What `Shop` needs to know of an emulator in another process, and the process."""

    def __init__(self, ready: dict[str, Any], process: "subprocess.Popen[str]") -> None:
        self.url, self.region, self.verify = ready["url"], ready["region"], True
        path = Path(ready["privateKeyFile"])
        self.merchant = Credentials(
            ready["merchantId"], ready["storeId"], ready["publicKeyId"], ready["neutralPublicKeyId"], path,
            load(path, ready["publicKeyId"]),
        )  # fmt: skip
        self.process = process
        self.control = Control(ready["controlUrl"], ready["controlToken"], ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def megabytes(self) -> float:
        """The memory that the process holds now."""
        shown = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return int(shown.stdout) / 1024

    def handles(self) -> int:
        """How many files and connections the process has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@contextmanager
def program(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Start a program and wait for its end, as `Popen` does; where a test fails meanwhile, nobody would end it."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


@contextmanager
def emulator(folder: Path, **arguments: Any) -> Iterator[Any]:
    """Start an emulator with these *arguments*, and kill it at the end."""
    ready = folder / "ready.json"
    command = [sys.executable, "-c", PROCESS, str(ready), json.dumps(arguments, default=str)]
    with program(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            remote = Remote(json.loads(ready.read_text()), process)
            yield remote
            remote.control.close()
        finally:
            process.kill()


@contextmanager
def listener() -> Iterator[tuple[str, set[str]]]:
    """Listen for notifications; give the address, and the set of ids of what has arrived."""
    arrived: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            envelope = json.loads(self.rfile.read(int(self.headers["content-length"])))
            arrived.add(json.loads(envelope["Message"])["NotificationId"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", arrived
        server.shutdown()


# The shell's first argument becomes read-only, for root as well.
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$PWD" && exec "$@"'


def read_only(path: Path, *command: str) -> list[str]:
    """The command, for which a file or folder is read-only for root, too; for others its mode has to say so."""
    if os.geteuid():
        return [*command]
    wrapped = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(path)]
    if subprocess.run([*wrapped, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")
    return [*wrapped, *command]


def read_only_root(writable: Path, *command: str) -> list[str]:
    """The command, for which only this folder can be written to, as in a container with a read-only file system."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind / && exec "$@"'
    wrapped = ["unshare", "--mount", "sh", "-c", script, str(writable)]
    if subprocess.run([*wrapped, "true"], capture_output=True, check=False).returncode:
        return [*command]
    return [*wrapped, *command]
