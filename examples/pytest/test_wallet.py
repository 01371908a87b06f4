"""The merchant's tests: every flow, failure and region against an emulated Amazon Pay, without an account."""

from typing import Any

import pytest
from wallet import Wallet

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.testing import NotificationInbox

PRICE = {"amount": "14.00", "currencyCode": "USD"}


def page(emulator: Emulator, session_id: str) -> str:
    """Return the address of Amazon's page for a Checkout Session."""
    return f"{emulator.url}/checkout?amazonCheckoutSessionId={session_id}"


@pytest.fixture
def wallet(amazonpay_client: AmazonPayClient, amazonpay_emulator: Emulator) -> Wallet:
    """A wallet that the buyer has not saved yet."""
    return Wallet(amazonpay_client, amazonpay_emulator.store_id)


@pytest.fixture
def saved(wallet: Wallet, amazonpay_emulator: Emulator, amazonpay_buyer: Any) -> Wallet:
    """A wallet that the buyer has saved."""
    session_id = wallet.begin()
    amazonpay_buyer.approve(page(amazonpay_emulator, session_id))
    wallet.complete(session_id)
    return wallet


def test_a_buyer_saves_a_wallet_and_reloads_the_page(
    wallet: Wallet, amazonpay_emulator: Emulator, amazonpay_buyer: Any
) -> None:
    """Completing a session a second time keeps the wallet."""
    session_id = wallet.begin()
    returned_to = amazonpay_buyer.approve(page(amazonpay_emulator, session_id))

    wallet.complete(session_id)
    wallet.complete(session_id)

    assert returned_to.endswith(session_id)
    assert wallet.charge_permission_id


def test_a_buyer_who_cancels_saves_nothing(wallet: Wallet, amazonpay_emulator: Emulator, amazonpay_buyer: Any) -> None:
    """The session is Canceled, and the shop can still offer the button."""
    session_id = wallet.begin()
    amazonpay_buyer.cancel(page(amazonpay_emulator, session_id))

    wallet.complete(session_id)

    assert wallet.charge_permission_id == ""


def test_an_order_is_charged_once(saved: Wallet, amazonpay_client: AmazonPayClient) -> None:
    """The same order twice is one charge."""
    charge_id = saved.charge("order-1", PRICE)

    assert saved.charge("order-1", PRICE) == charge_id
    assert amazonpay_client.get_charge(charge_id).state == "Captured"


def test_a_lost_answer_does_not_charge_twice(
    saved: Wallet, amazonpay_emulator: Emulator, amazonpay_faults: Any
) -> None:
    """The connection breaks after Amazon did the work; the client repeats the request with the same key."""
    amazonpay_faults("createCharge", "drop-after-commit")

    assert saved.charge("order-1", PRICE)
    assert len(amazonpay_emulator.control.get("objects/charges")["objects"]) == 1


@pytest.mark.parametrize("code", ["SoftDeclined", "HardDeclined", "AmazonRejected"])
def test_a_declined_order_has_no_charge(saved: Wallet, amazonpay_outcomes: Any, code: str) -> None:
    """The shop shows the buyer another way to pay."""
    amazonpay_outcomes("createCharge", code)

    assert saved.charge("order-1", PRICE) == ""


def test_amazon_says_when_a_card_is_gone(
    saved: Wallet, amazonpay_emulator: Emulator, amazonpay_inbox: NotificationInbox
) -> None:
    """The notification tells only that something has changed; the shop gets the Charge Permission."""
    amazonpay_emulator.control.post(
        f"permissions/{saved.charge_permission_id}", state="NonChargeable", reasonCode="PaymentMethodDeleted"
    )
    for notification in amazonpay_inbox.wait():
        saved.hear(notification)

    assert saved.needs_repair


def test_a_forgotten_session_expires(wallet: Wallet, amazonpay_client: AmazonPayClient, amazonpay_clock: Any) -> None:
    """A day passes in a moment."""
    session_id = wallet.begin()
    amazonpay_clock.advance("PT24H")

    assert amazonpay_client.get_checkout_session(session_id).state == "Canceled"


@pytest.mark.amazonpay(region="jp")
def test_yen_have_no_decimals(saved: Wallet) -> None:
    """The same shop in Japan."""
    assert saved.charge("order-1", {"amount": "1400", "currencyCode": "JPY"})
