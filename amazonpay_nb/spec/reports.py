"""What is asked about reports and payouts: in bodies, and in addresses behind the question mark."""

from typing import Annotated, Required, TypedDict

from pydantic import Field

from amazonpay_nb.spec.parts import Flag, Moment, Strict

SANDBOX_SETTLEMENT = "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SANDBOX_SETTLEMENT_DATA_"
_TYPE = "_GET_(FLAT_FILE|CSV_CUSTOM)_OFFAMAZONPAYMENTS_[A-Z_]+_DATA_"
_STATUS = "(IN_PROGRESS|COMPLETED|FAILED|CANCELLED)"
ReportType = Annotated[str, Field(pattern=f"^{_TYPE}$")]
_FREQUENCIES = r"^(PT(5M|15M|30M|1H|2H|4H|8H|12H|24H|84H)|P(1|2|3|7|14|15|18|30)D)$"


class CreateReport(Strict):
    """Body of Create Report: a type, and the time that it is about."""

    report_type: ReportType
    start_time: Moment
    end_time: Moment


class CreateReportSchedule(TypedDict, total=False):
    """Body of Create Report Schedule; the guide has the last field in the query, the SDKs have it here."""

    report_type: Required[ReportType]
    schedule_frequency: Required[Annotated[str, Field(pattern=_FREQUENCIES)]]
    next_report_creation_time: Required[Moment]
    delete_existing_schedule: Flag | None


class _Page(TypedDict, total=False):
    page_size: Annotated[int, Field(ge=1, le=100)] | None
    next_token: Annotated[str, Field(max_length=2000)] | None


class GetReportSchedules(TypedDict, total=False):
    """Query of Get Report Schedules: types of reports, separated by commas."""

    report_types: Annotated[str, Field(pattern=f"^{_TYPE}(,{_TYPE})*$")] | None


class GetReports(_Page, GetReportSchedules, total=False):
    """Query of Get Reports; processing statuses are separated by commas, too."""

    processing_statuses: Annotated[str, Field(pattern=f"^{_STATUS}(,{_STATUS})*$")] | None
    created_since: Moment | None
    created_until: Moment | None


class GetDisbursements(_Page, total=False):
    """Query of Get Disbursements: between two times of settlement."""

    start_time: Moment | None
    end_time: Moment | None
