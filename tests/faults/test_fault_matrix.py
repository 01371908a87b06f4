"""Every operation × every transport fault × either idempotency key, and the other drills, as the tables say."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from amazonpay_nb.client import new_idempotency_key
from amazonpay_nb.client.guide import Step, decide
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.reconciliation import reconcile
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import TransportError
from amazonpay_nb.lessons.account import MerchantAccount
from amazonpay_nb.lessons.drills import Effect, play_cards, play_codes, play_interruptions, play_precedence
from amazonpay_nb.lessons.faults import FAULTS, books, movement, play_faults
from amazonpay_nb.spec.machine import MERCHANT
from amazonpay_nb.spec.operations import OPERATIONS, Idempotency
from amazonpay_nb.spec.simulations import CARDS, SIMULATIONS
from amazonpay_nb.spec.states import CHARGE, CHARGE_PERMISSION
from tests.emulated import Shop
from tests.golden import OUTCOMES


@pytest.fixture(scope="module", params=["na", "eu", "jp"])
def account(request: pytest.FixtureRequest) -> Iterator[MerchantAccount]:
    with MerchantAccount.new(request.param, listens=True) as account:
        yield account


# ---- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_fault_moves_money_as_the_idempotency_rules_say(name: str) -> None:
    """Each fault with the same key and with a new one; the books are Amazon's own, not what the merchant heard."""
    rows = play_faults("na", (name,))
    takes_key = OPERATIONS[name].idempotency is not Idempotency.WITHOUT_EFFECT
    assert len(rows) == len(FAULTS) * (2 if takes_key else 1)
    assert [row for row in rows if not row.as_expected] == []


def test_only_work_that_was_done_is_done_twice_under_a_new_key() -> None:
    """The row that the chapter is about, spelled out: one charge under the same key, two under a new one."""
    rows = {(row.fault, row.key): row for row in play_faults("jp", ("createCharge",))}
    lost = rows["drop-after-commit", "same"], rows["drop-after-commit", "new"]
    assert [(row.first, row.second, row.done) for row in lost] == [
        ("no answer", "201 Authorized", "1"),
        ("no answer", "201 Authorized", "2"),
    ]
    assert [row.moved for row in lost] == ["authorized +14", "authorized +28"]
    assert {row.done for (fault, _), row in rows.items() if fault in ("reset", "429", "503")} == {"1"}


def test_a_lost_answer_is_charged_once_under_its_key(account: MerchantAccount) -> None:
    """The error names the key, and the books hold one charge before the repetition and after it."""
    wallet, key = account.wallet(), new_idempotency_key()
    account.emulator.inject_fault("createCharge", "drop-after-commit", times=4)
    before = books(account)
    charge = {"charge_permission_id": wallet, "charge_amount": account.amount}
    with pytest.raises(TransportError, match=key):
        account.client.create_charge(idempotency_key=key, **charge)
    assert movement(before, books(account)) == {"authorized": Decimal(account.amount["amount"])}
    account.client.create_charge(idempotency_key=key, **charge)
    assert movement(before, books(account)) == {"authorized": Decimal(account.amount["amount"])}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_quota_fills_up_again_as_documented(name: str) -> None:
    """So many calls at once, and after a second of the clock so many again; what they ask for does not matter."""
    quota = OPERATIONS[name].quota.sandbox
    with Emulator("na", seed=7, throttle=True) as emulator, Shop(emulator) as shop:

        def throttled(times: int) -> list[bool]:
            return [shop.call(name, "x").status_code == 429 for _ in range(times)]

        assert throttled(quota.burst + 1) == [False] * quota.burst + [True]
        emulator.clock.advance(seconds=1)
        assert throttled(quota.per_second + 1) == [False] * quota.per_second + [True]


# ---- simulations -----------------------------------------------------------------------------------------------------


def test_every_code_ends_as_its_row_says(account: MerchantAccount) -> None:
    """Status, reason code, state at once and later; nothing is left without a next step."""
    played = play_codes(account)
    assert [row.simulated for row in played] == [row.code for row in OUTCOMES]
    for row, outcome in zip(OUTCOMES, played, strict=True):
        assert outcome.answer.startswith(f"{row.status} {row.reason_code or ''}".strip())
        path = " → ".join(filter(None, (row.state, row.later_state)))
        assert f": {path}" in outcome.objects
        assert row.later_reason is None or f"({row.later_reason})" in outcome.objects
        assert outcome.next_step.endswith(".")
        assert ("→" in outcome.objects) <= bool(outcome.notification)


