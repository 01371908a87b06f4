"""What a notebook opens: every wrong input ends with one message, before anything is sent."""

import asyncio
import gc
import inspect
import os
import stat
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import (
    express_payload,
    set_up_payload,
    sign_button,
    sign_in_and_set_up_payload,
    sign_in_payload,
    update_payload,
)
from amazonpay_nb.errors import BuyerPageError, ConfigurationError
from amazonpay_nb.runs.doctor import examine
from amazonpay_nb.signing.keys import generate, save
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.parameters import PARAMETERS, VARIABLES
from tests.kernels import kernel
from tests.processes import PATIENCE


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A workbench on the emulator, without keys."""
    bench = workbench.open(buyer="script")
    yield bench
    bench.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"environment": "test"}, "emulator, sandbox, live"),
        ({"environment": "live"}, "allow_live=True"),
        ({"environment": "sandbox", "buyer": "script"}, 'buyer="you"'),
        ({"region": "uk"}, "na, eu, jp"),
        ({"amount": "14.005"}, "too many decimals"),
        ({"amount": 14.005}, "too many decimals"),
        ({"wait_seconds": 0}, "3600 seconds"),
    ],
)
def test_a_wrong_value_starts_nothing(given: dict[str, str], message: str) -> None:
    """The message names the parameter and what it may be."""
    with pytest.raises(ConfigurationError, match=f"(?s){message}"):
        workbench.open(**given)  # type: ignore[arg-type]


def test_every_parameter_is_a_keyword_with_the_same_default() -> None:
    """An editor completes it, and Python itself refuses a misspelled one."""
    keywords = inspect.signature(workbench.open).parameters
    defaults = {name: str(row.default) for name, row in keywords.items() if name != "allow_live"}
    assert defaults == {name: row.default for name, row in PARAMETERS.items()}
    with pytest.raises(TypeError, match="regoin"):
        workbench.open(regoin="eu")  # type: ignore[call-arg]


def test_numbers_are_taken_as_numbers() -> None:
    """Text and number say the same."""
    with workbench.open(amount=14.5, wait_seconds=20) as wb:
        assert (wb.amount, wb.wait_seconds) == ({"amount": "14.50", "currencyCode": "USD"}, 20.0)
        assert wb.price(2) == {"amount": "2.00", "currencyCode": "USD"}


def answers(wb: Workbench) -> bool:
    try:
        return httpx.get(f"{wb.shop.url}/account").is_success
    except httpx.TransportError:
        return False


def test_several_are_open_and_each_closes_with_its_block() -> None:
    """A second one leaves the first alone, and closing twice does no harm."""
    with workbench.open() as first:
        with workbench.open() as second:
            assert answers(first)
            assert answers(second)
        assert answers(first)
        assert not answers(second)
        second.close()
    assert not answers(first)


def test_a_forgotten_workbench_is_closed() -> None:
    """Its servers, its key file and its connections go with it."""
    wb = workbench.open()
    wb.set_up_keys()
    path, url = wb.private_key_file, f"{wb.shop.url}/account"
    assert path is not None
    assert path.exists()
    del wb
    gc.collect()
    assert not path.exists()
    with pytest.raises(httpx.TransportError):
        httpx.get(url)


CELL = """
from amazonpay_nb import workbench

wb = workbench.open()
wb
"""
ASK = "import httpx\nprint(httpx.get(first.shop.url + '/account').status_code)"


def _run(client: Any, code: str, cell: str) -> str:
    """Run a cell as JupyterLab does, with its id; returns what it printed, or the name of its error."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = client.session.msg("execute_request", content, metadata={"cellId": cell})
    client.shell_channel.send(message)
    printed, state = "", ""
    while state != "idle":
        heard = client.get_iopub_msg(PATIENCE)
        if heard["parent_header"].get("msg_id") == message["header"]["msg_id"]:  # a slow kernel was asked twice
            printed += heard["content"].get("text", "") + heard["content"].get("ename", "")
            state = heard["content"].get("execution_state", "")
    return printed


def test_a_cell_that_runs_again_replaces_its_workbench_and_no_other() -> None:
    """Jupyter keeps what a cell displayed, so nobody else would ever close it."""
    with kernel() as (_, client):
        run = partial(_run, client)
        assert run(CELL, "a") == run("first = wb", "b") == run(CELL, "c") == ""
        assert run(ASK, "d") == "200\n"
        assert run(CELL, "c") == ""
        assert run(ASK, "d") == "200\n"
        assert run(CELL, "a") == ""
        assert run(ASK, "d") == "ConnectError"
        assert run("first = workbench.open()\n" + CELL, "e") == ""
        assert run(ASK, "d") == "200\n", "a cell may open two"


