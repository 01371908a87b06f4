"""What stays behind after a demonstration or a run: pages that open from a disk, years later, for anybody."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import flaws
from tests.browser.chromium import offline
from tests.notebooks.test_notebook_shape import SECRETS
from tests.unit.test_cli import run

pytestmark = pytest.mark.browser

NOTEBOOK = "01_set_up_outside_the_purchase_flow"
SHOP = "Kiosk für Öl & <b>Käse</b>"
BRAND = (
    *("-p", "region", "eu", "-p", "amount", "9.99"),
    *("-p", "merchant_name", SHOP, "-p", "merchant_color", "#f7c948"),
)
JAPAN = ("-p", "region", "jp", "-p", "amount", "900")
# What is wider than its place, on paper: there is nothing to scroll there.
CUT = """() => [...document.querySelectorAll('body *')].filter((each) =>
  each.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !each.closest('svg')
).map((each) => each.outerHTML.slice(0, 200))"""
# Words of tables, between spaces, hyphens and slashes, that go on in a second line.
TORN = """() => [...document.querySelectorAll('td, th')].flatMap((cell) => {
  const torn = [], texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode())
    for (const word of text.data.matchAll(/[^\\s/-]+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index), range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((each) => Math.round(each.top))).size > 1) torn.push(word[0]);
    }
  return torn;
})"""
UNFOLD = "() => document.querySelectorAll('details').forEach((each) => { each.open = true; })"


def command(*arguments: object) -> str:
    """Run `amazonpay-nb` and return the last line of what it says."""
    done = run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `amazonpay-nb run` has left in its folder, of a run in Europe, for a shop with a name of its own."""
    out = tmp_path_factory.mktemp("report")
    command("run", "01", *BRAND, "--out", out)
    return out


