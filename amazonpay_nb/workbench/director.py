"""Play what no merchant can do: time, Amazon, the buyer, network faults and rewinding.

    wb.director.advance(days=8)
    wb.director.cause(wallet, "NonChargeable", "PaymentMethodExpired")

All of it requires the emulator.  On the Sandbox each method does nothing, says so, and says what to do there instead.
"""

import os
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from amazonpay_nb.client.client import AmazonPayClient
from amazonpay_nb.client.journal import Journal
from amazonpay_nb.client.notifications import NotificationReader
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import http_client
from amazonpay_nb.shop.inbox import INBOX_PATH, Inbox
from amazonpay_nb.shop.server import Shop
from amazonpay_nb.spec.answers import Charge
from amazonpay_nb.spec.data import read
from amazonpay_nb.spec.notifications import DRILLS
from amazonpay_nb.spec.operations import kind_of
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.workbench.parameters import VARIABLES

_TOPIC = "AMAZON_PAY_TOPIC_ARN"  # of a real account: the topic of its notifications
# By method: why nothing is done on the Sandbox, and what to do there instead.
_ELSEWHERE = read("director.toml", beside=__file__)

# A notification as the emulator sent it, with the time and the answer of each attempt.
Announced = namedtuple("Announced", "object_type object_id notification_type deliveries")
# A charge of a session that no shop has completed.
Hold = namedtuple("Hold", "charge_id amount state reason")


