"""The pytest plugin, as somebody else's test suite would use it."""

from typing import Any

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.emulator import Emulator


def test_a_foreign_test_suite_saves_a_wallet(
    amazonpay_emulator: Emulator, amazonpay_client: AmazonPayClient, amazonpay_buyer: Any, amazonpay_clock: Any
) -> None:
    """Four fixtures are enough for a whole flow."""
    session = amazonpay_client.create_checkout_session(
        store_id=amazonpay_emulator.store_id,
        web_checkout_details={"checkoutResultReturnUrl": "https://shop.example/result"},
        charge_permission_type="PaymentMethodOnFile",
        payment_method_on_file_metadata={"setupOnly": True},
        payment_details={"paymentIntent": "Confirm"},
    )
    url = f"{amazonpay_emulator.url}/checkout?amazonCheckoutSessionId={session.checkout_session_id}"

    assert amazonpay_buyer.approve(url).startswith("https://shop.example/result")
    assert amazonpay_client.complete_checkout_session(session.checkout_session_id).state == "Completed"
    assert [fired["trigger"] for fired in amazonpay_clock.advance("P1D")] == []
