"""A story to leave behind: pages of the merchant's own shop, in frames where nothing lives, on two sheets of paper."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from amazonpay_nb.stage.handout import handout
from amazonpay_nb.stage.story import stories, story
from tests.browser.axe import flaws
from tests.browser.chromium import offline
from tests.browser.test_pages_to_keep import CUT, command, sheets_of_paper
from tests.notebooks.test_notebook_shape import SECRETS

pytestmark = pytest.mark.browser

SHOP = "Kiosk für Öl & <b>Käse</b>"
BRAND = ("-p", "merchant_name", SHOP, "-p", "merchant_color", "#f7c948", "-p", "region", "eu", "-p", "currency", "GBP")


@pytest.fixture(scope="module", params=["short", "full"])
def ride(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story of a ride in Britain, in both editions."""
    out = tmp_path_factory.mktemp("ride")
    return Path(command("export", "ride", "--edition", request.param, *BRAND, "--out", out))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with offline(browser, "about:srcdoc") as page:  # the pictures of pages
        yield page


def test_a_story_to_keep_is_the_merchants(page: Page, ride: Path) -> None:
    """Name, color and currency, in the head and on the pictures of the buyer's pages; and that it is emulated."""
    page.goto(ride.as_uri())
    assert page.title() == f"Ride hailing · {SHOP}"
    expect(page.locator("header .brand p")).to_have_text(SHOP)
    expect(page.locator("header .brand")).to_have_css("background-color", "rgb(247, 201, 72)")
    expect(page.get_by_text("No real account, no real money.")).to_be_in_viewport()
    expect(page.get_by_text("Charge £18.00").first).to_be_attached()
    words = [frame.locator("body").text_content() or "" for frame in page.frames[1:]]
    assert len(words) >= 4
    assert [text for text in words if SHOP not in text] == []
    assert "Amazon Pay" in words[0]


def test_a_story_to_keep_is_sound(page: Page, ride: Path) -> None:
    """Everybody can read it, on a telephone and in the dark, too."""
    page.goto(ride.as_uri())
    assert not (wrong := flaws(page)), "\n".join(wrong)


def test_a_story_to_keep_is_a_page_and_nothing_else(page: Page, ride: Path) -> None:
    """No script, no way out, nothing to press; its frames are titled, and nobody can enter them."""
    page.goto(ride.as_uri())
    assert page.locator("script, object, embed, form, link, button, a[href]").count() == 0
    frames = page.locator("iframe")
    assert frames.count() == page.locator("[inert] > iframe[sandbox=''][tabindex='-1'][title]").count() > 0
    for frame in page.frames[1:]:
        assert frame.locator("script, link, [href], [action], input[type=hidden]").count() == 0
    policy = page.locator("meta[http-equiv]").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_a_story_to_keep_gives_nothing_away(ride: Path) -> None:
    """No secret, no address of the machine on which it was played."""
    text = ride.read_text("utf-8")
    assert [secret for secret, pattern in SECRETS.items() if pattern.search(text)] == []
    assert re.findall(r"127\.0\.0\.1|localhost|[0-9a-f]{64}", text) == []


def test_a_story_to_keep_says_what_it_rests_on(page: Page, ride: Path) -> None:
    """Both ways of each what-if, the money, the calls, and each rule with its source."""
    page.goto(ride.as_uri())
    expect(page.get_by_text("What if we try again at once?")).to_be_attached()
    expect(page.get_by_text("Amazon repeats its first answer, and that was the decline.")).to_be_attached()
    expect(page.get_by_role("img", name="The money, step by step")).to_be_attached()
    expect(page.get_by_role("row", name="Create Charge 5")).to_be_attached()
    row = page.get_by_role("row", name="A paid charge is Captured")
    expect(row).to_contain_text("documented")
    calls = page.get_by_text(re.compile(r"^POST \S*/charges → 201 Captured$"))
    assert calls.count() == (0 if "short" in ride.name else 3)


def test_a_story_to_keep_is_cut_nowhere_on_paper(page: Page, ride: Path) -> None:
    """The short edition is two sheets; the full one has room for everything."""
    page.goto(ride.as_uri())
    assert sheets_of_paper(page) <= (2 if "short" in ride.name else 8)
    page.set_viewport_size({"width": 695, "height": 1017})
    page.emulate_media(media="print")
    assert page.evaluate(CUT.replace("!each.closest('svg')", "!each.closest('svg, iframe')")) == []


@pytest.mark.parametrize("name", stories())
def test_every_story_has_its_two_sheets(page: Page, tmp_path: Path, name: str) -> None:
    """Whatever its length, and in three regions."""
    text, stopped = handout(story(name), {}, "short")
    (tmp_path / "story.html").write_text(text, "utf-8")
    page.goto((tmp_path / "story.html").as_uri())
    assert stopped is None
    assert page.locator("iframe").count() >= 3
    assert page.locator(".bad:not([aria-hidden])").all_text_contents() == []
    assert sheets_of_paper(page) == 2
