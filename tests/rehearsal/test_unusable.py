"""A server that cannot be used: one message with the plan's line, and nothing is left running."""

import sys
import textwrap
import uuid
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from secrets import token_bytes

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal import browser, rehearsal, server
from amazonpay_nb.rehearsal.plan import PlanFile
from amazonpay_nb.rehearsal.ports import port_for_another
from amazonpay_nb.rehearsal.rehearsal import rehearse
from amazonpay_nb.rehearsal.server import MerchantServer
from tests.processes import PATIENCE, answers, until
from tests.rehearsal.plans import processes_with, write_plan

BAD_SERVER = str(Path(__file__).with_name("bad_server.py"))
PAGES = '[pages]\nset_up = "/wallet"'


# How long a button is looked for, where the page does not ask as fast as it can, or is left only then.
LOOK = {"asks on": 0.5, "complains": 0.5, "throws": 0.5, "downloads": 8.0, "hoards": 4.0, "loads Amazon's script": 5.0}


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "PAGE_SECONDS", 30.0)
    monkeypatch.setattr(browser, "BUTTON_SECONDS", 30.0)


def refusal(plan: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of a plan that cannot be played; nothing is left of it."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("MARK", mark)
    with pytest.raises(ConfigurationError) as error:
        rehearse(plan)
    assert until(lambda: not (answers(port) or processes_with(mark)))
    return str(error.value)


@pytest.mark.parametrize(
    ("mode", "line", "says"),
    [
        ("ends at once", 3, "the server ended with code 3 before it was ready."),
        ("goes to the background", 3, "the server ended with code 0 before it was ready."),
        ("is never ready", 1, "after 12 s the answer is 503 at http://127.0.0.1:"),
        ("never ends its head", 1, "after 12 s there is no answer (TimeoutError)"),
        ("leads into an app", 1, "after 12 s there is no answer (InvalidURL)"),
    ],
)
def test_a_server_that_is_none(
    mode: str, line: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """The author reads what the server did, where the plan says so, and what it printed last."""
    port = port_for_another()
    if says.startswith("after 12 s"):  # which begin when it listens, on a busy machine, too
        monkeypatch.setattr(server, "READY_SECONDS", 12.0)
        begin = MerchantServer._begin
        monkeypatch.setattr(MerchantServer, "_begin", lambda it: (begin(it), until(lambda: answers(port))))
    plan = write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), mode], more=PAGES)
    message = refusal(plan, port, monkeypatch)
    assert f"plan.toml, line {line}: " in message
    assert says in message
    if mode == "ends at once":
        assert "the database is missing" in message
        assert "hunter2" not in message


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
@pytest.mark.parametrize(
    ("mode", "line", "says"),
    [
        ("has no page", 6, "the button cannot be seen: 404 at /wallet."),
        ("redirects", 6, "the button cannot be seen: no end of redirects at /wallet."),
        ("signs in elsewhere", 6, "the button cannot be seen: no answer from login.shop.test (ERR_"),
        ("slow", 6, "the button cannot be seen: no answer within 8 s at /wallet."),
        ("dies", 3, "the server ended with code 7 while set_up was opened."),
        ("shows no button", 6, "/wallet shows no button '.amazon-pay-button'.\nIt printed nothing."),
        ("streams", 6, "/wallet shows no button"),
        ("asks on", 6, "/wallet shows no button"),
        ("computes", 6, "/wallet shows no button"),
        ("complains", 6, "/wallet shows no button"),
        ("throws", 6, "/wallet shows no button"),
        (
            "commands a terminal",
            6,
            "console says: \ufffd]52;c;ZXZpbA==\ufffd and \ufffd\n\u3000:\ufffd:add-mask::#\ufffd#[x]#\ufffd#vso[y]",
        ),
        ("tells a secret", 6, 'console says: \ufffd[36m"password"\ufffd[0m: "(6 characters)"'),
        ("hoards", 6, "Its console says: it has less than a gigabyte: true"),
        ("downloads", 6, "the client of /file has gone"),
        ("calls", 6, "It printed nothing."),
        ("loads Amazon's script", 6, "net::ERR_NAME_NOT_RESOLVED (https://static-na.payments-amazon.com/checkout.js)"),
    ],
)
def test_a_page_without_a_button(
    mode: str, line: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be pressed; what the page asked for in vain may explain it."""
    monkeypatch.setattr(browser, "PAGE_SECONDS", 8.0 if mode == "slow" else 30.0)
    monkeypatch.setattr(browser, "BUTTON_SECONDS", LOOK.get(mode, 2.0))
    if mode == "dies":
        monkeypatch.setattr(rehearsal, "_LAST_MOMENT", PATIENCE)
    port = port_for_another()
    plan = write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), mode], more=PAGES)
    message = refusal(plan, port, monkeypatch)
    assert f"plan.toml, line {line}: " in message
    assert says in message
    assert mode != "dies" or "out of memory" in message


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
def test_an_answer_without_an_end_is_an_answer(tmp_path: Path) -> None:
    """Its status is there, and nobody waits for the rest."""
    port = port_for_another()
    plan = write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), "never ends its answer"])
    assert rehearse(plan, browser="none").count("failed") == 0


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
def test_a_page_that_computes_without_an_end_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other checks are played."""
    monkeypatch.setattr(browser, "PAGE_SECONDS", 10.0)
    port = port_for_another()
    plan = write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), "computes at a click"], more=PAGES)
    played = rehearse(plan, only=["button.signature", "button.no-secret"])
    assert [one.seen for one in played.results if one.row.id == "button.signature"] == [
        "The page at /wallet does not answer."
    ]


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
def test_a_script_of_another_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy leads to it, and the server has not asked for it: the page has."""
    monkeypatch.setattr(browser, "BUTTON_SECONDS", 5.0)
    port = port_for_another()
    command = [sys.executable, BAD_SERVER, str(port), "loads Amazon's script"]
    plan = write_plan(tmp_path, port, command, wiring="proxy", more=f'region = "eu"\n{PAGES}')
    message = refusal(plan, port, monkeypatch)
    assert "plan.toml, line 7: /wallet shows no button" in message
    assert "net::ERR_NAME_NOT_RESOLVED (https://static-na.payments-amazon.com/checkout.js)" in message


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
def test_a_state_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page in the place of it would make every wallet look lost."""
    port = port_for_another()
    more = f'{PAGES}\n[actions]\nstate = {{ path = "/account", method = "GET" }}'
    plan = write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), "computes at a click"], more=more)
    message = refusal(plan, port, monkeypatch)
    assert "plan.toml, line 8: the state cannot be read: 200, or no JSON." in message


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
@pytest.mark.parametrize(("page", "wiring"), [("/wallet", "proxy"), ("/account", "proxy"), ("/account", "settings")])
def test_a_server_that_asks_for_a_stranger(
    page: str, wiring: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy leads to Amazon alone; the message says how to let another host pass."""
    monkeypatch.setattr(browser, "BUTTON_SECONDS", 2.0)
    port = port_for_another()
    more = f'{PAGES}\n[actions]\nstate = {{ path = "/account", method = "GET" }}'
    command = [sys.executable, BAD_SERVER, str(port), f"asks elsewhere at {page}"]
    plan = write_plan(tmp_path, port, command, wiring=wiring, more=more)
    message = refusal(plan, port, monkeypatch)
    assert "plan.toml, line 4: the server asked for prices.example" in message
    assert 'NO_PROXY = "localhost,127.0.0.1,prices.example"' in message


@pytest.mark.parametrize(
    ("command", "more", "reason"),
    [
        ("no-such-program", "", "No such file or directory"),
        ("no\0program", "", "embedded null byte"),
        ("true", 'environment = { A = "\\u0000" }', "embedded null byte"),
        ("true", 'environment = { "A=B" = "" }', "illegal environment variable name"),
    ],
)
def test_a_command_that_is_none(
    command: str, more: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that is not installed is named, and so is one that no system can start."""
    port = port_for_another()
    message = refusal(write_plan(tmp_path, port, [command], more=more), port, monkeypatch)
    assert f"line 3: {command!r} cannot be started: {reason}" in message


@pytest.mark.browser
@pytest.mark.usefixtures("chromium_path")
def test_a_window_without_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who wants to watch reads what is missing; the browser is there."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    port = port_for_another()
    plan = write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), ""], more=PAGES)
    with pytest.raises(ConfigurationError, match="no browser that can be started with a window") as error:
        rehearse(plan, headed=True)
    assert "A window needs a display, which the variable DISPLAY names." in str(error.value)


