"""What recordings of probes show: claim by claim, against what we claim, and against each other."""

import json
from pathlib import Path
from typing import Any

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.runs.probes import probes
from amazonpay_nb.spec.regions import region as region_of

Recording = dict[str, Any]
# Place in a probe -> what is there.
Places = dict[str, Any]
# ``equal`` and ``notReached`` hold ids; ``different`` holds rows with an id, and what each side shows at which place.
Comparison = dict[str, list[Any]]


def read(path: Path) -> Recording:
    """Return a recording, or raise `ConfigurationError`."""
    try:
        recording: Recording = json.loads(path.read_text("utf-8"))
        region_of(recording["target"]["region"]).ledger_currencies.index(recording["target"]["currency"])
        _as_here(recording)
        places_of(recording, claims=True)
        return recording
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ConfigurationError(f"{path} is no recording of probes.", advice="Give a file that --out wrote.") from None


def places_of(recording: Recording, *, claims: bool = False) -> dict[str, Places]:
    """Return what a recording shows for each claim, or what is claimed, by the place in its probes."""
    result: dict[str, Places] = {}
    for probe in recording["probes"]:
        for number, step in enumerate(probe["seen"], 1):
            for claim, values in step.get("shows", {}).items():
                values = values | step.get("otherwise", {}).get(claim, {}) if claims else values
                places = {f"{probe['id']}, step {number}, {path}": value for path, value in values.items()}
                result.setdefault(claim, {}).update(places)
    return result


def claimed(there: Recording) -> Comparison:
    """Hold a recording against what its probes claim."""
    return _compared(places_of(there, claims=True), places_of(there))


def compare(here: Recording, there: Recording) -> Comparison:
    """Hold two recordings against each other: a claim is equal where all of its answers were seen, and are equal."""
    return _compared(places_of(_as_here(here)), places_of(_as_here(there)))


def _as_here(recording: Recording) -> Recording:
    # A step of another edition of a probe is another step.
    editions = {(probe.id, probe.edition) for probe in probes().values()}
    return recording | {"probes": [row for row in recording["probes"] if (row["id"], row["edition"]) in editions]}


def _compared(here: dict[str, Places], there: dict[str, Places]) -> Comparison:
    result: Comparison = {"equal": [], "different": [], "notReached": []}
    for claim in sorted({claim for probe in probes().values() for claim in probe.claims}):
        mine, theirs = here.get(claim, {}), there.get(claim, {})
        if places := [place for place in mine if place in theirs and mine[place] != theirs[place]]:
            one, other = ({place: side[place] for place in places} for side in (mine, theirs))
            result["different"].append({"id": claim, "here": one, "there": other})
        else:
            result["equal" if mine and mine.keys() == theirs.keys() else "notReached"].append(claim)
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
