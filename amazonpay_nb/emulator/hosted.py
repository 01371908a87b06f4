"""Amazon's pages, emulated: plain forms that a person clicks and `buyer.py` presses alike.

A visit walks through the pages that `spec.visits` lists for the flow.  Every address on a page is relative, so that the
pages work behind a proxy; every form carries a token that only the page knows.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import jinja2
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from amazonpay_nb.emulator import buyers, entry
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import move
from amazonpay_nb.emulator.sessions import refresh
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.simulations import CARDS, CardEffect, SimulatedCard
from amazonpay_nb.spec.visits import FLOWS, PAGES, RETURN_PARAMETER, lookup

__all__ = ["build_pages", "returning"]

_HERE = Path(__file__).parent
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "pages"), autoescape=True, undefined=jinja2.StrictUndefined
)
# How the buyer gives up: as a cancellation, or as a decline where a payment method was refused before.
_NOTICES = {
    "declined": "Your payment method was declined. Choose another one, or cancel.",
    "challenge-failed": "The challenge was not passed. Choose another payment method, or cancel.",
}


def returning(address: str, session_id: str) -> str:
    """Return the merchant's address with the session's id added to its query."""
    parts = urlsplit(address)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), (RETURN_PARAMETER, session_id)])
    return urlunsplit(parts._replace(query=query))


class Visit:
    """One session on its way through the pages."""

    def __init__(self, world: World, session: Record) -> None:
        self.world, self.session, self.hidden = world, session, session.hidden
        self.flow = FLOWS[self.hidden["flow"]]

    @property
    def pages(self) -> tuple[str, ...]:
        """The pages of the present visit that apply."""
        return tuple(page for page in self.flow.visits[self.hidden["visit"]] if self._applies(page))

    def _applies(self, page: str) -> bool:
        card = CARDS.get(self.hidden.get("card", ""))
        if page == "challenge":
            return self.world.region.psd2 or (card is not None and card.trigger == CardEffect.FAIL_CHALLENGE)
        if page == "consent":
            return self.session.document["chargePermissionType"] == "PaymentMethodOnFile"
        return page != "processing" or not self.session.document["constraints"] or not self.hidden.get("buyer")

    def first(self) -> str:
        """Where a visit begins."""
        return self.pages[0]

    def after(self, page: str) -> str | None:
        """Return the next page, or None when the visit is over."""
        pages = self.pages
        if resume := self.hidden.pop("resume", None):
            return str(resume)
        position = pages.index(page) + 1
        if position < len(pages):
            return pages[position]
        # Without a processing page the payment method is tried out at the end of the visit.
        last = self.hidden["visit"] == len(self.flow.visits) - 1
        if last and "processing" not in pages and self.card.trigger == CardEffect.DECLINE_ON_PAGE:
            return self._try_again("declined", page)
        return None

    # --- What each page's form does; each returns the next page, or None at the end of the visit ----------------------

    def sign_in(self, form: dict[str, str]) -> str | None:
        """Associate a test buyer."""
        email = form.get("email", "")
        if email not in buyers.PERSONAS[self.world.region.code]:
            raise Refusal(400, "InvalidParameterValue", "Choose one of the test buyers.")
        region, document = self.world.region.code, self.session.document
        buyer_id = f"amzn1.account.{self.world.stable_id(self.session.merchant_id, email)}"
        document["buyer"] = buyers.details(region, email, buyer_id, self.hidden["scopes"])
        address = buyers.address(region, email)
        if document["productType"] is None:  # created by an API call
            document["productType"] = "PayOnly" if self.flow.name in ("setup", "update") else "PayAndShip"
        if document["productType"] == "PayAndShip":
            document["shippingAddress"] = self.hidden.get("address") or address
        wants_billing = "billingAddress" in self.hidden["scopes"] or document["productType"] == "PayOnly"
        document["billingAddress"] = address if wants_billing or region == "eu" else None
        self.hidden["buyer"] = email
        return self.after("sign-in")

    def payment_method(self, form: dict[str, str]) -> str | None:
        """Associate a card, if its prerequisite is met."""
        card = CARDS.get(form.get("card", ""))
        if card is None:
            raise Refusal(400, "InvalidParameterValue", "Choose one of the payment methods.")
        details = self.session.document["paymentDetails"]
        waits = details["canHandlePendingAuthorization"] and details["paymentIntent"] == "Authorize"
        if card.requires_pending and not waits:
            raise Refusal(400, "InvalidParameterCombination", f"…{card.last4} needs: {card.prerequisite}.")
        self.hidden["card"] = card.last4
        self.hidden.pop("notice", None)
        self.session.document["paymentPreferences"] = [{"paymentDescriptor": card.descriptor}]
        return self.after("payment-method")

    def consent(self, form: dict[str, str]) -> str | None:
        """Note whether the wallet may be kept; in a purchase that is the buyer's choice."""
        self.hidden["consent"] = form.get("save") == "yes"
        if not self.hidden["consent"] and self.set_up_only:
            raise Refusal(400, "InvalidParameterValue", "Without your agreement nothing can be saved; agree or cancel.")
        return self.after("consent")

    @property
    def set_up_only(self) -> bool:
        """Whether nothing is bought in this flow."""
        return not self.flow.complete_with_amount

    def challenge(self, form: dict[str, str]) -> str | None:
        """Pass or fail; after a failure the buyer may choose another method."""
        if form["action"] == "fail" or self.card.trigger == CardEffect.FAIL_CHALLENGE:
            return self._try_again("challenge-failed", "challenge")
        return self.after("challenge")

    def processing(self, form: dict[str, str]) -> str | None:
        """Authorise the purchase, as far as the buyer can see it."""
        if self.card.trigger == CardEffect.DECLINE_ON_PAGE:
            return self._try_again("declined", "processing")
        return self.after("processing")

    def _try_again(self, notice: str, page: str) -> str:
        self.hidden |= {"notice": notice, "resume": page}
        return "payment-method"

    @property
    def card(self) -> SimulatedCard:
        """The card that was chosen."""
        return CARDS[self.hidden["card"]]

    # --- The ways out -------------------------------------------------------------------------------------------------

    def leave(self) -> str:
        """End the visit as the card wants it and return the merchant's address."""
        field = self.flow.returns_to[self.hidden["visit"]]
        web = self.session.document["webCheckoutDetails"]
        ending = {CardEffect.BUYER_CANCELED: "Cancel", CardEffect.DECLINED: "Decline"}.get(self.card.trigger)
        review = web["checkoutReviewReturnUrl"] if self.hidden["visit"] == 0 else None
        last = self.hidden["visit"] == len(self.flow.visits) - 1
        if last and self.session.document["constraints"]:
            missing = ", ".join(row["constraintId"] for row in self.session.document["constraints"])
            raise Refusal(400, "InvalidRequest", f"The shop has not said everything that is needed: {missing}.")
        if last:
            self.hidden["agreed"] = ending is None
            if ending:
                move(self.world, self.session, ending)
        else:
            self.hidden["visit"] += 1
        refresh(self.world, self.session)
        return returning(review or lookup(self.session.document, field), self.session.id)

    def cancel(self) -> str:
        """Cancel the session and return the address for that, or the ordinary one."""
        web = self.session.document["webCheckoutDetails"]
        declined = "notice" in self.hidden
        move(self.world, self.session, "Decline" if declined else "Cancel")
        self.world.store.put(self.session)
        if web["checkoutCancelUrl"] and not declined:
            return str(web["checkoutCancelUrl"])
        fields = ("checkoutResultReturnUrl", "checkoutReviewReturnUrl", "signInCancelUrl", "signInReturnUrl")
        return returning(next(web[f] for f in fields if web.get(f)), self.session.id)


