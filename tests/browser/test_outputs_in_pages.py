"""Whatever a cell prints or shows, a page that we write of it is a page to read."""

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser

from amazonpay_nb.runs.report import notebook_page

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


LEFT_BEHIND = {"environment": "emulator", "made": "2026-01-15"}


@pytest.mark.parametrize("left_behind", [None, LEFT_BEHIND], ids=["run", "export"])
def test_a_page_does_nothing_that_an_output_wants(
    browser: Browser, left_behind: dict[str, str] | None, tmp_path: Path
) -> None:
    """Nothing runs, nothing is asked for and nothing leaves, neither by itself nor where it is pressed."""
    done = []
    page = browser.new_page()
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
