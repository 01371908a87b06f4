"""axe-core, which finds the mistakes on a page that keep people out: WCAG 2.2 A and AA, and its own best practices."""

import functools
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.npm import installed

__all__ = ["violations"]

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN = """async ([place, rules]) => {
  const found = await axe.run(place, { runOnly: rules, resultTypes: ['violations'], iframes: false });
  return found.violations.map(({ id, help, nodes }) => [id, help, nodes.slice(0, 3).map((node) => node.html)]);
}"""


def violations(page: Page, within: str = "") -> list[str]:
    """Return what is wrong with a page, and with the page in each of its frames: rule, advice, and where.

    Args:
        within: Selects the part of the page that is meant, without frames; of the rest nothing is asked.
    """
    found: list[Any] = []
    for frame in [page.main_frame] if within else page.frames:
        frame.evaluate(_source())
        found += frame.evaluate(_RUN, [within or "html", RULES[:-1] if within else RULES])
    return [": ".join(map(str, row)) for row in found]


@functools.cache
def _source() -> str:
    return (installed(Path(__file__).parent, "accessibility") / "axe-core" / "axe.min.js").read_text("utf-8")
