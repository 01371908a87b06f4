"""Commands for what stays behind after a demonstration."""

import sys
from pathlib import Path

import click

from amazonpay_nb.commands.options import OUT, PARAMETER


@click.command()
@click.argument("notebook", default="01")
@PARAMETER
@OUT
def export(notebook: str, parameters: dict[str, str], out: Path) -> None:
    """Write one page to leave behind: a finished run of NOTEBOOK (01 when left out), without network and kernel.

    A notebook that was executed before is exported as it is; one of the workbook is run first.  The last line is the
    page's path.  Exit code: 0 the run passed, 1 it failed, 2 the page cannot be made.
    """
    from amazonpay_nb.stage.export import export as write_page

    path, error = write_page(notebook, parameters, out)
    if error:
        click.echo(error, err=True)
    click.echo(path)
    sys.exit(int(error is not None))