class Director:
    """Make the emulator, where there is one, play what only time, Amazon or the buyer can do.

    Attributes:
        passed: How many exchanges there were, and what `advance` said then.
    """

    def __init__(self, emulator: Emulator | None, journal: Journal) -> None:
        self._emulator, self._journal = emulator, journal
        self.passed: list[tuple[int, str]] = []
        self._inbox: Inbox | None = None

    def advance(self, *, days: int = 0, hours: int = 0, seconds: int = 0) -> str:
        """Move the clock by days, hours or seconds and say what fell due."""
        units = {"day": days, "hour": hours, "second": seconds}
        interval = " and ".join(f"{n} {unit}{'' if n == 1 else 's'}" for unit, n in units.items() if n)
        if self._emulator is None:
            return _skipped("advance", time=interval)
        fired = self._emulator.clock.advance(f"P{days}DT{hours}H{seconds}S")
        # Deliveries, and a session that is deleted some time after its end, change nothing for a merchant.
        moves = [row for row in fired if row["kind"] in MACHINES and row["trigger"] in MACHINES[row["kind"]].triggers]
        text = "\n".join([f"{interval} later.", *(f"{row['kind']} {row['id']}: {row['trigger']}" for row in moves)])
        self.passed.append((self._journal.known.learned, text))
        return text

    def cause(self, object_id: str, state: str, reason: str | None = None, resolution: str | None = None) -> str:
        """Put a Charge Permission or a Dispute in a state that is possible now, as only Amazon or the buyer can."""
        why = ", ".join(filter(None, (reason, resolution)))
        because = f"{state} ({why})" if why else state
        kind = kind_of(object_id).title
        path = "disputes" if kind == "Dispute" else "permissions"
        if self._emulator is None:
            return _skipped("cause", kind=kind, state=because)
        self._emulator.control.post(f"{path}/{object_id}", state=state, reasonCode=reason, resolution=resolution)
        return f"{kind} {object_id} is now {because}."

    def dispute(self, charge_id: str, filing_reason: str = "ProductNotReceived") -> str:
        """Let the buyer's bank want a captured charge back, and return the id of the dispute."""
        if self._emulator is None:
            return _skipped("dispute")
        return str(self._emulator.control.post("disputes", chargeId=charge_id, filingReason=filing_reason)["disputeId"])

    def queue_outcome(self, operation: str, simulation_code: str, times: int = 1) -> str:
        """Let the next calls of an operation, for example ``createCharge``, end as a simulation code says."""
        if self._emulator is None:
            return _skipped("queue_outcome", code=simulation_code)
        self._emulator.outcomes(operation, simulation_code, times)
        often = f", {times} times" if times > 1 else ""
        return f"Next {operation}: {simulation_code}{often}."

    def inject_fault(self, operation: str, fault: str, **settings: Any) -> str:
        """Disturb the next call of an operation, for example ``createCharge``, on its way.

        Args:
            fault: ``reset``, ``drop-after-commit``, ``delay`` or ``status``.
            settings: ``seconds`` of a delay, ``status`` of an answer, and ``times``.
        """
        if self._emulator is None:
            return _skipped("inject_fault")
        self._emulator.faults(operation, fault, **settings)
        return f"Next {operation}: {fault}."

    def listen(self, shop: Shop, client: AmazonPayClient, *, at_once: bool = False) -> Inbox:
        """Open the shop's inbox, and register its address as the endpoint of the merchant account; see `Inbox`.

        On a real account the endpoint is registered in Seller Central, at an address that Amazon can reach, and the
        environment variable AMAZON_PAY_TOPIC_ARN names the topic.
        """
        emulator = self._emulator
        if emulator is None:
            if not (topic := os.environ.get(_TOPIC, "")):
                raise _not_here("listen", topic=_TOPIC)
            reader = NotificationReader(topic, merchant_id=os.environ.get(VARIABLES["merchant_id"], ""))
        else:
            endpoint = emulator.control.post("notifications/endpoint", url=f"{shop.url}{INBOX_PATH}")
            reader = NotificationReader(
                endpoint["topicArn"], merchant_id=emulator.merchant_id, clock=emulator.clock.now,
                certificate_hosts=(urlsplit(emulator.url).netloc,), http=http_client(verify=emulator.verify),
            )  # fmt: skip
        if shop.inbox:
            shop.inbox.close()
        shop.inbox = self._inbox = Inbox(reader, client, at_once=at_once, reachable=emulator is not None)
        return shop.inbox

    def announced(self, last: int = 0) -> list[Announced] | str:
        """Return what was announced so far, or only the *last* so many."""
        if self._emulator is None:
            return _skipped("announced")
        return [
            Announced(row["objectType"], row["objectId"], row["notificationType"], _deliveries(row["deliveries"]))
            for row in self._emulator.control.get("notifications")["notifications"][-last:]
        ]

    def holds(self) -> list[Hold] | str:
        """Return what buyers have agreed to pay in sessions that no shop has completed: no call of the API shows it."""
        if self._emulator is None:
            return _skipped("holds")
        kinds = ("charges", "chargePermissions")
        charges, permissions = (self._emulator.control.get(f"objects/{kind}")["objects"] for kind in kinds)
        known = {row["chargePermissionId"] for row in permissions}
        held = [Charge.model_validate(row) for row in charges if row["chargePermissionId"] not in known]
        return [Hold(row.charge_id, str(row.charge_amount), row.state, row.reason_code) for row in held]

    def drill(self, kind: str) -> str:
        """Disturb the next notifications: ``duplicate``, ``late``, ``swap``, ``lost`` or ``burst``."""
        if self._emulator is None:
            return _skipped("drill")
        self._emulator.control.post("notifications/drill", kind=kind)
        return DRILLS[kind].happens

    def redeliver(self, object_id: str) -> str:
        """Send the newest notification about an object again, as Amazon's support can."""
        if self._emulator is None:
            return _skipped("redeliver")
        rows = self._emulator.control.get("notifications")["notifications"]
        newest = next(row for row in reversed(rows) if row["objectId"] == object_id)
        self._emulator.control.post(f"notifications/{newest['notificationId']}/redeliver")
        return f"The notification about {object_id} is sent again."

    @contextmanager
    def fork(self) -> Iterator[None]:
        """Rewind everything on the emulator at the end of the block: objects, clock, journal and the shop's inbox."""
        if self._emulator is None:
            raise _not_here("fork")
        self.announced()  # what is on its way to the inbox arrives before
        length, passed, snapshot = len(self._journal), len(self.passed), self._emulator.snapshot()
        inbox, memory = self._inbox, self._inbox.memory() if self._inbox else {}
        try:
            yield
        finally:
            self.announced()
            self._emulator.restore(snapshot, keep=False)
            if inbox:
                inbox.rewind(memory)
            self._journal.rewind(length)
            del self.passed[passed:]


def _skipped(method: str, **words: str) -> str:
    row = _ELSEWHERE[method]
    return f"Skipped: {row['why']} {row['instead']}".format(**words)


def _not_here(method: str, **words: str) -> ConfigurationError:
    return ConfigurationError(_ELSEWHERE[method]["why"].format(**words), advice=_ELSEWHERE[method]["instead"])


def _deliveries(rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"{row['at'][11:19]} → {row['status'] or 'no answer'}" for row in rows) or "none"
