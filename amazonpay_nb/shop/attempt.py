"""One attempt of a buyer to use Amazon Pay, as the shop sees it: where it starts, and each arrival back."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self

from amazonpay_nb.errors import BuyerPageError
from amazonpay_nb.shop.cart import Cart
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.spec.flows import RETURN_PARAMETER

__all__ = ["BUYER_TOKEN", "Arrival", "Attempt", "Review", "arrived"]

# What plain Amazon Sign-in adds to the return address.
BUYER_TOKEN = "buyerToken"  # noqa: S105 (a name)
# Amazon's pages print two more spellings of the parameter, and differ in capitals.
_SESSION_PARAMETERS = (RETURN_PARAMETER.lower(), "checkoutsessionid")
# How often a wait looks up.  Not one long sleep: a kernel notices its stop button only when the event loop turns.
GLANCE_SECONDS = 0.1
_STREET = (("addressLine1",), ("addressLine2",), ("addressLine3",))
# How an address is written, line by line, where the town does not come before the postal code.
_TOWN_LAST = (("name",), *_STREET, ("postalCode", "city", "stateOrRegion"), ("countryCode",))
_LAYOUTS = {
    **dict.fromkeys(("AT", "DE", "ES", "FR", "IT"), _TOWN_LAST),
    "JP": (("postalCode",), ("stateOrRegion", "city", "county", "district"), *_STREET, ("name",), ("countryCode",)),
}
_LAYOUT = (("name",), *_STREET, ("city", "county", "district", "stateOrRegion", "postalCode"), ("countryCode",))


@dataclass(frozen=True, slots=True)
class Arrival:
    """The buyer's browser is back at the shop.  This alone proves nothing: only Complete Checkout Session does.

    Attributes:
        kind: ``result``, ``review``, ``ordered``, ``cancel`` or ``signed-in``.
        checkout_session_id: What Amazon added to the address, or "".
        buyer_token: The same after plain Amazon Sign-in, for Get Buyer; not shown, since it opens the buyer's data.
    """

    kind: str
    checkout_session_id: str
    buyer_token: str = field(default="", repr=False)


def arrived(kind: str, query: Mapping[str, str]) -> Arrival:
    """Read an arrival from the query of a return address."""
    lower = {name.lower(): value for name, value in query.items()}
    session_id = next((lower[name] for name in _SESSION_PARAMETERS if name in lower), "")
    return Arrival(kind, session_id, query.get(BUYER_TOKEN, ""))


@dataclass(frozen=True, slots=True)
class Review:
    """What the shop's review page says before the buyer orders.

    Attributes:
        address: Lines of the shipping address; none where nothing is shipped.
        redirect_url: Where the order is paid, or "" while Amazon Pay still has to be told something.
        left: What that is: the constraints of the Checkout Session.
    """

    session_id: str
    address: tuple[str, ...]
    payment: str
    redirect_url: str
    left: tuple[str, ...]

    @classmethod
    def of(cls, session: CheckoutSession) -> Self:
        """Take from an Open session what a buyer needs to see."""
        given = session.shipping_address or {}
        layout = _LAYOUTS.get(given.get("countryCode", ""), _LAYOUT)
        lines = (" ".join(given[name] for name in names if given.get(name)) for names in layout)
        method = (session.payment_preferences or [None])[0] or {}
        return cls(
            session.checkout_session_id,
            tuple(filter(None, lines)),
            method.get("paymentDescriptor") or "",
            (session.web_checkout_details or {}).get("amazonPayRedirectUrl") or "",
            tuple(row["constraintId"] for row in session.constraints or ()),
        )

    @property
    def changes(self) -> tuple[dict[str, str], ...]:
        """The second arguments of ``amazon.Pay.bindChangeAction``: an address that is not there cannot be changed."""
        actions = ("changeAddress", "changePayment") if self.address else ("changePayment",)
        return tuple({RETURN_PARAMETER: self.session_id, "changeAction": action} for action in actions)


class Attempt:
    """One attempt to use Amazon Pay, with addresses of its own.

    A flow may have several stays at Amazon, each with an arrival of its own: `begin_stay` starts the wait for the next.

    Attributes:
        page_url: The shop's page from which the buyer goes to Amazon for the first time.
        order_url: The shop's review page, where the buyer orders.
        start: ``button``, ``load`` or ``click``: what makes the first page go to Amazon.
        cart: What is ordered; with the shipping option that the buyer chose last.
    """

    def __init__(self, shop_url: str, token: str, public_url: str = "") -> None:
        self.token = token
        self.page_url = f"{shop_url}/pay/{token}"
        self.order_url = f"{shop_url}/order/{token}"
        self._back_url = public_url or shop_url
        self.button: tuple[str, dict[str, Any]] | None = None
        self.start = "button"
        self.cart: Cart | None = None
        self.review: Review | None = None
        self.script_url = ""
        self.arrival: Future[Arrival] = Future()

    def address(self, kind: str) -> str:
        """Return the return address for a kind of arrival."""
        return f"{self._back_url}/{kind}/{self.token}"

    @property
    def result_url(self) -> str:
        """For ``checkoutResultReturnUrl``."""
        return self.address("result")

    @property
    def review_url(self) -> str:
        """For ``checkoutReviewReturnUrl``."""
        return self.address("review")

    @property
    def signed_in_url(self) -> str:
        """For ``signInReturnUrl``."""
        return self.address("signed-in")

    @property
    def cancel_url(self) -> str:
        """For ``checkoutCancelUrl`` and ``signInCancelUrl``."""
        return self.address("cancel")

    def offer(self, script_url: str, config: dict[str, Any], *, start: str = "button", cart: Cart | None = None) -> str:
        """Put the button on the first page and return the page's address.

        Args:
            start: ``button`` renders the Amazon Pay button, ``click`` gives the shop a button of its own, and ``load``
                goes to Amazon as soon as the page is open.
            cart: What the page says will be bought.
        """
        self.button, self.start, self.cart = (script_url, config), start, cart
        return self.page_url

    def ask(self, script_url: str, review: Review, cart: Cart | None = None) -> str:
        """Put the order on the review page and return the page's address."""
        self.script_url, self.review, self.cart = script_url, review, cart or self.cart
        return self.order_url

    def begin_stay(self) -> Future[Arrival]:
        """Return the arrival that is waited for: a new one when the last has happened."""
        if self.arrival.done():
            self.arrival = Future()
        return self.arrival

    def arrive(self, arrival: Arrival) -> None:
        """Note that the buyer is back; a reloaded page is no second arrival."""
        if not self.arrival.done():
            self.arrival.set_result(arrival)

    async def returned(self, timeout: float, arrival: Future[Arrival] | None = None) -> Arrival:
        """Wait until the buyer is back.

        Args:
            timeout: Seconds.
            arrival: Which one to wait for; the latest when left out.
        Raises:
            BuyerPageError: Nobody came back in time, or the wait was interrupted; the page stays open.
        """
        awaited = arrival or self.arrival
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        try:
            while not awaited.done() and loop.time() < end:
                await asyncio.sleep(GLANCE_SECONDS)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise BuyerPageError(
                "The wait was interrupted; nothing has changed.",
                advice="The page is still open: run this cell again to go on waiting.",
            ) from None
        if not awaited.done():
            raise BuyerPageError(
                f"The buyer did not come back from Amazon's pages within {timeout:g} seconds.",
                advice="The page is still open: finish there and run this cell again, or make a new attempt.",
            )
        return awaited.result()
