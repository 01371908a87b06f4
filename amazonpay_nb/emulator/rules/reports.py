"""Reports: the clock makes them from the books, once or on a schedule, and their addresses hold for 30 seconds."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode

from amazonpay_nb.emulator.clock import parse_duration, stamp
from amazonpay_nb.emulator.records import AnyRecord, DocumentNotes, Merchant, NoNotes, Record
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


def _answer(document: Body) -> AnyRecord:
    return Record("Report", "", "", document, NoNotes())


def _check(field: str, fits: object, rule: str) -> None:
    if not fits:
        raise Refusal("InvalidParameterValue", f"The value provided for [{field}] is invalid: {rule}.")


def _mine(world: World, kind: str, merchant: Merchant, types: Iterable[str]) -> list[AnyRecord]:
    """Return a merchant's reports or schedules of some types, or of any, the newest first."""
    mine = [record for record in world.store.every(kind) if record.merchant_id == merchant.merchant_id]
    return [record for record in reversed(mine) if not types or record.document["reportType"] in types]


def create(world: World, merchant: Merchant, body: Body) -> AnyRecord:
    """Ask for a report."""
    _check("reportType", body["reportType"] == SANDBOX_SETTLEMENT, _ONE_TYPE)
    start, end = (datetime.fromisoformat(body[name]) for name in ("startTime", "endTime"))
    _check("endTime", timedelta() < end - start <= _LONGEST, "it must be after startTime, by 30 days at most")
    return _answer({"reportId": _begin(world, merchant.merchant_id, start, end)})


def _begin(world: World, merchant_id: str, start: datetime, end: datetime) -> str:
    now, report_id = world.clock.now(), f"A{world.ids.letters(20)}"
    document = {
        "reportId": report_id, "reportType": SANDBOX_SETTLEMENT, "startTime": stamp(start), "endTime": stamp(end),
        "createdTime": stamp(now), "processingStatus": "IN_PROGRESS", "processingStartTime": stamp(now),
    }  # fmt: skip
    report = Record("Report", report_id, merchant_id, document, NoNotes())
    calendar.schedule(world, report, _PROCESS, _TAKES)
    return report_id


def _process(world: World, report: AnyRecord) -> None:
    """End a report: with a file, or canceled where nothing happened in its time."""
    document = report.document
    times = (datetime.fromisoformat(document[name]) for name in ("startTime", "endTime"))
    content = settlement_file(world, report.merchant_id, *times)
    document["processingStatus"] = "COMPLETED" if content else "CANCELLED"
    document["processingEndTime"] = stamp(world.clock.now())
    kept = [report]
    if content:
        document_id = f"amzn1.tortuga.3.{world.ids.uuid()}.{world.ids.letters(14)}"
        document["reportDocumentId"] = document_id
        shown = {"reportDocumentId": document_id, "url": None, "compressionAlgorithm": "N/A"}
        kept.append(Record("Report Document", document_id, report.merchant_id, shown, DocumentNotes(content)))
    for record in kept:
        calendar.schedule(world, record, calendar.DELETE, _KEPT)


def get_document(world: World, record: AnyRecord, body: Body, outcome: Simulation | None) -> AnyRecord:
    """Return an address for a report's content, which says by itself until when it holds."""
    until = stamp(world.clock.now() + _ADDRESS_LASTS)
    query = urlencode({"expires": until, "signature": world.ids.letters(28, record.id, until)})
    return _answer(record.document | {"url": f"{world.url}{CONTENT_PATH.format(document_id=record.id)}?{query}"})


def content_at(world: World, document_id: str, query: Mapping[str, str]) -> str:
    """Return the content of a report, or "" where the address does not hold, or no longer."""
    until, record = query.get("expires", ""), world.store.get("Report Document", document_id)
    signed = compare_digest(query.get("signature", "").encode(), world.ids.letters(28, document_id, until).encode())
    return str(record.notes.content) if record and signed and stamp(world.clock.now()) <= until else ""


def list_reports(world: World, merchant: Merchant, body: Body) -> AnyRecord:
    """List reports, the newest first."""
    since, until = body.get("createdSince", ""), body.get("createdUntil", "Z")
    states, mine = body.get("processingStatuses"), _mine(world, "Report", merchant, body.get("reportTypes", ()))
    within = [record.document for record in mine if since <= record.document["createdTime"] <= until]
    return _page("reports", [each for each in within if not states or each["processingStatus"] in states], body)


def list_disbursements(world: World, merchant: Merchant, body: Body) -> AnyRecord:
    """List what was paid to the bank, the oldest first."""
    start, end = body.get("startTime", ""), body.get("endTime", "Z")
    paid = disbursements(world, merchant.merchant_id)
    found = [row for row in paid if start <= stamp(datetime.fromisoformat(row["transactionTime"])) <= end]
    return _page("disbursements", found, body)


def _page(name: str, found: list[Any], body: Body) -> AnyRecord:
    """Return a part of a list, and as the token the query of the next part."""
    token, size = body.get("nextToken", ""), body.get("pageSize", 10)
    end = (int(token) if token.isdecimal() else 0) + size
    query = {field: ",".join(value) if isinstance(value, list) else value for field, value in body.items()}
    more = {"nextToken": urlencode(query | {"nextToken": end})} if len(found) > end else {}
    return _answer({name: found[end - size : end], **more})


def create_schedule(world: World, merchant: Merchant, body: Body) -> AnyRecord:
    """Have a report made again and again."""
    due, replaces = datetime.fromisoformat(body["nextReportCreationTime"]), body.pop("deleteExistingSchedule", None)
    _check("reportType", body["reportType"] == SANDBOX_SETTLEMENT, _ONE_TYPE)
    _check("nextReportCreationTime", due >= world.clock.now(), "it is in the past")
    for schedule in _mine(world, "Report Schedule", merchant, (body["reportType"],)):
        _check("reportType", replaces, "it has a schedule, which deleteExistingSchedule would replace")
        world.store.delete(schedule)
    document = {"reportScheduleId": world.ids.digits(11)} | body
    schedule = Record("Report Schedule", document["reportScheduleId"], merchant.merchant_id, document, NoNotes())
    _plan(world, schedule, due)
    return _answer({"reportScheduleId": schedule.id})


def _plan(world: World, schedule: AnyRecord, due: datetime) -> None:
    schedule.document["nextReportCreationTime"] = stamp(due)
    world.store.plan(schedule, _REPEAT, due.isoformat())


def _repeat(world: World, schedule: AnyRecord) -> None:
    """Make a report of the time since the last one."""
    due = datetime.fromisoformat(schedule.document["nextReportCreationTime"])
    frequency = parse_duration(schedule.document["scheduleFrequency"])
    _begin(world, schedule.merchant_id, due - frequency, due)
    _plan(world, schedule, due + frequency)


def list_schedules(world: World, merchant: Merchant, body: Body) -> AnyRecord:
    """List a merchant's schedules."""
    schedules = _mine(world, "Report Schedule", merchant, body.get("reportTypes", ()))
    return _answer({"reportSchedules": [schedule.document for schedule in schedules]})


def cancel_schedule(world: World, schedule: AnyRecord, body: Body, outcome: Simulation | None) -> AnyRecord:
    """Make no more reports on this schedule."""
    world.store.delete(schedule)
    return _answer({})


# What the clock does.
OCCASIONS: dict[str, Callable[[World, AnyRecord], None]] = {_PROCESS: _process, _REPEAT: _repeat}
