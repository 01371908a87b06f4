"""The way from the emulator over the Sandbox to live: what changes, what is proven, and what could not be tested.

What changes is asked of the code that does it: the client shows where it sends a request, the button what its page
says.  Where Amazon decides, a row of the registry of behaviors is named.  The checklist rests on runs that were made; a
step that no program can see stays for you.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from amazonpay_nb.client.button import button_config, sign_button
from amazonpay_nb.client.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.errors import ConfigurationError, NotFoundError
from amazonpay_nb.signing.keys import with_id
from amazonpay_nb.spec.operations import THROTTLES, Quota
from amazonpay_nb.spec.parity import Behavior, Evidence, behavior, behaviors, topics
from amazonpay_nb.spec.simulations import PENDING_SECONDS
from amazonpay_nb.workbench.bench import Workbench
from amazonpay_nb.workbench.claims import mark
from amazonpay_nb.workbench.parameters import ENVIRONMENTS, PARAMETERS
from amazonpay_nb.workbench.show import Claim

__all__ = [
    "BY_HAND",
    "ONLY_LIVE",
    "PROOFS",
    "Change",
    "Check",
    "OpenCount",
    "OpenPoint",
    "Proof",
    "changes",
    "checklist",
    "count_open",
    "only_live",
    "open_points",
]

# --- What changes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """What one thing is in each environment, and how that is known."""

    what: str
    emulator: str
    sandbox: str
    live: str
    how_we_know: str


# How the id of a key begins in each environment; a neutral one begins with nothing.
_PREFIXES = dict(zip(ENVIRONMENTS, ("SANDBOX-", "SANDBOX-", "LIVE-"), strict=True))
_NEUTRAL = dict.fromkeys(ENVIRONMENTS, "")
_HERE, _GUIDE = "127.0.0.1", "take-your-integration-live"

# What Amazon decides, and the behavior that says so, or the page of the guide.
_RULES = (
    ("private key", "made for the run", "a secret of the server", "a secret of the server", _GUIDE),
    ("return addresses", "https, or http on loopback", "https, or http on localhost", "https", _GUIDE),
    ("domains of the button", "loopback, *.example, --domain", "in Seller Central", "in Seller Central",
     "button.domain-registered"),
    ("notification endpoint", "on loopback", "its own, HTTP will do", "its own, HTTPS",
     "notification.endpoint"),
    ("store name and logo", "merchant_name", "in Seller Central", "there, a day ahead", _GUIDE),
    ("buyers", "a script, or you", "test accounts", "people", "region.sandbox"),
    ("simulations", "yes", "yes", "use none", "simulation.live"),
    ("id of a saved wallet", "begins with C", "begins with C", "begins with B", "id.permission-prefix"),
    ("a pending payment", f"takes {PENDING_SECONDS} seconds", f"takes {PENDING_SECONDS} seconds",
     "takes up to 24 hours", "charge.pending-24-hours"),
)  # fmt: skip


def changes(wb: Workbench) -> list[Change]:
    """Return what differs between the environments, in the region of a workbench that has its keys.

    Nothing is sent: the client's network is replaced by a function that reads the address.
    """
    quota = THROTTLES["createCharge"]
    limits = "none, but --throttle", _quota(quota.sandbox), _quota(quota.live)
    return [
        _asked("publicKeyId", {name: f"{prefix}…" for name, prefix in _PREFIXES.items()}),
        _asked("host of the API", _each(wb, _api_host, _PREFIXES)),
        _asked("path of a request", _each(wb, _path, _PREFIXES)),
        _asked("with a neutral key", _each(wb, _path, _NEUTRAL)),
        _asked("host of checkout.js", _each(wb, _script_host, _PREFIXES)),
        _asked("sandbox in the button", _each(wb, _sandbox_option, _PREFIXES)),
        _asked("with a neutral key", _each(wb, _sandbox_option, _NEUTRAL)),
        *(Change(what, here, sandbox, live, _known(source)) for what, here, sandbox, live, source in _RULES),
        Change("Create Charge quota", *limits, _known("throttling.live")),
    ]


def _asked(what: str, values: dict[str, str]) -> Change:
    return Change(what, values["emulator"], values["sandbox"], values["live"], "asked here")


def _each(wb: Workbench, ask: Callable[[Workbench, str, str], str], prefixes: dict[str, str]) -> dict[str, str]:
    return {name: ask(wb, name, f"{prefix}EXAMPLE") for name, prefix in prefixes.items()}


def _request_address(wb: Workbench, environment: str, key_id: str) -> httpx.URL:
    seen: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(404)

    client = AmazonPayClient(
        AmazonPayAuth(with_id(wb.keys, key_id)), region=wb.region.code, environment=environment, allow_live=True,
        base_url=f"http://{_HERE}" if environment == "emulator" else None, transport=httpx.MockTransport(answer),
    )  # fmt: skip
    with client, suppress(NotFoundError):
        client.get_charge_permission("ID")
    return seen[0]


def _api_host(wb: Workbench, environment: str, key_id: str) -> str:
    return _request_address(wb, environment, key_id).host


def _path(wb: Workbench, environment: str, key_id: str) -> str:
    return _request_address(wb, environment, key_id).path.removesuffix("chargePermissions/ID") + "…"


def _script_host(wb: Workbench, environment: str, key_id: str) -> str:
    return _HERE if environment == "emulator" else wb.region.checkout_script_host


def _sandbox_option(wb: Workbench, environment: str, key_id: str) -> str:
    signed = sign_button({}, with_id(wb.keys, key_id))
    config = button_config(signed, merchant_id=wb.merchant_id, region=wb.region, environment=environment)
    return json.dumps(config["sandbox"]) if "sandbox" in config else "left out"


def _quota(quota: Quota | None) -> str:
    return f"{quota.burst} at once, {quota.per_second} a second" if quota else ""


def _known(source: str) -> str:
    if "." not in source:  # a page of the guide
        return f"{Evidence.DOCUMENTED}: {source}"
    return f"{behavior(source).evidence}: {source}"


# --- What is proven ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """A line of the checklist that a run can prove.

    Attributes:
        notebook: The notebook that proves it, by the number that its name begins with.
        claims: Ids of the claims that prove it to who has them at hand; () where it takes the whole notebook.
    """

    step: str
    notebook: str
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the checklist, with its verdict."""

    verdict: str
    step: str
    evidence: str


