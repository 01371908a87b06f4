"""A story as a page to leave behind: a script plays it to its end, in the merchant's face; two editions."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

from markupsafe import Markup

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.loopback import http_client
from amazonpay_nb.runs.folder import POLICY
from amazonpay_nb.shop.colors import palette
from amazonpay_nb.spec.parity import Behavior, Evidence, behavior
from amazonpay_nb.stage import view
from amazonpay_nb.stage.performance import DONE, WAITING, Performance
from amazonpay_nb.stage.story import Story
from amazonpay_nb.texts import Texts, templates
from amazonpay_nb.workbench.diagrams import sequence_diagram

TEXTS = Path(__file__).with_name("texts") / "handout"
_PAGES = templates(Path(__file__).with_name("pages"))
_PAGES.globals |= view.TABLES | {"policy": POLICY, "evidences": [*map(str, Evidence)]}
_PAGES.filters["evidence_of"] = lambda name: str(behavior(name).evidence)
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


def handout(story: Story, chosen: Mapping[str, str], edition: str) -> tuple[str, str | None]:
    """Return the page, and why a beat did not end as told, or None.

    Args:
        chosen: The merchant's face, see `Brand.of`.
        edition: ``short`` is two sheets of A4; ``full`` has each call, what-ifs, diagrams and sources.
    """
    scenes, pictures = list[dict[str, Any]](), dict[Journal, dict[str, Markup]]()
    with closing(Performance(story, chosen, pace=0)) as performance:
        for _ in story.beats:
            scenes.append(_scene(performance))
            # A journal for each region: what it shows at the end of its last beat stays.
            pictures[performance.wb.journal] = view.pictures(performance)
            if performance.state != DONE:
                break
        exchanges = [exchange for journal in pictures for exchange in journal.exchanges]
    texts = performance.texts
    claims = {line.claim.id: line.claim for scene in scenes for line in scene["lines"] if line.claim}
    stopped = next((texts(f"otherwise.{act.way}") for act in performance.acts if act.way), None)
    page = sheet(
        "export-story.html.j2", exchanges, claims.values(), t=texts, h=Texts(TEXTS, texts.language),
        brand=performance.brand, colors=palette(performance.brand.merchant_color), title=performance.words("title"),
        scenes=scenes, full=edition == "full", pictures=list(pictures.values()), stopped=stopped,
    )  # fmt: skip
    return page, stopped


def sheet(template: str, exchanges: Sequence[Exchange], behaviors: Collection[Behavior], **values: Any) -> str:
    """Return a page to leave behind, of a story or a notebook: what both say of calls and evidence, and *values*."""
    counts = Counter(str(row.evidence) for row in behaviors)
    common = view.sizing(exchanges) | {"behaviors": behaviors, "counts": counts, "made": today()}
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
    act, words, beat = performance.acts[-1], performance.words, performance.story.beats[performance.at]
    for url, _ in act.pages[-1:]:  # where the buyer came back to: its server knows more by now
        with http_client() as http:
            act.pages[-1] = url, http.get(url).text
    ways = []
    for row in beat.what_ifs:
        performance.try_what_if(row.name)
        if branches := act.what_ifs.get(row.name):
            ways.append((words(row.name), [view.branch(performance, row, each) for each in branches]))
    drawn = sequence_diagram(act.own, say=partial(view.diagram_word, performance.texts))
    return {
        "title": words(act.name), "way": act.way,
        "means": "" if act.way else view.word(words, f"{act.name}-means"),
        "lines": view.lines(performance, act), "ways": ways, "phones": list(map(_still, act.pages)),
        "diagram": Markup(drawn.svg() if drawn.messages else ""),  # noqa: S704 (drawn by us, and escaped)
    }  # fmt: skip


def _still(page: tuple[str, str]) -> tuple[str, str]:
    """Return the title of one of the buyer's pages, and the page as a picture: nothing in it lives."""
    title = next((found for pattern in _TITLES if (found := pattern.search(page[1]))), None)
    button = _PAGES.get_template("button.html").render(signs_in='"productType": "SignIn' in page[1])
    html = _ALIVE.sub("", page[1]).replace(_BUTTON, _BUTTON + button)
    # After the dot it says whose page it is, as the page itself does.
    return unescape(title[1].partition(" · ")[0]) if title else "", _COLORS + html
