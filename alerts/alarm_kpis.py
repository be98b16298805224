"""The alarms of a compound in a span, in the terms of ISA-18.2 / IEC 62682: how many, how dense, how soon heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.alarm import Alarm, AlarmState
from alerts.severity import Severity
from registry.unit import Unit

TEN_MINUTES_MS = 10 * 60_000
DAY_MS = 86_400_000
STALE_MS = DAY_MS
"""An alarm that has been standing for so long is stale [S: 24 h]."""


@dataclass(frozen=True, slots=True)
class AlarmKpis:
    """`peak` is the most alarms in any ten minutes; None for what cannot be said because there were no alarms."""

    days: float
    alarms: int
    critical: int
    peak: int
    stale: int
    acknowledged: int
    median_acknowledged_ms: int | None

    @property
    def per_day(self) -> float:
        return self.alarms / self.days if self.days else 0.0


def alarm_kpis(session: Session, site_id: int, *, start_ms: int, end_ms: int) -> AlarmKpis:
    """Of the alarms raised in the span; those that another alarm explains told nobody and are not counted."""
    query = (
        select(Alarm.raised_ms, Alarm.severity, Alarm.state, Alarm.cleared_ms, Alarm.acknowledged_ms)
        .join(Unit, Alarm.unit_id == Unit.id)
        .where(
            Unit.site_id == site_id,
            Alarm.raised_ms >= start_ms,
            Alarm.raised_ms < end_ms,
            Alarm.is_explained.is_(False),
        )
        .order_by(Alarm.raised_ms)
    )
    rows = session.execute(query).all()
    heard = [row.acknowledged_ms - row.raised_ms for row in rows if row.acknowledged_ms is not None]
    return AlarmKpis(
        days=(end_ms - start_ms) / DAY_MS,
        alarms=len(rows),
        critical=sum(row.severity == Severity.CRITICAL for row in rows),
        peak=densest([row.raised_ms for row in rows]),
        stale=sum(
            (row.cleared_ms if row.cleared_ms is not None else end_ms) - row.raised_ms >= STALE_MS
            for row in rows
            if row.cleared_ms is not None or row.state != AlarmState.NORMAL
        ),
        acknowledged=len(heard),
        median_acknowledged_ms=round(median(heard)) if heard else None,
    )


def densest(times_ms: Sequence[int]) -> int:
    """The most of these instants, in ascending order, that lie within ten minutes.

    >>> densest([0, 1, 600_000, 600_001, 600_002])
    3
    """
    first = most = 0
    for last, at_ms in enumerate(times_ms):
        while at_ms - times_ms[first] > TEN_MINUTES_MS:
            first += 1
        most = max(most, last - first + 1)
    return most
