"""A story as a page to leave behind: a script plays it to its end, in the merchant's face; two editions."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from markupsafe import Markup

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.loopback import http_client
from amazonpay_nb.runs.folder import POLICY
from amazonpay_nb.shop.colors import palette
from amazonpay_nb.shop.server import SHOWN
from amazonpay_nb.spec.parity import Behavior, Evidence, behavior
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.stage import view
from amazonpay_nb.stage.acts import Act, Branch
from amazonpay_nb.stage.performance import DONE, OTHERWISE, WAITING, Performance
from amazonpay_nb.stage.regions import differences
from amazonpay_nb.stage.sizing import sizing
from amazonpay_nb.stage.story import WhatIf, story
from amazonpay_nb.texts import Texts, templates
from amazonpay_nb.workbench.diagrams import sequence_diagram

TEXTS = Path(__file__).with_name("texts") / "handout"
_PAGES = templates(Path(__file__).with_name("pages"))
_PAGES.globals |= {"policy": POLICY, "evidences": [*map(str, Evidence)], "regions": REGIONS}
_PAGES.filters["evidence_of"] = lambda name: str(behavior(name).evidence)
_MOST = 4  # of the buyer's pages on a sheet
# What the shop says about its order once its server has done its part, or else the title.
_TITLES = (re.compile(r"<h1 data-settled>(.*?)</h1>"), re.compile(r"<title>(.*?)</title>", re.DOTALL))
# What a picture of a page does not need: it runs, sends, loads or hides something.
_INSIDE = r"""(?:"[^"]*"|'[^']*'|[^>"'])*"""
_ALIVE = re.compile(
    rf"<script\b.*?</script>|<(?:link|meta|base)\b{_INSIDE}>|<input\b{_INSIDE}\btype=\"hidden\"{_INSIDE}>"
    r"|\s(?:href|action|formaction|nonce|autofocus)(?:=\"[^\"]*\")?(?=[\s>])",
    re.DOTALL | re.IGNORECASE,
)
_COLORS = "<style>* { print-color-adjust: exact; }</style>"
_BUTTON = '<div id="AmazonPayButton">'  # a script draws the button in it, and none runs here
_DRAWN = (
    '<span style="display:inline-block;font:600 16px/45px Arial,sans-serif;min-width:200px;padding:0 16px;'
    'text-align:center;border:1px solid #0006;border-radius:8px;background:#ffd814;color:#111">'
    "{}<small> emulated</small></span>"
)


def handout(name: str, chosen: Mapping[str, str], edition: str) -> tuple[str, str | None]:
    """Return the page, and why a beat did not end as told, or None.

    Args:
        name: One of `story.stories`.
        chosen: The merchant's face, see `brand.NAMES`.
        edition: ``short`` is two sheets of A4; ``full`` has each call, what-ifs, diagrams and sources.
    Raises:
        ConfigurationError: A name or choice is not usable.
    """
    with closing(Performance(story(name), chosen, pace=0)) as performance:
        return play(performance, edition)


def play(performance: Performance, edition: str) -> tuple[str, str | None]:
    """Play a performance to its end; return what `handout` does."""
    texts, scenes, pictures = performance.texts, list[dict[str, Any]](), dict[int, dict[str, Markup]]()
    while performance.at + 1 < len(performance.story.beats) or not scenes:
        scenes.append(_scene(performance))
        act = performance.acts[-1]
        # A journal for each region: what it shows at the end of its last beat stays.
        pictures[id(act.journal)] = {"money": view.chart(performance), "limit": view.gauge(performance)}
        if performance.state != DONE:
            break
    journals = {id(act.journal): act.journal for act in performance.acts}.values()
    exchanges = [exchange for journal in journals for exchange in journal.exchanges]
    claims = {line.claim.id: line.claim for scene in scenes for line in scene["lines"] if line.claim}
    stopped = next((texts(f"otherwise.{act.way}") for act in performance.acts if act.way), None)
    page = sheet(
        "export-story.html.j2", exchanges, claims.values(), t=texts, h=Texts(TEXTS, texts.language),
        brand=performance.brand, colors=palette(performance.brand.merchant_color), title=performance.words("title"),
        scenes=scenes, full=edition == "full", phones=_most_telling(scenes), pictures=list(pictures.values()),
        differences=differences(texts), stopped=stopped,
    )  # fmt: skip
    return page, stopped


def sheet(template: str, exchanges: Sequence[Exchange], behaviors: Collection[Behavior], **values: Any) -> str:
    """Return a page to leave behind, of a story or a notebook: what both say of calls and evidence, and *values*."""
    counts = Counter(str(row.evidence) for row in behaviors)
    common = sizing(exchanges) | {"behaviors": behaviors, "counts": counts, "made": today()}
    return _PAGES.get_template(template).render(common, **values)


def today() -> str:
    """Return the day that a page to leave behind says it was made on."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _scene(performance: Performance) -> dict[str, Any]:
    """Play the next beat and its what-ifs; return what the page says about it."""
    performance.next()
    performance.finish()
    while performance.state == WAITING:
        performance.play_buyer()
        performance.finish()
    act, words = performance.acts[-1], performance.words
    _see_the_end(act.pages)
    for what_if in act.beat.what_ifs:
        performance.try_what_if(what_if.name)
        performance.finish()
    tried = [row for row in act.beat.what_ifs if row.name in act.what_ifs]
    ways = [(words(row.name), [_way(performance, row, each) for each in act.what_ifs[row.name]]) for row in tried]
    way = act.way if performance.state == OTHERWISE else ""
    return {
        "title": words(act.beat.name), "way": way,
        "means": "" if way else view.word(words, f"{act.beat.name}-means"),
        "lines": view.act_lines(performance, act), "ways": ways, "phones": list(map(_still, act.pages)),
        "diagram": _diagram(act),
    }  # fmt: skip


def _see_the_end(pages: list[tuple[str, str]]) -> None:
    """Ask the shop again for the page that the buyer came back to: its server knows more by now."""
    with closing(http_client()) as http:
        pages[-1:] = [
            (url, http.get(url, params=httpx.URL(url).params.set(SHOWN, "yes")).text) for url, _ in pages[-1:]
        ]


def _way(performance: Performance, what_if: WhatIf, row: Branch) -> dict[str, Any]:
    key = f"{what_if.name}-{row.name}"
    says = {"title": performance.words(key), "means": view.word(performance.words, f"{key}-means")}
    return view.branch(performance, row) | says | {"worse": what_if.worse}


def _diagram(act: Act) -> Markup:
    part = act.journal.since(act.begins)
    part.rewind(act.ends - act.begins)
    return Markup(sequence_diagram(part).svg() if part.exchanges else "")  # noqa: S704 (drawn by us, and escaped)


def _still(page: tuple[str, str]) -> tuple[str, str]:
    """Return the title of one of the buyer's pages, and the page as a picture: nothing in it lives."""
    title = next((found for pattern in _TITLES if (found := pattern.search(page[1]))), None)
    drawn = _DRAWN.format("Sign in with Amazon" if '"productType": "SignIn' in page[1] else "Amazon Pay")
    html = _ALIVE.sub("", page[1]).replace(_BUTTON, _BUTTON + drawn)
    # After the dot it says whose page it is, as the page itself does.
    return unescape(title[1].partition(" · ")[0]) if title else "", _COLORS + html


def _most_telling(scenes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return pages of the first visit: where it begins in the shop, and how it ends."""
    pages: list[tuple[str, str]] = next((scene["phones"] for scene in scenes if scene["phones"]), [])
    return pages if len(pages) <= _MOST else [pages[0], *pages[1 - _MOST :]]
