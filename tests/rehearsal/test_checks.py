"""The checks of button, refunds, notifications and requests: who is right passes, and what cannot be seen is said."""

import re
import shutil
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal import PlanFile, books, browser, checks, example, notification_checks, rehearse
from amazonpay_nb.rehearsal.notifications import SENDINGS
from amazonpay_nb.rehearsal.plan import ROWS, rows_of
from amazonpay_nb.rehearsal.play import Play
from amazonpay_nb.rehearsal.rehearsal import judge_of
from tests.rehearsal.plans import EACH_WAY, EXAMPLE, example_plan as plan, seen

WITHOUT_BUYER = ("genuine", "forged", "foreign-certificate", "unknown-object", "fast-answer")
needs_chromium = pytest.mark.usefixtures("chromium_path")


def group(name: str) -> list[str]:
    return [each for each in ROWS if each.partition(".")[0] == name]


@pytest.mark.browser
@needs_chromium
@pytest.mark.usefixtures("unhurried")
def test_the_example_passes_behind_a_proxy(tmp_path: Path) -> None:
    """By each way: in every group; test_examples.py plays it as it is written, and the other shop behind a proxy."""
    names = [*EACH_WAY, *group("request")]
    rehearsal = rehearse(plan(tmp_path, proxy=True), only=names)
    assert {one.row.id: one.seen for one in rehearsal.results if one.status != "passed"} == {}
    assert [one.row.id for one in rehearsal.results] == names


@pytest.mark.browser
@needs_chromium
@pytest.mark.usefixtures("unhurried")
def test_a_server_that_refunds_again_by_itself_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it is under way to who asks again; of a charge it learns only then."""
    monkeypatch.setattr(books, "PATIENT_SECONDS", 15.0)
    checks = ["refund.lost-answer", "refund.server-error", "charge.pending"]
    rehearsal = rehearse(plan(tmp_path, mistake="refund-under-way"), only=checks)
    assert {one.row.id: one.seen for one in rehearsal.results if one.status != "passed"} == {}


@pytest.mark.browser
@needs_chromium
@pytest.mark.usefixtures("unhurried")
def test_a_server_that_captures_by_a_second_call_is_right(tmp_path: Path) -> None:
    """Where Amazon declines that later, or fails, it looks at the answer, and asks again."""
    names = [f"charge.{name}" for name in ("paid", "pending", "capture-declined", "capture-server-error")]
    rehearsal = rehearse(plan(tmp_path, mistake="second-call"), only=names)
    assert {one.row.id: (one.status, one.seen) for one in rehearsal.results} == dict.fromkeys(names, ("passed", ""))


@pytest.mark.browser
@pytest.mark.usefixtures("unhurried")
def test_the_browser_that_playwright_brings_plays_behind_a_proxy(
    chromium_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no other one; of the two that it brings, the one that people have."""
    path = plan(tmp_path, proxy=True)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with sync_playwright() as playwright:
        brought = Path(playwright.chromium.executable_path)
    brought.parent.mkdir(parents=True)
    brought.symlink_to(shutil.which("chromium") or chromium_path)
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(browser, "_PROGRAMS", ())
    monkeypatch.setattr(browser, "_WITHOUT_WINDOWS", ())
    rehearsal = rehearse(path, only=["button.script-host"])
    assert [one.status for one in rehearsal.results] == ["passed"]


@pytest.mark.parametrize("proxy", [False, True], ids=["settings", "proxy"])
@pytest.mark.usefixtures("unhurried")
def test_whom_a_server_believes_needs_no_buyer(proxy: bool, tmp_path: Path) -> None:
    """The messages are in the evidence, without their signatures."""
    names = [f"notification.{name}" for name in WITHOUT_BUYER]
    rehearsal = rehearse(plan(tmp_path, proxy=proxy), browser="none", only=names)
    assert {one.row.id: one.status for one in rehearsal.results} == dict.fromkeys(names, "passed")
    messages: list[Any] = [row["message"] for row in rehearsal.exchanges if "message" in row]
    assert "hello" in messages
    envelopes = [message for message in messages if message != "hello"]
    assert len(envelopes) > len([row for row in SENDINGS if row.required])
    assert {len(message["Signature"]) < 20 for message in envelopes} == {True}
    assert {row["by"] for row in rehearsal.exchanges if row.get("operation") == "createCharge"} == {"rehearsal"}


@pytest.mark.parametrize("proxy", [False, True], ids=["settings", "proxy"])
def test_a_server_that_fetches_any_certificate_is_seen(proxy: bool, tmp_path: Path) -> None:
    """Also where the proxy refuses it: that is the server's mistake, and not the plan's."""
    path, name = plan(tmp_path, file=example("shop_python_first_try"), proxy=proxy), "notification.foreign-certificate"
    rehearsal = rehearse(path, browser="none", only=[name], environment={"MISTAKE": "any-certificate"})
    assert seen(rehearsal)[name].startswith("The server fetches a stranger's certificate, and answers ")