PANEL = """
from threading import enumerate as threads
from amazonpay_nb import workbench
from amazonpay_nb.workbench.panels.events import ClockPanel

wb = workbench.open(buyer="you")
clock = ClockPanel(wb)
clock
"""
FOLLOW = "follow = [each for each in threads() if each.name == 'panel: follow']\nprint(len(follow))"
ENDS = f"follow[0].join({PATIENCE})\nprint(follow[0].is_alive())"


def test_a_panel_is_followed_as_long_as_a_cell_shows_it() -> None:
    """Else each run of a cell would leave a thread that looks at an earlier run three times a second."""
    with kernel() as (_, client):
        run = partial(_run, client)
        assert run(PANEL, "a") == run("clock", "b") == ""
        assert run(FOLLOW, "c") == "1\n"
        assert run(PANEL, "a") == ""
        assert run(FOLLOW, "c") == "2\n", "the second cell shows the first panel still"
        assert run("clock", "b") == ""
        assert run(ENDS, "c") == "False\n"
        assert run(FOLLOW, "c") == "1\n"


def test_without_keys_there_is_no_client(wb: Workbench) -> None:
    """The message names the cell to run."""
    with pytest.raises(ConfigurationError, match=r"set_up_keys\(\) first"):
        wb.client.get_charge("x")


def test_keys_are_made_once_and_for_their_owner_alone(wb: Workbench) -> None:
    """Running the cell again keeps the pair, the emulated account's; its file has mode 0600 and ends with it."""
    keys = wb.set_up_keys()
    path = wb.private_key_file
    assert wb.emulator is not None
    assert keys == wb.emulator.merchant.keys

    assert wb.set_up_keys() is keys
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(ok for ok, _ in wb.check_keys())
    wb.close()
    assert not path.exists()


def test_the_same_story_has_the_same_ids() -> None:
    """Two runs differ in nothing that a notebook shows."""

    def ids() -> tuple[str, ...]:
        bench = workbench.open(buyer="script")
        keys = bench.set_up_keys()
        attempt = bench.shop.new_attempt()
        payload = set_up_payload(bench.store_id, result_url=attempt.result_url)
        arrival = asyncio.run(bench.show_button(attempt, sign_button(payload, keys)).returned())
        session = bench.client.complete_checkout_session(arrival.checkout_session_id)
        key = bench.journal[-1].idempotency_key  # type: ignore[union-attr]
        bench.close()
        return bench.store_id, keys.public_key_id, attempt.token, str(session.charge_permission_id), key

    assert ids() == ids()


@pytest.fixture
def account(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment variables of a real account, with a key of our own."""
    path = tmp_path / "private.pem"
    save(generate(), path)
    values = {
        "private_key_file": str(path), "public_key_id": "SANDBOX-" + "A" * 24, "merchant_id": "A1", "store_id": "s",
    }  # fmt: skip
    before = dict(os.environ)
    os.environ.update({VARIABLES[name]: value for name, value in values.items()})
    yield values
    os.environ.clear()
    os.environ.update(before)


def test_a_real_account_comes_from_the_environment(account: dict[str, str]) -> None:
    """The same names hold Amazon's values, and the button's script is Amazon's."""
    bench = workbench.open(environment="sandbox", region="eu", buyer="you")
    keys = bench.set_up_keys()

    assert (bench.merchant_id, bench.store_id, keys.public_key_id) == ("A1", "s", account["public_key_id"])
    assert bench.script_url == "https://static-eu.payments-amazon.com/checkout.js"
    assert bench.emulator is None
    bench.close()


def test_the_variable_of_the_key_may_hold_the_key(account: dict[str, str]) -> None:
    """That is how a CI service keeps a secret; it has no file, so nothing is said of one."""
    os.environ[VARIABLES["private_key_file"]] = Path(account["private_key_file"]).read_text()
    bench = workbench.open(environment="sandbox", buyer="you")
    bench.set_up_keys()
    assert bench.private_key_file is None
    assert [row.text for row in bench.check_keys() if not row.ok or "File mode" in row.text] == []
    assert [row for row in examine(None) if not row.ok] == []
    bench.close()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("private_key_file", None, "AMAZON_PAY_PRIVATE_KEY_FILE is not set"),
        ("private_key_file", "/nowhere/private.pem", "private.pem"),
        ("public_key_id", "LIVE-" + "A" * 24, "is for live, not for sandbox"),
    ],
)
def test_a_wrong_account_is_named(account: dict[str, str], variable: str, value: str | None, message: str) -> None:
    """A missing variable, a missing file and a key of another environment are found before the first request."""
    if value is None:
        del os.environ[VARIABLES[variable]]
    else:
        os.environ[VARIABLES[variable]] = value

    def send() -> None:
        with workbench.open(environment="sandbox", buyer="you") as bench:
            bench.set_up_keys()
            bench.client.get_charge("S01-0000000-0000000-C000000")

    with pytest.raises(ConfigurationError, match=message):
        send()


