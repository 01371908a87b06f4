"""The state of one emulated Amazon Pay: time, ids, merchants, objects, mishaps to come, and what is to be announced."""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import zip_longest
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from amazonpay_nb.emulator.clock import VIRTUAL_START, Clock
from amazonpay_nb.emulator.ids import Ids
from amazonpay_nb.emulator.records import AnyRecord, Merchant
from amazonpay_nb.emulator.refusal import Refusal
from amazonpay_nb.emulator.store import Store
from amazonpay_nb.signing.envelope import EnvelopeSigner
from amazonpay_nb.signing.verify import SignatureMismatch, read_public_key
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.parts import to_json
from amazonpay_nb.spec.regions import Region
from amazonpay_nb.spec.simulations import ANYWHERE, SIMULATIONS, Simulation, simulation

# How many exchanges `GET journal` remembers: enough for a run, and bounded for a long one.
JOURNAL_LENGTH = 1_000
# A signed button can be posted again and again, and nobody signs an app's start call: how many sessions of each of the
# two may be open, and how many of those that were canceled, and of the tokens of sign-ins, are kept.
MAX_STARTED = 1000
# How many calls in a row an outcome or a fault may be set for.
Times = Annotated[int, Field(ge=1, le=1000)]


class Fault(BaseModel, extra="forbid"):
    """A transport fault waiting for the next call of an operation."""

    operation: str
    fault: Literal["delay", "reset", "status", "drop-after-commit"]
    status: int = Field(503, ge=400, le=599)
    seconds: float = Field(1.0, ge=0, le=600)
    times: int = Field(1, ge=0, le=1000)  # 0 ends those of its kind


@dataclass
class Outbox:
    """Notifications that wait to be delivered, and the disorder that drills ask for; a restart forgets them."""

    ready: deque[tuple[str, str]] = field(default_factory=deque)  # merchant and id of those whose time has come
    # (Object id, notification type) → id of the unsent notification that the rest of a request shares.
    fresh: dict[tuple[str, str], str] = field(default_factory=dict)
    drills: deque[str] = field(default_factory=deque)  # kinds of disorder to come
    held: str = ""  # the first of two that are to be swapped
    world: int = 0  # how many worlds are gone; a snapshot brings their notifications back
    wake: Callable[[], None] = lambda: None  # starts the deliveries, once the present request is done

    @cached_property
    def signer(self) -> EnvelopeSigner:
        """The signer, made on first use because keys take time."""
        return EnvelopeSigner()

    def clear(self) -> None:
        """Forget everything that was about the objects of a world that is gone."""
        self.ready.clear()
        self.fresh.clear()
        self.drills.clear()
        self.held = ""
        self.world += 1


