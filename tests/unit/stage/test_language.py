"""What is on the screen is in the language of the screen: words, names, dates, rules and refusals."""

import html
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import behavior
from amazonpay_nb.stage import server
from amazonpay_nb.stage.handout import handout
from amazonpay_nb.stage.server import Stage
from amazonpay_nb.stage.story import TEXTS, story
from amazonpay_nb.texts import Texts, languages

# Names that are the same in every language: of companies, of things of the API, of kinds of files.
NAMES = set(
    re.findall(
        r"\w+",
        "Amazon Pay, Sign in with Amazon, Rapid Rides, Bean Street, Page Turner, Visa, Mastercard, Sandbox, API, HTTP, "
        "cURL, Python, Node, PHP, Java, NET, Checkout Session, Charge Permission, Get, Create, Capture, Close, "
        "Complete, Update, Refund, Open, Canceled, Expired, Chargeable, Closed, Completed, Authorized, Captured, "
        "Refunded, Declined, false, true",
    )
)
CODE = re.compile(r"\b[A-Za-z][a-z]+(?:[A-Z][a-z]+)+\b", re.ASCII)  # checkoutLanguage, NonChargeable
CALL = re.compile(r"\b(?:GET|POST|PATCH|DELETE)\b|/[\w/…-]*|\b[A-Z0-9]\d\d-…-\w+", re.ASCII)


def shown(page: str) -> Iterator[str]:
    """Return the words that people see on a page, or hear."""
    page = re.sub(r"<(style|script|code|pre|kbd)\b.*?</\1>", " ", page, flags=re.DOTALL)
    yield from re.findall(r'\b(?:title|alt|aria-label|placeholder)="([^"]*)"', page)
    yield from re.findall(r">([^<]*)", page)


def foreign(page: str) -> set[str]:
    """Return the words in Latin letters that are no names."""
    words = (CALL.sub(" ", CODE.sub(" ", html.unescape(text))) for text in shown(page))
    return {word for text in words for word in re.findall(r"[A-Za-z]{2,}", text)} - NAMES


def screens(stage: Stage) -> Iterator[str]:
    """Play a story, its what-ifs and two ways to leave; return what is on the screen after each press."""
    performance = stage.performance

    def screen() -> str:
        values = stage._values()
        pages = [server._render(f"{part}.html", values) for part in (*server.PARTS, "phone")]
        return "".join([*pages, server.view.diagram(performance).svg()])

    yield screen()
    for beat in performance.story.beats:
        performance.next()
        performance.finish()
        for ending in ("cancel", "decline") if performance.state == "waiting" else ():
            yield screen()
            performance.play_buyer(ending)
            performance.finish()
            yield screen()
            performance.next()
            performance.finish()
        while performance.state == "waiting":
            performance.next()
            performance.finish()
        for what_if in beat.what_ifs:
            performance.try_what_if(what_if.name)
        yield screen()


@pytest.mark.parametrize("name", ["ride", "set-up", "sign-in"])
def test_a_story_in_japanese_has_no_word_of_another_language(name: str) -> None:
    """From the first screen to the last, with diagrams, charts, rules, what-ifs, a cancel and a decline."""
    with closing(Stage(name, {"region": "jp"}, pace=0)) as stage:
        assert [words for screen in screens(stage) if (words := foreign(screen))] == []


def test_a_story_to_leave_behind_in_japanese_has_no_word_of_another_language_but_its_sources() -> None:
    """Two sheets: rules, operations, what-ifs and calls."""
    page, _ = handout(story("ride"), {"region": "jp"}, "short")
    words = re.sub(r'srcdoc="[^"]*"|<p class="addresses">.*?</p>|<td>[\w /-]+, \d{4}-\d\d-\d\d</td>', "", page)
    assert foreign(words) == {"SDK"}  # of Amazon


def test_dates_are_written_as_people_write_them() -> None:
    """On the chart, and in what it says to those who listen."""
    for language, region, form in (
        ("de_DE", "eu", r"\b\d\d\.\d\d\.2\d{3}\b"), ("ja_JP", "jp", r"\b2\d{3}/\d\d/\d\d\b"),
        ("en_US", "na", r"\b\d\d/\d\d/2\d{3}\b"),
    ):  # fmt: skip
        with closing(Stage("ride", {"region": region, "language": language}, pace=0)) as stage:
            stage.performance.go(1)
            stage.performance.finish()
            chart = str(server.view.pictures(stage.performance)["money"])
            assert len(re.findall(form, chart)) > 1
            assert not re.search(r"\b2\d{3}-\d\d", chart)


