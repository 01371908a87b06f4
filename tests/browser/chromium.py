"""The system's Chromium, driven by Playwright; nothing is downloaded."""

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    ElementHandle,
    Error,
    Locator,
    Page,
    Playwright,
    TimeoutError as NotInTime,
    expect,
    sync_playwright,
)

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.rehearsal.browser import LEAN, program_here

__all__ = ["chromium", "driver", "in_view", "new_page", "offline", "press", "trust", "watch"]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP hub.test 127.0.0.1",
    LEAN,
)  # fmt: skip


# Ends when a frame has had the same place for ten pictures of the screen.
_STILL = """async (frame) => {
  for (let still = 0, before = ''; still < 10;) {
    await new Promise((next, fail) => {
      requestAnimationFrame(next);
      setTimeout(fail, 180000, new Error('There is no next picture.'));  // Playwright would wait forever
    });
    const { top, left, height, width } = frame.getBoundingClientRect(), now = [top, left, height, width].join();
    still = now === before ? still + 1 : 0;
    before = now;
  }
}"""
ATTEMPTS, MILLISECONDS = 36, 5000  # three minutes in all; nothing waits for them to pass
_LISTEN = "(target) => target.addEventListener('click', () => { target.isPressed = true; })"


@contextlib.contextmanager
def driver() -> Iterator[Playwright]:
    """Run Playwright, once at a time; close it within the folder that opened it.

    It keeps an event loop running in this thread meanwhile, so `asyncio.run` would fail in another test.
    """
    expect.set_options(timeout=ATTEMPTS * MILLISECONDS)  # a busy machine is slow, and nothing waits for it to pass
    with sync_playwright() as playwright:
        yield playwright


@contextlib.contextmanager
def chromium(playwright: Playwright, *flags: str) -> Iterator[Browser]:
    """Run a browser with a profile of its own, and with *flags*."""
    browser = playwright.chromium.launch(executable_path=program_here(), args=[*FLAGS, *flags])
    try:
        yield browser
    finally:
        browser.close()


def trust(emulator: Emulator) -> str:
    """The flag of a browser that trusts the authority of an emulator's proxy, and no other that it does not know."""
    assert emulator.proxy_ca_file
    key = x509.load_pem_x509_certificate(emulator.proxy_ca_file.read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(hashlib.sha256(der).digest()).decode()}"


def new_page(browser: Browser, **options: Any) -> Page:
    """Open a page, in a profile of its own, that has as much time for each step as whoever expects something of it."""
    page = browser.new_page(**options)
    page.context.set_default_timeout(ATTEMPTS * MILLISECONDS)  # also of the pages that it opens
    return page


def watch(page: Page) -> list[str]:
    """Return a list that fills with what the page and its frames complain about."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    page.on("console", heard)
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    return errors


@contextlib.contextmanager
def offline(browser: Browser, *inside: str) -> Iterator[Page]:
    """A page without a network, which asks for nothing and complains of nothing.

    Args:
        inside: How an address begins that is part of the page, besides those of files and data.
    """
    page = new_page(browser, offline=True, reduced_motion="reduce")
    complaints, asked = watch(page), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", *inside))] == []
    assert complaints == []


def press(frame: Locator, name: str) -> None:
    """Press a button of the page in *frame*, which leads to another page, whenever that comes."""
    button = frame.content_frame.get_by_role("button", name=name, exact=True)
    button.wait_for(state="attached")  # the frame before may still be the one that is found
    this = click(button, frame)
    try:
        this.wait_for_element_state("hidden")
    except NotInTime:
        raise
    except Error:  # its page is gone
        pass


def click(target: Locator, frame: Locator) -> ElementHandle:
    """Click *target* in *frame*, and return what has heard it.

    Another cell's output may move it from under the mouse while that is down; a person who has pressed beside it
    presses again. An attempt that takes too long may have pressed it all the same, and what an attempt has found may
    not be what the next one finds: JupyterLab draws the cells of a notebook one after the other.
    """
    found = list[ElementHandle]()

    def act(timeout: float) -> None:
        if not any(map(_is_pressed, found)):
            found.append(target.element_handle(timeout=timeout))
            found[-1].evaluate(_LISTEN)
            with contextlib.suppress(Error):  # it may be too late, or gone: what counts is what it has heard
                found[-1].click(timeout=timeout, no_wait_after=True)
        if not any(map(_is_pressed, found)):
            raise NotInTime(f"{target} has not heard that it was pressed")

    in_view(frame, act)
    return next(filter(_is_pressed, found))


def _is_pressed(target: ElementHandle) -> bool:
    try:
        return bool(target.evaluate("(target) => target.isPressed"))
    except Error:  # its page is gone
        return True


def in_view(frame: Locator, act: Callable[..., None]) -> None:
    """Do something in *frame*, wherever JupyterLab scrolls to meanwhile.

    A frame that is off the screen is not drawn, and nothing in it ever stands still enough to be clicked. Another
    cell's output may push it there at any time, so each attempt brings it back. Playwright looks whether a button
    stands still in its frame, and not whether the frame does, which grows with its page: a mouse that goes down on a
    button and up beside it has clicked nothing.
    """
    for attempt in range(1, ATTEMPTS + 1):
        frame.scroll_into_view_if_needed()
        frame.evaluate(_STILL)
        try:
            act(timeout=MILLISECONDS)
        except NotInTime:
            if attempt == ATTEMPTS:
                raise
        else:
            return
