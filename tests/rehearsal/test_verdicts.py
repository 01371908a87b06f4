"""Verdicts: an unusual server that is right passes, and one mistake fails the check that is about it."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amazonpay_nb.rehearsal import books, browser, server
from amazonpay_nb.rehearsal.ports import port_for_another
from amazonpay_nb.rehearsal.rehearsal import Rehearsal, rehearse, write_report
from tests.attacks.test_proxies import Proxy, proxy as proxy
from tests.rehearsal.plans import example_plan, write_plan

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("chromium_path", "unhurried_module")]
ODD_SERVER = str(Path(__file__).with_name("odd_server.py"))
SMALL_PLAN = """
ready = "/state"
[actions]
charge = { method = "PUT", path = "/order/charge?order={order}&amount={amount}" }
refund = { method = "PUT", path = "/order/refund?order={order}&amount={amount}" }
state = { method = "GET", path = "/state" }
[pages]
set_up = "/wallet"
"""
WHOLE_PLAN = f"""{SMALL_PLAN}
end_of_checkout = "/buy"
express = "/express"
sign_in = "/sign-in"
update = "/update"
"""
FACTS = ["{url}", "{scriptUrl}", "{merchantId}", "{storeId}", "{publicKeyId}", "{privateKeyFile}"]
# The flows, and what a background job can get wrong; an example server plays the whole plan elsewhere.
CHECKS = (
    "set-up.completes", "set-up.reload", "set-up.foreign-session", "set-up.server-error", "end-of-checkout.completes",
    "express.completes", "express.foreign-session", "sign-in.completes", "update.completes", "update.cancel",
    "update.foreign-session", "charge.paid",
    "charge.same-order-twice", "charge.hard-decline", "charge.lost-answer",
)  # fmt: skip


def play(folder: Path, mistake: str, only: tuple[str, ...], plan: str = SMALL_PLAN, **wiring: str) -> Rehearsal:
    port = port_for_another()
    command = [sys.executable, ODD_SERVER, f"http://127.0.0.1:{port}", *FACTS, mistake]
    return rehearse(write_plan(folder, port, command, more=plan, **wiring), only=only)


@pytest.fixture(scope="module")
def unusual(tmp_path_factory: pytest.TempPathFactory, chromium_path: str, unhurried_module: None) -> Rehearsal:
    return play(tmp_path_factory.mktemp("unusual"), "", CHECKS, WHOLE_PLAN)


def test_an_unusual_server_passes(unusual: Rehearsal) -> None:
    """What is saved and paid counts, not when and by what answer; a new cookie is for all of the server."""
    assert {one.row.id: one.seen for one in unusual.results if one.status != "passed"} == {}
    assert len(unusual.results) == len(CHECKS)


def test_a_button_is_not_pressed_again_once_it_has_led_to_anything(unusual: Rehearsal) -> None:
    """The answer takes longer than a buyer waits until the next press; before that, the button was not alive yet."""
    rows = [row for row in unusual.exchanges if row["check"] == "express.completes"]
    assert [row.get("operation") for row in rows].count("updateCheckoutSession") == 1


def test_an_order_is_confirmed_at_amazon_behind_a_proxy(tmp_path: Path) -> None:
    """The address that Amazon gives for it is the emulator's own; what brings a wallet is no other order."""
    plan = SMALL_PLAN.replace('set_up = "/wallet"', 'express = "/express"')
    checks = ("express.completes", "express.lost-answer", "charge.paid", "refund.done", "refund.lost-answer")
    results = play(tmp_path, "", checks, plan, wiring="proxy").results
    assert {one.row.id: one.seen for one in results if one.status != "passed"} == {}


def test_a_proxy_of_the_environment_is_not_asked(tmp_path: Path, proxy: Proxy) -> None:
    """For the emulator it finds nothing, and for the pictures of a page it would leave the machine."""
    (result,) = play(tmp_path, "", ("set-up.completes",)).results
    assert (result.status, result.seen, proxy.requests) == ("passed", "", [])


