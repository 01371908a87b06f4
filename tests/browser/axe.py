"""Whether everybody can use a page: axe-core's rules, on a small telephone in the light and on a laptop in the dark.

The rules are those of WCAG 2.2, A and AA, and axe-core's own best practices.
"""

import functools
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Frame, Page

from tests.npm import installed

__all__ = ["LOOKS", "SCROLLS_SIDEWAYS", "flaws", "flaws_within"]

LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((360, "light"), (1280, "dark"))
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
SCROLLS_SIDEWAYS = "() => document.documentElement.scrollWidth > window.innerWidth"
_RUN = """async ([place, rules]) => {
  const found = await axe.run(place, { runOnly: rules, resultTypes: ['violations'], iframes: false });
  return found.violations.map(({ id, help, nodes }) => [id, help, nodes.slice(0, 3).map((node) => node.html)]);
}"""


def flaws(page: Page, *, height: int = 720) -> list[str]:
    """Return what is wrong with a page in any of its looks: where, the rule, its advice, and the elements.

    Open the page with ``reduced_motion="reduce"``: a color on its way from one scheme to the other has no contrast.
    """
    found = []
    for width, scheme in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        wrong = [": ".join(map(str, row)) for frame in page.frames if _runs(frame) for row in _violations(frame)]
        wrong += ["scrolls sideways"] if page.evaluate(SCROLLS_SIDEWAYS) else []
        found += [f"“{page.title()}”, {width} wide, {scheme}: {flaw}" for flaw in wrong]
    return found


def _runs(frame: Frame) -> bool:
    # Where nothing runs, axe-core does not run either.
    return frame.parent_frame is None or frame.frame_element().get_attribute("sandbox") != ""


def _violations(frame: Frame) -> list[Any]:
    # Each frame is a page by itself, and judged as one.
    _bring_axe(frame)
    rows: list[Any] = frame.evaluate(_RUN, ["html", RULES])
    return rows


def flaws_within(page: Page, place: str) -> list[str]:
    """Return what is wrong with a part of a page as it looks now; of the rest nothing is asked."""
    _bring_axe(page)
    return [": ".join(map(str, row)) for row in page.evaluate(_RUN, [place, RULES[:-1]])]


def _bring_axe(place: Frame | Page) -> None:
    if not place.evaluate("() => 'axe' in window"):  # half a megabyte, which lasts as long as the page
        place.evaluate(_source())


@functools.cache
def _source() -> str:
    return (installed(Path(__file__).parent, "accessibility") / "axe-core" / "axe.min.js").read_text("utf-8")
