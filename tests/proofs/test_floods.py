"""Floods from strangers, who sign nothing: memory and log stay small, and a merchant is answered afterward."""

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from select import select
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from amazonpay_nb.connection import MAX_CONNECTIONS, MAX_HEAD_BYTES
from amazonpay_nb.emulator.world import JOURNAL_LENGTH
from amazonpay_nb.loopback import MAX_BODY_BYTES
from tests.emulated import Shop
from tests.processes import PATIENCE, PROCESS, Remote, emulator, program, until
from tests.proofs.sizes import size

MEGABYTES_AT_MOST = 150
MEGABYTES_OVER_TLS = 200  # a quarter of one more for each of 128 connections, and as many again that were just closed
MEGABYTE = b"x" * 2**20
CALL = b"GET /v2/charges/x HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HALF_BODY = CALL.replace(b"GET", b"POST")[:-2] + b"content-length: %d\r\n\r\n" % MAX_BODY_BYTES
HALF_BODY += b"x" * (MAX_BODY_BYTES - 1)
STAGE = [sys.executable, "-m", "amazonpay_nb", "demo", "--no-browser", "--ready-file"]
SHORT_CALLS = b"GET / HTTP/1.1\r\nhost:127.0.0.1\r\n\r\n" * 5000
LARGEST = HALF_BODY.replace(b"\r\n\r\n", b"\r\n" + (b"a:" + b"x" * 600 + b"\r\n") * 97 + b"\r\n") + b"x"
LONG_CALLS = SHORT_CALLS[: len(SHORT_CALLS) // 100] + LARGEST * 3


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    with emulator(tmp_path, seed=7) as remote:
        yield remote


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=PATIENCE)


def flood(remote: Remote, *pieces: bytes) -> bytes:
    """Send until all is sent or the connection is closed, and return the beginning of the answer; "" after a reset."""
    with connect(remote.url) as stranger:
        with suppress(ConnectionError):
            for piece in pieces:
                stranger.sendall(piece)
        with suppress(ConnectionError):
            return stranger.recv(4096)
    return b""


def pour(strangers: list[socket.socket], content: bytes) -> None:
    """Send to all in turns, until all is sent or nobody is read from: they are in the middle of it together."""
    left = {stranger: memoryview(content) for stranger in strangers}
    for stranger in strangers:
        stranger.setblocking(False)
    while left and (ready := select([], left, [], 1.0)[1]):
        for stranger in ready:
            try:
                left[stranger] = left[stranger][stranger.send(left[stranger][: 2**14]) :]
            except ssl.SSLWantWriteError:
                continue
            except OSError:
                left[stranger] = memoryview(b"")
            if not left[stranger]:
                del left[stranger]


def long_targets(remote: Remote) -> None:
    """Targets of a megabyte each, and of as much as is read, each of which the journal could keep."""
    for _ in range(size(50, 1000)):
        assert flood(remote, b"GET /v2/charges/", MEGABYTE, b" HTTP/1.1\r\n\r\n").startswith((b"", b"HTTP/1.1 431"))
    allowed = b"GET /v2/charges/" + b"x" * (MAX_HEAD_BYTES - 100) + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    for _ in range(JOURNAL_LENGTH):
        assert flood(remote, allowed).startswith(b"HTTP/1.1 400")
    assert len(str(remote.control.get("journal"))) < JOURNAL_LENGTH * 1000


def endless_headers(remote: Remote) -> None:
    """One header value of 60 MB, 200 MB of headers that never end, and the same after a body."""
    flood(remote, b"GET / HTTP/1.1\r\nx: ", *[MEGABYTE] * 60)
    flood(remote, b"GET / HTTP/1.1\r\n", *[b"x: y\r\n" * 2**17] * size(50, 250))
    chunked = b"POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: "
    flood(remote, chunked, *[MEGABYTE] * 60)


