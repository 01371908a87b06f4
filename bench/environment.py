"""What `make` adds to installing the locked packages: the time from a fresh clone to its first command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Result, Target, Unavailable, alternate, compare, say, seconds
from bench.others import script

__all__ = ["measure_environment"]

HOME = Path(__file__).parent.parent
TARGET = Target("≤", 1.2)
NEEDED = ("Makefile", "pyproject.toml", "requirements.lock", "installer.lock", "README.md", "LICENSE", "amazonpay_nb")
# Both compile what they install, so that the first command does not.
VARIABLES = {"UV_COMPILE_BYTECODE": "1", "PYTHON": sys.executable}


def measure_environment(*, quick: bool) -> list[Result]:
    """(i) `make` in a fresh clone over `uv pip sync` of the same lock; the packages are in uv's cache for both."""
    uv, make = shutil.which(script("uv")) or shutil.which("uv"), shutil.which("make")
    if uv is None or make is None:
        raise Unavailable("uv and make are not installed")
    rounds = 1 if quick else 3
    say(f"(i) a new environment, {rounds} rounds")
    with TemporaryDirectory() as name:
        clone = Path(name)
        for part in NEEDED:
            copy = shutil.copytree if (HOME / part).is_dir() else shutil.copy
            copy(HOME / part, clone / part)
        for folder in ("notebooks", "docs", "examples"):  # the wheel has them, an editable install only names them
            (clone / folder).symlink_to(HOME / folder)

        def run(*commands: list[str]) -> float:
            shutil.rmtree(clone / ".venv", ignore_errors=True)
            return seconds(lambda: [call(command, clone, Path(uv).parent) for command in commands])

        ours = [[make, ".venv/.ready"]]
        alone = [[uv, "venv", "--python", sys.executable, ".venv"], [uv, "pip", "sync", "requirements.lock"]]
        run(*alone)  # not counted: it fills uv's cache
        times = alternate(rounds, lambda: run(*ours), lambda: run(*alone))
    return [compare("(i) `make` in a fresh clone", times, "{:.1f} s", "`uv pip sync`", TARGET)]


def call(command: list[str], folder: Path, tools: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | VARIABLES
    environment["PATH"] = os.pathsep.join([environment["PATH"], str(tools)])
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {done.stderr.strip()[-200:]}")
