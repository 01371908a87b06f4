"""A run works wherever it is started: read-only, without HOME, in any time zone, at a path that needs quotes."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import read_only

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that nobody can write to, at a path with spaces, umlauts and signs of the shell."""
    folder = tmp_path_factory.mktemp("copy") / "Kärt chén (1) & $x"
    for name in ("amazonpay_nb", "notebooks", "docs/images"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if os.geteuid():
        for path in folder.rglob("*"):
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    return folder


def started(checkout: Path, *arguments: str) -> list[str]:
    """The command in a checkout that is read-only."""
    return read_only(checkout, sys.executable, "-m", "amazonpay_nb", *arguments)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HOME": "/nonexistent", "TZ": "America/St_Johns"},
        {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONHASHSEED": "42"},
        {"TQDM_MININTERVAL": "x", "TQDM_NCOLS": "x"},
    ],
    ids=["no variables", "no home", "another locale", "bars of another form"],
)
def test_a_run_needs_little(checkout: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    """Nothing is written but what it was asked for, and the notebook passes."""
    command = started(checkout, "run", "00", "--out", str(tmp_path / "o ü"))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout)} | variables
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (only,) = json.loads((tmp_path / "o ü/summary.json").read_text("utf-8"))["runs"]
    assert only["status"] == "passed"


_UNKNOWN = """import pwd
pwd.getpwuid = {}.__getitem__
from amazonpay_nb.cli import main
main(["doctor"])"""


def test_a_user_whom_the_system_does_not_know_needs_no_home() -> None:
    """A container may run as any number; libraries ask for a home."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _UNKNOWN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ("Traceback" in done.stderr, "The clock says" in done.stdout) == (False, True), done.stderr


def test_a_checkout_that_cannot_be_written_to_is_named(checkout: Path) -> None:
    """The default folder for the report is below it."""
    command = started(checkout, "run", "00")
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("ConfigurationError: out: ")
    assert "Choose another folder with --out." in done.stderr


@pytest.mark.parametrize("command", ["run", "export", "kit"])
def test_a_temporary_folder_whose_name_is_not_utf_8_is_refused(tmp_path: Path, command: str) -> None:
    """No address of a kernel can name it, and what waits for such a kernel would not end."""
    temporary = tmp_path / os.fsdecode(b"T\xfcr")
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "amazonpay_nb", command, "00", "--out", str(tmp_path / "out")]
    done = subprocess.run(arguments, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert b"its name is not UTF-8.\nSet TMPDIR to another folder." in done.stderr
    assert not list(temporary.iterdir())
    doctor = subprocess.run([*arguments[:3], "doctor"], env=environment, capture_output=True, timeout=60, check=False)
    assert (doctor.returncode, b"its name is not UTF-8.\nSet TMPDIR" in doctor.stdout) == (1, True)
