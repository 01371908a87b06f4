"""Hold what we claim about Amazon Pay against what it answers: run probes, keep what was seen, compare two recordings.

amazonpay-nb parity --base-url https://pay-api.amazon.eu      (with an account's variables: docs/recording.md)
amazonpay-nb parity --compare parity-sandbox-eu.json
"""

import json
import re
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from amazonpay_nb.client.button import button_config, sign_button
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.server import ClockControl, Control
from amazonpay_nb.errors import BuyerPageError, ConfigurationError, TransportError
from amazonpay_nb.loopback import http_client, without_port
from amazonpay_nb.redaction import redact
from amazonpay_nb.runs.probes import (
    ABSENT,
    NULL,
    Probe,
    Stable,
    Step,
    Visit,
    at,
    filled,
    giver,
    looked_at,
    needs_buyer,
    probes,
    values,
)
from amazonpay_nb.shop import Shop, buyer as script
from amazonpay_nb.signing import (
    IDEMPOTENCY_KEY,
    SIGNED_HEADERS,
    authorization_header,
    canonical_request,
    format_date,
    sign,
    string_to_sign,
)
from amazonpay_nb.signing.keys import MerchantKeys, key_environment, load, write_file
from amazonpay_nb.signing.steps import canonical_query
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.operations import OPERATIONS, THROTTLES
from amazonpay_nb.spec.regions import REGIONS, region as region_of
from amazonpay_nb.workbench.parameters import NO_SCRIPT, account_variable

Recording = dict[str, Any]
Say = Callable[[str], object]
BUYERS = ("you", "script", "none")
# Of an answer's headers, those that a claim is about.
_KEPT_HEADERS = ("content-type", "x-amz-pay-request-id")
_ATTEMPTS, _BUYER_SECONDS = 5, 900
_ROUTES = [
    (row.method, re.compile(row.path.replace("{id}", "[^/]*")), THROTTLES[name].sandbox)
    for name, row in OPERATIONS.items()
]
_MOMENTS = {"soon": 3, "ahead": 3600, "recent": -14 * 60, "stale": -16 * 60}  # seconds from now


