"""When an alarm's condition held, occurrence by occurrence, to be marked in a chart."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from alerts.alarm import Alarm
from alerts.limits import Limits
from api.charts import Stretch
from api.pages.alarm_cards import alarm_title
from api.pages.rendering import Reader
from registry import activity

MAX_MARKED_ALARMS = 12
STARTS = ("alarm.raised", "alarm.raised_again")


def held_times(session: Session, alarm: Alarm, *, open_end_ms: int) -> list[tuple[int, int]]:
    """(start, end) of each occurrence in event time, oldest first; one that still holds ends at `open_end_ms`.

    The stretch of an anomaly begins with the first row that led to its verdict, not with the verdict.
    """
    starts = [alarm.raised_ms]
    times: list[tuple[int, int]] = []
    if alarm.occurrences > 1:
        starts = []
        for row in activity.of_subject(session, alarm.subject):
            ts_ms = row.data.get("ts_ms")
            if not isinstance(ts_ms, int):
                continue
            if row.verb in STARTS:
                starts.append(ts_ms)
            elif row.verb == "alarm.returned" and len(starts) > len(times):
                times.append((starts[len(times)], ts_ms))
        starts = starts or [alarm.raised_ms]
    if len(starts) > len(times):
        end_ms = alarm.cleared_ms if alarm.cleared_ms is not None else open_end_ms
        times.append((starts[len(times)], max(end_ms, starts[-1])))
    # The evidence is that of the last occurrence.
    since_ms = alarm.evidence.get("since_ms")
    before_ms = times[-2][1] if len(times) > 1 else 0
    if isinstance(since_ms, int) and before_ms <= since_ms <= times[-1][0]:
        times[-1] = (since_ms, times[-1][1])
    return times


def marked_stretches(
    session: Session, alarms: Sequence[Alarm], *, start_ms: int, end_ms: int, limits: Limits, reader: Reader
) -> list[Stretch]:
    """Stretches of the alarms that touch the window; the newest alarms if there are too many to mark."""
    touching = [
        alarm
        for alarm in alarms
        if alarm.raised_ms <= end_ms and (alarm.cleared_ms is None or alarm.is_active or alarm.cleared_ms >= start_ms)
    ]
    found = []
    for alarm in touching[:MAX_MARKED_ALARMS]:
        title = alarm_title(alarm, limits=limits, reader=reader)
        times = held_times(session, alarm, open_end_ms=end_ms)
        for number, (from_ms, to_ms) in enumerate(times, start=1):
            if from_ms <= end_ms and to_ms >= start_ms:
                is_over = number < len(times) or not alarm.is_active
                found.append(Stretch(from_ms, to_ms, title, alarm.severity, is_over))
    return found
