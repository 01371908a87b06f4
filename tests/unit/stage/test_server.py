"""The stage's server, by the requests that its pages send: what they read, what they may ask, and when it ends."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from amazonpay_nb.stage import server
from amazonpay_nb.stage.server import Stage
from tests.processes import PATIENCE, until


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A stage with the ride-hailing story, whose buyer is quick; each test says where it begins."""
    with closing(Stage("ride", {"merchant_name": "Kiosk <Ö>"}, pace=0, keep_alive=0.05)) as stage:
        yield stage


@pytest.fixture
def http(stage: Stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stage.url.rpartition("/ride")[0], timeout=PATIENCE) as http:
        yield http


def scene(http: httpx.Client, **headers: str) -> dict[str, Any]:
    """Return what a window hears when it opens."""
    with http.stream("GET", "/events", headers=headers) as events:
        line = next(line for line in events.iter_lines() if line.startswith("data: "))
    shown: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return shown


def do(http: httpx.Client, stage: Stage, wish: str, **more: str) -> httpx.Response:
    answer = http.post("/do", json={"do": wish, **more})
    stage.performance.finish()
    return answer


def test_a_window_hears_of_each_change(stage: Stage, http: httpx.Client) -> None:
    """First how things stand, then what changes, and in between that the stage is still there."""
    do(http, stage, "go", beat="1")
    with http.stream("GET", "/events") as events:
        lines = events.iter_lines()
        now = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
        assert (now["address"], now["state"]) == ("ride/1", "waiting")
        assert ": still here" in {next(lines) for _ in range(4)}
        http.post("/do", json={"do": "buyer", "ending": "cancel"})
        states = (json.loads(line[6:])["state"] for line in lines if line.startswith("data: "))
        assert "otherwise" in states
    assert "The buyer has canceled" in scene(http)["parts"]["what-if"]


def test_a_reload_stays_where_it_is_and_asks_for_nothing(stage: Stage, http: httpx.Client) -> None:
    """Addresses name the beat; opening one plays nothing, and an unknown story leads to the one that is told."""
    do(http, stage, "go", beat="2")
    before = len(stage.performance.wb.journal)
    assert http.get("/ride/2").status_code == http.get("/ride/5").status_code == 200
    assert len(stage.performance.wb.journal) == before
    for path in ("/", "/opera/3"):
        assert str(http.get(path, follow_redirects=True).url).endswith("/ride/2")
    assert scene(http)["address"] == "ride/2"


def test_what_the_stage_does_not_know_is_refused_with_a_sentence(stage: Stage, http: httpx.Client) -> None:
    """Neither names nor numbers nor bodies of another kind do anything."""
    do(http, stage, "go", beat="1")
    for wish in (
        {}, {"do": "dance"}, {"do": "go", "beat": "99"}, {"do": "go", "beat": "x"}, {"do": "go"},
        {"do": "buyer", "ending": "dance"}, {"do": "happen", "way": "dance"},
        {"do": "program", "name": "cobol"}, {"do": ["next"]}, ["next"], "next",
    ):  # fmt: skip
        answer = http.post("/do", json=wish)
        assert (answer.status_code, answer.json()) == (400, {"problem": "The stage knows no such command."}), wish
    assert {http.post("/do", content=body).status_code for body in (b"{", b'{"do": "go", "beat": 1e999}')} == {400}
    assert scene(http)["state"] == "waiting"
    answer = http.post("/do", json={"do": "dress", "merchant_color": "blue"})
    assert answer.status_code == 400
    assert answer.json() == {"field": "merchant_color", "problem": "Write a color as #7a4b2a."}
    answer = http.post("/do", json={"do": "story", "name": "opera"})
    assert (answer.status_code, answer.json()["problem"]) == (400, "This value cannot be used.")


def test_the_code_of_a_call_is_in_the_language_of_the_merchants_engineers(stage: Stage, http: httpx.Client) -> None:
    """It changes on the screen as it is, and nothing is played again."""
    do(http, stage, "go", beat="2")
    before = len(stage.performance.wb.journal)
    assert "client.create_charge(" in scene(http)["parts"]["server"]
    http.post("/do", json={"do": "program", "name": "php"}).raise_for_status()
    assert "$client-&gt;createCharge(" in scene(http)["parts"]["server"]
    assert '<option value="php" selected>PHP</option>' in scene(http)["parts"]["brand"]
    assert len(stage.performance.wb.journal) == before


