"""A buyer's stay at Amazon's pages: which page follows which, and what each page's button does to the session."""

import hashlib
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from amazonpay_nb.emulator.records import Permission, Session
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import personas, sessions, shipping_areas
from amazonpay_nb.emulator.rules.transitions import move
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.flows import CHANGE_ACTIONS, FLOWS, SIGN_IN, lookup
from amazonpay_nb.spec.parts import to_json
from amazonpay_nb.spec.simulations import CARDS, CardEffect, SimulatedCard

# Cards that let the stay end well and the session badly.
_ENDINGS = {CardEffect.BUYER_CANCELED: "Cancel", CardEffect.DECLINED: "Decline"}
# What a buyer agrees to: paths into the session.
_TERMS = (
    "chargePermissionType", "recurringMetadata.frequency", "recurringMetadata.amount",
    "paymentDetails.chargeAmount", "paymentDetails.totalOrderAmount",
)  # fmt: skip


def returning(address: str, parameter: str, value: str) -> str:
    """Return the merchant's address with a parameter added to its query, which otherwise stays as it is."""
    parts = urlsplit(address)
    query = "&".join(filter(None, (parts.query, urlencode({parameter: value}) if value else "")))
    return urlunsplit(parts._replace(query=query))


def _invalid(text: str, message: str, **details: Any) -> Refusal:
    return Refusal("InvalidParameterValue", message, text=text, **details)


