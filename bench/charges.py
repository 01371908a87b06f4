"""How many signed charges a second the emulator takes, from the first to the hundred-thousandth."""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.signing import keys
from bench.measure import Result, Target, Unavailable, alternate, compare, per_second, say, seconds, skipped
from bench.others import localstripe, prism, process, script, wait_until

__all__ = ["measure_charges"]

PRICE = {"amount": "0.01", "currencyCode": "USD"}
CARD = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
BATCHES = 10
CLIENTS = (1, 8, 64)
AGED = Target("≥", 0.9)
BESIDE_PRISM = Target("≥", 1.0)
MEMORY = Target("≤", 150, " MiB")
PACE = "{:.0f}/s"


class Running(NamedTuple):
    """An emulator process, a way to charge it, and its number in /proc."""

    charge: Callable[[], object]
    keys: keys.MerchantKeys
    pid: int


def rate(charge: Callable[[], object], count: int, clients: int = 1) -> float:
    """Return charges a second over *count*: the median of ten batches, so that one hiccup does not decide.

    Args:
        clients: How many threads charge at the same time, each on a connection of its own.
    """
    if clients == 1:
        return median(per_second(charge, count // BATCHES) for _ in range(BATCHES))
    return count / seconds(lambda: fill(charge, count, clients))


def fill(charge: Callable[[], object], count: int, clients: int) -> None:
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(repeat, charge, count // clients) for _ in range(clients)]:
            done.result()


def repeat(charge: Callable[[], object], count: int) -> None:
    for _ in range(count):
        charge()


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
def emulator(folder: Path, *, in_memory: bool = False) -> Iterator[Running]:
    """Run the emulator, on a file store in *folder* or in memory, with one saved wallet in it."""
    folder.mkdir()
    ready = folder / "ready.json"
    store = () if in_memory else ("--store", folder / "store.db")
    with process(script("amazonpay-nb"), "emulator", *store, "--ready-file", ready) as server:
        wait_until(lambda: ready.exists() and ready.read_bytes().endswith((b"}", b"}\n")), server, "the emulator")
        facts = json.loads(ready.read_bytes())
        merchant = keys.load(Path(facts["privateKeyFile"]), facts["publicKeyId"])
        client = AmazonPayClient(AmazonPayAuth(merchant), base_url=facts["url"])
        permission = save_wallet(client, facts["url"], facts["storeId"])
        yield Running(charge_with(client, permission), merchant, server.pid)


@contextmanager
def prism_side(merchant: keys.MerchantKeys) -> Iterator[Callable[..., float]]:
    """Prism answers the same signed requests, from an example and without looking at the signature."""
    with prism() as url:
        charge = charge_with(AmazonPayClient(AmazonPayAuth(merchant), base_url=url), "B01-0000000-0000000")
        yield partial(rate, charge)


@contextmanager
def localstripe_side() -> Iterator[Callable[..., float]]:
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
    starts: dict[str, Callable[[], AbstractContextManager[Callable[..., float]]]]
    starts = {"Prism": partial(prism_side, ours.keys), "localstripe": localstripe_side}
    results: list[Result] = []
    with ExitStack() as stack:
        sides: dict[str, Callable[..., float]] = {"ours": partial(rate, ours.charge)}
        for name, start in starts.items():
            try:
                sides[name] = stack.enter_context(start())
            except Unavailable as reason:
                results.append(skipped(f"(d) signed charges a second beside {name}", reason))
        say(f"(d) {rounds} rounds of {block} charges, beside {', '.join(list(sides)[1:]) or 'nothing'}")
        counts = {"ours": block}
        for name, side in sides.items():
            side(counts.get(name, others))  # not counted: Node's compiler and Python's caches get their warm-up
        turns = [partial(side, counts.get(name, others)) for name, side in sides.items()]
        rates = dict(zip(sides, alternate(rounds, *turns), strict=True))
        mine = rates.pop("ours")
        for name, theirs in rates.items():
            target = BESIDE_PRISM if name == "Prism" else None
            results.append(compare(f"(d) signed charges a second beside {name}", [mine, theirs], PACE, name, target))
        if "Prism" in sides:
            results += [with_clients(sides, clients, rounds // 3 or 1, block) for clients in CLIENTS[1:]]
    return results


def with_clients(sides: dict[str, Callable[..., float]], clients: int, rounds: int, block: int) -> Result:
    """(d) The same from many connections at a time, beside Prism."""
    rates = alternate(rounds, *(partial(sides[name], block, clients=clients) for name in ("ours", "Prism")))
    return compare(f"(d) the same from {clients} clients at a time", rates, PACE, "Prism", BESIDE_PRISM)


def last_beside_first(aged: Running, fresh: Running, total: int, block: int) -> Result:
    """(d) The last charges on a full emulator in turns with the first on a new one: the machine drifts for both."""
    batch = block // BATCHES
    rates = alternate(BATCHES, *(partial(per_second, side.charge, batch) for side in (aged, fresh)))
    what = f"(d) last {block:,} of {total:,} charges over the first {block:,}"
    return compare(what, rates, PACE, "new emulator", AGED)


def memory_after(total: int, where: str, running: Running) -> Result:
    what = f"(e) peak memory of the emulator after {total:,} charges, {where}"
    try:
        used = peak_memory(running.pid)
    except Unavailable as reason:
        return skipped(what, reason)
    return Result(what, f"{used:.0f} MiB", "", used, MEMORY if where == "in a file" else None)


def measure_charges(*, quick: bool) -> list[Result]:
    """(d) Signed charges a second, and (e) what they cost in memory."""
    total, block, others, rounds = (2_000, 256, 100, 2) if quick else (100_000, 1_024, 300, 12)
    with TemporaryDirectory() as name:
        folder = Path(name)
        with emulator(folder / "aged") as aged:
            results = beside_others(aged, rounds, block, others)
            say(f"(d) {total:,} charges, then the last {total // 10:,} beside the first of a new emulator")
            fill(aged.charge, total * 9 // 10, 8)
            with emulator(folder / "new") as fresh:
                results.append(last_beside_first(aged, fresh, total, total // 10))
            results.append(memory_after(total, "in a file", aged))
        with emulator(folder / "memory", in_memory=True) as forgetful:
            fill(forgetful.charge, total, 8)
            results.append(memory_after(total, "in memory", forgetful))
    return results
