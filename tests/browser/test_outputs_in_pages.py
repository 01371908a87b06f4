"""Whatever a cell prints or shows, a page that we write of it is a page to read."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser

from amazonpay_nb.runs.report import Summary, notebook_page, write_report
from amazonpay_nb.shop.colors import palette
from tests.browser.chromium import new_page

pytestmark = pytest.mark.browser

XMLNS = 'xmlns="http://www.w3.org/2000/svg"'

# Each would run, load or leave: by itself, or when it is pressed.
WANTS = {
    name: ("text/html", text)
    for name, text in {
        "script": "<script>ran()</script>", "loaded script": "<script src='http://evil.test/x.js'></script>",
        "error": "<img src=x onerror=ran()>", "load": "<svg/onload=ran()>", "slash": "<img/src='x'/onerror=ran()>",
        "capitals": "<p ONCLICK='ran()'>press</p>", "line break": "<b\nonfocus = ran() tabindex=0 autofocus>press</b>",
        "bracket in a value": "<img alt='>' src=x onerror=ran()>", "open": "<img src=x onerror='ran()'",
        "link": "<a href=' javascript:ran()'>press</a>", "entity": "<a href='&#106;avascript:ran()'>press</a>",
        "new line": "<a href='java&NewLine;script:ran()'>press</a>",
        "colon": "<a href='javascript&colon;ran()'>press</a>",
        "tab": "<a href='java\tscript:ran()'>press</a>", "control": "<a href='\x01javascript:ran()'>press</a>",
        "data": "<a href='data:text/html,<script>ran()</script>'>press</a>",
        "animated": "<svg><a><animate attributeName=href values='javascript:ran()' /><text y=20>press</text></a></svg>",
        "set": "<svg><a><set attributeName=href to='javascript:ran()' /><text y=20>press</text></a></svg>",
        "old link": "<svg><a xlink:href='javascript:ran()'><text y=20>press</text></a></svg>",
        "form": "<form action='javascript:ran()'><button>press</button></form>",
        "button": "<form><button formaction='javasc&#114;ipt:ran()'>press</button></form>",
        "form to": "<form action='http://evil.test/'><button>press</button></form>",
        "frame": "<iframe srcdoc='<script>parent.ran()</script>'></iframe>", "framed": "<iframe src='http://evil.test/'>",
        "object": "<object data='http://evil.test/x.svg'></object>", "embed": "<embed src='http://evil.test/x.svg'>",
        "foreign": "<svg><foreignObject><iframe src='javascript:parent.ran()'></iframe></foreignObject></svg>",
        "template": "<template><script>ran()</script></template>",
        "no script": "<noscript><p title='</noscript><img src=x onerror=ran()>'>",
        "mathematics": "<math><mtext><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=ran()&gt;'>",
        "picture": "<img src='http://evil.test/x.png'>", "set of pictures": "<img srcset='http://evil.test/x.png 1x'>",
        "style sheet": "<link rel=stylesheet href='http://evil.test/x.css'>",
        "import": "<style>@import 'http://evil.test/x.css';</style>", "prefetch": "<link rel=prefetch href='http://evil.test/'>",
        "background": "<p style=\"background:url('http://evil.test/x.png')\">press</p>",
        "film": "<video src='http://evil.test/x.mp4' autoplay poster='http://evil.test/x.png'></video>",
        "refresh": "<meta http-equiv=refresh content='0;url=http://evil.test/'>",
        "base": "<base href='http://evil.test/'><a href='x'>text</a>", "use": "<svg><use href='http://evil.test/x.svg#a'/></svg>",
        "over it all": "<a href='http://evil.test/' style='position:fixed;inset:0;z-index:9'>text</a>",
    }.items()
}  # fmt: skip
WANTS |= {f"{name} in Markdown": ("text/markdown", text) for name, (_, text) in WANTS.items()}
WANTS |= {
    "a link in Markdown": ("text/markdown", "[press](javascript:ran())"),
    "a picture in Markdown": ("text/markdown", "![a](http://evil.test/x.png)"),
    "an SVG": ("image/svg+xml", f'<svg {XMLNS} onload="ran()"><script>parent.ran()</script></svg>'),
    "a picture in an SVG": ("image/svg+xml", f'<svg {XMLNS}><image href="http://evil.test/x"/></svg>'),
    "a picture's bytes": ("image/png", 'x" onerror="ran()'),
}  # fmt: skip


LEFT_BEHIND = {
    "environment": "emulator", "made": "2026-01-15", "merchant_name": "<b>Shop</b>", "colors": palette("#0b5c6b"),
}  # fmt: skip


@pytest.mark.parametrize("left_behind", [None, LEFT_BEHIND], ids=["run", "export"])
def test_a_page_does_nothing_that_an_output_wants(
    browser: Browser, left_behind: dict[str, Any] | None, tmp_path: Path
) -> None:
    """Nothing runs, nothing is asked for and nothing leaves, neither by itself nor where it is pressed."""
    done = []
    page = new_page(browser)
    page.expose_function("ran", lambda: done.append((name, "ran")))
    page.on("request", lambda request: done.append((name, request.url)))
    asked: list[tuple[str, str]] = []
    for name, (kind, text) in WANTS.items():
        shown = nbformat.v4.new_output("display_data", {kind: text, "text/plain": "twin"})
        document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("show()", outputs=[shown])])
        path = tmp_path / "shown.html"
        path.write_text(notebook_page(document, "shown", tmp_path, left_behind=left_behind))
        page.goto(path.as_uri())
        for pressed in page.get_by_text("press", exact=True).all():
            pressed.click(no_wait_after=True, force=True)
        page.wait_for_load_state()
        asked += [(name, page.url)] if page.url != path.as_uri() else []
    page.close()
    assert [one for one in done if not one[1].startswith(("file:", "data:image"))] + asked == []


# As if it had got past the cleaning: it runs, loads, or leaves when it is pressed.
PAST_THE_CLEANING = """
<script>ran()</script><img src="x" onerror="ran()" alt=""><img src="{site}x.png" alt="">
<link rel="stylesheet" href="{site}x.css"><iframe src="{site}frame"></iframe>
<form action="{site}form"><button>send</button></form>
"""
POLICY = re.compile(r"<meta [^>]*Content-Security-Policy[^>]*>")
ALL_OF_IT = {"ran", "/x.png", "/x.css", "/frame", "/form?"}


@pytest.fixture
def site() -> Iterator[tuple[str, set[str]]]:
    """A foreign site, and the set of what it was asked for."""
    asked: set[str] = set()

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.add(self.path)
            self.send_response(204 if self.path == "/x.png" else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()


def written(kind: str, folder: Path) -> str:
    """A page as `run` or `export` writes it."""
    if kind == "report":
        write_report(Summary((), 0.0), folder, finished=datetime(2026, 1, 15, tzinfo=UTC))
        return (folder / "report.html").read_text("utf-8")
    return notebook_page(nbformat.v4.new_notebook(), "n", folder, left_behind=LEFT_BEHIND if kind == "export" else None)


@pytest.mark.parametrize("kind", ["run", "export", "report"])
@pytest.mark.parametrize("policy", [True, False])
def test_the_policy_alone_stops_what_the_cleaning_left(
    browser: Browser, site: tuple[str, set[str]], kind: str, policy: bool, tmp_path: Path
) -> None:
    """A page from the disk has no header: its own element does it, and without that all of it happens."""
    address, done = site
    text, found = POLICY.subn(lambda match: match[0] if policy else "", written(kind, tmp_path))
    assert found == 1
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", PAST_THE_CLEANING.format(site=address) + "</body>"))
    page = new_page(browser)
    page.expose_function("ran", lambda: done.add("ran"))
    page.goto(path.as_uri())
    refused = page.expect_console_message(lambda message: "form-action 'none'" in message.text)
    with refused if policy else page.expect_navigation():
        page.get_by_role("button", name="send").click(no_wait_after=True)
    assert (done - {"/favicon.ico"}, page.url == path.as_uri()) == ((set(), True) if policy else (ALL_OF_IT, False))
    page.close()
