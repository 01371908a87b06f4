"""Commands that run notebooks and open them."""

import os
import sys
from pathlib import Path

import click

from amazonpay_nb.commands.options import OUT, PARAMETER
from amazonpay_nb.errors import ConfigurationError


@click.command()
@click.argument("notebooks", nargs=-1)
@PARAMETER
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="Notebooks at the same time.")
@click.option("--offline", is_flag=True, help="Fail a notebook that tries to connect to another machine.")
@OUT
def run(notebooks: tuple[str, ...], parameters: dict[str, str], jobs: int, offline: bool, out: Path) -> None:
    """Execute notebooks without a person and write a report.

    NOTEBOOKS are paths, names or numbers (01); all of them when left out.  Exit code: 0 all passed, 1 one failed,
    2 a parameter is wrong, or there is no room to write.
    """
    from amazonpay_nb.runs import runner
    from amazonpay_nb.runs.notebook import find_notebooks
    from amazonpay_nb.workbench.parameters import check_unattended, check_values

    check_values(parameters)
    check_unattended(parameters)
    summary = runner.run(find_notebooks(notebooks), parameters, out=out, jobs=jobs, offline=offline)
    click.echo(summary.table())
    click.echo(f"Report: {out / 'report.html'}")
    sys.exit(int(summary.failed > 0))


@click.command(context_settings={"ignore_unknown_options": True})
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
    folder = Path(to).expanduser().absolute()
    bring_up_to_date(folder, edition(), fresh=fresh, say=click.echo)
    click.echo(f"Your copies of the workbook are in {folder}.")
    start(folder, [*options, *(["--allow-root"] if allow_root else [])])
