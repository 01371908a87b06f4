"""The way from the emulator over the Sandbox to live: what changes, what is proven, and what could not be tested.

The code itself says what changes: the client shows where it sends a request, the button what its page says.  Where
Amazon decides, a row of the registry of behaviors is named.  The checklist rests on earlier runs; the steps that no
program can see are for you.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from amazonpay_nb.client.button import button_config, sign_button
from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.errors import ConfigurationError, NotFoundError
from amazonpay_nb.lessons.drills import short
from amazonpay_nb.signing.keys import MerchantKeys, with_id
from amazonpay_nb.spec.data import as_kind, data_row, read
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parity import Behavior, Evidence, behavior, behaviors, topics
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.claims import Claim
from amazonpay_nb.workbench.parameters import ENVIRONMENTS, PARAMETERS
from amazonpay_nb.workbench.show.blocks import mark

if TYPE_CHECKING:
    import pandas

_DATA = read("go_live.toml", beside=__file__)

# One property in each environment, and its evidence.
Change = namedtuple("Change", "what emulator sandbox live how_we_know")
# The same in short: what some environments have in common, and what one source says.
Property = namedtuple("Property", "what value where")
Source = namedtuple("Source", "how_we_know source what")
# How the id of a key begins in each environment; a neutral one begins with nothing.
_PREFIXES = dict(zip(ENVIRONMENTS, ("SANDBOX-", "SANDBOX-", "LIVE-"), strict=True))
_HERE = "127.0.0.1"


def changes(wb: Workbench) -> list[Change]:
    """Return what differs between the environments, in the region of a workbench that has its keys."""
    own = {environment: with_id(wb.keys, f"{prefix}EXAMPLE") for environment, prefix in _PREFIXES.items()}
    neutral = dict.fromkeys(ENVIRONMENTS, with_id(wb.keys, "EXAMPLE"))
    # What key, client and button are like in an environment.
    questions: list[tuple[str, Callable[[str], str]]] = [
        ("publicKeyId", lambda name: f"{_PREFIXES[name]}…"),
        ("host of the API", lambda name: _address(wb, name, own[name])[0]),
        ("path of a request", lambda name: _address(wb, name, own[name])[1]),
        ("neutral key: path", lambda name: _address(wb, name, neutral[name])[1]),
        ("host of checkout.js", lambda name: _HERE if name == "emulator" else wb.region.checkout_script_host),
        ("sandbox option", lambda name: _sandbox_option(wb, name, own[name])),
        ("neutral key: option", lambda name: _sandbox_option(wb, name, neutral[name])),
    ]
    create = OPERATIONS["createCharge"].quota
    limits = (f"{quota.burst} at once, {quota.per_second} a second" for quota in (create.sandbox, create.live))
    return [
        *(Change._make([what, *map(answer, ENVIRONMENTS), "asked here"]) for what, answer in questions),
        *(Change(**row | {"how_we_know": _evidence(row["how_we_know"])}) for row in _DATA["rules"]),
        Change._make(["Create Charge quota", "none, but --throttle", *limits, _evidence("throttling.live")]),
    ]


def by_environment(rows: Sequence[Change]) -> list[Property | Source]:
    """Return each property once for the environments that share it, then where that is known from."""
    values = [Property(row.what, getattr(row, name), name) for row in rows for name in ENVIRONMENTS]
    known = [(row.how_we_know.partition(": "), row.what) for row in rows]
    sources = [Source(evidence, source, what) for (evidence, _, source), what in known]
    return [*short(values, Property, "where"), *short(sources, Source, "what")]


def _address(wb: Workbench, environment: str, keys: MerchantKeys) -> tuple[str, str]:
    """Return host and path of a request; nothing is sent, the client's network answers at once."""
    client = AmazonPayClient(
        keys, region=wb.region.code, environment=environment, allow_live=True,
        base_url=f"http://{_HERE}" if environment == "emulator" else None,
        transport=httpx.MockTransport(lambda request: httpx.Response(404)),
    )  # fmt: skip
    with client, suppress(NotFoundError):
        client.get_charge_permission("ID")
    url = httpx.URL(client.journal.exchanges[-1].url)
    return url.host, url.path.removesuffix("chargePermissions/ID") + "…"


def _sandbox_option(wb: Workbench, environment: str, keys: MerchantKeys) -> str:
    signed = sign_button({}, keys)
    config = button_config(signed, merchant_id=wb.merchant_id, region=wb.region, environment=environment)
    return json.dumps(config["sandbox"]) if "sandbox" in config else "left out"


def _evidence(source: str) -> str:
    evidence = behavior(source).evidence if "." in source else Evidence.DOCUMENTED
    return f"{evidence}: {source}"


