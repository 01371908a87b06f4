"""Flow 4 from the button to the refund, over HTTP, and plain Amazon Sign-in beside it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from amazonpay_nb import show, workbench
from amazonpay_nb.client.button import sign_button, sign_in_and_set_up_payload, sign_in_payload
from amazonpay_nb.client.guide import charge, complete_set_up
from amazonpay_nb.client.journal import AMAZON_PAY_PAGES, Exchange
from amazonpay_nb.errors import ConfigurationError, ConflictError, NotFoundError
from amazonpay_nb.shop import Arrival, Cart
from amazonpay_nb.shop.accounts import Account, Accounts
from amazonpay_nb.shop.buyer import read
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.hosted_page import HostedPage

CURRENCY = {"na": "USD", "eu": "EUR", "jp": "JPY"}


@pytest.fixture(params=list(CURRENCY))
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench for each region, with keys."""
    bench = workbench.open(region=request.param, buyer="script")
    bench.set_up_keys()
    yield bench
    bench.close()


def offer(wb: Workbench, *, touchless: bool = False, cancel: bool = True, scopes: tuple[str, ...] = ()) -> HostedPage:
    attempt = wb.shop.new_attempt()
    payload = sign_in_and_set_up_payload(
        wb.store_id, sign_in_url=attempt.signed_in_url, cancel_url=attempt.cancel_url if cancel else None, scopes=scopes
    )
    show = wb.show_touchless if touchless else wb.show_button
    return show(attempt, sign_button(payload, wb.keys), product_type="SignInAndSetup")


def offer_plain(wb: Workbench, *, touchless: bool = False, scopes: tuple[str, ...] = ()) -> HostedPage:
    attempt = wb.shop.new_attempt()
    payload = sign_in_payload(
        wb.store_id, sign_in_url=attempt.signed_in_url, cancel_url=attempt.cancel_url, scopes=scopes
    )
    show = wb.show_touchless if touchless else wb.show_button
    return show(attempt, sign_button(payload, wb.keys), product_type="SignIn")


def come_back(page: HostedPage, **script: Any) -> Arrival:
    return asyncio.run(page.returned(**script))


def set_up(wb: Workbench, **how: Any) -> CheckoutSession:
    return complete_set_up(wb.client, come_back(offer(wb, **how)).checkout_session_id)


def account_of(accounts: Accounts, session: CheckoutSession) -> Account:
    return accounts.sign_in(session.buyer or {}, saved_wallet=session.charge_permission_id)


def test_a_visitor_becomes_a_customer_whose_wallet_is_charged_and_refunded(wb: Workbench) -> None:
    """One consent brings the buyer and the permission, in the region's currency."""
    arrival = come_back(offer(wb))
    session = complete_set_up(wb.client, arrival.checkout_session_id)
    account = account_of(Accounts(), session)
    permission = wb.client.get_charge_permission(account.saved_wallet)
    payment = charge(wb.client, account.saved_wallet, wb.amount, charge_initiator="CITU", capture_now=True)
    refund = wb.client.create_refund(charge_id=payment.charge_id, refund_amount=wb.amount)
    wb.wait(30)

    assert (arrival.kind, arrival.buyer_token) == ("signed-in", "")
    assert (session.state, session.charge_permission_type, session.charge_id) == (
        "Completed", "PaymentMethodOnFile", None,
    )  # fmt: skip
    assert account.name
    assert account.email
    assert (permission.state, permission.buyer and permission.buyer["buyerId"]) == ("Chargeable", account.buyer_id)
    assert payment.charge_amount.currency_code == CURRENCY[wb.region.code]
    assert wb.client.get_refund(refund.refund_id).state == "Refunded"


def test_a_touchless_start_ends_like_the_button(wb: Workbench) -> None:
    """And finds the account that the button has made; the newer wallet is the one to charge."""
    accounts = Accounts()
    pressed = account_of(accounts, set_up(wb))
    first_wallet = pressed.saved_wallet
    opened = account_of(accounts, set_up(wb, touchless=True))

    assert opened is pressed
    assert len(accounts) == 1
    assert opened.saved_wallet != first_wallet
    assert wb.client.get_charge_permission(first_wallet).state == "Chargeable"


@pytest.mark.parametrize("touchless", [False, True], ids=["button", "touchless"])
def test_plain_sign_in_brings_the_same_buyer_and_no_wallet(wb: Workbench, touchless: bool) -> None:
    """The account is found by the token; the wallet in it stays."""
    accounts = Accounts()
    account = account_of(accounts, set_up(wb))
    wallet = account.saved_wallet
    arrival = come_back(offer_plain(wb, touchless=touchless))
    buyer = wb.client.get_buyer(arrival.buyer_token)

    assert (arrival.kind, arrival.checkout_session_id) == ("signed-in", "")
    assert buyer.model_dump(exclude_none=True).keys() == {"buyer_id"}
    assert accounts.sign_in(buyer.model_dump(by_alias=True)) is account
    assert (account.saved_wallet, bool(account.email)) == (wallet, True)
    assert arrival.buyer_token not in repr(arrival)


