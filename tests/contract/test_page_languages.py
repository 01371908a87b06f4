"""Every page of every flow in every language: what it says, and whether everybody can use it."""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import httpx
import pytest

import amazonpay_nb.emulator
from amazonpay_nb.emulator.pages.routes import TEXTS
from amazonpay_nb.spec.flows import PAGES
from amazonpay_nb.spec.regions import EXAMPLE_ADDRESSES, REGIONS
from amazonpay_nb.spec.requests import Scope
from amazonpay_nb.spec.simulations import CardEffect
from amazonpay_nb.texts import PAGE_SCRIPT, Texts, languages
from tests.emulated import RESULT, SET_UP, SIGN_IN, SIGNED_IN, Buyer, Json, Shop, end_of_checkout, express, usd

REGION_OF = {language: row.code for row in REGIONS.values() for language in row.languages}
CURRENCY = {row.code: row.ledger_currencies[0] for row in REGIONS.values()}
EVERYTHING_SHARED = {"signInScopes": list(get_args(Scope))}
# What a page may hold besides its own language: names, and words that Amazon's API has in English everywhere.
NAMES = re.compile(
    r"Amazon|Pay|Prime|Checkout Session [\w-]+|Emulated Shop|\w+@example\.com|Visa|Amex|Mastercard|Discover|JCB"
    r"|Elsewhere Avenue|Honolulu|HI|US|JP|jp"
)
# Words that stand in almost any English sentence, and in none of the other languages.
ENGLISH = re.compile(r"\b(the|you|your|and|with|this|is|are|to|of|payment|choose|card|nothing|shop's)\b", re.IGNORECASE)


@pytest.fixture(params=languages(TEXTS))
def t(request: pytest.FixtureRequest) -> Texts:
    """The texts of each language in turn."""
    return Texts(TEXTS, request.param)


@pytest.fixture
def shop(request: pytest.FixtureRequest, t: Texts) -> Shop:
    """A shop in the region of the language."""
    shop: Shop = request.getfixturevalue(REGION_OF[t.language])
    return shop


# --- The pages --------------------------------------------------------------------------------------------------------


def every_page(shop: Shop, language: str) -> Iterator[tuple[str, httpx.Response]]:
    """Walk through every flow, with each mistake that a page answers to, and yield each page once it is shown."""
    for flow in (_set_up, _express, _end_of_checkout, _sign_in, _plain_sign_in, _update, _problems):
        if flow is not _update or REGIONS[shop.emulator.region].update_page:
            for name, shown in flow(shop, language):
                yield f"{flow.__name__.strip('_')}: {name}", shown


def _start(shop: Shop, payload: Json, language: str, product_type: str = "PayOnly") -> tuple[Buyer, str]:
    response = shop.click(payload, product_type, checkoutLanguage=language)
    assert response.status_code == 303, response.text
    return shop.buyer(), response.headers["location"].rpartition("=")[2]


Walk = Iterator[tuple[str, httpx.Response]]


def _set_up(shop: Shop, language: str) -> Walk:
    buyer, session_id = _start(shop, SET_UP, language)
    shown = buyer.open(session_id)
    yield "sign-in", shown
    yield "no buyer", buyer.press(shown, action="continue")
    shown = buyer.press(shown, action="continue", email=buyer.email)
    yield "payment method", shown
    yield "no card", buyer.press(shown, action="continue")
    yield "a card that needs more", buyer.press(shown, action="continue", card="0701")
    shown = buyer.press(shown, action="continue", card="9987")
    yield "consent", shown
    yield "no consent", buyer.press(shown, action="continue", save="no")
    shown = buyer.press(shown, action="continue", save="yes")
    yield "challenge", shown
    yield "challenge failed", buyer.press(shown, action="pass")


