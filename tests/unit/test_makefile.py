"""The gate tries a test that fails once more; whatever did not run has not passed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RIGHT = "def test_right(): pass"
WRONG = "def test_wrong(): assert False"
ONCE = """
from pathlib import Path
def {name}:
    flag = Path(__file__).with_suffix(".seen")
    if not flag.exists():
        flag.touch()
        raise ImportError
{after}
"""
FLAKY = ONCE.format(name="test_flaky()", after="")
UNREADABLE = ONCE.format(name="once()", after=f"once()\n{RIGHT}")
# Each of many tests ends its process the first time.
GONE = """
import os, pytest
from pathlib import Path
@pytest.mark.parametrize("number", range(30))
def test_gone(number):
    flag = Path(__file__).with_suffix(f".{number}")
    if not flag.exists():
        flag.touch()
        os._exit(1)
"""
ENDS = "from tests.exit_codes import pytest_sessionfinish"


@pytest.mark.parametrize(
    ("files", "passes", "in_the_gate"),
    [
        ({"right": RIGHT}, True, True),
        ({"right": RIGHT, "wrong": WRONG}, False, False),
        ({"right": RIGHT, "flaky": FLAKY}, False, True),
        ({"unreadable": UNREADABLE, "wrong": WRONG}, False, False),
        ({"right": RIGHT, "gone": GONE}, False, False),
    ],
    ids=["all right", "wrong", "flaky", "unreadable once", "too many processes end"],
)
def test_a_second_try_counts_where_all_tests_ran(
    files: dict[str, str], passes: bool, in_the_gate: bool, tmp_path: Path
) -> None:
    """By itself, `make test` tries nothing twice."""
    found = []
    for second in ([], ["SECOND_TRY=1"]):
        folder = tmp_path / f"gate{len(second)}"
        folder.mkdir()
        (folder / "conftest.py").write_text(ENDS)
        for name, source in files.items():
            (folder / f"test_{name}.py").write_text(source)
        command = f"{sys.executable} -m pytest -q -p xdist.plugin -n 2 --rootdir {folder} {folder}"
        made = ["make", "--no-print-directory", "test", "READY=", "NOTEBOOKS=true"]
        done = subprocess.run(
            [*made, f"UNIT={command}", *second], cwd=ROOT, text=True, capture_output=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT), "MAKEFLAGS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )  # fmt: skip
        found.append(done.returncode == 0)
    assert found == [passes, in_the_gate], done.stdout
