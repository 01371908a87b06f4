"""What only the emulator can play: it happens there, and the Sandbox says what to do instead."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.client.button import end_of_checkout_payload, sign_button
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.errors import ConfigurationError, DeclinedError
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.director import Director

SANDBOX = Director(None, Journal())


@pytest.fixture
def wb() -> Iterator[Workbench]:
    """A workbench whose keys are ready."""
    bench = workbench.open(buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def wallet(wb: Workbench) -> str:
    session_id = asyncio.run(wb.play_set_up()).checkout_session_id
    return str(wb.client.complete_checkout_session(session_id).charge_permission_id)


@pytest.mark.parametrize(
    "play",
    [
        lambda: SANDBOX.advance(days=1),
        lambda: SANDBOX.cause("C01-0000000-0000000", "Closed"),
        lambda: SANDBOX.queue_outcome("createCharge", "SoftDeclined"),
        lambda: SANDBOX.inject_fault("createCharge", "reset"),
        lambda: SANDBOX.announced(),
        lambda: SANDBOX.holds(),
        lambda: SANDBOX.drill("late"),
        lambda: SANDBOX.redeliver("C01-0000000-0000000-C000000"),
    ],
)
def test_the_sandbox_says_what_to_do_instead(play: Callable[[], str]) -> None:
    """Nothing is done, and nothing fails."""
    assert play().startswith("Skipped: only the emulator")
    assert " On the Sandbox, " in play().replace("On the Sandbox it", "On the Sandbox, it")


def test_the_sandbox_cannot_be_forked() -> None:
    """The block does not run: it would move money for good."""
    wanted = pytest.raises(ConfigurationError, match=r"(?s)Only the emulator can be rewound.*On the Sandbox, ")
    with wanted, SANDBOX.fork():
        pytest.fail("the block has run")


@pytest.mark.parametrize(
    ("interval", "line"),
    [
        ({"days": 1}, "1 day later."),
        ({"days": 2}, "2 days later."),
        ({"hours": 24}, "24 hours later."),
        ({"days": 1, "seconds": 5}, "1 day and 5 seconds later."),
    ],
)
def test_time_passes_in_the_unit_of_your_choice(wb: Workbench, interval: dict[str, int], line: str) -> None:
    """The answer repeats it, and the clock shows it."""
    assert wb.emulator is not None
    before = wb.emulator.clock.now()
    assert wb.director.advance(**interval) == line
    seconds = interval.get("days", 0) * 86400 + interval.get("hours", 0) * 3600 + interval.get("seconds", 0)
    assert (wb.emulator.clock.now() - before).total_seconds() == seconds


def test_a_wait_of_a_day_is_called_a_day(wb: Workbench) -> None:
    """The clock's panel shows it to readers, who do not count in seconds."""
    wb.wait(24 * 60 * 60)
    assert wb.director.passed[-1][1].splitlines()[0] == "1 day later."


def test_an_outcome_is_queued_and_a_fault_is_survived(wb: Workbench) -> None:
    """The next call is declined, and the one after that is answered at its second attempt."""
    fields = {"charge_permission_id": wallet(wb), "charge_amount": wb.amount}
    assert wb.director.queue_outcome("createCharge", "SoftDeclined") == "Next createCharge: SoftDeclined."
    with pytest.raises(DeclinedError):
        wb.client.create_charge(**fields)
    assert wb.director.inject_fault("createCharge", "reset") == "Next createCharge: reset."
    wb.client.create_charge(**fields)
    assert wb.journal.exchanges[-1].attempt == 2


def test_what_is_held_is_seen_until_the_shop_completes(wb: Workbench) -> None:
    """And goes back where it never does."""
    attempt = wb.shop.new_attempt()
    payload = end_of_checkout_payload(wb.store_id, charge_amount=wb.amount, result_url=attempt.result_url)
    session_ids = [
        asyncio.run(wb.show_button(attempt, sign_button(payload, wb.keys), product_type="PayOnly").returned())
        for _ in range(2)
    ]
    first, second = (str(arrival.checkout_session_id) for arrival in session_ids)
    assert [row[1:] for row in wb.director.holds()] == [("14.00 USD", "Authorized", None)] * 2
    charge_id = wb.client.complete_checkout_session(first, charge_amount=wb.amount).charge_id
    (left,) = wb.director.holds()
    assert charge_id != left[0]
    assert wb.director.advance(hours=24).endswith(f"Checkout Session {second}: Expire")
    assert wb.director.holds() == [(left[0], "14.00 USD", "Canceled", "AmazonCanceled")]


def test_a_fork_leaves_nothing_behind(wb: Workbench) -> None:
    """Objects, clock and journal are as before, even where the block fails."""
    permission_id = wallet(wb)
    assert wb.emulator is not None
    now, entries = wb.emulator.clock.now(), list(wb.journal)

    def spoil() -> None:
        with wb.director.fork():
            wb.director.advance(days=40)
            wb.client.close_charge_permission(permission_id, closure_reason="")
            assert [exchange.operation for exchange in wb.journal.since(len(entries)).exchanges] == [
                "closeChargePermission"
            ]
            raise KeyError("a defect")

    with pytest.raises(KeyError):
        spoil()
    assert list(wb.journal) == entries
    assert wb.emulator.clock.now() == now
    assert wb.director.passed == []
    assert wb.client.get_charge_permission(permission_id).state == "Chargeable"


def test_a_fork_takes_the_inbox_back(wb: Workbench) -> None:
    """What it learned in the block is forgotten, what waited before waits again, and what comes later is news."""
    inbox = wb.director.listen(wb.shop, wb.client)
    permission_id = wallet(wb)
    assert wb.director.announced()  # it has arrived, and waits
    with wb.director.fork():
        wb.director.cause(permission_id, "NonChargeable", "PaymentMethodExpired")
        states = [notice.state_now for notice in asyncio.run(inbox.notified(2))]
        assert states == ["NonChargeable"] * 2
        wb.director.cause(permission_id, "Closed", "BuyerClosed")  # what is on its way arrives before the end
    assert (inbox.waiting, inbox.objects, len(inbox.received)) == (1, {}, 1)
    wb.client.create_charge(charge_permission_id=permission_id, charge_amount=wb.amount)
    notices = [(notice.verdict, notice.state_now) for notice in asyncio.run(inbox.notified(2))]
    assert notices == [("new", "Chargeable"), ("new", "Authorized")]
