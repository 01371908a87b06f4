"""What recordings of probes show: claim by claim, against what we claim, and against each other."""

import json
from pathlib import Path
from typing import Any

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs.probes import probes
from amazonpay_nb.spec.data import start_of
from amazonpay_nb.spec.regions import region as region_of

Recording = dict[str, Any]
# Place in a probe -> what is there.
Places = dict[str, Any]
# ``equal`` and ``notReached`` hold ids; ``different`` holds rows with an id, and what each side shows at which place.
Comparison = dict[str, list[Any]]


def read(path: Path) -> Recording:
    """Return a recording, or raise `ConfigurationError`."""
    try:
        recording: Recording = json.loads(start_of(path, 1 << 24))
        region_of(recording["target"]["region"]).ledger_currencies.index(recording["target"]["currency"])
        _places(recording)
        return recording
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ConfigurationError(f"{path} is no recording of probes.", advice="Give a file that --out wrote.") from None


def claimed(there: Recording) -> Comparison:
    """Compare a recording with what its probes claim."""
    recorded = {row["id"] for row in there["probes"] if row.get("seen")}
    claims = [
        {"id": probe.id, "edition": probe.edition, "seen": [{"shows": step.shows} for step in probe.steps]}
        for probe in probes().values()
        if probe.id in recorded
    ]
    return compare({"probes": claims}, there)


def compare(here: Recording, there: Recording) -> Comparison:
    """Compare two recordings: a claim is equal where all of its answers were seen, and are equal."""
    ours, others = _places(here), _places(there)
    result: Comparison = {"equal": [], "different": [], "notReached": []}
    for claim in sorted({claim for probe in probes().values() for claim in probe.claims}):
        mine, theirs = ours.get(claim, {}), others.get(claim, {})
        if places := [place for place in mine if place in theirs and mine[place] != theirs[place]]:
            one, other = ({place: side[place] for place in places} for side in (mine, theirs))
            result["different"].append({"id": claim, "here": one, "there": other})
        else:
            result["equal" if mine and mine.keys() == theirs.keys() else "notReached"].append(claim)
    return result


def _places(recording: Recording) -> dict[str, Places]:
    """Return what a recording shows for each claim, by the place in its probes."""
    editions, result = {probe.id: probe.edition for probe in probes().values()}, dict[str, Places]()
    for probe in recording["probes"]:
        if editions.get(probe["id"]) != probe["edition"]:
            continue  # a step of another edition of a probe is another step
        for number, step in enumerate(probe["seen"], 1):
            for claim, values in step["shows"].items():
                places = {f"{probe['id']}, step {number}, {path}": value for path, value in values.items()}
                result.setdefault(claim, {}).update(places)
    return result


def text(comparison: Comparison) -> str:
    """Return a comparison as a person reads it."""
    lines = [
        f"{row['id']}: {place}: here {row['here'][place]!r}, there {row['there'][place]!r}"
        for row in comparison["different"]
        for place in row["here"]
    ]
    equal, different, not_reached = map(len, comparison.values())
    return "\n".join([*lines, f"{equal} equal, {different} different, {not_reached} not reached"])
