"""Reports and disbursements: asked for, made by the clock, downloaded in time, and paid out."""

import csv
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from amazonpay_nb.client import AmazonPayClient, reconciliation
from amazonpay_nb.client.reconciliation import read_settlement, reconcile
from amazonpay_nb.client.snippets import snippet
from amazonpay_nb.client.wire import signing_steps
from amazonpay_nb.emulator import Emulator
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import http_client
from tests.emulated import EVIDENCE, SET_UP, Json, Shop, charge_in, dispute_in, refusal, usd
from tests.processes import ENDLESS, endless

SETTLEMENT = "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SANDBOX_SETTLEMENT_DATA_"
LIVE_ONE = "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_"
DAY: Json = {"reportType": SETTLEMENT, "startTime": "20260115T000000Z", "endTime": "20260116T000000Z"}
DAILY: Json = {"reportType": SETTLEMENT, "scheduleFrequency": "P1D", "nextReportCreationTime": "20260116T000000Z"}
# As two programs read it that book such files.
COLUMNS = (
    "TransactionPostedDate", "SettlementId", "AmazonTransactionId", "SellerReferenceId", "TransactionType",
    "AmazonOrderReferenceId", "SellerOrderId", "StoreName", "CurrencyCode", "TransactionDescription",
    "TransactionAmount", "TransactionPercentageFee", "TransactionFixedFee", "TotalTransactionFee",
    "NetTransactionAmount",
)  # fmt: skip


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A merchant who has neither reports nor charges yet."""
    with Emulator("na", seed=7) as emulator, Shop(emulator) as shop:
        yield shop


def get(shop: Shop, path: str) -> Any:
    response = shop.send("GET", path)
    assert response.status_code == 200, response.text
    return response.json()


def report(shop: Shop, **fields: Any) -> Json:
    """A report once it has ended."""
    report_id = shop.done("createReport", **(DAY | fields))["reportId"]
    shop.emulator.clock.advance("PT1M")
    return get(shop, f"/v2/reports/{report_id}")


def refunded(shop: Shop, charge: str, amount: str) -> str:
    refund = shop.done("createRefund", chargeId=charge, refundAmount=usd(amount))["refundId"]
    shop.emulator.clock.advance("PT1M")
    return str(refund)


def address(shop: Shop, document_id: str) -> str:
    return str(get(shop, f"/v2/report-documents/{document_id}")["url"])


class TestReports:
    """From Create Report to the file."""

    def test_a_report_is_in_progress_and_then_completed(self, shop: Shop) -> None:
        """The clock completes it, and only then it has a document."""
        charge_in(shop, "Captured")
        report_id = shop.done("createReport", **DAY)["reportId"]
        begun = get(shop, f"/v2/reports/{report_id}")
        assert begun["processingStatus"] == "IN_PROGRESS"
        assert "reportDocumentId" not in begun
        shop.emulator.clock.advance("PT29S")
        assert get(shop, f"/v2/reports/{report_id}") == begun
        shop.emulator.clock.advance("PT1S")
        ended = get(shop, f"/v2/reports/{report_id}")
        assert (ended["processingStatus"], ended["processingEndTime"] > ended["createdTime"]) == ("COMPLETED", True)
        assert ended["reportDocumentId"].startswith("amzn1.tortuga.3.")

    def test_without_transactions_a_report_is_canceled(self, shop: Shop) -> None:
        """An authorization alone is none, and neither is a capture on another day."""
        shop.charge(shop.wallet())
        assert report(shop)["processingStatus"] == "CANCELLED"
        charge_in(shop, "Captured")
        assert report(shop, startTime="20260113T000000Z", endTime="20260114T000000Z")["processingStatus"] == "CANCELLED"

    @pytest.mark.parametrize(
        "fields",
        [{"reportType": LIVE_ONE}, {"reportType": "_GET_A_LIFE_"}, {"startTime": "20260117T000000Z"},
         {"endTime": "20260214T000001Z"}, {"startTime": "2026-01-15T00-00-00Z"},
         {"endTime": "0001-01-01T00:00:00+14:00"}],
        ids=str,
    )  # fmt: skip
    def test_the_sandbox_makes_one_type_for_a_month_at_most(self, shop: Shop, fields: Json) -> None:
        """Everything else is a wrong value; the guide's own first example is no time in ISO 8601."""
        assert refusal(shop.call("createReport", **(DAY | fields))) == (400, "InvalidParameterValue")
        assert shop.done("createReport", **(DAY | {"endTime": "20260214T000000Z"}))["reportId"]

    def test_an_address_holds_for_30_seconds(self, shop: Shop) -> None:
        """It needs no signature, and cannot be stretched; the document gives another one."""
        charge_in(shop, "Captured")
        document = report(shop)["reportDocumentId"]
        first = address(shop, document)
        assert httpx.get(first, trust_env=False).headers["content-type"].startswith("text/csv")
        shop.emulator.clock.advance("PT30S")
        assert httpx.get(first, trust_env=False).status_code == 200
        shop.emulator.clock.advance("PT1S")
        later = first.replace("?expires=2026", "?expires=2027")
        assert [httpx.get(url, trust_env=False).status_code for url in (first, later)] == [403, 403]
        assert httpx.get(address(shop, document), trust_env=False).status_code == 200

    def test_reports_are_another_merchants_secret(self, shop: Shop) -> None:
        """Nothing is listed, and nothing is found."""
        charge_in(shop, "Captured")
        shop.done("createReportSchedule", **DAILY)
        report_id = report(shop)["reportId"]
        with Shop(shop.emulator, shop.emulator.other_merchant) as other:
            assert refusal(other.send("GET", f"/v2/reports/{report_id}")) == (404, "ResourceNotFound")
            assert get(other, "/v2/reports") == {"reports": []}
            assert get(other, "/v2/report-schedules") == {"reportSchedules": []}
            assert report(other)["processingStatus"] == "CANCELLED"

    def test_reports_are_listed_page_by_page(self, shop: Shop) -> None:
        """The newest first; a token is all that the next page needs, with the filters of the first."""
        charge_in(shop, "Captured")
        ids = [report(shop)["reportId"] for _ in range(5)]
        report(shop, startTime="20260113T000000Z", endTime="20260114T000000Z")
        page = get(shop, "/v2/reports?processingStatuses=COMPLETED,FAILED&pageSize=3&unknown=x")
        assert [row["reportId"] for row in page["reports"]] == ids[:1:-1]
        rest = get(shop, f"/v2/reports?nextToken={httpx.URL('', params={'t': page['nextToken']}).query.decode()[2:]}")
        assert ([row["reportId"] for row in rest["reports"]], "nextToken" in rest) == (ids[1::-1], False)
        assert len(get(shop, "/v2/reports?nextToken=none")["reports"]) == len(get(shop, "/v2/reports")["reports"]) == 6
        assert get(shop, f"/v2/reports?reportTypes={LIVE_ONE}") == {"reports": []}
        assert get(shop, "/v2/reports?reportTypes=&createdUntil=2026-01-15T00:00:00Z") == {"reports": []}
        assert "nextToken" not in get(shop, "/v2/reports?pageSize=6")
        shop.emulator.clock.advance("P89D")
        assert len(get(shop, "/v2/reports")["reports"]) == 6
        shop.emulator.clock.advance("P1D")
        assert get(shop, "/v2/reports?createdSince=20260101T000000Z") == {"reports": []}
        assert refusal(shop.send("GET", f"/v2/reports/{ids[0]}")) == (404, "ResourceNotFound")

    def test_a_page_has_ten_unless_another_size_is_asked_for(self, shop: Shop) -> None:
        """Of eleven, one is on the next."""
        made = [shop.done("createReport", **DAY)["reportId"] for _ in range(11)]
        page = get(shop, "/v2/reports")
        assert [row["reportId"] for row in page["reports"]] == made[:0:-1]
        assert page["nextToken"]