def test_a_world_that_was_emptied_announces_as_before() -> None:
    """Row by row."""
    with MerchantAccount.new(listens=True) as account:
        first = [row.notification for row in play_codes(account)]
        account.emulator.reset()
        assert [row.notification for row in play_codes(account)] == first


def test_every_card_ends_as_its_row_says(account: MerchantAccount) -> None:
    """In a set-up and in a purchase; where a wallet came of it, in a later charge too."""
    played = play_cards(account)
    assert _cards(played, "set-up") == _cards(played, "purchase") == sorted(CARDS)
    assert _cards(played, "later charge") == sorted({"1111", "0005", "4444", "9424", "0000", "0701", "4354"})
    rows = {(row.call, card): row for row in played for card in _split(row)}
    assert rows["set-up", "0701"].answer == "refused on the page"
    assert "Charge: AuthorizationInitiated → Authorized;" in rows["purchase", "0701"].objects
    assert "Charge: AuthorizationInitiated → Declined (HardDeclined);" in rows["purchase", "4354"].objects
    assert "Chargeable → NonChargeable (PaymentMethodInvalid)" in rows["purchase", "4354"].objects
    for card in ("3434", "9995", "9987"):
        assert rows["purchase", card].objects == "Checkout Session: Canceled (Declined)"
    assert rows["purchase", "3064"].objects == "Checkout Session: Canceled (BuyerCanceled)"


def _split(row: Effect) -> list[str]:
    return row.simulated.split(", ")


def _cards(played: list[Effect], call: str) -> list[str]:
    return sorted(card for row in played if call == row.call for card in _split(row))


def test_the_header_wins_over_the_queue_and_the_queue_over_the_card(account: MerchantAccount) -> None:
    """And a header leaves the queue as it was."""
    assert [row.answer for row in play_precedence(account)] == [
        "201 AuthorizationInitiated", "422 SoftDeclined", "422 TransactionTimedOut", "422 SoftDeclined",
    ]  # fmt: skip


# ---- what only Amazon or the buyer can cause -------------------------------------------------------------------------


def test_every_interruption_has_a_recovery_that_ends_in_a_charge(account: MerchantAccount) -> None:
    """The same permission where it can be repaired, another one where it is closed or there is no Update page."""
    played = play_interruptions(account)
    stopped = [row for row in CHARGE_PERMISSION.rows if row.source == "Chargeable" and row.target != "Chargeable"]
    taken = [row for row in CHARGE.rows if (row.source, row.target) == ("Authorized", "Canceled")]
    assert len(played) == len([row for row in stopped + taken if row.actor != MERCHANT]) + 2
    assert {row.afterward for row in played} == {"201 Captured"}
    assert all(row.meanwhile.startswith("422 ") for row in played)
    repaired = {row.recovery for row in played if row.permission == "same"}
    assert ("changed on the Update page" in repaired) == account.region.update_page
    assert {row.permission for row in played if row.state.startswith("Closed")} == {"new"}
    forgotten = played[-1]
    assert (forgotten.state, forgotten.permission) == ("Canceled (Expired)", "new")
    assert forgotten.meanwhile == "422 CheckoutSessionCanceled (a completion)"


def test_a_wallet_in_progress_is_waited_for(account: MerchantAccount) -> None:
    """It is the one reason that the buyer has nothing to do with."""
    (row,) = [row for row in play_interruptions(account) if "ChargeInProgress" in row.state]
    assert (row.recovery, row.permission) == ("waited for Amazon", "same")
    wallet = account.wallet()
    account.emulator.control.post(f"permissions/{wallet}", state="NonChargeable", reasonCode="ChargeInProgress")
    assert decide(account.client.get_charge_permission(wallet)).next_step is Step.WAIT


def test_after_all_drills_the_ledger_equals_the_objects() -> None:
    """Whatever went wrong, a shop that repeats with the same key and reads its objects knows all of its money."""
    with Emulator("eu", seed=7) as emulator:
        account = MerchantAccount(emulator, journal=Journal())
        play_cards(account)
        play_codes(account)
        play_interruptions(account)
        compared = reconcile(account.client)
        assert len(compared) > len(SIMULATIONS)
        assert compared["agrees"].all()
        account.close()


def test_without_an_emulator_nothing_is_tried() -> None:
    """The rows are there and say so."""
    rows = [*play_cards(None), *play_codes(None), *play_precedence(None)]
    assert {row.answer for row in rows} == {"not tried here"}
    assert {row.meanwhile for row in play_interruptions(None)} == {"not tried here"}
