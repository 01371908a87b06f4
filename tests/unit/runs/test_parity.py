"""Recordings: what the probes claim holds on an emulator, and a second one that answers otherwise is found out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

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
