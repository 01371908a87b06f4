"""`amazonpay-nb demo` as a program of its own, and a presentation that is open in a browser."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.unit.test_cli import COMMAND

__all__ = ["BUTTON", "SECONDS", "Presentation", "presenting"]

SECONDS = 60  # each page starts a kernel and waits for its cells, however busy the machine is
BUTTON = "Amazon Pay"
EUROPEAN = ("sign-in", "payment-method", "consent", "challenge")


@contextlib.contextmanager
def presenting(log: Path, notebook: str, **settings: str) -> Iterator[str]:
    """Run the command, with what it complains of in *log*, and give the address of the presentation."""
    given = [part for name, value in settings.items() for part in ("-p", name, value)]
    command = [*COMMAND, "demo", notebook, "--no-browser", *given]
    with (
        log.open("w") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as presenter,
    ):
        try:
            assert presenter.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/", presenter.stdout.readline())
            assert found, log.read_text()
            # It says so just before it listens.
            with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=SECONDS) as http:
                http.get(f"{found.group()}static/")
            yield found.group()
        finally:
            presenter.terminate()


class Presentation:
    """What the people in front of the screen see, and the hand on mouse or keyboard."""

    def __init__(self, page: Page, url: str) -> None:
        page.set_default_timeout(SECONDS * 1000)
        self.page = page
        self.place = page.locator("#place")
        page.goto(url, wait_until="commit")  # it is loaded only when the last cell has run
        self.begun()

    def begun(self) -> None:
        """Wait for the first step."""
        expect(self.place).to_have_text(re.compile(r"^1 of \d+: "), timeout=SECONDS * 1000)
        expect(self.step).to_be_visible(timeout=SECONDS * 1000)

    @property
    def step(self) -> Locator:
        return self.page.locator("section.step:not([hidden])")

    def goes_to(self, title: str, button: str = "Next") -> None:
        """Press Next, or Back, until a step is on the screen."""
        while title not in self.place.inner_text():
            self.clicks(button)

    def clicks(self, name: str) -> None:
        self.page.locator("#presenter").get_by_role("button", name=name, exact=True).click()

    @property
    def shop(self) -> FrameLocator:
        """The shop's page, and then Amazon's, on this step."""
        return self.step.frame_locator("iframe.amazonpay-page")

    def plays_the_buyer(self) -> None:
        """Go the whole way on the pages in the frame, as in Europe."""
        self.shop.get_by_role("button", name=BUTTON).click()
        self.agrees()

    def agrees(self, *pages: str) -> None:
        """Press the first button of one of Amazon's pages after the other."""
        for page in pages or EUROPEAN:
            self.shop.locator(f"form[action='{page}'] button.main").click()

    def sees(self, text: str) -> None:
        expect(self.step).to_contain_text(text)
