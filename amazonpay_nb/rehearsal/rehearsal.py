"""Plays the checks of a plan one after another, each in a clean world, and collects how they ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError, LocalError
from amazonpay_nb.redaction import legible, redact
from amazonpay_nb.rehearsal.answer import Failed, NotTried
from amazonpay_nb.rehearsal.browser import chromium
from amazonpay_nb.rehearsal.plan import BUTTON_PAGES, Plan, PlanFile
from amazonpay_nb.rehearsal.play import ROWS, Play, Row
from amazonpay_nb.rehearsal.wiring import MerchantServer, wired
from amazonpay_nb.spec.data import no_choice
from amazonpay_nb.workbench.show.blocks import Name, Shown, Table, facts, mark

_INTERRUPTED = (
    "Nothing is left running. Run the cell again; a report is written only by amazonpay-nb rehearse, at its end."
)
_OURS = ("function", "arguments")  # of a row, and nobody else's
_LAST_MOMENT = 0.3  # between the connection that breaks and the end of the process that broke it; seconds


@dataclass(frozen=True)
class Result:
    """How a check ended."""

    row: Row
    status: str  # ``passed``, ``failed`` or ``not-tried``
    seen: str  # what was wrong, or why it was not tried
    evidence: list[int]  # numbers of its exchanges
    seconds: float

    @property
    def sign(self) -> str:
        """How a table shows whether it passed."""
        return mark(self.status == "passed")

    def as_json(self) -> dict[str, Any]:
        """Return its entry in ``rehearsal.json``."""
        own = {"status": self.status, "seen": self.seen, "evidence": self.evidence, "seconds": self.seconds}
        return {name: value for name, value in asdict(self.row).items() if name not in _OURS} | own


Say = Callable[[Result, int], None]


@dataclass(frozen=True)
class Rehearsal:
    """How all checks of a plan ended."""

    plan: str
    results: tuple[Result, ...]
    exchanges: list[dict[str, Any]]
    seconds: float
    output: str  # the end of what the server printed

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        tried = [one for one in self.results if one.status != "not-tried"]
        untried = Counter((one.seen, one.row.group.replace("_", "-")) for one in self.results if one not in tried)
        rows = [(f"{one.sign} {one.status}", Name(one.row.id), one.row.title, one.row.severity) for one in tried]
        caption = f"Rehearsal: {self.count('passed')} passed, {self.count('failed')} failed"
        verdicts = Table(caption, ("verdict", "check", "what is asked", "at stake"), tuple(rows))
        reasons = tuple((why, group, str(number)) for (why, group), number in untried.items())
        rest = [Table("Not tried", ("why", "group", "checks"), reasons, grouped=True)] if reasons else []
        return Shown([verdicts, *rest])._repr_mimebundle_()

    def explain(self, name: str) -> Shown:
        """Return a view of how one check ended, by the names of ``rehearsal.json``."""
        (one,) = (one for one in self.results if one.row.id == name)
        values, requests = one.as_json(), []
        for row in (self.exchanges[number - 1] for number in one.evidence):
            request = row.get("operation") or f"{row['method']} {urlsplit(row['path']).path}"
            answer = row["status"] or row.get("problem") or "none"
            requests.append((str(row["number"]), row["by"], request, str(answer)))
        names = ("id", "severity", "expected", "seen", "why", "advice", "guide", "chapter")
        card = facts(f"{one.sign} {one.row.title}", [(name, values[name]) for name in names])
        return Shown([card, Table("Evidence", ("number", "by", "request", "answer"), tuple(requests))])

    def count(self, status: str) -> int:
        """Return how many checks ended so."""
        return sum(result.status == status for result in self.results)

    @property
    def wrong(self) -> list[Result]:
        """The checks that failed, advice left out."""
        return [one for one in self.results if one.status == "failed" and one.row.severity != "advice"]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``rehearsal.json``."""
        counts = {"passed": self.count("passed"), "failed": self.count("failed"), "notTried": self.count("not-tried")}
        return counts | {"checks": [one.as_json() for one in self.results], "exchanges": self.exchanges}


def rows_of(plan: Plan, only: Sequence[str] = ()) -> list[Row]:
    """Return the checks that a plan leads to, in the order of the table; *only* some, by ids that it must have."""
    rows = [*ROWS.values()]
    for page in BUTTON_PAGES[1:]:
        if getattr(plan.pages, page):
            ids = {name: name.replace("set-up.", f"{page.replace('_', '-')}.") for name in ROWS}
            rows += [replace(ROWS[name], id=new) for name, new in ids.items() if new != name]
    rows.sort(key=lambda row: row.id.startswith("request."))  # they look at all the others
    names = [row.id for row in rows]
    for name in only:
        if name not in names:
            raise ConfigurationError(f"The plan has no such check: {no_choice(name, names)}")
    return [row for row in rows if not only or row.id in only]


def judge_of(row: Row) -> Callable[[Play], None]:
    """Return the function that judges a row: it returns where the server is right, and else raises."""
    module = "set_up" if row.group in BUTTON_PAGES else row.group
    name = row.function or row.id.partition(".")[2].replace("-", "_")
    return partial(resolve_name(f"amazonpay_nb.rehearsal.checks.{module}:{name}"), **row.arguments)


# What a plan must have for all checks of a group; those of a page need that page.
_NEEDS = {
    "button": "pages", "charge": "pages charge", "refund": "pages charge refund", "request": "pages charge",
    "notification": "notifications pages charge",
}  # fmt: skip


