"""The newest answer about each object: no replay sets it back."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from amazonpay_nb.client import AmazonPayAuth, AmazonPayClient
from amazonpay_nb.client.guide import months
from amazonpay_nb.client.journal import Exchange, Journal
from amazonpay_nb.client.reconciliation import reconcile
from amazonpay_nb.client.report import reports
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.shop.bookkeeping import Outcome, outcome, payments
from amazonpay_nb.spec.machine import NEW, Transition
from amazonpay_nb.spec.operations import KINDS
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.spec.states import MACHINES
from tests.emulated import Shop, purchase, usd

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
CHARGE_ID, PERMISSION_ID = "S01-1234567-7654321-C012345", "S01-1234567-7654321"
EARLY, LATE = "20260115T120000Z", "20260115T120001Z"


def answer(operation: str, state: str, *, key: str = "", time: str = "", **body: Any) -> Exchange:
    details = {"state": state, "lastUpdatedTimestamp": time or None}
    body = {"chargeId": CHARGE_ID, "chargePermissionId": PERMISSION_ID, "statusDetails": details, **body}
    return Exchange(NOON, operation, "POST", "/v2/charges", 200, key, response=body)


def journal(*exchanges: Exchange, limit: int | None = None) -> Journal:
    kept = Journal(limit)
    for exchange in exchanges:
        kept.record(exchange)
    return kept


def state(kept: Journal) -> str:
    newest = kept.known.newest("Charge", CHARGE_ID)
    return str(newest["statusDetails"]["state"]) if newest else ""


def test_a_request_that_is_sent_again_tells_nobody_an_old_state(na: Shop) -> None:
    """Create, capture, and create again under the first key: account page, ledger, month and books say Captured."""
    auth = AmazonPayAuth(na.keys, clock=lambda: datetime.fromisoformat(na.emulator.clock.now().isoformat()))
    with AmazonPayClient(auth, environment="emulator", base_url=na.emulator.url, journal=Journal()) as client:
        wallet = na.wallet()
        order = {"charge_permission_id": wallet, "charge_amount": usd("14.00"), "idempotency_key": "order-1"}
        first = client.create_charge(**order)
        client.capture_charge(first.charge_id, capture_amount=usd("10.00"))
        assert client.create_charge(**order).state == "Authorized", "Amazon replays the stored answer"
        assert [(row.state, row.price["amount"]) for row in payments(client.journal)] == [("Captured", "10.00")]
        assert state_of(client, first.charge_id) == "Captured"
        assert str(client.journal.totals()["USD"]["captured"]) == "10.00"
        assert [row.used for row in months(client.journal, wallet, REGIONS["na"])] == ["10.00"]
        assert reconcile(client)["agrees"].all()


class Spoiling(httpx.HTTPTransport):
    """A proxy of the company's that puts *content* in the place of Amazon's next answer to a POST."""

    def __init__(self, content: bytes, kind: str) -> None:
        super().__init__()
        self.content, self.headers, self.spoils = content, {"content-type": kind}, True

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if request.method != "POST" or not self.spoils:
            return answer
        self.spoils = False
        answer.close()
        return httpx.Response(answer.status_code, content=self.content, headers=self.headers)


SPOILED = {
    "a page": (b"<html>Please wait", "text/html"), "nothing": (b"", "application/json"),
    "half of it": (b'{"chargeId": "S01-', "application/json"), "a list": (b"[]", "application/json"),
    "another object": (b'{"message": "Welcome"}', "application/json"),
}  # fmt: skip


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_success_that_cannot_be_read_is_a_lost_answer(na: Shop, spoiled: str) -> None:
    """The client sends the request again, and what comes then is no replay: session, charge and refund are known."""
    transport, session, paid = Spoiling(*SPOILED[spoiled]), na.visited(purchase()), usd("14.00")
    with AmazonPayClient(
        na.keys, environment="emulator", base_url=na.emulator.url, transport=transport, sleep=lambda _: None
    ) as client:
        client.complete_checkout_session(session, charge_amount=paid)
        completed = outcome(client.journal, session)
        transport.spoils = True
        charge = client.create_charge(charge_permission_id=na.wallet(), charge_amount=paid, capture_now=True)
        transport.spoils = True
        refund = client.create_refund(charge_id=charge.charge_id, refund_amount=paid)
        assert completed == Outcome("paid", paid)
        assert [*map(str, client.journal.totals()["USD"].values())] == ["14.00", "14.00", "14.00", "0.00"]
        assert refund.refund_id in client.journal.known.of("Refund", chargeId=charge.charge_id)
        assert [row.used for row in months(client.journal, charge.charge_permission_id, REGIONS["na"])] == ["14.00"]
        assert reconcile(client)["agrees"].all()
        posts = [row for row in client.journal.exchanges if row.method == "POST"]
    assert [row.is_lost for row in posts] == [True, False] * 3
    assert [why.idempotency_key.split(" ")[0] for _, why in reports(posts, {})] == ["✓"] * 6, "none is a replay"


@pytest.mark.parametrize(("fault", "hours", "end"), [("status", 25, "refused"), ("drop-after-commit", 0, "paid")])
def test_what_is_undecided_is_so_until_the_session_is_known(na: Shop, fault: str, hours: int, end: str) -> None:
    """A buyer who is told that nothing was charged pays once more."""
    session, paid = na.visited(purchase()), usd("14.00")
    na.emulator.faults("completeCheckoutSession", fault, times=4)
    with AmazonPayClient(na.keys, environment="emulator", base_url=na.emulator.url, sleep=lambda _: None) as client:
        with pytest.raises(AmazonPayError) as caught:
            client.complete_checkout_session(session, charge_amount=paid)
        assert not caught.value.is_decided
        assert outcome(client.journal, session) == Outcome("undecided")
        na.emulator.clock.advance(hours=hours)
        client.get_checkout_session(session)
        assert outcome(client.journal, session) == Outcome(end, paid if end == "paid" else None)


def test_a_decline_after_a_lost_answer_is_one(na: Shop) -> None:
    """Amazon has canceled the session: nobody is told to wait."""
    session, paid = na.visited(purchase()), usd("14.00")
    na.emulator.faults("completeCheckoutSession", "reset")
    with AmazonPayClient(na.keys, environment="emulator", base_url=na.emulator.url, sleep=lambda _: None) as client:
        with pytest.raises(AmazonPayError, match="CheckoutSessionCanceled"):
            client.complete_checkout_session(session, charge_amount=paid, simulation_code="Declined")
        assert outcome(client.journal, session) == Outcome("refused")


@pytest.mark.parametrize("other", ["another merchant", "another host"])
def test_each_account_has_keys_of_its_own(other: str) -> None:
    """Two shops number their orders alike, and share a journal: the second charge is no replay of the first."""
    with Emulator(seed=1) as first, Emulator(region="eu", seed=1) as second:
        account = first.other_merchant if other == "another merchant" else second.merchant
        host = first if other == "another merchant" else second
        journal, currency = Journal(), "USD" if host is first else "EUR"
        for shop, money in ((Shop(first), usd("14.00")), (Shop(host, account), usd("20.00", currency))):
            with shop, connect(shop, journal) as client:
                order = {"charge_permission_id": shop.wallet(), "charge_amount": money, "capture_now": True}
                client.create_charge(**order, idempotency_key="order-1")
                client.create_charge(**order, idempotency_key="order-1")
    totals = journal.totals()
    assert sum(total["captured"] for total in totals.values()) == 34, "each once, and each replay not at all"
    assert len(journal.known.of("Charge")) == 2
    words = [why.idempotency_key.split(" ")[0] for _, why in reports(journal.exchanges, {})]
    assert words == ["✓", "↻"] * 2


def connect(shop: Shop, kept: Journal) -> AmazonPayClient:
    return AmazonPayClient(
        shop.keys, region=shop.emulator.region, environment="emulator", base_url=shop.emulator.url, journal=kept
    )


def state_of(client: AmazonPayClient, charge_id: str) -> str:
    return str(client.journal.known.of("Charge")[charge_id]["statusDetails"]["state"])


def test_a_key_that_was_answered_before_brings_no_news() -> None:
    """Not even where neither the time nor the state tells that the answer is an old one."""
    captured = answer("captureCharge", "Captured", key="k", refundedAmount=None)
    refunded = answer("getCharge", "Captured", refundedAmount=usd("5.00"))
    newest = journal(captured, refunded, captured).known.newest("Charge", CHARGE_ID)
    assert newest is not None
    assert newest["refundedAmount"] == usd("5.00")


def test_a_key_whose_answer_was_lost_is_read_when_it_comes() -> None:
    """A refusal and a lost answer tell nothing; the repetition does."""
    lost = Exchange(NOON, "createCharge", "POST", "/v2/charges", None, "k", error="ReadTimeout")
    again = journal(lost, answer("createCharge", "Authorized", key="k"))
    assert state(again) == "Authorized"
    assert again.known.staleness(again.exchanges, KINDS["Charge"], CHARGE_ID) == (1, [])
    assert again.known.staleness(again.exchanges[:1], KINDS["Charge"], CHARGE_ID) == (0, [])


def test_the_time_decides_where_there_is_one() -> None:
    """A permission can become chargeable again, so its state does not tell which answer is older."""
    later, earlier = (
        answer("getCharge", "Authorized", time=LATE),
        answer("getCharge", "AuthorizationInitiated", time=EARLY),
    )
    assert state(journal(later, earlier)) == "Authorized"
    assert state(journal(earlier, later)) == "Authorized"
    repaired = [
        answer("getChargePermission", name, time=time)
        for name, time in (("NonChargeable", EARLY), ("Chargeable", LATE))
    ]
    for order in (repaired, repaired[::-1]):
        newest = journal(*order).known.newest("Charge Permission", PERMISSION_ID)
        assert newest is not None
        assert newest["statusDetails"]["state"] == "Chargeable"


ONE_WAY = [row for name in ("Charge", "Refund") for row in MACHINES[name].rows if row.source not in (NEW, row.target)]


@pytest.mark.parametrize("row", ONE_WAY, ids=lambda row: f"{row.source} {row.trigger}")
def test_within_a_second_the_state_decides(row: Transition) -> None:
    """Amazon's times are whole seconds; a state that leads to the known one is an earlier one."""
    kind = "Refund" if row.source == "RefundInitiated" else "Charge"
    told = [answer(f"get{kind}", name, time=EARLY, refundId="R1") for name in (row.source, row.target, row.source)]
    newest = journal(*told).known.of(kind)
    assert [body["statusDetails"]["state"] for body in newest.values()] == [row.target]