def nobody_reads(remote: Remote) -> None:
    """Clients that send one call after another and never read: they are not read from either."""
    with ExitStack() as strangers:
        for _ in range(size(5, 100)):
            stranger = strangers.enter_context(connect(remote.url))
            stranger.settimeout(0.2)
            with pytest.raises((TimeoutError, ConnectionError)):
                stranger.sendall(CALL * 1_000_000)
        _merchant_is_answered(remote)


def half_bodies(remote: Remote) -> None:
    """As many connections as there can be, and more, with nearly all of a body that never ends."""
    head = b"POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n" % MAX_BODY_BYTES
    with ExitStack() as strangers:
        inside = []
        for _ in range(MAX_CONNECTIONS):
            inside.append(strangers.enter_context(connect(remote.url)))
            inside[-1].sendall(head + b"x" * (MAX_BODY_BYTES - 1))
        for _ in range(size(50, 1000)):
            # There is room again where the time of one that has an answer is over.
            assert flood(remote, CALL)[9:12] in (b"503", b"") or select(inside, [], [], 0)[0]


def many_headers(remote: Remote) -> None:
    """As many connections as there can be, each with a head of short headers and nearly all of a body."""
    length = b"content-length: %d\r\n" % MAX_BODY_BYTES
    head = b"POST /v2/charges HTTP/1.1\r\nhost: 127.0.0.1\r\n" + length
    head += b"a:\r\n" * ((MAX_HEAD_BYTES - len(head)) // 4 - 1) + b"\r\n"
    with ExitStack() as strangers:
        for _ in range(MAX_CONNECTIONS):
            stranger = strangers.enter_context(connect(remote.url))
            with suppress(ConnectionError):
                stranger.sendall(head + b"x" * (MAX_BODY_BYTES - 1))
    assert until(lambda: flood(remote, CALL)[9:12] not in (b"503", b""))


def long_calls(remote: Remote) -> None:
    """As many connections as there can be, each with some of the largest requests, and no one who reads the answers."""
    with ExitStack() as strangers:
        pour([strangers.enter_context(connect(remote.url)) for _ in range(MAX_CONNECTIONS)], LONG_CALLS)
    assert until(lambda: flood(remote, CALL)[9:12] not in (b"503", b""))


def huge_bodies(remote: Remote) -> None:
    """Bodies of a megabyte, which are refused when they are too large and then not kept."""
    head = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1073741824\r\n\r\n"
    for path in (b"/v2/charges", b"/initiate", b"/checkout/initiate", b"/_control/clock", b"/_control/world"):
        assert flood(remote, head % path, *[MEGABYTE] * size(20, 200))[9:12] in (b"400", b"401", b"413")


def _merchant_is_answered(remote: Remote) -> None:
    with Shop(remote) as shop:  # type: ignore[arg-type]
        assert shop.charge(shop.wallet(), "1.00")


def _peak(process: "subprocess.Popen[Any]") -> float:
    return int(Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.parametrize(
    "kind",
    [long_targets, endless_headers, nobody_reads, half_bodies, many_headers, long_calls, huge_bodies],
    ids=lambda kind: kind.__name__,
)
def test_a_flood_fills_nothing(
    remote: Remote, kind: Callable[[Remote], None], record_property: Callable[[str, object], None]
) -> None:
    """At its highest, memory is a fraction more than what an emulator needs to begin with."""
    kind(remote)
    _merchant_is_answered(remote)
    assert _peak(remote.process) < MEGABYTES_AT_MOST
    assert remote.process.poll() is None
    record_property("work", str(kind.__doc__).rstrip("."))
    record_property("result", f"less than {MEGABYTES_AT_MOST} MB of memory, and a merchant is answered")


@pytest.mark.parametrize("tunnel", [False, True], ids=["to the emulator", "through a tunnel"])
@pytest.mark.parametrize(
    ("content", "rounds"),
    [(b"", 10), (HALF_BODY, 10), (SHORT_CALLS, 2), (LONG_CALLS, 2), (CALL, 10)],
    ids=["the handshake", "a body", "short calls", "long calls", "an answer"],
)
def test_closed_connections_stay_in_no_memory(
    content: bytes, rounds: int, tunnel: bool, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Over TLS, where each has the most of it: round after round, as many as there can be."""
    with emulator(tmp_path, seed=7, **{"proxy" if tunnel else "https": True}) as remote:
        ready = json.loads((tmp_path / "ready.json").read_text())
        context = ssl.create_default_context(cafile=ready["proxyCaFile" if tunnel else "caFile"])
        host = "pay-api.amazon.com" if tunnel else "127.0.0.1"
        sent = content.replace(b"127.0.0.1", host.encode())

        def enter() -> socket.socket:
            stranger = connect(ready["proxyUrl"] if tunnel else remote.url)
            if tunnel:
                stranger.sendall(b"CONNECT %s:443 HTTP/1.1\r\n\r\n" % host.encode())
                if not stranger.recv(4096).startswith(b"HTTP/1.1 200"):
                    stranger.close()
                    raise ConnectionRefusedError
            if content:
                stranger = context.wrap_socket(stranger, server_hostname=host)
            if content == CALL:
                stranger.sendall(sent)
                assert stranger.recv(8) == b"HTTP/1.1"
            return stranger

        def one_enters() -> bool:
            with suppress(OSError):
                enter().close()
                return True
            return False

        rounds, inside = rounds * size(1, 5), 0
        for _ in range(rounds):
            with ExitStack() as strangers:
                entered = []
                for _ in range(MAX_CONNECTIONS):
                    with suppress(OSError):  # those of the round before may still be on their way out
                        entered.append(strangers.enter_context(enter()))
                if content != CALL:
                    pour(entered, sent)
                inside += len(entered)
                assert _peak(remote.process) < MEGABYTES_OVER_TLS
        assert until(one_enters)
    assert inside > rounds * MAX_CONNECTIONS / 2
    record_property("work", "rounds of as many TLS connections as there can be, closed in the middle")
    record_property("result", f"less than {MEGABYTES_OVER_TLS} MB of memory")


def test_commands_of_the_stage_wait_as_they_were_sent(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Small objects, as many as a body holds, take many times its size when they are read."""
    ready, small = tmp_path / "ready.json", b"[%s{}]" % (b"{}," * (MAX_BODY_BYTES // 3 - 1))
    with program([*STAGE, str(ready)], stdout=subprocess.DEVNULL) as process:
        assert until(ready.exists)
        url = urljoin(json.loads(ready.read_text())["url"], "/do")
        with ThreadPoolExecutor(MAX_CONNECTIONS - 8) as pool:
            answers = [
                pool.submit(httpx.post, url, content=small, timeout=PATIENCE) for _ in range(MAX_CONNECTIONS - 8)
            ]
        assert {answer.result().status_code for answer in answers} == {400}
        assert httpx.post(url, json={"do": "next"}, timeout=PATIENCE).status_code == 204
        assert _peak(process) < MEGABYTES_AT_MOST
        process.terminate()
    record_property("work", "as many commands of the largest size as there can be, sent to a stage at once")
    record_property("result", f"less than {MEGABYTES_AT_MOST} MB of memory, and it plays on")


def test_few_open_files_fill_no_log(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Where a process may open 64 files, connections beyond a quarter of them are refused before the files run out."""
    ready = tmp_path / "ready.json"
    limited = ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", sys.executable, "-c", PROCESS, str(ready), "{}"]
    with (
        (tmp_path / "log").open("wb") as log,
        program(limited, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        remote = Remote(json.loads(ready.read_text()), process)
        with ExitStack() as strangers:
            for _ in range(size(60, 300)):
                strangers.enter_context(connect(remote.url))
            refused = flood(remote, CALL)[9:12] in (b"503", b"")
        _merchant_is_answered(remote)
        remote.control.close()
        process.kill()
    assert refused
    assert (tmp_path / "log").read_text() == ""
    record_property("work", "hundreds of connections where 64 files may be open")
    record_property("result", "nothing in the log, and a merchant is answered")
