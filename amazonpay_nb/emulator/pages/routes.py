"""Amazon's pages, emulated: plain forms that a person clicks and `buyer.py` presses alike.

A visit walks through the pages that `spec.flows` lists for the flow.  Every address on a page is relative, so that the
pages work behind a proxy; every form carries a token that only the page knows.  A page speaks the language that the
button asked for; what is meant for developers stays English.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jinja2
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse

from amazonpay_nb.emulator.pages import entry
from amazonpay_nb.emulator.pages.languages import Texts, texts
from amazonpay_nb.emulator.pages.walk import Visit
from amazonpay_nb.emulator.refusal import Explained, Refusal
from amazonpay_nb.emulator.rules import personas as buyers
from amazonpay_nb.emulator.store import Record
from amazonpay_nb.emulator.world import World
from amazonpay_nb.loopback import is_proxied, seen_from
from amazonpay_nb.spec.flows import CHECKOUT_SESSION, PAGES, RETURN_PARAMETER, SIGN_IN
from amazonpay_nb.spec.simulations import CARDS, PENDING_SECONDS

__all__ = ["build_pages"]

_HERE = Path(__file__).parent
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
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

    def find(self, request: Request, told: Mapping[str, str]) -> Visit:
        """Return the visit of an Open session; note its language, also for a page that refuses."""
        session_id = told.get(RETURN_PARAMETER, "")
        session = self.world.store.get(CHECKOUT_SESSION, session_id) or self.world.store.get(SIGN_IN, session_id)
        if session is None:
            raise Explained("unknown", "No Checkout Session has this id.", status=404, reason_code="ResourceNotFound")
        request.state.language = session.hidden.get("language")
        if session.kind == CHECKOUT_SESSION and session.state != "Open":
            reason = session.document["statusDetails"]["reasonCode"]
            message = f"Checkout Session {session.id} is {session.state}{f' ({reason})' if reason else ''}."
            raise Explained("over", message, status=422, reason_code="InvalidCheckoutSessionStatus")
        return Visit(self.world, session)

    def find_by_form(self, request: Request, form: Mapping[str, str]) -> Visit:
        """Return the visit whose page a form is from."""
        visit = self.find(request, form)
        if not hmac.compare_digest(form.get("token", "").encode(), self._token(visit.session).encode()):
            raise Explained("form", "The form holds no token of this page.", status=403, reason_code="InvalidRequest")
        return visit

    def _token(self, session: Record) -> str:
        return hmac.new(self._key, session.id.encode(), hashlib.sha256).hexdigest()

    def show(
        self, name: str, visit: Visit, refusal: Refusal | None = None, form: dict[str, str] | None = None
    ) -> Response:
        """Render a page of a visit; a *refusal* says what to correct in the *form* that was sent."""
        document = visit.session.document
        shop = document["merchantMetadata"]["merchantStoreName"]
        shop = shop or self.world.merchant(visit.session.merchant_id).name
        t = self._texts(visit.hidden.get("language"))
        return self._render(
            name, refusal.status if refusal else 200, t, visit=visit, session=visit.session, document=document,
            error=refusal and _told(refusal, "error", t, shop=shop), form=form or {}, shop=shop, cards=CARDS,
            token=self._token(visit.session), personas=buyers.PERSONAS[self.world.region.code], place=buyers.place,
            pending_seconds=PENDING_SECONDS, notice=visit.notice if name == "payment-method" else "",
        )  # fmt: skip

    def problem(self, refusal: Refusal, language: str | None) -> Response:
        """Render a refusal: the buyer is not sent anywhere."""
        t = self._texts(language)
        return self._render("problem", refusal.status, t, error=_told(refusal, "problem", t))

    def _texts(self, language: str | None) -> Texts:
        region = self.world.region
        return texts(language if language in region.languages else region.default_language)

    def _render(self, name: str, status: int, t: Texts, **values: Any) -> Response:
        text = _PAGES.get_template(f"{name}.html").render(name=name, t=t, region=self.world.region, **values)
        return HTMLResponse(text, status, _HEADERS)


def _told(refusal: Refusal, table: str, t: Texts, **values: str) -> dict[str, str]:
    """Return what a page says about a refusal: a sentence for the buyer, and the rest for developers."""
    text, field, more = "shop-mistake", "", {}
    if isinstance(refusal, Explained):
        text, field, more = refusal.text, refusal.field, refusal.values
    return {
        "sentence": t(f"{table}.{text}", **values, **more), "field": field, "message": refusal.message,
        "reason_code": refusal.reason_code,
    }  # fmt: skip


def build_pages(app: FastAPI, world: World) -> None:  # noqa: C901 (a function for each address)
    """Mount the script and the pages."""
    pages = Pages(world)
    router = APIRouter(include_in_schema=False)

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return pages.problem(refusal, getattr(request.state, "language", None))

    @router.get("/checkout.js")
    async def script() -> Response:
        return PlainTextResponse((_HERE / "checkout.js").read_text("utf-8"), media_type="text/javascript")

    @router.post("/checkout/initiate")
    async def initiate(request: Request) -> Response:
        form = await _form(request)
        request.state.language = form.get("checkoutLanguage")
        with world.store.transaction():
            session = entry.start(world, form, request.headers.get("origin", ""), _own_host(request))
        return _to("sign-in", session.id)

    @router.post("/initiate")
    async def start_in_app(request: Request) -> Response:
        try:
            with world.store.transaction():
                session = entry.start_mobile(world, await request.body())
        except Refusal as refusal:  # an app reads it, not a person
            return JSONResponse(refusal.body, refusal.status)
        return JSONResponse({RETURN_PARAMETER: session.id})

    @router.get("/checkout/initiate_auth")
    async def change(request: Request) -> Response:
        visit = pages.find(request, request.query_params)
        with world.store.transaction():
            return _to(visit.change(request.query_params.get("changeAction", "")), visit.session.id)

    @router.get("/initiate")  # the link that the Mobile SDK opens
    @router.get("/checkout")
    async def enter(request: Request) -> Response:
        visit = pages.find(request, request.query_params)
        with world.store.transaction():
            return _to(f"checkout/{visit.enter()}", visit.session.id)

    @router.get("/checkout/{name}")
    async def show(request: Request, name: str) -> Response:
        visit = pages.find(request, request.query_params)
        if name not in PAGES:
            raise Explained("page", f"There is no page {name!r}.", status=404, reason_code="ResourceNotFound")
        return pages.show(name, visit) if visit.may_open(name) else _to(visit.page, visit.session.id)

    @router.post("/checkout/{name}")
    async def press(name: str, request: Request) -> Response:
        form = await _form(request)
        visit = pages.find_by_form(request, form)
        if not visit.may_open(name):
            return _to(visit.page, visit.session.id)
        try:
            with world.store.transaction():
                address = visit.press(name, form)
        except Refusal as refusal:
            return pages.show(name, pages.find(request, form), refusal, form)
        if not address:
            return _to(visit.page, visit.session.id)
        return RedirectResponse(seen_from(request.url.path, request.headers, address), 303)

    app.routes.extend(router.routes)  # what `include_router` adds costs each request more than its handler


async def _form(request: Request) -> dict[str, str]:
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        raise Refusal(400, "InvalidRequest", f"A form has at most {_MAX_FIELDS} fields.") from None


def _own_host(request: Request) -> str | None:
    """Return the host of a proxy that both the shop's page and this one are behind."""
    return request.url.hostname if is_proxied(request.headers) else None


def _to(page: str, session_id: str) -> Response:
    """Send the buyer on; the address is relative."""
    return RedirectResponse(f"{page}?{urlencode({RETURN_PARAMETER: session_id})}", 303)