@pytest.mark.browser
@needs_chromium
def test_what_is_dropped_in_silence_is_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is believed who should not be, and what is genuine is looked up, if late: the answer alone is unusual.

    A job looks at what is pending each second, whatever comes.
    """
    few = "version 1", "signed with another key", "a stranger serves"
    monkeypatch.setattr(notification_checks, "SENDINGS", [row for row in SENDINGS if row.title.endswith(few)])
    names = [f"notification.{name}" for name in ("genuine", "forged", "foreign-certificate")]
    rehearsal = rehearse(plan(tmp_path, mistake="silent"), only=names)
    assert (rehearsal.wrong, rehearsal.count("passed")) == ([], 1)
    assert seen(rehearsal)["notification.forged"].endswith("is answered by 200, and nothing follows")


@pytest.mark.parametrize(
    ("mistake", "proxy"),
    [
        ("any-host-of-amazons", True),
        ("any-host-of-amazons", False),
        ("sns-name-first", True),
        ("sns-name-first", False),
        ("amazons-name-anywhere", False),
        ("amazons-name-first", False),
    ],
)
def test_not_every_address_with_amazons_name_is_that_of_notifications(
    mistake: str, proxy: bool, tmp_path: Path
) -> None:
    """Whoever has a bucket has a host there, and whoever has none can write the name beside their own.

    No answer shows it: a server may answer by 400 whatever it cannot verify.
    """
    name = "notification.foreign-certificate"
    path = plan(tmp_path, mistake=mistake, proxy=proxy)
    found = seen(rehearse(path, browser="none", only=[name, "notification.genuine"]))
    assert [*found] == [name]
    assert found[name].startswith("The server fetches a stranger's certificate, and answers ")


@pytest.mark.browser
@needs_chromium
def test_a_buyer_comes_back_from_another_site(tmp_path: Path) -> None:
    """Although a script presses Amazon's forms, a strict cookie is not sent from there."""
    rehearsal = rehearse(plan(tmp_path, mistake="strict-cookie", proxy=True), only=["set-up.completes"])
    assert "Charge Permissions: none" in seen(rehearsal)["set-up.completes"]


@pytest.mark.browser
@needs_chromium
def test_money_is_in_the_currency_of_the_order(tmp_path: Path) -> None:
    """As many kronor are another amount; and a plan names the currency of an account that is not in the usual one."""
    checks = ["charge.paid", "refund.done"]
    kronor = rehearse(plan(tmp_path, mistake="one-currency"), only=checks, region="eu")
    assert seen(kronor)["charge.paid"].startswith("0 of 19.99 EUR is held or taken (charges: Captured in SEK)")
    path = plan(tmp_path, mistake="account-in-pounds")
    path.write_text(path.read_text("utf-8").replace("[server]", '[server]\nregion = "eu"\ncurrency = "GBP"'), "utf-8")
    pounds = rehearse(path, only=[*checks, "charge.month-limit"])
    assert [(one.status, one.seen) for one in pounds.results] == [("passed", "")] * 3


@pytest.mark.browser
@needs_chromium
def test_a_charge_that_is_refused_is_not_pending(tmp_path: Path) -> None:
    """So nothing was seen of how the server waits."""
    rehearsal = rehearse(plan(tmp_path, mistake="pending-refused"), only=["charge.pending"])
    why = "No charge is pending: that takes either captureNow or canHandlePendingAuthorization."
    assert seen(rehearsal, "not-tried") == {"charge.pending": why}


