"""The browser that tests and rehearsals use, and a person at a page that takes its time."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.browser import chromium

pytestmark = pytest.mark.browser

FORM = "<form action='/next'><button>Go</button></form>"
PAGES = {"/": "<iframe src='/form'></iframe>", "/form": FORM, "/next?": "Arrived"}


def test_a_page_brings_no_page_of_the_browsers_own(playwright: Playwright) -> None:
    """What Playwright switches off is off, too: the browser takes the last of two lists."""
    with chromium.chromium(playwright) as browser:
        chromium.new_page(browser)
        session = browser.new_browser_cdp_session()
        shown = session.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        (number,) = (one["id"] for one in processes if one["type"] == "browser")
        command = Path(f"/proc/{number}/cmdline").read_text()
    assert {target["url"] for target in shown} <= {"about:blank", ""}
    lists = [set(names.split(",")) for names in re.findall("--disable-features=([^\0]*)", command)]
    assert set().union(*lists) == lists[-1]


def test_a_button_is_pressed_once_however_late_its_next_page_is(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A buyer who presses it again because nothing has changed yet buys twice, or looks for a button that is gone."""
    monkeypatch.setattr(chromium, "MILLISECONDS", 500)
    monkeypatch.setattr(chromium, "ATTEMPTS", 360)
    presses, again = list[str](), threading.Event()

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/next?":
                presses.append(self.path)
                again.set() if presses[1:] else again.wait(3)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"<!doctype html>{PAGES.get(self.path, '')}".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        page = chromium.new_page(browser)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        frame = page.locator("iframe")
        chromium.press(frame, "Go")
        expect(frame.content_frame.get_by_text("Arrived")).to_be_visible()
        page.close()
        server.shutdown()
    assert len(presses) == 1