def _express(shop: Shop, language: str) -> Walk:
    home = {"na": "US", "eu": "DE", "jp": "JP"}[shop.emulator.region]
    rules = {"addressRestrictions": {"type": "NotAllowed", "restrictions": {home: {}}}}
    buyer, session_id = _start(shop, express(deliverySpecifications=rules), language, "PayAndShip")
    shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
    yield "shipping address", shown
    yield "no address", buyer.press(shown, action="continue")
    yield "an address outside", buyer.press(shown, action="continue", address="1")
    buyer, session_id = _start(shop, express(), language, "PayAndShip")
    buyer.walk(session_id, cards=("9995",), address="2")
    price = usd("1234", CURRENCY[shop.emulator.region])
    yield "not complete", buyer.press(buyer.open(session_id, "consent"), action="continue")
    shop.done(
        "updateCheckoutSession", session_id, webCheckoutDetails={"checkoutResultReturnUrl": RESULT},
        paymentDetails={"paymentIntent": "Authorize", "chargeAmount": price},
    )  # fmt: skip
    shown = buyer.open(session_id)
    yield "processing", shown
    yield "declined", buyer.press(shown, action="continue")


def _end_of_checkout(shop: Shop, language: str) -> Walk:
    price = usd("1234", CURRENCY[shop.emulator.region])
    details = {"paymentIntent": "Authorize", "canHandlePendingAuthorization": True, "chargeAmount": price}
    payload = end_of_checkout(paymentDetails=details, addressDetails=EXAMPLE_ADDRESSES[shop.emulator.region])
    buyer, session_id = _start(shop, payload, language, "PayAndShip")
    shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
    yield "payment method", shown
    shown = buyer.press(shown, action="continue", card="0701")
    yield "consent that may be withheld", shown
    yield "processing", buyer.press(shown, action="continue")


def _sign_in(shop: Shop, language: str) -> Walk:
    buyer, session_id = _start(shop, SIGN_IN | EVERYTHING_SHARED, language, "SignInAndSetup")
    shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
    yield "one consent", buyer.press(shown, action="continue", card="1111")


def _plain_sign_in(shop: Shop, language: str) -> Walk:
    for scopes in (EVERYTHING_SHARED, {}):
        buyer, visit_id = _start(shop, {"signInReturnUrl": SIGNED_IN} | scopes, language, "SignIn")
        yield "share", buyer.press(buyer.open(visit_id), action="continue", email=buyer.email)


def _update(shop: Shop, language: str) -> Walk:
    buyer, session_id = _start(shop, SET_UP | {"chargePermissionId": shop.wallet()}, language)
    shown = buyer.open(session_id)
    others = (email for email in re.findall(r'name="email" value="([^"]+)"', shown.text) if email != buyer.email)
    yield "another buyer", buyer.press(shown, action="continue", email=next(others))
    yield "payment method", buyer.press(shown, action="continue", email=buyer.email)


def _problems(shop: Shop, language: str) -> Walk:
    yield "bad signature", shop.click(SET_UP, signature="x", checkoutLanguage=language)
    buyer, session_id = _start(shop, SET_UP, language)
    shown = buyer.open(session_id)
    yield "no token", buyer.press(shown, action="continue", token="x")
    yield "no such page", buyer.open(session_id, "leave")
    told = {"amazonCheckoutSessionId": session_id, "changeAction": "changeAddress"}
    yield "nothing to change", shop.http.get("/checkout/initiate_auth", params=told)
    buyer.press(shown, action="cancel")
    yield "over", buyer.open(session_id)


# --- Reading a page ---------------------------------------------------------------------------------------------------


@dataclass
class Element:
    """An element with its attributes, and the text in it, by language; `around` are the elements that it is in."""

    tag: str
    attributes: dict[str, str]
    around: list["Element"]
    text: str = ""

    def inside(self, tag: str) -> "Element | None":
        return next((element for element in reversed(self.around) if element.tag == tag), None)


@dataclass
class Outline(HTMLParser):
    """The elements of a page, and the text that is in the page's own language."""

    html: str
    elements: list[Element] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attributes}, list(self.open))
        self.elements.append(element)
        if tag not in ("input", "meta", "br"):
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
        languages = [element.attributes["lang"] for element in self.open if "lang" in element.attributes]
        if data.strip() and len(languages) == 1 and self.open[-1].tag not in ("style", "script"):
            self.own.append(" ".join(data.split()))

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def having(self, **attributes: str) -> list[Element]:
        return [one for one in self.elements if attributes.items() <= one.attributes.items()]


