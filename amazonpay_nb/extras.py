"""The package's extras: what each is for, what of it is here, and the line that brings it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from amazonpay_nb.errors import ConfigurationError

# What works with each.
EXTRAS = {
    "workbook": "lab, run, sweep, export, kit, and tables in Python",
    "rehearse": "buyers with a real browser in a rehearsal",
    "cluster": "sweep --scheduler, together with workbook",
    "hub": "the buyer's pages on a remote Jupyter hub",
}


def packages(extra: str) -> Iterator[tuple[str, bool]]:
    """Yield each package that an extra asks for, and whether a version that fits is installed."""
    from importlib import metadata

    from packaging.requirements import Requirement  # slow to import, and only a look at this machine needs it

    rows: list[str] = []
    with suppress(metadata.PackageNotFoundError):  # not installed, only on the path: nothing is known
        rows = metadata.requires("amazonpay-nb") or []
    for row in map(Requirement, rows):
        if row.marker and not row.marker.evaluate({"extra": ""}) and row.marker.evaluate({"extra": extra}):
            fits = False
            with suppress(metadata.PackageNotFoundError):
                fits = metadata.version(row.name) in row.specifier
            yield f"{row.name}{row.specifier}", fits


def how_to_get(extra: str, command: str = "") -> str:
    """Return one line for a shell; where a *command* is to run, also the one that runs it from anywhere."""
    uvx = f", or: uvx --from 'amazonpay-nb[{extra}]' amazonpay-nb {command}" if command else ""
    return f"pip install 'amazonpay-nb[{extra}]'{uvx}"


def check(extra: str, command: str) -> None:
    """Raise `ConfigurationError` if something of a command's extra is missing, or too old."""
    if not all(fits for _, fits in packages(extra)):
        raise ConfigurationError(f"{command} needs the extra {extra!r}.", advice=how_to_get(extra, command))


@contextmanager
def explained(extra: str) -> Iterator[None]:
    """Say by a `ConfigurationError` which extra a module belongs to that cannot be imported."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error.name} is not installed.", advice=how_to_get(extra)) from None
