"""The alarms of the units that a batch of signals is about, looked up once, and those that it begins, written at once.

A power cut begins a thousand alarms within a second: a savepoint and a statement for each would take longer than all
that follows from them.
"""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.alarm import Alarm, AlarmState, known_alarms
from alerts.signal import Signal
from models.reading import UnitKey
from registry.unit import units_by_id

Key = tuple[int, str]
"""A unit's id and a condition's code."""


class KnownAlarms:
    """For units that the caller holds until the end of the transaction."""

    def __init__(self, session: Session, unit_ids: Collection[int], codes: Collection[str]) -> None:
        self._session = session
        # Kept, so that each alarm finds its unit and site without asking again.
        self._units = units_by_id(session, unit_ids)
        self._open, self._last = known_alarms(session, unit_ids, codes)
        self._new: dict[Key, Alarm] = {}

    def open(self, unit_id: int, code: str) -> Alarm | None:
        found = self._open.get((unit_id, code))
        return found if found is not None and found.state != AlarmState.NORMAL else None

    def recent(self, signal: Signal, unit_id: int) -> Alarm | None:
        """The last alarm of the key, if it returned so shortly before that this is the same incident."""
        last = self._last.get((unit_id, signal.condition.code))
        if last is None or last.cleared_ms is None:
            return None
        since_ms = signal.ts_ms - last.cleared_ms
        return last if 0 <= since_ms <= signal.condition.reuse_s * 1000 else None

    def keep(self, alarm: Alarm) -> None:
        self._open[alarm.unit_id, alarm.condition] = self._last[alarm.unit_id, alarm.condition] = alarm

    def write_new(self, signals: Iterable[Signal], units: Mapping[UnitKey, int], *, received_ms: int) -> None:
        """Writes the alarms that these signals begin, for `new` to hand out."""
        firsts: dict[Key, Signal] = {}
        for signal in signals:
            if signal.is_active:
                firsts.setdefault((units[signal.unit], signal.condition.code), signal)
        begun = {
            (unit_id, code): _alarm(signal, unit_id, received_ms)
            for (unit_id, code), signal in firsts.items()
            if self.open(unit_id, code) is None and self.recent(signal, unit_id) is None
        }
        if self._is_written(begun.values()):
            self._new = begun
        # Else another worker raised one of them between our look and our insert: `new` tries each by itself.

    def new(self, signal: Signal, unit_id: int, *, received_ms: int) -> Alarm | None:
        """The alarm that this signal begins; None where another worker raised it: the database lets only one."""
        alarm = self._new.pop((unit_id, signal.condition.code), None)
        if alarm is not None:
            return alarm
        alarm = _alarm(signal, unit_id, received_ms)
        return alarm if self._is_written([alarm]) else None

    def _is_written(self, alarms: Collection[Alarm]) -> bool:
        if not alarms:
            return True
        try:
            with self._session.begin_nested():
                self._session.add_all(alarms)
        except IntegrityError:
            return False
        return True


def _alarm(signal: Signal, unit_id: int, received_ms: int) -> Alarm:
    return Alarm(
        unit_id=unit_id,
        condition=signal.condition.code,
        severity=signal.condition.severity.value,
        state=AlarmState.UNACKNOWLEDGED.value,
        is_active=True,
        raised_ms=signal.ts_ms,
        received_ms=received_ms,
        occurrences=1,
        evidence=signal.evidence,
    )