@pytest.mark.parametrize(("name", "value"), [("merchant_id", "A1\n"), ("store_id", " s")])
def test_an_id_is_taken_to_the_letter(account: dict[str, str], name: str, value: str) -> None:
    """A secret of a CI service with a line end, for example, which Amazon refuses: `doctor` says so."""
    os.environ[VARIABLES[name]] = value
    message = f"{VARIABLES[name]} has white space around"
    with pytest.raises(ConfigurationError, match=message), workbench.open("sandbox", buyer="you") as bench:
        getattr(bench, name)
    assert [message in row.text for row in examine(None) if not row.ok] == [True]


def test_a_failed_claim_stops_the_run(wb: Workbench) -> None:
    """A claim is an assertion that also goes into the report."""
    assert wb.claim("c", "It holds.", True)._repr_mimebundle_()["text/plain"] == "✓ It holds."
    with pytest.raises(AssertionError, match="c: It holds"):
        wb.claim("c", "It holds.", False)


async def settled() -> bool:
    return False


@pytest.mark.parametrize(
    ("ok", "what", "advice"),
    [
        (settled, "function", "Call it"),
        (lambda: False, "function", "Call it"),
        (settled(), "coroutine", "Await it"),
        (iter([False]), "list_iterator", r"all\(…\)"),
        ((part for part in [False]), "generator", r"all\(…\)"),
        ((False, "why"), "tuple", "Leave out the brackets"),
        ([False, False], "list", r"all\(…\)"),
        ([pd.Series([1, 2])[0] == 2, None], "list", r"all\(…\)"),
        ({False}, "set", r"all\(…\)"),
        ({"x": False}, "dict", r"all\(…\)"),
        ("Declined", "str", "Compare it"),
        (b"Declined", "bytes", "Compare it"),
    ],
    ids="function lambda coroutine iterator generator tuple list table set dict text bytes".split(),  # noqa: SIM905
)
def test_a_claim_that_would_always_hold_is_refused(wb: Workbench, ok: Any, what: str, advice: str) -> None:
    """A missing await, call, all() or comparison would make it green without a check."""
    with pytest.raises(ConfigurationError, match=f"claim c .* {what}, which says nothing(?s:.*){advice}"):
        wb.claim("c", "It holds.", ok)
    if isinstance(ok, Coroutine):
        ok.close()


def test_elsewhere_a_wait_is_longer_than_what_it_waits_for() -> None:
    """Amazon may decide a little late, as an emulator whose time is real does."""
    with workbench.open("sandbox", buyer="you") as bench:
        began = time.monotonic()
        bench.wait(0)
        assert time.monotonic() - began > 1


IN_PROCESSES = """
import asyncio, multiprocessing, sys
from amazonpay_nb import workbench

wb = workbench.open(buyer="script")
wb.set_up_keys()
wallet = wb.client.complete_checkout_session(asyncio.run(wb.play_set_up()).checkout_session_id).charge_permission_id

def pay(order):
    return wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.amount).charge_id

with multiprocessing.get_context("fork").Pool(2) as pool:
    made = [*pool.map(pay, range(2), chunksize=1), pay(2)]
assert {*made} == {charge["chargeId"] for charge in wb.emulator.control.get("objects/charges")["objects"]}
assert len({*made}) == 3, made
"""


def test_processes_share_no_idempotency_key() -> None:
    """Else the orders of a pool of processes would be one charge, and each be told that it is paid."""
    script = [sys.executable, "-W", "ignore:.*fork:DeprecationWarning", "-c", IN_PROCESSES]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_needs_the_emulator_is_not_tried_elsewhere() -> None:
    """On the Sandbox such a claim neither holds nor fails."""
    with workbench.open("sandbox", buyer="you") as sandbox, workbench.open() as emulated:
        assert sandbox.claim("c", "It holds.", False, needs_emulator=True).ok is None
        assert emulated.claim("c", "It holds.", True, needs_emulator=True).ok is True
        with pytest.raises(AssertionError, match="c: It holds"):
            emulated.claim("c", "It holds.", False, needs_emulator=True)


def test_the_page_is_a_frame_for_you_and_a_line_for_a_script(wb: Workbench) -> None:
    """A committed output must not hold a port, and a person needs the page."""
    wb.set_up_keys()
    attempt = wb.shop.new_attempt()
    signed = sign_button(set_up_payload("s", result_url=attempt.result_url), wb.keys)
    page = wb.show_button(attempt, signed)

    with pytest.raises(NotImplementedError):  # so IPython shows its repr
        page._ipython_display_()
    assert wb.shop.url not in repr(page)
    wb.buyer = "you"
    page = wb.show_button(attempt, signed)
    assert f'src="{page.url}"' in page.frame


