"""Plays the checks of a plan one after another, each in a clean world, and writes down how they ended."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any
from urllib.parse import urlsplit

from amazonpay_nb.errors import ConfigurationError, LocalError
from amazonpay_nb.limits import legible
from amazonpay_nb.redaction import redact
from amazonpay_nb.rehearsal import checks, notification_checks
from amazonpay_nb.rehearsal.browser import chromium
from amazonpay_nb.rehearsal.plan import Plan, PlanFile, Row, rows_of
from amazonpay_nb.rehearsal.play import Play
from amazonpay_nb.rehearsal.server import Failed, MerchantServer, NotTried, wired
from amazonpay_nb.runs.folder import POLICY, write_whole
from amazonpay_nb.texts import templates
from amazonpay_nb.workbench.show.blocks import Name, Prose, Shown, Table, facts, mark

REPORTS = ("rehearsal.html", "junit.xml", "rehearsal.json")
_TEMPLATES = Path(__file__).parent / "templates"
_OURS = ("needs", "starts", "amazon", "function", "arguments")  # of a row, and nobody else's
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
    def is_wrong(self) -> bool:
        """Whether it failed, and that is no advice."""
        return self.status == "failed" and self.row.severity != "advice"

    def as_json(self) -> dict[str, Any]:
        """Return its entry in ``rehearsal.json``."""
        own = {"status": self.status, "seen": self.seen, "evidence": self.evidence, "seconds": self.seconds}
        return {name: value for name, value in asdict(self.row).items() if name not in _OURS} | own


Say = Callable[[Result], None]


@dataclass(frozen=True)
class Rehearsal:
    """How all checks of a plan ended."""

    plan: str
    results: tuple[Result, ...]
    exchanges: list[dict[str, Any]]
    seconds: float
    output: str  # the end of what the server printed
    has_browser: bool = True

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        tried = [one for one in self.results if one.status != "not-tried"]
        rows = [
            (f"{mark(one.status == 'passed')} {one.status}", Name(one.row.id), one.row.title, one.row.severity)
            for one in tried
        ]
        caption = f"Rehearsal: {self.count('passed')} passed, {self.count('failed')} failed"
        verdicts = Table(caption, ("verdict", "check", "what is asked", "at stake"), tuple(rows))
        rest = _not_tried((one.row, one.seen) for one in self.results if one not in tried)
        return Shown([verdicts, rest] if rest.rows else [verdicts])._repr_mimebundle_()

    def explain(self, name: str) -> Shown:
        """Return a view of how one check ended, by the names of ``rehearsal.json``."""
        (one,) = (one for one in self.results if one.row.id == name)
        values, requests = one.as_json(), []
        for row in (self.exchanges[number - 1] for number in one.evidence):
            request = row.get("operation") or f"{row['method']} {urlsplit(row['path']).path}"
            answer = row["status"] or row.get("problem") or "none"
            requests.append((str(row["number"]), row["by"], request, str(answer)))
        names = ("id", "severity", "expected", "seen", "why", "advice", "guide", "chapter")
        card = facts(f"{mark(one.status == 'passed')} {one.row.title}", [(name, values[name]) for name in names])
        return Shown([card, Table("Evidence", ("number", "by", "request", "answer"), tuple(requests))])

    def count(self, status: str) -> int:
        """Return how many checks ended so."""
        return sum(result.status == status for result in self.results)

    @property
    def nothing(self) -> bool:
        """Whether no check could be tried though there is a browser."""
        return self.has_browser and self.count("not-tried") == len(self.results)

    @property
    def wrong(self) -> list[Result]:
        """The checks that failed, advice left out."""
        return [one for one in self.results if one.is_wrong]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``rehearsal.json``."""
        counts = {"passed": self.count("passed"), "failed": self.count("failed"), "notTried": self.count("not-tried")}
        return counts | {"checks": [one.as_json() for one in self.results], "exchanges": self.exchanges}


def _not_tried(reasons: Iterable[tuple[Row, str]]) -> Table:
    number = Counter((why, row.id.partition(".")[0]) for row, why in reasons)
    rows = tuple((why, group, str(times)) for (why, group), times in number.items())
    return Table("Not tried", ("why", "group", "checks"), rows, grouped=True)


def prospects(plan: Plan) -> Shown:
    """Return a view of what is not tried with a plan, and why, before anything is started."""
    rest = _not_tried((row, lack) for row in rows_of(plan) if (lack := row.lack(plan)))
    return Shown([rest if rest.rows else Prose("The plan lets every check be tried.")])


def judge_of(row: Row) -> Callable[..., None]:
    """Return the function that judges a row: it returns where the server is right, and else raises."""
    name = row.function or row.id.partition(".")[2].replace("-", "_")
    return partial(getattr(notification_checks if row.group == "notification" else checks, name), **row.arguments)