@pytest.fixture(scope="module")
def leaving(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that `amazonpay-nb export` has made of this run."""
    return Path(command("export", report / f"{NOTEBOOK}.ipynb", "--out", tmp_path_factory.mktemp("leaving")))


@pytest.fixture(scope="module")
def sheets(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short edition of the same."""
    out = tmp_path_factory.mktemp("sheets")
    return Path(command("export", report / f"{NOTEBOOK}.ipynb", "--edition", "short", "--out", out))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with offline(browser) as page:
        yield page


def test_the_page_to_leave_behind_is_sound(page: Page, leaving: Path) -> None:
    """It says that it is emulated, shows every claim as holding, and everybody can read it."""
    page.goto(leaving.as_uri())
    expect(page.get_by_text("Emulated: this is not Amazon.")).to_be_in_viewport()
    expect(page.get_by_text("✓ Amazon has sent the money back.")).to_be_attached()
    page.evaluate(UNFOLD)
    assert not (wrong := flaws(page)), "\n".join(wrong)


def test_the_page_to_leave_behind_is_a_page_and_nothing_else(page: Page, leaving: Path) -> None:
    """No script, no frame, no form, no way to a page that is not there."""
    page.goto(leaving.as_uri())
    assert page.locator("script, iframe, object, embed, form, link, button").count() == 0
    assert page.locator("a[href]:not([href^='#'])").count() == 0
    assert [path.name for path in leaving.parent.iterdir()] == [leaving.name]


def test_the_page_to_leave_behind_is_the_merchants(page: Page, leaving: Path) -> None:
    """Its name in title and head, its color; no picture of another shop, and nothing that only a reader can do."""
    page.goto(leaving.as_uri())
    assert page.title() == f"Set up outside of the purchase flow · {SHOP}"
    expect(page.locator("header .brand")).to_have_text(SHOP)
    expect(page.locator("header .brand")).to_have_css("background-color", "rgb(247, 201, 72)")
    assert page.locator("img[src^='data:image/png']").count() == 0
    expect(page.get_by_role("img", name="The buyer presses the button and agrees on Amazon's pages")).to_be_attached()
    for words in ("Exercises", "By clicks", "the next cell", "Predict", "This is a picture of it"):
        expect(page.get_by_text(words)).to_have_count(0)
    expect(page.get_by_text("documented: setup.shown-as-saved")).to_be_attached()


def test_the_page_of_the_workbooks_own_shop_keeps_its_pictures(page: Page, tmp_path: Path) -> None:
    """They show this very shop."""
    page.goto(Path(command("export", "01", "--out", tmp_path)).as_uri())
    expect(page.get_by_role("img", name="The shop's page with the Amazon Pay button")).to_be_attached()


def test_the_short_edition_is_two_sheets(page: Page, sheets: Path) -> None:
    """What was shown, the money and the calls; it is as sound as the full one, and two pages of A4 hold it."""
    page.goto(sheets.as_uri())
    expect(page.get_by_text("Emulated: this is not Amazon.")).to_be_in_viewport()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set up outside of the purchase flow")
    for heading in ("What was shown", "The money", "Calls per order", "How we know"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_attached()
    expect(page.get_by_text("✓ Amazon has sent the money back.")).to_be_attached()
    expect(page.get_by_role("row", name="Create Refund 1")).to_be_attached()
    expect(page.locator("svg").get_by_text("€9.99").first).to_be_attached()
    assert page.locator("script, iframe, a[href]").count() == 0
    assert not (wrong := flaws(page)), "\n".join(wrong)
    assert sheets_of_paper(page) <= 2
    width = page.locator(".charts svg").first.evaluate("each => each.getBoundingClientRect().width")
    assert 200 < width <= 26 * 16


def test_a_printed_page_shows_all_and_no_handles(page: Page, leaving: Path) -> None:
    """On A4 nothing is folded away behind a bar, nothing scrolls, and nothing is cut."""
    page.goto(leaving.as_uri())
    assert sheets_of_paper(page) < 16
    page.set_viewport_size({"width": 695, "height": 1017})
    page.emulate_media(media="print")
    expect(page.get_by_text("Code", exact=True).first).to_be_hidden()
    assert page.evaluate(CUT) == []


def sheets_of_paper(page: Page) -> int:
    return len(re.findall(rb"/Type /Page\b(?!s)", page.pdf(prefer_css_page_size=True)))


@pytest.mark.parametrize(("chapter", "values"), [("02", JAPAN), ("05", ())], ids=["02", "05"])
def test_a_page_of_another_chapter_is_sound(page: Page, tmp_path: Path, chapter: str, values: tuple[str, ...]) -> None:
    """Those with wide tables, tables of pandas, and refusals; each is run for the page, with values."""
    page.goto(Path(command("export", chapter, *values, "--out", tmp_path)).as_uri())
    page.evaluate(UNFOLD)
    if values:
        expect(page.get_by_text("900 JPY").first).to_be_attached()
        expect(page.get_by_text("wait_seconds: str =")).to_have_count(0)
        expect(page.get_by_text("# Parameters")).to_have_count(0)
    assert not (wrong := flaws(page)), "\n".join(wrong)


def test_the_page_to_leave_behind_gives_nothing_away(page: Page, leaving: Path) -> None:
    """What must not stand in a committed notebook does not stand here either."""
    page.goto(leaving.as_uri())
    text = page.locator("body").text_content() or ""
    assert {secret: found for secret, pattern in SECRETS.items() if (found := pattern.findall(text))} == {}


def test_the_values_of_the_run_are_those_of_the_page_and_no_cell_sets_them(page: Page, leaving: Path) -> None:
    """Nobody runs it any more: neither the notebook's cell of parameters is there nor that of papermill."""
    page.goto(leaving.as_uri())
    page.evaluate(UNFOLD)
    expect(page.get_by_text("9.99 EUR").first).to_be_attached()
    expect(page.get_by_text("wait_seconds: str =")).to_have_count(0)
    expect(page.get_by_text("# Parameters")).to_have_count(0)
    # Where a step shows nothing but its code, it shows that.
    assert page.locator(".jp-CodeCell").filter(has_not=page.locator("details.code")).all_inner_texts() == []


def test_a_finished_run_is_left_behind_with_its_values(page: Page, report: Path, leaving: Path) -> None:
    """papermill's own cell of parameters does not stay; the notebook is not run again."""
    path = report / f"{NOTEBOOK}.ipynb"
    assert any("injected-parameters" in cell.metadata.get("tags", ()) for cell in nbformat.read(path, 4).cells)
    page.goto(leaving.as_uri())
    page.evaluate(UNFOLD)
    expect(page.get_by_text("9.99 EUR").first).to_be_attached()
    expect(page.get_by_text("# Parameters")).to_have_count(0)
    expect(page.get_by_text("Notebook 05 explains both.")).to_be_visible()
    assert page.locator("a[href]:not([href^='#'])").count() == 0


@pytest.mark.parametrize("name", ["report.html", f"{NOTEBOOK}.html"])
def test_the_pages_of_a_run_are_sound(page: Page, report: Path, name: str) -> None:
    """The verdicts and the executed notebook are read on a telephone and in the dark, too."""
    page.goto((report / name).as_uri())
    page.evaluate(UNFOLD)
    assert not (wrong := flaws(page)), "\n".join(wrong)


def test_the_report_of_a_run_says_where_it_ran_and_what(page: Page, report: Path) -> None:
    """For a merchant: emulated, and the chapter's title; the names of files stand beside it, for CI."""
    page.goto((report / "report.html").as_uri())
    expect(page.get_by_text("Emulated: this is not Amazon.")).to_be_in_viewport()
    title = "Set up outside of the purchase flow"
    expect(page.get_by_role("link", name=title)).to_have_attribute("href", f"{NOTEBOOK}.html")
    expect(page.get_by_role("heading", level=3)).to_have_text(title)
    expect(page.get_by_role("link", name=f"{NOTEBOOK}.ipynb")).to_be_visible()


@pytest.mark.parametrize("name", ["report.html", f"{NOTEBOOK}.html"])
def test_tables_keep_whole_words(page: Page, report: Path, name: str) -> None:
    """Where there is room, no name or id goes on in the middle of a line."""
    page.goto((report / name).as_uri())
    page.evaluate(UNFOLD)
    for width in (800, 1030, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(TORN) == [], f"{width} wide"
