"""The book: every link in it leads somewhere, and everybody can read it."""

import os
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import Browser, Page, expect

from amazonpay_nb.lessons.exercises import CHAPTERS, EXERCISES
from tests.browser.axe import flaws
from tests.browser.chromium import new_page, watch

ROOT = Path(__file__).parents[2]
# A page of each kind.
PAGES = (
    "index.html",
    "notebooks/01_set_up_outside_the_purchase_flow.html",
    "notebooks/05_manage_payments.html",
    "docs/glossary.html",
    "docs/states.html",
    "docs/own-server.html",
    "cli.html",
    "api.html",
    "api/amazonpay_nb.client.client.html",
)


class Links(HTMLParser):
    """What a page points to, what can be pointed to in it, and how many of its parts are not folded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets, self.ids, self.open = set[str](), set[str](), 0
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.targets |= {values[name] for name in ("href", "src") if name in values}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        self.open += tag == "details" and "open" in values


@pytest.fixture(scope="module")
def book() -> Path:
    """The book of the notebooks and pages as they are now; a warning fails it."""
    # The arguments of an outer make are meant for the tests.
    environment = {name: value for name, value in os.environ.items() if name not in ("ARGS", "MAKEFLAGS")}
    command = ["make", "book"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "out/book"


@pytest.fixture(scope="module")
def pages(book: Path) -> dict[Path, Links]:
    """The links of each page."""
    return {path: Links(path) for path in book.rglob("*.html")}


def test_every_chapter_and_page_is_in_the_book(book: Path) -> None:
    """Nobody has to add it to a list; what only forges need is left out."""
    sources = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("docs/*.md")]
    assert [path.name for path in sources if not (book / path.parent.name / f"{path.stem}.html").exists()] == []


def test_every_link_leads_to_a_page_and_a_place_in_it(pages: dict[Path, Links]) -> None:
    """Also the links in the outputs of cells, which no builder knows."""
    dead = []
    for page, links in pages.items():
        for link in links.targets:
            if re.match(r"\w+:", link):
                continue
            address, place = urldefrag(link)
            target = (page.parent / unquote(address).partition("?")[0]).resolve() if address else page
            if not target.is_file() or (place and target in pages and unquote(place) not in pages[target].ids):
                dead.append(f"{page.name}: {link}")
    assert dead == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_hints_and_answers_are_folded(book: Path, pages: dict[Path, Links], chapter: str) -> None:
    """Each exercise of each chapter has them; a reader who scrolls does not see one before trying."""
    path = book / "notebooks" / f"{chapter}.html"
    exercises = [row for name, row in EXERCISES.items() if name[:2] == chapter[:2]]
    text = path.read_text("utf-8")
    assert text.count("<summary>Answer</summary>") == text.count("<summary>Hint 1 of ") == len(exercises)
    assert text.count("<summary>Hint ") == sum(len(row["hints"]) for row in exercises)
    assert not pages[path].open


@pytest.mark.browser
def test_a_page_asks_no_other_machine_for_anything(browser: Browser, book: Path) -> None:
    """It is read where there is no network; a link that the reader presses is another matter."""
    page = new_page(browser)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    complaints = watch(page)
    for name in PAGES:
        page.goto((book / name).as_uri())
        page.wait_for_load_state()
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] + complaints == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose colors do not fade from one scheme to the other."""
    page = new_page(browser, reduced_motion="reduce")
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_a_page(page: Page, book: Path, name: str) -> None:
    """In the light and in the dark, on a telephone and on a laptop."""
    page.goto((book / name).as_uri())
    wrong = flaws(page)
    assert not wrong, "\n".join(wrong)


@pytest.mark.browser
def test_a_word_is_found(page: Page, book: Path) -> None:
    """Without a server: the book is read from the disk."""
    page.goto((book / "index.html").as_uri())
    page.get_by_placeholder("Search").fill("soft descriptor")
    page.keyboard.press("Enter")
    expect(page.locator(".search a").first).to_be_visible()
    wrong = flaws(page)
    assert not wrong, "\n".join(wrong)