class Stay:
    """One Open session on its way through the pages.

    The session's notes hold the number of the ``stay`` and the ``page`` that the buyer has got to: earlier pages can be
    opened again, later ones not before their turn.  The method of each page's form returns the next page, or None at
    the end of the stay.
    """

    def __init__(self, world: World, session: Session) -> None:
        self.world, self.session, self.notes = world, session, session.notes
        self.flow = FLOWS[self.notes.flow]
        self._pages_of = FLOWS[self.notes.pages_of]

    @property
    def _pages(self) -> tuple[str, ...]:
        return self._pages_of.stays[self.notes.stay]

    @property
    def _is_last(self) -> bool:
        return self.notes.stay == len(self._pages_of.stays) - 1

    @property
    def set_up_only(self) -> bool:
        """Whether nothing is bought, so that the buyer agrees to save or cancels."""
        return sessions.only_saves(self.session)

    @property
    def terms(self) -> str:
        """A digest of what the buyer is to agree to: what is kept, and what is paid."""
        terms = [lookup(self.session.document, path) for path in _TERMS]
        return hashlib.sha256(to_json(terms).encode()).hexdigest()

    @property
    def _card(self) -> SimulatedCard:
        return CARDS[self.notes.card]

    def enter(self) -> str:
        """Return the first page of a stay; while the shop's information is incomplete, that of the first stay."""
        if self.notes.stay and self.session.document["constraints"]:
            self._go_to(0, "sign-in")
        return self._pages[0]

    def change(self, action: str) -> str:
        """Return from the shop's review page to the choice of an address or a payment method."""
        page = CHANGE_ACTIONS.get(action)
        if len(self._pages_of.stays) == 1 or not self.notes.buyer:
            problem = "the shop has no review page to return to"
        elif page is None:
            problem = f"changeAction {action!r} must be {' or '.join(CHANGE_ACTIONS)}"
        elif not self._applies(page):
            problem = f"a {self.session.document['productType']} checkout does not ask for it"
        elif not self.notes.ready:  # what the buyer has begun comes first  [inferred]
            return self.notes.page
        else:
            # After a change of address the buyer goes straight back; a payment method needs consent, too.  [inferred]
            self.notes.changes_address = page == "shipping-address"
            self._go_to(0, page)
            return page
        raise Refusal("InvalidRequest", f"There is nothing to change: {problem}.", text="no-change")

    def _go_to(self, stay: int, page: str) -> None:
        passed = dict.fromkeys([*self.notes.passed, self.notes.page] if stay == self.notes.stay else [])
        self.notes.stay, self.notes.page, self.notes.passed = stay, page, [*passed]
        self.world.store.put(self.session)

    def may_open(self, name: str) -> bool:
        """Tell whether a page is the present one, or an earlier one of this stay."""
        if name == self.notes.page:
            return True
        pages = self._pages
        return name in pages and self.notes.page in pages and pages.index(name) < pages.index(self.notes.page)

    def asks_first(self, name: str) -> bool:
        """Go back to consent, and return True, where an update wants to keep what the buyer was not asked about.

        At Amazon such an update may be refused, or the buyer asked elsewhere.  [inferred]
        """
        answered = self.notes.asked or self.notes.updates or not self._applies("consent")
        if answered or name not in ("processing", "challenge"):
            return False
        self._go_to(self.notes.stay, "consent")
        return True

    def is_binding(self, page: str) -> bool:
        """Tell whether a page's button agrees to something, which the page shows."""
        return page in ("consent", "processing", "challenge") or (self._is_last and self._next(page) is None)

    def _next(self, page: str) -> str | None:
        """Return the next page that applies."""
        pages = self._pages
        # The pages for another payment method and for consent may be outside of the stay's own pages.
        start = pages.index(page) + 1 if page in pages else 0
        return next((name for name in pages[start:] if self._applies(name)), None)

    def _after(self, page: str) -> str | None:
        """Return the next page, or None when the stay is over."""
        following = self._next(page)
        # Without a processing page the payment method is tried out at the end of the stay.
        tried_at_end = following is None and self._is_last and "processing" not in self._pages
        if tried_at_end and self._card.trigger == CardEffect.DECLINE_ON_PAGE:
            return self._try_again("declined")
        return following

    def _applies(self, page: str) -> bool:
        if page == "challenge":
            return self.world.region.psd2 or self._card.trigger == CardEffect.FAIL_CHALLENGE
        if page == "shipping-address":  # a button's own address is final
            return self.session.document["productType"] == "PayAndShip" and not self.notes.address
        return page != "consent" or self.session.document["chargePermissionType"] == "PaymentMethodOnFile"

    def press(self, name: str, form: dict[str, str], terms: str) -> str | None:
        """Carry out a page's action; return the merchant's address at the end of the stay, else None.

        Args:
            name: The page.
            form: Its fields.
            terms: The `terms` that it has shown; where they have changed, its button agrees to nothing.
        """
        if form.get("action") == "cancel":
            return self._cancel(name)
        if self.asks_first(name):
            return None
        if self.is_binding(name) and terms != self.terms:
            problem = "Update Checkout Session has changed the amount or the type since the page was opened."
            raise Refusal("InvalidCheckoutSessionStatus", problem, status=409, text="changed")
        actions = {
            "sign-in": self._sign_in,
            "share": lambda form: self._after("share"),
            "shipping-address": self._ship,
            "payment-method": self._choose,
            "consent": self._consent,
            "challenge": self._challenge,
            "processing": self._process,
        }
        following = actions[name](form)
        sessions.refresh(self.world, self.session)
        if following is None:
            return self._leave()
        self.notes.ready &= self.notes.stay > 0
        self._go_to(self.notes.stay, following)
        return None

    def _sign_in(self, form: dict[str, str]) -> str | None:
        """Associate a test buyer."""
        region, document, scopes = self.world.region.code, self.session.document, self.notes.scopes
        email = form.get("email", "")
        if email not in personas.PERSONAS[region]:
            raise _invalid("choose-buyer", f"{email!r} is no test buyer.", field="email")
        if self.owner not in ("", email):  # Amazon ties a wallet to one account  [inferred]
            raise _invalid("other-buyer", f"{email!r} has not saved {self.notes.updates}.", field="email")
        document["buyer"] = personas.details(self.world, self.session.merchant_id, email, scopes)
        home = personas.addresses(region, email)[0]
        if document["productType"] is None:  # created by an API call
            document["productType"] = "PayOnly" if self.flow.name in ("setup", "update") else "PayAndShip"
        shared = self.flow.signs_in and "shippingAddress" in scopes
        if shared or document["productType"] == "PayAndShip":
            document["shippingAddress"] = self.notes.address or home
        wants_billing = "billingAddress" in scopes or document["productType"] == "PayOnly"
        document["billingAddress"] = home if wants_billing or self.world.region.billing_address else None
        # The agreement may be another buyer's, and so may the consent and the payment method.
        document["paymentPreferences"], self.notes.asked, self.notes.consents = [None], False, True
        self.notes.buyer, self.notes.agreed, self.notes.changes_address = email, False, False
        following = self._after("sign-in")
        if following == "shipping-address":  # none is chosen yet
            document["shippingAddress"] = None
        return following

    @property
    def addresses(self) -> dict[str, dict[str, Any]]:
        """The buyer's address book, by the value of the form field."""
        book = personas.addresses(self.world.region.code, self.notes.buyer)
        return {str(number): address for number, address in enumerate(book, start=1)}

    @property
    def likely_address(self) -> str:
        """The address that is chosen already, else the first one that the shop delivers to, else home."""
        book, chosen = self.addresses, self.session.document["shippingAddress"]
        likely = (n for n, address in book.items() if address == chosen or not (chosen or self.refuses(address)))
        return next(likely, "1")

    @property
    def _wallet(self) -> Permission | None:
        """The permission that the Update page is about; None elsewhere."""
        return self.world.store.get("Charge Permission", self.notes.updates)

    @property
    def current_method(self) -> str:
        """The present payment method of the wallet, on the Update page; "" elsewhere."""
        wallet = self._wallet
        return str(wallet.document["paymentPreferences"][0]["paymentDescriptor"]) if wallet else ""

    @property
    def owner(self) -> str:
        """The test buyer who has saved the wallet, on the Update page; "" elsewhere, and where it is nobody of them."""
        wallet = self._wallet
        return personas.email_of(self.world, wallet.merchant_id, wallet.document["buyer"]) if wallet else ""

    def refuses(self, address: dict[str, Any]) -> shipping_areas.Reason | None:
        """Return the reason why the shop does not deliver to an address, or None."""
        return shipping_areas.refuses(self.session.document["deliverySpecifications"], address)

    def _ship(self, form: dict[str, str]) -> str | None:
        """Associate an address that the shop delivers to."""
        number = form.get("address", "")
        address = self.addresses.get(number)
        if address is None:
            raise _invalid("choose-address", f"{number!r} is no address of the buyer.", field="address")
        if reason := self.refuses(address):
            raise _invalid(reason.text, reason.rule, field="address", place=personas.place(address))
        self.session.document["shippingAddress"] = address
        self.notes.agreed = False
        if self.notes.changes_address:
            self.notes.changes_address = False
            return None
        return self._after("shipping-address")

    def _choose(self, form: dict[str, str]) -> str | None:
        """Associate a card, if its prerequisite is met or can still be."""
        card = CARDS.get(form.get("card", ""))
        if card is None:
            raise _invalid("choose-card", f"{form.get('card', '')!r} is no payment method.", field="card")
        undecided = not self._is_last and self.session.document["paymentDetails"]["paymentIntent"] is None
        if card.requires_pending and not self._can_wait() and not undecided:
            problem = f"…{card.last4} needs {card.prerequisite}."
            raise Refusal("InvalidParameterCombination", problem, text="card-needs", field="card", digits=card.last4)
        self.notes.card, self.notes.agreed, self.notes.notice = card.last4, False, ""
        self.session.document["paymentPreferences"] = [{"paymentDescriptor": card.descriptor}]
        return self._after("payment-method")

    def _can_wait(self) -> bool:
        details = self.session.document["paymentDetails"]
        return bool(details["canHandlePendingAuthorization"]) and details["paymentIntent"] == "Authorize"

    def _consent(self, form: dict[str, str]) -> str | None:
        """Note whether the shop may keep what it asks for; in a purchase that is the buyer's choice."""
        consents = form.get("save") == "yes"
        if not consents and self.set_up_only:
            raise _invalid("must-agree", "save must be yes.")
        self.notes.asked, self.notes.consents = True, consents
        return self._after("consent")

    def _challenge(self, form: dict[str, str]) -> str | None:
        """Pass or fail; after a failure the buyer may choose another method."""
        if form.get("action") == "fail" or self._card.trigger == CardEffect.FAIL_CHALLENGE:
            return self._try_again("challenge-failed")
        return self._after("challenge")

    def _process(self, form: dict[str, str]) -> str | None:
        """Authorize the purchase, as far as the buyer can see it."""
        self._require_complete()
        if self._card.trigger == CardEffect.DECLINE_ON_PAGE:
            return self._try_again("declined")
        if self._card.requires_pending and not self._can_wait():
            return self._try_again("cannot-wait")
        return self._after("processing")

    def _try_again(self, notice: str) -> str:
        self.notes.notice = notice
        return "payment-method"

    def _require_complete(self) -> None:
        if left := self.session.document["constraints"]:
            missing = ", ".join(row["constraintId"] for row in left)
            raise Refusal("InvalidRequest", f"The session is not complete: {missing}.")

    def _leave(self) -> str:
        """End the stay with the card's outcome and return the merchant's address."""
        number, value = self.notes.stay, self.session.id
        if self._is_last:
            self._require_complete()
            self._go_to(number, self._pages[0])
            value = self._end(_ENDINGS.get(self._card.trigger, "Agree"))
        else:
            self.notes.ready = True
            self._go_to(number + 1, "processing")
        address = lookup(self.session.document, self._pages_of.returns_to[number])
        return returning(address or sessions.return_address(self.session.document), self.notes.parameter, value)

    def _cancel(self, name: str) -> str:
        """Cancel the session and return the address for that, or the ordinary one.

        A buyer who cancels while the payment is processed, or after a decline, arrives where a paying buyer would.
        """
        cancel_address = lookup(self.session.document, self.flow.cancels_to)
        declined = bool(self.notes.notice)
        value = self._end("Decline" if declined else "Cancel")
        if cancel_address and not declined and name != "processing":
            return str(cancel_address)
        return returning(sessions.return_address(self.session.document), self.notes.parameter, value)

    def _end(self, trigger: str) -> str:
        """End the session, and return the value for the shop's return address."""
        if self.flow.opens == SIGN_IN:
            return personas.end_sign_in(self.world, self.session, trigger)
        if trigger == "Agree":
            sessions.agree(self.world, self.session)
        else:
            move(self.world, self.session, trigger)
        return self.session.id