def test_what_a_server_prints_does_not_fill_a_disk(tmp_path: Path) -> None:
    """Its last lines are there."""
    port = port_for_another()
    plan = write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), ""])
    # By the name of its key, what it has started is found and ended: of this test alone.
    facts = {"proxyUrl": "", "caFile": "", "privateKeyFile": str(tmp_path / "key")}
    with closing(MerchantServer(PlanFile(plan), facts)) as started:
        started.start()
        kept = int(started.http.post(f"http://127.0.0.1:{port}").text)
        assert kept < 1_000_000
        assert started.output().endswith("many words \nthe end\n")
        assert len(started.output()) <= 20_000


PRINTS_A_KEY = """
import sys
print(sys.argv[1] + "." * (20_000 - int(sys.argv[2])), end="", flush=True)
sys.exit(3)
"""


@pytest.mark.parametrize("cut", [2, 30, 95, 1001])  # in the key's first line or its end, or in a line of letters
def test_a_key_whose_beginning_is_forgotten_is_masked(
    cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Only the last 20,000 bytes of what a server prints are kept, which may begin in the middle of a key."""
    letters = b64encode(token_bytes(1200)).decode()
    lines = ["-----BEGIN PRIVATE KEY-----", *textwrap.wrap(letters, 64), "-----END PRIVATE KEY-----", "", "started "]
    key, port = "\n".join(lines), port_for_another()
    command = [sys.executable, "-c", PRINTS_A_KEY, key, str(len(key) - cut)]
    message = refusal(write_plan(tmp_path, port, command), port, monkeypatch)
    assert "started ..." in message
    assert not [place for place in range(1600 - 12) if letters[place : place + 12] in message]


def test_a_server_that_should_run_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a command, the server has to be there."""
    port = port_for_another()
    message = refusal(write_plan(tmp_path, port, []), port, monkeypatch)
    assert f"line 2: nothing answers at http://127.0.0.1:{port}" in message


def test_another_server_at_the_address(tmp_path: Path) -> None:
    """A verdict about another server would be worse than none."""
    from amazonpay_nb.loopback import open_port

    with open_port() as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError, match="something answers at"):
            rehearse(write_plan(tmp_path, port, [sys.executable, BAD_SERVER, str(port), ""]))
