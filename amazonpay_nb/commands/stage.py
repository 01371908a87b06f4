"""Commands for a demonstration, and for what stays behind."""

import json
import threading
import webbrowser
from contextlib import closing
from pathlib import Path

import click

from amazonpay_nb.commands.options import (
    NOTEBOOKS,
    OUT,
    PARAMETER,
    PORT,
    STORIES,
    OfWorkbook,
    Verdict,
    completion,
    ready_file_with,
    removal,
    say,
    verdict,
)


@click.command()
@click.argument("story", default="ride", shell_complete=completion(STORIES))
@PARAMETER
@PORT
@click.option("--browser/--no-browser", default=True, help="Open the screen in a browser.")
@ready_file_with("the screen's address")
def demo(story: str, parameters: dict[str, str], port: int, browser: bool, ready_file: Path | None) -> None:
    """Show STORY (ride when left out) to a merchant, on one screen, until it is interrupted.

    STORY: set-up, express, end-of-checkout, sign-in, food, ride, car, app, phone, regions.  The shop is theirs:
    -p merchant_name "Corner Shop" -p merchant_color "#0b5c6b" -p region eu -p language de_DE -p logo logo.svg
    -p product "Coffee beans" -p amount 12.50 -p picture beans.png
    """
    from amazonpay_nb.signing.keys import write_file
    from amazonpay_nb.stage.server import Stage

    with closing(Stage(story, parameters, port=port)) as stage, removal(ready_file, stage.url):
        if ready_file:
            write_file(ready_file, json.dumps({"url": stage.url}).encode(), mode=0o600, overwrite=True)
        say(f"The stage: {stage.url} (stop with Ctrl-C)")
        if browser:
            webbrowser.open(stage.url)
        threading.Event().wait()


@click.command(cls=OfWorkbook)
@click.argument(
    "notebook", default="01", metavar="[STORY|NOTEBOOK]", shell_complete=completion(STORIES, NOTEBOOKS, files=True)
)
@PARAMETER
@click.option(
    "--edition", default="full", show_default=True, type=click.Choice(["full", "short"]), help="Short is two sheets."
)
@OUT
@verdict
def export(notebook: str, parameters: dict[str, str], edition: str, out: Path) -> Verdict:
    """Write one page to leave behind: a story of the stage, or a finished run of a notebook (01 when left out).

    STORY: see demo; with its names of the brand.  The page needs no network, runs nothing, and says what is emulated.
    A notebook that was executed before is exported as it is; one of the workbook is run first.  The last line is the
    page's path.  Exit code: 0 the run passed, 1 it failed or a cell has not run, 2 the page cannot be made.
    """
    from amazonpay_nb.stage.export import export as write_page

    return _written(*write_page(notebook, parameters, out, edition=edition))


@click.command(cls=OfWorkbook)
@click.argument("notebook", default="01", shell_complete=completion(NOTEBOOKS, files=True))
@PARAMETER
@OUT
@verdict
def kit(notebook: str, parameters: dict[str, str], out: Path) -> Verdict:
    """Write one zip to take home from a finished run of NOTEBOOK (01 when left out), for a merchant's engineers.

    HAR, Postman collection, snippets for Amazon's SDKs, a plan to rehearse, regions, drills, go-live checklist; no
    secrets.  The last line is the zip's path.  Exit codes as for export.
    """
    from amazonpay_nb.stage.kit import kit as write_kit

    return _written(*write_kit(notebook, parameters, out))


def _written(path: Path, error: str | None) -> Verdict:
    if error:
        say(error, err=True)
    say(path)
    return {"path": str(path), "error": error}, error is None