def test_scopes_say_what_is_shared(wb: Workbench) -> None:
    """In both ways to sign in."""
    scopes = ("email", "shippingAddress")
    session = set_up(wb, scopes=scopes)
    buyer = wb.client.get_buyer(come_back(offer_plain(wb, scopes=scopes)).buyer_token)
    shared = {name for name, value in (session.buyer or {}).items() if value is not None}

    assert shared == {"buyerId", *scopes}
    assert buyer.model_dump(by_alias=True, exclude_none=True).keys() == shared
    assert buyer.shipping_address == (session.buyer or {})["shippingAddress"]


def test_a_buyer_who_cancels_is_not_signed_in(wb: Workbench) -> None:
    """The cancel address is called as it is, in both ways to sign in."""
    assert come_back(offer(wb), ending="cancel") == Arrival("cancel", "")
    assert come_back(offer_plain(wb), ending="cancel") == Arrival("cancel", "")


def test_without_a_cancel_address_the_return_proves_nothing(wb: Workbench) -> None:
    """The buyer arrives where one who agreed arrives; Complete tells the difference."""
    arrival = come_back(offer(wb, cancel=False), ending="cancel")

    assert arrival.kind == "signed-in"
    with pytest.raises(ConflictError, match="BuyerCanceled"):
        complete_set_up(wb.client, arrival.checkout_session_id)


def test_a_plain_sign_in_cannot_be_completed(wb: Workbench) -> None:
    """There is no session, and the token of one is no token of the other."""
    arrival = come_back(offer_plain(wb))

    with pytest.raises(ConfigurationError, match="without a Checkout Session id"):
        complete_set_up(wb.client, arrival.checkout_session_id)
    with pytest.raises(NotFoundError):
        wb.client.get_checkout_session(arrival.buyer_token)
    assert wb.emulator is not None
    assert not [row for row in wb.journal.exchanges if row.operation == "completeCheckoutSession"]


def test_a_token_is_gone_after_a_day(wb: Workbench) -> None:
    """So it is read when the buyer is back, and the account is kept."""
    token = come_back(offer_plain(wb)).buyer_token
    wb.wait(24 * 60 * 60)

    with pytest.raises(NotFoundError):
        wb.client.get_buyer(token)


def test_accounts_are_found_by_the_buyers_id_alone() -> None:
    """Two people may share an address, and one may change it."""
    accounts = Accounts()
    ada = accounts.sign_in({"buyerId": "amzn1.account.A", "name": "Ada", "email": "ada@example.com"})
    ben = accounts.sign_in({"buyerId": "amzn1.account.B", "name": "Ben", "email": "ada@example.com"})
    again = accounts.sign_in({"buyerId": "amzn1.account.A", "name": None, "email": "new@example.com"})

    assert again is ada
    assert (ada.name, ada.email, ada.number, ben.number) == ("Ada", "new@example.com", 1, 2)
    assert list(accounts) == [ada, ben]
    assert not {"Ada", "ada@example.com", "amzn1.account.A"} & set(repr(ada).split("'"))


def test_the_next_order_needs_the_shops_pages_only(wb: Workbench) -> None:
    """The checkout shows the wallet as saved; the order is placed in the shop, and the server charges."""
    wallet = wb.client.get_charge_permission(str(set_up(wb).charge_permission_id))
    cart = Cart.of("Ticket", wb.amount, ships=False)
    attempt = wb.shop.new_attempt()
    stays = [entry for entry in wb.journal if not isinstance(entry, Exchange) and AMAZON_PAY_PAGES in entry.target]
    page = wb.show_checkout(attempt, wallet, cart)
    assert any(wallet.payment_descriptor in line for line in read(attempt.order_url).lines)
    assert come_back(page) == Arrival("ordered", "")
    paid = charge(wb.client, wallet.charge_permission_id, cart.total, charge_initiator="CITU", capture_now=True)
    assert paid.state == "Captured"
    account = show(read(f"{wb.shop.url}/account")).text
    assert wallet.payment_descriptor in account
    assert paid.charge_id in account
    after = [entry for entry in wb.journal if not isinstance(entry, Exchange) and AMAZON_PAY_PAGES in entry.target]
    assert after == stays, "the buyer was not at Amazon again"
