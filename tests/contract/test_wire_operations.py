"""Each operation as Amazon documents it: the client is held against the files alone, and so is the emulator.

A mistake that both sides made would cancel out if they were only tried on each other.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
import pytest

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.shop.buyer import approve
from amazonpay_nb.signing import format_date, sign_request
from amazonpay_nb.signing.keys import generate
from amazonpay_nb.spec.operations import OPERATIONS

FILES = sorted((Path(__file__).parents[1] / "wire" / "operations").glob("*.json"))
WIRE: dict[str, Any] = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}
# A Saved Wallet story that comes by every operation; the buyer acts where a line is an address or a chargeback.
STORY = (
    "createCheckoutSession", "/checkout", "getCheckoutSession", "updateCheckoutSession", "/checkout/processing",
    "completeCheckoutSession", "getChargePermission", "updateChargePermission", "createCharge", "getCharge",
    "captureCharge", "createRefund", "getRefund", "a chargeback", "getDispute", "uploadFile", "contestDispute",
    "a chargeback", "updateDispute", "createDeliveryTracker", "createReport", "a minute", "getReports", "getReportById",
    "getReportDocument", "createReportSchedule", "getReportSchedules", "getReportScheduleById", "cancelReportSchedule",
    "getDisbursements", "createCharge", "cancelCharge", "closeChargePermission",
    "createCheckoutSession", "/checkout", "updateCheckoutSession", "/checkout/processing", "finalizeCheckoutSession",
    "getBuyer",
)  # fmt: skip
IDS = (
    "checkoutSessionId", "chargePermissionId", "chargeId", "refundId", "disputeId", "id", "reportId",
    "reportDocumentId", "reportScheduleId",
)  # fmt: skip
# The file's token is none of the emulator's; `test_sign_in.py` holds Get Buyer to the file with one that is.
NOT_EMULATED = {"getBuyer"}


def text(body: Any) -> bytes:
    """Return a body as it travels: compact, not escaped; nothing for a call without one."""
    return b"" if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()


def target(request: dict[str, Any]) -> str:
    """Return the path with the query, where there is one."""
    return request["path"] + (f"?{urlencode(request['query'])}" if "query" in request else "")


def test_every_operation_has_a_file() -> None:
    """And every file is of an operation."""
    assert sorted(WIRE) == sorted(OPERATIONS)


@pytest.mark.parametrize("name", WIRE)
def test_the_table_of_operations_says_the_same(name: str) -> None:
    """Method, path and status of the row are those of Amazon's page."""
    request, row = WIRE[name]["request"], OPERATIONS[name]
    pattern = re.escape(row.path).replace(re.escape("{id}"), "[^/]+")
    assert request["method"] == row.method
    assert re.fullmatch(pattern, request["path"])
    assert WIRE[name]["response"]["status"] == row.success
    assert bool(row.body) == (request["body"] is not None)
    assert WIRE[name]["page"].endswith(row.title)


# ---- the client alone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WIRE)
def test_the_client_sends_the_documented_request_and_keeps_the_whole_answer(name: str) -> None:
    """Its method is the operation's name in snake case, its arguments are the fields; what it returns has them all."""
    request, answer = WIRE[name]["request"], WIRE[name]["response"]
    sent: list[httpx.Request] = []

    def amazon(arrived: httpx.Request) -> httpx.Response:
        sent.append(arrived)
        return httpx.Response(answer["status"], content=text(answer["body"]))

    auth = AmazonPayAuth(generate("SANDBOX-AFVX7ULWSGBZ5535PCUQOY7B"))
    with AmazonPayClient(auth, transport=httpx.MockTransport(amazon)) as client:
        object_id = [unquote(part) for part in request["path"].split("/")[3:4]]
        fields = {snake(field): value for field, value in (request["body"] or request.get("query", {})).items()}
        result = getattr(client, snake(name))(*object_id, **fields)

    assert [(r.method, r.url.raw_path.decode(), r.content) for r in sent] == [
        (request["method"], target(request), text(request["body"]))
    ]
    assert result.model_dump(by_alias=True, exclude_unset=True) == answer["body"]


# ---- the emulator alone ----------------------------------------------------------------------------------------------