def prospects(plan: Plan) -> Shown:
    """Return a view of what a plan lacks for each group of checks, before anything is started."""
    there, rows = asdict(plan.pages) | asdict(plan.actions) | {"notifications": plan.notifications}, []
    there["pages"] = any(there[name] for name in BUTTON_PAGES)
    for group, number in Counter(row.group for row in rows_of(plan)).items():
        lacks = [name for name in _NEEDS.get(group, group).split() if not there[name]]
        rows.append((group.replace("_", "-"), str(number), ", ".join(lacks) or "nothing"))
    return Shown([Table("What this plan lets be tried", ("group", "checks", "the plan lacks"), tuple(rows))])


def rehearse(
    path: Path, *, only: Sequence[str] = (), headed: bool = False, browser: str | None = None, region: str = "",
    environment: Mapping[str, str] | None = None, say: Say = lambda result, of: None,
) -> Rehearsal:  # fmt: skip
    """Play a plan.

    Args:
        only: Ids of checks; all that the plan leads to when left out.
        browser: The Chromium to use; "none" plays only what needs no buyer, and None or "auto" looks for one.
        region: In the place of the plan's.
        environment: Variables for the server, on top of the plan's.
        say: Is told each result, and how many there will be.
    Raises:
        ConfigurationError: The plan or the server cannot be used; nothing is left running.
    """
    file = PlanFile(path)
    file.change(region, environment)
    play = partial(_rehearse, file, rows_of(file.plan, only), headed, None if browser == "auto" else browser)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return play(say)
    return _in_a_thread(play, say)


def _in_a_thread(play: Callable[[Say], Rehearsal], tell: Say) -> Rehearsal:
    # Beside an event loop, as in a notebook, Playwright refuses to run in the same thread.  Whoever interrupts a cell
    # reads what was tried, as soon as the check that is played has ended and all has stopped.
    statuses, interrupted = Counter[str](), Event()

    def say(result: Result, of: int) -> None:
        statuses[result.status.replace("-", " ")] += 1
        tell(result, of)
        if interrupted.is_set():
            tried = ", ".join(f"{number} {status}" for status, number in statuses.items())
            raise LocalError(f"The rehearsal was interrupted; checks until then: {tried}.", advice=_INTERRUPTED)

    with ThreadPoolExecutor(1) as pool:
        rehearsal = pool.submit(play, say)
        while True:
            try:
                return rehearsal.result()
            except KeyboardInterrupt:
                interrupted.set()


def _rehearse(file: PlanFile, rows: list[Row], headed: bool, browser: str | None, say: Say) -> Rehearsal:
    started, results = time.monotonic(), list[Result]()
    with wired(file) as (emulator, server):
        with chromium(browser, headed=headed, proxy=emulator.proxy_url or "") as opened:
            play = Play(file.plan, emulator, server.http, opened)
            _look_for_buttons(file, play, server)
            for row in rows:
                results.append(_judged(play, row))
                patience = _LAST_MOMENT if results[-1].status == "failed" else 0
                _look_at_server(file, server, emulator, f"during {row.id}", seconds=patience)
                say(results[-1], len(rows))
        output = server.output()
    seconds = round(time.monotonic() - started, 3)
    return Rehearsal(file.path.name, tuple(results), redact(play.exchanges), seconds, output)


def _look_at_server(
    file: PlanFile, server: MerchantServer, emulator: Emulator, moment: str, *, seconds: float = 0
) -> None:  # fmt: skip
    """Make sure that the server is still there, and asks for nobody but Amazon."""
    server.check(moment, seconds=seconds)
    if hosts := ", ".join(sorted(emulator.refused_hosts)):
        advice = f'Let it go past the proxy: NO_PROXY = "localhost,127.0.0.1,{hosts}" in [server.environment].'
        problem = f"the server asked for {hosts} {moment}, and the proxy leads to Amazon Pay's hosts in region "
        raise file.error(f"{problem}{emulator.region} alone.", "server", "wiring", advice=advice)


def _judged(play: Play, row: Row) -> Result:
    began, first = time.monotonic(), len(play.exchanges)
    status, seen, evidence = "passed", "", list[int]()
    with play.scene(row.id, row.group):
        try:
            judge_of(row)(play)
        except Failed as failed:
            status, seen, evidence = "failed", failed.seen, failed.evidence
            row = replace(row, severity="advice") if failed.advice else row
        except NotTried as reason:
            status, seen = "not-tried", str(reason)
    evidence = evidence or [one["number"] for one in play.exchanges[first:]]
    seen = redact(legible(seen[:1].upper() + seen[1:]))
    return Result(row, status, seen, evidence, round(time.monotonic() - began, 3))


def _look_for_buttons(file: PlanFile, play: Play, server: MerchantServer) -> None:
    """Make sure that a visitor sees a button; one who has no wallet may not change it."""
    names = [name for name in BUTTON_PAGES[:-1] if getattr(file.plan.pages, name)]
    if isinstance(play.browser, str) or not names:
        return
    with play.scene("", ""):
        visitor = play.buyer()
        for name in names:
            try:
                visitor.button(name)
            except NotTried as reason:
                _look_at_server(file, server, play.emulator, f"while {name} was opened", seconds=_LAST_MOMENT)
                raise file.error(legible(str(reason)), "pages", name, advice=server.last_lines()) from None
    play.exchanges.clear()
