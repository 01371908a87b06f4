"""What a caller may change of a plan: its region, its server's variables, its port."""

from pathlib import Path

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal.plan import PlanFile, example
from amazonpay_nb.rehearsal.rehearsal import rehearse

PLAN = """
[server]
url = "http://127.0.0.1:0"
start = ["python", "shop.py"]
[server.environment]
A = "1"
"""


def test_port_0_is_a_free_one() -> None:
    """Two rehearsals at the same time have two servers."""
    first, second = PlanFile(Path("plan.toml"), PLAN), PlanFile(Path("plan.toml"), PLAN)
    for file in (first, second):
        file.change()
    assert first.plan.server.url.startswith("http://127.0.0.1:")
    assert len({"http://127.0.0.1:0", first.plan.server.url, second.plan.server.url}) == 3


def test_without_a_start_port_0_is_nowhere() -> None:
    """Nobody can know where a server is that runs already."""
    with pytest.raises(ConfigurationError, match=r"line 3: 'http://127.0.0.1:0' is not the address of a server"):
        PlanFile(Path("plan.toml"), PLAN.replace("start", "# start"))


def test_region_and_variables_are_those_of_the_caller() -> None:
    """What the caller leaves out stays."""
    file = PlanFile(Path("plan.toml"), PLAN)
    file.change("jp", {"B": "2"})
    assert (file.plan.server.region, file.plan.server.environment) == ("jp", {"A": "1", "B": "2"})
    file.change()
    assert (file.plan.server.region, file.plan.server.environment) == ("jp", {"A": "1", "B": "2"})


def test_without_a_browser_what_needs_a_buyer_is_not_tried() -> None:
    """Nothing counts as good that nobody has looked at."""
    rehearsal = rehearse(example("shop_python"), browser="none", region="eu", only=["set-up.completes"])
    (result,) = rehearsal.results
    assert (result.status, result.seen) == ("not-tried", 'It needs a buyer, and browser is "none".')