PROOFS = (
    Proof("One wallet is saved, charged and refunded", "09", ("set-up-completed", "charge-captured", "refunded")),
    Proof("A decline is explained to the buyer", "09", ("decline-explained",)),
    Proof("The environments cannot be mixed up", "09", ("test-key-refused", "live-refused", "signed-anew")),
    Proof("Set up outside of the purchase flow", "01"),
    Proof("Set up with express checkout", "02"),
    Proof("Set up with end of checkout", "03"),
    Proof("Sign in and set up", "04"),
    Proof("Charges: initiators, captures, declines, repairs, limits, endings", "05"),
    Proof("Refunds, and books that agree", "06"),
    Proof("Notifications: verified, repeated, late and lost", "07"),
    Proof("Simulations and faults: whatever goes wrong was seen once", "08"),
    Proof("Your kind of business, from the set-up to the refund", "10"),
)
# What no program can see; the last two are our advice, the rest is the guide's.
BY_HAND = (
    "Live keys are made in Integration Central, and the private key is where only the server can read it.",
    "Server and page name the LIVE- id, and every payload is signed anew.",
    "Each domain that shows the button is registered in Seller Central, and each return address is https.",
    "The live notification endpoint is set in Seller Central.",
    "Store name and logo are set a day before, and the shop calls the service Amazon Pay.",
    "No wallet of the Sandbox is left in the customer database: each buyer sets up again.",
    "One small payment of your own is made in live, and refunded.",
)


def checklist(wb: Workbench, claims: Sequence[Claim], summary: str = "") -> list[Check]:
    """Return every step on the way to live, with the evidence that there is for it.

    Args:
        wb: Where the claims were made.
        claims: What this notebook has claimed.
        summary: A run's ``summary.json``; a run of several notebooks leaves one in the folder that it is given.
    Raises:
        ConfigurationError: There is no such summary.
    """
    runs, here = _runs(summary) if summary else [], f"this notebook ({wb.environment}, {wb.region.code})"
    shown = [_shown_here(proof, claims, here) or _proven(proof, runs) for proof in PROOFS]
    return shown + [Check("☐ by hand", step, "") for step in BY_HAND]