def rehearse(
    path: Path, *, only: Sequence[str] = (), headed: bool = False, browser: str | None = None, region: str = "",
    environment: Mapping[str, str] | None = None, env_file: Path | None = None, say: Say = lambda result: None,
) -> Rehearsal:  # fmt: skip
    """Play a plan.

    Args:
        only: Ids of checks; all that the plan leads to when left out.
        browser: The Chromium to use; "none" plays only what needs no buyer, and None or "auto" looks for one.
        region: In the place of the plan's.
        environment: Variables for the server, on top of the plan's.
        env_file: Written with all variables of a server that somebody else starts then; a line ``NAME=value`` each,
            quoted as a shell does, and gone in the end.  The plan's command is a comment.
        say: Called with each result.
    Raises:
        ConfigurationError: The plan or the server cannot be used; nothing is left running.
    """
    file = PlanFile(path)
    file.change(region, environment)
    play = partial(_rehearse, file, rows_of(file.plan, only), headed, None if browser == "auto" else browser, env_file)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return play(say)
    return _in_a_thread(play, say)


def _in_a_thread(play: Callable[[Say], Rehearsal], tell: Say) -> Rehearsal:
    # Beside an event loop, as in a notebook, Playwright refuses to run in the same thread.  An interrupted
    # cell says so as soon as the present check has ended and everything has stopped.
    presses = list[int]()

    def say(result: Result) -> None:
        tell(result)
        if presses:
            advice = "Nothing is left running. Run the cell again."
            raise LocalError(f"The rehearsal was interrupted after {result.row.id}.", advice=advice)

    with _interruption(presses), ThreadPoolExecutor(1) as pool:
        return pool.submit(play, say).result()


@contextmanager
def _interruption(presses: list[int]) -> Iterator[None]:
    """Note interruptions, which only the main thread has; one may come while another is noted, so there is no lock."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, _: presses.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _rehearse(
    file: PlanFile, rows: list[Row], headed: bool, browser: str | None, env_file: Path | None, say: Say
) -> Rehearsal:  # fmt: skip
    started, results = time.monotonic(), list[Result]()
    with wired(file, env_file) as (emulator, server), chromium(browser, emulator, headed=headed) as opened:
        if isinstance(opened, str) and (headed or browser not in (None, "none")):  # who asks for one wants its checks
            raise ConfigurationError(opened)
        play = Play(file.plan, emulator, server.http, opened)
        if file.plan.buttons and not isinstance(opened, str):
            _look_for_buttons(file, play, server)
        for row in rows:
            results.append(_judged(play, row, {one.row.id for one in results if one.is_wrong}))
            server.check(f"during {row.id}", seconds=_LAST_MOMENT if results[-1].status == "failed" else 0)
            say(results[-1])
        output = server.output()
    seconds, has_browser = round(time.monotonic() - started, 3), not isinstance(opened, str)
    return Rehearsal(file.path.name, tuple(results), redact(play.exchanges), seconds, output, has_browser)


def _judged(play: Play, row: Row, wrong: set[str]) -> Result:
    began, first = time.monotonic(), len(play.exchanges)
    status, seen, evidence = "passed", "", list[int]()
    with play.scene(row.id, row.group):
        try:
            if lack := row.lack(play.plan):
                raise NotTried(lack)
            start = [getattr(play, row.starts)()] if row.starts else []
            play.happen(row.amazon)
            judge_of(row)(play, *start)
        except Failed as failed:
            status, seen, evidence = "failed", failed.seen, failed.evidence
            row = replace(row, severity="advice") if failed.advice else row
        except NotTried as reason:
            status = "failed" if reason.see and reason.see not in wrong else "not-tried"
            seen = reason.seen if reason.see == row.id else str(reason)
    evidence = evidence or [one["number"] for one in play.exchanges[first:]]
    seen = legible(redact(seen[:1].upper() + seen[1:]))
    return Result(row, status, seen, evidence, round(time.monotonic() - began, 3))


def _look_for_buttons(file: PlanFile, play: Play, server: MerchantServer) -> None:
    """Make sure that a visitor sees a button, and has a state; one who has no wallet may not change it."""
    with play.scene("", ""):
        visitor = play.buyer()
        state = [("actions", "state")] if file.plan.actions.state else []
        for table, name in [*(("pages", page) for page in file.plan.buttons), *state]:
            try:
                visitor.button(name) if table == "pages" else visitor.state()
            except (Failed, NotTried) as reason:
                server.check(f"while {name} was opened", seconds=_LAST_MOMENT)
                raise file.error(legible(redact(reason.seen)), table, name, advice=server.last_lines()) from None
    play.exchanges.clear()


def write_report(rehearsal: Rehearsal, out: Path, *, finished: datetime) -> None:
    """Write into *out* a page for the server's author, a file for CI and, last, the verdict for programs."""
    for name in ("rehearsal.html", "junit.xml"):
        page = templates(_TEMPLATES).get_template(name)
        write_whole(out / name, page.render(policy=POLICY, rehearsal=rehearsal, finished=finished))
    write_whole(out / "rehearsal.json", json.dumps(rehearsal.as_json(), indent=2, ensure_ascii=False) + "\n")


def table(rehearsal: Rehearsal) -> str:
    """Return what failed and what was not tried, and the counts, for a terminal."""
    return templates(_TEMPLATES, html=False).get_template("terminal.txt").render(rehearsal=rehearsal).rstrip()