@pytest.mark.parametrize(("status", "expected"), [(200, "Authorized"), (202, "AuthorizationInitiated")])
def test_a_completed_session_names_its_charge(status: int, expected: str) -> None:
    """Its amount is the one that was asked for, until Get Charge tells more."""
    body = {"checkoutSessionId": "s", "chargeId": CHARGE_ID, "chargePermissionId": PERMISSION_ID}
    body |= {"statusDetails": {"state": "Completed"}}
    completed = Exchange(
        NOON, "completeCheckoutSession", "POST", "/v2/checkoutSessions/s/complete", status, "k",
        {"chargeAmount": usd("14.00")}, body,
    )  # fmt: skip
    known = journal(completed).known
    assert known.of("Checkout Session") == {"s": body}
    (charge,) = known.of("Charge", chargePermissionId=PERMISSION_ID).values()
    assert (charge["chargeAmount"], charge["statusDetails"]) == (usd("14.00"), {"state": expected})
    assert known.newest("Charge Permission", PERMISSION_ID) is None, "it is named and not described"
    assert known.ids("Charge Permission") == (PERMISSION_ID,)
    assert state(journal(completed, answer("getCharge", "Captured", time=EARLY), completed)) == "Captured"


@pytest.mark.parametrize("states", [("Chargeable", "NonChargeable"), ("NonChargeable", "Chargeable")])
def test_a_permission_can_change_twice_within_a_second(states: tuple[str, str]) -> None:
    """Its states lead to each other, so the answer that arrives later is the newer one."""
    answers = [answer("getChargePermission", name, time=EARLY) for name in states]
    newest = journal(*answers).known.of("Charge Permission")[PERMISSION_ID]
    assert newest["statusDetails"]["state"] == states[-1]


