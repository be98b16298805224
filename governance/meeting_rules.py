"""A site's rules of procedure for the monthly meeting, as data, and the day that follows from them.

The 10th of the month, reception in the morning and the meeting in the evening, are those of the compounds this program
comes from. All of it is a default that a compound may set otherwise; none of it is law.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Boolean, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from governance.meeting_stages import MEETING_PARTIES
from registry.calendar import MINUTES_OF_DAY, DayKind, day_kind, is_working_day
from registry.database import BigId, Table
from registry.errors import InvalidField
from registry.role import Party
from registry.site import Site

LAST_DAY_OF_ANY_MONTH = 28
MOST_LEAD_DAYS = 28
MAX_PLACE_LENGTH = 100


class HolidayRule(StrEnum):
    """What happens when the day is a public holiday. A plain weekend moves nothing: owners have time then."""

    KEEP = "keep"
    NEXT_WORKING_DAY = "next_working_day"


@dataclass(frozen=True, slots=True)
class Procedure:
    """[P] Minutes after midnight, local time. `parties` are those of which somebody must be there for a decision."""

    is_held: bool = True
    day: int = 10
    meeting_start_min: int = 19 * 60
    reception_start_min: int = 9 * 60
    reception_end_min: int = 11 * 60 + 30
    holiday_rule: HolidayRule = HolidayRule.NEXT_WORKING_DAY
    lead_days: int = 7
    """So many days before, the meeting is made and its agenda prepared."""
    place: str = ""
    parties: tuple[Party, ...] = MEETING_PARTIES

    def __post_init__(self) -> None:
        if not 1 <= self.day <= LAST_DAY_OF_ANY_MONTH:
            raise InvalidField("day", f"must be a day that every month has, 1 to {LAST_DAY_OF_ANY_MONTH}")
        times = (self.meeting_start_min, self.reception_start_min, self.reception_end_min)
        if not all(0 <= each < MINUTES_OF_DAY for each in times) or self.reception_end_min <= self.reception_start_min:
            raise InvalidField("hours", "must be times of the day, the end of the reception after its beginning")
        if not 1 <= self.lead_days <= MOST_LEAD_DAYS:
            raise InvalidField("lead_days", f"must be 1 to {MOST_LEAD_DAYS}")
        if not self.parties or not set(self.parties) <= set(MEETING_PARTIES):
            raise InvalidField("parties", "must be of the three parties, one at least")


@dataclass(frozen=True, slots=True)
class MeetingDay:
    """When a meeting is held. `moved_from` is the day it would have been held on, had that not been a holiday."""

    month: str
    day: date
    moved_from: date | None
    reception_start_ms: int
    reception_end_ms: int
    starts_ms: int


class MeetingRule(Table):
    """What a compound set for itself; one without a row has the defaults of `Procedure`."""

    __tablename__ = "meeting_rule"

    site_id: Mapped[int] = mapped_column(BigId, ForeignKey("site.id"), primary_key=True, autoincrement=False)
    is_held: Mapped[bool] = mapped_column(Boolean)
    day: Mapped[int] = mapped_column(Integer)
    meeting_start_min: Mapped[int] = mapped_column(Integer)
    reception_start_min: Mapped[int] = mapped_column(Integer)
    reception_end_min: Mapped[int] = mapped_column(Integer)
    holiday_rule: Mapped[str] = mapped_column(String(20))
    lead_days: Mapped[int] = mapped_column(Integer)
    place: Mapped[str] = mapped_column(String(MAX_PLACE_LENGTH))
    parties: Mapped[str] = mapped_column(String(60))

    def as_procedure(self) -> Procedure:
        return Procedure(
            is_held=self.is_held,
            day=self.day,
            meeting_start_min=self.meeting_start_min,
            reception_start_min=self.reception_start_min,
            reception_end_min=self.reception_end_min,
            holiday_rule=HolidayRule(self.holiday_rule),
            lead_days=self.lead_days,
            place=self.place,
            parties=read_parties(self.parties),
        )


def read_parties(text: str) -> tuple[Party, ...]:
    """Parties kept as comma-separated text, in the order of the three."""
    named = set(text.split(","))
    return tuple(party for party in MEETING_PARTIES if party.value in named)


def write_parties(parties: Iterable[Party]) -> str:
    return ",".join(party.value for party in MEETING_PARTIES if party in set(parties))


def procedure_of(session: Session, site: Site) -> Procedure:
    kept = session.get(MeetingRule, site.id)
    return Procedure() if kept is None else kept.as_procedure()


def set_procedure(session: Session, site: Site, procedure: Procedure) -> None:
    kept = session.get(MeetingRule, site.id)
    if kept is None:
        kept = MeetingRule(site_id=site.id)
        session.add(kept)
    kept.is_held, kept.day, kept.lead_days = procedure.is_held, procedure.day, procedure.lead_days
    kept.meeting_start_min = procedure.meeting_start_min
    kept.reception_start_min, kept.reception_end_min = procedure.reception_start_min, procedure.reception_end_min
    kept.holiday_rule, kept.place = procedure.holiday_rule.value, procedure.place.strip()[:MAX_PLACE_LENGTH]
    kept.parties = write_parties(procedure.parties)
    session.flush()


def meeting_day(procedure: Procedure, *, year: int, month: int, timezone: str) -> MeetingDay:
    wanted = date(year, month, procedure.day)
    held = wanted
    if procedure.holiday_rule is HolidayRule.NEXT_WORKING_DAY and day_kind(wanted) is DayKind.HOLIDAY:
        while not is_working_day(held):
            held += timedelta(days=1)
    return MeetingDay(
        month=f"{year:04}-{month:02}",
        day=held,
        moved_from=wanted if held != wanted else None,
        reception_start_ms=instant_at(held, procedure.reception_start_min, timezone),
        reception_end_ms=instant_at(held, procedure.reception_end_min, timezone),
        starts_ms=instant_at(held, procedure.meeting_start_min, timezone),
    )


def instant_at(day: date, minute: int, timezone: str) -> int:
    local = datetime.combine(day, time(minute // 60, minute % 60), ZoneInfo(timezone))
    return round(local.timestamp() * 1000)


def next_meeting_day(procedure: Procedure, *, today: date, timezone: str) -> MeetingDay:
    """That of this month, or of the next when this month's is over."""
    this = meeting_day(procedure, year=today.year, month=today.month, timezone=timezone)
    if this.day >= today:
        return this
    year, month = divmod(today.year * 12 + today.month, 12)
    return meeting_day(procedure, year=year, month=month + 1, timezone=timezone)
