"""Options that several commands have."""

from pathlib import Path

import click

FILE = click.Path(dir_okay=False, path_type=Path)
OUT = click.option(
    "--out", default="out", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="Where to write."
)
PARAMETER = click.option(
    "-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter or setting.",
    callback=lambda ctx, option, pairs: _texts(pairs),
)  # fmt: skip
PORT = click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
READY_FILE = click.option("--ready-file", type=FILE, help="Write the emulator's address and keys here.")
REGION = click.option("--region", default="na", show_default=True, type=click.Choice(["na", "eu", "jp"]))


def _texts(parameters: tuple[tuple[str, str], ...]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, text in parameters:
        if name in texts:
            raise click.UsageError(f"The parameter {name} is given twice: {texts[name]!r} and {text!r}.")
        texts[name] = text
    return texts