@pytest.mark.parametrize("details", [None, {}, {"state": None}, "Open"])
def test_an_answer_that_is_not_amazons_describes_nothing(details: Any) -> None:
    """The object is named, and what was known of it before stays; its key can still bring news."""
    body = {"chargeId": CHARGE_ID, "statusDetails": details}
    garbled = Exchange(NOON, "createCharge", "POST", "/v2/charges", 200, "k", response=body)
    assert (state(journal(garbled)), journal(garbled).known.ids("Charge")) == ("", (CHARGE_ID,))
    assert state(journal(answer("getCharge", "Authorized"), garbled)) == "Authorized"
    assert state(journal(garbled, answer("createCharge", "Authorized", key="k"))) == "Authorized"


def test_a_completion_without_an_amount_only_names_its_charge() -> None:
    """How much was held is not known then, so no ledger may count it."""
    body = {"checkoutSessionId": "s", "chargeId": CHARGE_ID, "statusDetails": {"state": "Completed"}}
    kept = journal(Exchange(NOON, "completeCheckoutSession", "POST", "/", 200, response=body))
    assert (state(kept), kept.known.ids("Charge"), kept.totals()) == ("", (CHARGE_ID,), {})


def test_objects_keep_the_order_in_which_they_appeared() -> None:
    """A later answer about the first does not move it to the end; refunds are found by their charge."""
    kept = journal(
        answer("createCharge", "Authorized", chargeId="A"), answer("createCharge", "Authorized", chargeId="B"),
        answer("captureCharge", "Captured", chargeId="A"),
        answer("createRefund", "RefundInitiated", chargeId="A", refundId="R"),
    )  # fmt: skip
    assert list(kept.known.of("Charge")) == ["A", "B"]
    assert [(kind, object_id) for kind, object_id, _ in kept.known] == [
        ("Charge", "A"),
        ("Charge", "B"),
        ("Refund", "R"),
    ]
    assert (list(kept.known.of("Refund", chargeId="A")), kept.known.of("Refund", chargeId="B")) == (["R"], {})


def test_a_journal_that_forgets_has_a_projection_that_forgets() -> None:
    """A client that runs for months does not fill the memory; a cleared journal knows nothing."""
    kept = journal(
        *(answer("getCharge", "Authorized", chargeId=str(number), key=str(number)) for number in range(9)), limit=3
    )
    assert list(kept.known.of("Charge")) == ["6", "7", "8"]
    assert kept.known.ids("Charge") == ("6", "7", "8")
    kept.clear()
    assert list(kept.known) == []
    for number in range(9):  # of a client whose key was revoked, say
        kept.record(replace(answer("createCharge", "", key=str(number)), status=401, response={}))
    assert len(kept.known.keys) == 3


def test_a_journal_that_is_rewound_knows_what_it_knew() -> None:
    """A plan that is tried and taken back leaves no trace; what it did can be looked at by itself."""
    kept = journal(answer("createCharge", "Authorized"), answer("captureCharge", "Captured"))
    tried = kept.since(1)
    kept.rewind(1)
    assert (state(kept), state(tried)) == ("Authorized", "Captured")
