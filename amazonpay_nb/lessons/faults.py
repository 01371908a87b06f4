"""Play every operation with every transport fault, and send it again: what money moved, and how often.

What is expected comes from the tables alone.  A fault happens before the work or after it.  The second request replays
the first answer if it carries the same idempotency key and the work was done; otherwise the object's new state decides.
What happened is read from the objects, never from the answers, some of which were lost.
"""

from collections import Counter, namedtuple
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from amazonpay_nb.client.auth import new_idempotency_key
from amazonpay_nb.client.sending import ATTEMPTS
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.lessons.account import NOT_TRIED, READY, MerchantAccount
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.money import Counts, counted
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Idempotency, Operation
from amazonpay_nb.spec.states import MACHINES

FAULTS: dict[str, dict[str, Any]] = read("drills.toml", beside=__file__)["faults"]

# A request with a fault, and its repetition.  key: same, new, or none where the call takes none; moved: what both
# together changed in Amazon's books; done: how often the work was done, as far as the books tell (a reading call moves
# nothing); as_expected: whether that is what the idempotency rules say.
Repetition = namedtuple("Repetition", "operation fault key first second moved done as_expected")
Books = dict[str, Decimal]
# The books count how many of these are open.
_OPEN = {"Checkout Session": "sessions", "Charge Permission": "permissions", "Dispute": "disputes"}


def books(account: MerchantAccount) -> Books:
    """Add up the money of every object on Amazon's side, even of one whose answer was lost, and count the open ones."""
    totals = dict.fromkeys((*filter(None, Counts), *_OPEN.values()), Decimal(0))
    for kind in KINDS.values():
        for document in account.emulator.control.get(f"objects/{kind.path}")["objects"]:
            if kind.title in _OPEN:
                totals[_OPEN[kind.title]] += not MACHINES[kind.title].is_final(document["statusDetails"]["state"])
            else:
                for column in filter(None, Counts):
                    totals[column] += counted(kind.title, document, column)
    return totals


def movement(before: Books, after: Books) -> Books:
    """Return the changes in the books."""
    return {column: after[column] - before[column] for column in after if after[column] != before[column]}


def play_faults(region: str = "na", operations: tuple[str, ...] = tuple(OPERATIONS)) -> list[Repetition]:
    """Play every operation with every fault and either key, on a separate emulator."""
    with MerchantAccount.new(region) as account:
        return [row for name in operations for row in _play(account, OPERATIONS[name])]


def _play(account: MerchantAccount, operation: Operation) -> Iterator[Repetition]:
    account.emulator.reset()
    call = account.request(operation.name, READY[operation.name](account))
    before, snapshot = books(account), account.emulator.snapshot()
    account.ending(call)
    unit = movement(before, books(account))
    takes_key = operation.idempotency is not Idempotency.WITHOUT_EFFECT
    for name, row in FAULTS.items():
        # A fault that the client answers by retrying meets each of its attempts, so that it finally gives up.
        fault = {field: value for field, value in ({"times": ATTEMPTS} | row).items() if field != "done"}
        for key in ("same", "new") if takes_key else ("none",):
            account.emulator.restore(snapshot)
            account.emulator.inject_fault(operation.name, **fault)
            own_key = {"idempotency_key": new_idempotency_key()} if takes_key else {}
            first = account.ending(partial(call, **own_key)).text
            second = account.ending(partial(call, **(own_key if key == "same" else {}))).text
            moved = movement(before, books(account))
            matches = [n for n in range(3) if moved == {column: n * unit[column] for column in unit if n}]
            done = str(matches[0]) if unit and matches else ""
            text = ", ".join(f"{column} {amount:+}" for column, amount in moved.items())
            expected = 2 if row["done"] and key != "same" and _possible_again(operation) else 1
            yield Repetition(operation.title, name, key, first, second, text, done, expected in matches)


def _possible_again(operation: Operation) -> bool:
    """Tell whether the state that the call leads to allows it once more; without a state it always does."""
    rows = MACHINES[operation.acts_on].rows if operation.acts_on else ()
    leads_to = {row.target for row in rows if row.trigger == operation.title}
    return all(MACHINES[operation.acts_on].has(target, operation.title) for target in leads_to)


# A charge in Amazon's own books, and how many requests were answered with it, even if no answer arrived.
BookedCharge = namedtuple("BookedCharge", "charge_id idempotency_key requests")


def charges_at_amazon(emulator: Emulator | None, charge_permission_id: str) -> list[BookedCharge]:
    """Return the charges of a permission in Amazon's own books, which only the emulator opens."""
    if emulator is None:
        return [BookedCharge(NOT_TRIED, "", 0)]
    rows = emulator.control.get("journal")["exchanges"]
    rows = [row for row in rows if row["ids"].get("chargePermissionId") == charge_permission_id]
    charges = ((row["ids"]["chargeId"], row["idempotencyKey"]) for row in rows if row["operation"] == "createCharge")
    requests = Counter(charges)
    return [BookedCharge(*names, count) for names, count in requests.items()]


# One of many calls in the same second.
Burst = namedtuple("Burst", "second call answer")


def play_burst(region: str = "na") -> list[Burst]:
    """Create one charge more than the Sandbox's quota allows at once, and the same a second later."""
    quota = OPERATIONS["createCharge"].quota.sandbox
    with MerchantAccount.new(region, throttle=True) as account:
        create = account.request("createCharge", account.wallet())
        rows = [Burst(0, number, account.ending(create).text) for number in range(1, quota.burst + 2)]
        account.emulator.clock.advance(seconds=1)
        return rows + [Burst(1, number, account.ending(create).text) for number in range(1, quota.per_second + 2)]
