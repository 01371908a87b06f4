"""Whoever installs the wheel has the entire workbook."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from amazonpay_nb.runs.lab import edition

ROOT = Path(__file__).parents[2]


def test_a_notebook_runs_from_the_wheel_in_an_empty_folder(tmp_path: Path) -> None:
    """Its notebooks, what they link to and the servers they rehearse come with it; nothing is written beside them."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True,
        capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    before = sorted(path for path in site.rglob("*"))
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    script = "from amazonpay_nb.runs.lab import edition; print(*sorted(edition()), sep='\\n')"
    listed = subprocess.run(
        [sys.executable, "-c", script], cwd=empty, capture_output=True, text=True, env=environment, check=True
    )
    assert listed.stdout.splitlines() == sorted(edition())
    command = [sys.executable, "-m", "amazonpay_nb", "run", "01", "12", "--out", "out"]
    done = subprocess.run(
        command, cwd=empty, capture_output=True, text=True, env=environment, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (empty / "out/01_set_up_outside_the_purchase_flow.html").read_text("utf-8").count("data:image/") >= 2
    assert sorted(path for path in site.rglob("*")) == before
