"""The newest answer about each object of a run: one projection of the journal, which no replay can revert.

Amazon stores the answer to a request with an idempotency key and gives it again when the key comes again.  Such a
replay describes an object as it was then, so it never overwrites what a later answer has said.  Three signs tell a
replay: its key has been answered before, its timestamp is older, or its state comes earlier in the
object's life.

Complete Checkout Session names a charge and describes it no further.  Its amount is the requested one, its
state follows from the HTTP status; only Get Charge tells whether it is captured at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from amazonpay_nb.client.exchange import Exchange
from amazonpay_nb.spec.flows import lookup
from amazonpay_nb.spec.operations import KINDS, Kind
from amazonpay_nb.spec.states import MACHINES

COMPLETIONS = ("completeCheckoutSession", "finalizeCheckoutSession")

Document = dict[str, Any]


class News(NamedTuple):
    """The change that one answer reports of an object of a kind, for example ``Charge``: from *before* to *after*."""

    kind: str
    object_id: str
    before: Document | None
    after: Document


class Known:
    """The objects that answers have named: the latest *limit* and as many idempotency keys, or all of them."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._documents: dict[tuple[str, str], Document | None] = {}
        self._places: dict[tuple[str, str], int] = {}  # the number of the exchange that has described an object last
        self.walks: dict[tuple[str, str], list[str]] = {}  # (kind, object id) → the states that answers have shown
        self.keys: dict[tuple[str, ...], list[int | None]] = {}  # `key_of_account` → statuses, None if not kept
        self.learned = 0  # exchanges

    def __iter__(self) -> Iterator[tuple[str, str, Document]]:
        """Yield kind, id and newest answer of each object, in order of first appearance."""
        return iter([(*key, document) for key, document in self._documents.copy().items() if document])

    def newest(self, kind: str, object_id: str) -> Document | None:
        """Return the newest answer about an object, for example a ``Charge``, as JSON; None where there was none."""
        return self._documents.get((kind, object_id))

    def of(self, kind: str, **fields: str) -> dict[str, Document]:
        """Return the newest answers of a kind with these *fields*, for example a ``chargeId``, by object id."""
        objects = [(object_id, document) for name, object_id, document in self if name == kind]
        return {object_id: document for object_id, document in objects if fields.items() <= document.items()}

    def ids(self, kind: str) -> tuple[str, ...]:
        """Return the ids that answers have named, whether they described the object or not, the oldest first."""
        return tuple(object_id for name, object_id in self._documents.copy() if name == kind)

    def states(self) -> dict[str, str]:
        """Return the state of each object by its id; "" where answers have named it without its state."""
        return {object_id: _detail(row or {}, "state") for (_, object_id), row in self._documents.copy().items()}

    def learn(self, exchange: Exchange) -> list[News]:
        """Take an exchange in and return what it has changed: nothing where it is a refusal or a replay."""
        answer = exchange.response
        self.learned += 1
        statuses = self.keys.setdefault(exchange.key_of_account, []) if exchange.idempotency_key else []
        replayed = any(status is not None and status < 400 for status in statuses)
        statuses.append(exchange.status if exchange.is_kept else None)
        news = [] if exchange.failed or not isinstance(answer, Mapping) or replayed else self._read(exchange, answer)
        memories: tuple[dict[Any, Any], ...] = (self._documents, self._places, self.walks, self.keys)
        for memory in memories:
            while self._limit is not None and len(memory) > self._limit:
                memory.pop(next(iter(memory)))
        return news

    def _read(self, exchange: Exchange, answer: Document) -> list[News]:
        for kind in KINDS.values():
            if object_id := answer.get(kind.id_field):
                self._documents.setdefault((kind.title, str(object_id)), None)
                if kind is exchange.kind:
                    self._places[kind.title, str(object_id)] = self.learned - 1
        return [news for kind, document in _documents(exchange, answer) if (news := self._take(kind, document))]

    def staleness(self, exchanges: Sequence[Exchange], kind: Kind, object_id: str) -> tuple[int, list[Exchange]]:
        """Return the place of the newest answer about an object, and what was refused, lost or repaired after it.

        Others may have learned since *exchanges* were taken: it is the place of one of these.
        """
        place, later = min(self._places.get((kind.title, object_id), -1), len(exchanges) - 1), list[Exchange]()
        for exchange in exchanges[place + 1 :]:
            named = object_id in (exchange.object_id, *(exchange.request or {}).values())
            repaired = exchange.operation in COMPLETIONS and (exchange.response or {}).get(kind.id_field) == object_id
            later += [exchange] if (named if exchange.failed or exchange.is_lost else repaired) else []
        return max(place, 0), later

    def _take(self, kind: Kind, document: Document) -> News | None:
        key = kind.title, str(document[kind.id_field])
        before = self._documents.get(key)
        if not _detail(document, "state") or (before and _is_older(kind, document, before)):
            return None  # not what Amazon documents, or a replay
        self._documents[key] = document
        walk, state = self.walks.setdefault(key, []), _detail(document, "state")
        walk += [state] if [state] != walk[-1:] else []
        return News(*key, before, document)


def _documents(exchange: Exchange, answer: Mapping[str, Any]) -> Iterator[tuple[Kind, Document]]:
    """Yield the objects that an answer describes."""
    if (kind := exchange.kind) and answer.get(kind.id_field):
        yield kind, dict(answer)
    price = (exchange.request or {}).get("chargeAmount")
    if exchange.operation in COMPLETIONS and answer.get("chargeId") and price:
        charge = {
            "chargeId": answer["chargeId"],
            "chargePermissionId": answer.get("chargePermissionId"),
            "chargeAmount": price,
            "creationTimestamp": _detail(dict(answer), "lastUpdatedTimestamp") or f"{exchange.at:%Y%m%dT%H%M%SZ}",
            "statusDetails": {"state": "AuthorizationInitiated" if exchange.status == 202 else "Authorized"},
        }
        yield KINDS["Charge"], charge


def _is_older(kind: Kind, answer: Document, other: Document) -> bool:
    """Tell whether an answer describes an object as it was before another answer."""
    time, other_time = _detail(answer, "lastUpdatedTimestamp"), _detail(other, "lastUpdatedTimestamp")
    if time and other_time and time != other_time:
        return time < other_time
    state, other_state = _detail(answer, "state"), _detail(other, "state")
    return _leads(kind.title, state, other_state) and not _leads(kind.title, other_state, state)


def _detail(answer: Document, name: str) -> str:
    return str(lookup(answer, f"statusDetails.{name}") or "")


@cache
def _leads(machine: str, source: str, target: str) -> bool:
    """Tell whether the rows of a machine lead from one state to another one."""
    reached, edge = {source}, {source}
    while edge:
        edge = {row.target for row in MACHINES[machine].rows if row.source in edge} - reached
        reached |= edge
    return source != target and target in reached
