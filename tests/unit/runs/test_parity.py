"""Recordings: what the probes claim holds on an emulator, and a second one that answers otherwise is found out."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import amazonpay_nb
from amazonpay_nb.cli import main
from amazonpay_nb.runs import recordings
from amazonpay_nb.runs.parity import record, target
from amazonpay_nb.runs.probes import probes
from amazonpay_nb.spec.parity import Evidence, behaviors


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of an emulator."""
    path = tmp_path_factory.mktemp("parity") / "here.json"
    with target(None, None, "na") as emulator:
        record(emulator, buyer=None, out=path, say=lambda text: None)
    return path


def test_the_probes_name_claims_that_exist() -> None:
    """Those that we only infer, above all, and none that is true here alone."""
    evidence = {row.id: row.evidence for row in behaviors()}
    reached = {claim for probe in probes().values() for claim in probe.claims}
    assert reached - evidence.keys() == set()
    assert len(reached) >= 200
    assert Evidence.EMULATOR_ONLY not in {evidence[claim] for claim in reached}


def test_an_emulator_answers_as_claimed(here: Path) -> None:
    """In all that was reached; what was not is for another region."""
    comparison = recordings.claimed(recordings.read(here))
    assert comparison.different == []
    assert len(comparison.not_reached) < 5


def test_two_emulators_are_equal(here: Path) -> None:
    """The command compares with one that it starts itself."""
    result = CliRunner().invoke(main, ["parity", "--compare", str(here), "--json"])
    comparison = json.loads(result.stdout)
    assert (result.exit_code, comparison["different"]) == (0, [])
    assert len(comparison["equal"]) > 200


CHANGED = tomllib.loads(Path(__file__).with_name("changed_rows.toml").read_text("utf-8"))["rows"]


@pytest.fixture(scope="module")
def other_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ready file of an emulator in another process, whose package has other rows in more than thirty places."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(Path(amazonpay_nb.__file__).parent, folder / "amazonpay_nb")
    for row in CHANGED:
        path = folder / "amazonpay_nb" / row["file"]
        text = path.read_text("utf-8")
        assert text.count(row["old"]) == 1, row
        path.write_text(text.replace(row["old"], row["new"]), "utf-8")
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "amazonpay_nb", "emulator", "--seed", "11", "--ready-file", str(ready)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("Amazon Pay emulator")
            yield ready
        finally:
            process.kill()


def test_each_changed_row_is_found(here: Path, other_emulator: Path, tmp_path: Path) -> None:
    """By the ids of its claims, and nothing that is not there: the other side is another process with other rows."""
    assert len(CHANGED) >= 30
    arguments = [
        "--ready-file",
        str(other_emulator),
        "--compare",
        str(here),
        "--json",
        "--out",
        str(tmp_path / "o.json"),
    ]
    result = CliRunner().invoke(main, ["parity", *arguments])
    comparison = json.loads(result.stdout)
    found = {row["id"] for row in comparison["different"]}
    expected = {claim for row in CHANGED for claim in row["ids"]}
    assert (found - expected, expected - found, result.exit_code) == (set(), set(), 1)
    assert all(row["here"].keys() == row["there"].keys() for row in comparison["different"])
    assert comparison["notReached"] == ["amount.yen-zeros", "session.presentment-follows"]