def flaws(page: Outline, status: int, t: Texts) -> Iterator[str]:  # noqa: C901 (a list of independent rules)
    """Say what is wrong with a page for someone who uses a keyboard or listens to it."""
    if page.all("html")[0].attributes["lang"] != t.tag:
        yield "not marked as its language"
    for tag in ("h1", "main", "header", "title"):
        if len(page.all(tag)) != 1 or not page.all(tag)[0].text.strip():
            yield f"not exactly one {tag}"
    if page.all("h1")[0].text not in page.all("title")[0].text:
        yield "its title does not hold its heading"
    if t("page.mark") not in page.all("header")[0].text:
        yield "no mark that it is emulated"
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    if len(ids) != len(set(ids)):
        yield "an id twice"
    for element in page.elements:
        yield from _flaws_of(element, ids)
    for group in page.all("fieldset"):
        radios = [one for one in page.all("input") if group in one.around and one.attributes["type"] == "radio"]
        legends = [one for one in page.all("legend") if group in one.around and one.text.strip()]
        if len(legends) != 1 or sum("checked" in radio.attributes for radio in radios) != 1:
            yield "a group of radio buttons without one legend and one choice"
    alerts = page.having(role="alert")
    if status >= 400 and len(alerts) != 1:
        yield "a refusal without an alert"
    if any(not {"tabindex", "autofocus", "id"} <= alert.attributes.keys() for alert in alerts):
        yield "an alert that does not get the focus"
    if len([element for element in page.elements if "autofocus" in element.attributes]) != len(alerts):
        yield "something else has the focus"


def _flaws_of(element: Element, ids: list[str]) -> Iterator[str]:
    values, text = element.attributes, element.text.strip()
    if element.tag == "input" and values["type"] != "hidden":
        label = element.inside("label")
        if label is None or not label.text.strip():
            yield f"no label for {values['name']}"
        if values["type"] == "radio" and element.inside("fieldset") is None:
            yield f"no group for {values['name']}"
    if element.tag in ("button", "a", "summary", "li", "dt", "dd", "p", "h2") and not text:
        yield f"an empty {element.tag}"
    if int(values.get("tabindex", "0")) > 0:
        yield "a tab order of its own"
    if any(name.startswith("on") for name in values) or (element.tag == "script" and element.text != PAGE_SCRIPT):
        yield "a script"
    targets = [values[name] for name in ("aria-describedby", "aria-labelledby") if name in values]
    targets += [values["href"].removeprefix("#")] if element.tag == "a" else []
    for target in targets:
        if target not in ids:
            yield f"nothing is called {target!r}"


# --- The tests --------------------------------------------------------------------------------------------------------


def test_the_languages_are_those_of_the_regions() -> None:
    """Each belongs to one region."""
    assert sorted(REGION_OF) == list(languages(TEXTS))


def test_every_language_has_the_same_texts(t: Texts) -> None:
    """With the same placeholders, and none of them empty."""

    def shape(one: Texts) -> dict[str, set[str]]:
        return {
            f"{table}.{name}": {part[1] for part in string.Formatter().parse(text) if part[1]}
            for table, rows in one._tables.items()
            for name, text in rows.items()
        }

    assert shape(t) == shape(Texts(TEXTS, "en_US"))
    assert all(text for rows in t._tables.values() for text in rows.values())


def test_no_text_was_left_in_english(t: Texts) -> None:
    """Unless it is a name, or the word is the same."""
    same = {
        f"{table}.{name}"
        for table, rows in Texts(TEXTS, "en_GB")._tables.items()
        for name, text in rows.items()
        if table != "money" and t._tables[table][name] == text
    }
    english = t.language.startswith("en")
    assert english or same <= {"consent.shop"}, same


def test_every_page_has_a_title_and_every_row_a_text() -> None:
    """The English headings are those that the tables of flows print."""
    english = Texts(TEXTS, "en_US")
    assert {name: english(f"{name}.title") for name in PAGES} == PAGES
    effects = {effect.name.lower().replace("_", "-") for effect in CardEffect if effect is not CardEffect.SUCCESS}
    assert english._tables["effect"].keys() == effects
    assert english._tables["scope"].keys() == {*get_args(Scope)}


