"""Send probes to the emulator or to Amazon's Sandbox, and keep what was seen.

Malformed requests are part of it, so they are made and signed here, step by step, and not by the client.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx

from amazonpay_nb import signing
from amazonpay_nb.client.button import button_config, sign_button
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import BuyerPageError, ConfigurationError, TransportError
from amazonpay_nb.limits import whole
from amazonpay_nb.loopback import http_client, no_cookies, without_port
from amazonpay_nb.redaction import redact
from amazonpay_nb.runs.probes import ABSENT, NULL, Probe, Step, at, filled, giver, looked_at, probes, stable
from amazonpay_nb.runs.recordings import Recording, read
from amazonpay_nb.shop import Shop, buyer as script
from amazonpay_nb.signing.keys import MerchantKeys, key_environment, load, write_file
from amazonpay_nb.signing.steps import canonical_query
from amazonpay_nb.spec.addresses import is_endpoint
from amazonpay_nb.spec.data import read as read_table
from amazonpay_nb.spec.regions import REGIONS, region as region_of
from amazonpay_nb.workbench.parameters import account_variable, check_together

Say = Callable[[str], object]
_KEPT_HEADERS = ("content-type", "x-amz-pay-request-id")
_ATTEMPTS, _BUYER_SECONDS = 5, 900
# Below the lowest quota of the Sandbox, one a second for an operation, without its burst: others may use the account.
_SECONDS = 1.1


class Target(NamedTuple):
    """Where the probes are sent, and as whom; and how to let seconds pass there."""

    url: str
    region: str
    keys: MerchantKeys
    merchant_id: str
    store_id: str
    environment: str = "emulator"
    wait: Callable[[float], object] = time.sleep


@contextmanager
def target(base_url: str | None, region: str) -> Iterator[Target]:
    """Give the target at an address, or else an emulator that is started here."""
    if base_url:
        yield _of_account(base_url.rstrip("/"), region)
        return
    with Emulator(region, seed=7) as emulator:
        yield of_emulator(emulator)


def _of_account(url: str, region: str) -> Target:
    regions = {f"https://{row.api_host}": row.code for row in REGIONS.values()}
    if url not in regions and not is_endpoint(url):
        advice = f"Choose {', '.join(regions)}, or an emulator's http://127.0.0.1:PORT."
        raise ConfigurationError(f"{url!r} is neither Amazon's nor on this machine.", advice=advice)
    names = ("private_key_file", "public_key_id", "merchant_id", "store_id")
    key, key_id, merchant, store = map(account_variable, names)
    if key_environment(key_id) == "live":
        raise ConfigurationError("This key moves real money.", advice="Probes are for the Sandbox: use its key.")
    environment = "sandbox" if url in regions else "emulator"
    return Target(url, regions.get(url, region), load(key, key_id), merchant, store, environment)


def of_emulator(emulator: Emulator) -> Target:
    """Return the target that an emulator is; its time passes only as it is waited for."""
    merchant, clock = emulator.merchant, emulator.clock
    account = merchant.keys, merchant.merchant_id, merchant.store_id
    return Target(emulator.url, emulator.region, *account, wait=lambda seconds: clock.advance(seconds=int(seconds) + 1))


def record(
    there: Target, *, say: Say, buyer: str | None = None, out: Path | None = None, only: tuple[str, ...] = (),
    currency: str | None = None,
) -> Recording:  # fmt: skip
    """Run the probes, or *only* some, and return what was seen; *say* takes what a person should know meanwhile.

    The *buyer* is ``you``, ``script`` or ``none``; when left out, a script on an emulator, and you anywhere else.
    *out* is written after each probe; a file that holds a part is continued.
    """
    currencies = region_of(there.region).ledger_currencies
    currency = currency or currencies[0]
    if currency not in currencies:
        advice = f"Choose {' or '.join(currencies)}."
        raise ConfigurationError(f"No account is kept in {currency} there.", advice=advice)
    place = {"environment": there.environment, "region": there.region, "currency": currency}
    recording: Recording = {"recordedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "target": place, "probes": []}
    if out and out.exists() and (recording := read(out))["target"] != place:
        raise ConfigurationError(f"{out} is a recording of another place.", advice="Choose another file.")
    if unknown := {*only} - probes().keys():
        raise ConfigurationError(f"There is no probe {min(unknown)!r}.", advice=f"There are {', '.join(probes())}.")
    rows = {row["id"]: row for row in recording["probes"]}
    chosen = [probe for probe in probes().values() if not only or probe.id in only]
    kept = [one for one in chosen if {("status", "recorded"), ("edition", one.edition)} <= rows.get(one.id, {}).items()]
    if kept == chosen:
        say(f"{out} holds all of these probes, so none is sent; give another file to send them again.")
    player = buyer or ("script" if there.environment == "emulator" else "you")
    with closing(_Run(there, player, say, currency)) as run:
        for number, probe in enumerate(chosen, 1):
            if probe in kept:
                continue
            say(f"{number} of {len(chosen)}: {probe.says}")
            rows[probe.id] = run.row(probe)
            recording["probes"] = [rows[name] for name in probes() if name in rows]
            if out:
                text = json.dumps(recording, indent=1, ensure_ascii=False) + "\n"
                write_file(out, text.encode(), mode=0o600, overwrite=True)
    return recording


class _Run:
    """What the probes of one run share: the account, the buyer, and objects that one makes for others."""

    def __init__(self, there: Target, buyer: str, say: Say, currency: str) -> None:
        check_together(there.environment, buyer, "recorder")
        self._there, self._buyer, self._say = there, buyer, say
        account = {"merchant": there.merchant_id, "store": there.store_id, "key_id": there.keys.public_key_id}
        account |= {"unique": uuid.uuid4().hex[:20], "currency": currency}
        if key_environment(there.keys.public_key_id):  # another key may be one for live as well
            account["live"] = "/live"
        self._values, self._shared = read_table("probes/index.toml")["values"][there.region] | account, dict[str, str]()
        self._http, self._shop = http_client(cookies=no_cookies()), Shop("Parity")

    def close(self) -> None:
        self._http.close()
        self._shop.close()

    def row(self, probe: Probe) -> dict[str, Any]:
        """Run a probe and return its part of the recording."""
        why, seen = self._obstacle(probe), list[dict[str, Any]]()
        try:
            seen += [] if why else self._steps(probe)
        except BuyerPageError as error:
            why = redact(str(error))
        if not why and len(seen) < len(probe.steps):
            why = f"Step {len(seen) + 1} needs what no answer has brought."
        status = {"status": "skipped", "why": why} if why else {"status": "recorded"}
        return {"id": probe.id, "claims": list(probe.claims), "edition": probe.edition} | status | {"seen": seen}

    def _obstacle(self, probe: Probe) -> str:
        """Make what a probe needs, and return why it cannot be run, or ""."""
        if self._there.region not in probe.regions:
            return f"It is for {' and '.join(probe.regions)}."
        if self._buyer == "none" and probe.needs_buyer:
            return "It needs a buyer."
        for name in probe.needs:
            if name not in self._shared:
                with suppress(BuyerPageError):
                    list(self._steps(giver(name)))
        return "" if self._shared.keys() >= {*probe.needs} else f"It needs {', '.join(probe.needs)}."

    def _steps(self, probe: Probe) -> Iterator[dict[str, Any]]:
        """Take the steps, and yield what was seen; one that needs what no answer brought ends the probe."""
        names = self._values | self._shared
        for step in probe.steps:
            if step.wait:
                self._there.wait(step.wait)
            try:
                for _ in range(step.times):
                    answer = self._visit(step, names) if step.visit else self._call(step, names)
            except KeyError:
                return
            shown = looked_at(step, answer, names)
            kept = {name: str(at(answer, f"body.{path}")) for name, path in step.keep.items()}
            names |= {name: text for name, text in kept.items() if text not in (ABSENT, NULL)}
            self._shared |= {name: names[name] for name in probe.gives if name in names}
            text = without_port(json.dumps(redact(stable(answer, names))))
            yield {"call": step.send or "visit", "answer": json.loads(text), "shows": shown}

    def _call(self, step: Step, names: Mapping[str, str]) -> dict[str, Any]:
        """Send one request when it is its turn, again where Amazon is busy, and return its answer."""
        for attempt in range(_ATTEMPTS):
            self._there.wait(_SECONDS * 2**attempt)
            request = self._request(step, names)
            try:
                response = whole(self._http, request)
            except httpx.RequestError as error:
                what = f"{request.method} {redact(request.url.raw_path.decode())} ({type(error).__name__})"
                advice = "Repeat the command: with --out it goes on from here."
                raise TransportError(f"There is no answer to {what}.", advice=advice) from error
            if response.status_code not in (429, 503):
                break
        body: Any = response.text
        with suppress(ValueError, RecursionError):
            body = response.json()
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        return {"status": response.status_code, "headers": headers, "body": body}

    def _request(self, step: Step, names: Mapping[str, str]) -> httpx.Request:
        there, now = self._there, datetime.now(UTC) + timedelta(seconds=step.date)
        method, _, path = step.send.partition(" ")
        if key_environment(there.keys.public_key_id) is None and not path.startswith(("/sandbox", "$")):
            path = f"/sandbox{path}"
        path = filled(path, names)
        content = filled(step.body if isinstance(step.body, str) else json.dumps(step.body), names).encode()
        headers = {
            "accept": "application/json", "content-type": "application/json",
            "x-amz-pay-date": signing.format_date(now), "x-amz-pay-host": str(urlsplit(there.url).hostname),
            "x-amz-pay-region": there.region,
        }  # fmt: skip
        if method == "POST":
            headers[signing.steps.IDEMPOTENCY_KEY] = uuid.uuid4().hex
        headers |= filled(step.headers, {**names, "extended": f"{now:%Y-%m-%dT%H:%M:%SZ}"})
        signs = "authorization" not in headers
        headers = {name: text for name, text in headers.items() if text != ABSENT}
        if signs:
            headers["authorization"] = self._authorization(step, method, path, headers, content)
        url = httpx.URL(there.url).copy_with(raw_path=path.encode())
        return httpx.Request(method, url, headers=headers | {"user-agent": "amazonpay-nb"}, content=content)

    def _authorization(self, step: Step, method: str, path: str, headers: dict[str, str], content: bytes) -> str:
        keys, algorithm = self._there.keys, step.algorithm or self._there.keys.algorithm
        usual = {*signing.steps.SIGNED_HEADERS, signing.steps.IDEMPOTENCY_KEY} & headers.keys()
        signed, (path, _, query) = step.signed or ";".join(sorted(usual)), path.partition("?")
        query = query if step.query == "raw" else canonical_query(query)
        canonical = signing.canonical_request(method, path, query, [*headers.items()], signed, content)
        text = signing.string_to_sign(canonical, algorithm=algorithm)
        signature = signing.sign(text, keys.private_key, algorithm=algorithm)
        return signing.authorization_header(step.key_id or keys.public_key_id, signed, signature, algorithm)

    def _visit(self, step: Step, names: dict[str, str]) -> dict[str, Any]:
        """Let the buyer go to Amazon from a button of a shop of our own, and return the arrival there."""
        there, region = self._there, region_of(self._there.region)
        attempt = self._shop.new_attempt()
        names |= {key: getattr(attempt, f"{key}_url") for key in ("result", "review", "cancel", "signed_in")}
        signed = sign_button(filled(step.visit, names), there.keys)
        config = button_config(
            signed, merchant_id=there.merchant_id, region=region, product_type=step.product, currency=names["currency"]
        )
        origin = there.url if there.environment == "emulator" else f"https://{region.checkout_script_host}"
        attempt.offer(f"{origin}/checkout.js", config)
        if self._buyer == "script":
            address = getattr(script, step.ending)(attempt.page_url, http=self._http, **step.choices)
            script.arrive(address, http=self._http)
        else:
            self._say(f"  You are the buyer. {step.person} Then come back to the shop. Open {attempt.page_url}")
        try:
            arrival = attempt.arrival.result(_BUYER_SECONDS)
        except TimeoutError:
            raise BuyerPageError("The buyer did not come back.", advice="Repeat the command.") from None
        names["buyer_token"] = quote(arrival.buyer_token, safe="")
        body = {"arrival": arrival.kind, "checkoutSessionId": arrival.checkout_session_id or None}
        body["token"] = "given" if arrival.buyer_token else None
        return {"status": None, "headers": {}, "body": body}
