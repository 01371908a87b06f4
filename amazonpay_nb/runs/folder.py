"""The folder that a run leaves behind: held while it is written to, each file whole, each page harmless."""

import fcntl
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.signing.keys import check_place

# A page runs nothing and loads nothing, whatever it holds.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)

_ELSEWHERE = "Choose another folder with --out."
_UNWRITABLE = re.compile(r"[^\t\n\r -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@contextmanager
def report_folder(out: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold a folder for one run, without the verdict of the run before, the files *names*: an interrupted one has none.

    One that is held, or cannot be written to, raises `ConfigurationError`.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
        try:
            _hold(folder, out)
            for name in names:
                (out / name).unlink(missing_ok=True)
            yield
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or out}: {error.strerror}.", advice=_ELSEWHERE) from None


def _hold(folder: int, out: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(f"Another run is writing into {out}.", advice=_ELSEWHERE) from None


def forget(out: Path, names: Iterable[str]) -> None:
    """Delete the verdict of the run before, as `report_folder` does: one that is refused before it starts has none."""
    if out.is_dir():
        with report_folder(out, names):
            pass


def write_whole(path: Path, content: str | bytes | Iterable[str]) -> None:
    """Write *path* so that a reader finds the old content or the new one, never a part, whoever else writes it.

    Its text is made `writable`.
    """
    check_place(path)
    unfinished = path.with_name(f".{secrets.token_hex(8)}")  # a name of its own, which is never too long
    try:
        with unfinished.open("xb") as file:
            for part in [content] if isinstance(content, str | bytes) else content:
                file.write(writable(part).encode() if isinstance(part, str) else part)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def writable(text: str) -> str:
    """Replace characters that no UTF-8 or no XML can hold, or that a terminal obeys.

    Programs print them, and servers answer them.
    """
    return _UNWRITABLE.sub("\ufffd", text)
