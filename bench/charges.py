"""How many signed charges a second the emulator takes, from the first to the twenty-thousandth."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.signing import keys
from bench.measure import Result, Target, Unavailable, alternate, compare, per_second, say, skipped
from bench.others import localstripe, prism, process, script, wait_until

__all__ = ["measure_charges"]

PRICE = {"amount": "0.01", "currencyCode": "USD"}
CARD = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
BATCHES = 10
AGED = Target("≥", 0.9)
BESIDE_PRISM = Target("≥", 1.0)
MEMORY = Target("≤", 150, " MiB")


class Running(NamedTuple):
    """An emulator process, a way to charge it, and its number in /proc."""

    charge: Callable[[], object]
    keys: keys.MerchantKeys
    pid: int


def rate(charge: Callable[[], object], count: int) -> float:
    """Return charges a second over *count*: the median of ten batches, so that one hiccup does not decide."""
    return median(per_second(charge, count // BATCHES) for _ in range(BATCHES))


def charge_with(client: AmazonPayClient, charge_permission_id: str) -> Callable[[], object]:
    return partial(client.create_charge, charge_permission_id=charge_permission_id, charge_amount=PRICE)


def save_wallet(client: AmazonPayClient, url: str, store_id: str) -> str:
    """Go through the set-up-only flow, with the scripted buyer, and return the Charge Permission's id."""
    session = client.create_checkout_session(
        store_id=store_id,
        web_checkout_details={"checkoutResultReturnUrl": "https://shop.example/wallet/return"},
        charge_permission_type="PaymentMethodOnFile",
        payment_method_on_file_metadata={"setupOnly": True},
        payment_details={"paymentIntent": "Confirm"},
    )
    page = f"{url}/checkout?amazonCheckoutSessionId={session.checkout_session_id}"
    subprocess.run([script("amazonpay-nb"), "buyer", "approve", page], check=True, stdout=subprocess.DEVNULL)
    completed = client.complete_checkout_session(str(session.checkout_session_id))
    return str(completed.charge_permission_id)


@contextmanager
def emulator(folder: Path) -> Iterator[Running]:
    """Run the emulator on a file store in *folder*, with one saved wallet in it."""
    folder.mkdir()
    ready = folder / "ready.json"
    with process(script("amazonpay-nb"), "emulator", "--store", folder / "store.db", "--ready-file", ready) as server:
        wait_until(lambda: ready.exists() and ready.read_bytes().endswith((b"}", b"}\n")), server, "the emulator")
        facts = json.loads(ready.read_bytes())
        merchant = keys.load(Path(facts["privateKeyFile"]), facts["publicKeyId"])
        client = AmazonPayClient(AmazonPayAuth(merchant), base_url=facts["url"])
        permission = save_wallet(client, facts["url"], facts["storeId"])
        yield Running(charge_with(client, permission), merchant, server.pid)


@contextmanager
def prism_side(merchant: keys.MerchantKeys) -> Iterator[Callable[[int], float]]:
    """Prism answers the same signed requests, from an example and without looking at the signature."""
    with prism() as url:
        charge = charge_with(AmazonPayClient(AmazonPayAuth(merchant), base_url=url), "B01-0000000-0000000")
        yield partial(rate, charge)


@contextmanager
def localstripe_side() -> Iterator[Callable[[int], float]]:
    """Create uncaptured charges in localstripe on a saved card; it has nothing to verify."""
    with localstripe() as url, httpx.Client(base_url=url, headers={"Authorization": "Bearer sk_test_12345"}) as client:

        def post(path: str, **body: object) -> str:
            return str(client.post(path, json=body).raise_for_status().json()["id"])

        def fresh_rate(count: int) -> float:
            # It writes its whole store at each request: an empty one is its best case.
            client.delete("/_config/data").raise_for_status()
            card = post("/v1/payment_methods", type="card", card=CARD)
            buyer = post("/v1/customers", payment_method=card)
            charge = {"amount": 1, "currency": "usd", "customer": buyer, "source": card, "capture": False}
            return rate(partial(post, "/v1/charges", **charge), count)

        yield fresh_rate


def peak_memory(pid: int) -> float:
    """Return the most memory that a process ever had resident, in MiB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        raise Unavailable("this system has no /proc") from None
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def beside_others(ours: Running, rounds: int, block: int, others: int) -> list[Result]:
    """(d) Rounds of *block* charges on the emulator, in turns with some hundred on each of the others."""
    starts: dict[str, Callable[[], AbstractContextManager[Callable[[int], float]]]]
    starts = {"Prism": partial(prism_side, ours.keys), "localstripe": localstripe_side}
    sides: dict[str, Callable[[], float]] = {"ours": partial(rate, ours.charge, block)}
    absent: list[Result] = []
    with ExitStack() as stack:
        for name, start in starts.items():
            try:
                sides[name] = partial(stack.enter_context(start()), others)
            except Unavailable as reason:
                absent.append(skipped(f"(d) signed charges a second beside {name}", reason))
        say(f"(d) {rounds} rounds of {block} charges, beside {', '.join(list(sides)[1:]) or 'nothing'}")
        for side in sides.values():
            side()  # not counted: Node's compiler and Python's caches get their warm-up
        rates = dict(zip(sides, alternate(rounds, *sides.values()), strict=True))
    mine = rates.pop("ours")
    targets = {"Prism": BESIDE_PRISM}
    return [
        *(
            compare(f"(d) signed charges a second beside {name}", [mine, theirs], "{:.0f}/s", name, targets.get(name))
            for name, theirs in rates.items()
        ),
        *absent,
    ]


def last_beside_first(aged: Running, fresh: Running, total: int, block: int) -> Result:
    """(d) The last charges on a full emulator in turns with the first on a new one: the machine drifts for both."""
    batch = block // BATCHES
    rates = alternate(BATCHES, *(partial(per_second, side.charge, batch) for side in (aged, fresh)))
    what = f"(d) last {block:,} of {total:,} charges over the first {block:,}"
    return compare(what, rates, "{:.0f}/s", "new emulator", AGED)


def measure_charges(*, quick: bool) -> list[Result]:
    """(d) Signed charges a second, and (e) what they cost in memory."""
    total, block, others = (1_000, 250, 100) if quick else (20_000, 1_000, 300)
    with TemporaryDirectory() as name, emulator(Path(name) / "aged") as aged:
        results = beside_others(aged, total // block - 2, block, others)
        with emulator(Path(name) / "new") as fresh:
            results.append(last_beside_first(aged, fresh, total, block))
        what = f"(e) peak memory of the emulator after {total:,} charges"
        try:
            used = peak_memory(aged.pid)
        except Unavailable as reason:
            return [*results, skipped(what, reason)]
        return [*results, Result(what, f"{used:.0f} MiB", "", used, MEMORY)]