def _runs(summary: str) -> list[dict[str, Any]]:
    try:
        runs: list[dict[str, Any]] = json.loads(Path(summary).expanduser().read_text("utf-8"))["runs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{summary!r} is no summary of a run ({type(error).__name__}).",
            advice="Give the summary.json of amazonpay-nb run: a whole path, or one seen from this notebook's folder.",
        ) from None
    return runs


def _shown_here(proof: Proof, claims: Sequence[Claim], here: str) -> Check | None:
    own = {claim.id: claim.ok for claim in claims if claim.id in proof.claims}
    complete = bool(own) and len(own) == len(proof.claims)
    return Check(_verdict(all(own.values())), proof.step, here) if complete else None


def _proven(proof: Proof, runs: Sequence[dict[str, Any]]) -> Check:
    fitting = [run for run in runs if str(run["notebook"]).startswith(proof.notebook)]
    if not fitting:
        return Check("○ not shown", proof.step, f"run notebook {proof.notebook}")
    return Check(_verdict(all(_passed(run) for run in fitting)), proof.step, "\n".join(map(_told, fitting)))


def _verdict(ok: bool) -> str:
    return f"{mark(ok)} {'shown' if ok else 'failed'}"


def _passed(run: dict[str, Any]) -> bool:
    return bool(run["status"] == "passed")


def _told(run: dict[str, Any]) -> str:
    # A parameter that was not given had its default.
    given = {name: run["parameters"].get(name, PARAMETERS[name].default) for name in ("environment", "region")}
    outcome = f"{len(run['claims'])} claims hold" if _passed(run) else str(run["error"])
    return f"{run['notebook']}: {outcome} ({', '.join(map(str, given.values()))})"


# --- What could not be tested -----------------------------------------------------------------------------------------

# What nobody sees before the first day in live.
ONLY_LIVE = ("simulation.live", "throttling.live", "id.live", "charge.pending-24-hours", "mobile.amazon-app")
# What to do about a behavior that a test holds the emulator to, though Amazon may do otherwise.
_THEN = {
    Evidence.INFERRED: "Our reading: compare it with the Sandbox.",
    Evidence.EMULATOR_ONLY: "It exists here only: build nothing on it.",
}


@dataclass(frozen=True, slots=True)
class OpenPoint:
    """A behavior of Amazon Pay that a run on the emulator proves nothing about."""

    behaviour: str
    sentence: str
    evidence: str
    why_it_is_open: str


@dataclass(frozen=True, slots=True)
class OpenCount:
    """How many behaviors of a topic are registered, and how many of them are open, by reason."""

    topic: str
    registered: int
    inferred: int
    emulator_only: int
    not_emulated: int


def _is_open(row: Behavior) -> bool:
    return bool(row.why_not) or row.evidence in _THEN


def _open_point(row: Behavior) -> OpenPoint:
    return OpenPoint(row.id, row.sentence, row.evidence, row.why_not or _THEN[row.evidence])


def open_points(topic: str) -> list[OpenPoint]:
    """Return what is open about a topic of the registry, for example ``charge``.

    Raises:
        ConfigurationError: There is no such topic.
    """
    if topic not in topics():
        raise ConfigurationError(f"There is no topic {topic!r}.", advice=f"Choose one of {', '.join(topics())}.")
    return [_open_point(row) for row in behaviors(topic) if _is_open(row)]


def only_live() -> list[OpenPoint]:
    """Return what nobody can see before live."""
    return [_open_point(behavior(name)) for name in ONLY_LIVE]


def count_open() -> list[OpenCount]:
    """Return how much is open in each topic, and the sum of it."""
    counted = [_counted(heading, behaviors(topic)) for topic, heading in topics().items()]
    return [row for row in counted if row.registered] + [_counted("all", behaviors())]


def _counted(topic: str, rows: Sequence[Behavior]) -> OpenCount:
    # A behavior that is not emulated counts as that, whatever its evidence.
    kinds = Counter("not emulated" if row.why_not else str(row.evidence) for row in rows)
    return OpenCount(topic, len(rows), kinds[Evidence.INFERRED], kinds[Evidence.EMULATOR_ONLY], kinds["not emulated"])
