"""One attempt of a buyer to use Amazon Pay, as the shop sees it: where it starts, and each return."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from amazonpay_nb.shop.cart import SHIPPING, Cart
from amazonpay_nb.spec.answers import CheckoutSession
from amazonpay_nb.spec.flows import RETURN_PARAMETER

PAGES = ("pay", "cart", "order")  # of an attempt
# The kinds of return.
ARRIVALS = ("result", "review", "ordered", "cancel", "signed-in")
# Amazon's pages use two more spellings of the parameter, which differ in capitals.
_SESSION_PARAMETERS = (RETURN_PARAMETER.lower(), "checkoutsessionid")


@dataclass(frozen=True, slots=True)
class Arrival:
    """The buyer's return to the shop.  It proves nothing by itself; Complete Checkout Session does."""

    kind: str  # one of `ARRIVALS`
    checkout_session_id: str  # as Amazon added it to the address, or ""
    # The same, after plain Amazon Sign-in; it opens buyer data, and pytest shows what it compares.
    buyer_token: str = field(default="", repr=False, compare=False)

    @classmethod
    def read(cls, kind: str, query: Mapping[str, str]) -> Self:
        """Read an arrival from the query of a return address."""
        lower = {name.lower(): value for name, value in query.items()}
        session_id = next((lower[name] for name in _SESSION_PARAMETERS if name in lower), "")
        return cls(kind, session_id, query.get("buyerToken", ""))


@dataclass(frozen=True, slots=True)
class Review:
    """The contents of the shop's review page, or of its checkout with a Saved Wallet, which needs no session."""

    session_id: str = ""
    address: tuple[str, ...] = ()  # the lines; none where nothing is shipped
    payment: str = ""
    redirect_url: str = ""  # where the order is paid, or "" while the Checkout Session has constraints
    left: tuple[str, ...] = ()  # the ids of those constraints

    @classmethod
    def of(cls, session: CheckoutSession) -> Self:
        """Return what a buyer needs to see of an Open session."""
        address = session.shipping_address or {}
        usual, country = SHIPPING["addresses"][-1], address.get("countryCode")
        layout = next((row for row in SHIPPING["addresses"] if country in row["countries"]), usual)
        lines = (" ".join(address[name] for name in names if address.get(name)) for names in layout["lines"])
        method = (session.payment_preferences or [None])[0] or {}
        return cls(
            session.checkout_session_id,
            tuple(filter(None, lines)),
            method.get("paymentDescriptor") or "",
            (session.web_checkout_details or {}).get("amazonPayRedirectUrl") or "",
            tuple(row["constraintId"] for row in session.constraints or ()),
        )


class Attempt:
    """One attempt to use Amazon Pay, with return addresses of its own.

    An attempt may take several stays at Amazon, each of which ends with an arrival: `begin_stay` awaits the next one.
    """

    def __init__(self, shop_url: str, token: str, public_url: str = "") -> None:
        self.token = token
        # Where the buyer goes to Amazon for the first time; the cart; the review page or checkout, where they order.
        self.page_url, self.cart_url, self.order_url = (f"{shop_url}/{name}/{token}" for name in PAGES)
        # The return addresses of a payload, and where a buyer goes after ordering on the review page.
        addresses = (f"{public_url or shop_url}/{kind}/{token}" for kind in ARRIVALS)
        self.result_url, self.review_url, self.ordered_url, self.cancel_url, self.signed_in_url = addresses
        self.script_url, self.start = "", "button"
        self.config: dict[str, Any] = {}  # of the button, once there is one
        self.cart: Cart | None = None  # with the shipping option that the buyer chose last
        self.review: Review | None = None
        self.arrival: Future[Arrival] = Future()
        # Called with the kind of a return before a server of the reader's works on it.
        self.on_return: Callable[[str], None] = lambda kind: None

    def offer(self, script_url: str, config: dict[str, Any], *, start: str = "button", cart: Cart | None = None) -> str:
        """Put the button on the first page and return the page's address.

        Args:
            start: What goes to Amazon: the Amazon Pay ``button``; a ``click`` on the shop's own; the page's ``load``.
        """
        self.script_url, self.config, self.start, self.cart = script_url, config, start, cart
        return self.page_url

    def ask(self, script_url: str, review: Review, cart: Cart | None = None) -> str:
        """Put the order on the review page and return the page's address."""
        self.script_url, self.review, self.cart = script_url, review, cart or self.cart
        return self.order_url

    def begin_stay(self) -> Future[Arrival]:
        """Return the arrival to wait for: a new one if the last one has happened."""
        if self.arrival.done():
            self.arrival = Future()
        return self.arrival

    def arrive(self, arrival: Arrival) -> None:
        """Note that the buyer is back; reloading the page is not another arrival."""
        with suppress(InvalidStateError):
            self.arrival.set_result(arrival)
