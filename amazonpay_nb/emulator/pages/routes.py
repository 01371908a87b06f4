"""Amazon's pages, emulated: plain forms that a person clicks and `buyer.py` submits.

A stay walks through the pages that `spec.flows` lists for the flow.  Every address on a page is relative, so that the
pages work behind a proxy; every form carries a token that only the page knows.  A page is in the language that the
button asked for; what is meant for developers stays in English.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from amazonpay_nb.emulator.api.bodies import read_once
from amazonpay_nb.emulator.clock import zulu
from amazonpay_nb.emulator.control import CONTROL_PATH
from amazonpay_nb.emulator.pages import entry
from amazonpay_nb.emulator.pages.walk import Stay
from amazonpay_nb.emulator.records import Session
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.rules import personas
from amazonpay_nb.emulator.world import World
from amazonpay_nb.loopback import amazon_host, is_proxied, relative_address, route
from amazonpay_nb.spec.flows import CHECKOUT_SESSION, PAGES, RETURN_PARAMETER, SIGN_IN
from amazonpay_nb.spec.notifications import hosts_of
from amazonpay_nb.spec.simulations import CARDS, PENDING_SECONDS
from amazonpay_nb.texts import PAGE_SCRIPT, Texts, page_headers, templates

_HERE = Path(__file__).parent
_PAGES = templates(_HERE)
_SCRIPT = base64.b64encode(hashlib.sha256(PAGE_SCRIPT.encode()).digest()).decode()
_POLICY = f"default-src 'none'; script-src 'sha256-{_SCRIPT}'; style-src 'unsafe-inline'; base-uri 'none'"
TEXTS = _HERE / "texts"
# How many exchanges the first page lists.
_SHOWN = 20
# More than any page or button sends.
_MAX_FIELDS = 100


class Pages:
    """Find the buyer's stay, show its pages and receive their forms."""

    def __init__(self, world: World) -> None:
        self.world = world
        # In the store: a page that is open while the emulator is started again can still be sent.
        key = world.store.setting("pages") or secrets.token_hex(32)
        world.store.set("pages", key)
        self._key = ascii(key).encode()

    def _find(self, request: Request, form: Mapping[str, str] | None = None) -> Stay:
        """Return the stay of the Open session that a form or the address names, and keep its language for a refusal."""
        fields = read_once(request.query_params.multi_items(), "InvalidRequest") if form is None else form
        session_id = fields.get(RETURN_PARAMETER, "")
        session = self.world.store.get(CHECKOUT_SESSION, session_id) or self.world.store.get(SIGN_IN, session_id)
        if session is None:
            raise Refusal("ResourceNotFound", "No Checkout Session has this id.", text="unknown")
        request.state.language = session.notes.language
        if session.kind == CHECKOUT_SESSION and session.state != "Open":
            reason = session.document["statusDetails"]["reasonCode"]
            message = f"Checkout Session {session.id} is {session.state}{f' ({reason})' if reason else ''}."
            raise Refusal("InvalidCheckoutSessionStatus", message, text="over")
        return Stay(self.world, session)

    def _token(self, session: Session, terms: str) -> str:
        return terms + hmac.new(self._key, f"{session.id} {terms}".encode(), hashlib.sha256).hexdigest()

    def _page(
        self, name: str, stay: Stay, refusal: Refusal | None = None, form: dict[str, str] | None = None
    ) -> Response:
        """Render a page of a stay; a *refusal* says what to correct in the *form* that was sent."""
        document = stay.session.document
        shop = document["merchantMetadata"]["merchantStoreName"]
        shop = shop or self.world.merchants[stay.session.merchant_id].name
        t = self._texts(stay.notes.language)
        return self._render(
            name, refusal.status if refusal else 200, t, stay=stay, session=stay.session, document=document,
            error=refusal and _explained(refusal, "error", t, shop=shop), form=form or {}, shop=shop, cards=CARDS,
            token=self._token(stay.session, stay.terms), personas=personas.PERSONAS[self.world.region.code],
            place=personas.place, pending_seconds=PENDING_SECONDS,
            notice=stay.notes.notice if name == "payment-method" else "",
        )  # fmt: skip

    def _texts(self, language: str | None) -> Texts:
        region = self.world.region
        return Texts(TEXTS, language if language in region.languages else region.default_language)

    def _render(self, name: str, status: int, t: Texts, **values: Any) -> Response:
        text = _PAGES.get_template(f"{name}.html").render(name=name, t=t, region=self.world.region, **values)
        return HTMLResponse(text, status, page_headers(_POLICY))

    def routes(self) -> list[Route]:
        """Return a route for the script and for each address of the pages."""
        return [
            route("GET", "/", self._index),
            route("GET", "/checkout.js", self._script),
            route("POST", "/checkout/initiate", self._initiate),
            route("POST", "/initiate", self._start_in_app),
            route("GET", "/checkout/initiate_auth", self._change),
            route("GET", "/initiate", self._enter),  # the link that the Mobile SDK opens
            route("GET", "/checkout", self._enter),
            route("GET", "/checkout/{name}", self._show),
            route("POST", "/checkout/{name}", self._press),
        ]

    async def refused(self, request: Request, refusal: Any) -> Response:
        """Show a `Refusal` that no page has dealt with: the buyer is not sent anywhere."""
        t = self._texts(getattr(request.state, "language", None))
        return self._render("problem", refusal.status, t, error=_explained(refusal, "problem", t))

    async def _index(self, request: Request) -> Response:
        """Say what is running, to its developer."""
        if amazon_host(request.scope):
            raise HTTPException(404)
        world = self.world
        return self._render(
            "index", 200, Texts(TEXTS, "en_US"), world=world, now=zulu(world.clock.now()),
            control=world.url + CONTROL_PATH, hosts=hosts_of(world.region),
            exchanges=list(world.journal)[: -_SHOWN - 1 : -1], version=version("amazonpay-nb"),
        )  # fmt: skip

    async def _script(self, request: Request) -> Response:
        script = (_HERE / "checkout.js").read_text("utf-8")
        if amazon_host(request.scope):  # where the pages have a host of their own
            script = script.replace("document.currentScript.src", f'"https://{self.world.region.hosted_host}/"')
        return PlainTextResponse(script, media_type="text/javascript")

    async def _initiate(self, request: Request) -> Response:
        form = await _form(request)
        request.state.language = form.get("checkoutLanguage")
        # Behind a proxy, the shop's page and this one share a host.
        own_host = request.url.hostname if is_proxied(request.headers) else None
        with self.world.store.transaction():
            session = entry.start(self.world, form, request.headers.get("origin", ""), own_host)
        return _to("sign-in", session.id)

    async def _start_in_app(self, request: Request) -> Response:
        try:
            if "origin" in request.headers:  # nothing here is signed, and an app has no pages
                raise Refusal("InvalidRequest", "Only an app starts a checkout here, and no page.", status=403)
            body = await request.body()
            with self.world.store.transaction():
                session = entry.start_mobile(self.world, body)
        except Refusal as refusal:  # an app reads it, not a person
            return JSONResponse(refusal.body, refusal.status)
        return JSONResponse({RETURN_PARAMETER: session.id})

    async def _change(self, request: Request) -> Response:
        stay = self._find(request)
        with self.world.store.transaction():
            return _to(stay.change(request.query_params.get("changeAction", "")), stay.session.id)

    async def _enter(self, request: Request) -> Response:
        stay = self._find(request)
        with self.world.store.transaction():
            return _to(f"checkout/{stay.enter()}", stay.session.id)

    async def _show(self, request: Request) -> Response:
        name = request.path_params["name"]
        stay = self._find(request)
        if name not in PAGES:
            raise Refusal("ResourceNotFound", f"There is no page {name!r}.", text="page")
        with self.world.store.transaction():
            if not stay.may_open(name) or stay.asks_first(name):
                return _to(stay.notes.page, stay.session.id)
        return self._page(name, stay)

    async def _press(self, request: Request) -> Response:
        name = request.path_params["name"]
        form = await _form(request)
        stay = self._find(request, form)
        token = form.get("token", "")
        terms = token[: len(stay.terms)]
        if not hmac.compare_digest(token.encode(), self._token(stay.session, terms).encode()):
            message = "The form does not contain this page's token."
            raise Refusal("InvalidRequest", message, status=403, text="form")
        try:
            with self.world.store.transaction():
                address = stay.press(name, form, terms) if stay.may_open(name) else None
        except Refusal as refusal:
            return self._page(name, self._find(request, form), refusal, form)
        if not address:
            return _to(stay.notes.page, stay.session.id)
        return RedirectResponse(relative_address(request.url.path, request.headers, address), 303)


def _explained(refusal: Refusal, table: str, t: Texts, **values: str) -> dict[str, str]:
    """Return what a page says about a refusal: a sentence for the buyer, and the rest for developers."""
    sentence = t(f"{table}.{refusal.text}", **values, **refusal.values)
    return refusal.body | {"sentence": sentence, "field": refusal.field}


async def _form(request: Request) -> dict[str, str]:
    text = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Refusal("InvalidRequest", f"A form has at most {_MAX_FIELDS} fields.") from None
    return read_once(fields, "InvalidRequest")


def _to(page: str, session_id: str) -> Response:
    """Send the buyer on; the address is relative."""
    return RedirectResponse(f"{page}?{urlencode({RETURN_PARAMETER: session_id})}", 303)