class Target(NamedTuple):
    """Where the probes are sent, and as whom.

    Attributes:
        now, wait: The time there, in seconds, and how to let some pass.
    """

    url: str
    region: str
    keys: MerchantKeys
    merchant_id: str
    store_id: str
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], object] = time.sleep

    @property
    def environment(self) -> str:
        """``emulator`` on this machine, ``sandbox`` anywhere else."""
        return "emulator" if urlsplit(self.url).hostname in LOOPBACK_HOSTS else "sandbox"

    @classmethod
    def of_account(cls, url: str, region: str) -> "Target":
        """Return the Sandbox, or an emulator, at an address, with the account of the environment's variables.

        Raises:
            ConfigurationError: A variable is missing, the key is one for live, or the address is neither.
        """
        host = urlsplit(url).hostname
        region = next((row.code for row in REGIONS.values() if row.api_host == host), region)
        if host not in (*LOOPBACK_HOSTS, region_of(region).api_host):
            hosts = ", ".join(f"https://{row.api_host}" for row in REGIONS.values())
            raise ConfigurationError(f"{url!r} is neither Amazon's nor on this machine.", advice=f"Choose {hosts}.")
        key, key_id, merchant, store = map(
            account_variable, ("private_key_file", "public_key_id", "merchant_id", "store_id")
        )
        if key_environment(key_id) == "live":
            raise ConfigurationError("This key moves real money.", advice="Probes are for the Sandbox: use its key.")
        return cls(url.rstrip("/"), region, load(key, key_id), merchant, store)

    @classmethod
    @contextmanager
    def of_ready_file(cls, ready: Mapping[str, Any]) -> Iterator["Target"]:
        """Give a running emulator, as its ready file describes it; its clock is advanced where a probe waits."""
        with closing(
            Control(ready["controlUrl"], ready["controlToken"], ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        ) as control:
            clock = ClockControl(control)
            keys = load(ready["privateKeyFile"], ready["publicKeyId"])
            virtual = control.get("clock")["mode"] == "virtual"
            time_there: dict[str, Any] = {
                "now": lambda: clock.now().timestamp(),
                "wait": lambda seconds: clock.advance(f"PT{round(seconds + 0.5)}S"),
            }
            yield cls(
                ready["url"], ready["region"], keys, ready["merchantId"], ready["storeId"],
                **time_there if virtual else {},
            )  # fmt: skip


@contextmanager
def target(base_url: str | None, ready_file: Path | None, region: str) -> Iterator[Target]:
    """Give the target at an address, or the one that a ready file describes, or else an emulator of its own."""
    if base_url:
        yield Target.of_account(base_url, region)
    elif ready_file:
        with Target.of_ready_file(json.loads(ready_file.read_text("utf-8"))) as running:
            yield running
    else:
        with Emulator(region, seed=7) as emulator, Target.of_ready_file(emulator.ready()) as own:
            yield own


class Run:
    """One run of probes.

    Args:
        buyer: Who plays the buyer: ``you``, ``script`` or ``none``.
        say: Takes what a person should know while it lasts.
    """

    def __init__(self, target: Target, *, buyer: str = "script", say: Say = lambda text: None) -> None:
        if buyer == "script" and target.environment != "emulator":
            raise ConfigurationError(NO_SCRIPT, advice="Choose you, or none.")
        self._target, self._buyer, self._say = target, buyer, say
        self._shared: dict[str, str] = {}
        self._calls: dict[int, float] = {}
        self._shop: Shop | None = None
        self._http = http_client(timeout=30)
        self._values = values(target.region) | {
            "merchant": target.merchant_id, "store": target.store_id, "key_id": target.keys.public_key_id,
        }  # fmt: skip

    def close(self) -> None:
        """Close what was opened."""
        self._http.close()
        if self._shop:
            self._shop.close()

    def record(self, out: Path | None = None, only: tuple[str, ...] = ()) -> Recording:
        """Run the probes, or *only* some, and return what was seen; a file that holds a part of it is continued."""
        target = {"environment": self._target.environment, "region": self._target.region}
        recording: Recording = {"recordedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "target": target, "probes": []}
        if out and out.exists():
            recording = json.loads(out.read_text("utf-8"))
            if recording["target"] != target:
                raise ConfigurationError(f"{out} is a recording of another place.", advice="Choose another file.")
        rows = {row["id"]: row for row in recording["probes"]}
        chosen = [probe for probe in probes().values() if not only or probe.id in only]
        for number, probe in enumerate(chosen, 1):
            row = rows.get(probe.id, {})
            if row.get("status") == "recorded" and row["edition"] == probe.edition:
                continue
            self._say(f"{number} of {len(chosen)}: {probe.says}")
            rows[probe.id] = self._row(probe)
            recording["probes"] = [rows[name] for name in probes() if name in rows]
            if out:
                text = json.dumps(recording, indent=1, ensure_ascii=False) + "\n"
                write_file(out, text.encode(), mode=0o600, overwrite=True)
        return recording

    def _row(self, probe: Probe) -> dict[str, Any]:
        why, seen = self._obstacle(probe), []
        if not why:
            try:
                seen = list(self._steps(probe))
            except BuyerPageError as error:
                why = str(error)
        return {
            "id": probe.id, "claims": list(probe.claims), "edition": probe.edition,
            "status": "skipped" if why else "recorded", **({"why": redact(why)} if why else {}), "seen": seen,
        }  # fmt: skip

    def _obstacle(self, probe: Probe) -> str:
        """Return why a probe cannot be run, after what it needs was made; "" where it can."""
        if self._target.region not in probe.regions:
            return f"It is for {' and '.join(probe.regions)}."
        if self._buyer == "none" and needs_buyer(probe):
            return "It needs a buyer."
        for name in probe.needs:
            if name not in self._shared:
                with suppress(BuyerPageError):
                    list(self._steps(giver(name)))
            if name not in self._shared:
                return f"There is no {name}: the probe that makes one did not."
        return ""

    def _steps(self, probe: Probe) -> Iterator[dict[str, Any]]:
        """Take a probe's steps, and yield what was seen; one that needs what an answer did not bring ends it."""
        names, keys = self._values | self._shared, dict[str, str]()
        stable = Stable(self._values)
        for step in probe.steps:
            if step.wait:
                self._target.wait(step.wait)
            try:
                for _ in range(step.times):
                    answer = self._visit(step.visit, names) if step.visit else self._call(step, names, keys)
            except KeyError:
                return
            seen: dict[str, Any] = {}
            for claim, path, claimed, value in looked_at(step, answer, stable, names):
                if value not in (claimed, ABSENT, NULL):
                    value = redact({path.rpartition(".")[2]: value}).popitem()[1]
                seen.setdefault("shows", {}).setdefault(claim, {})[path] = value
                if value != claimed:
                    seen.setdefault("otherwise", {}).setdefault(claim, {})[path] = claimed
            kept = {name: str(at(answer, f"body.{field}")) for name, field in step.keep.items()}
            names |= {name: text for name, text in kept.items() if text not in (ABSENT, NULL)}
            self._shared |= {name: names[name] for name in probe.gives if name in names}
            yield {"call": step.send or "visit", "answer": redact(stable(without_ports(answer)))} | seen

    def _call(self, step: Step, names: Mapping[str, str], keys: dict[str, str]) -> dict[str, Any]:
        """Send one request, more than once where Amazon is busy, and return its answer."""
        method, _, path = step.send.partition(" ")
        path = filled(path, names)
        for attempt in range(_ATTEMPTS):
            self._pace(method, path)
            try:
                response = self._http.send(self._request(step, method, path, names, keys))
            except httpx.TransportError as error:
                problem = f"No answer to {method} {redact(path)} ({type(error).__name__})."
                raise TransportError(problem, advice="Repeat the command: it goes on from here.") from error
            if response.status_code not in (429, 503) or step.code:
                break
            self._target.wait(2**attempt)
        try:
            body = response.json()
        except ValueError:
            body = response.text
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        return {"status": response.status_code, "headers": headers, "body": body}

    def _pace(self, method: str, path: str) -> None:
        """Wait until the call is below the Sandbox's quota, without its burst: others may use the account, too."""
        plain = re.sub("^/(sandbox|live)", "", path.rstrip("/"))
        rows = enumerate(_ROUTES)
        number = next((i for i, (verb, form, _) in rows if verb == method and form.fullmatch(plain)), -1)
        quota = _ROUTES[number][2] if number >= 0 else None
        due = self._calls.get(number, float("-inf")) + 1.1 / (quota.per_second if quota else 1)
        if (now := self._target.now()) < due:
            self._target.wait(due - now)
        self._calls[number] = self._target.now()

    def _request(
        self, step: Step, method: str, path: str, names: Mapping[str, str], keys: dict[str, str]
    ) -> httpx.Request:
        """Return a step's request as it says, well-formed or not."""
        target, now = self._target, datetime.now(UTC)
        if key_environment(target.keys.public_key_id) is None and not re.match("/(sandbox|live)/", path):
            path = f"/sandbox{path}"
        body = step.raw if step.raw is not None else "" if step.body is None else json.dumps(step.body)
        content = filled(body, names).encode()
        moments = {name: format_date(now + timedelta(seconds=seconds)) for name, seconds in _MOMENTS.items()}
        moments["extended"] = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        headers = {
            "accept": "application/json", "content-type": "application/json", "x-amz-pay-date": format_date(now),
            "x-amz-pay-host": str(urlsplit(target.url).hostname), "x-amz-pay-region": target.region,
        }  # fmt: skip
        if method == "POST" or step.key:
            headers[IDEMPOTENCY_KEY] = keys.setdefault(step.key, uuid.uuid4().hex) if step.key else uuid.uuid4().hex
        if step.code:
            headers["x-amz-pay-simulation-code"] = step.code
        headers |= filled(step.headers, {**names, **moments})
        for name in step.without:
            headers.pop(name, None)
        if "authorization" not in {*headers, *step.without}:
            headers["authorization"] = self._authorization(step, method, path, headers, content)
        url = httpx.URL(target.url).copy_with(raw_path=path.encode())
        return httpx.Request(method, url, headers=headers, content=content)

    def _authorization(self, step: Step, method: str, path: str, headers: dict[str, str], content: bytes) -> str:
        keys, algorithm = self._target.keys, step.algorithm or self._target.keys.algorithm
        usual = {*SIGNED_HEADERS, IDEMPOTENCY_KEY, *step.signed} - {*step.unsigned}
        signed = ";".join(sorted(usual & {*headers}))
        raw, _, query = path.partition("?")
        text = canonical_request(
            method, raw, query if step.query else canonical_query(query), [*headers.items()], signed, content
        )
        signature = sign(string_to_sign(text, algorithm=algorithm), keys.private_key, algorithm=algorithm)
        return authorization_header(step.key_id or keys.public_key_id, signed, signature, algorithm)

    def _visit(self, visit: Visit, names: dict[str, str]) -> dict[str, Any]:
        """Let the buyer go through Amazon's pages from a button of our own shop, and return the arrival there."""
        target, region = self._target, region_of(self._target.region)
        self._shop = self._shop or Shop("Parity")
        attempt = self._shop.new_attempt()
        names |= {
            "result": attempt.result_url,
            "review": attempt.review_url,
            "cancel": attempt.cancel_url,
            "signed_in": attempt.signed_in_url,
        }
        config = button_config(
            sign_button(filled(visit.payload, names), target.keys), merchant_id=target.merchant_id, region=region,
            environment=target.environment, product_type=visit.product, currency=names["currency"],
        )  # fmt: skip
        local = target.environment == "emulator"
        attempt.offer(f"{target.url if local else f'https://{region.checkout_script_host}'}/checkout.js", config)
        if self._buyer == "script":
            end = partial(getattr(script, visit.ending), http=self._http, **visit.choices)
            script.arrive(end(attempt.page_url), http=self._http)
        else:
            self._say(f"  You are the buyer. Open {attempt.page_url}\n  {visit.person} Then come back to the shop.")
        try:
            arrival = attempt.arrival.result(_BUYER_SECONDS)
        except TimeoutError:
            raise BuyerPageError("The buyer did not come back.", advice="Repeat the command.") from None
        if arrival.buyer_token:
            names["buyer_token"] = arrival.buyer_token
        return {
            "status": 0,
            "headers": {},
            "body": {"arrival": arrival.kind, "checkoutSessionId": arrival.checkout_session_id or None},
        }


def record(target: Target, *, buyer: str | None, out: Path | None, only: tuple[str, ...] = (), say: Say) -> Recording:
    """Return what was seen; *buyer* is a script on an emulator and you anywhere else, where it is left out."""
    default = "script" if target.environment == "emulator" else "you"
    with closing(Run(target, buyer=buyer or default, say=say)) as run:
        return run.record(out, only)


def without_ports(answer: Any) -> Any:
    """Return JSON in which the ports of this machine are left out."""
    return json.loads(without_port(json.dumps(answer)))
