"""Commands that run notebooks and open them."""

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from amazonpay_nb.commands.options import FILE, NOTEBOOKS, OUT, PARAMETER, OfWorkbook, Verdict, completion, say, verdict
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.extras import explained
from amazonpay_nb.redaction import redact
from amazonpay_nb.runs import MOST_JOBS

_JOBS = click.IntRange(1, MOST_JOBS)
_COLD = click.option("--cold", is_flag=True, help="Start every kernel anew, instead of forking it from one process.")


@click.command(cls=OfWorkbook)
@click.argument("notebooks", nargs=-1, shell_complete=completion(NOTEBOOKS, files=True))
@PARAMETER
@click.option("--jobs", default=2, show_default=True, type=_JOBS, help="Notebooks at the same time.")
@click.option("--offline", is_flag=True, help="Fail a notebook whose Python code tries to connect to another machine.")
@click.option("--in-process", is_flag=True, help="No sockets, no threads; leaves 07 and 12 out.")
@_COLD
@OUT
@verdict
def run(
    notebooks: tuple[str, ...], parameters: dict[str, str], jobs: int, offline: bool, in_process: bool, cold: bool,
    out: Path,
) -> Verdict:  # fmt: skip
    """Execute notebooks without a person and write a report.

    NOTEBOOKS are paths, names or numbers (01); all of them when left out.  Exit code: 0 all passed, 1 one failed,
    2 a parameter is wrong, or there is no room to write.
    """
    from amazonpay_nb.loopback import IN_PROCESS
    from amazonpay_nb.runs import runner
    from amazonpay_nb.runs.folder import forget
    from amazonpay_nb.runs.notebook import find_notebooks
    from amazonpay_nb.runs.report import REPORTS

    try:
        paths = find_notebooks(notebooks, sockets=not in_process)
    except ConfigurationError:
        if all(map(runner.is_result, out.glob("*.ipynb"))):  # nobody's but a run's
            forget(out, REPORTS)
        raise
    if in_process:
        os.environ[IN_PROCESS] = "1"
    summary = runner.run(paths, parameters, out=out, jobs=jobs, say=say, offline=offline, warm=not cold)
    say(summary.table())
    say(f"Report: {out / 'report.html'}")
    return out / "summary.json", not summary.failed


def _part(context: click.Context, option: click.Parameter, text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    numbers = (int(part), int(parts)) if part.isdecimal() and parts.isdecimal() else (0, 0)
    if not 1 <= numbers[0] <= numbers[1]:
        raise click.BadParameter(f"{text!r} is no part of a whole, as 2/5 is.")
    return numbers


@click.command(cls=OfWorkbook)
@click.argument("matrix", type=FILE)
@click.option("--jobs", type=_JOBS, help="Cases at the same time; as many as cores when left out.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask cluster that runs the cases, as tcp://HOST:PORT.")
@click.option("--shard", "part", metavar="I/N", default="1/1", callback=_part, help="Only one of N equal parts.")
@click.option("--resume", is_flag=True, help="Skip the cases that have passed in --out.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option("--list", "only_list", is_flag=True, help="Print the cases, and run none.")
@_COLD
@OUT
@verdict
def sweep(
    matrix: Path, jobs: int | None, scheduler: str | None, part: tuple[int, int], only_list: bool, cold: bool,
    out: Path, **options: bool,
) -> Verdict:  # fmt: skip
    """Run notebooks with every combination of some parameters, and write one report.

    MATRIX is a YAML file; docs/sweeps.md describes it.  Exit code: 0 all passed, 1 one failed, 2 the matrix or the
    cluster cannot be used.
    """
    from amazonpay_nb.runs import sweep as sweeps
    from amazonpay_nb.runs.folder import forget
    from amazonpay_nb.runs.runner import here

    if not only_list:
        forget(out, sweeps.REPORTS)
    if scheduler is not None and (jobs or cold):
        raise click.UsageError("--jobs and --cold are for this machine; a cluster has its own threads, which fork.")
    cases = sweeps.cases_of(matrix)
    if only_list:
        listed = sweeps.shard(cases, *part)
        say("\n".join(map(str, listed)))
        return [{"notebook": case.notebook.path.stem, "parameters": redact(dict(case.texts))} for case in listed], True
    with ExitStack() as stack:
        engine: sweeps.Engine = partial(here, jobs, warm=not cold)
        if scheduler is not None:
            with explained("cluster"):
                from amazonpay_nb.runs.cluster import cluster
            engine = stack.enter_context(cluster(scheduler))
        passed, failed = sweeps.sweep(cases, out=out, engine=engine, part=part, say=say, **options)
    say(f"{passed} passed, {failed} failed\nReport: {out / 'report.html'}")
    return out / "summary.json", not failed


@click.command(cls=OfWorkbook, context_settings={"ignore_unknown_options": True})
@click.option(
    "--to", metavar="DIR", default="~/amazonpay-workbook", show_default=True, help="The folder for your copies."
)
@click.option("--fresh", is_flag=True, help="Start over; what you have changed is kept in earlier/.")
@click.option("--allow-root", is_flag=True, help="Start as root, too, as in a container.")
@click.argument("options", metavar="[JUPYTERLAB OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
def lab(to: str, fresh: bool, allow_root: bool, options: tuple[str, ...]) -> None:
    """Open JupyterLab on copies of the workbook that are your own.

    A copy that you have changed is never overwritten: a newer edition is put beside it.  Exit code: 2 the folder has
    other files in it, or cannot be written to.
    """
    from amazonpay_nb.runs.lab import bring_up_to_date, edition, start

    if os.geteuid() == 0 and not allow_root:
        raise ConfigurationError("JupyterLab does not start as root.", advice="In a container, add --allow-root.")
    try:
        folder = Path(to).expanduser().absolute()
    except RuntimeError:
        advice = "Write the whole path after --to."
        raise ConfigurationError(f"There is no home folder for {to}.", advice=advice) from None
    bring_up_to_date(folder, edition(), fresh=fresh, say=say)
    say(f"Your copies of the workbook are in {folder}.")
    start(folder, [*options, *(["--allow-root"] if allow_root else [])])
