"""A merchant looks at the stage: a story is presented from its first beat to its last, whatever happens on the way."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect

from amazonpay_nb.rehearsal.ports import port_for_another
from amazonpay_nb.stage.server import Stage
from tests.browser.axe import SCROLLS_SIDEWAYS, flaws, flaws_within
from tests.browser.chromium import new_page, watch
from tests.processes import program
from tests.unit.test_cli import COMMAND

pytestmark = pytest.mark.browser

SIZES = ((1920, 1080), (768, 1600), (390, 2400))  # the smaller ones scroll: so high, the foot covers nothing
BUTTON = "Sign in with Amazon"
READY_AT_MOST = 4  # times as long as an emulator alone takes to start, on a quiet machine half a second
ALONE = (sys.executable, "-c", "from amazonpay_nb.emulator import Emulator\nwith Emulator(seed=7): pass")
REACTION_MILLISECONDS = 100.0
# Elements whose own text does not fit in their box.
CUT = """() => [...document.querySelectorAll('h1, h2, h3, p, li, button, td, th')].filter((place) =>
  place.checkVisibility() && !place.closest('.unseen') && place.scrollWidth > place.clientWidth + 1
  && getComputedStyle(place).display !== 'inline').map((place) => place.outerHTML.slice(0, 90))"""
# From the press of a key to the picture after the change that it makes.
REACT = """(place) => new Promise((done, fail) => {
  setTimeout(() => fail(new Error(`Nothing changes: ${document.body.outerHTML}`)), 180000);
  const start = performance.now(), see = () => requestAnimationFrame(() => done(performance.now() - start));
  new MutationObserver((_, watching) => { watching.disconnect(); see(); })
    .observe(document.querySelector(place), { childList: true, subtree: true });
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'PageDown', bubbles: true, cancelable: true }));
})"""
EMPTY = "<body><p></p><script>addEventListener('keydown', () => document.querySelector('p').append('.'))</script>"


class Screen:
    """What the people in front of the screen see, and the presenter's hand."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.page.goto(url)
        self.is_at(1)

    @property
    def phone(self) -> FrameLocator:
        return self.page.frame_locator("#phone")

    def is_at(self, beat: int, state: str = "") -> None:
        expect(self.page.locator(".beats [aria-current=step]")).to_have_id(f"go-{beat}")
        if state:
            expect(self.page.locator("body")).to_have_attribute("data-state", state)

    def presses(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def says(self, place: str, *texts: str) -> None:
        for text in texts:
            expect(self.page.locator(place)).to_contain_text(text)

    def plays_the_buyer(self) -> None:
        """Press the buttons of the pages on the phone, with the mouse."""
        self.phone.get_by_role("button", name=BUTTON).click()
        for name in ("sign-in", "payment-method", "consent"):
            self.phone.locator(f"form[action='{name}'] button.main").click()


@contextmanager
def screen(browser: Browser, stage: Stage, *, dressed: bool = False, **options: Any) -> Iterator[Screen]:
    """Open a window that must complain of nothing; where the merchant is *dressed* anew, of nothing of the stage's.

    The shop ends then with its old face, perhaps while its page is on its way to the phone.
    """
    page = new_page(browser, **{"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"} | options)
    complaints = watch(page)
    yield Screen(page, stage.url)
    page.close()
    # A browser says of each of Amazon's pages that it gives no focus to a page of another origin, and is slower than
    # a script in a hurry: a page that is left behind is refused when the phone asks for it.
    beside = re.compile(r"Blocked autofocusing|.*status of 422 .*/checkout/")
    complaints = [text for text in complaints if not beside.match(text)]
    assert [text for text in complaints if not dressed or urlsplit(stage.url).netloc in text] == []


@pytest.fixture
def stage() -> Iterator[Stage]:
    with closing(Stage("ride", pace=0.05, keep_alive=0.05)) as stage:
        yield stage


def test_the_ride_is_presented_with_a_cancel_a_decline_a_what_if_and_a_long_pause(
    browser: Browser, stage: Stage
) -> None:
    """Nothing runs ahead, and nothing breaks: each way back into the story is a press of Next."""
    with screen(browser, stage) as shown:
        shown.page.clock.install()
        shown.presses("PageDown")
        shown.is_at(1, "waiting")
        shown.phone.get_by_role("button", name=BUTTON).click()
        shown.phone.get_by_role("heading", name="Sign in with your Amazon account").wait_for()
        shown.phone.locator("button[value=cancel]").click()
        shown.is_at(1, "otherwise")
        shown.says("#what-if", "The buyer has canceled", "Amazon Pay has saved nothing")

        shown.phone.get_by_role("heading", name="Canceled").wait_for()
        shown.phone.get_by_role("link", name="Try again").click()
        shown.is_at(1, "waiting")
        shown.page.get_by_role("button", name="The card is declined").click()
        shown.is_at(1, "otherwise")
        shown.says("#what-if", "The card was declined")

        shown.presses("PageDown")
        shown.is_at(1, "waiting")
        with httpx.stream("GET", stage.url.replace("ride/1", "events")) as events:
            for _ in zip(range(20), (line for line in events.iter_lines() if line == ": still here"), strict=False):
                pass  # the stage waits for twenty of its heartbeats
        shown.page.clock.fast_forward("10:00")
        expect(shown.page.locator("#foot [data-timer]")).to_have_text(re.compile("1.:.."))
        shown.plays_the_buyer()
        shown.is_at(1, "done")
        shown.says("#server", "✓ Done")

        for beat in (2, 3):
            shown.presses("PageDown")
            shown.is_at(beat, "done")
        shown.says("#server", "✗ Soft decline")
        shown.presses("w")
        shown.says("#what-if", "Same key", "New key", "Captured $28.00", "Captured $0.00", "Both are undone.")
        shown.says("#money", "$21.00 of $15,000.00")
        for beat in (4, 5, 6, 7):
            shown.presses("PageDown")
            shown.is_at(beat, "waiting" if beat == 7 else "done")
        shown.presses("PageDown")
        shown.is_at(7, "done")
        expect(shown.page.locator("#next")).to_be_disabled()


def test_a_buyer_who_tries_again_is_awaited(browser: Browser, stage: Stage) -> None:
    """The page with the button says so itself: the one before it may be gone before anybody reads what it has said."""
    with screen(browser, stage) as shown:
        shown.presses("PageDown")
        shown.is_at(1, "waiting")
        shown.page.get_by_role("button", name="The buyer cancels").click()
        shown.is_at(1, "otherwise")
        shown.phone.get_by_role("link", name="Try again").evaluate("(link) => location.replace(link.href)")
        shown.is_at(1, "waiting")
        # Not on the page with which the buyer tried again, which the phone may still show.
        shown.phone.locator("html:not([data-again])").get_by_role("button", name=BUTTON).wait_for()
        shown.plays_the_buyer()
        shown.is_at(1, "done")


def test_an_early_key_counts(browser: Browser, stage: Stage) -> None:
    """A key that is pressed before the first scene is there plays the beat, and starts the timer."""
    with httpx.stream("GET", stage.url.replace("ride/1", "events")) as events:
        first = next(line for line in events.iter_lines() if line.startswith("data: "))
    page, asked = new_page(browser), list[Route]()
    page.route("**/events", lambda route: asked.append(route), times=1)
    with page.expect_request("**/events"):
        page.goto(stage.url)
    page.keyboard.press("PageDown")
    asked[0].fulfill(content_type="text/event-stream", body=f"{first}\n\n")  # the window asks again then
    expect(page.locator("body")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#foot [data-timer]")).not_to_have_text("0:00")
    page.close()


def test_a_button_stays_while_it_is_pressed(browser: Browser, stage: Stage) -> None:
    """What happens between the finger's way down and its way up is shown after the click."""
    with screen(browser, stage) as shown:
        shown.presses("PageDown")
        shown.is_at(1, "waiting")
        shown.page.get_by_role("button", name="The buyer reloads the page").hover()
        shown.page.mouse.down()
        shown.page.evaluate(
            "void (next = new Promise((done, fail) => {"
            "events.addEventListener('message', done, { once: true }); setTimeout(fail, 180000); }))"
        )
        stage.performance.happen("hour")
        shown.page.evaluate("next.then(() => null)")
        shown.page.mouse.up()
        shown.says("#what-if", "The buyer has reloaded the page")


def test_back_undoes_and_a_reload_stays(browser: Browser, stage: Stage) -> None:
    """The address names the beat; a fresh stage plays up to the beat that an address names."""
    address = stage.url.removesuffix("1")
    page = new_page(browser, reduced_motion="reduce")
    page.goto(f"{address}3")
    expect(page.locator("#server")).to_contain_text("Soft decline")
    expect(page).to_have_url(f"{address}3")
    expect(page.locator("#money")).to_contain_text("$21.00 of")
    page.reload()
    expect(page.locator("#server")).to_contain_text("Soft decline")
    page.keyboard.press("PageUp")
    expect(page).to_have_url(f"{address}2")
    page.keyboard.press("PageUp")
    expect(page.locator("#money")).to_contain_text("$0.00 of")
    page.reload()
    expect(page.locator("#money")).to_contain_text("$0.00 of")
    expect(page).to_have_url(f"{address}1")
    page.keyboard.press("4")
    expect(page).to_have_url(f"{address}4")
    expect(page.locator("#money")).to_contain_text("$49.00 of")
    page.close()


def test_the_buyer_may_go_otherwise_on_the_way(browser: Browser, stage: Stage) -> None:
    """Each way is explained, and the page is opened again where it was."""
    with screen(browser, stage) as shown:
        shown.presses("PageDown")
        shown.phone.get_by_role("button", name=BUTTON).click()
        shown.phone.get_by_role("heading", name="Sign in with your Amazon account").wait_for()
        shown.page.get_by_role("button", name="The buyer reloads the page").click()
        shown.says("#what-if", "The buyer has reloaded the page")
        expect(shown.phone.locator("form[action='sign-in']")).to_be_visible()
        shown.page.get_by_role("button", name="An hour passes").click()
        shown.says("#what-if", "An hour has passed", "24 hours")
        shown.page.get_by_role("button", name="The buyer closes the page").click()
        shown.says("#what-if", "The buyer has closed the page")
        expect(shown.phone.get_by_role("heading", name="The buyer has closed the page")).to_be_visible()
        shown.page.get_by_role("button", name="Open the page again").click()
        with shown.page.context.expect_page() as tab:
            shown.page.get_by_role("button", name="The buyer opens a second tab").click()
        expect(tab.value.get_by_role("button", name=BUTTON)).to_be_visible()
        tab.value.close()
        shown.plays_the_buyer()
        shown.is_at(1, "done")


def test_a_clicker_works_whatever_has_the_focus(browser: Browser, stage: Stage) -> None:
    """A click on the phone leaves the keys with the stage; with the focus in the phone, or in a field, it works too."""
    with screen(browser, stage, dressed=True) as shown:  # what is typed is a name
        shown.presses("PageDown")
        shown.plays_the_buyer()
        shown.is_at(1, "done")
        shown.presses("PageDown")
        shown.is_at(2, "done")
        shown.presses("PageUp")
        shown.is_at(1)
        shown.presses("PageUp", "PageDown")
        shown.phone.get_by_role("button", name=BUTTON).focus()
        shown.presses("PageUp")
        shown.is_at(1, "ready")
        shown.presses("b")
        name = shown.page.get_by_label("Name", exact=True)
        name.focus()
        shown.presses("n", "w", " ", "3", "Home", "PageDown")
        shown.is_at(1, "waiting")
        expect(name).to_be_focused()


def test_the_speakers_window_follows_and_commands(browser: Browser, stage: Stage) -> None:
    """It has the notes and what comes next, and its keys are those of the stage."""
    with screen(browser, stage) as shown:
        with shown.page.expect_popup() as opened:
            shown.presses("n")
        speaker = opened.value
        expect(speaker.locator("#notes")).to_contain_text("A new rider signs in with Amazon")
        shown.presses("2")
        shown.is_at(2, "done")  # while a beat is played, Next does nothing
        expect(speaker.locator("#notes")).to_contain_text("2 of 7")
        speaker.keyboard.press("PageDown")
        expect(speaker.locator("#notes")).to_contain_text("Next: An hour later")
        expect(speaker.locator("body")).to_have_attribute("data-state", "done")
        shown.is_at(3, "done")
        speaker.keyboard.press("w")
        shown.says("#what-if", "Both are undone.")
        assert flaws(speaker) == []


def test_the_brand_bar_changes_the_merchant_at_once(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    """Name, color, price, logo and story; what cannot be used is said beside the field, and changes nothing."""
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>')
    with screen(browser, stage, dressed=True) as shown:
        shown.presses("2")
        shown.is_at(2, "done")
        shown.page.get_by_role("button", name="Brand").click()
        fields = shown.page.locator("#brand")
        fields.get_by_label("Name", exact=True).fill("Zig Zag <&>")
        fields.get_by_label("Color").fill("#ffcc00")
        fields.get_by_label("Price").fill("20")  # the bar is drawn anew meanwhile
        expect(shown.page.get_by_role("heading", level=1)).to_contain_text("Zig Zag <&>")
        expect(shown.page.locator("#next")).to_have_css("background-color", "rgb(255, 204, 0)")
        expect(shown.page.locator("#next")).to_have_css("color", "rgb(0, 0, 0)")
        fields.get_by_label("Price").press("Enter")
        expect(shown.page.locator("#money")).to_contain_text("$30.00 of")
        expect(shown.phone.locator(".amount")).to_have_text("$30.00")
        fields.get_by_label("Logo file").set_input_files(logo)
        expect(shown.phone.locator("img.sign")).to_be_visible()
    # What is refused is a complaint of the browser as well.
    page = new_page(browser)
    page.goto(stage.url)
    page.keyboard.press("b")
    large = tmp_path / "large.png"
    large.write_bytes(bytes(200_000))
    page.get_by_label("Picture file").set_input_files(large)
    expect(page.locator("#field-problem")).to_contain_text("larger than 128 KB")
    price = page.get_by_label("Price")
    price.fill("a lot")
    price.press("Enter")
    expect(page.locator("#field-problem")).to_contain_text("Write a price of at most $967.74, such as 20.00.")
    expect(price).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Story", exact=True).select_option("food")
    expect(page).to_have_url(re.compile("/food/1$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Zig Zag <&>")
    page.close()


def test_the_language_reaches_everything_on_the_screen(browser: Browser, stage: Stage) -> None:
    """A region brings its languages and its currency; the pages on the phone and the stage around them change alike."""
    with screen(browser, stage, dressed=True) as shown:
        shown.presses("PageDown", "b")
        shown.is_at(1, "waiting")
        shown.page.locator("#b-region").select_option("eu")
        expect(shown.page.locator("#b-language")).to_have_value("en_GB")
        shown.page.locator("#b-language").select_option("de_DE")
        expect(shown.page.locator("html")).to_have_attribute("lang", "de-DE")
        shown.presses("Escape")
        shown.is_at(1, "waiting")
        expect(shown.page.locator("#next")).to_contain_text("Weiter")
        shown.says("#money", "0,00\u00a0€")
        shown.says("header", "Nachgebildetes Amazon Pay")
        expect(shown.phone.locator("html")).to_have_attribute("lang", "de-DE")


def test_both_ways_of_a_very_large_order_are_read_beside_the_months_limit(browser: Browser) -> None:
    """A long outcome leaves its question room for whole words."""
    with closing(Stage("regions", {"region": "eu", "language": "de_DE"}, pace=0)) as stage:
        stage.performance.go(1)  # a script plays the first beat
        stage.performance.finish()
        stage.performance.back()
        stage.performance.try_what_if("month")
        with screen(browser, stage) as shown:
            shown.says("#what-if", "Über dem Monatslimit", "15.000,00")
            expect(shown.page.locator("#money text", has_text="noch 14.980,00")).to_be_visible()
            widths = shown.page.locator(".small .question").evaluate_all("all => all.map((one) => one.clientWidth)")
            assert min(widths) > 90, widths


def test_how_the_regions_differ_is_seen_whole_on_every_screen(browser: Browser) -> None:
    """Three regions stand beside each rule and its evidence, without a bar to scroll; German has the longest words."""
    with closing(Stage("regions", {"region": "eu", "language": "de_DE"}, pace=0)) as stage:
        stage.performance.go(6)
        stage.performance.finish()
        page = new_page(browser)
        page.goto(stage.url)
        table = page.locator(".differences")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            expect(table.get_by_role("columnheader")).to_have_count(3)
            assert table.evaluate("place => place.scrollWidth <= place.clientWidth"), f"{width} wide"
        page.close()


def test_every_beat_can_be_read_by_everybody_on_every_screen(browser: Browser) -> None:
    """On a projector, a tablet and a telephone, in the light and in the dark; nothing is cut or scrolls sideways."""
    wrong: list[str] = []

    schemes: Iterator[Literal["light", "dark"]] = cycle(("light", "dark"))  # three sizes: each meets both

    def look(shown: Screen, what: str) -> None:
        for width, height in SIZES:
            shown.page.set_viewport_size({"width": width, "height": height})
            shown.page.emulate_media(color_scheme=(scheme := next(schemes)))
            flaw = [f"cut: {place}" for place in shown.page.evaluate(CUT)]
            flaw += ["scrolls sideways"] * shown.page.evaluate(SCROLLS_SIDEWAYS)
            if (width, height) == SIZES[0]:
                flaw += ["does not fit"] * shown.page.evaluate("document.documentElement.scrollHeight > innerHeight")
            flaw += flaws_within(shown.page, "html")
            wrong.extend(f"{what}, {width} wide, {scheme}: {each}" for each in flaw)

    with closing(Stage("ride", pace=0.05)) as stage, screen(browser, stage) as shown:
        look(shown, "ready")
        for beat, row in enumerate(stage.performance.story.beats, 1):
            shown.presses("PageDown")
            shown.is_at(beat)
            # Before the key is heard, the first beat is where it will be.
            expect(shown.page.locator("body")).not_to_have_attribute("data-state", "ready")
            stage.performance.finish()
            if stage.performance.state == "waiting":
                look(shown, f"{row.name} waiting")
                shown.presses("PageDown")
                stage.performance.finish()
            shown.is_at(beat, "done")
            for what_if in row.what_ifs:
                stage.performance.try_what_if(what_if.name)
                shown.says("#what-if", "Both are undone.")
            look(shown, row.name)
        for key in ("s", "c", "?", "b"):
            shown.presses(key)
            look(shown, key)
            shown.presses("Escape")
        app = new_page(browser, reduced_motion="reduce")
        for path in ("phone", "parity"):
            app.goto(stage.url.replace("ride/1", path))
            wrong += flaws(app)
        app.close()
    assert not wrong, "\n".join(wrong)


def test_the_stage_is_ready_and_reacts_at_once(browser: Browser, tmp_path: Path) -> None:
    """From the command to the first beat; then each beat beside an empty page that only writes a dot."""
    page, ready = new_page(browser), []
    while not ready or (ready[-1] > READY_AT_MOST and len(ready) < 8):  # the machine does other things as well
        page.goto("about:blank")
        began = time.monotonic()
        subprocess.run(ALONE, check=True)
        alone = time.monotonic()
        with demo(tmp_path) as url:
            Screen(page, url)
            ready.append((time.monotonic() - alone) / (alone - began))
    assert ready[-1] < READY_AT_MOST
    page.goto("about:blank")
    page.set_content(EMPTY)
    bound = sorted(page.evaluate(REACT, "p") for _ in range(4))[1] + REACTION_MILLISECONDS
    took: list[float] = []
    with demo(tmp_path) as url:
        shown = Screen(page, url)
        while not took or (sorted(took)[1] > bound and len(took) < 32):
            shown.presses("2")
            shown.is_at(2, "done")
            for beat in (3, 4, 5, 6):
                took.append(page.evaluate(REACT, "#server"))
                shown.is_at(beat, "done")
    assert sorted(took)[1] <= bound
    page.close()


def test_a_window_says_when_the_stage_is_gone_and_goes_on_with_the_next(browser: Browser) -> None:
    """A stage that is started again at the same place is found."""
    page, port = new_page(browser), port_for_another()
    with closing(Stage("ride", port=port, pace=0)) as stage:
        page.goto(stage.url)
        expect(page.locator("#next")).to_be_enabled()
    expect(page.locator("#foot .gone")).to_contain_text("The stage does not answer.")
    with closing(Stage("ride", {"merchant_name": "Phoenix"}, port=port)):
        expect(page.get_by_role("heading", level=1)).to_contain_text("Phoenix")
        expect(page.locator("#foot .gone")).to_be_hidden()
    page.close()


def test_the_stage_needs_no_network(tmp_path: Path) -> None:
    """In a name space with nothing but loopback, the whole first beat is played."""
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("NOT TESTED WITHOUT A NETWORK: unshare -rn is not allowed here")
    program = tmp_path / "offline.py"
    program.write_text(OFFLINE)
    wrapped = ["unshare", "-rn", "sh", "-c", f"ip link set lo up 2>/dev/null; exec {sys.executable} {program}"]
    done = subprocess.run(wrapped, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout == "Soft decline\n", done.stderr[-500:]


OFFLINE = """\
from amazonpay_nb.stage.server import Stage
from tests.browser.chromium import chromium, driver, new_page
with driver() as playwright, chromium(playwright) as browser:
    stage, page = Stage("ride", pace=0), new_page(browser)
    page.goto(stage.url.removesuffix("1") + "3")
    page.locator(".answer", has_text="Soft decline").wait_for()
    print("Soft decline")
    stage.close()
"""


@contextmanager
def demo(folder: Path) -> Iterator[str]:
    """Run the command, and give the address of the stage."""
    with program([*COMMAND, "demo", "ride", "--no-browser"], stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found
            yield found.group()
        finally:
            process.terminate()