class Merchant:
    """Sends the files' requests without our client, with the ids that the emulator gave instead of the files'."""

    def __init__(self, emulator: Emulator) -> None:
        self.url = emulator.url
        self._keys = emulator.merchant.keys
        self._real = {WIRE["createCheckoutSession"]["request"]["body"]["storeId"]: emulator.merchant.store_id}
        self._sent = 0

    def translated(self, wire: bytes) -> bytes:
        for documented, real in self._real.items():
            wire = wire.replace(documented.encode(), real.encode())
        return wire

    def send(self, name: str) -> httpx.Response:
        wire, self._sent = WIRE[name], self._sent + 1
        method, body = wire["request"]["method"], self.translated(text(wire["request"]["body"]))
        path, _, query = self.translated(target(wire["request"]).encode()).decode().partition("?")
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "x-amz-pay-date": format_date(datetime.now(UTC)),
            "x-amz-pay-host": "127.0.0.1",
            "x-amz-pay-region": "na",
        }
        if method == "POST":
            headers["x-amz-pay-idempotency-key"] = f"wire-{self._sent}"
        pairs = list(headers.items())
        signature = sign_request(method, path, query, pairs, body, self._keys.private_key, self._keys.public_key_id)
        headers["authorization"] = signature
        url = f"{self.url}{path}" + (f"?{query}" if query else "")
        response = httpx.request(method, url, headers=headers, content=body, trust_env=False)
        self._learn(wire["response"]["body"], response.json())
        return response

    def _learn(self, documented: dict[str, Any], real: dict[str, Any]) -> None:
        for field in IDS:
            if documented.get(field) and real.get(field):
                self._real[documented[field]] = real[field]

    def lose(self, emulator: Emulator) -> None:
        """Let the buyer dispute a part of the charge."""
        charge = self._real[WIRE["getDispute"]["response"]["body"]["chargeId"]]
        self._learn(
            WIRE["getDispute"]["response"]["body"], emulator.control.post("disputes", chargeId=charge, amount="1.00")
        )

    def visit(self, page: str) -> None:
        session = WIRE["createCheckoutSession"]["response"]["body"]["checkoutSessionId"]
        approve(f"{self.url}{page}?amazonCheckoutSessionId={self._real[session]}")


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, httpx.Response]]:
    """What the emulator answered to each operation, the last time it came up in the story."""
    with Emulator(region="na", seed=7) as emulator:
        merchant, answers = Merchant(emulator), {}
        for line in STORY:
            if line.startswith("/"):
                merchant.visit(line)
            elif line == "a chargeback":
                merchant.lose(emulator)
            elif line == "a minute":
                emulator.clock.advance("PT1M")
            else:
                answers[line] = merchant.send(line)
        yield answers


def same_shape(documented: Any, real: Any, where: str = "") -> list[str]:
    """Return where the names of fields, or their order, differ.  A null on either side may stand for anything."""
    if isinstance(documented, dict) and isinstance(real, dict):
        if list(documented) != list(real):
            return [f"{where or 'object'}: {list(real)}"]
        return [problem for name in real for problem in same_shape(documented[name], real[name], f"{where}.{name}")]
    if isinstance(documented, list) and isinstance(real, list):
        pairs = zip(documented, real, strict=False)
        return [problem for one, other in pairs for problem in same_shape(one, other, f"{where}[]")]
    fits = documented is None or real is None or type(documented) is type(real)
    return [] if fits else [f"{where}: {type(real).__name__}"]


@pytest.mark.parametrize("name", sorted(set(WIRE) - NOT_EMULATED))
def test_the_emulator_answers_with_the_documented_fields_in_order(
    answers: dict[str, httpx.Response], name: str
) -> None:
    """Status, names, nesting, order and types are Amazon's; so is the state."""
    documented, answer = WIRE[name]["response"], answers[name]
    assert answer.status_code == documented["status"]
    assert same_shape(documented["body"], answer.json()) == []
    expected, real = documented["body"].get("statusDetails", {}), answer.json().get("statusDetails", {})
    assert real.get("state") == expected.get("state")
    assert real.get("reasonCode") == expected.get("reasonCode")
    assert real.get("reasons") == expected.get("reasons")


@pytest.mark.parametrize("name", sorted(NOT_EMULATED))
def test_what_the_emulator_cannot_have_is_refused_in_the_documented_shape(
    answers: dict[str, httpx.Response], name: str
) -> None:
    """Two strings, in this order; the id of the request is a header."""
    assert answers[name].status_code == 404
    assert list(answers[name].json()) == ["reasonCode", "message"]
    assert answers[name].json()["reasonCode"] == "ResourceNotFound"


@pytest.mark.parametrize("name", WIRE)
def test_the_emulator_names_every_answer(answers: dict[str, httpx.Response], name: str) -> None:
    """Amazon's Java SDK fails without the request id; every SDK expects JSON."""
    assert answers[name].headers["x-amz-pay-request-id"]
    assert answers[name].headers["content-type"] == "application/json"
