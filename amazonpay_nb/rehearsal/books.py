"""What is seen in a rehearsal: everything that was asked and answered, and the emulator's books."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count, pairwise
from secrets import token_hex
from threading import Lock
from typing import Any

import httpx

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.redaction import redact
from amazonpay_nb.rehearsal.plan import Plan
from amazonpay_nb.rehearsal.server import Answer, Failed, NotTried, ask, path_of_url, soon
from amazonpay_nb.spec.money import counted_in_month
from amazonpay_nb.spec.operations import OPERATIONS
from amazonpay_nb.spec.reasons import recovery_for
from amazonpay_nb.spec.regions import region as region_of

CALM_SECONDS = 0.4  # how long something that must not happen is waited for
PATIENT_SECONDS = 5.0  # the same where a server that tries again in the background may pay or send twice


class Books:
    """What has happened between the server, its buyers and Amazon, check by check.

    Attributes:
        currency: That of all orders.
        exchanges: All requests, with a number and a check each; messages and headers are masked.
        orders: Numbers for new orders.
    """

    def __init__(self, plan: Plan, emulator: Emulator, http: httpx.Client) -> None:
        self.plan, self.emulator, self.http, self.control = plan, emulator, http, emulator.control
        self.currency = plan.server.currency or region_of(plan.server.region).ledger_currencies[0]
        self.exchanges: list[dict[str, Any]] = []
        mark = token_hex(3)  # a server may have kept the orders of another rehearsal
        self.orders = (f"rehearsal-{mark}-{number}" for number in count(1))
        self._check, self._first, self._fault = "", 0, dict[str, Any]()
        self._taken, self._turn = 0, Lock()  # how much of the emulator's journal is in the exchanges

    def begin(self, check: str) -> None:
        """Let what happens from now on belong to a check."""
        self._check, self._first = check, len(self.exchanges)

    def note(self, by: str, **facts: Any) -> dict[str, Any]:
        """Keep an exchange, behind what the emulator has answered until now, and return it."""
        journal = self.control.get("journal")["exchanges"]
        new = [{"by": "server", **row} for row in journal[self._taken :]]
        self._taken = len(journal)
        row = {"by": by, **redact(facts)}
        for one in [*new, *([row] if facts else [])]:
            one |= {"number": len(self.exchanges) + 1, "check": self._check}
            self.exchanges.append(one)
        return row

    def ask(self, by: str, method: str, url: str, facts: dict[str, Any], **content: Any) -> Answer:
        """Send a request of somebody's to the server; it is an exchange, unless nobody is named."""
        shown = {"method": method, "path": path_of_url(url), "status": None, **facts}
        with self._turn:
            row: Any = self.note(by, **shown) if by else {"number": 0}
        answer = ask(self.http, self.http.build_request(method, url, **content))
        row["status"] = answer.status
        return answer._replace(number=row["number"])

    def clean(self) -> None:
        """Empty the world, and what is set for it; its time is again that of a server that checks it."""
        self.note("")
        self.control.post("reset", now=datetime.now(UTC).isoformat())
        self._taken, self._fault = 0, {}

    def happen(self, events: dict[str, dict[str, Any]]) -> None:
        """Let Amazon, the buyer, the network or time do something: calls of the control interface."""
        for path, values in events.items():
            if "fault" in values:
                self.note("amazon", method="next", path=values["operation"], status=None, problem=values["fault"])
                self._fault = values
            permissions = self.objects("chargePermissions")
            place = path.format(permission=permissions[-1]["chargePermissionId"] if permissions else "")
            self.control.post(place, **values)

    def end_fault(self) -> None:
        """Let Amazon answer again once the server has met the fault, so that its client's own tries do not hide it."""
        if bool(self._fault) and soon(lambda: self.calls(self._fault["operation"])):
            self.control.post("faults", **self._fault | {"times": 0})
            self._fault = {}

    def need(self, condition: object, reason: str, see: str = "") -> None:
        """Give the check up for a *reason*, which another check may be about, unless a condition holds."""
        if not condition:
            raise NotTried(reason, see)

    def expect(self, condition: object, seen: str, *, evidence: Sequence[int] = (), advice: bool = False) -> None:
        """Fail with what was *seen*, unless a condition holds."""
        if not condition:
            raise Failed(seen, evidence=evidence, advice=advice)

    def never(self, look: Callable[[], object], seen: str, *, patient: bool = False, advice: bool = False) -> None:
        """Fail where something is so, or becomes so soon or, for the *patient*, in a while."""
        seconds = PATIENT_SECONDS if patient else CALM_SECONDS
        self.expect(not soon(look, seconds, seconds / 10), seen, advice=advice)

    def calls(self, operation: str = "", after: int | None = None) -> list[dict[str, Any]]:
        """Return what the server has asked Amazon for: in this check, or *after* the exchange of a number."""
        self.note("")
        rows = self.exchanges[self._first if after is None else after :]
        return [row for row in rows if row["by"] == "server" and operation in ("", row["operation"])]

    def reads(self, object_id: str, after: int) -> list[dict[str, Any]]:
        """Return the calls by which the server has got an object."""
        got = [row for row in self.calls(after=after) if (row["method"], row["status"]) == ("GET", 200)]
        return [row for row in got if row["path"].endswith(object_id)]

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind that this check has led to, for example ``chargePermissions``."""
        rows: list[dict[str, Any]] = self.control.get(f"objects/{kind}")["objects"]
        return rows

    def states(self, kind: str) -> list[str]:
        """Return their states."""
        return [row["statusDetails"]["state"] for row in self.objects(kind)]

    def payments(self) -> list[tuple[str, str]]:
        """Return the wallet and the amount of each charge that holds or has taken money."""
        charges = [charge for charge in self.objects("charges") if counted_in_month(charge)]
        return [(charge["chargePermissionId"], charge["chargeAmount"]["amount"]) for charge in charges]

    def pays_twice(self) -> bool:
        """Tell whether two of them are the same."""
        payments = self.payments()
        return len({*payments}) < len(payments)

    def expect_one_key(self, operation: str) -> None:
        """Fail where the server asks again with another key after an answer that leaves open what was done."""
        for row, again in pairwise(self.calls(operation)):
            status, same = row["status"] or 0, row["idempotencyKey"] == again["idempotencyKey"]
            retry = recovery_for(row["reasonCode"] or "", status).retry
            changed = status >= httpx.codes.INTERNAL_SERVER_ERROR and "same key" in retry and not same
            seen = f"after {status}, {OPERATIONS[operation].title} comes with another idempotency key"
            self.expect(not changed, seen, evidence=[row["number"], again["number"]])

    def refusal(self) -> str:
        """Return what Amazon has refused last in this check, as a clause, or ""."""
        for row in reversed(self.calls()):
            if is_refusal(row):
                return f"; Amazon refused {OPERATIONS[row['operation']].title}: {row['status']} {row['reasonCode']}"
        return ""


def is_refusal(call: dict[str, Any]) -> bool:
    """Tell whether Amazon has answered a call by 4xx."""
    return 400 <= (call["status"] or 0) < 500
