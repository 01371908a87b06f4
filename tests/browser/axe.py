"""axe-core, which finds the mistakes on a page that keep people out: WCAG 2.2 A and AA, and its own best practices."""

import functools
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.npm import installed

__all__ = ["violations"]

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN = """async (rules) => {
  const found = await axe.run({ runOnly: rules, resultTypes: ['violations'], iframes: false });
  return found.violations.map(({ id, help, nodes }) => [id, help, nodes.slice(0, 3).map((node) => node.html)]);
}"""


def violations(page: Page) -> list[str]:
    """Return what is wrong with a page, and with the page in each of its frames: rule, advice, and where."""
    found: list[Any] = []
    for frame in page.frames:
        frame.evaluate(_source())
        found += frame.evaluate(_RUN, RULES)
    return [": ".join(map(str, row)) for row in found]


@functools.cache
def _source() -> str:
    return (installed(Path(__file__).parent, "accessibility") / "axe-core" / "axe.min.js").read_text("utf-8")