class World:
    """The state behind the API, the hosted pages and the control interface.

    The arguments are those of `Emulator`, and the accounts of a world file.
    With a seed and no *start*, time is virtual from `VIRTUAL_START`.
    """

    def __init__(
        self, store: Store, region: Region, *, seed: int | None = None, start: datetime | None = None,
        real_time: bool = False, domains: tuple[str, ...] = (), throttle: bool = False,
        shop_name: str = "Emulated Shop", accounts: Sequence[Any] = (),
    ) -> None:  # fmt: skip
        self.store, self.region, self.throttle = store, region, throttle
        self.domains = {domain.lower() for domain in domains}
        store.set("region", region.code)
        if start is None and seed is not None and not real_time:
            start = VIRTUAL_START
        self.clock = Clock(store, None if real_time else start)
        self.ids = Ids(store, region, seed)
        # Of the emulator, of the server that has the certificate of notifications, and of the proxy.
        self.url = self.sns_url = self.proxy_url = ""
        self.outcomes: dict[str, deque[Simulation]] = defaultdict(deque)
        self.faults: list[Fault] = []
        self.journal: deque[dict[str, Any]] = deque(maxlen=JOURNAL_LENGTH)
        # Ids of sessions that "buttons" or "apps" have opened, and by kind, of what has become of those.
        self.started: dict[str, list[str]] = defaultdict(list)
        self.quotas: dict[tuple[str, str], tuple[float, datetime]] = {}
        self.outbox = Outbox()
        # By id, the main account first.
        self.merchants = {row["merchant_id"]: Merchant(**row) for row in store.setting("merchants") or []}
        if not self.merchants:
            for name, row in zip_longest((shop_name, "Another Shop"), accounts):
                account_id = getattr(row, "merchant_id", None) or f"A{self.ids.letters(13)}"
                store_id = getattr(row, "store_id", None) or f"amzn1.application-oa2-client.{self.ids.hex_digits()}"
                self.merchants[account_id] = Merchant(account_id, store_id, name or account_id, {})
            self._save_merchants()

    @property
    def certificate_url(self) -> str:
        """The address of the certificate of notifications."""
        return self.sns_url + self.outbox.signer.path

    def _save_merchants(self) -> None:
        self.store.set("merchants", [asdict(merchant) for merchant in self.merchants.values()])

    def set_endpoint(self, merchant: Merchant, url: str) -> None:
        """Send a merchant's notifications to *url* from now on, or to nobody with ""."""
        merchant.endpoint = url
        self._save_merchants()

    def register_key(self, merchant: Merchant, public_pem: str) -> tuple[str, str]:
        """Register a public key under a new id; return its ids, that with ``SANDBOX-`` first."""
        if "PRIVATE KEY" in public_pem:
            raise ValueError("this is a private key; it must never leave the merchant: send the public key")
        try:
            read_public_key(public_pem)
        except SignatureMismatch:
            raise ValueError("an RSA public key of 2048 bits or more is needed, in PEM") from None
        neutral = ""
        while not neutral:  # a snapshot that was put back repeats the sequence
            drawn = self.ids.letters(24)
            neutral = "" if self.merchant_of_key(drawn) else drawn
        merchant.keys[f"SANDBOX-{neutral}"] = merchant.keys[neutral] = public_pem
        self._save_merchants()
        return f"SANDBOX-{neutral}", neutral

    def merchant_of_key(self, key_id: str) -> Merchant | None:
        """Return the account that a public key id belongs to."""
        return next((merchant for merchant in self.merchants.values() if key_id in merchant.keys), None)

    def find(self, kind: str, object_id: str, merchant_id: str) -> AnyRecord:
        """Return an object of this merchant; another merchant's looks absent, and so does a charge that is held."""
        record = self.store.get(kind, object_id)
        if record is None or record.merchant_id != merchant_id or record.is_held:
            name = kind if kind == "Buyer" else f"{kind} {object_id}"  # the id of a Buyer is a token
            raise Refusal("ResourceNotFound", f"There is no {name} for this merchant account.")
        return record

    def queue_outcome(self, operation: str, code: str, times: int = 1) -> None:
        """Let the next *times* calls of *operation* end as a simulation code of its own says."""
        row = simulation(operation, code)
        if row is None:
            possible = ", ".join([*(name for of, name in SIMULATIONS if of == operation), *ANYWHERE])
            raise ValueError(f"{code!r} is no simulation code of {operation}; there are {possible}.")
        self.outcomes[operation].extend([row] * times)

    def outcome_of(self, operation: str, code: str | None) -> Simulation | None:
        """Return the outcome that a header's code asks for; one that the operation makes no use of is refused."""
        row = simulation(operation, code) if code else None
        if code and row is None:
            problem = f"The simulation code {code!r} is unknown, or not possible for {OPERATIONS[operation].title}."
            raise Refusal("InvalidSandboxSimulationSpecified", problem)
        return row

    def take_outcome(self, operation: str) -> Simulation | None:
        """Return the outcome that is queued for this call."""
        queue = self.outcomes[operation]
        return queue.popleft() if queue else None

    def take_fault(self, operation: str) -> Fault | None:
        """Return the transport fault that is set for this call."""
        fault = next((one for one in self.faults if one.operation == operation), None)
        if fault:
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
        return fault

    def reset(self) -> None:
        """Delete all objects; merchants, keys and clock stay."""
        with self.store.transaction():
            self.store.clear()
        self.journal.clear()
        self.forget()

    def restore(self, snapshot: str, *, keep: bool = True, accounts: bool = False) -> None:
        """Put a snapshot back, if *accounts* with names and endpoints, and forget it unless it is kept; keys stay.

        Ids of objects repeat, and those of notifications never do: a shop ignores one that it has seen.
        """
        notified = self.store.setting("notified")
        self.store.restore(snapshot, keep=keep)
        self.store.set("notified", notified)
        for row in self.store.setting("merchants") if accounts else ():
            merchant = self.merchants[row["merchant_id"]]
            merchant.name, merchant.endpoint = row["name"], row["endpoint"]
        self._save_merchants()
        self.forget()

    def keep_latest(self, kind: str, *ids: str) -> None:
        """Forget the oldest objects of *kind* that strangers have led to, as soon as there are more than the bound."""
        (made := self.started[kind]).extend(ids)
        if old := made[:-MAX_STARTED]:
            self.store.delete_with_children(kind, to_json(old))
            del made[:-MAX_STARTED]

    def forget(self) -> None:
        """Forget what was to come in a world that is gone."""
        for waiting in (self.outcomes, self.faults, self.started, self.quotas, self.outbox):
            waiting.clear()