@pytest.mark.parametrize("language", languages(TEXTS))
def test_each_rule_is_said_in_each_language(language: str) -> None:
    """The ones that a line or the table of the regions can lead to; in English as the registry says them."""
    texts, english = Texts(TEXTS, language), language.startswith("en")
    table = (server._PAGES / "regions.html").read_text("utf-8")
    claims = {
        *read("calls.toml", beside=server.__file__)["parity"].values(),
        *re.findall(r'"([a-z]+\.[a-z0-9-]+)", evidence', table),
    }
    assert {"region.psd2-challenge", "refund.allowance"} < claims
    for claim in claims:
        assert (texts(f"rule.{claim}") == behavior(claim).sentence) is english, claim


def test_a_badge_leads_to_a_page_that_says_why_its_claims_are_english() -> None:
    """In the language of the screen; each claim that the stage shows stands there in both."""
    with closing(Stage("ride", {"region": "jp"}, pace=0)) as stage:
        page = httpx.get(stage.url.replace("ride/1", "parity")).text
    head, _, claims = page.partition('<main lang="en">')
    assert foreign(head) == set()
    assert "英語" in head
    assert re.search(r'id="charge.final-state">.*<strong lang="ja-JP">\w', claims)


def test_each_operation_that_is_asked_has_a_name() -> None:
    """Beside that of the API."""
    texts = Texts(TEXTS, "en_US")
    assert {name for name in OPERATIONS if f"ask.{name}" in texts} == {
        name for name in OPERATIONS if f"operation.{name}" in texts
    }


def test_a_choice_that_cannot_be_used_is_refused_in_the_language_of_the_screen() -> None:
    """With what can be chosen, beside its own field."""
    refusals: dict[str, tuple[str, str]] = {
        "merchant_name": ("x" * 51, "Schreiben Sie höchstens 50 Zeichen."),
        "product": ("x" * 61, "Schreiben Sie höchstens 60 Zeichen."),
        "merchant_color": ("blau", "Schreiben Sie eine Farbe wie #7a4b2a."),
        "amount": ("abc", "Schreiben Sie einen Preis bis 967,74\u00a0€, zum Beispiel 13.00."),
        "logo": ("data:text/html;base64,AA", "Wählen Sie eine Datei in PNG, JPEG, WebP, GIF oder SVG bis 128 KB."),
        "picture": ("kein Bild", "Wählen Sie ein Zeichen oder eine Datei in PNG, JPEG, WebP, GIF oder SVG bis 128 KB."),
        "language": ("xx_XX", "Dieser Wert ist nicht möglich."),
    }
    with closing(Stage("ride", {"region": "eu", "language": "de_DE"}, pace=0)) as stage:
        for field, (value, problem) in refusals.items():
            answer = httpx.post(stage.url.replace("ride/1", "do"), json={"do": "dress", field: value})
            assert (answer.status_code, answer.json()) == (400, {"field": field, "problem": problem})
        assert stage.performance.brand.amount == "13.00"


@pytest.mark.parametrize(("name", "beat"), [("ride", 6), ("app", 4), ("regions", 1)])
def test_a_repair_that_is_left_leaves_the_wallet_as_it_was(name: str, beat: int) -> None:
    """The screen says so: it does not speak of a wallet that was not saved."""
    with closing(Stage(name, pace=0)) as stage:
        said: dict[str, Any] = {}
        for ending in ("cancel", "decline"):
            stage.performance.go(beat)
            stage.performance.finish()
            stage.performance.play_buyer(ending)
            stage.performance.finish()
            said[ending] = " ".join(shown(server._render("what-if.html", stage._values())))
        assert "still saved, with its old card. Nothing was charged." in said["cancel"]
        assert "The other card was declined too." in said["decline"]
        assert "nothing was saved" not in " ".join(said.values()).lower()
