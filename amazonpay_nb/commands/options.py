"""Options that several commands have."""

import json
import os
import pkgutil
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.extras import check
from amazonpay_nb.limits import legible
from amazonpay_nb.redaction import redact
from amazonpay_nb.spec.addresses import host_of, is_loopback
from amazonpay_nb.spec.data import start_of

NOTEBOOKS, STORIES = "amazonpay_nb.runs.notebook:notebook_names", "amazonpay_nb.stage.story:stories"
# The result of a command for a program, or the file that holds it; and whether all is right.
Verdict = tuple[Any, bool]
FILE = click.Path(dir_okay=False, path_type=Path)
INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.option(
    "--out", default="out", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="Where to write."
)
PARAMETER = click.option(
    "-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter or setting.",
    callback=lambda context, option, pairs: _texts(pairs),
)  # fmt: skip
PORT = click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
REGION = click.option("--region", default="na", show_default=True, type=click.Choice(["na", "eu", "jp"]))


class OfWorkbook(click.Command):
    """A command that needs the extra of that name."""

    def invoke(self, ctx: click.Context) -> Any:
        """Carry it out where the extra is there."""
        check("workbook", str(self.name))
        # When tqdm is imported, it reads a person's settings for its bars, and fails at one that it cannot use.
        for name in [name for name in os.environ if name.startswith("TQDM_")]:
            del os.environ[name]
        return super().invoke(ctx)


def ready_file_with(content: str) -> Callable[[Any], Any]:
    """Return the option that names the file for *content*."""

    def forget(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
        # Scripts wait for the file: that of an earlier run is not to be taken for this one's.
        if path and path.is_file() and not context.resilient_parsing and not _is_in_use(path):
            path.unlink()
        return path

    return click.option("--ready-file", type=FILE, callback=forget, help=f"Write {content} here.")


def _is_in_use(ready_file: Path) -> bool:
    """Tell whether the server of a ready file still runs; its file stays until this run replaces it."""
    with suppress(OSError, OverflowError, TypeError, KeyError, AttributeError, ValueError, RecursionError):
        address = urlsplit(json.loads(start_of(ready_file))["url"])
        if is_loopback(address.netloc) and address.port:
            with socket.create_connection((host_of(address.netloc), address.port), timeout=1):
                return True
    return False


@contextmanager
def removal(ready_file: Path | None, own: str) -> Iterator[None]:
    """Remove a ready file after the block, if it holds this run's *own* words: another run may have written it since.

    A script that waits for the next run's file is not to find this one.
    """
    try:
        yield
    finally:
        with suppress(OSError):
            if ready_file and ready_file.is_file() and own.encode() in start_of(ready_file):
                ready_file.unlink()


def _texts(parameters: tuple[tuple[str, str], ...]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, text in parameters:
        if "=" in name:
            raise click.UsageError(f"Write a space for the equals sign: -p {name.partition('=')[0]} VALUE.")
        if name in texts:
            both = " and ".join(repr(redact(one, name)) for one in (texts[name], text))
            raise click.UsageError(f"The parameter {name} is given twice: {both}.")
        texts[name] = text
    return texts


def say(text: object, *, err: bool = False) -> None:
    """Print what may hold the words of others, and no command to a terminal."""
    try:
        click.echo(legible(str(text), None), err=err)
    except OSError as error:
        raise ConfigurationError(f"This cannot be printed ({error.strerror}).") from None


def verdict(command: Callable[..., Verdict]) -> Callable[..., None]:
    """Let a command end with exit code 0 or 1; with ``--json``, only the result is on standard output."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result alone, as JSON: docs/ci.md.")
    @wraps(command)
    def ending(*, as_json: bool, **options: Any) -> None:
        with redirect_stdout(sys.stderr if as_json else sys.stdout):
            document, right = command(**options)
        if as_json and isinstance(document, Path):
            with document.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        elif as_json:
            click.echo(json.dumps(document, indent=2))
        sys.exit(int(not right))

    return ending


def completion(*places: str, files: bool = False) -> Callable[..., list[CompletionItem]]:
    """Return what completes an argument in a shell: names, and perhaps *files*.

    The *places* are ``module:name`` of a container of names, or of a function that returns one.
    """

    def complete(context: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
        items = [CompletionItem(start, type="file")] if files else []
        for place in places:
            with suppress(ImportError):  # of a package that an extra brings
                names: Any = pkgutil.resolve_name(place)
                items += [CompletionItem(name) for name in (names() if callable(names) else names)]
        return [item for item in items if item.value.startswith(start)]

    return complete