def test_a_cell_that_waits_for_you_shows_you_the_page(wb: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell that waits at once shows the page by itself, and a page that was shown is not shown twice."""
    wb.set_up_keys()
    attempt = wb.shop.new_attempt()
    wb.buyer = "you"
    page = wb.show_button(attempt, sign_button(set_up_payload("s", result_url=attempt.result_url), wb.keys))

    for _ in range(2):
        with pytest.raises(BuyerPageError):
            asyncio.run(page.returned(timeout=0.05))
        page._ipython_display_()
    assert capsys.readouterr().out.count("<iframe") == 1 + 2


def test_nobody_answers_the_page(wb: Workbench) -> None:
    """The wait has a time-out, and says how to go on."""
    wb.set_up_keys()
    attempt = wb.shop.new_attempt()
    wb.buyer = "you"
    page = wb.show_button(attempt, sign_button(set_up_payload("s", result_url=attempt.result_url), wb.keys))

    with pytest.raises(BuyerPageError, match=r"(?s)within 0.05 seconds.*Run this cell again"):
        asyncio.run(page.returned(timeout=0.05))


# --- The ways to Amazon -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("show", ["show_button", "show_touchless"])
def test_a_visitor_signs_in_with_and_without_a_button(wb: Workbench, show: str) -> None:
    """The same payload, the same arrival; only the diagram tells how it began."""
    wb.set_up_keys()
    attempt = wb.shop.new_attempt()
    payload = sign_in_and_set_up_payload(wb.store_id, sign_in_url=attempt.signed_in_url)
    page = getattr(wb, show)(attempt, sign_button(payload, wb.keys), product_type="SignInAndSetup")
    arrival = asyncio.run(page.returned())

    assert arrival.kind == "signed-in"
    assert wb.client.complete_checkout_session(arrival.checkout_session_id).buyer is not None
    pressed = "press “Sign in with Amazon”" in wb.diagram().text()
    assert pressed == (show == "show_button")
    assert ("open the shop's page" in wb.diagram().text()) == (not pressed)


def test_plain_sign_in_brings_a_token_for_the_buyer(wb: Workbench) -> None:
    """The configuration stands under `signInConfig`; no Checkout Session comes back, and no output shows the token."""
    wb.set_up_keys()
    attempt = wb.shop.new_attempt()
    payload = sign_in_payload(wb.store_id, sign_in_url=attempt.signed_in_url, scopes=("name",))
    page = wb.show_button(attempt, sign_button(payload, wb.keys), product_type="SignIn")
    arrival = asyncio.run(page.returned())

    assert {"signInConfig", "createCheckoutSessionConfig"} & set(attempt.config) == {"signInConfig"}
    assert (arrival.kind, arrival.checkout_session_id) == ("signed-in", "")
    assert arrival.buyer_token not in repr(arrival)
    assert wb.client.get_buyer(arrival.buyer_token).name


def test_the_update_page_opens_from_a_button_of_the_shops_own(wb: Workbench) -> None:
    """The Charge Permission keeps its id and gets another payment method."""
    wb.set_up_keys()
    session = wb.client.complete_checkout_session(asyncio.run(wb.play_set_up()).checkout_session_id)
    attempt, wallet = wb.shop.new_attempt(), str(session.charge_permission_id)
    payload = update_payload(wb.store_id, wallet, result_url=attempt.result_url)
    arrival = asyncio.run(wb.show_button(attempt, sign_button(payload, wb.keys)).returned(card="4444"))
    updated = wb.client.complete_checkout_session(arrival.checkout_session_id)

    assert (arrival.kind, updated.charge_permission_id) == ("result", wallet)
    assert wb.client.get_charge_permission(wallet).payment_descriptor == "Mastercard ****4444 (Amazon Pay)"
    assert "press the shop's own button" in wb.diagram().text()


def test_a_button_stands_where_its_flow_wants_it(wb: Workbench) -> None:
    """Left out, the placement is the usual one; one that does not fit is named with those that do."""
    wb.set_up_keys()
    attempt = wb.shop.new_attempt()
    signed = sign_button(express_payload(wb.store_id, review_url=attempt.review_url), wb.keys)
    wb.show_button(attempt, signed, product_type="PayAndShip")

    assert attempt.config["placement"] == "Cart"
    with pytest.raises(ConfigurationError, match=r"(?s)'Home' does not fit.*Choose Cart or Product or Checkout"):
        wb.show_button(attempt, signed, placement="Home")