def test_where_no_wallet_is_saved_the_check_to_see_is_that_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Whatever flow the plan has; there it says what the plan may have wrong."""
    monkeypatch.setattr(browser, "BUTTON_SECONDS", 1.0)
    monkeypatch.setattr(server.soon, "__defaults__", (1.0, *server.soon.__defaults__[1:]))
    plan = SMALL_PLAN.replace('set_up = "/wallet"', 'express = "/express"\norder = ".none"')
    seen = {one.row.id: one.seen for one in play(tmp_path, "", ("express.completes", "charge.paid"), plan).results}
    assert seen["charge.paid"] == "No set-up ends well. See express.completes."
    assert seen["express.completes"].startswith(
        "The buyer gets 200 at /review, which shows no '.none' to place the order; Checkout Sessions: Open"
    )


def test_exchanges_are_numbered_through(unusual: Rehearsal) -> None:
    """The evidence of a check is its own."""
    assert [one["number"] for one in unusual.exchanges] == [*range(1, len(unusual.exchanges) + 1)]
    numbers = [number for one in unusual.results for number in one.evidence]
    assert numbers == sorted(set(numbers))
    paid = next(one for one in unusual.results if one.row.id == "charge.paid")
    shown = [unusual.exchanges[number - 1] for number in paid.evidence]
    calls = [row["operation"] for row in shown if row["by"] == "server"]
    wallet = ["getCheckoutSession", "completeCheckoutSession", "createCheckoutSession"]
    assert calls == [*wallet, *wallet, "getChargePermission", "createCharge"]  # of two buyers, one of whom pays
    assert ("rehearsal", "/order/charge?order=") in {(row["by"], row["path"][:20]) for row in shown}


def test_nothing_secret_is_written(unusual: Rehearsal, tmp_path: Path) -> None:
    """The server prints its private key; the report does not."""
    write_report(unusual, tmp_path, finished=datetime.now(UTC))
    assert "BEGIN" not in unusual.output
    for file in tmp_path.iterdir():
        assert "PRIVATE KEY" not in file.read_text("utf-8"), file.name


def test_the_files_agree(unusual: Rehearsal, tmp_path: Path) -> None:
    """A program, a person and CI read the same verdict."""
    write_report(unusual, tmp_path, finished=datetime.now(UTC))
    verdict = json.loads((tmp_path / "rehearsal.json").read_text("utf-8"))
    assert (verdict["passed"], verdict["failed"], verdict["notTried"]) == (len(CHECKS), 0, 0)
    wanted = {"id", "title", "status", "severity", "expected", "seen", "evidence", "advice", "guide", "chapter"}
    assert all(wanted <= {*one} for one in verdict["checks"])
    suite = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 (our own file)
    assert [case.get("name") for case in suite.iter("testcase")] == [one["id"] for one in verdict["checks"]]
    page = (tmp_path / "rehearsal.html").read_text("utf-8")
    assert f"All {len(CHECKS)} checks passed" in page


@pytest.mark.parametrize(
    ("mistake", "page", "whose", "who"),
    [
        ("anybody-later", "set_up", "the other buyer's", "the second buyer"),
        ("new-browser", "set_up", "the other buyer's", "a browser without cookies"),
        ("any-session", "express", "their own", "the second buyer"),
        ("any-session", "update", "their own", "the second buyer"),
    ],
)
def test_a_mistake_fails_its_check(mistake: str, page: str, whose: str, who: str, tmp_path: Path) -> None:
    """And no other one; what was seen says what happened."""
    name = page.replace("_", "-")
    checks = (f"{name}.completes", f"{name}.reload", f"{name}.foreign-session")
    results = {one.row.id: one for one in play(tmp_path, mistake, checks, WHOLE_PLAN).results}
    assert [results[name].status for name in checks] == ["passed", "passed", "failed"]
    # On a busy machine, what the thief pays is in the books before a page shows the wallet.
    seen = (
        f"At {whose} return address, with the session of the first, {who} (gets|can pay from) the wallet of the first"
    )
    assert re.fullmatch(seen, results[checks[2]].seen)
    assert results[checks[2]].row.severity == ("advice" if mistake == "any-session" else "security")


@pytest.mark.parametrize(
    ("mistake", "check", "says"),
    [
        ("buys-twice", "end-of-checkout.completes", "The buyer pays twice at once for what is bought once"),
        ("buys-twice-later", "end-of-checkout.completes", "The buyer pays twice at once for what is bought once"),
        ("buys-again", "end-of-checkout.reload", "The buyer who reloads pays once more"),
        ("buys-again-later", "end-of-checkout.reload", "The buyer who reloads pays once more"),
    ],
)
def test_a_purchase_is_paid_once(
    mistake: str, check: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Not by each of two jobs, and not each time that the buyer comes back."""
    monkeypatch.setattr(books, "PATIENT_SECONDS", 8.0)
    names = (check, "set-up.completes", "set-up.reload")
    results = {one.row.id: (one.status, one.seen) for one in play(tmp_path, mistake, names, WHOLE_PLAN).results}
    assert results == {check: ("failed", says)} | dict.fromkeys(names[1:], ("passed", ""))


