"""The emulator's time: the wall clock's, or a virtual one that moves only when it is advanced."""

import re
from calendar import monthrange
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from amazonpay_nb.emulator.store import Store
from amazonpay_nb.emulator.store_file import REAL_TIME, START

# The default start of virtual time.
VIRTUAL_START = datetime(2026, 1, 15, 12, tzinfo=UTC)
# Virtual time is between these: beyond them, dates of signatures and timers would leave the calendar.
FIRST_YEAR, LAST_YEAR = 1970, 9000
END = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)


def parse_duration(text: str) -> timedelta:
    """Return an ISO 8601 duration such as ``PT24H``; months and years, whose length varies, are a ValueError too."""
    match = _DURATION.fullmatch(text)
    parts = {name: float(value) for name, value in (match.groupdict() if match else {}).items() if value}
    with suppress(OverflowError):
        if parts:
            return timedelta(**parts)
    raise ValueError(f"{text!r} is not an ISO 8601 duration of any use; write for example PT24H, P30D or PT30S")


def stamp(moment: datetime) -> str:
    """Return the API's form of a time, ``yyyyMMddTHHmmssZ``."""
    return moment.isoformat()[:19].replace("-", "").replace(":", "") + "Z"  # six times as fast as strftime


def zulu(moment: datetime, timespec: str = "seconds") -> str:
    """Return a time in UTC as ISO 8601 with a ``Z``, as exact as *timespec* (see `datetime.isoformat`)."""
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def months_later(moment: datetime, months: int) -> datetime:
    """Return the same time of the same day some months later, or of that month's last day where it is shorter."""
    years, month = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + years, month + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


class Clock:
    """The clock of an emulator, which begins at *start*, or in real time; the store keeps it across restarts."""

    def __init__(self, store: Store, start: datetime | None) -> None:
        self._store = store
        if store.setting(START) is None:  # a new store, or one of before this was kept
            store.set(START, start.astimezone(UTC).isoformat() if start else store.setting("clock") or REAL_TIME)
        if self.mode == "virtual":
            self.set(self.now())

    @property
    def mode(self) -> str:
        """``virtual`` or ``real``."""
        return "real" if self._store.setting(START) == REAL_TIME else "virtual"

    def now(self) -> datetime:
        """Return the world's time, aware, in UTC."""
        if self.mode == "real":
            return datetime.now(UTC)
        return datetime.fromisoformat(self._store.setting("clock") or self._store.setting(START))

    def set(self, moment: datetime) -> None:
        """Move virtual time to *moment*."""
        self._store.set("clock", moment.isoformat())
