"""What tests need from npm: installed from a committed lock, once, into a folder that is not committed."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["CACHE", "installed", "unavailable"]

CACHE = Path(__file__).parents[1] / ".cache"


def installed(folder: Path, what: str) -> Path:
    """Return the ``node_modules`` of the ``package.json`` in *folder*; *what* says what is not tested without it."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        unavailable(what, "install Node and npm")
    cache = CACHE / folder.name
    cache.mkdir(parents=True, exist_ok=True)
    # Two files of tests may want it at once, each in a process of its own.
    with (cache / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not _complete(folder, cache):
            shutil.copy(folder / "package.json", cache)
            shutil.copy(folder / "package-lock.json", cache)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
            if done.returncode:
                unavailable(what, f"npm ci failed: {done.stderr.strip()}")
    return cache / "node_modules"


def _complete(folder: Path, cache: Path) -> bool:
    locks = [place / "package-lock.json" for place in (folder, cache)]
    # npm writes this file last: where it is missing, an earlier install was interrupted.
    finished = (cache / "node_modules" / ".package-lock.json").exists() and locks[1].exists()
    return finished and locks[0].read_bytes() == locks[1].read_bytes()


def unavailable(what: str, reason: str) -> NoReturn:
    """Skip on a developer's machine; where CI is set, a check that cannot be made is a failure."""
    reason = f"NOT TESTED: {what}: {reason}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
