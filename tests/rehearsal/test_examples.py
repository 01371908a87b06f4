"""The shops to copy: short, and right in every check, with both wirings."""

import re
from pathlib import Path

import pytest

from amazonpay_nb.rehearsal.plan import PlanFile, rows_of
from amazonpay_nb.rehearsal.rehearsal import rehearse
from tests.browser.chromium import executable
from tests.npm import installed, unavailable
from tests.rehearsal.plans import EACH_WAY

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOPS = {"shop_python": "shop.py", "shop_node": "shop.js"}
# What the plan of the shop in Node says where its other wiring is meant; test_checks.py plays that of the other shop.
OTHER = [('wiring = "proxy"', 'wiring = "settings"'), (r"# (AMAZON_PAY_URL|AMAZON_PAY_SCRIPT|NODE_)", r"\1")]


@pytest.fixture(autouse=True)
def needs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser, and Node with the SDK where the shop is written in it."""
    if executable() is None:
        unavailable("The example shops", "install chromium")
    if "shop_node" in request.node.callspec.params.values():
        monkeypatch.setenv("NODE_PATH", str(installed(EXAMPLES / "shop_node", "The shop in Node")))


@pytest.mark.parametrize("shop", SHOPS)
def test_a_shop_to_copy_is_right(shop: str) -> None:
    """All that a plan can have tried is tried, and passes; the shop fits on a few screens."""
    assert len((EXAMPLES / shop / SHOPS[shop]).read_text("utf-8").splitlines()) < 200
    rehearsal = rehearse(EXAMPLES / shop / "rehearsal.toml")
    assert [(one.row.id, one.status, one.seen) for one in rehearsal.results if one.status != "passed"] == []


@pytest.mark.parametrize("shop", ["shop_node"])
def test_the_other_wiring_does_as_well(shop: str, tmp_path: Path) -> None:
    """The emulator's own addresses by settings, in the place of a proxy: the code is the same."""
    text = (EXAMPLES / shop / "rehearsal.toml").read_text("utf-8")
    for pattern, replacement in [("\n\\[server.environment", f'directory = "{EXAMPLES / shop}"\\g<0>'), *OTHER]:
        text, changes = re.subn(pattern, replacement, text)
        assert changes, pattern
    plan = tmp_path / "rehearsal.toml"
    plan.write_text(text, "utf-8")
    played = {row.id for row in rows_of(PlanFile(plan).plan)}
    rehearsal = rehearse(plan, only=[name for name in EACH_WAY if name in played])
    assert {one.row.id: one.seen for one in rehearsal.results if one.status != "passed"} == {}
