"""Reports: the clock makes them from the books, once or on a schedule, and their addresses hold for 30 seconds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode

from amazonpay_nb.emulator.clock import END, LAST_YEAR, parse_duration, stamp
from amazonpay_nb.emulator.records import AnyRecord, Merchant, NoNotes, Record
from amazonpay_nb.emulator.refusal import Body, Refusal
from amazonpay_nb.emulator.rules import calendar
from amazonpay_nb.emulator.rules.settlement import disbursements, settlement_file
from amazonpay_nb.emulator.world import World
from amazonpay_nb.spec.reports import SANDBOX_SETTLEMENT
from amazonpay_nb.spec.simulations import Simulation

_TAKES = timedelta(seconds=30)  # how long a report is in progress  [inferred]
_ADDRESS_LASTS, _KEPT, _LONGEST = timedelta(seconds=30), timedelta(days=90), timedelta(days=30)
_ONE_TYPE = f"the Sandbox makes {SANDBOX_SETTLEMENT} only"
_PROCESS, _REPEAT = "Process the report", "Make the scheduled report"
CONTENT_PATH = "/v1/report-documents/{document_id}"


def _check(field: str, fits: object, rule: str) -> None:
    if not fits:
        raise Refusal("InvalidParameterValue", f"The value provided for [{field}] is invalid: {rule}.")


def _mine(world: World, kind: str, merchant: Merchant, types: str) -> list[AnyRecord]:
    """Return a merchant's reports or schedules of some types, or of any, the newest first."""
    mine = [record for record in world.store.every(kind) if record.merchant_id == merchant.merchant_id]
    return [record for record in reversed(mine) if not types or record.document["reportType"] in types.split(",")]


def create(world: World, merchant: Merchant, body: Body) -> Body:
    """Ask for a report."""
    _check("reportType", body["reportType"] == SANDBOX_SETTLEMENT, _ONE_TYPE)
    start, end = (datetime.fromisoformat(body[name]) for name in ("startTime", "endTime"))
    _check("endTime", timedelta() < end - start <= _LONGEST, "it must be after startTime, by 30 days at most")
    return _begin(world, merchant.merchant_id, body["startTime"], body["endTime"])


def _begin(world: World, merchant_id: str, start: str, end: str) -> Body:
    now, report_id = stamp(world.clock.now()), f"A{world.ids.letters(20)}"
    document = {
        "reportId": report_id, "reportType": SANDBOX_SETTLEMENT, "startTime": start, "endTime": end,
        "createdTime": now, "processingStatus": "IN_PROGRESS", "processingStartTime": now,
    }  # fmt: skip
    calendar.schedule(world, Record("Report", report_id, merchant_id, document, NoNotes()), _PROCESS, _TAKES)
    return {"reportId": report_id}


def _process(world: World, report: AnyRecord) -> None:
    """End a report: with a file, or canceled where nothing happened in its time."""
    document = report.document
    content = settlement_file(world, report.merchant_id, document["startTime"], document["endTime"])
    document["processingStatus"] = "COMPLETED" if content else "CANCELLED"
    document["processingEndTime"] = stamp(world.clock.now())
    if content:
        document_id = f"amzn1.tortuga.3.{world.ids.uuid()}.{world.ids.letters(14)}"
        document["reportDocumentId"] = document_id
        file = Record("Report Document", document_id, report.merchant_id, {"content": content}, NoNotes())
        calendar.schedule(world, file, calendar.DELETE, _KEPT)
    calendar.schedule(world, report, calendar.DELETE, _KEPT)


def get_document(world: World, file: AnyRecord, body: Body, outcome: Simulation | None) -> AnyRecord:
    """Return an address for a report's content, which says by itself until when it holds."""
    until = stamp(world.clock.now() + _ADDRESS_LASTS)
    query = urlencode({"expires": until, "signature": world.ids.letters(28, file.id, until)})
    address = f"{world.url}{CONTENT_PATH.format(document_id=file.id)}?{query}"
    return replace(file, document={"reportDocumentId": file.id, "url": address, "compressionAlgorithm": "N/A"})


