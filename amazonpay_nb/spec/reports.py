"""Words of the reports about payments and payouts, and of their schedules."""

from typing import Annotated, Literal

from pydantic import Field

SANDBOX_SETTLEMENT = "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SANDBOX_SETTLEMENT_DATA_"
ReportType = Annotated[str, Field(pattern=r"^_GET_(FLAT_FILE|CSV_CUSTOM)_OFFAMAZONPAYMENTS_[A-Z_]+_DATA_$")]
ProcessingStatus = Literal["IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"]
Interval = Annotated[str, Field(pattern=r"^(PT(5M|15M|30M|1H|2H|4H|8H|12H|24H|84H)|P(1|2|3|7|14|15|18|30)D)$")]
