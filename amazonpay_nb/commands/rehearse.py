"""The command that rehearses a merchant's own server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from amazonpay_nb.commands.options import OUT, Verdict, completion, say, verdict


@click.command()
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--only", multiple=True, metavar="ID", help="Play this check alone; may be repeated.",
    shell_complete=completion("amazonpay_nb.rehearsal.play:ROWS"),
)  # fmt: skip
@OUT
@click.option("--headed", is_flag=True, help="Show the browser.")
@click.option("--browser", metavar="PATH", help="The Chromium to use, or none: play only what needs no buyer.")
@verdict
def rehearse(plan: Path, out: Path, **options: Any) -> Verdict:
    """Rehearse the server that PLAN describes, from Amazon's side: docs/own-server.md.

    Buyers are real browsers, Amazon is an emulator that also fails on purpose, and its books are the truth.  Nothing
    leaves this machine.

    Exit code: 0 nothing but advice failed, 1 something else did, 2 the plan or the server cannot be used.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    from amazonpay_nb.rehearsal.rehearsal import Result, rehearse as play
    from amazonpay_nb.rehearsal.report import REPORTS, table, write_report
    from amazonpay_nb.runs.folder import report_folder

    bar = tqdm(unit="check", disable=None)  # None shows it on a terminal only

    def note(result: Result, of: int) -> None:
        bar.total = of
        bar.set_postfix_str(result.row.id, refresh=False)
        bar.update()
        if bar.disable:
            say(f"{result.status:<9} {result.row.id} ({result.seconds:.1f} s)")

    with report_folder(out, REPORTS), bar:
        rehearsal = play(plan, say=note, **options)
        write_report(rehearsal, out, finished=datetime.now(UTC))
    say(table(rehearsal))
    say(f"Report: {out / 'rehearsal.html'}")
    return out / "rehearsal.json", not rehearsal.wrong
