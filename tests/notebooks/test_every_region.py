"""Every notebook passes in every currency of a merchant's account, by the command that people type.

`make test` runs those of North America, whose outputs are committed, and compares what each cell shows.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted(path.stem for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
# What each flow notebook records at least; null where its path has none.
RECORDED = {
    "checkoutSessionId", "chargePermissionId", "chargePermissionType", "chargePermissionState",
    "chargeId", "chargeState", "refundId", "refundState",
}  # fmt: skip
FLOWS = [name for name in NOTEBOOKS if name[:2] in ("01", "02", "03", "04")]


@pytest.mark.parametrize("parameters", [{"region": "eu"}, {"region": "eu", "currency": "GBP"}, {"region": "jp"}])
def test_every_notebook_passes(parameters: dict[str, str], tmp_path: Path) -> None:
    """All claims hold, and each set-up ends with a wallet, a captured charge and a refund."""
    command = [sys.executable, "-c", "from amazonpay_nb.cli import main; main()"]
    options = ["run", "--out", str(tmp_path)]
    for name, value in parameters.items():
        options += ["-p", name, value]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    runs = {run["notebook"]: run for run in summary["runs"]}
    assert sorted(runs) == NOTEBOOKS
    assert (summary["passed"], summary["failed"]) == (len(NOTEBOOKS), 0)
    for run in runs.values():
        assert (run["status"], run["error"], run["parameters"]) == ("passed", None, parameters)
        assert run["claims"]
        assert all(claim["ok"] for claim in run["claims"])
    for name in FLOWS:
        made = runs[name]["result"]
        assert made.keys() >= RECORDED
        states = made["chargePermissionType"], made["chargePermissionState"], made["chargeState"], made["refundState"]
        assert states == ("PaymentMethodOnFile", "Chargeable", "Captured", "Refunded"), name