class TestSchedules:
    """Reports that come by themselves."""

    def test_a_schedule_makes_a_report_of_each_period(self, shop: Shop) -> None:
        """Of the time since the last one, until it is canceled."""
        charge_in(shop, "Captured")
        schedule = shop.done("createReportSchedule", **DAILY)["reportScheduleId"]
        assert re.fullmatch(r"\d{11}", schedule)
        shop.emulator.clock.advance("P2D")
        made = get(shop, "/v2/reports")["reports"]
        assert [(row["startTime"], row["processingStatus"]) for row in made] == [
            ("20260116T000000Z", "CANCELLED"), ("20260115T000000Z", "COMPLETED"),
        ]  # fmt: skip
        planned = get(shop, f"/v2/report-schedules/{schedule}")
        assert planned == DAILY | {"reportScheduleId": schedule, "nextReportCreationTime": "20260118T000000Z"}
        assert shop.done("cancelReportSchedule", schedule) == {}
        shop.emulator.clock.advance("P2D")
        assert len(get(shop, "/v2/reports")["reports"]) == 2
        assert refusal(shop.call("cancelReportSchedule", schedule)) == (404, "ResourceNotFound")

    @pytest.mark.parametrize("where", ["body", "query"])
    def test_a_type_has_one_schedule(self, shop: Shop, where: str) -> None:
        """Another one replaces it where that is asked for: in the query, as the guide has it, or as SDKs do."""
        first = shop.done("createReportSchedule", **DAILY)["reportScheduleId"]
        assert refusal(shop.call("createReportSchedule", **DAILY)) == (400, "InvalidParameterValue")
        if where == "body":
            second = shop.done("createReportSchedule", **DAILY, deleteExistingSchedule=True)
        else:
            content = shop.call("createReportSchedule", **DAILY).request.content
            second = shop.send("POST", "/v2/report-schedules?deleteExistingSchedule=true", content, key="q").json()
        schedules = get(shop, f"/v2/report-schedules?reportTypes={SETTLEMENT}")["reportSchedules"]
        assert [row["reportScheduleId"] for row in schedules] == [second["reportScheduleId"]] != [first]

    @pytest.mark.parametrize("query", ["deleteExistingSchedule=false", "deleteExistingSchedule=true"])
    def test_what_is_said_twice_is_refused(self, shop: Shop, query: str) -> None:
        """In the body and in the query; nothing is replaced."""
        first = shop.done("createReportSchedule", **DAILY)["reportScheduleId"]
        content = json.dumps(DAILY | {"deleteExistingSchedule": True}).encode()
        again = shop.send("POST", f"/v2/report-schedules?{query}", content, key="twice")
        assert refusal(again) == (400, "InvalidRequestFormat")
        (schedule,) = get(shop, "/v2/report-schedules")["reportSchedules"]
        assert schedule["reportScheduleId"] == first

    @pytest.mark.parametrize(
        "query", ["pageSize=1&pageSize=9", "nextToken=a&nextToken=b", "nextToken=pageSize%3D1%26pageSize%3D9"]
    )
    def test_a_repeated_name_in_a_query_is_refused(self, shop: Shop, query: str) -> None:
        """Also in a token, which is a query itself."""
        assert refusal(shop.send("GET", f"/v2/reports?{query}")) == (400, "InvalidParameterValue")

    def test_a_key_belongs_to_a_query_too(self, shop: Shop) -> None:
        """What the query asks for is not answered with what was answered without it."""
        content = shop.call("createReportSchedule", **DAILY).request.content
        shop.send("POST", "/v2/report-schedules", content, key="taken")
        again = shop.send("POST", "/v2/report-schedules?deleteExistingSchedule=true", content, key="taken")
        assert refusal(again) == (400, "DuplicateIdempotencyKey")

    @pytest.mark.parametrize(
        "fields",
        [
            {"reportType": LIVE_ONE}, {"scheduleFrequency": "P6D"}, {"nextReportCreationTime": "20260114T000000Z"},
            {"nextReportCreationTime": "90010101T000000Z"},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_schedule_begins_later_and_is_for_the_one_type(self, shop: Shop, fields: Json) -> None:
        """Everything else is a wrong value, also what no clock here reaches; now is not too early."""
        assert refusal(shop.call("createReportSchedule", **(DAILY | fields))) == (400, "InvalidParameterValue")
        now = DAILY | {"nextReportCreationTime": "20260115T120000Z"}
        assert shop.done("createReportSchedule", **now)["reportScheduleId"]


class TestSettlement:
    """The file, and what is paid."""

    def test_a_file_has_the_documented_lines(self, shop: Shop) -> None:
        """Four lines about the report, an empty one, the columns, and a line for each movement; commas and quotes."""
        shop.done("updateChargePermission", wallet := shop.wallet(), merchantMetadata={"merchantReferenceId": "1001"})
        charge = shop.charge(wallet, captureNow=True, merchantMetadata={"merchantReferenceId": "A-1"})["chargeId"]
        refund = refunded(shop, charge, "4.00")
        dispute = dispute_in(shop, "ActionRequired", charge)
        text = httpx.get(address(shop, report(shop)["reportDocumentId"]), trust_env=False).text
        seller = shop.account.merchant_id
        assert text.splitlines()[:5] == [
            f'"SellerId","{seller}"', '"SettlementStartDate","2026-01-15T00:00:00+0000"',
            '"SettlementEndDate","2026-01-16T00:00:00+0000"', f'"SellerId","{seller}"', "",
        ]  # fmt: skip
        assert text.splitlines()[5] == ",".join(f'"{name}"' for name in COLUMNS)
        rows = list(csv.DictReader(text.splitlines()[5:]))
        assert [(row["AmazonTransactionId"], row["TransactionType"], row["NetTransactionAmount"]) for row in rows] == [
            (charge, "Capture", "14.00"), (refund, "Refund", "-4.00"), (dispute, "Chargeback", "-14.00"),
        ]  # fmt: skip
        first = {name: rows[0][name] for name in ("SellerReferenceId", "AmazonOrderReferenceId", "SellerOrderId")}
        assert first == {"SellerReferenceId": "A-1", "AmazonOrderReferenceId": wallet, "SellerOrderId": "1001"}
        assert rows[0]["TransactionPostedDate"] == "2026-01-15T12:00:00+0000"
        assert {(row["CurrencyCode"], row["TotalTransactionFee"]) for row in rows} == {("USD", "0.00")}

    def test_money_is_paid_two_weeks_later_and_then_daily(self, shop: Shop) -> None:
        """Under the settlement's id that the file names; what is below zero waits."""
        first = shop.charge(shop.wallet(), "10.00", captureNow=True)["chargeId"]
        shop.emulator.clock.advance("P13D")
        assert get(shop, "/v2/disbursements") == {"disbursements": []}
        shop.charge(shop.wallet(), "20.00", captureNow=True)
        shop.emulator.clock.advance("P2D")
        refunded(shop, first, "5.00")
        shop.emulator.clock.advance("P2D")
        shop.charge(shop.wallet(), "8.00", captureNow=True)
        shop.emulator.clock.advance("P2D")
        paid = get(shop, "/v2/disbursements")["disbursements"]
        assert [(row["amount"], row["currencyCode"], row["transactionTime"]) for row in paid] == [
            ("30.00", "USD", "2026-01-29T12:00:00.000Z"), ("3.00", "USD", "2026-02-02T12:00:00.000Z"),
        ]  # fmt: skip
        month = report(shop, startTime="20260110T000000Z", endTime="20260201T000000Z")
        file = read_settlement(address(shop, month["reportDocumentId"]))
        assert set(file["SettlementId"][:2]) == {paid[0]["settlementId"]}
        within = get(shop, "/v2/disbursements?startTime=20260130T000000Z&endTime=20260301T000000Z&pageSize=1")
        assert within["disbursements"] == paid[1:]

    def test_the_bank_gets_the_currency_of_the_account(self) -> None:
        """What buyers paid and got back in dollars, at 1.1 for a euro, with what was paid in euros."""
        with Emulator("eu", seed=7) as emulator, Shop(emulator) as shop:
            details = {"paymentIntent": "Confirm", "presentmentCurrency": "USD"}
            wallet = shop.wallet(SET_UP | {"paymentDetails": details})
            charge = shop.charge(wallet, "110.00", "USD", captureNow=True)["chargeId"]
            refunded(shop, charge, "11.00")
            shop.charge(shop.wallet(), "10.00", "EUR", captureNow=True)
            emulator.clock.advance("P15D")
            (paid,) = get(shop, "/v2/disbursements")["disbursements"]
            assert (paid["amount"], paid["currencyCode"]) == ("100.00", "EUR")
            month = report(shop, startTime="20260110T000000Z", endTime="20260205T000000Z")
            file = read_settlement(address(shop, month["reportDocumentId"]))
            assert set(file["SettlementId"]) == {paid["settlementId"]}
            assert [*zip(file["CurrencyCode"], map(str, file["TransactionAmount"]), strict=True)] == [
                ("USD", "110.00"), ("USD", "-11.00"), ("EUR", "10.00"),
            ]  # fmt: skip

    def test_japan_is_settled_every_two_weeks(self) -> None:
        """Not daily, as the Japanese edition of the guide has it."""
        with Emulator("jp", seed=7) as emulator, Shop(emulator) as shop:
            for _ in range(2):
                shop.charge(shop.wallet(), "1000", "JPY", captureNow=True)
                emulator.clock.advance("P15D")
            assert [row["transactionTime"] for row in get(shop, "/v2/disbursements")["disbursements"]] == [
                "2026-01-29T12:00:00.000Z", "2026-02-12T12:00:00.000Z",
            ]  # fmt: skip

    def test_a_payout_is_due_to_the_second(self, shop: Shop) -> None:
        """However small it is, and under ids of Amazon's lengths; where all was refunded, there is none."""
        refunded(shop, shop.charge(shop.wallet(), "9.00", captureNow=True)["chargeId"], "9.00")
        shop.emulator.clock.advance("P15D")
        assert get(shop, "/v2/disbursements") == {"disbursements": []}
        shop.charge(shop.wallet(), "1.00", captureNow=True)
        shop.emulator.clock.advance("PT23H58M59S")
        assert get(shop, "/v2/disbursements") == {"disbursements": []}
        shop.emulator.clock.advance("PT1S")
        (paid,) = get(shop, "/v2/disbursements")["disbursements"]
        assert paid["amount"] == "1.00"
        assert re.fullmatch(r"\d{11}", paid["settlementId"])
        assert len(paid["amazonDisbursementReferenceId"]) == 15

    def test_what_was_paid_stays_as_it_was_paid(self, shop: Shop) -> None:
        """A bank that loses a dispute gives the money back then, and not as if it had never taken it."""
        charge = shop.charge(shop.wallet(), "100.00", captureNow=True)["chargeId"]
        dispute = shop.emulator.control.post("disputes", chargeId=charge, amount="40.00")["disputeId"]
        shop.done("contestDispute", dispute, merchantEvidences=[EVIDENCE])
        shop.emulator.clock.advance("P15D")
        paid = get(shop, "/v2/disbursements")["disbursements"]
        for state in (
            {"state": "Resolved", "reasonCode": "InvestigatorResolved", "resolution": "NoFault"},
            {"state": "Closed"},
        ):
            shop.emulator.control.post(f"disputes/{dispute}", **state)
            shop.emulator.clock.advance("P3D")
        later = get(shop, "/v2/disbursements")["disbursements"]
        assert (later[:1], [row["amount"] for row in later]) == (paid, ["60.00", "40.00"])
        assert later[1]["transactionTime"] == "2026-01-30T12:00:00.000Z"
        month = report(shop, startTime="20260110T000000Z", endTime="20260205T000000Z")
        file = read_settlement(address(shop, month["reportDocumentId"]))
        assert list(file["TransactionType"]) == ["Capture", "Chargeback", "Chargeback"]
        assert list(map(str, file["NetTransactionAmount"])) == ["100.00", "-40.00", "40.00"]


class TestReconciliation:
    """Ledger, Get Charge and settlement, side by side."""

    def test_three_books_agree_charge_by_charge(self, shop: Shop) -> None:
        """With a refund and a chargeback; what came by hand is found in the settlement."""
        with client_of(shop) as client:
            wallet, price = shop.wallet(), usd("14.00")
            charges = [
                client.create_charge(charge_permission_id=wallet, charge_amount=price, capture_now=True).charge_id
                for _ in range(3)
            ]
            client.create_refund(charge_id=charges[0], refund_amount=usd("4.00"))
            client.get_dispute(dispute_in(shop, "ActionRequired", charges[1]))
            by_hand = shop.charge(wallet, captureNow=True)["chargeId"]
            shop.emulator.clock.advance("PT1M")
            file = read_settlement(address(shop, report(shop)["reportDocumentId"]))
            books = reconcile(client, file)
        assert list(zip(books["charge"], books["settled"], books["agrees"], strict=True)) == [
            (charges[0], "10.00", True), (charges[1], "0.00", True), (charges[2], "14.00", True),
            (by_hand, "14.00", False),
        ]  # fmt: skip
        assert file["NetTransactionAmount"].sum() == Decimal("38.00")

    def test_no_line_of_the_file_is_lost(self, shop: Shop, tmp_path: Path) -> None:
        """One in another currency, without an id or without a currency has a row of its own, and does not agree."""
        head = "TransactionType,AmazonTransactionId,TransactionAmount,CurrencyCode"
        with client_of(shop) as client:
            wallet, price = shop.wallet(), usd("10.00")
            charge = client.create_charge(charge_permission_id=wallet, charge_amount=price, capture_now=True).charge_id
            for lines, rows in (
                (f"Capture,{charge},10.00,USD", [(charge, "USD", "10.00", True)]),
                (f"Capture,{charge},10.00,EUR", [(charge, "USD", "0.00", False), (charge, "EUR", "10.00", False)]),
                (f"Capture,{charge},10.00,USD\nRefund,,-5.00,USD",
                 [(charge, "USD", "10.00", True), ("", "USD", "-5.00", False)]),
                (f"Capture,{charge},10.00,USD\nCapture,S01-1-C1,7.00,",
                 [(charge, "USD", "10.00", True), ("S01-1-C1", "", "7.00", False)]),
            ):  # fmt: skip
                (tmp_path / "settled.csv").write_text("x\n" * 5 + f"{head}\n{lines}\n", "utf-8")
                books = reconcile(client, read_settlement(str(tmp_path / "settled.csv")))
                columns = (books[name] for name in ("charge", "currency", "settled", "agrees"))
                assert list(zip(*columns, strict=True)) == rows

    @pytest.mark.parametrize(
        ("old", "new"),
        [("10.00", "ten"), ("10.00", "NaN"), ("10.00", ""), ("TransactionType", "Kind"), ("x\n", "")],
    )
    def test_another_file_is_refused(self, tmp_path: Path, old: str, new: str) -> None:
        """With its name; what is no amount is not taken for one."""
        head = "TransactionType,AmazonTransactionId,TransactionAmount,CurrencyCode,TotalTransactionFee"
        path, text = tmp_path / "settled.csv", "x\n" * 5 + head + "\nCapture,S01-1-C1,10.00,USD,0.00\n"
        path.write_text(text, "utf-8")
        assert list(read_settlement(str(path))["TransactionAmount"]) == [Decimal("10.00")]
        path.write_text(text.replace(old, new), "utf-8")
        with pytest.raises(ConfigurationError, match=r"settled\.csv is no settlement file"):
            read_settlement(str(path))

    def test_an_authorization_moves_no_money(self, shop: Shop) -> None:
        """A file of the Sandbox may have lines of them; a live one has what they cost."""
        with client_of(shop) as client:
            client.create_charge(charge_permission_id=shop.wallet(), charge_amount=usd("14.00"), capture_now=True)
            file = read_settlement(address(shop, report(shop)["reportDocumentId"]))
            twice = file.loc[[0, 0]].reset_index(drop=True)
            twice.loc[0, "TransactionType"] = "Authorization"
            assert [(row.settled, row.agrees) for row in reconcile(client, twice).itertuples()] == [("14.00", True)]

    def test_a_settlement_that_lacks_a_charge_does_not_agree(self, shop: Shop) -> None:
        """A report of another day."""
        with client_of(shop) as client:
            client.create_charge(charge_permission_id=shop.wallet(), charge_amount=usd("14.00"), capture_now=True)
            file = read_settlement(address(shop, report(shop)["reportDocumentId"]))
            assert [row.agrees for row in reconcile(client, file.iloc[:0]).itertuples()] == [False]
            assert "settled" not in reconcile(client)


def test_a_query_is_signed_and_remembered(shop: Shop) -> None:
    """The journal, the steps of its signature and cURL have it as it was sent."""
    with client_of(shop) as client:
        client.get_reports(report_types=f"{SETTLEMENT},{LIVE_ONE}", page_size=5)
        (exchange,) = client.journal.exchanges
    query = f"reportTypes={SETTLEMENT}%2C{LIVE_ONE}&pageSize=5"
    assert exchange.path == f"/v2/reports?{query}"
    assert signing_steps(exchange).canonical_request.split("\n")[2] == "&".join(sorted(query.split("&")))
    assert f"/v2/reports?{query}" in snippet("curl", exchange)


def client_of(shop: Shop) -> AmazonPayClient:
    return AmazonPayClient(shop.keys, region=shop.emulator.region, environment="emulator", base_url=shop.emulator.url)


ENDS = {**ENDLESS, "flood": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 2**15)}


@pytest.mark.parametrize("name", ENDS)
def test_a_file_has_an_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read into memory, so one that goes on is given up."""
    monkeypatch.setattr(reconciliation, "_LONGEST", 2**16)
    monkeypatch.setattr(reconciliation, "http_client", partial(http_client, timeout=2))
    with endless(*ENDS[name]) as url, pytest.raises(httpx.ReadTimeout):
        read_settlement(url)