@pytest.mark.browser
@needs_chromium
def test_a_job_that_asks_seldom_is_no_belief(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for what is pending, a while after a forgery about that, and would have without it."""
    monkeypatch.setattr(notification_checks, "SENDINGS", [row for row in SENDINGS if row.title.endswith("serves")])
    (result,) = rehearse(plan(tmp_path, mistake="silent-and-slow"), only=["notification.foreign-certificate"]).results
    assert (result.status, result.row.severity) == ("failed", "advice")
    assert result.seen.endswith("is answered by 200, and nothing follows")


@pytest.mark.browser
@needs_chromium
def test_what_is_only_held_fails_nobody(tmp_path: Path) -> None:
    """A shop that takes the money when the parcel leaves has nothing to give back before."""
    rehearsal = rehearse(plan(tmp_path, mistake="holds-only"), only=["charge.paid", "refund.done"])
    assert [one.status for one in rehearsal.results] == ["passed", "not-tried"]
    assert seen(rehearsal, "not-tried")["refund.done"] == "What is only held cannot be refunded."


@pytest.mark.browser
@needs_chromium
def test_a_server_may_ask_for_its_own_charges_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is genuine is then about one of them, or nobody would see that the server does anything at all."""
    few = "version 1", "signed with another key", "a stranger serves"
    monkeypatch.setattr(notification_checks, "SENDINGS", [row for row in SENDINGS if row.title.endswith(few)])
    names = ["notification.forged", "notification.foreign-certificate"]
    rehearsal = rehearse(plan(tmp_path, mistake="own-charges-only"), only=names)
    assert (rehearsal.wrong, [*seen(rehearsal)]) == ([], names)
    assert all(one.seen.endswith("is answered by 200, and nothing follows") for one in rehearsal.results)


@pytest.mark.browser
@needs_chromium
def test_what_a_server_has_not_used_up_befalls_nobody_else(tmp_path: Path) -> None:
    """An outcome was set for a charge that was never asked for; the objects of strangers are made without it."""
    rehearsal = rehearse(plan(tmp_path, mistake="charges-nothing"), only=["notification.forged"])
    assert (rehearsal.count("passed"), rehearsal.count("failed")) == (1, 0)


@pytest.mark.browser
@needs_chromium
def test_a_state_in_another_form_is_a_finding(tmp_path: Path) -> None:
    """It names the field, and does not end the rehearsal."""
    check, place = "notification.duplicate", r"orders\.rehearsal-[0-9a-f]{6}-1\.fulfilled"
    rehearsal = rehearse(plan(tmp_path, mistake="number-as-text"), only=[check, "request.algorithm"])
    assert re.match(f"The state is not in the form of docs/own-server.md: {place}: ", seen(rehearsal)[check])
    assert rehearsal.count("passed") == 1


@pytest.mark.browser
@needs_chromium
def test_a_state_without_a_wallet_ends_it_at_once(tmp_path: Path) -> None:
    """The state of the first visitor shows it, and no check can be played without."""
    problem = "line [0-9]+: the state is not in the form of docs/own-server.md: wallet: "
    with pytest.raises(ConfigurationError, match=problem):
        rehearse(plan(tmp_path, mistake="no-wallet"), only=["set-up.completes"])


@pytest.mark.browser
@needs_chromium
@pytest.mark.usefixtures("unhurried")
def test_a_server_that_keeps_its_orders_is_rehearsed_again(tmp_path: Path) -> None:
    """No order has been there before."""
    for _ in range(2):
        again = rehearse(plan(tmp_path), only=["charge.paid"], environment={"SHOP_FILE": str(tmp_path / "shop.sqlite")})
        assert [(one.status, one.seen) for one in again.results] == [("passed", "")]


def test_a_slow_answer_is_advice_and_a_late_one_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are small here: an answer takes longer than no time at all."""
    monkeypatch.setattr(notification_checks, "FAST_SECONDS", 0)
    path, name = plan(tmp_path), "notification.fast-answer"
    slow = rehearse(path, browser="none", only=[name])
    assert (slow.results[0].row.severity, slow.wrong) == ("advice", [])
    monkeypatch.setattr(notification_checks, "LATE_SECONDS", 0)
    late = rehearse(path, browser="none", only=[name])
    assert [one.row for one in late.wrong] == [ROWS[name]]


@pytest.mark.parametrize(
    ("drop", "check", "why"),
    [
        ("refund", "refund.done", "The plan has no action refund."),
        ("state", "refund.declined", "The plan has no action state"),
        ("state", "notification.duplicate", "The plan has no action state"),
        ("[notifications]\npath", "notification.genuine", "The plan has no [notifications]."),
        ("", "request.algorithm", "The server has signed nothing"),
        ("", "request.idempotency-key", "The server has sent no request"),
        ("set_up", "button.signature", "The plan has no page with a button"),
    ],
)
def test_what_cannot_be_seen_is_not_tried(drop: str, check: str, why: str, tmp_path: Path) -> None:
    """Whatever the reason is."""
    path = plan(tmp_path, drop=drop)
    if "notifications" in drop:
        path.write_text(path.read_text("utf-8").partition("[notifications]")[0], "utf-8")
    rehearsal = rehearse(path, browser="none", only=[check])
    assert why.lower() in seen(rehearsal, "not-tried")[check].lower()


def test_every_row_has_a_function_and_no_function_is_left_over() -> None:
    """The table names them, and what it hands over is what they take."""
    plan = PlanFile(EXAMPLE).plan
    judges: Any = [judge_of(row) for row in rows_of(plan)]
    for row, judge in zip(rows_of(plan), judges, strict=True):
        start = [getattr(Play, row.starts)] if row.starts else []
        signature(judge).bind(None, *start)  # a play, what the check starts with, and nothing else
        assert row.lack(plan) == ""
    sources = [Path(module.__file__ or "").read_text("utf-8") for module in (checks, notification_checks)]
    written = re.findall(r"(?m)^def ([a-z]\w+)\(", "".join(sources))
    assert sorted(written) == sorted(function.__name__ for function in {judge.func for judge in judges})


def test_the_rows_about_requests_come_last() -> None:
    """Also behind those of a plan's other pages."""
    file = PlanFile(EXAMPLE)
    pages = replace(file.plan.pages, express="/express")
    names = [row.id for row in rows_of(replace(file.plan, pages=pages))]
    assert names[-2:] == group("request")
    assert "express.completes" in names
