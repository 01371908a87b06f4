"""A merchant's code, as small as it can be: save a wallet, charge it, refund the charge, and hear from Amazon."""

from amazonpay_nb.client import AmazonPayClient
from amazonpay_nb.client.notifications import Notification
from amazonpay_nb.errors import DeclinedError

RESULT_URL = "https://shop.example/result"


class Wallet:
    """One buyer's Saved Wallet.

    Args:
        client: Sends the requests to Amazon Pay.
        store_id: The store that the button belongs to.
    """

    def __init__(self, client: AmazonPayClient, store_id: str) -> None:
        self._client, self._store_id = client, store_id
        self.charge_permission_id = ""
        self.needs_repair = False

    def begin(self) -> str:
        """Open a Checkout Session and return its id: the buyer's page starts with it."""
        session = self._client.create_checkout_session(
            store_id=self._store_id,
            web_checkout_details={"checkoutResultReturnUrl": RESULT_URL},
            charge_permission_type="PaymentMethodOnFile",
            payment_method_on_file_metadata={"setupOnly": True},
            payment_details={"paymentIntent": "Confirm"},
        )
        return session.checkout_session_id

    def complete(self, checkout_session_id: str) -> None:
        """Save the wallet when the buyer is back; a reloaded page changes nothing."""
        session = self._client.get_checkout_session(checkout_session_id)
        if session.state == "Open":
            session = self._client.complete_checkout_session(checkout_session_id)
        self.charge_permission_id = session.charge_permission_id or ""

    def charge(self, order: str, price: dict[str, str]) -> str:
        """Charge the wallet for an order and return the charge's id, or "" where the payment is declined."""
        try:
            charge = self._client.create_charge(
                charge_permission_id=self.charge_permission_id,
                charge_amount=price,
                capture_now=True,
                merchant_metadata={"merchantReferenceId": order},
                idempotency_key=f"charge-{order}",  # one order, one charge, however often this is called
            )
        except DeclinedError:
            return ""
        return charge.charge_id

    def hear(self, notification: Notification) -> None:
        """Look at the Charge Permission again when Amazon says that it has changed."""
        if notification.object_id == self.charge_permission_id:
            permission = self._client.get_charge_permission(self.charge_permission_id)
            self.needs_repair = permission.state != "Chargeable"