def test_pages_of_other_sites_may_neither_ask_nor_look(stage: Stage, http: httpx.Client) -> None:
    """The stage answers to names of this machine, and no page from elsewhere posts here or frames it."""
    assert http.post("/do", json={"do": "next"}, headers={"origin": "https://evil.test"}).status_code == 403
    assert http.post("/do", json={"do": "next"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    for other in ({"host": "evil.test"}, {"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}):
        assert http.get("/events", headers=other).status_code == 403  # whose windows would leave no room
    for path in ("/ride/1", "/speaker", "/phone", "/parity"):
        headers = http.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert re.search(r"frame-ancestors 'self' http://127\.0\.0\.1:\* http://localhost:\*$", policy)
        assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")


def test_the_merchants_words_are_no_markup(stage: Stage, http: httpx.Client) -> None:
    """Names are shown as they are, on every part of the screen."""
    parts = scene(http)["parts"]
    assert set(parts) == set(server.PARTS)
    pages = [*parts.values(), http.get("/phone").text, http.get("/ride/1").text]
    assert any("Kiosk &lt;Ö&gt;" in page for page in pages)
    assert not any("<Ö>" in page for page in pages)


def test_the_screen_says_what_is_so(stage: Stage, http: httpx.Client) -> None:
    """No calls per order before an order, and no page to press on after the buyer has closed it."""
    do(http, stage, "go", beat="1")
    parts = scene(http)["parts"]
    assert "Calls per order so far" not in parts["money"]
    assert "It is the buyer" in parts["server"]
    do(http, stage, "happen", way="close")
    parts = scene(http)["parts"]
    assert "It is the buyer" not in parts["server"]
    assert "The buyer has closed the page" in parts["what-if"]
    do(http, stage, "go", beat="2")
    assert "Calls per order so far" in scene(http)["parts"]["money"]


def test_a_diagram_grows_with_the_story(stage: Stage, http: httpx.Client) -> None:
    """It says what it shows for those who listen, and what came with this beat stands out."""
    do(http, stage, "go", beat="2")
    two = http.get("/diagram")
    assert (two.status_code, two.headers["content-type"]) == (200, "image/svg+xml")
    assert "default-src 'none'" in two.headers["content-security-policy"]
    do(http, stage, "go", beat="3")
    three = http.get("/diagram").text
    assert ("422 SoftDeclined" in two.text, "422 SoftDeclined" in three) == (False, True)
    assert len(three) > len(two.text)
    assert "422 SoftDeclined" in scene(http)["parts"]["diagram"]


def test_behind_a_proxy_every_address_is_relative(stage: Stage, http: httpx.Client) -> None:
    """On a hub the browser's loopback is another one: the phone's page is beside the stage's own port."""
    do(http, stage, "go", beat="1")
    shown = scene(http, **{"x-forwarded-prefix": "/user/somebody/proxy/1234"})
    assert re.fullmatch(r"\.\./\d+/pay/\w+", shown["phone"]["url"])
    assert shown["address"] == "ride/1"
    page = http.get("/ride/1").text
    assert re.findall(r'(?:href|src)="(?!data:|\.\./)([^"]+)"', page) == []


def test_only_so_many_windows_are_told(stage: Stage, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused with a sentence, and one that is closed makes room."""
    monkeypatch.setattr(server, "MOST_WINDOWS", 2)
    with ExitStack() as windows:
        open_ones = [windows.enter_context(http.stream("GET", "/events")).iter_lines() for _ in range(2)]
        assert all(next(lines).startswith("retry: ") for lines in open_ones)
        refused = http.get("/events")
        assert (refused.status_code, refused.text) == (503, "2 windows look at the stage; close one, and reload.")
    assert until(lambda: not stage._windows), "a window that is gone is still told"
    assert scene(http)["state"]


def test_windows_that_open_at_once_are_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are too many hear nothing, and end."""
    monkeypatch.setattr(server, "MOST_WINDOWS", 2)
    place = ("127.0.0.1", int(stage.url.split(":")[2].partition("/")[0]))
    with ExitStack() as windows:
        all_of_them = [windows.enter_context(socket.create_connection(place, timeout=PATIENCE)) for _ in range(12)]
        for one in all_of_them:
            one.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert [one.recv(12) for one in all_of_them].count(b"HTTP/1.1 200") >= 2
        assert len(stage._windows) <= 2


def test_stories_that_are_chosen_at_once_leave_nothing_behind() -> None:
    """Each takes the place of the one before, with its shop and its emulator."""
    before = {thread for thread in threading.enumerate() if thread.name.startswith("loopback-")}
    with closing(Stage("ride", pace=0)) as stage, ThreadPoolExecutor(8) as pool:
        url = urljoin(stage.url, "/do")
        choices = [{"do": "story", "name": name} for name in ["ride", "food"] * 4]
        [*pool.map(lambda choice: httpx.post(url, json=choice, timeout=PATIENCE), choices)]
    assert {thread for thread in threading.enumerate() if thread.name.startswith("loopback-")} == before


def test_another_story_takes_the_stage(http: httpx.Client, stage: Stage) -> None:
    """The windows that are open show it, with the merchant's face."""
    with http.stream("GET", "/events") as events:
        lines = events.iter_lines()
        next(lines)
        assert http.post("/do", json={"do": "story", "name": "food"}).status_code == 204
        addresses = (json.loads(line[6:])["address"] for line in lines if line.startswith("data: "))
        assert "food/1" in addresses
    assert "Kiosk" in scene(http)["title"]
    http.post("/do", json={"do": "story", "name": "ride"})


def test_a_stage_that_is_closed_says_so_to_its_windows_at_once() -> None:
    """An open window holds nothing up."""
    stage = Stage("ride", pace=0, keep_alive=2 * PATIENCE)
    stage._server._server.config.timeout_graceful_shutdown = 2 * PATIENCE  # as long would uvicorn wait for the window
    with httpx.stream("GET", urljoin(stage.url, "/events"), timeout=PATIENCE) as events:
        lines = events.iter_lines()
        next(lines)
        began = time.monotonic()
        stage.close()
        assert time.monotonic() - began < PATIENCE
        assert "event: end" in list(lines)
