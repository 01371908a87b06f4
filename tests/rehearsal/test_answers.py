"""What a server may answer to a request of the rehearsal: nothing of it is waited for without a limit."""

import json
import socket
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amazonpay_nb.loopback import http_client
from amazonpay_nb.rehearsal.plan import ROWS, PlanFile
from amazonpay_nb.rehearsal.rehearsal import Rehearsal, Result, write_report
from amazonpay_nb.rehearsal.server import MerchantServer, ask, soon
from tests.processes import PATIENCE

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"


def endless(piece: bytes, pause: float) -> Iterator[bytes]:
    yield HEAD + b"\r\n"
    while True:
        yield piece
        time.sleep(pause)


def slowly(head: bytes, piece: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield piece
        time.sleep(0.1)


ANSWERS = {
    "endless head": (lambda: slowly(HEAD + b"x: ", b"x"), None),
    "other heads": (lambda: slowly(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), None),
    "huge": (lambda: endless(b"[" * 65536, 0), None),
    "slow": (lambda: endless(b" ", 0.1), None),
    "deep": (lambda: [HEAD + b"\r\n" + b"[" * 200_000], 200),
    "no text": (lambda: [HEAD + b"\r\n\xff\xfe\xfd"], 200),
    "leads nowhere": (lambda: [b"HTTP/1.1 302 Found\r\nlocation: http://xn--/\r\nconnection: close\r\n\r\n"], None),
    "leads to an app": (lambda: [b"HTTP/1.1 302 Found\r\nlocation: javascript:alert(1)\r\n\r\n"], None),
    "counts on": (
        lambda: [b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset*" + b"9" * 5_000 + b"=z\r\n\r\n"],
        200,
    ),
    "cookies": (lambda: [HEAD + b"set-cookie: a=1\r\nset-cookie: a=2; Path=/x\r\n\r\n{}"], 200),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_has_an_end(kind: str) -> None:
    """In size, in time and in depth; two cookies of one name are two cookies."""
    pieces, status = ANSWERS[kind]
    with socket.create_server(("127.0.0.1", 0)) as listener, http_client(timeout=PATIENCE if status else 1) as http:

        def answer() -> None:
            client, _ = listener.accept()
            client.recv(65536)
            with client, suppress(OSError):
                for piece in pieces():
                    client.sendall(piece)

        threading.Thread(target=answer, daemon=True).start()
        reply = ask(http, http.build_request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/"))
    assert (reply.status, reply.json) == (status, json.loads("{}") if kind == "cookies" else None)
    assert reply.seconds < PATIENCE
    assert [*reply.cookies] == (["a=1", "a=2; Path=/x"] if kind == "cookies" else [])


def test_a_busy_machine_is_looked_at_as_often() -> None:
    """Time that passes in one look is not time in which the server was at work."""
    looks: list[int] = []
    assert soon(lambda: looks.append(1) or len(looks) == 5, seconds=0)
    assert not soon(lambda: looks.clear(), seconds=0)


def test_no_connection_and_no_cookie_is_used_again() -> None:
    """A server may end it after an answer, without saying so; a cookie is a buyer's, whose browser keeps it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                client, _ = listener.accept()
                kept.append(client)
                heads.append(client.recv(65536))
                client.sendall(HEAD.replace(b"close", b"keep-alive") + b"set-cookie: a=1\r\ncontent-length: 0\r\n\r\n")

        kept, heads = list[socket.socket](), list[bytes]()
        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        file = PlanFile(Path("plan.toml"), f'[server]\nurl = "{url}"\n')
        with closing(MerchantServer(file, {})) as server:
            replies = [ask(server.http, server.http.build_request("POST", url)) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert len(kept) == 2
    assert not [head for head in heads if b"cookie" in head.lower()]
    for client in kept:
        client.close()


@pytest.mark.parametrize(
    "answer", ["<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "]]>", "\x1b[31m\0", "\ud800", "\uffff"]
)
def test_whatever_a_server_answers_the_files_can_be_read(answer: str, tmp_path: Path) -> None:
    """As text: a page has no element, and a program no character, that the server chose."""
    row = next(iter(ROWS.values()))
    said = {"by": "server", "number": 1, "check": row.id, "method": "GET", "path": answer, "status": None}
    said |= {"operation": answer, "order": answer, "problem": answer, "message": {answer: answer}}
    results = (Result(row, "failed", answer, [1], 1.0), Result(row, "not-tried", answer, [], 1.0))
    write_report(Rehearsal(answer, results, [said], 1.0, answer), tmp_path, finished=datetime.now(UTC))
    page = (tmp_path / "rehearsal.html").read_text("utf-8")
    assert not any(element in page for element in ("<script", "<img"))
    assert len([*ET.parse(tmp_path / "junit.xml").getroot().iter("failure")]) == 1  # noqa: S314 (our own file)
    assert json.loads((tmp_path / "rehearsal.json").read_text("utf-8"))["failed"] == 1