@data_row
class Proof:
    """A step that a run can prove; ``go_live.toml`` describes the fields."""

    step: str
    notebook: str
    claims: tuple[str, ...] = ()


# A line of the checklist, with its verdict.
ChecklistStep = namedtuple("ChecklistStep", "verdict step evidence")
PROOFS = as_kind("go_live.toml", _DATA["proofs"], tuple[Proof, ...])
BY_HAND: tuple[str, ...] = tuple(_DATA["by_hand"]["steps"])


def checklist(wb: Workbench, claims: Sequence[Claim], summary: str | Sequence[Any] = "") -> list[ChecklistStep]:
    """Return every step on the way to live, with the evidence that there is for it.

    Args:
        summary: The ``summary.json`` of a run, which `amazonpay-nb run` writes into its folder, or the ``runs`` in it.
    """
    runs, here = _runs(summary) if summary else [], f"this notebook ({wb.environment}, {wb.region.code})"
    verdicts = {claim.id: bool(claim.ok) for claim in claims}
    by_hand = [ChecklistStep("☐ by hand", step, "") for step in BY_HAND]
    return [_step(proof, verdicts, here, runs) for proof in PROOFS] + by_hand


def _runs(summary: str | Sequence[Any]) -> Any:
    if not isinstance(summary, str):
        return summary
    try:
        return json.loads(Path(summary).expanduser().read_text("utf-8"))["runs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        advice = "Give the summary.json of amazonpay-nb run: a whole path, or one seen from this notebook's folder."
        why = f"{summary!r} is no summary of a run ({type(error).__name__})."
        raise ConfigurationError(why, advice=advice) from None


def _step(proof: Proof, verdicts: Mapping[str, bool], here: str, runs: Sequence[dict[str, Any]]) -> ChecklistStep:
    if proof.claims and verdicts.keys() >= set(proof.claims):
        results = {here: all(verdicts[name] for name in proof.claims)}
    else:
        results = dict(_result(run) for run in runs if str(run["notebook"]).startswith(proof.notebook))
    if not results:
        return ChecklistStep("○ not shown", proof.step, f"run notebook {proof.notebook}")
    ok = all(results.values())
    return ChecklistStep(f"{mark(ok)} {'shown' if ok else 'failed'}", proof.step, "\n".join(results))


def _result(run: dict[str, Any]) -> tuple[str, bool]:
    # A run's other parameters had their defaults.
    where = (str(run["parameters"].get(name, PARAMETERS[name].default)) for name in ("environment", "region"))
    passed = run["status"] == "passed" and bool(run["claims"])  # a notebook that claims nothing shows nothing
    outcome = f"{len(run['claims'])} claims hold" if passed else str(run["error"] or "it claims nothing")
    return f"{run['notebook']}: {outcome} ({', '.join(where)})", passed


ONLY_LIVE: tuple[str, ...] = tuple(_DATA["only_live"]["behaviors"])
_THEN: dict[str, str] = _DATA["then"]
# A behavior of Amazon Pay that a run on the emulator proves nothing about.
OpenBehavior = namedtuple("OpenBehavior", "behavior sentence evidence why_it_is_open")


def _open(rows: Iterable[Behavior]) -> list[OpenBehavior]:
    reasons = ((row, row.why_not or _THEN.get(row.evidence)) for row in rows)
    return [OpenBehavior(row.id, row.sentence, row.evidence, reason) for row, reason in reasons if reason]


def open_behaviors(topic: str) -> list[OpenBehavior]:
    """Return what is open about a topic of the registry, for example ``charge``."""
    if topic not in topics():
        raise ConfigurationError(f"There is no topic {topic!r}.", advice=f"Choose one of {', '.join(topics())}.")
    return _open(behaviors(topic))


def only_live() -> list[OpenBehavior]:
    """Return what can be seen in live only."""
    return _open(map(behavior, ONLY_LIVE))


def count_open() -> "pandas.DataFrame":
    """Return how many behaviors each topic has, by evidence; what is not emulated counts as that alone."""
    import pandas  # slow to import, so only views of tables import it

    headings, missing = topics(), "not emulated"
    rows = [(headings[row.topic], missing if row.why_not else str(row.evidence)) for row in behaviors()]
    frame = pandas.DataFrame(rows, columns=["topic", "evidence"])
    counts = pandas.crosstab(frame["topic"], frame["evidence"], margins=True, margins_name="all")
    order = [*dict.fromkeys(topic for topic, _ in rows), "all"]
    return counts.loc[order, [*_THEN, missing, "all"]].rename_axis(index=None, columns=None)
