"""Clock and notifications: what time brings, what is announced, and what of it arrives at the shop."""

import asyncio
from collections.abc import Iterator

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.spec.notifications import DRILLS
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.panels import panels
from amazonpay_nb.workbench.panels.events import ClockPanel, NotificationPanel
from amazonpay_nb.workbench.panels.view import Action, static


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A workbench with a wallet and a held charge."""
    opened = workbench.open("emulator", "na", "script")
    opened.set_up_keys()
    asyncio.run(opened.play_set_up())
    tabs = panels(opened)
    for name in ("get_checkout_session", "complete_checkout_session"):
        tabs["Cards"]["Checkout Session"].act(name)
    tabs["Payment desk"].act("get_charge_permission")
    tabs["Payment desk"].act("create_charge", capture_now=False)
    yield opened
    opened.close()


@pytest.fixture
def elsewhere() -> Iterator[Workbench]:
    """A workbench on Amazon's Sandbox; nothing is sent."""
    opened = workbench.open("sandbox", buyer="you")
    yield opened
    opened.close()


def actions(panel: ClockPanel | NotificationPanel) -> dict[str, Action]:
    return {action.name: action for action in panel.view({}).actions}


def text(panel: ClockPanel | NotificationPanel) -> str:
    return " ".join(static(panel.view({})).text.split())


def test_the_clock_says_what_falls_due(wb: Workbench) -> None:
    """Beforehand by the timers, afterward by what has happened."""
    clock = ClockPanel(wb)
    assert "Thursday, 15 January 2026, 12:00:00 UTC" in text(clock)
    assert "it is Canceled 30 days after it became Authorized" in text(clock)
    before = clock.mark()
    said = clock.act("advance", days="30", hours="1")
    assert said.startswith("30 days and 1 hour later.\nCharge ")
    assert clock.mark() != before
    assert "Saturday, 14 February 2026, 13:00:00 UTC" in text(clock)
    assert " ".join(said.split()) in text(clock)


@pytest.mark.parametrize(("days", "hours"), [("x", "0"), ("-1", "0"), ("0", "0"), ("", ""), ("1.5", "0")])
def test_what_is_no_time_is_refused(wb: Workbench, days: str, hours: str) -> None:
    """And none passes."""
    with pytest.raises(ConfigurationError, match="That is no time"):
        ClockPanel(wb).act("advance", days=days, hours=hours)
    assert wb.director.passed == []


def test_what_the_emulator_refuses_is_shown(wb: Workbench) -> None:
    """Not that something unexpected went wrong."""
    clock = ClockPanel(wb)
    clock.form._fields["days"].input.value = "4000000"
    clock.press("advance").join()
    assert "the clock cannot be advanced beyond the year 9000" in clock.form._answer.value


def test_time_that_a_cell_lets_pass_is_on_the_clock(wb: Workbench) -> None:
    """Whoever moves it."""
    clock = ClockPanel(wb)
    before = clock.mark()
    wb.director.advance(hours=2)
    assert clock.mark() != before
    assert "2 hours later." in text(clock)


def test_notifications_arrive_are_repeated_and_worked_on(wb: Workbench) -> None:
    """The inbox, a drill, and one more copy; the body is shown without its signature."""
    panel = NotificationPanel(wb)
    assert "The shop does not listen yet" in text(panel)
    assert not actions(panel)["work"].enabled
    panel.act("listen")
    assert not actions(panel)["listen"].enabled
    before = panel.mark()
    assert panel.act("play", kind="duplicate") == DRILLS["duplicate"].happens
    wb.client.create_charge(charge_permission_id=wb.journal.known.ids("Charge Permission")[0], charge_amount=wb.amount)
    assert panel.mark() != before
    panel.act("work")
    assert [notice.verdict for notice in panel.notices] == ["new", "seen before"]
    assert panel.act("redeliver").endswith("is sent again.")
    assert panel.inbox
    assert panel.inbox.waiting == 1
    shown = text(panel)
    assert '"Type": "Notification"' in shown
    assert "ObjectId" in shown
    assert panel.inbox.last["Signature"] not in shown
    oldest = " ".join(static(panel.view({"message": "1"})).text.split())
    assert panel.inbox.received[0]["MessageId"] in oldest


def test_what_arrives_while_a_panel_looks_does_not_disturb_it(wb: Workbench) -> None:
    """The shop takes it in beside the panel."""
    panel = NotificationPanel(wb)
    panel.act("listen")
    assert panel.inbox
    received = panel.inbox.received

    class Envelope(dict[str, str]):
        def get(self, *names: str) -> str:  # type: ignore[override]
            received.append({"MessageId": "later"})
            return self[names[0]]

    received += [Envelope(MessageId="first"), Envelope(MessageId="second")]
    assert [*panel.view({}).fields[0].options.values()] == ["the latest", "1. first", "2. second"]


def test_a_closed_workbench_is_no_error(wb: Workbench) -> None:
    """A panel may outlive it on the screen."""
    clock, inbox = ClockPanel(wb), NotificationPanel(wb)
    wb.close()
    assert "The workbench is closed" in text(clock)
    assert "The workbench is closed" in text(inbox)


def test_on_the_sandbox_they_say_what_to_do_instead(elsewhere: Workbench) -> None:
    """In the director's own words."""
    clock, inbox = ClockPanel(elsewhere), NotificationPanel(elsewhere)
    assert "only the emulator's clock can be moved" in text(clock)
    assert not actions(clock)["advance"].enabled
    assert "only the emulator lists what it announces" in text(inbox)
