"""Amazon's pages, emulated: plain forms that a person clicks and `buyer.py` presses alike.

A visit walks through the pages that `spec.visits` lists for the flow.  Every address on a page is relative, so that the
pages work behind a proxy; every form carries a token that only the page knows.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jinja2
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from amazonpay_nb.emulator import buyers, entry
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.visit import NOTICES, Visit
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.simulations import CARDS
from amazonpay_nb.spec.visits import PAGES, RETURN_PARAMETER

__all__ = ["build_pages"]

_HERE = Path(__file__).parent
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "pages"), autoescape=True, undefined=jinja2.StrictUndefined
)
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# More than any page or button sends.
_MAX_FIELDS = 100


class Pages:
    """Finds visits and shows pages."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._key = secrets.token_bytes(32)

    def find(self, session_id: str) -> Visit:
        """Return the visit of an Open session."""
        session = self.world.store.get("Checkout Session", session_id)
        if session is None:
            raise Refusal(404, "ResourceNotFound", "There is no such checkout. Go back to the shop and start again.")
        if session.state != "Open":
            reason = session.document["statusDetails"]["reasonCode"]
            text = f"This checkout is {session.state}{f' ({reason})' if reason else ''}. Go back to the shop."
            raise Refusal(422, "InvalidCheckoutSessionStatus", text)
        return Visit(self.world, session)

    def find_by_form(self, form: dict[str, str]) -> Visit:
        """Return the visit whose page a form is from."""
        visit = self.find(form.get(RETURN_PARAMETER, ""))
        if not hmac.compare_digest(form.get("token", "").encode(), self._token(visit.session).encode()):
            raise Refusal(403, "InvalidRequest", "This form is not from this page. Open the page again.")
        return visit

    def _token(self, session: Record) -> str:
        return hmac.new(self._key, session.id.encode(), hashlib.sha256).hexdigest()

    def show(self, name: str, visit: Visit, error: str = "", status: int = 200) -> Response:
        """Render a page of a visit."""
        document = visit.session.document
        shop = document["merchantMetadata"]["merchantStoreName"]
        return self._render(
            name, status, visit=visit, session=visit.session, document=document, error=error, cards=CARDS,
            shop=shop or self.world.merchant(visit.session.merchant_id).name, token=self._token(visit.session),
            personas=buyers.PERSONAS[self.world.region.code], notice=NOTICES.get(visit.hidden.get("notice", ""), ""),
        )  # fmt: skip

    def problem(self, refusal: Refusal) -> Response:
        """Render a refusal: the buyer is not sent anywhere."""
        return self._render("problem", refusal.status, refusal=refusal)

    def _render(self, name: str, status: int, **values: Any) -> Response:
        title = PAGES.get(name, "Something is wrong")
        text = _PAGES.get_template(f"{name}.html").render(region=self.world.region, title=title, **values)
        return HTMLResponse(text, status, _HEADERS)


def build_pages(app: FastAPI, world: World) -> None:  # noqa: C901 (a function for each address)
    """Mount the script and the pages."""
    pages = Pages(world)
    router = APIRouter(include_in_schema=False)

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return pages.problem(refusal)

    @router.get("/checkout.js")
    async def script() -> Response:
        return PlainTextResponse((_HERE / "static" / "checkout.js").read_text("utf-8"), media_type="text/javascript")

    @router.post("/checkout/initiate")
    async def initiate(request: Request) -> Response:
        form = await _form(request)
        with world.store.transaction():
            session = entry.start(world, form, request.headers.get("origin", ""))
        return _to("sign-in", session.id)

    @router.get("/checkout/initiate_auth")
    async def change(amazonCheckoutSessionId: str = "") -> Response:  # noqa: N803 (Amazon's name)
        visit = pages.find(amazonCheckoutSessionId)
        with world.store.transaction():
            return _to(visit.change(), visit.session.id)

    @router.get("/checkout")
    async def enter(amazonCheckoutSessionId: str = "") -> Response:  # noqa: N803
        visit = pages.find(amazonCheckoutSessionId)
        with world.store.transaction():
            return _to(f"checkout/{visit.enter()}", visit.session.id)

    @router.get("/checkout/{name}")
    async def show(name: str, amazonCheckoutSessionId: str = "") -> Response:  # noqa: N803
        if name not in PAGES:
            raise Refusal(404, "ResourceNotFound", "There is no such page.")
        visit = pages.find(amazonCheckoutSessionId)
        return pages.show(name, visit) if visit.may_open(name) else _to(visit.page, visit.session.id)

    @router.post("/checkout/{name}")
    async def press(name: str, request: Request) -> Response:
        form = await _form(request)
        visit = pages.find_by_form(form)
        if not visit.may_open(name):
            return _to(visit.page, visit.session.id)
        try:
            with world.store.transaction():
                address = visit.press(name, form)
        except Refusal as refusal:
            return pages.show(name, pages.find(visit.session.id), refusal.message, refusal.status)
        return RedirectResponse(address, 303) if address else _to(visit.page, visit.session.id)

    app.include_router(router)


async def _form(request: Request) -> dict[str, str]:
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        raise Refusal(400, "InvalidRequest", f"A form has at most {_MAX_FIELDS} fields.") from None


def _to(page: str, session_id: str) -> Response:
    """Send the buyer on; the address is relative."""
    return RedirectResponse(f"{page}?{urlencode({RETURN_PARAMETER: session_id})}", 303)