def build_pages(app: FastAPI, world: World) -> None:
    """Mount the script and the pages."""
    key = secrets.token_bytes(32)
    router = APIRouter(include_in_schema=False)

    def token(session: Record) -> str:
        return hmac.new(key, session.id.encode(), hashlib.sha256).hexdigest()

    def find(session_id: str) -> Visit:
        session = world.store.get("Checkout Session", session_id)
        if session is None:
            raise Refusal(404, "ResourceNotFound", "There is no such checkout. Go back to the shop and start again.")
        if session.state != "Open":
            reason = session.document["statusDetails"]["reasonCode"]
            text = f"This checkout is {session.state}{f' ({reason})' if reason else ''}. Go back to the shop."
            raise Refusal(422, "InvalidCheckoutSessionStatus", text)
        return Visit(world, session)

    def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        values = {"region": world.region, "language": "en", "title": PAGES.get(name, "Something is wrong"), **values}
        return HTMLResponse(_PAGES.get_template(f"{name}.html").render(values), status, _HEADERS)

    def problem(refusal: Refusal) -> HTMLResponse:
        return page("problem", refusal.status, refusal=refusal)

    def shown(name: str, visit: Visit, error: str = "", status: int = 200) -> HTMLResponse:
        return page(
            name, status, visit=visit, session=visit.session, document=visit.session.document,
            merchant=world.merchant(visit.session.merchant_id), token=token(visit.session), error=error, cards=CARDS,
            personas=buyers.PERSONAS[world.region.code], notice=_NOTICES.get(visit.hidden.get("notice", ""), ""),
        )  # fmt: skip

    @router.get("/checkout.js")
    async def script() -> Response:
        return PlainTextResponse((_HERE / "static" / "checkout.js").read_text(), media_type="text/javascript")

    @router.post("/checkout/initiate")
    async def initiate(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        try:
            with world.store.transaction():
                session = entry.start(world, form, request.headers.get("origin", ""))
        except Refusal as refusal:
            return problem(refusal)
        return _to("sign-in", session.id)

    @router.get("/checkout")
    async def enter(amazonCheckoutSessionId: str = "") -> Response:  # noqa: N803 (Amazon's name)
        try:
            visit = find(amazonCheckoutSessionId)
        except Refusal as refusal:
            return problem(refusal)
        return _to(f"checkout/{visit.first()}", visit.session.id)

    @router.get("/checkout/{name}")
    async def show(name: str, amazonCheckoutSessionId: str = "") -> Response:  # noqa: N803
        try:
            visit = find(amazonCheckoutSessionId)
            if name not in PAGES:
                raise Refusal(404, "ResourceNotFound", "There is no such page.")
            needed = "buyer" if name != "sign-in" else ""
            if needed and not visit.hidden.get("buyer"):
                return _to("sign-in", visit.session.id)
            if name not in ("sign-in", "payment-method") and not visit.hidden.get("card"):
                return _to("payment-method", visit.session.id)
            return shown(name, visit)
        except Refusal as refusal:
            return problem(refusal)

    @router.post("/checkout/{name}")
    async def press(name: str, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        try:
            visit = find(form.get(RETURN_PARAMETER, ""))
            if name not in PAGES or not hmac.compare_digest(form.get("token", ""), token(visit.session)):
                raise Refusal(403, "InvalidRequest", "This form is not from this page. Open the page again.")
            if name not in ("sign-in", "payment-method") and not visit.hidden.get("card"):
                raise Refusal(422, "InvalidRequest", "Choose a payment method first.")
        except Refusal as refusal:
            return problem(refusal)
        try:
            with world.store.transaction():
                if form.get("action") == "cancel":
                    return RedirectResponse(visit.cancel(), 303)
                following = getattr(visit, name.replace("-", "_"))({"action": "", **form})
                address = None if following else visit.leave()
                refresh(world, visit.session)
        except Refusal as refusal:
            return shown(name, find(visit.session.id), refusal.message, refusal.status)
        return _to(following, visit.session.id) if following else RedirectResponse(str(address), 303)

    app.include_router(router)


_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}


def _to(page: str, session_id: str) -> RedirectResponse:
    return RedirectResponse(f"{page}?{urlencode({RETURN_PARAMETER: session_id})}", 303)
