"""The entries of a journal: exchanges with the API, and steps outside it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from amazonpay_nb.signing.steps import Authorization, read_authorization
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS
from amazonpay_nb.spec.flows import lookup
from amazonpay_nb.spec.operations import KINDS, OPERATIONS, Kind
from amazonpay_nb.spec.reasons import UNDECIDED, recovery_for


@dataclass(frozen=True)
class Exchange:
    """One request to the API and its answer, whose status is None when none came; names of headers are lower case."""

    at: datetime
    operation: str
    method: str
    path: str
    status: int | None
    idempotency_key: str = ""
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    request_id: str = ""
    attempt: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether there was no answer, or a refusal."""
        return self.status is None or self.status >= 400

    @property
    def is_lost(self) -> bool:
        """Whether nobody knows what Amazon did: no answer came, or a success that does not describe its object."""
        names = (self.kind.id_field, "statusDetails.state") if self.kind else ()
        described = self.response is not None and all(lookup(self.response, name) for name in names)
        return self.status is None or (self.status < 400 and not described)

    @property
    def is_undecided(self) -> bool:
        """Whether the same request under the same key is what comes next: it is lost, or Amazon has not decided it."""
        answer = recovery_for(self.outcome, self.status or 0, self.operation)
        return self.is_lost or (self.failed and answer.retry in UNDECIDED)

    @property
    def is_kept(self) -> bool:
        """Whether Amazon answers the same again under the same key: a refusal by anybody before it decides nothing."""
        decided = recovery_for(self.outcome, self.status or 0, self.operation).is_decision
        return decided if self.failed else not self.is_lost

    @property
    def outcome(self) -> str:
        """The reason code of a refusal, else the state of the returned object, else the reason for a missing answer."""
        body = self.response or {}
        return str(lookup(body, "reasonCode") or lookup(body, "statusDetails.state") or self.error)

    @property
    def answer(self) -> str:
        """Status and outcome, for example ``422 SoftDeclined``, or that there was no answer, and why."""
        if self.status is None:
            return f"no answer: {self.error}" if self.error else "no answer"
        return f"{self.status} {self.outcome}".strip()

    @property
    def authorization(self) -> Authorization | None:
        """The parts of the authorization header; a journal keeps the signature's length only."""
        return read_authorization(self.headers.get("authorization", ""))

    @property
    def key_of_account(self) -> tuple[str, ...]:
        """The idempotency key, after what tells its account from others: host, environment, and who signed."""
        signed = self.authorization
        account = signed.public_key_id if signed else ""
        return self.headers.get("host", ""), self.path.partition("/v2/")[0], account, self.idempotency_key

    @property
    def signed_headers(self) -> dict[str, str]:
        """The signed headers in their order and the authorization; nothing where the request was not signed."""
        signed = self.authorization
        names = [*signed.signed_headers.lower().split(";"), "authorization"] if signed else []
        return {name: self.headers[name] for name in names if name in self.headers}

    @property
    def object_id(self) -> str:
        """The id in the path, "" where there is none."""
        operation = OPERATIONS.get(self.operation)
        start, placeholder, _ = operation.path.partition("{id}") if operation else ("", "", "")
        return self.path.partition(start)[2].partition("/")[0] if placeholder else ""

    @property
    def kind(self) -> Kind | None:
        """The kind of object that the answer describes: the operation's path names it."""
        operation = OPERATIONS.get(self.operation)
        return next((kind for kind in KINDS.values() if operation and f"/{kind.path}" in operation.path), None)

    @property
    def url(self) -> str:
        """Where the request went; a journal does not keep the scheme, but the emulator is plain and Amazon never is."""
        host = self.headers.get("host") or self.headers.get("x-amz-pay-host", "")
        scheme = "http" if urlsplit(f"//{host}").hostname in LOOPBACK_HOSTS else "https"
        return f"{scheme}://{host}{self.path}"


@dataclass(frozen=True)
class Step:
    """Something that happened outside the API, for example the buyer's approval on a hosted page."""

    at: datetime
    source: str
    target: str
    text: str
