"""What a caller may change of a plan: its region, its server's variables, its port."""

import asyncio
import re
import textwrap
import uuid
from pathlib import Path

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import open_port
from amazonpay_nb.rehearsal import PlanFile, example, prospects, rehearse
from amazonpay_nb.rehearsal.plan import ROWS, Plan
from amazonpay_nb.rehearsal.rehearsal import Rehearsal, Result
from amazonpay_nb.workbench.show.blocks import Table
from tests.kernels import kernel
from tests.processes import PATIENCE, until
from tests.rehearsal.plans import processes_with

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


def test_without_a_start_port_0_is_nowhere(tmp_path: Path) -> None:
    """Nobody can know where a server is that runs already."""
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace("start", "# start"))
    with pytest.raises(ConfigurationError, match=r"line 3: nothing answers at http://127.0.0.1:0"):
        rehearse(path, browser="none")


@pytest.mark.parametrize("url", ["http://127.0.0.1:0", "https://127.0.0.1:8843"])
def test_where_no_notification_can_arrive_is_said(url: str, tmp_path: Path) -> None:
    """Nobody knows the port, and nobody made a certificate that Amazon's part could believe."""
    path = tmp_path / "plan.toml"
    path.write_text(f'[server]\nurl = "{url}"\n[notifications]\npath = "/news"\n')
    with pytest.raises(ConfigurationError, match=f"line 2: '{url}/news' cannot be an endpoint here"):
        rehearse(path, browser="none")


def test_variables_reach_only_a_server_that_the_rehearsal_starts(tmp_path: Path) -> None:
    """One that runs already would be judged by keys and addresses that it cannot have."""
    with open_port() as listener:
        path = tmp_path / "plan.toml"
        path.write_text(PLAN.replace("start", "# start").replace(":0", f":{listener.getsockname()[1]}"))
        with pytest.raises(ConfigurationError, match=r"line 5: a server that runs already does not get these"):
            rehearse(path, browser="none")


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


def lacks(plan: Plan) -> dict[str, list[str]]:
    (table,) = prospects(plan).blocks
    assert isinstance(table, Table)
    reasons: dict[str, list[str]] = {}
    for why, group, number in table.rows:
        reasons.setdefault(group, []).append(f"{number}: {why}")
    return reasons


def test_a_plan_says_before_it_is_played_what_is_tried() -> None:
    """The checks of a group are counted with what the plan lacks for them."""
    assert prospects(PlanFile(example("shop_python")).plan).text == "The plan lets every check be tried."
    text = PLAN + '[pages]\nset_up = "/wallet"\nexpress = "/cart"\n'
    rows = lacks(PlanFile(Path("plan.toml"), text).plan)
    assert {*rows} == {"charge", "refund", "notification"}  # neither set-up nor express
    assert rows["refund"][0] == "3: The plan has no action charge, no action refund."
    assert rows["notification"][0] == "5: The plan has no [notifications]."


def test_a_notebook_shows_what_was_judged_and_one_judgement_line_by_line() -> None:
    """What was not tried is listed by its reason; neither form names a port or an id."""
    row = ROWS["set-up.reload"]
    rows = [{"number": 1, "by": "buyer", "method": "GET", "path": "/wallet/return?id=4711", "status": 403}]
    results = Result(row, "failed", "403", [1], 0.1), Result(ROWS["charge.paid"], "not-tried", "No buyer.", [], 0.1)
    rehearsal = Rehearsal("plan.toml", results, rows, 1.0, "")
    overview, card = rehearsal._repr_mimebundle_(), rehearsal.explain("set-up.reload")
    assert "✗ failed  set-up.reload  The return address can be opened again  buyer" in overview["text/plain"]
    assert overview["text/plain"].endswith("No buyer.  charge  1")
    assert "  seen      403" in card.text
    assert "1       buyer  GET /wallet/return  403" in card.text
    assert "4711" not in card.html


def test_a_reader_who_interrupts_a_cell_reads_so() -> None:
    """A sentence in the place of a traceback, however often one presses among checks; the server has ended."""
    mark = uuid.uuid4().hex
    cell = f"""
        from threading import Event
        from amazonpay_nb.rehearsal import example, rehearse
        say = lambda result: (print(result.status, end=".", flush=True), result.status == "passed" and Event().wait(2))
        rehearse(example("shop_python"), browser="none", environment={{"MARK": {mark!r}}}, say=say)"""
    with kernel() as (manager, client):
        client.execute(textwrap.dedent(cell))
        while "passed." not in client.get_iopub_msg(timeout=PATIENCE)["content"].get("text", ""):
            pass
        assert processes_with(mark)
        for _ in range(200):
            manager.interrupt_kernel()
        while (reply := client.get_shell_msg(timeout=PATIENCE))["msg_type"] != "execute_reply":
            pass
        assert until(lambda: not processes_with(mark))
    (sentences,) = reply["content"]["traceback"]
    assert re.match(r"LocalError: The rehearsal was interrupted after notification\.[\w-]+\.\n", sentences)
    assert "Nothing is left running." in sentences


@pytest.mark.browser
def test_it_plays_in_a_notebook_too() -> None:
    """A kernel has an event loop in the thread of its cells, beside which Playwright refuses to run."""

    async def cell() -> Rehearsal:
        return rehearse(example("shop_python"), only=["set-up.cancel"])

    assert [result.status for result in asyncio.run(cell()).results] == ["passed"]