def test_every_page_is_sound_and_in_its_language(shop: Shop, t: Texts) -> None:
    """Landmarks, labels, legends, one heading, errors at their field, one script, and no leftover English."""
    found, seen = [], []
    for name, shown in every_page(shop, t.language):
        seen.append(name)
        page = Outline(shown.text)
        found += [f"{name}: {flaw}" for flaw in flaws(page, shown.status_code, t)]
        found += [f"{name}: {left!r}" for text in page.own for left in foreign(text, t.language)]
        assert "no-store" in shown.headers["cache-control"]
    assert found == []
    assert len(seen) == len(set(seen)) + 1  # share is shown twice
    assert len(seen) == (28 if REGIONS[REGION_OF[t.language]].update_page else 26)


def foreign(text: str, language: str) -> list[str]:
    """Return what is English in a text of another language."""
    if language.startswith("en"):
        return []
    return re.findall(r"[A-Za-z]{2,}", NAMES.sub("", text)) if language == "ja_JP" else ENGLISH.findall(text)


def test_an_error_is_tied_to_its_field(shop: Shop, t: Texts) -> None:
    """The summary links to the field, whose group is invalid and described by the same sentence."""
    fields = []
    for _, shown in every_page(shop, t.language):
        page = Outline(shown.text)
        for link in page.all("a"):
            group = page.having(**{"aria-invalid": "true"})[0]
            said = page.having(id=group.attributes["aria-describedby"])[0]
            target = page.having(id=link.attributes["href"].removeprefix("#"))[0]
            assert said.text == link.text
            assert group in said.around
            assert group in target.around
            fields.append(target.attributes["name"])
    on_the_update_page = ["email"] if REGIONS[shop.emulator.region].update_page else []
    assert fields == ["email", "card", "card", "address", "address", *on_the_update_page]


def test_a_correction_keeps_what_was_chosen(na: Shop) -> None:
    """Also where the choice lies among the cards that are folded away."""
    buyer, session_id = _start(na, SET_UP, "en_US")
    shown = buyer.press(buyer.open(session_id), action="continue", email=buyer.email)
    page = Outline(buyer.press(shown, action="continue", card="0701").text)
    checked = [one for one in page.all("input") if "checked" in one.attributes]
    assert [one.attributes["value"] for one in checked] == ["0701"]
    assert "open" in page.all("details")[0].attributes


def test_without_a_wish_a_page_is_in_the_regions_language(na: Shop, eu: Shop, jp: Shop) -> None:
    """For a button that names none, for a session made by an API call, and where nothing is known at all."""
    for shop in (na, eu, jp):
        tag = Texts(TEXTS, REGIONS[shop.emulator.region].default_language).tag
        buyer = shop.buyer()
        shown = [buyer.open(shop.clicked(SET_UP)), buyer.open(shop.session()), buyer.open("unknown")]
        shown.append(shop.click(SET_UP, checkoutLanguage="xx_XX"))
        assert [Outline(page.text).all("html")[0].attributes["lang"] for page in shown] == [tag] * 4


def test_money_is_written_as_people_write_it(t: Texts) -> None:
    """Decimal and group signs, the currency's place, and no decimals for the yen."""
    large = t.money(usd("1234567.50", "EUR"))
    expected = {"€1,234,567.50", "1.234.567,50\u00a0€", "1\u202f234\u202f567,50\u00a0€"}
    assert large in expected
    assert t.money(usd("1500", "JPY")) in {"¥1,500", "1.500\u00a0¥", "1\u202f500\u00a0¥"}
    assert t.money(usd("14.00", "CHF")) in {"CHF\u00a014.00", "14,00\u00a0CHF"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_they_stand_on(scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2 reckons contrast; edges and focus 3 to 1."""
    css = (Path(amazonpay_nb.emulator.__file__).parent / "pages" / "base.html").read_text("utf-8")
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w+)", rule)) for rule in re.findall(r":root \{([^}]*)\}", css))
    colors = light if scheme == "light" else light | dark
    texts_on = [
        ("ink", "paper"), ("ink", "back"), ("ink", "tint"), ("ink", "warn-back"), ("soft", "paper"), ("soft", "back"),
        ("soft", "tint"), ("soft", "warn-back"), ("accent", "paper"), ("on-accent", "accent"), ("warn", "warn-back"),
        ("warn", "paper"), ("mark", "mark-back"),
    ]  # fmt: skip
    weak = [pair for pair in texts_on if contrast(*(colors[name] for name in pair)) < 4.5]
    assert weak == []
    assert contrast(colors["edge"], colors["paper"]) >= 3


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
