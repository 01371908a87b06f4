"""docs/own-server.md, which a reader connects a server by: its plan works, and nothing of a plan is missing."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

from amazonpay_nb.rehearsal.plan import FACTS, Action, Notifications, Pages, PlanFile, Server

PAGE = (Path(__file__).parents[2] / "docs" / "own-server.md").read_text("utf-8")
KEYS = PAGE.partition("### Each key")[2].partition("\n## ")[0]


def test_the_plan_of_the_page_can_be_used(tmp_path: Path) -> None:
    """As it is printed."""
    file = PlanFile(tmp_path / "plan.toml", PAGE.partition("```toml\n")[2].partition("```")[0])
    assert file.plan.server.wiring == "proxy"
    assert file.plan.actions.state
    assert file.plan.notifications


def test_the_page_has_every_key_with_its_default() -> None:
    """And every text that is filled in."""
    rows = re.findall(r"(?m)^\| (`.*?) \| (.*?) \|", KEYS)
    written = {name: default for names, default in rows for name in re.findall(r"`([a-z_.…]+)`", names)}
    kinds = {"server": Server, "pages": Pages, "actions.…": Action, "notifications": Notifications}
    for table, kind in kinds.items():
        for field in fields(kind):
            default = "required" if field.default is field.default_factory is MISSING else field.default
            said = (
                default if default == "required" else f'`"{default}"`' if default and isinstance(default, str) else "–"
            )
            assert written.get(f"{table}.{field.name}") == said, f"{table}.{field.name}"
    assert {name for name in FACTS if f"`{{{name}}}`" not in KEYS} == set()