def content_at(world: World, document_id: str, query: Mapping[str, str]) -> str:
    """Return the content of a report, or "" where the address does not hold, or no longer."""
    until, file = query.get("expires", ""), world.store.get("Report Document", document_id)
    signed = compare_digest(query.get("signature", "").encode(), world.ids.letters(28, document_id, until).encode())
    return str(file.document["content"]) if file and signed and stamp(world.clock.now()) <= until else ""


def list_reports(world: World, merchant: Merchant, body: Body) -> Body:
    """List reports, the newest first."""
    since, until = body.get("createdSince", ""), body.get("createdUntil", "Z")
    states, mine = body.get("processingStatuses", ""), _mine(world, "Report", merchant, body.get("reportTypes", ""))
    within = [record.document for record in mine if since <= record.document["createdTime"] <= until]
    found = [report for report in within if not states or report["processingStatus"] in states.split(",")]
    return _page("reports", found, body)


def list_disbursements(world: World, merchant: Merchant, body: Body) -> Body:
    """List what was paid to the bank, the oldest first."""
    start, end = body.get("startTime", ""), body.get("endTime", "Z")
    paid = disbursements(world, merchant.merchant_id)
    found = [row for row in paid if start <= stamp(datetime.fromisoformat(row["transactionTime"])) <= end]
    return _page("disbursements", found, body)


def _page(name: str, found: list[Any], body: Body) -> Body:
    """Return a part of a list, and as the token the query of the next part."""
    token, size = body.get("nextToken", ""), body.get("pageSize", 10)
    end = (int(token) if token.isdecimal() else 0) + size
    more = {"nextToken": urlencode(body | {"nextToken": end})} if len(found) > end else {}
    return {name: found[end - size : end], **more}


def create_schedule(world: World, merchant: Merchant, body: Body) -> Body:
    """Have a report made again and again."""
    due, replaces = datetime.fromisoformat(body["nextReportCreationTime"]), body.pop("deleteExistingSchedule", None)
    _check("reportType", body["reportType"] == SANDBOX_SETTLEMENT, _ONE_TYPE)
    within, rule = world.clock.now() <= due < END, f"it is in the past, or after the year {LAST_YEAR}"
    _check("nextReportCreationTime", within, rule)
    for schedule in _mine(world, "Report Schedule", merchant, ""):
        _check("reportType", replaces, "it has a schedule, which deleteExistingSchedule would replace")
        world.store.delete(schedule)
    document = {"reportScheduleId": world.ids.digits(11)} | body
    schedule = Record("Report Schedule", document["reportScheduleId"], merchant.merchant_id, document, NoNotes())
    world.store.plan(schedule, _REPEAT, due.isoformat())
    return {"reportScheduleId": schedule.id}


def _repeat(world: World, schedule: AnyRecord) -> None:
    """Make a report of the time since the last one."""
    due = datetime.fromisoformat(schedule.document["nextReportCreationTime"])
    frequency = parse_duration(schedule.document["scheduleFrequency"])
    _begin(world, schedule.merchant_id, stamp(due - frequency), stamp(due))
    schedule.document["nextReportCreationTime"] = stamp(due + frequency)
    world.store.plan(schedule, _REPEAT, (due + frequency).isoformat())


def list_schedules(world: World, merchant: Merchant, body: Body) -> Body:
    """List a merchant's schedules."""
    schedules = _mine(world, "Report Schedule", merchant, body.get("reportTypes", ""))
    return {"reportSchedules": [schedule.document for schedule in schedules]}


def cancel_schedule(world: World, schedule: AnyRecord, body: Body, outcome: Simulation | None) -> AnyRecord:
    """Make no more reports on this schedule."""
    world.store.delete(schedule)
    return replace(schedule, document={})


# What the clock does.
OCCASIONS: dict[str, Callable[[World, AnyRecord], None]] = {_PROCESS: _process, _REPEAT: _repeat}