def test_one_look_at_the_books_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between two looks, a moment after the buyer is back, is not paid twice, and not for a reload."""
    monkeypatch.setattr(books, "PATIENT_SECONDS", 8.0)
    names = ("end-of-checkout.completes", "end-of-checkout.reload")
    assert [one.seen for one in play(tmp_path, "buys-more-later", names, WHOLE_PLAN).results] == ["", ""]


def test_what_a_page_sells_belongs_to_no_order(tmp_path: Path) -> None:
    """Also where a job charges it seconds after the buyer is back, when the wallet is saved already."""
    plan = SMALL_PLAN.replace('set_up = "/wallet"', 'end_of_checkout = "/buy"')
    names = ("charge.paid", "charge.lost-answer", "charge.same-order-twice")
    rehearsal = play(tmp_path, "buys-more-later", names, plan)
    assert [(one.status, one.seen) for one in rehearsal.results] == [("passed", "")] * 3


def test_a_first_month_is_no_theft(tmp_path: Path) -> None:
    """What the buyer pays on coming back may be as much as a stranger has asked for before."""
    rehearsal = play(tmp_path, "first-month", ("set-up.completes", "set-up.foreign-session"), WHOLE_PLAN)
    assert [one.status for one in rehearsal.results] == ["passed", "passed"]


def test_money_and_books_need_not_change_at_once(tmp_path: Path) -> None:
    """A soft decline is asked for again in the background; for two seconds the money is there, and the note is not."""
    (result,) = play(tmp_path, "asks-again", ("charge.soft-decline",)).results
    assert (result.status, result.seen) == ("passed", "")


def test_what_nobody_tells_is_not_tried(tmp_path: Path) -> None:
    """Without the action state, money is seen and what counts as paid is not."""
    plan = "\n".join(line for line in SMALL_PLAN.splitlines() if not line.startswith("state"))
    results = {one.row.id: one for one in play(tmp_path, "", ("charge.paid", "charge.hard-decline"), plan).results}
    assert results["charge.paid"].status == "passed"
    assert results["charge.hard-decline"].status == "not-tried"
    assert results["charge.hard-decline"].seen == "The plan has no action state."


@pytest.mark.parametrize(("check", "more"), [("update.completes", ""), ("update.cancel", " See update.completes.")])
def test_a_page_that_the_plan_names_has_a_button(check: str, more: str, tmp_path: Path) -> None:
    """Nobody looks for that of the page for updates before there is a wallet."""
    (result,) = play(tmp_path, "", (check,), SMALL_PLAN + 'update = "/nowhere"').results
    assert (result.status, result.seen) == ("failed", f"The button cannot be seen: 404 at /nowhere.{more}")


@pytest.mark.parametrize(
    ("mistake", "statuses"),
    [("few-visitors", "failed not-tried not-tried not-tried"), ("some-visitors", "passed passed failed failed")],
)
def test_a_check_is_left_out_only_for_one_that_failed(mistake: str, statuses: str, tmp_path: Path) -> None:
    """A button that was there at first, and then is not, is nobody's lack: the run is not green."""
    checks = ("button.signature", "button.script-host", "set-up.completes", "charge.paid")
    rehearsal = rehearse(example_plan(tmp_path, mistake=mistake), only=checks)
    assert [one.status for one in rehearsal.results] == statuses.split()
    assert all(one.seen.startswith("The button cannot be seen: 500 at /wallet.") for one in rehearsal.wrong)
